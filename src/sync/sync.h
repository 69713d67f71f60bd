/*
 * sync.h: replicated state, the part that knows PostgreSQL.
 *
 * The room's own header: other rooms call nothing of it yet.
 */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "access/genam.h"
#include "access/skey.h"
#include "crdt/delta.h"
#include "crdt/row_state.h"
#include "crdt/varint.h"
#include "crdt/version.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* SQLSTATEs of our own; class VM is not PostgreSQL's. */
#define ERRCODE_CAUSALITY_VIOLATION MAKE_SQLSTATE('V', 'M', '0', '0', '1')
#define ERRCODE_CLOCK_AHEAD MAKE_SQLSTATE('V', 'M', '0', '0', '2')
#define ERRCODE_PEER_RETIRED MAKE_SQLSTATE('V', 'M', '0', '0', '3')
#define ERRCODE_TOO_MANY_DELETED MAKE_SQLSTATE('V', 'M', '0', '0', '4')

/* The column that has a row's clock. */
#define SYNC_CLOCK_COLUMN "_vm"

/* sync_types.c: values of SQL. */
extern Datum sync_version_datum(const Version *version);
extern Version *sync_version_from_datum(Datum datum);
extern Datum sync_clock_datum(const RowState *row);
extern RowState *sync_clock_from_datum(Datum datum);
extern Datum sync_delta_datum(const Delta *delta);
extern Delta *sync_delta_from_datum(Datum datum);
extern uint64_t sync_hash_datum(Datum datum);

/* sync_meta.c: the extension's own tables. */
typedef enum SyncMeta
{
	META_SITE,
	META_VERSION,
	META_TABLE,
	META_COLUMN,
	META_LOG,
	META_TOMBSTONE,
	META_PARKED,
	META_QUARANTINE,
	META_PEER,
	META_STREAM,
	META_BATCH,
	META_CONFLICT,
	META_OUTBOX,
	META_LEAF,
	META_DIGEST,
	META_LINK,
	META_ALARM,
} SyncMeta;

typedef struct SyncScan
{
	SysScanDesc scan;
	Snapshot	latest;			/* registered for this scan, or NULL */
} SyncScan;

/* Looks into an index for one key after the other. */
typedef struct SyncProbe
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	int			count;
} SyncProbe;

typedef bool (*SyncMeant) (HeapTuple tuple, TupleDesc desc, void *about);

extern Oid	sync_meta_oid(SyncMeta meta);
extern Oid	sync_delta_type(void);
extern Relation sync_meta_open(SyncMeta meta, LOCKMODE mode);
extern SyncScan *sync_meta_scan(Relation rel, Snapshot snapshot, int count, const Datum *key);
extern SyncScan *sync_meta_scan_from(Relation rel, Snapshot snapshot, Datum first, Datum from);
extern bool sync_meta_next_site(Relation rel, Snapshot snapshot, Site *site);
extern SyncProbe *sync_probe_begin(Relation rel, int count);
extern bool sync_probe_has(SyncProbe *probe, const Datum *key);
extern void sync_probe_end(SyncProbe *probe);
extern bool sync_meta_has(Relation rel, int count, const Datum *key);
extern HeapTuple sync_meta_next(SyncScan *scan);
extern void sync_meta_end(SyncScan *scan);
extern void sync_meta_insert(Relation rel, const Datum *values, const bool *nulls);
extern void sync_meta_update(Relation rel, HeapTuple old, const Datum *values, const bool *nulls);
extern void sync_meta_delete(Relation rel, HeapTuple old);
extern void sync_meta_pass(Relation rel, HeapTuple tuple);
extern Relation sync_meta_open_alone(SyncMeta meta);
extern void sync_meta_put(Relation rel, HeapTuple old, const Datum *values, const bool *nulls);
extern int64 sync_meta_delete_where(SyncMeta meta, SyncMeant is_meant, void *about);
extern Version *sync_meta_union(SyncMeta meta, int column, Snapshot snapshot);
extern Snapshot sync_push_outside_snapshot(void);

/* Columns of sync_table. */
#define SYNC_TABLE_REL 0
#define SYNC_TABLE_NAME 1
#define SYNC_TABLE_FLOOR 2
#define SYNC_TABLE_NOTIFY 3
#define SYNC_TABLE_COLUMNS 4

/* Columns of sync_site. */
#define SYNC_SITE_SITE 0
#define SYNC_SITE_CURRENT 1
#define SYNC_SITE_SIGNS 2
#define SYNC_SITE_PENDING 3
#define SYNC_SITE_SINCE 4
#define SYNC_SITE_FORGOTTEN 5
#define SYNC_SITE_LIVES 6
#define SYNC_SITE_COLUMNS 7

/* Columns of sync_peer. */
#define PEER_SITE 0
#define PEER_HOLDS 1
#define PEER_SEEN 2
#define PEER_RETIRED 3
#define PEER_COLUMNS 4

/* sync_site.c: who this database is. */
extern Site sync_writer_site(void);
extern Site sync_reader_site(void);
extern uint64_t sync_writer_txn(void);
extern uint64_t sync_next_txn(void);
extern Version *sync_forgotten(Snapshot snapshot, uint64_t *lives);
extern uint64_t sync_forgotten_life(bool fresh);
extern void sync_forget_forgotten(void);
extern void sync_add_forgotten(const Version *version, uint64_t lives);
extern Site sync_renew_site(bool put_back);
extern void sync_lock_version(void);
extern void sync_lock_writers(void);

/* sync_held.c: which transactions the state holds. */
extern uint64_t sync_widen(TransactionId xid, FullTransactionId next);
extern Version *sync_foreign_version(Snapshot snapshot);
extern Version *sync_own_version(Site site, Snapshot snapshot);
extern Version *sync_version(Snapshot snapshot);
extern Version *sync_earlier_lives(Snapshot snapshot);
extern void sync_version_add(const Version *version);
extern Version *sync_peers_hold(void);
extern void sync_flush_wal(void);

/* sync_table.c: what is known of a tracked table. */
typedef enum SyncKind
{
	SYNC_REGISTER = 'r',
	SYNC_COUNTER = 'c',
	SYNC_SET = 's',
	SYNC_LOCAL = 'l',			/* not replicated */
} SyncKind;

typedef struct SyncColumn
{
	AttrNumber	attnum;
	SyncKind	kind;
	ColumnId	id;
	char	   *name;			/* published */
	char	   *attname;
	Oid			type;
	int32		typmod;
	int16		typlen;
	bool		byval;
	char		align;
	bool		binary;			/* images are in binary form */
	bool		identity_always;
	bool		is_key;
	FmgrInfo	write;			/* of the type, or of a set's element */
	FmgrInfo	read;
	Oid			ioparam;
	Oid			element;		/* of a set */
	int16		element_len;
	bool		element_byval;
	char		element_align;
} SyncColumn;

/* A prepared statement on a table, by its text. */
typedef struct SyncPlan
{
	char	   *sql;
	struct _SPI_plan *plan;
} SyncPlan;

typedef struct SyncTable
{
	Oid			relid;			/* this table or partition */
	Oid			root;			/* the tracked table */
	Oid			owner;
	char	   *name;			/* published */
	char	   *qualified;		/* root, for SQL */
	AttrNumber	clock;
	int			column_count;
	SyncColumn *columns;		/* ascending by attnum; without _vm and
								 * generated ones */
	int			key_count;
	SyncColumn **by_id;			/* ascending by id */
	int		   *key;			/* index into columns, in the order of the
								 * primary key */
	Oid			key_index;
	bool		stale;			/* to be read anew */
	bool		notify;
	bool		needs_settings; /* text of a register depends on settings */
	Version    *floor;			/* the log has no dots that it covers */
	struct SyncNames *names;	/* of columns that are told */
	List	   *plans;			/* of SyncPlan */
	struct _SPI_plan *read_row;
	struct _SPI_plan *lock_row;
	struct _SPI_plan *send_row;
	struct _SPI_plan *delete_row;
	MemoryContext context;
} SyncTable;

extern SyncTable *sync_table_find(Oid relid);
extern SyncTable *sync_table_get(Oid relid);
extern Oid	sync_table_by_name(const char *name);
extern List *sync_table_list(Snapshot snapshot);
extern Version *sync_floors(void);
extern void sync_raise_floors(const Version *version);
extern bool sync_column_was_dropped(const SyncTable *table, const char *name);
extern const SyncColumn *sync_table_column(const SyncTable *table, const char *name);
extern bool sync_key_type(Oid type);
extern bool sync_portable_type(Oid type);
extern bool sync_binary_type(Oid type);
extern ColumnId sync_column_id(const char *name);

/* sync_image.c: canonical values and keys. */
extern int	sync_begin_images(void);
extern void sync_end_images(int level);
extern Image sync_image(const SyncColumn *column, Datum value, bool isnull);
extern Datum sync_value(const SyncColumn *column, Image image, bool *isnull);
extern Image sync_key_image(const SyncTable *table, const Datum *values);
extern void sync_key_values(const SyncTable *table, Image key, Datum *values, bool *nulls);
extern uint64_t sync_key_hash(Site site, uint64_t txn, Image key);
extern Datum sync_bytea(Image image);
extern Image sync_image_of_bytea(Datum datum);
extern Element *sync_set_elements(const SyncColumn *column, Datum value, bool isnull, int *count);
extern Datum sync_set_value(const SyncColumn *column, const Element *elements, int count);
extern int64 sync_counter_value(const SyncColumn *column, Datum value, bool isnull);
extern Datum sync_counter_datum(const SyncColumn *column, int64 value);

/* sync_row.c: states of rows. */
extern RowState *sync_row_state(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls, bool images);
extern RowState *sync_row_within(const RowState *row, const Version *known);
extern RowState *sync_row_without(const RowState *row, const Version *covered);
extern Counter *sync_complete_counter(const RowState *clock, ColumnId id, int64 visible);
extern ElementSet *sync_complete_set(const RowState *clock, ColumnId id, Element *elements, int count);
extern RowState *sync_tombstone(Oid root, Image key, Snapshot snapshot);
extern RowState *sync_row_of_dot(const RowState *row, Site site, uint64_t txn);
extern bool sync_row_has_unknown(const RowState *row, Site site, const Version *own);
extern _Noreturn void sync_refuse_concurrent_delete(Oid root);
extern bool sync_tombstone_reaches(Oid root, Image key, uint64_t life);
extern bool sync_write_tombstone(Oid root, Image key, const RowState *row);
extern bool sync_drop_tombstone(Relation rel, HeapTuple tuple);
extern void sync_bury(Oid root, Image key, const RowState *row);

/* sync_log.c: which keys a transaction wrote. */
extern void sync_log_spill(void);
extern void sync_log_key(Site site, uint64_t txn, Oid root, Image key, uint64_t born);
extern void sync_log_state(Oid root, Image key, const RowState *incoming, uint64_t born);
extern uint64_t *sync_log_hashes(Oid root, Snapshot snapshot, size_t *count);
extern bool sync_log_next(Reader *reader, Image *key);

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
} SyncMark;

extern int	sync_max_drift;
extern bool sync_is_changed(const SyncColumn *column, Datum old, bool old_isnull, Datum new, bool new_isnull);
extern void sync_row_values(const SyncTable *table, HeapTuple tuple, TupleDesc desc, Datum *values, bool *nulls);
extern RowState *sync_clock_of(const SyncTable *table, HeapTuple tuple, TupleDesc desc);
extern SyncMark *sync_mark(SyncMark *mark);
extern bool sync_restamp_state(RowState *state, Site old);
extern uint64_t sync_now(void);
extern Stamp sync_stamp(const RowState *seen);

/* sync_build.c: deltas, row by row. */
typedef struct SyncNames
{
	int			count;
	ColumnId   *ids;
	DeltaColumn *columns;
} SyncNames;

typedef struct SyncBuilder
{
	MemoryContext context;
	Delta		delta;
	int		   *column_rooms;	/* of each relation */
	int		   *row_rooms;
	ColumnId  **ids;
	size_t		size;			/* of what was added, about */
} SyncBuilder;

extern SyncNames *sync_names_of_table(const SyncTable *table);
extern SyncNames *sync_names_of_relation(const DeltaRelation *relation);
extern SyncNames *sync_names_union(const SyncNames *a, const SyncNames *b);
extern SyncBuilder *sync_builder_begin(Site sender);
extern void sync_builder_add(SyncBuilder *builder, const char *relation, const SyncNames *names, Image key, const RowState *state);
extern Delta *sync_builder_end(SyncBuilder *builder);
extern RowState *sync_state_of(const SyncNames *names, const RowState *row);

/* sync_dots.c: transactions that rows have. */
extern Version *sync_dots_of_rows(Site site);

/* sync_read.c: rows of users' tables. */
extern struct _SPI_plan *sync_plan(SyncTable *table, const char *sql, int count, const Oid *types);
extern void sync_append_key(StringInfo sql, const SyncTable *table, int before);
extern char *sync_select(const SyncTable *table);
extern void sync_take_row(const SyncTable *table, HeapTuple tuple, TupleDesc desc, Datum *values, bool *nulls, RowState **clock);
extern bool sync_read_row(SyncTable *table, bool lock, Datum *values, bool *nulls, RowState **clock);

extern bool sync_row_is_there(SyncTable *table, Image key);

/* sync_walk.c: all rows and tombstones of a table. */
typedef struct SyncSeen
{
	Image		key;
	RowState   *clock;			/* or the tombstone */
	Datum	   *values;			/* of all columns; NULL for a tombstone */
	bool	   *nulls;
} SyncSeen;

typedef void (*SyncVisit) (void *about, const SyncSeen *seen);

extern void sync_walk_rows(SyncTable *table, bool read_only, SyncVisit visit, void *about);
extern void sync_walk_tombstones(SyncTable *table, Snapshot snapshot, SyncVisit visit, void *about);

/* sync_park.c: states that could not be shown. */
extern RowState *sync_parked(const char *name, Image key, Snapshot snapshot, SyncNames **names);
extern void sync_park(const char *name, Image key, const RowState *state, const SyncNames *names, const ErrorData *reason);
extern void sync_unpark(const char *name, Image key);

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
	Image		key;
	RowState   *state;
	const SyncNames *names;		/* of the columns in it */
	bool		is_part;		/* of a repair, without what is yet to come */
} SyncItem;

typedef struct SyncMerge
{
	const Version *held;		/* what this database held before */
	const Version *known;		/* what the sender knows */
	bool		repair;			/* what is told is right where stamps are
								 * alike */
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

/* sync_tell.c: states of rows told to another. */
typedef struct SyncTeller
{
	Version    *since;			/* what need not be told */
	Version    *to;				/* what is here */
	bool		some;			/* tables only */
	Version    *forgotten;		/* unless the receiver knows; or NULL */
	uint64_t	lives;
	bool		repair;			/* states are told whole, and claim nothing */
	Snapshot	snapshot;
	Site		site;
	size_t		max_bytes;		/* of a part, about */
	ReturnSetInfo *result;
	int			level;			/* of settings */
	SyncBuilder *builder;
	uint64_t	batch;			/* 0 while there is one part */
	uint64_t	part;
	MemoryContext part_context; /* what the builder holds */
	MemoryContext row_context;
} SyncTeller;

extern void sync_refuse_hidden(Oid root);
extern void sync_begin_telling(SyncTeller *teller, FunctionCallInfo fcinfo, int max_bytes);
extern void sync_tell_key(SyncTeller *teller, SyncTable *table, Image key, const RowState *clock, const Datum *values, const bool *nulls);
extern void sync_tell_table(SyncTeller *teller, SyncTable *table);
extern void sync_tell_parked(SyncTeller *teller, List *whole);
extern void sync_end_telling(SyncTeller *teller, bool claims);

/* sync_check.c */
extern bool sync_is_settled(const char *name, Snapshot snapshot);

/* sync_peer.c: what other sites hold. */
extern bool sync_is_retired(Site site);
extern void sync_refuse_retired(Site site);
extern void sync_refuse_unknown_dots(Site own, const Version *since);
extern void sync_refuse_late(const Version *since, Snapshot snapshot);
extern void sync_note_peer(Site site, const Version *version);

/* sync_stream.c: logical replication. */
extern void sync_send_changes(Site site, uint64_t txn);
extern void sync_notify(Oid root);
extern Version *sync_stream_claims(const Delta *delta, const Version *held);
extern void sync_mend_streams(const Version *held);
extern void sync_break_stream(Site site);

/* sync_rights.c: what a role must be able to do. */
extern void sync_check_owner(Oid relid);
extern void sync_check_rights(const char *what);

/* sync_track.c: tables put on record and taken off. */
extern void sync_refuse_deletes(const SyncTable *table, int64 deleted, int64 rows, double most);

extern void sync_define_settings(void);

#endif							/* SYNC_SYNC_H */
