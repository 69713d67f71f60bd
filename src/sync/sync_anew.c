/*
 * sync_anew.c: rows stamped or born anew: by a database that begins a new life, joins others, or
 * whose clock was ahead, or that takes in a table or a partition that has rows.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_restamp);
VM_FUNCTION_INFO(vecmark_take_in_tracked);
VM_FUNCTION_INFO(vecmark_take_in);
VM_FUNCTION_INFO(vecmark_recover_clocks);

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
		Unknown		unknown = {sync_table_get(lfirst_oid(cell)), site, told, lives};
		SyncOwner	owner = sync_begin_table_owner(unknown.table->root);

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
		while (sync_next_key(&reader, &one))
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

/* Rows that are taken in: of which dots others know what they did to a row. */
typedef struct TakeIn
{
	SyncTable  *table;
	const Version *told;		/* all of these did what they did there */
	uint64_t   *logged;			/* or of these, hashes of the log */
	size_t		logged_count;
	bool		logs_own;		/* rows of the own dot alone are logged, too */
	Stamp		stamp;			/* of the transaction; time as for each row */
} TakeIn;

static bool
is_known(const TakeIn *taking, Image key, const Stamp *dot)
{
	if (dot->site == taking->stamp.site && dot->txn == taking->stamp.txn)
		return true;
	if (taking->told != NULL)
		return version_covers(taking->told, dot->site, dot->txn);
	return sync_log_has(taking->logged, taking->logged_count, key, dot);
}

/* Known dots, and the own one if another is not; both lists ascend by site. */
static bool
take_dots(const TakeIn *taking, Image key, Stamp **dots, int *count)
{
	Stamp	   *kept = palloc(sizeof(Stamp) * (*count + 1));
	int			kept_count = 0;
	bool		is_new = false;
	bool		placed = false;

	for (int i = 0; i < *count; i++)
		is_new |= !is_known(taking, key, &(*dots)[i]);
	for (int i = 0; i < *count && is_new; i++)
	{
		if (!placed && (*dots)[i].site >= taking->stamp.site)
		{
			kept[kept_count++] = taking->stamp;
			placed = true;
		}
		if ((*dots)[i].site != taking->stamp.site && is_known(taking, key, &(*dots)[i]))
			kept[kept_count++] = (*dots)[i];
	}
	if (!is_new)
		return false;
	if (!placed)
		kept[kept_count++] = taking->stamp;
	*dots = kept;
	*count = kept_count;
	return true;
}

/* What sites that are not known have added becomes the own share. */
static bool
take_counter(const TakeIn *taking, Image key, Counter *counter)
{
	CounterShare *shares = palloc(sizeof(CounterShare) * (counter->count + 1));
	CounterShare own = {taking->stamp, 0};
	int			count = 0;
	int			place;
	bool		is_new = false;

	for (int i = 0; i < counter->count; i++)
		is_new |= !is_known(taking, key, &counter->shares[i].stamp);
	for (int i = 0; i < counter->count; i++)
	{
		if (counter->shares[i].stamp.site == own.stamp.site || !is_known(taking, key, &counter->shares[i].stamp))
			own.total = (int64_t) ((uint64_t) own.total + (uint64_t) counter->shares[i].total);
		else
			shares[count++] = counter->shares[i];
	}
	for (place = count++; place > 0 && shares[place - 1].stamp.site > own.stamp.site; place--)
		shares[place] = shares[place - 1];
	shares[place] = own;
	if (is_new)
	{
		counter->shares = shares;
		counter->count = count;
	}
	return is_new;
}

/*
 * Put this transaction in the place of dots that are not known, with the least time that is
 * later than what they have: of what others wrote over them nothing is lost.  False if all
 * are known.
 */
static bool
take_state(TakeIn *taking, Image key, RowState *state)
{
	bool		is_new = false;

	taking->stamp.time = row_last_stamp(state).time + 1;
	if (!is_known(taking, key, &state->base))
	{
		state->base = taking->stamp;
		is_new = true;
	}
	for (int i = 0; i < state->register_count; i++)
		if (!is_known(taking, key, &state->registers[i].stamp))
		{
			state->registers[i].stamp = taking->stamp;
			is_new = true;
		}
	for (int i = 0; i < state->counter_count; i++)
		is_new |= take_counter(taking, key, &state->counters[i]);
	for (int i = 0; i < state->set_count; i++)
	{
		ElementSet *set = &state->sets[i];

		for (int j = 0; j < set->count; j++)
			(void) take_dots(taking, key, &set->elements[j].dots, &set->elements[j].count);
		is_new |= take_dots(taking, key, &set->context, &set->context_count);
	}
	return is_new;
}

/*
 * Stamp a row anew where it has dots that are not known, and log it.  One that was deleted, as
 * is known here, is there again, and is born anew.
 */
static void
take_row(void *about, const SyncSeen *seen)
{
	TakeIn	   *taking = about;
	SyncTable  *table = taking->table;
	SyncRow		row = {.table = table,.key = seen->key,.values = seen->values,.nulls = seen->nulls};
	RowState   *state = sync_row_state(table, seen->clock, seen->values, seen->nulls, false);
	RowState   *tombstone = sync_tombstone(table->root, seen->key, NULL);
	RowState	born = {0};
	bool		is_own = seen->clock->base.site == taking->stamp.site && seen->clock->base.txn == taking->stamp.txn;

	row.given = palloc0(table->column_count + 1);
	row.changed = palloc0(table->column_count + 1);
	if (tombstone != NULL && tombstone->life >= seen->clock->life)
	{
		born.life = (Max(tombstone->life, sync_forgotten_life(false)) + 1) | 1;
		born.base = sync_stamp(tombstone);
		sync_update_row(&row, &born);
	}
	else if (take_state(taking, seen->key, state))
		sync_update_row(&row, state);
	else if (!is_own || !taking->logs_own)
		return;
	sync_log_key(taking->stamp.site, taking->stamp.txn, table->root, seen->key, 0);
}

/* Take in the rows of a relation, or of the table with "from" NULL. */
static void
take_in(TakeIn *taking, const char *from)
{
	SyncOwner	owner;

	taking->stamp = (Stamp)
	{
		0, sync_writer_site(), sync_writer_txn()
	};
	owner = sync_begin_table_owner(taking->table->root);
	SPI_connect();
	sync_walk_relation(taking->table, from, take_row, taking);
	SPI_finish();
	sync_end_owner(&owner);
}

/*
 * A delete of ours that a table of the same name has left: who pulled while no table had the name holds a version with it,
 * and was not told.  One beside a row is not told.
 */
static void
retell_tombstone(void *about, const SyncSeen *seen)
{
	const TakeIn *taking = about;
	RowState	dead = {.life = seen->clock->life};

	if (seen->clock->base.site != taking->stamp.site || sync_row_is_there(taking->table, seen->key))
		return;
	dead.base = sync_stamp(seen->clock);
	sync_bury(taking->table->root, seen->key, &dead);
	sync_log_key(dead.base.site, dead.base.txn, taking->table->root, seen->key, 0);
}

/* Whether there are tombstones of a table, in a table of ours whose first column says of which. */
static bool
has_tombstones(SyncMeta meta, Oid root)
{
	Relation	rel = sync_meta_open(meta, AccessShareLock);
	Datum		key = ObjectIdGetDatum(root);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	bool		has = HeapTupleIsValid(sync_meta_next(scan));

	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return has;
}

/*
 * SQL: vecmark_internal.take_in_tracked(rel regclass, have_clocks boolean): rows that a table has
 * when it is tracked.  Most have the clock that it gave them: these are told whole to who pulls, as
 * its floor says, but streams bring only what the log has.  Others bring clocks along: of a table
 * that was dumped by itself, or a copy of another.  And a table of its name may have left tombstones.
 *
 * Errors: 42501 for who does not own it.
 */
Datum
vecmark_take_in_tracked(PG_FUNCTION_ARGS)
{
	TakeIn		taking = {.table = sync_table_get(PG_GETARG_OID(0))};
	Snapshot	latest;

	sync_check_owner(taking.table->root);
	taking.logs_own = sync_has_outboxes() && !VM_FAULT("rows-before");
	if (!PG_GETARG_BOOL(1) && !taking.logs_own &&
		!has_tombstones(META_TOMBSTONE, taking.table->root) && !has_tombstones(META_PACK, taking.table->root))
		PG_RETURN_VOID();
	latest = RegisterSnapshot(GetLatestSnapshot());
	taking.told = sync_version(latest);
	if (PG_GETARG_BOOL(1))
		sync_raise_floor(taking.table->root, taking.told);
	taking.told = version_union(taking.told, sync_earlier_lives(latest));
	UnregisterSnapshot(latest);
	take_in(&taking, NULL);
	SPI_connect();
	sync_walk_tombstones(taking.table, NULL, retell_tombstone, &taking);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * SQL: vecmark_internal.take_in(rel regclass, part regclass, was_away boolean): a partition that was
 * attached to a tracked table may have rows that nobody was told of: what of them the log does not
 * have is stamped anew; all, if it was away, as nobody knows what was written to it meanwhile.
 *
 * Errors: 42501 for who does not own the table.
 */
Datum
vecmark_take_in(PG_FUNCTION_ARGS)
{
	TakeIn		taking = {.table = sync_table_get(PG_GETARG_OID(0))};
	Oid			part = PG_GETARG_OID(1);
	Snapshot	latest;

	sync_check_owner(taking.table->root);
	if (sync_table_get(part)->root != taking.table->root)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" is not a partition of \"%s\"", get_rel_name(part), get_rel_name(taking.table->root))));
	if (get_rel_relkind(part) == RELKIND_PARTITIONED_TABLE)
		PG_RETURN_VOID();
	if (!PG_GETARG_BOOL(2))
	{
		latest = RegisterSnapshot(GetLatestSnapshot());
		taking.logged = sync_log_hashes(taking.table->root, latest, &taking.logged_count);
		UnregisterSnapshot(latest);
	}
	take_in(&taking, quote_qualified_identifier(get_namespace_name(get_rel_namespace(part)), get_rel_name(part)));
	PG_RETURN_VOID();
}

/* Rows whose clocks were lost, and which of them peers may not have as they are. */
typedef struct Recovery
{
	SyncTable  *table;
	uint64_t   *untold;			/* hashes of keys, ascending */
	size_t		count;
} Recovery;

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

/* Keys that this database wrote in transactions of which no peer has said that it holds them. */
static void
find_untold(Recovery *recovery)
{
	Site		site = sync_writer_site();
	Version    *told = sync_told_of(site);
	Relation	log = sync_meta_open(META_LOG, AccessShareLock);
	Datum		key = Int64GetDatum((int64) site);
	SyncScan   *scan = sync_meta_scan(log, NULL, 1, &key);
	size_t		room = 64;
	HeapTuple	tuple;

	recovery->untold = palloc(sizeof(uint64_t) * room);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[4];
		bool		nulls[4];
		Image		keys;
		Image		one;
		Reader		reader;

		heap_deform_tuple(tuple, RelationGetDescr(log), values, nulls);
		if (DatumGetObjectId(values[2]) != recovery->table->root || version_covers(told, site, (uint64_t) DatumGetInt64(values[1])))
			continue;
		keys = sync_image_of_bytea(values[3]);
		reader = (Reader)
		{
			(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL
		};
		while (sync_next_key(&reader, &one))
		{
			if (recovery->count == room)
				recovery->untold = repalloc_huge(recovery->untold, sizeof(uint64_t) * (room *= 2));
			recovery->untold[recovery->count++] = sync_key_hash(0, 0, one);
		}
	}
	sync_meta_end(scan);
	table_close(log, AccessShareLock);
	qsort(recovery->untold, recovery->count, sizeof(uint64_t), compare_hashes);
}

static void
recover_row(void *about, const SyncSeen *seen)
{
	Recovery   *recovery = about;
	SyncTable  *table = recovery->table;
	SyncRow		row = {.table = table,.key = seen->key,.values = seen->values,.nulls = seen->nulls};
	RowState   *tombstone = sync_tombstone(table->root, seen->key, NULL);
	uint64_t	hash = sync_key_hash(0, 0, seen->key);
	RowState	born = {.life = seen->clock->life};

	if (tombstone != NULL && tombstone->life >= born.life)
		born.life = (Max(tombstone->life, sync_forgotten_life(false)) + 1) | 1;
	else if (bsearch(&hash, recovery->untold, recovery->count, sizeof(uint64_t), compare_hashes) == NULL)
		return;
	born.base = sync_stamp(tombstone);
	row.given = palloc0(table->column_count + 1);
	row.changed = palloc0(table->column_count + 1);
	sync_update_row(&row, &born);
	sync_log_key(born.base.site, born.base.txn, table->root, seen->key, 0);
}

/*
 * SQL: vecmark_internal.recover_clocks(rel regclass): rows have the clock that
 * vecmark_internal.lost_clock() gave them.  What was written here and told to nobody is written anew; the
 * rest peers tell again.
 *
 * Errors: 42501 for who does not own the table.
 */
Datum
vecmark_recover_clocks(PG_FUNCTION_ARGS)
{
	Recovery	recovery = {.table = sync_table_get(PG_GETARG_OID(0))};
	SyncOwner	owner;

	sync_check_owner(recovery.table->root);
	find_untold(&recovery);
	sync_raise_floor(recovery.table->root, version_union(sync_version_now(), version_of_dot(sync_writer_site(), sync_writer_txn())));
	owner = sync_begin_table_owner(recovery.table->root);
	SPI_connect();
	sync_walk_relation(recovery.table, NULL, recover_row, &recovery);
	SPI_finish();
	sync_end_owner(&owner);
	PG_RETURN_VOID();
}
