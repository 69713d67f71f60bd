-- scan.sql: exact nearest neighbours among 100,000 vectors of 384 dimensions, by reading the table.
CREATE TABLE items AS
	SELECT i AS id, v::vector(384) AS v FROM (SELECT i, array_agg(random()::real) AS v FROM generate_series(1, 100000) AS i, generate_series(1, 384) GROUP BY i) AS s;
ALTER TABLE items ADD PRIMARY KEY (id);
VACUUM ANALYZE items;
CREATE TABLE timings (metric text, round integer, seconds float8);
DO $$
DECLARE
	t timestamptz;
	operator text;
BEGIN
	FOR r IN 0..9 LOOP
		FOREACH operator IN ARRAY ARRAY['<->', '<#>', '<=>', '<+>'] LOOP
			t := clock_timestamp();
			EXECUTE format('SELECT count(*) FROM (SELECT id FROM items ORDER BY v %s (SELECT v FROM items WHERE id = %s) LIMIT 10) AS s', operator, r * 100 + 1);
			INSERT INTO timings VALUES (operator, r, extract(epoch FROM clock_timestamp() - t));
		END LOOP;
	END LOOP;
END $$;
SELECT metric, round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) * 1000)::numeric, 1) AS query_ms,
	round((100000 / percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds))::numeric, -3) AS rows_per_second
FROM timings WHERE round > 0 GROUP BY metric ORDER BY metric;
DROP TABLE items, timings;
