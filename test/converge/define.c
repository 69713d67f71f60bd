/*
 * define.c: what becomes of the tables of a database in an upheaval, and how all are made alike again.
 */
#include "upheaval.h"

#include <stdlib.h>
#include <string.h>

#define TRACK_ITEM "SELECT vecmark.track('item', '{\"counters\": [\"n\"], \"sets\": [\"s\"]}'), vecmark.build_digest('item')"

static void
create_item(Upheaval *up, int place)
{
	Place	   *at = &up->places[place];

	PQclear(ask(up, place, "", "CREATE TABLE item (id text PRIMARY KEY, v text, %sn integer NOT NULL DEFAULT 0, s text[] NOT NULL DEFAULT '{}')", at->has_x ? "x text, " : ""));
	at->has_v = true;
	at->item = ITEM_UNTRACKED;
}

static void
track_item(Upheaval *up, int place)
{
	PQclear(ask(up, place, "", TRACK_ITEM));
	up->places[place].item = ITEM_TRACKED;
}

/* As after a copy; whoever waits for the old life has to be told in the end. */
static void
begin_life(Upheaval *up, int place)
{
	char	   *site;

	if (up->ended_life_count == LIVES_MAX)
		return;
	site = value_of(up, place, "SELECT vecmark.site()");
	snprintf(up->ended_lives[up->ended_life_count++], sizeof(up->ended_lives[0]), "%s", site);
	free(site);
	PQclear(ask(up, place, "", "SELECT vecmark.new_incarnation()"));
}

static void
create_other(Upheaval *up, int place)
{
	PQclear(ask(up, place, "", "CREATE TABLE other (id text PRIMARY KEY); SELECT vecmark.track('other'), vecmark.build_digest('other')"));
	up->places[place].has_other = true;
}

/* The tables of a new database. */
void
make_tables(Upheaval *up, int place)
{
	Place	   *at = &up->places[place];

	create_item(up, place);
	track_item(up, place);
	create_other(up, place);
	PQclear(ask(up, place, "", "CREATE TABLE part (id text, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region); "
				"CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a'); SELECT vecmark.track('part'), vecmark.build_digest('part')"));
	at->regions[0] = REGION_ATTACHED;
	PQclear(ask(up, place, "", "CREATE TABLE folder (id text PRIMARY KEY); CREATE TABLE person (id text PRIMARY KEY); "
				"CREATE TABLE note (id text PRIMARY KEY, folder text NOT NULL REFERENCES folder ON DELETE CASCADE, lead text REFERENCES person ON DELETE SET NULL, v text); "
				"SELECT vecmark.track(t), vecmark.build_digest(t) FROM unnest('{folder,person,note}'::regclass[]) AS t"));
	PQclear(ask(up, place, "", "CREATE TABLE wide (id text PRIMARY KEY, a %s, b %s, c %s, d %s); SELECT vecmark.track('wide'), vecmark.build_digest('wide')",
				at->is_narrow ? "numeric(6, 1)" : "numeric", at->is_narrow ? "varchar(4)" : "text",
				at->is_narrow ? "timestamp(0)" : "timestamp", at->is_narrow ? "integer" : "bigint"));
}

/* What a database says of itself must be so. */
static void
expect_well(Upheaval *up, int place, bool expected, const char *after)
{
	if (!up->world->failed && is_well(up, place, "tables") != expected)
		violation(up->world, "health of db%d is %s after %s", place, expected ? "not well" : "well", after);
}

/* Whether all others have the table item, and nobody lacks something of it. */
static bool
others_are_whole(Upheaval *up, int place)
{
	for (int i = 0; i < up->world->used; i++)
		if ((i != place && up->places[i].item != ITEM_TRACKED) || !is_well(up, i, "lacking"))
			return false;
	return true;
}

/*
 * Before something is taken away that was told to nobody: tell it to all, or let it go.  Whether it may be taken away.
 */
static bool
let_go(Upheaval *up, int place, Random *random)
{
	bool		untold = RISES(up, UNTOLD) && random_chance(random, 40);

	if (!others_are_whole(up, place))
	{
		if (!untold || random_chance(random, 70))
			return false;
		/* two make it again, and one may not have what the other tells */
		for (int i = 0; i < up->world->used; i++)
			ledger_excuse(&up->ledger, i, TABLE_ITEM, 1);
		return true;
	}
	if (untold)
		ledger_excuse(&up->ledger, place, TABLE_ITEM, up->places[place].told);
	return untold || tell_all(up, place);
}

static void
remake(Upheaval *up, int place, Random *random)
{
	Place	   *at = &up->places[place];

	if (at->item == ITEM_TRACKED)
	{
		if (!let_go(up, place, random))
			return;
		PQclear(ask(up, place, "", "DROP TABLE item"));
		at->item = ITEM_GONE;
		if (random_chance(random, 30))
			return;
	}
	if (at->item == ITEM_GONE)
	{
		create_item(up, place);
		track_item(up, place);
	}
}

static void
retrack(Upheaval *up, int place)
{
	Place	   *at = &up->places[place];

	if (at->item == ITEM_TRACKED)
	{
		PQclear(ask(up, place, "", "SELECT vecmark.untrack('item')"));
		at->item = ITEM_UNTRACKED;
		up->ledger.is_retold[TABLE_ITEM] = true;
	}
	else if (at->item == ITEM_UNTRACKED)
		track_item(up, place);
}

static void
mend_item(Upheaval *up, int place)
{
	PQclear(ask(up, place, "", "SELECT vecmark.mend('item')"));
	up->places[place].item = ITEM_TRACKED;
}

static void
lose_clocks(Upheaval *up, int place, Random *random)
{
	Place	   *at = &up->places[place];

	if (at->item == ITEM_WITHOUT_CLOCKS)
		mend_item(up, place);
	else if (at->item == ITEM_TRACKED && let_go(up, place, random))
	{
		PQclear(ask(up, place, "", "ALTER TABLE item DROP COLUMN _vm"));
		at->item = ITEM_WITHOUT_CLOCKS;
		up->ledger.is_retold[TABLE_ITEM] = true;
		expect_well(up, place, false, "a column \"_vm\" was dropped");
		PQclear(ask(up, place, "42703", "INSERT INTO item (id) VALUES ('without clocks')"));
		if (random_chance(random, 60))
			mend_item(up, place);
	}
}

static void
lose_triggers(Upheaval *up, int place, Random *random)
{
	if (up->places[place].item != ITEM_TRACKED)
		return;
	PQclear(ask(up, place, "", "DROP TRIGGER \"~~vecmark_%s\" ON item", random_chance(random, 50) ? "capture" : "truncate"));
	expect_well(up, place, false, "a trigger was dropped");
	mend_item(up, place);
}

static void
change_columns(Upheaval *up, int place, Random *random)
{
	Place	   *at = &up->places[place];

	if (at->item != ITEM_TRACKED)
		return;
	if (!at->has_x && random_chance(random, 40))
	{
		PQclear(ask(up, place, "", "ALTER TABLE item ADD COLUMN x text"));
		at->has_x = true;
	}
	else if (random_chance(random, 20))
		PQclear(ask(up, place, "", "ALTER TABLE item ALTER n TYPE bigint"));
	else if (!at->has_v)
	{
		PQclear(ask(up, place, "", "ALTER TABLE item ADD COLUMN v text"));
		at->has_v = true;
		expect_well(up, place, false, "a column was added again");
		if (random_chance(random, 50))
			mend_item(up, place);
	}
	else if (let_go(up, place, random))
	{
		PQclear(ask(up, place, "", "ALTER TABLE item DROP COLUMN v"));
		at->has_v = false;
	}
}

/* A row that is put into a partition by itself. */
static void
load_part(Upheaval *up, int place, char region)
{
	char		key[KEY_SIZE];
	char		value[VALUE_SIZE];
	PGresult   *result;

	up->tokens++;
	snprintf(key, sizeof(key), "k%d", up->tokens);
	snprintf(value, sizeof(value), "v%d", up->tokens);
	result = ask(up, place, "", "INSERT INTO part_%c (id, region, v) VALUES ('%s', '%c', '%s')", region, key, region, value);
	if (result != NULL)
	{
		ledger_mark(&up->ledger, place, MARK_INSERT, TABLE_PART, key, 0, "", 0);
		ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_PART, key, 'v', value, 0);
	}
	PQclear(result);
}

static void
attach(Upheaval *up, int place, char region)
{
	PQclear(ask(up, place, "", "ALTER TABLE part ATTACH PARTITION part_%c FOR VALUES IN ('%c')", region, region));
	up->places[place].regions[region - 'a'] = REGION_ATTACHED;
	expect_well(up, place, false, "a partition was attached");
}

static void
create_part(Upheaval *up, int place, char region)
{
	PQclear(ask(up, place, "", "CREATE TABLE part_%c PARTITION OF part FOR VALUES IN ('%c')", region, region));
	up->places[place].regions[region - 'a'] = REGION_ATTACHED;
}

static void
change_parts(Upheaval *up, int place, Random *random)
{
	int			number = random_below(random, REGIONS);
	RegionState *state = &up->places[place].regions[number];
	char		region = 'a' + number;

	switch (*state)
	{
		case REGION_NONE:
			if (random_chance(random, 40))
				create_part(up, place, region);
			else
			{
				PQclear(ask(up, place, "", "CREATE TABLE part_%c (LIKE part INCLUDING ALL)", region));
				load_part(up, place, region);
				attach(up, place, region);
			}
			break;
		case REGION_ATTACHED:
			if (random_chance(random, 50))
				break;
			PQclear(ask(up, place, "", "ALTER TABLE part DETACH PARTITION part_%c", region));
			*state = REGION_APART;
			up->ledger.is_retold[TABLE_PART] = true;
			break;
		case REGION_APART:
			if (random_chance(random, 40))
				load_part(up, place, region);
			else
				attach(up, place, region);
			break;
	}
}

/* Where nothing is the matter, no table and no partition can be truncated. */
static void
truncate_something(Upheaval *up, int place, Random *random)
{
	Place	   *at = &up->places[place];
	int			number = random_below(random, REGIONS);
	PGresult   *result = NULL;

	if (!is_well(up, place, "tables"))
		return;
	if (random_chance(random, 30) && at->item == ITEM_TRACKED)
		result = ask(up, place, "0A000", "TRUNCATE item");
	else if (at->regions[number] == REGION_ATTACHED)
		result = ask(up, place, "0A000", "TRUNCATE part_%c", 'a' + number);
	if (result != NULL)
		violation(up->world, "a tracked table was truncated in db%d", place);
	PQclear(result);
}

/* One database drops a tracked table, which must be felt by no other table, also when it begins another life. */
static void
drop_other(Upheaval *up, int place, Random *random)
{
	bool		all_have = true;

	for (int i = 0; i < up->world->used; i++)
		all_have &= up->places[i].has_other;
	if (all_have && random_chance(random, 50))
	{
		PQclear(ask(up, place, "", "DROP TABLE other"));
		up->places[place].has_other = false;
	}
	else if (up->places[place].has_other)
		PQclear(ask(up, place, "", "INSERT INTO other VALUES ('k%d')", up->tokens));
	else if (random_chance(random, 50))
		begin_life(up, place);
}

static void
widen(Upheaval *up, int place)
{
	if (!up->places[place].is_narrow)
		return;
	ledger_check_narrow(up, place);
	PQclear(ask(up, place, "", "ALTER TABLE wide ALTER a TYPE numeric, ALTER b TYPE text, ALTER c TYPE timestamp, ALTER d TYPE bigint"));
	up->places[place].is_narrow = false;
}

/* Something becomes of a table. */
void
step_define(Upheaval *up, int place, Random *random)
{
	int			kind;

	/* one that this history has */
	do
		kind = random_below(random, UPHEAVAL_COUNT);
	while (kind != UP_FORGET && (up->features >> kind & 1) == 0);
	switch (kind)
	{
		case UP_REMAKE:
			remake(up, place, random);
			break;
		case UP_RETRACK:
			retrack(up, place);
			break;
		case UP_PARTS:
			if (random_chance(random, 70))
				change_parts(up, place, random);
			else
				truncate_something(up, place, random);
			break;
		case UP_COLUMNS:
			change_columns(up, place, random);
			break;
		case UP_UNLIKE:
			if (random_chance(random, 15))
				widen(up, place);
			break;
		case UP_TRIGGERS:
			lose_triggers(up, place, random);
			break;
		case UP_CLOCKS:
			lose_clocks(up, place, random);
			break;
		case UP_DROPPED:
			drop_other(up, place, random);
			break;
		case UP_INCARNATIONS:
			if (random_chance(random, 20))
				begin_life(up, place);
			break;
		default:
			break;
	}
}

/* Every database has the same tables, with all columns and partitions, and the widest types. */
void
make_alike(Upheaval *up, int place)
{
	Place	   *at = &up->places[place];

	if (at->item == ITEM_GONE)
		create_item(up, place);
	if (at->item == ITEM_UNTRACKED)
		track_item(up, place);
	if (at->item == ITEM_WITHOUT_CLOCKS)
		mend_item(up, place);
	if (!at->has_other)
		create_other(up, place);
	PQclear(ask(up, place, "", "ALTER TABLE item ADD COLUMN IF NOT EXISTS v text, ADD COLUMN IF NOT EXISTS x text, ALTER n TYPE bigint"));
	for (int i = 0; i < REGIONS; i++)
		if (at->regions[i] == REGION_NONE)
			create_part(up, place, 'a' + i);
		else if (at->regions[i] == REGION_APART)
			attach(up, place, 'a' + i);
	widen(up, place);
	PQclear(ask(up, place, "", "CALL vecmark.maintain()"));
}
