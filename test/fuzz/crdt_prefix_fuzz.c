/*
 * crdt_prefix_fuzz.c: any bytes as what stands before the body of a delta: refused, or what
 * gives these bytes again.  The first byte is the flags.
 */
/* sources: src/crdt/delta_prefix.c src/crdt/version.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/crdt_arena.h"
#include "crdt/delta.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			flags = size > 0 ? data[0] & (DELTA_STREAM | DELTA_PART | DELTA_FORGOTTEN | DELTA_SOME | DELTA_REPAIR | DELTA_TABLES) : 0;
	size_t		length = size > 0 ? size - 1 : 0;
	uint8_t    *bytes = malloc(length + (length == 0));
	uint8_t    *again;
	const uint8_t *end;
	const char *error = NULL;
	Delta		delta;

	if (bytes == NULL)
		abort();
	if (length > 0)
		memcpy(bytes, data + 1, length);
	end = delta_decode_prefix(bytes, length, flags, &delta, &error);
	if ((end == NULL) != (error != NULL))
		abort();
	if (end != NULL)
	{
		size_t		used = (size_t) (end - bytes);

		if (used > length || delta_prefix_size(&delta) != used || delta_prefix_flags(&delta) != flags)
			abort();
		again = malloc(used + (used == 0));
		if (again == NULL || delta_encode_prefix(&delta, again) != again + used || memcmp(again, bytes, used) != 0)
			abort();
		free(again);
	}
	arena_free();
	free(bytes);
	return 0;
}
