/*
 * sync_changes.c: what is here that another does not have.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_peer.h"
#include "sync/sync_site.h"
#include "sync/sync_table.h"
#include "sync/sync_tell.h"
#include "sync/sync_types.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_changes);
VM_FUNCTION_INFO(vecmark_has_changes);
VM_FUNCTION_INFO(vecmark_claims);

typedef struct KeyEntry
{
	Oid			root;
	Image		key;
} KeyEntry;

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
	bool		in_site;
	SyncLogScan of_site;
} LogScan;

static LogScan
begin_log(const Version *since, Snapshot snapshot)
{
	LogScan		scan = {.since = since,.snapshot = snapshot,.site = (Site) PG_INT64_MIN};

	scan.log = sync_meta_open(META_LOG, AccessShareLock);
	return scan;
}

static void
end_log(LogScan *scan)
{
	if (scan->in_site)
		sync_log_end(&scan->of_site);
	table_close(scan->log, AccessShareLock);
}

/* The next row, into "values"; false at the end. */
static bool
next_logged(LogScan *scan, Datum *values)
{
	while (scan->in_site || sync_meta_next_site(scan->log, scan->snapshot, &scan->site))
	{
		if (!scan->in_site)
			sync_log_begin(&scan->of_site, scan->log, scan->snapshot, scan->site, version_find(scan->since, scan->site));
		scan->in_site = sync_log_read(&scan->of_site, values);
		if (scan->in_site)
			return true;
		sync_log_end(&scan->of_site);
	}
	return false;
}

/*
 * Keys of some tables in the log of dots that "since" has not, each once, by table and key.
 */
static KeyEntry *
logged_keys(const Version *since, List *tables, Snapshot snapshot, int *count)
{
	LogScan		scan;
	int			room = 256;
	KeyEntry   *entries = palloc(sizeof(KeyEntry) * room);
	int			kept = 0;
	Datum		values[4];

	*count = 0;
	if (tables == NIL)
		return entries;
	scan = begin_log(since, snapshot);
	while (next_logged(&scan, values))
	{
		Oid			root = DatumGetObjectId(values[2]);
		Image		keys;
		Image		key;
		Reader		reader;

		if (!list_member_oid(tables, root))
			continue;
		keys = sync_image_of_bytea(PointerGetDatum(PG_DETOAST_DATUM_COPY(values[3])));
		reader = (Reader)
		{
			(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL
		};
		while (sync_next_key(&reader, &key))
		{
			if (*count == room)
				entries = repalloc_huge(entries, sizeof(KeyEntry) * (room *= 2));
			entries[(*count)++] = (KeyEntry)
			{
				root, key
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
add_logged(SyncTeller *teller, SyncTable *table, const KeyEntry *entries, int count)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));

	for (int i = 0; i < count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(teller->row_context);
		RowState   *clock;
		bool		found;

		if (entries[i].root != table->root)
		{
			MemoryContextSwitchTo(old);
			continue;
		}
		found = sync_key_can_be(table, entries[i].key, values, nulls) && sync_read_row(table, false, values, nulls, &clock);
		sync_tell_key(teller, table, entries[i].key, found ? clock : NULL, values, nulls);
		if (SPI_tuptable != NULL)
			SPI_freetuptable(SPI_tuptable);
		MemoryContextSwitchTo(old);
		MemoryContextReset(teller->row_context);
		CHECK_FOR_INTERRUPTS();
	}
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
	Version    *questions;
	List	   *tables;
	List	   *seen = NIL;
	List	   *counted;
	ListCell   *cell;
	LogScan		scan;
	Datum		values[4];
	bool		found = false;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	snapshot = sync_push_outside_snapshot();
	since = sync_version_from_datum(PG_GETARG_DATUM(0));
	questions = sync_questions_from_datum(PG_GETARG_DATUM(0));
	tables = get_tables(fcinfo, 1, snapshot);
	counted = sync_counted_tables();
	found = PG_ARGISNULL(1) && questions->count > 0;
	foreach(cell, tables)
	{
		SyncTable  *table;

		if (PG_ARGISNULL(1) && sync_is_hidden_guest(lfirst_oid(cell), counted))
			continue;
		sync_refuse_hidden(lfirst_oid(cell));
		seen = lappend_oid(seen, lfirst_oid(cell));
		table = sync_table_get(lfirst_oid(cell));
		found |= !version_dominates(since, table->floor) || version_find(questions, sync_table_id(table->name)) != NULL;
	}
	scan = begin_log(since, snapshot);
	while (!found && next_logged(&scan, values))
		found = list_member_oid(seen, DatumGetObjectId(values[2]));
	end_log(&scan);
	PopActiveSnapshot();
	sync_flush_wal();
	PG_RETURN_BOOL(found);
}

/* The questions about a table. */
static Version *
version_of_table(const Version *questions, const char *name)
{
	TxnRange	all = {VERSION_QUESTION, UINT64_MAX};

	return version_intersect(questions, version_of_ranges(sync_table_id(name), &all, 1));
}

/*
 * SQL: vecmark.changes(since version_vector, rels regclass[], max_bytes integer) ->
 * setof delta.
 */
Datum
vecmark_changes(PG_FUNCTION_ARGS)
{
	SyncTeller	teller = {0};
	List	   *tables;
	List	   *logged = NIL;	/* tables whose log has all that is lacking */
	List	   *whole = NIL;	/* and those that are read instead */
	ListCell   *cell;
	List	   *counted = sync_counted_tables();
	Version    *questions;
	bool		may_exchange = sync_may_exchange();
	KeyEntry   *entries;
	int			entry_count;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the version and the size may not be null")));
	teller.snapshot = sync_push_outside_snapshot();
	teller.since = sync_version_from_datum(PG_GETARG_DATUM(0));
	sync_refuse_unknown_dots(sync_reader_site(), teller.since);
	sync_refuse_late(teller.since, teller.snapshot);
	teller.to = sync_version(teller.snapshot);
	teller.forgotten = sync_forgotten(teller.snapshot, &teller.lives);
	if (version_dominates(teller.since, teller.forgotten))
		teller.forgotten = NULL;
	teller.some = !PG_ARGISNULL(1);
	teller.untold = teller.since;
	questions = sync_questions_from_datum(PG_GETARG_DATUM(0));
	tables = get_tables(fcinfo, 1, teller.snapshot);
	if (!teller.some)
	{
		Version    *hidden = sync_hidden_dots(teller.since, may_exchange, teller.snapshot);

		if (hidden == NULL)
			teller.some = true;
		else
		{
			teller.to = version_minus(teller.to, hidden);
			teller.untold = version_union(teller.since, hidden);
		}
	}
	foreach(cell, tables)
	{
		/* A table of which something is hidden is not told whole. */
		if (!teller.some && sync_is_hidden_guest(lfirst_oid(cell), counted))
			questions = version_minus(questions, version_of_table(questions, sync_table_get(lfirst_oid(cell))->name));
	}
	if (!teller.some)
	{
		teller.questions = questions;
		teller.tables = sync_tell_tables(questions, teller.since, teller.snapshot, &teller.table_count);
	}

	sync_begin_telling(&teller, fcinfo, PG_GETARG_INT32(2));
	SPI_connect();
	foreach(cell, tables)
	{
		SyncTable  *table = sync_table_get(lfirst_oid(cell));

		if (PG_ARGISNULL(1) && sync_is_hidden_guest(lfirst_oid(cell), counted))
			continue;
		sync_refuse_hidden(table->root);
		if (!sync_begin_table(&teller, table->name) && version_dominates(teller.since, table->floor))
			logged = lappend_oid(logged, table->root);
		else
			whole = lappend_oid(whole, table->root);
	}
	entries = logged_keys(teller.since, logged, teller.snapshot, &entry_count);
	foreach(cell, tables)
	{
		if (list_member_oid(logged, lfirst_oid(cell)))
			add_logged(&teller, sync_table_get(lfirst_oid(cell)), entries, entry_count);
		else if (list_member_oid(whole, lfirst_oid(cell)))
		{
			sync_begin_table(&teller, sync_table_get(lfirst_oid(cell))->name);
			sync_tell_table(&teller, sync_table_get(lfirst_oid(cell)));
			teller.is_whole = false;
		}
	}
	if (!teller.some)
		sync_tell_parked(&teller, whole, may_exchange);
	SPI_finish();
	sync_end_telling(&teller, !teller.some && (teller.questions->count > 0 || !version_dominates(teller.since, teller.to)));
	PopActiveSnapshot();
	sync_flush_wal();
	return (Datum) 0;
}

/*
 * SQL: vecmark_internal.claims() -> delta: what is held and was forgotten here, without rows.  It is
 * merged in mode "rejoin" only.
 */
Datum
vecmark_claims(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = sync_push_outside_snapshot();
	Delta	   *delta = sync_builder_end(sync_builder_begin(sync_reader_site()));
	Datum		result;

	delta->to = sync_version(snapshot);
	delta->forgotten = sync_forgotten(snapshot, &delta->lives);
	delta->repair = true;
	PopActiveSnapshot();
	result = sync_delta_datum(delta);
	sync_flush_wal();
	PG_RETURN_DATUM(result);
}
