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
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "merkle/merkle.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Of what is hashed, and how. */
#define FORMAT 2

/*
 * What of a type tells that equal values may have unlike images: of numbers with a scale, of characters
 * with a length, and of jsonb.
 */
static void
append_variant(StringInfo text, const SyncColumn *column)
{
	int32		typmod = column->typmod;
	Oid			type = getBaseTypeAndTypmod(column->type, &typmod);

	if ((type == NUMERICOID || type == BPCHAROID) && typmod >= 0)
		appendStringInfo(text, "/%d", typmod);
	else if (type == JSONBOID)
		appendStringInfoString(text, "/b");
}

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
		appendStringInfo(&text, " %08x%d", table->columns[table->key[i]].id, table->columns[table->key[i]].form);
	for (int i = 0; i < table->column_count; i++)
		if (!table->by_id[i]->is_key && table->by_id[i]->kind != SYNC_LOCAL)
		{
			appendStringInfo(&text, " %08x%c%d", table->by_id[i]->id, table->by_id[i]->kind, table->by_id[i]->form);
			append_variant(&text, table->by_id[i]);
		}
	return XXH3_64bits_withSeed(text.data, text.len, seed);
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Labels of an enum, in their order. */
static void
append_labels(StringInfo text, Oid type)
{
	CatCList   *labels = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	char	  **names = palloc(sizeof(char *) * (labels->n_members + 1));
	int			count = labels->n_members;

	for (int i = 0; i < count; i++)
	{
		Form_pg_enum label = (Form_pg_enum) GETSTRUCT(&labels->members[i]->tuple);

		names[i] = psprintf("%.9g %s", label->enumsortorder, NameStr(label->enumlabel));
	}
	ReleaseCatCacheList(labels);
	qsort(names, count, sizeof(char *), compare_strings);
	for (int i = 0; i < count; i++)
		appendStringInfo(text, "|%s", names[i]);
}

/*
 * A type by name, and what of it may be altered past the table: labels of enums, attributes of
 * composites, in arrays, domains and ranges as well.
 */
static void
append_type(StringInfo text, Oid type, int32 typmod)
{
	check_stack_depth();
	appendStringInfo(text, " %s", format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	type = getBaseType(type);
	if (OidIsValid(get_element_type(type)))
		append_type(text, get_element_type(type), -1);
	else if (type_is_multirange(type))
		append_type(text, get_multirange_range(type), -1);
	else if (type_is_range(type))
		append_type(text, get_range_subtype(type), -1);
	else if (type_is_enum(type))
		append_labels(text, type);
	else if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(desc, i);

			if (attribute->attisdropped)
				continue;
			appendStringInfo(text, " %s", NameStr(attribute->attname));
			append_type(text, attribute->atttypid, attribute->atttypmod);
		}
	}
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

/* Whether a function is the trigger function of digests. */
static bool
is_digest_row(Oid function)
{
	char	   *name = get_func_name(function);

	return name != NULL && strcmp(name, "digest_row") == 0 && get_func_namespace(function) == get_namespace_oid("vecmark_internal", true);
}

static bool
keeps_digest(const Trigger *trigger, uint64_t seed)
{
	return (trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN || trigger->tgenabled == TRIGGER_FIRES_ALWAYS) &&
		TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_AFTER(trigger->tgtype) && TRIGGER_FOR_INSERT(trigger->tgtype) &&
		TRIGGER_FOR_UPDATE(trigger->tgtype) && TRIGGER_FOR_DELETE(trigger->tgtype) &&
		trigger->tgqual == NULL && trigger->tgnattr == 0 && !trigger->tgdeferrable && trigger->tgnargs == 1 &&
		(uint64_t) pg_strtoint64(trigger->tgargs[0]) == seed;
}

/* What is wrong with the trigger that keeps the digest of a relation, or NULL. */
static const char *
trigger_fault(Relation rel, uint64_t seed)
{
	int			found = 0;
	int			sound = 0;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (!is_digest_row(trigger->tgfoid))
			continue;
		found++;
		sound += keeps_digest(trigger, seed);
	}
	return found == 1 && sound == 1 ? NULL : found == 0 ? "missing" : found > 1 ? "there twice" : "disabled or altered";
}

/* Names of partitions, and relations whose writers do not keep the digest. */
static void
append_relations(StringInfo text, Oid root, uint64_t seed)
{
	List	   *relids = relations_of(root, AccessShareLock);
	char	  **names = palloc(sizeof(char *) * list_length(relids));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, relids)
	{
		Relation	rel = table_open(lfirst_oid(cell), NoLock);
		const char *fault = trigger_fault(rel, seed);

		names[count++] = psprintf("%s %s", lfirst_oid(cell) == root ? "" :
								  quote_qualified_identifier(get_namespace_name(get_rel_namespace(lfirst_oid(cell))), RelationGetRelationName(rel)),
								  fault != NULL ? fault : "");
		table_close(rel, NoLock);
	}
	qsort(names, count, sizeof(char *), compare_strings);
	for (int i = 0; i < count; i++)
		appendStringInfo(text, " %s", names[i]);
}

/*
 * A number for what of a table may be altered past its triggers: types, columns and partitions
 * that go and come, and the triggers themselves.  It is this database's own, and the same after a dump and restore
 * unless columns were dropped.
 */
uint64_t
merkle_signature(const SyncTable *table, uint64_t seed)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < table->column_count; i++)
	{
		const SyncColumn *column = table->by_id[i];

		if (column->kind == SYNC_LOCAL)
			continue;
		appendStringInfo(&text, " %08x %d %d", column->id, column->attnum, column->is_key);
		append_type(&text, column->type, column->typmod);
	}
	append_relations(&text, table->root, seed);
	return XXH3_64bits(text.data, text.len);
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
		const char *fault = trigger_fault(rel, seed);

		CheckTableNotInUse(rel, "build the digest of");
		if (fault != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the trigger of table \"%s\" that keeps its digest is %s", RelationGetRelationName(rel), fault),
					 errhint("SELECT vecmark.drop_digest('%s') and build it anew, or enable the trigger.", table->qualified)));
		table_close(rel, NoLock);
	}
}
