/*
 * sync_row.c: the state of a row, from its values, its clock and its tombstone.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/sync.h"
#include "utils/snapmgr.h"

static const Register *
find_register(const RowState *clock, ColumnId id)
{
	for (int i = 0; i < clock->register_count; i++)
		if (clock->registers[i].column == id)
			return &clock->registers[i];
	return NULL;
}

/*
 * All shares of a counter: what the clock says, and of the base's site, unless the
 * clock says it, what the others leave of the visible value.
 */
Counter    *
sync_complete_counter(const RowState *clock, ColumnId id, int64 visible)
{
	Counter    *counter = palloc(sizeof(Counter));
	int			place = 0;
	int64		rest = visible;

	*counter = (Counter)
	{
		id, 0, NULL
	};
	for (int i = 0; i < clock->counter_count; i++)
		if (clock->counters[i].column == id)
			*counter = clock->counters[i];
	for (int i = 0; i < counter->count; i++)
	{
		if (counter->shares[i].stamp.site == clock->base.site)
			return counter;
		if (counter->shares[i].stamp.site < clock->base.site)
			place = i + 1;

		/* Wraps where the sum did: it is what was added that counts. */
		rest = (int64) ((uint64) rest - (uint64) counter->shares[i].total);
	}
	{
		CounterShare *shares = palloc(sizeof(CounterShare) * (counter->count + 1));

		if (place > 0)
			memcpy(shares, counter->shares, sizeof(CounterShare) * place);
		shares[place] = (CounterShare)
		{
			clock->base, rest
		};
		if (counter->count > place)
			memcpy(shares + place + 1, counter->shares + place, sizeof(CounterShare) * (counter->count - place));
		counter->shares = shares;
		counter->count++;
	}
	return counter;
}

/*
 * A set in full: the elements that are visible, with the dots that the clock says or
 * else the base.  Elements are changed in place.
 */
ElementSet *
sync_complete_set(const RowState *clock, ColumnId id, Element *elements, int count)
{
	ElementSet *set = palloc0(sizeof(ElementSet));
	const ElementSet *said = NULL;
	int			place = 0;
	bool		has_base = false;
	Stamp	   *base = palloc(sizeof(Stamp));

	*base = clock->base;
	set->column = id;
	for (int i = 0; i < clock->set_count; i++)
		if (clock->sets[i].column == id)
			said = &clock->sets[i];
	for (int i = 0, j = 0; i < count; i++)
	{
		while (said != NULL && j < said->count && said->elements[j].hash < elements[i].hash)
			j++;
		if (said != NULL && j < said->count && said->elements[j].hash == elements[i].hash)
		{
			elements[i].count = said->elements[j].count;
			elements[i].dots = said->elements[j].dots;
		}
		else
		{
			elements[i].count = 1;
			elements[i].dots = base;
		}
	}
	set->elements = elements;
	set->count = count;

	set->context = palloc(sizeof(Stamp) * ((said != NULL ? said->context_count : 0) + 1));
	for (int i = 0; said != NULL && i < said->context_count; i++)
	{
		if (said->context[i].site == clock->base.site)
			has_base = true;
		if (said->context[i].site < clock->base.site)
			place = i + 1;
	}
	for (int i = 0; said != NULL && i < said->context_count; i++)
	{
		if (i == place && !has_base)
			set->context[set->context_count++] = clock->base;
		set->context[set->context_count++] = said->context[i];
	}
	if (!has_base && set->context_count == (said != NULL ? said->context_count : 0))
		set->context[set->context_count++] = clock->base;
	return set;
}

/*
 * The state of a visible row.  "values" and "nulls" are of all columns of the table.
 * Registers have images if "images"; then canonical settings are in force.
 */
RowState   *
sync_row_state(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, bool images)
{
	RowState   *row = palloc0(sizeof(RowState));

	row->life = clock->life;
	row->base = clock->base;
	row->registers = palloc(sizeof(Register) * (table->column_count + 1));
	row->counters = palloc(sizeof(Counter) * (table->column_count + 1));
	row->sets = palloc(sizeof(ElementSet) * (table->column_count + 1));
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = table->by_id[i];
		int			number = column - table->columns;
		const Register *said;
		int			count;
		Element    *elements;

		if (column->is_key)
			continue;
		switch (column->kind)
		{
			case SYNC_REGISTER:
				said = find_register(clock, column->id);
				row->registers[row->register_count++] = (Register)
				{
					column->id,
						said != NULL ? said->stamp : clock->base,
						images ? sync_image(column, values[number], nulls[number]) : (Image)
					{
						NULL, 0
					},
				};
				break;
			case SYNC_COUNTER:
				row->counters[row->counter_count++] =
					*sync_complete_counter(clock, column->id, sync_counter_value(column, values[number], nulls[number]));
				break;
			case SYNC_SET:
				elements = sync_set_elements(column, values[number], nulls[number], &count);
				row->sets[row->set_count++] = *sync_complete_set(clock, column->id, elements, count);
				break;
			case SYNC_LOCAL:
				break;
		}
	}
	return row;
}

/* Which atoms of a state to leave out: those of a version, or all but those of a dot. */
typedef struct Filter
{
	const Version *covered;
	Site		site;
	uint64_t	txn;
} Filter;

static bool
covers(const Filter *filter, const Stamp *stamp)
{
	if (filter->covered != NULL)
		return version_covers(filter->covered, stamp->site, stamp->txn);
	return stamp->site != filter->site || stamp->txn != filter->txn;
}

/*
 * What a filter leaves of a state; NULL if nothing.  A set is told whole, as its context
 * means all of it.
 */
static RowState *
filter_row(const RowState *row, const Filter *covered)
{
	RowState   *rest = palloc(sizeof(RowState));
	bool		some = false;

	*rest = *row;
	if (row->base.site != 0 && covers(covered, &row->base))
		rest->base = (Stamp)
	{
		0, 0, 0
	};
	some = rest->base.site != 0;

	rest->registers = palloc(sizeof(Register) * (row->register_count + 1));
	rest->register_count = 0;
	for (int i = 0; i < row->register_count; i++)
		if (!covers(covered, &row->registers[i].stamp))
			rest->registers[rest->register_count++] = row->registers[i];

	rest->counters = palloc(sizeof(Counter) * (row->counter_count + 1));
	rest->counter_count = 0;
	for (int i = 0; i < row->counter_count; i++)
	{
		const Counter *counter = &row->counters[i];
		Counter    *kept = &rest->counters[rest->counter_count];

		*kept = (Counter)
		{
			counter->column, 0, palloc(sizeof(CounterShare) * counter->count)
		};
		for (int j = 0; j < counter->count; j++)
			if (!covers(covered, &counter->shares[j].stamp))
				kept->shares[kept->count++] = counter->shares[j];
		if (kept->count > 0)
			rest->counter_count++;
	}

	rest->sets = palloc(sizeof(ElementSet) * (row->set_count + 1));
	rest->set_count = 0;
	for (int i = 0; i < row->set_count; i++)
	{
		const ElementSet *set = &row->sets[i];
		bool		is_new = false;

		for (int j = 0; j < set->context_count; j++)
			is_new |= !covers(covered, &set->context[j]);
		if (is_new)
			rest->sets[rest->set_count++] = *set;
	}
	some |= rest->register_count > 0 || rest->counter_count > 0 || rest->set_count > 0;
	return some ? rest : NULL;
}

/* What of a state a version does not cover; NULL if nothing. */
RowState   *
sync_row_without(const RowState *row, const Version *covered)
{
	Filter		filter = {covered, 0, 0};

	return filter_row(row, &filter);
}

/* What of a state one transaction wrote; NULL if nothing. */
RowState   *
sync_row_of_dot(const RowState *row, Site site, uint64_t txn)
{
	Filter		filter = {NULL, site, txn};

	return filter_row(row, &filter);
}

static bool
is_unknown(const Stamp *stamp, Site site, const Version *own)
{
	return stamp->site == site && !version_covers(own, site, stamp->txn);
}

/* Whether a state has a dot of a site that a version does not have. */
bool
sync_row_has_unknown(const RowState *row, Site site, const Version *own)
{
	bool		found = is_unknown(&row->base, site, own);

	for (int i = 0; i < row->register_count; i++)
		found |= is_unknown(&row->registers[i].stamp, site, own);
	for (int i = 0; i < row->counter_count; i++)
		for (int j = 0; j < row->counters[i].count; j++)
			found |= is_unknown(&row->counters[i].shares[j].stamp, site, own);
	for (int i = 0; i < row->set_count; i++)
		for (int j = 0; j < row->sets[i].context_count; j++)
			found |= is_unknown(&row->sets[i].context[j], site, own);
	return found;
}

/*
 * The tombstone of a key, or NULL.  A snapshot of NULL: what is committed, and what the
 * own transaction wrote.
 */
RowState   *
sync_tombstone(Oid root, Image key, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	Datum		keys[2] = {ObjectIdGetDatum(root), sync_bytea(key)};
	RowState   *row = NULL;

	if (sync_meta_has(rel, 2, keys))
	{
		SyncScan   *scan = sync_meta_scan(rel, snapshot, 2, keys);
		HeapTuple	tuple = sync_meta_next(scan);
		bool		isnull;

		if (HeapTupleIsValid(tuple))
			row = sync_clock_from_datum(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull));
		sync_meta_end(scan);
	}
	table_close(rel, AccessShareLock);
	return row;
}

/*
 * Whether a key has a tombstone of at least this life that the own transaction did not
 * write.  Waits for other transactions that are about to write one.
 */
bool
sync_tombstone_reaches(Oid root, Image key, uint64_t life)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	Datum		keys[2] = {ObjectIdGetDatum(root), sync_bytea(key)};
	bool		reaches = false;
	TransactionId other;

	do
	{
		SnapshotData dirty;
		SyncScan   *scan;
		HeapTuple	tuple;

		other = InvalidTransactionId;
		if (RelationGetNumberOfBlocks(rel) == 0)
			break;
		InitDirtySnapshot(dirty);
		scan = sync_meta_scan(rel, &dirty, 2, keys);
		while (!TransactionIdIsValid(other) && HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			bool		isnull;

			if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
				continue;
			other = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
			reaches |= sync_clock_from_datum(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull))->life >= life;
		}
		sync_meta_end(scan);
		if (TransactionIdIsValid(other))
		{
			reaches = false;
			XactLockTableWait(other, rel, NULL, XLTW_None);
		}
	} while (TransactionIdIsValid(other));
	table_close(rel, AccessShareLock);
	return reaches;
}

/*
 * Record that a row is dead, as "row" says.  Whatever stands there is less: a key has one
 * writer at a time.
 */
void
sync_write_tombstone(Oid root, Image key, const RowState *row)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, RowExclusiveLock);
	Datum		values[3] = {ObjectIdGetDatum(root), sync_bytea(key), sync_clock_datum(row)};
	bool		nulls[3] = {false, false, false};
	SyncScan   *scan = sync_meta_has(rel, 2, values) ? sync_meta_scan(rel, NULL, 2, values) : NULL;
	HeapTuple	old = scan != NULL ? sync_meta_next(scan) : NULL;

	Assert(!row_is_alive(row));
	if (HeapTupleIsValid(old))
		sync_meta_update(rel, old, values, nulls);
	else
		sync_meta_insert(rel, values, nulls);
	if (scan != NULL)
		sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}
