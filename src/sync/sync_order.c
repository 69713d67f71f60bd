/*
 * sync_order.c: the order in which a merge takes the rows of a delta: what is referred to comes first, and goes last.
 *
 * The order only saves work: a row that comes too early fails and is tried again, as one does that
 * refers to what another delta brings.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/table.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "sync/sync_merge.h"
#include "sync/sync_table.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* A table of which there are rows. */
typedef struct OrderTable
{
	const char *name;
	SyncTable  *table;			/* NULL if none is tracked by the name */
	Bitmapset  *reached;		/* tables that it refers to, by whatever way,
								 * and itself */
	int			component;		/* the first of those that refer to one
								 * another */
	bool		is_circle;		/* some refer to one another, or to itself */
	bool		has_living;
	bool		dies_late;		/* rows that live may refer to those that die */
} OrderTable;

/* A foreign key; columns by number in the tables. */
typedef struct Reference
{
	int			from;
	int			to;
	int			count;
	int			from_columns[INDEX_MAX_KEYS];
	int			to_columns[INDEX_MAX_KEYS];
} Reference;

typedef struct Order
{
	SyncItem   *items;
	int			count;
	int		   *table_of;		/* of each item */
	OrderTable *tables;
	int			table_count;
	Reference  *references;
	int			reference_count;
	int			circles;
	SyncItem   *ordered;		/* in their new order, or NULL if it is the
								 * old one */
} Order;

/* Where an item goes. */
typedef struct Place
{
	int			phase;			/* 0 dies, 1 lives, 2 dies after that */
	int			rank;
	int			component;
	int			item;
} Place;

/* Of an item, on the way through what refers to what. */
typedef struct OrderNode
{
	int			number;			/* in which order they were begun, from 1 */
	int			low;			/* the first that it leads to */
	int			next;			/* of its references */
	bool		is_done;
} OrderNode;

typedef struct Target
{
	uint64		hash;
	int			item;
} Target;

static void
gather_tables(Order *order)
{
	int			room = 8;
	int			last = -1;

	order->tables = palloc(sizeof(OrderTable) * room);
	order->table_of = palloc_extended(sizeof(int) * order->count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < order->count; i++)
	{
		const SyncItem *item = &order->items[i];

		if (last < 0 || strcmp(order->tables[last].name, item->name) != 0)
		{
			for (last = order->table_count - 1; last >= 0 && strcmp(order->tables[last].name, item->name) != 0; last--)
				;
			if (last < 0)
			{
				Oid			root = sync_table_by_name(item->name);

				if (order->table_count == room)
					order->tables = repalloc(order->tables, sizeof(OrderTable) * (room *= 2));
				last = order->table_count++;
				order->tables[last] = (OrderTable)
				{
					.name = item->name,.table = OidIsValid(root) ? sync_table_get(root) : NULL
				};
			}
		}
		order->table_of[i] = last;
		order->tables[last].has_living |= row_is_alive(item->state);
	}
}

/* The number of a column, in a table, of it or of one of its partitions; -1 for one that is not known here. */
int
sync_column_number(const SyncTable *table, Oid relid, AttrNumber attnum)
{
	if (relid != table->root)
		attnum = get_attnum(table->root, get_attname(relid, attnum, false));
	for (int i = 0; i < table->column_count; i++)
		if (table->columns[i].attnum == attnum)
			return i;
	return -1;
}

static void
add_reference(Order *order, int from, int to, const ForeignKeyCacheInfo *key)
{
	Reference	reference = {.from = from,.to = to};

	for (int i = 0; i < key->nkeys; i++)
	{
		reference.from_columns[i] = sync_column_number(order->tables[from].table, key->conrelid, key->conkey[i]);
		reference.to_columns[i] = sync_column_number(order->tables[to].table, key->confrelid, key->confkey[i]);
		if (reference.from_columns[i] >= 0 && reference.to_columns[i] >= 0)
			reference.count++;
	}
	/* Tables are put in order even where rows cannot be. */
	if (reference.count < key->nkeys)
		reference.count = 0;
	for (int i = 0; i < order->reference_count; i++)
	{
		const Reference *other = &order->references[i];

		/*
		 * A partitioned table is referred to by a constraint for each
		 * partition, too.
		 */
		if (other->from == from && other->to == to && other->count == reference.count &&
			memcmp(other->from_columns, reference.from_columns, sizeof(int) * reference.count) == 0 &&
			memcmp(other->to_columns, reference.to_columns, sizeof(int) * reference.count) == 0)
			return;
	}
	order->references = order->references == NULL ? palloc(sizeof(Reference)) :
		repalloc(order->references, sizeof(Reference) * (order->reference_count + 1));
	order->references[order->reference_count++] = reference;
}

static void
gather_references(Order *order)
{
	for (int from = 0; from < order->table_count; from++)
	{
		Relation	rel;
		ListCell   *cell;

		if (order->tables[from].table == NULL)
			continue;
		rel = table_open(order->tables[from].table->root, AccessShareLock);
		foreach(cell, copyObject(RelationGetFKeyList(rel)))
		{
			const ForeignKeyCacheInfo *key = lfirst(cell);
			SyncTable  *referred = sync_table_find(key->confrelid);

			for (int to = 0; referred != NULL && to < order->table_count; to++)
				if (order->tables[to].table != NULL && order->tables[to].table->root == referred->root)
					add_reference(order, from, to, key);
		}
		table_close(rel, NoLock);
	}
}

/* Which tables refer to which, and so which rows die late. */
static void
reach(Order *order)
{
	bool		changed = true;

	for (int i = 0; i < order->table_count; i++)
		order->tables[i].reached = bms_make_singleton(i);
	while (changed)
	{
		changed = false;
		for (int i = 0; i < order->reference_count; i++)
		{
			OrderTable *from = &order->tables[order->references[i].from];
			OrderTable *to = &order->tables[order->references[i].to];

			if (!bms_is_subset(to->reached, from->reached))
			{
				from->reached = bms_add_members(from->reached, to->reached);
				changed = true;
			}
			if (!to->dies_late && (from->has_living || from->dies_late))
				to->dies_late = changed = true;
		}
	}
	for (int i = 0; i < order->table_count; i++)
	{
		OrderTable *table = &order->tables[i];

		table->component = i;
		for (int j = 0; j < i; j++)
			if (bms_is_member(j, table->reached) && bms_is_member(i, order->tables[j].reached))
			{
				table->component = j;
				break;
			}
	}
	for (int i = 0; i < order->reference_count; i++)
	{
		const OrderTable *from = &order->tables[order->references[i].from];

		if (from->component == order->tables[order->references[i].to].component)
			order->tables[from->component].is_circle = true;
	}
}

static int
compare_places(const void *a, const void *b)
{
	const Place *x = a;
	const Place *y = b;

	if (x->phase != y->phase)
		return x->phase - y->phase;
	if (x->rank != y->rank)
		return (x->rank < y->rank) == (x->phase == 1) ? -1 : 1;
	if (x->component != y->component)
		return (x->component < y->component) == (x->phase == 1) ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

/* A part of a key. */
static Image
key_part(const SyncTable *table, Image key, int column)
{
	Reader		reader = {(const uint8_t *) key.data, (const uint8_t *) key.data + key.size, NULL};
	Image		part = {NULL, 0};

	if (table->key_count == 1)
		return key;
	for (int i = 0; i < table->key_count; i++)
	{
		part.size = read_count(&reader, 1);
		part.data = (const char *) read_bytes(&reader, part.size);
		if (reader.error != NULL || table->key[i] == column)
			break;
	}
	if (reader.error != NULL)
		part = (Image)
	{
		NULL, 0
	};
	return part;
}

/* What a column of a row that lives is told to be, in which form; without data if it is NULL, or not told. */
Image
sync_told_image(const SyncTable *table, const SyncItem *item, int column, uint8_t *form)
{
	if (table->columns[column].is_key)
	{
		for (int i = 0; i < table->key_count; i++)
			if (table->key[i] == column && i < item->names->key_count)
				*form = item->names->key_forms[i];
		return key_part(table, item->key, column);
	}
	for (int i = 0; i < item->state->register_count; i++)
		if (item->state->registers[i].column == table->columns[column].id)
		{
			*form = item->state->registers[i].form;
			return item->state->registers[i].value;
		}
	return (Image)
	{
		NULL, 0
	};
}

/*
 * The hash of what a row has in some columns, 0 if it has nothing in one of them.  "values" are
 * those of the row here, if it is to die.
 */
static uint64
hash_columns(const SyncTable *table, const SyncItem *item, const Datum *values, const bool *nulls,
			 const int *columns, int count, int seed)
{
	uint64		hash = seed + 1;

	for (int i = 0; i < count; i++)
	{
		const SyncColumn *column = &table->columns[columns[i]];
		uint8_t		form;
		Image		image = values != NULL ? sync_image(column, values[columns[i]], nulls[columns[i]]) :
		sync_told_image(table, item, columns[i], &form);

		if (image.data == NULL)
			return 0;
		hash = XXH3_64bits_withSeed(image.data, image.size, hash);
	}
	return count == 0 ? 0 : hash;
}

/*
 * Put the items of "places", of one component, in an order in which each comes after those that it
 * refers to; those that go around are neighbours, and have a number.
 */
static void
order_circle(Order *order, Place *places, int count)
{
	int			component = places[0].component;
	int		   *references = palloc(sizeof(int) * order->reference_count);
	int			kinds = 0;
	uint64	   *wanted;
	Place	   *sorted;
	OrderNode  *nodes;
	int		   *path;
	int		   *begun;			/* begun, and not done */
	int			numbers = 0;
	int			opened = 0;
	int			done = 0;
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Target),.hcxt = CurrentMemoryContext};
	HTAB	   *targets = hash_create("rows that are referred to", count, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "row of an order", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < order->reference_count; i++)
		if (order->tables[order->references[i].from].component == component &&
			order->tables[order->references[i].to].component == component)
			references[kinds++] = i;
	wanted = palloc_extended(sizeof(uint64) * count * kinds, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < count; i++)
	{
		const SyncItem *item = &order->items[places[i].item];
		int			number = order->table_of[places[i].item];
		SyncTable  *table = order->tables[number].table;
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Datum	   *values = NULL;
		bool	   *nulls = NULL;

		CHECK_FOR_INTERRUPTS();
		if (!row_is_alive(item->state))
		{
			RowState   *clock;
			SyncOwner	before;
			bool		found;

			values = palloc(sizeof(Datum) * (table->column_count + 1));
			nulls = palloc(sizeof(bool) * (table->column_count + 1));
			before = sync_begin_reading(table->root);
			sync_key_values(table, sync_own_key(table, item->names, item->key), values, nulls);
			found = sync_read_row(table, false, values, nulls, &clock);
			sync_end_reading(&before);
			if (!found)
			{
				MemoryContextSwitchTo(old);
				continue;
			}
		}
		for (int j = 0; j < kinds; j++)
		{
			const Reference *reference = &order->references[references[j]];

			if (reference->from == number)
				wanted[(Size) i * kinds + j] = hash_columns(table, item, values, nulls, reference->from_columns, reference->count, j);
			if (reference->to == number)
			{
				uint64		hash = hash_columns(table, item, values, nulls, reference->to_columns, reference->count, j);

				if (hash != 0)
					((Target *) hash_search(targets, &hash, HASH_ENTER, NULL))->item = i;
			}
		}
		if (values != NULL)
			SPI_freetuptable(SPI_tuptable);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}

	/*
	 * Tarjan's: rows are done when all are that they refer to, those of a
	 * circle at once.
	 */
	sorted = palloc_extended(sizeof(Place) * count, MCXT_ALLOC_HUGE);
	nodes = palloc_extended(sizeof(OrderNode) * count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	path = palloc_extended(sizeof(int) * count, MCXT_ALLOC_HUGE);
	begun = palloc_extended(sizeof(int) * count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		int			depth = 0;

		if (nodes[i].number != 0)
			continue;
		nodes[i].number = nodes[i].low = ++numbers;
		path[depth++] = begun[opened++] = i;
		while (depth > 0)
		{
			int			top = path[depth - 1];
			OrderNode  *node = &nodes[top];
			bool		is_circle;

			if (node->next < kinds)
			{
				uint64		hash = wanted[(Size) top * kinds + node->next++];
				Target	   *target = hash == 0 ? NULL : hash_search(targets, &hash, HASH_FIND, NULL);

				if (target == NULL || nodes[target->item].is_done)
					continue;
				if (nodes[target->item].number == 0)
				{
					nodes[target->item].number = nodes[target->item].low = ++numbers;
					path[depth++] = begun[opened++] = target->item;
				}
				else
					node->low = Min(node->low, nodes[target->item].number);
				continue;
			}
			depth--;
			if (depth > 0)
				nodes[path[depth - 1]].low = Min(nodes[path[depth - 1]].low, node->low);
			if (node->low < node->number)
				continue;
			is_circle = begun[opened - 1] != top;
			order->circles += is_circle;
			for (int last = -1; last != top;)
			{
				last = begun[--opened];
				nodes[last].is_done = true;
				sorted[done++] = places[last];
				if (is_circle)
					order->items[places[last].item].circle = order->circles;
			}
		}
	}
	for (int i = 0; i < count; i++)
		places[i] = sorted[places[0].phase == 1 ? i : count - 1 - i];
	hash_destroy(targets);
	MemoryContextDelete(row_context);
}

/* Find the new order of items. */
static void
find_order(void *about)
{
	Order	   *order = about;
	Place	   *places;
	SyncItem   *result;
	int			level;

	gather_tables(order);
	gather_references(order);
	if (order->reference_count == 0)
		return;
	reach(order);
	places = palloc_extended(sizeof(Place) * order->count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < order->count; i++)
	{
		const OrderTable *table = &order->tables[order->table_of[i]];

		places[i] = (Place)
		{
			row_is_alive(order->items[i].state) ? 1 : table->dies_late ? 2 : 0, bms_num_members(table->reached), table->component, i
		};
	}
	qsort(places, order->count, sizeof(Place), compare_places);
	SPI_connect();
	level = sync_begin_images();
	for (int from = 0, to; from < order->count; from = to)
	{
		for (to = from + 1; to < order->count && places[to].phase == places[from].phase && places[to].component == places[from].component; to++)
			;
		if (order->tables[places[from].component].is_circle && to - from > 1)
			order_circle(order, places + from, to - from);
	}
	sync_end_images(level);
	SPI_finish();
	result = palloc_extended(sizeof(SyncItem) * order->count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < order->count; i++)
		result[i] = order->items[places[i].item];
	order->ordered = result;
}

/*
 * Put items in the order in which they can be applied: rows that live after those that they refer to,
 * rows that die before those, and after all that live and may have referred to them before.  Where
 * nothing refers to anything they stay as they are.
 *
 * It reads what the delta says, and of rows that die what is here.  What cannot be read is no reason to
 * fail: then they stay as they are, too.
 */
void
sync_order_items(SyncItem *items, int count)
{
	MemoryContext order_context = AllocSetContextCreate(CurrentMemoryContext, "order of a merge", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(order_context);
	Order		order = {.items = items,.count = count};

	if (count > 1 && sync_try(find_order, &order) == NULL && order.ordered != NULL)
		memcpy(items, order.ordered, sizeof(SyncItem) * count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(order_context);
}
