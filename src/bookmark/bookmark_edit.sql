-- bookmark_edit.sql: looking up, saving and visiting bookmarks, and their tags.

CREATE FUNCTION vecmark.lookup(source regclass, url text) RETURNS uuid
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id uuid;
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	EXECUTE format('SELECT id FROM %s WHERE url_hash = $1 AND url_key = $2', source)
		INTO found_id USING vecmark.url_hash(url), vecmark.url_key(url);
	RETURN found_id;
END;
$$;

COMMENT ON FUNCTION vecmark.lookup(regclass, text) IS
	'id of the bookmark of a URL however it is spelt, or null; through the hash index; error for an empty URL';

CREATE FUNCTION vecmark.save(
	source regclass,
	url text,
	title text DEFAULT NULL,
	description text DEFAULT NULL,
	tags text[] DEFAULT NULL,
	content text DEFAULT NULL,
	metadata jsonb DEFAULT NULL,
	embedding @extschema@.vector DEFAULT NULL,
	OUT id uuid,
	OUT inserted boolean
)
LANGUAGE plpgsql VOLATILE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	-- A row that is in the way may go before it can be updated, and one may
	-- come before it can be inserted; so try again, but not for ever.
	FOR attempt IN 1..10 LOOP
		id := vecmark.lookup(source, url);
		IF id IS NOT NULL THEN
			EXECUTE format($sql$
				UPDATE %s AS b SET
					title = coalesce($3, b.title),
					description = coalesce($4, b.description),
					tags = b.tags || $5,
					content = coalesce($6, b.content),
					metadata = b.metadata || coalesce($7, '{}'),
					embedding = coalesce($8, b.embedding)
				WHERE b.id = $1 AND b.url_key = $2
				RETURNING b.id$sql$, source)
				INTO id USING id, vecmark.url_key(url), title, description, tags, content, metadata, embedding;
			inserted := false;
		ELSE
			EXECUTE format($sql$
				INSERT INTO %s AS b (url, title, description, tags, content, metadata, embedding)
				VALUES ($1, $2, $3, coalesce($4, '{}'), $5, coalesce($6, '{}'), $7)
				ON CONFLICT DO NOTHING
				RETURNING b.id$sql$, source)
				INTO id USING url, title, description, tags, content, metadata, embedding;
			inserted := true;
		END IF;
		EXIT WHEN id IS NOT NULL;
	END LOOP;
	IF id IS NULL THEN
		RAISE EXCEPTION 'could not save "%"', left(url, 200)
			USING ERRCODE = 'unique_violation', DETAIL = 'Another row stands in its way, with the same digest of its key or under another constraint of the table.';
	END IF;
END;
$$;

COMMENT ON FUNCTION vecmark.save(regclass, text, text, text, text[], text, jsonb, @extschema@.vector) IS
	'insert a bookmark, or update the one of the same URL however it is spelt: its URL stays as it was typed first, other given values replace, tags and metadata are added, nulls change nothing; returns its id and whether it was inserted';

CREATE FUNCTION vecmark.visit(
	source regclass,
	url text DEFAULT NULL,
	id uuid DEFAULT NULL,
	visited_at timestamptz DEFAULT now()
) RETURNS bigint
LANGUAGE plpgsql VOLATILE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	visits regclass;
	bookmark_id uuid := coalesce(id, vecmark.lookup(source, url));
	new_count bigint;
BEGIN
	IF (url IS NULL) = (id IS NULL) THEN
		RAISE EXCEPTION 'a visit needs a URL or an id, and not both' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- anybody may refer to the table; only its owner's table counts
	SELECT c.conrelid INTO visits
	FROM pg_constraint AS c JOIN pg_class AS v ON v.oid = c.conrelid JOIN pg_class AS b ON b.oid = c.confrelid
	WHERE c.confrelid = source AND c.contype = 'f' AND c.conname = 'vecmark_visits' AND c.conparentid = 0 AND v.relowner = b.relowner
	ORDER BY c.oid
	LIMIT 1;
	IF visits IS NULL THEN
		RAISE EXCEPTION '"%" has no table of visits', source
			USING ERRCODE = 'wrong_object_type', HINT = 'vecmark.create_bookmarks makes one; its foreign key is named vecmark_visits.';
	END IF;

	EXECUTE format('UPDATE %s AS b SET access_count = b.access_count + 1, accessed_at = greatest(b.accessed_at, $2) WHERE b.id = $1 RETURNING b.access_count', source)
		INTO new_count USING bookmark_id, visited_at;
	IF new_count IS NULL THEN
		RAISE EXCEPTION 'no bookmark "%"', coalesce(left(url, 200), id::text) USING ERRCODE = 'no_data_found';
	END IF;
	EXECUTE format('INSERT INTO %s (bookmark_id, visited_at) VALUES ($1, $2)', visits) USING bookmark_id, visited_at;
	RETURN new_count;
END;
$$;

COMMENT ON FUNCTION vecmark.visit(regclass, text, uuid, timestamptz) IS
	'record a visit to a bookmark, given by URL or by id, and count it; returns its access_count; error when there is no such bookmark';

CREATE FUNCTION vecmark_internal.change_tags(source regclass, change text, arguments text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	affected text;
	replacement text;
	problem text;
	changed bigint;
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	arguments := ARRAY(SELECT btrim(argument) FROM unnest(arguments) WITH ORDINALITY AS a (argument, place) ORDER BY place);
	IF '' = ANY (arguments) THEN
		RAISE EXCEPTION 'a tag must not be empty' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF cardinality(arguments) > 1001 THEN
		RAISE EXCEPTION 'at most 1000 tags can be merged at once, not %', cardinality(arguments) - 1 USING ERRCODE = 'program_limit_exceeded';
	END IF;
	problem := vecmark_internal.tags_problem(arguments);
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION 'a tag %', problem USING ERRCODE = 'program_limit_exceeded';
	END IF;
	CASE change
		WHEN 'rename' THEN			-- $1[1] and what is below it become $1[2]
			affected := $c$b.tags @> $1[1:1] OR EXISTS (SELECT FROM unnest(b.tags) AS tag WHERE starts_with(tag, $1[1] || '/'))$c$;
			replacement := $c$CASE WHEN tag = $1[1] THEN $1[2] WHEN starts_with(tag, $1[1] || '/') THEN $1[2] || substr(tag, length($1[1]) + 1) ELSE tag END$c$;
		WHEN 'merge' THEN			-- those of $2 become $1[1]
			affected := 'vecmark_internal.tags_have(b.tags, $2)';
			replacement := 'CASE WHEN tag = ANY ($2) THEN $1[1] ELSE tag END';
		WHEN 'delete' THEN			-- $1[1] goes
			affected := 'b.tags @> $1';
			replacement := 'CASE WHEN tag <> $1[1] THEN tag END';
	END CASE;

	-- rows are locked in the order in which imports lock them
	EXECUTE format($sql$
		WITH affected AS MATERIALIZED (
			SELECT b.id FROM %1$s AS b WHERE %2$s ORDER BY vecmark.url_digest(b.url_key) FOR NO KEY UPDATE
		)
		UPDATE %1$s AS b
		SET tags = (SELECT coalesce(array_agg(DISTINCT new_tag), '{}')
			FROM unnest(b.tags) AS tag CROSS JOIN LATERAL (SELECT %3$s) AS r (new_tag)
			WHERE new_tag IS NOT NULL)
		FROM affected
		WHERE b.id = affected.id$sql$, source, affected, replacement)
		USING arguments, arguments[2:];
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.change_tags(regclass, text, text[]) IS
	'does the work of rename_tag, merge_tags and delete_tag; change is rename, merge or delete';

CREATE FUNCTION vecmark.rename_tag(source regclass, tag text, new_tag text) RETURNS bigint
LANGUAGE sql VOLATILE STRICT COST 10000
BEGIN ATOMIC
	SELECT vecmark_internal.change_tags(source, 'rename', ARRAY[tag, new_tag]);
END;

COMMENT ON FUNCTION vecmark.rename_tag(regclass, text, text) IS
	'rename a tag and the tags below it (tag/...) in a whole bookmarks table; returns the number of bookmarks changed';

CREATE FUNCTION vecmark.merge_tags(source regclass, tags text[], into_tag text) RETURNS bigint
LANGUAGE sql VOLATILE STRICT COST 10000
BEGIN ATOMIC
	SELECT vecmark_internal.change_tags(source, 'merge', into_tag || tags);
END;

COMMENT ON FUNCTION vecmark.merge_tags(regclass, text[], text) IS
	'replace several tags, at most 1,000, by one in a whole bookmarks table; returns the number of bookmarks changed';

CREATE FUNCTION vecmark.delete_tag(source regclass, tag text) RETURNS bigint
LANGUAGE sql VOLATILE STRICT COST 10000
BEGIN ATOMIC
	SELECT vecmark_internal.change_tags(source, 'delete', ARRAY[tag]);
END;

COMMENT ON FUNCTION vecmark.delete_tag(regclass, text) IS
	'take a tag off all bookmarks of a table; returns the number of bookmarks changed';

CREATE FUNCTION vecmark.tag_tree(source regclass, OUT tag text, OUT depth integer, OUT bookmarks bigint, OUT total bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 10000 ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	PERFORM vecmark_internal.bookmark_settings(source);
	RETURN QUERY EXECUTE format($sql$
		WITH branch AS (
			SELECT t.tag, array_to_string((string_to_array(t.tag, '/'))[:n], '/') AS path, n AS depth
			FROM (SELECT DISTINCT unnest(b.tags) FROM %1$s AS b) AS t (tag)
				CROSS JOIN LATERAL generate_series(1, cardinality(string_to_array(t.tag, '/'))) AS n
		)
		SELECT m.path, m.depth, count(*) FILTER (WHERE m.is_whole), count(*)
		FROM (
			SELECT b.id, p.path, p.depth, bool_or(p.path = p.tag) AS is_whole
			FROM %1$s AS b CROSS JOIN LATERAL unnest(b.tags) AS u (tag) JOIN branch AS p USING (tag)
			GROUP BY b.id, p.path, p.depth
		) AS m
		GROUP BY m.path, m.depth
		ORDER BY string_to_array(path, '/') COLLATE "C"$sql$, source);
END;
$$;

COMMENT ON FUNCTION vecmark.tag_tree(regclass) IS
	'tags as a tree by "/": each tag and each part of one that others stand below, its depth from 1, how many bookmarks have it and how many have it or one below it';
