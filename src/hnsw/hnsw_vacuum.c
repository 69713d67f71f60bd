/*
 * hnsw_vacuum.c: taking rows out, and now and then their nodes.
 *
 * Bulk delete sees the directory alone: a node without rows stays in the graph,
 * DEAD, as a stepping stone.  When enough are dead, the cleanup leads links around
 * them and frees them.  What is DEAD never comes to life again: an equal row gets
 * a new node.
 */
#include "postgres.h"
#include "compat.h"

#include "access/generic_xlog.h"
#include "access/xlog.h"
#include "commands/vacuum.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inspect.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "testpoint/testpoint.h"
#include "utils/memutils.h"

/* Nodes read at most to find one that takes the place of a dead neighbour. */
#define DETOUR_READS 8
#define DETOUR_TRIES 8

/* Directory pages of an index, as long as it is now. */
static uint32
count_groups(HnswIndex *index)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index->rel);

	return blocks < 2 ? 0 : (blocks - 2) / index->geometry.group_pages + 1;
}

static BlockNumber
group_block(const HnswIndex *index, uint32 group)
{
	return 1 + group * index->geometry.group_pages;
}

/*
 * Lock a directory page.  Returns NULL, with nothing to release, if the page was
 * never written: a crash came between.
 */
static HnswDirectory *
open_directory(HnswIndex *index, BlockNumber block, BufferAccessStrategy strategy, int mode, Buffer * buffer)
{
	Page		page;
	HnswDirectory *directory;

	*buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
	LockBuffer(*buffer, mode);
	page = BufferGetPage(*buffer);
	if (PageIsNew(page))
	{
		UnlockReleaseBuffer(*buffer);
		return NULL;
	}
	hnsw_check_page(index, page, block, HNSW_PAGE_DIRECTORY);
	directory = HNSW_DIRECTORY(page);
	if (directory->used > index->geometry.group_nodes || directory->extra > HNSW_EXTRA_ROOM(&index->geometry))
		hnsw_corrupt(index, block, "head of a directory page is impossible");
	return directory;
}

/* Begin to change a locked page: returns what to write to. */
static Page
change_page(GenericXLogState * state, Buffer buffer)
{
	return state != NULL ? GenericXLogRegisterBuffer(state, buffer, 0) : BufferGetPage(buffer);
}

/* Log the change of one page or, unless "second" is invalid, of two. */
static void
finish_change(GenericXLogState * state, Buffer first, Buffer second)
{
	if (state != NULL)
	{
		GenericXLogFinish(state);
		return;
	}
	MarkBufferDirty(first);
	if (second != InvalidBuffer)
		MarkBufferDirty(second);
}

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

/* A chain of slots cannot be longer than there are slots. */
static void
check_chain(HnswIndex *index, BlockNumber block, uint32 steps)
{
	if (steps > index->node_limit)
		hnsw_corrupt(index, block, "a chain of TIDs has no end");
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
	for (uint32 steps = 0; next != HNSW_NO_NODE && !found; steps++)
	{
		Buffer		buffer;
		HnswSlot   *slot = hnsw_tids_open(index, next, BUFFER_LOCK_SHARE, &buffer);

		extra = HNSW_SLOT_EXTRA_TIDS(slot);
		for (int i = 0; i < slot->count && !found; i++)
			found = is_dead(deletion, &extra[i].tid);
		tids += slot->count;
		next = slot->down;
		UnlockReleaseBuffer(buffer);
		check_chain(index, block, steps);
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
	const HnswGeometry *g = &index->geometry;
	uint32		next = directory->overflow;

	memset(deletion->further, 0, sizeof(uint32) * g->group_nodes);
	for (int i = 0; i < directory->used; i++)
		deletion->first_dead[i] = HNSW_ENTRY_STATE(&directory->entries[i]) == HNSW_ENTRY_LIVE &&
			is_dead(deletion, &directory->entries[i].tid);
	count_further(deletion, block, directory, HNSW_EXTRA_TIDS(g, directory), directory->extra);
	for (uint32 steps = 0; next != HNSW_NO_NODE; steps++)
	{
		Buffer		buffer;
		HnswSlot   *slot = hnsw_tids_open(index, next, BUFFER_LOCK_SHARE, &buffer);

		count_further(deletion, block, directory, HNSW_SLOT_EXTRA_TIDS(slot), slot->count);
		next = slot->down;
		UnlockReleaseBuffer(buffer);
		check_chain(index, block, steps);
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
	HnswSlot   *slot;

	(void) hnsw_tids_open(index, before, BUFFER_LOCK_EXCLUSIVE, &buffer);
	slot = (HnswSlot *) ((char *) change_page(state, buffer) + hnsw_slot_offset(&index->geometry, before));
	slot->down = next;
	finish_change(state, buffer, InvalidBuffer);
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
	const HnswGeometry *g = &index->geometry;
	List	   *empty = NIL;
	uint32		before = HNSW_NO_NODE;
	uint32		node = HNSW_DIRECTORY(BufferGetPage(directory_buffer))->overflow;

	while (node != HNSW_NO_NODE)
	{
		Buffer		buffer;
		HnswSlot   *slot = hnsw_tids_open(index, node, BUFFER_LOCK_EXCLUSIVE, &buffer);
		uint32		next = slot->down;
		int			left = slot->count;
		bool		work = has_work(deletion, HNSW_SLOT_EXTRA_TIDS(slot), left);

		/* Entries and further TIDs change together, so that none is lost. */
		if (work || (left == 0 && before == HNSW_NO_NODE))
		{
			GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;
			HnswDirectory *directory = HNSW_DIRECTORY(change_page(state, directory_buffer));

			slot = (HnswSlot *) ((char *) change_page(state, buffer) + hnsw_slot_offset(g, node));
			left = remove_further(deletion, directory, HNSW_SLOT_EXTRA_TIDS(slot), slot->count);
			slot->count = left;
			settle(deletion, directory, true);
			if (left == 0 && before == HNSW_NO_NODE)
				directory->overflow = next;
			finish_change(state, directory_buffer, buffer);
		}
		UnlockReleaseBuffer(buffer);
		deletion->stats->num_index_tuples += left;
		if (left > 0)
			before = node;
		else
		{
			empty = lappend_int(empty, node);
			if (before != HNSW_NO_NODE)
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
	HnswDirectory *directory = open_directory(index, block, deletion->strategy, BUFFER_LOCK_SHARE, &buffer);
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

	directory = open_directory(index, block, deletion->strategy, BUFFER_LOCK_EXCLUSIVE, &buffer);
	survey(deletion, block, directory);
	if (settle(deletion, directory, false) ||
		has_work(deletion, HNSW_EXTRA_TIDS(&index->geometry, directory), directory->extra))
	{
		GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;

		directory = HNSW_DIRECTORY(change_page(state, buffer));
		directory->extra = remove_further(deletion, directory, HNSW_EXTRA_TIDS(&index->geometry, directory),
										  directory->extra);
		settle(deletion, directory, true);
		hnsw_directory_set_lower(index, directory);
		finish_change(state, buffer, InvalidBuffer);
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
hnsw_bulk_delete(IndexVacuumInfo * info, IndexBulkDeleteResult * stats, IndexBulkDeleteCallback callback, void *state)
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
	for (uint32 group = 0; group < count_groups(deletion.index); group++)
	{
		vm_vacuum_delay_point();
		VM_POINT("hnsw_delete_page");
		delete_from_directory(&deletion, group_block(deletion.index, group));
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	stats->estimated_count = false;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	VM_POINT("hnsw_vacuum_marked");
	return stats;
}

/* ---- repair */

/* A node of an upper level that is to be freed. */
typedef struct Upper
{
	uint32		node;
	uint32		base;			/* the node below it */
	int			level;			/* set when it is to be freed */
	bool		doomed;
} Upper;

/* A link to a node that goes, or has gone, and what takes its place. */
typedef struct Broken
{
	int			place;			/* among the links */
	bool		chosen;			/* by the diversity rule */
	uint32		gone;
	uint32		instead;		/* or HNSW_NO_NODE */
} Broken;

typedef struct Repair
{
	HnswIndex  *index;
	BufferAccessStrategy strategy;
	uint32		limit;			/* node numbers looked at */
	HnswEntry  *entries;		/* of one group */

	/*
	 * By node number: a bit for those to be freed, for those that are free
	 * ...
	 */
	uint8	   *doomed;
	uint8	   *free;
	uint8	   *linked;			/* and for those that some node leads to */
	Upper	   *uppers;
	uint32		upper_count;
	uint32		upper_room;
	uint32		live;			/* a node of level 0 that stays, or
								 * HNSW_NO_NODE */

	/* Of the node in hand. */
	HnswQuery  *query;			/* its vector */
	HnswQuery  *aside;			/* that of a neighbour that goes */
	int			level;
	uint32		links[HNSW_MAX_LINKS];
	int			count;
	Broken		broken[HNSW_MAX_LINKS];
	int			broken_count;
	float	   *vectors;		/* of what takes a place, by index in broken */
} Repair;

static inline bool
get_bit(const uint8 *bits, uint32 node)
{
	return bits[node / 8] & (1 << node % 8);
}

static inline void
set_bit(uint8 *bits, uint32 node)
{
	bits[node / 8] |= 1 << node % 8;
}

/*
 * Whether a node is to be freed or is free.  A number that was free when the
 * repair began may have been taken since.
 */
static bool
is_gone(Repair *repair, uint32 node)
{
	uint16		state;

	if (node >= repair->limit)
		return false;
	if (get_bit(repair->doomed, node))
		return true;
	if (!get_bit(repair->free, node))
		return false;
	state = hnsw_node_state(repair->index, node);
	return state == HNSW_ENTRY_FREE || state == HNSW_ENTRY_TIDS;
}

/* Some node leads to this one. */
static inline void
set_linked(Repair *repair, uint32 node)
{
	if (node < repair->limit)
		set_bit(repair->linked, node);
}

/* Copy the entries of a group; those never taken are FREE. */
static void
read_entries(Repair *repair, uint32 group)
{
	HnswIndex  *index = repair->index;
	Buffer		buffer;
	HnswDirectory *directory = open_directory(index, group_block(index, group), repair->strategy,
											  BUFFER_LOCK_SHARE, &buffer);

	memset(repair->entries, 0, sizeof(HnswEntry) * index->geometry.group_nodes);
	if (directory == NULL)
		return;
	memcpy(repair->entries, directory->entries, sizeof(HnswEntry) * directory->used);
	UnlockReleaseBuffer(buffer);
}

static void
add_upper(Repair *repair, uint32 node, const HnswEntry *entry)
{
	Upper	   *upper;

	if (repair->upper_count == repair->upper_room)
	{
		repair->upper_room = repair->upper_room == 0 ? 256 : 2 * repair->upper_room;
		repair->uppers = repair->uppers == NULL ?
			palloc(repair->upper_room * sizeof(Upper)) :
			repalloc_huge(repair->uppers, repair->upper_room * sizeof(Upper));
	}
	upper = &repair->uppers[repair->upper_count++];
	upper->node = node;
	upper->base = ItemPointerGetBlockNumberNoCheck(&entry->tid);
	upper->doomed = false;
}

/*
 * Find the nodes that are to be freed: the DEAD, and what stands on them.  A node
 * of an upper level is made after the one below, and goes before it.
 */
static void
find_doomed(Repair *repair)
{
	HnswIndex  *index = repair->index;
	uint32		group_nodes = index->geometry.group_nodes;
	bool		found = true;

	for (uint32 group = 0; group < repair->limit / group_nodes; group++)
	{
		vm_vacuum_delay_point();
		read_entries(repair, group);
		for (uint32 i = 0; i < group_nodes; i++)
		{
			uint32		node = group * group_nodes + i;

			switch (HNSW_ENTRY_STATE(&repair->entries[i]))
			{
				case HNSW_ENTRY_DEAD:
					set_bit(repair->doomed, node);
					break;
				case HNSW_ENTRY_UPPER:
					add_upper(repair, node, &repair->entries[i]);
					break;
				case HNSW_ENTRY_LIVE:
					if (repair->live == HNSW_NO_NODE && node != index->meta.odd)
						repair->live = node;
					break;
				default:
					set_bit(repair->free, node);
			}
		}
	}
	while (found)
	{
		found = false;
		for (uint32 i = 0; i < repair->upper_count; i++)
		{
			Upper	   *upper = &repair->uppers[i];

			if (upper->doomed || !is_gone(repair, upper->base))
				continue;
			upper->doomed = found = true;
			set_bit(repair->doomed, upper->node);
		}
	}
}

/* The level of a node, by its slot; -1 if there is none. */
static int
read_level(HnswIndex *index, uint32 node)
{
	const HnswSlot *slot = hnsw_slot_open(index, node);
	int			level;

	if (slot == NULL)
		return -1;
	level = slot->level;
	hnsw_slot_close(index);
	return level;
}

/*
 * If the entry point goes, put a node of the highest level that stays in its place.
 */
static void
replace_entry(Repair *repair)
{
	HnswIndex  *index = repair->index;
	uint32		best = repair->live;
	int			best_level = best == HNSW_NO_NODE ? -1 : 0;

	hnsw_read_meta(index);
	if (index->meta.entry != HNSW_NO_NODE && !is_gone(repair, index->meta.entry))
		return;
	for (uint32 i = 0; i < repair->upper_count; i++)
	{
		int			level;

		if (repair->uppers[i].doomed)
			continue;
		level = read_level(index, repair->uppers[i].node);
		if (level > best_level)
		{
			best = repair->uppers[i].node;
			best_level = level;
		}
	}
	hnsw_set_entry(index, best, best_level, true);
}

/* Whether the node in hand leads to another, or is to. */
static bool
is_linked(const Repair *repair, uint32 node)
{
	for (int i = 0; i < repair->count; i++)
	{
		if (HNSW_LINK_NODE(repair->links[i]) == node)
			return true;
	}
	for (int i = 0; i < repair->broken_count; i++)
	{
		if (repair->broken[i].instead == node)
			return true;
	}
	return false;
}

/* A node that may take the place of one that goes. */
typedef struct Candidate
{
	uint32		node;
	float		distance;		/* from the node in hand */
	bool		beside;			/* the one that goes, more than the node in
								 * hand */
} Candidate;

static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	if (x->beside != y->beside)
		return x->beside ? -1 : 1;
	return (x->distance > y->distance) - (x->distance < y->distance);
}

/*
 * Make the vector of a node a query.  False if it is no node of the level in hand.
 */
static bool
load_query(Repair *repair, uint32 node, HnswQuery *query)
{
	const HnswSlot *slot = hnsw_slot_open(repair->index, node);
	bool		fits = slot != NULL && slot->level == repair->level;

	if (fits)
		hnsw_slot_load(&repair->index->geometry, slot, query->vector);
	if (slot != NULL)
		hnsw_slot_close(repair->index);
	if (fits)
		hnsw_query_prepare(query);
	return fits;
}

/*
 * Estimate how far the neighbours of a node that goes are from the node in hand,
 * and if "beside" from the query aside.  Those that stay and are new to it become
 * candidates; of the others the nearest that goes too becomes *next.
 */
static int
read_detour(Repair *repair, uint32 node, uint32 from, bool beside, Candidate *candidates, uint32 *next)
{
	HnswIndex  *index = repair->index;
	const HnswSlot *slot = hnsw_slot_open(index, node);
	uint32		links[HNSW_MAX_LINKS];
	uint16		which[HNSW_MAX_LINKS];
	float		distances[HNSW_MAX_LINKS];
	float		aside[HNSW_MAX_LINKS];
	float		next_distance = 0;
	int			count;
	int			found = 0;

	*next = HNSW_NO_NODE;
	if (slot == NULL)
		return 0;
	count = slot->level == repair->level ? slot->count : 0;
	memcpy(links, hnsw_slot_links(&index->geometry, slot), sizeof(uint32) * count);
	for (int i = 0; i < count; i++)
		which[i] = i;
	hnsw_estimate(repair->query, slot, hnsw_exact(repair->query, slot), which, count, distances);
	if (beside)
		hnsw_estimate(repair->aside, slot, hnsw_exact(repair->aside, slot), which, count, aside);
	hnsw_slot_close(index);
	for (int i = 0; i < count; i++)
	{
		uint32		neighbour = HNSW_LINK_NODE(links[i]);

		if (neighbour == from)
			continue;
		if (is_gone(repair, neighbour))
		{
			if (*next == HNSW_NO_NODE || distances[i] < next_distance)
			{
				*next = neighbour;
				next_distance = distances[i];
			}
		}
		else if (!is_linked(repair, neighbour))
			candidates[found++] = (Candidate)
		{
			neighbour, distances[i], beside && aside[i] < distances[i]
		};
	}
	return found;
}

/*
 * Find a node to link to instead of one that goes: the nearest of its neighbours
 * or, if they all go too, of theirs.  Its vector is stored.  A link that the
 * diversity rule chose leads in a direction of its own: what replaces it is to lie
 * there, rather than next to the node in hand, so that parts of the graph which
 * few links join stay joined.
 */
static uint32
find_instead(Repair *repair, uint32 from, const Broken *broken, float *vector)
{
	HnswIndex  *index = repair->index;
	Candidate	candidates[HNSW_MAX_LINKS];
	int			count = 0;
	uint32		next = broken->gone;
	bool		beside = broken->chosen && load_query(repair, broken->gone, repair->aside);

	for (int reads = 0; reads < DETOUR_READS && next != HNSW_NO_NODE && count == 0; reads++)
		count = read_detour(repair, next, from, beside, candidates, &next);
	qsort(candidates, count, sizeof(Candidate), compare_candidates);
	for (int i = 0; i < count && i < DETOUR_TRIES; i++)
	{
		const HnswSlot *slot = hnsw_slot_open(index, candidates[i].node);
		bool		fits;

		if (slot == NULL)
			continue;
		fits = slot->level == repair->level;
		if (fits)
			hnsw_slot_load(&index->geometry, slot, vector);
		hnsw_slot_close(index);
		if (fits)
			return candidates[i].node;
	}
	return HNSW_NO_NODE;
}

/* Move a link to another place of its slot. */
static void
move_link(const HnswGeometry *g, HnswSlot *slot, int to, int from)
{
	hnsw_slot_links(g, slot)[to] = hnsw_slot_links(g, slot)[from];
	hnsw_slot_factors(g, slot)[to] = hnsw_slot_factors(g, slot)[from];
	memcpy(hnsw_slot_code(g, slot, to), hnsw_slot_code(g, slot, from), g->code_bytes);
}

/* Write what takes the place of the broken links of a node. */
static void
write_links(Repair *repair, uint32 node)
{
	const HnswGeometry *g = &repair->index->geometry;
	HnswEdit	edit;
	uint32	   *links;
	bool		started = false;

	if (!hnsw_edit_open(&edit, repair->index, node))
		return;
	/* From the last to the first: a link that moves has been looked at. */
	for (int i = repair->broken_count - 1; i >= 0; i--)
	{
		Broken	   *broken = &repair->broken[i];

		/* Others may have written to the slot since it was read. */
		links = hnsw_slot_links(g, edit.slot);
		if (edit.slot->level != repair->level || broken->place >= edit.slot->count ||
			HNSW_LINK_NODE(links[broken->place]) != broken->gone)
			continue;
		for (int j = 0; j < edit.slot->count && broken->instead != HNSW_NO_NODE; j++)
		{
			if (HNSW_LINK_NODE(links[j]) == broken->instead)
				broken->instead = HNSW_NO_NODE;
		}
		if (!started)
			hnsw_edit_start(&edit);
		started = true;
		links = hnsw_slot_links(g, edit.slot);
		if (broken->instead != HNSW_NO_NODE)
			hnsw_slot_set_link(g, edit.slot, broken->place,
							   broken->instead | (links[broken->place] & HNSW_LINK_CHOSEN),
							   repair->query->vector, repair->vectors + (Size) i * g->shape.dim);
		else
			move_link(g, edit.slot, broken->place, --edit.slot->count);
	}
	if (started)
		hnsw_edit_finish(&edit);
	else
		hnsw_edit_close(&edit);
}

/* Lead the links of a node around those that go. */
static void
repair_node(Repair *repair, uint32 node)
{
	HnswIndex  *index = repair->index;
	const HnswGeometry *g = &index->geometry;
	const HnswSlot *slot = hnsw_slot_open(index, node);

	if (slot == NULL)
		return;
	repair->level = slot->level;
	repair->count = slot->count;
	memcpy(repair->links, hnsw_slot_links(g, slot), sizeof(uint32) * slot->count);
	hnsw_slot_load(g, slot, repair->query->vector);
	hnsw_slot_close(index);

	repair->broken_count = 0;
	for (int i = 0; i < repair->count; i++)
	{
		uint32		neighbour = HNSW_LINK_NODE(repair->links[i]);

		if (!is_gone(repair, neighbour))
			set_linked(repair, neighbour);
		else
			repair->broken[repair->broken_count++] = (Broken)
		{
			i, (repair->links[i] & HNSW_LINK_CHOSEN) != 0, neighbour, HNSW_NO_NODE
		};
	}
	if (repair->broken_count == 0)
		return;
	hnsw_query_prepare(repair->query);
	for (int i = 0; i < repair->broken_count; i++)
	{
		repair->broken[i].instead = find_instead(repair, node, &repair->broken[i],
												 repair->vectors + (Size) i * g->shape.dim);
		set_linked(repair, repair->broken[i].instead);
	}
	write_links(repair, node);

	/* As after an insert: those it has chosen lead back, if they choose it. */
	for (int i = 0; i < repair->broken_count; i++)
	{
		Broken	   *broken = &repair->broken[i];

		if (broken->chosen && broken->instead != HNSW_NO_NODE)
			hnsw_link_back(index, repair->query, broken->instead, node, repair->level,
						   hnsw_distance(g->shape.metric, repair->query->vector,
										 repair->vectors + (Size) i * g->shape.dim, g->shape.dim), false);
	}
}

/*
 * Let the nearest neighbour of a node that none leads to any more lead to it.
 */
static void
adopt_node(Repair *repair, uint32 node)
{
	HnswIndex  *index = repair->index;
	const HnswSlot *slot;
	uint16		which[HNSW_MAX_LINKS];
	float		distances[HNSW_MAX_LINKS];
	uint32		nearest = HNSW_NO_NODE;
	float		least = 0;

	/* One made since the repair began was linked to by whoever made it. */
	if (get_bit(repair->linked, node) || get_bit(repair->free, node) ||
		node == index->meta.entry || node == index->meta.odd)
		return;
	slot = hnsw_slot_open(index, node);
	if (slot == NULL)
		return;
	repair->level = slot->level;
	repair->count = slot->count;
	memcpy(repair->links, hnsw_slot_links(&index->geometry, slot), sizeof(uint32) * slot->count);
	hnsw_slot_load(&index->geometry, slot, repair->query->vector);
	hnsw_query_prepare(repair->query);
	for (int i = 0; i < repair->count; i++)
		which[i] = i;
	hnsw_estimate(repair->query, slot, hnsw_exact(repair->query, slot), which, repair->count, distances);
	hnsw_slot_close(index);
	for (int i = 0; i < repair->count; i++)
	{
		uint32		neighbour = HNSW_LINK_NODE(repair->links[i]);

		if ((nearest == HNSW_NO_NODE || distances[i] < least) && !is_gone(repair, neighbour))
		{
			nearest = neighbour;
			least = distances[i];
		}
	}
	if (nearest == HNSW_NO_NODE && repair->level == 0 && repair->live != node)
		nearest = repair->live;
	slot = nearest == HNSW_NO_NODE ? NULL : hnsw_slot_open(index, nearest);
	if (slot == NULL)
		return;
	least = hnsw_exact(repair->query, slot);
	hnsw_slot_close(index);
	hnsw_link_back(index, repair->query, nearest, node, repair->level, least, true);
}

/* Let a function see each node that stays. */
static void
visit_nodes(Repair *repair, void (*visit) (Repair *repair, uint32 node))
{
	uint32		group_nodes = repair->index->geometry.group_nodes;

	hnsw_read_meta(repair->index);
	for (uint32 group = 0; group < repair->limit / group_nodes; group++)
	{
		if (visit == repair_node)
			VM_POINT("hnsw_repair_page");
		read_entries(repair, group);
		for (uint32 i = 0; i < group_nodes; i++)
		{
			uint16		state = HNSW_ENTRY_STATE(&repair->entries[i]);
			uint32		node = group * group_nodes + i;

			if ((state != HNSW_ENTRY_LIVE && state != HNSW_ENTRY_UPPER) || get_bit(repair->doomed, node))
				continue;
			vm_vacuum_delay_point();
			visit(repair, node);
		}
	}
}

/*
 * Free nodes of one directory page that are still in a state.
 */
static void
free_nodes(Repair *repair, BlockNumber block, uint16 state, const uint32 *nodes, int count)
{
	HnswIndex  *index = repair->index;
	Buffer		buffer;
	HnswDirectory *directory = open_directory(index, block, repair->strategy, BUFFER_LOCK_EXCLUSIVE, &buffer);
	GenericXLogState *log;

	if (directory == NULL)
		return;
	log = index->log ? GenericXLogStart(index->rel) : NULL;
	directory = HNSW_DIRECTORY(change_page(log, buffer));
	for (int i = 0; i < count; i++)
	{
		HnswEntry  *entry = &directory->entries[hnsw_directory_index(&index->geometry, nodes[i])];

		if (HNSW_ENTRY_STATE(entry) == state)
			memset(entry, 0, sizeof(HnswEntry));
	}
	finish_change(log, buffer, InvalidBuffer);
	UnlockReleaseBuffer(buffer);
	RecordPageWithFreeSpace(index->rel, block, HNSW_FREE_SPACE);
}

/* By level, highest first, then by number. */
static int
compare_uppers(const void *a, const void *b)
{
	const Upper *x = a;
	const Upper *y = b;

	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/* Free the nodes that go, from the highest level down, so that none is left in the air. */
static void
free_doomed(Repair *repair)
{
	HnswIndex  *index = repair->index;
	const HnswGeometry *g = &index->geometry;
	uint32	   *nodes = palloc(sizeof(uint32) * g->group_nodes);
	uint32		doomed = 0;

	for (uint32 i = 0; i < repair->upper_count; i++)
	{
		if (!repair->uppers[i].doomed)
			continue;
		repair->uppers[doomed] = repair->uppers[i];
		repair->uppers[doomed].level = read_level(index, repair->uppers[i].node);
		doomed++;
	}
	qsort(repair->uppers, doomed, sizeof(Upper), compare_uppers);
	for (uint32 i = 0; i < doomed;)
	{
		BlockNumber block = hnsw_directory_of(index, repair->uppers[i].node);
		int			level = repair->uppers[i].level;
		int			count = 0;

		vm_vacuum_delay_point();
		while (i < doomed && repair->uppers[i].level == level &&
			   hnsw_directory_of(index, repair->uppers[i].node) == block)
			nodes[count++] = repair->uppers[i++].node;
		free_nodes(repair, block, HNSW_ENTRY_UPPER, nodes, count);
	}
	VM_POINT("hnsw_repair_freed_upper");
	for (uint32 start = 0; start < repair->limit; start += g->group_nodes)
	{
		int			count = 0;

		vm_vacuum_delay_point();
		for (uint32 node = start; node < start + g->group_nodes; node++)
		{
			if (get_bit(repair->doomed, node))
				nodes[count++] = node;
		}
		if (count > 0)
			free_nodes(repair, hnsw_directory_of(index, start), HNSW_ENTRY_DEAD, nodes, count);
	}
	pfree(nodes);
}

/*
 * Begin at a node of the highest level: an insert that ended while replace_entry
 * was choosing may have made one that it did not see.
 */
static void
raise_entry(Repair *repair)
{
	HnswIndex  *index = repair->index;

	for (uint32 group = 0; group < count_groups(index); group++)
	{
		vm_vacuum_delay_point();
		read_entries(repair, group);
		for (uint32 i = 0; i < index->geometry.group_nodes; i++)
		{
			uint32		node = group * index->geometry.group_nodes + i;

			if (HNSW_ENTRY_STATE(&repair->entries[i]) == HNSW_ENTRY_UPPER)
				hnsw_set_entry(index, node, read_level(index, node), false);
		}
	}
}

/*
 * Lead links around the nodes whose rows are gone, and free those nodes.  Inserts
 * and scans go on meanwhile; a link to such a node that an insert still makes is
 * stale later, which does no harm.
 */
static void
repair_graph(HnswIndex *index, BufferAccessStrategy strategy)
{
	const HnswGeometry *g = &index->geometry;
	Repair	   *repair = palloc0(sizeof(Repair));

	repair->index = index;
	repair->strategy = strategy;
	repair->limit = count_groups(index) * g->group_nodes;
	repair->entries = palloc(sizeof(HnswEntry) * g->group_nodes);
	repair->doomed = MemoryContextAllocExtended(CurrentMemoryContext, repair->limit / 8 + 1,
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	repair->free = MemoryContextAllocExtended(CurrentMemoryContext, repair->limit / 8 + 1,
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	repair->linked = MemoryContextAllocExtended(CurrentMemoryContext, repair->limit / 8 + 1,
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	repair->live = HNSW_NO_NODE;
	repair->query = hnsw_query_init(palloc(hnsw_query_size(g)), g);
	repair->aside = hnsw_query_init(palloc(hnsw_query_size(g)), g);
	repair->vectors = palloc(sizeof(float) * g->shape.links * g->shape.dim);
	find_doomed(repair);

	/* Nobody is to begin at a node that goes, or add to it. */
	replace_entry(repair);
	if (index->meta.odd != HNSW_NO_NODE && is_gone(repair, index->meta.odd))
		hnsw_forget_odd(index, index->meta.odd);

	visit_nodes(repair, repair_node);
	visit_nodes(repair, adopt_node);
	VM_POINT("hnsw_repair_done");
	free_doomed(repair);
	raise_entry(repair);
}

/* ---- cleanup */

/*
 * Count what the directory leads to, and unless "states" is NULL keep the state
 * of each node, in memory of the current context.  Pages with free entries are
 * put into the free space map, which may have forgotten them in a crash.
 */
void
hnsw_take_census(HnswIndex *index, BufferAccessStrategy strategy, HnswCensus *census, uint8 **states)
{
	const HnswGeometry *g = &index->geometry;
	uint32		groups = count_groups(index);

	memset(census, 0, sizeof(*census));
	census->some_live = HNSW_NO_NODE;
	census->limit = groups * g->group_nodes;
	if (states != NULL)
		*states = MemoryContextAllocExtended(CurrentMemoryContext, census->limit + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 group = 0; group < groups; group++)
	{
		BlockNumber block = group_block(index, group);
		int64		free_before = census->free;
		Buffer		buffer;
		HnswDirectory *directory;
		uint32		next;

		vm_vacuum_delay_point();
		directory = open_directory(index, block, strategy, BUFFER_LOCK_SHARE, &buffer);
		if (directory == NULL)
			continue;
		census->directory_pages++;
		for (int i = 0; i < directory->used; i++)
		{
			uint16		state = HNSW_ENTRY_STATE(&directory->entries[i]);
			uint32		node = group * g->group_nodes + i;

			if (states != NULL)
				(*states)[node] = (uint8) state;
			if (state == HNSW_ENTRY_LIVE && census->some_live == HNSW_NO_NODE && node != index->meta.odd)
				census->some_live = node;
			census->live += state == HNSW_ENTRY_LIVE;
			census->dead += state == HNSW_ENTRY_DEAD;
			census->upper += state == HNSW_ENTRY_UPPER;
			census->free += state == HNSW_ENTRY_FREE;
			census->tid_slots += state == HNSW_ENTRY_TIDS;
			census->tids += state == HNSW_ENTRY_LIVE;
		}
		census->tids += directory->extra;
		next = directory->overflow;
		for (uint32 steps = 0; next != HNSW_NO_NODE; steps++)
		{
			Buffer		chained;
			HnswSlot   *slot = hnsw_tids_open(index, next, BUFFER_LOCK_SHARE, &chained);

			census->tids += slot->count;
			next = slot->down;
			UnlockReleaseBuffer(chained);
			check_chain(index, block, steps);
		}
		UnlockReleaseBuffer(buffer);
		if (census->free > free_before && !RecoveryInProgress() &&
			GetRecordedFreeSpace(index->rel, block) < HNSW_FREE_SPACE / 2)
			RecordPageWithFreeSpace(index->rel, block, HNSW_FREE_SPACE);
	}
}

/* amvacuumcleanup */
IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo * info, IndexBulkDeleteResult * stats)
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
		repair_graph(index, info->strategy);

	/*
	 * An insert may have read the entry point just before it went, as the
	 * last node there was, and added a node that nobody begins at.
	 */
	hnsw_read_meta(index);
	if (index->meta.entry == HNSW_NO_NODE)
	{
		hnsw_take_census(index, info->strategy, &census, NULL);
		if (census.some_live != HNSW_NO_NODE)
			hnsw_set_entry(index, census.some_live, 0, false);
	}
	IndexFreeSpaceMapVacuum(info->index);
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}
