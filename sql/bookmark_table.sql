-- A bookmarks table and what its trigger derives.
SET TIME ZONE 'UTC';
SELECT vecmark.create_bookmarks('marks', dimensions => 8, config => 'english');
\d marks
\d marks_visits
SELECT vecmark_internal.bookmark_settings('marks');
SELECT relname, pg_get_userbyid(relowner) = current_user AS mine,
	(SELECT count(*) FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') AS owned_by_extension
FROM pg_class AS c WHERE relname LIKE 'marks%' AND relkind = 'r' ORDER BY 1;

-- plain INSERT
INSERT INTO marks (url, title, tags, description) VALUES
	('HTTPS://Example.com:443/a/../B/?utm_source=x&b=2&a=1#top', 'Running databases', '{sql, " sql ", pg/index, "", NULL}', 'Vectors');
SELECT url, url_key, url_hash = vecmark.url_hash('https://example.com/B?a=1&b=2') AS hash, id = vecmark_internal.url_id(url_key) AS id,
	tags, fts, vector_dims(embedding), round(vector_norm(embedding)::numeric, 4) AS norm, access_count, created_at = updated_at AS new
FROM marks;
-- the same page spelt otherwise
INSERT INTO marks (url) VALUES ('https://example.com/B?b=2&a=1');
INSERT INTO marks (url) VALUES ('https://example.com/B?b=2&a=1') ON CONFLICT DO NOTHING;
INSERT INTO marks (url) VALUES ('https://example.com/B?b=2&a=1') ON CONFLICT (vecmark.url_digest(url_key)) DO UPDATE SET title = 'Again' RETURNING title, url;
-- what clients write into derived columns is ignored
INSERT INTO marks (url, url_key, url_hash, fts) VALUES ('http://a.example/', 'wrong', 5, 'wrong') RETURNING url_key, url_hash = vecmark.url_hash(url) AS hash, fts;
UPDATE marks SET url_key = 'wrong', url_hash = 5, fts = 'wrong' WHERE url_key = 'http://a.example' RETURNING url_key, url_hash = vecmark.url_hash(url) AS hash, fts;
-- an identifier that is given stays
INSERT INTO marks (id, url) VALUES ('11111111-1111-1111-1111-111111111111', 'http://b.example/') RETURNING id;

-- only changed inputs are worked on again
CREATE FUNCTION changes(sets text) RETURNS TABLE (url_key boolean, fts boolean, embedding boolean, updated_at boolean) LANGUAGE plpgsql AS $$
DECLARE
	before marks;
	after marks;
BEGIN
	UPDATE marks AS m SET updated_at = '2000-01-01' WHERE m.url = 'http://a.example/';
	SELECT * INTO before FROM marks AS m WHERE m.url = 'http://a.example/';
	EXECUTE 'UPDATE marks SET ' || sets || ' WHERE id = $1' USING before.id;
	SELECT * INTO after FROM marks AS m WHERE m.id = before.id;
	UPDATE marks AS m SET url = 'http://a.example/' WHERE m.id = before.id;
	RETURN QUERY SELECT after.url_key <> before.url_key, after.fts IS DISTINCT FROM before.fts,
		after.embedding IS DISTINCT FROM before.embedding, after.updated_at <> before.updated_at;
END $$;
SELECT s, c.* FROM unnest(ARRAY['title = ''word''', 'title = title', 'tags = ''{t}''', 'content = ''more text''',
	'access_count = 7', 'metadata = ''{"a": 1}''', 'url = ''http://c.example/''', 'embedding = ''[1,0,0,0,0,0,0,0]''',
	'title = ''other'', embedding = ''[0,1,0,0,0,0,0,0]''', 'embedding = NULL', 'updated_at = ''2001-01-01'', title = ''third''']) AS s, changes(s) AS c;

-- the identifier stays when the URL changes, and the old URL saved again gets another
UPDATE marks SET url = 'http://moved.example/' WHERE url = 'http://a.example/' RETURNING url_key, id = vecmark_internal.url_id('http://a.example') AS same_id;
INSERT INTO marks (url) VALUES ('http://a.example') RETURNING id = vecmark_internal.url_id('http://a.example') AS first, id = vecmark_internal.url_id('http://a.example', 1) AS second;
UPDATE marks SET url = 'http://moved.example/2' WHERE url = 'http://a.example';
INSERT INTO marks (url) VALUES ('http://a.example#x') RETURNING id = vecmark_internal.url_id('http://a.example', 2) AS third;

-- visits are HOT updates of two columns, and rows
SELECT vecmark.visit('marks', 'http://b.example', visited_at => '2026-01-02'), vecmark.visit('marks', id => '11111111-1111-1111-1111-111111111111', visited_at => '2026-01-01');
SELECT access_count, accessed_at FROM marks WHERE url = 'http://b.example/';
SELECT bookmark_id, visited_at FROM marks_visits ORDER BY visited_at;
DELETE FROM marks WHERE url = 'http://b.example/';
SELECT count(*) FROM marks_visits;

SELECT vecmark.create_bookmarks('fresh', 4) IS NOT NULL;
INSERT INTO fresh (url, title) VALUES ('http://a.example', 'Title');
BEGIN;
SELECT pg_stat_get_xact_tuples_updated('fresh'::regclass) AS updated, pg_stat_get_xact_tuples_hot_updated('fresh'::regclass) AS hot \gset
SELECT vecmark.visit('fresh', 'http://a.example');
SELECT pg_stat_get_xact_tuples_updated('fresh'::regclass) - :updated AS updated, pg_stat_get_xact_tuples_hot_updated('fresh'::regclass) - :hot AS hot;
COMMIT;
DROP TABLE fresh, fresh_visits;

-- full text: weights, truncation
INSERT INTO marks (url, title, content) VALUES ('http://long.example', 'Long', repeat('word ', 50000) || 'last');
SELECT fts @@ 'word' AS word, fts @@ 'last' AS last FROM marks WHERE url = 'http://long.example';
SELECT vecmark_internal.bookmark_fts('simple', 'a', '{b/c}', 'd', 'e', 'https://www.example.com/path-x?q=r%20s');
SELECT vecmark_internal.bookmark_fts('simple', NULL, NULL, NULL, NULL, NULL);
-- the worst that can be in the limits fits: compounds of short words, in one byte and in four a character
INSERT INTO marks (url, title, tags, description, content)
	SELECT 'http://full.example/' || n, w, ARRAY[left(w, 250)], w, w
	FROM (SELECT n, string_agg(CASE n WHEN 1 THEN to_hex(i) || '-' || to_hex(i * 7) WHEN 2 THEN repeat(chr(131072 + i % 20000), 2) || '-' || chr(131072 + i / 9) ELSE chr(19968 + i % 20000) || '-' || chr(19968 + i / 3) END, ' ') AS w
		FROM generate_series(1, 3) AS n, generate_series(1, 60000) AS i GROUP BY n) AS s;
SELECT url, length(fts) > 10000 AS words FROM marks WHERE url LIKE 'http://full%' ORDER BY url;
SELECT octet_length(vecmark_internal.head('aäöü', n)) FROM generate_series(0, 8) AS n;

-- long URLs: bookmarklets and data
INSERT INTO marks (url) VALUES ('javascript:' || repeat('alert(1);', 5000)), ('data:text/plain,' || repeat('x', 60000)) RETURNING length(url_key);

-- other settings: no embedder, another one, another schema
SELECT vecmark.create_bookmarks('plain_marks', 3, 'simple', NULL);
INSERT INTO plain_marks (url, title) VALUES ('http://a.example', 'a') RETURNING embedding;
UPDATE plain_marks SET embedding = '[1,2,3]';
UPDATE plain_marks SET title = 'b' RETURNING embedding;
CREATE SCHEMA "Other schema";
CREATE FUNCTION "Other schema"."My embedder"(source text, dimensions integer) RETURNS vector LANGUAGE sql IMMUTABLE
	AS $$ SELECT array_fill(length(source), ARRAY[dimensions])::vector $$;
SELECT vecmark.create_bookmarks('"Other schema"."My marks"', 2, embedder => '"Other schema"."My embedder"');
INSERT INTO "Other schema"."My marks" (url, title) VALUES ('http://a.example', 'abc') RETURNING embedding;
SET search_path = "Other schema", public;
SELECT vecmark.create_bookmarks('here', 2);
SELECT vecmark.visit('here', id => (vecmark.save('here', 'http://x.example')).id);
RESET search_path;
DROP SCHEMA "Other schema" CASCADE;

-- the functions keep working when the tables are renamed
ALTER TABLE plain_marks RENAME TO renamed;
ALTER TABLE plain_marks_visits RENAME TO renamed_visits;
SELECT vecmark.visit('renamed', 'http://a.example');

DROP TABLE marks, marks_visits, renamed, renamed_visits;
DROP FUNCTION changes;
