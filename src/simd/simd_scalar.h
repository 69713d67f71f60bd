/*
 * simd_scalar.h: what the files of the rung scalar share.  Include it last: it says
 * how the rest of a file is compiled.
 */
#ifndef SIMD_SCALAR_H
#define SIMD_SCALAR_H

#include <stdint.h>
#include <string.h>

#include "simd/simd_rungs.h"

/*
 * One float at a time is the point of this rung, so the compiler must not
 * vectorize the loops.  For gcc a pragma says so.  clang has none for its
 * straight-line (SLP) vectorizer, but neither does it vectorize sums that pass
 * through assembly, be it empty.
 */
#if defined(__clang__) && defined(__x86_64__)
#define KEEP_SCALAR(x)	__asm__ ("" : "+x" (x))
#elif defined(__clang__) && defined(__aarch64__)
#define KEEP_SCALAR(x)	__asm__ ("" : "+w" (x))
#else
#define KEEP_SCALAR(x)	((void) 0)
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize ("no-tree-vectorize")
#endif

/*
 * Where other rungs must give the same bits, a product is rounded before it is
 * added to something.  Some compilers would fuse the two on CPUs that can.
 */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize ("fp-contract=off")
#endif

static inline float
add_product(float sum, float x, float y)
{
	sum += x * y;
	KEEP_SCALAR(sum);
	return sum;
}

/*
 * A byte, repeated all over a word.
 */
#define EIGHT(x)		(UINT64_C(0x0101010101010101) * (x))

static inline uint64_t
load_word(const void *p)
{
	uint64_t	word;

	memcpy(&word, p, sizeof(word));
	return word;
}

#endif							/* SIMD_SCALAR_H */
