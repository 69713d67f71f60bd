/*
 * sync_merge.h: deltas joined with what is here.
 */
#ifndef SYNC_MERGE_H
#define SYNC_MERGE_H

#include "sync/sync_table.h"

/* sync_write.c: a row of a merge, written. */
typedef struct SyncRow
{
	SyncTable  *table;
	Image		key;
	Datum	   *values;			/* of all columns */
	bool	   *nulls;
	bool	   *given;			/* columns whose value a merge decides */
	bool	   *changed;		/* columns to write */
} SyncRow;

extern bool sync_insert_row(const SyncRow *row, const RowState *state);
extern void sync_update_row(const SyncRow *row, const RowState *state);
extern void sync_delete_row(const SyncRow *row, const RowState *state);
extern bool sync_wait_for_row(const SyncRow *row);

/* sync_apply.c: one row of a merge. */
typedef struct SyncItem
{
	const char *name;			/* published, of the table */
	Oid			owner;			/* of the table, or InvalidOid without one */
	Image		key;
	RowState   *state;
	const SyncNames *names;		/* of the columns in it */
	bool		is_part;		/* of a repair, without what is yet to come */
	bool		is_right;		/* where stamps are alike */
} SyncItem;

typedef struct SyncMerge
{
	const Version *held;		/* what this database held before */
	const Version *known;		/* what the sender knows */
	bool		repair;			/* what is told is right where stamps are
								 * alike */
	bool		by_stream;		/* or as what is parked came */
	SyncTable  *table;			/* of the latest row, or NULL */
	int64		applied;
	int64		stale;
	int64		parked;
	int64		conflicts;
} SyncMerge;

extern void sync_apply_row(SyncMerge *merge, const SyncItem *item);

/* sync_anew.c: rows of a new life. */
extern void sync_rebear(Site site, const Version *told, uint64_t lives);
extern void sync_restamp(Site old);

#endif							/* SYNC_MERGE_H */
