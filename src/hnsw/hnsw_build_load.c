/*
 * hnsw_build_load.c: rows of the table into the graph in memory, by one participant.
 */
#include "postgres.h"
#include "compat.h"

#include <sys/mman.h>

#include "access/tableam.h"
#include "hnsw/hnsw_build.h"
#include "miscadmin.h"
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
		{
			shared->out_of_shared = true;
			break;
		}
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
 * The last number that a node or its upper levels can get, whatever others that
 * have asked for theirs insert meanwhile.
 */
static uint32
last_number(HnswBuild *build, int level)
{
	uint32		nodes = __atomic_load_n(&build->shared->graph.nodes, __ATOMIC_ACQUIRE);

	return nodes + level + (build->participants - 1) * (GRAPH_MAX_LEVEL + 1);
}

/*
 * See that the index has pages for a node and its upper levels.  No lock is held.
 */
static void
reserve_blocks(HnswBuild *build, int level)
{
	const GraphGeometry *g = &build->index->geometry;
	BlockNumber blocks = graph_slot_block(g, last_number(build, level)) + g->pages_per_slot;

	if (build->blocks < blocks)
		build->blocks = hnsw_extend(build->index->rel, MAIN_FORKNUM, blocks);
}

/*
 * See that there is memory for a node and its upper levels.  Returns false if
 * there is none.
 */
static bool
reserve(HnswBuild *build, int level)
{
	uint32		needed = (last_number(build, level) >> build->graph.chunk_shift) + 1;

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
		hnsw_build_write_image(build, node + l, g->ids_offset);
	}
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

	hnsw_build_show_phase(build, HNSW_PHASE_WRITE, build->shared->graph.nodes);
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
		hnsw_build_show_phase(build, HNSW_PHASE_LOAD, Max(build->heap->rd_rel->reltuples, 0));
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

	reserve_blocks(build, level);
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

/* ---- a participant */

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
	build->scratch = palloc(vector_size);
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
