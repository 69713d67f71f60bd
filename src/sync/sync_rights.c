/*
 * sync_rights.c: what a role must be able to do with tracked tables.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database_d.h"
#include "catalog/pg_extension_d.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "sync/sync_table.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

/* What who merges into a table must be able to do with it. */
#define MERGE_RIGHTS (ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE)

/* Errors: 42501 for who does not own a table. */
void
sync_check_owner(Oid relid)
{
	if (!vm_owns_table(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
}

/*
 * Whether a role may read and write all of a table, so that it may merge into it.
 */
bool
sync_may_merge(Oid root, Oid role)
{
	return pg_class_aclmask(root, role, MERGE_RIGHTS, ACLMASK_ALL) == MERGE_RIGHTS &&
		check_enable_rls(root, role, true) != RLS_ENABLED;
}

/* Whether the caller may read all columns and rows of a table. */
bool
sync_may_see(Oid root)
{
	return pg_class_aclcheck(root, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(root, InvalidOid, true) != RLS_ENABLED;
}

/* The owner of a table, or InvalidOid. */
Oid
sync_table_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

static bool
may_select(Oid root)
{
	return pg_class_aclcheck(root, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(root, GetUserId(), ACL_SELECT, ACLMASK_ALL) == ACLCHECK_OK;
}

/* Whether the caller does not see all columns and rows of a table. */
bool
sync_is_hidden(Oid root)
{
	return !may_select(root) || check_enable_rls(root, InvalidOid, true) == RLS_ENABLED;
}

/* Errors: 42501 for who does not see all columns and rows of a table. */
void
sync_refuse_hidden(Oid root)
{
	if (!may_select(root))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(root));
	if (check_enable_rls(root, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row-level security hides rows of table \"%s\" from role \"%s\"",
						get_rel_name(root), GetUserNameFromId(GetUserId(), false)),
				 errdetail("A part of a table cannot be told from the whole by who receives it."),
				 errhint("Call this as a role that sees all rows.")));
}

/* Tables that exist, of those on record. */
static List *
existing_tables(void)
{
	List	   *tables = NIL;
	ListCell   *cell;

	foreach(cell, sync_table_list(NULL))
	{
		if (get_rel_name(lfirst_oid(cell)) != NULL)
			tables = lappend_oid(tables, lfirst_oid(cell));
	}
	return tables;
}

/*
 * Tables that count for who may exchange the whole database: those of owners who may make schemas
 * in it, as for a publication.  Anybody else who tracks a table is a guest, who does not keep
 * others from theirs.  If all are guests, all count.
 */
List *
sync_counted_tables(void)
{
	List	   *tables = existing_tables();
	List	   *counted = NIL;
	ListCell   *cell;

	foreach(cell, tables)
	{
		if (vm_may_create_in_database(sync_table_owner(lfirst_oid(cell))))
			counted = lappend_oid(counted, lfirst_oid(cell));
	}
	return counted != NIL ? counted : tables;
}

/*
 * Whether the caller may exchange the whole database: read and write every table that counts;
 * as long as nothing is tracked, who owns it.
 */
bool
sync_may_exchange(void)
{
	List	   *tables = sync_counted_tables();
	ListCell   *cell;

	foreach(cell, tables)
	{
		if (!sync_may_merge(lfirst_oid(cell), GetUserId()))
			return false;
	}
	return tables != NIL || vm_owns_database(GetUserId());
}

/* Whether the caller may merge into some tracked table. */
bool
sync_may_merge_any(void)
{
	ListCell   *cell;

	foreach(cell, existing_tables())
	{
		if (sync_may_merge(lfirst_oid(cell), GetUserId()))
			return true;
	}
	return false;
}

static void
refuse_tables(const char *what, const List *tables)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		Oid			relid = lfirst_oid(cell);

		if (sync_may_merge(relid, GetUserId()))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s", what),
				 pg_class_aclmask(relid, GetUserId(), MERGE_RIGHTS, ACLMASK_ALL) == MERGE_RIGHTS ?
				 errdetail("Row-level security hides rows of tracked table \"%s\" from role \"%s\".",
						   get_rel_name(relid), GetUserNameFromId(GetUserId(), false)) :
				 errdetail("Role \"%s\" may not select, insert, update and delete in tracked table \"%s\".",
						   GetUserNameFromId(GetUserId(), false), get_rel_name(relid))));
	}
}

/*
 * What moves the version of the whole database, or lets things be forgotten, is for who
 * may exchange it.
 *
 * Errors: 42501.
 */
void
sync_check_rights(const char *what)
{
	List	   *tables = sync_counted_tables();

	refuse_tables(what, tables);
	if (tables == NIL && !vm_owns_database(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s", what),
				 errdetail("No table is tracked, and role \"%s\" does not own the database.", GetUserNameFromId(GetUserId(), false))));
}

/*
 * What gives away all that is tracked is for who may read and write all of it, guests' tables too.
 *
 * Errors: 42501.
 */
void
sync_check_all_rights(const char *what)
{
	sync_check_rights(what);
	refuse_tables(what, existing_tables());
}

/*
 * Whether a role has the rights of who owns the database, or the extension: it answers for
 * names that are nobody's, and for what is restored from a dump.
 */
bool
sync_may_administer(Oid role)
{
	return vm_owns_database(role) || vm_owns_extension(get_extension_oid("vecmark", false), role);
}
