/*
 * hnsw_inspect.h: what the functions that look into an index share, and vacuum with them.
 */
#ifndef HNSW_INSPECT_H
#define HNSW_INSPECT_H

#include "hnsw/hnsw.h"

/* What a function lets its caller see. */
typedef enum HnswInspection
{
	HNSW_INSPECT_PAGES,			/* of the owner and pg_stat_scan_tables */
	HNSW_INSPECT_ROWS			/* of those who may read the table */
} HnswInspection;

/* An index and its table, locked against changes of their definition. */
typedef struct HnswInspected
{
	Relation	heap;
	Relation	index;
} HnswInspected;

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

/* hnsw_vacuum.c */
extern void hnsw_take_census(HnswIndex *index, BufferAccessStrategy strategy, HnswCensus *census, uint8 **states);

/* hnsw_inspect.c */
extern HnswInspected hnsw_inspect_open(Oid oid, HnswInspection inspection);
extern void hnsw_inspect_close(HnswInspected *inspected);

#endif							/* HNSW_INSPECT_H */
