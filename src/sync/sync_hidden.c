/*
 * sync_hidden.c: what is not for the caller to tell, of tables whose owners are guests in the database.
 *
 * What a transaction wrote is told whole or not at all: the dots of those that wrote what the
 * caller may not read are left out of the version that a delta leads to, and all that they wrote with them.  They
 * are holes to the receiver, which somebody fills who may read everything.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"
#include "sync/sync_meta.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_tell.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* With more holes than this in a version, deltas do not move it. */
#define HOLES_MAX 1000

/* Dots that are left out. */
typedef struct Hidden
{
	const Version *since;
	Version    *dots;
	int			count;
} Hidden;

static void
hide_dot(Hidden *hidden, Site site, uint64_t txn)
{
	if (site == 0 || version_covers(hidden->since, site, txn) || version_covers(hidden->dots, site, txn) ||
		hidden->count > HOLES_MAX)
		return;
	hidden->dots = version_union(hidden->dots, version_of_dot(site, txn));
	hidden->count++;
}

static void
hide_state(Hidden *hidden, const RowState *row)
{
	hide_dot(hidden, row->base.site, row->base.txn);
	for (int i = 0; i < row->register_count; i++)
		hide_dot(hidden, row->registers[i].stamp.site, row->registers[i].stamp.txn);
	for (int i = 0; i < row->counter_count; i++)
		for (int j = 0; j < row->counters[i].count; j++)
			hide_dot(hidden, row->counters[i].shares[j].stamp.site, row->counters[i].shares[j].stamp.txn);
	for (int i = 0; i < row->set_count; i++)
		for (int j = 0; j < row->sets[i].context_count; j++)
			hide_dot(hidden, row->sets[i].context[j].site, row->sets[i].context[j].txn);
}

/* Whether a table is a guest's that the caller does not see all of. */
bool
sync_is_hidden_guest(Oid root, const List *counted)
{
	return !list_member_oid(counted, root) && sync_is_hidden(root);
}

static void
hide_parked(Hidden *hidden, const List *counted, bool names_too, Snapshot snapshot)
{
	Relation	rel = sync_meta_open(META_PARKED, AccessShareLock);
	SyncScan   *scan = sync_meta_scan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
	{
		bool		isnull;
		char	   *name = TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
		Image		key = sync_image_of_bytea(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		Oid			root = sync_table_by_name(name);
		SyncNames  *names;

		CHECK_FOR_INTERRUPTS();
		if (OidIsValid(root) ? sync_is_hidden_guest(root, counted) : !names_too)
			hide_state(hidden, sync_parked(name, key, snapshot, &names));
	}
	sync_meta_end(scan);
	table_close(rel, AccessShareLock);
}

/*
 * The dots of transactions that "since" lacks and that wrote what the caller may not tell: to
 * guests' tables, or with "names_too" false to tables that are not here.  NULL if these are too many.
 */
Version    *
sync_hidden_dots(const Version *since, bool names_too, Snapshot snapshot)
{
	Hidden		hidden = {since, palloc0(sizeof(Version)), 0};
	List	   *counted = sync_counted_tables();
	List	   *guests = NIL;
	ListCell   *cell;

	foreach(cell, sync_table_list(snapshot))
	{
		Oid			root = lfirst_oid(cell);

		if (get_rel_name(root) != NULL && sync_is_hidden_guest(root, counted))
		{
			guests = lappend_oid(guests, root);
			hidden.dots = version_union(hidden.dots, version_minus(sync_table_get(root)->floor, since));
		}
	}
	if (guests != NIL)
	{
		Relation	log = sync_meta_open(META_LOG, AccessShareLock);
		SyncScan   *scan = sync_meta_scan(log, snapshot, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = sync_meta_next(scan)))
		{
			Datum		line[4];
			bool		nulls[4];

			CHECK_FOR_INTERRUPTS();
			heap_deform_tuple(tuple, RelationGetDescr(log), line, nulls);
			if (list_member_oid(guests, DatumGetObjectId(line[2])))
				hide_dot(&hidden, (Site) DatumGetInt64(line[0]), (uint64_t) DatumGetInt64(line[1]));
		}
		sync_meta_end(scan);
		table_close(log, AccessShareLock);
	}
	hide_parked(&hidden, counted, names_too, snapshot);
	return hidden.count > HOLES_MAX ? NULL : hidden.dots;
}
