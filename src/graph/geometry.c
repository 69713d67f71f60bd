/*
 * geometry.c: sizes and addresses of slots.
 */
#include "graph/geometry.h"

#include "graph/code.h"
#include "graph/sparse.h"

/* Entries of a directory page; the rest of the page is for further TIDs. */
#define GROUP_NODES 504

/* A bit string is coded by its first bits, so many bytes of them. */
#define MAX_BITS_CODE 96

#define ALIGN8(n) (((n) + 7) & ~(uint32_t) 7)

/*
 * The bits a dimension that a neighbour's code has by default, by the rest of a
 * shape.  Measured: README, "Bits".  Codes of L1 are signs, those of bit strings
 * the strings.  Points of hyperbolic space have few dimensions and, near the
 * boundary, need all of them.
 */
int
graph_default_bits(const GraphShape *shape)
{
	GraphMetric metric = shape->metric;
	int			dim = shape->dim;

	if (shape->storage == GRAPH_SPARSE)
		return 1;
	if (metric == GRAPH_L1 || graph_is_bits(metric))
		return 1;
	if (dim <= 64 || metric == GRAPH_POINCARE)
		return 4;
	return dim < 256 ? 2 : 1;
}

/* Whether pages hold more slots of one geometry than of another. */
static bool
more_fit(const GraphGeometry *a, const GraphGeometry *b)
{
	return a->slots_per_page > b->slots_per_page || a->pages_per_slot < b->pages_per_slot;
}

/*
 * The links of a node of a shape, but for its links, by default: 2m, or up to an
 * eighth fewer where that lets more nodes share a page, and then as many more, up
 * to 3m, as the page has room for anyway (README, "Links").
 */
int
graph_default_links(const GraphShape *given, int m)
{
	GraphShape	shape = *given;
	GraphGeometry best;
	GraphGeometry other;

	shape.links = 2 * m;
	if (!graph_geometry(&shape, &best))
		return shape.links;
	for (shape.links = 2 * m - 1; shape.links >= 2 * m - m / 4; shape.links--)
	{
		graph_geometry(&shape, &other);
		if (more_fit(&other, &best))
			best = other;
	}
	for (shape.links = best.shape.links + 1; shape.links <= 3 * m; shape.links++)
	{
		if (!graph_geometry(&shape, &other) || more_fit(&best, &other))
			break;
		best = other;
	}
	return best.shape.links;
}

/*
 * Compute the geometry of a shape.  Returns false, leaving *geometry undefined,
 * if the shape is none that an index can have; this is the check of what a
 * metapage says.
 */
bool
graph_geometry(const GraphShape *shape, GraphGeometry *geometry)
{
	uint32_t	dim = shape->dim;
	uint32_t	links = shape->links;

	if ((unsigned) shape->metric > GRAPH_LAST_METRIC || (unsigned) shape->storage > GRAPH_SPARSE ||
		shape->dim < 1 || shape->dim > graph_max_dim(shape) ||
		shape->bits < 1 || shape->bits > 4 ||
		shape->links < 2 || shape->links > GRAPH_MAX_LINKS)
		return false;
	if (shape->storage != GRAPH_FLOAT32 && (graph_is_bits(shape->metric) || shape->metric == GRAPH_POINCARE))
		return false;
	if (graph_is_bits(shape->metric) && shape->bits != 1)
		return false;

	/* At most 254 * 8,016 + 64,032 bytes: nothing here can overflow. */
	geometry->shape = *shape;
	if (shape->storage == GRAPH_SPARSE)
	{
		geometry->words = GRAPH_SPARSE_WORDS;
		geometry->code_dim = GRAPH_SKETCH_DIM;
		geometry->plane_bytes = GRAPH_SKETCH_DIM / 8;
	}
	else if (graph_is_bits(shape->metric))
	{
		geometry->words = (dim + 31) / 32;
		geometry->code_dim = 0;
		geometry->plane_bytes = ALIGN8(geometry->words * 4);
		if (geometry->plane_bytes > MAX_BITS_CODE)
			geometry->plane_bytes = MAX_BITS_CODE;
	}
	else
	{
		geometry->words = dim;
		geometry->code_dim = dim;
		geometry->plane_bytes = (dim + 63) / 64 * 8;
	}
	geometry->code_bytes = geometry->plane_bytes * shape->bits;
	geometry->vector_offset = sizeof(GraphSlot);
	geometry->ids_offset = geometry->vector_offset +
		(shape->storage == GRAPH_INT8 ? (dim + 3) / 4 * 4 : geometry->words * 4);
	geometry->factors_offset = geometry->ids_offset + links * sizeof(uint32_t);
	geometry->scales_offset = geometry->factors_offset +
		(graph_is_bits(shape->metric) ? 0 : links * sizeof(GraphFactors));
	geometry->codes_offset = geometry->scales_offset +
		(shape->metric == GRAPH_POINCARE ? links * sizeof(float) : 0);
	geometry->slot_size = ALIGN8(geometry->codes_offset + links * geometry->code_bytes);
	if (geometry->slot_size <= GRAPH_PAGE_ROOM)
	{
		geometry->slots_per_page = GRAPH_PAGE_ROOM / geometry->slot_size;
		geometry->pages_per_slot = 1;
		geometry->group_nodes = GROUP_NODES - GROUP_NODES % geometry->slots_per_page;
		geometry->group_pages = 1 + geometry->group_nodes / geometry->slots_per_page;
	}
	else
	{
		geometry->slots_per_page = 1;
		geometry->pages_per_slot = (geometry->slot_size + GRAPH_PAGE_ROOM - 1) / GRAPH_PAGE_ROOM;
		geometry->group_nodes = GROUP_NODES;
		geometry->group_pages = 1 + GROUP_NODES * geometry->pages_per_slot;
	}
	return true;
}

/*
 * One more than the highest node number whose slot lies wholly in the first
 * "blocks" blocks of an index.
 */
uint32_t
graph_node_limit(const GraphGeometry *g, uint32_t blocks)
{
	uint64_t	groups;
	uint64_t	rest;
	uint64_t	limit;

	if (blocks < 2)
		return 0;
	groups = (blocks - 1) / g->group_pages;
	rest = (blocks - 1) % g->group_pages;
	limit = groups * g->group_nodes;
	if (rest > 1)
		limit += g->pages_per_slot > 1 ? (rest - 1) / g->pages_per_slot : (rest - 1) * g->slots_per_page;
	return limit < GRAPH_NO_NODE ? (uint32_t) limit : GRAPH_NO_NODE;
}
