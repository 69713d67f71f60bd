/*
 * clock.c: the clock of a row in bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "crdt/crdt_alloc.h"
#include "crdt/row_state.h"
#include "crdt/varint.h"

#define CLOCK_FORMAT 1

/* The fewest bytes of each thing that lists hold. */
#define STAMP_SIZE 24
#define REGISTER_SIZE (4 + 1)
#define COUNTER_SIZE (4 + 1 + SHARE_SIZE)
#define SHARE_SIZE (1 + 1)
#define SET_SIZE (4 + 1 + 1 + 1)
#define ELEMENT_SIZE (8 + 1 + 1)

/* Where bytes go, and by which numbers they name stamps. */
typedef struct ClockWriter
{
	uint8_t    *at;				/* NULL to count only */
	size_t		size;			/* bytes until here */
	const Stamp *base;
	int			count;			/* of other stamps */
	Stamp	   *stamps;			/* ascending */
} ClockWriter;

/* What a clock's reading has come to. */
typedef struct ClockReader
{
	Reader		reader;
	int			count;			/* of other stamps */
	Stamp	   *stamps;			/* by number: the base, and the others */
	bool	   *used;			/* by number */
} ClockReader;

static void
write_varint(ClockWriter *writer, uint64_t value)
{
	writer->size += varint_size(value);
	if (writer->at != NULL)
		writer->at = varint_write(writer->at, value);
}

static void
write_fixed32(ClockWriter *writer, uint32_t value)
{
	writer->size += 4;
	if (writer->at != NULL)
		writer->at = fixed32_write(writer->at, value);
}

static void
write_fixed64(ClockWriter *writer, uint64_t value)
{
	writer->size += 8;
	if (writer->at != NULL)
		writer->at = fixed64_write(writer->at, value);
}

static void
write_stamp(ClockWriter *writer, const Stamp *stamp)
{
	write_fixed64(writer, stamp->time);
	write_fixed64(writer, stamp->site);
	write_fixed64(writer, stamp->txn);
}

/* Write the number of a stamp: 0 if it is the base, which is not in the list. */
static void
write_number(ClockWriter *writer, const Stamp *stamp)
{
	int			low = 0;
	int			high = writer->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (stamp_compare(&writer->stamps[middle], stamp) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	write_varint(writer, stamp_equal(stamp, writer->base) ? 0 : (uint64_t) low + 1);
}

/* Does this element follow from the base? */
static bool
element_follows(const Element *element, const Stamp *base)
{
	return element->count == 1 && stamp_equal(&element->dots[0], base);
}

/* How many shares do not follow from the base? */
static int
count_shares(const Counter *counter, const Stamp *base)
{
	int			count = 0;

	for (int i = 0; i < counter->count; i++)
		count += !stamp_equal(&counter->shares[i].stamp, base);
	return count;
}

/* How many stamps of a context do not follow from the base? */
static int
count_context(const ElementSet *set, const Stamp *base)
{
	int			count = 0;

	for (int i = 0; i < set->context_count; i++)
		count += !stamp_equal(&set->context[i], base);
	return count;
}

/* How many elements do not follow from the base? */
static int
count_elements(const ElementSet *set, const Stamp *base)
{
	int			count = 0;

	for (int i = 0; i < set->count; i++)
		count += !element_follows(&set->elements[i], base);
	return count;
}

static int
compare_stamps(const void *a, const void *b)
{
	return stamp_compare(a, b);
}

static void
add_stamp(ClockWriter *writer, const Stamp *stamp)
{
	if (stamp_equal(stamp, writer->base))
		return;
	if (writer->stamps != NULL)
		writer->stamps[writer->count] = *stamp;
	writer->count++;
}

/* Add each stamp of the row that is not the base, as often as it stands there. */
static void
add_stamps(ClockWriter *writer, const RowState *row)
{
	writer->count = 0;
	for (int i = 0; i < row->register_count; i++)
		add_stamp(writer, &row->registers[i].stamp);
	for (int i = 0; i < row->counter_count; i++)
	{
		for (int j = 0; j < row->counters[i].count; j++)
			add_stamp(writer, &row->counters[i].shares[j].stamp);
	}
	for (int i = 0; i < row->set_count; i++)
	{
		const ElementSet *set = &row->sets[i];

		for (int j = 0; j < set->context_count; j++)
			add_stamp(writer, &set->context[j]);
		for (int j = 0; j < set->count; j++)
		{
			for (int k = 0; k < set->elements[j].count; k++)
				add_stamp(writer, &set->elements[j].dots[k]);
		}
	}
}

/* Make the list of the other stamps: none twice, ascending. */
static void
list_stamps(ClockWriter *writer, const RowState *row)
{
	int			count = 0;

	add_stamps(writer, row);
	if (writer->count == 0)
		return;
	writer->stamps = crdt_alloc_array((size_t) writer->count, sizeof(Stamp));
	add_stamps(writer, row);
	qsort(writer->stamps, (size_t) writer->count, sizeof(Stamp), compare_stamps);
	for (int i = 0; i < writer->count; i++)
	{
		if (count == 0 || !stamp_equal(&writer->stamps[count - 1], &writer->stamps[i]))
			writer->stamps[count++] = writer->stamps[i];
	}
	writer->count = count;
}

static void
write_registers(ClockWriter *writer, const RowState *row)
{
	int			count = 0;

	for (int i = 0; i < row->register_count; i++)
		count += !stamp_equal(&row->registers[i].stamp, writer->base);
	write_varint(writer, (uint64_t) count);
	for (int i = 0; i < row->register_count; i++)
	{
		if (stamp_equal(&row->registers[i].stamp, writer->base))
			continue;
		write_fixed32(writer, row->registers[i].column);
		write_number(writer, &row->registers[i].stamp);
	}
}

static void
write_counters(ClockWriter *writer, const RowState *row)
{
	int			count = 0;

	for (int i = 0; i < row->counter_count; i++)
		count += count_shares(&row->counters[i], writer->base) > 0;
	write_varint(writer, (uint64_t) count);
	for (int i = 0; i < row->counter_count; i++)
	{
		const Counter *counter = &row->counters[i];
		int			shares = count_shares(counter, writer->base);

		if (shares == 0)
			continue;
		write_fixed32(writer, counter->column);
		write_varint(writer, (uint64_t) shares);
		for (int j = 0; j < counter->count; j++)
		{
			if (stamp_equal(&counter->shares[j].stamp, writer->base))
				continue;
			write_number(writer, &counter->shares[j].stamp);
			write_varint(writer, zigzag(counter->shares[j].total));
		}
	}
}

static void
write_element(ClockWriter *writer, const Element *element)
{
	write_fixed64(writer, element->hash);
	write_varint(writer, (uint64_t) element->count);
	for (int i = 0; i < element->count; i++)
		write_number(writer, &element->dots[i]);
}

static void
write_sets(ClockWriter *writer, const RowState *row)
{
	int			count = 0;

	for (int i = 0; i < row->set_count; i++)
		count += count_context(&row->sets[i], writer->base) > 0 || count_elements(&row->sets[i], writer->base) > 0;
	write_varint(writer, (uint64_t) count);
	for (int i = 0; i < row->set_count; i++)
	{
		const ElementSet *set = &row->sets[i];
		int			context = count_context(set, writer->base);
		int			elements = count_elements(set, writer->base);

		if (context == 0 && elements == 0)
			continue;
		write_fixed32(writer, set->column);
		write_varint(writer, (uint64_t) context);
		for (int j = 0; j < set->context_count; j++)
		{
			if (!stamp_equal(&set->context[j], writer->base))
				write_number(writer, &set->context[j]);
		}
		write_varint(writer, (uint64_t) elements);
		for (int j = 0; j < set->count; j++)
		{
			if (!element_follows(&set->elements[j], writer->base))
				write_element(writer, &set->elements[j]);
		}
	}
}

static void
write_clock(ClockWriter *writer, const RowState *row)
{
	writer->base = &row->base;
	list_stamps(writer, row);
	writer->size++;
	if (writer->at != NULL)
		*writer->at++ = CLOCK_FORMAT;
	write_varint(writer, row->life);
	write_stamp(writer, &row->base);
	if (writer->count == 0)
		return;
	write_varint(writer, (uint64_t) writer->count);
	for (int i = 0; i < writer->count; i++)
		write_stamp(writer, &writer->stamps[i]);
	write_registers(writer, row);
	write_counters(writer, row);
	write_sets(writer, row);
}

/*
 * How many bytes clock_encode writes.
 */
size_t
clock_encoded_size(const RowState *row)
{
	ClockWriter writer = {NULL, 0, NULL, 0, NULL};

	write_clock(&writer, row);
	return writer.size;
}

/*
 * Write the clock of a row, which carries its base; "out" has room for
 * clock_encoded_size.  Returns where it ends.
 */
uint8_t    *
clock_encode(const RowState *row, uint8_t *out)
{
	ClockWriter writer = {out, 0, NULL, 0, NULL};

	write_clock(&writer, row);
	return writer.at;
}

static Stamp
read_stamp(Reader *reader)
{
	Stamp		stamp;

	stamp.time = read_fixed64(reader);
	stamp.site = read_fixed64(reader);
	stamp.txn = read_fixed64(reader);
	return stamp;
}

/* Read the list of the other stamps. */
static void
read_stamps(ClockReader *clock, const Stamp *base)
{
	Reader	   *reader = &clock->reader;

	clock->count = read_int_count(reader, STAMP_SIZE);
	if (clock->count == 0)
		reader_fail(reader, "has an empty list of stamps");
	clock->stamps = crdt_alloc_array((size_t) clock->count + 1, sizeof(Stamp));
	clock->used = crdt_alloc_array((size_t) clock->count + 1, sizeof(bool));
	memset(clock->used, 0, (size_t) clock->count + 1);
	clock->stamps[0] = *base;
	for (int i = 1; i <= clock->count; i++)
	{
		Stamp	   *stamp = &clock->stamps[i];

		*stamp = read_stamp(reader);
		if (stamp->site == 0)
			reader_fail(reader, "a stamp is of no site");
		else if (i > 1 && stamp_compare(stamp - 1, stamp) >= 0)
			reader_fail(reader, "stamps are not in order");
		else if (stamp_equal(stamp, base))
			reader_fail(reader, "a stamp is the base again");
	}
}

/* Read the number of a stamp; the base's after an error. */
static const Stamp *
read_number(ClockReader *clock)
{
	uint64_t	number = read_varint(&clock->reader);

	if (number > (uint64_t) clock->count)
	{
		reader_fail(&clock->reader, "a stamp is not in the list");
		number = 0;
	}
	clock->used[number] = true;
	return &clock->stamps[number];
}

/* The same where the base does not stand. */
static const Stamp *
read_other_number(ClockReader *clock)
{
	const Stamp *stamp = read_number(clock);

	if (stamp == clock->stamps)
		reader_fail(&clock->reader, "says what follows from the base");
	return stamp;
}

/* Read a column, which is not the first of its list if "last" is what came before. */
static ColumnId
read_column(ClockReader *clock, const ColumnId *last)
{
	ColumnId	column = read_fixed32(&clock->reader);

	if (last != NULL && column <= *last)
		reader_fail(&clock->reader, "columns are not in order");
	return column;
}

static void
check_site_order(ClockReader *clock, const Stamp *last, const Stamp *stamp)
{
	if (stamp->site <= last->site)
		reader_fail(&clock->reader, "sites are not in order");
}

static void
read_registers(ClockReader *clock, RowState *row)
{
	int			count = read_int_count(&clock->reader, REGISTER_SIZE);

	row->registers = crdt_alloc_array((size_t) count, sizeof(Register));
	for (int i = 0; i < count && clock->reader.error == NULL; i++)
	{
		Register   *item = &row->registers[row->register_count++];

		item->column = read_column(clock, i > 0 ? &item[-1].column : NULL);
		item->stamp = *read_other_number(clock);
		item->form = FORM_TEXT;
		item->value = (Image)
		{
			NULL, 0
		};
	}
}

static void
read_counters(ClockReader *clock, RowState *row)
{
	Reader	   *reader = &clock->reader;
	int			count = read_int_count(reader, COUNTER_SIZE);

	row->counters = crdt_alloc_array((size_t) count, sizeof(Counter));
	for (int i = 0; i < count && reader->error == NULL; i++)
	{
		Counter    *counter = &row->counters[row->counter_count++];

		counter->column = read_column(clock, i > 0 ? &counter[-1].column : NULL);
		counter->count = read_int_count(reader, SHARE_SIZE);
		if (counter->count == 0)
			reader_fail(reader, "a counter has no shares");
		counter->shares = crdt_alloc_array((size_t) counter->count, sizeof(CounterShare));
		for (int j = 0; j < counter->count && reader->error == NULL; j++)
		{
			CounterShare *share = &counter->shares[j];

			share->stamp = *read_other_number(clock);
			share->total = unzigzag(read_varint(reader));
			if (j > 0)
				check_site_order(clock, &share[-1].stamp, &share->stamp);
		}
	}
}

/*
 * Is a dot not newer than what the set has of its site?  Where it has nothing, the base
 * of that site is meant.
 */
static bool
dot_is_covered(const ElementSet *set, const Stamp *base, const Stamp *dot)
{
	int			low = 0;
	int			high = set->context_count;
	const Stamp *last = base;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (set->context[middle].site < dot->site)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < set->context_count && set->context[low].site == dot->site)
		last = &set->context[low];
	return last->site == dot->site && stamp_compare(dot, last) <= 0;
}

static void
read_element(ClockReader *clock, const ElementSet *set, Element *element)
{
	Reader	   *reader = &clock->reader;

	element->hash = read_fixed64(reader);
	element->value = (Image)
	{
		NULL, 0
	};
	element->count = read_int_count(reader, 1);
	if (element->count == 0)
		reader_fail(reader, "an element has no dots");
	element->dots = crdt_alloc_array((size_t) element->count, sizeof(Stamp));
	for (int i = 0; i < element->count && reader->error == NULL; i++)
	{
		Stamp	   *dot = &element->dots[i];

		*dot = element->count == 1 ? *read_other_number(clock) : *read_number(clock);
		if (i > 0)
			check_site_order(clock, dot - 1, dot);
		if (!dot_is_covered(set, clock->stamps, dot))
			reader_fail(reader, "an element is newer than its set");
	}
}

static void
read_sets(ClockReader *clock, RowState *row)
{
	Reader	   *reader = &clock->reader;
	int			count = read_int_count(reader, SET_SIZE);

	row->sets = crdt_alloc_array((size_t) count, sizeof(ElementSet));
	for (int i = 0; i < count && reader->error == NULL; i++)
	{
		ElementSet *set = &row->sets[row->set_count++];

		set->form = FORM_TEXT;
		set->column = read_column(clock, i > 0 ? &set[-1].column : NULL);
		set->context_count = read_int_count(reader, 1);
		set->context = crdt_alloc_array((size_t) set->context_count, sizeof(Stamp));
		for (int j = 0; j < set->context_count && reader->error == NULL; j++)
		{
			set->context[j] = *read_other_number(clock);
			if (j > 0)
				check_site_order(clock, &set->context[j - 1], &set->context[j]);
		}
		set->count = read_int_count(reader, ELEMENT_SIZE);
		if (set->context_count == 0 && set->count == 0)
			reader_fail(reader, "a set has an empty context and no elements");
		set->elements = crdt_alloc_array((size_t) set->count, sizeof(Element));
		for (int j = 0; j < set->count && reader->error == NULL; j++)
		{
			read_element(clock, set, &set->elements[j]);
			if (j > 0 && set->elements[j].hash <= set->elements[j - 1].hash)
				reader_fail(reader, "elements are not in order");
		}
	}
}

/*
 * Read a clock: all "size" bytes, and only in the form that clock_encode gives.  NULL,
 * and what is wrong in *error, if they are not that.
 */
RowState   *
clock_decode(const uint8_t *bytes, size_t size, const char **error)
{
	ClockReader clock = {{bytes, bytes + size, NULL}, 0, NULL, NULL};
	Reader	   *reader = &clock.reader;
	RowState   *row = crdt_alloc(sizeof(RowState));
	const uint8_t *format = read_bytes(reader, 1);

	memset(row, 0, sizeof(RowState));
	if (format != NULL && *format != CLOCK_FORMAT)
		reader_fail(reader, "is of an unknown format");
	row->life = read_varint(reader);
	if (row->life == 0)
		reader_fail(reader, "has a life of zero");
	row->base = read_stamp(reader);
	if (row->base.site == 0)
		reader_fail(reader, "has a base of no site");
	if (reader->error == NULL && reader->at != reader->end)
	{
		if (!row_is_alive(row))
			reader_fail(reader, "has columns though the row is dead");
		read_stamps(&clock, &row->base);
		read_registers(&clock, row);
		read_counters(&clock, row);
		read_sets(&clock, row);
		for (int i = 1; i <= clock.count; i++)
		{
			if (!clock.used[i])
				reader_fail(reader, "a stamp is not used");
		}
		if (reader->error == NULL && reader->at != reader->end)
			reader_fail(reader, "goes on after its end");
	}
	*error = reader->error;
	return reader->error == NULL ? row : NULL;
}
