/*
 * crdt_version_fuzz.c: any bytes as a version, and as the text of one: refused, or with
 * one form, and sets as the algebra has them.
 */
/* sources: src/crdt/version.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/crdt_arena.h"
#include "crdt/version.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool right)
{
	if (!right)
		abort();
}

/* What is decoded is encoded as the same bytes, and read from its own text. */
static void
check_forms(const Version *version, const uint8_t *bytes, size_t size)
{
	const char *error;
	char	   *text = version_print(version);
	Version    *parsed = version_parse(text, &error);

	if (bytes != NULL)
	{
		uint8_t    *again = crdt_alloc(size);

		expect(version_encoded_size(version) == size);
		expect(version_encode(version, again) == again + size && memcmp(again, bytes, size) == 0);
	}
	expect(parsed != NULL && error == NULL && version_compare(parsed, version) == VERSION_EQUAL);
	expect(strcmp(version_print(parsed), text) == 0);
}

static void
check_algebra(const Version *a, const Version *b)
{
	Version    *all = version_union(a, b);
	Version    *both = version_intersect(a, b);
	Version    *only_a = version_minus(a, b);
	Version    *only_b = version_minus(b, a);
	Version    *moved = version_xor(a, b);

	check_forms(all, NULL, 0);
	check_forms(only_a, NULL, 0);
	expect(version_dominates(all, a) && version_dominates(all, b));
	expect(version_dominates(a, both) && version_dominates(b, both));
	expect(version_intersect(only_a, b)->count == 0 && version_intersect(only_a, only_b)->count == 0);
	expect(version_compare(version_union(only_a, both), a) == VERSION_EQUAL);
	expect(version_compare(version_union(version_union(only_a, only_b), both), all) == VERSION_EQUAL);
	expect(version_compare(moved, version_union(only_a, only_b)) == VERSION_EQUAL);
	expect(version_compare(version_xor(a, moved), b) == VERSION_EQUAL);
	expect((only_b->count == 0) == version_dominates(a, b));
}

/* The first byte says how long the first of two versions is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error;
	size_t		first = size > 0 ? data[0] : 0;
	uint8_t    *bytes = malloc(size + 1);
	char	   *text = malloc(size + 1);
	Version    *a;
	Version    *b;

	if (bytes == NULL || text == NULL)
		abort();
	if (size > 0)
	{
		if (first > size - 1)
			first = size - 1;
		memcpy(bytes, data + 1, first);
		a = version_decode(bytes, first, &error);
		expect((a == NULL) == (error != NULL));
		if (a != NULL)
			check_forms(a, bytes, first);

		memcpy(bytes, data + 1 + first, size - 1 - first);
		b = version_decode(bytes, size - 1 - first, &error);
		expect((b == NULL) == (error != NULL));
		if (b != NULL)
			check_forms(b, bytes, size - 1 - first);
		if (a != NULL && b != NULL)
			check_algebra(a, b);

		memcpy(text, data, size);
	}
	text[size] = '\0';
	a = version_parse(text, &error);
	expect((a == NULL) == (error != NULL));
	if (a != NULL)
		check_forms(a, NULL, 0);

	arena_free();
	free(text);
	free(bytes);
	return 0;
}
