/*
 * sync_table.c: what is known of a tracked table, kept for the backend.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "sync/sync_meta.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Columns of sync_column. */
#define COLUMN_REL 0
#define COLUMN_ATTNUM 1
#define COLUMN_ATTNAME 2
#define COLUMN_NAME 3
#define COLUMN_KIND 4
#define COLUMN_RELID 5
#define COLUMN_FORM 6
#define COLUMN_COLUMNS 7

typedef struct TableEntry
{
	Oid			relid;
	SyncTable  *table;			/* NULL: to be read */
} TableEntry;

static HTAB *tables;

/* Tables that were read anew, whose old form may be in use until the transaction ends. */
static List *retired;

static void
at_xact(XactEvent event, void *arg)
{
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	foreach(cell, retired)
	{
		SyncTable  *table = lfirst(cell);
		ListCell   *plan;

		foreach(plan, table->plans)
			SPI_freeplan(((SyncPlan *) lfirst(plan))->plan);
		MemoryContextDelete(table->context);
	}
	list_free(retired);
	retired = NIL;
}

static void
retire(SyncTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);

	retired = lappend(retired, table);
	MemoryContextSwitchTo(old);
}

static void
forget_entry(TableEntry *entry)
{
	/* It may be in use further up: its memory goes when it is read anew. */
	if (entry->table != NULL)
		entry->table->stale = true;
}

static void
at_invalidation(Datum arg, Oid relid)
{
	TableEntry *entry;

	if (OidIsValid(relid))
	{
		entry = hash_search(tables, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			forget_entry(entry);
	}
	else
	{
		HASH_SEQ_STATUS all;

		hash_seq_init(&all, tables);
		while ((entry = hash_seq_search(&all)) != NULL)
			forget_entry(entry);
	}
}

/* The number of a column in clocks: the lower half of XXH3-64 of its published name. */
ColumnId
sync_column_id(const char *name)
{
	return (ColumnId) XXH3_64bits(name, strlen(name));
}

/*
 * Whether a type may be in a key: equal values have equal bytes, whatever settings are.
 */
bool
sync_key_type(Oid type)
{
	type = getBaseType(type);
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case TEXTOID:
		case VARCHAROID:
		case NAMEOID:
		case UUIDOID:
		case BYTEAOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return type_is_enum(type);
	}
}

/*
 * Whether values of a type mean the same in another database: not those that stand for
 * objects of this one, or are written as a setting says that is not told.
 */
bool
sync_portable_type(Oid type)
{
	Oid			element;

	type = getBaseType(type);
	element = get_element_type(type);
	if (OidIsValid(element))
		return sync_portable_type(element);
	switch (type)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGCOLLATIONOID:
		case CASHOID:
		case ACLITEMOID:
			return false;
		default:
			return true;
	}
}

/* Whether the text of a type's values depends on settings; if in doubt, it does. */
static bool
depends_on_settings(Oid type)
{
	Oid			element;

	type = getBaseType(type);
	element = get_element_type(type);
	if (OidIsValid(element))
		return depends_on_settings(element) || form_is_binary(sync_form_of_type(element));
	if (form_is_binary(sync_form_of_type(type)))
		return false;
	switch (type)
	{
		case NUMERICOID:
		case BPCHAROID:
		case CHAROID:
		case JSONOID:
		case JSONBOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
		case TSVECTOROID:
		case TSQUERYOID:
			return false;
		default:
			return !sync_key_type(type);
	}
}

/*
 * Whether a column holds whatever the form of its type says, as it is or not at all.  Others
 * may round or cut it.
 */
static bool
is_exact(Oid type, int32 typmod)
{
	type = getBaseTypeAndTypmod(type, &typmod);
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case TEXTOID:
		case JSONOID:
		case JSONBOID:
		case UUIDOID:
		case BYTEAOID:
		case DATEOID:
			return true;
		case NUMERICOID:
		case VARCHAROID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
			return typmod < 0;
		default:
			return sync_form_of_type(type) >= FORM_VECTOR;
	}
}

/*
 * Values are written and read as the base type's: the checks of domains are their owners' code,
 * which runs where rows are written, and not for who reads.
 */
static void
fill_functions(SyncColumn *column)
{
	Oid			type = sync_value_type(column);
	Oid			function;
	bool		isvarlena;

	column->type_form = sync_form_of_type(type);
	column->exact = is_exact(type, column->typmod);
	if (form_is_binary(column->type_form))
	{
		getTypeBinaryOutputInfo(type, &function, &isvarlena);
		fmgr_info(function, &column->write);
		getTypeBinaryInputInfo(type, &function, &column->ioparam);
	}
	else
	{
		getTypeOutputInfo(type, &function, &isvarlena);
		fmgr_info(function, &column->write);
		getTypeInputInfo(type, &function, &column->ioparam);
	}
	fmgr_info(function, &column->read);
}

/*
 * Published name and kind of each column of the root; columns that are not on record yet
 * (they were added since) are published by their name, as registers.  Of keys and sets
 * the form on record stays.
 */
static void
name_columns(SyncTable *table)
{
	Relation	rel = sync_meta_open(META_COLUMN, AccessShareLock);
	Datum		key = ObjectIdGetDatum(table->root);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[COLUMN_COLUMNS];
		bool		nulls[COLUMN_COLUMNS];
		char	   *attname;
		AttrNumber	attnum;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);

		/* Numbers of columns do not survive a dump; then names have to do. */
		attname = NameStr(*DatumGetName(values[COLUMN_ATTNAME]));
		attnum = DatumGetInt16(values[COLUMN_ATTNUM]);
		if (DatumGetObjectId(values[COLUMN_RELID]) != table->root)
			attnum = get_attnum(table->root, attname);
		if (table->relid != table->root && attnum > 0)
		{
			char	   *name = get_attname(table->root, attnum, true);

			attnum = name != NULL ? get_attnum(table->relid, name) : InvalidAttrNumber;
		}
		for (int i = 0; i < table->column_count; i++)
		{
			SyncColumn *column = &table->columns[i];

			if (column->attnum != attnum)
				continue;
			column->name = TextDatumGetCString(values[COLUMN_NAME]);
			column->kind = DatumGetChar(values[COLUMN_KIND]);
			column->form = sync_form_by_name(TextDatumGetCString(values[COLUMN_FORM]));
			column->is_recorded = true;
		}
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

static int
compare_ids(const void *a, const void *b)
{
	ColumnId	x = (*(SyncColumn *const *) a)->id;
	ColumnId	y = (*(SyncColumn *const *) b)->id;

	return x < y ? -1 : x > y;
}

/*
 * A column's type may have been altered since its policy was checked.
 *
 * Errors: 42804.
 */
static void
check_type(const SyncTable *table, const SyncColumn *column)
{
	bool		fits = true;

	if (column->is_key)
		fits = sync_key_type(column->type);
	else if (column->kind == SYNC_COUNTER)
		fits = column->type == INT2OID || column->type == INT4OID || column->type == INT8OID;
	else if (column->kind == SYNC_SET)
		fits = OidIsValid(column->element) && sync_key_type(column->element);
	else if (column->kind == SYNC_REGISTER)
		fits = sync_portable_type(column->type);
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of tracked table \"%s\" is now of a type that a %s cannot have", column->attname, table->name,
						column->is_key ? "key" : column->kind == SYNC_COUNTER ? "counter" : column->kind == SYNC_SET ? "set" : "register"),
				 errhint("Alter it back, or SELECT vecmark.untrack('%s').", table->qualified)));
}

/* Read what is on record into "table", whose relid, root and context are set. */
static void
read_table(SyncTable *table, Relation rel, const Datum *record)
{
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *indexes;
	ListCell   *cell;
	Oid			clock_type = InvalidOid;

	table->name = TextDatumGetCString(record[SYNC_TABLE_NAME]);
	table->floor = sync_version_from_datum(record[SYNC_TABLE_FLOOR]);
	table->owner = rel->rd_rel->relowner;
	table->notify = DatumGetBool(record[SYNC_TABLE_NOTIFY]);
	table->qualified = quote_qualified_identifier(get_namespace_name(get_rel_namespace(table->root)),
												  get_rel_name(table->root));
	table->columns = palloc0(sizeof(SyncColumn) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		SyncColumn *column = &table->columns[table->column_count];

		if (attribute->attisdropped || attribute->attgenerated != '\0')
			continue;
		if (strcmp(NameStr(attribute->attname), SYNC_CLOCK_COLUMN) == 0)
		{
			table->clock = attribute->attnum;
			clock_type = attribute->atttypid;
			continue;
		}
		column->attnum = attribute->attnum;
		column->attname = pstrdup(NameStr(attribute->attname));
		column->name = column->attname;
		column->kind = SYNC_REGISTER;
		column->type = attribute->atttypid;
		column->typmod = attribute->atttypmod;
		column->base = getBaseTypeAndTypmod(column->type, &column->typmod);
		column->typlen = attribute->attlen;
		column->byval = attribute->attbyval;
		column->align = attribute->attalign;
		column->identity_always = attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
		table->column_count++;
	}
	name_columns(table);
	table->by_id = palloc(sizeof(SyncColumn *) * (table->column_count + 1));
	for (int i = 0; i < table->column_count; i++)
	{
		SyncColumn *column = &table->columns[i];

		column->id = sync_column_id(column->name);
		column->element = get_element_type(getBaseType(column->type));
		check_type(table, column);
		if (column->kind == SYNC_SET)
			get_typlenbyvalalign(column->element, &column->element_len, &column->element_byval, &column->element_align);
		fill_functions(column);
		table->needs_settings |= column->kind == SYNC_REGISTER && depends_on_settings(column->type);
		table->by_id[i] = column;
	}
	qsort(table->by_id, table->column_count, sizeof(SyncColumn *), compare_ids);
	for (int i = 1; i < table->column_count; i++)
	{
		const SyncColumn *a = table->by_id[i - 1];
		const SyncColumn *b = table->by_id[i];

		if (a->id == b->id)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("columns \"%s\" and \"%s\" of table \"%s\" cannot be told apart in clocks",
							a->attname, b->attname, RelationGetRelationName(rel)),
					 errdetail("They are published as \"%s\" and \"%s\".", a->name, b->name),
					 errhint("Rename the one that was added last.")));
	}

	if (table->clock == InvalidAttrNumber ||
		getExtensionOfObject(TypeRelationId, clock_type) != get_extension_oid("vecmark", true))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("tracked table \"%s\" has lost its column \"%s\"", RelationGetRelationName(rel), SYNC_CLOCK_COLUMN),
				 errhint("SELECT vecmark.mend('%s') makes it again; what peers hold they tell once more.",
						 table->qualified)));

	indexes = RelationGetIndexList(rel);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisprimary)
		{
			table->key_index = RelationGetRelid(index);
			table->key_count = index->rd_index->indnkeyatts;
			table->key = palloc(sizeof(int) * table->key_count);
			for (int i = 0; i < table->key_count; i++)
			{
				table->key[i] = -1;
				for (int j = 0; j < table->column_count; j++)
					if (table->columns[j].attnum == index->rd_index->indkey.values[i])
						table->key[i] = j;
			}
		}
		index_close(index, AccessShareLock);
	}
	for (int i = 0; i < table->key_count; i++)
		if (table->key[i] < 0)
			table->key_count = 0;
	if (table->key_count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tracked table \"%s\" has lost its primary key", RelationGetRelationName(rel)),
				 errhint("Restore it, or SELECT vecmark.untrack('%s').", table->qualified)));
	for (int i = 0; i < table->key_count; i++)
	{
		SyncColumn *column = &table->columns[table->key[i]];

		column->is_key = true;
		check_type(table, column);
	}
	for (int i = 0; i < table->column_count; i++)
	{
		SyncColumn *column = &table->columns[i];

		if (!column->is_recorded || (!column->is_key && column->kind != SYNC_SET))
			column->form = column->type_form;
	}
	table->names = sync_names_of_table(table);
}

/* The record of a tracked table in sync_table; false if there is none. */
static bool
find_record(Oid root, Datum *record)
{
	Relation	rel = sync_meta_open(META_TABLE, AccessShareLock);
	Datum		key = ObjectIdGetDatum(root);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	tuple = sync_meta_next(scan);
	bool		found = HeapTupleIsValid(tuple);
	bool		nulls[SYNC_TABLE_COLUMNS];

	if (found)
		heap_deform_tuple(heap_copytuple(tuple), RelationGetDescr(rel), record, nulls);
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* The published name of a tracked table, also of one that was dropped; or NULL. */
char *
sync_name_on_record(Oid root)
{
	Datum		record[SYNC_TABLE_COLUMNS];

	return find_record(root, record) ? TextDatumGetCString(record[SYNC_TABLE_NAME]) : NULL;
}

static bool
is_there(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid));
}

/*
 * What backends know of a tracked table has changed, unless it was dropped: an invalidation
 * of what is not there is an error.
 */
void
sync_table_changed(Oid relid)
{
	if (is_there(relid) || VM_FAULT("dropped-tables"))
		CacheInvalidateRelcacheByRelid(relid);
}

/* The tracked table that a relation is, or is a partition of; else InvalidOid. */
static Oid
find_root(Oid relid, Datum *record)
{
	ListCell   *cell;

	if (!is_there(relid))
		return InvalidOid;
	if (find_record(relid, record))
		return relid;
	if (!get_rel_relispartition(relid))
		return InvalidOid;
	foreach(cell, get_partition_ancestors(relid))
	{
		if (find_record(lfirst_oid(cell), record))
			return lfirst_oid(cell);
	}
	return InvalidOid;
}

/*
 * What is known of a tracked table or a partition of one; NULL if it is none.  Valid
 * until the end of the call of a trigger or a function, though the table be altered
 * meanwhile.
 */
SyncTable  *
sync_table_find(Oid relid)
{
	TableEntry *entry;
	Datum		record[SYNC_TABLE_COLUMNS];
	Oid			root;
	bool		found;
	SyncTable  *table;
	MemoryContext context;
	MemoryContext old;
	Relation	rel;

	if (tables == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(TableEntry)};

		tables = hash_create("tracked tables", 16, &control, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(at_invalidation, (Datum) 0);
		RegisterXactCallback(at_xact, NULL);
	}
	entry = hash_search(tables, &relid, HASH_FIND, NULL);
	if (entry != NULL && entry->table != NULL && !entry->table->stale)
		return entry->table;

	root = find_root(relid, record);
	if (!OidIsValid(root))
		return NULL;
	context = AllocSetContextCreate(CacheMemoryContext, "tracked table", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	table = palloc0(sizeof(SyncTable));
	table->relid = relid;
	table->root = root;
	table->context = context;
	rel = table_open(relid, AccessShareLock);
	PG_TRY();
	{
		read_table(table, rel, record);
	}
	PG_CATCH();
	{
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	table_close(rel, NoLock);
	MemoryContextSwitchTo(old);

	entry = hash_search(tables, &relid, HASH_ENTER, &found);
	if (found && entry->table != NULL)
		retire(entry->table);
	entry->table = table;
	return table;
}

/*
 * What is known of a tracked table.
 *
 * Errors: 55000 if it is none.
 */
SyncTable  *
sync_table_get(Oid relid)
{
	SyncTable  *table = sync_table_find(relid);

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not tracked", get_rel_name(relid)),
				 errhint("SELECT vecmark.track('%s') makes it replicated state.", get_rel_name(relid))));
	return table;
}

/* A column by its published name, or NULL. */
const SyncColumn *
sync_table_column(const SyncTable *table, const char *name)
{
	for (int i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	return NULL;
}

/* The tracked table of a published name, or InvalidOid. */
Oid
sync_table_by_name(const char *name)
{
	Relation	rel = sync_meta_open(META_TABLE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	Oid			found = InvalidOid;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_TABLE_COLUMNS];
		bool		nulls[SYNC_TABLE_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (strcmp(TextDatumGetCString(values[SYNC_TABLE_NAME]), name) == 0 &&
			is_there(DatumGetObjectId(values[SYNC_TABLE_REL])))
			found = DatumGetObjectId(values[SYNC_TABLE_REL]);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * The OIDs of all tracked tables that a snapshot shows.  One that was dropped stays on record
 * for a while, and is none.
 */
List *
sync_table_list(Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_TABLE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	List	   *list = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(heap_getattr(tuple, SYNC_TABLE_REL + 1, RelationGetDescr(rel), &isnull));

		if (is_there(relid))
			list = lappend_oid(list, relid);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return list;
}

/* Whether a published column was on record and is no longer in the table. */
bool
sync_column_was_dropped(const SyncTable *table, const char *name)
{
	Relation	rel = sync_meta_open(META_COLUMN, AccessShareLock);
	Datum		key = ObjectIdGetDatum(table->root);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	bool		found = false;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		Datum		published = heap_getattr(tuple, 4, RelationGetDescr(rel), &isnull);

		found |= strcmp(TextDatumGetCString(published), name) == 0;
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* What the log of one table or another does not have any more. */
Version    *
sync_floors(void)
{
	return sync_meta_union(META_TABLE, SYNC_TABLE_FLOOR, NULL);
}

static void
raise_floors(int count, const Datum *key, const Version *version)
{
	Relation	rel = sync_meta_open(META_TABLE, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, count, key);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_TABLE_COLUMNS];
		bool		nulls[SYNC_TABLE_COLUMNS];
		Version    *floor;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		floor = sync_version_from_datum(values[SYNC_TABLE_FLOOR]);
		if (version_dominates(floor, version))
			continue;
		values[SYNC_TABLE_FLOOR] = sync_version_datum(version_union(floor, version));
		sync_meta_update(rel, tuple, values, nulls);
		sync_table_changed(DatumGetObjectId(values[SYNC_TABLE_REL]));
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Who does not hold a version has to read tables whole from now on. */
void
sync_raise_floors(const Version *version)
{
	raise_floors(0, NULL, version);
}

/* The same for one table. */
void
sync_raise_floor(Oid root, const Version *version)
{
	Datum		key = ObjectIdGetDatum(root);

	raise_floors(1, &key, version);
}
