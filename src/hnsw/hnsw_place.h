/*
 * hnsw_place.h: in which node a row is.
 */
#ifndef HNSW_PLACE_H
#define HNSW_PLACE_H

#include "hnsw/hnsw.h"

extern void hnsw_place_searched(HnswIndex *index, uint64 pages);
extern uint32 hnsw_place_get(HnswIndex *index, ItemPointerData tid);

#endif							/* HNSW_PLACE_H */
