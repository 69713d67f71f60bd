/*
 * hnsw_build_write.c: the graph from memory into pages, and what is shown of a build meanwhile.
 */
#include "postgres.h"
#include "compat.h"

#include "commands/progress.h"
#include "hnsw/hnsw_build.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "testpoint/testpoint.h"

/* ---- progress */

/* Show in pg_stat_progress_create_index what is done now, and with how many. */
void
hnsw_build_show_phase(HnswBuild *build, int64 phase, int64 total)
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

/* Say that memory is full.  Done once. */
void
hnsw_build_report_full(HnswBuild *build)
{
	bool		shared = build->shared->out_of_shared;

	ereport(NOTICE,
			(errmsg("hnsw graph no longer fits into %s after %llu tuples",
					shared ? "shared memory" : "maintenance_work_mem",
					(unsigned long long) pg_atomic_read_u64(&build->shared->rows)),
			 errdetail("Building will take significantly more time."),
			 shared ? errhint("Increase the size of /dev/shm (docker run --shm-size) to speed up builds.") :
			 errhint("Increase maintenance_work_mem to speed up builds.")));
}

/* ---- writing */

/*
 * Write the first bytes of a slot from the image to where they belong.  Its blocks
 * are there: the node's number was reserved (hnsw_build_load.c).
 */
void
hnsw_build_write_image(HnswBuild *build, uint32 node, Size bytes)
{
	const GraphGeometry *g = &build->index->geometry;
	BlockNumber block = graph_slot_block(g, node);
	char	   *image = (char *) build->image;

	for (uint32 part = 0; (Size) part * GRAPH_PAGE_ROOM < bytes; part++)
	{
		Buffer		buffer = ReadBuffer(build->index->rel, block + part);
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
		/* As the neighbour's own slot has it, where memory has more. */
		if (g->shape.storage == GRAPH_INT8 && graph_is_whole(&g->shape))
			graph_round(g, build->other, build->scratch);
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
	hnsw_build_write_image(build, node, g->slot_size);
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
			BlockIdSet(&entry->base, vertex->down);
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
