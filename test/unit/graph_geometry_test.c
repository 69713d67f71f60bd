/* graph_geometry_test.c: where slots are in pages, node by node and block by block. */
/* sources: src/graph/geometry.c */

#include <stdarg.h>
#include <stdint.h>

#include "graph/code.h"
#include "tap.h"

#define PAGE 8192

static const int dims[] = {
	1, 2, 3, 63, 64, 65, 100, 128, 255, 256, 384, 768, 1000, 1024, 1536, 2000, 3072, 16000
};
static const int ms[] = {2, 16, 48, 100};

#define N_DIMS (int) (sizeof(dims) / sizeof(dims[0]))
#define N_MS (int) (sizeof(ms) / sizeof(ms[0]))

/* Say what went wrong; false, for the caller to return. */
__attribute__((format(printf, 2, 3)))
static bool
wrong(const GraphShape *shape, const char *format,...)
{
	va_list		args;

	printf("# dim %d, storage %d, bits %d, links %d: ", shape->dim, shape->storage, shape->bits, shape->links);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return false;
}

/* Whether a test passes for every shape. */
static bool
all_shapes(bool (*test) (const GraphShape *shape, int m))
{
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		for (int storage = GRAPH_FLOAT32; storage <= GRAPH_INT8; storage++)
		{
			for (int bits = 1; bits <= 4; bits++)
			{
				for (int i = 0; i < N_MS; i++)
				{
					GraphShape	shape = {dims[d], GRAPH_L2, storage, bits, 0};

					shape.links = graph_default_links(&shape, ms[i]);
					good &= test(&shape, ms[i]);
				}
			}
		}
	}
	return good;
}

/* The parts of a slot follow one another, each aligned, with room for what it holds. */
static bool
parts_good(const GraphShape *shape, int m)
{
	GraphGeometry g;
	uint32_t	vector_bytes = shape->dim * (shape->storage == GRAPH_INT8 ? 1 : 4);

	(void) m;
	if (!graph_geometry(shape, &g))
		return wrong(shape, "refused");
	if (g.plane_bytes * 8 < (uint32_t) shape->dim || g.plane_bytes % 8 != 0 || g.code_bytes != g.plane_bytes * shape->bits)
		return wrong(shape, "a code of %u bytes", g.code_bytes);
	if (g.vector_offset < sizeof(GraphSlot) || g.ids_offset < g.vector_offset + vector_bytes ||
		g.factors_offset < g.ids_offset + 4 * shape->links ||
		g.codes_offset < g.factors_offset + sizeof(GraphFactors) * shape->links ||
		g.slot_size < g.codes_offset + g.code_bytes * shape->links)
		return wrong(shape, "parts overlap");
	if (g.vector_offset % 4 != 0 || g.ids_offset % 4 != 0 || g.factors_offset % 4 != 0 || g.slot_size % 8 != 0)
		return wrong(shape, "a part is not aligned");
	/* what alignment adds is all that is lost */
	if (g.slot_size > sizeof(GraphSlot) + vector_bytes + shape->links * (4 + sizeof(GraphFactors) + g.code_bytes) + 3 + 7)
		return wrong(shape, "a slot of %u bytes", g.slot_size);
	if (g.group_nodes < 1 || 4 + 4 + 8 * g.group_nodes > GRAPH_PAGE_ROOM)
		return wrong(shape, "%u nodes have no room in a directory", g.group_nodes);
	return true;
}

/*
 * Nodes of three groups lie one behind the other, each in its pages, none in a
 * directory's, and what a file of any length holds of them is what
 * graph_node_limit says.
 */
static bool
addresses_good(const GraphShape *shape, int m)
{
	GraphGeometry g;
	uint32_t	blocks = 0;		/* every number below has been tried */
	uint32_t	last_block = 0;
	uint32_t	last_end = PAGE;

	(void) m;
	if (!graph_geometry(shape, &g))
		return wrong(shape, "refused");
	for (uint32_t node = 0; node < 2 * g.group_nodes + 5; node++)
	{
		uint32_t	directory = graph_directory_block(&g, node);
		uint32_t	block = graph_slot_block(&g, node);
		uint32_t	offset = graph_slot_offset(&g, node);
		uint32_t	end_block = block + g.pages_per_slot - 1;

		if (directory != 1 + node / g.group_nodes * g.group_pages || graph_directory_index(&g, node) != node % g.group_nodes)
			return wrong(shape, "directory of node %u", node);
		if (block <= directory || end_block >= directory + g.group_pages)
			return wrong(shape, "node %u in block %u, its directory in %u", node, block, directory);
		if (block < last_block || (block == last_block && offset < last_end))
			return wrong(shape, "node %u in block %u at %u lies over another", node, block, offset);
		if (offset < GRAPH_PAGE_HEADER || offset % 8 != 0 ||
			g.slot_size > g.pages_per_slot * (uint32_t) GRAPH_PAGE_ROOM + GRAPH_PAGE_HEADER - offset)
			return wrong(shape, "node %u at %u does not fit", node, offset);
		/* until its last block is there, the node is not */
		for (; blocks <= end_block; blocks++)
		{
			if (graph_node_limit(&g, blocks) != node)
				return wrong(shape, "limit %u for %u blocks, not %u", graph_node_limit(&g, blocks), blocks, node);
		}
		last_block = end_block;
		last_end = g.pages_per_slot > 1 ? PAGE : offset + g.slot_size;
	}
	return true;
}

/* How many slots a page has, or a slot pages, as one number to compare. */
static double
density(const GraphShape *shape, int links)
{
	GraphShape	other = *shape;
	GraphGeometry g;

	other.links = links;
	return graph_geometry(&other, &g) ? (double) g.slots_per_page / g.pages_per_slot : 0;
}

/*
 * The default number of links: of the densest packing that 2m or up to an eighth
 * fewer give, as many as it has room for, up to 3m.
 */
static bool
links_good(const GraphShape *shape, int m)
{
	double		best = 0;
	int			want = 0;

	for (int links = 2 * m - m / 4; links <= 2 * m; links++)
	{
		if (density(shape, links) > best)
			best = density(shape, links);
	}
	for (int links = 2 * m - m / 4; links <= 3 * m; links++)
	{
		if (density(shape, links) == best)
			want = links;
	}
	return shape->links == want || wrong(shape, "default of m = %d should be %d", m, want);
}

/* However long the file, a limit is a number that a node may have. */
static bool
test_huge(void)
{
	static const uint32_t block_counts[] = {UINT32_MAX, UINT32_MAX - 1, UINT32_C(0x80000000), 21000000, 20900000};
	bool		good = true;

	for (int d = 0; d < N_DIMS; d++)
	{
		GraphShape	shape = {dims[d], GRAPH_L2, GRAPH_INT8, 1, 2};
		GraphGeometry g;

		good &= graph_geometry(&shape, &g);
		for (size_t i = 0; i < sizeof(block_counts) / sizeof(block_counts[0]); i++)
		{
			uint32_t	blocks = block_counts[i];
			uint32_t	limit = graph_node_limit(&g, blocks);

			if (limit > GRAPH_NO_NODE || limit == 0 || graph_slot_block(&g, limit - 1) + g.pages_per_slot > blocks ||
				(limit < GRAPH_NO_NODE && graph_slot_block(&g, limit) + (uint64_t) g.pages_per_slot <= blocks))
				good = wrong(&shape, "limit %u for %u blocks", limit, blocks);
		}
	}
	return good;
}

/* What a broken metapage may say is refused, and what is just right is not. */
static bool
test_shapes(void)
{
	static const struct
	{
		GraphShape	shape;
		bool		possible;
	}			cases[] = {
		{{1, GRAPH_L2, GRAPH_FLOAT32, 1, 2}, true},
		{{16000, GRAPH_L1, GRAPH_FLOAT32, 1, 254}, true},
		{{16000, GRAPH_COSINE, GRAPH_INT8, 4, 254}, true},
		{{0, GRAPH_L2, GRAPH_FLOAT32, 1, 2}, false},
		{{-1, GRAPH_L2, GRAPH_FLOAT32, 1, 2}, false},
		{{INT32_MIN, GRAPH_L2, GRAPH_FLOAT32, 1, 2}, false},
		{{16001, GRAPH_L2, GRAPH_FLOAT32, 1, 2}, false},
		{{INT32_MAX, GRAPH_L2, GRAPH_FLOAT32, 1, 2}, false},
		{{64000, GRAPH_HAMMING, GRAPH_FLOAT32, 1, 254}, true},
		{{64001, GRAPH_JACCARD, GRAPH_FLOAT32, 1, 254}, false},
		{{64, GRAPH_JACCARD, GRAPH_FLOAT32, 2, 2}, false},
		{{64, GRAPH_HAMMING, GRAPH_INT8, 1, 2}, false},
		{{64, GRAPH_HAMMING, GRAPH_SPARSE, 1, 2}, false},
		{{16000, GRAPH_POINCARE, GRAPH_FLOAT32, 4, 254}, true},
		{{10, GRAPH_POINCARE, GRAPH_INT8, 4, 2}, false},
		{{1000000000, GRAPH_L1, GRAPH_SPARSE, 2, 254}, true},
		{{1000000001, GRAPH_L2, GRAPH_SPARSE, 2, 2}, false},
		{{10, (GraphMetric) 7, GRAPH_FLOAT32, 1, 2}, false},
		{{10, (GraphMetric) -1, GRAPH_FLOAT32, 1, 2}, false},
		{{10, GRAPH_L2, (GraphStorage) 3, 1, 2}, false},
		{{10, GRAPH_L2, (GraphStorage) 255, 1, 2}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, 0, 2}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, 5, 2}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, -1, 2}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, 1, 1}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, 1, 255}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, 1, 65535}, false},
		{{10, GRAPH_L2, GRAPH_FLOAT32, 1, -1}, false},
	};
	bool		good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		GraphGeometry g;

		if (graph_geometry(&cases[i].shape, &g) != cases[i].possible)
			good = wrong(&cases[i].shape, "case %zu is %s", i, cases[i].possible ? "refused" : "accepted");
	}
	return good;
}

/* Every dimension has default bits, and more dimensions never more bits each. */
static bool
test_bits(void)
{
	bool		good = true;

	for (int dim = 1; dim <= GRAPH_MAX_DIM; dim++)
	{
		GraphShape	shape = {dim, GRAPH_L2, GRAPH_FLOAT32, 0, 0};
		GraphShape	before = {dim - 1, GRAPH_L2, GRAPH_FLOAT32, 0, 0};
		int			bits = graph_default_bits(&shape);

		good &= bits >= 1 && bits <= 4 && (dim == 1 || bits <= graph_default_bits(&before));
	}
	return good;
}

int
main(void)
{
	ok(all_shapes(parts_good), "the parts of a slot fit, are aligned and do not overlap");
	ok(all_shapes(addresses_good), "slots do not overlap, and graph_node_limit knows how many there are");
	ok(test_huge(), "files of up to 2^32 blocks");
	ok(all_shapes(links_good), "the default number of links");
	ok(test_bits(), "the default number of bits");
	ok(test_shapes(), "impossible shapes are refused");
	return done_testing();
}
