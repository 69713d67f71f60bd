-- The vector index of a bookmarks table.
SET TIME ZONE 'UTC';
SELECT vecmark.create_bookmarks('marks', 32, 'english') IS NOT NULL;
INSERT INTO marks (url, title, tags) SELECT 'http://x.example/' || i, 'Title ' || md5(i::text), CASE WHEN i % 3 = 0 THEN '{few,all}' ELSE '{many,all}' END::text[]
	FROM generate_series(1, 1000) AS i;
ANALYZE marks;
SELECT indexdef FROM pg_indexes WHERE tablename = 'marks' AND indexdef LIKE '%embedding%';

-- an update of something else finds the node of the equal vector
CREATE FUNCTION nodes(source regclass) RETURNS TABLE (nodes bigint, vectors bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT live_nodes, (SELECT count(DISTINCT embedding) FROM %s) FROM vecmark.hnsw_info($1)', source)
		INTO nodes, vectors USING source || '_embedding_idx';
	RETURN NEXT;
END $$;
SELECT * FROM nodes('marks');
UPDATE marks SET tags = tags || '{more}';
SELECT * FROM nodes('marks');
UPDATE marks SET access_count = 1, metadata = '{"a": 1}';
SELECT * FROM nodes('marks');
-- ... also one that the trigger derives anew
UPDATE marks SET title = upper(title);
SELECT * FROM nodes('marks');
UPDATE marks SET title = lower(title), embedding = NULL;
SELECT * FROM nodes('marks');
SELECT count(vecmark.visit('marks', url)) FROM (SELECT url FROM marks ORDER BY url LIMIT 100) AS m;
SELECT * FROM nodes('marks');
SELECT * FROM vecmark.hnsw_check('marks_embedding_idx');
-- one that changes moves
SELECT similarity > 0.99 AS near FROM vecmark.search('marks', 'moved elsewhere', full_text_weight => 0, match_count => 1);
UPDATE marks SET title = 'Moved elsewhere' WHERE url = 'http://x.example/7' RETURNING url;
SELECT url, similarity > 0.99 AS near FROM vecmark.search('marks', 'moved elsewhere', full_text_weight => 0, match_count => 1);
SELECT nodes - vectors AS left_behind FROM nodes('marks');

-- what uses the index
CREATE FUNCTION walks(query text) RETURNS TABLE (rows bigint, walks bigint) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_numscans('marks_embedding_idx'::regclass);
BEGIN
	EXECUTE 'SELECT count(*) FROM ' || query INTO rows;
	walks := pg_stat_get_xact_numscans('marks_embedding_idx'::regclass) - before;
	RETURN NEXT;
END $$;
EXPLAIN (COSTS off) SELECT b.id FROM marks AS b WHERE b.embedding IS NOT NULL AND b.tags @> '{many}' ORDER BY (b.embedding <=> array_fill(1, ARRAY[32])::vector) + 0 LIMIT 10;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS off) SELECT b.id FROM marks AS b WHERE b.embedding IS NOT NULL AND b.tags @> '{many}' ORDER BY b.embedding <=> array_fill(1, ARRAY[32])::vector LIMIT 10;
SELECT q, w.* FROM unnest(ARRAY[
	$$vecmark.search('marks', 'title', full_text_weight => 0, match_count => 3)$$,
	$$vecmark.search('marks', 'title', match_count => 3)$$,
	$$vecmark.search('marks', 'title', full_text_weight => 0, match_count => 3, exact => true)$$,
	$$vecmark.search('marks', 'title', semantic_weight => 0, match_count => 3)$$,
	-- conditions that many rows satisfy, few, and none
	$$vecmark.search('marks', 'title #many', full_text_weight => 0, match_count => 3, candidates => 3)$$,
	$$vecmark.search('marks', 'title #few', full_text_weight => 0, match_count => 3, candidates => 3)$$,
	$$vecmark.search('marks', 'title #none', full_text_weight => 0, match_count => 3)$$]) AS q, walks(q) AS w;
-- rows find themselves, and what conditions leave out stays out
SELECT count(*) FROM marks AS m CROSS JOIN LATERAL vecmark.search('marks', query_embedding => m.embedding, match_count => 1) AS s
WHERE m.url LIKE '%5' AND s.id = m.id AND s.similarity > 0.9999;
SELECT 'few' = ANY (m.tags) AS few, 'few' = ANY (s.tags) AS finds_few, s.id = m.id AS itself, count(*)
FROM marks AS m CROSS JOIN LATERAL vecmark.search('marks', '#many', m.embedding, match_count => 1, candidates => 3) AS s
WHERE m.url LIKE '%5' GROUP BY 1, 2, 3 ORDER BY 1;
-- settings count, and come back; where a walk brings too few, all rows are compared
SET hnsw.iterative_scan = off;
SET hnsw.ef_search = 1;
SELECT * FROM walks($$vecmark.search('marks', 'title', full_text_weight => 0, match_count => 1)$$);
SELECT * FROM walks($$vecmark.search('marks', 'title', full_text_weight => 0, match_count => 5)$$);
RESET hnsw.ef_search;
SET hnsw.iterative_scan = strict_order;
BEGIN;
SELECT count(*) FROM vecmark.search('marks', 'title', full_text_weight => 0);
SHOW hnsw.iterative_scan;
COMMIT;
RESET hnsw.iterative_scan;

-- neither rows without embedding nor those without direction are near to anything; all others can be found
UPDATE marks SET embedding = array_fill(0, ARRAY[32])::vector WHERE 'few' = ANY (tags);
INSERT INTO marks (url) SELECT 'http://empty.example/' || i FROM generate_series(1, 5) AS i;
SELECT count(*), count(embedding), count(*) FILTER (WHERE vector_norm(embedding) = 0) AS zero FROM marks;
SELECT count(*), count(similarity), bool_or('few' = ANY (tags)) AS zero FROM vecmark.search('marks', query_embedding => vecmark.embed('anything', 32), match_count => 2000);
SELECT count(*) FROM vecmark.search('marks', query_embedding => array_fill(0, ARRAY[32])::vector);
SELECT count(*), count(similarity) FROM vecmark.search('marks', 'title', array_fill(0, ARRAY[32])::vector);
SELECT count(*), count(similarity) FROM vecmark.search('marks', '#few', vecmark.embed('anything', 32));
SELECT * FROM vecmark.hnsw_check('marks_embedding_idx');

-- the index is the user's: without it, or with another, the answers are the same
RESET enable_seqscan;
RESET enable_bitmapscan;
CREATE TEMPORARY TABLE answers AS SELECT url, semantic_rank FROM vecmark.search('marks', 'moved elsewhere', full_text_weight => 0, match_count => 5);
DROP INDEX marks_embedding_idx;
TABLE answers EXCEPT SELECT url, semantic_rank FROM vecmark.search('marks', 'moved elsewhere', full_text_weight => 0, match_count => 5);
CREATE INDEX ON marks USING hnsw (embedding vector_cosine_ops) WITH (m = 8, storage = int8);
TABLE answers EXCEPT SELECT url, semantic_rank FROM vecmark.search('marks', 'moved elsewhere', full_text_weight => 0, match_count => 5);

-- embeddings of the client's own, and the most dimensions
SELECT vecmark.create_bookmarks('own', 3, embedder => NULL) IS NOT NULL;
INSERT INTO own (url, title) SELECT 'http://x.example/' || i, 'Title ' || i FROM generate_series(1, 100) AS i;
SELECT * FROM nodes('own');
UPDATE own SET embedding = ARRAY[substr(url, 18)::integer, 1, 1];
UPDATE own SET title = 'changed';
SELECT * FROM nodes('own');
SELECT url FROM vecmark.search('own', query_embedding => '[50,1,1]', match_count => 1);
UPDATE own SET embedding = '[1,-50,1]' WHERE url = 'http://x.example/50';
SELECT url FROM vecmark.search('own', query_embedding => '[1,-50,1]', match_count => 1);
SELECT vecmark.create_bookmarks('wide', 16000) IS NOT NULL;
INSERT INTO wide (url, title) VALUES ('http://1.example', 'one'), ('http://2.example', 'two'), ('http://3.example', 'three');
SELECT title FROM vecmark.search('wide', 'two', full_text_weight => 0, match_count => 1);
DROP TABLE marks, marks_visits, own, own_visits, wide, wide_visits;
DROP FUNCTION nodes, walks;
