/* simd_code_test.c: the kernels of src/simd over codes and int8, on every usable rung. */
/* sources: src/simd/simd*.c */

/*
 * Float sums are held against double precision and the bound that simd.h
 * promises; everything else must be right to the last bit.
 *
 * Arrays lie between pages that may not be touched: at the end of their room,
 * at its start, or somewhere in the middle, where what is beside an output must
 * stay as it was.  At the end, kernels broken on purpose must be found out.
 */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simd/simd.h"
#include "tap.h"

#define MAX_N		(64 * SIMD_MAX_WORDS)
#define MAX_COUNT	33

/* Set while a failure is what the test wants. */
static bool quiet = false;

/* Say what went wrong; false, for the caller to return. */
__attribute__((format(printf, 1, 2)))
static bool
wrong(const char *format,...)
{
	va_list		args;

	if (!quiet)
	{
		fputs("# ", stdout);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		putchar('\n');
	}

	return false;
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

static int8_t
random_i8(void)
{
	return (int8_t) ((int) (random_bits() % 255) - 127);
}

/* Rooms between two pages that may not be touched. */

enum
{
	ABOVE, BELOW, MIDDLE, N_PLACES
};

/* Bytes beside an output that are looked at. */
#define MARGIN		64
#define UNTOUCHED	0xA5

typedef struct Room
{
	uint8_t    *start;
	uint8_t    *end;
	uint8_t    *array;			/* what put or clear placed last */
	size_t		size;
} Room;

static Room room_a, room_b, room_c, room_d, room_out;

static void
room_alloc(Room *room, size_t size)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	char	   *p;

	size = (size + 3 * MARGIN + page - 1) / page * page;
	p = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + page, size, PROT_READ | PROT_WRITE) != 0)
	{
		printf("Bail out! no memory between guard pages\n");
		exit(2);
	}
	room->start = (uint8_t *) p + page;
	room->end = room->start + size;
}

/* Place an array; in the middle at any multiple of its elements' size. */
static void *
place(Room *room, size_t size, size_t element, int where)
{
	room->size = size;
	if (where == ABOVE)
		room->array = room->end - size;
	else if (where == BELOW)
		room->array = room->start;
	else
		room->array = room->start + MARGIN + random_bits() % (MARGIN / element) * element;

	return room->array;
}

static void *
put(Room *room, const void *data, size_t size, size_t element, int where)
{
	place(room, size, element, where);
	return memcpy(room->array, data, size);
}

/* Room for an output. */
static void *
clear(Room *room, size_t size, size_t element, int where)
{
	place(room, size, element, where);
	for (uint8_t *p = room->array - MARGIN; p < room->array + size + MARGIN; p++)
	{
		if (p >= room->start && p < room->end)
			*p = UNTOUCHED;
	}

	return room->array;
}

/* Are the margins of the output as they were? */
static bool
margins_untouched(const Room *room)
{
	for (const uint8_t *p = room->array - MARGIN; p < room->array + room->size + MARGIN; p++)
	{
		if (p == room->array)
			p += room->size;
		if (p >= room->start && p < room->end && *p != UNTOUCHED)
			return false;
	}

	return true;
}

/* Every length to 300, then some that occur in practice. */
static const size_t long_lengths[] = {384, 500, 768, 1000, 1536, 3072, 16000, MAX_N};

#define N_LENGTHS	(301 + sizeof(long_lengths) / sizeof(long_lengths[0]))

/* The length last tried, for the message when a kernel dies. */
static volatile size_t length_now;

static size_t
length_at(size_t i)
{
	return length_now = i <= 300 ? i : long_lengths[i - 301];
}

/* The bound that simd.h promises. */
static double
bound(size_t n, double magnitude)
{
	return ((double) n / 8 + 16) * ldexp(magnitude, -24) + ldexp((double) n, -149);
}

/* The largest part of the bound that a rung has used up. */
static double worst;

/* Is a sum what the exact one allows? */
static bool
sum_good(const SimdKernels *rung, const char *what, size_t n, float got,
		 double want, double magnitude)
{
	double		error = fabs(got - want);
	double		allowed = bound(n, magnitude);
	bool		good;

	if (isnan(want))
		good = isnan(got);
	else if (fabs(want) > FLT_MAX)
		good = isinf(got) && (got > 0) == (want > 0);
	else
	{
		good = error <= allowed;
		if (good && error > worst * allowed)
			worst = error / allowed;
	}

	return good || wrong("%s %s, n = %zu: %.9g, not %.17g", rung->name, what, n, got, want);
}

/* A product rounded to float, whatever the compiler likes to fuse. */
static float
rounded(float x, float y)
{
	volatile float product = x * y;

	return product;
}

static float floats_a[MAX_N];
static float floats_b[MAX_N];
static int8_t bytes_a[MAX_N];
static int8_t bytes_b[MAX_N];

static void
fill_floats(float *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		a[i] = random_unit();
}

static void
fill_bytes(int8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = random_i8();
}

/* float with int8 */

static bool
mixed_good(const SimdKernels *rung, float scale, size_t n, int where)
{
	const float *a = put(&room_a, floats_a, n * sizeof(float), sizeof(float), where);
	const int8_t *b = put(&room_b, bytes_b, n, 1, where);
	double		l2 = 0,
				l1 = 0,
				dot = 0,
				magnitude = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		d = (double) a[i] - rounded(scale, b[i]);

		l2 += d * d;
		l1 += fabs(d);
		dot += (double) a[i] * b[i];
		magnitude += fabs((double) a[i] * b[i]);
	}

	return sum_good(rung, "l2_squared_f32_i8", n, rung->l2_squared_f32_i8(a, b, scale, n), l2, l2) &&
		sum_good(rung, "l1_f32_i8", n, rung->l1_f32_i8(a, b, scale, n), l1, l1) &&
		sum_good(rung, "inner_product_f32_i8", n, rung->inner_product_f32_i8(a, b, n), dot, magnitude);
}

static bool
test_mixed(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		for (int where = 0; where < N_PLACES; where++)
		{
			fill_floats(floats_a, n);
			fill_bytes(bytes_b, n);
			if (!mixed_good(rung, random_unit() / 100, n, where))
				return false;
		}
	}

	return true;
}

/* The distance from what was quantized is the rounding's, and from that 0. */
static bool
test_mixed_same(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);
		float		scale = 0.01f + random_unit() / 1000;

		fill_floats(floats_a, n);
		rung->quantize_i8(floats_a, 1 / scale, bytes_b, n);
		if (!mixed_good(rung, scale, n, ABOVE))
			return false;
		rung->dequantize_i8(bytes_b, scale, floats_a, n);
		if (rung->l2_squared_f32_i8(floats_a, bytes_b, scale, n) != 0 ||
			rung->l1_f32_i8(floats_a, bytes_b, scale, n) != 0)
			return wrong("%s, n = %zu: a vector has a distance from itself", rung->name, n);
	}

	return true;
}

static bool
test_mixed_specials(const SimdKernels *rung)
{
	static const float specials[] = {
		NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e20f, FLT_TRUE_MIN, -FLT_MIN, -0.0f
	};
	static const float scales[] = {0.01f, 0, INFINITY, NAN, FLT_MAX, 1e-42f};

	for (size_t n = 1; n <= 140; n += n < 40 ? 1 : 25)
	{
		length_now = n;
		fill_floats(floats_a, n);
		fill_bytes(bytes_b, n);
		for (size_t i = 0; i < n; i++)
			bytes_b[i] |= 1;	/* 0 times infinity would be NaN */

		for (size_t s = 0; s < sizeof(scales) / sizeof(scales[0]); s++)
		{
			if (!mixed_good(rung, scales[s], n, ABOVE))
				return false;
		}

		for (size_t i = 0; i < n; i++)
		{
			float		old = floats_a[i];

			for (size_t s = 0; s < sizeof(specials) / sizeof(specials[0]); s++)
			{
				floats_a[i] = specials[s];
				if (!mixed_good(rung, 0.01f, n, MIDDLE))
					return wrong("with %g at %zu", specials[s], i);
			}
			floats_a[i] = old;
		}
	}

	return true;
}

/* int8 with int8 */

static bool
test_inner_product_i8(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		for (int round = 0; round < N_PLACES + 3; round++)
		{
			int			where = round % N_PLACES;
			int64_t		want = 0;
			const int8_t *a,
					   *b;
			int32_t		got;

			fill_bytes(bytes_a, n);
			fill_bytes(bytes_b, n);
			if (round >= N_PLACES)	/* the largest sums there are */
			{
				memset(bytes_a, round == N_PLACES ? -127 : 127, n);
				memset(bytes_b, round == N_PLACES + 1 ? -127 : round == N_PLACES ? -127 : 127, n);
			}
			a = put(&room_a, bytes_a, n, 1, where);
			b = put(&room_b, bytes_b, n, 1, where);
			for (size_t j = 0; j < n; j++)
				want += a[j] * b[j];
			got = rung->inner_product_i8(a, b, n);
			if (got != want)
				return wrong("%s inner_product_i8, n = %zu: %d, not %d", rung->name, n,
							 (int) got, (int) want);
		}
	}

	return true;
}

static int8_t
quantized(float a, float inverse_scale)
{
	double		x = rounded(a, inverse_scale);

	if (isnan(x))
		return 0;
	return (int8_t) rint(fmin(fmax(x, -127), 127));
}

static bool
quantize_good(const SimdKernels *rung, float inverse_scale, size_t n, int where)
{
	const float *a = put(&room_a, floats_a, n * sizeof(float), sizeof(float), where);
	int8_t	   *out = clear(&room_out, n, 1, where);

	rung->quantize_i8(a, inverse_scale, out, n);
	for (size_t i = 0; i < n; i++)
	{
		if (out[i] != quantized(a[i], inverse_scale))
			return wrong("%s quantize_i8, n = %zu: %.9g * %.9g gives %d, not %d", rung->name, n,
						 a[i], inverse_scale, out[i], quantized(a[i], inverse_scale));
	}

	return margins_untouched(&room_out) || wrong("%s quantize_i8, n = %zu, writes beside", rung->name, n);
}

static bool
test_quantize(const SimdKernels *rung)
{
	static const float specials[] = {
		NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_TRUE_MIN, 1e10f, -1e10f,
		0.5f, -0.5f, 1.5f, -1.5f, 2.5f, 126.5f, -126.5f, 127.5f, 0.49999997f, -0.0f
	};
	enum
	{
		N_SPECIALS = sizeof(specials) / sizeof(specials[0])
	};

	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		for (int where = 0; where < N_PLACES; where++)
		{
			fill_floats(floats_a, n);
			if (!quantize_good(rung, 140, n, where))
				return false;
			for (size_t j = 0; j < n; j++)
				floats_a[j] = specials[random_bits() % N_SPECIALS];
			if (!quantize_good(rung, 1, n, where))
				return false;
		}
		if (!quantize_good(rung, INFINITY, n, ABOVE) || !quantize_good(rung, 0, n, ABOVE) ||
			!quantize_good(rung, NAN, n, ABOVE))
			return false;
	}

	return true;
}

static bool
test_dequantize(const SimdKernels *rung)
{
	static const float scales[] = {0.0123f, -3, 0, 1e-44f, 1e38f, INFINITY};

	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		for (int round = 0; round < (int) (sizeof(scales) / sizeof(scales[0])); round++)
		{
			const int8_t *b;
			float	   *out;

			fill_bytes(bytes_b, n);
			b = put(&room_b, bytes_b, n, 1, round % N_PLACES);
			out = clear(&room_out, n * sizeof(float), sizeof(float), round % N_PLACES);
			rung->dequantize_i8(b, scales[round], out, n);
			for (size_t j = 0; j < n; j++)
			{
				float		want = rounded(scales[round], b[j]);

				if (isnan(want) ? !isnan(out[j]) : memcmp(&out[j], &want, sizeof(want)) != 0)
					return wrong("%s dequantize_i8, n = %zu: %g * %d gives %.9g, not %.9g", rung->name,
								 n, scales[round], b[j], out[j], want);
			}
			if (!margins_untouched(&room_out))
				return wrong("%s dequantize_i8, n = %zu, writes beside", rung->name, n);
		}
	}

	return true;
}

static bool
test_max_abs(const SimdKernels *rung)
{
	static const uint32_t signaling = 0x7FA00000;

	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		for (int round = 0; round < 12; round++)
		{
			float		want = 0;
			float		got;
			const float *a;

			fill_floats(floats_a, n);
			for (size_t j = 0; j < n; j++)
			{
				if (round >= 3 && (round >= 9 || random_bits() % 4 == 0))
					memcpy(&floats_a[j], &signaling, sizeof(float));
				if (round >= 6 && (round >= 9 || random_bits() % 4 == 0))
					floats_a[j] = round % 2 == 0 ? NAN : -NAN;
			}
			if (n > 0 && round == 8)
				floats_a[random_bits() % n] = -INFINITY;
			for (size_t j = 0; j < n; j++)
			{
				if (fabsf(floats_a[j]) > want)
					want = fabsf(floats_a[j]);
			}
			a = put(&room_a, floats_a, n * sizeof(float), sizeof(float), round % N_PLACES);
			got = rung->max_abs_f32(a, n);
			if (memcmp(&got, &want, sizeof(want)) != 0)
				return wrong("%s max_abs_f32, n = %zu: %.9g, not %.9g", rung->name, n, got, want);
		}
	}

	return true;
}

/* codes */

static const size_t long_words[] = {48, 63, 64, 65, 96, 127, 128, 250, SIMD_MAX_WORDS};

#define N_WORDS		(36 + sizeof(long_words) / sizeof(long_words[0]))

static size_t
words_at(size_t i)
{
	return length_now = i < 36 ? i : long_words[i - 36];
}

static uint8_t codes[MAX_COUNT * (8 * SIMD_MAX_WORDS + 3)];

static bool
bit_at(const uint8_t *code, size_t i)
{
	return code[i / 8] >> i % 8 & 1;
}

static bool
arrange_good(const SimdKernels *rung, size_t words, int where)
{
	static const int order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
	const int8_t *w = put(&room_a, bytes_a, 64 * words, 1, where);
	int8_t	   *out = clear(&room_b, 64 * words, 1, where);
	size_t		at = 0;

	rung->arrange_weights(w, words, out);

	/* as README has it */
	for (size_t start = 0, size; start < 8 * words; start += size)
	{
		size = 8 * words - start;
		size = size >= 32 ? 32 : size >= 16 ? 16 : 8;
		for (int k = 0; k < 8; k++)
		{
			for (size_t i = 0; i < size; i++, at++)
			{
				if (out[at] != w[8 * (start + i) + order[k]])
					return wrong("%s arrange_weights, %zu words: wrong at %zu", rung->name, words, at);
			}
		}
	}

	return margins_untouched(&room_b) || wrong("%s arrange_weights, %zu words, writes beside", rung->name, words);
}

/*
 * Dots of some of the first MAX_COUNT codes, those picked last being the last
 * and the first.
 */
static bool
dots_good(const SimdKernels *rung, size_t stride, size_t count, size_t words, int where)
{
	uint16_t	picks[MAX_COUNT];
	int32_t		want[MAX_COUNT];
	size_t		stored = (MAX_COUNT - 1) * stride + 8 * words;
	const uint8_t *c = put(&room_c, codes, stored, 1, where);
	const uint16_t *which;
	int32_t    *sums;

	for (size_t j = 0; j < count; j++)
	{
		picks[j] = (uint16_t) (j == 0 ? MAX_COUNT - 1 : j == 1 ? 0 : random_bits() % MAX_COUNT);
		want[j] = 0;
		for (size_t i = 0; i < 64 * words; i++)
			want[j] += bit_at(c + picks[j] * stride, i) ? bytes_a[i] : 0;
	}
	which = put(&room_d, picks, count * sizeof(uint16_t), sizeof(uint16_t), where);

	sums = clear(&room_out, count * sizeof(int32_t), sizeof(int32_t), where);
	if (!arrange_good(rung, words, where))
		return false;
	rung->code_dots_arranged(c, stride, which, count, (int8_t *) room_b.array, words, sums);

	for (size_t j = 0; j < count; j++)
	{
		if (sums[j] != want[j])
			return wrong("%s code_dots_arranged, %zu words, sum %zu of %zu: %d, not %d", rung->name,
						 words, j, count, (int) sums[j], (int) want[j]);
	}

	return margins_untouched(&room_out) ||
		wrong("%s code_dots_arranged, %zu words, writes beside", rung->name, words);
}

static void
fill_codes(void)
{
	for (size_t i = 0; i < sizeof(codes); i++)
		codes[i] = (uint8_t) random_bits();
}

static bool
test_dots(const SimdKernels *rung)
{
	static const size_t counts[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 32, MAX_COUNT};

	fill_codes();
	for (size_t i = 0; i < N_WORDS; i++)
	{
		size_t		words = words_at(i);

		for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++)
		{
			if (words > 40 && counts[j] % 3 != 0)
				continue;
			fill_bytes(bytes_a, 64 * words);
			if (!dots_good(rung, 8 * words + j % 4, counts[j], words, j % N_PLACES))
				return false;
		}
	}

	return true;
}

/* The largest sums there are, of all bits and of half. */
static bool
test_dots_extremes(const SimdKernels *rung)
{
	static const uint8_t patterns[] = {0xff, 0x0f, 0xf0, 0x55, 0xaa, 0x88, 0};

	for (size_t i = 0; i < N_WORDS; i++)
	{
		size_t		words = words_at(i);

		for (size_t j = 0; j < sizeof(patterns); j++)
		{
			memset(codes, patterns[j], sizeof(codes));
			memset(bytes_a, j % 2 == 0 ? 127 : -127, 64 * words);
			if (!dots_good(rung, 8 * words, 5, words, ABOVE))
				return false;
			memset(bytes_a, j % 2 == 0 ? -127 : 127, 64 * words);
			if (!dots_good(rung, 8 * words, 1, words, BELOW))
				return false;
		}
	}

	return true;
}

/* A single bit finds its weight, and none beside. */
static bool
test_dots_one_bit(const SimdKernels *rung)
{
	for (size_t words = 1; words <= 36; words++)
	{
		static const uint16_t which[1] = {0};

		length_now = words;
		fill_bytes(bytes_a, 64 * words);
		rung->arrange_weights(bytes_a, words, bytes_b);
		for (size_t i = 0; i < 64 * words; i++)
		{
			int32_t		sum;

			memset(codes, 0, 8 * words);
			codes[i / 8] = (uint8_t) (1 << i % 8);
			rung->code_dots_arranged(codes, 0, which, 1, bytes_b, words, &sum);
			if (sum != bytes_a[i])
				return wrong("%s code_dots_arranged, %zu words, bit %zu: %d, not %d", rung->name,
							 words, i, (int) sum, bytes_a[i]);
		}
	}

	return true;
}

/* encode */

static unsigned
level(float r, int bits, float inverse_step)
{
	double		top = (1 << bits) - 1;
	double		u;

	if (bits == 1)
		return r >= 0;
	u = floor(rounded(r, inverse_step)) + (1 << (bits - 1));

	return isnan(u) || u < 0 ? 0 : u > top ? (unsigned) top : (unsigned) u;
}

/*
 * Encode floats_b by its difference from floats_a, with spare bytes a plane.
 */
static bool
encode_good(const SimdKernels *rung, size_t n, int bits, float inverse_step,
			size_t spare, int where)
{
	size_t		plane_bytes = (n + 63) / 64 * 8 + spare;
	const float *c = put(&room_a, floats_a, n * sizeof(float), sizeof(float), where);
	const float *o = put(&room_b, floats_b, n * sizeof(float), sizeof(float), where);
	uint8_t    *planes = clear(&room_out, bits * plane_bytes, 1, where);
	SimdCodeSums got = rung->encode_f32(c, o, n, bits, inverse_step, planes, plane_bytes);
	double		xr = 0,
				xc = 0,
				xr_magnitude = 0,
				xc_magnitude = 0;

	for (size_t i = 0; i < 8 * plane_bytes; i++)
	{
		volatile float r = i < n ? o[i] - c[i] : 0;
		unsigned	want = i < n ? level(r, bits, inverse_step) : 0;
		unsigned	u = 0;

		for (int p = 0; p < bits; p++)
			u |= (unsigned) bit_at(planes + p * plane_bytes, i) << p;
		if (u != want)
			return wrong("%s encode_f32, n = %zu, %d bits, step 1 / %g: %g - %g at %zu is %u, not %u",
						 rung->name, n, bits, inverse_step, o[i], c[i], i, u, want);
		if (i < n)
		{
			int			x = 2 * (int) want + 1 - (1 << bits);
			double		exact_r = (double) o[i] - c[i];

			xr += x * exact_r;
			xr_magnitude += fabs(x * exact_r);
			xc += x * (double) c[i];
			xc_magnitude += fabs(x * (double) c[i]);
		}
	}

	if (!margins_untouched(&room_out))
		return wrong("%s encode_f32, n = %zu, writes beside", rung->name, n);

	return sum_good(rung, "encode_f32, xr", n, got.xr, xr, xr_magnitude) &&
		sum_good(rung, "encode_f32, xc", n, got.xc, xc, xc_magnitude);
}

static bool
test_encode(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		for (int round = 0; round < 12; round++)
		{
			int			bits = round / 3 + 1;

			fill_floats(floats_a, n);
			fill_floats(floats_b, n);
			if (!encode_good(rung, n, bits, (float) (1 << bits) / 1.5f, i % 3 * 8, round % N_PLACES))
				return false;
		}
	}

	return true;
}

/* Differences that are whole numbers of steps, and the floats on either side. */
static bool
test_encode_edges(const SimdKernels *rung)
{
	static const float steps[] = {1, 0.1f, 1e-3f, 3e-42f, 1e37f};

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
	{
		for (int bits = 1; bits <= 4; bits++)
		{
			size_t		n = 16 * 6;

			for (size_t i = 0; i < n; i++)
			{
				float		edge = steps[s] * ((int) (i % 24) - 12);

				floats_a[i] = 0;
				floats_b[i] = i % 3 == 0 ? edge : nextafterf(edge, i % 3 == 1 ? INFINITY : -INFINITY);
			}
			if (!encode_good(rung, n, bits, 1 / steps[s], 0, ABOVE))
				return false;
		}
	}

	return true;
}

static bool
test_encode_specials(const SimdKernels *rung)
{
	static const float pairs[][2] = {
		{NAN, 1}, {1, NAN}, {INFINITY, 1}, {1, INFINITY}, {1, -INFINITY},
		{INFINITY, INFINITY}, {INFINITY, -INFINITY}, {FLT_MAX, -FLT_MAX},
		{-FLT_MAX, FLT_MAX}, {FLT_MAX, FLT_MAX}, {0, FLT_TRUE_MIN}, {FLT_TRUE_MIN, 0},
		{0, -0.0f}, {-0.0f, 0}, {0, 1e30f}, {0, -1e30f},
	};
	static const float inverse_steps[] = {1, 0, INFINITY, NAN, FLT_TRUE_MIN, FLT_MAX, -1};

	for (size_t n = 1; n <= 70; n += n < 20 ? 1 : 13)
	{
		length_now = n;
		fill_floats(floats_a, n);
		fill_floats(floats_b, n);
		for (int bits = 1; bits <= 4; bits++)
		{
			for (size_t i = 0; i < n; i++)
			{
				float		old_a = floats_a[i];
				float		old_b = floats_b[i];

				for (size_t p = 0; p < sizeof(pairs) / sizeof(pairs[0]); p++)
				{
					floats_a[i] = pairs[p][0];
					floats_b[i] = pairs[p][1];
					if (!encode_good(rung, n, bits, 1, 8, MIDDLE))
						return false;
				}
				floats_a[i] = old_a;
				floats_b[i] = old_b;
			}
			for (size_t s = 0; s < sizeof(inverse_steps) / sizeof(inverse_steps[0]); s++)
			{
				floats_b[0] = floats_a[0];
				if (!encode_good(rung, n, bits, inverse_steps[s], 0, BELOW))
					return false;
			}
		}
	}

	return true;
}

static const struct
{
	const char *what;
	bool		(*passes) (const SimdKernels *rung);
}			tests[] = {
	{"float with int8", test_mixed},
	{"float with int8, the same vector", test_mixed_same},
	{"float with int8, NaN, infinities and extremes", test_mixed_specials},
	{"int8 with int8", test_inner_product_i8},
	{"quantize", test_quantize},
	{"dequantize", test_dequantize},
	{"largest absolute value", test_max_abs},
	{"code dots", test_dots},
	{"code dots, the largest", test_dots_extremes},
	{"code dots, each bit alone", test_dots_one_bit},
	{"encode", test_encode},
	{"encode, at the edges of steps", test_encode_edges},
	{"encode, NaN, infinities and extremes", test_encode_specials},
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
		return wrong("%s, n = %zu: %s", rung->name, length_now, strsignal(signo));

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

	worst = 0;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
	{
		char		name[100];

		snprintf(name, sizeof(name), "%s: %s", rung->name, tests[i].what);
		ok(passes(tests[i].passes, rung), name);
		fflush(stdout);
	}
	printf("# %s used at most %.2f of the bound\n", rung->name, worst);
}

/*
 * Kernels broken on purpose.
 */

static void
dots_drop_last(const uint8_t *c, size_t stride, const uint16_t *which, size_t count,
			   const int8_t *w, size_t words, int32_t *sums)
{
	simd_rungs[0]->code_dots_arranged(c, stride, which, count, w, words, sums);
	for (size_t j = 0; words > 0 && j < count; j++)
		sums[j] -= bit_at(c + which[j] * stride, 64 * words - 1) ? w[64 * words - 1] : 0;
}

static void
dots_read_beyond(const uint8_t *c, size_t stride, const uint16_t *which, size_t count,
				 const int8_t *w, size_t words, int32_t *sums)
{
	for (size_t j = 0; j < count; j++)
	{
		volatile uint8_t unused = c[which[j] * stride + 8 * words];

		(void) unused;
	}
	simd_rungs[0]->code_dots_arranged(c, stride, which, count, w, words, sums);
}

static SimdCodeSums
encode_writes_less(const float *c, const float *o, size_t n, int bits,
				   float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	SimdCodeSums sums = simd_rungs[0]->encode_f32(c, o, n, bits, inverse_step, planes, plane_bytes);

	if (plane_bytes > 0)
		planes[plane_bytes - 1] = UNTOUCHED;
	return sums;
}

static float
l2_fused(const float *a, const int8_t *b, float scale, size_t n)
{
	float		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += powf(fmaf(-scale, b[i], a[i]), 2);
	return sum;
}

static void
quantize_half_away(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	simd_rungs[0]->quantize_i8(a, inverse_scale, out, n);
	for (size_t i = 0; i < n; i++)
	{
		if (a[i] * inverse_scale == 2.5f)
			out[i] = 3;
	}
}

static void
dequantize_writes_beside(const int8_t *b, float scale, float *out, size_t n)
{
	simd_rungs[0]->dequantize_i8(b, scale, out, n);
	out[n] = 0;
}

static void
test_the_test(void)
{
	SimdKernels broken = *simd_rungs[0];
	SimdKernels beyond = broken;	/* the same kernel, broken in another way */

	quiet = true;
	broken.name = beyond.name = "broken";
	broken.code_dots_arranged = dots_drop_last;
	beyond.code_dots_arranged = dots_read_beyond;
	broken.encode_f32 = encode_writes_less;
	broken.l2_squared_f32_i8 = l2_fused;
	broken.quantize_i8 = quantize_half_away;
	broken.dequantize_i8 = dequantize_writes_beside;
	ok(!passes(test_dots_one_bit, &broken), "dots that drop a bit are found out");
	ok(!passes(test_dots, &beyond), "dots that read beyond the end are found out");
	ok(!passes(test_encode, &broken), "codes that are not filled up with zeros are found out");
	ok(!passes(test_mixed_same, &broken), "a fused product is found out");
	ok(!passes(test_quantize, &broken), "halves rounded away from zero are found out");
	ok(!passes(test_dequantize, &broken), "a float too many written is found out");
	quiet = false;
}

int
main(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	room_alloc(&room_a, MAX_N * sizeof(float));
	room_alloc(&room_b, MAX_N * sizeof(float));
	room_alloc(&room_c, sizeof(codes));
	room_alloc(&room_d, MAX_COUNT * sizeof(uint16_t));
	room_alloc(&room_out, MAX_N * sizeof(float));

	for (int i = 0; i < simd_rung_count; i++)
		test_rung(simd_rungs[i]);
	test_the_test();

	return done_testing();
}
