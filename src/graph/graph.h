/*
 * graph.h: the graph in memory, as it is built.
 *
 * Pure C.  Vectors are rounded to int8 (for L1 they are kept whole) and nodes are
 * numbers of four bytes, the same that they will have in the index.  Several
 * processes may insert at once: what they share lies in chunks that each maps
 * for itself.
 */
#ifndef HNSW_GRAPH_H
#define HNSW_GRAPH_H

#include "graph/prune.h"

typedef struct HnswVertexLink
{
	uint32_t	link;			/* number and HNSW_LINK_CHOSEN */
	float		distance;
} HnswVertexLink;

/* A node in memory; its links follow. */
typedef struct HnswVertex
{
	uint64_t	hash;			/* of the vector before rounding */
	uint32_t	node;			/* its own number */
	uint32_t	down;
	float		norm;			/* squared length of the vector as rounded */
	uint16_t	count;
	uint8_t		level;
	uint8_t		reserved;
	uint8_t		tid[6];
	uint16_t	reserved2;
} HnswVertex;

/* What all processes of a build share; its fields are used atomically. */
typedef struct HnswGraphShared
{
	uint32_t	nodes;			/* numbers given out */
	uint32_t	entry;			/* HNSW_NO_NODE while empty */
	int32_t		entry_level;
} HnswGraphShared;

/* What the owner of the memory provides; the locks may be NULL for one process. */
typedef struct HnswGraphHooks
{
	void	   *context;

	/* Address of a chunk here.  Asked for when a node in it has a number. */
	char	   *(*chunk) (void *context, uint32_t chunk);
	void		(*lock) (void *context, uint32_t node);
	void		(*unlock) (void *context, uint32_t node);
	void		(*lock_entry) (void *context);
	void		(*unlock_entry) (void *context);
	HnswResize	resize;
	size_t		chunk_bytes;	/* of a chunk at most, unless it has one
								 * vertex; 0: 1 MB */
} HnswGraphHooks;

/* One process's view of the graph. */
typedef struct HnswGraph
{
	const HnswGeometry *geometry;
	const HnswGraphHooks *hooks;
	HnswGraphShared *shared;
	int			m;
	float		relax;			/* of the diversity rule */
	int			ef_construction;
	int			followed;		/* fillers beyond so many links are not: they
								 * are for pages */
	bool		sketched;		/* vertices have codes */
	uint32_t	sketch_bytes;	/* from one to the next, in a chunk */
	uint32_t	vector_bytes;
	uint32_t	vertex_bytes;
	size_t		vectors_offset; /* in a chunk */
	size_t		vertices_offset;
	uint32_t	peek_bytes;		/* of a sketch to load at once */
	uint32_t	vector_peeked;	/* what of a vector comes with it */
	uint32_t	chunk_shift;	/* a chunk has 2^chunk_shift vertices */
	char	  **chunks;			/* addresses here, NULL if not yet asked for */
	uint32_t	chunk_room;
	uint8_t    *visited;		/* by node: the search that met it last */
	uint32_t	visited_room;
	uint8_t		visited_mark;

	/* What is being inserted. */
	struct HnswSketch *fresh;
	void	   *fresh_vector;
	float		fresh_length;
	int8_t	   *weights;		/* the vector, arranged for estimates */
	int32_t		weight_sum;
	float	   *zeros;			/* dim */

	HnswNear   *pool;			/* ef_construction */
	HnswNear   *found;			/* ef_construction for each level */
	int			found_count[HNSW_MAX_LEVEL + 1];
	uint64_t	distances;		/* vectors looked at */
	uint64_t	estimates;
} HnswGraph;

extern size_t hnsw_graph_chunk_bytes(const HnswGraph *graph);
extern void hnsw_graph_shared_init(HnswGraphShared *shared);
extern void hnsw_graph_init(HnswGraph *graph, const HnswGeometry *geometry, int m, int ef_construction,
							HnswGraphShared *shared, const HnswGraphHooks *hooks);
extern HnswVertex *hnsw_graph_vertex(HnswGraph *graph, uint32_t node);
extern HnswVertexLink *hnsw_graph_links(const HnswGraph *graph, const HnswVertex *vertex);
extern void hnsw_graph_load(HnswGraph *graph, const HnswVertex *vertex, float *vector);
extern void hnsw_graph_prefetch(HnswGraph *graph, uint32_t node);
extern uint32_t hnsw_graph_insert(HnswGraph *graph, const float *vector, uint64_t hash, int level,
								  bool *duplicate);
extern int	hnsw_random_level(uint64_t hash, int branching);

#endif							/* HNSW_GRAPH_H */
