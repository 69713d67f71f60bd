/*
 * sparsevec_parse.c: reads the text form of a sparsevec, "{1:0.5,7:-2}/10", and
 * the elements of its binary form.
 *
 * Indices are counted from 1 in text, from 0 in binary form.  What is accepted
 * is what pgvector accepts, and of several faults the one that it names is
 * named, but for too many elements: those are noticed where they are, not
 * before everything else.
 */
#include "vector/sparsevec_parse.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vector/vector_parse.h"

static inline const char *
skip_spaces(const char *p)
{
	while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		p++;
	return p;
}

/*
 * Read a decimal integer at *text and move past it; what is too large for an
 * int32 is made the largest of its sign.  False when there is none.
 */
static bool
parse_integer(const char **text, int32_t *value)
{
	const char *p = *text;
	bool		negative = (*p == '-');
	int64_t		magnitude = 0;
	const char *start;

	if (*p == '-' || *p == '+')
		p++;
	for (start = p; *p >= '0' && *p <= '9'; p++)
	{
		magnitude = magnitude * 10 + (*p - '0');
		if (magnitude > INT32_MAX)
			magnitude = INT32_MAX;
	}
	if (p == start)
		return false;
	*value = (int32_t) (negative ? -magnitude : magnitude);
	*text = p;
	return true;
}

/*
 * Read a float at *text and move past it.  Unlike an element of a vector, one
 * that is too small for a float is an error: it would not be an element.
 */
static SparsevecStatus
parse_value(const char **text, float *value, SparsevecParseResult *result)
{
	char	   *end;

	if (vector_parse_decimal(text, value))
		return SPARSEVEC_OK;

	errno = 0;
	*value = strtof(*text, &end);
	if (end == *text)
		return SPARSEVEC_SYNTAX;
	if (errno == ERANGE && (*value == 0.0f || isinf(*value)))
	{
		result->where = *text;
		result->where_length = (size_t) (end - *text);
		return SPARSEVEC_RANGE;
	}
	if (isnan(*value))
		return SPARSEVEC_NAN;
	if (isinf(*value))
		return SPARSEVEC_INFINITE;
	*text = end;
	return SPARSEVEC_OK;
}

/*
 * Read what is between braces and the closing brace, and move past it.
 */
static SparsevecStatus
parse_elements(const char **text, SparsevecElement *elements, SparsevecParseResult *result)
{
	const char *p = skip_spaces(*text);
	int			count = 0;		/* with zeros */

	if (*p == '}')
	{
		*text = p + 1;
		return SPARSEVEC_OK;
	}

	for (;;)
	{
		SparsevecStatus status;
		int32_t		index;
		float		value;

		if (count++ == SPARSEVEC_MAX_NNZ)
			return SPARSEVEC_HIGH_NNZ;

		p = skip_spaces(p);
		if (!parse_integer(&p, &index))
			return SPARSEVEC_SYNTAX;
		p = skip_spaces(p);
		if (*p != ':')
			return SPARSEVEC_SYNTAX;
		p = skip_spaces(p + 1);
		status = parse_value(&p, &value, result);
		if (status != SPARSEVEC_OK)
			return status;

		/* the index of a zero is not looked at */
		if (value != 0.0f)
		{
			elements[result->nnz].index = index - 1;
			elements[result->nnz].value = value;
			result->nnz++;
		}

		p = skip_spaces(p);
		if (*p == '}')
			break;
		if (*p != ',')
			return SPARSEVEC_SYNTAX;
		p++;
	}
	*text = p + 1;
	return SPARSEVEC_OK;
}

/*
 * Read a sparsevec, except for the order and the bounds of its indices, which
 * sparsevec_sort looks after.
 *
 * text: ended by NUL.  elements: room for SPARSEVEC_MAX_NNZ; result.nnz of them
 * are set, their values finite and not 0, in the order of the text.  LC_NUMERIC
 * must be C, as it is in a server.
 */
SparsevecParseResult
sparsevec_parse(const char *text, SparsevecElement *elements)
{
	SparsevecParseResult result = {SPARSEVEC_SYNTAX, 0, 0, NULL, 0};
	const char *p = skip_spaces(text);

	if (*p != '{')
	{
		result.status = SPARSEVEC_NO_BRACE;
		return result;
	}
	p++;
	result.status = parse_elements(&p, elements, &result);
	if (result.status != SPARSEVEC_OK)
		return result;

	p = skip_spaces(p);
	if (*p != '/')
	{
		result.status = SPARSEVEC_NO_SLASH;
		return result;
	}
	p = skip_spaces(p + 1);
	if (!parse_integer(&p, &result.dim))
	{
		result.status = SPARSEVEC_SYNTAX;
		return result;
	}
	p = skip_spaces(p);
	result.status = (*p == '\0') ? sparsevec_check_shape(result.dim, 0) : SPARSEVEC_JUNK;
	return result;
}

/*
 * Put element i of a heap of count elements where it belongs, all below it
 * being in place: the element with the highest index is on top.
 */
static void
sift_down(SparsevecElement *elements, int i, int count)
{
	SparsevecElement moved = elements[i];

	for (int child = 2 * i + 1; child < count; child = 2 * i + 1)
	{
		if (child + 1 < count && elements[child + 1].index > elements[child].index)
			child++;
		if (elements[child].index <= moved.index)
			break;
		elements[i] = elements[child];
		i = child;
	}
	elements[i] = moved;
}

/*
 * Sort elements by index, and check that the indices are below dim and differ.
 * A heap sort where they are not sorted: no order makes it slow.
 */
SparsevecStatus
sparsevec_sort(SparsevecElement *elements, int nnz, int32_t dim)
{
	bool		sorted = true;

	for (int i = 1; i < nnz; i++)
		sorted &= (elements[i - 1].index <= elements[i].index);

	if (!sorted)
	{
		for (int i = nnz / 2 - 1; i >= 0; i--)
			sift_down(elements, i, nnz);
		for (int i = nnz - 1; i > 0; i--)
		{
			SparsevecElement last = elements[i];

			elements[i] = elements[0];
			elements[0] = last;
			sift_down(elements, 0, i);
		}
	}

	for (int i = 0; i < nnz; i++)
	{
		if (elements[i].index < 0 || elements[i].index >= dim)
			return SPARSEVEC_BOUNDS;
		if (i > 0 && elements[i].index == elements[i - 1].index)
			return SPARSEVEC_DUPLICATE;
	}
	return SPARSEVEC_OK;
}

/*
 * Check the number of dimensions and the number of elements.
 */
SparsevecStatus
sparsevec_check_shape(int32_t dim, int32_t nnz)
{
	if (dim < 1)
		return SPARSEVEC_NO_DIM;
	if (dim > SPARSEVEC_MAX_DIM)
		return SPARSEVEC_HIGH_DIM;
	if (nnz < 0)
		return SPARSEVEC_NEGATIVE_NNZ;
	if (nnz > SPARSEVEC_MAX_NNZ)
		return SPARSEVEC_HIGH_NNZ;
	if (nnz > dim)
		return SPARSEVEC_NNZ_ABOVE_DIM;
	return SPARSEVEC_OK;
}

/* Four bytes in network order. */
static inline uint32_t
read_uint32(const uint8_t *bytes)
{
	return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 | bytes[3];
}

/*
 * Read the elements of a binary form: nnz int32 indices, then nnz float4, all in
 * network byte order.
 *
 * bytes: 8 * nnz of them.  dim and nnz: checked by sparsevec_check_shape.
 * indices, values: room for nnz; set, and sound, when SPARSEVEC_OK is returned.
 */
SparsevecStatus
sparsevec_unpack(const void *bytes, int32_t dim, int nnz, int32_t *indices, float *values)
{
	const uint8_t *p = bytes;

	for (int i = 0; i < nnz; i++, p += 4)
	{
		indices[i] = (int32_t) read_uint32(p);
		if (indices[i] < 0 || indices[i] >= dim)
			return SPARSEVEC_BOUNDS;
		if (i > 0 && indices[i] < indices[i - 1])
			return SPARSEVEC_ORDER;
		if (i > 0 && indices[i] == indices[i - 1])
			return SPARSEVEC_DUPLICATE;
	}
	for (int i = 0; i < nnz; i++, p += 4)
	{
		uint32_t	bits = read_uint32(p);

		memcpy(&values[i], &bits, sizeof(bits));
		if (isnan(values[i]))
			return SPARSEVEC_NAN;
		if (isinf(values[i]))
			return SPARSEVEC_INFINITE;
		if (values[i] == 0.0f)
			return SPARSEVEC_ZERO;
	}
	return SPARSEVEC_OK;
}
