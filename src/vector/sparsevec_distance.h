/*
 * sparsevec_distance.h: distances of sparse vectors, without a server.
 */
#ifndef VECMARK_SPARSEVEC_DISTANCE_H
#define VECMARK_SPARSEVEC_DISTANCE_H

#include <stdint.h>

/* The elements of a sparse vector that are not 0, wherever they are stored. */
typedef struct SparseList
{
	const int32_t *indices;		/* ascending */
	const float *values;
	int			count;
} SparseList;

extern float sparse_l2_squared(const SparseList *a, const SparseList *b);
extern float sparse_inner_product(const SparseList *a, const SparseList *b);
extern float sparse_l1(const SparseList *a, const SparseList *b);

#endif							/* VECMARK_SPARSEVEC_DISTANCE_H */
