/*
 * bookmark_url.c: keys, hashes and identifiers of URLs as SQL functions.
 *
 * All of them see a URL as UTF-8 whatever the encoding of the database, so
 * that nodes of different encodings agree.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bookmark/bookmark_glue.h"
#include "bookmark/url_key.h"
#include "mb/pg_wchar.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

VM_FUNCTION_INFO(vecmark_url_key);
VM_FUNCTION_INFO(vecmark_url_problem);
VM_FUNCTION_INFO(vecmark_url_hash);
VM_FUNCTION_INFO(vecmark_url_digest);
VM_FUNCTION_INFO(vecmark_url_id);
VM_FUNCTION_INFO(vecmark_url_host);
VM_FUNCTION_INFO(vecmark_url_rules);
VM_FUNCTION_INFO(vecmark_is_unchanged);
VM_FUNCTION_INFO(vecmark_head);

/* A key in memory of the current context; data is NULL when status tells why. */
typedef struct UrlKey
{
	UrlKeyStatus status;
	char	   *data;
	size_t		length;
} UrlKey;

/*
 * The key of a URL, without an error.  A key is ASCII and so is the same in
 * every encoding of a server.
 */
static UrlKey
key_of_url(text *url)
{
	UrlKey		key = {URL_KEY_TOO_LONG, NULL, 0};
	const char *utf8;
	size_t		length;

	/* conversion to UTF-8 never shortens, so this refuses before copying */
	if (VARSIZE_ANY_EXHDR(url) > URL_MAX_LENGTH)
		return key;
	utf8 = bookmark_utf8(url, &length);
	if (length > URL_MAX_LENGTH)
		return key;

	key.data = palloc(url_key_bound(length));
	key.status = url_key(utf8, length, key.data, &key.length);
	if (key.status != URL_KEY_OK)
	{
		pfree(key.data);
		key.data = NULL;
	}
	return key;
}

/* What is wrong with a URL, for people. */
static const char *
problem_text(UrlKeyStatus status)
{
	switch (status)
	{
		case URL_KEY_OK:
			break;
		case URL_KEY_EMPTY:
			return "URL is empty";
		case URL_KEY_TOO_LONG:
			return "URL or its key is longer than 65536 bytes";
	}
	return NULL;
}

StaticAssertDecl(URL_MAX_LENGTH == 65536, "problem_text names the limit");

/*
 * As key_of_url, with errors: 22023 for an empty URL, 54000 for one too long.
 */
static UrlKey
require_key(text *url)
{
	UrlKey		key = key_of_url(url);

	if (key.status != URL_KEY_OK)
		ereport(ERROR,
				(errcode(key.status == URL_KEY_EMPTY ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s", problem_text(key.status))));
	return key;
}

/*
 * SQL: vecmark.url_key(url text) -> text.
 */
Datum
vecmark_url_key(PG_FUNCTION_ARGS)
{
	UrlKey		key = require_key(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text_with_len(key.data, (int) key.length));
}

/*
 * SQL: vecmark_internal.url_problem(url text) -> text, NULL when there is none.
 */
Datum
vecmark_url_problem(PG_FUNCTION_ARGS)
{
	UrlKey		key = key_of_url(PG_GETARG_TEXT_PP(0));

	if (key.status == URL_KEY_OK)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem_text(key.status)));
}

/*
 * SQL: vecmark.url_hash(url text) -> bigint: XXH3-64 of the key.
 */
Datum
vecmark_url_hash(PG_FUNCTION_ARGS)
{
	UrlKey		key = require_key(PG_GETARG_TEXT_PP(0));

	PG_RETURN_INT64((int64) XXH3_64bits(key.data, key.length));
}

/* XXH3-128 of a key in its canonical order of bytes. */
static pg_uuid_t *
digest_of_key(text *key, uint64 seed)
{
	pg_uuid_t  *digest = (pg_uuid_t *) palloc(sizeof(pg_uuid_t));
	XXH128_canonical_t canonical;

	StaticAssertStmt(sizeof(canonical) == UUID_LEN, "a digest is as long as a uuid");
	XXH128_canonicalFromHash(&canonical,
							 XXH3_128bits_withSeed(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), seed));
	memcpy(digest->data, &canonical, UUID_LEN);
	return digest;
}

/*
 * SQL: vecmark.url_digest(url_key text) -> uuid: all 128 bits, for the unique
 * index.
 */
Datum
vecmark_url_digest(PG_FUNCTION_ARGS)
{
	PG_RETURN_UUID_P(digest_of_key(PG_GETARG_TEXT_PP(0), 0));
}

/*
 * SQL: vecmark_internal.url_id(url_key text, attempt integer) -> uuid, of version 8
 * (RFC 9562, section 5.8): the digest seeded with the attempt, with the bits
 * of version and variant set.
 */
Datum
vecmark_url_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = digest_of_key(PG_GETARG_TEXT_PP(0), (uint32) PG_GETARG_INT32(1));

	/* a row is about to get it and is not there yet */
	VM_POINT("url_id");
	id->data[6] = (id->data[6] & 0x0f) | 0x80;
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
	PG_RETURN_UUID_P(id);
}

/*
 * SQL: vecmark_internal.url_host(url_key text) -> text, NULL when the key has none.
 */
Datum
vecmark_url_host(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);
	const char *host;
	size_t		length;

	if (!url_key_host(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), &host, &length))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(host, (int) length));
}

/*
 * SQL: vecmark.url_rules() -> integer: number of the rule set of url_key.
 */
Datum
vecmark_url_rules(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(URL_KEY_RULES);
}

/*
 * SQL: vecmark_internal.is_unchanged(a anyelement, b anyelement) -> boolean: whether two
 * values are stored alike, without fetching what is stored out of line.  An
 * UPDATE hands on columns it does not set as they were, so false for a column
 * that was set to an equal value is possible, true for a changed one is not.
 */
Datum
vecmark_is_unchanged(PG_FUNCTION_ARGS)
{
	int16		length;
	bool		by_value;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(PG_ARGISNULL(0) && PG_ARGISNULL(1));
	get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 0), &length, &by_value);
	PG_RETURN_BOOL(datumIsEqual(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), by_value, length));
}

/*
 * SQL: vecmark_internal.head(source text, bytes integer) -> text: the beginning of a
 * text, whole characters, at most so many bytes.
 *
 * Errors: 22023 for a negative number.
 */
Datum
vecmark_head(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	int32		bytes = PG_GETARG_INT32(1);
	int			length = VARSIZE_ANY_EXHDR(source);

	if (bytes < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of bytes must not be negative, as %d is", bytes)));
	if (length <= bytes)
		PG_RETURN_TEXT_P(source);
	length = pg_mbcliplen(VARDATA_ANY(source), length, bytes);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(VARDATA_ANY(source), length));
}
