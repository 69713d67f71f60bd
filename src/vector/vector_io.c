/*
 * vector_io.c: text form, binary form and type modifier of vector.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "vector/vector.h"
#include "vector/vector_common.h"

VM_FUNCTION_INFO(vector_in);
VM_FUNCTION_INFO(vector_out);
VM_FUNCTION_INFO(vecmark_vector_to_json);
VM_FUNCTION_INFO(vector_recv);
VM_FUNCTION_INFO(vector_send);
VM_FUNCTION_INFO(vector_typmod_in);

/* How much of a malformed text an error message quotes, in bytes. */
#define QUOTED_MAX 200

/*
 * The vector in a datum, detoasted.  The result may be the datum itself, which
 * must not be changed, or a copy in the current memory context.
 *
 * Errors: XX001 when its length and its number of dimensions disagree.
 */
Vector *
vector_from_datum(Datum datum)
{
	Vector	   *vector = (Vector *) PG_DETOAST_DATUM(datum);
	Size		size = VARSIZE(vector);

	if (unlikely(size < VECTOR_SIZE(1) || vector->dim < 1 || size != VECTOR_SIZE(vector->dim)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("vector value of %zu bytes is corrupted", size)));
	return vector;
}

/*
 * A new vector in the current memory context, its elements unset.
 *
 * dim: 1 to VECTOR_MAX_DIM, checked by the caller.
 */
Vector *
vector_make(int dim)
{
	Vector	   *vector = (Vector *) palloc(VECTOR_SIZE(dim));

	Assert(dim >= 1 && dim <= VECTOR_MAX_DIM);
	SET_VARSIZE(vector, VECTOR_SIZE(dim));
	vector->dim = dim;
	vector->unused = 0;
	return vector;
}

/*
 * Errors: 22000 below 1 dimension, 54000 above VECTOR_MAX_DIM.
 */
void
vector_check_dim(int dim)
{
	if (dim < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("vector must have at least 1 dimension")));
	if (dim > VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("vector cannot have more than %d dimensions", VECTOR_MAX_DIM)));
}

/*
 * Errors: 22000 when the dimensions differ; the message names both.
 */
void
vector_check_same_dim(const Vector *a, const Vector *b)
{
	if (a->dim != b->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d", a->dim, b->dim)));
}

/*
 * Errors: 22000 when a type modifier is given and dim is another number.
 */
void
vector_check_typmod(int32 typmod, int dim)
{
	if (typmod != -1 && typmod != dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dim)));
}

/*
 * Errors: 22000 for NaN and for an infinity.
 */
void
vector_check_finite(float value)
{
	if (isnan(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in vector")));
	if (isinf(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in vector")));
}

/*
 * The text for an error message: whole, or its beginning, then in the current
 * memory context.
 */
const char *
vector_quoted(const char *string)
{
	Size		length = strlen(string);

	if (length <= QUOTED_MAX)
		return string;
	length = pg_mbcliplen(string, length, QUOTED_MAX);
	return psprintf("%.*s...", (int) length, string);
}

/*
 * Report what vector_parse found wrong with the text form of a type, softly
 * where the caller can take it.  The result is for the caller to return.
 */
Datum
vector_report_parse_error(Node *escontext, const char *type, const char *input,
						  const VectorParseResult *parsed)
{
	switch (parsed->status)
	{
		case VECTOR_PARSE_EMPTY:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("%s must have at least 1 dimension", type)));
		case VECTOR_PARSE_TOO_MANY:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("%s cannot have more than %d dimensions", type, VECTOR_MAX_DIM)));
		case VECTOR_PARSE_RANGE:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%s\" is out of range for type %s",
							vector_quoted(pnstrdup(parsed->where, parsed->where_length)), type)));
		case VECTOR_PARSE_NAN:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("NaN not allowed in %s", type)));
		case VECTOR_PARSE_INFINITE:
			ereturn(escontext, (Datum) 0,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("infinite value not allowed in %s", type)));
		case VECTOR_PARSE_NO_BRACKET:
		case VECTOR_PARSE_JUNK:
		case VECTOR_PARSE_SYNTAX:
		case VECTOR_PARSE_OK:
			break;
	}
	ereturn(escontext, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", type, vector_quoted(input)),
			 parsed->status == VECTOR_PARSE_NO_BRACKET ? errdetail("Vector contents must start with \"[\".") :
			 parsed->status == VECTOR_PARSE_JUNK ? errdetail("Junk after closing right brace.") : 0));
}

/*
 * SQL: text form to vector.
 */
Datum
vector_in(PG_FUNCTION_ARGS)
{
	char	   *input = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	float		x[VECTOR_MAX_DIM];
	VectorParseResult parsed = vector_parse(input, x);
	Vector	   *result;

	if (parsed.status != VECTOR_PARSE_OK)
		return vector_report_parse_error(fcinfo->context, "vector", input, &parsed);
	if (typmod != -1 && typmod != parsed.dim)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, parsed.dim)));

	result = vector_make(parsed.dim);
	memcpy(result->x, x, sizeof(float) * parsed.dim);
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: vector to text form; each float in the fewest digits that read back as
 * the same float.
 */
Datum
vector_out(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	char	   *output = (char *) palloc((Size) FLOAT_SHORTEST_DECIMAL_LEN * vector->dim + 3);
	char	   *p = output;

	*p++ = '[';
	for (int i = 0; i < vector->dim; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += float_to_shortest_decimal_bufn(vector->x[i], p);
	}
	*p++ = ']';
	*p = '\0';

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_CSTRING(output);
}

/*
 * SQL: vector to json.  The text form is a JSON array: its numbers are written
 * as JSON writes them, and NaN and infinity are in no vector.
 */
Datum
vecmark_vector_to_json(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(vector_out, PG_GETARG_DATUM(0)))));
}

/*
 * SQL: binary form to vector: int16 dimensions, int16 0, then as many float4,
 * all in network byte order.
 *
 * Errors: 22000 for a wrong number of dimensions, a reserved field that is not
 * 0, NaN and infinity, 54000 above the limit, 08P01 when bytes are missing.
 */
Datum
vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int16		dim = pq_getmsgint(buffer, sizeof(int16));
	int16		unused = pq_getmsgint(buffer, sizeof(int16));
	const char *elements;
	Vector	   *result;

	vector_check_dim(dim);
	vector_check_typmod(typmod, dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));

	elements = pq_getmsgbytes(buffer, sizeof(float) * dim);
	result = vector_make(dim);
	for (int i = 0; i < dim; i++)
	{
		uint32		bits;

		memcpy(&bits, elements + sizeof(bits) * i, sizeof(bits));
		bits = pg_ntoh32(bits);
		memcpy(&result->x[i], &bits, sizeof(bits));
		vector_check_finite(result->x[i]);
	}
	PG_RETURN_VECTOR_P(result);
}

/*
 * SQL: vector to binary form, as vector_recv reads it.
 */
Datum
vector_send(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	enlargeStringInfo(&buffer, VECTOR_SIZE(vector->dim));
	pq_writeint16(&buffer, vector->dim);
	pq_writeint16(&buffer, vector->unused);
	for (int i = 0; i < vector->dim; i++)
	{
		uint32		bits;

		memcpy(&bits, &vector->x[i], sizeof(bits));
		pq_writeint32(&buffer, bits);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/*
 * The number of dimensions that a type's modifier gives, from 1 to
 * VECTOR_MAX_DIM.
 *
 * Errors: 22023 unless it is one such number.
 */
int32
vector_read_typmod(ArrayType *array, const char *type)
{
	int			count;
	int32	   *modifiers = ArrayGetIntegerTypmods(array, &count);

	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (modifiers[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1", type)));
	if (modifiers[0] > VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d", type, VECTOR_MAX_DIM)));
	return modifiers[0];
}

/*
 * SQL: type modifier; it is the number of dimensions itself, which clients
 * read from pg_attribute.
 *
 * Errors: 22023 unless it is one number from 1 to VECTOR_MAX_DIM.
 */
Datum
vector_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(vector_read_typmod(PG_GETARG_ARRAYTYPE_P(0), "vector"));
}
