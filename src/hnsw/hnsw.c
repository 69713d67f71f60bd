/*
 * hnsw.c: the handlers of access methods hnsw and ivfflat, and what they ask of operator classes.
 */
#include "postgres.h"
#include "compat.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "hnsw/hnsw.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

VM_FUNCTION_INFO(hnswhandler);
VM_FUNCTION_INFO(ivfflathandler);

/* ---- amvalidate */

/* The strategy number of an operator class's only operator. */
#define HNSW_ORDER_STRATEGY 1

/* What an operator class or family is called in a report on it. */
typedef struct Validation
{
	char	   *method;
	char	   *family;
	char	   *opclass;
	bool		valid;
} Validation;

/* Say what is wrong: "operator family X of access method hnsw contains ...". */
static void fault(Validation *validation, const char *format,...) pg_attribute_printf(2, 3);

static void
fault(Validation *validation, const char *format,...)
{
	va_list		args;
	char		what[512];

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator family \"%s\" of access method %s %s", validation->family, validation->method, what)));
	validation->valid = false;
}

static void
validate_function(Validation *validation, Form_pg_amproc entry)
{
	char	   *name = format_procedure(entry->amproc);
	bool		matches;

	if (entry->amproclefttype != entry->amprocrighttype)
		fault(validation, "contains support function %s with different left and right input types", name);
	switch (entry->amprocnum)
	{
		case HNSW_DISTANCE_PROC:
			matches = check_amproc_signature(entry->amproc, FLOAT8OID, false, 2, 2,
											 entry->amproclefttype, entry->amprocrighttype);
			break;
		case HNSW_OPCLASS_PROC:
			matches = check_amproc_signature(entry->amproc, INTERNALOID, true, 1, 1, INTERNALOID);
			break;
		default:
			fault(validation, "contains function %s with invalid support number %d", name, entry->amprocnum);
			return;
	}
	if (!matches)
		fault(validation, "contains function %s with wrong signature for support number %d",
			  name, entry->amprocnum);
}

static void
validate_operator(Validation *validation, Form_pg_amop entry)
{
	char	   *name = format_operator(entry->amopopr);
	Oid			result = get_op_rettype(entry->amopopr);

	if (entry->amopstrategy != HNSW_ORDER_STRATEGY)
		fault(validation, "contains operator %s with invalid strategy number %d", name, entry->amopstrategy);
	if (entry->amoppurpose != AMOP_ORDER)
		fault(validation, "contains operator %s for search, and can only order", name);
	else if (!opfamily_can_sort_type(entry->amopsortfamily, result))
		fault(validation, "contains invalid ORDER BY specification for operator %s", name);
	/* A scan gives distances as double precision. */
	if (!check_amop_signature(entry->amopopr, FLOAT8OID, entry->amoplefttype, entry->amoprighttype))
		fault(validation, "contains operator %s with wrong signature", name);
}

/* Whether a group of a family has all that the access method calls. */
static void
validate_group(Validation *validation, const OpFamilyOpFuncGroup *group)
{
	if ((group->operatorset & (UINT64CONST(1) << HNSW_ORDER_STRATEGY)) == 0)
		fault(validation, "is missing operator of strategy %d for types %s and %s",
			  HNSW_ORDER_STRATEGY, format_type_be(group->lefttype), format_type_be(group->righttype));
	for (int number = HNSW_DISTANCE_PROC; number <= HNSW_OPCLASS_PROC; number++)
	{
		if ((group->functionset & (UINT64CONST(1) << number)) == 0)
			fault(validation, "is missing support function %d for types %s and %s",
				  number, format_type_be(group->lefttype), format_type_be(group->righttype));
	}
}

/*
 * amvalidate: whether the catalogs describe an operator class that can work, and
 * INFO messages on what is wrong.
 */
static bool
validate_opclass(Oid opclassoid)
{
	Validation	validation = {.valid = true};
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclassoid));
	Form_pg_opclass opclass;
	Oid			family;
	Oid			type;
	Oid			storage_type;
	CatCList   *operators;
	CatCList   *functions;
	bool		has_group = false;
	ListCell   *cell;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclassoid);
	opclass = (Form_pg_opclass) GETSTRUCT(tuple);
	family = opclass->opcfamily;
	type = opclass->opcintype;
	validation.method = get_am_name(opclass->opcmethod);
	validation.opclass = pstrdup(NameStr(opclass->opcname));
	storage_type = opclass->opckeytype;
	ReleaseSysCache(tuple);
	tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator family %u", family);
	validation.family = pstrdup(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname));
	ReleaseSysCache(tuple);
	if (OidIsValid(storage_type) && storage_type != type)
		fault(&validation, "has operator class \"%s\" with a storage type", validation.opclass);

	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	for (int i = 0; i < functions->n_members; i++)
		validate_function(&validation, (Form_pg_amproc) GETSTRUCT(&functions->members[i]->tuple));
	for (int i = 0; i < operators->n_members; i++)
		validate_operator(&validation, (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple));
	foreach(cell, identify_opfamily_groups(operators, functions))
	{
		const OpFamilyOpFuncGroup *group = (const OpFamilyOpFuncGroup *) lfirst(cell);

		has_group |= group->lefttype == type && group->righttype == type;
		validate_group(&validation, group);
	}
	if (!has_group)
		fault(&validation, "has nothing for the type of operator class \"%s\"", validation.opclass);
	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	return validation.valid;
}

/* ---- the handlers */

/* ambuildphasename: for pg_stat_progress_create_index. */
static char *
build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case HNSW_PHASE_LOAD:
			return "loading tuples";
		case HNSW_PHASE_WRITE:
			return "writing pages";
		default:
			return NULL;
	}
}

/*
 * SQL: hnswhandler(internal) -> index_am_handler.
 */
Datum
hnswhandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	/* What is not named here is false, zero or NULL: not supported. */
	routine->amsupport = HNSW_OPCLASS_PROC;
	routine->amcanorderbyop = true;
	routine->amoptionalkey = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL | VACUUM_OPTION_PARALLEL_COND_CLEANUP;
	routine->amkeytype = InvalidOid;
	VM_AM_CAN_BUILD_PARALLEL(routine);

	routine->ambuild = hnsw_build;
	routine->ambuildempty = hnsw_build_empty;
	routine->aminsert = hnsw_insert;
	routine->ambulkdelete = hnsw_bulk_delete;
	routine->amvacuumcleanup = hnsw_vacuum_cleanup;
	routine->amcostestimate = hnsw_cost_estimate;
	routine->amoptions = hnsw_options;
	routine->ambuildphasename = build_phase_name;
	routine->amvalidate = validate_opclass;
	routine->ambeginscan = hnsw_begin_scan;
	routine->amrescan = hnsw_rescan;
	routine->amgettuple = hnsw_get_tuple;
	routine->amendscan = hnsw_end_scan;
	PG_RETURN_POINTER(routine);
}

/*
 * SQL: ivfflathandler(internal) -> index_am_handler.  README, "ivfflat".
 */
Datum
ivfflathandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = (IndexAmRoutine *) DatumGetPointer(hnswhandler(fcinfo));

	routine->amoptions = hnsw_ivfflat_options;
	PG_RETURN_POINTER(routine);
}
