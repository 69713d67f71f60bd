/*
 * hnsw_directory.c: which nodes there are, and numbers for new ones.
 *
 * Free entries are found through the free space map, in which a directory page
 * has HNSW_FREE_SPACE if any of its entries is free; else in the last directory
 * page, whose entries are taken in order as the index grows.
 */
#include "postgres.h"
#include "compat.h"

#include "access/generic_xlog.h"
#include "hnsw/hnsw_directory.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"

/* Block of the directory page of a node. */
BlockNumber
hnsw_directory_of(const HnswIndex *index, uint32 node)
{
	return graph_directory_block(&index->geometry, node);
}

/*
 * Pin and lock a directory page.  Returns NULL, with nothing locked, if the page was
 * never written: all its entries are FREE.
 */
HnswDirectory *
hnsw_directory_lock(HnswIndex *index, BlockNumber block, int mode, Buffer *buffer)
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

/*
 * Lock a directory page to change it and, unless "beside" is InvalidBlockNumber,
 * another with it, which may be the same.  Two are locked in the order of their
 * blocks.  Returns false, with nothing locked, if the first was never written.
 */
static bool
change_try_open(HnswChange *change, HnswIndex *index, BlockNumber block, BlockNumber beside)
{
	change->index = index;
	change->state = NULL;
	change->beside_buffer = InvalidBuffer;
	change->beside = NULL;
	if (beside < block)
		change->beside = hnsw_directory_lock(index, beside, BUFFER_LOCK_EXCLUSIVE, &change->beside_buffer);
	change->directory = hnsw_directory_lock(index, block, BUFFER_LOCK_EXCLUSIVE, &change->buffer);
	if (change->directory == NULL)
	{
		if (change->beside != NULL)
			UnlockReleaseBuffer(change->beside_buffer);
		return false;
	}
	if (beside == block)
		change->beside = change->directory;
	else if (beside != InvalidBlockNumber && beside > block)
		change->beside = hnsw_directory_lock(index, beside, BUFFER_LOCK_EXCLUSIVE, &change->beside_buffer);
	if (beside != InvalidBlockNumber && change->beside == NULL)
		hnsw_corrupt(index, beside, "page is empty");
	return true;
}

/* The same of a page that was written. */
void
hnsw_change_open(HnswChange *change, HnswIndex *index, BlockNumber block, BlockNumber beside)
{
	if (!change_try_open(change, index, block, beside))
		hnsw_corrupt(index, block, "page is empty");
}

/* Begin to write: from now on the pages of the change are what to write to. */
void
hnsw_change_start(HnswChange *change)
{
	bool		same = change->beside == change->directory;

	if (!change->index->log)
		return;
	change->state = GenericXLogStart(change->index->rel);
	change->directory = HNSW_DIRECTORY(GenericXLogRegisterBuffer(change->state, change->buffer, 0));
	if (change->beside_buffer != InvalidBuffer)
		change->beside = HNSW_DIRECTORY(GenericXLogRegisterBuffer(change->state, change->beside_buffer, 0));
	else if (same)
		change->beside = change->directory;
}

/* Log what was written, and unlock. */
void
hnsw_change_finish(HnswChange *change)
{
	hnsw_finish_change(change->state, change->buffer, change->beside_buffer);
	hnsw_change_close(change);
}

/* Unlock. */
void
hnsw_change_close(HnswChange *change)
{
	UnlockReleaseBuffer(change->buffer);
	if (change->beside_buffer != InvalidBuffer)
		UnlockReleaseBuffer(change->beside_buffer);
}

/* Set how far a directory page is used. */
void
hnsw_directory_set_lower(const HnswIndex *index, HnswDirectory *directory)
{
	Page		page = (Page) ((char *) directory - GRAPH_PAGE_HEADER);

	((PageHeader) page)->pd_lower =
		(char *) (HNSW_EXTRA_TIDS(&index->geometry, directory) + directory->extra) - (char *) page;
}

/*
 * Lock the last directory page, making one if all entries of the last are taken, and
 * "beside" with it.  Returns false, with nothing locked, if the index must be so many
 * blocks long first.
 *
 * A crash, or blocks made ahead, can leave the index longer than it is used: the last
 * is the last that was written.
 */
static bool
open_last_directory(HnswChange *change, HnswIndex *index, BlockNumber beside, BlockNumber *blocks)
{
	const GraphGeometry *g = &index->geometry;
	BlockNumber length = RelationGetNumberOfBlocks(index->rel);
	uint32		group = length < 2 ? 0 : (length - 2) / g->group_pages;
	bool		full = false;	/* the one before is */

	for (;;)
	{
		BlockNumber block = 1 + group * g->group_pages;
		Buffer		buffer;
		Page		page;

		if ((uint64) (group + 1) * g->group_nodes >= GRAPH_NO_NODE ||
			(uint64) block + g->group_pages >= MaxBlockNumber)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("index \"%s\" is full", RelationGetRelationName(index->rel))));
		*blocks = block + 1;
		if (RelationGetNumberOfBlocks(index->rel) < *blocks)
			return false;
		buffer = ReadBuffer(index->rel, block);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page = BufferGetPage(buffer);
		if (PageIsNew(page) && group > 0 && !full)
		{
			UnlockReleaseBuffer(buffer);
			group--;
			continue;
		}
		if (PageIsNew(page))
		{
			GenericXLogState *state = NULL;

			if (index->log)
			{
				state = GenericXLogStart(index->rel);
				page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
			}
			hnsw_init_page(page, HNSW_PAGE_DIRECTORY);
			((PageHeader) page)->pd_lower = GRAPH_PAGE_HEADER + offsetof(HnswDirectory, entries) +
				g->group_nodes * sizeof(HnswEntry);
			if (index->log)
				GenericXLogFinish(state);
			else
				MarkBufferDirty(buffer);
		}
		UnlockReleaseBuffer(buffer);
		hnsw_change_open(change, index, block, beside);
		if (change->directory->used < g->group_nodes)
			return true;
		hnsw_change_close(change);
		group++;
		full = true;
	}
}

/*
 * Lock a directory page that has a free entry, and "beside" with it.  Returns the
 * entry's index; or -1, with nothing locked, if the index must be so many blocks long
 * first.
 */
static int
open_free_entry(HnswChange *change, HnswIndex *index, BlockNumber beside, BlockNumber *blocks)
{
	const GraphGeometry *g = &index->geometry;

	for (;;)
	{
		BlockNumber block = GetPageWithFreeSpace(index->rel, HNSW_FREE_SPACE / 2);

		if (block == InvalidBlockNumber)
			break;
		/* The map is not logged: it may say anything. */
		if (block >= 1 && (block - 1) % g->group_pages == 0 && block < RelationGetNumberOfBlocks(index->rel) &&
			change_try_open(change, index, block, beside))
		{
			for (int i = 0; i < change->directory->used; i++)
			{
				if (HNSW_ENTRY_STATE(&change->directory->entries[i]) == HNSW_ENTRY_FREE)
					return i;
			}

			/*
			 * Of a page that is not the last, a crash may have left some.
			 * Those of the last are for when no other page has any.
			 */
			if (change->directory->used < g->group_nodes &&
				block + g->group_pages < RelationGetNumberOfBlocks(index->rel))
				return change->directory->used;
			hnsw_change_close(change);
		}
		RecordPageWithFreeSpace(index->rel, block, 0);
	}
	return open_last_directory(change, index, beside, blocks) ? change->directory->used : -1;
}

/*
 * Find a new node a number, which this returns.  The directory page that has its entry
 * is locked, and "beside" with it; its slot has pages.  Returns GRAPH_NO_NODE, with
 * nothing locked, if the index must be so many blocks long first: no index is extended
 * under the lock of a page.
 */
uint32
hnsw_node_open(HnswChange *change, HnswIndex *index, BlockNumber beside, BlockNumber *blocks)
{
	const GraphGeometry *g = &index->geometry;
	int			i = open_free_entry(change, index, beside, blocks);
	uint32		node;

	if (i < 0)
		return GRAPH_NO_NODE;
	node = (BufferGetBlockNumber(change->buffer) - 1) / g->group_pages * g->group_nodes + i;
	*blocks = graph_slot_block(g, node) + g->pages_per_slot;
	if (RelationGetNumberOfBlocks(index->rel) >= *blocks)
		return node;
	hnsw_change_close(change);
	return GRAPH_NO_NODE;
}

/*
 * Write a whole slot, of which this sets the number, and its entry, after
 * hnsw_node_open; and what "also", unless it is NULL, changes beside.  One record;
 * if the slot has several pages, the further ones first.  Holds no lock on return.
 */
void
hnsw_node_write(HnswChange *change, uint32 node, GraphSlot *image, const HnswEntry *entry,
				void (*also) (HnswChange *change, void *context), void *context)
{
	HnswIndex  *index = change->index;
	const GraphGeometry *g = &index->geometry;
	int			entry_index = graph_directory_index(g, node);
	BlockNumber block = graph_slot_block(g, node);
	Buffer		buffer;
	Page		page;
	bool		fresh;

	image->node = node;
	buffer = ReadBuffer(index->rel, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	fresh = PageIsNew(BufferGetPage(buffer));
	if (!fresh)
		hnsw_check_page(index, BufferGetPage(buffer), block, HNSW_PAGE_SLOTS);
	if (g->pages_per_slot > 1 && image->kind == GRAPH_SLOT_NODE)
		hnsw_write_further(index, buffer, node, (char *) image);

	hnsw_change_start(change);
	page = BufferGetPage(buffer);
	if (change->state != NULL)
		page = GenericXLogRegisterBuffer(change->state, buffer, fresh ? GENERIC_XLOG_FULL_IMAGE : 0);
	if (fresh)
		hnsw_init_page(page, HNSW_PAGE_SLOTS);
	if (g->pages_per_slot > 1)
		hnsw_copy_to_page(index, page, (char *) image, 0);
	else
	{
		uint32		offset = graph_slot_offset(g, node);

		memcpy((char *) page + offset, image, g->slot_size);
		if (((PageHeader) page)->pd_lower < offset + g->slot_size)
			((PageHeader) page)->pd_lower = offset + g->slot_size;
	}
	change->directory->entries[entry_index] = *entry;
	if (entry_index == change->directory->used)
		change->directory->used++;
	if (also != NULL)
		also(change, context);
	if (change->state == NULL)
		MarkBufferDirty(buffer);
	hnsw_change_finish(change);
	UnlockReleaseBuffer(buffer);
}

/*
 * Add a node: find it a number, write its slot and then its entry.  image is a
 * whole slot, of which this sets the number.  "state" is LIVE, with a TID, or UPPER,
 * with the number of the node below.  Holds no lock on return.  Returns
 * GRAPH_NO_NODE, having done nothing, if the index must be so many blocks long first.
 */
uint32
hnsw_node_try_add(HnswIndex *index, GraphSlot *image, uint16 state, ItemPointer tid, uint32 base,
				  BlockNumber *blocks)
{
	HnswChange	change;
	HnswEntry	entry = {0};
	uint32		node = hnsw_node_open(&change, index, InvalidBlockNumber, blocks);

	if (node == GRAPH_NO_NODE)
		return node;

	entry.state = state;
	if (state == HNSW_ENTRY_LIVE)
		entry.tid = *tid;
	else
		BlockIdSet(&entry.base, base);
	hnsw_node_write(&change, node, image, &entry, NULL, NULL);
	return node;
}

/* The same, extending the index where it must be.  The caller holds no lock. */
uint32
hnsw_node_add(HnswIndex *index, GraphSlot *image, uint16 state, ItemPointer tid, uint32 base)
{
	for (;;)
	{
		BlockNumber blocks;
		uint32		node = hnsw_node_try_add(index, image, state, tid, base, &blocks);

		if (node != GRAPH_NO_NODE)
			return node;
		hnsw_extend(index->rel, MAIN_FORKNUM, blocks);
	}
}

/*
 * What the directory says of a node, whose number is one that there is.
 */
HnswEntry
hnsw_entry_read(HnswIndex *index, uint32 node)
{
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_lock(index, hnsw_directory_of(index, node), BUFFER_LOCK_SHARE, &buffer);
	int			i = graph_directory_index(&index->geometry, node);
	HnswEntry	entry = {0};

	if (directory == NULL)
		return entry;
	if (i < directory->used)
		entry = directory->entries[i];
	UnlockReleaseBuffer(buffer);
	return entry;
}

/* The state of a node: HNSW_ENTRY_... */
uint16
hnsw_node_state(HnswIndex *index, uint32 node)
{
	HnswEntry	entry = hnsw_entry_read(index, node);

	return HNSW_ENTRY_STATE(&entry);
}

/*
 * Whether a node of a level has rows: what is below it on the lowest level is LIVE.
 * The entry of an UPPER node says no more of that than where to look.
 */
bool
hnsw_node_lives(HnswIndex *index, uint32 node, int level)
{
	for (;; level--)
	{
		HnswEntry	entry = hnsw_entry_read(index, node);

		if (level == 0)
			return HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE;
		if (HNSW_ENTRY_STATE(&entry) != HNSW_ENTRY_UPPER)
			return false;
		if (!hnsw_in_range(index, HNSW_ENTRY_BASE(&entry)))
			hnsw_corrupt(index, hnsw_directory_of(index, node), "an upper node stands on one beyond the end");
		node = HNSW_ENTRY_BASE(&entry);
	}
}
