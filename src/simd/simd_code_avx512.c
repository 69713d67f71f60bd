/*
 * simd_code_avx512.c: the kernels over codes for x86-64 with AVX-512 F and BW.
 *
 * As avx2, two steps' bits at once.
 */
#include "simd/simd_avx512.h"

#if defined(__x86_64__)

#include <stdint.h>
#include <string.h>

/* What gcc would think too long to be inlined. */
#define INLINE static inline __attribute__((always_inline))

void
simd_arrange_weights_avx512(const int8_t *w, size_t words, int8_t *arranged)
{
	simd_avx2.arrange_weights(w, words, arranged);
}

/*
 * Add the weights, times 2^bit, of that bit of 64 bytes (see simd_code_avx2.c).
 */
TARGET_AVX512
INLINE __m512i
add_bit(__m512i sum, __m512i bytes, int bit, const int8_t *w)
{
	__m512i		bits = _mm512_and_si512(bytes, _mm512_set1_epi8((char) (1 << bit)));

	return _mm512_add_epi16(sum, _mm512_maddubs_epi16(bits, _mm512_loadu_si512(w)));
}

/*
 * The sum of one code of at most SIMD_CHUNK_WORDS, spread over eight int32.
 *
 * As avx2, with each half of a register a step of its own: what avx2 does with
 * bits 4 to 7 after 0 to 3 is done at once.
 */
TARGET_AVX512
INLINE __m256i
code_dot_lanes(const uint8_t *code, const int8_t *w, size_t words)
{
	const __m512i by_half = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
	const __m512i by_fourth = _mm512_setr_epi64(0, 0, 4, 4, 1, 1, 5, 5);
	const __m512i by_eighth = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
	__m512i		s0 = _mm512_setzero_si512(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (size_t i = words / 4; i > 0; i--, code += 32, w += 256)
	{
		__m512i		bytes = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *) code));

		bytes = _mm512_srlv_epi64(bytes, by_half);
		s0 = add_bit(s0, bytes, 0, w);
		s1 = add_bit(s1, bytes, 1, w + 64);
		s2 = add_bit(s2, bytes, 2, w + 128);
		s3 = add_bit(s3, bytes, 3, w + 192);
	}

	if (words & 2)
	{
		__m512i		bytes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) code));

		bytes = _mm512_srlv_epi64(bytes, by_fourth);
		s0 = add_bit(s0, bytes, 0, w);
		s2 = add_bit(s2, bytes, 2, w + 64);
		code += 16;
		w += 128;
	}

	if (words & 1)
	{
		__m512i		bytes = _mm512_broadcastq_epi64(_mm_loadl_epi64((const __m128i *) code));

		s0 = add_bit(s0, _mm512_srlv_epi64(bytes, by_eighth), 0, w);
	}

	s0 = _mm512_add_epi16(s0, _mm512_srai_epi16(s1, 1));
	s2 = _mm512_add_epi16(s2, _mm512_srai_epi16(s3, 1));
	s0 = _mm512_add_epi16(s0, _mm512_srai_epi16(s2, 2));
	s0 = _mm512_madd_epi16(s0, _mm512_set1_epi16(1));

	return _mm256_add_epi32(_mm512_castsi512_si256(s0), _mm512_extracti64x4_epi64(s0, 1));
}

/*
 * The sums of codes of at most SIMD_CHUNK_WORDS, added to what is in sums if add.
 */
TARGET_AVX512
INLINE void
chunk_dots(const uint8_t *codes, size_t stride, const uint16_t *which, size_t count,
		   const int8_t *w, size_t words, bool add, int32_t *sums)
{
	size_t		j = 0;

	for (; j + 4 <= count; j += 4)
	{
		__m256i		d0 = code_dot_lanes(codes + which[j] * stride, w, words);
		__m256i		d1 = code_dot_lanes(codes + which[j + 1] * stride, w, words);
		__m256i		d2 = code_dot_lanes(codes + which[j + 2] * stride, w, words);
		__m256i		d3 = code_dot_lanes(codes + which[j + 3] * stride, w, words);
		__m128i		dots;

		d0 = _mm256_hadd_epi32(_mm256_hadd_epi32(d0, d1), _mm256_hadd_epi32(d2, d3));
		dots = _mm_add_epi32(_mm256_castsi256_si128(d0), _mm256_extracti128_si256(d0, 1));
		if (add)
			dots = _mm_add_epi32(dots, _mm_loadu_si128((const __m128i *) (sums + j)));
		_mm_storeu_si128((__m128i *) (sums + j), dots);
	}

	for (; j < count; j++)
	{
		__m256i		d = code_dot_lanes(codes + which[j] * stride, w, words);
		int32_t		dot = _mm512_reduce_add_epi32(_mm512_zextsi256_si512(d));

		sums[j] = add ? sums[j] + dot : dot;
	}
}

TARGET_AVX512
void
simd_code_dots_arranged_avx512(const uint8_t *codes, size_t stride, const uint16_t *which,
							   size_t count, const int8_t *arranged, size_t words, int32_t *sums)
{
	bool		add = false;

	if (words == 0)
	{
		memset(sums, 0, count * sizeof(int32_t));
		return;
	}

	simd_prefetch_codes(codes, stride, which, count, words);

	for (; words > SIMD_CHUNK_WORDS; words -= SIMD_CHUNK_WORDS)
	{
		chunk_dots(codes, stride, which, count, arranged, SIMD_CHUNK_WORDS, add, sums);
		codes += 8 * SIMD_CHUNK_WORDS;
		arranged += 64 * SIMD_CHUNK_WORDS;
		add = true;
	}

	/* compiled for each remainder, as in avx2 */
	switch (words & 3)
	{
		case 0:
			chunk_dots(codes, stride, which, count, arranged, words & ~(size_t) 3, add, sums);
			break;
		case 1:
			chunk_dots(codes, stride, which, count, arranged, (words & ~(size_t) 3) | 1, add, sums);
			break;
		case 2:
			chunk_dots(codes, stride, which, count, arranged, (words & ~(size_t) 3) | 2, add, sums);
			break;
		case 3:
			chunk_dots(codes, stride, which, count, arranged, words | 3, add, sums);
			break;
	}
}

TARGET_AVX512
INLINE SimdCodeSums
encode_bits(const float *c, const float *o, size_t n, int bits,
			float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	const float half = (float) (1 << (bits - 1));
	__m512		xr = _mm512_setzero_ps(),
				xc = xr;
	size_t		written = 0;

	while (n > 0)
	{
		__mmask16	mask = n >= 16 ? ALL : tail_mask(n);
		__m512		center = _mm512_maskz_loadu_ps(mask, c);
		__m512		r = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, o), center);
		__m512		u,
					x;

		if (bits == 1)
			u = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(r, _mm512_setzero_ps(), _CMP_GE_OQ),
									_mm512_set1_ps(1));
		else
		{
			u = _mm512_roundscale_ps(_mm512_mul_ps(r, _mm512_set1_ps(inverse_step)),
									 _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
			u = _mm512_add_ps(u, _mm512_set1_ps(half));
			/* of a NaN and a number, max_ps takes the second */
			u = _mm512_max_ps(u, _mm512_setzero_ps());
			u = _mm512_min_ps(u, _mm512_set1_ps(2 * half - 1));
		}

		x = _mm512_add_ps(_mm512_add_ps(u, u), _mm512_set1_ps(1 - 2 * half));
		xr = _mm512_fmadd_ps(x, r, xr);
		xc = _mm512_fmadd_ps(x, center, xc);

		for (int p = 0; p < bits; p++)
		{
			__mmask16	set = _mm512_mask_test_epi32_mask(mask, _mm512_cvtps_epi32(u),
														  _mm512_set1_epi32(1 << p));
			uint16_t	pair = (uint16_t) set;

			memcpy(planes + p * plane_bytes + written, &pair, sizeof(pair));
		}

		if (n < 16)
			n = 16;
		written += 2;
		n -= 16;
		c += 16;
		o += 16;
	}

	for (int p = 0; p < bits; p++)
		memset(planes + p * plane_bytes + written, 0, plane_bytes - written);

	return (SimdCodeSums)
	{
		_mm512_reduce_add_ps(xr), _mm512_reduce_add_ps(xc)
	};
}

TARGET_AVX512
SimdCodeSums
simd_encode_f32_avx512(const float *c, const float *o, size_t n, int bits,
					   float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	/* the loop is compiled for each number of bits */
	switch (bits)
	{
		case 1:
			return encode_bits(c, o, n, 1, inverse_step, planes, plane_bytes);
		case 2:
			return encode_bits(c, o, n, 2, inverse_step, planes, plane_bytes);
		case 3:
			return encode_bits(c, o, n, 3, inverse_step, planes, plane_bytes);
		default:
			return encode_bits(c, o, n, 4, inverse_step, planes, plane_bytes);
	}
}

#endif							/* __x86_64__ */
