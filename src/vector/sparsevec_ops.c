/*
 * sparsevec_ops.c: distances, norm and order of sparse vectors.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "simd/simd.h"
#include "vector/sparsevec.h"

VM_FUNCTION_INFO(sparsevec_l2_distance);
VM_FUNCTION_INFO(sparsevec_l2_squared_distance);
VM_FUNCTION_INFO(sparsevec_inner_product);
VM_FUNCTION_INFO(sparsevec_negative_inner_product);
VM_FUNCTION_INFO(sparsevec_cosine_distance);
VM_FUNCTION_INFO(sparsevec_l1_distance);
VM_FUNCTION_INFO(sparsevec_l2_norm);
VM_FUNCTION_INFO(sparsevec_l2_normalize);
VM_FUNCTION_INFO(sparsevec_lt);
VM_FUNCTION_INFO(sparsevec_le);
VM_FUNCTION_INFO(sparsevec_eq);
VM_FUNCTION_INFO(sparsevec_ne);
VM_FUNCTION_INFO(sparsevec_ge);
VM_FUNCTION_INFO(sparsevec_gt);
VM_FUNCTION_INFO(sparsevec_cmp);

/*
 * The two sparse vector arguments of a function, their dimensions equal.
 */
static inline void
get_pair(FunctionCallInfo fcinfo, SparseList *a, SparseList *b)
{
	SparseVector *a_sparse = PG_GETARG_SPARSEVEC_P(0);
	SparseVector *b_sparse = PG_GETARG_SPARSEVEC_P(1);

	sparsevec_check_same_dim(a_sparse, b_sparse);
	*a = sparsevec_list(a_sparse);
	*b = sparsevec_list(b_sparse);
}

/*
 * SQL: Euclidean distance.  Sums in single precision, as pgvector's: infinity
 * where the square of the distance is above the largest float.
 */
Datum
sparsevec_l2_distance(PG_FUNCTION_ARGS)
{
	SparseList	a;
	SparseList	b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8(sqrt((double) sparse_l2_squared(&a, &b)));
}

/*
 * SQL: square of the Euclidean distance.
 */
Datum
sparsevec_l2_squared_distance(PG_FUNCTION_ARGS)
{
	SparseList	a;
	SparseList	b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) sparse_l2_squared(&a, &b));
}

/*
 * SQL: inner product.
 */
Datum
sparsevec_inner_product(PG_FUNCTION_ARGS)
{
	SparseList	a;
	SparseList	b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) sparse_inner_product(&a, &b));
}

/*
 * SQL: inner product with the sign changed, so that the nearest comes first.
 */
Datum
sparsevec_negative_inner_product(PG_FUNCTION_ARGS)
{
	SparseList	a;
	SparseList	b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8(-(double) sparse_inner_product(&a, &b));
}

/* The square of the norm, in single precision as the products are. */
static inline double
norm_squared(const SparseList *list)
{
	return (double) simd->inner_product_f32(list->values, list->values, list->count);
}

/*
 * SQL: cosine distance, 0 to 2; NaN when a vector's norm is 0 or overflows.
 */
Datum
sparsevec_cosine_distance(PG_FUNCTION_ARGS)
{
	SparseList	a;
	SparseList	b;
	double		similarity;

	get_pair(fcinfo, &a, &b);
	similarity = (double) sparse_inner_product(&a, &b) / sqrt(norm_squared(&a) * norm_squared(&b));

	/* rounding must not lead out of the range */
	if (similarity > 1.0)
		similarity = 1.0;
	else if (similarity < -1.0)
		similarity = -1.0;
	PG_RETURN_FLOAT8(1.0 - similarity);
}

/*
 * SQL: taxicab distance.
 */
Datum
sparsevec_l1_distance(PG_FUNCTION_ARGS)
{
	SparseList	a;
	SparseList	b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) sparse_l1(&a, &b));
}

/*
 * Euclidean norm, in double precision: no sparse vector overflows it, and it is
 * 0 for a vector without elements only.
 */
double
sparsevec_norm(const SparseVector *sparse)
{
	const float *values = SPARSEVEC_VALUES(sparse);
	double		sum = 0.0;

	for (int i = 0; i < sparse->nnz; i++)
		sum += (double) values[i] * (double) values[i];
	return sqrt(sum);
}

/*
 * SQL: Euclidean norm.
 */
Datum
sparsevec_l2_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sparsevec_norm(PG_GETARG_SPARSEVEC_P(0)));
}

/*
 * A new sparse vector, in the current memory context: the one given, divided by
 * its norm.  Elements that become 0 are left out; a vector without elements
 * stays what it is.
 */
SparseVector *
sparsevec_normalize(const SparseVector *sparse)
{
	const float *values = SPARSEVEC_VALUES(sparse);
	double		norm = sparsevec_norm(sparse);
	SparseVector *result;
	float	   *result_values;
	int			nnz = 0;

	for (int i = 0; i < sparse->nnz; i++)
		nnz += ((float) (values[i] / norm) != 0.0f);

	result = sparsevec_make(sparse->dim, nnz);
	result_values = SPARSEVEC_VALUES(result);
	nnz = 0;
	for (int i = 0; i < sparse->nnz && nnz < result->nnz; i++)
	{
		result->indices[nnz] = sparse->indices[i];
		result_values[nnz] = (float) (values[i] / norm);
		nnz += (result_values[nnz] != 0.0f);
	}
	return result;
}

/*
 * SQL: the sparse vector divided by its norm; one without elements stays what
 * it is.
 */
Datum
sparsevec_l2_normalize(PG_FUNCTION_ARGS)
{
	PG_RETURN_SPARSEVEC_P(sparsevec_normalize(PG_GETARG_SPARSEVEC_P(0)));
}

/*
 * Order as that of vectors with all their zeros: by elements, then by number of
 * dimensions.  Below, at or above 0.
 */
static int
compare_lists(const SparseVector *a, const SparseVector *b)
{
	const float *a_values = SPARSEVEC_VALUES(a);
	const float *b_values = SPARSEVEC_VALUES(b);
	int			common = Min(a->nnz, b->nnz);

	for (int i = 0; i < common; i++)
	{
		/* whoever has the lower index has its element beside a 0 */
		if (a->indices[i] < b->indices[i])
			return a_values[i] < 0.0f ? -1 : 1;
		if (a->indices[i] > b->indices[i])
			return b_values[i] < 0.0f ? 1 : -1;
		if (a_values[i] != b_values[i])
			return a_values[i] < b_values[i] ? -1 : 1;
	}

	/* so has the longer list, unless the other vector ends before it */
	if (b->nnz > common && b->indices[common] < a->dim)
		return b_values[common] < 0.0f ? 1 : -1;
	if (a->nnz > common && a->indices[common] < b->dim)
		return a_values[common] < 0.0f ? -1 : 1;
	return (a->dim > b->dim) - (a->dim < b->dim);
}

/* The order of the two arguments of a function. */
static int
compare(FunctionCallInfo fcinfo)
{
	SparseVector *a = PG_GETARG_SPARSEVEC_P(0);
	SparseVector *b = PG_GETARG_SPARSEVEC_P(1);
	int			result = compare_lists(a, b);

	/* an index on the type compares often within one memory context */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/*
 * SQL: the operators < <= = <> >= > and the function of their btree class.
 */
Datum
sparsevec_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
sparsevec_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
sparsevec_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
sparsevec_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
sparsevec_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
sparsevec_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
sparsevec_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}
