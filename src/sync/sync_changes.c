/*
 * sync_changes.c: what is here that another does not have.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync.h"
#include "sync/varint.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_changes);
VM_FUNCTION_INFO(vecmark_has_changes);

#define ROWS_A_FETCH 1000

/* Parts are no larger than this, whatever is asked for. */
#define PART_MAX (DELTA_MAX_SIZE / 4)

typedef struct KeyEntry
{
	Oid			root;
	Image		key;
} KeyEntry;

typedef struct Changes
{
	Version    *since;
	Version    *to;				/* what is here */
	bool		some;			/* tables only */
	Version    *forgotten;		/* unless the receiver knows; or NULL */
	uint64_t	lives;
	Snapshot	snapshot;
	Site		site;
	bool		repair;			/* states are told whole, and claim nothing */
	size_t		max_bytes;
	ReturnSetInfo *result;
	SyncBuilder *builder;
	uint64_t	batch;			/* 0 while there is one part */
	uint64_t	part;
	MemoryContext part_context; /* what the builder holds */
	MemoryContext row_context;
} Changes;

static void
begin_changes(Changes *changes, FunctionCallInfo fcinfo, Snapshot snapshot, int max_bytes)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	changes->result = (ReturnSetInfo *) fcinfo->resultinfo;
	changes->snapshot = snapshot;
	changes->max_bytes = Min((size_t) Max(max_bytes, 1), PART_MAX);
	changes->site = sync_reader_site();
	changes->part_context = AllocSetContextCreate(CurrentMemoryContext, "part of changes", ALLOCSET_DEFAULT_SIZES);
	changes->row_context = AllocSetContextCreate(CurrentMemoryContext, "row of changes", ALLOCSET_DEFAULT_SIZES);
}

static void
begin_part(Changes *changes)
{
	MemoryContext old;

	MemoryContextReset(changes->part_context);
	old = MemoryContextSwitchTo(changes->part_context);
	changes->builder = sync_builder_begin(changes->site);
	MemoryContextSwitchTo(old);
	changes->part++;
}

static void
end_part(Changes *changes, bool last)
{
	MemoryContext old = MemoryContextSwitchTo(changes->part_context);
	Delta	   *delta = sync_builder_end(changes->builder);
	Datum		value;
	bool		isnull = false;

	if (!last && changes->batch == 0 && !changes->repair)
	{
		if (!pg_strong_random(&changes->batch, sizeof(changes->batch)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random number")));
		changes->batch |= 1;
	}
	delta->to = changes->to;
	delta->some = changes->some;
	if (!changes->some)
	{
		delta->base = changes->since;
		delta->forgotten = changes->forgotten;
	}
	delta->repair = changes->repair;
	delta->lives = changes->lives;
	delta->batch = changes->batch;
	delta->part = changes->batch == 0 ? 0 : changes->part;
	delta->last = last;
	value = sync_delta_datum(delta);
	tuplestore_putvalues(changes->result->setResult, changes->result->setDesc, &value, &isnull);
	MemoryContextSwitchTo(old);
}

/*
 * Add what is new of a state to the part.  One that is full is ended before, so the last
 * one is never empty.
 */
static void
add_state(Changes *changes, const char *name, const SyncNames *names, Image key, const RowState *state)
{
	RowState   *rest = state == NULL ? NULL : sync_row_without(state, changes->since);

	if (rest == NULL)
		return;
	if (changes->builder->size > changes->max_bytes)
	{
		end_part(changes, false);
		begin_part(changes);
	}
	sync_builder_add(changes->builder, name, names, key, rest);
}

/* The state of a key: of its row, if "clock" is not NULL, of its tombstone, and parked. */
static void
add_key(Changes *changes, SyncTable *table, Image key, const RowState *clock, const Datum *values, const bool *nulls)
{
	SyncNames  *names = table->names;
	SyncNames  *parked_names;
	RowState   *parked = sync_parked(table->name, key, changes->snapshot, &parked_names);
	RowState   *state = clock != NULL ? sync_row_state(table, clock, values, nulls, true) :
	sync_tombstone(table->root, key, changes->snapshot);

	if (parked != NULL)
	{
		names = sync_names_union(names, parked_names);
		state = state != NULL ? row_join(state, parked) : parked;
	}
	add_state(changes, table->name, names, key, state);
}

/* Every row, tombstone and parked state of a table. */
static void
add_table(Changes *changes, SyncTable *table)
{
	SPIPlanPtr	plan = sync_plan(table, sync_select(table), 0, NULL);
	Portal		portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	Relation	rel;
	SyncScan   *scan;
	HeapTuple	tuple;
	Datum		root = ObjectIdGetDatum(table->root);

	for (;;)
	{
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(changes->row_context);
			RowState   *clock;

			sync_take_row(table, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls, &clock);
			add_key(changes, table, sync_key_image(table, values), clock, values, nulls);
			MemoryContextSwitchTo(old);
			MemoryContextReset(changes->row_context);
			CHECK_FOR_INTERRUPTS();
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);

	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	scan = sync_meta_scan(rel, changes->snapshot, 1, &root);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(changes->row_context);
		bool		isnull;
		Image		key = sync_image_of_bytea(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		RowState   *clock;

		/* A row that was inserted again has been told. */
		sync_key_values(table, key, values, nulls);
		if (!sync_read_row(table, false, values, nulls, &clock))
			add_key(changes, table, key, NULL, NULL, NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(changes->row_context);
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Parked states whose key has nothing else here: of tables that are not tracked, and
 * where "whole", of a table that is read whole.
 */
static void
add_parked(Changes *changes, List * whole)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, changes->snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(changes->row_context);
		bool		isnull;
		char	   *name = TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
		Image		key = sync_image_of_bytea(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		Oid			root = sync_table_by_name(name);
		bool		is_told = OidIsValid(root) && !list_member_oid(whole, root);

		if (OidIsValid(root) && !is_told)
		{
			SyncTable  *table = sync_table_get(root);
			Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
			bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
			RowState   *clock;

			sync_key_values(table, key, values, nulls);
			is_told = sync_read_row(table, false, values, nulls, &clock) ||
				sync_tombstone(root, key, changes->snapshot) != NULL;
		}
		if (!is_told)
		{
			SyncNames  *names;
			RowState   *state = sync_parked(name, key, changes->snapshot, &names);

			add_state(changes, name, names, key, state);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(changes->row_context);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

static int
compare_entries(const void *a, const void *b)
{
	const KeyEntry *x = a;
	const KeyEntry *y = b;
	int			order;

	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	order = memcmp(x->key.data, y->key.data, Min(x->key.size, y->key.size));
	return order != 0 ? order : x->key.size < y->key.size ? -1 : x->key.size > y->key.size;
}

/*
 * Reads the log of dots that "since" has not.  Of all that the log has, whether this
 * database's version has it or not: a part of a batch may have brought a later write of a key
 * whose earlier one the version has.
 */
typedef struct LogScan
{
	Relation	log;
	const Version *since;
	Snapshot	snapshot;
	Site		site;
	SyncScan   *scan;			/* of the site, or NULL */
} LogScan;

static LogScan
begin_log(const Version *since, Snapshot snapshot)
{
	LogScan		scan = {sync_meta_open(META_LOG, AccessShareLock), since, snapshot, (Site) PG_INT64_MIN, NULL};

	return scan;
}

static void
end_log(LogScan *scan)
{
	if (scan->scan != NULL)
		sync_meta_end(scan->scan);
	table_close(scan->log, AccessShareLock);
}

static void
begin_site(LogScan *scan)
{
	const SiteTxns *covered = version_find(scan->since, scan->site);
	uint64_t	from = covered != NULL && covered->ranges[0].from == 0 ? covered->ranges[0].to : 0;

	scan->scan = sync_meta_scan_from(scan->log, scan->snapshot, Int64GetDatum((int64) scan->site), Int64GetDatum((int64) from));
}

/* The next row, into "values"; false at the end. */
static bool
next_logged(LogScan *scan, Datum *values)
{
	HeapTuple	tuple;
	bool		nulls[4];

	while (scan->scan != NULL || sync_meta_next_site(scan->log, scan->snapshot, &scan->site))
	{
		if (scan->scan == NULL)
			begin_site(scan);
		while (HeapTupleIsValid(tuple = sync_meta_next(scan->scan)))
		{
			CHECK_FOR_INTERRUPTS();
			heap_deform_tuple(tuple, RelationGetDescr(scan->log), values, nulls);
			if (!version_covers(scan->since, scan->site, (uint64_t) DatumGetInt64(values[1])))
				return true;
		}
		sync_meta_end(scan->scan);
		scan->scan = NULL;
	}
	return false;
}

/* Keys in the log of dots that "since" has not, each once, by table and key. */
static KeyEntry *
logged_keys(const Version *since, Snapshot snapshot, int *count)
{
	LogScan		scan = begin_log(since, snapshot);
	int			room = 256;
	KeyEntry   *entries = palloc(sizeof(KeyEntry) * room);
	int			kept = 0;
	Datum		values[4];

	*count = 0;
	while (next_logged(&scan, values))
	{
		Image		keys = sync_image_of_bytea(PointerGetDatum(PG_DETOAST_DATUM_COPY(values[3])));
		Image		key;
		Reader		reader = {(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL};

		while (sync_log_next(&reader, &key))
		{
			if (*count == room)
				entries = repalloc_huge(entries, sizeof(KeyEntry) * (room *= 2));
			entries[(*count)++] = (KeyEntry)
			{
				DatumGetObjectId(values[2]), key
			};
		}
	}
	end_log(&scan);
	qsort(entries, *count, sizeof(KeyEntry), compare_entries);
	for (int i = 0; i < *count; i++)
		if (kept == 0 || compare_entries(&entries[kept - 1], &entries[i]) != 0)
			entries[kept++] = entries[i];
	*count = kept;
	return entries;
}

static void
add_logged(Changes *changes, SyncTable *table, const KeyEntry *entries, int count)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));

	for (int i = 0; i < count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(changes->row_context);
		RowState   *clock;
		bool		found;

		if (entries[i].root != table->root)
		{
			MemoryContextSwitchTo(old);
			continue;
		}
		sync_key_values(table, entries[i].key, values, nulls);
		found = sync_read_row(table, false, values, nulls, &clock);
		add_key(changes, table, entries[i].key, found ? clock : NULL, values, nulls);
		if (SPI_tuptable != NULL)
			SPI_freetuptable(SPI_tuptable);
		MemoryContextSwitchTo(old);
		MemoryContextReset(changes->row_context);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Errors: 42501 for who does not see all columns and rows of a table. */
void
sync_refuse_hidden(Oid root)
{
	if (pg_class_aclcheck(root, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(root, GetUserId(), ACL_SELECT, ACLMASK_ALL) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(root));
	if (check_enable_rls(root, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row-level security hides rows of table \"%s\" from role \"%s\"",
						get_rel_name(root), GetUserNameFromId(GetUserId(), false)),
				 errdetail("A part of a table cannot be told from the whole by who receives it."),
				 errhint("Call this as a role that sees all rows.")));
}

struct SyncTeller
{
	Changes		changes;
	int			level;			/* of settings */
};

/*
 * Begin to tell states whole, for who compares them with his own, as a set-returning function.
 * Canonical settings are in force until it ends.
 */
SyncTeller *
sync_begin_telling(FunctionCallInfo fcinfo, Snapshot snapshot, int max_bytes)
{
	SyncTeller *teller = palloc0(sizeof(SyncTeller));
	Changes    *changes = &teller->changes;

	begin_changes(changes, fcinfo, snapshot, max_bytes);
	changes->since = palloc0(sizeof(Version));
	changes->to = sync_version(snapshot);
	changes->some = changes->repair = true;
	(void) sync_forgotten(snapshot, &changes->lives);
	teller->level = sync_begin_images();
	begin_part(changes);
	return teller;
}

/* Tell the state of a key: of its row, or if "clock" is NULL of its tombstone; and parked. */
void
sync_tell(SyncTeller *teller, SyncTable *table, Image key, const RowState *clock, const Datum *values, const bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(teller->changes.row_context);

	add_key(&teller->changes, table, key, clock, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(teller->changes.row_context);
}

/* The last delta, unless nothing was told. */
void
sync_end_telling(SyncTeller *teller)
{
	if (teller->changes.builder->delta.relation_count > 0)
		end_part(&teller->changes, true);
	sync_end_images(teller->level);
}

/*
 * The tables that an argument names; all if it is null.
 *
 * Errors: 55000 for one that is not tracked.
 */
static List *
get_tables(FunctionCallInfo fcinfo, int argument, Snapshot snapshot)
{
	List	   *tables = NIL;
	Datum	   *rels;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(argument))
		return sync_table_list(snapshot);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &rels, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			tables = list_append_unique_oid(tables, sync_table_get(DatumGetObjectId(rels[i]))->root);
	return tables;
}

/*
 * SQL: vecmark.has_changes(since version_vector, rels regclass[]) -> boolean: whether some
 * tables have what who holds "since" lacks, as far as is on record.
 */
Datum
vecmark_has_changes(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot;
	Version    *since;
	List	   *tables;
	ListCell   *cell;
	LogScan		scan;
	Datum		values[4];
	bool		found = false;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	snapshot = sync_push_outside_snapshot();
	since = sync_version_from_datum(PG_GETARG_DATUM(0));
	tables = get_tables(fcinfo, 1, snapshot);
	foreach(cell, tables)
	{
		if (get_rel_name(lfirst_oid(cell)) == NULL)
			continue;
		sync_refuse_hidden(lfirst_oid(cell));
		found |= !version_dominates(since, sync_table_get(lfirst_oid(cell))->floor);
	}
	scan = begin_log(since, snapshot);
	while (!found && next_logged(&scan, values))
		found = list_member_oid(tables, DatumGetObjectId(values[2]));
	end_log(&scan);
	PopActiveSnapshot();
	sync_flush_wal();
	PG_RETURN_BOOL(found);
}

/*
 * SQL: vecmark.changes(since version_vector, rels regclass[], max_bytes integer) ->
 * setof delta.
 */
Datum
vecmark_changes(PG_FUNCTION_ARGS)
{
	Changes		changes = {0};
	List	   *tables;
	List	   *whole = NIL;
	ListCell   *cell;
	KeyEntry   *entries = NULL;
	int			entry_count = 0;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the version and the size may not be null")));
	begin_changes(&changes, fcinfo, sync_push_outside_snapshot(), PG_GETARG_INT32(2));
	changes.since = sync_version_from_datum(PG_GETARG_DATUM(0));
	sync_refuse_unknown_dots(changes.site, changes.since);
	sync_refuse_late(changes.since, changes.snapshot);
	changes.to = sync_version(changes.snapshot);
	changes.forgotten = sync_forgotten(changes.snapshot, &changes.lives);
	if (version_dominates(changes.since, changes.forgotten))
		changes.forgotten = NULL;
	changes.some = !PG_ARGISNULL(1);
	tables = get_tables(fcinfo, 1, changes.snapshot);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	level = sync_begin_images();
	begin_part(&changes);
	entries = logged_keys(changes.since, changes.snapshot, &entry_count);
	foreach(cell, tables)
	{
		SyncTable  *table;

		/* A table that was dropped has nothing to tell. */
		if (get_rel_name(lfirst_oid(cell)) == NULL)
			continue;
		table = sync_table_get(lfirst_oid(cell));
		sync_refuse_hidden(table->root);
		if (version_dominates(changes.since, table->floor))
			add_logged(&changes, table, entries, entry_count);
		else
		{
			whole = lappend_oid(whole, table->root);
			add_table(&changes, table);
		}
	}
	if (!changes.some)
		add_parked(&changes, whole);
	if (changes.builder->delta.relation_count > 0 || changes.part > 1 ||
		(!changes.some && !version_dominates(changes.since, changes.to)))
		end_part(&changes, true);
	sync_end_images(level);
	SPI_finish();
	PopActiveSnapshot();
	sync_flush_wal();
	return (Datum) 0;
}
