/*
 * sync_read.c: reading rows of users' tables.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/*
 * A statement on a table, prepared once for the backend.  Within SPI.
 *
 * A plan that was made under FORCE ROW LEVEL SECURITY is not made anew where that is lifted, so
 * there is one for each.
 */
SPIPlanPtr
sync_plan(SyncTable *table, const char *sql, int count, const Oid *types)
{
	ListCell   *cell;
	MemoryContext old;
	SyncPlan   *plan;
	SPIPlanPtr	prepared;
	bool		lifted = InNoForceRLSOperation();

	foreach(cell, table->plans)
	{
		plan = lfirst(cell);
		if (plan->lifted == lifted && strcmp(plan->sql, sql) == 0)
			return plan->plan;
	}
	prepared = SPI_prepare(sql, count, (Oid *) types);
	if (prepared == NULL || SPI_keepplan(prepared) != 0)
		elog(ERROR, "cannot prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	old = MemoryContextSwitchTo(table->context);
	plan = palloc(sizeof(SyncPlan));
	plan->sql = pstrdup(sql);
	plan->lifted = lifted;
	plan->plan = prepared;
	table->plans = lappend(table->plans, plan);
	MemoryContextSwitchTo(old);
	return prepared;
}

/* Add "k1 = $n AND k2 = ..." to a statement; n begins after "before". */
void
sync_append_key(StringInfo sql, const SyncTable *table, int before)
{
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(sql, "%s%s OPERATOR(pg_catalog.=) $%d", i == 0 ? "" : " AND ",
						 quote_identifier(table->columns[table->key[i]].attname), before + i + 1);
}

/* "SELECT all columns and the clock FROM table", or from what is said */
char *
sync_select(const SyncTable *table, const char *from)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < table->column_count; i++)
		appendStringInfo(&sql, "%s, ", quote_identifier(table->columns[i].attname));
	appendStringInfo(&sql, SYNC_CLOCK_COLUMN " FROM %s", from != NULL ? from : table->qualified);
	return sql.data;
}

/* A row of what sync_select selects. */
void
sync_take_row(const SyncTable *table, HeapTuple tuple, TupleDesc desc, Datum *values, bool *nulls, RowState **clock)
{
	bool		isnull;
	Datum		datum;

	for (int i = 0; i < table->column_count; i++)
		values[i] = heap_getattr(tuple, i + 1, desc, &nulls[i]);
	datum = heap_getattr(tuple, table->column_count + 1, desc, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of table \"%s\" has no clock", table->name)));
	*clock = sync_clock_from_datum(datum);
}

/*
 * Read the row of a key, whose values are in their places among "values"; false if there
 * is none.  As the table's owner, for a caller who was found to see all of it.  With "lock", FOR UPDATE, as it is when the lock is there, as the table's owner; else
 * under the active snapshot.  Within SPI, whose memory the values are in.
 */
bool
sync_read_row(SyncTable *table, bool lock, Datum *values, bool *nulls, RowState **clock)
{
	SyncOwner	before = {0};
	SPIPlanPtr *plan = &table->lock_row;
	bool		found;
	Datum	   *key = palloc(sizeof(Datum) * table->key_count);

	/* Who locks it is to write it, as the owner already. */
	if (!lock)
	{
		before = sync_begin_reading(table->root);
		plan = InNoForceRLSOperation() ? &table->send_row : &table->read_row;
	}
	if (*plan == NULL)
	{
		StringInfoData sql;
		Oid		   *types = palloc(sizeof(Oid) * table->key_count);

		initStringInfo(&sql);
		appendStringInfo(&sql, "%s WHERE ", sync_select(table, NULL));
		sync_append_key(&sql, table, 0);
		if (lock)
			appendStringInfoString(&sql, " FOR UPDATE");
		for (int i = 0; i < table->key_count; i++)
			types[i] = table->columns[table->key[i]].base;
		*plan = sync_plan(table, sql.data, table->key_count, types);
	}
	for (int i = 0; i < table->key_count; i++)
		key[i] = values[table->key[i]];
	if (SPI_execute_plan(*plan, key, NULL, !lock, 0) != SPI_OK_SELECT)
		elog(ERROR, "cannot read table \"%s\"", table->name);
	found = SPI_processed > 0;
	if (found)
		sync_take_row(table, SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls, clock);
	else
		SPI_freetuptable(SPI_tuptable);
	if (!lock)
		sync_end_reading(&before);
	return found;
}

/* Whether there is a row of a key under the active snapshot; see sync_read_row. */
bool
sync_row_is_there(SyncTable *table, Image key)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));
	RowState   *clock;
	bool		found;

	SPI_connect();
	found = sync_key_can_be(table, key, values, nulls) && sync_read_row(table, false, values, nulls, &clock);
	SPI_finish();
	return found;
}
