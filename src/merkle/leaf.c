/*
 * leaf.c: the bytes of leaves, and their sums.
 */
#include "merkle/leaf.h"

uint8_t    *
leaf_write(uint8_t *out, int after, int number, const Leaf *leaf)
{
	out = varint_write(out, (uint64_t) (number - after - 1));
	out = varint_write(out, zigzag(leaf->rows));
	out = fixed64_write(out, leaf->low);
	return fixed64_write(out, leaf->high);
}

const char *
leaves_add(Leaf *leaves, const uint8_t *bytes, size_t size)
{
	Reader		reader = {bytes, bytes + size, NULL};
	uint64_t	number = 0;

	while (reader_left(&reader) > 0)
	{
		uint64_t	gap = read_varint(&reader);
		Leaf		leaf;

		leaf.rows = unzigzag(read_varint(&reader));
		leaf.low = read_fixed64(&reader);
		leaf.high = read_fixed64(&reader);
		if (gap >= LEAF_COUNT - number)
			reader_fail(&reader, "a leaf's number is too large");
		if (reader.error != NULL)
			return reader.error;
		number += gap;
		leaf_add(&leaves[number++], &leaf);
	}
	return reader.error;
}

void
leaves_sum(const Leaf *leaves, int bits, Leaf *buckets)
{
	memset(buckets, 0, sizeof(Leaf) << bits);
	for (int i = 0; i < LEAF_COUNT; i++)
		leaf_add(&buckets[i >> (LEAF_BITS - bits)], &leaves[i]);
}
