/*
 * converge.h: the convergence fuzz: databases, their sessions, histories and what must hold.
 */
#ifndef CONVERGE_H
#define CONVERGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <libpq-fe.h>

#define NODES_MAX 6
#define STEPS 200

/* Of each database: one for whole transactions, one that keeps them open, one that reads. */
#define SESSIONS 3
#define MAIN 0
#define WRITER 1
#define READER 2

#define PREPARED_MAX 3
#define VERSIONS_MAX 8
#define MAILS_MAX 64

/* A command that takes longer, and waits for nobody, hangs. */
#define SECONDS_MAX 60

/* Exit codes. */
#define EXIT_VIOLATION 1
#define EXIT_TROUBLE 2

typedef struct Session
{
	PGconn	   *conn;
	int			node;
	int			number;
	int			step;			/* whose command it runs while it is busy */
	bool		busy;			/* waits for a lock */
	double		clock;			/* that it was told */
} Session;

typedef struct Node
{
	char		database[64];
	char		site[17];
	Session		sessions[SESSIONS];
	double		skew;			/* milliseconds */
	bool		touched;		/* a command ran since sessions that wait were looked at */
	char		prepared[PREPARED_MAX][64];
	int			prepared_count;
	char	   *versions[VERSIONS_MAX]; /* that it had */
	int			version_count;
} Node;

typedef struct Mail
{
	char	   *delta;			/* hexadecimal */
	int			number;			/* for the reader of a history */
} Mail;

typedef struct World
{
	PGconn	   *control;
	Node		nodes[NODES_MAX];	/* ascending by site */
	Node		witness;
	int			used;			/* nodes of this history */
	double		now;			/* milliseconds since 1970 */
	uint64_t	features;
	const char *left_out_features;
	unsigned	chosen_upheavals;	/* by -f, or 0 */
	Mail		mails[MAILS_MAX];
	int			mail_count;
	int			mail_number;
	int			transactions;	/* that were prepared */
	int			step;

	/* the story so far, for the reader */
	char	   *story;
	size_t		story_size;
	FILE	   *log;
	bool		quiet;
	bool		is_patient;		/* nobody waits for a lock */

	bool		failed;
	char		reason[256];
} World;

/* A generator for each step, so that leaving one out changes no other. */
typedef struct Random
{
	uint64_t	state;
} Random;

static inline uint64_t
random_next(Random *random)
{
	uint64_t	z = (random->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to below - 1 */
static inline int
random_below(Random *random, int below)
{
	return (int) (random_next(random) % (uint64_t) below);
}

static inline bool
random_chance(Random *random, int percent)
{
	return random_below(random, 100) < percent;
}

/* What a history may do. */
#define FEATURES(X) \
	X(MULTI) X(DELETES) X(KEY_CHANGES) X(COUNTERS) X(TAGS) X(NULLS) X(TOAST) \
	X(CASCADE) X(SET_NULL) X(DEFERRED) X(UNIQUE) \
	X(STAMP) X(COUNT) X(COUNT_IN_MERGES) X(CHILDREN) \
	X(SAVEPOINTS) X(OPEN_WRITERS) X(PREPARED) X(OPEN_READERS) X(MERGE_IN_TRANSACTION) \
	X(PARTS) X(REORDER) X(DUPLICATES) X(INTERRUPTED) X(SKEW) X(QUARANTINE) X(FORGET) X(INCARNATION) X(SOME_TABLES) X(ONE_WRITER)
enum
{
#define X(name) BIT_##name,
	FEATURES(X)
#undef X
	FEATURE_COUNT
};
#define HAS(world, name) (((world)->features >> BIT_##name & 1) != 0)

/* node.c */
extern void trouble(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
extern char *read_file(const char *path);
extern PGconn *connect_to(const char *database);
extern void world_open(World *world, int worker, const char *folder);
extern void world_reset(World *world, uint64_t seed);
extern void reset_witness(World *world);
extern void tell(World *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void violation(World *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern bool run(World *world, Session *session, const char *sql, int count, const char *const *values, PGresult **result);
extern PGresult *query(PGconn *conn, const char *sql, int count, const char *const *values);
extern void set_clock(World *world, Session *session);
extern void settle(World *world, int node);
extern char *own_version(Session *session);

/* history.c */
extern void history_run(World *world, uint64_t seed, const bool *left_out);
extern int	pull(World *world, Session *session, const char *since, const char *tables_asked, const char *max_bytes);
extern bool merge(World *world, Session *session, const Mail *mail, PGresult **result);
extern void drop_mail(World *world, int which);

/* rest.c */
extern void bring_to_rest(World *world);
extern void check_rest(World *world);

/* oracle.c */
extern PGresult *rows_of(Node *node, const char *table);
extern void check_nothing_lost(World *world, PGresult *const *held, const char *const *tables, int count);

#endif
