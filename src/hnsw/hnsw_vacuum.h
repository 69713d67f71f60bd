/*
 * hnsw_vacuum.h: what the parts of a vacuum share.
 */
#ifndef HNSW_VACUUM_H
#define HNSW_VACUUM_H

#include "hnsw/hnsw.h"

#include "access/generic_xlog.h"

/* hnsw_vacuum.c */
extern uint32 hnsw_count_groups(HnswIndex *index);
extern BlockNumber hnsw_group_block(const HnswIndex *index, uint32 group);
extern HnswDirectory *hnsw_directory_open(HnswIndex *index, BlockNumber block, BufferAccessStrategy strategy,
										  int mode, Buffer *buffer);
extern Page hnsw_change_page(GenericXLogState *state, Buffer buffer);
extern void hnsw_finish_change(GenericXLogState *state, Buffer first, Buffer second);

/* hnsw_repair.c */
extern void hnsw_repair(HnswIndex *index, BufferAccessStrategy strategy);

#endif							/* HNSW_VACUUM_H */
