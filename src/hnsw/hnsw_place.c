/*
 * hnsw_place.c: in which node a row is, by its TID.
 *
 * An UPDATE that leaves the vector as it is has to find the node of an equal one, which takes a
 * search.  Where the version that is replaced is known, its node is the one; the directory says which,
 * but by node, not by TID.  So once a transaction's searches have read more than reading all of
 * the directory takes, it is read, and kept by TID until the transaction ends.  What it says is as old
 * as that: who uses it compares the vector.
 */
#include "postgres.h"
#include "compat.h"

#include "common/hashfn.h"
#include "hnsw/hnsw_census.h"
#include "hnsw/hnsw_place.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "utils/memutils.h"

/* Where one row is; 12 bytes. */
typedef struct Place
{
	ItemPointerData tid;
	uint8		status;
	uint32		node;
} Place;

static inline uint32
hash_tid(ItemPointerData tid)
{
	return murmurhash32(murmurhash32(ItemPointerGetBlockNumberNoCheck(&tid)) + ItemPointerGetOffsetNumberNoCheck(&tid));
}

static inline bool
equal_tids(ItemPointerData a, ItemPointerData b)
{
	return ItemPointerGetBlockNumberNoCheck(&a) == ItemPointerGetBlockNumberNoCheck(&b) &&
		ItemPointerGetOffsetNumberNoCheck(&a) == ItemPointerGetOffsetNumberNoCheck(&b);
}

#define SH_PREFIX places
#define SH_ELEMENT_TYPE Place
#define SH_KEY_TYPE ItemPointerData
#define SH_KEY tid
#define SH_HASH_KEY(table, key) hash_tid(key)
#define SH_EQUAL(table, a, b) equal_tids(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* How many pages of a search take as long as a page of the directory with its rows. */
#define PAGE_COST 4

/* What a transaction knows of an index. */
typedef struct Places
{
	VmRelLocator file;
	uint64		searched;		/* pages read since in search of what a place
								 * tells */
	places_hash *table;			/* NULL while it does not pay */
} Places;

/* Of each index that a transaction has searched so, in its memory. */
static List *known;
static LocalTransactionId known_by;

/* What is known of an index; NULL if nothing, unless "make". */
static Places *
places_of(HnswIndex *index, bool make)
{
	Places	   *places;
	MemoryContext old;
	ListCell   *cell;

	if (known_by != vm_local_xid())
	{
		known = NIL;
		known_by = vm_local_xid();
	}
	foreach(cell, known)
	{
		places = lfirst(cell);
		if (VM_REL_LOCATOR_EQUALS(places->file, VM_REL_LOCATOR(index->rel)))
			return places;
	}
	if (!make)
		return NULL;
	old = MemoryContextSwitchTo(TopTransactionContext);
	places = palloc0(sizeof(Places));
	places->file = VM_REL_LOCATOR(index->rel);
	known = lappend(known, places);
	MemoryContextSwitchTo(old);
	return places;
}

static void
put(places_hash *table, ItemPointerData tid, uint32 node)
{
	bool		found;

	places_insert(table, tid, &found)->node = node;
}

/* Whether places of so many rows are more than a transaction may keep. */
static bool
are_too_many(uint64 rows)
{
	return rows * 2 * sizeof(Place) > (uint64) maintenance_work_mem * 1024;
}

/* Read the rows of a group; not all of them, if they are too many. */
static void
read_group(HnswIndex *index, uint32 group, places_hash *table)
{
	const GraphGeometry *g = &index->geometry;
	const uint32 first = group * g->group_nodes;
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_open(index, hnsw_group_block(index, group), BUFFER_LOCK_SHARE, &buffer);
	uint32	   *chained;
	int			count = 0;
	HnswTids	tids = {0};

	if (directory == NULL)
		return;
	chained = palloc(sizeof(uint32) * g->group_nodes);
	for (int i = 0; i < directory->used; i++)
	{
		if (HNSW_ENTRY_STATE(&directory->entries[i]) != HNSW_ENTRY_LIVE)
			continue;
		if (directory->entries[i].state & HNSW_ENTRY_CHAIN)
			chained[count++] = first + i;
		else
			put(table, directory->entries[i].tid, first + i);
	}
	for (int i = 0; i < directory->extra; i++)
		put(table, HNSW_EXTRA_TIDS(g, directory)[i].tid, first + HNSW_EXTRA_TIDS(g, directory)[i].index);
	UnlockReleaseBuffer(buffer);
	for (int i = 0; i < count; i++)
	{
		(void) hnsw_tids_begin(index, chained[i], &tids);
		do
		{
			for (int j = 0; j < tids.count; j++)
				put(table, tids.tids[j], chained[i]);
			tids.count = 0;
		} while (!are_too_many(table->members) && hnsw_tids_read_on(index, &tids));
	}
	pfree(chained);
	if (tids.tids != NULL)
		pfree(tids.tids);
}

/*
 * A search has read so many pages to find the node of a row that replaces another.  Once that adds up, the
 * directory is read, and read again when what it said helps no more; unless its rows take more than
 * maintenance_work_mem.
 */
void
hnsw_place_searched(HnswIndex *index, uint64 pages)
{
	Places	   *places = places_of(index, true);
	const uint32 groups = hnsw_count_groups(index);

	places->searched += pages;
	if (places->searched <= (uint64) groups * PAGE_COST)
		return;
	places->searched = 0;
	if (places->table != NULL)
		places_destroy(places->table);
	places->table = NULL;
	if (are_too_many((uint64) groups * index->geometry.group_nodes))
		return;
	places->table = places_create(TopTransactionContext, groups * index->geometry.group_nodes, NULL);
	for (uint32 group = 0; group < groups; group++)
	{
		CHECK_FOR_INTERRUPTS();
		read_group(index, group, places->table);
		if (are_too_many(places->table->members))
		{
			places_destroy(places->table);
			places->table = NULL;
			return;
		}
	}
}

/* The node of a row, as the directory had it; GRAPH_NO_NODE if it is not known. */
uint32
hnsw_place_get(HnswIndex *index, ItemPointerData tid)
{
	Places	   *places = places_of(index, false);
	Place	   *place = places != NULL && places->table != NULL ? places_lookup(places->table, tid) : NULL;

	return place != NULL ? place->node : GRAPH_NO_NODE;
}
