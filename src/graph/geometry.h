/*
 * geometry.h: how an index is laid out in pages, as a function of its options.
 *
 * Pure C.  README, "Pages", has the picture and the reasons.
 */
#ifndef HNSW_GEOMETRY_H
#define HNSW_GEOMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HNSW_MAX_DIM 16000
#define HNSW_MAX_BITS 64000
#define HNSW_MAX_SPARSE_DIM 1000000000
#define HNSW_MIN_M 2
#define HNSW_MAX_M 100
#define HNSW_MAX_LINKS 254
#define HNSW_MAX_LEVEL 15

/* The room for slots in a page: 8,192 bytes less header and special space. */
#define HNSW_PAGE_ROOM 8160
#define HNSW_PAGE_HEADER 24

/* A node number that no node has.  Numbers fit in 31 bits. */
#define HNSW_NO_NODE UINT32_C(0x7fffffff)

/* How the distance of an operator class is computed.  Stored in the metapage. */
typedef enum HnswMetric
{
	HNSW_L2 = 0,				/* squared Euclidean */
	HNSW_IP = 1,				/* negative inner product */
	HNSW_COSINE = 2,			/* squared Euclidean of unit vectors */
	HNSW_L1 = 3,				/* taxicab */
	HNSW_HAMMING = 4,			/* of bit strings: how many bits differ */
	HNSW_JACCARD = 5,			/* of bit strings */
	HNSW_POINCARE = 6			/* |u - v|^2 / ((1 - |u|^2) (1 - |v|^2)) */
} HnswMetric;

#define HNSW_LAST_METRIC HNSW_POINCARE

/* Vectors are bit strings, in words of 32 where others have floats. */
static inline bool
hnsw_is_bits(HnswMetric metric)
{
	return metric == HNSW_HAMMING || metric == HNSW_JACCARD;
}


/* How a node keeps its own vector.  Stored in the metapage. */
typedef enum HnswStorage
{
	HNSW_FLOAT32 = 0,
	HNSW_INT8 = 1,
	HNSW_SPARSE = 2				/* HnswSparse: the largest elements */
} HnswStorage;

/* What an index is made with; these numbers are kept in the metapage. */
typedef struct HnswShape
{
	int			dim;			/* 1 to hnsw_max_dim */
	HnswMetric	metric;
	HnswStorage storage;
	int			bits;			/* of a neighbour's code, a dimension: 1 to 4 */
	int			links;			/* neighbours that a node has room for */
} HnswShape;

/* Vectors are neither rotated nor, where the graph is built, rounded to int8. */
static inline bool
hnsw_is_whole(const HnswShape *shape)
{
	return shape->metric >= HNSW_L1 || shape->storage == HNSW_SPARSE;
}

static inline int
hnsw_max_dim(const HnswShape *shape)
{
	if (shape->storage == HNSW_SPARSE)
		return HNSW_MAX_SPARSE_DIM;
	return hnsw_is_bits(shape->metric) ? HNSW_MAX_BITS : HNSW_MAX_DIM;
}

/* What follows from a shape.  Sizes and offsets are in bytes. */
typedef struct HnswGeometry
{
	HnswShape	shape;
	uint32_t	words;			/* of four bytes: a vector in memory */
	uint32_t	code_dim;		/* dimensions that codes are of; not for bits */
	uint32_t	plane_bytes;	/* one bit a dimension, in whole words of 64 */
	uint32_t	code_bytes;		/* the code of a neighbour: bits planes */
	uint32_t	vector_offset;	/* from the start of a slot */
	uint32_t	ids_offset;
	uint32_t	factors_offset; /* there are none for bit strings */
	uint32_t	scales_offset;	/* there are some for HNSW_POINCARE */
	uint32_t	codes_offset;
	uint32_t	slot_size;		/* a multiple of 8 */
	uint32_t	slots_per_page; /* at least 1 */
	uint32_t	pages_per_slot; /* 1 if several slots share a page */
	uint32_t	group_nodes;	/* nodes of a directory page */
	uint32_t	group_pages;	/* the directory page and its nodes' pages */
} HnswGeometry;

extern int	hnsw_default_bits(const HnswShape *shape);
extern int	hnsw_default_links(const HnswShape *shape, int m);
extern bool hnsw_geometry(const HnswShape *shape, HnswGeometry *geometry);

/* Block of the directory page of a node's group. */
static inline uint32_t
hnsw_directory_block(const HnswGeometry *g, uint32_t node)
{
	return 1 + node / g->group_nodes * g->group_pages;
}

/* Place of a node among the entries of its directory page. */
static inline uint32_t
hnsw_directory_index(const HnswGeometry *g, uint32_t node)
{
	return node % g->group_nodes;
}

/* First block of a node's slot. */
static inline uint32_t
hnsw_slot_block(const HnswGeometry *g, uint32_t node)
{
	uint32_t	index = node % g->group_nodes;

	return hnsw_directory_block(g, node) + 1 +
		(g->pages_per_slot > 1 ? index * g->pages_per_slot : index / g->slots_per_page);
}

/* Where in its first page a node's slot begins. */
static inline uint32_t
hnsw_slot_offset(const HnswGeometry *g, uint32_t node)
{
	return HNSW_PAGE_HEADER + node % g->group_nodes % g->slots_per_page * g->slot_size;
}

extern uint32_t hnsw_node_limit(const HnswGeometry *geometry, uint32_t blocks);

#endif							/* HNSW_GEOMETRY_H */
