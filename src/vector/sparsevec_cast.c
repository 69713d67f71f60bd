/*
 * sparsevec_cast.c: casts between sparsevec, vector, halfvec and arrays of numbers.
 */
#include "postgres.h"
#include "compat.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "simd/simd.h"
#include "vector/halfvec.h"
#include "vector/sparsevec.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(sparsevec);
VM_FUNCTION_INFO(vector_to_sparsevec);
VM_FUNCTION_INFO(sparsevec_to_vector);
VM_FUNCTION_INFO(halfvec_to_sparsevec);
VM_FUNCTION_INFO(sparsevec_to_halfvec);
VM_FUNCTION_INFO(array_to_sparsevec);

/* The elements of a sparse vector that is being made of a dense one. */
typedef struct Collector
{
	int			nnz;
	int32		indices[SPARSEVEC_MAX_NNZ];
	float		values[SPARSEVEC_MAX_NNZ];
} Collector;

/*
 * Collect the value at an index above all before it, unless it is 0.
 *
 * Errors: 54000 above SPARSEVEC_MAX_NNZ elements.
 */
static inline void
collect(Collector *collector, int32 index, float value)
{
	if (value == 0.0f)
		return;
	if (collector->nnz == SPARSEVEC_MAX_NNZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("sparsevec cannot have more than %d non-zero elements", SPARSEVEC_MAX_NNZ)));
	collector->indices[collector->nnz] = index;
	collector->values[collector->nnz] = value;
	collector->nnz++;
}

/*
 * What has been collected as a sparse vector of dim dimensions, checked by the
 * caller.
 *
 * Errors: 22000 for NaN and for an infinity.
 */
static SparseVector *
finish(const Collector *collector, int dim)
{
	SparseVector *result = sparsevec_make(dim, collector->nnz);

	for (int i = 0; i < collector->nnz; i++)
		sparsevec_check_finite(collector->values[i]);
	memcpy(result->indices, collector->indices, sizeof(int32) * collector->nnz);
	memcpy(SPARSEVEC_VALUES(result), collector->values, sizeof(float) * collector->nnz);
	return result;
}

/*
 * SQL: check a sparse vector against its column's dimensions.
 */
Datum
sparsevec(PG_FUNCTION_ARGS)
{
	SparseVector *sparse = PG_GETARG_SPARSEVEC_P(0);

	vector_check_typmod(PG_GETARG_INT32(1), sparse->dim);
	PG_RETURN_SPARSEVEC_P(sparse);
}

/*
 * SQL: vector to sparsevec.
 */
Datum
vector_to_sparsevec(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	Collector	collector;

	vector_check_typmod(PG_GETARG_INT32(1), vector->dim);
	collector.nnz = 0;
	for (int i = 0; i < vector->dim; i++)
		collect(&collector, i, vector->x[i]);
	PG_RETURN_SPARSEVEC_P(finish(&collector, vector->dim));
}

/*
 * Write the elements of a sparse vector where they belong in a dense one.
 *
 * x: room for sparse->dim floats; all of them are set.
 *
 * Errors: XX001 for an index outside the dimensions.
 */
static void
expand(const SparseVector *sparse, float *x)
{
	const float *values = SPARSEVEC_VALUES(sparse);

	memset(x, 0, sizeof(float) * sparse->dim);
	for (int i = 0; i < sparse->nnz; i++)
	{
		if (sparse->indices[i] < 0 || sparse->indices[i] >= sparse->dim)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("sparsevec value has index %d in %d dimensions", sparse->indices[i], sparse->dim)));
		x[sparse->indices[i]] = values[i];
	}
}

/*
 * SQL: sparsevec to vector.  Errors: 54000 above VECTOR_MAX_DIM dimensions.
 */
Datum
sparsevec_to_vector(PG_FUNCTION_ARGS)
{
	SparseVector *sparse = PG_GETARG_SPARSEVEC_P(0);
	Vector	   *result;

	vector_check_dim(sparse->dim);
	vector_check_typmod(PG_GETARG_INT32(1), sparse->dim);
	result = vector_make(sparse->dim);
	expand(sparse, result->x);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: halfvec to sparsevec.
 */
Datum
halfvec_to_sparsevec(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	float		x[HALFVEC_MAX_DIM];
	Collector	collector;

	vector_check_typmod(PG_GETARG_INT32(1), halfvec->dim);
	simd->widen_f16(halfvec->x, x, halfvec->dim);
	collector.nnz = 0;
	for (int i = 0; i < halfvec->dim; i++)
		collect(&collector, i, x[i]);
	PG_RETURN_SPARSEVEC_P(finish(&collector, halfvec->dim));
}

/*
 * SQL: sparsevec to halfvec, each element rounded.  Errors: 54000 above
 * HALFVEC_MAX_DIM dimensions, 22003 for what is too large for a half.
 */
Datum
sparsevec_to_halfvec(PG_FUNCTION_ARGS)
{
	SparseVector *sparse = PG_GETARG_SPARSEVEC_P(0);
	float		x[HALFVEC_MAX_DIM];
	Halfvec    *result;

	halfvec_check_dim(sparse->dim);
	vector_check_typmod(PG_GETARG_INT32(1), sparse->dim);
	expand(sparse, x);
	result = halfvec_make(sparse->dim);
	halfvec_set(result, x);
	PG_RETURN_HALFVEC_P(result);
}

/*
 * SQL: int4[], float4[], float8[] or numeric[] to sparsevec.
 *
 * The elements are read where they are, since there may be far more of them
 * than a sparse vector can have.
 *
 * Errors: 22000 unless the array has one dimension, 22004 for a NULL in it,
 * 54000 above SPARSEVEC_MAX_NNZ elements that are not 0, 22000 for NaN and for
 * what is infinite as a float, 22003 for a numeric that is no float.
 */
Datum
array_to_sparsevec(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	const char *data = ARR_DATA_PTR(array);
	Collector	collector;
	int			count;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));

	count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	sparsevec_check_dim(count);
	vector_check_typmod(PG_GETARG_INT32(1), count);

	collector.nnz = 0;
	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
			for (int i = 0; i < count; i++)
				collect(&collector, i, (float) ((const int32 *) data)[i]);
			break;
		case FLOAT4OID:
			for (int i = 0; i < count; i++)
				collect(&collector, i, ((const float4 *) data)[i]);
			break;
		case FLOAT8OID:
			for (int i = 0; i < count; i++)
				collect(&collector, i, (float) ((const float8 *) data)[i]);
			break;
		case NUMERICOID:
			for (int i = 0; i < count; i++)
			{
				Datum		numeric = PointerGetDatum(data);

				collect(&collector, i, DatumGetFloat4(DirectFunctionCall1(numeric_float4, numeric)));
				data = att_addlength_pointer(data, -1, data);
				data = (const char *) att_align_nominal(data, TYPALIGN_INT);
			}
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("unsupported array type")));
	}
	PG_RETURN_SPARSEVEC_P(finish(&collector, count));
}
