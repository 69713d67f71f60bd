/* simd_half_test.c: the kernels over halves on every usable rung, against the definition of the format. */
/* sources: src/simd/simd*.c */

/*
 * Conversions: every half; every float that decides between two halves, and its
 * neighbours; floats of every exponent.  Sums: against double precision and the
 * bound of simd.h, exactly where they are exact, and at the edges of a mapping.
 */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simd/half.h"
#include "simd/simd.h"
#include "tap.h"

#define HALVES	65536
#define MAX_N	16000

static uint16_t half_a[MAX_N];
static uint16_t half_b[MAX_N];
static float float_a[HALVES];

/* xorshift64*: the same numbers on every machine. */
static uint32_t
random_bits(void)
{
	static uint64_t state = UINT64_C(0x9E3779B97F4A7C15);

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t) ((state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

static uint32_t
bits_of(float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static float
float_of(uint32_t bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* What a half is by definition; not for NaN. */
static double
defined_value(uint16_t half)
{
	int			exponent = half >> 10 & 31;
	int			mantissa = half & 1023;
	double		size;

	if (exponent == 31)
		size = INFINITY;
	else if (exponent == 0)
		size = ldexp(mantissa, -24);
	else
		size = ldexp(1024 + mantissa, exponent - 25);
	return half & 0x8000 ? -size : size;
}

/*
 * The half that a float is rounded to, by rounding to a whole number of the
 * units of its last place, as doubles round.
 */
static uint16_t
defined_half(float value)
{
	uint16_t	sign = signbit(value) ? 0x8000 : 0;
	double		size = fabs((double) value);
	int			exponent;
	int			units;

	if (isnan(value))
		return sign | 0x7e00 | (bits_of(value) >> 13 & 0x3ff);
	if (size >= 65520)
		return sign | 0x7c00;
	if (size == 0)
		return sign;
	frexp(size, &exponent);		/* size is below 2^exponent */
	if (exponent < -13)
		exponent = -13;
	units = (int) nearbyint(ldexp(size, 11 - exponent));	/* at most 2048 */
	return sign | ((exponent + 13) * 1024 + units);
}

/* Do widen_f16 and half_to_float make of every half what it is? */
static bool
test_widen(const SimdKernels *rung)
{
	static uint16_t all[HALVES];

	for (int i = 0; i < HALVES; i++)
		all[i] = i;
	rung->widen_f16(all, float_a, HALVES);
	for (int i = 0; i < HALVES; i++)
	{
		bool		good = bits_of(float_a[i]) == bits_of(half_to_float(i));

		if (half_is_nan(i))
			good = good && isnan(float_a[i]) && (bits_of(float_a[i]) & 0x400000) != 0 &&
				(bits_of(float_a[i]) >> 16 & 0x8000) == (i & HALF_SIGN) &&
				(bits_of(float_a[i]) >> 13 & 0x1ff) == (uint32_t) (i & 0x1ff);
		else
			good = good && float_a[i] == defined_value(i) && !signbit(float_a[i]) == !(i & HALF_SIGN);
		if (!good)
		{
			printf("# %s: half %#06x becomes %a\n", rung->name, i, float_a[i]);
			return false;
		}
	}
	return true;
}

/* Does the rung round n floats as the definition has it? */
static bool
narrows(const SimdKernels *rung, const float *a, size_t n)
{
	static uint16_t out[HALVES];

	rung->narrow_f16(a, out, n);
	for (size_t i = 0; i < n; i++)
	{
		if (out[i] == defined_half(a[i]) && out[i] == half_from_float(a[i]))
			continue;
		printf("# %s: %a becomes %#06x, not %#06x\n", rung->name, a[i], out[i], defined_half(a[i]));
		return false;
	}
	return true;
}

/* Every half as a float, and back. */
static bool
test_round_trip(const SimdKernels *rung)
{
	static uint16_t again[HALVES];

	for (int i = 0; i < HALVES; i++)
		float_a[i] = half_to_float(i);
	rung->narrow_f16(float_a, again, HALVES);
	for (int i = 0; i < HALVES; i++)
	{
		/* a signaling NaN has become a quiet one */
		if (again[i] != (half_is_nan(i) ? i | 0x200 : i))
			return false;
	}
	return narrows(rung, float_a, HALVES);
}

/* The middles between two halves, and the floats beside them. */
static bool
test_middles(const SimdKernels *rung)
{
	for (int beside = -1; beside <= 1; beside++)
	{
		int			n = 0;

		for (int half = 0; half < HALF_INFINITY; half++)
		{
			double		above = half + 1 < HALF_INFINITY ? defined_value(half + 1) : 65536;
			float		middle = (float) ((defined_value(half) + above) / 2);

			float_a[n] = float_of(bits_of(middle) + beside);
			float_a[n + 1] = -float_a[n];
			n += 2;
		}
		if (!narrows(rung, float_a, n))
			return false;
	}
	return true;
}

/* Floats of every exponent: bits at random, and those that pgvector's users meet. */
static bool
test_floats(const SimdKernels *rung)
{
	static const float known[] = {
		0.0f, -0.0f, 65504.0f, 65519.996f, 65520.0f, -65520.0f, 65536.0f, 1e-8f, 2.9802322e-08f, 2.9802326e-08f,
		5.9604645e-08f, 6.0975552e-05f, 6.1035156e-05f, FLT_MIN, FLT_TRUE_MIN, FLT_MAX, INFINITY, -INFINITY, NAN
	};

	for (int round = 0; round < 50; round++)
	{
		for (int i = 0; i < HALVES; i++)
			float_a[i] = float_of(random_bits());
		if (!narrows(rung, float_a, HALVES))
			return false;
		/* with an exponent that a half has, or nearly */
		for (int i = 0; i < HALVES; i++)
			float_a[i] = float_of((random_bits() & 0x807fffff) | (98 + random_bits() % 48) << 23);
		if (!narrows(rung, float_a, HALVES))
			return false;
	}
	return narrows(rung, known, sizeof(known) / sizeof(known[0]));
}

/* Fillers. */

static uint16_t
any_finite(void)
{
	for (;;)
	{
		uint16_t	half = random_bits();

		if ((half & HALF_MAGNITUDE) < HALF_INFINITY)
			return half;
	}
}

static uint16_t
unit(void)
{
	return half_from_float((float) (random_bits() >> 8) / (1 << 23) - 1.0f);
}

static uint16_t
subnormal(void)
{
	return random_bits() & 0x83ff;
}

/* Sums of these to MAX_N stay below 2^24: exact in any order. */
static uint16_t
small_whole(void)
{
	return half_from_float((float) ((int) (random_bits() % 33) - 16));
}

static void
fill(uint16_t *a, size_t n, uint16_t (*next) (void))
{
	for (size_t i = 0; i < n; i++)
		a[i] = next();
}

/*
 * Do the sums keep to the bound of simd.h, or, if that is asked for, equal what
 * they should be?
 */
static bool
sums(const SimdKernels *rung, const uint16_t *a, const uint16_t *b, size_t n, bool exactly)
{
	SimdCosine	cosine = rung->cosine_f16(a, b, n);
	float		got[6] = {rung->l2_squared_f16(a, b, n), rung->l1_f16(a, b, n), rung->inner_product_f16(a, b, n),
	cosine.dot, cosine.norm_a, cosine.norm_b};
	double		want[6] = {0};
	double		size[6] = {0};

	for (size_t i = 0; i < n; i++)
	{
		double		x = half_to_float(a[i]);
		double		y = half_to_float(b[i]);
		double		terms[6] = {(x - y) * (x - y), fabs(x - y), x * y, x * y, x * x, y * y};

		for (int k = 0; k < 6; k++)
		{
			want[k] += terms[k];
			size[k] += fabs(terms[k]);
		}
	}
	for (int k = 0; k < 6; k++)
	{
		double		allowed = exactly ? 0 : (n / 8.0 + 16) * ldexp(size[k], -24) + ldexp(n, -149);

		if (isnan(want[k]) ? isnan(got[k]) : isinf(want[k]) ? got[k] == want[k] : fabs(got[k] - want[k]) <= allowed)
			continue;
		printf("# %s, n = %zu: sum %d is %.9g, not %.17g\n", rung->name, n, k, got[k], want[k]);
		return false;
	}
	return true;
}

static bool
test_sums(const SimdKernels *rung, uint16_t (*next) (void), bool exactly)
{
	for (size_t n = 0; n <= MAX_N; n = n < 600 ? n + 1 : n < 4000 ? n * 3 / 2 : n + 4000)
	{
		fill(half_a, n, next);
		fill(half_b, n, next);
		if (!sums(rung, half_a, half_b, n, exactly))
			return false;
	}
	return true;
}

/* NaN, infinities and the largest halves at each place. */
static bool
test_specials(const SimdKernels *rung)
{
	static const uint16_t pairs[][2] = {
		{0x7e00, 0x3c00}, {0x3c00, 0xfe00}, {0x7c00, 0x3c00}, {0xfc00, 0x3c00}, {0x7c00, 0x7c00}, {0x7c00, 0xfc00},
		{0x7c00, 0}, {0x7bff, 0xfbff}, {0x7bff, 0x7bff}, {0x0001, 0x8001}, {0x8000, 0}
	};

	for (size_t n = 1; n <= 140; n += n < 40 ? 1 : 25)
	{
		for (size_t i = 0; i < n; i++)
		{
			for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); k++)
			{
				fill(half_a, n, unit);
				fill(half_b, n, unit);
				half_a[i] = pairs[k][0];
				half_b[i] = pairs[k][1];
				if (!sums(rung, half_a, half_b, n, false))
					return false;
			}
		}
	}
	return true;
}

/* Room between two pages that may not be touched. */
typedef struct Fenced
{
	char	   *start;
	char	   *end;
} Fenced;

static Fenced
fenced_alloc(size_t size)
{
	Fenced		f;
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		whole = (size + page - 1) / page * page;
	char	   *p = mmap(NULL, whole + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, whole, PROT_READ | PROT_WRITE) != 0)
	{
		printf("Bail out! no memory between guard pages\n");
		exit(2);
	}
	f.start = p + page;
	f.end = p + page + whole;
	return f;
}

static Fenced fence_a;
static Fenced fence_b;
static Fenced fence_f;

/*
 * Arrays at the start or the end of a mapping: sums are exact, and conversions
 * write all of the output.
 */
static bool
test_fences(const SimdKernels *rung)
{
	for (int at_end = 0; at_end <= 1; at_end++)
	{
		for (size_t n = 0; n <= 1000; n += n < 200 ? 1 : 100)
		{
			uint16_t   *a = (uint16_t *) (at_end ? fence_a.end - sizeof(uint16_t) * n : fence_a.start);
			uint16_t   *b = (uint16_t *) (at_end ? fence_b.end - sizeof(uint16_t) * n : fence_b.start);
			float	   *f = (float *) (at_end ? fence_f.end - sizeof(float) * n : fence_f.start);

			fill(a, n, small_whole);
			fill(b, n, small_whole);
			if (!sums(rung, a, b, n, true))
				return false;
			memset(f, 0xff, sizeof(float) * n);
			memset(b, 0xff, sizeof(uint16_t) * n);
			rung->widen_f16(a, f, n);
			rung->narrow_f16(f, b, n);
			if (memcmp(a, b, sizeof(uint16_t) * n) != 0)
				return false;
		}
	}
	return true;
}

/* Every place within a cache line, NaN on either side; outputs stay within n. */
static bool
test_places(const SimdKernels *rung)
{
	enum
	{
		PLACES = 32, LONGEST = 150
	};
	uint16_t	room_a[PLACES + LONGEST + PLACES];
	uint16_t	room_b[PLACES + LONGEST + PLACES];
	float		room_f[PLACES + LONGEST + PLACES];

	for (size_t n = 0; n <= LONGEST; n += n < 40 ? 1 : 11)
	{
		for (size_t place = 0; place < PLACES; place++)
		{
			uint16_t   *a = room_a + place;
			uint16_t   *b = room_b + random_bits() % PLACES;
			float	   *f = room_f + place;

			for (int i = 0; i < PLACES + LONGEST + PLACES; i++)
			{
				room_a[i] = room_b[i] = 0x7e00;
				room_f[i] = NAN;
			}
			fill(a, n, small_whole);
			fill(b, n, small_whole);
			if (!sums(rung, a, b, n, true))
				return false;
			rung->widen_f16(a, f, n);
			rung->narrow_f16(f, b, n);
			if (memcmp(a, b, sizeof(uint16_t) * n) != 0)
				return false;
			for (int i = 0; i < PLACES + LONGEST + PLACES; i++)
			{
				if (isnan(room_f[i]) != (room_f + i < f || room_f + i >= f + n) ||
					half_is_nan(room_b[i]) != (room_b + i < b || room_b + i >= b + n))
				{
					printf("# %s, n = %zu: written beside the output\n", rung->name, n);
					return false;
				}
			}
		}
	}
	return true;
}

static bool
test_any_finite(const SimdKernels *rung)
{
	return test_sums(rung, any_finite, false);
}

static bool
test_unit(const SimdKernels *rung)
{
	return test_sums(rung, unit, false);
}

static bool
test_subnormal(const SimdKernels *rung)
{
	return test_sums(rung, subnormal, false);
}

static bool
test_whole(const SimdKernels *rung)
{
	return test_sums(rung, small_whole, true);
}

static const struct
{
	const char *what;
	bool		(*passes) (const SimdKernels *rung);
}			tests[] = {
	{"every half widened", test_widen},
	{"every half widened and narrowed", test_round_trip},
	{"middles between two halves", test_middles},
	{"floats of every exponent", test_floats},
	{"sums of any finite halves", test_any_finite},
	{"sums of halves in [-1, 1]", test_unit},
	{"sums of subnormals", test_subnormal},
	{"sums of whole numbers, exactly", test_whole},
	{"NaN, infinities and extremes at each place", test_specials},
	{"any alignment, NaN on either side", test_places},
	{"nothing touched beyond either end", test_fences},
};

/* Where a test goes on when a kernel dies of a signal. */
static sigjmp_buf died;

static void
on_signal(int signo)
{
	siglongjmp(died, signo);
}

static bool
passes(bool (*test) (const SimdKernels *), const SimdKernels *rung)
{
	int			signo = sigsetjmp(died, 1);

	if (signo != 0)
	{
		printf("# %s: %s\n", rung->name, strsignal(signo));
		return false;
	}
	return test(rung);
}

/* One value at a time: order and classes. */
static void
test_half(void)
{
	bool		good = true;

	for (int i = 0; i < HALVES; i++)
	{
		uint16_t	other = random_bits();
		float		x = half_to_float(i);
		float		y = half_to_float(other);
		int			ranks = half_rank(i) - half_rank(other);

		good &= half_is_nan(i) == !!isnan(x) && half_is_infinite(i) == !!isinf(x) && half_is_zero(i) == (x == 0);
		if (!isnan(x) && !isnan(y))
			good &= (ranks > 0) == (x > y) && (ranks < 0) == (x < y);
	}
	ok(good, "classes and order of halves are those of their floats");
	ok(half_rank(0x8000) == half_rank(0), "both zeros have one rank");
	ok(half_from_float(HALF_OVERFLOW) == HALF_INFINITY && half_from_float(nextafterf(HALF_OVERFLOW, 0)) == 0x7bff,
	   "HALF_OVERFLOW is the least float that becomes an infinity");
}

/* Kernels broken on purpose must be found out. */

static void
widen_drops_last(const uint16_t *a, float *out, size_t n)
{
	simd_rungs[0]->widen_f16(a, out, n > 0 ? n - 1 : 0);
}

static void
narrow_cuts_off(const float *a, uint16_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = half_from_float(float_of(bits_of(a[i]) & ~0x1fffu));
}

static float
l2_reads_beyond(const uint16_t *a, const uint16_t *b, size_t n)
{
	volatile uint16_t unused = b[n];

	(void) unused;
	return simd_rungs[0]->l2_squared_f16(a, b, n);
}

static void
test_the_test(void)
{
	SimdKernels broken = *simd_rungs[0];

	broken.name = "broken on purpose";
	broken.widen_f16 = widen_drops_last;
	ok(!passes(test_places, &broken), "a kernel that leaves out the last half is found out");
	broken = *simd_rungs[0];
	broken.name = "broken on purpose";
	broken.narrow_f16 = narrow_cuts_off;
	ok(!passes(test_middles, &broken), "a kernel that does not round is found out");
	broken = *simd_rungs[0];
	broken.name = "broken on purpose";
	broken.l2_squared_f16 = l2_reads_beyond;
	ok(!passes(test_fences, &broken), "a kernel that reads beyond the end is found out");
}

int
main(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	fence_a = fenced_alloc(2 * 1000);
	fence_b = fenced_alloc(2 * 1000);
	fence_f = fenced_alloc(4 * 1000);

	test_half();
	for (int i = 0; i < simd_rung_count; i++)
	{
		const SimdKernels *rung = simd_rungs[i];

		if (!rung->usable())
		{
			printf("ok %d # SKIP %s: this CPU has not got it\n", ++tests_run, rung->name);
			continue;
		}
		for (size_t k = 0; k < sizeof(tests) / sizeof(tests[0]); k++)
		{
			char		what[128];

			snprintf(what, sizeof(what), "%s: %s", rung->name, tests[k].what);
			ok(passes(tests[k].passes, rung), what);
		}
	}
	test_the_test();
	return done_testing();
}
