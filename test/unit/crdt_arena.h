/*
 * crdt_arena.h: memory for src/crdt without a server, all freed at once, with gaps that
 * the address sanitizer watches.
 */
#ifndef CRDT_ARENA_H
#define CRDT_ARENA_H

#include <stdlib.h>
#include <string.h>

#include "crdt/crdt_alloc.h"

#ifndef __has_feature
#define __has_feature(what) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void) (at), (void) (size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void) (at), (void) (size))
#endif

#define ARENA_BLOCK ((size_t) 1024 * 1024)
#define ARENA_GAP 16

/* No test needs a piece that large. */
#define ARENA_LIMIT ((size_t) 64 * 1024 * 1024)

typedef struct ArenaBlock
{
	struct ArenaBlock *next;
	char	   *bytes;
	size_t		size;
	size_t		used;
} ArenaBlock;

static ArenaBlock *arena_blocks;

/* Bytes asked for so far; who wants to know what something takes sets it to 0 before. */
static size_t arena_allocated;

void *
crdt_alloc(size_t size)
{
	size_t		room = (size + 2 * ARENA_GAP - 1) / ARENA_GAP * ARENA_GAP;
	ArenaBlock *block = arena_blocks;
	char	   *piece;

	if (size > ARENA_LIMIT)
		abort();
	if (block == NULL || block->size - block->used < room)
	{
		block = malloc(sizeof(ArenaBlock));
		if (block == NULL)
			abort();
		block->size = room > ARENA_BLOCK ? room : ARENA_BLOCK;
		block->used = 0;
		block->bytes = malloc(block->size);
		if (block->bytes == NULL)
			abort();
		ASAN_POISON_MEMORY_REGION(block->bytes, block->size);
		block->next = arena_blocks;
		arena_blocks = block;
	}
	piece = block->bytes + block->used;
	block->used += room;
	arena_allocated += size;
	ASAN_UNPOISON_MEMORY_REGION(piece, size);
	memset(piece, 0xa5, size);
	return piece;
}

/* Free all but the room for more. */
static void
arena_free(void)
{
	while (arena_blocks != NULL)
	{
		ArenaBlock *block = arena_blocks;

		if (block->next == NULL && block->size == ARENA_BLOCK)
		{
			ASAN_POISON_MEMORY_REGION(block->bytes, block->used);
			block->used = 0;
			return;
		}
		arena_blocks = block->next;
		ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->size);
		free(block->bytes);
		free(block);
	}
}

#endif							/* CRDT_ARENA_H */
