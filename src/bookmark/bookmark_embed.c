/*
 * bookmark_embed.c: the default embedder as an SQL function.
 */
#include "postgres.h"
#include "compat.h"

#include "bookmark/bookmark_glue.h"
#include "bookmark/embed.h"
#include "utils/builtins.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(vecmark_embed);

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
