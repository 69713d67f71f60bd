-- bookmarks.sql: importing the package index, updating, looking up and searching.
CREATE TEMPORARY TABLE packages (url text, title text, tags text);
\copy packages FROM 'packages.csv' WITH (FORMAT csv)
CREATE TABLE timings (what text, seconds float8);
CREATE FUNCTION timed(what text, command text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t constant timestamptz := clock_timestamp();
BEGIN
	EXECUTE command;
	INSERT INTO timings VALUES (what, extract(epoch FROM clock_timestamp() - t));
END $$;
SELECT vecmark.create_bookmarks('bookmarks', config => 'english'), vecmark.create_bookmarks('row_by_row', config => 'english') \gset
DROP INDEX bookmarks_embedding_idx;

\echo import
DO $$
BEGIN
	PERFORM timed('import, no vector index', 'SELECT FROM vecmark.import_table(''bookmarks'', ''packages'')');
	PERFORM timed('vector index, at once', 'CREATE INDEX bookmarks_embedding_idx ON bookmarks USING hnsw (embedding vector_cosine_ops)');
	PERFORM timed('import, with vector index', 'SELECT FROM vecmark.import_table(''row_by_row'', ''packages'')');
	PERFORM timed('the same again, nothing new', 'SELECT FROM vecmark.import_table(''bookmarks'', ''packages'')');
END $$;
SELECT what, round(seconds::numeric, 1) AS s, round((SELECT count(*) FROM packages) / seconds) AS entries_per_s FROM timings;
TRUNCATE timings;
SELECT (SELECT count(*) FROM packages) AS entries, count(*) AS bookmarks, pg_size_pretty(pg_total_relation_size('bookmarks')) AS size,
	pg_size_pretty(pg_relation_size('bookmarks_embedding_idx')) AS vector_index FROM bookmarks;

-- a word that a tenth of the rows have
UPDATE bookmarks SET description = 'commonplace' WHERE abs(url_hash) % 10 = 0;
UPDATE row_by_row SET description = 'commonplace' WHERE abs(url_hash) % 10 = 0;
VACUUM ANALYZE bookmarks;
VACUUM ANALYZE row_by_row;

CREATE TEMPORARY TABLE questions AS
	SELECT row_number() OVER () AS n, url, split_part(title, ': ', 2) AS words, embedding FROM (SELECT * FROM bookmarks ORDER BY md5(url) LIMIT 500) AS b;
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
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words, full_text_weight => 0);
		INSERT INTO timings VALUES ('search, semantic', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words);
		INSERT INTO timings VALUES ('search, hybrid', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words || ' #devel/library', full_text_weight => 0);
		INSERT INTO timings VALUES ('search, semantic, a tag that a quarter of the rows have', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words || ' #use/text-formatting', full_text_weight => 0);
		INSERT INTO timings VALUES ('search, semantic, a tag that few rows have', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words || ' site:gnu.org', full_text_weight => 0);
		INSERT INTO timings VALUES ('search, semantic, a site that few rows are of', extract(epoch FROM clock_timestamp() - t));
		CONTINUE WHEN q.n > 100;
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words, full_text_weight => 0, exact => true);
		INSERT INTO timings VALUES ('search, semantic, exact', extract(epoch FROM clock_timestamp() - t));
		t := clock_timestamp();
		PERFORM FROM vecmark.search('bookmarks', q.words, exact => true);
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
SELECT round(avg(found), 3) AS recall_at_10, min(found) AS worst
FROM questions AS q CROSS JOIN LATERAL (
	SELECT count(*) / 10.0 AS found
	FROM vecmark.search('bookmarks', query_embedding => q.embedding) AS a
		JOIN vecmark.search('bookmarks', query_embedding => q.embedding, exact => true) AS b USING (id)) AS r
WHERE q.n <= 100;

\echo 10,000 rows updated, in turns of 1,000, with the vector index and without
DROP INDEX row_by_row_embedding_idx;
TRUNCATE timings;
DO $$
DECLARE
	sets text;
	source regclass;
	turn integer;
BEGIN
	FOREACH sets IN ARRAY ARRAY['metadata = ''{"seen": true}''', 'tags = tags || ''{seen}''', 'title = upper(title)', 'title = title || '' seen'''] LOOP
		FOR turn IN 0..9 LOOP
			FOREACH source IN ARRAY '{bookmarks, row_by_row}'::regclass[] LOOP
				PERFORM timed(source || ' ' || sets, format('UPDATE %s SET %s WHERE id IN (SELECT id FROM row_by_row ORDER BY id OFFSET %s LIMIT 1000)', source, sets, 1000 * turn));
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
SELECT substr(what, strpos(what, ' ') + 1) AS sets, round(1000 * sum(seconds) FILTER (WHERE what LIKE 'row%')) AS ms_without,
	round(1000 * sum(seconds) FILTER (WHERE what LIKE 'book%')) AS ms_with FROM timings GROUP BY 1 ORDER BY 2;
DROP TABLE timings, row_by_row, row_by_row_visits;
DROP FUNCTION timed;
