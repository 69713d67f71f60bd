/*
 * hnsw_option.c: options of an index, and settings, whoever has defined them.
 */
#include "postgres.h"
#include "compat.h"

#include "hnsw/hnsw.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

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

/* The value of a setting, or "otherwise" if it is not what we know by its name. */
int
hnsw_int_value(const struct config_generic *record, int otherwise)
{
	if (record == NULL || record->vartype != PGC_INT)
		return otherwise;
	return *((const struct config_int *) record)->variable;
}

/* The same of one that is a real. */
double
hnsw_real_value(const struct config_generic *record, double otherwise)
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
