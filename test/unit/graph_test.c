/* graph_test.c: the graph that CREATE INDEX builds in memory, and what is found in it. */
/* sources: src/graph/graph.c src/graph/prune.c src/graph/walk.c src/graph/code.c src/graph/sparse.c src/vector/hyperbolic_math.c src/vector/sparsevec_distance.c src/graph/geometry.c src/graph/rotation.c src/simd/simd*.c */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "graph/rotation.h"
#include "simd/simd.h"
#include "tap.h"

#define ROWS 5000
#define QUERIES 100
#define DIM 32
#define CLUSTERS 50
#define MAX_CHUNKS 4096

static float rows[ROWS][DIM];
static float queries[QUERIES][DIM];

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

/* The sum of four uniform numbers, of deviation 1. */
static float
random_bell(void)
{
	uint64_t	bits = random_bits();
	float		sum = -2 * 65536.0f;

	for (int i = 0; i < 4; i++)
		sum += (float) (bits >> 16 * i & 0xffff);
	return sum / 65536 * 1.732f;
}

static void
make_vectors(void)
{
	static float centres[CLUSTERS][DIM];
	static uint64_t signs[GRAPH_ROTATION_WORDS(DIM)];

	graph_rotation_signs(1, DIM, signs);
	for (int i = 0; i < CLUSTERS; i++)
	{
		for (int j = 0; j < DIM; j++)
			centres[i][j] = random_bell();
	}
	for (int i = 0; i < ROWS + QUERIES; i++)
	{
		float	   *v = i < ROWS ? rows[i] : queries[i - ROWS];
		int			cluster = random_bits() % CLUSTERS;

		for (int j = 0; j < DIM; j++)
			v[j] = centres[cluster][j] + 0.3f * random_bell();
		graph_rotate(signs, DIM, v, v);
	}
}

/* A graph and the memory that it is in. */
typedef struct Build
{
	GraphGeometry geometry;
	GraphShared	shared;
	GraphHooks	hooks;
	Graph		graph;
	char	   *chunks[MAX_CHUNKS];
	void	   *blocks[64];		/* what resize has given */
	int			blocks_count;
	uint32_t	row_of[2 * ROWS];	/* by node of level 0 */
} Build;

static char *
build_chunk(void *context, uint32_t chunk)
{
	Build	   *build = context;

	if (chunk >= MAX_CHUNKS)
		abort();
	if (build->chunks[chunk] == NULL)
		build->chunks[chunk] = calloc(1, graph_chunk_bytes(&build->graph));
	return build->chunks[chunk];
}

static void *
build_resize(void *context, void *memory, size_t size)
{
	Build	   *build = context;
	int			i = 0;

	while (i < build->blocks_count && build->blocks[i] != memory)
		i++;
	if (memory == NULL || i == build->blocks_count)
		i = build->blocks_count++;
	return build->blocks[i] = realloc(memory, size);
}

static Build *
build_begin(GraphMetric metric, GraphStorage storage, int m, int ef_construction)
{
	Build	   *build = calloc(1, sizeof(Build));
	GraphShape	shape = {DIM, metric, storage, metric == GRAPH_L1 ? 1 : 4, 0};

	shape.links = graph_default_links(&shape, m);
	if (!graph_geometry(&shape, &build->geometry))
		abort();
	build->hooks.context = build;
	build->hooks.chunk = build_chunk;
	build->hooks.resize = build_resize;
	graph_shared_init(&build->shared);
	graph_init(&build->graph, &build->geometry, m, ef_construction, &build->shared, &build->hooks);
	return build;
}

static void
build_free(Build *build)
{
	for (int i = 0; i < MAX_CHUNKS; i++)
		free(build->chunks[i]);
	for (int i = 0; i < build->blocks_count; i++)
		free(build->blocks[i]);
	free(build);
}

static uint64_t
hash_of(int row)
{
	uint64_t	hash = (uint64_t) (row + 1) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
	return hash ^ hash >> 32;
}

/* Insert rows; returns how many were taken for duplicates. */
static int
build_rows(Build *build, int first, int count, int branching)
{
	int			duplicates = 0;

	for (int i = first; i < first + count; i++)
	{
		bool		duplicate;
		uint32_t	node = graph_insert(&build->graph, rows[i], hash_of(i), graph_random_level(hash_of(i), branching),
										&duplicate);

		if (!duplicate)
			build->row_of[node] = i;
		else if (build->row_of[node] == (uint32_t) i)
			duplicates++;
	}
	return duplicates;
}

/* Slots as CREATE INDEX writes them, the source of a walk. */
typedef struct Slots
{
	const GraphGeometry *geometry;
	char	   *slots;
} Slots;

static const GraphSlot *
slots_open(void *context, uint32_t node)
{
	Slots	   *slots = context;

	return (GraphSlot *) (slots->slots + (size_t) node * slots->geometry->slot_size);
}

static void
slots_close(void *context)
{
	(void) context;
}

static void *
slots_resize(void *context, void *memory, size_t size)
{
	(void) context;
	if (size > 0)
		return realloc(memory, size);
	free(memory);
	return NULL;
}

static void
write_slots(Build *build, Slots *slots)
{
	const GraphGeometry *g = &build->geometry;
	uint32_t	row = 0;

	slots->geometry = g;
	slots->slots = calloc(build->shared.nodes, g->slot_size);
	for (uint32_t i = 0; i < build->shared.nodes; i++)
	{
		GraphVertex *vertex = graph_vertex(&build->graph, i);
		GraphVertexLink *links = graph_links(&build->graph, vertex);
		GraphSlot  *slot = (GraphSlot *) slots_open(slots, i);
		float		own[DIM];
		float		other[DIM];

		/* upper nodes follow their base */
		if (vertex->level == 0)
			row = build->row_of[i];
		slot->node = i;
		slot->kind = GRAPH_SLOT_NODE;
		slot->level = vertex->level;
		slot->down = vertex->down;
		graph_slot_store(g, slot, rows[row]);
		graph_slot_load(g, slot, own);
		for (int j = 0; j < vertex->count; j++)
		{
			graph_load(&build->graph, graph_vertex(&build->graph, GRAPH_LINK_NODE(links[j].link)), other);
			graph_slot_set_link(g, slot, slot->count++, links[j].link, own, other);
		}
	}
}

/* The share of the ten nearest rows that searches of a width find. */
static double
recall(Build *build, uint32_t width)
{
	Slots		slots;
	GraphSource	source = {0};
	GraphQuery *query = graph_query_init(malloc(graph_query_size(&build->geometry)), &build->geometry);
	GraphWalk	walk;
	int			hits = 0;

	write_slots(build, &slots);
	source.context = &slots;
	source.open = slots_open;
	source.close = slots_close;
	source.resize = slots_resize;
	graph_walk_init(&walk, &source, query);
	for (int q = 0; q < QUERIES; q++)
	{
		float		nearest[10];	/* distances of the ten nearest, ascending */
		int			count = 0;
		GraphNear	near;

		for (int i = 0; i < ROWS; i++)
		{
			float		d = graph_distance(&build->geometry, queries[q], rows[i]);
			int			j = count < 10 ? count++ : 10;

			for (; j > 0 && nearest[j - 1] > d; j--)
			{
				if (j < 10)
					nearest[j] = nearest[j - 1];
			}
			if (j < 10)
				nearest[j] = d;
		}
		memcpy(query->vector, queries[q], sizeof(queries[q]));
		graph_query_prepare(query);
		if (!graph_walk_descend(&walk, build->shared.entry, build->shared.entry_level, 0))
			break;
		graph_walk_widen(&walk, width);
		while (graph_walk_step(&walk))
			;
		for (int i = 0; i < 10 && graph_walk_take(&walk, &near); i++)
			hits += graph_distance(&build->geometry, queries[q], rows[build->row_of[near.node]]) <= nearest[9];
	}
	graph_walk_free(&walk);
	free(query);
	free(slots.slots);
	return hits / 10.0 / QUERIES;
}

/* The links of every node: to others of its level, no two to one, at the distance that they say. */
static bool
links_good(Build *build)
{
	Graph	   *graph = &build->graph;
	uint32_t	of_level[GRAPH_MAX_LEVEL + 1] = {0};
	bool		good = true;

	for (uint32_t i = 0; i < build->shared.nodes; i++)
		of_level[graph_vertex(graph, i)->level]++;
	for (uint32_t i = 0; i < build->shared.nodes && good; i++)
	{
		GraphVertex *vertex = graph_vertex(graph, i);
		GraphVertexLink *links = graph_links(graph, vertex);
		float		own[DIM];
		float		other[DIM];

		good &= vertex->count <= build->geometry.shape.links && (vertex->count > 0 || of_level[vertex->level] == 1);
		good &= vertex->level == 0 || (vertex->down < i && graph_vertex(graph, vertex->down)->level == vertex->level - 1 &&
									   graph_vertex(graph, vertex->down)->hash == vertex->hash);
		graph_load(graph, vertex, own);
		for (int j = 0; j < vertex->count && good; j++)
		{
			uint32_t	node = GRAPH_LINK_NODE(links[j].link);
			float		d;

			good &= node != i && node < build->shared.nodes && graph_vertex(graph, node)->level == vertex->level;
			for (int k = 0; k < j; k++)
				good &= GRAPH_LINK_NODE(links[k].link) != node;
			if (!good)
				break;
			graph_load(graph, graph_vertex(graph, node), other);
			d = graph_distance(&build->geometry, own, other);
			good &= fabsf(d - links[j].distance) <= 1e-4f * (fabsf(d) + vertex->norm);
		}
		if (!good)
			printf("# node %u of level %d, %d links\n", i, vertex->level, vertex->count);
	}
	return good;
}

/* How many nodes no way leads to from the entry point. */
static uint32_t
unreachable(Build *build)
{
	uint32_t	nodes = build->shared.nodes;
	bool	   *reached = calloc(nodes + 1, 1);
	uint32_t   *queue = malloc(sizeof(uint32_t) * (nodes + 1));
	uint32_t	tail = 0;

	if (nodes > 0)
	{
		reached[build->shared.entry] = true;
		queue[tail++] = build->shared.entry;
	}
	for (uint32_t head = 0; head < tail; head++)
	{
		GraphVertex *vertex = graph_vertex(&build->graph, queue[head]);
		GraphVertexLink *links = graph_links(&build->graph, vertex);

		for (int j = -1; j < vertex->count; j++)
		{
			uint32_t	node = j >= 0 ? GRAPH_LINK_NODE(links[j].link) : vertex->down;

			if (node != GRAPH_NO_NODE && !reached[node])
			{
				reached[node] = true;
				queue[tail++] = node;
			}
		}
	}
	free(reached);
	free(queue);
	return nodes - tail;
}

/* The whole of it, as an index of the default options has it. */
static void
test_build(void)
{
	Build	   *build = build_begin(GRAPH_L2, GRAPH_FLOAT32, 16, 64);
	uint32_t	nodes;
	double		found;
	int			duplicates;
	bool		duplicate;

	ok(build_rows(build, 0, ROWS, 64) == 0, "no row is a duplicate");
	ok(links_good(build), "links lead to other nodes of the level, once, and say how far");
	ok(unreachable(build) == 0, "every node can be reached");
	ok(build->shared.entry_level > 0 &&
	   graph_vertex(&build->graph, build->shared.entry)->level == build->shared.entry_level,
	   "the entry point is of the highest level");
	found = recall(build, 80);
	printf("# recall %.4f\n", found);
	ok(found >= 0.99, "a search 80 wide finds the ten nearest");
	nodes = build->shared.nodes;
	duplicates = build_rows(build, 0, ROWS, 64);
	printf("# %d duplicates of %d\n", duplicates, ROWS);
	ok(duplicates >= ROWS - ROWS / 1000 && (int) (build->shared.nodes - nodes) <= 2 * (ROWS - duplicates), "duplicates are found");
	/* what is only rounded alike is none */
	nodes = build->shared.nodes;
	graph_insert(&build->graph, rows[0], hash_of(ROWS), 0, &duplicate);
	ok(!duplicate && build->shared.nodes == nodes + 1, "the same rounded vector with another hash");
	build_free(build);
}

/* The same with other metrics and options, smaller; and again, to the last link. */
static bool
build_good(GraphMetric metric, GraphStorage storage, int m, int ef_construction, int branching, int count)
{
	Build	   *builds[2];
	uint32_t	lost;
	bool		good;

	for (int i = 0; i < 2; i++)
	{
		builds[i] = build_begin(metric, storage, m, ef_construction);
		build_rows(builds[i], 0, count, branching);
	}
	good = links_good(builds[0]);
	good &= builds[0]->shared.nodes == builds[1]->shared.nodes && builds[0]->shared.entry == builds[1]->shared.entry;
	for (uint32_t i = 0; i < builds[0]->shared.nodes && good; i++)
		good &= memcmp(graph_vertex(&builds[0]->graph, i), graph_vertex(&builds[1]->graph, i),
					   builds[0]->graph.vertex_bytes) == 0;

	/*
	 * nodes that are nobody's nearest, as short vectors are for inner
	 * products, may lose all links to them
	 */
	lost = unreachable(builds[0]);
	if (lost > 0)
		printf("# metric %d, m %d: %u of %u not reachable\n", metric, m, lost, builds[0]->shared.nodes);
	good &= lost <= builds[0]->shared.nodes * (m == 2 ? 0.15 : metric == GRAPH_IP ? 0.03 : 0);
	if (!good)
		printf("# metric %d, storage %d, m %d, ef_construction %d\n", metric, storage, m, ef_construction);
	build_free(builds[0]);
	build_free(builds[1]);
	return good;
}

/* One in "branching" goes up a level, and none too far. */
static bool
test_levels(void)
{
	int			counts[GRAPH_MAX_LEVEL + 1] = {0};
	bool		good = true;

	for (int i = 0; i < 100000; i++)
	{
		int			level = graph_random_level(random_bits(), 16);

		if (level < 0 || level > GRAPH_MAX_LEVEL)
			return false;
		counts[level]++;
	}
	good &= abs(counts[1] - 100000 * 15 / 256) < 400 && abs(counts[2] - 100000 * 15 / 4096) < 100;
	return good && graph_random_level(0, 2) == GRAPH_MAX_LEVEL && graph_random_level(1, 2) == 0;
}

int
main(void)
{
	bool		good = true;

	simd_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_vectors();
	test_build();
	for (int metric = 0; metric < 4; metric++)
		good &= build_good(metric, metric % 2, 8, 40, 32, 800);
	ok(good, "a second build gives the same graph, with every metric");
	ok(test_levels(), "levels");
	good = build_good(GRAPH_L2, GRAPH_INT8, 16, 64, 64, 0) && build_good(GRAPH_L2, GRAPH_INT8, 16, 64, 64, 1) &&
		build_good(GRAPH_L2, GRAPH_INT8, 16, 64, 1, 3);
	ok(good, "no node, one, and some of the highest level");
	/* fewer than a level is started from */
	ok(build_good(GRAPH_L2, GRAPH_FLOAT32, 2, 4, 4, 800), "the least ef_construction and m");
	return done_testing();
}
