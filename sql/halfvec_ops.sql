-- Operators and functions of halfvec.
-- distances
SELECT '[0,0]'::halfvec <-> '[3,4]' AS l2, '[1,2]'::halfvec <#> '[3,4]' AS negative_ip,
	'[1,0]'::halfvec <=> '[0,2]' AS cosine, '[0,0]'::halfvec <+> '[3,-4]' AS l1;
SELECT l2_distance('[0,0]'::halfvec, '[3,4]'), inner_product('[1,2]'::halfvec, '[3,4]'),
	cosine_distance('[1,2]'::halfvec, '[2,4]'), l1_distance('[0,0]'::halfvec, '[3,-4]');
SELECT cosine_distance('[1,1]'::halfvec, '[-1.1,-1.1]') AS opposite, cosine_distance('[1,1]'::halfvec, '[1.1,1.1]') AS same,
	cosine_distance('[1,2]'::halfvec, '[0,0]') AS with_zero;
-- the largest and the least halves neither overflow nor underflow
SELECT l2_distance('[65504]'::halfvec, '[-65504]'), inner_product('[65504]'::halfvec, '[65504]'),
	cosine_distance('[65504]'::halfvec, '[65504]'), l1_distance('[65504]'::halfvec, '[-65504]');
SELECT l2_distance('[6e-8]'::halfvec, '[-6e-8]')::real, inner_product('[6e-8]'::halfvec, '[6e-8]')::real,
	cosine_distance('[6e-8,0]'::halfvec, '[6e-8,0]'), l1_distance('[6e-8]'::halfvec, '[-6e-8]')::real;
SELECT halfvec_l2_squared_distance('[0,0]', '[3,4]'), halfvec_negative_inner_product('[1,2]', '[3,4]'),
	halfvec_spherical_distance('[1,0]', '[0,1]'), halfvec_spherical_distance('[1,0]', '[1,0]');
-- the kernels take every length: sums of whole numbers are exact in any order
SELECT count(*) FROM (
	SELECT n, array_agg(i % 7)::halfvec AS a, array_agg(i % 5)::halfvec AS b,
		sum((i % 7 - i % 5) ^ 2) AS l2, sum((i % 7) * (i % 5)) AS ip, sum(abs(i % 7 - i % 5)) AS l1
	FROM generate_series(1, 200) AS n, generate_series(1, n) AS i GROUP BY n) AS s
WHERE halfvec_l2_squared_distance(a, b) <> l2 OR inner_product(a, b) <> ip OR l1_distance(a, b) <> l1;
-- and say what those of vector do, to a few bits
SELECT count(*) FROM (
	SELECT array_agg(sin(n * i))::halfvec AS a, array_agg(cos(n + i))::halfvec AS b
	FROM generate_series(1, 100) AS n, generate_series(1, n * 9) AS i GROUP BY n) AS s
WHERE abs((a <-> b) - (a::vector <-> b::vector)) > 1e-4 OR abs((a <#> b) - (a::vector <#> b::vector)) > 1e-3 OR
	abs((a <=> b) - (a::vector <=> b::vector)) > 1e-5 OR abs((a <+> b) - (a::vector <+> b::vector)) > 1e-3;

-- arithmetic
SELECT '[1,2,3]'::halfvec + '[4,5,6]', '[1,2,3]'::halfvec - '[4,5,6]', '[1,2,3]'::halfvec * '[4,5,6]', '[1,2,3]'::halfvec || '[4]';
SELECT '[2048,0.1]'::halfvec + '[1,0.2]' AS rounded, '[65504]'::halfvec + '[15]' AS largest, '[2e-4,-0]'::halfvec * '[3e-4,1]' AS least;
SELECT vector_dims(array_fill(1, ARRAY[1500])::halfvec + array_fill(2, ARRAY[1500])::halfvec),
	array_fill(1, ARRAY[1500])::halfvec + array_fill(2, ARRAY[1500])::halfvec = array_fill(3, ARRAY[1500])::halfvec AS all_of_them;

-- others
SELECT vector_dims('[1,2,3]'::halfvec), l2_norm('[3,4]'::halfvec), l2_norm('[60000,60000]'::halfvec)::real, l2_norm('[0,0]'::halfvec);
SELECT l2_normalize('[3,4]'::halfvec), l2_normalize('[0,-0]'::halfvec), l2_normalize('[65504,1]'::halfvec), l2_normalize('[6e-8,0]'::halfvec);
SELECT binary_quantize('[1,0,-1,0.1,-0,6e-8]'::halfvec), binary_quantize('[1,2,3,-4,5,6,-7,8,1,-2,-3]'::halfvec);
SELECT subvector('[1,2,3,4,5]'::halfvec, 1, 3), subvector('[1,2,3,4,5]'::halfvec, 3, 9), subvector('[1,2,3,4,5]'::halfvec, -1, 3),
	subvector('[1,2,3,4,5]'::halfvec, 3, 2147483647), subvector('[1,2,3,4,5]'::halfvec, -2147483644, 2147483647);

-- order: by elements, then by dimensions
SELECT '[1,2]'::halfvec < '[1,3]' AS lt, '[1,2]'::halfvec <= '[1,2]' AS le, '[1,2]'::halfvec = '[1,2]' AS eq, '[1,2]'::halfvec <> '[1,2]' AS ne,
	'[1,2]'::halfvec >= '[1,3]' AS ge, '[1,2]'::halfvec > '[1,2,0]' AS gt;
SELECT halfvec_cmp('[1,2]', '[1,2,3]'), halfvec_cmp('[2]', '[1,2,3]'), halfvec_cmp('[1,2]', '[1,2]'), halfvec_cmp('[-2]', '[-1]'), '[0]'::halfvec = '[-0]' AS zeros;
CREATE TABLE halfvec_order (v halfvec);
INSERT INTO halfvec_order VALUES ('[3]'), ('[1,2,3]'), (NULL), ('[1,2]'), ('[-1]'), ('[1,2]');
SELECT v FROM halfvec_order ORDER BY v;
SELECT DISTINCT v FROM halfvec_order ORDER BY v DESC;
SELECT v, count(*) FROM halfvec_order GROUP BY v ORDER BY v;
CREATE INDEX ON halfvec_order (v);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT v FROM halfvec_order WHERE v = '[1,2]';
SELECT v FROM halfvec_order WHERE v >= '[1,2]' ORDER BY v;
RESET enable_seqscan;
SELECT a.v FROM halfvec_order AS a JOIN halfvec_order AS b USING (v) WHERE a.v = '[1,2]';
DROP TABLE halfvec_order;

-- aggregates
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]'::halfvec, '[3,5,7]', NULL]) AS v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::halfvec[]) AS v;
SELECT avg(v) FROM unnest(ARRAY['[65504,-0]'::halfvec, '[65504,-0]', '[65504,-0]']) AS v;
SELECT g, avg(v), sum(v) FROM (SELECT i % 3 AS g, ARRAY[i, -i, 1]::halfvec AS v FROM generate_series(1, 300) AS i) AS s GROUP BY g ORDER BY g;
SELECT halfvec_combine('{1,2}', '{3,4}'), halfvec_combine('{0}', '{1,5}'), halfvec_combine('{1,5}', '{0}'), halfvec_combine('{0}', '{0}');
SELECT halfvec_accum('{0}', '[1,-0]'), halfvec_accum('{1,5,6}', '[1,2]'), halfvec_avg('{2,5,6}'), halfvec_avg('{0}');
-- parallel plans give the same
CREATE TABLE halfvec_many AS SELECT ARRAY[i % 2, -(i % 2)]::halfvec AS v FROM generate_series(1, 20000) AS i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT avg(v), sum(v) FROM halfvec_many WHERE v <> '[0,0]';
SELECT avg(v) FROM halfvec_many;
SELECT sum(v) FROM (SELECT v FROM halfvec_many LIMIT 4000) AS s;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE halfvec_many;
