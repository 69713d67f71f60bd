/*
 * hnsw_build.c: CREATE INDEX.
 *
 * hnsw_build.h has the outline.  Nothing that goes into pages is logged as it
 * goes; the whole index is when it is done.
 */
#include "postgres.h"
#include "compat.h"

#include "access/xloginsert.h"
#include "catalog/pg_type_d.h"
#include "commands/progress.h"
#include "hnsw/hnsw_build.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/*
 * The metapage of a new index.  Errors where the column or the options do not do.
 */
static HnswMeta
make_meta(Relation rel)
{
	const HnswOpclass *opclass = hnsw_opclass(rel);
	const HnswOptions *options = (const HnswOptions *) rel->rd_options;
	const char *method = hnsw_is_ivfflat(rel) ? "ivfflat" : "hnsw";
	int			dim = TupleDescAttr(RelationGetDescr(rel), 0)->atttypmod;
	HnswMeta	meta;
	GraphShape	shape;

	memset(&meta, 0, sizeof(meta));
	meta.m = options == NULL ? HNSW_DEFAULT_M : options->m;
	meta.ef_construction = options == NULL ? HNSW_DEFAULT_EF_CONSTRUCTION : options->ef_construction;
	meta.storage = options == NULL ? GRAPH_FLOAT32 : options->storage;
	meta.seed = options == NULL ? HNSW_DEFAULT_SEED : (uint64) (int64) options->seed;
	/* Its operator class takes it for bit, whose length is fixed. */
	if (TupleDescAttr(RelationGetDescr(rel), 0)->atttypid == VARBITOID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type not supported for %s index", method)));
	if (dim < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions")));
	if (dim > opclass->max_dim)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column cannot have more than %d dimensions for %s index", opclass->max_dim, method)));
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

	hnsw_extend(rel, fork, HNSW_META_BLOCK + 1);
	buffer = ReadBufferExtended(rel, fork, HNSW_META_BLOCK, RBM_NORMAL, NULL);
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
	hnsw_build_show_phase(build, HNSW_PHASE_LOAD, Max(heap->rd_rel->reltuples, 0));
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
