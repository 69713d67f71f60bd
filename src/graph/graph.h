/*
 * graph.h: the graph in memory, as it is built.
 *
 * Pure C.  Vectors are rounded to int8 (for L1 they are kept whole) and nodes are
 * numbers of four bytes, the same that they will have in the index.  Several
 * processes may insert at once: what they share lies in chunks that each maps
 * for itself.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include "graph/prune.h"

typedef struct GraphVertexLink
{
	uint32_t	link;			/* number and GRAPH_LINK_CHOSEN */
	float		distance;
} GraphVertexLink;

/* A node in memory; its links follow. */
typedef struct GraphVertex
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
} GraphVertex;

/* What all processes of a build share; its fields are used atomically. */
typedef struct GraphShared
{
	uint32_t	nodes;			/* numbers given out */
	uint32_t	entry;			/* GRAPH_NO_NODE while empty */
	int32_t		entry_level;
} GraphShared;

/* What the owner of the memory provides; the locks may be NULL for one process. */
typedef struct GraphHooks
{
	void	   *context;

	/* Address of a chunk here.  Asked for when a node in it has a number. */
	char	   *(*chunk) (void *context, uint32_t chunk);
	void		(*lock) (void *context, uint32_t node);
	void		(*unlock) (void *context, uint32_t node);
	void		(*lock_entry) (void *context);
	void		(*unlock_entry) (void *context);
	GraphResize resize;
	size_t		chunk_bytes;	/* of a chunk at most, unless it has one
								 * vertex; 0: 1 MB */
} GraphHooks;

/* One process's view of the graph. */
typedef struct Graph
{
	const GraphGeometry *geometry;
	const GraphHooks *hooks;
	GraphShared *shared;
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
	struct GraphSketch *fresh;
	void	   *fresh_vector;
	float		fresh_length;
	int8_t	   *weights;		/* the vector, arranged for estimates */
	int32_t		weight_sum;
	float	   *zeros;			/* dim */

	GraphNear  *pool;			/* ef_construction */
	GraphNear  *found;			/* ef_construction for each level */
	int			found_count[GRAPH_MAX_LEVEL + 1];
	uint64_t	distances;		/* vectors looked at */
	uint64_t	estimates;
} Graph;

extern size_t graph_chunk_bytes(const Graph *graph);
extern void graph_shared_init(GraphShared *shared);
extern void graph_init(Graph *graph, const GraphGeometry *geometry, int m, int ef_construction,
					   GraphShared *shared, const GraphHooks *hooks);
extern GraphVertex *graph_vertex(Graph *graph, uint32_t node);
extern GraphVertexLink *graph_links(const Graph *graph, const GraphVertex *vertex);
extern void graph_load(Graph *graph, const GraphVertex *vertex, float *vector);
extern void graph_prefetch(Graph *graph, uint32_t node);
extern uint32_t graph_insert(Graph *graph, const float *vector, uint64_t hash, int level,
							 bool *duplicate);
extern int	graph_random_level(uint64_t hash, int branching);

#endif							/* GRAPH_H */
