/* crdt_delta_test.c: bodies of deltas, written, read, cut, flipped and made up. */
/* sources: src/crdt/delta_decode.c src/crdt/delta_encode.c src/crdt/version.c */

/*
 * Bodies by hand are in hexadecimal digits, with spaces where the eye wants them.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "crdt/delta.h"
#include "crdt/varint.h"
#include "crdt_arena.h"
#include "tap.h"

/* Without sanitizers the test runs under emulators, which are slow. */
#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 10
#else
#define ROUNDS 1
#endif

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- random deltas ---- */

static uint64_t random_state = 20240607;

static uint64_t
random_bits(void)
{
	uint64_t	z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int
random_below(int limit)
{
	return (int) (random_bits() % (uint64_t) limit);
}

/* A number of any length. */
static uint64_t
random_number(void)
{
	return random_bits() >> random_below(64);
}

#define MAX_SITES 6

typedef struct Pool
{
	int			site_count;
	Site		sites[MAX_SITES];	/* ascending */
	int			stamps;			/* of each site there are so many */
	uint64_t	time;
} Pool;

/* One of the pool's stamps, of this site. */
static Stamp
pool_stamp(const Pool *pool, int site)
{
	Stamp		stamp;
	int			number = random_below(pool->stamps);

	stamp.time = pool->time + (uint64_t) (number / 3) * UINT64_C(977);
	stamp.site = pool->sites[site];
	stamp.txn = (uint64_t) number;
	return stamp;
}

static Image
random_image(int size)
{
	char	   *data = crdt_alloc((size_t) size);
	Image		image = {data, (size_t) size};

	for (int i = 0; i < size; i++)
		data[i] = (char) random_below(4) == 0 ? (char) random_bits() : 'a';
	return image;
}

static Version *
random_version(const Pool *pool)
{
	Version    *version = crdt_alloc(sizeof(Version));

	version->count = 0;
	version->sites = crdt_alloc(MAX_SITES * sizeof(SiteTxns));
	for (int i = 0; i < pool->site_count; i++)
	{
		SiteTxns   *txns = &version->sites[version->count];
		uint64_t	last = 0;

		if (random_below(2) == 0)
			continue;
		txns->site = pool->sites[i];
		txns->count = 1 + random_below(3);
		txns->ranges = crdt_alloc(3 * sizeof(TxnRange));
		for (int j = 0; j < txns->count; j++)
		{
			txns->ranges[j].from = last + (j > 0) + (random_number() >> 8);
			txns->ranges[j].to = last = txns->ranges[j].from + 1 + (random_number() >> 8);
		}
		if (random_below(20) == 0)
			txns->ranges[txns->count - 1].to = UINT64_MAX;
		version->count++;
	}
	return version;
}

/* Stamps of some of the sites, at least one. */
static Stamp *
random_dots(const Pool *pool, int *count)
{
	Stamp	   *dots = crdt_alloc(MAX_SITES * sizeof(Stamp));
	int			needed = random_below(pool->site_count);

	*count = 0;
	for (int i = 0; i < pool->site_count; i++)
	{
		if (i == needed || random_below(4) == 0)
			dots[(*count)++] = pool_stamp(pool, i);
	}
	return dots;
}

static int
compare_elements(const void *a, const void *b)
{
	uint64_t	x = ((const Element *) a)->hash;
	uint64_t	y = ((const Element *) b)->hash;

	return x < y ? -1 : x > y;
}

/* A dot that the context has: its last one of the site, or an earlier one. */
static Stamp
random_add(const Pool *pool, const Stamp *last)
{
	Stamp		add = *last;

	for (int site = 0; site < pool->site_count; site++)
	{
		if (pool->sites[site] == last->site)
			add = pool_stamp(pool, site);
	}
	return stamp_compare(&add, last) <= 0 ? add : *last;
}

static void
random_elements(const Pool *pool, ElementSet *set)
{
	int			count = random_below(4);

	set->elements = crdt_alloc(4 * sizeof(Element));
	for (int i = 0; i < count; i++)
	{
		Element    *element = &set->elements[i];
		int			needed = random_below(set->context_count);

		element->value = random_image(random_below(3));
		element->hash = XXH3_64bits(element->value.data, element->value.size);
		element->dots = crdt_alloc((size_t) set->context_count * sizeof(Stamp));
		element->count = 0;
		for (int j = 0; j < set->context_count; j++)
		{
			if (j == needed || random_below(4) == 0)
				element->dots[element->count++] = random_add(pool, &set->context[j]);
		}
	}
	qsort(set->elements, (size_t) count, sizeof(Element), compare_elements);
	set->count = 0;
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || set->elements[i].hash != set->elements[set->count - 1].hash)
			set->elements[set->count++] = set->elements[i];
	}
}

/* Part of a row; "all" is a row with all columns. */
static RowState *
random_row(const Pool *pool, const DeltaRelation *relation, bool all)
{
	RowState   *row = crdt_alloc(sizeof(RowState));
	size_t		columns = (size_t) relation->column_count;

	memset(row, 0, sizeof(RowState));
	row->life = random_number() | 1;
	if (!all && random_below(4) == 0)
		row->life = row->life - 1 == 0 ? 2 : row->life - 1;
	if (random_below(2) == 0)
		row->base = pool_stamp(pool, random_below(pool->site_count));
	row->registers = crdt_alloc(columns * sizeof(Register));
	row->counters = crdt_alloc(columns * sizeof(Counter));
	row->sets = crdt_alloc(columns * sizeof(ElementSet));
	for (int i = 0; i < relation->column_count && row_is_alive(row); i++)
	{
		if (!all && random_below(2) == 0)
			continue;
		if (relation->columns[i].kind == COLUMN_REGISTER)
		{
			Register   *reg = &row->registers[row->register_count++];

			reg->column = (ColumnId) i;
			reg->form = relation->columns[i].form;
			reg->stamp = pool_stamp(pool, random_below(pool->site_count));
			reg->value = random_below(4) == 0 ? (Image) {NULL, 0} : random_image(random_below(20) == 0 ? 200 : random_below(6));
		}
		else if (relation->columns[i].kind == COLUMN_COUNTER)
		{
			Counter    *counter = &row->counters[row->counter_count++];
			Stamp	   *dots = random_dots(pool, &counter->count);

			counter->column = (ColumnId) i;
			counter->shares = crdt_alloc((size_t) counter->count * sizeof(CounterShare));
			for (int j = 0; j < counter->count; j++)
			{
				counter->shares[j].stamp = dots[j];
				counter->shares[j].total = (int64_t) random_number() * (random_below(2) * 2 - 1);
			}
		}
		else
		{
			ElementSet *set = &row->sets[row->set_count++];

			set->column = (ColumnId) i;
			set->form = relation->columns[i].form;
			set->context = random_dots(pool, &set->context_count);
			random_elements(pool, set);
		}
	}
	return row;
}

/* The n-th of a list of ascending names or keys. */
static char *
ordered_name(int n)
{
	char	   *name = crdt_alloc(220);
	int			length = sprintf(name, "%c%03d", n % 7 == 0 ? 'A' : 'a', n);

	/* those that begin with A first */
	if (n % 7 == 0)
		length = sprintf(name, "a%03d", n);
	if (random_below(30) == 0)
	{
		memset(name + length, 'x', (size_t) (DELTA_MAX_NAME - length));
		name[DELTA_MAX_NAME] = '\0';
	}
	return name;
}

static Image
ordered_key(int n)
{
	char	   *data = crdt_alloc(16);
	Image		key = {data, 0};

	if (n > 0)
		key.size = (size_t) sprintf(data, "k%06d", n / 2) + (size_t) (n % 2);
	if (n > 0 && n % 2 == 1)
		data[key.size - 1] = '\0';
	return key;
}

static uint8_t *
random_forms(int count)
{
	uint8_t    *forms = crdt_alloc((size_t) count);

	for (int i = 0; i < count; i++)
		forms[i] = (uint8_t) random_below(FORM_COUNT);
	return forms;
}

static Delta *
random_delta(int max_rows, int stamps)
{
	Delta	   *delta = crdt_alloc(sizeof(Delta));
	Pool		pool;

	pool.site_count = 1 + random_below(MAX_SITES);
	for (int i = 0; i < pool.site_count; i++)
		pool.sites[i] = (i == 0 ? 0 : pool.sites[i - 1]) + 1 + random_number() / 8;
	pool.stamps = 1 + random_below(stamps);
	pool.time = random_below(4) == 0 ? 0 : random_number() / 2;
	memset(delta, 0, sizeof(Delta));
	delta->sender = pool.sites[random_below(pool.site_count)];
	delta->encoding = random_below(42);
	delta->base = random_version(&pool);
	delta->to = random_version(&pool);
	if (random_below(2) == 0)
		delta->to = version_union(delta->base, delta->to);
	delta->relation_count = random_below(3);
	delta->relations = crdt_alloc(3 * sizeof(DeltaRelation));
	for (int i = 0; i < delta->relation_count; i++)
	{
		DeltaRelation *relation = &delta->relations[i];

		relation->name = ordered_name(i + random_below(2) * 100 * i);
		relation->key_count = 1 + random_below(random_below(8) == 0 ? DELTA_MAX_KEY : 2);
		relation->key_forms = random_forms(relation->key_count);
		relation->column_count = random_below(6);
		relation->columns = crdt_alloc(6 * sizeof(DeltaColumn));
		for (int j = 0; j < relation->column_count; j++)
		{
			relation->columns[j].name = ordered_name(j);
			relation->columns[j].kind = (ColumnKind) random_below(3);
			relation->columns[j].form = relation->columns[j].kind == COLUMN_COUNTER ? FORM_TEXT : (uint8_t) random_below(FORM_COUNT);
		}
		relation->row_count = 1 + random_below(max_rows);
		relation->rows = crdt_alloc((size_t) relation->row_count * sizeof(DeltaRow));
		for (int j = 0; j < relation->row_count; j++)
		{
			relation->rows[j].key = ordered_key(j);
			relation->rows[j].state = random_row(&pool, relation, j == relation->row_count / 2);
		}
	}
	return delta;
}

/* ---- comparison ---- */

static bool
images_equal(Image a, Image b)
{
	return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
		(a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool
dots_equal(const Stamp *a, int a_count, const Stamp *b, int b_count)
{
	for (int i = 0; i < a_count && i < b_count; i++)
	{
		if (!stamp_equal(&a[i], &b[i]))
			return false;
	}
	return a_count == b_count;
}

static bool
rows_equal(const RowState *a, const RowState *b)
{
	if (a->life != b->life || !stamp_equal(&a->base, &b->base) || a->register_count != b->register_count ||
		a->counter_count != b->counter_count || a->set_count != b->set_count)
		return false;
	for (int i = 0; i < a->register_count; i++)
	{
		const Register *x = &a->registers[i];
		const Register *y = &b->registers[i];

		if (x->column != y->column || x->form != y->form || !stamp_equal(&x->stamp, &y->stamp) || !images_equal(x->value, y->value))
			return false;
	}
	for (int i = 0; i < a->counter_count; i++)
	{
		const Counter *x = &a->counters[i];
		const Counter *y = &b->counters[i];

		if (x->column != y->column || x->count != y->count)
			return false;
		for (int j = 0; j < x->count; j++)
		{
			if (!stamp_equal(&x->shares[j].stamp, &y->shares[j].stamp) || x->shares[j].total != y->shares[j].total)
				return false;
		}
	}
	for (int i = 0; i < a->set_count; i++)
	{
		const ElementSet *x = &a->sets[i];
		const ElementSet *y = &b->sets[i];

		if (x->column != y->column || x->form != y->form || x->count != y->count ||
			!dots_equal(x->context, x->context_count, y->context, y->context_count))
			return false;
		for (int j = 0; j < x->count; j++)
		{
			const Element *e = &x->elements[j];
			const Element *f = &y->elements[j];

			if (e->hash != f->hash || !images_equal(e->value, f->value) ||
				!dots_equal(e->dots, e->count, f->dots, f->count))
				return false;
		}
	}
	return true;
}

static bool
versions_equal(const Version *a, const Version *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		const SiteTxns *x = &a->sites[i];
		const SiteTxns *y = &b->sites[i];

		if (x->site != y->site || x->count != y->count ||
			memcmp(x->ranges, y->ranges, (size_t) x->count * sizeof(TxnRange)) != 0)
			return false;
	}
	return true;
}

static bool
deltas_equal(const Delta *a, const Delta *b)
{
	if (a->sender != b->sender || a->encoding != b->encoding ||
		!versions_equal(a->base, b->base) || !versions_equal(a->to, b->to) || a->relation_count != b->relation_count)
		return false;
	for (int i = 0; i < a->relation_count; i++)
	{
		const DeltaRelation *x = &a->relations[i];
		const DeltaRelation *y = &b->relations[i];

		if (strcmp(x->name, y->name) != 0 || x->key_count != y->key_count ||
			memcmp(x->key_forms, y->key_forms, (size_t) x->key_count) != 0 || x->column_count != y->column_count || x->row_count != y->row_count)
			return false;
		for (int j = 0; j < x->column_count; j++)
		{
			if (strcmp(x->columns[j].name, y->columns[j].name) != 0 || x->columns[j].kind != y->columns[j].kind ||
				x->columns[j].form != y->columns[j].form)
				return false;
		}
		for (int j = 0; j < x->row_count; j++)
		{
			if (!images_equal(x->rows[j].key, y->rows[j].key) || !rows_equal(x->rows[j].state, y->rows[j].state))
				return false;
		}
	}
	return true;
}

/* ---- what holds of any bytes ---- */

static bool
is_phrase(const char *error)
{
	size_t		length = error == NULL ? 0 : strlen(error);

	if (length < 10 || length > 70)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (isupper((unsigned char) error[i]) || error[i] == '\n')
			return false;
	}
	return error[length - 1] != '.';
}

static int	accepted;

/*
 * Bytes are refused with a phrase, or give a delta that gives these bytes; memory is
 * bounded; nothing beside the bytes is read, for the sanitizer to see.
 */
static bool
sound(const uint8_t *bytes, size_t size)
{
	uint8_t    *copy = malloc(size + (size == 0));
	const char *error = NULL;
	bool		result;
	Delta	   *delta;

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, size);
	arena_allocated = 0;
	delta = delta_decode_body(copy, size, &error);
	result = arena_allocated <= DELTA_EXPANSION * size + DELTA_ROOM;
	if (delta == NULL)
		result = result && is_phrase(error);
	else
	{
		size_t		again_size;
		uint8_t    *again = delta_encode_body(delta, &again_size);

		accepted++;
		result = result && error == NULL && again_size == size && memcmp(again, bytes, size) == 0;
	}
	if (!result)
	{
		printf("# %zu allocated, %s:", arena_allocated, error == NULL ? "accepted" : error);
		for (size_t i = 0; i < size; i++)
			printf(" %02x", bytes[i]);
		printf("\n");
	}
	free(copy);
	return result;
}

static bool
round_trip(const Delta *delta)
{
	size_t		size;
	size_t		again_size = 0;
	const char *error = "";
	uint8_t    *bytes = delta_encode_body(delta, &size);
	uint8_t    *again = delta_encode_body(delta, &again_size);
	Delta	   *decoded = delta_decode_body(bytes, size, &error);

	if (decoded == NULL)
	{
		printf("# %s\n", error);
		return false;
	}
	return error == NULL && again_size == size && memcmp(again, bytes, size) == 0 && deltas_equal(delta, decoded) &&
		sound(bytes, size);
}

static void
test_random(void)
{
	bool		passed = true;
	size_t		total = 0;

	for (int i = 0; i < ROUNDS * 15000 && passed; i++)
	{
		passed = round_trip(random_delta(3, 4));
		arena_free();
	}
	ok(passed, "small deltas come back, from the same bytes");
	for (int i = 0; i < ROUNDS * 3 && passed; i++)
	{
		passed = round_trip(random_delta(1000, 3000));
		arena_free();
	}
	ok(passed, "large deltas come back, from the same bytes");

	accepted = 0;
	for (int i = 0; i < ROUNDS * 3000 && passed; i++)
	{
		size_t		size;
		uint8_t    *bytes = delta_encode_body(random_delta(2, 3), &size);

		for (int j = 1 + random_below(3); j > 0; j--)
			bytes[random_below((int) size)] = (uint8_t) (random_below(2) == 0 ? random_bits() : random_bits() % 4);
		passed = sound(bytes, size);
		total += size;
		arena_free();
	}
	printf("# %d of %d still accepted, %zu bytes in all\n", accepted, ROUNDS * 3000, total);
	ok(passed && accepted > ROUNDS * 30, "random deltas with some bytes changed");
}

static void
test_changed(void)
{
	bool		cut_refused = true;
	bool		cut_sound = true;
	bool		longer_refused = true;
	bool		flipped_sound = true;
	int			bits = 0;

	accepted = 0;
	for (int sample = 0; sample < ROUNDS * 6; sample++)
	{
		size_t		size;
		uint8_t    *bytes = delta_encode_body(random_delta(3, 5), &size);
		uint8_t    *original = malloc(size + 1);
		const char *error;

		if (original == NULL)
			abort();
		memcpy(original, bytes, size);
		arena_free();
		for (size_t i = 0; i < size; i++)
		{
			cut_refused = cut_refused && delta_decode_body(original, i, &error) == NULL;
			cut_sound = cut_sound && sound(original, i);
			arena_free();
		}
		for (int i = 0; i < 256; i++)
		{
			original[size] = (uint8_t) i;
			longer_refused = longer_refused && delta_decode_body(original, size + 1, &error) == NULL && sound(original, size + 1);
			arena_free();
		}
		for (size_t i = 0; i < size * 8; i++)
		{
			original[i / 8] ^= (uint8_t) (1 << i % 8);
			flipped_sound = flipped_sound && sound(original, size);
			original[i / 8] ^= (uint8_t) (1 << i % 8);
			bits++;
			arena_free();
		}
		free(original);
	}
	ok(cut_refused && cut_sound, "every truncation is refused");
	ok(longer_refused, "every byte more is refused");
	printf("# %d of %d flipped bits still accepted\n", accepted, bits);
	ok(flipped_sound && accepted > 0 && accepted < bits, "every flipped bit is refused or is another delta");
}

/* ---- by hand ---- */

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

/* A base with so many sites and ranges, and a version that has none of them. */
static bool
versions_bounded(int sites, int ranges)
{
	Version		base = {sites, crdt_alloc((size_t) sites * sizeof(SiteTxns))};
	Delta		delta = {.sender = 1,.encoding = 6,.base = &base};
	const char *error;
	size_t		size;
	uint8_t    *bytes;

	for (int i = 0; i < sites; i++)
	{
		base.sites[i] = (SiteTxns) {(Site) i + 1, ranges, crdt_alloc((size_t) ranges * sizeof(TxnRange))};
		for (int j = 0; j < ranges; j++)
			base.sites[i].ranges[j] = (TxnRange) {2 * (uint64_t) j, 2 * (uint64_t) j + 1};
	}
	bytes = delta_encode_body(&delta, &size);
	arena_allocated = 0;
	if (delta_decode_body(bytes, size, &error) == NULL)
		return false;
	printf("# %.1f bytes allocated for each\n", (double) arena_allocated / (double) size);
	return arena_allocated <= DELTA_EXPANSION * size + DELTA_ROOM;
}

/* What takes most memory for its bytes, and numbers that no bytes back. */
static void
test_memory(void)
{
	enum
	{
		SITE_COUNT = 100, ROW_COUNT = 5000
	};
	Stamp		stamps[SITE_COUNT];
	ElementSet	set = {0, SITE_COUNT, stamps, 0, FORM_TEXT, NULL};
	RowState	state = {.life = 1,.set_count = 1,.sets = &set};
	RowState	nothing = {.life = 1};
	DeltaColumn column = {"c", COLUMN_SET, FORM_TEXT};
	const uint8_t key_form = FORM_TEXT;
	DeltaRow   *rows = crdt_alloc(ROW_COUNT * sizeof(DeltaRow));
	DeltaRelation relation = {"r", 1, &key_form, 1, &column, ROW_COUNT, rows};
	Delta		delta = {.sender = 1,.encoding = 6,.relation_count = 1,.relations = &relation};
	const char *error = NULL;
	size_t		size;
	uint8_t    *bytes;

	for (int i = 0; i < SITE_COUNT; i++)
		stamps[i] = (Stamp) {(uint64_t) i, (Site) i + 1, 0};
	for (int i = 0; i < ROW_COUNT; i++)
		rows[i] = (DeltaRow) {ordered_key(i), &state};
	bytes = delta_encode_body(&delta, &size);
	arena_allocated = 0;
	ok(delta_decode_body(bytes, size, &error) != NULL && arena_allocated > 20 * size &&
	   arena_allocated <= DELTA_EXPANSION * size + DELTA_ROOM, "memory of stamps");
	printf("# %.1f bytes allocated for each\n", (double) arena_allocated / (double) size);

	relation.column_count = 0;
	for (int i = 0; i < ROW_COUNT; i++)
		rows[i].state = &nothing;
	bytes = delta_encode_body(&delta, &size);
	arena_allocated = 0;
	ok(delta_decode_body(bytes, size, &error) != NULL && arena_allocated <= DELTA_EXPANSION * size + DELTA_ROOM, "memory of rows");
	printf("# %.1f bytes allocated for each\n", (double) arena_allocated / (double) size);

	ok(versions_bounded(200000, 1), "memory of sites of versions");
	ok(versions_bounded(1, 200000), "memory of ranges");
	ok(versions_bounded(40000, 3), "memory of sites with ranges");

	bytes = delta_encode_body(&delta, &size);
	ok(delta_decode_body(bytes, DELTA_MAX_SIZE + 1, &error) == NULL && strcmp(error, "is too large") == 0, "a body that is too large");
	arena_free();
}

int
main(void)
{
	test_cases();
	test_values();
	test_versions();
	test_size();
	test_memory();
	test_changed();
	test_random();
	return done_testing();
}
