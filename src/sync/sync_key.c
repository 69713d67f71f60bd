/*
 * sync_key.c: keys: the bytes by which a row is known in the log, to tombstones, and to other nodes.
 *
 * A key is the image of its column, or those of several, each after its size.  Their forms
 * are those that the columns had when the table was tracked, for as long as it is.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "crdt/varint.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "sync/sync_table.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/uuid.h"

/*
 * The key that values of all columns of a table have.
 *
 * Errors: those of sync_write_image.
 */
Image
sync_key_image(const SyncTable *table, const Datum *values)
{
	StringInfoData bytes;
	Image		key;

	if (table->key_count == 1)
		return sync_write_image(&table->columns[table->key[0]], values[table->key[0]]);
	initStringInfo(&bytes);
	for (int i = 0; i < table->key_count; i++)
	{
		Image		part = sync_write_image(&table->columns[table->key[i]], values[table->key[i]]);
		uint8_t		size[10];

		appendBinaryStringInfo(&bytes, (char *) size, varint_write(size, part.size) - size);
		appendBinaryStringInfo(&bytes, part.data, part.size);
	}
	key.data = bytes.data;
	key.size = bytes.len;
	return key;
}

/*
 * The parts of a key.
 *
 * Errors: 22P03 for what is no key of so many columns.
 */
static void
split_key(const SyncTable *table, Image key, Image *parts)
{
	Reader		reader = {(const uint8_t *) key.data, (const uint8_t *) key.data + key.size, NULL};

	parts[0] = key;
	if (table->key_count == 1)
		return;
	for (int i = 0; i < table->key_count; i++)
	{
		parts[i].size = read_count(&reader, 1);
		parts[i].data = (const char *) read_bytes(&reader, parts[i].size);
	}
	if (reader.error != NULL || reader_left(&reader) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("a key does not have the %d columns that the primary key of \"%s\" has", table->key_count, table->name)));
}

static void
read_key(const SyncTable *table, const uint8 *forms, Image key, Datum *values, bool *nulls)
{
	Image		parts[DELTA_MAX_KEY];

	split_key(table, key, parts);
	for (int i = 0; i < table->key_count; i++)
	{
		int			number = table->key[i];

		values[number] = sync_read_image(&table->columns[number], (ImageForm) forms[i], parts[i]);
		nulls[number] = false;
	}
}

/*
 * The values of a key, into their places among those of all columns.
 *
 * Errors: those of split_key and of sync_read_image.
 */
void
sync_key_values(const SyncTable *table, Image key, Datum *values, bool *nulls)
{
	read_key(table, table->names->key_forms, key, values, nulls);
}

/*
 * The parts of a key as text, in an array: as they were written, whatever the columns are now.
 *
 * Errors: 22P03, 22021 for what is no key.
 */
Datum
sync_key_texts(const SyncTable *table, Image key)
{
	Image		parts[DELTA_MAX_KEY];
	Datum		texts[DELTA_MAX_KEY];
	int			level = sync_begin_images();

	split_key(table, key, parts);
	for (int i = 0; i < table->key_count; i++)
		texts[i] = CStringGetTextDatum(sync_form_text(table->columns[table->key[i]].name, (ImageForm) table->names->key_forms[i], parts[i]));
	sync_end_images(level);
	return PointerGetDatum(construct_array(texts, table->key_count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* A number for a key under a dot, alike for alike ones only, but for luck. */
uint64_t
sync_key_hash(Site site, uint64_t txn, Image key)
{
	return XXH3_64bits_withSeed(key.data, key.size, site * UINT64_C(0x9e3779b97f4a7c15) ^ txn);
}

/*
 * Keys one after the other, each after its size, as the log and packs have them: false when there is none left.
 *
 * Errors: XX001 if they are damaged.
 */
bool
sync_next_key(Reader *reader, Image *key)
{
	if (reader_left(reader) == 0 && reader->error == NULL)
		return false;
	key->size = read_count(reader, 1);
	key->data = (const char *) read_bytes(reader, key->size);
	if (reader->error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("keys in the log of changes, or of tombstones, are corrupted: %s", reader->error)));
	return true;
}

/* Whether keys under these names are in the forms of a table's. */
bool
sync_key_is_own(const SyncTable *table, const SyncNames *names)
{
	return names->key_count == table->key_count && memcmp(names->key_forms, table->names->key_forms, table->key_count) == 0;
}

/*
 * A key, which was written in the forms that "names" says, in those of a table here.
 *
 * Errors: 42804 for one of another number of columns, and those of sync_key_values.
 */
Image
sync_own_key(const SyncTable *table, const SyncNames *names, Image key)
{
	Datum	   *values;
	bool	   *nulls;

	if (sync_key_is_own(table, names))
		return key;
	if (names->key_count != table->key_count)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a row of table \"%s\" was written with a key of %d columns, and the primary key here has %d", table->name,
						names->key_count, table->key_count)));
	values = palloc(sizeof(Datum) * (table->column_count + 1));
	nulls = palloc(sizeof(bool) * (table->column_count + 1));
	read_key(table, names->key_forms, key, values, nulls);
	return sync_key_image(table, values);
}

/*
 * Whether an error is of the data, the table's rules or its triggers, so that the row is
 * parked: triggers may raise any.  Errors of the transaction, of locks, resources,
 * cancelling, and damage are raised.
 */
bool
sync_is_parkable(const ErrorData *error)
{
	/* RAISE in PL/pgSQL: a trigger says so, whatever the code that it chose. */
	if (error->filename != NULL && strcmp(error->filename, "pl_exec.c") == 0)
		return true;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return error->sqlerrcode != ERRCODE_STATEMENT_TOO_COMPLEX;
	}
}

/*
 * Do something in a subtransaction, with the caller's memory; what is wrong with the data, if that is why it
 * failed: then nothing of it stays.  NULL if it succeeded.
 *
 * Errors: those that sync_is_parkable says are none of the data.
 */
ErrorData  *
sync_try(void (*work) (void *about), void *about)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(about);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	if (error != NULL && !sync_is_parkable(error))
		ReThrowError(error);
	return error;
}

/* What is tried with a key. */
typedef struct KeyTrial
{
	Oid			root;			/* of the table, or its SyncTable */
	SyncTable  *table;
	const SyncNames *names;		/* of a key from elsewhere, or NULL */
	Image		key;
	Datum	   *values;			/* NULL if they are not wanted */
	bool	   *nulls;
} KeyTrial;

static void
try_key(void *about)
{
	KeyTrial   *trial = about;

	if (trial->table == NULL)
		trial->table = sync_table_get(trial->root);
	if (trial->names != NULL)
		trial->key = sync_own_key(trial->table, trial->names, trial->key);
	if (trial->values != NULL)
		sync_key_values(trial->table, trial->key, trial->values, trial->nulls);
}

/* Whether a trial succeeds; errors of the data mean that it does not. */
static bool
succeeds(KeyTrial *trial)
{
	ErrorData  *error = sync_try(try_key, trial);

	if (error != NULL)
		FreeErrorData(error);
	return error == NULL;
}

/* Whether a part of a key is surely a value of its column; false if it has to be read to know. */
static bool
is_sure(const SyncColumn *column, Image part)
{
	int			digits = part.size > 0 && part.data[0] == '-' ? 1 : 0;

	if (column->form != column->type_form)
		return false;
	switch (column->type)
	{
		case UUIDOID:
			return part.size == UUID_LEN;
		case BYTEAOID:
			return true;
		case VARCHAROID:
			if (column->typmod >= 0 && part.size > (size_t) (column->typmod - VARHDRSZ))
				return false;
			/* FALLTHROUGH */
		case TEXTOID:
			return memchr(part.data, 0, part.size) == NULL && pg_verifymbstr(part.data, (int) part.size, true);
		case INT2OID:
		case INT4OID:
		case INT8OID:
			if (part.size == digits || part.size - digits > (column->typlen == 2 ? 4 : column->typlen == 4 ? 9 : 18))
				return false;
			for (size_t i = digits; i < part.size; i++)
				if (part.data[i] < '0' || part.data[i] > '9')
					return false;
			return true;
		default:
			return false;
	}
}

/*
 * As sync_key_values, of a key that is on record here; false if it is none that the primary key can
 * have, so that there is no such row: it came from a node where it can, or the type was altered.
 */
bool
sync_key_can_be(SyncTable *table, Image key, Datum *values, bool *nulls)
{
	KeyTrial	trial = {.table = table,.key = key,.values = values,.nulls = nulls};
	Image		parts[DELTA_MAX_KEY];
	bool		sure = true;

	split_key(table, key, parts);
	for (int i = 0; i < table->key_count && sure; i++)
		sure = is_sure(&table->columns[table->key[i]], parts[i]);
	if (!sure)
		return succeeds(&trial);
	sync_key_values(table, key, values, nulls);
	return true;
}

/*
 * The tracked table "root", if it is sound, with a key, which was written in the forms that "names"
 * says, in those of the table, unless it cannot be; else NULL.
 */
SyncTable  *
sync_table_with_key(Oid root, const SyncNames *names, Image *key)
{
	KeyTrial	trial = {.root = root,.names = names,.key = *key};

	if (!succeeds(&trial))
		return NULL;
	*key = trial.key;
	return trial.table;
}
