/*
 * sync_capture.c: the triggers of tracked tables: they stamp what is written.
 */
#include "postgres.h"
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "replaced/replaced.h"
#include "storage/proc.h"
#include "sync/sync_capture.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_capture);
VM_FUNCTION_INFO(vecmark_refuse_truncate);
VM_FUNCTION_INFO(vecmark_merging);

/* The row that a merge is writing, or NULL. */
static SyncMark *marked;

/* The clock that the transaction's writes have, and of which transaction it is. */
static uint64_t own_time;
static LocalTransactionId own_time_of;

/* For tests: milliseconds that this session's clock is wrong by, or shows instead. */
static int	clock_offset;
static double clock_stopped;

/* Seconds; setting vecmark.max_drift. */
int			sync_max_drift;

/* Set the mark, or none; returns the one before. */
SyncMark   *
sync_mark(SyncMark *mark)
{
	SyncMark   *before = marked;

	marked = mark;
	if (mark != NULL && mark->depth == 0)
		mark->depth = sync_trigger_depth() + 1;
	return before;
}

/* A time as the hybrid clock has it: milliseconds since 1970 in the upper 48 bits. */
static uint64_t
clock_at(TimestampTz time)
{
	int64		ms = time / 1000 +
	(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000 + clock_offset;

	return (uint64_t) Max(ms, 0) << 16;
}

/* The hybrid clock. */
uint64_t
sync_now(void)
{
	if (clock_stopped > 0)
		return (uint64_t) clock_stopped << 16;
	return clock_at(GetCurrentTimestamp());
}

/*
 * The stamp of a write of this transaction, later than what it saw ("seen" may be
 * NULL).  All writes of a transaction have the same time, unless rows are later.  Times of writes are
 * even; see sync_action_stamp.
 */
Stamp
sync_stamp(const RowState *seen)
{
	Stamp		stamp;

	stamp.site = sync_writer_site();
	stamp.txn = sync_writer_txn();
	if (own_time_of != vm_local_xid())
	{
		own_time = sync_now();
		own_time_of = vm_local_xid();
	}
	stamp.time = own_time;
	if (seen != NULL)
	{
		Stamp		last = row_last_stamp(seen);

		/* A row that this transaction stamped before keeps that stamp. */
		if (last.time >= stamp.time && !(last.site == stamp.site && last.txn == stamp.txn))
			stamp.time = (last.time | 1) + 1;
		else
			stamp.time = Max(stamp.time, last.time);
	}
	return stamp;
}

/*
 * The stamp of what a foreign key's action makes of a value, in a merge: later than that value, and
 * earlier than any write of somebody who saw it.
 */
Stamp
sync_action_stamp(const Stamp *seen)
{
	Stamp		stamp = {seen->time + 1, sync_writer_site(), sync_writer_txn()};

	return stamp;
}

/*
 * Whether a stamp is of such an action, or of a row that was taken in with its table, which is stamped
 * in the same way; what nobody wrote is no loss when it loses.
 */
bool
sync_is_action(const Stamp *stamp)
{
	return (stamp->time & 1) != 0;
}

/*
 * Whether a merge is about to leave this row alive, or dead.  Anything else that becomes
 * of it meanwhile is a trigger's doing.
 */
static bool
is_marked(const SyncTable *table, Image key, bool alive)
{
	return marked != NULL && marked->root == table->root && row_is_alive(marked->state) == alive &&
		marked->key.size == key.size && memcmp(marked->key.data, key.data, key.size) == 0;
}

/* Whether a value was changed, without fetching what is stored out of line. */
bool
sync_is_changed(const SyncColumn *column, Datum old, bool old_isnull, Datum new, bool new_isnull)
{
	if (old_isnull || new_isnull)
		return old_isnull != new_isnull;
	if (column->typlen == -1 && DatumGetPointer(old) != DatumGetPointer(new))
	{
		struct varlena *a = (struct varlena *) DatumGetPointer(old);
		struct varlena *b = (struct varlena *) DatumGetPointer(new);

		if (VARATT_IS_EXTERNAL_ONDISK(a) && VARATT_IS_EXTERNAL_ONDISK(b))
		{
			struct varatt_external x;
			struct varatt_external y;

			VARATT_EXTERNAL_GET_POINTER(x, a);
			VARATT_EXTERNAL_GET_POINTER(y, b);
			if (memcmp(&x, &y, sizeof(x)) == 0)
				return false;
		}
		return !datum_image_eq(old, new, column->byval, column->typlen);
	}
	return !datum_image_eq(old, new, column->byval, column->typlen);
}

/* The stamp of a register. */
static const Stamp *
stamp_of(const RowState *clock, ColumnId id)
{
	for (int i = 0; i < clock->register_count; i++)
		if (clock->registers[i].column == id)
			return &clock->registers[i].stamp;
	return &clock->base;
}

static void
set_register(RowState *clock, ColumnId id, const Stamp *stamp)
{
	Register   *registers;
	int			place = 0;

	while (place < clock->register_count && clock->registers[place].column < id)
		place++;
	if (place < clock->register_count && clock->registers[place].column == id)
	{
		clock->registers[place].stamp = *stamp;
		return;
	}
	registers = palloc(sizeof(Register) * (clock->register_count + 1));
	if (place > 0)
		memcpy(registers, clock->registers, sizeof(Register) * place);
	registers[place] = (Register)
	{
		id, FORM_TEXT, *stamp,
		{
			NULL, 0
		}
	};
	if (clock->register_count > place)
		memcpy(registers + place + 1, clock->registers + place, sizeof(Register) * (clock->register_count - place));
	clock->registers = registers;
	clock->register_count++;
}

static void
set_counter(RowState *clock, const Counter *counter)
{
	Counter    *counters = palloc(sizeof(Counter) * (clock->counter_count + 1));
	int			count = 0;
	bool		placed = false;

	for (int i = 0; i < clock->counter_count; i++)
	{
		if (!placed && clock->counters[i].column >= counter->column)
		{
			counters[count++] = *counter;
			placed = true;
		}
		if (clock->counters[i].column != counter->column)
			counters[count++] = clock->counters[i];
	}
	if (!placed)
		counters[count++] = *counter;
	clock->counters = counters;
	clock->counter_count = count;
}

static void
set_set(RowState *clock, const ElementSet *set)
{
	ElementSet *sets = palloc(sizeof(ElementSet) * (clock->set_count + 1));
	int			count = 0;
	bool		placed = false;

	for (int i = 0; i < clock->set_count; i++)
	{
		if (!placed && clock->sets[i].column >= set->column)
		{
			sets[count++] = *set;
			placed = true;
		}
		if (clock->sets[i].column != set->column)
			sets[count++] = clock->sets[i];
	}
	if (!placed)
		sets[count++] = *set;
	clock->sets = sets;
	clock->set_count = count;
}

/* Add to the own share of a counter. */
static void
add_to_counter(RowState *clock, const SyncColumn *column, int64 visible, int64 difference, const Stamp *stamp)
{
	Counter    *counter = sync_complete_counter(clock, column->id, visible);
	CounterShare *shares = palloc(sizeof(CounterShare) * (counter->count + 1));
	int			place = 0;
	int			rest;

	memcpy(shares, counter->shares, sizeof(CounterShare) * counter->count);
	while (place < counter->count && shares[place].stamp.site < stamp->site)
		place++;
	rest = counter->count - place;
	if (rest > 0 && shares[place].stamp.site == stamp->site)
	{
		if (pg_add_s64_overflow(shares[place].total, difference, &shares[place].total))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("total of counter \"%s\" is out of range", column->name)));
		shares[place].stamp = *stamp;
	}
	else
	{
		memmove(shares + place + 1, shares + place, sizeof(CounterShare) * rest);
		shares[place] = (CounterShare)
		{
			*stamp, difference
		};
		counter->count++;
	}
	counter->shares = shares;
	set_counter(clock, counter);
}

/* Put the stamp of a site into a context or among dots, in the place of its earlier one. */
static Stamp *
with_stamp(const Stamp *stamps, int *count, const Stamp *stamp)
{
	Stamp	   *result = palloc(sizeof(Stamp) * (*count + 1));
	int			kept = 0;
	bool		placed = false;

	for (int i = 0; i < *count; i++)
	{
		if (!placed && stamps[i].site >= stamp->site)
		{
			result[kept++] = *stamp;
			placed = true;
		}
		if (stamps[i].site != stamp->site)
			result[kept++] = stamps[i];
	}
	if (!placed)
		result[kept++] = *stamp;
	*count = kept;
	return result;
}

/*
 * Change a set from what was visible to "elements"; false if they are the same.
 */
static bool
change_set(RowState *clock, const SyncColumn *column, Element *old, int old_count,
		   Element *elements, int count, const Stamp *stamp)
{
	ElementSet *set = sync_complete_set(clock, column->id, old, old_count);
	bool		changed = old_count != count;

	for (int i = 0, j = 0; i < count; i++)
	{
		while (j < old_count && old[j].hash < elements[i].hash)
			j++;
		if (j < old_count && old[j].hash == elements[i].hash)
		{
			elements[i].count = old[j].count;
			elements[i].dots = old[j].dots;
		}
		else
		{
			elements[i].count = 1;
			elements[i].dots = palloc(sizeof(Stamp));
			elements[i].dots[0] = *stamp;
			changed = true;
		}
	}
	if (!changed)
		return false;
	set->elements = elements;
	set->count = count;
	set->context = with_stamp(set->context, &set->context_count, stamp);
	set_set(clock, set);
	return true;
}

/* Give what one site has added to another, which has added nothing. */
static void
move_share(Counter *counter, Site from, const Stamp *to)
{
	CounterShare *shares = palloc(sizeof(CounterShare) * counter->count);
	CounterShare moved;
	bool		found = false;
	int			count = 0;

	for (int i = 0; i < counter->count; i++)
		if (counter->shares[i].stamp.site == from)
		{
			moved = counter->shares[i];
			found = true;
		}
		else
			shares[count++] = counter->shares[i];
	if (!found)
		return;
	moved.stamp.site = to->site;
	moved.stamp.txn = to->txn;
	for (; count > 0 && shares[count - 1].stamp.site > to->site; count--)
		shares[count] = shares[count - 1];
	shares[count] = moved;
	counter->shares = shares;
}

/*
 * Put this transaction in the place of those of a site that others know otherwise, in
 * registers, in the base, and beside them in sets; false if there are none.  Times grow by
 * the least there is: it replaces what others have of it, and not what they wrote over it.
 *
 * What the site has added to a counter stays its own, as nobody can tell which part of it
 * others know; but of rows that were born since the server was started, after the files
 * were put back, nobody knows any.
 */
bool
sync_restamp_state(RowState *state, Site old)
{
	Stamp		stamp = {0, sync_writer_site(), sync_writer_txn()};
	bool		changed = false;

	if (state->base.site == old)
	{
		for (int i = 0; i < state->counter_count && state->base.time >= clock_at(PgStartTime); i++)
			move_share(&state->counters[i], old, &stamp);
		stamp.time = state->base.time + 1;
		state->base = stamp;
		changed = true;
	}
	for (int i = 0; i < state->register_count; i++)
		if (state->registers[i].stamp.site == old)
		{
			stamp.time = state->registers[i].stamp.time + 1;
			state->registers[i].stamp = stamp;
			changed = true;
		}
	for (int i = 0; i < state->set_count; i++)
	{
		ElementSet *set = &state->sets[i];
		bool		known = false;

		for (int j = 0; j < set->count; j++)
		{
			Element    *element = &set->elements[j];
			bool		has = false;

			for (int n = 0; n < element->count; n++)
				if (element->dots[n].site == old)
				{
					stamp.time = element->dots[n].time + 1;
					has = true;
				}
			if (has)
				element->dots = with_stamp(element->dots, &element->count, &stamp);
		}
		for (int j = 0; j < set->context_count; j++)
			if (set->context[j].site == old)
			{
				stamp.time = set->context[j].time + 1;
				known = true;
			}
		if (known)
			set->context = with_stamp(set->context, &set->context_count, &stamp);
		changed |= known;
	}
	return changed;
}

/* Whether a merge is deleting the row that is marked; or rows together, of which none is. */
static bool
is_deleting(void)
{
	return marked->state == NULL || !row_is_alive(marked->state);
}

/*
 * Whether the statement with which a merge writes a row has set off this trigger by another statement,
 * not by way of a user's trigger that writes what has foreign keys: then it is an action of one.
 */
static bool
is_set_off(void)
{
	return marked != NULL && marked->depth > 0 && sync_trigger_depth() == marked->depth + 1;
}

/* The clock of a row with all its columns, for what it is joined with. */
static RowState *
whole_clock(const SyncTable *table, const RowState *clock, const Datum *values, const bool *nulls)
{
	return sync_row_state(table, clock, values, nulls, false);
}

/*
 * A new row: its clock is its birth; sets are put in order, counters are not null.  "action" is the stamp of
 * what it was before, if a foreign key's action gives it another key; or NULL.
 */
static void
form_birth(const SyncTable *table, Image key, Datum *values, bool *nulls, const Stamp *action, RowState *clock)
{
	RowState   *tombstone = sync_tombstone(table->root, key, NULL);

	memset(clock, 0, sizeof(RowState));
	clock->life = (Max(tombstone != NULL ? tombstone->life : 0, sync_forgotten_life(false)) + 1) | 1;
	clock->base = action != NULL && tombstone == NULL ? sync_action_stamp(action) : sync_stamp(tombstone);
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = &table->columns[i];

		if (column->kind == SYNC_COUNTER && nulls[i])
		{
			values[i] = sync_counter_datum(column, 0);
			nulls[i] = false;
		}
		else if (column->kind == SYNC_SET)
		{
			int			count;
			Element    *elements = sync_set_elements(column, values[i], nulls[i], &count);

			values[i] = sync_set_value(column, elements, count);
			nulls[i] = false;
		}
	}
}

/*
 * Stamp what an update changed, in "clock", which is the old row's; false if
 * nothing was.  "acted" are columns that a foreign key's action changes, or NULL.
 */
static bool
form_update(const SyncTable *table, const Datum *old_values, const bool *old_nulls,
			Datum *values, bool *nulls, const bool *acted, RowState *clock)
{
	Stamp		stamp = {0, 0, 0};
	bool		changed = false;
	RowState	before = *clock;

	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = &table->columns[i];

		if (column->kind == SYNC_LOCAL || column->is_key ||
			!sync_is_changed(column, old_values[i], old_nulls[i], values[i], nulls[i]))
			continue;
		if (stamp.site == 0)
			stamp = sync_stamp(&before);
		switch (column->kind)
		{
			case SYNC_REGISTER:
				if (acted != NULL && acted[i])
				{
					Stamp		action = sync_action_stamp(stamp_of(&before, column->id));

					set_register(clock, column->id, &action);
				}
				else
					set_register(clock, column->id, &stamp);
				changed = true;
				break;
			case SYNC_COUNTER:
				{
					int64		old = sync_counter_value(column, old_values[i], old_nulls[i]);
					int64		difference;

					if (pg_sub_s64_overflow(sync_counter_value(column, values[i], nulls[i]), old, &difference))
						ereport(ERROR,
								(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
								 errmsg("change of counter \"%s\" is out of range", column->name)));
					add_to_counter(clock, column, old, difference, &stamp);
					values[i] = sync_counter_datum(column, old + difference);
					nulls[i] = false;
					changed = true;
					break;
				}
			case SYNC_SET:
				{
					int			old_count;
					int			count;
					Element    *old = sync_set_elements(column, old_values[i], old_nulls[i], &old_count);
					Element    *elements = sync_set_elements(column, values[i], nulls[i], &count);

					changed |= change_set(clock, column, old, old_count, elements, count, &stamp);
					values[i] = sync_set_value(column, elements, count);
					nulls[i] = false;
					break;
				}
			case SYNC_LOCAL:
				break;
		}
	}
	return changed;
}

/* The values of a tuple, of all columns of the table. */
void
sync_row_values(const SyncTable *table, HeapTuple tuple, TupleDesc desc, Datum *values, bool *nulls)
{
	for (int i = 0; i < table->column_count; i++)
		values[i] = heap_getattr(tuple, table->columns[i].attnum, desc, &nulls[i]);
}

static HeapTuple
with_values(const SyncTable *table, HeapTuple tuple, TupleDesc desc,
			const Datum *before, const bool *before_nulls, const Datum *values, const bool *nulls, Datum clock)
{
	int		   *columns = palloc(sizeof(int) * (table->column_count + 1));
	Datum	   *new_values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *new_nulls = palloc(sizeof(bool) * (table->column_count + 1));
	int			count = 0;

	columns[count] = table->clock;
	new_values[count] = clock;
	new_nulls[count++] = false;
	for (int i = 0; i < table->column_count; i++)
	{
		if (nulls[i] == before_nulls[i] && (nulls[i] || values[i] == before[i]))
			continue;
		columns[count] = table->columns[i].attnum;
		new_values[count] = values[i];
		new_nulls[count++] = nulls[i];
	}
	return heap_modify_tuple_by_cols(tuple, desc, count, columns, new_values, new_nulls);
}

/* The columns of a partition in the order of the root's, where they differ. */
static void
copy_marked(const SyncTable *table, const SyncTable *root, Datum *values, bool *nulls)
{
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = root == table ? &table->columns[i] : sync_table_column(root, table->columns[i].name);
		int			number = column - root->columns;

		if (table->columns[i].kind == SYNC_LOCAL || table->columns[i].is_key || !marked->given[number])
			continue;
		values[i] = marked->values[number];
		nulls[i] = marked->nulls[number];
	}
}

/* A death: the tombstone of a row with this clock. */
static void
bury(const SyncTable *table, Image key, const RowState *clock)
{
	RowState	dead = {0};

	dead.life = clock->life + 1;
	dead.base = sync_stamp(clock);
	sync_log_death(table->root, key, &dead);
}

/* The clock of a row of a tracked table.  Errors: XX001 if it has none. */
RowState   *
sync_clock_of(const SyncTable *table, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		clock = heap_getattr(tuple, table->clock, desc, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of table \"%s\" has no clock", table->name)));
	return sync_clock_from_datum(clock);
}

/*
 * SQL: vecmark_internal.capture(), trigger BEFORE INSERT OR UPDATE OR DELETE FOR EACH ROW of a
 * tracked table, the last one.
 */
Datum
vecmark_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	SyncTable  *table;
	HeapTuple	new;
	Datum	   *values;
	bool	   *nulls;
	Datum	   *given;
	bool	   *given_nulls;
	RowState	born;
	RowState   *clock = &born;
	Image		key;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for triggers BEFORE ROW of tracked tables", "vecmark_internal.capture")));
	desc = RelationGetDescr(trigger->tg_relation);
	table = sync_table_get(RelationGetRelid(trigger->tg_relation));
	values = palloc(sizeof(Datum) * (table->column_count + 1));
	nulls = palloc(sizeof(bool) * (table->column_count + 1));

	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
	{
		for (int i = 0; i < table->key_count; i++)
			values[table->key[i]] = heap_getattr(trigger->tg_trigtuple, table->columns[table->key[i]].attnum, desc, &nulls[table->key[i]]);
		key = sync_key_image(table, values);
		if (is_marked(table, key, false))
		{
			marked->reached = true;
			sync_bury(table->root, key, marked->state);
		}
		else
		{
			const RowState *told = NULL;

			clock = sync_clock_of(table, trigger->tg_trigtuple, desc);
			if (is_set_off() && is_deleting() && sync_refers(table->relid))
			{
				sync_row_values(table, trigger->tg_trigtuple, desc, values, nulls);
				told = sync_refer(table, key, whole_clock(table, clock, values, nulls), marked->state);
			}
			if (told != NULL)
				sync_bury(table->root, key, told);
			else
				bury(table, key, clock);
		}
		return PointerGetDatum(trigger->tg_trigtuple);
	}

	sync_row_values(table, trigger->tg_trigtuple, desc, values, nulls);
	given = palloc(sizeof(Datum) * (table->column_count + 1));
	given_nulls = palloc(sizeof(bool) * (table->column_count + 1));
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		new = trigger->tg_trigtuple;
		memcpy(given, values, sizeof(Datum) * table->column_count);
		memcpy(given_nulls, nulls, sizeof(bool) * table->column_count);
		for (int i = 0; i < table->key_count; i++)
			if (nulls[table->key[i]])
				return PointerGetDatum(new);	/* for the constraint to
												 * refuse */
		key = sync_key_image(table, values);
		if (is_marked(table, key, true))
		{
			marked->reached = true;
			copy_marked(table, sync_table_get(table->root), values, nulls);
			clock = (RowState *) marked->state;
		}
		else
		{
			form_birth(table, key, values, nulls, NULL, clock);
			sync_log_key(clock->base.site, clock->base.txn, table->root, key, clock->life);
		}
	}
	else
	{
		Datum	   *old_values = values;
		bool	   *old_nulls = nulls;
		Image		old_key = sync_key_image(table, values);
		bool	   *acted = NULL;

		new = trigger->tg_newtuple;
		sync_row_values(table, new, desc, given, given_nulls);
		values = palloc(sizeof(Datum) * (table->column_count + 1));
		nulls = palloc(sizeof(bool) * (table->column_count + 1));
		memcpy(values, given, sizeof(Datum) * table->column_count);
		memcpy(nulls, given_nulls, sizeof(bool) * table->column_count);
		for (int i = 0; i < table->key_count; i++)
			if (nulls[table->key[i]])
				return PointerGetDatum(new);
		key = sync_key_image(table, values);
		clock = sync_clock_of(table, trigger->tg_trigtuple, desc);
		if (is_set_off())
			acted = sync_acted_columns(table, trigger->tg_relation, old_values, old_nulls, values, nulls);
		if (acted != NULL && is_deleting())
			(void) sync_refer(table, old_key, whole_clock(table, clock, old_values, old_nulls), marked->state);
		if (key.size != old_key.size || memcmp(key.data, old_key.data, key.size) != 0)
		{
			Stamp		last;

			/* Another key is another row. */
			bury(table, old_key, clock);
			last = row_last_stamp(clock);
			clock = &born;
			form_birth(table, key, values, nulls, acted != NULL ? &last : NULL, clock);
			sync_log_key(clock->base.site, clock->base.txn, table->root, key, clock->life);
		}
		else if (is_marked(table, key, true))
		{
			/*
			 * A trigger that writes the row once more, after it was merged,
			 * changes nothing; doing that nothing would call the trigger
			 * again.
			 */
			if (marked->reached)
				return PointerGetDatum(NULL);
			marked->reached = true;
			copy_marked(table, sync_table_get(table->root), values, nulls);
			clock = (RowState *) marked->state;
		}
		else if (form_update(table, old_values, old_nulls, values, nulls, acted, clock))
		{
			/* Who writes a row whose clock is lost writes all of it. */
			if (sync_clock_is_lost(clock))
			{
				memset(&born, 0, sizeof(born));
				born.life = clock->life;
				born.base = sync_stamp(NULL);
				clock = &born;
			}
			sync_log_key(sync_writer_site(), sync_writer_txn(), table->root, key, 0);
		}
	}
	replaced_note(table->relid, TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? &trigger->tg_trigtuple->t_self : NULL);
	return PointerGetDatum(with_values(table, new, desc, given, given_nulls, values, nulls, sync_clock_datum(clock)));
}

/* SQL: vecmark_internal.refuse_truncate(), trigger BEFORE TRUNCATE of a tracked table. */
Datum
vecmark_refuse_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for triggers", "vecmark_internal.refuse_truncate")));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot truncate tracked table \"%s\"", RelationGetRelationName(trigger->tg_relation)),
			 errdetail("Other nodes would not learn of it."),
			 errhint("Use DELETE, or vecmark.untrack() first.")));
}

/* SQL: vecmark.merging(): whether a merge is writing a row. */
Datum
vecmark_merging(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(marked != NULL);
}

/* Define the settings of this room. */
void
sync_define_settings(void)
{
	DefineCustomIntVariable("vecmark.max_drift",
							"How far ahead of this machine's clock the clock of a delta may be.",
							"Deltas further ahead are quarantined.",
							&sync_max_drift,
							300, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
#ifdef VECMARK_TESTPOINTS
	DefineCustomIntVariable("vecmark.test_clock_offset",
							"Milliseconds by which this session's clock is wrong, for tests.",
							NULL,
							&clock_offset,
							0, INT_MIN, INT_MAX,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomRealVariable("vecmark.test_clock",
							 "Milliseconds since 1970 at which this session's clock stands, for tests.",
							 "0 is a clock that goes.",
							 &clock_stopped,
							 0, 0, 1e14,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
#endif
}
