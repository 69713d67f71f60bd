/*
 * sparsevec_io.c: text form, binary form and type modifier of sparsevec.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "vector/sparsevec.h"
#include "vector/vector.h"

VM_FUNCTION_INFO(sparsevec_in);
VM_FUNCTION_INFO(sparsevec_out);
VM_FUNCTION_INFO(sparsevec_recv);
VM_FUNCTION_INFO(sparsevec_send);
VM_FUNCTION_INFO(sparsevec_typmod_in);

/* An index with its sign, ":", "," and a value. */
#define ELEMENT_TEXT_MAX (11 + 2 + FLOAT_SHORTEST_DECIMAL_LEN)

/* Braces, "/", the dimensions and NUL. */
#define FRAME_TEXT_MAX (3 + 11 + 1)

/*
 * The sparse vector in a datum, detoasted.  The result may be the datum itself,
 * which must not be changed, or a copy in the current memory context.  Its
 * shape fits its length; its indices are as they were stored, and whoever
 * writes where they point to has to check them.
 *
 * Errors: XX001 when its length and its shape disagree.
 */
SparseVector *
sparsevec_from_datum(Datum datum)
{
	SparseVector *sparse = (SparseVector *) PG_DETOAST_DATUM(datum);
	Size		size = VARSIZE(sparse);

	if (unlikely(size < SPARSEVEC_SIZE(0) ||
				 sparsevec_check_shape(sparse->dim, sparse->nnz) != SPARSEVEC_OK ||
				 size != SPARSEVEC_SIZE(sparse->nnz)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sparsevec value of %zu bytes is corrupted", size)));
	return sparse;
}

/*
 * A new sparse vector in the current memory context, its elements unset.
 *
 * dim and nnz: as sparsevec_check_shape wants them, checked by the caller.
 */
SparseVector *
sparsevec_make(int dim, int nnz)
{
	SparseVector *sparse = (SparseVector *) palloc(SPARSEVEC_SIZE(nnz));

	Assert(sparsevec_check_shape(dim, nnz) == SPARSEVEC_OK);
	SET_VARSIZE(sparse, SPARSEVEC_SIZE(nnz));
	sparse->dim = dim;
	sparse->nnz = nnz;
	sparse->unused = 0;
	return sparse;
}

/*
 * Report what is wrong with a value, softly where the caller can take it.
 *
 * input: the text, or NULL for a binary form.  parsed: says what went wrong.
 */
static Datum
report_error(Node *escontext, const char *input, const SparsevecParseResult *parsed)
{
	switch (parsed->status)
	{
		case SPARSEVEC_RANGE:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%s\" is out of range for type sparsevec",
							vector_quoted(pnstrdup(parsed->where, parsed->where_length)))));
		case SPARSEVEC_NAN:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("NaN not allowed in sparsevec")));
		case SPARSEVEC_INFINITE:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("infinite value not allowed in sparsevec")));
		case SPARSEVEC_ZERO:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("binary representation of sparsevec cannot contain zero values")));
		case SPARSEVEC_NO_DIM:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec must have at least 1 dimension")));
		case SPARSEVEC_HIGH_DIM:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("sparsevec cannot have more than %d dimensions", SPARSEVEC_MAX_DIM)));
		case SPARSEVEC_NEGATIVE_NNZ:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec cannot have negative number of elements")));
		case SPARSEVEC_HIGH_NNZ:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("sparsevec cannot have more than %d non-zero elements", SPARSEVEC_MAX_NNZ)));
		case SPARSEVEC_NNZ_ABOVE_DIM:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("sparsevec cannot have more elements than dimensions")));
		case SPARSEVEC_BOUNDS:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec index out of bounds")));
		case SPARSEVEC_ORDER:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must be in ascending order")));
		case SPARSEVEC_DUPLICATE:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must not contain duplicates")));
		case SPARSEVEC_NO_BRACE:
		case SPARSEVEC_NO_SLASH:
		case SPARSEVEC_JUNK:
		case SPARSEVEC_SYNTAX:
		case SPARSEVEC_OK:
			break;
	}
	ereturn(escontext, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type sparsevec: \"%s\"", vector_quoted(input)),
			 parsed->status == SPARSEVEC_NO_BRACE ? errdetail("Vector contents must start with \"{\".") :
			 parsed->status == SPARSEVEC_NO_SLASH ? errdetail("Unexpected end of input.") :
			 parsed->status == SPARSEVEC_JUNK ? errdetail("Junk after closing.") : 0));
}

/*
 * Errors: as report_error, unless status is SPARSEVEC_OK; no text is quoted.
 */
static void
check(SparsevecStatus status)
{
	SparsevecParseResult result = {.status = status};

	if (status != SPARSEVEC_OK)
		report_error(NULL, "", &result);
}

/*
 * Errors: 22000 below 1 dimension, 54000 above SPARSEVEC_MAX_DIM.
 */
void
sparsevec_check_dim(int dim)
{
	check(sparsevec_check_shape(dim, 0));
}

/*
 * Errors: 22000 for NaN and for an infinity.
 */
void
sparsevec_check_finite(float value)
{
	if (isnan(value))
		check(SPARSEVEC_NAN);
	if (isinf(value))
		check(SPARSEVEC_INFINITE);
}

/*
 * Errors: 22000 when the dimensions differ; the message names both.
 */
void
sparsevec_check_same_dim(const SparseVector *a, const SparseVector *b)
{
	if (a->dim != b->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different sparsevec dimensions %d and %d", a->dim, b->dim)));
}

/*
 * SQL: text form to sparsevec.
 */
Datum
sparsevec_in(PG_FUNCTION_ARGS)
{
	char	   *input = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	SparsevecElement elements[SPARSEVEC_MAX_NNZ];
	SparsevecParseResult parsed = sparsevec_parse(input, elements);
	SparseVector *result;
	float	   *values;

	if (parsed.status != SPARSEVEC_OK)
		return report_error(fcinfo->context, input, &parsed);
	if (typmod != -1 && typmod != parsed.dim)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, parsed.dim)));
	parsed.status = sparsevec_sort(elements, parsed.nnz, parsed.dim);
	if (parsed.status != SPARSEVEC_OK)
		return report_error(fcinfo->context, input, &parsed);

	result = sparsevec_make(parsed.dim, parsed.nnz);
	values = SPARSEVEC_VALUES(result);
	for (int i = 0; i < parsed.nnz; i++)
	{
		result->indices[i] = elements[i].index;
		values[i] = elements[i].value;
	}
	PG_RETURN_SPARSEVEC_P(result);
}

/* Write an integer; returns what follows its last digit. */
static char *
write_integer(char *p, int64 value)
{
	if (value < 0)
		*p++ = '-';
	return p + pg_ultoa_n((uint32) (value < 0 ? -value : value), p);
}

/*
 * SQL: sparsevec to text form; each float in the fewest digits that read back
 * as the same float.
 */
Datum
sparsevec_out(PG_FUNCTION_ARGS)
{
	SparseVector *sparse = PG_GETARG_SPARSEVEC_P(0);
	const float *values = SPARSEVEC_VALUES(sparse);
	char	   *output = (char *) palloc((Size) ELEMENT_TEXT_MAX * sparse->nnz + FRAME_TEXT_MAX);
	char	   *p = output;

	*p++ = '{';
	for (int i = 0; i < sparse->nnz; i++)
	{
		if (i > 0)
			*p++ = ',';
		p = write_integer(p, (int64) sparse->indices[i] + 1);
		*p++ = ':';
		p += float_to_shortest_decimal_bufn(values[i], p);
	}
	*p++ = '}';
	*p++ = '/';
	p = write_integer(p, sparse->dim);
	*p = '\0';

	PG_FREE_IF_COPY(sparse, 0);
	PG_RETURN_CSTRING(output);
}

/*
 * SQL: binary form to sparsevec: int32 dimensions, int32 elements, int32 0, then
 * as many int32 indices, counted from 0, and as many float4, all in network
 * byte order.
 *
 * Errors: 22000 for a wrong number of dimensions, a reserved field that is not
 * 0, indices that do not ascend or are outside, and for 0, NaN and infinity,
 * 54000 above the limits, 08P01 when bytes are missing.
 */
Datum
sparsevec_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int32		dim = (int32) pq_getmsgint(buffer, sizeof(int32));
	int32		nnz = (int32) pq_getmsgint(buffer, sizeof(int32));
	int32		unused = (int32) pq_getmsgint(buffer, sizeof(int32));
	const char *elements;
	SparseVector *result;

	check(sparsevec_check_shape(dim, nnz));
	vector_check_typmod(typmod, dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));

	elements = pq_getmsgbytes(buffer, (sizeof(int32) + sizeof(float)) * nnz);
	result = sparsevec_make(dim, nnz);
	check(sparsevec_unpack(elements, dim, nnz, result->indices, SPARSEVEC_VALUES(result)));
	PG_RETURN_SPARSEVEC_P(result);
}

/*
 * SQL: sparsevec to binary form, as sparsevec_recv reads it.
 */
Datum
sparsevec_send(PG_FUNCTION_ARGS)
{
	SparseVector *sparse = PG_GETARG_SPARSEVEC_P(0);
	const float *values = SPARSEVEC_VALUES(sparse);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	enlargeStringInfo(&buffer, SPARSEVEC_SIZE(sparse->nnz));
	pq_writeint32(&buffer, sparse->dim);
	pq_writeint32(&buffer, sparse->nnz);
	pq_writeint32(&buffer, sparse->unused);
	for (int i = 0; i < sparse->nnz; i++)
		pq_writeint32(&buffer, sparse->indices[i]);
	for (int i = 0; i < sparse->nnz; i++)
	{
		uint32		bits;

		memcpy(&bits, &values[i], sizeof(bits));
		pq_writeint32(&buffer, bits);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/*
 * SQL: type modifier; it is the number of dimensions itself, which clients
 * read from pg_attribute.
 *
 * Errors: 22023 unless it is one number from 1 to SPARSEVEC_MAX_DIM.
 */
Datum
sparsevec_typmod_in(PG_FUNCTION_ARGS)
{
	int			count;
	int32	   *modifiers = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &count);

	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (modifiers[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type sparsevec must be at least 1")));
	if (modifiers[0] > SPARSEVEC_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type sparsevec cannot exceed %d", SPARSEVEC_MAX_DIM)));
	PG_RETURN_INT32(modifiers[0]);
}
