/*
 * sync_group.c: rows of a merge, applied in groups; what fails is parked, and tried again.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_meta.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Rows that share a subtransaction until one fails. */
#define GROUP_ROWS 256

/*
 * Park a row, with what is parked of it already.  One whose key cannot be written as keys are here
 * is in no log; it is told all the same, see sync_tell_parked.
 */
static void
park(SyncMerge *merge, const SyncItem *item, const ErrorData *reason)
{
	Image		key = item->key;
	SyncNames	names = *item->names;
	Oid			root = sync_table_by_name(item->name);
	SyncTable  *table = OidIsValid(root) ? sync_table_with_key(root, item->names, &key) : NULL;
	SyncNames  *parked_names;
	RowState   *parked = sync_parked(item->name, key, NULL, &parked_names);

	if (table != NULL)
	{
		names.key_count = table->key_count;
		names.key_forms = table->names->key_forms;
	}
	if (parked == NULL)
		sync_park(item->name, key, item->state, &names, reason, merge->by_stream);
	else
		sync_park(item->name, key, sync_join_forms(parked, item->state), sync_names_union(&names, parked_names), reason, merge->by_stream);
	if (table != NULL)
		sync_log_state(table->root, key, item->state, 0);
	if (key.data != item->key.data)
		sync_unpark(item->name, item->key);
	merge->parked++;
}

/* Rows that are tried. */
typedef struct Trial
{
	SyncMerge  *merge;
	const SyncItem *items;
	int			count;
	bool		together;
	MemoryContext context;		/* of what rows need meanwhile */
} Trial;

static void
apply_trial(void *about)
{
	Trial	   *trial = about;
	SyncOwner	before;

	MemoryContextSwitchTo(trial->context);
	before = sync_begin_owner(OidIsValid(trial->items[0].owner) ? trial->items[0].owner : GetUserId());
	if (!before.restricted)
		sync_set_constraints("DEFERRED");
	if (trial->together)
		sync_begin_together();
	for (int i = 0; i < trial->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_connect();
		sync_apply_row(trial->merge, &trial->items[i]);
		SPI_finish();
		VM_POINT("sync-merged-row");
	}
	if (trial->together)
		sync_end_together();
	sync_end_owner(&before);
}

/*
 * Apply rows of tables of one owner, as he, in one subtransaction, at whose end constraints are
 * checked; if "together", those of foreign keys are that are not deferrable, too.  Returns what is
 * wrong if it is of the data; then nothing was applied.
 */
static ErrorData *
try_items(SyncMerge *merge, const SyncItem *items, int count, bool together)
{
	Trial		trial = {merge, items, count, together, NULL};
	SyncMerge	merge_before = *merge;
	ErrorData  *volatile error;

	trial.context = AllocSetContextCreate(CurrentMemoryContext, "rows of a merge", ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		error = sync_try(apply_trial, &trial);
	}
	PG_FINALLY();
	{
		sync_forget_together();
	}
	PG_END_TRY();
	MemoryContextDelete(trial.context);
	if (error != NULL)
		*merge = merge_before;
	return error;
}

/*
 * Apply rows together.  If one fails, as all together have if "error" is not NULL, halve until it is alone; it
 * is added to "failed" then, with its error.
 */
static void
apply_items(SyncMerge *merge, SyncItem *items, int count, ErrorData *error, List **failed, List **errors)
{
	if (error == NULL)
		error = try_items(merge, items, count, false);
	if (error == NULL)
		return;
	if (count > 1)
	{
		apply_items(merge, items, count / 2, NULL, failed, errors);
		apply_items(merge, items + count / 2, count - count / 2, NULL, failed, errors);
	}
	else
	{
		*failed = lappend(*failed, &items[0]);
		*errors = lappend(*errors, error);
	}
}

/* Whether a row is to die by a transaction that the version does not cover yet: see README. */
static bool
is_early(const SyncMerge *merge, const SyncItem *item)
{
	return !row_is_alive(item->state) && !version_covers(merge->covered, item->state->base.site, item->state->base.txn);
}

/*
 * Rows that failed one by one together: those that refer to one another, and at last all; but not
 * those that are early, whose actions could not be told from those of others, nor if they are of more than one
 * owner, as constraints are checked as one of them.  Leaves what failed again.
 */
static void
apply_circles(SyncMerge *merge, List **failed, List **errors)
{
	int			length = list_length(*failed);
	SyncItem   *items = palloc_extended(sizeof(SyncItem) * Max(length, 1), MCXT_ALLOC_HUGE);
	List	   *rest = NIL;
	List	   *rest_errors = NIL;
	int			count = 0;
	bool		apart = false;

	/* Those of a circle are neighbours. */
	for (int i = 0, size; i < length; i += size)
	{
		const SyncItem *first = list_nth(*failed, i);
		bool		is_apart = false;

		for (size = 1; i + size < length && first->circle != 0 &&
			 ((SyncItem *) list_nth(*failed, i + size))->circle == first->circle; size++)
			;
		for (int j = 0; j < size; j++)
		{
			items[j] = *(SyncItem *) list_nth(*failed, i + j);
			is_apart |= is_early(merge, &items[j]) || items[j].owner != first->owner;
		}
		if (size > 1 && !is_apart && try_items(merge, items, size, true) == NULL)
			continue;
		for (int j = i; j < i + size; j++)
		{
			rest = lappend(rest, list_nth(*failed, j));
			rest_errors = lappend(rest_errors, list_nth(*errors, j));
		}
	}
	*failed = *errors = NIL;
	length = list_length(rest);
	for (int i = 0; i < length; i++)
		if (!is_early(merge, list_nth(rest, i)))
		{
			items[count] = *(SyncItem *) list_nth(rest, i);
			apart |= items[count++].owner != items[0].owner;
		}
	if (count > 1 && (apart || try_items(merge, items, count, true) != NULL))
		count = 0;
	for (int i = 0; i < length; i++)
		if (count < 2 || is_early(merge, list_nth(rest, i)))
		{
			*failed = lappend(*failed, list_nth(rest, i));
			*errors = lappend(*errors, list_nth(rest_errors, i));
		}
}

/*
 * Look up who owns the tables of rows, and lock these for writing.  Rows of tables that the caller
 * may not write are parked, for who may; the others stay, how many of which is returned.
 */
static int
admit_items(SyncMerge *merge, SyncItem *items, int count)
{
	const char *name = NULL;
	Oid			owner = InvalidOid;
	ErrorData  *refusal = NULL;
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (name == NULL || strcmp(name, items[i].name) != 0)
		{
			Oid			root = sync_table_by_name(items[i].name);

			name = items[i].name;
			owner = InvalidOid;
			refusal = NULL;
			if (OidIsValid(root) && sync_may_merge(root, GetUserId()))
			{
				LockRelationOid(root, RowExclusiveLock);
				owner = sync_table_owner(root);
			}
			if (OidIsValid(root) && !(OidIsValid(owner) && sync_may_merge(root, GetUserId())))
			{
				refusal = palloc0(sizeof(ErrorData));
				refusal->sqlerrcode = ERRCODE_INSUFFICIENT_PRIVILEGE;
				refusal->message = psprintf("role \"%s\" may not merge into table \"%s\"",
											GetUserNameFromId(GetUserId(), false), name);
			}
		}
		items[i].owner = owner;
		if (refusal != NULL)
			park(merge, &items[i], refusal);
		else
			items[kept++] = items[i];
	}
	return kept;
}

/* How many of the first rows are of tables of one owner, and few enough for a group. */
static int
group_size(const SyncItem *items, int count)
{
	int			size = 1;

	while (size < Min(count, GROUP_ROWS) && items[size].owner == items[0].owner)
		size++;
	return size;
}

/* Of a group of rows of a part, park those that wait for other parts; the others, how many of which is set, are returned. */
static SyncItem *
park_missing(SyncMerge *merge, SyncMissing *missing, const SyncItem *items, int *count)
{
	SyncItem   *kept = palloc(sizeof(SyncItem) * *count);
	int			kept_count = 0;

	for (int i = 0; i < *count; i++)
	{
		ErrorData  *error = sync_find_missing(missing, &items[i]);

		if (error == NULL)
			kept[kept_count++] = items[i];
		else
		{
			park(merge, &items[i], error);
			sync_note_missing(missing, &items[i]);
		}
	}
	*count = kept_count;
	return kept;
}

/*
 * Apply the groups of rows that are in order.  Of a part of a batch, as soon as a foreign key is violated it is looked for what
 * rows lack, before they are tried.
 */
static void
apply_groups(SyncMerge *merge, SyncItem *items, int count, List **failed, List **errors)
{
	SyncMissing *missing = NULL;

	for (int i = 0, size; i < count; i += size)
	{
		SyncItem   *group = items + i;
		int			left;
		int			known = list_length(*failed);
		ErrorData  *error = NULL;

		left = size = group_size(group, count - i);
		if (missing == NULL && merge->in_parts && (error = try_items(merge, group, size, false)) != NULL &&
			(error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION || error->sqlerrcode == ERRCODE_DELETE_WAITS))
			missing = sync_begin_missing(items, count);
		if (missing != NULL)
		{
			group = park_missing(merge, missing, group, &left);
			error = NULL;
		}
		if (left > 0 && (missing != NULL || !merge->in_parts || error != NULL))
			apply_items(merge, group, left, error, failed, errors);
		for (int j = known; missing != NULL && j < list_length(*failed); j++)
			sync_note_missing(missing, list_nth(*failed, j));
		sync_log_spill();
	}
	if (missing != NULL)
		sync_end_missing(missing);
}

/*
 * Apply rows in order; those that fail once more as long as others get through meanwhile,
 * since what they need may have come, and at last all together.  The rest is parked.
 */
static void
apply_in_order(SyncMerge *merge, SyncItem *items, int count)
{
	List	   *failed = NIL;
	List	   *errors = NIL;
	ListCell   *item;
	ListCell   *error;

	/* What the caller's own writes violate is not for rows to be parked by. */
	sync_set_constraints("IMMEDIATE");
	apply_groups(merge, items, count, &failed, &errors);
	for (int before = count; failed != NIL && list_length(failed) < before;)
	{
		List	   *again = failed;

		before = list_length(failed);
		failed = errors = NIL;
		foreach(item, again)
			apply_items(merge, lfirst(item), 1, NULL, &failed, &errors);
	}
	apply_circles(merge, &failed, &errors);
	forboth(item, failed, error, errors)
		park(merge, lfirst(item), lfirst(error));
}

/*
 * Apply rows of a delta: those that the caller may write, in the order in which they refer to one
 * another, in groups that share a subtransaction until one fails.  What cannot be shown for a reason of
 * the data is parked.  Puts them in another order.
 *
 * Errors: of locks, resources and damage; then nothing of the delta stays.
 */
void
sync_apply_rows(SyncMerge *merge, SyncItem *items, int count)
{
	SyncReferring *told;
	const int	admitted = admit_items(merge, items, count);

	if (admitted == 0)
		return;
	if (!VM_FAULT("references"))
		sync_order_items(items, admitted);
	told = sync_begin_told(merge->covered, items, admitted);
	PG_TRY();
	{
		apply_in_order(merge, items, admitted);
	}
	PG_FINALLY();
	{
		sync_end_told(told);
	}
	PG_END_TRY();
}

/*
 * Whether parked rows with an SQLSTATE are to be tried again: all, if "covered" is NULL.  Else deletes that waited; and
 * if "parts", rows that break a constraint, which may need the rest of what they came with.
 */
static bool
may_be_due(const char *sqlstate, const Version *covered, bool parts)
{
	return covered == NULL || strcmp(sqlstate, unpack_sql_state(ERRCODE_DELETE_WAITS)) == 0 ||
		(parts && strncmp(sqlstate, unpack_sql_state(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION), 2) == 0);
}

/* Whether such a row is: if what it waited for is covered; of a constraint, if it came with what is. */
static bool
is_due(const char *sqlstate, const RowState *state, const Version *held, const Version *covered)
{
	if (covered == NULL)
		return true;
	if (strcmp(sqlstate, unpack_sql_state(ERRCODE_DELETE_WAITS)) == 0)
		return version_covers(covered, state->base.site, state->base.txn);
	return sync_row_without(state, held) != NULL && sync_row_without(state, covered) == NULL;
}

/*
 * Rows and those of the parked ones, of tables that the caller may write, that are due, beside them; those of no
 * table too, unless he is a guest.  Sets how many they are.
 */
static SyncItem *
with_due(const SyncMerge *merge, bool is_guest, const Version *covered, bool parts, SyncItem *items, int *count)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	SyncScan   *scan;
	HeapTuple	tuple;
	int			room = *count;

	if (RelationGetNumberOfBlocks(rel) == 0)
	{
		table_close(rel, AccessShareLock);
		return items;
	}
	scan = sync_meta_scan(rel, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		SyncNames  *names;
		SyncItem	item = {0};
		char	   *sqlstate = TextDatumGetCString(heap_getattr(tuple, 4, RelationGetDescr(rel), &isnull));
		Oid			root;

		if (!may_be_due(sqlstate, covered, parts))
			continue;
		item.name = TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
		root = sync_table_by_name(item.name);
		if (OidIsValid(root) ? !sync_may_merge(root, GetUserId()) : is_guest)
			continue;
		item.key = sync_image_of_bytea(PointerGetDatum(PG_DETOAST_DATUM_COPY(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull))));
		item.state = sync_parked_state(tuple, RelationGetDescr(rel), &names);
		item.names = names;
		if (!is_due(sqlstate, item.state, merge->held, covered))
			continue;
		if (*count == room)
		{
			SyncItem   *more = palloc_extended(sizeof(SyncItem) * (room = Max(64, room * 2)), MCXT_ALLOC_HUGE);

			memcpy(more, items, sizeof(SyncItem) * *count);
			items = more;
		}
		items[(*count)++] = item;
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return items;
}

/*
 * Parked rows of tables that the caller may write once more; those of no table, too, unless he is a guest.
 *
 * Errors: as sync_apply_rows.
 */
void
sync_retry_parked(SyncMerge *merge, bool is_guest)
{
	int			count = 0;
	SyncItem   *items = with_due(merge, is_guest, NULL, false, palloc(sizeof(SyncItem)), &count);

	sync_apply_rows(merge, items, count);
}

/*
 * Rows of the last part of a batch with those that waited for it, of other parts: what refers to one another
 * is applied together.  Sets how many they are.
 */
SyncItem   *
sync_with_waiting(const SyncMerge *merge, SyncItem *items, int *count)
{
	return with_due(merge, false, merge->covered, true, items, count);
}

/*
 * What is merged with a delta may be what deletes wait for that take along rows that refer to them.
 *
 * Errors: as sync_apply_rows.
 */
void
sync_retry_waiting(SyncMerge *merge)
{
	int			count = 0;
	SyncItem   *items = with_due(merge, false, merge->covered, false, palloc(sizeof(SyncItem)), &count);

	merge->by_stream = true;
	sync_apply_rows(merge, items, count);
}
