/*
 * embed.c: the default embedder; embed.h says what it is good for.
 *
 * The text is cut into words, and each word into overlapping pieces.  Every
 * word and piece is a feature.  A hash of the feature picks one coordinate
 * and a sign, and the feature's weight is added there: "feature hashing",
 * which keeps inner products as they were, but for the noise of collisions.
 *
 * Weights and sums are integers, so that the order of addition, the compiler
 * and the CPU do not matter.  What remains at the end is one square root, one
 * division, and a product for each coordinate, of doubles; none of these can be
 * fused with an addition.
 */
#include "bookmark/embed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bookmark/utf8.h"

/* Words longer than this, in code points, count as several. */
#define WORD_MAX 40

/* Pieces of a word, in code points, its two boundary marks included. */
#define PIECE_MIN 3
#define PIECE_MAX 4

/*
 * Weights, found by search among 20,000 one-line package descriptions at 384
 * dimensions.  The yardstick is pieces of 3 to 5 letters that together weigh
 * what the word weighs.  Three words of a description, one misspelt, put it
 * first for 75 queries in 100, not 64; three right words for 82, not 83; one
 * misspelt word finds the right one first, among 1,000, for 55, not 5.  Two
 * coordinates for each feature and pairs of words did not help; pieces of 2
 * letters did, but made unrelated texts alike.
 */
#define WEIGHT_WORD 500
#define WEIGHT_CHARACTER 500
#define WEIGHT_PAIR 1000
#define STOP_WORD_DIVISOR 10

/* Occurrences of a feature beyond these are not counted. */
#define COUNT_MAX 65535

/* Kinds of features, which their hashes keep apart. */
#define SEED_WORD ((uint64_t) EMBED_VERSION << 8 | 'w')
#define SEED_PIECE ((uint64_t) EMBED_VERSION << 8 | 'g')
#define SEED_CHARACTER ((uint64_t) EMBED_VERSION << 8 | 'c')
#define SEED_PAIR ((uint64_t) EMBED_VERSION << 8 | 'p')

#define FIRST_FEATURES 512
#define FIRST_SLOT_BITS 10

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

struct EmbedFeature
{
	uint64_t	hash;
	uint32_t	count;			/* at most COUNT_MAX */
	uint32_t	weight;			/* sum over those */
};

/* How a code point takes part in the text. */
typedef enum EmbedClass
{
	CLASS_SEPARATOR,
	CLASS_IGNORED,				/* nothing, not even a separator */
	CLASS_WORD,
	CLASS_CHARACTER				/* counts by itself and with its neighbour */
} EmbedClass;

/* The word being read, between its boundary marks, and what came before it. */
typedef struct EmbedWord
{
	EmbedScratch *scratch;
	char		text[(WORD_MAX + 2) * UTF8_MAX_BYTES];
	uint16_t	start[WORD_MAX + 3];	/* of each code point, and the end */
	int			length;			/* code points, with the first mark */
	char		pair[2 * UTF8_MAX_BYTES];	/* the last two characters */
	int			previous_length;	/* bytes of the first, 0 if none */
} EmbedWord;

/*
 * Weight of a piece of a word of so many code points with its marks:
 * 1024 * pieces ^ -0.3.  The exponent -0.5 would make all words equal, 0 all
 * pieces; see the weights above.
 */
static const uint16_t piece_weight[WORD_MAX + 3] = {
	0, 0, 0, 1024, 736, 632, 571, 530, 499, 474, 454, 438,
	423, 411, 400, 390, 381, 373, 366, 359, 352, 347, 341, 336,
	331, 327, 323, 319, 315, 311, 308, 304, 301, 298, 295, 293,
	290, 288, 285, 283, 280, 278, 276,
};

/* 256 * (1 + ln(count)), and no more from the last on. */
static const uint16_t count_factor[65] = {
	0, 256, 433, 537, 611, 668, 715, 754, 788, 818, 845, 870, 892,
	913, 932, 949, 966, 981, 996, 1010, 1023, 1035, 1047, 1059, 1070, 1080,
	1090, 1100, 1109, 1118, 1127, 1135, 1143, 1151, 1159, 1166, 1173, 1180, 1187,
	1194, 1200, 1207, 1213, 1219, 1225, 1231, 1236, 1242, 1247, 1252, 1257, 1263,
	1268, 1272, 1277, 1282, 1286, 1291, 1295, 1300, 1304, 1308, 1313, 1317, 1321,
};

/*
 * Base letters of U+00C0 to U+024F and of U+1E00 to U+1EFF: - is a separator,
 * ? a letter that stays, and capitals are the letters below that become two.
 */
static const char latin_base[] =
"aaaaaaAceeeeiiiidnooooo-ouuuuyTSaaaaaaAceeeeiiiidnooooo-ouuuuyTy"
"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiIIjjkkklllllll"
"lllnnnnnnnnnooooooOOrrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
"????????????????????????????????oo?????????????uu???????????????"
"?????????????aaiioouuuuuuuuuu?aaaaAA??ggkkoooo??j???gg??nnaaAAoo"
"aaaaeeeeiiiioooorrrruuuusstt??hh??????aaeeooooooooyy????????????"
"????????????????";

static const char latin_additional_base[] =
"aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm"
"mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv"
"wwwwwwwwwwxxxxyyzzzzzzhtwyasssSdaaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
"eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyyllvvyy";

static const char latin_pairs[][3] = {
	{'A', 'a', 'e'}, {'I', 'i', 'j'}, {'O', 'o', 'e'}, {'S', 's', 's'},
	{'T', 't', 'h'},
};

/* What U+0386 to U+03CE fold to, in U+0300 to U+03FF. */
static const unsigned char greek_base[] = {
	0xb1, 0x87, 0xb5, 0xb7, 0xb9, 0x8b, 0xbf, 0x8d, 0xc5, 0xc9, 0xb9, 0xb1,
	0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd,
	0xbe, 0xbf, 0xc0, 0xc1, 0xa2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9,
	0xb9, 0xc5, 0xb1, 0xb5, 0xb7, 0xb9, 0xc5, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5,
	0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1,
	0xc3, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xb9, 0xc5, 0xbf, 0xc5,
	0xc9,
};

/* What U+0400 to U+045F fold to, in U+0400 to U+04FF. */
static const unsigned char cyrillic_base[] = {
	0x35, 0x35, 0x52, 0x33, 0x54, 0x55, 0x56, 0x56, 0x58, 0x59, 0x5a, 0x5b,
	0x3a, 0x38, 0x43, 0x5f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37,
	0x38, 0x38, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43,
	0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f,
	0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x38, 0x3a, 0x3b,
	0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
	0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x35, 0x35, 0x52, 0x33,
	0x54, 0x55, 0x56, 0x56, 0x58, 0x59, 0x5a, 0x5b, 0x3a, 0x38, 0x43, 0x5f,
};

/* Words that say little, in byte order. */
static const char stop_words[][8] = {
	"a", "about", "all", "also", "an", "and", "any", "are", "as", "at", "be",
	"been", "but", "by", "can", "das", "de", "der", "des", "did", "die", "do",
	"does", "du", "ein", "eine", "el", "en", "et", "for", "from", "get",
	"had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into",
	"is", "it", "its", "just", "la", "las", "le", "les", "los", "me", "more",
	"my", "no", "not", "of", "on", "or", "our", "s", "she", "so", "some", "t",
	"than", "that", "the", "their", "them", "then", "there", "they", "this",
	"to", "un", "und", "une", "up", "us", "was", "we", "were", "what", "when",
	"which", "who", "why", "will", "with", "would", "y", "you", "your",
};

typedef struct CodeRange
{
	uint32_t	first;
	uint32_t	last;
	EmbedClass	class;
} CodeRange;

/* Code points from U+0250 on that are not simply part of a word, in order. */
static const CodeRange code_ranges[] = {
	{0x0300, 0x036f, CLASS_IGNORED},	/* combining accents */
	{0x037e, 0x037e, CLASS_SEPARATOR},
	{0x0387, 0x0387, CLASS_SEPARATOR},
	{0x2000, 0x200b, CLASS_SEPARATOR},
	{0x200c, 0x200d, CLASS_IGNORED},	/* joiners */
	{0x200e, 0x205f, CLASS_SEPARATOR},
	{0x2060, 0x2060, CLASS_IGNORED},	/* word joiner */
	{0x2061, 0x206f, CLASS_SEPARATOR},
	{0x2190, 0x2bff, CLASS_CHARACTER},	/* symbols */
	{0x3000, 0x303f, CLASS_SEPARATOR},
	{0x3040, 0x30fa, CLASS_CHARACTER},	/* kana */
	{0x30fb, 0x30fb, CLASS_SEPARATOR},
	{0x30fc, 0x30ff, CLASS_CHARACTER},
	{0x3400, 0x9fff, CLASS_CHARACTER},	/* Han */
	{0xac00, 0xd7af, CLASS_CHARACTER},	/* Hangul */
	{0xf900, 0xfaff, CLASS_CHARACTER},	/* Han */
	{0xfe00, 0xfe0f, CLASS_IGNORED},	/* variation selectors */
	{0xfeff, 0xfeff, CLASS_IGNORED},	/* byte order mark */
	{0xff5f, 0xff65, CLASS_SEPARATOR},	/* half-width punctuation */
	{0xff66, 0xff9f, CLASS_CHARACTER},	/* half-width kana */
	{0xfff0, 0xffff, CLASS_SEPARATOR},	/* replacement character */
	{0x1f000, 0x1f3fa, CLASS_CHARACTER},	/* emoji */
	{0x1f3fb, 0x1f3ff, CLASS_IGNORED},	/* skin tones */
	{0x1f400, 0x1faff, CLASS_CHARACTER},
	{0x20000, 0x3ffff, CLASS_CHARACTER},	/* Han */
	{0xe0000, 0xe0fff, CLASS_IGNORED},	/* tags */
};

/* Features. */

/* Grow a block to so many elements.  False if there is no memory. */
static bool
grow(EmbedScratch *scratch, void **block, uint32_t *size, uint32_t count,
	 size_t element)
{
	void	   *grown;

	if (count <= *size)
		return true;
	grown = scratch->reallocate(scratch->context, *block, count * element);
	if (grown == NULL)
		return false;
	*block = grown;
	*size = count;
	return true;
}

/*
 * The slot where a feature is looked for first.  The salt keeps a text that
 * was made to fill neighbouring slots from taking quadratic time.
 */
static inline uint32_t
first_slot(const EmbedScratch *scratch, uint64_t hash)
{
	return (uint32_t) (hash * scratch->salt >> (64 - scratch->slot_bits));
}

/* Use 2^bits slots, and enter all features anew. */
static bool
set_slots(EmbedScratch *scratch, uint32_t bits)
{
	uint32_t	count = UINT32_C(1) << bits;
	void	   *slots = scratch->slots;
	bool		grown = grow(scratch, &slots, &scratch->slot_size, count,
							 sizeof(uint32_t));

	scratch->slots = slots;
	if (!grown)
		return false;
	scratch->slot_bits = bits;
	memset(scratch->slots, 0, count * sizeof(uint32_t));
	for (uint32_t i = 0; i < scratch->feature_count; i++)
	{
		uint32_t	slot = first_slot(scratch, scratch->features[i].hash);

		while (scratch->slots[slot] != 0)
			slot = (slot + 1) & (count - 1);
		scratch->slots[slot] = i + 1;
	}
	return true;
}

static bool
set_features(EmbedScratch *scratch, uint32_t count)
{
	void	   *features = scratch->features;
	bool		grown = grow(scratch, &features, &scratch->feature_size, count,
							 sizeof(EmbedFeature));

	scratch->features = features;
	return grown;
}

typedef enum EmbedStatus
{
	EMBED_OK,
	EMBED_FULL,					/* no more features are taken */
	EMBED_NO_MEMORY
} EmbedStatus;

/* Out of line: it is large, and lengths are not known where it is called. */
__attribute__((noinline))
static uint64_t
hash_feature(const char *bytes, size_t length, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, length, seed);
}

/* Count a feature once more. */
static EmbedStatus
add_feature(EmbedScratch *scratch, uint64_t hash, uint32_t weight)
{
	uint32_t	mask = (UINT32_C(1) << scratch->slot_bits) - 1;
	uint32_t	slot = first_slot(scratch, hash);
	EmbedFeature *feature;

	for (; scratch->slots[slot] != 0; slot = (slot + 1) & mask)
	{
		feature = &scratch->features[scratch->slots[slot] - 1];
		if (feature->hash == hash)
		{
			if (feature->count < COUNT_MAX)
			{
				feature->count++;
				feature->weight += weight;
			}
			return EMBED_OK;
		}
	}

	if (scratch->feature_count == EMBED_MAX_FEATURES)
		return EMBED_FULL;
	if (scratch->feature_count == scratch->feature_size &&
		!set_features(scratch, scratch->feature_size * 2))
		return EMBED_NO_MEMORY;
	feature = &scratch->features[scratch->feature_count++];
	feature->hash = hash;
	feature->count = 1;
	feature->weight = weight;
	scratch->slots[slot] = scratch->feature_count;
	if (scratch->feature_count > (mask + 1) / 2 &&
		!set_slots(scratch, scratch->slot_bits + 1))
		return EMBED_NO_MEMORY;
	return EMBED_OK;
}

/* Words. */

static bool
is_stop_word(const char *word, size_t length)
{
	size_t		low = 0;
	size_t		high = LENGTH_OF(stop_words);

	if (length >= sizeof(stop_words[0]))
		return false;
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		int			order = memcmp(word, stop_words[middle], length);

		if (order == 0 && stop_words[middle][length] != '\0')
			order = -1;
		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static void
append_code(EmbedWord *word, uint32_t code)
{
	uint16_t	start = word->start[word->length];

	start += (uint16_t) utf8_encode(code, word->text + start);
	word->start[++word->length] = start;
}

static void
begin_word(EmbedWord *word)
{
	word->length = 0;
	word->start[0] = 0;
	append_code(word, '<');
}

/* Count the word that was read, if any, and begin the next. */
static EmbedStatus
end_word(EmbedWord *word)
{
	const char *text = word->text;
	uint32_t	weight = WEIGHT_WORD;
	uint32_t	weight_piece;
	uint64_t	hash;
	EmbedStatus status;

	if (word->length == 1)
		return EMBED_OK;
	append_code(word, '>');
	weight_piece = piece_weight[word->length];
	if (is_stop_word(text + 1, word->start[word->length] - 2))
	{
		weight /= STOP_WORD_DIVISOR;
		weight_piece /= STOP_WORD_DIVISOR;
	}

	hash = hash_feature(text, word->start[word->length], SEED_WORD);
	status = add_feature(word->scratch, hash, weight);
	for (int size = PIECE_MIN; size <= PIECE_MAX; size++)
	{
		for (int i = 0; i + size <= word->length && status == EMBED_OK; i++)
		{
			hash = hash_feature(text + word->start[i],
								word->start[i + size] - word->start[i],
								SEED_PIECE);
			status = add_feature(word->scratch, hash, weight_piece);
		}
	}
	begin_word(word);
	return status;
}

/* Count a character that is not part of a word, and it with the one before. */
static EmbedStatus
add_character(EmbedWord *word, uint32_t code)
{
	char	   *character = word->pair + word->previous_length;
	int			length = utf8_encode(code, character);
	uint64_t	hash = hash_feature(character, length, SEED_CHARACTER);
	EmbedStatus status = add_feature(word->scratch, hash, WEIGHT_CHARACTER);

	if (status == EMBED_OK && word->previous_length > 0)
	{
		hash = hash_feature(word->pair, word->previous_length + length,
							SEED_PAIR);
		status = add_feature(word->scratch, hash, WEIGHT_PAIR);
	}
	memmove(word->pair, character, length);
	word->previous_length = length;
	return status;
}

/*
 * Class of a code point and, if it is part of a word, the one or two code
 * points it folds to; the second is 0 if there is one only.
 */
static EmbedClass
fold_code(uint32_t code, uint32_t folded[2])
{
	size_t		low = 0;
	size_t		high = LENGTH_OF(code_ranges);
	char		base = '?';

	folded[0] = code;
	folded[1] = 0;
	if (code >= 0xff01 && code <= 0xff5e)	/* full-width ASCII */
		folded[0] = code = code - 0xff01 + '!';
	if (code < 0x80)
	{
		if (code >= 'A' && code <= 'Z')
			folded[0] = code - 'A' + 'a';
		else if (!((code >= 'a' && code <= 'z') || (code >= '0' && code <= '9')))
			return CLASS_SEPARATOR;
		return CLASS_WORD;
	}
	if (code < 0xc0)
		return code == 0xad ? CLASS_IGNORED : CLASS_SEPARATOR;

	if (code < 0x250)
		base = latin_base[code - 0xc0];
	else if (code >= 0x1e00 && code < 0x1f00)
		base = latin_additional_base[code - 0x1e00];
	if (base == '-')
		return CLASS_SEPARATOR;
	if (base >= 'a' && base <= 'z')
		folded[0] = base;
	for (size_t i = 0; base >= 'A' && base <= 'Z' && i < LENGTH_OF(latin_pairs); i++)
	{
		if (latin_pairs[i][0] == base)
		{
			folded[0] = latin_pairs[i][1];
			folded[1] = latin_pairs[i][2];
		}
	}
	if (code < 0x250 || base != '?')
		return CLASS_WORD;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (code < code_ranges[middle].first)
			high = middle;
		else if (code > code_ranges[middle].last)
			low = middle + 1;
		else
			return code_ranges[middle].class;
	}
	if (code >= 0x386 && code < 0x386 + sizeof(greek_base))
		folded[0] = 0x300 + greek_base[code - 0x386];
	else if (code >= 0x400 && code < 0x400 + sizeof(cyrillic_base))
		folded[0] = 0x400 + cyrillic_base[code - 0x400];
	else if ((code >= 0x460 && code < 0x482) || (code >= 0x48a && code < 0x4c0) ||
			 (code >= 0x4d0 && code < 0x530))
		folded[0] = code | 1;
	else if (code >= 0x4c1 && code < 0x4cf)
		folded[0] = (code + 1) & ~UINT32_C(1);
	else if (code == 0x4c0)
		folded[0] = 0x4cf;
	return CLASS_WORD;
}

/* Count all features of a text. */
static EmbedStatus
add_text(EmbedScratch *scratch, const unsigned char *p, const unsigned char *end)
{
	EmbedWord	word;
	EmbedStatus status = EMBED_OK;

	word.scratch = scratch;
	word.previous_length = 0;
	begin_word(&word);
	while (p < end && status == EMBED_OK)
	{
		uint32_t	code;
		uint32_t	folded[2];
		int			length = utf8_decode(p, end, &code);
		EmbedClass	class = length > 0 ? fold_code(code, folded) : CLASS_SEPARATOR;

		p += length > 0 ? length : 1;
		if (class == CLASS_IGNORED)
			continue;
		if (class != CLASS_CHARACTER)
			word.previous_length = 0;
		if (class != CLASS_WORD ||
			word.length + (folded[1] != 0) > WORD_MAX)
			status = end_word(&word);
		if (status != EMBED_OK)
			break;
		if (class == CLASS_WORD)
		{
			append_code(&word, folded[0]);
			if (folded[1] != 0)
				append_code(&word, folded[1]);
		}
		else if (class == CLASS_CHARACTER)
			status = add_character(&word, code);
	}
	return status == EMBED_OK ? end_word(&word) : status;
}

/* The coordinate of a feature: the high half of its hash scaled down. */
static inline uint32_t
coordinate(const EmbedFeature *feature, uint32_t dimensions)
{
	return (uint32_t) ((feature->hash >> 32) * dimensions >> 32);
}

/*
 * Add up the features at their coordinates.  The lowest bit of the hash is
 * the sign.  A sum is below 65,536 features * 1,024 * 1,321.
 */
static void
add_up(const EmbedScratch *scratch, uint32_t dimensions)
{
	int64_t    *sums = scratch->sums;

	memset(sums, 0, dimensions * sizeof(int64_t));
	for (uint32_t i = 0; i < scratch->feature_count; i++)
	{
		const EmbedFeature *feature = &scratch->features[i];
		uint32_t	count = feature->count;
		int64_t		value = feature->weight / count;

		if (count >= LENGTH_OF(count_factor))
			count = LENGTH_OF(count_factor) - 1;
		value *= count_factor[count];
		if (feature->hash & 1)
			value = -value;
		sums[coordinate(feature, dimensions)] += value;
	}
}

/* Scale the sums to length 1. */
static void
normalise(const EmbedScratch *scratch, float *out, uint32_t dimensions)
{
	int64_t    *sums = scratch->sums;
	int64_t		divisor = 1;
	int64_t		largest = 0;
	int64_t		square = 0;
	double		scale;

	for (uint32_t i = 0; i < dimensions; i++)
	{
		if (llabs(sums[i]) > largest)
			largest = llabs(sums[i]);
	}
	if (largest == 0)
	{
		/* either there is no feature, or they cancel out */
		memset(out, 0, dimensions * sizeof(float));
		if (scratch->feature_count > 0)
			out[coordinate(&scratch->features[0], dimensions)] = 1.0f;
		return;
	}

	/* 24 bits are as many as a float has, and 16,000 squares fit */
	while (largest / divisor >= INT64_C(1) << 24)
		divisor *= 2;
	for (uint32_t i = 0; divisor > 1 && i < dimensions; i++)
		sums[i] /= divisor;
	for (uint32_t i = 0; i < dimensions; i++)
		square += sums[i] * sums[i];
	scale = 1.0 / sqrt((double) square);
	for (uint32_t i = 0; i < dimensions; i++)
		out[i] = (float) ((double) sums[i] * scale);
}

/* Contract in embed.h. */
void
embed_begin(EmbedScratch *scratch, EmbedRealloc reallocate, void *context)
{
	memset(scratch, 0, sizeof(*scratch));
	scratch->reallocate = reallocate;
	scratch->context = context;

	/* an address is hard to guess, and the salt leaves the result as it is */
	scratch->salt = (uintptr_t) scratch * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

/* Contract in embed.h. */
bool
embed_text(EmbedScratch *scratch, const char *utf8, size_t length,
		   float *out, int dimensions)
{
	const unsigned char *text = (const unsigned char *) utf8;
	void	   *sums = scratch->sums;
	bool		grown = grow(scratch, &sums, &scratch->sum_size, dimensions,
							 sizeof(int64_t));

	scratch->sums = sums;
	scratch->feature_count = 0;
	if (!grown || !set_features(scratch, FIRST_FEATURES) ||
		!set_slots(scratch, FIRST_SLOT_BITS) ||
		add_text(scratch, text, text + length) == EMBED_NO_MEMORY)
		return false;
	add_up(scratch, dimensions);
	normalise(scratch, out, dimensions);
	return true;
}

/* Contract in embed.h. */
void
embed_end(EmbedScratch *scratch)
{
	if (scratch->features != NULL)
		scratch->reallocate(scratch->context, scratch->features, 0);
	if (scratch->slots != NULL)
		scratch->reallocate(scratch->context, scratch->slots, 0);
	if (scratch->sums != NULL)
		scratch->reallocate(scratch->context, scratch->sums, 0);
	embed_begin(scratch, scratch->reallocate, scratch->context);
}
