/*
 * prune.h: which neighbours a node keeps.
 *
 * Pure C.  README, "Links".
 */
#ifndef GRAPH_PRUNE_H
#define GRAPH_PRUNE_H

#include "graph/walk.h"

/* The distance between candidates a and b. */
typedef float (*GraphPairDistance) (void *context, int a, int b);

/* What becomes of a link back to a new node. */
typedef struct GraphBackLink
{
	int			place;			/* index to write the link at; -1 for none */
	bool		chosen;			/* by the diversity rule */
} GraphBackLink;

extern float graph_relax(GraphMetric metric);
extern int	graph_select(const GraphNear *candidates, int count, int room, int most, float relax,
						 GraphPairDistance pair, void *context, int *picked, int *chosen);
extern GraphBackLink graph_back_link(const uint32_t *links, const float *distances,
									 const float *to_new, int count, int room, float relax,
									 float distance, bool must, uint32_t *demoted, int *demoted_count);

#endif							/* GRAPH_PRUNE_H */
