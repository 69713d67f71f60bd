/*
 * hnsw_build.c: CREATE INDEX.
 *
 * hnsw_build.h has the outline.  Nothing that goes into pages is logged as it
 * goes; the whole index is when it is done.
 */
#include "postgres.h"
#include "compat.h"

#include <sys/mman.h>

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "commands/progress.h"
#include "hnsw/hnsw_build.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "testpoint/testpoint.h"
#include "utils/memutils.h"

/* A chunk of the graph takes no more than this part of the memory, in these bounds. */
#define CHUNKS_AT_LEAST 64
#define MIN_CHUNK_BYTES ((Size) 64 * 1024)
#define MAX_CHUNK_BYTES ((Size) 2 * 1024 * 1024)

/* Chunks are cut from slabs of this size; what is not used of one costs no memory. */
#define SLAB_BYTES ((Size) 64 * 1024 * 1024)
#define HUGE_PAGE_BYTES ((Size) 2 * 1024 * 1024)

#define FIRST_WAITING_ROOM 1024

/*
 * The metapage of a new index.  Errors where the column or the options do not do.
 */
static HnswMeta
make_meta(Relation rel)
{
	const HnswOpclass *opclass = hnsw_opclass(rel);
	const HnswOptions *options = (const HnswOptions *) rel->rd_options;
	int			dim = TupleDescAttr(RelationGetDescr(rel), 0)->atttypmod;
	HnswMeta	meta;
	GraphShape	shape;

	memset(&meta, 0, sizeof(meta));
	meta.m = options == NULL ? HNSW_DEFAULT_M : options->m;
	meta.ef_construction = options == NULL ? HNSW_DEFAULT_EF_CONSTRUCTION : options->ef_construction;
	meta.storage = options == NULL ? GRAPH_FLOAT32 : options->storage;
	meta.seed = options == NULL ? HNSW_DEFAULT_SEED : (uint64) (int64) options->seed;
	if (dim < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions")));
	if (dim > opclass->max_dim)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column cannot have more than %d dimensions for hnsw index", opclass->max_dim)));
	if (meta.storage == GRAPH_INT8 &&
		(opclass->sparse || graph_is_bits(opclass->metric) || opclass->metric == GRAPH_POINCARE))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("storage \"int8\" does not support the operator class of index \"%s\"",
						RelationGetRelationName(rel))));
	if (meta.ef_construction < 2 * meta.m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be greater than or equal to 2 * m")));
	meta.magic = HNSW_META_MAGIC;
	meta.version = HNSW_VERSION;
	meta.dim = dim;
	meta.metric = opclass->metric;
	if (opclass->sparse)
		meta.storage = GRAPH_SPARSE;
	shape = (GraphShape)
	{
		dim, meta.metric, meta.storage, 0, 0
	};
	meta.bits = shape.bits = graph_default_bits(&shape);
	meta.links = graph_default_links(&shape, meta.m);
	meta.branching = HNSW_BRANCHING;
	meta.entry = GRAPH_NO_NODE;
	meta.entry_level = -1;
	meta.odd = GRAPH_NO_NODE;
	return meta;
}

/*
 * Make block 0 of a fork, which is empty, the metapage.
 */
static void
write_meta(Relation rel, ForkNumber fork, const HnswMeta *meta, bool log)
{
	Buffer		buffer;
	Page		page;

	LockRelationForExtension(rel, ExclusiveLock);
	buffer = vm_extend_fork(rel, fork);
	UnlockRelationForExtension(rel, ExclusiveLock);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	START_CRIT_SECTION();
	page = BufferGetPage(buffer);
	hnsw_init_page(page, HNSW_PAGE_META);
	memcpy(PageGetContents(page), meta, sizeof(HnswMeta));
	((PageHeader) page)->pd_lower = PageGetContents(page) + sizeof(HnswMeta) - (char *) page;
	MarkBufferDirty(buffer);
	if (log)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

/* ---- memory */

static void *
resize(void *context, void *memory, size_t size)
{
	HnswBuild  *build = context;

	if (size == 0)
	{
		pfree(memory);
		return NULL;
	}
	if (memory == NULL)
		return MemoryContextAllocHuge(build->graph_context, size);
	return repalloc_huge(memory, size);
}

/* The address of a chunk here. */
static char *
get_chunk(void *context, uint32_t chunk)
{
	HnswBuild  *build = context;

	Assert(chunk < pg_atomic_read_u32(&build->shared->chunk_count));
	if (build->area != NULL)
		return dsa_get_address(build->area, build->chunks[chunk]);
	return (char *) (uintptr_t) build->chunks[chunk];
}

/* Memory that a chunk costs: its own, and that of the marks for its nodes. */
static Size
chunk_cost(const HnswBuild *build)
{
	return graph_chunk_bytes(&build->graph) + ((Size) build->participants * 2 << build->graph.chunk_shift);
}

/* The chunks that there is memory or numbers for. */
uint32
hnsw_build_chunk_room(HnswBuild *build)
{
	Size		limit = (Size) maintenance_work_mem * 1024;

	return Min(limit / chunk_cost(build), GRAPH_NO_NODE >> build->graph.chunk_shift);
}

/*
 * Cut a chunk from the slab, or from a new one.  Random access to much memory
 * is a good deal faster in huge pages.
 */
static uint64
cut_chunk(HnswBuild *build)
{
	Size		bytes = graph_chunk_bytes(&build->graph);
	char	   *chunk;

	if (build->slab_left < bytes)
	{
		Size		size = build->shared->memory_limit - pg_atomic_read_u64(&build->shared->memory);

		size = Max(bytes, Min(size, SLAB_BYTES));
		build->slab = MemoryContextAllocHuge(build->graph_context, size + HUGE_PAGE_BYTES);
		build->slab = (char *) TYPEALIGN(HUGE_PAGE_BYTES, build->slab);
		build->slab_left = size;
#ifdef MADV_HUGEPAGE
		if (size >= HUGE_PAGE_BYTES)
			(void) madvise(build->slab, size, MADV_HUGEPAGE);
#endif
	}
	chunk = build->slab;
	build->slab += bytes;
	build->slab_left -= bytes;
	return (uint64) (uintptr_t) chunk;
}

/* Make chunks until there are so many.  Returns false if memory is full. */
static bool
make_chunks(HnswBuild *build, uint32 needed)
{
	HnswBuildShared *shared = build->shared;
	uint64		cost = chunk_cost(build);
	uint32		count;

	if (build->parallel != NULL)
		hnsw_parallel_lock_chunks(build);
	for (count = pg_atomic_read_u32(&shared->chunk_count); count < needed && count < shared->chunk_room; count++)
	{
		uint64		chunk;

		if (pg_atomic_read_u64(&shared->memory) + cost > shared->memory_limit)
			break;
		if (build->area == NULL)
			chunk = cut_chunk(build);
		else
			chunk = dsa_allocate_extended(build->area, graph_chunk_bytes(&build->graph),
										  DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
		if (chunk == 0)
			break;
		pg_atomic_fetch_add_u64(&shared->memory, cost);
		build->chunks[count] = chunk;
		pg_write_barrier();
		pg_atomic_write_u32(&shared->chunk_count, count + 1);
	}
	if (build->parallel != NULL)
		hnsw_parallel_unlock_chunks(build);
	return count >= needed;
}

/*
 * See that there is memory for a node and its upper levels, whatever others that
 * have seen to it insert meanwhile.  Returns false if there is none.
 */
static bool
reserve(HnswBuild *build, int level)
{
	uint32		nodes = __atomic_load_n(&build->shared->graph.nodes, __ATOMIC_ACQUIRE);
	uint32		last = nodes + level + (build->participants - 1) * (GRAPH_MAX_LEVEL + 1);
	uint32		needed = (last >> build->graph.chunk_shift) + 1;

	if (needed <= pg_atomic_read_u32(&build->shared->chunk_count))
	{
		pg_read_barrier();
		return true;
	}
	return make_chunks(build, needed);
}

/* Remember a row for later.  Returns false if there is no memory for it. */
static bool
remember(HnswBuild *build, uint32 node, ItemPointer tid)
{
	if (build->waiting_count == build->waiting_room)
	{
		uint32		room = Max(FIRST_WAITING_ROOM, build->waiting_room * 2);
		uint64		more = (room - build->waiting_room) * sizeof(HnswWaiting);

		if (pg_atomic_read_u64(&build->shared->memory) + more > build->shared->memory_limit)
			return false;
		pg_atomic_fetch_add_u64(&build->shared->memory, more);
		if (build->waiting == NULL)
			build->waiting = MemoryContextAlloc(build->context, room * sizeof(HnswWaiting));
		else
			build->waiting = repalloc_huge(build->waiting, room * sizeof(HnswWaiting));
		build->waiting_room = room;
	}
	build->waiting[build->waiting_count].node = node;
	build->waiting[build->waiting_count++].tid = *tid;
	return true;
}

/* ---- loading */

/* Pin a block of the index, which is made if it does not exist. */
static Buffer
read_block(HnswBuild *build, BlockNumber block)
{
	Relation	rel = build->index->rel;

	if (block >= build->blocks)
	{
		LockRelationForExtension(rel, ExclusiveLock);
		build->blocks = RelationGetNumberOfBlocks(rel);
		for (; build->blocks <= block; build->blocks++)
			ReleaseBuffer(vm_extend_relation(rel));
		UnlockRelationForExtension(rel, ExclusiveLock);
	}
	return ReadBuffer(rel, block);
}

/*
 * Write the first bytes of a slot from the image to where they belong.
 */
static void
write_image(HnswBuild *build, uint32 node, Size bytes)
{
	const GraphGeometry *g = &build->index->geometry;
	BlockNumber block = graph_slot_block(g, node);
	char	   *image = (char *) build->image;

	for (uint32 part = 0; (Size) part * GRAPH_PAGE_ROOM < bytes; part++)
	{
		Buffer		buffer = read_block(build, block + part);
		Page		page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		if (PageIsNew(page))
			hnsw_init_page(page, HNSW_PAGE_SLOTS);
		if (g->pages_per_slot > 1)
			hnsw_copy_to_page(build->index, page, image, part);
		else
		{
			uint32		offset = graph_slot_offset(g, node);

			memcpy((char *) page + offset, image, bytes);
			((PageHeader) page)->pd_lower = Max(((PageHeader) page)->pd_lower, offset + g->slot_size);
		}
		MarkBufferDirty(buffer);
		UnlockReleaseBuffer(buffer);
	}
}

/* Write the vector of a new node, and of those above it, into pages. */
static void
write_vector(HnswBuild *build, uint32 node, int level)
{
	const GraphGeometry *g = &build->index->geometry;
	GraphSlot  *image = build->image;

	graph_slot_store(g, image, build->vector);
	image->kind = GRAPH_SLOT_NODE;
	for (int l = 0; l <= level; l++)
	{
		image->node = node + l;
		image->level = l;
		image->down = l > 0 ? node + l - 1 : GRAPH_NO_NODE;
		write_image(build, node + l, g->ids_offset);
	}
}

/* Show in pg_stat_progress_create_index what is done now, and with how many. */
static void
show_phase(HnswBuild *build, int64 phase, int64 total)
{
	if (!build->leader)
		return;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, total);
}

/* The rows indexed as yet. */
void
hnsw_build_show_progress(HnswBuild *build)
{
	if (build->leader)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, pg_atomic_read_u64(&build->shared->rows));
}

/* Give a row that waited for the graph to be in pages its place. */
static void
settle(HnswBuild *build, const HnswWaiting *waiting)
{
	ItemPointerData tid = waiting->tid;

	CHECK_FOR_INTERRUPTS();
	if (waiting->node == GRAPH_NO_NODE)
		hnsw_insert_vector(build->index, NULL, &tid);
	else if (!hnsw_node_add_tid(build->index, waiting->node, &tid, NULL))
		hnsw_corrupt(build->index, hnsw_directory_of(build->index, waiting->node), "a node is missing");
}

/*
 * Write the graph into pages and free its memory.  All other participants do the
 * same at the same time.
 */
static void
leave_memory(HnswBuild *build, bool full)
{
	MemoryContext old;

	show_phase(build, HNSW_PHASE_WRITE, build->shared->graph.nodes);
	if (build->parallel != NULL)
		hnsw_parallel_write(build, full);
	else
	{
		if (full)
			hnsw_build_report_full(build);
		hnsw_build_begin_writing(build);
		hnsw_build_write(build);
	}
	MemoryContextDelete(build->graph_context);
	build->graph_context = NULL;
	build->in_pages = true;
	hnsw_refresh_limit(build->index);

	old = MemoryContextSwitchTo(build->row_context);
	for (uint32 i = 0; i < build->waiting_count; i++)
	{
		settle(build, &build->waiting[i]);
		MemoryContextReset(build->row_context);
	}
	MemoryContextSwitchTo(old);
	if (build->waiting != NULL)
		pfree(build->waiting);
	build->waiting = NULL;
	build->waiting_count = 0;
	if (full)
		show_phase(build, HNSW_PHASE_LOAD, Max(build->heap->rd_rel->reltuples, 0));
}

/*
 * Insert build->vector into the graph in memory.  Returns false if the graph is
 * there no more.
 */
static bool
insert_in_memory(HnswBuild *build, ItemPointer tid)
{
	HnswWaiting waiting;
	uint64		hash = hnsw_hash_vector(build->index, build->vector);
	int			level = graph_random_level(hash, build->index->meta.branching);
	bool		duplicate;

	if (build->parallel != NULL && !hnsw_parallel_enter(build))
		return false;
	if (!reserve(build, level))
	{
		if (build->parallel != NULL)
			hnsw_parallel_leave(build);
		return false;
	}
	waiting.node = graph_insert(&build->graph, build->vector, hash, level, &duplicate);
	if (!duplicate)
	{
		memcpy(graph_vertex(&build->graph, waiting.node)->tid, tid, sizeof(ItemPointerData));
		write_vector(build, waiting.node, level);
	}
	if (build->parallel != NULL)
		hnsw_parallel_leave(build);
	if (duplicate && !remember(build, waiting.node, tid))
	{
		leave_memory(build, true);
		waiting.tid = *tid;
		settle(build, &waiting);
	}
	return true;
}

/* Called for each row of the table. */
static void
load_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	HnswBuild  *build = state;
	MemoryContext old;
	bool		formed;
	bool		done = false;

	if (isnull[0])
		return;
	VM_POINT("hnsw_build_row");
	old = MemoryContextSwitchTo(build->row_context);
	formed = hnsw_form_vector(build->index, values[0], build->vector);
	if (!build->in_pages)
	{
		done = formed ? insert_in_memory(build, tid) : remember(build, GRAPH_NO_NODE, tid);
		if (!done)
			leave_memory(build, true);
	}
	if (!done)
		hnsw_insert_vector(build->index, formed ? build->vector : NULL, tid);
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);
	pg_atomic_fetch_add_u64(&build->shared->rows, 1);
	hnsw_build_show_progress(build);
}

/* ---- writing */

/* Say that memory is full.  Done once. */
void
hnsw_build_report_full(HnswBuild *build)
{
	ereport(NOTICE,
			(errmsg("hnsw graph no longer fits into maintenance_work_mem after %llu tuples",
					(unsigned long long) pg_atomic_read_u64(&build->shared->rows)),
			 errdetail("Building will take significantly more time."),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
}

/* Make all ready for writing.  Nobody inserts any more. */
void
hnsw_build_begin_writing(HnswBuild *build)
{
	HnswBuildShared *shared = build->shared;
	uint32		group_nodes = build->index->geometry.group_nodes;

	shared->groups = (shared->graph.nodes + group_nodes - 1) / group_nodes;
	if (shared->graph.nodes > 0)
		hnsw_set_entry(build->index, shared->graph.entry, shared->graph.entry_level, true);
}

/* Fill in the links of a slot that has its vector. */
static void
fill_slot(HnswBuild *build, GraphSlot *slot)
{
	const GraphGeometry *g = &build->index->geometry;
	const GraphVertex *vertex = graph_vertex(&build->graph, slot->node);
	const GraphVertexLink *links = graph_links(&build->graph, vertex);

	graph_slot_load(g, slot, build->own);
	for (int i = 0; i < vertex->count; i++)
	{
		if (i + 1 < vertex->count)
			graph_prefetch(&build->graph, GRAPH_LINK_NODE(links[i + 1].link));
		graph_load(&build->graph, graph_vertex(&build->graph, GRAPH_LINK_NODE(links[i].link)), build->other);
		graph_slot_set_link(g, slot, i, links[i].link, build->own, build->other);
	}
	slot->count = vertex->count;
}

/* Write the slots of nodes that share a page. */
static void
write_page(HnswBuild *build, uint32 first, uint32 end)
{
	const GraphGeometry *g = &build->index->geometry;
	Buffer		buffer = ReadBuffer(build->index->rel, graph_slot_block(g, first));

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	for (uint32 node = first; node < end; node++)
		fill_slot(build, (GraphSlot *) ((char *) BufferGetPage(buffer) + graph_slot_offset(g, node)));
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

/* Write a slot of several pages. */
static void
write_pages(HnswBuild *build, uint32 node)
{
	const GraphGeometry *g = &build->index->geometry;
	BlockNumber block = graph_slot_block(g, node);

	for (uint32 part = 0; (Size) part * GRAPH_PAGE_ROOM < g->ids_offset; part++)
	{
		Buffer		buffer = ReadBuffer(build->index->rel, block + part);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy((char *) build->image + (Size) part * GRAPH_PAGE_ROOM,
			   (char *) BufferGetPage(buffer) + GRAPH_PAGE_HEADER, GRAPH_PAGE_ROOM);
		UnlockReleaseBuffer(buffer);
	}
	memset((char *) build->image + g->ids_offset, 0, g->slot_size - g->ids_offset);
	fill_slot(build, build->image);
	write_image(build, node, g->slot_size);
}

/* Write a directory page. */
static void
write_directory(HnswBuild *build, uint32 first, uint32 end)
{
	Buffer		buffer = ReadBuffer(build->index->rel, hnsw_directory_of(build->index, first));
	HnswDirectory *directory;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	hnsw_init_page(BufferGetPage(buffer), HNSW_PAGE_DIRECTORY);
	directory = HNSW_DIRECTORY(BufferGetPage(buffer));
	directory->used = end - first;
	for (uint32 node = first; node < end; node++)
	{
		const GraphVertex *vertex = graph_vertex(&build->graph, node);
		HnswEntry  *entry = &directory->entries[node - first];

		if (vertex->level > 0)
		{
			entry->state = HNSW_ENTRY_UPPER;
			ItemPointerSet(&entry->tid, vertex->down, 1);
		}
		else
		{
			entry->state = HNSW_ENTRY_LIVE;
			memcpy(&entry->tid, vertex->tid, sizeof(ItemPointerData));
		}
	}
	hnsw_directory_set_lower(build->index, directory);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static void
write_group(HnswBuild *build, uint32 group)
{
	const GraphGeometry *g = &build->index->geometry;
	uint32		first = group * g->group_nodes;
	uint32		end = Min(first + g->group_nodes, build->shared->graph.nodes);

	VM_POINT("hnsw_build_group");
	for (uint32 node = first; node < end; node += g->slots_per_page)
	{
		CHECK_FOR_INTERRUPTS();
		if (g->pages_per_slot > 1)
			write_pages(build, node);
		else
			write_page(build, node, Min(node + g->slots_per_page, end));
	}
	write_directory(build, first, end);
}

/*
 * Write groups until none is left.  Returns whether this participant finished the
 * last: then all are written.
 */
bool
hnsw_build_write(HnswBuild *build)
{
	HnswBuildShared *shared = build->shared;
	bool		last = false;
	uint32		group;

	while ((group = pg_atomic_fetch_add_u32(&shared->next_group, 1)) < shared->groups)
	{
		uint32		done;

		write_group(build, group);
		done = pg_atomic_fetch_add_u32(&shared->groups_done, 1) + 1;
		last = done == shared->groups;
		if (build->leader)
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
										 Min((int64) done * build->index->geometry.group_nodes, shared->graph.nodes));
	}
	return last;
}

/* ---- the whole */

/*
 * Make one participant's part of a build.  What it shares with others is yet to
 * be set: shared, chunks and, if there are others, participants, parallel, area
 * and locks.
 */
HnswBuild  *
hnsw_build_start(Relation heap, Relation rel, IndexInfo *info, const HnswMeta *meta)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnswBuild  *build = palloc0(sizeof(HnswBuild));
	Size		limit = (Size) maintenance_work_mem * 1024;
	Size		vector_size;

	build->context = context;
	build->graph_context = AllocSetContextCreate(context, "hnsw graph", ALLOCSET_DEFAULT_SIZES);
	build->row_context = AllocSetContextCreate(context, "hnsw row", ALLOCSET_DEFAULT_SIZES);
	build->heap = heap;
	build->info = info;
	build->participants = 1;
	build->index = hnsw_open_with(rel, meta);
	build->index->log = false;
	vector_size = sizeof(float) * build->index->geometry.words;
	build->vector = palloc(vector_size);
	build->own = palloc(vector_size);
	build->other = palloc(vector_size);
	build->image = palloc0((Size) build->index->geometry.pages_per_slot * GRAPH_PAGE_ROOM);
	build->hooks.context = build;
	build->hooks.chunk = get_chunk;
	build->hooks.resize = resize;
	build->hooks.chunk_bytes = Max(MIN_CHUNK_BYTES, Min(MAX_CHUNK_BYTES, limit / CHUNKS_AT_LEAST));
	graph_init(&build->graph, &build->index->geometry, meta->m, meta->ef_construction, NULL, &build->hooks);
	MemoryContextSwitchTo(old);
	return build;
}

/* Begin what all share.  Room for chunks is hnsw_build_chunk_room. */
void
hnsw_build_init_shared(HnswBuild *build, HnswBuildShared *shared, uint64 *chunks)
{
	memset(shared, 0, sizeof(*shared));
	graph_shared_init(&shared->graph);
	shared->memory_limit = (Size) maintenance_work_mem * 1024;
	shared->chunk_room = hnsw_build_chunk_room(build);
	pg_atomic_init_u64(&shared->memory, shared->chunk_room * sizeof(uint64));
	pg_atomic_init_u32(&shared->chunk_count, 0);
	pg_atomic_init_u64(&shared->rows, 0);
	pg_atomic_init_u32(&shared->next_group, 0);
	pg_atomic_init_u32(&shared->groups_done, 0);
	build->shared = shared;
	build->graph.shared = &shared->graph;
	build->chunks = chunks;
}

/*
 * Load the rows of the table, or of a part of a parallel scan.  Returns how many
 * the table has there, indexed or not.
 */
double
hnsw_build_scan(HnswBuild *build, TableScanDesc scan)
{
	/* Beginning at the first block: the same rows make the same index. */
	return table_index_build_scan(build->heap, build->index->rel, build->info, false, build->leader,
								  load_row, build, scan);
}

/* See that all is in pages. */
void
hnsw_build_finish(HnswBuild *build)
{
	if (!build->in_pages)
		leave_memory(build, false);
}

/*
 * How many workers to ask for.  The planner's number follows the size of the
 * table, without that of the vectors, which may be toasted: what it says is only
 * whether there may be any.
 */
static int
wanted_workers(Relation heap, Relation rel)
{
	int			workers = plan_create_index_workers(RelationGetRelid(heap), RelationGetRelid(rel));

	if (workers == 0)
		return 0;
	workers = RelationGetParallelWorkers(heap, -1);
	if (workers < 0)
		return max_parallel_maintenance_workers;
	return Min(workers, max_parallel_maintenance_workers);
}

/* ambuild */
IndexBuildResult *
hnsw_build(Relation heap, Relation rel, IndexInfo *info)
{
	HnswMeta	meta = make_meta(rel);
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	int			workers = wanted_workers(heap, rel);
	HnswBuild  *build;

	if (RelationGetNumberOfBlocks(rel) != 0)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(rel));
	write_meta(rel, MAIN_FORKNUM, &meta, false);
	build = hnsw_build_start(heap, rel, info, &meta);
	build->leader = true;
	show_phase(build, HNSW_PHASE_LOAD, Max(heap->rd_rel->reltuples, 0));
	if (workers == 0 || !hnsw_build_parallel(build, workers, result))
	{
		HnswBuildShared *shared = MemoryContextAlloc(build->context, sizeof(HnswBuildShared));
		Size		size = sizeof(uint64) * hnsw_build_chunk_room(build);

		hnsw_build_init_shared(build, shared, MemoryContextAllocHuge(build->context, size));
		result->heap_tuples = hnsw_build_scan(build, NULL);
		hnsw_build_finish(build);
		result->index_tuples = pg_atomic_read_u64(&shared->rows);
	}
	if (RelationNeedsWAL(rel))
		log_newpage_range(rel, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(rel), true);
	MemoryContextDelete(build->context);
	return result;
}

/* ambuildempty: the index of an unlogged table, as it is after a crash. */
void
hnsw_build_empty(Relation rel)
{
	HnswMeta	meta = make_meta(rel);

	write_meta(rel, INIT_FORKNUM, &meta, true);
}
