/*
 * binary.c: libpq, with parameters and results in binary, prepared statements,
 * single rows and COPY.
 *
 * Every value goes to the server and comes back in the binary forms that the
 * types have: big-endian numbers, floats and halves by their bits.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "libpq-fe.h"

#define DIMENSIONS 3
#define ROWS 4
#define LONGEST 64

/* A parameter or a column: its bytes, or none for NULL. */
typedef struct Value
{
	char		bytes[LONGEST];
	int			length;			/* -1 for NULL */
} Value;

typedef struct Type
{
	const char *column;
	const char *name;
	Oid			oid;
} Type;

typedef struct Distance
{
	const char *operator;
	const char *name;
	int			order[ROWS];	/* of rows */
	double		bound;
	int			within[2];		/* the rows nearer than that, but row 1 */
	int			within_count;
} Distance;

static PGconn *connection;
static int	failed;
static int	wrong;				/* in the present test */
static const char *extension;

static Type types[] = {{"embedding", "vector", 0}, {"half", "halfvec", 0}, {"sparse", "sparsevec", 0}, {"bits", "bit", 0}};

/* The four distances put the rows in four orders. */
static const float points[ROWS][DIMENSIONS] = {{1, 1, 1}, {2, 2, 3}, {1, 1, 2}, {-0.375f, -0.375f, 2.375f}};
static const uint16_t halves[ROWS][DIMENSIONS] = {{0x3c00, 0x3c00, 0x3c00}, {0x4000, 0x4000, 0x4200}, {0x3c00, 0x3c00, 0x4000}, {0xb600, 0xb600, 0x40c0}};
static const unsigned char bits[ROWS] = {0xa0, 0xe0, 0x60, 0x40};

static const Distance distances[] = {
	{"<->", "l2", {1, 3, 4, 2}, 2.4, {3, 4}, 2},
	{"<#>", "ip", {2, 3, 1, 4}, -2, {2, 3}, 2},
	{"<=>", "cosine", {1, 2, 3, 4}, 0.1, {2, 3}, 2},
	{"<+>", "l1", {1, 3, 2, 4}, 4.1, {3, 2}, 2},
};
static const Distance bit_distances[] = {
	{"<~>", "hamming", {1, 2, 3, 4}, 2, {2, 0}, 1},
	{"<%>", "jaccard", {1, 2, 3, 4}, 0.9, {2, 3}, 2},
};

/* ---- what is checked */

static void
check(int holds, const char *what, const char *detail)
{
	if (holds)
		return;
	wrong = 1;
	printf("%s: %s\n", what, detail);
}

static void
test(const char *name, void (*body) (void))
{
	wrong = 0;
	body();
	printf("%s - %s\n", wrong ? "not ok" : "ok", name);
	failed |= wrong;
	fflush(stdout);
}

/* ---- values */

static void
put16(Value *value, uint16_t number)
{
	uint16_t	swapped = htons(number);

	memcpy(value->bytes + value->length, &swapped, sizeof swapped);
	value->length += sizeof swapped;
}

static void
put32(Value *value, uint32_t number)
{
	uint32_t	swapped = htonl(number);

	memcpy(value->bytes + value->length, &swapped, sizeof swapped);
	value->length += sizeof swapped;
}

static void
put_float(Value *value, float number)
{
	uint32_t	word;

	memcpy(&word, &number, sizeof word);
	put32(value, word);
}

static Value
vector_value(int count, const float *numbers)
{
	Value		value = {.length = 0};

	put16(&value, (uint16_t) count);
	put16(&value, 0);
	for (int i = 0; i < count; i++)
		put_float(&value, numbers[i]);
	return value;
}

static Value
halfvec_value(int count, const uint16_t *numbers)
{
	Value		value = {.length = 0};

	put16(&value, (uint16_t) count);
	put16(&value, 0);
	for (int i = 0; i < count; i++)
		put16(&value, numbers[i]);
	return value;
}

/* All elements: none of them is 0. */
static Value
sparsevec_value(int count, const float *numbers)
{
	Value		value = {.length = 0};

	put32(&value, (uint32_t) count);
	put32(&value, (uint32_t) count);
	put32(&value, 0);
	for (int i = 0; i < count; i++)
		put32(&value, (uint32_t) i);
	for (int i = 0; i < count; i++)
		put_float(&value, numbers[i]);
	return value;
}

static Value
bit_value(int count, unsigned char byte)
{
	Value		value = {.length = 0};

	put32(&value, (uint32_t) count);
	value.bytes[value.length++] = (char) byte;
	return value;
}

static Value
number_value(double number)
{
	Value		value = {.length = 0};
	uint64_t	word;

	memcpy(&word, &number, sizeof word);
	put32(&value, (uint32_t) (word >> 32));
	put32(&value, (uint32_t) word);
	return value;
}

static Value
integer_value(int number)
{
	Value		value = {.length = 0};

	put32(&value, (uint32_t) number);
	return value;
}

/* The value of a row, counted from 1, in the column of a type. */
static Value
row_value(int row, const Type *type)
{
	switch (type - types)
	{
		case 0:
			return vector_value(DIMENSIONS, points[row - 1]);
		case 1:
			return halfvec_value(DIMENSIONS, halves[row - 1]);
		case 2:
			return sparsevec_value(DIMENSIONS, points[row - 1]);
		default:
			return bit_value(DIMENSIONS, bits[row - 1]);
	}
}

/* ---- queries */

static PGresult *
run(const char *query, int count, const Value *values, const Oid *oids)
{
	const char *bytes[8];
	int			lengths[8];
	int			formats[8];

	for (int i = 0; i < count; i++)
	{
		bytes[i] = values[i].length < 0 ? NULL : values[i].bytes;
		lengths[i] = values[i].length;
		formats[i] = 1;
	}
	return PQexecParams(connection, query, count, oids, bytes, lengths, formats, 1);
}

static void
command(const char *query)
{
	PGresult   *result = PQexec(connection, query);

	check(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, query, PQerrorMessage(connection));
	PQclear(result);
}

static int
integer_at(const PGresult *result, int row, int column)
{
	uint32_t	word;

	memcpy(&word, PQgetvalue(result, row, column), sizeof word);
	return (int) ntohl(word);
}

/* Sees that a result has these identifiers, and frees it. */
static void
expect_ids(PGresult *result, const int *ids, int count, const char *what)
{
	check(PQresultStatus(result) == PGRES_TUPLES_OK, what, PQresultErrorMessage(result));
	check(PQntuples(result) == count, what, "another number of rows");
	for (int i = 0; i < count && i < PQntuples(result); i++)
		check(integer_at(result, i, 0) == ids[i], what, "another order");
	PQclear(result);
}

static void
expect_refused(PGresult *result, const char *sqlstate, const char *message)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	check(PQresultStatus(result) == PGRES_FATAL_ERROR, message, "not refused");
	check(state != NULL && strcmp(state, sqlstate) == 0, sqlstate, PQresultErrorMessage(result));
	check(strstr(PQresultErrorMessage(result), message) != NULL, message, PQresultErrorMessage(result));
	PQclear(result);
}

static void
expect_value(const PGresult *result, int row, int column, const Value *value, const char *what)
{
	if (value->length < 0)
		check(PQgetisnull(result, row, column), what, "not NULL");
	else
		check(PQgetlength(result, row, column) == value->length && memcmp(PQgetvalue(result, row, column), value->bytes, (size_t) value->length) == 0,
			  what, "other bytes");
}

/* ---- the tests */

static void
create_extension(void)
{
	char		query[100];

	snprintf(query, sizeof query, "CREATE EXTENSION IF NOT EXISTS %s", extension);
	command(query);
	command(query);
	for (int i = 0; i < 4; i++)
	{
		PGresult   *result;

		snprintf(query, sizeof query, "SELECT '%s'::regtype::oid", types[i].name);
		result = PQexecParams(connection, query, 0, NULL, NULL, NULL, NULL, 1);
		check(PQntuples(result) == 1, query, PQresultErrorMessage(result));
		if (PQntuples(result) == 1)
			types[i].oid = (Oid) integer_at(result, 0, 0);
		PQclear(result);
	}
}

static void
insert_rows(void)
{
	for (int row = 1; row <= ROWS + 1; row++)
	{
		Value		values[5];
		Oid			oids[5] = {23};
		PGresult   *result;

		values[0] = integer_value(row);
		for (int i = 0; i < 4; i++)
		{
			oids[i + 1] = types[i].oid;
			if (row <= ROWS)
				values[i + 1] = row_value(row, &types[i]);
			else
				values[i + 1].length = -1;
		}
		result = run("INSERT INTO items (id, embedding, half, sparse, bits) VALUES ($1, $2, $3, $4, $5)", 5, values, oids);
		check(PQresultStatus(result) == PGRES_COMMAND_OK, "INSERT", PQresultErrorMessage(result));
		PQclear(result);
	}
}

/* Sees that a table has the rows that were inserted. */
static void
expect_rows(const char *query)
{
	PGresult   *result = run(query, 0, NULL, NULL);

	check(PQntuples(result) == ROWS + 1, query, "another number of rows");
	for (int row = 1; row <= PQntuples(result); row++)
		for (int i = 0; i < 4; i++)
		{
			Value		value = {.length = -1};

			if (row <= ROWS)
				value = row_value(row, &types[i]);
			check(PQftype(result, i + 1) == types[i].oid && PQfformat(result, i + 1) == 1, types[i].name, "another type or format");
			expect_value(result, row - 1, i + 1, &value, types[i].name);
		}
	PQclear(result);
}

static void
insert_and_read(void)
{
	command("CREATE TABLE items (id integer PRIMARY KEY, embedding vector(3), half halfvec(3), sparse sparsevec(3), bits bit(3))");
	insert_rows();
	expect_rows("SELECT * FROM items ORDER BY id");
}

typedef void (*Visit) (const Type *type, const Distance *distance);

static void
for_each(Visit visit)
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < (i < 3 ? 4 : 2); j++)
			visit(&types[i], i < 3 ? &distances[j] : &bit_distances[j]);
}

static void
search_one(const Type *type, const Distance *distance)
{
	char		query[300];
	Value		values[2] = {row_value(1, type), number_value(distance->bound)};
	Oid			oids[2] = {type->oid, 701};

	snprintf(query, sizeof query, "SELECT id FROM items WHERE %s IS NOT NULL ORDER BY %s %s $1 LIMIT 4", type->column, type->column, distance->operator);
	expect_ids(run(query, 1, values, oids), distance->order, ROWS, query);
	snprintf(query, sizeof query, "SELECT id FROM items WHERE id <> 1 AND %s %s $1 < $2 ORDER BY %s %s $1 LIMIT 4",
			 type->column, distance->operator, type->column, distance->operator);
	expect_ids(run(query, 2, values, oids), distance->within, distance->within_count, query);
}

static void
search(void)
{
	for_each(search_one);
}

static void
expect_index(const Type *type, const Distance *distance, const char *suffix)
{
	char		query[300];
	char		scan[100];
	Value		value = row_value(1, type);
	PGresult   *result;
	int			found = 0;

	snprintf(query, sizeof query, "EXPLAIN SELECT id FROM items ORDER BY %s %s $1 LIMIT 4", type->column, distance->operator);
	snprintf(scan, sizeof scan, "Index Scan using items_%s_%s%s ", type->column, distance->name, suffix);
	result = run(query, 1, &value, &type->oid);
	for (int i = 0; i < PQntuples(result); i++)
		found |= strstr(PQgetvalue(result, i, 0), scan) != NULL;
	check(found, query, "does not take the index");
	PQclear(result);
}

static void
index_one(const Type *type, const Distance *distance)
{
	char		query[300];

	snprintf(query, sizeof query, "CREATE INDEX items_%s_%s ON items USING hnsw (%s %s_%s_ops) WITH (m = 16, ef_construction = 64)",
			 type->column, distance->name, type->column, type->name, distance->name);
	command(query);
	expect_index(type, distance, "");
}

static void
make_indexes(void)
{
	command("SET enable_seqscan = off");
	command("SET enable_sort = off");
	for_each(index_one);
}

static int
has_lists(const Type *type, const Distance *distance)
{
	return type != &types[2] && strcmp(distance->name, "l1") != 0 && strcmp(distance->name, "jaccard") != 0;
}

static void
lists_one(const Type *type, const Distance *distance)
{
	char		query[300];

	snprintf(query, sizeof query, "DROP INDEX items_%s_%s", type->column, distance->name);
	command(query);
	if (!has_lists(type, distance))
		return;
	snprintf(query, sizeof query, "CREATE INDEX items_%s_%s_lists ON items USING ivfflat (%s %s_%s_ops) WITH (lists = 10)",
			 type->column, distance->name, type->column, type->name, distance->name);
	command(query);
	expect_index(type, distance, "_lists");
	search_one(type, distance);
}

static void
make_lists(void)
{
	command("SET ivfflat.probes = 10");
	for_each(lists_one);
}

/* Distances in binary are doubles. */
static void
read_distances(void)
{
	Value		value = row_value(1, &types[0]);
	PGresult   *result = run("SELECT embedding <-> $1, l1_distance(embedding, $1), avg(embedding) OVER () FROM items WHERE id = 2", 1, &value, &types[0].oid);
	Value		expected[3] = {number_value(sqrt(6)), number_value(4), row_value(2, &types[0])};

	check(PQntuples(result) == 1, "distances", PQresultErrorMessage(result));
	if (PQntuples(result) == 1)
		for (int i = 0; i < 3; i++)
			expect_value(result, 0, i, &expected[i], "distances and an average");
	PQclear(result);
}

/* The plan is generic from the sixth time on. */
static void
prepared(void)
{
	PGresult   *result = PQprepare(connection, "near", "SELECT id FROM items ORDER BY half <=> $1 LIMIT 4", 1, &types[1].oid);

	check(PQresultStatus(result) == PGRES_COMMAND_OK, "PREPARE", PQresultErrorMessage(result));
	PQclear(result);
	for (int i = 0; i < 8; i++)
	{
		Value		value = row_value(1 + i % 2 * 3, &types[1]);
		const char *bytes = value.bytes;
		int			format = 1;
		static const int orders[2][ROWS] = {{1, 2, 3, 4}, {4, 3, 2, 1}};

		expect_ids(PQexecPrepared(connection, "near", 1, &bytes, &value.length, &format, 1), orders[i % 2], ROWS, "prepared");
	}
}

static void
single_rows(void)
{
	PGresult   *result;
	int			seen = 0;
	static const int order[ROWS] = {1, 3, 4, 2};

	check(PQsendQueryParams(connection, "SELECT id, embedding FROM items ORDER BY embedding <-> '[1,1,1]' LIMIT 4", 0, NULL, NULL, NULL, NULL, 1), "send", PQerrorMessage(connection));
	PQsetSingleRowMode(connection);
	while ((result = PQgetResult(connection)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE && seen < ROWS)
		{
			Value		value = row_value(order[seen], &types[0]);

			check(integer_at(result, 0, 0) == order[seen], "single row", "another order");
			expect_value(result, 0, 1, &value, "single row");
			seen++;
		}
		PQclear(result);
	}
	check(seen == ROWS, "single rows", "another number of them");
}

/* COPY out of one table and into another, in this format. */
static void
copy(const char *format)
{
	char		query[100];
	char		data[4096];
	char	   *part;
	int			length;
	int			total = 0;
	PGresult   *result;

	command("CREATE TABLE copied (LIKE items)");
	snprintf(query, sizeof query, "COPY items TO STDOUT WITH (FORMAT %s)", format);
	result = PQexec(connection, query);
	check(PQresultStatus(result) == PGRES_COPY_OUT, query, PQresultErrorMessage(result));
	PQclear(result);
	while ((length = PQgetCopyData(connection, &part, 0)) > 0)
	{
		if (total + length <= (int) sizeof data)
			memcpy(data + total, part, (size_t) length);
		total += length;
		PQfreemem(part);
	}
	check(length == -1 && total <= (int) sizeof data, query, "the data end badly");
	PQclear(PQgetResult(connection));
	snprintf(query, sizeof query, "COPY copied FROM STDIN WITH (FORMAT %s)", format);
	result = PQexec(connection, query);
	check(PQresultStatus(result) == PGRES_COPY_IN, query, PQresultErrorMessage(result));
	PQclear(result);
	check(PQputCopyData(connection, data, total) == 1 && PQputCopyEnd(connection, NULL) == 1, query, PQerrorMessage(connection));
	result = PQgetResult(connection);
	check(PQresultStatus(result) == PGRES_COMMAND_OK, query, PQresultErrorMessage(result));
	PQclear(result);
	while ((result = PQgetResult(connection)) != NULL)
		PQclear(result);
	expect_rows("SELECT * FROM copied ORDER BY id");
	command("DROP TABLE copied");
}

static void
copies(void)
{
	copy("text");
	copy("binary");
}

/* Parameters that are cut, too long, of other dimensions, not finite, out of order. */
static void
refuse(void)
{
	static const char *const queries[] = {"SELECT $1::vector(3)", "SELECT $1::halfvec(3)", "SELECT $1::sparsevec(3)"};
	static const float infinite[DIMENSIONS] = {1, INFINITY, 1};
	static const uint16_t not_a_number[DIMENSIONS] = {0x3c00, 0x7e00, 0x3c00};
	Value		value;
	PGresult   *result;

	for (int i = 0; i < 3; i++)
	{
		for (int length = 0; length < row_value(1, &types[i]).length; length++)
		{
			value = row_value(1, &types[i]);
			value.length = length;
			result = run(queries[i], 1, &value, &types[i].oid);
			check(PQresultStatus(result) == PGRES_FATAL_ERROR, queries[i], "a value that is cut is not refused");
			PQclear(result);
		}
		value = row_value(1, &types[i]);
		value.bytes[value.length++] = 0;
		expect_refused(run(queries[i], 1, &value, &types[i].oid), "22P03", "incorrect binary data format");
	}
	value = vector_value(2, points[0]);
	expect_refused(run("INSERT INTO items (id, embedding) VALUES (9, $1)", 1, &value, &types[0].oid), "22000", "expected 3 dimensions, not 2");
	expect_refused(run("SELECT id FROM items ORDER BY embedding <-> $1 LIMIT 1", 1, &value, &types[0].oid), "22000", "different vector dimensions");
	value = vector_value(DIMENSIONS, infinite);
	expect_refused(run(queries[0], 1, &value, &types[0].oid), "22000", "infinite value not allowed in vector");
	value = halfvec_value(DIMENSIONS, not_a_number);
	expect_refused(run(queries[1], 1, &value, &types[1].oid), "22000", "NaN not allowed in halfvec");
	value = row_value(1, &types[2]);
	value.bytes[15] = 2;
	expect_refused(run(queries[2], 1, &value, &types[2].oid), "22000", "sparsevec indices must be in ascending order");
}

static void
update_and_delete(void)
{
	Value		values[2] = {row_value(2, &types[2]), integer_value(5)};
	Oid			oids[2] = {types[2].oid, 23};
	static const int near_two[] = {5, 1, 4};
	PGresult   *result = run("UPDATE items SET sparse = $1 WHERE id = $2", 2, values, oids);

	check(strcmp(PQcmdTuples(result), "1") == 0, "UPDATE", PQresultErrorMessage(result));
	PQclear(result);
	values[0].length = -1;
	values[1] = integer_value(3);
	result = run("UPDATE items SET sparse = $1 WHERE id = $2", 2, values, oids);
	check(strcmp(PQcmdTuples(result), "1") == 0, "UPDATE", PQresultErrorMessage(result));
	PQclear(result);
	command("DELETE FROM items WHERE id = 2");
	values[0] = row_value(2, &types[2]);
	expect_ids(run("SELECT id FROM items WHERE sparse IS NOT NULL ORDER BY sparse <-> $1", 1, values, oids), near_two, 3, "after changes");
}

static void
extensions(void)
{
	PGresult   *result = PQexec(connection, "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension WHERE extname IN ('vecmark', 'vector')");

	check(strcmp(PQgetvalue(result, 0, 0), strcmp(extension, "vecmark") == 0 ? "vecmark" : "vecmark vector") == 0, "extensions", PQgetvalue(result, 0, 0));
	PQclear(result);
}

int
main(void)
{
	extension = getenv("CLIENT_EXTENSION");
	connection = PQconnectdb("");
	if (extension == NULL || PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(connection));
		return 2;
	}
	command("SET client_min_messages = warning");
	test("create extension, and again", create_extension);
	test("insert in binary, and read the same bytes", insert_and_read);
	test("nearest rows, every operator, exact", search);
	test("hnsw indexes, every operator class", make_indexes);
	test("nearest rows, every operator, by index", search);
	test("distances and averages in binary", read_distances);
	test("prepared statement, until its plan is generic", prepared);
	test("single rows, the nearest first", single_rows);
	test("COPY as text and in binary, out and in", copies);
	test("ivfflat indexes", make_lists);
	test("what is wrong is refused", refuse);
	test("update and delete", update_and_delete);
	test("extensions are those asked for", extensions);
	PQfinish(connection);
	return failed;
}
