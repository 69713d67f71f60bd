/*
 * sync_image.c: the canonical form of values and keys.
 *
 * The text that the type's output function gives under fixed settings, in the
 * encoding of the database, or the binary form for the types of sync_binary_type.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "catalog/pg_type.h"
#include "crdt/varint.h"
#include "mb/pg_wchar.h"
#include "sync/sync_table.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/*
 * Set what the text of values depends on; to be undone by sync_end_images with the
 * number that this returns, or by an error.  No code of users may run between.
 */
int
sync_begin_images(void)
{
	static const char *const settings[][2] = {
		{"datestyle", "ISO, YMD"},
		{"intervalstyle", "postgres"},
		{"timezone", "UTC"},
		{"extra_float_digits", "1"},
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"xmlbinary", "base64"},
	};
	int			level = NewGUCNestLevel();

	for (size_t i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Undo sync_begin_images. */
void
sync_end_images(int level)
{
	AtEOXact_GUC(true, level);
}

static Image
write_image(const SyncColumn *column, Datum value)
{
	Image		image;

	if (column->binary)
	{
		bytea	   *bytes = SendFunctionCall((FmgrInfo *) &column->write, value);

		image.data = VARDATA(bytes);
		image.size = VARSIZE(bytes) - VARHDRSZ;
	}
	else
	{
		image.data = OutputFunctionCall((FmgrInfo *) &column->write, value);
		image.size = strlen(image.data);
	}
	return image;
}

static Datum
read_image(const SyncColumn *column, Image image, int32 typmod)
{
	if (column->binary)
	{
		StringInfoData message;
		Datum		value;

		initStringInfo(&message);
		appendBinaryStringInfo(&message, image.data, image.size);
		value = ReceiveFunctionCall((FmgrInfo *) &column->read, &message, column->ioparam, typmod);
		if (message.cursor != message.len)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("incorrect binary form of a value of column \"%s\"", column->name)));
		return value;
	}
	else
	{
		char	   *text = pnstrdup(image.data, image.size);

		if (strlen(text) != image.size)
			ereport(ERROR,
					(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
					 errmsg("a value of column \"%s\" has a zero byte", column->name)));
		pg_verifymbstr(text, image.size, false);
		return InputFunctionCall((FmgrInfo *) &column->read, text, column->ioparam, typmod);
	}
}

/*
 * The image of a register's value.  Canonical settings are in force, unless the
 * type is one that a key may have.
 */
Image
sync_image(const SyncColumn *column, Datum value, bool isnull)
{
	Image		none = {NULL, 0};

	return isnull ? none : write_image(column, value);
}

/*
 * The value of an image, as sync_image has it.  What domains refuse, they refuse when it is
 * written.
 *
 * Errors: what the type's input function raises; 22P03, 22021.
 */
Datum
sync_value(const SyncColumn *column, Image image, bool *isnull)
{
	*isnull = image.data == NULL;
	return *isnull ? (Datum) 0 : read_image(column, image, column->typmod);
}

/*
 * The image of a key: of its column, or of several, each after its size.  "values"
 * are of all columns of the table.
 */
Image
sync_key_image(const SyncTable *table, const Datum *values)
{
	StringInfoData bytes;
	Image		key;

	if (table->key_count == 1)
		return write_image(&table->columns[table->key[0]], values[table->key[0]]);
	initStringInfo(&bytes);
	for (int i = 0; i < table->key_count; i++)
	{
		Image		part = write_image(&table->columns[table->key[i]], values[table->key[i]]);
		uint8_t		size[10];

		appendBinaryStringInfo(&bytes, (char *) size, varint_write(size, part.size) - size);
		appendBinaryStringInfo(&bytes, part.data, part.size);
	}
	key.data = bytes.data;
	key.size = bytes.len;
	return key;
}

/*
 * The values of a key, into their places among those of all columns.
 *
 * Errors: 22P03 for what is no key of this table, and what input functions raise.
 */
void
sync_key_values(const SyncTable *table, Image key, Datum *values, bool *nulls)
{
	Reader		reader = {(const uint8_t *) key.data, (const uint8_t *) key.data + key.size, NULL};

	for (int i = 0; i < table->key_count; i++)
	{
		int			column = table->key[i];
		Image		part = key;

		if (table->key_count > 1)
		{
			part.size = read_count(&reader, 1);
			part.data = (const char *) read_bytes(&reader, part.size);
		}
		if (reader.error == NULL)
			values[column] = read_image(&table->columns[column], part, table->columns[column].typmod);
		nulls[column] = false;
	}
	if (reader.error != NULL || (table->key_count > 1 && reader_left(&reader) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("a key does not have the %d columns that the primary key of \"%s\" has", table->key_count, table->name)));
}

/* An image as a bytea. */
Datum
sync_bytea(Image image)
{
	bytea	   *value = palloc(VARHDRSZ + image.size);

	SET_VARSIZE(value, VARHDRSZ + image.size);
	memcpy(VARDATA(value), image.data, image.size);
	return PointerGetDatum(value);
}

/* A bytea as an image that points into it. */
Image
sync_image_of_bytea(Datum datum)
{
	bytea	   *value = DatumGetByteaPP(datum);
	Image		image = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

	return image;
}

static int
compare_images(const Image *a, const Image *b)
{
	int			order = memcmp(a->data, b->data, Min(a->size, b->size));

	return order != 0 ? order : a->size < b->size ? -1 : a->size > b->size;
}

static int
compare_by_value(const void *a, const void *b)
{
	return compare_images(&((const Element *) a)->value, &((const Element *) b)->value);
}

static int
compare_by_hash(const void *a, const void *b)
{
	const Element *x = a;
	const Element *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : compare_by_value(a, b);
}

/*
 * The elements of an array, ascending by hash, none twice, without nulls; their dots are
 * not set.  Any number of dimensions.
 */
Element    *
sync_set_elements(const SyncColumn *column, Datum value, bool isnull, int *count)
{
	Element    *elements;
	Datum	   *values;
	bool	   *nulls;
	int			given = 0;
	int			kept = 0;

	*count = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), column->element, column->element_len, column->element_byval,
					  column->element_align, &values, &nulls, &given);
	elements = palloc0(sizeof(Element) * (given + 1));
	for (int i = 0; i < given; i++)
	{
		if (nulls[i])
			continue;
		elements[kept].value = write_image(column, values[i]);
		elements[kept].hash = XXH3_64bits(elements[kept].value.data, elements[kept].value.size);
		kept++;
	}
	qsort(elements, kept, sizeof(Element), compare_by_hash);
	for (int i = 0; i < kept; i++)
	{
		if (*count == 0 || elements[*count - 1].hash != elements[i].hash)
			elements[(*count)++] = elements[i];
	}
	return elements;
}

/* Elements as the array that is shown: in the order of their bytes. */
Datum
sync_set_value(const SyncColumn *column, const Element *elements, int count)
{
	Element    *sorted = palloc(sizeof(Element) * (count + 1));
	Datum	   *values = palloc(sizeof(Datum) * (count + 1));

	if (count > 0)
		memcpy(sorted, elements, sizeof(Element) * count);
	qsort(sorted, count, sizeof(Element), compare_by_value);
	for (int i = 0; i < count; i++)
		values[i] = read_image(column, sorted[i].value, -1);
	return PointerGetDatum(construct_array(values, count, column->element, column->element_len, column->element_byval,
										   column->element_align));
}

/* What a counter shows; null counts as 0. */
int64
sync_counter_value(const SyncColumn *column, Datum value, bool isnull)
{
	if (isnull)
		return 0;
	switch (column->typlen)
	{
		case sizeof(int16):
			return DatumGetInt16(value);
		case sizeof(int32):
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/*
 * A sum as a value of the column's type.
 *
 * Errors: 22003 if it does not fit.
 */
Datum
sync_counter_datum(const SyncColumn *column, int64 value)
{
	if ((column->typlen == sizeof(int16) && value != (int16) value) ||
		(column->typlen == sizeof(int32) && value != (int32) value))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum " INT64_FORMAT " of counter \"%s\" is out of range of its type", value, column->name)));
	switch (column->typlen)
	{
		case sizeof(int16):
			return Int16GetDatum((int16) value);
		case sizeof(int32):
			return Int32GetDatum((int32) value);
		default:
			return Int64GetDatum(value);
	}
}

/* A number for a key under a dot, alike for alike ones only, but for luck. */
uint64_t
sync_key_hash(Site site, uint64_t txn, Image key)
{
	return XXH3_64bits_withSeed(key.data, key.size, site * UINT64_C(0x9e3779b97f4a7c15) ^ txn);
}
