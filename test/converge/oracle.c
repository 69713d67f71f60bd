/*
 * oracle.c: what the databases wrote, by their own account, against what is there at rest.
 *
 * A trigger of each table wrote down what its row was before and after each write, in
 * the transaction of the write; so what was rolled back is not there.  Of clocks it believes
 * the life, nothing else.
 */
#include "converge.h"

#include <stdlib.h>
#include <string.h>

#define REGISTERS 4
#define COUNTERS 2

/* Columns of what row_columns selects. */
#define COLUMN_REGISTER 0
#define COLUMN_COUNTER REGISTERS
#define COLUMN_TAGS (REGISTERS + COUNTERS)
#define COLUMNS (REGISTERS + COUNTERS + 1)

static const char *const column_names[COLUMNS] = {"v", "w", "b", "big", "n", "m", "tags"};

/* One row before and after a write; life 0 is no row. */
typedef struct Event
{
	const char *table;
	const char *key;
	int			life;			/* after it; even for a delete */
	const char *old[COLUMNS];	/* NULL for all if there was no row of this life */
	const char *new[COLUMNS];
	bool		is_birth;
	int			node;
	const char *txn;
} Event;

typedef struct Events
{
	Event	   *all;
	int			count;
	int			room;
} Events;

/* The second byte of a clock, which is in hexadecimal. */
static int
life_of(const char *clock)
{
	char		digits[3] = {clock[2], clock[3], '\0'};

	return (int) strtol(digits, NULL, 16);
}

static Event *
add_event(Events *events)
{
	if (events->count == events->room)
		events->all = realloc(events->all, sizeof(Event) * (events->room = events->room * 2 + 256));
	memset(&events->all[events->count], 0, sizeof(Event));
	return &events->all[events->count++];
}

static const char *
value_or_null(const PGresult *rows, int row, int column)
{
	return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

/* What a database wrote.  The result must outlive the events. */
static PGresult *
read_events(Node *node, int number, Events *events)
{
	char		sql[2048] = "SELECT tbl, txn, (o->>'id') || coalesce('/' || (o->>'sub'), ''), (n->>'id') || coalesce('/' || (n->>'sub'), ''), o->>'_vm', n->>'_vm'";
	PGresult   *rows;

	for (int i = 0; i < COLUMNS; i++)
		sprintf(sql + strlen(sql), ", left(o->>'%s', 1000), left(n->>'%s', 1000)", column_names[i], column_names[i]);
	strcat(sql, " FROM audit ORDER BY seq");
	rows = query(node->sessions[MAIN].conn, sql, 0, NULL);
	for (int i = 0; i < PQntuples(rows); i++)
	{
		const char *old_key = value_or_null(rows, i, 2);
		const char *new_key = value_or_null(rows, i, 3);
		Event	   *event;

		if (old_key != NULL && (new_key == NULL || strcmp(old_key, new_key) != 0))
		{
			event = add_event(events);
			event->table = PQgetvalue(rows, i, 0);
			event->txn = PQgetvalue(rows, i, 1);
			event->key = old_key;
			event->life = life_of(PQgetvalue(rows, i, 4)) + 1;
			event->node = number;
		}
		if (new_key == NULL)
			continue;
		event = add_event(events);
		event->table = PQgetvalue(rows, i, 0);
		event->txn = PQgetvalue(rows, i, 1);
		event->key = new_key;
		event->life = life_of(PQgetvalue(rows, i, 5));
		event->node = number;
		event->is_birth = old_key == NULL || strcmp(old_key, new_key) != 0;
		for (int j = 0; j < COLUMNS; j++)
		{
			if (!event->is_birth)
				event->old[j] = value_or_null(rows, i, 6 + 2 * j);
			event->new[j] = value_or_null(rows, i, 7 + 2 * j);
		}
	}
	return rows;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_of(const Event *event, const char *table, const char *key)
{
	return strcmp(event->table, table) == 0 && strcmp(event->key, key) == 0;
}

static void
show_events(World *world, const Events *events, const char *table, const char *key)
{
	for (int i = 0; i < events->count; i++)
	{
		const Event *event = &events->all[i];

		if (!is_of(event, table, key))
			continue;
		tell(world, "    db%d, transaction %s, %s of life %d:", event->node, event->txn,
			 event->life % 2 == 0 ? "end" : event->is_birth ? "birth" : "change", event->life);
		for (int j = 0; j < COLUMNS && event->life % 2 == 1; j++)
			if (event->is_birth || !same(event->old[j], event->new[j]))
				tell(world, " %s: %.60s -> %.60s", column_names[j], event->old[j] ? event->old[j] : "null", event->new[j] ? event->new[j] : "null");
		tell(world, "\n");
	}
}

/* A last write: written, and not by anybody's knowledge written over. */
static void
check_register(World *world, const Events *events, const char *table, const char *key, int life, int column, const char *value)
{
	int			writes = 0;
	int			overwrites = 0;

	for (int i = 0; i < events->count; i++)
	{
		const Event *event = &events->all[i];

		if (!is_of(event, table, key) || event->life != life)
			continue;
		if (event->is_birth || !same(event->old[column], event->new[column]))
		{
			writes += same(event->new[column], value);
			overwrites += !event->is_birth && same(event->old[column], value);
		}
	}
	if (writes == 0)
		violation(world, "column %s of row %s of table %s is \"%.40s\", which nobody wrote", column_names[column], key, table, value ? value : "null");
	else if (writes == 1 && overwrites > 0 && value != NULL)
		violation(world, "column %s of row %s of table %s is \"%.40s\", which was written over", column_names[column], key, table, value);
}

/* Every increment is in the sum. */
static void
check_counter(World *world, const Events *events, const char *table, const char *key, int life, int column, const char *value)
{
	long		sum = 0;

	for (int i = 0; i < events->count; i++)
	{
		const Event *event = &events->all[i];

		if (!is_of(event, table, key) || event->life != life)
			continue;
		sum += (event->new[column] != NULL ? atol(event->new[column]) : 0) -
			(event->old[column] != NULL ? atol(event->old[column]) : 0);
	}
	if (sum != (value != NULL ? atol(value) : 0))
		violation(world, "counter %s of row %s of table %s is %s, and should be %ld", column_names[column], key, table, value ? value : "null", sum);
}

/* Whether a set, as json has it, has a tag, which comes with its quotes. */
static bool
has_tag(const char *tags, const char *tag)
{
	return tags != NULL && strstr(tags, tag) != NULL;
}

static void
check_tag(World *world, const Events *events, const char *table, const char *key, int life, const char *tag, const char *value)
{
	int			adds = 0;
	int			removes = 0;

	for (int i = 0; i < events->count; i++)
	{
		const Event *event = &events->all[i];

		if (!is_of(event, table, key) || event->life != life)
			continue;
		adds += !has_tag(event->old[COLUMN_TAGS], tag) && has_tag(event->new[COLUMN_TAGS], tag);
		removes += has_tag(event->old[COLUMN_TAGS], tag) && !has_tag(event->new[COLUMN_TAGS], tag);
	}
	if (removes == 0 && adds > 0 && !has_tag(value, tag))
		violation(world, "tag %s of row %s of table %s is lost", tag, key, table);
	else if ((adds == 0 || (adds == 1 && removes > 0)) && has_tag(value, tag))
		violation(world, "tag %s of row %s of table %s came back", tag, key, table);
}

/* Every tag that somebody added in this life and nobody who saw it removed, and no other. */
static void
check_tags(World *world, const Events *events, const char *table, const char *key, int life, const char *value)
{
	for (int i = 0; i <= events->count && !world->failed; i++)
	{
		const char *tags = i == events->count ? value : is_of(&events->all[i], table, key) ? events->all[i].new[COLUMN_TAGS] : NULL;

		while (tags != NULL && (tags = strchr(tags, '"')) != NULL)
		{
			const char *end = strchr(tags + 1, '"');
			char		tag[32];

			snprintf(tag, sizeof(tag), "%.*s", (int) (end + 1 - tags), tags);
			check_tag(world, events, table, key, life, tag, value);
			tags = end + 1;
		}
	}
}

static void
check_row(World *world, const Events *events, const char *table, const char *key, const PGresult *rows)
{
	int			life = 0;
	int			row = -1;

	for (int i = 0; i < events->count; i++)
		if (is_of(&events->all[i], table, key) && events->all[i].life > life)
			life = events->all[i].life;
	for (int i = 0; i < PQntuples(rows); i++)
		if (strcmp(PQgetvalue(rows, i, 0), key) == 0)
			row = i;
	if (life % 2 == 0 && row >= 0)
		violation(world, "row %s of table %s was deleted in life %d and is there", key, table, life);
	else if (life % 2 == 1 && row < 0)
		violation(world, "row %s of table %s is alive in life %d and is not there", key, table, life);
	else if (row >= 0 && life_of(PQgetvalue(rows, row, 1)) != life)
		violation(world, "row %s of table %s has life %d, and should have %d", key, table, life_of(PQgetvalue(rows, row, 1)), life);
	for (int i = 0; i < COLUMNS && row >= 0 && !world->failed; i++)
	{
		const char *value = value_or_null(rows, row, 3 + i);

		if (i >= COLUMN_TAGS)
			check_tags(world, events, table, key, life, value);
		else if (i >= COLUMN_COUNTER)
			check_counter(world, events, table, key, life, i, value);
		else
			check_register(world, events, table, key, life, i, value);
	}
	if (world->failed)
	{
		show_events(world, events, table, key);
		if (row >= 0)
			tell(world, "    at rest: %.300s\n", PQgetvalue(rows, row, 2));
	}
}

/*
 * All rows of a table: key, clock, everything, and the columns that are looked at here.
 */
PGresult *
rows_of(Node *node, const char *table)
{
	char		sql[2048];

	snprintf(sql, sizeof(sql), "SELECT (id || %s) COLLATE \"C\", _vm, j - '_vm'", strcmp(table, "c") == 0 ? "'/' || sub" : "''");
	for (int i = 0; i < COLUMNS; i++)
		sprintf(sql + strlen(sql), ", left(j->>'%s', 1000)", column_names[i]);
	sprintf(sql + strlen(sql), " FROM %s AS x, to_jsonb(x) AS j ORDER BY 1", table);
	return query(node->sessions[MAIN].conn, sql, 0, NULL);
}

/*
 * Nothing is lost: rows live or are dead as the longest life says; of that life every
 * increment counts, every tag is there that nobody removed, and every register has a
 * value that was written and that nobody wrote over.  "held" has what rows_of gives
 * of each table.
 */
void
check_nothing_lost(World *world, PGresult *const *held, const char *const *tables, int count)
{
	Events		events = {NULL, 0, 0};
	PGresult   *read[NODES_MAX];

	for (int i = 0; i < world->used; i++)
		read[i] = read_events(&world->nodes[i], i, &events);
	for (int i = 0; i < count && !world->failed; i++)
	{
		for (int j = 0; j < events.count && !world->failed; j++)
			if (strcmp(events.all[j].table, tables[i]) == 0)
				check_row(world, &events, tables[i], events.all[j].key, held[i]);
		for (int j = 0; j < PQntuples(held[i]) && !world->failed; j++)
			check_row(world, &events, tables[i], PQgetvalue(held[i], j, 0), held[i]);
	}
	for (int i = 0; i < world->used; i++)
		PQclear(read[i]);
	free(events.all);
}
