/*
 * sync_alloc.c: the memory that the lattice of src/crdt has in a server.
 */
#include "postgres.h"

#include "crdt/crdt_alloc.h"

/*
 * In the current memory context.
 *
 * Errors: 54000 for more than a gigabyte.
 */
void *
crdt_alloc(size_t size)
{
	return palloc(size);
}
