/*
 * sync_write.c: rows of users' tables written for a merge, marked so that the trigger takes their clock as it is.
 *
 * All of it as the tables' owner: see sync_owner.c.  Values are given to statements as the base
 * types', so that domains check them there.
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_table.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* Whether triggers AFTER wait: see sync_begin_together. */
static bool putting_off;

static SyncMark
begin_mark(const SyncRow *row, const RowState *state)
{
	SyncMark	mark = {row->table->root, row->key, state, row->values, row->nulls, row->given, false, 0};

	return mark;
}

/*
 * Between these two, triggers AFTER what is written wait for the second, as if it were all one
 * statement: foreign keys' too, whether or not they are deferrable.  An error ends it as well.
 */
void
sync_begin_together(void)
{
	AfterTriggerBeginQuery();
	putting_off = true;
}

/* Errors: what the triggers raise. */
void
sync_end_together(void)
{
	SyncMark	none = {0};
	SyncMark   *before = sync_mark(&none);

	putting_off = false;
	PG_TRY();
	{
		AfterTriggerEndQuery(NULL);
	}
	PG_FINALLY();
	{
		sync_mark(before);
	}
	PG_END_TRY();
}

/* After an error. */
void
sync_forget_together(void)
{
	putting_off = false;
}

/* Run a statement with the row marked; how many rows it wrote. */
static uint64
run_marked(SyncMark *mark, SPIPlanPtr plan, Datum *values, const char *nulls, int expected)
{
	SyncMark   *before = sync_mark(mark);
	volatile int result;

	PG_TRY();
	{
		result = putting_off ? SPI_execute_snapshot(plan, values, nulls, InvalidSnapshot, InvalidSnapshot, false, false, 0) :
			SPI_execute_plan(plan, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		sync_mark(before);
	}
	PG_END_TRY();
	if (result != expected)
		elog(ERROR, "cannot write table: %s", SPI_result_code_string(result));
	return SPI_processed;
}

static void
refuse_suppressed(const SyncRow *row)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("a trigger or a rule of table \"%s\" kept a merged row from being written", row->table->name)));
}

/* Write a row that is not there; false if it has appeared meanwhile. */
bool
sync_insert_row(const SyncRow *row, const RowState *state)
{
	SyncTable  *table = row->table;
	StringInfoData sql;
	StringInfoData places;
	Oid		   *types = palloc(sizeof(Oid) * (table->column_count + 1));
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	char	   *nulls = palloc(table->column_count + 1);
	int			count = 0;
	bool		overriding = false;
	SyncMark	mark = begin_mark(row, state);

	initStringInfo(&sql);
	initStringInfo(&places);
	appendStringInfo(&sql, "INSERT INTO %s (", table->qualified);
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = &table->columns[i];

		if (!row->changed[i] && !column->is_key)
			continue;
		appendStringInfo(&sql, "%s%s", count == 0 ? "" : ", ", quote_identifier(column->attname));
		appendStringInfo(&places, "%s$%d", count == 0 ? "" : ", ", count + 1);
		types[count] = column->base;
		values[count] = row->values[i];
		nulls[count++] = row->nulls[i] ? 'n' : ' ';
		overriding |= column->identity_always;
	}
	appendStringInfo(&sql, ") %sVALUES (%s) ON CONFLICT (", overriding ? "OVERRIDING SYSTEM VALUE " : "", places.data);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&sql, "%s%s", i == 0 ? "" : ", ", quote_identifier(table->columns[table->key[i]].attname));
	appendStringInfoString(&sql, ") DO NOTHING");
	if (run_marked(&mark, sync_plan(table, sql.data, count, types), values, nulls, SPI_OK_INSERT) > 0)
		return true;
	if (!mark.reached)
		refuse_suppressed(row);
	return false;
}

/* Write a row that is there and locked. */
void
sync_update_row(const SyncRow *row, const RowState *state)
{
	SyncTable  *table = row->table;
	StringInfoData sql;
	Oid		   *types = palloc(sizeof(Oid) * (table->column_count + table->key_count + 1));
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + table->key_count + 1));
	char	   *nulls = palloc(table->column_count + table->key_count + 1);
	int			count = 0;
	SyncMark	mark = begin_mark(row, state);

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET ", table->qualified);
	for (int i = 0; i < table->column_count; i++)
	{
		/* Nobody may set such a column; the trigger does. */
		if (!row->changed[i] || table->columns[i].identity_always)
			continue;
		types[count] = table->columns[i].base;
		values[count] = row->values[i];
		nulls[count++] = row->nulls[i] ? 'n' : ' ';
		appendStringInfo(&sql, "%s%s = $%d", count == 1 ? "" : ", ", quote_identifier(table->columns[i].attname), count);
	}
	if (count == 0)
		appendStringInfoString(&sql, SYNC_CLOCK_COLUMN " = " SYNC_CLOCK_COLUMN);
	appendStringInfoString(&sql, " WHERE ");
	sync_append_key(&sql, table, count);
	for (int i = 0; i < table->key_count; i++)
	{
		types[count] = table->columns[table->key[i]].base;
		values[count] = row->values[table->key[i]];
		nulls[count++] = ' ';
	}
	if (run_marked(&mark, sync_plan(table, sql.data, count, types), values, nulls, SPI_OK_UPDATE) != 1)
		refuse_suppressed(row);
}

/* Delete a row that is there and locked; the trigger writes the tombstone. */
void
sync_delete_row(const SyncRow *row, const RowState *state)
{
	SyncTable  *table = row->table;
	Datum	   *values = palloc(sizeof(Datum) * table->key_count);
	SyncMark	mark = begin_mark(row, state);

	if (table->delete_row == NULL)
	{
		StringInfoData sql;
		Oid		   *types = palloc(sizeof(Oid) * table->key_count);

		initStringInfo(&sql);
		appendStringInfo(&sql, "DELETE FROM %s WHERE ", table->qualified);
		sync_append_key(&sql, table, 0);
		for (int i = 0; i < table->key_count; i++)
			types[i] = table->columns[table->key[i]].base;
		table->delete_row = sync_plan(table, sql.data, table->key_count, types);
	}
	for (int i = 0; i < table->key_count; i++)
		values[i] = row->values[table->key[i]];
	if (run_marked(&mark, table->delete_row, values, NULL, SPI_OK_DELETE) != 1)
		refuse_suppressed(row);
}

/*
 * Wait for who is inserting the row in one relation; whether there is a row then, which
 * another transaction wrote.
 */
static bool
wait_in_relation(Oid relid, const SyncRow *row)
{
	SyncTable  *table = sync_table_get(relid);
	Relation	rel = table_open(relid, RowShareLock);
	Relation	index = index_open(table->key_index, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData *keys = palloc(sizeof(ScanKeyData) * table->key_count);
	TransactionId other;
	bool		found;

	for (int i = 0; i < table->key_count; i++)
	{
		const SyncColumn *column = &table->columns[table->key[i]];
		int			number = column - table->columns;
		Oid			family = index->rd_opfamily[i];
		Oid			type = index->rd_opcintype[i];
		Oid			equal = get_opfamily_member(family, type, type, BTEqualStrategyNumber);

		if (relid != row->table->relid)
			number = sync_table_column(row->table, column->name) - row->table->columns;
		ScanKeyInit(&keys[i], i + 1, BTEqualStrategyNumber, get_opcode(equal), row->values[number]);
		keys[i].sk_collation = index->rd_indcollation[i];
	}
	do
	{
		SnapshotData dirty;
		IndexScanDesc scan;

		InitDirtySnapshot(dirty);
		other = InvalidTransactionId;
		found = false;
		scan = vm_index_beginscan(rel, index, &dirty, table->key_count, 0);
		index_rescan(scan, keys, table->key_count, NULL, 0);
		while (!TransactionIdIsValid(other) && index_getnext_slot(scan, ForwardScanDirection, slot))
		{
			other = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
			found = true;
		}
		index_endscan(scan);
		ExecClearTuple(slot);
		if (TransactionIdIsValid(other))
			XactLockTableWait(other, NULL, NULL, XLTW_None);
	} while (TransactionIdIsValid(other));
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(rel, NoLock);
	return found;
}

/*
 * A tombstone was written where no row was seen.  Whoever is inserting one did not see
 * the tombstone: wait, and look again.
 */
bool
sync_wait_for_row(const SyncRow *row)
{
	List	   *relids = get_rel_relkind(row->table->root) == RELKIND_PARTITIONED_TABLE ?
	find_all_inheritors(row->table->root, RowShareLock, NULL) : list_make1_oid(row->table->root);
	ListCell   *cell;
	bool		found = false;

	foreach(cell, relids)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE)
			found |= wait_in_relation(lfirst_oid(cell), row);
	}
	return found;
}
