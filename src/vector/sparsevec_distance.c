/*
 * sparsevec_distance.c: sums over the merge of two lists of elements.
 *
 * Terms are added one by one in the order of their indices, in single
 * precision, as pgvector does.  An element that only one list has is met by a
 * 0.  The loops have no branch that depends on the indices, since nothing could
 * predict it; lists that are not sorted give another number, and no more.
 */
#include "vector/sparsevec_distance.h"

#include <math.h>
#include <string.h>

/* value, or 0 unless wanted is 1. */
static inline float
value_if(int wanted, float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	bits &= (uint32_t) -wanted;
	memcpy(&value, &bits, sizeof(bits));
	return value;
}

/*
 * Sum of the squares of the differences; no square root taken.
 */
float
sparse_l2_squared(const SparseList *a, const SparseList *b)
{
	float		sum = 0.0f;
	int			i = 0;
	int			j = 0;

	while (i < a->count && j < b->count)
	{
		int32_t		a_index = a->indices[i];
		int32_t		b_index = b->indices[j];
		int			from_a = (a_index <= b_index);
		int			from_b = (b_index <= a_index);
		float		difference = value_if(from_a, a->values[i]) - value_if(from_b, b->values[j]);

		sum += difference * difference;
		i += from_a;
		j += from_b;
	}
	for (; i < a->count; i++)
		sum += a->values[i] * a->values[i];
	for (; j < b->count; j++)
		sum += b->values[j] * b->values[j];
	return sum;
}

/*
 * Sum of the products; not negated.
 */
float
sparse_inner_product(const SparseList *a, const SparseList *b)
{
	float		sum = 0.0f;
	int			i = 0;
	int			j = 0;

	while (i < a->count && j < b->count)
	{
		int32_t		a_index = a->indices[i];
		int32_t		b_index = b->indices[j];

		if (a_index == b_index)
			sum += a->values[i] * b->values[j];
		i += (a_index <= b_index);
		j += (b_index <= a_index);
	}
	return sum;
}

/*
 * Sum of the absolute differences.
 */
float
sparse_l1(const SparseList *a, const SparseList *b)
{
	float		sum = 0.0f;
	int			i = 0;
	int			j = 0;

	while (i < a->count && j < b->count)
	{
		int32_t		a_index = a->indices[i];
		int32_t		b_index = b->indices[j];
		int			from_a = (a_index <= b_index);
		int			from_b = (b_index <= a_index);

		sum += fabsf(value_if(from_a, a->values[i]) - value_if(from_b, b->values[j]));
		i += from_a;
		j += from_b;
	}
	for (; i < a->count; i++)
		sum += fabsf(a->values[i]);
	for (; j < b->count; j++)
		sum += fabsf(b->values[j]);
	return sum;
}
