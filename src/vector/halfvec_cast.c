/*
 * halfvec_cast.c: casts between halfvec, vector and arrays of numbers.
 */
#include "postgres.h"
#include "compat.h"

#include "simd/simd.h"
#include "vector/halfvec.h"
#include "vector/vector_common.h"

VM_FUNCTION_INFO(halfvec);
VM_FUNCTION_INFO(array_to_halfvec);
VM_FUNCTION_INFO(halfvec_to_float4);
VM_FUNCTION_INFO(halfvec_to_vector);
VM_FUNCTION_INFO(vector_to_halfvec);

/*
 * SQL: check a halfvec against its column's dimensions.
 */
Datum
halfvec(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);

	vector_check_typmod(PG_GETARG_INT32(1), halfvec->dim);
	PG_RETURN_HALFVEC_P(halfvec);
}

/*
 * SQL: int4[], float4[], float8[] or numeric[] to halfvec, each element rounded
 * to a float and that to a half.
 *
 * Errors: 22000 unless the array has one dimension, 22004 for a NULL in it,
 * 22003 for what is too large for a half, 22000 for NaN and for what is
 * infinite as a float.
 */
Datum
array_to_halfvec(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			count = vector_count_elements(array);
	float		x[HALFVEC_MAX_DIM];
	Halfvec    *result;

	halfvec_check_dim(count);
	vector_check_typmod(PG_GETARG_INT32(1), count);
	vector_get_elements(array, count, x);
	result = halfvec_make(count);
	halfvec_set(result, x);
	PG_RETURN_HALFVEC_P(result);
}

/*
 * SQL: halfvec to float4[].
 */
Datum
halfvec_to_float4(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	ArrayType  *array = vector_make_float4_array(halfvec->dim);

	simd->widen_f16(halfvec->x, (float *) ARR_DATA_PTR(array), halfvec->dim);

	PG_FREE_IF_COPY(halfvec, 0);
	PG_RETURN_ARRAYTYPE_P(array);
}

/*
 * SQL: halfvec to vector, of the same values.
 */
Datum
halfvec_to_vector(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	Vector	   *result;

	vector_check_typmod(PG_GETARG_INT32(1), halfvec->dim);
	result = vector_make(halfvec->dim);
	simd->widen_f16(halfvec->x, result->x, halfvec->dim);

	PG_FREE_IF_COPY(halfvec, 0);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: vector to halfvec, each element rounded.
 *
 * Errors: 22003 for an element that is too large for a half.
 */
Datum
vector_to_halfvec(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	Halfvec    *result;

	vector_check_typmod(PG_GETARG_INT32(1), vector->dim);
	result = halfvec_make(vector->dim);
	halfvec_set(result, vector->x);

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_HALFVEC_P(result);
}
