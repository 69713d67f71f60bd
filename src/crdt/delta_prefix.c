/*
 * delta_prefix.c: what stands in a delta between its checksum and its body.
 *
 * Pure C: it knows no PostgreSQL.
 */
#include "crdt/delta.h"
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
		(delta->lives != 0 || has_forgotten(delta) ? DELTA_FORGOTTEN : 0);
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
	return out;
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
	return reader.at;
}
