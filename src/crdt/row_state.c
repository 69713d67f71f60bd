/*
 * row_state.c: the lattice of the states of a row.
 *
 * Each join merges two sorted lists.  What only one of them has is pointed to, not
 * copied.
 */
#include "crdt/row_state.h"

#include <string.h>

#include "crdt/crdt_alloc.h"

/*
 * Which of two sorted lists a merge takes the next from, by what "key" names: the first
 * (< 0), the second (> 0) or both (0), of which one is not at its end.
 */
#define MERGE_ORDER(a, i, a_count, b, j, b_count, key) \
	((j) == (b_count) ? -1 : (i) == (a_count) ? 1 : \
	 ((a)[i].key > (b)[j].key) - ((a)[i].key < (b)[j].key))

/* NULL first, then by bytes, then by size. */
static int
image_compare(const Image *a, const Image *b)
{
	size_t		size = a->size < b->size ? a->size : b->size;
	int			order;

	if (a->data == NULL || b->data == NULL)
		return (a->data != NULL) - (b->data != NULL);
	order = size > 0 ? memcmp(a->data, b->data, size) : 0;
	return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static const Stamp *
later(const Stamp *a, const Stamp *b)
{
	return stamp_compare(a, b) >= 0 ? a : b;
}

/* The greater base: one that is not carried is less than all that are. */
static Stamp
base_join(const Stamp *a, const Stamp *b)
{
	if ((a->site != 0) != (b->site != 0))
		return a->site != 0 ? *a : *b;
	return *later(a, b);
}

static Register
register_join(const Register *a, const Register *b)
{
	int			order = stamp_compare(&a->stamp, &b->stamp);

	if (order == 0)
		order = (a->value.data != NULL) - (b->value.data != NULL);
	if (order == 0)
		order = (a->form > b->form) - (a->form < b->form);
	if (order == 0)
		order = image_compare(&a->value, &b->value);
	return order >= 0 ? *a : *b;
}

static Counter
counter_join(const Counter *a, const Counter *b)
{
	Counter		result = {a->column, 0, NULL};

	result.shares = crdt_alloc_array((size_t) a->count + (size_t) b->count, sizeof(CounterShare));
	for (int i = 0, j = 0; i < a->count || j < b->count;)
	{
		int			from = MERGE_ORDER(a->shares, i, a->count, b->shares, j, b->count, stamp.site);
		const CounterShare *share = from <= 0 ? &a->shares[i++] : NULL;
		const CounterShare *other = from >= 0 ? &b->shares[j++] : NULL;

		if (share == NULL)
			share = other;
		else if (other != NULL)
		{
			int			order = stamp_compare(&share->stamp, &other->stamp);

			if (order < 0 || (order == 0 && share->total < other->total))
				share = other;
		}
		result.shares[result.count++] = *share;
	}
	return result;
}

/* Has the set ever held this dot? */
static bool
set_covers(const ElementSet *set, const Stamp *dot)
{
	int			low = 0;
	int			high = set->context_count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (set->context[middle].site < dot->site)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->context_count && set->context[low].site == dot->site &&
		stamp_compare(dot, &set->context[low]) <= 0;
}

/*
 * What is left of an element that is in set a as "of_a", in set b as "of_b", one of
 * which may be NULL: the dots that both have, or that the other set has never held.
 * False if none is left.
 */
static bool
element_join(const ElementSet *a, const Element *of_a, const ElementSet *b, const Element *of_b, Element *result)
{
	int			a_count = of_a != NULL ? of_a->count : 0;
	int			b_count = of_b != NULL ? of_b->count : 0;

	if (of_a == NULL || (of_b != NULL && image_compare(&of_a->value, &of_b->value) < 0))
		*result = *of_b;
	else
		*result = *of_a;
	result->count = 0;
	result->dots = crdt_alloc_array((size_t) a_count + (size_t) b_count, sizeof(Stamp));
	for (int i = 0, j = 0; i < a_count || j < b_count;)
	{
		int			from = MERGE_ORDER(of_a->dots, i, a_count, of_b->dots, j, b_count, site);
		const Stamp *dot = from <= 0 ? &of_a->dots[i++] : NULL;
		const Stamp *other = from >= 0 ? &of_b->dots[j++] : NULL;

		if (dot == NULL || other == NULL || !stamp_equal(dot, other))
		{
			if (dot != NULL && set_covers(b, dot))
				dot = NULL;
			if (other != NULL && set_covers(a, other))
				other = NULL;
		}
		/* two cannot be left of sets that cover their own dots */
		if (dot == NULL || (other != NULL && stamp_compare(dot, other) < 0))
			dot = other;
		if (dot != NULL)
			result->dots[result->count++] = *dot;
	}
	return result->count > 0;
}

static ElementSet
set_join(const ElementSet *a, const ElementSet *b)
{
	ElementSet	result = {a->column, 0, NULL, 0, a->form, NULL};

	result.context = crdt_alloc_array((size_t) a->context_count + (size_t) b->context_count, sizeof(Stamp));
	for (int i = 0, j = 0; i < a->context_count || j < b->context_count;)
	{
		int			from = MERGE_ORDER(a->context, i, a->context_count, b->context, j, b->context_count, site);
		const Stamp *last = from <= 0 ? &a->context[i++] : NULL;
		const Stamp *other = from >= 0 ? &b->context[j++] : NULL;

		if (last == NULL || (other != NULL && stamp_compare(last, other) < 0))
			last = other;
		result.context[result.context_count++] = *last;
	}

	result.elements = crdt_alloc_array((size_t) a->count + (size_t) b->count, sizeof(Element));
	for (int i = 0, j = 0; i < a->count || j < b->count;)
	{
		int			from = MERGE_ORDER(a->elements, i, a->count, b->elements, j, b->count, hash);
		const Element *of_a = from <= 0 ? &a->elements[i++] : NULL;
		const Element *of_b = from >= 0 ? &b->elements[j++] : NULL;

		if (element_join(a, of_a, b, of_b, &result.elements[result.count]))
			result.count++;
	}
	return result;
}

static void
join_registers(RowState *result, const RowState *a, const RowState *b)
{
	int			a_count = a->register_count;
	int			b_count = b->register_count;

	result->register_count = 0;
	result->registers = crdt_alloc_array((size_t) a_count + (size_t) b_count, sizeof(Register));
	for (int i = 0, j = 0; i < a_count || j < b_count;)
	{
		int			from = MERGE_ORDER(a->registers, i, a_count, b->registers, j, b_count, column);
		const Register *of_a = from <= 0 ? &a->registers[i++] : NULL;
		const Register *of_b = from >= 0 ? &b->registers[j++] : NULL;

		result->registers[result->register_count++] =
			of_a == NULL ? *of_b : of_b == NULL ? *of_a : register_join(of_a, of_b);
	}
}

static void
join_counters(RowState *result, const RowState *a, const RowState *b)
{
	int			a_count = a->counter_count;
	int			b_count = b->counter_count;

	result->counter_count = 0;
	result->counters = crdt_alloc_array((size_t) a_count + (size_t) b_count, sizeof(Counter));
	for (int i = 0, j = 0; i < a_count || j < b_count;)
	{
		int			from = MERGE_ORDER(a->counters, i, a_count, b->counters, j, b_count, column);
		const Counter *of_a = from <= 0 ? &a->counters[i++] : NULL;
		const Counter *of_b = from >= 0 ? &b->counters[j++] : NULL;

		result->counters[result->counter_count++] =
			of_a == NULL ? *of_b : of_b == NULL ? *of_a : counter_join(of_a, of_b);
	}
}

static void
join_sets(RowState *result, const RowState *a, const RowState *b)
{
	int			a_count = a->set_count;
	int			b_count = b->set_count;

	result->set_count = 0;
	result->sets = crdt_alloc_array((size_t) a_count + (size_t) b_count, sizeof(ElementSet));
	for (int i = 0, j = 0; i < a_count || j < b_count;)
	{
		int			from = MERGE_ORDER(a->sets, i, a_count, b->sets, j, b_count, column);
		const ElementSet *of_a = from <= 0 ? &a->sets[i++] : NULL;
		const ElementSet *of_b = from >= 0 ? &b->sets[j++] : NULL;

		result->sets[result->set_count++] =
			of_a == NULL ? *of_b : of_b == NULL ? *of_a : set_join(of_a, of_b);
	}
}

/*
 * The least state that holds both.  New, but it points into the arguments.
 */
RowState   *
row_join(const RowState *a, const RowState *b)
{
	RowState   *result = crdt_alloc(sizeof(RowState));

	*result = a->life >= b->life ? *a : *b;
	if (a->life != b->life)
		return result;
	result->base = base_join(&a->base, &b->base);
	if (!row_is_alive(result))
		return result;
	join_registers(result, a, b);
	join_counters(result, a, b);
	join_sets(result, a, b);
	return result;
}

static bool
stamps_equal(const Stamp *a, const Stamp *b, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (!stamp_equal(&a[i], &b[i]))
			return false;
	}
	return true;
}

static bool
counter_equal(const Counter *a, const Counter *b)
{
	if (a->column != b->column || a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		if (a->shares[i].total != b->shares[i].total || !stamp_equal(&a->shares[i].stamp, &b->shares[i].stamp))
			return false;
	}
	return true;
}

static bool
set_equal(const ElementSet *a, const ElementSet *b)
{
	if (a->column != b->column || a->form != b->form || a->context_count != b->context_count || a->count != b->count ||
		!stamps_equal(a->context, b->context, a->context_count))
		return false;
	for (int i = 0; i < a->count; i++)
	{
		const Element *x = &a->elements[i];
		const Element *y = &b->elements[i];

		if (x->hash != y->hash || x->count != y->count || image_compare(&x->value, &y->value) != 0 ||
			!stamps_equal(x->dots, y->dots, x->count))
			return false;
	}
	return true;
}

/*
 * Are these the same, values included?
 */
bool
row_equal(const RowState *a, const RowState *b)
{
	if (a->life != b->life || !stamp_equal(&a->base, &b->base) || a->register_count != b->register_count ||
		a->counter_count != b->counter_count || a->set_count != b->set_count)
		return false;
	for (int i = 0; i < a->register_count; i++)
	{
		const Register *x = &a->registers[i];
		const Register *y = &b->registers[i];

		if (x->column != y->column || x->form != y->form || !stamp_equal(&x->stamp, &y->stamp) ||
			image_compare(&x->value, &y->value) != 0)
			return false;
	}
	for (int i = 0; i < a->counter_count; i++)
	{
		if (!counter_equal(&a->counters[i], &b->counters[i]))
			return false;
	}
	for (int i = 0; i < a->set_count; i++)
	{
		if (!set_equal(&a->sets[i], &b->sets[i]))
			return false;
	}
	return true;
}

/*
 * The sum of a counter's shares; false if it does not fit, whatever their order.
 */
bool
counter_sum(const Counter *counter, int64_t *sum)
{
	uint64_t	low = 0;		/* of a number of 128 bits */
	int64_t		high = 0;

	for (int i = 0; i < counter->count; i++)
	{
		int64_t		total = counter->shares[i].total;

		low += (uint64_t) total;
		high += (low < (uint64_t) total) - (total < 0);
	}
	if (high != (low > INT64_MAX ? -1 : 0))
		return false;
	*sum = (int64_t) low;
	return true;
}

/*
 * The latest stamp in a row; zeros if it holds none.
 */
Stamp
row_last_stamp(const RowState *row)
{
	static const Stamp none = {0, 0, 0};
	const Stamp *last = row->base.site != 0 ? &row->base : &none;

	for (int i = 0; i < row->register_count; i++)
		last = later(last, &row->registers[i].stamp);
	for (int i = 0; i < row->counter_count; i++)
	{
		for (int j = 0; j < row->counters[i].count; j++)
			last = later(last, &row->counters[i].shares[j].stamp);
	}
	for (int i = 0; i < row->set_count; i++)
	{
		const ElementSet *set = &row->sets[i];

		for (int j = 0; j < set->context_count; j++)
			last = later(last, &set->context[j]);
		for (int j = 0; j < set->count; j++)
		{
			for (int k = 0; k < set->elements[j].count; k++)
				last = later(last, &set->elements[j].dots[k]);
		}
	}
	return *last;
}
