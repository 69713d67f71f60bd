/*
 * simd_avx512.c: the rung for x86-64 with AVX-512 F and BW.
 *
 * As avx2, with sums of sixteen floats.  F ("foundation") has the floats, BW the
 * bytes; every CPU with AVX-512 has both but for Xeon Phi, which stays with
 * avx2.  What is left after whole vectors is loaded under a mask register, which
 * neither reads nor faults on masked-out elements.
 */
#include "simd/simd_avx512.h"

#if defined(__x86_64__)

#include <stdint.h>

TARGET_AVX512
static float
l2_squared_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
		s1 = add_squared_difference(s1, _mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16));
		s2 = add_squared_difference(s2, _mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32));
		s3 = add_squared_difference(s3, _mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_squared_difference(s1, _mm512_maskz_loadu_ps(mask, a),
									_mm512_maskz_loadu_ps(mask, b));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static float
inner_product_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b), s0);
		s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16), s1);
		s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32), s2);
		s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48), s3);
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b), s0);

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a),
							 _mm512_maskz_loadu_ps(mask, b), s1);
	}

	return sum_four(s0, s1, s2, s3);
}

/* The three sums of a cosine, sixteen lanes each. */
typedef struct CosineLanes
{
	__m512		dot;
	__m512		norm_a;
	__m512		norm_b;
} CosineLanes;

TARGET_AVX512
static inline void
add_cosine(CosineLanes *sum, __m512 a, __m512 b)
{
	sum->dot = _mm512_fmadd_ps(a, b, sum->dot);
	sum->norm_a = _mm512_fmadd_ps(a, a, sum->norm_a);
	sum->norm_b = _mm512_fmadd_ps(b, b, sum->norm_b);
}

TARGET_AVX512
static SimdCosine
cosine_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		zero = _mm512_setzero_ps();
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		add_cosine(&s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
		add_cosine(&s1, _mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16));
		add_cosine(&s2, _mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32));
		add_cosine(&s3, _mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		add_cosine(&s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		add_cosine(&s1, _mm512_maskz_loadu_ps(mask, a),
				   _mm512_maskz_loadu_ps(mask, b));
	}

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

TARGET_AVX512
static float
l1_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
		s1 = add_absolute_difference(s1, _mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16));
		s2 = add_absolute_difference(s2, _mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32));
		s3 = add_absolute_difference(s3, _mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_absolute_difference(s1, _mm512_maskz_loadu_ps(mask, a),
									 _mm512_maskz_loadu_ps(mask, b));
	}

	return sum_four(s0, s1, s2, s3);
}

/*
 * A product, rounded, and zero outside the mask: the compiler must not fuse it
 * with the addition that follows, since other rungs do not (simd.h,
 * dequantize_i8).
 */
TARGET_AVX512
static inline __m512
rounded_product(__mmask16 mask, __m512 a, __m512 b)
{
	__m512		product = _mm512_maskz_mul_ps(mask, a, b);

__asm__("":"+v"(product));
	return product;
}

/*
 * Sixteen int8 as floats.
 */
TARGET_AVX512
static inline __m512
load_i8(const int8_t *b)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) b)));
}

TARGET_AVX512
static inline __m512
load_i8_tail(const int8_t *b, __mmask16 mask)
{
	__m512i		bytes = _mm512_maskz_loadu_epi8(mask, b);

	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_castsi512_si128(bytes)));
}

TARGET_AVX512
static float
max_abs_f32_avx512(const float *a, size_t n)
{
	__m512		m0 = _mm512_setzero_ps(),
				m1 = m0;

	/* of a NaN and a number, max_ps takes the second */
	for (; n >= 32; n -= 32, a += 32)
	{
		m0 = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(a)), m0);
		m1 = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(a + 16)), m1);
	}

	if (n >= 16)
	{
		m0 = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(a)), m0);
		n -= 16;
		a += 16;
	}

	if (n > 0)
		m1 = _mm512_max_ps(_mm512_abs_ps(_mm512_maskz_loadu_ps(tail_mask(n), a)), m1);

	return _mm512_reduce_max_ps(_mm512_max_ps(m0, m1));
}

TARGET_AVX512
static inline void
quantize_sixteen(__mmask16 mask, const float *a, __m512 inverse_scale, int8_t *out)
{
	__m512		x = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, a), inverse_scale);
	__mmask16	number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);

	x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-127)), _mm512_set1_ps(127));
	_mm512_mask_cvtepi32_storeu_epi8(out, mask, _mm512_maskz_cvtps_epi32(number, x));
}

TARGET_AVX512
static void
quantize_i8_avx512(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	__m512		by = _mm512_set1_ps(inverse_scale);

	for (; n >= 16; n -= 16, a += 16, out += 16)
		quantize_sixteen(ALL, a, by, out);

	if (n > 0)
		quantize_sixteen(tail_mask(n), a, by, out);
}

TARGET_AVX512
static void
dequantize_i8_avx512(const int8_t *b, float scale, float *out, size_t n)
{
	__m512		by = _mm512_set1_ps(scale);

	for (; n >= 16; n -= 16, b += 16, out += 16)
		_mm512_storeu_ps(out, _mm512_mul_ps(load_i8(b), by));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		_mm512_mask_storeu_ps(out, mask, _mm512_mul_ps(load_i8_tail(b, mask), by));
	}
}

TARGET_AVX512
static float
l2_squared_f32_i8_avx512(const float *a, const int8_t *b, float scale, size_t n)
{
	__m512		by = _mm512_set1_ps(scale);
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));
		s1 = add_squared_difference(s1, _mm512_loadu_ps(a + 16), rounded_product(ALL, load_i8(b + 16), by));
		s2 = add_squared_difference(s2, _mm512_loadu_ps(a + 32), rounded_product(ALL, load_i8(b + 32), by));
		s3 = add_squared_difference(s3, _mm512_loadu_ps(a + 48), rounded_product(ALL, load_i8(b + 48), by));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_squared_difference(s1, _mm512_maskz_loadu_ps(mask, a), rounded_product(mask, load_i8_tail(b, mask), by));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static float
l1_f32_i8_avx512(const float *a, const int8_t *b, float scale, size_t n)
{
	__m512		by = _mm512_set1_ps(scale);
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));
		s1 = add_absolute_difference(s1, _mm512_loadu_ps(a + 16), rounded_product(ALL, load_i8(b + 16), by));
		s2 = add_absolute_difference(s2, _mm512_loadu_ps(a + 32), rounded_product(ALL, load_i8(b + 32), by));
		s3 = add_absolute_difference(s3, _mm512_loadu_ps(a + 48), rounded_product(ALL, load_i8(b + 48), by));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_absolute_difference(s1, _mm512_maskz_loadu_ps(mask, a), rounded_product(mask, load_i8_tail(b, mask), by));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static float
inner_product_f32_i8_avx512(const float *a, const int8_t *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), load_i8(b), s0);
		s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 16), load_i8(b + 16), s1);
		s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 32), load_i8(b + 32), s2);
		s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 48), load_i8(b + 48), s3);
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), load_i8(b), s0);

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a), load_i8_tail(b, mask), s1);
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static inline __m512i
add_products_i8(__m512i sum, __m256i a, __m256i b)
{
	__m512i		pairs = _mm512_madd_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b));

	return _mm512_add_epi32(sum, pairs);
}

TARGET_AVX512
static int32_t
inner_product_i8_avx512(const int8_t *a, const int8_t *b, size_t n)
{
	__m512i		s0 = _mm512_setzero_si512(),
				s1 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_products_i8(s0, _mm256_loadu_si256((const __m256i *) a),
							 _mm256_loadu_si256((const __m256i *) b));
		s1 = add_products_i8(s1, _mm256_loadu_si256((const __m256i *) (a + 32)),
							 _mm256_loadu_si256((const __m256i *) (b + 32)));
	}

	if (n > 0)
	{
		__mmask64	mask = (UINT64_C(1) << n) - 1;
		__m512i		x = _mm512_maskz_loadu_epi8(mask, a);
		__m512i		y = _mm512_maskz_loadu_epi8(mask, b);

		s0 = add_products_i8(s0, _mm512_castsi512_si256(x), _mm512_castsi512_si256(y));
		s1 = add_products_i8(s1, _mm512_extracti64x4_epi64(x, 1),
							 _mm512_extracti64x4_epi64(y, 1));
	}

	return _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1));
}

/*
 * The number of bits set in each eight bytes, looked up as in avx2: the
 * instruction that counts bits came later than F and BW.
 */
TARGET_AVX512
static inline __m512i
count_bits(__m512i bytes)
{
	const __m512i counts = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
	const __m512i low = _mm512_set1_epi8(0x0f);
	__m512i		high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low);

	return _mm512_sad_epu8(_mm512_add_epi8(_mm512_shuffle_epi8(counts, _mm512_and_si512(bytes, low)),
										   _mm512_shuffle_epi8(counts, high)),
						   _mm512_setzero_si512());
}

/*
 * The mask of the first n bytes, or of all 64 if there are more.
 */
static inline __mmask64
byte_mask(size_t n)
{
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

TARGET_AVX512
static uint64_t
hamming_bytes_avx512(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	__m512i		sums = _mm512_setzero_si512();

	for (size_t i = 0; i < bytes; i += 64)
	{
		__mmask64	mask = byte_mask(bytes - i);
		__m512i		x = _mm512_maskz_loadu_epi8(mask, a + i);
		__m512i		y = _mm512_maskz_loadu_epi8(mask, b + i);

		sums = _mm512_add_epi64(sums, count_bits(_mm512_xor_si512(x, y)));
	}

	return (uint64_t) _mm512_reduce_add_epi64(sums);
}

TARGET_AVX512
static SimdJaccard
jaccard_bytes_avx512(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	__m512i		both = _mm512_setzero_si512();
	__m512i		either = both;

	for (size_t i = 0; i < bytes; i += 64)
	{
		__mmask64	mask = byte_mask(bytes - i);
		__m512i		x = _mm512_maskz_loadu_epi8(mask, a + i);
		__m512i		y = _mm512_maskz_loadu_epi8(mask, b + i);

		both = _mm512_add_epi64(both, count_bits(_mm512_and_si512(x, y)));
		either = _mm512_add_epi64(either, count_bits(_mm512_or_si512(x, y)));
	}

	return (SimdJaccard)
	{
		(uint64_t) _mm512_reduce_add_epi64(both), (uint64_t) _mm512_reduce_add_epi64(either)
	};
}

const SimdKernels simd_avx512 = {
	.name = "avx512",
	.usable = simd_avx512_usable,
	.l2_squared_f32 = l2_squared_f32_avx512,
	.inner_product_f32 = inner_product_f32_avx512,
	.cosine_f32 = cosine_f32_avx512,
	.l1_f32 = l1_f32_avx512,
	.widen_f16 = simd_widen_f16_avx512,
	.narrow_f16 = simd_narrow_f16_avx512,
	.l2_squared_f16 = simd_l2_squared_f16_avx512,
	.inner_product_f16 = simd_inner_product_f16_avx512,
	.cosine_f16 = simd_cosine_f16_avx512,
	.l1_f16 = simd_l1_f16_avx512,
	.max_abs_f32 = max_abs_f32_avx512,
	.quantize_i8 = quantize_i8_avx512,
	.dequantize_i8 = dequantize_i8_avx512,
	.l2_squared_f32_i8 = l2_squared_f32_i8_avx512,
	.l1_f32_i8 = l1_f32_i8_avx512,
	.inner_product_f32_i8 = inner_product_f32_i8_avx512,
	.inner_product_i8 = inner_product_i8_avx512,
	.arrange_weights = simd_arrange_weights_avx512,
	.code_dots_arranged = simd_code_dots_arranged_avx512,
	.encode_f32 = simd_encode_f32_avx512,
	.hamming_bytes = hamming_bytes_avx512,
	.jaccard_bytes = jaccard_bytes_avx512,
};

#endif							/* __x86_64__ */
