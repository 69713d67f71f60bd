/*
 * hnsw_ivfflat.c: options and settings of access method ivfflat, which is hnsw
 * by another name in all else.
 *
 * README, "ivfflat", says what its settings mean here, and why.
 */
#include "postgres.h"
#include "compat.h"

#include <limits.h>

#include "hnsw/hnsw.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#define DEFAULT_LISTS 100
#define MAX_LISTS 32768
#define DEFAULT_PROBES 1

/* As pgvector has them; for us the one is "as hnsw.iterative_scan says". */
#define ITERATIVE_OFF 0
#define ITERATIVE_RELAXED 1
#define RELAXED_NAME "relaxed_order"

static const struct config_enum_entry iterative_scan_values[] = {
	{"off", ITERATIVE_OFF, false},
	{RELAXED_NAME, ITERATIVE_RELAXED, false},
	{NULL, 0, false}
};

static int	probes_setting = DEFAULT_PROBES;
static int	max_probes_setting = MAX_LISTS;
static int	iterative_scan_setting = ITERATIVE_OFF;

/* The settings as the server knows them: ours, or those of pgvector. */
static struct config_generic *probes_record;
static struct config_generic *iterative_scan_record;
static struct config_generic *max_probes_record;

static relopt_kind option_kind;

/*
 * Define the option and the settings that only ivfflat has, these unless pgvector
 * has.  Returns its kind of options, to which hnsw's are to be added.  Runs once
 * in each backend, when the library is loaded.
 */
relopt_kind
hnsw_ivfflat_define_settings(void)
{
	option_kind = add_reloption_kind();
	add_int_reloption(option_kind, "lists", "Lists that pgvector would make; as many ivfflat.probes search exactly.",
					  DEFAULT_LISTS, 1, MAX_LISTS, AccessExclusiveLock);

	if (hnsw_defined_setting("ivfflat.probes") == NULL)
		DefineCustomIntVariable("ivfflat.probes",
								"Widens a search of an ivfflat index: a multiplier of \"hnsw.ef_search\".",
								"As many as the index has lists: the search is exact.",
								&probes_setting,
								DEFAULT_PROBES, 1, MAX_LISTS,
								PGC_USERSET, 0, NULL, NULL, NULL);
	if (hnsw_defined_setting("ivfflat.iterative_scan") == NULL)
		DefineCustomEnumVariable("ivfflat.iterative_scan",
								 "Whether an ivfflat index returns rows late that it finds late.",
								 "Unless it does, \"hnsw.iterative_scan\" counts.",
								 &iterative_scan_setting,
								 ITERATIVE_OFF, iterative_scan_values,
								 PGC_USERSET, 0, NULL, NULL, NULL);
	if (hnsw_defined_setting("ivfflat.max_probes") == NULL)
		DefineCustomIntVariable("ivfflat.max_probes",
								"Ends a scan of an ivfflat index that returns rows late.",
								"It reads the part of the index that so many of its lists would be.",
								&max_probes_setting,
								MAX_LISTS, 1, MAX_LISTS,
								PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("ivfflat");

	probes_record = hnsw_defined_setting("ivfflat.probes");
	iterative_scan_record = hnsw_defined_setting("ivfflat.iterative_scan");
	max_probes_record = hnsw_defined_setting("ivfflat.max_probes");
	return option_kind;
}

/* amoptions of ivfflat. */
bytea *
hnsw_ivfflat_options(Datum reloptions, bool validate)
{
	return hnsw_parse_options(reloptions, validate, option_kind);
}

/* Whether an index is of access method ivfflat. */
bool
hnsw_is_ivfflat(Relation rel)
{
	return rel->rd_indam->amoptions == hnsw_ivfflat_options;
}

/*
 * Make of the settings of a scan, as an hnsw index would have them, those of an
 * ivfflat index.
 */
void
hnsw_ivfflat_adjust(Relation rel, HnswScanSettings *settings)
{
	const HnswOptions *options = (const HnswOptions *) rel->rd_options;
	int			lists = options == NULL ? DEFAULT_LISTS : options->lists;
	int			probes = hnsw_int_value(probes_record, DEFAULT_PROBES);
	const char *iterative_scan = hnsw_enum_value(iterative_scan_record);

	if (iterative_scan != NULL && strcmp(iterative_scan, RELAXED_NAME) == 0)
	{
		settings->iterative_scan = HNSW_ITERATIVE_RELAXED;

		/*
		 * What was set for hnsw ends no such scan, unless at the index
		 * itself.
		 */
		if (options == NULL || options->max_scan_tuples < 0)
		{
			int			max_probes = Max(hnsw_int_value(max_probes_record, MAX_LISTS), probes);

			settings->max_scan_tuples = max_probes < lists ? 0 : INT_MAX;
			settings->share = Min((double) max_probes / lists, 1);
			settings->limit_name = "ivfflat.max_probes";
			settings->goes_on = true;
		}
	}
	if (probes >= lists)
	{
		settings->exact = true;
		settings->ef_search = INT_MAX;
	}
	else
		settings->ef_search = (int) Min((int64) settings->ef_search * probes, HNSW_MAX_EF_SEARCH);
}
