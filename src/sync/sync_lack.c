/*
 * sync_lack.c: tables of which not all is here that the version covers, as they were made again,
 * or untracked for a while; see "A table's life" in README.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

VM_FUNCTION_INFO(vecmark_table_id);

/* Columns of sync_lack. */
#define LACK_ID 0
#define LACK_REL 1
#define LACK_DOTS 2
#define LACK_HEARD 3
#define LACK_HERE 4
#define LACK_QUESTION 5
#define LACK_COLUMNS 6

/* The number of a table in versions and deltas: a hash of its published name. */
uint64_t
sync_table_id(const char *name)
{
	uint64_t	id = XXH3_64bits(name, strlen(name));

	return id != 0 ? id : 1;
}

/* SQL: vecmark_internal.table_id(name text) -> bigint. */
Datum
vecmark_table_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) sync_table_id(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

static SyncLack *
form_lack(HeapTuple tuple, TupleDesc desc)
{
	SyncLack   *lack = palloc(sizeof(SyncLack));
	Datum		values[LACK_COLUMNS];
	bool		nulls[LACK_COLUMNS];

	heap_deform_tuple(tuple, desc, values, nulls);
	lack->id = (uint64_t) DatumGetInt64(values[LACK_ID]);
	lack->rel = DatumGetObjectId(values[LACK_REL]);
	lack->dots = sync_version_from_datum(values[LACK_DOTS]);
	lack->heard = sync_version_from_datum(values[LACK_HEARD]);
	lack->here = DatumGetBool(values[LACK_HERE]);
	lack->question = (uint64_t) DatumGetInt64(values[LACK_QUESTION]);
	return lack;
}

/* All tables that lack something, or are not known to be whole. */
List *
sync_lacks(Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_LACK, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	List	   *lacks = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		lacks = lappend(lacks, form_lack(tuple, RelationGetDescr(rel)));
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return lacks;
}

static SyncLack *
find_lack(List *lacks, uint64_t id)
{
	ListCell   *cell;

	foreach(cell, lacks)
	{
		SyncLack   *lack = lfirst(cell);

		if (lack->id == id)
			return lack;
	}
	return NULL;
}

/* What is lacking of a table; NULL if it is whole.  It may be nothing that is known. */
SyncLack   *
sync_lack_of(uint64_t id, Snapshot snapshot)
{
	return find_lack(sync_lacks(snapshot), id);
}

/* Write what a table lacks, in the place of what it lacked, or with "lack" NULL that it lacks nothing. */
static void
store_lack(uint64_t id, const SyncLack *lack)
{
	Relation	rel = sync_meta_open(META_LACK, RowExclusiveLock);
	Datum		key = Int64GetDatum((int64) id);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	old = sync_meta_next(scan);
	Datum		values[LACK_COLUMNS];
	bool		nulls[LACK_COLUMNS] = {false};

	if (lack != NULL)
	{
		values[LACK_ID] = key;
		values[LACK_REL] = ObjectIdGetDatum(lack->rel);
		values[LACK_DOTS] = sync_version_datum(lack->dots);
		values[LACK_HEARD] = sync_version_datum(lack->heard);
		values[LACK_HERE] = BoolGetDatum(lack->here);
		values[LACK_QUESTION] = Int64GetDatum((int64) lack->question);
	}
	if (HeapTupleIsValid(old) && lack != NULL)
		sync_meta_update(rel, old, values, nulls);
	else if (HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	else if (lack != NULL)
		sync_meta_insert(rel, values, nulls);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * A table is no longer what it was: all that others told, or hold of what was written here, may
 * be lacking until they tell it whole.  "rel" has its tombstones.
 */
void
sync_note_lack(const char *name, Oid rel)
{
	Site		site = sync_writer_site();
	uint64_t	id = sync_table_id(name);
	SyncLack   *old = sync_lack_of(id, NULL);
	SyncLack	lack = {.id = id,.rel = rel};

	lack.dots = version_union(sync_foreign_version(NULL), sync_told_of(site));
	if (old != NULL)
		lack.dots = version_union(lack.dots, old->dots);
	lack.heard = palloc0(sizeof(Version));
	lack.here = true;
	lack.question = sync_writer_txn();
	store_lack(id, &lack);
}

/*
 * A version with what this database asks for: tables, by their numbers, that are to be told
 * whole.
 */
Version    *
sync_with_questions(const Version *version, Snapshot snapshot)
{
	Version    *asking = version_union(version, version);
	List	   *lacks = VM_FAULT("table-life") ? NIL : sync_lacks(snapshot);
	List	   *tables = lacks == NIL ? NIL : sync_table_list(snapshot);
	Relation	rel = sync_meta_open(META_TABLE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (tables != NIL && HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_TABLE_COLUMNS];
		bool		nulls[SYNC_TABLE_COLUMNS];
		SyncLack   *lack;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		lack = find_lack(lacks, sync_table_id(TextDatumGetCString(values[SYNC_TABLE_NAME])));
		if (lack != NULL && list_member_oid(tables, DatumGetObjectId(values[SYNC_TABLE_REL])))
			asking = version_union(asking, version_of_dot(lack->id, VERSION_QUESTION | lack->question));
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return asking;
}

/* What a delta says of a table, or NULL. */
static const DeltaTable *
find_table(const Delta *delta, uint64_t id)
{
	for (int i = 0; i < delta->table_count; i++)
		if (delta->tables[i].id == id)
			return &delta->tables[i];
	return NULL;
}

/*
 * Whether a delta tells a table whole for what is asked here now; with "*is_right" set to whether
 * its sender's values take the place of those here under the same stamp.
 */
bool
sync_is_answered(const Delta *delta, const char *name, bool *is_right)
{
	uint64_t	id = sync_table_id(name);
	const DeltaTable *table = find_table(delta, id);
	SyncLack   *lack;

	*is_right = false;
	if (table == NULL || table->question == 0 || delta->some || delta->repair || delta->stream)
		return false;
	lack = sync_lack_of(id, NULL);
	if (lack == NULL || lack->question != table->question)
		return false;
	*is_right = lack->here && table->lacks == NULL;
	return true;
}

/* Questions of this database that a delta answers, as a version has them. */
Version    *
sync_answers(const Delta *delta)
{
	Version    *answers = palloc0(sizeof(Version));
	List	   *lacks = delta->table_count == 0 ? NIL : sync_lacks(NULL);
	ListCell   *cell;

	foreach(cell, lacks)
	{
		SyncLack   *lack = lfirst(cell);
		const DeltaTable *table = find_table(delta, lack->id);

		if (table != NULL && table->question == lack->question)
			answers = version_union(answers, version_of_dot(lack->id, VERSION_QUESTION | lack->question));
	}
	return answers;
}

/* Whether a question is still open. */
bool
sync_is_open(const Version *questions)
{
	List	   *lacks = questions->count == 0 ? NIL : sync_lacks(NULL);

	for (int i = 0; i < questions->count; i++)
	{
		SyncLack   *lack = find_lack(lacks, questions->sites[i].site);

		if (lack != NULL && version_covers(questions, lack->id, VERSION_QUESTION | lack->question))
			return true;
	}
	return false;
}

/*
 * All of a delta is merged, which brings "new" to the version.  A table is whole when what was
 * told whole covers what it lacks, or when all peers have told it, as more will not come.  Who has only
 * learnt from another that something is lacking does not count that one before he has it.  What
 * builds on the table as it was before, and what the sender lacks, is lacking from now on.
 */
void
sync_hear(const Delta *delta, const Version *new)
{
	List	   *lacks = sync_lacks(NULL);
	ListCell   *cell;

	foreach(cell, lacks)
	{
		SyncLack   *lack = lfirst(cell);
		const DeltaTable *table = find_table(delta, lack->id);
		const Version *unheard = new;

		if (table != NULL && table->question == lack->question)
		{
			Version    *told = table->lacks != NULL ? version_minus(delta->to, table->lacks) : delta->to;

			lack->dots = version_minus(lack->dots, told);
			if (lack->here || table->lacks == NULL || !table->here)
				lack->heard = version_union(lack->heard, version_of_dot(delta->sender, 0));
			if (lack->dots->count == 0 || sync_peers_are_in(lack->heard))
			{
				store_lack(lack->id, NULL);
				lack->question = 0;
			}
			else
				store_lack(lack->id, lack);
			unheard = table->lacks != NULL ? version_intersect(new, table->lacks) : NULL;
		}
		if (unheard != NULL && version_minus(unheard, lack->dots)->count > 0 && lack->question != 0)
		{
			lack->dots = version_union(lack->dots, unheard);
			lack->heard = palloc0(sizeof(Version));
			lack->question = sync_writer_txn();
			store_lack(lack->id, lack);
		}
	}
	for (int i = 0; i < delta->table_count; i++)
	{
		const DeltaTable *table = &delta->tables[i];
		SyncLack	lack = {.id = table->id};

		if (table->lacks == NULL || sync_lack_of(table->id, NULL) != NULL)
			continue;
		lack.dots = version_intersect(new, table->lacks);
		lack.heard = palloc0(sizeof(Version));
		lack.question = sync_writer_txn();
		if (lack.dots->count > 0)
			store_lack(table->id, &lack);
	}
}

static int
compare_tables(const void *a, const void *b)
{
	uint64_t	x = ((const DeltaTable *) a)->id;
	uint64_t	y = ((const DeltaTable *) b)->id;

	return x < y ? -1 : x > y;
}

/*
 * Tables that were dropped, and are on record until somebody notices, lack what they will lack then: who is
 * told of the version meanwhile does not get their rows from here.
 */
static List *
with_dropped(List *lacks, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_TABLE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_TABLE_COLUMNS];
		bool		nulls[SYNC_TABLE_COLUMNS];
		SyncLack   *lack;
		uint64_t	id;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (get_rel_name(DatumGetObjectId(values[SYNC_TABLE_REL])) != NULL)
			continue;
		id = sync_table_id(TextDatumGetCString(values[SYNC_TABLE_NAME]));
		lack = find_lack(lacks, id);
		if (lack == NULL)
		{
			lack = palloc0(sizeof(SyncLack));
			lack->id = id;
			lack->dots = palloc0(sizeof(Version));
			lacks = lappend(lacks, lack);
		}
		lack->dots = version_union(lack->dots, version_union(sync_foreign_version(snapshot), sync_told_of(sync_reader_site())));
		lack->here = true;
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return lacks;
}

/*
 * What a delta says of tables to who asked "questions" and holds "since": which it tells whole, and
 * what is lacking here.
 */
DeltaTable *
sync_tell_tables(const Version *questions, const Version *since, Snapshot snapshot, int *count)
{
	List	   *lacks = with_dropped(sync_lacks(snapshot), snapshot);
	DeltaTable *tables = palloc0(sizeof(DeltaTable) * (questions->count + list_length(lacks) + 1));
	ListCell   *cell;

	*count = 0;
	for (int i = 0; i < questions->count; i++)
	{
		const SiteTxns *asked = &questions->sites[i];

		tables[(*count)++] = (DeltaTable)
		{
			asked->site, asked->ranges[asked->count - 1].from & ~VERSION_QUESTION, false, NULL
		};
	}
	foreach(cell, lacks)
	{
		SyncLack   *lack = lfirst(cell);
		int			i = 0;

		while (i < *count && tables[i].id != lack->id)
			i++;
		if (lack->dots->count == 0 || (i == *count && version_dominates(since, lack->dots)))
			continue;
		if (i == *count)
			tables[(*count)++].id = lack->id;
		tables[i].here = lack->here;
		tables[i].lacks = lack->dots;
	}
	qsort(tables, *count, sizeof(DeltaTable), compare_tables);
	return tables;
}

/* A table has tombstones from a former life, in a table of ours whose first column says of which. */
static void
move_tombstones(SyncMeta meta, Oid from, Oid to)
{
	Relation	rel = sync_meta_open(meta, RowExclusiveLock);
	Datum		key = ObjectIdGetDatum(from);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_PACK_COLUMNS];
		bool		nulls[SYNC_PACK_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		values[0] = ObjectIdGetDatum(to);
		sync_meta_update(rel, tuple, values, nulls);
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * A table is tracked under a name: what another of that name has left is its.  False if there
 * was none.
 */
bool
sync_inherit_lack(const char *name, Oid rel)
{
	SyncLack   *lack = sync_lack_of(sync_table_id(name), NULL);

	if (lack == NULL)
		return false;
	if (lack->rel == rel)
		return true;
	/* Numbers of relations that are gone mean something else after a dump. */
	if (OidIsValid(lack->rel) && !list_member_oid(sync_table_list(NULL), lack->rel))
	{
		move_tombstones(META_TOMBSTONE, lack->rel, rel);
		move_tombstones(META_PACK, lack->rel, rel);
	}
	lack->rel = rel;
	store_lack(lack->id, lack);
	return true;
}

/* Whether the tombstones of a relation are kept for who will be tracked under its name. */
bool
sync_keeps_tombstones(Oid rel)
{
	ListCell   *cell;

	foreach(cell, sync_lacks(NULL))
	{
		if (((SyncLack *) lfirst(cell))->rel == rel)
			return true;
	}
	return false;
}
