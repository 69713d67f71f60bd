/*
 * merkle_fetch.c: rows and tombstones of some buckets, for who lacks them.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "merkle/merkle.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_tell.h"

VM_FUNCTION_INFO(vecmark_bucket_keys);
VM_FUNCTION_INFO(vecmark_fetch);

/* Rows and tombstones of some buckets. */
typedef struct Choice
{
	const MerkleView *view;
	int			bits;
	const bool *wanted;
	MerkleIds	ids;			/* that are there, or that are not to be told */
	uint64_t   *parts;			/* of the row at hand: numbers of its columns, */
	bool	   *marks;			/* which of these are large, or known */
	SyncTeller	teller;
} Choice;

/* Whether this is of a bucket that is wanted, and its number; of a row those of its columns, too. */
static bool
is_wanted(const Choice *choice, const SyncSeen *seen, uint64_t *id)
{
	MerkleKey	key = merkle_key(seen->key, choice->view->digest.seed);

	if (!merkle_is_wanted(choice->wanted, choice->bits, key))
		return false;
	if (seen->values != NULL)
	{
		*id = merkle_number_row(choice->view->table, key, seen, choice->parts, choice->marks);
		return true;
	}
	*id = merkle_tombstone_id(key, seen->clock);

	/* A row that was inserted again is there itself. */
	return !sync_row_is_there(choice->view->table, seen->key);
}

static void
note_id(void *about, const SyncSeen *seen)
{
	Choice	   *choice = about;
	uint64_t	id;

	if (!is_wanted(choice, seen, &id))
		return;
	merkle_add_id(&choice->ids, id);
	for (int i = 0; seen->values != NULL && i < choice->view->table->column_count; i++)
		if (choice->marks[i])
			merkle_add_id(&choice->ids, choice->parts[i]);
}

static void
visit_all(Choice *choice, SyncVisit visit)
{
	const MerkleView *view = choice->view;

	choice->parts = palloc(sizeof(uint64_t) * (view->table->column_count + 1));
	choice->marks = palloc(sizeof(bool) * (view->table->column_count + 1));
	SPI_connect();
	merkle_scan_rows(view->table, visit, choice);
	sync_walk_tombstones(view->table, view->snapshot, visit, choice);
	SPI_finish();
}

/*
 * SQL: vecmark.bucket_keys(rel regclass, bits integer, prefixes integer[]) -> bytea: a number
 * of 8 bytes for each row and tombstone of some buckets, and for each large column of a row, alike only
 * where all of it is alike.
 */
Datum
vecmark_bucket_keys(PG_FUNCTION_ARGS)
{
	MerkleView	view;
	Choice		choice = {.view = &view};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	choice.bits = merkle_get_bits(PG_GETARG_INT32(1));
	choice.wanted = merkle_get_prefixes(fcinfo, 2, choice.bits);
	choice.ids = merkle_no_ids();
	merkle_begin_view(&view, PG_GETARG_OID(0));
	visit_all(&choice, note_id);
	merkle_end_view();
	PG_RETURN_DATUM(merkle_ids_datum(&choice.ids));
}

static void
tell_unless_known(void *about, const SyncSeen *seen)
{
	Choice	   *choice = about;
	SyncTable  *table = choice->view->table;
	uint64_t	id;

	if (!is_wanted(choice, seen, &id) || merkle_has_id(&choice->ids, id))
		return;
	if (seen->values == NULL)
	{
		sync_tell_key(&choice->teller, table, seen->key, NULL, NULL, NULL);
		return;
	}
	for (int i = 0; i < table->column_count; i++)
		choice->marks[i] = !table->columns[i].is_key && merkle_has_id(&choice->ids, choice->parts[i]);
	sync_tell_row(&choice->teller, table, seen, choice->marks);
}

/*
 * SQL: vecmark.fetch(rel regclass, bits integer, prefixes integer[], keys bytea, max_bytes
 * integer, repair boolean) -> setof delta: the rows and tombstones of some buckets that are not
 * among "keys", for who merges them to compare with what he has, or to join; but for columns that are
 * among "keys", whole.
 */
Datum
vecmark_fetch(PG_FUNCTION_ARGS)
{
	MerkleView	view;
	Choice		choice = {.view = &view};
	Version		nothing = {0, NULL};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the table, the bits, the keys, the size and the way may not be null")));
	choice.bits = merkle_get_bits(PG_GETARG_INT32(1));
	choice.wanted = merkle_get_prefixes(fcinfo, 2, choice.bits);
	merkle_take_ids(&choice.ids, PG_GETARG_DATUM(3));
	merkle_begin_view(&view, PG_GETARG_OID(0));
	choice.teller.snapshot = view.snapshot;
	choice.teller.since = &nothing;
	choice.teller.untold = &nothing;
	choice.teller.to = sync_version(view.snapshot);
	choice.teller.some = true;
	choice.teller.repair = PG_GETARG_BOOL(5);
	(void) sync_forgotten(view.snapshot, &choice.teller.lives);
	sync_begin_telling(&choice.teller, fcinfo, PG_GETARG_INT32(4));
	visit_all(&choice, tell_unless_known);
	sync_end_telling(&choice.teller, false);
	merkle_end_view();
	sync_flush_wal();
	return (Datum) 0;
}
