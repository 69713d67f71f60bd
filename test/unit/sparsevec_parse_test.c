/*
 * sparsevec_parse_test.c: the text form and the binary form of sparse vectors.
 */
/* sources: src/vector/sparsevec_parse.c src/vector/vector_parse.c */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "vector/sparsevec_parse.h"

static SparsevecElement elements[SPARSEVEC_MAX_NNZ];

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

/* Texts, what is wrong with them, and how many elements are read until then. */
static const struct
{
	const char *text;
	SparsevecStatus status;
	int			nnz;
}			cases[] = {
	{"{1:1,2:2}/3", SPARSEVEC_OK, 2},
	{" \t\n\v\f\r{ 1 : 1 , 2 :\t2 } \n / 3 \r", SPARSEVEC_OK, 2},
	{"{+1:+1,2:-2,3:.5,4:5.,5:1e3,6:1E+3,7:1e-3,8:0x1p3}/+8", SPARSEVEC_OK, 8},
	{"{}/1", SPARSEVEC_OK, 0},
	{"{ }/1000000000", SPARSEVEC_OK, 0},
	{"{1:0,2:-0,3:0.0,-4:0e9,99:1}/1", SPARSEVEC_OK, 1},
	{"{0001:1}/0000000000000000000000001", SPARSEVEC_OK, 1},
	{"{1:1e-45}/1", SPARSEVEC_OK, 1},
	{"", SPARSEVEC_NO_BRACE, 0},
	{" ", SPARSEVEC_NO_BRACE, 0},
	{"1:1/2", SPARSEVEC_NO_BRACE, 0},
	{"[1]", SPARSEVEC_NO_BRACE, 0},
	{"{", SPARSEVEC_SYNTAX, 0},
	{"{ ", SPARSEVEC_SYNTAX, 0},
	{"{,}/1", SPARSEVEC_SYNTAX, 0},
	{"{:}/1", SPARSEVEC_SYNTAX, 0},
	{"{:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{1", SPARSEVEC_SYNTAX, 0},
	{"{1}/1", SPARSEVEC_SYNTAX, 0},
	{"{1:", SPARSEVEC_SYNTAX, 0},
	{"{1:}/1", SPARSEVEC_SYNTAX, 0},
	{"{1:1", SPARSEVEC_SYNTAX, 1},
	{"{1:1,", SPARSEVEC_SYNTAX, 1},
	{"{1:1,}/1", SPARSEVEC_SYNTAX, 1},
	{"{1:1,2}/1", SPARSEVEC_SYNTAX, 1},
	{"{1:1 2:1}/2", SPARSEVEC_SYNTAX, 1},
	{"{1:1a}/1", SPARSEVEC_SYNTAX, 1},
	{"{1:1e}/1", SPARSEVEC_SYNTAX, 1},
	{"{1a:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{1.5:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{0x1:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{--1:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{- 1:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{-:1}/1", SPARSEVEC_SYNTAX, 0},
	{"{1::1}/1", SPARSEVEC_SYNTAX, 0},
	{"{{1:1}}/1", SPARSEVEC_SYNTAX, 0},
	{"{1:nan}/1", SPARSEVEC_NAN, 0},
	{"{1:1,2:-inf}/2", SPARSEVEC_INFINITE, 1},
	{"{1:infinity}/1", SPARSEVEC_INFINITE, 0},
	{"{1:1e39}/1", SPARSEVEC_RANGE, 0},
	{"{1:-3.4028236e38}/1", SPARSEVEC_RANGE, 0},
	{"{1:1e-46}/1", SPARSEVEC_RANGE, 0},
	{"{1:-1e-46}/1", SPARSEVEC_RANGE, 0},
	{"{1:1e-99999999999999999999}/1", SPARSEVEC_RANGE, 0},
	{"{}", SPARSEVEC_NO_SLASH, 0},
	{"{1:1}", SPARSEVEC_NO_SLASH, 1},
	{"{1:1}}/1", SPARSEVEC_NO_SLASH, 1},
	{"{}1", SPARSEVEC_NO_SLASH, 0},
	{"{}/", SPARSEVEC_SYNTAX, 0},
	{"{}/ ", SPARSEVEC_SYNTAX, 0},
	{"{}/a", SPARSEVEC_SYNTAX, 0},
	{"{}//1", SPARSEVEC_SYNTAX, 0},
	{"{}/1a", SPARSEVEC_JUNK, 0},
	{"{}/1.5", SPARSEVEC_JUNK, 0},
	{"{}/1 2", SPARSEVEC_JUNK, 0},
	{"{}/0x10", SPARSEVEC_JUNK, 0},
	{"{}/0", SPARSEVEC_NO_DIM, 0},
	{"{}/-1", SPARSEVEC_NO_DIM, 0},
	{"{}/-9223372036854775809", SPARSEVEC_NO_DIM, 0},
	{"{}/1000000001", SPARSEVEC_HIGH_DIM, 0},
	{"{}/4294967297", SPARSEVEC_HIGH_DIM, 0},
	{"{}/18446744073709551617", SPARSEVEC_HIGH_DIM, 0},
};

/* Texts whose indices are wrong or right. */
static const struct
{
	const char *text;
	SparsevecStatus status;
}			index_cases[] = {
	{"{}/1", SPARSEVEC_OK},
	{"{3:1,1:1,2:1}/3", SPARSEVEC_OK},
	{"{1000000000:1}/1000000000", SPARSEVEC_OK},
	{"{0:1}/1", SPARSEVEC_BOUNDS},
	{"{-1:1}/1", SPARSEVEC_BOUNDS},
	{"{2:1}/1", SPARSEVEC_BOUNDS},
	{"{4294967297:1}/1", SPARSEVEC_BOUNDS},
	{"{-4294967295:1}/1", SPARSEVEC_BOUNDS},
	{"{2147483648:1}/1", SPARSEVEC_BOUNDS},
	{"{-2147483649:1}/1", SPARSEVEC_BOUNDS},
	{"{99999999999999999999:1,99999999999999999999:1}/1", SPARSEVEC_BOUNDS},
	{"{1:1,1:2}/1", SPARSEVEC_DUPLICATE},
	{"{2:1,1:1,2:1}/2", SPARSEVEC_DUPLICATE},
	{"{9:1,1:1,1:1}/2", SPARSEVEC_DUPLICATE},
	{"{1:1,1:1,0:1}/2", SPARSEVEC_BOUNDS},
};

static int
compare_elements(const void *a, const void *b)
{
	int32_t		a_index = ((const SparsevecElement *) a)->index;
	int32_t		b_index = ((const SparsevecElement *) b)->index;

	return (a_index > b_index) - (a_index < b_index);
}

/* Is a list of count random elements sorted as the C library sorts it? */
static bool
sorts(int count, uint32_t range)
{
	static SparsevecElement expected[SPARSEVEC_MAX_NNZ];
	bool		twice = false;
	SparsevecStatus status;

	for (int i = 0; i < count; i++)
	{
		elements[i].index = (int32_t) (random_bits() % range);
		elements[i].value = (float) elements[i].index + 0.5f;	/* goes along */
	}
	memcpy(expected, elements, sizeof(SparsevecElement) * count);
	qsort(expected, count, sizeof(SparsevecElement), compare_elements);
	for (int i = 1; i < count; i++)
		twice |= (expected[i].index == expected[i - 1].index);
	status = sparsevec_sort(elements, count, (int32_t) range);
	return status == (twice ? SPARSEVEC_DUPLICATE : SPARSEVEC_OK) &&
		memcmp(expected, elements, sizeof(SparsevecElement) * count) == 0;
}

/* A text of count elements, each written by index and value, and an ending. */
static char *
many(int count, const char *element, const char *ending)
{
	size_t		length = strlen(element);
	char	   *text = malloc(1 + length * (size_t) count + strlen(ending) + 1);

	text[0] = '{';
	for (int i = 0; i < count; i++)
		memcpy(text + 1 + length * (size_t) i, element, length);
	strcpy(text + 1 + length * (size_t) count, ending);
	return text;
}

static SparsevecParseResult
parse_and_free(char *text)
{
	SparsevecParseResult result = sparsevec_parse(text, elements);

	free(text);
	return result;
}

static void
write_uint32(uint8_t *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t) (value >> (24 - 8 * i));
}

/* The status of a binary form of two elements in five dimensions. */
static SparsevecStatus
unpack_two(uint32_t first, uint32_t second, uint32_t first_bits, uint32_t second_bits)
{
	uint8_t    *bytes = malloc(16);
	int32_t    *indices = malloc(8);
	float	   *values = malloc(8);
	SparsevecStatus status;

	write_uint32(bytes, first);
	write_uint32(bytes + 4, second);
	write_uint32(bytes + 8, first_bits);
	write_uint32(bytes + 12, second_bits);
	status = sparsevec_unpack(bytes, 5, 2, indices, values);
	if (status == SPARSEVEC_OK &&
		(indices[0] != (int32_t) first || indices[1] != (int32_t) second ||
		 memcmp(&values[0], &first_bits, 4) != 0 || memcmp(&values[1], &second_bits, 4) != 0))
		status = SPARSEVEC_SYNTAX;
	free(bytes);
	free(indices);
	free(values);
	return status;
}

int
main(void)
{
	const uint32_t one = 0x3f800000;
	bool		passed;
	SparsevecParseResult result;

	/* text */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		what[128];

		result = sparsevec_parse(cases[i].text, elements);
		snprintf(what, sizeof(what), "status %d of \"%.60s\"", cases[i].status,
				 strpbrk(cases[i].text, "\n") ? "spaces" : cases[i].text);
		ok(result.status == cases[i].status && result.nnz == cases[i].nnz, what);
	}

	result = sparsevec_parse("{2:-1e-50 }/3", elements);
	ok(result.status == SPARSEVEC_RANGE && result.where_length == 6 && memcmp(result.where, "-1e-50", 6) == 0, "what is out of range");
	result = sparsevec_parse("{7:0.1,3:-2.5}/9", elements);
	ok(result.status == SPARSEVEC_OK && result.dim == 9 && elements[0].index == 6 && elements[0].value == 0.1f &&
	   elements[1].index == 2 && elements[1].value == -2.5f, "what is read");

	for (size_t i = 0; i < sizeof(index_cases) / sizeof(index_cases[0]); i++)
	{
		char		what[128];

		result = sparsevec_parse(index_cases[i].text, elements);
		snprintf(what, sizeof(what), "status %d of indices of \"%.60s\"", index_cases[i].status, index_cases[i].text);
		ok(result.status == SPARSEVEC_OK && sparsevec_sort(elements, result.nnz, result.dim) == index_cases[i].status, what);
	}

	/* every float in nine digits */
	passed = true;
	for (int i = 0; i < 300000 && passed; i++)
	{
		uint32_t	bits = (uint32_t) random_bits();
		float		value;
		char		text[64];

		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value) || value == 0)
			continue;
		snprintf(text, sizeof(text), "{%d:%.9g}/%d", i + 1, value, i + 1);
		result = sparsevec_parse(text, elements);
		passed = result.status == SPARSEVEC_OK && result.nnz == 1 && elements[0].index == i &&
			memcmp(&elements[0].value, &value, sizeof(value)) == 0;
		if (!passed)
			printf("# %s\n", text);
	}
	ok(passed, "floats come back");

	/* sorting */
	passed = true;
	for (int count = 0; count < 300; count++)
		passed &= sorts(count, 1000000000) & sorts(count, (uint32_t) count + 1);
	ok(passed, "short lists are sorted");
	ok(sorts(SPARSEVEC_MAX_NNZ, 1000000000) & sorts(SPARSEVEC_MAX_NNZ, 1000), "long lists are sorted");

	/* limits */
	result = parse_and_free(many(SPARSEVEC_MAX_NNZ - 1, "1:1,", "1:1}/20000"));
	ok(result.status == SPARSEVEC_OK && result.nnz == SPARSEVEC_MAX_NNZ, "as many elements as there may be");
	ok(parse_and_free(many(SPARSEVEC_MAX_NNZ, "1:1,", "1:1}/20000")).status == SPARSEVEC_HIGH_NNZ, "one element too many");
	ok(parse_and_free(many(SPARSEVEC_MAX_NNZ, "1:0,", "1:0}/20000")).status == SPARSEVEC_HIGH_NNZ, "zeros count");

	/* hostile texts of some ten million bytes: no more than a pass over them */
	ok(parse_and_free(many(10000000, "{", "")).status == SPARSEVEC_SYNTAX, "ten million braces");
	ok(parse_and_free(many(10000000, ",", "")).status == SPARSEVEC_SYNTAX, "ten million commas");
	ok(parse_and_free(many(10000000, " ", "}/1")).status == SPARSEVEC_OK, "ten million spaces");
	ok(parse_and_free(many(10000000, "9", ":1}/1")).status == SPARSEVEC_OK, "ten million digits of an index");
	ok(parse_and_free(many(3000000, "1:1,", "1:1}/1")).status == SPARSEVEC_HIGH_NNZ, "three million elements");
	ok(parse_and_free(many(1, "1:", "")).status == SPARSEVEC_SYNTAX, "an element that ends");

	/* shapes */
	ok(sparsevec_check_shape(1, 0) == SPARSEVEC_OK && sparsevec_check_shape(1, 1) == SPARSEVEC_OK &&
	   sparsevec_check_shape(SPARSEVEC_MAX_DIM, SPARSEVEC_MAX_NNZ) == SPARSEVEC_OK, "shapes");
	ok(sparsevec_check_shape(0, 0) == SPARSEVEC_NO_DIM && sparsevec_check_shape(INT32_MIN, 0) == SPARSEVEC_NO_DIM, "no dimension");
	ok(sparsevec_check_shape(SPARSEVEC_MAX_DIM + 1, 0) == SPARSEVEC_HIGH_DIM && sparsevec_check_shape(INT32_MAX, 0) == SPARSEVEC_HIGH_DIM,
	   "too many dimensions");
	ok(sparsevec_check_shape(5, -1) == SPARSEVEC_NEGATIVE_NNZ && sparsevec_check_shape(5, INT32_MIN) == SPARSEVEC_NEGATIVE_NNZ, "negative elements");
	ok(sparsevec_check_shape(INT32_MAX / 4, SPARSEVEC_MAX_NNZ + 1) == SPARSEVEC_HIGH_NNZ && sparsevec_check_shape(1, INT32_MAX) == SPARSEVEC_HIGH_NNZ,
	   "too many elements");
	ok(sparsevec_check_shape(5, 6) == SPARSEVEC_NNZ_ABOVE_DIM, "more elements than dimensions");

	/* binary form */
	ok(unpack_two(0, 4, one, 0xc0200000) == SPARSEVEC_OK && unpack_two(1, 2, 0x00000001, 0xff7fffff) == SPARSEVEC_OK, "two elements");
	ok(sparsevec_unpack("", 5, 0, NULL, NULL) == SPARSEVEC_OK, "no element");
	ok(unpack_two(0xffffffff, 4, one, one) == SPARSEVEC_BOUNDS && unpack_two(0x80000000, 4, one, one) == SPARSEVEC_BOUNDS, "index below");
	ok(unpack_two(0, 5, one, one) == SPARSEVEC_BOUNDS && unpack_two(0x7fffffff, 4, one, one) == SPARSEVEC_BOUNDS, "index above");
	ok(unpack_two(2, 1, one, one) == SPARSEVEC_ORDER, "descending");
	ok(unpack_two(2, 2, one, one) == SPARSEVEC_DUPLICATE, "twice");
	ok(unpack_two(1, 2, one, 0) == SPARSEVEC_ZERO && unpack_two(1, 2, 0x80000000, one) == SPARSEVEC_ZERO, "zero");
	ok(unpack_two(1, 2, 0x7fc00000, one) == SPARSEVEC_NAN && unpack_two(1, 2, one, 0xff800001) == SPARSEVEC_NAN, "NaN");
	ok(unpack_two(1, 2, 0x7f800000, one) == SPARSEVEC_INFINITE && unpack_two(1, 2, one, 0xff800000) == SPARSEVEC_INFINITE, "infinity");

	return done_testing();
}
