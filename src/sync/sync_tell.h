/*
 * sync_tell.h: states of rows told to others.
 */
#ifndef SYNC_TELL_H
#define SYNC_TELL_H

#include "nodes/execnodes.h"
#include "sync/sync_table.h"

/* sync_tell.c: states of rows told to another. */
typedef struct SyncTeller
{
	Version    *since;			/* what the receiver holds */
	Version    *untold;			/* that, and what is not for the caller to
								 * tell */
	Version    *questions;		/* tables that are told whole all the same; or
								 * NULL */
	bool		is_whole;		/* the table at hand is such */
	DeltaTable *tables;			/* what is said of tables */
	int			table_count;
	Version    *to;				/* what is here */
	bool		some;			/* tables only */
	Version    *forgotten;		/* unless the receiver knows; or NULL */
	uint64_t	lives;
	bool		repair;			/* states take the place of others, and claim
								 * nothing */
	Snapshot	snapshot;
	Site		site;
	size_t		max_bytes;		/* of a part, about */
	ReturnSetInfo *result;
	int			level;			/* of settings */
	SyncBuilder *builder;
	uint64_t	batch;			/* 0 while there is one part */
	uint64_t	part;
	MemoryContext part_context; /* what the builder holds */
	MemoryContext row_context;
} SyncTeller;

extern void sync_begin_telling(SyncTeller *teller, FunctionCallInfo fcinfo, int max_bytes);
extern void sync_tell_key(SyncTeller *teller, SyncTable *table, Image key, const RowState *clock, const Datum *values, const bool *nulls);
extern void sync_tell_row(SyncTeller *teller, SyncTable *table, const SyncSeen *row, const bool *known);
extern bool sync_begin_table(SyncTeller *teller, const char *name);
extern void sync_tell_table(SyncTeller *teller, SyncTable *table);
extern void sync_tell_parked(SyncTeller *teller, List *whole, bool names_too);
extern void sync_end_telling(SyncTeller *teller, bool claims);

/* sync_hidden.c: what is not for the caller to tell. */
extern bool sync_is_hidden_guest(Oid root, const List *counted);
extern Version *sync_hidden_dots(const Version *since, bool names_too, Snapshot snapshot);

#endif							/* SYNC_TELL_H */
