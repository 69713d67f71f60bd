/*
 * sync_park.c: states of rows that could not be shown, until they can.
 *
 * A parked state is part of what this database holds: it is merged into and told
 * to others like the rest.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Columns of sync_parked. */
#define PARKED_NAME 0
#define PARKED_KEY 1
#define PARKED_STATE 2
#define PARKED_SQLSTATE 3
#define PARKED_REASON 4
#define PARKED_SINCE 5
#define PARKED_TRIES 6
#define PARKED_COLUMNS 7

/* What a row of ours parks. */
static Delta *
parked_delta(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		stored = heap_getattr(tuple, PARKED_STATE + 1, desc, &isnull);

	return sync_delta_from_datum(PointerGetDatum(PG_DETOAST_DATUM_COPY(stored)));
}

/* The state in a row of sync_parked, with the names of its columns. */
RowState   *
sync_parked_state(HeapTuple tuple, TupleDesc desc, SyncNames **names)
{
	Delta	   *delta = parked_delta(tuple, desc);

	*names = sync_names_of_relation(&delta->relations[0]);
	return sync_state_of(*names, delta->relations[0].rows[0].state);
}

/*
 * The parked state of a key with the names of its columns, or NULL.
 */
RowState   *
sync_parked(const char *name, Image key, Snapshot snapshot, SyncNames **names)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	RowState   *state = NULL;

	if (RelationGetNumberOfBlocks(rel) > 0)
	{
		Datum		keys[2] = {CStringGetTextDatum(name), sync_bytea(key)};
		SyncScan   *scan = sync_meta_scan(rel, snapshot, 2, keys);
		HeapTuple	tuple = sync_meta_next(scan);

		if (HeapTupleIsValid(tuple))
			state = sync_parked_state(tuple, RelationGetDescr(rel), names);
		sync_meta_end(scan);
	}
	table_close(rel, AccessShareLock);
	return state;
}

/* A set with its elements as text. */
static void
write_as_text(ElementSet *set)
{
	Element    *elements = palloc(sizeof(Element) * (set->count + 1));

	for (int i = 0; i < set->count; i++)
	{
		char	   *written = sync_form_text(NULL, (ImageForm) set->form, set->elements[i].value);

		elements[i] = set->elements[i];
		elements[i].value = (Image)
		{
			written, strlen(written)
		};
	}
	set->elements = elements;
	set->form = FORM_TEXT;
	sync_sort_elements(set);
}

/*
 * The join of two states of which nobody has looked whether their sets are of one form; those that
 * are not have text then.  Changes "a".
 *
 * Errors: 22P03, 22021 for elements that are not of their form.
 */
RowState   *
sync_join_forms(RowState *a, const RowState *b)
{
	RowState	other = *b;
	int			level;

	other.sets = palloc(sizeof(ElementSet) * (b->set_count + 1));
	if (b->set_count > 0)
		memcpy(other.sets, b->sets, sizeof(ElementSet) * b->set_count);
	level = sync_begin_images();
	for (int i = 0; i < a->set_count; i++)
		for (int j = 0; j < other.set_count; j++)
			if (a->sets[i].column == other.sets[j].column && a->sets[i].form != other.sets[j].form)
			{
				if (a->sets[i].form != FORM_TEXT)
					write_as_text(&a->sets[i]);
				if (other.sets[j].form != FORM_TEXT)
					write_as_text(&other.sets[j]);
			}
	sync_end_images(level);
	return row_join(a, &other);
}

/*
 * Park a state in the place of the one that is parked, which it has been joined with.  What came by
 * streams alone, "by_stream", is known as such.
 */
void
sync_park(const char *name, Image key, const RowState *state, const SyncNames *names, const ErrorData *reason, bool by_stream)
{
	Relation	rel = sync_meta_open(META_PARKED, RowExclusiveLock);
	SyncBuilder *builder = sync_builder_begin(sync_writer_site());
	Datum		values[PARKED_COLUMNS] = {0};
	bool		nulls[PARKED_COLUMNS] = {false};
	Delta	   *delta;
	SyncScan   *scan;
	HeapTuple	old;

	sync_builder_add(builder, name, names, key, state);
	delta = sync_builder_end(builder);
	delta->stream = by_stream;
	values[PARKED_NAME] = CStringGetTextDatum(name);
	values[PARKED_KEY] = sync_bytea(key);
	values[PARKED_SQLSTATE] = CStringGetTextDatum(unpack_sql_state(reason->sqlerrcode));
	values[PARKED_REASON] = CStringGetTextDatum(reason->message);
	values[PARKED_SINCE] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[PARKED_TRIES] = Int32GetDatum(1);
	scan = sync_meta_scan(rel, NULL, 2, values);
	old = sync_meta_next(scan);
	if (HeapTupleIsValid(old))
	{
		bool		isnull;

		delta->stream &= parked_delta(old, RelationGetDescr(rel))->stream;
		values[PARKED_STATE] = sync_delta_datum(delta);
		values[PARKED_SINCE] = heap_getattr(old, PARKED_SINCE + 1, RelationGetDescr(rel), &isnull);
		values[PARKED_TRIES] = Int32GetDatum(DatumGetInt32(heap_getattr(old, PARKED_TRIES + 1, RelationGetDescr(rel), &isnull)) + 1);
		sync_meta_update(rel, old, values, nulls);
	}
	else
	{
		values[PARKED_STATE] = sync_delta_datum(delta);
		sync_meta_insert(rel, values, nulls);
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Whether states are parked under a name. */
bool
sync_has_parked(const char *name)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	Datum		key = CStringGetTextDatum(name);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	bool		found = HeapTupleIsValid(sync_meta_next(scan));

	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Transactions whose deletes wait for what they knew of: see sync_refer. */
Version    *
sync_waiting_dots(void)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	Version    *dots = palloc0(sizeof(Version));

	if (RelationGetNumberOfBlocks(rel) > 0)
	{
		SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			bool		isnull;
			Datum		sqlstate = heap_getattr(tuple, PARKED_SQLSTATE + 1, RelationGetDescr(rel), &isnull);
			Datum		stored;
			const RowState *state;

			if (strcmp(TextDatumGetCString(sqlstate), unpack_sql_state(ERRCODE_DELETE_WAITS)) != 0)
				continue;
			stored = heap_getattr(tuple, PARKED_STATE + 1, RelationGetDescr(rel), &isnull);
			state = sync_delta_from_datum(PointerGetDatum(PG_DETOAST_DATUM_COPY(stored)))->relations[0].rows[0].state;
			dots = version_union(dots, version_of_dot(state->base.site, state->base.txn));
		}
		sync_meta_end(scan);
	}
	table_close(rel, AccessShareLock);
	return dots;
}

/* Forget the parked state of a key, which is shown now. */
void
sync_unpark(const char *name, Image key)
{
	Relation	rel = sync_meta_open(META_PARKED, RowExclusiveLock);
	Datum		keys[2] = {CStringGetTextDatum(name), sync_bytea(key)};
	SyncScan   *scan = sync_meta_scan(rel, NULL, 2, keys);
	HeapTuple	old = sync_meta_next(scan);

	if (HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Who has told all that he holds, of himself this, and the longest life that was forgotten. */
typedef struct Told
{
	const Version *own;
	uint64_t	lives;
} Told;

/* Whether a row of ours parks a part whose rest will not come. */
static bool
is_rest(HeapTuple tuple, TupleDesc desc, void *about)
{
	const Told *told = about;
	bool		isnull;
	Datum		sqlstate = heap_getattr(tuple, PARKED_SQLSTATE + 1, desc, &isnull);
	const Delta *delta;
	const RowState *state;
	const RowState *others;

	if (strcmp(TextDatumGetCString(sqlstate), unpack_sql_state(ERRCODE_NO_DATA_FOUND)) != 0)
		return false;
	delta = parked_delta(tuple, desc);
	state = delta->relations[0].rows[0].state;
	if (!delta->stream || state->base.site != 0 || state->life > told->lives)
		return false;
	others = sync_row_without(state, told->own);
	return others == NULL || !row_equal(others, state);
}

/*
 * Forget parts of rows that came by a stream before the rest, which will not come.  Who wrote such a part
 * had the whole row.  If he has told all that he holds, "told", and the rest was not among it, he has the row
 * no more, and its delete was forgotten by who told it.  (Of a part that a pull brings the rest was here: it
 * was lost, and to be repaired.)
 */
void
sync_drop_rests(Site writer, const Version *told)
{
	Told		about = {sync_part_of_site(told, writer), sync_forgotten_life(true)};

	sync_meta_delete_where(META_PARKED, is_rest, &about);
}
