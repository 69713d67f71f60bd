/*
 * sync_json.c: deltas and clocks of rows as jsonb, for people to read.
 */
#include "postgres.h"
#include "compat.h"

#include <inttypes.h>

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "sync/sync_types.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"

VM_FUNCTION_INFO(delta_to_jsonb);
VM_FUNCTION_INFO(rowclock_to_jsonb);

/* A jsonb has no more, and its text seldom less than it has. */
#define JSON_MAX JENTRY_OFFLENMASK

#define MS_PER_DAY (INT64CONST(24) * 60 * 60 * 1000)

/* A comma, unless what was written last began something. */
static void
append_comma(StringInfo json)
{
	char		last = json->len == 0 ? '{' : json->data[json->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoChar(json, ',');
}

/* "name": and, unless that is 0, what its value begins with. */
static void
append_name(StringInfo json, const char *name, char opening)
{
	append_comma(json);
	appendStringInfo(json, "\"%s\":", name);
	if (opening != '\0')
		appendStringInfoChar(json, opening);
}

/* Whether bytes are text that this database can show. */
static bool
is_text(const char *data, size_t size, int encoding)
{
	if (encoding == GetDatabaseEncoding())
		return pg_verifymbstr(data, (int) size, true);
	for (size_t i = 0; i < size; i++)
	{
		if (data[i] == '\0' || IS_HIGHBIT_SET(data[i]))
			return false;
	}
	return true;
}

/*
 * A string: text as it is; \x and hexadecimal digits of what is binary, no text of
 * this database, or begins with \x itself.
 */
static void
append_bytes(StringInfo json, const char *data, size_t size, bool binary, int encoding)
{
	if (binary || (size >= 2 && memcmp(data, "\\x", 2) == 0) || !is_text(data, size, encoding))
	{
		appendStringInfoString(json, "\"\\\\x");
		enlargeStringInfo(json, (int) size * 2);
		json->len += (int) hex_encode(data, size, json->data + json->len);
		appendStringInfoChar(json, '"');
	}
	else
	{
		char	   *text = pnstrdup(data, size);

		escape_json(json, text);
		pfree(text);
	}
}

static void
append_value(StringInfo json, Image value, bool binary, int encoding)
{
	if (value.data == NULL)
		appendStringInfoString(json, "null");
	else
		append_bytes(json, value.data, value.size, binary, encoding);
}

/*
 * What a stamp says, into an object that is open.  The clock is in UTC, whatever the
 * session's time zone is.
 *
 * Errors: 54000 when there is more than a jsonb can hold.
 */
static void
append_stamp(StringInfo json, const Stamp *stamp)
{
	int64		ms = (int64) (stamp->time >> 16);
	int			rest = (int) (ms % MS_PER_DAY);
	int			year;
	int			month;
	int			day;

	if (json->len > JSON_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value is too large for jsonb")));
	j2date(UNIX_EPOCH_JDATE + (int) (ms / MS_PER_DAY), &year, &month, &day);
	append_comma(json);
	appendStringInfo(json, "\"at\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", year, month, day,
					 rest / (60 * 60 * 1000), rest / (60 * 1000) % 60, rest / 1000 % 60, rest % 1000);
	if ((stamp->time & 0xffff) != 0)
		appendStringInfo(json, ",\"count\":%d", (int) (stamp->time & 0xffff));
	appendStringInfo(json, ",\"site\":\"%016" PRIx64 "\",\"txn\":%" PRIu64, stamp->site, stamp->txn);
}

static void
append_stamps(StringInfo json, const Stamp *stamps, int count)
{
	for (int i = 0; i < count; i++)
	{
		append_comma(json);
		appendStringInfoChar(json, '{');
		append_stamp(json, &stamps[i]);
		appendStringInfoChar(json, '}');
	}
}

/*
 * The column that something is of, as the name of a member: by its published name, or
 * in a clock, where "relation" is NULL, by the hash of that.
 */
static void
append_column(StringInfo json, ColumnId column, const DeltaRelation *relation, int encoding)
{
	append_comma(json);
	if (relation == NULL)
		appendStringInfo(json, "\"%08x\"", column);
	else
	{
		const char *name = relation->columns[column].name;

		append_bytes(json, name, strlen(name), false, encoding);
	}
	appendStringInfoChar(json, ':');
}

static void
append_set(StringInfo json, const ElementSet *set, const DeltaRelation *relation, int encoding)
{
	appendStringInfoString(json, "{\"elements\":[");
	for (int i = 0; i < set->count; i++)
	{
		const Element *element = &set->elements[i];

		append_comma(json);
		appendStringInfoChar(json, '{');
		if (relation == NULL)
			appendStringInfo(json, "\"hash\":\"%016" PRIx64 "\"", element->hash);
		else
		{
			append_name(json, "value", '\0');
			append_value(json, element->value, form_is_binary(set->form), encoding);
		}
		append_name(json, "adds", '[');
		append_stamps(json, element->dots, element->count);
		appendStringInfoString(json, "]}");
	}
	appendStringInfoString(json, "],\"context\":[");
	append_stamps(json, set->context, set->context_count);
	appendStringInfoString(json, "]}");
}

/* The state of a row, into an object that is open. */
static void
append_row(StringInfo json, const RowState *row, const DeltaRelation *relation, int encoding)
{
	append_comma(json);
	appendStringInfo(json, "\"life\":%" PRIu64 ",\"alive\":%s", row->life, row_is_alive(row) ? "true" : "false");
	if (row->base.site != 0)
	{
		append_name(json, "base", '{');
		append_stamp(json, &row->base);
		appendStringInfoChar(json, '}');
	}
	if (row->register_count > 0)
	{
		append_name(json, "columns", '{');
		for (int i = 0; i < row->register_count; i++)
		{
			const Register *reg = &row->registers[i];

			append_column(json, reg->column, relation, encoding);
			appendStringInfoChar(json, '{');
			if (relation != NULL)
			{
				append_name(json, "value", '\0');
				append_value(json, reg->value, form_is_binary(reg->form), encoding);
			}
			append_stamp(json, &reg->stamp);
			appendStringInfoChar(json, '}');
		}
		appendStringInfoChar(json, '}');
	}
	if (row->counter_count > 0)
	{
		append_name(json, "counters", '{');
		for (int i = 0; i < row->counter_count; i++)
		{
			const Counter *counter = &row->counters[i];

			append_column(json, counter->column, relation, encoding);
			appendStringInfoChar(json, '[');
			for (int j = 0; j < counter->count; j++)
			{
				append_comma(json);
				appendStringInfo(json, "{\"total\":%" PRId64, counter->shares[j].total);
				append_stamp(json, &counter->shares[j].stamp);
				appendStringInfoChar(json, '}');
			}
			appendStringInfoChar(json, ']');
		}
		appendStringInfoChar(json, '}');
	}
	if (row->set_count > 0)
	{
		append_name(json, "sets", '{');
		for (int i = 0; i < row->set_count; i++)
		{
			append_column(json, row->sets[i].column, relation, encoding);
			append_set(json, &row->sets[i], relation, encoding);
		}
		appendStringInfoChar(json, '}');
	}
}

static void
append_relation(StringInfo json, const DeltaRelation *relation, int encoding)
{
	append_comma(json);
	appendStringInfoString(json, "{\"name\":");
	append_bytes(json, relation->name, strlen(relation->name), false, encoding);
	append_name(json, "rows", '[');
	for (int i = 0; i < relation->row_count; i++)
	{
		const DeltaRow *row = &relation->rows[i];

		CHECK_FOR_INTERRUPTS();
		append_comma(json);
		appendStringInfoString(json, "{\"key\":");
		append_bytes(json, row->key.data, row->key.size, false, encoding);
		append_row(json, row->state, relation, encoding);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoString(json, "]}");
}

/* SQL: vecmark_internal.delta_to_jsonb(delta).  Errors: 54000 for what jsonb cannot hold. */
Datum
delta_to_jsonb(PG_FUNCTION_ARGS)
{
	Delta	   *delta = sync_delta_from_datum(PG_GETARG_DATUM(0));
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"sender\":\"%016" PRIx64 "\",\"stream\":%s", delta->sender, delta->stream ? "true" : "false");
	if (delta->some)
		appendStringInfoString(&json, ",\"some\":true");
	if (delta->repair)
		appendStringInfoString(&json, ",\"repair\":true");
	if (delta->batch != 0)
		appendStringInfo(&json, ",\"batch\":\"%016" PRIx64 "\",\"part\":%" PRIu64 ",\"last\":%s",
						 delta->batch, delta->part, delta->last ? "true" : "false");
	if (PG_VALID_ENCODING(delta->encoding))
		appendStringInfo(&json, ",\"encoding\":\"%s\"", pg_encoding_to_char(delta->encoding));
	appendStringInfo(&json, ",\"base\":\"%s\"", version_print(delta->base));
	appendStringInfo(&json, ",\"to\":\"%s\"", version_print(delta->to));
	if (delta->forgotten != NULL)
		appendStringInfo(&json, ",\"forgotten\":\"%s\"", version_print(delta->forgotten));
	if (delta->lives != 0)
		appendStringInfo(&json, ",\"lives\":%" PRIu64, delta->lives);
	append_name(&json, "tables", '[');
	for (int i = 0; i < delta->relation_count; i++)
		append_relation(&json, &delta->relations[i], delta->encoding);
	appendStringInfoString(&json, "]}");
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* SQL: vecmark_internal.rowclock_to_jsonb(rowclock).  Errors: 54000 for what jsonb cannot hold. */
Datum
rowclock_to_jsonb(PG_FUNCTION_ARGS)
{
	RowState   *row = sync_clock_from_datum(PG_GETARG_DATUM(0));
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_row(&json, row, NULL, 0);
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}
