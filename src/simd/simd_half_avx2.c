/*
 * simd_half_avx2.c: the kernels over halves for x86-64 with AVX2, FMA and F16C.
 *
 * Four sums of eight floats, as in simd_avx2.c; F16C makes eight floats of eight
 * halves.  What is left after whole vectors is taken from the last eight halves of
 * the array, those already added masked to zero.
 */
#include "simd/simd_avx2.h"

#if defined(__x86_64__)

#define TARGET_F16C __attribute__((target("avx2,fma,f16c")))

/* Eight lanes read from tail_lanes + n select the last n. */
static const int16_t tail_lanes[16] = {
	0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1
};

/*
 * Eight halves as floats.
 */
TARGET_F16C
static inline __m256
load_f16(const uint16_t *a)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) a));
}

/*
 * The eight halves that end at end as floats, all but the last n, n in 0..8,
 * replaced by zeros.
 */
TARGET_F16C
static inline __m256
load_tail(const uint16_t *end, size_t n)
{
	__m128i		mask = _mm_loadu_si128((const __m128i *) (tail_lanes + n));
	__m128i		halves = _mm_loadu_si128((const __m128i *) (end - 8));

	return _mm256_cvtph_ps(_mm_and_si128(halves, mask));
}

TARGET_F16C
void
simd_widen_f16_avx2(const uint16_t *a, float *out, size_t n)
{
	if (n < 8)
	{
		simd_scalar.widen_f16(a, out, n);
		return;
	}

	for (; n >= 8; n -= 8, a += 8, out += 8)
		_mm256_storeu_ps(out, load_f16(a));

	if (n > 0)
		_mm256_storeu_ps(out + n - 8, load_f16(a + n - 8));
}

TARGET_F16C
static inline void
narrow_eight(const float *a, uint16_t *out)
{
	_mm_storeu_si128((__m128i *) out, _mm256_cvtps_ph(_mm256_loadu_ps(a), _MM_FROUND_TO_NEAREST_INT));
}

TARGET_F16C
void
simd_narrow_f16_avx2(const float *a, uint16_t *out, size_t n)
{
	if (n < 8)
	{
		simd_scalar.narrow_f16(a, out, n);
		return;
	}

	for (; n >= 8; n -= 8, a += 8, out += 8)
		narrow_eight(a, out);

	if (n > 0)
		narrow_eight(a + n - 8, out + n - 8);
}

TARGET_F16C
float
simd_l2_squared_f16_avx2(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.l2_squared_f16(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = add_squared_difference(s0, load_f16(a), load_f16(b));
		s1 = add_squared_difference(s1, load_f16(a + 8), load_f16(b + 8));
		s2 = add_squared_difference(s2, load_f16(a + 16), load_f16(b + 16));
		s3 = add_squared_difference(s3, load_f16(a + 24), load_f16(b + 24));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = add_squared_difference(s0, load_f16(a), load_f16(b));

	if (n > 0)
		s1 = add_squared_difference(s1, load_tail(a + n, n), load_tail(b + n, n));

	return sum_four(s0, s1, s2, s3);
}

TARGET_F16C
float
simd_inner_product_f16_avx2(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.inner_product_f16(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = _mm256_fmadd_ps(load_f16(a), load_f16(b), s0);
		s1 = _mm256_fmadd_ps(load_f16(a + 8), load_f16(b + 8), s1);
		s2 = _mm256_fmadd_ps(load_f16(a + 16), load_f16(b + 16), s2);
		s3 = _mm256_fmadd_ps(load_f16(a + 24), load_f16(b + 24), s3);
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = _mm256_fmadd_ps(load_f16(a), load_f16(b), s0);

	if (n > 0)
		s1 = _mm256_fmadd_ps(load_tail(a + n, n), load_tail(b + n, n), s1);

	return sum_four(s0, s1, s2, s3);
}

/* The three sums of a cosine, eight lanes each. */
typedef struct CosineLanes
{
	__m256		dot;
	__m256		norm_a;
	__m256		norm_b;
} CosineLanes;

TARGET_F16C
static inline void
add_cosine(CosineLanes *sum, __m256 a, __m256 b)
{
	sum->dot = _mm256_fmadd_ps(a, b, sum->dot);
	sum->norm_a = _mm256_fmadd_ps(a, a, sum->norm_a);
	sum->norm_b = _mm256_fmadd_ps(b, b, sum->norm_b);
}

TARGET_F16C
SimdCosine
simd_cosine_f16_avx2(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m256		zero = _mm256_setzero_ps();
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	if (n < 8)
		return simd_scalar.cosine_f16(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		add_cosine(&s0, load_f16(a), load_f16(b));
		add_cosine(&s1, load_f16(a + 8), load_f16(b + 8));
		add_cosine(&s2, load_f16(a + 16), load_f16(b + 16));
		add_cosine(&s3, load_f16(a + 24), load_f16(b + 24));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		add_cosine(&s0, load_f16(a), load_f16(b));

	if (n > 0)
		add_cosine(&s1, load_tail(a + n, n), load_tail(b + n, n));

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

TARGET_F16C
float
simd_l1_f16_avx2(const uint16_t *a, const uint16_t *b, size_t n)
{
	__m256		s0 = _mm256_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	if (n < 8)
		return simd_scalar.l1_f16(a, b, n);

	for (; n >= 32; n -= 32, a += 32, b += 32)
	{
		s0 = add_absolute_difference(s0, load_f16(a), load_f16(b));
		s1 = add_absolute_difference(s1, load_f16(a + 8), load_f16(b + 8));
		s2 = add_absolute_difference(s2, load_f16(a + 16), load_f16(b + 16));
		s3 = add_absolute_difference(s3, load_f16(a + 24), load_f16(b + 24));
	}

	for (; n >= 8; n -= 8, a += 8, b += 8)
		s0 = add_absolute_difference(s0, load_f16(a), load_f16(b));

	if (n > 0)
		s1 = add_absolute_difference(s1, load_tail(a + n, n), load_tail(b + n, n));

	return sum_four(s0, s1, s2, s3);
}

#endif							/* __x86_64__ */
