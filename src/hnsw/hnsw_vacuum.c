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
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "testpoint/testpoint.h"
#include "utils/memutils.h"

/* ---- bulk delete */

typedef struct Deletion
{
	HnswIndex  *index;
	BufferAccessStrategy strategy;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	IndexBulkDeleteResult *stats;

	/* Of the directory page in hand, by entry. */
	bool	   *first_dead;		/* the TID in the entry is to go */
	uint32	   *further;		/* further TIDs that are still there */
} Deletion;

static inline bool
is_dead(Deletion *deletion, ItemPointer tid)
{
	return deletion->callback(tid, deletion->callback_state);
}

/*
 * Whether a directory page, which is locked, leads to any TID that is to go.  If
 * not, its TIDs have been counted.
 */
static bool
leads_to_dead(Deletion *deletion, BlockNumber block, HnswDirectory *directory)
{
	HnswIndex  *index = deletion->index;
	HnswExtraTid *extra = HNSW_EXTRA_TIDS(&index->geometry, directory);
	bool		found = false;
	double		tids = directory->extra;
	uint32		next = directory->overflow;

	for (int i = 0; i < directory->used && !found; i++)
	{
		if (HNSW_ENTRY_STATE(&directory->entries[i]) != HNSW_ENTRY_LIVE)
			continue;
		found = is_dead(deletion, &directory->entries[i].tid);
		tids++;
	}
	for (int i = 0; i < directory->extra && !found; i++)
		found = is_dead(deletion, &extra[i].tid);
	for (uint32 steps = 0; next != GRAPH_NO_NODE && !found; steps++)
	{
		Buffer		buffer;
		GraphSlot  *slot = hnsw_tids_open(index, next, BUFFER_LOCK_SHARE, &buffer);

		extra = HNSW_SLOT_EXTRA_TIDS(slot);
		for (int i = 0; i < slot->count && !found; i++)
			found = is_dead(deletion, &extra[i].tid);
		tids += slot->count;
		next = slot->down;
		UnlockReleaseBuffer(buffer);
		hnsw_check_chain(index, block, steps);
	}
	if (!found)
		deletion->stats->num_index_tuples += tids;
	return found;
}

static void
count_further(Deletion *deletion, BlockNumber block, const HnswDirectory *directory, const HnswExtraTid *extra, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (extra[i].index >= directory->used)
			hnsw_corrupt(deletion->index, block, "a further TID is of no node");
		deletion->further[extra[i].index]++;
	}
}

/* Fill in first_dead and further. */
static void
survey(Deletion *deletion, BlockNumber block, HnswDirectory *directory)
{
	HnswIndex  *index = deletion->index;
	const GraphGeometry *g = &index->geometry;
	uint32		next = directory->overflow;

	memset(deletion->further, 0, sizeof(uint32) * g->group_nodes);
	for (int i = 0; i < directory->used; i++)
		deletion->first_dead[i] = HNSW_ENTRY_STATE(&directory->entries[i]) == HNSW_ENTRY_LIVE &&
			is_dead(deletion, &directory->entries[i].tid);
	count_further(deletion, block, directory, HNSW_EXTRA_TIDS(g, directory), directory->extra);
	for (uint32 steps = 0; next != GRAPH_NO_NODE; steps++)
	{
		Buffer		buffer;
		GraphSlot  *slot = hnsw_tids_open(index, next, BUFFER_LOCK_SHARE, &buffer);

		count_further(deletion, block, directory, HNSW_SLOT_EXTRA_TIDS(slot), slot->count);
		next = slot->down;
		UnlockReleaseBuffer(buffer);
		hnsw_check_chain(index, block, steps);
	}
}

/* Whether remove_further would change anything. */
static bool
has_work(Deletion *deletion, HnswExtraTid *extra, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (deletion->first_dead[extra[i].index] || is_dead(deletion, &extra[i].tid))
			return true;
	}
	return false;
}

/*
 * Remove dead TIDs from an array of further ones; one that stays moves into its
 * node's entry if the TID there is dead.  Returns how many are left.
 */
static int
remove_further(Deletion *deletion, HnswDirectory *directory, HnswExtraTid *extra, int count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		uint16		entry = extra[i].index;

		if (is_dead(deletion, &extra[i].tid))
			deletion->stats->tuples_removed++;
		else if (deletion->first_dead[entry])
		{
			directory->entries[entry].tid = extra[i].tid;
			deletion->first_dead[entry] = false;
			deletion->stats->tuples_removed++;
		}
		else
		{
			extra[kept++] = extra[i];
			continue;
		}
		deletion->further[entry]--;
	}
	return kept;
}

/*
 * Entries that have no further TIDs any more lose the flag that says so, and
 * those that have no TID at all become DEAD.  If "change" is false, only says
 * whether there are any.
 */
static bool
settle(Deletion *deletion, HnswDirectory *directory, bool change)
{
	bool		found = false;

	for (int i = 0; i < directory->used; i++)
	{
		HnswEntry  *entry = &directory->entries[i];

		if (deletion->further[i] > 0 || !(deletion->first_dead[i] || entry->state & HNSW_ENTRY_MORE))
			continue;
		found = true;
		if (!change)
			break;
		entry->state &= ~HNSW_ENTRY_MORE;
		if (deletion->first_dead[i])
		{
			entry->state = HNSW_ENTRY_DEAD;
			ItemPointerSetInvalid(&entry->tid);
			deletion->first_dead[i] = false;
			deletion->stats->tuples_removed++;
		}
	}
	return found;
}

/* Take the slot that "before" leads to out of a chain.  The directory page is locked. */
static void
unlink_after(HnswIndex *index, uint32 before, uint32 next)
{
	GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;
	Buffer		buffer;
	GraphSlot  *slot;

	(void) hnsw_tids_open(index, before, BUFFER_LOCK_EXCLUSIVE, &buffer);
	slot = (GraphSlot *) ((char *) hnsw_change_page(state, buffer) + graph_slot_offset(&index->geometry, before));
	slot->down = next;
	hnsw_finish_change(state, buffer, InvalidBuffer);
	UnlockReleaseBuffer(buffer);
}

/*
 * Remove dead TIDs from the chain of a directory page, which is locked
 * exclusively.  Slots that become empty are taken out; returns their numbers.
 */
static List *
delete_from_chain(Deletion *deletion, Buffer directory_buffer)
{
	HnswIndex  *index = deletion->index;
	const GraphGeometry *g = &index->geometry;
	List	   *empty = NIL;
	uint32		before = GRAPH_NO_NODE;
	uint32		node = HNSW_DIRECTORY(BufferGetPage(directory_buffer))->overflow;

	while (node != GRAPH_NO_NODE)
	{
		Buffer		buffer;
		GraphSlot  *slot = hnsw_tids_open(index, node, BUFFER_LOCK_EXCLUSIVE, &buffer);
		uint32		next = slot->down;
		int			left = slot->count;
		bool		work = has_work(deletion, HNSW_SLOT_EXTRA_TIDS(slot), left);

		/* Entries and further TIDs change together, so that none is lost. */
		if (work || (left == 0 && before == GRAPH_NO_NODE))
		{
			GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;
			HnswDirectory *directory = HNSW_DIRECTORY(hnsw_change_page(state, directory_buffer));

			slot = (GraphSlot *) ((char *) hnsw_change_page(state, buffer) + graph_slot_offset(g, node));
			left = remove_further(deletion, directory, HNSW_SLOT_EXTRA_TIDS(slot), slot->count);
			slot->count = left;
			settle(deletion, directory, true);
			if (left == 0 && before == GRAPH_NO_NODE)
				directory->overflow = next;
			hnsw_finish_change(state, directory_buffer, buffer);
		}
		UnlockReleaseBuffer(buffer);
		deletion->stats->num_index_tuples += left;
		if (left > 0)
			before = node;
		else
		{
			empty = lappend_int(empty, node);
			if (before != GRAPH_NO_NODE)
				unlink_after(index, before, next);
		}
		node = next;
	}
	return empty;
}

/* Remove all dead TIDs that a directory page leads to. */
static void
delete_from_directory(Deletion *deletion, BlockNumber block)
{
	HnswIndex  *index = deletion->index;
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_open(index, block, deletion->strategy, BUFFER_LOCK_SHARE, &buffer);
	List	   *empty;
	ListCell   *cell;

	if (directory == NULL)
		return;
	if (!leads_to_dead(deletion, block, directory))
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	UnlockReleaseBuffer(buffer);

	directory = hnsw_directory_open(index, block, deletion->strategy, BUFFER_LOCK_EXCLUSIVE, &buffer);
	survey(deletion, block, directory);
	if (settle(deletion, directory, false) ||
		has_work(deletion, HNSW_EXTRA_TIDS(&index->geometry, directory), directory->extra))
	{
		GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;

		directory = HNSW_DIRECTORY(hnsw_change_page(state, buffer));
		directory->extra = remove_further(deletion, directory, HNSW_EXTRA_TIDS(&index->geometry, directory),
										  directory->extra);
		settle(deletion, directory, true);
		hnsw_directory_set_lower(index, directory);
		hnsw_finish_change(state, buffer, InvalidBuffer);
	}
	empty = delete_from_chain(deletion, buffer);

	directory = HNSW_DIRECTORY(BufferGetPage(buffer));
	deletion->stats->num_index_tuples += directory->extra;
	for (int i = 0; i < directory->used; i++)
		deletion->stats->num_index_tuples += HNSW_ENTRY_STATE(&directory->entries[i]) == HNSW_ENTRY_LIVE;
	UnlockReleaseBuffer(buffer);

	/* Their entries may be on other directory pages. */
	foreach(cell, empty)
		hnsw_node_free(index, lfirst_int(cell));
	list_free(empty);
}

/* ambulkdelete */
IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, IndexBulkDeleteCallback callback, void *state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw bulk delete", ALLOCSET_DEFAULT_SIZES);
	Deletion	deletion = {0};
	MemoryContext old;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	old = MemoryContextSwitchTo(context);
	deletion.index = hnsw_open(info->index);
	deletion.strategy = info->strategy;
	deletion.callback = callback;
	deletion.callback_state = state;
	deletion.stats = stats;
	deletion.first_dead = palloc(sizeof(bool) * deletion.index->geometry.group_nodes);
	deletion.further = palloc(sizeof(uint32) * deletion.index->geometry.group_nodes);
	for (uint32 group = 0; group < hnsw_count_groups(deletion.index); group++)
	{
		vm_vacuum_delay_point();
		VM_POINT("hnsw_delete_page");
		delete_from_directory(&deletion, hnsw_group_block(deletion.index, group));
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
	hnsw_take_census(index, info->strategy, &census, NULL);
	if (!counted)
	{
		stats->num_index_tuples = census.tids;
		stats->estimated_count = false;
	}
	if (census.dead > 0 && census.dead >= HNSW_REPAIR_SHARE * (census.live + census.dead))
		hnsw_repair(index, info->strategy);

	/*
	 * An insert may have read the entry point just before it went, as the
	 * last node there was, and added a node that nobody begins at.
	 */
	hnsw_read_meta(index);
	if (index->meta.entry == GRAPH_NO_NODE)
	{
		hnsw_take_census(index, info->strategy, &census, NULL);
		if (census.some_live != GRAPH_NO_NODE)
			hnsw_set_entry(index, census.some_live, 0, false);
	}
	IndexFreeSpaceMapVacuum(info->index);
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}
