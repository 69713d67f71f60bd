/*
 * hnsw_check_directory.c: the invariants of directory pages and TIDs.
 */
#include "postgres.h"
#include "compat.h"

#include "hnsw/hnsw_check.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* Numbers that the index has slots for, as long as it is now. */
uint32
hnsw_check_slot_limit(HnswCheck *check)
{
	return graph_node_limit(HNSW_CHECK_GEOMETRY(check), RelationGetNumberOfBlocks(check->index.rel));
}

/* The entry of a node now; FREE if there is none. */
HnswEntry
hnsw_check_read_entry(HnswCheck *check, uint32 node)
{
	HnswEntry	entry = {0};
	uint32		i = graph_directory_index(HNSW_CHECK_GEOMETRY(check), node);
	Buffer		buffer;

	if (!hnsw_check_open_page(check, graph_directory_block(HNSW_CHECK_GEOMETRY(check), node), &buffer))
		return entry;
	if (hnsw_check_is_kind(BufferGetPage(buffer), HNSW_PAGE_DIRECTORY) &&
		i < HNSW_DIRECTORY(BufferGetPage(buffer))->used)
		entry = HNSW_DIRECTORY(BufferGetPage(buffer))->entries[i];
	UnlockReleaseBuffer(buffer);
	return entry;
}

/* ---- chains of slots of TIDs */

static void
add_slot(HnswChainCopy *copy, uint32 slot)
{
	if (copy->slot_count == copy->slot_room)
	{
		copy->slot_room = copy->slot_room == 0 ? 16 : 2 * copy->slot_room;
		copy->slots = copy->slots == NULL ?
			palloc(copy->slot_room * sizeof(uint32)) :
			repalloc_huge(copy->slots, copy->slot_room * sizeof(uint32));
	}
	copy->slots[copy->slot_count++] = slot;
}

static void
add_tids(HnswChainCopy *copy, const ItemPointerData *tids, int count)
{
	if (copy->tid_count + count > copy->tid_room)
	{
		copy->tid_room = 2 * (copy->tid_count + count);
		copy->tids = copy->tids == NULL ?
			MemoryContextAllocHuge(CurrentMemoryContext, copy->tid_room * sizeof(ItemPointerData)) :
			repalloc_huge(copy->tids, copy->tid_room * sizeof(ItemPointerData));
	}
	for (int i = 0; i < count; i++)
		copy->tids[copy->tid_count++] = tids[i];
}

/* Copy the slots of TIDs of a node, whose entry leads to the first. */
static void
copy_chain(HnswCheck *check, HnswChainCopy *copy, uint32 node, const HnswEntry *entry)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	uint32		number = HNSW_ENTRY_FIRST(entry);
	uint32		serial = 0;

	copy->slot_count = copy->tid_count = 0;
	copy->fault = NULL;
	while (number != GRAPH_NO_NODE && copy->fault == NULL)
	{
		Buffer		buffer;
		HnswTidSlot *slot;

		CHECK_FOR_INTERRUPTS();
		if (number >= check->limit && number >= hnsw_check_slot_limit(check))
		{
			copy->fault = "a chain of TIDs leads beyond the end";
			return;
		}
		if (!hnsw_check_open_page(check, graph_slot_block(g, number), &buffer))
		{
			copy->fault = "a chain of TIDs leads to a page that cannot be read";
			return;
		}
		slot = HNSW_TID_SLOT(g, BufferGetPage(buffer), number);
		if (!hnsw_check_is_kind(BufferGetPage(buffer), HNSW_PAGE_SLOTS) || slot->kind != GRAPH_SLOT_TIDS ||
			slot->number != number || slot->count > HNSW_TID_SLOT_ROOM(g))
			copy->fault = "a chain of TIDs leads to a slot that is not of kind TIDS";
		else if (slot->owner != node)
			copy->fault = "a chain of TIDs leads to a slot of another node";
		else if (copy->slot_count > 0 && (int32) (slot->serial - serial) >= 0)
			copy->fault = "serial numbers of a chain of TIDs do not fall";
		else
		{
			add_slot(copy, number);
			add_tids(copy, slot->tids, slot->count);
			serial = slot->serial;
			number = slot->next;
		}
		UnlockReleaseBuffer(buffer);
	}
}

/* Whether an entry leads to a chain. */
static bool
has_chain(const HnswEntry *entry)
{
	return HNSW_ENTRY_STATE(entry) == HNSW_ENTRY_LIVE && (entry->state & HNSW_ENTRY_CHAIN) != 0;
}

/* Whether a slot of TIDs is in the chain of its owner now. */
bool
hnsw_check_is_chained(HnswCheck *check, uint32 slot, uint32 owner)
{
	HnswEntry	entry;

	if (slot < check->limit && (check->chained[slot / 8] & (1 << slot % 8)) != 0)
		return true;
	if (owner >= hnsw_check_slot_limit(check))
		return false;
	entry = hnsw_check_read_entry(check, owner);
	if (!has_chain(&entry))
		return false;
	copy_chain(check, &check->chain, owner, &entry);
	for (int i = 0; i < check->chain.slot_count; i++)
	{
		if (check->chain.slots[i] == slot)
			return true;
	}
	return false;
}

/*
 * Copy a directory page.  Returns NULL if the page was never written, or is none.
 */
static HnswDirectory *
copy_directory(HnswCheck *check, BlockNumber block)
{
	Buffer		buffer;

	if (!hnsw_check_open_page(check, block, &buffer))
		return NULL;
	memcpy(check->page.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return hnsw_check_is_kind(check->page.data, HNSW_PAGE_DIRECTORY) ? HNSW_DIRECTORY(check->page.data) : NULL;
}

/* Further TIDs in a copy of a directory page, whatever its head says. */
static int
extra_in(HnswCheck *check, const HnswDirectory *directory)
{
	return Min(directory->extra, HNSW_EXTRA_ROOM(HNSW_CHECK_GEOMETRY(check)));
}

static int64
tid_to_int64(ItemPointer tid)
{
	return ((int64) ItemPointerGetBlockNumberNoCheck(tid) << 16) | ItemPointerGetOffsetNumberNoCheck(tid);
}

/* Invariants 2 and 4, of one directory page. */
static void
check_directory_copy(HnswCheck *check, HnswDirectory *head, uint32 group)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	const HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, head);
	uint16		lower = ((PageHeader) check->page.data)->pd_lower;
	BlockNumber block = 1 + group * g->group_pages;
	uint32		first = group * g->group_nodes;
	int			used = Min(head->used, g->group_nodes);
	bool	   *has_further = palloc0(sizeof(bool) * g->group_nodes);

	if (head->used > g->group_nodes)
		hnsw_check_note(check, 2, block, GRAPH_NO_NODE, "%u entries are in use, and there are %u", head->used, g->group_nodes);
	if (head->extra > HNSW_EXTRA_ROOM(g))
		hnsw_check_note(check, 4, block, GRAPH_NO_NODE, "%u further TIDs are in the page, which has room for %d",
						head->extra, HNSW_EXTRA_ROOM(g));
	else if (lower != (char *) (extra + head->extra) - check->page.data)
		hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "page is used up to byte %u, where no further TID ends", lower);
	for (int i = used; i < g->group_nodes; i++)
	{
		if (head->entries[i].state != HNSW_ENTRY_FREE)
			hnsw_check_note(check, 2, block, first + i, "entry is beyond those in use, and not free");
	}
	for (int i = 0; i < extra_in(check, head); i++)
	{
		const HnswExtraTid *further = &extra[i];

		if (further->index >= used || HNSW_ENTRY_STATE(&head->entries[further->index]) != HNSW_ENTRY_LIVE)
			hnsw_check_note(check, 4, block, first + further->index, "a further TID is of an entry that is not live");
		else
			has_further[further->index] = true;
		if (!ItemPointerIsValid(&further->tid))
			hnsw_check_note(check, 4, block, first + further->index, "a further TID is invalid");
	}
	for (int i = 0; i < used; i++)
	{
		HnswEntry  *entry = &head->entries[i];
		uint16		state = HNSW_ENTRY_STATE(entry);

		if (state > HNSW_ENTRY_TIDS || (entry->state & ~(0xff | HNSW_ENTRY_MORE | HNSW_ENTRY_CHAIN)) != 0)
			hnsw_check_note(check, 3, block, first + i, "entry has state %u, which is none", entry->state);
		else if (entry->state & (HNSW_ENTRY_MORE | HNSW_ENTRY_CHAIN) && state != HNSW_ENTRY_LIVE)
			hnsw_check_note(check, 4, block, first + i, "entry is not live, and has further TIDs");
		else if ((entry->state & HNSW_ENTRY_MORE) != 0 && !has_further[i])
			hnsw_check_note(check, 4, block, first + i, "entry says that it has further TIDs, and has none");
		else if ((entry->state & HNSW_ENTRY_MORE) == 0 && has_further[i])
			hnsw_check_note(check, 4, block, first + i, "entry has further TIDs, and does not say so");
		if ((entry->state & HNSW_ENTRY_CHAIN) != 0 && has_further[i])
			hnsw_check_note(check, 4, block, first + i, "entry has TIDs in slots, and in the page too");
		if (state == HNSW_ENTRY_LIVE && !has_chain(entry) && !ItemPointerIsValid(&entry->tid))
			hnsw_check_note(check, 4, block, first + i, "entry is live, and its TID is invalid");
	}
	pfree(has_further);
}

/* Take the TIDs of a directory page down, and the states of its nodes. */
static void
collect_page(HnswCheck *check, HnswDirectory *head, uint32 group)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, head);

	for (int i = 0; i < Min(head->used, g->group_nodes); i++)
	{
		HnswEntry  *entry = &head->entries[i];

		check->states[group * g->group_nodes + i] = (uint8) HNSW_ENTRY_STATE(entry);
		if (HNSW_ENTRY_STATE(entry) == HNSW_ENTRY_LIVE && !has_chain(entry))
			tuplesort_putdatum(check->tids, Int64GetDatum(tid_to_int64(&entry->tid)), false);
	}
	for (int i = 0; i < extra_in(check, head); i++)
		tuplesort_putdatum(check->tids, Int64GetDatum(tid_to_int64(&extra[i].tid)), false);
}

/* Invariants 3 and 4, of the slots of TIDs of a node, which are kept for what follows. */
static void
check_chain(HnswCheck *check, uint32 node, BlockNumber block)
{
	HnswChainCopy *copy = &check->chain;
	int			attempt = 0;
	HnswEntry	entry;

	do
	{
		hnsw_check_look_again(check);
		entry = hnsw_check_read_entry(check, node);
		if (!has_chain(&entry))
			continue;
		copy_chain(check, copy, node, &entry);
		if (copy->fault != NULL)
			hnsw_check_note(check, 4, block, node, "%s", copy->fault);
		for (int i = 0; i < copy->tid_count; i++)
		{
			if (!ItemPointerIsValid(&copy->tids[i]))
				hnsw_check_note(check, 4, block, node, "a TID in a slot of them is invalid");
		}
		for (int i = 0; i < copy->slot_count; i++)
		{
			HnswEntry	of_slot = hnsw_check_read_entry(check, copy->slots[i]);

			if (HNSW_ENTRY_STATE(&of_slot) != HNSW_ENTRY_TIDS)
				hnsw_check_note(check, 3, block, copy->slots[i], "a chain of TIDs leads to a slot whose entry has state %u",
								of_slot.state);
		}
	} while (hnsw_check_is_in_doubt(check, attempt++));
	if (!has_chain(&entry))
		return;
	for (int i = 0; i < copy->slot_count; i++)
	{
		if (copy->slots[i] < check->limit)
			check->chained[copy->slots[i] / 8] |= 1 << copy->slots[i] % 8;
	}
	for (int i = 0; i < copy->tid_count; i++)
		tuplesort_putdatum(check->tids, Int64GetDatum(tid_to_int64(&copy->tids[i])), false);
}

/*
 * Note what should have a directory page, since a group after it has one.  What is
 * beyond the last was reserved, and perhaps a crash came between.
 */
static void
check_groups_before(HnswCheck *check, uint32 group)
{
	for (uint32 before = check->written; before < group; before++)
	{
		BlockNumber block = 1 + before * HNSW_CHECK_GEOMETRY(check)->group_pages;
		Buffer		buffer;
		bool		written = false;

		/* Not that of before: it may have been written meanwhile. */
		if (hnsw_check_open_page(check, block, &buffer))
		{
			written = hnsw_check_is_kind(BufferGetPage(buffer), HNSW_PAGE_DIRECTORY);
			UnlockReleaseBuffer(buffer);
		}
		if (!written)
			hnsw_check_note(check, 2, block, GRAPH_NO_NODE, "there is no directory page, and there is one after it");
	}
}

/* Invariants 2 to 4, of one group; its states and TIDs are kept for what follows. */
void
hnsw_check_directory(HnswCheck *check, uint32 group)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	BlockNumber block = 1 + group * g->group_pages;
	HnswDirectory *head;
	int			attempt = 0;

	do
	{
		hnsw_check_look_again(check);
		head = copy_directory(check, block);
		if (head == NULL)
			continue;
		check_groups_before(check, group);
		check_directory_copy(check, head, group);
	} while (hnsw_check_is_in_doubt(check, attempt++));
	if (head == NULL)
		return;
	collect_page(check, head, group);
	check->written = group + 1;
	for (int i = 0; i < Min(head->used, g->group_nodes); i++)
	{
		if (has_chain(&head->entries[i]) && !hnsw_check_is_full(check))
			check_chain(check, group * g->group_nodes + i, block);
	}
}

static int
compare_int64(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Count TIDs that have been seen twice, and note those seen so for the second time. */
static void
count_twice(HnswCheck *check, const int64 *twice, int *seen, int count, ItemPointer tid, uint32 node, BlockNumber block)
{
	int64		value = tid_to_int64(tid);
	const int64 *found = bsearch(&value, twice, count, sizeof(int64), compare_int64);

	if (found != NULL && ++seen[found - twice] == 2)
		hnsw_check_note(check, 4, block, node, "TID (%u,%u) is in the index twice", ItemPointerGetBlockNumberNoCheck(tid),
						ItemPointerGetOffsetNumberNoCheck(tid));
}

/*
 * Invariant 4: no TID twice.  What was met twice may have been of a row that was
 * removed and then of another in its place, so look once more.
 */
void
hnsw_check_tids(HnswCheck *check)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	int64		twice[HNSW_CHECK_MAX_PROBLEMS];
	int			seen[HNSW_CHECK_MAX_PROBLEMS] = {0};
	int			count = 0;
	int64		last = -1;
	Datum		value;
	bool		is_null;

	tuplesort_performsort(check->tids);
	while (count < HNSW_CHECK_MAX_PROBLEMS && vm_tuplesort_getdatum(check->tids, &value, &is_null))
	{
		if (DatumGetInt64(value) == last && (count == 0 || twice[count - 1] != last))
			twice[count++] = last;
		last = DatumGetInt64(value);
	}
	tuplesort_end(check->tids);
	if (count == 0)
		return;
	for (uint32 group = 0; group < check->limit / g->group_nodes; group++)
	{
		BlockNumber block = 1 + group * g->group_pages;
		HnswDirectory *head;

		CHECK_FOR_INTERRUPTS();
		head = copy_directory(check, block);
		if (head == NULL)
			continue;
		for (int i = 0; i < Min(head->used, g->group_nodes); i++)
		{
			HnswEntry  *entry = &head->entries[i];
			uint32		node = group * g->group_nodes + i;

			if (HNSW_ENTRY_STATE(entry) == HNSW_ENTRY_LIVE && !has_chain(entry))
				count_twice(check, twice, seen, count, &entry->tid, node, block);
			else if (has_chain(entry))
			{
				copy_chain(check, &check->chain, node, entry);
				for (int j = 0; j < check->chain.tid_count; j++)
					count_twice(check, twice, seen, count, &check->chain.tids[j], node, block);
			}
		}
		for (int i = 0; i < extra_in(check, head); i++)
		{
			HnswExtraTid *extra = HNSW_EXTRA_TIDS(g, head) + i;

			count_twice(check, twice, seen, count, &extra->tid, group * g->group_nodes + extra->index, block);
		}
	}
	check->confirmed = check->problem_count;
}
