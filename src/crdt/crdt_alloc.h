/*
 * crdt_alloc.h: the memory of this room, which whoever uses the room gives it.
 */
#ifndef CRDT_CRDT_ALLOC_H
#define CRDT_CRDT_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/*
 * Room for what the functions of this room return and for what they work with; aligned
 * for any type, its bytes as they may be.  It does not return without it.  This room
 * never frees: who gives the room takes it back, with all that was made in it.
 *
 * In the server it is palloc (src/sync/sync_alloc.c); in unit tests and fuzzers an arena
 * (test/unit/crdt_arena.h).
 */
extern void *crdt_alloc(size_t size);

/* Room for an array.  One of more than SIZE_MAX bytes is asked for as SIZE_MAX. */
static inline void *
crdt_alloc_array(size_t count, size_t each)
{
	return crdt_alloc(count > SIZE_MAX / each ? SIZE_MAX : count * each);
}

#endif							/* CRDT_CRDT_ALLOC_H */
