/* simd_bench.c: nanoseconds a kernel takes, by kernel, length and rung, beside a plain C loop. */
/* sources: src/simd/simd*.c */

/*
 * From the top of the tree:
 *
 *	gcc -std=gnu11 -O2 -Isrc test/bench/simd_bench.c src/simd/simd*.c -lm -o simd_bench
 *	taskset -c 1 ./simd_bench
 *
 * One vector is compared with several others, all of which together fit in
 * 24 kB, so the first-level cache holds them.  Codes are a row of 32, of which
 * a call takes 16; "cold" ones lie in one of many such rows, picked at random.
 * A round times every cell of the table once; the table shows medians over the
 * rounds, so that a machine which changes its speed meanwhile treats all cells
 * alike.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "simd/simd.h"

#define ROUNDS			101
#define SLICE_FLOATS	200000	/* floats a side in one timed slice, about */
#define CACHE_FLOATS	(24 * 1024 / (int) sizeof(float))

/* Codes in a row, those that a call takes, and rows that no cache holds. */
#define ROW				32
#define PICKED			16
#define COLD_BYTES		(256 * 1024 * 1024)

static const int lengths[] = {128, 384, 768, 1536};

#define MAX_LENGTH		1536
#define N_LENGTHS ((int) (sizeof(lengths) / sizeof(lengths[0])))

enum
{
	L2, INNER_PRODUCT, COSINE, L1,
	L2_I8, L1_I8, INNER_PRODUCT_I8, I8_I8, MAX_ABS, QUANTIZE, DEQUANTIZE,
	ENCODE_1, ENCODE_4, ARRANGE, HAMMING, JACCARD, DOTS, DOTS_COLD,
	N_KERNELS
};

static const char *const kernel_names[N_KERNELS] = {
	"l2_squared_f32", "inner_product_f32", "cosine_f32", "l1_f32",
	"l2_squared_f32_i8", "l1_f32_i8", "inner_product_f32_i8", "inner_product_i8",
	"max_abs_f32", "quantize_i8", "dequantize_i8",
	"encode_f32, 1 bit", "encode_f32, 4 bits", "arrange_weights", "hamming_bytes", "jaccard_bytes",
	"code_dots_arranged", "the same, cold"
};

/* What the kernels work on. */
static float *data;				/* CACHE_FLOATS */
static int8_t *bytes;			/* CACHE_FLOATS */
static uint8_t *rows;			/* COLD_BYTES */
static uint16_t picks[64][PICKED];

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

static float
l2_squared_f32_i8_plain(const float *a, const int8_t *b, float scale, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
	{
		float		d = a[i] - scale * b[i];

		s += d * d;
	}

	return s;
}

static float
l1_f32_i8_plain(const float *a, const int8_t *b, float scale, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
		s += fabsf(a[i] - scale * b[i]);

	return s;
}

static float
inner_product_f32_i8_plain(const float *a, const int8_t *b, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
		s += a[i] * b[i];

	return s;
}

static int32_t
inner_product_i8_plain(const int8_t *a, const int8_t *b, size_t n)
{
	int32_t		s = 0;

	for (size_t i = 0; i < n; i++)
		s += a[i] * b[i];

	return s;
}

static float
max_abs_f32_plain(const float *a, size_t n)
{
	float		s = 0;

	for (size_t i = 0; i < n; i++)
		s = fabsf(a[i]) > s ? fabsf(a[i]) : s;

	return s;
}

static void
quantize_i8_plain(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float		x = a[i] * inverse_scale;

		out[i] = (int8_t) (isnan(x) ? 0 : rintf(fminf(fmaxf(x, -127), 127)));
	}
}

static void
dequantize_i8_plain(const int8_t *b, float scale, float *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = scale * b[i];
}

static void
code_dots_arranged_plain(const uint8_t *codes, size_t stride, const uint16_t *which,
						 size_t count, const int8_t *w, size_t words, int32_t *sums)
{
	for (size_t j = 0; j < count; j++)
	{
		const uint8_t *code = codes + which[j] * stride;

		sums[j] = 0;
		for (size_t i = 0; i < 64 * words; i++)
		{
			if (code[i / 8] >> i % 8 & 1)
				sums[j] += w[i];
		}
	}
}

static void
arrange_weights_plain(const int8_t *w, size_t words, int8_t *arranged)
{
	memcpy(arranged, w, 64 * words);
}

static SimdCodeSums
encode_f32_plain(const float *c, const float *o, size_t n, int bits,
				 float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	SimdCodeSums s = {0, 0};
	float		half = (float) (1 << (bits - 1));

	memset(planes, 0, bits * plane_bytes);
	for (size_t i = 0; i < n; i++)
	{
		float		r = o[i] - c[i];
		int			u = (int) fminf(fmaxf(floorf(r * inverse_step) + half, 0), 2 * half - 1);
		float		x = 2 * u + 1 - 2 * half;

		for (int p = 0; p < bits; p++)
			planes[p * plane_bytes + i / 8] |= (u >> p & 1) << i % 8;
		s.xr += x * r;
		s.xc += x * c[i];
	}

	return s;
}

/* Lengths here are multiples of eight bytes. */
static uint64_t
hamming_bytes_plain(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	uint64_t	differ = 0;

	for (size_t i = 0; i < bytes; i += 8)
	{
		uint64_t	x,
					y;

		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		differ += (uint64_t) __builtin_popcountll(x ^ y);
	}

	return differ;
}

static SimdJaccard
jaccard_bytes_plain(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	SimdJaccard result = {0, 0};

	for (size_t i = 0; i < bytes; i += 8)
	{
		uint64_t	x,
					y;

		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		result.both += (uint64_t) __builtin_popcountll(x & y);
		result.either += (uint64_t) __builtin_popcountll(x | y);
	}

	return result;
}

static const SimdKernels plain = {
	.name = "plain C",
	.l2_squared_f32 = l2_squared_f32_plain,
	.inner_product_f32 = inner_product_f32_plain,
	.cosine_f32 = cosine_f32_plain,
	.l1_f32 = l1_f32_plain,
	.max_abs_f32 = max_abs_f32_plain,
	.quantize_i8 = quantize_i8_plain,
	.dequantize_i8 = dequantize_i8_plain,
	.l2_squared_f32_i8 = l2_squared_f32_i8_plain,
	.l1_f32_i8 = l1_f32_i8_plain,
	.inner_product_f32_i8 = inner_product_f32_i8_plain,
	.inner_product_i8 = inner_product_i8_plain,
	.arrange_weights = arrange_weights_plain,
	.code_dots_arranged = code_dots_arranged_plain,
	.encode_f32 = encode_f32_plain,
	.hamming_bytes = hamming_bytes_plain,
	.jaccard_bytes = jaccard_bytes_plain,
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
 * Run a kernel on the first vector in data, and with the i-th after it if it
 * takes two.
 */
static float
run_once(const SimdKernels *rung, int kernel, int n, int i)
{
	static float floats_out[MAX_LENGTH];
	static int8_t bytes_out[MAX_LENGTH];
	static uint8_t planes[4 * MAX_LENGTH / 8];
	const float *b = data + i * n;
	const int8_t *b8 = bytes + i * n;
	SimdCosine	cosine;
	SimdCodeSums sums;
	SimdJaccard jaccard;

	switch (kernel)
	{
		case L2:
			return rung->l2_squared_f32(data, b, n);
		case INNER_PRODUCT:
			return rung->inner_product_f32(data, b, n);
		case COSINE:
			cosine = rung->cosine_f32(data, b, n);
			return cosine.dot + cosine.norm_a + cosine.norm_b;
		case L1:
			return rung->l1_f32(data, b, n);
		case L2_I8:
			return rung->l2_squared_f32_i8(data, b8, 0.01f, n);
		case L1_I8:
			return rung->l1_f32_i8(data, b8, 0.01f, n);
		case INNER_PRODUCT_I8:
			return rung->inner_product_f32_i8(data, b8, n);
		case I8_I8:
			return (float) rung->inner_product_i8(bytes, b8, n);
		case MAX_ABS:
			return rung->max_abs_f32(b, n);
		case QUANTIZE:
			rung->quantize_i8(b, 127, bytes_out, n);
			return bytes_out[0];
		case DEQUANTIZE:
			rung->dequantize_i8(b8, 0.01f, floats_out, n);
			return floats_out[0];
		case ARRANGE:
			rung->arrange_weights(b8, n / 64, bytes_out);
			return bytes_out[0];
		case HAMMING:
			return (float) rung->hamming_bytes(rows, rows + i * n / 8, n / 8);
		case JACCARD:
			jaccard = rung->jaccard_bytes(rows, rows + i * n / 8, n / 8);
			return (float) (jaccard.both + jaccard.either);
		default:
			sums = rung->encode_f32(data, b, n, kernel == ENCODE_1 ? 1 : 4, 6, planes, n / 8);
			return sums.xr + sums.xc;
	}
}

/*
 * Take the dots of PICKED codes out of one row or another.
 */
static float
run_dots(const SimdKernels *rung, int kernel, int n, int i)
{
	static uint32_t place;
	int32_t		sums[PICKED];
	const uint8_t *row = rows;

	if (kernel == DOTS_COLD)
	{
		place = place * 1664525 + 1013904223;
		row += (size_t) (place >> 8) * ROW * n / 8 % (COLD_BYTES - ROW * n / 8) / 64 * 64;
	}
	rung->code_dots_arranged(row, n / 8, picks[i % 64], PICKED, bytes, n / 64, sums);

	return (float) sums[0];
}

/*
 * Nanoseconds for a vector, or for one code of a call's.
 */
static double
ns_each(const SimdKernels *rung, int kernel, int n)
{
	int			count = CACHE_FLOATS / n - 1;
	int			passes = SLICE_FLOATS / n / count;
	int			each = 1;
	float		sum = 0;
	double		start = 0;

	if (kernel >= DOTS)
	{
		each = PICKED;
		count = SLICE_FLOATS / n / PICKED;
		passes = 1;
	}

	/* once more at first, to bring it into the cache */
	for (int pass = -1; pass < passes; pass++)
	{
		if (pass == 0)
			start = now_ns();
		for (int i = 1; i <= count; i++)
			sum += kernel >= DOTS ? run_dots(rung, kernel, n, i) : run_once(rung, kernel, n, i);
	}
	start = now_ns() - start;
	sink = sum;

	return start / passes / count / each;
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
	static int8_t byte_room[CACHE_FLOATS];
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

	data = room + 2;
	bytes = byte_room;
	for (int i = 0; i < CACHE_FLOATS; i++)
	{
		data[i] = (float) (rand() % 2001 - 1000) / 1000;
		bytes[i] = (int8_t) (rand() % 255 - 127);
	}

	rows = malloc(COLD_BYTES);
	if (rows == NULL)
		return 1;
	for (int i = 0; i < COLD_BYTES; i += (int) sizeof(int))
	{
		int			bits = rand() ^ rand() << 16;

		memcpy(rows + i, &bits, sizeof(bits));
	}

	/* PICKED of ROW, in their order */
	for (int i = 0; i < 64; i++)
	{
		for (int j = 0, k = 0; j < ROW; j++)
		{
			if (rand() % (ROW - j) < PICKED - k)
				picks[i][k++] = (uint16_t) j;
		}
	}

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
					*cell = ns_each(columns[column], kernel, lengths[length]);
					cell += ROUNDS;
				}
	}

	printf("%-20s %6s", "ns a vector or code", "n");
	for (int column = 0; column < n_columns; column++)
		printf(" %9s", columns[column]->name);
	putchar('\n');

	for (int kernel = 0; kernel < N_KERNELS; kernel++)
	{
		for (int length = 0; length < N_LENGTHS; length++)
		{
			printf("%-20s %6d", kernel_names[kernel], lengths[length]);
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
	free(rows);

	return 0;
}
