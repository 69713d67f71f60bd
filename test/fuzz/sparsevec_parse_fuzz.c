/*
 * sparsevec_parse_fuzz.c: any text gives a status, and elements that are sound,
 * and the same when they are written and read again in any order.
 */
/* sources: src/vector/sparsevec_parse.c src/vector/vector_parse.c */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vector/sparsevec_parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static SparsevecElement elements[SPARSEVEC_MAX_NNZ];
	static SparsevecElement again[SPARSEVEC_MAX_NNZ];
	char	   *text = malloc(size + 1);
	char	   *written;
	char	   *p;
	SparsevecParseResult result;
	SparsevecStatus sorted;
	int			nnz;

	memcpy(text, data, size);
	text[size] = '\0';
	result = sparsevec_parse(text, elements);
	nnz = result.nnz;
	if (nnz < 0 || nnz > SPARSEVEC_MAX_NNZ)
		abort();
	if (result.status == SPARSEVEC_RANGE &&
		(result.where < text || result.where + result.where_length > text + size))
		abort();
	for (int i = 0; i < nnz; i++)
		if (!isfinite(elements[i].value) || elements[i].value == 0)
			abort();

	if (result.status == SPARSEVEC_OK)
	{
		int32_t		dim = result.dim;

		if (dim < 1 || dim > SPARSEVEC_MAX_DIM)
			abort();
		sorted = sparsevec_sort(elements, nnz, dim);
		if (sorted != SPARSEVEC_OK && sorted != SPARSEVEC_BOUNDS && sorted != SPARSEVEC_DUPLICATE)
			abort();
		for (int i = 1; i < nnz; i++)
			if (elements[i - 1].index > elements[i].index)
				abort();

		if (sorted == SPARSEVEC_OK)
		{
			if (nnz > dim)
				abort();
			p = written = malloc(40 * (size_t) nnz + 40);
			*p++ = '{';
			for (int i = nnz - 1; i >= 0; i--)
				p += sprintf(p, "%d:%.9g%s", elements[i].index + 1, elements[i].value, i > 0 ? "," : "");
			sprintf(p, "}/%d", dim);
			result = sparsevec_parse(written, again);
			if (result.status != SPARSEVEC_OK || result.nnz != nnz || result.dim != dim ||
				sparsevec_sort(again, nnz, dim) != SPARSEVEC_OK ||
				memcmp(elements, again, sizeof(SparsevecElement) * nnz) != 0)
				abort();
			free(written);
		}
	}
	free(text);
	return 0;
}
