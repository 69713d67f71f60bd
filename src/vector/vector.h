/*
 * vector.h: the SQL type vector in memory and on disk.
 */
#ifndef VECMARK_VECTOR_H
#define VECMARK_VECTOR_H

#include "vector/vector_parse.h"

/*
 * A vector as it is stored: the layout is pgvector's, so that tables made with
 * either can be read by the other after a change of the type's owner.
 */
typedef struct Vector
{
	int32		vl_len_;		/* varlena header, not to be touched directly */
	int16		dim;			/* 1 to VECTOR_MAX_DIM */
	int16		unused;			/* 0 */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} Vector;

StaticAssertDecl(sizeof(Vector) == 8, "the header of a vector has 8 bytes");
StaticAssertDecl(offsetof(Vector, x) == 8, "elements follow the header");

/* At most 64,008 bytes: no product of sizes here can overflow. */
#define VECTOR_SIZE(dim) (offsetof(Vector, x) + sizeof(float) * (size_t) (dim))

extern Vector *vector_from_datum(Datum datum);
extern Vector *vector_make(int dim);
extern void vector_check_dim(int dim);
extern void vector_check_same_dim(const Vector *a, const Vector *b);
extern void vector_check_typmod(int32 typmod, int dim);
extern void vector_check_finite(float value);
extern const char *vector_quoted(const char *string);

#define PG_GETARG_VECTOR_P(n) vector_from_datum(PG_GETARG_DATUM(n))
#define PG_RETURN_VECTOR_P(vector) PG_RETURN_POINTER(vector)

#endif							/* VECMARK_VECTOR_H */
