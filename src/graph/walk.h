/*
 * walk.h: the best-first walk over a graph of nodes, resumed as rows are asked for.
 *
 * Pure C.  README, "Walk".  Where nodes come from is the caller's business.
 */
#ifndef GRAPH_WALK_H
#define GRAPH_WALK_H

#include "graph/code.h"

/* Nodes read at least on the level above the one wanted, and on those above it. */
#define GRAPH_DESCENT_WIDTH 8
#define GRAPH_DESCENT_WIDTH_ABOVE 2

/* Nodes that a level is started from at most. */
#define GRAPH_WALK_STARTS 8

/* Memory for what a walk keeps: as realloc, but never returns NULL. */
typedef void *(*GraphResize) (void *context, void *memory, size_t size);

/* Where a walk gets its nodes. */
typedef struct GraphSource
{
	void	   *context;

	/*
	 * The slot of a node, readable until close is called; NULL, with nothing
	 * to close, if there is none any more.  Whatever it returns has been
	 * checked: node and count are in range, and so are the links.
	 */
	const GraphSlot *(*open) (void *context, uint32_t node);
	void		(*close) (void *context);

	/* Called between open and close with a node's distance; may be NULL. */
	void		(*visit) (void *context, const GraphSlot *slot, float distance);
	GraphResize resize;

	/* Says that a node may be opened soon; may be NULL. */
	void		(*prefetch) (void *context, uint32_t node);
} GraphSource;

/* A node and its distance, estimated or exact. */
typedef struct GraphNear
{
	float		distance;
	uint32_t	node;
} GraphNear;

/* A binary heap; the root is nearest, or farthest in "best" of a walk. */
typedef struct GraphHeap
{
	GraphNear  *items;
	uint32_t	count;
	uint32_t	room;
} GraphHeap;

typedef struct GraphWalk
{
	const GraphSource *source;
	GraphQuery *query;

	GraphHeap	frontier;		/* met and not yet read, by estimate */
	GraphHeap	ready;			/* read and not yet taken, by graph_key */
	GraphHeap	best;			/* the "width" nearest read, farthest first */
	GraphHeap	rest;			/* distances of all others read */
	uint32_t	width;
	int			level;			/* nodes of others are passed by */

	uint32_t   *visited;		/* hash table of all nodes met */
	uint32_t	visited_count;
	uint32_t	visited_mask;

	uint64_t	hops;			/* nodes read */
	uint64_t	estimates;
	size_t		memory;			/* bytes held */
} GraphWalk;

extern void graph_walk_init(GraphWalk *walk, const GraphSource *source, GraphQuery *query);
extern void graph_walk_reset(GraphWalk *walk);
extern void graph_walk_free(GraphWalk *walk);
extern void graph_walk_start(GraphWalk *walk, uint32_t node, float estimate);
extern void graph_walk_widen(GraphWalk *walk, uint32_t width);
extern bool graph_walk_step(GraphWalk *walk);
extern void graph_walk_add(GraphWalk *walk, uint32_t node, float key);
extern bool graph_walk_take(GraphWalk *walk, GraphNear *nearest);
extern bool graph_walk_met(const GraphWalk *walk, uint32_t node);
extern bool graph_walk_down(GraphWalk *walk, uint32_t width);
extern bool graph_walk_descend(GraphWalk *walk, uint32_t node, int from, int to);

#endif							/* GRAPH_WALK_H */
