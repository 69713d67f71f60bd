/*
 * vector_cast.c: casts between vector and arrays of numbers.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "vector/vector.h"
#include "vector/vector_common.h"

VM_FUNCTION_INFO(vector);
VM_FUNCTION_INFO(array_to_vector);
VM_FUNCTION_INFO(vector_to_float4);

/*
 * SQL: check a vector against its column's dimensions.
 */
Datum
vector(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);

	vector_check_typmod(PG_GETARG_INT32(1), vector->dim);
	PG_RETURN_VECTOR_P(vector);
}

/* One element of an array of the given type as a float. */
static float
element_to_float(Oid type, Datum element)
{
	switch (type)
	{
		case INT4OID:
			return (float) DatumGetInt32(element);
		case FLOAT4OID:
			return DatumGetFloat4(element);
		case FLOAT8OID:
			return (float) DatumGetFloat8(element);
		case NUMERICOID:
			return DatumGetFloat4(DirectFunctionCall1(numeric_float4, element));
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("unsupported array type")));
	}
}

/*
 * How many elements an array has that is to become a vector.
 *
 * Errors: 22000 unless the array has one dimension or none, 22004 for a NULL
 * in it.
 */
int
vector_count_elements(ArrayType *array)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));
	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

/*
 * The elements of an int4[], float4[], float8[] or numeric[] as floats.
 *
 * count: what vector_count_elements said, which x has room for.  A float8 above
 * the largest float becomes an infinity; NaN and infinities stay what they are.
 *
 * Errors: 22003 for a numeric above the largest float, 42804 for another type.
 */
void
vector_get_elements(ArrayType *array, int count, float *x)
{
	Oid			type = ARR_ELEMTYPE(array);

	if (type == FLOAT4OID)
		memcpy(x, ARR_DATA_PTR(array), sizeof(float) * count);
	else
	{
		int16		length;
		bool		by_value;
		char		alignment;
		Datum	   *elements;

		get_typlenbyvalalign(type, &length, &by_value, &alignment);
		deconstruct_array(array, type, length, by_value, alignment, &elements, NULL, &count);
		for (int i = 0; i < count; i++)
			x[i] = element_to_float(type, elements[i]);
		pfree(elements);
	}
}

/*
 * A float4[] of count elements, at least 1, for the caller to set.
 */
ArrayType  *
vector_make_float4_array(int count)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float) * count;
	ArrayType  *array = (ArrayType *) palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

/*
 * SQL: int4[], float4[], float8[] or numeric[] to vector.
 *
 * Errors: 22000 unless the array has one dimension, 22004 for a NULL in it,
 * 22000 for NaN and for what is infinite as a float.
 */
Datum
array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			count = vector_count_elements(array);
	Vector	   *result;

	vector_check_dim(count);
	vector_check_typmod(PG_GETARG_INT32(1), count);
	result = vector_make(count);
	vector_get_elements(array, count, result->x);
	for (int i = 0; i < count; i++)
		vector_check_finite(result->x[i]);

	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: vector to float4[].
 */
Datum
vector_to_float4(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	ArrayType  *array = vector_make_float4_array(vector->dim);

	memcpy(ARR_DATA_PTR(array), vector->x, sizeof(float) * vector->dim);

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_ARRAYTYPE_P(array);
}
