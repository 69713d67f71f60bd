/* graph_forms_test.c: bit strings, sparse vectors and points of the Poincare ball as the index has them. */
/* sources: src/graph/code.c src/graph/sparse.c src/vector/hyperbolic_math.c src/vector/sparsevec_distance.c src/graph/geometry.c src/graph/rotation.c src/simd/simd*.c */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/code.h"
#include "graph/sparse.h"
#include "simd/simd.h"
#include "tap.h"

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

/* From -1 to 1. */
static double
random_number(void)
{
	return random_bits() / 2147483648.0 - 1;
}

/* A node with neighbours, and a query. */
typedef struct Room
{
	GraphGeometry g;
	GraphSlot  *slot;
	GraphQuery *query;
	float	   *own;
	float	   *neighbours;		/* links vectors */
} Room;

static void
room_open(Room *room, int dim, GraphMetric metric, GraphStorage storage)
{
	GraphShape	shape = {dim, metric, storage, 1, 0};

	shape.bits = graph_default_bits(&shape);
	shape.links = 20;
	if (!graph_geometry(&shape, &room->g))
		abort();
	room->slot = calloc(1, room->g.slot_size);
	room->query = graph_query_init(calloc(1, graph_query_size(&room->g)), &room->g);
	room->own = calloc(room->g.words, sizeof(float));
	room->neighbours = calloc(room->g.words * shape.links, sizeof(float));
}

static void
room_close(Room *room)
{
	free(room->slot);
	free(room->query);
	free(room->own);
	free(room->neighbours);
}

static float *
neighbour(const Room *room, int i)
{
	return room->neighbours + (size_t) i * room->g.words;
}

/* Write the slot, and estimate the distances of all neighbours. */
static float
room_estimate(Room *room, float *estimates)
{
	uint16_t	which[GRAPH_MAX_LINKS];
	float		exact;

	graph_slot_store(&room->g, room->slot, room->own);
	room->slot->count = room->g.shape.links;
	for (int i = 0; i < room->slot->count; i++)
	{
		graph_slot_set_link(&room->g, room->slot, i, i, room->own, neighbour(room, i));
		which[i] = i;
	}
	graph_query_prepare(room->query);
	exact = graph_exact(room->query, room->slot);
	graph_estimate(room->query, room->slot, exact, which, room->slot->count, estimates);
	return exact;
}

/* ---- bit strings */

static void
fill_bits(float *vector, int dim, int density)
{
	uint8_t    *bytes = (uint8_t *) vector;

	memset(bytes, 0, (dim + 31) / 32 * 4);
	for (int i = 0; i < dim; i++)
	{
		if ((int) (random_bits() % 100) < density)
			bytes[i / 8] |= 0x80 >> i % 8;
	}
}

static double
bits_distance(GraphMetric metric, const float *a, const float *b, int dim)
{
	int			both = 0;
	int			either = 0;

	for (int i = 0; i < dim; i++)
	{
		int			x = ((const uint8_t *) a)[i / 8] >> (7 - i % 8) & 1;
		int			y = ((const uint8_t *) b)[i / 8] >> (7 - i % 8) & 1;

		both += x & y;
		either += x | y;
	}
	if (metric == GRAPH_HAMMING)
		return either - both;
	return both == 0 ? 1 : 1 - (double) both / either;
}

/* Exact distances and, of strings that are coded whole, exact estimates; else near ones. */
static bool
test_bits(GraphMetric metric)
{
	static const int dims[] = {1, 7, 8, 31, 32, 33, 64, 65, 100, 768, 2047, 2048, 2049, 5000, 64000};
	bool		good = true;

	for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
	{
		int			dim = dims[d];
		float		estimates[GRAPH_MAX_LINKS];
		Room		room;

		room_open(&room, dim, metric, GRAPH_FLOAT32);
		for (int density = 0; density <= 100; density += 25)
		{
			fill_bits(room.own, dim, density);
			fill_bits(room.query->vector, dim, 50);
			for (int i = 0; i < room.g.shape.links; i++)
				fill_bits(neighbour(&room, i), dim, i * 100 / room.g.shape.links);
			good &= fabs(room_estimate(&room, estimates) - bits_distance(metric, room.query->vector, room.own, dim)) < 1e-6;
			for (int i = 0; i < room.g.shape.links; i++)
			{
				double		want = bits_distance(metric, room.query->vector, neighbour(&room, i), dim);
				double		off = fabs(estimates[i] - want);

				if (off > (dim <= 768 ? 1e-6 : metric == GRAPH_HAMMING ? dim * 0.08 : 0.1))
				{
					printf("# %d bits: estimate %g, not %g\n", dim, estimates[i], want);
					good = false;
				}
			}
		}
		room_close(&room);
	}
	return good;
}

/* ---- sparse vectors */

#define DENSE 1000

/* A vector with "count" of DENSE elements, and what the index keeps of it. */
static void
fill_sparse(double *dense, float *vector, int count, bool taxicab)
{
	GraphSparse *sparse = (GraphSparse *) vector;
	double		error = 0;
	int			kept = 0;
	double		least = 0;

	memset(dense, 0, sizeof(double) * DENSE);
	while (count-- > 0)
	{
		double		x = random_number();

		dense[random_bits() % DENSE] = (float) (x * x * x);
	}
	/* The least magnitude of which not too many are greater. */
	for (;;)
	{
		double		next = 2;
		int			above = 0;

		for (int i = 0; i < DENSE; i++)
			above += fabs(dense[i]) > least;
		if (above <= GRAPH_SPARSE_KEPT)
			break;
		for (int i = 0; i < DENSE; i++)
		{
			if (fabs(dense[i]) > least && fabs(dense[i]) < next)
				next = fabs(dense[i]);
		}
		least = next;
	}
	for (int i = 0; i < DENSE; i++)
	{
		if (fabs(dense[i]) > least)
		{
			sparse->indices[kept] = i;
			sparse->values[kept++] = (float) dense[i];
		}
		else
			error += taxicab ? fabs(dense[i]) : dense[i] * dense[i];
	}
	sparse->count = kept;
	for (; kept < GRAPH_SPARSE_KEPT; kept++)
	{
		sparse->indices[kept] = 0;
		sparse->values[kept] = 0;
	}
	sparse->error = error == 0 ? 0 : nextafterf((float) (taxicab ? error : sqrt(error)), INFINITY);
}

static double
dense_distance(GraphMetric metric, const double *a, const double *b)
{
	double		sum = 0;

	for (int i = 0; i < DENSE; i++)
		sum += metric == GRAPH_IP ? -a[i] * b[i] : metric == GRAPH_L1 ? fabs(a[i] - b[i]) : (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

/* Distances of vectors that are kept whole; keys no greater than distances of those that are not. */
static bool
test_sparse(GraphMetric metric)
{
	static double own[DENSE];
	static double query[DENSE];
	bool		good = true;
	Room		room;

	room_open(&room, 1000000000, metric, GRAPH_SPARSE);
	for (int round = 0; round < 400; round++)
	{
		double		want;
		double		output;
		float		exact;

		fill_sparse(own, room.own, round, metric == GRAPH_L1);
		fill_sparse(query, room.query->vector, 400 - round, metric == GRAPH_L1);
		graph_slot_store(&room.g, room.slot, room.own);
		graph_query_prepare(room.query);
		exact = graph_exact(room.query, room.slot);
		want = dense_distance(metric, query, own);
		output = metric == GRAPH_L2 ? sqrt(want) : want;
		if (room.slot->error == 0 && ((GraphSparse *) room.query->vector)->error == 0)
			good &= fabs(exact - want) <= 1e-5 * (1 + fabs(want));
		if (graph_key(room.query, room.slot, exact) > output)
		{
			printf("# round %d: key %g, distance %g\n", round, graph_key(room.query, room.slot, exact), output);
			good = false;
		}
		if (graph_key(room.query, room.slot, exact) < output - 4 * (room.slot->error + ((GraphSparse *) room.query->vector)->error) * 8 - 0.05)
		{
			printf("# round %d: key %g, distance %g: too loose\n", round, graph_key(room.query, room.slot, exact), output);
			good = false;
		}
	}
	room_close(&room);
	return good;
}

/* Estimates go with distances. */
static bool
test_sparse_estimates(GraphMetric metric)
{
	static double dense[DENSE];
	double		correlation;
	double		n = 0;
	double		sums[5] = {0};
	Room		room;

	room_open(&room, DENSE, metric, GRAPH_SPARSE);
	for (int round = 0; round < 50; round++)
	{
		float		estimates[GRAPH_MAX_LINKS];

		fill_sparse(dense, room.own, 60, false);
		fill_sparse(dense, room.query->vector, 60, false);
		for (int i = 0; i < room.g.shape.links; i++)
		{
			/* some near the query, some near the node */
			fill_sparse(dense, neighbour(&room, i), 60, false);
			if (i % 3 == 1)
				memcpy(neighbour(&room, i), room.own, sizeof(GraphSparse));
			if (i % 3 == 2)
				memcpy(neighbour(&room, i), room.query->vector, sizeof(GraphSparse));
			((GraphSparse *) neighbour(&room, i))->values[i] *= 2;
		}
		room_estimate(&room, estimates);
		for (int i = 0; i < room.g.shape.links; i++)
		{
			double		x = estimates[i];
			double		y = graph_distance(&room.g, room.query->vector, neighbour(&room, i));

			n++;
			sums[0] += x;
			sums[1] += y;
			sums[2] += x * x;
			sums[3] += y * y;
			sums[4] += x * y;
		}
	}
	room_close(&room);
	correlation = (sums[4] - sums[0] * sums[1] / n) /
		sqrt((sums[2] - sums[0] * sums[0] / n) * (sums[3] - sums[1] * sums[1] / n));
	printf("# correlation of estimates and distances: %.3f\n", correlation);
	return correlation > 0.95;
}

/* ---- the Poincare ball */

static void
fill_point(float *vector, int dim, double from_boundary)
{
	double		squared = 0;

	for (int i = 0; i < dim; i++)
	{
		vector[i] = (float) random_number();
		squared += (double) vector[i] * vector[i];
	}
	for (int i = 0; i < dim; i++)
		vector[i] = (float) (vector[i] / sqrt(squared) * (1 - from_boundary));
}

static double
hyperbolic(const float *u, const float *v, int dim)
{
	long double uu = 0;
	long double vv = 0;
	long double uv = 0;

	for (int i = 0; i < dim; i++)
	{
		uu += (long double) u[i] * u[i];
		vv += (long double) v[i] * v[i];
		uv += ((long double) u[i] - v[i]) * ((long double) u[i] - v[i]);
	}
	return (double) (2 * asinhl(sqrtl(uv / ((1 - uu) * (1 - vv)))));
}

/* Distances, and estimates that are no worse than a step or two of a tree. */
static bool
test_poincare(void)
{
	static const int dims[] = {2, 3, 10, 50, 100, 300};
	bool		good = true;

	for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
	{
		int			dim = dims[d];
		double		off = 0;
		int			count = 0;
		Room		room;

		room_open(&room, dim, GRAPH_POINCARE, GRAPH_FLOAT32);
		for (int round = 0; round < 100; round++)
		{
			float		estimates[GRAPH_MAX_LINKS];
			double		got;
			double		want;

			fill_point(room.own, dim, round % 2 ? 0.001 : 0.3);
			fill_point(room.query->vector, dim, round % 3 ? 0.001 : 0.5);
			for (int i = 0; i < room.g.shape.links; i++)
				fill_point(neighbour(&room, i), dim, i % 2 ? 0.0015 : 0.1);
			got = graph_output_distance(GRAPH_POINCARE, room_estimate(&room, estimates));
			want = hyperbolic(room.query->vector, room.own, dim);
			if (fabs(got - want) > 1e-5 * want)
			{
				printf("# %d dimensions: %g, not %g\n", dim, got, want);
				good = false;
			}
			for (int i = 0; i < room.g.shape.links; i++)
			{
				off += fabs(graph_output_distance(GRAPH_POINCARE, estimates[i]) - hyperbolic(room.query->vector, neighbour(&room, i), dim));
				count++;
			}
		}
		printf("# %d dimensions: estimates are off by %.3f\n", dim, off / count);
		good &= off / count < 0.5;
		room_close(&room);
	}
	return good;
}

int
main(void)
{
	simd_init();
	ok(test_bits(GRAPH_HAMMING), "Hamming distances and estimates");
	ok(test_bits(GRAPH_JACCARD), "Jaccard distances and estimates");
	ok(test_sparse(GRAPH_L2), "sparse vectors: Euclidean distances and their bounds");
	ok(test_sparse(GRAPH_IP), "sparse vectors: inner products and their bounds");
	ok(test_sparse(GRAPH_L1), "sparse vectors: taxicab distances and their bounds");
	ok(test_sparse_estimates(GRAPH_L2), "sparse vectors: estimates of Euclidean distances");
	ok(test_sparse_estimates(GRAPH_IP), "sparse vectors: estimates of inner products");
	ok(test_sparse_estimates(GRAPH_L1), "sparse vectors: estimates of taxicab distances");
	ok(test_poincare(), "hyperbolic distances and estimates");
	return done_testing();
}
