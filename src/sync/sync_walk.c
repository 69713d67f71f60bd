/*
 * sync_walk.c: the rows of a tracked table, one after the other.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/memutils.h"

#define ROWS_A_FETCH 1000

static void
walk(SyncTable *table, const char *sql, bool read_only, SyncVisit visit, void *about)
{
	SyncOwner	before = sync_begin_reading(table->root);
	Portal		portal = SPI_cursor_open(NULL, sync_plan(table, sql, 0, NULL), NULL, NULL, read_only);
	SyncSeen	seen = {.values = palloc(sizeof(Datum) * (table->column_count + 1)),.nulls = palloc(sizeof(bool) * (table->column_count + 1))};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "row that is visited", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		SPITupleTable *rows;
		uint64		count;

		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		rows = SPI_tuptable;
		count = SPI_processed;
		if (count == 0)
			break;
		for (uint64 i = 0; i < count; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			sync_take_row(table, rows->vals[i], rows->tupdesc, seen.values, seen.nulls, &seen.clock);
			seen.key = sync_key_image(table, seen.values);
			visit(about, &seen);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
			CHECK_FOR_INTERRUPTS();
		}
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
	sync_end_reading(&before);
	MemoryContextDelete(context);
}

/*
 * Visit each row of a table, as its owner, for a caller who was found to see all of it: as the active
 * snapshot shows them, or if not "read_only", as they are now.  Within SPI, which visits may use.  What
 * is visited is gone after the visit.
 */
void
sync_walk_rows(SyncTable *table, bool read_only, SyncVisit visit, void *about)
{
	walk(table, sync_select(table, NULL), read_only, visit, about);
}

/* The same for rows of a relation as they are now, a partition of the table, or with NULL all. */
void
sync_walk_relation(SyncTable *table, const char *from, SyncVisit visit, void *about)
{
	walk(table, sync_select(table, from), false, visit, about);
}
