-- bookmark_table.sql: a bookmarks table and what is derived in each row.

CREATE FUNCTION vecmark.embed(source text, dimensions integer DEFAULT 384) RETURNS @extschema@.vector
AS 'MODULE_PATHNAME', 'vecmark_embed'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 200;

COMMENT ON FUNCTION vecmark.embed(text, integer) IS
	'the default embedder: a unit vector from the words of a text and their letters, the same on every machine; lexical: it finds shared and misspelt words, not shared meaning; zero for a text without words';

CREATE FUNCTION vecmark_internal.is_unchanged(a anyelement, b anyelement) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_is_unchanged'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION vecmark_internal.is_unchanged(anyelement, anyelement) IS
	'for the condition of a trigger: whether a column was handed on as it was, without fetching what is stored out of line';

CREATE FUNCTION vecmark_internal.head(source text, bytes integer) RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_head'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION vecmark_internal.head(text, integer) IS
	'the beginning of a text: whole characters, at most so many bytes';

CREATE FUNCTION vecmark_internal.canonical_tags(tags text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 5
BEGIN ATOMIC
	SELECT coalesce(array_agg(DISTINCT trimmed COLLATE "C" ORDER BY trimmed COLLATE "C"), '{}')
	FROM unnest(tags) AS tag
		CROSS JOIN LATERAL (SELECT CASE WHEN position('/' IN tag) > 0
			THEN btrim(regexp_replace(tag, '[[:space:]]*/[[:space:]/]*', '/', 'g'), ' /') ELSE btrim(tag) END) AS t (trimmed)
	WHERE trimmed <> '';
END;

COMMENT ON FUNCTION vecmark_internal.canonical_tags(text[]) IS
	'tags trimmed, also around each "/", sorted by bytes, none empty, null or twice';

CREATE FUNCTION vecmark_internal.tags_problem(tags text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10
BEGIN ATOMIC
	SELECT CASE WHEN octet_length(tag) > 1000 THEN 'is longer than 1000 bytes' ELSE 'has more than 100 levels' END
	FROM unnest(tags) WITH ORDINALITY AS u (tag, place)
	WHERE octet_length(tag) > 1000 OR cardinality(string_to_array(tag, '/')) > 100
	ORDER BY place
	LIMIT 1;
END;

COMMENT ON FUNCTION vecmark_internal.tags_problem(text[]) IS
	'what is wrong with the first of some tags in canonical form that no bookmark may have, or null when there is none';

CREATE FUNCTION vecmark_internal.bookmark_fts(config regconfig, title text, tags text[], description text, content text, url_key text)
RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 200
BEGIN ATOMIC
	-- A tsvector holds at most 1 MB, and words come up to three times in it,
	-- whole and in parts; so much cannot fill it.
	SELECT setweight(to_tsvector(config, vecmark_internal.head(coalesce(title, ''), 4000)), 'A')
		|| setweight(to_tsvector(config, vecmark_internal.head(translate(coalesce(array_to_string(tags, ' '), ''), '/', ' '), 4000)), 'B')
		|| setweight(to_tsvector(config, vecmark_internal.head(coalesce(description, ''), 20000)), 'C')
		|| setweight(to_tsvector(config, vecmark_internal.head(coalesce(content, ''), 200000)), 'D')
		|| setweight(to_tsvector(config, translate(vecmark_internal.head(coalesce(substring(url_key FROM position('://' IN url_key) + 1), ''), 500), '/:.?&=#_%+-', '           ')), 'D');
END;

COMMENT ON FUNCTION vecmark_internal.bookmark_fts(regconfig, text, text[], text, text, text) IS
	'the column fts of a bookmark: title with weight A, tags B, description C, content and URL D; the first 4,000 bytes of the title and of the tags, 20,000 of the description, 200,000 of the content, 500 of the URL';

CREATE FUNCTION vecmark_internal.bookmark_derive() RETURNS trigger
LANGUAGE plpgsql VOLATILE COST 500
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settings constant jsonb := TG_ARGV[0];
	inserted constant boolean := TG_OP = 'INSERT';
	nil constant uuid := '00000000-0000-0000-0000-000000000000';
	text_changed boolean := true;
	attempt integer := 0;
	taken boolean;
	problem text;
BEGIN
	IF NEW.url IS NULL THEN
		RETURN NEW;				-- for the constraint of the column to refuse
	END IF;

	-- what a client writes into derived columns is not looked at
	IF inserted OR NEW.url IS DISTINCT FROM OLD.url THEN
		NEW.url_key := vecmark.url_key(NEW.url);
		NEW.url_hash := vecmark.url_hash(NEW.url_key);
	ELSE
		NEW.url_key := OLD.url_key;
		NEW.url_hash := OLD.url_hash;
	END IF;
	NEW.tags := vecmark_internal.canonical_tags(NEW.tags);
	-- tags short enough have neither so many bytes nor so many levels
	IF octet_length(array_to_string(NEW.tags, ' ')) > 200 THEN
		problem := vecmark_internal.tags_problem(NEW.tags);
		IF problem IS NOT NULL THEN
			RAISE EXCEPTION 'a tag of "%" %', left(NEW.url, 100), problem USING ERRCODE = 'program_limit_exceeded';
		END IF;
	END IF;

	-- The identifier comes from the first URL and stays.  A URL that was left
	-- behind by its bookmark and is saved again takes the next free one.
	IF inserted AND (NEW.id IS NULL OR NEW.id = nil) THEN
		LOOP
			NEW.id := vecmark_internal.url_id(NEW.url_key, attempt);
			EXIT WHEN NOT has_table_privilege(TG_RELID, 'SELECT');
			EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE id = $1 AND url_key <> $2)', TG_RELID::regclass)
				INTO taken USING NEW.id, NEW.url_key;
			EXIT WHEN NOT taken;
			attempt := attempt + 1;
		END LOOP;
	END IF;

	IF NOT inserted THEN
		text_changed := (NEW.title, NEW.description, NEW.content) IS DISTINCT FROM (OLD.title, OLD.description, OLD.content);
		IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at
			AND (text_changed OR (NEW.url, NEW.tags, NEW.metadata) IS DISTINCT FROM (OLD.url, OLD.tags, OLD.metadata))
		THEN
			NEW.updated_at := now();
		END IF;
	END IF;

	IF inserted OR text_changed OR (NEW.url_key, NEW.tags) IS DISTINCT FROM (OLD.url_key, OLD.tags) THEN
		IF octet_length(NEW.content) > 200000 AND text_changed THEN
			RAISE NOTICE 'full text of "%" covers the first 200000 bytes of its content', left(NEW.url, 100);
		END IF;
		NEW.fts := vecmark_internal.bookmark_fts((settings->>'config')::regconfig, NEW.title, NEW.tags, NEW.description, NEW.content, NEW.url_key);
	ELSE
		NEW.fts := OLD.fts;
	END IF;

	-- An embedding that the client gives is kept.  One that is equal to the
	-- stored one cannot be told from one that was not given.
	IF settings->>'embedder' IS NOT NULL
		AND (NEW.embedding IS NULL OR (NOT inserted AND text_changed AND NEW.embedding OPERATOR(@extschema@.=) OLD.embedding))
	THEN
		NEW.embedding := vecmark_internal.bookmark_embed(settings, concat_ws(' ', NEW.title, NEW.description, NEW.content));
	END IF;
	RETURN NEW;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.bookmark_derive() IS
	'trigger of a bookmarks table: derives id, url_key, url_hash, fts and embedding, puts tags in canonical form and moves updated_at; its argument holds the table''s settings';

-- Bookmarks that are tracked: tags and visits of all nodes add up; what the
-- trigger derives is derived on each.
INSERT INTO vecmark_internal.sync_default VALUES ('vecmark_internal.bookmark_derive',
	'{"sets": ["tags"], "counters": ["access_count"], "local": ["url_key", "url_hash", "fts"]}');

-- An embedder of the user's own should find the type vector, so the extension's
-- schema is on the path here; everything else in the body is qualified or exact.
CREATE FUNCTION vecmark_internal.bookmark_embed(settings jsonb, source text) RETURNS @extschema@.vector
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 300
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	dimensions constant integer := settings->>'dimensions';
	result @extschema@.vector;
BEGIN
	IF settings->>'embedder' = 'vecmark.embed' THEN
		result := vecmark.embed(source, dimensions);
	ELSIF settings->>'embedder' IS NOT NULL THEN
		EXECUTE 'SELECT ' || (settings->>'embedder') || '($1, $2)' INTO result USING source, dimensions;
	END IF;
	RETURN CASE WHEN @extschema@.vector_norm(result) > 0::double precision THEN result END;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.bookmark_embed(jsonb, text) IS
	'a text through the embedder that the settings of a bookmarks table name; null without an embedder and for a text without words';

CREATE FUNCTION vecmark_internal.embed_as_owner(source regclass, words text) RETURNS @extschema@.vector
AS 'MODULE_PATHNAME', 'vecmark_embed_as_owner'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 300;

COMMENT ON FUNCTION vecmark_internal.embed_as_owner(regclass, text) IS
	'a text through the embedder of a bookmarks table, which runs with the rights of the table''s owner; for who may read the table';

CREATE FUNCTION vecmark_internal.bookmark_settings(source regclass) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 50
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settings jsonb;
BEGIN
	SELECT convert_from(substring(tgargs FROM 1 FOR octet_length(tgargs) - 1), getdatabaseencoding())
	INTO settings
	FROM pg_trigger
	WHERE tgrelid = source AND tgfoid = 'vecmark_internal.bookmark_derive()'::regprocedure AND NOT tgisinternal
	LIMIT 1;
	-- what a query reads by these names runs no code of who owns the table
	IF settings IS NULL OR NOT EXISTS (SELECT FROM pg_class WHERE oid = source AND relkind IN ('r', 'p')) OR (
		SELECT count(*) FROM pg_attribute AS a
		WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.atttypid = CASE
			WHEN a.attname IN ('url', 'url_key', 'title', 'description', 'content') THEN 'text'::regtype
			WHEN a.attname = 'id' THEN 'uuid'::regtype
			WHEN a.attname = 'url_hash' OR a.attname = 'access_count' THEN 'bigint'::regtype
			WHEN a.attname = 'tags' THEN 'text[]'::regtype
			WHEN a.attname = 'metadata' THEN 'jsonb'::regtype
			WHEN a.attname = 'embedding' THEN '@extschema@.vector'::regtype
			WHEN a.attname = 'fts' THEN 'tsvector'::regtype
			WHEN a.attname IN ('accessed_at', 'created_at', 'updated_at') THEN 'timestamptz'::regtype END) <> 15
	THEN
		RAISE EXCEPTION '"%" is not a bookmarks table', coalesce(source::text, 'null')
			USING ERRCODE = 'wrong_object_type', HINT = 'Make one with vecmark.create_bookmarks.';
	END IF;
	RETURN settings;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.bookmark_settings(regclass) IS
	'settings of a bookmarks table, kept in its trigger: config, embedder, dimensions, url_rules; error for any other table';

CREATE FUNCTION vecmark_internal.bookmark_create(caller_schema text, name text, dimensions integer, config regconfig, embedder regproc)
RETURNS regclass
LANGUAGE plpgsql VOLATILE COST 10000
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $$
DECLARE
	path text[];
	place text;
	about record;
	visits text;
	settings text;
	embedder_name text;
BEGIN
	BEGIN
		path := parse_ident(name);
	EXCEPTION WHEN invalid_parameter_value THEN
		RAISE EXCEPTION '"%" is not a name of a table', name
			USING ERRCODE = 'invalid_name', HINT = 'What is not a plain identifier needs its own quotes, as in ''"my links"'' or ''"My schema".links''.';
	END;
	IF cardinality(path) = 1 THEN
		IF caller_schema IS NULL THEN
			RAISE EXCEPTION 'no schema has been selected to create in' USING ERRCODE = 'invalid_schema_name';
		END IF;
		path := caller_schema || path;
	ELSIF cardinality(path) IS DISTINCT FROM 2 THEN
		RAISE EXCEPTION 'name of a bookmarks table must be NAME or SCHEMA.NAME, not "%"', name USING ERRCODE = 'invalid_name';
	END IF;
	IF octet_length(path[2] || '_visits') > 63 THEN
		RAISE EXCEPTION 'name of a bookmarks table must be at most 56 bytes long, "%" is not', path[2] USING ERRCODE = 'name_too_long';
	END IF;
	place := format('%I.%I', path[1], path[2]);
	visits := format('%I.%I', path[1], path[2] || '_visits');

	IF dimensions IS NULL OR dimensions < 1 OR dimensions > 16000 THEN
		RAISE EXCEPTION 'dimensions must be from 1 to 16000, not %', coalesce(dimensions::text, 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF embedder IS NOT NULL THEN
		SELECT format('%I.%I', n.nspname, p.proname) INTO embedder_name
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE p.oid = embedder AND oidvectortypes(p.proargtypes) = 'text, integer' AND p.prorettype = '@extschema@.vector'::regtype;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'function "%" cannot be an embedder', embedder
				USING ERRCODE = 'invalid_function_definition', HINT = 'An embedder takes a text and an integer, the number of dimensions, and returns a vector.';
		END IF;
	END IF;
	SELECT jsonb_build_object(
			'config', format('%I.%I', n.nspname, c.cfgname),
			'embedder', embedder_name,
			'dimensions', dimensions,
			'url_rules', vecmark.url_rules())
	INTO settings
	FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace
	WHERE c.oid = coalesce(config, get_current_ts_config());

	EXECUTE format($ddl$
		CREATE TABLE %1$s (
			id uuid PRIMARY KEY DEFAULT '00000000-0000-0000-0000-000000000000',
			url text NOT NULL,
			url_key text NOT NULL DEFAULT '',
			url_hash bigint NOT NULL DEFAULT 0,
			title text,
			description text,
			tags text[] NOT NULL DEFAULT '{}',
			content text,
			metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
			embedding %3$s(%2$s),
			fts tsvector,
			access_count bigint NOT NULL DEFAULT 0,
			accessed_at timestamptz,
			created_at timestamptz NOT NULL DEFAULT now(),
			updated_at timestamptz NOT NULL DEFAULT now()
		) WITH (fillfactor = 90)$ddl$, place, dimensions, '@extschema@.vector');
	-- keys can be longer than a btree holds
	EXECUTE format('CREATE UNIQUE INDEX ON %s (vecmark.url_digest(url_key))', place);
	EXECUTE format('CREATE INDEX ON %s USING hash (url_hash)', place);
	EXECUTE format('CREATE INDEX ON %s USING gin (tags)', place);
	EXECUTE format('CREATE INDEX ON %s USING gin (fts)', place);
	EXECUTE format('CREATE INDEX ON %s (created_at)', place);
	EXECUTE format('CREATE INDEX ON %s USING hnsw (embedding %s)', place, '@extschema@.vector_cosine_ops');

	EXECUTE format('CREATE TRIGGER vecmark_derive_insert BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION vecmark_internal.bookmark_derive(%L)', place, settings);
	EXECUTE format($ddl$
		CREATE TRIGGER vecmark_derive_update BEFORE UPDATE ON %s FOR EACH ROW
		WHEN (NOT (vecmark_internal.is_unchanged(OLD.url, NEW.url)
			AND vecmark_internal.is_unchanged(OLD.url_key, NEW.url_key)
			AND vecmark_internal.is_unchanged(OLD.url_hash, NEW.url_hash)
			AND vecmark_internal.is_unchanged(OLD.title, NEW.title)
			AND vecmark_internal.is_unchanged(OLD.description, NEW.description)
			AND vecmark_internal.is_unchanged(OLD.tags, NEW.tags)
			AND vecmark_internal.is_unchanged(OLD.content, NEW.content)
			AND vecmark_internal.is_unchanged(OLD.metadata, NEW.metadata)
			AND vecmark_internal.is_unchanged(OLD.embedding, NEW.embedding)
			AND vecmark_internal.is_unchanged(OLD.fts, NEW.fts)))
		EXECUTE FUNCTION vecmark_internal.bookmark_derive(%L)$ddl$, place, settings);

	EXECUTE format($ddl$
		CREATE TABLE %s (
			id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
			bookmark_id uuid NOT NULL CONSTRAINT vecmark_visits REFERENCES %s ON UPDATE CASCADE ON DELETE CASCADE,
			visited_at timestamptz NOT NULL DEFAULT now()
		)$ddl$, visits, place);
	EXECUTE format('CREATE INDEX ON %s (bookmark_id)', visits);
	EXECUTE format('CREATE INDEX ON %s (visited_at)', visits);

	EXECUTE format('COMMENT ON TABLE %s IS %L', place, 'bookmarks; made by vecmark.create_bookmarks');
	FOR about IN SELECT * FROM (VALUES
			('id', 'derived from the URL''s key at insertion unless given'),
			('url', 'as typed'),
			('url_key', 'derived: vecmark.url_key(url); unique'),
			('url_hash', 'derived: vecmark.url_hash(url)'),
			('tags', 'kept sorted and without duplicates; / makes a tree'),
			('content', 'text of the page'),
			('metadata', 'any JSON object'),
			('embedding', 'from title, description and content unless given'),
			('fts', 'derived: vecmark_internal.bookmark_fts(...)'),
			('access_count', 'visits; counted by vecmark.visit'),
			('accessed_at', 'last visit'),
			('updated_at', 'last change of what was typed')) AS c (name, text)
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', place, about.name, about.text);
	END LOOP;
	EXECUTE format('COMMENT ON TABLE %s IS %L', visits, 'visits to bookmarks; filled by vecmark.visit');
	RETURN place::regclass;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.bookmark_create(text, text, integer, regconfig, regproc) IS
	'does the work of vecmark.create_bookmarks under a fixed search path';

CREATE FUNCTION vecmark.create_bookmarks(
	name text,
	dimensions integer DEFAULT 384,
	config regconfig DEFAULT NULL,
	embedder regproc DEFAULT 'vecmark.embed'
) RETURNS regclass
LANGUAGE sql VOLATILE COST 10000
BEGIN ATOMIC
	SELECT vecmark_internal.bookmark_create(current_schema, name, dimensions, config, embedder);
END;

COMMENT ON FUNCTION vecmark.create_bookmarks(text, integer, regconfig, regproc) IS
	'make a bookmarks table NAME (or SCHEMA.NAME) and a table of visits NAME_visits, owned by the caller; config: text search configuration (null: the session''s); embedder: function of text and dimensions that returns a vector (null: embeddings are the client''s work)';
