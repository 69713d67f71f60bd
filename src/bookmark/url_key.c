/* url_key.c: the canonical key of a URL; url_key.h states the rules. */
#include "bookmark/url_key.h"

#include <stdint.h>
#include <string.h>

/*
 * The caller's buffer is divided into the key, a copy of the URL without the
 * bytes that are skipped, the parameters of the query in normal form, each
 * followed by an ampersand, and two arrays of their offsets, between which
 * the merge sort moves.  Every byte becomes at most three, a parameter has at
 * least one byte and an ampersand before the next, and what the key gains in
 * slashes it has saved in its scheme, whose bytes stay single.
 */
#define MAX_EXPANSION 3
#define OFFSET_SIZE sizeof(uint32_t)

typedef enum UrlPart
{
	PART_USER,
	PART_HOST,
	PART_PATH,
	PART_QUERY,
	PART_FRAGMENT
} UrlPart;

typedef struct UrlScheme
{
	const char *name;
	size_t		length;
	const char *default_port;	/* "" if none */
} UrlScheme;

static const UrlScheme special_schemes[] = {
	{"https", 5, "443"},
	{"http", 4, "80"},
	{"file", 4, ""},
	{"ftp", 3, "21"},
	{"wss", 3, "443"},
	{"ws", 2, "80"},
};

/*
 * Names of parameters that record where a visitor came from and never select
 * content, in byte order.  They contain unreserved characters only, so a name
 * in normal form compares directly.
 */
static const char *const tracking_names[] = {
	"__hsfp", "__hssc", "__hstc", "__s", "_branch_match_id",
	"_branch_referrer", "_ga", "_gac", "_gl", "_hsenc", "_hsmi", "_openstat",
	"dclid", "epik", "fb_action_ids", "fb_action_types", "fb_ref",
	"fb_source", "fbclid", "gad_campaignid", "gad_source", "gbraid", "gclid",
	"gclsrc", "guccounter", "guce_referrer", "guce_referrer_sig",
	"hsctatracking", "igsh", "igshid", "irclickid", "li_fat_id", "mc_cid",
	"mc_eid", "mibextid", "mkt_tok", "ml_subscriber", "ml_subscriber_hash",
	"msclkid", "oly_anon_id", "oly_enc_id", "pk_campaign", "pk_cid",
	"pk_content", "pk_keyword", "pk_kwd", "pk_medium", "pk_source",
	"rb_clickid", "rdt_cid", "s_cid", "srsltid", "trk_contact", "trk_module",
	"trk_msg", "trk_sid", "ttclid", "twclid", "vero_conv", "vero_id",
	"wbraid", "wickedid", "wt_mc", "wt_zmc", "xtor", "yclid", "ysclid",
};

static const char *const tracking_prefixes[] = {
	"hsa_", "matomo_", "mtm_", "piwik_", "utm_",
};

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CHAR_UNRESERVED 1		/* never needs percent-encoding */
#define CHAR_ENCODED 2			/* always percent-encoded */
#define CHAR_SCHEME 4			/* may stand in a scheme */

/* Classes of the ASCII characters, sixteen a row. */
static const unsigned char char_class[128] = {
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 5, 5, 0,
	5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 2, 0, 2, 0,
	0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
	5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 2, 0, 2, 1,
	2, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
	5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 2, 2, 2, 1, 2,
};

static inline bool
is_class(char c, int class)
{
	unsigned char u = (unsigned char) c;

	return ((u < 0x80 ? char_class[u] : CHAR_ENCODED) & class) != 0;
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char
to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static inline bool
is_alpha(char c)
{
	c = to_lower(c);
	return c >= 'a' && c <= 'z';
}

static inline bool
is_slash(char c)
{
	return c == '/' || c == '\\';
}

/* Value of a hexadecimal digit, or -1. */
static inline int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = to_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline char *
append_encoded(char *out, unsigned char c)
{
	*out++ = '%';
	*out++ = "0123456789ABCDEF"[c >> 4];
	*out++ = "0123456789ABCDEF"[c & 15];
	return out;
}

/*
 * Append text in normal form, at most three bytes for each.  The result
 * appended again gives itself: decoding yields unreserved characters only, so
 * it neither makes a delimiter nor completes another escape.
 */
static char *
append_normal(char *out, const char *text, const char *end, UrlPart part)
{
	while (text < end)
	{
		char		c = *text++;

		if (c == '%')
		{
			int			high = end - text >= 2 ? hex_value(text[0]) : -1;
			int			low = high >= 0 ? hex_value(text[1]) : -1;

			if (low < 0)
			{
				out = append_encoded(out, '%');
				continue;
			}
			text += 2;
			c = (char) (high << 4 | low);
			if (!is_class(c, CHAR_UNRESERVED))
			{
				out = append_encoded(out, (unsigned char) c);
				continue;
			}
		}
		/* browsers send ' encoded in a query, and as it is elsewhere */
		else if (is_class(c, CHAR_ENCODED) || (c == '\'' && part == PART_QUERY))
		{
			out = append_encoded(out, (unsigned char) c);
			continue;
		}
		*out++ = part == PART_HOST ? to_lower(c) : c;
	}
	return out;
}

/* Append text that is not taken apart: only what is not printable changes. */
static char *
append_opaque(char *out, const char *text, const char *end)
{
	for (; text < end; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c > 0x20 && c < 0x7f)
			*out++ = (char) c;
		else
			out = append_encoded(out, c);
	}
	return out;
}

/* Length of the scheme at the start of text, without its colon, or 0. */
static size_t
scheme_length(const char *text, const char *end)
{
	const char *p = text;

	if (p == end || !is_alpha(*p))
		return 0;
	while (p < end && is_class(*p, CHAR_SCHEME))
		p++;
	return p < end && *p == ':' ? (size_t) (p - text) : 0;
}

/* Whether text, what follows name and colon, begins with a port number. */
static bool
starts_with_port(const char *text, const char *end)
{
	const char *p = text;

	while (p < end && is_digit(*p) && p - text <= 5)
		p++;
	if (p == text || p - text > 5)
		return false;
	return p == end || *p == '/' || *p == '?' || *p == '#';
}

static const UrlScheme *
find_special_scheme(const char *name, size_t length)
{
	for (size_t i = 0; i < LENGTH_OF(special_schemes); i++)
	{
		const UrlScheme *scheme = &special_schemes[i];
		size_t		j = 0;

		if (scheme->length != length)
			continue;
		while (j < length && to_lower(name[j]) == scheme->name[j])
			j++;
		if (j == length)
			return scheme;
	}
	return NULL;
}

typedef struct UrlAuthority
{
	const char *user;
	const char *user_end;
	const char *host;
	const char *host_end;
	const char *port;			/* without leading zeros */
	const char *port_end;
} UrlAuthority;

static const char *
find_authority_end(const char *text, const char *end)
{
	while (text < end && !is_slash(*text) && *text != '?' && *text != '#')
		text++;
	return text;
}

/*
 * Take an authority apart.  False if its port is no port number or a bracket
 * is not closed.  Any part may be empty, the host included.
 */
static bool
split_authority(const char *text, const char *end, UrlAuthority *authority)
{
	const char *p = end;

	while (p > text && p[-1] != '@')
		p--;
	authority->user = text;
	authority->user_end = p > text ? p - 1 : text;

	authority->host = p;
	if (p < end && *p == '[')
	{
		p = memchr(p, ']', end - p);
		if (p == NULL)
			return false;
		p++;
		if (p < end && *p != ':')
			return false;
	}
	else
	{
		while (p < end && *p != ':')
			p++;
	}
	authority->host_end = p;

	if (p < end)
		p++;					/* the colon */
	while (end - p > 1 && *p == '0')
		p++;
	authority->port = p;
	authority->port_end = end;
	for (int number = 0; p < end; p++)
	{
		if (!is_digit(*p))
			return false;
		number = number * 10 + (*p - '0');
		if (number > 65535)
			return false;
	}
	return true;
}

/*
 * Append a file URL's or another special URL's authority, with its two
 * slashes.  NULL if it is unusable.
 */
static char *
append_authority(char *out, const UrlScheme *scheme,
				 const char *text, const char *end)
{
	bool		is_file = scheme->default_port[0] == '\0';
	UrlAuthority authority;
	size_t		port_length;
	bool		has_user;
	char	   *host;

	if (!split_authority(text, end, &authority))
		return NULL;

	port_length = authority.port_end - authority.port;
	if (port_length == strlen(scheme->default_port) &&
		memcmp(authority.port, scheme->default_port, port_length) == 0)
		port_length = 0;
	has_user = authority.user < authority.user_end;
	if (authority.host == authority.host_end &&
		(!is_file || has_user || port_length > 0))
		return NULL;

	*out++ = '/';
	*out++ = '/';
	if (has_user)
	{
		out = append_normal(out, authority.user, authority.user_end, PART_USER);
		*out++ = '@';
	}
	host = out;
	out = append_normal(out, authority.host, authority.host_end, PART_HOST);
	/* two dots at the end are not a root label, and dropping one is not final */
	if (out - host >= 2 && out[-1] == '.' && out[-2] != '.')
		out--;
	if (port_length > 0)
	{
		*out++ = ':';
		memcpy(out, authority.port, port_length);
		out += port_length;
	}
	if (is_file && !has_user && out - host == 9 &&
		memcmp(host, "localhost", 9) == 0)
		out = host;
	return out;
}

/*
 * Append a path: each segment with a slash before it, dot segments resolved,
 * no slash at the end.
 */
static char *
append_path(char *out, const char *text, const char *end)
{
	char	   *start = out;

	while (text < end)
	{
		const char *segment = is_slash(*text) ? text + 1 : text;
		char	   *mark = out;
		size_t		length;

		for (text = segment; text < end && !is_slash(*text);)
			text++;
		*out++ = '/';
		out = append_normal(out, segment, text, PART_PATH);

		length = out - mark - 1;
		if (length == 1 && mark[1] == '.')
			out = mark;
		else if (length == 2 && mark[1] == '.' && mark[2] == '.')
		{
			out = mark;
			if (out > start)
			{
				do
					out--;
				while (*out != '/');
			}
		}
	}
	while (out > start && out[-1] == '/')
		out--;
	return out;
}

/* Compare an ASCII name of any case with one in lower case, as strcmp would. */
static int
compare_ignoring_case(const char *name, size_t length, const char *lower)
{
	for (size_t i = 0; i < length; i++)
	{
		char		c = to_lower(name[i]);

		if (c != lower[i])		/* also where lower ends */
			return c < lower[i] ? -1 : 1;
	}
	return lower[length] == '\0' ? 0 : -1;
}

static bool
is_tracking(const char *name, size_t length)
{
	size_t		low = 0;
	size_t		high = LENGTH_OF(tracking_names);

	for (size_t i = 0; i < LENGTH_OF(tracking_prefixes); i++)
	{
		size_t		prefix_length = strlen(tracking_prefixes[i]);

		if (length >= prefix_length &&
			compare_ignoring_case(name, prefix_length,
								  tracking_prefixes[i]) == 0)
			return true;
	}
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		int			order = compare_ignoring_case(name, length,
												  tracking_names[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* The offsets lie in a buffer of bytes, at any address. */
static inline uint32_t
get_offset(const char *array, size_t index)
{
	uint32_t	offset;

	memcpy(&offset, array + index * OFFSET_SIZE, OFFSET_SIZE);
	return offset;
}

static inline void
set_offset(char *array, size_t index, uint32_t offset)
{
	memcpy(array + index * OFFSET_SIZE, &offset, OFFSET_SIZE);
}

/* The next byte of a parameter's name, or 0, which no name has, at its end. */
static inline int
name_byte(const char *p)
{
	return *p == '=' || *p == '&' ? 0 : (unsigned char) *p;
}

/* Compare the names of two parameters, which end at an equals or ampersand. */
static int
compare_names(const char *a, const char *b)
{
	while (name_byte(a) != 0 && *a == *b)
	{
		a++;
		b++;
	}
	return name_byte(a) - name_byte(b);
}

/*
 * Sort count offsets into text by the names there, stably, from the array
 * offsets through the array spare.  Returns the one that holds the result.
 * A comparison costs no more than the name it outputs, so a pass is linear
 * in the text.
 */
static char *
sort_parameters(const char *text, char *offsets, char *spare, size_t count)
{
	for (size_t width = 1; width < count; width *= 2)
	{
		char	   *swap = offsets;
		size_t		out = 0;

		for (size_t low = 0; low < count; low += 2 * width)
		{
			size_t		left = low;
			size_t		middle = low + width < count ? low + width : count;
			size_t		right = middle;
			size_t		high = middle + width < count ? middle + width : count;

			while (left < middle || right < high)
			{
				bool		take_left;

				if (left == middle || right == high)
					take_left = left < middle;
				else
					take_left = compare_names(text + get_offset(offsets, left),
											  text + get_offset(offsets, right)) <= 0;
				set_offset(spare, out++,
						   get_offset(offsets, take_left ? left++ : right++));
			}
		}
		offsets = spare;
		spare = swap;
	}
	return offsets;
}

/* Append a query, in order and without tracking, through the working space. */
static char *
append_query(char *out, const char *query, const char *end, char *space)
{
	size_t		length = end - query;
	char	   *text = space;
	char	   *text_end = text;
	char	   *offsets = text + MAX_EXPANSION * length + 1;
	char	   *spare = offsets + OFFSET_SIZE * (length / 2 + 1);
	size_t		count = 0;
	bool		sorted = true;
	uint32_t	previous = 0;

	while (query < end)
	{
		const char *pair_end = memchr(query, '&', end - query);
		char	   *pair = text_end;
		size_t		name_length = 0;

		if (pair_end == NULL)
			pair_end = end;
		if (query < pair_end)
		{
			text_end = append_normal(text_end, query, pair_end, PART_QUERY);
			*text_end++ = '&';
			while (name_byte(pair + name_length) != 0)
				name_length++;
			if (is_tracking(pair, name_length))
				text_end = pair;
			else
			{
				if (count > 0 && compare_names(text + previous, pair) > 0)
					sorted = false;
				previous = (uint32_t) (pair - text);
				set_offset(offsets, count++, previous);
			}
		}
		query = pair_end + (pair_end < end);
	}

	if (!sorted)
		offsets = sort_parameters(text, offsets, spare, count);
	for (size_t i = 0; i < count; i++)
	{
		const char *pair = text + get_offset(offsets, i);
		const char *pair_end = memchr(pair, '&', text_end - pair);

		*out++ = i == 0 ? '?' : '&';
		memcpy(out, pair, pair_end - pair);
		out += pair_end - pair;
	}
	return out;
}

/*
 * Append everything after the colon of a special URL.  NULL if its authority
 * is unusable.
 */
static char *
append_special(char *out, const UrlScheme *scheme,
			   const char *text, const char *end, char *space)
{
	const char *fragment = memchr(text, '#', end - text);
	const char *query;
	const char *authority_end;

	if (fragment == NULL)
		fragment = end;
	query = memchr(text, '?', fragment - text);
	if (query == NULL)
		query = fragment;

	if (scheme->default_port[0] != '\0')
	{
		while (text < query && is_slash(*text))
			text++;
		authority_end = find_authority_end(text, query);
	}
	else if (query - text >= 2 && is_slash(text[0]) && is_slash(text[1]))
	{
		text += 2;
		authority_end = find_authority_end(text, query);
		if (authority_end - text == 2 && is_alpha(text[0]) && text[1] == ':')
			authority_end = text;
	}
	else
		authority_end = text;

	out = append_authority(out, scheme, text, authority_end);
	if (out == NULL)
		return NULL;
	out = append_path(out, authority_end, query);
	if (query < fragment)
		out = append_query(out, query + 1, fragment, space);
	if (end - fragment >= 2 && (fragment[1] == '!' || fragment[1] == '/'))
	{
		*out++ = '#';
		out = append_normal(out, fragment + 1, end, PART_FRAGMENT);
	}
	return out;
}

/* Contract in url_key.h. */
size_t
url_key_bound(size_t length)
{
	if (length > URL_MAX_LENGTH)
		return 0;
	return MAX_EXPANSION * length	/* key */
		+ length				/* URL without what is skipped */
		+ MAX_EXPANSION * length + 1	/* parameters */
		+ 2 * OFFSET_SIZE * (length / 2 + 1);	/* their offsets */
}

/* Contract in url_key.h. */
UrlKeyStatus
url_key(const char *url, size_t length, char *key, size_t *key_length)
{
	char	   *text;
	char	   *end;
	char	   *out = key;
	char	   *rest = NULL;
	size_t		name_length;

	*key_length = 0;
	if (length > URL_MAX_LENGTH)
		return URL_KEY_TOO_LONG;

	text = key + MAX_EXPANSION * length;
	end = text;
	while (length > 0 && (unsigned char) url[length - 1] <= 0x20)
		length--;
	for (size_t i = 0; i < length; i++)
	{
		char		c = url[i];

		if (c == '\t' || c == '\n' || c == '\r' ||
			(end == text && (unsigned char) c <= 0x20))
			continue;
		*end++ = c;
	}
	if (end == text)
		return URL_KEY_EMPTY;

	name_length = scheme_length(text, end);
	if (name_length > 0)
	{
		const char *after = text + name_length + 1;
		const UrlScheme *scheme = find_special_scheme(text, name_length);

		if (scheme != NULL || !starts_with_port(after, end))
		{
			for (size_t i = 0; i < name_length; i++)
				*out++ = to_lower(text[i]);
			*out++ = ':';
			text += name_length + 1;
		}
		if (scheme != NULL)
			rest = append_special(out, scheme, text, end, end);
	}
	out = rest != NULL ? rest : append_opaque(out, text, end);

	if (out - key > URL_MAX_LENGTH)
		return URL_KEY_TOO_LONG;
	*key_length = out - key;
	return URL_KEY_OK;
}

/* Contract in url_key.h. */
bool
url_key_host(const char *key, size_t length,
			 const char **host, size_t *host_length)
{
	const char *end = key + length;
	size_t		name_length = scheme_length(key, end);
	const char *text = key + name_length;
	UrlAuthority authority;

	if (name_length == 0 || find_special_scheme(key, name_length) == NULL ||
		end - text < 3 || memcmp(text, "://", 3) != 0)
		return false;
	text += 3;
	if (!split_authority(text, find_authority_end(text, end), &authority) ||
		authority.host == authority.host_end)
		return false;
	*host = authority.host;
	*host_length = authority.host_end - authority.host;
	return true;
}
