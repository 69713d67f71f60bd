/*
 * leaf.h: sums of rows by the hash of their key, and their form in bytes.
 *
 * Pure C: it knows no PostgreSQL.
 */
#ifndef MERKLE_LEAF_H
#define MERKLE_LEAF_H

#include "crdt/varint.h"

#define LEAF_BITS 16
#define LEAF_COUNT (1 << LEAF_BITS)

/*
 * What the rows of a leaf add up to: their digests, modulo 2^128, and their number.  A sum,
 * as with XOR a row that is there twice would be as one that is not there at all.
 */
typedef struct Leaf
{
	uint64_t	low;
	uint64_t	high;
	int64_t		rows;
} Leaf;

static inline void
leaf_add(Leaf *leaf, const Leaf *other)
{
	leaf->low += other->low;
	leaf->high += other->high + (leaf->low < other->low);
	leaf->rows = (int64_t) ((uint64_t) leaf->rows + (uint64_t) other->rows);
}

static inline void
leaf_subtract(Leaf *leaf, const Leaf *other)
{
	leaf->high -= other->high + (leaf->low < other->low);
	leaf->low -= other->low;
	leaf->rows = (int64_t) ((uint64_t) leaf->rows - (uint64_t) other->rows);
}

static inline bool
leaf_is_zero(const Leaf *leaf)
{
	return leaf->low == 0 && leaf->high == 0 && leaf->rows == 0;
}

/*
 * Bytes of leaves, ascending by number: of each the distance from the one before (v; of the
 * first, from -1, less 1), rows (v, zigzag), and the sum, 16 bytes, little endian.  Those that
 * are zero are left out.
 */
#define LEAF_SIZE_MAX (3 + 10 + 16)

extern uint8_t *leaf_write(uint8_t *out, int after, int number, const Leaf *leaf);

/*
 * Add what bytes say to "leaves", of which there are LEAF_COUNT.  Returns what is wrong with
 * them, or NULL; then nothing, or a part, was added.
 */
extern const char *leaves_add(Leaf *leaves, const uint8_t *bytes, size_t size);

/*
 * Leaves as 2^bits buckets, each the sum of those whose number begins with its own.
 */
extern void leaves_sum(const Leaf *leaves, int bits, Leaf *buckets);

#endif							/* MERKLE_LEAF_H */
