/*
 * sync_apply.c: one row of a merge: joined with what is here, and written.
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_meta.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "testpoint/testpoint.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Times that a row is looked at anew because another transaction came between. */
#define ATTEMPTS_MAX 10

/*
 * Record a value that lost against another that was written without knowing of it.
 */
static void
note_conflict(const char *name, Image key, const SyncColumn *column, const Register *theirs, const Register *ours)
{
	Relation	rel = sync_meta_open(META_CONFLICT, RowExclusiveLock);
	bool		lost = stamp_compare(&theirs->stamp, &ours->stamp) > 0;
	Image		image = (lost ? ours : theirs)->value;
	Datum		values[8] = {0};
	bool		nulls[8] = {false};

	values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[1] = CStringGetTextDatum(name);
	values[2] = sync_bytea(key);
	values[3] = CStringGetTextDatum(column->name);
	values[4] = Int64GetDatum((int64) (lost ? theirs : ours)->stamp.site);
	values[5] = Int64GetDatum((int64) (lost ? ours : theirs)->stamp.site);
	nulls[6] = image.data == NULL;
	if (!nulls[6])
		values[6] = sync_bytea(image);
	values[7] = BoolGetDatum(form_is_binary((lost ? ours : theirs)->form));
	sync_meta_insert(rel, values, nulls);
	table_close(rel, RowExclusiveLock);
}

static int
column_of(const SyncTable *table, ColumnId id)
{
	int			low = 0;
	int			high = table->column_count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (table->by_id[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->column_count || table->by_id[low]->id != id)
		return -1;
	return table->by_id[low] - table->columns;
}

static const char *
name_of(const SyncNames *names, ColumnId id)
{
	for (int i = 0; i < names->count; i++)
		if (names->ids[i] == id)
			return names->columns[i].name;
	return "?";
}

/*
 * Whether a column takes values from elsewhere.  False for one that is local here,
 * or was dropped here.
 *
 * Errors: 42703, 42804; the row is parked until the table is altered.
 */
static bool
takes(const SyncTable *table, const SyncNames *names, ColumnId id, SyncKind kind)
{
	int			number = column_of(table, id);

	if (number < 0)
	{
		if (sync_column_was_dropped(table, name_of(names, id)))
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column published as \"%s\"", table->name, name_of(names, id)),
				 errhint("Add it, and SELECT vecmark.retry_parked().")));
	}
	if (table->columns[number].kind == SYNC_LOCAL)
		return false;
	if (table->columns[number].kind != kind || table->columns[number].is_key)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" has another policy where it was written", name_of(names, id), table->name),
				 errhint("Track the table with the same policy on all nodes.")));
	return true;
}

/* An incoming state without columns that this table does not take, and sets in the form that they have here. */
RowState   *
sync_fit(const SyncTable *table, const SyncNames *names, const RowState *incoming)
{
	RowState   *fitted = palloc(sizeof(RowState));
	int			kept;

	*fitted = *incoming;
	fitted->registers = palloc(sizeof(Register) * (incoming->register_count + 1));
	kept = 0;
	for (int i = 0; i < incoming->register_count; i++)
		if (takes(table, names, incoming->registers[i].column, SYNC_REGISTER))
			fitted->registers[kept++] = incoming->registers[i];
	fitted->register_count = kept;
	fitted->counters = palloc(sizeof(Counter) * (incoming->counter_count + 1));
	kept = 0;
	for (int i = 0; i < incoming->counter_count; i++)
		if (takes(table, names, incoming->counters[i].column, SYNC_COUNTER))
			fitted->counters[kept++] = incoming->counters[i];
	fitted->counter_count = kept;
	fitted->sets = palloc(sizeof(ElementSet) * (incoming->set_count + 1));
	kept = 0;
	for (int i = 0; i < incoming->set_count; i++)
		if (takes(table, names, incoming->sets[i].column, SYNC_SET))
		{
			const SyncColumn *column = &table->columns[column_of(table, incoming->sets[i].column)];

			fitted->sets[kept] = incoming->sets[i];
			if (fitted->sets[kept].form != column->form)
				sync_convert_set(column, &fitted->sets[kept]);
			kept++;
		}
	fitted->set_count = kept;
	return fitted;
}

/* Whether two states have the same clock, whatever their values. */
bool
sync_same_clock(const RowState *a, const RowState *b)
{
	size_t		size = clock_encoded_size(a);
	uint8_t    *x;
	uint8_t    *y;

	if (size != clock_encoded_size(b))
		return false;
	x = palloc(size);
	y = palloc(size);
	clock_encode(a, x);
	clock_encode(b, y);
	return memcmp(x, y, size) == 0;
}

/* Give a column a value.  One that it has already is not written. */
static void
set_column(SyncRow *row, int number, Datum value, bool isnull)
{
	if (row->given[number] &&
		!sync_is_changed(&row->table->columns[number], row->values[number], row->nulls[number], value, isnull))
		return;
	row->values[number] = value;
	row->nulls[number] = isnull;
	row->given[number] = row->changed[number] = true;
}

/* Whether two registers have one value, written alike. */
static bool
same_value(const Register *a, const Register *b)
{
	if (a->value.data == NULL || b->value.data == NULL)
		return a->value.data == b->value.data;
	return a->form == b->form && a->value.size == b->value.size && memcmp(a->value.data, b->value.data, a->value.size) == 0;
}

/*
 * The values of a joined state, where they are not those of the old one: where stamps differ,
 * or with "repair", images.
 */
static void
take_values(SyncRow *row, const RowState *old, const RowState *joined, bool repair)
{
	const SyncTable *table = row->table;
	bool		same_life = old != NULL && old->life == joined->life;
	int			level = table->needs_settings ? sync_begin_images() : 0;

	for (int i = 0, j = 0; i < joined->register_count; i++)
	{
		const Register *new = &joined->registers[i];
		int			number = column_of(table, new->column);
		bool		isnull;
		Datum		value;

		while (same_life && j < old->register_count && old->registers[j].column < new->column)
			j++;
		if (same_life && j < old->register_count && old->registers[j].column == new->column &&
			stamp_equal(&old->registers[j].stamp, &new->stamp) && (!repair || same_value(&old->registers[j], new)))
			continue;
		value = sync_value(&table->columns[number], new, &isnull);
		set_column(row, number, value, isnull);
	}
	for (int i = 0; i < joined->counter_count; i++)
	{
		int			number = column_of(table, joined->counters[i].column);
		int64_t		sum;

		if (!counter_sum(&joined->counters[i], &sum))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("sum of counter \"%s\" is out of range", table->columns[number].name)));
		set_column(row, number, sync_counter_datum(&table->columns[number], sum), false);
	}
	for (int i = 0; i < joined->set_count; i++)
	{
		int			number = column_of(table, joined->sets[i].column);

		set_column(row, number,
				   sync_set_value(&table->columns[number], joined->sets[i].elements, joined->sets[i].count), false);
	}
	if (table->needs_settings)
		sync_end_images(level);
}

/*
 * The state of a row that is there.  Of registers that "told" has under the same stamp, it has images,
 * for these to be compared; of none if that is NULL.
 */
static RowState *
state_of(const SyncRow *row, const RowState *clock, const RowState *told)
{
	const SyncTable *table = row->table;
	RowState   *state = sync_row_state(table, clock, row->values, row->nulls, false);
	int			level = told != NULL ? sync_begin_images() : 0;

	for (int i = 0, j = 0; told != NULL && i < state->register_count; i++)
	{
		Register   *here = &state->registers[i];
		int			number = column_of(table, here->column);

		while (j < told->register_count && told->registers[j].column < here->column)
			j++;
		if (j < told->register_count && told->registers[j].column == here->column &&
			stamp_equal(&told->registers[j].stamp, &here->stamp))
			here->value = sync_image(&table->columns[number], row->values[number], row->nulls[number]);
	}
	if (told != NULL)
		sync_end_images(level);
	return state;
}

/* What a register here shows. */
static Image
image_of(const SyncRow *row, const SyncColumn *column)
{
	int			number = column - row->table->columns;
	int			level = row->table->needs_settings ? sync_begin_images() : 0;
	Image		image = sync_image(column, row->values[number], row->nulls[number]);

	if (row->table->needs_settings)
		sync_end_images(level);
	return image;
}

/* Registers that were written on both sides, neither knowing of the other, to unlike values. */
static void
note_conflicts(SyncMerge *merge, const SyncRow *row, const RowState *old, const RowState *incoming)
{
	if (old == NULL || old->life != incoming->life || merge->known == NULL)
		return;
	for (int i = 0, j = 0; i < incoming->register_count; i++)
	{
		const Register *theirs = &incoming->registers[i];
		Register	ours;
		const SyncColumn *column;

		while (j < old->register_count && old->registers[j].column < theirs->column)
			j++;
		if (j == old->register_count || old->registers[j].column != theirs->column)
			continue;
		ours = old->registers[j];
		if (stamp_equal(&ours.stamp, &theirs->stamp) || sync_is_action(&ours.stamp) ||
			version_covers(merge->known, ours.stamp.site, ours.stamp.txn))
			continue;
		column = &row->table->columns[column_of(row->table, theirs->column)];
		ours.form = column->form;
		ours.value = image_of(row, column);
		if (same_value(theirs, &ours))
			continue;
		merge->conflicts++;
		note_conflict(row->table->name, row->key, column, theirs, &ours);
	}
}

/* The tracked table of a published name, mostly that of the row before; or NULL. */
static SyncTable *
table_of(SyncMerge *merge, const char *name)
{
	Oid			root;

	if (merge->table != NULL && !merge->table->stale && strcmp(merge->table->name, name) == 0)
		return merge->table;
	root = sync_table_by_name(name);
	merge->table = OidIsValid(root) ? sync_table_get(root) : NULL;
	return merge->table;
}

/*
 * Put what is told in the place of what is here under the same stamp, as that was changed
 * behind the triggers' back.  "joined" is changed in place.
 */
static void
take_told(RowState *joined, const RowState *told)
{
	if (joined->life != told->life)
		return;
	for (int i = 0; i < joined->register_count; i++)
		for (int j = 0; j < told->register_count; j++)
			if (told->registers[j].column == joined->registers[i].column &&
				stamp_equal(&told->registers[j].stamp, &joined->registers[i].stamp))
			{
				joined->registers[i].form = told->registers[j].form;
				joined->registers[i].value = told->registers[j].value;
			}
	for (int i = 0; i < joined->counter_count; i++)
	{
		CounterShare *shares = palloc(sizeof(CounterShare) * joined->counters[i].count);

		memcpy(shares, joined->counters[i].shares, sizeof(CounterShare) * joined->counters[i].count);
		joined->counters[i].shares = shares;
		for (int j = 0; j < told->counter_count; j++)
			for (int k = 0; told->counters[j].column == joined->counters[i].column && k < joined->counters[i].count; k++)
				for (int l = 0; l < told->counters[j].count; l++)
					if (stamp_equal(&told->counters[j].shares[l].stamp, &joined->counters[i].shares[k].stamp))
						shares[k].total = told->counters[j].shares[l].total;
	}
	for (int i = 0; i < joined->set_count; i++)
		for (int j = 0; j < told->set_count; j++)
			if (told->sets[j].column == joined->sets[i].column && told->sets[j].context_count == joined->sets[i].context_count &&
				memcmp(told->sets[j].context, joined->sets[i].context, sizeof(Stamp) * told->sets[j].context_count) == 0)
				joined->sets[i] = told->sets[j];
}

/*
 * For tests: what a join must not do.  "joined" is changed in place.
 */
static void
join_wrongly(const RowState *old, const RowState *incoming, RowState *joined)
{
	bool		upsert = VM_FAULT("upsert");
	bool		no_tie_break = VM_FAULT("no-tie-break");

	if (old->life != incoming->life)
		return;
	for (int i = 0; i < joined->register_count && (upsert || no_tie_break); i++)
	{
		Register   *joint = &joined->registers[i];
		const Register *ours = NULL;
		const Register *theirs = NULL;

		for (int j = 0; j < old->register_count; j++)
			if (old->registers[j].column == joint->column)
				ours = &old->registers[j];
		for (int j = 0; j < incoming->register_count; j++)
			if (incoming->registers[j].column == joint->column)
				theirs = &incoming->registers[j];
		if (upsert && theirs != NULL)
			*joint = *theirs;
		else if (no_tie_break && ours != NULL && theirs != NULL && ours->stamp.time == theirs->stamp.time)
			*joint = *ours;
	}
	for (int i = 0; i < joined->counter_count && VM_FAULT("increments"); i++)
		for (int j = 0; j < joined->counters[i].count; j++)
			for (int k = 0; k < old->counter_count; k++)
				for (int l = 0; l < old->counters[k].count; l++)
				{
					CounterShare *joint = &joined->counters[i].shares[j];
					const CounterShare *ours = &old->counters[k].shares[l];

					if (old->counters[k].column == joined->counters[i].column && ours->stamp.site == joint->stamp.site &&
						!stamp_equal(&ours->stamp, &joint->stamp))
						joint->total += ours->total;
				}
}

/*
 * What is parked of a key under the bytes that it has here, and where it was written in another
 * form, under those; or NULL.
 */
static RowState *
find_parked(const SyncTable *table, const SyncItem *item, Image key)
{
	SyncNames  *names;
	RowState   *parked = sync_parked(item->name, key, NULL, &names);

	if (parked != NULL)
		parked = sync_fit(table, names, parked);
	if (!sync_key_is_own(table, item->names))
	{
		RowState   *foreign = sync_parked(item->name, item->key, NULL, &names);

		if (foreign != NULL)
			foreign = sync_fit(table, names, foreign);
		parked = parked == NULL ? foreign : foreign == NULL ? parked : row_join(parked, foreign);
	}
	return parked;
}

/*
 * Join what a delta has of a row with what is here.
 *
 * Within SPI, in a subtransaction of its own or of a group, as it may fail for reasons
 * of data; as the table's owner, whose lock for writing is held.
 *
 * Errors: what writing the row raises.
 */
void
sync_apply_row(SyncMerge *merge, const SyncItem *item)
{
	const char *name = item->name;
	Image		key;
	SyncRow		row = {.table = table_of(merge, name)};
	Oid			root;
	RowState   *incoming;
	RowState   *parked;
	bool		repair = merge->repair || item->is_right;

	if (row.table == NULL || !OidIsValid(item->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("no table is tracked here as \"%s\"", name),
				 errhint("Create it and SELECT vecmark.track() it; then SELECT vecmark.retry_parked().")));
	root = row.table->root;
	row.key = key = sync_own_key(row.table, item->names, item->key);
	row.values = palloc(sizeof(Datum) * (row.table->column_count + 1));
	row.nulls = palloc(sizeof(bool) * (row.table->column_count + 1));
	incoming = sync_fit(row.table, item->names, item->state);
	parked = find_parked(row.table, item, key);

	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++)
	{
		RowState   *clock;
		RowState   *old = NULL;
		const RowState *joined = parked != NULL ? row_join(parked, incoming) : incoming;
		bool		found;

		row.given = palloc0(row.table->column_count + 1);
		row.changed = palloc0(row.table->column_count + 1);
		sync_key_values(row.table, key, row.values, row.nulls);
		found = sync_read_row(row.table, true, row.values, row.nulls, &clock);
		if (found && sync_clock_is_lost(clock))
			memset(row.given, true, row.table->column_count);
		else if (found)
		{
			old = state_of(&row, clock, repair ? joined : NULL);
			memset(row.given, true, row.table->column_count);
		}
		else
			old = sync_tombstone(root, key, NULL);
		if (item->is_part && old == NULL && parked == NULL)
		{
			merge->stale++;
			return;
		}
		if (attempt == 0 && found && !repair)
			note_conflicts(merge, &row, old, incoming);
		if (old != NULL)
		{
			RowState   *both = row_join(old, joined);

			join_wrongly(old, joined, both);
			if (repair)
				take_told(both, incoming);
			joined = both;
		}
		if (joined->base.site == 0)
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("the rest of a row of table \"%s\" has not arrived yet", name)));

		if (old != NULL && (repair ? row_equal(old, joined) : sync_same_clock(old, joined)))
			merge->stale++;
		else if (row_is_alive(joined))
		{
			take_values(&row, found ? old : NULL, joined, repair);
			if (found)
				sync_update_row(&row, joined);
			else if (!sync_insert_row(&row, joined))
				continue;
			merge->applied++;
		}
		else if (found)
		{
			sync_delete_row(&row, joined);
			merge->applied++;
		}
		else
		{
			if (!sync_write_tombstone(root, key, joined) || sync_wait_for_row(&row))
				continue;
			merge->applied++;
		}
		if (parked != NULL)
			sync_unpark(name, key);
		if (parked != NULL && !sync_key_is_own(row.table, item->names))
			sync_unpark(name, item->key);
		sync_log_state(root, key, incoming, found || !row_is_alive(joined) ? 0 : joined->life);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access to a row of table \"%s\" due to concurrent changes", name)));
}
