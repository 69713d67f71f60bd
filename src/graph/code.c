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

/* Bytes that hnsw_query_init needs for queries of this geometry. */
size_t
hnsw_query_size(const HnswGeometry *g)
{
	return sizeof(HnswQuery) + sizeof(float) * (2 * g->words + g->code_dim) +
		sizeof(int32_t) * HNSW_MAX_LINKS + (size_t) g->plane_bytes * 8 * 2;
}

/*
 * Lay out a query in memory of hnsw_query_size bytes, aligned as malloc does.
 * The caller then fills query->vector and calls hnsw_query_prepare.
 */
HnswQuery  *
hnsw_query_init(void *memory, const HnswGeometry *g)
{
	HnswQuery  *query = memory;

	query->geometry = g;
	query->vector = (float *) (query + 1);
	query->scratch = query->vector + g->words;
	query->coded = g->shape.storage == HNSW_SPARSE ? query->scratch + g->words : query->vector;
	query->sums = (int32_t *) (query->scratch + g->words + g->code_dim);
	query->weights = (int8_t *) (query->sums + HNSW_MAX_LINKS);
	query->arranged = query->weights + (size_t) g->plane_bytes * 8;
	memset(query->weights, 0, (size_t) g->plane_bytes * 8);
	return query;
}

/*
 * Round values to weights in steps of their largest; 0 if none is finite.
 */
static void
set_weights(HnswQuery *query, const float *values)
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
norm_of(const HnswGeometry *g, const float *vector)
{
	if (hnsw_is_bits(g->shape.metric))
		return 0;
	if (g->shape.metric == HNSW_POINCARE)
		return (float) hyperbolic_gap(vector, g->shape.dim, 1);
	if (g->shape.storage == HNSW_SPARSE)
		return hnsw_sparse_norm((const HnswSparse *) vector);
	return simd->inner_product_f32(vector, vector, g->shape.dim);
}

/*
 * Make a query whose vector is filled in ready.
 */
void
hnsw_query_prepare(HnswQuery *query)
{
	const HnswGeometry *g = query->geometry;

	query->norm = norm_of(g, query->vector);
	if (g->shape.storage == HNSW_SPARSE)
		hnsw_sparse_sketch((const HnswSparse *) query->vector, query->coded);
	else if (g->shape.metric == HNSW_L1 || hnsw_is_bits(g->shape.metric))
		return;
	set_weights(query, query->coded);
}

/*
 * The distance from the query to a node's vector as it is stored.
 */
float
hnsw_exact(const HnswQuery *query, const HnswSlot *slot)
{
	const HnswGeometry *g = query->geometry;
	const void *vector = hnsw_slot_vector(g, slot);
	size_t		dim = g->shape.dim;

	if (g->shape.storage != HNSW_INT8)
		return hnsw_distance(g, query->vector, vector);
	switch (g->shape.metric)
	{
		case HNSW_IP:
			return -slot->scale * simd->inner_product_f32_i8(query->vector, vector, dim);
		case HNSW_L1:
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
code_sums(HnswQuery *query, const HnswSlot *slot, int bits, const uint16_t *which, int count, float *sums)
{
	const HnswGeometry *g = query->geometry;
	const uint8_t *codes = hnsw_slot_code(g, slot, 0) + (g->shape.bits - bits) * g->plane_bytes;

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

static void
estimate_l1(HnswQuery *query, const HnswSlot *slot,
			const uint16_t *which, int count, float *estimates)
{
	const HnswGeometry *g = query->geometry;
	const HnswFactors *factors = hnsw_slot_factors(g, slot);
	int			dim = g->shape.dim;
	float	   *t = query->scratch;
	float		mean = 0;
	float		base = 0;
	float		inside = 0;

	for (int i = 0; i < slot->count; i++)
		mean += factors[i].multiply;
	mean /= slot->count;
	hnsw_slot_load(g, slot, t);
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

static float
bits_distance(HnswMetric metric, const float *a, const float *b, int words)
{
	return metric == HNSW_HAMMING ? hamming(a, b, words) : jaccard(a, b, words);
}

static void
estimate_bits(const HnswQuery *query, const HnswSlot *slot,
			  const uint16_t *which, int count, float *estimates)
{
	const HnswGeometry *g = query->geometry;
	int			words = g->code_bytes / 4 < g->words ? g->code_bytes / 4 : g->words;
	float		scale = g->shape.metric == HNSW_HAMMING ? (float) g->words / words : 1;

	for (int i = 0; i < count; i++)
		estimates[i] = scale * bits_distance(g->shape.metric, query->vector,
											 (const float *) hnsw_slot_code(g, slot, which[i]), words);
}

/*
 * From sums of the sketches' codes.  They are not of residuals, and do not build on the
 * node's distance.  Of a sketch only Euclidean distances can be told: taxicab
 * distances are taken to be as much longer as that of the node itself is.
 */
static void
estimate_sparse(const HnswQuery *query, const HnswSlot *slot, float exact,
				const uint16_t *which, int count, float *estimates)
{
	const HnswGeometry *g = query->geometry;
	const HnswFactors *factors = hnsw_slot_factors(g, slot);
	float		base = g->shape.metric == HNSW_IP ? 0 : query->norm;

	for (int i = 0; i < count; i++)
	{
		const HnswFactors *f = &factors[which[i]];

		estimates[i] = base + f->add + f->multiply * estimates[i];
	}
	if (g->shape.metric == HNSW_L1)
	{
		SparseList	a = hnsw_sparse_list((const HnswSparse *) query->vector);
		SparseList	b = hnsw_sparse_list(hnsw_slot_vector(g, slot));
		float		squared = sparse_l2_squared(&a, &b);
		float		longer = squared > 0 ? exact / sqrtf(squared) : 1;

		for (int i = 0; i < count; i++)
			estimates[i] = longer * sqrtf(fmaxf(0, estimates[i]));
	}
}

/* From estimates that add to the squared Euclidean distance of the node. */
static void
estimate_poincare(const HnswQuery *query, const HnswSlot *slot, float exact,
				  const uint16_t *which, int count, float *estimates)
{
	const HnswGeometry *g = query->geometry;
	const HnswFactors *factors = hnsw_slot_factors(g, slot);
	const float *scales = hnsw_slot_scales(g, slot);
	float		euclidean = exact * query->norm * slot->norm;
	float		length = sqrtf(fmaxf(0, 1 - query->norm));

	for (int i = 0; i < count; i++)
	{
		const HnswFactors *f = &factors[which[i]];
		float		scale = scales[which[i]];

		/* Two points are as far apart at least as their lengths differ. */
		float		radial = length - sqrtf(fmaxf(0, 1 - 1 / scale));

		estimates[i] = fmaxf(euclidean + f->add + f->multiply * estimates[i], radial * radial) * scale / query->norm;
	}
}

/*
 * Estimate the distances from the query to the neighbours of a node that
 * which[0 .. count - 1] names by the indexes of their links; count is at most
 * HNSW_MAX_LINKS.  "exact" is the distance to the node itself.  An estimate may
 * be off in either direction, and is NaN if the page or the query holds one.
 */
void
hnsw_estimate(HnswQuery *query, const HnswSlot *slot, float exact,
			  const uint16_t *which, int count, float *estimates)
{
	const HnswGeometry *g = query->geometry;
	const HnswFactors *factors = hnsw_slot_factors(g, slot);

	if (count == 0)
		return;
	if (hnsw_is_bits(g->shape.metric))
	{
		estimate_bits(query, slot, which, count, estimates);
		return;
	}
	if (g->shape.metric == HNSW_L1 && g->shape.storage != HNSW_SPARSE)
	{
		estimate_l1(query, slot, which, count, estimates);
		return;
	}
	code_sums(query, slot, g->shape.bits, which, count, estimates);
	if (g->shape.storage == HNSW_SPARSE)
	{
		estimate_sparse(query, slot, exact, which, count, estimates);
		return;
	}
	if (g->shape.metric == HNSW_POINCARE)
	{
		estimate_poincare(query, slot, exact, which, count, estimates);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		const HnswFactors *f = &factors[which[i]];

		estimates[i] = exact + f->add + f->multiply * estimates[i];
	}
}

/*
 * Store a rotated vector in a slot: vector, scale, error and norm.
 */
void
hnsw_slot_store(const HnswGeometry *g, HnswSlot *slot, const float *vector)
{
	size_t		dim = g->shape.dim;
	float		largest;
	int8_t	   *rounded;
	float		squared;

	if (g->shape.storage != HNSW_INT8)
	{
		memcpy(hnsw_slot_vector(g, slot), vector, g->words * sizeof(float));
		slot->scale = 1;
		slot->error = g->shape.storage == HNSW_SPARSE ? ((const HnswSparse *) vector)->error : 0;
		slot->norm = norm_of(g, vector);
		return;
	}
	rounded = hnsw_slot_vector(g, slot);
	memset(rounded, 0, (dim + 3) / 4 * 4);
	largest = simd->max_abs_f32(vector, dim);
	if (largest > 0 && isfinite(WEIGHT_MAX / largest))
	{
		slot->scale = largest / WEIGHT_MAX;
		simd->quantize_i8(vector, WEIGHT_MAX / largest, rounded, dim);
	}
	else
		slot->scale = 0;
	/* L1 bounds a distance by the L1 length of what rounding took away. */
	if (g->shape.metric == HNSW_L1)
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
hnsw_slot_load(const HnswGeometry *g, const HnswSlot *slot, float *vector)
{
	if (g->shape.storage != HNSW_INT8)
		memcpy(vector, hnsw_slot_vector(g, slot), g->words * sizeof(float));
	else
		simd->dequantize_i8(hnsw_slot_vector(g, slot), slot->scale, vector, g->shape.dim);
}

/*
 * Move a link to another place of its slot.
 */
void
hnsw_slot_move_link(const HnswGeometry *g, HnswSlot *slot, int to, int from)
{
	hnsw_slot_links(g, slot)[to] = hnsw_slot_links(g, slot)[from];
	if (!hnsw_is_bits(g->shape.metric))
		hnsw_slot_factors(g, slot)[to] = hnsw_slot_factors(g, slot)[from];
	if (g->shape.metric == HNSW_POINCARE)
		hnsw_slot_scales(g, slot)[to] = hnsw_slot_scales(g, slot)[from];
	if (to != from)
		memcpy(hnsw_slot_code(g, slot, to), hnsw_slot_code(g, slot, from), g->code_bytes);
}

/* Code o by what it is beside c; "squared" is the squared length of that. */
static SimdCodeSums
encode(const HnswGeometry *g, const float *c, const float *o, float squared, uint8_t *code)
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

static void
code_bits(const HnswGeometry *g, uint8_t *code, const float *neighbour)
{
	size_t		bytes = g->words * sizeof(float);

	memset(code, 0, g->code_bytes);
	memcpy(code, neighbour, bytes < g->code_bytes ? bytes : g->code_bytes);
}

static void
code_sparse(const HnswGeometry *g, uint8_t *code, HnswFactors *factors, const HnswSparse *neighbour)
{
	static const float zeros[HNSW_SKETCH_DIM];
	float		sketch[HNSW_SKETCH_DIM];
	float		squared;
	SimdCodeSums sums;
	float		k;

	hnsw_sparse_sketch(neighbour, sketch);
	squared = simd->inner_product_f32(sketch, sketch, HNSW_SKETCH_DIM);
	sums = encode(g, zeros, sketch, squared, code);
	k = sums.xr > 0 ? squared / sums.xr : 0;
	factors->add = g->shape.metric == HNSW_IP ? 0 : hnsw_sparse_norm(neighbour);
	factors->multiply = g->shape.metric == HNSW_IP ? -k : -2 * k;
}

static void
code_residual(const HnswGeometry *g, uint8_t *code, HnswFactors *factors, const float *own, const float *neighbour)
{
	size_t		dim = g->shape.dim;
	float		squared = simd->l2_squared_f32(own, neighbour, dim);
	SimdCodeSums sums = encode(g, own, neighbour, squared, code);
	float		k = sums.xr > 0 ? squared / sums.xr : 0;

	switch (g->shape.metric)
	{
		case HNSW_IP:
			factors->add = k * sums.xc -
				(simd->inner_product_f32(own, neighbour, dim) - simd->inner_product_f32(own, own, dim));
			factors->multiply = -k;
			break;
		case HNSW_L1:
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
hnsw_slot_set_link(const HnswGeometry *g, HnswSlot *slot, int index, uint32_t link,
				   const float *own, const float *neighbour)
{
	HnswFactors *factors = hnsw_slot_factors(g, slot) + index;
	uint8_t    *code = hnsw_slot_code(g, slot, index);

	hnsw_slot_links(g, slot)[index] = link;
	if (hnsw_is_bits(g->shape.metric))
		code_bits(g, code, neighbour);
	else if (g->shape.storage == HNSW_SPARSE)
		code_sparse(g, code, factors, (const HnswSparse *) neighbour);
	else
		code_residual(g, code, factors, own, neighbour);
	if (g->shape.metric == HNSW_POINCARE)
		hnsw_slot_scales(g, slot)[index] = (float) (1 / hyperbolic_gap(neighbour, g->shape.dim, 1));
}

static float
sparse_distance(HnswMetric metric, const HnswSparse *a, const HnswSparse *b)
{
	SparseList	x = hnsw_sparse_list(a);
	SparseList	y = hnsw_sparse_list(b);

	switch (metric)
	{
		case HNSW_IP:
			return -sparse_inner_product(&x, &y);
		case HNSW_L1:
			return sparse_l1(&x, &y);
		default:
			return sparse_l2_squared(&x, &y);
	}
}

/*
 * The distance of two formed vectors.
 */
float
hnsw_distance(const HnswGeometry *g, const float *a, const float *b)
{
	if (g->shape.storage == HNSW_SPARSE)
		return sparse_distance(g->shape.metric, (const HnswSparse *) a, (const HnswSparse *) b);
	switch (g->shape.metric)
	{
		case HNSW_IP:
			return -simd->inner_product_f32(a, b, g->words);
		case HNSW_L1:
			return simd->l1_f32(a, b, g->words);
		case HNSW_HAMMING:
		case HNSW_JACCARD:
			return bits_distance(g->shape.metric, a, b, g->words);
		case HNSW_POINCARE:
			return (float) hyperbolic_delta(a, b, g->words);
		default:
			return simd->l2_squared_f32(a, b, g->words);
	}
}

/*
 * What the operator returns where the internal distance is "distance".
 */
double
hnsw_output_distance(HnswMetric metric, float distance)
{
	switch (metric)
	{
		case HNSW_L2:
			return sqrt(distance);
		case HNSW_COSINE:
			return distance / 2.0;
		case HNSW_POINCARE:
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
 * What the operator returns at least, for the vector that a slot holds rounded,
 * at a distance of "exact".
 *
 * By the triangle inequality the true distance is at least that of the rounded
 * vector less the error, and less that of a sparse query, which is rounded too.  What the rotation and the sums of floats add to that,
 * here and in the operator, is at most slack times the lengths: four times the
 * bound of one sum (src/simd/README, "Precision"), and more for short ones.
 */
static double
output_bound(const HnswQuery *query, const HnswSlot *slot, double exact)
{
	HnswMetric	metric = query->geometry->shape.metric;
	bool		sparse = query->geometry->shape.storage == HNSW_SPARSE;
	int			terms = sparse ? HNSW_MAX_DIM : query->geometry->shape.dim;
	double		slack = (terms / 8.0 + 64) / (1 << 22);
	double		query_error = sparse ? ((const HnswSparse *) query->vector)->error : 0;
	double		norm = length(query->norm) + query_error;
	double		error = slot->error * (1 + slack);
	double		least;

	switch (metric)
	{
		case HNSW_IP:
			least = exact - norm * error - query_error * length(slot->norm) - slack * norm * (length(slot->norm) + error);
			/* Sums that overflow here need not overflow there. */
			return isfinite(least) ? least : -INFINITY;
		case HNSW_L1:
			least = exact * (1 - slack) - error - query_error * (1 + slack);
			break;
		default:
			least = exact < 1e-30 ? 0 : sqrt(exact) * (1 - slack) - error - query_error - slack * norm;
			break;
	}
	if (!(least > 0 && isfinite(least)))
		return 0;
	/* The operator takes a cosine from 1. */
	return metric == HNSW_COSINE ? fmax(0, least * least / 2 - slack) : least;
}

/*
 * What rows are put in order by: the exact distance of a node or, if its vector is
 * rounded, the least that the operator can return for it.
 */
float
hnsw_key(const HnswQuery *query, const HnswSlot *slot, float exact)
{
	double		bound;
	float		key;

	if (query->geometry->shape.storage == HNSW_FLOAT32)
		return exact;
	bound = output_bound(query, slot, exact);
	key = (float) bound;
	return key > bound ? nextafterf(key, -INFINITY) : key;
}
