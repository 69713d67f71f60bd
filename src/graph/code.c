/*
 * code.c: exact distances to a node, estimates of those to its neighbours.
 *
 * The code of a neighbour o is that of its residual r = o - c, c being the
 * node's own vector.  Each r[i] becomes an odd integer x[i] of as many bits as
 * the index has, kept as bit planes.  With K = |r|^2 / <x, r>, K <x, y> is an
 * estimate of <r, y> that is unbiased over random rotations (Gao and Long,
 * RaBitQ, SIGMOD 2024), so
 *
 *	|q - o|^2 = |q - c|^2 + |r|^2 - 2 <r, q - c>
 *			  ~ |q - c|^2 + (|r|^2 + 2 K <x, c>) - 2 K <x, q>
 *	-<q, o>   = -<q, c> - <r, c> - <r, q - c>
 *			  ~ -<q, c> + (K <x, c> - <r, c>) - K <x, q>
 *
 * The first term is the exact distance of the node, the second and the factor
 * of <x, q> are kept with the code.  For L1, which no rotation leaves alone,
 * vectors are not rotated, x[i] is a sign and a the mean of |r[i]|:
 *
 *	sum |t[i] - x[i] a| = sum max(|t[i]|, a) - sum x[i] clamp(t[i], -a, a)
 *
 * with t = q - c.  The clamp is taken at the mean a of the node's neighbours.
 *
 * In the Poincare ball |q - o|^2 is estimated as above and then divided by
 * 1 - |q|^2 and 1 - |o|^2, of which the second is kept with the code.  A bit string
 * is coded by its own first bits, all of them up to 768, and needs no factors.  Of a
 * sparse vector a sketch is coded, and the sketch itself: most vectors are nearly at
 * right angles, so that a residual would be longer than the vector.
 */
#include "graph/code.h"

#include <math.h>
#include <string.h>

#include "graph/sparse.h"
#include "simd/simd.h"
#include "vector/hyperbolic_math.h"

#define WEIGHT_MAX 127

/* Bytes that graph_query_init needs for queries of this geometry. */
size_t
graph_query_size(const GraphGeometry *g)
{
	return sizeof(GraphQuery) + sizeof(float) * (2 * g->words + g->code_dim) +
		sizeof(int32_t) * GRAPH_MAX_LINKS + (size_t) g->plane_bytes * 8 * 2;
}

/*
 * Lay out a query in memory of graph_query_size bytes, aligned as malloc does.
 * The caller then fills query->vector and calls graph_query_prepare.
 */
GraphQuery *
graph_query_init(void *memory, const GraphGeometry *g)
{
	GraphQuery *query = memory;

	query->geometry = g;
	query->bounded = false;
	query->vector = (float *) (query + 1);
	query->scratch = query->vector + g->words;
	query->coded = g->shape.storage == GRAPH_SPARSE ? query->scratch + g->words : query->vector;
	query->sums = (int32_t *) (query->scratch + g->words + g->code_dim);
	query->weights = (int8_t *) (query->sums + GRAPH_MAX_LINKS);
	query->arranged = query->weights + (size_t) g->plane_bytes * 8;
	memset(query->weights, 0, (size_t) g->plane_bytes * 8);
	return query;
}

/*
 * Round values to weights in steps of their largest; 0 if none is finite.
 */
static void
set_weights(GraphQuery *query, const float *values)
{
	int			dim = query->geometry->code_dim;
	float		largest = simd->max_abs_f32(values, dim);
	int32_t		sum = 0;

	if (!(largest > 0) || !isfinite(WEIGHT_MAX / largest))
	{
		memset(query->weights, 0, dim);
		simd->arrange_weights(query->weights, query->geometry->plane_bytes / 8, query->arranged);
		query->weight_step = 0;
		query->weight_sum = 0;
		return;
	}
	simd->quantize_i8(values, WEIGHT_MAX / largest, query->weights, dim);
	simd->arrange_weights(query->weights, query->geometry->plane_bytes / 8, query->arranged);
	for (int i = 0; i < dim; i++)
		sum += query->weights[i];
	query->weight_step = largest / WEIGHT_MAX;
	query->weight_sum = sum;
}

/* What a slot and a query say of the length of their vector. */
static float
norm_of(const GraphGeometry *g, const float *vector)
{
	if (graph_is_bits(g->shape.metric))
		return 0;
	if (g->shape.metric == GRAPH_POINCARE)
		return (float) hyperbolic_gap(vector, g->shape.dim, 1);
	if (g->shape.storage == GRAPH_SPARSE)
		return graph_sparse_norm((const GraphSparse *) vector);
	return simd->inner_product_f32(vector, vector, g->shape.dim);
}

/*
 * Make a query whose vector is filled in ready.
 */
void
graph_query_prepare(GraphQuery *query)
{
	const GraphGeometry *g = query->geometry;

	query->norm = norm_of(g, query->vector);
	if (g->shape.storage == GRAPH_SPARSE)
		graph_sparse_sketch((const GraphSparse *) query->vector, query->coded);
	else if (g->shape.metric == GRAPH_L1 || graph_is_bits(g->shape.metric))
		return;
	set_weights(query, query->coded);
}

/*
 * The distance from the query to a node's vector as it is stored.
 */
float
graph_exact(const GraphQuery *query, const GraphSlot *slot)
{
	const GraphGeometry *g = query->geometry;
	const void *vector = graph_slot_vector(g, slot);
	size_t		dim = g->shape.dim;

	if (g->shape.storage != GRAPH_INT8)
		return graph_distance(g, query->vector, vector);
	switch (g->shape.metric)
	{
		case GRAPH_IP:
			return -slot->scale * simd->inner_product_f32_i8(query->vector, vector, dim);
		case GRAPH_L1:
			return simd->l1_f32_i8(query->vector, vector, slot->scale, dim);
		default:
			return simd->l2_squared_f32_i8(query->vector, vector, slot->scale, dim);
	}
}

/*
 * Sums of code times weight of some links, codes being odd integers of so many
 * bits: the first of the index's.  One bit is the sign.
 */
static void
code_sums(GraphQuery *query, const GraphSlot *slot, int bits, const uint16_t *which, int count, float *sums)
{
	const GraphGeometry *g = query->geometry;
	const uint8_t *codes = graph_slot_code(g, slot, 0) + (g->shape.bits - bits) * g->plane_bytes;

	for (int plane = 0; plane < bits; plane++)
	{
		float		twice = (float) (2 << plane);

		simd->code_dots_arranged(codes + plane * g->plane_bytes, g->code_bytes,
								 which, count, query->arranged, g->plane_bytes / 8, query->sums);
		for (int i = 0; i < count; i++)
			sums[i] = (plane > 0 ? sums[i] : 0) + twice * query->sums[i];
	}
	for (int i = 0; i < count; i++)
		sums[i] = query->weight_step * (sums[i] - ((1 << bits) - 1) * (float) query->weight_sum);
}

/* For L1: graph_estimate by the formula at the head of this file. */
static void
estimate_l1(GraphQuery *query, const GraphSlot *slot,
			const uint16_t *which, int count, float *estimates)
{
	const GraphGeometry *g = query->geometry;
	const GraphFactors *factors = graph_slot_factors(g, slot);
	int			dim = g->shape.dim;
	float	   *t = query->scratch;
	float		mean = 0;
	float		base = 0;
	float		inside = 0;

	for (int i = 0; i < slot->count; i++)
		mean += factors[i].multiply;
	mean /= slot->count;
	graph_slot_load(g, slot, t);
	for (int i = 0; i < dim; i++)
	{
		float		difference = query->vector[i] - t[i];
		float		size = fabsf(difference);

		if (size > mean)
		{
			base += size;
			difference = copysignf(mean, difference);
		}
		else
			inside++;
		t[i] = mean > 0 ? difference / mean : 0;
	}
	set_weights(query, t);
	code_sums(query, slot, 1, which, count, estimates);
	for (int i = 0; i < count; i++)
		estimates[i] = base + factors[which[i]].multiply * (inside - estimates[i]);
}

/* Bits that differ in so many words. */
static float
hamming(const float *a, const float *b, int words)
{
	return (float) simd->hamming_bytes((const uint8_t *) a, (const uint8_t *) b, (size_t) words * 4);
}

/* 1 where they share nothing, as the operator has it. */
static float
jaccard(const float *a, const float *b, int words)
{
	SimdJaccard counts = simd->jaccard_bytes((const uint8_t *) a, (const uint8_t *) b, (size_t) words * 4);

	return counts.both == 0 ? 1 : (float) (1 - (double) counts.both / counts.either);
}

/* The distance of two bit strings of so many words, by either metric. */
static float
bits_distance(GraphMetric metric, const float *a, const float *b, int words)
{
	return metric == GRAPH_HAMMING ? hamming(a, b, words) : jaccard(a, b, words);
}

/*
 * For bit strings: the distance of the bits that are coded; of Hamming, scaled up
 * to all.
 */
static void
estimate_bits(const GraphQuery *query, const GraphSlot *slot,
			  const uint16_t *which, int count, float *estimates)
{
	const GraphGeometry *g = query->geometry;
	int			words = g->code_bytes / 4 < g->words ? g->code_bytes / 4 : g->words;
	float		scale = g->shape.metric == GRAPH_HAMMING ? (float) g->words / words : 1;

	for (int i = 0; i < count; i++)
		estimates[i] = scale * bits_distance(g->shape.metric, query->vector,
											 (const float *) graph_slot_code(g, slot, which[i]), words);
}

/*
 * From sums of the sketches' codes.  They are not of residuals, and do not build on the
 * node's distance.  Of a sketch only Euclidean distances can be told: taxicab
 * distances are taken to be as much longer as that of the node itself is.
 */
static void
estimate_sparse(const GraphQuery *query, const GraphSlot *slot, float exact,
				const uint16_t *which, int count, float *estimates)
{
	const GraphGeometry *g = query->geometry;
	const GraphFactors *factors = graph_slot_factors(g, slot);
	float		base = g->shape.metric == GRAPH_IP ? 0 : query->norm;

	for (int i = 0; i < count; i++)
	{
		const GraphFactors *f = &factors[which[i]];

		estimates[i] = base + f->add + f->multiply * estimates[i];
	}
	if (g->shape.metric == GRAPH_L1)
	{
		SparseList	a = graph_sparse_list((const GraphSparse *) query->vector);
		SparseList	b = graph_sparse_list(graph_slot_vector(g, slot));
		float		squared = sparse_l2_squared(&a, &b);
		float		longer = squared > 0 ? exact / sqrtf(squared) : 1;

		for (int i = 0; i < count; i++)
			estimates[i] = longer * sqrtf(fmaxf(0, estimates[i]));
	}
}

/* From estimates that add to the squared Euclidean distance of the node. */
static void
estimate_poincare(const GraphQuery *query, const GraphSlot *slot, float exact,
				  const uint16_t *which, int count, float *estimates)
{
	const GraphGeometry *g = query->geometry;
	const GraphFactors *factors = graph_slot_factors(g, slot);
	const float *scales = graph_slot_scales(g, slot);
	float		euclidean = exact * query->norm * slot->norm;
	float		length = sqrtf(fmaxf(0, 1 - query->norm));

	for (int i = 0; i < count; i++)
	{
		const GraphFactors *f = &factors[which[i]];
		float		scale = scales[which[i]];

		/* Two points are as far apart at least as their lengths differ. */
		float		radial = length - sqrtf(fmaxf(0, 1 - 1 / scale));

		estimates[i] = fmaxf(euclidean + f->add + f->multiply * estimates[i], radial * radial) * scale / query->norm;
	}
}

/*
 * Estimate the distances from the query to the neighbours of a node that
 * which[0 .. count - 1] names by the indexes of their links; count is at most
 * GRAPH_MAX_LINKS.  "exact" is the distance to the node itself.  An estimate may
 * be off in either direction, and is NaN if the page or the query holds one.
 */
void
graph_estimate(GraphQuery *query, const GraphSlot *slot, float exact,
			   const uint16_t *which, int count, float *estimates)
{
	const GraphGeometry *g = query->geometry;
	const GraphFactors *factors = graph_slot_factors(g, slot);

	if (count == 0)
		return;
	if (graph_is_bits(g->shape.metric))
	{
		estimate_bits(query, slot, which, count, estimates);
		return;
	}
	if (g->shape.metric == GRAPH_L1 && g->shape.storage != GRAPH_SPARSE)
	{
		estimate_l1(query, slot, which, count, estimates);
		return;
	}
	code_sums(query, slot, g->shape.bits, which, count, estimates);
	if (g->shape.storage == GRAPH_SPARSE)
	{
		estimate_sparse(query, slot, exact, which, count, estimates);
		return;
	}
	if (g->shape.metric == GRAPH_POINCARE)
	{
		estimate_poincare(query, slot, exact, which, count, estimates);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		const GraphFactors *f = &factors[which[i]];

		estimates[i] = exact + f->add + f->multiply * estimates[i];
	}
}

/* Round a vector to int8 in steps of its largest; returns the step. */
static float
round_int8(const float *vector, size_t dim, int8_t *rounded)
{
	float		largest = simd->max_abs_f32(vector, dim);

	if (!(largest > 0) || !isfinite(WEIGHT_MAX / largest))
	{
		memset(rounded, 0, dim);
		return 0;
	}
	simd->quantize_i8(vector, WEIGHT_MAX / largest, rounded, dim);
	return largest / WEIGHT_MAX;
}

/*
 * Make a formed vector what is kept of it where it is rounded to int8, in a slot or,
 * unless it is whole, in the graph in memory.  scratch has room for a number of each
 * dimension.
 */
void
graph_round(const GraphGeometry *g, float *vector, int8_t *scratch)
{
	simd->dequantize_i8(scratch, round_int8(vector, g->shape.dim, scratch), vector, g->shape.dim);
}

/*
 * Store a rotated vector in a slot: vector, scale, error and norm.
 */
void
graph_slot_store(const GraphGeometry *g, GraphSlot *slot, const float *vector)
{
	size_t		dim = g->shape.dim;
	int8_t	   *rounded;
	float		squared;

	if (g->shape.storage != GRAPH_INT8)
	{
		memcpy(graph_slot_vector(g, slot), vector, g->words * sizeof(float));
		slot->scale = 1;
		slot->error = g->shape.storage == GRAPH_SPARSE ? ((const GraphSparse *) vector)->error : 0;
		slot->norm = norm_of(g, vector);
		return;
	}
	rounded = graph_slot_vector(g, slot);
	memset(rounded, 0, (dim + 3) / 4 * 4);
	slot->scale = round_int8(vector, dim, rounded);
	/* L1 bounds a distance by the L1 length of what rounding took away. */
	if (g->shape.metric == GRAPH_L1)
		slot->error = simd->l1_f32_i8(vector, rounded, slot->scale, dim);
	else
	{
		squared = simd->l2_squared_f32_i8(vector, rounded, slot->scale, dim);
		slot->error = sqrtf(squared);
	}
	slot->norm = slot->scale * slot->scale * simd->inner_product_i8(rounded, rounded, dim);
}

/*
 * The vector of a slot as floats.
 */
void
graph_slot_load(const GraphGeometry *g, const GraphSlot *slot, float *vector)
{
	if (g->shape.storage != GRAPH_INT8)
		memcpy(vector, graph_slot_vector(g, slot), g->words * sizeof(float));
	else
		simd->dequantize_i8(graph_slot_vector(g, slot), slot->scale, vector, g->shape.dim);
}

/*
 * Move a link to another place of its slot.
 */
void
graph_slot_move_link(const GraphGeometry *g, GraphSlot *slot, int to, int from)
{
	graph_slot_links(g, slot)[to] = graph_slot_links(g, slot)[from];
	if (!graph_is_bits(g->shape.metric))
		graph_slot_factors(g, slot)[to] = graph_slot_factors(g, slot)[from];
	if (g->shape.metric == GRAPH_POINCARE)
		graph_slot_scales(g, slot)[to] = graph_slot_scales(g, slot)[from];
	if (to != from)
		memcpy(graph_slot_code(g, slot, to), graph_slot_code(g, slot, from), g->code_bytes);
}

/* Code o by what it is beside c; "squared" is the squared length of that. */
static SimdCodeSums
encode(const GraphGeometry *g, const float *c, const float *o, float squared, uint8_t *code)
{
	int			bits = g->shape.bits;
	float		step = sqrtf(squared / g->code_dim);

	/*
	 * Components of a rotated residual are nearly Gaussian.  Uniform steps
	 * that keep most of a Gaussian are 1, 0.586 and 0.335 of its deviation
	 * for two, three and four bits (Max, 1960).
	 */
	if (bits == 3)
		step *= 0.586f;
	else if (bits == 4)
		step *= 0.335f;
	return simd->encode_f32(c, o, g->code_dim, bits, step > 0 && isfinite(1 / step) ? 1 / step : 0,
							code, g->plane_bytes);
}

/* The code of a bit string: its first bits, and zeros. */
static void
code_bits(const GraphGeometry *g, uint8_t *code, const float *neighbour)
{
	size_t		bytes = g->words * sizeof(float);

	memset(code, 0, g->code_bytes);
	memcpy(code, neighbour, bytes < g->code_bytes ? bytes : g->code_bytes);
}

/* The code of a sparse vector, of its sketch, and the factors that go with it. */
static void
code_sparse(const GraphGeometry *g, uint8_t *code, GraphFactors *factors, const GraphSparse *neighbour)
{
	static const float zeros[GRAPH_SKETCH_DIM];
	float		sketch[GRAPH_SKETCH_DIM];
	float		squared;
	SimdCodeSums sums;
	float		k;

	graph_sparse_sketch(neighbour, sketch);
	squared = simd->inner_product_f32(sketch, sketch, GRAPH_SKETCH_DIM);
	sums = encode(g, zeros, sketch, squared, code);
	k = sums.xr > 0 ? squared / sums.xr : 0;
	factors->add = g->shape.metric == GRAPH_IP ? 0 : graph_sparse_norm(neighbour);
	factors->multiply = g->shape.metric == GRAPH_IP ? -k : -2 * k;
}

/* The code of what a neighbour is beside the node's own vector, and its factors. */
static void
code_residual(const GraphGeometry *g, uint8_t *code, GraphFactors *factors, const float *own, const float *neighbour)
{
	size_t		dim = g->shape.dim;
	float		squared = simd->l2_squared_f32(own, neighbour, dim);
	SimdCodeSums sums = encode(g, own, neighbour, squared, code);
	float		k = sums.xr > 0 ? squared / sums.xr : 0;

	switch (g->shape.metric)
	{
		case GRAPH_IP:
			factors->add = k * sums.xc -
				(simd->inner_product_f32(own, neighbour, dim) - simd->inner_product_f32(own, own, dim));
			factors->multiply = -k;
			break;
		case GRAPH_L1:
			factors->add = 0;
			factors->multiply = simd->l1_f32(own, neighbour, dim) / dim;
			break;
		default:
			factors->add = squared + 2 * k * sums.xc;
			factors->multiply = -2 * k;
			break;
	}
}

/*
 * Write link "index" of a slot: number, factors and code of a neighbour.  "own"
 * is the slot's own vector as it is stored, both are formed.  The caller counts.
 */
void
graph_slot_set_link(const GraphGeometry *g, GraphSlot *slot, int index, uint32_t link,
					const float *own, const float *neighbour)
{
	GraphFactors *factors = graph_slot_factors(g, slot) + index;
	uint8_t    *code = graph_slot_code(g, slot, index);

	graph_slot_links(g, slot)[index] = link;
	if (graph_is_bits(g->shape.metric))
		code_bits(g, code, neighbour);
	else if (g->shape.storage == GRAPH_SPARSE)
		code_sparse(g, code, factors, (const GraphSparse *) neighbour);
	else
		code_residual(g, code, factors, own, neighbour);
	if (g->shape.metric == GRAPH_POINCARE)
		graph_slot_scales(g, slot)[index] = (float) (1 / hyperbolic_gap(neighbour, g->shape.dim, 1));
}

/* The distance of two sparse vectors, of what is kept of them. */
static float
sparse_distance(GraphMetric metric, const GraphSparse *a, const GraphSparse *b)
{
	SparseList	x = graph_sparse_list(a);
	SparseList	y = graph_sparse_list(b);

	switch (metric)
	{
		case GRAPH_IP:
			return -sparse_inner_product(&x, &y);
		case GRAPH_L1:
			return sparse_l1(&x, &y);
		default:
			return sparse_l2_squared(&x, &y);
	}
}

/*
 * The distance of two formed vectors.
 */
float
graph_distance(const GraphGeometry *g, const float *a, const float *b)
{
	if (g->shape.storage == GRAPH_SPARSE)
		return sparse_distance(g->shape.metric, (const GraphSparse *) a, (const GraphSparse *) b);
	switch (g->shape.metric)
	{
		case GRAPH_IP:
			return -simd->inner_product_f32(a, b, g->words);
		case GRAPH_L1:
			return simd->l1_f32(a, b, g->words);
		case GRAPH_HAMMING:
		case GRAPH_JACCARD:
			return bits_distance(g->shape.metric, a, b, g->words);
		case GRAPH_POINCARE:
			return (float) hyperbolic_delta(a, b, g->words);
		default:
			return simd->l2_squared_f32(a, b, g->words);
	}
}

/*
 * What the operator returns where the internal distance is "distance".
 */
double
graph_output_distance(GraphMetric metric, float distance)
{
	switch (metric)
	{
		case GRAPH_L2:
			return sqrt(distance);
		case GRAPH_COSINE:
			return distance / 2.0;
		case GRAPH_POINCARE:
			return hyperbolic_distance(distance, 1);
		default:
			return distance;
	}
}

/*
 * A length from its square, and no less: squares that are small are subnormal, or 0.
 */
static double
length(float squared)
{
	return sqrt(fmax(squared, 1e-30));
}

/*
 * What the operator returns at least, for the vector that a slot holds, perhaps
 * rounded, at a distance of "exact".
 *
 * By the triangle inequality the true distance is at least that of the rounded
 * vector less the error, and less that of a sparse query, which is rounded too.
 * What the rotation and the sums of floats add to that, here and in the operator,
 * is at most slack times the lengths: four times the bound of one sum
 * (src/simd/README, "Precision"), and more for short ones.
 */
static double
output_bound(const GraphQuery *query, const GraphSlot *slot, double exact)
{
	GraphMetric metric = query->geometry->shape.metric;
	bool		sparse = query->geometry->shape.storage == GRAPH_SPARSE;
	int			terms = sparse ? GRAPH_MAX_DIM : query->geometry->shape.dim;
	double		slack = (terms / 8.0 + 64) / (1 << 22);
	double		query_error = sparse ? ((const GraphSparse *) query->vector)->error : 0;
	double		norm = length(query->norm) + query_error;
	double		error = slot->error * (1 + slack);
	double		least;

	switch (metric)
	{
		case GRAPH_IP:
			least = exact - norm * error - query_error * length(slot->norm) - slack * norm * (length(slot->norm) + error);
			/* Sums that overflow here need not overflow there. */
			return isfinite(least) ? least : -INFINITY;
		case GRAPH_L1:
			least = exact * (1 - slack) - error - query_error * (1 + slack);
			break;
		case GRAPH_HAMMING:
			return exact;
		case GRAPH_JACCARD:
			return exact * (1 - slack);
		case GRAPH_POINCARE:
			return graph_output_distance(metric, (float) (exact * (1 - slack)));
		default:
			least = exact < 1e-30 ? 0 : sqrt(exact) * (1 - slack) - error - query_error - slack * norm;
			break;
	}
	if (!(least > 0 && isfinite(least)))
		return 0;
	/* The operator takes a cosine from 1. */
	return metric == GRAPH_COSINE ? fmax(0, least * least / 2 - slack) : least;
}

/*
 * What rows are put in order by: the exact distance of a node or, if its vector is
 * rounded or the query asks for it, the least that the operator can return for it.
 */
float
graph_key(const GraphQuery *query, const GraphSlot *slot, float exact)
{
	double		bound;
	float		key;

	if (query->geometry->shape.storage == GRAPH_FLOAT32 && !query->bounded)
		return exact;
	bound = output_bound(query, slot, exact);
	key = (float) bound;
	return key > bound ? nextafterf(key, -INFINITY) : key;
}
