/*
 * simd.h: kernels over vectors and their codes, one set for each instruction set.
 *
 * Call through the pointer: simd->l2_squared_f32(a, b, n).  A loop over many
 * vectors may copy the function pointer out of the table first.
 *
 * All kernels:
 *	- take arrays of n values, n >= 0; what they read may overlap or be the same,
 *	  what they write overlaps nothing else;
 *	- ask for the alignment of the element type and no more;
 *	- read and write exactly those values and not a byte beside them;
 *	- keep no state, allocate nothing and raise no error;
 *	- follow IEEE 754: a NaN gives NaN, overflow gives an infinity, inf - inf
 *	  gives NaN, subnormals are not flushed;
 *	- give 0 for n = 0.
 *
 * A float that is a sum is within (n / 8 + 16) * 2^-24 * S + n * 2^-149 of the
 * exact value, S the sum of the absolute values of the terms (see README,
 * "Precision").  Two rungs may differ in the last bits of it, so a distance must
 * never be hashed or compared for equality with one computed elsewhere.
 *
 * Whatever else comes out, integers, bit planes, quantized and dequantized
 * values, largest values, is the same on every rung to the last bit.
 */
#ifndef SIMD_H
#define SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest code, in words of 64 bits: 16,384 dimensions. */
#define SIMD_MAX_WORDS	256

/* What cosine similarity is made of; the caller divides. */
typedef struct SimdCosine
{
	float		dot;			/* sum of a[i] * b[i] */
	float		norm_a;			/* sum of a[i]^2, no square root taken */
	float		norm_b;			/* sum of b[i]^2, no square root taken */
} SimdCosine;

/* What Jaccard similarity is made of; the caller divides. */
typedef struct SimdJaccard
{
	uint64_t	both;			/* bits set in a and in b */
	uint64_t	either;			/* bits set in a, in b or in both */
} SimdJaccard;

/* What encode_f32 sums up, x[i] the level that the code gives dimension i. */
typedef struct SimdCodeSums
{
	float		xr;				/* sum of x[i] * (o[i] - c[i]) */
	float		xc;				/* sum of x[i] * c[i] */
} SimdCodeSums;

/* A rung: the kernels written for one instruction set. */
typedef struct SimdKernels
{
	const char *name;			/* "scalar", "avx2", "avx512", "neon" */

	/* True when the CPU has the instructions and the OS saves the registers. */
	bool		(*usable) (void);

	/* Sum of (a[i] - b[i])^2; no square root taken. */
	float		(*l2_squared_f32) (const float *a, const float *b, size_t n);

	/* Sum of a[i] * b[i]; not negated. */
	float		(*inner_product_f32) (const float *a, const float *b, size_t n);

	/* The three sums of SimdCosine in one pass. */
	SimdCosine	(*cosine_f32) (const float *a, const float *b, size_t n);

	/* Sum of |a[i] - b[i]|. */
	float		(*l1_f32) (const float *a, const float *b, size_t n);

	/*
	 * Halves, IEEE binary16 in uint16_t (half.h).
	 *
	 * widen: out[i] is the float of the same value.
	 *
	 * narrow: out[i] is the half nearest to a[i], of two the one whose last
	 * bit is 0; from 65520 on an infinity.
	 *
	 * Both keep a NaN's sign and the highest bits of its payload, and make it
	 * quiet.
	 */
	void		(*widen_f16) (const uint16_t *a, float *out, size_t n);
	void		(*narrow_f16) (const float *a, uint16_t *out, size_t n);

	/*
	 * As the kernels over floats, with float sums, which do not overflow when
	 * the halves are finite.
	 */
	float		(*l2_squared_f16) (const uint16_t *a, const uint16_t *b, size_t n);
	float		(*inner_product_f16) (const uint16_t *a, const uint16_t *b, size_t n);
	SimdCosine	(*cosine_f16) (const uint16_t *a, const uint16_t *b, size_t n);
	float		(*l1_f16) (const uint16_t *a, const uint16_t *b, size_t n);

	/*
	 * The largest |a[i]|; NaNs are passed over, and 0 when there is nothing
	 * else.
	 */
	float		(*max_abs_f32) (const float *a, size_t n);

	/*
	 * Vectors of int8, each value in [-127, 127], alone or with a scale.
	 *
	 * quantize: out[i] is a[i] * inverse_scale, rounded to float, then to the
	 * nearest integer (halves to the even one), clamped; 0 where that is NaN.
	 *
	 * dequantize: out[i] = scale * b[i], rounded to float.
	 */
	void		(*quantize_i8) (const float *a, float inverse_scale, int8_t *out, size_t n);
	void		(*dequantize_i8) (const int8_t *b, float scale, float *out, size_t n);

	/*
	 * As l2_squared_f32 and l1_f32 with what dequantize_i8 makes of b: 0, and
	 * not only nearly, if that is a.
	 */
	float		(*l2_squared_f32_i8) (const float *a, const int8_t *b, float scale, size_t n);
	float		(*l1_f32_i8) (const float *a, const int8_t *b, float scale, size_t n);

	/* Sum of a[i] * b[i]; the caller multiplies by the scale. */
	float		(*inner_product_f32_i8) (const float *a, const int8_t *b, size_t n);

	/* Sum of a[i] * b[i], exact; n at most 64 * SIMD_MAX_WORDS. */
	int32_t		(*inner_product_i8) (const int8_t *a, const int8_t *b, size_t n);

	/*
	 * A code is a string of 64 * words bits, 8 * words bytes; bit i is bit i
	 * % 8 of byte i / 8, on every machine.  words is at most SIMD_MAX_WORDS.
	 *
	 * arrange_weights: puts a weight for each bit, 64 * words values w[i] in
	 * [-127, 127], into the order that code_dots_arranged wants (README,
	 * "Codes"), which is the same on every rung.
	 *
	 * code_dots_arranged: sums[j], j < count, is the sum of w[i] over the set
	 * bits i of the code at codes + which[j] * stride, exact.  Nothing else
	 * at codes is read.
	 */
	void		(*arrange_weights) (const int8_t *w, size_t words, int8_t *arranged);
	void		(*code_dots_arranged) (const uint8_t *codes, size_t stride, const uint16_t *which,
									   size_t count, const int8_t *arranged, size_t words,
									   int32_t *sums);

	/*
	 * Code o by its difference from c, in 1 to 4 bits a dimension:
	 *
	 * r[i] = o[i] - c[i], rounded to float
	 *
	 * u[i] = floor(r[i] * inverse_step) + 2^(bits-1), clamped to bits bits
	 *
	 * x[i] = 2 * u[i] + 1 - 2^bits, twice the middle of that step, in steps
	 *
	 * The product is rounded to float; where it is NaN, u[i] = 0.  With one
	 * bit u[i] is r[i] >= 0 whatever the step.  Bit p of all u[i] makes the
	 * plane at planes + p * plane_bytes, a code with bits from n on zero;
	 * plane_bytes is a multiple of 8, at least n / 8, the same for all
	 * planes.
	 */
	SimdCodeSums (*encode_f32) (const float *c, const float *o, size_t n, int bits,
								float inverse_step, uint8_t *planes, size_t plane_bytes);

	/*
	 * Strings of bits, any number of bytes.
	 *
	 * hamming_bytes: the number of bits in which a and b differ.
	 *
	 * jaccard_bytes: both counts of SimdJaccard in one pass.
	 */
	uint64_t	(*hamming_bytes) (const uint8_t *a, const uint8_t *b, size_t bytes);
	SimdJaccard (*jaccard_bytes) (const uint8_t *a, const uint8_t *b, size_t bytes);
} SimdKernels;

/* The rung in use.  Never NULL; scalar until simd_init or simd_use is called. */
extern const SimdKernels *simd;

/* Every rung compiled in, usable here or not, slowest first; [0] is scalar. */
extern const SimdKernels *const simd_rungs[];
extern const int simd_rung_count;

extern void simd_init(void);
extern const SimdKernels *simd_find(const char *name);
extern void simd_use(const SimdKernels *rung);

#endif							/* SIMD_H */
