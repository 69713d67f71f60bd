/*
 * halfvec_parse_fuzz.c: any text gives a status, and halves that are finite and
 * the same when they are written and read again.
 */
/* sources: src/vector/vector_parse.c */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simd/half.h"
#include "vector/vector_parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static float x[VECTOR_MAX_DIM];
	static float again[VECTOR_MAX_DIM];
	char	   *text = malloc(size + 1);
	VectorParseResult result;
	VectorParseResult wide;

	memcpy(text, data, size);
	text[size] = '\0';
	result = vector_parse_below(text, HALF_OVERFLOW, x);
	if (result.dim < 0 || result.dim > VECTOR_MAX_DIM)
		abort();
	if (result.where != NULL &&
		(result.where < text || result.where + result.where_length > text + size))
		abort();
	if (result.status == VECTOR_PARSE_RANGE && result.where_length == 0)
		abort();

	/* the limit changes nothing but that larger elements are refused */
	wide = vector_parse(text, again);
	if (result.status != VECTOR_PARSE_RANGE &&
		(wide.status != result.status || wide.dim != result.dim || memcmp(x, again, sizeof(float) * wide.dim) != 0))
		abort();

	if (result.status == VECTOR_PARSE_OK)
	{
		char	   *written = malloc(20 * (size_t) result.dim + 2);
		char	   *p = written;
		int			dim = result.dim;

		for (int i = 0; i < dim; i++)
		{
			uint16_t	half = half_from_float(x[i]);

			if (half_is_nan(half) || half_is_infinite(half))
				abort();
			p += sprintf(p, "%c%.9g", i == 0 ? '[' : ',', half_to_float(half));
		}
		strcpy(p, "]");
		result = vector_parse_below(written, HALF_OVERFLOW, again);
		if (result.status != VECTOR_PARSE_OK || result.dim != dim)
			abort();
		for (int i = 0; i < dim; i++)
		{
			if (half_from_float(again[i]) != half_from_float(x[i]))
				abort();
		}
		free(written);
	}
	free(text);
	return 0;
}
