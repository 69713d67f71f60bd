/*
 * hnsw_repair.c: leading links around nodes whose rows are gone, and freeing those.
 *
 * Inserts and scans go on meanwhile.  No insert links to a node that it sees to have
 * no rows; so once those that may have looked before have ended, new links lead to
 * nodes that stay, and the nodes there are then are all that need be looked at.  Once
 * those have ended that may have followed a link to a node that goes, its number may
 * be taken again: no link is left that leads to a node it was not made for.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/generic_xlog.h"
#include "commands/vacuum.h"
#include "graph/walk.h"
#include "hnsw/hnsw_census.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "testpoint/testpoint.h"
#include "utils/memutils.h"

/* Nodes read at most to find one that takes the place of a dead neighbour. */
#define DETOUR_READS 8
#define DETOUR_TRIES 8

/* Width of the search for a node to lead to one that nothing leads to. */
#define ADOPT_WIDTH 16

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
	uint32		instead;		/* or GRAPH_NO_NODE */
} Broken;

typedef struct Repair
{
	HnswIndex  *index;
	uint32		limit;			/* node numbers there are */
	HnswEntry  *entries;		/* of one group */

	/* By node number, a bit for those */
	uint8	   *doomed;			/* that are to be freed */
	uint8	   *free;			/* that were free when no insert was under way */
	uint8	   *poor;			/* that lost most of their links */
	uint8	   *reached;		/* that the entry point leads to */
	uint8	   *followed;		/* whose links have been followed from there */
	Upper	   *uppers;
	uint32		upper_count;
	uint32		upper_room;
	uint32		live;			/* a node of level 0 that stays, or
								 * GRAPH_NO_NODE */

	/* Of the node in hand. */
	GraphQuery *query;			/* its vector */
	GraphQuery *aside;			/* that of a neighbour that goes */
	MemoryContext context;		/* for one node */
	int			level;
	uint32		links[GRAPH_MAX_LINKS];
	int			count;
	Broken		broken[GRAPH_MAX_LINKS];
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

/* Whether a node is to be freed. */
static bool
is_doomed(const Repair *repair, uint32 node)
{
	return node < repair->limit && get_bit(repair->doomed, node);
}

/*
 * Whether a node is to be freed or is free.  A number that was free when it was
 * looked at may have been taken since.
 */
static bool
is_gone(Repair *repair, uint32 node)
{
	uint16		state;

	if (is_doomed(repair, node))
		return true;
	if (node >= repair->limit || !get_bit(repair->free, node))
		return false;
	state = hnsw_node_state(repair->index, node);
	return state == HNSW_ENTRY_FREE || state == HNSW_ENTRY_TIDS;
}

/* Copy the entries of a group; those never taken are FREE. */
static void
read_entries(Repair *repair, uint32 group)
{
	HnswIndex  *index = repair->index;
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_open(index, hnsw_group_block(index, group),
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
	upper->base = HNSW_ENTRY_BASE(entry);
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
					if (repair->live == GRAPH_NO_NODE && node != index->meta.odd)
						repair->live = node;
					break;
				default:
					break;
			}
		}
	}
	while (found)
	{
		found = false;
		for (uint32 i = 0; i < repair->upper_count; i++)
		{
			Upper	   *upper = &repair->uppers[i];

			if (upper->doomed || !is_doomed(repair, upper->base))
				continue;
			upper->doomed = found = true;
			set_bit(repair->doomed, upper->node);
		}
	}
}

/* Look which numbers are free now, and for a node to begin at if there was none. */
static void
find_free(Repair *repair)
{
	uint32		group_nodes = repair->index->geometry.group_nodes;

	for (uint32 group = 0; group < repair->limit / group_nodes; group++)
	{
		vm_vacuum_delay_point();
		read_entries(repair, group);
		for (uint32 i = 0; i < group_nodes; i++)
		{
			uint16		state = HNSW_ENTRY_STATE(&repair->entries[i]);
			uint32		node = group * group_nodes + i;

			if (state == HNSW_ENTRY_FREE || state == HNSW_ENTRY_TIDS)
				set_bit(repair->free, node);
			else if (state == HNSW_ENTRY_LIVE && repair->live == GRAPH_NO_NODE && node != repair->index->meta.odd)
				repair->live = node;
		}
	}
}

/* The level of a node, by its slot; -1 if there is none. */
static int
read_level(HnswIndex *index, uint32 node)
{
	const GraphSlot *slot = hnsw_slot_open(index, node);
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
	int			best_level = best == GRAPH_NO_NODE ? -1 : 0;

	hnsw_read_meta(index);
	if (index->meta.entry != GRAPH_NO_NODE && !is_doomed(repair, index->meta.entry))
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
		if (GRAPH_LINK_NODE(repair->links[i]) == node)
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
load_query(Repair *repair, uint32 node, GraphQuery *query)
{
	const GraphSlot *slot = hnsw_slot_open(repair->index, node);
	bool		fits = slot != NULL && slot->level == repair->level;

	if (fits)
		graph_slot_load(&repair->index->geometry, slot, query->vector);
	if (slot != NULL)
		hnsw_slot_close(repair->index);
	if (fits)
		graph_query_prepare(query);
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
	const GraphSlot *slot = hnsw_slot_open(index, node);
	uint32		links[GRAPH_MAX_LINKS];
	uint16		which[GRAPH_MAX_LINKS];
	float		distances[GRAPH_MAX_LINKS];
	float		aside[GRAPH_MAX_LINKS];
	float		next_distance = 0;
	int			count;
	int			found = 0;

	*next = GRAPH_NO_NODE;
	if (slot == NULL)
		return 0;
	count = slot->level == repair->level ? slot->count : 0;
	memcpy(links, graph_slot_links(&index->geometry, slot), sizeof(uint32) * count);
	for (int i = 0; i < count; i++)
		which[i] = i;
	graph_estimate(repair->query, slot, graph_exact(repair->query, slot), which, count, distances);
	if (beside)
		graph_estimate(repair->aside, slot, graph_exact(repair->aside, slot), which, count, aside);
	hnsw_slot_close(index);
	for (int i = 0; i < count; i++)
	{
		uint32		neighbour = GRAPH_LINK_NODE(links[i]);

		if (neighbour == from)
			continue;
		if (is_gone(repair, neighbour))
		{
			if (*next == GRAPH_NO_NODE || distances[i] < next_distance)
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
	Candidate	candidates[GRAPH_MAX_LINKS];
	int			count = 0;
	uint32		next = broken->gone;
	bool		beside = broken->chosen && load_query(repair, broken->gone, repair->aside);

	for (int reads = 0; reads < DETOUR_READS && next != GRAPH_NO_NODE && count == 0; reads++)
		count = read_detour(repair, next, from, beside, candidates, &next);
	qsort(candidates, count, sizeof(Candidate), compare_candidates);
	for (int i = 0; i < count && i < DETOUR_TRIES; i++)
	{
		const GraphSlot *slot = hnsw_slot_open(index, candidates[i].node);
		bool		fits;

		if (slot == NULL)
			continue;
		fits = slot->level == repair->level;
		if (fits)
			graph_slot_load(&index->geometry, slot, vector);
		hnsw_slot_close(index);
		if (fits)
			return candidates[i].node;
	}
	return GRAPH_NO_NODE;
}

/* Write what takes the place of the broken links of a node. */
static void
write_links(Repair *repair, uint32 node)
{
	const GraphGeometry *g = &repair->index->geometry;
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
		links = graph_slot_links(g, edit.slot);
		if (edit.slot->level != repair->level || broken->place >= edit.slot->count ||
			GRAPH_LINK_NODE(links[broken->place]) != broken->gone)
			continue;
		for (int j = 0; j < edit.slot->count && broken->instead != GRAPH_NO_NODE; j++)
		{
			if (GRAPH_LINK_NODE(links[j]) == broken->instead)
				broken->instead = GRAPH_NO_NODE;
		}
		if (!started)
			hnsw_edit_start(&edit);
		started = true;
		links = graph_slot_links(g, edit.slot);
		if (broken->instead != GRAPH_NO_NODE)
			graph_slot_set_link(g, edit.slot, broken->place,
								broken->instead | (links[broken->place] & GRAPH_LINK_CHOSEN),
								repair->query->vector, repair->vectors + (Size) i * g->words);
		else
			graph_slot_move_link(g, edit.slot, broken->place, --edit.slot->count);
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
	const GraphGeometry *g = &index->geometry;
	const GraphSlot *slot = hnsw_slot_open(index, node);

	if (slot == NULL)
		return;
	repair->level = slot->level;
	repair->count = slot->count;
	memcpy(repair->links, graph_slot_links(g, slot), sizeof(uint32) * slot->count);
	graph_slot_load(g, slot, repair->query->vector);
	hnsw_slot_close(index);

	repair->broken_count = 0;
	for (int i = 0; i < repair->count; i++)
	{
		uint32		neighbour = GRAPH_LINK_NODE(repair->links[i]);

		if (is_gone(repair, neighbour))
			repair->broken[repair->broken_count++] = (Broken)
		{
			i, (repair->links[i] & GRAPH_LINK_CHOSEN) != 0, neighbour, GRAPH_NO_NODE
		};
	}
	if (repair->broken_count == 0)
		return;
	if (repair->broken_count > repair->count / 2)
		set_bit(repair->poor, node);
	graph_query_prepare(repair->query);
	for (int i = 0; i < repair->broken_count; i++)
		repair->broken[i].instead = find_instead(repair, node, &repair->broken[i],
												 repair->vectors + (Size) i * g->words);
	write_links(repair, node);

	/* As after an insert: those it has chosen lead back, if they choose it. */
	for (int i = 0; i < repair->broken_count; i++)
	{
		Broken	   *broken = &repair->broken[i];

		if (broken->chosen && broken->instead != GRAPH_NO_NODE)
			hnsw_link_back(index, repair->query, broken->instead, node, repair->level,
						   graph_distance(g, repair->query->vector, repair->vectors + (Size) i * g->words), false);
	}
}

/*
 * Where most neighbours of a node go, what was found in the place of each is not what
 * a search finds.  It can now: links lead to what stays.
 */
static void
enrich_node(Repair *repair, uint32 node)
{
	MemoryContext old;

	if (!get_bit(repair->poor, node))
		return;
	old = MemoryContextSwitchTo(repair->context);
	hnsw_link_anew(repair->index, node);
	MemoryContextSwitchTo(old);
	MemoryContextReset(repair->context);
}

/* Let a function see each node that stays. */
static void
visit_nodes(Repair *repair, void (*visit) (Repair *repair, uint32 node))
{
	uint32		group_nodes = repair->index->geometry.group_nodes;

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

/* ---- so that the entry point leads to every node */

/* Mark what a node leads to as reached.  Returns whether any of that is before it. */
static bool
follow(Repair *repair, uint32 node)
{
	HnswIndex  *index = repair->index;
	const GraphSlot *slot = hnsw_slot_open(index, node);
	const uint32 *links;
	bool		back = false;

	set_bit(repair->followed, node);
	if (slot == NULL)
		return false;
	links = graph_slot_links(&index->geometry, slot);
	for (int i = slot->level > 0 ? -1 : 0; i < slot->count; i++)
	{
		uint32		next = i < 0 ? slot->down : GRAPH_LINK_NODE(links[i]);

		if (next >= repair->limit || get_bit(repair->reached, next))
			continue;
		set_bit(repair->reached, next);
		back |= next < node;
	}
	hnsw_slot_close(index);
	return back;
}

/* Follow links from all that is reached until nothing more is. */
static void
follow_all(Repair *repair)
{
	bool		again = true;

	while (again)
	{
		again = false;
		for (uint32 byte = 0; byte <= repair->limit / 8; byte++)
		{
			while (repair->reached[byte] & ~repair->followed[byte])
			{
				uint32		node = byte * 8 + pg_rightmost_one_pos32(repair->reached[byte] & ~repair->followed[byte]);

				vm_vacuum_delay_point();
				again |= follow(repair, node);
			}
		}
	}
}

/*
 * Search from the entry point for the nearest node to the one in hand that is
 * reached and stays.  Returns GRAPH_NO_NODE if it meets none.
 */
static GraphNear
find_reached(Repair *repair)
{
	HnswIndex  *index = repair->index;
	GraphNear	nearest = {INFINITY, GRAPH_NO_NODE};
	GraphSource source;
	GraphWalk	walk;

	hnsw_read_meta(index);
	hnsw_source_init(&source, index);
	graph_walk_init(&walk, &source, repair->query);
	if (repair->level <= index->meta.entry_level &&
		graph_walk_descend(&walk, index->meta.entry, index->meta.entry_level, repair->level))
	{
		graph_walk_widen(&walk, ADOPT_WIDTH);
		while (graph_walk_step(&walk))
			;
	}
	for (uint32 i = 0; i < walk.best.count; i++)
	{
		const GraphNear *near = &walk.best.items[i];

		if (near->distance < nearest.distance && near->node < repair->limit &&
			get_bit(repair->reached, near->node) && !is_gone(repair, near->node))
			nearest = *near;
	}
	graph_walk_free(&walk);
	return nearest;
}

/*
 * If nothing leads to a node, let the nearest that is reached lead there, and the
 * node to that.
 */
static void
adopt_node(Repair *repair, uint32 node)
{
	HnswIndex  *index = repair->index;
	GraphNear	nearest;
	const GraphSlot *slot;

	/* One made since the repair began was linked to by whoever made it. */
	if (get_bit(repair->reached, node) || get_bit(repair->free, node) || node == index->meta.odd)
		return;
	slot = hnsw_slot_open(index, node);
	if (slot == NULL)
		return;
	repair->level = slot->level;
	graph_slot_load(&index->geometry, slot, repair->query->vector);
	hnsw_slot_close(index);
	graph_query_prepare(repair->query);
	nearest = find_reached(repair);
	if (nearest.node == GRAPH_NO_NODE)
		return;
	hnsw_link_back(index, repair->query, nearest.node, node, repair->level, nearest.distance, true);
	if (load_query(repair, nearest.node, repair->aside))
		hnsw_link_back(index, repair->aside, node, nearest.node, repair->level, nearest.distance, false);
	set_bit(repair->reached, node);
	follow_all(repair);
}

/* Let each node that stays be reached. */
static void
join_parts(Repair *repair)
{
	hnsw_read_meta(repair->index);
	if (repair->index->meta.entry >= repair->limit)
		return;
	set_bit(repair->reached, repair->index->meta.entry);
	follow_all(repair);
	visit_nodes(repair, adopt_node);
}

/* ---- freeing */

/*
 * Free nodes of one directory page that are still in a state.
 */
static void
free_nodes(Repair *repair, BlockNumber block, uint16 state, const uint32 *nodes, int count)
{
	HnswIndex  *index = repair->index;
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_open(index, block, BUFFER_LOCK_EXCLUSIVE, &buffer);
	GenericXLogState *log;

	if (directory == NULL)
		return;
	log = index->log ? GenericXLogStart(index->rel) : NULL;
	directory = HNSW_DIRECTORY(hnsw_change_page(log, buffer));
	for (int i = 0; i < count; i++)
	{
		HnswEntry  *entry = &directory->entries[graph_directory_index(&index->geometry, nodes[i])];

		if (HNSW_ENTRY_STATE(entry) == state)
			memset(entry, 0, sizeof(HnswEntry));
	}
	hnsw_finish_change(log, buffer, InvalidBuffer);
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
	const GraphGeometry *g = &index->geometry;
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

	hnsw_read_meta(index);
	for (uint32 group = 0; group < hnsw_count_groups(index); group++)
	{
		vm_vacuum_delay_point();
		read_entries(repair, group);
		for (uint32 i = 0; i < index->geometry.group_nodes; i++)
		{
			uint32		node = group * index->geometry.group_nodes + i;
			int			level;

			if (HNSW_ENTRY_STATE(&repair->entries[i]) != HNSW_ENTRY_UPPER)
				continue;
			level = read_level(index, node);
			if (level > index->meta.entry_level)
				hnsw_set_entry(index, node, level, false);
		}
	}
}

/* A bit for each of so many node numbers, none set. */
static uint8 *
make_bits(uint32 limit)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, limit / 8 + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * Wait for inserts that may have chosen neighbours that go, and look at the index
 * as it is then.
 */
static void
settle_limit(Repair *repair)
{
	const GraphGeometry *g = &repair->index->geometry;
	uint8	   *doomed = repair->doomed;
	uint32		before = repair->limit;

	if (!VM_FAULT("hnsw_repair_at_once"))
		hnsw_await_inserts(repair->index);
	repair->limit = hnsw_count_groups(repair->index) * g->group_nodes;
	repair->doomed = make_bits(repair->limit);
	memcpy(repair->doomed, doomed, before / 8 + 1);
	pfree(doomed);
	repair->free = make_bits(repair->limit);
	repair->poor = make_bits(repair->limit);
	repair->reached = make_bits(repair->limit);
	repair->followed = make_bits(repair->limit);
	find_free(repair);

	/* One may have begun at the last node there was, just before it went. */
	hnsw_read_meta(repair->index);
	if (repair->index->meta.entry == GRAPH_NO_NODE && repair->live != GRAPH_NO_NODE)
		hnsw_set_entry(repair->index, repair->live, 0, false);
}

/*
 * Lead links around the nodes whose rows are gone, and free those nodes.  Inserts
 * and scans go on meanwhile.
 */
void
hnsw_repair(HnswIndex *index)
{
	const GraphGeometry *g = &index->geometry;
	Repair	   *repair = palloc0(sizeof(Repair));

	repair->index = index;
	repair->limit = hnsw_count_groups(index) * g->group_nodes;
	repair->entries = palloc(sizeof(HnswEntry) * g->group_nodes);
	repair->doomed = make_bits(repair->limit);
	repair->live = GRAPH_NO_NODE;
	repair->query = graph_query_init(palloc(graph_query_size(g)), g);
	repair->aside = graph_query_init(palloc(graph_query_size(g)), g);
	repair->vectors = palloc(sizeof(float) * g->shape.links * g->words);
	repair->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw repair", ALLOCSET_DEFAULT_SIZES);
	find_doomed(repair);

	/* Nobody is to begin at a node that goes, or add to it. */
	replace_entry(repair);
	if (index->meta.odd != GRAPH_NO_NODE && is_doomed(repair, index->meta.odd))
		hnsw_forget_odd(index, index->meta.odd);
	VM_POINT("hnsw_repair_begun");
	settle_limit(repair);

	visit_nodes(repair, repair_node);
	visit_nodes(repair, enrich_node);
	join_parts(repair);
	VM_POINT("hnsw_repair_done");
	/* Who follows links now has found none that leads to a node that goes. */
	if (!VM_FAULT("hnsw_free_at_once"))
		hnsw_await_inserts(index);
	free_doomed(repair);
	raise_entry(repair);
}
