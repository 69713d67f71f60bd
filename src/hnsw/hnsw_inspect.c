/*
 * hnsw_inspect.c: vecmark.hnsw_info, recall and explain_search.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_authid_d.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "hnsw/hnsw_census.h"
#include "hnsw/hnsw_inspect.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_hnsw_info);
VM_FUNCTION_INFO(vecmark_recall);
VM_FUNCTION_INFO(vecmark_explain_search);

/* Arguments of recall and explain_search at most. */
#define MAX_K 10000
#define MAX_SAMPLES 10000

/* ---- opening */

static void
check_permission(Relation heap, HnswInspection inspection)
{
	Oid			heap_oid = RelationGetRelid(heap);
	Oid			role = GetUserId();

	if (inspection == HNSW_INSPECT_PAGES)
	{
		if (!vm_owns_relation(heap_oid, role) && !has_privs_of_role(role, ROLE_PG_STAT_SCAN_TABLES))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for table %s", RelationGetRelationName(heap)),
					 errdetail("Only its owner and roles with privileges of the \"%s\" role may look into its indexes.",
							   "pg_stat_scan_tables")));
		return;
	}
	if (pg_class_aclcheck(heap_oid, role, ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(heap));
	if (check_enable_rls(heap_oid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" has row-level security that applies to you", RelationGetRelationName(heap)),
				 errhint("Its owner, or a role with BYPASSRLS, can do this.")));
}

/*
 * Open an index of this access method and its table, for one who may see of them
 * what "inspection" says.
 */
HnswInspected
hnsw_inspect_open(Oid oid, HnswInspection inspection)
{
	HnswInspected inspected;
	char	   *name = get_rel_name(oid);
	char		kind = get_rel_relkind(oid);
	Oid			heap_oid = kind == RELKIND_INDEX ? IndexGetRelation(oid, true) : InvalidOid;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u does not exist", oid)));
	if (kind == RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is partitioned", name),
				 errhint("Name the index of a partition.")));
	if (heap_oid == InvalidOid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", name)));
	inspected.heap = table_open(heap_oid, AccessShareLock);
	inspected.index = index_open(oid, AccessShareLock);
	if (inspected.index->rd_indam->ambuild != hnsw_build)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not one of vecmark's access method hnsw", name)));
	if (RELATION_IS_OTHER_TEMP(inspected.index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot look into temporary indexes of other sessions")));
	check_permission(inspected.heap, inspection);
	if (!inspected.index->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", name)));
	return inspected;
}

/* Close both, and unlock them. */
void
hnsw_inspect_close(HnswInspected *inspected)
{
	index_close(inspected->index, AccessShareLock);
	table_close(inspected->heap, AccessShareLock);
}

/* Return one row. */
static Datum
one_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* ---- hnsw_info */

/* What is said of a node while its surroundings are counted, beside its state. */
#define REACHED 0x80

typedef struct Survey
{
	HnswIndex  *index;
	HnswCensus	census;
	uint8	   *states;
	uint8	   *levels;			/* LEVEL_NONE if there is no slot of a node */
	uint32	   *queue;			/* of nodes reached and not yet read */
	uint32		queue_count;
	int64		links;
	int64		chosen;
	int64		stale;
	int64		unreachable;
	int			max_links;
	int			levels_used;
} Survey;

#define LEVEL_NONE 0xff

static void
count_links(Survey *survey)
{
	const GraphGeometry *g = &survey->index->geometry;

	for (uint32 node = 0; node < survey->census.limit; node++)
	{
		const GraphSlot *slot;
		const uint32 *links;

		CHECK_FOR_INTERRUPTS();
		survey->levels[node] = LEVEL_NONE;
		if (survey->states[node] == HNSW_ENTRY_FREE || survey->states[node] == HNSW_ENTRY_TIDS)
			continue;
		slot = hnsw_slot_open(survey->index, node);
		if (slot == NULL)
			continue;
		survey->levels[node] = slot->level;
		survey->levels_used = Max(survey->levels_used, slot->level + 1);
		survey->links += slot->count;
		survey->max_links = Max(survey->max_links, slot->count);
		links = graph_slot_links(g, slot);
		for (int i = 0; i < slot->count; i++)
			survey->chosen += (links[i] & GRAPH_LINK_CHOSEN) != 0;
		hnsw_slot_close(survey->index);
	}
}

static void
reach(Survey *survey, uint32 node)
{
	if (node >= survey->census.limit || survey->levels[node] == LEVEL_NONE || survey->states[node] & REACHED)
		return;
	survey->states[node] |= REACHED;
	survey->queue[survey->queue_count++] = node;
}

/* Count the links of a node that lead to none of its level, and follow the rest. */
static void
follow_links(Survey *survey, uint32 node)
{
	const GraphSlot *slot = hnsw_slot_open(survey->index, node);
	const uint32 *links;

	if (slot == NULL)
		return;
	links = graph_slot_links(&survey->index->geometry, slot);
	for (int i = 0; i < slot->count; i++)
	{
		uint32		neighbour = GRAPH_LINK_NODE(links[i]);

		/* A node newer than the census may be linked to already. */
		if (neighbour < survey->census.limit && survey->levels[neighbour] != slot->level)
			survey->stale++;
		reach(survey, neighbour);
	}
	if (slot->level > 0)
		reach(survey, slot->down);
	hnsw_slot_close(survey->index);
}

static void
count_reached(Survey *survey)
{
	uint32		next = 0;

	hnsw_read_meta(survey->index);
	reach(survey, survey->index->meta.entry);
	while (next < survey->queue_count)
	{
		CHECK_FOR_INTERRUPTS();
		follow_links(survey, survey->queue[next++]);
	}
	for (uint32 node = 0; node < survey->census.limit; node++)
	{
		if (survey->states[node] & REACHED || survey->levels[node] == LEVEL_NONE)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (survey->states[node] == HNSW_ENTRY_LIVE && node != survey->index->meta.odd)
			survey->unreachable++;
		/* Its links count as well; what it leads to is not reached by that. */
		survey->states[node] |= REACHED;
		survey->queue_count = 0;
		follow_links(survey, node);
		while (survey->queue_count > 0)
			survey->states[survey->queue[--survey->queue_count]] &= ~REACHED;
	}
}

/*
 * SQL: vecmark.hnsw_info(index regclass), one row of figures.
 */
Datum
vecmark_hnsw_info(PG_FUNCTION_ARGS)
{
	static const char *const metrics[] = {"l2", "ip", "cosine", "l1", "hamming", "jaccard", "poincare"};
	static const char *const storages[] = {"float32", "int8", "sparse"};
	HnswInspected inspected = hnsw_inspect_open(PG_GETARG_OID(0), HNSW_INSPECT_PAGES);
	HnswIndex  *index = hnsw_open(inspected.index);
	const GraphGeometry *g = &index->geometry;
	Survey		survey = {.index = index};
	HnswCensus *census = &survey.census;
	int64		blocks = RelationGetNumberOfBlocks(inspected.index);
	int64		nodes;
	Datum		values[32];
	bool		nulls[32] = {false};
	int			n = 0;

	index->strategy = GetAccessStrategy(BAS_BULKREAD);
	hnsw_take_census(index, census, true, &survey.states);
	survey.levels = MemoryContextAllocHuge(CurrentMemoryContext, census->limit + 1);
	survey.queue = MemoryContextAllocHuge(CurrentMemoryContext, (census->limit + 1) * sizeof(uint32));
	count_links(&survey);
	count_reached(&survey);
	nodes = census->live + census->dead + census->upper;

	values[n++] = CStringGetTextDatum(metrics[g->shape.metric]);
	values[n++] = Int32GetDatum(g->shape.dim);
	values[n++] = CStringGetTextDatum(storages[g->shape.storage]);
	values[n++] = Int32GetDatum(g->shape.bits);
	values[n++] = Int32GetDatum(index->meta.m);
	values[n++] = Int32GetDatum(index->meta.ef_construction);
	values[n++] = Int32GetDatum(g->shape.links);
	values[n++] = Int32GetDatum(g->slots_per_page);
	values[n++] = Int32GetDatum(g->pages_per_slot);
	values[n++] = Int64GetDatum(blocks);
	values[n++] = Int64GetDatum(blocks * BLCKSZ);
	values[n++] = Int64GetDatum(census->directory_pages * BLCKSZ);
	values[n++] = Int64GetDatum(nodes * (g->ids_offset - g->vector_offset));
	values[n++] = Int64GetDatum(nodes * (g->codes_offset - g->ids_offset));
	values[n++] = Int64GetDatum(nodes * g->shape.links * g->code_bytes);
	values[n++] = Int64GetDatum(census->free * g->slot_size);
	values[n++] = Int64GetDatum(census->tids);
	values[n++] = Int64GetDatum(census->live);
	values[n++] = Int64GetDatum(census->dead);
	values[n++] = Int64GetDatum(census->upper);
	values[n++] = Int64GetDatum(census->free);
	values[n++] = Int64GetDatum(census->tid_slots);
	values[n++] = Int32GetDatum(survey.levels_used);
	values[n++] = Int64GetDatum((int64) index->meta.entry);
	nulls[n - 1] = index->meta.entry == GRAPH_NO_NODE;
	values[n++] = Int64GetDatum((int64) index->meta.odd);
	nulls[n - 1] = index->meta.odd == GRAPH_NO_NODE;
	values[n++] = Int64GetDatum(survey.links);
	values[n++] = Int64GetDatum(survey.chosen);
	values[n++] = Int32GetDatum(survey.max_links);
	values[n++] = Int64GetDatum(survey.stale);
	values[n++] = Int64GetDatum(survey.unreachable);
	hnsw_inspect_close(&inspected);
	return one_row(fcinfo, values, nulls);
}

/* ---- recall */

/* The nearest distances from one sample: a heap, the farthest first. */
typedef struct Nearest
{
	double	   *distances;
	int			count;
} Nearest;

typedef struct Recall
{
	HnswInspected inspected;
	IndexInfo  *info;
	EState	   *estate;
	ExprState  *predicate;
	TupleTableSlot *slot;
	MemoryContext row_context;
	FmgrInfo	distance;
	Oid			collation;
	Oid			type;
	int			k;

	Datum	   *samples;
	Nearest    *nearest;		/* exact, by sample */
	int			count;
	int64		rows;
} Recall;

/* The distance of two values; a NaN is greater than all else. */
static double
measure(Recall *recall, Datum a, Datum b)
{
	return DatumGetFloat8(FunctionCall2Coll(&recall->distance, recall->collation, a, b));
}

/* Keep the k least of the distances offered. */
static void
offer(Nearest *nearest, int k, double distance)
{
	double	   *heap = nearest->distances;
	int			i;

	if (nearest->count < k)
	{
		for (i = nearest->count++; i > 0 && float8_lt(heap[(i - 1) / 2], distance); i = (i - 1) / 2)
			heap[i] = heap[(i - 1) / 2];
	}
	else if (float8_lt(distance, heap[0]))
	{
		i = 0;
		for (;;)
		{
			int			child = 2 * i + 1;

			if (child >= k)
				break;
			if (child + 1 < k && float8_gt(heap[child + 1], heap[child]))
				child++;
			if (float8_ge(distance, heap[child]))
				break;
			heap[i] = heap[child];
			i = child;
		}
	}
	else
		return;
	heap[i] = distance;
}

/*
 * The value that the index has for the row in the slot; false if it has none.
 * Allocates in the row's context.
 */
static bool
indexed_value(Recall *recall, Datum *value)
{
	ExprContext *expressions = GetPerTupleExprContext(recall->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	ResetExprContext(expressions);
	expressions->ecxt_scantuple = recall->slot;
	if (recall->predicate != NULL && !ExecQual(recall->predicate, expressions))
		return false;
	FormIndexDatum(recall->info, recall->slot, recall->estate, values, nulls);
	if (nulls[0])
		return false;
	*value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	return true;
}

/* Go through the table and let a function see each value that is indexed. */
static void
for_each_value(Recall *recall, void (*see) (Recall *recall, Datum value, void *context), void *context)
{
	TableScanDesc scan = table_beginscan(recall->inspected.heap, GetActiveSnapshot(), 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, recall->slot))
	{
		MemoryContext old = MemoryContextSwitchTo(recall->row_context);
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		if (indexed_value(recall, &value))
			see(recall, value, context);
		MemoryContextSwitchTo(old);
		MemoryContextReset(recall->row_context);
	}
	table_endscan(scan);
}

typedef struct Sampling
{
	pg_prng_state random;
	int			wanted;
	MemoryContext context;
} Sampling;

/* Vitter's algorithm R: after n values each has been taken with the same probability. */
static void
sample(Recall *recall, Datum value, void *context)
{
	Sampling   *sampling = context;
	MemoryContext old;
	int64		place;

	/* One that is nowhere, not even near itself, is nothing to search with. */
	if (isnan(measure(recall, value, value)))
		return;
	place = recall->rows++;
	if (place >= sampling->wanted)
	{
		place = pg_prng_uint64_range(&sampling->random, 0, place);
		if (place >= sampling->wanted)
			return;
		pfree(DatumGetPointer(recall->samples[place]));
	}
	else
		recall->count++;
	old = MemoryContextSwitchTo(sampling->context);
	recall->samples[place] = datumCopy(value, false, -1);
	MemoryContextSwitchTo(old);
}

/* Compare a row with all samples. */
static void
compare(Recall *recall, Datum value, void *context)
{
	for (int i = 0; i < recall->count; i++)
		offer(&recall->nearest[i], recall->k, measure(recall, recall->samples[i], value));
}

/*
 * Search the index for the k nearest of a sample, as the executor would, and say
 * how many of them are no farther than the k-th nearest of all.
 *
 * Where the index gives lower bounds, rows come in the order of their distances
 * once the bound has passed them.
 */
static int
search(Recall *recall, IndexScanDesc scan, int number)
{
	ScanKeyData key;
	double		farthest = recall->nearest[number].distances[0];
	Nearest		found = {palloc(sizeof(double) * recall->k), 0};
	int			hits = 0;

	ScanKeyEntryInitialize(&key, SK_ORDER_BY, 1, 1, recall->type, recall->collation,
						   recall->distance.fn_oid, recall->samples[number]);
	index_rescan(scan, NULL, 0, &key, 1);
	while (index_getnext_slot(scan, ForwardScanDirection, recall->slot))
	{
		MemoryContext old = MemoryContextSwitchTo(recall->row_context);
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		/* A page of the index never holds what the index does not have. */
		if (indexed_value(recall, &value))
			offer(&found, recall->k, measure(recall, recall->samples[number], value));
		MemoryContextSwitchTo(old);
		MemoryContextReset(recall->row_context);
		if (found.count == recall->k &&
			(!scan->xs_recheckorderby || float8_ge(DatumGetFloat8(scan->xs_orderbyvals[0]), found.distances[0])))
			break;
	}
	for (int i = 0; i < found.count; i++)
		hits += float8_le(found.distances[i], farthest);
	pfree(found.distances);
	return hits;
}

static void
check_range(const char *name, int value, int most)
{
	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 1 and %d, not %d", name, most, value)));
}

/*
 * SQL: vecmark.recall(index regclass, k integer, samples integer, seed bigint),
 * one row: the share of the k nearest rows that a search by the index finds.
 *
 * Reads the table twice, once to take samples and once to compare each row with
 * all of them.
 */
Datum
vecmark_recall(PG_FUNCTION_ARGS)
{
	Recall		recall = {.k = PG_GETARG_INT32(1)};
	Sampling	sampling = {.wanted = PG_GETARG_INT32(2),.context = CurrentMemoryContext};
	Relation	index;
	IndexScanDesc scan;
	ExprContext *expressions;
	Oid			operator;
	int64		hits = 0;
	int64		possible = 0;
	double		worst = 1;
	Datum		values[5];
	bool		nulls[5] = {false};

	check_range("k", recall.k, MAX_K);
	check_range("samples", sampling.wanted, MAX_SAMPLES);
	recall.inspected = hnsw_inspect_open(PG_GETARG_OID(0), HNSW_INSPECT_ROWS);
	index = recall.inspected.index;
	recall.info = BuildIndexInfo(index);
	recall.estate = CreateExecutorState();
	recall.slot = table_slot_create(recall.inspected.heap, NULL);
	recall.row_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw recall", ALLOCSET_DEFAULT_SIZES);
	recall.type = index->rd_opcintype[0];
	recall.collation = index->rd_indcollation[0];
	operator = get_opfamily_member(index->rd_opfamily[0], recall.type, recall.type, 1);
	if (!OidIsValid(operator))
		elog(ERROR, "operator class of index \"%s\" has no operator", RelationGetRelationName(index));
	fmgr_info(get_opcode(operator), &recall.distance);
	expressions = GetPerTupleExprContext(recall.estate);
	expressions->ecxt_scantuple = recall.slot;
	recall.predicate = ExecPrepareQual(recall.info->ii_Predicate, recall.estate);

	pg_prng_seed(&sampling.random, (uint64) PG_GETARG_INT64(3));
	recall.samples = palloc(sizeof(Datum) * sampling.wanted);
	for_each_value(&recall, sample, &sampling);
	recall.nearest = palloc0(sizeof(Nearest) * Max(recall.count, 1));
	for (int i = 0; i < recall.count; i++)
		recall.nearest[i].distances = palloc(sizeof(double) * recall.k);
	for_each_value(&recall, compare, NULL);

	scan = vm_index_beginscan(recall.inspected.heap, index, GetActiveSnapshot(), 0, 1);
	for (int i = 0; i < recall.count; i++)
	{
		int			found = search(&recall, scan, i);
		int			all = recall.nearest[i].count;

		hits += Min(found, all);
		possible += all;
		worst = Min(worst, (double) Min(found, all) / all);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(recall.slot);
	FreeExecutorState(recall.estate);
	hnsw_inspect_close(&recall.inspected);

	values[0] = Int32GetDatum(recall.k);
	values[1] = Int32GetDatum(recall.count);
	values[2] = Float8GetDatum(possible > 0 ? (double) hits / possible : 0);
	values[3] = Float8GetDatum(worst);
	nulls[2] = nulls[3] = possible == 0;
	values[4] = Int64GetDatum(recall.rows);
	return one_row(fcinfo, values, nulls);
}

/* ---- explain_search */

/* Microseconds since a time, which becomes now. */
static double
lap(instr_time *time)
{
	instr_time	now;
	instr_time	passed;

	INSTR_TIME_SET_CURRENT(now);
	passed = now;
	INSTR_TIME_SUBTRACT(passed, *time);
	*time = now;
	return INSTR_TIME_GET_DOUBLE(passed) * 1e6;
}

/*
 * SQL: vecmark.explain_search(index regclass, query vector, k integer), one row:
 * what a search for k rows costs.  It walks as a scan does (hnsw_scan.c), but
 * neither reads the table nor sweeps.
 */
Datum
vecmark_explain_search(PG_FUNCTION_ARGS)
{
	int			k = PG_GETARG_INT32(2);
	HnswInspected inspected = hnsw_inspect_open(PG_GETARG_OID(0), HNSW_INSPECT_ROWS);
	HnswScanSettings settings = hnsw_scan_settings(inspected.index);
	HnswIndex  *index;
	GraphSource source;
	GraphQuery *query;
	GraphWalk	walk;
	GraphNear	near;
	HnswTids	tids = {0};
	instr_time	time;
	double		prepare;
	double		open;
	double		descend = 0;
	double		walking = 0;
	double		taking = 0;
	uint64		upper_hops = 0;
	int64		nodes = 0;
	int64		rows = 0;
	Datum		values[12];
	bool		nulls[12] = {false};
	int			n = 0;

	check_range("k", k, MAX_K);
	if (get_fn_expr_argtype(fcinfo->flinfo, 1) != inspected.index->rd_opcintype[0])
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("index \"%s\" is not of the query's type", RelationGetRelationName(inspected.index))));
	INSTR_TIME_SET_CURRENT(time);
	index = hnsw_open(inspected.index);
	open = lap(&time);
	hnsw_source_init(&source, index);
	query = graph_query_init(palloc(graph_query_size(&index->geometry)), &index->geometry);
	if (!hnsw_form_vector(index, PG_GETARG_DATUM(1), query->vector))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query vector has no direction")));
	graph_query_prepare(query);
	graph_walk_init(&walk, &source, query);
	prepare = lap(&time);
	if (index->meta.entry != GRAPH_NO_NODE &&
		graph_walk_descend(&walk, index->meta.entry, index->meta.entry_level, 0))
	{
		upper_hops = walk.hops;
		descend = lap(&time);
		while (rows < k)
		{
			int64		width = Max(settings.ef_search, 2 * (nodes + 1));

			if (settings.iterative_scan != HNSW_ITERATIVE_OFF || nodes == 0)
				graph_walk_widen(&walk, (uint32) Min(width, PG_INT32_MAX));
			while ((nodes == 0 || (walk.hops < settings.max_scan_tuples && walk.memory <= settings.memory_limit)) &&
				   graph_walk_step(&walk))
				;
			walking += lap(&time);
			if (!graph_walk_take(&walk, &near) ||
				(settings.iterative_scan == HNSW_ITERATIVE_OFF && nodes >= settings.ef_search))
				break;
			if (hnsw_tids_begin(index, near.node, &tids) == HNSW_ENTRY_LIVE)
				nodes++;
			while (rows + tids.count < k && hnsw_tids_read_on(index, &tids))
				;
			rows += tids.count;
			taking += lap(&time);
		}
	}

	values[n++] = Int64GetDatum((int64) walk.hops);
	values[n++] = Int64GetDatum((int64) upper_hops);
	values[n++] = Int64GetDatum((int64) index->pages_read);
	values[n++] = Int64GetDatum((int64) walk.estimates);
	values[n++] = Int64GetDatum(nodes);
	values[n++] = Int64GetDatum(Min(rows, k));
	values[n++] = Int64GetDatum((int64) walk.memory);
	values[n++] = Float8GetDatum(open);
	values[n++] = Float8GetDatum(prepare);
	values[n++] = Float8GetDatum(descend);
	values[n++] = Float8GetDatum(walking);
	values[n++] = Float8GetDatum(taking);
	graph_walk_free(&walk);
	hnsw_inspect_close(&inspected);
	return one_row(fcinfo, values, nulls);
}
