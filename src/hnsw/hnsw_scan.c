/*
 * hnsw_scan.c: rows in the order of their distance, as many as are asked for.
 *
 * README, "Scan", has the table of modes.
 */
#include "postgres.h"
#include "compat.h"

#include <limits.h>
#include <math.h>

#include "access/relscan.h"
#include "hnsw/hnsw.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* How a scan stands. */
typedef enum ScanPhase
{
	SCAN_START,					/* nothing has been read */
	SCAN_WALK,					/* rows come from the walk */
	SCAN_DRAIN,					/* a limit ended the walk: what it has read */
	SCAN_SWEEP,					/* the walk has met all it can */
	SCAN_REST,					/* rows not yet returned, then those without
								 * direction */
	SCAN_LIST,					/* the same, and before these all nodes not
								 * met, as the directory has them */
	SCAN_DONE
} ScanPhase;

/* What a client does not get, of a scan and all times that it was begun again. */
typedef struct HnswLoss
{
	int64		stopped;		/* times that a limit ended it */
	const char *stopped_by;		/* the setting that did */
	uint64		nodes;			/* read until the first of them */
	int64		scans_dropping;
	int64		dropped;		/* nodes found too late */
} HnswLoss;

typedef struct HnswScan
{
	MemoryContext context;		/* of all that a (re)scan needs */
	HnswScanSettings settings;
	ScanPhase	phase;
	HnswIndex  *index;
	GraphQuery *query;			/* NULL to return rows in any order */
	GraphSource source;
	GraphWalk	walk;

	HnswTids	tids;			/* of the node that is being returned */
	int			next_tid;
	double		bound;			/* its distance, at least */
	float		last;			/* the largest returned */
	int64		taken;			/* nodes taken from the walk */
	int64		returned;		/* of these, nodes whose rows were returned */
	int64		dropped;		/* nodes found too late */
	const char *stopped_by;		/* the setting that ended the walk */
	bool		exhausted;		/* the client asked for more than there was */
	uint32		next_node;		/* of the directory, in SCAN_LIST */
	HnswLoss	loss;			/* kept when the scan is begun again */
} HnswScan;

/* ambeginscan */
IndexScanDesc
hnsw_begin_scan(Relation rel, int keys, int orderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(rel, keys, orderbys);
	HnswScan   *state = palloc0(sizeof(HnswScan));

	state->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw scan", ALLOCSET_DEFAULT_SIZES);
	state->phase = SCAN_START;
	scan->opaque = state;
	scan->xs_orderbyvals = palloc0(sizeof(Datum) * Max(orderbys, 1));
	scan->xs_orderbynulls = palloc(sizeof(bool) * Max(orderbys, 1));
	memset(scan->xs_orderbynulls, true, sizeof(bool) * Max(orderbys, 1));
	return scan;
}

/* Keep, of a scan that ends, what the client should know of it. */
static void
note(HnswScan *state)
{
	HnswLoss   *loss = &state->loss;

	/* Who got what was asked for need not be told how it was found. */
	if (!state->exhausted)
		return;
	if (state->stopped_by != NULL)
	{
		if (loss->stopped++ == 0)
			loss->nodes = state->walk.hops;
		loss->stopped_by = state->stopped_by;
	}
	if (state->dropped > 0)
		loss->scans_dropping++;
	loss->dropped += state->dropped;
}

/* Say it, once for all times that the scan was begun again. */
static void
report(IndexScanDesc scan)
{
	const HnswLoss *loss = &((HnswScan *) scan->opaque)->loss;
	const char *name = RelationGetRelationName(scan->indexRelation);
	bool		ivfflat = hnsw_is_ivfflat(scan->indexRelation);

	if (loss->stopped > 0)
		ereport(NOTICE,
				(loss->stopped == 1 ?
				 errmsg("scan of hnsw index \"%s\" stopped after " UINT64_FORMAT " nodes", name, loss->nodes) :
				 errmsg(INT64_FORMAT " scans of hnsw index \"%s\" stopped, the first after " UINT64_FORMAT " nodes",
						loss->stopped, name, loss->nodes),
				 errdetail("There may be more rows than were returned."),
				 errhint("To search on, raise %s.", loss->stopped_by)));
	if (loss->dropped > 0)
		ereport(NOTICE,
				(loss->scans_dropping == 1 ?
				 errmsg("scan of hnsw index \"%s\" left out rows of " INT64_FORMAT " nodes found too late for their place in the order",
						name, loss->dropped) :
				 errmsg(INT64_FORMAT " scans of hnsw index \"%s\" left out rows of " INT64_FORMAT " nodes found too late for their place in the order",
						loss->scans_dropping, name, loss->dropped),
				 errhint("To get them late instead, set %s to relaxed_order; to find them in time, raise %s.",
						 ivfflat ? "ivfflat.iterative_scan" : "hnsw.iterative_scan",
						 ivfflat ? "ivfflat.probes" : "hnsw.ef_search")));
}

/* amrescan */
void
hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	HnswScan   *state = scan->opaque;
	MemoryContext context = state->context;
	HnswLoss	loss;

	note(state);
	loss = state->loss;
	MemoryContextReset(context);
	memset(state, 0, sizeof(*state));
	state->context = context;
	state->loss = loss;
	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, scan->numberOfOrderBys * sizeof(ScanKeyData));
}

/* amendscan */
void
hnsw_end_scan(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;

	note(state);
	report(scan);
	MemoryContextDelete(state->context);
	pfree(state);
	scan->opaque = NULL;
}

/* Open the index and begin the walk. */
static void
start(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;
	HnswIndex  *index;
	const GraphGeometry *g;
	ScanKey		order = scan->numberOfOrderBys > 0 ? scan->orderByData : NULL;

	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("non-MVCC snapshots are not supported with hnsw")));
	pgstat_count_index_scan(scan->indexRelation);
	vm_count_index_search(scan);
	state->settings = hnsw_scan_settings(scan->indexRelation);
	state->index = index = hnsw_open(scan->indexRelation);
	g = &index->geometry;
	state->settings.max_scan_tuples = (int) Max(state->settings.max_scan_tuples,
												Min(state->settings.share * index->node_limit, INT_MAX));
	state->last = -get_float4_infinity();
	state->phase = SCAN_SWEEP;
	hnsw_source_init(&state->source, index);
	state->query = graph_query_init(palloc(graph_query_size(g)), g);
	graph_walk_init(&state->walk, &state->source, state->query);

	/*
	 * Distances from NULL are NULL, and those from nowhere NaN: any order
	 * will do, and nothing need be kept to make one.
	 */
	if (order == NULL || order->sk_flags & SK_ISNULL ||
		!hnsw_form_vector(index, order->sk_argument, state->query->vector))
	{
		state->query = NULL;
		state->phase = SCAN_LIST;
		return;
	}
	state->query->bounded = scan->numberOfOrderBys > 1;
	graph_query_prepare(state->query);
	/* A search that must be exact leaves all to the sweep. */
	if (!state->settings.exact && index->meta.entry != GRAPH_NO_NODE &&
		graph_walk_descend(&state->walk, index->meta.entry, index->meta.entry_level, 0))
		state->phase = SCAN_WALK;
}

/*
 * How many nodes the walk must have read before the next is returned.  Those that
 * turned out to have no rows, or were too late, must not end the scan: they count
 * on top.
 */
static uint32
wanted_width(const HnswScan *state)
{
	int64		width = state->settings.ef_search + state->taken - state->returned;
	int64		wanted = state->taken + 1;

	if (state->settings.iterative_scan == HNSW_ITERATIVE_STRICT)
		width = Max(width, 2 * wanted);
	else if (state->settings.iterative_scan == HNSW_ITERATIVE_RELAXED && wanted > state->settings.ef_search)
		width = Max(width, wanted + wanted / 4);
	return (uint32) Min(width, PG_INT32_MAX);
}

/* Walk until the nearest node is likely known.  Sets the phase where it ends. */
static void
walk_on(HnswScan *state)
{
	GraphWalk  *walk = &state->walk;

	if (state->phase != SCAN_WALK)
		return;
	graph_walk_widen(walk, wanted_width(state));
	while (graph_walk_step(walk))
	{
		/*
		 * As in pgvector, the limits do not apply to what the first row
		 * needs.
		 */
		if (state->returned == 0)
			continue;
		if (walk->hops >= state->settings.max_scan_tuples)
			state->stopped_by = state->settings.limit_name;
		else if (walk->memory <= state->settings.memory_limit)
			continue;
		else if (!state->settings.goes_on)
			state->stopped_by = "hnsw.scan_mem_multiplier or work_mem";
		state->phase = state->stopped_by != NULL ? SCAN_DRAIN : SCAN_LIST;
		return;
	}
	/* Dry.  Sweep now, while most of what was read is not yet returned. */
	if (walk->frontier.count == 0)
		state->phase = state->settings.iterative_scan == HNSW_ITERATIVE_OFF ? SCAN_DRAIN : SCAN_SWEEP;
}

/*
 * Whether a node may be returned in its place, which sets the bound; a node found
 * after a farther one was returned may not, in strict order.
 */
static bool
in_order(HnswScan *state, float distance)
{
	if (distance < state->last)
	{
		if (state->settings.iterative_scan != HNSW_ITERATIVE_RELAXED)
		{
			state->dropped++;
			return false;
		}
	}
	else
		state->last = distance;
	state->bound = distance;
	return true;
}

/* The key of a node, for the query.  False if no node is there. */
static bool
node_key(HnswScan *state, uint32 node, float *key)
{
	const GraphSlot *slot = hnsw_slot_open(state->index, node);

	if (slot == NULL)
		return false;
	*key = graph_key(state->query, slot, graph_exact(state->query, slot));
	hnsw_slot_close(state->index);
	return true;
}

/*
 * Add all nodes that the walk has not met to those it has read: no link leads to
 * them any more.
 */
static void
sweep(HnswScan *state)
{
	HnswIndex  *index = state->index;

	hnsw_refresh_limit(index);
	for (uint32 node = 0; node < index->node_limit; node++)
	{
		float		key;

		CHECK_FOR_INTERRUPTS();
		if (node == index->meta.odd || graph_walk_met(&state->walk, node) ||
			hnsw_node_state(index, node) != HNSW_ENTRY_LIVE)
			continue;
		if (!node_key(state, node, &key))
			continue;
		graph_walk_add(&state->walk, node, key);
	}
}

/* A node that the walk met and did not come to read, or GRAPH_NO_NODE. */
static uint32
next_unread(GraphWalk *walk)
{
	return walk->frontier.count == 0 ? GRAPH_NO_NODE : walk->frontier.items[--walk->frontier.count].node;
}

/*
 * Find the next node that the walk has not read: those it met, then those in the
 * directory.  Without a query this costs no more than what is returned; else it
 * reads each node.
 */
static bool
list_node(HnswScan *state, GraphNear *near)
{
	HnswIndex  *index = state->index;

	if (state->next_node == 0)
		hnsw_refresh_limit(index);
	for (;;)
	{
		uint32		node = next_unread(&state->walk);
		bool		met = node != GRAPH_NO_NODE;

		CHECK_FOR_INTERRUPTS();
		if (!met && state->next_node >= index->node_limit)
			return false;
		if (!met)
			node = state->next_node++;
		near->node = node;
		near->distance = 0;
		if (state->query == NULL)
			return true;
		if (node == index->meta.odd || (!met && graph_walk_met(&state->walk, node)) ||
			hnsw_node_state(index, node) != HNSW_ENTRY_LIVE)
			continue;
		if (state->walk.hops++ >= state->settings.max_scan_tuples)
		{
			state->stopped_by = state->settings.limit_name;
			return false;
		}
		if (node_key(state, node, &near->distance))
			return true;
	}
}

/*
 * Find the next node that has rows, and begin to read their TIDs.  Returns false at the end.
 */
static bool
next_node(HnswScan *state)
{
	GraphNear	near;

	for (;;)
	{
		walk_on(state);
		if (state->phase == SCAN_SWEEP)
		{
			sweep(state);
			state->phase = SCAN_REST;
		}
		if (state->settings.iterative_scan == HNSW_ITERATIVE_OFF && state->returned >= state->settings.ef_search)
			return false;
		if (!graph_walk_take(&state->walk, &near) && !(state->phase == SCAN_LIST && list_node(state, &near)))
		{
			if ((state->phase != SCAN_REST && state->phase != SCAN_LIST) || state->query == NULL ||
				state->stopped_by != NULL || state->index->meta.odd == GRAPH_NO_NODE)
			{
				state->exhausted = true;
				return false;
			}
			state->phase = SCAN_DONE;
			near.node = state->index->meta.odd;
			near.distance = get_float4_nan();
		}
		state->taken++;
		state->next_tid = 0;
		if (hnsw_tids_begin(state->index, near.node, &state->tids) != HNSW_ENTRY_LIVE)
			continue;
		if (!in_order(state, near.distance))
			continue;
		state->returned++;
		return true;
	}
}

/* amgettuple */
bool
hnsw_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	HnswScan   *state = scan->opaque;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	bool		found = true;

	Assert(ScanDirectionIsForward(direction));
	if (state->phase == SCAN_START)
		start(scan);
	while (found && state->next_tid >= state->tids.count)
		found = hnsw_tids_read_on(state->index, &state->tids) || next_node(state);
	if (found)
	{
		scan->xs_heaptid = state->tids.tids[state->next_tid++];
		scan->xs_recheck = false;
		scan->xs_recheckorderby = scan->numberOfOrderBys > 1 ||
			(state->query != NULL && state->index->geometry.shape.storage != GRAPH_FLOAT32);
		for (int i = 0; i < scan->numberOfOrderBys && scan->xs_recheckorderby; i++)
		{
			/*
			 * What has no direction for us may have a distance for the
			 * operator.  A distance from a further query is not known here:
			 * the executor orders by it.
			 */
			bool		known = i == 0 && state->query != NULL && !isnan(state->bound);

			scan->xs_orderbyvals[i] = Float8GetDatum(known ? state->bound : -get_float8_infinity());
			scan->xs_orderbynulls[i] = false;
		}
	}
	MemoryContextSwitchTo(old);
	return found;
}
