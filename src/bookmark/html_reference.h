/* html_reference.h: decoding of HTML character references such as &amp; and &#8217;. */
#ifndef VECMARK_HTML_REFERENCE_H
#define VECMARK_HTML_REFERENCE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Longest reference looked for, from & to ; inclusive. */
#define HTML_REFERENCE_MAX 32

typedef struct HtmlReference
{
	char		name[7];
	uint16_t	code;
} HtmlReference;

/*
 * Named references, in byte order: those of Latin-1 and the common ones of
 * typography.
 */
static const HtmlReference html_references[] = {
	{"AElig", 0xc6}, {"AMP", 0x26}, {"Aacute", 0xc1}, {"Acirc", 0xc2},
	{"Agrave", 0xc0}, {"Aring", 0xc5}, {"Atilde", 0xc3}, {"Auml", 0xc4},
	{"Ccedil", 0xc7}, {"Dagger", 0x2021}, {"ETH", 0xd0}, {"Eacute", 0xc9},
	{"Ecirc", 0xca}, {"Egrave", 0xc8}, {"Euml", 0xcb}, {"GT", 0x3e},
	{"Iacute", 0xcd}, {"Icirc", 0xce}, {"Igrave", 0xcc}, {"Iuml", 0xcf},
	{"LT", 0x3c}, {"Ntilde", 0xd1}, {"OElig", 0x152}, {"Oacute", 0xd3},
	{"Ocirc", 0xd4}, {"Ograve", 0xd2}, {"Oslash", 0xd8}, {"Otilde", 0xd5},
	{"Ouml", 0xd6}, {"Prime", 0x2033}, {"QUOT", 0x22}, {"Scaron", 0x160},
	{"THORN", 0xde}, {"Uacute", 0xda}, {"Ucirc", 0xdb}, {"Ugrave", 0xd9},
	{"Uuml", 0xdc}, {"Yacute", 0xdd}, {"Yuml", 0x178}, {"aacute", 0xe1},
	{"acirc", 0xe2}, {"acute", 0xb4}, {"aelig", 0xe6}, {"agrave", 0xe0},
	{"amp", 0x26}, {"apos", 0x27}, {"aring", 0xe5}, {"asymp", 0x2248},
	{"atilde", 0xe3}, {"auml", 0xe4}, {"bdquo", 0x201e}, {"brvbar", 0xa6},
	{"bull", 0x2022}, {"ccedil", 0xe7}, {"cedil", 0xb8}, {"cent", 0xa2},
	{"circ", 0x2c6}, {"copy", 0xa9}, {"curren", 0xa4}, {"dagger", 0x2020},
	{"darr", 0x2193}, {"deg", 0xb0}, {"divide", 0xf7}, {"eacute", 0xe9},
	{"ecirc", 0xea}, {"egrave", 0xe8}, {"emsp", 0x2003}, {"ensp", 0x2002},
	{"eth", 0xf0}, {"euml", 0xeb}, {"euro", 0x20ac}, {"fnof", 0x192},
	{"frac12", 0xbd}, {"frac14", 0xbc}, {"frac34", 0xbe}, {"ge", 0x2265},
	{"gt", 0x3e}, {"harr", 0x2194}, {"hearts", 0x2665}, {"hellip", 0x2026},
	{"iacute", 0xed}, {"icirc", 0xee}, {"iexcl", 0xa1}, {"igrave", 0xec},
	{"infin", 0x221e}, {"iquest", 0xbf}, {"iuml", 0xef}, {"laquo", 0xab},
	{"larr", 0x2190}, {"ldquo", 0x201c}, {"le", 0x2264}, {"lrm", 0x200e},
	{"lsaquo", 0x2039}, {"lsquo", 0x2018}, {"lt", 0x3c}, {"macr", 0xaf},
	{"mdash", 0x2014}, {"micro", 0xb5}, {"middot", 0xb7}, {"minus", 0x2212},
	{"nbsp", 0xa0}, {"ndash", 0x2013}, {"ne", 0x2260}, {"not", 0xac},
	{"ntilde", 0xf1}, {"oacute", 0xf3}, {"ocirc", 0xf4}, {"oelig", 0x153},
	{"ograve", 0xf2}, {"ordf", 0xaa}, {"ordm", 0xba}, {"oslash", 0xf8},
	{"otilde", 0xf5}, {"ouml", 0xf6}, {"para", 0xb6}, {"permil", 0x2030},
	{"plusmn", 0xb1}, {"pound", 0xa3}, {"prime", 0x2032}, {"quot", 0x22},
	{"raquo", 0xbb}, {"rarr", 0x2192}, {"rdquo", 0x201d}, {"reg", 0xae},
	{"rlm", 0x200f}, {"rsaquo", 0x203a}, {"rsquo", 0x2019}, {"sbquo", 0x201a},
	{"scaron", 0x161}, {"sect", 0xa7}, {"shy", 0xad}, {"sup1", 0xb9},
	{"sup2", 0xb2}, {"sup3", 0xb3}, {"szlig", 0xdf}, {"thinsp", 0x2009},
	{"thorn", 0xfe}, {"tilde", 0x2dc}, {"times", 0xd7}, {"trade", 0x2122},
	{"uacute", 0xfa}, {"uarr", 0x2191}, {"ucirc", 0xfb}, {"ugrave", 0xf9},
	{"uml", 0xa8}, {"uuml", 0xfc}, {"yacute", 0xfd}, {"yen", 0xa5},
	{"yuml", 0xff}, {"zwj", 0x200d}, {"zwnj", 0x200c},
};

/* What the numeric references 128 to 159 mean, as pages always used them. */
static const uint16_t html_windows_1252[32] = {
	0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
	0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

/* Value of a hexadecimal digit, or 16. */
static inline uint32_t
html_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/*
 * Decode what stands between # and ; to a code point that UTF-8 has.  Returns
 * 0 if it is no number.
 */
static inline uint32_t
html_decode_number(const char *digits, const char *end)
{
	uint32_t	base = 10;
	uint32_t	code = 0;

	if (digits < end && (*digits == 'x' || *digits == 'X'))
	{
		base = 16;
		digits++;
	}
	if (digits == end)
		return 0;
	for (; digits < end; digits++)
	{
		uint32_t	digit = html_digit(*digits);

		if (digit >= base)
			return 0;
		code = code * base + digit;
		if (code > 0x10ffff)
			code = 0x110000;
	}
	if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0xfffd;
	if (code >= 128 && code < 160)
		return html_windows_1252[code - 128];
	return code;
}

/*
 * Decode the reference at p, an ampersand.  Returns its length with the
 * semicolon and sets *code, or returns 0 if there is none.  One without a
 * semicolon is none: Firefox writes URLs without escaping their ampersands,
 * and "?a=1&copy=2" is to survive.  Zero, surrogates and numbers that are no
 * code point become U+FFFD.
 */
static inline size_t
html_decode_reference(const char *p, const char *end, uint32_t *code)
{
	const char *name = p + 1;
	const char *close;
	size_t		length;
	size_t		low = 0;
	size_t		high = sizeof(html_references) / sizeof(html_references[0]);

	if (end - p > HTML_REFERENCE_MAX)
		end = p + HTML_REFERENCE_MAX;
	close = memchr(name, ';', end - name);
	if (close == NULL)
		return 0;
	length = close - name;

	if (*name == '#')
	{
		*code = html_decode_number(name + 1, close);
		return *code != 0 ? length + 2 : 0;
	}
	if (length >= sizeof(html_references[0].name))
		return 0;
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		const char *candidate = html_references[middle].name;
		int			order = memcmp(name, candidate, length);

		if (order == 0 && strlen(candidate) != length)
			order = -1;
		if (order == 0)
		{
			*code = html_references[middle].code;
			return length + 2;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return 0;
}

#endif							/* VECMARK_HTML_REFERENCE_H */
