/*
 * vector_parse.h: the text form of a vector, without a server.
 */
#ifndef VECMARK_VECTOR_PARSE_H
#define VECMARK_VECTOR_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#define VECTOR_MAX_DIM 16000

typedef enum VectorParseStatus
{
	VECTOR_PARSE_OK,
	VECTOR_PARSE_NO_BRACKET,	/* does not start with "[" */
	VECTOR_PARSE_EMPTY,			/* "[]" */
	VECTOR_PARSE_TOO_MANY,		/* more than VECTOR_MAX_DIM elements */
	VECTOR_PARSE_SYNTAX,		/* an element or separator is malformed */
	VECTOR_PARSE_RANGE,			/* an element is too large for the type */
	VECTOR_PARSE_NAN,			/* an element is NaN */
	VECTOR_PARSE_INFINITE,		/* an element is infinite */
	VECTOR_PARSE_JUNK,			/* something follows "]" */
} VectorParseStatus;

typedef struct VectorParseResult
{
	VectorParseStatus status;
	int			dim;			/* elements read */
	const char *where;			/* the offending element, of RANGE */
	size_t		where_length;
} VectorParseResult;

extern VectorParseResult vector_parse(const char *text, float *x);
extern VectorParseResult vector_parse_below(const char *text, float limit, float *x);
extern bool vector_parse_decimal(const char **text, float *value);

#endif							/* VECMARK_VECTOR_PARSE_H */
