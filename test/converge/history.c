/*
 * history.c: random histories of the convergence fuzz, step by step.
 */
#include "converge.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX 16384

typedef struct Text
{
	char		at[SQL_MAX];
	size_t		length;
} Text;

/* Values that no other statement writes. */
typedef struct Tokens
{
	int			step;
	int			next;
} Tokens;

static void
add(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add(Text *text, const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	text->length += vsnprintf(text->at + text->length, SQL_MAX - text->length, format, arguments);
	va_end(arguments);
	if (text->length >= SQL_MAX)
		trouble("a statement is too long");
}

static int
token(Tokens *tokens)
{
	return tokens->step * 100 + tokens->next++;
}

static int
key(Random *random)
{
	return random_below(random, 5);
}

/* " = value" for a column that has values of one writer each. */
static void
add_register(World *world, Text *text, Random *random, Tokens *tokens, const char *column)
{
	if (HAS(world, NULLS) && random_chance(random, 10))
		add(text, "%s = NULL", column);
	else
		add(text, "%s = '%s%d'", column, column, token(tokens));
}

static void
add_counter(World *world, Text *text, Random *random, const char *column)
{
	if (HAS(world, NULLS) && random_chance(random, 5))
		add(text, "%s = NULL", column);
	else if (random_chance(random, 15))
		add(text, "%s = %d", column, random_below(random, 20) - 3);
	else
		add(text, "%s = %s + %d", column, column, random_below(random, 9) - 4);
}

static void
add_tags(World *world, Text *text, Random *random, Tokens *tokens)
{
	int			kind = random_below(random, 10);

	if (kind < 3)
		add(text, "tags = tags || 'x%d'::text", token(tokens));
	else if (kind < 5)
		add(text, "tags = tags || '{%c}'", 'a' + random_below(random, 3));
	else if (kind < 7)
		add(text, "tags = array_remove(tags, '%c')", 'a' + random_below(random, 3));
	else if (kind < 8)
		add(text, "tags = tags[2:]");
	else if (kind < 9)
		add(text, "tags = '{z%d, b, a}'", token(tokens));
	else
		add(text, "tags = %s", HAS(world, NULLS) ? "NULL" : "'{}'");
}

/* One assignment; "column" is a letter of the tables below. */
static void
add_change(World *world, Text *text, Random *random, Tokens *tokens, char column)
{
	switch (column)
	{
		case 'v':
			add_register(world, text, random, tokens, "v");
			break;
		case 'w':
			add_register(world, text, random, tokens, "w");
			break;
		case 'B':
			if (HAS(world, TOAST))
				add(text, "big = repeat('big%d ', 400)", token(tokens));
			else
				add_register(world, text, random, tokens, "big");
			break;
		case 'n':
			add_counter(world, text, random, "n");
			break;
		case 'm':
			add_counter(world, text, random, "m");
			break;
		case 't':
			add_tags(world, text, random, tokens);
			break;
		case 'p':
			if (random_chance(random, 20))
				add(text, "pid = NULL");
			else
				add(text, "pid = (SELECT id FROM p ORDER BY abs(id - %d), id LIMIT 1)", key(random));
			break;
		case 'u':
			if (random_chance(random, 10))
				add(text, "u = NULL");
			else
				add(text, "u = %d", random_below(random, 6));
			break;
		case '_':
			/* a client's own ideas of clocks */
			add(text, "_vm = (SELECT min(_vm::text)::vecmark.rowclock FROM p)");
			break;
	}
}

/* What an update of a table sets: one to all of its columns. */
static void
add_changes(World *world, Text *text, Random *random, Tokens *tokens, const char *columns)
{
	char		chosen[16];
	int			count = 0;

	while (count == 0)
		for (const char *column = columns; *column != '\0'; column++)
		{
			bool		allowed = strchr("nm", *column) != NULL ? HAS(world, COUNTERS) : *column != 't' || HAS(world, TAGS);

			if (allowed && random_chance(random, *column == '_' ? 4 : 40))
				chosen[count++] = *column;
		}
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			add(text, ", ");
		add_change(world, text, random, tokens, chosen[i]);
	}
}

typedef struct Table
{
	const char *name;
	const char *columns;		/* that updates set */
	int			feature;		/* without it the table stays empty, -1: none */
} Table;

static const Table tables[] = {
	{"p", "vwBnmt_", -1},
	{"c", "pvnt", BIT_CASCADE},
	{"d", "pvn", BIT_SET_NULL},
	{"e", "pv", BIT_DEFERRED},
	{"q", "uvnmt", BIT_UNIQUE},
};

static const Table *
choose_table(World *world, Random *random)
{
	const Table *table;

	if (random_chance(random, 40))
		return &tables[0];
	do
		table = &tables[random_below(random, sizeof(tables) / sizeof(*tables))];
	while (table->feature >= 0 && (world->features >> table->feature & 1) == 0);
	return table;
}

/* A condition for the rows of some key or, if "many", of several. */
static void
add_where(const Table *table, Text *text, Random *random, bool many)
{
	const char *number = table->name[0] == 'q' ? "id::integer" : "id";

	if (many)
		add(text, " WHERE %s %% 3 = %d", number, random_below(random, 3));
	else
		add(text, " WHERE %s = %d", number, key(random));
}

/* The key of a row that is there, for another to refer to. */
static void
add_parent(Text *text, int near)
{
	add(text, "(SELECT id FROM p ORDER BY abs(id - %d), id LIMIT 1)", near);
}

static void
add_insert(World *world, Text *text, Random *random, Tokens *tokens, const Table *table)
{
	int			id = key(random);

	switch (table->name[0])
	{
		case 'p':
			add(text, "INSERT INTO p (id, v, w, n, m, tags, big) VALUES (%d, 'v%d', 'w%d', ", id, token(tokens), token(tokens));
			add(text, "%d, %d, ", random_below(random, 10), random_below(random, 10));
			add(text, "'{x%d, a, %c}', ", token(tokens), 'a' + random_below(random, 3));
			add(text, HAS(world, TOAST) ? "repeat('big%d ', 400))" : "'big%d')", token(tokens));
			break;
		case 'c':
			add(text, "INSERT INTO c (id, sub, pid, v, n, tags) VALUES (%d, '%s', ", id, random_chance(random, 70) ? "one" : "two");
			add_parent(text, id);
			add(text, ", 'v%d', 1, ", token(tokens));
			add(text, "'{x%d}')", token(tokens));
			break;
		case 'd':
		case 'e':
			add(text, "INSERT INTO %s (id, pid, v) VALUES (%d, ", table->name, id);
			add_parent(text, id);
			add(text, ", 'v%d')", token(tokens));
			break;
		case 'q':
			add(text, "INSERT INTO q (id, u, v, n, m, tags) VALUES ('%d', %d, ", id, random_below(random, 6));
			add(text, "'v%d', 1, %d, ", token(tokens), random_below(random, 6));
			add(text, "'{x%d}')", token(tokens));
			break;
	}
	if (random_chance(random, 85))
	{
		add(text, " ON CONFLICT (id%s) DO ", table->name[0] == 'c' ? ", sub" : "");
		if (random_chance(random, 20))
			add(text, "NOTHING");
		else
		{
			add(text, "UPDATE SET v = EXCLUDED.v");
			if (table->name[0] == 'p' && HAS(world, COUNTERS))
				add(text, ", n = p.n + EXCLUDED.n");
			if (table->name[0] == 'p' && HAS(world, TAGS))
				add(text, ", tags = p.tags || EXCLUDED.tags");
		}
	}
}

/* Rows are moved away from what is deleted then, most of them. */
static void
add_move(World *world, Text *text, Random *random)
{
	int			from = key(random);

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if ((tables[i].name[0] == 'c' && HAS(world, CASCADE)) || (tables[i].name[0] == 'd' && HAS(world, SET_NULL)))
		{
			add(text, "UPDATE %s SET pid = (SELECT id FROM p WHERE id <> %d ORDER BY abs(id - %d), id LIMIT 1) WHERE pid = %d", tables[i].name, from, key(random), from);
			if (random_chance(random, 20))
				add(text, " AND id <> %d", key(random));
			add(text, "; ");
		}
	add(text, "DELETE FROM p WHERE id = %d", from);
}

static void
add_statement(World *world, Text *text, Random *random, Tokens *tokens)
{
	const Table *table = choose_table(world, random);
	int			kind = random_below(random, 100);
	bool		many = HAS(world, MULTI) && random_chance(random, 20);

	if (kind < 8 && HAS(world, DELETES))
		add_move(world, text, random);
	else if (kind < 40)
		add_insert(world, text, random, tokens, table);
	else if (kind < 56 && HAS(world, DELETES))
	{
		add(text, "DELETE FROM %s", table->name);
		add_where(table, text, random, many);
	}
	else if (kind < 64 && HAS(world, KEY_CHANGES))
	{
		add(text, "UPDATE %s SET id = %d", table->name, key(random));
		if (random_chance(random, 50))
			add(text, ", v = 'v%d'", token(tokens));
		add_where(table, text, random, false);
	}
	else
	{
		add(text, "UPDATE %s SET ", table->name);
		add_changes(world, text, random, tokens, table->columns);
		add_where(table, text, random, many);
	}
}

/* Statements, some of them rolled back. */
static void
add_statements(World *world, Text *text, Random *random, Tokens *tokens, int most)
{
	int			count = 1 + random_below(random, most);

	for (int i = 0; i < count; i++)
	{
		bool		rolled_back = HAS(world, SAVEPOINTS) && random_chance(random, 20);
		bool		saved = rolled_back || (HAS(world, SAVEPOINTS) && random_chance(random, 10));

		if (i > 0)
			add(text, "; ");
		if (saved)
			add(text, "SAVEPOINT s; ");
		add_statement(world, text, random, tokens);
		if (rolled_back)
			add(text, "; ROLLBACK TO s");
		else if (saved)
			add(text, "; RELEASE s");
	}
}

static bool
is_open(const Session *session)
{
	return PQtransactionStatus(session->conn) != PQTRANS_IDLE;
}

static void
end_failed(World *world, Session *session)
{
	if (!session->busy && PQtransactionStatus(session->conn) == PQTRANS_INERROR)
		run(world, session, "ROLLBACK", 0, NULL, NULL);
}

/* A whole transaction. */
static void
step_write(World *world, Node *node, Random *random, Tokens *tokens)
{
	Session    *session = &node->sessions[MAIN];
	Text		text = {.length = 0};
	bool		alone;

	if (session->busy)
		return;
	set_clock(world, session);
	alone = !HAS(world, SAVEPOINTS) && random_chance(random, 50);
	if (!alone)
		add(&text, "BEGIN%s; ", random_chance(random, 10) ? " ISOLATION LEVEL SERIALIZABLE" : "");
	add_statements(world, &text, random, tokens, 4);
	if (!alone)
		add(&text, "; %s", random_chance(random, 92) ? "COMMIT" : "ROLLBACK");
	run(world, session, text.at, 0, NULL, NULL);
	end_failed(world, session);
}

/* Begin, go on with, prepare or end a transaction that stays open over steps. */
static void
step_write_open(World *world, Node *node, Random *random, Tokens *tokens)
{
	Session    *session = &node->sessions[WRITER];
	Text		text = {.length = 0};
	int			kind = random_below(random, 10);

	if (session->busy)
		return;
	set_clock(world, session);
	if (!is_open(session))
	{
		add(&text, "BEGIN%s; ", random_chance(random, 10) ? " ISOLATION LEVEL REPEATABLE READ" : "");
		add_statements(world, &text, random, tokens, 2);
	}
	else if (kind < 4)
		add_statements(world, &text, random, tokens, 2);
	else if (kind < 6 && HAS(world, PREPARED) && node->prepared_count < PREPARED_MAX)
	{
		char		name[sizeof(node->prepared[0])];

		snprintf(name, sizeof(name), "%.40s_%d", node->database, world->transactions++);
		add(&text, "PREPARE TRANSACTION '%s'", name);
		if (run(world, session, text.at, 0, NULL, NULL))
			memcpy(node->prepared[node->prepared_count++], name, sizeof(name));
		end_failed(world, session);
		return;
	}
	else
		add(&text, "%s", kind == 6 ? "ROLLBACK" : "COMMIT");
	run(world, session, text.at, 0, NULL, NULL);
	end_failed(world, session);
}

static void
step_end_prepared(World *world, Node *node, Random *random)
{
	Session    *session = &node->sessions[MAIN];
	char		sql[128];
	int			which;

	if (session->busy || node->prepared_count == 0)
		return;
	which = random_below(random, node->prepared_count);
	snprintf(sql, sizeof(sql), "%s PREPARED '%s'", random_chance(random, 70) ? "COMMIT" : "ROLLBACK", node->prepared[which]);
	run(world, session, sql, 0, NULL, NULL);
	node->prepared_count--;
	if (which < node->prepared_count)
		memcpy(node->prepared[which], node->prepared[node->prepared_count], sizeof(node->prepared[0]));
}

/* A version that somebody has, or had. */
static char *
some_version(World *world, Node *to, Random *random)
{
	int			kind = random_below(random, 10);
	Node	   *node = kind < 8 ? to : &world->nodes[random_below(random, world->used)];
	char	   *version;

	if (kind == 0)
		return strdup("{}");
	if (kind == 1 && to->version_count > 0)
		return strdup(to->versions[random_below(random, to->version_count)]);
	if (node->sessions[MAIN].busy)
		return strdup("{}");
	version = own_version(&node->sessions[MAIN]);
	if (node == to && random_chance(random, 30))
	{
		if (to->version_count == VERSIONS_MAX)
			free(to->versions[--to->version_count]);
		to->versions[to->version_count++] = strdup(version);
	}
	return version;
}

void
drop_mail(World *world, int which)
{
	free(world->mails[which].delta);
	world->mail_count--;
	memmove(&world->mails[which], &world->mails[which + 1], sizeof(Mail) * (world->mail_count - which));
}

/* Ask a session for changes, and put them into the mail; how many they are, or -1. */
int
pull(World *world, Session *session, const char *since, const char *tables_asked, const char *max_bytes)
{
	const char *values[] = {since, tables_asked, max_bytes};
	PGresult   *result;
	int			count;

	set_clock(world, session);
	if (!run(world, session, "SELECT vecmark.changes($1, $2, $3)", 3, values, &result))
	{
		/* who asks for what he has got long ago may have missed deletes that are forgotten */
		bool		refused = result != NULL && strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "VM003") == 0;

		if (result != NULL && !refused)
			violation(world, "changes() failed");
		PQclear(result);
		end_failed(world, session);
		return -1;
	}
	count = PQntuples(result);
	for (int i = 0; i < count; i++)
	{
		if (world->mail_count == MAILS_MAX)
			drop_mail(world, 0);
		world->mails[world->mail_count++] = (Mail)
		{
			strdup(PQgetvalue(result, i, 0)), world->mail_number++
		};
	}
	if (count > 0)
		tell(world, "        mails %d to %d, since %s\n", world->mail_number - count, world->mail_number - 1, since);
	PQclear(result);
	return count < MAILS_MAX ? count : MAILS_MAX;
}

/* Merge some mail; the caller clears the result, unless it is NULL. */
bool
merge(World *world, Session *session, const Mail *mail, PGresult **result)
{
	const char *values[] = {mail->delta};
	char		sql[128];

	set_clock(world, session);
	snprintf(sql, sizeof(sql), "SELECT status, applied, stale, parked, gap FROM vecmark.merge($1::vecmark.delta, 'report') /* %d */", mail->number);
	return run(world, session, sql, 1, values, result);
}

/* Somebody asks another for what he lacks, and it arrives, or not yet. */
static void
step_pull(World *world, Node *node, Random *random)
{
	static const char *const sizes[] = {"1", "60", "300", "2000"};
	Node	   *from = &world->nodes[random_below(random, world->used)];
	Session    *session = &from->sessions[MAIN];
	const char *size = HAS(world, PARTS) && random_chance(random, 60) ? sizes[random_below(random, 4)] : "8388608";
	const char *some = HAS(world, SOME_TABLES) && random_chance(random, 10) ? "{p, q}" : NULL;
	char	   *since;
	int			count;
	int			first;

	if (HAS(world, OPEN_READERS) && random_chance(random, 30))
		session = &from->sessions[READER];
	if (from == node || session->busy)
		return;
	if (session->number == READER && !is_open(session))
		run(world, session, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM p", 0, NULL, NULL);
	else if (session->number == READER && random_chance(random, 40))
		run(world, session, "COMMIT", 0, NULL, NULL);
	since = some_version(world, node, random);
	count = pull(world, session, since, some, size);
	free(since);
	if (HAS(world, REORDER) && random_chance(random, 50))
		return;
	first = world->mail_count - count;
	for (int i = 0; i < count && !world->failed; i++)
	{
		if (node->sessions[MAIN].busy)
			return;
		merge(world, &node->sessions[MAIN], &world->mails[first], NULL);
		if (HAS(world, DUPLICATES) && random_chance(random, 30))
			first++;
		else
			drop_mail(world, first);
	}
}

/* Some mail arrives somewhere. */
static void
step_deliver(World *world, Node *node, Random *random)
{
	Session    *session = &node->sessions[MAIN];
	int			which;
	int			how = random_below(random, 10);

	if (world->mail_count == 0)
		return;
	which = random_below(random, world->mail_count);
	if (HAS(world, MERGE_IN_TRANSACTION) && is_open(&node->sessions[WRITER]) && random_chance(random, 20))
		session = &node->sessions[WRITER];
	if (session->busy)
		return;
	if (session->number == WRITER)
		merge(world, session, &world->mails[which], NULL);
	else if (how == 0 && HAS(world, INTERRUPTED))
	{
		PQclear(query(session->conn, random_chance(random, 50) ? "SET vecmark.testpoints = 'sync-merged-row:error@2'" :
					  "SET vecmark.testpoints = 'sync-merged-rows:error'", 0, NULL));
		merge(world, session, &world->mails[which], NULL);
		if (session->busy)
			return;
		PQclear(query(session->conn, "SET vecmark.testpoints = ''", 0, NULL));
	}
	else if (how < 3 && HAS(world, INTERRUPTED))
	{
		run(world, session, how == 1 ? "BEGIN" : "BEGIN; SAVEPOINT s", 0, NULL, NULL);
		merge(world, session, &world->mails[which], NULL);
		if (session->busy)
			return;
		run(world, session, how == 1 ? "ROLLBACK" : "ROLLBACK TO s; COMMIT", 0, NULL, NULL);
	}
	else
	{
		merge(world, session, &world->mails[which], NULL);
		if (!(HAS(world, DUPLICATES) && random_chance(random, 50)))
			drop_mail(world, which);
	}
	end_failed(world, session);
}

static void
step_clock(World *world, Node *node, Random *random)
{
	switch (random_below(random, 4))
	{
		case 0:
			node->skew = 0;
			break;
		case 1:
			node->skew = random_below(random, 7) - 3;
			break;
		case 2:
			node->skew = (random_below(random, 21) - 10) * 86400000.0;
			break;
		case 3:
			node->skew = random_below(random, 100000) - 50000;
			break;
	}
	tell(world, "%3d  db%d    clock is wrong by %.0f ms\n", world->step, node->sessions[0].node, node->skew);
	world->now += random_chance(random, 90) ? random_below(random, 10) : 100000;
}

static void
step_plain(World *world, Node *node, const char *sql)
{
	Session    *session = &node->sessions[MAIN];

	if (session->busy)
		return;
	set_clock(world, session);
	run(world, session, sql, 0, NULL, NULL);
}

static void
do_step(World *world, uint64_t seed)
{
	Random		random = {seed ^ ((uint64_t) (world->step + 1) << 40)};
	Tokens		tokens = {world->step, 0};
	Node	   *node;
	int			kind;

	random_next(&random);
	node = &world->nodes[random_below(&random, world->used)];
	kind = random_below(&random, 1000);
	if (random_chance(&random, 30))
		world->now += random_below(&random, 3);
	if (kind < 560 && HAS(world, ONE_WRITER))
		node = &world->nodes[0];
	if (kind < 400 || (kind < 520 && !HAS(world, OPEN_WRITERS)))
		step_write(world, node, &random, &tokens);
	else if (kind < 520)
		step_write_open(world, node, &random, &tokens);
	else if (kind < 560)
		step_end_prepared(world, node, &random);
	else if (kind < 750)
		step_pull(world, node, &random);
	else if (kind < 890)
		step_deliver(world, node, &random);
	else if (kind < 910 && HAS(world, REORDER) && world->mail_count > 0)
		drop_mail(world, random_below(&random, world->mail_count));
	else if (kind < 940 && HAS(world, SKEW))
		step_clock(world, node, &random);
	else if (kind < 970 && HAS(world, FORGET))
		step_plain(world, node, "SELECT vecmark.forget()");
	else if (kind < 985)
		step_plain(world, node, "SELECT status, applied, parked FROM vecmark.retry_parked()");
	else if (kind < 990 && HAS(world, INCARNATION))
		step_plain(world, node, "SELECT vecmark.new_incarnation()");
	for (int i = 0; i < world->used; i++)
		settle(world, i);
}

/* What a history has. */
static const char *const feature_names[] = {
#define X(name) #name,
	FEATURES(X)
#undef X
};

static void
prepare_node(World *world, Node *node)
{
	static const int triggers[] = {BIT_STAMP, BIT_COUNT, BIT_COUNT_IN_MERGES, BIT_CHILDREN};
	PGconn	   *conn = node->sessions[MAIN].conn;

	for (size_t i = 0; i < sizeof(triggers) / sizeof(*triggers); i++)
		if ((world->features >> triggers[i] & 1) != 0)
			PQclear(query(conn, "INSERT INTO feature VALUES ($1)", 1, &feature_names[triggers[i]]));
	for (int i = 0; i < SESSIONS; i++)
		PQclear(query(node->sessions[i].conn, HAS(world, QUARANTINE) && node->sessions[0].node % 2 == 0 ?
					  "SET vecmark.max_drift = 60" : "SET vecmark.max_drift = 2147483647", 0, NULL));

	/* who forgets must know who else there is */
	for (int i = 0; HAS(world, FORGET) && i < world->used; i++)
	{
		const char *values[] = {world->nodes[i].site};

		if (&world->nodes[i] != node)
			PQclear(query(conn, "SELECT vecmark.ack($1, '{}')", 1, values));
	}
}

static void
choose_features(World *world, Random *random)
{
	/* some histories have much, some little */
	int			percent = 20 + 15 * random_below(random, 5);

	world->used = 2 + random_below(random, NODES_MAX - 1);
	world->features = 0;
	for (int i = 0; i < FEATURE_COUNT; i++)
		if (random_chance(random, percent) && strstr(world->left_out_features, feature_names[i]) == NULL)
			world->features |= UINT64_C(1) << i;

	/* where one alone writes, what he wrote is what all must show; nobody else may, by a trigger either */
	world->features &= ~(UINT64_C(1) << BIT_ONE_WRITER);
	if (random_chance(random, 25) && strstr(world->left_out_features, "ONE_WRITER") == NULL)
		world->features |= UINT64_C(1) << BIT_ONE_WRITER;
	if (HAS(world, ONE_WRITER))
	{
		world->features &= ~(UINT64_C(1) << BIT_COUNT_IN_MERGES | UINT64_C(1) << BIT_MERGE_IN_TRANSACTION);
		world->features |= UINT64_C(1) << BIT_CASCADE | UINT64_C(1) << BIT_SET_NULL | UINT64_C(1) << BIT_DELETES;
	}
	tell(world, "%d databases", world->used);
	for (int i = 0; i < FEATURE_COUNT; i++)
		if ((world->features >> i & 1) != 0)
			tell(world, ", %s", feature_names[i]);
	tell(world, "\n");
	for (int i = 0; i < world->used; i++)
		prepare_node(world, &world->nodes[i]);
}

/*
 * Run a history to its end and look what is there.  "left_out" has steps to leave out,
 * or is NULL.
 */
void
history_run(World *world, uint64_t seed, const bool *left_out)
{
	Random		random = {seed};

	world_reset(world, seed);
	choose_features(world, &random);
	for (world->step = 0; world->step < STEPS && !world->failed; world->step++)
		if (left_out == NULL || !left_out[world->step])
			do_step(world, seed);
	if (!world->failed)
		bring_to_rest(world);
	if (!world->failed)
		check_rest(world);
	fflush(world->log);
}
