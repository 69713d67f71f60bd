/*
 * vector_parse.c: reads the text form of a vector: "[1,2.5,-3e-1]".
 *
 * Whatever strtof accepts is accepted as an element, as in pgvector, and each
 * element becomes the float nearest to the decimal number.  Almost all numbers
 * take a path of their own that is several times as fast as strtof.
 */
#include "vector/vector_parse.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The powers of ten that a double holds exactly. */
#define EXACT_POWER_MAX 22

static const double power_of_ten[EXACT_POWER_MAX + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

/* As many decimal digits as always fit in 64 bits. */
#define MANTISSA_DIGITS 19

static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Round a double that is off by at most a few units in its last place to the
 * float nearest to the number meant.  False when the double lies so near the
 * middle between two floats that its error decides, or out of range.
 */
static inline bool
round_to_float(double approximate, float *value)
{
	const uint64_t low_bits = (UINT64_C(1) << 29) - 1;	/* a float has not */
	const uint64_t middle = UINT64_C(1) << 28;
	const uint64_t margin = 4;
	uint64_t	bits;

	if (approximate > FLT_MAX)
		return false;
	memcpy(&bits, &approximate, sizeof(bits));
	if ((bits & low_bits) - (middle - margin) <= 2 * margin)
		return false;
	*value = (float) approximate;
	return true;
}

/*
 * Read a plain decimal number at *text and move past it.  False, with *text as
 * it was, when strtof has to decide.
 *
 * Digits after the 19th are left out (relative error below 2^-59), the integer
 * is rounded to a double (2^-53) and multiplied or divided by an exact power
 * of ten (2^-53): the sum is below 2^-51, two units in the last place, half
 * the margin of round_to_float.  Numbers whose power of ten is not exact are
 * left to strtof, which keeps all results above 10^-22, far from subnormals.
 */
static inline bool
parse_decimal(const char **text, float *value)
{
	const char *p = *text;
	bool		negative = (*p == '-');
	uint64_t	mantissa = 0;
	int			digits = 0;		/* significant ones in mantissa */
	int			exponent = 0;
	const char *start;
	double		magnitude;

	if (FLT_EVAL_METHOD != 0)
		return false;			/* doubles of this machine round twice */

	if (*p == '-' || *p == '+')
		p++;

	start = p;
	for (; is_digit(*p); p++)
	{
		if (digits < MANTISSA_DIGITS)
		{
			mantissa = mantissa * 10 + (uint64_t) (*p - '0');
			digits += (mantissa != 0);
		}
		else if (++exponent > EXACT_POWER_MAX)
			return false;
	}
	if (p == start)
		return false;			/* ".5", "inf", nothing at all */
	if (p - start == 1 && *start == '0' && (*p == 'x' || *p == 'X'))
		return false;			/* hexadecimal */

	if (*p == '.')
	{
		for (p++; is_digit(*p); p++)
		{
			if (digits < MANTISSA_DIGITS)
			{
				mantissa = mantissa * 10 + (uint64_t) (*p - '0');
				digits += (mantissa != 0);
				if (--exponent < -1000)
					return false;
			}
		}
	}

	if (*p == 'e' || *p == 'E')
	{
		const char *q = p + 1;
		bool		exponent_negative = (*q == '-');
		int			written = 0;

		if (*q == '-' || *q == '+')
			q++;
		if (!is_digit(*q))
			return false;
		for (; is_digit(*q); q++)
		{
			if (written > 1000)
				return false;
			written = written * 10 + (*q - '0');
		}
		exponent += exponent_negative ? -written : written;
		p = q;
	}

	if (mantissa == 0)
		magnitude = 0.0;
	else if (exponent >= 0 && exponent <= EXACT_POWER_MAX)
		magnitude = (double) mantissa * power_of_ten[exponent];
	else if (exponent < 0 && exponent >= -EXACT_POWER_MAX)
		magnitude = (double) mantissa / power_of_ten[-exponent];
	else
		return false;

	if (!round_to_float(magnitude, value))
		return false;
	if (negative)
		*value = -*value;
	*text = p;
	return true;
}

/*
 * Read a vector.
 *
 * text: ended by NUL.  x: room for VECTOR_MAX_DIM floats; result.dim of them
 * are set, all finite, when result.status is VECTOR_PARSE_OK.  LC_NUMERIC must
 * be C, as it is in a server.
 */
VectorParseResult
vector_parse(const char *text, float *x)
{
	return vector_parse_below(text, INFINITY, x);
}

/*
 * As vector_parse, for a type whose elements are smaller than floats: a float
 * of the size of limit or larger is out of range.
 */
VectorParseResult
vector_parse_below(const char *text, float limit, float *x)
{
	VectorParseResult result = {VECTOR_PARSE_SYNTAX, 0, NULL, 0};
	const char *p = text;

	while (is_space(*p))
		p++;
	if (*p != '[')
	{
		result.status = VECTOR_PARSE_NO_BRACKET;
		return result;
	}
	p++;
	while (is_space(*p))
		p++;
	if (*p == ']')
	{
		result.status = VECTOR_PARSE_EMPTY;
		return result;
	}

	for (;;)
	{
		float		value;
		const char *start;

		if (result.dim == VECTOR_MAX_DIM)
		{
			result.status = VECTOR_PARSE_TOO_MANY;
			return result;
		}

		while (is_space(*p))
			p++;
		start = p;
		if (!parse_decimal(&p, &value))
		{
			char	   *end;

			errno = 0;
			value = strtof(p, &end);
			if (end == p)
				return result;
			result.where = p;
			result.where_length = (size_t) (end - p);
			if (isnan(value))
				result.status = VECTOR_PARSE_NAN;
			else if (isinf(value))
				result.status = errno == ERANGE ? VECTOR_PARSE_RANGE : VECTOR_PARSE_INFINITE;
			if (result.status != VECTOR_PARSE_SYNTAX)
				return result;
			p = end;
		}
		if (fabsf(value) >= limit)
		{
			result.status = VECTOR_PARSE_RANGE;
			result.where = start;
			result.where_length = (size_t) (p - start);
			return result;
		}
		x[result.dim++] = value;

		while (is_space(*p))
			p++;
		if (*p == ']')
			break;
		if (*p != ',')
			return result;
		p++;
	}

	p++;
	while (is_space(*p))
		p++;
	result.status = (*p == '\0') ? VECTOR_PARSE_OK : VECTOR_PARSE_JUNK;
	return result;
}

/*
 * Read a number at *text, the float nearest to it, and move past it.  False,
 * with *text as it was, when strtof has to decide: most often because there is
 * no number.
 */
bool
vector_parse_decimal(const char **text, float *value)
{
	return parse_decimal(text, value);
}
