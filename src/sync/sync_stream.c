/*
 * sync_stream.c: deltas by logical replication: written where a transaction commits,
 * and what they let who gets them claim; waiting for a version; notifications.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "replication/origin.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

VM_FUNCTION_INFO(vecmark_register_outbox);
VM_FUNCTION_INFO(vecmark_wait_for);

/* Deltas of a transaction that is larger go out in parts. */
#define STREAM_PART (4 * 1024 * 1024)

/* Channel of notifications; the payload is the table's published name. */
#define CHANNEL "vecmark"

#define POLL_MS 20

/* Columns of sync_stream. */
#define STREAM_SITE 0
#define STREAM_ORIGIN 1
#define STREAM_FIRST 2
#define STREAM_WHOLE 3
#define STREAM_COLUMNS 4

/* What a transaction gives to the outboxes. */
typedef struct Outgoing
{
	Site		site;
	uint64_t	txn;
	Version    *base;			/* what is held, and had begun by now, but it */
	Version    *to;				/* what is held by now, and it */
	List	   *outboxes;		/* OIDs */
	SyncBuilder *builder;
	MemoryContext context;
	uint64_t	batch;
	uint64_t	part;
} Outgoing;

static List *
outboxes(void)
{
	Relation	rel = sync_meta_open(META_OUTBOX, AccessShareLock);
	List	   *list = NIL;

	if (RelationGetNumberOfBlocks(rel) > 0)
	{
		SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			bool		isnull;
			Oid			relid = DatumGetObjectId(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));

			if (get_rel_name(relid) != NULL)
				list = lappend_oid(list, relid);
		}
		sync_meta_end(scan);
	}
	table_close(rel, AccessShareLock);
	return list;
}

/* Whether changes are given to any outbox. */
bool
sync_has_outboxes(void)
{
	return outboxes() != NIL;
}

/* Whether a table is as create_outbox makes it: what is put into it is not checked. */
static bool
is_outbox(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relhasindex &&
		RelationGetDescr(rel)->natts == 1 &&
		TupleDescAttr(RelationGetDescr(rel), 0)->atttypid == sync_delta_type();
}

/*
 * Put a delta into each outbox and take it out again: it is in the WAL.
 */
static void
send_part(Outgoing *outgoing, bool last)
{
	Delta	   *delta = sync_builder_end(outgoing->builder);
	ListCell   *cell;
	Datum		value;

	if (!last && outgoing->batch == 0)
	{
		if (!pg_strong_random(&outgoing->batch, sizeof(outgoing->batch)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random number")));
		outgoing->batch |= 1;
	}
	delta->stream = true;
	delta->base = outgoing->base;
	delta->to = outgoing->to;
	delta->lives = sync_forgotten_life(false);
	delta->batch = outgoing->batch;
	delta->part = outgoing->batch == 0 ? 0 : ++outgoing->part;
	delta->last = last;
	value = sync_delta_datum(delta);
	foreach(cell, outgoing->outboxes)
	{
		Relation	rel = table_open(lfirst_oid(cell), RowExclusiveLock);
		bool		isnull = false;
		HeapTuple	tuple;

		if (!is_outbox(rel))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("outbox \"%s\" was altered", RelationGetRelationName(rel)),
					 errhint("Drop it, and make it again with vecmark.create_outbox().")));
		tuple = heap_form_tuple(RelationGetDescr(rel), &value, &isnull);
		sync_meta_pass(rel, tuple);
		table_close(rel, NoLock);
	}
	MemoryContextReset(outgoing->context);
}

static void
begin_part(Outgoing *outgoing)
{
	MemoryContext old = MemoryContextSwitchTo(outgoing->context);

	outgoing->builder = sync_builder_begin(outgoing->site);
	MemoryContextSwitchTo(old);
}

/* Add what the transaction wrote of a key.  Allocates in the current context. */
static void
send_key(Outgoing *outgoing, SyncTable *table, Image key)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	RowState   *clock;
	RowState   *state;
	RowState   *own;

	if (sync_key_can_be(table, key, values, nulls) && sync_read_row(table, false, values, nulls, &clock))
		state = sync_row_state(table, clock, values, nulls, true);
	else
		state = sync_tombstone(table->root, key, NULL);
	own = state == NULL ? NULL : sync_row_of_dot(state, outgoing->site, outgoing->txn);
	if (own == NULL)
		return;
	if (outgoing->builder->size > STREAM_PART)
	{
		send_part(outgoing, false);
		begin_part(outgoing);
	}
	sync_builder_add(outgoing->builder, table->name, table->names, key, own);
}

/*
 * Before a transaction commits that wrote tracked tables: give its changes to the outboxes,
 * and notify.  Its log is written.  Rows are read with the rights of their table's owner,
 * as who may write need not be who may read; row-level security hides none, since what is
 * hidden would be claimed all the same.
 */
void
sync_send_changes(Site site, uint64_t txn)
{
	Outgoing	outgoing = {.site = site,.txn = txn};
	MemoryContext context;
	MemoryContext row_context;
	MemoryContext old;
	Datum		dot[2] = {Int64GetDatum((int64) site), Int64GetDatum((int64) txn)};
	Relation	log;
	SyncScan   *scan;
	HeapTuple	tuple;
	TxnRange	begun = {0, 0};
	Snapshot	latest;
	int			level;
	Oid			user;
	int			security;

	outgoing.outboxes = outboxes();
	if (outgoing.outboxes == NIL)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "changes of a transaction", ALLOCSET_DEFAULT_SIZES);
	row_context = AllocSetContextCreate(context, "row of a transaction", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	latest = RegisterSnapshot(GetLatestSnapshot());
	outgoing.to = version_union(sync_version_of(site, latest), version_of_dot(site, txn));
	UnregisterSnapshot(latest);
	begun.to = sync_next_txn();
	outgoing.base = version_minus(version_union(outgoing.to, version_of_ranges(site, &begun, 1)), version_of_dot(site, txn));
	outgoing.context = AllocSetContextCreate(context, "delta", ALLOCSET_DEFAULT_SIZES);
	GetUserIdAndSecContext(&user, &security);
	begin_part(&outgoing);
	SPI_connect();
	level = sync_begin_images();
	log = sync_meta_open(META_LOG, AccessShareLock);
	scan = sync_meta_scan(log, NULL, 2, dot);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		Oid			root = DatumGetObjectId(heap_getattr(tuple, 3, RelationGetDescr(log), &isnull));
		Image		keys = sync_image_of_bytea(heap_getattr(tuple, 4, RelationGetDescr(log), &isnull));
		Reader		reader = {(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL};
		SyncTable  *table = get_rel_name(root) == NULL ? NULL : sync_table_find(root);
		Image		key;

		if (table == NULL)
			continue;
		SetUserIdAndSecContext(table->owner, security | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
		while (sync_next_key(&reader, &key))
		{
			MemoryContextSwitchTo(row_context);
			send_key(&outgoing, table, key);
			if (SPI_tuptable != NULL)
				SPI_freetuptable(SPI_tuptable);
			MemoryContextSwitchTo(context);
			MemoryContextReset(row_context);
		}
		SetUserIdAndSecContext(user, security);
	}
	sync_meta_end(scan);
	table_close(log, AccessShareLock);
	send_part(&outgoing, true);
	sync_end_images(level);
	SPI_finish();
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Tell listeners that a table changed. */
void
sync_notify(Oid root)
{
	SyncTable  *table = get_rel_name(root) == NULL ? NULL : sync_table_find(root);

	if (table != NULL && table->notify)
		Async_Notify(CHANNEL, table->name);
}

/*
 * SQL: vecmark_internal.register_outbox(rel regclass).  Waits for all who write tracked tables, as
 * what they write is not in the outbox.
 *
 * Errors: 42501 for who does not own the table, or may not read and write all that is tracked.
 */
Datum
vecmark_register_outbox(PG_FUNCTION_ARGS)
{
	Relation	rel;
	Datum		value = PG_GETARG_DATUM(0);
	bool		isnull = false;

	sync_check_owner(PG_GETARG_OID(0));
	sync_check_all_rights("vecmark.create_outbox()");
	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	if (!is_outbox(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" cannot be an outbox", RelationGetRelationName(rel)),
				 errhint("vecmark.create_outbox() makes one.")));
	table_close(rel, NoLock);
	sync_writer_site();
	sync_lock_writers();
	rel = sync_meta_open(META_OUTBOX, RowExclusiveLock);
	sync_meta_insert(rel, &value, &isnull);
	table_close(rel, RowExclusiveLock);
	PG_RETURN_VOID();
}

/* The subscription that the apply worker works for, or "". */
static char *
origin_name(void)
{
	char	   *name = "";

	if (replorigin_session_origin != InvalidRepOriginId &&
		replorigin_session_origin != DoNotReplicateId)
		replorigin_by_oid(replorigin_session_origin, true, &name);
	return name != NULL ? name : "";
}

/* The number after the last that a version has of a site. */
static uint64_t
end_of_site(const Version *version, Site site)
{
	const SiteTxns *txns = version_find(version, site);

	return txns == NULL ? 0 : txns->ranges[txns->count - 1].to;
}

/* The row of a site's stream, a copy, or NULL. */
static HeapTuple
find_stream(Relation rel, Site site, Datum *values, bool *nulls)
{
	Datum		key = Int64GetDatum((int64) site);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	tuple = sync_meta_next(scan);

	if (HeapTupleIsValid(tuple))
	{
		tuple = heap_copytuple(tuple);
		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
	}
	sync_meta_end(scan);
	return tuple;
}

/*
 * What a delta of a stream lets this database say that it holds of the sender's transactions: the
 * dot, and all that its snapshot shows if the stream is whole; see "Streams" in README.
 */
Version    *
sync_stream_claims(const Delta *delta, const Version *held)
{
	Relation	rel = sync_meta_open(META_STREAM, RowExclusiveLock);
	Version    *own = version_minus(delta->to, delta->base);
	Datum		values[STREAM_COLUMNS] = {0};
	bool		nulls[STREAM_COLUMNS] = {false};
	char	   *origin = origin_name();
	HeapTuple	old = find_stream(rel, delta->sender, values, nulls);
	bool		is_known = HeapTupleIsValid(old) && strcmp(TextDatumGetCString(values[STREAM_ORIGIN]), origin) == 0;
	bool		was_whole = is_known && DatumGetBool(values[STREAM_WHOLE]);

	if (!is_known)
	{
		values[STREAM_SITE] = Int64GetDatum((int64) delta->sender);
		values[STREAM_ORIGIN] = CStringGetTextDatum(origin);
		values[STREAM_FIRST] = Int64GetDatum((int64) end_of_site(delta->base, delta->sender));
	}
	if (!was_whole)
	{
		TxnRange	earlier = {0, (uint64_t) DatumGetInt64(values[STREAM_FIRST])};

		was_whole = version_dominates(version_union(held, own), version_of_ranges(delta->sender, &earlier, 1));
		values[STREAM_WHOLE] = BoolGetDatum(was_whole);
		if (was_whole || !is_known)
			sync_meta_put(rel, old, values, nulls);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	return was_whole ? sync_part_of_site(delta->to, delta->sender) : own;
}

/* Nothing is expected of the stream of a site any more. */
void
sync_forget_stream(Site site)
{
	Relation	rel = sync_meta_open(META_STREAM, RowExclusiveLock);
	Datum		values[STREAM_COLUMNS];
	bool		nulls[STREAM_COLUMNS];
	HeapTuple	old = find_stream(rel, site, values, nulls);

	if (HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * A delta of a stream was not merged: the stream begins anew, with what had begun by that
 * delta.
 */
void
sync_break_stream(const Delta *delta)
{
	Relation	rel = sync_meta_open(META_STREAM, RowExclusiveLock);
	Datum		values[STREAM_COLUMNS] = {0};
	bool		nulls[STREAM_COLUMNS] = {false};
	HeapTuple	old = find_stream(rel, delta->sender, values, nulls);

	values[STREAM_SITE] = Int64GetDatum((int64) delta->sender);
	values[STREAM_ORIGIN] = CStringGetTextDatum(origin_name());
	values[STREAM_FIRST] = Int64GetDatum((int64) Max(end_of_site(delta->base, delta->sender), end_of_site(delta->to, delta->sender)));
	values[STREAM_WHOLE] = BoolGetDatum(false);
	sync_meta_put(rel, old, values, nulls);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Streams are whole from here on if this database holds all that was before them. */
void
sync_mend_streams(const Version *held)
{
	Relation	rel = sync_meta_open(META_STREAM, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	HeapTuple	old;

	while (HeapTupleIsValid(old = sync_meta_next(scan)))
	{
		Datum		values[STREAM_COLUMNS];
		bool		nulls[STREAM_COLUMNS];
		TxnRange	earlier = {0, 0};

		heap_deform_tuple(old, RelationGetDescr(rel), values, nulls);
		earlier.to = (uint64_t) DatumGetInt64(values[STREAM_FIRST]);
		if (DatumGetBool(values[STREAM_WHOLE]) ||
			!version_dominates(held, version_of_ranges((Site) DatumGetInt64(values[STREAM_SITE]), &earlier, 1)))
			continue;
		values[STREAM_WHOLE] = BoolGetDatum(true);
		sync_meta_update(rel, old, values, nulls);
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * SQL: vecmark.wait_for(version version_vector, timeout interval) -> boolean: whether this
 * database holds the version, at the latest after the timeout.
 */
Datum
vecmark_wait_for(PG_FUNCTION_ARGS)
{
	Version    *wanted = sync_version_from_datum(PG_GETARG_DATUM(0));
	TimestampTz end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
															  TimestampTzGetDatum(GetCurrentTimestamp()),
															  PG_GETARG_DATUM(1)));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "version", ALLOCSET_SMALL_SIZES);

	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
		bool		holds = version_dominates(sync_version(latest), wanted);

		UnregisterSnapshot(latest);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		if (holds || GetCurrentTimestamp() >= end)
			PG_RETURN_BOOL(holds);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
