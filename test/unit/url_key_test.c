/* url_key_test.c: the rules of url_key.h, one line each, and what holds for every key. */
/* sources: src/bookmark/url_key.c */

/*
 * Every case is also checked for what holds of all: the key is printable
 * ASCII, at most three times as long as the URL, and its own key.  Buffers
 * have exactly the promised size, so that the address sanitizer sees a byte
 * too many.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bookmark/url_key.h"
#include "tap.h"

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Case
{
	const char *url;
	const char *key;
} Case;

static const Case cases[] = {
	/* ends, and bytes that are skipped */
	{" \t\x01 https://example.com/a \x1f\n", "https://example.com/a"},
	{"ht\ntps://exa\tmple.com/a\r\nb", "https://example.com/ab"},
	{"https://example.com/a\x0b" "b", "https://example.com/a%0Bb"},

	/* scheme */
	{"HTTPS://example.com", "https://example.com"},
	{"http://example.com", "http://example.com"},
	{"http:example.com/a", "http://example.com/a"},
	{"http:/example.com/a", "http://example.com/a"},
	{"http:////example.com/a", "http://example.com/a"},
	{"http:\\\\example.com\\a\\b?c\\d", "http://example.com/a/b?c%5Cd"},
	{"ftp://example.com/", "ftp://example.com"},
	{"WS://example.com/", "ws://example.com"},
	{"wss://example.com/", "wss://example.com"},

	/* host */
	{"https://Example.COM/A", "https://example.com/A"},
	{"https://www.example.com", "https://www.example.com"},
	{"https://example.com./", "https://example.com"},
	{"https://example.com../", "https://example.com.."},
	{"https://./", "https://."},
	{"https://example.com%2E/", "https://example.com"},
	{"https://ex%41mple.com/", "https://example.com"},
	{"https://ex%2fmple.com/", "https://ex%2Fmple.com"},
	{"https://B\xc3\xbc" "cher.example/", "https://b%C3%BCcher.example"},
	{"https://exa mple.com/", "https://exa%20mple.com"},
	{"https://[2001:DB8::1]/", "https://[2001:db8::1]"},
	{"https://[2001:DB8::1]:443/", "https://[2001:db8::1]"},
	{"https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x"},
	{"https://[fe80::1%25ETH0]/", "https://[fe80::1%25eth0]"},
	{"https://127.0.0.1/", "https://127.0.0.1"},
	{"https://localhost/", "https://localhost"},
	{"https://0x7F.1/", "https://0x7f.1"},

	/* user */
	{"https://User:Pass@Example.com/", "https://User:Pass@example.com"},
	{"https://us%65r:p%3a@example.com/", "https://user:p%3A@example.com"},
	{"https://a@b@example.com/", "https://a@b@example.com"},
	{"https://@example.com/", "https://example.com"},

	/* port */
	{"http://example.com:80/", "http://example.com"},
	{"http://example.com:443/", "http://example.com:443"},
	{"https://example.com:443/", "https://example.com"},
	{"ftp://example.com:21/", "ftp://example.com"},
	{"ws://example.com:80/", "ws://example.com"},
	{"wss://example.com:443/", "wss://example.com"},
	{"http://example.com:/", "http://example.com"},
	{"http://example.com:0080/", "http://example.com"},
	{"http://example.com:08080/", "http://example.com:8080"},
	{"http://example.com:000/", "http://example.com:0"},
	{"http://example.com:65535/", "http://example.com:65535"},

	/* an unusable authority makes opaque text */
	{"HTTP://Example.com:65536/", "http://Example.com:65536/"},
	{"HTTP://Example.com:99999999999999999999/", "http://Example.com:99999999999999999999/"},
	{"HTTP://Example.com:x/", "http://Example.com:x/"},
	{"HTTP://Example.com:80:80/", "http://Example.com:80:80/"},
	{"HTTP://[::1/", "http://[::1/"},
	{"HTTP://[::1]X/", "http://[::1]X/"},
	{"HTTP:", "http:"},
	{"HTTP://", "http://"},
	{"HTTP:///?A=%41", "http:///?A=%41"},
	{"http://:80/", "http://:80/"},
	{"http://user@/x/", "http://user@/x/"},

	/* percent-encoding */
	{"https://a.b/%7e%2d%5f%2E%41%7a%30", "https://a.b/~-_.Az0"},
	{"https://a.b/%c3%a9%2f%3f", "https://a.b/%C3%A9%2F%3F"},
	{"https://a.b/\xc3\xa9 \x7f\xff", "https://a.b/%C3%A9%20%7F%FF"},
	{"https://a.b/\"<>^`{|}", "https://a.b/%22%3C%3E%5E%60%7B%7C%7D"},
	{"https://a.b/!$&'()*+,;=:@[]", "https://a.b/!$&'()*+,;=:@[]"},
	{"https://a.b/%", "https://a.b/%25"},
	{"https://a.b/%4", "https://a.b/%254"},
	{"https://a.b/%zz%4g", "https://a.b/%25zz%254g"},
	{"https://a.b/%2541", "https://a.b/%2541"},
	{"https://a.b/%%34%31", "https://a.b/%2541"},
	{"https://a.b/%2%35", "https://a.b/%2525"},

	/* path */
	{"https://Example.com/", "https://example.com"},
	{"https://example.com/a/", "https://example.com/a"},
	{"https://example.com/a///", "https://example.com/a"},
	{"https://example.com///", "https://example.com"},
	{"https://example.com//a//b", "https://example.com//a//b"},
	{"https://example.com/a/./b/../c", "https://example.com/a/c"},
	{"https://example.com/a/%2e/b/%2E%2e/c", "https://example.com/a/c"},
	{"https://example.com/../../a", "https://example.com/a"},
	{"https://example.com/a/..", "https://example.com"},
	{"https://example.com/a/.", "https://example.com/a"},
	{"https://example.com/a//../b", "https://example.com/a/b"},
	{"https://example.com/.../..a/.b", "https://example.com/.../..a/.b"},
	{"https://example.com\\a\\..\\b", "https://example.com/b"},
	{"https://example.com/a;p=1/b", "https://example.com/a;p=1/b"},

	/* query */
	{"https://a.b/?", "https://a.b"},
	{"https://a.b?x=1", "https://a.b?x=1"},
	{"https://a.b/?x=1", "https://a.b?x=1"},
	{"https://a.b/c/?x=1", "https://a.b/c?x=1"},
	{"https://a.b/?b=2&a=1", "https://a.b?a=1&b=2"},
	{"https://a.b/?b=2&a=2&b=1&a=1", "https://a.b?a=2&a=1&b=2&b=1"},
	{"https://a.b/?b&a=1&a&=x&", "https://a.b?=x&a=1&a&b"},
	{"https://a.b/?a=1&aa=1&a-=1&a", "https://a.b?a=1&a&a-=1&aa=1"},
	{"https://a.b/?B=1&a=1", "https://a.b?B=1&a=1"},
	{"https://a.b/?&&&", "https://a.b"},
	{"https://a.b/?%61=%7e%26&q=it's x", "https://a.b?a=~%26&q=it%27s%20x"},
	{"https://a.b/?a=b=c?d/e/../f", "https://a.b?a=b=c?d/e/../f"},
	{"https://a.b/?a=1+2&b=1%202", "https://a.b?a=1+2&b=1%202"},

	/* tracking */
	{"https://a.b/?utm_source=x&utm_medium=y", "https://a.b"},
	{"https://a.b/c?id=7&fbclid=z&gclid", "https://a.b/c?id=7"},
	{"https://a.b/?UTM_Source=x&FbClid=y&id=1", "https://a.b?id=1"},
	{"https://a.b/?ut%6d_source=x&%75tm_%73=y", "https://a.b"},
	{"https://a.b/?utm=x&utmx=y&xutm_a=z", "https://a.b?utm=x&utmx=y&xutm_a=z"},
	{"https://a.b/?pk_id=1&ref=x&source=y", "https://a.b?pk_id=1&ref=x&source=y"},
	{"https://a.b/?gclid2=1&gcli=2&_g=3", "https://a.b?_g=3&gcli=2&gclid2=1"},
	{"https://a.b/?q=utm_source", "https://a.b?q=utm_source"},
	{"https://a.b/?utm_a=1&utm_b=2#!x", "https://a.b#!x"},

	/* fragment */
	{"https://a.b/c#top", "https://a.b/c"},
	{"https://a.b/c#", "https://a.b/c"},
	{"https://a.b/c#:~:text=x", "https://a.b/c"},
	{"https://a.b/#/Route/../x/", "https://a.b#/Route/../x/"},
	{"https://a.b/#!Route%7e \xc3\xa9#", "https://a.b#!Route~%20%C3%A9#"},
	{"https://a.b/#!/x?utm_source=y", "https://a.b#!/x?utm_source=y"},
	{"https://a.b/c#x?y", "https://a.b/c"},
	{"https://a.b/c?d#e?f", "https://a.b/c?d"},
	{"https://a.b/#%2Fx", "https://a.b"},

	/* file */
	{"file:///etc/passwd", "file:///etc/passwd"},
	{"file:/etc//x/../passwd/", "file:///etc//passwd"},
	{"file:etc", "file:///etc"},
	{"file:", "file://"},
	{"FILE://LocalHost/etc", "file:///etc"},
	{"file://Server/Share/", "file://server/Share"},
	{"file:\\\\Server\\Share", "file://server/Share"},
	{"file:////server/share", "file:////server/share"},
	{"file:///C:/Docs/a b.txt", "file:///C:/Docs/a%20b.txt"},
	{"file://C:/Docs", "file:///C:/Docs"},
	{"file://server:80/x", "file://server:80/x"},
	{"file://:80/x/", "file://:80/x/"},
	{"file:///a/b?c#d", "file:///a/b?c"},

	/* opaque */
	{"mailto:A@B.com", "mailto:A@B.com"},
	{"MAILTO:A@B.com", "mailto:A@B.com"},
	{"JavaScript:alert('a b %41%zz')", "javascript:alert('a%20b%20%41%zz')"},
	{"data:text/plain,\xe2\x82\xac#x/", "data:text/plain,%E2%82%AC#x/"},
	{"about:blank", "about:blank"},
	{"About:Reader?url=https%3a%2f%2fa", "about:Reader?url=https%3a%2f%2fa"},
	{"chrome://Settings/", "chrome://Settings/"},
	{"place:sort=8&maxResults=10", "place:sort=8&maxResults=10"},
	{"URN:ISBN:0451450523", "urn:ISBN:0451450523"},
	{"tel:+1-201-555-0123", "tel:+1-201-555-0123"},
	{"TEL:2015550123", "tel:2015550123"},
	{"view-source:https://A.b/", "view-source:https://A.b/"},
	{"a.b-c+D:x", "a.b-c+d:x"},

	/* no scheme */
	{"Example.com/a/../b/", "Example.com/a/../b/"},
	{"Example.com:8080/x", "Example.com:8080/x"},
	{"Example.com:8080", "Example.com:8080"},
	{"Localhost:65535?x", "Localhost:65535?x"},
	{"Example.com:123456/x", "example.com:123456/x"},
	{"Example.com:80x/", "example.com:80x/"},
	{"HTTP:80/x", "http://80/x"},
	{"//Example.com/", "//Example.com/"},
	{":x", ":x"},
	{"1http://a", "1http://a"},
	{"two words", "two%20words"},
	{"\xff\x01x", "%FF%01x"},
};

/* Every tracking parameter, so that a name out of order shows. */
static const char *const tracking[] = {
	"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
	"utm_", "hsa_acc", "mtm_campaign", "matomo_kwd", "piwik_campaign",
	"pk_campaign", "pk_cid", "pk_content", "pk_keyword", "pk_kwd",
	"pk_medium", "pk_source", "gclid", "gclsrc", "dclid", "gbraid", "wbraid",
	"gad_source", "gad_campaignid", "fbclid", "fb_action_ids",
	"fb_action_types", "fb_source", "fb_ref", "msclkid", "mc_cid", "mc_eid",
	"igshid", "igsh", "twclid", "ttclid", "yclid", "ysclid", "_openstat",
	"_ga", "_gl", "_gac", "_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp",
	"hsCtaTracking", "mkt_tok", "vero_id", "vero_conv", "oly_anon_id",
	"oly_enc_id", "wickedid", "rb_clickid", "s_cid", "ml_subscriber",
	"ml_subscriber_hash", "srsltid", "li_fat_id", "epik",
	"_branch_match_id", "_branch_referrer", "xtor", "wt_mc", "wt_zmc",
	"trk_contact", "trk_msg", "trk_module", "trk_sid", "__s", "guccounter",
	"guce_referrer", "guce_referrer_sig", "mibextid", "rdt_cid", "irclickid",
};

/*
 * The key of a URL, in memory of exactly the promised size, full of digits
 * lest one read there by mistake go unnoticed.
 */
static UrlKeyStatus
key_of(const char *url, size_t length, char **key, size_t *key_length)
{
	char	   *copy = malloc(length > 0 ? length : 1);
	size_t		bound = url_key_bound(length);
	UrlKeyStatus status;

	*key = malloc(bound > 0 ? bound : 1);
	if (copy == NULL || *key == NULL)
		abort();
	memcpy(copy, url, length);
	memset(*key, '4', bound);
	status = url_key(copy, length, *key, key_length);
	free(copy);
	return status;
}

static bool
equals(const char *text, size_t length, const char *expected)
{
	return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

/* What holds for every key, reported if it does not. */
static bool
is_sound(const char *key, size_t key_length, size_t url_length)
{
	char	   *again;
	size_t		again_length;
	bool		sound = key_length > 0 && key_length <= 3 * url_length;

	for (size_t i = 0; i < key_length; i++)
	{
		if (key[i] < 0x21 || key[i] > 0x7e)
			sound = false;
	}
	if (!sound)
		printf("# not printable or too long: %.*s\n", (int) key_length, key);
	if (key_of(key, key_length, &again, &again_length) != URL_KEY_OK ||
		again_length != key_length || memcmp(again, key, key_length) != 0)
	{
		printf("# not its own key: %.*s -> %.*s\n", (int) key_length, key,
			   (int) again_length, again);
		sound = false;
	}
	free(again);
	return sound;
}

static bool
gives(const char *url, size_t length, const char *expected)
{
	char	   *key;
	size_t		key_length;
	bool		passed = false;

	if (key_of(url, length, &key, &key_length) == URL_KEY_OK)
	{
		passed = equals(key, key_length, expected);
		if (!passed)
			printf("# expected %s\n#      got %.*s\n", expected,
				   (int) key_length, key);
		if (!is_sound(key, key_length, length))
			passed = false;
	}
	free(key);
	return passed;
}

static void
test_cases(void)
{
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
		ok(gives(cases[i].url, strlen(cases[i].url), cases[i].key),
		   cases[i].key);
	ok(gives("mailto:a\0b", 10, "mailto:a%00b"), "a zero byte is encoded");
}

static void
test_tracking(void)
{
	for (size_t i = 0; i < LENGTH_OF(tracking); i++)
	{
		char		url[200];
		char		near[200];

		snprintf(url, sizeof(url), "https://a.b/?z=1&%s=x&%s&y=2",
				 tracking[i], tracking[i]);
		snprintf(near, sizeof(near), "https://a.b?x%s", tracking[i]);
		ok(gives(url, strlen(url), "https://a.b?y=2&z=1") &&
		   gives(near, strlen(near), near), tracking[i]);
	}
}

static UrlKeyStatus
status_of(const char *url, size_t length)
{
	char	   *key;
	size_t		key_length = 1;
	UrlKeyStatus status = key_of(url, length, &key, &key_length);

	if (status != URL_KEY_OK && key_length != 0)
		abort();
	free(key);
	return status;
}

static void
test_limits(void)
{
	char	   *url = malloc(URL_MAX_LENGTH + 1);

	if (url == NULL)
		abort();
	ok(status_of("", 0) == URL_KEY_EMPTY, "nothing is empty");
	ok(status_of(" \t\r\n\0\x1f ", 7) == URL_KEY_EMPTY, "spaces are empty");
	ok(url_key_bound(URL_MAX_LENGTH + 1) == 0 &&
	   url_key_bound(SIZE_MAX) == 0, "a URL too long needs no buffer");

	memset(url, 'a', URL_MAX_LENGTH + 1);
	ok(status_of(url, URL_MAX_LENGTH) == URL_KEY_OK, "the longest URL");
	ok(status_of(url, URL_MAX_LENGTH + 1) == URL_KEY_TOO_LONG,
	   "one byte too many");

	/* a key that could not be its own key is no key */
	memset(url, 0xff, URL_MAX_LENGTH);
	ok(status_of(url, URL_MAX_LENGTH / 3) == URL_KEY_OK, "the longest key");
	ok(status_of(url, URL_MAX_LENGTH / 3 + 1) == URL_KEY_TOO_LONG,
	   "a key too long");
	memcpy(url, "ws:a?", 5);
	ok(status_of(url, URL_MAX_LENGTH) == URL_KEY_TOO_LONG,
	   "a query that grows to the bound");

	free(url);
}

/*
 * As many parameters as fit, in two orders, against a sort by counting: the
 * values number the parameters, so they must rise among equal names.
 */
static void
test_many_parameters(void)
{
	const char *start = "http://a?";
	char	   *url = malloc(URL_MAX_LENGTH);
	char	   *expected = malloc(URL_MAX_LENGTH + 1);
	size_t		length = strlen(start);
	size_t		expected_length;
	uint32_t	random = 1;
	int			count = 0;

	if (url == NULL || expected == NULL)
		abort();

	memcpy(url, start, length);
	while (length + 16 < URL_MAX_LENGTH)
	{
		random = random * 1664525 + 1013904223;
		length += sprintf(url + length, "%c=%d&", 'a' + (random >> 24) % 26,
						  count++);
	}
	expected_length = strlen("http://a");
	memcpy(expected, url, expected_length);
	for (char name = 'a'; name <= 'z'; name++)
	{
		const char *end = url + length;

		for (const char *p = url + strlen(start); p < end;)
		{
			const char *pair_end = memchr(p, '&', end - p);

			if (*p == name)
			{
				expected[expected_length] =
					expected_length == strlen("http://a") ? '?' : '&';
				expected_length++;
				memcpy(expected + expected_length, p, pair_end - p);
				expected_length += pair_end - p;
			}
			p = pair_end + 1;
		}
	}
	expected[expected_length] = '\0';
	ok(gives(url, length, expected), "thousands of parameters sort stably");

	/* parameters of one byte each, in falling order: the most there can be */
	for (size_t i = strlen(start); i < URL_MAX_LENGTH; i++)
		url[i] = i % 2 == 0 ? '&' : (char) ('z' - i * 26 / URL_MAX_LENGTH);
	memcpy(expected, url, URL_MAX_LENGTH);
	for (size_t i = 0; i < (URL_MAX_LENGTH - strlen(start) + 1) / 2; i++)
		expected[strlen(start) + 2 * i] = url[URL_MAX_LENGTH - 1 - 2 * i];
	expected[URL_MAX_LENGTH] = '\0';
	ok(gives(url, URL_MAX_LENGTH, expected), "the most parameters there can be");

	free(url);
	free(expected);
}

static const Case hosts[] = {
	{"https://example.com", "example.com"},
	{"https://example.com/a@b:c", "example.com"},
	{"https://example.com?a@b", "example.com"},
	{"https://example.com#!a@b", "example.com"},
	{"https://example.com:8080/a", "example.com"},
	{"https://user:pass@example.com:8080", "example.com"},
	{"https://a@b@example.com", "example.com"},
	{"https://[2001:db8::1]:8080/a", "[2001:db8::1]"},
	{"file://server/share", "server"},
	{"file:///etc", NULL},
	{"mailto:a@b.com", NULL},
	{"chrome://settings", NULL},
	{"http://a:b/", NULL},
	{"http:///a", NULL},
	{"http:/a", NULL},
	{"http:/ab/c", NULL},
	{"http:", NULL},
	{"example.com/a", NULL},
	{"", NULL},
};

static void
test_hosts(void)
{
	for (size_t i = 0; i < LENGTH_OF(hosts); i++)
	{
		size_t		length = strlen(hosts[i].url);
		char	   *key = malloc(length > 0 ? length : 1);
		const char *host = NULL;
		size_t		host_length = 0;
		bool		found;
		char		name[100];

		if (key == NULL)
			abort();
		memcpy(key, hosts[i].url, length);
		found = url_key_host(key, length, &host, &host_length);
		snprintf(name, sizeof(name), "host of \"%s\"", hosts[i].url);
		ok(hosts[i].key == NULL ? !found && host == NULL :
		   found && equals(host, host_length, hosts[i].key), name);
		free(key);
	}
}

int
main(void)
{
	test_cases();
	test_tracking();
	test_limits();
	test_many_parameters();
	test_hosts();
	return done_testing();
}
