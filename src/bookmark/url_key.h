/* url_key.h: the canonical key of a URL, by which bookmarks of one page are found equal. */
#ifndef VECMARK_URL_KEY_H
#define VECMARK_URL_KEY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Number of the rule set.  Keys are stored in unique indexes, so any change
 * that gives some URL another key raises it.
 */
#define URL_KEY_RULES 1

/* Longest URL accepted and longest key made, in bytes. */
#define URL_MAX_LENGTH 65536

typedef enum UrlKeyStatus
{
	URL_KEY_OK,
	URL_KEY_EMPTY,				/* nothing but spaces and control characters */
	URL_KEY_TOO_LONG			/* the URL or its key exceeds URL_MAX_LENGTH */
} UrlKeyStatus;

/*
 * Size in bytes of the buffer that url_key() needs for a URL of that length.
 * It includes the working space for sorting the query and is about ten times
 * the length; a length over URL_MAX_LENGTH needs none.
 */
extern size_t url_key_bound(size_t length);

/*
 * Write the key of a URL to key, a buffer of url_key_bound(length) bytes with
 * no alignment, and its length to *key_length.  Only those *key_length bytes
 * mean anything; there is no terminator.  If the result is not URL_KEY_OK,
 * *key_length is 0.
 *
 * The URL is any bytes, UTF-8 by intent.  The key is printable ASCII (0x21 to
 * 0x7e), at most three times as long as the URL, and its own key: for every
 * input url_key(url_key(x)) = url_key(x).  Time is O(n log n).
 *
 * The rules, in order:
 *
 *	- Control characters and spaces at both ends go, and so do tabs, carriage
 *	  returns and line feeds inside.
 *	- The scheme becomes lower case.  http, https, ftp, ws, wss and file URLs
 *	  follow the rules below.  Everything else (mailto:, javascript:, data:,
 *	  text without a scheme) is opaque: kept as it is, except that bytes
 *	  outside 0x21 to 0x7e are percent-encoded.  "example.com:8080/x", a name
 *	  and a number of up to five digits, has no scheme.
 *	- A backslash before the query counts as a slash.  Any number of slashes
 *	  may precede the host; a file URL has a host only after exactly two.
 *	- Percent-encoding is normalised in every part: hexadecimal digits upper
 *	  case, letters, digits and "-._~" decoded; controls, non-ASCII bytes,
 *	  space and "<>\^`{|} encoded, in a query ' too; a lone % becomes %25.
 *	- The host becomes lower case and loses one trailing dot.  It is not
 *	  translated by IDNA: bücher.example and xn--bcher-kva.example differ.
 *	  Nor are IP addresses rewritten.  The default port, an empty port,
 *	  leading zeros of a port and an empty user name go.
 *	- A file URL's host "localhost" goes, and a drive letter in its place
 *	  belongs to the path.
 *	- A URL whose host or port is unusable (no host, letters in the port,
 *	  a port over 65535, an unclosed bracket) is opaque text.
 *	- Dot segments of the path are resolved, then all slashes at its end go.
 *	- The query is split at &.  Empty parameters and known tracking parameters
 *	  (utm_source, gclid, ...) go, the others are sorted by name; those of
 *	  one name keep their order.
 *	- The fragment goes, unless it begins with ! or /, as the routes of
 *	  single-page applications do.
 *
 * http and https stay different, and so do names with and without "www.".
 */
extern UrlKeyStatus url_key(const char *url, size_t length,
							char *key, size_t *key_length);

/*
 * Find the host in a key: no user name, no port, brackets of an IPv6 address
 * included.  *host points into the key.  False, and nothing set, if the key
 * has none, as opaque keys and most file URLs have not.  Any bytes are safe,
 * but only for a key is the answer meaningful.
 */
extern bool url_key_host(const char *key, size_t length,
						 const char **host, size_t *host_length);

#endif							/* VECMARK_URL_KEY_H */
