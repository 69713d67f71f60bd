/*
 * half.h: IEEE half precision (binary16), one value at a time.
 *
 * A half is kept in a uint16_t: a sign, five bits of exponent, ten of mantissa.
 * All of it in integers, so that it is the same on every CPU.  Arrays are
 * converted by the kernels widen_f16 and narrow_f16 of simd.h, to the same bits.
 */
#ifndef HALF_H
#define HALF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HALF_SIGN		0x8000
#define HALF_MAGNITUDE	0x7fff
#define HALF_INFINITY	0x7c00

/* Floats of this size and above are rounded to an infinity. */
#define HALF_OVERFLOW	65520.0f

static inline bool
half_is_nan(uint16_t half)
{
	return (half & HALF_MAGNITUDE) > HALF_INFINITY;
}

static inline bool
half_is_infinite(uint16_t half)
{
	return (half & HALF_MAGNITUDE) == HALF_INFINITY;
}

static inline bool
half_is_zero(uint16_t half)
{
	return (half & HALF_MAGNITUDE) == 0;
}

/*
 * A number that is in the order of the half's value; the same for both zeros.
 * Not for NaN.
 */
static inline int
half_rank(uint16_t half)
{
	int			magnitude = half & HALF_MAGNITUDE;

	return half & HALF_SIGN ? -magnitude : magnitude;
}

/*
 * The float of the same value.  A NaN becomes a quiet one.
 */
static inline float
half_to_float(uint16_t half)
{
	uint32_t	mantissa = half & 0x3ff;
	uint32_t	exponent = half >> 10 & 0x1f;
	uint32_t	bits;
	float		value;

	if (exponent == 31)
		bits = 0x7f800000 | mantissa << 13 | (mantissa != 0) << 22;
	else if (exponent != 0)
		bits = (exponent + 127 - 15) << 23 | mantissa << 13;
	else
	{
		/* a multiple of 2^-24, exact as a float */
		value = (float) mantissa * 5.9604644775390625e-8f;
		memcpy(&bits, &value, sizeof(bits));
	}
	bits |= (uint32_t) (half & HALF_SIGN) << 16;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * The half nearest to a float, of two the one whose last bit is 0; an infinity
 * from HALF_OVERFLOW on.  A NaN becomes a quiet one.
 */
static inline uint16_t
half_from_float(float value)
{
	uint32_t	bits;
	uint32_t	magnitude;
	uint16_t	sign;

	memcpy(&bits, &value, sizeof(bits));
	magnitude = bits & 0x7fffffff;
	sign = bits >> 16 & HALF_SIGN;

	if (magnitude > 0x7f800000)
		return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
	if (magnitude >= 0x477ff000)	/* HALF_OVERFLOW */
		return sign | HALF_INFINITY;
	if (magnitude >= 0x38800000)	/* 2^-14, the least normal half */
	{
		magnitude += 0xfff + (magnitude >> 13 & 1);
		return sign | (magnitude - ((127 - 15) << 23)) >> 13;
	}
	if (magnitude >= 0x33000000)	/* 2^-25, halfway to the least half */
	{
		int			shift = 126 - (int) (magnitude >> 23);
		uint32_t	mantissa = (magnitude & 0x7fffff) | 0x800000;
		uint32_t	half = mantissa >> shift;
		uint32_t	rest = mantissa & ((UINT32_C(1) << shift) - 1);
		uint32_t	middle = UINT32_C(1) << (shift - 1);

		return sign | (half + (rest > middle || (rest == middle && (half & 1))));
	}
	return sign;
}

#endif							/* HALF_H */
