/*
 * converge.c: random histories on several databases of one server, which must agree at rest.
 *
 *	converge [-u] [-w WORKERS] [-l] [-x FEATURES] [-f FEATURES] [-s FILE] FOLDER SECONDS SEED
 *
 * With -u tables come and go in the histories, and databases exchange by streams as well
 * (upheaval.c); that takes a server with wal_level = logical.  FOLDER has schema.sql and witness.sql.  Connects as libpq's environment says, as a
 * superuser, and makes databases converge_*.  History number n has seed SEED + n; the
 * first that fails is told, then made as short as it can be by leaving out steps (not
 * with -l), and told again.  -x leaves features out (names as in converge.h, upheaval.h), with -f histories of -u have those
 * alone.  The SQL of the file of -s, which takes a mend out of the extension, is run in each database first.  Exits with 0 if all held, 1 if one did not, 2 for trouble.
 */
#include "upheaval.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Making a history shorter may take so long. */
#define SHORTER_SECONDS 120

#define WORKERS_MAX 16

static bool leave_long;
static const char *left_out_features = "";
static unsigned chosen_upheavals;
static char given[1024];			/* options that a history depends on */
static bool is_upheaval;
static const char *changed_by;

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void
make_template(void)
{
	PGconn	   *conn = PQconnectdb("dbname=postgres");

	if (PQstatus(conn) != CONNECTION_OK)
		trouble("%s", PQerrorMessage(conn));
	PQclear(query(conn, "DROP DATABASE IF EXISTS converge_template", 0, NULL));
	PQclear(query(conn, "CREATE DATABASE converge_template", 0, NULL));
	PQfinish(conn);
	conn = PQconnectdb("dbname=converge_template");
	PQclear(query(conn, "CREATE EXTENSION vecmark", 0, NULL));
	if (changed_by != NULL)
	{
		char	   *sql = read_file(changed_by);

		PQclear(query(conn, sql, 0, NULL));
		free(sql);
	}
	PQfinish(conn);
}

static void
run_history(World *world, uint64_t seed, const bool *left_out)
{
	if (is_upheaval)
		upheaval_run(world, seed, left_out);
	else
		history_run(world, seed, left_out);
}

/* Whether a history without some steps fails in the same way. */
static bool
still_fails(World *world, uint64_t seed, const bool *left_out, const char *reason)
{
	run_history(world, seed, left_out);

	/* the same words; rows and values may be others */
	return world->failed && strncmp(world->reason, reason, 6) == 0;
}

static void
make_shorter(World *world, uint64_t seed)
{
	bool		left_out[STEPS] = {false};
	char		reason[sizeof(world->reason)];
	double		end = seconds_now() + SHORTER_SECONDS;

	memcpy(reason, world->reason, sizeof(reason));
	for (int size = STEPS / 2; size > 0 && seconds_now() < end; size = size > 1 ? (size + 1) / 2 : 0)
		for (int from = 0; from < STEPS && seconds_now() < end; from += size)
		{
			bool		tried[STEPS];
			bool		new = false;

			memcpy(tried, left_out, sizeof(tried));
			for (int i = from; i < from + size && i < STEPS; i++)
			{
				new |= !tried[i];
				tried[i] = true;
			}
			if (!new)
				continue;
			if (still_fails(world, seed, tried, reason))
				memcpy(left_out, tried, sizeof(tried));
		}
	if (still_fails(world, seed, left_out, reason))
		printf("\nmade shorter:\n%s", world->story);
	else
		printf("\nmade shorter it does not fail every time\n");
}

static int
work(int worker, int workers, const char *folder, double seconds, uint64_t seed, int *done)
{
	World		world;
	double		begin;
	int			histories = 0;

	if (is_upheaval)
		upheaval_open(&world, worker);
	else
		world_open(&world, worker, folder);
	world.chosen_upheavals = chosen_upheavals;
	world.left_out_features = left_out_features;
	begin = seconds_now();
	do
	{
		uint64_t	own = seed + (uint64_t) histories * workers + worker;

		run_history(&world, own, NULL);
		histories++;
		if (world.failed)
		{
			printf("history %llu failed after %.1f s: %s\n\n%s", (unsigned long long) own, seconds_now() - begin, world.reason, world.story);
			fflush(stdout);
			if (!leave_long)
				make_shorter(&world, own);
			printf("\nagain: test/run %s 0 %llu%s\n", is_upheaval ? "upheaval" : "converge", (unsigned long long) own, given);
			fflush(stdout);
			return EXIT_VIOLATION;
		}
		*done = histories;
	} while (seconds_now() - begin < seconds);
	return 0;
}

int
main(int argc, char **argv)
{
	int			workers = 1;
	int			option;
	const char *folder;
	double		seconds;
	uint64_t	seed;
	pid_t		children[WORKERS_MAX];
	int		   *done = mmap(NULL, sizeof(int) * WORKERS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int			worst = 0;
	int			histories = 0;
	double		begin;

	while ((option = getopt(argc, argv, "uw:lx:f:s:")) != -1)
	{
		if (option == 'x' || option == 'f' || option == 's')
			snprintf(given + strlen(given), sizeof(given) - strlen(given), " -%c %s", option, optarg);
		if (option == 'w')
			workers = atoi(optarg);
		else if (option == 'l')
			leave_long = true;
		else if (option == 'x')
			left_out_features = optarg;
		else if (option == 'u')
			is_upheaval = true;
		else if (option == 'f' && upheaval_choose(optarg, &chosen_upheavals))
			continue;
		else if (option == 's')
			changed_by = optarg;
		else
			trouble("unknown option");
	}
	if (argc - optind != 3 || workers < 1 || workers > WORKERS_MAX)
		trouble("usage: converge [-u] [-w WORKERS] [-l] [-x FEATURES] [-f FEATURES] [-s FILE] FOLDER SECONDS SEED");
	folder = argv[optind];
	seconds = atof(argv[optind + 1]);
	seed = strtoull(argv[optind + 2], NULL, 10);
	printf("seed %llu\n", (unsigned long long) seed);
	fflush(stdout);
	make_template();
	if (done == MAP_FAILED)
		trouble("no memory");
	begin = seconds_now();
	for (int i = 0; i < workers; i++)
	{
		children[i] = fork();
		if (children[i] == 0)
			exit(work(i, workers, folder, seconds, seed, &done[i]));
	}
	for (int left = workers; left > 0; left--)
	{
		int			status;
		pid_t		ended = wait(&status);
		int			code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TROUBLE;

		for (int i = 0; i < workers; i++)
			if (children[i] == ended)
				children[i] = 0;
		for (int i = 0; i < workers && code != 0 && worst == 0; i++)
			if (children[i] != 0)
				kill(children[i], SIGTERM);
		if (worst == 0)
			worst = code;
	}
	for (int i = 0; i < workers; i++)
		histories += done[i];
	printf("%d histories in %.1f s\n", histories, seconds_now() - begin);
	return worst;
}
