/*
 * client.c: what clients write in an upheaval: each statement returns what it saw, and only what was acknowledged
 * goes into the ledger.
 */
#include "upheaval.h"

#include <stdlib.h>
#include <string.h>

/* A row of a table, other ones for other salts. */
#define SOME "(SELECT id FROM %s ORDER BY md5(id || '%d') LIMIT 1)"

/* Whether a statement returned a row. */
static bool
returned(PGresult *result)
{
	return result != NULL && PQntuples(result) > 0;
}

static void
write_register(Upheaval *up, int place, char table, const char *name, char column, const char *value)
{
	Ledger	   *ledger = &up->ledger;
	PGresult   *result = ask(up, place, "", "WITH seen AS (SELECT id, %c::text FROM %s WHERE id = " SOME " FOR UPDATE) "
							 "UPDATE %s SET %c = '%s' FROM seen WHERE %s.id = seen.id RETURNING %s.id, seen.%c",
							 column, name, name, up->tokens, name, column, value, name, name, column);

	if (returned(result))
	{
		int			by = ledger_mark(ledger, place, MARK_WRITE, table, PQgetvalue(result, 0, 0), column, value, 0);

		ledger_undo(ledger, table, PQgetvalue(result, 0, 0), MARK_WRITE, column, PQgetvalue(result, 0, 1), by);
	}
	PQclear(result);
}

static void
delete_row(Upheaval *up, int place, char table, const char *name)
{
	PGresult   *result = ask(up, place, "", "DELETE FROM %s WHERE id = " SOME " RETURNING id", name, name, up->tokens);

	if (returned(result))
	{
		int			mark = ledger_mark(&up->ledger, place, MARK_DELETE, table, PQgetvalue(result, 0, 0), 0, "", 0);

		if (table == TABLE_ITEM && up->places[place].item == ITEM_UNTRACKED)
			ledger_excuse(&up->ledger, place, table, mark);
	}
	PQclear(result);
}

static void
insert_item(Upheaval *up, int place, Random *random)
{
	Place	   *at = &up->places[place];
	char		key[KEY_SIZE];
	char		value[VALUE_SIZE];
	PGresult   *result;

	snprintf(value, sizeof(value), "v%d", up->tokens);
	if (RISES(up, CONTENTION) && random_chance(random, 40))
		snprintf(key, sizeof(key), "c%d", random_below(random, 4));
	else
		snprintf(key, sizeof(key), "k%d", up->tokens);
	result = ask(up, place, "", at->has_v ? "INSERT INTO item (id, v) VALUES ('%s', '%s') ON CONFLICT DO NOTHING RETURNING id" :
				 "INSERT INTO item (id) VALUES ('%s') /* %s */ ON CONFLICT DO NOTHING RETURNING id", key, value);
	if (returned(result))
	{
		ledger_mark(&up->ledger, place, MARK_INSERT, TABLE_ITEM, key, 0, "", 0);
		if (at->has_v)
			ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_ITEM, key, 'v', value, 0);
	}
	PQclear(result);
}

static void
write_item(Upheaval *up, int place, Random *random)
{
	Place	   *at = &up->places[place];
	Ledger	   *ledger = &up->ledger;
	int			kind = random_below(random, 100);
	char		value[VALUE_SIZE];
	PGresult   *result;

	if (at->item == ITEM_GONE || at->item == ITEM_WITHOUT_CLOCKS)
		return;
	if (kind < 40)
		insert_item(up, place, random);
	else if (kind < 55)
	{
		int			by = 1 + random_below(random, 9);

		result = ask(up, place, "", "UPDATE item SET n = n + %d WHERE id = " SOME " RETURNING id", by, "item", up->tokens);
		if (returned(result))
			ledger_mark(ledger, place, MARK_ADD, TABLE_ITEM, PQgetvalue(result, 0, 0), 0, "", by);
		PQclear(result);
	}
	else if (kind < 67)
	{
		snprintf(value, sizeof(value), "t%d", up->tokens);
		result = ask(up, place, "", "UPDATE item SET s = s || '{%s}' WHERE id = " SOME " RETURNING id", value, "item", up->tokens);
		if (returned(result))
			ledger_mark(ledger, place, MARK_TAG, TABLE_ITEM, PQgetvalue(result, 0, 0), 0, value, 0);
		PQclear(result);
	}
	else if (kind < 72)
	{
		result = ask(up, place, "", "WITH seen AS (SELECT id, s[1] AS tag FROM item WHERE id = " SOME " FOR UPDATE) UPDATE item SET s = array_remove(s, tag) FROM seen "
					 "WHERE item.id = seen.id AND tag IS NOT NULL RETURNING item.id, tag", "item", up->tokens);
		if (returned(result))
		{
			int			by = ledger_mark(ledger, place, MARK_UNTAG, TABLE_ITEM, PQgetvalue(result, 0, 0), 0, PQgetvalue(result, 0, 1), 0);

			ledger_undo(ledger, TABLE_ITEM, PQgetvalue(result, 0, 0), MARK_TAG, 0, PQgetvalue(result, 0, 1), by);
		}
		PQclear(result);
	}
	else if (kind < 90)
	{
		char		column = at->has_x && random_chance(random, 50) ? 'x' : 'v';

		snprintf(value, sizeof(value), "%c%d", column, up->tokens);
		if (column == 'x' || at->has_v)
			write_register(up, place, TABLE_ITEM, "item", column, value);
	}
	else
		delete_row(up, place, TABLE_ITEM, "item");
}

static void
write_part(Upheaval *up, int place, Random *random)
{
	int			kind = random_below(random, 100);
	int			region = random_below(random, REGIONS);
	char		key[KEY_SIZE];
	char		value[VALUE_SIZE];

	snprintf(key, sizeof(key), "k%d", up->tokens);
	snprintf(value, sizeof(value), "v%d", up->tokens);
	if (kind < 50)
	{
		PGresult   *result;

		if (up->places[place].regions[region] != REGION_ATTACHED)
			return;
		result = ask(up, place, "", "INSERT INTO part (id, region, v) VALUES ('%s', '%c', '%s') RETURNING id", key, 'a' + region, value);
		if (returned(result))
		{
			ledger_mark(&up->ledger, place, MARK_INSERT, TABLE_PART, key, 0, "", 0);
			ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_PART, key, 'v', value, 0);
		}
		PQclear(result);
	}
	else if (kind < 85)
		write_register(up, place, TABLE_PART, "part", 'v', value);
	else
		delete_row(up, place, TABLE_PART, "part");
}

/* Notes are given another folder or lead, and the old one is deleted, all in one transaction. */
static void
move_notes(Upheaval *up, int place, bool is_lead)
{
	const char *column = is_lead ? "lead" : "folder";
	const char *table = is_lead ? "person" : "folder";
	PGresult   *old = ask(up, place, "", "SELECT " SOME, table, up->tokens);
	PGresult   *moved = NULL;
	Move		move = {.is_lead = is_lead};
	bool		ok;

	snprintf(move.from, sizeof(move.from), "%s", returned(old) ? PQgetvalue(old, 0, 0) : "");
	snprintf(move.to, sizeof(move.to), "f%d", up->tokens);
	PQclear(old);
	if (move.from[0] == '\0')
		return;
	PQclear(ask(up, place, "", "BEGIN"));
	PQclear(ask(up, place, "", "INSERT INTO %s VALUES ('%s')", table, move.to));
	moved = ask(up, place, "", "UPDATE note SET %s = '%s' WHERE %s = '%s' RETURNING id", column, move.to, column, move.from);
	PQclear(ask(up, place, "", "DELETE FROM %s WHERE id = '%s'", table, move.from));
	ok = run(up->world, &up->world->nodes[place].sessions[MAIN], "COMMIT", 0, NULL, NULL);
	for (int i = 0; ok && moved != NULL && i < PQntuples(moved); i++)
	{
		if (move.moved_count == MOVED_MAX)
			trouble("too many notes");
		snprintf(move.moved[move.moved_count++], KEY_SIZE, "%s", PQgetvalue(moved, i, 0));
		ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_NOTE, PQgetvalue(moved, i, 0), is_lead ? 'L' : 'F', move.to, 0);
	}
	PQclear(moved);
	if (ok)
	{
		up->ledger.moves = realloc(up->ledger.moves, sizeof(Move) * (up->ledger.move_count + 1));
		up->ledger.moves[up->ledger.move_count++] = move;
	}
}

static void
write_note(Upheaval *up, int place, Random *random)
{
	int			kind = random_below(random, 100);
	char		key[KEY_SIZE];
	char		value[VALUE_SIZE];

	snprintf(key, sizeof(key), "k%d", up->tokens);
	snprintf(value, sizeof(value), "v%d", up->tokens);
	if (kind < 10)
	{
		PQclear(ask(up, place, "", "INSERT INTO folder VALUES ('f%d')", up->tokens));
		PQclear(ask(up, place, "", "INSERT INTO person VALUES ('f%d')", up->tokens));
	}
	else if (kind < 50)
	{
		PGresult   *result = ask(up, place, "", "INSERT INTO note (id, folder, lead, v) SELECT '%s', folder.id, person.id, '%s' FROM folder, person "
								 "WHERE folder.id = " SOME " AND person.id = " SOME " RETURNING id, folder, lead",
								 key, value, "folder", up->tokens, "person", up->tokens);

		if (returned(result))
		{
			ledger_mark(&up->ledger, place, MARK_INSERT, TABLE_NOTE, key, 0, "", 0);
			ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_NOTE, key, 'v', value, 0);
			ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_NOTE, key, 'F', PQgetvalue(result, 0, 1), 0);
			ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_NOTE, key, 'L', PQgetvalue(result, 0, 2), 0);
		}
		PQclear(result);
	}
	else if (kind < 60)
		write_register(up, place, TABLE_NOTE, "note", 'v', value);
	else if (kind < 65)
		delete_row(up, place, TABLE_NOTE, "note");
	else
		move_notes(up, place, kind >= 82);
}

/* A value that the types of a narrow database hold, or only those of others. */
static void
wide_value(Upheaval *up, bool is_narrow, char column, char *value)
{
	int			n = up->tokens;

	switch (column)
	{
		case 'a':
			snprintf(value, VALUE_SIZE, is_narrow ? "%d.5" : "%d.125", n);
			break;
		case 'b':
			snprintf(value, VALUE_SIZE, is_narrow ? "%x" : "a longer text %x", n);
			break;
		case 'c':
			snprintf(value, VALUE_SIZE, is_narrow ? "2026-01-02 %02d:%02d:%02d" : "2026-01-02 %02d:%02d:%02d.6", n / 3600 % 24, n / 60 % 60, n % 60);
			break;
		default:
			snprintf(value, VALUE_SIZE, is_narrow ? "%d" : "5000%06d", n);
	}
}

static void
write_wide(Upheaval *up, int place, Random *random)
{
	bool		is_narrow = up->places[place].is_narrow || random_chance(random, 50);
	int			kind = random_below(random, 100);
	char		key[KEY_SIZE];
	char		values[4][VALUE_SIZE];

	snprintf(key, sizeof(key), "k%d", up->tokens);
	for (int i = 0; i < 4; i++)
		wide_value(up, is_narrow, 'a' + i, values[i]);
	if (kind < 50)
	{
		PGresult   *result = ask(up, place, "", "INSERT INTO wide (id, a, b, c, d) VALUES ('%s', '%s', '%s', '%s', '%s') RETURNING id", key, values[0], values[1], values[2], values[3]);

		if (returned(result))
		{
			ledger_mark(&up->ledger, place, MARK_INSERT, TABLE_WIDE, key, 0, "", 0);
			for (int i = 0; i < 4; i++)
				ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_WIDE, key, 'a' + i, values[i], 0);
		}
		PQclear(result);
	}
	else if (kind < 90)
	{
		int			column = random_below(random, 4);

		write_register(up, place, TABLE_WIDE, "wide", 'a' + column, values[column]);
	}
	else
		delete_row(up, place, TABLE_WIDE, "wide");
}

/* A client writes something. */
void
step_client(Upheaval *up, int place, Random *random)
{
	int			kind = random_below(random, 100);

	up->tokens++;
	if (kind < 25 && RISES(up, REFERENCES))
		write_note(up, place, random);
	else if (kind < 45 && RISES(up, PARTS))
		write_part(up, place, random);
	else if (kind < 60 && RISES(up, UNLIKE))
		write_wide(up, place, random);
	else
		write_item(up, place, random);
}
