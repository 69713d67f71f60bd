/*
 * hnsw_sparse.h: vectors most of whose elements are 0, as the index keeps them.
 *
 * Pure C.  README, "Sparse vectors".
 */
#ifndef HNSW_SPARSE_H
#define HNSW_SPARSE_H

#include <stdint.h>

/* Elements that are kept: the largest. */
#define HNSW_SPARSE_KEPT 128

/* Dimensions of the sketch that codes are made of. */
#define HNSW_SKETCH_DIM 512

/* No element: it sorts behind all. */
#define HNSW_SPARSE_NONE UINT32_MAX

/* In the place of floats where a vector is sparse: the same number of words. */
typedef struct HnswSparse
{
	uint32_t	indices[HNSW_SPARSE_KEPT];	/* ascending, then
											 * HNSW_SPARSE_NONE */
	float		values[HNSW_SPARSE_KEPT];	/* then 0 */
	float		error;			/* length of what is not kept, as a slot has
								 * it */
} HnswSparse;

#define HNSW_SPARSE_WORDS (sizeof(HnswSparse) / sizeof(float))

extern float hnsw_sparse_norm(const HnswSparse *a);
extern float hnsw_sparse_inner_product(const HnswSparse *a, const HnswSparse *b);
extern float hnsw_sparse_l2_squared(const HnswSparse *a, const HnswSparse *b);
extern float hnsw_sparse_l1(const HnswSparse *a, const HnswSparse *b);
extern void hnsw_sparse_sketch(const HnswSparse *a, float *sketch);

#endif							/* HNSW_SPARSE_H */
