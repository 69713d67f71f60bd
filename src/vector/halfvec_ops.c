/*
 * halfvec_ops.c: distances, arithmetic and order of halfvecs.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "simd/half.h"
#include "simd/simd.h"
#include "utils/float.h"
#include "utils/varbit.h"
#include "vector/halfvec.h"

VM_FUNCTION_INFO(halfvec_l2_distance);
VM_FUNCTION_INFO(halfvec_l2_squared_distance);
VM_FUNCTION_INFO(halfvec_inner_product);
VM_FUNCTION_INFO(halfvec_negative_inner_product);
VM_FUNCTION_INFO(halfvec_cosine_distance);
VM_FUNCTION_INFO(halfvec_spherical_distance);
VM_FUNCTION_INFO(halfvec_l1_distance);
VM_FUNCTION_INFO(halfvec_vector_dims);
VM_FUNCTION_INFO(halfvec_l2_norm);
VM_FUNCTION_INFO(halfvec_l2_normalize);
VM_FUNCTION_INFO(halfvec_add);
VM_FUNCTION_INFO(halfvec_sub);
VM_FUNCTION_INFO(halfvec_mul);
VM_FUNCTION_INFO(halfvec_concat);
VM_FUNCTION_INFO(halfvec_binary_quantize);
VM_FUNCTION_INFO(halfvec_subvector);
VM_FUNCTION_INFO(halfvec_lt);
VM_FUNCTION_INFO(halfvec_le);
VM_FUNCTION_INFO(halfvec_eq);
VM_FUNCTION_INFO(halfvec_ne);
VM_FUNCTION_INFO(halfvec_ge);
VM_FUNCTION_INFO(halfvec_gt);
VM_FUNCTION_INFO(halfvec_cmp);

/*
 * The two halfvec arguments of a function, their dimensions equal.
 */
static inline void
get_pair(FunctionCallInfo fcinfo, Halfvec **a, Halfvec **b)
{
	*a = PG_GETARG_HALFVEC_P(0);
	*b = PG_GETARG_HALFVEC_P(1);
	halfvec_check_same_dim(*a, *b);
}

/*
 * SQL: Euclidean distance.  Sums in single precision, which no two halfvecs
 * overflow.
 */
Datum
halfvec_l2_distance(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8(sqrt((double) simd->l2_squared_f16(a->x, b->x, a->dim)));
}

/*
 * SQL: square of the Euclidean distance.
 */
Datum
halfvec_l2_squared_distance(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->l2_squared_f16(a->x, b->x, a->dim));
}

/*
 * SQL: inner product.
 */
Datum
halfvec_inner_product(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->inner_product_f16(a->x, b->x, a->dim));
}

/*
 * SQL: inner product with the sign changed, so that the nearest comes first.
 */
Datum
halfvec_negative_inner_product(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8(-(double) simd->inner_product_f16(a->x, b->x, a->dim));
}

/*
 * SQL: cosine distance, 0 to 2; NaN when a halfvec's norm is 0.
 */
Datum
halfvec_cosine_distance(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;
	SimdCosine	parts;
	double		similarity;

	get_pair(fcinfo, &a, &b);
	parts = simd->cosine_f16(a->x, b->x, a->dim);
	similarity = (double) parts.dot / sqrt((double) parts.norm_a * (double) parts.norm_b);

	/* rounding must not lead out of the range */
	if (similarity > 1.0)
		similarity = 1.0;
	else if (similarity < -1.0)
		similarity = -1.0;
	PG_RETURN_FLOAT8(1.0 - similarity);
}

/*
 * SQL: angle between two unit halfvecs as a part of pi.
 */
Datum
halfvec_spherical_distance(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;
	double		cosine;

	get_pair(fcinfo, &a, &b);
	cosine = (double) simd->inner_product_f16(a->x, b->x, a->dim);
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
halfvec_l1_distance(PG_FUNCTION_ARGS)
{
	Halfvec    *a;
	Halfvec    *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->l1_f16(a->x, b->x, a->dim));
}

/*
 * SQL: number of dimensions.
 */
Datum
halfvec_vector_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_HALFVEC_P(0)->dim);
}

/* Euclidean norm of the elements as floats, in double precision. */
static double
norm_of(const float *x, int dim)
{
	double		sum = 0.0;

	for (int i = 0; i < dim; i++)
		sum += (double) x[i] * (double) x[i];
	return sqrt(sum);
}

/*
 * SQL: Euclidean norm.
 */
Datum
halfvec_l2_norm(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	float		x[HALFVEC_MAX_DIM];

	simd->widen_f16(halfvec->x, x, halfvec->dim);
	PG_RETURN_FLOAT8(norm_of(x, halfvec->dim));
}

/*
 * SQL: the halfvec divided by its norm; a zero halfvec as it is, without signs.
 * No element is larger than 1 then, so nothing overflows.
 */
Datum
halfvec_l2_normalize(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	Halfvec    *result = halfvec_make(halfvec->dim);
	float		x[HALFVEC_MAX_DIM];
	double		norm;

	simd->widen_f16(halfvec->x, x, halfvec->dim);
	norm = norm_of(x, halfvec->dim);
	for (int i = 0; i < halfvec->dim; i++)
		x[i] = norm > 0.0 ? (float) (x[i] / norm) : 0.0f;
	simd->narrow_f16(x, result->x, result->dim);
	PG_RETURN_HALFVEC_P(result);
}

/* How many elements arithmetic is done on at a time. */
#define BLOCK 512

/*
 * Two halfvecs combined element by element: float results, rounded to halves,
 * to an infinity where they are too large.
 */
static Halfvec *
combine(FunctionCallInfo fcinfo, void (*compute) (float *x, const float *y, int n))
{
	Halfvec    *a;
	Halfvec    *b;
	Halfvec    *result;

	get_pair(fcinfo, &a, &b);
	result = halfvec_make(a->dim);
	for (int done = 0; done < a->dim; done += BLOCK)
	{
		int			n = Min(BLOCK, a->dim - done);
		float		x[BLOCK];
		float		y[BLOCK];

		simd->widen_f16(a->x + done, x, n);
		simd->widen_f16(b->x + done, y, n);
		compute(x, y, n);
		simd->narrow_f16(x, result->x + done, n);
	}
	return result;
}

/*
 * Errors: 22003 when an element of a result is infinite, as no operand's is.
 */
static Halfvec *
without_overflow(Halfvec *result)
{
	for (int i = 0; i < result->dim; i++)
		if (half_is_infinite(result->x[i]))
			float_overflow_error();
	return result;
}

static void
add(float *x, const float *y, int n)
{
	for (int i = 0; i < n; i++)
		x[i] += y[i];
}

static void
subtract(float *x, const float *y, int n)
{
	for (int i = 0; i < n; i++)
		x[i] -= y[i];
}

static void
multiply(float *x, const float *y, int n)
{
	for (int i = 0; i < n; i++)
		x[i] *= y[i];
}

/*
 * SQL: sum of two halfvecs, element by element.  Errors: 22003 on overflow.
 */
Datum
halfvec_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_HALFVEC_P(without_overflow(combine(fcinfo, add)));
}

/*
 * SQL: difference of two halfvecs, element by element.  Errors: 22003 on
 * overflow.
 */
Datum
halfvec_sub(PG_FUNCTION_ARGS)
{
	PG_RETURN_HALFVEC_P(without_overflow(combine(fcinfo, subtract)));
}

/*
 * SQL: product of two halfvecs, element by element.  Errors: 22003 on overflow,
 * and on underflow of two elements that are not 0.
 */
Datum
halfvec_mul(PG_FUNCTION_ARGS)
{
	Halfvec    *result = combine(fcinfo, multiply);
	Halfvec    *a;
	Halfvec    *b;

	get_pair(fcinfo, &a, &b);
	for (int i = 0; i < result->dim; i++)
	{
		if (half_is_infinite(result->x[i]))
			float_overflow_error();
		if (half_is_zero(result->x[i]) && !half_is_zero(a->x[i]) && !half_is_zero(b->x[i]))
			float_underflow_error();
	}
	PG_RETURN_HALFVEC_P(result);
}

/*
 * SQL: the elements of one halfvec followed by those of another.
 */
Datum
halfvec_concat(PG_FUNCTION_ARGS)
{
	Halfvec    *a = PG_GETARG_HALFVEC_P(0);
	Halfvec    *b = PG_GETARG_HALFVEC_P(1);
	int			dim = a->dim + b->dim;
	Halfvec    *result;

	halfvec_check_dim(dim);
	result = halfvec_make(dim);
	memcpy(result->x, a->x, sizeof(uint16) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(uint16) * b->dim);
	PG_RETURN_HALFVEC_P(result);
}

/*
 * SQL: one bit an element, set where it is above 0.
 */
Datum
halfvec_binary_quantize(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	Size		size = VARBITTOTALLEN(halfvec->dim);
	VarBit	   *result = (VarBit *) palloc0(size);
	bits8	   *bits = VARBITS(result);

	SET_VARSIZE(result, size);
	VARBITLEN(result) = halfvec->dim;
	for (int i = 0; i < halfvec->dim; i++)
		bits[i / 8] |= (half_rank(halfvec->x[i]) > 0) << (7 - i % 8);
	PG_RETURN_VARBIT_P(result);
}

/*
 * SQL: count elements from position start on, counted from 1; what lies
 * outside the halfvec is left out.  Errors: 22000 when nothing is left.
 */
Datum
halfvec_subvector(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = start + PG_GETARG_INT32(2);	/* behind the last */
	Halfvec    *result;

	start = Max(start, 1);
	end = Min(end, halfvec->dim + 1);
	halfvec_check_dim(end > start ? (int) (end - start) : 0);

	result = halfvec_make((int) (end - start));
	memcpy(result->x, halfvec->x + start - 1, sizeof(uint16) * result->dim);
	PG_RETURN_HALFVEC_P(result);
}

/*
 * Order by elements, then by number of dimensions: below, at or above 0.
 */
static int
compare(FunctionCallInfo fcinfo)
{
	Halfvec    *a = PG_GETARG_HALFVEC_P(0);
	Halfvec    *b = PG_GETARG_HALFVEC_P(1);
	int			common = Min(a->dim, b->dim);
	int			result = (a->dim > b->dim) - (a->dim < b->dim);

	for (int i = 0; i < common; i++)
	{
		int			difference = half_rank(a->x[i]) - half_rank(b->x[i]);

		if (difference != 0)
		{
			result = difference < 0 ? -1 : 1;
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
halfvec_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
halfvec_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
halfvec_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
halfvec_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
halfvec_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
halfvec_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
halfvec_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}
