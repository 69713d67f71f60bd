/*
 * geometry.h: how an index is laid out in pages, as a function of its options.
 *
 * Pure C.  src/hnsw/README.md, "Pages", has the picture and the reasons.
 */
#ifndef GRAPH_GEOMETRY_H
#define GRAPH_GEOMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_MAX_DIM 16000
#define GRAPH_MAX_BITS 64000
#define GRAPH_MAX_SPARSE_DIM 1000000000
#define GRAPH_MIN_M 2
#define GRAPH_MAX_M 100
#define GRAPH_MAX_LINKS 254
#define GRAPH_MAX_LEVEL 15

/* The room for slots in a page: 8,192 bytes less header and special space. */
#define GRAPH_PAGE_ROOM 8160
#define GRAPH_PAGE_HEADER 24

/* A node number that no node has.  Numbers fit in 31 bits. */
#define GRAPH_NO_NODE UINT32_C(0x7fffffff)

/* How the distance of an operator class is computed.  Stored in the metapage. */
typedef enum GraphMetric
{
	GRAPH_L2 = 0,				/* squared Euclidean */
	GRAPH_IP = 1,				/* negative inner product */
	GRAPH_COSINE = 2,			/* squared Euclidean of unit vectors */
	GRAPH_L1 = 3,				/* taxicab */
	GRAPH_HAMMING = 4,			/* of bit strings: how many bits differ */
	GRAPH_JACCARD = 5,			/* of bit strings */
	GRAPH_POINCARE = 6			/* |u - v|^2 / ((1 - |u|^2) (1 - |v|^2)) */
} GraphMetric;

#define GRAPH_LAST_METRIC GRAPH_POINCARE

/* Vectors are bit strings, in words of 32 where others have floats. */
static inline bool
graph_is_bits(GraphMetric metric)
{
	return metric == GRAPH_HAMMING || metric == GRAPH_JACCARD;
}

/* How a node keeps its own vector.  Stored in the metapage. */
typedef enum GraphStorage
{
	GRAPH_FLOAT32 = 0,
	GRAPH_INT8 = 1,
	GRAPH_SPARSE = 2			/* GraphSparse: the largest elements */
} GraphStorage;

/* What an index is made with; these numbers are kept in the metapage. */
typedef struct GraphShape
{
	int			dim;			/* 1 to graph_max_dim */
	GraphMetric metric;
	GraphStorage storage;
	int			bits;			/* of a neighbour's code, a dimension: 1 to 4 */
	int			links;			/* neighbours that a node has room for */
} GraphShape;

/* Vectors are neither rotated nor, where the graph is built, rounded to int8. */
static inline bool
graph_is_whole(const GraphShape *shape)
{
	return shape->metric >= GRAPH_L1 || shape->storage == GRAPH_SPARSE;
}

/* Dimensions, or bits, that a vector of such an index has at most. */
static inline int
graph_max_dim(const GraphShape *shape)
{
	if (shape->storage == GRAPH_SPARSE)
		return GRAPH_MAX_SPARSE_DIM;
	return graph_is_bits(shape->metric) ? GRAPH_MAX_BITS : GRAPH_MAX_DIM;
}

/* What follows from a shape.  Sizes and offsets are in bytes. */
typedef struct GraphGeometry
{
	GraphShape	shape;
	uint32_t	words;			/* of four bytes: a vector in memory */
	uint32_t	code_dim;		/* dimensions that codes are of; not for bits */
	uint32_t	plane_bytes;	/* one bit a dimension, in whole words of 64 */
	uint32_t	code_bytes;		/* the code of a neighbour: bits planes */
	uint32_t	vector_offset;	/* from the start of a slot */
	uint32_t	ids_offset;
	uint32_t	factors_offset; /* there are none for bit strings */
	uint32_t	scales_offset;	/* there are some for GRAPH_POINCARE */
	uint32_t	codes_offset;
	uint32_t	slot_size;		/* a multiple of 8 */
	uint32_t	slots_per_page; /* at least 1 */
	uint32_t	pages_per_slot; /* 1 if several slots share a page */
	uint32_t	group_nodes;	/* nodes of a directory page */
	uint32_t	group_pages;	/* the directory page and its nodes' pages */
} GraphGeometry;

extern int	graph_default_bits(const GraphShape *shape);
extern int	graph_default_links(const GraphShape *shape, int m);
extern bool graph_geometry(const GraphShape *shape, GraphGeometry *geometry);

/* Block of the directory page of a node's group. */
static inline uint32_t
graph_directory_block(const GraphGeometry *g, uint32_t node)
{
	return 1 + node / g->group_nodes * g->group_pages;
}

/* Place of a node among the entries of its directory page. */
static inline uint32_t
graph_directory_index(const GraphGeometry *g, uint32_t node)
{
	return node % g->group_nodes;
}

/* First block of a node's slot. */
static inline uint32_t
graph_slot_block(const GraphGeometry *g, uint32_t node)
{
	uint32_t	index = node % g->group_nodes;

	return graph_directory_block(g, node) + 1 +
		(g->pages_per_slot > 1 ? index * g->pages_per_slot : index / g->slots_per_page);
}

/* Where in its first page a node's slot begins. */
static inline uint32_t
graph_slot_offset(const GraphGeometry *g, uint32_t node)
{
	return GRAPH_PAGE_HEADER + node % g->group_nodes % g->slots_per_page * g->slot_size;
}

extern uint32_t graph_node_limit(const GraphGeometry *geometry, uint32_t blocks);

#endif							/* GRAPH_GEOMETRY_H */
