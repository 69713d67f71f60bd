/*
 * bookmark_embed.c: the default embedder as an SQL function, and others' embedders for who searches.
 */
#include "postgres.h"
#include "compat.h"

#include "bookmark/bookmark_glue.h"
#include "bookmark/embed.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(vecmark_embed);
VM_FUNCTION_INFO(vecmark_embed_as_owner);

StaticAssertDecl(EMBED_MAX_DIMENSIONS == VECTOR_MAX_DIM, "a vector holds every embedding");

/*
 * SQL: vecmark.embed(source text, dimensions integer) -> vector.
 *
 * Errors: 22023 when dimensions is not 1 to VECTOR_MAX_DIM.
 */
Datum
vecmark_embed(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	int32		dimensions = PG_GETARG_INT32(1);
	const char *utf8;
	size_t		length;
	EmbedScratch scratch;
	Vector	   *result;

	if (dimensions < 1 || dimensions > VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions must be from 1 to %d, not %d", VECTOR_MAX_DIM, dimensions)));

	utf8 = bookmark_utf8(source, &length);
	result = vector_make(dimensions);
	embed_begin(&scratch, bookmark_reallocate, CurrentMemoryContext);
	if (!embed_text(&scratch, utf8, length, result->x, dimensions))
		elog(ERROR, "unexpected lack of memory in embed_text");
	embed_end(&scratch);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: vecmark_internal.embed_as_owner(source regclass, words text) -> vector: words through the
 * embedder of a bookmarks table, as its owner in a security-restricted context: who searches in it
 * does not run code of his.
 *
 * Errors: 42501 for who may not read anything of the table; what the embedder raises.
 */
Datum
vecmark_embed_as_owner(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Oid			types[2] = {REGCLASSOID, TEXTOID};
	Datum		values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	MemoryContext context = CurrentMemoryContext;
	Oid			owner;
	Oid			user;
	int			security;
	int			level;
	Datum		result;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(relid));
	GetUserIdAndSecContext(&user, &security);
	level = NewGUCNestLevel();
	if (owner != user)
		SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	if (SPI_execute_with_args("SELECT vecmark_internal.bookmark_embed(vecmark_internal.bookmark_settings($1), $2)", 2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "cannot call the embedder of table \"%s\"", get_rel_name(relid));
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		result = datumCopy(result, false, -1);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
