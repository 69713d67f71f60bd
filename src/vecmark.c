/*
 * vecmark.c: entry of the module: its settings.
 */
#include "postgres.h"
#include "compat.h"

#include "funcapi.h"
#include "hnsw/hnsw.h"
#include "simd/simd.h"
#include "sync/sync_capture.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/guc.h"

VM_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

VM_FUNCTION_INFO(vecmark_simd);

#define SIMD_AUTO "auto"

static char *simd_setting;

static bool
check_simd(char **newval, void **extra, GucSource source)
{
	const SimdKernels *rung;

	if (strcmp(*newval, SIMD_AUTO) == 0)
		return true;
	rung = simd_find(*newval);
	if (rung == NULL)
	{
		GUC_check_errdetail("Available values: " SIMD_AUTO ", and the names that vecmark.simd() lists.");
		return false;
	}
	if (!rung->usable())
	{
		GUC_check_errdetail("This CPU does not offer \"%s\".", *newval);
		return false;
	}
	return true;
}

static void
assign_simd(const char *newval, void *extra)
{
	if (strcmp(newval, SIMD_AUTO) == 0)
		simd_init();
	else
		simd_use(simd_find(newval));
}

/*
 * Define the settings.  Runs once in each backend, when the library is loaded, by
 * whatever name: a link to a file is the same library.
 *
 * Errors: 55006 where another file that is vecmark has been loaded.
 */
void
_PG_init(void)
{
	/* Settings would be those of the other, and functions those of this. */
	if (hnsw_defined_setting("vecmark.simd") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("vecmark has been loaded from another file already"),
				 errhint("Restart the server if vecmark was updated.  A library \"vector\" must be a link to that of vecmark, no copy.")));
	DefineCustomStringVariable("vecmark.simd",
							   "Instruction set of the distance kernels.",
							   "\"" SIMD_AUTO "\" takes the best one that this CPU offers.",
							   &simd_setting,
							   SIMD_AUTO,
							   PGC_USERSET,
							   0,
							   check_simd,
							   assign_simd,
							   NULL);
	hnsw_define_settings();
	sync_define_settings();
	testpoint_define_setting();
	MarkGUCPrefixReserved("vecmark");
}

/*
 * SQL: vecmark.simd() -> (name text, usable boolean, in_use boolean), one row a
 * rung, worst first.
 */
Datum
vecmark_simd(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < simd_rung_count; i++)
	{
		const SimdKernels *rung = simd_rungs[i];
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = CStringGetTextDatum(rung->name);
		values[1] = BoolGetDatum(rung->usable());
		values[2] = BoolGetDatum(rung == simd);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
