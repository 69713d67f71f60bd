/*
 * sync_death.c: deaths of many rows, gathered, and their tombstones written together.
 *
 * A tombstone written by itself costs a look for others who write there, a lock, and a place
 * in the index that is anywhere.  In the order of keys, many at a time, that is a small part
 * of it.
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "sync/sync_meta.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* So many deaths of a transaction are written at once: few are not worth gathering. */
#define WRITTEN_AT_ONCE 64

/* Tombstones that are written under one lock. */
#define TOMBSTONES_A_TIME 512

typedef struct Death
{
	Oid			root;
	int			level;			/* nesting of the subtransaction that wrote it */
	uint64_t	life;
	Stamp		base;
	uint64_t	hash;			/* of the key, in this table */
	uint64_t	prefix;			/* what the key begins with, for the sort */
	int			before;			/* noted before it under this hash, or -1 */
	size_t		offset;			/* of the key in the bytes */
	size_t		size;
} Death;

/* The death that was noted last under a hash. */
typedef struct LastDeath
{
	uint64_t	hash;
	int			number;
} LastDeath;

/* In TopTransactionContext; deaths NULL when there are none. */
static struct
{
	Death	   *deaths;
	int			count;
	int			room;
	StringInfoData bytes;
	HTAB	   *last;
	LocalTransactionId written_by;	/* who wrote some at once */
	int			written;
	bool		has_callbacks;
}			noted;

static const char *ordered_bytes;	/* the keys, for the sort */

static Image
key_of(const Death *death)
{
	return (Image)
	{
		noted.bytes.data + death->offset, death->size
	};
}

static bool
is_same_key(const Death *a, const Death *b)
{
	return a->root == b->root && a->size == b->size &&
		memcmp(noted.bytes.data + a->offset, noted.bytes.data + b->offset, a->size) == 0;
}

/* As the index has them; of one key the latest first. */
static int
compare_deaths(const void *a, const void *b)
{
	const Death *x = a;
	const Death *y = b;
	int			order;

	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	order = memcmp(ordered_bytes + x->offset, ordered_bytes + y->offset, Min(x->size, y->size));
	if (order == 0 && x->size != y->size)
		order = x->size < y->size ? -1 : 1;
	if (order == 0)
		order = x->life > y->life ? -1 : x->life < y->life;
	return order != 0 ? order : x->offset > y->offset ? -1 : 1;
}

/* The first 8 bytes of a key as a number, in the same order but where it ends in zeros. */
static uint64_t
prefix_of(Image key)
{
	uint64_t	prefix = 0;

	for (size_t i = 0; i < sizeof(prefix); i++)
		prefix = prefix << 8 | (i < key.size ? (uint8_t) key.data[i] : 0);
	return prefix;
}

static RowState
state_of(const Death *death)
{
	RowState	state = {0};

	state.life = death->life;
	state.base = death->base;
	return state;
}

/* Forget the latest deaths, from "first" on. */
static void
forget_from(int first)
{
	for (int i = noted.count - 1; i >= first; i--)
	{
		const Death *death = &noted.deaths[i];

		if (death->before < 0)
			hash_search(noted.last, &death->hash, HASH_REMOVE, NULL);
		else
			((LastDeath *) hash_search(noted.last, &death->hash, HASH_FIND, NULL))->number = death->before;
		noted.bytes.len = death->offset;
	}
	noted.count = Min(noted.count, first);
}

static void
at_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			noted.deaths = NULL;
			noted.count = 0;
			break;
		default:
			break;
	}
}

static void
at_subxact(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	int			first = noted.count;

	while (first > 0 && noted.deaths[first - 1].level >= level)
		first--;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_from(first);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = first; i < noted.count; i++)
			noted.deaths[i].level = level - 1;
	}
}

static void
note(Oid root, Image key, const RowState *row)
{
	LastDeath  *last;
	Death	   *death;
	bool		found;

	if (!noted.has_callbacks)
	{
		RegisterXactCallback(at_xact, NULL);
		RegisterSubXactCallback(at_subxact, NULL);
		noted.has_callbacks = true;
	}
	if (noted.deaths == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(uint64_t),.entrysize = sizeof(LastDeath),.hcxt = TopTransactionContext};
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		noted.room = 64;
		noted.deaths = palloc(sizeof(Death) * noted.room);
		noted.last = hash_create("deaths", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		initStringInfo(&noted.bytes);
		MemoryContextSwitchTo(old);
	}
	if (noted.count == noted.room)
		noted.deaths = repalloc_huge(noted.deaths, sizeof(Death) * (noted.room *= 2));
	enlargeStringInfo(&noted.bytes, key.size);
	death = &noted.deaths[noted.count];
	*death = (Death)
	{
		root, GetCurrentTransactionNestLevel(), row->life, row->base, sync_key_hash(root, 0, key), prefix_of(key), -1, noted.bytes.len, key.size
	};
	last = hash_search(noted.last, &death->hash, HASH_ENTER, &found);
	if (found)
		death->before = last->number;
	last->number = noted.count++;
	appendBinaryStringInfo(&noted.bytes, key.data, key.size);
}

/* The death of a key that is not written yet, or NULL. */
static const Death *
find(Oid root, Image key)
{
	uint64_t	hash;
	const LastDeath *last;

	if (noted.count == 0)
		return NULL;
	hash = sync_key_hash(root, 0, key);
	last = hash_search(noted.last, &hash, HASH_FIND, NULL);
	for (int i = last != NULL ? last->number : -1; i >= 0; i = noted.deaths[i].before)
	{
		const Death *death = &noted.deaths[i];

		if (death->root == root && death->size == key.size &&
			memcmp(noted.bytes.data + death->offset, key.data, key.size) == 0)
			return death;
	}
	return NULL;
}

/*
 * The tombstone of a key, or NULL.  A snapshot of NULL: what is committed, and what the
 * own transaction wrote or is going to write.
 */
RowState   *
sync_tombstone(Oid root, Image key, Snapshot snapshot)
{
	RowState   *stands = sync_stored_tombstone(root, key, snapshot);
	const Death *death = snapshot == NULL ? find(root, key) : NULL;
	RowState   *state;

	if (death == NULL)
		return stands;
	state = palloc(sizeof(RowState));
	*state = state_of(death);
	return stands != NULL ? row_join(stands, state) : state;
}

/*
 * Record the death of a row that is the own transaction's to delete.  The tombstone is written
 * before the transaction ends, by sync_write_deaths, if not at once.
 *
 * Errors: 40001 if another transaction wrote more there meanwhile.
 */
void
sync_note_death(Oid root, Image key, const RowState *row)
{
	Assert(!row_is_alive(row));
	if (noted.written_by != vm_local_xid())
	{
		noted.written_by = vm_local_xid();
		noted.written = 0;
	}
	if (noted.written < WRITTEN_AT_ONCE)
	{
		noted.written++;
		sync_bury(root, key, row);
	}
	else
		note(root, key, row);
}

/*
 * Write tombstones of a table, in order.  Where an entry in the index says that something
 * stands or stood, one by one.
 */
static void
write_tombstones(Relation rel, const Death *deaths, int count)
{
	SyncGrave  *graves = palloc(sizeof(SyncGrave) * count);

	for (int i = 0; i < count; i++)
		graves[i] = (SyncGrave)
	{
		deaths[i].root, key_of(&deaths[i]), state_of(&deaths[i]), false
	};
	sync_write_graves(rel, graves, count);
	for (int i = 0; i < count; i++)
	{
		/* More that the own transaction wrote there itself is no race. */
		if (!graves[i].written && !sync_write_tombstone(graves[i].root, graves[i].key, &graves[i].state) &&
			sync_tombstone_reaches(graves[i].root, graves[i].key, graves[i].state.life))
			sync_refuse_concurrent_delete(graves[i].root);
	}
}

/*
 * Write the tombstones of what the current subtransaction has noted; they go when that is
 * rolled back.  To be called before the transaction ends.
 *
 * Errors: 40001 if another transaction wrote more in one's place meanwhile.
 */
void
sync_write_deaths(void)
{
	int			level = GetCurrentTransactionNestLevel();
	int			first = noted.count;
	int			count = 0;
	Death	   *deaths;
	Relation	rel;
	MemoryContext context;

	while (first > 0 && noted.deaths[first - 1].level >= level)
		first--;
	if (first == noted.count)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "tombstones", ALLOCSET_DEFAULT_SIZES);
	deaths = MemoryContextAllocHuge(context, sizeof(Death) * (noted.count - first));
	memcpy(deaths, noted.deaths + first, sizeof(Death) * (noted.count - first));
	ordered_bytes = noted.bytes.data;
	qsort(deaths, noted.count - first, sizeof(Death), compare_deaths);

	/*
	 * The latest death of each key; of tables that are tracked no more as
	 * well, whose tombstones are kept.
	 */
	for (int i = 0; i < noted.count - first; i++)
		if (count == 0 || !is_same_key(&deaths[count - 1], &deaths[i]))
			deaths[count++] = deaths[i];
	rel = sync_meta_open(META_TOMBSTONE, RowExclusiveLock);
	for (int i = 0; i < count; i += TOMBSTONES_A_TIME)
	{
		MemoryContext chunk = AllocSetContextCreate(context, "tombstones written together", ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(chunk);

		CHECK_FOR_INTERRUPTS();
		write_tombstones(rel, deaths + i, Min(TOMBSTONES_A_TIME, count - i));
		MemoryContextSwitchTo(old);
		MemoryContextDelete(chunk);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	MemoryContextDelete(context);
	forget_from(first);
}
