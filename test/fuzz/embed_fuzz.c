/* embed_fuzz.c: any bytes as text to embed, with little memory too. */
/* sources: src/bookmark/embed.c */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bookmark/embed.h"

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

/* Embed, expecting what was embedded before. */
static void
expect(EmbedScratch *scratch, const char *text, size_t length,
	   const float *expected, int dimensions)
{
	float	   *out = malloc(dimensions * sizeof(float));

	if (out == NULL || !embed_text(scratch, text, length, out, dimensions) ||
		memcmp(out, expected, dimensions * sizeof(float)) != 0)
		abort();
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			dimensions = size > 0 ? 1 + data[0] * 3 : 1;
	size_t		length = size > 0 ? size - 1 : 0;
	char	   *text = malloc(length > 0 ? length : 1);
	char	   *padded = malloc(length + 2);
	float	   *out = malloc(dimensions * sizeof(float));
	EmbedScratch scratch;
	EmbedScratch fresh;
	double		square = 0;
	bool		succeeded;

	if (text == NULL || padded == NULL || out == NULL)
		abort();
	if (length > 0)
		memcpy(text, data + 1, length);

	/* an allocation that fails is reported, and harms nothing */
	embed_begin(&scratch, reallocate, NULL);
	allocations_left = dimensions % 7;
	succeeded = embed_text(&scratch, text, length, out, dimensions);
	if (succeeded == (allocations_left == -1))
		abort();

	allocations_left = -2;
	if (!embed_text(&scratch, text, length, out, dimensions))
		abort();
	for (int i = 0; i < dimensions; i++)
		square += (double) out[i] * out[i];
	if (square != 0 && fabs(square - 1) > 1e-5)
		abort();

	embed_begin(&fresh, reallocate, NULL);
	expect(&fresh, text, length, out, dimensions);
	embed_end(&fresh);

	/* spaces around it and ASCII case change nothing */
	padded[0] = ' ';
	padded[length + 1] = ' ';
	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (c >= 'a' && c <= 'z')
			c += 'A' - 'a';
		else if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		padded[i + 1] = c;
	}
	expect(&scratch, padded, length + 2, out, dimensions);

	embed_end(&scratch);
	free(text);
	free(padded);
	free(out);
	return 0;
}
