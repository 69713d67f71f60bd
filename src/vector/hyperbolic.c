/*
 * hyperbolic.c: distances of vectors as points of hyperbolic space.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "utils/float.h"
#include "vector/hyperbolic.h"
#include "vector/hyperbolic_math.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(poincare_distance);
VM_FUNCTION_INFO(lorentz_distance);
VM_FUNCTION_INFO(poincare_to_lorentz);
VM_FUNCTION_INFO(lorentz_to_poincare);

/*
 * The curvature, which is argument n of a function, or 1 when it has fewer.
 *
 * Errors: 22023 unless it is positive and finite.
 */
static double
get_curvature(FunctionCallInfo fcinfo, int n)
{
	double		curvature = PG_NARGS() > n ? PG_GETARG_FLOAT8(n) : 1.0;

	if (!(curvature > 0) || isinf(curvature))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("curvature must be positive and finite, not %g", curvature),
				 errhint("A curvature of 1 stands for the space of constant curvature -1.")));
	return curvature;
}

/*
 * The gap of a vector, hyperbolic_gap, which is in the ball.
 *
 * Errors: 22003 when it is not, or too near the boundary.
 */
double
hyperbolic_point_gap(const Vector *u, double curvature)
{
	double		gap = hyperbolic_gap(u->x, u->dim, curvature);
	double		square = 0;

	if (likely(gap >= HYPERBOLIC_LEAST_GAP))
		return gap;

	for (int i = 0; i < u->dim; i++)
		square += (double) u->x[i] * (double) u->x[i];
	if (gap > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("vector of norm %.9g is too near the boundary of the Poincare ball", sqrt(square)),
				 errdetail("1 - curvature * norm^2 must be at least 2^-23: what is nearer, single precision cannot tell from the boundary."),
				 errhint("Scale the vectors down, or give a smaller curvature.")));
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("vector of norm %.9g is not inside the Poincare ball", sqrt(square)),
			 errdetail("With curvature %g the ball has a radius of %.9g.", curvature, 1.0 / sqrt(curvature)),
			 errhint("Scale the vectors down, or give a smaller curvature.")));
}

/*
 * Errors: 22000 when a vector has no dimension beside time, 22003 when it is
 * not on the hyperboloid, or too far out.
 */
static void
check_lorentz(const Vector *x, double curvature)
{
	double		time;

	if (x->dim < 2)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("vector on the hyperboloid must have at least 2 dimensions")));

	switch (hyperbolic_check_lorentz(x->x, x->dim, curvature))
	{
		case HYPERBOLIC_OFF:
			time = hyperbolic_time(x->x, x->dim, curvature);
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("vector is not on the hyperboloid: its first element is %.9g, not %.9g", x->x[0], time),
					 errdetail("With curvature %g the first element is the root of %g and the squares of the others, within a millionth of it.", curvature, 1.0 / curvature),
					 errhint("poincare_to_lorentz makes such vectors of points of the Poincare ball.")));
			break;
		case HYPERBOLIC_FAR:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("vector is too far out on the hyperboloid: its first element is %.9g", x->x[0]),
					 errdetail("With curvature %g it may be at most %.9g.", curvature, HYPERBOLIC_MOST_TIME / sqrt(curvature)),
					 errhint("Scale distances from the origin down, or give a smaller curvature.")));
			break;
		default:
			break;
	}
}

/*
 * SQL: distance of two points of the Poincare ball, of curvature -1 unless a
 * third argument gives another.
 */
Datum
poincare_distance(PG_FUNCTION_ARGS)
{
	Vector	   *u = PG_GETARG_VECTOR_P(0);
	Vector	   *v = PG_GETARG_VECTOR_P(1);
	double		curvature = get_curvature(fcinfo, 2);
	double		gap_u;
	double		gap_v;

	vector_check_same_dim(u, v);
	gap_u = hyperbolic_point_gap(u, curvature);
	gap_v = hyperbolic_point_gap(v, curvature);
	PG_RETURN_FLOAT8(hyperbolic_distance(hyperbolic_delta_of_gaps(u->x, v->x, u->dim, gap_u, gap_v), curvature));
}

/*
 * SQL: distance of two points of the hyperboloid.
 */
Datum
lorentz_distance(PG_FUNCTION_ARGS)
{
	Vector	   *x = PG_GETARG_VECTOR_P(0);
	Vector	   *y = PG_GETARG_VECTOR_P(1);
	double		curvature = get_curvature(fcinfo, 2);

	vector_check_same_dim(x, y);
	check_lorentz(x, curvature);
	check_lorentz(y, curvature);
	PG_RETURN_FLOAT8(hyperbolic_lorentz(x->x, y->x, x->dim, curvature));
}

/*
 * SQL: the point of the hyperboloid that a point of the ball is.  Errors: 22003
 * when no float holds its first element, 54000 above 15,999 dimensions.
 */
Datum
poincare_to_lorentz(PG_FUNCTION_ARGS)
{
	Vector	   *u = PG_GETARG_VECTOR_P(0);
	double		curvature = get_curvature(fcinfo, 1);
	Vector	   *result;

	vector_check_dim(u->dim + 1);
	(void) hyperbolic_point_gap(u, curvature);
	result = vector_make(u->dim + 1);
	switch (hyperbolic_to_lorentz(u->x, u->dim, curvature, result->x))
	{
		case HYPERBOLIC_OVERFLOW:
			float_overflow_error();
			break;
		case HYPERBOLIC_UNDERFLOW:
			float_underflow_error();
			break;
		default:
			break;
	}
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: the point of the ball that a point of the hyperboloid is.
 */
Datum
lorentz_to_poincare(PG_FUNCTION_ARGS)
{
	Vector	   *x = PG_GETARG_VECTOR_P(0);
	double		curvature = get_curvature(fcinfo, 1);
	Vector	   *result;

	check_lorentz(x, curvature);
	result = vector_make(x->dim - 1);
	hyperbolic_to_poincare(x->x, x->dim, curvature, result->x);
	PG_RETURN_VECTOR_P(result);
}
