-- text.sql: text and binary forms of 10,000 vectors of 768 dimensions beside real[] of the same numbers.
CREATE TABLE forms (numbers text, as_vector text, as_array text);
ALTER TABLE forms ALTER as_vector SET STORAGE EXTERNAL, ALTER as_array SET STORAGE EXTERNAL;
\echo numbers: shortest text of floats, of doubles (as JSON of models has them), six decimals
INSERT INTO forms
SELECT n, '[' || list || ']', '{' || list || '}'
FROM (SELECT n, i, string_agg(CASE n WHEN 'floats' THEN x::real::text WHEN 'doubles' THEN x::text ELSE round(x::numeric, 6)::text END, ',') AS list
	FROM (SELECT n, i, (random() + random() + random() - 1.5) / 14 AS x
		FROM unnest(ARRAY['floats', 'doubles', 'decimals']) AS n, generate_series(1, 10000) AS i, generate_series(1, 768) AS j) AS numbers
	GROUP BY n, i) AS lists;
CREATE TABLE vectors AS SELECT as_vector::vector(768) AS v, as_vector::vector(768)::real[] AS a FROM forms WHERE numbers = 'floats';
ALTER TABLE vectors ALTER a SET STORAGE EXTERNAL;
CREATE TABLE arrays AS SELECT a FROM vectors WHERE false;
ALTER TABLE arrays ALTER a SET STORAGE EXTERNAL;
INSERT INTO arrays SELECT a FROM vectors;
VACUUM ANALYZE;

CREATE TABLE timings (what text, side text, round integer, seconds float8);
DO $$
DECLARE
	t timestamptz;
	form text;
	sides text[] := ARRAY['vector', 'array'];
	side text;
	statement text;
BEGIN
	FOR r IN 0..7 LOOP
		FOREACH side IN ARRAY sides LOOP
			FOREACH form IN ARRAY ARRAY['floats', 'doubles', 'decimals'] LOOP
				statement := format(CASE side WHEN 'vector' THEN 'SELECT count(as_vector::vector(768)) FROM forms WHERE numbers = %L'
					ELSE 'SELECT count(as_array::real[]) FROM forms WHERE numbers = %L' END, form);
				t := clock_timestamp();
				EXECUTE statement;
				INSERT INTO timings VALUES ('input, ' || form, side, r, extract(epoch FROM clock_timestamp() - t));
			END LOOP;
			t := clock_timestamp();
			EXECUTE CASE side WHEN 'vector' THEN 'SELECT sum(length(v::text)) FROM vectors' ELSE 'SELECT sum(length(a::text)) FROM arrays' END;
			INSERT INTO timings VALUES ('output', side, r, extract(epoch FROM clock_timestamp() - t));
		END LOOP;
	END LOOP;
END $$;
-- the first round warms up
SELECT what, round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE side = 'vector') * 1000)::numeric, 1) AS vector_ms,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE side = 'array') * 1000)::numeric, 1) AS array_ms,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE side = 'array')
		/ percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE side = 'vector'))::numeric, 2) AS times_as_fast
FROM timings WHERE round > 0 GROUP BY what ORDER BY what;
SELECT count(*) AS not_round_tripped FROM vectors WHERE v::text::vector <> v;
DROP TABLE forms, vectors, arrays, timings;
