/*
 * sparse.h: vectors most of whose elements are 0, as the index keeps them.
 *
 * Pure C.  README, "Sparse vectors".
 */
#ifndef HNSW_SPARSE_H
#define HNSW_SPARSE_H

#include <stdint.h>

#include "vector/sparsevec_distance.h"

/* Elements that are kept: the largest. */
#define HNSW_SPARSE_KEPT 128

/* Dimensions of the sketch that codes are made of. */
#define HNSW_SKETCH_DIM 512

/* In the place of floats where a vector is sparse: the same number of words. */
typedef struct HnswSparse
{
	int32_t		indices[HNSW_SPARSE_KEPT];	/* ascending, then 0 */
	float		values[HNSW_SPARSE_KEPT];	/* then 0 */
	float		error;			/* length of what is not kept, as a slot has
								 * it */
	int32_t		count;			/* elements kept */
} HnswSparse;

#define HNSW_SPARSE_WORDS (sizeof(HnswSparse) / sizeof(float))

extern SparseList hnsw_sparse_list(const HnswSparse *sparse);
extern float hnsw_sparse_norm(const HnswSparse *sparse);
extern void hnsw_sparse_sketch(const HnswSparse *sparse, float *sketch);

#endif							/* HNSW_SPARSE_H */
