/*
 * hnsw_cost.c: what a scan costs, for the planner.
 *
 * The planner compares an index scan with a sequential scan and a sort, and
 * interpolates between the cost of an index scan's first row and that of its
 * last.  Three things of this make a plain estimate choose badly:
 *
 * - Reading a row more costs little until "ef_search" nodes are read, and two
 *   hops then.  Where the LIMIT is known, startup and total cost are set so that
 *   the interpolation is right at that LIMIT.
 * - The planner does not see what fetching toasted vectors costs, so it takes a
 *   scan of the whole table for up to a hundred times cheaper than it is.
 * - It charges pages as if most came from disk.  It does so for both plans, but
 *   one is almost nothing but pages.
 *
 * So both plans are estimated here with toasted values and a cache, and the
 * index scan is given the cost that stands to the planner's cost of the other plan
 * as the one estimate does to the other.  All of the path's cost is in what is
 * returned: with selectivity 0 the planner adds nothing for the heap.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/genam.h"
#include "access/heaptoast.h"
#include "hnsw/hnsw.h"
#include "nodes/pathnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/spccache.h"

/*
 * Measured on cached data, in units of cpu_operator_cost, some 10 ns: a hop has
 * a part of its own and one by the size of a slot; then what a row takes in the
 * directory, a toasted value, each chunk of it, and a distance by elements.
 */
#define HOP_OPERATORS 40.0
#define SLOT_BYTES_PER_OPERATOR 150.0
#define ROW_OPERATORS 30.0
#define TOAST_OPERATORS 180.0
#define CHUNK_OPERATORS 60.0
#define DISTANCE_ELEMENTS 20.0

/* What a cached page costs of the price of one that may not be. */
#define CACHED_PAGE 0.1

/* Above that of a disabled path; the planner subtracts, so not infinite. */
#define NEVER_COST 1e100

/* Nodes that share a directory page. */
#define DIRECTORY_NODES 500.0

/* Hops of the way down, and of each row in a long scan. */
#define DESCENT_HOPS 24
#define HOPS_PER_ROW 2

/* Rows that LIMIT $1 stands for in a generic plan; the planner takes a fraction. */
#define UNKNOWN_LIMIT 100
#define UNKNOWN_FRACTION 0.1

/* What the formulas are about. */
typedef struct ScanPlan
{
	PlannerInfo *root;
	RelOptInfo *rel;
	HnswScanSettings settings;
	GraphGeometry geometry;
	double		tuples;			/* in the index */
	double		selectivity;	/* of the query's conditions, among these */
	Cost		random_page;	/* with the cache */
	Cost		seq_page;
	Cost		seen_seq_page;	/* without it, as the planner has it */
	Cost		distance;		/* from the query to a value in the heap */
	Cost		filter;			/* the conditions, for a row */
} ScanPlan;

/*
 * Geometry of an index as its options and column say it is.  Not read from the
 * metapage, since an index that is damaged should not prevent all plans.
 */
static void
guess_geometry(GraphGeometry *geometry, Relation index, int dim)
{
	const HnswOptions *options = index == NULL ? NULL : (const HnswOptions *) index->rd_options;
	GraphShape	shape;

	shape.metric = index == NULL ? GRAPH_L2 : hnsw_opclass(index)->metric;
	shape.storage = index != NULL && hnsw_opclass(index)->sparse ? GRAPH_SPARSE : options == NULL ? GRAPH_FLOAT32 : options->storage;
	shape.dim = Max(1, Min(dim, graph_max_dim(&shape)));
	shape.bits = graph_default_bits(&shape);
	shape.links = graph_default_links(&shape, options == NULL ? HNSW_DEFAULT_M : options->m);
	if (!graph_geometry(&shape, geometry))
		elog(ERROR, "options of an hnsw index are out of range");
}

/* How many pages the index and the table have that vectors may come from. */
static double
all_pages(const ScanPlan *plan, BlockNumber index_pages)
{
	return Max(plan->root->total_table_pages, plan->rel->pages) + index_pages + 1;
}

/* Whether the table has no room for vectors, so that they are elsewhere. */
static bool
is_toasted(const ScanPlan *plan, double size)
{
	return plan->rel->tuples > 0 && plan->rel->pages * (double) BLCKSZ < plan->rel->tuples * size;
}

/* The price of a distance to a value from the heap, which may be toasted. */
static Cost
distance_cost(const ScanPlan *plan)
{
	double		size = 8 + 4.0 * plan->geometry.words;
	double		operators = 1 + plan->geometry.words / DISTANCE_ELEMENTS;

	if (!is_toasted(plan, size))
		return operators * cpu_operator_cost;
	operators += TOAST_OPERATORS + CHUNK_OPERATORS * ceil(size / TOAST_MAX_CHUNK_SIZE);
	return operators * cpu_operator_cost + size / BLCKSZ * plan->seq_page;
}

/* The price of so many random pages of a file, most of which are seen again. */
static Cost
pages_cost(const ScanPlan *plan, double visits, double pages)
{
	if (visits <= 0)
		return 0;
	return index_pages_fetched(visits, (BlockNumber) pages, 0, plan->root) * plan->random_page;
}

/* What the index scan costs until it has visited so many rows. */
static Cost
walk_cost(const ScanPlan *plan, double rows)
{
	const GraphGeometry *g = &plan->geometry;
	double		hops = DESCENT_HOPS + Max(plan->settings.ef_search, HOPS_PER_ROW * rows);
	Cost		hop;
	Cost		row;

	hop = (HOP_OPERATORS + g->slot_size / SLOT_BYTES_PER_OPERATOR) * cpu_operator_cost +
		g->pages_per_slot * plan->random_page;
	row = ROW_OPERATORS * cpu_operator_cost + cpu_index_tuple_cost + cpu_tuple_cost + plan->filter;
	/* Rounded vectors are compared anew, and others where they are output. */
	row += plan->distance * (g->shape.storage == GRAPH_FLOAT32 ? plan->selectivity : 1);
	return Min(hops, plan->tuples) * hop + rows * row +
		pages_cost(plan, rows, 1 + plan->tuples / DIRECTORY_NODES) +
		pages_cost(plan, rows, plan->rel->pages);
}

/* What scanning the whole table and sorting it costs. */
static Cost
table_cost(const ScanPlan *plan, Cost page, Cost distance, double limit)
{
	double		rows = Max(plan->rel->rows, 1);
	double		kept = limit > 0 ? Min(rows, 2 * limit) : rows;
	double		comparisons = log2(Max(kept, 2));

	return plan->rel->pages * page + plan->rel->tuples * (cpu_tuple_cost + plan->filter) +
		rows * (distance + 2 * cpu_operator_cost * comparisons);
}

/*
 * Rows that the query wants of this path, or 0 if it wants all or that cannot be
 * told; and in *fraction what part of the path the planner takes them for.
 */
static double
wanted_rows(const ScanPlan *plan, double *fraction)
{
	PlannerInfo *root = plan->root;
	double		rows = Max(plan->rel->rows, 1);
	double		limit;

	if (plan->rel->reloptkind != RELOPT_BASEREL || bms_membership(root->all_baserels) != BMS_SINGLETON)
		return 0;
	if (root->limit_tuples > 0)
	{
		limit = Min(root->limit_tuples, rows);
		*fraction = limit / rows;
		return limit;
	}
	if (root->parse->limitCount == NULL || IsA(root->parse->limitCount, Const) ||
		root->parse->groupClause != NIL || root->parse->groupingSets != NIL ||
		root->parse->distinctClause != NIL || root->parse->hasAggs ||
		root->parse->hasWindowFuncs || root->parse->hasTargetSRFs || root->hasHavingQual)
		return 0;
	*fraction = UNKNOWN_FRACTION;
	return Min(UNKNOWN_LIMIT, rows);
}

/* Look up what the formulas need. */
static void
plan_init(ScanPlan *plan, PlannerInfo *root, IndexPath *path)
{
	IndexOptInfo *info = path->indexinfo;
	Relation	index = NULL;
	int32		dim = -1;
	double		cached;
	QualCost	filter;

	plan->root = root;
	plan->rel = info->rel;
	/* Some extensions plan with indexes that do not exist. */
	if (!info->hypothetical)
	{
		index = index_open(info->indexoid, NoLock);
		dim = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
	}
	plan->settings = hnsw_scan_settings(index);
	guess_geometry(&plan->geometry, index, dim);
	if (index != NULL)
		index_close(index, NoLock);

	plan->tuples = Max(info->tuples, 1);
	plan->selectivity = Min(plan->rel->rows / plan->tuples, 1);
	get_tablespace_page_costs(info->reltablespace, &plan->random_page, NULL);
	get_tablespace_page_costs(plan->rel->reltablespace, NULL, &plan->seen_seq_page);
	cached = Min(effective_cache_size / all_pages(plan, info->pages), 1);
	plan->random_page *= 1 - cached * (1 - CACHED_PAGE);
	plan->seq_page = plan->seen_seq_page * (1 - cached * (1 - CACHED_PAGE));
	plan->distance = distance_cost(plan);
	cost_qual_eval(&filter, info->indrestrictinfo, root);
	plan->filter = filter.per_tuple;
}

/*
 * amcostestimate
 */
void
hnsw_cost_estimate(PlannerInfo *root, IndexPath *path, double loops, Cost *startup, Cost *total,
				   Selectivity *selectivity, double *correlation, double *pages)
{
	ScanPlan	plan;
	double		limit;
	double		fraction = 1;
	double		visited;
	double		scale;
	Cost		first;
	Cost		cost;
	Cost		other;

	*selectivity = 0;
	*correlation = 0;
	*pages = 0;
	if (path->indexorderbys == NIL)
	{
		/* It could return all rows, but there is no reason to. */
		*startup = *total = NEVER_COST;
		VM_DISABLE_PATH(&path->path);
		return;
	}

	plan_init(&plan, root, path);
	limit = wanted_rows(&plan, &fraction);
	visited = limit > 0 ? Min(limit / plan.selectivity, plan.tuples) : plan.tuples;
	first = walk_cost(&plan, 0);
	cost = Max(walk_cost(&plan, visited), first);
	other = table_cost(&plan, plan.seq_page, plan.distance, limit);
	scale = other > 0 ? table_cost(&plan, plan.seen_seq_page, cpu_operator_cost, limit) / other : 1;
	*startup = scale * first;
	*total = scale * (first + (cost - first) / fraction);
	*pages = Min(HOPS_PER_ROW * visited + plan.settings.ef_search, plan.tuples) * plan.geometry.pages_per_slot;
}
