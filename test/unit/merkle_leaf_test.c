/* merkle_leaf_test.c: leaves of digests: sums, bytes, buckets, and bytes that are none. */
/* sources: src/merkle/leaf.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merkle/leaf.h"
#include "random.h"
#include "tap.h"

static Leaf
random_leaf(void)
{
	return (Leaf)
	{
		one_in(4) ? UINT64_MAX : random_bits(), one_in(4) ? UINT64_MAX : random_bits(), (int64_t) random_below(2000) - 1000
	};
}

static bool
same(const Leaf *a, const Leaf *b)
{
	return a->low == b->low && a->high == b->high && a->rows == b->rows;
}

static bool
adds_as_a_group(void)
{
	for (int i = 0; i < 100000; i++)
	{
		Leaf		a = random_leaf();
		Leaf		b = random_leaf();
		Leaf		c = random_leaf();
		Leaf		left = a;
		Leaf		right = c;
		Leaf		zero = {0, 0, 0};

		leaf_add(&left, &b);
		leaf_add(&left, &c);
		leaf_add(&right, &a);
		leaf_add(&right, &b);
		if (!same(&left, &right))
			return false;
		leaf_subtract(&left, &b);
		leaf_subtract(&left, &a);
		if (!same(&left, &c))
			return false;
		leaf_subtract(&left, &c);
		leaf_subtract(&zero, &a);
		leaf_add(&zero, &a);
		if (!leaf_is_zero(&left) || !leaf_is_zero(&zero))
			return false;
	}
	return true;
}

static Leaf
with_xor(const Leaf *a, const Leaf *b, const Leaf *c)
{
	return (Leaf)
	{
		a->low ^ b->low ^ c->low, a->high ^ b->high ^ c->high, 3
	};
}

static Leaf
with_sum(const Leaf *a, const Leaf *b, const Leaf *c)
{
	Leaf		sum = *a;

	leaf_add(&sum, b);
	leaf_add(&sum, c);
	return sum;
}

/* Of as many rows, some of them there twice. */
static void
sums_see_doubles(void)
{
	Leaf		a = {11, 12, 1};
	Leaf		b = {21, 22, 1};
	Leaf		c = {31, 32, 1};
	Leaf		one = with_sum(&a, &a, &b);
	Leaf		other = with_sum(&c, &c, &b);
	Leaf		xor_one = with_xor(&a, &a, &b);
	Leaf		xor_other = with_xor(&c, &c, &b);

	ok(!same(&one, &other), "two rows that are each there twice do not add up to the same");
	ok(same(&xor_one, &xor_other), "with XOR they would");
}

static bool
come_back(void)
{
	Leaf	   *leaves = calloc(LEAF_COUNT, sizeof(Leaf));
	Leaf	   *read = calloc(LEAF_COUNT, sizeof(Leaf));
	uint8_t    *bytes = malloc((size_t) LEAF_COUNT * LEAF_SIZE_MAX);
	uint8_t    *out = bytes;
	int			after = -1;
	bool		right;

	for (int i = 0; i < LEAF_COUNT; i++)
		if (i == 0 || i == LEAF_COUNT - 1 || one_in(3))
		{
			leaves[i] = random_leaf();
			out = leaf_write(out, after, i, &leaves[i]);
			after = i;
		}
	right = leaves_add(read, bytes, (size_t) (out - bytes)) == NULL && memcmp(leaves, read, sizeof(Leaf) * LEAF_COUNT) == 0;

	/* twice is the double */
	right &= leaves_add(read, bytes, (size_t) (out - bytes)) == NULL;
	for (int i = 0; i < LEAF_COUNT; i++)
		leaf_subtract(&read[i], &leaves[i]);
	right &= memcmp(leaves, read, sizeof(Leaf) * LEAF_COUNT) == 0;
	free(leaves);
	free(read);
	free(bytes);
	return right;
}

static bool
sums_are_of_all(void)
{
	Leaf	   *leaves = calloc(LEAF_COUNT, sizeof(Leaf));
	Leaf	   *buckets = calloc(LEAF_COUNT, sizeof(Leaf));
	Leaf		root = {0, 0, 0};
	bool		right = true;

	for (int i = 0; i < LEAF_COUNT; i++)
	{
		leaves[i] = random_leaf();
		leaf_add(&root, &leaves[i]);
	}
	for (int bits = 0; bits <= LEAF_BITS; bits++)
	{
		Leaf		sum = {0, 0, 0};

		leaves_sum(leaves, bits, buckets);
		for (int i = 0; i < 1 << bits; i++)
			leaf_add(&sum, &buckets[i]);
		right &= same(&sum, &root);
	}
	right &= memcmp(leaves, buckets, sizeof(Leaf) * LEAF_COUNT) == 0;
	free(leaves);
	free(buckets);
	return right;
}

static const char *
read_bad(const uint8_t *bytes, size_t size)
{
	Leaf	   *leaves = calloc(LEAF_COUNT, sizeof(Leaf));
	uint8_t    *exact = malloc(size + (size == 0));
	const char *error;

	memcpy(exact, bytes, size);
	error = leaves_add(leaves, exact, size);
	free(leaves);
	free(exact);
	return error;
}

int
main(void)
{
	uint8_t		bytes[2 * LEAF_SIZE_MAX];
	Leaf		leaf = {1, 2, 3};
	size_t		size = (size_t) (leaf_write(bytes, -1, 300, &leaf) - bytes);
	bool		refused = true;

	ok(adds_as_a_group(), "sums do not depend on order, and are undone");
	sums_see_doubles();
	ok(come_back(), "leaves come back from their bytes");
	ok(sums_are_of_all(), "buckets of any number of bits add up to the root");
	ok(read_bad(bytes, 0) == NULL && read_bad(bytes, size) == NULL, "no bytes, and those of a leaf, are read");
	for (size_t i = 1; i < size; i++)
		refused &= read_bad(bytes, i) != NULL;
	ok(refused, "bytes that end early are refused");
	size = (size_t) (leaf_write(bytes, -1, LEAF_COUNT, &leaf) - bytes);
	ok(read_bad(bytes, size) != NULL, "a number that is too large is refused");
	size = (size_t) (leaf_write(leaf_write(bytes, -1, LEAF_COUNT - 1, &leaf), LEAF_COUNT - 1, LEAF_COUNT, &leaf) - bytes);
	ok(read_bad(bytes, size) != NULL, "and one that becomes so");
	memset(bytes, 0xff, sizeof(bytes));
	ok(read_bad(bytes, sizeof(bytes)) != NULL, "a number that no varint has is refused");
	return done_testing();
}
