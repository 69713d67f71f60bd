/*
 * crdt_version_test.c: versions against bitmaps, and their two forms.
 */
/* sources: src/crdt/version.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/varint.h"
#include "crdt/version.h"
#include "check.h"
#include "crdt_arena.h"
#include "random.h"
#include "tap.h"

#define SITES 3
#define TXNS 24

/* A set of dots: of each site, which of TXNS transactions from its first. */
typedef struct Bitmap
{
	uint32_t	bits[SITES];
} Bitmap;

static const Site site_of[SITES] = {1, UINT64_C(0x00c0ffee00c0ffee), UINT64_MAX};
static const uint64_t first_of[SITES] = {0, UINT64_C(1) << 32, UINT64_MAX - TXNS};

/* Few and long, many and short, or no ranges at all. */
static Bitmap
random_bitmap(void)
{
	Bitmap		result;

	for (int i = 0; i < SITES; i++)
	{
		uint32_t	bits = (uint32_t) (random_bits() >> 32);

		if (one_in(3))
			bits = 0;
		else if (one_in(2))
		{
			int			from = random_below(TXNS);

			bits = (UINT32_MAX >> random_below(32)) << from;
			if (one_in(2))
				bits &= ~((uint32_t) 1 << random_below(TXNS));
		}
		else if (one_in(2))
			bits |= (uint32_t) random_bits() | (uint32_t) (random_bits() >> 32);
		result.bits[i] = bits & ((UINT32_C(1) << TXNS) - 1);
	}
	return result;
}

/* The version of a bitmap, made without the functions that are tested. */
static Version *
version_of_bitmap(const Bitmap *bitmap)
{
	Version    *version = crdt_alloc(sizeof(Version));

	version->count = 0;
	version->sites = crdt_alloc(SITES * sizeof(SiteTxns));
	for (int i = 0; i < SITES; i++)
	{
		SiteTxns   *txns = &version->sites[version->count];

		if (bitmap->bits[i] == 0)
			continue;
		version->count++;
		txns->site = site_of[i];
		txns->count = 0;
		txns->ranges = crdt_alloc(TXNS * sizeof(TxnRange));
		for (int j = 0; j < TXNS; j++)
		{
			if ((bitmap->bits[i] >> j & 1) == 0)
				continue;
			if (j == 0 || (bitmap->bits[i] >> (j - 1) & 1) == 0)
				txns->ranges[txns->count++].from = first_of[i] + j;
			txns->ranges[txns->count - 1].to = first_of[i] + j + 1;
		}
	}
	return version;
}

static bool
same(const Version *a, const Version *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		if (a->sites[i].site != b->sites[i].site || a->sites[i].count != b->sites[i].count)
			return false;
		for (int j = 0; j < a->sites[i].count; j++)
		{
			if (a->sites[i].ranges[j].from != b->sites[i].ranges[j].from ||
				a->sites[i].ranges[j].to != b->sites[i].ranges[j].to)
				return false;
		}
	}
	return true;
}

/* Its bytes, of exactly their size. */
static uint8_t *
encoded(const Version *version, size_t *size)
{
	uint8_t    *bytes;

	*size = version_encoded_size(version);
	bytes = crdt_alloc(*size);
	CHECK(version_encode(version, bytes) == bytes + *size);
	return bytes;
}

/* Does a version that was made hold just this? */
static bool
holds(const Version *version, Bitmap expected)
{
	return same(version, version_of_bitmap(&expected));
}

static void
check_algebra(void)
{
	Bitmap		a = random_bitmap();
	Bitmap		b = random_bitmap();
	Bitmap		result;
	const Version *x;
	const Version *y;
	bool		holds_b = true;
	bool		holds_a = true;

	if (one_in(4))
	{
		/* what is in another */
		for (int i = 0; i < SITES; i++)
			b.bits[i] &= a.bits[i];
	}
	else if (one_in(8))
		b = a;
	x = version_of_bitmap(&a);
	y = version_of_bitmap(&b);

	for (int i = 0; i < SITES; i++)
		result.bits[i] = a.bits[i] | b.bits[i];
	CHECK(holds(version_union(x, y), result));
	for (int i = 0; i < SITES; i++)
		result.bits[i] = a.bits[i] & ~b.bits[i];
	CHECK(holds(version_minus(x, y), result));
	for (int i = 0; i < SITES; i++)
		result.bits[i] = a.bits[i] & b.bits[i];
	CHECK(holds(version_intersect(x, y), result));
	for (int i = 0; i < SITES; i++)
		result.bits[i] = a.bits[i] ^ b.bits[i];
	CHECK(holds(version_xor(x, y), result));
	{
		TxnRange	over = {VERSION_QUESTION - 2, VERSION_QUESTION + 3};
		const Version *questions = version_union(version_of_ranges(site_of[0], &over, 1), version_of_dot(site_of[1], UINT64_MAX - 1));
		TxnRange	below = {over.from, VERSION_QUESTION};
		const Version *all = version_union(x, questions);
		bool		has_own = version_questions(x)->count > 0;

		CHECK(same(version_union(version_transactions(all), version_questions(all)), all));
		CHECK(has_own || same(version_transactions(all), version_union(x, version_of_ranges(site_of[0], &below, 1))));
		CHECK(has_own || (version_covers(version_questions(all), site_of[0], VERSION_QUESTION) &&
						  !version_covers(version_questions(all), site_of[0], VERSION_QUESTION - 1)));
		CHECK(version_intersect(version_transactions(all), version_questions(all))->count == 0);
	}

	for (int i = 0; i < SITES; i++)
	{
		holds_b &= (b.bits[i] & ~a.bits[i]) == 0;
		holds_a &= (a.bits[i] & ~b.bits[i]) == 0;
	}
	CHECK(version_dominates(x, y) == holds_b);
	CHECK(version_dominates(y, x) == holds_a);
	CHECK(version_compare(x, y) ==
		  (holds_a && holds_b ? VERSION_EQUAL : holds_b ? VERSION_AFTER : holds_a ? VERSION_BEFORE : VERSION_CONCURRENT));

	for (int i = 0; i < SITES; i++)
	{
		int			j = random_below(TXNS);
		const SiteTxns *found = version_find(x, site_of[i]);

		CHECK(version_covers(x, site_of[i], first_of[i] + j) == (a.bits[i] >> j & 1));
		CHECK(!version_covers(x, site_of[i] - 1, first_of[i] + j));
		CHECK(!version_covers(x, site_of[i], first_of[i] + TXNS) && !version_covers(x, site_of[i], first_of[i] - 1));
		CHECK((found != NULL) == (a.bits[i] != 0) && (found == NULL || found->site == site_of[i]));
		CHECK(version_find(x, site_of[i] - 1) == NULL);
	}
}

/* Ranges in disorder, over each other, empty and backward. */
static void
check_ranges(void)
{
	TxnRange	ranges[12];
	int			count = random_below(13);
	int			site = random_below(SITES);
	Bitmap		expected = {{0}};

	for (int i = 0; i < count; i++)
	{
		int			from = random_below(TXNS + 1);
		int			to = one_in(8) ? random_below(TXNS + 1) : from + random_below(1 + (TXNS - from) / 3);

		ranges[i].from = first_of[site] + from;
		ranges[i].to = first_of[site] + to;
		for (int j = from; j < to; j++)
			expected.bits[site] |= (uint32_t) 1 << j;
	}
	CHECK(holds(version_of_ranges(site_of[site], ranges, count), expected));
	CHECK(version_of_ranges(0, ranges, count)->count == 0);

	count = random_below(TXNS);
	memset(&expected, 0, sizeof(expected));
	expected.bits[site] = (uint32_t) 1 << count;
	CHECK(holds(version_of_dot(site_of[site], first_of[site] + count), expected));
}

/* What bytes say is said by no others, and what they do not say is refused. */
static void
check_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t    *copy = crdt_alloc(size);
	const char *error = "not set";
	Version    *version;

	memcpy(copy, bytes, size);
	version = version_decode(copy, size, &error);
	CHECK((version == NULL) == (error != NULL));
	if (version != NULL)
	{
		size_t		again_size;
		uint8_t    *again = encoded(version, &again_size);

		CHECK(again_size == size && memcmp(again, bytes, size) == 0);
	}
}

static void
check_codec(bool damage)
{
	Bitmap		bitmap = random_bitmap();
	const Version *version = version_of_bitmap(&bitmap);
	const Version *other;
	const char *error = "not set";
	size_t		size;
	uint8_t    *bytes = encoded(version, &size);

	other = version_decode(bytes, size, &error);
	CHECK(other != NULL && error == NULL && same(version, other));
	if (!damage)
		return;
	for (size_t i = 1; i < size; i++)
	{
		CHECK(version_decode(memcpy(crdt_alloc(i), bytes, i), i, &error) == NULL && error != NULL);
	}
	for (size_t i = 0; i < 8 * size; i++)
	{
		bytes[i / 8] ^= (uint8_t) (1 << i % 8);
		check_bytes(bytes, size);
		bytes[i / 8] ^= (uint8_t) (1 << i % 8);
	}
}

/* Append a token, and spaces that may stand after it. */
static char *
append(char *out, const char *token)
{
	out += sprintf(out, "%s", token);
	for (int i = random_below(3); i > 0; i--)
		*out++ = " \t\n\v\f\r"[random_below(6)];
	*out = '\0';
	return out;
}

/* A text with sites and ranges in disorder, some more than once. */
static void
check_parse(void)
{
	char		text[4096];
	char		token[32];
	char	   *out = append(text, one_in(2) ? " {" : "{");
	int			count = random_below(5);
	Bitmap		expected = {{0}};
	const char *error = "not set";
	Version    *version;

	for (int i = 0; i < count; i++)
	{
		int			site = random_below(SITES);
		int			ranges = 1 + random_below(4);

		if (i > 0)
			out = append(out, ",");
		sprintf(token, one_in(2) ? "%016llx" : "%016llX", (unsigned long long) site_of[site]);
		out = append(out, token);
		out = append(out, ":");
		for (int j = 0; j < ranges; j++)
		{
			int			from = random_below(TXNS);
			int			to = from + (one_in(2) ? 0 : random_below(TXNS - from));

			for (int k = from; k <= to; k++)
				expected.bits[site] |= (uint32_t) 1 << k;
			if (j > 0)
				*out++ = ' ';
			sprintf(token, one_in(4) ? "0%llu" : "%llu", (unsigned long long) first_of[site] + from);
			out = append(out, token);
			if (from < to || one_in(4))
			{
				out = append(out, "-");
				sprintf(token, "%llu", (unsigned long long) first_of[site] + to);
				out = append(out, token);
			}
		}
	}
	append(out, "}");
	version = version_parse(strcpy(crdt_alloc(strlen(text) + 1), text), &error);
	CHECK(version != NULL && error == NULL && holds(version, expected));
	if (version != NULL)
	{
		char	   *printed = version_print(version);

		version = version_parse(printed, &error);
		CHECK(version != NULL && holds(version, expected) && strcmp(version_print(version), printed) == 0);
	}
}

/* Texts that are wrong, and what is wrong with them. */
static const struct
{
	const char *text;
	const char *error;
}			bad_texts[] = {
	{"", "expected \"{\""},
	{" ", "expected \"{\""},
	{"0000000000000001: 1", "expected \"{\""},
	{"{", "expected a site, of 16 hexadecimal digits"},
	{"{ , }", "expected a site, of 16 hexadecimal digits"},
	{"{000000000000001: 1}", "expected a site, of 16 hexadecimal digits"},
	{"{000000000000000g: 1}", "expected a site, of 16 hexadecimal digits"},
	{"{00000000000000001: 1}", "a site has more than 16 hexadecimal digits"},
	{"{0000000000000000: 1}", "a site is zero"},
	{"{0000000000000001}", "expected \":\" after a site"},
	{"{0000000000000001 1}", "expected \":\" after a site"},
	{"{0000000000000001:}", "expected a transaction's number"},
	{"{0000000000000001: -1}", "expected a transaction's number"},
	{"{0000000000000001: 1-}", "expected a transaction's number"},
	{"{0000000000000001: 1-a}", "expected a transaction's number"},
	{"{0000000000000001: 18446744073709551615}", "a transaction is too large"},
	{"{0000000000000001: 18446744073709551616}", "a transaction is too large"},
	{"{0000000000000001: 0-99999999999999999999999}", "a transaction is too large"},
	{"{0000000000000001: 2-1}", "a range ends before it begins"},
	{"{0000000000000001: 1", "expected a transaction's number, \",\" or \"}\""},
	{"{0000000000000001: 1-2-3}", "expected a transaction's number, \",\" or \"}\""},
	{"{0000000000000001: 1; 2}", "expected a transaction's number, \",\" or \"}\""},
	{"{0000000000000001: 1,}", "expected a site, of 16 hexadecimal digits"},
	{"{0000000000000001: 1, 2}", "expected a site, of 16 hexadecimal digits"},
	{"{} {}", "goes on after its end"},
	{"{}a", "goes on after its end"},
	{"{0000000000000001: 1}}", "goes on after its end"},
};

/* Texts and what is printed of them. */
static const struct
{
	const char *text;
	const char *printed;
}			good_texts[] = {
	{"{}", "{}"},
	{" \t\n\v\f\r{ \t\n\v\f\r} \t\n\v\f\r", "{}"},
	{"{0BADCAFE0badcafe:0-4,00c0ffee00c0ffee:813 0 - 811}", "{00c0ffee00c0ffee: 0-811 813, 0badcafe0badcafe: 0-4}"},
	{"{0000000000000001: 5 3 4, 0000000000000001: 2 0-1}", "{0000000000000001: 0-5}"},
	{"{ffffffffffffffff: 0-18446744073709551614}", "{ffffffffffffffff: 0-18446744073709551614}"},
	{"{ffffffffffffffff: 18446744073709551612-18446744073709551613 18446744073709551614 18446744073709551610}",
	"{ffffffffffffffff: 18446744073709551610 18446744073709551612-18446744073709551614}"},
	{"{0000000000000001: 007-08}", "{0000000000000001: 7-8}"},
};

#define SITE_1 "\1\0\0\0\0\0\0\0"
#define SITE_2 "\2\0\0\0\0\0\0\0"
#define MAX_63 "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
#define MAX_64 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"

/* Bytes, and what is wrong with them, if anything. */
static const struct
{
	size_t		size;
	const char *bytes;
	const char *error;
}			byte_cases[] = {
#define CASE(bytes, error) {sizeof(bytes) - 1, bytes, error}
	CASE("\0", NULL),
	CASE("\1" SITE_1 "\1\0\1", NULL),
	CASE("\1" SITE_1 "\1\0" MAX_64, NULL),
	CASE("\1" SITE_1 "\2" MAX_63 "\1" MAX_63 "\1", "a transaction is too large"),
	CASE("\1" SITE_1 "\2" MAX_63 "\1\1" MAX_63, "a transaction is too large"),
	CASE("\1" SITE_1 "\1" MAX_64 "\1", "a transaction is too large"),
	CASE("\1" SITE_1 "\2\0" MAX_64 "\1\1", "a transaction is too large"),
	CASE("", "ends in the middle of a number"),
	CASE("\0\0", "goes on after its end"),
	CASE("\1" SITE_1 "\1\0\1\0", "goes on after its end"),
	CASE("\x80", "ends in the middle of a number"),
	CASE("\x80\0", "a number is not in its shortest form, or too large"),
	CASE("\1" SITE_1 "\1\x80\0\1", "a number is not in its shortest form, or too large"),
	CASE("\1" SITE_1 "\1\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", "a number is not in its shortest form, or too large"),
	CASE("\1", "has more parts than it has room for"),
	CASE("\1" SITE_1 "\1\1", "has more parts than it has room for"),
	CASE("\2" SITE_1 "\1\0\1" SITE_2 "\1", "has more parts than it has room for"),
	CASE(MAX_64 SITE_1 "\1\0\1", "has more parts than it has room for"),
	CASE("\1" SITE_1 MAX_64 "\0\1", "has more parts than it has room for"),
	CASE("\1" SITE_1 "\2\0\1\1", "has more parts than it has room for"),
	CASE("\1" SITE_1 "\0\0\0", "a site has no transactions"),
	CASE("\1" SITE_1 "\1\0\0", "a range is empty"),
	CASE("\1" SITE_1 "\2\0\1\1\0", "a range is empty"),
	CASE("\1" SITE_1 "\2\0\1\0\1", "a range touches the one before it"),
	CASE("\1" "\0\0\0\0\0\0\0\0" "\1\0\1", "a site is zero"),
	CASE("\2" SITE_2 "\1\0\1" SITE_1 "\1\0\1", "sites are not in order"),
	CASE("\2" SITE_1 "\1\0\1" SITE_1 "\1\2\1", "sites are not in order"),
#undef CASE
};

/* A number of parts that does not fit an int, in as many bytes. */
static void
check_count_limit(void)
{
	Reader		reader;
	uint8_t		bytes[5];

	reader.at = bytes;
	reader.end = varint_write(bytes, (uint64_t) INT32_MAX + 1);
	reader.error = NULL;
	/* as if so many bytes more were there */
	reader.end = (const uint8_t *) ((uintptr_t) reader.end + INT32_MAX + 1);
	ok(read_int_count(&reader, 1) == 0 && reader.error != NULL && strcmp(reader.error, "has too many parts") == 0,
	   "more parts than an int counts");
}

static void
run(void (*check) (void), int times, const char *what)
{
	failed = false;
	for (int i = 0; i < times && !failed; i++)
	{
		check();
		arena_free();
	}
	ok(!failed, what);
}

static void
check_codec_plain(void)
{
	check_codec(false);
}

static void
check_codec_damaged(void)
{
	check_codec(true);
}

int
main(void)
{
	const char *error;
	Version    *version;

	for (size_t i = 0; i < sizeof(byte_cases) / sizeof(byte_cases[0]); i++)
	{
		char		what[128];
		uint8_t    *bytes = malloc(byte_cases[i].size + 1);

		/* as in a message, at an odd address */
		memcpy(bytes + 1, byte_cases[i].bytes, byte_cases[i].size);
		version = version_decode(bytes + 1, byte_cases[i].size, &error);
		snprintf(what, sizeof(what), "bytes %zu: %s", i, byte_cases[i].error != NULL ? byte_cases[i].error : "right");
		if (byte_cases[i].error == NULL)
			ok(version != NULL && error == NULL, what);
		else
			ok(version == NULL && error != NULL && strcmp(error, byte_cases[i].error) == 0, what);
		free(bytes);
		arena_free();
	}
	for (size_t i = 0; i < sizeof(bad_texts) / sizeof(bad_texts[0]); i++)
	{
		char		what[128];

		version = version_parse(bad_texts[i].text, &error);
		snprintf(what, sizeof(what), "text \"%s\": %s", bad_texts[i].text, bad_texts[i].error);
		ok(version == NULL && error != NULL && strcmp(error, bad_texts[i].error) == 0, what);
		arena_free();
	}
	for (size_t i = 0; i < sizeof(good_texts) / sizeof(good_texts[0]); i++)
	{
		char		what[128];

		version = version_parse(good_texts[i].text, &error);
		snprintf(what, sizeof(what), "printed as \"%.90s\"", good_texts[i].printed);
		ok(version != NULL && error == NULL && strcmp(version_print(version), good_texts[i].printed) == 0, what);
		arena_free();
	}
	check_count_limit();

	ok(version_of_dot(0, 1)->count == 0 && version_of_dot(1, UINT64_MAX)->count == 0 &&
	   version_of_dot(1, UINT64_MAX - 1)->count == 1, "dots that are none, and the last one");
	version = version_of_dot(1, UINT64_MAX - 1);
	ok(!version_covers(version, 1, UINT64_MAX) && version_covers(version, 1, UINT64_MAX - 1), "nothing covers the last number");

	run(check_algebra, 250000, "union, minus, intersection, order and dots as of bitmaps");
	run(check_ranges, 150000, "versions of ranges in disorder");
	run(check_codec_plain, 150000, "bytes of a version give it again");
	run(check_codec_damaged, 400, "bytes that are cut short or changed are refused, or those of another version");
	run(check_parse, 60000, "texts in disorder are read, and what is printed is read again");
	arena_free();
	return done_testing();
}
