/* crdt_prefix_test.c: what stands before the body of a delta, written, read, cut and made up. */
/* sources: src/crdt/delta_prefix.c src/crdt/version.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/delta.h"
#include "crdt/varint.h"
#include "crdt_arena.h"
#include "random.h"
#include "tap.h"

static const char *const no_part = "is not a part of a batch as it says";
static const char *const no_forgotten = "does not say what was forgotten as it says";
static const char *const no_tables = "does not say what it tells of tables as it says";

static uint64_t
random_life(void)
{
	return one_in(2) ? 0 : random_bits() >> (16 + random_below(48));
}

static Version *
random_forgotten(void)
{
	TxnRange	ranges[3];
	uint64_t	from = 0;

	if (one_in(3))
		return one_in(2) ? NULL : version_of_ranges(1, ranges, 0);
	for (int i = 0; i < 3; i++)
	{
		from += (uint64_t) random_below(1000);
		ranges[i] = (TxnRange) {from, from + (uint64_t) random_below(1000)};
		from = ranges[i].to + 1;
	}
	return version_union(version_of_dot(random_bits() | 1, 7), version_of_ranges(random_bits() | 1, ranges, 3));
}

static DeltaTable *
random_tables(int *count)
{
	static DeltaTable tables[3];
	uint64_t	id = 0;

	*count = random_below(4);
	for (int i = 0; i < *count; i++)
	{
		Version    *lacks = random_forgotten();

		tables[i].id = id += 1 + (random_bits() >> 8);
		tables[i].lacks = lacks != NULL && lacks->count > 0 ? lacks : NULL;
		tables[i].question = tables[i].lacks == NULL || one_in(2) ? 1 + (random_bits() >> 2) : 0;
		tables[i].here = tables[i].lacks != NULL && one_in(2);
	}
	return tables;
}

static bool
same_tables(const Delta *a, const Delta *b)
{
	bool		same = a->table_count == b->table_count;

	for (int i = 0; i < a->table_count && same; i++)
	{
		const DeltaTable *x = &a->tables[i];
		const DeltaTable *y = &b->tables[i];

		same = x->id == y->id && x->question == y->question && x->here == y->here && (x->lacks == NULL) == (y->lacks == NULL) &&
			(x->lacks == NULL || version_compare(x->lacks, y->lacks) == VERSION_EQUAL);
	}
	return same;
}

/* Whether a prefix is read as it was written, and no shorter one is. */
static bool
comes_back(const Delta *delta)
{
	size_t		size = delta_prefix_size(delta);
	int			flags = delta_prefix_flags(delta);
	uint8_t    *bytes = malloc(size + 1);
	const char *error = NULL;
	Delta		read;
	bool		has_forgotten = delta->forgotten != NULL && delta->forgotten->count > 0;
	bool		right = delta_encode_prefix(delta, bytes) == bytes + size;

	/* what follows is not its own */
	right = right && delta_decode_prefix(bytes, size + 1, flags, &read, &error) == bytes + size && error == NULL;
	right = right && read.stream == delta->stream && read.some == delta->some && read.repair == delta->repair && read.batch == delta->batch && read.lives == delta->lives;
	right = right && (delta->batch == 0 ? read.part == 0 && read.last : read.part == delta->part && read.last == delta->last);
	right = right && (has_forgotten ? read.forgotten != NULL && version_compare(read.forgotten, delta->forgotten) == VERSION_EQUAL :
					  read.forgotten == NULL);
	right = right && same_tables(&read, delta);
	for (size_t i = 0; i < size; i++)
	{
		uint8_t    *cut = malloc(i + 1);

		memcpy(cut, bytes, i);
		error = NULL;
		right = right && delta_decode_prefix(cut, i, flags, &read, &error) == NULL && error != NULL;
		free(cut);
	}
	free(bytes);
	return right;
}

static void
test_random(void)
{
	bool		right = true;

	for (int i = 0; i < 2000; i++)
	{
		Delta		delta = {.stream = one_in(2),.some = one_in(2),.repair = one_in(2),.lives = random_life(),.forgotten = random_forgotten()};

		delta.tables = random_tables(&delta.table_count);
		if (one_in(2))
		{
			delta.batch = random_bits() | 1;
			delta.part = 1 + (uint64_t) random_below(DELTA_MAX_PARTS);
			delta.last = one_in(2);
		}
		right = right && comes_back(&delta);
		arena_free();
	}
	ok(right, "random prefixes come back, and are refused when cut");
}

/* Whether bytes are refused as "expected" says; NULL if they are read. */
static void
expect(const char *name, int flags, const uint8_t *bytes, size_t size, const char *expected)
{
	uint8_t    *copy = malloc(size + 1);
	const char *error = NULL;
	Delta		delta;
	bool		is_read;

	memcpy(copy, bytes, size);
	is_read = delta_decode_prefix(copy, size, flags, &delta, &error) != NULL;
	ok(is_read == (expected == NULL) && (is_read || strcmp(error, expected) == 0), name);
	if (!is_read && expected != NULL && strcmp(error, expected) != 0)
		printf("# %s\n", error);
	free(copy);
	arena_free();
}

#define EXPECT(name, flags, expected, ...) \
	do \
	{ \
		uint8_t bytes[] = {__VA_ARGS__}; \
		expect(name, flags, bytes, sizeof(bytes), expected); \
	} while (0)

#define BATCH 1, 2, 3, 4, 5, 6, 7, 8
#define SITE_ONE 1, 0, 0, 0, 0, 0, 0, 0

static void
test_cases(void)
{
	Delta		nothing = {.batch = 0};
	uint8_t		one;
	uint8_t		lives[11];
	uint8_t    *end;

	ok(delta_prefix_size(&nothing) == 0 && delta_prefix_flags(&nothing) == 0 && delta_encode_prefix(&nothing, &one) == &one, "nothing is no bytes");
	EXPECT("a part", DELTA_PART, NULL, BATCH, 2);
	EXPECT("part zero", DELTA_PART, no_part, BATCH, 1);
	EXPECT("batch zero", DELTA_PART, no_part, 0, 0, 0, 0, 0, 0, 0, 0, 2);
	EXPECT("a part that is too late", DELTA_PART, no_part, BATCH, 0x82, 0x89, 0x7a);
	EXPECT("a part that is just in time", DELTA_PART, NULL, BATCH, 0x80, 0x89, 0x7a);
	EXPECT("a number in a longer form", DELTA_PART, no_part, BATCH, 0x82, 0);
	EXPECT("lives alone", DELTA_FORGOTTEN, NULL, 2, 0);
	EXPECT("lives of a stream and of a part", DELTA_STREAM | DELTA_PART | DELTA_FORGOTTEN, NULL, BATCH, 3, 2, 0);
	EXPECT("neither lives nor forgotten", DELTA_FORGOTTEN, no_forgotten, 0, 0);
	EXPECT("forgotten", DELTA_FORGOTTEN, NULL, 2, 12, 1, SITE_ONE, 1, 0, 5);
	EXPECT("forgotten without lives", DELTA_FORGOTTEN, NULL, 0, 12, 1, SITE_ONE, 1, 0, 5);
	EXPECT("forgotten that is empty", DELTA_FORGOTTEN, no_forgotten, 2, 1, 0);
	EXPECT("forgotten that is longer than all", DELTA_FORGOTTEN, no_forgotten, 2, 13, 1, SITE_ONE, 1, 0, 5);
	EXPECT("forgotten that ends too early", DELTA_FORGOTTEN, "has more parts than it has room for", 2, 11, 1, SITE_ONE, 1, 0, 5);
	EXPECT("forgotten with an empty range", DELTA_FORGOTTEN, "a range is empty", 2, 12, 1, SITE_ONE, 1, 0, 0);
	EXPECT("a table that is told whole", DELTA_TABLES, NULL, 1, SITE_ONE, 10, 0);
	EXPECT("two tables, of which one lacks something", DELTA_TABLES, NULL, 2, SITE_ONE, 10, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 12, 1, SITE_ONE, 1, 0, 5);
	EXPECT("no tables", DELTA_TABLES, no_tables, 0);
	EXPECT("tables that do not ascend", DELTA_TABLES, no_tables, 2, SITE_ONE, 10, 0, SITE_ONE, 10, 0);
	EXPECT("table zero", DELTA_TABLES, no_tables, 1, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0);
	EXPECT("a table of which nothing is said", DELTA_TABLES, no_tables, 1, SITE_ONE, 0, 0);
	EXPECT("a table that was made again and lacks nothing", DELTA_TABLES, no_tables, 1, SITE_ONE, 11, 0);
	EXPECT("a table that lacks an empty version", DELTA_TABLES, no_tables, 1, SITE_ONE, 0, 1, 0);
	EXPECT("a table that lacks more than there is", DELTA_TABLES, no_tables, 1, SITE_ONE, 0, 13, 1, SITE_ONE, 1, 0, 5);
	EXPECT("a table that lacks an empty range", DELTA_TABLES, "a range is empty", 1, SITE_ONE, 0, 12, 1, SITE_ONE, 1, 0, 0);
	EXPECT("more tables than there is room for", DELTA_TABLES, no_tables, 9, SITE_ONE, 10, 0);
	end = varint_write(lives, DELTA_MAX_LIFE);
	*end++ = 0;
	expect("the longest life", DELTA_FORGOTTEN, lives, (size_t) (end - lives), NULL);
	end = varint_write(lives, DELTA_MAX_LIFE + 1);
	*end++ = 0;
	expect("a longer life", DELTA_FORGOTTEN, lives, (size_t) (end - lives), no_forgotten);
	end = varint_write(lives, UINT64_MAX);
	*end++ = 0;
	expect("a life without room for another", DELTA_FORGOTTEN, lives, (size_t) (end - lives), no_forgotten);
}

int
main(void)
{
	test_cases();
	test_random();
	return done_testing();
}
