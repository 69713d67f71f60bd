/*
 * merkle_view.c: a digest at a moment, and what others ask of it: some buckets, and rows by number.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "merkle/merkle.h"
#include "sync/sync_meta.h"
#include "sync/sync_tell.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Bytes of a number of a row. */
#define ID_SIZE 8

/*
 * The digest of a table as the caller's snapshot shows it, which is pushed until
 * merkle_end_view.
 *
 * Errors: 42501 for who does not see all rows; 55000 if there is no digest, or the table was
 *         altered since.
 */
void
merkle_begin_view(MerkleView *view, Oid relid)
{
	view->table = sync_table_get(relid);
	sync_refuse_hidden(view->table->root);
	view->snapshot = sync_push_outside_snapshot();
	merkle_get(view->table, view->snapshot, &view->digest);
}

void
merkle_end_view(void)
{
	PopActiveSnapshot();
}

/* Errors: 22023. */
int
merkle_get_bits(int bits)
{
	if (bits < 0 || bits > LEAF_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bits of a bucket must be between %d and %d", 0, LEAF_BITS)));
	return bits;
}

/*
 * Which buckets an array of prefixes names; NULL for all.
 *
 * Errors: 22023 for a prefix that has more bits.
 */
bool *
merkle_get_prefixes(FunctionCallInfo fcinfo, int argument, int bits)
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

/* Whether a row is of a bucket that is wanted. */
bool
merkle_is_wanted(const bool *wanted, int bits, MerkleKey key)
{
	return wanted == NULL || wanted[merkle_leaf_of(key) >> (LEAF_BITS - bits)];
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

/* No numbers yet; what is added is the current context's. */
MerkleIds
merkle_no_ids(void)
{
	MerkleIds	ids = {palloc(sizeof(uint64_t) * 1024), 0, 1024};

	return ids;
}

void
merkle_add_id(MerkleIds *ids, uint64_t id)
{
	if (ids->count == ids->room)
		ids->ids = repalloc_huge(ids->ids, sizeof(uint64_t) * (ids->room *= 2));
	ids->ids[ids->count++] = id;
}

/*
 * Numbers as they are sent, ascending.
 *
 * Errors: 54000 for more than a gigabyte.
 */
Datum
merkle_ids_datum(MerkleIds *ids)
{
	uint8_t    *bytes;
	Image		image;

	if (ids->count > (MaxAllocSize - VARHDRSZ) / ID_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("buckets have too many rows for one value"),
				 errhint("Ask for fewer prefixes at a time.")));
	if (ids->count > 0)
		qsort(ids->ids, ids->count, sizeof(uint64_t), compare_ids);
	bytes = palloc(ids->count * ID_SIZE + 1);
	for (size_t i = 0; i < ids->count; i++)
		fixed64_write(bytes + i * ID_SIZE, ids->ids[i]);
	image = (Image)
	{
		(char *) bytes, ids->count * ID_SIZE
	};
	return sync_bytea(image);
}

/* The same, read.  Errors: 22023 for what is none. */
void
merkle_take_ids(MerkleIds *ids, Datum datum)
{
	Image		image = sync_image_of_bytea(datum);
	Reader		reader = {(const uint8_t *) image.data, (const uint8_t *) image.data + image.size, NULL};

	if (image.size % ID_SIZE != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keys take 8 bytes each"),
				 errhint("vecmark.bucket_keys() makes them.")));
	ids->room = ids->count = image.size / ID_SIZE;
	ids->ids = palloc_extended(image.size + 1, MCXT_ALLOC_HUGE);
	for (size_t i = 0; i < ids->count; i++)
		ids->ids[i] = read_fixed64(&reader);
	if (ids->count > 0)
		qsort(ids->ids, ids->count, sizeof(uint64_t), compare_ids);
}

/* Whether a number is among some that are ascending. */
bool
merkle_has_id(const MerkleIds *ids, uint64_t id)
{
	return ids->count > 0 && bsearch(&id, ids->ids, ids->count, sizeof(uint64_t), compare_ids) != NULL;
}
