/*
 * bit.c: distances of PostgreSQL's bit strings.
 */
#include "postgres.h"
#include "compat.h"

#include "simd/simd.h"
#include "utils/varbit.h"

VM_FUNCTION_INFO(hamming_distance);
VM_FUNCTION_INFO(jaccard_distance);

/*
 * A bit string, detoasted.  Bits of its last byte beyond its length are zero.
 *
 * Errors: XX001 when its length in bits is not of its length in bytes.
 */
static inline VarBit *
bit_from_datum(Datum datum)
{
	VarBit	   *bits = DatumGetVarBitP(datum);
	Size		size = VARSIZE(bits);

	if (unlikely(size < VARBITTOTALLEN(0) || VARBITLEN(bits) < 0 || size != VARBITTOTALLEN((Size) VARBITLEN(bits))))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bit value of %zu bytes is corrupted", size)));
	return bits;
}

/*
 * The two bit strings of a function.
 *
 * Errors: 22000 when their lengths differ; the message names both.
 */
static inline void
get_pair(FunctionCallInfo fcinfo, VarBit **a, VarBit **b)
{
	*a = bit_from_datum(PG_GETARG_DATUM(0));
	*b = bit_from_datum(PG_GETARG_DATUM(1));
	if (VARBITLEN(*a) != VARBITLEN(*b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different bit lengths %u and %u", VARBITLEN(*a), VARBITLEN(*b))));
}

/*
 * SQL: number of bits in which the two differ.
 */
Datum
hamming_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a;
	VarBit	   *b;

	get_pair(fcinfo, &a, &b);
	PG_RETURN_FLOAT8((double) simd->hamming_bytes(VARBITS(a), VARBITS(b), VARBITBYTES(a)));
}

/*
 * SQL: 1 less the bits set in both as a part of those set in either; 1 where
 * no bit is set in both, also between two strings without a set bit.
 */
Datum
jaccard_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a;
	VarBit	   *b;
	SimdJaccard counts;

	get_pair(fcinfo, &a, &b);
	counts = simd->jaccard_bytes(VARBITS(a), VARBITS(b), VARBITBYTES(a));
	if (counts.both == 0)
		PG_RETURN_FLOAT8(1.0);
	PG_RETURN_FLOAT8(1.0 - (double) counts.both / (double) counts.either);
}
