/*
 * sparse.h: vectors most of whose elements are 0, as the index keeps them.
 *
 * Pure C.  README, "Sparse vectors".
 */
#ifndef GRAPH_SPARSE_H
#define GRAPH_SPARSE_H

#include <stdint.h>

#include "vector/sparsevec_distance.h"

/* Elements that are kept: the largest. */
#define GRAPH_SPARSE_KEPT 128

/* Dimensions of the sketch that codes are made of. */
#define GRAPH_SKETCH_DIM 512

/* In the place of floats where a vector is sparse: the same number of words. */
typedef struct GraphSparse
{
	int32_t		indices[GRAPH_SPARSE_KEPT]; /* ascending, then 0 */
	float		values[GRAPH_SPARSE_KEPT];	/* then 0 */
	float		error;			/* length of what is not kept, as a slot has
								 * it */
	int32_t		count;			/* elements kept */
} GraphSparse;

#define GRAPH_SPARSE_WORDS (sizeof(GraphSparse) / sizeof(float))

extern SparseList graph_sparse_list(const GraphSparse *sparse);
extern float graph_sparse_norm(const GraphSparse *sparse);
extern void graph_sparse_sketch(const GraphSparse *sparse, float *sketch);

#endif							/* GRAPH_SPARSE_H */
