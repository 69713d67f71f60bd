/* netscape_fuzz.c: any bytes as a bookmark file, whole, cut short and with little memory. */
/* sources: src/bookmark/netscape.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bookmark/netscape.h"

#define MAX_ENTRIES 4096

/* Allocations until one fails; negative is never. */
static int	allocations_left;

static void *
reallocate(void *context, void *pointer, size_t size)
{
	(void) context;
	if (size == 0)
	{
		free(pointer);
		return NULL;
	}
	if (allocations_left >= 0 && allocations_left-- == 0)
		return NULL;
	return realloc(pointer, size);
}

static uint64_t
mix(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *p = data;

	hash = (hash ^ length) * 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ p[i]) * 0x100000001b3;
	return hash;
}

static int
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void
check_text(const NetscapeText *text, int collapsed)
{
	if (text->data == NULL)
		abort();
	if (text->length > 0 &&
		(is_space(text->data[0]) || is_space(text->data[text->length - 1])))
		abort();
	for (size_t i = 1; collapsed && i < text->length; i++)
	{
		if (is_space(text->data[i]) &&
			(text->data[i] != ' ' || is_space(text->data[i - 1])))
			abort();
	}
}

static uint64_t
check_entry(const NetscapeEntry *entry)
{
	const NetscapeText *texts[] = {
		&entry->url, &entry->tags, &entry->title, &entry->description
	};
	const int64_t dates[] = {
		entry->add_date, entry->last_modified, entry->last_visit
	};
	uint64_t	hash = entry->line;

	if (entry->url.length == 0 ||
		entry->folder_count > NETSCAPE_MAX_DEPTH + 1 ||
		(entry->path_too_long && entry->folder_count > 0))
		abort();
	for (int i = 0; i < 4; i++)
	{
		check_text(texts[i], texts[i] == &entry->title);
		hash = mix(hash, texts[i]->data, texts[i]->length);
	}
	for (size_t i = 0; i < entry->folder_count; i++)
	{
		if (entry->folders[i].length == 0 ||
			entry->folders[i].length > NETSCAPE_MAX_PATH)
			abort();
		check_text(&entry->folders[i], 1);
		hash = mix(hash, entry->folders[i].data, entry->folders[i].length);
	}
	for (int i = 0; i < 3; i++)
	{
		if (dates[i] != NETSCAPE_NO_DATE &&
			(dates[i] < 0 || dates[i] >= INT64_C(100000000000)))
			abort();
	}
	hash = mix(hash, dates, sizeof(dates));
	return hash * 4 + entry->is_private * 2 + entry->to_read;
}

/* Parse, and leave a hash of each of the first entries; their number. */
static size_t
parse(const char *html, size_t length, uint64_t *hashes)
{
	NetscapeParser parser;
	NetscapeEntry entry;
	NetscapeStatus status;
	size_t		count = 0;
	size_t		line = 1;

	netscape_begin(&parser, html, length, reallocate, NULL);
	while ((status = netscape_next(&parser, &entry)) == NETSCAPE_ENTRY)
	{
		uint64_t	hash = check_entry(&entry);

		if (entry.line < line)
			abort();
		line = entry.line;
		if (count < MAX_ENTRIES)
			hashes[count] = hash;
		count++;
	}
	if (entry.line < line || netscape_next(&parser, &entry) != status)
		abort();
	if (count > length / 8 || (status == NETSCAPE_NO_MEMORY) != (allocations_left == -1))
		abort();
	netscape_end(&parser);
	return count < MAX_ENTRIES ? count : MAX_ENTRIES;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t whole[MAX_ENTRIES];
	static uint64_t part[MAX_ENTRIES];
	size_t		cut = size > 0 ? data[size - 1] * size / 256 : 0;
	char	   *html = malloc(size + 1);
	char	   *start = malloc(cut + 1);
	size_t		whole_count;
	size_t		part_count;

	if (html == NULL || start == NULL)
		abort();
	html = realloc(html, size > 0 ? size : 1);
	start = realloc(start, cut > 0 ? cut : 1);
	memcpy(html, data, size);
	memcpy(start, data, cut);

	allocations_left = -2;
	whole_count = parse(html, size, whole);
	part_count = parse(start, cut, part);

	/* all but the last entry of a part are those of the whole */
	if (part_count > whole_count + 1)
		abort();
	for (size_t i = 0; i + 1 < part_count; i++)
	{
		if (part[i] != whole[i])
			abort();
	}

	if (netscape_recognise(start, cut) && !netscape_recognise(html, size))
		abort();

	if (size > 0)
	{
		allocations_left = data[0] % 8;
		parse(html, size, whole);
	}
	free(html);
	free(start);
	return 0;
}
