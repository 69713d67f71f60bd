/*
 * bookmark_embed.c: the default embedder as an SQL function.
 */
#include "postgres.h"
#include "compat.h"

#include "bookmark/embed.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(vecmark_embed);

StaticAssertDecl(EMBED_MAX_DIMENSIONS == VECTOR_MAX_DIM, "a vector holds every embedding");

/* EmbedRealloc in the current memory context; raises when there is none. */
static void *
embed_realloc(void *context, void *pointer, size_t size)
{
	if (size == 0)
	{
		if (pointer != NULL)
			pfree(pointer);
		return NULL;
	}
	return pointer == NULL ? palloc(size) : repalloc(pointer, size);
}

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
	char	   *utf8;
	size_t		length = VARSIZE_ANY_EXHDR(source);
	EmbedScratch scratch;
	Vector	   *result;

	if (dimensions < 1 || dimensions > VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions must be from 1 to %d, not %d", VECTOR_MAX_DIM, dimensions)));

	utf8 = pg_server_to_any(VARDATA_ANY(source), (int) length, PG_UTF8);
	if (utf8 != VARDATA_ANY(source))
		length = strlen(utf8);

	result = vector_make(dimensions);
	embed_begin(&scratch, embed_realloc, NULL);
	if (!embed_text(&scratch, utf8, length, result->x, dimensions))
		elog(ERROR, "unexpected lack of memory in embed_text");
	embed_end(&scratch);
	PG_RETURN_VECTOR_P(result);
}
