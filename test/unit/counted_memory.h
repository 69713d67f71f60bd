/*
 * counted_memory.h: a reallocation callback that counts, and fails on demand.
 */
#ifndef COUNTED_MEMORY_H
#define COUNTED_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

/* What the callback has seen. */
typedef struct Memory
{
	int			left;			/* allocations until one fails, or negative */
	int			calls;
	int			blocks;
	size_t		largest;
} Memory;

/* The callback of embed.h and netscape.h; context is a Memory. */
static void *
reallocate(void *context, void *pointer, size_t size)
{
	Memory	   *memory = context;

	if (size == 0)
	{
		memory->blocks--;
		free(pointer);
		return NULL;
	}
	memory->calls++;
	if (memory->left >= 0 && memory->left-- == 0)
		return NULL;
	if (pointer == NULL)
		memory->blocks++;
	if (size > memory->largest)
		memory->largest = size;
	return realloc(pointer, size);
}

#endif							/* COUNTED_MEMORY_H */
