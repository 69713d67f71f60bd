/*
 * hnsw_graph.c: insertion into the graph in memory.
 */
#include "hnsw/hnsw_graph.h"

#include <math.h>
#include <string.h>

#include "simd/simd.h"

#define CHUNK_BYTES (1 << 20)

/* Nodes to start a level from, and to read on levels only passed through. */
#define STARTS 8
#define DESCENT_WIDTH 8

static inline char *
vertex_vector(const HnswVertex *vertex)
{
	return (char *) (vertex + 1);
}

/* The links of a vertex. */
HnswVertexLink *
hnsw_graph_links(const HnswGraph *graph, const HnswVertex *vertex)
{
	return (HnswVertexLink *) (vertex_vector(vertex) + graph->vector_bytes);
}

/* Bytes of a chunk. */
size_t
hnsw_graph_chunk_bytes(const HnswGraph *graph)
{
	return (size_t) graph->vertex_bytes << graph->chunk_shift;
}

/* Make what is shared ready, once. */
void
hnsw_graph_shared_init(HnswGraphShared *shared)
{
	shared->nodes = 0;
	shared->entry = HNSW_NO_NODE;
	shared->entry_level = -1;
}

/*
 * Make one process's view of a graph.
 */
void
hnsw_graph_init(HnswGraph *graph, const HnswGeometry *geometry, int m, int ef_construction,
				HnswGraphShared *shared, const HnswGraphHooks *hooks)
{
	size_t		dim = geometry->shape.dim;
	size_t		chunk_bytes = hooks->chunk_bytes > 0 ? hooks->chunk_bytes : CHUNK_BYTES;

	memset(graph, 0, sizeof(*graph));
	graph->geometry = geometry;
	graph->hooks = hooks;
	graph->shared = shared;
	graph->m = m;
	graph->relax = hnsw_relax(geometry->shape.metric);

	/*
	 * What a level starts from and what is only passed through must fit the
	 * pool.
	 */
	if (ef_construction < DESCENT_WIDTH)
		ef_construction = DESCENT_WIDTH;
	graph->ef_construction = ef_construction;
	graph->vector_bytes = geometry->shape.metric == HNSW_L1 ? dim * 4 : (dim + 7) / 8 * 8;
	graph->vector_bytes = (graph->vector_bytes + 7) / 8 * 8;
	graph->vertex_bytes = sizeof(HnswVertex) + graph->vector_bytes +
		geometry->shape.links * sizeof(HnswVertexLink);
	while (graph->chunk_shift < 16 && (size_t) graph->vertex_bytes << (graph->chunk_shift + 1) <= chunk_bytes)
		graph->chunk_shift++;
	graph->fresh = hooks->resize(hooks->context, NULL, graph->vertex_bytes);
	memset(graph->fresh, 0, graph->vertex_bytes);
	graph->pool = hooks->resize(hooks->context, NULL, sizeof(HnswNear) * (ef_construction + 1));
	graph->found = hooks->resize(hooks->context, NULL,
								 sizeof(HnswNear) * ef_construction * (HNSW_MAX_LEVEL + 1));
}

/*
 * A vertex by its number, which must have been given out.
 */
HnswVertex *
hnsw_graph_vertex(HnswGraph *graph, uint32_t node)
{
	uint32_t	chunk = node >> graph->chunk_shift;

	if (chunk >= graph->chunk_room)
	{
		uint32_t	room = graph->chunk_room == 0 ? 64 : graph->chunk_room;

		while (room <= chunk)
			room *= 2;
		graph->chunks = graph->hooks->resize(graph->hooks->context, graph->chunks, room * sizeof(char *));
		memset(graph->chunks + graph->chunk_room, 0, (room - graph->chunk_room) * sizeof(char *));
		graph->chunk_room = room;
	}
	if (graph->chunks[chunk] == NULL)
		graph->chunks[chunk] = graph->hooks->chunk(graph->hooks->context, chunk);
	return (HnswVertex *) (graph->chunks[chunk] +
						   (size_t) (node & ((UINT32_C(1) << graph->chunk_shift) - 1)) * graph->vertex_bytes);
}

/* The vector of a vertex as floats. */
void
hnsw_graph_load(const HnswGraph *graph, const HnswVertex *vertex, float *vector)
{
	int			dim = graph->geometry->shape.dim;

	if (graph->geometry->shape.metric == HNSW_L1)
		memcpy(vector, vertex_vector(vertex), dim * sizeof(float));
	else
		simd->dequantize_i8((int8_t *) vertex_vector(vertex), vertex->scale, vector, dim);
}

static void
store(HnswGraph *graph, HnswVertex *vertex, const float *vector)
{
	int			dim = graph->geometry->shape.dim;
	int8_t	   *rounded = (int8_t *) vertex_vector(vertex);
	float		largest;

	if (graph->geometry->shape.metric == HNSW_L1)
	{
		memcpy(rounded, vector, dim * sizeof(float));
		return;
	}
	largest = simd->max_abs_f32(vector, dim);
	if (largest > 0 && isfinite(127 / largest))
	{
		vertex->scale = largest / 127;
		simd->quantize_i8(vector, 127 / largest, rounded, dim);
	}
	else
	{
		vertex->scale = 0;
		memset(rounded, 0, dim);
	}
	vertex->norm = vertex->scale * vertex->scale * simd->inner_product_i8(rounded, rounded, dim);
}

static inline float
distance(const HnswGraph *graph, const HnswVertex *a, const HnswVertex *b)
{
	int			dim = graph->geometry->shape.dim;
	float		product;

	if (graph->geometry->shape.metric == HNSW_L1)
		return simd->l1_f32((float *) vertex_vector(a), (float *) vertex_vector(b), dim);
	product = a->scale * b->scale *
		simd->inner_product_i8((int8_t *) vertex_vector(a), (int8_t *) vertex_vector(b), dim);
	if (graph->geometry->shape.metric == HNSW_IP)
		return -product;
	return a->norm + b->norm - 2 * product;
}

/* Start a search: no node is met. */
static void
forget(HnswGraph *graph)
{
	uint32_t	nodes = __atomic_load_n(&graph->shared->nodes, __ATOMIC_ACQUIRE);

	if (nodes + 1024 > graph->visited_room)
	{
		uint32_t	room = nodes + nodes / 2 + 65536;

		graph->visited = graph->hooks->resize(graph->hooks->context, graph->visited, room);
		memset(graph->visited, 0, room);
		graph->visited_room = room;
		graph->visited_mark = 0;
	}
	if (++graph->visited_mark == 0)
	{
		memset(graph->visited, 0, graph->visited_room);
		graph->visited_mark = 1;
	}
}

/* Mark a node; true if it was not.  Nodes too new to have a mark pass as met. */
static inline bool
meet(HnswGraph *graph, uint32_t node)
{
	if (node >= graph->visited_room || graph->visited[node] == graph->visited_mark)
		return false;
	graph->visited[node] = graph->visited_mark;
	return true;
}

/* The top bit of a pool entry's node says that it has been read. */
#define READ HNSW_LINK_CHOSEN

/* Put into the sorted pool, if it is near enough; returns its place or count. */
static inline int
pool_insert(HnswNear *pool, int *count, int room, float d, uint32_t node)
{
	int			low = 0;
	int			high = *count;

	if (*count == room && d >= pool[room - 1].distance)
		return room;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (pool[middle].distance <= d)
			low = middle + 1;
		else
			high = middle;
	}
	if (*count == room)
		(*count)--;
	memmove(pool + low + 1, pool + low, (*count - low) * sizeof(HnswNear));
	pool[low] = (HnswNear)
	{
		d, node
	};
	(*count)++;
	return low;
}

/*
 * Search one level for the nearest "width" vertices, from the first *count of the
 * pool; on return the pool is sorted and holds *count.
 */
static void
search_level(HnswGraph *graph, int width, int *count)
{
	HnswNear   *pool = graph->pool;
	const HnswVertex *fresh = graph->fresh;
	uint32_t	nodes[HNSW_MAX_LINKS];
	const HnswVertex *vertices[HNSW_MAX_LINKS];
	int			i = 0;

	while (i < *count)
	{
		HnswVertex *vertex;
		HnswVertexLink *links;
		int			n = 0;
		int			links_count;
		int			lowest = *count;

		if (pool[i].node & READ)
		{
			i++;
			continue;
		}
		vertex = hnsw_graph_vertex(graph, pool[i].node);
		pool[i].node |= READ;
		links_count = __atomic_load_n(&vertex->count, __ATOMIC_ACQUIRE);
		links = hnsw_graph_links(graph, vertex);
		for (int j = 0; j < links_count; j++)
		{
			uint32_t	node = HNSW_LINK_NODE(__atomic_load_n(&links[j].link, __ATOMIC_RELAXED));

			if (!meet(graph, node))
				continue;
			nodes[n] = node;
			vertices[n] = hnsw_graph_vertex(graph, node);
			__builtin_prefetch(vertices[n]);
			__builtin_prefetch((char *) vertices[n] + 64);
			__builtin_prefetch((char *) vertices[n] + 128);
			n++;
		}
		for (int j = 0; j < n; j++)
		{
			int			place;

			if (j + 1 < n)
				for (uint32_t b = 192; b < graph->vector_bytes; b += 64)
					__builtin_prefetch((char *) vertices[j + 1] + b);
			place = pool_insert(pool, count, width, distance(graph, fresh, vertices[j]), nodes[j]);
			if (place < lowest)
				lowest = place;
		}
		graph->distances += n;
		if (lowest <= i)
			i = lowest;
		else
			i++;
	}
	for (i = 0; i < *count; i++)
		pool[i].node &= ~READ;
}

static float
pair_distance(void *context, int a, int b)
{
	HnswGraph  *graph = context;

	return distance(graph, hnsw_graph_vertex(graph, graph->pool[a].node),
					hnsw_graph_vertex(graph, graph->pool[b].node));
}

/* Link a neighbour back to a new node. */
static void
link_back(HnswGraph *graph, uint32_t node, uint32_t fresh, float d, bool must)
{
	int			room = graph->geometry->shape.links;
	HnswVertex *vertex = hnsw_graph_vertex(graph, node);
	HnswVertexLink *links = hnsw_graph_links(graph, vertex);
	uint32_t	numbers[HNSW_MAX_LINKS];
	float		distances[HNSW_MAX_LINKS];
	float		to_new[HNSW_MAX_LINKS];
	uint32_t	demoted[HNSW_MAX_LINKS];
	int			demoted_count;
	HnswBackLink back;

	if (graph->hooks->lock != NULL)
		graph->hooks->lock(graph->hooks->context, node);
	for (int i = 0; i < vertex->count; i++)
	{
		numbers[i] = links[i].link;
		distances[i] = links[i].distance;
		to_new[i] = INFINITY;
		if (numbers[i] & HNSW_LINK_CHOSEN)
		{
			to_new[i] = distance(graph, graph->fresh, hnsw_graph_vertex(graph, HNSW_LINK_NODE(numbers[i])));
			graph->distances++;
		}
	}
	back = hnsw_back_link(numbers, distances, to_new, vertex->count, room, graph->relax, d, must, demoted, &demoted_count);
	for (int i = 0; i < demoted_count; i++)
		links[demoted[i]].link &= ~HNSW_LINK_CHOSEN;
	if (back.place >= 0)
	{
		links[back.place].distance = d;
		__atomic_store_n(&links[back.place].link, fresh | (back.chosen ? HNSW_LINK_CHOSEN : 0), __ATOMIC_RELEASE);
		if (back.place == vertex->count)
			__atomic_store_n(&vertex->count, vertex->count + 1, __ATOMIC_RELEASE);
	}
	if (graph->hooks->unlock != NULL)
		graph->hooks->unlock(graph->hooks->context, node);
}

/* Make the vertex of a new node on one level and link it, both ways. */
static void
link_level(HnswGraph *graph, uint32_t node, uint32_t down, int level)
{
	HnswVertex *vertex = hnsw_graph_vertex(graph, node);
	HnswVertexLink *links = hnsw_graph_links(graph, vertex);
	int			room = graph->geometry->shape.links;
	int			count = graph->found_count[level];
	int			picked[HNSW_MAX_LINKS];
	int			chosen;
	int			n;

	memcpy(graph->pool, graph->found + level * graph->ef_construction, count * sizeof(HnswNear));
	memcpy(vertex, graph->fresh, sizeof(HnswVertex) + graph->vector_bytes);
	vertex->down = down;
	vertex->level = level;
	n = hnsw_select(graph->pool, count, room, graph->m, graph->relax, pair_distance, graph, picked, &chosen);
	for (int i = 0; i < n; i++)
	{
		links[i].link = graph->pool[picked[i]].node | (i < chosen ? HNSW_LINK_CHOSEN : 0);
		links[i].distance = graph->pool[picked[i]].distance;
	}
	__atomic_store_n(&vertex->count, n, __ATOMIC_RELEASE);
	for (int i = 0; i < chosen; i++)
		link_back(graph, graph->pool[picked[i]].node, node, graph->pool[picked[i]].distance, i == 0);
}

/*
 * Insert a rotated vector.  "hash" is of its bytes: a node with the same hash and
 * the same rounded vector is taken for equal, and nothing is inserted.  Returns
 * the number of the node on the lowest level, whose TID the caller then sets, or
 * of the equal node; *duplicate says which.  Upper levels get the numbers after.
 */
uint32_t
hnsw_graph_insert(HnswGraph *graph, const float *vector, uint64_t hash, int level, bool *duplicate)
{
	HnswGraphShared *shared = graph->shared;
	bool		locked = false;
	uint32_t	entry;
	int			entry_level;
	uint32_t	first;
	int			count = 0;

	*duplicate = false;
	graph->fresh->hash = hash;
	store(graph, graph->fresh, vector);

	/* A node that will be the entry keeps others out meanwhile: they are few. */
	if (level > __atomic_load_n(&shared->entry_level, __ATOMIC_ACQUIRE) && graph->hooks->lock_entry != NULL)
	{
		graph->hooks->lock_entry(graph->hooks->context);
		locked = true;
	}
	entry_level = __atomic_load_n(&shared->entry_level, __ATOMIC_ACQUIRE);
	entry = __atomic_load_n(&shared->entry, __ATOMIC_ACQUIRE);
	memset(graph->found_count, 0, sizeof(graph->found_count));
	if (entry != HNSW_NO_NODE)
	{
		/*
		 * The entry may have changed between the two reads: its own level
		 * counts.
		 */
		entry_level = hnsw_graph_vertex(graph, entry)->level;
		forget(graph);
		meet(graph, entry);
		graph->pool[0] = (HnswNear)
		{
			distance(graph, graph->fresh, hnsw_graph_vertex(graph, entry)), entry
		};
		count = 1;
	}
	for (int l = entry_level; count > 0 && l >= 0; l--)
	{
		int			starts = 0;

		search_level(graph, l > level ? DESCENT_WIDTH : graph->ef_construction, &count);
		if (l <= level)
		{
			memcpy(graph->found + l * graph->ef_construction, graph->pool, count * sizeof(HnswNear));
			graph->found_count[l] = count;
		}
		if (l == 0)
			break;
		forget(graph);
		for (int i = 0; i < count && starts < STARTS; i++)
		{
			uint32_t	down = hnsw_graph_vertex(graph, graph->pool[i].node)->down;

			if (meet(graph, down))
				graph->pool[starts++] = (HnswNear)
			{
				graph->pool[i].distance, down
			};
		}
		count = starts;
	}
	for (int i = 0; i < graph->found_count[0]; i++)
	{
		HnswVertex *near = hnsw_graph_vertex(graph, graph->found[i].node);

		if (near->hash == hash &&
			memcmp(vertex_vector(near), vertex_vector(graph->fresh), graph->vector_bytes) == 0)
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
		link_level(graph, first + l, l > 0 ? first + l - 1 : HNSW_NO_NODE, l);
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
hnsw_random_level(uint64_t hash, int branching)
{
	int			level = 0;

	while (level < HNSW_MAX_LEVEL && hash % branching == 0)
	{
		hash /= branching;
		level++;
	}
	return level;
}
