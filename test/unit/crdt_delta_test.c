/* crdt_delta_test.c: bodies of random deltas, written, read, cut and flipped, and the memory that they take. */
/* sources: src/crdt/delta_decode.c src/crdt/delta_encode.c src/crdt/version.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "crdt_deltas.h"
#include "random.h"
#include "tap.h"

/* Without sanitizers the test runs under emulators, which are slow. */
#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 10
#else
#define ROUNDS 1
#endif

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
		data[i] = one_in(4) ? (char) random_bits() : 'a';
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

		if (one_in(2))
			continue;
		txns->site = pool->sites[i];
		txns->count = 1 + random_below(3);
		txns->ranges = crdt_alloc(3 * sizeof(TxnRange));
		for (int j = 0; j < txns->count; j++)
		{
			txns->ranges[j].from = last + (j > 0) + (random_number() >> 8);
			txns->ranges[j].to = last = txns->ranges[j].from + 1 + (random_number() >> 8);
		}
		if (one_in(20))
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
		if (i == needed || one_in(4))
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
			if (j == needed || one_in(4))
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
	if (!all && one_in(4))
		row->life = row->life - 1 == 0 ? 2 : row->life - 1;
	if (one_in(2))
		row->base = pool_stamp(pool, random_below(pool->site_count));
	row->registers = crdt_alloc(columns * sizeof(Register));
	row->counters = crdt_alloc(columns * sizeof(Counter));
	row->sets = crdt_alloc(columns * sizeof(ElementSet));
	for (int i = 0; i < relation->column_count && row_is_alive(row); i++)
	{
		if (!all && one_in(2))
			continue;
		if (relation->columns[i].kind == COLUMN_REGISTER)
		{
			Register   *reg = &row->registers[row->register_count++];

			reg->column = (ColumnId) i;
			reg->form = relation->columns[i].form;
			reg->stamp = pool_stamp(pool, random_below(pool->site_count));
			reg->value = one_in(4) ? (Image) {NULL, 0} : random_image(one_in(20) ? 200 : random_below(6));
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
	if (one_in(30))
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
	pool.time = one_in(4) ? 0 : random_number() / 2;
	memset(delta, 0, sizeof(Delta));
	delta->sender = pool.sites[random_below(pool.site_count)];
	delta->encoding = random_below(42);
	delta->base = random_version(&pool);
	delta->to = random_version(&pool);
	if (one_in(2))
		delta->to = version_union(delta->base, delta->to);
	delta->relation_count = random_below(3);
	delta->relations = crdt_alloc(3 * sizeof(DeltaRelation));
	for (int i = 0; i < delta->relation_count; i++)
	{
		DeltaRelation *relation = &delta->relations[i];

		relation->name = ordered_name(i + random_below(2) * 100 * i);
		relation->key_count = 1 + random_below(one_in(8) ? DELTA_MAX_KEY : 2);
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
			bytes[random_below((int) size)] = (uint8_t) (one_in(2) ? random_bits() : random_bits() % 4);
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
	test_memory();
	test_changed();
	test_random();
	return done_testing();
}
