-- bookmark_search.sql: full-text, semantic and hybrid search.

CREATE FUNCTION vecmark_internal.parse_query(
	query_text text,
	OUT words text,
	OUT plain text,
	OUT phrases text[],
	OUT not_words text[],
	OUT tags text[],
	OUT tag_trees text[],
	OUT not_tags text[],
	OUT not_tag_trees text[],
	OUT sites text[],
	OUT not_sites text[],
	OUT after timestamptz,
	OUT before timestamptz
)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	token text;
	value text;
	negated boolean;
	quoted boolean;
	wanted text[] := '{}';
	wanted_plain text[] := '{}';
	conditions text[] := '{}';
BEGIN
	IF length(query_text) > 10000 THEN
		RAISE EXCEPTION 'a query must be at most 10000 characters long, not %', length(query_text) USING ERRCODE = 'program_limit_exceeded';
	END IF;
	phrases := '{}';
	not_words := '{}';
	tags := '{}';
	tag_trees := '{}';
	not_tags := '{}';
	not_tag_trees := '{}';
	sites := '{}';
	not_sites := '{}';
	FOR token IN
		SELECT m[1] FROM regexp_matches(query_text, '(-?(?:#|site:|after:|before:)?(?:"[^"]*"?|[^[:space:]"]+))', 'g') AS m
	LOOP
		negated := starts_with(token, '-');
		value := ltrim(token, '-');
		quoted := starts_with(value, '"');
		value := replace(value, '"', '');
		CONTINUE WHEN btrim(value) = '';
		IF negated OR quoted OR value ~ '^(#|site:|after:|before:).' THEN
			-- one that is repeated says nothing more
			CONTINUE WHEN token = ANY (conditions);
			conditions := conditions || token;
			IF cardinality(conditions) > 100 THEN
				RAISE EXCEPTION 'a query must have at most 100 conditions'
					USING ERRCODE = 'program_limit_exceeded',
						HINT = 'Conditions are all terms but words alone.  The arrays "site", "tags" and "any_tags" of a filter have room for 1000 elements each.';
			END IF;
		END IF;
		IF quoted OR value !~ '^(#|site:|after:|before:).' THEN
			IF negated THEN
				not_words := not_words || value;
			ELSE
				wanted := wanted || token;
				IF quoted THEN
					phrases := phrases || value;
				END IF;
				IF lower(token) <> 'or' THEN
					wanted_plain := wanted_plain || value;
				END IF;
			END IF;
		ELSIF value ~ '^#.+/[*]?$' THEN
			value := regexp_replace(substr(value, 2), '/[*]?$', '');
			IF negated THEN
				not_tag_trees := not_tag_trees || value;
			ELSE
				tag_trees := tag_trees || value;
			END IF;
		ELSIF starts_with(value, '#') THEN
			IF negated THEN
				not_tags := not_tags || substr(value, 2);
			ELSE
				tags := tags || substr(value, 2);
			END IF;
		ELSIF starts_with(value, 'site:') THEN
			IF negated THEN
				not_sites := not_sites || substr(value, 6);
			ELSE
				sites := sites || substr(value, 6);
			END IF;
		ELSIF negated THEN
			RAISE EXCEPTION '"%" cannot be negated', value
				USING ERRCODE = 'invalid_parameter_value', HINT = 'after: and before: are each other''s opposites.';
		ELSE
			BEGIN
				IF starts_with(value, 'after:') THEN
					after := greatest(after, substr(value, 7)::timestamptz);
				ELSE
					before := least(before, substr(value, 8)::timestamptz);
				END IF;
			EXCEPTION WHEN data_exception THEN
				RAISE EXCEPTION 'no date in "%"', token
					USING ERRCODE = 'invalid_datetime_format', HINT = 'Write a full date, or today or yesterday: after:2026-01-31, before:today.';
			END;
		END IF;
	END LOOP;
	words := array_to_string(wanted, ' ');
	plain := array_to_string(wanted_plain, ' ');
END;
$$;

COMMENT ON FUNCTION vecmark_internal.parse_query(text) IS
	'the query language of vecmark.search: words, "phrases", -not, or, #tag, #tag/ (and below), -#tag, -#tag/, site:host, -site:host, after:date, before:date; of all but words at most 100; words: those wanted, for websearch_to_tsquery; plain: the same without quotes and or';

CREATE FUNCTION vecmark_internal.any_word_query(config regconfig, words text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 50
BEGIN ATOMIC
	-- lexemes are quoted in the text of a tsquery and hold no " & "
	SELECT coalesce(string_agg(lexeme, ' | ' ORDER BY place), '')::tsquery
	FROM (SELECT lexeme, min(place) AS place
		FROM unnest(string_to_array(plainto_tsquery(config, words)::text, ' & ')) WITH ORDINALITY AS u (lexeme, place)
		GROUP BY lexeme
		ORDER BY place
		LIMIT 100) AS l;
END;

COMMENT ON FUNCTION vecmark_internal.any_word_query(regconfig, text) IS
	'the query that vecmark.search falls back to when too few rows have all words: any of the words, of the first 100 that differ';

CREATE FUNCTION vecmark_internal.phrase_query(config regconfig, phrases text[], every boolean) RETURNS tsquery
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 50
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	phrase text;
	part tsquery;
	result tsquery;
BEGIN
	FOREACH phrase IN ARRAY phrases LOOP
		part := phraseto_tsquery(config, phrase);
		CONTINUE WHEN numnode(part) = 0;
		result := CASE WHEN result IS NULL THEN part WHEN every THEN result && part ELSE result || part END;
	END LOOP;
	-- of a tree with two branches at each operator, half of the nodes are words
	IF numnode(result) > 199 THEN
		RAISE EXCEPTION '% of a query must have at most 100 words together, not %',
			CASE WHEN every THEN 'phrases' ELSE 'unwanted words and phrases' END, (numnode(result) + 1) / 2
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Words and numbers joined by signs count each.';
	END IF;
	RETURN result;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.phrase_query(regconfig, text[], boolean) IS
	'a query for every one, or for any, of some phrases; null when there is nothing to look for in them; error for more than 100 words';

CREATE FUNCTION vecmark_internal.json_texts(object jsonb, key text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 5
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	value constant jsonb := object -> key;
BEGIN
	IF coalesce(jsonb_typeof(value), 'null') = 'null' THEN
		RETURN '{}';
	ELSIF jsonb_typeof(value) = 'string' THEN
		RETURN ARRAY[object ->> key];
	ELSIF jsonb_typeof(value) = 'array' AND NOT jsonb_path_exists(value, 'strict $[*] ? (@.type() <> "string")') THEN
		IF jsonb_array_length(value) > 1000 THEN
			RAISE EXCEPTION '"%" must have at most 1000 elements, not %', key, jsonb_array_length(value) USING ERRCODE = 'program_limit_exceeded';
		END IF;
		RETURN ARRAY(SELECT e.element FROM jsonb_array_elements_text(value) WITH ORDINALITY AS e (element, place) GROUP BY e.element ORDER BY min(e.place));
	END IF;
	RAISE EXCEPTION '"%" must be a string or an array of strings, not %', key, left(value::text, 100) USING ERRCODE = 'invalid_parameter_value';
END;
$$;

COMMENT ON FUNCTION vecmark_internal.json_texts(jsonb, text) IS
	'a string or an array of at most 1000 strings in a JSON object as text[], none twice; empty when the key is absent or null, an error for anything else';

CREATE FUNCTION vecmark_internal.site_hosts(sites text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	site text;
	url text;
	hosts text[] := '{}';
BEGIN
	FOREACH site IN ARRAY sites LOOP
		url := vecmark.url_key(CASE WHEN position('://' IN site) > 0 THEN site ELSE 'http://' || ltrim(site, '*.') END);
		IF split_part(url, '://', 2) IS DISTINCT FROM vecmark_internal.url_host(url) THEN
			RAISE EXCEPTION 'site "%" must be the name of a host', left(site, 100) USING ERRCODE = 'invalid_parameter_value';
		END IF;
		hosts := hosts || vecmark_internal.url_host(url);
	END LOOP;
	RETURN hosts;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.site_hosts(text[]) IS
	'names of hosts, or URLs of their roots, in the form that hosts have in keys; error for anything else';

CREATE FUNCTION vecmark_internal.url_on_site(url_key text, hosts text[]) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_url_on_site'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION vecmark_internal.url_on_site(text, text[]) IS
	'whether the host in a key is one of some hosts or below one; takes about as long for many hosts as for one';

CREATE FUNCTION vecmark_internal.tags_have_support(request internal) RETURNS internal
AS 'MODULE_PATHNAME', 'vecmark_tags_have_support'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION vecmark_internal.tags_have_support(internal) IS
	'tells the planner that vecmark_internal.tags_have is the operator && of arrays';

CREATE FUNCTION vecmark_internal.tags_have(tags text[], wanted text[]) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_tags_have'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5 SUPPORT vecmark_internal.tags_have_support;

COMMENT ON FUNCTION vecmark_internal.tags_have(text[], text[]) IS
	'as tags && wanted, and served by the same index, but takes about as long for many as for one';

CREATE FUNCTION vecmark_internal.tags_below(tags text[], trees text[]) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_tags_below'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION vecmark_internal.tags_below(text[], text[]) IS
	'whether one of the tags is one of some trees or below one; takes about as long for many trees as for one';

CREATE FUNCTION vecmark_internal.embed_query(source regclass, settings jsonb, words text) RETURNS @extschema@.vector
LANGUAGE sql STABLE PARALLEL UNSAFE COST 300
BEGIN ATOMIC
	SELECT CASE WHEN settings->>'embedder' = 'vecmark.embed' THEN vecmark_internal.bookmark_embed(settings, words)
		WHEN settings->>'embedder' IS NOT NULL THEN vecmark_internal.embed_as_owner(source, words) END;
END;

COMMENT ON FUNCTION vecmark_internal.embed_query(regclass, jsonb, text) IS
	'a query through the embedder of a bookmarks table; one that is not this extension''s own runs with the rights of the table''s owner';

CREATE FUNCTION vecmark.search(
	source regclass,
	query_text text DEFAULT NULL,
	query_embedding @extschema@.vector DEFAULT NULL,
	match_count integer DEFAULT 10,
	filter jsonb DEFAULT '{}',
	full_text_weight double precision DEFAULT 1,
	semantic_weight double precision DEFAULT 1,
	rrf_k integer DEFAULT 60,
	match_threshold double precision DEFAULT NULL,
	candidates integer DEFAULT NULL,
	exact boolean DEFAULT false
) RETURNS TABLE (
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
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	settings constant jsonb := vecmark_internal.bookmark_settings(source);
	config constant regconfig := settings->>'config';
	parsed record;
	distance constant text := 'b.embedding OPERATOR(@extschema@.<=>) $2';
	conditions text := '';
	text_query tsquery;
	all_words tsquery;
	any_word tsquery;
	ranked tsquery;
	phrases tsquery;
	unwanted tsquery;
	enough boolean;
	use_text boolean;
	use_vector boolean;
	few bigint;
	complete boolean;
	was_strict boolean;
	near_ids uuid[];
	near_distances double precision[];
	wanted_tags text[];
	any_tags text[];
	sites text[];
	not_sites text[];
	after timestamptz;
	before timestamptz;
	metadata jsonb;
BEGIN
	IF match_count IS NULL OR match_count < 1 OR match_count > 10000 THEN
		RAISE EXCEPTION 'match_count must be from 1 to 10000, not %', coalesce(match_count::text, 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF rrf_k IS NULL OR rrf_k < 1 THEN
		RAISE EXCEPTION 'rrf_k must be at least 1, not %', coalesce(rrf_k::text, 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF coalesce(full_text_weight, -1) NOT BETWEEN 0 AND 1e6 OR coalesce(semantic_weight, -1) NOT BETWEEN 0 AND 1e6 THEN
		RAISE EXCEPTION 'weights must be from 0 to 1000000' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF full_text_weight = 0 AND semantic_weight = 0 THEN
		RAISE EXCEPTION 'weights must not both be 0' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF candidates < 1 THEN
		RAISE EXCEPTION 'candidates must be at least 1, not %', candidates USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF @extschema@.vector_dims(query_embedding) <> (settings->>'dimensions')::integer THEN
		RAISE EXCEPTION 'query_embedding has % dimensions, "%" has %', @extschema@.vector_dims(query_embedding), source, settings->>'dimensions'
			USING ERRCODE = 'data_exception';
	END IF;
	filter := coalesce(filter, '{}');
	IF jsonb_typeof(filter) <> 'object' THEN
		RAISE EXCEPTION 'filter must be a JSON object, not %', jsonb_typeof(filter) USING ERRCODE = 'invalid_parameter_value';
	END IF;
	candidates := greatest(coalesce(candidates, greatest(50, 4 * match_count)), match_count);
	exact := coalesce(exact, false);

	parsed := vecmark_internal.parse_query(coalesce(query_text, ''));

	-- What a row must satisfy.  The arguments of all queries below are, in
	-- this order: $1 text_query, $2 query_embedding, $3 candidates, $4 tags,
	-- $5 any_tags, $6 tag_trees, $7 not_tags, $8 not_tag_trees, $9 sites,
	-- $10 not_sites, $11 after, $12 before, $13 metadata, $14 match_count,
	-- $15 phrases, $16 unwanted, $17 few.
	wanted_tags := parsed.tags || vecmark_internal.json_texts(filter, 'tags');
	any_tags := vecmark_internal.json_texts(filter, 'any_tags');
	sites := vecmark_internal.site_hosts(parsed.sites || vecmark_internal.json_texts(filter, 'site'));
	not_sites := vecmark_internal.site_hosts(parsed.not_sites);
	after := greatest(parsed.after, (filter->>'after')::timestamptz);
	before := least(parsed.before, (filter->>'before')::timestamptz);
	metadata := filter - ARRAY['tags', 'any_tags', 'site', 'after', 'before'];
	IF octet_length(metadata::text) > 10000 THEN
		RAISE EXCEPTION 'what a filter asks of metadata must be at most 10000 bytes long, not %', octet_length(metadata::text)
			USING ERRCODE = 'program_limit_exceeded';
	END IF;
	IF cardinality(wanted_tags) > 0 THEN
		conditions := conditions || ' AND b.tags @> $4';
	END IF;
	IF jsonb_typeof(filter->'any_tags') <> 'null' THEN
		conditions := conditions || ' AND vecmark_internal.tags_have(b.tags, $5)';
	END IF;
	IF cardinality(parsed.tag_trees) > 0 THEN
		conditions := conditions || $c$ AND NOT EXISTS (SELECT FROM unnest($6) AS w WHERE NOT EXISTS (SELECT FROM unnest(b.tags) AS t WHERE t = w OR starts_with(t, w || '/')))$c$;
	END IF;
	IF cardinality(parsed.not_tags) > 0 THEN
		conditions := conditions || ' AND NOT vecmark_internal.tags_have(b.tags, $7)';
	END IF;
	IF cardinality(parsed.not_tag_trees) > 0 THEN
		conditions := conditions || ' AND NOT vecmark_internal.tags_below(b.tags, $8)';
	END IF;
	IF cardinality(sites) > 0 THEN
		conditions := conditions || ' AND vecmark_internal.url_on_site(b.url_key, $9)';
	END IF;
	IF cardinality(not_sites) > 0 THEN
		conditions := conditions || ' AND NOT vecmark_internal.url_on_site(b.url_key, $10)';
	END IF;
	IF after IS NOT NULL THEN
		conditions := conditions || ' AND b.created_at >= $11';
	END IF;
	IF before IS NOT NULL THEN
		conditions := conditions || ' AND b.created_at < $12';
	END IF;
	IF metadata <> '{}' THEN
		conditions := conditions || ' AND b.metadata @> $13';
	END IF;
	phrases := vecmark_internal.phrase_query(config, parsed.phrases, true);
	IF phrases IS NOT NULL THEN
		conditions := conditions || ' AND b.fts @@ $15';
	END IF;
	unwanted := vecmark_internal.phrase_query(config, parsed.not_words, false);
	IF unwanted IS NOT NULL THEN
		conditions := conditions || ' AND NOT b.fts @@ $16';
	END IF;

	-- which halves take part
	IF full_text_weight > 0 AND parsed.words <> '' THEN
		text_query := websearch_to_tsquery(config, parsed.words);
	END IF;
	IF semantic_weight > 0 AND query_embedding IS NULL AND parsed.plain <> '' THEN
		query_embedding := vecmark_internal.embed_query(source, settings, parsed.plain);
	END IF;
	use_text := coalesce(numnode(text_query) > 0, false);
	-- nothing is near to a vector without direction
	use_vector := coalesce(semantic_weight > 0 AND @extschema@.vector_norm(query_embedding) > 0::double precision, false);

	-- Rows that have all words come first.  Where they are too few, rows with
	-- any of the words follow.  Of very many words any is enough at once.
	all_words := text_query;
	any_word := CASE WHEN use_text AND numnode(text_query) > 1 THEN vecmark_internal.any_word_query(config, parsed.plain) END;
	enough := true;
	IF use_text AND numnode(text_query) > 199 THEN
		RAISE NOTICE 'of a query of more than 100 words, full-text search looks for any of the first 100 that differ';
		all_words := NULL;
		enough := false;
	ELSIF use_text AND numnode(text_query) > 1 THEN
		EXECUTE format('SELECT count(*) >= $14 FROM (SELECT FROM %s AS b WHERE b.fts @@ $1%s LIMIT $14) AS m', source, conditions)
			INTO enough
			USING text_query, query_embedding, candidates, wanted_tags, any_tags, parsed.tag_trees, parsed.not_tags, parsed.not_tag_trees,
				sites, not_sites, after, before, metadata, match_count, phrases, unwanted;
	END IF;
	IF NOT enough THEN
		text_query := any_word;
		use_text := numnode(text_query) > 0;
	END IF;
	-- for rows that have all words ts_rank compares the places of each two of them
	ranked := CASE WHEN numnode(text_query) > 31 THEN any_word ELSE text_query END;

	IF NOT use_text AND NOT use_vector THEN
		IF parsed.plain <> '' OR (semantic_weight > 0 AND query_embedding IS NOT NULL) THEN
			RETURN;				-- nothing that a half can look for
		END IF;
		-- conditions alone: the newest first
		RETURN QUERY EXECUTE format($sql$
			SELECT b.id, b.url, b.title, b.tags, 0::double precision, NULL::double precision, NULL::integer, NULL::integer
			FROM %s AS b
			WHERE true%s
			ORDER BY b.created_at DESC, b.id
			LIMIT $14$sql$, source, conditions)
			USING text_query, query_embedding, candidates, wanted_tags, any_tags, parsed.tag_trees, parsed.not_tags, parsed.not_tag_trees,
				sites, not_sites, after, before, metadata, match_count, phrases, unwanted;
		RETURN;
	END IF;

	-- The nearest rows.  Where the conditions leave few, a walk through the index
	-- would pass over many others to find them, or give up, so all of the few are
	-- compared.  They are looked for first, since how many there are is more than
	-- the planner can tell of most conditions.
	complete := NOT use_vector;
	IF use_vector AND NOT exact AND conditions <> '' THEN
		SELECT 2 * sqrt(candidates * greatest(c.reltuples, 10000::double precision)) INTO few FROM pg_class AS c WHERE c.oid = source;
		EXECUTE format($sql$
			WITH few AS MATERIALIZED (
				SELECT b.id, b.embedding FROM %1$s AS b WHERE b.embedding IS NOT NULL%2$s LIMIT $17
			),
			near AS (
				SELECT b.id, %3$s AS distance FROM few AS b WHERE (SELECT count(*) < $17 FROM few) ORDER BY 2 LIMIT $3
			)
			SELECT (SELECT count(*) < $17 FROM few), array_agg(near.id), array_agg(near.distance) FROM near$sql$, source, conditions, distance)
			INTO complete, near_ids, near_distances
			USING text_query, query_embedding, candidates, wanted_tags, any_tags, parsed.tag_trees, parsed.not_tags, parsed.not_tag_trees,
				sites, not_sites, after, before, metadata, match_count, phrases, unwanted, few;
	END IF;

	-- Otherwise the index walks, and where it brings too few after all, every row
	-- is compared.  An operand that is not the bare operator keeps the index out.
	-- The order is made later: strictness would only leave out what is found late.
	was_strict := coalesce(NOT complete AND current_setting('hnsw.iterative_scan', true) = 'strict_order', false);
	IF was_strict THEN
		PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
	END IF;
	WHILE NOT complete LOOP
		EXECUTE format($sql$
			SELECT array_agg(m.id), array_agg(m.distance)
			FROM (
				SELECT b.id, %3$s AS distance
				FROM %1$s AS b
				WHERE b.embedding IS NOT NULL%2$s
				ORDER BY %4$s
				LIMIT $3
			) AS m$sql$,
			source, conditions, distance, CASE WHEN exact THEN '(' || distance || ') + 0' ELSE distance END)
			INTO near_ids, near_distances
			USING text_query, query_embedding, candidates, wanted_tags, any_tags, parsed.tag_trees, parsed.not_tags, parsed.not_tag_trees,
				sites, not_sites, after, before, metadata, match_count, phrases, unwanted;
		complete := exact OR coalesce(cardinality(near_ids), 0) >= match_count;
		exact := true;
	END LOOP;
	IF was_strict THEN
		PERFORM set_config('hnsw.iterative_scan', 'strict_order', true);
	END IF;

	RETURN QUERY EXECUTE format($sql$
		WITH text_half AS (
			SELECT m.id, row_number() OVER (ORDER BY m.complete DESC, m.relevance DESC, m.id)::integer AS place
			FROM (
				SELECT b.id, b.fts @@ $21 AS complete, ts_rank(b.fts, $24, 1) AS relevance
				FROM %1$s AS b
				WHERE %2$L AND b.fts @@ $1%3$s
				ORDER BY 2 DESC, 3 DESC, 1
				LIMIT $3
			) AS m
		),
		vector_half AS (
			SELECT m.id, row_number() OVER (ORDER BY m.distance, m.id)::integer AS place
			FROM unnest($22, $23) AS m (id, distance)
			WHERE m.distance <> 'NaN' AND 1 - m.distance >= coalesce($20, '-Infinity')
		),
		fused AS (
			SELECT id, t.place AS text_place, v.place AS vector_place,
				coalesce($17 / ($19::double precision + t.place), 0) + coalesce($18 / ($19::double precision + v.place), 0) AS score
			FROM text_half AS t FULL JOIN vector_half AS v USING (id)
			ORDER BY score DESC, id
			LIMIT $14
		)
		SELECT b.id, b.url, b.title, b.tags, f.score, 1 - nullif(%4$s, 'NaN'), f.text_place, f.vector_place
		FROM fused AS f JOIN %1$s AS b USING (id)
		ORDER BY f.score DESC, b.id$sql$,
		source, use_text, conditions, distance)
		USING text_query, query_embedding, candidates, wanted_tags, any_tags, parsed.tag_trees, parsed.not_tags, parsed.not_tag_trees,
			sites, not_sites, after, before, metadata, match_count, phrases, unwanted,
			full_text_weight, semantic_weight, rrf_k, match_threshold, all_words, near_ids, near_distances, ranked;
END;
$$;

COMMENT ON FUNCTION vecmark.search(regclass, text, @extschema@.vector, integer, jsonb, double precision, double precision, integer, double precision, integer, boolean) IS
	'search a bookmarks table by text, by vector or by both, fused by reciprocal rank: score = sum of weight / (rrf_k + rank); a text without a vector goes through the table''s embedder, a weight of 0 leaves a half out; filter: {"tags", "any_tags", "site", "after", "before"}, other keys must be contained in metadata; match_threshold: least similarity of the semantic half; candidates: rows from each half; exact: without a vector index';
