/*
 * crdt_rows.h: random states of a row in a small world, where stamps, columns and
 * elements meet often.
 */
#ifndef CRDT_ROWS_H
#define CRDT_ROWS_H

#include "crdt/row_state.h"
#include "crdt_arena.h"
#include "random.h"

#define SITES 3
#define TIMES 6
#define COLUMNS 3
#define HASHES 4

static const Site site_of[SITES] = {1, UINT64_C(0x00c0ffee00c0ffee), UINT64_MAX};
static const uint64_t time_of[TIMES] = {0, 1, 2, 1000, UINT64_MAX - 1, UINT64_MAX};
static const ColumnId column_of[COLUMNS] = {0, 77, UINT32_MAX};
static const uint64_t hash_of[HASHES] = {0, 5, UINT64_C(1) << 63, UINT64_MAX};
static const Image element_value[HASHES] = {{"red", 3}, {"", 0}, {"\0\xff", 2}, {"redder", 6}};
static const Image value_of[] = {{NULL, 0}, {"", 0}, {"a", 1}, {"ab", 2}, {"b", 1}, {"a\0", 2}};
static const int64_t total_of[] = {0, 1, -1, 64, -65, INT64_MAX, INT64_MIN};

#define VALUES ((int) (sizeof(value_of) / sizeof(value_of[0])))
#define TOTALS ((int) (sizeof(total_of) / sizeof(total_of[0])))

/* Stamps that differ in the transaction alone are as unlike as others. */
static Stamp
random_stamp(int site)
{
	Stamp		stamp = {time_of[random_below(TIMES)], site_of[site], one_in(4) ? UINT64_MAX : 7};

	return stamp;
}

/* A dot of a set that its context covers, or the last one. */
static Stamp
random_dot(const Stamp *last)
{
	Stamp		stamp = *last;

	if (one_in(2))
		return stamp;
	stamp.time = time_of[random_below(TIMES)];
	stamp.txn = one_in(4) ? UINT64_MAX : 7;
	return stamp_compare(&stamp, last) <= 0 ? stamp : *last;
}

/* Of a row with this base, or NULL: often its last stamp of that site. */
static void
random_set(ElementSet *set, const Stamp *base)
{
	set->context = crdt_alloc_array(SITES, sizeof(Stamp));
	set->context_count = 0;
	for (int i = 0; i < SITES; i++)
	{
		if (one_in(2) || (i == SITES - 1 && set->context_count == 0))
		{
			Stamp	   *last = &set->context[set->context_count++];

			*last = random_stamp(i);
			if (base != NULL && base->site == site_of[i] && one_in(2))
				*last = *base;
		}
	}
	set->elements = crdt_alloc_array(HASHES, sizeof(Element));
	set->count = 0;
	for (int i = 0; i < HASHES; i++)
	{
		Element    *element = &set->elements[set->count];

		element->hash = hash_of[i];
		element->value = element_value[i];
		element->count = 0;
		element->dots = crdt_alloc_array(SITES, sizeof(Stamp));
		for (int j = 0; j < set->context_count; j++)
		{
			if (one_in(3))
				element->dots[element->count++] = random_dot(&set->context[j]);
		}
		set->count += element->count > 0;
	}
}

/* Of this life, with a base or with one of no site, of whatever time. */
static RowState *
random_row(uint64_t life, bool with_base)
{
	RowState   *row = crdt_alloc(sizeof(RowState));
	Stamp		none = {time_of[random_below(TIMES)], 0, 0};

	memset(row, 0, sizeof(RowState));
	row->life = life;
	row->base = with_base ? random_stamp(random_below(SITES)) : none;
	if (!row_is_alive(row))
		return row;
	row->registers = crdt_alloc_array(COLUMNS, sizeof(Register));
	row->counters = crdt_alloc_array(COLUMNS, sizeof(Counter));
	row->sets = crdt_alloc_array(COLUMNS, sizeof(ElementSet));
	for (int i = 0; i < COLUMNS; i++)
	{
		if (one_in(2))
		{
			Register   *item = &row->registers[row->register_count++];

			item->column = column_of[i];
			item->form = (uint8_t) random_below(2);
			item->stamp = one_in(4) && with_base ? row->base : random_stamp(random_below(SITES));
			item->value = value_of[random_below(VALUES)];
		}
		if (one_in(3))
		{
			Counter    *counter = &row->counters[row->counter_count];

			counter->column = column_of[i];
			counter->count = 0;
			counter->shares = crdt_alloc_array(SITES, sizeof(CounterShare));
			for (int j = 0; j < SITES; j++)
			{
				CounterShare *share = &counter->shares[counter->count];

				if (one_in(2))
					continue;
				counter->count++;
				share->stamp = random_stamp(j);
				if (with_base && share->stamp.site == row->base.site && one_in(2))
					share->stamp = row->base;
				share->total = total_of[random_below(TOTALS)];
			}
			row->counter_count += counter->count > 0;
		}
		if (one_in(2))
		{
			random_set(&row->sets[row->set_count], with_base ? &row->base : NULL);
			row->sets[row->set_count].form = FORM_TEXT;
			row->sets[row->set_count++].column = column_of[i];
		}
	}
	return row;
}

#endif							/* CRDT_ROWS_H */
