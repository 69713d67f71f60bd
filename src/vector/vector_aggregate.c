/*
 * vector_aggregate.c: avg(vector), with partial aggregation, and what other
 * types have in common with it.
 *
 * The state is a float8[]: the number of vectors, then the sum of each
 * element; {0} before the first vector.  An array needs no serialisation
 * functions to travel between workers, and is pgvector's state too.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"
#include "vector/vector.h"
#include "vector/vector_common.h"

VM_FUNCTION_INFO(vector_accum);
VM_FUNCTION_INFO(vector_combine);
VM_FUNCTION_INFO(vector_avg);

#define STATE_DIM(state) (ARR_DIMS(state)[0] - 1)
#define STATE_VALUES(state) ((float8 *) ARR_DATA_PTR(state))

/*
 * Check that an array is a state; the functions can be called by anyone.
 */
static void
check_state(const ArrayType *state, const char *caller)
{
	if (ARR_NDIM(state) != 1 ||
		ARR_DIMS(state)[0] < 1 ||
		ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s: expected state array", caller)));
}

/*
 * A new state for vectors of dim dimensions, all zero.
 */
static ArrayType *
make_state(int dim)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (dim + 1);
	ArrayType  *state = (ArrayType *) palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

static void
check_state_dim(int state_dim, int dim)
{
	if (state_dim != dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", state_dim, dim)));
}

/*
 * Add the elements x to the state that is argument 0, for the SQL function
 * caller to return.  Within an aggregate the state is changed in place, since
 * nobody else sees it.
 *
 * Errors: 22023 when argument 0 is no state, 22000 when dimensions differ,
 * 22003 on overflow.
 */
ArrayType  *
vector_state_add(FunctionCallInfo fcinfo, const char *caller, const float *x, int dim)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *result;
	float8	   *values;

	check_state(state, caller);
	if (STATE_DIM(state) == 0)
		result = make_state(dim);
	else
	{
		check_state_dim(STATE_DIM(state), dim);
		result = AggCheckCallContext(fcinfo, NULL) ? state : PG_GETARG_ARRAYTYPE_P_COPY(0);
	}

	values = STATE_VALUES(result);
	values[0] = STATE_VALUES(state)[0] + 1.0;
	for (int i = 0; i < dim; i++)
	{
		/* 0 + -0 would be 0 */
		values[i + 1] = STATE_DIM(state) == 0 ? x[i] : values[i + 1] + x[i];
		if (isinf(values[i + 1]))
			float_overflow_error();
	}
	return result;
}

/*
 * The mean of what the state that is argument 0 has counted, as floats in x,
 * which has room for VECTOR_MAX_DIM.  The result is the number of dimensions,
 * for the caller to check; 0 when nothing was counted, less when the state counts
 * but has no dimensions.
 *
 * Errors: 22023 when argument 0 is no state.
 */
int
vector_state_mean(FunctionCallInfo fcinfo, const char *caller, float *x)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	float8		count;

	check_state(state, caller);
	count = STATE_VALUES(state)[0];
	if (count == 0.0)
		return 0;
	if (STATE_DIM(state) == 0)
		return -1;
	for (int i = 0; i < Min(STATE_DIM(state), VECTOR_MAX_DIM); i++)
		x[i] = (float) (STATE_VALUES(state)[i + 1] / count);
	return STATE_DIM(state);
}

/*
 * SQL: add a vector to the state.
 */
Datum
vector_accum(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(1);
	ArrayType  *result = vector_state_add(fcinfo, "vector_accum", vector->x, vector->dim);

	PG_FREE_IF_COPY(vector, 1);
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * SQL: the state of two parts together.
 */
Datum
vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *a = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *b = PG_GETARG_ARRAYTYPE_P(1);
	ArrayType  *result;

	check_state(a, "vector_combine");
	check_state(b, "vector_combine");
	if (STATE_DIM(a) == 0 && STATE_VALUES(a)[0] == 0.0)
		PG_RETURN_ARRAYTYPE_P(PG_GETARG_ARRAYTYPE_P_COPY(1));
	if (STATE_DIM(b) == 0 && STATE_VALUES(b)[0] == 0.0)
		PG_RETURN_ARRAYTYPE_P(PG_GETARG_ARRAYTYPE_P_COPY(0));

	check_state_dim(STATE_DIM(a), STATE_DIM(b));
	result = make_state(STATE_DIM(a));
	for (int i = 0; i <= STATE_DIM(a); i++)
	{
		STATE_VALUES(result)[i] = STATE_VALUES(a)[i] + STATE_VALUES(b)[i];
		if (isinf(STATE_VALUES(result)[i]))
			float_overflow_error();
	}
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * SQL: the mean, or NULL when there was no vector.
 */
Datum
vector_avg(PG_FUNCTION_ARGS)
{
	float		x[VECTOR_MAX_DIM];
	int			dim = vector_state_mean(fcinfo, "vector_avg", x);
	Vector	   *result;

	if (dim == 0)
		PG_RETURN_NULL();

	vector_check_dim(dim);
	result = vector_make(dim);
	for (int i = 0; i < dim; i++)
	{
		vector_check_finite(x[i]);
		result->x[i] = x[i];
	}
	PG_RETURN_VECTOR_P(result);
}
