/*
 * prune.h: which neighbours a node keeps.
 *
 * Pure C.  README, "Links".
 */
#ifndef HNSW_PRUNE_H
#define HNSW_PRUNE_H

#include "graph/walk.h"

/* The distance between candidates a and b. */
typedef float (*HnswPairDistance) (void *context, int a, int b);

/* What becomes of a link back to a new node. */
typedef struct HnswBackLink
{
	int			place;			/* index to write the link at; -1 for none */
	bool		chosen;			/* by the diversity rule */
} HnswBackLink;

extern float hnsw_relax(HnswMetric metric);
extern int	hnsw_select(const HnswNear *candidates, int count, int room, int most, float relax,
						HnswPairDistance pair, void *context, int *picked, int *chosen);
extern HnswBackLink hnsw_back_link(const uint32_t *links, const float *distances,
								   const float *to_new, int count, int room, float relax,
								   float distance, bool must, uint32_t *demoted, int *demoted_count);

#endif							/* HNSW_PRUNE_H */
