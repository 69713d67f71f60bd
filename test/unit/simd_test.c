/* simd_test.c: every usable rung of src/simd against sums in double precision. */
/* sources: src/simd/simd*.c */

/*
 * Three ways of looking, each for what the others miss:
 *
 *	- floats of many sizes, against the bound that simd.h promises;
 *	- small whole numbers, whose sums are exact in any order, so that one lane
 *	  dropped or counted twice shows at any length;
 *	- a page that may not be touched on either side of the arrays.
 *
 * At the end three kernels broken on purpose must be found out.
 */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simd/simd.h"

#define MAX_N	16000

/* Every length to 1000, then some that occur in practice. */
static const size_t long_lengths[] = {1536, 2000, 3072, MAX_N};

#define N_LENGTHS	(1001 + sizeof(long_lengths) / sizeof(long_lengths[0]))

static size_t
length_at(size_t i)
{
	return i <= 1000 ? i : long_lengths[i - 1001];
}

/* TAP. */

static int	tests_run = 0;
static int	tests_failed = 0;

__attribute__((format(printf, 2, 3)))
static void
ok(bool passed, const char *format,...)
{
	va_list		args;

	printf("%s %d - ", passed ? "ok" : "not ok", ++tests_run);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (!passed)
		tests_failed++;
}

/* Set while a failure is what the test wants. */
static bool quiet = false;

__attribute__((format(printf, 1, 2)))
static void
diag(const char *format,...)
{
	va_list		args;

	if (quiet)
		return;
	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

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
static float
random_unit(void)
{
	return (float) (random_bits() >> 8) / (1 << 23) - 1.0f;
}

static float
random_positive(void)
{
	return 1.5f + random_unit();
}

/* Magnitudes 2^-50 to 2^50, whose squares and sums do not overflow. */
static float
random_any_scale(void)
{
	return ldexpf(random_unit(), (int) (random_bits() % 101) - 50);
}

/* Subnormal, least normal and a little above, and zeros of either sign. */
static float
random_tiny(void)
{
	switch (random_bits() % 8)
	{
		case 0:
			return 0.0f;
		case 1:
			return -0.0f;
		case 2:
			return FLT_MIN;
		case 3:
			return ldexpf(random_unit(), -70);
		default:
			return ldexpf(random_unit(), -127 - (int) (random_bits() % 20));
	}
}

/* Squares and sums to MAX_N stay below 2^24: exact in any order. */
static float
random_small_whole(void)
{
	return (float) ((int) (random_bits() % 33) - 16);
}

static void
fill(float *a, size_t n, float (*next) (void))
{
	for (size_t i = 0; i < n; i++)
		a[i] = next();
}

/* The five sums in double precision, and what bounds the error of each. */
enum
{
	L2, L1, DOT, NORM_A, NORM_B, N_SUMS
};

static const char *const sum_names[N_SUMS] = {"l2", "l1", "dot", "norm_a", "norm_b"};

typedef struct Exact
{
	double		sum[N_SUMS];
	double		magnitude[N_SUMS];	/* sum of the terms' absolute values */
} Exact;

static Exact
exact(const float *a, const float *b, size_t n)
{
	Exact		e = {0};

	for (size_t i = 0; i < n; i++)
	{
		double		x = a[i],
					y = b[i],
					d = x - y;

		e.sum[L2] += d * d;
		e.sum[L1] += fabs(d);
		e.sum[DOT] += x * y;
		e.sum[NORM_A] += x * x;
		e.sum[NORM_B] += y * y;
		e.magnitude[DOT] += fabs(x * y);
	}
	e.magnitude[L2] = e.sum[L2];
	e.magnitude[L1] = e.sum[L1];
	e.magnitude[NORM_A] = e.sum[NORM_A];
	e.magnitude[NORM_B] = e.sum[NORM_B];

	return e;
}

/* The bound that simd.h promises. */
static double
bound(size_t n, double magnitude)
{
	return ((double) n / 8 + 16) * ldexp(magnitude, -24) + ldexp((double) n, -149);
}

/* What the four kernels return, and the sum each result should be. */
enum
{
	N_RESULTS = 6
};

static const struct
{
	const char *kernel;
	int			sum;
}			results[N_RESULTS] = {
	{"l2_squared_f32", L2},
	{"l1_f32", L1},
	{"inner_product_f32", DOT},
	{"cosine_f32", DOT},
	{"cosine_f32", NORM_A},
	{"cosine_f32", NORM_B},
};

/* The length last tried, for the message when a kernel dies. */
static volatile size_t length_now;

static void
run_kernels(const SimdKernels *rung, const float *a, const float *b, size_t n,
			float *got)
{
	SimdCosine	cosine;

	length_now = n;
	got[0] = rung->l2_squared_f32(a, b, n);
	got[1] = rung->l1_f32(a, b, n);
	got[2] = rung->inner_product_f32(a, b, n);
	cosine = rung->cosine_f32(a, b, n);
	got[3] = cosine.dot;
	got[4] = cosine.norm_a;
	got[5] = cosine.norm_b;
}

/* The largest part of the bound that a rung has used up. */
static double worst[N_SUMS];

/*
 * Does every kernel of the rung give what the exact value allows: NaN for NaN,
 * the infinity it overflows to, otherwise a float within the bound?
 */
static bool
agrees(const SimdKernels *rung, const float *a, const float *b, size_t n)
{
	Exact		e = exact(a, b, n);
	float		got[N_RESULTS];
	bool		all_good = true;

	run_kernels(rung, a, b, n, got);

	for (int i = 0; i < N_RESULTS; i++)
	{
		int			sum = results[i].sum;
		double		want = e.sum[sum];
		bool		good;

		if (isnan(want))
			good = isnan(got[i]);
		else if (fabs(want) > FLT_MAX)
			good = isinf(got[i]) && (got[i] > 0) == (want > 0);
		else
		{
			double		error = fabs(got[i] - want);
			double		allowed = bound(n, e.magnitude[sum]);

			good = error <= allowed;
			if (good && error > worst[sum] * allowed)
				worst[sum] = error / allowed;
		}

		if (!good)
			diag("%s %s, n = %zu: %s is %.9g, not %.17g", rung->name,
				 results[i].kernel, n, sum_names[sum], got[i], want);
		all_good = all_good && good;
	}

	return all_good;
}

/*
 * As agrees, for inputs whose sums are exact in float: no error is allowed.
 */
static bool
equals(const SimdKernels *rung, const float *a, const float *b, size_t n)
{
	Exact		e = exact(a, b, n);
	float		got[N_RESULTS];

	run_kernels(rung, a, b, n, got);

	for (int i = 0; i < N_RESULTS; i++)
	{
		if (got[i] != e.sum[results[i].sum])
		{
			diag("%s %s, n = %zu: %s is %.9g, not exactly %.17g", rung->name,
				 results[i].kernel, n, sum_names[results[i].sum], got[i],
				 e.sum[results[i].sum]);
			return false;
		}
	}

	return true;
}

/* Room for the longest vector between two pages that may not be touched. */
typedef struct Fenced
{
	float	   *start;			/* just above the page below */
	float	   *end;			/* where the page above starts */
} Fenced;

static Fenced
fenced_alloc(size_t n)
{
	Fenced		f;
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		size = (n * sizeof(float) + page - 1) / page * page;
	char	   *p = mmap(NULL, size + 2 * page, PROT_NONE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, size, PROT_READ | PROT_WRITE) != 0)
	{
		printf("Bail out! no memory between guard pages\n");
		exit(2);
	}
	f.start = (float *) (p + page);
	f.end = (float *) (p + page + size);

	return f;
}

static float vector_a[MAX_N];
static float vector_b[MAX_N];
static Fenced fence_a;
static Fenced fence_b;

/*
 * Vectors of every length filled by next.
 */
static bool
test_lengths(const SimdKernels *rung, float (*next) (void),
			 bool (*judge) (const SimdKernels *, const float *, const float *, size_t))
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		fill(vector_a, n, next);
		fill(vector_b, n, next);
		if (!judge(rung, vector_a, vector_b, n))
			return false;
	}

	return true;
}

static bool
test_unit(const SimdKernels *rung)
{
	return test_lengths(rung, random_unit, agrees);
}

static bool
test_positive(const SimdKernels *rung)
{
	return test_lengths(rung, random_positive, agrees);
}

static bool
test_any_scale(const SimdKernels *rung)
{
	return test_lengths(rung, random_any_scale, agrees);
}

static bool
test_tiny(const SimdKernels *rung)
{
	return test_lengths(rung, random_tiny, agrees);
}

static bool
test_whole_numbers(const SimdKernels *rung)
{
	return test_lengths(rung, random_small_whole, equals);
}

/*
 * Every place within a cache line for either array, with NaN all around, which
 * would spoil the sum if a float outside were added.
 */
static bool
test_places(const SimdKernels *rung)
{
	enum
	{
		PLACES = 16, LONGEST = 150
	};
	_Alignas(64) float room_a[PLACES + LONGEST + PLACES];
	_Alignas(64) float room_b[PLACES + LONGEST + PLACES];

	for (size_t n = 0; n <= LONGEST; n += n < 40 ? 1 : 11)
	{
		fill(vector_a, n, random_small_whole);
		fill(vector_b, n, random_small_whole);

		for (int place = 0; place < PLACES * PLACES; place++)
		{
			float	   *a = room_a + place / PLACES;
			float	   *b = room_b + place % PLACES;

			for (size_t i = 0; i < PLACES + LONGEST + PLACES; i++)
				room_a[i] = room_b[i] = NAN;
			memcpy(a, vector_a, n * sizeof(float));
			memcpy(b, vector_b, n * sizeof(float));
			if (!equals(rung, a, b, n))
				return false;
		}
	}

	return true;
}

/*
 * Arrays that end where a guard page starts.
 */
static bool
test_fence_above(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);
		float	   *a = fence_a.end - n;
		float	   *b = fence_b.end - n;

		fill(a, n, random_small_whole);
		fill(b, n, random_small_whole);
		if (!equals(rung, a, b, n))
			return false;
	}

	return true;
}

/*
 * Arrays that start where a guard page ends.
 */
static bool
test_fence_below(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		fill(fence_a.start, n, random_small_whole);
		fill(fence_b.start, n, random_small_whole);
		if (!equals(rung, fence_a.start, fence_b.start, n))
			return false;
	}

	return true;
}

/*
 * A pair of remarkable floats at each place in turn, ordinary ones elsewhere.
 */
static bool
test_specials(const SimdKernels *rung)
{
	static const float pairs[][2] = {
		{NAN, 1}, {1, NAN}, {NAN, NAN}, {NAN, INFINITY},
		{INFINITY, 1}, {-INFINITY, 1}, {1, -INFINITY},
		{INFINITY, INFINITY}, {INFINITY, -INFINITY}, {INFINITY, 0},
		{FLT_MAX, -FLT_MAX}, {FLT_MAX, FLT_MAX}, {-FLT_MAX, 0},
		{1e20f, 1e20f}, {1e20f, -1e20f}, {1e-30f, 1e30f},
		{FLT_TRUE_MIN, 1}, {FLT_TRUE_MIN, -FLT_TRUE_MIN}, {-0.0f, 0.0f},
	};
	enum
	{
		N_PAIRS = sizeof(pairs) / sizeof(pairs[0])
	};

	for (size_t n = 1; n <= 140; n += n < 40 ? 1 : 25)
	{
		fill(vector_a, n, random_positive);
		fill(vector_b, n, random_positive);

		for (size_t i = 0; i < n * N_PAIRS; i++)
		{
			const float *pair = pairs[i % N_PAIRS];
			float	   *a = &vector_a[i / N_PAIRS];
			float	   *b = &vector_b[i / N_PAIRS];
			float		old_a = *a;
			float		old_b = *b;

			*a = pair[0];
			*b = pair[1];
			if (!agrees(rung, vector_a, vector_b, n))
			{
				diag("with (%g, %g) at %zu", pair[0], pair[1], i / N_PAIRS);
				return false;
			}
			*a = old_a;
			*b = old_b;
		}
	}

	return true;
}

/*
 * Sums that overflow at some length though no term does.
 */
static bool
test_overflow(const SimdKernels *rung)
{
	for (size_t n = 1; n <= 1000; n += n < 100 ? 1 : 50)
	{
		for (size_t i = 0; i < n; i++)
		{
			vector_a[i] = 1.3e19f;	/* its square is half of FLT_MAX */
			vector_b[i] = 0;
		}
		if (!agrees(rung, vector_a, vector_b, n))
			return false;

		for (size_t i = 0; i < n; i++)
			vector_a[i] = -FLT_MAX / 4;
		if (!agrees(rung, vector_a, vector_b, n))
			return false;
	}

	return true;
}

/*
 * All zeros of either sign: 0, and for a sum of squares or absolute values not
 * -0, which users would see printed.
 */
static bool
test_zeros(const SimdKernels *rung)
{
	for (size_t n = 0; n <= 100; n++)
	{
		for (int signs = 0; signs < 4; signs++)
		{
			float		got[N_RESULTS];

			for (size_t i = 0; i < n; i++)
			{
				vector_a[i] = signs & 1 ? -0.0f : 0.0f;
				vector_b[i] = signs & 2 ? -0.0f : 0.0f;
			}
			run_kernels(rung, vector_a, vector_b, n, got);

			for (int i = 0; i < N_RESULTS; i++)
			{
				if (got[i] == 0 && (results[i].sum == DOT || !signbit(got[i])))
					continue;
				diag("%s %s, n = %zu: zeros give %g", rung->name,
					 results[i].kernel, n, got[i]);
				return false;
			}
		}
	}

	return true;
}

/*
 * A vector with itself: the distances are exactly 0.
 */
static bool
test_same_array(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		fill(vector_a, n, random_unit);
		if (rung->l2_squared_f32(vector_a, vector_a, n) != 0 ||
			rung->l1_f32(vector_a, vector_a, n) != 0)
		{
			diag("%s, n = %zu: a vector has a distance from itself", rung->name, n);
			return false;
		}
		if (!agrees(rung, vector_a, vector_a, n))
			return false;
	}

	return true;
}

/*
 * The parts of a cosine and the single kernels: both are within the bound of
 * the same value, so within twice the bound of each other.
 */
static bool
test_cosine_parts(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);
		Exact		e;
		SimdCosine	cosine;
		double		dot;
		double		norm_a;
		double		norm_b;

		fill(vector_a, n, random_unit);
		fill(vector_b, n, random_unit);
		e = exact(vector_a, vector_b, n);
		cosine = rung->cosine_f32(vector_a, vector_b, n);
		dot = rung->inner_product_f32(vector_a, vector_b, n);
		norm_a = rung->inner_product_f32(vector_a, vector_a, n);
		norm_b = rung->inner_product_f32(vector_b, vector_b, n);

		if (fabs(cosine.dot - dot) > 2 * bound(n, e.magnitude[DOT]) ||
			fabs(cosine.norm_a - norm_a) > 2 * bound(n, e.magnitude[NORM_A]) ||
			fabs(cosine.norm_b - norm_b) > 2 * bound(n, e.magnitude[NORM_B]))
		{
			diag("%s, n = %zu: cosine and inner product differ", rung->name, n);
			return false;
		}
	}

	return true;
}

static const struct
{
	const char *what;
	bool		(*passes) (const SimdKernels *rung);
}			tests[] = {
	{"floats in [-1, 1)", test_unit},
	{"positive floats", test_positive},
	{"floats of every scale", test_any_scale},
	{"subnormals and zeros", test_tiny},
	{"whole numbers, exactly", test_whole_numbers},
	{"any alignment, NaN on either side", test_places},
	{"nothing read beyond the end", test_fence_above},
	{"nothing read before the start", test_fence_below},
	{"NaN, infinities and extremes at each place", test_specials},
	{"sums that overflow", test_overflow},
	{"zeros of either sign", test_zeros},
	{"a vector with itself", test_same_array},
	{"the parts of a cosine", test_cosine_parts},
};

/* Where a test goes on when a kernel dies of a signal. */
static sigjmp_buf died;

static void
on_signal(int signo)
{
	siglongjmp(died, signo);
}

/*
 * Run a test; a kernel that touches a guard page, or that this CPU cannot
 * execute, fails it and does not end the program.
 */
static bool
passes(bool (*test) (const SimdKernels *), const SimdKernels *rung)
{
	int			signo = sigsetjmp(died, 1);

	if (signo != 0)
	{
		diag("%s, n = %zu: %s", rung->name, length_now, strsignal(signo));
		return false;
	}

	return test(rung);
}

static void
test_rung(const SimdKernels *rung)
{
	if (!rung->usable())
	{
		printf("ok %d # SKIP %s: this CPU has not got it\n", ++tests_run, rung->name);
		return;
	}

	for (int i = 0; i < N_SUMS; i++)
		worst[i] = 0;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		ok(passes(tests[i].passes, rung), "%s: %s", rung->name, tests[i].what);
	diag("%s used at most this part of the bound: l2 %.2f, l1 %.2f, dot %.2f, norms %.2f",
		 rung->name, worst[L2], worst[L1], worst[DOT],
		 fmax(worst[NORM_A], worst[NORM_B]));
}

static void
test_choice(void)
{
#if defined(__x86_64__)
	static const char *const expected[] = {"scalar", "avx2", "avx512"};
#elif defined(__aarch64__)
	static const char *const expected[] = {"scalar", "neon"};
#else
	static const char *const expected[] = {"scalar"};
#endif
	const int	n_expected = sizeof(expected) / sizeof(expected[0]);
	const SimdKernels *best = NULL;
	bool		good;

	ok(simd != NULL && strcmp(simd->name, "scalar") == 0,
	   "scalar before anything is chosen");

	good = simd_rung_count == n_expected;
	for (int i = 0; i < n_expected && good; i++)
		good = strcmp(simd_rungs[i]->name, expected[i]) == 0;
	ok(good, "the rungs of this architecture, slowest first");

	for (int i = 0; i < simd_rung_count; i++)
	{
		if (simd_find(simd_rungs[i]->name) != simd_rungs[i])
			good = false;
		if (simd_rungs[i]->usable())
			best = simd_rungs[i];
	}
	ok(good, "each rung found by its name");
	ok(simd_find("") == NULL && simd_find("AVX2") == NULL &&
	   simd_find("avx") == NULL && simd_find("auto") == NULL,
	   "no rung found by another name");

#if defined(__x86_64__)
	__builtin_cpu_init();
	ok(simd_find("avx2")->usable() ==
	   (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")),
	   "the compiler's run-time library says the same about avx2");
	ok(simd_find("avx512")->usable() == (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")),
	   "the compiler's run-time library says the same about avx512");
#endif

	simd_init();
	ok(simd == best, "the best usable rung is chosen: %s", simd->name);
	simd_use(simd_rungs[0]);
	ok(simd == simd_rungs[0], "another one can be asked for");
	simd_init();
	ok(simd == best, "and the best one again");
}

/*
 * Kernels broken on purpose: each is scalar's, given one float less, the float
 * before, or one float more.  The float more is read but not added, as by a
 * kernel that loads whole vectors.
 */

static float
l2_drops_last(const float *a, const float *b, size_t n)
{
	return simd_rungs[0]->l2_squared_f32(a, b, n > 1000 ? n - 1 : n);
}

static float
l2_reads_before(const float *a, const float *b, size_t n)
{
	volatile float unused = n > 0 ? a[-1] : 0;

	(void) unused;
	return simd_rungs[0]->l2_squared_f32(a, b, n);
}

static float
l2_reads_beyond(const float *a, const float *b, size_t n)
{
	volatile float unused = b[n];

	(void) unused;
	return simd_rungs[0]->l2_squared_f32(a, b, n);
}

static void
test_the_test(void)
{
	SimdKernels broken = *simd_rungs[0];

	quiet = true;
	broken.name = "broken";
	broken.l2_squared_f32 = l2_drops_last;
	ok(!passes(test_whole_numbers, &broken), "a kernel that drops a float is found out");
	broken.l2_squared_f32 = l2_reads_before;
	ok(!passes(test_fence_below, &broken), "a kernel that reads before the start is found out");
	broken.l2_squared_f32 = l2_reads_beyond;
	ok(!passes(test_fence_above, &broken), "a kernel that reads beyond the end is found out");
	quiet = false;
}

int
main(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	fence_a = fenced_alloc(MAX_N);
	fence_b = fenced_alloc(MAX_N);

	test_choice();
	for (int i = 0; i < simd_rung_count; i++)
		test_rung(simd_rungs[i]);
	test_the_test();

	printf("1..%d\n", tests_run);

	return tests_failed > 0;
}
