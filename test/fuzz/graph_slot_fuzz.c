/*
 * graph_slot_fuzz.c: any bytes as a slot whose head has been checked, and any
 * query: distances, estimates and keys stay within slot and query, and what comes
 * of a slot without NaN and infinity can be stored again.
 *
 * The first eight bytes are shape and level, then come the query and the slot, both
 * repeated if the input is too short for them.
 */
/* sources: src/graph/code.c src/graph/sparse.c src/vector/hyperbolic_math.c src/vector/sparsevec_distance.c src/graph/geometry.c src/graph/rotation.c src/simd/simd*.c */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/code.h"
#include "simd/simd.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fill memory with the input, over and over. */
static void
fill(void *memory, size_t length, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *) memory)[i] = size > 0 ? data[i % size] : 0;
}

static void
try_slot(const GraphGeometry *g, GraphSlot *slot, GraphQuery *query)
{
	uint16_t	which[GRAPH_MAX_LINKS];
	float		estimates[GRAPH_MAX_LINKS];
	float	   *vector = malloc(sizeof(float) * g->words);
	float		exact = graph_exact(query, slot);
	int			count = 0;

	/* as the walk does: first some, from the last on, then all */
	for (int i = slot->count - 1; i >= 0; i -= 3)
		which[count++] = i;
	graph_estimate(query, slot, exact, which, count, estimates);
	for (int i = 0; i < slot->count; i++)
		which[i] = i;
	graph_estimate(query, slot, isnan(exact) ? INFINITY : exact, which, slot->count, estimates);

	/* a key is never above the distance of what is stored, whatever was lost */
	if (g->shape.storage == GRAPH_FLOAT32 && !isnan(exact) && graph_key(query, slot, exact) != exact)
		abort();
	if (g->shape.storage == GRAPH_INT8 && slot->error >= 0 && isfinite(query->norm) &&
		graph_key(query, slot, exact) > graph_output_distance(g->shape.metric, exact))
		abort();

	/* as when a node is linked to, and when one is inserted */
	graph_slot_load(g, slot, vector);
	if (slot->count > 0)
		graph_slot_set_link(g, slot, slot->count - 1, 1, vector, query->vector);
	graph_slot_store(g, slot, query->vector);
	graph_slot_load(g, slot, vector);
	for (uint32_t i = 0; i < g->words && g->shape.storage == GRAPH_INT8; i++)
	{
		float		off = fabsf(vector[i] - query->vector[i]);

		/*
		 * rounded by half a step at most, unless there is none or it
		 * overflows
		 */
		if (isfinite(off) && isfinite(slot->scale) && slot->scale > 0 && off > slot->scale)
			abort();
	}
	free(vector);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int dims[] = {1, 2, 3, 7, 16, 33, 64, 65, 100, 128, 192, 300};
	GraphGeometry g;
	GraphShape	shape;
	GraphSlot  *slot;
	GraphQuery *query;
	const SimdKernels *rung;

	if (size < 8)
		return 0;
	shape.dim = dims[data[0] % (sizeof(dims) / sizeof(dims[0]))];
	shape.metric = data[1] % (GRAPH_LAST_METRIC + 1);
	shape.storage = data[2] % 3;
	shape.bits = data[3] % 4 + 1;
	shape.links = data[4] % 253 + 2;
	rung = simd_rungs[data[5] % simd_rung_count];
	if (!graph_geometry(&shape, &g) || !rung->usable())
		return 0;
	simd_use(rung);

	/*
	 * both of exactly the size that they have, for what lies beside to be
	 * seen
	 */
	slot = malloc(g.slot_size);
	query = graph_query_init(malloc(graph_query_size(&g)), &g);
	fill(query->vector, sizeof(float) * g.words, data + 8, size - 8);
	fill(slot, g.slot_size, data + 8 + (size - 8) / 4, size - 8 - (size - 8) / 4);
	/* what first_page_slot of hnsw_page.c checks */
	slot->node = 0;
	slot->kind = GRAPH_SLOT_NODE;
	slot->level = data[6] % (GRAPH_MAX_LEVEL + 1);
	slot->count %= shape.links + 1;
	graph_query_prepare(query);
	try_slot(&g, slot, query);
	free(query);
	free(slot);
	return 0;
}
