/*
 * halfvec.h: the SQL type halfvec in memory and on disk.
 */
#ifndef VECMARK_HALFVEC_H
#define VECMARK_HALFVEC_H

#include "vector/vector.h"

#define HALFVEC_MAX_DIM VECTOR_MAX_DIM

/*
 * A halfvec as it is stored: the layout is pgvector's.  Elements are IEEE half
 * precision, finite (simd/half.h); an array of them is converted by the kernels
 * widen_f16 and narrow_f16.
 */
typedef struct Halfvec
{
	int32		vl_len_;		/* varlena header, not to be touched directly */
	int16		dim;			/* 1 to HALFVEC_MAX_DIM */
	int16		unused;			/* 0 */
	uint16		x[FLEXIBLE_ARRAY_MEMBER];
} Halfvec;

StaticAssertDecl(sizeof(Halfvec) == 8, "the header of a halfvec has 8 bytes");
StaticAssertDecl(offsetof(Halfvec, x) == 8, "elements follow the header");

/* At most 32,008 bytes: no product of sizes here can overflow. */
#define HALFVEC_SIZE(dim) (offsetof(Halfvec, x) + sizeof(uint16) * (size_t) (dim))

extern Halfvec *halfvec_from_datum(Datum datum);
extern Halfvec *halfvec_make(int dim);
extern void halfvec_check_dim(int dim);
extern void halfvec_check_same_dim(const Halfvec *a, const Halfvec *b);
extern void halfvec_set(Halfvec *halfvec, const float *x);

#define PG_GETARG_HALFVEC_P(n) halfvec_from_datum(PG_GETARG_DATUM(n))
#define PG_RETURN_HALFVEC_P(halfvec) PG_RETURN_POINTER(halfvec)

#endif							/* VECMARK_HALFVEC_H */
