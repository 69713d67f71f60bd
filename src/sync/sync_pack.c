/*
 * sync_pack.c: tombstones of many rows that a transaction deleted, many in one row.
 *
 * A pack has the clock that they share, and keys whose hashes begin with the same bits: the number of
 * its part has those bits behind a one.  There are few numbers of bits to choose from, so a key is looked
 * for in as many parts.  A pack is never changed: of all that is known of a key, from packs
 * and by itself, the greatest counts.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "crdt/varint.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "sync/sync_meta.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* How many bits the keys of a pack share, and from how many keys on they are that many. */
static const struct
{
	int			bits;
	int			from;
}			levels[SYNC_PACK_LEVELS] =

{
	{
		8, 1024
	},
	{
		12, 32768
	},
	{
		16, 524288
	},
};

/*
 * Packs of one part: with more, looking for a key would take longer than it takes to write the
 * next tombstones one by one.
 */
#define PACKS_MAX 32

/* Packs of one part, as a snapshot shows them. */
typedef struct PackPart
{
	Oid			root;
	int			part;			/* 0: none is loaded */
	MemoryContext context;
	RowState  **clocks;
	Image	   *keys;
	int			count;
} PackPart;

struct SyncPacks
{
	Relation	rel;
	SyncSeek   *seek;
	MemoryContext context;		/* where it was begun */
	PackPart	loaded[SYNC_PACK_LEVELS];
};

/* By what a key is put into its part; the same wherever a dump is restored. */
uint64_t
sync_pack_hash(Image key)
{
	return sync_key_hash(0, 0, key);
}

static int
part_of(uint64_t hash, int level)
{
	return 1 << levels[level].bits | (int) (hash >> (64 - levels[level].bits));
}

/* Whether the keys of a pack have one. */
static bool
has_key(Image keys, Image key)
{
	Reader		reader = {(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL};
	Image		one;

	while (sync_next_key(&reader, &one))
		if (one.size == key.size && memcmp(one.data, key.data, key.size) == 0)
			return true;
	return false;
}

static SyncScan *
scan_part(Relation rel, Snapshot snapshot, Oid root, int part)
{
	Datum		keys[2] = {ObjectIdGetDatum(root), Int32GetDatum(part)};

	return sync_meta_scan(rel, snapshot, 2, keys);
}

/*
 * Begin to look for keys in packs, as a snapshot shows them, or with NULL as they are now; NULL if there
 * is no pack.  What is found lives until the next part is looked into: keys in the order of their hashes
 * are found at little cost.
 */
SyncPacks  *
sync_packs_begin(Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_PACK, AccessShareLock);
	SyncPacks  *packs;

	if (RelationGetNumberOfBlocks(rel) == 0)
	{
		table_close(rel, AccessShareLock);
		return NULL;
	}
	packs = palloc0(sizeof(SyncPacks));
	packs->rel = rel;
	packs->context = CurrentMemoryContext;
	packs->seek = sync_seek_begin(rel, snapshot, 2);
	return packs;
}

static Image
keys_of(Relation rel, HeapTuple tuple)
{
	bool		isnull;

	return sync_image_of_bytea(heap_getattr(tuple, SYNC_PACK_KEYS + 1, RelationGetDescr(rel), &isnull));
}

static RowState *
clock_of(Relation rel, HeapTuple tuple)
{
	bool		isnull;

	return sync_clock_from_datum(heap_getattr(tuple, SYNC_PACK_CLOCK + 1, RelationGetDescr(rel), &isnull));
}

static void
load_part(SyncPacks *packs, PackPart *loaded, Oid root, int part)
{
	Datum		key[2] = {ObjectIdGetDatum(root), Int32GetDatum(part)};
	HeapTuple	tuple;
	int			room = 4;
	MemoryContext old;

	loaded->root = root;
	loaded->part = part;
	loaded->count = 0;
	if (loaded->context == NULL)
		loaded->context = AllocSetContextCreate(packs->context, "packs of a part", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(loaded->context);
	old = MemoryContextSwitchTo(loaded->context);
	loaded->clocks = palloc(sizeof(RowState *) * room);
	loaded->keys = palloc(sizeof(Image) * room);
	sync_seek(packs->seek, key);
	while (HeapTupleIsValid(tuple = sync_seek_next(packs->seek)))
	{
		Image		keys = keys_of(packs->rel, tuple);

		if (loaded->count == room)
		{
			room *= 2;
			loaded->clocks = repalloc(loaded->clocks, sizeof(RowState *) * room);
			loaded->keys = repalloc(loaded->keys, sizeof(Image) * room);
		}
		loaded->clocks[loaded->count] = clock_of(packs->rel, tuple);
		loaded->keys[loaded->count].data = memcpy(palloc(keys.size), keys.data, keys.size);
		loaded->keys[loaded->count++].size = keys.size;
	}
	MemoryContextSwitchTo(old);
}

/* What packs say of the death of a key, or NULL, in the current context. */
RowState   *
sync_packs_find(SyncPacks *packs, Oid root, Image key)
{
	RowState   *found = NULL;
	uint64_t	hash;

	if (packs == NULL)
		return NULL;
	hash = sync_pack_hash(key);
	for (int level = 0; level < SYNC_PACK_LEVELS; level++)
	{
		PackPart   *loaded = &packs->loaded[level];
		int			part = part_of(hash, level);

		if (loaded->root != root || loaded->part != part)
			load_part(packs, loaded, root, part);
		for (int i = 0; i < loaded->count; i++)
			if (has_key(loaded->keys[i], key))
				found = row_join(found != NULL ? found : loaded->clocks[i], loaded->clocks[i]);
	}
	return found;
}

/* End it; NULL is allowed. */
void
sync_packs_end(SyncPacks *packs)
{
	if (packs == NULL)
		return;
	for (int level = 0; level < SYNC_PACK_LEVELS; level++)
		if (packs->loaded[level].context != NULL)
			MemoryContextDelete(packs->loaded[level].context);
	sync_seek_end(packs->seek);
	table_close(packs->rel, AccessShareLock);
	pfree(packs);
}

/* What packs that a snapshot shows, or with NULL that are there now, say of the death of a key; or NULL. */
RowState   *
sync_packed_tombstone(Oid root, Image key, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_PACK, AccessShareLock);
	RowState   *found = NULL;

	if (RelationGetNumberOfBlocks(rel) > 0)
	{
		SyncSeek   *seek = sync_seek_begin(rel, snapshot, 2);
		uint64_t	hash = sync_pack_hash(key);

		for (int level = 0; level < SYNC_PACK_LEVELS; level++)
		{
			Datum		part[2] = {ObjectIdGetDatum(root), Int32GetDatum(part_of(hash, level))};
			HeapTuple	tuple;

			sync_seek(seek, part);
			while (HeapTupleIsValid(tuple = sync_seek_next(seek)))
				if (has_key(keys_of(rel, tuple), key))
					found = found == NULL ? clock_of(rel, tuple) : row_join(found, clock_of(rel, tuple));
		}
		sync_seek_end(seek);
	}
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * The transaction of another that is about to write or remove a pack that has a key, or 0.  "reaches" is
 * set if a pack that the own transaction did not write says that it died with at least a life.
 */
TransactionId
sync_other_packer(Oid root, Image key, uint64_t life, bool *reaches)
{
	Relation	rel = sync_meta_open(META_PACK, AccessShareLock);
	uint64_t	hash = sync_pack_hash(key);
	TransactionId other = InvalidTransactionId;

	for (int level = 0; level < SYNC_PACK_LEVELS && RelationGetNumberOfBlocks(rel) > 0; level++)
	{
		SnapshotData dirty;
		SyncScan   *scan;
		HeapTuple	tuple;

		InitDirtySnapshot(dirty);
		scan = scan_part(rel, &dirty, root, part_of(hash, level));
		while (!TransactionIdIsValid(other) && HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) || !has_key(keys_of(rel, tuple), key))
				continue;
			other = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
			*reaches |= clock_of(rel, tuple)->life >= life;
		}
		sync_meta_end(scan);
	}
	table_close(rel, AccessShareLock);
	return other;
}

static int
level_for(int count)
{
	int			level = SYNC_PACK_LEVELS - 1;

	while (level >= 0 && count < levels[level].from)
		level--;
	return level;
}

/* Whether so many keys of a table that died together, of which one has this hash, are to be packed. */
bool
sync_is_packed(Oid root, uint64_t hash, int count)
{
	int			level = level_for(count);
	Relation	rel;
	SyncScan   *scan;
	int			packs = 0;

	if (level < 0)
		return false;
	rel = sync_meta_open(META_PACK, AccessShareLock);
	scan = scan_part(rel, NULL, root, part_of(hash, level));
	while (packs < PACKS_MAX && HeapTupleIsValid(sync_meta_next(scan)))
		packs++;
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
	return packs < PACKS_MAX;
}

/* Put deaths in the order of their parts. */
static SyncDead *
by_part(const SyncDead *deaths, int count, int level)
{
	SyncDead   *ordered = palloc_extended(sizeof(SyncDead) * count, MCXT_ALLOC_HUGE);
	int			parts = 1 << levels[level].bits;
	int		   *place = palloc0(sizeof(int) * (parts + 1));

	for (int i = 0; i < count; i++)
		place[part_of(deaths[i].hash, level) - parts + 1]++;
	for (int i = 0; i < parts; i++)
		place[i + 1] += place[i];
	for (int i = 0; i < count; i++)
		ordered[place[part_of(deaths[i].hash, level) - parts]++] = deaths[i];
	pfree(place);
	return ordered;
}

/*
 * Write the tombstones of keys of a table that died with one clock, as many as sync_is_packed was asked of,
 * in packs.  "line" is called for keys that are to be logged, all of them.
 */
void
sync_write_packs(Oid root, const RowState *clock, const SyncDead *deaths, int count, SyncLine line, void *about)
{
	Relation	rel = sync_meta_open(META_PACK, RowExclusiveLock);
	int			level = level_for(count);
	SyncDead   *ordered = by_part(deaths, count, level);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "packs", ALLOCSET_DEFAULT_SIZES);
	HeapTuple	tuples[64];
	int			made = 0;
	Datum		values[SYNC_PACK_COLUMNS];
	bool		nulls[SYNC_PACK_COLUMNS] = {false};
	StringInfoData bytes;
	int			begin = 0;

	values[SYNC_PACK_REL] = ObjectIdGetDatum(root);
	values[SYNC_PACK_CLOCK] = sync_clock_datum(clock);
	initStringInfo(&bytes);
	for (int i = 0; i < count; i++)
	{
		int			part = part_of(ordered[i].hash, level);
		bool		is_last = i + 1 == count;
		int			next = is_last ? 0 : (int) ordered[i + 1].size;
		Image		keys;

		appendBinaryStringInfo(&bytes, ordered[i].key, ordered[i].size);
		if (!is_last && part_of(ordered[i + 1].hash, level) == part && bytes.len - begin + next <= SYNC_LINE_MAX)
			continue;
		keys = (Image)
		{
			bytes.data + begin, bytes.len - begin
		};
		values[SYNC_PACK_PART] = Int32GetDatum(part);
		values[SYNC_PACK_ID] = Int64GetDatum((int64) XXH3_64bits_withSeed(keys.data, keys.size, clock->life));
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			values[SYNC_PACK_KEYS] = sync_bytea(keys);
			tuples[made++] = heap_form_tuple(RelationGetDescr(rel), values, nulls);
			if (made == lengthof(tuples) || is_last)
			{
				CHECK_FOR_INTERRUPTS();
				sync_meta_insert_many(rel, tuples, made);
				made = 0;
				MemoryContextReset(context);
			}
			MemoryContextSwitchTo(old);
		}

		/* A row of the log has the keys of some packs. */
		begin = bytes.len;
		if (is_last || bytes.len + next > SYNC_LINE_MAX / 2)
		{
			keys = (Image)
			{
				bytes.data, bytes.len
			};
			line(about, &clock->base, root, keys);
			resetStringInfo(&bytes);
			begin = 0;
		}
	}
	pfree(bytes.data);
	pfree(ordered);
	MemoryContextDelete(context);
	table_close(rel, RowExclusiveLock);
}

/* What one visits of the tombstones of a table. */
typedef struct Walk
{
	SyncVisit	visit;
	void	   *about;
	MemoryContext context;
} Walk;

static void
visit_tombstone(const Walk *walk, Image key, RowState *clock)
{
	SyncSeen	seen = {.key = key,.clock = clock,.values = NULL};

	walk->visit(walk->about, &seen);
}

static void
walk_single(const Walk *walk, Oid root, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, AccessShareLock);
	Datum		key = ObjectIdGetDatum(root);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 1, &key);
	SyncPacks  *packs = sync_packs_begin(snapshot);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		MemoryContext old = MemoryContextSwitchTo(walk->context);
		Image		dead = sync_image_of_bytea(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		RowState   *clock = sync_clock_from_datum(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull));
		RowState   *packed;

		MemoryContextSwitchTo(old);
		packed = sync_packs_find(packs, root, dead);
		MemoryContextSwitchTo(walk->context);
		if (packed == NULL || !row_equal(row_join(packed, clock), packed))
			visit_tombstone(walk, dead, clock);
		MemoryContextSwitchTo(old);
		MemoryContextReset(walk->context);
		CHECK_FOR_INTERRUPTS();
	}
	sync_packs_end(packs);
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

static void
walk_packed(const Walk *walk, Oid root, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_PACK, AccessShareLock);
	Datum		key = ObjectIdGetDatum(root);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 1, &key);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		RowState   *clock = clock_of(rel, tuple);
		Image		keys = keys_of(rel, tuple);
		Reader		reader = {(const uint8_t *) keys.data, (const uint8_t *) keys.data + keys.size, NULL};
		Image		dead;

		while (sync_next_key(&reader, &dead))
		{
			MemoryContext old = MemoryContextSwitchTo(walk->context);
			RowState   *stored = sync_stored_tombstone(root, dead, snapshot);

			/*
			 * What is not found by its key is shown all the same, so that
			 * sync_check sees it.
			 */
			if (stored == NULL || row_equal(stored, clock))
				visit_tombstone(walk, dead, clock);
			MemoryContextSwitchTo(old);
			MemoryContextReset(walk->context);
			CHECK_FOR_INTERRUPTS();
		}
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Visit the tombstone of each key of a table that a snapshot shows to have one; of a row that was inserted again,
 * too.  What is visited is gone after the visit.
 */
void
sync_walk_tombstones(SyncTable *table, Snapshot snapshot, SyncVisit visit, void *about)
{
	Walk		walk = {visit, about, AllocSetContextCreate(CurrentMemoryContext, "tombstone that is visited", ALLOCSET_DEFAULT_SIZES)};

	walk_single(&walk, table->root, snapshot);
	walk_packed(&walk, table->root, snapshot);
	MemoryContextDelete(walk.context);
}
