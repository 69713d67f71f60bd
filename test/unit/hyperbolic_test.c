/* hyperbolic_test.c: distances in hyperbolic space, against formulas in higher precision and its laws. */
/* sources: src/vector/hyperbolic_math.c */

/*
 * The judge adds, multiplies and divides in 113 bits, where the textbook forms
 * have digits to lose, and takes the last arcsinh or arcosh in long double.
 * Isometries move points to others that floats do not hold; what that rounding
 * may change is added to the bound.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "vector/hyperbolic_math.h"

#if LDBL_MANT_DIG >= 113
typedef long double Wide;
#else
typedef __float128 Wide;
#endif

#define MAX_DIM		1500
#define ROUNDS		400

static const size_t dims[] = {1, 2, 3, 4, 5, 7, 16, 50, 128, 1000, MAX_DIM};

#define N_DIMS		(sizeof(dims) / sizeof(dims[0]))

/* Euclidean norms of points, to 1e-7 of the boundary. */
static const double norms[] = {0, 1e-30, 1e-8, 1e-3, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4, 1 - 1e-5, 1 - 1e-6, 1 - 3e-7, 1 - 1e-7};

#define N_NORMS		(sizeof(norms) / sizeof(norms[0]))

static const double curvatures[] = {1, 0.25, 4, 0.1, 3.7, 1e-6, 1e6, 1e-20, 1e20};

#define N_CURVATURES (sizeof(curvatures) / sizeof(curvatures[0]))

/* Numbers that are the same in every run (xorshift64*). */

static uint64_t random_state = 0x9E3779B97F4A7C15;

static uint32_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t) ((random_state * 0x2545F4914F6CDD1D) >> 32);
}

/* In [-1, 1). */
static double
random_unit(void)
{
	return (double) random_bits() / 2147483648.0 - 1.0;
}

/* A point of that norm, but for the rounding of its coordinates. */
static void
random_point(float *u, size_t dim, double norm)
{
	double		direction[MAX_DIM];
	double		sum = 0;

	for (size_t i = 0; i < dim; i++)
	{
		direction[i] = random_unit();
		sum += direction[i] * direction[i];
	}
	for (size_t i = 0; i < dim; i++)
		u[i] = (float) (direction[i] / sqrt(sum) * norm);
}

/* A point of the ball of curvature -c: whatever norm, a near one, or the same direction. */
static void
random_pair(float *u, float *v, size_t dim, double curvature)
{
	double		radius = 1 / sqrt(curvature);

	do
	{
		random_point(u, dim, norms[random_bits() % N_NORMS] * radius);
		random_point(v, dim, norms[random_bits() % N_NORMS] * radius);
		switch (random_bits() % 4)
		{
			case 0:				/* a neighbour */
				for (size_t i = 0; i < dim; i++)
					v[i] = (float) (u[i] * (1 + random_unit() * 1e-5));
				break;
			case 1:				/* farther in on the same ray */
				for (size_t i = 0; i < dim; i++)
					v[i] = u[i] / 2;
				break;
		}
	} while (!(hyperbolic_gap(u, dim, curvature) >= HYPERBOLIC_LEAST_GAP) ||
			 !(hyperbolic_gap(v, dim, curvature) >= HYPERBOLIC_LEAST_GAP));
}

static double worst;			/* the largest part of a bound used up */

/* Is the error within the bound? */
static bool
within(double got, long double want, double bound)
{
	double		error = (double) fabsl(got - want);

	if (error > 0 && bound > 0 && error / bound > worst)
		worst = error / bound;
	if (error <= bound)
		return true;
	printf("# %.17g, not %.20Lg: off by %g, allowed %g\n", got, want, error, bound);
	return false;
}

static void
show_worst(const char *what)
{
	printf("# %s: at most %.2f of the bound used\n", what, worst);
	worst = 0;
}

/* References. */

static Wide
wide_square(const float *u, size_t dim)
{
	Wide		sum = 0;

	for (size_t i = 0; i < dim; i++)
		sum += (Wide) u[i] * u[i];
	return sum;
}

static Wide
wide_gap(const float *u, size_t dim, double c)
{
	return 1 - c * wide_square(u, dim);
}

/* |u - v|^2 / (gap gap) */
static Wide
wide_delta(const float *u, const float *v, size_t dim, double c)
{
	Wide		sum = 0;

	for (size_t i = 0; i < dim; i++)
		sum += ((Wide) u[i] - v[i]) * ((Wide) u[i] - v[i]);
	return sum / (wide_gap(u, dim, c) * wide_gap(v, dim, c));
}

static Wide
wide_root(Wide x)
{
	Wide		root = sqrtl((long double) x);

	/* one step of Newton's doubles the digits */
	return x == 0 ? 0 : (root + x / root) / 2;
}

static long double
reference_poincare(const float *u, const float *v, size_t dim, double c)
{
	long double root = sqrtl(c);

	return 2 / root * asinhl(root * (long double) wide_root(wide_delta(u, v, dim, c)));
}

/* <x - y, x - y> of the points whose space coordinates are given. */
static Wide
wide_lorentz_square(const float *x, const float *y, size_t dim, double c)
{
	Wide		x0 = wide_root(1 / (Wide) c + wide_square(x + 1, dim - 1));
	Wide		y0 = wide_root(1 / (Wide) c + wide_square(y + 1, dim - 1));
	Wide		sum = -(x0 - y0) * (x0 - y0);

	for (size_t i = 1; i < dim; i++)
		sum += ((Wide) x[i] - y[i]) * ((Wide) x[i] - y[i]);
	return sum < 0 ? 0 : sum;
}

static long double
reference_lorentz(const float *x, const float *y, size_t dim, double c)
{
	long double root = sqrtl(c);

	return 2 / root * asinhl(root * (long double) wide_root(wide_lorentz_square(x, y, dim, c)) / 2);
}

/* The bounds that hyperbolic_math.c promises. */

static double
poincare_bound(size_t dim, long double distance)
{
	return ((double) dim / 8 + 16) * 0x1p-53 * (double) distance;
}

static double
lorentz_bound(const float *x, const float *y, size_t dim, double c, long double distance)
{
	double		time = fmax(hyperbolic_time(x, dim, c), hyperbolic_time(y, dim, c));

	return ((double) dim + 16) * 0x1p-53 * sqrt(c) * time * (double) distance;
}

/* What floats in place of coordinates can change a distance by. */

static double
poincare_rounding(const float *u, size_t dim)
{
	return 2 * 0x1p-24 * 1.1 / hyperbolic_gap(u, dim, 1);
}

static double
lorentz_rounding(const float *x, size_t dim, double c)
{
	return 0x1p-24 * 1.1 * hyperbolic_time(x, dim, c);
}

static float u[MAX_DIM + 1], v[MAX_DIM + 1], w[MAX_DIM + 1];
static float x[MAX_DIM + 1], y[MAX_DIM + 1], z[MAX_DIM + 1];

static void
test_gap(void)
{
	bool		good = true;
	size_t		smallest = 0;

	for (size_t i = 0; i < N_DIMS * ROUNDS && good; i++)
	{
		size_t		dim = dims[i % N_DIMS];
		double		c = curvatures[i % N_CURVATURES];
		double		gap;
		Wide		want;

		/* up to as near the boundary as it goes, and beyond */
		random_point(u, dim, (1 - ldexp(1, -(int) (random_bits() % 27))) / sqrt(c));
		gap = hyperbolic_gap(u, dim, c);
		want = wide_gap(u, dim, c);
		if (want >= HYPERBOLIC_LEAST_GAP)
			good = within(gap, (long double) want, 0x1p-51 * (double) want);
		else
			good = gap < HYPERBOLIC_LEAST_GAP;
		smallest += gap >= HYPERBOLIC_LEAST_GAP && gap < 1e-6;
	}
	ok(good && smallest > 50, "the gap 1 - c |u|^2 has all its digits, also near the boundary");
	show_worst("gap");
}

static void
test_poincare(void)
{
	bool		good = true;
	bool		textbook = true;

	for (size_t i = 0; i < N_DIMS * ROUNDS && good; i++)
	{
		size_t		dim = dims[i % N_DIMS];
		double		c = i % 2 ? 1 : curvatures[i / 2 % N_CURVATURES];
		double		got;
		long double want;
		Wide		delta;

		random_pair(u, v, dim, c);
		got = hyperbolic_poincare_curved(u, v, dim, c);
		want = reference_poincare(u, v, dim, c);
		good = within(got, want, poincare_bound(dim, want));
		if (c == 1)
			good = good && got == hyperbolic_poincare(u, v, dim) &&
				got == hyperbolic_distance(hyperbolic_delta(u, v, dim), 1);

		/* arcosh(1 + 2 delta), whose argument loses delta's digits */
		delta = c * wide_delta(u, v, dim, c);
		if (delta > 1e-3)
		{
			long double cosh_form = acoshl((long double) (1 + 2 * delta)) / sqrtl(c);

			textbook = textbook && fabsl(cosh_form - got) <= poincare_bound(dim, want) + 1e-15L * want;
		}
	}
	ok(good, "distances in the ball, against the same in 113 bits");
	ok(textbook, "and against arcosh where that has digits enough");
	show_worst("ball");
}

static void
test_lorentz(void)
{
	bool		good = true;
	bool		textbook = true;

	for (size_t i = 0; i < N_DIMS * ROUNDS && good; i++)
	{
		size_t		dim = dims[i % N_DIMS] < MAX_DIM ? dims[i % N_DIMS] + 1 : MAX_DIM;
		double		c = i % 2 ? 1 : curvatures[i / 2 % N_CURVATURES];
		double		got;
		long double want;
		Wide		square;

		random_pair(u, v, dim - 1, c);
		if (hyperbolic_to_lorentz(u, dim - 1, c, x) != HYPERBOLIC_OK ||
			hyperbolic_to_lorentz(v, dim - 1, c, y) != HYPERBOLIC_OK ||
			hyperbolic_check_lorentz(x, dim, c) != HYPERBOLIC_OK ||
			hyperbolic_check_lorentz(y, dim, c) != HYPERBOLIC_OK)
		{
			good = false;
			break;
		}
		got = hyperbolic_lorentz(x, y, dim, c);
		want = reference_lorentz(x, y, dim, c);
		good = within(got, want, lorentz_bound(x, y, dim, c, want));

		square = c * wide_lorentz_square(x, y, dim, c);
		if (square > 1e-3)
		{
			long double cosh_form = acoshl((long double) (1 + square / 2)) / sqrtl(c);

			textbook = textbook && fabsl(cosh_form - got) <= lorentz_bound(x, y, dim, c, want) + 1e-15L * want;
		}
	}
	ok(good, "distances on the hyperboloid, against the same in 113 bits");
	ok(textbook, "and against arcosh where that has digits enough");
	show_worst("hyperboloid");
}

static void
test_models(void)
{
	bool		good = true;
	bool		back = true;

	for (size_t i = 0; i < N_DIMS * ROUNDS && good && back; i++)
	{
		size_t		dim = dims[i % N_DIMS];
		double		c = curvatures[i % N_CURVATURES];
		double		distance;
		double		rounding;

		random_pair(u, v, dim, c);
		if (hyperbolic_to_lorentz(u, dim, c, x) != HYPERBOLIC_OK ||
			hyperbolic_to_lorentz(v, dim, c, y) != HYPERBOLIC_OK)
			good = false;
		distance = hyperbolic_poincare_curved(u, v, dim, c);
		rounding = lorentz_rounding(x, dim + 1, c) + lorentz_rounding(y, dim + 1, c);
		good = good && within(hyperbolic_lorentz(x, y, dim + 1, c), distance, rounding + 1e-9 * distance);

		hyperbolic_to_poincare(x, dim + 1, c, w);
		back = hyperbolic_gap(w, dim, c) >= HYPERBOLIC_LEAST_GAP;
		for (size_t j = 0; j < dim; j++)
			back = back && fabs((double) w[j] - u[j]) <= 0x1p-21 * fabs(u[j]) + 0x1p-149;
	}
	ok(good, "both models have the same distances, but for what floats round away");
	ok(back, "to the hyperboloid and back is the same point, and always in the ball");
	show_worst("models");
}

static bool
same_point(const float *p, const float *q, size_t dim)
{
	for (size_t i = 0; i < dim; i++)
	{
		if (p[i] != q[i])
			return false;
	}
	return true;
}

static void
test_laws(void)
{
	bool		symmetric = true;
	bool		zero = true;
	bool		triangle = true;
	bool		ranked = true;

	for (size_t i = 0; i < N_DIMS * ROUNDS; i++)
	{
		size_t		dim = dims[i % N_DIMS];
		double		uv,
					uw,
					vw,
					xy,
					xz,
					yz,
					slack;

		random_pair(u, v, dim, 1);
		random_pair(w, u, dim, 1);
		uv = hyperbolic_poincare(u, v, dim);
		uw = hyperbolic_poincare(u, w, dim);
		vw = hyperbolic_poincare(v, w, dim);
		symmetric = symmetric && uv == hyperbolic_poincare(v, u, dim);
		zero = zero && hyperbolic_poincare(u, u, dim) == 0 && hyperbolic_poincare_curved(u, u, dim, 0.3) == 0;
		zero = zero && (uv == 0) == same_point(u, v, dim);
		triangle = triangle && uv <= uw + vw + poincare_bound(dim, uv + uw + vw);
		ranked = ranked && (hyperbolic_delta(u, v, dim) < hyperbolic_delta(u, w, dim)) <= (uv <= uw);

		hyperbolic_to_lorentz(u, dim, 1, x);
		hyperbolic_to_lorentz(v, dim, 1, y);
		hyperbolic_to_lorentz(w, dim, 1, z);
		xy = hyperbolic_lorentz(x, y, dim + 1, 1);
		xz = hyperbolic_lorentz(x, z, dim + 1, 1);
		yz = hyperbolic_lorentz(y, z, dim + 1, 1);
		symmetric = symmetric && xy == hyperbolic_lorentz(y, x, dim + 1, 1);
		zero = zero && hyperbolic_lorentz(x, x, dim + 1, 1) == 0;
		slack = lorentz_bound(x, y, dim + 1, 1, xy) + lorentz_bound(x, z, dim + 1, 1, xz) + lorentz_bound(y, z, dim + 1, 1, yz);
		triangle = triangle && xy <= xz + yz + slack;
	}
	ok(symmetric, "distances are symmetric to the last bit");
	ok(zero, "0 from a point to itself, and to no other");
	ok(triangle, "the triangle inequality");
	ok(ranked, "delta ranks as the distance does");
}

/* a (+) p, the translation of the ball that takes 0 to a, in long double. */
static void
moebius(const float *a, const float *p, size_t dim, float *out)
{
	long double ap = 0,
				aa = 0,
				pp = 0,
				divisor;

	for (size_t i = 0; i < dim; i++)
	{
		ap += (long double) a[i] * p[i];
		aa += (long double) a[i] * a[i];
		pp += (long double) p[i] * p[i];
	}
	divisor = 1 + 2 * ap + aa * pp;
	for (size_t i = 0; i < dim; i++)
		out[i] = (float) (((1 + 2 * ap + pp) * a[i] + (1 - aa) * p[i]) / divisor);
}

static void
test_translations(void)
{
	bool		good = true;
	int			tried = 0;

	for (size_t i = 0; i < N_DIMS * ROUNDS && good; i++)
	{
		size_t		dim = dims[i % N_DIMS];
		double		before,
					after;

		/* far out points, moved farther, would leave what floats can hold */
		random_point(w, dim, norms[random_bits() % 8]);
		random_pair(u, v, dim, 1);
		moebius(w, u, dim, x);
		moebius(w, v, dim, y);
		if (hyperbolic_gap(x, dim, 1) < 1e-5 || hyperbolic_gap(y, dim, 1) < 1e-5)
			continue;
		before = hyperbolic_poincare(u, v, dim);
		after = hyperbolic_poincare(x, y, dim);
		good = within(after, before, poincare_rounding(x, dim) + poincare_rounding(y, dim) + poincare_bound(dim, before + after));
		tried++;
	}
	ok(good && tried > 500, "Moebius translations keep distances, but for what floats round away");
	show_worst("translations");
}

static void
test_reflections(void)
{
	bool		good = true;

	/* what floats do not round: signs, the order of coordinates */
	for (size_t i = 0; i < N_DIMS * 20 && good; i++)
	{
		size_t		dim = dims[i % N_DIMS];
		double		before;

		random_pair(u, v, dim, 1);
		before = hyperbolic_poincare(u, v, dim);
		for (size_t j = 0; j < dim; j++)
		{
			x[j] = -u[dim - 1 - j];
			y[j] = -v[dim - 1 - j];
		}
		good = within(hyperbolic_poincare(x, y, dim), before, 2 * poincare_bound(dim, before));
	}
	ok(good, "reflections and reordered coordinates keep distances");
	worst = 0;
}

static void
test_boosts(void)
{
	bool		good = true;
	int			tried = 0;

	for (size_t i = 0; i < N_DIMS * ROUNDS && good; i++)
	{
		size_t		dim = dims[i % N_DIMS] < MAX_DIM ? dims[i % N_DIMS] + 1 : MAX_DIM;
		long double rapidity = random_unit() * 6;
		long double ch = coshl(rapidity);
		long double sh = sinhl(rapidity);
		double		before,
					after;
		const float *from[2] = {x, y};
		float	   *to[2] = {u, v};

		random_pair(u, v, dim - 1, 1);
		hyperbolic_to_lorentz(u, dim - 1, 1, x);
		hyperbolic_to_lorentz(v, dim - 1, 1, y);
		for (int k = 0; k < 2; k++)
		{
			long double time = sqrtl((long double) (1 + wide_square(from[k] + 1, dim - 1)));

			memcpy(to[k], from[k], dim * sizeof(float));
			to[k][1] = (float) (sh * time + ch * from[k][1]);
			to[k][0] = (float) (ch * time + sh * from[k][1]);
		}
		if (hyperbolic_check_lorentz(u, dim, 1) != HYPERBOLIC_OK || hyperbolic_check_lorentz(v, dim, 1) != HYPERBOLIC_OK)
			continue;
		before = hyperbolic_lorentz(x, y, dim, 1);
		after = hyperbolic_lorentz(u, v, dim, 1);
		good = within(after, before, lorentz_rounding(u, dim, 1) + lorentz_rounding(v, dim, 1) +
					  lorentz_bound(x, y, dim, 1, before) + lorentz_bound(u, v, dim, 1, after));
		tried++;
	}
	ok(good && tried > 1000, "Lorentz boosts keep distances, but for what floats round away");
	show_worst("boosts");
}

static void
test_curvature(void)
{
	bool		good = true;
	static const float a[] = {0.25f, -0.5f, 0.125f};
	static const float b[] = {-0.75f, 0.0625f, 0.5f};

	/* powers of four scale without rounding */
	for (int power = -60; power <= 60 && good; power++)
	{
		float		as[3],
					bs[3];
		double		c = ldexp(1, 2 * power);
		double		one = hyperbolic_poincare(a, b, 3);
		float		x1[4],
					y1[4],
					xs[4],
					ys[4];

		for (int i = 0; i < 3; i++)
		{
			as[i] = ldexpf(a[i], -power);
			bs[i] = ldexpf(b[i], -power);
		}
		good = hyperbolic_poincare_curved(as, bs, 3, c) == ldexp(one, -power);

		good = good && hyperbolic_to_lorentz(a, 3, 1, x1) == HYPERBOLIC_OK &&
			hyperbolic_to_lorentz(b, 3, 1, y1) == HYPERBOLIC_OK &&
			hyperbolic_to_lorentz(as, 3, c, xs) == HYPERBOLIC_OK &&
			hyperbolic_to_lorentz(bs, 3, c, ys) == HYPERBOLIC_OK;
		for (int i = 0; i < 4; i++)
			good = good && xs[i] == ldexpf(x1[i], -power);
		good = good && within(hyperbolic_lorentz(xs, ys, 4, c), ldexp(hyperbolic_lorentz(x1, y1, 4, 1), -power),
							  1e-15 * ldexp(one, -power));
	}
	ok(good, "another curvature is another unit of length");
	ok(fabs(hyperbolic_poincare_curved(a, b, 3, 1e-300) - 2 * sqrt(1 + 0.5625 * 0.5625 + 0.375 * 0.375)) < 1e-15 &&
	   fabs(hyperbolic_poincare_curved(a, b, 3, 4.9e-324) - 2 * sqrt(1 + 0.5625 * 0.5625 + 0.375 * 0.375)) < 1e-15,
	   "with hardly any curvature, twice the Euclidean distance");
	worst = 0;
}

static void
test_known(void)
{
	static const float origin[] = {0, 0};
	static const float half[] = {0.5f, 0};
	static const float other[] = {0, -0.5f};
	static const float least[] = {FLT_TRUE_MIN, 0};
	float		lifted[3];
	float		back[2];

	ok(fabs(hyperbolic_poincare(origin, half, 2) - log(3)) < 1e-15, "0 to 0.5 is ln 3");
	ok(fabs(hyperbolic_poincare(half, other, 2) - acosh(1 + 2 * 0.5 / (0.75 * 0.75))) < 1e-15, "a right angle");
	ok(hyperbolic_poincare(origin, least, 2) == 2 * (double) FLT_TRUE_MIN, "the least float is not lost");
	ok(hyperbolic_to_lorentz(half, 2, 1, lifted) == HYPERBOLIC_OK &&
	   lifted[0] == (float) (5.0 / 3) && lifted[1] == (float) (4.0 / 3) && lifted[2] == 0, "0.5 lies above (5/3, 4/3)");
	hyperbolic_to_poincare(lifted, 3, 1, back);
	ok(back[0] == 0.5f && back[1] == 0, "and comes back");
	ok(hyperbolic_to_lorentz(origin, 2, 4, lifted) == HYPERBOLIC_OK && lifted[0] == 0.5f && lifted[1] == 0, "the origin");
	ok(hyperbolic_to_lorentz(origin, 2, 1e-80, lifted) == HYPERBOLIC_OVERFLOW &&
	   hyperbolic_to_lorentz(origin, 2, 1e80, lifted) == HYPERBOLIC_UNDERFLOW, "time coordinates that no float holds");
}

static void
test_refused(void)
{
	static const float one[] = {1, 0};
	static const float nearest[] = {1 - 0x1p-24f, 0};
	static const float near[] = {1 - 0x1p-23f, 0};
	static const float zero[] = {0, 0};
	static const float largest[] = {FLT_MAX, -FLT_MAX};
	static const float nan[] = {NAN, 0};
	float		time;
	bool		good = true;

	ok(isnan(hyperbolic_poincare(one, zero, 2)) && isnan(hyperbolic_poincare(zero, one, 2)) &&
	   isnan(hyperbolic_delta(largest, zero, 2)) && isnan(hyperbolic_poincare_curved(zero, largest, 2, 1e300)) &&
	   isnan(hyperbolic_poincare(nan, zero, 2)), "what is not in the ball has no distance");
	ok(isnan(hyperbolic_poincare(nearest, zero, 2)) && hyperbolic_poincare(near, zero, 2) > 16.6,
	   "the float below 1 is too near the boundary, the one below it is not");
	ok(isnan(hyperbolic_poincare_curved(one, zero, 2, 1)) && hyperbolic_poincare_curved(one, zero, 2, 0.5) > 0,
	   "with less curvature the ball is larger");

	/* unit vectors, each coordinate rounded up or down by chance */
	for (size_t i = 0; i < N_DIMS * ROUNDS && good; i++)
	{
		random_point(u, dims[i % N_DIMS], 1);
		good = !(hyperbolic_gap(u, dims[i % N_DIMS], 1) >= HYPERBOLIC_LEAST_GAP);
	}
	ok(good, "a unit vector is refused however its coordinates are rounded");

	random_point(x + 1, 10, 1000);
	time = (float) hyperbolic_time(x, 11, 1);
	x[0] = time * (1 + 0x1p-21f);
	good = hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OK;
	x[0] = time * (1 - 0x1p-21f);
	good = good && hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OK;
	x[0] = time * (1 + 0x1p-19f);
	good = good && hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OFF;
	x[0] = time * (1 - 0x1p-19f);
	good = good && hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OFF;
	x[0] = -time;
	good = good && hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OFF;
	x[0] = time;
	good = good && hyperbolic_check_lorentz(x, 11, 2) == HYPERBOLIC_OK;	/* so far out curvature hardly shows */
	good = good && hyperbolic_check_lorentz(x, 11, 1e-6) == HYPERBOLIC_OFF;
	x[0] = NAN;
	good = good && hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OFF;
	ok(good, "a time coordinate that is not the others' is refused");

	random_point(x + 1, 10, 0x1p24 - 2);
	x[0] = (float) hyperbolic_time(x, 11, 1);
	good = hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_OK;
	hyperbolic_to_poincare(x, 11, 1, u);
	good = good && hyperbolic_gap(u, 10, 1) >= HYPERBOLIC_LEAST_GAP && hyperbolic_gap(u, 10, 1) < 4 * HYPERBOLIC_LEAST_GAP;
	random_point(x + 1, 10, 0x1p24 + 16);
	x[0] = (float) hyperbolic_time(x, 11, 1);
	good = good && hyperbolic_check_lorentz(x, 11, 1) == HYPERBOLIC_FAR;
	ok(good, "as far as the ball reaches and no farther");

	x[0] = 16777216.0f;
	x[1] = 16777216.0f;
	hyperbolic_to_poincare(x, 2, 1, u);
	ok(hyperbolic_check_lorentz(x, 2, 1) == HYPERBOLIC_FAR && hyperbolic_gap(u, 1, 1) >= HYPERBOLIC_LEAST_GAP,
	   "the end of an axis");
}

/*
 * Any bits at all: NaN, or a number that is not negative.
 */
static void
test_any_bits(void)
{
	bool		good = true;

	for (int i = 0; i < 20000 && good; i++)
	{
		size_t		dim = 2 + random_bits() % 9;
		double		c = ldexp(1 + fabs(random_unit()), (int) (random_bits() % 2000) - 1000);
		double		d;

		for (size_t j = 0; j < dim; j++)
		{
			uint32_t	bits = random_bits();

			memcpy(&u[j], &bits, sizeof(bits));
			bits = random_bits();
			memcpy(&v[j], &bits, sizeof(bits));
		}
		d = hyperbolic_poincare_curved(u, v, dim, c);
		good = isnan(d) || (d >= 0 && isfinite(d));
		if (hyperbolic_gap(u, dim, c) >= HYPERBOLIC_LEAST_GAP &&
			hyperbolic_to_lorentz(u, dim, c, x) == HYPERBOLIC_OK)
			good = good && hyperbolic_check_lorentz(x, dim + 1, c) == HYPERBOLIC_OK;
		/* a point above any coordinates */
		u[0] = (float) hyperbolic_time(u, dim, c);
		v[0] = (float) hyperbolic_time(v, dim, c);
		if (hyperbolic_check_lorentz(u, dim, c) == HYPERBOLIC_OK && hyperbolic_check_lorentz(v, dim, c) == HYPERBOLIC_OK)
		{
			d = hyperbolic_lorentz(u, v, dim, c);
			good = good && d >= 0 && isfinite(d) && d == hyperbolic_lorentz(v, u, dim, c);
			hyperbolic_to_poincare(u, dim, c, w);
			good = good && hyperbolic_gap(w, dim - 1, c) >= HYPERBOLIC_LEAST_GAP;
		}
	}
	ok(good, "any bits give a distance or none, and never one below 0");
}

int
main(void)
{
	test_known();
	test_gap();
	test_poincare();
	test_lorentz();
	test_models();
	test_laws();
	test_translations();
	test_reflections();
	test_boosts();
	test_curvature();
	test_refused();
	test_any_bits();

	return done_testing();
}
