/*
 * sparse.c: sparse vectors as the index keeps them, and their sketches.
 *
 * A sketch adds each element to four of its coordinates, chosen and signed by a
 * hash of the index, and then spreads them all by a Hadamard transform.  Lengths
 * and inner products are kept on average (Kane and Nelson, Sparser
 * Johnson-Lindenstrauss Transforms, 2014), which is what estimates need.
 */
#include "graph/sparse.h"

#include <string.h>

#include "graph/rotation.h"

/* Coordinates of the sketch that an element is added to. */
#define COPIES 4

/*
 * The elements as distances take them.  A count from a damaged page is cut to what
 * there is room for.
 */
SparseList
graph_sparse_list(const GraphSparse *sparse)
{
	int			count = sparse->count < 0 ? 0 : sparse->count > GRAPH_SPARSE_KEPT ? GRAPH_SPARSE_KEPT : sparse->count;
	SparseList	list = {sparse->indices, sparse->values, count};

	return list;
}

/* Squared length. */
float
graph_sparse_norm(const GraphSparse *sparse)
{
	SparseList	list = graph_sparse_list(sparse);

	return sparse_inner_product(&list, &list);
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
 * The sketch of a vector: GRAPH_SKETCH_DIM floats.  The same for ever, as what an
 * index holds depends on it.
 */
void
graph_sparse_sketch(const GraphSparse *sparse, float *sketch)
{
	SparseList	list = graph_sparse_list(sparse);

	memset(sketch, 0, sizeof(float) * GRAPH_SKETCH_DIM);
	for (int i = 0; i < list.count; i++)
	{
		uint64_t	hash = mix((uint32_t) list.indices[i] + UINT64_C(1));
		float		value = list.values[i] / 2;

		for (int j = 0; j < COPIES; j++)
		{
			sketch[hash % GRAPH_SKETCH_DIM] += hash >> 15 & 1 ? -value : value;
			hash >>= 16;
		}
	}
	graph_hadamard(sketch, GRAPH_SKETCH_DIM);
}
