/*
 * node.c: the databases of the convergence fuzz and their sessions.
 */
#include "converge.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Look whether a session waits for a lock if it has not answered for so long. */
#define PATIENCE_MS 2

static const char *const tables[] = {"p", "c", "d", "e", "q", "t"};

/* Something is wrong with the harness or the machine. */
void
trouble(const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	fprintf(stderr, "converge: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(EXIT_TROUBLE);
}

/* Add to the story of this history. */
void
tell(World *world, const char *format, ...)
{
	va_list		arguments;

	if (world->quiet)
		return;
	va_start(arguments, format);
	vfprintf(world->log, format, arguments);
	va_end(arguments);
}

/* Something does not hold; the first counts. */
void
violation(World *world, const char *format, ...)
{
	va_list		arguments;
	char		text[sizeof(world->reason)];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	world->quiet = false;
	tell(world, "VIOLATION: %s\n", text);
	if (!world->failed)
		memcpy(world->reason, text, sizeof(text));
	world->failed = true;
}

/* A session that is told nothing that would be in the way. */
PGconn *
connect_to(const char *database)
{
	const char *const names[] = {"dbname", "application_name", NULL};
	const char *const values[] = {database, "converge", NULL};
	PGconn	   *conn = PQconnectdbParams(names, values, 0);

	if (PQstatus(conn) != CONNECTION_OK)
		trouble("%s", PQerrorMessage(conn));
	PQsetErrorVerbosity(conn, PQERRORS_TERSE);
	PQclear(PQexec(conn, "SET client_min_messages = error; SET log_min_messages = fatal; SET deadlock_timeout = '1ms'"));
	return conn;
}

/* A command that must succeed; the caller clears its result. */
PGresult *
query(PGconn *conn, const char *sql, int count, const char *const *values)
{
	PGresult   *result = count == 0 ? PQexec(conn, sql) : PQexecParams(conn, sql, count, NULL, values, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		trouble("%s: %s", sql, PQerrorMessage(conn));
	return result;
}

static void
command(PGconn *conn, const char *sql)
{
	PQclear(query(conn, sql, 0, NULL));
}

static bool
waits_for_lock(World *world, Session *session)
{
	char		pid[16];
	const char *values[1] = {pid};
	PGresult   *result;
	bool		waits;

	snprintf(pid, sizeof(pid), "%d", PQbackendPID(session->conn));
	/* vacuum ends by itself; prepared transactions have number 0 */
	result = query(world->control, "SELECT EXISTS (SELECT FROM unnest(pg_catalog.pg_blocking_pids($1)) AS b WHERE b = 0 OR"
				   " b IN (SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'))", 1, values);
	waits = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return waits;
}

/* Wait until a session has answered, or waits for a lock; whether it has answered. */
static bool
answers(World *world, Session *session)
{
	time_t		begin = time(NULL);

	for (;;)
	{
		struct pollfd wait = {.fd = PQsocket(session->conn),.events = POLLIN};

		if (PQconsumeInput(session->conn) == 0 || !PQisBusy(session->conn))
			return true;
		if (poll(&wait, 1, world->is_patient ? 1000 : PATIENCE_MS) == 0)
		{
			if (!world->is_patient && waits_for_lock(world, session))
				return false;
			if (time(NULL) - begin > SECONDS_MAX)
			{
				violation(world, "step %d hangs", session->step);
				return true;
			}
		}
	}
}

/* What a session has answered: the last result, or the first error. */
static bool
take_answer(World *world, Session *session, PGresult **answer)
{
	PGresult   *last = NULL;
	PGresult   *next;
	bool		ok = true;

	if (world->failed)
		return false;
	while ((next = PQgetResult(session->conn)) != NULL)
	{
		ExecStatusType status = PQresultStatus(next);

		if (!ok)
		{
			PQclear(next);
			continue;
		}
		PQclear(last);
		last = next;
		ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
	}
	session->busy = false;
	if (last == NULL || PQstatus(session->conn) != CONNECTION_OK)
		violation(world, "the server ended the session: %s", PQerrorMessage(session->conn));
	else if (!ok)
	{
		const char *state = PQresultErrorField(last, PG_DIAG_SQLSTATE);

		tell(world, " -> %s", PQresultErrorMessage(last));

		/* damage, and what only a mistake in the code raises */
		if (strncmp(state, "XX", 2) == 0)
			violation(world, "error %s: %s", state, PQresultErrorField(last, PG_DIAG_MESSAGE_PRIMARY));
	}
	else if (PQntuples(last) > 0 && strcmp(PQfname(last, 0), "changes") == 0)
		tell(world, " -> %d parts\n", PQgetisnull(last, 0, 0) ? 0 : PQntuples(last));
	else if (PQntuples(last) > 0)
	{
		tell(world, " ->");
		for (int i = 0; i < PQnfields(last); i++)
			tell(world, " %s", PQgetvalue(last, 0, i));
		tell(world, "\n");
	}
	else
		tell(world, " -> ok\n");
	*answer = last;
	return ok;
}

/*
 * Run a command in a session that is not busy; whether it succeeded.  If it waits for a
 * lock the session is busy from now on.  The caller clears the result, unless it is NULL.
 */
bool
run(World *world, Session *session, const char *sql, int count, const char *const *values, PGresult **result)
{
	PGresult   *answer = NULL;
	bool		ok = false;

	tell(world, "%3d  db%d.%d  %s", world->step, session->node, session->number, sql);
	session->step = world->step;
	world->nodes[session->node].touched = true;
	if ((count == 0 ? PQsendQuery(session->conn, sql) :
		 PQsendQueryParams(session->conn, sql, count, NULL, values, NULL, NULL, 0)) == 0)
		violation(world, "cannot send: %s", PQerrorMessage(session->conn));
	else if (answers(world, session))
		ok = take_answer(world, session, &answer);
	else
	{
		session->busy = true;
		tell(world, " -> waits\n");
	}
	if (result != NULL)
		*result = answer;
	else
		PQclear(answer);
	return ok;
}

/* Let the sessions of a node that waited go on, if something may have ended there. */
void
settle(World *world, int node)
{
	if (!world->nodes[node].touched)
		return;
	world->nodes[node].touched = false;
	for (int i = 0; i < SESSIONS; i++)
	{
		Session    *session = &world->nodes[node].sessions[i];
		PGresult   *result = NULL;

		if (!session->busy || world->failed || !answers(world, session))
			continue;
		tell(world, "%3d  db%d.%d  goes on", session->step, session->node, session->number);
		take_answer(world, session, &result);
		PQclear(result);
		if (session->number == MAIN && PQtransactionStatus(session->conn) != PQTRANS_IDLE)
			run(world, session, "ROLLBACK", 0, NULL, NULL);
		if (!session->busy && PQtransactionStatus(session->conn) == PQTRANS_IDLE)
			command(session->conn, "SET vecmark.testpoints = ''");
		i = -1;
	}
}

/* Tell a session what time it is where it is. */
void
set_clock(World *world, Session *session)
{
	char		sql[64];
	double		clock = world->now + world->nodes[session->node].skew;

	if (session->clock == clock || PQtransactionStatus(session->conn) == PQTRANS_INERROR)
		return;
	snprintf(sql, sizeof(sql), "SET vecmark.test_clock = %.0f", clock);
	command(session->conn, sql);
	/* a transaction that is rolled back takes this with it */
	session->clock = PQtransactionStatus(session->conn) == PQTRANS_IDLE ? clock : 0;
}

/* The version that a session sees; the caller frees it. */
char *
own_version(Session *session)
{
	PGresult   *result;
	char	   *version;

	result = query(session->conn, "SELECT vecmark.version()", 0, NULL);
	version = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return version;
}

/* All of a file, which the caller frees. */
char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *text = calloc(1, 65536);

	if (file == NULL || fread(text, 1, 65535, file) == 0)
		trouble("cannot read %s", path);
	fclose(file);
	return text;
}

/* Roll back what is prepared in the database of a connection. */
static void
end_prepared(PGconn *conn)
{
	PGresult   *result = query(conn, "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()", 0, NULL);

	for (int i = 0; i < PQntuples(result); i++)
	{
		char		sql[128];

		snprintf(sql, sizeof(sql), "ROLLBACK PREPARED '%s'", PQgetvalue(result, i, 0));
		command(conn, sql);
	}
	PQclear(result);
}

/* Drop a database that an earlier run may have left, with what is prepared in it. */
static void
drop_database(World *world, const char *database)
{
	PGresult   *found = query(world->control, "SELECT FROM pg_database WHERE datname = $1", 1, &database);
	char		sql[128];

	if (PQntuples(found) > 0)
	{
		PGconn	   *conn = connect_to(database);

		end_prepared(conn);
		PQfinish(conn);
		snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", database);
		command(world->control, sql);
	}
	PQclear(found);
}

static void
open_node(World *world, Node *node, int worker, const char *name, const char *schema)
{
	char		sql[256];
	PGresult   *result;

	snprintf(node->database, sizeof(node->database), "converge_%d_%s", worker, name);
	drop_database(world, node->database);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE converge_template", node->database);
	command(world->control, sql);
	for (int i = 0; i < SESSIONS; i++)
		node->sessions[i].conn = connect_to(node->database);
	result = query(node->sessions[MAIN].conn, "SELECT vecmark.new_incarnation()", 0, NULL);
	snprintf(node->site, sizeof(node->site), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	command(node->sessions[MAIN].conn, schema);
	command(node->sessions[MAIN].conn, "SET vecmark.max_drift = 2147483647");
}

static int
compare_nodes(const void *a, const void *b)
{
	return strcmp(((const Node *) a)->site, ((const Node *) b)->site);
}

/*
 * Make the databases.  Who wins of two equal times is by site, which is random: nodes are
 * numbered by it, so that a history goes the same way every time.
 */
static void
sort_nodes(World *world)
{
	qsort(world->nodes, NODES_MAX, sizeof(Node), compare_nodes);
	for (int i = 0; i < NODES_MAX; i++)
		for (int j = 0; j < SESSIONS; j++)
		{
			world->nodes[i].sessions[j].node = i;
			world->nodes[i].sessions[j].number = j;
		}
}

void
world_open(World *world, int worker, const char *folder)
{
	char		path[1024];
	char	   *schema;
	char	   *witness;

	snprintf(path, sizeof(path), "%s/schema.sql", folder);
	schema = read_file(path);
	snprintf(path, sizeof(path), "%s/witness.sql", folder);
	witness = read_file(path);
	memset(world, 0, sizeof(*world));
	world->control = connect_to("postgres");
	for (int i = 0; i < NODES_MAX; i++)
	{
		char		name[16];

		snprintf(name, sizeof(name), "%d", i);
		open_node(world, &world->nodes[i], worker, name, schema);
	}
	open_node(world, &world->witness, worker, "witness", witness);
	free(schema);
	free(witness);
}

static void
reset_session(Session *session)
{
	if (session->busy)
	{
		PGcancel   *cancel = PQgetCancel(session->conn);
		char		error[256];
		PGresult   *result;

		PQcancel(cancel, error, sizeof(error));
		PQfreeCancel(cancel);
		while ((result = PQgetResult(session->conn)) != NULL)
			PQclear(result);
		session->busy = false;
	}
	if (PQtransactionStatus(session->conn) != PQTRANS_IDLE)
		command(session->conn, "ROLLBACK");
	session->clock = 0;
}

/* Empty a database.  Seldom by TRUNCATE, which costs more, and against which nothing grows. */
static void
reset_node(Node *node, bool truncate, bool forget_versions, bool is_witness)
{
	PGconn	   *conn = node->sessions[MAIN].conn;
	char		sql[8192];
	int			length;
	static const char *const metas[] = {"sync_log", "sync_tombstone", "sync_pack", "sync_parked", "sync_quarantine", "sync_batch", "sync_peer", "sync_conflict", "merkle_leaf"};

	for (int i = 0; i < SESSIONS; i++)
		reset_session(&node->sessions[i]);
	end_prepared(conn);
	length = snprintf(sql, sizeof(sql), "SET session_replication_role = replica; ");
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		length += snprintf(sql + length, sizeof(sql) - length, truncate ? "TRUNCATE %s CASCADE; " : "DELETE FROM %s; ", tables[i]);
	for (size_t i = 0; i < sizeof(metas) / sizeof(*metas); i++)
		length += snprintf(sql + length, sizeof(sql) - length, truncate ? "TRUNCATE vecmark_internal.%s; " : "DELETE FROM vecmark_internal.%s; ", metas[i]);
	if (forget_versions)
		length += snprintf(sql + length, sizeof(sql) - length,
						   "DELETE FROM vecmark_internal.sync_version AS v WHERE NOT EXISTS "
						   "(SELECT FROM vecmark_internal.sync_table AS t WHERE strpos(t.floor::text, lpad(to_hex(v.site), 16, '0')) > 0); "
						   "DELETE FROM vecmark_internal.sync_site WHERE NOT current; ");
	length += snprintf(sql + length, sizeof(sql) - length, "UPDATE vecmark_internal.sync_site SET forgotten = '{}', lives = 0; ");
	if (!is_witness)
		length += snprintf(sql + length, sizeof(sql) - length, "%s audit; DELETE FROM feature; ", truncate ? "TRUNCATE" : "DELETE FROM");
	snprintf(sql + length, sizeof(sql) - length, "RESET session_replication_role");
	command(conn, sql);
	node->prepared_count = 0;
	node->skew = 0;
	for (int i = 0; i < node->version_count; i++)
		free(node->versions[i]);
	node->version_count = 0;
}

/* Empty the witness. */
void
reset_witness(World *world)
{
	reset_node(&world->witness, false, true, true);
}

/* Begin a history with empty databases. */
void
world_reset(World *world, uint64_t seed)
{
	bool		truncate = seed % 16 == 0;
	bool		forget_versions = truncate || seed % 2 == 0;

	for (int i = 0; i < NODES_MAX; i++)
		reset_node(&world->nodes[i], truncate, forget_versions, false);
	reset_node(&world->witness, truncate, true, true);
	sort_nodes(world);
	for (int i = 0; i < world->mail_count; i++)
		free(world->mails[i].delta);
	world->mail_count = 0;
	world->mail_number = 0;
	world->transactions = 0;
	world->step = 0;
	world->now = 1.8e12;
	world->failed = false;
	if (world->log != NULL)
		fclose(world->log);
	free(world->story);
	world->log = open_memstream(&world->story, &world->story_size);
}
