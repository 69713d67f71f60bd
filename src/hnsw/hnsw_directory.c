/*
 * hnsw_directory.c: which nodes there are, and the TIDs of their rows.
 *
 * Free entries are found through the free space map, in which a directory page
 * has HNSW_FREE_SPACE if any of its entries is free; else in the last directory
 * page, whose entries are taken in order as the index grows.
 */
#include "postgres.h"
#include "compat.h"

#include "access/generic_xlog.h"
#include "hnsw/hnsw.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"

/* A directory page that is locked exclusively, and its record. */
typedef struct Change
{
	HnswIndex  *index;
	Buffer		buffer;
	GenericXLogState *state;	/* NULL before change_start, and if not logged */
	HnswDirectory *directory;
} Change;

/* Block of the directory page of a node. */
BlockNumber
hnsw_directory_of(const HnswIndex *index, uint32 node)
{
	return graph_directory_block(&index->geometry, node);
}

/* NULL, with nothing locked, if the page was never written: all its entries are FREE. */
static HnswDirectory *
lock_directory(HnswIndex *index, BlockNumber block, int mode, Buffer *buffer)
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

/* False, with nothing locked, if the page was never written. */
static bool
change_try_open(Change *change, HnswIndex *index, BlockNumber block)
{
	change->index = index;
	change->state = NULL;
	change->directory = lock_directory(index, block, BUFFER_LOCK_EXCLUSIVE, &change->buffer);
	return change->directory != NULL;
}

static void
change_open(Change *change, HnswIndex *index, BlockNumber block)
{
	if (!change_try_open(change, index, block))
		hnsw_corrupt(index, block, "page is empty");
}

static void
change_start(Change *change)
{
	if (!change->index->log)
		return;
	change->state = GenericXLogStart(change->index->rel);
	change->directory = HNSW_DIRECTORY(GenericXLogRegisterBuffer(change->state, change->buffer, 0));
}

static void
change_finish(Change *change)
{
	if (change->state != NULL)
		GenericXLogFinish(change->state);
	else
		MarkBufferDirty(change->buffer);
	UnlockReleaseBuffer(change->buffer);
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
 * Lock the last directory page, making one if all entries of the last are taken.
 * Returns false, with nothing locked, if the index must be so many blocks long first.
 *
 * A crash, or blocks made ahead, can leave the index longer than it is used: the last
 * is the last that was written.
 */
static bool
open_last_directory(Change *change, HnswIndex *index, BlockNumber *blocks)
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
		change_open(change, index, block);
		if (change->directory->used < g->group_nodes)
			return true;
		UnlockReleaseBuffer(change->buffer);
		group++;
		full = true;
	}
}

/*
 * Lock a directory page that has a free entry, and return the entry's index; or -1,
 * with nothing locked, if the index must be so many blocks long first.
 */
static int
open_free_entry(Change *change, HnswIndex *index, BlockNumber *blocks)
{
	const GraphGeometry *g = &index->geometry;

	for (;;)
	{
		BlockNumber block = GetPageWithFreeSpace(index->rel, HNSW_FREE_SPACE / 2);

		if (block == InvalidBlockNumber)
			break;
		/* The map is not logged: it may say anything. */
		if (block >= 1 && (block - 1) % g->group_pages == 0 && block < RelationGetNumberOfBlocks(index->rel) &&
			change_try_open(change, index, block))
		{
			for (int i = 0; i < change->directory->used; i++)
			{
				if (HNSW_ENTRY_STATE(&change->directory->entries[i]) == HNSW_ENTRY_FREE)
					return i;
			}
			/* Of a page that is not the last, a crash may have left some. */
			if (change->directory->used < g->group_nodes)
				return change->directory->used;
			UnlockReleaseBuffer(change->buffer);
		}
		RecordPageWithFreeSpace(index->rel, block, 0);
	}
	return open_last_directory(change, index, blocks) ? change->directory->used : -1;
}

/* Write a whole slot into its page, or pages, and its entry: one record, or more. */
static void
write_node(Change *change, int entry_index, uint32 node, GraphSlot *image, const HnswEntry *entry)
{
	HnswIndex  *index = change->index;
	const GraphGeometry *g = &index->geometry;
	BlockNumber block = graph_slot_block(g, node);
	Buffer		buffer;
	Page		page;
	bool		fresh;

	buffer = ReadBuffer(index->rel, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	fresh = PageIsNew(BufferGetPage(buffer));
	if (!fresh)
		hnsw_check_page(index, BufferGetPage(buffer), block, HNSW_PAGE_SLOTS);
	if (g->pages_per_slot > 1 && image->kind == GRAPH_SLOT_NODE)
		hnsw_write_image(index, buffer, node, (char *) image, NULL);

	change_start(change);
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
	if (change->state == NULL)
		MarkBufferDirty(buffer);
	change_finish(change);
	UnlockReleaseBuffer(buffer);
}

/*
 * Add a node: find it a number, write its slot and then its entry.  image is a
 * whole slot, of which this sets the number.  "state" is LIVE, with a TID, UPPER,
 * with the number of the node below, or TIDS.  Holds no lock on return.  Returns
 * GRAPH_NO_NODE, having done nothing, if the index must be so many blocks long first:
 * no index is extended under the lock of a page.
 */
uint32
hnsw_node_try_add(HnswIndex *index, GraphSlot *image, uint16 state, ItemPointer tid, uint32 base,
				  BlockNumber *blocks)
{
	const GraphGeometry *g = &index->geometry;
	Change		change;
	HnswEntry	entry = {0};
	int			entry_index = open_free_entry(&change, index, blocks);
	uint32		node;

	if (entry_index < 0)
		return GRAPH_NO_NODE;
	node = (BufferGetBlockNumber(change.buffer) - 1) / g->group_pages * g->group_nodes + entry_index;
	*blocks = graph_slot_block(g, node) + g->pages_per_slot;
	if (RelationGetNumberOfBlocks(index->rel) < *blocks)
	{
		UnlockReleaseBuffer(change.buffer);
		return GRAPH_NO_NODE;
	}

	image->node = node;
	entry.state = state;
	if (state == HNSW_ENTRY_LIVE)
		entry.tid = *tid;
	else if (state == HNSW_ENTRY_UPPER)
		BlockIdSet(&entry.base, base);
	write_node(&change, entry_index, node, image, &entry);
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

/* Whether a node, whose directory page is locked, holds the vector of an image. */
static bool
has_vector(HnswIndex *index, uint32 node, const GraphSlot *image)
{
	const GraphSlot *slot = hnsw_slot_open(index, node);
	bool		same;

	if (slot == NULL)
		return false;
	same = hnsw_same_vector(index, slot, image);
	hnsw_slot_close(index);
	return same;
}

/*
 * Set the entry of a slot that nothing leads to any more to FREE.
 */
void
hnsw_node_free(HnswIndex *index, uint32 node)
{
	Change		change;
	BlockNumber block = graph_directory_block(&index->geometry, node);

	change_open(&change, index, block);
	change_start(&change);
	memset(&change.directory->entries[graph_directory_index(&index->geometry, node)], 0, sizeof(HnswEntry));
	change_finish(&change);
	RecordPageWithFreeSpace(index->rel, block, HNSW_FREE_SPACE);
}

/*
 * Put a new slot of TIDs at the head of a directory page's chain, if that is
 * still "head", which the new slot leads to; else free it.
 */
static void
chain_tids(HnswIndex *index, BlockNumber block, uint32 head, uint32 node)
{
	Change		change;

	change_open(&change, index, block);
	if (change.directory->overflow == head)
	{
		change_start(&change);
		change.directory->overflow = node;
		change_finish(&change);
		return;
	}
	UnlockReleaseBuffer(change.buffer);
	hnsw_node_free(index, node);
}

/* Append to a slot of TIDs that is locked exclusively and has room. */
static void
append_tid(HnswIndex *index, uint32 node, Buffer buffer, const HnswExtraTid *extra)
{
	GenericXLogState *state = NULL;
	Page		page = BufferGetPage(buffer);
	GraphSlot  *slot;

	if (index->log)
	{
		state = GenericXLogStart(index->rel);
		page = GenericXLogRegisterBuffer(state, buffer, 0);
	}
	slot = (GraphSlot *) ((char *) page + graph_slot_offset(&index->geometry, node));
	HNSW_SLOT_EXTRA_TIDS(slot)[slot->count++] = *extra;
	if (index->log)
		GenericXLogFinish(state);
	else
		MarkBufferDirty(buffer);
}

/*
 * Add one more TID to a LIVE node.  Returns false, doing nothing, if the node is
 * not LIVE any more or, unless "image" is NULL, does not hold the image's vector:
 * a node may be another by the time that its lock is had.
 */
bool
hnsw_node_add_tid(HnswIndex *index, uint32 node, ItemPointer tid, const GraphSlot *image)
{
	const GraphGeometry *g = &index->geometry;
	int			i = graph_directory_index(g, node);
	Change		change;
	HnswDirectory *directory;
	HnswExtraTid extra = {*tid, i};
	uint32		overflow;
	GraphSlot  *chain;
	Buffer		chained;

	for (;;)
	{
		bool		added = false;

		change_open(&change, index, graph_directory_block(g, node));
		directory = change.directory;
		if (i >= directory->used || HNSW_ENTRY_STATE(&directory->entries[i]) != HNSW_ENTRY_LIVE ||
			(image != NULL && !has_vector(index, node, image)))
		{
			UnlockReleaseBuffer(change.buffer);
			return false;
		}
		if (directory->extra < HNSW_EXTRA_ROOM(g))
		{
			change_start(&change);
			directory = change.directory;
			directory->entries[i].state |= HNSW_ENTRY_MORE;
			HNSW_EXTRA_TIDS(g, directory)[directory->extra++] = extra;
			hnsw_directory_set_lower(index, directory);
			change_finish(&change);
			return true;
		}

		/* The page is full: into the first slot of the chain. */
		overflow = directory->overflow;
		if (overflow != GRAPH_NO_NODE)
		{
			GraphSlot  *slot = hnsw_tids_open(index, overflow, BUFFER_LOCK_EXCLUSIVE, &chained);

			if (slot->count < HNSW_SLOT_TIDS_ROOM(g))
			{
				/* The flag first: a TID without it would be lost. */
				if (!(directory->entries[i].state & HNSW_ENTRY_MORE))
				{
					change_start(&change);
					change.directory->entries[i].state |= HNSW_ENTRY_MORE;
					if (change.state != NULL)
						GenericXLogFinish(change.state);
					else
						MarkBufferDirty(change.buffer);
				}
				append_tid(index, overflow, chained, &extra);
				added = true;
			}
			UnlockReleaseBuffer(chained);
		}
		UnlockReleaseBuffer(change.buffer);
		if (added)
			return true;

		/* A new slot, perhaps of another group: made first, then chained. */
		chain = palloc0(Max(g->slot_size, GRAPH_PAGE_ROOM));
		chain->kind = GRAPH_SLOT_TIDS;
		chain->down = overflow;
		chain_tids(index, graph_directory_block(g, node), overflow,
				   hnsw_node_add(index, chain, HNSW_ENTRY_TIDS, NULL, 0));
		pfree(chain);
	}
}

static void
add_tid(HnswTids *tids, const ItemPointerData *tid)
{
	if (tids->count == tids->room)
	{
		tids->room = tids->room == 0 ? 16 : tids->room * 2;
		if (tids->tids == NULL)
			tids->tids = palloc(tids->room * sizeof(ItemPointerData));
		else
			tids->tids = repalloc_huge(tids->tids, tids->room * sizeof(ItemPointerData));
	}
	tids->tids[tids->count++] = *tid;
}

/*
 * Append the TIDs of a node to *tids, in the current memory context, and return
 * its state: HNSW_ENTRY_...  Only LIVE nodes have any.
 */
uint16
hnsw_node_tids(HnswIndex *index, uint32 node, HnswTids *tids)
{
	const GraphGeometry *g = &index->geometry;
	int			i = graph_directory_index(g, node);
	Buffer		buffer;
	HnswDirectory *directory = lock_directory(index, graph_directory_block(g, node), BUFFER_LOCK_SHARE, &buffer);
	HnswEntry	entry = {0};

	if (directory == NULL)
		return HNSW_ENTRY_FREE;
	if (i < directory->used)
		entry = directory->entries[i];
	if (HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE)
	{
		add_tid(tids, &entry.tid);
		if (entry.state & HNSW_ENTRY_MORE)
		{
			const HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);
			uint32		next = directory->overflow;
			uint32		steps = 0;

			for (int j = 0; j < directory->extra; j++)
			{
				if (extra[j].index == i)
					add_tid(tids, &extra[j].tid);
			}
			while (next != GRAPH_NO_NODE)
			{
				Buffer		chained;
				const GraphSlot *slot = hnsw_tids_open(index, next, BUFFER_LOCK_SHARE, &chained);

				/* A chain cannot be longer than there are slots. */
				if (steps++ > index->node_limit)
					hnsw_corrupt(index, BufferGetBlockNumber(buffer), "a chain of TIDs has no end");
				extra = HNSW_SLOT_EXTRA_TIDS(slot);
				for (int j = 0; j < slot->count; j++)
				{
					if (extra[j].index == i)
						add_tid(tids, &extra[j].tid);
				}
				next = slot->down;
				UnlockReleaseBuffer(chained);
			}
		}
	}
	UnlockReleaseBuffer(buffer);
	return HNSW_ENTRY_STATE(&entry);
}

/* What the directory says of a node: a number that a slot has led to. */
static HnswEntry
read_entry(HnswIndex *index, uint32 node)
{
	Buffer		buffer;
	HnswDirectory *directory = lock_directory(index, hnsw_directory_of(index, node), BUFFER_LOCK_SHARE, &buffer);
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
	HnswEntry	entry = read_entry(index, node);

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
		HnswEntry	entry = read_entry(index, node);

		if (level == 0)
			return HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE;
		if (HNSW_ENTRY_STATE(&entry) != HNSW_ENTRY_UPPER)
			return false;
		if (HNSW_ENTRY_BASE(&entry) >= index->node_limit)
			hnsw_refresh_limit(index);
		if (HNSW_ENTRY_BASE(&entry) >= index->node_limit)
			hnsw_corrupt(index, hnsw_directory_of(index, node), "an upper node stands on one beyond the end");
		node = HNSW_ENTRY_BASE(&entry);
	}
}
