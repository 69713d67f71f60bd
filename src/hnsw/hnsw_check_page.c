/*
 * hnsw_check_page.c: how problems are noted, and the frames of pages: what all of a check stands on.
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "hnsw/hnsw_check.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* How often something is looked at before it counts as broken. */
#define ATTEMPTS 3

/* Note a problem, unless there are too many. */
void
hnsw_check_note(HnswCheck *check, int invariant, BlockNumber block, uint32 node, const char *format,...)
{
	HnswProblem *problem = &check->problems[check->problem_count];
	va_list		args;
	char text[	256];

	if (check->problem_count == HNSW_CHECK_MAX_PROBLEMS)
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
void
hnsw_check_look_again(HnswCheck *check)
{
	while (check->problem_count > check->confirmed)
		pfree(check->problems[--check->problem_count].text);
}

/* End it: whether it is to be looked at again. */
bool
hnsw_check_is_in_doubt(HnswCheck *check, int attempt)
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

/* Whether there is room for no problem more: then the check ends. */
bool
hnsw_check_is_full(const HnswCheck *check)
{
	return check->confirmed == HNSW_CHECK_MAX_PROBLEMS;
}

/* ---- pages */

/*
 * Pin and share-lock a block.  False, with nothing to release, if there is no
 * such block or it cannot be read.
 */
bool
hnsw_check_open_page(HnswCheck *check, BlockNumber block, Buffer *buffer)
{
	if (block < check->blocks ? (check->unreadable[block / 8] & (1 << block % 8)) != 0 :
		block >= RelationGetNumberOfBlocks(check->index.rel))
		return false;
	*buffer = ReadBufferExtended(check->index.rel, MAIN_FORKNUM, block, RBM_NORMAL, check->strategy);
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	return true;
}

/* Whether a page has the head and special space of a kind. */
bool
hnsw_check_is_kind(Page page, uint16 kind)
{
	PageHeader	header = (PageHeader) page;
	HnswPageSpecial *special = (HnswPageSpecial *) ((char *) page + BLCKSZ - MAXALIGN(sizeof(HnswPageSpecial)));

	return !PageIsNew(page) && header->pd_special == BLCKSZ - MAXALIGN(sizeof(HnswPageSpecial)) &&
		header->pd_lower >= GRAPH_PAGE_HEADER && header->pd_lower <= header->pd_upper &&
		header->pd_upper == header->pd_special &&
		special->page_id == HNSW_PAGE_ID && special->kind == kind;
}

/* The kind of page that a block is to be, and how far it may be used. */
static uint16
expected_kind(HnswCheck *check, BlockNumber block)
{
	if (block == HNSW_META_BLOCK)
		return HNSW_PAGE_META;
	return (block - 1) % HNSW_CHECK_GEOMETRY(check)->group_pages == 0 ? HNSW_PAGE_DIRECTORY : HNSW_PAGE_SLOTS;
}

/* Whether pd_lower is where slots can end. */
static bool
is_lower_of_slots(HnswCheck *check, BlockNumber block, uint16 lower)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	uint32		part = ((block - 1) % g->group_pages - 1) % g->pages_per_slot;
	uint32		length = lower - GRAPH_PAGE_HEADER;

	if (g->pages_per_slot == 1)
		return length % g->slot_size == 0;
	return length == Min(GRAPH_PAGE_ROOM, g->slot_size - part * GRAPH_PAGE_ROOM);
}

/* Invariant 1, of one page. */
static void
check_frame(HnswCheck *check, BlockNumber block)
{
	uint16		kind = expected_kind(check, block);
	Buffer		buffer = ReadBufferExtended(check->index.rel, MAIN_FORKNUM, block, RBM_NORMAL, check->strategy);
	Page		page = BufferGetPage(buffer);
	PageHeader	header = (PageHeader) page;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageIsNew(page))
	{
		if (block == HNSW_META_BLOCK)
			hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "metapage is empty");
	}
	else if (!hnsw_check_is_kind(page, kind))
		hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "page is not a page of kind %d", kind);
	else
	{
		char	   *end = (char *) page + header->pd_upper;
		char	   *p = (char *) page + header->pd_lower;

		while (p < end && *p == 0)
			p++;
		if (p < end)
			hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "byte %d, which nothing uses, is not zero", (int) (p - (char *) page));
		if (kind == HNSW_PAGE_SLOTS && !is_lower_of_slots(check, block, header->pd_lower))
			hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "page is used up to byte %d, where no slot ends", header->pd_lower);
	}
	UnlockReleaseBuffer(buffer);
}

/*
 * Look at blocks from "first" on.  One that the server itself takes for broken,
 * as when its checksum is wrong, ends this; returns its number, and its error.
 */
static BlockNumber
check_frames_until_error(HnswCheck *check, BlockNumber first, BlockNumber end, char **message)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile BlockNumber block = first;

	*message = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		for (; block < end && !hnsw_check_is_full(check); block++)
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

/* Invariant 1, of the blocks from "first" on; those that cannot be read are marked. */
void
hnsw_check_frames(HnswCheck *check, BlockNumber first, BlockNumber end)
{
	while (first < end && !hnsw_check_is_full(check))
	{
		char	   *message;
		BlockNumber block = check_frames_until_error(check, first, end, &message);

		if (message != NULL)
		{
			hnsw_check_note(check, 1, block, GRAPH_NO_NODE, "page cannot be read: %s", message);
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
bool
hnsw_check_read_meta(HnswCheck *check, HnswMeta *meta)
{
	Buffer		buffer;
	bool		good;

	if (!hnsw_check_open_page(check, HNSW_META_BLOCK, &buffer))
		return false;
	good = hnsw_check_is_kind(BufferGetPage(buffer), HNSW_PAGE_META);
	if (good)
		memcpy(meta, PageGetContents(BufferGetPage(buffer)), sizeof(HnswMeta));
	UnlockReleaseBuffer(buffer);
	return good;
}

/* Invariant 1, of the metapage.  False if nothing else can be understood. */
bool
hnsw_check_meta(HnswCheck *check)
{
	HnswMeta   *meta = &check->index.meta;
	GraphShape	shape;

	hnsw_check_frames(check, HNSW_META_BLOCK, Min(check->blocks, 1));
	if (check->problem_count > 0)
		return false;
	if (!hnsw_check_read_meta(check, meta))
	{
		hnsw_check_note(check, 1, HNSW_META_BLOCK, GRAPH_NO_NODE, "there is no metapage");
		return false;
	}
	if (meta->magic != HNSW_META_MAGIC)
		hnsw_check_note(check, 1, HNSW_META_BLOCK, GRAPH_NO_NODE, "magic number of the metapage is %08x", meta->magic);
	if (meta->version != HNSW_VERSION)
		hnsw_check_note(check, 1, HNSW_META_BLOCK, GRAPH_NO_NODE, "version of the index is %u, not %d", meta->version, HNSW_VERSION);
	shape = (GraphShape)
	{
		meta->dim, meta->metric, meta->storage, meta->bits, meta->links
	};
	if (!graph_geometry(&shape, HNSW_CHECK_GEOMETRY(check)))
		hnsw_check_note(check, 1, HNSW_META_BLOCK, GRAPH_NO_NODE, "shape of the index is impossible");
	if (meta->metric != hnsw_opclass(check->index.rel)->metric)
		hnsw_check_note(check, 1, HNSW_META_BLOCK, GRAPH_NO_NODE, "metric of the index is %d, that of its operator class %d",
						meta->metric, hnsw_opclass(check->index.rel)->metric);
	if (check->problem_count > 0)
		return false;
	if (meta->m < GRAPH_MIN_M || meta->m > GRAPH_MAX_M ||
		meta->ef_construction < HNSW_MIN_EF_CONSTRUCTION || meta->ef_construction > HNSW_MAX_EF_CONSTRUCTION ||
		meta->branching < 2)
		hnsw_check_note(check, 1, HNSW_META_BLOCK, GRAPH_NO_NODE, "options of the index are impossible: m %u, ef_construction %u, branching %u",
						meta->m, meta->ef_construction, meta->branching);
	check->confirmed = check->problem_count;
	return true;
}
