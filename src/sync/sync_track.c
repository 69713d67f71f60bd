/*
 * sync_track.c: tables put on record and taken off.
 *
 * Which tables may be tracked is for the SQL of vecmark.track() to decide.
 */
#include "postgres.h"
#include "compat.h"

#include <inttypes.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database_d.h"
#include "catalog/pg_extension_d.h"
#include "catalog/pg_namespace_d.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "sync/sync_upkeep.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_birth);
VM_FUNCTION_INFO(vecmark_is_key_type);
VM_FUNCTION_INFO(vecmark_is_portable_type);
VM_FUNCTION_INFO(vecmark_register_table);
VM_FUNCTION_INFO(vecmark_renew_columns);
VM_FUNCTION_INFO(vecmark_lost_clock);
VM_FUNCTION_INFO(vecmark_unregister_table);
VM_FUNCTION_INFO(vecmark_tidy);
VM_FUNCTION_INFO(vecmark_erase);
VM_FUNCTION_INFO(vecmark_start_over);

/*
 * SQL: vecmark_internal.birth() -> rowclock: of rows that are there when a table is tracked; their life
 * is longer than any that was forgotten.
 */
Datum
vecmark_birth(PG_FUNCTION_ARGS)
{
	RowState	clock = {0};

	clock.life = (sync_forgotten_life(true) + 1) | 1;
	clock.base = sync_stamp(NULL);
	PG_RETURN_DATUM(sync_clock_datum(&clock));
}

/* SQL: vecmark_internal.is_key_type(oid): whether the key of a tracked table may have this type. */
Datum
vecmark_is_key_type(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(get_typtype(PG_GETARG_OID(0)) != '\0' && sync_key_type(PG_GETARG_OID(0)));
}

/* SQL: vecmark_internal.is_portable_type(oid): whether a register of a tracked table may have this type. */
Datum
vecmark_is_portable_type(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(get_typtype(PG_GETARG_OID(0)) != '\0' && sync_portable_type(PG_GETARG_OID(0)));
}

/* Whether a name is that of a table and its schema, and cannot be another's. */
static bool
is_own_name(Oid relid, const char *name)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relid));

	return strchr(schema, '.') == NULL && strcmp(psprintf("%s.%s", schema, get_rel_name(relid)), name) == 0;
}

/*
 * Whether the caller may publish his table under a name.  Another than its own may be another
 * table's elsewhere, whose rows would come here: that is for who owns the database to say.  So it
 * is where rows that came under the name are waiting for their table, unless the schema is the
 * caller's.
 */
bool
sync_may_publish(Oid relid, const char *name)
{
	return sync_may_administer(GetUserId()) ||
		(is_own_name(relid, name) && (vm_owns_schema(get_rel_namespace(relid), GetUserId()) || !sync_has_parked(name)));
}

/* Errors: 42710 if another table has a name; 42501 if the caller may not give it to his. */
static void
check_name(Oid relid, const char *name)
{
	if (OidIsValid(sync_table_by_name(name)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("another table is tracked as \"%s\"", name),
				 errhint("Give this one another name in the policy.")));
	if (!sync_may_publish(relid, name))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to track table \"%s\" as \"%s\"", get_rel_name(relid), name),
				 is_own_name(relid, name) ? errdetail("Rows that others published under that name are waiting for their table.") :
				 errdetail("Rows that others publish under that name would come into it."),
				 errhint("Have the owner of the database track the table.")));
}

static void
delete_rows(SyncMeta meta, Datum key)
{
	Relation	rel = sync_meta_open(meta, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		sync_meta_delete(rel, tuple);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* A row of sync_conflict is of a published name. */
static bool
is_named(HeapTuple tuple, TupleDesc desc, void *about)
{
	bool		isnull;

	return strcmp(TextDatumGetCString(heap_getattr(tuple, 2, desc, &isnull)), about) == 0;
}

/*
 * Takes a table off the record, and values of it that lost: whoever tracks another as that name may
 * not see them.  Its tombstones stay for who will be tracked under its name, until they are
 * forgotten like any.
 */
static void
unregister(Oid relid)
{
	char	   *name = sync_name_on_record(relid);

	if (name == NULL)
		return;
	sync_log_deaths();
	sync_meta_delete_where(META_CONFLICT, is_named, name);
	sync_note_lack(name, relid);
	delete_rows(META_TABLE, ObjectIdGetDatum(relid));
	delete_rows(META_COLUMN, ObjectIdGetDatum(relid));
}

/*
 * SQL: vecmark_internal.lost_clock(rel regclass) -> rowclock: of rows whose clocks are lost.  It has
 * time zero where peers have these rows with their clocks: what they tell takes its place.
 *
 * Errors: 42501 for who does not own the table, 55000 if it is not tracked.
 */
Datum
vecmark_lost_clock(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *name = sync_name_on_record(relid);
	RowState	clock = {0};

	sync_check_owner(relid);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not tracked", get_rel_name(relid))));
	sync_note_lack(name, relid);
	clock.life = 1;
	clock.base = sync_stamp(NULL);
	if (sync_lack_of(sync_table_id(name), NULL)->dots->count > 0)
		clock.base.time = 0;
	else
		clock.life = (sync_forgotten_life(true) + 1) | 1;
	PG_RETURN_DATUM(sync_clock_datum(&clock));
}

/* Deletes of fewer rows than this are never too many. */
#define ALWAYS_DELETED 1000

/*
 * What others have deleted may be a mistake of theirs.
 *
 * Errors: VM004 if the rows to delete are 1,000 or more, and more than the share "most" of those
 *         that there are.
 */
void
sync_refuse_deletes(const SyncTable *table, int64 deleted, int64 rows, double most)
{
	if (deleted >= ALWAYS_DELETED && deleted > most * Max(rows, deleted))
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_DELETED),
				 errmsg("refusing to delete " INT64_FORMAT " rows of table \"%s\", where there are " INT64_FORMAT, deleted, table->name, rows),
				 errdetail("Others have deleted them; at most a share of %g is taken as meant.", most),
				 errhint("If it was, call this again with most_deleted => 1.")));
}

/* The table in the first column is not there any more. */
static bool
is_dropped(HeapTuple tuple, TupleDesc desc, void *about)
{
	bool		isnull;

	return get_rel_name(DatumGetObjectId(heap_getattr(tuple, 1, desc, &isnull))) == NULL;
}

/* Tables that were dropped while they were on record; how many. */
static int
unregister_dropped(void)
{
	Relation	rel = sync_meta_open(META_TABLE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	List	   *dropped = NIL;
	ListCell   *cell;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		if (is_dropped(tuple, RelationGetDescr(rel), NULL))
		{
			bool		isnull;

			dropped = lappend_oid(dropped, DatumGetObjectId(heap_getattr(tuple, SYNC_TABLE_REL + 1, RelationGetDescr(rel), &isnull)));
		}
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	foreach(cell, dropped)
		unregister(lfirst_oid(cell));
	return list_length(dropped);
}

/*
 * SQL: vecmark_internal.register_table(rel regclass, name text, notify boolean, columns name[],
 * kinds "char"[]).
 *
 * Locks:  sync_table SHARE ROW EXCLUSIVE, so that nobody else takes the name.
 * Errors: 42501 for who does not own the table, or may not give it the name; 42710 if that is taken.
 */
Datum
vecmark_register_table(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Datum		table_values[SYNC_TABLE_COLUMNS];
	Datum		values[7];
	bool		nulls[7] = {false};
	Datum	   *names;
	Datum	   *kinds;
	int			count;
	int			kind_count;
	Version    *floor;
	Relation	rel;

	sync_check_owner(relid);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names, NULL, &count);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), CHAROID, 1, true, TYPALIGN_CHAR, &kinds, NULL, &kind_count);
	if (count != kind_count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns and their kinds differ in number")));
	LockRelationOid(sync_meta_oid(META_TABLE), ShareRowExclusiveLock);
	unregister_dropped();
	check_name(relid, TextDatumGetCString(PG_GETARG_DATUM(1)));
	floor = version_of_dot(sync_writer_site(), sync_writer_txn());
	if (sync_inherit_lack(TextDatumGetCString(PG_GETARG_DATUM(1)), relid))
		floor = version_union(floor, sync_version_now());
	table_values[SYNC_TABLE_REL] = ObjectIdGetDatum(relid);
	table_values[SYNC_TABLE_NAME] = PG_GETARG_DATUM(1);
	table_values[SYNC_TABLE_FLOOR] = sync_version_datum(floor);
	table_values[SYNC_TABLE_NOTIFY] = PG_GETARG_DATUM(2);
	rel = sync_meta_open(META_TABLE, RowExclusiveLock);
	sync_meta_insert(rel, table_values, nulls);
	table_close(rel, RowExclusiveLock);
	rel = sync_meta_open(META_COLUMN, RowExclusiveLock);
	for (int i = 0; i < count; i++)
	{
		char	   *name = NameStr(*DatumGetName(names[i]));
		AttrNumber	attnum = get_attnum(relid, name);
		Oid			type = get_atttype(relid, attnum);

		if (DatumGetChar(kinds[i]) == SYNC_SET)
			type = get_element_type(getBaseType(type));
		values[0] = ObjectIdGetDatum(relid);
		values[1] = Int16GetDatum(attnum);
		values[2] = names[i];
		values[3] = CStringGetTextDatum(name);
		values[4] = kinds[i];
		values[5] = ObjectIdGetDatum(relid);
		values[6] = CStringGetTextDatum(sync_form_name(sync_form_of_type(type)));
		sync_meta_insert(rel, values, nulls);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	sync_table_changed(relid);
	PG_RETURN_VOID();
}

/* SQL: vecmark_internal.unregister_table(rel regclass).  Errors: 42501 for who does not own it. */
Datum
vecmark_unregister_table(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	if (get_rel_name(relid) != NULL)
		sync_check_owner(relid);
	unregister(relid);
	sync_table_changed(relid);
	PG_RETURN_VOID();
}

/*
 * SQL: vecmark_internal.renew_columns(rel regclass): columns that were dropped and added again are those
 * that were on record, without their values.
 *
 * Errors: 42501 for who does not own the table.
 */
Datum
vecmark_renew_columns(PG_FUNCTION_ARGS)
{
	SyncTable  *table = sync_table_get(PG_GETARG_OID(0));
	Relation	rel;
	Datum		key = ObjectIdGetDatum(table->root);
	SyncScan   *scan;
	HeapTuple	tuple;

	sync_check_owner(table->root);
	rel = sync_meta_open(META_COLUMN, RowExclusiveLock);
	scan = sync_meta_scan(rel, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[7];
		bool		nulls[7];
		AttrNumber	attnum;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		attnum = get_attnum(table->root, NameStr(*DatumGetName(values[2])));
		if (DatumGetObjectId(values[5]) != table->root || attnum == InvalidAttrNumber ||
			OidIsValid(get_atttype(table->root, DatumGetInt16(values[1]))))
			continue;
		values[1] = Int16GetDatum(attnum);
		sync_meta_update(rel, tuple, values, nulls);
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	sync_note_lack(table->name, table->root);
	sync_table_changed(table->root);
	PG_RETURN_VOID();
}

/* A time in the column that "about" numbers is more than 30 days ago. */
static bool
is_old(HeapTuple tuple, TupleDesc desc, void *about)
{
	bool		isnull;
	TimestampTz at = DatumGetTimestampTz(heap_getattr(tuple, *(int *) about, desc, &isnull));

	return at < GetCurrentTimestamp() - INT64CONST(30) * USECS_PER_DAY;
}

/* The same, but for tombstones that are kept for another table. */
static bool
is_left(HeapTuple tuple, TupleDesc desc, void *about)
{
	bool		isnull;

	return is_dropped(tuple, desc, about) && !sync_keeps_tombstones(DatumGetObjectId(heap_getattr(tuple, 1, desc, &isnull)));
}

/*
 * SQL: vecmark_internal.tidy() -> bigint: rows of vecmark's tables that are of no use any more,
 * deleted: of tables that were dropped, and batches, conflicts and quarantined deltas
 * of more than 30 days ago.
 */
Datum
vecmark_tidy(PG_FUNCTION_ARGS)
{
	int			batch_at = 4;
	int			conflict_at = 1;
	int			quarantine_at = 3;
	int64		deleted = 0;

	PreventCommandIfReadOnly("vecmark_internal.tidy()");
	sync_check_rights("vecmark_internal.tidy()");
	sync_lock_version();
	deleted += unregister_dropped();
	deleted += sync_meta_delete_where(META_COLUMN, is_dropped, NULL);
	deleted += sync_meta_delete_where(META_TOMBSTONE, is_left, NULL);
	deleted += sync_meta_delete_where(META_PACK, is_left, NULL);
	deleted += sync_meta_delete_where(META_OUTBOX, is_dropped, NULL);
	deleted += sync_meta_delete_where(META_BATCH, is_old, &batch_at);
	deleted += sync_meta_delete_where(META_CONFLICT, is_old, &conflict_at);
	deleted += sync_meta_delete_where(META_QUARANTINE, is_old, &quarantine_at);
	PG_RETURN_INT64(deleted);
}

typedef struct Erased
{
	const char *name;
	Image		key;
	int			name_column;
	int			key_column;
} Erased;

static bool
is_erased(HeapTuple tuple, TupleDesc desc, void *about)
{
	const Erased *erased = about;
	bool		isnull;
	Image		key = sync_image_of_bytea(heap_getattr(tuple, erased->key_column, desc, &isnull));

	return key.size == erased->key.size && memcmp(key.data, erased->key.data, key.size) == 0 &&
		strcmp(TextDatumGetCString(heap_getattr(tuple, erased->name_column, desc, &isnull)), erased->name) == 0;
}

/*
 * SQL: vecmark.erase(rel regclass, key bytea) -> bigint: what vecmark keeps beside the table
 * of the values of a row that is deleted: parked states and values that lost.
 *
 * Errors: 42501 for who may not delete from the table.
 */
Datum
vecmark_erase(PG_FUNCTION_ARGS)
{
	SyncTable  *table = sync_table_get(PG_GETARG_OID(0));
	Erased		erased = {table->name, sync_image_of_bytea(PG_GETARG_DATUM(1)), 1, 2};
	int64		deleted;

	PreventCommandIfReadOnly("vecmark.erase()");
	if (pg_class_aclcheck(table->root, GetUserId(), ACL_DELETE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table->root));
	sync_lock_version();
	deleted = sync_meta_delete_where(META_PARKED, is_erased, &erased);
	erased.name_column = 2;
	erased.key_column = 3;
	deleted += sync_meta_delete_where(META_CONFLICT, is_erased, &erased);
	PG_RETURN_INT64(deleted);
}

/*
 * SQL: vecmark.start_over() -> text: forgets all that this database knew of others, and
 * begins a new life; returns its site.
 *
 * Errors: 55000 while tables are tracked.
 */
Datum
vecmark_start_over(PG_FUNCTION_ARGS)
{
	static const SyncMeta all[] = {
		META_VERSION, META_LOG, META_TOMBSTONE, META_PACK, META_PARKED, META_QUARANTINE, META_PEER, META_STREAM, META_BATCH,
		META_CONFLICT, META_LACK,
	};

	PreventCommandIfReadOnly("vecmark.start_over()");
	if (sync_table_list(NULL) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tables are tracked"),
				 errhint("SELECT vecmark.untrack() them, and delete the rows that are to come from elsewhere.")));
	sync_renew_site(false);
	for (size_t i = 0; i < lengthof(all); i++)
		sync_meta_delete_where(all[i], NULL, NULL);
	sync_forget_forgotten();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%016" PRIx64, (uint64) sync_writer_site())));
}
