/*
 * sync_image.c: the canonical form of values.
 *
 * The text that the type's output function gives under fixed settings, in the
 * encoding of the database, or the binary form for the types that sync_form.c names.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "catalog/pg_type.h"
#include "sync/sync_table.h"
#include "testpoint/testpoint.h"
#include "utils/array.h"
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

/*
 * The image of a value that a column's functions write: in the form of the column's type.
 */
static Image
write_natural(const SyncColumn *column, Datum value)
{
	Image		image;

	if (form_is_binary(column->type_form))
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

/* The text of a value.  Canonical settings are in force. */
static char *
text_of(const SyncColumn *column, Datum value)
{
	Oid			function;
	bool		isvarlena;

	if (!form_is_binary(column->type_form))
		return OutputFunctionCall((FmgrInfo *) &column->write, value);
	getTypeOutputInfo(sync_value_type(column), &function, &isvarlena);
	return OidOutputFunctionCall(function, value);
}

/* The value that a text in some form is.  Canonical settings are in force. */
static Datum
value_of_text(const SyncColumn *column, ImageForm form, char *text)
{
	Oid			type = sync_value_type(column);
	Oid			function;
	Oid			ioparam;
	Oid			base = getBaseType(type);

	if (form == FORM_NUMBER && (base == INT2OID || base == INT4OID || base == INT8OID))
		text = sync_whole_number(text);

	if (!form_is_binary(column->type_form))
		return InputFunctionCall((FmgrInfo *) &column->read, text, column->ioparam, column->typmod);
	getTypeInputInfo(type, &function, &ioparam);
	return OidInputFunctionCall(function, text, ioparam, column->typmod);
}

/* The image of a value of a column that was of another type when the table was tracked. */
static Image
write_converted(const SyncColumn *column, Datum value)
{
	int			level = sync_begin_images();
	char	   *text = text_of(column, value);
	Image		image = sync_form_image(column->form, text);
	char	   *again = sync_form_text(column->name, column->form, image);

	if (!sync_is_same_value(column->type_form, text, column->form, again))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s \"%s\" of column \"%s\", whose type was altered, cannot be written as %s",
						column->is_key ? "key" : "element", text, column->name, sync_form_name(column->form)),
				 errdetail("Others know keys and elements of sets in the form that they had when the table was tracked."),
				 errhint("Alter the column back; or vecmark.untrack() the table and vecmark.track() it anew, on all nodes.")));
	sync_end_images(level);
	return image;
}

/*
 * The image of a key's value, or of an element of a set.
 *
 * Errors: 42804 if the column was altered and the form of its values does not hold this one.
 */
Image
sync_write_image(const SyncColumn *column, Datum value)
{
	return column->form == column->type_form ? write_natural(column, value) : write_converted(column, value);
}

/*
 * The value of an image that is not NULL, whatever its form.  If it is that of the column's
 * type, canonical settings are in force, unless the type is one that a key may have.
 *
 * Errors: what the type's input function raises; 22P03, 22021; 22003, 22008, 22001 or 22P02 if the
 * value would not be the one that was written.
 */
Datum
sync_read_image(const SyncColumn *column, ImageForm form, Image image)
{
	Datum		value = (Datum) 0;
	Image		shown;
	char	   *text;
	char	   *again;
	int			level;

	if (form == column->type_form)
	{
		if (form_is_binary(form))
			value = sync_receive((FmgrInfo *) &column->read, image, column->ioparam, column->typmod);
		else
			value = value_of_text(column, form, sync_form_text(column->name, form, image));
		if (column->exact)
			return value;
		shown = write_natural(column, value);
		if (shown.size == image.size && memcmp(shown.data, image.data, image.size) == 0)
			return value;
	}
	level = sync_begin_images();
	text = sync_form_text(column->name, form, image);

	if (form != column->type_form)
		value = value_of_text(column, form, text);
	again = text_of(column, value);
	if (!sync_is_same_value(form, text, column->type_form, again) && !VM_FAULT("unlike-types"))
		sync_refuse_unlike_value(column, form, text, again);
	sync_end_images(level);
	return value;
}

/*
 * The image of a register's value, in the form of its type.  Canonical settings are in force.
 */
Image
sync_image(const SyncColumn *column, Datum value, bool isnull)
{
	Image		none = {NULL, 0};

	return isnull ? none : write_natural(column, value);
}

/*
 * The value of a register.  Canonical settings are in force.  What domains refuse, they refuse
 * when it is written.
 *
 * Errors: those of sync_read_image.
 */
Datum
sync_value(const SyncColumn *column, const Register *reg, bool *isnull)
{
	*isnull = reg->value.data == NULL;
	if (*isnull)
		return (Datum) 0;
	return sync_read_image(column, reg->form, reg->value);
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
		elements[kept].value = sync_write_image(column, values[i]);
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

/* Put elements in order by hash, which is computed anew. */
void
sync_sort_elements(ElementSet *set)
{
	for (int i = 0; i < set->count; i++)
		set->elements[i].hash = XXH3_64bits(set->elements[i].value.data, set->elements[i].value.size);
	qsort(set->elements, set->count, sizeof(Element), compare_by_hash);
}

/*
 * The elements of a set that is in another form, in that of the column; their dots stay.
 *
 * Errors: those of sync_read_image.
 */
void
sync_convert_set(const SyncColumn *column, ElementSet *set)
{
	Element    *elements = palloc(sizeof(Element) * (set->count + 1));

	for (int i = 0; i < set->count; i++)
	{
		elements[i] = set->elements[i];
		elements[i].value = sync_write_image(column, sync_read_image(column, (ImageForm) set->form, elements[i].value));
	}
	set->elements = elements;
	sync_sort_elements(set);
	for (int i = 1; i < set->count; i++)
		if (elements[i - 1].hash == elements[i].hash)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("two elements of set \"%s\", written as %s, would be one", column->name, sync_form_name((ImageForm) set->form))));
	set->form = column->form;
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
		values[i] = sync_read_image(column, column->form, sorted[i].value);
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
