/*
 * sync_events.c: the log of changes as subscribers read it.
 */
#include "postgres.h"
#include "compat.h"

#include <inttypes.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_tell.h"
#include "sync/sync_types.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_events);

#define EVENT_COLUMNS 6

/*
 * The values of a key as text, one for each column of the primary key; the text that was
 * written, where the key is none that the primary key can have any more.
 */
static Datum
key_texts(SyncTable *table, Image key)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	Datum	   *texts = palloc(sizeof(Datum) * table->key_count);

	if (!sync_key_can_be(table, key, values, nulls))
		return sync_key_texts(table, key);
	for (int i = 0; i < table->key_count; i++)
	{
		const SyncColumn *column = &table->columns[table->key[i]];
		Oid			output;
		bool		isvarlena;

		getTypeOutputInfo(column->type, &output, &isvarlena);
		texts[i] = CStringGetTextDatum(OidOutputFunctionCall(output, values[table->key[i]]));
	}
	return PointerGetDatum(construct_array(texts, table->key_count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * SQL: vecmark.events(since version_vector, most bigint) -> (site, txn, rel, key, deleted,
 * version): which rows the transactions that "since" lacks wrote, site by site in the
 * order of their numbers; "version" is what the caller has when he has handled this
 * transaction too.  Tables that the caller may not read whole are left out.
 */
Datum
vecmark_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Version    *since = sync_version_from_datum(PG_GETARG_DATUM(0));
	int64		most = PG_GETARG_INT64(1);
	Snapshot	snapshot;
	Version    *wanted;
	Relation	log;
	int64		given = 0;

	InitMaterializedSRF(fcinfo, 0);
	sync_reader_site();
	snapshot = sync_push_outside_snapshot();
	wanted = version_minus(sync_version(snapshot), since);
	log = sync_meta_open(META_LOG, AccessShareLock);
	for (int i = 0; i < wanted->count && given < most; i++)
	{
		const SiteTxns *site = &wanted->sites[i];
		TxnRange	all = {0, UINT64_MAX};
		Version    *unwanted = version_minus(version_of_ranges(site->site, &all, 1), wanted);
		SyncLogScan scan;
		Datum		line[4];
		uint64_t	last = UINT64_MAX;

		sync_log_begin(&scan, log, snapshot, site->site, version_find(unwanted, site->site));
		while (sync_log_read(&scan, line))
		{
			uint64_t	txn = (uint64_t) DatumGetInt64(line[1]);
			Image		keys;
			Image		key;
			Reader		reader;
			SyncTable  *table;
			Oid			root;

			/* A transaction is given whole. */
			if (given >= most && txn != last)
				break;
			last = txn;
			root = DatumGetObjectId(line[2]);
			table = get_rel_name(root) == NULL ? NULL : sync_table_find(root);
			if (table == NULL || !sync_may_see(root))
				continue;
			keys = sync_image_of_bytea(PointerGetDatum(PG_DETOAST_DATUM_COPY(line[3])));
			reader = (Reader)
			{
				(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL
			};
			while (sync_next_key(&reader, &key))
			{
				Datum		values[EVENT_COLUMNS];
				bool		nulls[EVENT_COLUMNS] = {false};
				RowState   *tombstone = sync_tombstone(root, key, snapshot);
				TxnRange	range = {0, txn + 1};

				values[0] = CStringGetTextDatum(psprintf("%016" PRIx64, site->site));
				values[1] = Int64GetDatum((int64) txn);
				values[2] = ObjectIdGetDatum(root);
				values[3] = key_texts(table, key);
				values[4] = BoolGetDatum(tombstone != NULL && !sync_row_is_there(table, key));
				values[5] = sync_version_datum(version_union(since, version_intersect(wanted, version_of_ranges(site->site, &range, 1))));
				tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
				given++;
			}
		}
		sync_log_end(&scan);
		if (given < most)
		{
			Version		one = {1, (SiteTxns *) site};

			since = version_union(since, &one);
		}
	}
	table_close(log, AccessShareLock);
	PopActiveSnapshot();
	sync_flush_wal();
	return (Datum) 0;
}
