-- bounds.sql: how time grows with what comes from outside: terms of a query, elements of a filter, folders, tags.
-- Time is that of the server's process on its processor, so that what else the machine does hardly counts.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.cpu_ms() RETURNS float8 LANGUAGE sql AS $$ SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6; $$;
SELECT vecmark.create_bookmarks('bounds', 3, 'simple', NULL) IS NOT NULL AS made \gset
DROP INDEX bounds_embedding_idx;
INSERT INTO bounds (url, title, tags)
	SELECT 'https://www.h' || i % 500 || '.example/' || i, 'common title ' || i, ARRAY['t' || i % 100, 'a/b/c' || i % 50, 'all']
	FROM generate_series(1, 10000) AS i;
VACUUM ANALYZE bounds;
CREATE TEMPORARY TABLE timings (what text, size integer, ms float8);

-- N different terms of a form in which % stands for a number
CREATE FUNCTION pg_temp.terms(form text, n integer) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(replace(form, '%', i::text), ' ') FROM generate_series(1, n) AS i;
$$;
CREATE FUNCTION pg_temp.elements(key text, form text, n integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object(key, array_agg(replace(form, '%', i::text))) FROM generate_series(1, n) AS i;
$$;
-- every row has the word, so the conditions are tried for every row
CREATE PROCEDURE pg_temp.searches(what text, size integer, query text, conditions jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
	t constant float8 := pg_temp.cpu_ms();
BEGIN
	FOR i IN 1..4 LOOP
		PERFORM FROM vecmark.search('bounds', query, filter => conditions, semantic_weight => 0);
	END LOOP;
	INSERT INTO timings VALUES (what, size, (pg_temp.cpu_ms() - t) / 4);
END $$;
DO $$
DECLARE
	form record;
	n integer;
BEGIN
	FOR round IN 1..5 LOOP
		FOREACH n IN ARRAY '{1, 10, 100, 1000}'::integer[] LOOP
			FOR form IN SELECT * FROM (VALUES ('site:%.invalid'), ('-site:%.invalid'), ('#none%/'), ('-#none%'), ('-#none%/'), ('-none%'), ('none%')) AS f (term) LOOP
				CONTINUE WHEN n > 100;
				CALL pg_temp.searches(form.term, n, 'common ' || CASE WHEN form.term LIKE 'none%' THEN 'or ' ELSE '' END || pg_temp.terms(form.term, n - (form.term LIKE 'none%' AND n > 1)::integer));
			END LOOP;
			CALL pg_temp.searches('filter site', n, 'common', pg_temp.elements('site', '%.invalid', n));
			CALL pg_temp.searches('filter any_tags', n, 'common', pg_temp.elements('any_tags', 'none%', n));
			CALL pg_temp.searches('filter tags', n, 'common', pg_temp.elements('tags', 'none%', n));
			-- one phrase of as many words, and as many times one phrase
			CONTINUE WHEN n > 100;
			CALL pg_temp.searches('phrase of N words', n, 'common "' || pg_temp.terms('none%', n) || '"');
			CALL pg_temp.searches('N times a phrase', n, 'common ' || repeat('"common title" ', n));
		END LOOP;
	END LOOP;
END $$;
\echo a search of 10,000 rows, of which each is tried: ms by number of terms or elements
CREATE TEMPORARY VIEW medians AS
	SELECT what, size, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms, row_number() OVER (ORDER BY min(ctid), what) AS place FROM timings GROUP BY what, size;
SELECT what, round(min(ms) FILTER (WHERE size = 1)::numeric, 1) AS "1", round(min(ms) FILTER (WHERE size = 10)::numeric, 1) AS "10",
	round(min(ms) FILTER (WHERE size = 100)::numeric, 1) AS "100", round(min(ms) FILTER (WHERE size = 1000)::numeric, 1) AS "1000",
	round((min(ms) FILTER (WHERE size = 100) / min(ms) FILTER (WHERE size = 1))::numeric, 2) AS "100 / 1"
FROM medians GROUP BY what ORDER BY min(place);

TRUNCATE timings;
SELECT vecmark.create_bookmarks('imported', 3, 'simple', NULL) IS NOT NULL AS made \gset
DROP INDEX imported_embedding_idx;
-- nested folders whose names have so many bytes, and links in the innermost
CREATE FUNCTION pg_temp.nested(depth integer, bytes integer, links integer) RETURNS text LANGUAGE sql AS $$
	SELECT repeat('<DL><H3>' || repeat('n', bytes) || '</H3>', depth) || '<DL>' || string_agg('<DT><A HREF="http://x.example/' || i || '">link</A>', chr(10))
	FROM generate_series(1, links) AS i;
$$;
CREATE PROCEDURE pg_temp.imports(what text, size integer, command text) LANGUAGE plpgsql AS $$
DECLARE
	t float8;
BEGIN
	TRUNCATE imported CASCADE;
	t := pg_temp.cpu_ms();
	EXECUTE command;
	INSERT INTO timings VALUES (what, size, pg_temp.cpu_ms() - t);
END $$;
DO $$
DECLARE
	n integer;
BEGIN
	FOR round IN 1..3 LOOP
		FOREACH n IN ARRAY '{250, 500, 1000, 2000}'::integer[] LOOP
			CALL pg_temp.imports('links in one folder', n, format('SELECT FROM vecmark.import_netscape(''imported'', pg_temp.nested(1, 10, %s))', n));
			CALL pg_temp.imports('90 folders deep, names of 10 bytes', n, format('SELECT FROM vecmark.import_netscape(''imported'', pg_temp.nested(90, 10, %s))', n));
			CALL pg_temp.imports('90 folders deep, names of 900 bytes', n, format('SELECT FROM vecmark.import_netscape(''imported'', pg_temp.nested(90, 900, %s))', n));
			CALL pg_temp.imports('JSON, tags of 1,001 bytes', n, format(
				'SELECT FROM vecmark.import_json(''imported'', (SELECT jsonb_agg(jsonb_build_object(''href'', ''http://x.example/'' || i, ''tags'', repeat(''x'', 1001))) FROM generate_series(1, %s) AS i))', n));
			CALL pg_temp.imports('one bookmark with so many tags', n, format('SELECT FROM vecmark.save(''imported'', ''http://x.example'', tags => ARRAY(SELECT ''t'' || i FROM generate_series(1, %s) AS i))', n));
		END LOOP;
	END LOOP;
END $$;
\echo imports and saving: ms by number of links or tags
SELECT what, round(min(ms) FILTER (WHERE size = 250)::numeric, 1) AS "250", round(min(ms) FILTER (WHERE size = 500)::numeric, 1) AS "500",
	round(min(ms) FILTER (WHERE size = 1000)::numeric, 1) AS "1000", round(min(ms) FILTER (WHERE size = 2000)::numeric, 1) AS "2000",
	round((min(ms) FILTER (WHERE size = 2000) / min(ms) FILTER (WHERE size = 250))::numeric, 1) AS "2000 / 250"
FROM medians GROUP BY what ORDER BY min(place);

TRUNCATE timings;
DO $$
DECLARE
	n integer;
	t float8;
BEGIN
	FOR round IN 1..3 LOOP
		FOREACH n IN ARRAY '{1, 10, 100, 1000}'::integer[] LOOP
			t := pg_temp.cpu_ms();
			PERFORM vecmark.merge_tags('bounds', ARRAY(SELECT 'none' || i FROM generate_series(1, n) AS i), 'x');
			INSERT INTO timings VALUES ('merge_tags of tags that no row has', n, pg_temp.cpu_ms() - t);
		END LOOP;
	END LOOP;
END $$;
SELECT what, size, round(ms::numeric, 1) AS ms FROM medians ORDER BY size;
DROP TABLE bounds, bounds_visits, imported, imported_visits;
