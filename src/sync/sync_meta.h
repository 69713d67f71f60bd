/*
 * sync_meta.h: the extension's own tables.
 */
#ifndef SYNC_META_H
#define SYNC_META_H

#include "access/genam.h"
#include "crdt/version.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef enum SyncMeta
{
	META_SITE,
	META_VERSION,
	META_TABLE,
	META_COLUMN,
	META_LOG,
	META_TOMBSTONE,
	META_PACK,
	META_PARKED,
	META_QUARANTINE,
	META_PEER,
	META_STREAM,
	META_BATCH,
	META_CONFLICT,
	META_OUTBOX,
	META_LACK,
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

/* Reads rows of one key after the other. */
typedef struct SyncSeek
{
	Relation	rel;
	Relation	index;
	Snapshot	latest;			/* registered for this, or NULL */
	IndexScanDesc scan;
	TupleTableSlot *slot;
	int			count;
	MemoryContext context;		/* in which the index keeps what it notes */
} SyncSeek;

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
extern SyncSeek *sync_seek_begin(Relation rel, Snapshot snapshot, int count);
extern void sync_seek(SyncSeek *seek, const Datum *key);
extern HeapTuple sync_seek_next(SyncSeek *seek);
extern void sync_seek_end(SyncSeek *seek);
extern bool sync_meta_has(Relation rel, int count, const Datum *key);
extern HeapTuple sync_meta_next(SyncScan *scan);
extern void sync_meta_end(SyncScan *scan);
extern void sync_meta_insert(Relation rel, const Datum *values, const bool *nulls);
extern void sync_meta_insert_many(Relation rel, HeapTuple *tuples, int count);
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

/* Columns of sync_pack. */
#define SYNC_PACK_REL 0
#define SYNC_PACK_PART 1
#define SYNC_PACK_ID 2
#define SYNC_PACK_CLOCK 3
#define SYNC_PACK_KEYS 4
#define SYNC_PACK_COLUMNS 5

/* Columns of sync_peer. */
#define PEER_SITE 0
#define PEER_HOLDS 1
#define PEER_SEEN 2
#define PEER_RETIRED 3
#define PEER_COLUMNS 4

#endif							/* SYNC_META_H */
