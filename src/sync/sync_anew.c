/*
 * sync_anew.c: rows stamped or born anew, by a database that begins a new life, joins others, or
 * whose clock was ahead.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_restamp);

/*
 * Stamp anew what a key has from a site whose dots others know as something else; its
 * values stay.  Counters are left alone: what of a total is new cannot be told.
 */
static void
restamp_key(Oid root, Image key, Site old)
{
	SyncRow		row = {.table = sync_table_get(root),.key = key};
	RowState   *clock;
	RowState   *tombstone;

	SyncOwner	owner = sync_begin_table_owner(root);

	SPI_connect();
	row.values = palloc(sizeof(Datum) * (row.table->column_count + 1));
	row.nulls = palloc(sizeof(bool) * (row.table->column_count + 1));
	row.given = palloc0(row.table->column_count + 1);
	row.changed = palloc0(row.table->column_count + 1);
	if (sync_key_can_be(row.table, key, row.values, row.nulls) && sync_read_row(row.table, true, row.values, row.nulls, &clock))
	{
		RowState   *state = sync_row_state(row.table, clock, row.values, row.nulls, false);

		if (sync_restamp_state(state, old))
		{
			sync_update_row(&row, state);
			sync_log_key(sync_writer_site(), sync_writer_txn(), root, key, 0);
		}
	}
	else if ((tombstone = sync_tombstone(root, key, NULL)) != NULL && tombstone->base.site == old)
	{
		sync_restamp_state(tombstone, old);
		sync_bury(root, key, tombstone);
		sync_log_key(tombstone->base.site, tombstone->base.txn, root, key, 0);
	}
	SPI_finish();
	sync_end_owner(&owner);
}

/* A row as it is begins another life. */
static void
bear(SyncTable *table, const SyncSeen *seen, uint64_t life, Stamp stamp)
{
	SyncRow		row = {.table = table,.key = seen->key,.values = seen->values,.nulls = seen->nulls};
	RowState	born = {.life = life,.base = stamp};

	row.given = palloc0(table->column_count + 1);
	row.changed = palloc0(table->column_count + 1);
	sync_update_row(&row, &born);
	sync_log_key(stamp.site, stamp.txn, table->root, row.key, 0);
}

/* Rows of a life that others do not know. */
typedef struct Unknown
{
	SyncTable  *table;
	Site		site;			/* the life */
	const Version *told;		/* what they know */
	uint64_t	lives;			/* the longest that was forgotten */
} Unknown;

static void
rebear_row(void *about, const SyncSeen *seen)
{
	Unknown    *unknown = about;

	if (seen->clock->base.site != unknown->site || seen->clock->life > unknown->lives ||
		version_covers(unknown->told, unknown->site, seen->clock->base.txn))
		return;
	bear(unknown->table, seen, (unknown->lives + 1) | 1, sync_stamp(seen->clock));
}

/*
 * A database joins others that have forgotten deletes: its own rows, of one of its lives, that
 * they do not know ("told" is what they hold) are born anew, to a longer life than was forgotten.  Else
 * those who remember a delete of the same key would drop them, and the others not.
 */
void
sync_rebear(Site site, const Version *told, uint64_t lives)
{
	ListCell   *cell;

	foreach(cell, sync_table_list(NULL))
	{
		Unknown		unknown = {NULL, site, told, lives};
		SyncOwner	owner;

		if (get_rel_name(lfirst_oid(cell)) == NULL)
			continue;
		unknown.table = sync_table_get(lfirst_oid(cell));
		owner = sync_begin_table_owner(unknown.table->root);
		SPI_connect();
		sync_walk_rows(unknown.table, false, rebear_row, &unknown);
		SPI_finish();
		sync_end_owner(&owner);
	}
}

/* Stamp anew everything that the log has of a life that others know otherwise. */
void
sync_restamp(Site old)
{
	Relation	log = sync_meta_open(META_LOG, AccessShareLock);
	Datum		key = Int64GetDatum((int64) old);
	SyncScan   *scan = sync_meta_scan(log, NULL, 1, &key);
	HeapTuple	tuple;
	List	   *roots = NIL;
	List	   *lines = NIL;
	ListCell   *root;
	ListCell   *line;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[4];
		bool		nulls[4];

		heap_deform_tuple(tuple, RelationGetDescr(log), values, nulls);
		roots = lappend_oid(roots, DatumGetObjectId(values[2]));
		lines = lappend(lines, PG_DETOAST_DATUM_COPY(values[3]));
	}
	sync_meta_end(scan);
	table_close(log, AccessShareLock);
	forboth(root, roots, line, lines)
	{
		Image		keys = sync_image_of_bytea(PointerGetDatum(lfirst(line)));
		Reader		reader = {(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL};
		Image		one;

		if (sync_table_find(lfirst_oid(root)) == NULL)
			continue;
		while (sync_log_next(&reader, &one))
			restamp_key(lfirst_oid(root), one, old);
	}
}

/* Rows and tombstones whose stamps are yet to come. */
typedef struct Ahead
{
	SyncTable  *table;
	uint64_t	latest;			/* time that is not */
	uint64_t	lives;			/* the longest that was forgotten */
	int64		count;
} Ahead;

static void
restamp_row(void *about, const SyncSeen *seen)
{
	Ahead	   *ahead = about;

	if (row_last_stamp(seen->clock).time <= ahead->latest)
		return;
	bear(ahead->table, seen, Max(seen->clock->life + 2, (ahead->lives + 1) | 1), sync_stamp(NULL));
	ahead->count++;
}

/* One beside a row is not told. */
static void
restamp_tombstone(void *about, const SyncSeen *seen)
{
	Ahead	   *ahead = about;
	RowState	dead = {.life = seen->clock->life + 2};

	if (seen->clock->base.time <= ahead->latest || sync_row_is_there(ahead->table, seen->key))
		return;
	dead.base = sync_stamp(NULL);
	sync_bury(ahead->table->root, seen->key, &dead);
	sync_log_key(dead.base.site, dead.base.txn, ahead->table->root, seen->key, 0);
	ahead->count++;
}

/*
 * SQL: vecmark.restamp(ahead interval) -> bigint: rows, and deletes, with stamps later than the clock by
 * more than that begin another life with a stamp of now; how many.  A longer life replaces what
 * others have, though its stamps are earlier, and so does what is written after it.
 *
 * Waits for all who write tracked tables, and keeps others from it.
 *
 * Errors: 42501 for who may not write all tracked tables, or does not see all their rows; 22023 for a
 * negative interval.
 */
Datum
vecmark_restamp(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz then = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(0)));
	Ahead		ahead = {NULL};
	ListCell   *cell;

	PreventCommandIfReadOnly("vecmark.restamp()");
	PreventCommandIfParallelMode("vecmark.restamp()");
	sync_check_rights("vecmark.restamp()");
	if (then < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the interval may not be negative")));
	sync_writer_site();
	sync_lock_writers();
	sync_lock_version();
	ahead.latest = sync_now() + ((uint64_t) (then - now) / 1000 << 16);
	sync_forgotten(NULL, &ahead.lives);
	foreach(cell, sync_table_list(NULL))
	{
		if (get_rel_name(lfirst_oid(cell)) == NULL)
			continue;
		ahead.table = sync_table_get(lfirst_oid(cell));
		SPI_connect();
		sync_walk_rows(ahead.table, false, restamp_row, &ahead);
		sync_walk_tombstones(ahead.table, NULL, restamp_tombstone, &ahead);
		SPI_finish();
	}
	PG_RETURN_INT64(ahead.count);
}
