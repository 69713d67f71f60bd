-- bookmarks.sql: importing the package index, looking up and searching.
SELECT vecmark.create_bookmarks('bookmarks', config => 'english');
CREATE TEMPORARY TABLE packages (url text, title text, tags text);
\copy packages FROM 'packages.csv' WITH (FORMAT csv)
CREATE TABLE timings (what text, seconds float8);
\echo import
DO $$
DECLARE
	t timestamptz := clock_timestamp();
	seconds float8;
BEGIN
	PERFORM FROM vecmark.import_table('bookmarks', 'packages');
	seconds := extract(epoch FROM clock_timestamp() - t);
	RAISE NOTICE '% entries into % bookmarks in % s: % entries/s', (SELECT count(*) FROM packages), (SELECT count(*) FROM bookmarks),
		round(seconds::numeric, 1), round((SELECT count(*) FROM packages) / seconds);
	t := clock_timestamp();
	PERFORM FROM vecmark.import_table('bookmarks', 'packages');
	RAISE NOTICE 'the same again, nothing new: % s', round(extract(epoch FROM clock_timestamp() - t)::numeric, 1);
END $$;
VACUUM ANALYZE bookmarks;
-- a word that a tenth of the rows have
UPDATE bookmarks SET description = 'commonplace' WHERE abs(url_hash) % 10 = 0;
VACUUM ANALYZE bookmarks;

CREATE TEMPORARY TABLE questions AS
	SELECT row_number() OVER () AS n, url, split_part(title, ': ', 2) AS words FROM (SELECT * FROM bookmarks ORDER BY md5(url) LIMIT 500) AS b;
DO $$
DECLARE
	q record;
	t timestamptz;
	what text;
BEGIN
	FOR q IN SELECT * FROM questions ORDER BY n LOOP
		t := clock_timestamp();
		PERFORM FROM bookmarks WHERE url_hash = vecmark.url_hash(q.url) AND url_key = vecmark.url_key(q.url);
		INSERT INTO timings VALUES ('lookup by url_hash', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM vecmark.lookup('bookmarks', q.url || '?utm_source=x');
		INSERT INTO timings VALUES ('vecmark.lookup', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', 'commonplace', semantic_weight => 0);
		INSERT INTO timings VALUES ('search, text, a word that a tenth of the rows have', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words, semantic_weight => 0);
		INSERT INTO timings VALUES ('search, text, words of a title', extract(epoch FROM clock_timestamp() - t));
		CONTINUE WHEN q.n > 100;
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words, full_text_weight => 0);
		INSERT INTO timings VALUES ('search, semantic, exact', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words);
		INSERT INTO timings VALUES ('search, hybrid, exact', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM vecmark.visit('bookmarks', q.url);
		INSERT INTO timings VALUES ('vecmark.visit', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.save('bookmarks', q.url || '/new', q.words, tags => '{a,b}');
		INSERT INTO timings VALUES ('vecmark.save, new', extract(epoch FROM clock_timestamp() - t));
	END LOOP;
END $$;
SELECT what, count(*), round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) * 1000)::numeric, 3) AS p50_ms,
	round((percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) * 1000)::numeric, 3) AS p99_ms
FROM timings GROUP BY what ORDER BY 3;
DROP TABLE timings;
