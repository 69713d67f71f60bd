/*
 * hnsw_insert.c: adding a row.
 *
 * One search, whose nodes are copied as they are read, gives the candidates; the
 * links of the new node are chosen among the copies.  The node is written, and
 * then its neighbours link back, one page each.
 */
#include "postgres.h"
#include "compat.h"

#include "graph/graph.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_place.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "replaced/replaced.h"
#include "storage/lmgr.h"
#include "testpoint/testpoint.h"
#include "utils/memutils.h"

/* A node that the search for neighbours has read. */
typedef struct Candidate
{
	GraphNear	near;
	float	   *vector;
} Candidate;

/* What one insertion has in hand. */
typedef struct Insertion
{
	HnswIndex  *index;
	GraphQuery *query;
	GraphSlot  *image;			/* of the new node */
	Candidate  *candidates;		/* on the level that is being searched */
	int			count;
	int			room;
	bool		collect;		/* copy the nodes that are read */
	uint32		self;			/* the node, if it is there already */
	uint32		equal;			/* a node with the same vector */
	bool		replaces;		/* a version of which the node is not known, */
	ItemPointerData replaced;	/* which is this */
	float	   *pool;			/* room for vectors of candidates */
	int			pool_left;
} Insertion;

/* A node that a backend found equal last: the next row may equal the next node. */
static struct
{
	VmRelLocator file;
	uint32		node;
}			last_equal = {.node = GRAPH_NO_NODE};

/* How far ahead of the last equal node to look: upper nodes lie between. */
#define LOOK_AHEAD 3

/* How much wider than ef_construction to search where few nodes have rows. */
#define MAX_WIDENING 64

/*
 * Add the row to a node that has just its vector, if the search can be spared:
 * to one that follows the node found equal last, as when all rows are updated.
 */
static bool
add_to_next(Insertion *insertion, ItemPointer tid)
{
	HnswIndex  *index = insertion->index;

	if (last_equal.node == GRAPH_NO_NODE || !VM_REL_LOCATOR_EQUALS(last_equal.file, VM_REL_LOCATOR(index->rel)))
		return false;
	for (uint32 node = last_equal.node; node <= last_equal.node + LOOK_AHEAD && node < index->node_limit; node++)
	{
		const GraphSlot *slot = hnsw_slot_open(index, node);
		bool		equal;

		if (slot == NULL)
			continue;
		equal = hnsw_same_vector(index, slot, insertion->image);
		hnsw_slot_close(index);
		if (equal && hnsw_node_add_tid(index, node, tid, insertion->image))
		{
			last_equal.node = node;
			return true;
		}
	}
	return false;
}

/*
 * Add the row to the node of the version that it replaces, if that is known and has just its vector.
 * If it has another, knowing more would not spare the search, either.
 */
static bool
add_to_replaced(Insertion *insertion, ItemPointer tid)
{
	HnswIndex  *index = insertion->index;
	uint32		node = insertion->replaces ? hnsw_place_get(index, insertion->replaced) : GRAPH_NO_NODE;

	if (node == GRAPH_NO_NODE)
		return false;
	insertion->replaces = false;
	return hnsw_node_add_tid(index, node, tid, insertion->image);
}

/*
 * Room for one more vector.  Taken in large pieces, as the C library keeps those
 * for the next statement.
 */
static float *
take_room(Insertion *insertion)
{
	Size		dim = insertion->index->geometry.words;

	if (insertion->pool_left == 0)
	{
		insertion->pool_left = 2 * insertion->index->meta.ef_construction;
		insertion->pool = MemoryContextAllocHuge(CurrentMemoryContext, insertion->pool_left * dim * sizeof(float));
	}
	return insertion->pool + dim * --insertion->pool_left;
}

/* Called for each node that the search reads, while its page is locked. */
static void
visit(void *context, const GraphSlot *slot, float distance)
{
	Insertion  *insertion = context;
	const GraphGeometry *g = &insertion->index->geometry;
	Candidate  *candidate;

	if (slot->node == insertion->self)
		return;
	if (insertion->self == GRAPH_NO_NODE && hnsw_same_vector(insertion->index, slot, insertion->image))
		insertion->equal = slot->node;
	if (!insertion->collect)
		return;
	if (insertion->count == insertion->room)
	{
		insertion->room *= 2;
		insertion->candidates = repalloc_huge(insertion->candidates, insertion->room * sizeof(Candidate));
	}
	candidate = &insertion->candidates[insertion->count++];
	candidate->near.distance = distance;
	candidate->near.node = slot->node;
	candidate->vector = take_room(insertion);
	graph_slot_load(g, slot, candidate->vector);
}

static const GraphSlot *
open_node(void *context, uint32 node)
{
	CHECK_FOR_INTERRUPTS();
	return hnsw_slot_open(((Insertion *) context)->index, node);
}

static void
prefetch_node(void *context, uint32 node)
{
	hnsw_prefetch(((Insertion *) context)->index, node);
}

static void
close_node(void *context)
{
	hnsw_slot_close(((Insertion *) context)->index);
}

static void *
resize(void *context, void *memory, size_t size)
{
	if (size == 0)
	{
		pfree(memory);
		return NULL;
	}
	if (memory == NULL)
		return MemoryContextAllocHuge(CurrentMemoryContext, size);
	return repalloc_huge(memory, size);
}

static void
init_source(GraphSource *source, Insertion *insertion)
{
	*source = (GraphSource)
	{
		insertion, open_node, close_node, visit, resize, prefetch_node
	};
}

static int
compare_candidates(const void *a, const void *b)
{
	float		x = ((const Candidate *) a)->near.distance;
	float		y = ((const Candidate *) b)->near.distance;

	return (x > y) - (x < y);
}

static float
pair_distance(void *context, int a, int b)
{
	Insertion  *insertion = context;

	return graph_distance(&insertion->index->geometry, insertion->candidates[a].vector,
						  insertion->candidates[b].vector);
}

/* Sort the candidates, and keep the nearest of those that have rows. */
static void
sift_candidates(Insertion *insertion, int level)
{
	HnswIndex  *index = insertion->index;
	int			kept = 0;

	qsort(insertion->candidates, insertion->count, sizeof(Candidate), compare_candidates);
	for (int i = 0; i < insertion->count && kept < index->meta.ef_construction; i++)
	{
		if (hnsw_node_lives(index, insertion->candidates[i].near.node, level))
			insertion->candidates[kept++] = insertion->candidates[i];
	}
	insertion->count = kept;
}

/*
 * Walk a level for candidates.  If the walk meets a node with the same vector that
 * is alive, the row is added to it, and the result is true.
 */
static bool
search_level(Insertion *insertion, GraphWalk *walk, int level, ItemPointer tid)
{
	HnswIndex  *index = insertion->index;
	int			width = index->meta.ef_construction;

	insertion->room = width * 2;
	insertion->candidates = palloc(insertion->room * sizeof(Candidate));
	insertion->count = 0;
	for (;; width *= 2)
	{
		graph_walk_widen(walk, width);
		while (graph_walk_step(walk))
		{
			uint32		equal = insertion->equal;

			if (equal == GRAPH_NO_NODE)
				continue;
			if (hnsw_node_add_tid(index, equal, tid, insertion->image))
			{
				last_equal.file = VM_REL_LOCATOR(index->rel);
				last_equal.node = equal;
				return true;
			}
			/* It is dead.  There may be another, made since. */
			insertion->equal = GRAPH_NO_NODE;
		}
		VM_POINT("hnsw_insert_walked");
		sift_candidates(insertion, level);
		/* Where many are dead, look farther, or the new node would be alone. */
		if (insertion->count >= index->meta.m || walk->frontier.count == 0 ||
			width >= MAX_WIDENING * index->meta.ef_construction)
			return false;
	}
}

/*
 * Let a node of a level link to a new one, if the diversity rule has it so or if
 * it "must".  query holds the new node's vector, "distance" is that between the
 * two.  Takes the lock of the node's slot: hold no other.
 */
void
hnsw_link_back(HnswIndex *index, GraphQuery *query, uint32 node, uint32 fresh, int level,
			   float distance, bool must)
{
	const GraphGeometry *g = &index->geometry;
	HnswEdit	edit;
	GraphQuery *own;
	uint32	   *links;
	uint16		which[GRAPH_MAX_LINKS];
	float		distances[GRAPH_MAX_LINKS];
	float		to_new[GRAPH_MAX_LINKS];
	uint32		demoted[GRAPH_MAX_LINKS];
	int			demoted_count;
	bool		linked = false;
	GraphBackLink back;
	int			count;

	if (!hnsw_edit_open(&edit, index, node))
		return;
	count = edit.slot->count;
	links = graph_slot_links(g, edit.slot);
	for (int i = 0; i < count; i++)
	{
		which[i] = i;
		linked |= GRAPH_LINK_NODE(links[i]) == fresh;
	}
	if (linked || edit.slot->level != level)
	{
		hnsw_edit_close(&edit);
		return;
	}
	own = graph_query_init(palloc(graph_query_size(g)), g);
	graph_slot_load(g, edit.slot, own->vector);
	graph_query_prepare(own);
	graph_estimate(own, edit.slot, graph_exact(own, edit.slot), which, count, distances);
	graph_estimate(query, edit.slot, distance, which, count, to_new);
	back = graph_back_link(links, distances, to_new, count, g->shape.links,
						   graph_relax(g->shape.metric), distance, must, demoted, &demoted_count);
	if (back.place < 0 || (!back.chosen && level == 0))
	{
		hnsw_edit_close(&edit);
		pfree(own);
		return;
	}
	hnsw_edit_start(&edit);
	links = graph_slot_links(g, edit.slot);
	for (int i = 0; i < demoted_count; i++)
		links[demoted[i]] &= ~GRAPH_LINK_CHOSEN;
	graph_slot_set_link(g, edit.slot, back.place, fresh | (back.chosen ? GRAPH_LINK_CHOSEN : 0),
						own->vector, query->vector);
	if (back.place == count)
		edit.slot->count++;
	hnsw_edit_finish(&edit);
	pfree(own);
}

/*
 * Choose the links of the image's node among the candidates.  Fills in *back, which
 * has room for as many as a node has links, with those that are to link back, and
 * returns how many those are.
 */
static int
choose_links(Insertion *insertion, GraphNear *back)
{
	HnswIndex  *index = insertion->index;
	const GraphGeometry *g = &index->geometry;
	GraphSlot  *image = insertion->image;
	GraphNear  *sorted = palloc(sizeof(GraphNear) * (insertion->count + 1));
	float	   *own = palloc(sizeof(float) * g->words);
	int			picked[GRAPH_MAX_LINKS];
	int			chosen;

	for (int i = 0; i < insertion->count; i++)
		sorted[i] = insertion->candidates[i].near;
	image->count = graph_select(sorted, insertion->count, g->shape.links, index->meta.m,
								graph_relax(g->shape.metric), pair_distance, insertion, picked, &chosen);
	graph_slot_load(g, image, own);
	for (int i = 0; i < image->count; i++)
		graph_slot_set_link(g, image, i, sorted[picked[i]].node | (i < chosen ? GRAPH_LINK_CHOSEN : 0),
							own, insertion->candidates[picked[i]].vector);
	chosen = Min(chosen, HNSW_BACK_LINKS(index->meta.m));
	for (int i = 0; i < chosen; i++)
		back[i] = sorted[picked[i]];
	pfree(sorted);
	pfree(own);
	return chosen;
}

/*
 * Make the new node of one level: choose its links among the candidates, write it
 * and let the chosen link back.  Returns its number.
 */
static uint32
make_node(Insertion *insertion, int level, uint32 down, ItemPointer tid)
{
	HnswIndex  *index = insertion->index;
	GraphSlot  *image = insertion->image;
	GraphNear	back[GRAPH_MAX_LINKS];
	int			count;
	uint32		node;

	image->kind = GRAPH_SLOT_NODE;
	image->level = level;
	image->down = down;
	count = choose_links(insertion, back);
	node = hnsw_node_add(index, image, level > 0 ? HNSW_ENTRY_UPPER : HNSW_ENTRY_LIVE, tid, down);
	VM_POINT("hnsw_insert_node");
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnsw_link_back(index, insertion->query, back[i].node, node, level, back[i].distance, i == 0);
	}
	VM_POINT("hnsw_insert_linked");
	return node;
}

/* The first node, or the odd one: nothing to link to.  The metapage is locked. */
typedef struct First
{
	Insertion  *insertion;
	ItemPointer tid;
} First;

static uint32
make_first(void *context, BlockNumber *blocks)
{
	First	   *first = context;
	GraphSlot  *image = first->insertion->image;

	image->kind = GRAPH_SLOT_NODE;
	image->level = 0;
	image->down = GRAPH_NO_NODE;
	image->count = 0;
	return hnsw_node_try_add(first->insertion->index, image, HNSW_ENTRY_LIVE, first->tid, 0, blocks);
}

/* Add a row whose vector has no direction. */
static void
insert_odd(Insertion *insertion, ItemPointer tid)
{
	HnswIndex  *index = insertion->index;
	First		first = {insertion, tid};

	memset(insertion->query->vector, 0, sizeof(float) * index->geometry.words);
	graph_slot_store(&index->geometry, insertion->image, insertion->query->vector);
	for (;;)
	{
		hnsw_read_meta(index);
		if (index->meta.odd == GRAPH_NO_NODE)
		{
			if (hnsw_make_first(index, true, make_first, &first))
				return;
		}
		else if (hnsw_node_add_tid(index, index->meta.odd, tid, NULL))
			return;
		else
			hnsw_forget_odd(index, index->meta.odd);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Search for neighbours from the entry point down and add the nodes; true if instead the row
 * was added to one that was there.
 */
static bool
insert_by_search(Insertion *insertion, ItemPointer tid, int level)
{
	HnswIndex  *index = insertion->index;
	GraphSource source;
	GraphWalk	walk;
	int			top = index->meta.entry_level;
	int			start = Min(level, top);
	Candidate  *found[GRAPH_MAX_LEVEL + 1];
	int			found_count[GRAPH_MAX_LEVEL + 1];
	uint32		node = GRAPH_NO_NODE;

	init_source(&source, insertion);
	graph_walk_init(&walk, &source, insertion->query);
	insertion->collect = false;
	if (!graph_walk_descend(&walk, index->meta.entry, top, start))
		hnsw_corrupt(index, HNSW_META_BLOCK, "the way down from the entry point is lost");
	insertion->collect = true;
	for (int l = start; l >= 0; l--)
	{
		if (search_level(insertion, &walk, l, tid))
			return true;
		found[l] = insertion->candidates;
		found_count[l] = insertion->count;
		if (l > 0 && !graph_walk_down(&walk, 0))
			hnsw_corrupt(index, HNSW_META_BLOCK, "the way down from the entry point is lost");
	}
	graph_walk_free(&walk);
	VM_POINT("hnsw_insert_found");

	/* From below, so that whoever meets an upper node finds what is under it. */
	for (int l = 0; l <= level; l++)
	{
		insertion->candidates = l <= start ? found[l] : NULL;
		insertion->count = l <= start ? found_count[l] : 0;
		node = make_node(insertion, l, node, tid);
	}
	/* Not only above "top": a vacuum may have put a lower node in its place. */
	if (level > 0)
		hnsw_set_entry(index, node, level, false);
	return false;
}

/*
 * Add a row: to the node of an equal vector if the search meets one, or as a new
 * node.  "vector" is formed by hnsw_form_vector, NULL for one without direction.
 * Allocates in the current context, which the caller resets.
 */
void
hnsw_insert_vector(HnswIndex *index, const float *vector, ItemPointer tid)
{
	const GraphGeometry *g = &index->geometry;
	Insertion	insertion = {0};
	First		first = {&insertion, tid};
	uint64		pages;
	int			level;

	insertion.index = index;
	insertion.query = graph_query_init(palloc(graph_query_size(g)), g);
	insertion.image = palloc0((Size) g->pages_per_slot * Max(g->slot_size, GRAPH_PAGE_ROOM));
	insertion.self = insertion.equal = GRAPH_NO_NODE;
	if (vector == NULL)
	{
		insert_odd(&insertion, tid);
		return;
	}
	graph_slot_store(g, insertion.image, vector);
	insertion.replaces = replaced_get(index->rel->rd_index->indrelid, &insertion.replaced);
	if (add_to_replaced(&insertion, tid) || add_to_next(&insertion, tid))
		return;
	pages = index->pages_read;
	/* As the node keeps it: those that link to it code it by that. */
	graph_slot_load(g, insertion.image, insertion.query->vector);
	graph_query_prepare(insertion.query);
	for (;;)
	{
		hnsw_read_meta(index);
		if (index->meta.entry != GRAPH_NO_NODE)
			break;
		if (hnsw_make_first(index, false, make_first, &first))
			return;
	}
	level = graph_random_level(hnsw_hash_vector(index, vector), index->meta.branching);
	if (insert_by_search(&insertion, tid, level) && insertion.replaces)
		hnsw_place_searched(index, index->pages_read - pages);
}

/* ---- for vacuum */

/*
 * Choose the links of a node that is there already anew, as if it was inserted now, and
 * let those chosen link back.  Nothing is done if that finds fewer than there are, or if
 * another changes the node meanwhile.  Allocates in the current context, which the
 * caller resets.
 */
void
hnsw_link_anew(HnswIndex *index, uint32 node)
{
	const GraphGeometry *g = &index->geometry;
	GraphSource source;
	GraphWalk	walk;
	Insertion	insertion = {.index = index,.self = node,.equal = GRAPH_NO_NODE};
	const GraphSlot *slot = hnsw_slot_open(index, node);
	GraphNear	back[GRAPH_MAX_LINKS];
	int			back_count;
	uint32		links[GRAPH_MAX_LINKS];
	int			count;
	int			level;
	HnswEdit	edit;

	if (slot == NULL)
		return;
	level = slot->level;
	count = slot->count;
	memcpy(links, graph_slot_links(g, slot), sizeof(uint32) * count);
	insertion.image = palloc0((Size) g->pages_per_slot * Max(g->slot_size, GRAPH_PAGE_ROOM));
	memcpy(insertion.image, slot, g->ids_offset);
	hnsw_slot_close(index);
	insertion.query = graph_query_init(palloc(graph_query_size(g)), g);
	graph_slot_load(g, insertion.image, insertion.query->vector);
	graph_query_prepare(insertion.query);

	hnsw_read_meta(index);
	init_source(&source, &insertion);
	graph_walk_init(&walk, &source, insertion.query);
	if (level > index->meta.entry_level ||
		!graph_walk_descend(&walk, index->meta.entry, index->meta.entry_level, level))
	{
		graph_walk_free(&walk);
		return;
	}
	insertion.collect = true;
	(void) search_level(&insertion, &walk, level, NULL);
	graph_walk_free(&walk);

	back_count = choose_links(&insertion, back);
	if (insertion.image->count < count || !hnsw_edit_open(&edit, index, node))
		return;
	if (edit.slot->level != level || edit.slot->count != count ||
		memcmp(graph_slot_links(g, edit.slot), links, sizeof(uint32) * count) != 0)
	{
		hnsw_edit_close(&edit);
		return;
	}
	hnsw_edit_start(&edit);
	memcpy((char *) edit.slot + g->ids_offset, (char *) insertion.image + g->ids_offset, g->slot_size - g->ids_offset);
	edit.slot->count = insertion.image->count;
	hnsw_edit_finish(&edit);
	for (int i = 0; i < back_count; i++)
		hnsw_link_back(index, insertion.query, back[i].node, node, level, back[i].distance, false);
}



/*
 * Each insert holds this lock in share mode from before it reads the entry point
 * until its links are made, a moment.  It is on the metapage, but has nothing to do
 * with the lock of its contents.
 */
static void
begin_insert(HnswIndex *index)
{
	if (!RelationUsesLocalBuffers(index->rel))
		LockPage(index->rel, HNSW_META_BLOCK, ShareLock);
}

static void
end_insert(HnswIndex *index)
{
	if (!RelationUsesLocalBuffers(index->rel))
		UnlockPage(index->rel, HNSW_META_BLOCK, ShareLock);
}

/*
 * Wait until the inserts that have begun have ended.  Those that begin later see what
 * the caller has written.  Takes a heavyweight lock: hold none on a buffer.
 */
void
hnsw_await_inserts(HnswIndex *index)
{
	if (RelationUsesLocalBuffers(index->rel))
		return;
	LockPage(index->rel, HNSW_META_BLOCK, ExclusiveLock);
	UnlockPage(index->rel, HNSW_META_BLOCK, ExclusiveLock);
}

/* What is kept from row to row of a statement. */
typedef struct InsertState
{
	HnswIndex  *index;
	float	   *vector;
	MemoryContext context;
} InsertState;

/* aminsert */
bool
hnsw_insert(Relation rel, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
			IndexUniqueCheck unique, bool unchanged, IndexInfo *info)
{
	InsertState *state = info->ii_AmCache;
	MemoryContext old;
	bool		formed;

	if (isnull[0])
		return false;
	if (state == NULL)
	{
		old = MemoryContextSwitchTo(info->ii_Context);
		state = palloc(sizeof(InsertState));
		state->index = hnsw_open(rel);
		state->vector = palloc(sizeof(float) * state->index->geometry.words);
		state->context = AllocSetContextCreate(info->ii_Context, "hnsw insert", ALLOCSET_DEFAULT_SIZES);
		info->ii_AmCache = state;
		MemoryContextSwitchTo(old);
	}
	state->index->rel = rel;
	old = MemoryContextSwitchTo(state->context);
	formed = hnsw_form_vector(state->index, values[0], state->vector);
	begin_insert(state->index);
	hnsw_insert_vector(state->index, formed ? state->vector : NULL, tid);
	end_insert(state->index);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
	return false;
}
