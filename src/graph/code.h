/*
 * code.h: a node's slot, the codes of its neighbours, and distances to both.
 *
 * Pure C.  README, "Codes", has the formulas.  Distances are internal ones, of
 * which only the order matters: squared for Euclidean and cosine, and negated
 * for inner product.  Where it says floats, bit strings are words of 32 bits,
 * and sparse vectors an HnswSparse.
 */
#ifndef HNSW_CODE_H
#define HNSW_CODE_H

#include "graph/geometry.h"

/*
 * The head of a slot.  What follows it is at the offsets of HnswGeometry: the
 * node's rotated vector, then the numbers, factors and codes of its neighbours.
 */
typedef struct HnswSlot
{
	uint32_t	node;			/* its own number */
	uint8_t		kind;			/* HNSW_SLOT_... */
	uint8_t		level;			/* 0 to HNSW_MAX_LEVEL */
	uint16_t	count;			/* links in use */
	uint32_t	down;			/* the same vector one level below; or none */
	float		scale;			/* of an int8 vector, else 1 */
	float		error;			/* length of what rounding took away */
	float		norm;			/* squared length of the vector as stored; of
								 * HNSW_POINCARE 1 less that; of bit strings 0 */
	uint32_t	reserved[2];	/* 0 */
} HnswSlot;

#define HNSW_SLOT_NONE 0		/* never written: a page of zeros */
#define HNSW_SLOT_NODE 1
#define HNSW_SLOT_TIDS 2		/* further TIDs of a directory page */

/* A link's number carries a bit: the diversity rule chose it. */
#define HNSW_LINK_CHOSEN UINT32_C(0x80000000)
#define HNSW_LINK_NODE(link) ((link) & ~HNSW_LINK_CHOSEN)

/* distance(query, neighbour) = base + add + multiply * code . query */
typedef struct HnswFactors
{
	float		add;
	float		multiply;
} HnswFactors;

static inline void *
hnsw_slot_vector(const HnswGeometry *g, const HnswSlot *slot)
{
	return (char *) slot + g->vector_offset;
}

static inline uint32_t *
hnsw_slot_links(const HnswGeometry *g, const HnswSlot *slot)
{
	return (uint32_t *) ((char *) slot + g->ids_offset);
}

static inline HnswFactors *
hnsw_slot_factors(const HnswGeometry *g, const HnswSlot *slot)
{
	return (HnswFactors *) ((char *) slot + g->factors_offset);
}

/* What the estimates of HNSW_POINCARE are multiplied by. */
static inline float *
hnsw_slot_scales(const HnswGeometry *g, const HnswSlot *slot)
{
	return (float *) ((char *) slot + g->scales_offset);
}

static inline uint8_t *
hnsw_slot_code(const HnswGeometry *g, const HnswSlot *slot, int link)
{
	return (uint8_t *) slot + g->codes_offset + (size_t) link * g->code_bytes;
}

/* A vector to search with, ready for exact distances and for estimates. */
typedef struct HnswQuery
{
	const HnswGeometry *geometry;
	float	   *vector;			/* rotated, "words" floats */
	float	   *coded;			/* what codes are multiplied with: vector, or
								 * its sketch */
	float		norm;			/* as of a slot */
	int8_t	   *weights;		/* rounded, 64 a code word; for L1, see README */
	int8_t	   *arranged;		/* the same in the order of the kernels */
	float		weight_step;
	int32_t		weight_sum;
	float	   *scratch;		/* as many */
	int32_t    *sums;			/* HNSW_MAX_LINKS */
} HnswQuery;

extern size_t hnsw_query_size(const HnswGeometry *geometry);
extern HnswQuery *hnsw_query_init(void *memory, const HnswGeometry *geometry);
extern void hnsw_query_prepare(HnswQuery *query);
extern float hnsw_exact(const HnswQuery *query, const HnswSlot *slot);
extern float hnsw_key(const HnswQuery *query, const HnswSlot *slot, float exact);
extern void hnsw_estimate(HnswQuery *query, const HnswSlot *slot, float exact,
						  const uint16_t *which, int count, float *estimates);

extern void hnsw_slot_store(const HnswGeometry *geometry, HnswSlot *slot, const float *vector);
extern void hnsw_slot_load(const HnswGeometry *geometry, const HnswSlot *slot, float *vector);
extern void hnsw_slot_move_link(const HnswGeometry *geometry, HnswSlot *slot, int to, int from);
extern void hnsw_slot_set_link(const HnswGeometry *geometry, HnswSlot *slot, int index, uint32_t link,
							   const float *own, const float *neighbour);
extern float hnsw_distance(const HnswGeometry *geometry, const float *a, const float *b);
extern double hnsw_output_distance(HnswMetric metric, float distance);

#endif							/* HNSW_CODE_H */
