/*
 * simd_avx2.h: what the files of the rung avx2 share.
 */
#ifndef SIMD_AVX2_H
#define SIMD_AVX2_H

#include "simd/simd_rungs.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET_AVX2 __attribute__((target("avx2,fma")))

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
static inline __m256i
load_bytes(const void *p)
{
	return _mm256_loadu_si256((const __m256i *) p);
}

/*
 * The sum of the eight int32.
 */
TARGET_AVX2
static inline int32_t
sum_lanes_i32(__m256i v)
{
	__m128i		sum = _mm_add_epi32(_mm256_castsi256_si128(v),
									_mm256_extracti128_si256(v, 1));

	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1)));

	return _mm_cvtsi128_si32(sum);
}

#endif							/* __x86_64__ */

#endif							/* SIMD_AVX2_H */
