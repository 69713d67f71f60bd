-- When the planner takes the index.
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SELECT setseed(0.5);
-- vectors in the row, and in TOAST
CREATE TABLE hnsw_plan (id integer, f integer, v vector(16));
INSERT INTO hnsw_plan SELECT i / 16, min(i) / 16 % 1000, array_agg(random())::vector FROM generate_series(16, 16 * 10001 - 1) AS i GROUP BY i / 16;
CREATE INDEX ON hnsw_plan USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16);
VACUUM ANALYZE hnsw_plan;
CREATE TABLE hnsw_toast (id integer, f integer, v vector(600));
INSERT INTO hnsw_toast SELECT i / 600, min(i) / 600 % 1000, array_agg(random())::vector FROM generate_series(600, 600 * 2001 - 1) AS i GROUP BY i / 600;
CREATE INDEX ON hnsw_toast USING hnsw (v vector_cosine_ops) WITH (m = 8, ef_construction = 16);
VACUUM ANALYZE hnsw_toast;
SELECT pg_relation_size('hnsw_toast') < 600 * 4 * 2000 AS toasted;

CREATE FUNCTION hnsw_plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN concat_ws(' ', CASE WHEN plan::text ~ 'hnsw_(plan|toast)_v_idx' THEN 'index' END, CASE WHEN plan::text ~ '"Sort"' THEN 'sort' END,
		CASE WHEN plan::text ~ '"Seq Scan"' THEN 'table' END);
END $$;
-- by LIMIT
SELECT k, hnsw_plan(format('SELECT id FROM hnsw_plan ORDER BY v <-> (SELECT v FROM hnsw_plan OFFSET 5 LIMIT 1) LIMIT %s', k)) FROM unnest('{1,10,100,10000,ALL}'::text[]) AS k;
SELECT k, hnsw_plan(format('SELECT id FROM hnsw_toast ORDER BY v <=> (SELECT v FROM hnsw_toast OFFSET 5 LIMIT 1) LIMIT %s', k)) FROM unnest('{1,10,100,ALL}'::text[]) AS k;
SELECT hnsw_plan('SELECT id FROM hnsw_plan ORDER BY v <-> array_fill(1, ARRAY[16])::vector OFFSET 9990 LIMIT 5');
-- by the rows that a condition leaves
SELECT f, hnsw_plan(format('SELECT id FROM hnsw_plan WHERE f < %s ORDER BY v <-> array_fill(1, ARRAY[16])::vector LIMIT 10', f)) FROM unnest('{1000,300,1}'::integer[]) AS f;
SELECT f, hnsw_plan(format('SELECT id FROM hnsw_toast WHERE f < %s ORDER BY v <=> array_fill(1, ARRAY[600])::vector LIMIT 10', f)) FROM unnest('{1000,300,1}'::integer[]) AS f;
-- the LIMIT of a generic plan is not known
SET plan_cache_mode = force_generic_plan;
PREPARE hnsw_nearest(vector, integer) AS SELECT id FROM hnsw_plan ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS off) EXECUTE hnsw_nearest('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]', 10);
DEALLOCATE hnsw_nearest;
RESET plan_cache_mode;
-- for each row of another table; below an aggregate
EXPLAIN (COSTS off) SELECT o.id, i.id FROM hnsw_plan AS o, LATERAL (SELECT id FROM hnsw_plan ORDER BY v <-> o.v LIMIT 3) AS i WHERE o.id < 10;
SELECT hnsw_plan('SELECT count(*) FROM (SELECT id FROM hnsw_plan ORDER BY v <-> array_fill(1, ARRAY[16])::vector LIMIT 10) AS s');
-- no ORDER BY, or of something else
SELECT hnsw_plan('SELECT id FROM hnsw_plan LIMIT 10');
SELECT hnsw_plan('SELECT id FROM hnsw_plan WHERE v IS NULL');
SELECT hnsw_plan('SELECT count(*) FROM hnsw_plan');
SELECT hnsw_plan('SELECT id FROM hnsw_plan ORDER BY v <=> array_fill(1, ARRAY[16])::vector LIMIT 10');
SELECT hnsw_plan('SELECT id FROM hnsw_plan ORDER BY v <-> array_fill(1, ARRAY[16])::vector DESC LIMIT 10');
SET enable_seqscan = off;
SELECT hnsw_plan('SELECT count(*) FROM hnsw_plan');
SELECT hnsw_plan('SELECT id FROM hnsw_plan ORDER BY v <-> array_fill(1, ARRAY[16])::vector');
RESET enable_seqscan;
SET enable_indexscan = off;
SELECT hnsw_plan('SELECT id FROM hnsw_plan ORDER BY v <-> array_fill(1, ARRAY[16])::vector LIMIT 10');
RESET enable_indexscan;
DROP FUNCTION hnsw_plan(text);
DROP TABLE hnsw_plan, hnsw_toast;
