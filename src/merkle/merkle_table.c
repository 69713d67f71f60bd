/*
 * merkle_table.c: what a digest of a table hangs on: its columns, and the trigger that keeps it.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "merkle/merkle.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Of what is hashed, and how. */
#define FORMAT 1

/*
 * A number for what digests of a table are made of: the way, the key's and the columns'
 * names and kinds, and the seed.  Digests of other numbers have nothing to do with each other.
 */
uint64_t
merkle_format(const SyncTable *table, uint64_t seed)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%d %s", FORMAT, table->name);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&text, " %08x", table->columns[table->key[i]].id);
	for (int i = 0; i < table->column_count; i++)
		if (!table->by_id[i]->is_key && table->by_id[i]->kind != SYNC_LOCAL)
			appendStringInfo(&text, " %08x%c%d", table->by_id[i]->id, table->by_id[i]->kind, table->by_id[i]->binary);
	return XXH3_64bits_withSeed(text.data, text.len, seed);
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Labels of an enum, or of the enum that an array or a domain is of: renaming one alters values. */
static void
append_labels(StringInfo text, Oid type)
{
	Oid			element = get_element_type(type = getBaseType(type));
	CatCList   *labels;
	char	  **names;

	if (OidIsValid(element))
	{
		append_labels(text, element);
		return;
	}
	if (!type_is_enum(type))
		return;
	labels = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	names = palloc(sizeof(char *) * (labels->n_members + 1));
	for (int i = 0; i < labels->n_members; i++)
	{
		Form_pg_enum label = (Form_pg_enum) GETSTRUCT(&labels->members[i]->tuple);

		names[i] = psprintf("%.9g %s", label->enumsortorder, NameStr(label->enumlabel));
	}
	qsort(names, labels->n_members, sizeof(char *), compare_strings);
	for (int i = 0; i < labels->n_members; i++)
		appendStringInfo(text, "|%s", names[i]);
	ReleaseCatCacheList(labels);
}

/* A table and its partitions, locked. */
static List *
relations_of(Oid root, LOCKMODE mode)
{
	if (get_rel_relkind(root) == RELKIND_PARTITIONED_TABLE)
		return find_all_inheritors(root, mode, NULL);
	LockRelationOid(root, mode);
	return list_make1_oid(root);
}

static void
append_partitions(StringInfo text, Oid root)
{
	List	   *relids = relations_of(root, AccessShareLock);
	char	  **names = palloc(sizeof(char *) * list_length(relids));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, relids)
		if (lfirst_oid(cell) != root)
		names[count++] = quote_qualified_identifier(get_namespace_name(get_rel_namespace(lfirst_oid(cell))), get_rel_name(lfirst_oid(cell)));
	qsort(names, count, sizeof(char *), compare_strings);
	for (int i = 0; i < count; i++)
		appendStringInfo(text, " %s", names[i]);
}

/*
 * A number for what of a table may be altered past its triggers: types, and columns and
 * partitions that go and come.  It is this database's own, and the same after a dump and restore
 * unless columns were dropped.
 */
uint64_t
merkle_signature(const SyncTable *table)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = table->by_id[i];

		if (column->kind == SYNC_LOCAL)
			continue;
		appendStringInfo(&text, " %08x %d %s %d", column->id, column->attnum,
						 format_type_extended(column->type, column->typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY), column->is_key);
		append_labels(&text, column->type);
	}
	append_partitions(&text, table->root);
	return XXH3_64bits(text.data, text.len);
}

/* Whether a function is the trigger function of digests. */
static bool
is_digest_row(Oid function)
{
	char	   *name = get_func_name(function);

	return name != NULL && strcmp(name, "digest_row") == 0 && get_func_namespace(function) == get_namespace_oid("vecmark", true);
}

static bool
keeps_digest(const Trigger * trigger, uint64_t seed)
{
	return (trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN || trigger->tgenabled == TRIGGER_FIRES_ALWAYS) &&
		TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_AFTER(trigger->tgtype) && TRIGGER_FOR_INSERT(trigger->tgtype) &&
		TRIGGER_FOR_UPDATE(trigger->tgtype) && TRIGGER_FOR_DELETE(trigger->tgtype) &&
		trigger->tgqual == NULL && trigger->tgnattr == 0 && !trigger->tgdeferrable && trigger->tgnargs == 1 &&
		(uint64_t) pg_strtoint64(trigger->tgargs[0]) == seed;
}

/*
 * Make sure that writers of a table keep its digest from here to the end of the transaction.
 *
 * Locks:  the table and its partitions ROW EXCLUSIVE, so that nobody alters triggers.
 * Errors: 55000 if the trigger is missing, disabled, altered or there twice; 55006 while a
 *         statement around this one writes the table.
 */
void
merkle_check_writers(const SyncTable *table, uint64_t seed)
{
	ListCell   *cell;

	foreach(cell, relations_of(table->root, RowExclusiveLock))
	{
		Relation	rel = table_open(lfirst_oid(cell), NoLock);
		int			found = 0;
		int			sound = 0;

		CheckTableNotInUse(rel, "build the digest of");
		for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		{
			const		Trigger *trigger = &rel->trigdesc->triggers[i];

			if (!is_digest_row(trigger->tgfoid))
				continue;
			found++;
			sound += keeps_digest(trigger, seed);
		}
		if (found != 1 || sound != 1)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the trigger of table \"%s\" that keeps its digest is %s", RelationGetRelationName(rel),
							found == 0 ? "missing" : found > 1 ? "there twice" : "disabled or altered"),
					 errhint("SELECT vecmark.drop_digest('%s') and build it anew, or enable the trigger.", table->qualified)));
		table_close(rel, NoLock);
	}
}
