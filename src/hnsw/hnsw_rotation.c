/*
 * hnsw_rotation.c: rounds of random signs and fast Hadamard transforms.
 *
 * A transform takes a power of two of coordinates, so where the dimension is
 * none, each round transforms the first and then, with other signs, the last 2^k
 * of them, and ends by turning each coordinate of the first half against one of
 * the second (as the FHT with Kac's walk in RaBitQ's library).  With the same signs
 * the second transform would undo the first where they overlap, and without the
 * turn a coordinate just above or below a power of two stays badly spread.
 *
 * Nothing but additions, subtractions and one multiplication at the end, none
 * of which a compiler can fuse: the result has the same bits everywhere.
 */
#include "hnsw/hnsw_rotation.h"

#include <math.h>
#include <string.h>

typedef float Lanes __attribute__((vector_size(16)));

/* Next number of Steele, Lea and Flood's SplitMix64. */
static uint64_t
split_mix(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/*
 * Derive the signs of a rotation from its seed: HNSW_ROTATION_WORDS(dim) words.
 */
void
hnsw_rotation_signs(uint64_t seed, int dim, uint64_t *signs)
{
	for (int i = 0; i < HNSW_ROTATION_WORDS(dim); i++)
		signs[i] = split_mix(&seed);
}

/*
 * Hadamard transform of n floats in place, n a power of two, without scaling.
 */
static void
transform(float *v, int n)
{
	for (int half = 1; half < n; half *= 2)
	{
		for (int start = 0; start < n; start += 2 * half)
		{
			float	   *a = v + start;
			float	   *b = a + half;

			if (half < 4)
			{
				for (int i = 0; i < half; i++)
				{
					float		x = a[i];

					a[i] = x + b[i];
					b[i] = x - b[i];
				}
				continue;
			}
			for (int i = 0; i < half; i += 4)
			{
				Lanes		x;
				Lanes		y;
				Lanes		sum;
				Lanes		difference;

				memcpy(&x, a + i, sizeof(x));
				memcpy(&y, b + i, sizeof(y));
				sum = x + y;
				difference = x - y;
				memcpy(a + i, &sum, sizeof(sum));
				memcpy(b + i, &difference, sizeof(difference));
			}
		}
	}
}

static void
flip(float *v, int n, const uint64_t *signs)
{
	for (int i = 0; i < n; i++)
	{
		if (signs[i / 64] >> (i % 64) & 1)
			v[i] = -v[i];
	}
}

/* Scaled at once, so that large values do not overflow on the way. */
static void
transform_scaled(float *v, int n)
{
	float		scale = 1.0f / sqrtf((float) n);

	transform(v, n);
	for (int i = 0; i < n; i++)
		v[i] *= scale;
}

/* Turn each of the first n / 2 against one of the last by an eighth of a circle. */
static void
turn_halves(float *v, int n)
{
	float		scale = sqrtf(0.5f);
	int			half = n / 2;

	for (int i = 0; i < half; i++)
	{
		float		x = v[i];
		float		y = v[n - half + i];

		v[i] = (x + y) * scale;
		v[n - half + i] = (x - y) * scale;
	}
}

/*
 * Rotate in[0 .. dim - 1] to out, which may be the same array.  Lengths and
 * angles are kept up to rounding: about 1e-6 of the length.
 */
void
hnsw_rotate(const uint64_t *signs, int dim, const float *in, float *out)
{
	int			words = (dim + 63) / 64;
	int			block = 1;

	while (block <= dim / 2)
		block *= 2;
	if (out != in)
		memcpy(out, in, sizeof(float) * dim);
	for (int round = 0; round < HNSW_ROTATION_ROUNDS; round++)
	{
		flip(out, dim, signs);
		transform_scaled(out, block);
		if (block < dim)
		{
			flip(out, dim, signs + words);
			transform_scaled(out + dim - block, block);
			turn_halves(out, dim);
		}
		signs += 2 * words;
	}
}
