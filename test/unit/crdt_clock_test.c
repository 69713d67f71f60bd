/*
 * crdt_clock_test.c: clocks in bytes: what they leave out, and what is refused.
 */
/* sources: src/crdt/clock.c src/crdt/row_state.c */
#include <stdio.h>

#include "crdt/row_state.h"
#include "crdt/varint.h"
#include "check.h"
#include "crdt_rows.h"
#include "tap.h"

/* The row without values and without what follows from its base. */
static RowState *
without_implied(const RowState *row)
{
	RowState   *left = crdt_alloc(sizeof(RowState));

	*left = *row;
	left->registers = crdt_alloc_array(COLUMNS, sizeof(Register));
	left->counters = crdt_alloc_array(COLUMNS, sizeof(Counter));
	left->sets = crdt_alloc_array(COLUMNS, sizeof(ElementSet));
	left->register_count = left->counter_count = left->set_count = 0;
	for (int i = 0; i < row->register_count; i++)
	{
		if (!stamp_equal(&row->registers[i].stamp, &row->base))
		{
			left->registers[left->register_count] = row->registers[i];
			left->registers[left->register_count].form = FORM_TEXT;
			left->registers[left->register_count++].value = value_of[0];
		}
	}
	for (int i = 0; i < row->counter_count; i++)
	{
		Counter    *counter = &left->counters[left->counter_count];

		*counter = (Counter) {row->counters[i].column, 0, crdt_alloc_array(SITES, sizeof(CounterShare))};
		for (int j = 0; j < row->counters[i].count; j++)
		{
			if (!stamp_equal(&row->counters[i].shares[j].stamp, &row->base))
				counter->shares[counter->count++] = row->counters[i].shares[j];
		}
		left->counter_count += counter->count > 0;
	}
	for (int i = 0; i < row->set_count; i++)
	{
		const ElementSet *from = &row->sets[i];
		ElementSet *set = &left->sets[left->set_count];

		*set = (ElementSet) {from->column, 0, crdt_alloc_array(SITES, sizeof(Stamp)), 0,
		FORM_TEXT, crdt_alloc_array(HASHES, sizeof(Element))};
		for (int j = 0; j < from->context_count; j++)
		{
			if (!stamp_equal(&from->context[j], &row->base))
				set->context[set->context_count++] = from->context[j];
		}
		for (int j = 0; j < from->count; j++)
		{
			if (from->elements[j].count == 1 && stamp_equal(&from->elements[j].dots[0], &row->base))
				continue;
			set->elements[set->count] = from->elements[j];
			set->elements[set->count++].value = value_of[0];
		}
		left->set_count += set->context_count > 0 || set->count > 0;
	}
	return left;
}

/* Its bytes, of exactly their size. */
static uint8_t *
encoded(const RowState *row, size_t *size)
{
	uint8_t    *bytes;

	*size = clock_encoded_size(row);
	bytes = crdt_alloc(*size);
	CHECK(clock_encode(row, bytes) == bytes + *size);
	return bytes;
}

/* A row of one life, or of two that met. */
static const RowState *
some_row(void)
{
	static const uint64_t lives[] = {1, 3, 127, 129, UINT64_MAX, 2};
	uint64_t	life = lives[random_below(one_in(8) ? 6 : 4)];
	const RowState *row = random_row(life, true);

	return one_in(3) ? row_join(row, random_row(life, !one_in(3))) : row;
}

static void
check_round_trip(void)
{
	const RowState *row = some_row();
	const char *error = "not set";
	size_t		size;
	uint8_t    *bytes = encoded(row, &size);
	RowState   *decoded = clock_decode(bytes, size, &error);

	CHECK(decoded != NULL && error == NULL);
	if (decoded != NULL)
	{
		size_t		again_size;
		uint8_t    *again = encoded(decoded, &again_size);

		CHECK(row_equal(decoded, without_implied(row)));
		CHECK(again_size == size && memcmp(again, bytes, size) == 0);
	}
}

/* What bytes say is said by no others, and what they do not say is refused. */
static bool
check_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t    *copy = crdt_alloc(size);
	const char *error = "not set";
	RowState   *row;

	memcpy(copy, bytes, size);
	row = clock_decode(copy, size, &error);
	CHECK((row == NULL) == (error != NULL));
	if (row != NULL)
	{
		size_t		again_size;
		uint8_t    *again = encoded(row, &again_size);

		CHECK(again_size == size && memcmp(again, bytes, size) == 0);
	}
	return row != NULL;
}

static void
check_damage(void)
{
	size_t		size;
	const RowState *row = some_row();
	uint8_t    *bytes = encoded(row, &size);
	size_t		simple = CLOCK_SIMPLE_SIZE(row->life);

	for (size_t i = 0; i < size; i++)
	{
		/* one that is cut after its base is the clock of a simpler row */
		CHECK(check_bytes(bytes, i) == (i == simple));
	}
	for (size_t i = 0; i < 8 * size; i++)
	{
		bytes[i / 8] ^= (uint8_t) (1 << i % 8);
		check_bytes(bytes, size);
		bytes[i / 8] ^= (uint8_t) (1 << i % 8);
	}
}

/* Some bytes taken out, put in, or taken from elsewhere: what a flip does not come to. */
static void
check_shuffle(void)
{
	size_t		size;
	uint8_t    *bytes = encoded(some_row(), &size);

	for (int i = 0; i < 4; i++)
	{
		size_t		at = (size_t) random_below((int) size + 1);
		size_t		from = (size_t) random_below((int) size + 1);
		size_t		count = (size_t) random_below(one_in(3) ? 25 : 3);
		uint8_t    *other = crdt_alloc(size + count);

		if (one_in(2))
		{
			/* in */
			memcpy(other, bytes, at);
			for (size_t j = 0; j < count; j++)
				other[at + j] = from + j < size ? bytes[from + j] : 0;
			memcpy(other + at + count, bytes + at, size - at);
			check_bytes(other, size + count);
		}
		else
		{
			/* out */
			if (count > size - at)
				count = size - at;
			memcpy(other, bytes, at);
			memcpy(other + at, bytes + at + count, size - at - count);
			check_bytes(other, size - count);
		}
	}
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

#define EIGHT(byte) byte "\0\0\0\0\0\0\0"
#define STAMP(time, site, txn) EIGHT(time) EIGHT(site) EIGHT(txn)
#define BASE STAMP("\5", "\2", "\7")
#define ALIVE "\1\1" BASE
#define COLUMN(byte) byte "\0\0\0"
#define EARLY STAMP("\4", "\1", "\1")	/* of another site */
#define LATE STAMP("\6", "\1", "\2")
#define LATE_OWN STAMP("\7", "\2", "\2")	/* of the site of the base */
#define FIRST STAMP("\1", "\2", "\1")
#define NO_REGISTERS "\0"
#define NO_COUNTERS "\0"
#define NO_SETS "\0"

/* Bytes, and what is wrong with them, if anything. */
static const struct
{
	size_t		size;
	const char *bytes;
	const char *error;
}			byte_cases[] = {
#define CASE(bytes, error) {sizeof(bytes) - 1, bytes, error}
	CASE(ALIVE, NULL),
	CASE("\1\2" BASE, NULL),
	CASE("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1" BASE, NULL),
	CASE("", "ends too early"),
	CASE("\1", "ends in the middle of a number"),
	CASE("\1\x81", "ends in the middle of a number"),
	CASE("\1\x81\0" BASE, "a number is not in its shortest form, or too large"),
	CASE("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\3" BASE, "a number is not in its shortest form, or too large"),
	CASE("\0\1" BASE, "is of an unknown format"),
	CASE("\2\1" BASE, "is of an unknown format"),
	CASE("\1\0" BASE, "has a life of zero"),
	CASE("\1\1" EIGHT("\5") EIGHT("\2") "\7\0\0\0\0\0\0", "ends too early"),
	CASE("\1\1" EIGHT("\5") EIGHT("\0") EIGHT("\7"), "has a base of no site"),
	CASE("\1\2" BASE "\0", "has columns though the row is dead"),
	CASE("\1\2" BASE "\1" LATE "\1" COLUMN("\1") "\1" NO_COUNTERS NO_SETS, "has columns though the row is dead"),
	CASE(ALIVE "\0", "has an empty list of stamps"),
	CASE(ALIVE "\0\0\0\0", "has an empty list of stamps"),
	CASE(ALIVE "\2" LATE, "has more parts than it has room for"),
	CASE(ALIVE "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1" LATE, "has more parts than it has room for"),
	CASE(ALIVE "\1" STAMP("\6", "\0", "\1"), "a stamp is of no site"),
	CASE(ALIVE "\2" LATE EARLY, "stamps are not in order"),
	CASE(ALIVE "\2" LATE LATE, "stamps are not in order"),
	CASE(ALIVE "\1" BASE, "a stamp is the base again"),
	CASE(ALIVE "\2" EARLY BASE, "a stamp is the base again"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS NO_SETS, "a stamp is not used"),
	CASE(ALIVE "\2" EARLY LATE "\1" COLUMN("\1") "\1" NO_COUNTERS NO_SETS, "a stamp is not used"),
	CASE(ALIVE "\2" EARLY LATE "\1" COLUMN("\1") "\2" NO_COUNTERS NO_SETS, "a stamp is not used"),

	/* registers */
	CASE(ALIVE "\1" LATE "\1" COLUMN("\1") "\1" NO_COUNTERS NO_SETS, NULL),
	CASE(ALIVE "\1" LATE "\2" COLUMN("\1") "\1" COLUMN("\2") "\1" NO_COUNTERS NO_SETS, NULL),
	CASE(ALIVE "\1" LATE "\2" COLUMN("\1") "\1", "has more parts than it has room for"),
	CASE(ALIVE "\1" LATE "\1" COLUMN("\1") "\2" NO_COUNTERS NO_SETS, "a stamp is not in the list"),
	CASE(ALIVE "\1" LATE "\1" COLUMN("\1") "\0" NO_COUNTERS NO_SETS, "says what follows from the base"),
	CASE(ALIVE "\1" LATE "\2" COLUMN("\2") "\1" COLUMN("\1") "\1" NO_COUNTERS NO_SETS, "columns are not in order"),
	CASE(ALIVE "\1" LATE "\2" COLUMN("\1") "\1" COLUMN("\1") "\1" NO_COUNTERS NO_SETS, "columns are not in order"),
	CASE(ALIVE "\1" LATE "\1" COLUMN("\1") "\1" NO_COUNTERS, "ends in the middle of a number"),
	CASE(ALIVE "\1" LATE "\1" COLUMN("\1") "\1" NO_COUNTERS NO_SETS "\0", "goes on after its end"),

	/* counters */
	CASE(ALIVE "\1" LATE NO_REGISTERS "\1" COLUMN("\1") "\1\1\3" NO_SETS, NULL),
	CASE(ALIVE "\2" LATE LATE_OWN NO_REGISTERS "\1" COLUMN("\1") "\2\1\3\2\4" NO_SETS, NULL),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\2" COLUMN("\1") "\1\1\3" NO_SETS, "has more parts than it has room for"),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\1" COLUMN("\1") "\2\1\3" NO_SETS, "has more parts than it has room for"),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\1" COLUMN("\1") "\0" NO_SETS NO_SETS, "a counter has no shares"),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\1" COLUMN("\1") "\1\0\3" NO_SETS, "says what follows from the base"),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\1" COLUMN("\1") "\1\2\3" NO_SETS, "a stamp is not in the list"),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\1" COLUMN("\1") "\1\1\x83\0" NO_SETS,
		 "a number is not in its shortest form, or too large"),
	CASE(ALIVE "\2" LATE LATE_OWN NO_REGISTERS "\1" COLUMN("\1") "\2\2\3\1\4" NO_SETS, "sites are not in order"),
	CASE(ALIVE "\2" EARLY LATE NO_REGISTERS "\1" COLUMN("\1") "\2\1\3\2\4" NO_SETS, "sites are not in order"),
	CASE(ALIVE "\1" LATE NO_REGISTERS "\2" COLUMN("\2") "\1\1\3" COLUMN("\1") "\1\1\3" NO_SETS, "columns are not in order"),

	/* sets */
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\0", NULL),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\1\1", NULL),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\2\1\0", NULL),
	CASE(ALIVE "\2" EARLY LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\2" "\1" EIGHT("\x9") "\1\1", NULL),
	CASE(ALIVE "\1" FIRST NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\0" "\1" EIGHT("\x9") "\1\1", NULL),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\0\0\0", "a set has an empty context and no elements"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\0" "\0", "says what follows from the base"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\2" "\0", "a stamp is not in the list"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\2" COLUMN("\1") "\1\1" "\0", "has more parts than it has room for"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\3\1" "\0", "has more parts than it has room for"),
	CASE(ALIVE "\2" LATE LATE_OWN NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\2\2\1" "\0", "sites are not in order"),
	CASE(ALIVE "\2" EARLY LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\2\1\2" "\0", "sites are not in order"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\2" COLUMN("\2") "\1\1" "\0" COLUMN("\1") "\1\1" "\0",
		 "columns are not in order"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\0",
		 "has more parts than it has room for"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\0\0",
		 "an element has no dots"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\2\1",
		 "has more parts than it has room for"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\1\0",
		 "says what follows from the base"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\1\2",
		 "a stamp is not in the list"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\2\0\1",
		 "sites are not in order"),
	CASE(ALIVE "\2" EARLY LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\2" "\1" EIGHT("\x9") "\2\1\2",
		 "sites are not in order"),
	CASE(ALIVE "\2" EARLY LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\1\2",
		 "an element is newer than its set"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\0" "\1" EIGHT("\x9") "\1\1",
		 "an element is newer than its set"),
	CASE(ALIVE "\1" LATE_OWN NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\0" "\1" EIGHT("\x9") "\1\1",
		 "an element is newer than its set"),
	CASE(ALIVE "\1" FIRST NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\1" EIGHT("\x9") "\2\0\1",
		 "an element is newer than its set"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\2" EIGHT("\x9") "\1\1" EIGHT("\x8") "\1\1",
		 "elements are not in order"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\2" EIGHT("\x9") "\1\1" EIGHT("\x9") "\1\1",
		 "elements are not in order"),
	CASE(ALIVE "\1" LATE NO_REGISTERS NO_COUNTERS "\1" COLUMN("\1") "\1\1" "\0" "\0", "goes on after its end"),
#undef CASE
};

/* The bytes of a row with some of all: they are on disk, so they stay as they are. */
static void
check_layout(void)
{
	static const char expected[] = "\1\3" STAMP("\5", "\2", "\7")
		"\3" STAMP("\4", "\1", "\1") STAMP("\6", "\1", "\2") STAMP("\x8", "\3", "\x9")
		"\1" "\xdd\xcc\xbb\xaa" "\3"
		"\1" "\x11\0\0\0" "\2" "\2\3" "\3\x80\1"
		"\1" "\x22\0\0\0" "\2\2\3" "\2" EIGHT("\0") "\1\1" EIGHT("\x1") "\3\2\0\3";
	Stamp		base = {5, 2, 7};
	Stamp		early = {4, 1, 1};
	Stamp		late = {6, 1, 2};
	Stamp		last = {8, 3, 9};
	Register	registers[] = {{1, FORM_TEXT, base, {"x", 1}}, {UINT32_C(0xaabbccdd), FORM_TEXT, last, {"y", 1}}};
	CounterShare shares[] = {{late, -2}, {base, 1000}, {last, 64}};
	CounterShare born[] = {{base, 5}};
	Counter		counters[] = {{0x11, 3, shares}, {0x12, 1, born}};
	Stamp		context[] = {late, base, last};
	Stamp		all[] = {late, base, last};
	Element		elements[] = {{0, {"a", 1}, 1, &early}, {1, {"b", 1}, 3, all}, {2, {"c", 1}, 1, &base}};
	Element		born_elements[] = {{9, {"d", 1}, 1, &base}};
	ElementSet	sets[] = {{0x22, 3, context, 3, FORM_TEXT, elements}, {0x23, 1, &base, 1, FORM_TEXT, born_elements}};
	RowState	row = {3, base, 2, registers, 2, counters, 2, sets};
	RowState	simple = {3, base, 1, registers, 1, &counters[1], 1, &sets[1]};
	size_t		size;
	uint8_t    *bytes = encoded(&row, &size);

	ok(size == sizeof(expected) - 1 && memcmp(bytes, expected, size) == 0, "the layout of a clock");
	bytes = encoded(&simple, &size);
	ok(size == 26 && size == CLOCK_SIMPLE_SIZE(row.life) && memcmp(bytes, expected, size) == 0,
	   "a row that one transaction wrote has 26 bytes");
	arena_free();
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(byte_cases) / sizeof(byte_cases[0]); i++)
	{
		char		what[128];
		uint8_t    *bytes = malloc(byte_cases[i].size + 1);
		const char *error;
		RowState   *row;

		/* as in a tuple, at an odd address */
		memcpy(bytes + 1, byte_cases[i].bytes, byte_cases[i].size);
		row = clock_decode(bytes + 1, byte_cases[i].size, &error);
		snprintf(what, sizeof(what), "bytes %zu: %s", i, byte_cases[i].error != NULL ? byte_cases[i].error : "right");
		if (byte_cases[i].error == NULL)
			ok(row != NULL && error == NULL && check_bytes(bytes + 1, byte_cases[i].size) && !failed, what);
		else
			ok(row == NULL && error != NULL && strcmp(error, byte_cases[i].error) == 0, what);
		if (row == NULL ? byte_cases[i].error == NULL : byte_cases[i].error != NULL)
			printf("# %s\n", error != NULL ? error : "no error");
		free(bytes);
		arena_free();
	}
	check_layout();
	run(check_round_trip, 100000, "bytes of a row give it again, without what follows from its base");
	run(check_damage, 100, "bytes that are cut short or changed are refused, or those of another row");
	run(check_shuffle, 20000, "so are bytes that are put in and taken out");
	return done_testing();
}
