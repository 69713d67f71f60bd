/*
 * hnsw_directory.h: changing directory pages, for those who keep what is in them.
 */
#ifndef HNSW_DIRECTORY_H
#define HNSW_DIRECTORY_H

#include "hnsw/hnsw.h"

/* One directory page, or two, locked exclusively, and the record of their change. */
typedef struct HnswChange
{
	HnswIndex  *index;
	GenericXLogState *state;	/* NULL before hnsw_change_start, and if not
								 * logged */
	Buffer		buffer;
	HnswDirectory *directory;
	Buffer		beside_buffer;	/* invalid if that is the same page, or none */
	HnswDirectory *beside;
} HnswChange;

extern HnswDirectory *hnsw_directory_lock(HnswIndex *index, BlockNumber block, int mode, Buffer *buffer);
extern void hnsw_change_open(HnswChange *change, HnswIndex *index, BlockNumber block, BlockNumber beside);
extern void hnsw_change_start(HnswChange *change);
extern void hnsw_change_finish(HnswChange *change);
extern void hnsw_change_close(HnswChange *change);
extern uint32 hnsw_node_open(HnswChange *change, HnswIndex *index, BlockNumber beside, BlockNumber *blocks);
extern void hnsw_node_write(HnswChange *change, uint32 node, GraphSlot *image, const HnswEntry *entry,
							void (*also) (HnswChange *change, void *context), void *context);
extern HnswEntry hnsw_entry_read(HnswIndex *index, uint32 node);

#endif							/* HNSW_DIRECTORY_H */
