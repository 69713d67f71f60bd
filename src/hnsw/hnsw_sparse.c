/*
 * hnsw_sparse.c: distances of sparse vectors, and their sketches.
 *
 * A sketch adds each element to four of its coordinates, chosen and signed by a
 * hash of the index, and then spreads them all by a Hadamard transform.  Lengths
 * and inner products are kept on average (Kane and Nelson, Sparser
 * Johnson-Lindenstrauss Transforms, 2014), which is what estimates need.
 */
#include "hnsw/hnsw_sparse.h"

#include <math.h>
#include <string.h>

#include "hnsw/hnsw_rotation.h"

/* Coordinates of the sketch that an element is added to. */
#define COPIES 4

/* Squared length. */
float
hnsw_sparse_norm(const HnswSparse *a)
{
	float		sum = 0;

	for (int i = 0; i < HNSW_SPARSE_KEPT && a->indices[i] != HNSW_SPARSE_NONE; i++)
		sum += a->values[i] * a->values[i];
	return sum;
}

/* The inner product of two vectors. */
float
hnsw_sparse_inner_product(const HnswSparse *a, const HnswSparse *b)
{
	float		sum = 0;
	int			i = 0;
	int			j = 0;

	while (i < HNSW_SPARSE_KEPT && j < HNSW_SPARSE_KEPT)
	{
		uint32_t	x = a->indices[i];
		uint32_t	y = b->indices[j];

		if (x == y)
			sum += a->values[i] * b->values[j];
		i += x <= y;
		j += y <= x;
	}
	return sum;
}

/* Squared Euclidean distance. */
float
hnsw_sparse_l2_squared(const HnswSparse *a, const HnswSparse *b)
{
	float		sum = 0;
	int			i = 0;
	int			j = 0;

	while (i < HNSW_SPARSE_KEPT || j < HNSW_SPARSE_KEPT)
	{
		uint32_t	x = i < HNSW_SPARSE_KEPT ? a->indices[i] : HNSW_SPARSE_NONE;
		uint32_t	y = j < HNSW_SPARSE_KEPT ? b->indices[j] : HNSW_SPARSE_NONE;
		float		difference = 0;

		if (x == HNSW_SPARSE_NONE && y == HNSW_SPARSE_NONE)
			break;
		if (x <= y)
			difference = a->values[i++];
		if (y <= x)
			difference -= b->values[j++];
		sum += difference * difference;
	}
	return sum;
}

/* Taxicab distance. */
float
hnsw_sparse_l1(const HnswSparse *a, const HnswSparse *b)
{
	float		sum = 0;
	int			i = 0;
	int			j = 0;

	while (i < HNSW_SPARSE_KEPT || j < HNSW_SPARSE_KEPT)
	{
		uint32_t	x = i < HNSW_SPARSE_KEPT ? a->indices[i] : HNSW_SPARSE_NONE;
		uint32_t	y = j < HNSW_SPARSE_KEPT ? b->indices[j] : HNSW_SPARSE_NONE;
		float		difference = 0;

		if (x == HNSW_SPARSE_NONE && y == HNSW_SPARSE_NONE)
			break;
		if (x <= y)
			difference = a->values[i++];
		if (y <= x)
			difference -= b->values[j++];
		sum += fabsf(difference);
	}
	return sum;
}

/* The finaliser of MurmurHash3. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ (x >> 33);
}

/*
 * The sketch of a vector: HNSW_SKETCH_DIM floats.  The same for ever, as what an
 * index holds depends on it.
 */
void
hnsw_sparse_sketch(const HnswSparse *a, float *sketch)
{
	memset(sketch, 0, sizeof(float) * HNSW_SKETCH_DIM);
	for (int i = 0; i < HNSW_SPARSE_KEPT && a->indices[i] != HNSW_SPARSE_NONE; i++)
	{
		uint64_t	hash = mix(a->indices[i] + UINT64_C(1));
		float		value = a->values[i] / 2;

		for (int j = 0; j < COPIES; j++)
		{
			sketch[hash % HNSW_SKETCH_DIM] += hash >> 15 & 1 ? -value : value;
			hash >>= 16;
		}
	}
	hnsw_hadamard(sketch, HNSW_SKETCH_DIM);
}
