/* utf8.h: one code point from and to UTF-8, for code that knows no server encoding. */
#ifndef VECMARK_UTF8_H
#define VECMARK_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes of one code point. */
#define UTF8_MAX_BYTES 4

/*
 * Decode the code point at p, where p < end.  Returns its length in bytes, or
 * 0 if the bytes there are not valid UTF-8: too long a form, a surrogate, or
 * cut off by end.
 */
static inline int
utf8_decode(const unsigned char *p, const unsigned char *end, uint32_t *code)
{
	uint32_t	c = *p;
	uint32_t	least;
	int			length;

	if (c < 0x80)
	{
		*code = c;
		return 1;
	}
	if (c >= 0xc0 && c < 0xe0)
	{
		length = 2;
		least = 0x80;
		c &= 0x1f;
	}
	else if (c >= 0xe0 && c < 0xf0)
	{
		length = 3;
		least = 0x800;
		c &= 0x0f;
	}
	else if (c >= 0xf0 && c < 0xf8)
	{
		length = 4;
		least = 0x10000;
		c &= 0x07;
	}
	else
		return 0;
	if (end - p < length)
		return 0;
	for (int i = 1; i < length; i++)
	{
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*code = c;
	return length;
}

/*
 * Write a code point of at most 0x10FFFF, and no surrogate, to out, which has
 * room for UTF8_MAX_BYTES.  Returns its length in bytes.
 */
static inline int
utf8_encode(uint32_t code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xc0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xe0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3f));
		out[2] = (char) (0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3f));
	out[2] = (char) (0x80 | (code >> 6 & 0x3f));
	out[3] = (char) (0x80 | (code & 0x3f));
	return 4;
}

#endif							/* VECMARK_UTF8_H */
