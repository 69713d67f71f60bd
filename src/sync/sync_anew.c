/*
 * sync_anew.c: rows stamped or born anew, by a database that begins a new life or joins others.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "utils/lsyscache.h"

/*
 * Stamp anew what a key has from a site whose dots others know as something else; its
 * values stay.  Counters are left alone: what of a total is new cannot be told.
 */
static void
restamp_key(Oid root, Image key, Site old)
{
	SyncRow		row = {.table = sync_table_get(root),.key = key};
	RowState   *clock;
	RowState   *tombstone;

	SyncOwner	owner = sync_begin_table_owner(root);

	SPI_connect();
	row.values = palloc(sizeof(Datum) * (row.table->column_count + 1));
	row.nulls = palloc(sizeof(bool) * (row.table->column_count + 1));
	row.given = palloc0(row.table->column_count + 1);
	row.changed = palloc0(row.table->column_count + 1);
	sync_key_values(row.table, key, row.values, row.nulls);
	if (sync_read_row(row.table, true, row.values, row.nulls, &clock))
	{
		RowState   *state = sync_row_state(row.table, clock, row.values, row.nulls, false);

		if (sync_restamp_state(state, old))
		{
			sync_update_row(&row, state);
			sync_log_key(sync_writer_site(), sync_writer_txn(), root, key, 0);
		}
	}
	else if ((tombstone = sync_tombstone(root, key, NULL)) != NULL && tombstone->base.site == old)
	{
		sync_restamp_state(tombstone, old);
		sync_bury(root, key, tombstone);
		sync_log_key(tombstone->base.site, tombstone->base.txn, root, key, 0);
	}
	SPI_finish();
	sync_end_owner(&owner);
}

/* Rows of a life that others do not know. */
typedef struct Unknown
{
	SyncTable  *table;
	Site		site;			/* the life */
	const Version *told;		/* what they know */
	uint64_t	lives;			/* the longest that was forgotten */
} Unknown;

static void
rebear_row(void *about, const SyncSeen *seen)
{
	Unknown    *unknown = about;
	SyncTable  *table = unknown->table;
	SyncRow		row = {.table = table,.key = seen->key,.values = seen->values,.nulls = seen->nulls};
	RowState	born = {0};

	if (seen->clock->base.site != unknown->site || seen->clock->life > unknown->lives ||
		version_covers(unknown->told, unknown->site, seen->clock->base.txn))
		return;
	row.given = palloc0(table->column_count + 1);
	row.changed = palloc0(table->column_count + 1);
	born.life = (unknown->lives + 1) | 1;
	born.base = sync_stamp(seen->clock);
	sync_update_row(&row, &born);
	sync_log_key(born.base.site, born.base.txn, table->root, row.key, 0);
}

/*
 * A database joins others that have forgotten deletes: its own rows, of one of its lives, that
 * they do not know ("told" is what they hold) are born anew, to a longer life than was forgotten.  Else
 * those who remember a delete of the same key would drop them, and the others not.
 */
void
sync_rebear(Site site, const Version *told, uint64_t lives)
{
	ListCell   *cell;

	foreach(cell, sync_table_list(NULL))
	{
		Unknown		unknown = {NULL, site, told, lives};
		SyncOwner	owner;

		if (get_rel_name(lfirst_oid(cell)) == NULL)
			continue;
		unknown.table = sync_table_get(lfirst_oid(cell));
		owner = sync_begin_table_owner(unknown.table->root);
		SPI_connect();
		sync_walk_rows(unknown.table, false, rebear_row, &unknown);
		SPI_finish();
		sync_end_owner(&owner);
	}
}

/* Stamp anew everything that the log has of a life that others know otherwise. */
void
sync_restamp(Site old)
{
	Relation	log = sync_meta_open(META_LOG, AccessShareLock);
	Datum		key = Int64GetDatum((int64) old);
	SyncScan   *scan = sync_meta_scan(log, NULL, 1, &key);
	HeapTuple	tuple;
	List	   *roots = NIL;
	List	   *lines = NIL;
	ListCell   *root;
	ListCell   *line;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[4];
		bool		nulls[4];

		heap_deform_tuple(tuple, RelationGetDescr(log), values, nulls);
		roots = lappend_oid(roots, DatumGetObjectId(values[2]));
		lines = lappend(lines, PG_DETOAST_DATUM_COPY(values[3]));
	}
	sync_meta_end(scan);
	table_close(log, AccessShareLock);
	forboth(root, roots, line, lines)
	{
		Image		keys = sync_image_of_bytea(PointerGetDatum(lfirst(line)));
		Reader		reader = {(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL};
		Image		one;

		if (sync_table_find(lfirst_oid(root)) == NULL)
			continue;
		while (sync_log_next(&reader, &one))
			restamp_key(lfirst_oid(root), one, old);
	}
}
