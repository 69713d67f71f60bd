/* crdt_delta_cases_test.c: bodies of deltas made by hand, and what they say. */
/* sources: src/crdt/delta_decode.c src/crdt/delta_encode.c src/crdt/version.c */

/*
 * Bodies are in hexadecimal digits, with spaces where the eye wants them.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "crdt/varint.h"
#include "crdt_deltas.h"
#include "tap.h"

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes of hexadecimal digits; the caller frees them. */
static uint8_t *
from_hex(const char *hex, size_t *size)
{
	uint8_t    *bytes = malloc(strlen(hex) / 2 + 1);
	int			digits = 0;

	if (bytes == NULL)
		abort();
	for (; *hex != '\0'; hex++)
	{
		int			value = isdigit((unsigned char) *hex) ? *hex - '0' : *hex - 'a' + 10;

		if (*hex == ' ')
			continue;
		bytes[digits / 2] = (uint8_t) (digits % 2 == 0 ? value : bytes[digits / 2] * 16 + value);
		digits++;
	}
	*size = (size_t) digits / 2;
	return bytes;
}

#define SITE_11 "1100000000000000 "
#define SITE_22 "2200000000000000 "
#define SITES "02 " SITE_11 SITE_22
#define HEAD "06 " SITES "00 "	/* UTF-8, from 11 */
#define TO "01 01 01 05 03 "	/* 22: 5 to 7 */
#define STAMPS "02  64 00 07  00 01 08 "	/* both at time 100 */
#define KEY "01 04 "			/* a uuid */
#define COLUMNS "03 04 01 61  01 01 62  12 01 63 "	/* a number, a counter, a set of uuids */
#define RELATION "01 72 " KEY COLUMNS
#define ROW_A "01 41 02 01 00 00 00 "
#define KEY_B "01 42 01 00 "
#define REGISTERS "01 00 01 03 68 69 "
#define COUNTERS "01 01 02 00 02 01 03 "
#define SETS "01 02 01 00 01 01 78 01 00 "
#define ROW_B KEY_B REGISTERS COUNTERS SETS
#define ROWS "02 " ROW_A ROW_B
#define BEFORE_STAMPS HEAD "00 " TO
#define BEFORE_RELATIONS BEFORE_STAMPS STAMPS
#define BEFORE_KEY BEFORE_RELATIONS "01 01 72 "
#define BEFORE_COLUMNS BEFORE_KEY KEY
#define BEFORE_ROWS BEFORE_RELATIONS "01 " RELATION
#define WHOLE BEFORE_ROWS ROWS
#define KEY_1 "01 41 01 00 "
#define KEY_2 KEY_B
#define ONE_A "01 00 00 01 00 00 "
#define ONE_B "01 01 01 01 00 00 "
#define FORMS_32 "00010203040506070809 0a0b0c0d00010203040506070809 0a0b0c0d00010203 "
#define MANY_X "78787878787878787878787878787878787878787878787878"

/* One site and nothing else, for versions; two, one stamp and no column, for rows. */
#define LONE "06 01 " SITE_11 "00 "
#define BARE_ROWS LONE "00 00 01 64 00 07 01 01 72 01 00 00 "

/* A set in one row, and two stamps of one site: the second is later. */
#define SET_OF_TWO LONE "00 00 02 64 00 07 01 00 08 01 01 72 01 00 01 02 01 63 01 00 01 00 00 00 01 00 "

typedef struct Case
{
	const char *hex;
	const char *error;			/* NULL if it is accepted */
	const char *name;
} Case;

static const Case cases[] = {
	{WHOLE, NULL, "a delta with everything"},
	{LONE "00 00 00 00", NULL, "an empty delta"},
	{BEFORE_RELATIONS "02 01 71 " KEY COLUMNS ROWS RELATION ROWS, NULL, "two relations"},
	{BARE_ROWS "01 00 01 01 00 00 00", NULL, "an empty key"},
	{LONE "00 00 01 ffffffffffffffffff01 00 ffffffffffffffffff01 01 01 72 01 00 00 01 00 01 01 00 00 00", NULL, "the last of times and transactions"},
	{LONE "01 00 02 00 01 01 feffffffffffffffff01 00 00 00", "a range of transactions is too long", "transactions past the last"},
	{LONE "01 00 02 00 01 01 fdffffffffffffffff01 00 00 00", NULL, "transactions up to the last"},

	{"", "ends in the middle of a number", "nothing"},
	{"8600 ", "a number is not in its shortest form, or too large", "a number in two bytes that fits into one"},
	{"8080808008 01 " SITE_11 "00 00 00 00 00", "the encoding is too large", "an encoding past int"},
	{"ffffffff07 01 " SITE_11 "00 00 00 00 00", NULL, "the greatest encoding"},

	{"06 03 " SITE_11 SITE_22, "has more parts than it has room for", "more sites than bytes"},
	{"06 01 0000000000000000 00 00 00 00 00", "a site is zero", "site zero"},
	{"06 02 " SITE_22 SITE_11 "00 00 " TO STAMPS "01 " RELATION ROWS, "sites are not ascending", "sites descend"},
	{"06 02 " SITE_11 SITE_11 "00 00 " TO STAMPS "01 " RELATION ROWS, "sites are not ascending", "a site twice"},
	{"06 00 00 00 00 00 00", "names a site that it does not list", "no sites"},
	{"06 01 " SITE_11 "01 00 00 00 00", "names a site that it does not list", "the sender is not there"},
	{LONE "00 01 01 01 05 03 00 00", "names a site that it does not list", "a version's site is not there"},
	{LONE "00 00 01 64 01 07 01 01 72 01 00 00 01 00 01 01 00 00 00", "names a site that it does not list", "a stamp's site is not there"},
	{HEAD "00 00 00 00", "a site is not used", "a site more"},

	{LONE "00 02 00 01 05 03 00 00", "has more parts than it has room for", "more sites in a version than bytes"},
	{LONE "00 02 00 01 05 03 00 01 05 03 00 00", "sites of a version are not ascending", "a site twice in a version"},
	{HEAD "02 01 01 05 03 00 01 05 03 00 00 00", "sites of a version are not ascending", "a version's sites descend"},
	{LONE "00 01 00 00 00 00 00", "a site has no transactions", "no ranges"},
	{LONE "00 01 00 04 05 03 01 01 00 00", "has more parts than it has room for", "more ranges than bytes"},
	{LONE "00 01 00 01 05 00 00 00", "a range of transactions is empty", "an empty range"},
	{LONE "00 01 00 02 05 03 00 03 00 00", "ranges of transactions touch", "ranges that touch"},
	{LONE "00 01 00 02 00 03 01 03 00 00", NULL, "ranges with one between"},
	{LONE "00 01 00 02 ffffffffffffffff7f 01 ffffffffffffffffff01 01 00 00", "a range of transactions is too long", "a range begins too late"},
	{LONE "00 01 00 01 01 ffffffffffffffffff01 00 00", "a range of transactions is too long", "a range ends too late"},
	{LONE "00 01 00 01 00 ffffffffffffffffff01 00 00", NULL, "all transactions"},
	{LONE "01 00 01 05 03 01 00 01 08 01 00 00", NULL, "a version that goes on from its base"},
	{LONE "01 00 01 05 03 01 00 01 06 01 00 00", NULL, "a version that has not all of its base"},
	{LONE "01 00 01 05 03 01 00 01 05 03 00 00", NULL, "a version that has nothing of its base"},
	{LONE "01 00 01 05 03 00 00 00", NULL, "a version that is its base"},
	{LONE "01 00 01 05 03 01 00 00 00 00", "a site has no transactions", "no ranges after a base"},

	{BEFORE_STAMPS "7f  64 00 07 00 01 08 01", "has more parts than it has room for", "more stamps than bytes"},
	{BEFORE_STAMPS "02 00 01 08 ffffffffffffffffff01 00 07 01 " RELATION ROWS, "stamps of a column are not ascending by site", "a time at the end"},
	{BEFORE_STAMPS "02 01 01 08 ffffffffffffffffff01 00 07 01 " RELATION ROWS, "the time of a stamp is too late", "a time past the end"},
	{BEFORE_STAMPS "02 64 00 07 00 00 07 01 " RELATION ROWS, "stamps are not ascending", "a stamp twice"},
	{BEFORE_STAMPS "02 64 01 08 00 00 07 01 " RELATION ROWS, "stamps are not ascending", "stamps descend by site"},
	{BEFORE_STAMPS "02 64 00 08 00 00 07 01 " RELATION ROWS, "stamps are not ascending", "stamps descend by transaction"},
	{LONE "00 00 01 64 00 07 00", "a stamp is not used", "a stamp without a row"},
	{LONE "00 00 01 64 00 07 01 01 72 01 00 00 01 00 01 00 00 00 00", "a stamp is not used", "a stamp more"},
	{BARE_ROWS "01 00 01 02 00 00 00", "names a stamp that it does not list", "a base's stamp is not there"},
	{BARE_ROWS "01 00 01 ffffffffffffffffff01 00 00 00", "names a stamp that it does not list", "the greatest number of a base"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 00 02 03 68 69 " COUNTERS SETS, "names a stamp that it does not list", "a register's stamp is not there"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "01 01 02 00 02 02 03 " SETS, "names a stamp that it does not list", "a share's stamp is not there"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 02 01 01 78 01 00 ", "names a stamp that it does not list", "a context's stamp is not there"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 01 01 78 01 02 ", "names a stamp that it does not list", "a dot's stamp is not there"},

	{BEFORE_RELATIONS "09 " RELATION ROWS, "has more parts than it has room for", "more relations than bytes"},
	{BEFORE_RELATIONS "02 " RELATION ROWS RELATION ROWS, "relations are not ascending", "a relation twice"},
	{BEFORE_RELATIONS "02 " RELATION ROWS "01 71 " KEY COLUMNS ROWS, "relations are not ascending", "relations descend"},
	{BEFORE_RELATIONS "01 00 " KEY COLUMNS ROWS, "a name is empty", "a relation without a name"},
	{BEFORE_RELATIONS "01 03 720073 " KEY COLUMNS ROWS, "a name has a zero byte", "a zero byte in a relation's name"},
	{BEFORE_RELATIONS "01 c901 " MANY_X MANY_X MANY_X MANY_X MANY_X MANY_X MANY_X MANY_X "78 " KEY COLUMNS ROWS, "a name is too long", "201 bytes of name"},
	{BEFORE_RELATIONS "01 c801 " MANY_X MANY_X MANY_X MANY_X MANY_X MANY_X MANY_X MANY_X KEY COLUMNS ROWS, NULL, "200 bytes of name"},
	{BEFORE_RELATIONS "01 8080808010 " KEY COLUMNS ROWS, "ends too early", "a name of a gigabyte"},
	{BEFORE_RELATIONS "01 01 72 01 00 00 00 000000000000", "a relation has no rows", "no rows"},
	{BEFORE_ROWS "7f " ROW_A ROW_B, "has more parts than it has room for", "more rows than bytes"},

	{BEFORE_COLUMNS "7f 00 01 61 01 01 62 02 01 63 " ROWS, "has more parts than it has room for", "more columns than bytes"},
	{BEFORE_COLUMNS "03 03 01 61 01 01 62 02 01 63 " ROWS, "a column is of no known kind", "kind 3"},
	{BEFORE_COLUMNS "03 3c 01 61 01 01 62 02 01 63 " ROWS, "a column is of no known form", "form 15"},
	{BEFORE_COLUMNS "03 34 01 61 01 01 62 02 01 63 " ROWS, NULL, "form 13"},
	{BEFORE_COLUMNS "03 8008 01 61 01 01 62 02 01 63 " ROWS, "a column is of no known form", "form 256"},
	{BEFORE_COLUMNS "03 00 01 61 05 01 62 02 01 63 " ROWS, "a column is of no known form", "a counter in a form"},
	{BEFORE_COLUMNS "02 00 01 61 14 01 61 02 " KEY_1 ONE_A KEY_2 ONE_B, NULL, "a column in two forms"},
	{BEFORE_COLUMNS "02 14 01 61 00 01 61 02 " KEY_1 ONE_A KEY_2 ONE_B, "columns are not ascending", "forms descend"},
	{BEFORE_COLUMNS "02 14 01 61 14 01 61 02 " KEY_1 ONE_A KEY_2 ONE_B, "columns are not ascending", "a form twice"},
	{BEFORE_COLUMNS "02 00 01 61 14 01 61 02 " KEY_1 ONE_A KEY_2 "02 00 00 01 01 01 01 00 00 ", "a row has a column twice", "a column in two forms in one row"},
	{BEFORE_COLUMNS "03 00 01 61 10 01 61 14 01 61 03 " KEY_1 ONE_A KEY_2 ONE_B "01 43 01 00 02 00 00 01 02 01 01 00 00 ", "a row has a column twice", "not one after the other"},
	{BEFORE_KEY "00 " COLUMNS ROWS, "a key has no columns, or too many", "a key without columns"},
	{BEFORE_KEY "20 " FORMS_32 COLUMNS ROWS, NULL, "a key of 32 columns"},
	{BEFORE_KEY "21 04 " FORMS_32 COLUMNS ROWS, "a key has no columns, or too many", "a key of 33 columns"},
	{BEFORE_KEY "03 00 0d 01 " COLUMNS ROWS, NULL, "a key of three forms"},
	{BEFORE_KEY "02 00 0e " COLUMNS ROWS, "a key is of no known form", "a key in form 14"},
	{BEFORE_RELATIONS "02 " RELATION ROWS "01 72 02 0400 " COLUMNS ROWS, NULL, "a relation with two keys"},
	{BEFORE_RELATIONS "02 " RELATION ROWS "01 72 01 05 " COLUMNS ROWS, NULL, "a relation with keys in two forms"},
	{BEFORE_RELATIONS "02 01 72 01 05 " COLUMNS ROWS RELATION ROWS, "relations are not ascending", "forms of keys descend"},
	{BEFORE_RELATIONS "02 01 72 02 0000 " COLUMNS ROWS RELATION ROWS, "relations are not ascending", "columns of keys descend"},
	{BEFORE_COLUMNS "03 00 00 01 01 62 02 01 63 " ROWS, "a name is empty", "a column without a name"},
	{BEFORE_COLUMNS "03 00 01 00 01 01 62 02 01 63 " ROWS, "a name has a zero byte", "a zero byte in a column's name"},
	{BEFORE_COLUMNS "03 00 01 62 01 01 62 02 01 63 " ROWS, NULL, "a column of two kinds"},
	{BEFORE_COLUMNS "03 01 01 62 00 01 62 02 01 63 " ROWS, "columns are not ascending", "kinds descend"},
	{BEFORE_COLUMNS "03 00 01 63 01 01 62 02 01 61 " ROWS, "columns are not ascending", "columns descend"},
	{BEFORE_COLUMNS "04 00 01 61 01 01 62 02 01 63 02 01 64 " ROWS, "a column is not used", "a column more"},
	{BEFORE_RELATIONS "02 01 71 " KEY COLUMNS ROWS "01 72 01 04 04 00 01 61 01 01 62 02 01 63 02 01 64 " ROWS, "a column is not used", "a column more in the second relation"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 03 01 03 68 69 " COUNTERS SETS, "names a column that it does not list", "a column is not there"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 01 01 03 68 69 " COUNTERS SETS, "a column is not of the kind that it is used as", "a register in a counter's column"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "01 02 02 00 02 01 03 " SETS, "a column is not of the kind that it is used as", "a counter in a set's column"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 00 01 00 01 01 78 01 00 ", "a column is not of the kind that it is used as", "a set in a register's column"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "02 00 01 03 68 69 00 01 00 " COUNTERS SETS, "columns of a row are not ascending", "a register twice"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "02 01 01 00 02 01 01 01 03 " SETS, "columns of a row are not ascending", "a counter twice"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "02 02 01 00 00 02 01 00 00 ", "columns of a row are not ascending", "a set twice"},
	{BEFORE_COLUMNS "02 00 01 61 00 01 62 01 " KEY_B "02 01 00 00 00 01 00 00 00 ", "columns of a row are not ascending", "registers descend"},
	{BEFORE_COLUMNS "02 00 01 61 00 01 62 01 " KEY_B "02 00 00 00 01 01 00 00 00 ", NULL, "registers ascend"},

	{BEFORE_ROWS "02 " ROW_B ROW_A, "keys are not ascending", "keys descend"},
	{BEFORE_ROWS "02 " ROW_B ROW_B, "keys are not ascending", "a key twice"},
	{BARE_ROWS "02 02 4100 01 01 00 00 00 01 41 01 01 00 00 00", "keys are not ascending", "a longer key before its beginning"},
	{BARE_ROWS "02 01 41 01 01 00 00 00 02 4100 01 01 00 00 00", NULL, "a longer key after its beginning"},
	{BARE_ROWS "02 02 417f 01 01 00 00 00 01 80 01 01 00 00 00", NULL, "bytes of keys have no sign"},
	{BARE_ROWS "01 40 01 01 00 00 00", "ends too early", "a key longer than the bytes"},
	{BARE_ROWS "01 00 00 01 00 00 00", "a row has no life", "life 0"},
	{BEFORE_ROWS "02 " ROW_A "01 42 02 00 " REGISTERS COUNTERS SETS, "a dead row has columns", "a dead row with all"},
	{BEFORE_COLUMNS "01 00 01 61 01 01 42 02 00 01 00 00 00 00 00", "a dead row has columns", "a dead row with a register"},
	{BEFORE_COLUMNS "01 01 01 61 01 01 42 02 00 00 01 00 01 00 00 00", "a dead row has columns", "a dead row with a counter"},
	{BEFORE_COLUMNS "01 02 01 61 01 01 42 02 00 00 00 01 00 01 00 00", "a dead row has columns", "a dead row with a set"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "40 00 01 03 68 69 " COUNTERS SETS, "has more parts than it has room for", "more registers than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 00 01 7f 68 69 " COUNTERS SETS, "ends too early", "a value longer than the bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 00 01 ffffffffffffffffff01 68 69 " COUNTERS SETS, "ends too early", "the greatest size"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 00 01 00 " COUNTERS SETS, NULL, "a value of NULL"},
	{BEFORE_ROWS "02 " ROW_A KEY_B "01 00 01 01 " COUNTERS SETS, NULL, "an empty value"},

	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "40 01 02 00 02 01 03 " SETS, "has more parts than it has room for", "more counters than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "01 01 00 " SETS, "a counter has no shares", "no shares"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "01 01 40 00 02 01 03 " SETS, "has more parts than it has room for", "more shares than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "01 01 02 01 02 00 03 " SETS, "stamps of a column are not ascending by site", "shares descend"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS "01 01 02 00 02 00 03 " SETS, "stamps of a column are not ascending by site", "a share twice"},

	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "40 02 01 00 01 01 78 01 00 ", "has more parts than it has room for", "more sets than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 00 01 01 78 01 00 ", "a set has no context", "no context"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 40 00 01 01 78 01 00 ", "has more parts than it has room for", "more context than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 02 01 00 01 01 78 01 00 ", "stamps of a column are not ascending by site", "a context descends"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 02 00 00 01 01 78 01 00 ", "stamps of a column are not ascending by site", "a site twice in a context"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 00 ", NULL, "no elements"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 40 01 78 01 00 ", "has more parts than it has room for", "more elements than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 01 7f 78 01 00 ", "ends too early", "an element longer than the bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 01 01 78 00 ", "an element has no adds", "no adds"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 01 01 78 40 00 ", "has more parts than it has room for", "more adds than bytes"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 02 00 01 01 01 78 02 00 01 ", NULL, "adds ascend"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 02 00 01 01 01 78 02 01 00 ", "stamps of a column are not ascending by site", "adds descend"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 01 01 78 02 00 01 ", "a context does not have an add of its set", "an add of a site that the context lacks"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 01 01 01 78 01 00 ", "a context does not have an add of its set", "an add of a site before those of the context"},
	{SET_OF_TWO "01 00 01 01 78 01 01 ", "a context does not have an add of its set", "an add later than the context"},
	{SET_OF_TWO "01 01 01 01 78 01 00 ", NULL, "an add earlier than the context"},
	{SET_OF_TWO "01 01 02 01 79 01 01 01 78 01 00 ", NULL, "adds of two elements"},
	{SET_OF_TWO "01 00 02 01 79 01 00 01 78 01 01 ", "a context does not have an add of its set", "an add of the second element later than the context"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 02 01 78 01 00 01 78 01 00 ", "elements are not ascending by hash", "an element twice"},
	/* XXH3-64 of x is eaf06c6480b2cd11, of y 272b57e6d7c0a9e5 */
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 02 01 79 01 00 01 78 01 00 ", NULL, "elements ascend by hash"},
	{BEFORE_ROWS "02 " ROW_A KEY_B REGISTERS COUNTERS "01 02 01 00 02 01 78 01 00 01 79 01 00 ", "elements are not ascending by hash", "elements descend by hash"},

	{WHOLE "00", "goes on after its end", "a byte more"},
};

static void
test_cases(void)
{
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		size_t		size;
		uint8_t    *bytes = from_hex(cases[i].hex, &size);
		const char *error = "not set";
		Delta	   *delta = delta_decode_body(bytes, size, &error);
		bool		passed = (delta == NULL) == (cases[i].error != NULL) && (error == NULL) == (cases[i].error == NULL);

		if (passed && error != NULL)
			passed = strcmp(error, cases[i].error) == 0;
		if (!passed)
			printf("# expected: %s\n# got: %s\n", cases[i].error == NULL ? "a delta" : cases[i].error, error == NULL ? "a delta" : error);
		ok(passed && sound(bytes, size), cases[i].name);
		free(bytes);
		arena_free();
	}
}

/* What "a delta with everything" says. */
static void
test_values(void)
{
	size_t		size;
	uint8_t    *bytes = from_hex(WHOLE, &size);
	const char *error;
	Delta	   *delta = delta_decode_body(bytes, size, &error);
	const DeltaRelation *relation = &delta->relations[0];
	const RowState *dead = relation->rows[0].state;
	const RowState *live = relation->rows[1].state;
	const Stamp first = {100, 0x11, 7};
	const Stamp second = {100, 0x22, 8};
	const Element *element = &live->sets[0].elements[0];

	ok(delta->encoding == 6 && delta->sender == 0x11 && !delta->stream && delta->base->count == 0 && delta->to->count == 1 &&
	   delta->to->sites[0].site == 0x22 && delta->to->sites[0].count == 1 && delta->to->sites[0].ranges[0].from == 5 &&
	   delta->to->sites[0].ranges[0].to == 8, "the head and the versions");
	ok(strcmp(relation->name, "r") == 0 && relation->column_count == 3 && strcmp(relation->columns[1].name, "b") == 0 &&
	   relation->columns[0].kind == COLUMN_REGISTER && relation->columns[1].kind == COLUMN_COUNTER &&
	   relation->columns[2].kind == COLUMN_SET && relation->key_count == 1 && relation->key_forms[0] == FORM_UUID &&
	   relation->columns[0].form == FORM_NUMBER && relation->columns[1].form == FORM_TEXT && relation->columns[2].form == FORM_UUID, "the relation");
	ok(relation->row_count == 2 && images_equal(relation->rows[0].key, (Image) {"A", 1}) && dead->life == 2 &&
	   stamp_equal(&dead->base, &first) && dead->register_count + dead->counter_count + dead->set_count == 0, "the dead row");
	ok(live->life == 1 && live->base.site == 0 && live->register_count == 1 && live->registers[0].column == 0 && live->registers[0].form == FORM_NUMBER &&
	   stamp_equal(&live->registers[0].stamp, &second) && images_equal(live->registers[0].value, (Image) {"hi", 2}), "the register");
	ok(live->counter_count == 1 && live->counters[0].column == 1 && live->counters[0].count == 2 &&
	   stamp_equal(&live->counters[0].shares[1].stamp, &second) && live->counters[0].shares[0].total == 1 &&
	   live->counters[0].shares[1].total == -2, "the counter");
	ok(live->set_count == 1 && live->sets[0].column == 2 && live->sets[0].form == FORM_UUID && dots_equal(live->sets[0].context, live->sets[0].context_count, &first, 1) &&
	   live->sets[0].count == 1 && images_equal(element->value, (Image) {"x", 1}) && element->hash == XXH3_64bits("x", 1) &&
	   dots_equal(element->dots, element->count, &first, 1), "the set");
	ok((const uint8_t *) element->value.data > bytes && (const uint8_t *) element->value.data < bytes + size, "values stay where they are");
	free(bytes);
	arena_free();
}

/* What a base and a difference make: versions as text. */
static bool
leads(const char *base, const char *to, const char *hex)
{
	const char *error;
	Version    *from = version_parse(base, &error);
	Version    *until = version_parse(to, &error);
	Delta		delta = {.sender = 0x11,.encoding = 6,.base = from,.to = until};
	size_t		expected_size;
	size_t		size;
	uint8_t    *expected = from_hex(hex, &expected_size);
	uint8_t    *bytes = delta_encode_body(&delta, &size);
	Delta	   *decoded = delta_decode_body(bytes, size, &error);
	bool		result = size == expected_size && memcmp(bytes, expected, size) == 0 && decoded != NULL &&
		strcmp(version_print(decoded->base), base) == 0 && strcmp(version_print(decoded->to), to) == 0;

	free(expected);
	return result;
}

static void
test_versions(void)
{
	ok(leads("{}", "{0000000000000011: 5-7}", LONE "00 01 00 01 05 03 00 00"), "a version without a base");
	ok(leads("{0000000000000011: 5-7}", "{0000000000000011: 5-9}", LONE "01 00 01 05 03 01 00 01 08 02 00 00"), "a base that grows");
	ok(leads("{0000000000000011: 0-7}", "{}", LONE "01 00 01 00 08 01 00 01 00 08 00 00"), "a base that is all forgotten");
	ok(leads("{0000000000000011: 0-7, 0000000000000022: 3}", "{0000000000000011: 0-9}",
			 HEAD "02 00 01 00 08 01 01 03 01 02 00 01 08 02 01 01 03 01 00 00"), "a base that has what the version has not");
	arena_free();
}

/* The size of a delta with its header. */
static size_t
whole_size(const Delta *delta)
{
	size_t		size;

	delta_encode_body(delta, &size);
	return size + 9;
}

/* One changed title, as the smallest of useful deltas. */
static void
test_size(void)
{
	const Stamp stamp = {UINT64_C(1767225600000) << 16, UINT64_C(0x9d3f0c6a51b2e487), 48123456};
	const char *error;
	Version    *base = version_parse("{9d3f0c6a51b2e487: 0-48123449 48123452-48123454}", &error);
	Version    *to = version_parse("{9d3f0c6a51b2e487: 0-48123449 48123452-48123457}", &error);
	Register	title = {0, FORM_TEXT, stamp, {"The forty characters of a usual bookmark", 40}};
	RowState	state = {.life = 1,.register_count = 1,.registers = &title};
	DeltaColumn column = {"title", COLUMN_REGISTER, FORM_TEXT};
	const uint8_t key_form = FORM_UUID;
	DeltaRow	row = {{"0123456789abcdef", 16}, &state};
	DeltaRelation relation = {"public.bookmarks", 1, &key_form, 1, &column, 1, &row};
	Delta		delta = {.sender = stamp.site,.encoding = 6,.base = base,.to = to,.relation_count = 1,.relations = &relation};
	size_t		size;

	ok(round_trip(&delta), "one title comes back");
	printf("# one title of 40 bytes: %zu bytes with the header\n", whole_size(&delta));
	ok(whole_size(&delta) <= 150, "one title takes at most 150 bytes");
	state.base = stamp;
	printf("# with its base: %zu bytes\n", whole_size(&delta));

	delta.base = version_union(base, version_parse("{1b3c7e0f55aa9012: 0-812345, c0ffee00c0ffee00: 0-7654321 7654330-7654340}", &error));
	delta.to = version_union(delta.base, to);
	ok(round_trip(&delta), "one title comes back from among three sites");
	size = whole_size(&delta);
	printf("# with three sites: %zu bytes\n", size);
	delta.base = version_union(delta.base, version_of_dot(UINT64_C(0x1b3c7e0f55aa9012), 812348));
	printf("# and one of them has written what the sender lacks: %zu bytes\n", whole_size(&delta));
	ok(round_trip(&delta) && whole_size(&delta) <= size + 9, "what the sender lacks takes a few bytes");

	delta.base = NULL;
	delta.to = NULL;
	{
		uint8_t    *none = delta_encode_body(&delta, &size);
		Version		empty = {0, NULL};
		size_t		empty_size;
		uint8_t    *bytes;

		delta.base = delta.to = &empty;
		bytes = delta_encode_body(&delta, &empty_size);
		ok(empty_size == size && memcmp(none, bytes, size) == 0, "no version is as an empty one");
	}
	title.value.size = DELTA_MAX_SIZE;
	ok(delta_encode_body(&delta, &size) == NULL, "a delta that is too large is not encoded");
	arena_free();
}

int
main(void)
{
	test_cases();
	test_values();
	test_versions();
	test_size();
	return done_testing();
}
