/*
 * halfvec_binary_fuzz.c: any bytes as the elements of a binary halfvec: what is
 * read before the first that is not finite is written as the same bytes.
 */
/* sources: src/vector/halfvec_binary.c */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "simd/half.h"
#include "vector/halfvec_binary.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		count = size / 2;

	/* all of exactly the size that they have, for what lies beside to be seen */
	uint8_t    *bytes = malloc(2 * count + 1);
	uint16_t   *x = malloc(sizeof(uint16_t) * count + 1);
	uint8_t    *again = malloc(2 * count + 1);
	size_t		read;

	/* from an odd address, as in a message */
	memcpy(bytes + 1, data, 2 * count);
	read = halfvec_decode(bytes + 1, count, x);
	if (read > count)
		abort();
	for (size_t i = 0; i < read; i++)
	{
		if (!isfinite(half_to_float(x[i])))
			abort();
	}
	if (read < count && isfinite(half_to_float(x[read])))
		abort();
	halfvec_encode(x, read, again + 1);
	if (memcmp(bytes + 1, again + 1, 2 * read) != 0)
		abort();
	free(again);
	free(x);
	free(bytes);
	return 0;
}
