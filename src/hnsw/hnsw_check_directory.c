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

static void
add_further(HnswDirectoryCopy *copy, const HnswExtraTid *further, int count)
{
	if (count == 0)
		return;
	if (copy->further_count + count > copy->further_room)
	{
		copy->further_room = 2 * (copy->further_count + count);
		copy->further = copy->further == NULL ?
			MemoryContextAllocHuge(CurrentMemoryContext, copy->further_room * sizeof(HnswExtraTid)) :
			repalloc_huge(copy->further, copy->further_room * sizeof(HnswExtraTid));
	}
	memcpy(copy->further + copy->further_count, further, count * sizeof(HnswExtraTid));
	copy->further_count += count;
}

/* Follow the chain of a directory page, which is locked. */
static void
copy_chain(HnswCheck *check, HnswDirectoryCopy *copy)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	uint32		node = copy->head->overflow;

	while (node != GRAPH_NO_NODE)
	{
		Buffer		buffer;
		GraphSlot  *slot;

		if (node >= check->limit && node >= hnsw_check_slot_limit(check))
		{
			copy->fault = "a chain of TIDs leads beyond the end";
			return;
		}
		if (node < check->limit)
		{
			if (check->chained[node / 8] & (1 << node % 8))
			{
				copy->fault = "a chain of TIDs has no end";
				return;
			}
			check->chained[node / 8] |= 1 << node % 8;
		}
		if (copy->chain_count == copy->chain_room)
		{
			copy->chain_room = copy->chain_room == 0 ? 16 : 2 * copy->chain_room;
			copy->chain = copy->chain == NULL ?
				palloc(copy->chain_room * sizeof(uint32)) :
				repalloc_huge(copy->chain, copy->chain_room * sizeof(uint32));
		}
		copy->chain[copy->chain_count++] = node;
		if (!hnsw_check_open_page(check, graph_slot_block(g, node), &buffer))
		{
			copy->fault = "a chain of TIDs leads to a page that cannot be read";
			return;
		}
		slot = (GraphSlot *) ((char *) BufferGetPage(buffer) + graph_slot_offset(g, node));
		if (!hnsw_check_is_kind(BufferGetPage(buffer), HNSW_PAGE_SLOTS) || slot->kind != GRAPH_SLOT_TIDS ||
			slot->node != node || slot->count > HNSW_SLOT_TIDS_ROOM(g))
			copy->fault = "a chain of TIDs leads to a slot that is not of kind TIDS";
		else
			add_further(copy, HNSW_SLOT_EXTRA_TIDS(slot), slot->count);
		node = slot->down;
		UnlockReleaseBuffer(buffer);
		if (copy->fault != NULL)
			return;
	}
}

/*
 * Copy a directory page and its chain.  head is NULL if the page was never
 * written, or is none.
 */
static void
copy_directory(HnswCheck *check, HnswDirectoryCopy *copy, BlockNumber block)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	Buffer		buffer;

	/* What was in the last chain may be in this one: it may be the same. */
	for (int i = 0; i < copy->chain_count; i++)
	{
		if (copy->chain[i] < check->limit)
			check->chained[copy->chain[i] / 8] &= ~(1 << copy->chain[i] % 8);
	}
	copy->head = NULL;
	copy->further_count = copy->chain_count = 0;
	copy->fault = NULL;
	if (!hnsw_check_open_page(check, block, &buffer))
		return;
	memcpy(copy->page.data, BufferGetPage(buffer), BLCKSZ);
	if (hnsw_check_is_kind(copy->page.data, HNSW_PAGE_DIRECTORY))
	{
		copy->head = HNSW_DIRECTORY(copy->page.data);
		copy->lower = ((PageHeader) copy->page.data)->pd_lower;
		add_further(copy, HNSW_EXTRA_TIDS(g, copy->head), Min(copy->head->extra, HNSW_EXTRA_ROOM(g)));
		copy_chain(check, copy);
	}
	UnlockReleaseBuffer(buffer);
}

static int64
tid_to_int64(ItemPointer tid)
{
	return ((int64) ItemPointerGetBlockNumberNoCheck(tid) << 16) | ItemPointerGetOffsetNumberNoCheck(tid);
}

/* Invariants 2 and 4, of one directory page. */
static void
check_directory_copy(HnswCheck *check, const HnswDirectoryCopy *copy, uint32 group)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	HnswDirectory *head = copy->head;
	BlockNumber block = 1 + group * g->group_pages;
	uint32		first = group * g->group_nodes;
	int			used = Min(head->used, g->group_nodes);
	bool	   *has_further = palloc0(sizeof(bool) * g->group_nodes);

	if (head->used > g->group_nodes)
		hnsw_check_note(check, 2, block, GRAPH_NO_NODE, "%u entries are in use, and there are %u", head->used, g->group_nodes);
	if (head->extra > HNSW_EXTRA_ROOM(g))
		hnsw_check_note(check, 4, block, GRAPH_NO_NODE, "%u further TIDs are in the page, which has room for %d",
						head->extra, HNSW_EXTRA_ROOM(g));
	else if (copy->lower != (char *) (HNSW_EXTRA_TIDS(g, head) + head->extra) - copy->page.data)
		hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "page is used up to byte %u, where no further TID ends", copy->lower);
	if (copy->fault != NULL)
		hnsw_check_note(check, 4, block, GRAPH_NO_NODE, "%s", copy->fault);
	for (int i = used; i < g->group_nodes; i++)
	{
		if (head->entries[i].state != HNSW_ENTRY_FREE)
			hnsw_check_note(check, 2, block, first + i, "entry is beyond those in use, and not free");
	}
	for (int i = 0; i < copy->further_count; i++)
	{
		const HnswExtraTid *further = &copy->further[i];

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

		if (state > HNSW_ENTRY_TIDS || (entry->state & ~(0xff | HNSW_ENTRY_MORE)) != 0)
			hnsw_check_note(check, 3, block, first + i, "entry has state %u, which is none", entry->state);
		else if (entry->state & HNSW_ENTRY_MORE && state != HNSW_ENTRY_LIVE)
			hnsw_check_note(check, 4, block, first + i, "entry is not live, and has further TIDs");
		else if ((entry->state & HNSW_ENTRY_MORE) != 0 && !has_further[i] && copy->fault == NULL)
			hnsw_check_note(check, 4, block, first + i, "entry says that it has further TIDs, and has none");
		else if ((entry->state & HNSW_ENTRY_MORE) == 0 && has_further[i])
			hnsw_check_note(check, 4, block, first + i, "entry has further TIDs, and does not say so");
		if (state == HNSW_ENTRY_LIVE && !ItemPointerIsValid(&entry->tid))
			hnsw_check_note(check, 4, block, first + i, "entry is live, and its TID is invalid");
	}
	pfree(has_further);
}

/* Take the TIDs of a directory page down, and the states of its nodes. */
static void
collect_tids(HnswCheck *check, HnswDirectoryCopy *copy, uint32 group)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);

	for (int i = 0; i < Min(copy->head->used, g->group_nodes); i++)
	{
		HnswEntry  *entry = &copy->head->entries[i];

		check->states[group * g->group_nodes + i] = (uint8) HNSW_ENTRY_STATE(entry);
		if (HNSW_ENTRY_STATE(entry) == HNSW_ENTRY_LIVE)
			tuplesort_putdatum(check->tids, Int64GetDatum(tid_to_int64(&entry->tid)), false);
	}
	for (int i = 0; i < copy->further_count; i++)
		tuplesort_putdatum(check->tids, Int64GetDatum(tid_to_int64(&copy->further[i].tid)), false);
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
	HnswDirectoryCopy *copy = &check->directory;
	BlockNumber block = 1 + group * HNSW_CHECK_GEOMETRY(check)->group_pages;
	int			attempt = 0;

	do
	{
		hnsw_check_look_again(check);
		copy_directory(check, copy, block);
		if (copy->head == NULL)
			continue;
		check_groups_before(check, group);
		check_directory_copy(check, copy, group);
		for (int i = 0; i < copy->chain_count; i++)
		{
			HnswEntry	entry = hnsw_check_read_entry(check, copy->chain[i]);

			if (HNSW_ENTRY_STATE(&entry) != HNSW_ENTRY_TIDS)
				hnsw_check_note(check, 3, block, copy->chain[i], "a chain of TIDs leads to a slot whose entry has state %u",
								entry.state);
		}
	} while (hnsw_check_is_in_doubt(check, attempt++));
	if (copy->head == NULL)
		return;
	collect_tids(check, copy, group);
	check->written = group + 1;
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
	HnswDirectoryCopy *copy = &check->directory;
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

		CHECK_FOR_INTERRUPTS();
		copy_directory(check, copy, block);
		if (copy->head == NULL)
			continue;
		for (int i = 0; i < Min(copy->head->used, g->group_nodes); i++)
		{
			if (HNSW_ENTRY_STATE(&copy->head->entries[i]) == HNSW_ENTRY_LIVE)
				count_twice(check, twice, seen, count, &copy->head->entries[i].tid, group * g->group_nodes + i, block);
		}
		for (int i = 0; i < copy->further_count; i++)
			count_twice(check, twice, seen, count, &copy->further[i].tid,
						group * g->group_nodes + copy->further[i].index, block);
	}
	check->confirmed = check->problem_count;
}
