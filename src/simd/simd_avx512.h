/*
 * simd_avx512.h: what the files of the rung avx512 share.
 */
#ifndef SIMD_AVX512_H
#define SIMD_AVX512_H

#include "simd/simd_rungs.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw")))

/* Every lane. */
#define ALL		((__mmask16) 0xffff)

/*
 * The mask of the first n lanes, n in 0..15.
 */
TARGET_AVX512
static inline __mmask16
tail_mask(size_t n)
{
	return (__mmask16) ((1U << n) - 1);
}

TARGET_AVX512
static inline float
sum_four(__m512 s0, __m512 s1, __m512 s2, __m512 s3)
{
	return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1),
											  _mm512_add_ps(s2, s3)));
}

TARGET_AVX512
static inline __m512
add_squared_difference(__m512 sum, __m512 a, __m512 b)
{
	__m512		d = _mm512_sub_ps(a, b);

	return _mm512_fmadd_ps(d, d, sum);
}

TARGET_AVX512
static inline __m512
add_absolute_difference(__m512 sum, __m512 a, __m512 b)
{
	return _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(a, b)));
}

#endif							/* __x86_64__ */

#endif							/* SIMD_AVX512_H */
