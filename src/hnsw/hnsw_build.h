/*
 * hnsw_build.h: what a build is made of.  For the files hnsw_build*.c.
 *
 * A build has one participant or several: the leader, which is the backend that
 * runs CREATE INDEX, and parallel workers.  Each of them does the same:
 *
 *	load	take rows from the table and insert them into the graph in memory;
 *			a vector goes into its page at once, memory keeps it rounded
 *	write	when the table is read, or memory is full: add the links to the
 *			vectors in pages, and the directory
 *	go on	rows that did not fit any more are inserted into pages one by one
 */
#ifndef HNSW_BUILD_H
#define HNSW_BUILD_H

#include "access/genam.h"
#include "access/relscan.h"
#include "graph/graph.h"
#include "hnsw/hnsw.h"
#include "nodes/execnodes.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/dsa.h"

/* What all participants share; in private memory if there is one. */
typedef struct HnswBuildShared
{
	GraphShared graph;
	Size		memory_limit;
	pg_atomic_uint64 memory;	/* bytes in use */
	uint32		chunk_room;
	pg_atomic_uint32 chunk_count;
	pg_atomic_uint64 rows;		/* indexed as yet */
	bool		out_of_shared;	/* shared memory was full before memory_limit */

	/* Groups of the directory are what is written at a time. */
	uint32		groups;			/* set when writing begins */
	pg_atomic_uint32 next_group;
	pg_atomic_uint32 groups_done;
} HnswBuildShared;

/* Locks of vertices: those whose numbers are equal modulo this share one. */
#define HNSW_BUILD_STRIPES 256

/* What participants of a parallel build share beside. */
typedef struct HnswParallel
{
	Oid			heap;
	Oid			rel;
	bool		concurrent;
	int			participants;	/* asked for */
	int			tranche;
	HnswMeta	meta;
	HnswBuildShared shared;

	LWLock		gate;			/* shared: insert into memory; exclusive: end
								 * that */
	bool		writing;		/* it has ended */
	LWLock		entry;
	LWLock		chunks;
	ConditionVariable changed;	/* any of writing, scanning, groups done */

	slock_t		mutex;			/* of what follows */
	int			scanning;		/* participants */
	double		heap_tuples;
	bool		broken_hot_chain;

	LWLockPadded stripes[HNSW_BUILD_STRIPES];
} HnswParallel;

/* A row that has to wait until the graph is in pages. */
typedef struct HnswWaiting
{
	uint32		node;			/* has the same vector; GRAPH_NO_NODE: odd */
	ItemPointerData tid;
} HnswWaiting;

/* A build, as one participant sees it. */
typedef struct HnswBuild
{
	Relation	heap;
	IndexInfo  *info;
	HnswIndex  *index;
	bool		leader;
	int			participants;
	struct HnswParallel *parallel;	/* NULL if there is one participant */
	HnswBuildShared *shared;
	uint64	   *chunks;			/* shared: addresses, or dsa_pointers of area */
	dsa_area   *area;
	Graph		graph;
	GraphHooks	hooks;
	bool		in_pages;		/* the graph has been written */
	BlockNumber blocks;			/* that the index has, at least */

	HnswWaiting *waiting;
	uint32		waiting_count;
	uint32		waiting_room;

	MemoryContext context;		/* for all of the build */
	MemoryContext graph_context;	/* until the graph is written */
	MemoryContext row_context;	/* reset after each row */
	char	   *slab;			/* chunks are cut from it */
	Size		slab_left;

	float	   *vector;			/* of the row */
	GraphSlot  *image;			/* of a slot */
	float	   *own;			/* of the slot that is written */
	float	   *other;			/* of its neighbour */
	int8	   *scratch;		/* a number for each dimension */
} HnswBuild;

/* hnsw_build_write.c */
extern void hnsw_build_show_phase(HnswBuild *build, int64 phase, int64 total);
extern void hnsw_build_show_progress(HnswBuild *build);
extern void hnsw_build_report_full(HnswBuild *build);
extern void hnsw_build_write_image(HnswBuild *build, uint32 node, Size bytes);
extern void hnsw_build_begin_writing(HnswBuild *build);
extern bool hnsw_build_write(HnswBuild *build);

/* hnsw_build_team.c */
extern bool hnsw_parallel_enter(HnswBuild *build);
extern void hnsw_parallel_leave(HnswBuild *build);
extern void hnsw_parallel_lock_chunks(HnswBuild *build);
extern void hnsw_parallel_unlock_chunks(HnswBuild *build);
extern void hnsw_parallel_write(HnswBuild *build, bool full);

/* hnsw_build_load.c */
extern HnswBuild *hnsw_build_start(Relation heap, Relation rel, IndexInfo *info, const HnswMeta *meta);
extern uint32 hnsw_build_chunk_room(HnswBuild *build);
extern void hnsw_build_init_shared(HnswBuild *build, HnswBuildShared *shared, uint64 *chunks);
extern double hnsw_build_scan(HnswBuild *build, TableScanDesc scan);
extern void hnsw_build_finish(HnswBuild *build);

/* hnsw_build_parallel.c */
extern bool hnsw_build_parallel(HnswBuild *build, int workers, IndexBuildResult *result);

#endif							/* HNSW_BUILD_H */
