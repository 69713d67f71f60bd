/*
 * sync_state.h: the state of a row: from its values and clock, its tombstone, its parked part.
 */
#ifndef SYNC_STATE_H
#define SYNC_STATE_H

#include "sync/sync_table.h"

/* A tombstone to be written. */
typedef struct SyncGrave
{
	Oid			root;
	Image		key;
	RowState	state;
	bool		written;
} SyncGrave;

/* Bytes of keys in a row of the log or of packs, or one key: rows are not stored out of line. */
#define SYNC_LINE_MAX 1900

/* To log keys, each after its size, that the transaction of a dot wrote. */
typedef void (*SyncLine) (void *about, const Stamp *dot, Oid root, Image keys);

/* sync_row.c: states of rows. */
/*
 * Whether the clock of a visible row was lost, so that peers have to tell it again: nothing is known of
 * the row but what it shows.
 */
static inline bool
sync_clock_is_lost(const RowState *clock)
{
	return clock->base.time == 0;
}

extern RowState *sync_row_state(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, bool images);
extern RowState *sync_row_rest(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, const bool *known);
extern RowState *sync_row_within(const RowState *row, const Version *known);
extern RowState *sync_row_without(const RowState *row, const Version *covered);
extern Counter *sync_complete_counter(const RowState *clock, ColumnId id, int64 visible);
extern ElementSet *sync_complete_set(const RowState *clock, ColumnId id, Element *elements, int count);
extern RowState *sync_stored_tombstone(Oid root, Image key, Snapshot snapshot);
extern RowState *sync_row_of_dot(const RowState *row, Site site, uint64_t txn);
extern bool sync_row_has_unknown(const RowState *row, Site site, const Version *own);
extern _Noreturn void sync_refuse_concurrent_delete(Oid root);
extern bool sync_tombstone_reaches(Oid root, Image key, uint64_t life);
extern bool sync_write_tombstone(Oid root, Image key, const RowState *row);
extern bool sync_drop_tombstone(Relation rel, HeapTuple tuple);
extern void sync_write_graves(Relation rel, SyncGrave *graves, int count);
extern void sync_bury(Oid root, Image key, const RowState *row);

/* sync_death.c: tombstones of many rows. */
extern RowState *sync_tombstone(Oid root, Image key, Snapshot snapshot);
extern bool sync_note_death(Oid root, Image key, const RowState *row);
extern bool sync_deaths_are_many(void);
extern void sync_write_deaths(SyncLine line, void *about);

/* sync_pack.c: tombstones many in a row; all of a table. */
#define SYNC_PACK_LEVELS 3

/* A key that died. */
typedef struct SyncDead
{
	uint64_t	hash;			/* sync_pack_hash */
	const char *key;			/* after its size */
	size_t		size;			/* of both */
} SyncDead;

typedef struct SyncPacks SyncPacks;

extern uint64_t sync_pack_hash(Image key);
extern SyncPacks *sync_packs_begin(Snapshot snapshot);
extern RowState *sync_packs_find(SyncPacks *packs, Oid root, Image key);
extern void sync_packs_end(SyncPacks *packs);
extern RowState *sync_packed_tombstone(Oid root, Image key, Snapshot snapshot);
extern TransactionId sync_other_packer(Oid root, Image key, uint64_t life, bool *reaches);
extern bool sync_is_packed(Oid root, uint64_t hash, int count);
extern void sync_write_packs(Oid root, const RowState *clock, const SyncDead *deaths, int count, SyncLine line, void *about);
extern void sync_walk_tombstones(SyncTable *table, Snapshot snapshot, SyncVisit visit, void *about);

/* sync_park.c: states that could not be shown. */
extern RowState *sync_parked_state(HeapTuple tuple, TupleDesc desc, SyncNames **names);
extern RowState *sync_parked(const char *name, Image key, Snapshot snapshot, SyncNames **names);
extern RowState *sync_join_forms(RowState *a, const RowState *b);
extern void sync_park(const char *name, Image key, const RowState *state, const SyncNames *names, const ErrorData *reason, bool by_stream);
extern bool sync_has_parked(const char *name);
extern void sync_unpark(const char *name, Image key);
extern Version *sync_waiting_dots(void);
extern void sync_drop_rests(Site writer, const Version *told);

#endif							/* SYNC_STATE_H */
