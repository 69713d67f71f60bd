/*
 * hnsw_check.c: vecmark.hnsw_check, which verifies the invariants of the README.
 *
 * Pages are copied under a share lock and taken apart here, whatever is in them:
 * what elsewhere is an error is a row of the result.  Others may write meanwhile.
 * What looks wrong is looked at again, since the change of two pages may have been
 * seen by halves; each change by itself leaves the invariants whole.
 *
 * Here is in what order things are looked at; how, in hnsw_check_page.c,
 * hnsw_check_directory.c and hnsw_check_node.c.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "hnsw/hnsw_check.h"
#include "hnsw/hnsw_inspect.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

VM_FUNCTION_INFO(vecmark_hnsw_check);

static void
check_index(HnswCheck *check)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	uint32		groups;
	Size		image_size;

	check->blocks = RelationGetNumberOfBlocks(check->index.rel);
	check->unreadable = palloc0(check->blocks / 8 + 1);
	if (!hnsw_check_meta(check))
		return;
	hnsw_check_frames(check, 1, check->blocks);

	groups = check->blocks < 2 ? 0 : (check->blocks - 2) / g->group_pages + 1;
	check->limit = groups * g->group_nodes;
	check->states = MemoryContextAllocExtended(CurrentMemoryContext, check->limit + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	check->chained = palloc0(check->limit / 8 + 1);
	image_size = Max((Size) g->pages_per_slot * GRAPH_PAGE_ROOM, g->slot_size);
	check->image = palloc0(image_size);
	check->other = palloc0(image_size);
	check->made = palloc0(image_size);
	check->own = palloc(sizeof(float) * g->words);
	check->neighbour = palloc(sizeof(float) * g->words);
	check->scratch = palloc(sizeof(float) * g->words);
	check->tids = tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid, false, maintenance_work_mem,
										NULL, TUPLESORT_NONE);
	for (uint32 group = 0; group < groups && !hnsw_check_is_full(check); group++)
		hnsw_check_directory(check, group);
	hnsw_check_tids(check);
	hnsw_check_entry(check);
	for (uint32 node = 0; node < check->limit && !hnsw_check_is_full(check); node++)
	{
		if (check->states[node] != HNSW_ENTRY_FREE)
			hnsw_check_node(check, node);
	}
}

/*
 * SQL: vecmark.hnsw_check(index regclass), one row for each thing found that
 * breaks an invariant.
 *
 * Errors: 42809 when it is no index of ours, 42501 when the caller may not.
 */
Datum
vecmark_hnsw_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	HnswInspected inspected = hnsw_inspect_open(PG_GETARG_OID(0), HNSW_INSPECT_PAGES);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw check", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	HnswCheck  *check;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(context);
	check = palloc0(sizeof(HnswCheck));
	check->index.rel = inspected.index;
	check->strategy = GetAccessStrategy(BAS_BULKREAD);
	check_index(check);
	for (int i = 0; i < check->problem_count; i++)
	{
		const HnswProblem *problem = &check->problems[i];
		Datum		values[4];
		bool		nulls[4] = {false, false, problem->node == GRAPH_NO_NODE, false};

		values[0] = Int32GetDatum(problem->invariant);
		values[1] = Int64GetDatum((int64) problem->block);
		values[2] = Int64GetDatum((int64) problem->node);
		values[3] = CStringGetTextDatum(problem->text);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	hnsw_inspect_close(&inspected);
	return (Datum) 0;
}
