/* graph_walk_test.c: the walk over graphs made up in memory, step by step beside a plain one. */
/* sources: src/graph/walk.c src/graph/code.c src/graph/sparse.c src/vector/hyperbolic_math.c src/vector/sparsevec_distance.c src/graph/geometry.c src/graph/rotation.c src/simd/simd*.c */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/walk.h"
#include "simd/simd.h"
#include "tap.h"

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

/* In (-1, 1). */
static float
random_unit(void)
{
	return (float) ((int64_t) (random_bits() >> 39) - (1 << 24)) / (1 << 24);
}

/* A graph of slots, the source of a walk, and what the walk did with it. */
typedef struct TestGraph
{
	GraphGeometry geometry;
	GraphSource	source;
	GraphQuery *query;
	char	   *slots;
	uint32_t	nodes;
	bool	   *gone;			/* open gives NULL */
	uint32_t	opened;			/* the node asked for last */
	int			opens;
	int			visits;
	bool		is_open;
	size_t		bytes;			/* allocated through resize */
	bool		misused;
} TestGraph;

static GraphSlot *
slot_of(const TestGraph *graph, uint32_t node)
{
	return (GraphSlot *) (graph->slots + (size_t) node * graph->geometry.slot_size);
}

static const GraphSlot *
graph_open(void *context, uint32_t node)
{
	TestGraph  *graph = context;

	graph->misused |= graph->is_open || node >= graph->nodes;
	graph->opened = node;
	graph->opens++;
	if (graph->gone[node])
		return NULL;
	graph->is_open = true;
	return slot_of(graph, node);
}

static void
graph_close(void *context)
{
	TestGraph  *graph = context;

	graph->misused |= !graph->is_open;
	graph->is_open = false;
}

static void
graph_visit(void *context, const GraphSlot *slot, float distance)
{
	TestGraph  *graph = context;

	graph->misused |= !graph->is_open || slot->node != graph->opened || isnan(distance);
	graph->visits++;
}

/* Sizes stand before what is allocated, and what is given back is spoilt. */
static void *
graph_resize(void *context, void *memory, size_t size)
{
	TestGraph  *graph = context;
	size_t	   *old = memory == NULL ? NULL : (size_t *) memory - 2;
	size_t	   *new = NULL;

	if (size > 0)
	{
		new = malloc(size + 2 * sizeof(size_t));
		new[0] = size;
		graph->bytes += size;
		if (old != NULL)
			memcpy(new + 2, old + 2, old[0] < size ? old[0] : size);
	}
	if (old != NULL)
	{
		graph->bytes -= old[0];
		free(old);
	}
	return new == NULL ? NULL : new + 2;
}

/* A graph of nodes that all are zero and have no links. */
static TestGraph *
graph_make(uint32_t nodes, int dim, GraphMetric metric, GraphStorage storage, int links)
{
	GraphShape	shape = {dim, metric, storage, metric == GRAPH_L1 ? 1 : 4, links};
	TestGraph  *graph = calloc(1, sizeof(TestGraph));

	if (!graph_geometry(&shape, &graph->geometry))
		abort();
	graph->source.context = graph;
	graph->source.open = graph_open;
	graph->source.close = graph_close;
	graph->source.visit = graph_visit;
	graph->source.resize = graph_resize;
	graph->nodes = nodes;
	graph->slots = calloc(nodes, graph->geometry.slot_size);
	graph->gone = calloc(nodes, sizeof(bool));
	graph->query = graph_query_init(malloc(graph_query_size(&graph->geometry)), &graph->geometry);
	for (uint32_t i = 0; i < nodes; i++)
	{
		slot_of(graph, i)->node = i;
		slot_of(graph, i)->kind = GRAPH_SLOT_NODE;
		slot_of(graph, i)->down = GRAPH_NO_NODE;
	}
	return graph;
}

static void
test_graph_free(TestGraph *graph)
{
	free(graph->query);
	free(graph->gone);
	free(graph->slots);
	free(graph);
}

static void
graph_set(TestGraph *graph, uint32_t node, const float *vector)
{
	graph_slot_store(&graph->geometry, slot_of(graph, node), vector);
}

/* Link two nodes whose vectors are set, one way. */
static void
graph_link(TestGraph *graph, uint32_t from, uint32_t to)
{
	GraphSlot  *slot = slot_of(graph, from);
	float		own[64];
	float		other[64];

	graph_slot_load(&graph->geometry, slot, own);
	graph_slot_load(&graph->geometry, slot_of(graph, to), other);
	graph_slot_set_link(&graph->geometry, slot, slot->count++, to | (random_bits() % 2 ? GRAPH_LINK_CHOSEN : 0), own, other);
}

static void
random_vector(float *vector, int dim)
{
	for (int i = 0; i < dim; i++)
		vector[i] = random_unit();
}

/* A graph of random vectors with random links, perhaps twice to a node or to itself. */
static TestGraph *
graph_random(uint32_t nodes, int dim, GraphMetric metric, GraphStorage storage, int links)
{
	TestGraph  *graph = graph_make(nodes, dim, metric, storage, links);
	float		vector[64];

	for (uint32_t i = 0; i < nodes; i++)
	{
		random_vector(vector, dim);
		graph_set(graph, i, vector);
	}
	for (uint32_t i = 0; i < nodes; i++)
	{
		for (int j = random_bits() % (links + 1); j > 0; j--)
			graph_link(graph, i, random_bits() % nodes);
	}
	return graph;
}

static void
graph_ask(TestGraph *graph)
{
	random_vector(graph->query->vector, graph->geometry.shape.dim);
	graph_query_prepare(graph->query);
}

/* Mark what can be reached from a node; returns how many, those gone not counted. */
static uint32_t
reach(const TestGraph *graph, uint32_t from, bool *reached)
{
	uint32_t   *queue = malloc(sizeof(uint32_t) * graph->nodes);
	uint32_t	head = 0;
	uint32_t	tail = 0;
	uint32_t	gone = 0;

	memset(reached, 0, graph->nodes);
	reached[from] = true;
	queue[tail++] = from;
	while (head < tail)
	{
		const GraphSlot *slot = slot_of(graph, queue[head++]);

		if (graph->gone[slot->node])
		{
			gone++;
			continue;
		}
		for (int i = 0; i < slot->count; i++)
		{
			uint32_t	node = GRAPH_LINK_NODE(graph_slot_links(&graph->geometry, slot)[i]);

			if (!reached[node])
			{
				reached[node] = true;
				queue[tail++] = node;
			}
		}
	}
	free(queue);
	return tail - gone;
}

/*
 * The plain walk: lists that are searched from end to end.
 */
#define PLAIN_NODES 300

typedef struct Plain
{
	TestGraph  *graph;
	GraphQuery *query;			/* not the walk's own */
	bool		met[PLAIN_NODES];
	GraphNear	frontier[PLAIN_NODES];
	int			frontier_count;
	GraphNear	ready[PLAIN_NODES];
	int			ready_count;
	float		read[PLAIN_NODES];	/* distances, ascending */
	int			read_count;
	uint32_t	last;			/* the node read last */
} Plain;

static GraphNear
take_nearest(GraphNear *list, int *count)
{
	int			best = 0;
	GraphNear	nearest;

	for (int i = 1; i < *count; i++)
	{
		if (list[i].distance < list[best].distance)
			best = i;
	}
	nearest = list[best];
	list[best] = list[--*count];
	return nearest;
}

static void
plain_meet(Plain *plain, uint32_t node, float estimate)
{
	if (plain->met[node])
		return;
	plain->met[node] = true;
	plain->frontier[plain->frontier_count++] = (GraphNear)
	{
		estimate, node
	};
}

static bool
plain_step(Plain *plain, uint32_t width)
{
	const TestGraph *graph = plain->graph;
	const GraphSlot *slot;
	GraphNear	nearest;
	float		exact;
	int			i;

	if (plain->frontier_count == 0)
		return false;
	nearest = take_nearest(plain->frontier, &plain->frontier_count);
	if ((uint32_t) plain->read_count >= width && nearest.distance > plain->read[width - 1])
	{
		plain->frontier[plain->frontier_count++] = nearest;
		return false;
	}
	plain->last = nearest.node;
	if (graph->gone[nearest.node])
		return true;
	slot = slot_of(graph, nearest.node);
	exact = graph_exact(plain->query, slot);
	for (i = plain->read_count++; i > 0 && plain->read[i - 1] > exact; i--)
		plain->read[i] = plain->read[i - 1];
	plain->read[i] = exact;
	plain->ready[plain->ready_count++] = (GraphNear)
	{
		graph_key(plain->query, slot, exact), nearest.node
	};
	for (uint16_t link = 0; link < slot->count; link++)
	{
		float		estimate;

		graph_estimate(plain->query, slot, exact, &link, 1, &estimate);
		plain_meet(plain, GRAPH_LINK_NODE(graph_slot_links(&graph->geometry, slot)[link]), estimate);
	}
	return true;
}

/* One walk beside the plain one, with rows taken and the width raised on the way. */
static bool
walks_alike(TestGraph *graph, GraphWalk *walk)
{
	Plain	   *plain = calloc(1, sizeof(Plain));
	uint32_t	width = 1 + random_bits() % 20;
	bool		good = true;
	int			takes = 0;
	int			visits = graph->visits;
	int			read = 0;

	plain->graph = graph;
	plain->query = graph_query_init(malloc(graph_query_size(&graph->geometry)), &graph->geometry);
	graph_ask(graph);
	memcpy(plain->query->vector, graph->query->vector, sizeof(float) * graph->geometry.shape.dim);
	graph_query_prepare(plain->query);

	graph_walk_reset(walk);
	walk->width = 0;
	for (int i = random_bits() % 3; i >= 0; i--)
	{
		uint32_t	node = random_bits() % graph->nodes;

		graph_walk_start(walk, node, (float) i);
		plain_meet(plain, node, (float) i);
	}
	while (good)
	{
		GraphNear	near = {0};
		GraphNear	want;
		bool		stepped;

		graph_walk_widen(walk, width);
		stepped = graph_walk_step(walk);
		good &= stepped == plain_step(plain, width);
		if (stepped)
		{
			good &= graph->opened == plain->last;
			read += !graph->gone[plain->last];
		}
		good &= walk->frontier.count == (uint32_t) plain->frontier_count && walk->memory == graph->bytes;
		if (stepped && random_bits() % 8 != 0)
			continue;
		for (uint32_t i = 0; i < graph->nodes; i++)
			good &= graph_walk_met(walk, i) == plain->met[i];
		if (plain->ready_count == 0)
		{
			good &= !graph_walk_take(walk, &near);
			if (!stepped)
				break;
			continue;
		}
		want = take_nearest(plain->ready, &plain->ready_count);
		good &= graph_walk_take(walk, &near) && near.node == want.node && near.distance == want.distance;
		takes++;
		if (random_bits() % 3 == 0)
			width += random_bits() % 10;
	}
	good &= takes == read && graph->visits - visits == read && !graph->is_open && !graph->misused;
	free(plain->query);
	free(plain);
	return good;
}

static bool
test_alike(void)
{
	bool		good = true;

	for (int metric = 0; metric < 4; metric++)
	{
		for (int storage = 0; storage < 2; storage++)
		{
			for (int links = 2; links < 20; links += 5)
			{
				TestGraph  *graph = graph_random(PLAIN_NODES, 12, metric, storage, links);
				GraphWalk	walk;

				graph_walk_init(&walk, &graph->source, graph->query);
				for (int round = 0; round < 8; round++)
				{
					if (round == 4)
					{
						for (uint32_t i = 0; i < graph->nodes; i++)
							graph->gone[i] = random_bits() % 5 == 0;
					}
					if (!walks_alike(graph, &walk))
					{
						printf("# metric %d, storage %d, %d links, round %d\n", metric, storage, links, round);
						good = false;
					}
				}
				graph_walk_free(&walk);
				good &= graph->bytes == 0 && walk.memory == 0;
				test_graph_free(graph);
			}
		}
	}
	return good;
}

static int
compare_floats(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x > y) - (x < y);
}

/*
 * A walk as wide as the graph reads all that can be reached, returns each once,
 * and in the order of all their distances; those that have none come last.
 */
static bool
whole_good(uint32_t nodes, int broken)
{
	TestGraph  *graph = graph_random(nodes, 2, GRAPH_L2, GRAPH_FLOAT32, 8);
	bool	   *reached = malloc(nodes);
	bool	   *taken = calloc(nodes, 1);
	float	   *distances = malloc(sizeof(float) * nodes);
	uint32_t	start = 0;
	uint32_t	count;
	uint32_t	i = 0;
	GraphWalk	walk;
	GraphNear	near;
	bool		good = true;

	for (; broken > 0; broken--)
		*(float *) graph_slot_vector(&graph->geometry, slot_of(graph, random_bits() % nodes)) = broken % 2 ? NAN : INFINITY;
	while (slot_of(graph, start)->count == 0)
		start++;
	graph_ask(graph);
	count = reach(graph, start, reached);
	for (uint32_t node = 0; node < nodes; node++)
	{
		if (reached[node])
		{
			float		distance = graph_exact(graph->query, slot_of(graph, node));

			distances[i++] = isnan(distance) ? INFINITY : distance;
		}
	}
	qsort(distances, count, sizeof(float), compare_floats);

	graph_walk_init(&walk, &graph->source, graph->query);
	graph_walk_start(&walk, start, 0);
	graph_walk_widen(&walk, nodes);
	while (graph_walk_step(&walk))
		good &= walk.memory == graph->bytes;
	for (i = 0; graph_walk_take(&walk, &near); i++)
	{
		good &= i < count && near.distance == distances[i] && reached[near.node] && !taken[near.node];
		taken[near.node] = true;
	}
	good &= i == count && walk.hops == count && walk.visited_count == count && !graph->misused;
	for (uint32_t node = 0; node < nodes; node++)
		good &= graph_walk_met(&walk, node) == reached[node];
	if (!good)
		printf("# %u of %u nodes, %u reached\n", i, nodes, count);
	graph_walk_free(&walk);
	good &= graph->bytes == 0;
	free(distances);
	free(taken);
	free(reached);
	test_graph_free(graph);
	return good;
}

/*
 * Points on a line, each linked to its neighbours: their codes are exact, so the
 * walk reads as many as it is wide, the nearest, and no other.
 */
static bool
test_width(void)
{
	TestGraph  *graph = graph_make(1000, 1, GRAPH_L2, GRAPH_FLOAT32, 8);
	float		position = 0;
	bool		good = true;

	for (uint32_t i = 0; i < graph->nodes; i++)
	{
		position += 1.5f + random_unit();
		graph_set(graph, i, &position);
	}
	for (int i = 0; i < (int) graph->nodes; i++)
	{
		for (int j = i - 4; j <= i + 4; j++)
		{
			if (j != i && j >= 0 && j < (int) graph->nodes)
				graph_link(graph, i, j);
		}
	}
	for (uint32_t width = 1; width <= 256; width *= 2)
	{
		uint32_t	nearest = 300 + random_bits() % 400;
		GraphWalk	walk;

		graph_slot_load(&graph->geometry, slot_of(graph, nearest), graph->query->vector);
		graph->query->vector[0] += 0.2f;
		graph_query_prepare(graph->query);
		graph_walk_init(&walk, &graph->source, graph->query);
		graph_walk_start(&walk, nearest, 0);
		for (uint32_t w = width; w <= 2 * width; w += width)
		{
			graph_walk_widen(&walk, w);
			graph_walk_widen(&walk, 1);	/* does nothing */
			while (graph_walk_step(&walk))
				;
			if (walk.hops != w || walk.ready.count != w)
			{
				printf("# %d hops for width %u\n", (int) walk.hops, w);
				good = false;
			}
		}
		graph_walk_free(&walk);
	}
	test_graph_free(graph);
	return good;
}

/*
 * Levels: "base" nodes of level 0, then those above, each with "down".  In a level
 * all are linked with all.
 */
#define BASE 200
#define MIDDLE 24
#define TOP 3
#define DIM 16

static TestGraph *
graph_levels(GraphStorage storage)
{
	TestGraph  *graph = graph_make(BASE + MIDDLE + TOP, DIM, GRAPH_L2, storage, 254);
	float		vector[DIM];

	for (uint32_t i = 0; i < graph->nodes; i++)
	{
		GraphSlot  *slot = slot_of(graph, i);

		slot->level = i < BASE ? 0 : i < BASE + MIDDLE ? 1 : 2;
		if (slot->level == 0)
			random_vector(vector, DIM);
		else
		{
			slot->down = slot->level == 1 ? (i - BASE) * 7 : BASE + (i - BASE - MIDDLE) * 5;
			graph_slot_load(&graph->geometry, slot_of(graph, slot->down), vector);
		}
		graph_set(graph, i, vector);
	}
	for (uint32_t i = 0; i < graph->nodes; i++)
	{
		for (uint32_t j = 0; j < graph->nodes; j++)
		{
			if (i != j && slot_of(graph, i)->level == slot_of(graph, j)->level)
				graph_link(graph, i, j);
		}
	}
	return graph;
}

/* How many nodes of one level are nearer than a node. */
static int
nearer(const TestGraph *graph, uint32_t node)
{
	float		distance = graph_exact(graph->query, slot_of(graph, node));
	int			count = 0;

	for (uint32_t i = 0; i < graph->nodes; i++)
	{
		if (slot_of(graph, i)->level == slot_of(graph, node)->level)
			count += graph_exact(graph->query, slot_of(graph, i)) < distance;
	}
	return count;
}

/*
 * The way down ends at what lies below the nearest nodes of the level above, and
 * from there the nearest of the level are found.
 */
static bool
test_descend(void)
{
	bool		good = true;

	for (int storage = 0; storage < 2; storage++)
	{
		TestGraph  *graph = graph_levels(storage);
		GraphWalk	walk;
		GraphNear	near;

		graph_walk_init(&walk, &graph->source, graph->query);
		for (int round = 0; round < 50; round++)
		{
			int			to = round % 3;
			uint64_t	hops = walk.hops;

			graph_ask(graph);
			good &= graph_walk_descend(&walk, BASE + MIDDLE, 2, to);
			/* of level 2 there are but three */
			hops = walk.hops - hops;
			good &= to == 2 ? hops == 0 : to == 1 ? hops == TOP : hops > GRAPH_DESCENT_WIDTH && hops <= TOP + MIDDLE;
			good &= walk.width == 0 && walk.ready.count == 0;
			good &= walk.frontier.count == (to == 2 ? 1 : to == 1 ? TOP : GRAPH_WALK_STARTS);
			for (uint32_t i = 0; i < walk.frontier.count; i++)
				good &= slot_of(graph, walk.frontier.items[i].node)->level == to;
			graph_walk_widen(&walk, 50);
			while (graph_walk_step(&walk))
				good &= slot_of(graph, graph->opened)->level == to;
			for (int i = 0; i < (to == 2 ? TOP : 10); i++)
			{
				good &= graph_walk_take(&walk, &near);

				/*
				 * above level 0, what is below is the result; int8 leaves the
				 * order a little open
				 */
				good &= near.node < graph->nodes && slot_of(graph, near.node)->level == (to > 0 ? to - 1 : 0);
				good &= to > 0 || nearer(graph, near.node) <= (storage == GRAPH_INT8 ? 15 : 9);
			}
		}
		good &= !graph->misused;
		graph_walk_free(&walk);
		test_graph_free(graph);
	}
	return good;
}

/* A way down that is lost is told, and found again by what is not. */
static bool
test_lost(void)
{
	TestGraph  *graph = graph_levels(GRAPH_FLOAT32);
	GraphWalk	walk;
	bool		good;

	graph_ask(graph);
	graph_walk_init(&walk, &graph->source, graph->query);
	graph->gone[BASE + MIDDLE] = true;
	good = !graph_walk_descend(&walk, BASE + MIDDLE, 2, 0);
	good &= graph_walk_descend(&walk, BASE + MIDDLE + 1, 2, 0);
	for (uint32_t i = BASE; i < BASE + MIDDLE; i++)
		graph->gone[i] = i != BASE + 5;
	good &= graph_walk_descend(&walk, BASE + MIDDLE + 1, 2, 0) && walk.frontier.count == 1 &&
		walk.frontier.items[0].node == slot_of(graph, BASE + 5)->down;
	graph->gone[BASE + 5] = true;
	good &= !graph_walk_descend(&walk, BASE + MIDDLE + 1, 2, 0);
	good &= graph_walk_descend(&walk, BASE + MIDDLE + 1, 2, 1);
	/* nodes above nothing are passed over */
	graph->gone[BASE] = graph->gone[BASE + 10] = false;
	slot_of(graph, BASE)->down = GRAPH_NO_NODE;
	good &= graph_walk_descend(&walk, BASE + MIDDLE + 1, 2, 0) && walk.frontier.count == 1 &&
		walk.frontier.items[0].node == slot_of(graph, BASE + 10)->down;
	good &= !graph->misused;
	graph_walk_free(&walk);
	test_graph_free(graph);
	return good;
}

/*
 * A stale link from level 0 may lead to a slot taken since by a node of an upper
 * level.  What is below it is still returned once.
 */
static bool
test_stale(void)
{
	TestGraph  *graph = graph_levels(GRAPH_FLOAT32);
	int			taken[BASE + MIDDLE + TOP] = {0};
	GraphWalk	walk;
	GraphNear	near;
	bool		good = true;

	for (uint32_t i = 0; i < 20; i++)
		graph_link(graph, i, BASE + i);
	graph_ask(graph);
	graph_walk_init(&walk, &graph->source, graph->query);
	good &= graph_walk_descend(&walk, BASE + MIDDLE, 2, 0);
	graph_walk_widen(&walk, 1000);
	while (graph_walk_step(&walk))
		;
	while (graph_walk_take(&walk, &near))
	{
		taken[near.node]++;
		good &= slot_of(graph, near.node)->level == 0;
	}
	for (uint32_t i = 0; i < BASE; i++)
		good &= taken[i] == 1;
	graph_walk_free(&walk);
	test_graph_free(graph);
	return good;
}

/*
 * What the level above found near is compared with what its neighbours are
 * estimated at: the nearest but one of level 0 is where the way down ends, and the
 * walk must not rest before it has read it.
 */
static bool
starts_good(GraphMetric metric, GraphStorage storage)
{
	/*
	 * how far each is from the query: two of level 0, those above, and others
	 * of level 0
	 */
	TestGraph  *graph = graph_make(24, DIM, metric, storage, 23);
	float		centre[DIM];
	float		vector[DIM];
	GraphWalk	walk;
	GraphNear	near;
	bool		found = false;

	random_vector(centre, DIM);
	for (uint32_t i = 0; i < graph->nodes; i++)
	{
		double		length = 0;
		double		wanted = i == 0 || i == 2 ? 0.10 : i == 1 || i == 3 ? 0.12 : 0.20 + 0.001 * i;

		random_vector(vector, DIM);
		for (int j = 0; j < DIM; j++)
			length += vector[j] * vector[j];
		for (int j = 0; j < DIM; j++)
			vector[j] = (float) (centre[j] + vector[j] * wanted / sqrt(length));
		if (i == 2 || i == 3)
		{
			slot_of(graph, i)->level = 1;
			slot_of(graph, i)->down = i - 2;
			graph_slot_load(&graph->geometry, slot_of(graph, i - 2), vector);
		}
		graph_set(graph, i, vector);
	}
	graph_link(graph, 2, 3);
	for (uint32_t i = 4; i < graph->nodes; i++)
	{
		graph_link(graph, 0, i);
		graph_link(graph, 1, i);
		for (uint32_t j = 4; j < graph->nodes; j++)
		{
			if (i != j)
				graph_link(graph, i, j);
		}
	}
	memcpy(graph->query->vector, centre, sizeof(centre));
	graph_query_prepare(graph->query);
	graph_walk_init(&walk, &graph->source, graph->query);
	graph_walk_descend(&walk, 2, 1, 0);
	graph_walk_widen(&walk, 3);
	while (graph_walk_step(&walk))
		;
	while (graph_walk_take(&walk, &near))
		found |= near.node == 1;
	if (!found)
		printf("# metric %d, storage %d: not found\n", metric, storage);
	graph_walk_free(&walk);
	test_graph_free(graph);
	return found;
}

int
main(void)
{
	bool		good = true;

	simd_init();
	ok(test_alike(), "steps, takes and widening are those of a plain walk");
	for (uint32_t nodes = 1; nodes < 3000; nodes = nodes * 3 + 1)
		good &= whole_good(nodes + 1, 0);
	ok(good, "all that can be reached is returned once, and in order");
	ok(whole_good(100000, 0), "the same of 100,000 nodes");
	ok(whole_good(2000, 300), "NaN and infinite distances come last");
	ok(test_width(), "no more nodes are read than the walk is wide");
	ok(test_descend(), "the way down through the levels");
	ok(test_lost(), "a way down that is lost");
	ok(test_stale(), "a stale link to a node of an upper level");
	good = true;
	for (int storage = 0; storage < 2; storage++)
	{
		good &= starts_good(GRAPH_L2, storage);
		good &= starts_good(GRAPH_COSINE, storage);
		good &= starts_good(GRAPH_L1, storage);
	}
	ok(good, "where the way down ends is read in its turn");
	return done_testing();
}
