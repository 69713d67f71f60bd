/*
 * merkle_tell.c: digests for others to compare theirs with.
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
#include "sync/sync_site.h"
#include "sync/sync_types.h"
#include "sync/sync_upkeep.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

VM_FUNCTION_INFO(vecmark_root);
VM_FUNCTION_INFO(vecmark_buckets);
VM_FUNCTION_INFO(vecmark_bucket_hashes);
VM_FUNCTION_INFO(vecmark_bucket_diff);

/* Of a bucket. */
#define HASH_SIZE 16

/* Bits of the buckets that the root is the hash of. */
#define ROOT_BITS 8

/* The leaves in 2^bits buckets. */
static Leaf *
read_buckets(const MerkleView *view, int bits)
{
	Leaf	   *buckets = palloc(sizeof(Leaf) << bits);

	leaves_sum(merkle_read(view->table->root, view->snapshot), bits, buckets);
	return buckets;
}

static void
write_hash(uint8_t *out, const Leaf *bucket)
{
	fixed64_write(fixed64_write(out, bucket->low), bucket->high);
}

/*
 * SQL: vecmark.root(rel regclass) -> (version version_vector, format bigint, hash bytea,
 * rows bigint, settled boolean).
 */
Datum
vecmark_root(PG_FUNCTION_ARGS)
{
	MerkleView	view;
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
	merkle_begin_view(&view, PG_GETARG_OID(0));
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
	merkle_end_view();
	sync_flush_wal();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* SQL: vecmark.buckets(rel regclass, bits integer, prefixes integer[]) -> setof (prefix, rows, hash). */
Datum
vecmark_buckets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	MerkleView	view;
	int			bits;
	bool	   *wanted;
	Leaf	   *buckets;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	bits = merkle_get_bits(PG_GETARG_INT32(1));
	wanted = merkle_get_prefixes(fcinfo, 2, bits);
	merkle_begin_view(&view, PG_GETARG_OID(0));
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
	merkle_end_view();
	return (Datum) 0;
}

/*
 * SQL: vecmark.bucket_hashes(rel regclass, bits integer, prefixes integer[]) -> bytea: the
 * hashes of vecmark.buckets, one after the other.
 */
Datum
vecmark_bucket_hashes(PG_FUNCTION_ARGS)
{
	MerkleView	view;
	int			bits;
	bool	   *wanted;
	Leaf	   *buckets;
	uint8_t    *bytes;
	Image		image = {NULL, 0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	bits = merkle_get_bits(PG_GETARG_INT32(1));
	wanted = merkle_get_prefixes(fcinfo, 2, bits);
	merkle_begin_view(&view, PG_GETARG_OID(0));
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
	merkle_end_view();
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
	MerkleView	view;
	int			bits;
	bool	   *wanted;
	Leaf	   *buckets;
	Image		remote;
	Datum	   *differing;
	int			count = 0;
	size_t		at = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	bits = merkle_get_bits(PG_GETARG_INT32(1));
	remote = sync_image_of_bytea(PG_GETARG_DATUM(2));
	wanted = merkle_get_prefixes(fcinfo, 3, bits);
	merkle_begin_view(&view, PG_GETARG_OID(0));
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
	merkle_end_view();
	if (at != remote.size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hashes of buckets take %zu bytes, not %zu", at, remote.size),
				 errhint("Ask vecmark.bucket_hashes() with the same bits and prefixes.")));
	PG_RETURN_ARRAYTYPE_P(construct_array(differing, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}
