/*
 * delta.c: the bytes of a delta; delta.h has their layout.
 *
 * The encoder walks the rows twice.  The first walk adds up the size of all but the
 * numbers of stamps, and collects the stamps; then they are sorted, which gives them
 * their numbers; the second walk writes.  Walks meet stamps in the same order, so the
 * second one takes them from a list and looks for nothing.  A sort and not a hash table
 * finds equal stamps, since what stamps there are is up to others, who could make them
 * collide.
 */
#include "sync/delta.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sync/varint.h"

/* The fewest bytes that each thing takes, with what it must have in it. */
#define SITE_MIN 8
#define RANGE_MIN 2				/* distance, length */
#define SITE_TXNS_MIN (2 + RANGE_MIN)	/* site, ranges */
#define STAMP_MIN 3				/* time, site, txn */
#define STAMP_NUMBER_MIN 1
#define COLUMN_MIN 3			/* flags, size and byte of the name */
#define ROW_MIN 6				/* size of the key, life, base, three counts */
#define RELATION_MIN (4 + ROW_MIN)	/* size and byte of the name, two counts */
#define REGISTER_MIN 3			/* column, stamp, size */
#define SHARE_MIN 2				/* stamp, total */
#define COUNTER_MIN (2 + SHARE_MIN) /* column, shares */
#define ELEMENT_MIN (2 + STAMP_NUMBER_MIN)	/* size, dots */
#define SET_MIN (3 + STAMP_NUMBER_MIN)	/* column, context, elements */

#define FLAG_KIND 3
#define FLAG_BINARY 4

/* ---- encoding ---- */

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
	uint32_t	recent[RECENT]; /* places in "seen" + 1, by hash */
} Encoder;

static void *
grow(void *array, size_t count, size_t *room, size_t each)
{
	void	   *larger;

	*room = *room == 0 ? 64 : *room * 2;
	larger = sync_alloc(*room * each);
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

	encoder->size += varint_size(name_size) + name_size + varint_size((uint64_t) relation->column_count);
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
	encoder->numbers = sync_alloc(count * sizeof(uint32_t));
	encoder->stamps = sync_alloc(count * sizeof(Stamp));
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
	const Version *versions[] = {delta->base, delta->to};
	Site		recent[16] = {0};
	size_t		count = 1;
	size_t		room = 1 + encoder->stamp_count;
	Site	   *sites;

	for (int i = 0; i < 2; i++)
		room += versions[i] == NULL ? 0 : (size_t) versions[i]->count;
	sites = sync_alloc(room * sizeof(Site));
	sites[0] = delta->sender;
	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; versions[i] != NULL && j < versions[i]->count; j++)
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
	size_t		size;

	if (version == NULL)
		return 1;
	size = varint_size((uint64_t) version->count);
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
	if (version == NULL)
		return varint_write(out, 0);
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
	out = varint_write(out, (uint64_t) relation->column_count);
	for (int i = 0; i < relation->column_count; i++)
	{
		const DeltaColumn *column = &relation->columns[i];

		*out++ = (uint8_t) ((unsigned int) column->kind | (column->binary ? FLAG_BINARY : 0));
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
	Encoder		encoder = {0};
	uint8_t    *body;
	uint8_t    *out;

	encoder.size = varint_size((uint64_t) delta->encoding);
	encoder.size += varint_size((uint64_t) delta->relation_count);
	for (int i = 0; i < delta->relation_count; i++)
		meet_relation(&encoder, &delta->relations[i]);
	if (encoder.size + encoder.reference_count > DELTA_MAX_SIZE)
		return NULL;

	number_stamps(&encoder);
	number_sites(&encoder, delta);
	encoder.size += varint_size(encoder.site_count) + encoder.site_count * SITE_MIN;
	encoder.size += varint_size(site_number(&encoder, delta->sender));
	encoder.size += version_body_size(&encoder, delta->base) + version_body_size(&encoder, delta->to);
	encoder.size += stamps_size(&encoder);

	/* what small numbers do not need is left over */
	encoder.size += encoder.reference_count * varint_size(encoder.stamp_count);
	body = sync_alloc(encoder.size);
	out = varint_write(body, (uint64_t) delta->encoding);
	out = varint_write(out, encoder.site_count);
	for (size_t i = 0; i < encoder.site_count; i++)
		out = fixed64_write(out, encoder.sites[i]);
	out = varint_write(out, site_number(&encoder, delta->sender));
	out = write_version(&encoder, out, delta->base);
	out = write_version(&encoder, out, delta->to);
	out = write_stamps(&encoder, out);
	out = varint_write(out, (uint64_t) delta->relation_count);
	for (int i = 0; i < delta->relation_count; i++)
		out = write_relation(&encoder, out, &delta->relations[i]);
	*size = (size_t) (out - body);
	return *size <= DELTA_MAX_SIZE ? body : NULL;
}

/* ---- decoding ---- */

/*
 * Room is allocated in chunks.  What the rest of the bytes can ask for at the most, 24
 * times their number, limits a chunk, and requests that leave an eighth of one
 * unused get room of their own.  This is what DELTA_EXPANSION and DELTA_ROOM stand for.
 */
#define CHUNK_SIZE ((size_t) 32 * 1024)
#define STRUCTS_EXPANSION 24

typedef struct Decoder
{
	Reader		reader;
	char	   *room;
	size_t		room_left;
	size_t		site_count;
	size_t		sites_used;
	Site	   *sites;
	bool	   *site_used;
	size_t		stamp_count;
	size_t		stamps_used;
	Stamp	   *stamps;
	bool	   *stamp_used;
	const DeltaRelation *relation;	/* whose rows are read */
	int			columns_used;
	bool	   *column_used;
} Decoder;

/* Aligned room for things whose bytes are known to be there; never NULL. */
static void *
take(Decoder *decoder, size_t count, size_t each)
{
	size_t		size = (count * each + 7) / 8 * 8;
	void	   *result;

	if (size > decoder->room_left || decoder->room == NULL)
	{
		if (size > CHUNK_SIZE / 8)
			return sync_alloc(size);
		decoder->room_left = size + STRUCTS_EXPANSION * reader_left(&decoder->reader);
		if (decoder->room_left > CHUNK_SIZE)
			decoder->room_left = CHUNK_SIZE;
		decoder->room = sync_alloc(decoder->room_left);
	}
	result = decoder->room;
	decoder->room += size;
	decoder->room_left -= size;
	return result;
}

static bool *
take_flags(Decoder *decoder, size_t count)
{
	bool	   *flags = take(decoder, count, sizeof(bool));

	memset(flags, 0, count);
	return flags;
}

/* A number of something of which there are "count"; 0 after an error. */
static inline uint64_t
read_number(Decoder *decoder, uint64_t count, const char *error)
{
	uint64_t	number = read_varint(&decoder->reader);

	if (decoder->reader.error == NULL && number < count)
		return number;
	reader_fail(&decoder->reader, error);
	return 0;
}

/* A site by its number; zero after an error. */
static Site
read_site(Decoder *decoder)
{
	uint64_t	number = read_number(decoder, decoder->site_count, "names a site that it does not list");

	if (decoder->reader.error != NULL)
		return 0;
	decoder->sites_used += !decoder->site_used[number];
	decoder->site_used[number] = true;
	return decoder->sites[number];
}

static inline bool
use_stamp(Decoder *decoder, uint64_t number, Stamp *stamp)
{
	if (number >= decoder->stamp_count)
	{
		reader_fail(&decoder->reader, "names a stamp that it does not list");
		return false;
	}
	decoder->stamps_used += !decoder->stamp_used[number];
	decoder->stamp_used[number] = true;
	*stamp = decoder->stamps[number];
	return true;
}

/* A stamp by its number; false after an error. */
static inline bool
read_stamp(Decoder *decoder, Stamp *stamp)
{
	uint64_t	number = read_varint(&decoder->reader);

	return decoder->reader.error == NULL && use_stamp(decoder, number, stamp);
}

/* A stamp that must be of a later site than the last one's. */
static inline bool
read_stamp_after(Decoder *decoder, Stamp *stamp, Site last)
{
	if (!read_stamp(decoder, stamp))
		return false;
	if (stamp->site > last)
		return true;
	reader_fail(&decoder->reader, "stamps of a column are not ascending by site");
	return false;
}

static void
read_sites(Decoder *decoder)
{
	Reader	   *reader = &decoder->reader;
	Site		last = 0;

	decoder->site_count = read_count(reader, SITE_MIN);
	decoder->sites = take(decoder, decoder->site_count, sizeof(Site));
	decoder->site_used = take_flags(decoder, decoder->site_count);
	for (size_t i = 0; i < decoder->site_count; i++)
	{
		Site		site = read_fixed64(reader);

		if (site == 0)
			reader_fail(reader, "a site is zero");
		if (i > 0 && site <= last)
			reader_fail(reader, "sites are not ascending");
		decoder->sites[i] = last = site;
	}
}

static void
read_ranges(Decoder *decoder, SiteTxns *txns)
{
	Reader	   *reader = &decoder->reader;
	uint64_t	last = 0;

	txns->count = (int) read_count(reader, RANGE_MIN);
	if (txns->count == 0)
		reader_fail(reader, "a site has no transactions");
	txns->ranges = take(decoder, (size_t) txns->count, sizeof(TxnRange));
	for (int i = 0; i < txns->count; i++)
	{
		uint64_t	distance = read_varint(reader);
		uint64_t	length = read_varint(reader);

		if (length == 0)
			reader_fail(reader, "a range of transactions is empty");
		if (i > 0 && distance == 0)
			reader_fail(reader, "ranges of transactions touch");
		if (distance > UINT64_MAX - last || length > UINT64_MAX - last - distance)
			reader_fail(reader, "a range of transactions is too long");
		if (reader->error != NULL)
			return;
		txns->ranges[i].from = last + distance;
		txns->ranges[i].to = last = last + distance + length;
	}
}

static Version *
read_version(Decoder *decoder)
{
	Reader	   *reader = &decoder->reader;
	Version    *version = take(decoder, 1, sizeof(Version));
	Site		last = 0;

	version->count = (int) read_count(reader, SITE_TXNS_MIN);
	version->sites = take(decoder, (size_t) version->count, sizeof(SiteTxns));
	for (int i = 0; i < version->count && reader->error == NULL; i++)
	{
		SiteTxns   *txns = &version->sites[i];

		txns->site = read_site(decoder);
		if (txns->site <= last)
			reader_fail(reader, "sites of a version are not ascending");
		last = txns->site;
		read_ranges(decoder, txns);
	}
	return version;
}

static void
read_stamps(Decoder *decoder)
{
	Reader	   *reader = &decoder->reader;

	decoder->stamp_count = read_count(reader, STAMP_MIN);
	decoder->stamps = take(decoder, decoder->stamp_count, sizeof(Stamp));
	decoder->stamp_used = take_flags(decoder, decoder->stamp_count);
	for (size_t i = 0; i < decoder->stamp_count && reader->error == NULL; i++)
	{
		Stamp	   *stamp = &decoder->stamps[i];
		uint64_t	last = i == 0 ? 0 : stamp[-1].time;
		uint64_t	distance = read_varint(reader);

		if (distance > UINT64_MAX - last)
			reader_fail(reader, "the time of a stamp is too late");
		stamp->time = last + distance;
		stamp->site = read_site(decoder);
		stamp->txn = read_varint(reader);
		if (i > 0 && stamp_compare(stamp - 1, stamp) >= 0)
			reader_fail(reader, "stamps are not ascending");
	}
}

static const char *
read_name(Decoder *decoder)
{
	Reader	   *reader = &decoder->reader;
	uint64_t	size = read_varint(reader);
	const uint8_t *bytes = read_bytes(reader, size);
	char	   *name;

	if (bytes == NULL || reader->error != NULL)
		return "";
	if (size == 0)
		reader_fail(reader, "a name is empty");
	else if (size > DELTA_MAX_NAME)
		reader_fail(reader, "a name is too long");
	else if (memchr(bytes, 0, size) != NULL)
		reader_fail(reader, "a name has a zero byte");
	if (reader->error != NULL)
		return "";
	name = take(decoder, size + 1, 1);
	memcpy(name, bytes, size);
	name[size] = '\0';
	return name;
}

static void
read_columns(Decoder *decoder, DeltaRelation *relation)
{
	Reader	   *reader = &decoder->reader;

	relation->column_count = (int) read_count(reader, COLUMN_MIN);
	relation->columns = take(decoder, (size_t) relation->column_count, sizeof(DeltaColumn));
	decoder->column_used = take_flags(decoder, (size_t) relation->column_count);
	decoder->columns_used = 0;
	decoder->relation = relation;
	for (int i = 0; i < relation->column_count && reader->error == NULL; i++)
	{
		DeltaColumn *column = &relation->columns[i];
		uint64_t	flags = read_varint(reader);

		if ((flags & FLAG_KIND) > COLUMN_SET || flags > (FLAG_KIND | FLAG_BINARY))
			reader_fail(reader, "a column is of no known kind");
		column->kind = (ColumnKind) (flags & FLAG_KIND);
		column->binary = (flags & FLAG_BINARY) != 0;
		column->name = read_name(decoder);
		if (i > 0 && strcmp(column[-1].name, column->name) >= 0)
			reader_fail(reader, "columns are not ascending");
	}
}

/* The column of a register, counter or set; "last" is the one before it, or -1. */
static inline bool
read_column(Decoder *decoder, ColumnKind kind, int64_t *last, ColumnId *column)
{
	const DeltaRelation *relation = decoder->relation;
	uint64_t	number = read_number(decoder, (uint64_t) relation->column_count, "names a column that it does not list");

	if (decoder->reader.error != NULL)
		return false;
	if (relation->columns[number].kind != kind)
		reader_fail(&decoder->reader, "a column is not of the kind that it is used as");
	if ((int64_t) number <= *last)
		reader_fail(&decoder->reader, "columns of a row are not ascending");
	decoder->columns_used += !decoder->column_used[number];
	decoder->column_used[number] = true;
	*last = (int64_t) number;
	*column = (ColumnId) number;
	return decoder->reader.error == NULL;
}

static void
read_registers(Decoder *decoder, RowState *state)
{
	Reader	   *reader = &decoder->reader;
	int64_t		last = -1;

	state->register_count = (int) read_count(reader, REGISTER_MIN);
	state->registers = take(decoder, (size_t) state->register_count, sizeof(Register));
	for (int i = 0; i < state->register_count; i++)
	{
		Register   *reg = &state->registers[i];
		uint64_t	size;

		if (!read_column(decoder, COLUMN_REGISTER, &last, &reg->column) || !read_stamp(decoder, &reg->stamp))
			return;
		size = read_varint(reader);
		reg->value.data = NULL;
		reg->value.size = 0;
		if (size > 0)
		{
			reg->value.size = size - 1;
			reg->value.data = (const char *) read_bytes(reader, size - 1);
		}
	}
}

static void
read_counters(Decoder *decoder, RowState *state)
{
	Reader	   *reader = &decoder->reader;
	int64_t		last = -1;

	state->counter_count = (int) read_count(reader, COUNTER_MIN);
	state->counters = take(decoder, (size_t) state->counter_count, sizeof(Counter));
	for (int i = 0; i < state->counter_count; i++)
	{
		Counter    *counter = &state->counters[i];
		Site		last_site = 0;

		if (!read_column(decoder, COLUMN_COUNTER, &last, &counter->column))
			return;
		counter->count = (int) read_count(reader, SHARE_MIN);
		if (counter->count == 0)
			reader_fail(reader, "a counter has no shares");
		counter->shares = take(decoder, (size_t) counter->count, sizeof(CounterShare));
		for (int j = 0; j < counter->count; j++)
		{
			CounterShare *share = &counter->shares[j];

			if (!read_stamp_after(decoder, &share->stamp, last_site))
				return;
			last_site = share->stamp.site;
			share->total = unzigzag(read_varint(reader));
		}
	}
}

/* A list of stamps that has at least one, ascending by site. */
static Stamp *
read_dots(Decoder *decoder, int *count, const char *none)
{
	Reader	   *reader = &decoder->reader;
	Site		last = 0;
	Stamp	   *dots;

	*count = (int) read_count(reader, STAMP_NUMBER_MIN);
	if (*count == 0)
		reader_fail(reader, none);
	dots = take(decoder, (size_t) *count, sizeof(Stamp));
	for (int i = 0; i < *count; i++)
	{
		if (!read_stamp_after(decoder, &dots[i], last))
			break;
		last = dots[i].site;
	}
	return dots;
}

/* Whether no dot of an element is later than what the context has of its site. */
static bool
context_has(const ElementSet *set, const Element *element)
{
	int			place = 0;

	for (int i = 0; i < element->count; i++)
	{
		const Stamp *dot = &element->dots[i];

		while (place < set->context_count && set->context[place].site < dot->site)
			place++;
		if (place == set->context_count || set->context[place].site != dot->site ||
			stamp_compare(dot, &set->context[place]) > 0)
			return false;
	}
	return true;
}

static void
read_elements(Decoder *decoder, ElementSet *set)
{
	Reader	   *reader = &decoder->reader;

	set->count = (int) read_count(reader, ELEMENT_MIN);
	set->elements = take(decoder, (size_t) set->count, sizeof(Element));
	for (int i = 0; i < set->count; i++)
	{
		Element    *element = &set->elements[i];

		element->value.size = read_varint(reader);
		element->value.data = (const char *) read_bytes(reader, element->value.size);
		if (reader->error != NULL)
			return;
		element->hash = XXH3_64bits(element->value.data, element->value.size);
		if (i > 0 && element[-1].hash >= element->hash)
			reader_fail(reader, "elements are not ascending by hash");
		element->dots = read_dots(decoder, &element->count, "an element has no adds");
		if (reader->error == NULL && !context_has(set, element))
			reader_fail(reader, "a context does not have an add of its set");
	}
}

static void
read_sets(Decoder *decoder, RowState *state)
{
	Reader	   *reader = &decoder->reader;
	int64_t		last = -1;

	state->set_count = (int) read_count(reader, SET_MIN);
	state->sets = take(decoder, (size_t) state->set_count, sizeof(ElementSet));
	for (int i = 0; i < state->set_count; i++)
	{
		ElementSet *set = &state->sets[i];

		if (!read_column(decoder, COLUMN_SET, &last, &set->column))
			return;
		set->context = read_dots(decoder, &set->context_count, "a set has no context");
		read_elements(decoder, set);
	}
}

/* Order of keys: by bytes, and the shorter of two that begin alike first. */
static inline int
compare_keys(const Image *a, const Image *b)
{
	size_t		size = a->size < b->size ? a->size : b->size;
	int			order = memcmp(a->data, b->data, size);

	if (order != 0)
		return order;
	return a->size < b->size ? -1 : a->size > b->size;
}

static void
read_row(Decoder *decoder, DeltaRow *row)
{
	Reader	   *reader = &decoder->reader;
	RowState   *state = take(decoder, 1, sizeof(RowState));
	uint64_t	base;

	row->state = state;
	row->key.size = read_varint(reader);
	row->key.data = (const char *) read_bytes(reader, row->key.size);
	state->life = read_varint(reader);
	if (state->life == 0)
		reader_fail(reader, "a row has no life");
	base = read_varint(reader);
	memset(&state->base, 0, sizeof(Stamp));
	if (base > 0)
		use_stamp(decoder, base - 1, &state->base);
	read_registers(decoder, state);
	read_counters(decoder, state);
	read_sets(decoder, state);
	if (!row_is_alive(state) && state->register_count + state->counter_count + state->set_count > 0)
		reader_fail(reader, "a dead row has columns");
}

static void
read_relation(Decoder *decoder, DeltaRelation *relation)
{
	Reader	   *reader = &decoder->reader;

	relation->name = read_name(decoder);
	read_columns(decoder, relation);
	relation->row_count = (int) read_count(reader, ROW_MIN);
	if (relation->row_count == 0)
		reader_fail(reader, "a relation has no rows");
	relation->rows = take(decoder, (size_t) relation->row_count, sizeof(DeltaRow));
	for (int i = 0; i < relation->row_count && reader->error == NULL; i++)
	{
		DeltaRow   *row = &relation->rows[i];

		read_row(decoder, row);
		if (reader->error == NULL && i > 0 && compare_keys(&row[-1].key, &row->key) >= 0)
			reader_fail(reader, "keys are not ascending");
	}
	if (decoder->columns_used < relation->column_count)
		reader_fail(reader, "a column is not used");
}

static void
read_delta(Decoder *decoder, Delta *delta)
{
	Reader	   *reader = &decoder->reader;
	uint64_t	encoding = read_varint(reader);

	if (encoding > INT_MAX)
		reader_fail(reader, "the encoding is too large");
	delta->encoding = (int) encoding;
	delta->stream = false;
	read_sites(decoder);
	delta->sender = read_site(decoder);
	delta->base = read_version(decoder);
	delta->to = read_version(decoder);
	read_stamps(decoder);
	delta->relation_count = (int) read_count(reader, RELATION_MIN);
	delta->relations = take(decoder, (size_t) delta->relation_count, sizeof(DeltaRelation));
	for (int i = 0; i < delta->relation_count && reader->error == NULL; i++)
	{
		DeltaRelation *relation = &delta->relations[i];

		read_relation(decoder, relation);
		if (i > 0 && strcmp(relation[-1].name, relation->name) >= 0)
			reader_fail(reader, "relations are not ascending");
	}
	if (reader->error == NULL && reader->at != reader->end)
		reader_fail(reader, "goes on after its end");
	if (decoder->sites_used < decoder->site_count)
		reader_fail(reader, "a site is not used");
	if (decoder->stamps_used < decoder->stamp_count)
		reader_fail(reader, "a stamp is not used");
}

/*
 * The delta that a body holds, with pointers into it; NULL and in *error what is wrong.
 * Allocates no more than DELTA_EXPANSION times "size" and DELTA_ROOM.
 */
Delta *
delta_decode_body(const uint8_t *bytes, size_t size, const char **error)
{
	Decoder		decoder = {.reader = {bytes, bytes + size, NULL}};
	Delta	   *delta;

	if (size > DELTA_MAX_SIZE)
	{
		*error = "is too large";
		return NULL;
	}
	delta = take(&decoder, 1, sizeof(Delta));
	read_delta(&decoder, delta);
	*error = decoder.reader.error;
	return *error == NULL ? delta : NULL;
}
