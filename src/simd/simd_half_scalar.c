/*
 * simd_half_scalar.c: the kernels over halves in plain C.
 *
 * They widen a block at a time and leave it to the kernels over floats: the sums
 * of blocks, 256 values each, are added up in no more roundings than the bound in
 * simd.h has.
 */
#include "simd/half.h"
#include "simd/simd_rungs.h"

#define BLOCK	256

static inline size_t
block_of(size_t n)
{
	return n < BLOCK ? n : BLOCK;
}

void
simd_widen_f16_scalar(const uint16_t *a, float *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = half_to_float(a[i]);
}

void
simd_narrow_f16_scalar(const float *a, uint16_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = half_from_float(a[i]);
}

float
simd_l2_squared_f16_scalar(const uint16_t *a, const uint16_t *b, size_t n)
{
	float		x[BLOCK];
	float		y[BLOCK];
	float		sum = 0;

	for (size_t part; n > 0; n -= part, a += part, b += part)
	{
		part = block_of(n);
		simd_widen_f16_scalar(a, x, part);
		simd_widen_f16_scalar(b, y, part);
		sum += simd_scalar.l2_squared_f32(x, y, part);
	}
	return sum;
}

float
simd_inner_product_f16_scalar(const uint16_t *a, const uint16_t *b, size_t n)
{
	float		x[BLOCK];
	float		y[BLOCK];
	float		sum = 0;

	for (size_t part; n > 0; n -= part, a += part, b += part)
	{
		part = block_of(n);
		simd_widen_f16_scalar(a, x, part);
		simd_widen_f16_scalar(b, y, part);
		sum += simd_scalar.inner_product_f32(x, y, part);
	}
	return sum;
}

SimdCosine
simd_cosine_f16_scalar(const uint16_t *a, const uint16_t *b, size_t n)
{
	float		x[BLOCK];
	float		y[BLOCK];
	SimdCosine	sum = {0, 0, 0};

	for (size_t part; n > 0; n -= part, a += part, b += part)
	{
		SimdCosine	more;

		part = block_of(n);
		simd_widen_f16_scalar(a, x, part);
		simd_widen_f16_scalar(b, y, part);
		more = simd_scalar.cosine_f32(x, y, part);
		sum.dot += more.dot;
		sum.norm_a += more.norm_a;
		sum.norm_b += more.norm_b;
	}
	return sum;
}

float
simd_l1_f16_scalar(const uint16_t *a, const uint16_t *b, size_t n)
{
	float		x[BLOCK];
	float		y[BLOCK];
	float		sum = 0;

	for (size_t part; n > 0; n -= part, a += part, b += part)
	{
		part = block_of(n);
		simd_widen_f16_scalar(a, x, part);
		simd_widen_f16_scalar(b, y, part);
		sum += simd_scalar.l1_f32(x, y, part);
	}
	return sum;
}
