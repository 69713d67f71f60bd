/*
 * walk.c: heaps, the set of nodes met, and the walk itself.
 */
#include "graph/walk.h"

#include <math.h>
#include <string.h>

#define VISITED_START 4096
#define HEAP_START 256

/* Knuth's multiplicative hash spreads neighbouring numbers. */
#define HASH(node) ((node) * UINT32_C(2654435769))

/* Memory of the source; what the walk holds is counted. */
static void *
resize(GraphWalk *walk, void *memory, size_t from, size_t to)
{
	walk->memory += to - from;
	return walk->source->resize(walk->source->context, memory, to);
}

/*
 * Add to a heap; sign is 1 for the nearest at the root, -1 for the farthest.
 */
static inline __attribute__((always_inline))
void
heap_push(GraphWalk *walk, GraphHeap *heap, float sign, float distance, uint32_t node)
{
	uint32_t	i;

	if (heap->count == heap->room)
	{
		uint32_t	room = heap->room == 0 ? HEAP_START : heap->room * 2;

		heap->items = resize(walk, heap->items, heap->room * sizeof(GraphNear), room * sizeof(GraphNear));
		heap->room = room;
	}
	for (i = heap->count++; i > 0; i = (i - 1) / 2)
	{
		GraphNear  *parent = &heap->items[(i - 1) / 2];

		if (sign * parent->distance <= sign * distance)
			break;
		heap->items[i] = *parent;
	}
	heap->items[i] = (GraphNear)
	{
		distance, node
	};
}

/* Take the root off a heap that is not empty. */
static inline __attribute__((always_inline))
GraphNear
heap_pop(GraphHeap *heap, float sign)
{
	GraphNear	top = heap->items[0];
	GraphNear	last = heap->items[--heap->count];
	uint32_t	i = 0;

	for (;;)
	{
		uint32_t	child = 2 * i + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
			sign * heap->items[child + 1].distance < sign * heap->items[child].distance)
			child++;
		if (sign * last.distance <= sign * heap->items[child].distance)
			break;
		heap->items[i] = heap->items[child];
		i = child;
	}
	heap->items[i] = last;
	return top;
}

/*
 * Begin a walk: all zero but for memory kept from an earlier one.
 */
void
graph_walk_init(GraphWalk *walk, const GraphSource *source, GraphQuery *query)
{
	memset(walk, 0, sizeof(*walk));
	walk->source = source;
	walk->query = query;
	walk->visited_mask = VISITED_START - 1;
	walk->visited = resize(walk, NULL, 0, VISITED_START * sizeof(uint32_t));
	memset(walk->visited, 0xff, VISITED_START * sizeof(uint32_t));
}

/*
 * Forget all nodes; level and counters stay.
 */
void
graph_walk_reset(GraphWalk *walk)
{
	walk->frontier.count = walk->ready.count = walk->best.count = walk->rest.count = 0;
	walk->visited_count = 0;
	memset(walk->visited, 0xff, (walk->visited_mask + (size_t) 1) * sizeof(uint32_t));
}

/*
 * Give the memory back, by resizing it to nothing.
 */
void
graph_walk_free(GraphWalk *walk)
{
	GraphHeap  *heaps[] = {&walk->frontier, &walk->ready, &walk->best, &walk->rest};

	for (int i = 0; i < 4; i++)
	{
		if (heaps[i]->items != NULL)
			resize(walk, heaps[i]->items, heaps[i]->room * sizeof(GraphNear), 0);
		memset(heaps[i], 0, sizeof(GraphHeap));
	}
	resize(walk, walk->visited, (walk->visited_mask + (size_t) 1) * sizeof(uint32_t), 0);
	walk->visited = NULL;
}

/* The place of a node in the table, or the free place where it would go. */
static inline uint32_t *
visited_place(const GraphWalk *walk, uint32_t node)
{
	uint32_t	i = HASH(node);

	i ^= i >> 15;
	for (;; i++)
	{
		uint32_t   *place = &walk->visited[i & walk->visited_mask];

		if (*place == node || *place == UINT32_MAX)
			return place;
	}
}

/* Double the table of nodes met. */
static void
visited_grow(GraphWalk *walk)
{
	uint32_t   *old = walk->visited;
	size_t		size = walk->visited_mask + (size_t) 1;

	walk->visited = resize(walk, NULL, 0, 2 * size * sizeof(uint32_t));
	memset(walk->visited, 0xff, 2 * size * sizeof(uint32_t));
	walk->visited_mask = (uint32_t) (2 * size - 1);
	for (size_t i = 0; i < size; i++)
	{
		if (old[i] != UINT32_MAX)
			*visited_place(walk, old[i]) = old[i];
	}
	resize(walk, old, size * sizeof(uint32_t), 0);
}

/*
 * Whether the walk has met a node: read it or seen it among neighbours.
 */
bool
graph_walk_met(const GraphWalk *walk, uint32_t node)
{
	return *visited_place(walk, node) == node;
}

/* Mark a node as met; false if it was. */
static inline bool
meet(GraphWalk *walk, uint32_t node)
{
	uint32_t   *place = visited_place(walk, node);

	if (*place == node)
		return false;
	*place = node;
	walk->visited_count++;
	return true;
}

/*
 * Add a node to start from, unless the walk has met it.
 */
void
graph_walk_start(GraphWalk *walk, uint32_t node, float estimate)
{
	if (meet(walk, node))
		heap_push(walk, &walk->frontier, 1, estimate, node);
}

/*
 * Set how many of the nearest nodes must have been read before the walk rests.
 * A walk can only be widened.
 */
void
graph_walk_widen(GraphWalk *walk, uint32_t width)
{
	if (width > walk->width)
		walk->width = width;
	while (walk->best.count < walk->width && walk->rest.count > 0)
	{
		GraphNear	near = heap_pop(&walk->rest, 1);

		heap_push(walk, &walk->best, -1, near.distance, near.node);
	}
}

/* Keep a distance among the "width" best, or with the rest. */
static void
rank(GraphWalk *walk, float distance, uint32_t node)
{
	if (walk->best.count >= walk->width)
	{
		GraphNear	worst;

		if (distance >= walk->best.items[0].distance)
		{
			heap_push(walk, &walk->rest, 1, distance, node);
			return;
		}
		worst = heap_pop(&walk->best, -1);
		heap_push(walk, &walk->rest, 1, worst.distance, worst.node);
	}
	heap_push(walk, &walk->best, -1, distance, node);
}

/* Read a node: its exact distance, and estimates of the neighbours not met. */
static void
read_node(GraphWalk *walk, uint32_t node)
{
	const GraphGeometry *g = walk->query->geometry;
	const GraphSlot *slot;
	const uint32_t *links;
	uint16_t	which[GRAPH_MAX_LINKS];
	uint32_t	nodes[GRAPH_MAX_LINKS];
	float		estimates[GRAPH_MAX_LINKS];
	int			count = 0;
	float		distance;
	float		key;
	uint32_t	down;

	walk->hops++;
	if (walk->source->prefetch != NULL)
		walk->source->prefetch(walk->source->context, node);
	slot = walk->source->open(walk->source->context, node);
	/* While this one is computed, memory can fetch what is likely the next. */
	if (walk->source->prefetch != NULL && walk->frontier.count > 0)
		walk->source->prefetch(walk->source->context, walk->frontier.items[0].node);
	if (slot == NULL)
		return;
	if (slot->level != walk->level)
	{
		/* A stale link: the slot was taken by a node of another level. */
		walk->source->close(walk->source->context);
		return;
	}
	if ((walk->visited_count + GRAPH_MAX_LINKS) * (uint64_t) 2 > walk->visited_mask)
		visited_grow(walk);
	distance = graph_exact(walk->query, slot);
	if (isnan(distance))
		distance = INFINITY;
	links = graph_slot_links(g, slot);
	for (int i = 0; i < slot->count; i++)
	{
		uint32_t	neighbour = GRAPH_LINK_NODE(links[i]);

		if (meet(walk, neighbour))
		{
			nodes[count] = neighbour;
			which[count++] = (uint16_t) i;
		}
	}
	graph_estimate(walk->query, slot, distance, which, count, estimates);
	/* On an upper level what counts is the way down, and how near it begins. */
	down = walk->level > 0 ? slot->down : node;
	key = walk->level > 0 ? distance : graph_key(walk->query, slot, distance);
	if (walk->source->visit != NULL)
		walk->source->visit(walk->source->context, slot, distance);
	walk->source->close(walk->source->context);
	walk->estimates += count;
	rank(walk, distance, node);
	heap_push(walk, &walk->ready, 1, isnan(key) ? INFINITY : key, down);
	for (int i = 0; i < count; i++)
		heap_push(walk, &walk->frontier, 1, isnan(estimates[i]) ? INFINITY : estimates[i], nodes[i]);
}

/*
 * Read the most promising node.  Returns false, and reads none, if the walk may
 * rest: no node met promises to be among the "width" nearest.
 */
bool
graph_walk_step(GraphWalk *walk)
{
	if (walk->frontier.count == 0)
		return false;
	if (walk->best.count >= walk->width && walk->best.count > 0 &&
		walk->frontier.items[0].distance > walk->best.items[0].distance)
		return false;
	read_node(walk, heap_pop(&walk->frontier, 1).node);
	return true;
}

/*
 * Add a node that was found elsewhere to those to take, "key" being its graph_key.
 */
void
graph_walk_add(GraphWalk *walk, uint32_t node, float key)
{
	heap_push(walk, &walk->ready, 1, isnan(key) ? INFINITY : key, node);
}

/*
 * Take the nearest node read and not yet taken.  Its
 * distance is its graph_key.  Returns false if there is none.
 */
bool
graph_walk_take(GraphWalk *walk, GraphNear *nearest)
{
	if (walk->ready.count == 0)
		return false;
	*nearest = heap_pop(&walk->ready, 1);
	return true;
}

/*
 * Begin on the level below, from what lies below the nearest nodes read and not
 * taken, to read "width" nodes or more.  Returns false if there is nothing.
 */
bool
graph_walk_down(GraphWalk *walk, uint32_t width)
{
	GraphNear	below[GRAPH_WALK_STARTS];
	int			count = 0;

	while (count < GRAPH_WALK_STARTS && graph_walk_take(walk, &below[count]))
		count += below[count].node != GRAPH_NO_NODE;
	graph_walk_reset(walk);
	walk->width = width;
	walk->level--;
	for (int i = 0; i < count; i++)
		graph_walk_start(walk, below[i].node, below[i].distance);
	return count > 0;
}

/* Nodes to read on a level: few, but for the last above the one wanted. */
static uint32_t
descent_width(int level, int to)
{
	if (level == to)
		return 0;
	return level == to + 1 ? GRAPH_DESCENT_WIDTH : GRAPH_DESCENT_WIDTH_ABOVE;
}

/*
 * Begin at a node of level "from" and walk down to level "to", reading
 * GRAPH_DESCENT_WIDTH nodes or more on each level above it.  The walk is then
 * ready to go on to "to", with width 0 or, if it is there already, at the node.
 * Returns false if the way down is lost.
 */
bool
graph_walk_descend(GraphWalk *walk, uint32_t node, int from, int to)
{
	graph_walk_reset(walk);
	walk->level = from;
	walk->width = descent_width(from, to);
	graph_walk_start(walk, node, 0);
	for (int level = from; level > to; level--)
	{
		while (graph_walk_step(walk))
			;
		if (!graph_walk_down(walk, descent_width(level - 1, to)))
			return false;
	}
	return true;
}
