/*
 * simd_neon.c: the rung for aarch64, where NEON is part of the base.
 *
 * Four sums of four floats.  NEON has no masked load; the at most three floats
 * left after whole vectors are loaded one by one into a vector of zeros.
 */
#include "simd/simd_neon.h"

#if defined(__aarch64__)


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

/*
 * A product, rounded: the compiler must not fuse it with the addition that
 * follows, since other rungs do not (simd.h, dequantize_i8).
 */
static inline float32x4_t
rounded_product(float32x4_t a, float scale)
{
	float32x4_t product = vmulq_n_f32(a, scale);

__asm__("":"+w"(product));
	return product;
}

/*
 * Sixteen int8 as floats.
 */
static inline float32x4x4_t
load_i8(const int8_t *b)
{
	int8x16_t	v = vld1q_s8(b);
	int16x8_t	low = vmovl_s8(vget_low_s8(v));
	int16x8_t	high = vmovl_s8(vget_high_s8(v));
	float32x4x4_t result = {{
			vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
			vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
			vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
			vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))),
	}};

	return result;
}

/*
 * The larger of max and |a[0]| to |a[3]| in each lane.  A comparison, since the
 * instruction for it lets signaling NaNs through.
 */
static inline float32x4_t
larger(float32x4_t max, const float *a)
{
	float32x4_t v = vabsq_f32(vld1q_f32(a));

	return vbslq_f32(vcgtq_f32(v, max), v, max);
}

static float
max_abs_f32_neon(const float *a, size_t n)
{
	float32x4_t m0 = vdupq_n_f32(0),
				m1 = m0;

	if (n < 4)
		return simd_scalar.max_abs_f32(a, n);

	for (; n >= 8; n -= 8, a += 8)
	{
		m0 = larger(m0, a);
		m1 = larger(m1, a + 4);
	}

	if (n >= 4)
	{
		m0 = larger(m0, a);
		n -= 4;
		a += 4;
	}

	if (n > 0)
		m1 = larger(m1, a + n - 4);

	return vmaxvq_f32(vmaxq_f32(m0, m1));
}

static inline int16x4_t
quantize_four(const float *a, float inverse_scale)
{
	float32x4_t x = vmulq_n_f32(vld1q_f32(a), inverse_scale);

	x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-127)), vdupq_n_f32(127));
	return vmovn_s32(vcvtnq_s32_f32(x));	/* which makes 0 of NaN */
}

static inline void
quantize_eight(const float *a, float inverse_scale, int8_t *out)
{
	int16x8_t	v = vcombine_s16(quantize_four(a, inverse_scale),
								 quantize_four(a + 4, inverse_scale));

	vst1_s8(out, vmovn_s16(v));
}

static void
quantize_i8_neon(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	if (n < 8)
	{
		simd_scalar.quantize_i8(a, inverse_scale, out, n);
		return;
	}

	for (; n >= 8; n -= 8, a += 8, out += 8)
		quantize_eight(a, inverse_scale, out);

	if (n > 0)
		quantize_eight(a + n - 8, inverse_scale, out + n - 8);
}

static void
dequantize_i8_neon(const int8_t *b, float scale, float *out, size_t n)
{
	for (; n >= 16; n -= 16, b += 16, out += 16)
	{
		float32x4x4_t v = load_i8(b);

		for (int i = 0; i < 4; i++)
			vst1q_f32(out + 4 * i, vmulq_n_f32(v.val[i], scale));
	}

	simd_scalar.dequantize_i8(b, scale, out, n);
}

static float
l2_squared_f32_i8_neon(const float *a, const int8_t *b, float scale, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		float32x4x4_t v = load_i8(b);

		s0 = add_squared_difference(s0, vld1q_f32(a), rounded_product(v.val[0], scale));
		s1 = add_squared_difference(s1, vld1q_f32(a + 4), rounded_product(v.val[1], scale));
		s2 = add_squared_difference(s2, vld1q_f32(a + 8), rounded_product(v.val[2], scale));
		s3 = add_squared_difference(s3, vld1q_f32(a + 12), rounded_product(v.val[3], scale));
	}

	return sum_four(s0, s1, s2, s3) + simd_scalar.l2_squared_f32_i8(a, b, scale, n);
}

static float
l1_f32_i8_neon(const float *a, const int8_t *b, float scale, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		float32x4x4_t v = load_i8(b);

		s0 = add_absolute_difference(s0, vld1q_f32(a), rounded_product(v.val[0], scale));
		s1 = add_absolute_difference(s1, vld1q_f32(a + 4), rounded_product(v.val[1], scale));
		s2 = add_absolute_difference(s2, vld1q_f32(a + 8), rounded_product(v.val[2], scale));
		s3 = add_absolute_difference(s3, vld1q_f32(a + 12), rounded_product(v.val[3], scale));
	}

	return sum_four(s0, s1, s2, s3) + simd_scalar.l1_f32_i8(a, b, scale, n);
}

static float
inner_product_f32_i8_neon(const float *a, const int8_t *b, size_t n)
{
	float32x4_t s0 = vdupq_n_f32(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		float32x4x4_t v = load_i8(b);

		s0 = vfmaq_f32(s0, vld1q_f32(a), v.val[0]);
		s1 = vfmaq_f32(s1, vld1q_f32(a + 4), v.val[1]);
		s2 = vfmaq_f32(s2, vld1q_f32(a + 8), v.val[2]);
		s3 = vfmaq_f32(s3, vld1q_f32(a + 12), v.val[3]);
	}

	return sum_four(s0, s1, s2, s3) + simd_scalar.inner_product_f32_i8(a, b, n);
}

static int32_t
inner_product_i8_neon(const int8_t *a, const int8_t *b, size_t n)
{
	int32x4_t	sum = vdupq_n_s32(0);

	for (; n >= 16; n -= 16, a += 16, b += 16)
	{
		int8x16_t	x = vld1q_s8(a);
		int8x16_t	y = vld1q_s8(b);

		/* two products of at most 127^2 fit in 16 bits */
		int16x8_t	pairs = vmull_s8(vget_low_s8(x), vget_low_s8(y));

		pairs = vmlal_s8(pairs, vget_high_s8(x), vget_high_s8(y));
		sum = vpadalq_s16(sum, pairs);
	}

	return vaddvq_s32(sum) + simd_scalar.inner_product_i8(a, b, n);
}

/*
 * Add the bits set in 16 bytes to eight sums, at most COUNTS_IN_SUM times.
 */
static inline uint16x8_t
count_bits(uint16x8_t sums, uint8x16_t bytes)
{
	return vpadalq_u8(sums, vcntq_u8(bytes));
}

#define COUNTS_IN_SUM	4095	/* of 16 each, in 16 bits */

static uint64_t
hamming_bytes_neon(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	uint64_t	differ = 0;

	while (bytes >= 16)
	{
		uint16x8_t	sums = vdupq_n_u16(0);

		for (int i = 0; i < COUNTS_IN_SUM && bytes >= 16; i++, bytes -= 16, a += 16, b += 16)
			sums = count_bits(sums, veorq_u8(vld1q_u8(a), vld1q_u8(b)));
		differ += vaddlvq_u16(sums);
	}

	return differ + simd_scalar.hamming_bytes(a, b, bytes);
}

static SimdJaccard
jaccard_bytes_neon(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	SimdJaccard result = {0, 0};
	SimdJaccard last;

	while (bytes >= 16)
	{
		uint16x8_t	both = vdupq_n_u16(0);
		uint16x8_t	either = both;

		for (int i = 0; i < COUNTS_IN_SUM && bytes >= 16; i++, bytes -= 16, a += 16, b += 16)
		{
			uint8x16_t	x = vld1q_u8(a);
			uint8x16_t	y = vld1q_u8(b);

			both = count_bits(both, vandq_u8(x, y));
			either = count_bits(either, vorrq_u8(x, y));
		}
		result.both += vaddlvq_u16(both);
		result.either += vaddlvq_u16(either);
	}

	last = simd_scalar.jaccard_bytes(a, b, bytes);
	result.both += last.both;
	result.either += last.either;

	return result;
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
	.widen_f16 = simd_widen_f16_neon,
	.narrow_f16 = simd_narrow_f16_neon,
	.l2_squared_f16 = simd_l2_squared_f16_neon,
	.inner_product_f16 = simd_inner_product_f16_neon,
	.cosine_f16 = simd_cosine_f16_neon,
	.l1_f16 = simd_l1_f16_neon,
	.max_abs_f32 = max_abs_f32_neon,
	.quantize_i8 = quantize_i8_neon,
	.dequantize_i8 = dequantize_i8_neon,
	.l2_squared_f32_i8 = l2_squared_f32_i8_neon,
	.l1_f32_i8 = l1_f32_i8_neon,
	.inner_product_f32_i8 = inner_product_f32_i8_neon,
	.inner_product_i8 = inner_product_i8_neon,
	.arrange_weights = simd_arrange_weights_neon,
	.code_dots_arranged = simd_code_dots_arranged_neon,
	.encode_f32 = simd_encode_f32_neon,
	.hamming_bytes = hamming_bytes_neon,
	.jaccard_bytes = jaccard_bytes_neon,
};

#endif							/* __aarch64__ */
