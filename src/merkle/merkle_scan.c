/*
 * merkle_scan.c: leaves computed from the rows of a table.
 */
#include "postgres.h"
#include "compat.h"

#include "merkle/merkle.h"

/*
 * Visit each row of a table that the active snapshot shows, with the caller's rights.  Within
 * SPI.  Canonical settings are in force, if the table needs them.
 */
void
merkle_scan_rows(SyncTable *table, SyncVisit visit, void *about)
{
	int			level = table->needs_settings ? sync_begin_images() : 0;

	sync_walk_rows(table, true, visit, about);
	if (table->needs_settings)
		sync_end_images(level);
}

typedef struct Computed
{
	SyncTable  *table;
	uint64_t	seed;
	Leaf	   *leaves;
} Computed;

static void
add_seen(void *about, const SyncSeen *seen)
{
	Computed   *computed = about;
	MerkleKey	key = merkle_key(seen->key, computed->seed);

	merkle_add_row(&computed->leaves[merkle_leaf_of(key)], computed->table, key, seen);
}

/* The leaves of the rows that the active snapshot shows.  Within SPI. */
Leaf *
merkle_compute(SyncTable *table, uint64_t seed)
{
	Computed	computed = {table, seed, palloc0(sizeof(Leaf) * LEAF_COUNT)};

	merkle_scan_rows(table, add_seen, &computed);
	return computed.leaves;
}
