/*
 * bookmark_glue.h: what the SQL functions over the room's pure C files share.
 */
#ifndef VECMARK_BOOKMARK_GLUE_H
#define VECMARK_BOOKMARK_GLUE_H

extern const char *bookmark_utf8(struct varlena *source, size_t *length);
extern void *bookmark_reallocate(void *context, void *pointer, size_t size);

#endif							/* VECMARK_BOOKMARK_GLUE_H */
