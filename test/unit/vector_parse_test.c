/*
 * vector_parse_test.c: the text form of vectors, against strtof.
 */
/* sources: src/vector/vector_parse.c */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "vector/vector_parse.h"

static float x[VECTOR_MAX_DIM];

/* xorshift64*: the same numbers on every machine. */
static uint64_t
random_bits(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Is the element read as strtof reads it, bit for bit? */
static bool
same_as_strtof(const char *number)
{
	char		text[512];
	float		expected = strtof(number, NULL);
	VectorParseResult result;

	snprintf(text, sizeof(text), "[%s]", number);
	result = vector_parse(text, x);
	if (isinf(expected))
		return result.status == VECTOR_PARSE_RANGE;
	if (result.status != VECTOR_PARSE_OK || result.dim != 1 || memcmp(&expected, x, sizeof(float)) != 0)
	{
		printf("# \"%s\": status %d, %a, expected %a\n", number, result.status, x[0], expected);
		return false;
	}
	return true;
}

/* Texts that go wrong, and how. */
static const struct
{
	const char *text;
	VectorParseStatus status;
	int			dim;
}			cases[] = {
	{"[1,2,3]", VECTOR_PARSE_OK, 3},
	{" \t\n\v\f\r[ 1 , 2 ] \n", VECTOR_PARSE_OK, 2},
	{"[+1,-2,.5,5.,1e3,1E+3,1e-3,0x1p3]", VECTOR_PARSE_OK, 8},
	{"", VECTOR_PARSE_NO_BRACKET, 0},
	{"1,2", VECTOR_PARSE_NO_BRACKET, 0},
	{"{1}", VECTOR_PARSE_NO_BRACKET, 0},
	{"[]", VECTOR_PARSE_EMPTY, 0},
	{"[ ]", VECTOR_PARSE_EMPTY, 0},
	{"[", VECTOR_PARSE_SYNTAX, 0},
	{"[,]", VECTOR_PARSE_SYNTAX, 0},
	{"[1", VECTOR_PARSE_SYNTAX, 1},
	{"[1,", VECTOR_PARSE_SYNTAX, 1},
	{"[1,]", VECTOR_PARSE_SYNTAX, 1},
	{"[1 2]", VECTOR_PARSE_SYNTAX, 1},
	{"[1a]", VECTOR_PARSE_SYNTAX, 1},
	{"[1e]", VECTOR_PARSE_SYNTAX, 1},
	{"[1e+]", VECTOR_PARSE_SYNTAX, 1},
	{"[--1]", VECTOR_PARSE_SYNTAX, 0},
	{"[-]", VECTOR_PARSE_SYNTAX, 0},
	{"[.]", VECTOR_PARSE_SYNTAX, 0},
	{"[[1]]", VECTOR_PARSE_SYNTAX, 0},
	{"[1]]", VECTOR_PARSE_JUNK, 1},
	{"[1] x", VECTOR_PARSE_JUNK, 1},
	{"[nan]", VECTOR_PARSE_NAN, 0},
	{"[1,-inf]", VECTOR_PARSE_INFINITE, 1},
	{"[infinity]", VECTOR_PARSE_INFINITE, 0},
	{"[1e39]", VECTOR_PARSE_RANGE, 0},
	{"[-4e38]", VECTOR_PARSE_RANGE, 0},
	{"[3.4028236e38]", VECTOR_PARSE_RANGE, 0},
	{"[1e99999999999999999999]", VECTOR_PARSE_RANGE, 0},
	{"[1e-99999999999999999999]", VECTOR_PARSE_OK, 1},
};

/* Texts of which an element of 1000 or more is refused, and that element. */
static const struct
{
	const char *text;
	const char *where;
}			below_1000[] = {
	{"[999.9999,-999.9999]", NULL},
	{"[1,1000]", "1000"},
	{"[1, -1e3 ,x", "-1e3"},
	{"[0x3e8,nan]", "0x3e8"},
	{"[0x3e7]", NULL},
	{"[999.99999999]", "999.99999999"},
	{"[4e38]", "4e38"},
};

/* Numbers where rounding is easy to get wrong. */
static const char *const hard_numbers[] = {
	"0", "-0", "0.0", "-0.000", "00012.5", "1e0", "0e99", "0e-99",
	"16777217", "16777217.0000000001", "16777216.9999999999", "33554434", "33554435", "33554437",
	"1.00000005960464477539", "1.000000059604644775390625", "1.0000000596046447753906250001",
	"1.00000005960464477539062499999999999999", "0.999999970197677612304687500000",
	"3.40282346638528859811704183484516925e38", "3.4028235677973366e38", "340282356779733642748073463979561713663",
	"340282356779733642748073463979561713664", "340282346638528859811704183484516925440",
	"1.17549435082228750797e-38", "1.1754942807573643e-38", "1.4e-45", "7.00649232162408535461864791644958065640e-46",
	"7.1e-46", "1e-45", "1e-22", "9.9e-23", "1e22", "1e23", "9007199254740993", "9007199254740993e3",
	"18446744073709551615", "18446744073709551616", "99999999999999999999", "1234567890123456789012345678",
	"0.00000000000000000000000123456789", "0.1", "0.2", "0.3", "123456789e-20",
	"0.0000000000000000000000000000000000000000000000000000000000000000000001e60",
	"100000000000000000000000000000000000000000000000000e-50",
};

int
main(void)
{
	bool		passed;
	char	   *text;
	size_t		length;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		VectorParseResult result = vector_parse(cases[i].text, x);
		char		what[128];

		snprintf(what, sizeof(what), "status %d of \"%.40s\"", cases[i].status,
				 strpbrk(cases[i].text, "\n") ? "spaces" : cases[i].text);
		ok(result.status == cases[i].status && result.dim == cases[i].dim, what);
	}

	passed = true;
	for (size_t i = 0; i < sizeof(hard_numbers) / sizeof(hard_numbers[0]); i++)
		passed &= same_as_strtof(hard_numbers[i]);
	ok(passed, "numbers that are hard to round");

	/* every float in nine digits, in its shortest common forms, and as a double */
	passed = true;
	for (int i = 0; i < 300000 && passed; i++)
	{
		uint32_t	bits = (uint32_t) random_bits();
		float		value;
		char		number[64];

		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		snprintf(number, sizeof(number), i % 2 ? "%.9g" : "%.7g", value);
		passed &= same_as_strtof(number);
		snprintf(number, sizeof(number), "%.17g", (double) value * 1.0000000001);
		passed &= same_as_strtof(number);
	}
	ok(passed, "random floats of every magnitude");

	/* what embeddings look like */
	passed = true;
	for (int i = 0; i < 300000 && passed; i++)
	{
		double		value = ((double) (int64_t) random_bits()) / 9.3e18;
		char		number[64];

		snprintf(number, sizeof(number), "%.*f", (int) (random_bits() % 25), value);
		passed &= same_as_strtof(number);
	}
	ok(passed, "random decimals between -1 and 1");

	/* the exact middles between floats, and one digit to either side */
	passed = true;
	for (int i = 0; i < 100000 && passed; i++)
	{
		uint32_t	bits = (uint32_t) random_bits() & 0x7fffffff;
		float		low;
		float		high;
		char		number[256];
		size_t		end;

		bits = 0x34000000 + bits % 0x16000000;	/* 2^-23 to 2^21 */
		memcpy(&low, &bits, sizeof(low));
		high = nextafterf(low, INFINITY);
		snprintf(number, sizeof(number), "%.60f", ((double) low + (double) high) / 2.0);
		passed &= same_as_strtof(number);
		end = strlen(number);
		strcpy(number + end, "1");
		passed &= same_as_strtof(number);
		snprintf(number, sizeof(number), "%.17g", ((double) low + (double) high) / 2.0);
		passed &= same_as_strtof(number);
	}
	ok(passed, "middles between two floats");

	/* a smaller limit than that of floats, by either way of reading */
	for (size_t i = 0; i < sizeof(below_1000) / sizeof(below_1000[0]); i++)
	{
		VectorParseResult result = vector_parse_below(below_1000[i].text, 1000.0f, x);
		const char *where = below_1000[i].where;
		char		what[128];

		snprintf(what, sizeof(what), "elements below 1000: \"%s\"", below_1000[i].text);
		ok(where == NULL ? result.status == VECTOR_PARSE_OK :
		   result.status == VECTOR_PARSE_RANGE && result.where_length == strlen(where) &&
		   memcmp(result.where, where, strlen(where)) == 0, what);
	}

	/* limits */
	length = 2 * (size_t) VECTOR_MAX_DIM;
	text = malloc(length + 4);
	text[0] = '[';
	for (size_t i = 0; i < VECTOR_MAX_DIM + 1; i++)
		memcpy(text + 1 + 2 * i, "1,", 2);
	strcpy(text + length, "]");
	ok(vector_parse(text, x).status == VECTOR_PARSE_OK, "as many elements as there may be");
	strcpy(text + length, ",1]");
	ok(vector_parse(text, x).status == VECTOR_PARSE_TOO_MANY, "one element too many");
	free(text);

	length = 10 * 1000 * 1000;
	text = malloc(length + 1);
	memset(text, '[', length);
	text[length] = '\0';
	ok(vector_parse(text, x).status == VECTOR_PARSE_SYNTAX, "ten million brackets");
	memset(text + 1, '0', length - 1);
	ok(vector_parse(text, x).status == VECTOR_PARSE_SYNTAX, "ten million digits");
	free(text);

	return done_testing();
}
