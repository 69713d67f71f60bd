/*
 * sync_dump.c: the extension's state, line by line into a dump and back.
 *
 * A dump has the lines of vecmark_internal.dumped_lines(); restoring inserts them into an empty table whose
 * trigger puts them where they belong.  What lines are seen, and what they may say, depends on
 * who dumps and who restores: see "Dumps" in README.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "sync/sync_upkeep.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_dumped_lines);
VM_FUNCTION_INFO(vecmark_restore_line);

/* Of whom the lines of a table speak. */
typedef enum RestoreKind
{
	RESTORE_CLAIM,				/* of the database; not for one with a life of
								 * its own */
	RESTORE_STATE,				/* of the database */
	RESTORE_TABLE,				/* of the table in the column "rel" */
} RestoreKind;

/* Whose to see they are. */
typedef enum DumpKind
{
	DUMP_ALL,					/* everybody's */
	DUMP_REL,					/* who may read the table in the column "rel" */
	DUMP_NAME,					/* who may read the table of the name in the
								 * column "name" */
	DUMP_ADMINISTER,			/* who owns the database or the extension */
} DumpKind;

typedef struct RestorePart
{
	const char *name;
	SyncMeta	meta;
	RestoreKind kind;
	int			key_count;		/* columns that are no two lines' */
	DumpKind	seen;
	AttrNumber	seen_by;		/* the column that says so */
} RestorePart;

static const RestorePart parts[] = {
	{"sync_site", META_SITE, RESTORE_CLAIM, 1, DUMP_ALL, 0},
	{"sync_version", META_VERSION, RESTORE_CLAIM, 1, DUMP_ALL, 0},
	{"sync_peer", META_PEER, RESTORE_CLAIM, 1, DUMP_ALL, 0},
	{"sync_stream", META_STREAM, RESTORE_CLAIM, 1, DUMP_ALL, 0},
	{"sync_batch", META_BATCH, RESTORE_CLAIM, 1, DUMP_ALL, 0},
	{"sync_lack", META_LACK, RESTORE_CLAIM, 1, DUMP_ALL, 0},
	{"peer_link", META_LINK, RESTORE_STATE, 1, DUMP_ALL, 0},
	{"sync_parked", META_PARKED, RESTORE_STATE, 2, DUMP_NAME, 1},
	{"sync_conflict", META_CONFLICT, RESTORE_STATE, 0, DUMP_NAME, 2},
	{"sync_quarantine", META_QUARANTINE, RESTORE_STATE, 1, DUMP_ADMINISTER, 0},
	{"sync_outbox", META_OUTBOX, RESTORE_STATE, 1, DUMP_ALL, 1},
	{"sync_table", META_TABLE, RESTORE_TABLE, 1, DUMP_ALL, 1},
	{"sync_column", META_COLUMN, RESTORE_TABLE, 2, DUMP_ALL, 1},
	{"sync_tombstone", META_TOMBSTONE, RESTORE_TABLE, 2, DUMP_REL, 1},
	{"sync_pack", META_PACK, RESTORE_TABLE, 3, DUMP_REL, 1},
	{"merkle_digest", META_DIGEST, RESTORE_TABLE, 1, DUMP_ALL, 1},
	{"merkle_leaf", META_LEAF, RESTORE_TABLE, 0, DUMP_REL, 1},
};

/* Errors: 22023 for a table that is not dumped. */
static const RestorePart *
find_part(const char *name)
{
	for (size_t i = 0; i < lengthof(parts); i++)
		if (strcmp(parts[i].name, name) == 0)
			return &parts[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is nothing to restore as \"%s\"", name)));
}

/* Whether the caller may see a row of a table of ours in a dump. */
static bool
is_seen(const RestorePart *part, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Oid			root = InvalidOid;

	if (part->seen == DUMP_ADMINISTER)
		return sync_may_administer(GetUserId());
	if (part->seen_by == 0)
		return true;
	if (part->seen == DUMP_NAME)
	{
		root = sync_table_by_name(TextDatumGetCString(heap_getattr(tuple, part->seen_by, desc, &isnull)));
		if (!OidIsValid(root))
			return sync_may_administer(GetUserId());
	}
	else
		root = DatumGetObjectId(heap_getattr(tuple, part->seen_by, desc, &isnull));

	/* A table that was dropped is on record until somebody tidies up. */
	return get_rel_name(root) != NULL && (part->seen == DUMP_ALL || sync_may_see(root));
}

/*
 * SQL: vecmark_internal.dumped_lines() -> setof (part text, line json): the rows of our tables that the
 * caller may see, and the active snapshot shows.
 */
Datum
vecmark_dumped_lines(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "line of a dump", ALLOCSET_DEFAULT_SIZES);

	InitMaterializedSRF(fcinfo, 0);
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		Relation	rel = sync_meta_open(parts[i].meta, AccessShareLock);
		SyncScan   *scan = sync_meta_scan(rel, GetActiveSnapshot(), 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			CHECK_FOR_INTERRUPTS();
			if (is_seen(&parts[i], tuple, RelationGetDescr(rel)))
			{
				Datum		line[2] = {CStringGetTextDatum(parts[i].name)};
				bool		nulls[2] = {false, false};

				line[1] = OidFunctionCall1(F_ROW_TO_JSON_RECORD, heap_copy_tuple_as_datum(tuple, RelationGetDescr(rel)));
				tuplestore_putvalues(result->setResult, result->setDesc, line, nulls);
			}
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		sync_meta_end(scan);
		table_close(rel, AccessShareLock);
	}
	return (Datum) 0;
}

/*
 * Whether the table that a line names is here.  Within SPI.
 */
static bool
table_is_here(Datum line)
{
	Oid			type = JSONOID;
	bool		isnull;

	if (SPI_execute_with_args("SELECT pg_catalog.to_regclass($1 OPERATOR(pg_catalog.->>) 'rel') IS NOT NULL", 1, &type, &line, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "cannot read a line of a dump");
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * The columns of a line, as a table of ours has them.  Within SPI.
 *
 * Errors: what input functions raise; 23502.
 */
static void
read_line(Relation rel, Datum line, Datum *values, bool *nulls)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Oid			type = JSONOID;
	char	   *sql = psprintf("SELECT * FROM pg_catalog.json_populate_record(NULL::%s, $1)",
							   quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel)));

	if (SPI_execute_with_args(sql, 1, &type, &line, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "cannot read a line of a dump");
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
		if (nulls[i] && TupleDescAttr(desc, i)->attnotnull)
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("a line of \"%s\" has no \"%s\"", RelationGetRelationName(rel), NameStr(TupleDescAttr(desc, i)->attname))));
}

static bool
is_there(Relation rel, int key_count, const Datum *values)
{
	SyncScan   *scan;
	bool		found;

	if (key_count == 0)
		return false;
	scan = sync_meta_scan(rel, NULL, key_count, values);
	found = HeapTupleIsValid(sync_meta_next(scan));
	sync_meta_end(scan);
	return found;
}

/*
 * Whether a line of a table is the caller's to restore: of his table, under a name that he may
 * publish it as.  The line that puts a table on record comes before all others of it.
 */
static bool
is_restorable(const RestorePart *part, const Datum *values)
{
	Oid			root = DatumGetObjectId(values[0]);
	char	   *name;

	if (!vm_owns_table(root, GetUserId()))
		return false;
	if (part->meta != META_TABLE || sync_name_on_record(root) != NULL)
		return sync_name_on_record(root) != NULL;
	name = TextDatumGetCString(values[SYNC_TABLE_NAME]);
	return !OidIsValid(sync_table_by_name(name)) && sync_may_publish(root, name);
}

/*
 * A table comes without what its database claimed to hold: the log has nothing of its rows, so
 * that everybody is to read it whole.
 */
static void
raise_floor(Datum *values)
{
	Version    *floor = sync_version_from_datum(values[SYNC_TABLE_FLOOR]);

	values[SYNC_TABLE_FLOOR] = sync_version_datum(version_union(floor, version_of_dot(sync_writer_site(), sync_writer_txn())));
}

/* Tell, once in a transaction, that something is not the caller's to restore. */
static void
leave_out(void)
{
	static LocalTransactionId told_in;

	if (told_in == vm_local_xid())
		return;
	told_in = vm_local_xid();
	ereport(NOTICE,
			(errmsg("what a dump has of replication that is not for role \"%s\" is left out", GetUserNameFromId(GetUserId(), false)),
			 errdetail("Tables are put on record by their owners; the rest by who owns the database or extension \"vecmark\".")));
}

/*
 * SQL: vecmark_internal.restore_line(), trigger BEFORE INSERT FOR EACH ROW of vecmark_internal.sync_dump.  Puts
 * the line where it belongs, and nothing into that table.  What is there already stays.  Left out
 * are lines of tables that are not here, or not the caller's to publish, and for who owns neither the
 * database nor the extension what is of no table.  A database that has a life of its own takes what tables
 * have, but none of what the one that was dumped claimed to hold.
 *
 * Errors: what the line has wrong.
 */
Datum
vecmark_restore_line(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const RestorePart *part;
	Relation	rel;
	Datum	   *values;
	bool	   *nulls;
	Datum		line;
	bool		has_life;
	bool		may_claim;
	bool		isnull[2];

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for triggers BEFORE INSERT of the table that dumps are restored into", "vecmark_internal.restore_line")));
	part = find_part(TextDatumGetCString(heap_getattr(trigger->tg_trigtuple, 1, RelationGetDescr(trigger->tg_relation), &isnull[0])));
	line = heap_getattr(trigger->tg_trigtuple, 2, RelationGetDescr(trigger->tg_relation), &isnull[1]);
	may_claim = sync_may_administer(GetUserId());
	if (part->kind != RESTORE_TABLE && !may_claim)
	{
		leave_out();
		return PointerGetDatum(NULL);
	}
	SPI_connect();
	if ((part->kind == RESTORE_TABLE || part->meta == META_OUTBOX) && !table_is_here(line))
	{
		SPI_finish();
		return PointerGetDatum(NULL);
	}
	rel = sync_meta_open(part->meta, RowExclusiveLock);
	values = palloc(sizeof(Datum) * RelationGetDescr(rel)->natts);
	nulls = palloc(sizeof(bool) * RelationGetDescr(rel)->natts);
	read_line(rel, line, values, nulls);
	has_life = sync_has_life();
	if (part->kind == RESTORE_TABLE && !is_restorable(part, values))
		leave_out();
	else if (part->kind == RESTORE_CLAIM && has_life)
	{
		Version		nothing = {0, NULL};

		/* Births are to be of longer lives than what was forgotten there. */
		if (part->meta == META_SITE)
			sync_add_forgotten(&nothing, (uint64_t) DatumGetInt64(values[SYNC_SITE_LIVES]));
	}
	else if (!is_there(rel, part->key_count, values))
	{
		if (part->meta == META_TABLE && (has_life || !may_claim))
			raise_floor(values);
		if (part->meta == META_TABLE)
			CacheInvalidateRelcacheByRelid(DatumGetObjectId(values[SYNC_TABLE_REL]));
		else if (part->meta == META_SITE)
			CacheInvalidateRelcache(rel);
		sync_meta_insert(rel, values, nulls);
	}
	table_close(rel, RowExclusiveLock);
	SPI_finish();
	CommandCounterIncrement();
	return PointerGetDatum(NULL);
}
