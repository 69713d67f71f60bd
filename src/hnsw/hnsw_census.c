/*
 * hnsw_census.c: the directory read from end to end, group by group.
 */
#include "postgres.h"
#include "compat.h"

#include "access/xlog.h"
#include "commands/vacuum.h"
#include "hnsw/hnsw_census.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "utils/memutils.h"

/*
 * Directory pages of an index, as long as it is now.
 */
uint32
hnsw_count_groups(HnswIndex *index)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index->rel);

	return blocks < 2 ? 0 : (blocks - 2) / index->geometry.group_pages + 1;
}

/* Block of the directory page of a group. */
BlockNumber
hnsw_group_block(const HnswIndex *index, uint32 group)
{
	return 1 + group * index->geometry.group_pages;
}

/*
 * Lock a directory page.  Returns NULL, with nothing to release, if the page was
 * never written: a crash came between.
 */
HnswDirectory *
hnsw_directory_open(HnswIndex *index, BlockNumber block, int mode, Buffer *buffer)
{
	Page		page;
	HnswDirectory *directory;

	*buffer = hnsw_read_buffer(index, block);
	LockBuffer(*buffer, mode);
	page = BufferGetPage(*buffer);
	if (PageIsNew(page))
	{
		UnlockReleaseBuffer(*buffer);
		return NULL;
	}
	hnsw_check_page(index, page, block, HNSW_PAGE_DIRECTORY);
	directory = HNSW_DIRECTORY(page);
	if (directory->used > index->geometry.group_nodes || directory->extra > HNSW_EXTRA_ROOM(&index->geometry))
		hnsw_corrupt(index, block, "head of a directory page is impossible");
	return directory;
}

/* Count the TIDs that nodes have in slots. */
static int64
count_chained(HnswIndex *index, const uint32 *nodes, int count)
{
	HnswTids	tids = {0};
	int64		sum = 0;

	for (int i = 0; i < count; i++)
	{
		(void) hnsw_tids_begin(index, nodes[i], &tids);
		do
		{
			vm_vacuum_delay_point();
			sum += tids.count;
			tids.count = 0;
		} while (hnsw_tids_read_on(index, &tids));
	}
	if (tids.tids != NULL)
		pfree(tids.tids);
	return sum;
}

/*
 * Count what the directory leads to, TIDs that are in slots only if "chains", and unless
 * "states" is NULL keep the state of each node, in memory of the current context.  Pages
 * with free entries are put into the free space map, which may have forgotten them in a
 * crash.
 */
void
hnsw_take_census(HnswIndex *index, HnswCensus *census, bool chains, uint8 **states)
{
	uint32	   *chained = palloc(sizeof(uint32) * index->geometry.group_nodes);
	const GraphGeometry *g = &index->geometry;
	uint32		groups = hnsw_count_groups(index);

	memset(census, 0, sizeof(*census));
	census->some_live = GRAPH_NO_NODE;
	census->limit = groups * g->group_nodes;
	if (states != NULL)
		*states = MemoryContextAllocExtended(CurrentMemoryContext, census->limit + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 group = 0; group < groups; group++)
	{
		BlockNumber block = hnsw_group_block(index, group);
		int64		free_before = census->free;
		bool		has_free;
		Buffer		buffer;
		HnswDirectory *directory;
		int			chained_count = 0;

		vm_vacuum_delay_point();
		directory = hnsw_directory_open(index, block, BUFFER_LOCK_SHARE, &buffer);
		if (directory == NULL)
			continue;
		census->directory_pages++;
		for (int i = 0; i < directory->used; i++)
		{
			uint16		state = HNSW_ENTRY_STATE(&directory->entries[i]);
			uint32		node = group * g->group_nodes + i;

			if (states != NULL)
				(*states)[node] = (uint8) state;
			if (state == HNSW_ENTRY_LIVE && census->some_live == GRAPH_NO_NODE && node != index->meta.odd)
				census->some_live = node;
			census->live += state == HNSW_ENTRY_LIVE;
			census->dead += state == HNSW_ENTRY_DEAD;
			census->upper += state == HNSW_ENTRY_UPPER;
			census->free += state == HNSW_ENTRY_FREE;
			census->tid_slots += state == HNSW_ENTRY_TIDS;
			if (state == HNSW_ENTRY_LIVE && directory->entries[i].state & HNSW_ENTRY_CHAIN)
				chained[chained_count++] = node;
			else
				census->tids += state == HNSW_ENTRY_LIVE;
		}
		/* The last group needs no map: it is looked for by itself. */
		has_free = census->free > free_before || (directory->used < g->group_nodes && group + 1 < groups);
		census->tids += directory->extra;
		UnlockReleaseBuffer(buffer);
		if (has_free && !RecoveryInProgress() &&
			GetRecordedFreeSpace(index->rel, block) < HNSW_FREE_SPACE / 2)
			RecordPageWithFreeSpace(index->rel, block, HNSW_FREE_SPACE);
		if (chains)
			census->tids += count_chained(index, chained, chained_count);
	}
	pfree(chained);
}
