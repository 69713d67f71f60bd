/* crdt_delta_fuzz.c: any bytes as the body of a delta: refused, or what gives these bytes again. */
/* sources: src/crdt/delta_decode.c src/crdt/delta_encode.c src/crdt/version.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/crdt_arena.h"
#include "crdt/delta.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pointer into the body, with so many bytes there. */
static void
check_inside(Image image, const uint8_t *bytes, size_t size)
{
	size_t		offset = (size_t) ((const uint8_t *) image.data - bytes);

	if (offset > size || image.size > size - offset)
		abort();
}

/* All that is decoded is there; values lie in the body. */
static void
check_delta(const Delta *delta, const uint8_t *bytes, size_t size)
{
	if (delta->sender == 0 || delta->stream)
		abort();
	for (int i = 0; i < delta->relation_count; i++)
	{
		const DeltaRelation *relation = &delta->relations[i];

		if (relation->key_count < 1 || relation->key_count > DELTA_MAX_KEY || relation->row_count == 0 || strlen(relation->name) - 1 >= DELTA_MAX_NAME)
			abort();
		for (int j = 0; j < relation->row_count; j++)
		{
			const RowState *state = relation->rows[j].state;

			check_inside(relation->rows[j].key, bytes, size);
			if (state->life == 0)
				abort();
			for (int k = 0; k < state->register_count; k++)
			{
				const Register *reg = &state->registers[k];

				if (relation->columns[reg->column].kind != COLUMN_REGISTER || reg->form >= FORM_COUNT ||
					reg->form != relation->columns[reg->column].form || reg->stamp.site == 0)
					abort();
				if (reg->value.data != NULL)
					check_inside(reg->value, bytes, size);
			}
			for (int k = 0; k < state->counter_count; k++)
			{
				const Counter *counter = &state->counters[k];

				if (relation->columns[counter->column].kind != COLUMN_COUNTER || counter->count < 1 ||
					counter->shares[0].stamp.site == 0)
					abort();
			}
			for (int k = 0; k < state->set_count; k++)
			{
				const ElementSet *set = &state->sets[k];

				if (relation->columns[set->column].kind != COLUMN_SET || set->form != relation->columns[set->column].form || set->context_count < 1)
					abort();
				for (int l = 0; l < set->count; l++)
				{
					check_inside(set->elements[l].value, bytes, size);
					if (set->elements[l].count < 1)
						abort();
				}
			}
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* of exactly the size that it has, for what lies beside to be seen */
	uint8_t    *bytes = malloc(size + (size == 0));
	const char *error = NULL;
	Delta	   *delta;

	if (bytes == NULL)
		abort();
	memcpy(bytes, data, size);
	arena_allocated = 0;
	delta = delta_decode_body(bytes, size, &error);
	if (arena_allocated > DELTA_EXPANSION * size + DELTA_ROOM || (delta == NULL) != (error != NULL))
		abort();
	if (delta != NULL)
	{
		size_t		again_size;
		uint8_t    *again;

		check_delta(delta, bytes, size);
		again = delta_encode_body(delta, &again_size);
		if (again == NULL || again_size != size || memcmp(again, bytes, size) != 0)
			abort();
	}
	arena_free();
	free(bytes);
	return 0;
}
