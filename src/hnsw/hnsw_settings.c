/*
 * hnsw_settings.c: options and settings of access method hnsw, and what they say of a scan.
 */
#include "postgres.h"
#include "compat.h"

#include <limits.h>

#include "hnsw/hnsw.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

StaticAssertDecl(sizeof(GraphStorage) == sizeof(int), "an option of this type is stored as an int");

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
	double		multiplier = hnsw_real_value(scan_mem_multiplier_record, 1);

	settings.ef_search = hnsw_int_value(ef_search_record, HNSW_DEFAULT_EF_SEARCH);
	settings.iterative_scan = iterative_scan_value();
	settings.max_scan_tuples = hnsw_int_value(max_scan_tuples_record, DEFAULT_MAX_SCAN_TUPLES);
	settings.limit_name = "hnsw.max_scan_tuples";
	settings.share = 0;
	settings.memory_limit = work_mem * 1024.0 * multiplier;
	settings.goes_on = false;
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

/* amoptions of hnsw. */
bytea *
hnsw_options(Datum reloptions, bool validate)
{
	return hnsw_parse_options(reloptions, validate, option_kind);
}
