/*
 * sync_arena.h: memory for src/sync without a server: each piece a block of its own, for
 * the sanitizer to see what lies beside it, all freed at once.
 */
#ifndef SYNC_ARENA_H
#define SYNC_ARENA_H

#include <stdlib.h>
#include <string.h>

#include "sync/stamp.h"

/* No test needs a piece that large. */
#define SYNC_ARENA_LIMIT ((size_t) 64 * 1024 * 1024)

static void **sync_arena_pieces;
static size_t sync_arena_count;
static size_t sync_arena_room;

void *
sync_alloc(size_t size)
{
	void	   *piece;

	if (size > SYNC_ARENA_LIMIT)
		abort();
	if (sync_arena_count == sync_arena_room)
	{
		sync_arena_room = 2 * sync_arena_room + 64;
		sync_arena_pieces = realloc(sync_arena_pieces, sync_arena_room * sizeof(void *));
	}
	piece = malloc(size);
	if (piece == NULL && size > 0)
		abort();
	if (size > 0)
		memset(piece, 0xa5, size);
	sync_arena_pieces[sync_arena_count++] = piece;
	return piece;
}

/* Free all that was allocated since "mark", which is a count from before. */
static void
sync_arena_free(size_t mark)
{
	while (sync_arena_count > mark)
		free(sync_arena_pieces[--sync_arena_count]);
}

#endif							/* SYNC_ARENA_H */
