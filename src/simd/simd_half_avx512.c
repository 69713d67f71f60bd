/*
 * simd_half_avx512.c: the kernels over halves for x86-64 with AVX-512 F and BW.
 *
 * F converts sixteen halves at once; what is left after whole vectors is loaded
 * and stored under a mask, which is BW's for elements of 16 bits.
 */
#include "simd/simd_avx512.h"

#if defined(__x86_64__)

/*
 * Sixteen halves as floats.
 */
TARGET_AVX512
static inline __m512
load_f16(const uint16_t *a)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) a));
}

/*
 * The halves inside the mask as floats, and zeros.
 */
TARGET_AVX512
static inline __m512
load_tail(__mmask16 mask, const uint16_t *a)
{
	return _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_maskz_loadu_epi16(mask, a)));
}

TARGET_AVX512
void
simd_widen_f16_avx512(const uint16_t *a, float *out, size_t n)
{
	for (; n >= 16; n -= 16, a += 16, out += 16)
		_mm512_storeu_ps(out, load_f16(a));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		_mm512_mask_storeu_ps(out, mask, load_tail(mask, a));
	}
}

TARGET_AVX512
void
simd_narrow_f16_avx512(const float *a, uint16_t *out, size_t n)
{
	for (; n >= 16; n -= 16, a += 16, out += 16)
		_mm256_storeu_si256((__m256i *) out,
							_mm512_cvtps_ph(_mm512_loadu_ps(a), _MM_FROUND_TO_NEAREST_INT));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);
		__m256i		halves = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, a), _MM_FROUND_TO_NEAREST_INT);

		_mm512_mask_storeu_epi16(out, mask, _mm512_castsi256_si512(halves));
	}
}

TARGET_AVX512
float
simd_l2_squared_f16_avx512(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_squared_difference(s0, load_f16(a), load_f16(b));
		s1 = add_squared_difference(s1, load_f16(a + 16), load_f16(b + 16));
		s2 = add_squared_difference(s2, load_f16(a + 32), load_f16(b + 32));
		s3 = add_squared_difference(s3, load_f16(a + 48), load_f16(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_squared_difference(s0, load_f16(a), load_f16(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_squared_difference(s1, load_tail(mask, a), load_tail(mask, b));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
float
simd_inner_product_f16_avx512(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = _mm512_fmadd_ps(load_f16(a), load_f16(b), s0);
		s1 = _mm512_fmadd_ps(load_f16(a + 16), load_f16(b + 16), s1);
		s2 = _mm512_fmadd_ps(load_f16(a + 32), load_f16(b + 32), s2);
		s3 = _mm512_fmadd_ps(load_f16(a + 48), load_f16(b + 48), s3);
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = _mm512_fmadd_ps(load_f16(a), load_f16(b), s0);

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = _mm512_fmadd_ps(load_tail(mask, a), load_tail(mask, b), s1);
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
SimdCosine
simd_cosine_f16_avx512(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m512		zero = _mm512_setzero_ps();
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		add_cosine(&s0, load_f16(a), load_f16(b));
		add_cosine(&s1, load_f16(a + 16), load_f16(b + 16));
		add_cosine(&s2, load_f16(a + 32), load_f16(b + 32));
		add_cosine(&s3, load_f16(a + 48), load_f16(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		add_cosine(&s0, load_f16(a), load_f16(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		add_cosine(&s1, load_tail(mask, a), load_tail(mask, b));
	}

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

TARGET_AVX512
float
simd_l1_f16_avx512(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_absolute_difference(s0, load_f16(a), load_f16(b));
		s1 = add_absolute_difference(s1, load_f16(a + 16), load_f16(b + 16));
		s2 = add_absolute_difference(s2, load_f16(a + 32), load_f16(b + 32));
		s3 = add_absolute_difference(s3, load_f16(a + 48), load_f16(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_absolute_difference(s0, load_f16(a), load_f16(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_absolute_difference(s1, load_tail(mask, a), load_tail(mask, b));
	}

	return sum_four(s0, s1, s2, s3);
}

#endif							/* __x86_64__ */
