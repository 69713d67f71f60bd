/*
 * code.h: a node's slot, the codes of its neighbours, and distances to both.
 *
 * Pure C.  README, "Codes", has the formulas.  Distances are internal ones, of
 * which only the order matters: squared for Euclidean and cosine, and negated
 * for inner product.  Where it says floats, bit strings are words of 32 bits,
 * and sparse vectors an GraphSparse.
 */
#ifndef GRAPH_CODE_H
#define GRAPH_CODE_H

#include "graph/geometry.h"

/*
 * The head of a slot.  What follows it is at the offsets of GraphGeometry: the
 * node's rotated vector, then the numbers, factors and codes of its neighbours.
 */
typedef struct GraphSlot
{
	uint32_t	node;			/* its own number */
	uint8_t		kind;			/* GRAPH_SLOT_... */
	uint8_t		level;			/* 0 to GRAPH_MAX_LEVEL */
	uint16_t	count;			/* links in use */
	uint32_t	down;			/* the same vector one level below; or none */
	float		scale;			/* of an int8 vector, else 1 */
	float		error;			/* length of what rounding took away */
	float		norm;			/* squared length of the vector as stored; of
								 * GRAPH_POINCARE 1 less that; of bit strings
								 * 0 */
	uint32_t	reserved[2];	/* 0 */
} GraphSlot;

#define GRAPH_SLOT_NONE 0		/* never written: a page of zeros */
#define GRAPH_SLOT_NODE 1
#define GRAPH_SLOT_TIDS 2		/* further TIDs of a directory page */

/* A link's number carries a bit: the diversity rule chose it. */
#define GRAPH_LINK_CHOSEN UINT32_C(0x80000000)
#define GRAPH_LINK_NODE(link) ((link) & ~GRAPH_LINK_CHOSEN)

/* distance(query, neighbour) = base + add + multiply * code . query */
typedef struct GraphFactors
{
	float		add;
	float		multiply;
} GraphFactors;

/*
 * Where in a slot its parts are.  Nothing is checked: links and codes are read up
 * to the slot's count, which whoever reads a slot has seen to be at most "links".
 */
static inline void *
graph_slot_vector(const GraphGeometry *g, const GraphSlot *slot)
{
	return (char *) slot + g->vector_offset;
}

/* Numbers of the neighbours, with GRAPH_LINK_CHOSEN. */
static inline uint32_t *
graph_slot_links(const GraphGeometry *g, const GraphSlot *slot)
{
	return (uint32_t *) ((char *) slot + g->ids_offset);
}

/* As many factors; of bit strings there are none. */
static inline GraphFactors *
graph_slot_factors(const GraphGeometry *g, const GraphSlot *slot)
{
	return (GraphFactors *) ((char *) slot + g->factors_offset);
}

/* What the estimates of GRAPH_POINCARE are multiplied by. */
static inline float *
graph_slot_scales(const GraphGeometry *g, const GraphSlot *slot)
{
	return (float *) ((char *) slot + g->scales_offset);
}

/* The code of one neighbour: code_bytes. */
static inline uint8_t *
graph_slot_code(const GraphGeometry *g, const GraphSlot *slot, int link)
{
	return (uint8_t *) slot + g->codes_offset + (size_t) link * g->code_bytes;
}

/* A vector to search with, ready for exact distances and for estimates. */
typedef struct GraphQuery
{
	const GraphGeometry *geometry;
	float	   *vector;			/* rotated, "words" floats */
	float	   *coded;			/* what codes are multiplied with: vector, or
								 * its sketch */
	float		norm;			/* as of a slot */
	int8_t	   *weights;		/* rounded, 64 a code word; for L1, see code.c */
	int8_t	   *arranged;		/* the same in the order of the kernels */
	float		weight_step;
	int32_t		weight_sum;
	float	   *scratch;		/* as many */
	int32_t    *sums;			/* GRAPH_MAX_LINKS */
	bool		bounded;		/* graph_key is a bound in any case */
} GraphQuery;

extern size_t graph_query_size(const GraphGeometry *geometry);
extern GraphQuery *graph_query_init(void *memory, const GraphGeometry *geometry);
extern void graph_query_prepare(GraphQuery *query);
extern float graph_exact(const GraphQuery *query, const GraphSlot *slot);
extern float graph_key(const GraphQuery *query, const GraphSlot *slot, float exact);
extern void graph_estimate(GraphQuery *query, const GraphSlot *slot, float exact,
						   const uint16_t *which, int count, float *estimates);

extern void graph_slot_store(const GraphGeometry *geometry, GraphSlot *slot, const float *vector);
extern void graph_slot_load(const GraphGeometry *geometry, const GraphSlot *slot, float *vector);
extern void graph_round(const GraphGeometry *geometry, float *vector, int8_t *scratch);
extern void graph_slot_move_link(const GraphGeometry *geometry, GraphSlot *slot, int to, int from);
extern void graph_slot_set_link(const GraphGeometry *geometry, GraphSlot *slot, int index, uint32_t link,
								const float *own, const float *neighbour);
extern float graph_distance(const GraphGeometry *geometry, const float *a, const float *b);
extern double graph_output_distance(GraphMetric metric, float distance);

#endif							/* GRAPH_CODE_H */
