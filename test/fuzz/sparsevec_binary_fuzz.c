/*
 * sparsevec_binary_fuzz.c: any bytes as a binary form: a status, and elements
 * that are sound and of which the same bytes are made.
 */
/* sources: src/vector/sparsevec_parse.c src/vector/vector_parse.c */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vector/sparsevec_parse.h"

#define HEADER_SIZE 12

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int32_t
read_int32(const uint8_t *bytes)
{
	return (int32_t) ((uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 | bytes[3]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int32_t		dim;
	int32_t		nnz;
	uint8_t    *bytes;
	int32_t    *indices;
	float	   *values;

	/* as sparsevec_recv does */
	if (size < HEADER_SIZE)
		return 0;
	dim = read_int32(data);
	nnz = read_int32(data + 4);
	if (sparsevec_check_shape(dim, nnz) != SPARSEVEC_OK)
		return 0;
	if (size - HEADER_SIZE < 8 * (size_t) nnz)
		return 0;

	/* each of exactly the size that it has, for what lies beside to be seen */
	bytes = malloc(8 * (size_t) nnz + 1);
	memcpy(bytes, data + HEADER_SIZE, 8 * (size_t) nnz);
	indices = malloc(4 * (size_t) nnz + 1);
	values = malloc(4 * (size_t) nnz + 1);
	if (sparsevec_unpack(bytes, dim, nnz, indices, values) == SPARSEVEC_OK)
	{
		for (int i = 0; i < nnz; i++)
		{
			uint32_t	bits;

			memcpy(&bits, &values[i], sizeof(bits));
			if (indices[i] < 0 || indices[i] >= dim || (i > 0 && indices[i] <= indices[i - 1]))
				abort();
			if (!isfinite(values[i]) || values[i] == 0)
				abort();
			if (read_int32(bytes + 4 * i) != indices[i] || (uint32_t) read_int32(bytes + 4 * (nnz + i)) != bits)
				abort();
		}
	}
	free(values);
	free(indices);
	free(bytes);
	return 0;
}
