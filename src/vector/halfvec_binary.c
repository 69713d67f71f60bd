/*
 * halfvec_binary.c: the elements of a halfvec's binary form: halves in network
 * byte order.
 */
#include "vector/halfvec_binary.h"

#include "simd/half.h"

/*
 * Read count elements from 2 * count bytes into x.
 *
 * The result is how many were read: fewer than count when the next one, which
 * x has then too, is NaN or infinite.
 */
size_t
halfvec_decode(const void *bytes, size_t count, uint16_t *x)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < count; i++)
	{
		x[i] = (uint16_t) (p[2 * i] << 8 | p[2 * i + 1]);
		if (half_is_nan(x[i]) || half_is_infinite(x[i]))
			return i;
	}
	return count;
}

/*
 * Write count elements of x to 2 * count bytes, as halfvec_decode reads them.
 */
void
halfvec_encode(const uint16_t *x, size_t count, void *bytes)
{
	uint8_t    *p = bytes;

	for (size_t i = 0; i < count; i++)
	{
		p[2 * i] = (uint8_t) (x[i] >> 8);
		p[2 * i + 1] = (uint8_t) x[i];
	}
}
