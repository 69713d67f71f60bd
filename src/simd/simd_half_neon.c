/*
 * simd_half_neon.c: the kernels over halves for aarch64.
 *
 * Conversions are part of NEON's base, arithmetic on halves is not and would be
 * too coarse: sums are of floats, four times four.  Up to three halves that are
 * left after whole vectors are copied to a room of zeros.
 */
#include "simd/simd_neon.h"

#if defined(__aarch64__)

/*
 * Four halves as floats.
 */
static inline float32x4_t
load_f16(const uint16_t *a)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(a)));
}

/*
 * The first n halves as floats and zeros in the other lanes, n in 1..3.
 */
static inline float32x4_t
load_tail(const uint16_t *a, size_t n)
{
	uint16_t	room[4] = {a[0], n > 1 ? a[1] : 0, n > 2 ? a[2] : 0, 0};

	return load_f16(room);
}

void
simd_widen_f16_neon(const uint16_t *a, float *out, size_t n)
{
	if (n < 4)
	{
		simd_scalar.widen_f16(a, out, n);
		return;
	}

	for (; n >= 4; n -= 4, a += 4, out += 4)
		vst1q_f32(out, load_f16(a));

	if (n > 0)
		vst1q_f32(out + n - 4, load_f16(a + n - 4));
}

static inline void
narrow_four(const float *a, uint16_t *out)
{
	vst1_u16(out, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(a))));
}

void
simd_narrow_f16_neon(const float *a, uint16_t *out, size_t n)
{
	if (n < 4)
	{
		simd_scalar.narrow_f16(a, out, n);
		return;
	}

	for (; n >= 4; n -= 4, a += 4, out += 4)
		narrow_four(a, out);

	if (n > 0)
		narrow_four(a + n - 4, out + n - 4);
}

float
simd_l2_squared_f16_neon(const uint16_t *a, const uint16_t *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		s0 = add_squared_difference(s0, load_f16(a), load_f16(b));
		s1 = add_squared_difference(s1, load_f16(a + 4), load_f16(b + 4));
		s2 = add_squared_difference(s2, load_f16(a + 8), load_f16(b + 8));
		s3 = add_squared_difference(s3, load_f16(a + 12), load_f16(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		s0 = add_squared_difference(s0, load_f16(a), load_f16(b));

	if (n > 0)
		s1 = add_squared_difference(s1, load_tail(a, n), load_tail(b, n));

	return sum_four(s0, s1, s2, s3);
}

float
simd_inner_product_f16_neon(const uint16_t *a, const uint16_t *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		s0 = vfmaq_f32(s0, load_f16(a), load_f16(b));
		s1 = vfmaq_f32(s1, load_f16(a + 4), load_f16(b + 4));
		s2 = vfmaq_f32(s2, load_f16(a + 8), load_f16(b + 8));
		s3 = vfmaq_f32(s3, load_f16(a + 12), load_f16(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		s0 = vfmaq_f32(s0, load_f16(a), load_f16(b));

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

SimdCosine
simd_cosine_f16_neon(const uint16_t *a, const uint16_t *b, size_t n)
{
	float32x4_t zero = vdupq_n_f32(0);
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		add_cosine(&s0, load_f16(a), load_f16(b));
		add_cosine(&s1, load_f16(a + 4), load_f16(b + 4));
		add_cosine(&s2, load_f16(a + 8), load_f16(b + 8));
		add_cosine(&s3, load_f16(a + 12), load_f16(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		add_cosine(&s0, load_f16(a), load_f16(b));

	if (n > 0)
		add_cosine(&s1, load_tail(a, n), load_tail(b, n));

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

float
simd_l1_f16_neon(const uint16_t *a, const uint16_t *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		s0 = add_absolute_difference(s0, load_f16(a), load_f16(b));
		s1 = add_absolute_difference(s1, load_f16(a + 4), load_f16(b + 4));
		s2 = add_absolute_difference(s2, load_f16(a + 8), load_f16(b + 8));
		s3 = add_absolute_difference(s3, load_f16(a + 12), load_f16(b + 12));
	}

	for (; n >= 4; n -= 4, a += 4, b += 4)
		s0 = add_absolute_difference(s0, load_f16(a), load_f16(b));

	if (n > 0)
		s1 = add_absolute_difference(s1, load_tail(a, n), load_tail(b, n));

	return sum_four(s0, s1, s2, s3);
}

#endif							/* __aarch64__ */
