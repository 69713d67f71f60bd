/*
 * sync_missing.c: rows of a part of a batch that cannot be applied before the rest of it is here.
 *
 * A batch has its rows in the order of keys, so what a row refers to may be in another part.  Such
 * a row fails, and is applied with the last part.  To find out by trying would take a subtransaction
 * for each; here it takes a look for the row that is referred to.  Who is found to lack
 * nothing is tried, and who is found to lack something is tried with the last part: so this saves work, and decides nothing.
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "sync/sync_merge.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* A foreign key to the primary key of a tracked table. */
typedef struct MissingKey
{
	SyncTable  *to;
	const char *name;
	int			columns[DELTA_MAX_KEY]; /* numbers of those that refer, in the
										 * order of the primary key */
} MissingKey;

typedef struct MissingTable
{
	const char *name;
	SyncTable  *table;			/* NULL if none is tracked by the name */
	MissingKey *keys;
	int			key_count;
	bool		is_referred;	/* foreign keys refer to it */
} MissingTable;

/* A row of the part that is to live. */
typedef struct MissingRow
{
	uint64		hash;
	bool		failed;
} MissingRow;

struct SyncMissing
{
	MemoryContext context;
	MemoryContext row_context;
	List	   *tables;
	HTAB	   *rows;
};

/* The columns of a foreign key, if it is to the whole primary key of a tracked table. */
static bool
find_columns(const SyncTable *from, const SyncTable *to, const ForeignKeyCacheInfo *key, int *columns)
{
	if (key->nkeys != to->key_count)
		return false;
	for (int i = 0; i < to->key_count; i++)
	{
		columns[i] = -1;
		for (int j = 0; j < key->nkeys; j++)
			if (sync_column_number(to, key->confrelid, key->confkey[j]) == to->key[i])
				columns[i] = sync_column_number(from, key->conrelid, key->conkey[j]);
		if (columns[i] < 0)
			return false;
	}
	return true;
}

static MissingTable *
describe_table(SyncMissing *missing, const char *name)
{
	MissingTable *described = palloc0(sizeof(MissingTable));
	Oid			root = sync_table_by_name(name);
	Relation	rel;
	List	   *keys;
	ListCell   *cell;

	described->name = name;
	missing->tables = lappend(missing->tables, described);
	if (!OidIsValid(root))
		return described;
	described->table = sync_table_get(root);
	rel = table_open(root, AccessShareLock);
	keys = copyObject(RelationGetFKeyList(rel));
	described->keys = palloc(sizeof(MissingKey) * (list_length(keys) + 1));
	foreach(cell, keys)
	{
		const ForeignKeyCacheInfo *key = lfirst(cell);
		MissingKey *kept = &described->keys[described->key_count];
		SyncTable  *to = sync_table_find(key->confrelid);

		if (to == NULL || !find_columns(described->table, to, key, kept->columns))
			continue;
		kept->to = to;
		kept->name = get_constraint_name(key->conoid);
		described->key_count++;
	}
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		described->is_referred |= RI_FKey_trigger_type(rel->trigdesc->triggers[i].tgfoid) == RI_TRIGGER_PK;
	table_close(rel, NoLock);
	return described;
}

static MissingTable *
table_of(SyncMissing *missing, const char *name)
{
	MemoryContext old;
	MissingTable *described;
	ListCell   *cell;

	foreach(cell, missing->tables)
	{
		described = lfirst(cell);
		if (described->name == name || strcmp(described->name, name) == 0)
			return described;
	}
	old = MemoryContextSwitchTo(missing->context);
	described = describe_table(missing, name);
	MemoryContextSwitchTo(old);
	return described;
}

/* The row of the part that has a key, in the forms of the table's; it is made if "make", else NULL if there is none. */
static MissingRow *
find_row(SyncMissing *missing, const SyncTable *table, Image key, bool make)
{
	uint64		hash = sync_key_hash(table->root, 0, key);

	return hash_search(missing->rows, &hash, make ? HASH_ENTER : HASH_FIND, NULL);
}

/* Begin to look for what rows of a part lack. */
SyncMissing *
sync_begin_missing(const SyncItem *items, int count)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(MissingRow),.hcxt = CurrentMemoryContext};
	SyncMissing *missing = palloc0(sizeof(SyncMissing));

	missing->context = CurrentMemoryContext;
	missing->row_context = AllocSetContextCreate(CurrentMemoryContext, "row that may lack another", ALLOCSET_DEFAULT_SIZES);
	missing->rows = hash_create("rows of a part", count, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < count; i++)
	{
		const SyncTable *table = table_of(missing, items[i].name)->table;

		if (table != NULL && row_is_alive(items[i].state) && sync_key_is_own(table, items[i].names))
			find_row(missing, table, items[i].key, true)->failed = false;
	}
	return missing;
}

/* End it. */
void
sync_end_missing(SyncMissing *missing)
{
	hash_destroy(missing->rows);
	MemoryContextDelete(missing->row_context);
}

/* A row was not applied: what refers to it lacks it. */
void
sync_note_missing(SyncMissing *missing, const SyncItem *item)
{
	const SyncTable *table = table_of(missing, item->name)->table;
	MissingRow *row = table != NULL && sync_key_is_own(table, item->names) ? find_row(missing, table, item->key, false) : NULL;

	if (row != NULL)
		row->failed = true;
}

/* The key that a row is told to refer to; false if it is not told, or null, or in other forms. */
static bool
referred_key(const MissingTable *table, const MissingKey *foreign, const SyncItem *item, Image *key)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	for (int i = 0; i < foreign->to->key_count; i++)
	{
		uint8_t		size[10];
		uint8_t		form;
		Image		part = sync_told_image(table->table, item, foreign->columns[i], &form);

		if (part.data == NULL || form != foreign->to->names->key_forms[i])
			return false;
		if (foreign->to->key_count > 1)
			appendBinaryStringInfo(&bytes, (char *) size, varint_write(size, part.size) - size);
		appendBinaryStringInfo(&bytes, part.data, part.size);
	}
	*key = (Image)
	{
		bytes.data, bytes.len
	};
	return true;
}

static bool
is_here(SyncTable *table, Image key)
{
	SyncOwner	before = sync_begin_reading(table->root);
	bool		found = sync_row_is_there(table, key);

	sync_end_reading(&before);
	return found;
}

/*
 * Whether a row that is to live refers to one that is neither here nor among those of the part that were or
 * will be applied; or one that is to die may be referred to by rows of other parts.  Then why it is not to be tried
 * now, in the current context; else NULL.
 */
ErrorData  *
sync_find_missing(SyncMissing *missing, const SyncItem *item)
{
	const MissingTable *table = table_of(missing, item->name);
	ErrorData  *error = NULL;
	MemoryContext context = CurrentMemoryContext;
	const char *lacks = NULL;

	if (table->table == NULL)
		return NULL;
	if (!row_is_alive(item->state))
	{
		if (!table->is_referred)
			return NULL;
		error = palloc0(sizeof(ErrorData));
		error->sqlerrcode = ERRCODE_DELETE_WAITS;
		error->message = psprintf("the delete of a row of table \"%s\" waits for rows that may refer to it", table->table->name);
		return error;
	}
	MemoryContextSwitchTo(missing->row_context);
	for (int i = 0; i < table->key_count && lacks == NULL; i++)
	{
		const MissingKey *foreign = &table->keys[i];
		Image		key;
		const MissingRow *row;

		if (!referred_key(table, foreign, item, &key))
			continue;
		row = find_row(missing, foreign->to, key, false);
		if (row != NULL ? row->failed : !is_here(foreign->to, key))
			lacks = foreign->name;
	}
	MemoryContextSwitchTo(context);
	MemoryContextReset(missing->row_context);
	if (lacks != NULL)
	{
		error = palloc0(sizeof(ErrorData));
		error->sqlerrcode = ERRCODE_FOREIGN_KEY_VIOLATION;
		error->message = psprintf("insert or update on table \"%s\" violates foreign key constraint \"%s\"",
								  get_rel_name(table->table->root), lacks);
	}
	return error;
}
