/*
 * sync_owner.c: what is read and written for exchanges, with the rights of who owns the table.
 *
 * Triggers, defaults, checks, domains, generated columns and expressions of indexes are code of the
 * table's owner.  They run as he, in a security-restricted context, whoever merges or tells; what
 * that one may do is checked before.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "sync/sync_table.h"
#include "utils/acl.h"
#include "utils/guc.h"

/* Check constraints of all owners "IMMEDIATE"ly, or let them be "DEFERRED". */
void
sync_set_constraints(const char *mode)
{
	SPI_connect();
	SPI_execute(psprintf("SET CONSTRAINTS ALL %s", mode), false, 0);
	SPI_finish();
}

/*
 * Act as the owner of tables until sync_end_owner; an error ends it as well.  Policies of row-level
 * security do not apply: who merges was found to see all.  The tables are locked, so that they
 * keep their owner.
 *
 * As PostgreSQL does when it maintains indexes or applies what was replicated, the operation is
 * restricted: nothing can be left behind for the caller to run (temporary objects, cursors,
 * deferred triggers), unless the owner may act as the caller anyway.
 *
 * What the caller's own writes left for the end of his transaction is checked before, as he.
 */
SyncOwner
sync_begin_owner(Oid owner)
{
	SyncOwner	before;

	sync_set_constraints("IMMEDIATE");
	GetUserIdAndSecContext(&before.user, &before.security);
	before.restricted = !vm_may_become(owner, before.user);
	before.level = NewGUCNestLevel();
	SetUserIdAndSecContext(owner, before.security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS |
						   (before.restricted ? SECURITY_RESTRICTED_OPERATION : 0));
	return before;
}

/*
 * Be who was before.  Constraints and triggers that wait for the end of the transaction run now,
 * as the owner still.
 */
void
sync_end_owner(const SyncOwner *before)
{
	sync_set_constraints("IMMEDIATE");
	AtEOXact_GUC(false, before->level);
	SetUserIdAndSecContext(before->user, before->security);
}

/* Lock a table for writing, and act as its owner. */
SyncOwner
sync_begin_table_owner(Oid root)
{
	LockRelationOid(root, RowExclusiveLock);
	return sync_begin_owner(sync_table_owner(root));
}

/*
 * Act as the owner of a table while it is read, until sync_end_reading; an error ends it as well.
 * The caller was found to see all of it.  Planning a query evaluates what is immutable in checks and
 * in expressions of indexes, which is the owner's code.
 */
SyncOwner
sync_begin_reading(Oid root)
{
	SyncOwner	before;
	Oid			owner;

	LockRelationOid(root, AccessShareLock);
	owner = sync_table_owner(root);
	GetUserIdAndSecContext(&before.user, &before.security);
	before.restricted = owner != before.user;
	before.level = NewGUCNestLevel();
	if (before.restricted)
		SetUserIdAndSecContext(owner, before.security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS |
							   SECURITY_RESTRICTED_OPERATION);
	return before;
}

/* Be who was before. */
void
sync_end_reading(const SyncOwner *before)
{
	AtEOXact_GUC(false, before->level);
	SetUserIdAndSecContext(before->user, before->security);
}
