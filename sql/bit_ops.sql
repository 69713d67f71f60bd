-- Distances of bit strings.
SELECT '101'::bit(3) <~> '110' AS hamming, '101'::bit(3) <%> '110' AS jaccard;
SELECT a, b, hamming_distance(a, b), jaccard_distance(a, b)
FROM (VALUES (B'', B''), (B'0', B'0'), (B'1', B'0'), (B'1', B'1'), (B'000000000', B'000000000'), (B'111111111', B'000000000'),
	(B'111111111', B'111111111'), (B'1100', B'1000'), (B'1111', B'1000'), (X'ff00ff00ff00ff00ff', X'00ff00ff00ff00ff00')) AS s (a, b);
-- columns, literals of unknown type, varbit
CREATE TABLE bit_test (id integer, b bit(5), v varbit);
INSERT INTO bit_test VALUES (1, '10110', '10110'), (2, '00111', '0011'), (3, '11111', '11111'), (4, NULL, NULL);
SELECT id, b <~> '10111' AS hamming, b <%> '10111' AS jaccard FROM bit_test ORDER BY b <~> '10111', id;
SELECT id, v <~> '1011'::varbit AS hamming FROM bit_test WHERE length(v) = 4;
SELECT id, b <~> v AS hamming, b::varbit <%> '00001'::varbit(8) AS jaccard FROM bit_test WHERE id <> 2 ORDER BY id;
DROP TABLE bit_test;
-- every length, and what the kernels count is what is there
SELECT count(*) AS lengths, count(*) FILTER (WHERE a <~> b <> bit_count(a # b)) AS hamming,
	count(*) FILTER (WHERE a <%> b IS DISTINCT FROM coalesce(1 - bit_count(a & b)::float8 / nullif(bit_count(a | b), 0), 1)) AS jaccard,
	count(*) FILTER (WHERE a <~> b <> b <~> a OR a <%> b <> b <%> a OR a <~> a <> 0) AS laws
FROM (SELECT n, string_agg((i * i % 7 % 2)::text, '' ORDER BY i)::varbit::bit AS a, string_agg((i % 3 % 2)::text, '' ORDER BY i)::varbit::bit AS b
	FROM generate_series(1, 2600) AS n, generate_series(1, n) AS i WHERE n <= 300 OR n % 257 = 0 GROUP BY n) AS s;
-- long ones, compressed and out of line
CREATE TABLE bit_long (b bit(1000000));
INSERT INTO bit_long SELECT repeat('10', 500000)::bit(1000000) UNION ALL SELECT repeat('1100', 250000)::bit(1000000);
SELECT a.b <~> b.b AS hamming, a.b <%> b.b AS jaccard FROM bit_long AS a, bit_long AS b WHERE a.ctid <= b.ctid ORDER BY 1;
SELECT b <~> ~b AS hamming, b <%> ~b AS jaccard FROM bit_long;
DROP TABLE bit_long;

-- binary quantization: as an expression, and into a column
SELECT binary_quantize('[1,-2,3]'::vector)::bit(3) <~> binary_quantize('[1,2,-3]'::vector)::bit(3) AS hamming;
CREATE TABLE bit_quantized (id integer PRIMARY KEY, v vector(12), b bit(12) GENERATED ALWAYS AS (binary_quantize(v)::bit(12)) STORED);
INSERT INTO bit_quantized SELECT i, array_agg(sin(i * j))::vector FROM generate_series(1, 40) AS i, generate_series(1, 12) AS j GROUP BY i;
SELECT id, b, binary_quantize(v)::varbit = b::varbit AS same FROM bit_quantized WHERE id <= 3 ORDER BY id;
SELECT id, distance FROM (
	SELECT id, v, b <~> binary_quantize(q)::bit(12) AS distance FROM bit_quantized, (SELECT v AS q FROM bit_quantized WHERE id = 7) AS s
	ORDER BY 3, id LIMIT 8) AS s
ORDER BY distance, id LIMIT 4;
SELECT binary_quantize('[1,-1]'::vector)::bit(4) AS longer, binary_quantize('[1,-1,1]'::vector)::bit(2) AS shorter, binary_quantize('[1]'::vector)::varbit(4) AS varbit,
	pg_typeof(binary_quantize('[1]'::vector)) AS type;
DROP TABLE bit_quantized;

-- what clients and the planner are told
SELECT oid::regprocedure, prorettype::regtype, provolatile, proisstrict, proparallel FROM pg_proc
WHERE proname IN ('hamming_distance', 'jaccard_distance') AND proargtypes = '1560 1560' ORDER BY 1;
SELECT oprname, oprcode::regprocedure, oprcom::regoperator, oprresult::regtype FROM pg_operator WHERE oprname IN ('<~>', '<%>') AND oprleft = 'bit'::regtype ORDER BY 1;
