/*
 * graph_lab.c: the experiments that decided the index's page format, without a server.
 *
 * Builds the graph in memory as CREATE INDEX does, writes its nodes into slots as
 * they are in pages, and searches those.  From the top of the tree:
 *
 *	LAB_SOURCES="$(ls src/graph/{code,geometry,graph,prune,rotation,sparse,walk}.c src/vector/{hyperbolic_math,sparsevec_distance}.c src/simd/simd*.c)"
 *	cc -O2 -Isrc -o graph_lab test/bench/graph_lab.c $LAB_SOURCES -lm
 *	./graph_lab base.fvecs query.fvecs truth.ivecs [name=value ...]
 *
 * Names: m 16, efc 64, branching 64, links (by room), bits (by dimension), most (chosen
 * by the rule, m), relax 120 (per cent), storage 0 or 1, metric 2 (0 l2, 1 ip, 2 cosine), n,
 * fill (links at most beside those chosen).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "graph/graph.h"
#include "graph/rotation.h"
#include "simd/simd.h"

typedef struct Lab
{
	GraphGeometry geometry;
	char	   *slots;
	uint32_t	nodes;
	char	  **chunks;
} Lab;

static void *
lab_resize(void *context, void *memory, size_t size)
{
	if (size == 0)
	{
		free(memory);
		return NULL;
	}
	memory = realloc(memory, size);
	if (memory == NULL)
		abort();
	return memory;
}

static Graph graph;
static char *chunk_table[1 << 16];

static char *
lab_chunk(void *context, uint32_t chunk)
{
	if (chunk_table[chunk] == NULL)
		chunk_table[chunk] = calloc(1, graph_chunk_bytes(&graph));
	return chunk_table[chunk];
}

static const GraphSlot *
lab_open(void *context, uint32_t node)
{
	Lab		   *lab = context;

	return (GraphSlot *) (lab->slots + (size_t) node * lab->geometry.slot_size);
}

static void
lab_close(void *context)
{
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static float *
read_fvecs(const char *path, int *dim, size_t *n)
{
	FILE	   *file = fopen(path, "rb");
	int32_t		d;
	float	   *all;
	long		size;

	if (file == NULL || fread(&d, 4, 1, file) != 1)
	{
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	*n = size / (4 + 4 * (size_t) d);
	*dim = d;
	all = malloc(*n * d * 4);
	rewind(file);
	for (size_t i = 0; i < *n; i++)
	{
		if (fread(&d, 4, 1, file) != 1 || fread(all + i * d, 4, d, file) != (size_t) d)
			exit(1);
	}
	fclose(file);
	return all;
}

static int
option(int argc, char **argv, const char *name, int otherwise)
{
	size_t		length = strlen(name);

	for (int i = 4; i < argc; i++)
	{
		if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
			return atoi(argv[i] + length + 1);
	}
	return otherwise;
}

int
main(int argc, char **argv)
{
	static const int widths[] = {10, 20, 40, 60, 80, 120, 160, 240, 400, 800};
	GraphShape	shape;
	GraphShared	shared;
	GraphHooks	hooks = {NULL, lab_chunk, NULL, NULL, NULL, NULL, lab_resize};
	Lab			lab;
	GraphSource	source = {&lab, lab_open, lab_close, NULL, lab_resize};
	int			dim;
	size_t		n;
	size_t		queries;
	size_t		truths;
	int			truth_depth;
	float	   *base = read_fvecs(argv[1], &dim, &n);
	float	   *query_vectors = read_fvecs(argv[2], &dim, &queries);
	int32_t    *truth = (int32_t *) read_fvecs(argv[3], &truth_depth, &truths);
	uint64_t   *signs;
	uint32_t   *row_of;
	int			m = option(argc, argv, "m", 16);
	int			branching = option(argc, argv, "branching", 64);
	int			fill;
	double		start;
	size_t		chosen = 0;
	size_t		linked = 0;
	float	   *own;
	float	   *other;
	GraphQuery *query;
	GraphWalk	walk;

	simd_init();
	shape.dim = dim;
	shape.metric = option(argc, argv, "metric", GRAPH_COSINE);
	shape.storage = option(argc, argv, "storage", GRAPH_FLOAT32);
	shape.bits = option(argc, argv, "bits", graph_default_bits(&shape));
	shape.links = option(argc, argv, "links", graph_default_links(&shape, m));
	fill = option(argc, argv, "fill", shape.links);
	n = option(argc, argv, "n", n);
	graph_geometry(&shape, &lab.geometry);
	printf("# %s dim %d n %zu m %d efc %d links %d bits %d branching %d: slot %u, %u a page, %u pages\n",
		   argv[1], dim, n, m, option(argc, argv, "efc", 64), shape.links, shape.bits, branching,
		   lab.geometry.slot_size, lab.geometry.slots_per_page, lab.geometry.pages_per_slot);
	signs = malloc(GRAPH_ROTATION_WORDS(dim) * 8);
	graph_rotation_signs(1, dim, signs);
	if (shape.metric != GRAPH_L1)
	{
		for (size_t i = 0; i < n; i++)
			graph_rotate(signs, dim, base + i * dim, base + i * dim);
	}
	graph_shared_init(&shared);
	graph_init(&graph, &lab.geometry, option(argc, argv, "most", m), option(argc, argv, "efc", 64), &shared, &hooks);
	graph.relax = option(argc, argv, "relax", (int) (100 * graph.relax + 0.5f)) / 100.0f;
	row_of = malloc(4 * (n + n / 2 + 16));
	start = now();
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	hash = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		bool		duplicate;
		uint32_t	before = shared.nodes;
		uint32_t	node;

		hash = (hash ^ hash >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
		hash ^= hash >> 32;
		node = graph_insert(&graph, base + i * dim, hash, graph_random_level(hash, branching), &duplicate);
		for (uint32_t j = before; j < shared.nodes; j++)
			row_of[j] = j == node ? i : UINT32_MAX;
	}
	printf("build %.1f s, %.1f us a row, %.0f distances a row, %u nodes, entry level %d\n", now() - start,
		   (now() - start) / n * 1e6, (double) graph.distances / n, shared.nodes, shared.entry_level);

	start = now();
	lab.nodes = shared.nodes;
	lab.slots = calloc(shared.nodes, lab.geometry.slot_size);
	own = malloc(4 * dim);
	other = malloc(4 * dim);
	for (uint32_t i = 0; i < shared.nodes; i++)
	{
		GraphVertex *vertex = graph_vertex(&graph, i);
		GraphVertexLink *links = graph_links(&graph, vertex);
		GraphSlot  *slot = (GraphSlot *) lab_open(&lab, i);
		uint32_t	base_node = i;

		while (row_of[base_node] == UINT32_MAX)
			base_node--;
		slot->node = i;
		slot->kind = GRAPH_SLOT_NODE;
		slot->level = vertex->level;
		slot->down = vertex->down;
		graph_slot_store(&lab.geometry, slot, base + (size_t) row_of[base_node] * dim);
		graph_slot_load(&lab.geometry, slot, own);
		for (int j = 0; j < vertex->count; j++)
		{
			chosen += (links[j].link & GRAPH_LINK_CHOSEN) != 0;
			if (!(links[j].link & GRAPH_LINK_CHOSEN) && slot->count >= fill)
				continue;
			graph_load(&graph, graph_vertex(&graph, GRAPH_LINK_NODE(links[j].link)), other);
			graph_slot_set_link(&lab.geometry, slot, slot->count++, links[j].link, own, other);
		}
		linked += slot->count;
	}
	printf("slots written in %.1f s; %.1f chosen, %.1f links a node\n", now() - start,
		   (double) chosen / shared.nodes, (double) linked / shared.nodes);

	query = graph_query_init(malloc(graph_query_size(&lab.geometry)), &lab.geometry);
	printf("%6s %8s %8s %8s %9s\n", "width", "recall", "hops", "us", "us/hop");
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
	{
		size_t		hits = 0;

		start = now();
		graph_walk_init(&walk, &source, query);
		for (size_t q = 0; q < queries; q++)
		{
			GraphNear	near;

			graph_walk_reset(&walk);
			if (shape.metric == GRAPH_L1)
				memcpy(query->vector, query_vectors + q * dim, 4 * dim);
			else
				graph_rotate(signs, dim, query_vectors + q * dim, query->vector);
			graph_query_prepare(query);
			graph_walk_descend(&walk, shared.entry, shared.entry_level, 0);
			graph_walk_widen(&walk, widths[w]);
			while (graph_walk_step(&walk))
				;
			for (int k = 0; k < 10 && graph_walk_take(&walk, &near); k++)
			{
				for (int t = 0; t < 10; t++)
					hits += row_of[near.node] == (uint32_t) truth[q * truth_depth + t];
			}
		}
		printf("%6d %8.4f %8.1f %8.1f %9.3f\n", widths[w], hits / 10.0 / queries, (double) walk.hops / queries,
			   (now() - start) / queries * 1e6, (now() - start) / walk.hops * 1e6);
		graph_walk_free(&walk);
	}
	return 0;
}
