/* embed.h: the default embedder, which turns text into a vector by hashing its words and letters. */
#ifndef VECMARK_EMBED_H
#define VECMARK_EMBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Number of the embedding.  Vectors of different versions do not compare, so
 * any change to a single output bit raises it.
 */
#define EMBED_VERSION 1

/* Most dimensions embed_text() accepts. */
#define EMBED_MAX_DIMENSIONS 16000

/* Most distinct features of one text; what follows in the text is ignored. */
#define EMBED_MAX_FEATURES 65536

/*
 * How scratch memory is obtained.  pointer is NULL or from an earlier call;
 * size 0 frees it.  Returns NULL if there is no memory, or does not return.
 */
typedef void *(*EmbedRealloc) (void *context, void *pointer, size_t size);

typedef struct EmbedFeature EmbedFeature;

/*
 * Memory that calls of embed_text() share, at most about 2 MB.  Callers own
 * the struct and look at nothing in it.
 */
typedef struct EmbedScratch
{
	EmbedRealloc reallocate;
	void	   *context;
	EmbedFeature *features;		/* in order of first appearance */
	uint32_t	feature_count;
	uint32_t	feature_size;
	uint32_t   *slots;			/* hash table of feature numbers plus one */
	uint32_t	slot_bits;		/* logarithm of the slots in use for this text */
	uint32_t	slot_size;
	uint64_t	salt;			/* picks the slots, odd */
	int64_t    *sums;			/* one for each dimension */
	uint32_t	sum_size;
} EmbedScratch;

/* Set up scratch memory.  Allocates nothing yet. */
extern void embed_begin(EmbedScratch *scratch,
						EmbedRealloc reallocate, void *context);

/*
 * Embed a text: write dimensions floats to out, a vector of length 1, or all
 * zero if the text has no word.  dimensions is 1 to EMBED_MAX_DIMENSIONS.
 * False, with out unspecified, if memory ran out; the scratch stays usable.
 *
 * Words are runs of letters and digits, case and Latin accents folded, and
 * each counts as itself and as its pieces of 3 and 4 letters, so that texts
 * are near when they share words, stems or most of a misspelt word.  Meaning
 * beyond spelling is not seen.  Chinese, Japanese and Korean count by
 * characters and pairs of characters.  Bytes that are not UTF-8 separate
 * words.
 *
 * The same text gives the same bits on every machine, compiler and locale:
 * sums are of integers, and the few operations on doubles are those IEEE 754
 * defines.  (On 32-bit x86 that takes -mfpmath=sse.)
 */
extern bool embed_text(EmbedScratch *scratch, const char *utf8, size_t length,
					   float *out, int dimensions);

/* Free what the scratch holds.  It may then begin anew. */
extern void embed_end(EmbedScratch *scratch);

#endif							/* VECMARK_EMBED_H */
