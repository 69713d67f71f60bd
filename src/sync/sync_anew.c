/*
 * sync_anew.c: rows stamped or born anew, by a database that begins a new life or joins others.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "sync/sync.h"
#include "utils/lsyscache.h"

/*
 * Stamp anew what a key has from a site whose dots others know as something else; its
 * values stay.  Counters are left alone: what of a total is new cannot be told.
 */
void
sync_restamp_key(Oid root, Image key, Site old)
{
	SyncRow		row = {.table = sync_table_get(root),.key = key};
	RowState   *clock;
	RowState   *tombstone;

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
		SyncTable  *table;
		Portal		portal;

		if (get_rel_name(lfirst_oid(cell)) == NULL)
			continue;
		table = sync_table_get(lfirst_oid(cell));
		SPI_connect();
		portal = SPI_cursor_open(NULL, sync_plan(table, sync_select(table), 0, NULL), NULL, NULL, false);
		for (;;)
		{
			SPI_cursor_fetch(portal, true, 100);
			if (SPI_processed == 0)
				break;
			for (uint64 i = 0, count = SPI_processed; i < count; i++)
			{
				SyncRow		row = {.table = table};
				RowState   *clock;
				RowState	born = {0};
				SPITupleTable *rows = SPI_tuptable;

				row.values = palloc(sizeof(Datum) * (table->column_count + 1));
				row.nulls = palloc(sizeof(bool) * (table->column_count + 1));
				row.given = palloc0(table->column_count + 1);
				row.changed = palloc0(table->column_count + 1);
				sync_take_row(table, rows->vals[i], rows->tupdesc, row.values, row.nulls, &clock);
				if (clock->base.site != site || clock->life > lives || version_covers(told, site, clock->base.txn))
					continue;
				born.life = (lives + 1) | 1;
				born.base = sync_stamp(clock);
				row.key = sync_key_image(table, row.values);
				sync_update_row(&row, &born);
				sync_log_key(born.base.site, born.base.txn, table->root, row.key, 0);
				SPI_tuptable = rows;
			}
		}
		SPI_cursor_close(portal);
		SPI_finish();
	}
}
