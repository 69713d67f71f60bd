/*
 * varint.h: numbers in as few bytes as they need: 7 bits a byte, low bits first.
 */
#ifndef CRDT_VARINT_H
#define CRDT_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t
varint_size(uint64_t value)
{
	size_t		size = 1;

	while (value >= 0x80)
	{
		value >>= 7;
		size++;
	}
	return size;
}

static inline uint8_t *
varint_write(uint8_t *out, uint64_t value)
{
	while (value >= 0x80)
	{
		*out++ = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	*out++ = (uint8_t) value;
	return out;
}

/* What is left of bytes that are read.  "error" is NULL until something is wrong. */
typedef struct Reader
{
	const uint8_t *at;
	const uint8_t *end;
	const char *error;
} Reader;

static inline size_t
reader_left(const Reader *reader)
{
	return (size_t) (reader->end - reader->at);
}

/* Note what is wrong, unless something was before, and read nothing more. */
static inline void
reader_fail(Reader *reader, const char *error)
{
	if (reader->error == NULL)
		reader->error = error;
	reader->at = reader->end;
}

/* A number in its shortest form; 0 after an error. */
static inline uint64_t
read_varint(Reader *reader)
{
	uint64_t	value = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8_t		byte;

		if (reader->at == reader->end)
		{
			reader_fail(reader, "ends in the middle of a number");
			return 0;
		}
		byte = *reader->at++;
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			if (byte == 0 && shift > 0)
				break;
			return value;
		}
	}
	reader_fail(reader, "a number is not in its shortest form, or too large");
	return 0;
}

/* A number of things that take at least "each" bytes of what is left. */
static inline uint64_t
read_count(Reader *reader, size_t each)
{
	uint64_t	count = read_varint(reader);

	if (count > reader_left(reader) / each)
	{
		reader_fail(reader, "has more parts than it has room for");
		return 0;
	}
	return count;
}

/* The same for a list whose length is an int. */
static inline int
read_int_count(Reader *reader, size_t each)
{
	uint64_t	count = read_count(reader, each);

	if (count > INT32_MAX)
	{
		reader_fail(reader, "has too many parts");
		return 0;
	}
	return (int) count;
}

/* So many bytes, in place; NULL after an error. */
static inline const uint8_t *
read_bytes(Reader *reader, uint64_t size)
{
	const uint8_t *bytes = reader->at;

	if (size > reader_left(reader))
	{
		reader_fail(reader, "ends too early");
		return NULL;
	}
	reader->at += size;
	return bytes;
}

static inline uint8_t *
fixed32_write(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		*out++ = (uint8_t) (value >> (8 * i));
	return out;
}

static inline uint32_t
read_fixed32(Reader *reader)
{
	const uint8_t *bytes = read_bytes(reader, 4);
	uint32_t	value = 0;

	if (bytes != NULL)
		for (int i = 0; i < 4; i++)
			value |= (uint32_t) bytes[i] << (8 * i);
	return value;
}

static inline uint8_t *
fixed64_write(uint8_t *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		*out++ = (uint8_t) (value >> (8 * i));
	return out;
}

static inline uint64_t
read_fixed64(Reader *reader)
{
	const uint8_t *bytes = read_bytes(reader, 8);
	uint64_t	value = 0;

	if (bytes != NULL)
		for (int i = 0; i < 8; i++)
			value |= (uint64_t) bytes[i] << (8 * i);
	return value;
}

static inline uint64_t
zigzag(int64_t value)
{
	return ((uint64_t) value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t
unzigzag(uint64_t value)
{
	return (int64_t) ((value >> 1) ^ (value & 1 ? UINT64_MAX : 0));
}

#endif							/* CRDT_VARINT_H */
