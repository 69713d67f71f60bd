/*
 * ledger.c: what clients were told is committed, and whether it is there at rest.
 *
 * It believes nothing that the databases say of themselves: rows are there, or were deleted by somebody who saw them; so with
 * elements of sets; every increment counts; a value was written, and not written over by somebody who saw it.
 * Two things weaken that, as the README says.  What was written to a table and told to nobody is lost
 * when the table is dropped.  What is told anew as it is, as its table was untracked or lost its clocks, or a
 * partition was away, wins: what others wrote to these rows before may be gone then, and what they took away be there again.
 */
#include "upheaval.h"

#include <stdlib.h>
#include <string.h>

static int
find_entry(Ledger *ledger, char table, const char *key)
{
	for (int i = 0; i < ledger->entry_count; i++)
		if (ledger->entries[i].table == table && strcmp(ledger->entries[i].key, key) == 0)
			return i;
	return -1;
}

/* Put on record what was acknowledged; its number. */
int
ledger_mark(Ledger *ledger, int place, MarkKind kind, char table, const char *key, char column, const char *value, int amount)
{
	int			entry = find_entry(ledger, table, key);
	Mark	   *mark;

	if (entry < 0)
	{
		ledger->entries = realloc(ledger->entries, sizeof(Entry) * (ledger->entry_count + 1));
		entry = ledger->entry_count++;
		ledger->entries[entry].table = table;
		snprintf(ledger->entries[entry].key, KEY_SIZE, "%s", key);
	}
	ledger->mark_count++;
	ledger->marks = realloc(ledger->marks, sizeof(Mark) * (ledger->mark_count + 1));
	mark = &ledger->marks[ledger->mark_count];
	*mark = (Mark)
	{
		.kind = kind,.entry = entry,.place = place,.column = column,.amount = amount
	};
	snprintf(mark->value, VALUE_SIZE, "%s", value);
	return ledger->mark_count;
}

/* Who made the mark "by" saw a value, and wrote over it or took it away. */
void
ledger_undo(Ledger *ledger, char table, const char *key, MarkKind kind, char column, const char *value, int by)
{
	int			entry = find_entry(ledger, table, key);

	for (int i = 1; i < by; i++)
	{
		Mark	   *mark = &ledger->marks[i];

		if (mark->entry == entry && mark->kind == kind && mark->column == column && strcmp(mark->value, value) == 0)
			mark->undone_by = by;
	}
}

/* What a place has marked of a table from a mark on need not be there. */
void
ledger_excuse(Ledger *ledger, int place, char table, int from)
{
	for (int i = from > 1 ? from : 1; i <= ledger->mark_count; i++)
		if (ledger->marks[i].place == place && ledger->entries[ledger->marks[i].entry].table == table)
			ledger->marks[i].is_excused = true;
}

void
ledger_reset(Ledger *ledger)
{
	free(ledger->entries);
	free(ledger->marks);
	free(ledger->moves);
	memset(ledger, 0, sizeof(*ledger));
}

/*
 * Whether a note may have lost its folder or its lead, and went with the one: some place that it was given was taken away
 * by somebody who had not the note before him.
 */
static bool
may_have_lost(const Ledger *ledger, int entry, bool is_lead)
{
	for (int i = 0; i < ledger->move_count; i++)
	{
		const Move *move = &ledger->moves[i];
		bool		was_given = false;
		bool		was_moved = false;

		if (move->is_lead != is_lead)
			continue;
		for (int j = 1; j <= ledger->mark_count && !was_given; j++)
			was_given = ledger->marks[j].entry == entry && ledger->marks[j].column == (is_lead ? 'L' : 'F') && strcmp(ledger->marks[j].value, move->from) == 0;
		for (int j = 0; j < move->moved_count && !was_moved; j++)
			was_moved = strcmp(move->moved[j], ledger->entries[entry].key) == 0;
		if (was_given && !was_moved)
			return true;
	}
	return false;
}

static void
show_entry(Upheaval *up, int entry)
{
	static const char *const kinds[] = {"insert", "delete", "add", "tag", "untag", "write"};

	for (int i = 1; i <= up->ledger.mark_count; i++)
	{
		const Mark *mark = &up->ledger.marks[i];

		if (mark->entry == entry)
			tell(up->world, "    mark %d, db%d: %s %c %s %d%s, undone by %d\n", i, mark->place, kinds[mark->kind], mark->column != 0 ? mark->column : ' ',
				 mark->value, mark->amount, mark->is_excused ? ", excused" : "", mark->undone_by);
	}
}

/* Whether somebody saw something and took it away, and that was told. */
static bool
is_undone(const Ledger *ledger, const Mark *mark)
{
	return mark->undone_by != 0 && !ledger->marks[mark->undone_by].is_excused;
}

/* A register shows what somebody wrote, and nobody who saw it wrote over. */
static void
check_value(Upheaval *up, int entry, char column, const char *shown, bool is_born_again)
{
	const Ledger *ledger = &up->ledger;
	const Entry *row = &ledger->entries[entry];
	const char *fault = "which nobody wrote";
	bool		may_be_null = true;
	/* a row is born without a value there */
	bool		was_null = column == 'x' && (is_born_again || ledger->is_retold[(int) row->table]);

	for (int i = 1; i <= ledger->mark_count && fault != NULL; i++)
	{
		const Mark *mark = &ledger->marks[i];

		if (mark->entry != entry || mark->kind != MARK_WRITE || mark->column != column)
			continue;
		may_be_null &= mark->is_excused;
		if (shown != NULL && strcmp(mark->value, shown) == 0)
			fault = is_undone(ledger, mark) && !ledger->is_retold[(int) row->table] ? "which was written over" : NULL;
	}
	if (shown == NULL ? !may_be_null && !was_null && !(column == 'L' && may_have_lost(ledger, entry, true)) : fault != NULL)
		violation(up->world, "column %c of row %s of table %c is \"%s\", %s", column, row->key, row->table, shown != NULL ? shown : "null",
				  shown != NULL ? fault : "and was written");
}

/* Every increment is in the sum. */
static void
check_sum(Upheaval *up, int entry, long shown)
{
	const Ledger *ledger = &up->ledger;
	long		least = 0;
	long		most = 0;

	for (int i = 1; i <= ledger->mark_count; i++)
	{
		const Mark *mark = &ledger->marks[i];

		if (mark->entry != entry)
			continue;
		if (mark->kind == MARK_DELETE)
			return;
		most += mark->amount;
		least += mark->is_excused ? 0 : mark->amount;
	}
	if (shown < least || shown > most)
		violation(up->world, "counter of row %s is %ld, and should be %ld", ledger->entries[entry].key, shown, most);
}

static void
check_tags(Upheaval *up, int entry, const char *shown)
{
	const Ledger *ledger = &up->ledger;
	const Entry *row = &ledger->entries[entry];

	for (int i = 1; i <= ledger->mark_count; i++)
		if (ledger->marks[i].entry == entry && ledger->marks[i].kind == MARK_DELETE)
			return;
	for (int i = 1; i <= ledger->mark_count; i++)
	{
		const Mark *mark = &ledger->marks[i];
		char		quoted[VALUE_SIZE + 2];
		bool		is_there;

		if (mark->entry != entry || mark->kind != MARK_TAG)
			continue;
		snprintf(quoted, sizeof(quoted), ",%s,", mark->value);
		is_there = strstr(shown, quoted) != NULL;
		if (!is_there && mark->undone_by == 0 && !mark->is_excused)
			violation(up->world, "element %s of row %s is lost", mark->value, row->key);
		else if (is_there && is_undone(ledger, mark))
			violation(up->world, "element %s of row %s is there again", mark->value, row->key);
	}
}

/* A row of the ledger against one that is shown, or none. */
static void
check_entry(Upheaval *up, int entry, const PGresult *rows, int row)
{
	const Ledger *ledger = &up->ledger;
	const Entry *asked = &ledger->entries[entry];
	int			inserts = 0;
	int			sure_inserts = 0;
	int			deletes = 0;
	int			sure_deletes = 0;

	for (int i = 1; i <= ledger->mark_count; i++)
	{
		const Mark *mark = &ledger->marks[i];

		if (mark->entry != entry)
			continue;
		inserts += mark->kind == MARK_INSERT;
		sure_inserts += mark->kind == MARK_INSERT && !mark->is_excused;
		deletes += mark->kind == MARK_DELETE;
		sure_deletes += mark->kind == MARK_DELETE && !mark->is_excused;
	}
	if (row < 0 && sure_inserts > 0 && deletes == 0 && !(asked->table == TABLE_NOTE && may_have_lost(ledger, entry, false)))
		violation(up->world, "row %s of table %c is lost", asked->key, asked->table);
	else if (row >= 0 && inserts == 1 && sure_deletes > 0 && !ledger->is_retold[(int) asked->table])
		violation(up->world, "row %s of table %c was deleted and is there", asked->key, asked->table);
	for (int i = 1; row >= 0 && i < PQnfields(rows); i++)
	{
		const char *name = PQfname(rows, i);
		const char *shown = PQgetisnull(rows, row, i) ? NULL : PQgetvalue(rows, row, i);

		if (name[0] != 'n' && name[0] != 's')
			check_value(up, entry, name[0], shown, inserts > 1);
		else if (ledger->is_retold[(int) asked->table] || inserts > 1)
			continue;			/* one birth may have taken the place of another */
		else if (name[0] == 'n')
			check_sum(up, entry, shown != NULL ? atol(shown) : 0);
		else
			check_tags(up, entry, shown != NULL ? shown : "");
	}
	if (up->world->failed)
		show_entry(up, entry);
}

/* A table as one place shows it: key, then columns by their letters in the ledger. */
static void
check_table(Upheaval *up, int place, char table, const char *columns, const char *name, bool shown_only)
{
	PGresult   *rows = ask(up, place, "", "SELECT id, %s FROM %s", columns, name);

	for (int i = 0; rows != NULL && i < PQntuples(rows) && !up->world->failed; i++)
	{
		int			entry = find_entry(&up->ledger, table, PQgetvalue(rows, i, 0));

		if (entry < 0)
			violation(up->world, "row %s of table %c was inserted by nobody", PQgetvalue(rows, i, 0), table);
	}
	for (int i = 0; rows != NULL && i < up->ledger.entry_count && !up->world->failed; i++)
	{
		int			row = -1;

		if (up->ledger.entries[i].table != table)
			continue;
		for (int j = 0; j < PQntuples(rows) && row < 0; j++)
			if (strcmp(PQgetvalue(rows, j, 0), up->ledger.entries[i].key) == 0)
				row = j;
		if (!shown_only)
			check_entry(up, i, rows, row);
		else
			for (int j = 1; row >= 0 && j < PQnfields(rows); j++)
			{
				bool		is_written = PQgetisnull(rows, row, j);

				for (int k = 1; k <= up->ledger.mark_count && !is_written; k++)
					is_written = up->ledger.marks[k].entry == i && up->ledger.marks[k].kind == MARK_WRITE &&
						up->ledger.marks[k].column == PQfname(rows, j)[0] && strcmp(up->ledger.marks[k].value, PQgetvalue(rows, row, j)) == 0;
				if (!is_written)
					violation(up->world, "db%d shows \"%s\" in column %s of row %s, which nobody wrote", place, PQgetvalue(rows, row, j), PQfname(rows, j), PQgetvalue(rows, row, 0));
			}
	}
	PQclear(rows);
}

/* What a database with narrow types shows was written so, by whomever. */
void
ledger_check_narrow(Upheaval *up, int place)
{
	check_table(up, place, TABLE_WIDE, "a::text, b::text, c::text, d::text", "wide", true);
}

/* At rest, where all show the same. */
void
ledger_check(Upheaval *up)
{
	check_table(up, 0, TABLE_ITEM, "v, x, n, ',' || array_to_string(s, ',') || ',' AS s", "item", false);
	check_table(up, 0, TABLE_PART, "v", "part", false);
	check_table(up, 0, TABLE_NOTE, "v, folder AS \"F\", lead AS \"L\"", "note", false);
	check_table(up, 0, TABLE_WIDE, "a::text, b::text, c::text, d::text", "wide", false);
}
