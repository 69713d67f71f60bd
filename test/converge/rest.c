/*
 * rest.c: brings databases to rest, and looks whether they agree.
 */
#include "converge.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rounds in which all ask all; triggers and cascades of a merge write anew. */
#define ROUNDS_MAX 30

static const char *const tables[] = {"p", "c", "d", "e", "q", "t"};

#define TABLES (int) (sizeof(tables) / sizeof(*tables))

/* What the one who wrote shows when he has written all, or NULL. */
static PGresult *meant[TABLES];

/* The number that a database has now. */
static void
read_site(Node *node)
{
	PGresult   *result = query(node->sessions[MAIN].conn, "SELECT vecmark.site()", 0, NULL);

	snprintf(node->site, sizeof(node->site), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

static void
end_session(World *world, Session *session)
{
	if (!session->busy && PQtransactionStatus(session->conn) != PQTRANS_IDLE)
		run(world, session, (world->step + session->node) % 4 == 0 ? "ROLLBACK" : "COMMIT", 0, NULL, NULL);
}

/* End what is open. */
static void
end_transactions(World *world, Node *node)
{
	bool		busy = true;
	time_t		begin = time(NULL);

	while (busy && !world->failed)
	{
		if (time(NULL) - begin > SECONDS_MAX)
			violation(world, "sessions of a database wait for nobody");

		/* a deadlock ends by itself, after a while */
		node->touched = true;
		for (int j = 0; j < SESSIONS; j++)
			end_session(world, &node->sessions[j]);
		settle(world, node->sessions[0].node);
		if (node->prepared_count > 0 && !node->sessions[MAIN].busy)
		{
			char		sql[128];

			snprintf(sql, sizeof(sql), "%s PREPARED '%s'", node->prepared_count % 3 == 0 ? "ROLLBACK" : "COMMIT",
					 node->prepared[node->prepared_count - 1]);
			run(world, &node->sessions[MAIN], sql, 0, NULL, NULL);
			node->prepared_count--;
		}
		else if (node->prepared_count > 0)
		{
			/* main waits for what is prepared: the reader is free */
			char		sql[128];

			snprintf(sql, sizeof(sql), "COMMIT PREPARED '%s'", node->prepared[--node->prepared_count]);
			run(world, &node->sessions[READER], sql, 0, NULL, NULL);
		}
		settle(world, node->sessions[0].node);
		busy = node->prepared_count > 0;
		for (int j = 0; j < SESSIONS; j++)
			busy |= node->sessions[j].busy || PQtransactionStatus(node->sessions[j].conn) != PQTRANS_IDLE;
	}
}

/* One asks another and merges all; how many rows that changed something. */
static int
exchange(World *world, Node *from, Node *to)
{
	char	   *since = own_version(&to->sessions[MAIN]);
	int			count;
	int			changed = 0;

	while (world->mail_count > 0)
		drop_mail(world, 0);
	world->quiet = true;
	count = pull(world, &from->sessions[MAIN], since, NULL, "8388608");
	free(since);
	if (count < 0)
		violation(world, "cannot pull at rest");
	for (int i = 0; i < count && !world->failed; i++)
	{
		PGresult   *result;

		if (!merge(world, &to->sessions[MAIN], &world->mails[i], &result))
			violation(world, "cannot merge at rest: %s", result != NULL ? PQresultErrorMessage(result) : "waits");
		else
		{
			if (strcmp(PQgetvalue(result, 0, 0), "merged") != 0)
				violation(world, "merge at rest is \"%s\"", PQgetvalue(result, 0, 0));
			for (int j = 1; j <= 3; j++)
				changed += atoi(PQgetvalue(result, 0, j));
		}
		PQclear(result);
	}
	world->quiet = false;
	if (changed > 0)
		tell(world, "     db%d asks db%d: %d rows\n", to->sessions[0].node, from->sessions[0].node, changed);
	return changed;
}

/* End all transactions and let all ask all until nothing is new. */
void
bring_to_rest(World *world)
{
	tell(world, "at rest\n");
	for (int i = 0; i < world->used && !world->failed; i++)
	{
		end_transactions(world, &world->nodes[i]);
		if (world->failed)
			return;
		PQclear(query(world->nodes[i].sessions[MAIN].conn, "SET vecmark.max_drift = 2147483647", 0, NULL));
		read_site(&world->nodes[i]);
	}
	for (int i = 0; i < TABLES; i++)
	{
		PQclear(meant[i]);
		meant[i] = HAS(world, ONE_WRITER) ? rows_of(&world->nodes[0], tables[i]) : NULL;
	}
	for (int round = 0, changed = 1; changed > 0 && !world->failed; round++)
	{
		if (round == ROUNDS_MAX)
			violation(world, "there is no rest");
		changed = 0;

		/* the first to all and back, while there is much; then all with all */
		for (int i = 0; i < world->used && !world->failed; i++)
			for (int j = 0; j < world->used && !world->failed; j++)
				if (i != j && (round > 0 || i == 0 || j == 0))
					changed += exchange(world, &world->nodes[j], &world->nodes[i]);
		for (int i = 0; i < world->used && !world->failed; i++)
		{
			PGresult   *result;

			if (!run(world, &world->nodes[i].sessions[MAIN], "SELECT applied FROM vecmark.retry_parked()", 0, NULL, &result))
				violation(world, "cannot retry parked rows at rest");
			else
				changed += atoi(PQgetvalue(result, 0, 0));
			PQclear(result);
		}
		changed += round == 0;
	}
}

static void
show_row(World *world, const char *what, const PGresult *rows, int row)
{
	if (row < 0)
		tell(world, "    %s: no row\n", what);
	else
		tell(world, "    %s: %.300s\n        clock %s\n", what, PQgetvalue(rows, row, 2), PQgetvalue(rows, row, 1));
}

/* Compare rows of one table in two places, but for keys in "except" (which may be NULL). */
static void
compare_rows(World *world, const char *table, const char *a_name, const PGresult *a, const char *b_name, const PGresult *b,
			 const PGresult *except)
{
	for (int i = 0, j = 0; i < PQntuples(a) || j < PQntuples(b);)
	{
		int			order = i == PQntuples(a) ? 1 : j == PQntuples(b) ? -1 : strcmp(PQgetvalue(a, i, 0), PQgetvalue(b, j, 0));
		const char *key = order <= 0 ? PQgetvalue(a, i, 0) : PQgetvalue(b, j, 0);
		bool		skipped = false;

		for (int k = 0; except != NULL && k < PQntuples(except); k++)
			skipped |= strcmp(PQgetvalue(except, k, 0), table) == 0 && strcmp(PQgetvalue(except, k, 1), key) == 0;
		if (!skipped && (order != 0 || strcmp(PQgetvalue(a, i, 1), PQgetvalue(b, j, 1)) != 0 ||
						 strcmp(PQgetvalue(a, i, 2), PQgetvalue(b, j, 2)) != 0))
		{
			violation(world, "row %s of table %s is not the same in %s and %s", key, table, a_name, b_name);
			show_row(world, a_name, a, order <= 0 ? i : -1);
			show_row(world, b_name, b, order >= 0 ? j : -1);
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/* Parked rows by table and key.  Of a key of two columns, each follows a byte of size. */
static PGresult *
parked_of(Node *node)
{
	return query(node->sessions[MAIN].conn,
				 "SELECT split_part(name, '.', 2), CASE WHEN name = 'public.c' THEN substr(k, 2, 1) || '/' || substr(k, 4) ELSE k END,"
				 " sqlstate, reason FROM vecmark.parked, convert_from(key, 'UTF8') AS k ORDER BY 1, 2", 0, NULL);
}

/* All that a database holds, shown or parked, by giving it to one that has no rules. */
static void
fill_witness(World *world, Node *node)
{
	Node	   *witness = &world->witness;

	world->quiet = true;
	reset_witness(world);
	while (world->mail_count > 0)
		drop_mail(world, 0);
	if (pull(world, &node->sessions[MAIN], "{}", NULL, "8388608") < 0)
		violation(world, "cannot pull everything");
	for (int i = 0; i < world->mail_count && !world->failed; i++)
	{
		PGresult   *result;

		if (!merge(world, &witness->sessions[MAIN], &world->mails[i], &result) ||
			strcmp(PQgetvalue(result, 0, 0), "merged") != 0 || strcmp(PQgetvalue(result, 0, 3), "0") != 0)
			violation(world, "a new database cannot merge everything: %s",
					  result == NULL ? "waits" : PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : PQresultErrorMessage(result));
		PQclear(result);
	}
	world->quiet = false;
}

/* Every transaction that wrote something must be in every version. */
static void
check_versions(World *world)
{
	for (int i = 0; i < world->used; i++)
	{
		PGresult   *dots = query(world->nodes[i].sessions[MAIN].conn,
								 "SELECT format('{%s}', coalesce(string_agg(DISTINCT format('%s: %s', lpad(to_hex(site), 16, '0'), txn), ', '), '')) FROM audit", 0, NULL);
		const char *values[] = {PQgetvalue(dots, 0, 0)};

		for (int j = 0; j < world->used; j++)
		{
			PGresult   *result = query(world->nodes[j].sessions[MAIN].conn,
									   "SELECT $1::vecmark.version_vector OPERATOR(vecmark.-) vecmark.version()", 1, values);

			if (strcmp(PQgetvalue(result, 0, 0), "{}") != 0)
				violation(world, "version of db%d lacks transactions of db%d: %s", j, i, PQgetvalue(result, 0, 0));
			PQclear(result);
		}
		PQclear(dots);
	}
}

/* Nobody has changes that another lacks, as whoever compares digests asks first. */
static void
check_changes(World *world)
{
	for (int i = 0; i < world->used && !world->failed; i++)
	{
		PGresult   *version = query(world->nodes[i].sessions[MAIN].conn, "SELECT vecmark.version()", 0, NULL);
		const char *values[] = {PQgetvalue(version, 0, 0)};

		for (int j = 0; j < world->used; j++)
		{
			PGresult   *result = query(world->nodes[j].sessions[MAIN].conn, "SELECT vecmark.has_changes($1::vecmark.version_vector)", 1, values);

			if (strcmp(PQgetvalue(result, 0, 0), "f") != 0)
				violation(world, "db%d has changes that db%d lacks", j, i);
			PQclear(result);
		}
		PQclear(version);
	}
}

/* Each database by itself is sound. */
static void
check_invariants(World *world)
{
	for (int i = 0; i < world->used; i++)
		for (int j = 0; j < TABLES; j++)
		{
			PGresult   *faults = query(world->nodes[i].sessions[MAIN].conn,
									   "SELECT invariant, fault FROM vecmark.sync_check($1::regclass)", 1, &tables[j]);

			for (int k = 0; k < PQntuples(faults); k++)
				violation(world, "invariant %s of table %s does not hold in db%d: %s", PQgetvalue(faults, k, 0), tables[j], i, PQgetvalue(faults, k, 1));
			PQclear(faults);
		}
}

/*
 * Digests are those of the rows (of one database, as it takes a while), and the same everywhere
 * but where rows are parked.
 */
static void
check_digests(World *world)
{
	PGconn	   *audited = world->nodes[world->mail_number % world->used].sessions[MAIN].conn;

	for (int i = 0; i < TABLES && !world->failed; i++)
	{
		PGresult   *leaves = query(audited, "SELECT leaf, expected, actual FROM vecmark.audit($1::regclass)", 1, &tables[i]);
		char		first[64] = "";

		if (PQntuples(leaves) > 0)
			violation(world, "leaf %s of table %s has not the rows that were written", PQgetvalue(leaves, 0, 0), tables[i]);
		PQclear(leaves);
		for (int j = 0; j < world->used && !world->failed; j++)
		{
			PGresult   *root = query(world->nodes[j].sessions[MAIN].conn, "SELECT hash FROM vecmark.root($1::regclass) WHERE settled", 1, &tables[i]);

			if (PQntuples(root) > 0 && first[0] == '\0')
				snprintf(first, sizeof(first), "%s", PQgetvalue(root, 0, 0));
			else if (PQntuples(root) > 0 && strcmp(first, PQgetvalue(root, 0, 0)) != 0)
				violation(world, "versions are the same, and roots of table %s are not", tables[i]);
			PQclear(root);
		}
	}
}

/* Where one alone wrote, all show what he showed: keys and values, whatever their clocks. */
static void
check_meant(World *world)
{
	for (int i = 0; HAS(world, ONE_WRITER) && i < TABLES; i++)
		for (int j = 0; j < world->used && !world->failed; j++)
		{
			PGresult   *shown = rows_of(&world->nodes[j], tables[i]);

			if (PQntuples(shown) != PQntuples(meant[i]))
				violation(world, "of what one alone wrote to table %s, db%d shows %d rows and not %d", tables[i], j, PQntuples(shown), PQntuples(meant[i]));
			for (int k = 0; k < PQntuples(meant[i]) && !world->failed; k++)
				if (strcmp(PQgetvalue(shown, k, 0), PQgetvalue(meant[i], k, 0)) != 0 || strcmp(PQgetvalue(shown, k, 2), PQgetvalue(meant[i], k, 2)) != 0)
				{
					violation(world, "of what one alone wrote to table %s, row %s is not what db%d shows", tables[i], PQgetvalue(meant[i], k, 0), j);
					show_row(world, "meant", meant[i], k);
					show_row(world, "shown", shown, k);
				}
			PQclear(shown);
		}
}

/*
 * What must hold at rest: what one alone wrote is there; each database is sound by vecmark.sync_check(); digests are alike; every version has every transaction; who pulls everything from
 * any database sees the same rows and clocks; every database shows these, but for
 * rows that are parked, of which there are none without rules that could be broken;
 * nothing is lost (oracle.c).
 */
void
check_rest(World *world)
{
	PGresult   *all[TABLES] = {NULL};
	bool		may_park = HAS(world, UNIQUE) || HAS(world, CASCADE) || HAS(world, SET_NULL) || HAS(world, DEFERRED);

	check_meant(world);
	check_invariants(world);
	check_versions(world);
	check_changes(world);
	check_digests(world);
	for (int i = 0; i < world->used && !world->failed; i++)
	{
		Node	   *node = &world->nodes[i];
		PGresult   *parked = parked_of(node);
		char		name[16];

		snprintf(name, sizeof(name), "db%d", i);
		if (PQntuples(parked) > 0 && !may_park)
			violation(world, "rows are parked, and break no rule");
		for (int j = 0; j < PQntuples(parked); j++)
		{
			tell(world, "    db%d has parked %s %s: %s %s\n", i, PQgetvalue(parked, j, 0), PQgetvalue(parked, j, 1),
				 PQgetvalue(parked, j, 2), PQgetvalue(parked, j, 3));
			if (strncmp(PQgetvalue(parked, j, 2), "23", 2) != 0)
				violation(world, "a row of db%d is parked and breaks no rule", i);
		}
		if (i == 0 || may_park)
			fill_witness(world, node);
		for (int j = 0; j < TABLES && !world->failed; j++)
		{
			PGresult   *shown = rows_of(node, tables[j]);
			PGresult   *held = i == 0 || may_park ? rows_of(&world->witness, tables[j]) : NULL;
			char		of_witness[32];

			snprintf(of_witness, sizeof(of_witness), "what db%d holds", all[j] == NULL ? i : 0);
			if (all[j] == NULL)
				all[j] = held;
			else if (held != NULL)
			{
				char		other[32];

				snprintf(other, sizeof(other), "what db%d holds", i);
				compare_rows(world, tables[j], of_witness, all[j], other, held, NULL);
				PQclear(held);
			}
			compare_rows(world, tables[j], name, shown, of_witness, all[j], parked);
			PQclear(shown);
		}
		PQclear(parked);
	}
	if (!world->failed)
		check_nothing_lost(world, all, tables, TABLES);
	for (int i = 0; i < TABLES; i++)
		PQclear(all[i]);
}
