/*
 * sync_told.c: what is told of rows that foreign keys' actions meet, while others are merged.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_class.h"
#include "sync/sync_merge.h"
#include "sync/sync_state.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

typedef struct Telling
{
	SyncReferring referring;	/* first */
	HTAB	   *told;			/* rows that refer to others */
} Telling;

typedef struct Told
{
	uint64		hash;
	Image		key;			/* as it is here */
	const SyncItem *item;
} Told;

static const SyncItem *
find_told(const Telling *telling, Oid root, Image key)
{
	uint64		hash = sync_key_hash(root, 0, key);
	const Told *told = hash_search(telling->told, &hash, HASH_FIND, NULL);

	if (told == NULL || told->key.size != key.size || memcmp(told->key.data, key.data, key.size) != 0)
		return NULL;
	return told->item;
}

static const RowState *
join_told(Oid root, const SyncNames *names, const RowState *told, const RowState *state)
{
	const RowState *joined = row_join(state, sync_fit(sync_table_get(root), names, told));

	return sync_same_clock(state, joined) ? NULL : joined;
}

/* See SyncReferring.  Errors: as for a row that is merged, if the table lacks columns. */
static const RowState *
news_of(SyncReferring *referring, const SyncTable *table, Image key, const RowState *state)
{
	const SyncItem *told = find_told((Telling *) referring, table->root, key);
	const RowState *news = NULL;
	SyncNames  *names;
	RowState   *parked;

	if (told != NULL)
		news = join_told(table->root, told->names, told->state, state);
	if (news != NULL)
		return news;
	parked = sync_parked(table->name, key, NULL, &names);
	return parked == NULL ? NULL : join_told(table->root, names, parked, state);
}

/*
 * From here on items are merged, until sync_end_told; an error must end it as well.
 */
SyncReferring *
sync_begin_told(const Version *covered, const SyncItem *items, int count)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Told),.hcxt = CurrentMemoryContext};
	Telling    *telling = palloc0(sizeof(Telling));
	const char *name = NULL;
	Oid			root = InvalidOid;
	SyncTable  *table = NULL;
	bool		refers = false;

	telling->referring.covered = covered;
	telling->referring.news = news_of;
	telling->told = hash_create("rows that are told", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < count; i++)
	{
		Image		key = items[i].key;
		uint64		hash;
		Told	   *told;

		if (name == NULL || strcmp(name, items[i].name) != 0)
		{
			name = items[i].name;
			table = NULL;
			root = sync_table_by_name(name);
			refers = OidIsValid(root) && (get_rel_relkind(root) == RELKIND_PARTITIONED_TABLE || sync_refers(root));
		}
		if (!refers)
			continue;
		if (table == NULL || !sync_key_is_own(table, items[i].names))
			table = sync_table_with_key(root, items[i].names, &key);
		if (table == NULL)
			continue;
		hash = sync_key_hash(root, 0, key);
		told = hash_search(telling->told, &hash, HASH_ENTER, NULL);
		told->key = key;
		told->item = &items[i];
	}
	sync_begin_referring(&telling->referring);
	return &telling->referring;
}

/* Ends what sync_begin_told began. */
void
sync_end_told(SyncReferring *told)
{
	sync_end_referring(told);
	hash_destroy(((Telling *) told)->told);
}
