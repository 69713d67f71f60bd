-- Import and export.
SET TIME ZONE 'UTC';
SELECT vecmark.create_bookmarks('marks', 8, 'english') IS NOT NULL;
CREATE TABLE files (name text PRIMARY KEY, body text);
INSERT INTO files VALUES ('firefox', $html$<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Bookmarks</TITLE>
<H1>Bookmarks Menu</H1>
<DL><p>
    <DT><H3 ADD_DATE="1700000000" PERSONAL_TOOLBAR_FOLDER="true">Bookmarks Toolbar</H3>
    <DL><p>
        <DT><A HREF="https://example.com/?utm_source=x" ADD_DATE="1700000000" LAST_MODIFIED="1700000100" ICON="data:image/png;base64,AAAA" TAGS="one, two">Example &amp; more</A>
        <DD>A description
of two lines
        <DT><H3>Programming</H3>
        <DL><p>
            <DT><H3>Databases</H3>
            <DL><p>
                <DT><A HREF="https://www.postgresql.org/" ADD_DATE="1700000200000" PRIVATE="1" TOREAD="1">PostgreSQL</A>
                <DT><A HREF="https://EXAMPLE.com" TAGS="three">Second name</A>
            </DL><p>
        </DL><p>
        <HR>
        <DT><A HREF="place:sort=8&maxResults=10">Most visited</A>
        <DT><A HREF="javascript:alert(1)">Bookmarklet</A>
    </DL><p>
</DL>$html$);
SELECT url, title, description, tags, folders, created_at, updated_at, is_private, to_read, line FROM files, vecmark_internal.parse_netscape(body);
SELECT entry, outcome, i.url, reason FROM files, vecmark.import_netscape('marks', body) AS i;
SELECT created_at > now() - interval '1 day' AS now FROM marks WHERE url = 'javascript:alert(1)';
UPDATE marks SET created_at = '2024-01-01', updated_at = '2024-01-01' WHERE url = 'javascript:alert(1)';
SELECT url, title, description, tags, metadata, created_at, updated_at FROM marks ORDER BY created_at, url;
-- again: nothing is added, nothing changes
CREATE TEMPORARY TABLE before AS SELECT ctid AS place, id FROM marks;
SELECT outcome, count(*) FROM files, vecmark.import_netscape('marks', body) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM marks AS m JOIN before AS b USING (id) WHERE m.ctid = b.place;
-- what the table has is kept, what it lacks is added
UPDATE marks SET title = 'Mine', tags = '{mine}', description = NULL WHERE url_key = 'https://example.com';
SELECT outcome, count(*) FROM files, vecmark.import_netscape('marks', body, folders_as_tags => false) GROUP BY 1 ORDER BY 1;
SELECT title, tags, description FROM marks WHERE url_key = 'https://example.com';

-- names of folders that are too long for a tag, with and without folders; tags that are none
SELECT vecmark.create_bookmarks('bounded', 8, 'english') IS NOT NULL;
INSERT INTO files SELECT 'long names', '<DL><H3>Bookmarks</H3><DL><H3>' || repeat('n', 500) || '</H3><DL><A HREF=http://x.example/1>one</A><H3>' || repeat('m', 500)
	|| '</H3><DL><A HREF=http://x.example/2>two</A><A HREF=http://x.example/3>three</A></DL></DL><A HREF=http://x.example/4>four</A></DL>'
	|| '<H3>' || repeat('o', 600) || '</H3><DL><H3>' || repeat('p', 600) || '</H3><DL><A HREF=http://x.example/5>five</A>';
SELECT url, cardinality(folders), length(array_to_string(folders, '/')) FROM files, vecmark_internal.parse_netscape(body) WHERE name = 'long names';
SELECT entry, outcome, i.url, reason FROM files, vecmark.import_netscape('bounded', body) AS i WHERE name = 'long names';
SELECT entry, outcome, reason FROM files, vecmark.import_netscape('bounded', body, folders_as_tags => false) AS i WHERE name = 'long names';
SELECT url, left(tags[1], 3), length(tags[1]) FROM bounded ORDER BY url;
SELECT entry, outcome, reason FROM vecmark.import_json('bounded', jsonb_build_array(
	jsonb_build_object('href', 'http://x.example/6', 'tag_list', ARRAY[repeat('x', 1001)]),
	jsonb_build_object('href', 'http://x.example/7', 'tag_list', ARRAY['a', repeat('x/', 101)]),
	jsonb_build_object('href', 'http://x.example/8', 'tag_list', ARRAY[repeat('x/', 100), ' ' || repeat(' ', 1000) || 'y'])));
DELETE FROM files WHERE name = 'long names';
DROP TABLE bounded, bounded_visits;

-- Netscape export and back
UPDATE marks SET updated_at = '2024-01-02' WHERE url_key = 'https://example.com';
SELECT * FROM vecmark.export_netscape('marks');
SELECT vecmark.create_bookmarks('copy', 8, 'english') IS NOT NULL;
SELECT outcome, count(*) FROM vecmark.import_netscape('copy', (SELECT string_agg(line, E'\n') FROM vecmark.export_netscape('marks') AS line)) GROUP BY 1;
SELECT id, url, title, tags, description, metadata, date_trunc('second', created_at), embedding FROM marks
EXCEPT
SELECT id, url, title, tags, description, metadata, created_at, embedding FROM copy;
-- JSON export and back
UPDATE marks SET tags = tags || '{with space,"with, comma"}', content = 'Body', metadata = metadata || '{"x": [1, {"y": null}]}' WHERE url_key = 'https://example.com';
SELECT j - 'time' - 'updated_at' FROM vecmark.export_json('marks') AS j LIMIT 1;
TRUNCATE copy, copy_visits;
SELECT outcome, count(*) FROM vecmark.import_json('copy', (SELECT jsonb_agg(j) FROM vecmark.export_json('marks') AS j)) GROUP BY 1;
SELECT id, url, title, tags, coalesce(description, ''), metadata, content, date_trunc('second', created_at), updated_at, embedding FROM marks
EXCEPT
SELECT id, url, title, tags, coalesce(description, ''), metadata, content, created_at, updated_at, embedding FROM copy;
-- Pinboard's own form
SELECT outcome, url, reason FROM vecmark.import_json('copy', '[
	{"href": "http://pin.example/", "description": "Pin", "extended": "Long", "tags": "a b", "time": "2020-02-03T04:05:06Z", "shared": "no", "toread": "yes"},
	{"description": "no address"}, {"href": " "}, {"href": {"a": 1}}, 5, {"href": "PLACE:x"},
	{"href": "http://odd.example", "time": "no time", "tags": ["a", "b c"], "metadata": []}]');
SELECT title, description, tags, metadata, created_at FROM copy WHERE url = 'http://pin.example/';

-- a table filled by COPY
CREATE TEMPORARY TABLE csv (url text, title text, tags text, created_at timestamptz);
COPY csv FROM stdin WITH (FORMAT csv, HEADER);
url,title,tags,created_at
https://csv.example/1,"One, two","a,b",2020-01-01
https://csv.example/2,,,
https://csv.example/1/,Other,c,2019-01-01
\.
SELECT entry, outcome, url, reason FROM vecmark.import_table('copy', 'csv');
SELECT url, title, tags, created_at > '2021-01-01' AS now FROM copy WHERE url LIKE 'https://csv%' ORDER BY url;
-- where single rows fail, the others get in
ALTER TABLE copy ADD CHECK (title <> 'refused');
CREATE TEMPORARY TABLE mixed (url text, title text, embedding real[]);
INSERT INTO mixed VALUES ('http://m.example/1', 'fine', NULL), ('http://m.example/2', 'refused', NULL), ('http://m.example/3', 'three numbers', '{1,2,3}'),
	('http://m.example/4', 'eight numbers', '{1,2,3,4,5,6,7,8}'), (NULL, 'no address', NULL), (repeat('x', 70000), 'too long', NULL), ('https://csv.example/2', 'merged', NULL);
SELECT entry, outcome, left(url, 30) AS url, reason FROM vecmark.import_table('copy', 'mixed');
SELECT url, title, embedding IS NULL AS no_embedding FROM copy WHERE url LIKE 'http://m.%' OR title = 'merged' ORDER BY url;
-- many rows, some of which fail: as many tries as there are halves, not as there are rows
CREATE TEMPORARY TABLE many AS SELECT 'http://many.example/' || i AS url, CASE WHEN i % 1000 = 7 THEN 'refused' ELSE 'fine' END AS title FROM generate_series(1, 3000) AS i;
SELECT outcome, reason, count(*) FROM vecmark.import_table('copy', 'many') GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) FROM copy WHERE url LIKE 'http://many.example/%';
-- twice in a transaction, and after an error in it
BEGIN;
SELECT outcome, count(*) FROM vecmark.import_table('copy', 'many') GROUP BY 1 ORDER BY 1;
SAVEPOINT s;
SELECT * FROM vecmark.import_json('copy', '{}');
ROLLBACK TO s;
SELECT outcome, count(*) FROM vecmark.import_table('copy', 'csv') GROUP BY 1 ORDER BY 1;
COMMIT;
-- nothing is left behind
SELECT count(*) FROM pg_class WHERE relname LIKE 'vecmark_import%';
DROP TABLE marks, marks_visits, copy, copy_visits, files;
