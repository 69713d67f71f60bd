-- Searching bookmarks.
SET TIME ZONE 'UTC';
SELECT vecmark.create_bookmarks('marks', 64, 'english') IS NOT NULL;
INSERT INTO marks (url, title, tags, description, metadata, created_at) VALUES
	('https://www.postgresql.org/docs/', 'PostgreSQL documentation', '{db,docs}', 'Manual of the relational database', '{"lang": "en", "stars": 5}', '2026-01-01'),
	('https://github.com/pgvector/pgvector', 'pgvector', '{db,vector,c}', 'Vector similarity search for PostgreSQL', '{"stars": 4}', '2026-02-01'),
	('https://www.sqlite.org/', 'SQLite home page', '{db,c}', 'Small embedded database engine', '{}', '2026-03-01'),
	('https://docs.rs/tokio', 'Tokio', '{lang/rust,docs}', 'Asynchronous runtime', '{}', '2026-04-01'),
	('https://doc.rust-lang.org/book/', 'The Rust book', '{lang/rust,docs}', 'Learning the programming language', '{"lang": "en"}', '2026-05-01'),
	('https://www.gutenberg.org/', 'Project Gutenberg', '{books}', 'Free electronic books', '{"lang": "de"}', '2026-06-01');

-- the query language
SELECT * FROM vecmark_internal.parse_query('fast "vector database" -slow #db #lang/ -#old site:Example.com -site:bad.example after:2026-01-02 before:2026-02-03 -"two words"');
SELECT * FROM vecmark_internal.parse_query('');
SELECT words, phrases, tags, sites FROM vecmark_internal.parse_query('"#not a tag" #"a tag" "after:never" site:"x.org"');
SELECT words, plain, tags FROM vecmark_internal.parse_query('c# #  "unclosed quote -x" # - "" --y');

-- text, vector, both
SELECT title, round(score::numeric, 6) AS score, full_text_rank, semantic_rank FROM vecmark.search('marks', 'database', semantic_weight => 0);
SELECT title, round(score::numeric, 6) AS score, similarity > 0.3 AS similar, full_text_rank, semantic_rank
FROM vecmark.search('marks', 'postgre documentaton', full_text_weight => 0, match_count => 1);
SELECT title, full_text_rank, semantic_rank FROM vecmark.search('marks', query_embedding => vecmark.embed('Rust book', 64), match_count => 1);
SELECT title, round(score::numeric, 6) AS score, full_text_rank, semantic_rank FROM vecmark.search('marks', 'sqlite', match_count => 1);
SELECT title FROM vecmark.search('marks', 'database', vecmark.embed('Rust book', 64), full_text_weight => 0, match_count => 1);
-- all words, and where too few rows have all, any of them but none of the unwanted
SELECT title FROM vecmark.search('marks', 'relational database', semantic_weight => 0, match_count => 1);
SELECT title FROM vecmark.search('marks', 'relational database unheard-of', semantic_weight => 0);
SELECT title FROM vecmark.search('marks', 'relational database -embedded', semantic_weight => 0);
SELECT title FROM vecmark.search('marks', '"embedded database"', semantic_weight => 0, match_count => 1);
SELECT count(*) FROM vecmark.search('marks', 'zzzzz', semantic_weight => 0);
SELECT count(*) FROM vecmark.search('marks', 'the', semantic_weight => 0);
-- the row that has all words comes first, however many have one of them more often
INSERT INTO marks (url, title, content) SELECT 'http://many.example/' || i, 'alpha alpha alpha', NULL FROM generate_series(1, 60) AS i;
INSERT INTO marks (url, title, content) VALUES ('http://both.example', 'Both', repeat('filler ', 500) || 'alpha beta');
SELECT title, full_text_rank FROM vecmark.search('marks', 'alpha beta', semantic_weight => 0, match_count => 2);
SELECT count(*) FROM vecmark.search('marks', '"beta alpha"', semantic_weight => 0);
SELECT count(*) FROM vecmark.search('marks', 'alpha -"alpha beta', semantic_weight => 0, match_count => 100);
SELECT count(*) FROM vecmark.search('marks', '-alpha', match_count => 100);
-- unwanted words and phrases are conditions of both halves
SELECT count(*) FROM vecmark.search('marks', 'alpha -alpha', match_count => 100);
SELECT title FROM vecmark.search('marks', 'nothing or alpha -many', match_count => 100);
SELECT title FROM vecmark.search('marks', '"beta" alpha');
SELECT count(*) FROM vecmark.search('marks', '"no such phrase" alpha');
DELETE FROM marks WHERE url_key LIKE 'http://%.example%';
-- conditions
SELECT title FROM vecmark.search('marks', '#db');
SELECT title FROM vecmark.search('marks', '#lang/');
SELECT title FROM vecmark.search('marks', '#docs -#db');
SELECT title FROM vecmark.search('marks', '-#lang/ -#db/');
SELECT title FROM vecmark.search('marks', 'site:SQLite.org');
SELECT title FROM vecmark.search('marks', filter => '{"site": "SQLite.ORG"}');
SELECT vecmark_internal.site_hosts('{https://www.Example.org/, *.example.org, .example.org, bücher.example}');
SELECT count(*) FROM vecmark.search('marks', filter => '{"any_tags": []}');
SELECT title FROM vecmark.search('marks', '-site:org');
-- many terms say the same as each alone, and repeated ones as one; one more than are allowed is an error
SELECT title FROM vecmark.search('marks', 'site:sqlite.org site:rust-lang.org ' || (SELECT string_agg('site:' || i || '.example', ' ') FROM generate_series(1, 98) AS i));
SELECT title FROM vecmark.search('marks', filter => (SELECT jsonb_build_object('site', array_agg(CASE i WHEN 7 THEN 'SQLite.org' WHEN 8 THEN 'rs' ELSE i || '.example' END)) FROM generate_series(1, 1000) AS i));
SELECT title FROM vecmark.search('marks', filter => (SELECT jsonb_build_object('any_tags', array_agg(CASE i WHEN 9 THEN 'vector' ELSE 't' || i END)) FROM generate_series(1, 1000) AS i));
SELECT title FROM vecmark.search('marks', filter => (SELECT jsonb_build_object('tags', array_agg(CASE i % 2 WHEN 1 THEN 'c' ELSE 'db' END)) FROM generate_series(1, 1000) AS i));
SELECT title FROM vecmark.search('marks', '-#db -#lang/ ' || (SELECT string_agg('-#t' || i || '/ -site:' || i || '.example', ' ') FROM generate_series(1, 49) AS i));
SELECT title FROM vecmark.search('marks', repeat('site:sqlite.org ', 600));
SELECT title FROM vecmark.search('marks', repeat('"similarity search" -electronic ', 300), semantic_weight => 0);
SELECT phrases, not_words, sites, not_tags FROM vecmark_internal.parse_query(repeat('"a b" -c -"d e" site:x.org -#t ', 300));
SELECT count(*) FROM vecmark.search('marks', (SELECT string_agg('site:' || i || '.example', ' ') FROM generate_series(1, 101) AS i));
SELECT count(*) FROM vecmark.search('marks', 'x', filter => (SELECT jsonb_build_object('site', array_agg(i || '.example')) FROM generate_series(1, 1001) AS i));
SELECT count(*) FROM vecmark.search('marks', '"' || (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 101) AS i) || '"');
SELECT count(*) FROM vecmark.search('marks', (SELECT string_agg('-"' || i || 'x y"', ' ') FROM generate_series(1, 51) AS i));
-- of more than 100 words the first that differ are looked for; repeated ones are one
SELECT title FROM vecmark.search('marks', (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 99) AS i) || ' sqlite tokio', semantic_weight => 0);
SELECT title FROM vecmark.search('marks', repeat('tokio ', 1000), semantic_weight => 0);
SELECT title FROM vecmark.search('marks', 'sqlite ' || (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 98) AS i) || ' tokio', semantic_weight => 0);
SELECT vecmark_internal.any_word_query('simple', 'b a b or c''d\e A');
SELECT numnode(vecmark_internal.any_word_query('simple', (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 1000) AS i)));
-- the comparisons, against what they mean; the second argument is a constant, then a column
CREATE TABLE some_tags (tags text[], url_key text);
INSERT INTO some_tags SELECT ARRAY(SELECT (ARRAY['a', 'b', 'ä', 'a/b', 'a/bb', 'ab', 'b/a/b', NULL, ''])[1 + (i * 7 + j * 5) % 9] FROM generate_series(1, i % 4) AS j),
	(ARRAY['https://a.b.c/x', 'http://b.c', 'https://u@c:81/', 'http://ab.c', 'mailto:a@b.c', 'http://c./'])[1 + i % 6] FROM generate_series(0, 107) AS i;
SELECT count(*) FILTER (WHERE t.tags && '{a,b,ä,x,NULL}'), count(*) FILTER (WHERE vecmark_internal.tags_have(t.tags, '{a,b,ä,x,NULL}')),
	count(*) FILTER (WHERE (t.tags && '{a,b,ä,x,NULL}') <> vecmark_internal.tags_have(t.tags, '{a,b,ä,x,NULL}')),
	count(*) FILTER (WHERE vecmark_internal.tags_have(t.tags, '{}')) FROM some_tags AS t;
SELECT count(*) FILTER (WHERE have), count(*) FILTER (WHERE have <> vecmark_internal.tags_have(t.tags, w.tags))
FROM some_tags AS t, some_tags AS w, LATERAL (SELECT t.tags && w.tags) AS x (have);
SELECT count(*) FILTER (WHERE below), count(*) FILTER (WHERE below <> vecmark_internal.tags_below(t.tags, w.tags)), count(*) FILTER (WHERE vecmark_internal.tags_below(t.tags, '{a,c}'))
FROM some_tags AS t, some_tags AS w, LATERAL (SELECT EXISTS (SELECT FROM unnest(t.tags) AS a, unnest(w.tags) AS b WHERE a = b OR starts_with(a, b || '/'))) AS x (below);
SELECT url_key, array_agg(hosts ORDER BY hosts) FROM (SELECT DISTINCT t.url_key FROM some_tags AS t) AS t,
	unnest(ARRAY['{a.b.c}', '{b.c}', '{c}', '{b,.c,x.c}', '{a.c,ab.c}', '{}']) AS hosts
WHERE vecmark_internal.url_on_site(url_key, hosts::text[]) GROUP BY 1 ORDER BY url_key COLLATE "C";
DROP TABLE some_tags;
SELECT title FROM vecmark.search('marks', 'after:2026-03-01 before:2026-05-01');
SELECT title FROM vecmark.search('marks', filter => '{"lang": "en"}');
SELECT title FROM vecmark.search('marks', filter => '{"any_tags": ["books", "vector"], "after": "2026-02-02"}');
SELECT title FROM vecmark.search('marks', filter => '{"tags": "c", "site": ["github.com"]}');
SELECT title FROM vecmark.search('marks', 'database #c', semantic_weight => 0);
SELECT title FROM vecmark.search('marks', 'rust book #db', full_text_weight => 0);
SELECT count(*) FROM vecmark.search('marks', match_count => 3);
-- threshold, exactness, fewer candidates
SELECT count(*) FROM vecmark.search('marks', 'Rust book', full_text_weight => 0, match_threshold => 0.99);
SELECT title FROM vecmark.search('marks', 'Rust book', full_text_weight => 0, match_threshold => 0.3);
SELECT count(*) FROM (SELECT * FROM vecmark.search('marks', 'database') EXCEPT SELECT * FROM vecmark.search('marks', 'database', exact => true)) AS d;
SELECT count(*) FROM vecmark.search('marks', 'database', candidates => 1, match_count => 2);
-- a zero vector has no neighbours
UPDATE marks SET embedding = array_fill(0, ARRAY[64])::vector WHERE title = 'Tokio';
SELECT count(*) FROM vecmark.search('marks', query_embedding => vecmark.embed('anything', 64));
SELECT title, similarity FROM vecmark.search('marks', 'tokio', match_count => 1);
SELECT count(*) FROM vecmark.search('marks', 'tokio', rrf_k => 2147483647, match_count => 1);
-- nothing depends on how literals are read
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SELECT * FROM vecmark_internal.parse_query('misses "some text" -sass #lists/ -#trees/* site:x.org or');
SELECT j->>'tags' FROM vecmark.export_json('marks') AS j LIMIT 1;
RESET standard_conforming_strings;
-- a table without an embedder: text alone
SELECT vecmark.create_bookmarks('plain_marks', 3, 'simple', NULL) IS NOT NULL;
INSERT INTO plain_marks (url, title, embedding) VALUES ('http://a.example', 'a word', '[1,0,0]'), ('http://b.example', 'b', '[0,1,0]');
SELECT title, full_text_rank, semantic_rank FROM vecmark.search('plain_marks', 'word');
SELECT title, similarity FROM vecmark.search('plain_marks', query_embedding => '[1,1,0]');

-- the queries inside can use the indexes
CREATE FUNCTION inner_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		RETURN NEXT line;
	END LOOP;
END $$;
SET enable_seqscan = off;
SELECT * FROM inner_plan($q$SELECT b.id, ts_rank(b.fts, 'x', 1) FROM marks AS b WHERE true AND b.fts @@ 'x' ORDER BY 2 DESC, 1 LIMIT 10$q$);
SELECT * FROM inner_plan($q$SELECT b.id FROM marks AS b WHERE true AND b.tags @> '{x}' ORDER BY b.created_at DESC, b.id LIMIT 10$q$);
SELECT * FROM inner_plan($q$SELECT b.id FROM marks AS b WHERE true AND vecmark_internal.tags_have(b.tags, '{x,y}')$q$);
RESET enable_seqscan;

-- HTTP gateways run stable functions in a read-only transaction
START TRANSACTION READ ONLY;
SELECT title FROM vecmark.search('marks', 'sqlite', match_count => 1);
COMMIT;
DROP FUNCTION inner_plan;
DROP TABLE marks, marks_visits, plain_marks, plain_marks_visits;
