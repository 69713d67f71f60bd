/*
 * hnsw_tids.c: the TIDs of a node: in its entry, further ones in the same directory page, or all in slots of their own.
 *
 * README, "TIDs", says why a chain may be read with no lock between two slots.
 */
#include "postgres.h"
#include "compat.h"

#include "hnsw/hnsw_directory.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "testpoint/testpoint.h"

/* TIDs that are few enough to go back from a slot into the directory page. */
#define FEW_TIDS 4

/* A reader who has to begin anew as often has not met another's change. */
#define MAX_BEGUN_ANEW 100

/*
 * Pin and lock a slot of TIDs of a node.  Returns NULL, with nothing to release, if
 * there is no such slot, or none of this node.
 */
HnswTidSlot *
hnsw_tid_slot_open(HnswIndex *index, uint32 number, uint32 owner, int mode, Buffer *buffer)
{
	const GraphGeometry *g = &index->geometry;
	BlockNumber block;
	HnswTidSlot *slot;

	if (!hnsw_in_range(index, number))
		return NULL;
	block = graph_slot_block(g, number);
	*buffer = hnsw_read_buffer(index, block);
	LockBuffer(*buffer, mode);
	if (!PageIsNew(BufferGetPage(*buffer)))
	{
		hnsw_check_page(index, BufferGetPage(*buffer), block, HNSW_PAGE_SLOTS);
		slot = HNSW_TID_SLOT(g, BufferGetPage(*buffer), number);
		if (slot->kind == GRAPH_SLOT_TIDS && slot->number == number && slot->owner == owner &&
			slot->count <= HNSW_TID_SLOT_ROOM(g))
			return slot;
	}
	UnlockReleaseBuffer(*buffer);
	return NULL;
}

/* The same of a slot that is in the node's chain. */
static HnswTidSlot *
open_chained(HnswIndex *index, uint32 number, uint32 owner, int mode, Buffer *buffer)
{
	HnswTidSlot *slot = hnsw_tid_slot_open(index, number, owner, mode, buffer);

	if (slot == NULL)
		hnsw_corrupt(index, hnsw_directory_of(index, owner), "a chain of TIDs leads to a slot that is none of it");
	return slot;
}

/* ---- adding */

/* Where one more TID of a node goes. */
typedef enum Place
{
	PLACE_NONE,					/* nowhere: it is not LIVE, or has another
								 * vector */
	PLACE_PAGE,					/* the directory page */
	PLACE_SLOT,					/* the first slot of its chain */
	PLACE_NEW_SLOT
} Place;

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

/* Further TIDs in a directory page of the entry with this index. */
static int
count_further(const GraphGeometry *g, HnswDirectory *directory, int i)
{
	const HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);
	int			count = 0;

	for (int j = 0; j < directory->extra; j++)
		count += extra[j].index == i;
	return count;
}

/*
 * Find a place for one more TID of a node, whose directory page is locked.  If that is
 * the first slot of its chain, *buffer has it, locked.
 */
static Place
find_place(HnswIndex *index, HnswDirectory *directory, uint32 node, const GraphSlot *image, Buffer *buffer)
{
	const GraphGeometry *g = &index->geometry;
	int			i = graph_directory_index(g, node);
	const HnswEntry *entry = &directory->entries[i];

	if (i >= directory->used || HNSW_ENTRY_STATE(entry) != HNSW_ENTRY_LIVE ||
		(image != NULL && !has_vector(index, node, image)))
		return PLACE_NONE;
	if (entry->state & HNSW_ENTRY_CHAIN)
	{
		if (open_chained(index, HNSW_ENTRY_FIRST(entry), node, BUFFER_LOCK_EXCLUSIVE, buffer)->count < HNSW_TID_SLOT_ROOM(g))
			return PLACE_SLOT;
		UnlockReleaseBuffer(*buffer);
		return PLACE_NEW_SLOT;
	}
	/* What is in the page of one node, and one more, fits into a slot. */
	if (directory->extra < HNSW_EXTRA_ROOM(g) &&
		(!(entry->state & HNSW_ENTRY_MORE) || count_further(g, directory, i) + 2 < HNSW_TID_SLOT_ROOM(g)))
		return PLACE_PAGE;
	return PLACE_NEW_SLOT;
}

/* Add a further TID to a directory page that is being changed and has room. */
static void
add_to_page(HnswIndex *index, HnswDirectory *directory, int i, const ItemPointerData *tid)
{
	HnswExtraTid *extra = HNSW_EXTRA_TIDS(&index->geometry, directory) + directory->extra++;

	extra->tid = *tid;
	extra->index = i;
	directory->entries[i].state |= HNSW_ENTRY_MORE;
	hnsw_directory_set_lower(index, directory);
}

/* Append to a slot of TIDs that is locked exclusively and has room. */
static void
add_to_slot(HnswIndex *index, uint32 number, Buffer buffer, const ItemPointerData *tid)
{
	GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;
	HnswTidSlot *slot = HNSW_TID_SLOT(&index->geometry, hnsw_change_page(state, buffer), number);

	slot->tids[slot->count++] = *tid;
	hnsw_finish_change(state, buffer, InvalidBuffer);
}

/* A new slot of TIDs, and what becomes of the directory page of its owner. */
typedef struct Chaining
{
	uint32		number;			/* of the slot */
	int			owner;			/* index of the entry whose TIDs it has */
	int			other;			/* that of an entry that gets one more in the
								 * page then, or -1 */
	const ItemPointerData *tid;
} Chaining;

/* Called while the record is made: lead to the new slot, in place of TIDs in the page. */
static void
chain_slot(HnswChange *change, void *context)
{
	const Chaining *chaining = context;
	const GraphGeometry *g = &change->index->geometry;
	HnswDirectory *directory = change->beside;
	HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);
	HnswEntry  *entry = &directory->entries[chaining->owner];
	int			kept = 0;

	directory->chained++;
	BlockIdSet(&entry->chain, chaining->number);
	memset((char *) &entry->chain + sizeof(BlockIdData), 0, sizeof(ItemPointerData) - sizeof(BlockIdData));
	entry->state = HNSW_ENTRY_LIVE | HNSW_ENTRY_CHAIN;
	for (int j = 0; j < directory->extra; j++)
	{
		if (extra[j].index != chaining->owner)
			extra[kept++] = extra[j];
	}
	memset(extra + kept, 0, sizeof(HnswExtraTid) * (directory->extra - kept));
	directory->extra = kept;
	hnsw_directory_set_lower(change->index, directory);
	if (chaining->other >= 0)
		add_to_page(change->index, directory, chaining->other, chaining->tid);
}

/*
 * Of the nodes of a full directory page, the one that has most further TIDs there: with
 * one more of the entry i.
 */
static int
find_largest(const GraphGeometry *g, HnswDirectory *directory, int i)
{
	const HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);
	uint16	   *counts = palloc0(sizeof(uint16) * g->group_nodes);
	int			largest = i;

	counts[i] = 1;
	for (int j = 0; j < directory->extra; j++)
	{
		if (extra[j].index < g->group_nodes)
			counts[extra[j].index]++;
	}
	for (int j = 0; j < directory->used; j++)
	{
		if (counts[j] > counts[largest] && HNSW_ENTRY_STATE(&directory->entries[j]) == HNSW_ENTRY_LIVE)
			largest = j;
	}
	pfree(counts);
	return largest;
}

/*
 * Add a TID of a node with a new slot of TIDs, whose number and the node's directory
 * page, beside it, are locked: at the head of the node's chain; or, if the directory
 * page is full, for all TIDs of the node that has most there.
 */
static void
add_with_slot(HnswChange *change, uint32 number, uint32 node, const ItemPointerData *tid)
{
	HnswIndex  *index = change->index;
	const GraphGeometry *g = &index->geometry;
	HnswDirectory *directory = change->beside;
	const HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);
	int			i = graph_directory_index(g, node);
	HnswEntry	entry = {.state = HNSW_ENTRY_TIDS};
	HnswTidSlot *image = palloc0(Max(g->slot_size, GRAPH_PAGE_ROOM));
	Chaining	chaining = {number, i, -1, tid};

	image->kind = GRAPH_SLOT_TIDS;
	image->serial = directory->chained + 1;
	image->next = GRAPH_NO_NODE;
	if (directory->entries[i].state & HNSW_ENTRY_CHAIN)
		image->next = HNSW_ENTRY_FIRST(&directory->entries[i]);
	else
	{
		if (directory->extra >= HNSW_EXTRA_ROOM(g))
			chaining.owner = find_largest(g, directory, i);
		image->tids[image->count++] = directory->entries[chaining.owner].tid;
		for (int j = 0; j < directory->extra; j++)
		{
			if (extra[j].index == chaining.owner)
				image->tids[image->count++] = extra[j].tid;
		}
	}
	if (chaining.owner == i)
		image->tids[image->count++] = *tid;
	else
		chaining.other = i;
	Assert(image->count <= HNSW_TID_SLOT_ROOM(g));
	image->owner = node - i + chaining.owner;
	hnsw_node_write(change, number, (GraphSlot *) image, &entry, chain_slot, &chaining);
	pfree(image);
}

/*
 * Add one more TID to a LIVE node.  Returns false, doing nothing, if the node is
 * not LIVE any more or, unless "image" is NULL, does not hold the image's vector:
 * a node may be another by the time that its lock is had.
 */
bool
hnsw_node_add_tid(HnswIndex *index, uint32 node, ItemPointer tid, const GraphSlot *image)
{
	BlockNumber own = hnsw_directory_of(index, node);
	int			i = graph_directory_index(&index->geometry, node);

	/* With no number for a new slot first: it is not often needed. */
	for (bool make = false;; make = true)
	{
		HnswChange	change;
		uint32		number = GRAPH_NO_NODE;
		Buffer		buffer;

		if (make)
		{
			BlockNumber blocks;

			number = hnsw_node_open(&change, index, own, &blocks);
			if (number == GRAPH_NO_NODE)
			{
				hnsw_extend(index->rel, MAIN_FORKNUM, blocks);
				continue;
			}
		}
		else
			hnsw_change_open(&change, index, own, own);
		switch (find_place(index, change.beside, node, image, &buffer))
		{
			case PLACE_NONE:
				hnsw_change_close(&change);
				return false;
			case PLACE_PAGE:
				hnsw_change_start(&change);
				add_to_page(index, change.beside, i, tid);
				hnsw_change_finish(&change);
				return true;
			case PLACE_SLOT:
				add_to_slot(index, HNSW_ENTRY_FIRST(&change.beside->entries[i]), buffer, tid);
				UnlockReleaseBuffer(buffer);
				hnsw_change_close(&change);
				return true;
			case PLACE_NEW_SLOT:
				if (make)
				{
					add_with_slot(&change, number, node, tid);
					return true;
				}
				hnsw_change_close(&change);
				VM_POINT("hnsw_tids_full");
				break;
		}
	}
}

/* ---- reading */

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

static void
take_tid(HnswTids *tids, const ItemPointerData *tid)
{
	if (tids->seen_count > 0 &&
		bsearch(tid, tids->seen, tids->seen_count, sizeof(ItemPointerData), compare_tids) != NULL)
		return;
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

/* Take what the directory has of a node's TIDs; returns the node's state. */
static uint16
read_directory(HnswIndex *index, HnswTids *tids)
{
	const GraphGeometry *g = &index->geometry;
	int			i = graph_directory_index(g, tids->node);
	Buffer		buffer;
	HnswDirectory *directory = hnsw_directory_lock(index, hnsw_directory_of(index, tids->node), BUFFER_LOCK_SHARE, &buffer);
	HnswEntry	entry = {0};

	tids->begun = tids->more = false;
	if (directory == NULL)
		return HNSW_ENTRY_FREE;
	if (i < directory->used)
		entry = directory->entries[i];
	tids->more = HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE && (entry.state & HNSW_ENTRY_CHAIN) != 0;
	if (tids->more)
		tids->next = HNSW_ENTRY_FIRST(&entry);
	else if (HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE)
	{
		const HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, directory);

		take_tid(tids, &entry.tid);
		for (int j = 0; j < directory->extra && (entry.state & HNSW_ENTRY_MORE) != 0; j++)
		{
			if (extra[j].index == i)
				take_tid(tids, &extra[j].tid);
		}
	}
	UnlockReleaseBuffer(buffer);
	return HNSW_ENTRY_STATE(&entry);
}

/*
 * Begin to read the TIDs of a node into *tids, which is zero or has been used for
 * another, in the current memory context.  Returns the node's state; only LIVE nodes
 * have any.  There may be more than are there at first: see hnsw_tids_read_on.
 */
uint16
hnsw_tids_begin(HnswIndex *index, uint32 node, HnswTids *tids)
{
	tids->count = tids->seen_count = tids->begun_anew = 0;
	tids->node = node;
	return read_directory(index, tids);
}

/*
 * Read on, if there are TIDs that were not read yet: as many more as one slot has.
 * Returns false at the end.  No lock is held between two calls, and no slot is read
 * before it is needed.
 */
bool
hnsw_tids_read_on(HnswIndex *index, HnswTids *tids)
{
	int			before = tids->count;

	while (tids->more && tids->count == before)
	{
		Buffer		buffer;
		HnswTidSlot *slot;

		CHECK_FOR_INTERRUPTS();
		slot = hnsw_tid_slot_open(index, tids->next, tids->node, BUFFER_LOCK_SHARE, &buffer);
		if (slot != NULL && (!tids->begun || (int32) (slot->serial - tids->serial) < 0))
		{
			for (int i = 0; i < slot->count; i++)
				take_tid(tids, &slot->tids[i]);
			tids->begun = true;
			tids->serial = slot->serial;
			tids->next = slot->next;
			tids->more = slot->next != GRAPH_NO_NODE;
			UnlockReleaseBuffer(buffer);
			continue;
		}

		/*
		 * It was freed, and is another's, or has come to the head of the
		 * chain.
		 */
		if (slot != NULL)
			UnlockReleaseBuffer(buffer);
		if (++tids->begun_anew > MAX_BEGUN_ANEW)
			hnsw_corrupt(index, hnsw_directory_of(index, tids->node), "a chain of TIDs cannot be followed");
		if (tids->seen != NULL)
			pfree(tids->seen);
		tids->seen = MemoryContextAllocHuge(CurrentMemoryContext, (tids->count + 1) * sizeof(ItemPointerData));
		memcpy(tids->seen, tids->tids, tids->count * sizeof(ItemPointerData));
		tids->seen_count = tids->count;
		qsort(tids->seen, tids->seen_count, sizeof(ItemPointerData), compare_tids);
		(void) read_directory(index, tids);
	}
	return tids->count > before;
}

/* ---- for vacuum, of which there is one at a time */

/*
 * Take an empty slot that is not the first, and that "before" leads to, out of a node's
 * chain, and free it.  Takes the locks of a directory page and a slot: hold none.
 */
void
hnsw_tids_unlink(HnswIndex *index, uint32 node, uint32 before, uint32 number, uint32 next)
{
	const GraphGeometry *g = &index->geometry;
	BlockNumber block = hnsw_directory_of(index, number);
	HnswChange	change;
	Buffer		buffer;

	hnsw_change_open(&change, index, block, InvalidBlockNumber);
	(void) open_chained(index, before, node, BUFFER_LOCK_EXCLUSIVE, &buffer);
	hnsw_change_start(&change);
	HNSW_TID_SLOT(g, hnsw_change_page(change.state, buffer), before)->next = next;
	memset(&change.directory->entries[graph_directory_index(g, number)], 0, sizeof(HnswEntry));
	if (change.state == NULL)
		MarkBufferDirty(buffer);
	hnsw_change_finish(&change);
	UnlockReleaseBuffer(buffer);
	RecordPageWithFreeSpace(index->rel, block, HNSW_FREE_SPACE);
}

/*
 * Take the first slot out of a node's chain and free it, if it is empty, and so on; if
 * it is the only one, and has but few TIDs, these go back to the directory page, and
 * if it has none the node becomes DEAD.  Takes the locks of two directory pages and a slot:
 * hold none.
 */
void
hnsw_tids_settle(HnswIndex *index, uint32 node)
{
	const GraphGeometry *g = &index->geometry;
	BlockNumber own = hnsw_directory_of(index, node);
	int			i = graph_directory_index(g, node);
	uint32		next;

	do
	{
		HnswEntry	entry = hnsw_entry_read(index, node);
		uint32		first = HNSW_ENTRY_FIRST(&entry);
		ItemPointerData few[FEW_TIDS];
		HnswChange	change;
		Buffer		buffer;
		HnswTidSlot *slot;
		int			count;

		if (HNSW_ENTRY_STATE(&entry) != HNSW_ENTRY_LIVE || !(entry.state & HNSW_ENTRY_CHAIN))
			return;
		if (!hnsw_in_range(index, first))
			hnsw_corrupt(index, own, "a chain of TIDs leads beyond the end");
		hnsw_change_open(&change, index, hnsw_directory_of(index, first), own);
		if (memcmp(&change.beside->entries[i], &entry, sizeof(HnswEntry)) != 0)
		{
			/* An insert has put another slot before it: they are many. */
			hnsw_change_close(&change);
			return;
		}
		slot = open_chained(index, first, node, BUFFER_LOCK_SHARE, &buffer);
		count = slot->count;
		next = slot->next;
		memcpy(few, slot->tids, sizeof(ItemPointerData) * Min(count, FEW_TIDS));
		UnlockReleaseBuffer(buffer);
		if (count > 0 && (next != GRAPH_NO_NODE || count > FEW_TIDS ||
						  count - 1 > HNSW_EXTRA_ROOM(g) - change.beside->extra))
		{
			hnsw_change_close(&change);
			return;
		}

		hnsw_change_start(&change);
		memset(&entry, 0, sizeof(HnswEntry));
		entry.state = HNSW_ENTRY_LIVE;
		if (next != GRAPH_NO_NODE)
		{
			entry.state |= HNSW_ENTRY_CHAIN;
			BlockIdSet(&entry.chain, next);
		}
		else if (count > 0)
			entry.tid = few[0];
		else
			entry.state = HNSW_ENTRY_DEAD;
		change.beside->entries[i] = entry;
		for (int j = 1; j < count; j++)
			add_to_page(index, change.beside, i, &few[j]);
		memset(&change.directory->entries[graph_directory_index(g, first)], 0, sizeof(HnswEntry));
		hnsw_change_finish(&change);
		RecordPageWithFreeSpace(index->rel, hnsw_directory_of(index, first), HNSW_FREE_SPACE);
	} while (next != GRAPH_NO_NODE);
}
