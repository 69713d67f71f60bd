/*
 * sparsevec.h: the SQL type sparsevec in memory and on disk.
 */
#ifndef VECMARK_SPARSEVEC_H
#define VECMARK_SPARSEVEC_H

#include "vector/sparsevec_distance.h"
#include "vector/sparsevec_parse.h"

/*
 * A sparse vector as it is stored: the layout is pgvector's, so that tables made
 * with either can be read by the other after a change of the type's owner.  The
 * values follow the indices.
 */
typedef struct SparseVector
{
	int32		vl_len_;		/* varlena header, not to be touched directly */
	int32		dim;			/* 1 to SPARSEVEC_MAX_DIM */
	int32		nnz;			/* 0 to SPARSEVEC_MAX_NNZ, at most dim */
	int32		unused;			/* 0 */
	int32		indices[FLEXIBLE_ARRAY_MEMBER]; /* counted from 0, ascending */
} SparseVector;

StaticAssertDecl(offsetof(SparseVector, indices) == 16, "indices follow the header");

/* At most 128,016 bytes: no product of sizes here can overflow. */
#define SPARSEVEC_SIZE(nnz) \
	(offsetof(SparseVector, indices) + (sizeof(int32) + sizeof(float)) * (size_t) (nnz))

/* The values of a sparse vector; none is 0, NaN or infinite. */
#define SPARSEVEC_VALUES(sparse) ((float *) ((sparse)->indices + (sparse)->nnz))

extern SparseVector *sparsevec_from_datum(Datum datum);
extern SparseVector *sparsevec_make(int dim, int nnz);
extern SparseVector *sparsevec_normalize(const SparseVector *sparse);
extern double sparsevec_norm(const SparseVector *sparse);
extern void sparsevec_check_dim(int dim);
extern void sparsevec_check_finite(float value);
extern void sparsevec_check_same_dim(const SparseVector *a, const SparseVector *b);

/* What the functions of sparsevec_distance.h take. */
static inline SparseList
sparsevec_list(const SparseVector *sparse)
{
	SparseList	list = {sparse->indices, SPARSEVEC_VALUES(sparse), sparse->nnz};

	return list;
}

#define PG_GETARG_SPARSEVEC_P(n) sparsevec_from_datum(PG_GETARG_DATUM(n))
#define PG_RETURN_SPARSEVEC_P(sparse) PG_RETURN_POINTER(sparse)

#endif							/* VECMARK_SPARSEVEC_H */
