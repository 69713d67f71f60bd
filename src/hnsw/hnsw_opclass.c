/*
 * hnsw_opclass.c: how values of each indexed type become vectors of the index.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "graph/sparse.h"
#include "hnsw/hnsw.h"
#include "simd/simd.h"
#include "utils/varbit.h"
#include "vector/halfvec.h"
#include "vector/hyperbolic.h"
#include "vector/sparsevec.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(hnsw_vector_l2_support);
VM_FUNCTION_INFO(hnsw_vector_ip_support);
VM_FUNCTION_INFO(hnsw_vector_cosine_support);
VM_FUNCTION_INFO(hnsw_vector_l1_support);
VM_FUNCTION_INFO(hnsw_vector_poincare_support);
VM_FUNCTION_INFO(hnsw_halfvec_l2_support);
VM_FUNCTION_INFO(hnsw_halfvec_ip_support);
VM_FUNCTION_INFO(hnsw_halfvec_cosine_support);
VM_FUNCTION_INFO(hnsw_halfvec_l1_support);
VM_FUNCTION_INFO(hnsw_sparsevec_l2_support);
VM_FUNCTION_INFO(hnsw_sparsevec_ip_support);
VM_FUNCTION_INFO(hnsw_sparsevec_cosine_support);
VM_FUNCTION_INFO(hnsw_sparsevec_l1_support);
VM_FUNCTION_INFO(hnsw_bit_hamming_support);
VM_FUNCTION_INFO(hnsw_bit_jaccard_support);

StaticAssertDecl(GRAPH_MAX_DIM == VECTOR_MAX_DIM && GRAPH_MAX_DIM == HALFVEC_MAX_DIM, "every vector can be indexed");
StaticAssertDecl(GRAPH_MAX_SPARSE_DIM == SPARSEVEC_MAX_DIM, "and every sparse one");
StaticAssertDecl(sizeof(GraphSparse) == GRAPH_SPARSE_WORDS * sizeof(float), "it is whole words");

static void
free_detoasted(Datum value, void *detoasted)
{
	if ((Pointer) detoasted != DatumGetPointer(value))
		pfree(detoasted);
}

static int
load_vector(Datum value, int dim, float *out)
{
	Vector	   *vector = vector_from_datum(value);
	int			given = vector->dim;

	if (given == dim)
		memcpy(out, vector->x, dim * sizeof(float));
	free_detoasted(value, vector);
	return given;
}

/* As the operator, refuses what is not in the ball. */
static int
load_point(Datum value, int dim, float *out)
{
	Vector	   *vector = vector_from_datum(value);
	int			given = vector->dim;

	if (given == dim)
	{
		(void) hyperbolic_point_gap(vector, 1);
		memcpy(out, vector->x, dim * sizeof(float));
	}
	free_detoasted(value, vector);
	return given;
}

static int
load_halfvec(Datum value, int dim, float *out)
{
	Halfvec    *vector = halfvec_from_datum(value);
	int			given = vector->dim;

	if (given == dim)
		simd->widen_f16(vector->x, out, dim);
	free_detoasted(value, vector);
	return given;
}

static int
load_bits(Datum value, int dim, float *out)
{
	VarBit	   *bits = DatumGetVarBitP(value);
	int			given = VARBITLEN(bits);

	if (given == dim)
	{
		memset(out, 0, (dim + 31) / 32 * sizeof(float));
		memcpy(out, VARBITS(bits), VARBITBYTES(bits));
	}
	free_detoasted(value, bits);
	return given;
}

static int
compare_magnitudes(const void *a, const void *b)
{
	float		x = fabsf(*(const float *) a);
	float		y = fabsf(*(const float *) b);

	return (x < y) - (x > y);
}

/*
 * The magnitude that an element must have to be among the GRAPH_SPARSE_KEPT
 * largest; *equal is how many of just that magnitude are.
 */
static float
least_kept(const float *values, int count, int *equal)
{
	float	   *sorted;
	float		least;

	*equal = 0;
	if (count <= GRAPH_SPARSE_KEPT)
		return 0;
	sorted = palloc(count * sizeof(float));
	memcpy(sorted, values, count * sizeof(float));
	qsort(sorted, count, sizeof(float), compare_magnitudes);
	least = fabsf(sorted[GRAPH_SPARSE_KEPT - 1]);
	for (int i = GRAPH_SPARSE_KEPT - 1; i >= 0 && fabsf(sorted[i]) == least; i--)
		(*equal)++;
	pfree(sorted);
	return least;
}

/*
 * Keep the largest elements; "taxicab" says how long what is left out is.
 */
static int
load_sparsevec_as(Datum value, int dim, float *out, bool taxicab)
{
	SparseVector *vector = sparsevec_from_datum(value);
	const float *values = SPARSEVEC_VALUES(vector);
	GraphSparse *sparse = (GraphSparse *) out;
	int			given = vector->dim;
	int			equal;
	float		least = least_kept(values, vector->nnz, &equal);
	double		error = 0;
	int			kept = 0;

	if (given == dim)
		memset(sparse, 0, sizeof(GraphSparse));
	for (int i = 0; i < vector->nnz && given == dim; i++)
	{
		float		size = fabsf(values[i]);

		if (size > least || (size == least && (least == 0 || equal-- > 0)))
		{
			sparse->indices[kept] = vector->indices[i];
			sparse->values[kept++] = values[i];
		}
		else
			error += taxicab ? size : (double) size * size;
	}
	if (given == dim)
	{
		sparse->count = kept;
		/* No less than it is, for the bound that follows from it. */
		sparse->error = error == 0 ? 0 : nextafterf((float) (taxicab ? error : sqrt(error)), INFINITY);
	}
	free_detoasted(value, vector);
	return given;
}

static int
load_sparsevec(Datum value, int dim, float *out)
{
	return load_sparsevec_as(value, dim, out, false);
}

static int
load_sparsevec_l1(Datum value, int dim, float *out)
{
	return load_sparsevec_as(value, dim, out, true);
}

#define VECTOR_MISMATCH "different vector dimensions %d and %d"
#define HALFVEC_MISMATCH "different halfvec dimensions %d and %d"
#define SPARSEVEC_MISMATCH "different sparsevec dimensions %d and %d"
#define BIT_MISMATCH "different bit lengths %d and %d"

/*
 * SQL: hnsw_..._support(internal) -> internal, the HnswOpclass of an operator
 * class.
 */
#define SUPPORT(name, ...) \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		static const HnswOpclass opclass = {__VA_ARGS__}; \
		\
		PG_RETURN_POINTER(&opclass); \
	}

SUPPORT(hnsw_vector_l2_support, GRAPH_L2, GRAPH_MAX_DIM, false, VECTOR_MISMATCH, load_vector)
SUPPORT(hnsw_vector_ip_support, GRAPH_IP, GRAPH_MAX_DIM, false, VECTOR_MISMATCH, load_vector)
SUPPORT(hnsw_vector_cosine_support, GRAPH_COSINE, GRAPH_MAX_DIM, false, VECTOR_MISMATCH, load_vector)
SUPPORT(hnsw_vector_l1_support, GRAPH_L1, GRAPH_MAX_DIM, false, VECTOR_MISMATCH, load_vector)
SUPPORT(hnsw_vector_poincare_support, GRAPH_POINCARE, GRAPH_MAX_DIM, false, VECTOR_MISMATCH, load_point)

SUPPORT(hnsw_halfvec_l2_support, GRAPH_L2, GRAPH_MAX_DIM, false, HALFVEC_MISMATCH, load_halfvec)
SUPPORT(hnsw_halfvec_ip_support, GRAPH_IP, GRAPH_MAX_DIM, false, HALFVEC_MISMATCH, load_halfvec)
SUPPORT(hnsw_halfvec_cosine_support, GRAPH_COSINE, GRAPH_MAX_DIM, false, HALFVEC_MISMATCH, load_halfvec)
SUPPORT(hnsw_halfvec_l1_support, GRAPH_L1, GRAPH_MAX_DIM, false, HALFVEC_MISMATCH, load_halfvec)

SUPPORT(hnsw_sparsevec_l2_support, GRAPH_L2, GRAPH_MAX_SPARSE_DIM, true, SPARSEVEC_MISMATCH, load_sparsevec)
SUPPORT(hnsw_sparsevec_ip_support, GRAPH_IP, GRAPH_MAX_SPARSE_DIM, true, SPARSEVEC_MISMATCH, load_sparsevec)
SUPPORT(hnsw_sparsevec_cosine_support, GRAPH_COSINE, GRAPH_MAX_SPARSE_DIM, true, SPARSEVEC_MISMATCH, load_sparsevec)
SUPPORT(hnsw_sparsevec_l1_support, GRAPH_L1, GRAPH_MAX_SPARSE_DIM, true, SPARSEVEC_MISMATCH, load_sparsevec_l1)

SUPPORT(hnsw_bit_hamming_support, GRAPH_HAMMING, GRAPH_MAX_BITS, false, BIT_MISMATCH, load_bits)
SUPPORT(hnsw_bit_jaccard_support, GRAPH_JACCARD, GRAPH_MAX_BITS, false, BIT_MISMATCH, load_bits)
