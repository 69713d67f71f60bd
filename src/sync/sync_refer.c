/*
 * sync_refer.c: what foreign keys do to other rows while a merge writes one.
 *
 * The rules are in README, "Rows that refer to others".
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "sync/sync_capture.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* What is being merged, or NULL. */
static SyncReferring *referring;

/*
 * From here on rows are merged, until sync_end_referring; an error must end it as well.
 */
void
sync_begin_referring(SyncReferring *next)
{
	next->before = referring;
	referring = next;
}

/* Ends what sync_begin_referring began, and goes on with what was before. */
void
sync_end_referring(const SyncReferring *ended)
{
	referring = ended->before;
}

/* How deep triggers are nested. */
int
sync_trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* Whether a table has foreign keys. */
bool
sync_refers(Oid relid)
{
	Relation	rel = try_table_open(relid, AccessShareLock);
	bool		refers = rel != NULL && RelationGetFKeyList(rel) != NIL;

	if (rel != NULL)
		table_close(rel, NoLock);
	return refers;
}

/* Whether a column is in a foreign key. */
static bool
is_in_foreign_key(Relation rel, AttrNumber attnum)
{
	ListCell   *cell;

	foreach(cell, RelationGetFKeyList(rel))
	{
		const ForeignKeyCacheInfo *key = lfirst(cell);

		for (int i = 0; i < key->nkeys; i++)
			if (key->conkey[i] == attnum)
				return true;
	}
	return false;
}

/*
 * Which columns of a row an update changed that are in foreign keys, by number; NULL if none.
 */
bool *
sync_acted_columns(const SyncTable *table, Relation rel, const Datum *old_values, const bool *old_nulls,
				   const Datum *values, const bool *nulls)
{
	bool	   *columns = NULL;

	if (VM_FAULT("references"))
		return NULL;
	for (int i = 0; i < table->column_count; i++)
		if (sync_is_changed(&table->columns[i], old_values[i], old_nulls[i], values[i], nulls[i]) &&
			is_in_foreign_key(rel, table->columns[i].attnum))
		{
			if (columns == NULL)
				columns = palloc0(table->column_count);
			columns[i] = true;
		}
	return columns;
}

/*
 * A foreign key's action is about to change or delete a row, of which "state" is the clock with all
 * columns, as a merge deletes another, whose tombstone is "death" (NULL if it is known to be covered).
 * Returns the tombstone of the row if it is told to be dead; NULL if the action is this database's own write.
 *
 * Errors: 23503 if something was told of the row that is not shown; VM005 if something that is not here yet
 *         may have been told of it.
 */
const RowState *
sync_refer(const SyncTable *table, Image key, const RowState *state, const RowState *death)
{
	const RowState *news;

	if (referring == NULL || VM_FAULT("references"))
		return NULL;
	news = referring->news(referring, table, key, state);
	if (news != NULL && !row_is_alive(news))
		return news;
	if (news != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("a row of table \"%s\" refers to one that was deleted, and what was written to it since cannot be shown", table->name),
				 errhint("See vecmark.parked.")));
	if (death != NULL && !version_covers(referring->covered, death->base.site, death->base.txn))
		ereport(ERROR,
				(errcode(ERRCODE_DELETE_WAITS),
				 errmsg("a row of table \"%s\" refers to one that was deleted by a transaction of which not all is here", table->name),
				 errdetail("What that transaction knew of the row may be on its way."),
				 errhint("A pull of all tables brings it.")));
	return NULL;
}
