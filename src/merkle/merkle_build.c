/*
 * merkle_build.c: digests made, kept by a trigger, folded, and held against the rows.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "merkle/merkle.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_meta.h"
#include "sync/sync_tell.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_digest_row);
VM_FUNCTION_INFO(vecmark_compute_digest);
VM_FUNCTION_INFO(vecmark_digest_is_current);
VM_FUNCTION_INFO(vecmark_tidy_digests);
VM_FUNCTION_INFO(vecmark_forget_digest);
VM_FUNCTION_INFO(vecmark_fold_digest);
VM_FUNCTION_INFO(vecmark_audit);

static void
take_tuple(const SyncTable *table, HeapTuple tuple, TupleDesc desc, MerkleRow *row)
{
	Datum	   *values = palloc(sizeof(Datum) * (table->column_count + 1));
	bool	   *nulls = palloc(sizeof(bool) * (table->column_count + 1));

	sync_row_values(table, tuple, desc, values, nulls);
	*row = (MerkleRow)
	{
		sync_clock_of(table, tuple, desc), values, nulls
	};
}

static void
note_change(const SyncTable *table, Image image, uint64_t seed, const MerkleRow *old, const MerkleRow *new)
{
	MerkleKey	key = merkle_key(image, seed);
	Leaf		change = {0, 0, 0};
	int			level = table->needs_settings ? sync_begin_images() : 0;

	merkle_add_change(&change, table, key, old, new);
	if (table->needs_settings)
		sync_end_images(level);
	if (!leaf_is_zero(&change))
		merkle_note(table->root, merkle_leaf_of(key), &change);
}

/*
 * SQL: vecmark_internal.digest_row(seed), trigger AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW: what
 * was written is in the table then, as it was not when triggers before it ran.
 */
Datum
vecmark_digest_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	SyncTable  *table;
	TupleDesc	desc;
	uint64_t	seed;
	MerkleRow	old;
	MerkleRow	new;
	Image		key;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for triggers AFTER ROW of tracked tables", "vecmark_internal.digest_row")));
	table = sync_table_get(RelationGetRelid(trigger->tg_relation));
	desc = RelationGetDescr(trigger->tg_relation);
	seed = (uint64_t) pg_strtoint64(trigger->tg_trigger->tgargs[0]);
	take_tuple(table, trigger->tg_trigtuple, desc, &old);
	key = sync_key_image(table, old.values);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		Image		new_key;

		take_tuple(table, trigger->tg_newtuple, desc, &new);
		new_key = sync_key_image(table, new.values);
		if (key.size == new_key.size && memcmp(key.data, new_key.data, key.size) == 0)
			note_change(table, key, seed, &old, &new);
		else
		{
			note_change(table, key, seed, &old, NULL);
			note_change(table, new_key, seed, NULL, &new);
		}
	}
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		note_change(table, key, seed, &old, NULL);
	else
		note_change(table, key, seed, NULL, &old);
	return PointerGetDatum(NULL);
}

/*
 * SQL: vecmark_internal.compute_digest(rel regclass, seed bigint): for vecmark.build_digest(), when the
 * trigger is there.
 *
 * Errors: 42501 for who does not own the table; see merkle_check_writers, merkle_begin_build.
 */
Datum
vecmark_compute_digest(PG_FUNCTION_ARGS)
{
	SyncTable  *table;
	MerkleDigest digest = {.seed = (uint64_t) PG_GETARG_INT64(1)};
	Leaf	   *leaves;

	PreventCommandIfReadOnly("vecmark.build_digest()");
	table = sync_table_get(PG_GETARG_OID(0));
	sync_check_owner(table->root);
	sync_refuse_hidden(table->root);
	merkle_check_writers(table, digest.seed);
	merkle_begin_build(table->root);

	/* It may have been altered before the lock was there. */
	table = sync_table_get(table->root);
	digest.format = merkle_format(table, digest.seed);
	digest.signature = merkle_signature(table, digest.seed);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	leaves = merkle_compute(table, digest.seed);
	merkle_replace(table->root, &digest, leaves, GetActiveSnapshot());
	SPI_finish();
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

/* SQL: vecmark_internal.digest_is_current(rel regclass) -> boolean; null for a table without a digest. */
Datum
vecmark_digest_is_current(PG_FUNCTION_ARGS)
{
	SyncTable  *table = sync_table_find(PG_GETARG_OID(0));
	MerkleDigest digest;

	if (table == NULL || !merkle_find(table->root, NULL, &digest))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(merkle_is_current(table, &digest));
}

/*
 * SQL: vecmark_internal.tidy_digests() -> bigint: of how many tables.
 *
 * Errors: 42501 for who may not write all tracked tables.
 */
Datum
vecmark_tidy_digests(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("vecmark_internal.tidy_digests()");
	sync_check_rights("vecmark_internal.tidy_digests()");
	PG_RETURN_INT64(merkle_tidy());
}

/* SQL: vecmark_internal.forget_digest(rel regclass).  Errors: 42501 for who does not own the table. */
Datum
vecmark_forget_digest(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("vecmark.drop_digest()");
	if (get_rel_name(PG_GETARG_OID(0)) != NULL)
		sync_check_owner(PG_GETARG_OID(0));
	merkle_forget(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/*
 * SQL: vecmark_internal.fold_digest(rel regclass) -> bigint: rows that writers had appended.
 *
 * Errors: 42501 for who may not write the table.
 */
Datum
vecmark_fold_digest(PG_FUNCTION_ARGS)
{
	SyncTable  *table = sync_table_get(PG_GETARG_OID(0));
	AclMode		wanted = ACL_INSERT | ACL_UPDATE | ACL_DELETE;

	PreventCommandIfReadOnly("vecmark_internal.fold_digest()");
	if (pg_class_aclmask(table->root, GetUserId(), wanted, ACLMASK_ALL) != wanted)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table->root));
	PG_RETURN_INT64(merkle_fold(table->root));
}

typedef struct Audit
{
	uint64_t	seed;
	const Leaf *kept;
	const Leaf *leaves;
	int			count;			/* of suspects */
	int			room;
	struct Suspect
	{
		int			leaf;
		Datum		key;
	}		   *suspects;
	MemoryContext context;
} Audit;

static bool
is_sound(const Audit *audit, int leaf)
{
	return memcmp(&audit->kept[leaf], &audit->leaves[leaf], sizeof(Leaf)) == 0;
}

static void
note_suspect(void *about, const SyncSeen *seen)
{
	Audit	   *audit = about;
	int			leaf = merkle_leaf_of(merkle_key(seen->key, audit->seed));
	MemoryContext old;

	if (is_sound(audit, leaf))
		return;
	old = MemoryContextSwitchTo(audit->context);
	if (audit->count == audit->room)
		audit->suspects = audit->room == 0 ? palloc(sizeof(*audit->suspects) * (audit->room = 64)) :
			repalloc_huge(audit->suspects, sizeof(*audit->suspects) * (audit->room *= 2));
	audit->suspects[audit->count].leaf = leaf;
	audit->suspects[audit->count++].key = sync_bytea(seen->key);
	MemoryContextSwitchTo(old);
}

static int
compare_suspects(const void *a, const void *b)
{
	return ((const struct Suspect *) a)->leaf - ((const struct Suspect *) b)->leaf;
}

/*
 * SQL: vecmark.audit(rel regclass) -> (leaf integer, expected bigint, actual bigint, keys
 * bytea[]): leaves whose rows do not add up to what was written through triggers.
 *
 * Errors: 42501 for who does not see all rows; 55000 without a digest of the present format.
 */
Datum
vecmark_audit(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	SyncTable  *table = sync_table_get(PG_GETARG_OID(0));
	MerkleDigest digest;
	Snapshot	snapshot;
	Audit		audit = {.context = CurrentMemoryContext};
	bool		damaged = false;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	sync_refuse_hidden(table->root);
	snapshot = sync_push_outside_snapshot();
	merkle_get(table, snapshot, &digest);
	audit.seed = digest.seed;
	audit.kept = merkle_read(table->root, snapshot);
	SPI_connect();
	audit.leaves = merkle_compute(table, digest.seed);
	for (int i = 0; i < LEAF_COUNT && !damaged; i++)
		damaged = !is_sound(&audit, i);
	if (damaged)
		merkle_scan_rows(table, note_suspect, &audit);
	if (audit.count > 0)
		qsort(audit.suspects, audit.count, sizeof(*audit.suspects), compare_suspects);
	for (int i = 0, first = 0; i < LEAF_COUNT; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};
		Datum	   *keys;
		int			count = 0;

		if (is_sound(&audit, i))
			continue;
		while (first + count < audit.count && audit.suspects[first + count].leaf == i)
			count++;
		keys = palloc(sizeof(Datum) * (count + 1));
		for (int j = 0; j < count; j++)
			keys[j] = audit.suspects[first + j].key;
		first += count;
		values[0] = Int32GetDatum(i);
		values[1] = Int64GetDatum(audit.kept[i].rows);
		values[2] = Int64GetDatum(audit.leaves[i].rows);
		values[3] = PointerGetDatum(construct_array(keys, count, BYTEAOID, -1, false, TYPALIGN_INT));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(keys);
	}
	SPI_finish();
	PopActiveSnapshot();
	return (Datum) 0;
}
