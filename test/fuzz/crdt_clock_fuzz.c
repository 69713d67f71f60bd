/*
 * crdt_clock_fuzz.c: any bytes as two clocks: refused, or with one form, and rows that
 * join by the laws and have clocks again.
 */
/* sources: src/crdt/clock.c src/crdt/row_state.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/crdt_arena.h"
#include "crdt/row_state.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool right)
{
	if (!right)
		abort();
}

/* Put the base into the contexts that lack it, as the caller of clock_decode does. */
static void
fill_contexts(RowState *row)
{
	for (int i = 0; i < row->set_count; i++)
	{
		ElementSet *set = &row->sets[i];
		Stamp	   *context = crdt_alloc_array((size_t) set->context_count + 1, sizeof(Stamp));
		int			count = 0;

		while (count < set->context_count && set->context[count].site < row->base.site)
		{
			context[count] = set->context[count];
			count++;
		}
		if (count < set->context_count && set->context[count].site == row->base.site)
			continue;
		context[count] = row->base;
		for (int j = count; j < set->context_count; j++)
			context[j + 1] = set->context[j];
		set->context = context;
		set->context_count++;
	}
}

static void
check_encoded(const RowState *row, const uint8_t *bytes, size_t size)
{
	uint8_t    *again = crdt_alloc(size);

	expect(clock_encoded_size(row) == size);
	expect(clock_encode(row, again) == again + size && memcmp(again, bytes, size) == 0);
}

/* Decode a clock and encode it, with and without what follows from its base. */
static RowState *
decode(const uint8_t *data, size_t size)
{
	const char *error;
	uint8_t    *bytes = malloc(size + 1);
	RowState   *row;

	if (bytes == NULL)
		abort();
	memcpy(bytes, data, size);
	row = clock_decode(bytes, size, &error);
	expect((row == NULL) == (error != NULL));
	if (row != NULL)
	{
		check_encoded(row, bytes, size);
		fill_contexts(row);
		check_encoded(row, bytes, size);
	}
	free(bytes);
	return row;
}

/* The first two bytes say how long the first clock is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		first;
	RowState   *a;
	RowState   *b;

	if (size < 2)
		return 0;
	first = data[0] + 256 * (size_t) data[1];
	if (first > size - 2)
		first = size - 2;
	a = decode(data + 2, first);
	b = decode(data + 2 + first, size - 2 - first);
	if (a != NULL && b != NULL)
	{
		RowState   *joined = row_join(a, b);
		size_t		joined_size = clock_encoded_size(joined);
		uint8_t    *bytes = crdt_alloc(joined_size);
		Stamp		last = row_last_stamp(joined);

		expect(row_equal(row_join(a, a), a) && row_equal(row_join(b, b), b));
		expect(row_equal(row_join(b, a), joined));
		expect(row_equal(row_join(a, joined), joined) && row_equal(row_join(joined, b), joined));
		expect(stamp_compare(&last, &joined->base) >= 0);
		clock_encode(joined, bytes);
		expect(decode(bytes, joined_size) != NULL);
	}
	arena_free();
	return 0;
}
