/*
 * merkle_row.c: what a row adds to its leaf: the sum of the hashes of its atoms.
 *
 * An atom is a part of a row that is stamped for itself: its birth, a register, a counter,
 * a set.  So a change of one column is told without reading the others.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "merkle/merkle.h"
#include "sync/sync_capture.h"
#include "sync/sync_state.h"

/* What an atom begins with. */
#define ATOM_BIRTH 'b'
#define ATOM_DEATH 'd'
#define ATOM_REGISTER 'r'
#define ATOM_NULL 'n'
#define ATOM_COUNTER 'c'
#define ATOM_SET 's'
#define ATOM_HEAD (16 + 4 + 1)

/* Bytes from which on an atom has a number of its own, so that it need not be told with the rest of its row. */
#define ATOM_LARGE 256

/* The hash of a key, under which its atoms are hashed. */
MerkleKey
merkle_key(Image key, uint64_t seed)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(key.data, key.size, seed);

	return (MerkleKey)
	{
		hash.low64, hash.high64
	};
}

int
merkle_leaf_of(MerkleKey key)
{
	return (int) (key.high >> (64 - LEAF_BITS));
}

static void
begin_atom(StringInfo atom, MerkleKey key, ColumnId column, char kind)
{
	uint8_t		head[ATOM_HEAD];

	fixed64_write(head, key.low);
	fixed64_write(head + 8, key.high);
	fixed32_write(head + 16, column);
	head[20] = (uint8_t) kind;
	resetStringInfo(atom);
	appendBinaryStringInfo(atom, (char *) head, ATOM_HEAD);
}

static void
put_stamp(StringInfo atom, const Stamp *stamp)
{
	uint8_t		bytes[24];

	fixed64_write(bytes, stamp->time);
	fixed64_write(bytes + 8, stamp->site);
	fixed64_write(bytes + 16, stamp->txn);
	appendBinaryStringInfo(atom, (char *) bytes, sizeof(bytes));
}

static void
put_number(StringInfo atom, uint64_t number)
{
	uint8_t		bytes[8];

	fixed64_write(bytes, number);
	appendBinaryStringInfo(atom, (char *) bytes, sizeof(bytes));
}

static Leaf
hash_atom(const StringInfoData *atom)
{
	XXH128_hash_t hash = XXH3_128bits(atom->data, atom->len);

	return (Leaf)
	{
		hash.low64, hash.high64, 0
	};
}

static const Stamp *
register_stamp(const RowState *clock, ColumnId id)
{
	for (int i = 0; i < clock->register_count; i++)
		if (clock->registers[i].column == id)
			return &clock->registers[i].stamp;
	return &clock->base;
}

static Leaf
hash_life(StringInfo atom, MerkleKey key, char kind, const RowState *clock)
{
	begin_atom(atom, key, 0, kind);
	put_number(atom, clock->life);
	put_stamp(atom, &clock->base);
	return hash_atom(atom);
}

static Leaf
hash_register(StringInfo atom, MerkleKey key, const SyncColumn *column, const Stamp *stamp, Datum value, bool isnull)
{
	begin_atom(atom, key, column->id, isnull ? ATOM_NULL : ATOM_REGISTER);
	put_stamp(atom, stamp);
	if (!isnull)
	{
		Image		image = sync_image(column, value, false);

		appendBinaryStringInfo(atom, image.data, image.size);
	}
	return hash_atom(atom);
}

static Leaf
hash_counter(StringInfo atom, MerkleKey key, const Counter *counter)
{
	begin_atom(atom, key, counter->column, ATOM_COUNTER);
	for (int i = 0; i < counter->count; i++)
	{
		put_stamp(atom, &counter->shares[i].stamp);
		put_number(atom, (uint64_t) counter->shares[i].total);
	}
	return hash_atom(atom);
}

static Leaf
hash_set(StringInfo atom, MerkleKey key, const ElementSet *set)
{
	begin_atom(atom, key, set->column, ATOM_SET);
	put_number(atom, (uint64_t) set->context_count);
	for (int i = 0; i < set->context_count; i++)
		put_stamp(atom, &set->context[i]);
	for (int i = 0; i < set->count; i++)
	{
		put_number(atom, set->elements[i].hash);
		put_number(atom, (uint64_t) set->elements[i].count);
		for (int j = 0; j < set->elements[i].count; j++)
			put_stamp(atom, &set->elements[i].dots[j]);
	}
	return hash_atom(atom);
}

/* The atom of a column. */
static Leaf
hash_column(StringInfo atom, const SyncTable *table, MerkleKey key, const SyncColumn *column, const MerkleRow *row)
{
	int			number = column - table->columns;
	Datum		value = row->values[number];
	bool		isnull = row->nulls[number];
	Element    *elements;
	int			count;

	switch (column->kind)
	{
		case SYNC_COUNTER:
			return hash_counter(atom, key, sync_complete_counter(row->clock, column->id, sync_counter_value(column, value, isnull)));
		case SYNC_SET:
			elements = sync_set_elements(column, value, isnull, &count);
			return hash_set(atom, key, sync_complete_set(row->clock, column->id, elements, count));
		default:
			return hash_register(atom, key, column, register_stamp(row->clock, column->id), value, isnull);
	}
}

/*
 * Add a change of a row to "leaf"; "old" or "new" is NULL for one that is not there.
 * Canonical settings are in force, if the table needs them.  Allocates in the current context.
 */
void
merkle_add_change(Leaf *leaf, const SyncTable *table, MerkleKey key, const MerkleRow *old, const MerkleRow *new)
{
	StringInfoData atom;
	bool		same_life = old != NULL && new != NULL && old->clock->life == new->clock->life &&
	stamp_equal(&old->clock->base, &new->clock->base);
	Leaf		hash;

	initStringInfo(&atom);
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = &table->columns[i];

		if (column->is_key || column->kind == SYNC_LOCAL)
			continue;

		/* A repair changes values under the same stamp. */
		if (same_life && column->kind == SYNC_REGISTER &&
			stamp_equal(register_stamp(old->clock, column->id), register_stamp(new->clock, column->id)) &&
			!sync_is_changed(column, old->values[i], old->nulls[i], new->values[i], new->nulls[i]))
			continue;
		if (old != NULL)
		{
			hash = hash_column(&atom, table, key, column, old);
			leaf_subtract(leaf, &hash);
		}
		if (new != NULL)
		{
			hash = hash_column(&atom, table, key, column, new);
			leaf_add(leaf, &hash);
		}
	}
	if (old != NULL && !same_life)
	{
		hash = hash_life(&atom, key, ATOM_BIRTH, old->clock);
		leaf_subtract(leaf, &hash);
	}
	if (new != NULL && !same_life)
	{
		hash = hash_life(&atom, key, ATOM_BIRTH, new->clock);
		leaf_add(leaf, &hash);
	}
	leaf->rows += (new != NULL) - (old != NULL);
}

/* Add a row that is visited to "leaf", as above. */
void
merkle_add_row(Leaf *leaf, const SyncTable *table, MerkleKey key, const SyncSeen *row)
{
	MerkleRow	seen = {row->clock, row->values, row->nulls};

	merkle_add_change(leaf, table, key, NULL, &seen);
}

/*
 * A number for a row in its present state, from what it adds to a leaf.  In "parts" one for each
 * column, alike only where the column and the row's birth are; "large" says of which columns it is
 * worth telling.  As merkle_add_change.
 */
uint64_t
merkle_number_row(const SyncTable *table, MerkleKey key, const SyncSeen *row, uint64_t *parts, bool *large)
{
	MerkleRow	seen = {row->clock, row->values, row->nulls};
	StringInfoData atom;
	Leaf		birth;
	Leaf		sum;

	initStringInfo(&atom);
	sum = birth = hash_life(&atom, key, ATOM_BIRTH, row->clock);
	for (int i = 0; i < table->column_count; i++)
	{
		Leaf		part;

		parts[i] = 0;
		large[i] = false;
		if (table->columns[i].is_key || table->columns[i].kind == SYNC_LOCAL)
			continue;
		part = hash_column(&atom, table, key, &table->columns[i], &seen);
		large[i] = atom.len >= ATOM_LARGE;
		leaf_add(&sum, &part);
		leaf_add(&part, &birth);
		parts[i] = part.low;
	}
	return sum.low;
}

/* A number for the tombstone of a row. */
uint64_t
merkle_tombstone_id(MerkleKey key, const RowState *dead)
{
	StringInfoData atom;

	initStringInfo(&atom);
	return hash_life(&atom, key, ATOM_DEATH, dead).low;
}
