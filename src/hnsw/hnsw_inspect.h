/*
 * hnsw_inspect.h: what the functions that look into an index share.
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

/* hnsw_inspect.c */
extern HnswInspected hnsw_inspect_open(Oid oid, HnswInspection inspection);
extern void hnsw_inspect_close(HnswInspected *inspected);

#endif							/* HNSW_INSPECT_H */
