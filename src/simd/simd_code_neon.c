/*
 * simd_code_neon.c: the kernels over codes for aarch64.
 *
 * Bits are tested beside their weights, in the order of arranged weights (README,
 * "Codes"), which leaves those that are set.
 */
#include "simd/simd_neon.h"

#if defined(__aarch64__)

#include <string.h>

/*
 * 128 weights, those of 16 bytes of a code, by bits: in the order of arranged
 * weights, every 16 apart bytes after those before.
 */
static inline void
arrange_sixteen(const int8_t *w, int8_t *arranged, size_t apart)
{
	/* weights i and i + 4, i + 8 and so on, of two times eight bytes */
	int8x16x4_t low = vld4q_s8(w);
	int8x16x4_t high = vld4q_s8(w + 64);

	for (int i = 0; i < 4; i++)
	{
		vst1q_s8(arranged + 2 * i * apart, vuzp1q_s8(low.val[i], high.val[i]));
		vst1q_s8(arranged + (2 * i + 1) * apart, vuzp2q_s8(low.val[i], high.val[i]));
	}
}

void
simd_arrange_weights_neon(const int8_t *w, size_t words, int8_t *arranged)
{
	for (; words >= 4; words -= 4, w += 256, arranged += 256)
	{
		arrange_sixteen(w, arranged, 32);
		arrange_sixteen(w + 128, arranged + 16, 32);
	}

	if (words & 2)
	{
		arrange_sixteen(w, arranged, 16);
		w += 128;
		arranged += 128;
	}

	if (words & 1)
	{
		int8x16x4_t v = vld4q_s8(w);

		for (int i = 0; i < 4; i++)
			vst1q_s8(arranged + 16 * i,
					 vcombine_s8(vget_low_s8(vuzp1q_s8(v.val[i], v.val[i])),
								 vget_low_s8(vuzp2q_s8(v.val[i], v.val[i]))));
	}
}

/*
 * Add the weights of those bytes that have any of these bits.
 */
static inline int16x8_t
add_bits(int16x8_t sum, uint8x16_t bytes, uint8x16_t bits, const int8_t *w)
{
	uint8x16_t	set = vtstq_u8(bytes, bits);

	return vpadalq_s8(sum, vandq_s8(vreinterpretq_s8_u8(set), vld1q_s8(w)));
}

static inline int16x8_t
add_bit(int16x8_t sum, uint8x16_t bytes, int bit, const int8_t *w)
{
	return add_bits(sum, bytes, vdupq_n_u8((uint8_t) (1 << bit)), w);
}

/*
 * The sum of one code of at most SIMD_CHUNK_WORDS.
 */
static inline int32_t
code_dot(const uint8_t *code, const int8_t *w, size_t words)
{
	int16x8_t	s0 = vdupq_n_s16(0),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (size_t i = words / 4; i > 0; i--, code += 32, w += 256)
	{
		uint8x16_t	low = vld1q_u8(code);
		uint8x16_t	high = vld1q_u8(code + 16);

		for (int position = 0; position < 8; position += 2)
		{
			int			bit = simd_bit_at(position);

			s0 = add_bit(s0, low, bit, w + 32 * position);
			s1 = add_bit(s1, high, bit, w + 32 * position + 16);
			s2 = add_bit(s2, low, bit + 4, w + 32 * position + 32);
			s3 = add_bit(s3, high, bit + 4, w + 32 * position + 48);
		}
	}

	if (words & 2)
	{
		uint8x16_t	bytes = vld1q_u8(code);

		for (int position = 0; position < 8; position += 2)
		{
			int			bit = simd_bit_at(position);

			s0 = add_bit(s0, bytes, bit, w + 16 * position);
			s1 = add_bit(s1, bytes, bit + 4, w + 16 * position + 16);
		}
		code += 16;
		w += 128;
	}

	if (words & 1)
	{
		uint8x8_t	eight = vld1_u8(code);
		uint8x16_t	bytes = vcombine_u8(eight, eight);
		uint8x16_t	bits = vcombine_u8(vdup_n_u8(1), vdup_n_u8(16));

		for (int bit = 0; bit < 4; bit++, bits = vshlq_n_u8(bits, 1))
			s2 = add_bits(s2, bytes, bits, w + 16 * bit);
	}

	return vaddlvq_s16(vaddq_s16(vaddq_s16(s0, s1), vaddq_s16(s2, s3)));
}

void
simd_code_dots_arranged_neon(const uint8_t *codes, size_t stride, const uint16_t *which,
							 size_t count, const int8_t *arranged, size_t words, int32_t *sums)
{
	if (words > 0)
		simd_prefetch_codes(codes, stride, which, count, words);

	for (size_t j = 0; j < count; j++)
	{
		const uint8_t *code = codes + which[j] * stride;
		const int8_t *w = arranged;
		size_t		left = words;
		int32_t		sum = 0;

		for (; left > SIMD_CHUNK_WORDS; left -= SIMD_CHUNK_WORDS)
		{
			sum += code_dot(code, w, SIMD_CHUNK_WORDS);
			code += 8 * SIMD_CHUNK_WORDS;
			w += 64 * SIMD_CHUNK_WORDS;
		}
		sums[j] = sum + code_dot(code, w, left);
	}
}

/*
 * Levels of four dimensions, u in simd.h; their part of the sums is added.
 */
static inline uint16x4_t
encode_four(const float *c, const float *o, int bits, float inverse_step,
			float32x4_t *xr, float32x4_t *xc)
{
	float		half = (float) (1 << (bits - 1));
	float32x4_t center = vld1q_f32(c);
	float32x4_t r = vsubq_f32(vld1q_f32(o), center);
	float32x4_t u,
				x;

	if (bits == 1)
		u = vcvtq_f32_u32(vshrq_n_u32(vcgezq_f32(r), 31));
	else
	{
		u = vaddq_f32(vrndmq_f32(vmulq_n_f32(r, inverse_step)), vdupq_n_f32(half));
		/* of a NaN and a number, maxnm takes the number */
		u = vmaxnmq_f32(u, vdupq_n_f32(0));
		u = vminq_f32(u, vdupq_n_f32(2 * half - 1));
	}

	x = vaddq_f32(vaddq_f32(u, u), vdupq_n_f32(1 - 2 * half));
	*xr = vfmaq_f32(*xr, x, r);
	*xc = vfmaq_f32(*xc, x, center);

	return vmovn_u32(vcvtq_u32_f32(u));
}

SimdCodeSums
simd_encode_f32_neon(const float *c, const float *o, size_t n, int bits,
					 float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	static const uint8_t powers[8] = {1, 2, 4, 8, 16, 32, 64, 128};
	float32x4_t xr[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
	float32x4_t xc[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
	float		last_c[8] = {0};
	float		last_o[8] = {0};
	size_t		written = 0;
	uint8_t		mask = 0xff;
	SimdCodeSums result;

	while (n > 0)
	{
		uint8x8_t	u;

		/* the last few, filled up with zeros */
		if (n < 8)
		{
			memcpy(last_c, c, n * sizeof(float));
			memcpy(last_o, o, n * sizeof(float));
			c = last_c;
			o = last_o;
			mask = (uint8_t) ((1 << n) - 1);
			n = 8;
		}

		u = vmovn_u16(vcombine_u16(encode_four(c, o, bits, inverse_step, &xr[0], &xc[0]),
								   encode_four(c + 4, o + 4, bits, inverse_step, &xr[1], &xc[1])));
		for (int p = 0; p < bits; p++)
		{
			uint8x8_t	set = vtst_u8(u, vdup_n_u8((uint8_t) (1 << p)));

			planes[p * plane_bytes + written] = vaddv_u8(vand_u8(set, vld1_u8(powers))) & mask;
		}

		written++;
		n -= 8;
		c += 8;
		o += 8;
	}

	for (int p = 0; p < bits; p++)
		memset(planes + p * plane_bytes + written, 0, plane_bytes - written);

	result.xr = vaddvq_f32(vaddq_f32(xr[0], xr[1]));
	result.xc = vaddvq_f32(vaddq_f32(xc[0], xc[1]));

	return result;
}

#endif							/* __aarch64__ */
