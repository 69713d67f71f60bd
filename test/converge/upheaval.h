/*
 * upheaval.h: histories in which tables come and go, by pulls and streams, and the ledger of what
 * clients were told.
 */
#ifndef UPHEAVAL_H
#define UPHEAVAL_H

#include "converge.h"

#define PLACES_MAX 4
#define REGIONS 3				/* 'a', which all have, 'b', 'c' */
#define KEY_SIZE 16
#define VALUE_SIZE 40
#define MOVED_MAX 64

/*
 * What a history may have; those of the first line are there in most.  STRANGERS: who forgets does not know who else there is
 * but by what they send him, and is told nothing by who pulls.
 */
#define UPHEAVALS(X) \
	X(STREAMS) X(CALLS) X(FORGET) X(CUTS) \
	X(REFERENCES) X(REMAKE) X(RETRACK) X(PARTS) X(COLUMNS) X(UNLIKE) X(TRIGGERS) X(CLOCKS) X(DROPPED) X(INCARNATIONS) X(CONTENTION) X(UNTOLD) X(STRANGERS)
enum
{
#define X(name) UP_##name,
	UPHEAVALS(X)
#undef X
	UPHEAVAL_COUNT
};

/* Letters by which tables go in the ledger. */
#define TABLE_ITEM 'i'
#define TABLE_PART 'p'
#define TABLE_NOTE 'n'
#define TABLE_WIDE 'w'

typedef enum ItemState
{
	ITEM_TRACKED,
	ITEM_UNTRACKED,
	ITEM_GONE,
	ITEM_WITHOUT_CLOCKS
} ItemState;

typedef enum RegionState
{
	REGION_NONE,
	REGION_ATTACHED,
	REGION_APART,
} RegionState;

/* How the tables of a database are defined at present. */
typedef struct Place
{
	ItemState	item;
	bool		has_v;
	bool		has_x;
	bool		is_narrow;
	bool		has_other;
	RegionState regions[REGIONS];
	int			told;			/* marks before this, all others hold and have said so */
} Place;

/* From one database to another. */
typedef struct Link
{
	bool		pulls;
	bool		calls;			/* vecmark.pull(), not by hand */
	bool		streams;
	bool		is_cut;
	char	   *waiting[256];	/* deltas of the stream */
	int			waiting_count;
} Link;

/* A row of the ledger: a key of a table. */
typedef struct Entry
{
	char		table;
	char		key[KEY_SIZE];
} Entry;

typedef enum MarkKind
{
	MARK_INSERT,
	MARK_DELETE,
	MARK_ADD,					/* "amount" to the counter */
	MARK_TAG,
	MARK_UNTAG,
	MARK_WRITE,					/* a register, "column" */
} MarkKind;

/* What a client was told is committed. */
typedef struct Mark
{
	MarkKind	kind;
	int			entry;
	int			place;
	char		column;
	int			amount;
	char		value[VALUE_SIZE];
	int			undone_by;		/* the mark of who saw it and wrote over it or took it away; 0: nobody */
	bool		is_excused;		/* told to nobody when its table was dropped */
} Mark;

/* A folder that was deleted, in the transaction that gave these notes another; or a lead. */
typedef struct Move
{
	bool		is_lead;
	char		from[KEY_SIZE];
	char		to[KEY_SIZE];
	char		moved[MOVED_MAX][KEY_SIZE];
	int			moved_count;
} Move;

typedef struct Ledger
{
	Entry	   *entries;
	int			entry_count;
	Mark	   *marks;			/* from 1 on */
	int			mark_count;
	Move	   *moves;
	int			move_count;
	bool		is_retold[128]; /* tables whose rows were told anew as they were, by their letters */
} Ledger;

#define LIVES_MAX 32

typedef struct Upheaval
{
	World	   *world;
	int			worker;
	unsigned	features;
	Place		places[PLACES_MAX];
	Link		links[PLACES_MAX][PLACES_MAX];	/* to, from */
	Ledger		ledger;
	int			tokens;
	char		ended_lives[LIVES_MAX][17]; /* sites */
	int			ended_life_count;
	bool		was_late;		/* a pull was refused, since this was set to false */
} Upheaval;

#define RISES(up, name) (((up)->features >> UP_##name & 1) != 0)

/* upheaval.c */
extern bool upheaval_choose(const char *names, unsigned *features);
extern void upheaval_open(World *world, int worker);
extern void upheaval_run(World *world, uint64_t seed, const bool *left_out);
extern PGresult *ask(Upheaval *up, int place, const char *expected, const char *format, ...) __attribute__((format(printf, 4, 5)));
extern char *value_of(Upheaval *up, int place, const char *sql);
extern bool tell_all(Upheaval *up, int place);
extern bool pull_by_hand(Upheaval *up, int to, int from);
extern bool is_well(Upheaval *up, int place, const char *part);

/* client.c */
extern void step_client(Upheaval *up, int place, Random *random);

/* define.c */
extern void make_tables(Upheaval *up, int place);
extern void step_define(Upheaval *up, int place, Random *random);
extern void make_alike(Upheaval *up, int place);

/* ledger.c */
extern int	ledger_mark(Ledger *ledger, int place, MarkKind kind, char table, const char *key, char column, const char *value, int amount);
extern void ledger_undo(Ledger *ledger, char table, const char *key, MarkKind kind, char column, const char *value, int by);
extern void ledger_excuse(Ledger *ledger, int place, char table, int from);
extern void ledger_reset(Ledger *ledger);
extern void ledger_check(Upheaval *up);
extern void ledger_check_narrow(Upheaval *up, int place);

#endif
