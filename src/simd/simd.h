/*
 * simd.h: distance kernels over float vectors, one set for each instruction set.
 *
 * Call through the pointer: simd->l2_squared_f32(a, b, n).  A loop over many
 * vectors may copy the function pointer out of the table first.
 *
 * All kernels:
 *	- take two arrays of n floats, n >= 0, which may overlap or be the same;
 *	- ask for the alignment of a float and no more;
 *	- read exactly those 2n floats and not a byte beside them;
 *	- keep no state, allocate nothing and raise no error;
 *	- follow IEEE 754: a NaN gives NaN, overflow gives an infinity, inf - inf
 *	  gives NaN, subnormals are not flushed;
 *	- give 0 for n = 0;
 *	- are within (n / 8 + 16) * 2^-24 * S + n * 2^-149 of the exact value, S the
 *	  sum of the absolute values of the terms (see README, "Precision").
 *
 * Two rungs may differ in the last bits, so a distance must never be hashed or
 * compared for equality with one computed elsewhere.
 */
#ifndef SIMD_H
#define SIMD_H

#include <stdbool.h>
#include <stddef.h>

/* What cosine similarity is made of; the caller divides. */
typedef struct SimdCosine
{
	float		dot;			/* sum of a[i] * b[i] */
	float		norm_a;			/* sum of a[i]^2, no square root taken */
	float		norm_b;			/* sum of b[i]^2, no square root taken */
} SimdCosine;

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
