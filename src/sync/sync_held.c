/*
 * sync_held.c: which transactions the state of this database holds.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_type_d.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_version);

/* A transaction's full number; "next" is the one that will be given out. */
uint64_t
sync_widen(TransactionId xid, FullTransactionId next)
{
	uint64_t	epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return epoch << 32 | xid;
}

/* Dots that came from elsewhere, and those of earlier lives. */
Version    *
sync_foreign_version(Snapshot snapshot)
{
	return sync_meta_union(META_VERSION, 1, snapshot);
}

static int
compare_txns(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

/* A snapshot as a version: of "site", what it does not show as in progress. */
Version    *
sync_own_version(Site site, Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint64_t	xmax = sync_widen(snapshot->xmax, next);
	int			open = snapshot->xcnt + (snapshot->takenDuringRecovery ? snapshot->subxcnt : 0);
	TxnRange   *ranges = palloc(sizeof(TxnRange) * (open + 2));
	uint64_t   *holes = palloc(sizeof(uint64_t) * (open + 1));
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	int			count = 0;
	uint64_t	from = 0;
	Version    *version;

	for (uint32 i = 0; i < snapshot->xcnt; i++)
		holes[count++] = sync_widen(snapshot->xip[i], next);
	for (int32 i = 0; snapshot->takenDuringRecovery && i < snapshot->subxcnt; i++)
		holes[count++] = sync_widen(snapshot->subxip[i], next);
	if (FullTransactionIdIsValid(own))
		holes[count++] = U64FromFullTransactionId(own);
	if (VM_FAULT("cursor-by-number"))
		count = 0;

	/*
	 * Ranges between holes: sort, as snapshots do not say in which order they
	 * are.
	 */
	qsort(holes, count, sizeof(uint64_t), compare_txns);
	for (int i = 0; i < count; i++)
	{
		ranges[i] = (TxnRange)
		{
			Min(from, xmax), Min(holes[i], xmax)
		};
		from = Max(from, holes[i] + 1);
	}
	ranges[count] = (TxnRange)
	{
		Min(from, xmax), xmax
	};
	version = version_of_ranges(site, ranges, count + 1);
	pfree(ranges);
	pfree(holes);
	return version;
}

/* Dots of earlier lives whose transactions were prepared then and are committed now. */
static Version *
add_pending(Version *version, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_SITE, AccessShareLock);
	Relation	log = sync_meta_open(META_LOG, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_SITE_COLUMNS];
		bool		nulls[SYNC_SITE_COLUMNS];
		Datum	   *txns;
		int			count;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		deconstruct_array(DatumGetArrayTypeP(values[SYNC_SITE_PENDING]), INT8OID, sizeof(int64),
						  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &txns, NULL, &count);
		for (int i = 0; i < count; i++)
		{
			Datum		key[2] = {values[SYNC_SITE_SITE], txns[i]};
			SyncScan   *found = sync_meta_scan(log, snapshot, 2, key);

			if (HeapTupleIsValid(sync_meta_next(found)))
				version = version_union(version, version_of_dot((Site) DatumGetInt64(key[0]),
																(uint64_t) DatumGetInt64(key[1])));
			sync_meta_end(found);
		}
	}
	sync_meta_end(scan);
	table_close(log, AccessShareLock);
	table_close(rel, AccessShareLock);
	return version;
}

/* What a version has of one site. */
Version    *
sync_part_of_site(const Version *version, Site site)
{
	TxnRange	all = {0, UINT64_MAX};

	return version_intersect(version, version_of_ranges(site, &all, 1));
}

/* What a database of a site holds, as a snapshot of it shows. */
Version    *
sync_version_of(Site site, Snapshot snapshot)
{
	Version    *version = version_union(sync_foreign_version(snapshot), sync_own_version(site, snapshot));

	return add_pending(version, snapshot);
}

/* What this database holds, as a snapshot shows it. */
Version    *
sync_version(Snapshot snapshot)
{
	return sync_version_of(sync_reader_site(), snapshot);
}

/* What this database holds, as the latest snapshot shows it. */
Version    *
sync_version_now(void)
{
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
	Version    *version = sync_version(latest);

	UnregisterSnapshot(latest);
	return version;
}

/* All dots of earlier lives of this database, which may not have been recorded when they ended. */
Version    *
sync_earlier_lives(Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_SITE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	Version    *version = palloc0(sizeof(Version));
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_SITE_COLUMNS];
		bool		nulls[SYNC_SITE_COLUMNS];
		TxnRange	all = {0, UINT64_MAX};

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (!DatumGetBool(values[SYNC_SITE_CURRENT]))
			version = version_union(version, version_of_ranges((Site) DatumGetInt64(values[SYNC_SITE_SITE]), &all, 1));
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * Record dots that the state now holds.
 *
 * Locks: the caller has called sync_lock_version().
 */
void
sync_version_add(const Version *version)
{
	Relation	rel = sync_meta_open(META_VERSION, RowExclusiveLock);

	for (int i = 0; i < version->count; i++)
	{
		Version		one = {1, &version->sites[i]};
		Datum		values[2] = {Int64GetDatum((int64) one.sites[0].site)};
		bool		nulls[2] = {false, false};
		SyncScan   *scan = sync_meta_scan(rel, NULL, 1, values);
		HeapTuple	old = sync_meta_next(scan);

		if (HeapTupleIsValid(old))
		{
			bool		isnull;
			Version    *known = sync_version_from_datum(heap_getattr(old, 2, RelationGetDescr(rel), &isnull));

			if (!version_dominates(known, &one))
			{
				values[1] = sync_version_datum(version_union(known, &one));
				sync_meta_update(rel, old, values, nulls);
			}
		}
		else
		{
			values[1] = sync_version_datum(&one);
			sync_meta_insert(rel, values, nulls);
		}
		sync_meta_end(scan);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Make sure that what was told or seen survives a crash: commits that are visible but
 * not flushed, and numbers that were given out.  On a standby it does.
 */
void
sync_flush_wal(void)
{
	XLogRecPtr	end;

	if (RecoveryInProgress())
		return;

	/*
	 * After a full page this is where the next record would begin, behind a
	 * page header that nobody has written yet: flushing to there is an error.
	 */
	end = GetXLogInsertRecPtr();
	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		end -= SizeOfXLogLongPHD;
	else if (end % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		end -= SizeOfXLogShortPHD;
	XLogFlush(end);
}

/*
 * SQL: vecmark.version(): what this database holds, without the own transaction, and which
 * tables it asks for.
 */
Datum
vecmark_version(PG_FUNCTION_ARGS)
{
	Datum		result;
	Snapshot	snapshot;

	sync_reader_site();
	snapshot = sync_push_outside_snapshot();
	result = sync_version_datum(sync_with_questions(sync_version(snapshot), snapshot));
	PopActiveSnapshot();
	sync_flush_wal();
	PG_RETURN_DATUM(result);
}

/* What peers, retired or not, have said that they hold: all that any of them has. */
Version    *
sync_peers_hold(void)
{
	return sync_meta_union(META_PEER, PEER_HOLDS, NULL);
}

/* Whether all peers that are not retired, of whom there are some, are in a set of (site, 0). */
bool
sync_peers_are_in(const Version *heard)
{
	Relation	rel = sync_meta_open(META_PEER, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	bool		all = heard->count > 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[PEER_COLUMNS];
		bool		nulls[PEER_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		all &= DatumGetBool(values[PEER_RETIRED]) || version_covers(heard, (Site) DatumGetInt64(values[PEER_SITE]), 0);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return all;
}
