/*
 * hnsw_page.c: opening an index, its buffers and metapage, and reading and changing slots.
 */
#include "postgres.h"
#include "compat.h"

#include <float.h>
#include <math.h>

#include "access/generic_xlog.h"
#include "common/hashfn.h"
#include "graph/rotation.h"
#include "graph/sparse.h"
#include "hnsw/hnsw.h"
#include "miscadmin.h"
#include "simd/simd.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

/* Hints of at most so many indexes are kept, each for at most so many blocks. */
#define HINTED_INDEXES 8
#define MAX_HINTS (1 << 20)
#define MIN_HINTS 64

/* How much of a vector is prefetched; the CPU sees that it goes on. */
#define PREFETCH_BYTES 1024

/* One in so many reads goes the long way, which tells the clock sweep. */
#define LONG_WAY 64

/*
 * Where the blocks of an index were last seen in shared buffers.  A hint may be
 * wrong: the buffer is asked whether it holds the block.
 */
typedef struct HnswHints
{
	VmRelLocator file;
	uint32		size;			/* a power of two; 0 if unused */
	uint64		used;
	Buffer	   *buffers;		/* by block & (size - 1) */
} HnswHints;

/* Kept between scans.  Their addresses stay, so an open index may hold one. */
static HnswHints all_hints[HINTED_INDEXES];
static uint64 hints_clock;

/* Report a page that cannot be what it is. */
void
hnsw_corrupt(HnswIndex *index, BlockNumber block, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at block %u: %s",
					RelationGetRelationName(index->rel), block, what),
			 errhint("Please REINDEX it.")));
}

/*
 * Point the index at the hints for it, with room for so many blocks.
 */
static void
find_hints(HnswIndex *index, BlockNumber blocks)
{
	VmRelLocator file = VM_REL_LOCATOR(index->rel);
	HnswHints  *hints = &all_hints[0];
	uint32		size = MIN_HINTS;

	if (RelationUsesLocalBuffers(index->rel))
		return;
	while (size < blocks && size < MAX_HINTS)
		size *= 2;
	for (int i = 0; i < HINTED_INDEXES; i++)
	{
		HnswHints  *other = &all_hints[i];

		if (other->size > 0 && VM_REL_LOCATOR_EQUALS(other->file, file))
		{
			hints = other;
			break;
		}
		if (other->used < hints->used)
			hints = other;
	}
	if (hints->size < size || !VM_REL_LOCATOR_EQUALS(hints->file, file))
	{
		Buffer	   *buffers = MemoryContextAllocZero(TopMemoryContext, size * sizeof(Buffer));

		if (hints->size > 0)
			pfree(hints->buffers);
		hints->buffers = buffers;
		hints->size = size;
		hints->file = file;
	}
	hints->used = ++hints_clock;
	index->hints = hints;
}

/*
 * Pin a block, with no lock.  Looks where the block was last seen first; but who reads
 * all of the index takes buffers of its own, and of a vacuum the server counts what
 * it costs.
 */
Buffer
hnsw_read_buffer(HnswIndex *index, BlockNumber block)
{
	HnswHints  *hints = index->hints;
	Buffer	   *hint;
	Buffer		buffer;

	index->pages_read++;
	if (index->strategy != NULL || VacuumCostActive)
		return ReadBufferExtended(index->rel, MAIN_FORKNUM, block, RBM_NORMAL, index->strategy);
	if (hints == NULL || !VM_REL_LOCATOR_EQUALS(hints->file, VM_REL_LOCATOR(index->rel)))
		return ReadBuffer(index->rel, block);
	hint = &hints->buffers[block & (hints->size - 1)];
	if (*hint != InvalidBuffer && index->pages_read % LONG_WAY != 0 &&
		ReadRecentBuffer(hints->file, MAIN_FORKNUM, block, *hint))
		return *hint;
	buffer = ReadBuffer(index->rel, block);
	*hint = buffer;
	return buffer;
}

/*
 * Error unless a page, which the caller has locked, is of this kind.
 */
void
hnsw_check_page(HnswIndex *index, Page page, BlockNumber block, uint16 kind)
{
	HnswPageSpecial *special;

	if (PageIsNew(page))
		hnsw_corrupt(index, block, "page is empty");
	if (((PageHeader) page)->pd_special != BLCKSZ - MAXALIGN(sizeof(HnswPageSpecial)))
		hnsw_corrupt(index, block, "page is not one of an hnsw index");
	special = (HnswPageSpecial *) PageGetSpecialPointer(page);
	if (special->page_id != HNSW_PAGE_ID)
		hnsw_corrupt(index, block, "page is not one of an hnsw index");
	if (special->kind != kind)
		hnsw_corrupt(index, block, "page is of another kind");
}

/* Make an empty page of a kind. */
void
hnsw_init_page(Page page, uint16 kind)
{
	HnswPageSpecial *special;

	PageInit(page, BLCKSZ, sizeof(HnswPageSpecial));
	special = (HnswPageSpecial *) PageGetSpecialPointer(page);
	special->kind = kind;
	special->reserved = 0;
	special->page_id = HNSW_PAGE_ID;
}

/* The operator class of the index's only column. */
const HnswOpclass *
hnsw_opclass(Relation rel)
{
	FmgrInfo   *support = index_getprocinfo(rel, 1, HNSW_OPCLASS_PROC);

	return (const HnswOpclass *) DatumGetPointer(FunctionCall1Coll(support, InvalidOid, PointerGetDatum(NULL)));
}

/*
 * Open an index as a metapage describes it, which need not be written yet.
 * Errors if no index can be like that.
 */
HnswIndex  *
hnsw_open_with(Relation rel, const HnswMeta *meta)
{
	HnswIndex  *index = palloc0(sizeof(HnswIndex));
	GraphShape	shape = {meta->dim, meta->metric, meta->storage, meta->bits, meta->links};

	index->rel = rel;
	index->opclass = hnsw_opclass(rel);
	index->meta = *meta;
	index->log = RelationNeedsWAL(rel);
	if (!graph_geometry(&shape, &index->geometry) || meta->metric != index->opclass->metric)
		hnsw_corrupt(index, HNSW_META_BLOCK, "shape is impossible");
	if (!graph_is_whole(&shape))
	{
		index->signs = palloc(sizeof(uint64) * GRAPH_ROTATION_WORDS(meta->dim));
		graph_rotation_signs(meta->seed, meta->dim, index->signs);
	}
	if (index->geometry.pages_per_slot > 1)
		index->image = palloc0((Size) index->geometry.pages_per_slot * GRAPH_PAGE_ROOM);
	hnsw_refresh_limit(index);
	return index;
}

static void
read_meta(Relation rel, HnswMeta *meta)
{
	Buffer		buffer = ReadBuffer(rel, HNSW_META_BLOCK);
	HnswIndex	index = {.rel = rel};
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	hnsw_check_page(&index, page, HNSW_META_BLOCK, HNSW_PAGE_META);
	memcpy(meta, PageGetContents(page), sizeof(HnswMeta));
	UnlockReleaseBuffer(buffer);
	if (meta->magic != HNSW_META_MAGIC)
		hnsw_corrupt(&index, HNSW_META_BLOCK, "no metapage");
	if (meta->version != HNSW_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has version %u, this vecmark knows version %d",
						RelationGetRelationName(rel), meta->version, HNSW_VERSION),
				 errhint("Please REINDEX it.")));
	if (meta->entry_level < -1 || meta->entry_level > GRAPH_MAX_LEVEL)
		hnsw_corrupt(&index, HNSW_META_BLOCK, "level of the entry point is impossible");
}

/*
 * Open an index, in the current memory context.  Errors if block 0 is no
 * metapage of this version.
 */
HnswIndex  *
hnsw_open(Relation rel)
{
	HnswMeta	meta;

	read_meta(rel, &meta);
	return hnsw_open_with(rel, &meta);
}

/* Read again what of the metapage may have changed. */
void
hnsw_read_meta(HnswIndex *index)
{
	HnswMeta	meta;

	read_meta(index->rel, &meta);
	index->meta.entry = meta.entry;
	index->meta.entry_level = meta.entry_level;
	index->meta.odd = meta.odd;
}

/* Lock the metapage exclusively and read what may have changed. */
static Buffer
lock_meta(HnswIndex *index)
{
	Buffer		buffer = ReadBuffer(index->rel, HNSW_META_BLOCK);
	HnswMeta   *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(buffer));
	index->meta.entry = meta->entry;
	index->meta.entry_level = meta->entry_level;
	index->meta.odd = meta->odd;
	return buffer;
}

/* Write what may have changed and unlock the metapage. */
static void
write_meta(HnswIndex *index, Buffer buffer)
{
	GenericXLogState *state = NULL;
	Page		page = BufferGetPage(buffer);
	HnswMeta   *meta;

	if (index->log)
	{
		state = GenericXLogStart(index->rel);
		page = GenericXLogRegisterBuffer(state, buffer, 0);
	}
	meta = (HnswMeta *) PageGetContents(page);
	meta->entry = index->meta.entry;
	meta->entry_level = index->meta.entry_level;
	meta->odd = index->meta.odd;
	if (index->log)
		GenericXLogFinish(state);
	else
		MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

/*
 * Make a node the entry point if its level is above that of the present one, or
 * in any case if "force".  Takes the lock of the metapage: hold no other.
 */
void
hnsw_set_entry(HnswIndex *index, uint32 node, int level, bool force)
{
	Buffer		buffer = lock_meta(index);

	if (!force && level <= index->meta.entry_level)
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	index->meta.entry = node;
	index->meta.entry_level = level;
	write_meta(index, buffer);
}

/*
 * Let "make" make a node, as hnsw_node_try_add does, if there is no entry point and
 * make it that; or the odd node, if "odd".  The metapage is locked meanwhile, so
 * that two backends do not both begin the graph.  Returns false if another was
 * first.
 */
bool
hnsw_make_first(HnswIndex *index, bool odd, uint32 (*make) (void *context, BlockNumber *blocks), void *context)
{
	for (;;)
	{
		Buffer		buffer = lock_meta(index);
		BlockNumber blocks;
		uint32		node;

		if ((odd ? index->meta.odd : index->meta.entry) != GRAPH_NO_NODE)
		{
			UnlockReleaseBuffer(buffer);
			return false;
		}
		node = make(context, &blocks);
		if (node == GRAPH_NO_NODE)
		{
			UnlockReleaseBuffer(buffer);
			hnsw_extend(index->rel, MAIN_FORKNUM, blocks);
			continue;
		}
		if (odd)
			index->meta.odd = node;
		else
		{
			index->meta.entry = node;
			index->meta.entry_level = 0;
		}
		write_meta(index, buffer);
		return true;
	}
}

/*
 * Forget the odd node, if it is still "node": its rows are gone.
 */
void
hnsw_forget_odd(HnswIndex *index, uint32 node)
{
	Buffer		buffer = lock_meta(index);

	if (index->meta.odd != node)
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	index->meta.odd = GRAPH_NO_NODE;
	write_meta(index, buffer);
}

/* In four sums, which a processor can form at once. */
static double
squared_norm(const float *vector, int dim)
{
	double		sums[4] = {0};
	int			i = 0;

	for (; i + 4 <= dim; i += 4)
	{
		for (int j = 0; j < 4; j++)
			sums[j] += (double) vector[i + j] * vector[i + j];
	}
	for (; i < dim; i++)
		sums[0] += (double) vector[i] * vector[i];
	return sums[0] + sums[1] + (sums[2] + sums[3]);
}

/*
 * Whether a vector of so large a squared length has a direction.  The operator sums
 * squares in floats: it gives NaN where they vanish or overflow, and noise where they
 * are subnormal.
 */
static bool
has_direction(double norm)
{
	return norm >= 16.0 * FLT_MIN && norm <= FLT_MAX;
}

/* Give a sparse vector unit length; false if it has no direction. */
static bool
form_unit_sparse(GraphSparse *vector)
{
	double		norm = graph_sparse_norm(vector) + (double) vector->error * vector->error;
	double		scale = 1 / sqrt(norm);

	if (!has_direction(norm))
		return false;
	for (int i = 0; i < vector->count; i++)
		vector->values[i] = (float) (vector->values[i] * scale);
	vector->error = (float) (vector->error * scale * (1 + FLT_EPSILON));
	return true;
}

/*
 * Rotate a vector.  Sums on the way may be larger than floats, even where what
 * comes out is not; what is, as its length is, becomes the largest float.
 */
static void
rotate(const HnswIndex *index, float *vector)
{
	int			dim = index->geometry.shape.dim;
	bool		large = simd->max_abs_f32(vector, dim) > ldexpf(1, 100);

	for (int i = 0; i < dim && large; i++)
		vector[i] = ldexpf(vector[i], -30);
	graph_rotate(index->signs, dim, vector, vector);
	for (int i = 0; i < dim && large; i++)
		vector[i] = Max(-FLT_MAX, Min(FLT_MAX, ldexpf(vector[i], 30)));
}

/*
 * Turn a value of the indexed type into the vector that the index holds: of unit
 * length for cosine, rotated if the metric allows it.  Equal values give equal bits, and
 * -0 is 0.  Returns false, leaving zeros, if the value has no direction and the
 * distance needs one.  Errors if the dimensions are not the index's.
 */
bool
hnsw_form_vector(const HnswIndex *index, Datum value, float *vector)
{
	int			dim = index->geometry.shape.dim;
	GraphMetric metric = index->geometry.shape.metric;
	int			given = index->opclass->load(value, dim, vector);

	/*
	 * As in pgvector, whose hnsw asks how far the query is from a row, and
	 * ivfflat the other way.
	 */
	if (given != dim)
	{
		bool		ivfflat = hnsw_is_ivfflat(index->rel);

		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg(index->opclass->mismatch, ivfflat ? dim : given, ivfflat ? given : dim)));
	}
	if (index->geometry.shape.storage == GRAPH_SPARSE)
	{
		if (metric != GRAPH_COSINE || form_unit_sparse((GraphSparse *) vector))
			return true;
		memset(vector, 0, sizeof(GraphSparse));
		return false;
	}
	if (metric == GRAPH_COSINE)
	{
		double		norm = squared_norm(vector, dim);
		double		scale = 1 / sqrt(norm);

		if (!has_direction(norm))
		{
			memset(vector, 0, dim * sizeof(float));
			return false;
		}
		for (int i = 0; i < dim; i++)
			vector[i] = (float) (vector[i] * scale);
	}
	if (graph_is_bits(metric))
		return true;
	if (!graph_is_whole(&index->geometry.shape))
		rotate(index, vector);
	for (int i = 0; i < dim; i++)
		vector[i] += 0.0f;
	return true;
}

/* A hash of a formed vector, from which its level follows. */
uint64
hnsw_hash_vector(const HnswIndex *index, const float *vector)
{
	return hash_bytes_extended((const unsigned char *) vector, index->geometry.words * sizeof(float),
							   index->meta.seed);
}

/*
 * Whether a slot of level 0 holds the vector of an image, bit for bit.
 */
bool
hnsw_same_vector(const HnswIndex *index, const GraphSlot *slot, const GraphSlot *image)
{
	const GraphGeometry *g = &index->geometry;

	return slot->level == 0 && slot->scale == image->scale && slot->error == image->error &&
		memcmp(graph_slot_vector(g, slot), graph_slot_vector(g, image), g->ids_offset - g->vector_offset) == 0;
}

/* Look how long the index is now. */
void
hnsw_refresh_limit(HnswIndex *index)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index->rel);

	index->node_limit = graph_node_limit(&index->geometry, blocks);
	find_hints(index, blocks);
}

/* Whether there is room in the pages of the index for a slot of this number. */
bool
hnsw_in_range(HnswIndex *index, uint32 node)
{
	if (node < index->node_limit)
		return true;
	hnsw_refresh_limit(index);
	return node < index->node_limit;
}

/*
 * The slot in the first page of a node, which is pinned and locked.  Returns
 * NULL if no node is there.  Checks what of the head others rely on.
 */
static GraphSlot *
first_page_slot(HnswIndex *index, Buffer buffer, uint32 node)
{
	const GraphGeometry *g = &index->geometry;
	Page		page = BufferGetPage(buffer);
	GraphSlot  *slot;

	if (PageIsNew(page))
		return NULL;
	hnsw_check_page(index, page, BufferGetBlockNumber(buffer), HNSW_PAGE_SLOTS);
	slot = (GraphSlot *) ((char *) page + graph_slot_offset(g, node));
	if (slot->kind == GRAPH_SLOT_NONE || slot->kind == GRAPH_SLOT_TIDS)
		return NULL;
	if (slot->kind != GRAPH_SLOT_NODE || slot->node != node ||
		slot->count > g->shape.links || slot->level > GRAPH_MAX_LEVEL)
		hnsw_corrupt(index, BufferGetBlockNumber(buffer), "head of a slot is impossible");
	return slot;
}

/*
 * Bring a node's page nearer to the CPU, if it is where it was last seen.  Reads
 * nothing: if another block is there by now, no harm is done.
 */
void
hnsw_prefetch(HnswIndex *index, uint32 node)
{
	const GraphGeometry *g = &index->geometry;
	HnswHints  *hints = index->hints;
	Buffer		hint;
	const char *slot;

	if (hints == NULL)
		return;
	hint = hints->buffers[graph_slot_block(g, node) & (hints->size - 1)];
	if (hint == InvalidBuffer)
		return;
	__builtin_prefetch(GetBufferDescriptor(hint - 1));
	__builtin_prefetch(BufferGetPage(hint));
	slot = (char *) BufferGetPage(hint) + graph_slot_offset(g, node);
	for (uint32 i = 0; i < PREFETCH_BYTES && i < g->ids_offset; i += PG_CACHE_LINE_SIZE / 2)
		__builtin_prefetch(slot + i);
	for (uint32 i = g->ids_offset; i < g->codes_offset && i < GRAPH_PAGE_ROOM; i += PG_CACHE_LINE_SIZE / 2)
		__builtin_prefetch(slot + i);
}

/* Check the numbers that a slot leads to. */
static void
check_links(HnswIndex *index, const GraphSlot *slot)
{
	const uint32 *links = graph_slot_links(&index->geometry, slot);
	uint32		largest = 0;

	for (int i = 0; i < slot->count; i++)
		largest = Max(largest, GRAPH_LINK_NODE(links[i]));
	if (slot->level > 0)
		largest = Max(largest, slot->down);
	if (slot->count + slot->level > 0 && !hnsw_in_range(index, largest))
		hnsw_corrupt(index, graph_slot_block(&index->geometry, slot->node), "a link leads beyond the end");
}

/* Copy a slot of several pages to image; the first is locked. */
static void
read_image(HnswIndex *index, Buffer first, uint32 node, char *image)
{
	const GraphGeometry *g = &index->geometry;
	BlockNumber block = graph_slot_block(g, node);

	memcpy(image, (char *) BufferGetPage(first) + GRAPH_PAGE_HEADER, GRAPH_PAGE_ROOM);
	for (uint32 i = 1; i < g->pages_per_slot; i++)
	{
		Buffer		buffer = hnsw_read_buffer(index, block + i);
		Page		page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		hnsw_check_page(index, page, block + i, HNSW_PAGE_SLOTS);
		memcpy(image + (Size) i * GRAPH_PAGE_ROOM, (char *) page + GRAPH_PAGE_HEADER, GRAPH_PAGE_ROOM);
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * Open the slot of a node to read it, until hnsw_slot_close.  Returns NULL, with
 * nothing to close, if no node is there.  One slot can be open at a time.  The
 * page is share-locked meanwhile, unless the slot has several: then this is a copy.
 */
const GraphSlot *
hnsw_slot_open(HnswIndex *index, uint32 node)
{
	const GraphGeometry *g = &index->geometry;
	GraphSlot  *slot;

	if (!hnsw_in_range(index, node))
		return NULL;
	index->buffer = hnsw_read_buffer(index, graph_slot_block(g, node));
	LockBuffer(index->buffer, BUFFER_LOCK_SHARE);
	slot = first_page_slot(index, index->buffer, node);
	if (slot != NULL && g->pages_per_slot > 1)
	{
		read_image(index, index->buffer, node, index->image);
		slot = (GraphSlot *) index->image;
	}
	if (slot == NULL || g->pages_per_slot > 1)
	{
		UnlockReleaseBuffer(index->buffer);
		index->buffer = InvalidBuffer;
	}
	if (slot != NULL)
		check_links(index, slot);
	return slot;
}

/* Close the open slot. */
void
hnsw_slot_close(HnswIndex *index)
{
	if (index->buffer != InvalidBuffer)
		UnlockReleaseBuffer(index->buffer);
	index->buffer = InvalidBuffer;
}

static const GraphSlot *
source_open(void *context, uint32 node)
{
	CHECK_FOR_INTERRUPTS();
	return hnsw_slot_open(context, node);
}

static void
source_prefetch(void *context, uint32 node)
{
	hnsw_prefetch(context, node);
}

static void
source_close(void *context)
{
	hnsw_slot_close(context);
}

static void *
source_resize(void *context, void *memory, size_t size)
{
	if (size == 0)
	{
		pfree(memory);
		return NULL;
	}
	if (memory == NULL)
		return MemoryContextAllocHuge(CurrentMemoryContext, size);
	return repalloc_huge(memory, size);
}

/*
 * Make an index the source of a walk.  The walk's memory comes from the context
 * that is current when it begins, and when it first needs more of a kind.
 */
void
hnsw_source_init(GraphSource *source, HnswIndex *index)
{
	memset(source, 0, sizeof(*source));
	source->context = index;
	source->open = source_open;
	source->close = source_close;
	source->resize = source_resize;
	source->prefetch = source_prefetch;
}

/*
 * Lock the slot of a node to change it.  Returns false, with nothing to close,
 * if no node is there.  Until hnsw_edit_start, edit->slot is to be read only.
 */
bool
hnsw_edit_open(HnswEdit *edit, HnswIndex *index, uint32 node)
{
	const GraphGeometry *g = &index->geometry;

	if (!hnsw_in_range(index, node))
		return false;
	edit->index = index;
	edit->node = node;
	edit->state = NULL;
	edit->before = NULL;
	edit->buffer = hnsw_read_buffer(index, graph_slot_block(g, node));
	LockBuffer(edit->buffer, BUFFER_LOCK_EXCLUSIVE);
	edit->slot = first_page_slot(index, edit->buffer, node);
	if (edit->slot == NULL)
	{
		UnlockReleaseBuffer(edit->buffer);
		return false;
	}
	if (g->pages_per_slot > 1)
	{
		Size		size = (Size) g->pages_per_slot * GRAPH_PAGE_ROOM;

		edit->before = palloc(size);
		read_image(index, edit->buffer, node, edit->before);
		edit->slot = palloc(size);
		memcpy(edit->slot, edit->before, size);
	}
	return true;
}

/* Begin to change the slot: from now on edit->slot may be written. */
void
hnsw_edit_start(HnswEdit *edit)
{
	if (edit->before != NULL || !edit->index->log)
		return;
	edit->state = GenericXLogStart(edit->index->rel);
	edit->slot = (GraphSlot *) ((char *) GenericXLogRegisterBuffer(edit->state, edit->buffer, 0) +
								graph_slot_offset(&edit->index->geometry, edit->node));
}

/* Lock a further page of a slot to change it. */
static Buffer
lock_part(HnswIndex *index, BlockNumber block)
{
	Buffer		buffer = hnsw_read_buffer(index, block);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

/*
 * Write some pages of a slot of several, at most as many as a record can have: one
 * record.  The first page is locked.
 */
static void
write_parts(HnswIndex *index, Buffer first, uint32 node, const char *image, const uint32 *parts, int count, bool fresh)
{
	BlockNumber block = graph_slot_block(&index->geometry, node);
	GenericXLogState *state = index->log ? GenericXLogStart(index->rel) : NULL;
	Buffer		buffers[MAX_GENERIC_XLOG_PAGES];

	for (int i = 0; i < count; i++)
	{
		Page		page;

		buffers[i] = parts[i] == 0 ? first : lock_part(index, block + parts[i]);
		page = state == NULL ? BufferGetPage(buffers[i]) :
			GenericXLogRegisterBuffer(state, buffers[i], fresh ? GENERIC_XLOG_FULL_IMAGE : 0);
		if (PageIsNew(page))
			hnsw_init_page(page, HNSW_PAGE_SLOTS);
		hnsw_copy_to_page(index, page, image, parts[i]);
		if (state == NULL)
			MarkBufferDirty(buffers[i]);
	}
	if (state != NULL)
		GenericXLogFinish(state);
	for (int i = 0; i < count; i++)
	{
		if (buffers[i] != first)
			UnlockReleaseBuffer(buffers[i]);
	}
}

/*
 * Write the further pages of a new slot of several pages, a record each; nothing leads
 * to them before the first is written.  The first is locked, which keeps others out.
 */
void
hnsw_write_further(HnswIndex *index, Buffer first, uint32 node, const char *image)
{
	for (uint32 part = index->geometry.pages_per_slot - 1; part > 0; part--)
		write_parts(index, first, node, image, &part, 1, true);
}

/*
 * Write the pages of a slot of several pages that differ from "before".  Where they
 * are more than a record can have, the slot has no links until all are written, so that a crash
 * leaves none whose parts do not belong together.  The first page is locked, which
 * keeps others out.
 */
static void
write_image(HnswIndex *index, Buffer first, uint32 node, GraphSlot *image, const char *before)
{
	const GraphGeometry *g = &index->geometry;
	uint32	   *parts = palloc(sizeof(uint32) * g->pages_per_slot);
	uint32		head = 0;
	uint16		links = image->count;
	int			count = 0;

	for (uint32 i = 0; i < g->pages_per_slot; i++)
	{
		Size		offset = (Size) i * GRAPH_PAGE_ROOM;

		if (memcmp((char *) image + offset, before + offset, GRAPH_PAGE_ROOM) != 0)
			parts[count++] = i;
	}
	if (count <= MAX_GENERIC_XLOG_PAGES)
	{
		if (count > 0)
			write_parts(index, first, node, (char *) image, parts, count, false);
		pfree(parts);
		return;
	}
	image->count = 0;
	write_parts(index, first, node, (char *) image, &head, 1, false);
	for (int i = 0; i < count; i++)
	{
		if (parts[i] > 0)
			write_parts(index, first, node, (char *) image, &parts[i], 1, false);
	}
	image->count = links;
	write_parts(index, first, node, (char *) image, &head, 1, false);
	pfree(parts);
}

/* Log, and unlock, what has been changed since hnsw_edit_start. */
void
hnsw_edit_finish(HnswEdit *edit)
{
	HnswIndex  *index = edit->index;

	if (edit->before != NULL)
		write_image(index, edit->buffer, edit->node, edit->slot, edit->before);
	else if (edit->state != NULL)
		GenericXLogFinish(edit->state);
	else
		MarkBufferDirty(edit->buffer);
	hnsw_edit_close(edit);
}

/* Unlock a slot that has not been changed. */
void
hnsw_edit_close(HnswEdit *edit)
{
	UnlockReleaseBuffer(edit->buffer);
	if (edit->before != NULL)
	{
		pfree(edit->before);
		pfree(edit->slot);
	}
}

/*
 * Begin to change a locked page: returns what to write to.
 */
Page
hnsw_change_page(GenericXLogState *state, Buffer buffer)
{
	return state != NULL ? GenericXLogRegisterBuffer(state, buffer, 0) : BufferGetPage(buffer);
}

/*
 * Log the change of one page or, unless "second" is invalid, of two.
 */
void
hnsw_finish_change(GenericXLogState *state, Buffer first, Buffer second)
{
	if (state != NULL)
	{
		GenericXLogFinish(state);
		return;
	}
	MarkBufferDirty(first);
	if (second != InvalidBuffer)
		MarkBufferDirty(second);
}

/*
 * Copy a part of an image into its page, and set how far the page is used.
 */
void
hnsw_copy_to_page(HnswIndex *index, Page page, const char *image, uint32 part)
{
	const GraphGeometry *g = &index->geometry;
	Size		length = Min(GRAPH_PAGE_ROOM, g->slot_size - (Size) part * GRAPH_PAGE_ROOM);

	memcpy((char *) page + GRAPH_PAGE_HEADER, image + (Size) part * GRAPH_PAGE_ROOM, length);
	((PageHeader) page)->pd_lower = GRAPH_PAGE_HEADER + length;
}
