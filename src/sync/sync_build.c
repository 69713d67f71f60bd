/*
 * sync_build.c: deltas put together row by row, and their rows taken apart.
 *
 * In a delta, columns are by their place in its list of names; elsewhere in this room
 * by the hash of the name.
 */
#include "postgres.h"
#include "compat.h"

#include "mb/pg_wchar.h"
#include "sync/sync_table.h"
#include "utils/memutils.h"

/* Names of a tracked table's columns. */
SyncNames  *
sync_names_of_table(const SyncTable *table)
{
	SyncNames  *names = palloc(sizeof(SyncNames));
	uint8	   *key_forms = palloc(table->key_count);

	for (int i = 0; i < table->key_count; i++)
		key_forms[i] = table->columns[table->key[i]].form;
	names->key_count = table->key_count;
	names->key_forms = key_forms;
	names->count = 0;
	names->ids = palloc(sizeof(ColumnId) * (table->column_count + 1));
	names->columns = palloc(sizeof(DeltaColumn) * (table->column_count + 1));
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = &table->columns[i];

		if (column->kind == SYNC_LOCAL || column->is_key)
			continue;
		names->ids[names->count] = column->id;
		names->columns[names->count++] = (DeltaColumn)
		{
			column->name,
				column->kind == SYNC_COUNTER ? COLUMN_COUNTER : column->kind == SYNC_SET ? COLUMN_SET : COLUMN_REGISTER,
				column->kind == SYNC_COUNTER ? FORM_TEXT : column->form,
		};
	}
	return names;
}

/* Names in a delta, by their place there. */
SyncNames  *
sync_names_of_relation(const DeltaRelation *relation)
{
	SyncNames  *names = palloc(sizeof(SyncNames));

	names->key_count = relation->key_count;
	names->key_forms = relation->key_forms;
	names->count = relation->column_count;
	names->columns = relation->columns;
	names->ids = palloc(sizeof(ColumnId) * (names->count + 1));
	for (int i = 0; i < names->count; i++)
		names->ids[i] = sync_column_id(names->columns[i].name);
	return names;
}

static int
find_id(const ColumnId *ids, int count, ColumnId id)
{
	for (int i = 0; i < count; i++)
		if (ids[i] == id)
			return i;
	return -1;
}

/* Names that either has; of those that both have, and of the key, the first's. */
SyncNames  *
sync_names_union(const SyncNames *a, const SyncNames *b)
{
	SyncNames  *names = palloc(sizeof(SyncNames));

	names->key_count = a->key_count;
	names->key_forms = a->key_forms;
	names->count = 0;
	names->ids = palloc(sizeof(ColumnId) * (a->count + b->count + 1));
	names->columns = palloc(sizeof(DeltaColumn) * (a->count + b->count + 1));
	for (int i = 0; i < a->count + b->count; i++)
	{
		const SyncNames *from = i < a->count ? a : b;
		int			number = i < a->count ? i : i - a->count;

		if (find_id(names->ids, names->count, from->ids[number]) >= 0)
			continue;
		names->ids[names->count] = from->ids[number];
		names->columns[names->count++] = from->columns[number];
	}
	return names;
}

/* Begin a delta; in the current memory context. */
SyncBuilder *
sync_builder_begin(Site sender)
{
	SyncBuilder *builder = palloc0(sizeof(SyncBuilder));

	builder->context = CurrentMemoryContext;
	builder->delta.sender = sender;
	builder->delta.encoding = GetDatabaseEncoding();
	builder->delta.base = palloc0(sizeof(Version));
	builder->delta.to = palloc0(sizeof(Version));
	return builder;
}

static void *
with_room(void *array, int count, int *room, size_t each)
{
	if (count < *room)
		return array;
	*room = *room == 0 ? 8 : *room * 2;
	return array == NULL ? palloc(each * *room) : repalloc_huge(array, each * *room);
}

static int
find_relation(SyncBuilder *builder, const char *name, const SyncNames *names)
{
	Delta	   *delta = &builder->delta;
	int			number = delta->relation_count;

	/* Mostly it is the last. */
	for (int i = number - 1; i >= 0; i--)
		if (delta->relations[i].key_count == names->key_count &&
			memcmp(delta->relations[i].key_forms, names->key_forms, names->key_count) == 0 &&
			strcmp(delta->relations[i].name, name) == 0)
			return i;
	if (number % 8 == 0)
	{
		size_t		room = number + 8;

#define GROW(array, type) \
		(array) = (array) == NULL ? palloc(sizeof(type) * room) : repalloc((array), sizeof(type) * room)
		GROW(delta->relations, DeltaRelation);
		GROW(builder->column_rooms, int);
		GROW(builder->row_rooms, int);
		GROW(builder->ids, ColumnId *);
#undef GROW
	}
	delta->relations[number] = (DeltaRelation)
	{
		pstrdup(name), names->key_count, memcpy(palloc(names->key_count), names->key_forms, names->key_count), 0, NULL, 0, NULL
	};
	builder->column_rooms[number] = builder->row_rooms[number] = 0;
	builder->ids[number] = NULL;
	delta->relation_count++;
	return number;
}

/* The place of a column in a relation, for values of a form. */
static ColumnId
place_of(SyncBuilder *builder, int number, const SyncNames *names, ColumnId id, ColumnKind kind, uint8 form)
{
	DeltaRelation *relation = &builder->delta.relations[number];
	int			found;
	int			room = builder->column_rooms[number];

	for (int i = 0; i < relation->column_count; i++)
		if (builder->ids[number][i] == id && relation->columns[i].kind == kind && relation->columns[i].form == form)
			return i;
	found = find_id(names->ids, names->count, id);
	if (found < 0)
		elog(ERROR, "column %u of \"%s\" has no name", id, relation->name);
	builder->ids[number] = with_room(builder->ids[number], relation->column_count, &room, sizeof(ColumnId));
	room = builder->column_rooms[number];
	relation->columns = with_room(relation->columns, relation->column_count, &room, sizeof(DeltaColumn));
	builder->column_rooms[number] = room;
	builder->ids[number][relation->column_count] = id;
	relation->columns[relation->column_count] = (DeltaColumn)
	{
		pstrdup(names->columns[found].name), kind, form
	};
	builder->size += strlen(names->columns[found].name) + 2;
	return relation->column_count++;
}

static Image
copy_image(Image image)
{
	Image		copy = {NULL, image.size};

	if (image.data != NULL)
		copy.data = memcpy(palloc(image.size + 1), image.data, image.size);
	return copy;
}

static void *
copy_array(const void *array, int count, size_t each)
{
	return count == 0 ? NULL : memcpy(palloc(each * count), array, each * count);
}

/*
 * Add a row, of which everything is copied into the memory that the builder is in.
 */
void
sync_builder_add(SyncBuilder *builder, const char *relation_name, const SyncNames *names, Image key, const RowState *state)
{
	MemoryContext old = MemoryContextSwitchTo(builder->context);
	int			number = find_relation(builder, relation_name, names);
	DeltaRelation *relation = &builder->delta.relations[number];
	RowState   *row = palloc(sizeof(RowState));

	*row = *state;
	builder->size += key.size + 40;
	row->registers = copy_array(state->registers, row->register_count, sizeof(Register));
	for (int i = 0; i < row->register_count; i++)
	{
		row->registers[i].column = place_of(builder, number, names, state->registers[i].column, COLUMN_REGISTER,
											state->registers[i].form);
		row->registers[i].value = copy_image(state->registers[i].value);
		builder->size += row->registers[i].value.size + 4;
	}
	row->counters = copy_array(state->counters, row->counter_count, sizeof(Counter));
	for (int i = 0; i < row->counter_count; i++)
	{
		Counter    *counter = &row->counters[i];

		counter->column = place_of(builder, number, names, counter->column, COLUMN_COUNTER, FORM_TEXT);
		counter->shares = copy_array(counter->shares, counter->count, sizeof(CounterShare));
		builder->size += counter->count * 16;
	}
	row->sets = copy_array(state->sets, row->set_count, sizeof(ElementSet));
	for (int i = 0; i < row->set_count; i++)
	{
		ElementSet *set = &row->sets[i];

		set->column = place_of(builder, number, names, set->column, COLUMN_SET, set->form);
		set->context = copy_array(set->context, set->context_count, sizeof(Stamp));
		set->elements = copy_array(set->elements, set->count, sizeof(Element));
		for (int j = 0; j < set->count; j++)
		{
			Element    *element = &set->elements[j];

			element->value = copy_image(element->value);
			element->dots = copy_array(element->dots, element->count, sizeof(Stamp));
			builder->size += element->value.size + 4;
		}
	}
	relation->rows = with_room(relation->rows, relation->row_count, &builder->row_rooms[number], sizeof(DeltaRow));
	relation->rows[relation->row_count++] = (DeltaRow)
	{
		copy_image(key), row
	};
	MemoryContextSwitchTo(old);
}

static int
compare_columns(const DeltaColumn *a, const DeltaColumn *b)
{
	int			order = strcmp(a->name, b->name);

	if (order == 0)
		order = (int) a->form - (int) b->form;
	return order != 0 ? order : (int) a->kind - (int) b->kind;
}

/* Columns by name, form and kind, as deltas have them. */
static void
sort_names(DeltaRelation *relation)
{
	int			count = relation->column_count;
	int		   *place = palloc(sizeof(int) * (count + 1));
	DeltaColumn *sorted = palloc(sizeof(DeltaColumn) * (count + 1));

	for (int i = 0; i < count; i++)
	{
		place[i] = 0;
		for (int j = 0; j < count; j++)
			if (compare_columns(&relation->columns[j], &relation->columns[i]) < 0)
				place[i]++;
		sorted[place[i]] = relation->columns[i];
	}
	relation->columns = sorted;
	for (int i = 0; i < relation->row_count; i++)
	{
		RowState   *row = relation->rows[i].state;

		for (int j = 0; j < row->register_count; j++)
			row->registers[j].column = place[row->registers[j].column];
		for (int j = 0; j < row->counter_count; j++)
			row->counters[j].column = place[row->counters[j].column];
		for (int j = 0; j < row->set_count; j++)
			row->sets[j].column = place[row->sets[j].column];
	}
}

static int
compare_registers(const void *a, const void *b)
{
	return ((const Register *) a)->column < ((const Register *) b)->column ? -1 : 1;
}

static int
compare_counters(const void *a, const void *b)
{
	return ((const Counter *) a)->column < ((const Counter *) b)->column ? -1 : 1;
}

static int
compare_sets(const void *a, const void *b)
{
	return ((const ElementSet *) a)->column < ((const ElementSet *) b)->column ? -1 : 1;
}

static void
sort_columns(RowState *row)
{
	if (row->register_count > 1)
		qsort(row->registers, row->register_count, sizeof(Register), compare_registers);
	if (row->counter_count > 1)
		qsort(row->counters, row->counter_count, sizeof(Counter), compare_counters);
	if (row->set_count > 1)
		qsort(row->sets, row->set_count, sizeof(ElementSet), compare_sets);
}

static int
compare_rows(const void *a, const void *b)
{
	const Image *x = &((const DeltaRow *) a)->key;
	const Image *y = &((const DeltaRow *) b)->key;
	int			order = memcmp(x->data, y->data, Min(x->size, y->size));

	return order != 0 ? order : x->size < y->size ? -1 : x->size > y->size;
}

static int
compare_relations(const void *a, const void *b)
{
	return delta_compare_relations(a, b);
}

/* Rows by key, each once: one that was added twice is the same. */
static void
sort_rows(DeltaRelation *relation)
{
	int			kept = 0;

	qsort(relation->rows, relation->row_count, sizeof(DeltaRow), compare_rows);
	for (int i = 0; i < relation->row_count; i++)
		if (kept == 0 || compare_rows(&relation->rows[kept - 1], &relation->rows[i]) != 0)
			relation->rows[kept++] = relation->rows[i];
	relation->row_count = kept;
}

/* The delta, in the order that deltas have. */
Delta *
sync_builder_end(SyncBuilder *builder)
{
	Delta	   *delta = &builder->delta;

	for (int i = 0; i < delta->relation_count; i++)
	{
		DeltaRelation *relation = &delta->relations[i];

		sort_rows(relation);
		sort_names(relation);
		for (int j = 0; j < relation->row_count; j++)
			sort_columns(relation->rows[j].state);
	}
	if (delta->relation_count > 1)
		qsort(delta->relations, delta->relation_count, sizeof(DeltaRelation), compare_relations);
	return delta;
}

/* The state in a row of a delta, with columns by the hash of their names. */
RowState   *
sync_state_of(const SyncNames *names, const RowState *row)
{
	RowState   *state = palloc(sizeof(RowState));

	*state = *row;
	state->registers = palloc(sizeof(Register) * (row->register_count + 1));
	for (int i = 0; i < row->register_count; i++)
	{
		state->registers[i] = row->registers[i];
		state->registers[i].column = names->ids[row->registers[i].column];
	}
	state->counters = palloc(sizeof(Counter) * (row->counter_count + 1));
	for (int i = 0; i < row->counter_count; i++)
	{
		state->counters[i] = row->counters[i];
		state->counters[i].column = names->ids[row->counters[i].column];
	}
	state->sets = palloc(sizeof(ElementSet) * (row->set_count + 1));
	for (int i = 0; i < row->set_count; i++)
	{
		state->sets[i] = row->sets[i];
		state->sets[i].column = names->ids[row->sets[i].column];
	}
	sort_columns(state);
	return state;
}
