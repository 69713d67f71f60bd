/*
 * halfvec_aggregate.c: avg(halfvec).  Its state is that of avg(vector), in double
 * precision, and so are its combine function and the rest.
 */
#include "postgres.h"
#include "compat.h"

#include "simd/simd.h"
#include "vector/halfvec.h"
#include "vector/vector_common.h"

VM_FUNCTION_INFO(halfvec_accum);
VM_FUNCTION_INFO(halfvec_avg);

/*
 * SQL: add a halfvec to the state.
 */
Datum
halfvec_accum(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(1);
	float		x[HALFVEC_MAX_DIM];
	ArrayType  *result;

	simd->widen_f16(halfvec->x, x, halfvec->dim);
	result = vector_state_add(fcinfo, "halfvec_accum", x, halfvec->dim);

	PG_FREE_IF_COPY(halfvec, 1);
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * SQL: the mean, or NULL when there was no halfvec.
 */
Datum
halfvec_avg(PG_FUNCTION_ARGS)
{
	float		x[HALFVEC_MAX_DIM];
	int			dim = vector_state_mean(fcinfo, "halfvec_avg", x);
	Halfvec    *result;

	if (dim == 0)
		PG_RETURN_NULL();

	halfvec_check_dim(dim);
	result = halfvec_make(dim);
	halfvec_set(result, x);
	PG_RETURN_HALFVEC_P(result);
}
