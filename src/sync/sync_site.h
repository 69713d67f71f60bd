/*
 * sync_site.h: who this database is, and what it holds.
 */
#ifndef SYNC_SITE_H
#define SYNC_SITE_H

#include "access/transam.h"
#include "crdt/delta.h"
#include "nodes/pg_list.h"
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
extern Version *sync_told_of(Site site);
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
extern Version *sync_version_now(void);
extern Version *sync_peers_hold(void);
extern bool sync_peers_are_in(const Version *heard);
extern void sync_flush_wal(void);

/* sync_dots.c: transactions that rows have. */
extern Version *sync_dots_of_rows(Site site);

/* sync_lack.c: tables of which not all is here that the version covers. */
typedef struct SyncLack
{
	uint64_t	id;				/* of the table, by its published name */
	Oid			rel;			/* it, or what it was; InvalidOid if it was
								 * never here */
	Version    *dots;			/* what may be lacking */
	Version    *heard;			/* sites that have told it whole since: (site,
								 * 0) */
	bool		here;			/* it was made again here; else a peer said
								 * that it lacks something */
	uint64_t	question;		/* the transaction that noted it */
} SyncLack;

extern uint64_t sync_table_id(const char *name);
extern List *sync_lacks(Snapshot snapshot);
extern SyncLack *sync_lack_of(uint64_t id, Snapshot snapshot);
extern void sync_note_lack(const char *name, Oid rel);
extern bool sync_inherit_lack(const char *name, Oid rel);
extern bool sync_keeps_tombstones(Oid rel);
extern Version *sync_with_questions(const Version *version, Snapshot snapshot);
extern DeltaTable *sync_tell_tables(const Version *questions, const Version *since, Snapshot snapshot, int *count);
extern bool sync_is_answered(const Delta *delta, const char *name, bool *is_right);
extern Version *sync_answers(const Delta *delta);
extern bool sync_is_open(const Version *questions);
extern void sync_hear(const Delta *delta, const Version *new);

#endif							/* SYNC_SITE_H */
