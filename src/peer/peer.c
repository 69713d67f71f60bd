/*
 * peer.c: what is kept of peers that are reached over a connection, and what a delta deletes.
 *
 * The rest of this room is SQL.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_foreign_server_d.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "sync/sync_upkeep.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_register_peer);
VM_FUNCTION_INFO(vecmark_note_peer);
VM_FUNCTION_INFO(vecmark_lock_peer);
VM_FUNCTION_INFO(vecmark_unlock_peer);
VM_FUNCTION_INFO(vecmark_raise_alarm);
VM_FUNCTION_INFO(vecmark_clear_alarms);
VM_FUNCTION_INFO(vecmark_deletes);
VM_FUNCTION_INFO(vecmark_count_rows);
VM_FUNCTION_INFO(vecmark_refuse_share);

/* Columns of peer_link. */
#define LINK_NAME 0
#define LINK_SERVER 1
#define LINK_SITE 2
#define LINK_AT 3
#define LINK_SUMMARY 4
#define LINK_COLUMNS 5

/* Columns of peer_alarm. */
#define ALARM_PEER 0
#define ALARM_REL 1
#define ALARM_FIRST 2
#define ALARM_LAST 3
#define ALARM_TIMES 4
#define ALARM_DETAIL 5
#define ALARM_COLUMNS 6

/* dblink's names of connections have 63 bytes, of which "vecmark " takes 8. */
#define NAME_MAX_BYTES 55

/* The exchange of this session: a lock that outlasts its transactions. */
static struct
{
	LOCKTAG		tag;
	bool		is_locked;
	bool		has_callback;
}			exchange;

static void
unlock_exchange(void)
{
	if (exchange.is_locked)
	{
		exchange.is_locked = false;
		LockRelease(&exchange.tag, ExclusiveLock, true);
	}
}

/* What fails in an exchange ends it: a procedure that commits cannot go on after an error. */
static void
at_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		unlock_exchange();
}

/*
 * SQL: vecmark_internal.lock_peer(name text): waits until no other session exchanges with a peer.
 *
 * Locks: a number of the name, EXCLUSIVE, for the session, until vecmark_internal.unlock_peer() or a
 * transaction is aborted.
 *
 * Errors: 42501 for who may not write all tracked tables; 55P03 after lock_timeout.
 */
Datum
vecmark_lock_peer(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	uint32		hash = DatumGetUInt32(hash_any((unsigned char *) VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));

	PreventCommandIfReadOnly("vecmark.sync()");
	sync_check_rights("vecmark.sync()");
	if (!exchange.has_callback)
	{
		RegisterXactCallback(at_xact, NULL);
		exchange.has_callback = true;
	}
	unlock_exchange();

	/*
	 * Two names with one number take turns needlessly; 0 is of who writes the
	 * table.
	 */
	SET_LOCKTAG_OBJECT(exchange.tag, MyDatabaseId, RelationRelationId, sync_meta_oid(META_LINK), 1 + hash % PG_UINT16_MAX);
	(void) LockAcquire(&exchange.tag, ExclusiveLock, true, false);
	exchange.is_locked = true;
	PG_RETURN_VOID();
}

/* SQL: vecmark_internal.unlock_peer(): ends what vecmark_internal.lock_peer() began. */
Datum
vecmark_unlock_peer(PG_FUNCTION_ARGS)
{
	unlock_exchange();
	PG_RETURN_VOID();
}

/* The row of a peer, a copy, or NULL. */
static HeapTuple
find_link(Relation rel, Datum name)
{
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &name);
	HeapTuple	tuple = sync_meta_next(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	sync_meta_end(scan);
	return tuple;
}

/*
 * SQL: vecmark_internal.register_peer(name text, server name): puts a peer on record, or with a null
 * server takes it off.  Returns whether there was one of the name.
 *
 * Errors: 42501 for who may not write all tracked tables, or use the server; 42704 if there is no
 *         such server; 42602 for a name that is too long.
 */
Datum
vecmark_register_peer(PG_FUNCTION_ARGS)
{
	Datum		values[LINK_COLUMNS] = {0};
	bool		nulls[LINK_COLUMNS] = {false, false, true, true, true};
	Relation	rel;
	HeapTuple	old;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the name of a peer may not be null")));
	PreventCommandIfReadOnly("vecmark.add_peer()");
	sync_check_rights("vecmark.add_peer()");
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) == 0 || VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) > NAME_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of a peer has 1 to %d bytes", NAME_MAX_BYTES)));
	if (!PG_ARGISNULL(1) && !vm_may_use_server(GetForeignServerByName(NameStr(*PG_GETARG_NAME(1)), false)->serverid, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, NameStr(*PG_GETARG_NAME(1)));
	values[LINK_NAME] = PG_GETARG_DATUM(0);
	rel = sync_meta_open_alone(META_LINK);
	old = find_link(rel, values[LINK_NAME]);
	if (!PG_ARGISNULL(1))
	{
		values[LINK_SERVER] = PG_GETARG_DATUM(1);
		sync_meta_put(rel, old, values, nulls);
	}
	else if (HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	table_close(rel, RowExclusiveLock);
	PG_RETURN_BOOL(HeapTupleIsValid(old));
}

/*
 * SQL: vecmark_internal.note_peer(name text, site text, summary jsonb): how the last exchange ended.
 *
 * Errors: 42501 for who may not write all tracked tables.
 */
Datum
vecmark_note_peer(PG_FUNCTION_ARGS)
{
	Datum		name = PG_GETARG_DATUM(0);
	Relation	rel;
	HeapTuple	old;

	PreventCommandIfReadOnly("vecmark_internal.note_peer()");
	sync_check_rights("vecmark_internal.note_peer()");
	rel = sync_meta_open_alone(META_LINK);
	old = find_link(rel, name);
	if (HeapTupleIsValid(old))
	{
		Datum		values[LINK_COLUMNS];
		bool		nulls[LINK_COLUMNS];

		heap_deform_tuple(old, RelationGetDescr(rel), values, nulls);
		values[LINK_SITE] = PG_GETARG_DATUM(1);
		values[LINK_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[LINK_SUMMARY] = PG_GETARG_DATUM(2);
		nulls[LINK_SITE] = nulls[LINK_AT] = nulls[LINK_SUMMARY] = false;
		sync_meta_update(rel, old, values, nulls);
	}
	table_close(rel, RowExclusiveLock);
	PG_RETURN_VOID();
}

/* The row of an alarm, a copy, or NULL. */
static HeapTuple
find_alarm(Relation rel, const char *peer, Oid table)
{
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	HeapTuple	found = NULL;
	HeapTuple	tuple;

	while (found == NULL && HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[ALARM_COLUMNS];
		bool		nulls[ALARM_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (DatumGetObjectId(values[ALARM_REL]) == table && strcmp(TextDatumGetCString(values[ALARM_PEER]), peer) == 0)
			found = heap_copytuple(tuple);
	}
	sync_meta_end(scan);
	return found;
}

/*
 * SQL: vecmark_internal.raise_alarm(peer text, rel regclass, detail jsonb): equal versions, unlike rows.
 * One row for a peer and a table.
 *
 * Errors: 42501 for who may not write all tracked tables.
 */
Datum
vecmark_raise_alarm(PG_FUNCTION_ARGS)
{
	Datum		values[ALARM_COLUMNS];
	bool		nulls[ALARM_COLUMNS] = {false};
	Relation	rel;
	HeapTuple	old;

	PreventCommandIfReadOnly("vecmark_internal.raise_alarm()");
	sync_check_rights("vecmark_internal.raise_alarm()");
	rel = sync_meta_open_alone(META_ALARM);
	old = find_alarm(rel, TextDatumGetCString(PG_GETARG_DATUM(0)), PG_GETARG_OID(1));
	if (HeapTupleIsValid(old))
	{
		heap_deform_tuple(old, RelationGetDescr(rel), values, nulls);
		values[ALARM_TIMES] = Int64GetDatum(DatumGetInt64(values[ALARM_TIMES]) + 1);
	}
	else
	{
		values[ALARM_PEER] = PG_GETARG_DATUM(0);
		values[ALARM_REL] = PG_GETARG_DATUM(1);
		values[ALARM_FIRST] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[ALARM_TIMES] = Int64GetDatum(1);
	}
	values[ALARM_LAST] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[ALARM_DETAIL] = PG_GETARG_DATUM(2);
	sync_meta_put(rel, old, values, nulls);
	table_close(rel, RowExclusiveLock);
	PG_RETURN_VOID();
}

/*
 * SQL: vecmark.clear_alarms() -> bigint: how many there were.
 *
 * Errors: 42501 for who may not write all tracked tables.
 */
Datum
vecmark_clear_alarms(PG_FUNCTION_ARGS)
{
	int64		count;

	PreventCommandIfReadOnly("vecmark.clear_alarms()");
	sync_check_rights("vecmark.clear_alarms()");
	table_close(sync_meta_open_alone(META_ALARM), RowExclusiveLock);
	count = sync_meta_delete_where(META_ALARM, NULL, NULL);
	PG_RETURN_INT64(count);
}

/*
 * Whether a dead state of a key deletes a row here; or has deleted it already, by a part of an
 * exchange that has not come to its end, so that "held" does not cover it.
 */
static bool
is_deleted(SyncTable *table, Image key, const RowState *dead, const Version *held)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	RowState   *clock;
	bool		deletes;

	SPI_connect();
	if (sync_key_can_be(table, key, values, nulls) && sync_read_row(table, false, values, nulls, &clock))
		deletes = clock->life < dead->life;
	else
	{
		RowState   *tombstone = sync_tombstone(table->root, key, NULL);

		deletes = tombstone != NULL && !version_covers(held, tombstone->base.site, tombstone->base.txn);
	}
	SPI_finish();
	return deletes;
}

/* Rows of a relation of a delta that it deletes here; of keys that cannot be here there are none. */
static int64
count_deleted(Oid root, const DeltaRelation *relation, const Version *held)
{
	SyncNames  *names = sync_names_of_relation(relation);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "row that is deleted", ALLOCSET_DEFAULT_SIZES);
	int64		count = 0;

	for (int i = 0; i < relation->row_count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		if (!row_is_alive(relation->rows[i].state))
		{
			Image		key = relation->rows[i].key;
			SyncTable  *table = sync_table_with_key(root, names, &key);

			if (table != NULL && is_deleted(table, key, relation->rows[i].state, held))
				count++;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return count;
}

/*
 * SQL: vecmark_internal.deletes(d delta) -> setof (rel regclass, rows bigint): rows of tables here, of
 * those that the caller sees all of, that a delta deletes, or has deleted in an exchange that did
 * not come to its end.
 */
Datum
vecmark_deletes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	Delta	   *delta = sync_delta_from_datum(PG_GETARG_DATUM(0));
	Version    *held = sync_version(GetActiveSnapshot());

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int i = 0; i < delta->relation_count; i++)
	{
		Oid			root = sync_table_by_name(delta->relations[i].name);
		Datum		values[2];
		bool		nulls[2] = {false, false};
		int64		count = OidIsValid(root) && !sync_is_hidden(root) ? count_deleted(root, &delta->relations[i], held) : 0;

		if (count == 0)
			continue;
		values[0] = ObjectIdGetDatum(root);
		values[1] = Int64GetDatum(count);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * SQL: vecmark_internal.refuse_share(rel regclass, deleted bigint, rows bigint, most_deleted real): see
 * sync_refuse_deletes.
 */
Datum
vecmark_refuse_share(PG_FUNCTION_ARGS)
{
	sync_refuse_deletes(sync_table_get(PG_GETARG_OID(0)), PG_GETARG_INT64(1), PG_GETARG_INT64(2), PG_GETARG_FLOAT4(3));
	PG_RETURN_VOID();
}

/*
 * SQL: vecmark_internal.count_rows(rel regclass) -> bigint: rows of a tracked table, read as its owner.
 *
 * Errors: 42501 for who does not see all of it.
 */
Datum
vecmark_count_rows(PG_FUNCTION_ARGS)
{
	SyncTable  *table = sync_table_get(PG_GETARG_OID(0));
	SyncOwner	before;
	bool		isnull;
	int64		count;

	sync_refuse_hidden(table->root);
	before = sync_begin_reading(table->root);
	SPI_connect();
	if (SPI_execute_plan(sync_plan(table, psprintf("SELECT pg_catalog.count(*) FROM %s", table->qualified), 0, NULL), NULL, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "cannot read table \"%s\"", table->name);
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	sync_end_reading(&before);
	PG_RETURN_INT64(count);
}
