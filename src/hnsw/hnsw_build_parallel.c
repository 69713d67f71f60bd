/*
 * hnsw_build_parallel.c: CREATE INDEX by several processes.
 *
 * What they share lies in the parallel context's segment; the graph is in chunks
 * that an area there gets as it grows.
 */
#include "postgres.h"
#include "compat.h"

#include <sys/statvfs.h>

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/instrument.h"
#include "hnsw/hnsw_build.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "pgstat.h"
#include "storage/dsm_impl.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PGDLLEXPORT void hnsw_parallel_build_main(dsm_segment *segment, shm_toc *toc);

#define KEY_PARALLEL UINT64CONST(1)
#define KEY_SCAN UINT64CONST(2)
#define KEY_CHUNKS UINT64CONST(3)
#define KEY_AREA UINT64CONST(4)
#define KEY_QUERY UINT64CONST(5)
#define KEY_BUFFER_USAGE UINT64CONST(6)
#define KEY_WAL_USAGE UINT64CONST(7)

#define AREA_BYTES ((Size) 64 * 1024)

/* Where Linux keeps shared memory, and how much of it is left to others. */
#define SHARED_MEMORY_DIR "/dev/shm"
#define SPARED_BYTES ((Size) 8 * 1024 * 1024)

/* A parallel build, in the leader. */
typedef struct Leader
{
	ParallelContext *context;
	Snapshot	snapshot;
	HnswParallel *parallel;
	BufferUsage *buffer_usage;
	WalUsage   *wal_usage;
} Leader;

/*
 * The tranche of the locks: one for all builds, since numbers are not given back.
 */
static int
lock_tranche(void)
{
	bool		found;
	int		   *tranche;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	tranche = ShmemInitStruct("vecmark hnsw build tranche", sizeof(int), &found);
	if (!found)
		*tranche = LWLockNewTrancheId();
	LWLockRelease(AddinShmemInitLock);
	return *tranche;
}

/* ---- what graph/graph.c calls */

static void
lock_vertex(void *context, uint32_t node)
{
	HnswBuild  *build = context;

	LWLockAcquire(&build->parallel->stripes[node % HNSW_BUILD_STRIPES].lock, LW_EXCLUSIVE);
}

static void
unlock_vertex(void *context, uint32_t node)
{
	HnswBuild  *build = context;

	LWLockRelease(&build->parallel->stripes[node % HNSW_BUILD_STRIPES].lock);
}

static void
lock_entry(void *context)
{
	LWLockAcquire(&((HnswBuild *) context)->parallel->entry, LW_EXCLUSIVE);
}

static void
unlock_entry(void *context)
{
	LWLockRelease(&((HnswBuild *) context)->parallel->entry);
}

/* ---- participants */

/* Join a build. */
static void
join(HnswBuild *build, HnswParallel *parallel, dsa_area *area)
{
	build->participants = parallel->participants;
	build->parallel = parallel;
	build->area = area;
	build->hooks.lock = lock_vertex;
	build->hooks.unlock = unlock_vertex;
	build->hooks.lock_entry = lock_entry;
	build->hooks.unlock_entry = unlock_entry;
}

/* Read a part of the table and report on it. */
static void
scan_part(HnswBuild *build, ParallelTableScanDesc scan)
{
	HnswParallel *parallel = build->parallel;
	double		tuples = hnsw_build_scan(build, table_beginscan_parallel(build->heap, scan));

	SpinLockAcquire(&parallel->mutex);
	parallel->heap_tuples += tuples;
	if (build->info->ii_BrokenHotChain)
		parallel->broken_hot_chain = true;
	SpinLockRelease(&parallel->mutex);
}

/* What a worker does. */
void
hnsw_parallel_build_main(dsm_segment *segment, shm_toc *toc)
{
	HnswParallel *parallel = shm_toc_lookup(toc, KEY_PARALLEL, false);
	BufferUsage *buffer_usage = shm_toc_lookup(toc, KEY_BUFFER_USAGE, false);
	WalUsage   *wal_usage = shm_toc_lookup(toc, KEY_WAL_USAGE, false);
	LOCKMODE	heap_lock = parallel->concurrent ? ShareUpdateExclusiveLock : ShareLock;
	LOCKMODE	index_lock = parallel->concurrent ? RowExclusiveLock : AccessExclusiveLock;
	Relation	heap;
	Relation	rel;
	IndexInfo  *info;
	HnswBuild  *build;

	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, true);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	LWLockRegisterTranche(parallel->tranche, "HnswBuild");

	/* The locks are those that the leader has: index.c took them. */
	heap = table_open(parallel->heap, heap_lock);
	rel = index_open(parallel->rel, index_lock);
	info = BuildIndexInfo(rel);
	info->ii_Concurrent = parallel->concurrent;

	InstrStartParallelQuery();
	build = hnsw_build_start(heap, rel, info, &parallel->meta);
	join(build, parallel, dsa_attach_in_place(shm_toc_lookup(toc, KEY_AREA, false), segment));
	build->shared = &parallel->shared;
	build->graph.shared = &parallel->shared.graph;
	build->chunks = shm_toc_lookup(toc, KEY_CHUNKS, false);
	scan_part(build, shm_toc_lookup(toc, KEY_SCAN, false));
	hnsw_build_finish(build);
	InstrEndParallelQuery(&buffer_usage[ParallelWorkerNumber], &wal_usage[ParallelWorkerNumber]);

	dsa_detach(build->area);
	MemoryContextDelete(build->context);
	index_close(rel, index_lock);
	table_close(heap, heap_lock);
}

/* ---- the leader */

static void *
allocate(ParallelContext *context, uint64 key, Size size)
{
	void	   *memory = shm_toc_allocate(context->toc, size);

	shm_toc_insert(context->toc, key, memory);
	return memory;
}

/* End parallel mode, when workers have finished or there were none. */
static void
end_parallel(Leader *leader)
{
	WaitForParallelWorkersToFinish(leader->context);
	for (int i = 0; i < leader->context->nworkers_launched; i++)
		InstrAccumParallelQuery(&leader->buffer_usage[i], &leader->wal_usage[i]);
	if (IsMVCCSnapshot(leader->snapshot))
		UnregisterSnapshot(leader->snapshot);
	DestroyParallelContext(leader->context);
	ExitParallelMode();
}

/*
 * Shared memory that can be had, less what is left to others; SIZE_MAX where that is
 * not known.  The server makes a segment larger than there is room for only to fail.
 */
static Size
shared_memory_left(void)
{
	struct statvfs place;
	Size		left;

	/* A file system without a limit has no blocks. */
	if (dynamic_shared_memory_type != DSM_IMPL_POSIX || statvfs(SHARED_MEMORY_DIR, &place) != 0 || place.f_blocks == 0)
		return SIZE_MAX;
	left = (Size) place.f_bavail * place.f_frsize;
	return left > SPARED_BYTES ? left - SPARED_BYTES : 0;
}

/* What the graph of the table will take, by the planner's count of its rows. */
static Size
expected_memory(HnswBuild *build)
{
	BlockNumber pages;
	double		tuples;
	double		all_visible;

	estimate_rel_size(build->heap, NULL, &pages, &tuples, &all_visible);
	return (Size) Min(tuples * (graph_chunk_bytes(&build->graph) >> build->graph.chunk_shift),
					  maintenance_work_mem * 1024.0);
}

/*
 * Make the segment and what is in it.  Returns false if there is no memory for it,
 * or not enough for the graph: one process has its own.
 */
static bool
begin_parallel(Leader *leader, HnswBuild *build, int workers)
{
	Size		left = shared_memory_left();
	Size		expected = expected_memory(build);
	bool		concurrent = build->info->ii_Concurrent;
	ParallelContext *context;
	HnswParallel *parallel;
	Size		scan_size;
	Size		area_size = Max(AREA_BYTES, dsa_minimum_size());
	Size		chunks_size;
	Size		query_size = debug_query_string == NULL ? 0 : strlen(debug_query_string) + 1;
	dsa_area   *area;

	if (left < expected)
	{
		ereport(NOTICE,
				(errmsg("index \"%s\" is built by one process", RelationGetRelationName(build->index->rel)),
				 errdetail("The graph is expected to take %zu MB of shared memory, and %zu MB can be had.",
						   expected / (1024 * 1024), left / (1024 * 1024)),
				 errhint("Increase the size of " SHARED_MEMORY_DIR " (docker run --shm-size) to build in parallel.")));
		return false;
	}
	EnterParallelMode();
	context = leader->context = CreateParallelContext("$libdir/vecmark", "hnsw_parallel_build_main", workers);
	leader->snapshot = concurrent ? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
	build->participants = workers + 1;
	scan_size = table_parallelscan_estimate(build->heap, leader->snapshot);
	chunks_size = mul_size(sizeof(uint64), hnsw_build_chunk_room(build));
	shm_toc_estimate_chunk(&context->estimator, sizeof(HnswParallel));
	shm_toc_estimate_chunk(&context->estimator, scan_size);
	shm_toc_estimate_chunk(&context->estimator, chunks_size);
	shm_toc_estimate_chunk(&context->estimator, area_size);
	shm_toc_estimate_chunk(&context->estimator, query_size);
	shm_toc_estimate_chunk(&context->estimator, mul_size(sizeof(BufferUsage), workers));
	shm_toc_estimate_chunk(&context->estimator, mul_size(sizeof(WalUsage), workers));
	shm_toc_estimate_keys(&context->estimator, 7);
	InitializeParallelDSM(context);
	if (context->seg == NULL)
	{
		if (IsMVCCSnapshot(leader->snapshot))
			UnregisterSnapshot(leader->snapshot);
		DestroyParallelContext(context);
		ExitParallelMode();
		build->participants = 1;
		return false;
	}

	parallel = leader->parallel = allocate(context, KEY_PARALLEL, sizeof(HnswParallel));
	memset(parallel, 0, sizeof(HnswParallel));
	parallel->heap = RelationGetRelid(build->heap);
	parallel->rel = RelationGetRelid(build->index->rel);
	parallel->concurrent = concurrent;
	parallel->participants = parallel->scanning = workers + 1;
	parallel->tranche = lock_tranche();
	parallel->meta = build->index->meta;
	LWLockRegisterTranche(parallel->tranche, "HnswBuild");
	LWLockInitialize(&parallel->gate, parallel->tranche);
	LWLockInitialize(&parallel->entry, parallel->tranche);
	LWLockInitialize(&parallel->chunks, parallel->tranche);
	for (int i = 0; i < HNSW_BUILD_STRIPES; i++)
		LWLockInitialize(&parallel->stripes[i].lock, parallel->tranche);
	ConditionVariableInit(&parallel->changed);
	SpinLockInit(&parallel->mutex);
	table_parallelscan_initialize(build->heap, allocate(context, KEY_SCAN, scan_size), leader->snapshot);
	hnsw_build_init_shared(build, &parallel->shared, allocate(context, KEY_CHUNKS, chunks_size));
	area = dsa_create_in_place(allocate(context, KEY_AREA, area_size), area_size, parallel->tranche, context->seg);
	/* Beyond that the graph goes on in pages. */
	if (left < SIZE_MAX - area_size)
		dsa_set_size_limit(area, area_size + left);
	join(build, parallel, area);
	if (query_size > 0)
		memcpy(allocate(context, KEY_QUERY, query_size), debug_query_string, query_size);
	leader->buffer_usage = allocate(context, KEY_BUFFER_USAGE, mul_size(sizeof(BufferUsage), workers));
	leader->wal_usage = allocate(context, KEY_WAL_USAGE, mul_size(sizeof(WalUsage), workers));
	return true;
}

/* Take back what begin_parallel and join have set, for a build by one. */
static void
go_alone(HnswBuild *build)
{
	build->participants = 1;
	build->parallel = NULL;
	build->area = NULL;
	build->hooks.lock = build->hooks.unlock = NULL;
	build->hooks.lock_entry = build->hooks.unlock_entry = NULL;
}

/*
 * Build with workers, at most so many.  Returns false, having done nothing, if
 * there can be none.
 */
bool
hnsw_build_parallel(HnswBuild *build, int workers, IndexBuildResult *result)
{
	Leader		leader;
	HnswParallel *parallel;

	if (!begin_parallel(&leader, build, workers))
		return false;
	LaunchParallelWorkers(leader.context);
	if (leader.context->nworkers_launched == 0)
	{
		go_alone(build);
		end_parallel(&leader);
		return false;
	}
	ereport(DEBUG1, (errmsg_internal("using %d parallel workers", leader.context->nworkers_launched)));

	parallel = leader.parallel;
	SpinLockAcquire(&parallel->mutex);
	parallel->scanning -= workers - leader.context->nworkers_launched;
	SpinLockRelease(&parallel->mutex);
	scan_part(build, shm_toc_lookup(leader.context->toc, KEY_SCAN, false));
	/* A worker that could not start will never have read its part. */
	WaitForParallelWorkersToAttach(leader.context);
	hnsw_build_finish(build);
	WaitForParallelWorkersToFinish(leader.context);

	result->heap_tuples = parallel->heap_tuples;
	result->index_tuples = pg_atomic_read_u64(&parallel->shared.rows);
	if (parallel->broken_hot_chain)
		build->info->ii_BrokenHotChain = true;
	dsa_detach(build->area);
	go_alone(build);
	end_parallel(&leader);
	return true;
}
