/*
 * hnsw.c: the access method's handler, its settings and options, and its operator classes.
 */
#include "postgres.h"
#include "compat.h"

#include <limits.h>

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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

VM_FUNCTION_INFO(hnswhandler);

StaticAssertDecl(sizeof(GraphStorage) == sizeof(int), "an option of this type is stored as an int");

/* ---- settings and options */

#define DEFAULT_ITERATIVE_SCAN HNSW_ITERATIVE_STRICT
#define DEFAULT_MAX_SCAN_TUPLES 20000
#define UNSET (-1)

static const struct config_enum_entry iterative_scan_values[] = {
	{"off", HNSW_ITERATIVE_OFF, false},
	{"relaxed_order", HNSW_ITERATIVE_RELAXED, false},
	{"strict_order", HNSW_ITERATIVE_STRICT, false},
	{NULL, 0, false}
};

static relopt_enum_elt_def iterative_scan_members[] = {
	{"off", HNSW_ITERATIVE_OFF},
	{"relaxed_order", HNSW_ITERATIVE_RELAXED},
	{"strict_order", HNSW_ITERATIVE_STRICT},
	{NULL}
};

static relopt_enum_elt_def storage_members[] = {
	{"float32", GRAPH_FLOAT32},
	{"int8", GRAPH_INT8},
	{NULL}
};

static int	ef_search_setting = HNSW_DEFAULT_EF_SEARCH;
static int	iterative_scan_setting = DEFAULT_ITERATIVE_SCAN;
static int	max_scan_tuples_setting = DEFAULT_MAX_SCAN_TUPLES;
static double scan_mem_multiplier_setting = 1;

/*
 * The settings as the server knows them.  Each is ours, or pgvector's if that
 * was loaded in this backend before us: then it is used as it is.
 */
static struct config_generic *ef_search_record;
static struct config_generic *iterative_scan_record;
static struct config_generic *max_scan_tuples_record;
static struct config_generic *scan_mem_multiplier_record;

static relopt_kind option_kind;

/*
 * A setting that some library has defined, or NULL: what a user has set under a
 * name that nobody has defined yet does not count.
 */
struct config_generic *
hnsw_defined_setting(const char *name)
{
	struct config_generic *record = vm_find_setting(name);

	return record == NULL || (record->flags & GUC_CUSTOM_PLACEHOLDER) ? NULL : record;
}

/* Of ivfflat too, whose kind is given: an option is defined once for both. */
static void
define_options(relopt_kind ivfflat_kind)
{
	bits32		kinds;

	option_kind = add_reloption_kind();
	kinds = option_kind | ivfflat_kind;
	add_int_reloption(kinds, "m", "Half the number of neighbours of a node.",
					  HNSW_DEFAULT_M, GRAPH_MIN_M, GRAPH_MAX_M, AccessExclusiveLock);
	add_int_reloption(kinds, "ef_construction", "Nodes that are considered as neighbours of a new one.",
					  HNSW_DEFAULT_EF_CONSTRUCTION, HNSW_MIN_EF_CONSTRUCTION, HNSW_MAX_EF_CONSTRUCTION,
					  AccessExclusiveLock);
	add_enum_reloption(kinds, "storage", "How the index keeps vectors.",
					   storage_members, GRAPH_FLOAT32,
					   "Valid values are \"float32\" and \"int8\".", AccessExclusiveLock);
	add_int_reloption(kinds, "seed", "Start of the random numbers.",
					  HNSW_DEFAULT_SEED, INT_MIN, INT_MAX, AccessExclusiveLock);
	/* These three say how to read an index: changing them disturbs nobody. */
	add_int_reloption(kinds, "ef_search", "Overrides hnsw.ef_search for this index.",
					  UNSET, 1, HNSW_MAX_EF_SEARCH, ShareUpdateExclusiveLock);
	add_enum_reloption(kinds, "iterative_scan", "Overrides hnsw.iterative_scan for this index.",
					   iterative_scan_members, UNSET,
					   "Valid values are \"off\", \"relaxed_order\" and \"strict_order\".",
					   ShareUpdateExclusiveLock);
	add_int_reloption(kinds, "max_scan_tuples", "Overrides hnsw.max_scan_tuples for this index.",
					  UNSET, 1, INT_MAX, ShareUpdateExclusiveLock);
}

/*
 * Define the options of indexes, and the settings unless pgvector has: to define
 * one again is an error.  Runs once in each backend, when the library is loaded.
 */
void
hnsw_define_settings(void)
{
	define_options(hnsw_ivfflat_define_settings());

	if (hnsw_defined_setting("hnsw.ef_search") == NULL)
		DefineCustomIntVariable("hnsw.ef_search",
								"Nodes that a search reads before it gives its first row, at least.",
								"More find more of the nearest rows, and take longer.",
								&ef_search_setting,
								HNSW_DEFAULT_EF_SEARCH, 1, HNSW_MAX_EF_SEARCH,
								PGC_USERSET, 0, NULL, NULL, NULL);
	if (hnsw_defined_setting("hnsw.iterative_scan") == NULL)
		DefineCustomEnumVariable("hnsw.iterative_scan",
								 "Whether a search goes on when it has given the rows of its first \"hnsw.ef_search\" nodes, and in what order.",
								 NULL,
								 &iterative_scan_setting,
								 DEFAULT_ITERATIVE_SCAN, iterative_scan_values,
								 PGC_USERSET, 0, NULL, NULL, NULL);
	if (hnsw_defined_setting("hnsw.max_scan_tuples") == NULL)
		DefineCustomIntVariable("hnsw.max_scan_tuples",
								"Nodes that a search reads at most when it goes on.",
								NULL,
								&max_scan_tuples_setting,
								DEFAULT_MAX_SCAN_TUPLES, 1, INT_MAX,
								PGC_USERSET, 0, NULL, NULL, NULL);
	if (hnsw_defined_setting("hnsw.scan_mem_multiplier") == NULL)
		DefineCustomRealVariable("hnsw.scan_mem_multiplier",
								 "Memory that a search takes at most when it goes on, as a multiple of \"work_mem\".",
								 NULL,
								 &scan_mem_multiplier_setting,
								 1, 1, 1000,
								 PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("hnsw");

	ef_search_record = hnsw_defined_setting("hnsw.ef_search");
	iterative_scan_record = hnsw_defined_setting("hnsw.iterative_scan");
	max_scan_tuples_record = hnsw_defined_setting("hnsw.max_scan_tuples");
	scan_mem_multiplier_record = hnsw_defined_setting("hnsw.scan_mem_multiplier");
}

/* The value of a setting, or "otherwise" if it is not what we know by its name. */
int
hnsw_int_value(const struct config_generic *record, int otherwise)
{
	if (record == NULL || record->vartype != PGC_INT)
		return otherwise;
	return *((const struct config_int *) record)->variable;
}

static double
real_value(const struct config_generic *record, double otherwise)
{
	if (record == NULL || record->vartype != PGC_REAL)
		return otherwise;
	return *((const struct config_real *) record)->variable;
}

/*
 * The name of what a setting has been set to, or NULL if it has not been, or is
 * not what we know by its name.  pgvector may number values as it likes.
 */
const char *
hnsw_enum_value(struct config_generic *record)
{
	struct config_enum *known = (struct config_enum *) record;

	if (record == NULL || record->vartype != PGC_ENUM || record->source == PGC_S_DEFAULT)
		return NULL;
	return config_enum_lookup_by_value(known, *known->variable);
}

/* hnsw.iterative_scan.  pgvector's default, which drops rows, is not ours. */
static HnswIterativeScan
iterative_scan_value(void)
{
	const char *name = hnsw_enum_value(iterative_scan_record);

	if (name == NULL)
		return DEFAULT_ITERATIVE_SCAN;
	for (const struct config_enum_entry *entry = iterative_scan_values; entry->name != NULL; entry++)
	{
		if (strcmp(entry->name, name) == 0)
			return (HnswIterativeScan) entry->val;
	}
	return DEFAULT_ITERATIVE_SCAN;
}

/*
 * Whether an index's own option counts: it was given, and nobody has asked for
 * something else in this very session.  Between what stands in files, databases
 * or roles and what stands at the index, the latter is meant more closely.
 */
static bool
option_counts(int option, const struct config_generic *record)
{
	return option != UNSET && (record == NULL || record->source < PGC_S_CLIENT);
}

/*
 * How to scan an index now.  rel may be NULL: an index without options of its own.
 */
HnswScanSettings
hnsw_scan_settings(Relation rel)
{
	const HnswOptions *options = rel == NULL ? NULL : (const HnswOptions *) rel->rd_options;
	HnswScanSettings settings;
	double		multiplier = real_value(scan_mem_multiplier_record, 1);

	settings.ef_search = hnsw_int_value(ef_search_record, HNSW_DEFAULT_EF_SEARCH);
	settings.iterative_scan = iterative_scan_value();
	settings.max_scan_tuples = hnsw_int_value(max_scan_tuples_record, DEFAULT_MAX_SCAN_TUPLES);
	settings.memory_limit = work_mem * 1024.0 * multiplier;
	settings.exact = false;
	if (options != NULL)
	{
		if (option_counts(options->ef_search, ef_search_record))
			settings.ef_search = options->ef_search;
		if (option_counts(options->iterative_scan, iterative_scan_record))
			settings.iterative_scan = (HnswIterativeScan) options->iterative_scan;
		if (option_counts(options->max_scan_tuples, max_scan_tuples_record))
			settings.max_scan_tuples = options->max_scan_tuples;
	}
	if (rel != NULL && hnsw_is_ivfflat(rel))
		hnsw_ivfflat_adjust(rel, &settings);
	return settings;
}

/* By designators: from 18 on there is one field more, to leave at 0. */
#define OPTION(name, type) \
	{.optname = #name, .opttype = RELOPT_TYPE_##type, .offset = offsetof(HnswOptions, name)}

/* WITH (...) to HnswOptions, of those options that are defined for the kind. */
bytea *
hnsw_parse_options(Datum reloptions, bool validate, relopt_kind kind)
{
	static const relopt_parse_elt options[] = {
		OPTION(m, INT),
		OPTION(ef_construction, INT),
		OPTION(storage, ENUM),
		OPTION(seed, INT),
		OPTION(ef_search, INT),
		OPTION(iterative_scan, ENUM),
		OPTION(max_scan_tuples, INT),
		OPTION(lists, INT),
	};

	return (bytea *) build_reloptions(reloptions, validate, kind, sizeof(HnswOptions),
									  options, lengthof(options));
}

/* amoptions */
static bytea *
parse_options(Datum reloptions, bool validate)
{
	return hnsw_parse_options(reloptions, validate, option_kind);
}

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

/* ---- the handler */

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
	routine->amoptions = parse_options;
	routine->ambuildphasename = build_phase_name;
	routine->amvalidate = validate_opclass;
	routine->ambeginscan = hnsw_begin_scan;
	routine->amrescan = hnsw_rescan;
	routine->amgettuple = hnsw_get_tuple;
	routine->amendscan = hnsw_end_scan;
	PG_RETURN_POINTER(routine);
}
