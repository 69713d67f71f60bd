/*
 * delta.h: what one node tells another: rows, and which transactions they bring it to.
 *
 * Pure C: it knows no PostgreSQL.
 */
#ifndef CRDT_DELTA_H
#define CRDT_DELTA_H

#include "crdt/row_state.h"
#include "crdt/version.h"

#define DELTA_FORMAT 2
#define DELTA_MAX_SIZE ((size_t) 64 * 1024 * 1024)	/* of a body */
#define DELTA_MAX_NAME 200
#define DELTA_MAX_KEY 32		/* columns, as many as indexes have */
#define DELTA_MAX_PARTS 1000000 /* of a batch */
#define DELTA_MAX_LIFE ((uint64_t) 1 << 48) /* more than any row can live */

/* Flags. */
#define DELTA_STREAM 1
#define DELTA_COMPRESSED 2
#define DELTA_PART 4
#define DELTA_FORGOTTEN 8
#define DELTA_SOME 16
#define DELTA_REPAIR 32
#define DELTA_TABLES 64

/*
 * Decoding allocates at most DELTA_EXPANSION bytes for each of a body, and DELTA_ROOM.
 * The worst is a stamp, of 24 bytes, that one byte names; a row that has nothing is 104
 * bytes of 6, a register 48 of 3, an element with one dot 64 of 3, a site of a version 80
 * of 4, a range 32 of 2.
 */
#define DELTA_EXPANSION 28
#define DELTA_ROOM 8192

/* What a column is, as its values are told. */
typedef enum ColumnKind
{
	COLUMN_REGISTER,
	COLUMN_COUNTER,
	COLUMN_SET,
} ColumnKind;

/* How a body has them: the kind, and the form of values above it. */
#define DELTA_COLUMN_KIND 3
#define DELTA_COLUMN_FORM_SHIFT 2

/*
 * A column of which rows have values in more than one form is there once for each; no row
 * has two of those.  Decoding gives them one and the same "name".
 */
typedef struct DeltaColumn
{
	const char *name;			/* published, terminated */
	ColumnKind	kind;
	uint8_t		form;			/* an ImageForm; of a counter FORM_TEXT */
} DeltaColumn;

/*
 * Columns in "state" are by number in the relation's list here, not by hash; registers and
 * sets have the form of their column.  A key may be empty, but is not NULL.
 */
typedef struct DeltaRow
{
	Image		key;
	RowState   *state;
} DeltaRow;

/*
 * A table of which keys are told in more than one form is there once for each.
 */
typedef struct DeltaRelation
{
	const char *name;			/* published, terminated */
	int			key_count;		/* columns of the key, 1 to DELTA_MAX_KEY */
	const uint8_t *key_forms;	/* an ImageForm of each */
	int			column_count;	/* only those that rows here have */
	DeltaColumn *columns;		/* ascending by name, form and kind, each used */
	int			row_count;		/* at least 1 */
	DeltaRow   *rows;			/* ascending by bytes of the key, a prefix
								 * first */
} DeltaRelation;

/*
 * Of a table, by its number: which question of the receiver is answered, so that it is told whole, or
 * 0; what of "to" it lacks where the delta was made, or NULL; and whether it was made again
 * there, else it was told of that.
 */
typedef struct DeltaTable
{
	uint64_t	id;
	uint64_t	question;		/* less than VERSION_QUESTION */
	bool		here;
	Version    *lacks;			/* not empty */
} DeltaTable;

/*
 * A state that holds "base" and is joined with the rows holds "to", which is all that the
 * sender held.  In a stream (logical replication) "base" is all transactions of the sender
 * that had begun by then, but the one that the delta is of; "to" is those of them that had
 * ended, and that one.
 *
 * What is too large for one delta is a batch of parts, numbered from 1; a state holds
 * "to" when it was joined with all of them, in any order.
 */
typedef struct Delta
{
	Site		sender;
	bool		stream;
	bool		some;			/* not of all tables, so it brings nobody to
								 * "to" */
	uint64_t	batch;			/* a random number, or 0 for who is alone */
	uint64_t	part;			/* 0 for who is alone */
	bool		last;			/* of its batch */
	int			encoding;		/* of text: a number of PostgreSQL's */
	Version    *base;
	Version    *to;
	Version    *forgotten;		/* deletes that are not told; NULL for none */
	uint64_t	lives;			/* births are of longer lives than this */
	bool		repair;			/* rows whole, to be compared; claims nothing */
	int			table_count;
	DeltaTable *tables;			/* ascending by id */
	int			relation_count;
	DeltaRelation *relations;	/* ascending as delta_compare_relations has it */
} Delta;

/*
 * Bytes, after magic "VMD", format (1), flags (1: 1 stream, 2 compressed, 4 one of a batch,
 * 8 forgotten, 16 some tables, 32 repair, 64 says of tables) and CRC-32C of all that follows (4, little endian); v is a varint as in clocks:
 *
 *	8	number of the batch, and v twice the number of the part, plus 1 for the last, only
 *		if it is one of a batch
 *	v	lives, v size of forgotten, and its bytes as version_encode makes them, only if
 *		lives is not 0 or it is not empty
 *	v	number of tables, and of each 8 bytes of its number, v twice the question, plus 1 if it
 *		was made again, v size of what it lacks, or 0, and its bytes, only if it says of tables
 *	v	size of the body before it was compressed, only if it is
 *	body:
 *	v	encoding
 *	v	all sites that are named, 8 bytes each, ascending; v number of the sender
 *	v	entries of base; each site (v), ranges (v), of each distance from the end of the
 *		last (v) and length (v)
 *	v	the same of what one of base and to has and the other has not
 *	v	stamps of the delta, ascending: time as distance to the last one's (v), site
 *		(v), txn (v)
 *	v	relations; each name (v, bytes), columns of the key (v), a byte for the form of each;
 *		columns (v); each flags (v: kind, and 4 times the form), name (v, bytes); rows (v); each
 *		v	size of the key, and the key
 *		v	life
 *		v	base stamp by number + 1, 0 if it is not carried
 *		v	registers; each column (v), stamp (v), size + 1 or 0 for NULL (v), bytes
 *		v	counters; each column (v), shares (v); each stamp (v), total (v, zigzag)
 *		v	sets; each column (v), context (v) and stamps (v), elements (v), ascending by
 *			hash; each size (v), bytes, dots (v) and stamps (v)
 *
 * CRC, compression, flags and the checks of text are the caller's: the functions below
 * make and read the body alone; "stream", "some", "repair", "batch", "part", "last", "forgotten",
 * "lives" and "tables" are not in it, and are false, 0 or NULL when decoded.
 *
 * Encoding takes a delta in which all is as the comments of the structures say, and
 * checks nothing; a version may be NULL for an empty one.  Equal deltas give equal
 * bytes.  NULL if the body would be larger than DELTA_MAX_SIZE.
 *
 * Decoding returns NULL with what is wrong in *error; it allocates nothing by a number
 * before as many bytes are there to back it, and what it returns points into "bytes".
 * Everything must be in order and canonical, used up to the last byte: what is decoded
 * would be encoded to the same bytes.  Names are checked to be 1 to DELTA_MAX_NAME bytes
 * without a zero byte; sites, stamps and columns to be used; lists of stamps to ascend by
 * site, and contexts to have the dots of their elements.  Of any two versions each may have
 * what the other has not: who asks for a delta may have written what its sender has not seen.
 *
 * Relations are ordered by name, then number of columns of the key, then forms of those.
 */
extern int	delta_compare_relations(const DeltaRelation *a, const DeltaRelation *b);
extern uint8_t *delta_encode_body(const Delta *delta, size_t *size);
extern Delta *delta_decode_body(const uint8_t *bytes, size_t size, const char **error);

/*
 * What stands before the body, and the size before compression: which flags it has, but
 * DELTA_COMPRESSED, how many bytes, and the bytes; returns where they end.
 *
 * Decoding sets "stream", "some", "repair", "batch", "part", "last", "forgotten", "lives" and "tables" of a delta, and
 * returns where its body begins, in "bytes"; NULL with what is wrong in *error.  Bytes that it
 * takes are those that encoding gives.  It allocates what version_decode does.
 */
extern int	delta_prefix_flags(const Delta *delta);
extern size_t delta_prefix_size(const Delta *delta);
extern uint8_t *delta_encode_prefix(const Delta *delta, uint8_t *out);
extern const uint8_t *delta_decode_prefix(const uint8_t *bytes, size_t size, int flags, Delta *delta, const char **error);

#endif							/* CRDT_DELTA_H */
