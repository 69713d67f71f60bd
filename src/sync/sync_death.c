/*
 * sync_death.c: deaths of many rows, gathered, and their tombstones written together.
 *
 * A tombstone written by itself costs a look for others who write there, a lock, and a place
 * in the index that is anywhere.  Many that share a clock are packed (sync_pack.c); the rest is written in the order
 * of keys.
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "crdt/varint.h"
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

/* Deaths are many when their keys take more. */
#define GATHERED_MAX (16 * 1024 * 1024)

/* What subtransactions around have gathered waits for them; beyond this nothing is gathered. */
#define GATHERED_LIMIT (256 * 1024 * 1024)

/* What deaths have in common.  Those of a kind are noted by one subtransaction. */
typedef struct Kind
{
	Oid			root;
	int			level;			/* nesting of the subtransaction */
	uint64_t	life;
	Stamp		base;
} Kind;

/* Kinds are looked for among so many. */
#define KINDS_TRIED 4

typedef struct Death
{
	uint64_t	hash;			/* of the key, sync_pack_hash */
	uint32_t	offset;			/* of the key, after its size, in the bytes */
	int			kind;
	int			before;			/* noted before it under this hash, or -1;
								 * once it is found by that */
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
	Kind	   *kinds;
	int			kind_count;
	int			kind_room;
	Death	   *deaths;
	int			count;
	int			room;
	StringInfoData bytes;
	int			full;			/* bytes from which on deaths are many */
	HTAB	   *last;			/* of those that were looked among, or NULL */
	int			indexed;
	LocalTransactionId written_by;	/* who wrote some at once */
	int			written;
	bool		has_callbacks;
}			noted;

/* What is sorted: deaths of these kinds, with these bytes. */
static const Kind *sorted_kinds;
static const char *sorted_bytes;

static Image
key_at(const char *bytes, uint32_t offset)
{
	Reader		reader = {(const uint8_t *) bytes + offset, (const uint8_t *) bytes + offset + 10, NULL};
	size_t		size = read_varint(&reader);

	return (Image)
	{
		(const char *) reader.at, size
	};
}

static int
compare_kinds(const Kind *a, const Kind *b)
{
	if (a->root != b->root)
		return a->root < b->root ? -1 : 1;
	if (a->life != b->life)
		return a->life < b->life ? -1 : 1;
	return stamp_compare(&a->base, &b->base);
}

/* What can be packed together beside each other. */
static int
compare_by_kind(const void *a, const void *b)
{
	const Death *x = a;
	const Death *y = b;

	return x->kind == y->kind ? 0 : compare_kinds(&sorted_kinds[x->kind], &sorted_kinds[y->kind]);
}

/* As the index of single tombstones has them; of one key the latest first. */
static int
compare_by_key(const void *a, const void *b)
{
	const Death *x = a;
	const Death *y = b;
	const Kind *x_kind = &sorted_kinds[x->kind];
	const Kind *y_kind = &sorted_kinds[y->kind];
	Image		x_key = key_at(sorted_bytes, x->offset);
	Image		y_key = key_at(sorted_bytes, y->offset);
	int			order;

	if (x_kind->root != y_kind->root)
		return x_kind->root < y_kind->root ? -1 : 1;
	order = memcmp(x_key.data, y_key.data, Min(x_key.size, y_key.size));
	if (order == 0 && x_key.size != y_key.size)
		order = x_key.size < y_key.size ? -1 : 1;
	return order != 0 ? order : compare_kinds(y_kind, x_kind);
}

static bool
is_same_key(const Death *a, const Death *b)
{
	Image		x = key_at(sorted_bytes, a->offset);
	Image		y = key_at(sorted_bytes, b->offset);

	return sorted_kinds[a->kind].root == sorted_kinds[b->kind].root && x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
}

static RowState
state_of(const Kind *kind)
{
	RowState	state = {0};

	state.life = kind->life;
	state.base = kind->base;
	return state;
}

static int
level_of(const Death *death)
{
	return noted.kinds[death->kind].level;
}

/* The first death of the current subtransaction. */
static int
first_of_level(int level)
{
	int			first = noted.count;

	while (first > 0 && level_of(&noted.deaths[first - 1]) >= level)
		first--;
	return first;
}

/* Forget the deaths from "first" on, which are those of a level. */
static void
forget_from(int first, int level)
{
	for (; noted.indexed > first; noted.indexed--)
	{
		const Death *death = &noted.deaths[noted.indexed - 1];

		if (death->before < 0)
			hash_search(noted.last, &death->hash, HASH_REMOVE, NULL);
		else
			((LastDeath *) hash_search(noted.last, &death->hash, HASH_FIND, NULL))->number = death->before;
	}
	if (first < noted.count)
		noted.bytes.len = noted.deaths[first].offset;
	noted.count = first;
	while (noted.kind_count > 0 && noted.kinds[noted.kind_count - 1].level >= level)
		noted.kind_count--;
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
			noted.kind_count = 0;
			noted.last = NULL;
			noted.indexed = 0;
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
		forget_from(first_of_level(level), level);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = noted.kind_count - 1; i >= 0 && noted.kinds[i].level >= level; i--)
			noted.kinds[i].level = level - 1;
	}
}

/* The number of a kind. */
static int
kind_number(Oid root, const RowState *row)
{
	Kind		kind = {root, GetCurrentTransactionNestLevel(), row->life, row->base};

	for (int i = noted.kind_count - 1; i >= Max(0, noted.kind_count - KINDS_TRIED); i--)
		if (noted.kinds[i].level == kind.level && compare_kinds(&noted.kinds[i], &kind) == 0)
			return i;
	if (noted.kind_count == noted.kind_room)
		noted.kinds = repalloc_huge(noted.kinds, sizeof(Kind) * (noted.kind_room *= 2));
	noted.kinds[noted.kind_count] = kind;
	return noted.kind_count++;
}

static void
note(Oid root, Image key, const RowState *row)
{
	uint8_t		size[10];

	if (!noted.has_callbacks)
	{
		RegisterXactCallback(at_xact, NULL);
		RegisterSubXactCallback(at_subxact, NULL);
		noted.has_callbacks = true;
	}
	if (noted.deaths == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		noted.room = 1024;
		noted.deaths = palloc(sizeof(Death) * noted.room);
		noted.kind_room = 16;
		noted.kinds = palloc(sizeof(Kind) * noted.kind_room);
		noted.full = GATHERED_MAX;
		initStringInfo(&noted.bytes);
		MemoryContextSwitchTo(old);
	}
	if (noted.count == noted.room)
		noted.deaths = repalloc_huge(noted.deaths, sizeof(Death) * (noted.room *= 2));
	noted.deaths[noted.count++] = (Death)
	{
		sync_pack_hash(key), noted.bytes.len, kind_number(root, row), -1
	};
	appendBinaryStringInfo(&noted.bytes, (char *) size, varint_write(size, key.size) - size);
	appendBinaryStringInfo(&noted.bytes, key.data, key.size);
}

/* Have all deaths found by their hash. */
static void
index_deaths(void)
{
	if (noted.last == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(uint64_t),.entrysize = sizeof(LastDeath),.hcxt = TopTransactionContext};

		noted.last = hash_create("deaths", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	for (; noted.indexed < noted.count; noted.indexed++)
	{
		Death	   *death = &noted.deaths[noted.indexed];
		bool		found;
		LastDeath  *last = hash_search(noted.last, &death->hash, HASH_ENTER, &found);

		death->before = found ? last->number : -1;
		last->number = noted.indexed;
	}
}

/* What the death of a key is that is not written yet, or NULL. */
static const Kind *
find(Oid root, Image key)
{
	uint64_t	hash;
	const LastDeath *last;

	if (noted.count == 0)
		return NULL;
	index_deaths();
	hash = sync_pack_hash(key);
	last = hash_search(noted.last, &hash, HASH_FIND, NULL);
	for (int i = last != NULL ? last->number : -1; i >= 0; i = noted.deaths[i].before)
	{
		const Death *death = &noted.deaths[i];
		Image		other = key_at(noted.bytes.data, death->offset);

		if (noted.kinds[death->kind].root == root && other.size == key.size && memcmp(other.data, key.data, key.size) == 0)
			return &noted.kinds[death->kind];
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
	const Kind *death = snapshot == NULL ? find(root, key) : NULL;
	RowState   *state;

	if (death == NULL)
		return stands;
	state = palloc(sizeof(RowState));
	*state = state_of(death);
	return stands != NULL ? row_join(stands, state) : state;
}

/*
 * Record the death of a row that is the own transaction's to delete.  True if it is gathered: then the tombstone
 * is written, and the key given to be logged, by sync_write_deaths, before the transaction ends; else it is written,
 * and the caller logs it.
 *
 * Errors: 40001 if another transaction wrote more there meanwhile.
 */
bool
sync_note_death(Oid root, Image key, const RowState *row)
{
	Assert(!row_is_alive(row));
	if (noted.written_by != vm_local_xid())
	{
		noted.written_by = vm_local_xid();
		noted.written = 0;
	}
	if (noted.written < WRITTEN_AT_ONCE || (noted.count > 0 && noted.bytes.len > GATHERED_LIMIT))
	{
		noted.written++;
		sync_bury(root, key, row);
		return false;
	}
	note(root, key, row);
	return true;
}

/* Whether so much is gathered that it is time for sync_write_deaths. */
bool
sync_deaths_are_many(void)
{
	return noted.count > 0 && noted.bytes.len > noted.full;
}

/*
 * Write tombstones one by one where an entry in the index says that something stands or stood, else
 * together.
 */
static void
write_graves(Relation rel, SyncGrave *graves, int count)
{
	sync_write_graves(rel, graves, count);
	for (int i = 0; i < count; i++)
	{
		/* More that the own transaction wrote there itself is no race. */
		if (!graves[i].written && !sync_write_tombstone(graves[i].root, graves[i].key, &graves[i].state) &&
			sync_tombstone_reaches(graves[i].root, graves[i].key, graves[i].state.life))
			sync_refuse_concurrent_delete(graves[i].root);
	}
}

/* Write deaths that are too few to be packed. */
static void
write_singles(Death *deaths, int count, SyncLine line, void *about)
{
	Relation	rel = sync_meta_open(META_TOMBSTONE, RowExclusiveLock);
	SyncGrave  *graves = palloc(sizeof(SyncGrave) * TOMBSTONES_A_TIME);
	int			made = 0;
	StringInfoData keys;

	initStringInfo(&keys);
	qsort(deaths, count, sizeof(Death), compare_by_key);
	for (int i = 0; i < count; i++)
	{
		const Kind *kind = &sorted_kinds[deaths[i].kind];
		Image		key = key_at(sorted_bytes, deaths[i].offset);
		const char *end = key.data + key.size;
		bool		is_last = i + 1 == count;

		/* The latest death of each key. */
		if (i == 0 || !is_same_key(&deaths[i - 1], &deaths[i]))
			graves[made++] = (SyncGrave)
		{
			kind->root, key, state_of(kind), false
		};
		appendBinaryStringInfo(&keys, sorted_bytes + deaths[i].offset, end - sorted_bytes - deaths[i].offset);
		if (is_last || keys.len > SYNC_LINE_MAX || compare_kinds(kind, &sorted_kinds[deaths[i + 1].kind]) != 0)
		{
			Image		gathered = {keys.data, keys.len};

			line(about, &kind->base, kind->root, gathered);
			resetStringInfo(&keys);
		}
		if (is_last || made == TOMBSTONES_A_TIME)
		{
			MemoryContext chunk = AllocSetContextCreate(CurrentMemoryContext, "tombstones written together", ALLOCSET_DEFAULT_SIZES);
			MemoryContext old = MemoryContextSwitchTo(chunk);

			CHECK_FOR_INTERRUPTS();
			write_graves(rel, graves, made);
			made = 0;
			MemoryContextSwitchTo(old);
			MemoryContextDelete(chunk);
		}
	}
	table_close(rel, RowExclusiveLock);
}

/* Write deaths of one kind in packs. */
static void
write_packed(const Death *deaths, int count, SyncLine line, void *about)
{
	SyncDead   *dead = palloc_extended(sizeof(SyncDead) * count, MCXT_ALLOC_HUGE);
	const Kind *kind = &sorted_kinds[deaths[0].kind];
	RowState	state = state_of(kind);

	for (int i = 0; i < count; i++)
	{
		Image		key = key_at(sorted_bytes, deaths[i].offset);

		dead[i] = (SyncDead)
		{
			deaths[i].hash, sorted_bytes + deaths[i].offset, key.data + key.size - sorted_bytes - deaths[i].offset
		};
	}
	sync_write_packs(kind->root, &state, dead, count, line, about);
	pfree(dead);
}

/*
 * Write the tombstones of what the current subtransaction has noted; they go when that is
 * rolled back.  Of tables that are tracked no more as well, whose tombstones are kept.  To be called before
 * the transaction ends.  "line" is called with keys that are to be logged.
 *
 * Errors: 40001 if another transaction wrote more in one's place meanwhile.
 */
void
sync_write_deaths(SyncLine line, void *about)
{
	int			level = GetCurrentTransactionNestLevel();
	int			first = first_of_level(level);
	int			count = noted.count - first;
	int			singles = 0;
	Death	   *deaths;
	MemoryContext context;
	MemoryContext old;

	if (count == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "deaths", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	deaths = palloc_extended(sizeof(Death) * count, MCXT_ALLOC_HUGE);
	memcpy(deaths, noted.deaths + first, sizeof(Death) * count);
	sorted_kinds = noted.kinds;
	sorted_bytes = noted.bytes.data;
	qsort(deaths, count, sizeof(Death), compare_by_kind);
	for (int from = 0, to; from < count; from = to)
	{
		const Kind *kind = &sorted_kinds[deaths[from].kind];

		for (to = from + 1; to < count && compare_by_kind(&deaths[from], &deaths[to]) == 0; to++)
			;
		if (sync_is_packed(kind->root, deaths[from].hash, to - from))
			write_packed(deaths + from, to - from, line, about);
		else
		{
			memmove(deaths + singles, deaths + from, sizeof(Death) * (to - from));
			singles += to - from;
		}
	}
	if (singles > 0)
		write_singles(deaths, singles, line, about);
	CommandCounterIncrement();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	forget_from(first, level);
	noted.full = Max(GATHERED_MAX, noted.bytes.len + GATHERED_MAX / 4);
}
