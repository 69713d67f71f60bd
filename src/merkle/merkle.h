/*
 * merkle.h: digests of tracked tables, the part that knows PostgreSQL.
 *
 * The room's own header: other rooms call nothing of it.
 */
#ifndef MERKLE_MERKLE_H
#define MERKLE_MERKLE_H

#include "merkle/leaf.h"
#include "sync/sync_table.h"

/* merkle_table.c: what a digest hangs on. */
extern uint64_t merkle_format(const SyncTable *table, uint64_t seed);
extern uint64_t merkle_signature(const SyncTable *table, uint64_t seed);
extern void merkle_check_writers(const SyncTable *table, uint64_t seed);

/* merkle_row.c: what a row adds to its leaf. */
typedef struct MerkleRow
{
	const RowState *clock;
	const Datum *values;		/* of all columns of the table */
	const bool *nulls;
} MerkleRow;

typedef struct MerkleKey
{
	uint64_t	low;
	uint64_t	high;
} MerkleKey;

extern MerkleKey merkle_key(Image key, uint64_t seed);
extern int	merkle_leaf_of(MerkleKey key);
extern void merkle_add_row(Leaf *leaf, const SyncTable *table, MerkleKey key, const SyncSeen *row);
extern void merkle_add_change(Leaf *leaf, const SyncTable *table, MerkleKey key, const MerkleRow *old, const MerkleRow *new);
extern uint64_t merkle_number_row(const SyncTable *table, MerkleKey key, const SyncSeen *row, uint64_t *parts, bool *large);
extern uint64_t merkle_tombstone_id(MerkleKey key, const RowState *dead);

/* merkle_store.c: leaves as they are kept. */
typedef struct MerkleDigest
{
	uint64_t	format;
	uint64_t	seed;
	uint64_t	signature;
} MerkleDigest;

extern void merkle_note(Oid root, int number, const Leaf *change);
extern bool merkle_find(Oid root, Snapshot snapshot, MerkleDigest *digest);
extern bool merkle_is_current(const SyncTable *table, const MerkleDigest *digest);
extern void merkle_get(const SyncTable *table, Snapshot snapshot, MerkleDigest *digest);
extern Leaf *merkle_read(Oid root, Snapshot snapshot);
extern int64 merkle_fold(Oid root);
extern void merkle_begin_build(Oid root);
extern void merkle_replace(Oid root, const MerkleDigest *digest, const Leaf *leaves, Snapshot snapshot);
extern void merkle_forget(Oid root);
extern int64 merkle_tidy(void);

/* merkle_scan.c: all rows of a table. */
extern void merkle_scan_rows(SyncTable *table, SyncVisit visit, void *about);
extern Leaf *merkle_compute(SyncTable *table, uint64_t seed);

/* merkle_view.c: a digest at a moment; the own transaction's writes are not in it. */
typedef struct MerkleView
{
	SyncTable  *table;
	Snapshot	snapshot;
	MerkleDigest digest;
} MerkleView;

/* Numbers of rows, of their large columns, and of tombstones. */
typedef struct MerkleIds
{
	uint64_t   *ids;
	size_t		count;
	size_t		room;
} MerkleIds;

extern void merkle_begin_view(MerkleView *view, Oid relid);
extern void merkle_end_view(void);
extern int	merkle_get_bits(int bits);
extern bool *merkle_get_prefixes(FunctionCallInfo fcinfo, int argument, int bits);
extern bool merkle_is_wanted(const bool *wanted, int bits, MerkleKey key);
extern MerkleIds merkle_no_ids(void);
extern void merkle_add_id(MerkleIds *ids, uint64_t id);
extern Datum merkle_ids_datum(MerkleIds *ids);
extern void merkle_take_ids(MerkleIds *ids, Datum datum);
extern bool merkle_has_id(const MerkleIds *ids, uint64_t id);

#endif							/* MERKLE_MERKLE_H */
