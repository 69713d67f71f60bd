/* graph_rotation_test.c: the rotation keeps lengths and angles, mixes, and never changes. */
/* sources: src/graph/rotation.c */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/geometry.h"
#include "graph/rotation.h"
#include "tap.h"

static const int dims[] = {
	1, 2, 3, 63, 64, 65, 100, 127, 128, 255, 256, 384, 768, 1000, 1024, 1536, 2000, 3072, 16000
};

#define N_DIMS (int) (sizeof(dims) / sizeof(dims[0]))

/*
 * FNV-1a of the bits that seed 1 gives for the input of test_golden.  An index
 * on disk depends on them: if they differ, HNSW_VERSION has to.
 */
static const uint64_t golden[N_DIMS] = {
	UINT64_C(0xf8fa587d2a4b5318), UINT64_C(0x78608edcaadb5e25), UINT64_C(0xe5c344647372719a),
	UINT64_C(0xd085f4971846e00a), UINT64_C(0xb6159dc94347e585), UINT64_C(0x4995038378452ea6),
	UINT64_C(0xc10637df7071ba59), UINT64_C(0x43e2a3f93032b08f), UINT64_C(0x59dee835bfbd825e),
	UINT64_C(0x019c96cfd84f785d), UINT64_C(0x62faf872d856ce77), UINT64_C(0x762ea21b6db7ab72),
	UINT64_C(0xb6349a5c413df424), UINT64_C(0x2ebad9c0acccbc22), UINT64_C(0xd572ad379110df3f),
	UINT64_C(0xe832411312beefbd), UINT64_C(0xac3f1f1f9577beba), UINT64_C(0x6ca175ac3d92ac41),
	UINT64_C(0x9b21240db7f89db8)
};

static uint64_t signs[GRAPH_ROTATION_WORDS(GRAPH_MAX_DIM)];
static float in[GRAPH_MAX_DIM];
static float other[GRAPH_MAX_DIM];
static float out[GRAPH_MAX_DIM];
static float other_out[GRAPH_MAX_DIM];

/* Numbers that are the same in every run (xorshift64*). */

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t) ((random_state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

/* Fill an array in one of several ways. */
#define N_WAYS 4

static void
fill(float *v, int dim, int way)
{
	int			one = random_bits() % dim;

	for (int i = 0; i < dim; i++)
	{
		float		x = (float) (random_bits() >> 8) / (1 << 23) - 1;

		v[i] = way == 0 ? x : way == 1 ? i == one : way == 2 ? 1 : x * x * x * x * x * 1000;
	}
}

static double
product(const float *a, const float *b, int dim)
{
	double		sum = 0;

	for (int i = 0; i < dim; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

/* Lengths and inner products are kept, and in place gives the same as elsewhere. */
static bool
test_orthogonal(void)
{
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		int			dim = dims[d];

		for (int round = 0; round < N_WAYS * N_WAYS; round++)
		{
			double		norm;
			double		other_norm;

			graph_rotation_signs(random_bits(), dim, signs);
			fill(in, dim, round % N_WAYS);
			fill(other, dim, round / N_WAYS);
			graph_rotate(signs, dim, in, out);
			graph_rotate(signs, dim, other, other_out);
			norm = sqrt(product(in, in, dim));
			other_norm = sqrt(product(other, other, dim));
			if (fabs(sqrt(product(out, out, dim)) - norm) > 1e-5 * norm ||
				fabs(product(out, other_out, dim) - product(in, other, dim)) > 1e-5 * norm * other_norm)
			{
				printf("# %d dimensions: length %.9g, not %.9g; product %.9g, not %.9g\n", dim,
					   sqrt(product(out, out, dim)), norm, product(out, other_out, dim), product(in, other, dim));
				good = false;
			}
			graph_rotate(signs, dim, in, in);
			good &= memcmp(in, out, sizeof(float) * dim) == 0;
		}
	}
	return good;
}

/*
 * Every input is spread, as codes of one bit need it: the mean of a Gaussian's
 * absolute values is 0.8 of its deviation.
 */
static bool
test_mixed(void)
{
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		int			dim = dims[d];

		if (dim < 63)
			continue;
		for (int round = 0; round < 20; round++)
		{
			double		norm;
			double		sum = 0;

			graph_rotation_signs(random_bits(), dim, signs);
			fill(in, dim, 1 + round % 2);
			norm = sqrt(product(in, in, dim));
			graph_rotate(signs, dim, in, out);
			for (int i = 0; i < dim; i++)
				sum += fabsf(out[i]);
			if (sum < 0.7 * norm * sqrt(dim))
			{
				printf("# %d dimensions, %s: mean %.3g\n", dim, round % 2 ? "constant" : "one-hot", sum / norm / sqrt(dim));
				good = false;
			}
		}
	}
	return good;
}

/* The bits are what they always were. */
static bool
test_golden(void)
{
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		uint64_t	hash = UINT64_C(0xcbf29ce484222325);

		graph_rotation_signs(1, dims[d], signs);
		for (int i = 0; i < dims[d]; i++)
			in[i] = (float) ((i * 7919 + 13) % 1009 - 504) / 64;
		graph_rotate(signs, dims[d], in, out);
		for (int i = 0; i < dims[d]; i++)
		{
			uint32_t	bits;

			memcpy(&bits, &out[i], sizeof(bits));
			for (int byte = 0; byte < 4; byte++)
				hash = (hash ^ (bits >> 8 * byte & 0xff)) * UINT64_C(0x100000001b3);
		}
		if (hash != golden[d])
		{
			printf("# %d dimensions: 0x%016llx\n", dims[d], (unsigned long long) hash);
			good = false;
		}
	}
	return good;
}

/* Other seeds give other rotations, not just other signs of the output. */
static bool
test_seeds(void)
{
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		int			dim = dims[d];
		double		norm;

		if (dim < 63)
			continue;
		fill(in, dim, 0);
		norm = product(in, in, dim);
		graph_rotation_signs(1, dim, signs);
		graph_rotate(signs, dim, in, out);
		for (int seed = 2; seed < 12; seed++)
		{
			double		sum = 0;

			graph_rotation_signs(seed, dim, signs);
			graph_rotate(signs, dim, in, other_out);
			for (int i = 0; i < dim; i++)
				sum += fabs((double) out[i] * other_out[i]);
			good &= sum < 0.9 * norm && fabs(product(out, other_out, dim)) < 8 * norm / sqrt(dim);
		}
	}
	return good;
}

/* A vector 2^100 times as long or as short turns to the same bits with another exponent. */
static bool
test_scale(void)
{
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		int			dim = dims[d];

		graph_rotation_signs(1, dim, signs);
		for (int way = 0; way < 3; way++)
		{
			fill(in, dim, way);
			graph_rotate(signs, dim, in, out);
			for (int sign = -1; sign <= 1; sign += 2)
			{
				for (int i = 0; i < dim; i++)
					other[i] = ldexpf(in[i], 100 * sign);
				graph_rotate(signs, dim, other, other_out);
				for (int i = 0; i < dim; i++)
				{
					/* what is subnormal when small has lost bits */
					if (sign > 0 || fabsf(out[i]) >= 0.001f || out[i] == 0)
						good &= ldexpf(other_out[i], -100 * sign) == out[i];
				}
			}
		}
	}
	return good;
}

int
main(void)
{
	ok(test_orthogonal(), "lengths and inner products are kept");
	ok(test_mixed(), "every input is spread over all coordinates");
	ok(test_golden(), "the bits of the output have not changed");
	ok(test_seeds(), "another seed gives another rotation");
	ok(test_scale(), "no overflow or underflow on the way");
	return done_testing();
}
