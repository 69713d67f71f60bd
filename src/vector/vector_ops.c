/*
 * vector_ops.c: distances, arithmetic and order of vectors.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "simd/simd.h"
#include "utils/float.h"
#include "utils/varbit.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(l2_distance);
VM_FUNCTION_INFO(vector_l2_squared_distance);
VM_FUNCTION_INFO(inner_product);
VM_FUNCTION_INFO(vector_negative_inner_product);
VM_FUNCTION_INFO(cosine_distance);
VM_FUNCTION_INFO(vector_spherical_distance);
VM_FUNCTION_INFO(l1_distance);
VM_FUNCTION_INFO(vector_dims);
VM_FUNCTION_INFO(vector_norm);
VM_FUNCTION_INFO(l2_normalize);
VM_FUNCTION_INFO(vector_add);
VM_FUNCTION_INFO(vector_sub);
VM_FUNCTION_INFO(vector_mul);
VM_FUNCTION_INFO(vector_concat);
VM_FUNCTION_INFO(binary_quantize);
VM_FUNCTION_INFO(subvector);
VM_FUNCTION_INFO(vector_lt);
VM_FUNCTION_INFO(vector_le);
VM_FUNCTION_INFO(vector_eq);
VM_FUNCTION_INFO(vector_ne);
VM_FUNCTION_INFO(vector_ge);
VM_FUNCTION_INFO(vector_gt);
VM_FUNCTION_INFO(vector_cmp);

/*
 * The two vector arguments of a function, their dimensions equal.
 */
static inline void
get_pair(FunctionCallInfo fcinfo, Vector **a, Vector **b)
{
	*a = PG_GETARG_VECTOR_P(0);
	*b = PG_GETARG_VECTOR_P(1);
	vector_check_same_dim(*a, *b);
}

/*
 * SQL: Euclidean distance.  Sums in single precision, as pgvector's: infinity
 * where the square of the distance is above the largest float.
 */
Datum
l2_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8(sqrt((double) simd->l2_squared_f32(a->x, b->x, a->dim)));
}

/*
 * SQL: square of the Euclidean distance.
 */
Datum
vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->l2_squared_f32(a->x, b->x, a->dim));
}

/*
 * SQL: inner product.
 */
Datum
inner_product(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->inner_product_f32(a->x, b->x, a->dim));
}

/*
 * SQL: inner product with the sign changed, so that the nearest comes first.
 */
Datum
vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8(-(double) simd->inner_product_f32(a->x, b->x, a->dim));
}

/*
 * SQL: cosine distance, 0 to 2; NaN when a vector's norm is 0 or overflows.
 */
Datum
cosine_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;
	SimdCosine	parts;
	double		similarity;

	get_pair(fcinfo, &a, &b);
	parts = simd->cosine_f32(a->x, b->x, a->dim);
	similarity = (double) parts.dot / sqrt((double) parts.norm_a * (double) parts.norm_b);

	/* rounding must not lead out of the range */
	if (similarity > 1.0)
		similarity = 1.0;
	else if (similarity < -1.0)
		similarity = -1.0;
	PG_RETURN_FLOAT8(1.0 - similarity);
}

/*
 * SQL: angle between two unit vectors as a part of pi.
 */
Datum
vector_spherical_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;
	double		cosine;

	get_pair(fcinfo, &a, &b);
	cosine = (double) simd->inner_product_f32(a->x, b->x, a->dim);
	if (cosine > 1.0)
		cosine = 1.0;
	else if (cosine < -1.0)
		cosine = -1.0;
	PG_RETURN_FLOAT8(acos(cosine) / M_PI);
}

/*
 * SQL: taxicab distance.
 */
Datum
l1_distance(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->l1_f32(a->x, b->x, a->dim));
}

/*
 * SQL: number of dimensions.
 */
Datum
vector_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_VECTOR_P(0)->dim);
}

/* Euclidean norm, in double precision: no float vector overflows it. */
static double
norm_of(const Vector *vector)
{
	double		sum = 0.0;

	for (int i = 0; i < vector->dim; i++)
		sum += (double) vector->x[i] * (double) vector->x[i];
	return sqrt(sum);
}

/*
 * SQL: Euclidean norm.
 */
Datum
vector_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(norm_of(PG_GETARG_VECTOR_P(0)));
}

/*
 * SQL: the vector divided by its norm; a zero vector stays what it is.
 */
Datum
l2_normalize(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	double		norm = norm_of(vector);
	Vector	   *result = vector_make(vector->dim);

	for (int i = 0; i < vector->dim; i++)
		result->x[i] = norm > 0.0 ? (float) (vector->x[i] / norm) : 0.0f;
	PG_RETURN_VECTOR_P(result);
}

/*
 * Errors: 22003 when an element of a result is infinite, as no operand's is.
 */
static void
check_overflow(const Vector *result)
{
	for (int i = 0; i < result->dim; i++)
		if (isinf(result->x[i]))
			float_overflow_error();
}

/*
 * SQL: sum of two vectors, element by element.  Errors: 22003 on overflow.
 */
Datum
vector_add(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;
	Vector	   *result;

	get_pair(fcinfo, &a, &b);
	result = vector_make(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] + b->x[i];
	check_overflow(result);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: difference of two vectors, element by element.  Errors: 22003 on
 * overflow.
 */
Datum
vector_sub(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;
	Vector	   *result;

	get_pair(fcinfo, &a, &b);
	result = vector_make(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] - b->x[i];
	check_overflow(result);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: product of two vectors, element by element.  Errors: 22003 on overflow,
 * and on underflow of two elements that are not 0.
 */
Datum
vector_mul(PG_FUNCTION_ARGS)
{
	Vector	   *a;
	Vector	   *b;
	Vector	   *result;

	get_pair(fcinfo, &a, &b);
	result = vector_make(a->dim);
	for (int i = 0; i < a->dim; i++)
		result->x[i] = a->x[i] * b->x[i];
	check_overflow(result);
	for (int i = 0; i < a->dim; i++)
		if (result->x[i] == 0.0f && a->x[i] != 0.0f && b->x[i] != 0.0f)
			float_underflow_error();
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: the elements of one vector followed by those of another.
 */
Datum
vector_concat(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	int			dim = a->dim + b->dim;
	Vector	   *result;

	vector_check_dim(dim);
	result = vector_make(dim);
	memcpy(result->x, a->x, sizeof(float) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * b->dim);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: one bit an element, set where it is above 0.
 */
Datum
binary_quantize(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	Size		size = VARBITTOTALLEN(vector->dim);
	VarBit	   *result = (VarBit *) palloc0(size);
	bits8	   *bits = VARBITS(result);

	SET_VARSIZE(result, size);
	VARBITLEN(result) = vector->dim;
	for (int i = 0; i < vector->dim; i++)
		bits[i / 8] |= (vector->x[i] > 0.0f) << (7 - i % 8);
	PG_RETURN_VARBIT_P(result);
}

/*
 * SQL: count elements from position start on, counted from 1; what lies
 * outside the vector is left out.  Errors: 22000 when nothing is left.
 */
Datum
subvector(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = start + PG_GETARG_INT32(2);	/* behind the last */
	Vector	   *result;

	start = Max(start, 1);
	end = Min(end, vector->dim + 1);
	vector_check_dim(end > start ? (int) (end - start) : 0);

	result = vector_make((int) (end - start));
	memcpy(result->x, vector->x + start - 1, sizeof(float) * result->dim);
	PG_RETURN_VECTOR_P(result);
}

/*
 * Order by elements, then by number of dimensions: below, at or above 0.
 */
static int
compare(FunctionCallInfo fcinfo)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	int			common = Min(a->dim, b->dim);
	int			result = (a->dim > b->dim) - (a->dim < b->dim);

	for (int i = 0; i < common; i++)
	{
		if (a->x[i] != b->x[i])
		{
			result = a->x[i] < b->x[i] ? -1 : 1;
			break;
		}
	}

	/* an index on the type compares often within one memory context */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/*
 * SQL: the operators < <= = <> >= > and the function of their btree class.
 */
Datum
vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}
