/*
 * hnsw_vacuum.c: taking rows out.
 *
 * Bulk delete sees the directory alone: a node without rows stays in the graph,
 * DEAD, as a stepping stone.  When enough are dead, the cleanup leads links around
 * them and frees them (hnsw_repair.c).  What is DEAD never comes to life again: an
 * equal row gets a new node.
 */
#include "postgres.h"
#include "compat.h"

#include "access/generic_xlog.h"
#include "commands/vacuum.h"
#include "hnsw/hnsw_census.h"
#include "hnsw/hnsw_directory.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "testpoint/testpoint.h"
#include "utils/memutils.h"

/* ---- bulk delete */

typedef struct Deletion
{
	HnswIndex  *index;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	IndexBulkDeleteResult *stats;

	/* Of the directory page in hand. */
	bool	   *further;		/* by entry: it has further TIDs there */
	uint32	   *chained;		/* nodes whose TIDs are in slots */
	int			chained_count;
	PGAlignedBlock page;		/* a copy */
} Deletion;

static inline bool
is_dead(Deletion *deletion, ItemPointer tid)
{
	return deletion->callback(tid, deletion->callback_state);
}

/* Whether an entry has a TID of its own, and that is to go. */
static bool
has_dead_tid(Deletion *deletion, HnswEntry *entry)
{
	return HNSW_ENTRY_STATE(entry) == HNSW_ENTRY_LIVE && !(entry->state & HNSW_ENTRY_CHAIN) &&
		is_dead(deletion, &entry->tid);
}

/* Whether any of the TIDs in a directory page is to go. */
static bool
has_dead(Deletion *deletion, HnswDirectory *directory)
{
	HnswExtraTid *extra = HNSW_EXTRA_TIDS(&deletion->index->geometry, directory);

	for (int i = 0; i < directory->used; i++)
	{
		if (has_dead_tid(deletion, &directory->entries[i]))
			return true;
	}
	for (int i = 0; i < directory->extra; i++)
	{
		if (is_dead(deletion, &extra[i].tid))
			return true;
	}
	return false;
}

/*
 * Remove dead TIDs from a directory page that is being changed.  A further one that
 * stays takes the place of a dead one in its entry; an entry that is left with none is
 * DEAD.
 */
static void
delete_from_page(Deletion *deletion, BlockNumber block, HnswDirectory *directory)
{
	const GraphGeometry *g = &deletion->index->geometry;
	HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);
	int			kept = 0;

	memset(deletion->further, 0, sizeof(bool) * g->group_nodes);
	for (int i = 0; i < directory->extra; i++)
	{
		HnswEntry  *entry = &directory->entries[extra[i].index];

		if (extra[i].index >= directory->used)
			hnsw_corrupt(deletion->index, block, "a further TID is of no node");
		if (is_dead(deletion, &extra[i].tid))
			deletion->stats->tuples_removed++;
		else if (has_dead_tid(deletion, entry))
		{
			entry->tid = extra[i].tid;
			deletion->stats->tuples_removed++;
		}
		else
		{
			deletion->further[extra[i].index] = true;
			extra[kept++] = extra[i];
		}
	}
	memset(extra + kept, 0, sizeof(HnswExtraTid) * (directory->extra - kept));
	directory->extra = kept;
	hnsw_directory_set_lower(deletion->index, directory);
	for (int i = 0; i < directory->used; i++)
	{
		HnswEntry  *entry = &directory->entries[i];

		if (!deletion->further[i])
			entry->state &= ~HNSW_ENTRY_MORE;
		if (has_dead_tid(deletion, entry))
		{
			memset(entry, 0, sizeof(HnswEntry));
			entry->state = HNSW_ENTRY_DEAD;
			deletion->stats->tuples_removed++;
		}
	}
}

/* Count the TIDs of a directory page, and make a list of the nodes that have theirs in slots. */
static void
survey(Deletion *deletion, BlockNumber block, const HnswDirectory *directory)
{
	const GraphGeometry *g = &deletion->index->geometry;
	uint32		first = (block - 1) / g->group_pages * g->group_nodes;

	deletion->chained_count = 0;
	deletion->stats->num_index_tuples += directory->extra;
	for (int i = 0; i < directory->used; i++)
	{
		if (HNSW_ENTRY_STATE(&directory->entries[i]) != HNSW_ENTRY_LIVE)
			continue;
		if (directory->entries[i].state & HNSW_ENTRY_CHAIN)
			deletion->chained[deletion->chained_count++] = first + i;
		else
			deletion->stats->num_index_tuples++;
	}
}

/*
 * Remove dead TIDs from a slot of them, which is locked exclusively.  Returns how many
 * are left.
 */
static int
delete_from_slot(Deletion *deletion, Buffer buffer, HnswTidSlot *slot)
{
	HnswIndex  *index = deletion->index;
	GenericXLogState *state;
	int			kept = 0;

	while (kept < slot->count && !is_dead(deletion, &slot->tids[kept]))
		kept++;
	if (kept == slot->count)
		return kept;
	state = index->log ? GenericXLogStart(index->rel) : NULL;
	slot = HNSW_TID_SLOT(&index->geometry, hnsw_change_page(state, buffer), slot->number);
	for (int i = kept; i < slot->count; i++)
	{
		if (!is_dead(deletion, &slot->tids[i]))
			slot->tids[kept++] = slot->tids[i];
	}
	deletion->stats->tuples_removed += slot->count - kept;
	slot->count = kept;
	hnsw_finish_change(state, buffer, InvalidBuffer);
	return kept;
}

/*
 * Remove dead TIDs from the slots of a node.  Nobody else takes slots out of a chain,
 * and inserts put new ones before those that are read here: so no lock is held from
 * slot to slot.
 */
static void
delete_from_chain(Deletion *deletion, uint32 node)
{
	HnswIndex  *index = deletion->index;
	HnswEntry	entry = hnsw_entry_read(index, node);
	uint32		before = GRAPH_NO_NODE;
	uint32		number = HNSW_ENTRY_FIRST(&entry);
	uint32		serial = 0;
	double		left = 0;

	for (bool first = true; number != GRAPH_NO_NODE; first = false)
	{
		Buffer		buffer;
		HnswTidSlot *slot = hnsw_tid_slot_open(index, number, node, BUFFER_LOCK_EXCLUSIVE, &buffer);
		uint32		next;
		int			kept;

		if (slot == NULL || (!first && (int32) (slot->serial - serial) >= 0))
			hnsw_corrupt(index, hnsw_directory_of(index, node), "a chain of TIDs cannot be followed");
		serial = slot->serial;
		next = slot->next;
		kept = delete_from_slot(deletion, buffer, slot);
		UnlockReleaseBuffer(buffer);
		VM_POINT("hnsw_delete_slot");
		vm_vacuum_delay_point();
		if (kept == 0 && before != GRAPH_NO_NODE)
			hnsw_tids_unlink(index, node, before, number, next);
		else
			before = number;
		left += kept;
		number = next;
	}
	hnsw_tids_settle(index, node);
	deletion->stats->num_index_tuples += left;
}

/* Remove all dead TIDs that a directory page leads to. */
static void
delete_from_directory(Deletion *deletion, BlockNumber block)
{
	HnswIndex  *index = deletion->index;
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_open(index, block, BUFFER_LOCK_SHARE, &buffer);

	if (directory == NULL)
		return;
	/* Most pages have nothing dead: no lock is held while that is found. */
	memcpy(deletion->page.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	directory = HNSW_DIRECTORY(deletion->page.data);
	if (has_dead(deletion, directory))
	{
		GenericXLogState *state;

		(void) hnsw_directory_open(index, block, BUFFER_LOCK_EXCLUSIVE, &buffer);
		state = index->log ? GenericXLogStart(index->rel) : NULL;
		directory = HNSW_DIRECTORY(hnsw_change_page(state, buffer));
		delete_from_page(deletion, block, directory);
		hnsw_finish_change(state, buffer, InvalidBuffer);
		memcpy(deletion->page.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		directory = HNSW_DIRECTORY(deletion->page.data);
	}
	survey(deletion, block, directory);
	for (int i = 0; i < deletion->chained_count; i++)
		delete_from_chain(deletion, deletion->chained[i]);
}

/* ambulkdelete */
IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, IndexBulkDeleteCallback callback, void *state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw bulk delete", ALLOCSET_DEFAULT_SIZES);
	Deletion   *deletion;
	MemoryContext old;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	old = MemoryContextSwitchTo(context);
	deletion = palloc0(sizeof(Deletion));
	deletion->index = hnsw_open(info->index);
	deletion->index->strategy = info->strategy;
	deletion->callback = callback;
	deletion->callback_state = state;
	deletion->stats = stats;
	deletion->further = palloc(sizeof(bool) * deletion->index->geometry.group_nodes);
	deletion->chained = palloc(sizeof(uint32) * deletion->index->geometry.group_nodes);
	for (uint32 group = 0; group < hnsw_count_groups(deletion->index); group++)
	{
		vm_vacuum_delay_point();
		VM_POINT("hnsw_delete_page");
		delete_from_directory(deletion, hnsw_group_block(deletion->index, group));
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	stats->estimated_count = false;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	VM_POINT("hnsw_vacuum_marked");
	return stats;
}

/* ---- cleanup */

/* amvacuumcleanup */
IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	MemoryContext context;
	MemoryContext old;
	HnswIndex  *index;
	HnswCensus	census;
	bool		counted = stats != NULL;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw vacuum", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	index = hnsw_open(info->index);
	index->strategy = info->strategy;
	hnsw_take_census(index, &census, !counted, NULL);
	if (!counted)
	{
		stats->num_index_tuples = census.tids;
		stats->estimated_count = false;
	}
	if (census.dead > 0 && census.dead >= HNSW_REPAIR_SHARE * (census.live + census.dead))
		hnsw_repair(index);

	/*
	 * If a repair took the entry point away and did not end, there may be
	 * nodes that nobody begins at, of inserts that had read it before.
	 */
	hnsw_read_meta(index);
	if (index->meta.entry == GRAPH_NO_NODE)
	{
		hnsw_take_census(index, &census, false, NULL);
		if (census.some_live != GRAPH_NO_NODE)
			hnsw_set_entry(index, census.some_live, 0, false);
	}
	IndexFreeSpaceMapVacuum(info->index);
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}
