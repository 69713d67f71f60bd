/* graph_estimate_test.c: estimates of the distances to a node's neighbours, from their codes. */
/* sources: src/graph/code.c src/graph/sparse.c src/vector/hyperbolic_math.c src/vector/sparsevec_distance.c src/graph/geometry.c src/graph/rotation.c src/simd/simd*.c */

/*
 * First against the formulas at the head of graph/code.c, computed plainly from the
 * bits of the codes; then against the truth, as statistics over random rotations.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/code.h"
#include "graph/rotation.h"
#include "simd/simd.h"
#include "tap.h"

#define LINKS 16
#define MAX_DIM 1536

static const char *const metric_names[] = {"l2", "ip", "cosine", "l1"};

static float own[MAX_DIM];
static float query_vector[MAX_DIM];
static float neighbours[LINKS][MAX_DIM];

/* Numbers that are the same in every run (SplitMix64). */

static uint64_t random_state = 1;

static uint64_t
random_bits(void)
{
	uint64_t	z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* The sum of twelve uniform numbers: Gaussian enough, and quick. */
static double
random_gauss(void)
{
	double		sum = -6 * 65536.0;

	for (int i = 0; i < 3; i++)
	{
		uint64_t	bits = random_bits();

		for (int j = 0; j < 4; j++)
			sum += (double) (bits >> 16 * j & 0xffff) + 0.5;
	}
	return sum / 65536;
}

static void
fill(float *v, int dim, const float *centre, double size)
{
	for (int i = 0; i < dim; i++)
		v[i] = (float) ((centre != NULL ? centre[i] : 0) + size * random_gauss());
}

static void
normalize(float *v, int dim)
{
	double		sum = 0;

	for (int i = 0; i < dim; i++)
		sum += (double) v[i] * v[i];
	for (int i = 0; i < dim; i++)
		v[i] = (float) (v[i] / sqrt(sum));
}

/* The distance between two vectors as they are, and the sum of its terms' sizes. */
static double
distance(GraphMetric metric, const float *a, const float *b, int dim, double *size)
{
	double		sum = 0;

	*size = 0;
	for (int i = 0; i < dim; i++)
	{
		double		x = a[i];
		double		y = b[i];

		sum += metric == GRAPH_IP ? -x * y : metric == GRAPH_L1 ? fabs(x - y) : (x - y) * (x - y);
		*size += fabs(x * y) + (metric == GRAPH_L1 ? fabs(x - y) : x * x + y * y);
	}
	return sum;
}

/* A node with LINKS neighbours, and a query. */
typedef struct Room
{
	GraphGeometry geometry;
	GraphSlot  *slot;
	GraphQuery *query;
	float		exact;
	float		estimates[LINKS];
} Room;

static bool
room_open(Room *room, int dim, GraphMetric metric, GraphStorage storage, int bits)
{
	GraphShape	shape = {dim, metric, storage, bits, LINKS};

	if (!graph_geometry(&shape, &room->geometry))
		return false;
	room->slot = calloc(1, room->geometry.slot_size);
	room->query = graph_query_init(malloc(graph_query_size(&room->geometry)), &room->geometry);
	return true;
}

static void
room_close(Room *room)
{
	free(room->slot);
	free(room->query);
}

/* Store own and neighbours, which are rotated; own is then what was stored. */
static void
room_store(Room *room)
{
	graph_slot_store(&room->geometry, room->slot, own);
	graph_slot_load(&room->geometry, room->slot, own);
	for (int i = 0; i < LINKS; i++)
		graph_slot_set_link(&room->geometry, room->slot, i, 100 + i, own, neighbours[i]);
	room->slot->count = LINKS;
}

/* Estimate all, from the last to the first. */
static void
room_estimate(Room *room)
{
	uint16_t	which[LINKS];
	float		backwards[LINKS];

	for (int i = 0; i < LINKS; i++)
		which[i] = LINKS - 1 - i;
	memcpy(room->query->vector, query_vector, sizeof(float) * room->geometry.shape.dim);
	graph_query_prepare(room->query);
	room->exact = graph_exact(room->query, room->slot);
	graph_estimate(room->query, room->slot, room->exact, which, LINKS, backwards);
	for (int i = 0; i < LINKS; i++)
		room->estimates[which[i]] = backwards[i];
}

/* The odd number that a code has for a dimension. */
static int
level(const GraphGeometry *g, const uint8_t *code, int i)
{
	int			u = 0;

	for (int plane = 0; plane < g->shape.bits; plane++)
		u |= (code[plane * g->plane_bytes + i / 8] >> i % 8 & 1) << plane;
	return 2 * u + 1 - (1 << g->shape.bits);
}

/*
 * The estimate by the formula, without the query's weights; *allowed is what
 * rounding those may change, half a step for each, and of floats.
 */
static double
formula(const Room *room, int link, double *allowed)
{
	const GraphGeometry *g = &room->geometry;
	const uint8_t *code = graph_slot_code(g, room->slot, link);
	const float *o = neighbours[link];
	double		xr = 0,
				rr = 0,
				rc = 0,
				xy = 0,
				xs = 0,
				largest = 0;
	double		k;
	double		size;
	double		base = distance(g->shape.metric, query_vector, own, g->shape.dim, &size);

	for (int i = 0; i < g->shape.dim; i++)
	{
		double		r = (double) o[i] - own[i];
		double		x = level(g, code, i);

		xr += x * r;
		rr += r * r;
		rc += r * own[i];
		xy += x * ((double) query_vector[i] - own[i]);
		xs += fabs(x);
		largest = fmax(largest, fabsf(query_vector[i]));
	}
	k = xr > 0 ? rr / xr : 0;
	*allowed = k * xs * largest / 127 / 2 * (g->shape.metric == GRAPH_IP ? 1 : 2) +
		1e-5 * (size + rr + k * xs * sqrt(size / g->shape.dim));
	if (g->shape.metric == GRAPH_IP)
		return base - rc - k * xy;
	return base + rr - 2 * k * xy;
}

/* As above for L1: each |t - x a| where |t| is above the mean a of all links, and there the line between. */
static double
formula_l1(const Room *room, int link, double *allowed)
{
	const GraphGeometry *g = &room->geometry;
	const uint8_t *code = graph_slot_code(g, room->slot, link);
	double		mean = 0;
	double		sum = 0;
	double		size;
	double		a = distance(GRAPH_L1, neighbours[link], own, g->shape.dim, &size) / g->shape.dim;

	for (int i = 0; i < LINKS; i++)
		mean += distance(GRAPH_L1, neighbours[i], own, g->shape.dim, &size) / g->shape.dim / LINKS;
	for (int i = 0; i < g->shape.dim; i++)
	{
		double		t = (double) query_vector[i] - own[i];
		double		x = level(g, code, i) > 0 ? 1 : -1;

		sum += fabs(t) > mean ? fabs(t) - x * copysign(a, t) : a - x * t * a / mean;
	}
	*allowed = a * g->shape.dim / 127 / 2 + 1e-4 * (sum + a * g->shape.dim + size);
	return sum;
}

/* Whether all estimates are what the formula gives; at the node itself, that is the truth. */
static bool
formula_good(int dim, GraphMetric metric, GraphStorage storage, int bits, int at)
{
	Room		room;
	bool		good = true;

	if (!room_open(&room, dim, metric, storage, bits))
		return true;
	fill(own, dim, NULL, at == 3 ? 0 : 1);
	for (int i = 0; i < LINKS; i++)
		fill(neighbours[i], dim, own, 0.1 * (i + 1));
	room_store(&room);
	fill(query_vector, dim, own, at == 0 ? 0 : at == 1 ? 0.3 : 2);
	room_estimate(&room);
	for (int i = 0; i < LINKS; i++)
	{
		double		allowed;
		double		size;
		double		want = metric == GRAPH_L1 ? formula_l1(&room, i, &allowed) : formula(&room, i, &allowed);

		if (at == 0)
			want = distance(metric, own, neighbours[i], dim, &size);
		if (!(fabs(room.estimates[i] - want) <= allowed))
		{
			printf("# %s, %d dimensions, %s, storage %d, %d bits, query %d: estimate %g, formula %g, allowed %g\n", simd->name,
				   dim, metric_names[metric], storage, bits, at, room.estimates[i], want, allowed);
			good = false;
			break;
		}
	}
	room_close(&room);
	return good;
}

static bool
test_formula(GraphMetric metric)
{
	static const int dims[] = {1, 2, 3, 17, 63, 64, 65, 100, 384};
	bool		good = true;

	for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
	{
		/*
		 * L1's formula is for signs; more bits only have to be good
		 * (test_statistics_l1)
		 */
		for (int bits = 1; bits <= (metric == GRAPH_L1 ? 1 : 4); bits++)
		{
			for (int at = 0; at < 4; at++)
			{
				good &= formula_good(dims[d], metric, GRAPH_FLOAT32, bits, at);
				good &= formula_good(dims[d], metric, GRAPH_INT8, bits, at);
			}
		}
	}
	return good;
}

/* A neighbour that equals the node is as far as the node, exactly. */
static bool
test_equal(void)
{
	bool		good = true;

	for (int metric = 0; metric < 4; metric++)
	{
		for (int bits = 1; bits <= 4; bits++)
		{
			for (int dim = 1; dim <= 300; dim += 23)
			{
				Room		room;

				if (!room_open(&room, dim, metric, GRAPH_FLOAT32, bits))
					continue;
				fill(own, dim, NULL, 1);
				for (int i = 0; i < LINKS; i++)
					memcpy(neighbours[i], own, sizeof(own));
				room_store(&room);
				fill(query_vector, dim, NULL, 1);
				room_estimate(&room);
				for (int i = 0; i < LINKS; i++)
				{
					if (metric == GRAPH_L1)
						good &= fabsf(room.estimates[i] - room.exact) <= 1e-5f * room.exact;
					else
						good &= room.estimates[i] == room.exact;
				}
				room_close(&room);
			}
		}
	}
	return good;
}

/* What is asked for of a slot, and in what order, does not change an estimate. */
static bool
test_subsets(void)
{
	static const uint16_t which[] = {3, 15, 0, 3, 7};
	float		some[5];
	bool		good = true;

	for (int metric = 0; metric < 4; metric++)
	{
		Room		room;

		if (!room_open(&room, 100, metric, GRAPH_INT8, 1))
			abort();
		fill(own, 100, NULL, 1);
		for (int i = 0; i < LINKS; i++)
			fill(neighbours[i], 100, own, 1);
		room_store(&room);
		fill(query_vector, 100, own, 1);
		room_estimate(&room);
		for (int count = 0; count <= 5; count++)
		{
			some[0] = 42;
			graph_estimate(room.query, room.slot, room.exact, which, count, some);
			for (int i = 0; i < count; i++)
				good &= some[i] == room.estimates[which[i]];
			good &= count > 0 || some[0] == 42;
		}
		room_close(&room);
	}
	return good;
}

/* Errors of estimates, in units of the deviation that theory gives them. */
typedef struct Errors
{
	double		sum;			/* of means of a trial; its errors are akin */
	double		squares_of_means;
	double		squares;
	int			trials;
} Errors;

/*
 * The deviation: 1 / cos^2 - 1 over the dimensions for the code, cos being that
 * between a Gaussian vector and its code, and what rounding to weights adds.
 */
static void
add_errors(Errors *errors, const Room *room)
{
	/* distortion of uniform quantizers of a Gaussian: Max, 1960 */
	static const double distortion[] = {0, 0.3634, 0.1188, 0.0374, 0.01154};
	const GraphShape *shape = &room->geometry.shape;
	double		cos2 = 1 - distortion[shape->bits];
	double		mean = 0;

	for (int i = 0; i < LINKS; i++)
	{
		double		rr = 0,
					yy = 0,
					ry = 0,
					largest = 0;
		double		code;
		double		weights;
		double		size;
		double		error = room->estimates[i] - distance(shape->metric, query_vector, neighbours[i], shape->dim, &size);

		for (int j = 0; j < shape->dim; j++)
		{
			double		r = (double) neighbours[i][j] - own[j];
			double		y = (double) query_vector[j] - own[j];

			rr += r * r;
			yy += y * y;
			ry += r * y;
			largest = fmax(largest, fabsf(query_vector[j]));
		}
		code = (rr * yy - ry * ry) * (1 / cos2 - 1) / (shape->dim - 1);
		weights = rr / cos2 * largest / 127 * largest / 127 / 12;
		error /= sqrt(code + weights) * (shape->metric == GRAPH_IP ? 1 : 2);
		mean += error / LINKS;
		errors->squares += error * error / LINKS;
	}
	errors->sum += mean;
	errors->squares_of_means += mean * mean;
	errors->trials++;
}

/*
 * Over random rotations estimates are right on average, and vary as theory says.
 * Vectors are drawn from one Gaussian, or from a cluster far from the origin.
 */
static bool
statistics_good(int dim, bool clustered)
{
	static const int all_bits[] = {1, 2, 4};
	uint64_t	signs[GRAPH_ROTATION_WORDS(MAX_DIM)];
	Errors		errors[3][3] = {{{0}}};
	bool		good = true;
	float		centre[MAX_DIM];

	for (int trial = 0; trial < (dim <= 384 ? 30 : 16); trial++)
	{
		double		size = clustered ? 0.5 : 1;

		graph_rotation_signs(random_bits(), dim, signs);
		fill(centre, dim, NULL, clustered ? 1 : 0);
		fill(query_vector, dim, centre, size);
		fill(own, dim, centre, size);
		graph_rotate(signs, dim, query_vector, query_vector);
		graph_rotate(signs, dim, own, own);
		for (int i = 0; i < LINKS; i++)
		{
			fill(neighbours[i], dim, centre, size);
			graph_rotate(signs, dim, neighbours[i], neighbours[i]);
		}
		for (int metric = GRAPH_L2; metric <= GRAPH_COSINE; metric++)
		{
			/* the last, as it changes them */
			for (int i = 0; i < LINKS && metric == GRAPH_COSINE; i++)
				normalize(neighbours[i], dim);
			if (metric == GRAPH_COSINE)
			{
				normalize(own, dim);
				normalize(query_vector, dim);
			}
			for (int b = 0; b < 3; b++)
			{
				Room		room;

				if (!room_open(&room, dim, metric, GRAPH_FLOAT32, all_bits[b]))
					abort();
				room_store(&room);
				room_estimate(&room);
				add_errors(&errors[metric][b], &room);
				room_close(&room);
			}
		}
	}
	for (int metric = GRAPH_L2; metric <= GRAPH_COSINE; metric++)
	{
		for (int b = 0; b < 3; b++)
		{
			Errors	   *e = &errors[metric][b];
			double		mean = e->sum / e->trials;
			double		of_mean = sqrt(e->squares_of_means) / e->trials;
			double		deviation = sqrt(e->squares / e->trials);

			if (fabs(mean) > 4 * of_mean || of_mean > 0.15 || deviation < 0.87 || deviation > 1.13)
			{
				printf("# %d dimensions, %s, %d bits, %s: mean %.3f, deviation %.3f of theory's\n", dim, metric_names[metric],
					   all_bits[b], clustered ? "clustered" : "Gaussian", mean, deviation);
				good = false;
			}
		}
	}
	return good;
}

static bool
test_statistics(void)
{
	static const int dims[] = {64, 100, 384, 768, 1536};
	bool		good = true;

	for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
	{
		good &= statistics_good(dims[d], false);
		good &= statistics_good(dims[d], true);
	}
	return good;
}

/* L1 has no theory; estimates are to be about right, and to tell near from far. */
static bool
test_statistics_l1(void)
{
	static const int dims[] = {64, 100, 384, 768, 1536};
	bool		good = true;

	for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
	{
		for (int bits = 1; bits <= 4; bits++)
		{
			double		squares = 0;
			double		signed_sum = 0;
			Room		room;

			if (!room_open(&room, dims[d], GRAPH_L1, GRAPH_FLOAT32, bits))
				continue;
			for (int trial = 0; trial < 10; trial++)
			{
				fill(own, dims[d], NULL, 1);
				fill(query_vector, dims[d], own, 0.7);
				for (int i = 0; i < LINKS; i++)
					fill(neighbours[i], dims[d], own, 0.7);
				room_store(&room);
				room_estimate(&room);
				for (int i = 0; i < LINKS; i++)
				{
					double		size;
					double		truth = distance(GRAPH_L1, query_vector, neighbours[i], dims[d], &size);
					double		error = room.estimates[i] / truth - 1;

					squares += error * error;
					signed_sum += error;
				}
			}
			room_close(&room);
			if (sqrt(squares / (10 * LINKS)) > 0.1)
			{
				printf("# %d dimensions, l1, %d bits: off by %.3f, on average %.3f\n", dims[d], bits,
					   sqrt(squares / (10 * LINKS)), signed_sum / (10 * LINKS));
				good = false;
			}
		}
	}
	return good;
}

/* What is broken in a page spoils the estimates that need it, and no others. */
static bool
test_broken(void)
{
	static const float values[] = {NAN, INFINITY, -INFINITY};
	bool		good = true;

	for (int metric = 0; metric < 4; metric++)
	{
		for (int storage = 0; storage < 2; storage++)
		{
			for (int v = 0; v < 3; v++)
			{
				Room		room;
				float		before[LINKS];
				GraphFactors *factors;
				char	   *vector;

				if (!room_open(&room, 70, metric, storage, 1))
					abort();
				fill(own, 70, NULL, 1);
				for (int i = 0; i < LINKS; i++)
					fill(neighbours[i], 70, own, 1);
				fill(query_vector, 70, own, 1);
				room_store(&room);
				room_estimate(&room);
				memcpy(before, room.estimates, sizeof(before));

				factors = graph_slot_factors(&room.geometry, room.slot);
				if (metric != GRAPH_L1)
				{
					factors[3].add = values[v];
					factors[5].multiply = values[v];
					room_estimate(&room);
					for (int i = 0; i < LINKS; i++)
						good &= i == 3 || i == 5 ? !isfinite(room.estimates[i]) : room.estimates[i] == before[i];
				}
				else
				{
					factors[5].multiply = values[v];
					room_estimate(&room);
					good &= !isfinite(room.estimates[5]);
				}

				room_store(&room);
				vector = graph_slot_vector(&room.geometry, room.slot);
				if (storage == GRAPH_INT8)
					room.slot->scale = values[v];
				else
					memcpy(vector + 4 * 33, &values[v], sizeof(float));
				room_estimate(&room);
				good &= !isfinite(room.exact);
				for (int i = 0; i < LINKS && metric != GRAPH_L1; i++)
					good &= !isfinite(room.estimates[i]);
				room_store(&room);
				query_vector[11] = values[v];
				room_estimate(&room);
				good &= !isfinite(room.exact);
				for (int i = 0; i < LINKS && metric != GRAPH_L1; i++)
					good &= !isfinite(room.estimates[i]);
				room_close(&room);
			}
		}
	}
	return good;
}

int
main(void)
{
	for (int i = 0; i < simd_rung_count; i++)
	{
		char		name[100];

		if (!simd_rungs[i]->usable())
			continue;
		simd_use(simd_rungs[i]);
		for (int metric = 0; metric < 4; metric++)
		{
			snprintf(name, sizeof(name), "%s: estimates of %s are what the formula gives", simd->name, metric_names[metric]);
			ok(test_formula(metric), name);
		}
	}
	simd_init();
	ok(test_equal(), "a neighbour equal to the node");
	ok(test_subsets(), "some of the neighbours, in any order");
	ok(test_statistics(), "estimates are right on average, and vary as theory says");
	ok(test_statistics_l1(), "estimates of l1 are about right");
	ok(test_broken(), "NaN and infinity in a page or a query");
	return done_testing();
}
