/*
 * sync_merge.h: deltas joined with what is here.
 */
#ifndef SYNC_MERGE_H
#define SYNC_MERGE_H

#include "sync/sync_capture.h"
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

extern void sync_begin_together(void);
extern void sync_end_together(void);
extern void sync_forget_together(void);
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
	bool		is_part;		/* of a repair, without what is yet to come,
								 * or is here */
	bool		is_right;		/* where stamps are alike */
	int			circle;			/* those of a number refer to one another; 0
								 * for none */
} SyncItem;

typedef struct SyncMerge
{
	const Version *held;		/* what this database held before */
	const Version *known;		/* what the sender knows */
	const Version *covered;		/* what it holds when all of this is merged,
								 * and what that knew of */
	bool		repair;			/* what is told is right where stamps are
								 * alike */
	bool		by_stream;		/* or as what is parked came */
	bool		in_parts;		/* what breaks a constraint is tried once more
								 * with the last part */
	SyncTable  *table;			/* of the latest row, or NULL */
	int64		applied;
	int64		stale;
	int64		parked;
	int64		conflicts;
} SyncMerge;

extern RowState *sync_fit(const SyncTable *table, const SyncNames *names, const RowState *incoming);
extern bool sync_same_clock(const RowState *a, const RowState *b);
extern void sync_apply_row(SyncMerge *merge, const SyncItem *item);

/* sync_order.c: which row of a merge is first. */
extern void sync_order_items(SyncItem *items, int count);
extern int	sync_column_number(const SyncTable *table, Oid relid, AttrNumber attnum);
extern Image sync_told_image(const SyncTable *table, const SyncItem *item, int column, uint8_t *form);

/* sync_missing.c: which rows wait for other parts. */
typedef struct SyncMissing SyncMissing;

extern SyncMissing *sync_begin_missing(const SyncItem *items, int count);
extern void sync_end_missing(SyncMissing *missing);
extern void sync_note_missing(SyncMissing *missing, const SyncItem *item);
extern ErrorData *sync_find_missing(SyncMissing *missing, const SyncItem *item);

/* sync_told.c: what of a merge is told of which row. */
extern SyncReferring *sync_begin_told(const Version *covered, const SyncItem *items, int count);
extern void sync_end_told(SyncReferring *told);

/* sync_group.c: rows of a merge, in groups. */
extern void sync_apply_rows(SyncMerge *merge, SyncItem *items, int count);
extern void sync_retry_parked(SyncMerge *merge, bool is_guest);
extern SyncItem *sync_with_waiting(const SyncMerge *merge, SyncItem *items, int *count);
extern void sync_retry_waiting(SyncMerge *merge);

/* sync_anew.c: rows of a new life. */
extern void sync_rebear(Site site, const Version *told, uint64_t lives);
extern void sync_restamp(Site old);

#endif							/* SYNC_MERGE_H */
