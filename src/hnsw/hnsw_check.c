/*
 * hnsw_check.c: vecmark.hnsw_check, which verifies the invariants of the README.
 *
 * Pages are copied under a share lock and taken apart here, whatever is in them:
 * what elsewhere is an error is a row of the result.  Others may write meanwhile.
 * What looks wrong is looked at again, since the change of two pages may have been
 * seen by halves; each change by itself leaves the invariants whole.
 */
#include "postgres.h"
#include "compat.h"

#include <float.h>
#include <math.h>

#include "access/xact.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inspect.h"
#include "hnsw/hnsw_sparse.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

VM_FUNCTION_INFO(vecmark_hnsw_check);

/* Rows returned at most. */
#define MAX_PROBLEMS 1000

/* How often something is looked at before it counts as broken. */
#define ATTEMPTS 3

/* Codes of so many dimensions, and links so many, can be told from chance. */
#define MIN_CODE_DIM 32
#define MIN_CODES 8

typedef struct Problem
{
	int			invariant;
	BlockNumber block;
	uint32		node;			/* or HNSW_NO_NODE */
	char	   *text;
} Problem;

/* A directory page and its chain, as they were at one moment. */
typedef struct DirectoryCopy
{
	HnswDirectory *head;		/* NULL if the page is not there */
	uint16		lower;
	HnswExtraTid *further;		/* of page and chain */
	int			further_count;
	int			further_room;
	int			in_page;		/* of these, the first so many */
	uint32	   *chain;			/* slots of the chain */
	int			chain_count;
	int			chain_room;
	const char *fault;			/* why the chain could not be followed, or
								 * NULL */
	PGAlignedBlock page;
} DirectoryCopy;

typedef struct Check
{
	HnswIndex	index;			/* rel, meta and geometry; the rest is unused */
	BufferAccessStrategy strategy;
	BlockNumber blocks;			/* when the check began */
	uint8	   *unreadable;		/* a bit for each of those */
	uint32		limit;			/* node numbers in the directory then */
	uint8	   *states;			/* HNSW_ENTRY_..., by node number */
	uint8	   *chained;		/* a bit for each slot of the chain in hand */

	Problem		problems[MAX_PROBLEMS];
	int			problem_count;
	int			confirmed;		/* of these, the first so many */

	DirectoryCopy directory;
	char	   *image;			/* a slot */
	char	   *other;			/* one that it leads to */
	HnswSlot   *made;			/* one whose first link is made for comparison */
	char	   *piece;			/* of a multi-page slot */
	float	   *own;			/* vectors of the two */
	float	   *neighbour;
	Tuplesortstate *tids;
} Check;

#define GEOMETRY(check) (&(check)->index.geometry)

/* Note a problem, unless there are too many. */
static void
pg_attribute_printf(5, 6)
note(Check *check, int invariant, BlockNumber block, uint32 node, const char *format,...)
{
	Problem    *problem = &check->problems[check->problem_count];
	va_list		args;
	char text[	256];

	if (check->problem_count == MAX_PROBLEMS)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problem->invariant = invariant;
	problem->block = block;
	problem->node = node;
	problem->text = pstrdup(text);
	check->problem_count++;
}

/* Begin to look at something; what was noted of it before is dropped. */
static void
look_again(Check *check)
{
	while (check->problem_count > check->confirmed)
		pfree(check->problems[--check->problem_count].text);
}

/* End it: whether it is to be looked at again. */
static bool
is_in_doubt(Check *check, int attempt)
{
	CHECK_FOR_INTERRUPTS();
	if (check->problem_count > check->confirmed && attempt + 1 < ATTEMPTS)
	{
		pg_usleep(1000L);
		return true;
	}
	check->confirmed = check->problem_count;
	return false;
}

static bool
is_full(const Check *check)
{
	return check->confirmed == MAX_PROBLEMS;
}

/* ---- pages */

/*
 * Pin and share-lock a block.  False, with nothing to release, if there is no
 * such block or it cannot be read.
 */
static bool
open_page(Check *check, BlockNumber block, Buffer * buffer)
{
	if (block < check->blocks ? (check->unreadable[block / 8] & (1 << block % 8)) != 0 :
		block >= RelationGetNumberOfBlocks(check->index.rel))
		return false;
	*buffer = ReadBufferExtended(check->index.rel, MAIN_FORKNUM, block, RBM_NORMAL, check->strategy);
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	return true;
}

/* Whether a page has the head and special space of a kind. */
static bool
is_kind(Page page, uint16 kind)
{
	PageHeader	header = (PageHeader) page;
	HnswPageSpecial *special = (HnswPageSpecial *) ((char *) page + BLCKSZ - MAXALIGN(sizeof(HnswPageSpecial)));

	return !PageIsNew(page) && header->pd_special == BLCKSZ - MAXALIGN(sizeof(HnswPageSpecial)) &&
		header->pd_lower >= HNSW_PAGE_HEADER && header->pd_lower <= header->pd_upper &&
		header->pd_upper == header->pd_special &&
		special->page_id == HNSW_PAGE_ID && special->kind == kind;
}

/* The kind of page that a block is to be, and how far it may be used. */
static uint16
expected_kind(Check *check, BlockNumber block)
{
	if (block == HNSW_META_BLOCK)
		return HNSW_PAGE_META;
	return (block - 1) % GEOMETRY(check)->group_pages == 0 ? HNSW_PAGE_DIRECTORY : HNSW_PAGE_SLOTS;
}

/* Whether pd_lower is where slots can end. */
static bool
is_lower_of_slots(Check *check, BlockNumber block, uint16 lower)
{
	const HnswGeometry *g = GEOMETRY(check);
	uint32		part = ((block - 1) % g->group_pages - 1) % g->pages_per_slot;
	uint32		length = lower - HNSW_PAGE_HEADER;

	if (g->pages_per_slot == 1)
		return length % g->slot_size == 0;
	return length == Min(HNSW_PAGE_ROOM, g->slot_size - part * HNSW_PAGE_ROOM);
}

/* Invariant 1, of one page. */
static void
check_frame(Check *check, BlockNumber block)
{
	uint16		kind = expected_kind(check, block);
	Buffer		buffer = ReadBufferExtended(check->index.rel, MAIN_FORKNUM, block, RBM_NORMAL, check->strategy);
	Page		page = BufferGetPage(buffer);
	PageHeader	header = (PageHeader) page;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageIsNew(page))
	{
		if (block == HNSW_META_BLOCK)
			note(check, 1, block, HNSW_NO_NODE, "metapage is empty");
	}
	else if (!is_kind(page, kind))
		note(check, 1, block, HNSW_NO_NODE, "page is not a page of kind %d", kind);
	else
	{
		char	   *end = (char *) page + header->pd_upper;
		char	   *p = (char *) page + header->pd_lower;

		while (p < end && *p == 0)
			p++;
		if (p < end)
			note(check, 1, block, HNSW_NO_NODE, "byte %d, which nothing uses, is not zero", (int) (p - (char *) page));
		if (kind == HNSW_PAGE_SLOTS && !is_lower_of_slots(check, block, header->pd_lower))
			note(check, 1, block, HNSW_NO_NODE, "page is used up to byte %d, where no slot ends", header->pd_lower);
	}
	UnlockReleaseBuffer(buffer);
}

/*
 * Look at blocks from "first" on.  One that the server itself takes for broken,
 * as when its checksum is wrong, ends this; returns its number, and its error.
 */
static BlockNumber
check_frames_until_error(Check *check, BlockNumber first, BlockNumber end, char **message)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile	BlockNumber block = first;

	*message = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		for (; block < end && !is_full(check); block++)
		{
			CHECK_FOR_INTERRUPTS();
			check_frame(check, block);
			check->confirmed = check->problem_count;
		}
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
			ReThrowError(error);
		*message = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return block;
}

static void
check_frames(Check *check, BlockNumber first, BlockNumber end)
{
	while (first < end && !is_full(check))
	{
		char	   *message;
		BlockNumber block = check_frames_until_error(check, first, end, &message);

		if (message != NULL)
		{
			note(check, 1, block, HNSW_NO_NODE, "page cannot be read: %s", message);
			check->confirmed = check->problem_count;
			check->unreadable[block / 8] |= 1 << block % 8;
		}
		first = block + 1;
	}
}

/* ---- metapage */

/*
 * Read the metapage again; false if it is none that the others could be
 * understood by.
 */
static bool
read_meta_copy(Check *check, HnswMeta *meta)
{
	Buffer		buffer;
	bool		good;

	if (!open_page(check, HNSW_META_BLOCK, &buffer))
		return false;
	good = is_kind(BufferGetPage(buffer), HNSW_PAGE_META);
	if (good)
		memcpy(meta, PageGetContents(BufferGetPage(buffer)), sizeof(HnswMeta));
	UnlockReleaseBuffer(buffer);
	return good;
}

/* Invariant 1, of the metapage.  False if nothing else can be understood. */
static bool
check_meta(Check *check)
{
	HnswMeta   *meta = &check->index.meta;
	HnswShape	shape;

	check_frames(check, HNSW_META_BLOCK, Min(check->blocks, 1));
	if (check->problem_count > 0)
		return false;
	if (!read_meta_copy(check, meta))
	{
		note(check, 1, HNSW_META_BLOCK, HNSW_NO_NODE, "there is no metapage");
		return false;
	}
	if (meta->magic != HNSW_META_MAGIC)
		note(check, 1, HNSW_META_BLOCK, HNSW_NO_NODE, "magic number of the metapage is %08x", meta->magic);
	if (meta->version != HNSW_VERSION)
		note(check, 1, HNSW_META_BLOCK, HNSW_NO_NODE, "version of the index is %u, not %d", meta->version, HNSW_VERSION);
	shape = (HnswShape)
	{
		meta->dim, meta->metric, meta->storage, meta->bits, meta->links
	};
	if (!hnsw_geometry(&shape, GEOMETRY(check)))
		note(check, 1, HNSW_META_BLOCK, HNSW_NO_NODE, "shape of the index is impossible");
	if (meta->metric != hnsw_opclass(check->index.rel)->metric)
		note(check, 1, HNSW_META_BLOCK, HNSW_NO_NODE, "metric of the index is %d, that of its operator class %d",
			 meta->metric, hnsw_opclass(check->index.rel)->metric);
	if (check->problem_count > 0)
		return false;
	if (meta->m < HNSW_MIN_M || meta->m > HNSW_MAX_M ||
		meta->ef_construction < HNSW_MIN_EF_CONSTRUCTION || meta->ef_construction > HNSW_MAX_EF_CONSTRUCTION ||
		meta->branching < 2)
		note(check, 1, HNSW_META_BLOCK, HNSW_NO_NODE, "options of the index are impossible: m %u, ef_construction %u, branching %u",
			 meta->m, meta->ef_construction, meta->branching);
	check->confirmed = check->problem_count;
	return true;
}

/* ---- directory */

static BlockNumber
directory_block(Check *check, uint32 node)
{
	return hnsw_directory_block(GEOMETRY(check), node);
}

/* Numbers that the index has slots for, as long as it is now. */
static uint32
slot_limit(Check *check)
{
	return hnsw_node_limit(GEOMETRY(check), RelationGetNumberOfBlocks(check->index.rel));
}

/* The entry of a node now; FREE if there is none. */
static HnswEntry
read_entry(Check *check, uint32 node)
{
	HnswEntry	entry = {0};
	uint32		i = hnsw_directory_index(GEOMETRY(check), node);
	Buffer		buffer;

	if (!open_page(check, directory_block(check, node), &buffer))
		return entry;
	if (is_kind(BufferGetPage(buffer), HNSW_PAGE_DIRECTORY) &&
		i < HNSW_DIRECTORY(BufferGetPage(buffer))->used)
		entry = HNSW_DIRECTORY(BufferGetPage(buffer))->entries[i];
	UnlockReleaseBuffer(buffer);
	return entry;
}

static void
add_further(DirectoryCopy *copy, const HnswExtraTid *further, int count)
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
copy_chain(Check *check, DirectoryCopy *copy)
{
	const HnswGeometry *g = GEOMETRY(check);
	uint32		node = copy->head->overflow;

	while (node != HNSW_NO_NODE)
	{
		Buffer		buffer;
		HnswSlot   *slot;

		if (node >= check->limit && node >= slot_limit(check))
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
		if (!open_page(check, hnsw_slot_block(g, node), &buffer))
		{
			copy->fault = "a chain of TIDs leads to a page that cannot be read";
			return;
		}
		slot = (HnswSlot *) ((char *) BufferGetPage(buffer) + hnsw_slot_offset(g, node));
		if (!is_kind(BufferGetPage(buffer), HNSW_PAGE_SLOTS) || slot->kind != HNSW_SLOT_TIDS ||
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
copy_directory(Check *check, DirectoryCopy *copy, BlockNumber block)
{
	const HnswGeometry *g = GEOMETRY(check);
	Buffer		buffer;

	/* What was in the last chain may be in this one: it may be the same. */
	for (int i = 0; i < copy->chain_count; i++)
	{
		if (copy->chain[i] < check->limit)
			check->chained[copy->chain[i] / 8] &= ~(1 << copy->chain[i] % 8);
	}
	copy->head = NULL;
	copy->further_count = copy->chain_count = copy->in_page = 0;
	copy->fault = NULL;
	if (!open_page(check, block, &buffer))
		return;
	memcpy(copy->page.data, BufferGetPage(buffer), BLCKSZ);
	if (is_kind(copy->page.data, HNSW_PAGE_DIRECTORY))
	{
		copy->head = HNSW_DIRECTORY(copy->page.data);
		copy->lower = ((PageHeader) copy->page.data)->pd_lower;
		copy->in_page = Min(copy->head->extra, HNSW_EXTRA_ROOM(g));
		add_further(copy, HNSW_EXTRA_TIDS(g, copy->head), copy->in_page);
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
check_directory_copy(Check *check, const DirectoryCopy *copy, uint32 group, bool last)
{
	const HnswGeometry *g = GEOMETRY(check);
	HnswDirectory *head = copy->head;
	BlockNumber block = 1 + group * g->group_pages;
	uint32		first = group * g->group_nodes;
	int			used = Min(head->used, g->group_nodes);
	bool	   *has_further = palloc0(sizeof(bool) * g->group_nodes);

	if (head->used > g->group_nodes)
		note(check, 2, block, HNSW_NO_NODE, "%u entries are in use, and there are %u", head->used, g->group_nodes);
	else if (head->used < g->group_nodes && !last)
		note(check, 2, block, HNSW_NO_NODE, "%u of %u entries are in use, and this is not the last directory page",
			 head->used, g->group_nodes);
	if (head->extra > HNSW_EXTRA_ROOM(g))
		note(check, 4, block, HNSW_NO_NODE, "%u further TIDs are in the page, which has room for %d",
			 head->extra, HNSW_EXTRA_ROOM(g));
	else if (copy->lower != (char *) (HNSW_EXTRA_TIDS(g, head) + head->extra) - copy->page.data)
		note(check, 1, block, HNSW_NO_NODE, "page is used up to byte %u, where no further TID ends", copy->lower);
	if (copy->fault != NULL)
		note(check, 4, block, HNSW_NO_NODE, "%s", copy->fault);
	for (int i = used; i < g->group_nodes; i++)
	{
		if (head->entries[i].state != HNSW_ENTRY_FREE)
			note(check, 2, block, first + i, "entry is beyond those in use, and not free");
	}
	for (int i = 0; i < copy->further_count; i++)
	{
		const HnswExtraTid *further = &copy->further[i];

		if (further->index >= used || HNSW_ENTRY_STATE(&head->entries[further->index]) != HNSW_ENTRY_LIVE)
			note(check, 4, block, first + further->index, "a further TID is of an entry that is not live");
		else
			has_further[further->index] = true;
		if (!ItemPointerIsValid(&further->tid))
			note(check, 4, block, first + further->index, "a further TID is invalid");
	}
	for (int i = 0; i < used; i++)
	{
		HnswEntry  *entry = &head->entries[i];
		uint16		state = HNSW_ENTRY_STATE(entry);

		if (state > HNSW_ENTRY_TIDS || (entry->state & ~(0xff | HNSW_ENTRY_MORE)) != 0)
			note(check, 3, block, first + i, "entry has state %u, which is none", entry->state);
		else if (entry->state & HNSW_ENTRY_MORE && state != HNSW_ENTRY_LIVE)
			note(check, 4, block, first + i, "entry is not live, and has further TIDs");
		else if ((entry->state & HNSW_ENTRY_MORE) != 0 && !has_further[i] && copy->fault == NULL)
			note(check, 4, block, first + i, "entry says that it has further TIDs, and has none");
		else if ((entry->state & HNSW_ENTRY_MORE) == 0 && has_further[i])
			note(check, 4, block, first + i, "entry has further TIDs, and does not say so");
		if (state == HNSW_ENTRY_LIVE && !ItemPointerIsValid(&entry->tid))
			note(check, 4, block, first + i, "entry is live, and its TID is invalid");
	}
	pfree(has_further);
}

/* Take the TIDs of a directory page down, and the states of its nodes. */
static void
collect_tids(Check *check, DirectoryCopy *copy, uint32 group)
{
	const HnswGeometry *g = GEOMETRY(check);

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

/* Whether there are directory pages with nodes beyond a group. */
static bool
is_last_group(Check *check, uint32 group)
{
	return RelationGetNumberOfBlocks(check->index.rel) <= 1 + (group + 1) * GEOMETRY(check)->group_pages;
}

static void
check_directory(Check *check, uint32 group)
{
	const HnswGeometry *g = GEOMETRY(check);
	DirectoryCopy *copy = &check->directory;
	BlockNumber block = 1 + group * g->group_pages;
	int			attempt = 0;

	do
	{
		bool		last = is_last_group(check, group);

		look_again(check);
		copy_directory(check, copy, block);
		if (copy->head == NULL)
		{
			if (!last)
				note(check, 2, block, HNSW_NO_NODE, "there is no directory page, and this is not where the last would be");
			continue;
		}
		check_directory_copy(check, copy, group, last);
		for (int i = 0; i < copy->chain_count; i++)
		{
			HnswEntry	entry = read_entry(check, copy->chain[i]);

			if (HNSW_ENTRY_STATE(&entry) != HNSW_ENTRY_TIDS)
				note(check, 3, block, copy->chain[i], "a chain of TIDs leads to a slot whose entry has state %u",
					 entry.state);
		}
	} while (is_in_doubt(check, attempt++));
	if (copy->head != NULL)
		collect_tids(check, copy, group);
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
count_twice(Check *check, const int64 *twice, int *seen, int count, ItemPointer tid, uint32 node, BlockNumber block)
{
	int64		value = tid_to_int64(tid);
	const int64 *found = bsearch(&value, twice, count, sizeof(int64), compare_int64);

	if (found != NULL && ++seen[found - twice] == 2)
		note(check, 4, block, node, "TID (%u,%u) is in the index twice", ItemPointerGetBlockNumberNoCheck(tid),
			 ItemPointerGetOffsetNumberNoCheck(tid));
}

/*
 * Invariant 4: no TID twice.  What was met twice may have been of a row that was
 * removed and then of another in its place, so look once more.
 */
static void
check_tids(Check *check)
{
	const HnswGeometry *g = GEOMETRY(check);
	DirectoryCopy *copy = &check->directory;
	int64		twice[MAX_PROBLEMS];
	int			seen[MAX_PROBLEMS] = {0};
	int			count = 0;
	int64		last = -1;
	Datum		value;
	bool		is_null;

	tuplesort_performsort(check->tids);
	while (count < MAX_PROBLEMS && vm_tuplesort_getdatum(check->tids, &value, &is_null))
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

/* ---- slots */

/*
 * Copy a whole slot.  Returns NULL if there is none: its pages are missing,
 * zero, of another kind or cannot be read.  Nothing in it has been checked.
 */
static HnswSlot *
copy_slot(Check *check, uint32 node, char *image)
{
	const HnswGeometry *g = GEOMETRY(check);
	BlockNumber block = hnsw_slot_block(g, node);
	Buffer		first;
	bool		good;

	if (!open_page(check, block, &first))
		return NULL;
	good = is_kind(BufferGetPage(first), HNSW_PAGE_SLOTS);
	if (good && g->pages_per_slot == 1)
		memcpy(image, (char *) BufferGetPage(first) + hnsw_slot_offset(g, node), g->slot_size);
	else if (good)
		memcpy(image, (char *) BufferGetPage(first) + HNSW_PAGE_HEADER, HNSW_PAGE_ROOM);
	for (uint32 i = 1; good && i < g->pages_per_slot && ((HnswSlot *) image)->kind != HNSW_SLOT_TIDS; i++)
	{
		Buffer		buffer;

		if (!open_page(check, block + i, &buffer))
		{
			good = false;
			break;
		}
		good = is_kind(BufferGetPage(buffer), HNSW_PAGE_SLOTS);
		memcpy(image + (Size) i * HNSW_PAGE_ROOM, (char *) BufferGetPage(buffer) + HNSW_PAGE_HEADER, HNSW_PAGE_ROOM);
		UnlockReleaseBuffer(buffer);
	}
	UnlockReleaseBuffer(first);
	return good ? (HnswSlot *) image : NULL;
}

/* Whether a slot is that of a node, as far as its head shows. */
static bool
is_node(Check *check, const HnswSlot *slot, uint32 node)
{
	return slot != NULL && slot->kind == HNSW_SLOT_NODE && slot->node == node && slot->level <= HNSW_MAX_LEVEL;
}

/* Whether a state is that of a node on a level. */
static bool
is_state_of_level(uint16 state, int level)
{
	if (level > 0)
		return state == HNSW_ENTRY_UPPER;
	return state == HNSW_ENTRY_LIVE || state == HNSW_ENTRY_DEAD;
}

/* Invariant 5, for a sparse vector, which is in check->own. */
static void
check_sparse(Check *check, const HnswSlot *slot, BlockNumber block)
{
	const HnswSparse *sparse = (const HnswSparse *) check->own;
	double		norm = 0;

	if (slot->scale != 1 || slot->error != sparse->error || !(slot->error >= 0) || !isfinite(slot->error))
		note(check, 5, block, slot->node, "scale is %g and error %g, not 1 and %g", slot->scale, slot->error, sparse->error);
	if (sparse->count < 0 || sparse->count > HNSW_SPARSE_KEPT)
		note(check, 5, block, slot->node, "vector has %d elements", sparse->count);
	for (int i = 0; i < HNSW_SPARSE_KEPT; i++)
	{
		bool		none = i >= sparse->count;

		norm += (double) sparse->values[i] * sparse->values[i];
		if (none ? sparse->values[i] != 0 || sparse->indices[i] != 0 : i > 0 && sparse->indices[i - 1] >= sparse->indices[i])
			note(check, 5, block, slot->node, "element %d of the vector is out of place", i);
	}
	if (!(fabs(slot->norm - norm) <= 1e-3 * norm + FLT_MIN))
		note(check, 5, block, slot->node, "norm is %g, that of the vector %g", slot->norm, norm);
}

/* Invariant 5: what a slot says of its vector; its floats are in check->own. */
static void
check_vector(Check *check, const HnswSlot *slot, BlockNumber block)
{
	const HnswGeometry *g = GEOMETRY(check);
	int			dim = g->shape.dim;
	double		norm = 0;
	double		error;

	if (g->shape.storage == HNSW_SPARSE)
	{
		check_sparse(check, slot, block);
		return;
	}
	for (int i = 0; i < dim && !hnsw_is_bits(g->shape.metric); i++)
		norm += (double) check->own[i] * check->own[i];
	if (g->shape.metric == HNSW_POINCARE)
	{
		if (!(norm < 1))
			note(check, 5, block, slot->node, "vector of squared length %g is not in the ball", norm);
		norm = 1 - norm;
	}
	if (g->shape.storage == HNSW_FLOAT32)
	{
		if (slot->scale != 1 || slot->error != 0)
			note(check, 5, block, slot->node, "scale is %g and error %g, not 1 and 0", slot->scale, slot->error);
	}
	else
	{
		/* Each number is off by half a step at most. */
		error = slot->scale / 2.0 * (g->shape.metric == HNSW_L1 ? dim : sqrt(dim)) * 1.001 + FLT_MIN;
		if (!(slot->scale >= 0) || !isfinite(slot->scale))
			note(check, 5, block, slot->node, "scale is %g", slot->scale);
		else if (!(slot->error >= 0) || (slot->error > error && slot->scale > 0))
			note(check, 5, block, slot->node, "error is %g, and can be %g at most", slot->error, error);
	}
	if (!isfinite(norm))
		note(check, 5, block, slot->node, "vector holds a number that is not finite");
	else if (norm > FLT_MAX ? !(slot->norm > FLT_MAX / 2) : !(fabs(slot->norm - norm) <= 1e-3 * norm + FLT_MIN))
		note(check, 5, block, slot->node, "norm is %g, that of the vector %g", slot->norm, norm);
}

/* Invariant 5: the numbers of the links. */
static void
check_numbers(Check *check, const HnswSlot *slot, BlockNumber block)
{
	const uint32 *links = hnsw_slot_links(GEOMETRY(check), slot);
	uint32		limit = slot_limit(check);

	for (int i = 0; i < slot->count; i++)
	{
		uint32		node = HNSW_LINK_NODE(links[i]);

		if (node >= limit)
			note(check, 5, block, slot->node, "link %d leads to %u, beyond the end", i, node);
		if (node == slot->node)
			note(check, 5, block, slot->node, "link %d leads to the node itself", i);
		for (int j = 0; j < i; j++)
		{
			if (HNSW_LINK_NODE(links[j]) == node)
				note(check, 5, block, slot->node, "links %d and %d both lead to %u", j, i, node);
		}
	}
}

typedef enum Fit
{
	FIT_GOOD,
	FIT_STALE,					/* the code of some other vector */
	FIT_WRONG					/* this vector's code, with wrong factors */
} Fit;

/* Whether a link, but for its number, is what hnsw_slot_set_link makes of the two. */
static bool
is_made_so(Check *check, const HnswSlot *slot, int link)
{
	const HnswGeometry *g = GEOMETRY(check);

	hnsw_slot_set_link(g, check->made, 0, 0, check->own, check->neighbour);
	return memcmp(hnsw_slot_code(g, slot, link), hnsw_slot_code(g, check->made, 0), g->code_bytes) == 0 &&
		(hnsw_is_bits(g->shape.metric) ||
		 memcmp(hnsw_slot_factors(g, slot) + link, hnsw_slot_factors(g, check->made), sizeof(HnswFactors)) == 0);
}

/*
 * Whether the code of a link is that of the neighbour whose vector is in
 * check->neighbour; the node's own is in check->own.
 *
 * The factors say how long the residual r was, and how far it goes along the code
 * x.  Build codes a neighbour as it is rounded to int8, so that r may be off by as
 * much.  With x all at right angles to r the code is of another vector: the slot
 * was freed and taken again.
 */
static Fit
fit_code(Check *check, const HnswSlot *slot, int link)
{
	const HnswGeometry *g = GEOMETRY(check);
	int			dim = g->shape.dim;
	int			bits = g->shape.bits;
	const HnswFactors *factors = hnsw_slot_factors(g, slot) + link;
	const uint8 *code = hnsw_slot_code(g, slot, link);
	double		r2 = 0;
	double		r1 = 0;
	double		x2 = 0;
	double		xr = 0;
	double		xc = 0;
	double		absolute_xc = 0;
	double		c2 = 0;
	double		rc = 0;
	double		largest = 0;
	double		length;
	double		off;
	double		slack;
	double		k;
	bool		good;

	/* Those are made of vectors that nothing has been lost of, at build too. */
	if (hnsw_is_bits(g->shape.metric) || g->shape.storage == HNSW_SPARSE)
		return is_made_so(check, slot, link) ? FIT_GOOD : FIT_STALE;
	for (int i = 0; i < dim; i++)
	{
		double		c = check->own[i];
		double		r = check->neighbour[i] - c;
		int			level = 0;
		double		x;

		for (int plane = 0; plane < bits; plane++)
			level |= (code[plane * g->plane_bytes + i / 8] >> i % 8 & 1) << plane;
		x = 2 * level + 1 - (1 << bits);
		r2 += r * r;
		r1 += fabs(r);
		x2 += x * x;
		xr += x * r;
		xc += x * c;
		absolute_xc += fabs(x * c);
		c2 += c * c;
		rc += r * c;
		largest = fmax(largest, fabs(check->neighbour[i]));
	}
	length = sqrt(r2);
	off = 1.01 * largest / 127 / 2 * sqrt(dim);
	slack = 1e-4 * (fabs(factors->multiply) * absolute_xc + fabs(factors->add) + r2 + FLT_MIN);

	/*
	 * Floats of the page that overflow, or would in the sums it was made
	 * with.
	 */
	if (!isfinite(slack) || r2 > FLT_MAX / 4 || c2 > FLT_MAX / 4)
		return FIT_GOOD;
	switch (g->shape.metric)
	{
		case HNSW_L1:
			k = r2 / fmax(xr, FLT_MIN);
			good = factors->add == 0 && fabs(factors->multiply * (double) dim - r1) <= off * sqrt(dim) + 1e-3 * r1;
			break;
		case HNSW_IP:
			k = -factors->multiply;
			good = fabs(factors->add + factors->multiply * xc + rc) <= sqrt(c2) * off + slack;
			break;
		default:
			k = -factors->multiply / 2.0;
			good = fabs(factors->add + factors->multiply * xc - r2) <= 2 * length * off + off * off + slack;
			break;
	}

	if (g->shape.metric == HNSW_POINCARE)
	{
		double		scale = hnsw_slot_scales(g, slot)[link];
		double		neighbour2 = 0;

		for (int i = 0; i < dim; i++)
			neighbour2 += (double) check->neighbour[i] * check->neighbour[i];
		good = good && fabs(scale * (1 - neighbour2) - 1) <= 1e-6;
	}

	/*
	 * Is k x as long along r as r?  Where rounding is all there is, who
	 * knows.
	 */
	if (length < 4 * off)
		return good ? FIT_GOOD : FIT_STALE;
	if (xr < 0.5 * sqrt(x2) * length)
		return FIT_STALE;
	good = good && fabs(k * xr - r2) <= 2 * length * off + off * off + r2 / xr * sqrt(x2) * off + 1e-3 * r2;
	if (good)
		return FIT_GOOD;
	return dim < MIN_CODE_DIM ? FIT_STALE : FIT_WRONG;
}

/* Invariants 6 and 7, of one node. */
static void
check_neighbours(Check *check, const HnswSlot *slot, BlockNumber block, bool again)
{
	const HnswGeometry *g = GEOMETRY(check);
	const uint32 *links = hnsw_slot_links(g, slot);
	int			good = 0;
	int			stale = 0;

	for (int i = 0; i < slot->count; i++)
	{
		uint32		node = HNSW_LINK_NODE(links[i]);
		uint16		state;
		const HnswSlot *other;

		if (again || node >= check->limit)
		{
			HnswEntry	entry = read_entry(check, node);

			state = HNSW_ENTRY_STATE(&entry);
		}
		else
			state = check->states[node];
		if (state == HNSW_ENTRY_FREE || state == HNSW_ENTRY_TIDS)
			continue;
		other = copy_slot(check, node, check->other);
		if (!is_node(check, other, node))
			continue;
		hnsw_slot_load(g, other, check->neighbour);
		switch (fit_code(check, slot, i))
		{
			case FIT_GOOD:
				good++;
				if (other->level != slot->level && g->shape.dim >= MIN_CODE_DIM)
					note(check, 6, block, slot->node, "link %d of level %d leads to node %u of level %d",
						 i, slot->level, node, other->level);
				break;
			case FIT_STALE:
				stale++;
				break;
			case FIT_WRONG:
				if (other->level == slot->level)
					note(check, 7, block, slot->node, "factors of link %d are not those of its code of node %u", i, node);
				break;
		}
	}
	if (good == 0 && stale >= MIN_CODES)
		note(check, 7, block, slot->node, "none of %d codes is that of a neighbour", stale);
}

/* Invariant 9. */
static void
check_down(Check *check, const HnswSlot *slot, const HnswEntry *entry, BlockNumber block)
{
	const HnswGeometry *g = GEOMETRY(check);
	HnswEntry	below;
	const HnswSlot *other;

	if (ItemPointerGetBlockNumberNoCheck(&entry->tid) != slot->down || ItemPointerGetOffsetNumberNoCheck(&entry->tid) != 1)
		note(check, 9, directory_block(check, slot->node), slot->node,
			 "entry names (%u,%u) as the node below, the slot %u", ItemPointerGetBlockNumberNoCheck(&entry->tid),
			 ItemPointerGetOffsetNumberNoCheck(&entry->tid), slot->down);
	if (slot->down >= slot_limit(check))
	{
		note(check, 9, block, slot->node, "node below is %u, beyond the end", slot->down);
		return;
	}
	below = read_entry(check, slot->down);
	if (!is_state_of_level(HNSW_ENTRY_STATE(&below), slot->level - 1))
	{
		note(check, 9, block, slot->node, "entry of the node below, %u, has state %u", slot->down, below.state);
		return;
	}
	other = copy_slot(check, slot->down, check->other);
	if (!is_node(check, other, slot->down))
		return;
	if (other->level != slot->level - 1)
		note(check, 9, block, slot->node, "node below, %u, is of level %d", slot->down, other->level);
	else if (other->scale != slot->scale || other->error != slot->error || other->norm != slot->norm ||
			 memcmp(hnsw_slot_vector(g, other), hnsw_slot_vector(g, slot), g->ids_offset - g->vector_offset) != 0)
		note(check, 9, block, slot->node, "node below, %u, has another vector", slot->down);
}

/* Invariant 11. */
static void
check_odd(Check *check, const HnswSlot *slot, uint16 state, BlockNumber block)
{
	if (state == HNSW_ENTRY_UPPER)
		note(check, 11, block, slot->node, "node of the vectors without direction is of an upper level");
	if (slot->count != 0)
		note(check, 11, block, slot->node, "node of the vectors without direction has links");
	for (int i = 0; i < GEOMETRY(check)->words; i++)
	{
		if (check->own[i] != 0)
		{
			note(check, 11, block, slot->node, "node of the vectors without direction has one");
			break;
		}
	}
}

/* Whether what is below an upper node, on the lowest level, has rows. */
static bool
has_live_base(Check *check, HnswEntry entry)
{
	for (int level = 0; level <= HNSW_MAX_LEVEL && HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_UPPER; level++)
		entry = read_entry(check, ItemPointerGetBlockNumberNoCheck(&entry.tid));
	return HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE;
}

/* Invariants 3 and 5 to 9 and 11, of one node. */
static void
check_node_once(Check *check, uint32 node, bool again)
{
	const HnswGeometry *g = GEOMETRY(check);
	BlockNumber block = hnsw_slot_block(g, node);
	HnswEntry	entry = read_entry(check, node);
	uint16		state = HNSW_ENTRY_STATE(&entry);
	HnswSlot   *slot;

	if (state == HNSW_ENTRY_FREE || state > HNSW_ENTRY_TIDS)
		return;
	slot = copy_slot(check, node, check->image);
	if (slot == NULL)
	{
		note(check, 3, block, node, "entry has state %u, and there is no slot", entry.state);
		return;
	}
	if (state == HNSW_ENTRY_TIDS)
	{
		if (slot->kind != HNSW_SLOT_TIDS || slot->node != node)
			note(check, 3, block, node, "slot is not one of TIDs: kind %u, number %u", slot->kind, slot->node);
		return;
	}
	if (!is_node(check, slot, node) || !is_state_of_level(state, slot->level))
	{
		note(check, 3, block, node, "slot is not that of an entry of state %u: kind %u, number %u, level %u",
			 entry.state, slot->kind, slot->node, slot->level);
		return;
	}
	if (slot->count > g->shape.links)
	{
		note(check, 5, block, node, "there are %u links, and room for %d", slot->count, g->shape.links);
		slot->count = g->shape.links;
	}
	hnsw_slot_load(g, slot, check->own);
	check_vector(check, slot, block);
	check_numbers(check, slot, block);
	if (slot->level > 0)
		check_down(check, slot, &entry, block);
	if (node == check->index.meta.odd)
		check_odd(check, slot, state, block);
	/* One that a crash left above the entry point leads nowhere, or is to go. */
	if (slot->level > check->index.meta.entry_level && slot->count > 0 && has_live_base(check, entry))
		note(check, 8, block, node, "node is of level %u, the entry point of level %d",
			 slot->level, check->index.meta.entry_level);
	check_neighbours(check, slot, block, again);
}

static void
check_node(Check *check, uint32 node)
{
	int			attempt = 0;

	do
	{
		look_again(check);
		/* The entry point may have risen since. */
		if (attempt > 0)
			(void) read_meta_copy(check, &check->index.meta);
		check_node_once(check, node, attempt > 0);
	} while (is_in_doubt(check, attempt++));
}

/* Invariants 8 and 11: what the metapage leads to. */
static void
check_entry(Check *check)
{
	HnswMeta   *meta = &check->index.meta;
	int			attempt = 0;

	do
	{
		HnswEntry	entry;
		const HnswSlot *slot;

		look_again(check);
		if (!read_meta_copy(check, meta))
			return;
		if (meta->odd != HNSW_NO_NODE)
		{
			entry = read_entry(check, meta->odd);
			if (meta->metric != HNSW_COSINE)
				note(check, 11, HNSW_META_BLOCK, meta->odd, "there is a node of vectors without direction, and the metric needs none");
			else if (meta->odd >= slot_limit(check) || !is_state_of_level(HNSW_ENTRY_STATE(&entry), 0))
				note(check, 11, HNSW_META_BLOCK, meta->odd, "entry of the node of vectors without direction has state %u", entry.state);
		}
		if (meta->entry == HNSW_NO_NODE)
		{
			if (meta->entry_level != -1)
				note(check, 8, HNSW_META_BLOCK, HNSW_NO_NODE, "there is no entry point, and its level is %d", meta->entry_level);
			for (uint32 node = 0; node < check->limit; node++)
			{
				if (check->states[node] != HNSW_ENTRY_LIVE || node == meta->odd)
					continue;
				entry = read_entry(check, node);
				if (HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE)
				{
					note(check, 8, HNSW_META_BLOCK, node, "node is live, and there is no entry point");
					break;
				}
			}
			continue;
		}
		if (meta->entry >= slot_limit(check))
		{
			note(check, 8, HNSW_META_BLOCK, meta->entry, "entry point is beyond the end");
			continue;
		}
		if (meta->entry == meta->odd)
			note(check, 8, HNSW_META_BLOCK, meta->entry, "entry point is the node of vectors without direction");
		entry = read_entry(check, meta->entry);
		if (!is_state_of_level(HNSW_ENTRY_STATE(&entry), meta->entry_level))
			note(check, 8, HNSW_META_BLOCK, meta->entry, "entry of the entry point has state %u, and its level is %d",
				 entry.state, meta->entry_level);
		slot = copy_slot(check, meta->entry, check->image);
		if (!is_node(check, slot, meta->entry) || slot->level != meta->entry_level)
			note(check, 8, HNSW_META_BLOCK, meta->entry, "entry point is not a node of level %d", meta->entry_level);
	} while (is_in_doubt(check, attempt++));
}

/* ---- the function */

static void
check_index(Check *check)
{
	const HnswGeometry *g = GEOMETRY(check);
	uint32		groups;
	Size		image_size;

	check->blocks = RelationGetNumberOfBlocks(check->index.rel);
	check->unreadable = palloc0(check->blocks / 8 + 1);
	if (!check_meta(check))
		return;
	check_frames(check, 1, check->blocks);

	groups = check->blocks < 2 ? 0 : (check->blocks - 2) / g->group_pages + 1;
	check->limit = groups * g->group_nodes;
	check->states = MemoryContextAllocExtended(CurrentMemoryContext, check->limit + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	check->chained = palloc0(check->limit / 8 + 1);
	image_size = Max((Size) g->pages_per_slot * HNSW_PAGE_ROOM, g->slot_size);
	check->image = palloc0(image_size);
	check->other = palloc0(image_size);
	check->made = palloc0(image_size);
	check->own = palloc(sizeof(float) * g->words);
	check->neighbour = palloc(sizeof(float) * g->words);
	check->tids = tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid, false, maintenance_work_mem,
										NULL, TUPLESORT_NONE);
	for (uint32 group = 0; group < groups && !is_full(check); group++)
		check_directory(check, group);
	check_tids(check);
	check_entry(check);
	for (uint32 node = 0; node < check->limit && !is_full(check); node++)
	{
		if (check->states[node] != HNSW_ENTRY_FREE)
			check_node(check, node);
	}
}

/*
 * SQL: vecmark.hnsw_check(index regclass), one row for each thing found that
 * breaks an invariant.
 *
 * Errors: 42809 when it is no index of ours, 42501 when the caller may not.
 */
Datum
vecmark_hnsw_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	HnswInspected inspected = hnsw_inspect_open(PG_GETARG_OID(0), HNSW_INSPECT_PAGES);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw check", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Check	   *check;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(context);
	check = palloc0(sizeof(Check));
	check->index.rel = inspected.index;
	check->strategy = GetAccessStrategy(BAS_BULKREAD);
	check_index(check);
	for (int i = 0; i < check->problem_count; i++)
	{
		const Problem *problem = &check->problems[i];
		Datum		values[4];
		bool		nulls[4] = {false, false, problem->node == HNSW_NO_NODE, false};

		values[0] = Int32GetDatum(problem->invariant);
		values[1] = Int64GetDatum((int64) problem->block);
		values[2] = Int64GetDatum((int64) problem->node);
		values[3] = CStringGetTextDatum(problem->text);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	hnsw_inspect_close(&inspected);
	return (Datum) 0;
}
