-- bookmark_import.sql: other programs' bookmarks, in and out.

CREATE FUNCTION vecmark_internal.parse_netscape(
	html text,
	OUT url text,
	OUT title text,
	OUT description text,
	OUT tags text[],
	OUT folders text[],
	OUT created_at timestamptz,
	OUT updated_at timestamptz,
	OUT visited_at timestamptz,
	OUT is_private boolean,
	OUT to_read boolean,
	OUT line bigint
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_parse_netscape'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 1000;

COMMENT ON FUNCTION vecmark_internal.parse_netscape(text) IS
	'the bookmarks in the HTML file that browsers export, in its order, with the line each is on; folders: null when their names have more than 1,000 bytes together, not counting the outermost; error when the text is no such file, or its folders are more than 100 levels deep';

CREATE FUNCTION vecmark_internal.time_or_null(source text) RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN source::timestamptz;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.time_or_null(text) IS 'a time, or null when the text is none';

CREATE FUNCTION vecmark_internal.parse_json(
	source jsonb,
	OUT url text,
	OUT title text,
	OUT description text,
	OUT tags text[],
	OUT content text,
	OUT metadata jsonb,
	OUT created_at timestamptz,
	OUT updated_at timestamptz,
	OUT problem text
)
RETURNS SETOF record
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE COST 10000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF jsonb_typeof(source) <> 'array' THEN
		RAISE EXCEPTION 'bookmarks must be a JSON array, not %', jsonb_typeof(source) USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN QUERY
		SELECT CASE WHEN jsonb_typeof(e->'href') = 'string' THEN e->>'href' END, e->>'description', e->>'extended',
			CASE WHEN jsonb_typeof(e->'tag_list') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(e->'tag_list'))
				WHEN jsonb_typeof(e->'tags') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(e->'tags'))
				ELSE string_to_array(e->>'tags', ' ') END,
			e->>'content',
			CASE WHEN jsonb_typeof(e->'metadata') = 'object' THEN e->'metadata' ELSE '{}' END
				|| CASE WHEN e->>'shared' = 'no' THEN '{"private": true}' ELSE '{}'::jsonb END
				|| CASE WHEN e->>'toread' = 'yes' THEN '{"to_read": true}' ELSE '{}'::jsonb END,
			t.created_at, t.updated_at,
			CASE WHEN jsonb_typeof(e) <> 'object' THEN 'entry is not an object'
				WHEN jsonb_typeof(e->'href') IS DISTINCT FROM 'string' THEN 'there is no "href", or it is not a string'
				WHEN t.created_at IS NULL AND e->>'time' <> '' THEN '"time" is not a time'
				WHEN t.updated_at IS NULL AND e->>'updated_at' <> '' THEN '"updated_at" is not a time' END
		FROM jsonb_array_elements(source) AS e
			CROSS JOIN LATERAL (SELECT vecmark_internal.time_or_null(e->>'time'), vecmark_internal.time_or_null(e->>'updated_at')) AS t (created_at, updated_at);
END;
$$;

COMMENT ON FUNCTION vecmark_internal.parse_json(jsonb) IS
	'the bookmarks in a JSON array of Pinboard''s form (href, description, extended, tags, time, shared, toread), with what vecmark.export_json adds to it (tag_list, content, metadata, updated_at); problem: why an entry is none';

CREATE FUNCTION vecmark_internal.import_pages(target regclass, updating boolean, first_place bigint, last_place bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT updating THEN
		EXECUTE format($sql$
			WITH added AS (
				INSERT INTO %1$s AS t (url, title, description, tags, content, metadata, embedding, created_at, updated_at)
				SELECT p.url, p.title, p.description, p.tags, p.content, p.metadata, p.embedding,
					coalesce(p.created_at, now()), coalesce(p.updated_at, p.created_at, now())
				FROM pg_temp.vecmark_import_page AS p
				WHERE p.outcome IS NULL AND p.place BETWEEN $1 AND $2
					AND NOT EXISTS (SELECT FROM %1$s AS t WHERE t.url_hash = p.url_hash AND t.url_key = p.url_key)
				ORDER BY p.place
				ON CONFLICT DO NOTHING
				RETURNING t.url_key, t.id
			)
			UPDATE pg_temp.vecmark_import_page AS p
			SET outcome = 'added', id = added.id
			FROM added
			WHERE p.url_key = added.url_key$sql$, target)
			USING first_place, last_place;
	ELSE
		-- what the table has is kept; what it lacks is added
		EXECUTE format($sql$
			WITH existing AS MATERIALIZED (
				SELECT t.id, p.place
				FROM pg_temp.vecmark_import_page AS p
					JOIN %1$s AS t ON t.url_hash = p.url_hash AND t.url_key = p.url_key
				WHERE p.outcome IS NULL AND p.place BETWEEN $1 AND $2
				ORDER BY p.place
				FOR NO KEY UPDATE OF t
			),
			updated AS (
				UPDATE %1$s AS t
				SET title = coalesce(nullif(t.title, ''), p.title),
					description = coalesce(nullif(t.description, ''), p.description),
					tags = t.tags || p.tags,
					content = coalesce(nullif(t.content, ''), p.content),
					metadata = p.metadata || t.metadata,
					embedding = coalesce(t.embedding, p.embedding),
					created_at = least(t.created_at, p.created_at)
				FROM existing AS e JOIN pg_temp.vecmark_import_page AS p USING (place)
				WHERE t.id = e.id AND NOT (
					t.tags @> p.tags AND p.metadata || t.metadata = t.metadata
					AND t.created_at <= coalesce(p.created_at, 'infinity')
					AND (p.title IS NULL OR coalesce(t.title, '') <> '')
					AND (p.description IS NULL OR coalesce(t.description, '') <> '')
					AND (p.content IS NULL OR coalesce(t.content, '') <> '')
					AND (p.embedding IS NULL OR t.embedding IS NOT NULL))
			)
			UPDATE pg_temp.vecmark_import_page AS p
			SET outcome = 'merged', id = e.id
			FROM existing AS e
			WHERE p.place = e.place$sql$, target)
			USING first_place, last_place;
	END IF;
	RETURN true;
EXCEPTION
	WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR insufficient_privilege OR raise_exception THEN
		IF first_place < last_place THEN
			RETURN false;
		END IF;
		UPDATE pg_temp.vecmark_import_page SET outcome = 'refused', reason = SQLERRM WHERE place = first_place;
		RETURN true;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.import_pages(regclass, boolean, bigint, bigint) IS
	'one pass of an import over a part of its temporary table: insert what is new or update what is there; false, with nothing done, when a row of several fails';

CREATE FUNCTION vecmark_internal.import_entries(
	target regclass,
	form text,
	argument text,
	OUT entry bigint,
	OUT outcome text,
	OUT url text,
	OUT id uuid,
	OUT reason text
)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE COST 100000 ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	dimensions constant integer := vecmark_internal.bookmark_settings(target)->>'dimensions';
	query text;
	first_places bigint[];
	last_places bigint[];
	first_place bigint;
	last_place bigint;
	top integer;
BEGIN
	-- columns: url, title, description, tags, content, metadata, embedding, created_at, updated_at, reason to refuse
	IF form = 'table' THEN
		query := vecmark_internal.import_table_query(argument::oid::regclass);
	ELSIF form = 'json' THEN
		query := 'SELECT b.url, b.title, b.description, b.tags, b.content, b.metadata, NULL, b.created_at, b.updated_at, b.problem FROM vecmark_internal.parse_json($1::jsonb) AS b';
	ELSIF form IN ('netscape', 'netscape with folders') THEN
		-- The folders that every browser has at the top say nothing and are left out.
		query := format($sql$
			SELECT b.url, b.title, b.description, CASE WHEN %1$L THEN b.tags || array_to_string(CASE
					WHEN lower(b.folders[1]) IN ('bookmarks', 'bookmarks bar', 'bookmarks menu', 'bookmarks toolbar', 'favorites',
						'favorites bar', 'mobile bookmarks', 'other bookmarks', 'other favorites', 'imported', 'unsorted')
					THEN f.folders[2:] ELSE f.folders END, '/') ELSE b.tags END,
				NULL::text,
				CASE WHEN b.is_private THEN '{"private": true}' ELSE '{}' END::jsonb
					|| CASE WHEN b.to_read THEN '{"to_read": true}' ELSE '{}' END::jsonb,
				NULL, b.created_at, b.updated_at,
				CASE WHEN %1$L AND b.folders IS NULL THEN 'names of its folders are longer than 1000 bytes' END
			FROM vecmark_internal.parse_netscape($1) AS b
				CROSS JOIN LATERAL (SELECT ARRAY(SELECT replace(folder, '/', '-') FROM unnest(b.folders) WITH ORDINALITY AS u (folder, depth) ORDER BY depth)) AS f (folders)$sql$, form = 'netscape with folders');
	END IF;

	CREATE TEMPORARY TABLE vecmark_import (
		entry bigint GENERATED ALWAYS AS IDENTITY,
		url text,
		title text,
		description text,
		tags text[],
		content text,
		metadata jsonb,
		embedding @extschema@.vector,
		created_at timestamptz,
		updated_at timestamptz,
		url_key text,
		reason text
	) ON COMMIT DROP;
	EXECUTE 'INSERT INTO pg_temp.vecmark_import (url, title, description, tags, content, metadata, embedding, created_at, updated_at, reason) ' || query
		USING argument;
	UPDATE pg_temp.vecmark_import AS i
	SET reason = CASE
		WHEN i.reason IS NOT NULL THEN i.reason
		WHEN i.url IS NULL THEN 'URL is missing'
		WHEN i.url ILIKE 'place:%' THEN 'URL is a query of the browser'
		WHEN jsonb_typeof(i.metadata) <> 'object' THEN 'metadata is not an object'
		WHEN @extschema@.vector_dims(i.embedding) <> dimensions THEN 'embedding has ' || @extschema@.vector_dims(i.embedding) || ' dimensions, not ' || dimensions
		-- one by one, as what is refused among the pages is looked for by halves
		ELSE coalesce(vecmark_internal.url_problem(i.url), CASE WHEN octet_length(array_to_string(i.tags, ' ')) > 200
			THEN 'a tag ' || vecmark_internal.tags_problem(vecmark_internal.canonical_tags(i.tags)) END) END;
	UPDATE pg_temp.vecmark_import AS i SET url_key = vecmark.url_key(i.url) WHERE i.reason IS NULL;

	-- one row for each page, of all entries that name it; the first one wins
	CREATE TEMPORARY TABLE vecmark_import_page ON COMMIT DROP AS
	SELECT row_number() OVER (ORDER BY vecmark.url_digest(url_key)) AS place, e.*,
		coalesce(t.tags, '{}') AS tags, coalesce(m.metadata, '{}') AS metadata, vecmark.url_hash(url_key) AS url_hash,
		NULL::text AS outcome, NULL::uuid AS id, NULL::text AS reason
	FROM (SELECT i.url_key, min(i.entry) AS entry,
			(array_agg(i.url ORDER BY i.entry))[1] AS url,
			(array_agg(i.title ORDER BY i.entry) FILTER (WHERE i.title <> ''))[1] AS title,
			(array_agg(i.description ORDER BY i.entry) FILTER (WHERE i.description <> ''))[1] AS description,
			(array_agg(i.content ORDER BY i.entry) FILTER (WHERE i.content <> ''))[1] AS content,
			(array_agg(i.embedding ORDER BY i.entry) FILTER (WHERE i.embedding IS NOT NULL))[1] AS embedding,
			min(i.created_at) AS created_at,
			max(i.updated_at) AS updated_at
		FROM pg_temp.vecmark_import AS i
		WHERE i.reason IS NULL
		GROUP BY i.url_key) AS e
		LEFT JOIN (SELECT i.url_key, array_agg(DISTINCT btrim(tag)) AS tags
			FROM pg_temp.vecmark_import AS i, unnest(i.tags) AS tag
			WHERE i.reason IS NULL AND btrim(tag) <> ''
			GROUP BY i.url_key) AS t USING (url_key)
		LEFT JOIN (SELECT i.url_key, jsonb_object_agg(j.key, j.value ORDER BY i.entry DESC) AS metadata
			FROM pg_temp.vecmark_import AS i, jsonb_each(i.metadata) AS j
			WHERE i.reason IS NULL
			GROUP BY i.url_key) AS m USING (url_key);
	ALTER TABLE pg_temp.vecmark_import_page ADD PRIMARY KEY (place);
	ANALYZE pg_temp.vecmark_import_page;

	-- All pages are inserted, then all others updated, both in the order of
	-- their places: so imports that run at the same time do not deadlock.  Of
	-- pages among which one fails, each half is tried, down to the one.  A row
	-- of the table can come or go between the two, hence more than one round.
	FOR round IN 1..10 LOOP
		FOR updating IN 0..1 LOOP
			SELECT ARRAY[1], ARRAY[count(*)] INTO first_places, last_places FROM pg_temp.vecmark_import_page;
			top := 1;
			WHILE top > 0 LOOP
				first_place := first_places[top];
				last_place := last_places[top];
				IF vecmark_internal.import_pages(target, updating = 1, first_place, last_place) THEN
					top := top - 1;
				ELSE
					-- the lower half goes on top
					first_places[top] := (first_place + last_place) / 2 + 1;
					top := top + 1;
					first_places[top] := first_place;
					last_places[top] := (first_place + last_place) / 2;
				END IF;
			END LOOP;
		END LOOP;
		EXIT WHEN NOT EXISTS (SELECT FROM pg_temp.vecmark_import_page AS p WHERE p.outcome IS NULL);
	END LOOP;

	RETURN QUERY
		SELECT e.entry,
			CASE WHEN e.reason IS NOT NULL OR p.outcome = 'refused' OR p.outcome IS NULL THEN 'refused'
				WHEN p.outcome = 'added' AND p.entry = e.entry THEN 'added'
				ELSE 'merged' END,
			e.url, p.id,
			coalesce(e.reason, p.reason, CASE WHEN p.outcome IS NULL THEN 'another row stands in its way' END)
		FROM pg_temp.vecmark_import AS e LEFT JOIN pg_temp.vecmark_import_page AS p USING (url_key)
		ORDER BY e.entry;
	DROP TABLE pg_temp.vecmark_import, pg_temp.vecmark_import_page;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.import_entries(regclass, text, text) IS
	'does the work of the imports; form is netscape, netscape with folders, json or table, and argument the text, or the name of the table';

CREATE FUNCTION vecmark_internal.import_table_query(entries regclass) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	columns text;
BEGIN
	SELECT string_agg(CASE
			WHEN a.attname IS NULL THEN 'NULL'
			WHEN w.name = 'tags' AND a.atttypid = 'text'::regtype THEN 'string_to_array(b.tags, '','')'
			ELSE format('b.%I::%s', w.name, w.type) END, ', ' ORDER BY w.place)
	INTO columns
	FROM (VALUES (1, 'url', 'text'), (2, 'title', 'text'), (3, 'description', 'text'), (4, 'tags', 'text[]'),
			(5, 'content', 'text'), (6, 'metadata', 'jsonb'), (7, 'embedding', '@extschema@.vector'),
			(8, 'created_at', 'timestamptz'), (9, 'updated_at', 'timestamptz')) AS w (place, name, type)
		LEFT JOIN pg_attribute AS a ON a.attrelid = entries AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = entries AND a.attname = 'url' AND NOT a.attisdropped) THEN
		RAISE EXCEPTION '"%" has no column url', entries
			USING ERRCODE = 'undefined_column', HINT = 'Columns are taken by name, in lower case: url, title, description, tags, content, metadata, embedding, created_at, updated_at.';
	END IF;
	RETURN format('SELECT %s, NULL FROM %s AS b', columns, entries);
END;
$$;

COMMENT ON FUNCTION vecmark_internal.import_table_query(regclass) IS
	'query of the columns of a table that vecmark.import_table takes';

CREATE FUNCTION vecmark.import_netscape(
	target regclass,
	html text,
	folders_as_tags boolean DEFAULT true,
	OUT entry bigint,
	OUT outcome text,
	OUT url text,
	OUT id uuid,
	OUT reason text
)
RETURNS SETOF record
LANGUAGE sql VOLATILE COST 100000 ROWS 1000
BEGIN ATOMIC
	SELECT r.entry, r.outcome, r.url, r.id, r.reason
	FROM vecmark_internal.import_entries(target, CASE WHEN folders_as_tags THEN 'netscape with folders' ELSE 'netscape' END, html) AS r;
END;

COMMENT ON FUNCTION vecmark.import_netscape(regclass, text, boolean) IS
	'import the HTML file that browsers export; folders become a tag such as outer/inner; a row for each bookmark in it: added, merged or refused with the reason';

CREATE FUNCTION vecmark.import_json(
	target regclass,
	source jsonb,
	OUT entry bigint,
	OUT outcome text,
	OUT url text,
	OUT id uuid,
	OUT reason text
)
RETURNS SETOF record
LANGUAGE sql VOLATILE COST 100000 ROWS 1000
BEGIN ATOMIC
	SELECT r.entry, r.outcome, r.url, r.id, r.reason
	FROM vecmark_internal.import_entries(target, 'json', source::text) AS r;
END;

COMMENT ON FUNCTION vecmark.import_json(regclass, jsonb) IS
	'import a JSON array as vecmark_internal.parse_json reads it; a row for each bookmark in it: added, merged or refused with the reason';

CREATE FUNCTION vecmark.import_table(
	target regclass,
	entries regclass,
	OUT entry bigint,
	OUT outcome text,
	OUT url text,
	OUT id uuid,
	OUT reason text
)
RETURNS SETOF record
LANGUAGE sql VOLATILE COST 100000 ROWS 1000
BEGIN ATOMIC
	SELECT r.entry, r.outcome, r.url, r.id, r.reason
	FROM vecmark_internal.import_entries(target, 'table', entries::oid::text) AS r;
END;

COMMENT ON FUNCTION vecmark.import_table(regclass, regclass) IS
	'import the rows of any table, such as one filled by COPY from CSV, by the names of its columns: url, title, description, tags (array, or text with commas), content, metadata, embedding, created_at, updated_at, all but url optional; a row for each: added, merged or refused with the reason';

CREATE FUNCTION vecmark_internal.html_escape(source text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 5
BEGIN ATOMIC
	SELECT replace(replace(replace(replace(source, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
END;

COMMENT ON FUNCTION vecmark_internal.html_escape(text) IS 'text with the characters escaped that mean something in HTML';

CREATE FUNCTION vecmark.export_netscape(source regclass) RETURNS SETOF text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	RETURN NEXT '<!DOCTYPE NETSCAPE-Bookmark-file-1>';
	RETURN NEXT '<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">';
	RETURN NEXT '<TITLE>Bookmarks</TITLE>';
	RETURN NEXT '<H1>Bookmarks</H1>';
	RETURN NEXT '<DL><p>';
	RETURN QUERY EXECUTE format($sql$
		SELECT format('    <DT><A HREF="%%s" ADD_DATE="%%s" LAST_MODIFIED="%%s"%%s%%s%%s>%%s</A>%%s',
			vecmark_internal.html_escape(b.url),
			CASE WHEN isfinite(b.created_at) THEN floor(extract(epoch FROM b.created_at)) END,
			CASE WHEN isfinite(b.updated_at) THEN floor(extract(epoch FROM b.updated_at)) END,
			CASE WHEN b.metadata @> '{"private": true}' THEN ' PRIVATE="1"' ELSE '' END,
			CASE WHEN b.metadata @> '{"to_read": true}' THEN ' TOREAD="1"' ELSE '' END,
			' TAGS="' || nullif(vecmark_internal.html_escape(array_to_string(ARRAY(SELECT replace(tag, ',', ';') FROM unnest(b.tags) AS tag), ',')), '') || '"',
			vecmark_internal.html_escape(coalesce(b.title, b.url)),
			chr(10) || '    <DD>' || replace(vecmark_internal.html_escape(nullif(b.description, '')), chr(10), '<BR>' || chr(10)))
		FROM %s AS b
		ORDER BY b.created_at, b.id$sql$, source);
	RETURN NEXT '</DL><p>';
END;
$$;

COMMENT ON FUNCTION vecmark.export_netscape(regclass) IS
	'a bookmarks table as the lines of an HTML file that browsers import; tags in the attribute TAGS, with ; for a comma in a tag';

CREATE FUNCTION vecmark.export_json(source regclass) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	RETURN QUERY EXECUTE format($sql$
		SELECT jsonb_build_object(
			'href', b.url,
			'description', coalesce(b.title, ''),
			'extended', coalesce(b.description, ''),
			'tags', array_to_string(ARRAY(SELECT regexp_replace(tag, '[[:space:]]+', '_', 'g') FROM unnest(b.tags) AS tag), ' '),
			'time', to_char(b.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
			'shared', CASE WHEN b.metadata @> '{"private": true}' THEN 'no' ELSE 'yes' END,
			'toread', CASE WHEN b.metadata @> '{"to_read": true}' THEN 'yes' ELSE 'no' END,
			'tag_list', b.tags,
			'content', b.content,
			'metadata', b.metadata,
			'updated_at', b.updated_at)
		FROM %s AS b
		ORDER BY b.created_at, b.id$sql$, source);
END;
$$;

COMMENT ON FUNCTION vecmark.export_json(regclass) IS
	'a bookmarks table as JSON objects of Pinboard''s form, with tag_list (exact tags), content, metadata and updated_at besides';
