/*
 * upheaval.c: histories in which tables come and go while databases exchange by pulls and streams,
 * links are cut, and deletes are forgotten.
 *
 * Streams are those of logical replication, but for the worker: what a slot gives of a sender's outbox waits until the history
 * has it arrive, and is put into the receiver's outbox as a worker would.
 */
#include "upheaval.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define UPHEAVAL_STEPS 120
#define REST_ROUNDS 20

static const char *const upheaval_names[] = {
#define X(name) #name,
	UPHEAVALS(X)
#undef X
};

/* The features that a list of names has; false if one of them is none. */
bool
upheaval_choose(const char *names, unsigned *features)
{
	char	   *list = strdup(names);
	bool		known = true;

	*features = 0;
	for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ","))
	{
		int			i = 0;

		while (i < UPHEAVAL_COUNT && strcmp(upheaval_names[i], name) != 0)
			i++;
		known &= i < UPHEAVAL_COUNT;
		*features |= i < UPHEAVAL_COUNT ? 1u << i : 0;
	}
	free(list);
	return known;
}

/*
 * Run a statement of a place; what it returned, which the caller clears, or NULL if it failed, as it may with the SQLSTATEs
 * that are expected.
 */
PGresult *
ask(Upheaval *up, int place, const char *expected, const char *format,...)
{
	char		sql[4096];
	va_list		arguments;
	PGresult   *result = NULL;

	va_start(arguments, format);
	if (vsnprintf(sql, sizeof(sql), format, arguments) >= (int) sizeof(sql))
		trouble("a statement is too long");
	va_end(arguments);
	if (up->world->failed)
		return NULL;
	if (run(up->world, &up->world->nodes[place].sessions[MAIN], sql, 0, NULL, &result))
		return result;
	if (result != NULL && strstr(expected, PQresultErrorField(result, PG_DIAG_SQLSTATE)) == NULL)
		violation(up->world, "unexpected: %s", PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}

/* Whether health finds nothing about a part, or about any with NULL. */
bool
is_well(Upheaval *up, int place, const char *part)
{
	PGresult   *result = ask(up, place, "", part != NULL ? "SELECT part, detail FROM vecmark.health WHERE NOT ok AND part = '%s'" :
							 "SELECT part, detail FROM vecmark.health WHERE NOT ok /* %s */", part != NULL ? part : "");
	bool		well = result == NULL || PQntuples(result) == 0;

	PQclear(result);
	return well;
}

/* A value that a statement of a place returns; the caller frees it. */
char *
value_of(Upheaval *up, int place, const char *sql)
{
	PGresult   *result = query(up->world->nodes[place].sessions[MAIN].conn, sql, 0, NULL);
	char	   *value = strdup(PQgetvalue(result, 0, 0));

	PQclear(result);
	return value;
}

/* Whether one of two has lost the clocks of a table, so that it cannot be read or written. */
static bool
lacks_clocks(const Upheaval *up, int to, int from)
{
	return up->places[to].item == ITEM_WITHOUT_CLOCKS || up->places[from].item == ITEM_WITHOUT_CLOCKS;
}

static void
maintain(Upheaval *up, int place)
{
	PQclear(ask(up, place, "", "CALL vecmark.maintain()"));
	if (up->places[place].item == ITEM_WITHOUT_CLOCKS)
		up->places[place].item = ITEM_TRACKED;
}

/*
 * One pulls from another, as any client can; both are told of it, unless they are strangers.  False if one of them has missed deletes that the other has
 * forgotten.
 */
bool
pull_by_hand(Upheaval *up, int to, int from)
{
	Session    *receiver = &up->world->nodes[to].sessions[MAIN];
	Session    *sender = &up->world->nodes[from].sessions[MAIN];
	char	   *since;
	char	   *version;
	char	   *site;
	const char *values[2];
	PGresult   *told = NULL;
	PGresult   *merged = NULL;
	bool		ok;

	if (up->world->failed)
		return false;
	since = value_of(up, to, "SELECT vecmark.version()");
	version = value_of(up, from, "SELECT vecmark.version()");
	values[0] = since;
	ok = run(up->world, sender, "SELECT array_agg(d) AS changes FROM vecmark.changes($1) AS d", 1, values, &told);
	if (!ok && told != NULL && strcmp(PQresultErrorField(told, PG_DIAG_SQLSTATE), "VM003") != 0 && !lacks_clocks(up, from, from))
		violation(up->world, "changes() failed");
	if (ok && !PQgetisnull(told, 0, 0))
	{
		values[0] = PQgetvalue(told, 0, 0);
		ok = run(up->world, receiver, "SELECT status, applied, stale, parked FROM vecmark.merge_all($1::vecmark.delta[], 'report')", 1, values, &merged);
		if (!ok)
			violation(up->world, "merge failed");
		ok = ok && strcmp(PQgetvalue(merged, 0, 0), "merged") == 0;
		PQclear(merged);
	}
	if (ok && !RISES(up, STRANGERS))
	{
		free(since);
		since = value_of(up, to, "SELECT vecmark.version()");
		site = value_of(up, to, "SELECT vecmark.site()");
		values[0] = site;
		values[1] = since;
		run(up->world, sender, "SELECT vecmark.ack($1, $2)", 2, values, NULL);
		free(site);
		site = value_of(up, from, "SELECT vecmark.site()");
		values[0] = site;
		values[1] = version;
		run(up->world, receiver, "SELECT vecmark.ack($1, $2)", 2, values, NULL);
		free(site);
	}
	up->was_late |= !ok;
	PQclear(told);
	free(since);
	free(version);
	return ok;
}

/* All others pull from a place, and say so; false if one cannot. */
bool
tell_all(Upheaval *up, int place)
{
	int			marks = up->ledger.mark_count + 1;

	for (int i = 0; i < up->world->used; i++)
		if (i != place && !pull_by_hand(up, i, place))
			return false;
	up->places[place].told = marks;
	return true;
}

/* ---- streams */

static void
slot_name(Upheaval *up, int place, char *name, size_t size)
{
	snprintf(name, size, "converge_%d_%d", up->worker, place);
}

/* What the slot of a sender has goes to all who have its stream. */
static void
read_slot(Upheaval *up, int from)
{
	char		name[32];
	char		sql[256];
	PGresult   *result;

	slot_name(up, from, name, sizeof(name));
	snprintf(sql, sizeof(sql), "SELECT data FROM pg_logical_slot_get_changes('%s', NULL, NULL, 'skip-empty-xacts', '1', 'include-xids', '0') WHERE data LIKE 'table public.changes: INSERT:%%'", name);
	result = query(up->world->nodes[from].sessions[MAIN].conn, sql, 0, NULL);
	for (int i = 0; i < PQntuples(result); i++)
	{
		const char *data = strchr(PQgetvalue(result, i, 0), '\'');

		for (int to = 0; to < up->world->used && data != NULL; to++)
		{
			Link	   *link = &up->links[to][from];

			if (!link->streams)
				continue;
			if (link->waiting_count == (int) (sizeof(link->waiting) / sizeof(*link->waiting)))
				trouble("too many deltas wait");
			link->waiting[link->waiting_count] = strdup(data + 1);
			link->waiting[link->waiting_count][strlen(data + 1) - 1] = '\0';
			link->waiting_count++;
		}
	}
	PQclear(result);
}

/* Some of what waits arrives, in its order. */
static void
deliver(Upheaval *up, int to, int from, int most)
{
	Link	   *link = &up->links[to][from];
	int			count = 0;

	for (; count < most && count < link->waiting_count && !up->world->failed; count++)
	{
		const char *values[] = {link->waiting[count]};

		tell(up->world, "     from the stream of db%d\n", from);
		if (!run(up->world, &up->world->nodes[to].sessions[READER], "INSERT INTO changes VALUES ($1)", 1, values, NULL))
			violation(up->world, "a stream is stopped");
	}
	for (int i = 0; i < count; i++)
		free(link->waiting[i]);
	link->waiting_count -= count;
	memmove(link->waiting, link->waiting + count, sizeof(char *) * link->waiting_count);
}

static void
step_exchange(Upheaval *up, int to, Random *random)
{
	int			from = random_below(random, up->world->used);
	Link	   *link = &up->links[to][from];

	if (from == to)
		return;
	if (RISES(up, CUTS) && random_chance(random, 15))
	{
		link->is_cut = !link->is_cut;
		tell(up->world, "%3d  db%d    from db%d is %s\n", up->world->step, to, from, link->is_cut ? "cut" : "healed");
	}
	else if (link->is_cut)
		return;
	else if (link->streams && random_chance(random, 60))
	{
		read_slot(up, from);
		deliver(up, to, from, 1 + random_below(random, 6));
	}
	else if (link->calls)
		PQclear(ask(up, to, lacks_clocks(up, to, from) ? "VM003 42703" : "VM003", "CALL vecmark.pull('db%d')", from));
	else if (link->pulls)
		pull_by_hand(up, to, from);
}

/*
 * While a stream is cut, its sender bears a row that its receiver bears and deletes, and all who exchange otherwise know of that; the
 * receiver may forget it, and the stream goes on.
 */
static void
step_forget_behind(Upheaval *up, int to, Random *random)
{
	int			from = random_below(random, up->world->used);
	char		key[KEY_SIZE];
	char		value[VALUE_SIZE];

	if (from == to || !up->links[to][from].streams || up->places[to].item != ITEM_TRACKED || up->places[from].item != ITEM_TRACKED)
		return;
	read_slot(up, from);
	deliver(up, to, from, up->links[to][from].waiting_count);
	snprintf(key, sizeof(key), "b%d", up->tokens);
	for (int i = 0; i < 2; i++)
	{
		int			place = i == 0 ? from : to;

		snprintf(value, sizeof(value), "v%d.%d", up->tokens, i);
		PQclear(ask(up, place, "", "INSERT INTO item (id, v) VALUES ('%s', '%s')", key, value));
		ledger_mark(&up->ledger, place, MARK_INSERT, TABLE_ITEM, key, 0, "", 0);
		ledger_mark(&up->ledger, place, MARK_WRITE, TABLE_ITEM, key, 'v', value, 0);
	}
	PQclear(ask(up, to, "", "DELETE FROM item WHERE id = '%s'", key));
	ledger_mark(&up->ledger, to, MARK_DELETE, TABLE_ITEM, key, 0, "", 0);
	for (int i = 0; i < up->world->used; i++)
		if (i != to)
			pull_by_hand(up, i, to);
	for (int i = 0; i < up->world->used; i++)
		if (i != to && i != from)
		{
			/* what it holds is told with what it has to tell */
			PQclear(ask(up, i, "", "INSERT INTO folder VALUES ('b%d.%d')", up->tokens, i));
			pull_by_hand(up, to, i);
		}
	maintain(up, to);
}

/* ---- databases */

static void
drop_slot(Upheaval *up, int place)
{
	char		name[32];
	const char *values[] = {name};

	slot_name(up, place, name, sizeof(name));
	PQclear(query(up->world->control, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", 1, values));
}

/* Nothing waits for a database any more. */
static void
drop_waiting(Upheaval *up, int to)
{
	for (int from = 0; from < PLACES_MAX; from++)
	{
		for (int i = 0; i < up->links[to][from].waiting_count; i++)
			free(up->links[to][from].waiting[i]);
		up->links[to][from].waiting_count = 0;
	}
}

static void
open_database(Upheaval *up, int place)
{
	World	   *world = up->world;
	Node	   *node = &world->nodes[place];
	char		sql[256];

	snprintf(node->database, sizeof(node->database), "upheaval_%d_%d", up->worker, place);
	drop_slot(up, place);
	snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", node->database);
	PQclear(query(world->control, sql, 0, NULL));
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE converge_template", node->database);
	PQclear(query(world->control, sql, 0, NULL));
	for (int i = 0; i < SESSIONS; i += READER)
	{
		node->sessions[i].conn = connect_to(node->database);
		node->sessions[i].node = place;
		node->sessions[i].number = i;
	}
	PQclear(query(node->sessions[READER].conn, "SET session_replication_role = replica", 0, NULL));
	PQclear(query(node->sessions[MAIN].conn, "CREATE EXTENSION dblink; SELECT vecmark.create_outbox('changes')", 0, NULL));
}

/* A database as if it were new, with what a history needs. */
static void
open_place(Upheaval *up, int place)
{
	Session    *session = &up->world->nodes[place].sessions[MAIN];

	if (PQtransactionStatus(session->conn) != PQTRANS_IDLE)
		PQclear(query(session->conn, "ROLLBACK", 0, NULL));
	drop_slot(up, place);
	PQclear(query(session->conn,
				  "DROP TABLE IF EXISTS item, part, part_a, part_b, part_c, note, folder, person, wide, other;"
				  "DO $$ DECLARE rel regclass; BEGIN"
				  " FOR rel IN SELECT oid FROM pg_class WHERE relnamespace = 'vecmark_internal'::regnamespace AND relkind = 'r'"
				  " AND relname NOT IN ('sync_default', 'sync_outbox') LOOP EXECUTE format('TRUNCATE %s', rel); END LOOP; END $$", 0, NULL));
	make_tables(up, place);
	if (RISES(up, STREAMS))
	{
		char		name[32];
		char		sql[128];

		slot_name(up, place, name, sizeof(name));
		snprintf(sql, sizeof(sql), "SELECT pg_create_logical_replication_slot('%s', 'test_decoding')", name);
		PQclear(query(session->conn, sql, 0, NULL));
	}
}

/* Who exchanges with whom, and how; in a circle at least by pulls. */
static void
choose_links(Upheaval *up, Random *random)
{
	int			used = up->world->used;

	for (int to = 0; to < used; to++)
		for (int from = 0; from < used; from++)
		{
			Link	   *link = &up->links[to][from];
			bool		in_circle = (from + 1) % used == to;

			*link = (Link)
			{
				.pulls = in_circle || random_chance(random, 40),
				.calls = RISES(up, CALLS) && random_chance(random, 30),
				.streams = RISES(up, STREAMS) && random_chance(random, 50)
			};
			if (from == to)
				continue;
			if (link->calls)
				PQclear(ask(up, to, "", "CREATE SERVER IF NOT EXISTS db%d FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '%s', port '%s', dbname '%s'); "
							"CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER db%d; SELECT vecmark.add_peer('db%d', 'db%d')",
							from, PQhost(up->world->control), PQport(up->world->control), up->world->nodes[from].database, from, from, from));
			tell(up->world, "db%d from db%d:%s%s%s\n", to, from, link->calls ? " calls" : "", link->pulls ? " pulls" : "", link->streams ? " streams" : "");
		}
}

/*
 * Who forgets knows who else there is.  Else one of them joins who has forgotten deletes before, and tells
 * his own rows anew: what others wrote to them gives way.
 */
static void
introduce(Upheaval *up)
{
	for (int i = 0; i < up->world->used; i++)
	{
		char	   *site = value_of(up, i, "SELECT vecmark.site()");

		for (int j = 0; j < up->world->used; j++)
			if (i != j)
				PQclear(ask(up, j, "", "SELECT vecmark.ack('%s', '{}')", site));
		free(site);
	}
}

static void
begin(Upheaval *up, Random *random)
{
	World	   *world = up->world;
	int			percent = 20 + 20 * random_below(random, 4);

	for (int i = 0; i < PLACES_MAX; i++)
		drop_waiting(up, i);
	ledger_reset(&up->ledger);
	up->tokens = 0;
	up->ended_life_count = 0;
	world->used = 2 + random_below(random, PLACES_MAX - 1);
	if (world->chosen_upheavals != 0)
		up->features = world->chosen_upheavals;
	else
	{
		up->features = 0;
		for (int i = 0; i < UPHEAVAL_COUNT; i++)
			if (random_chance(random, i <= UP_CUTS ? 70 : percent) && strstr(world->left_out_features, upheaval_names[i]) == NULL)
				up->features |= 1u << i;
	}

	/*
	 * Of two births of one key, the later one is taken to speak of all columns that a database has, those that were added
	 * since as well.
	 */
	if (RISES(up, RETRACK) || RISES(up, CLOCKS) || RISES(up, CONTENTION))
		up->features &= ~(1u << UP_COLUMNS);
	world->step = 0;
	world->failed = false;
	world->quiet = false;
	if (world->log != NULL)
		fclose(world->log);
	free(world->story);
	world->log = open_memstream(&world->story, &world->story_size);
	tell(world, "%d databases", world->used);
	for (int i = 0; i < UPHEAVAL_COUNT; i++)
		if ((up->features >> i & 1) != 0)
			tell(world, ", %s", upheaval_names[i]);
	tell(world, "\n");
	for (int i = 0; i < world->used; i++)
	{
		up->places[i] = (Place)
		{
			.is_narrow = RISES(up, UNLIKE) && random_chance(random, 50),
			.has_x = !RISES(up, COLUMNS)
		};
		open_place(up, i);
	}
	choose_links(up, random);
	if (!RISES(up, STRANGERS))
		introduce(up);
	for (const char *table = "ipnw"; RISES(up, STRANGERS) && *table != '\0'; table++)
		up->ledger.is_retold[(int) *table] = true;
	for (int i = 0; i < 3; i++)
	{
		up->tokens++;
		PQclear(ask(up, 0, "", "INSERT INTO folder VALUES ('f%d')", up->tokens));
		PQclear(ask(up, 0, "", "INSERT INTO person VALUES ('f%d')", up->tokens));
	}
}

/* ---- at rest */

/* One round of everybody with everybody; whether there may be more. */
static bool
exchange_all(Upheaval *up)
{
	int			used = up->world->used;
	bool		more = false;

	for (int from = 0; from < used && RISES(up, STREAMS); from++)
		read_slot(up, from);
	for (int to = 0; to < used; to++)
		for (int from = 0; from < used; from++)
		{
			more |= up->links[to][from].waiting_count > 0;
			deliver(up, to, from, up->links[to][from].waiting_count);
		}
	for (int to = 0; to < used; to++)
		for (int from = 0; from < used; from++)
			if (from != to)
				more |= !pull_by_hand(up, to, from);
	for (int i = 0; i < used; i++)
		PQclear(ask(up, i, "", "SELECT status, parked FROM vecmark.retry_parked()"));
	for (int i = 0; i < used && !up->world->failed; i++)
	{
		char	   *version = value_of(up, i, "SELECT vecmark.version()");
		const char *values[] = {version};

		for (int j = 0; j < used; j++)
		{
			PGresult   *result = query(up->world->nodes[j].sessions[MAIN].conn, "SELECT vecmark.has_changes($1::vecmark.version_vector)", 1, values);

			more |= PQgetvalue(result, 0, 0)[0] == 't';
			PQclear(result);
		}
		free(version);
	}
	return more;
}

/* What a database says of itself, for the reader. */
static void
show_place(Upheaval *up, int place)
{
	char	   *text = value_of(up, place,
							   "SELECT concat_ws(E'\n', 'site ' || vecmark.site(), 'holds ' || vecmark.version(),"
							   " (SELECT string_agg(format('not well: %s: %s', part, detail), E'\n') FROM vecmark.health WHERE NOT ok),"
							   " (SELECT string_agg(format('parked: %s %s %s %s', name, convert_from(key, 'UTF8'), sqlstate, reason), E'\n') FROM vecmark.parked),"
							   " (SELECT string_agg(format('peer %s holds %s%s', site, holds, CASE WHEN retired THEN ', retired' END), E'\n') FROM vecmark.peers),"
							   " (SELECT string_agg(format('lacks of %s: %s, heard %s, here %s', rel, dots, heard, here), E'\n') FROM vecmark_internal.sync_lack),"
							   " (SELECT string_agg(format('stream of %s from %s, whole %s', to_hex(site), first, whole), E'\\n') FROM vecmark_internal.sync_stream),"
							   " (SELECT string_agg(format('batch of %s, brings %s', parts, brings), E'\n') FROM vecmark_internal.sync_batch),"
							   " (SELECT string_agg(format('forgotten %s, lives %s', forgotten, lives), E'\n') FROM vecmark_internal.sync_site WHERE current))");

	tell(up->world, "db%d:\n%s\n", place, text);
	free(text);
}

/* All show the same, and say that they are sound. */
static void
check_alike(Upheaval *up)
{
	static const char *const tables[] = {"item", "part", "folder", "person", "note", "wide", "other"};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
	{
		char		sql[512];
		char	   *first = NULL;

		snprintf(sql, sizeof(sql), "SELECT coalesce(string_agg(to_jsonb(t)::text, E'\\n' ORDER BY id), '') || E'\\nroot ' || (SELECT format('%%s %%s', hash, settled) FROM vecmark.root('%s')) FROM %s AS t", tables[i], tables[i]);
		for (int j = 0; j < up->world->used && !up->world->failed; j++)
		{
			char	   *shown = value_of(up, j, sql);
			PGresult   *faults = ask(up, j, "", "SELECT string_agg(f::text, '; ') FROM vecmark.sync_check('%s') AS f", tables[i]);

			if (faults != NULL && !PQgetisnull(faults, 0, 0))
				violation(up->world, "table %s of db%d is not sound: %s", tables[i], j, PQgetvalue(faults, 0, 0));
			PQclear(faults);
			faults = ask(up, j, "", "SELECT string_agg(f::text, '; ') FROM vecmark.audit('%s') AS f", tables[i]);
			if (faults != NULL && !PQgetisnull(faults, 0, 0))
				violation(up->world, "digest of table %s of db%d: %s", tables[i], j, PQgetvalue(faults, 0, 0));
			PQclear(faults);
			if (first == NULL)
				first = shown;
			else
			{
				if (strcmp(first, shown) != 0)
				{
					violation(up->world, "table %s is not the same in db0 and db%d", tables[i], j);
					tell(up->world, "db0:\n%s\ndb%d:\n%s\n", first, j, shown);
				}
				free(shown);
			}
		}
		free(first);
	}
	for (int i = 0; i < up->world->used; i++)
		if (!is_well(up, i, NULL))
			violation(up->world, "health of db%d is not well at rest", i);
}

/* Lives that ended will not come back. */
static void
retire_lives(Upheaval *up)
{
	for (int i = 0; i < up->world->used; i++)
		for (int j = 0; j < up->ended_life_count; j++)
			PQclear(ask(up, i, "", "SELECT vecmark.retire(site) FROM vecmark.peers WHERE site = '%s'", up->ended_lives[j]));
}

static void
come_to_rest(Upheaval *up)
{
	bool		more = true;

	tell(up->world, "at rest\n");
	for (int i = 0; i < up->world->used; i++)
		make_alike(up, i);
	for (int round = 0; more && !up->world->failed; round++)
	{
		if (round == REST_ROUNDS && RISES(up, STRANGERS) && up->was_late)
			return;				/* somebody has to rejoin */
		if (round == REST_ROUNDS)
			violation(up->world, "there is no rest");
		up->was_late = false;
		more = exchange_all(up) || round == 0;
		if (round == 0)
			retire_lives(up);
	}
	for (int i = 0; i < up->world->used; i++)
		maintain(up, i);
	if (!up->world->failed)
		check_alike(up);
	if (!up->world->failed)
		ledger_check(up);
	for (int i = 0; i < up->world->used && up->world->failed; i++)
		show_place(up, i);
}

static void
do_step(Upheaval *up, uint64_t seed)
{
	Random		random = {seed ^ ((uint64_t) (up->world->step + 1) << 40)};
	int			place;
	int			kind;

	random_next(&random);
	place = random_below(&random, up->world->used);
	kind = random_below(&random, 100);
	up->tokens = up->world->step * 4 + 10;
	if (kind < 45)
		step_client(up, place, &random);
	else if (kind < 80)
		step_exchange(up, place, &random);
	else if (kind < 84 && RISES(up, FORGET))
		maintain(up, place);
	else if (kind < 86 && RISES(up, FORGET) && RISES(up, STREAMS))
		step_forget_behind(up, place, &random);
	else
		step_define(up, place, &random);
}

static Upheaval upheaval;

void
upheaval_open(World *world, int worker)
{
	memset(world, 0, sizeof(*world));
	world->control = connect_to("postgres");
	world->is_patient = true;
	upheaval.world = world;
	upheaval.worker = worker;
	for (int i = 0; i < PLACES_MAX; i++)
		open_database(&upheaval, i);
}

/* Run a history to its end and look what is there; "left_out" has steps to leave out, or is NULL. */
void
upheaval_run(World *world, uint64_t seed, const bool *left_out)
{
	Random		random = {seed};

	begin(&upheaval, &random);
	for (world->step = 0; world->step < UPHEAVAL_STEPS && !world->failed; world->step++)
		if (left_out == NULL || !left_out[world->step])
			do_step(&upheaval, seed);
	if (!world->failed)
		come_to_rest(&upheaval);
	fflush(world->log);
}
