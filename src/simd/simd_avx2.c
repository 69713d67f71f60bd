/*
 * simd_avx2.c: the rung for x86-64 with AVX2 and FMA.
 *
 * Four sums of eight floats: two loads a cycle feed one multiply-add a cycle,
 * whose latency is four.  What is left after whole vectors is taken from the
 * last eight floats of the array, those already added masked to zero.  A masked
 * load would do too, but QEMU reads what it should not (README, "Tails").
 */
#include "simd/simd_rungs.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define TARGET_AVX2 __attribute__((target("avx2,fma")))

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

/*
 * The sum of the eight lanes, added in pairs.
 */
TARGET_AVX2
static inline float
sum_lanes(__m256 v)
{
	__m128		sum = _mm_add_ps(_mm256_castps256_ps128(v),
								 _mm256_extractf128_ps(v, 1));

	sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
	sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));

	return _mm_cvtss_f32(sum);
}

TARGET_AVX2
static inline float
sum_four(__m256 s0, __m256 s1, __m256 s2, __m256 s3)
{
	return sum_lanes(_mm256_add_ps(_mm256_add_ps(s0, s1),
								   _mm256_add_ps(s2, s3)));
}

TARGET_AVX2
static inline __m256
add_squared_difference(__m256 sum, __m256 a, __m256 b)
{
	__m256		d = _mm256_sub_ps(a, b);

	return _mm256_fmadd_ps(d, d, sum);
}

TARGET_AVX2
static inline __m256
add_absolute_difference(__m256 sum, __m256 a, __m256 b)
{
	__m256		d = _mm256_sub_ps(a, b);

	return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), d));
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

const SimdKernels simd_avx2 = {
	.name = "avx2",
	.usable = simd_avx2_usable,
	.l2_squared_f32 = l2_squared_f32_avx2,
	.inner_product_f32 = inner_product_f32_avx2,
	.cosine_f32 = cosine_f32_avx2,
	.l1_f32 = l1_f32_avx2,
};

#endif							/* __x86_64__ */
