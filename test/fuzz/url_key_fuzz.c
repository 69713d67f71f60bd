/* url_key_fuzz.c: any bytes as a URL; the key must be ASCII, bounded and its own key. */
/* sources: src/bookmark/url_key.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bookmark/url_key.h"

/* The key of a URL in memory of exactly the promised size. */
static UrlKeyStatus
key_of(const char *url, size_t length, char **key, size_t *key_length)
{
	UrlKeyStatus status;

	*key = malloc(url_key_bound(length));
	if (*key == NULL)
		abort();
	status = url_key(url, length, *key, key_length);
	if (status != URL_KEY_OK && *key_length != 0)
		abort();
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *url = malloc(size + 3);
	char	   *key;
	char	   *again;
	size_t		key_length;
	size_t		again_length;
	UrlKeyStatus status;
	const char *host;
	size_t		host_length;

	if (url == NULL)
		abort();
	memcpy(url, data, size);
	status = key_of(url, size, &key, &key_length);

	if (status == URL_KEY_OK)
	{
		if (key_length == 0 || key_length > 3 * size ||
			key_length > URL_MAX_LENGTH)
			abort();
		for (size_t i = 0; i < key_length; i++)
		{
			if (key[i] < 0x21 || key[i] > 0x7e)
				abort();
		}

		if (key_of(key, key_length, &again, &again_length) != URL_KEY_OK ||
			again_length != key_length ||
			memcmp(again, key, key_length) != 0)
			abort();
		free(again);

		if (url_key_host(key, key_length, &host, &host_length) &&
			(host_length == 0 || host < key ||
			 host + host_length > key + key_length))
			abort();
	}

	/* spaces around it change nothing */
	if (size + 3 <= URL_MAX_LENGTH)
	{
		memmove(url + 1, url, size);
		url[0] = ' ';
		url[size + 1] = '\n';
		url[size + 2] = '\0';
		if (key_of(url, size + 3, &again, &again_length) != status ||
			again_length != key_length ||
			(key_length > 0 && memcmp(again, key, key_length) != 0))
			abort();
		free(again);
	}

	url_key_host(url, size, &host, &host_length);
	free(key);
	free(url);
	return 0;
}
