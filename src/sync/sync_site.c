/*
 * sync_site.c: who this database is: its lives, and what those that ended are known to have done.
 */
#include "postgres.h"
#include "compat.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_site);
VM_FUNCTION_INFO(vecmark_new_incarnation);

/*
 * Transactions older than this many are taken to have ended when the database was
 * copied; asking for the outcome of each takes a fraction of a microsecond.
 */
#define OUTCOMES_ASKED (UINT64_C(4) * 1024 * 1024)

/* The current life, as this backend knows it; site 0 if it has to look. */
static struct
{
	Site		site;
	TimeLineID	timeline;
	bool		has_callbacks;
	bool		is_locked;		/* the session lock of a writer */
	bool		is_preparing;	/* the lock in its place */
	Oid			table;
	bool		knows_lives;
	uint64_t	lives;			/* the longest that was forgotten */
}			life;

/* The next number that a transaction may get. */
uint64_t
sync_next_txn(void)
{
	return U64FromFullTransactionId(ReadNextFullTransactionId());
}

/* The number of the top transaction; it gets one. */
uint64_t
sync_writer_txn(void)
{
	return U64FromFullTransactionId(GetTopFullTransactionId());
}

/* What a copy of this database does not have in common with it. */
static char *
signs(void)
{
	struct stat control;
	char		host[256] = "";

	if (stat("global/pg_control", &control) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", "global/pg_control")));
	gethostname(host, sizeof(host) - 1);
	return psprintf(UINT64_FORMAT " %u %u " UINT64_FORMAT " %s", GetSystemIdentifier(),
					GetWALInsertionTimeLine(), MyDatabaseId, (uint64) control.st_ino, host);
}

static void
unlock_site(void)
{
	if (life.is_locked)
	{
		LockRelId	id = {life.table, MyDatabaseId};

		life.is_locked = false;
		UnlockRelationIdForSession(&id, RowExclusiveLock);
	}
}

/*
 * What a writer holds while it is prepared, instead of the session lock on sync_site:
 * PostPrepare_Locks forgets a session lock that was taken by the fast path, which then is
 * held for ever, and no transaction is prepared that has such a lock and one of its own on
 * the same relation.  A lock on an object never takes the fast path.
 */
static LOCKTAG
preparing_tag(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, life.table, 0);
	return tag;
}

/*
 * Nobody has to be waited for: who begins a life first locks sync_site, which is locked
 * here.  One who has begun a life in this transaction has the lock, and keeps it.
 */
static void
begin_preparing(void)
{
	LOCKTAG		tag = preparing_tag();

	if (!life.is_locked)
		return;
	if (!vm_lock_held(&tag, ShareRowExclusiveLock))
	{
		LockAcquire(&tag, RowExclusiveLock, true, false);
		life.is_preparing = true;
	}
	unlock_site();
}

static void
end_preparing(void)
{
	if (life.is_preparing)
	{
		LOCKTAG		tag = preparing_tag();

		life.is_preparing = false;
		LockRelease(&tag, RowExclusiveLock, true);
	}
}

static void
at_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			begin_preparing();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			/* a life that this transaction began may not come to be */
			life.site = 0;
			life.knows_lives = false;
			/* FALLTHROUGH */
		case XACT_EVENT_COMMIT:
			unlock_site();
			end_preparing();
			break;
		default:
			break;
	}
}

static void
at_subxact(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		life.site = 0;
}

static void
at_invalidation(Datum arg, Oid relid)
{
	if (relid == life.table || relid == InvalidOid)
	{
		life.site = 0;
		life.knows_lives = false;
	}
}

static void
prepare_callbacks(void)
{
	if (life.has_callbacks)
		return;
	RegisterXactCallback(at_xact, NULL);
	RegisterSubXactCallback(at_subxact, NULL);
	CacheRegisterRelcacheCallback(at_invalidation, (Datum) 0);
	life.has_callbacks = true;
}

/*
 * The row of the current life: its site, or 0 if there is none, and its signs.
 */
static Site
read_site(Snapshot snapshot, char **known_signs)
{
	Relation	rel = sync_meta_open(META_SITE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;
	Site		site = 0;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_SITE_COLUMNS];
		bool		nulls[SYNC_SITE_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (!DatumGetBool(values[SYNC_SITE_CURRENT]))
			continue;
		site = (Site) DatumGetInt64(values[SYNC_SITE_SITE]);
		*known_signs = TextDatumGetCString(values[SYNC_SITE_SIGNS]);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return site;
}

/* Whether this database is in a life of its own: not just restored, copied, or new. */
bool
sync_has_life(void)
{
	char	   *known_signs;

	return read_site(NULL, &known_signs) != 0 && strcmp(known_signs, signs()) == 0;
}

/* What others are known to hold of a life, and what is forgotten of it. */
Version    *
sync_told_of(Site site)
{
	uint64_t	lives;

	return sync_part_of_site(version_union(sync_peers_hold(), sync_forgotten(NULL, &lives)), site);
}

/*
 * What the life that ends here is known to have done: what others were told and what was
 * forgotten, and everything up to its last dot in the log, but what may have been open when
 * the database was copied, whose end only the original knows.  A dump has no log.
 */
static Version *
claims_of(Site site)
{
	Relation	rel = sync_meta_open(META_LOG, AccessShareLock);
	Datum		key = Int64GetDatum((int64) site);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 1, &key);
	FullTransactionId next = ReadNextFullTransactionId();
	TxnRange   *ranges;
	int			count = 0;
	int			room = 16;
	uint64_t	last = 0;
	uint64_t	from = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		uint64_t	txn = (uint64_t) DatumGetInt64(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));

		last = Max(last, txn + 1);
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);

	ranges = palloc(sizeof(TxnRange) * room);
	last = Min(last, U64FromFullTransactionId(next));
	for (uint64_t txn = last > OUTCOMES_ASKED ? last - OUTCOMES_ASKED : FirstNormalTransactionId; txn < last; txn++)
	{
		TransactionId xid = (TransactionId) txn;

		if (!TransactionIdIsNormal(xid) || sync_widen(xid, next) != txn ||
			TransactionIdPrecedes(xid, vm_oldest_xid()) ||
			TransactionIdDidCommit(xid) || TransactionIdDidAbort(xid))
			continue;
		if (count + 2 > room)
			ranges = repalloc(ranges, sizeof(TxnRange) * (room *= 2));
		ranges[count++] = (TxnRange)
		{
			from, txn
		};
		from = txn + 1;
	}
	ranges[count++] = (TxnRange)
	{
		from, last
	};
	return version_union(sync_told_of(site), version_of_ranges(site, ranges, count));
}

/* Transactions that are prepared: the life that ends may still get their dots. */
static Datum
prepared_txns(void)
{
	FullTransactionId next = ReadNextFullTransactionId();
	Datum	   *txns = NULL;
	int			count = 0;
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	if (SPI_execute("SELECT transaction FROM pg_catalog.pg_prepared_xacts"
					" WHERE database = pg_catalog.current_database()", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "cannot read pg_prepared_xacts");
	txns = MemoryContextAlloc(context, sizeof(Datum) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		TransactionId xid = DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));

		txns[count++] = Int64GetDatum((int64) sync_widen(xid, next));
	}
	SPI_finish();
	return PointerGetDatum(construct_array(txns, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * What tombstones are not here any more: those of transactions in this version.  "lives"
 * is set to the longest life of them.
 */
Version    *
sync_forgotten(Snapshot snapshot, uint64_t *lives)
{
	Relation	rel = sync_meta_open(META_SITE, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	Version    *forgotten = palloc0(sizeof(Version));
	HeapTuple	tuple;

	*lives = 0;
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_SITE_COLUMNS];
		bool		nulls[SYNC_SITE_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		forgotten = version_union(forgotten, sync_version_from_datum(values[SYNC_SITE_FORGOTTEN]));
		*lives = Max(*lives, (uint64_t) DatumGetInt64(values[SYNC_SITE_LIVES]));
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return forgotten;
}

/*
 * The longest life that was forgotten, for births to be longer: as this backend last saw
 * it, or with "fresh" as it is.
 */
uint64_t
sync_forgotten_life(bool fresh)
{
	uint64_t	lives;

	if (!fresh && life.knows_lives)
		return life.lives;
	sync_forgotten(NULL, &lives);
	life.lives = lives;
	life.knows_lives = true;
	return lives;
}

/* Record that tombstones are forgotten, or known to be elsewhere. */
void
sync_add_forgotten(const Version *version, uint64_t lives)
{
	Relation	rel = sync_meta_open(META_SITE, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_SITE_COLUMNS];
		bool		nulls[SYNC_SITE_COLUMNS];
		Version    *known;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (!DatumGetBool(values[SYNC_SITE_CURRENT]))
			continue;
		known = sync_version_from_datum(values[SYNC_SITE_FORGOTTEN]);
		if (version_dominates(known, version) && (uint64_t) DatumGetInt64(values[SYNC_SITE_LIVES]) >= lives)
			continue;
		values[SYNC_SITE_FORGOTTEN] = sync_version_datum(version_union(known, version));
		values[SYNC_SITE_LIVES] = Int64GetDatum((int64) Max((uint64_t) DatumGetInt64(values[SYNC_SITE_LIVES]), lives));
		sync_meta_update(rel, tuple, values, nulls);
		CacheInvalidateRelcache(rel);
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * A database that starts over has missed nothing: what it forgot in earlier lives is not for
 * others to know.  The lives stay, as births may be of longer ones than they must.
 */
void
sync_forget_forgotten(void)
{
	Relation	rel = sync_meta_open(META_SITE, RowExclusiveLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	Version		nothing = {0, NULL};
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[SYNC_SITE_COLUMNS];
		bool		nulls[SYNC_SITE_COLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		values[SYNC_SITE_FORGOTTEN] = sync_version_datum(&nothing);
		sync_meta_update(rel, tuple, values, nulls);
	}
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static bool
has_log(void)
{
	Relation	rel = sync_meta_open(META_LOG, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, NULL, 0, NULL);
	bool		has = HeapTupleIsValid(sync_meta_next(scan));

	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return has;
}

/*
 * Wait for who merges or forgets, and keep others from it until this transaction ends.  A lock
 * on sync_version itself would be in the way of its vacuum, and be waited for by that.
 */
void
sync_lock_version(void)
{
	LockDatabaseObject(RelationRelationId, sync_meta_oid(META_VERSION), 0, ExclusiveLock);
}

/*
 * Wait for all transactions that write tracked tables, and keep others from beginning
 * to until this one ends.  Those that are prepared are not waited for.
 */
void
sync_lock_writers(void)
{
	unlock_site();
	life.table = sync_meta_oid(META_SITE);
	LockRelationOid(life.table, ShareRowExclusiveLock);
	LockDatabaseObject(RelationRelationId, life.table, 0, ShareRowExclusiveLock);
}

/*
 * Begin a new life, whatever the signs say.  Waits for those who write tracked tables.
 * With "put_back", others know transactions of the old life that this database has not had,
 * or had otherwise.
 *
 * Locks: sync_site SHARE ROW EXCLUSIVE, to the end of the transaction.
 */
Site
sync_renew_site(bool put_back)
{
	Relation	rel;
	SyncScan   *scan;
	HeapTuple	tuple;
	Site		site = 0;
	Site		old = 0;
	Version		nothing = {0, NULL};
	Datum		values[SYNC_SITE_COLUMNS];
	bool		nulls[SYNC_SITE_COLUMNS] = {false};

	PreventCommandIfReadOnly("a new incarnation");
	PreventCommandIfParallelMode("a new incarnation");
	sync_lock_writers();
	sync_lock_version();
	rel = sync_meta_open(META_SITE, NoLock);
	scan = sync_meta_scan(rel, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (!DatumGetBool(values[SYNC_SITE_CURRENT]))
			continue;
		old = (Site) DatumGetInt64(values[SYNC_SITE_SITE]);
		values[SYNC_SITE_CURRENT] = BoolGetDatum(false);
		values[SYNC_SITE_PENDING] = prepared_txns();
		sync_meta_update(rel, tuple, values, nulls);
	}
	sync_meta_end(scan);
	while (site == 0)
	{
		if (!pg_strong_random(&site, sizeof(site)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random number")));
	}
	values[SYNC_SITE_SITE] = Int64GetDatum((int64) site);
	values[SYNC_SITE_CURRENT] = BoolGetDatum(true);
	values[SYNC_SITE_SIGNS] = CStringGetTextDatum(signs());
	values[SYNC_SITE_PENDING] = PointerGetDatum(construct_empty_array(INT8OID));
	values[SYNC_SITE_SINCE] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[SYNC_SITE_FORGOTTEN] = sync_version_datum(&nothing);
	values[SYNC_SITE_LIVES] = Int64GetDatum(0);
	memset(nulls, 0, sizeof(nulls));
	sync_meta_insert(rel, values, nulls);
	CacheInvalidateRelcache(rel);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	if (old != 0)
	{
		Version    *held = palloc0(sizeof(Version));

		sync_version_add(put_back ? sync_told_of(old) : claims_of(old));
		/* Else who has all from here would get tables whole each time. */
		sync_version_add(sync_floors());
		if (!put_back && !has_log())
		{
			/* a dump: what the old life did is told by rows alone */
			sync_version_add(sync_dots_of_rows(old));
			held = sync_foreign_version(NULL);
		}

		/*
		 * Every table of a new life is read whole by who does not know its
		 * first dot; without a log, by who does not hold all that is here.
		 */
		sync_raise_floors(version_union(version_of_dot(site, sync_writer_txn()), held));
		CommandCounterIncrement();
	}
	life.site = site;
	life.timeline = GetWALInsertionTimeLine();
	return site;
}

/*
 * The site that this transaction's dots are of.  A database that is seen to be a copy
 * begins a new life.
 *
 * Locks: sync_site ROW EXCLUSIVE for the session, until the transaction ends or is
 * prepared, so that a new life waits for the writers of the old one.
 */
Site
sync_writer_site(void)
{
	char	   *known_signs = NULL;

	if ((life.is_locked || life.is_preparing) && life.site != 0)
		return life.site;
	prepare_callbacks();
	if (!life.is_locked && !life.is_preparing)
	{
		LockRelId	id = {sync_meta_oid(META_SITE), MyDatabaseId};

		life.table = id.relId;
		LockRelationIdForSession(&id, RowExclusiveLock);
		life.is_locked = true;
		AcceptInvalidationMessages();
	}
	if (life.site != 0 && life.timeline == GetWALInsertionTimeLine())
		return life.site;
	life.site = read_site(NULL, &known_signs);
	life.timeline = GetWALInsertionTimeLine();
	if (life.site == 0 || strcmp(known_signs, signs()) != 0)
	{
		/* Another may have renewed it while this one waited for the lock. */
		sync_lock_writers();
		life.site = read_site(NULL, &known_signs);
		if (life.site == 0 || strcmp(known_signs, signs()) != 0)
			sync_renew_site(false);
	}
	return life.site;
}

/*
 * The site of this database for who reads.  On a standby it is the primary's.
 *
 * Errors: 55000 for a copy that has not begun its own life, in a transaction that may
 * not write.
 */
Site
sync_reader_site(void)
{
	char	   *known_signs = NULL;
	Site		site = read_site(NULL, &known_signs);

	if (RecoveryInProgress())
	{
		if (site != 0)
			return site;
	}
	else if (site != 0 && strcmp(known_signs, signs()) == 0)
		return site;
	if (XactReadOnly || IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has not begun a life of its own"),
				 errdetail("It is new, or a copy."),
				 errhint("Write to a tracked table, or SELECT vecmark.new_incarnation(), first.")));
	return sync_writer_site();
}

/* SQL: vecmark.site(): the number of this database's current life, in hexadecimal. */
Datum
vecmark_site(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%016" PRIx64, (uint64) sync_reader_site())));
}

/* SQL: vecmark.new_incarnation(): begins a new life, returns its site. */
Datum
vecmark_new_incarnation(PG_FUNCTION_ARGS)
{
	sync_check_rights("vecmark.new_incarnation()");
	prepare_callbacks();
	sync_renew_site(false);
	return vecmark_site(fcinfo);
}
