/*
 * vector_parse_fuzz.c: any text gives a status, and elements that are finite
 * and the same when they are written and read again.
 */
/* sources: src/vector/vector_parse.c */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vector/vector_parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static float x[VECTOR_MAX_DIM];
	static float again[VECTOR_MAX_DIM];
	char	   *text = malloc(size + 1);
	char	   *written;
	char	   *p;
	VectorParseResult result;

	memcpy(text, data, size);
	text[size] = '\0';
	result = vector_parse(text, x);
	if (result.dim < 0 || result.dim > VECTOR_MAX_DIM)
		abort();
	if (result.where != NULL &&
		(result.where < text || result.where + result.where_length > text + size))
		abort();

	if (result.status == VECTOR_PARSE_OK)
	{
		p = written = malloc(20 * (size_t) result.dim + 2);
		for (int i = 0; i < result.dim; i++)
		{
			if (!isfinite(x[i]))
				abort();
			p += sprintf(p, "%c%.9g", i == 0 ? '[' : ',', x[i]);
		}
		strcpy(p, "]");
		result = vector_parse(written, again);
		if (result.status != VECTOR_PARSE_OK || memcmp(x, again, sizeof(float) * result.dim) != 0)
			abort();
		free(written);
	}
	free(text);
	return 0;
}
