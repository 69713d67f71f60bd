-- Operators and functions of sparsevec.
-- distances
SELECT '{}/2'::sparsevec <-> '{1:3,2:4}/2' AS l2, '{1:1,2:2}/2'::sparsevec <#> '{1:3,2:4}/2' AS negative_ip,
	'{1:1}/2'::sparsevec <=> '{2:2}/2' AS cosine, '{}/2'::sparsevec <+> '{1:3,2:-4}/2' AS l1;
SELECT l2_distance('{1:3}/2'::sparsevec, '{2:4}/2'), inner_product('{1:1,3:3,5:5}/5'::sparsevec, '{2:4,3:6,4:8}/5'),
	cosine_distance('{1:1,2:2}/2'::sparsevec, '{1:2,2:4}/2'), l1_distance('{1:1,3:3,5:5}/6'::sparsevec, '{2:2,3:-3,6:6}/6');
SELECT cosine_distance('{1:1,2:1}/2'::sparsevec, '{1:-1.1,2:-1.1}/2') AS opposite, cosine_distance('{1:1,2:1}/2'::sparsevec, '{1:1.1,2:1.1}/2') AS same,
	cosine_distance('{1:1,2:2}/2'::sparsevec, '{}/2') AS with_zero, cosine_distance('{}/2'::sparsevec, '{}/2') AS both_zero;
SELECT l2_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1'), inner_product('{1:3e38}/1'::sparsevec, '{1:3e38}/1'),
	cosine_distance('{1:3e38}/1'::sparsevec, '{1:3e38}/1'), l1_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1');
SELECT l2_distance('{1:1e-45}/1'::sparsevec, '{}/1'), inner_product('{1:1e-30}/1'::sparsevec, '{1:1e-30}/1'), l1_distance('{1:1e-45}/1'::sparsevec, '{1:-1e-45}/1')::real;
SELECT sparsevec_l2_squared_distance('{}/2', '{1:3,2:4}/2'), sparsevec_negative_inner_product('{1:1,2:2}/2', '{1:3,2:4}/2'),
	'{}/2'::sparsevec <#> '{1:1}/2' AS nothing_in_common;
SELECT '{1000000000:2,5:1}/1000000000'::sparsevec <#> '{999999999:7,1000000000:3}/1000000000'::sparsevec;
-- as those of vectors, whatever the elements have in common: sums of whole numbers are exact in any order
CREATE TABLE sparse_pairs AS
	SELECT n, array_agg(CASE WHEN i % (n % 5 + 1) = 0 THEN i % 7 - 3 ELSE 0 END)::vector AS a,
		array_agg(CASE WHEN i % (n % 3 + 1) = 0 THEN i % 5 - 2 ELSE 0 END)::vector AS b
	FROM generate_series(1, 200) AS n, generate_series(1, n) AS i GROUP BY n;
SELECT count(*), count(*) FILTER (WHERE a::sparsevec <-> b::sparsevec <> a <-> b) AS l2, count(*) FILTER (WHERE a::sparsevec <#> b::sparsevec <> a <#> b) AS ip,
	count(*) FILTER (WHERE a::sparsevec <+> b::sparsevec <> a <+> b) AS l1, count(*) FILTER (WHERE a::sparsevec <=> b::sparsevec IS DISTINCT FROM a <=> b) AS cosine,
	count(*) FILTER (WHERE sparsevec_l2_squared_distance(a, b) <> vector_l2_squared_distance(a, b)) AS l2_squared, count(*) FILTER (WHERE l2_norm(a::sparsevec) <> vector_norm(a)) AS norm,
	count(*) FILTER (WHERE l2_normalize(a)::sparsevec <> l2_normalize(a::sparsevec)) AS normalized
FROM sparse_pairs;
-- the order too is that of vectors
SELECT count(*), count(*) FILTER (WHERE vector_cmp(x.a, y.b) <> sparsevec_cmp(x.a, y.b)) AS cmp, count(*) FILTER (WHERE vector_cmp(x.a, y.a) <> sparsevec_cmp(x.a, y.a)) AS cmp_a
FROM sparse_pairs AS x, sparse_pairs AS y;
DROP TABLE sparse_pairs;

-- others
SELECT l2_norm('{1:3,2:4}/2'::sparsevec), l2_norm('{1:3e37,2:4e37}/2'::sparsevec)::real, l2_norm('{}/2'::sparsevec), l2_norm('{1:1e-45}/1'::sparsevec)::real;
SELECT l2_normalize('{1:3,2:4}/2'::sparsevec), l2_normalize('{}/2'::sparsevec), l2_normalize('{1:3e38}/1'::sparsevec), l2_normalize('{1:1e-45}/1'::sparsevec);
-- what becomes 0 is left out
SELECT l2_normalize('{1:3e38,2:1e-37}/2'::sparsevec), l2_normalize('{2:3e37,4:3e-37,6:4e37,8:4e-37}/9'::sparsevec);

-- order: by elements, zeros too, then by dimensions
SELECT '{1:1}/2'::sparsevec < '{1:1,2:1}/2' AS lt, '{1:1}/2'::sparsevec <= '{1:1}/2' AS le, '{1:1}/2'::sparsevec = '{1:1,2:0}/2' AS eq, '{1:1}/2'::sparsevec <> '{1:1}/2' AS ne,
	'{1:1}/2'::sparsevec >= '{1:2}/2' AS ge, '{1:1}/3'::sparsevec > '{1:1}/2' AS gt;
SELECT sparsevec_cmp('{1:1}/2', '{1:1}/3'), sparsevec_cmp('{1:1}/2', '{1:1,2:-1}/2'), sparsevec_cmp('{1:-1}/2', '{2:1}/2'), sparsevec_cmp('{1:1}/2', '{2:1}/2'),
	sparsevec_cmp('{2:-1}/2', '{1:-1}/2'), sparsevec_cmp('{1:1}/1', '{1:1,2:-1}/2'), sparsevec_cmp('{1:1,2:1}/2', '{1:1}/1'), sparsevec_cmp('{}/2', '{}/2');
CREATE TABLE sparse_order (v sparsevec);
INSERT INTO sparse_order VALUES ('{1:3}/3'), ('{}/3'), (NULL), ('{2:1}/3'), ('{3:-1}/3'), ('{2:1}/3'), ('{1:-1,3:9}/3'), ('{2:1}/4');
SELECT v FROM sparse_order ORDER BY v;
SELECT DISTINCT v FROM sparse_order ORDER BY v DESC;
SELECT v, count(*) FROM sparse_order GROUP BY v ORDER BY v;
CREATE INDEX ON sparse_order (v);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT v FROM sparse_order WHERE v = '{2:1}/3';
SELECT v FROM sparse_order WHERE v >= '{2:1}/3' ORDER BY v;
RESET enable_seqscan;
SELECT a.v FROM sparse_order AS a JOIN sparse_order AS b USING (v) WHERE a.v = '{2:1}/3';
SELECT v, v <-> '{1:1,2:1}/3' AS distance FROM sparse_order WHERE v <> '{2:1}/4' ORDER BY v <-> '{1:1,2:1}/3', v LIMIT 3;
DROP TABLE sparse_order;
