/*
 * merkle_scan.c: the rows and tombstones of a table, each with the hash of its key.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "merkle/merkle.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define ROWS_A_FETCH 1000

/*
 * Visit each row of a table that the active snapshot shows, with the caller's rights.
 * Within SPI.  Canonical settings are in force, if the table needs them.  What is visited is
 * gone after the visit.
 */
void
merkle_scan_rows(SyncTable *table, uint64_t seed, MerkleVisit visit, void *about)
{
	Portal		portal = SPI_cursor_open(NULL, sync_plan(table, sync_select(table), 0, NULL), NULL, NULL, true);
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "row of a digest", ALLOCSET_DEFAULT_SIZES);
	int			level = table->needs_settings ? sync_begin_images() : 0;

	for (;;)
	{
		SPITupleTable *rows;
		uint64		count;

		/* Visits may use SPI. */
		SPI_cursor_fetch(portal, true, ROWS_A_FETCH);
		rows = SPI_tuptable;
		count = SPI_processed;
		if (count == 0)
			break;
		for (uint64 i = 0; i < count; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);
			RowState   *clock;
			MerkleRow	row = {NULL, values, nulls};
			MerkleSeen	seen = {.row = &row};

			sync_take_row(table, rows->vals[i], rows->tupdesc, values, nulls, &clock);
			row.clock = clock;
			seen.image = sync_key_image(table, values);
			seen.key = merkle_key(seen.image, seed);
			visit(about, &seen);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
			CHECK_FOR_INTERRUPTS();
		}
		SPI_freetuptable(rows);
	}
	if (table->needs_settings)
		sync_end_images(level);
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
}

/*
 * Visit each tombstone of a table; one of a row that was inserted again, too.  What is visited
 * is gone after the visit.
 */
void
merkle_scan_tombstones(SyncTable *table, uint64_t seed, Snapshot snapshot, MerkleVisit visit, void *about)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	Datum		root = ObjectIdGetDatum(table->root);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 1, &root);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "tombstone of a digest", ALLOCSET_DEFAULT_SIZES);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		MerkleSeen	seen = {.row = NULL};
		bool		isnull;

		seen.image = sync_image_of_bytea(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		seen.dead = sync_clock_from_datum(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull));
		seen.key = merkle_key(seen.image, seed);
		visit(about, &seen);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	MemoryContextDelete(context);
}

typedef struct Computed
{
	SyncTable  *table;
	Leaf	   *leaves;
} Computed;

static void
add_seen(void *about, const MerkleSeen *seen)
{
	Computed   *computed = about;

	merkle_add_row(&computed->leaves[merkle_leaf_of(seen->key)], computed->table, seen->key, seen->row);
}

/* The leaves of the rows that the active snapshot shows.  Within SPI. */
Leaf *
merkle_compute(SyncTable *table, uint64_t seed)
{
	Computed	computed = {table, palloc0(sizeof(Leaf) * LEAF_COUNT)};

	merkle_scan_rows(table, seed, add_seen, &computed);
	return computed.leaves;
}
