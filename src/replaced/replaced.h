/*
 * replaced.h: the row version that an UPDATE is about to replace.
 *
 * An index is told of a new version of a row, and not which one it replaces.  Who knows says so here
 * before it is written, and an index may ask.  It is a hint: a trigger in between may write other rows, and
 * the row may not be written at all.
 */
#ifndef REPLACED_H
#define REPLACED_H

#include "storage/itemptr.h"

extern void replaced_note(Oid relid, const ItemPointerData *tid);
extern bool replaced_get(Oid relid, ItemPointerData *tid);

#endif							/* REPLACED_H */
