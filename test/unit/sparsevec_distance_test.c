/*
 * sparsevec_distance_test.c: distances of sparse vectors, against sums over
 * dense ones.
 */
/* sources: src/vector/sparsevec_distance.c */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "vector/sparsevec_distance.h"

#define MAX_DIM 400

/* xorshift64*: the same numbers on every machine. */
static uint64_t
random_bits(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

/*
 * A random list, in memory of exactly its size, and the same as a dense vector.
 * One element in sparsity is set, to a whole number or to a number like 1e-3 to
 * 1e3.
 */
static SparseList
random_list(int dim, int sparsity, bool whole, double *dense)
{
	SparseList	list = {0};
	int32_t    *indices;
	float	   *values;

	memset(dense, 0, sizeof(double) * dim);
	for (int i = 0; i < dim; i++)
	{
		if (random_bits() % sparsity != 0)
			continue;
		dense[i] = whole ? (double) (random_bits() % 15) - 7.5 :
			(float) (exp((double) (random_bits() % 14000) / 1000.0 - 7.0) * (random_bits() % 2 ? 1 : -1));
		list.count++;
	}
	indices = malloc(sizeof(int32_t) * list.count + 1);
	values = malloc(sizeof(float) * list.count + 1);
	list.count = 0;
	for (int i = 0; i < dim; i++)
	{
		if (dense[i] == 0)
			continue;
		indices[list.count] = i;
		values[list.count++] = (float) dense[i];
	}
	list.indices = indices;
	list.values = values;
	return list;
}

static void
free_list(SparseList *list)
{
	free((void *) list->indices);
	free((void *) list->values);
}

/* Is sum exact, or as exact as a sum of floats with these terms can be? */
static bool
near(float sum, double exact, double terms, int count, bool whole)
{
	if (whole)
		return sum == exact;
	return fabs(sum - exact) <= (count + 3) * 0x1p-24 * terms;
}

static bool
try_pair(int dim, int a_sparsity, int b_sparsity, bool whole)
{
	static double a_dense[MAX_DIM];
	static double b_dense[MAX_DIM];
	SparseList	a = random_list(dim, a_sparsity, whole, a_dense);
	SparseList	b = random_list(dim, b_sparsity, whole, b_dense);
	double		l2 = 0;
	double		product = 0;
	double		products = 0;
	double		l1 = 0;
	bool		passed;

	for (int i = 0; i < dim; i++)
	{
		double		difference = a_dense[i] - b_dense[i];

		l2 += difference * difference;
		l1 += fabs(difference);
		product += a_dense[i] * b_dense[i];
		products += fabs(a_dense[i] * b_dense[i]);
	}
	passed = near(sparse_l2_squared(&a, &b), l2, l2, dim, whole) && near(sparse_l2_squared(&b, &a), l2, l2, dim, whole) &&
		near(sparse_inner_product(&a, &b), product, products, dim, whole) && near(sparse_inner_product(&b, &a), product, products, dim, whole) &&
		near(sparse_l1(&a, &b), l1, l1, dim, whole) && near(sparse_l1(&b, &a), l1, l1, dim, whole) &&
		sparse_l2_squared(&a, &a) == 0 && sparse_l1(&b, &b) == 0;
	if (!passed)
		printf("# %d dimensions, one in %d and one in %d\n", dim, a_sparsity, b_sparsity);
	free_list(&a);
	free_list(&b);
	return passed;
}

int
main(void)
{
	static const int32_t ends[] = {0, 999999999};
	static const int32_t middle[] = {5, 999999999};
	static const int32_t descending[] = {7, 3, 3, -1};
	static const float values[] = {3.0f, -4.0f, 1.0f, 2.0f};
	static const float huge[] = {3e38f, -3e38f};
	static const float tiny[] = {1e-45f, -1e-45f};
	SparseList	none = {NULL, NULL, 0};
	SparseList	a = {ends, values, 2};
	SparseList	b = {middle, values, 2};
	SparseList	unsorted = {descending, values, 4};
	SparseList	large = {ends, huge, 2};
	SparseList	small = {ends, tiny, 2};
	SparseList	negative = {middle + 1, values, 1};
	bool		passed;

	ok(sparse_l2_squared(&none, &none) == 0 && sparse_inner_product(&none, &none) == 0 && sparse_l1(&none, &none) == 0, "nothing");
	ok(sparse_l2_squared(&a, &none) == 25 && sparse_l2_squared(&none, &a) == 25 && sparse_l1(&none, &a) == 7 && sparse_l1(&a, &none) == 7 &&
	   sparse_inner_product(&a, &none) == 0 && sparse_inner_product(&none, &a) == 0, "something and nothing");
	ok(sparse_l2_squared(&a, &b) == 18 && sparse_inner_product(&a, &b) == 16 && sparse_l1(&b, &a) == 6, "far indices");
	ok(sparse_inner_product(&a, &negative) == -12 && sparse_l2_squared(&negative, &a) == 58, "one element");
	ok(isinf(sparse_l2_squared(&large, &a)) && isinf(sparse_inner_product(&large, &large)) && isinf(sparse_l1(&large, &none)), "overflow is infinite");
	ok(sparse_l1(&small, &none) == 3e-45f && sparse_l2_squared(&small, &none) == 0, "subnormals count");
	ok(isfinite(sparse_l2_squared(&unsorted, &a)) && isfinite(sparse_inner_product(&a, &unsorted)) && isfinite(sparse_l1(&unsorted, &unsorted)),
	   "lists that are not sorted");

	passed = true;
	for (int dim = 0; dim <= MAX_DIM; dim++)
		for (int sparsity = 1; sparsity <= 16; sparsity *= 2)
			passed &= try_pair(dim, sparsity, 3, true) & try_pair(dim, 7, sparsity, true);
	ok(passed, "whole numbers and halves, exactly");

	passed = true;
	for (int dim = 0; dim <= MAX_DIM; dim++)
		for (int sparsity = 1; sparsity <= 16; sparsity *= 2)
			passed &= try_pair(dim, sparsity, 3, false) & try_pair(dim, 7, sparsity, false);
	ok(passed, "any numbers, nearly");

	return done_testing();
}
