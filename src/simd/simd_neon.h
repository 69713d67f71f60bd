/*
 * simd_neon.h: what the files of the rung neon share.
 */
#ifndef SIMD_NEON_H
#define SIMD_NEON_H

#include "simd/simd_rungs.h"

#if defined(__aarch64__)

#include <arm_neon.h>

static inline float
sum_four(float32x4_t s0, float32x4_t s1, float32x4_t s2, float32x4_t s3)
{
	return vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));
}

static inline float32x4_t
add_squared_difference(float32x4_t sum, float32x4_t a, float32x4_t b)
{
	float32x4_t d = vsubq_f32(a, b);

	return vfmaq_f32(sum, d, d);
}

static inline float32x4_t
add_absolute_difference(float32x4_t sum, float32x4_t a, float32x4_t b)
{
	return vaddq_f32(sum, vabdq_f32(a, b));
}

#endif							/* __aarch64__ */

#endif							/* SIMD_NEON_H */
