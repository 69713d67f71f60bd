/*
 * stamp.h: when a value was written, and by which transaction of which site.
 */
#ifndef CRDT_STAMP_H
#define CRDT_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An incarnation: one life of one database, by a random number.  Zero is none.
 */
typedef uint64_t Site;

/*
 * "time" is a hybrid logical clock: milliseconds since 1970 in the upper 48 bits,
 * and a count in the lower 16.  "txn" is the full transaction id of the writer.
 *
 * Two uses, never mixed: (time, site) decides who wins; the dot (site, txn) says what
 * has been delivered.  On a row, stamps of one site grow with its history.
 */
typedef struct Stamp
{
	uint64_t	time;
	Site		site;
	uint64_t	txn;
} Stamp;

/* The total order of stamps: time, then site; txn only tells unlike ones apart. */
static inline int
stamp_compare(const Stamp *a, const Stamp *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->site != b->site)
		return a->site < b->site ? -1 : 1;
	return a->txn < b->txn ? -1 : a->txn > b->txn;
}

static inline bool
stamp_equal(const Stamp *a, const Stamp *b)
{
	return a->time == b->time && a->site == b->site && a->txn == b->txn;
}

#endif							/* CRDT_STAMP_H */
