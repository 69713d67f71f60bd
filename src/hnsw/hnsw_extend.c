/*
 * hnsw_extend.c: the one way in which an index grows.
 */
#include "postgres.h"
#include "compat.h"

#include "hnsw/hnsw.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "testpoint/testpoint.h"

/*
 * Blocks made ahead: this part of what there is, at most so many.  They cost
 * little, and whoever comes next need not wait for the lock.
 */
#define AHEAD_PART 8
#define MAX_AHEAD 64

/*
 * Make a fork at least so many blocks long.  Returns how long it is.  New blocks
 * are zero and not logged.
 *
 * Locks:  takes the relation extension lock, and holds it no more when this returns
 *         or throws.  The caller holds no lock on a buffer, nor another that holds
 *         interrupts off: it could not be cancelled while it waits, and a leader
 *         that throws waits for its workers before it gives up its own locks.
 * Errors: 53100 where the disk is full.
 */
BlockNumber
hnsw_extend(Relation rel, ForkNumber fork, BlockNumber blocks)
{
	bool		shared = !RelationUsesLocalBuffers(rel);
	volatile BlockNumber length = RelationGetNumberOfBlocksInFork(rel, fork);

	Assert(InterruptHoldoffCount == 0);
	if (length >= blocks)
		return length;
	if (shared)
		LockRelationForExtension(rel, ExclusiveLock);
	PG_TRY();
	{
		length = RelationGetNumberOfBlocksInFork(rel, fork);
		if (length < blocks)
		{
			BlockNumber ahead = Min(length / AHEAD_PART, MAX_AHEAD);

			ahead = Min(ahead, MaxBlockNumber - blocks);
			VM_POINT("hnsw_extend");
			while (length < blocks + ahead)
				length += vm_extend_fork(rel, fork, blocks + ahead - length);
		}
	}
	PG_FINALLY();
	{
		if (shared)
			UnlockRelationForExtension(rel, ExclusiveLock);
	}
	PG_END_TRY();
	return length;
}
