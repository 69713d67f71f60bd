/*
 * merkle_store.c: leaves as they are kept: rows that writers append, and those that they
 * were folded into.
 *
 * Nobody changes a row, so writers wait for nobody.  What a snapshot shows of the rows adds
 * up to the leaves of the table as that snapshot shows it.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class_d.h"
#include "merkle/merkle.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "sync/sync_meta.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Columns of merkle_leaf. */
#define LEAF_REL 0
#define LEAF_PART 1
#define LEAF_BYTES 2
#define LEAF_COLUMNS 3

/* Columns of merkle_digest. */
#define DIGEST_REL 0
#define DIGEST_FORMAT 1
#define DIGEST_SEED 2
#define DIGEST_SIGNATURE 3
#define DIGEST_COLUMNS 4

/* Parts that rows are folded into, and what is there before. */
#define PENDING (-1)
#define PART_BITS 9
#define PARTS (1 << PART_BITS)
#define LEAVES_A_PART (LEAF_COUNT / PARTS)

/* A row that is appended has no more leaves than this. */
#define LEAVES_A_ROW 256

typedef struct Change
{
	int32		number;			/* of the leaf */
	char		status;
	Leaf		leaf;
} Change;

#define SH_PREFIX changes
#define SH_ELEMENT_TYPE Change
#define SH_KEY_TYPE int32
#define SH_KEY number
#define SH_HASH_KEY(table, key) ((uint32) (key) * UINT32_C(0x9e3779b1))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What one subtransaction changed in a table. */
typedef struct Changes
{
	Oid			root;
	int			level;			/* nesting */
	changes_hash *leaves;
} Changes;

/* Of this transaction, ascending by level; in TopTransactionContext. */
static List *pending;
static bool has_callbacks;

static int
compare_changes(const void *a, const void *b)
{
	return (*(Change *const *) a)->number - (*(Change *const *) b)->number;
}

static void
write_row(Relation rel, Oid root, int part, const uint8_t *bytes, size_t size)
{
	Image		image = {(const char *) bytes, size};
	Datum		values[LEAF_COLUMNS] = {ObjectIdGetDatum(root), Int16GetDatum(part), sync_bytea(image)};
	bool		nulls[LEAF_COLUMNS] = {false};

	sync_meta_insert(rel, values, nulls);
	pfree(DatumGetPointer(values[LEAF_BYTES]));
}

/* Append what a subtransaction changed in a table. */
static void
write_changes(const Changes *changes)
{
	Change	  **sorted = palloc(sizeof(Change *) * (changes->leaves->members + 1));
	uint8_t    *bytes = palloc(LEAF_SIZE_MAX * Min(changes->leaves->members + 1, LEAVES_A_ROW));
	int			count = 0;
	changes_iterator all;
	Change	   *change;
	Relation	rel;

	changes_start_iterate(changes->leaves, &all);
	while ((change = changes_iterate(changes->leaves, &all)) != NULL)
		if (!leaf_is_zero(&change->leaf))
			sorted[count++] = change;
	qsort(sorted, count, sizeof(Change *), compare_changes);
	rel = sync_meta_open(META_LEAF, RowExclusiveLock);
	for (int i = 0; i < count;)
	{
		uint8_t    *out = bytes;
		int			after = -1;

		for (int end = Min(count, i + LEAVES_A_ROW); i < end; i++)
		{
			out = leaf_write(out, after, sorted[i]->number, &sorted[i]->leaf);
			after = sorted[i]->number;
		}
		write_row(rel, changes->root, PENDING, bytes, out - bytes);
	}
	table_close(rel, RowExclusiveLock);
	pfree(bytes);
	pfree(sorted);
}

static void
at_xact(XactEvent event, void *arg)
{
	ListCell   *cell;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (pending == NIL)
				break;
			PushActiveSnapshot(GetTransactionSnapshot());
			foreach(cell, pending)
				write_changes(lfirst(cell));
			PopActiveSnapshot();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending = NIL;
			break;
		default:
			break;
	}
}

static Changes *
find_changes(Oid root, int level)
{
	ListCell   *cell;

	foreach(cell, pending)
	{
		Changes    *changes = lfirst(cell);

		if (changes->root == root && changes->level == level)
			return changes;
	}
	return NULL;
}

static void
add_change(Changes *changes, int number, const Leaf *leaf)
{
	bool		found;
	Change	   *change = changes_insert(changes->leaves, number, &found);

	if (!found)
		memset(&change->leaf, 0, sizeof(Leaf));
	leaf_add(&change->leaf, leaf);
}

static void
drop_changes(Changes *changes)
{
	pending = list_delete_ptr(pending, changes);
	changes_destroy(changes->leaves);
	pfree(changes);
}

/* What a subtransaction changed is its parent's now. */
static void
hand_up(Changes *changes)
{
	Changes    *parent = find_changes(changes->root, changes->level - 1);
	changes_iterator all;
	Change	   *change;

	if (parent == NULL)
	{
		changes->level--;
		return;
	}
	changes_start_iterate(changes->leaves, &all);
	while ((change = changes_iterate(changes->leaves, &all)) != NULL)
		add_change(parent, change->number, &change->leaf);
	drop_changes(changes);
}

static void
at_subxact(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (int i = list_length(pending) - 1; i >= 0; i--)
	{
		Changes    *changes = list_nth(pending, i);

		if (changes->level < level)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			hand_up(changes);
		else
			drop_changes(changes);
	}
}

/* Note a change of a leaf, to be kept if the subtransaction is. */
void
merkle_note(Oid root, int number, const Leaf *change)
{
	int			level = GetCurrentTransactionNestLevel();
	Changes    *changes;

	if (!has_callbacks)
	{
		RegisterXactCallback(at_xact, NULL);
		RegisterSubXactCallback(at_subxact, NULL);
		has_callbacks = true;
	}
	changes = find_changes(root, level);
	if (changes == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		changes = palloc(sizeof(Changes));
		*changes = (Changes)
		{
			root, level, changes_create(TopTransactionContext, 8, NULL)
		};
		pending = lappend(pending, changes);
		MemoryContextSwitchTo(old);
	}
	add_change(changes, number, change);
}

/*
 * Write what this transaction has noted of a table, for it to be counted.
 *
 * Errors: 55000 if a transaction or subtransaction around has noted some, as that may end
 * in another way than this one.
 */
static void
flush(Oid root)
{
	Changes    *changes = find_changes(root, GetCurrentTransactionNestLevel());

	if (changes != NULL)
	{
		write_changes(changes);
		drop_changes(changes);
		CommandCounterIncrement();
	}
	for (int level = GetCurrentTransactionNestLevel() - 1; level > 0; level--)
		if (find_changes(root, level) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" was written before the subtransaction began", get_rel_name(root)),
					 errhint("Build its digest outside of savepoints and of blocks with EXCEPTION.")));
}

/* Whether a table has a digest, and which. */
bool
merkle_find(Oid root, Snapshot snapshot, MerkleDigest *digest)
{
	Relation	rel = sync_meta_open(META_DIGEST, AccessShareLock);
	Datum		key = ObjectIdGetDatum(root);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 1, &key);
	HeapTuple	tuple = sync_meta_next(scan);
	bool		found = HeapTupleIsValid(tuple);

	if (found)
	{
		Datum		values[DIGEST_COLUMNS];
		bool		nulls[DIGEST_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		digest->format = (uint64_t) DatumGetInt64(values[DIGEST_FORMAT]);
		digest->seed = (uint64_t) DatumGetInt64(values[DIGEST_SEED]);
		digest->signature = (uint64_t) DatumGetInt64(values[DIGEST_SIGNATURE]);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Whether the table was not altered since its digest was built. */
bool
merkle_is_current(const SyncTable *table, const MerkleDigest *digest)
{
	return digest->format == merkle_format(table, digest->seed) && digest->signature == merkle_signature(table, digest->seed);
}

/*
 * The digest of a table that others can compare theirs with.
 *
 * Errors: 55000 if there is none, or the table was altered since.
 */
void
merkle_get(const SyncTable *table, Snapshot snapshot, MerkleDigest *digest)
{
	if (!merkle_find(table->root, snapshot, digest))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tracked table \"%s\" has no digest", table->name),
				 errhint("SELECT vecmark.build_digest('%s').", table->qualified)));
	if (!merkle_is_current(table, digest))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tracked table \"%s\", or a trigger that keeps its digest, was altered since that was built", table->name),
				 errhint("SELECT vecmark.build_digest('%s'), or CALL vecmark.maintain().", table->qualified)));
}

/* Add a row of merkle_leaf.  Errors: XX001 if it is damaged. */
static void
add_row(Leaf *leaves, Datum value)
{
	bytea	   *bytes = DatumGetByteaPP(value);
	const char *error = leaves_add(leaves, (const uint8_t *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));

	if (bytes != (bytea *) DatumGetPointer(value))
		pfree(bytes);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of leaves is corrupted: %s", error),
				 errhint("SELECT vecmark.build_digest() of its table.")));
}

/* The leaves of a table, as a snapshot shows them; LEAF_COUNT of them. */
Leaf *
merkle_read(Oid root, Snapshot snapshot)
{
	Leaf	   *leaves = palloc0(sizeof(Leaf) * LEAF_COUNT);
	Relation	rel = sync_meta_open(META_LEAF, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[LEAF_COLUMNS];
		bool		nulls[LEAF_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (DatumGetObjectId(values[LEAF_REL]) == root)
			add_row(leaves, values[LEAF_BYTES]);
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return leaves;
}

/* Folding and building are for one at a time; writers and readers do not wait for them. */
static void
lock_leaves(void)
{
	LockDatabaseObject(RelationRelationId, sync_meta_oid(META_LEAF), 0, ShareUpdateExclusiveLock);
}

/* Write the leaves of one part, unless all are zero. */
static void
write_part(Relation rel, Oid root, int part, const Leaf *leaves)
{
	uint8_t		bytes[LEAF_SIZE_MAX * LEAVES_A_PART];
	uint8_t    *out = bytes;
	int			after = -1;

	for (int i = part * LEAVES_A_PART; i < (part + 1) * LEAVES_A_PART; i++)
	{
		if (leaf_is_zero(&leaves[i]))
			continue;
		out = leaf_write(out, after, i, &leaves[i]);
		after = i;
	}
	if (out > bytes)
		write_row(rel, root, part, bytes, out - bytes);
}

/*
 * Put rows of what is appended and of the parts that it touches into their sums.  Returns how
 * many rows were appended.
 *
 * Locks: waits for who folds or builds; keeps others from it to the end of the transaction.
 */
int64
merkle_fold(Oid root)
{
	Leaf	   *leaves = palloc0(sizeof(Leaf) * LEAF_COUNT);
	Leaf	   *changed = palloc0(sizeof(Leaf) * LEAF_COUNT);
	bool		touched[PARTS] = {false};
	int64		count = 0;
	Relation	rel;
	SyncScan   *scan;
	Snapshot	latest;
	HeapTuple	tuple;

	lock_leaves();
	latest = RegisterSnapshot(GetLatestSnapshot());
	rel = sync_meta_open(META_LEAF, RowExclusiveLock);
	scan = sync_meta_scan(rel, latest, 0, NULL);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[LEAF_COLUMNS];
		bool		nulls[LEAF_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (DatumGetObjectId(values[LEAF_REL]) != root || DatumGetInt16(values[LEAF_PART]) != PENDING)
			continue;
		add_row(changed, values[LEAF_BYTES]);
		sync_meta_delete(rel, tuple);
		count++;
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	for (int i = 0; i < LEAF_COUNT; i++)
		touched[i / LEAVES_A_PART] |= !leaf_is_zero(&changed[i]);
	scan = sync_meta_scan(rel, latest, 0, NULL);
	while (count > 0 && HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[LEAF_COLUMNS];
		bool		nulls[LEAF_COLUMNS];
		int			part;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		part = DatumGetInt16(values[LEAF_PART]);
		if (DatumGetObjectId(values[LEAF_REL]) != root || part < 0 || part >= PARTS || !touched[part])
			continue;
		add_row(leaves, values[LEAF_BYTES]);
		sync_meta_delete(rel, tuple);
	}
	sync_meta_end(scan);
	for (int i = 0; i < LEAF_COUNT; i++)
		leaf_add(&leaves[i], &changed[i]);
	for (int i = 0; i < PARTS; i++)
		if (touched[i])
			write_part(rel, root, i, leaves);
	table_close(rel, RowExclusiveLock);
	UnregisterSnapshot(latest);
	pfree(leaves);
	pfree(changed);
	CommandCounterIncrement();
	return count;
}

/* Delete what a snapshot shows of a table's leaves. */
static void
delete_leaves(Oid root, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_LEAF, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;

		if (DatumGetObjectId(heap_getattr(tuple, LEAF_REL + 1, RelationGetDescr(rel), &isnull)) == root)
			sync_meta_delete(rel, tuple);
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
}

/*
 * Begin to build a digest anew: what this transaction noted is written, and nobody else
 * folds until it ends.
 */
void
merkle_begin_build(Oid root)
{
	lock_leaves();
	flush(root);
}

/*
 * Put leaves, computed under a snapshot, in the place of those that it shows.  What is
 * written meanwhile adds to them.
 */
void
merkle_replace(Oid root, const MerkleDigest *digest, const Leaf *leaves, Snapshot snapshot)
{
	Relation	rel;
	SyncScan   *scan;
	HeapTuple	old;
	Datum		values[DIGEST_COLUMNS];
	bool		nulls[DIGEST_COLUMNS] = {false};

	values[DIGEST_REL] = ObjectIdGetDatum(root);
	values[DIGEST_FORMAT] = Int64GetDatum((int64) digest->format);
	values[DIGEST_SEED] = Int64GetDatum((int64) digest->seed);
	values[DIGEST_SIGNATURE] = Int64GetDatum((int64) digest->signature);
	delete_leaves(root, snapshot);
	rel = sync_meta_open(META_LEAF, RowExclusiveLock);
	for (int i = 0; i < PARTS; i++)
		write_part(rel, root, i, leaves);
	table_close(rel, RowExclusiveLock);

	rel = sync_meta_open(META_DIGEST, RowExclusiveLock);
	scan = sync_meta_scan(rel, NULL, 1, values);
	old = sync_meta_next(scan);
	sync_meta_put(rel, old, values, nulls);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* What this subtransaction noted of a table is not to be kept. */
static void
forget_changes(Oid root)
{
	Changes    *changes = find_changes(root, GetCurrentTransactionNestLevel());

	if (changes != NULL)
		drop_changes(changes);
}

/* The table has no digest any more. */
void
merkle_forget(Oid root)
{
	Relation	rel;
	Datum		key = ObjectIdGetDatum(root);
	SyncScan   *scan;
	HeapTuple	old;

	lock_leaves();
	rel = sync_meta_open(META_DIGEST, RowExclusiveLock);
	scan = sync_meta_scan(rel, NULL, 1, &key);
	old = sync_meta_next(scan);
	if (HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	delete_leaves(root, NULL);
	forget_changes(root);
	CommandCounterIncrement();
}

/* Add tables that are in the first column of a table of ours to "roots". */
static List *
add_tables(List *roots, SyncMeta meta)
{
	Relation	rel = sync_meta_open(meta, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	HeapTuple	tuple;
	bool		isnull;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		roots = list_append_unique_oid(roots, DatumGetObjectId(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull)));
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return roots;
}

/*
 * Delete digests of tables that are tracked no more, and leaves of tables without a digest.
 * Returns of how many tables.
 *
 * Locks: as merkle_fold.
 */
int64
merkle_tidy(void)
{
	int64		count = 0;
	List	   *tracked;
	ListCell   *cell;

	lock_leaves();
	tracked = sync_table_list(NULL);
	foreach(cell, add_tables(add_tables(NIL, META_DIGEST), META_LEAF))
	{
		MerkleDigest digest;

		if (get_rel_name(lfirst_oid(cell)) != NULL && list_member_oid(tracked, lfirst_oid(cell)) &&
			merkle_find(lfirst_oid(cell), NULL, &digest))
			continue;
		merkle_forget(lfirst_oid(cell));
		count++;
	}
	return count;
}
