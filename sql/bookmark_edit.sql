-- Looking up, saving, tags.
SELECT vecmark.create_bookmarks('marks', 4) IS NOT NULL;
-- save tells which
SELECT inserted FROM vecmark.save('marks', 'http://example.com/a', 'Title', tags => '{one}', metadata => '{"a": 1}');
SELECT inserted FROM vecmark.save('marks', 'http://EXAMPLE.com/a/', description => 'Text', tags => '{two}', metadata => '{"b": 2}', embedding => '[1,2,3,4]');
SELECT url, title, description, tags, metadata, embedding FROM marks;
SELECT vecmark.lookup('marks', 'http://example.com/a?utm_medium=mail') = id FROM marks;
SELECT vecmark.lookup('marks', 'http://example.com/b') IS NULL;
EXPLAIN (COSTS off) SELECT id FROM marks WHERE url_hash = vecmark.url_hash('http://x') AND url_key = vecmark.url_key('http://x');

-- tags
SELECT vecmark_internal.canonical_tags('{" b ", a, a, /x/, a//b, "c / d", /, " ", NULL}');
INSERT INTO marks (url, tags) VALUES ('http://1.example', '{db, db/sql, lang/c}'), ('http://2.example', '{db/sql/pg, dbx, one}'), ('http://3.example', '{lang, one}');
SELECT * FROM vecmark.tag_tree('marks');
SELECT vecmark.rename_tag('marks', 'db', 'data');
SELECT url, tags FROM marks ORDER BY url;
SELECT vecmark.rename_tag('marks', 'lang/c', 'one');
SELECT vecmark.merge_tags('marks', '{one,two,dbx}', 'many');
SELECT vecmark.delete_tag('marks', 'lang');
SELECT vecmark.delete_tag('marks', 'no such tag');
SELECT url, tags FROM marks ORDER BY url;
DROP TABLE marks, marks_visits;
