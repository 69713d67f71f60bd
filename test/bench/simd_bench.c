/* simd_bench.c: nanoseconds a distance takes, by kernel, length and rung, beside a plain C loop. */
/* sources: src/simd/simd.c src/simd/simd_scalar.c src/simd/simd_avx2.c src/simd/simd_avx512.c src/simd/simd_neon.c */

/*
 * From the top of the tree:
 *
 *	gcc -std=gnu11 -O2 -Isrc test/bench/simd_bench.c src/simd/simd*.c -lm -o simd_bench
 *	taskset -c 1 ./simd_bench
 *
 * One vector is compared with several others, all of which together fit in
 * 24 kB, so the first-level cache holds them.  A round times every cell of the
 * table once; the table shows medians over the rounds, so that a machine which
 * changes its speed meanwhile treats all cells alike.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "simd/simd.h"

#define ROUNDS			301
#define SLICE_FLOATS	400000	/* floats a side in one timed slice, about */
#define CACHE_FLOATS	(24 * 1024 / (int) sizeof(float))

static const int lengths[] = {128, 384, 768, 1536};

#define N_LENGTHS ((int) (sizeof(lengths) / sizeof(lengths[0])))

enum
{
	L2, INNER_PRODUCT, COSINE, L1, N_KERNELS
};

static const char *const kernel_names[N_KERNELS] = {
	"l2_squared_f32", "inner_product_f32", "cosine_f32", "l1_f32"
};

/* The loops a C programmer would write, in the shape of a rung. */

static float
l2_squared_f32_plain(const float *a, const float *b, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
	{
		float		d = a[i] - b[i];

		s += d * d;
	}

	return s;
}

static float
inner_product_f32_plain(const float *a, const float *b, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
		s += a[i] * b[i];

	return s;
}

static SimdCosine
cosine_f32_plain(const float *a, const float *b, size_t n)
{
	SimdCosine	s = {0, 0, 0};

	for (size_t i = 0; i < n; i++)
	{
		s.dot += a[i] * b[i];
		s.norm_a += a[i] * a[i];
		s.norm_b += b[i] * b[i];
	}

	return s;
}

static float
l1_f32_plain(const float *a, const float *b, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
		s += fabsf(a[i] - b[i]);

	return s;
}

static const SimdKernels plain = {
	.name = "plain C",
	.l2_squared_f32 = l2_squared_f32_plain,
	.inner_product_f32 = inner_product_f32_plain,
	.cosine_f32 = cosine_f32_plain,
	.l1_f32 = l1_f32_plain,
};

/* Keeps the compiler from dropping calls whose result nobody reads. */
static volatile float sink;

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/*
 * Compare the first vector in data with each of the count that follow it,
 * passes times over.
 */
static void
run(const SimdKernels *rung, int kernel, const float *data, int n, int count,
	int passes)
{
	float		sum = 0;
	float		(*distance) (const float *, const float *, size_t) =
	kernel == L2 ? rung->l2_squared_f32 :
	kernel == L1 ? rung->l1_f32 : rung->inner_product_f32;

	for (int pass = 0; pass < passes; pass++)
	{
		for (int i = 1; i <= count; i++)
		{
			if (kernel == COSINE)
			{
				SimdCosine	c = rung->cosine_f32(data, data + i * n, n);

				sum += c.dot + c.norm_a + c.norm_b;
			}
			else
				sum += distance(data, data + i * n, n);
		}
	}
	sink = sum;
}

static double
ns_per_distance(const SimdKernels *rung, int kernel, const float *data, int n)
{
	int			count = CACHE_FLOATS / n - 1;
	int			passes = SLICE_FLOATS / n / count;
	double		start;

	run(rung, kernel, data, n, count, 1);	/* bring it into the cache */
	start = now_ns();
	run(rung, kernel, data, n, count, passes);

	return (now_ns() - start) / passes / count;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

int
main(void)
{
	/* Vectors in PostgreSQL start 8 bytes into their datum. */
	static _Alignas(64) float room[2 + CACHE_FLOATS];
	float	   *data = room + 2;
	const SimdKernels *columns[8] = {&plain};
	int			n_columns = 1;
	double	   *times;

	for (int i = 0; i < simd_rung_count; i++)
	{
		if (simd_rungs[i]->usable())
			columns[n_columns++] = simd_rungs[i];
		else
			printf("%s: this CPU has not got it\n", simd_rungs[i]->name);
	}

	for (int i = 0; i < CACHE_FLOATS; i++)
		data[i] = (float) (rand() % 2001 - 1000) / 1000;

	times = malloc(sizeof(double) * N_KERNELS * N_LENGTHS * n_columns * ROUNDS);
	if (times == NULL)
		return 1;

	for (int round = 0; round < ROUNDS; round++)
	{
		double	   *cell = times + round;

		for (int kernel = 0; kernel < N_KERNELS; kernel++)
			for (int length = 0; length < N_LENGTHS; length++)
				for (int column = 0; column < n_columns; column++)
				{
					*cell = ns_per_distance(columns[column], kernel, data,
											lengths[length]);
					cell += ROUNDS;
				}
	}

	printf("%-18s %6s", "ns a distance", "n");
	for (int column = 0; column < n_columns; column++)
		printf(" %9s", columns[column]->name);
	putchar('\n');

	for (int kernel = 0; kernel < N_KERNELS; kernel++)
	{
		for (int length = 0; length < N_LENGTHS; length++)
		{
			printf("%-18s %6d", kernel_names[kernel], lengths[length]);
			for (int column = 0; column < n_columns; column++)
			{
				int			i = (kernel * N_LENGTHS + length) * n_columns + column;
				double	   *cell = times + i * ROUNDS;

				qsort(cell, ROUNDS, sizeof(double), compare_doubles);
				printf(" %9.1f", cell[ROUNDS / 2]);
			}
			putchar('\n');
		}
	}
	free(times);

	return 0;
}
