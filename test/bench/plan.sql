-- plan.sql: does the planner take the index where it is the faster?
-- psql -d DATABASE -f plan.sql, where CREATE EXTENSION vecmark has been run.  For 6 selectivities of a condition and 5
-- LIMITs, on a small and a large table, both plans are timed, and the one that the planner prefers is compared with the faster.
\set QUIET on
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET client_min_messages = warning;
SET hnsw.max_scan_tuples = 2147483647;
SET hnsw.scan_mem_multiplier = 1000;
SELECT setseed(0.5);
CREATE TABLE plan_small (id integer PRIMARY KEY, f integer, v vector(128));
-- around 100 points, in 128 dimensions of which few are independent
INSERT INTO plan_small SELECT i, (i::bigint * 7919 % 10007)::integer % 10000, ARRAY(SELECT sin(i % 100 * (g % 12) + g) + 0.3 * random() FROM generate_series(1, 128) AS g)::vector
FROM generate_series(1, 10000) AS i;
CREATE TABLE plan_large (LIKE plan_small INCLUDING ALL);
INSERT INTO plan_large SELECT i, (i::bigint * 7919 % 10007)::integer % 10000, ARRAY(SELECT sin(i % 100 * (g % 12) + g) + 0.3 * random() FROM generate_series(1, 128) AS g)::vector
FROM generate_series(1, 100000) AS i;
CREATE INDEX ON plan_small USING hnsw (v vector_cosine_ops);
CREATE INDEX ON plan_large USING hnsw (v vector_cosine_ops);
VACUUM ANALYZE plan_small;
VACUUM ANALYZE plan_large;

-- Median time of a query with several parameters, each the faster of two runs, and its price.
CREATE FUNCTION pg_temp.run(query text, parameters text[], OUT ms float8, OUT price float8) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	best float8;
	times float8[];
	start timestamptz := clock_timestamp();
	parameter text;
BEGIN
	FOREACH parameter IN ARRAY parameters LOOP
		best := NULL;
		FOR repeat IN 1..2 LOOP
			EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || format(query, parameter) INTO plan;
			best := least(best, (plan->0->>'Execution Time')::float8);
		END LOOP;
		times := times || best;
		EXIT WHEN clock_timestamp() - start > '2.5s';
	END LOOP;
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) INTO ms FROM unnest(times) AS t;
	price := (plan->0->'Plan'->>'Total Cost')::float8;
END $$;
CREATE FUNCTION pg_temp.grid(source text, OUT selectivity float8, OUT k integer, OUT index_ms float8, OUT sort_ms float8, OUT planned text, OUT times_slower float8)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	parameters text[];
	query text;
	plan json;
BEGIN
	EXECUTE format('SELECT array_agg(v::text) FROM %I WHERE id IN (17, 3333, 4444, 5151, 6767, 7878, 8123)', source) INTO parameters;
	FOREACH selectivity IN ARRAY '{1, 0.3, 0.1, 0.01, 0.001, 0.0001}'::float8[] LOOP
		FOREACH k IN ARRAY '{1, 10, 100, 1000, 10000}'::integer[] LOOP
			query := format('SELECT id FROM %I WHERE f < %s ORDER BY v <=> %%L LIMIT %s', source, 10000 * selectivity, k);
			IF selectivity = 1 THEN
				query := replace(query, 'WHERE f < 10000 ', '');
			END IF;
			SET enable_sort = off;
			index_ms := (pg_temp.run(query, parameters)).ms;
			RESET enable_sort;
			SET enable_indexscan = off;
			sort_ms := (pg_temp.run(query, parameters)).ms;
			RESET enable_indexscan;
			EXECUTE 'EXPLAIN (FORMAT JSON) ' || format(query, parameters[1]) INTO plan;
			planned := CASE WHEN plan::text ~ '"Sort"' THEN 'sort' ELSE 'index' END;
			times_slower := CASE planned WHEN 'sort' THEN sort_ms ELSE index_ms END / least(index_ms, sort_ms);
			RETURN NEXT;
		END LOOP;
	END LOOP;
END $$;
CREATE TEMPORARY TABLE cells AS SELECT source, cell.* FROM unnest('{plan_small, plan_large}'::text[]) AS source, LATERAL pg_temp.grid(source) AS cell;
SELECT source, selectivity, k, round(index_ms::numeric, 2) AS index_ms, round(sort_ms::numeric, 2) AS sort_ms, planned, CASE WHEN times_slower > 1 THEN round(times_slower::numeric, 2) END AS slower FROM cells;
SELECT count(*) FILTER (WHERE times_slower = 1) AS faster_planned, count(*) AS cells, round(max(times_slower)::numeric, 2) AS worst FROM cells;
DROP TABLE cells, plan_small, plan_large;
