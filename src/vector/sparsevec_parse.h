/*
 * sparsevec_parse.h: the text form and the binary form of a sparsevec, without
 * a server.
 */
#ifndef VECMARK_SPARSEVEC_PARSE_H
#define VECMARK_SPARSEVEC_PARSE_H

#include <stddef.h>
#include <stdint.h>

#define SPARSEVEC_MAX_DIM 1000000000
#define SPARSEVEC_MAX_NNZ 16000

typedef enum SparsevecStatus
{
	SPARSEVEC_OK,
	SPARSEVEC_NO_BRACE,			/* text does not start with "{" */
	SPARSEVEC_NO_SLASH,			/* no "/" after "}" */
	SPARSEVEC_JUNK,				/* something follows the dimensions */
	SPARSEVEC_SYNTAX,			/* any other malformed text */
	SPARSEVEC_RANGE,			/* an element is no float: too large or too
								 * small */
	SPARSEVEC_NAN,				/* an element is NaN */
	SPARSEVEC_INFINITE,			/* an element is infinite */
	SPARSEVEC_ZERO,				/* an element is 0, in binary form */
	SPARSEVEC_NO_DIM,			/* below 1 dimension */
	SPARSEVEC_HIGH_DIM,			/* above SPARSEVEC_MAX_DIM dimensions */
	SPARSEVEC_NEGATIVE_NNZ,		/* below 0 elements */
	SPARSEVEC_HIGH_NNZ,			/* above SPARSEVEC_MAX_NNZ elements */
	SPARSEVEC_NNZ_ABOVE_DIM,	/* more elements than dimensions */
	SPARSEVEC_BOUNDS,			/* an index is outside the dimensions */
	SPARSEVEC_ORDER,			/* indices descend, in binary form */
	SPARSEVEC_DUPLICATE,		/* an index occurs twice */
} SparsevecStatus;

typedef struct SparsevecElement
{
	int32_t		index;			/* counted from 0 */
	float		value;
} SparsevecElement;

typedef struct SparsevecParseResult
{
	SparsevecStatus status;
	int32_t		dim;			/* 1 to SPARSEVEC_MAX_DIM, of OK */
	int			nnz;			/* elements set, which are not 0 */
	const char *where;			/* the offending element, of RANGE */
	size_t		where_length;
} SparsevecParseResult;

extern SparsevecParseResult sparsevec_parse(const char *text, SparsevecElement *elements);
extern SparsevecStatus sparsevec_sort(SparsevecElement *elements, int nnz, int32_t dim);
extern SparsevecStatus sparsevec_check_shape(int32_t dim, int32_t nnz);
extern SparsevecStatus sparsevec_unpack(const void *bytes, int32_t dim, int nnz,
										int32_t *indices, float *values);

#endif							/* VECMARK_SPARSEVEC_PARSE_H */
