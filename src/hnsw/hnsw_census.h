/*
 * hnsw_census.h: the directory, for those who read all of it: vacuum, repair, inspection.
 */
#ifndef HNSW_CENSUS_H
#define HNSW_CENSUS_H

#include "hnsw/hnsw.h"

/* What the directory of an index says. */
typedef struct HnswCensus
{
	int64		directory_pages;
	int64		live;
	int64		dead;
	int64		upper;
	int64		free;			/* numbers that were in use */
	int64		tid_slots;
	int64		tids;
	uint32		some_live;		/* a LIVE node, not the odd one; or
								 * GRAPH_NO_NODE */
	uint32		limit;			/* node numbers looked at */
} HnswCensus;

extern uint32 hnsw_count_groups(HnswIndex *index);
extern BlockNumber hnsw_group_block(const HnswIndex *index, uint32 group);
extern HnswDirectory *hnsw_directory_open(HnswIndex *index, BlockNumber block, int mode, Buffer *buffer);
extern void hnsw_take_census(HnswIndex *index, HnswCensus *census, bool chains,
							 uint8 **states);

#endif							/* HNSW_CENSUS_H */
