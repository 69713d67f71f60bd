/*
 * simd_scalar.c: the rung in plain C, for every CPU and to judge the others by.
 *
 * Eight sums in parallel hide the latency of an addition and keep the rounding
 * error to an eighth of a plain loop's.
 */
#include <math.h>
#include <string.h>

#include "simd/simd_scalar.h"

static inline float
add_squared_difference(float sum, float x, float y)
{
	float		d = x - y;

	sum += d * d;
	KEEP_SCALAR(sum);
	return sum;
}

/*
 * The two products are added to each other first, which costs no more and
 * halves the length of the chain of additions to sum.
 */
static inline float
add_two_products(float sum, float x0, float y0, float x1, float y1)
{
	sum += x0 * y0 + x1 * y1;
	KEEP_SCALAR(sum);
	return sum;
}

static inline float
add_absolute_difference(float sum, float x, float y)
{
	sum += fabsf(x - y);
	KEEP_SCALAR(sum);
	return sum;
}

static float
l2_squared_f32_scalar(const float *a, const float *b, size_t n)
{
	float		s0 = 0,
				s1 = 0,
				s2 = 0,
				s3 = 0,
				s4 = 0,
				s5 = 0,
				s6 = 0,
				s7 = 0;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		s0 = add_squared_difference(s0, a[0], b[0]);
		s1 = add_squared_difference(s1, a[1], b[1]);
		s2 = add_squared_difference(s2, a[2], b[2]);
		s3 = add_squared_difference(s3, a[3], b[3]);
		s4 = add_squared_difference(s4, a[4], b[4]);
		s5 = add_squared_difference(s5, a[5], b[5]);
		s6 = add_squared_difference(s6, a[6], b[6]);
		s7 = add_squared_difference(s7, a[7], b[7]);
	}

	for (; n > 0; n--, a++, b++)
		s0 = add_squared_difference(s0, *a, *b);

	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}

static float
inner_product_f32_scalar(const float *a, const float *b, size_t n)
{
	float		s0 = 0,
				s1 = 0,
				s2 = 0,
				s3 = 0,
				s4 = 0,
				s5 = 0,
				s6 = 0,
				s7 = 0;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		s0 = add_product(s0, a[0], b[0]);
		s1 = add_product(s1, a[1], b[1]);
		s2 = add_product(s2, a[2], b[2]);
		s3 = add_product(s3, a[3], b[3]);
		s4 = add_product(s4, a[4], b[4]);
		s5 = add_product(s5, a[5], b[5]);
		s6 = add_product(s6, a[6], b[6]);
		s7 = add_product(s7, a[7], b[7]);
	}

	for (; n > 0; n--, a++, b++)
		s0 = add_product(s0, *a, *b);

	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}

/*
 * Four sums for each of the three parts, as sixteen registers do not hold
 * eight; taking products by two makes up for the precision.
 */
static SimdCosine
cosine_f32_scalar(const float *a, const float *b, size_t n)
{
	float		dot0 = 0,
				dot1 = 0,
				dot2 = 0,
				dot3 = 0;
	float		norm_a0 = 0,
				norm_a1 = 0,
				norm_a2 = 0,
				norm_a3 = 0;
	float		norm_b0 = 0,
				norm_b1 = 0,
				norm_b2 = 0,
				norm_b3 = 0;
	SimdCosine	result;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		dot0 = add_two_products(dot0, a[0], b[0], a[4], b[4]);
		norm_a0 = add_two_products(norm_a0, a[0], a[0], a[4], a[4]);
		norm_b0 = add_two_products(norm_b0, b[0], b[0], b[4], b[4]);
		dot1 = add_two_products(dot1, a[1], b[1], a[5], b[5]);
		norm_a1 = add_two_products(norm_a1, a[1], a[1], a[5], a[5]);
		norm_b1 = add_two_products(norm_b1, b[1], b[1], b[5], b[5]);
		dot2 = add_two_products(dot2, a[2], b[2], a[6], b[6]);
		norm_a2 = add_two_products(norm_a2, a[2], a[2], a[6], a[6]);
		norm_b2 = add_two_products(norm_b2, b[2], b[2], b[6], b[6]);
		dot3 = add_two_products(dot3, a[3], b[3], a[7], b[7]);
		norm_a3 = add_two_products(norm_a3, a[3], a[3], a[7], a[7]);
		norm_b3 = add_two_products(norm_b3, b[3], b[3], b[7], b[7]);
	}

	for (; n > 0; n--, a++, b++)
	{
		dot0 = add_product(dot0, *a, *b);
		norm_a0 = add_product(norm_a0, *a, *a);
		norm_b0 = add_product(norm_b0, *b, *b);
	}

	result.dot = (dot0 + dot1) + (dot2 + dot3);
	result.norm_a = (norm_a0 + norm_a1) + (norm_a2 + norm_a3);
	result.norm_b = (norm_b0 + norm_b1) + (norm_b2 + norm_b3);

	return result;
}

static float
l1_f32_scalar(const float *a, const float *b, size_t n)
{
	float		s0 = 0,
				s1 = 0,
				s2 = 0,
				s3 = 0,
				s4 = 0,
				s5 = 0,
				s6 = 0,
				s7 = 0;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		s0 = add_absolute_difference(s0, a[0], b[0]);
		s1 = add_absolute_difference(s1, a[1], b[1]);
		s2 = add_absolute_difference(s2, a[2], b[2]);
		s3 = add_absolute_difference(s3, a[3], b[3]);
		s4 = add_absolute_difference(s4, a[4], b[4]);
		s5 = add_absolute_difference(s5, a[5], b[5]);
		s6 = add_absolute_difference(s6, a[6], b[6]);
		s7 = add_absolute_difference(s7, a[7], b[7]);
	}

	for (; n > 0; n--, a++, b++)
		s0 = add_absolute_difference(s0, *a, *b);

	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}

static float
max_abs_f32_scalar(const float *a, size_t n)
{
	float		max = 0;

	for (size_t i = 0; i < n; i++)
	{
		float		x = fabsf(a[i]);

		max = x > max ? x : max;
	}

	return max;
}

/*
 * Added to a float below 2^22 in size, this leaves no room for a fraction, and
 * the addition rounds as floats do: to nearest, halves to even.
 */
#define ROUNDER		12582912.0f /* 1.5 * 2^23 */

static void
quantize_i8_scalar(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float		x = a[i] * inverse_scale;

		if (isnan(x))
			x = 0;
		x = x < -127 ? -127 : x;
		x = x > 127 ? 127 : x;
		out[i] = (int8_t) ((x + ROUNDER) - ROUNDER);
	}
}

static void
dequantize_i8_scalar(const int8_t *b, float scale, float *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = scale * b[i];
}

static float
l2_squared_f32_i8_scalar(const float *a, const int8_t *b, float scale, size_t n)
{
	float		s0 = 0,
				s1 = 0,
				s2 = 0,
				s3 = 0,
				s4 = 0,
				s5 = 0,
				s6 = 0,
				s7 = 0;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		s0 = add_squared_difference(s0, a[0], scale * b[0]);
		s1 = add_squared_difference(s1, a[1], scale * b[1]);
		s2 = add_squared_difference(s2, a[2], scale * b[2]);
		s3 = add_squared_difference(s3, a[3], scale * b[3]);
		s4 = add_squared_difference(s4, a[4], scale * b[4]);
		s5 = add_squared_difference(s5, a[5], scale * b[5]);
		s6 = add_squared_difference(s6, a[6], scale * b[6]);
		s7 = add_squared_difference(s7, a[7], scale * b[7]);
	}

	for (; n > 0; n--, a++, b++)
		s0 = add_squared_difference(s0, *a, scale * *b);

	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}

static float
l1_f32_i8_scalar(const float *a, const int8_t *b, float scale, size_t n)
{
	float		s0 = 0,
				s1 = 0,
				s2 = 0,
				s3 = 0,
				s4 = 0,
				s5 = 0,
				s6 = 0,
				s7 = 0;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		s0 = add_absolute_difference(s0, a[0], scale * b[0]);
		s1 = add_absolute_difference(s1, a[1], scale * b[1]);
		s2 = add_absolute_difference(s2, a[2], scale * b[2]);
		s3 = add_absolute_difference(s3, a[3], scale * b[3]);
		s4 = add_absolute_difference(s4, a[4], scale * b[4]);
		s5 = add_absolute_difference(s5, a[5], scale * b[5]);
		s6 = add_absolute_difference(s6, a[6], scale * b[6]);
		s7 = add_absolute_difference(s7, a[7], scale * b[7]);
	}

	for (; n > 0; n--, a++, b++)
		s0 = add_absolute_difference(s0, *a, scale * *b);

	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}

static float
inner_product_f32_i8_scalar(const float *a, const int8_t *b, size_t n)
{
	float		s0 = 0,
				s1 = 0,
				s2 = 0,
				s3 = 0,
				s4 = 0,
				s5 = 0,
				s6 = 0,
				s7 = 0;

	for (; n >= 8; n -= 8, a += 8, b += 8)
	{
		s0 = add_product(s0, a[0], b[0]);
		s1 = add_product(s1, a[1], b[1]);
		s2 = add_product(s2, a[2], b[2]);
		s3 = add_product(s3, a[3], b[3]);
		s4 = add_product(s4, a[4], b[4]);
		s5 = add_product(s5, a[5], b[5]);
		s6 = add_product(s6, a[6], b[6]);
		s7 = add_product(s7, a[7], b[7]);
	}

	for (; n > 0; n--, a++, b++)
		s0 = add_product(s0, *a, *b);

	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}

static int32_t
inner_product_i8_scalar(const int8_t *a, const int8_t *b, size_t n)
{
	int32_t		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];

	return sum;
}

/*
 * The number of bits set: in each two, each four, each byte, then in all.
 */
static inline uint64_t
count_bits(uint64_t word)
{
	word -= word >> 1 & EIGHT(0x55);
	word = (word & EIGHT(0x33)) + (word >> 2 & EIGHT(0x33));
	word = (word + (word >> 4)) & EIGHT(0x0f);
	return word * EIGHT(1) >> 56;
}

/*
 * Fewer than eight bytes, and zeros.
 */
static inline uint64_t
load_last(const uint8_t *p, size_t bytes)
{
	uint64_t	word = 0;

	memcpy(&word, p, bytes);
	return word;
}

static uint64_t
hamming_bytes_scalar(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	uint64_t	differ = 0;

	for (; bytes >= 8; bytes -= 8, a += 8, b += 8)
		differ += count_bits(load_word(a) ^ load_word(b));
	if (bytes > 0)
		differ += count_bits(load_last(a, bytes) ^ load_last(b, bytes));

	return differ;
}

static SimdJaccard
jaccard_bytes_scalar(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	SimdJaccard result = {0, 0};

	for (; bytes > 0; a += 8, b += 8)
	{
		uint64_t	x = bytes >= 8 ? load_word(a) : load_last(a, bytes);
		uint64_t	y = bytes >= 8 ? load_word(b) : load_last(b, bytes);

		result.both += count_bits(x & y);
		result.either += count_bits(x | y);
		if (bytes < 8)
			break;
		bytes -= 8;
	}

	return result;
}

static bool
scalar_usable(void)
{
	return true;
}

const SimdKernels simd_scalar = {
	.name = "scalar",
	.usable = scalar_usable,
	.l2_squared_f32 = l2_squared_f32_scalar,
	.inner_product_f32 = inner_product_f32_scalar,
	.cosine_f32 = cosine_f32_scalar,
	.l1_f32 = l1_f32_scalar,
	.widen_f16 = simd_widen_f16_scalar,
	.narrow_f16 = simd_narrow_f16_scalar,
	.l2_squared_f16 = simd_l2_squared_f16_scalar,
	.inner_product_f16 = simd_inner_product_f16_scalar,
	.cosine_f16 = simd_cosine_f16_scalar,
	.l1_f16 = simd_l1_f16_scalar,
	.max_abs_f32 = max_abs_f32_scalar,
	.quantize_i8 = quantize_i8_scalar,
	.dequantize_i8 = dequantize_i8_scalar,
	.l2_squared_f32_i8 = l2_squared_f32_i8_scalar,
	.l1_f32_i8 = l1_f32_i8_scalar,
	.inner_product_f32_i8 = inner_product_f32_i8_scalar,
	.inner_product_i8 = inner_product_i8_scalar,
	.arrange_weights = simd_arrange_weights_scalar,
	.code_dots_arranged = simd_code_dots_arranged_scalar,
	.encode_f32 = simd_encode_f32_scalar,
	.hamming_bytes = hamming_bytes_scalar,
	.jaccard_bytes = jaccard_bytes_scalar,
};
