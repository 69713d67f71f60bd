-- The index of halfvec, sparsevec and bit, and of hyperbolic space: the rows that a sort gives, in its order.
SET enable_seqscan = off;
SET jit = off;
SET max_parallel_maintenance_workers = 0;
SET hnsw.ef_search = 1000;
SELECT setseed(0.5);

CREATE TABLE things (id integer GENERATED ALWAYS AS IDENTITY, h halfvec(20), s sparsevec(1000), b bit(70), p vector(5));
CREATE FUNCTION add_things(rows integer) RETURNS void LANGUAGE sql AS $$
	INSERT INTO things (h, s, b, p) SELECT
		ARRAY(SELECT (random() - 0.5)::real + 0 * (i + g) FROM generate_series(1, 20) AS g)::halfvec,
		-- some have more elements than the index keeps
		ARRAY(SELECT CASE WHEN (g * g + i * 7) % (CASE i % 40 WHEN 0 THEN 3 ELSE 60 + i % 70 END) = 0 THEN (0.1 + (g + i) % 7)::real ELSE 0 END FROM generate_series(1, 1000) AS g ORDER BY g)::sparsevec,
		array_to_string(ARRAY(SELECT (random() < 0.3 + i % 5 * 0.1 + 0 * g)::integer FROM generate_series(1, 70) AS g), '')::bit(70),
		ARRAY(SELECT ((random() - 0.5) * 0.89)::real + 0 * (i + g) FROM generate_series(1, 5) AS g)::vector
	FROM generate_series(1, rows) AS i
$$;
SELECT add_things(300);
INSERT INTO things DEFAULT VALUES;
INSERT INTO things (h, s, b, p) VALUES (array_fill(0, ARRAY[20])::halfvec, '{}/1000', repeat('0', 70)::bit(70), '[0,0,0,0,0]');

CREATE TABLE classes (opclass text, col text, op text);
INSERT INTO classes VALUES ('halfvec_l2_ops', 'h', '<->'), ('halfvec_ip_ops', 'h', '<#>'), ('halfvec_cosine_ops', 'h', '<=>'), ('halfvec_l1_ops', 'h', '<+>'),
	('sparsevec_l2_ops', 's', '<->'), ('sparsevec_ip_ops', 's', '<#>'), ('sparsevec_cosine_ops', 's', '<=>'), ('sparsevec_l1_ops', 's', '<+>'),
	('bit_hamming_ops', 'b', '<~>'), ('bit_jaccard_ops', 'b', '<%>'), ('vector_poincare_ops', 'p', '<^>');

-- For queries that are rows' own values: how many scans give other distances than a sort, or no index scan.
CREATE FUNCTION compare(col text, op text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text;
	plan json;
	same boolean;
	wrong integer := 0;
	k integer;
BEGIN
	FOR query IN EXECUTE format('SELECT %I::text FROM things WHERE %1$I IS NOT NULL AND id %% 41 = 1 AND NOT %1$I::text = ANY (%L) ORDER BY id LIMIT 8', col, ARRAY['{}/1000', '[' || repeat('0,', 19) || '0]']) LOOP
		FOREACH k IN ARRAY '{1,20,1000}'::integer[] LOOP
			EXECUTE format('EXPLAIN (FORMAT JSON) SELECT id FROM things ORDER BY %I %s %L LIMIT %s', col, op, query, k) INTO plan;
			IF plan::text !~ '"Index Scan"' OR plan::text ~ '"Sort"' THEN
				RETURN 'no index scan';
			END IF;
			EXECUTE format('SELECT coalesce(bool_and(i.d = s.d OR abs(i.d - s.d) <= 1e-5 * (1 + abs(s.d))), false) FROM
				(SELECT row_number() OVER () AS n, * FROM (SELECT %1$I %2$s %3$L AS d FROM things ORDER BY %1$I %2$s %3$L LIMIT %4$s) AS x) AS i FULL JOIN
				(SELECT row_number() OVER () AS n, * FROM (SELECT (%1$I %2$s %3$L) + 0 AS d FROM things WHERE %1$I IS NOT NULL ORDER BY d LIMIT %4$s) AS x) AS s USING (n)',
				col, op, query, k) INTO same;
			wrong := wrong + (NOT same)::integer;
		END LOOP;
	END LOOP;
	RETURN wrong || ' wrong';
END $$;
DO $$
DECLARE
	c classes;
BEGIN
	FOR c IN SELECT * FROM classes LOOP
		EXECUTE format('CREATE INDEX %I ON things USING hnsw (%I %I)', 'by_' || c.opclass, c.col, c.opclass);
	END LOOP;
END $$;
SELECT opclass, compare(col, op), (SELECT count(*) AS faults FROM vecmark.hnsw_check(('by_' || opclass)::regclass)) FROM classes;
SELECT add_things(200);
SELECT opclass, compare(col, op), (SELECT count(*) AS faults FROM vecmark.hnsw_check(('by_' || opclass)::regclass)) FROM classes;
DELETE FROM things WHERE id % 3 = 0;
VACUUM things;
SELECT add_things(100);
SELECT opclass, compare(col, op), (SELECT count(*) AS faults FROM vecmark.hnsw_check(('by_' || opclass)::regclass)) FROM classes;
SELECT i.metric, i.dimensions, i.storage, i.bits, r.recall > 0.99 AS recalls, (SELECT count(*) FROM pg_class WHERE oid = ('by_' || opclass)::regclass AND pg_relation_size(oid) > 0) AS there
FROM classes, LATERAL vecmark.hnsw_info(('by_' || opclass)::regclass) AS i, LATERAL vecmark.recall(('by_' || opclass)::regclass, 10, 20) AS r;

-- the same values in the same node
CREATE TABLE equals (b bit(9), s sparsevec(7));
CREATE INDEX equals_b ON equals USING hnsw (b bit_hamming_ops);
CREATE INDEX equals_s ON equals USING hnsw (s sparsevec_l2_ops);
INSERT INTO equals SELECT (i % 3)::bit(9), ('{1:' || i % 4 + 1 || '}/7')::sparsevec FROM generate_series(1, 100) AS i;
SELECT tids, live_nodes FROM vecmark.hnsw_info('equals_b');
SELECT tids, live_nodes FROM vecmark.hnsw_info('equals_s');

-- as clients write them: indexes of expressions
CREATE TABLE clients (id integer GENERATED ALWAYS AS IDENTITY, embedding vector(3));
INSERT INTO clients (embedding) VALUES ('[1,2,3]'), ('[4,5,6]'), ('[1,1,1]'), ('[-1,2,-3]');
CREATE INDEX clients_half ON clients USING hnsw ((embedding::halfvec(3)) halfvec_l2_ops);
CREATE INDEX clients_bit ON clients USING hnsw ((binary_quantize(embedding)::bit(3)) bit_hamming_ops);
EXPLAIN (COSTS OFF) SELECT id FROM clients ORDER BY embedding::halfvec(3) <-> '[1,2,3]' LIMIT 3;
SELECT id FROM clients ORDER BY embedding::halfvec(3) <-> '[1,2,3]' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM clients ORDER BY binary_quantize(embedding)::bit(3) <~> binary_quantize('[1,-2,3]'::vector) LIMIT 4;
SELECT id, binary_quantize(embedding)::bit(3) <~> binary_quantize('[-1,2,-3]'::vector) AS d FROM clients ORDER BY binary_quantize(embedding)::bit(3) <~> binary_quantize('[-1,2,-3]'::vector) LIMIT 4;

-- limits
CREATE TABLE limits (b bit(64000), wide bit(64001), s sparsevec(1000000000), h halfvec(16000));
INSERT INTO limits SELECT repeat(i::text, 64000)::bit(64000), NULL, '{1:1,1000000000:2}/1000000000', array_fill(i, ARRAY[16000])::halfvec FROM generate_series(0, 1) AS i;
CREATE INDEX limits_b ON limits USING hnsw (b bit_jaccard_ops) WITH (m = 4);
CREATE INDEX limits_s ON limits USING hnsw (s sparsevec_cosine_ops);
CREATE INDEX limits_h ON limits USING hnsw (h halfvec_l2_ops) WITH (storage = int8);
SELECT b <%> repeat('1', 64000)::bit(64000) AS d FROM limits ORDER BY b <%> repeat('1', 64000)::bit(64000) LIMIT 2;
SELECT s <=> '{1000000000:1}/1000000000' AS d FROM limits ORDER BY s <=> '{1000000000:1}/1000000000' LIMIT 2;
CREATE INDEX ON limits USING hnsw (wide bit_hamming_ops);
CREATE INDEX ON limits USING hnsw (b bit_hamming_ops) WITH (storage = int8);
CREATE INDEX ON limits USING hnsw (s sparsevec_l2_ops) WITH (storage = int8);
CREATE TABLE loose (h halfvec, s sparsevec, b bit varying);
CREATE INDEX ON loose USING hnsw (h halfvec_l2_ops);
CREATE INDEX ON loose USING hnsw (s sparsevec_l2_ops);

CREATE TABLE varying (v varbit(3));
CREATE INDEX ON varying USING hnsw (v bit_hamming_ops);
CREATE INDEX ON varying USING ivfflat ((v::varbit(3)) bit_hamming_ops);
DROP TABLE varying;
-- what is not of the index's kind
SELECT id FROM things ORDER BY h <-> '[1,2]' LIMIT 1;
SELECT id FROM things ORDER BY s <-> '{}/3' LIMIT 1;
SELECT id FROM things ORDER BY b <~> '101' LIMIT 1;
SELECT id FROM things ORDER BY p <^> '[1,0,0,0,0]' LIMIT 1;
INSERT INTO things (p) VALUES ('[0,0,0,0,1]');
