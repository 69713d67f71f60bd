/*
 * sync_merge.c: deltas joined with what is here.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "sync/sync_capture.h"
#include "sync/sync_merge.h"
#include "sync/sync_meta.h"
#include "sync/sync_peer.h"
#include "sync/sync_site.h"
#include "sync/sync_state.h"
#include "sync/sync_table.h"
#include "sync/sync_types.h"
#include "testpoint/testpoint.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

VM_FUNCTION_INFO(vecmark_merge);
VM_FUNCTION_INFO(vecmark_merge_all);
VM_FUNCTION_INFO(vecmark_retry_parked);
VM_FUNCTION_INFO(vecmark_merge_outbox);

typedef enum MergeStatus
{
	MERGE_MERGED,
	MERGE_GAP,
	MERGE_LATE,
	MERGE_QUARANTINED,
	MERGE_PARTIAL,
} MergeStatus;

static const char *const status_names[] = {"merged", "gap", "late", "quarantined", "partial"};

typedef enum MergeMode
{
	MODE_STRICT,				/* what does not fit is an error */
	MODE_REPORT,				/* it is told */
	MODE_REPAIR,				/* strict; deltas that repair do */
	MODE_REJOIN,				/* all that is there was merged: claims count */
	MODE_STREAM,				/* nothing is an error */
} MergeMode;

typedef struct MergeResult
{
	MergeMode	mode;
	SyncMerge	merge;
	MergeStatus status;
	Version    *gap;
	bool		renewed;		/* a new life was begun, which stays */
	bool		is_guest;		/* who merges may not exchange the whole
								 * database */
} MergeResult;

/* The latest clock in a delta. */
static uint64_t
last_time(const Delta *delta)
{
	uint64_t	last = 0;

	for (int i = 0; i < delta->relation_count; i++)
		for (int j = 0; j < delta->relations[i].row_count; j++)
			last = Max(last, row_last_stamp(delta->relations[i].rows[j].state).time);
	return last;
}

static void
quarantine(Datum value, const Delta *delta, uint64_t time)
{
	Relation	rel = sync_meta_open(META_QUARANTINE, RowExclusiveLock);
	Datum		values[5] = {0};
	bool		nulls[5] = {false};
	Datum		hash = Int64GetDatum((int64) sync_hash_datum(value));
	SyncScan   *scan;

	values[0] = hash;
	values[1] = Int64GetDatum((int64) delta->sender);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = Int64GetDatum(((int64) time - (int64) sync_now()) / 65536);
	values[4] = value;
	scan = sync_meta_scan(rel, NULL, 1, &hash);
	if (!HeapTupleIsValid(sync_meta_next(scan)))
		sync_meta_insert(rel, values, nulls);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Whether a delta names own dots that this database has not had.  A transaction that is in
 * progress is none of those: its commit may have been streamed before snapshots show it.
 */
static bool
has_unknown_own_dots(const Delta *delta, Site site)
{
	const SiteTxns *said = version_find(delta->to, site);
	TxnRange	past = {0, sync_next_txn()};
	Version    *had = version_of_ranges(site, &past, 1);

	if (said != NULL && said->ranges[said->count - 1].to > past.to)
		return true;
	for (int i = 0; i < delta->relation_count; i++)
		for (int j = 0; j < delta->relations[i].row_count; j++)
			if (sync_row_has_unknown(delta->relations[i].rows[j].state, site, had))
				return true;
	return false;
}

/*
 * Whether one of the two has missed deletes that the other has forgotten, so that rows
 * would live on with one of them; see "Forgetting" in README.  What the delta says of
 * them is taken over by who has no part of it, or all.
 *
 * A delta of a stream may come late itself: what it was made of before deletes that its sender has
 * heard of since.  It is late only if it brings something.
 */
static bool
is_late(const Delta *delta, const Version *held)
{
	uint64_t	lives;
	Version    *forgotten = sync_forgotten(NULL, &lives);
	Version		nothing = {0, NULL};

	if (delta->stream && VM_FAULT("stream-peers"))
		return false;
	if (delta->stream)
		sync_add_forgotten(&nothing, delta->lives);
	if (!version_dominates(delta->to, forgotten))
		return !delta->stream || !version_dominates(held, version_minus(delta->to, delta->base));
	if (delta->stream)
		return false;
	if (delta->forgotten != NULL && !version_dominates(held, delta->forgotten) &&
		version_intersect(held, delta->forgotten)->count > 0)
		return true;
	if (delta->forgotten != NULL && !version_dominates(held, delta->forgotten))
		sync_rebear(sync_writer_site(), delta->to, delta->lives);
	if (delta->lives > lives)
		sync_add_forgotten(&nothing, delta->lives);
	return false;
}

/* Columns of sync_batch. */
#define BATCH_BATCH 0
#define BATCH_PARTS 1
#define BATCH_LAST 2
#define BATCH_AT 3
#define BATCH_BRINGS 4
#define BATCH_COLUMNS 5

/*
 * The parts of a batch that were merged, with this one; true if they are all, which bring
 * "brings".  Not for a part that comes again when all were: that would be a new beginning.
 */
static bool
note_part(const Delta *delta, const Version *brings)
{
	Relation	rel;
	Datum		values[BATCH_COLUMNS] = {0};
	bool		nulls[BATCH_COLUMNS] = {false};
	SyncScan   *scan;
	HeapTuple	old;
	Version    *parts = version_of_dot(1, delta->part);
	uint64_t	last = delta->last ? delta->part : 0;
	bool		all;

	if (delta->batch == 0)
		return true;
	rel = sync_meta_open(META_BATCH, RowExclusiveLock);
	values[BATCH_BATCH] = Int64GetDatum((int64) delta->batch);
	scan = sync_meta_scan(rel, NULL, 1, values);
	old = sync_meta_next(scan);
	if (HeapTupleIsValid(old))
	{
		bool		isnull;

		parts = version_union(parts, sync_version_from_datum(heap_getattr(old, BATCH_PARTS + 1, RelationGetDescr(rel), &isnull)));
		if (last == 0)
			last = (uint64_t) DatumGetInt64(heap_getattr(old, BATCH_LAST + 1, RelationGetDescr(rel), &isnull));
	}
	all = last != 0 && parts->sites[0].count == 1 && parts->sites[0].ranges[0].from == 1 && parts->sites[0].ranges[0].to > last;
	values[BATCH_PARTS] = sync_version_datum(parts);
	values[BATCH_LAST] = Int64GetDatum((int64) last);
	values[BATCH_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[BATCH_BRINGS] = sync_version_datum(brings);
	if (all && HeapTupleIsValid(old))
		sync_meta_delete(rel, old);
	else if (!all && HeapTupleIsValid(old))
		sync_meta_update(rel, old, values, nulls);
	else if (!all)
		sync_meta_insert(rel, values, nulls);
	sync_meta_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	return all;
}

/*
 * A batch that came in part only, and all of which came in other ways, is not unfinished, unless
 * it answers a question that is still open.
 */
static bool
is_done(HeapTuple tuple, TupleDesc desc, void *held)
{
	bool		isnull;
	Datum		brings = heap_getattr(tuple, BATCH_BRINGS + 1, desc, &isnull);

	return version_dominates(held, sync_version_from_datum(brings)) && !sync_is_open(sync_questions_from_datum(brings));
}

static void
forget_batches(Version *held)
{
	sync_meta_delete_where(META_BATCH, is_done, held);
}

/* What is told of deltas that are in quarantine. */
typedef struct Outdated
{
	Site		sender;
	const Version *held;
} Outdated;

/* Whether all that a delta in quarantine brings came in other ways, with other stamps. */
static bool
is_outdated(HeapTuple tuple, TupleDesc desc, void *about)
{
	const Outdated *outdated = about;
	bool		isnull;
	Datum		delta;

	if ((Site) DatumGetInt64(heap_getattr(tuple, 2, desc, &isnull)) != outdated->sender)
		return false;
	delta = heap_getattr(tuple, 5, desc, &isnull);
	return version_dominates(outdated->held, sync_delta_from_datum(PointerGetDatum(PG_DETOAST_DATUM_COPY(delta)))->to);
}

/* Deltas of a sender that were refused, and are not missed any more. */
static void
forget_quarantine(Site sender, const Version *held)
{
	Outdated	outdated = {sender, held};

	sync_meta_delete_where(META_QUARANTINE, is_outdated, &outdated);
}

/* The part of a version that is not this database's own present life. */
static Version *
without_site(const Version *version, Site site)
{
	Version    *rest = palloc(sizeof(Version));

	rest->count = 0;
	rest->sites = palloc(sizeof(SiteTxns) * (version->count + 1));
	for (int i = 0; i < version->count; i++)
		if (version->sites[i].site != site)
			rest->sites[rest->count++] = version->sites[i];
	return rest;
}

/*
 * Names are text of the database's encoding, as values are found to be when they are read;
 * lives are such as can be, and leave room for more.
 *
 * Errors: 22021, 22003.
 */
static void
check_delta(const Delta *delta)
{
	for (int i = 0; i < delta->relation_count; i++)
	{
		const DeltaRelation *relation = &delta->relations[i];

		pg_verifymbstr(relation->name, strlen(relation->name), false);
		for (int j = 0; j < relation->column_count; j++)
			pg_verifymbstr(relation->columns[j].name, strlen(relation->columns[j].name), false);
		for (int j = 0; j < relation->row_count; j++)
			if (relation->rows[j].state->life > DELTA_MAX_LIFE)
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("life " UINT64_FORMAT " of a row of table \"%s\" is out of range",
								relation->rows[j].state->life, relation->name)));
	}
}

/* Claims without rows: what vecmark_internal.claims() makes. */
static bool
is_claims(const Delta *delta)
{
	return delta->repair && !delta->some && delta->relation_count == 0;
}

/* Errors: 22023 for a delta that is not for a mode. */
static void
check_mode(const Delta *delta, MergeMode mode)
{
	if (mode == MODE_STREAM)
		return;
	if (is_claims(delta) != (mode == MODE_REJOIN))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mode \"rejoin\" is for what vecmark_internal.claims() makes, and for nothing else"),
				 errhint("CALL vecmark.rejoin() uses it.")));
	if (delta->repair && (mode == MODE_STRICT || mode == MODE_REPORT))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this delta repairs: its sender's values take the place of those here"),
				 errhint("Merge it in mode \"repair\" if they are to.")));
}

/*
 * Take over the claims of one whose rows are here, and what it has forgotten.  Own rows that
 * it does not know are born anew, as of one who joins, and in a life of its own.
 *
 * Errors: 55000 if others have told something here that the sender has not heard of: a row of
 *         theirs might be one whose delete was forgotten.
 */
static void
rejoin(const Delta *delta, const Version *held, Site site)
{
	Version    *unheard = version_minus(without_site(held, site), delta->to);

	if (unheard->count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database holds transactions of others that the peer has not heard of"),
				 errdetail("Missing there: %s.", version_print(unheard)),
				 errhint("Have the peer pull them from where they are from, or start over: see vecmark.start_over().")));

	/* The old life may be retired elsewhere. */
	sync_renew_site(false);
	sync_rebear(site, delta->to, delta->lives);
	sync_version_add(delta->to);
	sync_mend_streams(version_union(held, delta->to));
	forget_batches(version_union(held, delta->to));
	sync_add_forgotten(delta->forgotten != NULL ? delta->forgotten : delta->base, delta->lives);
	sync_note_peer(delta->sender, delta->to);
}

/*
 * Who may not exchange the whole database may merge into tables of his what claims nothing and
 * changes nothing else.
 *
 * Errors: 42501.
 */
static void
check_guest(const Delta *delta)
{
	if (delta->stream || !(delta->some || delta->repair) || delta->relation_count == 0 || delta->forgotten != NULL)
		sync_check_rights("vecmark.merge()");
	for (int i = 0; i < delta->relation_count; i++)
	{
		Oid			root = sync_table_by_name(delta->relations[i].name);

		if (!OidIsValid(root) || !sync_may_merge(root, GetUserId()))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for %s", "vecmark.merge()"),
					 errdetail("Role \"%s\" may not merge into table \"%s\".", GetUserNameFromId(GetUserId(), false), delta->relations[i].name)));
	}
}

/*
 * What only who may exchange the whole database may have a delta do.
 *
 * Errors: 42501.
 */
static void
refuse_guest(const MergeResult *result, const char *what)
{
	if (result->is_guest)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s", "vecmark.merge()"),
				 errdetail("The delta %s, which is for who may write all tracked tables.", what)));
}

/*
 * Forgetting waits for who is heard of by a stream, too.  What he holds is noted when all of it is
 * here: while others write, something of theirs that he has is nearly always on its way to here,
 * and forgetting would wait for the moment when nothing is.
 */
static void
meet_sender(const Delta *delta, const Version *held)
{
	if (VM_FAULT("stream-peers"))
		return;
	if (version_dominates(held, delta->to))
		sync_note_peer(delta->sender, delta->to);
	else
		sync_meet_peer(delta->sender);
}

/*
 * What this database holds, and all that its transactions knew of, when a whole delta is merged.  A
 * delta of some tables, or that repairs, adds nothing to it; one of a stream does if nothing is missing
 * that its transaction knew of.
 */
static const Version *
covered_by(const Delta *delta, const Version *held, Site site)
{
	if (delta->some || delta->repair)
		return held;
	if (delta->stream &&
		!version_dominates(version_union(held, version_minus(delta->to, delta->base)), without_site(delta->to, site)))
		return held;
	return version_union(held, delta->to);
}

static void
merge_delta(Datum value, MergeResult *result)
{
	Delta	   *delta = sync_delta_from_datum(value);
	Site		site = sync_writer_site();
	Version    *held;
	Version    *brings;
	Version    *gap;
	Version    *answers;
	uint64_t	time = last_time(delta);
	bool		is_whole;
	bool		waits;			/* rows of other parts may */
	SyncItem   *items;
	int			count = 0;
	Snapshot	latest;

	result->status = MERGE_MERGED;
	if (delta->encoding != GetDatabaseEncoding())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("delta is from a database with another encoding"),
				 errdetail("It is from \"%s\", this one has \"%s\".",
						   PG_VALID_ENCODING(delta->encoding) ? pg_encoding_to_char(delta->encoding) : "?", GetDatabaseEncodingName())));
	check_delta(delta);
	check_mode(delta, result->mode);
	result->is_guest = !sync_may_exchange();
	if (result->is_guest)
		check_guest(delta);

	/*
	 * Held to the end: versions are read, compared and raised by one at a
	 * time.
	 */
	sync_lock_version();
	if (!delta->stream)
		sync_refuse_retired(delta->sender);
	latest = RegisterSnapshot(GetLatestSnapshot());
	held = sync_version(latest);
	UnregisterSnapshot(latest);

	if ((delta->stream && sync_is_retired(delta->sender)) || time > sync_now() + ((uint64_t) sync_max_drift * 1000 << 16))
	{
		refuse_guest(result, "has a clock too far ahead");
		quarantine(value, delta, time);
		if (delta->stream && !sync_is_retired(delta->sender))
			sync_break_stream(delta);
		result->status = MERGE_QUARANTINED;
		return;
	}
	if (result->mode == MODE_REJOIN)
	{
		rejoin(delta, held, site);
		return;
	}
	gap = version_minus(without_site(delta->base, site), held);
	if (gap->count > 0 && !delta->stream)
	{
		result->status = MERGE_GAP;
		result->gap = gap;
		return;
	}
	if (delta->lives > sync_forgotten_life(true))
		refuse_guest(result, "has news of deletes that were forgotten");
	if (is_late(delta, held))
	{
		if (delta->stream)
			sync_break_stream(delta);
		result->status = MERGE_LATE;
		return;
	}
	if (has_unknown_own_dots(delta, site))
	{
		refuse_guest(result, "has transactions of this database that it has not had");
		ereport(WARNING,
				(errmsg("a peer has transactions of this database that it has not had"),
				 errdetail("It was put back to an earlier state, or a delta is forged."),
				 errhint("This database begins a new life and stamps its changes anew.")));
		{
			Site		old = site;

			site = sync_renew_site(true);
			sync_restamp(old);
		}
		result->renewed = true;
		latest = RegisterSnapshot(GetLatestSnapshot());
		held = sync_version(latest);
		UnregisterSnapshot(latest);

		/*
		 * The delta leaves out what this database claimed and others had
		 * under the same numbers.
		 */
		gap = version_minus(without_site(delta->base, site), held);
		if (gap->count > 0 && !delta->stream)
		{
			result->status = MERGE_GAP;
			result->gap = gap;
			return;
		}
	}

	brings = without_site(delta->stream ? sync_part_of_site(delta->to, delta->sender) : delta->to, site);
	for (int i = 0; i < delta->relation_count; i++)
		count += delta->relations[i].row_count;
	items = palloc_extended(sizeof(SyncItem) * Max(count, 1), MCXT_ALLOC_HUGE);
	count = 0;
	for (int i = 0; i < delta->relation_count; i++)
	{
		DeltaRelation *relation = &delta->relations[i];
		SyncNames  *names = sync_names_of_relation(relation);
		bool		is_right;
		bool		is_answer = sync_is_answered(delta, relation->name, &is_right);

		for (int j = 0; j < relation->row_count; j++)
		{
			RowState   *told = sync_state_of(names, relation->rows[j].state);
			RowState   *state = is_answer ? told : delta->repair ? sync_row_within(told, held) : sync_row_without(told, held);

			if (state == NULL)
				result->merge.stale++;
			else
			{
				/* Who tells a row without its base knew it to be here. */
				bool		is_part = delta->repair && (told->base.site == 0 || !row_equal(state, told));

				items[count++] = (SyncItem)
				{
					relation->name, InvalidOid, relation->rows[j].key, state, names, is_part, is_right, 0
				};
			}
		}
	}
	answers = sync_answers(delta);
	is_whole = delta->some || delta->repair || (answers->count == 0 && version_dominates(held, brings)) ||
		note_part(delta, version_union(brings, answers));
	result->merge.held = held;
	result->merge.known = delta->to;
	result->merge.covered = is_whole ? covered_by(delta, held, site) : held;
	result->merge.by_stream = delta->stream;
	result->merge.in_parts = !is_whole && !delta->stream;
	result->merge.repair = delta->repair && result->mode == MODE_REPAIR;
	waits = delta->batch != 0 && result->merge.covered != held;
	if (waits)
		items = sync_with_waiting(&result->merge, items, &count);
	sync_apply_rows(&result->merge, items, count);
	VM_POINT("sync-merged-rows");
	if (!waits && result->merge.covered != held)
		sync_retry_waiting(&result->merge);
	if (delta->some || delta->repair)
	{
		/* What a guest says of others is not believed. */
		if (!result->is_guest)
			sync_note_peer(delta->sender, delta->to);
	}
	else if (!is_whole)
		result->status = MERGE_PARTIAL;
	else if (delta->stream)
	{
		brings = version_minus(without_site(sync_stream_claims(delta, held), site), sync_waiting_dots());
		sync_version_add(brings);
		meet_sender(delta, version_union(held, brings));
	}
	else
	{
		sync_version_add(brings);
		sync_mend_streams(version_union(held, brings));
		if (delta->forgotten != NULL)
			sync_add_forgotten(delta->forgotten, delta->lives);
		sync_note_peer(delta->sender, delta->to);
		sync_hear(delta, version_minus(brings, held));
		forget_batches(version_union(held, brings));
		if (!VM_FAULT("rests"))
			sync_drop_rests(delta->sender, delta->to);
		forget_quarantine(delta->sender, version_union(held, delta->to));
	}
}

/*
 * SQL: the row of type vecmark.merge_result for what was merged.
 *
 * Errors: VM001 for a gap, VM002 for a clock ahead, VM003 for who missed deletes, unless
 * in mode "report".  A gap that is there because a new life was begun is none, else that would be
 * undone.
 */
static Datum
return_result(FunctionCallInfo fcinfo, MergeResult *result)
{
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};
	Snapshot	latest;

	bool		strict = result->mode != MODE_REPORT;

	if (strict && result->status == MERGE_GAP && !result->renewed)
		ereport(ERROR,
				(errcode(ERRCODE_CAUSALITY_VIOLATION),
				 errmsg("causality violation: delta builds on changes that are not here"),
				 errdetail("Missing: %s.", version_print(result->gap)),
				 errhint("Pull again since vecmark.version().")));
	if (strict && result->status == MERGE_LATE)
		ereport(ERROR,
				(errcode(ERRCODE_PEER_RETIRED),
				 errmsg("deletes have been forgotten that the sender or this database has not seen"),
				 errhint("Pull from here to the sender first, and since vecmark.version() to here.  Who is refused when pulling has to rejoin or to start over: see vecmark.rejoin(), vecmark.start_over().")));
	if (strict && result->status == MERGE_QUARANTINED)
		ereport(ERROR,
				(errcode(ERRCODE_CLOCK_AHEAD),
				 errmsg("clock of a delta is too far ahead"),
				 errhint("Set the clock where it was written, and SELECT vecmark.restamp() there; or raise vecmark.max_drift here.  With mode \"report\" the delta is kept in vecmark.quarantine.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	latest = RegisterSnapshot(GetLatestSnapshot());
	values[0] = CStringGetTextDatum(status_names[result->status]);
	values[1] = Int64GetDatum(result->merge.applied);
	values[2] = Int64GetDatum(result->merge.stale);
	values[3] = Int64GetDatum(result->merge.parked);
	values[4] = Int64GetDatum(result->merge.conflicts);
	nulls[5] = result->gap == NULL;
	values[5] = nulls[5] ? (Datum) 0 : sync_version_datum(result->gap);
	values[6] = sync_version_datum(sync_with_questions(sync_version(latest), latest));
	UnregisterSnapshot(latest);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static MergeMode
get_mode(text *argument)
{
	char	   *mode = text_to_cstring(argument);

	if (strcmp(mode, "strict") == 0)
		return MODE_STRICT;
	if (strcmp(mode, "report") == 0)
		return MODE_REPORT;
	if (strcmp(mode, "repair") == 0)
		return MODE_REPAIR;
	if (strcmp(mode, "rejoin") == 0)
		return MODE_REJOIN;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid mode of merge: \"%s\"", mode),
			 errhint("Modes are \"strict\", \"report\", \"repair\" and \"rejoin\".")));
}

/* A delta that logical replication brought.  Refuses nothing; see merge_delta. */
static void
merge_stream(Datum delta)
{
	MergeResult result = {.mode = MODE_STREAM};

	merge_delta(delta, &result);
}

static void
begin_merge(void)
{
	PreventCommandIfReadOnly("vecmark.merge()");
	PreventCommandIfParallelMode("vecmark.merge()");
}

/* SQL: vecmark.merge(delta, mode text) -> merge_result. */
Datum
vecmark_merge(PG_FUNCTION_ARGS)
{
	MergeResult result = {.mode = get_mode(PG_GETARG_TEXT_PP(1))};

	begin_merge();
	merge_delta(PG_GETARG_DATUM(0), &result);
	return return_result(fcinfo, &result);
}

/*
 * SQL: vecmark.merge_all(delta[], mode text) -> merge_result: one after the other, until one
 * does not fit.
 */
Datum
vecmark_merge_all(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	MergeResult result = {.mode = get_mode(PG_GETARG_TEXT_PP(1))};
	Datum	   *deltas;
	bool	   *nulls;
	int			count;
	int16		typlen;
	bool		byval;
	char		align;

	begin_merge();
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &byval, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, byval, align, &deltas, &nulls, &count);
	for (int i = 0; i < count && (result.status == MERGE_MERGED || result.status == MERGE_PARTIAL); i++)
		if (!nulls[i])
			merge_delta(deltas[i], &result);
	return return_result(fcinfo, &result);
}

/*
 * SQL: vecmark.retry_parked() -> merge_result: parked rows of tables that the caller may write
 * once more.
 */
Datum
vecmark_retry_parked(PG_FUNCTION_ARGS)
{
	MergeResult result = {.mode = MODE_REPORT};
	Version		nothing = {0, NULL};

	bool		is_guest = !sync_may_exchange();
	Snapshot	latest;

	begin_merge();
	if (is_guest && !sync_may_merge_any())
		sync_check_rights("vecmark.retry_parked()");
	sync_lock_version();
	result.merge.held = &nothing;
	result.merge.by_stream = true;
	latest = RegisterSnapshot(GetLatestSnapshot());
	result.merge.covered = sync_version(latest);
	UnregisterSnapshot(latest);
	sync_retry_parked(&result.merge, is_guest);
	return return_result(fcinfo, &result);
}

/*
 * SQL: vecmark_internal.merge_outbox(), trigger BEFORE INSERT FOR EACH ROW of an outbox, in the
 * apply worker.  Stores nothing, so nothing is replicated on.
 *
 * The worker replicates rows as they are, without triggers and foreign keys; a merge
 * needs both.
 *
 * Errors: 42501 for who may not write all that is tracked.
 */
Datum
vecmark_merge_outbox(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	int			role = SessionReplicationRole;
	bool		isnull;
	Datum		delta;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for triggers BEFORE INSERT of outboxes", "vecmark_internal.merge_outbox")));
	delta = heap_getattr(trigger->tg_trigtuple, 1, RelationGetDescr(trigger->tg_relation), &isnull);
	if (isnull)
		return PointerGetDatum(NULL);
	sync_check_rights("vecmark_internal.merge_outbox()");
	PG_TRY();
	{
		SessionReplicationRole = SESSION_REPLICATION_ROLE_ORIGIN;
		merge_stream(delta);
	}
	PG_FINALLY();
	{
		SessionReplicationRole = role;
	}
	PG_END_TRY();
	return PointerGetDatum(NULL);
}
