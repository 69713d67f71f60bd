/*
 * simd_code_scalar.c: the kernels over codes in plain C.
 */
#include <string.h>

#include "simd/simd_scalar.h"

void
simd_arrange_weights_scalar(const int8_t *w, size_t words, int8_t *arranged)
{
	while (words > 0)
	{
		size_t		size = simd_step_bytes(words);

		for (int position = 0; position < 8; position++)
		{
			for (size_t i = 0; i < size; i++)
				*arranged++ = w[8 * i + simd_bit_at(position)];
		}
		w += 8 * size;
		words -= size / 8;
	}
}

/*
 * A number of 16 bits, repeated all over a word.
 */
#define FOUR(x)			(UINT64_C(0x0001000100010001) * (x))

/*
 * The sum of the weights of eight bytes of a code, those of the next bit apart
 * bytes further on.  Weights count from -128 up, to have no sign.
 */
static inline int32_t
eight_bytes_dot(const uint8_t *code, const int8_t *arranged, size_t apart)
{
	uint64_t	bytes = load_word(code);
	uint64_t	sums = 0;		/* four */
	uint64_t	counts = 0;		/* eight, of bits */

	for (int position = 0; position < 8; position++)
	{
		uint64_t	bits = bytes >> simd_bit_at(position) & EIGHT(1);
		uint64_t	w = load_word(arranged + position * apart) ^ EIGHT(0x80);

		w &= bits * 0xff;
		sums += (w & FOUR(0xff)) + (w >> 8 & FOUR(0xff));
		counts += bits;
	}

	/* the products' highest parts are the sums over all parts */
	return (int32_t) (sums * FOUR(1) >> 48) - 128 * (int32_t) (counts * EIGHT(1) >> 56);
}

void
simd_code_dots_arranged_scalar(const uint8_t *codes, size_t stride, const uint16_t *which,
							   size_t count, const int8_t *arranged, size_t words, int32_t *sums)
{
	for (size_t j = 0; j < count; j++)
	{
		const uint8_t *code = codes + which[j] * stride;
		const int8_t *w = arranged;
		int32_t		sum = 0;
		size_t		left = words;

		while (left > 0)
		{
			size_t		size = simd_step_bytes(left);

			for (size_t i = 0; i < size; i += 8)
				sum += eight_bytes_dot(code + i, w + i, size);
			code += size;
			w += 8 * size;
			left -= size / 8;
		}
		sums[j] = sum;
	}
}

/*
 * The level of a dimension, u in simd.h, for more than one bit; half is
 * 2^(bits-1).
 */
static inline int
code_level(float r, float inverse_step, int half)
{
	float		x = r * inverse_step;
	int			whole;

	if (!(x >= -half))			/* NaN too */
		return 0;
	if (x >= half)
		return 2 * half - 1;

	whole = (int) x;			/* towards zero; make it floor */
	return whole - (x < whole) + half;
}

SimdCodeSums
simd_encode_f32_scalar(const float *c, const float *o, size_t n, int bits,
					   float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	float		xr[8] = {0};
	float		xc[8] = {0};
	int			half = 1 << (bits - 1);
	SimdCodeSums result;

	memset(planes, 0, bits * plane_bytes);

	for (size_t i = 0; i < n; i++)
	{
		float		r = o[i] - c[i];
		int			u = bits == 1 ? r >= 0 : code_level(r, inverse_step, half);
		float		x = 2 * (u - half) + 1;

		for (int p = 0; p < bits; p++)
			planes[p * plane_bytes + i / 8] |= (u >> p & 1) << i % 8;
		xr[i % 8] = add_product(xr[i % 8], x, r);
		xc[i % 8] = add_product(xc[i % 8], x, c[i]);
	}

	result.xr = ((xr[0] + xr[1]) + (xr[2] + xr[3])) + ((xr[4] + xr[5]) + (xr[6] + xr[7]));
	result.xc = ((xc[0] + xc[1]) + (xc[2] + xc[3])) + ((xc[4] + xc[5]) + (xc[6] + xc[7]));

	return result;
}
