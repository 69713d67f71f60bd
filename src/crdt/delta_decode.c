/*
 * delta_decode.c: the bytes of a delta, read and checked; delta.h has their layout.
 */
#include "crdt/delta.h"

#include <limits.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "crdt/crdt_alloc.h"
#include "crdt/varint.h"

/* The fewest bytes that each thing takes, with what it must have in it. */
#define SITE_MIN 8
#define RANGE_MIN 2				/* distance, length */
#define SITE_TXNS_MIN (2 + RANGE_MIN)	/* site, ranges */
#define STAMP_MIN 3				/* time, site, txn */
#define STAMP_NUMBER_MIN 1
#define COLUMN_MIN 3			/* flags, size and byte of the name */
#define ROW_MIN 6				/* size of the key, life, base, three counts */
#define RELATION_MIN (6 + ROW_MIN)	/* size and byte of the name, count and
									 * form of the key, two counts */
#define REGISTER_MIN 3			/* column, stamp, size */
#define SHARE_MIN 2				/* stamp, total */
#define COUNTER_MIN (2 + SHARE_MIN) /* column, shares */
#define ELEMENT_MIN (2 + STAMP_NUMBER_MIN)	/* size, dots */
#define SET_MIN (3 + STAMP_NUMBER_MIN)	/* column, context, elements */

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
			return crdt_alloc(size);
		decoder->room_left = size + STRUCTS_EXPANSION * reader_left(&decoder->reader);
		if (decoder->room_left > CHUNK_SIZE)
			decoder->room_left = CHUNK_SIZE;
		decoder->room = crdt_alloc(decoder->room_left);
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

static uint64_t
column_flags(const DeltaColumn *column)
{
	return (uint64_t) column->kind | (uint64_t) column->form << DELTA_COLUMN_FORM_SHIFT;
}

/* The order of relations in a delta. */
int
delta_compare_relations(const DeltaRelation *a, const DeltaRelation *b)
{
	int			order = strcmp(a->name, b->name);

	if (order == 0)
		order = (a->key_count > b->key_count) - (a->key_count < b->key_count);
	return order != 0 ? order : memcmp(a->key_forms, b->key_forms, (size_t) a->key_count);
}

static void
read_key_forms(Decoder *decoder, DeltaRelation *relation)
{
	Reader	   *reader = &decoder->reader;
	uint64_t	count = read_varint(reader);

	relation->key_count = 0;
	relation->key_forms = reader->at;
	if (reader->error == NULL && (count == 0 || count > DELTA_MAX_KEY))
		reader_fail(reader, "a key has no columns, or too many");
	if (read_bytes(reader, count) == NULL || reader->error != NULL)
		return;
	relation->key_count = (int) count;
	for (uint64_t i = 0; i < count; i++)
		if (relation->key_forms[i] >= FORM_COUNT)
			reader_fail(reader, "a key is of no known form");
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
		uint64_t	form = flags >> DELTA_COLUMN_FORM_SHIFT;
		int			order = 1;

		if ((flags & DELTA_COLUMN_KIND) > COLUMN_SET)
			reader_fail(reader, "a column is of no known kind");
		column->kind = (ColumnKind) (flags & DELTA_COLUMN_KIND);
		if (form >= FORM_COUNT || (column->kind == COLUMN_COUNTER && form != FORM_TEXT))
			reader_fail(reader, "a column is of no known form");
		column->form = (uint8_t) form;
		column->name = read_name(decoder);
		if (i > 0)
			order = strcmp(column->name, column[-1].name);
		if (order == 0)
			column->name = column[-1].name;
		if (order < 0 || (order == 0 && flags <= column_flags(&column[-1])))
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
	else if (*last >= 0 && relation->columns[*last].name == relation->columns[number].name)
		reader_fail(&decoder->reader, "a row has a column twice");
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
		reg->form = decoder->relation->columns[reg->column].form;
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
		set->form = decoder->relation->columns[set->column].form;
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
	read_key_forms(decoder, relation);
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
	Version    *moved;

	if (encoding > INT_MAX)
		reader_fail(reader, "the encoding is too large");
	delta->encoding = (int) encoding;
	delta->stream = false;
	read_sites(decoder);
	delta->sender = read_site(decoder);
	delta->base = read_version(decoder);
	moved = read_version(decoder);
	if (reader->error != NULL)
		return;
	delta->to = version_xor(delta->base, moved);
	read_stamps(decoder);
	delta->relation_count = (int) read_count(reader, RELATION_MIN);
	delta->relations = take(decoder, (size_t) delta->relation_count, sizeof(DeltaRelation));
	for (int i = 0; i < delta->relation_count && reader->error == NULL; i++)
	{
		DeltaRelation *relation = &delta->relations[i];

		read_relation(decoder, relation);
		if (reader->error == NULL && i > 0 && delta_compare_relations(&relation[-1], relation) >= 0)
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
