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
#include "sync/sync_meta.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* The lock of all keys' tombstones, beside those of single keys, which have 0 in its place. */
#define ALL_TOMBSTONES 1

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

/* The state of a visible row, but for columns "without", unless that is NULL. */
static RowState *
visible_state(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, bool images, const bool *without)
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

		if (column->is_key || (without != NULL && without[number]))
			continue;
		switch (column->kind)
		{
			case SYNC_REGISTER:
				said = find_register(clock, column->id);
				row->registers[row->register_count++] = (Register)
				{
					column->id,
						column->form,
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
				row->sets[row->set_count] = *sync_complete_set(clock, column->id, elements, count);
				row->sets[row->set_count++].form = column->form;
				break;
			case SYNC_LOCAL:
				break;
		}
	}
	return row;
}

/*
 * The state of a visible row.  "values" and "nulls" are of all columns of the table.
 * Registers have images if "images"; then canonical settings are in force.
 */
RowState   *
sync_row_state(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, bool images)
{
	return visible_state(table, clock, values, nulls, images, NULL);
}

/*
 * The same for who has the row, born alike, and some of its columns: what he has is left out.  With
 * images.
 */
RowState   *
sync_row_rest(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, const bool *known)
{
	RowState   *rest = visible_state(table, clock, values, nulls, true, known);

	rest->base = (Stamp)
	{
		0, 0, 0
	};
	return rest;
}

/* Which atoms of a state to leave out: those of a version, all but those, or all but those of a dot. */
typedef struct Filter
{
	const Version *covered;
	const Version *known;
	Site		site;
	uint64_t	txn;
} Filter;

static bool
covers(const Filter *filter, const Stamp *stamp)
{
	if (filter->known != NULL)
		return !version_covers(filter->known, stamp->site, stamp->txn);
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
	Filter		filter = {.covered = covered};

	return filter_row(row, &filter);
}

/*
 * What of a state a version covers; NULL if not its base, where it has that.  A set that has anything else
 * is left out, as it cannot be told in part.
 */
RowState   *
sync_row_within(const RowState *row, const Version *known)
{
	Filter		filter = {.known = known};
	bool		is_known = row->base.site == 0 || version_covers(known, row->base.site, row->base.txn);
	RowState   *rest = is_known ? filter_row(row, &filter) : NULL;
	int			kept = 0;

	for (int i = 0; rest != NULL && i < rest->set_count; i++)
	{
		is_known = true;
		for (int j = 0; j < rest->sets[i].context_count; j++)
			is_known &= !covers(&filter, &rest->sets[i].context[j]);
		if (is_known)
			rest->sets[kept++] = rest->sets[i];
	}
	if (rest != NULL)
		rest->set_count = kept;
	return rest;
}

/* What of a state one transaction wrote; NULL if nothing. */
RowState   *
sync_row_of_dot(const RowState *row, Site site, uint64_t txn)
{
	Filter		filter = {.site = site,.txn = txn};

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
 * The tombstone that is stored of a key, or NULL.  A snapshot of NULL: what is committed, and
 * what the own transaction has written.
 */
RowState   *
sync_stored_tombstone(Oid root, Image key, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	Datum		keys[2] = {ObjectIdGetDatum(root), sync_bytea(key)};
	RowState   *row = NULL;
	RowState   *packed;

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
	packed = sync_packed_tombstone(root, key, snapshot);
	return row == NULL ? packed : packed == NULL ? row : row_join(row, packed);
}

/* Errors: 40001. */
void
sync_refuse_concurrent_delete(Oid root)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent delete of a row of table \"%s\"", get_rel_name(root)),
			 errhint("The transaction might succeed if retried.")));
}

/*
 * The transaction of another that is about to write or remove the tombstone of a key, or 0.
 * "reaches" is set if a tombstone that it does not write is of at least a life.
 */
static TransactionId
other_writer(Relation rel, const Datum *keys, uint64_t life, bool *reaches)
{
	SnapshotData dirty;
	SyncScan   *scan;
	HeapTuple	tuple;
	TransactionId other = InvalidTransactionId;

	*reaches = false;
	if (RelationGetNumberOfBlocks(rel) == 0)
		return other;
	InitDirtySnapshot(dirty);
	scan = sync_meta_scan(rel, &dirty, 2, keys);
	while (!TransactionIdIsValid(other) && HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;

		if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
			continue;
		other = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
		*reaches |= sync_clock_from_datum(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull))->life >= life;
	}
	sync_meta_end(scan);
	return other;
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
	bool		reaches;
	TransactionId other;

	for (;;)
	{
		other = other_writer(rel, keys, life, &reaches);
		if (!TransactionIdIsValid(other))
			other = sync_other_packer(root, key, life, &reaches);
		if (!TransactionIdIsValid(other))
			break;
		XactLockTableWait(other, rel, NULL, XLTW_None);
	}
	table_close(rel, AccessShareLock);
	return reaches;
}

/*
 * Who deletes a row has its tombstone to himself; but a merge may learn of the death of a row
 * that a transaction inserts and deletes, which nobody else sees, and what a row was before it
 * was inserted again may be forgotten meanwhile.  So of two who write a tombstone one sees the
 * other, by a lock that is held for the moment: one of the key's hash, and to write many, one of
 * all keys, which the others share.
 */
static Oid
lock_tombstone(Relation rel, Oid root, Image key)
{
	Oid			hash = (Oid) sync_key_hash(root, 0, key);

	LockDatabaseObject(RelationGetRelid(rel), 0, ALL_TOMBSTONES, ShareLock);
	LockDatabaseObject(RelationGetRelid(rel), hash, 0, ExclusiveLock);
	return hash;
}

static void
unlock_tombstone(Relation rel, Oid hash)
{
	UnlockDatabaseObject(RelationGetRelid(rel), hash, 0, ExclusiveLock);
	UnlockDatabaseObject(RelationGetRelid(rel), 0, ALL_TOMBSTONES, ShareLock);
}

/* Write a tombstone that nobody else is about to write; false if one that is not less stands there. */
static bool
put_tombstone(Relation rel, const RowState *row, const Datum *values)
{
	bool		nulls[3] = {false, false, false};
	SyncScan   *scan = sync_meta_scan(rel, NULL, 2, values);
	HeapTuple	old = sync_meta_next(scan);
	bool		is_more = true;

	if (HeapTupleIsValid(old))
	{
		bool		isnull;
		RowState   *known = sync_clock_from_datum(heap_getattr(old, 3, RelationGetDescr(rel), &isnull));

		is_more = row_equal(row_join(known, row), row);
		if (is_more)
			sync_meta_update(rel, old, values, nulls);
	}
	else
		sync_meta_insert(rel, values, nulls);
	sync_meta_end(scan);
	return is_more;
}

/*
 * Record that a row is dead, as "row" says, which is more than what stood there.  Waits for
 * others who write there; false if what they wrote is not less: look again.
 */
bool
sync_write_tombstone(Oid root, Image key, const RowState *row)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, RowExclusiveLock);
	Datum		values[3] = {ObjectIdGetDatum(root), sync_bytea(key), sync_clock_datum(row)};
	bool		nulls[3] = {false, false, false};
	bool		written = true;
	TransactionId other;

	Assert(!row_is_alive(row));
	do
	{
		Oid			hash = lock_tombstone(rel, root, key);
		bool		reaches;

		other = InvalidTransactionId;
		if (!sync_meta_has(rel, 2, values))
			sync_meta_insert(rel, values, nulls);
		else if (!TransactionIdIsValid(other = other_writer(rel, values, 0, &reaches)))
			written = put_tombstone(rel, row, values);
		unlock_tombstone(rel, hash);
		if (TransactionIdIsValid(other))
			XactLockTableWait(other, rel, NULL, XLTW_None);
	} while (TransactionIdIsValid(other));
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	return written;
}

/*
 * Write tombstones, in the order of the index and no key twice, where the index has no entry:
 * such a key nobody else writes, nor has.  Sets what was written; the rest is for
 * sync_write_tombstone.
 */
void
sync_write_graves(Relation rel, SyncGrave *graves, int count)
{
	HeapTuple  *tuples = palloc(sizeof(HeapTuple) * (count + 1));
	bool		nulls[3] = {false, false, false};
	SyncProbe  *probe;
	int			fresh = 0;

	LockDatabaseObject(RelationGetRelid(rel), 0, ALL_TOMBSTONES, ExclusiveLock);
	probe = sync_probe_begin(rel, 2);
	for (int i = 0; i < count; i++)
	{
		Datum		values[3] = {ObjectIdGetDatum(graves[i].root), sync_bytea(graves[i].key)};

		if (sync_probe_has(probe, values))
			continue;
		values[2] = sync_clock_datum(&graves[i].state);
		tuples[fresh++] = heap_form_tuple(RelationGetDescr(rel), values, nulls);
		graves[i].written = true;
	}
	sync_probe_end(probe);
	sync_meta_insert_many(rel, tuples, fresh);
	UnlockDatabaseObject(RelationGetRelid(rel), 0, ALL_TOMBSTONES, ExclusiveLock);
}

/* Delete a tombstone, of which "tuple" is a row that was committed, unless another writes there. */
bool
sync_drop_tombstone(Relation rel, HeapTuple tuple)
{
	Datum		keys[2];
	bool		isnull;
	bool		reaches;
	bool		dropped = false;
	Oid			hash;

	keys[0] = heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull);
	keys[1] = heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull);
	hash = lock_tombstone(rel, DatumGetObjectId(keys[0]), sync_image_of_bytea(keys[1]));
	if (!TransactionIdIsValid(other_writer(rel, keys, 0, &reaches)))
	{
		SyncScan   *scan = sync_meta_scan(rel, NULL, 2, keys);
		HeapTuple	now = sync_meta_next(scan);

		/* Another may have put a later one there and ended. */
		if (HeapTupleIsValid(now) && ItemPointerEquals(&now->t_self, &tuple->t_self))
		{
			sync_meta_delete(rel, now);
			dropped = true;
		}
		sync_meta_end(scan);
	}
	unlock_tombstone(rel, hash);
	return dropped;
}

/*
 * The same for a row that is the own transaction's to delete.
 *
 * Errors: 40001 if another transaction wrote more there meanwhile.
 */
void
sync_bury(Oid root, Image key, const RowState *row)
{
	if (!sync_write_tombstone(root, key, row))
		sync_refuse_concurrent_delete(root);
}
