/*
 * vector_aggregate.c: avg(vector), with partial aggregation.
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
	if (STATE_DIM(state) > 0)
		vector_check_dim(STATE_DIM(state));
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
 * SQL: add a vector to the state.  Within an aggregate the state is changed
 * in place, since nobody else sees it.
 */
Datum
vector_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	Vector	   *vector = PG_GETARG_VECTOR_P(1);
	ArrayType  *result;
	float8	   *values;

	check_state(state, "vector_accum");
	if (STATE_DIM(state) == 0)
		result = make_state(vector->dim);
	else
	{
		check_state_dim(STATE_DIM(state), vector->dim);
		result = AggCheckCallContext(fcinfo, NULL) ? state : PG_GETARG_ARRAYTYPE_P_COPY(0);
	}

	values = STATE_VALUES(result);
	values[0] = STATE_VALUES(state)[0] + 1.0;
	for (int i = 0; i < vector->dim; i++)
	{
		values[i + 1] += vector->x[i];
		if (isinf(values[i + 1]))
			float_overflow_error();
	}

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
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	float8		count;
	Vector	   *result;

	check_state(state, "vector_avg");
	count = STATE_VALUES(state)[0];
	if (count == 0.0)
		PG_RETURN_NULL();

	vector_check_dim(STATE_DIM(state));
	result = vector_make(STATE_DIM(state));
	for (int i = 0; i < result->dim; i++)
	{
		result->x[i] = (float) (STATE_VALUES(state)[i + 1] / count);
		vector_check_finite(result->x[i]);
	}
	PG_RETURN_VECTOR_P(result);
}
