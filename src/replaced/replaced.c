/*
 * replaced.c: the row version that an UPDATE is about to replace.
 */
#include "postgres.h"
#include "compat.h"

#include "replaced/replaced.h"

static Oid	last_relid;
static ItemPointerData last_tid;

/* A version of a row of a table is about to be replaced; or with "tid" NULL, a row that has none is written. */
void
replaced_note(Oid relid, const ItemPointerData *tid)
{
	last_relid = tid != NULL ? relid : InvalidOid;
	if (tid != NULL)
		last_tid = *tid;
}

/* The version that was noted last, if it is of this table. */
bool
replaced_get(Oid relid, ItemPointerData *tid)
{
	if (!OidIsValid(relid) || relid != last_relid)
		return false;
	*tid = last_tid;
	return true;
}
