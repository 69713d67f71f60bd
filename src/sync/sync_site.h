/*
 * sync_site.h: who this database is, and what it holds.
 */
#ifndef SYNC_SITE_H
#define SYNC_SITE_H

#include "access/transam.h"
#include "crdt/version.h"
#include "utils/snapshot.h"

/* sync_site.c: who this database is. */
extern Site sync_writer_site(void);
extern bool sync_has_life(void);
extern Site sync_reader_site(void);
extern uint64_t sync_writer_txn(void);
extern uint64_t sync_next_txn(void);
extern Version *sync_forgotten(Snapshot snapshot, uint64_t *lives);
extern uint64_t sync_forgotten_life(bool fresh);
extern void sync_forget_forgotten(void);
extern void sync_add_forgotten(const Version *version, uint64_t lives);
extern Site sync_renew_site(bool put_back);
extern void sync_lock_version(void);
extern void sync_lock_writers(void);

/* sync_held.c: which transactions the state holds. */
extern uint64_t sync_widen(TransactionId xid, FullTransactionId next);
extern Version *sync_foreign_version(Snapshot snapshot);
extern Version *sync_own_version(Site site, Snapshot snapshot);
extern Version *sync_part_of_site(const Version *version, Site site);
extern Version *sync_version_of(Site site, Snapshot snapshot);
extern Version *sync_version(Snapshot snapshot);
extern Version *sync_earlier_lives(Snapshot snapshot);
extern void sync_version_add(const Version *version);
extern Version *sync_peers_hold(void);
extern void sync_flush_wal(void);

/* sync_dots.c: transactions that rows have. */
extern Version *sync_dots_of_rows(Site site);

#endif							/* SYNC_SITE_H */
