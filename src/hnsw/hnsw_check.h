/*
 * hnsw_check.h: what the parts of vecmark.hnsw_check share.
 */
#ifndef HNSW_CHECK_H
#define HNSW_CHECK_H

#include "hnsw/hnsw.h"

#include "utils/tuplesort.h"

/* Rows returned at most. */
#define HNSW_CHECK_MAX_PROBLEMS 1000

/* A row of the result. */
typedef struct HnswProblem
{
	int			invariant;
	BlockNumber block;
	uint32		node;			/* or GRAPH_NO_NODE */
	char	   *text;
} HnswProblem;

/* The slots of TIDs of one node, and what is in them. */
typedef struct HnswChainCopy
{
	uint32	   *slots;
	int			slot_count;
	int			slot_room;
	ItemPointerData *tids;
	int			tid_count;
	int			tid_room;
	const char *fault;			/* why it could not be followed, or NULL */
} HnswChainCopy;

/* A check that is under way. */
typedef struct HnswCheck
{
	HnswIndex	index;			/* rel, meta and geometry; the rest is unused */
	BufferAccessStrategy strategy;
	BlockNumber blocks;			/* when the check began */
	uint8	   *unreadable;		/* a bit for each of those */
	uint32		limit;			/* node numbers in the directory then */
	uint8	   *states;			/* HNSW_ENTRY_..., by node number */
	uint32		written;		/* groups up to the last directory page met */
	uint8	   *chained;		/* a bit for each slot that is in a chain */

	HnswProblem problems[HNSW_CHECK_MAX_PROBLEMS];
	int			problem_count;
	int			confirmed;		/* of these, the first so many */

	PGAlignedBlock page;		/* a directory page */
	HnswChainCopy chain;		/* of a node of it */
	char	   *image;			/* a slot */
	char	   *other;			/* one that it leads to */
	GraphSlot  *made;			/* one whose first link is made for comparison */
	float	   *own;			/* vectors of the two */
	float	   *neighbour;
	int8	   *scratch;		/* a number for each dimension */
	Tuplesortstate *tids;
} HnswCheck;

#define HNSW_CHECK_GEOMETRY(check) (&(check)->index.geometry)

/*
 * hnsw_check_page.c: a thing is looked at between look_again and is_in_doubt, for as
 * long as that is true; problems noted in the last round are the result.
 */
extern void hnsw_check_note(HnswCheck *check, int invariant, BlockNumber block, uint32 node,
							const char *format,...) pg_attribute_printf(5, 6);
extern void hnsw_check_look_again(HnswCheck *check);
extern bool hnsw_check_is_in_doubt(HnswCheck *check, int attempt);
extern bool hnsw_check_is_full(const HnswCheck *check);
extern bool hnsw_check_open_page(HnswCheck *check, BlockNumber block, Buffer *buffer);
extern bool hnsw_check_is_kind(Page page, uint16 kind);
extern bool hnsw_check_read_meta(HnswCheck *check, HnswMeta *meta);
extern void hnsw_check_frames(HnswCheck *check, BlockNumber first, BlockNumber end);
extern bool hnsw_check_meta(HnswCheck *check);

/* hnsw_check_directory.c */
extern uint32 hnsw_check_slot_limit(HnswCheck *check);
extern HnswEntry hnsw_check_read_entry(HnswCheck *check, uint32 node);
extern void hnsw_check_directory(HnswCheck *check, uint32 group);
extern void hnsw_check_tids(HnswCheck *check);
extern bool hnsw_check_is_chained(HnswCheck *check, uint32 slot, uint32 owner);

/* hnsw_check_node.c */
extern void hnsw_check_node(HnswCheck *check, uint32 node);
extern void hnsw_check_entry(HnswCheck *check);

#endif							/* HNSW_CHECK_H */
