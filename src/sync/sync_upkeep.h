/*
 * sync_upkeep.h: tables put on record and checked.
 */
#ifndef SYNC_UPKEEP_H
#define SYNC_UPKEEP_H

#include "sync/sync_table.h"

/* sync_check.c: whether tables keep the invariants. */
extern bool sync_is_settled(const char *name, Snapshot snapshot);

/* sync_track.c: tables put on record and taken off. */
extern bool sync_may_publish(Oid relid, const char *name);
extern void sync_refuse_deletes(const SyncTable *table, int64 deleted, int64 rows, double most);

#endif							/* SYNC_UPKEEP_H */
