/*
 * simd_code_avx2.c: the kernels over codes for x86-64 with AVX2 and FMA.
 *
 * Bits are left in their bytes, as factors of the weights beside them (README,
 * "Codes").
 */
#include "simd/simd_avx2.h"

#if defined(__x86_64__)

#include <stdint.h>
#include <string.h>

/* What gcc would think too long to be inlined. */
#define INLINE static inline __attribute__((always_inline))

/*
 * 16 bytes at low and at high, each 16 taken as 8 + 8 of which byte k of the
 * first eight is laid beside byte k of the second.
 */
TARGET_AVX2
INLINE __m256i
load_pairs(const int8_t *low, const int8_t *high)
{
	const __m256i pairs = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11,
										   4, 12, 5, 13, 6, 14, 7, 15,
										   0, 8, 1, 9, 2, 10, 3, 11,
										   4, 12, 5, 13, 6, 14, 7, 15);
	__m256i		v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *) low));

	v = _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *) high), 1);
	return _mm256_shuffle_epi8(v, pairs);
}

/*
 * Four rows of eight pairs, in each half, to eight columns of four: two in each
 * half of each result.
 */
TARGET_AVX2
INLINE void
transpose_pairs(const __m256i *v, __m256i *t)
{
	__m256i		low0 = _mm256_unpacklo_epi16(v[0], v[1]);
	__m256i		low1 = _mm256_unpacklo_epi16(v[2], v[3]);
	__m256i		high0 = _mm256_unpackhi_epi16(v[0], v[1]);
	__m256i		high1 = _mm256_unpackhi_epi16(v[2], v[3]);

	t[0] = _mm256_unpacklo_epi32(low0, low1);
	t[1] = _mm256_unpackhi_epi32(low0, low1);
	t[2] = _mm256_unpacklo_epi32(high0, high1);
	t[3] = _mm256_unpackhi_epi32(high0, high1);
}

/*
 * 256 weights to t[k] with byte i the weight 8 * i + k.
 */
TARGET_AVX2
INLINE void
transpose_step(const int8_t *w, __m256i *t)
{
	__m256i		v[8],
				a[4],
				b[4];

	for (int i = 0; i < 8; i++)
		v[i] = load_pairs(w + 16 * i, w + 16 * i + 128);
	transpose_pairs(v, a);
	transpose_pairs(v + 4, b);
	for (int i = 0; i < 4; i++)
	{
		t[2 * i] = _mm256_unpacklo_epi64(a[i], b[i]);
		t[2 * i + 1] = _mm256_unpackhi_epi64(a[i], b[i]);
	}
}

/*
 * 128 weights to t[k] with byte i the weight 8 * i + k in the lower half and
 * 8 * i + k + 4 in the upper.
 */
TARGET_AVX2
INLINE void
transpose_half(const int8_t *w, __m256i *t)
{
	__m256i		v[4],
				a[4];

	for (int i = 0; i < 4; i++)
		v[i] = load_pairs(w + 16 * i, w + 16 * i + 64);
	transpose_pairs(v, a);
	for (int i = 0; i < 4; i++)
		a[i] = _mm256_permute4x64_epi64(a[i], _MM_SHUFFLE(3, 1, 2, 0));
	t[0] = _mm256_permute2x128_si256(a[0], a[2], 0x20);
	t[1] = _mm256_permute2x128_si256(a[0], a[2], 0x31);
	t[2] = _mm256_permute2x128_si256(a[1], a[3], 0x20);
	t[3] = _mm256_permute2x128_si256(a[1], a[3], 0x31);
}

/*
 * 64 weights in the order of arrange_weights.
 */
TARGET_AVX2
INLINE void
transpose_fourth(const int8_t *w, __m256i *t)
{
	__m256i		v[4],
				a[4],
				low,
				high;

	for (int i = 0; i < 4; i++)
		v[i] = load_pairs(w + 16 * i, w + 16 * i);
	transpose_pairs(v, a);
	for (int i = 0; i < 2; i++)
	{
		low = _mm256_unpacklo_epi64(a[i], a[i + 2]);
		high = _mm256_unpackhi_epi64(a[i], a[i + 2]);
		t[i] = _mm256_permute2x128_si256(low, high, 0x20);
	}
}

TARGET_AVX2
void
simd_arrange_weights_avx2(const int8_t *w, size_t words, int8_t *arranged)
{
	__m256i    *out = (__m256i *) arranged;
	__m256i		t[8];

	for (; words >= 4; words -= 4, w += 256, out += 8)
	{
		transpose_step(w, t);
		for (int position = 0; position < 8; position++)
			_mm256_storeu_si256(out + position, t[simd_bit_at(position)]);
	}

	if (words & 2)
	{
		transpose_half(w, t);
		for (int i = 0; i < 4; i++)
			_mm256_storeu_si256(out + i, t[i]);
		w += 128;
		out += 4;
	}

	if (words & 1)
	{
		transpose_fourth(w, t);
		for (int i = 0; i < 2; i++)
			_mm256_storeu_si256(out + i, t[i]);
	}
}

/*
 * Add the weights, times 2^bit, of that bit of 32 bytes.
 *
 * Whatever else is in the bytes is masked away, so each is 0 or 2^bit, and
 * maddubs multiplies it with its weight.
 */
TARGET_AVX2
INLINE __m256i
add_bit(__m256i sum, __m256i bytes, int bit, const int8_t *w)
{
	__m256i		bits = _mm256_and_si256(bytes, _mm256_set1_epi8(1 << bit));

	return _mm256_add_epi16(sum, _mm256_maddubs_epi16(bits, load_bytes(w)));
}

/*
 * The sum of one code of at most SIMD_CHUNK_WORDS, spread over eight int32.
 *
 * Each bit has a sum of its own and is divided by 2^bit in the end.  Bits 4 to 7
 * are first shifted to where 0 to 3 were, so that two products are at most 2 *
 * 127 * 8, and 16 times that, of eight steps, fits in 16 bits.
 *
 * Of 16 bytes, bits 0 to 3 go into the lower half of a register and 4 to 7 into
 * the upper; of 8 bytes, two bits into each fourth.
 */
TARGET_AVX2
INLINE __m256i
code_dot_lanes(const uint8_t *code, const int8_t *w, size_t words)
{
	__m256i		s0 = _mm256_setzero_si256(),
				s1 = s0,
				s2 = s0,
				s3 = s0;

	for (size_t i = words / 4; i > 0; i--, code += 32, w += 256)
	{
		__m256i		low = load_bytes(code);
		__m256i		high = _mm256_srli_epi16(low, 4);

		s0 = add_bit(s0, low, 0, w);
		s0 = add_bit(s0, high, 0, w + 32);
		s1 = add_bit(s1, low, 1, w + 64);
		s1 = add_bit(s1, high, 1, w + 96);
		s2 = add_bit(s2, low, 2, w + 128);
		s2 = add_bit(s2, high, 2, w + 160);
		s3 = add_bit(s3, low, 3, w + 192);
		s3 = add_bit(s3, high, 3, w + 224);
	}

	if (words & 2)
	{
		__m256i		both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *) code));

		both = _mm256_srlv_epi64(both, _mm256_setr_epi64x(0, 0, 4, 4));
		s0 = add_bit(s0, both, 0, w);
		s1 = add_bit(s1, both, 1, w + 32);
		s2 = add_bit(s2, both, 2, w + 64);
		s3 = add_bit(s3, both, 3, w + 96);
		code += 16;
		w += 128;
	}

	if (words & 1)
	{
		__m256i		four = _mm256_broadcastq_epi64(_mm_loadl_epi64((const __m128i *) code));

		four = _mm256_srlv_epi64(four, _mm256_setr_epi64x(0, 4, 1, 5));
		s0 = add_bit(s0, four, 0, w);
		s2 = add_bit(s2, four, 2, w + 32);
	}

	s0 = _mm256_add_epi16(s0, _mm256_srai_epi16(s1, 1));
	s2 = _mm256_add_epi16(s2, _mm256_srai_epi16(s3, 1));
	s0 = _mm256_add_epi16(s0, _mm256_srai_epi16(s2, 2));

	return _mm256_madd_epi16(s0, _mm256_set1_epi16(1));
}

/*
 * The sums of codes of at most SIMD_CHUNK_WORDS, added to what is in sums if add.
 */
TARGET_AVX2
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
		int32_t		dot = sum_lanes_i32(code_dot_lanes(codes + which[j] * stride, w, words));

		sums[j] = add ? sums[j] + dot : dot;
	}
}

TARGET_AVX2
void
simd_code_dots_arranged_avx2(const uint8_t *codes, size_t stride, const uint16_t *which,
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

	/* compiled for each remainder, which halves the time of short codes */
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

/*
 * The levels of eight dimensions, u in simd.h; their part of the sums is added.
 */
TARGET_AVX2
INLINE __m256i
encode_eight(const float *c, const float *o, int bits, __m256 inverse_step,
			 __m256 *xr, __m256 *xc)
{
	float		half = (float) (1 << (bits - 1));
	__m256		center = _mm256_loadu_ps(c);
	__m256		r = _mm256_sub_ps(_mm256_loadu_ps(o), center);
	__m256		u,
				x;

	if (bits == 1)
		u = _mm256_and_ps(_mm256_cmp_ps(r, _mm256_setzero_ps(), _CMP_GE_OQ), _mm256_set1_ps(1));
	else
	{
		u = _mm256_floor_ps(_mm256_mul_ps(r, inverse_step));
		u = _mm256_add_ps(u, _mm256_set1_ps(half));
		/* of a NaN and a number, max_ps takes the second */
		u = _mm256_max_ps(u, _mm256_setzero_ps());
		u = _mm256_min_ps(u, _mm256_set1_ps(2 * half - 1));
	}

	x = _mm256_add_ps(_mm256_add_ps(u, u), _mm256_set1_ps(1 - 2 * half));
	*xr = _mm256_fmadd_ps(x, r, *xr);
	*xc = _mm256_fmadd_ps(x, center, *xc);

	return _mm256_cvtps_epi32(u);
}

TARGET_AVX2
INLINE SimdCodeSums
encode_bits(const float *c, const float *o, size_t n, int bits,
			float inverse_step, uint8_t *planes, size_t plane_bytes)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	const __m256 by = _mm256_set1_ps(inverse_step);
	__m256		xr0 = _mm256_setzero_ps(),
				xr1 = xr0,
				xc0 = xr0,
				xc1 = xr0;
	float		last_c[32];
	float		last_o[32];
	uint32_t	mask = UINT32_MAX;
	size_t		written = 0;

	while (n > 0)
	{
		__m256i		u0,
					u1,
					u2,
					u3;

		/* the last few, filled up with zeros */
		if (n < 32)
		{
			memset(last_c, 0, sizeof(last_c));
			memset(last_o, 0, sizeof(last_o));
			memcpy(last_c, c, n * sizeof(float));
			memcpy(last_o, o, n * sizeof(float));
			c = last_c;
			o = last_o;
			mask = (UINT32_C(1) << n) - 1;
			n = 32;
		}

		u0 = encode_eight(c, o, bits, by, &xr0, &xc0);
		u1 = encode_eight(c + 8, o + 8, bits, by, &xr1, &xc1);
		u2 = encode_eight(c + 16, o + 16, bits, by, &xr0, &xc0);
		u3 = encode_eight(c + 24, o + 24, bits, by, &xr1, &xc1);

		/* a byte for each dimension, and in order, which packing is not */
		u0 = _mm256_packs_epi16(_mm256_packs_epi32(u0, u1), _mm256_packs_epi32(u2, u3));
		u0 = _mm256_permutevar8x32_epi32(u0, order);

		for (int p = 0; p < bits; p++)
		{
			/* the bit to where movemask looks for it */
			__m256i		bit = _mm256_sll_epi16(u0, _mm_cvtsi32_si128(7 - p));
			uint32_t	set = (uint32_t) _mm256_movemask_epi8(bit) & mask;

			memcpy(planes + p * plane_bytes + written, &set, sizeof(set));
		}

		written += 4;
		n -= 32;
		c += 32;
		o += 32;
	}

	for (int p = 0; p < bits; p++)
		memset(planes + p * plane_bytes + written, 0, plane_bytes - written);

	return (SimdCodeSums)
	{
		sum_lanes(_mm256_add_ps(xr0, xr1)), sum_lanes(_mm256_add_ps(xc0, xc1))
	};
}

TARGET_AVX2
SimdCodeSums
simd_encode_f32_avx2(const float *c, const float *o, size_t n, int bits,
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
