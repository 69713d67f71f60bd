/*
 * sync_types.c: the SQL types version_vector, rowclock and delta.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/pg_lzcompress.h"
#include "crdt/varint.h"
#include "libpq/pqformat.h"
#include "port/pg_crc32c.h"
#include "sync/sync_types.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

VM_FUNCTION_INFO(version_vector_in);
VM_FUNCTION_INFO(version_vector_out);
VM_FUNCTION_INFO(version_vector_recv);
VM_FUNCTION_INFO(version_vector_send);
VM_FUNCTION_INFO(version_vector_eq);
VM_FUNCTION_INFO(version_vector_ne);
VM_FUNCTION_INFO(version_vector_contains);
VM_FUNCTION_INFO(version_vector_contained);
VM_FUNCTION_INFO(version_vector_concurrent);
VM_FUNCTION_INFO(version_vector_union);
VM_FUNCTION_INFO(version_vector_minus);
VM_FUNCTION_INFO(version_vector_intersect);
VM_FUNCTION_INFO(version_vector_covers);
VM_FUNCTION_INFO(rowclock_in);
VM_FUNCTION_INFO(rowclock_out);
VM_FUNCTION_INFO(rowclock_recv);
VM_FUNCTION_INFO(rowclock_send);
VM_FUNCTION_INFO(delta_in);
VM_FUNCTION_INFO(delta_out);
VM_FUNCTION_INFO(delta_recv);
VM_FUNCTION_INFO(delta_send);

#define DELTA_MAGIC "VMD"
#define DELTA_HEADER 9
/* The size before compression. */
#define DELTA_SIZE_ROOM 10

static const uint8_t *
bytes_of(Datum datum, size_t *size)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);

	*size = VARSIZE_ANY_EXHDR(value);
	return (const uint8_t *) VARDATA_ANY(value);
}

static struct varlena *
make_varlena(size_t size)
{
	struct varlena *value;

	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %zu bytes is too large", size)));
	value = palloc(VARHDRSZ + size);
	SET_VARSIZE(value, VARHDRSZ + size);
	return value;
}

/* A version as a value of SQL. */
Datum
sync_version_datum(const Version *version)
{
	struct varlena *value = make_varlena(version_encoded_size(version));

	version_encode(version, (uint8_t *) VARDATA(value));
	return PointerGetDatum(value);
}

/*
 * The version in a value of SQL, with the questions that it asks.
 *
 * Errors: XX001 if it is damaged.
 */
static Version *
version_with_questions(Datum datum)
{
	size_t		size;
	const uint8_t *bytes = bytes_of(datum, &size);
	const char *error;
	Version    *version = version_decode(bytes, size, &error);

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("version_vector is corrupted: %s", error)));
	return version;
}

/*
 * The version in a value of SQL, without the questions that it asks.
 *
 * Errors: XX001 if it is damaged.
 */
Version    *
sync_version_from_datum(Datum datum)
{
	return version_transactions(version_with_questions(datum));
}

/* The questions in it. */
Version    *
sync_questions_from_datum(Datum datum)
{
	return version_questions(version_with_questions(datum));
}

/* SQL: version_vector_in(cstring); 22P02 for what is not one. */
Datum
version_vector_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	const char *error;
	Version    *version = version_parse(text, &error);

	if (version == NULL)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type version_vector: \"%.200s\"", text),
				 errdetail("Reason: %s.", error)));
	PG_RETURN_DATUM(sync_version_datum(version));
}

/* SQL: version_vector_out(version_vector). */
Datum
version_vector_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(version_print(version_with_questions(PG_GETARG_DATUM(0))));
}

/* SQL: version_vector_recv(internal); 22P03 for what is not one. */
Datum
version_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			size = message->len - message->cursor;
	const char *bytes = pq_getmsgbytes(message, size);
	const char *error;
	Version    *version = version_decode((const uint8_t *) bytes, size, &error);

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary version_vector: %s", error)));
	PG_RETURN_DATUM(sync_version_datum(version));
}

static Datum
send_bytes(Datum value)
{
	StringInfoData message;
	size_t		size;
	const uint8_t *bytes = bytes_of(value, &size);

	pq_begintypsend(&message);
	pq_sendbytes(&message, (const char *) bytes, size);
	return PointerGetDatum(pq_endtypsend(&message));
}

/* SQL: version_vector_send(version_vector). */
Datum
version_vector_send(PG_FUNCTION_ARGS)
{
	return send_bytes(PG_GETARG_DATUM(0));
}

static VersionOrder
compare_arguments(FunctionCallInfo fcinfo)
{
	return version_compare(sync_version_from_datum(PG_GETARG_DATUM(0)),
						   sync_version_from_datum(PG_GETARG_DATUM(1)));
}

/* SQL: version_vector = version_vector: whether both have the same transactions. */
Datum
version_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == VERSION_EQUAL);
}

/* SQL: version_vector <> version_vector. */
Datum
version_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != VERSION_EQUAL);
}

/* SQL: version_vector @> version_vector: whether the first dominates. */
Datum
version_vector_contains(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(version_dominates(sync_version_from_datum(PG_GETARG_DATUM(0)),
									 sync_version_from_datum(PG_GETARG_DATUM(1))));
}

/* SQL: version_vector <@ version_vector: whether the second dominates. */
Datum
version_vector_contained(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(version_dominates(sync_version_from_datum(PG_GETARG_DATUM(1)),
									 sync_version_from_datum(PG_GETARG_DATUM(0))));
}

/* SQL: vecmark.is_concurrent(version_vector, version_vector): neither dominates. */
Datum
version_vector_concurrent(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == VERSION_CONCURRENT);
}

/* SQL: version_vector + version_vector: what either has. */
Datum
version_vector_union(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(sync_version_datum(version_union(sync_version_from_datum(PG_GETARG_DATUM(0)),
													 sync_version_from_datum(PG_GETARG_DATUM(1)))));
}

/* SQL: version_vector - version_vector: what only the first has. */
Datum
version_vector_minus(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(sync_version_datum(version_minus(sync_version_from_datum(PG_GETARG_DATUM(0)),
													 sync_version_from_datum(PG_GETARG_DATUM(1)))));
}

/* SQL: version_vector * version_vector: what both have. */
Datum
version_vector_intersect(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(sync_version_datum(version_intersect(sync_version_from_datum(PG_GETARG_DATUM(0)),
														 sync_version_from_datum(PG_GETARG_DATUM(1)))));
}

/* SQL: vecmark_internal.covers(version_vector, site bigint, txn bigint). */
Datum
version_vector_covers(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(version_covers(sync_version_from_datum(PG_GETARG_DATUM(0)),
								  (Site) PG_GETARG_INT64(1), (uint64_t) PG_GETARG_INT64(2)));
}

/* The clock of a row as a value of SQL. */
Datum
sync_clock_datum(const RowState *row)
{
	struct varlena *value = make_varlena(clock_encoded_size(row));

	clock_encode(row, (uint8_t *) VARDATA(value));
	return PointerGetDatum(value);
}

/*
 * The clock in a value of SQL: what clock_decode gives.
 *
 * Errors: XX001 if it is damaged.
 */
RowState   *
sync_clock_from_datum(Datum datum)
{
	size_t		size;
	const uint8_t *bytes = bytes_of(datum, &size);
	const char *error;
	RowState   *clock = clock_decode(bytes, size, &error);

	if (clock == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("clock of a row is corrupted: %s", error)));
	return clock;
}

/*
 * Bytes from hexadecimal digits; NULL if they are not.
 */
static struct varlena *
from_hex(const char *text)
{
	size_t		digits = strlen(text);
	struct varlena *value;

	if (digits % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != digits)
		return NULL;
	value = make_varlena(digits / 2);
	hex_decode(text, digits, VARDATA(value));
	return value;
}

static char *
to_hex(Datum datum)
{
	size_t		size;
	const uint8_t *bytes = bytes_of(datum, &size);
	char	   *text = palloc_extended(2 * size + 1, MCXT_ALLOC_HUGE);

	text[		hex_encode((const char *) bytes, size, text)] = '\0';
	return text;
}

/* SQL: rowclock_in(cstring): hexadecimal digits; 22P02 for what is no clock. */
Datum
rowclock_in(PG_FUNCTION_ARGS)
{
	struct varlena *value = from_hex(PG_GETARG_CSTRING(0));
	const char *error = "is not made of hexadecimal digits";

	if (value == NULL || clock_decode((uint8_t *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &error) == NULL)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type rowclock: \"%.200s\"", PG_GETARG_CSTRING(0)),
				 errdetail("Reason: %s.", error)));
	PG_RETURN_POINTER(value);
}

/* SQL: rowclock_out(rowclock). */
Datum
rowclock_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(to_hex(PG_GETARG_DATUM(0)));
}

static struct varlena *
receive_bytes(StringInfo message)
{
	int			size = message->len - message->cursor;
	struct varlena *value = make_varlena(size);

	pq_copymsgbytes(message, VARDATA(value), size);
	return value;
}

/* SQL: rowclock_recv(internal); 22P03 for what is no clock. */
Datum
rowclock_recv(PG_FUNCTION_ARGS)
{
	struct varlena *value = receive_bytes((StringInfo) PG_GETARG_POINTER(0));
	const char *error;

	if (clock_decode((uint8_t *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &error) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary rowclock: %s", error)));
	PG_RETURN_POINTER(value);
}

/* SQL: rowclock_send(rowclock). */
Datum
rowclock_send(PG_FUNCTION_ARGS)
{
	return send_bytes(PG_GETARG_DATUM(0));
}

static uint32
checksum(const uint8_t *bytes, size_t size)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bytes, size);
	FIN_CRC32C(crc);
	return crc;
}

/*
 * A delta as a value of SQL; compressed if that makes it smaller.
 *
 * Errors: 54000 above DELTA_MAX_SIZE.
 */
Datum
sync_delta_datum(const Delta *delta)
{
	size_t		size;
	uint8_t    *body = delta_encode_body(delta, &size);
	struct varlena *value;
	uint8_t    *start;
	uint8_t    *out;
	int			flags = delta_prefix_flags(delta);
	int32		compressed = -1;
	uint32		crc;

	if (body == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a delta would be larger than %zu bytes", DELTA_MAX_SIZE),
				 errhint("Ask for smaller ones with max_bytes.")));
	value = make_varlena(DELTA_HEADER + delta_prefix_size(delta) + DELTA_SIZE_ROOM + PGLZ_MAX_OUTPUT(size));
	start = (uint8_t *) VARDATA(value) + DELTA_HEADER;
	out = delta_encode_prefix(delta, start);
	if (size >= 128)
		compressed = pglz_compress((char *) body, size, (char *) varint_write(out, size), PGLZ_strategy_default);
	if (compressed >= 0)
	{
		flags |= DELTA_COMPRESSED;
		out += varint_size(size) + compressed;
	}
	else
	{
		memcpy(out, body, size);
		out += size;
	}
	memcpy(VARDATA(value), DELTA_MAGIC, 3);
	VARDATA(value)[3] = DELTA_FORMAT;
	VARDATA(value)[4] = flags;
	crc = checksum(start, out - start) ^ (uint32) flags;
	for (int i = 0; i < 4; i++)
		VARDATA(value)[5 + i] = (char) (crc >> (8 * i));
	SET_VARSIZE(value, VARHDRSZ + DELTA_HEADER + (out - start));
	return PointerGetDatum(value);
}

/*
 * Read a delta; NULL, with what is wrong in *error, if it is none.  The result may
 * point into the bytes.
 */
static Delta *
read_delta(const uint8_t *bytes, size_t size, const char **error)
{
	Delta	   *delta;
	Reader		reader;
	Delta		prefix;
	uint32		crc = 0;
	int			flags;

	if (size < DELTA_HEADER || memcmp(bytes, DELTA_MAGIC, 3) != 0)
	{
		*error = "does not begin as a delta does";
		return NULL;
	}
	if (bytes[3] != DELTA_FORMAT)
	{
		*error = "is of another version of the format; both nodes need versions of vecmark that have it in common";
		return NULL;
	}
	flags = bytes[4];
	for (int i = 0; i < 4; i++)
		crc |= (uint32) bytes[5 + i] << (8 * i);
	reader = (Reader)
	{
		bytes + DELTA_HEADER, bytes + size, NULL
	};
	if ((flags & ~(DELTA_STREAM | DELTA_COMPRESSED | DELTA_PART | DELTA_FORGOTTEN | DELTA_SOME | DELTA_REPAIR | DELTA_TABLES)) != 0 ||
		crc != (checksum(reader.at, reader_left(&reader)) ^ (uint32) flags))
	{
		*error = "does not have the checksum that it says";
		return NULL;
	}
	reader.at = delta_decode_prefix(reader.at, reader_left(&reader), flags, &prefix, error);
	if (reader.at == NULL)
		return NULL;
	if (flags & DELTA_COMPRESSED)
	{
		uint64_t	plain_size = read_varint(&reader);
		char	   *plain;

		/* A match of pglz takes 2 bytes at the least and makes 273 at most. */
		if (reader.error != NULL || plain_size > DELTA_MAX_SIZE || plain_size > (uint64_t) reader_left(&reader) * 273)
		{
			*error = "cannot be of the size that it says";
			return NULL;
		}
		plain = palloc(plain_size + 1);
		if (pglz_decompress((const char *) reader.at, reader_left(&reader), plain, plain_size, true) != (int32) plain_size)
		{
			*error = "is not compressed as it says";
			return NULL;
		}
		reader = (Reader)
		{
			(uint8_t *) plain, (uint8_t *) plain + plain_size, NULL
		};
	}
	delta = delta_decode_body(reader.at, reader_left(&reader), error);
	if (delta != NULL)
	{
		delta->stream = prefix.stream;
		delta->some = prefix.some;
		delta->repair = prefix.repair;
		delta->batch = prefix.batch;
		delta->part = prefix.part;
		delta->last = prefix.last;
		delta->forgotten = prefix.forgotten;
		delta->table_count = prefix.table_count;
		delta->tables = prefix.tables;
		delta->lives = prefix.lives;
	}
	return delta;
}

/*
 * The delta in a value of SQL, which it may point into.
 *
 * Errors: XX001 if it is damaged.
 */
Delta *
sync_delta_from_datum(Datum datum)
{
	size_t		size;
	const uint8_t *bytes = bytes_of(datum, &size);
	const char *error;
	Delta	   *delta = read_delta(bytes, size, &error);

	if (delta == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("delta is corrupted: %s", error)));
	return delta;
}

/* SQL: delta_in(cstring): hexadecimal digits; 22P02 for what is no delta. */
Datum
delta_in(PG_FUNCTION_ARGS)
{
	struct varlena *value = from_hex(PG_GETARG_CSTRING(0));
	const char *error = "is not made of hexadecimal digits";

	if (value == NULL || read_delta((uint8_t *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &error) == NULL)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type delta: \"%.100s\"", PG_GETARG_CSTRING(0)),
				 errdetail("Reason: %s.", error)));
	PG_RETURN_POINTER(value);
}

/* SQL: delta_out(delta). */
Datum
delta_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(to_hex(PG_GETARG_DATUM(0)));
}

/* SQL: delta_recv(internal); 22P03 for what is no delta. */
Datum
delta_recv(PG_FUNCTION_ARGS)
{
	struct varlena *value = receive_bytes((StringInfo) PG_GETARG_POINTER(0));
	const char *error;

	if (read_delta((uint8_t *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &error) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary delta: %s", error)));
	PG_RETURN_POINTER(value);
}

/* SQL: delta_send(delta). */
Datum
delta_send(PG_FUNCTION_ARGS)
{
	return send_bytes(PG_GETARG_DATUM(0));
}

/* XXH3-64 of the bytes of a value. */
uint64_t
sync_hash_datum(Datum datum)
{
	size_t		size;
	const uint8_t *bytes = bytes_of(datum, &size);

	return XXH3_64bits(bytes, size);
}
