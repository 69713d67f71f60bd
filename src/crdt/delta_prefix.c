/*
 * delta_prefix.c: what stands in a delta between its checksum and its body.
 *
 * Pure C: it knows no PostgreSQL.
 */
#include "crdt/delta.h"

#include "crdt/crdt_alloc.h"
#include "crdt/varint.h"

static bool
has_forgotten(const Delta *delta)
{
	return delta->forgotten != NULL && delta->forgotten->count > 0;
}

int
delta_prefix_flags(const Delta *delta)
{
	return (delta->stream ? DELTA_STREAM : 0) | (delta->some ? DELTA_SOME : 0) | (delta->repair ? DELTA_REPAIR : 0) | (delta->batch != 0 ? DELTA_PART : 0) |
		(delta->lives != 0 || has_forgotten(delta) ? DELTA_FORGOTTEN : 0) | (delta->table_count > 0 ? DELTA_TABLES : 0);
}

size_t
delta_prefix_size(const Delta *delta)
{
	int			flags = delta_prefix_flags(delta);
	size_t		forgotten_size = has_forgotten(delta) ? version_encoded_size(delta->forgotten) : 0;
	size_t		size = 0;

	if (flags & DELTA_PART)
		size += 8 + varint_size(delta->part << 1 | (delta->last ? 1 : 0));
	if (flags & DELTA_FORGOTTEN)
		size += varint_size(delta->lives) + varint_size(forgotten_size) + forgotten_size;
	if (flags & DELTA_TABLES)
		size += varint_size((uint64_t) delta->table_count);
	for (int i = 0; i < delta->table_count; i++)
	{
		const DeltaTable *table = &delta->tables[i];
		size_t		lacks_size = table->lacks != NULL ? version_encoded_size(table->lacks) : 0;

		size += 8 + varint_size(table->question << 1 | (table->here ? 1 : 0)) + varint_size(lacks_size) + lacks_size;
	}
	return size;
}

uint8_t    *
delta_encode_prefix(const Delta *delta, uint8_t *out)
{
	int			flags = delta_prefix_flags(delta);

	if (flags & DELTA_PART)
		out = varint_write(fixed64_write(out, delta->batch), delta->part << 1 | (delta->last ? 1 : 0));
	if (flags & DELTA_FORGOTTEN)
	{
		out = varint_write(out, delta->lives);
		out = varint_write(out, has_forgotten(delta) ? version_encoded_size(delta->forgotten) : 0);
		if (has_forgotten(delta))
			out = version_encode(delta->forgotten, out);
	}
	if (flags & DELTA_TABLES)
		out = varint_write(out, (uint64_t) delta->table_count);
	for (int i = 0; i < delta->table_count; i++)
	{
		const DeltaTable *table = &delta->tables[i];

		out = varint_write(fixed64_write(out, table->id), table->question << 1 | (table->here ? 1 : 0));
		out = varint_write(out, table->lacks != NULL ? version_encoded_size(table->lacks) : 0);
		if (table->lacks != NULL)
			out = version_encode(table->lacks, out);
	}
	return out;
}

/* Reads what a delta says of tables; false if it does not say it as it must. */
static bool
read_tables(Reader *reader, Delta *delta, const char **error)
{
	int			count = read_int_count(reader, 10);

	*error = "does not say what it tells of tables as it says";
	if (reader->error != NULL || count == 0)
		return false;
	delta->tables = crdt_alloc_array((size_t) count, sizeof(DeltaTable));
	for (int i = 0; i < count; i++)
	{
		DeltaTable *table = &delta->tables[i];
		uint64_t	question;
		uint64_t	lacks_size;
		const uint8_t *lacks;

		table->id = read_fixed64(reader);
		question = read_varint(reader);
		lacks_size = read_count(reader, 1);
		lacks = read_bytes(reader, lacks_size);
		table->question = question >> 1;
		table->here = (question & 1) != 0;
		table->lacks = NULL;
		if (reader->error != NULL || table->id == 0 || (i > 0 && table->id <= delta->tables[i - 1].id) ||
			(table->question == 0 && lacks_size == 0) || (table->here && lacks_size == 0))
			return false;
		if (lacks_size != 0)
		{
			table->lacks = version_decode(lacks, lacks_size, error);
			if (table->lacks == NULL)
				return false;
			if (table->lacks->count == 0)
			{
				*error = "does not say what it tells of tables as it says";
				return false;
			}
			*error = "does not say what it tells of tables as it says";
		}
	}
	delta->table_count = count;
	*error = NULL;
	return true;
}

const uint8_t *
delta_decode_prefix(const uint8_t *bytes, size_t size, int flags, Delta *delta, const char **error)
{
	Reader		reader = {bytes, bytes + size, NULL};
	uint64_t	part = 1;

	delta->stream = (flags & DELTA_STREAM) != 0;
	delta->some = (flags & DELTA_SOME) != 0;
	delta->repair = (flags & DELTA_REPAIR) != 0;
	delta->batch = 0;
	delta->forgotten = NULL;
	delta->lives = 0;
	delta->table_count = 0;
	delta->tables = NULL;
	if (flags & DELTA_PART)
	{
		delta->batch = read_fixed64(&reader);
		part = read_varint(&reader);
		if (reader.error != NULL || delta->batch == 0 || part >> 1 == 0 || part >> 1 > DELTA_MAX_PARTS)
		{
			*error = "is not a part of a batch as it says";
			return NULL;
		}
	}
	delta->part = part >> 1;
	delta->last = (part & 1) != 0;
	if (flags & DELTA_FORGOTTEN)
	{
		uint64_t	forgotten_size;
		const uint8_t *forgotten;

		delta->lives = read_varint(&reader);
		forgotten_size = read_count(&reader, 1);
		forgotten = read_bytes(&reader, forgotten_size);
		if (reader.error != NULL || delta->lives > DELTA_MAX_LIFE || (delta->lives == 0 && forgotten_size == 0))
		{
			*error = "does not say what was forgotten as it says";
			return NULL;
		}
		if (forgotten_size != 0)
		{
			delta->forgotten = version_decode(forgotten, forgotten_size, error);
			if (delta->forgotten == NULL)
				return NULL;
			if (delta->forgotten->count == 0)
			{
				*error = "does not say what was forgotten as it says";
				return NULL;
			}
		}
	}
	if ((flags & DELTA_TABLES) && !read_tables(&reader, delta, error))
		return NULL;
	return reader.at;
}
