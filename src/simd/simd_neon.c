/*
 * simd_neon.c: the rung for aarch64, where NEON is part of the base.
 *
 * Four sums of four floats.  NEON has no masked load; the at most three floats
 * left after whole vectors are loaded one by one into a vector of zeros.
 */
#include "simd/simd_rungs.h"

#if defined(__aarch64__)

#include <arm_neon.h>

/*
 * The first n floats of p and zeros in the other lanes, n in 1..3.
 */
static inline float32x4_t
load_tail(const float *p, size_t n)
{
	float32x4_t v = vsetq_lane_f32(p[0], vdupq_n_f32(0), 0);

	if (n > 1)
		v = vsetq_lane_f32(p[1], v, 1);
	if (n > 2)
		v = vsetq_lane_f32(p[2], v, 2);

	return v;
}

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

static float
l2_squared_f32_neon(const float *a, const float *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		s0 = add_squared_difference(s0, vld1q_f32(a), vld1q_f32(b));
		s1 = add_squared_difference(s1, vld1q_f32(a + 4), vld1q_f32(b + 4));
		s2 = add_squared_difference(s2, vld1q_f32(a + 8), vld1q_f32(b + 8));
		s3 = add_squared_difference(s3, vld1q_f32(a + 12), vld1q_f32(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		s0 = add_squared_difference(s0, vld1q_f32(a), vld1q_f32(b));

	if (n > 0)
		s1 = add_squared_difference(s1, load_tail(a, n), load_tail(b, n));

	return sum_four(s0, s1, s2, s3);
}

static float
inner_product_f32_neon(const float *a, const float *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		s0 = vfmaq_f32(s0, vld1q_f32(a), vld1q_f32(b));
		s1 = vfmaq_f32(s1, vld1q_f32(a + 4), vld1q_f32(b + 4));
		s2 = vfmaq_f32(s2, vld1q_f32(a + 8), vld1q_f32(b + 8));
		s3 = vfmaq_f32(s3, vld1q_f32(a + 12), vld1q_f32(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		s0 = vfmaq_f32(s0, vld1q_f32(a), vld1q_f32(b));

	if (n > 0)
		s1 = vfmaq_f32(s1, load_tail(a, n), load_tail(b, n));

	return sum_four(s0, s1, s2, s3);
}

/* The three sums of a cosine, four lanes each. */
typedef struct CosineLanes
{
	float32x4_t dot;
	float32x4_t norm_a;
	float32x4_t norm_b;
} CosineLanes;

static inline void
add_cosine(CosineLanes *sum, float32x4_t a, float32x4_t b)
{
	sum->dot = vfmaq_f32(sum->dot, a, b);
	sum->norm_a = vfmaq_f32(sum->norm_a, a, a);
	sum->norm_b = vfmaq_f32(sum->norm_b, b, b);
}

static SimdCosine
cosine_f32_neon(const float *a, const float *b, size_t n)
{
	float32x4_t zero = vdupq_n_f32(0);
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		add_cosine(&s0, vld1q_f32(a), vld1q_f32(b));
		add_cosine(&s1, vld1q_f32(a + 4), vld1q_f32(b + 4));
		add_cosine(&s2, vld1q_f32(a + 8), vld1q_f32(b + 8));
		add_cosine(&s3, vld1q_f32(a + 12), vld1q_f32(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		add_cosine(&s0, vld1q_f32(a), vld1q_f32(b));

	if (n > 0)
		add_cosine(&s1, load_tail(a, n), load_tail(b, n));

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

static float
l1_f32_neon(const float *a, const float *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		s0 = add_absolute_difference(s0, vld1q_f32(a), vld1q_f32(b));
		s1 = add_absolute_difference(s1, vld1q_f32(a + 4), vld1q_f32(b + 4));
		s2 = add_absolute_difference(s2, vld1q_f32(a + 8), vld1q_f32(b + 8));
		s3 = add_absolute_difference(s3, vld1q_f32(a + 12), vld1q_f32(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		s0 = add_absolute_difference(s0, vld1q_f32(a), vld1q_f32(b));

	if (n > 0)
		s1 = add_absolute_difference(s1, load_tail(a, n), load_tail(b, n));

	return sum_four(s0, s1, s2, s3);
}

static bool
neon_usable(void)
{
	return true;
}

const SimdKernels simd_neon = {
	.name = "neon",
	.usable = neon_usable,
	.l2_squared_f32 = l2_squared_f32_neon,
	.inner_product_f32 = inner_product_f32_neon,
	.cosine_f32 = cosine_f32_neon,
	.l1_f32 = l1_f32_neon,
};

#endif							/* __aarch64__ */
