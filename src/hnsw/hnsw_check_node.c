/*
 * hnsw_check_node.c: the invariants of nodes, and of what the metapage leads to.
 */
#include "postgres.h"
#include "compat.h"

#include <float.h>
#include <math.h>

#include "graph/sparse.h"
#include "hnsw/hnsw_check.h"
#include "storage/bufmgr.h"

/*
 * Copy a whole slot.  Returns NULL if there is none: its pages are missing,
 * zero, of another kind or cannot be read.  Nothing in it has been checked.
 */
static GraphSlot *
copy_slot(HnswCheck *check, uint32 node, char *image)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	BlockNumber block = graph_slot_block(g, node);
	Buffer		first;
	bool		good;

	if (!hnsw_check_open_page(check, block, &first))
		return NULL;
	good = hnsw_check_is_kind(BufferGetPage(first), HNSW_PAGE_SLOTS);
	if (good && g->pages_per_slot == 1)
		memcpy(image, (char *) BufferGetPage(first) + graph_slot_offset(g, node), g->slot_size);
	else if (good)
		memcpy(image, (char *) BufferGetPage(first) + GRAPH_PAGE_HEADER, GRAPH_PAGE_ROOM);
	for (uint32 i = 1; good && i < g->pages_per_slot && ((GraphSlot *) image)->kind != GRAPH_SLOT_TIDS; i++)
	{
		Buffer		buffer;

		if (!hnsw_check_open_page(check, block + i, &buffer))
		{
			good = false;
			break;
		}
		good = hnsw_check_is_kind(BufferGetPage(buffer), HNSW_PAGE_SLOTS);
		memcpy(image + (Size) i * GRAPH_PAGE_ROOM, (char *) BufferGetPage(buffer) + GRAPH_PAGE_HEADER, GRAPH_PAGE_ROOM);
		UnlockReleaseBuffer(buffer);
	}
	UnlockReleaseBuffer(first);
	return good ? (GraphSlot *) image : NULL;
}

/* Whether a slot is that of a node, as far as its head shows. */
static bool
is_node(HnswCheck *check, const GraphSlot *slot, uint32 node)
{
	return slot != NULL && slot->kind == GRAPH_SLOT_NODE && slot->node == node && slot->level <= GRAPH_MAX_LEVEL;
}

/* Whether a state is that of a node on a level. */
static bool
is_state_of_level(uint16 state, int level)
{
	if (level > 0)
		return state == HNSW_ENTRY_UPPER;
	return state == HNSW_ENTRY_LIVE || state == HNSW_ENTRY_DEAD;
}

/* Invariant 5, for a sparse vector, which is in check->own. */
static void
check_sparse(HnswCheck *check, const GraphSlot *slot, BlockNumber block)
{
	const GraphSparse *sparse = (const GraphSparse *) check->own;
	double		norm = 0;

	if (slot->scale != 1 || slot->error != sparse->error || !(slot->error >= 0) || !isfinite(slot->error))
		hnsw_check_note(check, 5, block, slot->node, "scale is %g and error %g, not 1 and %g", slot->scale, slot->error, sparse->error);
	if (sparse->count < 0 || sparse->count > GRAPH_SPARSE_KEPT)
		hnsw_check_note(check, 5, block, slot->node, "vector has %d elements", sparse->count);
	for (int i = 0; i < GRAPH_SPARSE_KEPT; i++)
	{
		bool		none = i >= sparse->count;

		norm += (double) sparse->values[i] * sparse->values[i];
		if (none ? sparse->values[i] != 0 || sparse->indices[i] != 0 : i > 0 && sparse->indices[i - 1] >= sparse->indices[i])
			hnsw_check_note(check, 5, block, slot->node, "element %d of the vector is out of place", i);
	}
	if (!(fabs(slot->norm - norm) <= 1e-3 * norm + FLT_MIN))
		hnsw_check_note(check, 5, block, slot->node, "norm is %g, that of the vector %g", slot->norm, norm);
}

/* Invariant 5: what a slot says of its vector; its floats are in check->own. */
static void
check_vector(HnswCheck *check, const GraphSlot *slot, BlockNumber block)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	int			dim = g->shape.dim;
	double		norm = 0;
	double		error;

	if (g->shape.storage == GRAPH_SPARSE)
	{
		check_sparse(check, slot, block);
		return;
	}
	for (int i = 0; i < dim && !graph_is_bits(g->shape.metric); i++)
		norm += (double) check->own[i] * check->own[i];
	if (g->shape.metric == GRAPH_POINCARE)
	{
		if (!(norm < 1))
			hnsw_check_note(check, 5, block, slot->node, "vector of squared length %g is not in the ball", norm);
		norm = 1 - norm;
	}
	if (g->shape.storage == GRAPH_FLOAT32)
	{
		if (slot->scale != 1 || slot->error != 0)
			hnsw_check_note(check, 5, block, slot->node, "scale is %g and error %g, not 1 and 0", slot->scale, slot->error);
	}
	else
	{
		/* Each number is off by half a step at most. */
		error = slot->scale / 2.0 * (g->shape.metric == GRAPH_L1 ? dim : sqrt(dim)) * 1.001 + FLT_MIN;
		if (!(slot->scale >= 0) || !isfinite(slot->scale))
			hnsw_check_note(check, 5, block, slot->node, "scale is %g", slot->scale);
		else if (!(slot->error >= 0) || (slot->error > error && slot->scale > 0))
			hnsw_check_note(check, 5, block, slot->node, "error is %g, and can be %g at most", slot->error, error);
	}
	if (!isfinite(norm))
		hnsw_check_note(check, 5, block, slot->node, "vector holds a number that is not finite");
	else if (norm > FLT_MAX ? !(slot->norm > FLT_MAX / 2) : !(fabs(slot->norm - norm) <= 1e-3 * norm + FLT_MIN))
		hnsw_check_note(check, 5, block, slot->node, "norm is %g, that of the vector %g", slot->norm, norm);
}

/* Invariant 5: the numbers of the links. */
static void
check_numbers(HnswCheck *check, const GraphSlot *slot, BlockNumber block)
{
	const uint32 *links = graph_slot_links(HNSW_CHECK_GEOMETRY(check), slot);
	uint32		limit = hnsw_check_slot_limit(check);

	for (int i = 0; i < slot->count; i++)
	{
		uint32		node = GRAPH_LINK_NODE(links[i]);

		if (node >= limit)
			hnsw_check_note(check, 5, block, slot->node, "link %d leads to %u, beyond the end", i, node);
		if (node == slot->node)
			hnsw_check_note(check, 5, block, slot->node, "link %d leads to the node itself", i);
		for (int j = 0; j < i; j++)
		{
			if (GRAPH_LINK_NODE(links[j]) == node)
				hnsw_check_note(check, 5, block, slot->node, "links %d and %d both lead to %u", j, i, node);
		}
	}
}

/* Whether a factor is what it was made as, but for the sums of floats of another CPU. */
static bool
is_factor(float factor, float made, double slack)
{
	return memcmp(&factor, &made, sizeof(float)) == 0 || !isfinite(slack) || fabs((double) factor - made) <= slack;
}

/*
 * Whether a link, but for its number, is what graph_slot_set_link makes of the node's
 * vector, check->own, and the neighbour's, check->neighbour.
 *
 * The same CPU makes the same bits.  The sums of another, or of another vecmark.simd,
 * may end in others: then a number that lies where two codes meet is coded otherwise,
 * which turns the factors a little.
 */
static bool
is_made_so(HnswCheck *check, const GraphSlot *slot, int link)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	const uint8 *code = graph_slot_code(g, slot, link);
	const uint8 *made;
	const GraphFactors *factors = graph_slot_factors(g, slot) + link;
	const GraphFactors *made_factors = graph_slot_factors(g, check->made);
	int			turned = 0;
	double		sums = 0;
	double		slack;

	graph_slot_set_link(g, check->made, 0, 0, check->own, check->neighbour);
	made = graph_slot_code(g, check->made, 0);
	for (int i = 0; i < g->code_bytes; i++)
		turned += __builtin_popcount(code[i] ^ made[i]);
	if (graph_is_bits(g->shape.metric))
		return turned == 0;
	if (turned > 1 + g->code_dim * g->shape.bits / 256)
		return false;

	/* How large the numbers are that the factors are sums of. */
	slack = 1e-4 + 2.0 * turned / g->code_dim;
	for (int i = 0; i < g->shape.dim && g->shape.storage != GRAPH_SPARSE; i++)
		sums += fabs(check->own[i]) * (fabs((double) made_factors->multiply) * (1 << g->shape.bits) +
									   fabs(check->own[i]) + fabs(check->neighbour[i]));
	return is_factor(factors->multiply, made_factors->multiply, slack * fabs(made_factors->multiply) + FLT_MIN) &&
		is_factor(factors->add, made_factors->add, slack * (fabs(made_factors->add) + sums) + FLT_MIN) &&
		(g->shape.metric != GRAPH_POINCARE ||
		 is_factor(graph_slot_scales(g, slot)[link], graph_slot_scales(g, check->made)[0],
				   1e-4 * fabs(graph_slot_scales(g, check->made)[0])));
}

/*
 * Invariants 6 and 7, of a node that has rows.  One without may lead anywhere, if a
 * vacuum was interrupted when it had freed some of those that go.
 */
static void
check_neighbours(HnswCheck *check, const GraphSlot *slot, BlockNumber block, bool again)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	const uint32 *links = graph_slot_links(g, slot);

	for (int i = 0; i < slot->count; i++)
	{
		uint32		node = GRAPH_LINK_NODE(links[i]);
		uint16		state;
		const GraphSlot *other;
		bool		good;

		if (node >= check->limit && node >= hnsw_check_slot_limit(check))
			continue;
		if (again || node >= check->limit)
		{
			HnswEntry	entry = hnsw_check_read_entry(check, node);

			state = HNSW_ENTRY_STATE(&entry);
		}
		else
			state = check->states[node];
		if (state == HNSW_ENTRY_FREE || state == HNSW_ENTRY_TIDS)
		{
			hnsw_check_note(check, 6, block, slot->node, "link %d leads to %u, whose entry has state %u", i, node, state);
			continue;
		}
		other = copy_slot(check, node, check->other);
		/* What is no node breaks invariant 3 there. */
		if (!is_node(check, other, node))
			continue;
		if (other->level != slot->level)
		{
			hnsw_check_note(check, 6, block, slot->node, "link %d of level %d leads to node %u of level %d",
							i, slot->level, node, other->level);
			continue;
		}
		graph_slot_load(g, other, check->neighbour);
		good = is_made_so(check, slot, i);
		if (!good && !graph_is_whole(&g->shape))
		{
			/* At build neighbours are coded as memory has them. */
			graph_round(g, check->neighbour, check->scratch);
			good = is_made_so(check, slot, i);
		}
		if (!good)
			hnsw_check_note(check, 7, block, slot->node, "code of link %d is not that of node %u", i, node);
	}
}

/* Invariant 9. */
static void
check_down(HnswCheck *check, const GraphSlot *slot, const HnswEntry *entry, BlockNumber block)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	HnswEntry	below;
	const GraphSlot *other;

	if (HNSW_ENTRY_BASE(entry) != slot->down)
		hnsw_check_note(check, 9, graph_directory_block(g, slot->node), slot->node,
						"entry names %u as the node below, the slot %u", HNSW_ENTRY_BASE(entry), slot->down);
	if (slot->down >= hnsw_check_slot_limit(check))
	{
		hnsw_check_note(check, 9, block, slot->node, "node below is %u, beyond the end", slot->down);
		return;
	}
	below = hnsw_check_read_entry(check, slot->down);
	if (!is_state_of_level(HNSW_ENTRY_STATE(&below), slot->level - 1))
	{
		hnsw_check_note(check, 9, block, slot->node, "entry of the node below, %u, has state %u", slot->down, below.state);
		return;
	}
	other = copy_slot(check, slot->down, check->other);
	if (!is_node(check, other, slot->down))
		return;
	if (other->level != slot->level - 1)
		hnsw_check_note(check, 9, block, slot->node, "node below, %u, is of level %d", slot->down, other->level);
	else if (other->scale != slot->scale || other->error != slot->error || other->norm != slot->norm ||
			 memcmp(graph_slot_vector(g, other), graph_slot_vector(g, slot), g->ids_offset - g->vector_offset) != 0)
		hnsw_check_note(check, 9, block, slot->node, "node below, %u, has another vector", slot->down);
}

/* Invariant 11. */
static void
check_odd(HnswCheck *check, const GraphSlot *slot, uint16 state, BlockNumber block)
{
	if (state == HNSW_ENTRY_UPPER)
		hnsw_check_note(check, 11, block, slot->node, "node of the vectors without direction is of an upper level");
	if (slot->count != 0)
		hnsw_check_note(check, 11, block, slot->node, "node of the vectors without direction has links");
	for (int i = 0; i < HNSW_CHECK_GEOMETRY(check)->words; i++)
	{
		if (check->own[i] != 0)
		{
			hnsw_check_note(check, 11, block, slot->node, "node of the vectors without direction has one");
			break;
		}
	}
}

/* Whether a node, or what is below it on the lowest level, has rows. */
static bool
has_rows(HnswCheck *check, HnswEntry entry)
{
	for (int level = 0; level <= GRAPH_MAX_LEVEL && HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_UPPER; level++)
		entry = hnsw_check_read_entry(check, HNSW_ENTRY_BASE(&entry));
	return HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE;
}

/* Invariants 3 and 5 to 9 and 11, of one node. */
static void
check_node_once(HnswCheck *check, uint32 node, bool again)
{
	const GraphGeometry *g = HNSW_CHECK_GEOMETRY(check);
	BlockNumber block = graph_slot_block(g, node);
	HnswEntry	entry = hnsw_check_read_entry(check, node);
	uint16		state = HNSW_ENTRY_STATE(&entry);
	GraphSlot  *slot;

	if (state == HNSW_ENTRY_FREE || state > HNSW_ENTRY_TIDS)
		return;
	slot = copy_slot(check, node, check->image);
	if (slot == NULL)
	{
		hnsw_check_note(check, 3, block, node, "entry has state %u, and there is no slot", entry.state);
		return;
	}
	if (state == HNSW_ENTRY_TIDS)
	{
		if (slot->kind != GRAPH_SLOT_TIDS || slot->node != node)
			hnsw_check_note(check, 3, block, node, "slot is not one of TIDs: kind %u, number %u", slot->kind, slot->node);
		else if (!hnsw_check_is_chained(check, node, ((const HnswTidSlot *) slot)->owner))
			hnsw_check_note(check, 4, block, node, "slot of TIDs is in no chain");
		return;
	}
	if (!is_node(check, slot, node) || !is_state_of_level(state, slot->level))
	{
		hnsw_check_note(check, 3, block, node, "slot is not that of an entry of state %u: kind %u, number %u, level %u",
						entry.state, slot->kind, slot->node, slot->level);
		return;
	}
	if (slot->count > g->shape.links)
	{
		hnsw_check_note(check, 5, block, node, "there are %u links, and room for %d", slot->count, g->shape.links);
		slot->count = g->shape.links;
	}
	graph_slot_load(g, slot, check->own);
	check_vector(check, slot, block);
	check_numbers(check, slot, block);
	if (slot->level > 0)
		check_down(check, slot, &entry, block);
	if (node == check->index.meta.odd)
		check_odd(check, slot, state, block);
	/* One that a crash left above the entry point leads nowhere, or is to go. */
	if (slot->level > check->index.meta.entry_level && slot->count > 0 && has_rows(check, entry))
		hnsw_check_note(check, 8, block, node, "node is of level %u, the entry point of level %d",
						slot->level, check->index.meta.entry_level);
	if (has_rows(check, entry))
		check_neighbours(check, slot, block, again);
}

/* The same until it is beyond doubt. */
void
hnsw_check_node(HnswCheck *check, uint32 node)
{
	int			attempt = 0;

	do
	{
		hnsw_check_look_again(check);
		/* The entry point may have risen since. */
		if (attempt > 0)
			(void) hnsw_check_read_meta(check, &check->index.meta);
		check_node_once(check, node, attempt > 0);
	} while (hnsw_check_is_in_doubt(check, attempt++));
}

/* Invariants 8 and 11: what the metapage leads to. */
void
hnsw_check_entry(HnswCheck *check)
{
	HnswMeta   *meta = &check->index.meta;
	int			attempt = 0;

	do
	{
		HnswEntry	entry;
		const GraphSlot *slot;

		hnsw_check_look_again(check);
		if (!hnsw_check_read_meta(check, meta))
			return;
		if (meta->odd != GRAPH_NO_NODE)
		{
			entry = hnsw_check_read_entry(check, meta->odd);
			if (meta->metric != GRAPH_COSINE)
				hnsw_check_note(check, 11, HNSW_META_BLOCK, meta->odd, "there is a node of vectors without direction, and the metric needs none");
			else if (meta->odd >= hnsw_check_slot_limit(check) || !is_state_of_level(HNSW_ENTRY_STATE(&entry), 0))
				hnsw_check_note(check, 11, HNSW_META_BLOCK, meta->odd, "entry of the node of vectors without direction has state %u", entry.state);
		}
		if (meta->entry == GRAPH_NO_NODE)
		{
			if (meta->entry_level != -1)
				hnsw_check_note(check, 8, HNSW_META_BLOCK, GRAPH_NO_NODE, "there is no entry point, and its level is %d", meta->entry_level);
			for (uint32 node = 0; node < check->limit; node++)
			{
				if (check->states[node] != HNSW_ENTRY_LIVE || node == meta->odd)
					continue;
				entry = hnsw_check_read_entry(check, node);
				if (HNSW_ENTRY_STATE(&entry) == HNSW_ENTRY_LIVE)
				{
					hnsw_check_note(check, 8, HNSW_META_BLOCK, node, "node is live, and there is no entry point");
					break;
				}
			}
			continue;
		}
		if (meta->entry >= hnsw_check_slot_limit(check))
		{
			hnsw_check_note(check, 8, HNSW_META_BLOCK, meta->entry, "entry point is beyond the end");
			continue;
		}
		if (meta->entry == meta->odd)
			hnsw_check_note(check, 8, HNSW_META_BLOCK, meta->entry, "entry point is the node of vectors without direction");
		entry = hnsw_check_read_entry(check, meta->entry);
		if (!is_state_of_level(HNSW_ENTRY_STATE(&entry), meta->entry_level))
			hnsw_check_note(check, 8, HNSW_META_BLOCK, meta->entry, "entry of the entry point has state %u, and its level is %d",
							entry.state, meta->entry_level);
		slot = copy_slot(check, meta->entry, check->image);
		if (!is_node(check, slot, meta->entry) || slot->level != meta->entry_level)
			hnsw_check_note(check, 8, HNSW_META_BLOCK, meta->entry, "entry point is not a node of level %d", meta->entry_level);
	} while (hnsw_check_is_in_doubt(check, attempt++));
}
