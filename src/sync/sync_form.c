/*
 * sync_form.c: in what form values are written, and what becomes of those that a column of
 * another type is to show.
 *
 * README, "Forms", has the rules.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "sync/sync_table.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* A value in a message is no longer than this. */
#define SHOWN_MAX 60

/* Names of forms, and the types whose binary form they are; those of this extension are known by name. */
static const struct
{
	const char *name;
	Oid			type;
}			forms[FORM_COUNT] = {
	[FORM_TEXT] = {"text", InvalidOid},
	[FORM_NUMBER] = {"number", InvalidOid},
	[FORM_PADDED] = {"character", InvalidOid},
	[FORM_JSON] = {"json", InvalidOid},
	[FORM_UUID] = {"uuid", UUIDOID},
	[FORM_BYTEA] = {"bytea", BYTEAOID},
	[FORM_DATE] = {"date", DATEOID},
	[FORM_TIME] = {"time", TIMEOID},
	[FORM_TIMESTAMP] = {"timestamp", TIMESTAMPOID},
	[FORM_TIMESTAMPTZ] = {"timestamptz", TIMESTAMPTZOID},
	[FORM_INTERVAL] = {"interval", INTERVALOID},
	[FORM_VECTOR] = {"vector", InvalidOid},
	[FORM_HALFVEC] = {"halfvec", InvalidOid},
	[FORM_SPARSEVEC] = {"sparsevec", InvalidOid},
};

const char *
sync_form_name(ImageForm form)
{
	return forms[form].name;
}

/* A form by its name; FORM_TEXT for one that is not known. */
ImageForm
sync_form_by_name(const char *name)
{
	for (int i = 0; i < FORM_COUNT; i++)
		if (strcmp(forms[i].name, name) == 0)
			return (ImageForm) i;
	return FORM_TEXT;
}

static bool
is_ours(Oid type)
{
	return getExtensionOfObject(TypeRelationId, type) == get_extension_oid("vecmark", true);
}

/*
 * The form that values of a type are written in: its binary form, if it has one that depends
 * on nothing but the value, while its text depends on settings or is much longer; else text.
 */
ImageForm
sync_form_of_type(Oid type)
{
	HeapTuple	tuple;
	ImageForm	form = FORM_TEXT;

	type = getBaseType(type);
	for (int i = FORM_UUID; i < FORM_COUNT; i++)
		if (forms[i].type == type)
			return (ImageForm) i;
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return FORM_NUMBER;
		case BPCHAROID:
			return FORM_PADDED;
		case JSONOID:
		case JSONBOID:
			return FORM_JSON;
		default:
			break;
	}
	if (type < FirstNormalObjectId || !is_ours(type))
		return FORM_TEXT;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	for (int i = FORM_VECTOR; i <= FORM_SPARSEVEC; i++)
		if (strcmp(forms[i].name, NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname)) == 0)
			form = (ImageForm) i;
	ReleaseSysCache(tuple);
	return form;
}

/* The type whose binary form a form is. */
static Oid
type_of_form(ImageForm form)
{
	Oid			type = forms[form].type;

	if (!OidIsValid(type))
	{
		CatCList   *named = SearchSysCacheList1(TYPENAMENSP, CStringGetDatum(forms[form].name));

		for (int i = 0; i < named->n_members; i++)
		{
			Oid			candidate = ((Form_pg_type) GETSTRUCT(&named->members[i]->tuple))->oid;

			if (is_ours(candidate))
				type = candidate;
		}
		ReleaseSysCacheList(named);
	}
	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"%s\" does not exist", forms[form].name)));
	return type;
}

/* Bytes that end too early are no fault of the connection. */
static void
name_receive_error(void *arg)
{
	if (geterrcode() == ERRCODE_PROTOCOL_VIOLATION)
		errcode(ERRCODE_INVALID_BINARY_REPRESENTATION);
}

/*
 * The value of bytes in the binary form of a type.
 *
 * Errors: 22P03, and what the type's receive function raises.
 */
Datum
sync_receive(FmgrInfo *function, Image image, Oid ioparam, int32 typmod)
{
	ErrorContextCallback context = {.callback = name_receive_error,.previous = error_context_stack};
	StringInfoData message;
	Datum		value;

	initStringInfo(&message);
	appendBinaryStringInfo(&message, image.data, image.size);
	error_context_stack = &context;
	value = ReceiveFunctionCall(function, &message, ioparam, typmod);
	if (message.cursor != message.len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("binary form of a value goes on after its end")));
	error_context_stack = context.previous;
	return value;
}

/*
 * The text of an image, terminated; "column" is for messages, or NULL.  Canonical settings are in
 * force.
 *
 * Errors: 22P03 for bytes that are not of the form, 22021 for what is no text.
 */
char *
sync_form_text(const char *column, ImageForm form, Image image)
{
	char	   *text;

	if (form_is_binary(form))
	{
		Oid			type = type_of_form(form);
		Oid			function;
		Oid			ioparam;
		bool		isvarlena;
		FmgrInfo	receive;

		getTypeBinaryInputInfo(type, &function, &ioparam);
		fmgr_info(function, &receive);
		getTypeOutputInfo(type, &function, &isvarlena);
		return OidOutputFunctionCall(function, sync_receive(&receive, image, ioparam, -1));
	}
	text = pnstrdup(image.data, image.size);

	if (strlen(text) != image.size)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 column != NULL ? errmsg("a value of column \"%s\" has a zero byte", column) : errmsg("a value has a zero byte")));
	pg_verifymbstr(text, (int) image.size, false);
	return text;
}

/*
 * The image of a text in a form; canonical settings are in force.
 *
 * Errors: 42804 if the form does not hold it as it is, and what input functions raise.
 */
Image
sync_form_image(ImageForm form, char *written)
{
	Image		image = {written, strlen(written)};
	Oid			type;
	Oid			function;
	Oid			ioparam;
	bool		isvarlena;
	Datum		value;
	bytea	   *bytes;

	if (!form_is_binary(form))
		return image;
	type = type_of_form(form);
	getTypeInputInfo(type, &function, &ioparam);
	value = OidInputFunctionCall(function, written, ioparam, -1);
	getTypeBinaryOutputInfo(type, &function, &isvarlena);
	bytes = OidSendFunctionCall(function, value);
	image.data = VARDATA(bytes);
	image.size = VARSIZE(bytes) - VARHDRSZ;
	return image;
}

static Numeric
number_of(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* A number as types of whole numbers read it: 1.00 and 1e+3 without point and exponent, if they have no need of one. */
char *
sync_whole_number(char *text)
{
	if (strpbrk(text, ".e") == NULL)
		return text;

	return DatumGetCString(DirectFunctionCall1(numeric_out, DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number_of(text)))));
}

static bool
is_moment(ImageForm form)
{
	return form == FORM_DATE || form == FORM_TIMESTAMP || form == FORM_TIMESTAMPTZ;
}

static Datum
moment_of(const char *text)
{
	return DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static size_t
unpadded_size(const char *text)
{
	size_t		size = strlen(text);

	while (size > 0 && text[size - 1] == ' ')
		size--;
	return size;
}

/*
 * Whether the text of a value, which was written in one form, says the same as that of a value of
 * a type that has the other form.  Canonical settings are in force.
 */
bool
sync_is_same_value(ImageForm from, const char *came, ImageForm to, const char *shown)
{
	if (strcmp(came, shown) == 0)
		return true;
	if (is_moment(from) && is_moment(to))
		return DatumGetTimestampTz(moment_of(came)) == DatumGetTimestampTz(moment_of(shown));
	if (from != to)
		return false;
	switch (from)
	{
		case FORM_NUMBER:
			return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number_of(came)), NumericGetDatum(number_of(shown))));
		case FORM_PADDED:
			return unpadded_size(came) == unpadded_size(shown) && memcmp(came, shown, unpadded_size(came)) == 0;
		case FORM_JSON:
			return true;
		default:
			return false;
	}
}

/* The beginning of a text, for a message. */
static const char *
beginning(const char *text)
{
	int			size = (int) strlen(text);

	if (size <= SHOWN_MAX)
		return text;

	return psprintf("%.*s...", pg_mbcliplen(text, size, SHOWN_MAX), text);
}

/* Errors: 22003, 22008, 22001 or 22P02, by what the column is. */
void
sync_refuse_unlike_value(const SyncColumn *column, ImageForm from, const char *came, const char *shown)
{
	Oid			type = sync_value_type(column);
	char		category;
	bool		is_preferred;
	int			code;

	switch (column->type_form)
	{
		case FORM_NUMBER:
			code = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
			break;
		case FORM_DATE:
		case FORM_TIME:
		case FORM_TIMESTAMP:
		case FORM_TIMESTAMPTZ:
		case FORM_INTERVAL:
			code = ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
			break;
		default:
			get_type_category_preferred(type, &category, &is_preferred);
			code = category == TYPCATEGORY_STRING ? ERRCODE_STRING_DATA_RIGHT_TRUNCATION : ERRCODE_INVALID_TEXT_REPRESENTATION;
	}
	ereport(ERROR,
			(errcode(code),
			 errmsg("column \"%s\" of type %s would show \"%s\" for \"%s\", which was written as %s", column->name,
					format_type_with_typemod(type, column->typmod), beginning(shown), beginning(came),
					sync_form_name(from)),
			 errhint("Alter the column to a type that holds it, and SELECT vecmark.retry_parked().")));
}
