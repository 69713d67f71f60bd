/*
 * row_state.h: the state of one row as a lattice, and the clock that stands in the row.
 *
 * Pure C: it knows no PostgreSQL.
 */
#ifndef CRDT_ROW_STATE_H
#define CRDT_ROW_STATE_H

#include "crdt/stamp.h"
#include "crdt/varint.h"

/*
 * How the bytes of a value are to be read: as text, or as the binary form of a type.  Of
 * text that may say one thing in more than one way it is said what it is text of.  These
 * numbers are in deltas.
 */
typedef enum ImageForm
{
	FORM_TEXT,
	FORM_NUMBER,				/* text: 1 and 1.00 are one number */
	FORM_PADDED,				/* text of a character(n): spaces at its end
								 * say nothing */
	FORM_JSON,					/* text of a json or jsonb */
	FORM_UUID,
	FORM_BYTEA,
	FORM_DATE,
	FORM_TIME,
	FORM_TIMESTAMP,
	FORM_TIMESTAMPTZ,
	FORM_INTERVAL,
	FORM_VECTOR,
	FORM_HALFVEC,
	FORM_SPARSEVEC,
	FORM_COUNT
} ImageForm;

static inline bool
form_is_binary(int form)
{
	return form >= FORM_UUID;
}

/*
 * A value in canonical form.  "data" is NULL for SQL's NULL; not terminated.
 */
typedef struct Image
{
	const char *data;
	size_t		size;
} Image;

/* Columns are known by a hash of their published name, the same on all nodes. */
typedef uint32_t ColumnId;

/* Last writer wins. */
typedef struct Register
{
	ColumnId	column;
	uint8_t		form;			/* an ImageForm: what the value is written in */
	Stamp		stamp;
	Image		value;
} Register;

/* What one site has added in all; the later stamp of the site wins. */
typedef struct CounterShare
{
	Stamp		stamp;
	int64_t		total;
} CounterShare;

typedef struct Counter
{
	ColumnId	column;
	int			count;			/* at least 1 */
	CounterShare *shares;		/* ascending by site, one each */
} Counter;

/*
 * An element of an add-wins set with the stamps of the adds that put it there, one a
 * site.  "hash" is XXH3-64 of its value, which a clock has instead of the value, and by
 * which elements are the same.  (Of two values with one hash a join keeps the greater;
 * which is there at last depends on the order of joins.)
 */
typedef struct Element
{
	uint64_t	hash;
	Image		value;
	int			count;			/* at least 1 */
	Stamp	   *dots;			/* ascending by site, one each */
} Element;

/*
 * An add-wins set.  The context holds the last stamp of each site whose adds or removes
 * are in this state; a dot that it covers and no element has was removed.  It covers the
 * dots of a site up to its stamp of that site, all those of the elements among them: else
 * joins are no lattice, so who reads a set from elsewhere must check it.
 *
 * A part of a state has a set whole, or not at all: with a context and without all
 * elements it would remove those that it leaves out.
 *
 * Elements are known by their bytes, so sets that are joined are of one form.
 */
typedef struct ElementSet
{
	ColumnId	column;
	int			context_count;	/* at least 1 */
	Stamp	   *context;		/* ascending by site, one each */
	int			count;
	uint8_t		form;			/* an ImageForm, of all elements */
	Element    *elements;		/* ascending by hash, none twice */
} ElementSet;

/*
 * A row, or the part of it that a delta carries.
 *
 * "life" is the causal length: odd while the row lives, one more with each delete and
 * each insert after it.  "base" is the stamp of the birth or of the death; its site is
 * zero in a part that does not carry it; no other stamp has a site of zero.  Rows that
 * are dead have no columns.  Life 0 is no row: all zeros, the least state.
 */
typedef struct RowState
{
	uint64_t	life;
	Stamp		base;
	int			register_count;
	Register   *registers;		/* ascending by column */
	int			counter_count;
	Counter    *counters;		/* ascending by column */
	int			set_count;
	ElementSet *sets;			/* ascending by column */
} RowState;

static inline bool
row_is_alive(const RowState *row)
{
	return (row->life & 1) != 0;
}

/*
 * The least state that holds both: the longer life, and of equal lives the greater base
 * (one that is not carried is least) and, column by column, what either holds.  Of a set:
 * the dots that both have, and those that one has and the context of the other does not
 * cover.  Of two registers with one stamp, which nodes with columns of unlike types have, the greater
 * form, and of one form the greater bytes, NULL before all; of two shares (which do not happen) the
 * greater total.  Idempotent, commutative, associative, byte for byte.  The result is new, but it
 * points into the arguments.
 */
extern RowState *row_join(const RowState *a, const RowState *b);

/* Byte for byte equality, values included. */
extern bool row_equal(const RowState *a, const RowState *b);

/*
 * The sum of a counter; false if it does not fit, whatever it is on the way.
 */
extern bool counter_sum(const Counter *counter, int64_t *sum);

/* The latest stamp in a row, for the next one to be later than; zeros if it has none. */
extern Stamp row_last_stamp(const RowState *row);

/*
 * The clock: a row without its values, and without what follows from its base: registers
 * with the stamp of the base; counter shares with it, whose total is what the others
 * leave of the visible value; that entry of a context; and elements whose only dot
 * it is.
 *
 *	1	format, 1
 *	v	life
 *	24	base: time, site, txn, little endian
 *	and unless nothing more is said:
 *	v	number of other stamps, then 24 bytes each, ascending
 *	v	number of registers; each column (4), number of its stamp (v)
 *	v	number of counters; each column (4), shares (v); each stamp (v), total (v, zigzag)
 *	v	number of sets; each column (4), context (v) and stamps (v); elements (v); each
 *		hash (8), dots (v) and stamps (v)
 *
 * v is a varint of 7 bits a byte, low bits first, no longer than it must be.  Stamp 0
 * is the base.  Stamps (in their total order) and columns ascend strictly, and none is
 * there for nothing, so there is one form of each state.
 *
 * The row must carry its base, and its contexts the base's site: a context without it is
 * read as one that ends with the base.  What a join makes of sound rows has a clock that
 * decodes, whether or not it could have happened.
 */
extern size_t clock_encoded_size(const RowState *row);
extern uint8_t *clock_encode(const RowState *row, uint8_t *out);

/*
 * What the bytes say, nothing added: counters and sets that follow from the base are
 * not there, a context or shares lack the base's, values are NULL.  A context is empty
 * only beside elements older than the base, of its site.  Checks everything before
 * allocating by it.  Returns NULL and says in *error what is wrong.
 */
extern RowState *clock_decode(const uint8_t *bytes, size_t size, const char **error);

/* The clock of a row that one transaction wrote: 26 bytes. */
#define CLOCK_SIMPLE_SIZE(life) (1 + varint_size(life) + 24)

#endif							/* CRDT_ROW_STATE_H */
