/*
 * simd_avx512.c: the rung for x86-64 with AVX-512 F and BW.
 *
 * As avx2, with sums of sixteen floats.  F ("foundation") has the floats, BW the
 * bytes; every CPU with AVX-512 has both but for Xeon Phi, which stays with
 * avx2.  What is left after whole vectors is loaded under a mask register, which
 * neither reads nor faults on masked-out elements.
 */
#include "simd/simd_rungs.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw")))

/* What gcc would think too long to be inlined. */
#define INLINE static inline __attribute__((always_inline))

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

TARGET_AVX512
static float
l2_squared_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
		s1 = add_squared_difference(s1, _mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16));
		s2 = add_squared_difference(s2, _mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32));
		s3 = add_squared_difference(s3, _mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_squared_difference(s1, _mm512_maskz_loadu_ps(mask, a),
									_mm512_maskz_loadu_ps(mask, b));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static float
inner_product_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b), s0);
		s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16), s1);
		s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32), s2);
		s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48), s3);
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b), s0);

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a),
							 _mm512_maskz_loadu_ps(mask, b), s1);
	}

	return sum_four(s0, s1, s2, s3);
}

/* The three sums of a cosine, sixteen lanes each. */
typedef struct CosineLanes
{
	__m512		dot;
	__m512		norm_a;
	__m512		norm_b;
} CosineLanes;

TARGET_AVX512
static inline void
add_cosine(CosineLanes *sum, __m512 a, __m512 b)
{
	sum->dot = _mm512_fmadd_ps(a, b, sum->dot);
	sum->norm_a = _mm512_fmadd_ps(a, a, sum->norm_a);
	sum->norm_b = _mm512_fmadd_ps(b, b, sum->norm_b);
}

TARGET_AVX512
static SimdCosine
cosine_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		zero = _mm512_setzero_ps();
	CosineLanes s0 = {zero, zero, zero},
				s1 = s0,
				s2 = s0,
				s3 = s0;
	SimdCosine	result;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		add_cosine(&s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
		add_cosine(&s1, _mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16));
		add_cosine(&s2, _mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32));
		add_cosine(&s3, _mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		add_cosine(&s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		add_cosine(&s1, _mm512_maskz_loadu_ps(mask, a),
				   _mm512_maskz_loadu_ps(mask, b));
	}

	result.dot = sum_four(s0.dot, s1.dot, s2.dot, s3.dot);
	result.norm_a = sum_four(s0.norm_a, s1.norm_a, s2.norm_a, s3.norm_a);
	result.norm_b = sum_four(s0.norm_b, s1.norm_b, s2.norm_b, s3.norm_b);

	return result;
}

TARGET_AVX512
static float
l1_f32_avx512(const float *a, const float *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
		s1 = add_absolute_difference(s1, _mm512_loadu_ps(a + 16), _mm512_loadu_ps(b + 16));
		s2 = add_absolute_difference(s2, _mm512_loadu_ps(a + 32), _mm512_loadu_ps(b + 32));
		s3 = add_absolute_difference(s3, _mm512_loadu_ps(a + 48), _mm512_loadu_ps(b + 48));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), _mm512_loadu_ps(b));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_absolute_difference(s1, _mm512_maskz_loadu_ps(mask, a),
									 _mm512_maskz_loadu_ps(mask, b));
	}

	return sum_four(s0, s1, s2, s3);
}

/*
 * A product, rounded, and zero outside the mask: the compiler must not fuse it
 * with the addition that follows, since other rungs do not (simd.h,
 * dequantize_i8).
 */
TARGET_AVX512
static inline __m512
rounded_product(__mmask16 mask, __m512 a, __m512 b)
{
	__m512		product = _mm512_maskz_mul_ps(mask, a, b);

__asm__("":"+v"(product));
	return product;
}

#define ALL		((__mmask16) 0xffff)

/*
 * Sixteen int8 as floats.
 */
TARGET_AVX512
static inline __m512
load_i8(const int8_t *b)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) b)));
}

TARGET_AVX512
static inline __m512
load_i8_tail(const int8_t *b, __mmask16 mask)
{
	__m512i		bytes = _mm512_maskz_loadu_epi8(mask, b);

	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_castsi512_si128(bytes)));
}

TARGET_AVX512
static float
max_abs_f32_avx512(const float *a, size_t n)
{
	__m512		m0 = _mm512_setzero_ps(),
				m1 = m0;

	/* of a NaN and a number, max_ps takes the second */
	for (; n >= 32; n -= 32, a += 32)
	{
		m0 = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(a)), m0);
		m1 = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(a + 16)), m1);
	}

	if (n >= 16)
	{
		m0 = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(a)), m0);
		n -= 16;
		a += 16;
	}

	if (n > 0)
		m1 = _mm512_max_ps(_mm512_abs_ps(_mm512_maskz_loadu_ps(tail_mask(n), a)), m1);

	return _mm512_reduce_max_ps(_mm512_max_ps(m0, m1));
}

TARGET_AVX512
static inline void
quantize_sixteen(__mmask16 mask, const float *a, __m512 inverse_scale, int8_t *out)
{
	__m512		x = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, a), inverse_scale);
	__mmask16	number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);

	x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-127)), _mm512_set1_ps(127));
	_mm512_mask_cvtepi32_storeu_epi8(out, mask, _mm512_maskz_cvtps_epi32(number, x));
}

TARGET_AVX512
static void
quantize_i8_avx512(const float *a, float inverse_scale, int8_t *out, size_t n)
{
	__m512		by = _mm512_set1_ps(inverse_scale);

	for (; n >= 16; n -= 16, a += 16, out += 16)
		quantize_sixteen(ALL, a, by, out);

	if (n > 0)
		quantize_sixteen(tail_mask(n), a, by, out);
}

TARGET_AVX512
static void
dequantize_i8_avx512(const int8_t *b, float scale, float *out, size_t n)
{
	__m512		by = _mm512_set1_ps(scale);

	for (; n >= 16; n -= 16, b += 16, out += 16)
		_mm512_storeu_ps(out, _mm512_mul_ps(load_i8(b), by));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		_mm512_mask_storeu_ps(out, mask, _mm512_mul_ps(load_i8_tail(b, mask), by));
	}
}

TARGET_AVX512
static float
l2_squared_f32_i8_avx512(const float *a, const int8_t *b, float scale, size_t n)
{
	__m512		by = _mm512_set1_ps(scale);
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));
		s1 = add_squared_difference(s1, _mm512_loadu_ps(a + 16), rounded_product(ALL, load_i8(b + 16), by));
		s2 = add_squared_difference(s2, _mm512_loadu_ps(a + 32), rounded_product(ALL, load_i8(b + 32), by));
		s3 = add_squared_difference(s3, _mm512_loadu_ps(a + 48), rounded_product(ALL, load_i8(b + 48), by));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_squared_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_squared_difference(s1, _mm512_maskz_loadu_ps(mask, a), rounded_product(mask, load_i8_tail(b, mask), by));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static float
l1_f32_i8_avx512(const float *a, const int8_t *b, float scale, size_t n)
{
	__m512		by = _mm512_set1_ps(scale);
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));
		s1 = add_absolute_difference(s1, _mm512_loadu_ps(a + 16), rounded_product(ALL, load_i8(b + 16), by));
		s2 = add_absolute_difference(s2, _mm512_loadu_ps(a + 32), rounded_product(ALL, load_i8(b + 32), by));
		s3 = add_absolute_difference(s3, _mm512_loadu_ps(a + 48), rounded_product(ALL, load_i8(b + 48), by));
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = add_absolute_difference(s0, _mm512_loadu_ps(a), rounded_product(ALL, load_i8(b), by));

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = add_absolute_difference(s1, _mm512_maskz_loadu_ps(mask, a), rounded_product(mask, load_i8_tail(b, mask), by));
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static float
inner_product_f32_i8_avx512(const float *a, const int8_t *b, size_t n)
{
	__m512		s0 = _mm512_setzero_ps(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), load_i8(b), s0);
		s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 16), load_i8(b + 16), s1);
		s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 32), load_i8(b + 32), s2);
		s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + 48), load_i8(b + 48), s3);
	}

	for (; n >= 16; n -= 16, a += 16, b += 16)
		s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a), load_i8(b), s0);

	if (n > 0)
	{
		__mmask16	mask = tail_mask(n);

		s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a), load_i8_tail(b, mask), s1);
	}

	return sum_four(s0, s1, s2, s3);
}

TARGET_AVX512
static inline __m512i
add_products_i8(__m512i sum, __m256i a, __m256i b)
{
	__m512i		pairs = _mm512_madd_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b));

	return _mm512_add_epi32(sum, pairs);
}

TARGET_AVX512
static int32_t
inner_product_i8_avx512(const int8_t *a, const int8_t *b, size_t n)
{
	__m512i		s0 = _mm512_setzero_si512(),
				s1 = s0;

	for (; n >= 64; n -= 64, a += 64, b += 64)
	{
		s0 = add_products_i8(s0, _mm256_loadu_si256((const __m256i *) a),
							 _mm256_loadu_si256((const __m256i *) b));
		s1 = add_products_i8(s1, _mm256_loadu_si256((const __m256i *) (a + 32)),
							 _mm256_loadu_si256((const __m256i *) (b + 32)));
	}

	if (n > 0)
	{
		__mmask64	mask = (UINT64_C(1) << n) - 1;
		__m512i		x = _mm512_maskz_loadu_epi8(mask, a);
		__m512i		y = _mm512_maskz_loadu_epi8(mask, b);

		s0 = add_products_i8(s0, _mm512_castsi512_si256(x), _mm512_castsi512_si256(y));
		s1 = add_products_i8(s1, _mm512_extracti64x4_epi64(x, 1),
							 _mm512_extracti64x4_epi64(y, 1));
	}

	return _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1));
}

static void
arrange_weights_avx512(const int8_t *w, size_t words, int8_t *arranged)
{
	simd_avx2.arrange_weights(w, words, arranged);
}

/*
 * Add the weights, times 2^bit, of that bit of 64 bytes (see simd_avx2.c).
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
static void
code_dots_arranged_avx512(const uint8_t *codes, size_t stride, const uint16_t *which,
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
static SimdCodeSums
encode_f32_avx512(const float *c, const float *o, size_t n, int bits,
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

/*
 * The number of bits set in each eight bytes, looked up as in avx2: the
 * instruction that counts bits came later than F and BW.
 */
TARGET_AVX512
static inline __m512i
count_bits(__m512i bytes)
{
	const __m512i counts = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
	const __m512i low = _mm512_set1_epi8(0x0f);
	__m512i		high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low);

	return _mm512_sad_epu8(_mm512_add_epi8(_mm512_shuffle_epi8(counts, _mm512_and_si512(bytes, low)),
										   _mm512_shuffle_epi8(counts, high)),
						   _mm512_setzero_si512());
}

/*
 * The mask of the first n bytes, or of all 64 if there are more.
 */
static inline __mmask64
byte_mask(size_t n)
{
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

TARGET_AVX512
static uint64_t
hamming_bytes_avx512(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	__m512i		sums = _mm512_setzero_si512();

	for (size_t i = 0; i < bytes; i += 64)
	{
		__mmask64	mask = byte_mask(bytes - i);
		__m512i		x = _mm512_maskz_loadu_epi8(mask, a + i);
		__m512i		y = _mm512_maskz_loadu_epi8(mask, b + i);

		sums = _mm512_add_epi64(sums, count_bits(_mm512_xor_si512(x, y)));
	}

	return (uint64_t) _mm512_reduce_add_epi64(sums);
}

TARGET_AVX512
static SimdJaccard
jaccard_bytes_avx512(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	__m512i		both = _mm512_setzero_si512();
	__m512i		either = both;

	for (size_t i = 0; i < bytes; i += 64)
	{
		__mmask64	mask = byte_mask(bytes - i);
		__m512i		x = _mm512_maskz_loadu_epi8(mask, a + i);
		__m512i		y = _mm512_maskz_loadu_epi8(mask, b + i);

		both = _mm512_add_epi64(both, count_bits(_mm512_and_si512(x, y)));
		either = _mm512_add_epi64(either, count_bits(_mm512_or_si512(x, y)));
	}

	return (SimdJaccard)
	{
		(uint64_t) _mm512_reduce_add_epi64(both), (uint64_t) _mm512_reduce_add_epi64(either)
	};
}

const SimdKernels simd_avx512 = {
	.name = "avx512",
	.usable = simd_avx512_usable,
	.l2_squared_f32 = l2_squared_f32_avx512,
	.inner_product_f32 = inner_product_f32_avx512,
	.cosine_f32 = cosine_f32_avx512,
	.l1_f32 = l1_f32_avx512,
	.widen_f16 = simd_widen_f16_avx512,
	.narrow_f16 = simd_narrow_f16_avx512,
	.l2_squared_f16 = simd_l2_squared_f16_avx512,
	.inner_product_f16 = simd_inner_product_f16_avx512,
	.cosine_f16 = simd_cosine_f16_avx512,
	.l1_f16 = simd_l1_f16_avx512,
	.max_abs_f32 = max_abs_f32_avx512,
	.quantize_i8 = quantize_i8_avx512,
	.dequantize_i8 = dequantize_i8_avx512,
	.l2_squared_f32_i8 = l2_squared_f32_i8_avx512,
	.l1_f32_i8 = l1_f32_i8_avx512,
	.inner_product_f32_i8 = inner_product_f32_i8_avx512,
	.inner_product_i8 = inner_product_i8_avx512,
	.arrange_weights = arrange_weights_avx512,
	.code_dots_arranged = code_dots_arranged_avx512,
	.encode_f32 = encode_f32_avx512,
	.hamming_bytes = hamming_bytes_avx512,
	.jaccard_bytes = jaccard_bytes_avx512,
};

#endif							/* __x86_64__ */
