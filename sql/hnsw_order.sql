-- hnsw_order: several distances in one ORDER BY, distances that give no order, and what a scan says that is begun again.
\set VERBOSITY terse
SET enable_sort = off;
SET extra_float_digits = 0;

-- ---- two distances: the order of the first, and of the second where that is equal

CREATE TABLE two (id int, v vector(8), h halfvec(8), s sparsevec(8), b bit(8));
INSERT INTO two SELECT i, v, v::halfvec, v::sparsevec, (i % 256)::bit(8)
	FROM generate_series(1, 3000) AS i,
		LATERAL (SELECT ARRAY[i % 2, i / 2 % 2, i / 4 % 2, i / 8 % 2, i / 16 % 3, i / 48 % 2, 1, i % 5]::vector AS v) AS s;
CREATE TABLE two_kinds (kind text, indexed text, options text, operator text, a text, b text, rest text);
INSERT INTO two_kinds VALUES
	('float32', 'v vector_l2_ops', '', '<->', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('float32 cosine', 'v vector_cosine_ops', '', '<=>', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('float32 ip', 'v vector_ip_ops', '', '<#>', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('float32 l1', 'v vector_l1_ops', '', '<+>', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('int8', 'v vector_l2_ops', 'WITH (storage = int8)', '<->', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('int8 cosine', 'v vector_cosine_ops', 'WITH (storage = int8)', '<=>', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('halfvec', 'h halfvec_l2_ops', '', '<->', '[1,1,1,1,0,0,0,0]', '[0,0,0,0,1,1,1,1]', '[3,1,4,1,5,9,2,6]'),
	('sparsevec', 's sparsevec_l2_ops', '', '<->', '{1:1,2:1}/8', '{5:1,6:1}/8', '{1:3,2:1,3:4,4:1,5:5,6:9,7:2,8:6}/8'),
	('hamming', 'b bit_hamming_ops', '', '<~>', '11110000', '00001111', '10110010'),
	('jaccard', 'b bit_jaccard_ops', '', '<%>', '11110000', '00001111', '10110010');

-- Whether an index gives the nearest rows by several distances as the table does; distances of rows that are equally far are equal.
CREATE FUNCTION same_order(kind two_kinds, queries text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	shown  text := (SELECT string_agg(format('round((%s %s %L)::numeric, 5)', split_part(kind.indexed, ' ', 1), kind.operator, q), ' || '','' || ') FROM unnest(queries) AS q);
	type   text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'two'::regclass AND attname = split_part(kind.indexed, ' ', 1));
	-- the planner must not know of a NULL
	asked  text := (SELECT string_agg(format('%s %s (SELECT %L::%s)', split_part(kind.indexed, ' ', 1), kind.operator, q, type), ', ') FROM unnest(queries) AS q);
	query  text := format('SELECT array_agg(d) FROM (SELECT coalesce(%s, ''none'') AS d FROM two ORDER BY %s LIMIT 30) AS s', shown, asked);
	line   text;
	plan   text := '';
	found  text[];
	exact  text[];
BEGIN
	SET LOCAL enable_seqscan = off;
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF plan !~ 'Index Scan using two_index' THEN
		RAISE EXCEPTION 'no index scan: %', plan;
	END IF;
	EXECUTE query INTO found;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE query INTO exact;
	SET LOCAL enable_indexscan = on;
	RETURN found = exact AND cardinality(found) = 30;
END $$;
CREATE FUNCTION try_orders(kind two_kinds, OUT two boolean, OUT three boolean, OUT twice boolean, OUT null_last boolean, OUT null_first boolean) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX two_index ON two USING hnsw (%s) %s', kind.indexed, kind.options);
	SET LOCAL hnsw.ef_search = 400;
	two := same_order(kind, ARRAY[kind.a, kind.b]);
	three := same_order(kind, ARRAY[kind.b, kind.a, kind.rest]);
	twice := same_order(kind, ARRAY[kind.rest, kind.rest]);
	null_last := same_order(kind, ARRAY[kind.a, NULL]);
	null_first := same_order(kind, ARRAY[NULL, kind.b]);
	DROP INDEX two_index;
END $$;
SELECT k.kind, t.* FROM two_kinds AS k, try_orders(k) AS t;

-- ---- distances that give no order: what is returned is all that is read

CREATE TABLE nowhere AS SELECT i AS id, CASE WHEN i % 1000 = 0 THEN '[0,0,0]' ELSE ARRAY[i % 97, i % 89, i % 7]::vector END::vector(3) AS v FROM generate_series(1, 9000) AS i;
CREATE INDEX nowhere_v ON nowhere USING hnsw (v vector_cosine_ops);
CREATE INDEX nowhere_ivf ON nowhere USING ivfflat (v vector_l2_ops) WITH (lists = 10);
ANALYZE nowhere;
CREATE FUNCTION buffers(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) ' || query INTO plan;
	IF plan::text !~ 'Index Scan' THEN
		RAISE EXCEPTION 'no index scan: %', plan;
	END IF;
	RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::int + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::int;
END $$;
SELECT buffers($$SELECT id FROM nowhere ORDER BY v <=> '[0,0,0]' LIMIT 3$$) < 30 AS zero,
	buffers($$SELECT id FROM nowhere ORDER BY v <=> (SELECT NULL::vector) LIMIT 3$$) < 30 AS no_query;
SET ivfflat.probes = 10;
SELECT buffers($$SELECT id FROM nowhere ORDER BY v <-> (SELECT NULL::vector) LIMIT 3$$) < 30 AS exact_without_query;
RESET ivfflat.probes;
-- Nothing is missing, and nothing comes twice.
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM nowhere ORDER BY v <=> '[0,0,0]') AS s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM nowhere ORDER BY v <=> (SELECT NULL::vector)) AS s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM nowhere WHERE id > 8990 ORDER BY v <-> (SELECT NULL::vector)) AS s;

-- ---- a scan that is begun again and again says once what the client does not get

SET hnsw.max_scan_tuples = 60;
SELECT count(*) FROM (SELECT id, v FROM nowhere WHERE id <= 5) AS o,
	LATERAL (SELECT i.id FROM nowhere AS i WHERE i.id < 0 ORDER BY i.v <=> o.v LIMIT 1) AS n;
SELECT count(*) FROM (SELECT id FROM nowhere WHERE id < 0 ORDER BY v <=> '[1,2,3]' LIMIT 1) AS s;
RESET hnsw.max_scan_tuples;

-- ---- an ivfflat scan that returns rows late is ended by its own settings

CREATE TABLE late AS SELECT i AS id, ARRAY[i % 100, i / 100 % 100, 1]::vector(3) AS v FROM generate_series(1, 8000) AS i;
CREATE INDEX late_v ON late USING ivfflat (v vector_l2_ops) WITH (lists = 100);
ANALYZE late;
SET hnsw.max_scan_tuples = 100;
SET work_mem = '64kB';
SELECT count(*) FROM (SELECT id FROM late WHERE id % 800 = 0 ORDER BY v <-> '[1,2,3]' LIMIT 11) AS s;
SET ivfflat.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM late WHERE id % 800 = 0 ORDER BY v <-> '[1,2,3]' LIMIT 11) AS s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM late ORDER BY v <-> '[1,2,3]') AS s;
-- how many nodes that are depends on their size
SET client_min_messages = warning;
SET ivfflat.max_probes = 2;
SELECT count(*) BETWEEN 150 AND 400 AS a_fiftieth FROM (SELECT id FROM late ORDER BY v <-> '[1,2,3]') AS s;
SELECT count(*) < 10 AS some FROM (SELECT id FROM late WHERE id % 800 = 0 ORDER BY v <-> '[1,2,3]' LIMIT 11) AS s;
RESET ivfflat.max_probes;
RESET client_min_messages;
RESET hnsw.max_scan_tuples;
ALTER INDEX late_v SET (max_scan_tuples = 50);
SELECT count(*) < 10 AS some FROM (SELECT id FROM late WHERE id % 800 = 0 ORDER BY v <-> '[1,2,3]' LIMIT 11) AS s;

DROP FUNCTION same_order, try_orders, buffers;
DROP TABLE two, nowhere, late, two_kinds;
