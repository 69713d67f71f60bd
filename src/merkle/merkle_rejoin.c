/*
 * merkle_rejoin.c: rows that are gone elsewhere, for who has missed that they were deleted.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "merkle/merkle.h"
#include "miscadmin.h"
#include "sync/sync_types.h"
#include "sync/sync_upkeep.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_bucket_rows);
VM_FUNCTION_INFO(vecmark_delete_missing);

/* Live rows of some buckets. */
typedef struct Rows
{
	uint64_t	seed;
	int			bits;
	const bool *wanted;
	MerkleIds	ids;			/* of keys: here, or elsewhere */
	const Version *told;		/* what is known elsewhere */
	int64		count;			/* of all rows */
	List	   *missing;		/* keys, bytea */
	MemoryContext context;
} Rows;

static void
note_row(void *about, const SyncSeen *seen)
{
	Rows	   *rows = about;
	MerkleKey	key = merkle_key(seen->key, rows->seed);

	if (merkle_is_wanted(rows->wanted, rows->bits, key))
		merkle_add_id(&rows->ids, key.low);
}

/*
 * SQL: vecmark_internal.bucket_rows(rel regclass, bits integer, prefixes integer[]) -> bytea: a number of 8
 * bytes for the key of each row of some buckets.
 */
Datum
vecmark_bucket_rows(PG_FUNCTION_ARGS)
{
	MerkleView	view;
	Rows		rows = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	rows.bits = merkle_get_bits(PG_GETARG_INT32(1));
	rows.wanted = merkle_get_prefixes(fcinfo, 2, rows.bits);
	rows.ids = merkle_no_ids();
	merkle_begin_view(&view, PG_GETARG_OID(0));
	if (pg_class_aclcheck(view.table->root, GetUserId(), ACL_DELETE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(view.table->root));
	rows.seed = view.digest.seed;
	SPI_connect();
	merkle_scan_rows(view.table, note_row, &rows);
	SPI_finish();
	merkle_end_view();
	PG_RETURN_DATUM(merkle_ids_datum(&rows.ids));
}

/* A row that was known elsewhere and is not there has been deleted. */
static void
note_missing(void *about, const SyncSeen *seen)
{
	Rows	   *rows = about;
	MerkleKey	key = merkle_key(seen->key, rows->seed);
	const Stamp *birth = &seen->clock->base;
	MemoryContext old;

	rows->count++;
	if (!merkle_is_wanted(rows->wanted, rows->bits, key) || merkle_has_id(&rows->ids, key.low) ||
		!version_covers(rows->told, birth->site, birth->txn))
		return;
	old = MemoryContextSwitchTo(rows->context);
	rows->missing = lappend(rows->missing, DatumGetPointer(sync_bytea(seen->key)));
	MemoryContextSwitchTo(old);
}

/* Delete rows, as the table's owner.  Within SPI.  Returns how many there were. */
static int64
delete_rows(SyncTable *table, const List *keys)
{
	StringInfoData sql;
	Oid		   *types = palloc(sizeof(Oid) * table->key_count);
	Datum	   *key = palloc(sizeof(Datum) * table->key_count);
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	int64		deleted = 0;
	ListCell   *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s WHERE ", table->qualified);
	sync_append_key(&sql, table, 0);
	for (int i = 0; i < table->key_count; i++)
		types[i] = table->columns[table->key[i]].base;
	foreach(cell, keys)
	{
		CHECK_FOR_INTERRUPTS();
		sync_key_values(table, sync_image_of_bytea(PointerGetDatum(lfirst(cell))), values, nulls);
		for (int i = 0; i < table->key_count; i++)
			key[i] = values[table->key[i]];
		if (SPI_execute_plan(sync_plan(table, sql.data, table->key_count, types), key, NULL, false, 0) != SPI_OK_DELETE)
			elog(ERROR, "cannot delete from table \"%s\"", table->name);
		deleted += SPI_processed;
	}
	return deleted;
}

/*
 * SQL: vecmark_internal.delete_missing(rel regclass, bits integer, prefixes integer[], keys bytea, told
 * version_vector, most_deleted real) -> bigint: deletes rows of some buckets that are not among
 * "keys", which vecmark_internal.bucket_rows said elsewhere, where "told" was held.
 *
 * Errors: 22023; 42501 for who may not delete from the table; VM004 if these are 1,000 rows or more and more than a share of the table.
 */
Datum
vecmark_delete_missing(PG_FUNCTION_ARGS)
{
	MerkleView	view;
	Rows		rows = {.context = CurrentMemoryContext};
	SyncOwner	owner;
	int64		deleted;

	for (int i = 0; i < 6; i++)
		if (i != 2 && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("of the arguments of \"%s\" only prefixes may be null", "vecmark_internal.delete_missing")));
	PreventCommandIfReadOnly("vecmark_internal.delete_missing()");
	rows.bits = merkle_get_bits(PG_GETARG_INT32(1));
	rows.wanted = merkle_get_prefixes(fcinfo, 2, rows.bits);
	merkle_take_ids(&rows.ids, PG_GETARG_DATUM(3));
	rows.told = sync_version_from_datum(PG_GETARG_DATUM(4));
	merkle_begin_view(&view, PG_GETARG_OID(0));
	if (pg_class_aclcheck(view.table->root, GetUserId(), ACL_DELETE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(view.table->root));
	rows.seed = view.digest.seed;
	SPI_connect();
	merkle_scan_rows(view.table, note_missing, &rows);
	SPI_finish();
	merkle_end_view();
	sync_refuse_deletes(view.table, list_length(rows.missing), rows.count, PG_GETARG_FLOAT4(5));
	owner = sync_begin_table_owner(view.table->root);
	SPI_connect();
	deleted = delete_rows(view.table, rows.missing);
	SPI_finish();
	sync_end_owner(&owner);
	PG_RETURN_INT64(deleted);
}
