/*
 * sync_log.c: which keys a transaction wrote, gathered and written before it commits.
 *
 * The log is a hint where to look: a key too many costs a look, a key too few loses a
 * change.  A row of it has the keys of one transaction of one site in one table, each
 * after its size.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "crdt/varint.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Keys of a subtransaction are written early when they take more. */
#define BUFFER_MAX (256 * 1024)

/*
 * What a subtransaction around has gathered cannot be written from within, or it would go
 * when that is rolled back.  Beyond this, every key is written at once: a row of the log each.
 */
#define BUFFER_LIMIT (16 * 1024 * 1024)

/* Rows that are passed over are read up to here, as neighbours are cheap; then the index is asked. */
#define ROWS_PASSED 16

typedef struct LogEntry
{
	Site		site;
	uint64_t	txn;
	Oid			root;
	int			level;			/* nesting of the subtransaction that wrote it */
	uint64_t	born;			/* life of the row that was inserted, or 0 */
	size_t		offset;			/* of the key in the bytes */
	size_t		size;
} LogEntry;

/* In TopTransactionContext; entries NULL when there are none. */
static struct
{
	LogEntry   *entries;
	int			count;
	int			room;
	StringInfoData bytes;
	int			full;			/* bytes from which on to write */
	Site		own_site;		/* who wrote, if it was no merge */
	uint64_t	own_txn;
	List	   *roots;			/* tables */
	bool		has_callbacks;
}			buffer;

static const char *buffered;	/* the bytes, for the sort */

static int
compare_entries(const void *a, const void *b)
{
	const LogEntry *x = a;
	const LogEntry *y = b;
	int			order;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->txn != y->txn)
		return x->txn < y->txn ? -1 : 1;
	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	order = memcmp(buffered + x->offset, buffered + y->offset, Min(x->size, y->size));
	return order != 0 ? order : x->size < y->size ? -1 : x->size > y->size;
}

static bool
same_line(const LogEntry *a, const LogEntry *b)
{
	return a->site == b->site && a->txn == b->txn && a->root == b->root;
}

static void
write_line(Relation log, Site site, uint64_t txn, Oid root, Image keys)
{
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	values[0] = Int64GetDatum((int64) site);
	values[1] = Int64GetDatum((int64) txn);
	values[2] = ObjectIdGetDatum(root);
	values[3] = sync_bytea(keys);
	sync_meta_insert(log, values, nulls);
	pfree(DatumGetPointer(values[3]));
}

/* What was gathered for one row of the log. */
static void
write_gathered(Relation log, const LogEntry *entry, StringInfo keys)
{
	Image		image = {keys->data, keys->len};

	write_line(log, entry->site, entry->txn, entry->root, image);
	resetStringInfo(keys);
}

/* A key that was inserted, by its hash. */
typedef struct Birth
{
	uint64_t	hash;
	int			entry;
} Birth;

static int
compare_births(const void *a, const void *b)
{
	const Birth *x = a;
	const Birth *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static Image
entry_key(const LogEntry *entry)
{
	return (Image)
	{
		buffer.bytes.data + entry->offset, entry->size
	};
}

/* Of which rows that were inserted packs say, or are about to, that they died later. */
static void
find_packed(const LogEntry *entries, int count, bool *has_tombstone)
{
	SnapshotData dirty;
	SyncPacks  *packs;
	Birth	   *births;
	int			born = 0;
	MemoryContext context;

	InitDirtySnapshot(dirty);
	packs = sync_packs_begin(&dirty);
	if (packs == NULL)
		return;
	births = palloc_extended(sizeof(Birth) * count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		if (entries[i].born != 0)
			births[born++] = (Birth)
		{
			sync_pack_hash(entry_key(&entries[i])), i
		};
	qsort(births, born, sizeof(Birth), compare_births);
	context = AllocSetContextCreate(CurrentMemoryContext, "births", ALLOCSET_SMALL_SIZES);
	for (int i = 0; i < born; i++)
	{
		const LogEntry *entry = &entries[births[i].entry];
		MemoryContext old = MemoryContextSwitchTo(context);
		RowState   *packed = sync_packs_find(packs, entry->root, entry_key(entry));

		has_tombstone[births[i].entry] |= packed != NULL && packed->life >= entry->born;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	sync_packs_end(packs);
	pfree(births);
}

/*
 * A row that was inserted where another transaction deleted the key, or learnt of its
 * delete, meanwhile: its life is not longer than that of the tombstone.  Waits for who is
 * about to write a tombstone.  What a merge brings back of former transactions of this database was born
 * before.
 *
 * Entries are in order, so that neighbours in the index are looked up one after the other.
 */
static void
check_births(const LogEntry *entries, int count)
{
	bool	   *has_tombstone;
	bool		has_births = false;
	uint64_t	forgotten;
	Relation	rel;

	for (int i = 0; i < count; i++)
		has_births |= entries[i].born != 0;
	if (!has_births)
		return;
	has_tombstone = palloc0(count);
	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	if (RelationGetNumberOfBlocks(rel) > 0)
	{
		SyncProbe  *probe = sync_probe_begin(rel, 2);

		for (int i = 0; i < count; i++)
		{
			Datum		key[2] = {ObjectIdGetDatum(entries[i].root)};

			if (entries[i].born == 0)
				continue;
			key[1] = sync_bytea(entry_key(&entries[i]));
			has_tombstone[i] = sync_probe_has(probe, key);
			pfree(DatumGetPointer(key[1]));
		}
		sync_probe_end(probe);
	}
	table_close(rel, AccessShareLock);
	find_packed(entries, count, has_tombstone);
	forgotten = sync_forgotten_life(true);
	for (int i = 0; i < count; i++)
	{
		if (entries[i].born != 0 &&
			((entries[i].site == sync_writer_site() && entries[i].txn == sync_writer_txn() && entries[i].born <= forgotten) ||
			 (has_tombstone[i] && sync_tombstone_reaches(entries[i].root, entry_key(&entries[i]), entries[i].born))))
			sync_refuse_concurrent_delete(entries[i].root);
	}
	pfree(has_tombstone);
}

/* Forget the latest entries, from "first" on. */
static void
forget_from(int first)
{
	if (first == buffer.count)
		return;
	buffer.bytes.len = buffer.entries[first].offset;
	buffer.count = first;
}

/*
 * Write entries from "first" on to the log.
 */
static void
write_entries(int first)
{
	int			count = buffer.count - first;
	LogEntry   *entries;
	StringInfoData keys;
	Relation	log = NULL;

	if (count == 0)
		return;
	entries = palloc_extended(sizeof(LogEntry) * count, MCXT_ALLOC_HUGE);
	memcpy(entries, buffer.entries + first, sizeof(LogEntry) * count);
	buffered = buffer.bytes.data;
	if (count > 1)
		qsort(entries, count, sizeof(LogEntry), compare_entries);
	check_births(entries, count);
	initStringInfo(&keys);
	log = sync_meta_open(META_LOG, RowExclusiveLock);
	for (int i = 0; i < count; i++)
	{
		uint8_t		size[10];

		if (i > 0 && compare_entries(&entries[i - 1], &entries[i]) == 0)
			continue;
		if (i > 0 && keys.len > 0 && (!same_line(&entries[i - 1], &entries[i]) || keys.len + entries[i].size > SYNC_LINE_MAX))
			write_gathered(log, &entries[i - 1], &keys);
		appendBinaryStringInfo(&keys, (char *) size, varint_write(size, entries[i].size) - size);
		appendBinaryStringInfo(&keys, buffer.bytes.data + entries[i].offset, entries[i].size);
	}
	write_gathered(log, &entries[count - 1], &keys);
	table_close(log, RowExclusiveLock);
	pfree(keys.data);
	pfree(entries);
	forget_from(first);
}

static void
forget_all(void)
{
	buffer.entries = NULL;
	buffer.count = 0;
	buffer.room = 0;
	buffer.own_txn = 0;
	buffer.roots = NIL;
}

/* Before the commit: the rest of the log, notifications, and what goes to outboxes. */
static void
end_transaction(bool is_prepare)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	sync_log_deaths();
	write_entries(0);
	if (buffer.own_txn != 0)
		sync_send_changes(buffer.own_site, buffer.own_txn);

	/* A transaction that is prepared cannot notify. */
	if (!is_prepare)
	{
		ListCell   *cell;

		foreach(cell, buffer.roots)
			sync_notify(lfirst_oid(cell));
	}
	PopActiveSnapshot();
}

static void
at_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (buffer.entries != NULL)
				end_transaction(event == XACT_EVENT_PRE_PREPARE);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_all();
			break;
		default:
			break;
	}
}

static void
at_subxact(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		int			first = buffer.count;

		while (first > 0 && buffer.entries[first - 1].level >= level)
			first--;
		forget_from(first);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = buffer.count - 1; i >= 0 && buffer.entries[i].level >= level; i--)
			buffer.entries[i].level = level - 1;
	}
}

/*
 * Write what the current subtransaction has gathered, if much is gathered; it goes when that is
 * rolled back.
 */
void
sync_log_spill(void)
{
	int			level = GetCurrentTransactionNestLevel();
	int			first = buffer.count;

	if (buffer.entries == NULL || buffer.bytes.len <= buffer.full)
		return;
	while (first > 0 && buffer.entries[first - 1].level == level)
		first--;
	write_entries(first);
	buffer.full = Min(buffer.bytes.len + BUFFER_MAX, BUFFER_LIMIT);
}

static void
log_dead(void *about, const Stamp *dot, Oid root, Image keys)
{
	write_line(about, dot->site, dot->txn, root, keys);
}

/*
 * Write the tombstones of what the current subtransaction has deleted, and log it.
 *
 * Errors: 40001 if another transaction wrote more in the place of one meanwhile.
 */
void
sync_log_deaths(void)
{
	Relation	log = sync_meta_open(META_LOG, RowExclusiveLock);

	sync_write_deaths(log_dead, log);
	table_close(log, RowExclusiveLock);
}

/* This transaction writes a table: there is something to do when it ends. */
static void
begin_log(Site site, uint64_t txn, Oid root)
{
	if (!buffer.has_callbacks)
	{
		RegisterXactCallback(at_xact, NULL);
		RegisterSubXactCallback(at_subxact, NULL);
		buffer.has_callbacks = true;
	}
	if (buffer.entries == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		buffer.room = 64;
		buffer.full = BUFFER_MAX;
		buffer.entries = palloc(sizeof(LogEntry) * buffer.room);
		initStringInfo(&buffer.bytes);
		MemoryContextSwitchTo(old);
	}
	if (!list_member_oid(buffer.roots, root))
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		buffer.roots = lappend_oid(buffer.roots, root);
		MemoryContextSwitchTo(old);
	}

	/*
	 * A set that a merge brings also has dots of earlier transactions of this
	 * site.
	 */
	if (site == sync_writer_site() && txn == sync_writer_txn())
	{
		buffer.own_site = site;
		buffer.own_txn = txn;
	}
}

/*
 * Note that a transaction of a site wrote a key.  "born" is the life of a row that this
 * transaction is about to insert there, else 0.
 *
 * Writes to the log early if many are gathered.
 */
void
sync_log_key(Site site, uint64_t txn, Oid root, Image key, uint64_t born)
{
	int			level = GetCurrentTransactionNestLevel();
	LogEntry   *entry;

	begin_log(site, txn, root);
	sync_log_spill();
	if (buffer.count == buffer.room)
		buffer.entries = repalloc_huge(buffer.entries, sizeof(LogEntry) * (buffer.room *= 2));
	entry = &buffer.entries[buffer.count++];
	*entry = (LogEntry)
	{
		site, txn, root, level, born, buffer.bytes.len, key.size
	};
	appendBinaryStringInfo(&buffer.bytes, key.data, key.size);
}

/*
 * Note that the own transaction deleted a row, whose state is "dead" now: its tombstone, and the log.  Writes early if many
 * are gathered.
 *
 * Errors: 40001 if another transaction wrote more there meanwhile.
 */
void
sync_log_death(Oid root, Image key, const RowState *dead)
{
	if (!sync_note_death(root, key, dead))
	{
		sync_log_key(dead->base.site, dead->base.txn, root, key, 0);
		return;
	}
	begin_log(dead->base.site, dead->base.txn, root);
	if (sync_deaths_are_many())
		sync_log_deaths();
}

/*
 * Note every dot of a state that came from elsewhere, for who pulls from here.
 */
void
sync_log_state(Oid root, Image key, const RowState *incoming, uint64_t born)
{
	Stamp	   *logged;
	int			count = 0;
	int			room = 1 + incoming->register_count;

	for (int i = 0; i < incoming->counter_count; i++)
		room += incoming->counters[i].count;
	for (int i = 0; i < incoming->set_count; i++)
		room += incoming->sets[i].context_count;
	logged = palloc(sizeof(Stamp) * room);
#define LOG_DOT(dot) \
	do { \
		bool		known = (dot).site == 0; \
		for (int n = 0; n < count && !known; n++) \
			known = logged[n].site == (dot).site && logged[n].txn == (dot).txn; \
		if (!known) \
		{ \
			logged[count++] = (dot); \
			sync_log_key((dot).site, (dot).txn, root, key, born); \
			born = 0; \
		} \
	} while (0)
	LOG_DOT(incoming->base);
	for (int i = 0; i < incoming->register_count; i++)
		LOG_DOT(incoming->registers[i].stamp);
	for (int i = 0; i < incoming->counter_count; i++)
		for (int j = 0; j < incoming->counters[i].count; j++)
			LOG_DOT(incoming->counters[i].shares[j].stamp);
	for (int i = 0; i < incoming->set_count; i++)
		for (int j = 0; j < incoming->sets[i].context_count; j++)
			LOG_DOT(incoming->sets[i].context[j]);
#undef LOG_DOT
	pfree(logged);
}

/* The least number from "txn" on that is not in the ranges of a site; NULL has none. */
static uint64_t
next_outside(const SiteTxns *txns, uint64_t txn)
{
	int			low = 0;
	int			high = txns == NULL ? 0 : txns->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (txns->ranges[middle].to <= txn)
			low = middle + 1;
		else
			high = middle;
	}
	return txns != NULL && low < txns->count && txns->ranges[low].from <= txn ? txns->ranges[low].to : txn;
}

/* Go on with the first transaction from "txn" on that is not passed over. */
static void
seek_row(SyncLogScan *scan, uint64_t txn)
{
	uint64_t	from = next_outside(scan->passed, txn);

	if (scan->scan != NULL)
		sync_meta_end(scan->scan);
	scan->scan = NULL;
	scan->passed_rows = 0;
	if (from <= PG_INT64_MAX)
		scan->scan = sync_meta_scan_from(scan->log, scan->snapshot, Int64GetDatum((int64) scan->site), Int64GetDatum((int64) from));
}

/*
 * Begin to read the log of a site, open as "log", in the order of its transactions, passing over those in "passed", which is
 * NULL for none.
 *
 * Costs what is read and, for each range that is passed over, at most ROWS_PASSED rows and a
 * look into the index.
 */
void
sync_log_begin(SyncLogScan *scan, Relation log, Snapshot snapshot, Site site, const SiteTxns *passed)
{
	*scan = (SyncLogScan)
	{
		log, snapshot, site, passed, NULL, 0
	};
	seek_row(scan, 0);
}

/* The next row, into "values"; false at the end. */
bool
sync_log_read(SyncLogScan *scan, Datum *values)
{
	HeapTuple	tuple;
	bool		nulls[4];

	while (scan->scan != NULL && HeapTupleIsValid(tuple = sync_meta_next(scan->scan)))
	{
		uint64_t	txn;

		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(tuple, RelationGetDescr(scan->log), values, nulls);
		txn = (uint64_t) DatumGetInt64(values[1]);
		if (next_outside(scan->passed, txn) == txn)
			return true;
		if (++scan->passed_rows == ROWS_PASSED)
			seek_row(scan, txn);
	}
	return false;
}

/* End it. */
void
sync_log_end(SyncLogScan *scan)
{
	if (scan->scan != NULL)
		sync_meta_end(scan->scan);
	scan->scan = NULL;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

/* The hashes of all that the log has of a table, ascending. */
uint64_t   *
sync_log_hashes(Oid root, Snapshot snapshot, size_t *count)
{
	Relation	log = sync_meta_open(META_LOG, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(log, snapshot, 0, NULL);
	size_t		room = 1024;
	uint64_t   *hashes = palloc(sizeof(uint64_t) * room);
	HeapTuple	tuple;

	*count = 0;
	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		Datum		values[4];
		bool		nulls[4];
		Image		keys;
		Image		key;
		Reader		reader;

		heap_deform_tuple(tuple, RelationGetDescr(log), values, nulls);
		if (DatumGetObjectId(values[2]) != root)
			continue;
		keys = sync_image_of_bytea(values[3]);
		reader = (Reader)
		{
			(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL
		};
		while (sync_next_key(&reader, &key))
		{
			if (*count == room)
				hashes = repalloc_huge(hashes, sizeof(uint64_t) * (room *= 2));
			hashes[(*count)++] = sync_key_hash((Site) DatumGetInt64(values[0]), (uint64_t) DatumGetInt64(values[1]), key);
		}
		CHECK_FOR_INTERRUPTS();
	}
	sync_meta_end(scan);
	table_close(log, AccessShareLock);
	for (int i = 0; i < buffer.count; i++)
	{
		const LogEntry *entry = &buffer.entries[i];

		if (entry->root != root)
			continue;
		if (*count == room)
			hashes = repalloc_huge(hashes, sizeof(uint64_t) * (room *= 2));
		hashes[(*count)++] = sync_key_hash(entry->site, entry->txn, entry_key(entry));
	}
	qsort(hashes, *count, sizeof(uint64_t), compare_hashes);
	return hashes;
}

/* Whether hashes of the log say that it has a key under a dot. */
bool
sync_log_has(const uint64_t *hashes, size_t count, Image key, const Stamp *dot)
{
	uint64_t	hash = sync_key_hash(dot->site, dot->txn, key);
	size_t		low = 0;
	size_t		high = count;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && hashes[low] == hash;
}
