/* embed_test.c: what the embedder finds equal, near and far, and that its bits never change. */
/* sources: src/bookmark/embed.c */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bookmark/embed.h"
#include "bookmark/utf8.h"
#include "counted_memory.h"
#include "tap.h"

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

#define DIMENSIONS 384

static Memory memory = {-1, 0, 0, 0};
static EmbedScratch scratch;

static void
embed_bytes(const char *text, size_t length, float *out, int dimensions)
{
	/* without a terminator to read by mistake */
	char	   *copy = malloc(length > 0 ? length : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, text, length);
	if (!embed_text(&scratch, copy, length, out, dimensions))
		abort();
	free(copy);
}

static void
embed(const char *text, float *out)
{
	embed_bytes(text, strlen(text), out, DIMENSIONS);
}

static double
cosine(const char *a, const char *b)
{
	float		x[DIMENSIONS];
	float		y[DIMENSIONS];
	double		sum = 0;

	embed(a, x);
	embed(b, y);
	for (int i = 0; i < DIMENSIONS; i++)
		sum += (double) x[i] * y[i];
	return sum;
}

static bool
same(const char *a, const char *b)
{
	float		x[DIMENSIONS];
	float		y[DIMENSIONS];

	embed(a, x);
	embed(b, y);
	return memcmp(x, y, sizeof(x)) == 0;
}

static double
norm(const float *x, int dimensions)
{
	double		sum = 0;

	for (int i = 0; i < dimensions; i++)
		sum += (double) x[i] * x[i];
	return sqrt(sum);
}

/* A number that every bit of a vector takes part in, on any byte order. */
static uint64_t
fingerprint(const float *x, int dimensions)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < dimensions; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &x[i], sizeof(bits));
		hash = (hash ^ bits) * UINT64_C(0x100000001b3);
	}
	return hash;
}

/* Vectors of version 1.  A change here is a new EMBED_VERSION. */
static const struct
{
	const char *text;
	int			dimensions;
	uint64_t	fingerprint;
}			pins[] = {
	{"PostgreSQL: The World's Most Advanced Open Source Relational Database", 384, UINT64_C(0x1850ca97f762e656)},
	{"the the the vector vector database", 100, UINT64_C(0x34d61778d50d6109)},
	{"Stra\xc3\x9f" "e na\xc3\xafve \xce\x91\xce\xb8\xce\xae\xce\xbd\xce\xb1 \xd0\x9c\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0 ti\xe1\xba\xbfng", 384, UINT64_C(0x5a25b9b40dc51a28)},
	{"\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd PostgreSQL\xe5\x85\xa5\xe9\x96\x80 \xed\x95\x9c\xea\xb5\xad\xec\x96\xb4", 768, UINT64_C(0xca33c90226c70baa)},
	{"x", 16000, UINT64_C(0x2c7dc2ec8a84e58a)},
};

static const float pinned[8] = {
	-0.511680365f, 0.255840182f, -0.511680365f, 0.000563524663f,
	-0.025358608f, 0.306557417f, 0.000563524663f, 0.562397599f
};

static void
test_pins(void)
{
	static float x[EMBED_MAX_DIMENSIONS];
	char		name[100];

	for (size_t i = 0; i < LENGTH_OF(pins); i++)
	{
		uint64_t	got;

		embed_bytes(pins[i].text, strlen(pins[i].text), x, pins[i].dimensions);
		got = fingerprint(x, pins[i].dimensions);
		if (got != pins[i].fingerprint)
			printf("# 0x%016" PRIx64 "\n", got);
		snprintf(name, sizeof(name), "the bits of \"%s\"", pins[i].text);
		ok(got == pins[i].fingerprint, name);
	}
	embed_bytes("vector database", 15, x, 8);
	if (memcmp(x, pinned, sizeof(pinned)) != 0)
	{
		for (int i = 0; i < 8; i++)
			printf("# %.9gf\n", x[i]);
	}
	ok(memcmp(x, pinned, sizeof(pinned)) == 0, "the numbers of \"vector database\"");
}

/* Texts whose vectors are the same. */
static const char *const equal[][2] = {
	{"Vector DATABASE", "vector database"},
	{"  vector,\tdatabase!\n", "vector database"},
	{"vector-database_x", "vector database x"},
	{"caf\xc3\xa9 na\xc3\xafve \xc3\x85ngstr\xc3\xb6m", "CAFE NAIVE ANGSTROM"},
	{"cafe\xcc\x81", "caf\xc3\xa9"},
	{"Stra\xc3\x9f" "e STRA\xe1\xba\x9e" "E", "strasse strasse"},
	{"\xc3\x86ther \xc5\x92uvre \xc3\x9eing \xc4\xb3s", "aether oeuvre thing ijs"},
	{"\xc5\x81\xc3\xb3" "d\xc5\xba \xc4\x90\xc3\xb8r \xc5\xbfo", "lodz dor so"},
	{"\xc8\x98tiin\xc8\x9b\xc4\x83 ti\xe1\xba\xbfng Vi\xe1\xbb\x87t", "stiinta tieng viet"},
	{"\xce\x91\xce\x98\xce\x89\xce\x9d\xce\x91 \xcf\x82", "\xce\xb1\xce\xb8\xce\xb7\xce\xbd\xce\xb1 \xcf\x83"},
	{"\xce\x8f\xce\xaa\xcf\x8e", "\xcf\x89\xce\xb9\xcf\x89"},
	{"\xd0\x9c\xd0\x9e\xd0\xa1\xd0\x9a\xd0\x92\xd0\x90", "\xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0"},
	{"\xd0\x81\xd0\xb6 \xd1\x97 \xd0\x82", "\xd0\xb5\xd0\xb6 \xd1\x96 \xd1\x92"},
	{"\xd2\x90 \xd3\x80 \xd3\x81 \xd3\x98", "\xd2\x91 \xd3\x8f \xd3\x82 \xd3\x99"},
	{"soft\xc2\xadhyphen", "softhyphen"},
	{"\xef\xbb\xbfmark", "mark"},
	{"\xef\xbc\xb6\xef\xbd\x85\xef\xbd\x83\xef\xbc\x91\xef\xbc\x81x", "vec1 x"},
	{"a\xc2\xa0" "b\xe2\x80\x94" "c\xe3\x80\x81" "d\xc3\x97" "e\xc2\xbb", "a b c d e"},
	{"a\xff" "b\xc0\x80" "c\xed\xa0\x80" "d\xf4\x90\x80\x80" "e\xe2\x82", "a b c d e"},
	{"a\xef\xbf\xbd" "b", "a b"},
	{"a\xc1\xb8" "b\xe0\x81\xb8" "c\xf0\x80\x81\xb8" "d\xc3(e", "a b c d e"},
	{"\xe6\x9d\xb1\xe4\xba\xac", "\xe6\x9d\xb1\xef\xb8\x80\xe4\xba\xac"},
	{"\xe5\x85\xa5x\xe9\x96\x80", "\xe5\x85\xa5 x \xe9\x96\x80"},
	{"launch\xf0\x9f\x9a\x80now", "launch \xf0\x9f\x9a\x80 now"},
	{"\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", "\xf0\x9f\x91\x8d"},
};

/* Texts whose vectors are not. */
static const char *const different[][2] = {
	{"vector", "vectors"},
	{"vector database", "vectordatabase"},
	{"a1", "a2"},
	{"o", "0"},
	{"\xe6\x9d\xb1\xe4\xba\xac", "\xe4\xba\xac\xe6\x9d\xb1"},
	{"\xe6\x9d\xb1\xe4\xba\xac", "\xe6\x9d\xb1 \xe4\xba\xac"},
	{"\xe6\x9d\xb1\xe4\xba\xac", "\xe6\x9d\xb1x\xe4\xba\xac"},
	{"\xd2\x90", "\xd2\x92"},
	{"vector", "vector vector database"},
	{"vector database", "vector vector database"},
};

static void
test_folding(void)
{
	char		name[200];

	for (size_t i = 0; i < LENGTH_OF(equal); i++)
	{
		snprintf(name, sizeof(name), "case, accents, separators: %s", equal[i][1]);
		ok(same(equal[i][0], equal[i][1]), name);
	}
	for (size_t i = 0; i < LENGTH_OF(different); i++)
	{
		snprintf(name, sizeof(name), "not the same: %s, %s", different[i][0],
				 different[i][1]);
		ok(!same(different[i][0], different[i][1]), name);
	}
}

static void
test_norm(void)
{
	static const int sizes[] = {1, 2, 3, 7, 64, 100, 384, 1536, EMBED_MAX_DIMENSIONS};
	static const char *const empty[] = {"", " ", "!?-", "\xe2\x80\xa6\xe3\x80\x82", "\xff\xfe"};
	static float x[EMBED_MAX_DIMENSIONS];
	bool		one = true;
	bool		zero = true;
	bool		negative = false;
	char		text[8];

	for (size_t i = 0; i < LENGTH_OF(sizes); i++)
	{
		embed_bytes("vector database", 15, x, sizes[i]);
		if (fabs(norm(x, sizes[i]) - 1) > 1e-6)
			one = false;
		for (size_t j = 0; j < LENGTH_OF(empty); j++)
		{
			memset(x, 0xff, sizeof(x));
			embed_bytes(empty[j], strlen(empty[j]), x, sizes[i]);
			if (norm(x, sizes[i]) != 0)
				zero = false;
		}
	}
	ok(one, "length 1 in any number of dimensions");
	ok(zero, "no word, no vector");

	/* in few dimensions features may cancel out */
	for (int i = 0; i < 26 * 26; i++)
	{
		snprintf(text, sizeof(text), "%c %c", 'a' + i % 26, 'a' + i / 26);
		embed_bytes(text, 3, x, 1);
		if (fabsf(x[0]) != 1)
			one = false;
		if (x[0] < 0)
			negative = true;
	}
	ok(one, "length 1 even where features cancel out");
	ok(negative, "negative coordinates");
}

/* Titles as people keep them; queries name one by its number. */
static const char *const titles[] = {
	"pgvector: open-source vector similarity search for Postgres",
	"PostgreSQL: Documentation: Chapter 30. Reliability and the Write-Ahead Log",
	"SQLite Query Optimizer Overview",
	"Designing Data-Intensive Applications",
	"Chocolate chip cookies recipe | King Arthur Baking",
	"How to poach an egg",
	"Finding Structure in Time",
	"The Rust Programming Language",
	"Hacker News",
	"London Underground map - Transport for London",
	"Cheap flights to Lisbon from 39 euros",
	"Symptoms of vitamin D deficiency",
	"Kubernetes the hard way",
	"Introduction to Information Retrieval",
	"Milvus, an open source vector database built for scale",
	"Git - Rebasing",
	"Beginner's guide to sourdough bread",
	"Conflict-free replicated data types",
	"Weather forecast for Zurich",
	"Guitar chords for beginners",
	"Stra\303\237enbahn Fahrplan Basel",
	"Les mis\xc3\xa9rables - Victor Hugo",
	"Linux kernel mailing list archive",
	"Bach: Goldberg Variations",
	"Tax return deadlines 2024",
	"Efficient and robust approximate nearest neighbor search using HNSW graphs",
	"CSS flexbox cheat sheet",
	"World chess championship results",
	"\xe6\x9d\xb1\xe4\xba\xac\xe3\x81\xae\xe5\xa4\xa9\xe6\xb0\x97\xe4\xba\x88\xe5\xa0\xb1",
	"Wikipedia, the free encyclopedia",
	"PostgreSQL wiki",
};

static const struct
{
	const char *text;
	int			title;
}			queries[] = {
	{"vectr databse", 14},
	{"postgers documentation", 1},
	{"postgers", 30},
	{"similarty search postgres", 0},
	{"sqllite optimiser", 2},
	{"choclate cookie recipie", 4},
	{"poached eggs", 5},
	{"kubernets", 12},
	{"nearest neighbour search", 25},
	{"aproximate nearst neigbor", 25},
	{"sourdoh bread", 16},
	{"conflict free replication", 17},
	{"wether zurich", 18},
	{"strassenbahn basel", 20},
	{"miserables", 21},
	{"goldberg variatons", 23},
	{"flex box css", 26},
	{"chess champion", 27},
	{"\xe6\x9d\xb1\xe4\xba\xac \xe5\xa4\xa9\xe6\xb0\x97", 28},
	{"informaton retreival", 13},
	{"lisabon flight", 10},
};

static void
test_quality(void)
{
	char		name[200];
	double		farthest = 0;

	for (size_t i = 0; i < LENGTH_OF(queries); i++)
	{
		double		intended = cosine(queries[i].text, titles[queries[i].title]);
		bool		first = true;

		for (size_t j = 0; j < LENGTH_OF(titles); j++)
		{
			double		other = cosine(queries[i].text, titles[j]);

			if ((int) j != queries[i].title && other >= intended)
			{
				printf("# %.3f for \"%s\", %.3f for \"%s\"\n", other, titles[j],
					   intended, titles[queries[i].title]);
				first = false;
			}
		}
		snprintf(name, sizeof(name), "\"%s\" finds \"%s\"", queries[i].text,
				 titles[queries[i].title]);
		ok(first, name);
	}

	/* those that share no word and no subject */
	for (size_t i = 4; i < LENGTH_OF(titles); i++)
	{
		for (size_t j = 4; j < i; j++)
		{
			double		c = fabs(cosine(titles[i], titles[j]));

			/* "for beginners" and "beginner's guide" */
			if (c > farthest && !(i == 19 && j == 16))
				farthest = c;
		}
	}
	printf("# greatest cosine of unrelated titles: %.3f\n", farthest);
	ok(farthest < 0.25, "unrelated titles are far apart");

	ok(cosine("the history of the database", "history database") > 0.95,
	   "stop words weigh little");
	ok(!same("the of", "of a"), "but not nothing");
	ok(cosine("\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd", "\xe6\x9d\xb1\xe4\xba\xac") > 0.5,
	   "characters in common are near");
}

/* Write word so many times, then end. */
static char *
repeat(const char *word, int times, const char *end)
{
	size_t		length = strlen(word);
	char	   *text = malloc(length * times + strlen(end) + 1);

	if (text == NULL)
		abort();
	for (int i = 0; i < times; i++)
		memcpy(text + length * i, word, length);
	strcpy(text + length * times, end);
	return text;
}

static bool
same_repeated(int times, int more)
{
	char	   *a = repeat("x ", times, "database");
	char	   *b = repeat("x ", more, "database");
	bool		result = same(a, b);

	free(a);
	free(b);
	return result;
}

static void
test_counts(void)
{
	char	   *a;
	char	   *b;

	ok(!same_repeated(1, 2) && !same_repeated(63, 64), "occurrences count");
	ok(same_repeated(64, 65) && same_repeated(64, 65535) &&
	   same_repeated(64, 4300000), "but no more than 64 of them");
	ok(cosine("vector vector vector vector database", "vector database") > 0.9,
	   "less than in proportion");

	a = repeat("x", 200, "");
	b = repeat("x", 201, "");
	ok(!same(a, b), "a long word counts to its end");
	free(a);
	free(b);
	a = repeat("\xc3\x86", 200, "");
	b = repeat("ae", 200, "");
	ok(same(a, b), "a long word is cut between letters");
	free(a);
	free(b);
	a = repeat("\xc3\x86", 19, "x\xc3\x86y");
	b = repeat("ae", 19, "x aey");
	ok(same(a, b), "but not between the two that one folds to");
	free(a);
	free(b);
}

/* The order of words is no feature, so it must not show in a single bit. */
static void
test_order(void)
{
	char		forward[20000];
	char		backward[20000];
	size_t		length = 0;
	float		x[DIMENSIONS];
	float		y[DIMENSIONS];

	for (int i = 0; i < 2000; i++)
		length += sprintf(forward + length, "%d ", i * 7919);
	length = 0;
	for (int i = 1999; i >= 0; i--)
		length += sprintf(backward + length, "%d ", i * 7919);
	embed(forward, x);
	embed(backward, y);
	ok(memcmp(x, y, sizeof(x)) == 0, "the order of words does not matter");
}

/*
 * The largest sum there can be: as many features as are taken, all at one
 * coordinate and of one sign.  A character by itself is one feature.
 */
static void
test_largest_sum(void)
{
	char	   *text = malloc(EMBED_MAX_FEATURES * 5);
	size_t		length = 0;
	int			count = 0;
	float		x;

	if (text == NULL)
		abort();
	for (uint32_t code = 0x20000; code < 0x40000 && count < EMBED_MAX_FEATURES; code++)
	{
		int			bytes = utf8_encode(code, text + length);

		embed_bytes(text + length, bytes, &x, 1);
		if (x > 0)
		{
			length += bytes;
			text[length++] = ' ';
			count++;
		}
	}
	embed_bytes(text, length, &x, 1);
	ok(count > 60000 && x == 1, "the largest sum there can be");
	free(text);
}

/* More features than are taken. */
static void
test_many_features(void)
{
	size_t		size = 1 << 20;
	char	   *text = malloc(size);
	uint32_t	random = 1;
	float		x[DIMENSIONS];
	float		y[DIMENSIONS];
	bool		one = true;

	if (text == NULL)
		abort();
	for (size_t i = 0; i < size; i++)
	{
		random = random * 1664525 + 1013904223;
		text[i] = (random >> 24) % 7 == 0 ? ' ' : 'a' + (random >> 16) % 26;
	}
	embed_bytes(text, size / 2, x, DIMENSIONS);
	embed_bytes(text, size, y, DIMENSIONS);
	ok(memcmp(x, y, sizeof(x)) == 0, "the text after 65,536 features is ignored");
	embed_bytes(text, size / 64, y, DIMENSIONS);
	ok(memcmp(x, y, sizeof(x)) != 0, "but not before");
	ok(fabs(norm(x, DIMENSIONS) - 1) < 1e-6, "a long text's vector has length 1");
	for (int dimensions = 1; dimensions <= 4; dimensions++)
	{
		embed_bytes(text, size, x, dimensions);
		if (fabs(norm(x, dimensions) - 1) > 1e-6)
			one = false;
	}
	ok(one, "and so in few dimensions, where sums are large");
	ok(memory.largest <= 1 << 20, "no block is over 1 MB");

	/* a short text after a long one is as by itself */
	embed("vector database", x);
	embed_end(&scratch);
	ok(memory.blocks == 0, "all memory is freed");
	embed("vector database", y);
	ok(memcmp(x, y, sizeof(x)) == 0, "what came before leaves no trace");
	free(text);
}

static void
test_memory(void)
{
	char	   *text = repeat("a ", 1, "");
	size_t		length = 0;
	float		x[DIMENSIONS];
	float		expected[DIMENSIONS];
	int			calls;
	bool		reported = true;
	bool		usable = true;

	free(text);
	text = malloc(20000 * 8);
	if (text == NULL)
		abort();
	for (int i = 0; i < 2000; i++)
		length += sprintf(text + length, "%d ", i * 7919);

	embed_end(&scratch);
	memory.calls = 0;
	embed_bytes(text, length, expected, DIMENSIONS);
	calls = memory.calls;
	for (int i = 0; i < calls; i++)
	{
		embed_end(&scratch);
		memory.left = i;
		if (embed_text(&scratch, text, length, x, DIMENSIONS))
			reported = false;
		memory.left = -1;
		if (!embed_text(&scratch, text, length, x, DIMENSIONS) ||
			memcmp(x, expected, sizeof(x)) != 0)
			usable = false;
	}
	ok(calls > 8 && reported, "every failed allocation is reported");
	ok(usable, "and the scratch can be used again");
	free(text);
}

int
main(void)
{
	embed_begin(&scratch, reallocate, &memory);
	test_pins();
	test_folding();
	test_norm();
	test_quality();
	test_counts();
	test_order();
	test_largest_sum();
	test_many_features();
	test_memory();
	embed_end(&scratch);
	ok(memory.blocks == 0, "nothing is left allocated");
	return done_testing();
}
