-- The index gives the rows that a sort gives, in its order.
SET enable_seqscan = off;
SET jit = off;
-- The index's rows beside the sorted ones: ties may come in any order, and an index of rotated floats knows distances to 1e-5.
CREATE FUNCTION hnsw_compare(tab text, op text, query text, k integer, cond text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	by_index text := format('SELECT id, v %s %L AS d FROM %s WHERE %s ORDER BY v %1$s %2$L LIMIT %5$s', op, query, tab, cond, k);
	by_sort text := format('SELECT (v %s %L) + 0 AS d FROM %s WHERE v IS NOT NULL AND (%s) ORDER BY d LIMIT %s', op, query, tab, cond, k);
	plan json;
	rows bigint;
	ids bigint;
	same boolean;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || by_index INTO plan;
	IF plan::text !~ '"Index Scan"' OR plan::text ~ '"Sort"' THEN
		RETURN 'no index scan';
	END IF;
	EXECUTE format('SELECT count(*), count(DISTINCT i.id), coalesce(bool_and(i.d = s.d OR abs(i.d - s.d) <= 1e-5 * (1 + abs(s.d))), true) FROM
		(SELECT row_number() OVER () AS n, * FROM (%s) AS x) AS i FULL JOIN (SELECT row_number() OVER () AS n, * FROM (%s) AS x) AS s USING (n)',
		by_index, by_sort) INTO rows, ids, same;
	RETURN rows || ' rows' || CASE WHEN rows <> ids THEN ', ' || ids || ' of the index' ELSE '' END || CASE WHEN same THEN ', in order' ELSE ', not in order' END;
END $$;
-- a whole table, read at once
SET hnsw.ef_search = 1000;

-- each distance, with ties, equal vectors and NULLs, by either storage; rows from the build and rows inserted later
CREATE TABLE hnsw_t (id integer GENERATED ALWAYS AS IDENTITY, v vector(3));
INSERT INTO hnsw_t (v) SELECT CASE WHEN i % 50 <> 0 THEN ARRAY[i % 7, i % 11 - 5, i % 5 + 1]::vector END FROM generate_series(1, 400) AS i;
CREATE INDEX hnsw_l2 ON hnsw_t USING hnsw (v vector_l2_ops);
CREATE INDEX hnsw_ip ON hnsw_t USING hnsw (v vector_ip_ops);
CREATE INDEX hnsw_cosine ON hnsw_t USING hnsw (v vector_cosine_ops);
CREATE INDEX hnsw_l1 ON hnsw_t USING hnsw (v vector_l1_ops);
SELECT op, query, k, hnsw_compare('hnsw_t', op, query, k)
FROM unnest('{<->,<#>,<=>,<+>}'::text[]) AS op, unnest('{"[1,2,3]","[-7,0.5,9]","[0.001,0,0]"}'::text[]) AS query, unnest('{1,5,60,1000}'::integer[]) AS k
ORDER BY 1, 2, 3;
INSERT INTO hnsw_t (v) SELECT CASE WHEN i % 50 <> 0 THEN ARRAY[i % 9 - 2, i % 8, i % 3]::vector END FROM generate_series(1, 400) AS i WHERE i % 216 <> 74;
SELECT op, query, k, hnsw_compare('hnsw_t', op, query, k)
FROM unnest('{<->,<#>,<+>}'::text[]) AS op, unnest('{"[1,2,3]","[-7,0.5,9]"}'::text[]) AS query, unnest('{1,5,60,1000}'::integer[]) AS k
ORDER BY 1, 2, 3;
DROP INDEX hnsw_l2, hnsw_ip, hnsw_cosine, hnsw_l1;
DELETE FROM hnsw_t WHERE v = '[0,0,0]';
CREATE INDEX hnsw_l2 ON hnsw_t USING hnsw (v vector_l2_ops) WITH (storage = int8);
CREATE INDEX hnsw_ip ON hnsw_t USING hnsw (v vector_ip_ops) WITH (storage = int8);
CREATE INDEX hnsw_cosine ON hnsw_t USING hnsw (v vector_cosine_ops) WITH (storage = int8);
CREATE INDEX hnsw_l1 ON hnsw_t USING hnsw (v vector_l1_ops) WITH (storage = int8);
SELECT op, query, k, hnsw_compare('hnsw_t', op, query, k)
FROM unnest('{<->,<#>,<=>,<+>}'::text[]) AS op, unnest('{"[1,2,3]","[-7,0.5,9]"}'::text[]) AS query, unnest('{1,5,60,1000}'::integer[]) AS k
ORDER BY 1, 2, 3;

-- a NULL to search for; a zero vector where it has no direction: all rows, in any order
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM hnsw_t ORDER BY v <-> (SELECT NULL::vector) LIMIT 10000) AS s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM hnsw_t ORDER BY v <=> '[0,0,0]' LIMIT 10000) AS s;
SELECT count(*) FROM hnsw_t WHERE v IS NOT NULL;
-- another number of dimensions
SELECT id FROM hnsw_t ORDER BY v <-> '[1,2]' LIMIT 1;
-- no order, no index
RESET enable_seqscan;
EXPLAIN (COSTS off) SELECT id FROM hnsw_t WHERE v <-> '[1,2,3]' < 2;
SET enable_seqscan = off;
DROP TABLE hnsw_t;

-- zero vectors have no direction and come last, each once; there can be nothing else
CREATE TABLE hnsw_zero (id integer, v vector(2));
CREATE INDEX hnsw_zero_v ON hnsw_zero USING hnsw (v vector_cosine_ops);
SELECT hnsw_compare('hnsw_zero', '<=>', '[1,1]', 10);
INSERT INTO hnsw_zero VALUES (1, '[0,0]'), (2, '[0,0]');
SELECT hnsw_compare('hnsw_zero', '<=>', '[1,1]', 10);
INSERT INTO hnsw_zero VALUES (3, '[1,0]'), (4, '[0,0]'), (5, '[1,1]'), (6, '[3e38,3e38]');
SELECT id, v <=> '[1,1]' AS d FROM hnsw_zero WHERE id IN (3, 5) ORDER BY v <=> '[1,1]';
SELECT hnsw_compare('hnsw_zero', '<=>', '[1,1]', 10);
REINDEX INDEX hnsw_zero_v;
SELECT hnsw_compare('hnsw_zero', '<=>', '[1,1]', 10);
DELETE FROM hnsw_zero WHERE id IN (1, 4);
VACUUM hnsw_zero;
SELECT hnsw_compare('hnsw_zero', '<=>', '[1,1]', 10);
DELETE FROM hnsw_zero WHERE v = '[0,0]';
VACUUM hnsw_zero;
SELECT hnsw_compare('hnsw_zero', '<=>', '[1,1]', 10);
DROP TABLE hnsw_zero;

-- INSERT, UPDATE, DELETE, ROLLBACK, VACUUM, TRUNCATE
CREATE TABLE hnsw_change (id integer PRIMARY KEY, note text, v vector(4));
INSERT INTO hnsw_change SELECT i, 'a', ARRAY[i % 10, i / 10 % 10, i / 100, 1]::vector FROM generate_series(1, 500) AS i;
CREATE INDEX hnsw_change_v ON hnsw_change USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 40);
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
UPDATE hnsw_change SET note = 'b' WHERE id % 2 = 0;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
UPDATE hnsw_change SET v = v + '[0.5,0,0,1]' WHERE id % 5 = 0;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
DELETE FROM hnsw_change WHERE id % 3 = 0;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
BEGIN;
INSERT INTO hnsw_change SELECT i, 'c', ARRAY[i % 10, 4, 2, 1]::vector FROM generate_series(1001, 1100) AS i;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
ROLLBACK;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
VACUUM hnsw_change;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
INSERT INTO hnsw_change SELECT i, 'd', ARRAY[i % 10, 4, 2, i % 3]::vector FROM generate_series(2001, 2300) AS i;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
VACUUM FULL hnsw_change;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
DELETE FROM hnsw_change;
VACUUM hnsw_change;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
INSERT INTO hnsw_change VALUES (1, 'e', '[1,1,1,1]'), (2, 'e', NULL);
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
TRUNCATE hnsw_change;
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
INSERT INTO hnsw_change VALUES (1, 'e', '[1,1,1,1]');
SELECT hnsw_compare('hnsw_change', '<->', '[3,4,2,1]', 1000);
DROP TABLE hnsw_change;

-- a vector that thousands of rows have
CREATE TABLE hnsw_equal (id integer, v vector(3));
INSERT INTO hnsw_equal SELECT i, CASE WHEN i % 10 = 0 THEN ARRAY[i, 1, 1]::vector ELSE '[1,1,1]' END FROM generate_series(1, 3000) AS i;
CREATE INDEX hnsw_equal_v ON hnsw_equal USING hnsw (v vector_l2_ops);
SELECT hnsw_compare('hnsw_equal', '<->', '[1,1,1]', 2650);
INSERT INTO hnsw_equal SELECT i, '[1,1,1]' FROM generate_series(3001, 6000) AS i;
SELECT hnsw_compare('hnsw_equal', '<->', '[1,1,1]', 10000);
DELETE FROM hnsw_equal WHERE id % 7 <> 0;
VACUUM hnsw_equal;
SELECT hnsw_compare('hnsw_equal', '<->', '[1,1,1]', 10000);
INSERT INTO hnsw_equal SELECT i, '[1,1,1]' FROM generate_series(6001, 7000) AS i;
SELECT hnsw_compare('hnsw_equal', '<->', '[1,1,1]', 10000);
DROP TABLE hnsw_equal;

-- from 1 to 16,000 dimensions
SELECT setseed(0.25);
CREATE FUNCTION hnsw_dimensions(dim integer, storage text, n integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE hnsw_dim (id integer, v vector(%s))', dim);
	INSERT INTO hnsw_dim SELECT i / dim, array_agg(round(random() * 200) - 100)::vector FROM generate_series(dim, dim * (n + 1) - 1) AS i GROUP BY 1;
	EXECUTE format('CREATE INDEX ON hnsw_dim USING hnsw (v vector_l2_ops) WITH (storage = %s)', storage);
	INSERT INTO hnsw_dim SELECT n + i / dim, array_agg(round(random() * 200) - 100)::vector FROM generate_series(dim, dim * (n / 4 + 1) - 1) AS i GROUP BY 1;
	SELECT string_agg(hnsw_compare('hnsw_dim', '<->', v::text, n * 2), '; ') INTO result FROM hnsw_dim WHERE id IN (2, n + 2);
	DROP TABLE hnsw_dim;
	RETURN result;
END $$;
SELECT dim, storage, hnsw_dimensions(dim, storage, n) FROM (VALUES (1, 100), (2, 100), (3, 100), (64, 100), (2000, 40), (16000, 12)) AS d(dim, n), unnest('{float32,int8}'::text[]) AS storage;

-- more rows than the search width: all are found, whatever the mode; and none is lost to a filter
RESET hnsw.ef_search;
CREATE TABLE hnsw_many (id integer, v vector(8));
INSERT INTO hnsw_many SELECT i, ARRAY[i % 2, i % 3, i % 5, i % 7, i % 11, i % 13, i % 17, i % 19]::vector FROM generate_series(1, 3000) AS i;
CREATE INDEX hnsw_many_v ON hnsw_many USING hnsw (v vector_l2_ops);
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM hnsw_many ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5000) AS s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM hnsw_many WHERE id % 100 = 0 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5000) AS s;
SET hnsw.ef_search = 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM hnsw_many WHERE id % 100 = 0 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5000) AS s;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;
-- strict order may drop a row that is found too late, but not many
SET client_min_messages = warning;
SELECT count(*) >= 2970 AS nearly_all, count(*) = count(DISTINCT id) AS once FROM (SELECT id FROM hnsw_many ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5000) AS s;
SELECT bool_and(d >= before) AS strict FROM (SELECT d, lag(d) OVER () AS before FROM
	(SELECT v <-> '[1,1,1,1,1,1,1,1]' AS d FROM hnsw_many WHERE id % 3 = 0 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 900) AS s) AS s;
-- a limit that is asked for
SET hnsw.max_scan_tuples = 100;
SELECT count(*) BETWEEN 40 AND 200 AS some FROM (SELECT id FROM hnsw_many ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5000) AS s;
RESET hnsw.max_scan_tuples;
SET hnsw.iterative_scan = off;
SELECT count(*) FROM (SELECT id FROM hnsw_many ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5000) AS s;
RESET hnsw.iterative_scan;
RESET client_min_messages;
-- two scans at a time; one for each row of a table
BEGIN;
DECLARE one CURSOR FOR SELECT id FROM hnsw_many ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 100;
DECLARE two CURSOR FOR SELECT id FROM hnsw_many ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 100;
DO $$
DECLARE
	one refcursor := 'one';
	two refcursor := 'two';
	one_id integer;
	two_id integer;
BEGIN
	FOR i IN 1 .. 50 LOOP
		FETCH one INTO one_id;
		FETCH two INTO two_id;
		IF one_id <> two_id THEN
			RAISE 'row % is % and %', i, one_id, two_id;
		END IF;
	END LOOP;
END $$;
COMMIT;
SELECT count(*), bool_and(o.id = i.id OR o.v <-> i.v = 0) AS itself
FROM (SELECT * FROM hnsw_many WHERE id <= 200) AS o, LATERAL (SELECT id, v FROM hnsw_many ORDER BY v <-> o.v LIMIT 1) AS i;
DROP TABLE hnsw_many;

-- unlogged and temporary tables, and changes between
CREATE UNLOGGED TABLE hnsw_unlogged (id integer, v vector(3));
CREATE INDEX ON hnsw_unlogged USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_unlogged SELECT i, ARRAY[i, i % 5, 1]::vector FROM generate_series(1, 100) AS i;
SELECT hnsw_compare('hnsw_unlogged', '<->', '[10,1,1]', 200);
ALTER TABLE hnsw_unlogged SET LOGGED;
SELECT hnsw_compare('hnsw_unlogged', '<->', '[10,1,1]', 200);
ALTER TABLE hnsw_unlogged SET UNLOGGED;
INSERT INTO hnsw_unlogged VALUES (101, '[9,9,9]');
SELECT hnsw_compare('hnsw_unlogged', '<->', '[10,1,1]', 200);
DROP TABLE hnsw_unlogged;
CREATE TEMPORARY TABLE hnsw_temporary (id integer, v vector(3));
INSERT INTO hnsw_temporary SELECT i, ARRAY[i, i % 5, 1]::vector FROM generate_series(1, 100) AS i;
CREATE INDEX ON hnsw_temporary USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_temporary VALUES (101, '[9,9,9]');
DELETE FROM hnsw_temporary WHERE id % 2 = 0;
VACUUM hnsw_temporary;
SELECT hnsw_compare('hnsw_temporary', '<->', '[10,1,1]', 200);
DROP TABLE hnsw_temporary;

-- other ways to make an index
CREATE TABLE hnsw_made (id integer, v vector(3), any_v vector);
INSERT INTO hnsw_made SELECT i, ARRAY[i, i % 5, 1]::vector, ARRAY[i, i % 5, 1]::vector FROM generate_series(1, 100) AS i;
CREATE INDEX CONCURRENTLY hnsw_made_v ON hnsw_made USING hnsw (v vector_l2_ops);
SELECT hnsw_compare('hnsw_made', '<->', '[10,1,1]', 200);
REINDEX INDEX hnsw_made_v;
REINDEX INDEX CONCURRENTLY hnsw_made_v;
SELECT hnsw_compare('hnsw_made', '<->', '[10,1,1]', 200);
ALTER TABLE hnsw_made ALTER COLUMN v TYPE vector(4) USING v || '[1]';
SELECT hnsw_compare('hnsw_made', '<->', '[10,1,1,1]', 200);
DROP INDEX hnsw_made_v;
-- a part of the rows
CREATE INDEX hnsw_made_v ON hnsw_made USING hnsw (v vector_l2_ops) WHERE id > 50;
SELECT hnsw_compare('hnsw_made', '<->', '[10,1,1,1]', 200, 'id > 50');
SELECT hnsw_compare('hnsw_made', '<->', '[10,1,1,1]', 200);
-- an expression
CREATE INDEX hnsw_made_e ON hnsw_made USING hnsw ((any_v::vector(3)) vector_l2_ops);
EXPLAIN (COSTS off) SELECT id FROM hnsw_made ORDER BY any_v::vector(3) <-> '[10,1,1]' LIMIT 3;
SELECT id FROM hnsw_made ORDER BY any_v::vector(3) <-> '[10,0,1]' LIMIT 1;
INSERT INTO hnsw_made VALUES (101, '[1,2,3,4]', '[1,2]');
DROP TABLE hnsw_made;
-- partitions
CREATE TABLE hnsw_parts (id integer, v vector(3)) PARTITION BY HASH (id);
CREATE TABLE hnsw_parts_0 PARTITION OF hnsw_parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hnsw_parts_1 PARTITION OF hnsw_parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON hnsw_parts USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_parts SELECT i, ARRAY[i, i % 5, 1]::vector FROM generate_series(1, 100) AS i;
SELECT hnsw_compare('hnsw_parts', '<->', '[10,1,1]', 200);
DROP TABLE hnsw_parts;

DROP FUNCTION hnsw_dimensions(integer, text, integer);
DROP FUNCTION hnsw_compare(text, text, text, integer, text);
