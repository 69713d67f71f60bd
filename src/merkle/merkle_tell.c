/*
 * merkle_tell.c: digests for others to compare theirs with, and the rows that differ.
 */
#include "postgres.h"
#include "compat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "merkle/merkle.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_root);
VM_FUNCTION_INFO(vecmark_buckets);
VM_FUNCTION_INFO(vecmark_bucket_hashes);
VM_FUNCTION_INFO(vecmark_bucket_diff);
VM_FUNCTION_INFO(vecmark_bucket_keys);
VM_FUNCTION_INFO(vecmark_fetch);

/* Of a bucket. */
#define HASH_SIZE 16

/* Of a row in its present state, or a tombstone. */
#define ID_SIZE 8

/* Bits of the buckets that the root is the hash of. */
#define ROOT_BITS 8

/* A table's digest at a moment: its own transaction's writes are not in it. */
typedef struct View
{
	SyncTable  *table;
	Snapshot	snapshot;
	MerkleDigest digest;
} View;

/*
 * Errors: 42501 for who does not see all rows; 55000 if there is no digest of the present
 * format.
 */
static void
begin_view(View *view, Oid relid)
{
	view->table = sync_table_get(relid);
	sync_refuse_hidden(view->table->root);
	view->snapshot = sync_push_outside_snapshot();
	merkle_get(view->table, view->snapshot, &view->digest);
}

static void
end_view(void)
{
	PopActiveSnapshot();
}

/* The leaves in 2^bits buckets. */
static Leaf *
read_buckets(const View *view, int bits)
{
	Leaf	   *buckets = palloc(sizeof(Leaf) << bits);

	leaves_sum(merkle_read(view->table->root, view->snapshot), bits, buckets);
	return buckets;
}

/* Errors: 22023. */
static int
get_bits(int bits)
{
	if (bits < 0 || bits > LEAF_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bits of a bucket must be between %d and %d", 0, LEAF_BITS)));
	return bits;
}

static void
write_hash(uint8_t *out, const Leaf *bucket)
{
	fixed64_write(fixed64_write(out, bucket->low), bucket->high);
}

/*
 * Which buckets an array of prefixes names; NULL for all.
 *
 * Errors: 22023 for a prefix that has more bits.
 */
static bool *
get_prefixes(FunctionCallInfo fcinfo, int argument, int bits)
{
	bool	   *wanted;
	Datum	   *prefixes;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(argument))
		return NULL;
	wanted = palloc0((size_t) 1 << bits);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), INT4OID, sizeof(int32), true, TYPALIGN_INT, &prefixes, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		int32		prefix = nulls[i] ? -1 : DatumGetInt32(prefixes[i]);

		if (prefix < 0 || prefix >= 1 << bits)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("prefixes of %d bits must be between 0 and %d", bits, (1 << bits) - 1)));
		wanted[prefix] = true;
	}
	return wanted;
}

/*
 * SQL: vecmark.root(rel regclass) -> (version version_vector, format bigint, hash bytea,
 * rows bigint, settled boolean).
 */
Datum
vecmark_root(PG_FUNCTION_ARGS)
{
	View		view;
	TupleDesc	desc;
	Leaf	   *buckets;
	int64		rows = 0;
	uint8_t		hash[HASH_SIZE];
	XXH128_hash_t sum;
	uint8_t    *bytes = palloc(HASH_SIZE << ROOT_BITS);
	Image		image = {(char *) hash, HASH_SIZE};
	Datum		values[5];
	bool		nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	begin_view(&view, PG_GETARG_OID(0));
	buckets = read_buckets(&view, ROOT_BITS);
	for (int i = 0; i < 1 << ROOT_BITS; i++)
	{
		rows += buckets[i].rows;
		write_hash(bytes + HASH_SIZE * i, &buckets[i]);
	}
	sum = XXH3_128bits_withSeed(bytes, HASH_SIZE << ROOT_BITS, view.digest.format);
	fixed64_write(fixed64_write(hash, sum.low64), sum.high64);
	values[0] = sync_version_datum(sync_version(view.snapshot));
	values[1] = Int64GetDatum((int64) view.digest.format);
	values[2] = sync_bytea(image);
	values[3] = Int64GetDatum(rows);
	values[4] = BoolGetDatum(sync_is_settled(view.table->name, view.snapshot));
	end_view();
	sync_flush_wal();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* SQL: vecmark.buckets(rel regclass, bits integer, prefixes integer[]) -> setof (prefix, rows, hash). */
Datum
vecmark_buckets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	View		view;
	int			bits;
	bool	   *wanted;
	Leaf	   *buckets;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	bits = get_bits(PG_GETARG_INT32(1));
	wanted = get_prefixes(fcinfo, 2, bits);
	begin_view(&view, PG_GETARG_OID(0));
	buckets = read_buckets(&view, bits);
	for (int i = 0; i < 1 << bits; i++)
	{
		uint8_t		hash[HASH_SIZE];
		Image		image = {(char *) hash, HASH_SIZE};
		Datum		values[3];
		bool		nulls[3] = {false};

		if (wanted != NULL && !wanted[i])
			continue;
		write_hash(hash, &buckets[i]);
		values[0] = Int32GetDatum(i);
		values[1] = Int64GetDatum(buckets[i].rows);
		values[2] = sync_bytea(image);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	end_view();
	return (Datum) 0;
}

/*
 * SQL: vecmark.bucket_hashes(rel regclass, bits integer, prefixes integer[]) -> bytea: the
 * hashes of vecmark.buckets, one after the other.
 */
Datum
vecmark_bucket_hashes(PG_FUNCTION_ARGS)
{
	View		view;
	int			bits;
	bool	   *wanted;
	Leaf	   *buckets;
	uint8_t    *bytes;
	Image		image = {NULL, 0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	bits = get_bits(PG_GETARG_INT32(1));
	wanted = get_prefixes(fcinfo, 2, bits);
	begin_view(&view, PG_GETARG_OID(0));
	buckets = read_buckets(&view, bits);
	bytes = palloc((size_t) HASH_SIZE << bits);
	for (int i = 0; i < 1 << bits; i++)
	{
		if (wanted != NULL && !wanted[i])
			continue;
		write_hash(bytes + image.size, &buckets[i]);
		image.size += HASH_SIZE;
	}
	image.data = (char *) bytes;
	end_view();
	PG_RETURN_DATUM(sync_bytea(image));
}

/*
 * SQL: vecmark.bucket_diff(rel regclass, bits integer, remote bytea, prefixes integer[]) ->
 * integer[]: buckets whose hash is another than what vecmark.bucket_hashes said elsewhere.
 *
 * Errors: 22023 if "remote" does not have a hash for each.
 */
Datum
vecmark_bucket_diff(PG_FUNCTION_ARGS)
{
	View		view;
	int			bits;
	bool	   *wanted;
	Leaf	   *buckets;
	Image		remote;
	Datum	   *differing;
	int			count = 0;
	size_t		at = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	bits = get_bits(PG_GETARG_INT32(1));
	remote = sync_image_of_bytea(PG_GETARG_DATUM(2));
	wanted = get_prefixes(fcinfo, 3, bits);
	begin_view(&view, PG_GETARG_OID(0));
	buckets = read_buckets(&view, bits);
	differing = palloc(sizeof(Datum) << bits);
	for (int i = 0; i < 1 << bits; i++)
	{
		uint8_t		hash[HASH_SIZE];

		if (wanted != NULL && !wanted[i])
			continue;
		write_hash(hash, &buckets[i]);
		at += HASH_SIZE;
		if (at <= remote.size && memcmp(remote.data + at - HASH_SIZE, hash, HASH_SIZE) != 0)
			differing[count++] = Int32GetDatum(i);
	}
	end_view();
	if (at != remote.size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hashes of buckets take %zu bytes, not %zu", at, remote.size),
				 errhint("Ask vecmark.bucket_hashes() with the same bits and prefixes.")));
	PG_RETURN_ARRAYTYPE_P(construct_array(differing, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* Rows and tombstones of some buckets. */
typedef struct Choice
{
	const View *view;
	int			bits;
	const bool *wanted;
	uint64_t   *ids;			/* that are there, or that are not to be told;
								 * ascending */
	size_t		count;
	size_t		room;
	SyncTeller	teller;
	MemoryContext context;
} Choice;

/* Whether this is of a bucket that is wanted, and its number. */
static bool
is_wanted(const Choice *choice, const MerkleSeen *seen, uint64_t *id)
{
	Leaf		row = {0, 0, 0};

	if (choice->wanted != NULL && !choice->wanted[merkle_leaf_of(seen->key) >> (LEAF_BITS - choice->bits)])
		return false;
	if (seen->row != NULL)
	{
		merkle_add_row(&row, choice->view->table, seen->key, seen->row);
		*id = merkle_id(&row);
		return true;
	}
	*id = merkle_tombstone_id(seen->key, seen->dead);

	/* A row that was inserted again is there itself. */
	return !sync_row_is_there(choice->view->table, seen->image);
}

static void
note_id(void *about, const MerkleSeen *seen)
{
	Choice	   *choice = about;
	uint64_t	id;

	if (!is_wanted(choice, seen, &id))
		return;
	if (choice->count == choice->room)
		choice->ids = repalloc_huge(choice->ids, sizeof(uint64_t) * (choice->room *= 2));
	choice->ids[choice->count++] = id;
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

static void
visit_all(Choice *choice, MerkleVisit visit)
{
	const View *view = choice->view;

	SPI_connect();
	merkle_scan_rows(view->table, view->digest.seed, visit, choice);
	merkle_scan_tombstones(view->table, view->digest.seed, view->snapshot, visit, choice);
	SPI_finish();
}

/*
 * SQL: vecmark.bucket_keys(rel regclass, bits integer, prefixes integer[]) -> bytea: a number
 * of 8 bytes for each row and tombstone of some buckets, alike only where all of it is alike.
 */
Datum
vecmark_bucket_keys(PG_FUNCTION_ARGS)
{
	View		view;
	Choice		choice = {.view = &view,.room = 1024};
	uint8_t    *bytes;
	Image		image;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	choice.bits = get_bits(PG_GETARG_INT32(1));
	choice.wanted = get_prefixes(fcinfo, 2, choice.bits);
	choice.ids = palloc(sizeof(uint64_t) * choice.room);
	begin_view(&view, PG_GETARG_OID(0));
	visit_all(&choice, note_id);
	end_view();
	qsort(choice.ids, choice.count, sizeof(uint64_t), compare_ids);
	if (choice.count > (MaxAllocSize - VARHDRSZ) / ID_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("buckets have too many rows for one value"),
				 errhint("Ask for fewer prefixes at a time.")));
	bytes = palloc(choice.count * ID_SIZE + 1);
	for (size_t i = 0; i < choice.count; i++)
		fixed64_write(bytes + i * ID_SIZE, choice.ids[i]);
	image = (Image)
	{
		(char *) bytes, choice.count * ID_SIZE
	};
	PG_RETURN_DATUM(sync_bytea(image));
}

/* Errors: 22023 for what vecmark.bucket_keys does not make. */
static void
take_ids(Choice *choice, Image image)
{
	Reader		reader = {(const uint8_t *) image.data, (const uint8_t *) image.data + image.size, NULL};

	if (image.size % ID_SIZE != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keys take 8 bytes each"),
				 errhint("vecmark.bucket_keys() makes them.")));
	choice->count = image.size / ID_SIZE;
	choice->ids = palloc_extended(image.size + 1, MCXT_ALLOC_HUGE);
	for (size_t i = 0; i < choice->count; i++)
		choice->ids[i] = read_fixed64(&reader);
	qsort(choice->ids, choice->count, sizeof(uint64_t), compare_ids);
}

static void
tell_unless_known(void *about, const MerkleSeen *seen)
{
	Choice	   *choice = about;
	uint64_t	id;

	if (!is_wanted(choice, seen, &id) ||
		(choice->count > 0 && bsearch(&id, choice->ids, choice->count, sizeof(uint64_t), compare_ids) != NULL))
		return;
	sync_tell_key(&choice->teller, choice->view->table, seen->image, seen->row != NULL ? seen->row->clock : NULL,
				  seen->row != NULL ? seen->row->values : NULL, seen->row != NULL ? seen->row->nulls : NULL);
}

/*
 * SQL: vecmark.fetch(rel regclass, bits integer, prefixes integer[], keys bytea, max_bytes
 * integer) -> setof delta: the rows and tombstones of some buckets that are not among "keys",
 * whole, for who merges them to compare with what he has.
 */
Datum
vecmark_fetch(PG_FUNCTION_ARGS)
{
	View		view;
	Choice		choice = {.view = &view};
	Version		nothing = {0, NULL};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the table, the bits, the keys and the size may not be null")));
	choice.bits = get_bits(PG_GETARG_INT32(1));
	choice.wanted = get_prefixes(fcinfo, 2, choice.bits);
	take_ids(&choice, sync_image_of_bytea(PG_GETARG_DATUM(3)));
	begin_view(&view, PG_GETARG_OID(0));
	choice.teller.snapshot = view.snapshot;
	choice.teller.since = &nothing;
	choice.teller.to = sync_version(view.snapshot);
	choice.teller.some = choice.teller.repair = true;
	(void) sync_forgotten(view.snapshot, &choice.teller.lives);
	sync_begin_telling(&choice.teller, fcinfo, PG_GETARG_INT32(4));
	visit_all(&choice, tell_unless_known);
	sync_end_telling(&choice.teller, false);
	end_view();
	sync_flush_wal();
	return (Datum) 0;
}
