/*
 * simd_rungs.h: what simd.c and the rung files share; not for other rooms.
 */
#ifndef SIMD_RUNGS_H
#define SIMD_RUNGS_H

#include "simd/simd.h"

/*
 * The order of arranged weights.  A code is cut into steps of 32 bytes, what
 * remains into at most one of 16 and one of 8.  A step of size bytes has 8 *
 * size weights: first those of bit 0 of each of its bytes, then of bits 4, 1,
 * 5, 2, 6, 3 and 7.
 */
static inline int
simd_bit_at(int position)
{
	return position / 2 + position % 2 * 4;
}

static inline size_t
simd_step_bytes(size_t words)
{
	return words >= 4 ? 32 : words >= 2 ? 16 : 8;
}

/*
 * What of a code is taken at a time.  Its eight steps' sums fit in 16 bits
 * on every rung.
 */
#define SIMD_CHUNK_WORDS	32

/*
 * Start loading the first chunk of each code.  They come from places that the
 * CPU cannot guess, and it would not look for the last before it has done the
 * first.
 */
static inline void
simd_prefetch_codes(const uint8_t *codes, size_t stride, const uint16_t *which,
					size_t count, size_t words)
{
	size_t		size = 8 * (words < SIMD_CHUNK_WORDS ? words : SIMD_CHUNK_WORDS);

	for (size_t j = 0; j < count; j++)
	{
		const uint8_t *code = codes + which[j] * stride;

		for (size_t i = 0; i < size; i += 64)
			__builtin_prefetch(code + i);
		__builtin_prefetch(code + size - 1);
	}
}

extern const SimdKernels simd_scalar;

#if defined(__x86_64__)
extern const SimdKernels simd_avx2;
extern const SimdKernels simd_avx512;

extern bool simd_avx2_usable(void);
extern bool simd_avx512_usable(void);
#endif

#if defined(__aarch64__)
extern const SimdKernels simd_neon;
#endif

/*
 * The kernels over halves and those over codes are in files of their own.
 * SIMD_HALF and SIMD_CODE declare those of a rung.
 */
#define SIMD_HALF(rung) \
	extern void simd_widen_f16_##rung(const uint16_t *a, float *out, size_t n); \
	extern void simd_narrow_f16_##rung(const float *a, uint16_t *out, size_t n); \
	extern float simd_l2_squared_f16_##rung(const uint16_t *a, const uint16_t *b, size_t n); \
	extern float simd_inner_product_f16_##rung(const uint16_t *a, const uint16_t *b, size_t n); \
	extern SimdCosine simd_cosine_f16_##rung(const uint16_t *a, const uint16_t *b, size_t n); \
	extern float simd_l1_f16_##rung(const uint16_t *a, const uint16_t *b, size_t n)

#define SIMD_CODE(rung) \
	extern void simd_arrange_weights_##rung(const int8_t *w, size_t words, int8_t *arranged); \
	extern void simd_code_dots_arranged_##rung(const uint8_t *codes, size_t stride, const uint16_t *which, \
											   size_t count, const int8_t *arranged, size_t words, int32_t *sums); \
	extern SimdCodeSums simd_encode_f32_##rung(const float *c, const float *o, size_t n, int bits, \
											   float inverse_step, uint8_t *planes, size_t plane_bytes)

SIMD_HALF(scalar);
SIMD_CODE(scalar);
#if defined(__x86_64__)
SIMD_HALF(avx2);
SIMD_HALF(avx512);
SIMD_CODE(avx2);
SIMD_CODE(avx512);
#endif
#if defined(__aarch64__)
SIMD_HALF(neon);
SIMD_CODE(neon);
#endif

#endif							/* SIMD_RUNGS_H */
