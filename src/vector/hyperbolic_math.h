/*
 * hyperbolic_math.h: distances in hyperbolic space, without a server.
 *
 * Two models of the space of curvature -c, c > 0 (README.md has formulas and
 * bounds):
 *
 *	- the Poincare ball, whose points have c |u|^2 < 1;
 *	- the hyperboloid of Lorentz vectors x = (x0, s), the time coordinate x0
 *	  first, with x0 = sqrt(1/c + |s|^2).
 *
 * Sums are in double precision; no result depends on vecmark.simd.
 */
#ifndef VECMARK_HYPERBOLIC_MATH_H
#define VECMARK_HYPERBOLIC_MATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A point of the ball has a gap, 1 - c |u|^2, of at least 2^-23.  Whatever
 * lies on the sphere has a smaller one when its coordinates are rounded to
 * floats, so that such a vector is refused, and not only sometimes.
 */
#define HYPERBOLIC_LEAST_GAP (1.0 / 8388608)

/*
 * A Lorentz vector has a time coordinate of at most 2^24 / sqrt(c): as far
 * from the origin as the ball reaches, and what rounding adds.
 */
#define HYPERBOLIC_MOST_TIME 16777216.0

/*
 * The time coordinate given may differ from sqrt(1/c + |s|^2) by 2^-20 of it.
 * Rounding every coordinate to a float makes at most 2^-23; the rest is for
 * clients that compute in floats.
 */
#define HYPERBOLIC_TIME_SLACK (1.0 / 1048576)

typedef enum HyperbolicStatus
{
	HYPERBOLIC_OK,
	HYPERBOLIC_OFF,				/* not on the hyperboloid */
	HYPERBOLIC_FAR,				/* on it, above HYPERBOLIC_MOST_TIME */
	HYPERBOLIC_OVERFLOW,		/* a coordinate is above the largest float */
	HYPERBOLIC_UNDERFLOW,		/* or below the least one of full precision */
} HyperbolicStatus;

extern double hyperbolic_gap(const float *u, size_t dim, double curvature);
extern double hyperbolic_delta_of_gaps(const float *u, const float *v, size_t dim,
									   double gap_u, double gap_v);
extern double hyperbolic_delta(const float *u, const float *v, size_t dim);
extern double hyperbolic_distance(double delta, double curvature);
extern double hyperbolic_poincare(const float *u, const float *v, size_t dim);
extern double hyperbolic_poincare_curved(const float *u, const float *v, size_t dim,
										 double curvature);

extern double hyperbolic_time(const float *x, size_t dim, double curvature);
extern HyperbolicStatus hyperbolic_check_lorentz(const float *x, size_t dim, double curvature);
extern double hyperbolic_lorentz(const float *x, const float *y, size_t dim, double curvature);
extern HyperbolicStatus hyperbolic_to_lorentz(const float *u, size_t dim, double curvature,
											  float *x);
extern void hyperbolic_to_poincare(const float *x, size_t dim, double curvature, float *u);

#endif							/* VECMARK_HYPERBOLIC_MATH_H */
