-- bookmark_api.sql: functions beside a bookmarks table, of the forms that HTTP and GraphQL gateways serve.

CREATE FUNCTION vecmark_internal.check_arguments(arguments jsonb, types jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given record;
BEGIN
	IF coalesce(jsonb_typeof(arguments), 'null') <> 'object' THEN
		RAISE EXCEPTION 'arguments must be a JSON object, not %', coalesce(jsonb_typeof(arguments), 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR given IN SELECT key, jsonb_typeof(value) AS type, types->key AS allowed FROM jsonb_each(arguments) ORDER BY key COLLATE "C" LOOP
		IF given.allowed IS NULL THEN
			RAISE EXCEPTION 'there is no argument "%"', left(given.key, 100)
				USING ERRCODE = 'invalid_parameter_value', HINT = 'There are ' || (SELECT string_agg(key, ', ' ORDER BY key COLLATE "C") FROM jsonb_object_keys(types) AS key) || '.';
		ELSIF given.type <> 'null' AND NOT given.allowed ? given.type THEN
			RAISE EXCEPTION 'argument "%" must be of JSON type %, not %', given.key,
				(SELECT string_agg(type, ' or ') FROM jsonb_array_elements_text(given.allowed) AS type), given.type
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
	RETURN true;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.check_arguments(jsonb, jsonb) IS
	'true when arguments are an object whose keys are all in types and have one of the JSON types listed there, or null; an error otherwise';

CREATE FUNCTION vecmark_internal.search_json(source regclass, arguments jsonb) RETURNS TABLE (
	id uuid,
	url text,
	title text,
	tags text[],
	score double precision,
	similarity double precision,
	full_text_rank integer,
	semantic_rank integer
)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 10000 ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM vecmark_internal.check_arguments(arguments, '{
		"query_text": ["string"], "query_embedding": ["array", "string"], "match_count": ["number"], "filter": ["object"],
		"full_text_weight": ["number"], "semantic_weight": ["number"], "rrf_k": ["number"], "match_threshold": ["number"],
		"candidates": ["number"], "exact": ["boolean"]}');
	-- the text of a JSON array of numbers is the text of a vector
	RETURN QUERY SELECT s.id, s.url, s.title, s.tags, s.score, s.similarity, s.full_text_rank, s.semantic_rank
		FROM vecmark.search(
			source,
			query_text => arguments->>'query_text',
			query_embedding => (arguments->>'query_embedding')::@extschema@.vector,
			match_count => coalesce((arguments->>'match_count')::integer, 10),
			filter => coalesce(nullif(arguments->'filter', 'null'), '{}'),
			full_text_weight => coalesce((arguments->>'full_text_weight')::double precision, 1),
			semantic_weight => coalesce((arguments->>'semantic_weight')::double precision, 1),
			rrf_k => coalesce((arguments->>'rrf_k')::integer, 60),
			match_threshold => (arguments->>'match_threshold')::double precision,
			candidates => (arguments->>'candidates')::integer,
			exact => coalesce((arguments->>'exact')::boolean, false)) AS s;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.search_json(regclass, jsonb) IS
	'vecmark.search with its arguments in one JSON object; query_embedding is an array of numbers, or the text of one; null is as not given; error for a key that is no argument and for a value of another type';

CREATE FUNCTION vecmark_internal.keyword_search(source regclass, query_text text, match_count integer DEFAULT 10)
RETURNS TABLE (id uuid, relevance real)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 10000 ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	config constant regconfig := vecmark_internal.bookmark_settings(source)->>'config';
	any_word constant tsquery := vecmark_internal.any_word_query(config, nullif((vecmark_internal.parse_query(coalesce(query_text, ''))).plain, ''));
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT s.id, coalesce(ts_rank(b.fts, $3, 1), 0)
		FROM vecmark.search($4, $1, match_count => $2, semantic_weight => 0) WITH ORDINALITY AS s JOIN %s AS b USING (id)
		WHERE $1 IS NOT NULL
		ORDER BY s.ordinality$sql$, source)
		USING query_text, match_count, any_word, source;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.keyword_search(regclass, text, integer) IS
	'the full-text half of vecmark.search, in its order, with the relevance of each row to any of the words: ts_rank, normalised by length';

CREATE FUNCTION vecmark_internal.save_json(source regclass, arguments jsonb, OUT id uuid, OUT inserted boolean)
LANGUAGE plpgsql VOLATILE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM vecmark_internal.check_arguments(arguments, '{
		"url": ["string"], "title": ["string"], "description": ["string"], "tags": ["array", "string"], "content": ["string"],
		"metadata": ["object"], "embedding": ["array", "string"]}');
	SELECT s.id, s.inserted INTO id, inserted
	FROM vecmark.save(
		source,
		arguments->>'url',
		title => arguments->>'title',
		description => arguments->>'description',
		tags => vecmark_internal.json_texts(arguments, 'tags'),
		content => arguments->>'content',
		metadata => nullif(arguments->'metadata', 'null'),
		embedding => (arguments->>'embedding')::@extschema@.vector) AS s;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.save_json(regclass, jsonb) IS
	'vecmark.save with its arguments in one JSON object; embedding is an array of numbers, or the text of one; null is as not given; error for a key that is no argument and for a value of another type';

CREATE FUNCTION vecmark_internal.changes_json(source regclass, since text, max_bytes integer) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM vecmark.tracked AS t WHERE t.rel = source) THEN
		RAISE EXCEPTION 'table "%" is not tracked', source
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT vecmark.track(%L) makes it replicated state.', source);
	END IF;
	RETURN (SELECT jsonb_build_object('version', vecmark.version()::text, 'deltas', coalesce(jsonb_agg(delta::text), '[]'))
		FROM vecmark.changes(coalesce(since, '{}')::vecmark.version_vector, max_bytes => coalesce(max_bytes, 8388608)) AS delta);
END;
$$;

COMMENT ON FUNCTION vecmark_internal.changes_json(regclass, text, integer) IS
	'vecmark.changes as one JSON object: the version that its reader will hold, and deltas as text; of the whole database, asked for by a tracked table; null is as not given';

CREATE FUNCTION vecmark_internal.merge_json(source regclass, deltas text[], mode text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM vecmark.tracked AS t WHERE t.rel = source) THEN
		RAISE EXCEPTION 'table "%" is not tracked', source
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT vecmark.track(%L) makes it replicated state.', source);
	END IF;
	RETURN to_jsonb(vecmark.merge_all(coalesce(deltas, '{}')::vecmark.delta[], coalesce(mode, 'strict')));
END;
$$;

COMMENT ON FUNCTION vecmark_internal.merge_json(regclass, text[], text) IS
	'vecmark.merge_all of deltas as text; returns its result as a JSON object; null is as not given';

CREATE FUNCTION vecmark_internal.api_functions(source regclass) RETURNS SETOF regprocedure
LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
	SELECT p.oid::regprocedure
	FROM pg_proc AS p JOIN pg_class AS c ON c.relnamespace = p.pronamespace
	WHERE c.oid = source AND obj_description(p.oid, 'pg_proc') LIKE '%; made by vecmark.create_api'
		AND EXISTS (SELECT FROM pg_depend AS d
			WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = source)
	ORDER BY p.proname COLLATE "C";
END;

COMMENT ON FUNCTION vecmark_internal.api_functions(regclass) IS
	'the functions that vecmark.create_api has made for a bookmarks table: those in its schema that refer to it and say so in their comments';

-- Bodies are BEGIN ATOMIC: their names are bound when they are made, so that the
-- caller's search path is nothing to them, the table may be renamed, and it is
-- known what depends on it.  A column is meant before an argument of its name,
-- so where there are columns arguments are numbered.  A function with an
-- argument without a name must have no column with one, or pg_dump writes the
-- argument as "".  Of vecmark's functions the
-- bodies use some whose arguments will not change: what depends on search and
-- save themselves would stand in the way of an upgrade that gives them more.
CREATE FUNCTION vecmark.create_api(source regclass, documents text DEFAULT 'documents') RETURNS SETOF regprocedure
LANGUAGE plpgsql VOLATILE COST 10000 ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place record;
	made record;
	result regprocedure;
	document constant text := $d$b.id,
				coalesce(nullif(concat_ws(chr(10), nullif(b.title, ''), nullif(b.description, ''), nullif(b.content, '')), ''), b.url),
				b.metadata || jsonb_build_object('url', b.url, 'title', b.title, 'tags', b.tags)$d$;
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	IF documents = '' THEN
		RAISE EXCEPTION 'name of documents must not be empty' USING ERRCODE = 'invalid_name';
	END IF;
	SELECT c.relname AS name, n.nspname AS schema, source::text AS qualified, quote_literal(source::text) || '::regclass' AS constant
	INTO place
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.oid = source;

	FOR made IN
		SELECT f.*, format('%I.%I', place.schema, f.name) AS qualified
		FROM (VALUES
			('match_' || documents,
				format('query_embedding %s, match_count integer DEFAULT NULL, filter jsonb DEFAULT %L', '@extschema@.vector', '{}'),
				format('TABLE (id uuid, content text, metadata jsonb, embedding %s, similarity double precision) STABLE ROWS 10', '@extschema@.vector'),
				format($sql$
			SELECT %1$s, b.embedding, s.similarity
			FROM vecmark_internal.search_json(%2$s, jsonb_build_object('query_embedding', query_embedding, 'filter', filter,
					'match_count', coalesce(match_count, 1000), 'candidates', coalesce(match_count, 1000))) WITH ORDINALITY AS s
				JOIN %3$s AS b USING (id)
			WHERE $1 IS NOT NULL
			ORDER BY s.ordinality;$sql$, document, place.constant, place.qualified),
				'bookmarks nearest to a vector, as SupabaseVectorStore of LangChain and LlamaIndex calls it'),
			('kw_match_' || documents,
				'query_text text, match_count integer DEFAULT 10',
				'TABLE (id uuid, content text, metadata jsonb, similarity real) STABLE ROWS 10',
				format($sql$
			SELECT %1$s, s.relevance
			FROM vecmark_internal.keyword_search(%2$s, query_text, match_count) WITH ORDINALITY AS s
				JOIN %3$s AS b USING (id)
			ORDER BY s.ordinality;$sql$, document, place.constant, place.qualified),
				'bookmarks that have the words, as SupabaseHybridSearch of LangChain calls it'),
			(place.name || '_search',
				$a$query_text text DEFAULT NULL, query_embedding real[] DEFAULT NULL, match_count integer DEFAULT 10, filter jsonb DEFAULT '{}',
				full_text_weight double precision DEFAULT 1, semantic_weight double precision DEFAULT 1, rrf_k integer DEFAULT 60,
				match_threshold double precision DEFAULT NULL, candidates integer DEFAULT NULL, exact boolean DEFAULT false$a$,
				'TABLE (id uuid, url text, title text, tags text[], score double precision, similarity double precision, full_text_rank integer, semantic_rank integer)
					STABLE ROWS 10',
				format($sql$
			SELECT s.id, s.url, s.title, s.tags, s.score, s.similarity, s.full_text_rank, s.semantic_rank
			FROM vecmark_internal.search_json(%1$s, jsonb_build_object('query_text', query_text, 'query_embedding', query_embedding::%2$s,
				'match_count', match_count, 'filter', filter, 'full_text_weight', full_text_weight, 'semantic_weight', semantic_weight,
				'rrf_k', rrf_k, 'match_threshold', match_threshold, 'candidates', candidates, 'exact', exact)) AS s;$sql$,
					place.constant, '@extschema@.vector'),
				'vecmark.search with an array for the vector; null is as not given'),
			(place.name || '_search_json',
				'jsonb',
				'SETOF jsonb STABLE ROWS 10',
				format($sql$
			SELECT to_jsonb(s) FROM vecmark_internal.search_json(%s, $1) AS s;$sql$, place.constant),
				'vecmark.search with its arguments in one JSON object; a JSON object for each bookmark'),
			(place.name || '_search_rows',
				$a$query_text text DEFAULT NULL, query_embedding real[] DEFAULT NULL, match_count integer DEFAULT 10, conditions jsonb DEFAULT '{}',
				match_threshold double precision DEFAULT NULL$a$,
				format('SETOF %s STABLE ROWS 10', place.qualified),
				format($sql$
			SELECT b
			FROM vecmark_internal.search_json(%1$s, jsonb_build_object('query_text', query_text, 'query_embedding', query_embedding::%2$s,
					'match_count', match_count, 'filter', conditions, 'match_threshold', match_threshold)) WITH ORDINALITY AS s
				JOIN %3$s AS b USING (id)
			ORDER BY s.ordinality;$sql$, place.constant, '@extschema@.vector', place.qualified),
				'the bookmarks that vecmark.search finds, best first, as rows of the table; conditions: its filter'),
			(place.name || '_save',
				$a$url text, title text DEFAULT NULL, description text DEFAULT NULL, tags text[] DEFAULT NULL, content text DEFAULT NULL,
				metadata jsonb DEFAULT NULL, embedding real[] DEFAULT NULL$a$,
				format('%s VOLATILE', place.qualified),
				format($sql$
			SELECT s.id
			FROM vecmark_internal.save_json(%1$s, jsonb_build_object('url', url, 'title', title, 'description', description, 'tags', tags,
				'content', content, 'metadata', metadata, 'embedding', embedding::%2$s)) AS s;
			SELECT b FROM %3$s AS b WHERE b.id = vecmark.lookup(%1$s, $1);$sql$, place.constant, '@extschema@.vector', place.qualified),
				'vecmark.save with an array for the vector; returns the bookmark'),
			(place.name || '_save_json',
				'jsonb',
				'jsonb VOLATILE',
				format($sql$
			SELECT to_jsonb(s) FROM vecmark_internal.save_json(%s, $1) AS s;$sql$, place.constant),
				'vecmark.save with its arguments in one JSON object; returns another, with id and inserted'),
			(place.name || '_version',
				'',
				'text STABLE',
				format($sql$
			SELECT vecmark.version()::text WHERE %s IS NOT NULL;$sql$, place.constant),
				'vecmark.version as text'),
			(place.name || '_changes',
				$a$since text DEFAULT '{}', max_bytes integer DEFAULT 8388608$a$,
				'jsonb STABLE',
				format($sql$
			SELECT vecmark_internal.changes_json(%s, since, max_bytes);$sql$, place.constant),
				'vecmark.changes as a JSON object: version, and deltas as text; of the whole database'),
			(place.name || '_merge',
				$a$deltas text[], mode text DEFAULT 'strict'$a$,
				'jsonb VOLATILE',
				format($sql$
			SELECT vecmark_internal.merge_json(%s, deltas, mode);$sql$, place.constant),
				'vecmark.merge_all of deltas as text; returns its result as a JSON object')
			) AS f (name, arguments, returns, body, about)
		WHERE f.name IS NOT NULL
		ORDER BY f.name COLLATE "C"
	LOOP
		IF octet_length(made.name) > 63 THEN
			RAISE EXCEPTION 'name of function "%" is longer than 63 bytes', made.name
				USING ERRCODE = 'name_too_long', HINT = 'The names are those of the table and of documents, and what is put before and behind them.';
		END IF;
		SELECT p.oid::regprocedure INTO result
		FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
		WHERE n.nspname = place.schema AND p.proname = made.name
			AND p.oid NOT IN (SELECT vecmark_internal.api_functions(source)::oid)
		LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'function "%" exists already, and vecmark.create_api has not made it for "%"', result, source
				USING ERRCODE = 'duplicate_function', HINT = 'Rename one of them, or have other names made: documents => ''links'' makes match_links and kw_match_links.';
		END IF;
		EXECUTE format('CREATE OR REPLACE FUNCTION %s (%s) RETURNS %s LANGUAGE sql COST 10000 BEGIN ATOMIC %s END',
			made.qualified, made.arguments, made.returns, made.body);
		SELECT p.oid::regprocedure INTO STRICT result
		FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
		WHERE n.nspname = place.schema AND p.proname = made.name;
		EXECUTE format('COMMENT ON FUNCTION %s IS %L', result, made.about || '; made by vecmark.create_api');
		RETURN NEXT result;
	END LOOP;
END;
$$;

COMMENT ON FUNCTION vecmark.create_api(regclass, text) IS
	'make, in the schema of a bookmarks table and owned by the caller, the functions that PostgREST, pg_graphql and PostGraphile serve: match_<documents> and kw_match_<documents> (documents null: without these), <table>_search, _search_json, _search_rows, _save, _save_json, _version, _changes and _merge; what it made before is made anew and keeps its rights, what others made is an error; returns them';

CREATE FUNCTION vecmark.drop_api(source regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made regprocedure;
	dropped bigint := 0;
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	FOR made IN SELECT vecmark_internal.api_functions(source) LOOP
		EXECUTE format('DROP FUNCTION %s', made);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END;
$$;

COMMENT ON FUNCTION vecmark.drop_api(regclass) IS
	'drop the functions that vecmark.create_api has made for a bookmarks table; returns their number';
