/*
 * hnsw_build_team.c: how the participants of a parallel build keep out of each other's way.
 */
#include "postgres.h"
#include "compat.h"

#include "hnsw/hnsw_build.h"
#include "pgstat.h"

/* How often a leader that waits shows progress, in milliseconds. */
#define PROGRESS_INTERVAL 1000

/*
 * Begin to insert into the graph in memory.  Returns false, with no lock, if it is
 * being written or has been.
 */
bool
hnsw_parallel_enter(HnswBuild *build)
{
	LWLockAcquire(&build->parallel->gate, LW_SHARED);
	if (!build->parallel->writing)
		return true;
	LWLockRelease(&build->parallel->gate);
	return false;
}

/* End it. */
void
hnsw_parallel_leave(HnswBuild *build)
{
	LWLockRelease(&build->parallel->gate);
}

/* Until hnsw_parallel_unlock_chunks nobody else makes chunks. */
void
hnsw_parallel_lock_chunks(HnswBuild *build)
{
	LWLockAcquire(&build->parallel->chunks, LW_EXCLUSIVE);
}

void
hnsw_parallel_unlock_chunks(HnswBuild *build)
{
	LWLockRelease(&build->parallel->chunks);
}

/* Sleep until something may have changed. */
static void
sleep_until_changed(HnswBuild *build)
{
	(void) ConditionVariableTimedSleep(&build->parallel->changed, PROGRESS_INTERVAL,
									   WAIT_EVENT_PARALLEL_CREATE_INDEX_SCAN);
	hnsw_build_show_progress(build);
}

/*
 * End inserting into memory, if nobody else has.  All that are at it finish first.
 */
static void
begin_writing(HnswBuild *build, bool full)
{
	HnswParallel *parallel = build->parallel;
	bool		first;

	LWLockAcquire(&parallel->gate, LW_EXCLUSIVE);
	first = !parallel->writing;
	if (first)
		hnsw_build_begin_writing(build);
	parallel->writing = true;
	LWLockRelease(&parallel->gate);
	ConditionVariableBroadcast(&parallel->changed);
	if (first && full)
		hnsw_build_report_full(build);
}

/* Whether writing has begun. */
static bool
is_writing(HnswBuild *build)
{
	bool		writing = !hnsw_parallel_enter(build);

	if (!writing)
		hnsw_parallel_leave(build);
	return writing;
}

/*
 * Take part in writing the graph, and return when all of it is in pages.  It
 * begins when a participant finds that memory is "full", or when all have read
 * their parts of the table.
 */
void
hnsw_parallel_write(HnswBuild *build, bool full)
{
	HnswParallel *parallel = build->parallel;
	HnswBuildShared *shared = build->shared;

	if (full)
		begin_writing(build, true);
	else
	{
		bool		last;

		SpinLockAcquire(&parallel->mutex);
		last = --parallel->scanning == 0;
		SpinLockRelease(&parallel->mutex);
		if (last)
			begin_writing(build, false);
		ConditionVariablePrepareToSleep(&parallel->changed);
		while (!is_writing(build))
			sleep_until_changed(build);
		ConditionVariableCancelSleep();
	}

	if (hnsw_build_write(build))
	{
		for (uint32 i = 0; i < pg_atomic_read_u32(&shared->chunk_count); i++)
			dsa_free(build->area, build->chunks[i]);
		ConditionVariableBroadcast(&parallel->changed);
	}
	ConditionVariablePrepareToSleep(&parallel->changed);
	while (pg_atomic_read_u32(&shared->groups_done) < shared->groups)
		sleep_until_changed(build);
	ConditionVariableCancelSleep();
	/* Unmap what has been freed. */
	dsa_trim(build->area);
}
