-- Operators and functions of vector.
-- distances
SELECT '[0,0]'::vector <-> '[3,4]' AS l2, '[1,2]'::vector <#> '[3,4]' AS negative_ip,
	'[1,0]'::vector <=> '[0,2]' AS cosine, '[0,0]'::vector <+> '[3,-4]' AS l1;
SELECT l2_distance('[0,0]'::vector, '[3,4]'), inner_product('[1,2]'::vector, '[3,4]'),
	cosine_distance('[1,2]'::vector, '[2,4]'), l1_distance('[0,0]'::vector, '[3,-4]');
SELECT cosine_distance('[1,1]'::vector, '[-1.1,-1.1]') AS opposite, cosine_distance('[1,1]'::vector, '[1.1,1.1]') AS same,
	cosine_distance('[1,2]'::vector, '[0,0]') AS with_zero;
SELECT l2_distance('[3e38]'::vector, '[-3e38]'), inner_product('[3e38]'::vector, '[3e38]'),
	cosine_distance('[3e38]'::vector, '[3e38]'), l1_distance('[3e38]'::vector, '[-3e38]');
SELECT vector_l2_squared_distance('[0,0]', '[3,4]'), vector_negative_inner_product('[1,2]', '[3,4]'),
	vector_spherical_distance('[1,0]', '[0,1]'), vector_spherical_distance('[1,0]', '[1,0]');
-- the kernels take every length: sums of whole numbers are exact in any order
SELECT count(*) FROM (
	SELECT n, array_agg(i % 7)::vector AS a, array_agg(i % 5)::vector AS b,
		sum((i % 7 - i % 5) ^ 2) AS l2, sum((i % 7) * (i % 5)) AS ip, sum(abs(i % 7 - i % 5)) AS l1
	FROM generate_series(1, 200) AS n, generate_series(1, n) AS i GROUP BY n) AS s
WHERE vector_l2_squared_distance(a, b) <> l2 OR inner_product(a, b) <> ip OR l1_distance(a, b) <> l1;

-- arithmetic
SELECT '[1,2,3]'::vector + '[4,5,6]', '[1,2,3]'::vector - '[4,5,6]', '[1,2,3]'::vector * '[4,5,6]', '[1,2,3]'::vector || '[4]';

-- others
SELECT vector_dims('[1,2,3]'::vector), vector_norm('[3,4]'), vector_norm('[3e37,4e37]')::real, vector_norm('[0,0]');
SELECT l2_normalize('[3,4]'::vector), l2_normalize('[0,0]'::vector), l2_normalize('[3e38,1e38]'::vector);
SELECT binary_quantize('[1,0,-1,0.1]'::vector), binary_quantize('[1,2,3,-4,5,6,-7,8,1,-2,-3]'::vector);
SELECT subvector('[1,2,3,4,5]'::vector, 1, 3), subvector('[1,2,3,4,5]'::vector, 3, 9), subvector('[1,2,3,4,5]'::vector, -1, 3),
	subvector('[1,2,3,4,5]'::vector, 3, 2147483647), subvector('[1,2,3,4,5]'::vector, -2147483644, 2147483647);

-- order: by elements, then by dimensions
SELECT '[1,2]'::vector < '[1,3]' AS lt, '[1,2]'::vector <= '[1,2]' AS le, '[1,2]'::vector = '[1,2]' AS eq, '[1,2]'::vector <> '[1,2]' AS ne,
	'[1,2]'::vector >= '[1,3]' AS ge, '[1,2]'::vector > '[1,2,0]' AS gt;
SELECT vector_cmp('[1,2]', '[1,2,3]'), vector_cmp('[2]', '[1,2,3]'), vector_cmp('[1,2]', '[1,2]'), '[0]'::vector = '[-0]' AS zeros;
CREATE TABLE vector_order (v vector);
INSERT INTO vector_order VALUES ('[3]'), ('[1,2,3]'), (NULL), ('[1,2]'), ('[-1]'), ('[1,2]');
SELECT v FROM vector_order ORDER BY v;
SELECT DISTINCT v FROM vector_order ORDER BY v DESC;
SELECT v, count(*) FROM vector_order GROUP BY v ORDER BY v;
CREATE INDEX ON vector_order (v);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT v FROM vector_order WHERE v = '[1,2]';
SELECT v FROM vector_order WHERE v >= '[1,2]' ORDER BY v;
RESET enable_seqscan;
SELECT a.v FROM vector_order AS a JOIN vector_order AS b USING (v) WHERE a.v = '[1,2]';
DROP TABLE vector_order;

-- aggregates
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]', NULL]) AS v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::vector[]) AS v;
SELECT avg(v) FROM unnest(ARRAY['[3e38]'::vector, '[3e38]']) AS v;
SELECT g, avg(v), sum(v) FROM (SELECT i % 3 AS g, ARRAY[i, -i, 1]::vector AS v FROM generate_series(1, 300) AS i) AS s GROUP BY g ORDER BY g;
SELECT vector_combine('{1,2}', '{3,4}'), vector_combine('{0}', '{1,5}'), vector_combine('{1,5}', '{0}'), vector_combine('{0}', '{0}');
SELECT vector_accum('{0}', '[1,2]'), vector_accum('{1,5,6}', '[1,2]'), vector_avg('{2,5,6}'), vector_avg('{0}');
-- parallel plans give the same
CREATE TABLE vector_many AS SELECT ARRAY[i % 50, i % 60]::vector AS v FROM generate_series(1, 20000) AS i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT avg(v), sum(v) FROM vector_many;
SELECT avg(v), sum(v) FROM vector_many;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE vector_many;
