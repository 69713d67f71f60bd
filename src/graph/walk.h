/*
 * walk.h: the best-first walk over a graph of nodes, resumed as rows are asked for.
 *
 * Pure C.  README, "Walk".  Where nodes come from is the caller's business.
 */
#ifndef HNSW_WALK_H
#define HNSW_WALK_H

#include "graph/code.h"

/* Nodes read at least on the level above the one wanted, and on those above it. */
#define HNSW_DESCENT_WIDTH 8
#define HNSW_DESCENT_WIDTH_ABOVE 2

/* Nodes that a level is started from at most. */
#define HNSW_WALK_STARTS 8

/* Memory for what a walk keeps: as realloc, but never returns NULL. */
typedef void *(*HnswResize) (void *context, void *memory, size_t size);

/* Where a walk gets its nodes. */
typedef struct HnswSource
{
	void	   *context;

	/*
	 * The slot of a node, readable until close is called; NULL, with nothing
	 * to close, if there is none any more.  Whatever it returns has been
	 * checked: node and count are in range, and so are the links.
	 */
	const HnswSlot *(*open) (void *context, uint32_t node);
	void		(*close) (void *context);

	/* Called between open and close with a node's distance; may be NULL. */
	void		(*visit) (void *context, const HnswSlot *slot, float distance);
	HnswResize	resize;

	/* Says that a node may be opened soon; may be NULL. */
	void		(*prefetch) (void *context, uint32_t node);
} HnswSource;

/* A node and its distance, estimated or exact. */
typedef struct HnswNear
{
	float		distance;
	uint32_t	node;
} HnswNear;

/* A binary heap; the root is nearest, or farthest in "best" of a walk. */
typedef struct HnswHeap
{
	HnswNear   *items;
	uint32_t	count;
	uint32_t	room;
} HnswHeap;

typedef struct HnswWalk
{
	const HnswSource *source;
	HnswQuery  *query;

	HnswHeap	frontier;		/* met and not yet read, by estimate */
	HnswHeap	ready;			/* read and not yet taken, by hnsw_key */
	HnswHeap	best;			/* the "width" nearest read, farthest first */
	HnswHeap	rest;			/* distances of all others read */
	uint32_t	width;
	int			level;			/* nodes of others are passed by */

	uint32_t   *visited;		/* hash table of all nodes met */
	uint32_t	visited_count;
	uint32_t	visited_mask;

	uint64_t	hops;			/* nodes read */
	uint64_t	estimates;
	size_t		memory;			/* bytes held */
} HnswWalk;

extern void hnsw_walk_init(HnswWalk *walk, const HnswSource *source, HnswQuery *query);
extern void hnsw_walk_reset(HnswWalk *walk);
extern void hnsw_walk_free(HnswWalk *walk);
extern void hnsw_walk_start(HnswWalk *walk, uint32_t node, float estimate);
extern void hnsw_walk_widen(HnswWalk *walk, uint32_t width);
extern bool hnsw_walk_step(HnswWalk *walk);
extern void hnsw_walk_add(HnswWalk *walk, uint32_t node, float key);
extern bool hnsw_walk_take(HnswWalk *walk, HnswNear *nearest);
extern bool hnsw_walk_met(const HnswWalk *walk, uint32_t node);
extern bool hnsw_walk_down(HnswWalk *walk, uint32_t width);
extern bool hnsw_walk_descend(HnswWalk *walk, uint32_t node, int from, int to);

#endif							/* HNSW_WALK_H */
