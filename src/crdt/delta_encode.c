/*
 * delta_encode.c: the bytes of a delta, written; delta.h has their layout.
 *
 * The rows are walked twice.  The first walk adds up the size of all but the numbers of
 * stamps, and collects the stamps; then they are sorted, which gives them their numbers;
 * the second walk writes.  Walks meet stamps in the same order, so the second one takes
 * them from a list and looks for nothing.  A sort and not a hash table finds equal stamps,
 * since what stamps there are is up to others, who could make them collide.
 */
#include "crdt/delta.h"

#include <stdlib.h>
#include <string.h>

#include "crdt/crdt_alloc.h"
#include "crdt/varint.h"

/* How many stamps are remembered to be known again at once; a power of two. */
#define RECENT 1024

/* A stamp as it was met; one that was forgotten in between is here again. */
typedef struct SeenStamp
{
	Stamp		stamp;
	uint32_t	order;			/* its place before sorting */
} SeenStamp;

typedef struct Encoder
{
	size_t		size;			/* bytes, without numbers of stamps */
	size_t		seen_count;
	size_t		seen_room;
	SeenStamp  *seen;
	size_t		reference_count;
	size_t		reference_room;
	uint32_t   *references;		/* places in "seen", in the order of a walk */
	uint32_t   *numbers;		/* of stamps, by place in "seen" */
	size_t		next;			/* reference that the second walk takes */
	size_t		stamp_count;
	Stamp	   *stamps;
	size_t		site_count;
	Site	   *sites;
	const Version *base;
	const Version *moved;		/* by what the two versions differ */
	uint32_t	recent[RECENT]; /* places in "seen" + 1, by hash */
} Encoder;

static void *
grow(void *array, size_t count, size_t *room, size_t each)
{
	void	   *larger;

	*room = *room == 0 ? 64 : *room * 2;
	larger = crdt_alloc(*room * each);
	if (count > 0)
		memcpy(larger, array, count * each);
	return larger;
}

static void
meet_stamp(Encoder *encoder, const Stamp *stamp)
{
	uint64_t	hash = (stamp->time + stamp->txn * UINT64_C(0x9e3779b97f4a7c15)) ^ stamp->site;
	uint32_t   *recent = &encoder->recent[(hash * UINT64_C(0xff51afd7ed558ccd)) >> 32 & (RECENT - 1)];

	if (*recent == 0 || !stamp_equal(&encoder->seen[*recent - 1].stamp, stamp))
	{
		if (encoder->seen_count == encoder->seen_room)
			encoder->seen = grow(encoder->seen, encoder->seen_count, &encoder->seen_room, sizeof(SeenStamp));
		encoder->seen[encoder->seen_count].stamp = *stamp;
		encoder->seen[encoder->seen_count].order = (uint32_t) encoder->seen_count;
		*recent = (uint32_t) ++encoder->seen_count;
	}
	if (encoder->reference_count == encoder->reference_room)
		encoder->references = grow(encoder->references, encoder->reference_count, &encoder->reference_room, sizeof(uint32_t));
	encoder->references[encoder->reference_count++] = *recent - 1;
}

/* The first walk through a row. */
static void
meet_row(Encoder *encoder, const DeltaRow *row)
{
	const RowState *state = row->state;
	size_t		size = 0;

	size += varint_size(row->key.size) + row->key.size;
	size += varint_size(state->life);
	if (state->base.site != 0)
		meet_stamp(encoder, &state->base);
	else
		size += 1;
	size += varint_size((uint64_t) state->register_count);
	for (int i = 0; i < state->register_count; i++)
	{
		const Register *reg = &state->registers[i];

		size += varint_size(reg->column);
		meet_stamp(encoder, &reg->stamp);
		size += reg->value.data == NULL ? 1 : varint_size(reg->value.size + 1) + reg->value.size;
	}
	size += varint_size((uint64_t) state->counter_count);
	for (int i = 0; i < state->counter_count; i++)
	{
		const Counter *counter = &state->counters[i];

		size += varint_size(counter->column) + varint_size((uint64_t) counter->count);
		for (int j = 0; j < counter->count; j++)
		{
			meet_stamp(encoder, &counter->shares[j].stamp);
			size += varint_size(zigzag(counter->shares[j].total));
		}
	}
	size += varint_size((uint64_t) state->set_count);
	for (int i = 0; i < state->set_count; i++)
	{
		const ElementSet *set = &state->sets[i];

		size += varint_size(set->column) + varint_size((uint64_t) set->context_count);
		for (int j = 0; j < set->context_count; j++)
			meet_stamp(encoder, &set->context[j]);
		size += varint_size((uint64_t) set->count);
		for (int j = 0; j < set->count; j++)
		{
			const Element *element = &set->elements[j];

			size += varint_size(element->value.size) + element->value.size;
			size += varint_size((uint64_t) element->count);
			for (int k = 0; k < element->count; k++)
				meet_stamp(encoder, &element->dots[k]);
		}
	}
	encoder->size += size;
}

static void
meet_relation(Encoder *encoder, const DeltaRelation *relation)
{
	size_t		name_size = strlen(relation->name);

	encoder->size += varint_size(name_size) + name_size + varint_size((uint64_t) relation->key_count) + (size_t) relation->key_count;
	encoder->size += varint_size((uint64_t) relation->column_count);
	for (int i = 0; i < relation->column_count; i++)
	{
		name_size = strlen(relation->columns[i].name);
		encoder->size += 1 + varint_size(name_size) + name_size;
	}
	encoder->size += varint_size((uint64_t) relation->row_count);
	for (int i = 0; i < relation->row_count; i++)
		meet_row(encoder, &relation->rows[i]);
}

static int
compare_seen(const void *a, const void *b)
{
	return stamp_compare(&((const SeenStamp *) a)->stamp, &((const SeenStamp *) b)->stamp);
}

/* Give the stamps their numbers. */
static void
number_stamps(Encoder *encoder)
{
	SeenStamp  *seen = encoder->seen;
	size_t		count = encoder->seen_count;
	bool		sorted = true;

	if (count == 0)
		return;
	for (size_t i = 1; i < count && sorted; i++)
		sorted = stamp_compare(&seen[i - 1].stamp, &seen[i].stamp) <= 0;
	if (!sorted)
		qsort(seen, count, sizeof(SeenStamp), compare_seen);
	encoder->numbers = crdt_alloc(count * sizeof(uint32_t));
	encoder->stamps = crdt_alloc(count * sizeof(Stamp));
	for (size_t i = 0; i < count; i++)
	{
		if (i == 0 || !stamp_equal(&seen[i - 1].stamp, &seen[i].stamp))
			encoder->stamps[encoder->stamp_count++] = seen[i].stamp;
		encoder->numbers[seen[i].order] = (uint32_t) (encoder->stamp_count - 1);
	}
}

static int
compare_sites(const void *a, const void *b)
{
	Site		x = *(const Site *) a;
	Site		y = *(const Site *) b;

	return x < y ? -1 : x > y;
}

/* Add a site, unless it is one of those just added. */
static inline size_t
add_site(Site *sites, size_t count, Site *recent, Site site)
{
	Site	   *same = &recent[site * UINT64_C(0x9e3779b97f4a7c15) >> 60];

	if (*same == site)
		return count;
	*same = site;
	sites[count] = site;
	return count + 1;
}

/* Give the sites their numbers. */
static void
number_sites(Encoder *encoder, const Delta *delta)
{
	const Version *versions[] = {encoder->base, encoder->moved};
	Site		recent[16] = {0};
	size_t		count = 1;
	size_t		room = 1 + encoder->stamp_count;
	Site	   *sites;

	for (int i = 0; i < 2; i++)
		room += (size_t) versions[i]->count;
	sites = crdt_alloc(room * sizeof(Site));
	sites[0] = delta->sender;
	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; j < versions[i]->count; j++)
			count = add_site(sites, count, recent, versions[i]->sites[j].site);
	}
	for (size_t i = 0; i < encoder->stamp_count; i++)
		count = add_site(sites, count, recent, encoder->stamps[i].site);
	qsort(sites, count, sizeof(Site), compare_sites);
	encoder->sites = sites;
	for (size_t i = 0; i < count; i++)
	{
		if (i == 0 || sites[i] != sites[encoder->site_count - 1])
			sites[encoder->site_count++] = sites[i];
	}
}

static uint64_t
site_number(const Encoder *encoder, Site site)
{
	size_t		low = 0;
	size_t		high = encoder->site_count - 1;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (encoder->sites[middle] < site)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t
version_body_size(const Encoder *encoder, const Version *version)
{
	size_t		size = varint_size((uint64_t) version->count);

	for (int i = 0; i < version->count; i++)
	{
		const SiteTxns *txns = &version->sites[i];
		uint64_t	last = 0;

		size += varint_size(site_number(encoder, txns->site)) + varint_size((uint64_t) txns->count);
		for (int j = 0; j < txns->count; j++)
		{
			size += varint_size(txns->ranges[j].from - last);
			size += varint_size(txns->ranges[j].to - txns->ranges[j].from);
			last = txns->ranges[j].to;
		}
	}
	return size;
}

static uint8_t *
write_version(const Encoder *encoder, uint8_t *out, const Version *version)
{
	out = varint_write(out, (uint64_t) version->count);
	for (int i = 0; i < version->count; i++)
	{
		const SiteTxns *txns = &version->sites[i];
		uint64_t	last = 0;

		out = varint_write(out, site_number(encoder, txns->site));
		out = varint_write(out, (uint64_t) txns->count);
		for (int j = 0; j < txns->count; j++)
		{
			out = varint_write(out, txns->ranges[j].from - last);
			out = varint_write(out, txns->ranges[j].to - txns->ranges[j].from);
			last = txns->ranges[j].to;
		}
	}
	return out;
}

static size_t
stamps_size(const Encoder *encoder)
{
	size_t		size = varint_size(encoder->stamp_count);
	uint64_t	last = 0;

	for (size_t i = 0; i < encoder->stamp_count; i++)
	{
		const Stamp *stamp = &encoder->stamps[i];

		size += varint_size(stamp->time - last);
		size += varint_size(site_number(encoder, stamp->site));
		size += varint_size(stamp->txn);
		last = stamp->time;
	}
	return size;
}

static uint8_t *
write_stamps(const Encoder *encoder, uint8_t *out)
{
	uint64_t	last = 0;

	out = varint_write(out, encoder->stamp_count);
	for (size_t i = 0; i < encoder->stamp_count; i++)
	{
		const Stamp *stamp = &encoder->stamps[i];

		out = varint_write(out, stamp->time - last);
		out = varint_write(out, site_number(encoder, stamp->site));
		out = varint_write(out, stamp->txn);
		last = stamp->time;
	}
	return out;
}

static inline uint32_t
next_stamp(Encoder *encoder)
{
	return encoder->numbers[encoder->references[encoder->next++]];
}

static inline uint8_t *
write_bytes(uint8_t *out, const char *data, size_t size)
{
	if (size > 0)
		memcpy(out, data, size);
	return out + size;
}

/* The second walk through a row: stamps in the order of the first. */
static uint8_t *
write_row(Encoder *encoder, uint8_t *out, const DeltaRow *row)
{
	const RowState *state = row->state;

	out = varint_write(out, row->key.size);
	out = write_bytes(out, row->key.data, row->key.size);
	out = varint_write(out, state->life);
	out = varint_write(out, state->base.site != 0 ? next_stamp(encoder) + UINT64_C(1) : 0);
	out = varint_write(out, (uint64_t) state->register_count);
	for (int i = 0; i < state->register_count; i++)
	{
		const Register *reg = &state->registers[i];

		out = varint_write(out, reg->column);
		out = varint_write(out, next_stamp(encoder));
		if (reg->value.data == NULL)
			*out++ = 0;
		else
		{
			out = varint_write(out, reg->value.size + 1);
			out = write_bytes(out, reg->value.data, reg->value.size);
		}
	}
	out = varint_write(out, (uint64_t) state->counter_count);
	for (int i = 0; i < state->counter_count; i++)
	{
		const Counter *counter = &state->counters[i];

		out = varint_write(out, counter->column);
		out = varint_write(out, (uint64_t) counter->count);
		for (int j = 0; j < counter->count; j++)
		{
			out = varint_write(out, next_stamp(encoder));
			out = varint_write(out, zigzag(counter->shares[j].total));
		}
	}
	out = varint_write(out, (uint64_t) state->set_count);
	for (int i = 0; i < state->set_count; i++)
	{
		const ElementSet *set = &state->sets[i];

		out = varint_write(out, set->column);
		out = varint_write(out, (uint64_t) set->context_count);
		for (int j = 0; j < set->context_count; j++)
			out = varint_write(out, next_stamp(encoder));
		out = varint_write(out, (uint64_t) set->count);
		for (int j = 0; j < set->count; j++)
		{
			const Element *element = &set->elements[j];

			out = varint_write(out, element->value.size);
			out = write_bytes(out, element->value.data, element->value.size);
			out = varint_write(out, (uint64_t) element->count);
			for (int k = 0; k < element->count; k++)
				out = varint_write(out, next_stamp(encoder));
		}
	}
	return out;
}

static uint8_t *
write_name(uint8_t *out, const char *name)
{
	size_t		size = strlen(name);

	out = varint_write(out, size);
	return write_bytes(out, name, size);
}

static uint8_t *
write_relation(Encoder *encoder, uint8_t *out, const DeltaRelation *relation)
{
	out = write_name(out, relation->name);
	out = varint_write(out, (uint64_t) relation->key_count);
	out = write_bytes(out, (const char *) relation->key_forms, (size_t) relation->key_count);
	out = varint_write(out, (uint64_t) relation->column_count);
	for (int i = 0; i < relation->column_count; i++)
	{
		const DeltaColumn *column = &relation->columns[i];

		*out++ = (uint8_t) ((unsigned int) column->kind | (unsigned int) column->form << DELTA_COLUMN_FORM_SHIFT);
		out = write_name(out, column->name);
	}
	out = varint_write(out, (uint64_t) relation->row_count);
	for (int i = 0; i < relation->row_count; i++)
		out = write_row(encoder, out, &relation->rows[i]);
	return out;
}

/*
 * The body of a delta that is sound as delta.h and row_state.h say; NULL if it would
 * be larger than DELTA_MAX_SIZE.  Equal deltas give equal bytes.
 */
uint8_t    *
delta_encode_body(const Delta *delta, size_t *size)
{
	static const Version none = {0, NULL};
	Encoder		encoder = {0};
	uint8_t    *body;
	uint8_t    *out;

	encoder.size = varint_size((uint64_t) delta->encoding);
	encoder.size += varint_size((uint64_t) delta->relation_count);
	for (int i = 0; i < delta->relation_count; i++)
		meet_relation(&encoder, &delta->relations[i]);
	if (encoder.size + encoder.reference_count > DELTA_MAX_SIZE)
		return NULL;

	encoder.base = delta->base != NULL ? delta->base : &none;
	encoder.moved = version_xor(encoder.base, delta->to != NULL ? delta->to : &none);
	number_stamps(&encoder);
	number_sites(&encoder, delta);
	encoder.size += varint_size(encoder.site_count) + encoder.site_count * sizeof(Site);
	encoder.size += varint_size(site_number(&encoder, delta->sender));
	encoder.size += version_body_size(&encoder, encoder.base) + version_body_size(&encoder, encoder.moved);
	encoder.size += stamps_size(&encoder);

	/* what small numbers do not need is left over */
	encoder.size += encoder.reference_count * varint_size(encoder.stamp_count);
	body = crdt_alloc(encoder.size);
	out = varint_write(body, (uint64_t) delta->encoding);
	out = varint_write(out, encoder.site_count);
	for (size_t i = 0; i < encoder.site_count; i++)
		out = fixed64_write(out, encoder.sites[i]);
	out = varint_write(out, site_number(&encoder, delta->sender));
	out = write_version(&encoder, out, encoder.base);
	out = write_version(&encoder, out, encoder.moved);
	out = write_stamps(&encoder, out);
	out = varint_write(out, (uint64_t) delta->relation_count);
	for (int i = 0; i < delta->relation_count; i++)
		out = write_relation(&encoder, out, &delta->relations[i]);
	*size = (size_t) (out - body);
	return *size <= DELTA_MAX_SIZE ? body : NULL;
}
