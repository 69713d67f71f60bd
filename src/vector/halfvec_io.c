/*
 * halfvec_io.c: text form, binary form and type modifier of halfvec.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "simd/half.h"
#include "simd/simd.h"
#include "utils/builtins.h"
#include "vector/halfvec.h"
#include "vector/halfvec_binary.h"
#include "vector/vector_common.h"

VM_FUNCTION_INFO(halfvec_in);
VM_FUNCTION_INFO(halfvec_out);
VM_FUNCTION_INFO(halfvec_recv);
VM_FUNCTION_INFO(halfvec_send);
VM_FUNCTION_INFO(halfvec_typmod_in);

/*
 * The halfvec in a datum, detoasted.  The result may be the datum itself, which
 * must not be changed, or a copy in the current memory context.
 *
 * Errors: XX001 when its length and its number of dimensions disagree.
 */
Halfvec    *
halfvec_from_datum(Datum datum)
{
	Halfvec    *halfvec = (Halfvec *) PG_DETOAST_DATUM(datum);
	Size		size = VARSIZE(halfvec);

	if (unlikely(size < HALFVEC_SIZE(1) || halfvec->dim < 1 || size != HALFVEC_SIZE(halfvec->dim)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("halfvec value of %zu bytes is corrupted", size)));
	return halfvec;
}

/*
 * A new halfvec in the current memory context, its elements unset.
 *
 * dim: 1 to HALFVEC_MAX_DIM, checked by the caller.
 */
Halfvec    *
halfvec_make(int dim)
{
	Halfvec    *halfvec = (Halfvec *) palloc(HALFVEC_SIZE(dim));

	Assert(dim >= 1 && dim <= HALFVEC_MAX_DIM);
	SET_VARSIZE(halfvec, HALFVEC_SIZE(dim));
	halfvec->dim = dim;
	halfvec->unused = 0;
	return halfvec;
}

/*
 * Errors: 22000 below 1 dimension, 54000 above HALFVEC_MAX_DIM.
 */
void
halfvec_check_dim(int dim)
{
	if (dim < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("halfvec must have at least 1 dimension")));
	if (dim > HALFVEC_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("halfvec cannot have more than %d dimensions", HALFVEC_MAX_DIM)));
}

/*
 * Errors: 22000 when the dimensions differ; the message names both.
 */
void
halfvec_check_same_dim(const Halfvec *a, const Halfvec *b)
{
	if (a->dim != b->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different halfvec dimensions %d and %d", a->dim, b->dim)));
}

/*
 * Errors: 22000 for NaN and for an infinity.
 */
static void
check_finite(uint16 half)
{
	if (half_is_nan(half))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in halfvec")));
	if (half_is_infinite(half))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in halfvec")));
}

/*
 * Set all elements to the halves nearest to those of x.
 *
 * Errors: 22003 for a finite float that no finite half is nearest to, 22000 for
 * NaN and for an infinity.
 */
void
halfvec_set(Halfvec *halfvec, const float *x)
{
	simd->narrow_f16(x, halfvec->x, halfvec->dim);
	for (int i = 0; i < halfvec->dim; i++)
	{
		if (unlikely(half_is_infinite(halfvec->x[i])) && isfinite(x[i]))
		{
			char		number[FLOAT_SHORTEST_DECIMAL_LEN];

			float_to_shortest_decimal_buf(x[i], number);
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%s\" is out of range for type halfvec", number)));
		}
	}
	for (int i = 0; i < halfvec->dim; i++)
		check_finite(halfvec->x[i]);
}

/*
 * SQL: text form to halfvec.  Each number is rounded to a float and that to a
 * half, as in pgvector.
 */
Datum
halfvec_in(PG_FUNCTION_ARGS)
{
	char	   *input = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	float		x[VECTOR_MAX_DIM];
	VectorParseResult parsed = vector_parse_below(input, HALF_OVERFLOW, x);
	Halfvec    *result;

	if (parsed.status != VECTOR_PARSE_OK)
		return vector_report_parse_error(fcinfo->context, "halfvec", input, &parsed);
	if (typmod != -1 && typmod != parsed.dim)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, parsed.dim)));

	result = halfvec_make(parsed.dim);
	simd->narrow_f16(x, result->x, parsed.dim);
	PG_RETURN_HALFVEC_P(result);
}

/*
 * SQL: halfvec to text form; each half as the float that it is, in the fewest
 * digits that read back as that float.
 */
Datum
halfvec_out(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	char	   *output = (char *) palloc((Size) FLOAT_SHORTEST_DECIMAL_LEN * halfvec->dim + 3);
	char	   *p = output;

	*p++ = '[';
	for (int i = 0; i < halfvec->dim; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += float_to_shortest_decimal_bufn(half_to_float(halfvec->x[i]), p);
	}
	*p++ = ']';
	*p = '\0';

	PG_FREE_IF_COPY(halfvec, 0);
	PG_RETURN_CSTRING(output);
}

/*
 * SQL: binary form to halfvec: int16 dimensions, int16 0, then as many halves,
 * all in network byte order.
 *
 * Errors: 22000 for a wrong number of dimensions, a reserved field that is not
 * 0, NaN and infinity, 54000 above the limit, 08P01 when bytes are missing.
 */
Datum
halfvec_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			dim = pq_getmsgint(buffer, sizeof(int16));
	int			unused = pq_getmsgint(buffer, sizeof(int16));
	const char *elements;
	Halfvec    *result;
	Size		count;

	halfvec_check_dim(dim);
	vector_check_typmod(typmod, dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));

	elements = pq_getmsgbytes(buffer, sizeof(uint16) * dim);
	result = halfvec_make(dim);
	count = halfvec_decode(elements, dim, result->x);
	if (count < dim)
		check_finite(result->x[count]);
	PG_RETURN_HALFVEC_P(result);
}

/*
 * SQL: halfvec to binary form, as halfvec_recv reads it.
 */
Datum
halfvec_send(PG_FUNCTION_ARGS)
{
	Halfvec    *halfvec = PG_GETARG_HALFVEC_P(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	enlargeStringInfo(&buffer, HALFVEC_SIZE(halfvec->dim));
	pq_writeint16(&buffer, halfvec->dim);
	pq_writeint16(&buffer, halfvec->unused);
	halfvec_encode(halfvec->x, halfvec->dim, buffer.data + buffer.len);
	buffer.len += sizeof(uint16) * halfvec->dim;
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/*
 * SQL: type modifier, the number of dimensions.
 *
 * Errors: 22023 unless it is one number from 1 to HALFVEC_MAX_DIM.
 */
Datum
halfvec_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(vector_read_typmod(PG_GETARG_ARRAYTYPE_P(0), "halfvec"));
}
