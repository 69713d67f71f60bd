/*
 * bookmark_import.c: the parser of browsers' bookmark files as an SQL function.
 */
#include "postgres.h"
#include "compat.h"

#include "bookmark/bookmark_glue.h"
#include "bookmark/netscape.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/scansup.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_parse_netscape);

/* Columns of a row that vecmark_internal.parse_netscape returns. */
enum
{
	COLUMN_URL,
	COLUMN_TITLE,
	COLUMN_DESCRIPTION,
	COLUMN_TAGS,
	COLUMN_FOLDERS,
	COLUMN_CREATED_AT,
	COLUMN_UPDATED_AT,
	COLUMN_VISITED_AT,
	COLUMN_IS_PRIVATE,
	COLUMN_TO_READ,
	COLUMN_LINE,
	COLUMN_COUNT
};

/* Text of the parser as a datum, in the encoding of the server. */
static Datum
text_datum(const char *data, size_t length)
{
	char	   *converted = pg_any_to_server(data, (int) length, PG_UTF8);

	if (converted == data)
		return PointerGetDatum(cstring_to_text_with_len(data, (int) length));
	return CStringGetTextDatum(converted);
}

/* As text_datum; NULL when the text is empty. */
static Datum
text_or_null(NetscapeText source, bool *is_null)
{
	*is_null = source.length == 0;
	return *is_null ? (Datum) 0 : text_datum(source.data, source.length);
}

/* Seconds since 1970 as timestamptz; NULL when absent or out of its range. */
static Datum
date_or_null(int64_t seconds, bool *is_null)
{
	const int64 epoch = ((int64) POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	int64		timestamp;

	*is_null = seconds == NETSCAPE_NO_DATE ||
		pg_sub_s64_overflow(seconds, epoch, &timestamp) ||
		pg_mul_s64_overflow(timestamp, USECS_PER_SEC, &timestamp) ||
		!IS_VALID_TIMESTAMP(timestamp);
	return *is_null ? (Datum) 0 : TimestampTzGetDatum(timestamp);
}

static Datum
text_array(Datum *elements, int count)
{
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* A comma-separated list as text[], without empty items. */
static Datum
tag_array(NetscapeText tags)
{
	Datum	   *elements = palloc(sizeof(Datum) * (tags.length / 2 + 1));
	const char *p = tags.data;
	const char *end = tags.data + tags.length;
	int			count = 0;

	while (p < end)
	{
		const char *comma = memchr(p, ',', end - p);
		const char *last = comma == NULL ? end : comma;
		const char *next = comma == NULL ? end : comma + 1;

		while (p < last && scanner_isspace(*p))
			p++;
		while (last > p && scanner_isspace(last[-1]))
			last--;
		if (last > p)
			elements[count++] = text_datum(p, last - p);
		p = next;
	}
	return text_array(elements, count);
}

static Datum
folder_array(const NetscapeEntry *entry)
{
	Datum		elements[NETSCAPE_MAX_DEPTH + 1];

	for (size_t i = 0; i < entry->folder_count; i++)
		elements[i] = text_datum(entry->folders[i].data, entry->folders[i].length);
	return text_array(elements, (int) entry->folder_count);
}

/*
 * SQL: vecmark_internal.parse_netscape(html text), one row a bookmark, in the order of
 * the file.
 *
 * Errors: 22P02 when the text is not a bookmark file, 54000 when its folders
 * nest too deep.
 */
Datum
vecmark_parse_netscape(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *html = PG_GETARG_TEXT_PP(0);
	const char *utf8;
	size_t		length;
	NetscapeParser parser;
	NetscapeEntry entry;
	NetscapeStatus status;
	MemoryContext row_context;

	utf8 = bookmark_utf8(html, &length);
	if (!netscape_recognise(utf8, length))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("text is not a bookmark file"),
				 errdetail("Expected the document type NETSCAPE-Bookmark-file or a list of links.")));

	InitMaterializedSRF(fcinfo, 0);
	netscape_begin(&parser, utf8, length, bookmark_reallocate, CurrentMemoryContext);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "bookmark", ALLOCSET_DEFAULT_SIZES);
	while ((status = netscape_next(&parser, &entry)) == NETSCAPE_ENTRY)
	{
		Datum		values[COLUMN_COUNT];
		bool		nulls[COLUMN_COUNT] = {false};
		MemoryContext caller_context = MemoryContextSwitchTo(row_context);

		values[COLUMN_URL] = text_datum(entry.url.data, entry.url.length);
		values[COLUMN_TITLE] = text_or_null(entry.title, &nulls[COLUMN_TITLE]);
		values[COLUMN_DESCRIPTION] = text_or_null(entry.description, &nulls[COLUMN_DESCRIPTION]);
		values[COLUMN_TAGS] = tag_array(entry.tags);
		nulls[COLUMN_FOLDERS] = entry.path_too_long;
		values[COLUMN_FOLDERS] = entry.path_too_long ? (Datum) 0 : folder_array(&entry);
		values[COLUMN_CREATED_AT] = date_or_null(entry.add_date, &nulls[COLUMN_CREATED_AT]);
		values[COLUMN_UPDATED_AT] = date_or_null(entry.last_modified, &nulls[COLUMN_UPDATED_AT]);
		values[COLUMN_VISITED_AT] = date_or_null(entry.last_visit, &nulls[COLUMN_VISITED_AT]);
		values[COLUMN_IS_PRIVATE] = BoolGetDatum(entry.is_private);
		values[COLUMN_TO_READ] = BoolGetDatum(entry.to_read);
		values[COLUMN_LINE] = Int64GetDatum((int64) entry.line);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);

		MemoryContextSwitchTo(caller_context);
		MemoryContextReset(row_context);
		CHECK_FOR_INTERRUPTS();
	}

	if (status == NETSCAPE_TOO_DEEP)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("bookmark folders nest deeper than %d levels at line %zu", NETSCAPE_MAX_DEPTH, entry.line)));
	if (status != NETSCAPE_END)
		elog(ERROR, "unexpected lack of memory in netscape_next");
	netscape_end(&parser);
	MemoryContextDelete(row_context);
	return (Datum) 0;
}
