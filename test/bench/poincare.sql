-- poincare.sql: recall and speed of vector_poincare_ops on a tree of 111,111 nodes in the ball.
-- psql -d DATABASE -f poincare.sql, where CREATE EXTENSION vecmark has been run.  Depth d lies at hyperbolic distance
-- 1.6 d from the origin, so that the 100,000 leaves are within 7e-4 of the boundary; children are as near to one
-- another as the room there allows.
\set QUIET on
\pset footer off
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SELECT setseed(0.5);
CREATE FUNCTION pg_temp.noise(size float8, i bigint) RETURNS vector LANGUAGE sql VOLATILE AS
	$$ SELECT array_agg((sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) * size / 4)::real)::vector FROM generate_series(1, 16) WHERE i IS NOT NULL $$;
CREATE TABLE tree (id bigint PRIMARY KEY, depth integer, direction vector(16), point vector(16));
INSERT INTO tree VALUES (1, 0, NULL, array_fill(0, ARRAY[16])::vector);
DO $$
BEGIN
	FOR d IN 1..5 LOOP
		INSERT INTO tree
		SELECT id, depth, direction, (SELECT array_agg(x * tanh(0.8 * depth)) FROM unnest(direction::real[]) AS x)::vector
		FROM (SELECT 10 * p.id + c - 8 AS id, d AS depth,
				l2_normalize(CASE WHEN d = 1 THEN pg_temp.noise(1, 10 * p.id + c) ELSE p.direction + pg_temp.noise(exp(-1.6 * (d - 1)), 10 * p.id + c) END) AS direction
			FROM tree AS p, generate_series(0, 9) AS c WHERE p.depth = d - 1) AS child;
	END LOOP;
END $$;
ALTER TABLE tree DROP direction;
VACUUM ANALYZE tree;
SELECT count(*) AS nodes, min(1 - l2_norm(point)) AS nearest_to_boundary FROM tree;
\timing on
CREATE INDEX tree_point ON tree USING hnsw (point vector_poincare_ops);
\timing off
SELECT pg_size_pretty(pg_relation_size('tree_point')) AS index_size;
SET hnsw.ef_search = 40;
SELECT 40 AS ef_search, recall, worst, samples FROM vecmark.recall('tree_point', 10, 300);
SET hnsw.ef_search = 100;
SELECT 100 AS ef_search, recall, worst, samples FROM vecmark.recall('tree_point', 10, 300);
SET hnsw.ef_search = 200;
SELECT 200 AS ef_search, recall, worst, samples FROM vecmark.recall('tree_point', 10, 300);
DROP TABLE tree;
