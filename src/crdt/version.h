/*
 * version.h: which transactions of which sites a state holds.
 *
 * Pure C: it knows no PostgreSQL.
 */
#ifndef CRDT_VERSION_H
#define CRDT_VERSION_H

#include "crdt/stamp.h"

/* Transactions from <= txn < to.  So UINT64_MAX is in none. */
typedef struct TxnRange
{
	uint64_t	from;
	uint64_t	to;
} TxnRange;

/*
 * A site, not zero, and its transactions: ranges ascending, none empty, none touching the next.
 * A snapshot gives one range more than it has holes.
 */
typedef struct SiteTxns
{
	Site		site;
	int			count;			/* at least 1 */
	TxnRange   *ranges;
} SiteTxns;

/* A version vector: ascending by site.  Sites that it says nothing of are not in it. */
typedef struct Version
{
	int			count;
	SiteTxns   *sites;
} Version;

typedef enum VersionOrder
{
	VERSION_EQUAL,
	VERSION_BEFORE,
	VERSION_AFTER,
	VERSION_CONCURRENT,
} VersionOrder;

/*
 * Who asks for changes may add questions to his version: what looks like a site is the number of a
 * table that is to be told whole, what looks like a transaction, from this on, the number of
 * the question.  No transaction has such a number.
 */
#define VERSION_QUESTION (UINT64_C(1) << 63)

/*
 * Results share no memory with arguments.  Each is canonical: equal sets of dots give
 * equal bytes.  Of site zero, and of transaction UINT64_MAX, there is nothing.
 * version_compare(a, b) is VERSION_AFTER if a holds all of b and more.
 */
extern bool version_covers(const Version *version, Site site, uint64_t txn);
extern const SiteTxns *version_find(const Version *version, Site site);
extern bool version_dominates(const Version *a, const Version *b);
extern VersionOrder version_compare(const Version *a, const Version *b);
extern Version *version_union(const Version *a, const Version *b);
extern Version *version_minus(const Version *a, const Version *b);
extern Version *version_intersect(const Version *a, const Version *b);
extern Version *version_xor(const Version *a, const Version *b);
extern Version *version_of_dot(Site site, uint64_t txn);

/* What of a version is transactions, and what questions. */
extern Version *version_transactions(const Version *version);
extern Version *version_questions(const Version *version);

/*
 * From ranges of one site in any order, overlapping or not; empty ones are passed over.
 * The array is sorted in place.
 */
extern Version *version_of_ranges(Site site, TxnRange *ranges, int count);

/*
 * Bytes: number of sites; of each, its number in 8 bytes (little endian), the number of
 * ranges, and of each range the distance from the end of the last one and its length
 * (varints).  Decoding checks everything before allocating by it, refuses what is not
 * canonical, and says in *error what is wrong.  It must use up "size" bytes.
 */
extern size_t version_encoded_size(const Version *version);
extern uint8_t *version_encode(const Version *version, uint8_t *out);
extern Version *version_decode(const uint8_t *bytes, size_t size, const char **error);

/*
 * Text: "{00c0ffee00c0ffee: 0-811 813, 0badcafe0badcafe: 0-4}"; both ends of a range
 * are part of it.  Reading allows spaces between tokens, digits of sites in either case,
 * any order of sites and ranges, ranges that overlap, and sites more than once.
 */
extern char *version_print(const Version *version);
extern Version *version_parse(const char *text, const char **error);

#endif							/* CRDT_VERSION_H */
