/*
 * sync_capture.h: what transactions write: stamped, logged, given to outboxes.
 */
#ifndef SYNC_CAPTURE_H
#define SYNC_CAPTURE_H

#include "crdt/varint.h"
#include "sync/sync_meta.h"
#include "sync/sync_table.h"

/* sync_log.c: which keys a transaction wrote. */
typedef struct SyncLogScan
{
	Relation	log;
	Snapshot	snapshot;
	Site		site;
	const SiteTxns *passed;		/* transactions that are passed over, or NULL */
	SyncScan   *scan;			/* NULL at the end */
	int			passed_rows;	/* since the index was asked */
} SyncLogScan;

extern void sync_log_deaths(void);
extern void sync_log_spill(void);
extern void sync_log_key(Site site, uint64_t txn, Oid root, Image key, uint64_t born);
extern void sync_log_death(Oid root, Image key, const RowState *dead);
extern void sync_log_state(Oid root, Image key, const RowState *incoming, uint64_t born);
extern uint64_t *sync_log_hashes(Oid root, Snapshot snapshot, size_t *count);
extern bool sync_log_has(const uint64_t *hashes, size_t count, Image key, const Stamp *dot);
extern void sync_log_begin(SyncLogScan *scan, Relation log, Snapshot snapshot, Site site, const SiteTxns *passed);
extern bool sync_log_read(SyncLogScan *scan, Datum *values);
extern void sync_log_end(SyncLogScan *scan);

/* sync_capture.c: triggers. */
typedef struct SyncMark
{
	Oid			root;
	Image		key;
	const RowState *state;
	const Datum *values;		/* of all columns of the root table's
								 * SyncTable */
	const bool *nulls;
	const bool *given;			/* columns without a value here keep what they
								 * get */
	bool		reached;		/* the trigger saw the row */
	int			depth;			/* of triggers where the statement runs, plus
								 * 1 */
} SyncMark;

extern int	sync_max_drift;
extern bool sync_is_changed(const SyncColumn *column, Datum old, bool old_isnull, Datum new, bool new_isnull);
extern void sync_row_values(const SyncTable *table, HeapTuple tuple, TupleDesc desc, Datum *values, bool *nulls);
extern RowState *sync_clock_of(const SyncTable *table, HeapTuple tuple, TupleDesc desc);
extern SyncMark *sync_mark(SyncMark *mark);
extern bool sync_restamp_state(RowState *state, Site old);
extern uint64_t sync_now(void);
extern Stamp sync_stamp(const RowState *seen);
extern Stamp sync_action_stamp(const Stamp *seen);
extern bool sync_is_action(const Stamp *stamp);

/* sync_refer.c: foreign keys' actions. */
typedef struct SyncReferring
{
	struct SyncReferring *before;
	const Version *covered;		/* what the database holds when all is merged,
								 * and what that knew of */

	/*
	 * what is told or parked of a row, joined with its clock; NULL if nothing
	 * is new
	 */
	const RowState *(*news) (struct SyncReferring *referring, const SyncTable *table, Image key, const RowState *state);
} SyncReferring;

extern void sync_begin_referring(SyncReferring *next);
extern void sync_end_referring(const SyncReferring *ended);
extern int	sync_trigger_depth(void);
extern bool sync_refers(Oid relid);
extern bool *sync_acted_columns(const SyncTable *table, Relation rel, const Datum *old_values, const bool *old_nulls,
								const Datum *values, const bool *nulls);
extern const RowState *sync_refer(const SyncTable *table, Image key, const RowState *state, const RowState *death);

/* sync_stream.c: logical replication. */
extern bool sync_has_outboxes(void);
extern void sync_send_changes(Site site, uint64_t txn);
extern void sync_notify(Oid root);
extern Version *sync_stream_claims(const Delta *delta, const Version *held);
extern void sync_mend_streams(const Version *held);
extern void sync_break_stream(const Delta *delta);
extern void sync_forget_stream(Site site);

/* sync_capture.c: settings of this room. */
extern void sync_define_settings(void);

#endif							/* SYNC_CAPTURE_H */
