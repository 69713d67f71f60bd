/*
 * crdt_deltas.h: what holds of bodies of deltas, whatever bytes they are.
 */
#ifndef CRDT_DELTAS_H
#define CRDT_DELTAS_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/delta.h"
#include "crdt_arena.h"

static bool
images_equal(Image a, Image b)
{
	return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
		(a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool
dots_equal(const Stamp *a, int a_count, const Stamp *b, int b_count)
{
	for (int i = 0; i < a_count && i < b_count; i++)
	{
		if (!stamp_equal(&a[i], &b[i]))
			return false;
	}
	return a_count == b_count;
}

static bool
rows_equal(const RowState *a, const RowState *b)
{
	if (a->life != b->life || !stamp_equal(&a->base, &b->base) || a->register_count != b->register_count ||
		a->counter_count != b->counter_count || a->set_count != b->set_count)
		return false;
	for (int i = 0; i < a->register_count; i++)
	{
		const Register *x = &a->registers[i];
		const Register *y = &b->registers[i];

		if (x->column != y->column || x->form != y->form || !stamp_equal(&x->stamp, &y->stamp) || !images_equal(x->value, y->value))
			return false;
	}
	for (int i = 0; i < a->counter_count; i++)
	{
		const Counter *x = &a->counters[i];
		const Counter *y = &b->counters[i];

		if (x->column != y->column || x->count != y->count)
			return false;
		for (int j = 0; j < x->count; j++)
		{
			if (!stamp_equal(&x->shares[j].stamp, &y->shares[j].stamp) || x->shares[j].total != y->shares[j].total)
				return false;
		}
	}
	for (int i = 0; i < a->set_count; i++)
	{
		const ElementSet *x = &a->sets[i];
		const ElementSet *y = &b->sets[i];

		if (x->column != y->column || x->form != y->form || x->count != y->count ||
			!dots_equal(x->context, x->context_count, y->context, y->context_count))
			return false;
		for (int j = 0; j < x->count; j++)
		{
			const Element *e = &x->elements[j];
			const Element *f = &y->elements[j];

			if (e->hash != f->hash || !images_equal(e->value, f->value) ||
				!dots_equal(e->dots, e->count, f->dots, f->count))
				return false;
		}
	}
	return true;
}

static bool
versions_equal(const Version *a, const Version *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		const SiteTxns *x = &a->sites[i];
		const SiteTxns *y = &b->sites[i];

		if (x->site != y->site || x->count != y->count ||
			memcmp(x->ranges, y->ranges, (size_t) x->count * sizeof(TxnRange)) != 0)
			return false;
	}
	return true;
}

static bool
deltas_equal(const Delta *a, const Delta *b)
{
	if (a->sender != b->sender || a->encoding != b->encoding ||
		!versions_equal(a->base, b->base) || !versions_equal(a->to, b->to) || a->relation_count != b->relation_count)
		return false;
	for (int i = 0; i < a->relation_count; i++)
	{
		const DeltaRelation *x = &a->relations[i];
		const DeltaRelation *y = &b->relations[i];

		if (strcmp(x->name, y->name) != 0 || x->key_count != y->key_count ||
			memcmp(x->key_forms, y->key_forms, (size_t) x->key_count) != 0 || x->column_count != y->column_count || x->row_count != y->row_count)
			return false;
		for (int j = 0; j < x->column_count; j++)
		{
			if (strcmp(x->columns[j].name, y->columns[j].name) != 0 || x->columns[j].kind != y->columns[j].kind ||
				x->columns[j].form != y->columns[j].form)
				return false;
		}
		for (int j = 0; j < x->row_count; j++)
		{
			if (!images_equal(x->rows[j].key, y->rows[j].key) || !rows_equal(x->rows[j].state, y->rows[j].state))
				return false;
		}
	}
	return true;
}

static bool
is_phrase(const char *error)
{
	size_t		length = error == NULL ? 0 : strlen(error);

	if (length < 10 || length > 70)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (isupper((unsigned char) error[i]) || error[i] == '\n')
			return false;
	}
	return error[length - 1] != '.';
}

/* Bytes that were no less a delta. */
static int	accepted;

/*
 * Bytes are refused with a phrase, or give a delta that gives these bytes; memory is
 * bounded; nothing beside the bytes is read, for the sanitizer to see.
 */
static bool
sound(const uint8_t *bytes, size_t size)
{
	uint8_t    *copy = malloc(size + (size == 0));
	const char *error = NULL;
	bool		result;
	Delta	   *delta;

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, size);
	arena_allocated = 0;
	delta = delta_decode_body(copy, size, &error);
	result = arena_allocated <= DELTA_EXPANSION * size + DELTA_ROOM;
	if (delta == NULL)
		result = result && is_phrase(error);
	else
	{
		size_t		again_size;
		uint8_t    *again = delta_encode_body(delta, &again_size);

		accepted++;
		result = result && error == NULL && again_size == size && memcmp(again, bytes, size) == 0;
	}
	if (!result)
	{
		printf("# %zu allocated, %s:", arena_allocated, error == NULL ? "accepted" : error);
		for (size_t i = 0; i < size; i++)
			printf(" %02x", bytes[i]);
		printf("\n");
	}
	free(copy);
	return result;
}

/* A delta comes back from its bytes, which are the same each time. */
static bool
round_trip(const Delta *delta)
{
	size_t		size;
	size_t		again_size = 0;
	const char *error = "";
	uint8_t    *bytes = delta_encode_body(delta, &size);
	uint8_t    *again = delta_encode_body(delta, &again_size);
	Delta	   *decoded = delta_decode_body(bytes, size, &error);

	if (decoded == NULL)
	{
		printf("# %s\n", error);
		return false;
	}
	return error == NULL && again_size == size && memcmp(again, bytes, size) == 0 && deltas_equal(delta, decoded) &&
		sound(bytes, size);
}

#endif							/* CRDT_DELTAS_H */
