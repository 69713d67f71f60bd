/*
 * simd_avx2.c: the rung for x86-64 with AVX2 and FMA.
 *
 * Four sums of eight floats: two loads a cycle feed one multiply-add a cycle,
 * whose latency is four.  What is left after whole vectors is taken from the
 * last eight floats of the array, those already added masked to zero.  A masked
 * load would do too, but QEMU reads what it should not (README, "Tails").
 */
#include "simd/simd_avx2.h"

#if defined(__x86_64__)

#include <stdint.h>

/* Eight lanes read from tail_lanes + n select the last n. */
static const int32_t tail_lanes[16] = {
	0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1
};

/*
 * The mask of the last n lanes, n in 0..8.
 */
TARGET_AVX2
static inline __m256
tail_mask(size_t n)
{
	return _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *) (tail_lanes + n)));
}

/*
 * The eight floats that end at end, those outside the mask replaced by zeros.
 */
TARGET_AVX2
static inline __m256
load_tail(const float *end, __m256 mask)
{
	return _mm256_and_ps(_mm256_loadu_ps(end - 8), mask);
}

TARGET_AVX2
static float
l2_squared_f32_avx2(const float *a, const float *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.l2_squared_f32(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = add_squared_difference(s0, _mm256_loadu_ps(a), _mm256_loadu_ps(b));
		s1 = add_squared_difference(s1, _mm256_loadu_ps(a + 8), _mm256_loadu_ps(b + 8));
		s2 = add_squared_difference(s2, _mm256_loadu_ps(a + 16), _mm256_loadu_ps(b + 16));
		s3 = add_squared_difference(s3, _mm256_loadu_ps(a + 24), _mm256_loadu_ps(b + 24));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = add_squared_difference(s0, _mm256_loadu_ps(a), _mm256_loadu_ps(b));

	if (n > 0)
	{
		__m256		mask = tail_mask(n);

		s1 = add_squared_difference(s1, load_tail(a + n, mask),
									load_tail(b + n, mask));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX2
static float
inner_product_f32_avx2(const float *a, const float *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.inner_product_f32(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b), s0);
		s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 8), _mm256_loadu_ps(b + 8), s1);
		s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 16), _mm256_loadu_ps(b + 16), s2);
		s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 24), _mm256_loadu_ps(b + 24), s3);
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b), s0);

	if (n > 0)
	{
		__m256		mask = tail_mask(n);

		s1 = _mm256_fmadd_ps(load_tail(a + n, mask),
							 load_tail(b + n, mask), s1);
	}

	return sum_four(s0, s1, s2, s3);
}

/* The three sums of a cosine, eight lanes each. */
typedef struct CosineLanes
{
	__m256		dot;
	__m256		norm_a;
	__m256		norm_b;
} CosineLanes;

TARGET_AVX2
static inline void
add_cosine(CosineLanes *sum, __m256 a, __m256 b)
{
	sum->dot = _mm256_fmadd_ps(a, b, sum->dot);
	sum->norm_a = _mm256_fmadd_ps(a, a, sum->norm_a);
	sum->norm_b = _mm256_fmadd_ps(b, b, sum->norm_b);
}

TARGET_AVX2
static SimdCosine
cosine_f32_avx2(const float *a, const float *b, size_t n)
{
	__m256		zero = _mm256_setzero_ps();
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	if (n < 8)
		return simd_scalar.cosine_f32(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		add_cosine(&s0, _mm256_loadu_ps(a), _mm256_loadu_ps(b));
		add_cosine(&s1, _mm256_loadu_ps(a + 8), _mm256_loadu_ps(b + 8));
		add_cosine(&s2, _mm256_loadu_ps(a + 16), _mm256_loadu_ps(b + 16));
		add_cosine(&s3, _mm256_loadu_ps(a + 24), _mm256_loadu_ps(b + 24));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		add_cosine(&s0, _mm256_loadu_ps(a), _mm256_loadu_ps(b));

	if (n > 0)
	{
		__m256		mask = tail_mask(n);

		add_cosine(&s1, load_tail(a + n, mask), load_tail(b + n, mask));
	}

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

TARGET_AVX2
static float
l1_f32_avx2(const float *a, const float *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.l1_f32(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = add_absolute_difference(s0, _mm256_loadu_ps(a), _mm256_loadu_ps(b));
		s1 = add_absolute_difference(s1, _mm256_loadu_ps(a + 8), _mm256_loadu_ps(b + 8));
		s2 = add_absolute_difference(s2, _mm256_loadu_ps(a + 16), _mm256_loadu_ps(b + 16));
		s3 = add_absolute_difference(s3, _mm256_loadu_ps(a + 24), _mm256_loadu_ps(b + 24));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = add_absolute_difference(s0, _mm256_loadu_ps(a), _mm256_loadu_ps(b));

	if (n > 0)
	{
		__m256		mask = tail_mask(n);

		s1 = add_absolute_difference(s1, load_tail(a + n, mask),
									 load_tail(b + n, mask));
	}

	return sum_four(s0, s1, s2, s3);
}

/*
 * The same product, rounded: the compiler must not fuse it with the addition
 * that follows, since other rungs do not (simd.h, dequantize_i8).
 */
TARGET_AVX2
static inline __m256
rounded_product(__m256 a, __m256 b)
{
	__m256		product = _mm256_mul_ps(a, b);

__asm__("":"+x"(product));
	return product;
}

TARGET_AVX2
static inline __m256
absolute(__m256 v)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/*
 * Eight int8 as floats.
 */
TARGET_AVX2
static inline __m256
load_i8(const int8_t *b)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) b)));
}

TARGET_AVX2
static float
max_abs_f32_avx2(const float *a, size_t n)
{
	__m256		m0 = _mm256_setzero_ps(),
				m1 = m0,
				m2 = m0,
				m3 = m0;
	__m128		m;

	if (n < 8)
		return simd_scalar.max_abs_f32(a, n);

	/* of a NaN and a number, max_ps takes the second */
	for (; n >= 32; n -= 32, a += 32)
	{
		m0 = _mm256_max_ps(absolute(_mm256_loadu_ps(a)), m0);
		m1 = _mm256_max_ps(absolute(_mm256_loadu_ps(a + 8)), m1);
		m2 = _mm256_max_ps(absolute(_mm256_loadu_ps(a + 16)), m2);
		m3 = _mm256_max_ps(absolute(_mm256_loadu_ps(a + 24)), m3);
	}

	for (; n >= 8; n -= 8, a += 8)
		m0 = _mm256_max_ps(absolute(_mm256_loadu_ps(a)), m0);

	if (n > 0)
		m1 = _mm256_max_ps(absolute(_mm256_loadu_ps(a + n - 8)), m1);

	m0 = _mm256_max_ps(_mm256_max_ps(m0, m1), _mm256_max_ps(m2, m3));
	m = _mm_max_ps(_mm256_castps256_ps128(m0), _mm256_extractf128_ps(m0, 1));
	m = _mm_max_ps(m, _mm_movehl_ps(m, m));
	m = _mm_max_ss(m, _mm_movehdup_ps(m));

	return _mm_cvtss_f32(m);
}

TARGET_AVX2
static inline void
quantize_eight(const float *a, __m256 inverse_scale, int8_t *out)
{
	__m256		x = _mm256_mul_ps(_mm256_loadu_ps(a), inverse_scale);
	__m256		number = _mm256_cmp_ps(x, x, _CMP_ORD_Q);
	__m256i		whole;
	__m128i		packed;

	x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-127)), _mm256_set1_ps(127));
	whole = _mm256_cvtps_epi32(_mm256_and_ps(x, number));
	packed = _mm_packs_epi32(_mm256_castsi256_si128(whole),
							 _mm256_extracti128_si256(whole, 1));
	_mm_storel_epi64((__m128i *) out, _mm_packs_epi16(packed, packed));
}

TARGET_AVX2
static void
quantize_i8_avx2(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	__m256		by = _mm256_set1_ps(inverse_scale);

	if (n < 8)
	{
		simd_scalar.quantize_i8(a, inverse_scale, out, n);
		return;
	}

	for (; n >= 8; n -= 8, a += 8, out += 8)
		quantize_eight(a, by, out);

	if (n > 0)
		quantize_eight(a + n - 8, by, out + n - 8);
}

TARGET_AVX2
static void
dequantize_i8_avx2(const int8_t *b, float scale, float *out, size_t n)
{
	__m256		by = _mm256_set1_ps(scale);

	if (n < 8)
	{
		simd_scalar.dequantize_i8(b, scale, out, n);
		return;
	}

	for (; n >= 8; n -= 8, b += 8, out += 8)
		_mm256_storeu_ps(out, _mm256_mul_ps(load_i8(b), by));

	if (n > 0)
		_mm256_storeu_ps(out + n - 8, _mm256_mul_ps(load_i8(b + n - 8), by));
}

TARGET_AVX2
static float
l2_squared_f32_i8_avx2(const float *a, const int8_t *b, float scale, size_t n)
{
	__m256		by = _mm256_set1_ps(scale);
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.l2_squared_f32_i8(a, b, scale, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = add_squared_difference(s0, _mm256_loadu_ps(a), rounded_product(load_i8(b), by));
		s1 = add_squared_difference(s1, _mm256_loadu_ps(a + 8), rounded_product(load_i8(b + 8), by));
		s2 = add_squared_difference(s2, _mm256_loadu_ps(a + 16), rounded_product(load_i8(b + 16), by));
		s3 = add_squared_difference(s3, _mm256_loadu_ps(a + 24), rounded_product(load_i8(b + 24), by));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = add_squared_difference(s0, _mm256_loadu_ps(a), rounded_product(load_i8(b), by));

	if (n > 0)
	{
		__m256		mask = tail_mask(n);
		__m256		last = rounded_product(load_i8(b + n - 8), by);

		s1 = add_squared_difference(s1, load_tail(a + n, mask), _mm256_and_ps(last, mask));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX2
static float
l1_f32_i8_avx2(const float *a, const int8_t *b, float scale, size_t n)
{
	__m256		by = _mm256_set1_ps(scale);
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.l1_f32_i8(a, b, scale, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = add_absolute_difference(s0, _mm256_loadu_ps(a), rounded_product(load_i8(b), by));
		s1 = add_absolute_difference(s1, _mm256_loadu_ps(a + 8), rounded_product(load_i8(b + 8), by));
		s2 = add_absolute_difference(s2, _mm256_loadu_ps(a + 16), rounded_product(load_i8(b + 16), by));
		s3 = add_absolute_difference(s3, _mm256_loadu_ps(a + 24), rounded_product(load_i8(b + 24), by));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = add_absolute_difference(s0, _mm256_loadu_ps(a), rounded_product(load_i8(b), by));

	if (n > 0)
	{
		__m256		mask = tail_mask(n);
		__m256		last = rounded_product(load_i8(b + n - 8), by);

		s1 = add_absolute_difference(s1, load_tail(a + n, mask), _mm256_and_ps(last, mask));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX2
static float
inner_product_f32_i8_avx2(const float *a, const int8_t *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.inner_product_f32_i8(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a), load_i8(b), s0);
		s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 8), load_i8(b + 8), s1);
		s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 16), load_i8(b + 16), s2);
		s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 24), load_i8(b + 24), s3);
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a), load_i8(b), s0);

	if (n > 0)
		s1 = _mm256_fmadd_ps(load_tail(a + n, tail_mask(n)), load_i8(b + n - 8), s1);

	return sum_four(s0, s1, s2, s3);
}

/*
 * maddubs wants its first operand unsigned: the sign of a goes over to b.  Two
 * products of at most 127^2 do not saturate.
 */
TARGET_AVX2
static inline __m256i
add_products_i8(__m256i sum, __m256i a, __m256i b)
{
	__m256i		pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));

	return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

TARGET_AVX2
static int32_t
inner_product_i8_avx2(const int8_t *a, const int8_t *b, size_t n)
{
	__m256i		s0 = _mm256_setzero_si256(),
				s1 = s0;
	int32_t		rest = 0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_products_i8(s0, load_bytes(a), load_bytes(b));
		s1 = add_products_i8(s1, load_bytes(a + 32), load_bytes(b + 32));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		__m256i		x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) a));
		__m256i		y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) b));

		s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(x, y));
	}

	for (; n > 0; n--)
		rest += *a++ * *b++;

	return sum_lanes_i32(_mm256_add_epi32(s0, s1)) + rest;
}

/*
 * The number of bits set in each byte, looked up for each half of it.
 */
TARGET_AVX2
static inline __m256i
count_bits(__m256i bytes)
{
	const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
											0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
	const __m256i low = _mm256_set1_epi8(0x0f);
	__m256i		high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low);

	return _mm256_add_epi8(_mm256_shuffle_epi8(counts, _mm256_and_si256(bytes, low)),
						   _mm256_shuffle_epi8(counts, high));
}

/*
 * So many counts of a byte, each up to 8, may be added up in a byte.
 */
#define COUNTS_IN_BYTE	31

/*
 * Add counts in 32 bytes to four sums.
 */
TARGET_AVX2
static inline __m256i
add_counts(__m256i sums, __m256i counts)
{
	return _mm256_add_epi64(sums, _mm256_sad_epu8(counts, _mm256_setzero_si256()));
}

TARGET_AVX2
static inline uint64_t
sum_counts(__m256i sums)
{
	__m128i		sum = _mm_add_epi64(_mm256_castsi256_si128(sums),
									_mm256_extracti128_si256(sums, 1));

	return (uint64_t) _mm_cvtsi128_si64(_mm_add_epi64(sum, _mm_unpackhi_epi64(sum, sum)));
}

/*
 * The 32 bytes that end at end, all but the last n of them zero, n in 1..31.
 */
TARGET_AVX2
static inline __m256i
load_last_bytes(const uint8_t *end, size_t n)
{
	const __m256i place = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
										   16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
	__m256i		mask = _mm256_cmpgt_epi8(place, _mm256_set1_epi8((char) (31 - n)));

	return _mm256_and_si256(load_bytes(end - 32), mask);
}

TARGET_AVX2
static uint64_t
hamming_bytes_avx2(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	__m256i		sums = _mm256_setzero_si256();

	if (bytes < 32)
		return simd_scalar.hamming_bytes(a, b, bytes);

	while (bytes >= 32)
	{
		__m256i		counts = _mm256_setzero_si256();

		for (int i = 0; i < COUNTS_IN_BYTE && bytes >= 32; i++, bytes -= 32, a += 32, b += 32)
			counts = _mm256_add_epi8(counts, count_bits(_mm256_xor_si256(load_bytes(a), load_bytes(b))));
		sums = add_counts(sums, counts);
	}

	if (bytes > 0)
	{
		__m256i		x = load_last_bytes(a + bytes, bytes);
		__m256i		y = load_last_bytes(b + bytes, bytes);

		sums = add_counts(sums, count_bits(_mm256_xor_si256(x, y)));
	}

	return sum_counts(sums);
}

TARGET_AVX2
static SimdJaccard
jaccard_bytes_avx2(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	__m256i		both = _mm256_setzero_si256();
	__m256i		either = both;

	if (bytes < 32)
		return simd_scalar.jaccard_bytes(a, b, bytes);

	while (bytes >= 32)
	{
		__m256i		in_both = _mm256_setzero_si256();
		__m256i		in_either = in_both;

		for (int i = 0; i < COUNTS_IN_BYTE && bytes >= 32; i++, bytes -= 32, a += 32, b += 32)
		{
			__m256i		x = load_bytes(a);
			__m256i		y = load_bytes(b);

			in_both = _mm256_add_epi8(in_both, count_bits(_mm256_and_si256(x, y)));
			in_either = _mm256_add_epi8(in_either, count_bits(_mm256_or_si256(x, y)));
		}
		both = add_counts(both, in_both);
		either = add_counts(either, in_either);
	}

	if (bytes > 0)
	{
		__m256i		x = load_last_bytes(a + bytes, bytes);
		__m256i		y = load_last_bytes(b + bytes, bytes);

		both = add_counts(both, count_bits(_mm256_and_si256(x, y)));
		either = add_counts(either, count_bits(_mm256_or_si256(x, y)));
	}

	return (SimdJaccard)
	{
		sum_counts(both), sum_counts(either)
	};
}

const SimdKernels simd_avx2 = {
	.name = "avx2",
	.usable = simd_avx2_usable,
	.l2_squared_f32 = l2_squared_f32_avx2,
	.inner_product_f32 = inner_product_f32_avx2,
	.cosine_f32 = cosine_f32_avx2,
	.l1_f32 = l1_f32_avx2,
	.widen_f16 = simd_widen_f16_avx2,
	.narrow_f16 = simd_narrow_f16_avx2,
	.l2_squared_f16 = simd_l2_squared_f16_avx2,
	.inner_product_f16 = simd_inner_product_f16_avx2,
	.cosine_f16 = simd_cosine_f16_avx2,
	.l1_f16 = simd_l1_f16_avx2,
	.max_abs_f32 = max_abs_f32_avx2,
	.quantize_i8 = quantize_i8_avx2,
	.dequantize_i8 = dequantize_i8_avx2,
	.l2_squared_f32_i8 = l2_squared_f32_i8_avx2,
	.l1_f32_i8 = l1_f32_i8_avx2,
	.inner_product_f32_i8 = inner_product_f32_i8_avx2,
	.inner_product_i8 = inner_product_i8_avx2,
	.arrange_weights = simd_arrange_weights_avx2,
	.code_dots_arranged = simd_code_dots_arranged_avx2,
	.encode_f32 = simd_encode_f32_avx2,
	.hamming_bytes = hamming_bytes_avx2,
	.jaccard_bytes = jaccard_bytes_avx2,
};

#endif							/* __x86_64__ */
