/*
 * hnsw_rotation.c: rounds of random signs and fast Hadamard transforms.
 *
 * A transform takes a power of two of coordinates, so where the dimension is
 * none, each round transforms the first and then the last 2^k of them, which
 * overlap by at least one.  After three rounds every coordinate of the output
 * depends on every one of the input.  (The FHT of RaBitQ's library, without its
 * Kac walk.)
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

/*
 * Rotate in[0 .. dim - 1] to out, which may be the same array.  Lengths and
 * angles are kept up to rounding: about 1e-6 of the length.
 */
void
hnsw_rotate(const uint64_t *signs, int dim, const float *in, float *out)
{
	int			block = 1;
	float		scale;
	float		round_scale;

	while (block <= dim / 2)
		block *= 2;
	/* Scaled in each round, so that large values do not overflow on the way. */
	round_scale = 1.0f / sqrtf((float) block);
	if (out != in)
		memcpy(out, in, sizeof(float) * dim);
	for (int round = 0; round < HNSW_ROTATION_ROUNDS; round++)
	{
		for (int i = 0; i < dim; i++)
		{
			if (signs[i / 64] >> (i % 64) & 1)
				out[i] = -out[i];
		}
		signs += (dim + 63) / 64;
		transform(out, block);
		scale = round_scale;
		for (int i = 0; i < block; i++)
			out[i] *= scale;
		if (block == dim)
			continue;
		transform(out + dim - block, block);
		for (int i = dim - block; i < dim; i++)
			out[i] *= scale;
	}
}
