/*
 * sync_meta.c: reading and writing the extension's own tables.
 *
 * C code does it itself, so that users need no rights on these tables and nothing
 * runs with the rights of the extension's owner.
 */
#include "postgres.h"
#include "compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/sync_meta.h"
#include "sync/sync_types.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* No index of ours has more columns. */
#define KEYS_MAX 4

static const char *const meta_names[] = {
	[META_SITE] = "sync_site",
	[META_VERSION] = "sync_version",
	[META_TABLE] = "sync_table",
	[META_COLUMN] = "sync_column",
	[META_LOG] = "sync_log",
	[META_TOMBSTONE] = "sync_tombstone",
	[META_PACK] = "sync_pack",
	[META_PARKED] = "sync_parked",
	[META_QUARANTINE] = "sync_quarantine",
	[META_PEER] = "sync_peer",
	[META_STREAM] = "sync_stream",
	[META_BATCH] = "sync_batch",
	[META_CONFLICT] = "sync_conflict",
	[META_OUTBOX] = "sync_outbox",
	[META_LACK] = "sync_lack",
	[META_LEAF] = "merkle_leaf",
	[META_DIGEST] = "merkle_digest",
	[META_LINK] = "peer_link",
	[META_ALARM] = "peer_alarm",
};

/* OIDs of our tables, as far as this backend has looked them up. */
static Oid	meta_oids[lengthof(meta_names)];

/* A table that is dropped is told of like any change of it. */
static void
at_invalidation(Datum arg, Oid relid)
{
	for (size_t i = 0; i < lengthof(meta_oids); i++)
		if (relid == meta_oids[i] || !OidIsValid(relid))
			meta_oids[i] = InvalidOid;
}

/*
 * The OID of a table of ours.
 *
 * Errors: 42P01 if the extension is not installed in this database.
 */
Oid
sync_meta_oid(SyncMeta meta)
{
	static bool has_callback;
	Oid			schema;
	Oid			oid;

	if (OidIsValid(meta_oids[meta]))
		return meta_oids[meta];
	if (!has_callback)
	{
		CacheRegisterRelcacheCallback(at_invalidation, (Datum) 0);
		has_callback = true;
	}
	schema = get_namespace_oid("vecmark_internal", true);
	oid = OidIsValid(schema) ? get_relname_relid(meta_names[meta], schema) : InvalidOid;
	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"vecmark_internal.%s\" does not exist", meta_names[meta]),
				 errhint("Run CREATE EXTENSION vecmark in this database.")));
	meta_oids[meta] = oid;
	return oid;
}

/* The OID of the type delta. */
Oid
sync_delta_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("delta"),
						   ObjectIdGetDatum(get_namespace_oid("vecmark", false)));
}

/* Open a table of ours; the caller closes it. */
Relation
sync_meta_open(SyncMeta meta, LOCKMODE mode)
{
	return table_open(sync_meta_oid(meta), mode);
}

static SyncScan *
begin_scan(Relation rel, Snapshot snapshot, int count, ScanKey keys)
{
	SyncScan   *scan = palloc(sizeof(SyncScan));
	Oid			index = count > 0 ? linitial_oid(RelationGetIndexList(rel)) : InvalidOid;

	scan->latest = snapshot == NULL ? RegisterSnapshot(GetLatestSnapshot()) : NULL;
	scan->scan = systable_beginscan(rel, index, count > 0, snapshot == NULL ? scan->latest : snapshot, count, keys);
	return scan;
}

static void
fill_keys(Relation rel, int count, const Datum *key, ScanKey keys)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < count; i++)
	{
		RegProcedure equal;

		switch (TupleDescAttr(desc, i)->atttypid)
		{
			case INT8OID:
				equal = F_INT8EQ;
				break;
			case INT4OID:
				equal = F_INT4EQ;
				break;
			case INT2OID:
				equal = F_INT2EQ;
				break;
			case BYTEAOID:
				equal = F_BYTEAEQ;
				break;
			case TEXTOID:
				equal = F_TEXTEQ;
				break;
			default:
				equal = F_OIDEQ;
				break;
		}
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   TupleDescAttr(desc, i)->attcollation, equal, key[i]);
	}
}

/*
 * Rows whose first "count" columns are as given, in the order of the table's only
 * index, which is on its first columns; all rows in no order if count is 0.  Such
 * columns are of type bigint, integer, smallint, oid, regclass, bytea or text.
 *
 * A snapshot of NULL shows what is committed now, and all that the own transaction
 * did.
 */
SyncScan   *
sync_meta_scan(Relation rel, Snapshot snapshot, int count, const Datum *key)
{
	ScanKeyData keys[KEYS_MAX];

	fill_keys(rel, count, key, keys);
	return begin_scan(rel, snapshot, count, keys);
}

/*
 * Begin to look for many keys, one after the other, in the index of a table.
 */
SyncProbe  *
sync_probe_begin(Relation rel, int count)
{
	SyncProbe  *probe = palloc(sizeof(SyncProbe));

	probe->rel = rel;
	probe->index = index_open(linitial_oid(RelationGetIndexList(rel)), AccessShareLock);
	probe->scan = vm_index_beginscan(rel, probe->index, SnapshotAny, count, 0);
	probe->count = count;
	return probe;
}

/*
 * Whether the index has an entry with this key.  It may be of a row that no snapshot shows,
 * but without one there is none that any snapshot shows.
 */
bool
sync_probe_has(SyncProbe *probe, const Datum *key)
{
	ScanKeyData keys[KEYS_MAX];

	fill_keys(probe->rel, probe->count, key, keys);
	index_rescan(probe->scan, keys, probe->count, NULL, 0);
	return index_getnext_tid(probe->scan, ForwardScanDirection) != NULL;
}

/* End it; what it held is released. */
void
sync_probe_end(SyncProbe *probe)
{
	index_endscan(probe->scan);
	index_close(probe->index, AccessShareLock);
	pfree(probe);
}

/*
 * Begin to read rows whose first "count" columns, those of the index, are as asked for, key after key: as a
 * snapshot shows them, or with NULL as they are now.  Costs less than a scan for each.
 */
SyncSeek   *
sync_seek_begin(Relation rel, Snapshot snapshot, int count)
{
	SyncSeek   *seek = palloc(sizeof(SyncSeek));

	seek->rel = rel;
	seek->index = index_open(linitial_oid(RelationGetIndexList(rel)), AccessShareLock);
	seek->latest = snapshot == NULL ? RegisterSnapshot(GetLatestSnapshot()) : NULL;
	seek->scan = vm_index_beginscan(rel, seek->index, snapshot == NULL ? seek->latest : snapshot, count, 0);
	seek->slot = table_slot_create(rel, NULL);
	seek->count = count;
	seek->context = CurrentMemoryContext;
	return seek;
}

/* Go to the rows of a key. */
void
sync_seek(SyncSeek *seek, const Datum *key)
{
	ScanKeyData keys[KEYS_MAX];
	MemoryContext old = MemoryContextSwitchTo(seek->context);

	fill_keys(seek->rel, seek->count, key, keys);
	index_rescan(seek->scan, keys, seek->count, NULL, 0);
	MemoryContextSwitchTo(old);
}

/* The next of these, or NULL; it is valid until another is asked for. */
HeapTuple
sync_seek_next(SyncSeek *seek)
{
	MemoryContext old = MemoryContextSwitchTo(seek->context);
	HeapTuple	tuple = index_getnext_slot(seek->scan, ForwardScanDirection, seek->slot) ? ExecFetchSlotHeapTuple(seek->slot, false, NULL) : NULL;

	MemoryContextSwitchTo(old);
	return tuple;
}

/* End it. */
void
sync_seek_end(SyncSeek *seek)
{
	index_endscan(seek->scan);
	ExecDropSingleTupleTableSlot(seek->slot);
	if (seek->latest != NULL)
		UnregisterSnapshot(seek->latest);
	index_close(seek->index, AccessShareLock);
	pfree(seek);
}

/*
 * Whether there can be rows whose first "count" columns, all those of the index, are as
 * given; see sync_probe_has.  Costs less than a scan that finds nothing.
 */
bool
sync_meta_has(Relation rel, int count, const Datum *key)
{
	SyncProbe  *probe;
	bool		found;

	if (RelationGetNumberOfBlocks(rel) == 0)
		return false;
	probe = sync_probe_begin(rel, count);
	found = sync_probe_has(probe, key);
	sync_probe_end(probe);
	return found;
}

/*
 * Rows whose first column is as given and whose second, a bigint, is at least "from".
 */
SyncScan   *
sync_meta_scan_from(Relation rel, Snapshot snapshot, Datum first, Datum from)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, first);
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, from);
	return begin_scan(rel, snapshot, 2, keys);
}

/*
 * The least site, as bigint has them in order, after *site in the first column of a
 * table; false if there is none.
 */
bool
sync_meta_next_site(Relation rel, Snapshot snapshot, Site *site)
{
	ScanKeyData key;
	SyncScan   *scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum((int64) *site));
	scan = begin_scan(rel, snapshot, 1, &key);
	tuple = sync_meta_next(scan);
	if (HeapTupleIsValid(tuple))
		*site = (Site) DatumGetInt64(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
	sync_meta_end(scan);
	return HeapTupleIsValid(tuple);
}

/* The next row, or NULL; it is valid until the one after it is asked for. */
HeapTuple
sync_meta_next(SyncScan *scan)
{
	return systable_getnext(scan->scan);
}

/* End a scan. */
void
sync_meta_end(SyncScan *scan)
{
	systable_endscan(scan->scan);
	if (scan->latest != NULL)
		UnregisterSnapshot(scan->latest);
	pfree(scan);
}

/* Add a row.  Errors: 23505 if its key is there. */
void
sync_meta_insert(Relation rel, const Datum *values, const bool *nulls)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), (Datum *) values, (bool *) nulls);

	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
}

/*
 * Add rows, which cost less together.  The slots are of a copy of the descriptor, since the owner
 * of resources keeps track of each that refers to the table's.
 *
 * Errors: as above.
 */
void
sync_meta_insert_many(Relation rel, HeapTuple *tuples, int count)
{
	TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * (count + 1));
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(rel));
	CatalogIndexState indexes;

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
	{
		slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
		ExecStoreHeapTuple(tuples[i], slots[i], false);
	}
	indexes = CatalogOpenIndexes(rel);
	CatalogTuplesMultiInsertWithInfo(rel, slots, count, indexes);
	CatalogCloseIndexes(indexes);
	for (int i = 0; i < count; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
}

/* Insert a row into a table without indexes, and delete it: only its WAL remains. */
void
sync_meta_pass(Relation rel, HeapTuple tuple)
{
	simple_heap_insert(rel, tuple);
	CommandCounterIncrement();
	simple_heap_delete(rel, &tuple->t_self);
}

/* Put other values in the place of a row's.  Errors: XX000 if it was changed meanwhile. */
void
sync_meta_update(Relation rel, HeapTuple old, const Datum *values, const bool *nulls)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), (Datum *) values, (bool *) nulls);

	CatalogTupleUpdate(rel, &old->t_self, tuple);
	heap_freetuple(tuple);
}

/* Remove a row.  Errors: XX000 if it was changed meanwhile. */
void
sync_meta_delete(Relation rel, HeapTuple old)
{
	CatalogTupleDelete(rel, &old->t_self);
}

/*
 * Push the caller's snapshot, without what its own transaction did, as the active one.
 * The caller pops it.
 */
Snapshot
sync_push_outside_snapshot(void)
{
	/* A pushed copy is nobody else's, so its counter may be set. */
	PushCopiedSnapshot(GetActiveSnapshot());
	GetActiveSnapshot()->curcid = FirstCommandId;
	return GetActiveSnapshot();
}

/*
 * Open a table of ours to read what is there and write it anew, which one at a time does to the
 * end of the transaction.
 */
Relation
sync_meta_open_alone(SyncMeta meta)
{
	LockDatabaseObject(RelationRelationId, sync_meta_oid(meta), 0, ExclusiveLock);
	return sync_meta_open(meta, RowExclusiveLock);
}

/* Put a row in the place of "old", or where that is NULL beside the others. */
void
sync_meta_put(Relation rel, HeapTuple old, const Datum *values, const bool *nulls)
{
	if (HeapTupleIsValid(old))
		sync_meta_update(rel, old, values, nulls);
	else
		sync_meta_insert(rel, values, nulls);
}

/* Delete rows of a table of ours: those of which "is_meant" says so, or if that is NULL, all.  How many. */
int64
sync_meta_delete_where(SyncMeta meta, SyncMeant is_meant, void *about)
{
	Relation	rel = sync_meta_open(meta, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	int64		deleted = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		if (is_meant == NULL || is_meant(tuple, RelationGetDescr(rel), about))
		{
			sync_meta_delete(rel, tuple);
			deleted++;
		}
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	return deleted;
}

/* The union of the versions in a column of a table of ours. */
Version    *
sync_meta_union(SyncMeta meta, int column, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(meta, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	Version    *all = palloc0(sizeof(Version));
	HeapTuple	tuple;
	bool		isnull;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		all = version_union(all, sync_version_from_datum(heap_getattr(tuple, column + 1, RelationGetDescr(rel), &isnull)));
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return all;
}
