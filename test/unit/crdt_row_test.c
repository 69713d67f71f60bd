/*
 * crdt_row_test.c: the laws of the lattice of rows, and what a few sites that write and
 * merge in any order come to.
 */
/* sources: src/crdt/clock.c src/crdt/row_state.c src/crdt/version.c */
#include <stdio.h>

#include "crdt/row_state.h"
#include "crdt/version.h"
#include "check.h"
#include "crdt_rows.h"
#include "tap.h"

/* The same, by values and, if they have a base, now and then by the bytes of their clocks. */
static bool
same(const RowState *a, const RowState *b)
{
	size_t		size = 0;
	uint8_t    *bytes;
	uint8_t    *others;

	if (!row_equal(a, b) || !row_equal(b, a))
		return false;
	if (a->base.site == 0 || !one_in(8))
		return true;
	size = clock_encoded_size(a);
	if (clock_encoded_size(b) != size)
		return false;
	bytes = crdt_alloc(size);
	others = crdt_alloc(size);
	return clock_encode(a, bytes) == bytes + size && clock_encode(b, others) == others + size &&
		memcmp(bytes, others, size) == 0;
}

static uint64_t
random_life(void)
{
	return one_in(5) ? (uint64_t) 1 + random_below(4) : 3;
}

static void
check_laws(void)
{
	const RowState *x = random_row(random_life(), !one_in(4));
	const RowState *y = random_row(one_in(8) ? random_life() : x->life, !one_in(4));
	const RowState *z = random_row(one_in(8) ? random_life() : x->life, !one_in(4));
	const RowState *xy = row_join(x, y);

	CHECK(same(row_join(x, x), x));
	CHECK(same(row_join(y, x), xy));
	CHECK(same(row_join(xy, z), row_join(x, row_join(y, z))));
	CHECK(same(row_join(x, xy), xy) && same(row_join(xy, y), xy));
}

/* Which of a site's stamps this is, counted from 1: as many as there are. */
static int
rank(const Stamp *stamp)
{
	for (int i = 0; i < TIMES; i++)
	{
		if (time_of[i] == stamp->time)
			return 1 + 2 * i + (stamp->txn == UINT64_MAX);
	}
	abort();
}

#define RANKS (1 + 2 * TIMES)

/* A set by what it is: of each site the last it has seen, and the dots of each element. */
typedef struct SetModel
{
	int			last[SITES];
	bool		dots[HASHES][SITES][RANKS];
} SetModel;

static SetModel
model_of_set(const ElementSet *set)
{
	SetModel	model;

	memset(&model, 0, sizeof(model));
	for (int i = 0; i < SITES; i++)
	{
		for (int j = 0; j < set->context_count; j++)
		{
			if (set->context[j].site == site_of[i])
				model.last[i] = rank(&set->context[j]);
		}
		for (int h = 0; h < HASHES; h++)
		{
			for (int j = 0; j < set->count; j++)
			{
				const Element *element = &set->elements[j];

				for (int k = 0; k < element->count; k++)
				{
					if (element->hash == hash_of[h] && element->dots[k].site == site_of[i])
						model.dots[h][i][rank(&element->dots[k])] = true;
				}
			}
		}
	}
	return model;
}

/* Ascending, nothing twice or empty, dots not beyond the context. */
static bool
set_is_sound(const ElementSet *set)
{
	for (int i = 1; i < set->context_count; i++)
	{
		if (set->context[i - 1].site >= set->context[i].site)
			return false;
	}
	for (int i = 0; i < set->count; i++)
	{
		const Element *element = &set->elements[i];

		if (element->count < 1 || (i > 0 && set->elements[i - 1].hash >= element->hash))
			return false;
		for (int j = 0; j < element->count; j++)
		{
			bool		covered = false;

			if (j > 0 && element->dots[j - 1].site >= element->dots[j].site)
				return false;
			for (int k = 0; k < set->context_count; k++)
				covered |= set->context[k].site == element->dots[j].site &&
					stamp_compare(&element->dots[j], &set->context[k]) <= 0;
			if (!covered)
				return false;
		}
	}
	return set->context_count > 0;
}

static void
check_set(const ElementSet *a, const ElementSet *b, const ElementSet *joined)
{
	SetModel	x = model_of_set(a);
	SetModel	y = model_of_set(b);
	SetModel	expected;
	SetModel	result = model_of_set(joined);

	memset(&expected, 0, sizeof(expected));
	for (int i = 0; i < SITES; i++)
	{
		expected.last[i] = x.last[i] > y.last[i] ? x.last[i] : y.last[i];
		for (int h = 0; h < HASHES; h++)
		{
			for (int r = 1; r < RANKS; r++)
				expected.dots[h][i][r] = (x.dots[h][i][r] && y.dots[h][i][r]) ||
					(x.dots[h][i][r] && r > y.last[i]) || (y.dots[h][i][r] && r > x.last[i]);
		}
	}
	CHECK(memcmp(&expected, &result, sizeof(SetModel)) == 0);
	CHECK(set_is_sound(joined));
}

static const Register *
find_register(const RowState *row, ColumnId column)
{
	for (int i = 0; i < row->register_count; i++)
	{
		if (row->registers[i].column == column)
			return &row->registers[i];
	}
	return NULL;
}

static const CounterShare *
find_share(const RowState *row, ColumnId column, Site site)
{
	for (int i = 0; i < row->counter_count; i++)
	{
		for (int j = 0; j < row->counters[i].count; j++)
		{
			if (row->counters[i].column == column && row->counters[i].shares[j].stamp.site == site)
				return &row->counters[i].shares[j];
		}
	}
	return NULL;
}

static ElementSet *
find_set(const RowState *row, ColumnId column)
{
	for (int i = 0; i < row->set_count; i++)
	{
		if (row->sets[i].column == column)
			return &row->sets[i];
	}
	return NULL;
}

/* Values by their place in value_of, which is in their order but for the last. */
static int
value_rank(const Image *value)
{
	static const int ranks[] = {0, 1, 2, 4, 5, 3};

	for (int i = 0; i < VALUES; i++)
	{
		if ((value->data == NULL) == (value_of[i].data == NULL) && value->size == value_of[i].size &&
			(value->size == 0 || memcmp(value->data, value_of[i].data, value->size) == 0))
			return ranks[i];
	}
	abort();
}

/* Whatever their form is, NULLs are least. */
static int
register_rank(const Register *item)
{
	return (item->value.data == NULL ? 0 : 1000) + item->form * 10 + value_rank(&item->value);
}

/* The join of two rows of one life, looked at column by column. */
static void
check_columns(void)
{
	const RowState *a = random_row(5, !one_in(3));
	const RowState *b = random_row(5, !one_in(3));
	const RowState *joined = row_join(a, b);
	Stamp		last = row_last_stamp(joined);
	Stamp		expected_last = {0, 0, 0};

	CHECK(joined->life == 5);
	if (a->base.site != 0 && (b->base.site == 0 || stamp_compare(&a->base, &b->base) > 0))
		CHECK(stamp_equal(&joined->base, &a->base));
	else if (b->base.site != 0)
		CHECK(stamp_equal(&joined->base, &b->base));
	else
		CHECK(joined->base.site == 0);
	if (joined->base.site != 0)
		expected_last = joined->base;

	for (int i = 0; i < COLUMNS; i++)
	{
		const Register *of_a = find_register(a, column_of[i]);
		const Register *of_b = find_register(b, column_of[i]);
		const Register *item = find_register(joined, column_of[i]);
		const ElementSet *set_a = find_set(a, column_of[i]);
		const ElementSet *set_b = find_set(b, column_of[i]);
		const ElementSet *set = find_set(joined, column_of[i]);

		CHECK((item != NULL) == (of_a != NULL || of_b != NULL));
		if (of_a != NULL && of_b != NULL && item != NULL)
		{
			int			order = stamp_compare(&of_a->stamp, &of_b->stamp);
			const Register *winner = order > 0 || (order == 0 && register_rank(of_a) > register_rank(of_b)) ? of_a : of_b;

			CHECK(stamp_equal(&item->stamp, &winner->stamp) && register_rank(item) == register_rank(winner));
		}
		else if (item != NULL)
			CHECK(memcmp(item, of_a != NULL ? of_a : of_b, sizeof(Register)) == 0);
		if (item != NULL && stamp_compare(&item->stamp, &expected_last) > 0)
			expected_last = item->stamp;

		for (int j = 0; j < SITES; j++)
		{
			const CounterShare *share_a = find_share(a, column_of[i], site_of[j]);
			const CounterShare *share_b = find_share(b, column_of[i], site_of[j]);
			const CounterShare *share = find_share(joined, column_of[i], site_of[j]);
			const CounterShare *winner = share_a != NULL ? share_a : share_b;

			if (share_a != NULL && share_b != NULL)
			{
				int			order = stamp_compare(&share_a->stamp, &share_b->stamp);

				winner = order > 0 || (order == 0 && share_a->total > share_b->total) ? share_a : share_b;
			}
			CHECK((share != NULL) == (winner != NULL));
			CHECK(share == NULL || winner == NULL || memcmp(share, winner, sizeof(CounterShare)) == 0);
			if (share != NULL && stamp_compare(&share->stamp, &expected_last) > 0)
				expected_last = share->stamp;
		}

		CHECK((set != NULL) == (set_a != NULL || set_b != NULL));
		if (set != NULL && set_a != NULL && set_b != NULL)
			check_set(set_a, set_b, set);
		for (int j = 0; set != NULL && j < set->context_count; j++)
		{
			if (stamp_compare(&set->context[j], &expected_last) > 0)
				expected_last = set->context[j];
		}
	}
	CHECK(stamp_equal(&last, &expected_last));
}

/* ---- three sites that write one row and merge */

#define NODES 3
#define EVENTS 48
#define MOMENTS 64
#define TAGS HASHES

#define COLUMN_REGISTER_ID 7
#define COLUMN_COUNTER_ID 8
#define COLUMN_SET_ID 9

typedef enum EventKind
{
	BIRTH,						/* with a value, a number and tags */
	DEATH,
	WRITE,
	COUNT,
	TAG,
	UNTAG,
} EventKind;

/* What was done, for the slow answer to what is there. */
typedef struct Event
{
	EventKind	kind;
	uint64_t	life;			/* after it */
	uint64_t	past;			/* events known where it was done */
	Stamp		stamp;
	int			value;
	int64_t		amount;
	unsigned	tags;
} Event;

/* A database: its state of the row, and what it has been told. */
typedef struct Node
{
	RowState   *state;
	Version    *version;
	uint64_t	known;			/* events */
} Node;

/* All that happens in one history. */
typedef struct World
{
	Node		nodes[NODES];
	uint64_t	clocks[NODES];
	uint64_t	txns_used[NODES];
	int			event_count;
	Event		events[EVENTS];
	int			moment_count;
	Node		moments[MOMENTS];	/* what nodes were */
} World;

/* Room for one more of each, for what is changed in place. */
static RowState *
copy_row(const RowState *row)
{
	RowState   *copy = crdt_alloc(sizeof(RowState));

	*copy = *row;
	copy->registers = crdt_alloc_array(1, sizeof(Register));
	copy->counters = crdt_alloc_array(1, sizeof(Counter));
	copy->sets = crdt_alloc_array(1, sizeof(ElementSet));
	if (row->register_count > 0)
		copy->registers[0] = row->registers[0];
	for (int i = 0; i < row->counter_count; i++)
	{
		copy->counters[i] = row->counters[i];
		copy->counters[i].shares = crdt_alloc_array(NODES, sizeof(CounterShare));
		memcpy(copy->counters[i].shares, row->counters[i].shares, row->counters[i].count * sizeof(CounterShare));
	}
	for (int i = 0; i < row->set_count; i++)
	{
		copy->sets[i] = row->sets[i];
		copy->sets[i].context = crdt_alloc_array(NODES, sizeof(Stamp));
		memcpy(copy->sets[i].context, row->sets[i].context, row->sets[i].context_count * sizeof(Stamp));
		copy->sets[i].elements = crdt_alloc_array(TAGS, sizeof(Element));
		if (row->sets[i].count > 0)
			memcpy(copy->sets[i].elements, row->sets[i].elements, row->sets[i].count * sizeof(Element));
	}
	return copy;
}

static void
put_share(Counter *counter, const Stamp *stamp, int64_t amount)
{
	int			i = 0;

	while (i < counter->count && counter->shares[i].stamp.site < stamp->site)
		i++;
	if (i == counter->count || counter->shares[i].stamp.site != stamp->site)
	{
		memmove(&counter->shares[i + 1], &counter->shares[i], (counter->count++ - i) * sizeof(CounterShare));
		counter->shares[i].total = 0;
	}
	counter->shares[i].stamp = *stamp;
	counter->shares[i].total += amount;
}

static void
put_context(ElementSet *set, const Stamp *stamp)
{
	int			i = 0;

	while (i < set->context_count && set->context[i].site < stamp->site)
		i++;
	if (i == set->context_count || set->context[i].site != stamp->site)
		memmove(&set->context[i + 1], &set->context[i], (set->context_count++ - i) * sizeof(Stamp));
	set->context[i] = *stamp;
}

/* Take an element out of the set; and put it in again if "dot" is not NULL. */
static void
put_element(ElementSet *set, int tag, const Stamp *dot)
{
	int			i = 0;

	while (i < set->count && set->elements[i].hash < hash_of[tag])
		i++;
	if (i < set->count && set->elements[i].hash == hash_of[tag])
		memmove(&set->elements[i], &set->elements[i + 1], (--set->count - i) * sizeof(Element));
	if (dot == NULL)
		return;
	memmove(&set->elements[i + 1], &set->elements[i], (set->count++ - i) * sizeof(Element));
	set->elements[i].hash = hash_of[tag];
	set->elements[i].value = element_value[tag];
	set->elements[i].count = 1;
	set->elements[i].dots = crdt_alloc(sizeof(Stamp));
	set->elements[i].dots[0] = *dot;
}

/* Do something to a node's row, as transaction "txn". */
static void
act(World *world, int number, uint64_t txn)
{
	Node	   *node = &world->nodes[number];
	RowState   *row = copy_row(node->state);
	Event	   *event = &world->events[world->event_count];
	Stamp		last = row_last_stamp(row);

	memset(event, 0, sizeof(Event));
	if (!row_is_alive(row))
		event->kind = BIRTH;
	else
		event->kind = one_in(12) ? DEATH : (EventKind) (WRITE + random_below(4));
	event->past = node->known;
	world->clocks[number] += (uint64_t) random_below(3);
	if (world->clocks[number] <= last.time)
		world->clocks[number] = last.time + 1;
	event->stamp = (Stamp) {world->clocks[number], site_of[number], txn};
	event->value = random_below(VALUES);
	event->amount = random_below(21) - 10;
	event->tags = 1u << random_below(TAGS);

	switch (event->kind)
	{
		case BIRTH:
			event->tags = (unsigned) random_below(1 << TAGS);
			row->life++;
			row->base = event->stamp;
			row->register_count = row->counter_count = row->set_count = 1;
			row->registers[0] = (Register) {COLUMN_REGISTER_ID, FORM_TEXT, event->stamp, value_of[event->value]};
			row->counters[0] = (Counter) {COLUMN_COUNTER_ID, 0, crdt_alloc_array(NODES, sizeof(CounterShare))};
			put_share(&row->counters[0], &event->stamp, event->amount);
			row->sets[0] = (ElementSet) {COLUMN_SET_ID, 0, crdt_alloc_array(NODES, sizeof(Stamp)), 0,
			FORM_TEXT, crdt_alloc_array(TAGS, sizeof(Element))};
			put_context(&row->sets[0], &event->stamp);
			for (int i = 0; i < TAGS; i++)
			{
				if (event->tags >> i & 1)
					put_element(&row->sets[0], i, &event->stamp);
			}
			break;
		case DEATH:
			row->life++;
			row->base = event->stamp;
			row->register_count = row->counter_count = row->set_count = 0;
			break;
		case WRITE:
			row->registers[0] = (Register) {COLUMN_REGISTER_ID, FORM_TEXT, event->stamp, value_of[event->value]};
			break;
		case COUNT:
			put_share(&row->counters[0], &event->stamp, event->amount);
			break;
		case TAG:
		case UNTAG:
			for (int i = 0; i < TAGS; i++)
			{
				if (event->tags >> i & 1)
					put_element(&row->sets[0], i, event->kind == TAG ? &event->stamp : NULL);
			}
			put_context(&row->sets[0], &event->stamp);
			break;
	}
	event->life = row->life;
	node->state = row;
	node->version = version_union(node->version, version_of_dot(site_of[number], txn));
	node->known |= UINT64_C(1) << world->event_count++;
}

/* Does a node show what it has to, by all that has been done and it has heard of? */
static void
check_visible(const World *world, const Node *node)
{
	const RowState *row = node->state;
	uint64_t	life = 0;
	int64_t		expected_sum = 0;
	int64_t		sum;
	const Event *written = NULL;
	unsigned	tags = 0;
	unsigned	shown = 0;
	Stamp		base = {0, 0, 0};

	for (int i = 0; i < world->event_count; i++)
	{
		if ((node->known >> i & 1) && world->events[i].life > life)
			life = world->events[i].life;
	}
	CHECK(row->life == life);
	for (int i = 0; i < world->event_count; i++)
	{
		const Event *event = &world->events[i];

		if (!(node->known >> i & 1) || event->life != life)
			continue;
		if ((event->kind == BIRTH || event->kind == DEATH) && stamp_compare(&event->stamp, &base) > 0)
			base = event->stamp;
		if ((event->kind == BIRTH || event->kind == WRITE) &&
			(written == NULL || stamp_compare(&event->stamp, &written->stamp) > 0))
			written = event;
		if (event->kind == BIRTH || event->kind == COUNT)
			expected_sum += event->amount;
		if (event->kind == BIRTH || event->kind == TAG)
		{
			unsigned	left = event->tags;

			/* what somebody removed who knew of it is gone */
			for (int j = i + 1; j < world->event_count; j++)
			{
				const Event *other = &world->events[j];

				if ((node->known >> j & 1) && other->life == life && other->kind == UNTAG && (other->past >> i & 1))
					left &= ~other->tags;
			}
			tags |= left;
		}
	}
	CHECK(stamp_equal(&row->base, &base));
	if (!row_is_alive(row))
	{
		CHECK(row->register_count == 0 && row->counter_count == 0 && row->set_count == 0);
		return;
	}
	CHECK(row->register_count == 1 && row->counter_count == 1 && row->set_count == 1);
	if (failed)
		return;
	CHECK(stamp_equal(&row->registers[0].stamp, &written->stamp) &&
		  value_rank(&row->registers[0].value) == value_rank(&value_of[written->value]));
	CHECK(counter_sum(&row->counters[0], &sum) && sum == expected_sum);
	CHECK(set_is_sound(&row->sets[0]));
	for (int i = 0; i < row->sets[0].count; i++)
	{
		for (int j = 0; j < TAGS; j++)
			shown |= (row->sets[0].elements[i].hash == hash_of[j] ? 1u : 0) << j;
	}
	CHECK(shown == tags);
}

/*
 * The atoms of a row that a version does not cover.  A set is one atom: without all of it
 * its context would remove what is left out.
 */
static RowState *
part_of(const RowState *row, const Version *version)
{
	RowState   *part = copy_row(row);

	if (version_covers(version, row->base.site, row->base.txn))
		part->base = (Stamp) {0, 0, 0};
	if (row->register_count > 0 &&
		version_covers(version, row->registers[0].stamp.site, row->registers[0].stamp.txn))
		part->register_count = 0;
	if (row->counter_count > 0)
	{
		Counter    *counter = &part->counters[0];

		counter->count = 0;
		for (int i = 0; i < row->counters[0].count; i++)
		{
			const CounterShare *share = &row->counters[0].shares[i];

			if (!version_covers(version, share->stamp.site, share->stamp.txn))
				counter->shares[counter->count++] = *share;
		}
		part->counter_count = counter->count > 0;
	}
	if (row->set_count > 0)
	{
		bool		covered = true;

		for (int i = 0; i < row->sets[0].context_count; i++)
			covered &= version_covers(version, row->sets[0].context[i].site, row->sets[0].context[i].txn);
		part->set_count = !covered;
	}
	return part;
}

static void
merge(Node *node, const Node *other)
{
	RowState   *joined = row_join(node->state, other->state);

	CHECK(same(joined, row_join(node->state, part_of(other->state, node->version))));
	node->state = joined;
	node->version = version_union(node->version, other->version);
	node->known |= other->known;
}

static void
check_history(void)
{
	static World world;
	const Version none = {0, NULL};

	memset(&world, 0, sizeof(world));
	for (int i = 0; i < NODES; i++)
	{
		Node	   *node = &world.nodes[i];

		node->state = crdt_alloc(sizeof(RowState));
		memset(node->state, 0, sizeof(RowState));
		node->version = version_union(&none, &none);
		world.clocks[i] = (uint64_t) random_below(30);
	}
	while (world.event_count <= EVENTS - 3)
	{
		int			number = random_below(NODES);
		Node	   *node = &world.nodes[number];

		if (one_in(2))
		{
			int			txn = 0;

			/* not the next one always: others are open for long */
			while (world.txns_used[number] >> txn & 1)
				txn++;
			for (int i = random_below(3); i > 0; i--)
				txn++;
			if (world.txns_used[number] >> txn & 1)
				continue;
			world.txns_used[number] |= UINT64_C(1) << txn;
			for (int i = 1 + random_below(3); i > 0; i--)
				act(&world, number, (uint64_t) txn);
		}
		else
			merge(node, &world.nodes[(number + 1 + random_below(NODES - 1)) % NODES]);
		check_visible(&world, node);

		/* what a node had, with what another has more by now */
		if (world.moment_count < MOMENTS)
			world.moments[world.moment_count++] = *node;
		for (int i = 0; i < 2; i++)
		{
			Node		old = world.moments[random_below(world.moment_count)];

			merge(&old, node);
			check_visible(&world, &old);
		}
		if (failed)
			return;
	}
	for (int i = 1; i < NODES; i++)
		merge(&world.nodes[0], &world.nodes[i]);
	for (int i = 1; i < NODES; i++)
	{
		merge(&world.nodes[i], &world.nodes[0]);
		CHECK(same(world.nodes[i].state, world.nodes[0].state));
		CHECK(version_compare(world.nodes[i].version, world.nodes[0].version) == VERSION_EQUAL);
	}
	check_visible(&world, &world.nodes[0]);
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

#define CHANGES 29

/* A row with some of all, of which one thing is changed. */
static const RowState *
changed_row(int change)
{
#define OR(number, value, other) (change == (number) ? (other) : (value))
	Register   *item = crdt_alloc(sizeof(Register));
	CounterShare *share = crdt_alloc(sizeof(CounterShare));
	Counter    *counter = crdt_alloc(sizeof(Counter));
	Stamp	   *dots = crdt_alloc_array(2, sizeof(Stamp));
	Element    *element = crdt_alloc(sizeof(Element));
	ElementSet *set = crdt_alloc(sizeof(ElementSet));
	RowState   *row = crdt_alloc(sizeof(RowState));

	*item = (Register) {OR(1, 1, 2), OR(28, 1, 2), {OR(2, 5, 6), OR(3, 1, 2), OR(4, 7, 8)}, {OR(5, "a", "b"), OR(6, 1, 0)}};
	if (change == 7)
		item->value.data = NULL;
	*share = (CounterShare) {{OR(8, 5, 6), OR(9, 1, 2), OR(10, 7, 8)}, OR(11, 3, -3)};
	*counter = (Counter) {OR(12, 1, 2), OR(13, 1, 0), share};
	dots[0] = (Stamp) {OR(14, 5, 4), OR(15, 1, 2), OR(16, 7, 6)};
	dots[1] = (Stamp) {OR(17, 5, 6), OR(18, 1, 2), OR(19, 7, 8)};
	*element = (Element) {OR(20, 9, 8), {OR(21, "c", "d"), 1}, OR(22, 1, 0), &dots[0]};
	*set = (ElementSet) {OR(23, 1, 2), OR(24, 1, 0), &dots[1], OR(25, 1, 0), OR(29, 1, 2), element};
	*row = (RowState) {OR(26, 1, 3), {5, 1, 7}, OR(27, 1, 0), item, 1, counter, 1, set};
	return row;
#undef OR
}

static void
check_differences(void)
{
	for (int i = 0; i <= CHANGES; i++)
	{
		for (int j = 0; j <= CHANGES; j++)
			CHECK(row_equal(changed_row(i), changed_row(j)) == (i == j));
	}
	for (int i = 0; i < 3; i++)
	{
		RowState	row = *changed_row(0);

		row.base.time += i == 0;
		row.counter_count -= i == 1;
		row.set_count -= i == 2;
		CHECK(!row_equal(&row, changed_row(0)) && !row_equal(changed_row(0), &row));
	}
}

/* A counter with these totals: does it come to this sum? */
static bool
sums(const int64_t *totals, int count, bool fits, int64_t expected)
{
	CounterShare shares[8];
	Counter		counter = {1, count, shares};
	int64_t		sum = 42;

	for (int i = 0; i < count; i++)
		shares[i] = (CounterShare) {{1, (Site) i + 1, 1}, totals[i]};
	return counter_sum(&counter, &sum) == fits && (!fits || sum == expected);
}

static void
check_sums(void)
{
	int64_t		totals[8];
	int			count = random_below(9);
	int64_t		high = 0;		/* of units of 2^32 */
	int64_t		low = 0;
	bool		fits;

	for (int i = 0; i < count; i++)
	{
		totals[i] = one_in(2) ? total_of[random_below(TOTALS)] : (int64_t) random_bits();
		high += totals[i] >> 32;
		low += totals[i] & 0xffffffff;
	}
	high += low >> 32;
	fits = high >= INT32_MIN && high <= INT32_MAX;
	CHECK(sums(totals, count, fits, fits ? high * ((int64_t) 1 << 32) + (low & 0xffffffff) : 0));
}

int
main(void)
{
	static const int64_t back[] = {INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN, 2};
	static const int64_t over[] = {INT64_MAX, 1};
	static const int64_t under[] = {INT64_MIN, -1};
	static const int64_t edge[] = {INT64_MIN, -1, 1};
	Stamp		stamp = {3, 1, 1};
	RowState	row;
	RowState   *joined;

	ok(sums(NULL, 0, true, 0) && sums(back, 5, true, 0) && sums(over, 2, false, 0) && sums(under, 2, false, 0) &&
	   sums(edge, 3, true, INT64_MIN), "a sum that fits is found, whatever is on the way");
	run(check_sums, 200000, "sums of counters");

	memset(&row, 0, sizeof(row));
	stamp = row_last_stamp(&row);
	ok(stamp.time == 0 && stamp.site == 0 && stamp.txn == 0, "a row without stamps has zeros for its last");

	run(check_differences, 1, "rows are equal if nothing differs");

	/* a longer life wins as it is, whatever the stamps */
	{
		RowState   *dead = random_row(4, true);
		RowState   *alive = random_row(3, true);

		dead->base.time = 0;
		alive->base.time = UINT64_MAX;
		joined = row_join(alive, dead);
		ok(row_equal(joined, dead) && row_equal(row_join(dead, alive), dead) && joined != dead,
		   "a delete wins over what did not know of it, and the result is new");
		arena_free();
	}

	/* an element whose value differs with one hash */
	{
		Stamp		dots[2] = {{1, 1, 1}, {2, 2, 2}};
		Element		elements[2] = {{9, {"x", 1}, 1, &dots[0]}, {9, {"y", 1}, 1, &dots[1]}};
		ElementSet	sets[2] = {{1, 1, &dots[0], 1, FORM_UUID, &elements[0]}, {1, 1, &dots[1], 1, FORM_UUID, &elements[1]}};
		RowState	rows[2] = {{1, {1, 1, 1}, 0, NULL, 0, NULL, 1, &sets[0]}, {1, {1, 1, 1}, 0, NULL, 0, NULL, 1, &sets[1]}};

		joined = row_join(&rows[0], &rows[1]);
		ok(row_equal(joined, row_join(&rows[1], &rows[0])) && joined->sets[0].count == 1 &&
		   joined->sets[0].elements[0].count == 2 && joined->sets[0].elements[0].value.data[0] == 'y',
		   "of two values with one hash the greater");
		ok(!row_equal(joined, &rows[0]), "values that differ are not equal");
		arena_free();
	}

	run(check_laws, 150000, "joins are idempotent, commutative, associative, and lose nothing");
	run(check_columns, 80000, "joins column by column, sets dot by dot");
	run(check_history, 1200, "three sites show what was done, and parts of states bring the rest");
	return done_testing();
}
