-- Functions beside a bookmarks table for PostgREST, pg_graphql and PostGraphile.
SET TIME ZONE 'UTC';
CREATE SCHEMA "Api schema";
SELECT vecmark.create_bookmarks('"Api schema".marks', 4, 'english', NULL);
SELECT * FROM vecmark.create_api('"Api schema".marks');
SET search_path = "Api schema", public;
INSERT INTO marks (url, title, description, content, tags, metadata, embedding) VALUES
	('http://a.example/', 'Sorting', 'Of arrays', 'Quicksort and mergesort', '{cs}', '{"lang": "en", "user_id": 1}', '[1,0,0,0]'),
	('http://b.example/', 'Searching arrays', NULL, '', '{cs,index}', '{"lang": "en", "user_id": 2}', '[0.8,0.6,0,0]'),
	('http://c.example/', NULL, NULL, NULL, '{}', '{"lang": "fr"}', '[0,1,0,0]'),
	('http://d.example/', 'Cooking', 'Soup', NULL, '{food}', '{"title": "theirs"}', NULL);

-- they belong to the caller and not to the extension; gateways' rules
SELECT p.oid::regprocedure, pg_get_userbyid(proowner) = current_user AS mine, provolatile, proretset, prosecdef, provariadic <> 0 AS variadic,
	prorettype = 'void'::regtype AS void, proparallel, pronargdefaults AS defaults,
	(SELECT count(*) FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e') AS owned_by_extension
FROM pg_proc AS p WHERE pronamespace = '"Api schema"'::regnamespace ORDER BY proname;
SELECT p.oid::regprocedure, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
FROM pg_proc AS p WHERE pronamespace = '"Api schema"'::regnamespace ORDER BY proname \gx
SELECT obj_description(p) FROM vecmark_internal.api_functions('marks') AS p;
-- names that a collection of pg_graphql has itself keep a function that returns rows of a table out
SELECT p.oid::regprocedure, proargnames FROM pg_proc AS p JOIN pg_class AS c ON c.reltype = p.prorettype
WHERE pronamespace = '"Api schema"'::regnamespace AND proretset AND proargnames && '{first,last,before,after,filter,"orderBy"}';

-- pg_dump's text of each makes the same function again
DO $$
DECLARE
	p regprocedure;
	definition text;
BEGIN
	FOR p IN SELECT vecmark_internal.api_functions('marks') LOOP
		definition := pg_get_functiondef(p);
		EXECUTE definition;
		IF pg_get_functiondef(p) <> definition THEN
			RAISE EXCEPTION '% differs', p;
		END IF;
	END LOOP;
END $$;
SELECT count(*) FROM vecmark_internal.api_functions('marks');

-- what LangChain's and LlamaIndex's stores send, as PostgREST calls it: the body's keys
-- are arguments, and functions that are not volatile run in a READ ONLY transaction
PREPARE match_all (json) AS
	SELECT json_agg(r.*) AS body FROM (SELECT c.id = vecmark.lookup('"Api schema".marks', c.metadata->>'url') AS id, c.content, c.metadata, c.embedding, round(c.similarity::numeric, 4) AS similarity
	FROM (SELECT $1 AS json_data) AS payload,
		LATERAL (SELECT query_embedding, match_count, filter FROM json_to_record(payload.json_data) AS _ (query_embedding vector, match_count integer, filter jsonb) LIMIT 1) AS body,
		LATERAL "Api schema".match_documents(query_embedding := body.query_embedding, match_count := body.match_count, filter := body.filter) AS c) AS r;
PREPARE match_plain (json) AS
	SELECT c.content, round(c.similarity::numeric, 4) AS similarity
	FROM (SELECT $1 AS json_data) AS payload,
		LATERAL (SELECT query_embedding FROM json_to_record(payload.json_data) AS _ (query_embedding vector) LIMIT 1) AS body,
		LATERAL "Api schema".match_documents(query_embedding := body.query_embedding) AS c
	LIMIT 2;
PREPARE keywords (json) AS
	SELECT c.content, c.metadata->>'url' AS url, c.similarity > 0 AS relevant
	FROM (SELECT $1 AS json_data) AS payload,
		LATERAL (SELECT query_text, match_count FROM json_to_record(payload.json_data) AS _ (query_text text, match_count integer) LIMIT 1) AS body,
		LATERAL "Api schema".kw_match_documents(query_text := body.query_text, match_count := body.match_count) AS c;
BEGIN READ ONLY;
\pset format unaligned
EXECUTE match_all('{"query_embedding": [1, 0.0, -0e-3, 0], "match_count": 2, "filter": {"lang": "en"}}');
EXECUTE match_all('{"query_embedding": [1, 0, 0, 0], "match_count": 10, "filter": {"tags": "index"}}');
EXECUTE match_all('{"query_embedding": "[0, 1, 0, 0]", "match_count": null, "filter": {}}');
EXECUTE match_plain('{"query_embedding": [1, 0, 0, 0]}');
EXECUTE keywords('{"query_text": "searching arrays", "match_count": 4}');
EXECUTE keywords('{"query_text": "arrays -quicksort", "match_count": 1}');
EXECUTE keywords('{"query_text": "#food", "match_count": 1}');
\pset format aligned
SELECT count(*) FROM match_documents(NULL);
SELECT count(*) FROM match_documents('[0,0,0,0]');
SELECT count(*) FROM kw_match_documents(NULL);
SELECT count(*) FROM kw_match_documents('zebra');

-- the twins of search
SELECT url, round(score::numeric, 4) AS score, round(similarity::numeric, 2) AS similarity, full_text_rank, semantic_rank
FROM marks_search('arrays', '{0,1,0,0}', match_count => 3, filter => '{"lang": "en"}');
SELECT url, score = 1 / 61.0::double precision AS scored, full_text_rank, semantic_rank FROM marks_search(query_embedding => '{1,0,0,0}', match_threshold => 0.9);
SELECT url FROM marks_search(query_text => 'soup', query_embedding => NULL, match_count => NULL, filter => NULL, full_text_weight => NULL, semantic_weight => NULL,
	rrf_k => NULL, match_threshold => NULL, candidates => NULL, exact => NULL);
SELECT s->>'url' AS url FROM marks_search_json('{"query_text": "arrays", "query_embedding": [1, 0, 0, 0], "match_count": 1, "full_text_weight": 0.5, "semantic_weight": 2, "rrf_k": 10, "candidates": 10, "exact": true, "match_threshold": null}') AS s;
SELECT s->>'url' AS url FROM marks_search_json('{"query_embedding": "[0,1,0,0]", "match_count": 1, "filter": {"site": "c.example"}}') AS s;
SELECT s->>'url' AS url FROM marks_search_json('{}') AS s ORDER BY 1;
SELECT s - 'id' FROM marks_search_json('{"query_embedding": [0, 1, 0, 0], "match_count": 1}') AS s;
SELECT url, title, access_count FROM marks_search_rows('arrays');
SELECT url FROM marks_search_rows(query_embedding => '{1,0,0,0}', conditions => '{"lang": "en"}', match_threshold => 0.9);
-- the same rows in the same order, and with every digit of the vector
SELECT (SELECT array_agg(s) FROM vecmark.search('marks', 'arrays', '[0.1234567,0.7654321,1e-30,3]') AS s)::text
	= (SELECT array_agg(s) FROM marks_search('arrays', '{0.1234567,0.7654321,1e-30,3}') AS s)::text AS same;
SET LOCAL extra_float_digits = 0;
SELECT s.similarity = 1 - ('[1,0,0,0]'::vector <=> '[0.1234567,0.7654321,1e-30,3]') AS same
FROM marks_search(query_embedding => '{0.1234567,0.7654321,1e-30,3}') AS s WHERE url = 'http://a.example/';
COMMIT;

-- saving
SELECT url, title, tags, metadata, embedding, access_count FROM marks_save('http://e.example', title => 'New', tags => '{x}', metadata => '{"a": 1}', embedding => '{0,0,0.25,1}');
SELECT url, title, tags, metadata, embedding FROM marks_save('http://E.example/#x', tags => '{y}', metadata => '{"b": 2}');
SELECT (s->>'id')::uuid = vecmark_internal.url_id('http://f.example') AS same, s->'inserted' AS inserted FROM marks_save_json('{"url": "http://f.example", "tags": ["t"], "title": "F", "metadata": null, "embedding": [1, 2.5, -3e-1, 0]}') AS s;
SELECT s->'inserted' AS inserted FROM marks_save_json('{"url": "http://f.example", "tags": "u", "content": "text", "description": "d"}') AS s;
SELECT url, title, description, content, tags, metadata, embedding FROM marks WHERE url = 'http://f.example';
\set VERBOSITY terse
BEGIN READ ONLY;
SELECT marks_save('http://g.example');
ROLLBACK;
\set VERBOSITY default

-- what goes wrong
CREATE FUNCTION public.shown(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || SQLERRM, nullif('DETAIL ' || regexp_replace(detail, '^(Failing row contains).*', '\1 ...'), 'DETAIL '), nullif('HINT ' || hint, 'HINT '));
END $$;
CREATE FUNCTION public.show_all(statements text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT s || E'\n  ' || shown(s) FROM unnest(statements) AS s $$;
\pset format unaligned
\pset tuples_only on
SELECT show_all(ARRAY[
	$$SELECT * FROM marks_search_json(NULL)$$, $$SELECT * FROM marks_search_json('[]')$$, $$SELECT * FROM marks_search_json('"x"')$$,
	$$SELECT * FROM marks_search_json('{"query": "x"}')$$, $$SELECT * FROM marks_search_json('{"query_text": {"a": 1}}')$$,
	$$SELECT * FROM marks_search_json('{"query_embedding": 1}')$$, $$SELECT * FROM marks_search_json('{"query_embedding": [1, "2", 3, 4]}')$$,
	$$SELECT * FROM marks_search_json('{"query_embedding": [1, null, 3, 4]}')$$, $$SELECT * FROM marks_search_json('{"query_embedding": []}')$$,
	$$SELECT * FROM marks_search_json('{"query_embedding": [1e99, 0, 0, 0]}')$$, $$SELECT * FROM marks_search_json('{"query_embedding": [1]}')$$,
	$$SELECT * FROM marks_search_json('{"match_count": 1.5}')$$, $$SELECT * FROM marks_search_json('{"match_count": 0}')$$,
	$$SELECT * FROM marks_search_json('{"match_count": 1e20}')$$, $$SELECT * FROM marks_search_json('{"exact": "yes"}')$$,
	$$SELECT * FROM marks_search(query_embedding => '{NaN,0,0,0}')$$, $$SELECT * FROM marks_search(query_embedding => '{1,NULL,0,0}')$$,
	$$SELECT * FROM marks_search(query_embedding => '{}')$$, $$SELECT * FROM marks_search(match_count => 0)$$,
	$$SELECT * FROM match_documents('[1,2]')$$, $$SELECT * FROM match_documents('[1,2,3,4]', 10001)$$, $$SELECT * FROM kw_match_documents('x', 0)$$,
	$$SELECT * FROM marks_save(NULL)$$, $$SELECT * FROM marks_save('')$$, $$SELECT * FROM marks_save('http://x.example', embedding => '{1}')$$,
	$$SELECT * FROM marks_save('http://x.example', metadata => '[]')$$,
	$$SELECT * FROM marks_save_json('{"title": "x"}')$$, $$SELECT * FROM marks_save_json('{"url": 5}')$$, $$SELECT * FROM marks_save_json('{"url": "http://x.example", "tags": [1]}')$$,
	$$SELECT * FROM marks_save_json('{"url": "http://x.example", "id": "1"}')$$, $$SELECT * FROM vecmark_internal.search_json('pg_class', '{}')$$,
	$$SELECT * FROM vecmark_internal.keyword_search('pg_class', 'x')$$, $$SELECT * FROM vecmark_internal.save_json(NULL, '{}')$$]);
SELECT count(*) FROM marks WHERE url LIKE '%x.example%';

-- again: the same functions with the rights they had; others of those names are not touched
REVOKE EXECUTE ON FUNCTION marks_save_json FROM PUBLIC;
SELECT count(*) FROM vecmark.create_api('marks');
SELECT proacl IS NULL FROM pg_proc WHERE oid IN ('marks_save_json'::regproc, 'marks_save'::regproc) ORDER BY 1;
SELECT vecmark.create_bookmarks('others', 2, 'simple');
SELECT show_all(ARRAY[$$SELECT vecmark.create_api('others')$$, $$SELECT vecmark.create_api('others', '')$$, $$SELECT vecmark.create_api('others', repeat('x', 55))$$,
	$$SELECT vecmark.create_api('pg_class')$$, $$SELECT vecmark.create_api(NULL)$$, $$SELECT vecmark.drop_api('marks_visits')$$]);
SELECT * FROM vecmark.create_api('others', documents => 'Other docs');
SELECT * FROM vecmark.create_api('others', NULL);
COMMENT ON FUNCTION others_save IS 'mine now';
SELECT show_all(ARRAY[$$SELECT vecmark.create_api('others', NULL)$$]);
SELECT vecmark.drop_api('others'), vecmark.drop_api('others');
SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^(others_|k?w?_?match_)' AND pronamespace = '"Api schema"'::regnamespace ORDER BY 1;
CREATE FUNCTION others_search(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
DROP FUNCTION others_save;
SELECT show_all(ARRAY[$$SELECT vecmark.create_api('others', NULL)$$]);
SELECT count(*) FROM vecmark_internal.api_functions('others');

-- they follow a renamed table, and a search path that would have them find other things
ALTER TABLE marks RENAME TO links;
ALTER SCHEMA "Api schema" RENAME TO "api";
SET search_path = public;
CREATE FUNCTION concat_ws(text, text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'not this' $$;
SET search_path = public, pg_catalog;
SELECT content FROM api.match_documents('[1,0,0,0]', 1);
SELECT url FROM api.marks_search('cooking');
SELECT url, title FROM api.marks_save('http://h.example', title => 'Last');
SELECT url, title FROM api.marks_save('http://h.example#again');
RESET search_path;
DROP FUNCTION public.concat_ws(text, text, text, text);
SELECT split_part(m, E'\n', 2) FROM show_all(ARRAY[$$DROP TABLE api.links$$]) AS m;
ALTER TABLE api.links ADD COLUMN notes text DEFAULT 'none';
SELECT url, notes FROM api.marks_search_rows('cooking');
-- replication: of tracked tables
SELECT m FROM show_all(ARRAY[$$SELECT api.marks_changes()$$, $$SELECT api.marks_merge('{}')$$]) AS m;
SELECT vecmark.track('api.links');
SELECT api.marks_version() = vecmark.version()::text AS same;
SELECT jsonb_array_length(api.marks_changes()->'deltas') AS deltas, jsonb_array_length(api.marks_changes(vecmark.version()::text)->'deltas') AS nothing_new;
SELECT api.marks_merge('{}')->'status' AS status;
SELECT m FROM show_all(ARRAY[$$SELECT api.marks_changes('x')$$, $$SELECT api.marks_merge('{00}')$$, $$SELECT api.marks_merge('{}', 'x')$$]) AS m;
SELECT vecmark.untrack('api.links');
SELECT vecmark.drop_api('api.links');
SELECT count(*) FROM vecmark.create_api('api.links');
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA api CASCADE;
DROP FUNCTION shown, show_all;
