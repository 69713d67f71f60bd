/*
 * bookmark_glue.c: texts and memory of the server for the room's pure C files.
 */
#include "postgres.h"
#include "compat.h"

#include "bookmark/bookmark_glue.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

/*
 * A text as UTF-8, whatever the encoding of the database, and its length in
 * bytes.  Points into the text, or to a copy in the current memory context.
 */
const char *
bookmark_utf8(text *source, size_t *length)
{
	char	   *data = VARDATA_ANY(source);
	char	   *utf8 = pg_server_to_any(data, VARSIZE_ANY_EXHDR(source), PG_UTF8);

	*length = (utf8 == data) ? VARSIZE_ANY_EXHDR(source) : strlen(utf8);
	return utf8;
}

/*
 * EmbedRealloc and NetscapeRealloc in a memory context, which is the context
 * of the call.  Raises an error when there is no memory.
 */
void *
bookmark_reallocate(void *context, void *pointer, size_t size)
{
	if (size == 0)
	{
		if (pointer != NULL)
			pfree(pointer);
		return NULL;
	}
	if (pointer == NULL)
		return MemoryContextAllocHuge((MemoryContext) context, size);
	return repalloc_huge(pointer, size);
}
