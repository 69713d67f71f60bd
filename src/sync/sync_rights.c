/*
 * sync_rights.c: what a role must be able to do with tracked tables.
 */
#include "postgres.h"
#include "compat.h"

#include "miscadmin.h"
#include "sync/sync_table.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

/* Errors: 42501 for who does not own a table. */
void
sync_check_owner(Oid relid)
{
	if (!vm_owns_table(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
}

/*
 * What moves the version of the whole database, or lets things be forgotten, is for who
 * may read and write all that is tracked; as long as that is nothing, for the database's owner.
 *
 * Errors: 42501.
 */
void
sync_check_rights(const char *what)
{
	ListCell   *cell;
	bool		any = false;

	foreach(cell, sync_table_list(NULL))
	{
		Oid			relid = lfirst_oid(cell);
		AclMode		wanted = ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE;

		if (get_rel_name(relid) == NULL)
			continue;
		any = true;
		if (pg_class_aclmask(relid, GetUserId(), wanted, ACLMASK_ALL) != wanted)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for %s", what),
					 errdetail("Role \"%s\" may not select, insert, update and delete in tracked table \"%s\".",
							   GetUserNameFromId(GetUserId(), false), get_rel_name(relid))));
		if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for %s", what),
					 errdetail("Row-level security hides rows of tracked table \"%s\" from role \"%s\".",
							   get_rel_name(relid), GetUserNameFromId(GetUserId(), false))));
	}
	if (!any && !vm_owns_database(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s", what),
				 errdetail("No table is tracked, and role \"%s\" does not own the database.", GetUserNameFromId(GetUserId(), false))));
}
