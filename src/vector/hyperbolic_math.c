/*
 * hyperbolic_math.c: distances in the Poincare ball and on the hyperboloid.
 *
 * The textbook forms, arcosh(1 + 2 delta) and arcosh(-<x, y>), lose all digits
 * of a small distance and many of a point far out.  The forms here subtract
 * nothing but coordinates of the arguments (README.md, "Hyperbolic space").
 */
#include "vector/hyperbolic_math.h"

#include <float.h>
#include <math.h>

/*
 * A product fused with the addition after it is rounded otherwise than one with
 * the addition before it, and d(u, v) would not be d(v, u) on CPUs that can.
 */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize ("fp-contract=off")
#endif

/* Sums in parallel: they hide latency and divide the rounding error. */
#define LANES 4

/* A sum with what its rounding has left out. */
typedef struct DoubleSum
{
	double		sum;
	double		rest;
} DoubleSum;

/*
 * Add x, keeping the error of the addition, which is a double (Knuth).
 */
static inline void
add_exactly(DoubleSum *s, double x)
{
	double		sum = s->sum + x;
	double		added = sum - s->sum;

	s->rest += (s->sum - (sum - added)) + (x - added);
	s->sum = sum;
}

/*
 * The sum of squares as if added up in twice the precision: the square of a
 * float is a double without rounding.
 */
static DoubleSum
exact_square(const float *u, size_t dim)
{
	double		sum[LANES] = {0};
	double		rest[LANES] = {0};
	DoubleSum	total = {0, 0};
	size_t		i = 0;

	for (; i + LANES <= dim; i += LANES)
	{
		for (int lane = 0; lane < LANES; lane++)
		{
			double		x = (double) u[i + lane] * (double) u[i + lane];
			double		old = sum[lane];
			double		new = old + x;
			double		added = new - old;

			rest[lane] += (old - (new - added)) + (x - added);
			sum[lane] = new;
		}
	}
	for (; i < dim; i++)
		add_exactly(&total, (double) u[i] * (double) u[i]);
	for (int lane = 0; lane < LANES; lane++)
	{
		add_exactly(&total, sum[lane]);
		total.rest += rest[lane];
	}

	return total;
}

/*
 * The sum of squares, with a relative error below (dim / 4 + 4) * 2^-53.
 */
static double
square(const float *u, size_t dim)
{
	double		s[LANES] = {0};
	size_t		i = 0;

	for (; i + LANES <= dim; i += LANES)
	{
		for (int lane = 0; lane < LANES; lane++)
			s[lane] += (double) u[i + lane] * (double) u[i + lane];
	}
	for (; i < dim; i++)
		s[0] += (double) u[i] * (double) u[i];

	return (s[0] + s[1]) + (s[2] + s[3]);
}

/*
 * |u - v|^2, with a relative error below (dim / 4 + 7) * 2^-53.
 */
static double
squared_difference(const float *u, const float *v, size_t dim)
{
	double		s[LANES] = {0};
	size_t		i = 0;

	for (; i + LANES <= dim; i += LANES)
	{
		for (int lane = 0; lane < LANES; lane++)
		{
			double		d = (double) u[i + lane] - (double) v[i + lane];

			s[lane] += d * d;
		}
	}
	for (; i < dim; i++)
	{
		double		d = (double) u[i] - (double) v[i];

		s[0] += d * d;
	}

	return (s[0] + s[1]) + (s[2] + s[3]);
}

/*
 * |u|^2 - |v|^2, from the differences of the coordinates.
 */
static double
difference_of_squares(const float *u, const float *v, size_t dim)
{
	double		s[LANES] = {0};
	size_t		i = 0;

	for (; i + LANES <= dim; i += LANES)
	{
		for (int lane = 0; lane < LANES; lane++)
			s[lane] += ((double) u[i + lane] - (double) v[i + lane]) *
				((double) u[i + lane] + (double) v[i + lane]);
	}
	for (; i < dim; i++)
		s[0] += ((double) u[i] - (double) v[i]) * ((double) u[i] + (double) v[i]);

	return (s[0] + s[1]) + (s[2] + s[3]);
}

/*
 * 1 - c |u|^2, with a relative error below 2^-51 where it is at least
 * HYPERBOLIC_LEAST_GAP; only such points are in the ball.  For others it is
 * below that, or NaN when an element is NaN or the product overflows.
 *
 * curvature: c, positive and finite.
 */
double
hyperbolic_gap(const float *u, size_t dim, double curvature)
{
	DoubleSum	s = exact_square(u, dim);

	return fma(-curvature, s.sum, 1.0) - curvature * s.rest;
}

/*
 * |u - v|^2 / (gap_u * gap_v), for a caller that keeps the gaps.
 *
 * gap_u, gap_v: of hyperbolic_gap, at least HYPERBOLIC_LEAST_GAP.
 */
double
hyperbolic_delta_of_gaps(const float *u, const float *v, size_t dim, double gap_u, double gap_v)
{
	return squared_difference(u, v, dim) / (gap_u * gap_v);
}

/*
 * What ranks as the distance does in the ball of curvature -1, and costs less:
 * |u - v|^2 / ((1 - |u|^2) (1 - |v|^2)).  The same for (v, u), 0 for equal
 * points alone; NaN unless both are in the ball.
 */
double
hyperbolic_delta(const float *u, const float *v, size_t dim)
{
	double		gap_u = hyperbolic_gap(u, dim, 1.0);
	double		gap_v = hyperbolic_gap(v, dim, 1.0);

	if (!(gap_u >= HYPERBOLIC_LEAST_GAP) || !(gap_v >= HYPERBOLIC_LEAST_GAP))
		return NAN;
	return hyperbolic_delta_of_gaps(u, v, dim, gap_u, gap_v);
}

/*
 * The distance that a delta, of gaps for that curvature, stands for.  It never
 * falls where delta rises.
 */
double
hyperbolic_distance(double delta, double curvature)
{
	double		root = sqrt(curvature);

	/* roots first: the product of delta and a tiny curvature could underflow */
	return 2.0 / root * asinh(root * sqrt(delta));
}

/*
 * Distance of two points of the Poincare ball of curvature -1, with a relative
 * error below (dim / 8 + 16) * 2^-53.  The same for (v, u), 0 for equal points
 * alone; NaN unless both are in the ball.
 */
double
hyperbolic_poincare(const float *u, const float *v, size_t dim)
{
	return hyperbolic_distance(hyperbolic_delta(u, v, dim), 1.0);
}

/*
 * As hyperbolic_poincare, for the ball of radius 1/sqrt(c).
 *
 * curvature: c, positive and finite.
 */
double
hyperbolic_poincare_curved(const float *u, const float *v, size_t dim, double curvature)
{
	double		gap_u = hyperbolic_gap(u, dim, curvature);
	double		gap_v = hyperbolic_gap(v, dim, curvature);

	if (!(gap_u >= HYPERBOLIC_LEAST_GAP) || !(gap_v >= HYPERBOLIC_LEAST_GAP))
		return NAN;
	return hyperbolic_distance(hyperbolic_delta_of_gaps(u, v, dim, gap_u, gap_v), curvature);
}

/*
 * The time coordinate that belongs to the others: sqrt(1/c + x[1]^2 + ...).
 *
 * dim: of x, at least 1.  curvature: c, positive and finite.
 */
double
hyperbolic_time(const float *x, size_t dim, double curvature)
{
	return hypot(1.0 / sqrt(curvature), sqrt(square(x + 1, dim - 1)));
}

/*
 * Is this a point of the hyperboloid, HYPERBOLIC_OK, or _OFF, or _FAR?
 *
 * dim: of x, at least 1.  curvature: c, positive and finite.
 */
HyperbolicStatus
hyperbolic_check_lorentz(const float *x, size_t dim, double curvature)
{
	double		time = hyperbolic_time(x, dim, curvature);

	if (!(fabs(x[0] - time) <= HYPERBOLIC_TIME_SLACK * time))
		return HYPERBOLIC_OFF;
	if (!(sqrt(curvature) * time <= HYPERBOLIC_MOST_TIME))
		return HYPERBOLIC_FAR;
	return HYPERBOLIC_OK;
}

/*
 * sqrt(|s| |t|) times the chord between the directions of s and t, whose norms
 * are a and b, neither 0.
 *
 * difference: a^2 - b^2.  Its quotient by a + b has more digits than a - b.
 */
static double
chord(const float *s, const float *t, size_t n, double a, double b, double difference)
{
	double		norms = a + b;
	double		ratio = difference / (norms * norms);
	double		sum = 0;

	/* where the norms are about the same, from the difference s - t */
	if (fabs(ratio) < 0.25)
	{
		for (size_t i = 0; i < n; i++)
		{
			double		e = ((double) s[i] - (double) t[i]) - ((double) s[i] + (double) t[i]) * ratio;

			sum += e * e;
		}
		return norms * sqrt(sum) / (2.0 * sqrt(a) * sqrt(b));
	}
	else
	{
		double		s_by = sqrt(b / a);
		double		t_by = sqrt(a / b);

		for (size_t i = 0; i < n; i++)
		{
			double		e = s[i] * s_by - t[i] * t_by;

			sum += e * e;
		}
		return sqrt(sum);
	}
}

/*
 * Distance of two points of the hyperboloid, with a relative error below
 * (dim + 16) * 2^-53 * sqrt(c) * (the larger time coordinate).  The same for
 * (y, x), 0 for equal points.
 *
 * x, y: hyperbolic_check_lorentz has found them good.  Their time coordinates
 * are computed anew, since a rounded one is not on the hyperboloid.
 *
 * dim: of both, at least 1.  curvature: c, positive and finite.
 */
double
hyperbolic_lorentz(const float *x, const float *y, size_t dim, double curvature)
{
	const float *s = x + 1;
	const float *t = y + 1;
	size_t		n = dim - 1;
	double		root = sqrt(curvature);
	double		a = sqrt(square(s, n));
	double		b = sqrt(square(t, n));
	double		difference = difference_of_squares(s, t, n);
	double		scale = a * hypot(1.0, root * b) + b * hypot(1.0, root * a);
	double		radial = 0;
	double		angular = 0;

	/*
	 * In polar coordinates, r1 and r2 the distances from the origin and phi
	 * the angle, sinh^2(d/2) = sinh^2((r1 - r2)/2) + sinh r1 sinh r2
	 * sin^2(phi/2), here for c = 1.  No term is negative.
	 */
	if (scale > 0)
	{
		double		sinh_radii = root * (difference / scale);	/* sinh(r1 - r2) */

		radial = sinh_radii / sqrt(2.0 * (1.0 + hypot(1.0, sinh_radii)));
	}
	if (a > 0 && b > 0)
		angular = root * chord(s, t, n, a, b, difference) / 2.0;

	return 2.0 / root * asinh(hypot(radial, angular));
}

/*
 * The point of the hyperboloid that a point of the ball is, each coordinate the
 * nearest float: x0 = (1 + c |u|^2) / (1 - c |u|^2) / sqrt(c) and s = 2 u / (1 -
 * c |u|^2).
 *
 * u: in the ball.  x: room for dim + 1 floats, set when the result is
 * HYPERBOLIC_OK; otherwise that is _OVERFLOW or _UNDERFLOW, of the time
 * coordinate.
 */
HyperbolicStatus
hyperbolic_to_lorentz(const float *u, size_t dim, double curvature, float *x)
{
	double		gap = hyperbolic_gap(u, dim, curvature);
	double		time = (2.0 - gap) / gap / sqrt(curvature);

	/* far enough away that rounding decides nothing */
	if (time > FLT_MAX / 2)
		return HYPERBOLIC_OVERFLOW;
	if (time < FLT_MIN * 2)
		return HYPERBOLIC_UNDERFLOW;

	for (size_t i = 0; i < dim; i++)
		x[i + 1] = (float) (2.0 * u[i] / gap);
	x[0] = (float) time;

	return HYPERBOLIC_OK;
}

/*
 * The nearest float towards 0.
 */
static float
round_towards_zero(double x)
{
	float		nearest = (float) x;

	return fabs((double) nearest) > fabs(x) ? nextafterf(nearest, 0) : nearest;
}

/*
 * The point of the ball that a point of the hyperboloid is: u = s / (1 +
 * sqrt(c) x0).  Each coordinate is the nearest float, unless that would be too
 * near the boundary or beyond it: then all are moved inwards, by less than two
 * units in their last place.  The result is always in the ball.
 *
 * x: hyperbolic_check_lorentz has found it good.  dim: of x, at least 2.  u:
 * room for dim - 1 floats.
 */
void
hyperbolic_to_poincare(const float *x, size_t dim, double curvature, float *u)
{
	double		divisor = 1.0 + sqrt(curvature) * hyperbolic_time(x, dim, curvature);
	double		inwards = 1.0 - 1.0 / HYPERBOLIC_MOST_TIME;

	for (size_t i = 0; i < dim - 1; i++)
		u[i] = (float) (x[i + 1] / divisor);
	if (hyperbolic_gap(u, dim - 1, curvature) >= HYPERBOLIC_LEAST_GAP)
		return;
	for (size_t i = 0; i < dim - 1; i++)
		u[i] = round_towards_zero(x[i + 1] / divisor * inwards);
}
