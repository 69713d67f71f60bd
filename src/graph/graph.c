/*
 * graph.c: insertion into the graph in memory.
 *
 * What takes the time is to get vectors from memory, and most of them turn out to
 * be too far away.  So a vertex has a sketch too, a code of one bit a dimension,
 * that gives an estimate of a distance for an eighth of the memory; a vector that
 * by its estimate is too far away, by a margin, is never looked at.
 *
 * A chunk holds the sketches of its vertices, then their vectors, and then the
 * vertices with their links.
 */
#include "graph/graph.h"

#include <math.h>
#include <string.h>

#include "simd/simd.h"

#define CHUNK_BYTES (1 << 20)

/* Nodes to start a level from, and to read on levels only passed through. */
#define STARTS 8
#define DESCENT_WIDTH 8

/* Where vectors are shorter than this, looking at them costs no more than an estimate. */
#define MIN_SKETCHED_DIM 256

/*
 * A vector is looked at if it would be near enough with an estimate that is off
 * by so many standard deviations.  More make hardly any difference to the graph.
 */
#define MARGIN 1

/* Vectors that are on their way into the cache while one is looked at. */
#define AHEAD 3

/* What of a vector without a sketch is loaded as soon as it is met. */
#define PEEK_BYTES 256

#define CACHE_LINE 64
#define ROUND_UP(n, to) (((n) + (to) - 1) / (to) * (to))

/* What a distance takes beside the vector; the code follows. */
typedef struct GraphSketch
{
	float		scale;			/* of the rounded vector */
	float		norm;			/* its squared length */
	float		factor;			/* inner product ~ factor * code . vector */
	float		deviation;		/* of that from it, a unit of the vector */
} GraphSketch;

/* A vertex that a search has met. */
typedef struct Met
{
	uint32_t	node;
	float		least;			/* what its distance is hardly below */
	const GraphSketch *sketch;
	const char *vector;
} Met;

/* Place of a node in its chunk. */
static inline uint32_t
place_in_chunk(const Graph *graph, uint32_t node)
{
	return node & ((UINT32_C(1) << graph->chunk_shift) - 1);
}

/* Ask for the address of a chunk. */
static char *
open_chunk(Graph *graph, uint32_t chunk)
{
	if (chunk >= graph->chunk_room)
	{
		uint32_t	room = graph->chunk_room == 0 ? 64 : graph->chunk_room;

		while (room <= chunk)
			room *= 2;
		graph->chunks = graph->hooks->resize(graph->hooks->context, graph->chunks, room * sizeof(char *));
		memset(graph->chunks + graph->chunk_room, 0, (room - graph->chunk_room) * sizeof(char *));
		graph->chunk_room = room;
	}
	graph->chunks[chunk] = graph->hooks->chunk(graph->hooks->context, chunk);
	return graph->chunks[chunk];
}

/* The chunk of a node, which must have been given out. */
static inline char *
chunk_of(Graph *graph, uint32_t node)
{
	uint32_t	chunk = node >> graph->chunk_shift;

	if (chunk < graph->chunk_room && graph->chunks[chunk] != NULL)
		return graph->chunks[chunk];
	return open_chunk(graph, chunk);
}

/* Sketch, vector and vertex of a node whose chunk is at hand. */
static inline GraphSketch *
sketch_in(const Graph *graph, char *chunk, uint32_t node)
{
	return (GraphSketch *) (chunk + (size_t) place_in_chunk(graph, node) * graph->sketch_bytes);
}

static inline char *
vector_in(const Graph *graph, char *chunk, uint32_t node)
{
	return chunk + graph->vectors_offset + (size_t) place_in_chunk(graph, node) * graph->vector_bytes;
}

static inline GraphVertex *
vertex_in(const Graph *graph, char *chunk, uint32_t node)
{
	return (GraphVertex *) (chunk + graph->vertices_offset +
							(size_t) place_in_chunk(graph, node) * graph->vertex_bytes);
}

/* A vertex by its number, which must have been given out. */
GraphVertex *
graph_vertex(Graph *graph, uint32_t node)
{
	return vertex_in(graph, chunk_of(graph, node), node);
}

/* The links of a vertex. */
GraphVertexLink *
graph_links(const Graph *graph, const GraphVertex *vertex)
{
	(void) graph;				/* the room for links is the same in all */
	return (GraphVertexLink *) (vertex + 1);
}

/* Bytes of a chunk, whole cache lines. */
size_t
graph_chunk_bytes(const Graph *graph)
{
	size_t		bytes = graph->vertices_offset + ((size_t) graph->vertex_bytes << graph->chunk_shift);

	return ROUND_UP(bytes, CACHE_LINE);
}

/* Make what is shared ready, once. */
void
graph_shared_init(GraphShared *shared)
{
	shared->nodes = 0;
	shared->entry = GRAPH_NO_NODE;
	shared->entry_level = -1;
}

/* Bytes of a vector. */
static inline size_t
vector_size(const Graph *graph)
{
	const GraphGeometry *g = graph->geometry;

	return graph_is_whole(&g->shape) ? g->words * sizeof(float) : (size_t) g->shape.dim;
}

/*
 * Lay out a chunk of at most chunk_bytes, unless that is too little for a vertex.
 * Without sketches their heads lie each before its vector.
 */
static void
lay_out_chunk(Graph *graph, size_t chunk_bytes)
{
	const GraphGeometry *g = graph->geometry;
	uint32_t	values = vector_size(graph);
	size_t		bytes;

	if (graph->sketched)
	{
		graph->sketch_bytes = ROUND_UP(sizeof(GraphSketch) + g->plane_bytes, CACHE_LINE);
		graph->vector_bytes = ROUND_UP(values, CACHE_LINE);
		bytes = graph->sketch_bytes + graph->vector_bytes;
	}
	else
	{
		graph->sketch_bytes = ROUND_UP(sizeof(GraphSketch) + values, 16);
		graph->vector_bytes = graph->sketch_bytes;
		bytes = graph->vector_bytes;
	}
	graph->vertex_bytes = sizeof(GraphVertex) + g->shape.links * sizeof(GraphVertexLink);
	graph->peek_bytes = graph->sketched ? sizeof(GraphSketch) + g->plane_bytes : graph->vector_bytes < PEEK_BYTES ? graph->vector_bytes : PEEK_BYTES;
	graph->vector_peeked = graph->sketched ? 0 : graph->peek_bytes;
	bytes += graph->vertex_bytes;
	while (graph->chunk_shift < 16 && bytes << (graph->chunk_shift + 1) <= chunk_bytes)
		graph->chunk_shift++;
	graph->vertices_offset = (bytes - graph->vertex_bytes) << graph->chunk_shift;
	graph->vectors_offset = graph->sketched ? (size_t) graph->sketch_bytes << graph->chunk_shift : sizeof(GraphSketch);
}

/*
 * Make one process's view of a graph.
 */
void
graph_init(Graph *graph, const GraphGeometry *geometry, int m, int ef_construction,
		   GraphShared *shared, const GraphHooks *hooks)
{
	size_t		dim = geometry->words;
	size_t		coded = (size_t) geometry->plane_bytes * 8;
	size_t		padded = coded > dim ? coded : dim;
	size_t		sketch_bytes = sizeof(GraphSketch) + geometry->plane_bytes;

	memset(graph, 0, sizeof(*graph));
	graph->geometry = geometry;
	graph->hooks = hooks;
	graph->shared = shared;
	graph->m = m;
	graph->relax = graph_relax(geometry->shape.metric);

	/*
	 * What a level starts from and what is only passed through must fit the
	 * pool.
	 */
	if (ef_construction < DESCENT_WIDTH)
		ef_construction = DESCENT_WIDTH;
	graph->ef_construction = ef_construction;
	graph->followed = 2 * m;
	graph->sketched = !graph_is_whole(&geometry->shape) && dim >= MIN_SKETCHED_DIM;
	lay_out_chunk(graph, hooks->chunk_bytes > 0 ? hooks->chunk_bytes : CHUNK_BYTES);

	/* Beyond the vector are zeros, up to a whole word of its code. */
	graph->fresh = hooks->resize(hooks->context, NULL, sketch_bytes);
	graph->fresh_vector = hooks->resize(hooks->context, NULL, padded * sizeof(float));
	graph->weights = hooks->resize(hooks->context, NULL, coded);
	graph->zeros = hooks->resize(hooks->context, NULL, dim * sizeof(float));
	memset(graph->fresh, 0, sketch_bytes);
	memset(graph->fresh_vector, 0, padded * sizeof(float));
	memset(graph->zeros, 0, dim * sizeof(float));
	graph->pool = hooks->resize(hooks->context, NULL, sizeof(GraphNear) * (ef_construction + 1));
	graph->found = hooks->resize(hooks->context, NULL,
								 sizeof(GraphNear) * ef_construction * (GRAPH_MAX_LEVEL + 1));
}

/* The vector of a vertex as floats. */
void
graph_load(Graph *graph, const GraphVertex *vertex, float *vector)
{
	int			dim = graph->geometry->shape.dim;
	uint32_t	node = vertex->node;
	char	   *chunk = chunk_of(graph, node);

	if (graph_is_whole(&graph->geometry->shape))
		memcpy(vector, vector_in(graph, chunk, node), graph->geometry->words * sizeof(float));
	else
		simd->dequantize_i8((int8_t *) vector_in(graph, chunk, node), sketch_in(graph, chunk, node)->scale,
							vector, dim);
}

/* Begin to get memory into the cache. */
static inline void
prefetch(const void *memory, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i += CACHE_LINE)
		__builtin_prefetch((const char *) memory + i);
}

/* Begin to get a vector into the cache, but for what comes with the sketch. */
static inline void
prefetch_vector(const Graph *graph, const char *vector)
{
	prefetch(vector + graph->vector_peeked, graph->vector_bytes - graph->vector_peeked);
}

/* The same of a vertex with its links. */
static inline void
prefetch_vertex(Graph *graph, uint32_t node)
{
	prefetch(graph_vertex(graph, node), graph->vertex_bytes);
}

/* Begin to get into the cache what graph_load will read. */
void
graph_prefetch(Graph *graph, uint32_t node)
{
	char	   *chunk = chunk_of(graph, node);

	__builtin_prefetch(vertex_in(graph, chunk, node));
	__builtin_prefetch(sketch_in(graph, chunk, node));
	prefetch(vector_in(graph, chunk, node), graph->vector_bytes);
}

/* Make what is to be inserted of a vector: rounded, its sketch, and weights. */
static void
make_fresh(Graph *graph, const float *vector)
{
	const GraphGeometry *g = graph->geometry;
	GraphSketch *fresh = graph->fresh;
	int			dim = g->shape.dim;
	int8_t	   *rounded = graph->fresh_vector;
	float		largest;
	SimdCodeSums sums;

	if (graph_is_whole(&g->shape))
	{
		memcpy(rounded, vector, g->words * sizeof(float));
		return;
	}
	largest = simd->max_abs_f32(vector, dim);
	if (largest > 0 && isfinite(127 / largest))
	{
		fresh->scale = largest / 127;
		simd->quantize_i8(vector, 127 / largest, rounded, dim);
	}
	else
	{
		fresh->scale = 0;
		memset(rounded, 0, dim);
	}
	fresh->norm = fresh->scale * fresh->scale * simd->inner_product_i8(rounded, rounded, dim);
	if (!graph->sketched)
		return;
	sums = simd->encode_f32(graph->zeros, vector, dim, 1, 0, (uint8_t *) (fresh + 1), g->plane_bytes);
	fresh->factor = sums.xr > 0 ? fresh->norm / sums.xr : 0;
	/* Of a vector's length its signs have a share of sqrt(2 / pi). */
	fresh->deviation = sqrtf(fresh->norm / dim * (float) (M_PI / 2 - 1));
	graph->fresh_length = sqrtf(fresh->norm);
	simd->arrange_weights(rounded, g->plane_bytes / 8, graph->weights);
	graph->weight_sum = 0;
	for (int i = 0; i < dim; i++)
		graph->weight_sum += rounded[i];
}

/* The distance between two vertices; where it overflows it is infinite. */
static inline float
distance(const Graph *graph, const GraphSketch *a, const void *a_vector, const GraphSketch *b, const void *b_vector)
{
	int			dim = graph->geometry->shape.dim;
	float		product;

	if (graph_is_whole(&graph->geometry->shape))
		return graph_distance(graph->geometry, a_vector, b_vector);
	product = a->scale * b->scale * simd->inner_product_i8(a_vector, b_vector, dim);
	if (graph->geometry->shape.metric == GRAPH_IP)
		return -product;
	product = a->norm + b->norm - 2 * product;
	return isnan(product) ? INFINITY : product;
}

/* The distance of a vertex from the fresh one. */
static inline float
distance_to_fresh(const Graph *graph, const GraphSketch *sketch, const void *vector)
{
	return distance(graph, graph->fresh, graph->fresh_vector, sketch, vector);
}

/* What a vertex's distance from the fresh one is hardly below. */
static inline float
least_distance(const Graph *graph, const GraphSketch *sketch)
{
	static const uint16_t first = 0;
	const GraphSketch *fresh = graph->fresh;
	int32_t		sum;
	float		product;

	if (!graph->sketched)
		return -INFINITY;
	simd->code_dots_arranged((const uint8_t *) (sketch + 1), 0, &first, 1, graph->weights,
							 graph->geometry->plane_bytes / 8, &sum);
	product = sketch->factor * fresh->scale * (2 * sum - graph->weight_sum) +
		MARGIN * sketch->deviation * graph->fresh_length;
	if (graph->geometry->shape.metric == GRAPH_IP)
		return -product;
	return fresh->norm + sketch->norm - 2 * product;
}

/* Start a search: no node is met. */
static void
forget(Graph *graph)
{
	uint32_t	nodes = __atomic_load_n(&graph->shared->nodes, __ATOMIC_ACQUIRE);

	if (nodes + 1024 > graph->visited_room)
	{
		uint32_t	room = nodes + nodes / 2 + 65536;

		graph->visited = graph->hooks->resize(graph->hooks->context, graph->visited, room + 1);
		memset(graph->visited, 0, room + 1);
		graph->visited_room = room;
		graph->visited_mark = 0;
	}
	if (++graph->visited_mark == 0)
	{
		memset(graph->visited, 0, graph->visited_room);
		graph->visited_mark = 1;
	}
	/* Nodes too new to have a mark of their own share this one. */
	graph->visited[graph->visited_room] = graph->visited_mark;
}

/* Mark a node; 1 if it was not, else 0.  Without a branch: nobody could guess it. */
static inline int
meet(Graph *graph, uint32_t node)
{
	uint8_t    *mark = graph->visited + (node < graph->visited_room ? node : graph->visited_room);
	int			fresh = *mark != graph->visited_mark;

	*mark = graph->visited_mark;
	return fresh;
}

/* The top bit of a pool entry's node says that it has been read. */
#define READ GRAPH_LINK_CHOSEN

/*
 * Put into the sorted pool, if it is near enough; returns its place, or "room".
 */
static inline int
pool_insert(GraphNear *pool, int *count, int room, float d, uint32_t node)
{
	GraphNear  *place = pool;

	if (*count == room && d >= pool[room - 1].distance)
		return room;
	/* A binary search that takes the same steps wherever it ends. */
	for (int n = *count; n > 0;)
	{
		int			half = (n + 1) / 2;

		place += place[half - 1].distance <= d ? half : 0;
		n -= half;
	}
	if (*count == room)
		(*count)--;
	memmove(place + 1, place, (pool + *count - place) * sizeof(GraphNear));
	*place = (GraphNear)
	{
		d, node
	};
	(*count)++;
	return place - pool;
}

/*
 * Search one level for the nearest "width" vertices, from the first *count of the
 * pool; on return the pool is sorted and holds *count.
 */
static void
search_level(Graph *graph, int width, int *count)
{
	GraphNear  *pool = graph->pool;
	Met			met[GRAPH_MAX_LINKS + 1];	/* one more is written to, and not
											 * kept */
	int			i = 0;

	while (i < *count)
	{
		GraphVertex *vertex;
		GraphVertexLink *links;
		int			n = 0;
		int			kept = 0;
		int			links_count;
		int			lowest = *count;

		if (pool[i].node & READ)
		{
			i++;
			continue;
		}
		vertex = graph_vertex(graph, pool[i].node);
		pool[i].node |= READ;
		links_count = __atomic_load_n(&vertex->count, __ATOMIC_ACQUIRE);
		links = graph_links(graph, vertex);
		if (i + 1 < *count)
			prefetch_vertex(graph, GRAPH_LINK_NODE(pool[i + 1].node));
		for (int j = 0; j < links_count; j++)
		{
			uint32_t	link = __atomic_load_n(&links[j].link, __ATOMIC_RELAXED);

			if (j >= graph->followed && !(link & GRAPH_LINK_CHOSEN))
				continue;
			met[n].node = GRAPH_LINK_NODE(link);
			n += meet(graph, met[n].node);
		}
		for (int j = 0; j < n; j++)
		{
			char	   *chunk = chunk_of(graph, met[j].node);

			met[j].sketch = sketch_in(graph, chunk, met[j].node);
			met[j].vector = vector_in(graph, chunk, met[j].node);
			prefetch(met[j].sketch, graph->peek_bytes);
		}
		for (int j = 0; j < n; j++)
		{
			if (*count == width)
			{
				met[j].least = least_distance(graph, met[j].sketch);
				if (met[j].least >= pool[width - 1].distance)
					continue;
			}
			else
				met[j].least = -INFINITY;
			if (kept < AHEAD)
				prefetch_vector(graph, met[j].vector);
			met[kept++] = met[j];
		}
		graph->estimates += n;
		for (int j = 0; j < kept; j++)
		{
			int			place;

			if (j + AHEAD < kept)
				prefetch_vector(graph, met[j + AHEAD].vector);
			if (*count == width && met[j].least >= pool[width - 1].distance)
				continue;
			place = pool_insert(pool, count, width, distance_to_fresh(graph, met[j].sketch, met[j].vector), met[j].node);
			graph->distances++;
			if (place < lowest)
			{
				lowest = place;
				/* It may be read next. */
				prefetch_vertex(graph, met[j].node);
			}
		}
		if (lowest <= i)
			i = lowest;
		else
			i++;
	}
	for (i = 0; i < *count; i++)
		pool[i].node &= ~READ;
}

/* GraphPairDistance of two in the pool. */
static float
pair_distance(void *context, int a, int b)
{
	Graph	   *graph = context;
	uint32_t	x = graph->pool[a].node;
	uint32_t	y = graph->pool[b].node;
	char	   *x_chunk = chunk_of(graph, x);
	char	   *y_chunk = chunk_of(graph, y);

	return distance(graph, sketch_in(graph, x_chunk, x), vector_in(graph, x_chunk, x),
					sketch_in(graph, y_chunk, y), vector_in(graph, y_chunk, y));
}

/*
 * Distances of a vertex's links from the new one, which is "d" away; infinite for
 * those that make no difference to graph_back_link.
 */
static void
distances_to_fresh(Graph *graph, const GraphVertexLink *links, int count, float d, float *to_new)
{
	Met			met[GRAPH_MAX_LINKS];
	int			which[GRAPH_MAX_LINKS];
	int			n = 0;
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		uint32_t	node = GRAPH_LINK_NODE(links[i].link);
		char	   *chunk;

		to_new[i] = INFINITY;
		if (!(links[i].link & GRAPH_LINK_CHOSEN))
			continue;
		chunk = chunk_of(graph, node);
		met[n].sketch = sketch_in(graph, chunk, node);
		met[n].vector = vector_in(graph, chunk, node);
		prefetch(met[n].sketch, graph->peek_bytes);
		which[n++] = i;
	}
	for (int i = 0; i < n; i++)
	{
		float		limit = links[which[i]].distance > d ? links[which[i]].distance : d;

		if (graph->relax * least_distance(graph, met[i].sketch) >= limit)
			continue;
		prefetch_vector(graph, met[i].vector);
		met[kept] = met[i];
		which[kept++] = which[i];
	}
	for (int i = 0; i < kept; i++)
		to_new[which[i]] = distance_to_fresh(graph, met[i].sketch, met[i].vector);
	graph->estimates += n;
	graph->distances += kept;
}

/* Link a neighbour back to a new node. */
static void
link_back(Graph *graph, uint32_t node, uint32_t fresh, float d, bool must)
{
	int			room = graph->geometry->shape.links;
	GraphVertex *vertex = graph_vertex(graph, node);
	GraphVertexLink *links = graph_links(graph, vertex);
	uint32_t	numbers[GRAPH_MAX_LINKS];
	float		distances[GRAPH_MAX_LINKS];
	float		to_new[GRAPH_MAX_LINKS];
	uint32_t	demoted[GRAPH_MAX_LINKS];
	int			demoted_count;
	GraphBackLink back;

	if (graph->hooks->lock != NULL)
		graph->hooks->lock(graph->hooks->context, node);
	for (int i = 0; i < vertex->count; i++)
	{
		numbers[i] = links[i].link;
		distances[i] = links[i].distance;
	}
	distances_to_fresh(graph, links, vertex->count, d, to_new);
	back = graph_back_link(numbers, distances, to_new, vertex->count, room, graph->relax, d, must, demoted, &demoted_count);
	for (int i = 0; i < demoted_count; i++)
		links[demoted[i]].link &= ~GRAPH_LINK_CHOSEN;
	if (back.place >= 0)
	{
		links[back.place].distance = d;
		__atomic_store_n(&links[back.place].link, fresh | (back.chosen ? GRAPH_LINK_CHOSEN : 0), __ATOMIC_RELEASE);
		if (back.place == vertex->count)
			__atomic_store_n(&vertex->count, vertex->count + 1, __ATOMIC_RELEASE);
	}
	if (graph->hooks->unlock != NULL)
		graph->hooks->unlock(graph->hooks->context, node);
}

/* Make the vertex of a new node on one level and link it, both ways. */
static void
link_level(Graph *graph, uint32_t node, uint32_t down, int level, uint64_t hash)
{
	char	   *chunk = chunk_of(graph, node);
	GraphVertex *vertex = vertex_in(graph, chunk, node);
	GraphVertexLink *links = graph_links(graph, vertex);
	int			room = graph->geometry->shape.links;
	int			count = graph->found_count[level];
	int			picked[GRAPH_MAX_LINKS];
	int			chosen;
	int			n;

	memcpy(graph->pool, graph->found + level * graph->ef_construction, count * sizeof(GraphNear));
	memcpy(sketch_in(graph, chunk, node), graph->fresh, sizeof(GraphSketch) + (graph->sketched ? graph->geometry->plane_bytes : 0));
	memcpy(vector_in(graph, chunk, node), graph->fresh_vector, vector_size(graph));
	memset(vertex, 0, sizeof(*vertex));
	vertex->norm = graph->fresh->norm;
	vertex->hash = hash;
	vertex->node = node;
	vertex->down = down;
	vertex->level = level;
	n = graph_select(graph->pool, count, room, graph->m, graph->relax, pair_distance, graph, picked, &chosen);
	for (int i = 0; i < n; i++)
	{
		links[i].link = graph->pool[picked[i]].node | (i < chosen ? GRAPH_LINK_CHOSEN : 0);
		links[i].distance = graph->pool[picked[i]].distance;
	}
	__atomic_store_n(&vertex->count, n, __ATOMIC_RELEASE);
	for (int i = 0; i < chosen; i++)
	{
		if (i + 1 < chosen)
			prefetch_vertex(graph, graph->pool[picked[i + 1]].node);
		link_back(graph, graph->pool[picked[i]].node, node, graph->pool[picked[i]].distance, i == 0);
	}
}

/*
 * Insert a rotated vector.  "hash" is of its bytes: a node with the same hash and
 * the same rounded vector is taken for equal, and nothing is inserted.  Returns
 * the number of the node on the lowest level, whose TID the caller then sets, or
 * of the equal node; *duplicate says which.  Upper levels get the numbers after.
 */
uint32_t
graph_insert(Graph *graph, const float *vector, uint64_t hash, int level, bool *duplicate)
{
	GraphShared *shared = graph->shared;
	bool		locked = false;
	uint32_t	entry;
	int			entry_level;
	uint32_t	first;
	int			count = 0;

	*duplicate = false;
	make_fresh(graph, vector);

	/* A node that will be the entry keeps others out meanwhile: they are few. */
	if (level > __atomic_load_n(&shared->entry_level, __ATOMIC_ACQUIRE) && graph->hooks->lock_entry != NULL)
	{
		graph->hooks->lock_entry(graph->hooks->context);
		locked = true;
	}
	entry_level = __atomic_load_n(&shared->entry_level, __ATOMIC_ACQUIRE);
	entry = __atomic_load_n(&shared->entry, __ATOMIC_ACQUIRE);
	memset(graph->found_count, 0, sizeof(graph->found_count));
	if (entry != GRAPH_NO_NODE)
	{
		char	   *chunk = chunk_of(graph, entry);

		/*
		 * The entry may have changed between the two reads: its own level
		 * counts.
		 */
		entry_level = vertex_in(graph, chunk, entry)->level;
		forget(graph);
		meet(graph, entry);
		graph->pool[0] = (GraphNear)
		{
			distance_to_fresh(graph, sketch_in(graph, chunk, entry), vector_in(graph, chunk, entry)), entry
		};
		count = 1;
	}
	for (int l = entry_level; count > 0 && l >= 0; l--)
	{
		int			starts = 0;

		search_level(graph, l > level ? DESCENT_WIDTH : graph->ef_construction, &count);
		if (l <= level)
		{
			memcpy(graph->found + l * graph->ef_construction, graph->pool, count * sizeof(GraphNear));
			graph->found_count[l] = count;
		}
		if (l == 0)
			break;
		forget(graph);
		for (int i = 0; i < count && starts < STARTS; i++)
		{
			uint32_t	down = graph_vertex(graph, graph->pool[i].node)->down;

			if (meet(graph, down))
				graph->pool[starts++] = (GraphNear)
			{
				graph->pool[i].distance, down
			};
		}
		count = starts;
	}
	for (int i = 0; i < graph->found_count[0]; i++)
	{
		GraphVertex *near = graph_vertex(graph, graph->found[i].node);

		if (near->hash == hash &&
			memcmp(vector_in(graph, chunk_of(graph, near->node), near->node), graph->fresh_vector, vector_size(graph)) == 0)
		{
			if (locked)
				graph->hooks->unlock_entry(graph->hooks->context);
			*duplicate = true;
			return graph->found[i].node;
		}
	}

	/* From below, so that whoever meets an upper node finds what is under it. */
	first = __atomic_fetch_add(&shared->nodes, (uint32_t) level + 1, __ATOMIC_ACQ_REL);
	for (int l = 0; l <= level; l++)
		link_level(graph, first + l, l > 0 ? first + l - 1 : GRAPH_NO_NODE, l, hash);
	if (level > __atomic_load_n(&shared->entry_level, __ATOMIC_ACQUIRE))
	{
		__atomic_store_n(&shared->entry, first + level, __ATOMIC_RELEASE);
		__atomic_store_n(&shared->entry_level, level, __ATOMIC_RELEASE);
	}
	if (locked)
		graph->hooks->unlock_entry(graph->hooks->context);
	return first;
}

/*
 * The level of a vector, from its hash: one in "branching" nodes of a level is
 * also on the next.
 */
int
graph_random_level(uint64_t hash, int branching)
{
	int			level = 0;

	while (level < GRAPH_MAX_LEVEL && hash % branching == 0)
	{
		hash /= branching;
		level++;
	}
	return level;
}
