/*
 * sync_dots.c: which transactions of a site the rows here have, where no log says so.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Dots that were found are joined when there are so many. */
#define RANGES_AT_ONCE 65536

typedef struct Dots
{
	Site		site;
	Version    *version;
	TxnRange   *ranges;
	int			count;
	MemoryContext context;		/* of the version */
} Dots;

static void
join_ranges(Dots *dots)
{
	MemoryContext old = MemoryContextSwitchTo(dots->context);

	dots->version = version_union(dots->version, version_of_ranges(dots->site, dots->ranges, dots->count));
	dots->count = 0;
	MemoryContextSwitchTo(old);
}

static void
add_stamp(Dots *dots, const Stamp *stamp)
{
	if (stamp->site != dots->site)
		return;
	if (dots->count == RANGES_AT_ONCE)
		join_ranges(dots);
	dots->ranges[dots->count++] = (TxnRange)
	{
		stamp->txn, stamp->txn + 1
	};
}

static void
add_clock(Dots *dots, const RowState *row)
{
	add_stamp(dots, &row->base);
	for (int i = 0; i < row->register_count; i++)
		add_stamp(dots, &row->registers[i].stamp);
	for (int i = 0; i < row->counter_count; i++)
		for (int j = 0; j < row->counters[i].count; j++)
			add_stamp(dots, &row->counters[i].shares[j].stamp);
	for (int i = 0; i < row->set_count; i++)
	{
		const ElementSet *set = &row->sets[i];

		for (int j = 0; j < set->context_count; j++)
			add_stamp(dots, &set->context[j]);
		for (int j = 0; j < set->count; j++)
			for (int n = 0; n < set->elements[j].count; n++)
				add_stamp(dots, &set->elements[j].dots[n]);
	}
}

/* Rows of one table or partition, whoever may read them. */
static void
add_rows(Dots *dots, Oid relid, Snapshot snapshot, MemoryContext row_context)
{
	Relation	rel;
	TupleTableSlot *slot;
	TableScanDesc scan;
	AttrNumber	clock = get_attnum(relid, SYNC_CLOCK_COLUMN);

	if (get_rel_relkind(relid) != RELKIND_RELATION || clock == InvalidAttrNumber)
		return;
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, clock, &isnull);
		MemoryContext old = MemoryContextSwitchTo(row_context);

		if (!isnull)
			add_clock(dots, sync_clock_from_datum(value));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

/* Tombstones, in a table of ours of which a column is the clock. */
static void
add_tombstones(Dots *dots, SyncMeta meta, int clock, Snapshot snapshot, MemoryContext row_context)
{
	Relation	rel = sync_meta_open(meta, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		bool		isnull;

		add_clock(dots, sync_clock_from_datum(heap_getattr(tuple, clock, RelationGetDescr(rel), &isnull)));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Dots of a site in rows and tombstones of all tracked tables.  Of a transaction that has
 * one here, all that it did is here, or what replaced it: a dump shows it whole.
 *
 * Reads tables whole, with no regard to rights: it tells numbers only.
 */
Version    *
sync_dots_of_rows(Site site)
{
	Dots		dots = {.site = site,.context = CurrentMemoryContext};
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "row with dots", ALLOCSET_DEFAULT_SIZES);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ListCell   *cell;

	dots.version = palloc0(sizeof(Version));
	dots.ranges = palloc(sizeof(TxnRange) * RANGES_AT_ONCE);
	foreach(cell, sync_table_list(snapshot))
	{
		ListCell   *part;

		foreach(part, find_all_inheritors(lfirst_oid(cell), AccessShareLock, NULL))
			add_rows(&dots, lfirst_oid(part), snapshot, row_context);
	}
	add_tombstones(&dots, META_TOMBSTONE, 3, snapshot, row_context);
	add_tombstones(&dots, META_PACK, SYNC_PACK_CLOCK + 1, snapshot, row_context);
	join_ranges(&dots);
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(row_context);
	return dots.version;
}
