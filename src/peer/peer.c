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
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_register_peer);
VM_FUNCTION_INFO(vecmark_note_peer);
VM_FUNCTION_INFO(vecmark_raise_alarm);
VM_FUNCTION_INFO(vecmark_clear_alarms);
VM_FUNCTION_INFO(vecmark_deletes);

/* Columns of peer_link. */
#define LINK_NAME 0
#define LINK_SERVER 1
#define LINK_SITE 2
#define LINK_AT 3
#define LINK_SUMMARY 4
#define LINK_COLUMNS 5

/* Columns of peer_alarm. */
#define ALARM_AT 0
#define ALARM_PEER 1
#define ALARM_REL 2
#define ALARM_DETAIL 3
#define ALARM_COLUMNS 4

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
 * SQL: vecmark.register_peer(name text, server name): puts a peer on record, or with a null
 * server takes it off.  Returns whether there was one of the name.
 *
 * Errors: 42501 for who may not write all tracked tables.
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
	values[LINK_NAME] = PG_GETARG_DATUM(0);
	rel = sync_meta_open(META_LINK, RowExclusiveLock);
	old = find_link(rel, values[LINK_NAME]);
	if (!PG_ARGISNULL(1))
	{
		values[LINK_SERVER] = PG_GETARG_DATUM(1);
		if (HeapTupleIsValid(old))
			sync_meta_update(rel, old, values, nulls);
		else
			sync_meta_insert(rel, values, nulls);
	}
	else if (HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	table_close(rel, RowExclusiveLock);
	PG_RETURN_BOOL(HeapTupleIsValid(old));
}

/*
 * SQL: vecmark.note_peer(name text, site text, summary jsonb): how the last exchange ended.
 *
 * Errors: 42501 for who may not write all tracked tables.
 */
Datum
vecmark_note_peer(PG_FUNCTION_ARGS)
{
	Datum		name = PG_GETARG_DATUM(0);
	Relation	rel;
	HeapTuple	old;

	PreventCommandIfReadOnly("vecmark.note_peer()");
	sync_check_rights("vecmark.note_peer()");
	rel = sync_meta_open(META_LINK, RowExclusiveLock);
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

/*
 * SQL: vecmark.raise_alarm(peer text, rel regclass, detail jsonb): equal versions, unlike rows.
 *
 * Errors: 42501 for who may not write all tracked tables.
 */
Datum
vecmark_raise_alarm(PG_FUNCTION_ARGS)
{
	Datum		values[ALARM_COLUMNS];
	bool		nulls[ALARM_COLUMNS] = {false};
	Relation	rel;

	PreventCommandIfReadOnly("vecmark.raise_alarm()");
	sync_check_rights("vecmark.raise_alarm()");
	values[ALARM_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[ALARM_PEER] = PG_GETARG_DATUM(0);
	values[ALARM_REL] = PG_GETARG_DATUM(1);
	values[ALARM_DETAIL] = PG_GETARG_DATUM(2);
	rel = sync_meta_open(META_ALARM, RowExclusiveLock);
	sync_meta_insert(rel, values, nulls);
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
	Relation	rel;
	SyncScan   *scan;
	HeapTuple	tuple;
	int64		count = 0;

	PreventCommandIfReadOnly("vecmark.clear_alarms()");
	sync_check_rights("vecmark.clear_alarms()");
	rel = sync_meta_open(META_ALARM, RowExclusiveLock);
	scan = sync_meta_scan(rel, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		sync_meta_delete(rel, tuple);
		count++;
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	PG_RETURN_INT64(count);
}

/* Rows of a relation of a delta that are dead there and alive here. */
static int64
count_deleted(SyncTable *table, const DeltaRelation *relation)
{
	int64		count = 0;

	for (int i = 0; i < relation->row_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!row_is_alive(relation->rows[i].state) && sync_row_is_there(table, relation->rows[i].key))
			count++;
	}
	return count;
}

/*
 * SQL: vecmark.deletes(d delta) -> setof (rel regclass, rows bigint): rows of tables here that a
 * delta deletes.
 *
 * Errors: 42501 for who may not read a table.
 */
Datum
vecmark_deletes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	Delta	   *delta = sync_delta_from_datum(PG_GETARG_DATUM(0));

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int i = 0; i < delta->relation_count; i++)
	{
		Oid			root = sync_table_by_name(delta->relations[i].name);
		Datum		values[2];
		bool		nulls[2] = {false, false};
		int64		count = OidIsValid(root) ? count_deleted(sync_table_get(root), &delta->relations[i]) : 0;

		if (count == 0)
			continue;
		values[0] = ObjectIdGetDatum(root);
		values[1] = Int64GetDatum(count);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
