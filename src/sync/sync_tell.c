/*
 * sync_tell.c: states of rows told to another, in deltas that a set-returning function returns.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_tell.h"
#include "sync/sync_types.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"

/* Parts are no larger than this, whatever is asked for. */
#define PART_MAX (DELTA_MAX_SIZE / 4)

static void
begin_part(SyncTeller *teller)
{
	MemoryContext old;

	MemoryContextReset(teller->part_context);
	old = MemoryContextSwitchTo(teller->part_context);
	teller->builder = sync_builder_begin(teller->site);
	MemoryContextSwitchTo(old);
	teller->part++;
}

static void
end_part(SyncTeller *teller, bool last)
{
	MemoryContext old = MemoryContextSwitchTo(teller->part_context);
	Delta	   *delta = sync_builder_end(teller->builder);
	Datum		value;
	bool		isnull = false;

	if (!last && teller->batch == 0 && !teller->repair)
	{
		if (!pg_strong_random(&teller->batch, sizeof(teller->batch)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random number")));
		teller->batch |= 1;
	}
	delta->to = teller->to;
	delta->some = teller->some;
	if (!teller->some)
	{
		delta->base = teller->since;
		delta->forgotten = teller->forgotten;
	}
	delta->repair = teller->repair;
	delta->table_count = teller->table_count;
	delta->tables = teller->tables;
	delta->lives = teller->lives;
	delta->batch = teller->batch;
	delta->part = teller->batch == 0 ? 0 : teller->part;
	delta->last = last;
	value = sync_delta_datum(delta);
	tuplestore_putvalues(teller->result->setResult, teller->result->setDesc, &value, &isnull);
	MemoryContextSwitchTo(old);
}

/*
 * Begin to tell states, as a set-returning function.  What "teller" is to tell, since, untold, to, some,
 * forgotten, lives, repair and snapshot, is set, the rest zero.  Canonical settings are in
 * force until it ends.
 */
void
sync_begin_telling(SyncTeller *teller, FunctionCallInfo fcinfo, int max_bytes)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	teller->result = (ReturnSetInfo *) fcinfo->resultinfo;
	teller->max_bytes = Min((size_t) Max(max_bytes, 1), PART_MAX);
	teller->site = sync_reader_site();
	teller->part_context = AllocSetContextCreate(CurrentMemoryContext, "part of changes", ALLOCSET_DEFAULT_SIZES);
	teller->row_context = AllocSetContextCreate(CurrentMemoryContext, "row of changes", ALLOCSET_DEFAULT_SIZES);
	teller->level = sync_begin_images();
	begin_part(teller);
}

/*
 * Add what is new of a state to the part.  One that is full is ended before, so the last
 * one is never empty.
 */
static void
add_state(SyncTeller *teller, const char *name, const SyncNames *names, Image key, const RowState *state)
{
	const RowState *rest = state == NULL || teller->is_whole ? state : sync_row_without(state, teller->untold);

	if (rest == NULL)
		return;
	if (teller->builder->size > teller->max_bytes)
	{
		end_part(teller, false);
		begin_part(teller);
	}
	sync_builder_add(teller->builder, name, names, key, rest);
}

/* Tell a state of a key, or NULL, and what is parked of it. */
static void
tell_state(SyncTeller *teller, SyncTable *table, Image key, RowState *state, RowState *parked, const SyncNames *parked_names)
{
	SyncNames  *names = table->names;

	if (parked != NULL)
	{
		names = sync_names_union(names, parked_names);
		state = state != NULL ? row_join(state, parked) : parked;
	}
	add_state(teller, table->name, names, key, state);
}

/*
 * Tell the state of a key: of its row, or if "clock" is NULL of its tombstone; and parked.
 * What is in the row context is gone then.
 */
void
sync_tell_key(SyncTeller *teller, SyncTable *table, Image key, const RowState *clock, const Datum *values, const bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(teller->row_context);
	SyncNames  *parked_names;
	RowState   *parked = sync_parked(table->name, key, teller->snapshot, &parked_names);
	RowState   *state = clock == NULL ? sync_tombstone(table->root, key, teller->snapshot) :
	sync_clock_is_lost(clock) ? NULL : sync_row_state(table, clock, values, nulls, true);

	tell_state(teller, table, key, state, parked, parked_names);
	MemoryContextSwitchTo(old);
	MemoryContextReset(teller->row_context);
}

/*
 * Tell a row to who may have it, born alike, with the columns "known", which are left out then; all of it
 * if a part is parked here.  What is in the row context is gone then.
 */
void
sync_tell_row(SyncTeller *teller, SyncTable *table, const SyncSeen *row, const bool *known)
{
	MemoryContext old = MemoryContextSwitchTo(teller->row_context);
	SyncNames  *parked_names;
	RowState   *parked = sync_parked(table->name, row->key, teller->snapshot, &parked_names);
	RowState   *state = NULL;
	bool		any = false;

	for (int i = 0; i < table->column_count; i++)
		any |= known[i];
	if (!sync_clock_is_lost(row->clock))
		state = any && parked == NULL ? sync_row_rest(table, row->clock, row->values, row->nulls, known) :
			sync_row_state(table, row->clock, row->values, row->nulls, true);
	tell_state(teller, table, row->key, state, parked, parked_names);
	MemoryContextSwitchTo(old);
	MemoryContextReset(teller->row_context);
}

/* A table that is told whole. */
typedef struct Told
{
	SyncTeller *teller;
	SyncTable  *table;
} Told;

static void
tell_row(void *about, const SyncSeen *seen)
{
	Told	   *told = about;

	sync_tell_key(told->teller, told->table, seen->key, seen->clock, seen->values, seen->nulls);
}

static void
tell_tombstone(void *about, const SyncSeen *seen)
{
	Told	   *told = about;

	/* A row that was inserted again has been told. */
	if (!sync_row_is_there(told->table, seen->key))
		sync_tell_key(told->teller, told->table, seen->key, NULL, NULL, NULL);
}

/* What is told next is of this table; whether all of it is asked for, whatever the receiver holds. */
bool
sync_begin_table(SyncTeller *teller, const char *name)
{
	teller->is_whole = teller->questions != NULL && version_find(teller->questions, sync_table_id(name)) != NULL;
	return teller->is_whole;
}

/* Tell every row, tombstone and parked state of a table.  Within SPI. */
void
sync_tell_table(SyncTeller *teller, SyncTable *table)
{
	Told		told = {teller, table};

	sync_walk_rows(table, true, tell_row, &told);
	sync_walk_tombstones(table, teller->snapshot, tell_tombstone, &told);
}

/*
 * Whether a parked state of a tracked table is told with what else there is of its key: by the
 * log, or where "is_whole", by the row or the tombstone.  One whose key is in another form than
 * those of the table has nothing else.  Within SPI.
 */
static bool
is_told_by_key(SyncTeller *teller, Oid root, bool is_whole, Image key, const SyncNames *names)
{
	SyncTable  *table = sync_table_get(root);
	Datum	   *values;
	bool	   *nulls;
	RowState   *clock;

	if (!sync_key_is_own(table, names))
		return false;
	if (!is_whole || sync_tombstone(root, key, teller->snapshot) != NULL)
		return true;
	values = palloc(sizeof(Datum) * (table->column_count + 1));
	nulls = palloc(sizeof(bool) * (table->column_count + 1));
	return sync_key_can_be(table, key, values, nulls) && sync_read_row(table, false, values, nulls, &clock);
}

/*
 * Tell parked states whose key has nothing else here: with "names_too" of tables that are not tracked,
 * and where "whole", of a table that is read whole.
 */
void
sync_tell_parked(SyncTeller *teller, List *whole, bool names_too)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, teller->snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(teller->row_context);
		bool		isnull;
		char	   *name = TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
		Image		key = sync_image_of_bytea(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		Oid			root = sync_table_by_name(name);
		SyncNames  *names;
		RowState   *state = sync_parked_state(tuple, RelationGetDescr(rel), &names);
		bool		is_told = OidIsValid(root) ? sync_is_hidden(root) || is_told_by_key(teller, root, list_member_oid(whole, root), key, names) : !names_too;

		if (!is_told)
		{
			sync_begin_table(teller, name);
			add_state(teller, name, names, key, state);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(teller->row_context);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

/* The last delta, unless nothing was told; then too, if it is to claim something. */
void
sync_end_telling(SyncTeller *teller, bool claims)
{
	if (teller->builder->delta.relation_count > 0 || teller->part > 1 || claims)
		end_part(teller, true);
	sync_end_images(teller->level);
}
