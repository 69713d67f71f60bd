/*
 * rotation.c: rounds of random signs and fast Hadamard transforms.
 *
 * A transform takes a power of two of coordinates, so where the dimension is
 * none, each round transforms the first and then, with other signs, the last 2^k
 * of them, and ends by turning each coordinate of the first half against one of
 * the second (as the FHT with Kac's walk in RaBitQ's library).  With the same signs
 * the second transform would undo the first where they overlap, and without the
 * turn a coordinate just above or below a power of two stays badly spread.
 *
 * Nothing but additions, subtractions and multiplications of their results, none
 * of which a compiler can fuse: the result has the same bits everywhere.
 */
#include "graph/rotation.h"

#include <math.h>
#include <string.h>

typedef float Lanes __attribute__((vector_size(16)));
typedef int32_t SignLanes __attribute__((vector_size(16)));

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
 * Derive the signs of a rotation from its seed: GRAPH_ROTATION_WORDS(dim) words.
 */
void
graph_rotation_signs(uint64_t seed, int dim, uint64_t *signs)
{
	for (int i = 0; i < GRAPH_ROTATION_WORDS(dim); i++)
		signs[i] = split_mix(&seed);
}

/* Four floats from memory that need not be aligned, and back. */
static inline Lanes
load(const float *v)
{
	Lanes		x;

	memcpy(&x, v, sizeof(x));
	return x;
}

static inline void
store(float *v, Lanes x)
{
	memcpy(v, &x, sizeof(x));
}

/* One step of the transform for blocks of at least four. */
static void
step(float *v, int n, int half)
{
	for (int start = 0; start < n; start += 2 * half)
	{
		for (float *a = v + start; a < v + start + half; a += 4)
		{
			Lanes		x = load(a);
			Lanes		y = load(a + half);

			store(a, x + y);
			store(a + half, x - y);
		}
	}
}

/* That for half and that for 2 * half at once, as memory is what takes time. */
static void
two_steps(float *v, int n, int half)
{
	for (int start = 0; start < n; start += 4 * half)
	{
		for (float *a = v + start; a < v + start + half; a += 4)
		{
			Lanes		w = load(a);
			Lanes		x = load(a + half);
			Lanes		y = load(a + 2 * half);
			Lanes		z = load(a + 3 * half);
			Lanes		w_plus = w + x;
			Lanes		w_minus = w - x;
			Lanes		y_plus = y + z;
			Lanes		y_minus = y - z;

			store(a, w_plus + y_plus);
			store(a + half, w_minus + y_minus);
			store(a + 2 * half, w_plus - y_plus);
			store(a + 3 * half, w_minus - y_minus);
		}
	}
}

/*
 * Hadamard transform of n floats in place, n a power of two, without scaling.
 */
static void
transform(float *v, int n)
{
	int			half = 4;
	int			steps = 0;

	if (n == 2)
	{
		float		x = v[0];

		v[0] = x + v[1];
		v[1] = x - v[1];
	}
	for (int i = 0; i + 4 <= n; i += 4)
	{
		float		a = v[i] + v[i + 1];
		float		b = v[i] - v[i + 1];
		float		c = v[i + 2] + v[i + 3];
		float		d = v[i + 2] - v[i + 3];

		v[i] = a + c;
		v[i + 1] = b + d;
		v[i + 2] = a - c;
		v[i + 3] = b - d;
	}
	while (half << steps < n)
		steps++;
	if (steps % 2 == 1)
	{
		step(v, n, half);
		half *= 2;
	}
	for (; half < n; half *= 4)
		two_steps(v, n, half);
}

/* The signs of four elements, by four bits. */
#define SIGN(bits, i) ((bits) >> (i) & 1 ? INT32_MIN : 0)
#define SIGNS(bits) {SIGN(bits, 0), SIGN(bits, 1), SIGN(bits, 2), SIGN(bits, 3)}
static const SignLanes sign_masks[16] = {
	SIGNS(0), SIGNS(1), SIGNS(2), SIGNS(3), SIGNS(4), SIGNS(5), SIGNS(6), SIGNS(7),
	SIGNS(8), SIGNS(9), SIGNS(10), SIGNS(11), SIGNS(12), SIGNS(13), SIGNS(14), SIGNS(15)
};

/* Negate the elements whose bit is set. */
static void
flip(float *v, int n, const uint64_t *signs)
{
	int			i = 0;

	for (; i + 4 <= n; i += 4)
	{
		SignLanes	x;

		memcpy(&x, v + i, sizeof(x));
		x ^= sign_masks[signs[i / 64] >> (i % 64) & 15];
		memcpy(v + i, &x, sizeof(x));
	}
	for (; i < n; i++)
	{
		if (signs[i / 64] >> (i % 64) & 1)
			v[i] = -v[i];
	}
}

/*
 * Hadamard transform of n floats in place, n a power of two, that keeps lengths.
 * Scaled at once, so that large values do not overflow on the way.
 */
void
graph_hadamard(float *v, int n)
{
	float		scale = 1.0f / sqrtf((float) n);

	transform(v, n);
	if (n < 4)
	{
		for (int i = 0; i < n; i++)
			v[i] *= scale;
	}
	for (int i = 0; i + 4 <= n; i += 4)
		store(v + i, load(v + i) * scale);
}

/* Turn each of the first n / 2 against one of the last by an eighth of a circle. */
static void
turn_halves(float *v, int n)
{
	float		scale = sqrtf(0.5f);
	int			half = n / 2;
	float	   *last = v + n - half;
	int			i = 0;

	for (; i + 4 <= half; i += 4)
	{
		Lanes		x = load(v + i);
		Lanes		y = load(last + i);

		store(v + i, (x + y) * scale);
		store(last + i, (x - y) * scale);
	}
	for (; i < half; i++)
	{
		float		x = v[i];
		float		y = last[i];

		v[i] = (x + y) * scale;
		last[i] = (x - y) * scale;
	}
}

/*
 * Rotate in[0 .. dim - 1] to out, which may be the same array.  Lengths and
 * angles are kept up to rounding: about 1e-6 of the length.
 */
void
graph_rotate(const uint64_t *signs, int dim, const float *in, float *out)
{
	int			words = (dim + 63) / 64;
	int			block = 1;

	while (block <= dim / 2)
		block *= 2;
	if (out != in)
		memcpy(out, in, sizeof(float) * dim);
	for (int round = 0; round < GRAPH_ROTATION_ROUNDS; round++)
	{
		flip(out, dim, signs);
		graph_hadamard(out, block);
		if (block < dim)
		{
			flip(out, dim, signs + words);
			graph_hadamard(out + dim - block, block);
			turn_halves(out, dim);
		}
		signs += 2 * words;
	}
}
