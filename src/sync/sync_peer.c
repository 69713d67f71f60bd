/*
 * sync_peer.c: what other sites have said that they hold, and what may be forgotten.
 */
#include "postgres.h"
#include "compat.h"

#include <inttypes.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_peer.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_ack);
VM_FUNCTION_INFO(vecmark_retire);
VM_FUNCTION_INFO(vecmark_stable);
VM_FUNCTION_INFO(vecmark_forget);

/* The row of a peer, or NULL; a copy. */
static HeapTuple
find_peer(Relation rel, Site site, Datum *values, bool *nulls)
{
	Datum		key = Int64GetDatum((int64) site);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	HeapTuple	tuple = sync_meta_next(scan);

	if (HeapTupleIsValid(tuple))
	{
		tuple = heap_copytuple(tuple);
		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
	}
	sync_meta_end(scan);
	return tuple;
}

/* Whether a site was retired: what it could not know of may be forgotten. */
bool
sync_is_retired(Site site)
{
	Relation	rel = sync_meta_open(META_PEER, AccessShareLock);
	Datum		values[PEER_COLUMNS];
	bool		nulls[PEER_COLUMNS];
	bool		retired = site != 0 && HeapTupleIsValid(find_peer(rel, site, values, nulls)) &&
	DatumGetBool(values[PEER_RETIRED]);

	table_close(rel, AccessShareLock);
	return retired;
}

/* Errors: VM003 for a site that was retired. */
void
sync_refuse_retired(Site site)
{
	if (sync_is_retired(site))
		ereport(ERROR,
				(errcode(ERRCODE_PEER_RETIRED),
				 errmsg("site %016" PRIx64 " was retired here", site),
				 errdetail("Deletes that it has not seen may have been forgotten."),
				 errhint("It has to CALL vecmark.rejoin(), or to start over: untrack and empty its tables, SELECT vecmark.start_over(), track them and pull everything.")));
}

/* What is known of a site that has said nothing of itself yet. */
static void
fill_stranger(Site site, Datum *values)
{
	Version		nothing = {0, NULL};

	values[PEER_SITE] = Int64GetDatum((int64) site);
	values[PEER_HOLDS] = sync_version_datum(&nothing);
	values[PEER_SEEN] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[PEER_RETIRED] = BoolGetDatum(false);
}

/* A site has been heard of: forgetting waits for it, until it says what it holds. */
void
sync_meet_peer(Site site)
{
	Relation	rel;
	Datum		values[PEER_COLUMNS];
	bool		nulls[PEER_COLUMNS] = {false};

	if (site == 0 || site == sync_writer_site())
		return;
	rel = sync_meta_open_alone(META_PEER);
	if (!HeapTupleIsValid(find_peer(rel, site, values, nulls)))
	{
		fill_stranger(site, values);
		sync_meta_insert(rel, values, nulls);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Record what a site holds, at least. */
void
sync_note_peer(Site site, const Version *version)
{
	Relation	rel;
	Datum		values[PEER_COLUMNS] = {0};
	bool		nulls[PEER_COLUMNS] = {false};
	HeapTuple	old;

	if (site == 0 || site == sync_writer_site())
		return;
	rel = sync_meta_open_alone(META_PEER);
	old = find_peer(rel, site, values, nulls);
	if (HeapTupleIsValid(old))
		version = version_union(version, sync_version_from_datum(values[PEER_HOLDS]));
	values[PEER_SITE] = Int64GetDatum((int64) site);
	values[PEER_HOLDS] = sync_version_datum(version);
	values[PEER_SEEN] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (HeapTupleIsValid(old))
		sync_meta_update(rel, old, values, nulls);
	else
	{
		values[PEER_RETIRED] = BoolGetDatum(false);
		sync_meta_insert(rel, values, nulls);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Somebody says that he holds dots of this database that it has not had: it was put back
 * to an earlier state.  A transaction that is in progress is no such: its commit may have
 * been streamed before snapshots here show its end.
 *
 * Errors: 55000.
 */
void
sync_refuse_unknown_dots(Site own, const Version *since)
{
	const SiteTxns *said = version_find(since, own);
	bool		known;

	/* A standby may be behind the primary that the dots came from. */
	if (said == NULL || RecoveryInProgress())
		return;
	known = said->ranges[said->count - 1].to <= sync_next_txn();
	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the peer holds transactions of this database that it has not had"),
				 errdetail("It was put back to an earlier state."),
				 errhint("SELECT vecmark.new_incarnation() here, then pull from the peer.")));
}

/*
 * Deletes were forgotten that who holds "since" has not seen: he would keep the rows.  Who
 * holds nothing that was forgotten has no such rows.
 *
 * Errors: VM003.
 */
void
sync_refuse_late(const Version *since, Snapshot snapshot)
{
	uint64_t	lives;
	Version    *forgotten = sync_forgotten(snapshot, &lives);

	if (!version_dominates(since, forgotten) && version_intersect(since, forgotten)->count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_PEER_RETIRED),
				 errmsg("deletes have been forgotten that the peer has not seen"),
				 errdetail("It was not among vecmark.peers, or was retired, when all others had seen them."),
				 errhint("It can pull from a node that has not forgotten them; or it has to CALL vecmark.rejoin(), or to start over: untrack and empty its tables, SELECT vecmark.start_over(), track them and pull everything.")));
}

static Site
site_argument(text *argument)
{
	char	   *hex = text_to_cstring(argument);
	char	   *end;
	Site		site = strtou64(hex, &end, 16);

	if (*end != '\0' || strlen(hex) != 16 || site == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid site: \"%s\"", hex),
				 errhint("A site is 16 hexadecimal digits, as vecmark.site() shows it.")));
	return site;
}

/* SQL: vecmark.ack(site text, version version_vector): a site says what it holds. */
Datum
vecmark_ack(PG_FUNCTION_ARGS)
{
	Site		site = site_argument(PG_GETARG_TEXT_PP(0));

	PreventCommandIfReadOnly("vecmark.ack()");
	sync_check_rights("vecmark.ack()");
	sync_refuse_retired(site);
	sync_note_peer(site, sync_version_from_datum(PG_GETARG_DATUM(1)));
	PG_RETURN_VOID();
}

/* SQL: vecmark.retire(site text): nobody waits for it any more. */
Datum
vecmark_retire(PG_FUNCTION_ARGS)
{
	Site		site = site_argument(PG_GETARG_TEXT_PP(0));
	Relation	rel;
	Datum		values[PEER_COLUMNS] = {0};
	bool		nulls[PEER_COLUMNS] = {false};
	HeapTuple	old;

	PreventCommandIfReadOnly("vecmark.retire()");
	sync_check_rights("vecmark.retire()");
	rel = sync_meta_open_alone(META_PEER);
	old = find_peer(rel, site, values, nulls);
	if (!HeapTupleIsValid(old))
		fill_stranger(site, values);
	values[PEER_RETIRED] = BoolGetDatum(true);
	sync_meta_put(rel, old, values, nulls);
	table_close(rel, RowExclusiveLock);
	sync_forget_stream(site);
	PG_RETURN_VOID();
}

/*
 * What every peer that is not retired holds, and this database too; NULL if a peer holds
 * something that is not here, or if there is none.
 */
static Version *
stable_version(const Version *held)
{
	Relation	rel = sync_meta_open(META_PEER, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	Version    *stable = NULL;
	bool		ahead = false;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[PEER_COLUMNS];
		bool		nulls[PEER_COLUMNS];
		Version    *holds;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (DatumGetBool(values[PEER_RETIRED]))
			continue;
		holds = sync_version_from_datum(values[PEER_HOLDS]);
		ahead |= !version_dominates(held, holds);
		stable = stable == NULL ? holds : version_intersect(stable, holds);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return ahead ? NULL : stable;
}

/* SQL: vecmark.stable(): what all peers hold, as far as is known here; or null. */
Datum
vecmark_stable(PG_FUNCTION_ARGS)
{
	Version    *stable = stable_version(sync_version(GetActiveSnapshot()));

	if (stable == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(sync_version_datum(stable));
}

/* Delete rows of the log that "stable" covers, at most "most"; how many. */
static int64
forget_log(const Version *stable, int64 most)
{
	Relation	rel = sync_meta_open(META_LOG, RowExclusiveLock);
	int64		forgotten = 0;

	for (int i = 0; i < stable->count && forgotten < most; i++)
	{
		Datum		key = Int64GetDatum((int64) stable->sites[i].site);
		SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
		HeapTuple	tuple;

		while (forgotten < most && HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			bool		isnull;
			uint64_t	txn = (uint64_t) DatumGetInt64(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));

			if (version_covers(stable, stable->sites[i].site, txn))
			{
				sync_meta_delete(rel, tuple);
				forgotten++;
			}
			CHECK_FOR_INTERRUPTS();
		}
		sync_meta_end(scan);
	}
	table_close(rel, RowExclusiveLock);
	return forgotten;
}

/* The latest transaction of a site of which a tombstone was forgotten. */
typedef struct LatestForgotten
{
	Site		site;
	uint64_t	txn;
} LatestForgotten;

/* What is forgotten. */
typedef struct Forgetting
{
	const Version *stable;
	LatestForgotten *latest;
	int			sites;
	uint64_t	lives;
} Forgetting;

/* Delete a row of tombstones. */
static bool
drop_row(SyncMeta meta, Relation rel, HeapTuple tuple)
{
	if (meta == META_TOMBSTONE)
		return sync_drop_tombstone(rel, tuple);
	sync_meta_delete(rel, tuple);
	return true;
}

/* Delete rows of a table of tombstones, of which a column is the clock, at most so many; how many. */
static int64
forget_dead(Forgetting *forgetting, SyncMeta meta, int clock, int64 most)
{
	Relation	rel = sync_meta_open(meta, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	int64		forgotten = 0;
	HeapTuple	tuple;

	while (forgotten < most && HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		RowState   *dead = sync_clock_from_datum(heap_getattr(tuple, clock, RelationGetDescr(rel), &isnull));

		if (version_covers(forgetting->stable, dead->base.site, dead->base.txn) && drop_row(meta, rel, tuple))
		{
			int			i = 0;

			while (i < forgetting->sites && forgetting->latest[i].site != dead->base.site)
				i++;
			if (i == forgetting->sites)
				forgetting->latest[forgetting->sites++] = (LatestForgotten)
			{
				dead->base.site, 0
			};
			forgetting->latest[i].txn = Max(forgetting->latest[i].txn, dead->base.txn);
			forgetting->lives = Max(forgetting->lives, dead->life);
			forgotten++;
			VM_POINT("sync-forgotten-row");
		}
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	return forgotten;
}

/*
 * Delete tombstones that "stable" covers, at most "most" rows; how many.  They are put on record:
 * of each site, what "stable" has up to the latest of them, as the dots of each would be too many.
 */
static int64
forget_tombstones(const Version *stable, int64 most)
{
	Forgetting	forgetting = {stable, palloc(sizeof(LatestForgotten) * (stable->count + 1)), 0, 0};
	Version    *upto = palloc0(sizeof(Version));
	int64		forgotten;

	forgotten = forget_dead(&forgetting, META_TOMBSTONE, 3, most);
	forgotten += forget_dead(&forgetting, META_PACK, SYNC_PACK_CLOCK + 1, most - forgotten);
	for (int i = 0; i < forgetting.sites; i++)
	{
		TxnRange	range = {0, forgetting.latest[i].txn + 1};

		upto = version_union(upto, version_of_ranges(forgetting.latest[i].site, &range, 1));
	}
	sync_add_forgotten(version_intersect(stable, upto), forgetting.lives);
	return forgotten;
}

/*
 * SQL: vecmark.forget(most bigint) -> bigint: rows of the log and tombstones that every
 * peer knows, deleted.
 */
Datum
vecmark_forget(PG_FUNCTION_ARGS)
{
	int64		most = PG_GETARG_INT64(0);
	int64		forgotten = 0;
	Snapshot	latest;
	Version    *stable;

	PreventCommandIfReadOnly("vecmark.forget()");
	sync_check_rights("vecmark.forget()");
	sync_writer_site();
	sync_lock_version();
	latest = RegisterSnapshot(GetLatestSnapshot());
	stable = stable_version(sync_version(latest));
	UnregisterSnapshot(latest);
	if (stable != NULL)
	{
		sync_raise_floors(stable);
		forgotten = forget_log(stable, most);
		forgotten += forget_tombstones(stable, most - forgotten);
	}
	PG_RETURN_INT64(forgotten);
}
