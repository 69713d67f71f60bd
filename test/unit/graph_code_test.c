/* graph_code_test.c: a slot's own vector, and that graph_key is never above what the operator returns. */
/* sources: src/graph/code.c src/graph/sparse.c src/vector/hyperbolic_math.c src/vector/sparsevec_distance.c src/graph/geometry.c src/graph/rotation.c src/simd/simd*.c */

/*
 * A scan that returns an int8 vector promises a distance that the server compares
 * with the operator's own, and raises an error where the promise was above it.
 * So pairs of vectors are made to be as hard as possible: queries along what
 * rounding took away, vectors that rounding leaves alone, sums that round to one
 * side, and values as large and as small as floats are.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/code.h"
#include "graph/rotation.h"
#include "simd/simd.h"
#include "tap.h"

static const char *const metric_names[] = {"l2", "ip", "cosine", "l1"};

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

/* In (0, 1). */
static double
random_unit(void)
{
	return ((double) (random_bits() >> 12) + 0.5) / (UINT64_C(1) << 52);
}

static double
random_gauss(void)
{
	return sqrt(-2 * log(random_unit())) * cos(2 * M_PI * random_unit());
}

/* An index of one shape with one node, and a query. */
typedef struct Room
{
	GraphGeometry geometry;
	uint64_t	signs[GRAPH_ROTATION_WORDS(GRAPH_MAX_DIM)];
	GraphSlot  *slot;
	GraphQuery *query;
} Room;

static Room *
room_open(int dim, GraphMetric metric, GraphStorage storage)
{
	GraphShape	shape = {dim, metric, storage, 1, 2};
	Room	   *room = malloc(sizeof(Room));

	if (!graph_geometry(&shape, &room->geometry))
		abort();
	graph_rotation_signs(1, dim, room->signs);
	room->slot = calloc(1, room->geometry.slot_size);
	room->query = graph_query_init(malloc(graph_query_size(&room->geometry)), &room->geometry);
	return room;
}

static void
room_close(Room *room)
{
	free(room->slot);
	free(room->query);
	free(room);
}

/* As hnsw_form_vector of hnsw_page.c; false if there is no direction. */
static bool
form(const Room *room, const float *in, float *out)
{
	int			dim = room->geometry.shape.dim;
	double		norm = 0;

	memcpy(out, in, sizeof(float) * dim);
	if (room->geometry.shape.metric == GRAPH_COSINE)
	{
		for (int i = 0; i < dim; i++)
			norm += (double) out[i] * out[i];
		if (!(norm >= 16.0 * FLT_MIN) || norm > FLT_MAX)
			return false;
		norm = sqrt(norm);
		for (int i = 0; i < dim; i++)
			out[i] = (float) (out[i] / norm);
	}
	if (room->geometry.shape.metric != GRAPH_L1)
		graph_rotate(room->signs, dim, out, out);
	for (int i = 0; i < dim; i++)
		out[i] += 0.0f;
	return true;
}

/* As the SQL functions of src/vector/vector_ops.c. */
static double
operator_distance(GraphMetric metric, const float *a, const float *b, int dim)
{
	SimdCosine	parts;
	double		similarity;

	switch (metric)
	{
		case GRAPH_IP:
			return -(double) simd->inner_product_f32(a, b, dim);
		case GRAPH_L1:
			return (double) simd->l1_f32(a, b, dim);
		case GRAPH_COSINE:
			parts = simd->cosine_f32(a, b, dim);
			similarity = (double) parts.dot / sqrt((double) parts.norm_a * (double) parts.norm_b);
			if (similarity > 1)
				similarity = 1;
			else if (similarity < -1)
				similarity = -1;
			return 1 - similarity;
		default:
			return sqrt((double) simd->l2_squared_f32(a, b, dim));
	}
}

/* The rotation taken back, in double precision, without its signs' array changing. */
static void
hadamard(double *v, int n)
{
	for (int half = 1; half < n; half *= 2)
	{
		for (int i = 0; i < n; i++)
		{
			if (!(i & half))
			{
				double		x = v[i];

				v[i] = (x + v[i + half]) * M_SQRT1_2;
				v[i + half] = (x - v[i + half]) * M_SQRT1_2;
			}
		}
	}
}

static void
unrotate(const Room *room, double *v)
{
	int			dim = room->geometry.shape.dim;
	int			block = 1;

	if (room->geometry.shape.metric == GRAPH_L1)
		return;
	while (block * 2 <= dim)
		block *= 2;
	for (int round = GRAPH_ROTATION_ROUNDS - 1; round >= 0; round--)
	{
		const uint64_t *signs = room->signs + round * ((dim + 63) / 64);

		if (block < dim)
			hadamard(v + dim - block, block);
		hadamard(v, block);
		for (int i = 0; i < dim; i++)
		{
			if (signs[i / 64] >> (i % 64) & 1)
				v[i] = -v[i];
		}
	}
}

/*
 * Kinds of pairs.  Each fills a query and a vector of the index.
 */
static double *work;

static void
gaussian(float *v, int dim, double size)
{
	for (int i = 0; i < dim; i++)
		v[i] = (float) (size * random_gauss());
}

static void
constant(float *v, int dim, double value)
{
	for (int i = 0; i < dim; i++)
		v[i] = (float) value;
}

static void
pair_random(Room *room, float *q, float *o, int dim)
{
	(void) room;
	gaussian(q, dim, 1);
	gaussian(o, dim, 1);
}

/* Equal, opposite, scaled and nearly equal vectors. */
static void
pair_related(Room *room, float *q, float *o, int dim)
{
	double		factor = random_unit() < 0.5 ? 1 : 3 * random_gauss();
	double		noise = random_unit() < 0.3 ? 0 : exp(-25 * random_unit());

	(void) room;
	gaussian(o, dim, 1);
	for (int i = 0; i < dim; i++)
		q[i] = (float) (factor * o[i] * (1 + noise * random_gauss()));
}

/* A few elements that are not 0, of few values. */
static void
pair_sparse(Room *room, float *q, float *o, int dim)
{
	(void) room;
	constant(q, dim, 0);
	constant(o, dim, 0);
	for (int i = random_bits() % 3; i >= 0; i--)
	{
		q[random_bits() % dim] = (float) ((int) (random_bits() % 7) - 3);
		o[random_bits() % dim] = (float) ((int) (random_bits() % 7) - 3);
	}
	q[random_bits() % dim] = 1;
	o[random_bits() % dim] = 1;
}

/* Equal elements: sums whose roundings all go one way. */
static void
pair_constant(Room *room, float *q, float *o, int dim)
{
	(void) room;
	constant(q, dim, exp(2 * random_unit()));
	constant(o, dim, random_unit() < 0.3 ? 0 : exp(2 * random_unit()) * (random_bits() % 2 ? 1 : -1));
}

/* A query along what rounding takes away from a vector, on the side where that is nearer. */
static void
pair_along_error(Room *room, float *q, float *o, int dim)
{
	double		length = exp(10 * random_unit() - 5);

	gaussian(o, dim, 1);
	if (!form(room, o, room->query->vector))
		abort();
	graph_slot_store(&room->geometry, room->slot, room->query->vector);
	graph_slot_load(&room->geometry, room->slot, room->query->scratch);
	for (int i = 0; i < dim; i++)
	{
		double		lost = (double) room->query->vector[i] - room->query->scratch[i];

		work[i] = room->geometry.shape.metric == GRAPH_L1 ? copysign(length, lost) :
			room->slot->error > 0 ? length * lost / room->slot->error : length;
		if (room->geometry.shape.metric != GRAPH_IP)
			work[i] += room->query->vector[i];
	}
	unrotate(room, work);
	for (int i = 0; i < dim; i++)
		q[i] = (float) work[i];
}

/* A vector from which rounding takes next to nothing, and a query at a right angle or at it. */
static void
pair_whole(Room *room, float *q, float *o, int dim)
{
	double		product = 0;
	double		norm = 0;
	double		size = exp(30 * random_unit() - 15);

	for (int i = 0; i < dim; i++)
		work[i] = (double) ((int) (random_bits() % 255) - 127);
	work[random_bits() % dim] = 127;
	unrotate(room, work);
	for (int i = 0; i < dim; i++)
		o[i] = (float) work[i];
	gaussian(q, dim, 1);
	for (int i = 0; i < dim; i++)
	{
		product += (double) q[i] * o[i];
		norm += (double) o[i] * o[i];
	}
	for (int i = 0; i < dim; i++)
		q[i] = (float) (size * (random_bits() % 8 ? q[i] - product / norm * o[i] : o[i]));
}

/* Elements of all sizes in one vector. */
static void
pair_mixed(Room *room, float *q, float *o, int dim)
{
	(void) room;
	for (int i = 0; i < dim; i++)
	{
		q[i] = (float) (exp(28 * random_unit() - 14) * (random_bits() % 2 ? 1 : -1));
		o[i] = (float) (exp(28 * random_unit() - 14) * (random_bits() % 2 ? 1 : -1));
	}
}

/* Sums just below the largest float, where that with the rounded vector may be above it. */
static void
pair_largest(Room *room, float *q, float *o, int dim)
{
	double		sum = 0;

	gaussian(q, dim, random_bits() % 2);
	gaussian(o, dim, 1);
	for (int i = 0; i < dim; i++)
	{
		double		difference = (double) q[i] - o[i];

		sum += room->geometry.shape.metric == GRAPH_L1 ? fabs(difference) :
			room->geometry.shape.metric == GRAPH_IP ? fabs((double) q[i] * o[i]) : difference * difference;
	}
	sum = FLT_MAX * (1 - 1e-4 * random_unit()) / sum;
	if (room->geometry.shape.metric != GRAPH_L1)
		sum = sqrt(sum);
	for (int i = 0; i < dim; i++)
	{
		q[i] = (float) (q[i] * sum);
		o[i] = (float) (o[i] * sum);
	}
}

static const struct
{
	const char *name;
	void		(*make) (Room *room, float *q, float *o, int dim);
}			kinds[] = {
	{"random", pair_random},
	{"related", pair_related},
	{"sparse", pair_sparse},
	{"constant", pair_constant},
	{"along the error", pair_along_error},
	{"whole", pair_whole},
	{"mixed", pair_mixed},
	{"largest", pair_largest},
};

#define N_KINDS (int) (sizeof(kinds) / sizeof(kinds[0]))

/* Lengths that the query and the vector are multiplied by. */
static const float sizes[][2] = {
	{1, 1}, {1, 1e6f}, {1e6f, 1}, {1e18f, 1e18f}, {1e18f, 1}, {1, 1e18f}, {1e-20f, 1e-20f},
	{1e-20f, 1}, {1, 1e-20f}, {1e18f, 1e-20f}, {1e-20f, 1e18f}, {1e-23f, 1e-23f}, {1e-23f, 1e18f},
	{1e-42f, 1e-42f}, {1.3e19f, 1.3e19f}, {1e25f, 1e25f}, {1e37f, 1e37f}, {1e37f, 1e-37f}, {1e-37f, 1e37f}
};

#define N_SIZES (int) (sizeof(sizes) / sizeof(sizes[0]))

static void
resize(float *v, int dim, float size)
{
	for (int i = 0; i < dim; i++)
		v[i] = fminf(fmaxf(v[i] * size, -FLT_MAX), FLT_MAX);
}

/* Failures said of one test; more would be like them. */
#define MAX_SAID 5

static int	said;

/* What the key may be below the operator's distance by: twice the error, and little else. */
static double
allowance(const Room *room, double truth)
{
	double		slack = (room->geometry.shape.dim / 8 + 128) / (double) (1 << 22);
	double		norm = sqrt(room->query->norm) + 1e-15;
	double		error = 2 * room->slot->error;
	double		root;

	switch (room->geometry.shape.metric)
	{
		case GRAPH_IP:
			return norm * (error + slack * (sqrt(room->slot->norm) + norm + 1));
		case GRAPH_COSINE:
			root = error + 2 * slack;
			return root * (sqrt(2 * truth) + root) + 2 * slack;
		case GRAPH_L1:
			return error + slack * truth;
		default:
			return error + slack * (truth + norm);
	}
}

/* One pair: the key as a walk has it, and as a sweep has it, against the operator. */
static bool
key_good(Room *room, const float *q, const float *o, const char *kind, int size)
{
	GraphMetric metric = room->geometry.shape.metric;
	int			dim = room->geometry.shape.dim;
	double		truth = operator_distance(metric, q, o, dim);
	float		exact;

	if (isnan(truth) || !form(room, o, room->query->vector))
		return true;
	graph_slot_store(&room->geometry, room->slot, room->query->vector);
	if (!form(room, q, room->query->vector))
		return true;
	graph_query_prepare(room->query);
	exact = graph_exact(room->query, room->slot);
	for (int walk = 0; walk < 2; walk++)
	{
		float		distance = walk && isnan(exact) ? INFINITY : exact;
		float		key = graph_key(room->query, room->slot, distance);

		if (!(key <= truth))
		{
			if (said++ < MAX_SAID)
				printf("# %s, %s, %d dimensions, %s, sizes %g and %g: key %.9g above %.9g by %.3g; exact %.9g, error %.9g\n",
					   simd->name, metric_names[metric], dim, kind, sizes[size][0], sizes[size][1],
					   key, truth, key - truth, exact, room->slot->error);
			return false;
		}
		if (size == 0 && fabs(truth) < 1e18 && key < truth - allowance(room, truth))
		{
			if (said++ < MAX_SAID)
				printf("# %s, %s, %d dimensions, %s: key %.9g below %.9g by %.3g; error %.9g\n",
					   simd->name, metric_names[metric], dim, kind, key, truth, truth - key, room->slot->error);
			return false;
		}
	}
	return true;
}

/* Pairs of all kinds for some dimensions and a metric. */
static bool
keys_good(int dim, GraphMetric metric, int pairs)
{
	Room	   *room = room_open(dim, metric, GRAPH_INT8);
	float	   *q = malloc(sizeof(float) * dim);
	float	   *o = malloc(sizeof(float) * dim);
	bool		good = true;

	work = malloc(sizeof(double) * dim);
	for (int kind = 0; kind < N_KINDS; kind++)
	{
		bool		kind_good = true;

		for (int i = 0; i < pairs && kind_good; i++)
		{
			int			size = i % N_SIZES;

			kinds[kind].make(room, q, o, dim);
			resize(q, dim, sizes[size][0]);
			resize(o, dim, sizes[size][1]);
			kind_good = key_good(room, q, o, kinds[kind].name, size);
		}
		good &= kind_good;
	}
	free(work);
	free(q);
	free(o);
	room_close(room);
	return good;
}

static bool
test_keys(GraphMetric metric)
{
	static const struct
	{
		int			dim;
		int			pairs;		/* of a kind */
	}			runs[] = {
		{1, 8 * N_SIZES}, {2, 16 * N_SIZES}, {3, 8 * N_SIZES}, {4, 8 * N_SIZES}, {8, 8 * N_SIZES},
		{16, 4 * N_SIZES}, {63, 2 * N_SIZES}, {64, N_SIZES}, {100, N_SIZES}, {128, N_SIZES}, {255, N_SIZES},
		{384, N_SIZES}, {768, 4}, {1000, 4}, {1536, 4}, {3072, 3}, {16000, 1}
	};
	bool		good = true;

	said = 0;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		good &= keys_good(runs[i].dim, metric, runs[i].pairs);
	return good;
}

static bool
close_to(double got, double want)
{
	return fabs(got - want) <= 1e-5 * fabs(want) || (isnan(got) && isnan(want));
}

/*
 * What is stored comes back: as it was, or within half a step, with the length of
 * what was lost and of what is there; and beside the vector nothing is written.
 */
static bool
store_good(int dim, GraphMetric metric, GraphStorage storage, double size)
{
	Room	   *room = room_open(dim, metric, storage);
	const GraphGeometry *g = &room->geometry;
	float	   *v = malloc(sizeof(float) * dim);
	float	   *back = malloc(sizeof(float) * dim);
	double		lost = 0;
	double		norm = 0;
	bool		good = true;

	memset(room->slot, 0xa5, g->slot_size);
	gaussian(v, dim, size);
	graph_slot_store(g, room->slot, v);
	graph_slot_load(g, room->slot, back);
	for (int i = 0; i < dim; i++)
	{
		double		difference = (double) v[i] - back[i];

		lost += metric == GRAPH_L1 ? fabs(difference) : difference * difference;
		norm += (double) back[i] * back[i];
		if (storage == GRAPH_FLOAT32)
			good &= memcmp(&v[i], &back[i], sizeof(float)) == 0;
		else
			good &= fabs(difference) <= room->slot->scale * (0.5 + 1e-4);
	}
	if (metric != GRAPH_L1)
		lost = sqrt(lost);
	good &= close_to(room->slot->error, lost) && close_to(room->slot->norm, norm);
	for (const uint8_t *p = (uint8_t *) room->slot + g->ids_offset; p < (uint8_t *) room->slot + g->slot_size; p++)
		good &= *p == 0xa5;
	if (!good)
		printf("# %d dimensions, %s, storage %d: error %g, not %g; norm %g, not %g\n", dim, metric_names[metric],
			   storage, room->slot->error, lost, room->slot->norm, norm);
	free(v);
	free(back);
	room_close(room);
	return good;
}

static bool
test_store(void)
{
	static const int dims[] = {1, 2, 3, 31, 64, 100, 1536, 16000};
	static const double lengths[] = {1, 1e-10, 1e10};
	bool		good = true;

	for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
	{
		for (int metric = 0; metric < 4; metric++)
		{
			for (int j = 0; j < 3; j++)
			{
				good &= store_good(dims[i], metric, GRAPH_FLOAT32, lengths[j]);
				good &= store_good(dims[i], metric, GRAPH_INT8, lengths[j]);
			}
		}
	}
	return good;
}

/* Zeros and vectors too small for a scale are stored as zeros, and lost is what they were. */
static bool
test_store_small(void)
{
	Room	   *room = room_open(2, GRAPH_L1, GRAPH_INT8);
	float		v[2] = {0, 0};
	float		back[2] = {1, 1};
	bool		good;

	graph_slot_store(&room->geometry, room->slot, v);
	graph_slot_load(&room->geometry, room->slot, back);
	good = back[0] == 0 && back[1] == 0 && room->slot->error == 0 && room->slot->norm == 0;
	v[0] = 1e-37f;
	v[1] = -1e-45f;
	graph_slot_store(&room->geometry, room->slot, v);
	graph_slot_load(&room->geometry, room->slot, back);
	good &= back[0] == 0 && back[1] == 0 && close_to(room->slot->error, 1e-37);
	room_close(room);
	return good;
}

/* The distance to a stored vector is that of the operator's kind, for any one unrotated. */
static bool
test_exact(void)
{
	bool		good = true;

	for (int metric = 0; metric < 4; metric++)
	{
		for (int storage = 0; storage < 2; storage++)
		{
			for (int dim = 1; dim <= 140; dim += dim < 20 ? 1 : 17)
			{
				Room	   *room = room_open(dim, metric, storage);
				float		o[140];
				double		want = 0;
				double		size = 0;
				float		got;

				gaussian(room->query->vector, dim, 1);
				gaussian(o, dim, 1);
				graph_query_prepare(room->query);
				graph_slot_store(&room->geometry, room->slot, o);
				graph_slot_load(&room->geometry, room->slot, o);
				for (int i = 0; i < dim; i++)
				{
					double		q = room->query->vector[i];
					double		term = metric == GRAPH_IP ? -q * o[i] : metric == GRAPH_L1 ? fabs(q - o[i]) : (q - o[i]) * (q - o[i]);

					want += term;
					size += fabs(term);
				}
				got = graph_exact(room->query, room->slot);
				good &= fabs(got - want) <= 1e-5 * size;
				good &= close_to(graph_output_distance(metric, fabsf(got)), metric == GRAPH_L2 ? sqrt(fabsf(got)) :
								 metric == GRAPH_COSINE ? fabsf(got) / 2 : fabsf(got));
				if (storage == GRAPH_FLOAT32)
					good &= graph_key(room->query, room->slot, got) == got &&
						graph_distance(&room->geometry, room->query->vector, o) == got;
				room_close(room);
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
			snprintf(name, sizeof(name), "%s: the key of %s is never above the operator's distance, and near it",
					 simd->name, metric_names[metric]);
			ok(test_keys(metric), name);
		}
		snprintf(name, sizeof(name), "%s: what is stored comes back", simd->name);
		ok(test_store(), name);
		snprintf(name, sizeof(name), "%s: what is too small for a scale", simd->name);
		ok(test_store_small(), name);
		snprintf(name, sizeof(name), "%s: exact distances", simd->name);
		ok(test_exact(), name);
	}
	return done_testing();
}
