/*
 * sync_check.c: whether tracked tables keep the invariants of README.
 */
#include "postgres.h"
#include "compat.h"

#include <inttypes.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_upkeep.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_sync_check);

typedef struct SyncCheck
{
	ReturnSetInfo *result;
	SyncTable  *table;
	Snapshot	snapshot;
	Version    *version;
	Version    *own;			/* the own transaction, whose log is not
								 * written yet */
	uint64_t   *logged;			/* hashes of what is in the log, ascending */
	size_t		logged_count;
	bool		is_whole;		/* no stream or batch is unfinished */
	Site		site;
	uint64_t	next_txn;
} SyncCheck;

static void report(SyncCheck *check, int invariant, Image key, const char *format,...) pg_attribute_printf(4, 5);

static void
report(SyncCheck *check, int invariant, Image key, const char *format,...)
{
	Datum		values[3];
	bool		nulls[3] = {false};
	char text[	256];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	values[0] = Int32GetDatum(invariant);
	nulls[1] = key.data == NULL;
	values[1] = nulls[1] ? (Datum) 0 : sync_bytea(key);
	values[2] = CStringGetTextDatum(text);
	tuplestore_putvalues(check->result->setResult, check->result->setDesc, values, nulls);
}

static void
check_stamp(SyncCheck *check, Image key, const Stamp *stamp)
{
	if (stamp->site == check->site && stamp->txn >= check->next_txn)
		report(check, 1, key, "transaction " UINT64_FORMAT " of this life has not been yet", stamp->txn);
	else if (check->is_whole && !version_covers(check->version, stamp->site, stamp->txn))
		report(check, 6, key, "transaction " UINT64_FORMAT " of site %016" PRIx64 " is not in the version",
			   stamp->txn, stamp->site);
	else if (!version_covers(check->own, stamp->site, stamp->txn) &&
			 !version_covers(check->table->floor, stamp->site, stamp->txn) && !sync_log_has(check->logged, check->logged_count, key, stamp))
		report(check, 7, key, "transaction " UINT64_FORMAT " of site %016" PRIx64 " is not in the log",
			   stamp->txn, stamp->site);
}

static void
check_state(SyncCheck *check, Image key, const RowState *row)
{
	check_stamp(check, key, &row->base);
	for (int i = 0; i < row->register_count; i++)
		if (!stamp_equal(&row->registers[i].stamp, &row->base))
			check_stamp(check, key, &row->registers[i].stamp);
	for (int i = 0; i < row->counter_count; i++)
		for (int j = 0; j < row->counters[i].count; j++)
			if (!stamp_equal(&row->counters[i].shares[j].stamp, &row->base))
				check_stamp(check, key, &row->counters[i].shares[j].stamp);
	for (int i = 0; i < row->set_count; i++)
		for (int j = 0; j < row->sets[i].context_count; j++)
			if (!stamp_equal(&row->sets[i].context[j], &row->base))
				check_stamp(check, key, &row->sets[i].context[j]);
}

/* Counters and sets, as they are shown, against the clock. */
static void
check_values(SyncCheck *check, Image key, const RowState *clock, const Datum *values, const bool *nulls)
{
	const SyncTable *table = check->table;

	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = &table->columns[i];

		if (column->kind == SYNC_COUNTER)
		{
			Counter    *counter = sync_complete_counter(clock, column->id, sync_counter_value(column, values[i], nulls[i]));
			int64_t		sum;

			if (!counter_sum(counter, &sum) || sum != sync_counter_value(column, values[i], nulls[i]))
				report(check, 5, key, "counter \"%s\" is not the sum of its shares", column->name);
		}
		else if (column->kind == SYNC_SET)
		{
			int			count;
			Element    *elements = sync_set_elements(column, values[i], nulls[i], &count);
			ElementSet *set = sync_complete_set(clock, column->id, elements, count);

			/*
			 * Rows from before the table was tracked are put in order by
			 * their first write.
			 */
			if (set->context_count > 1 &&
				!datum_image_eq(values[i], sync_set_value(column, elements, count), false, -1))
				report(check, 5, key, "set \"%s\" is not in order", column->name);
			for (int j = 0; j < clock->set_count; j++)
				for (int n = 0; clock->sets[j].column == column->id && n < clock->sets[j].count; n++)
				{
					bool		shown = false;

					for (int m = 0; m < count; m++)
						shown |= elements[m].hash == clock->sets[j].elements[n].hash;
					if (!shown)
						report(check, 5, key, "set \"%s\" does not show an element that its clock has", column->name);
				}
		}
	}
}

static void
check_row(void *about, const SyncSeen *seen)
{
	SyncCheck  *check = about;
	RowState   *tombstone = sync_tombstone(check->table->root, seen->key, check->snapshot);

	if (!row_is_alive(seen->clock))
		report(check, 4, seen->key, "a row that is there has the clock of one that is dead");
	else if (tombstone != NULL && tombstone->life >= seen->clock->life)
		report(check, 4, seen->key, "life " UINT64_FORMAT " of a row is not longer than that of its tombstone", seen->clock->life);
	check_state(check, seen->key, seen->clock);
	check_values(check, seen->key, seen->clock, seen->values, seen->nulls);
}

static void
check_tombstone(void *about, const SyncSeen *seen)
{
	SyncCheck  *check = about;

	if (row_is_alive(seen->clock))
		report(check, 4, seen->key, "a tombstone has the clock of a row that lives");
	if (sync_tombstone(check->table->root, seen->key, check->snapshot) == NULL)
		report(check, 10, seen->key, "a tombstone is not found by its key");
	check_state(check, seen->key, seen->clock);
}

static bool
is_empty(SyncMeta meta, Snapshot snapshot, AttrNumber flag)
{
	Relation	rel = sync_meta_open(meta, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	bool		empty = true;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;

		/* With a flag, rows in which it is set do not count. */
		if (flag == 0 || !DatumGetBool(heap_getattr(tuple, flag, RelationGetDescr(rel), &isnull)))
			empty = false;
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return empty;
}

/*
 * Whether the state of a table is what the version says, and all of it is shown: no stream or
 * batch is unfinished, it lacks nothing, and nothing of the table is parked.  Then equal versions
 * mean equal rows.
 */
bool
sync_is_settled(const char *name, Snapshot snapshot)
{
	Relation	rel;
	SyncScan   *scan;
	Datum		key = CStringGetTextDatum(name);
	bool		is_parked;
	SyncLack   *lack;

	if (!is_empty(META_BATCH, snapshot, 0) || !is_empty(META_STREAM, snapshot, 4))
		return false;
	lack = sync_lack_of(sync_table_id(name), snapshot);
	if (lack != NULL && lack->dots->count > 0)
		return false;
	rel = sync_meta_open(META_PARKED, AccessShareLock);
	scan = sync_meta_scan(rel, snapshot, 1, &key);
	is_parked = HeapTupleIsValid(sync_meta_next(scan));
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return !is_parked;
}

/*
 * SQL: vecmark.sync_check(rel regclass) -> (invariant integer, key bytea, fault text):
 * no rows for a table that is sound.
 */
Datum
vecmark_sync_check(PG_FUNCTION_ARGS)
{
	SyncCheck	check = {0};
	Version		nothing = {0, NULL};

	InitMaterializedSRF(fcinfo, 0);
	check.result = (ReturnSetInfo *) fcinfo->resultinfo;
	check.table = sync_table_get(PG_GETARG_OID(0));
	sync_refuse_hidden(check.table->root);
	check.site = sync_reader_site();

	/* With the own transaction's writes: they keep the invariants as well. */
	check.snapshot = GetActiveSnapshot();
	check.version = sync_version(check.snapshot);
	check.own = &nothing;
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		check.own = version_of_dot(check.site, sync_writer_txn());
	check.version = version_union(version_union(check.version, check.own), sync_earlier_lives(check.snapshot));
	check.next_txn = sync_next_txn();
	check.logged = sync_log_hashes(check.table->root, check.snapshot, &check.logged_count);
	check.is_whole = is_empty(META_BATCH, check.snapshot, 0) && is_empty(META_STREAM, check.snapshot, 4);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	sync_walk_rows(check.table, true, check_row, &check);
	sync_walk_tombstones(check.table, check.snapshot, check_tombstone, &check);
	SPI_finish();
	return (Datum) 0;
}
