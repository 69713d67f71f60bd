-- peer_verify.sql: digests compared with a peer's, and what differs repaired.

CREATE FUNCTION vecmark_internal.leaves_of(buckets integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(b * 256 + i ORDER BY b, i), '{}') FROM unnest(buckets) AS b, generate_series(0, 255) AS i;
END;

CREATE FUNCTION vecmark_internal.peer_root(name text, since vecmark.version_vector) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel regclass;
BEGIN
	SELECT t.rel INTO rel FROM vecmark.tracked AS t JOIN vecmark.digests AS g ON g.rel = t.rel WHERE t.name = peer_root.name;
	IF rel IS NULL THEN
		RETURN jsonb_build_object('state', 'no digest');
	ELSIF NOT vecmark_internal.digest_is_current(rel) THEN
		RETURN jsonb_build_object('state', 'altered');
	END IF;
	RETURN (SELECT jsonb_build_object('state', 'current', 'rel', rel::oid, 'version', r.version::text, 'format', r.format, 'hash', encode(r.hash, 'hex'), 'rows', r.rows,
			'settled', r.settled, 'ahead', vecmark.has_changes(since, ARRAY[rel]),
			-- a row of which only a part is there, though all has come, was lost
			'incomplete', EXISTS (SELECT FROM vecmark.parked AS p WHERE p.name = peer_root.name AND p.sqlstate = 'P0002'))
		FROM vecmark.root(rel) AS r);
END;
$$;

CREATE FUNCTION vecmark_internal.peer_leaves(peer text, rel regclass, there text, OUT leaves integer[], OUT bytes bigint)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
	coarse integer[];
BEGIN
	answer := vecmark_internal.peer_ask(peer, format($q$SELECT pg_catalog.encode(vecmark.bucket_hashes(%L::pg_catalog.regclass), 'base64')$q$, there));
	bytes := length(answer);
	coarse := vecmark.bucket_diff(rel, 8, decode(answer, 'base64'));
	answer := vecmark_internal.peer_ask(peer, format(
		$q$SELECT pg_catalog.encode(vecmark.bucket_hashes(%L::pg_catalog.regclass, '16'::pg_catalog.int4, vecmark_internal.leaves_of(%L::pg_catalog.int4[])), 'base64')$q$, there, coarse));
	bytes := bytes + length(answer) + length(coarse::text);
	leaves := vecmark.bucket_diff(rel, 16, decode(answer, 'base64'), vecmark_internal.leaves_of(coarse));
END;
$$;

CREATE FUNCTION vecmark_internal.peer_compare(exchange jsonb, rel regclass) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	peer constant text := exchange->>'peer';
	published constant text := (SELECT t.name FROM vecmark.tracked AS t WHERE t.rel = peer_compare.rel);
	here jsonb;
	there jsonb;
	status text;
	differing record;
	leaves integer[] := '{}';
	bytes bigint := 0;
	trips integer := 1;
BEGIN
	here := vecmark_internal.peer_root(published, '{}');
	there := vecmark_internal.peer_ask(peer, format('SELECT vecmark_internal.peer_root(%L::pg_catalog.text, %L::vecmark.version_vector)', published, coalesce(here->>'version', '{}')))::jsonb;
	bytes := length(there::text);
	IF here->>'state' <> 'current' OR there->>'state' <> 'current' THEN
		status := CASE WHEN here->>'state' <> 'current' THEN (here->>'state') || ' here' ELSE (there->>'state') || ' there' END;
	ELSE
		here := vecmark_internal.peer_root(published, (there->>'version')::vecmark.version_vector);
		status := CASE
			WHEN there->>'format' <> here->>'format' THEN 'other format'
			WHEN (there->>'ahead')::boolean OR (here->>'ahead')::boolean THEN 'behind'
			WHEN (there->>'incomplete')::boolean OR (here->>'incomplete')::boolean THEN 'unlike'
			WHEN NOT (there->>'settled')::boolean OR NOT (here->>'settled')::boolean THEN 'unsettled'
			WHEN there->>'hash' = here->>'hash' THEN 'equal'
			ELSE 'unlike' END;
	END IF;
	IF status = 'unlike' THEN
		differing := vecmark_internal.peer_leaves(peer, rel, there->>'rel');
		leaves := differing.leaves;
		bytes := bytes + differing.bytes;
		trips := 3;
	END IF;
	RETURN jsonb_build_object('status', status, 'published', published, 'rel', there->'rel', 'rows_here', here->'rows', 'rows_there', there->'rows', 'leaves', to_jsonb(leaves),
		'bytes', bytes, 'trips', trips);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(peer);
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.leaves_of(integer[]) IS 'the leaves in buckets of 8 bits';
COMMENT ON FUNCTION vecmark_internal.peer_root(text, vecmark.version_vector) IS 'the root of a table by its published name, and whether it has changes since a version; for vecmark.sync() of a peer';
COMMENT ON FUNCTION vecmark_internal.peer_leaves(text, regclass, text) IS 'leaves of a table that are unlike those of a connected peer, there being the table''s oid there; for vecmark.sync()';
COMMENT ON FUNCTION vecmark_internal.peer_compare(jsonb, regclass) IS
	'whether a table is like that of a connected peer: equal, unlike with the leaves that differ, behind (pull and push first), unsettled, other format, altered or no digest here or there; for vecmark.sync()';

CREATE FUNCTION vecmark_internal.peer_compared(exchange jsonb, compared jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark_internal.peer_count(exchange, (compared->>'bytes')::bigint, (compared->>'trips')::bigint)
		|| jsonb_build_object('tables', coalesce(exchange->'tables', '{}') || jsonb_build_object(compared->>'published', compared->>'status'));
END;

CREATE FUNCTION vecmark_internal.peer_alarm(exchange jsonb, rel regclass, compared jsonb, repair text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF compared->>'status' <> 'unlike' THEN
		RETURN false;
	END IF;
	PERFORM vecmark_internal.raise_alarm(exchange->>'peer', rel, jsonb_build_object('rows_here', compared->'rows_here', 'rows_there', compared->'rows_there',
		'leaves', jsonb_array_length(compared->'leaves'), 'repair', repair, 'damaged_leaves_here', (SELECT count(*) FROM vecmark.audit(rel))));
	RETURN repair <> 'none';
END;
$$;

CREATE FUNCTION vecmark_internal.peer_ids(exchange jsonb, rel regclass, compared jsonb, repair text, OUT leaves integer[], OUT keys bytea, OUT counted jsonb)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
BEGIN
	-- none differ where a row is here in part only: then all are looked at
	SELECT array_agg(l::integer) INTO leaves FROM jsonb_array_elements_text(compared->'leaves') AS l;
	IF repair = 'pull' THEN
		keys := vecmark.bucket_keys(rel, 16, leaves);
	ELSE
		keys := decode(vecmark_internal.peer_ask(exchange->>'peer', format(
			$q$SELECT pg_catalog.encode(vecmark.bucket_keys(%L::pg_catalog.regclass, '16'::pg_catalog.int4, %L::pg_catalog.int4[]), 'base64')$q$, compared->>'rel', leaves)), 'base64');
	END IF;
	counted := vecmark_internal.peer_count(exchange || '{"deleted": {}}'::jsonb, (length(keys) + 2) / 3 * 4 + coalesce(length(leaves::text), 0), 1);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.fetch_query(there text, leaves integer[], keys bytea, max_bytes integer, repair boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format($q$SELECT d FROM vecmark.fetch(%L::pg_catalog.regclass, '16'::pg_catalog.int4, %L::pg_catalog.int4[], pg_catalog.decode(%L, 'base64'), %L::pg_catalog.int4, %L::pg_catalog.bool) AS d$q$,
		there, leaves, encode(keys, 'base64'), max_bytes, repair);
END;

CREATE PROCEDURE vecmark_internal.peer_repair(INOUT exchange jsonb, rel regclass, compared jsonb, pulls boolean, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	ids record;
	part vecmark.delta;
BEGIN
	ids := vecmark_internal.peer_ids(exchange, rel, compared, CASE WHEN pulls THEN 'pull' ELSE 'push' END);
	exchange := ids.counted;
	COMMIT;
	IF pulls THEN
		exchange := vecmark_internal.peer_open(exchange, vecmark_internal.fetch_query(compared OPERATOR(pg_catalog.->>) 'rel', ids.leaves, ids.keys, max_bytes, true));
		CALL vecmark_internal.peer_merge_all(exchange, 'repair', most_deleted);
	ELSE
		FOR part IN SELECT d FROM vecmark.fetch(rel, 16, ids.leaves, ids.keys, max_bytes) AS d LOOP
			exchange := vecmark_internal.peer_send(exchange, part, 'repair', most_deleted);
			COMMIT;
		END LOOP;
	END IF;
END;
$$;

CREATE PROCEDURE vecmark_internal.peer_verify(INOUT exchange jsonb, repair text, pulls boolean, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	digest record;
	compared jsonb;
	repairs boolean;
BEGIN
	FOR digest IN SELECT d.rel FROM vecmark.digests AS d WHERE vecmark_internal.may_see(d.rel) LOOP
		compared := vecmark_internal.peer_compare(exchange, digest.rel);
		repairs := vecmark_internal.peer_alarm(exchange, digest.rel, compared, repair);
		exchange := vecmark_internal.peer_compared(exchange, compared);
		COMMIT;
		IF repairs THEN
			CALL vecmark_internal.peer_repair(exchange, digest.rel, compared, pulls, max_bytes, most_deleted);
			exchange := vecmark_internal.peer_compared(exchange, vecmark_internal.peer_compare(exchange, digest.rel));
			COMMIT;
		END IF;
	END LOOP;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_pulls(repair text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF repair IS NULL OR repair NOT IN ('none', 'pull', 'push') THEN
		RAISE EXCEPTION 'repair is "none", "pull" or "push", not "%"', repair
			USING ERRCODE = 'invalid_parameter_value', HINT = 'With pull the peer''s rows are right, with push those here.';
	END IF;
	RETURN repair = 'pull';
END;
$$;

COMMENT ON FUNCTION vecmark_internal.peer_compared(jsonb, jsonb) IS 'an exchange with what became of a table; for vecmark.sync()';
COMMENT ON FUNCTION vecmark_internal.peer_alarm(jsonb, regclass, jsonb, text) IS 'raises an alarm for a table that is unlike; whether it is to be repaired; for vecmark.sync()';
COMMENT ON FUNCTION vecmark_internal.peer_ids(jsonb, regclass, jsonb, text) IS 'numbers of rows of leaves that differ, where they are to be repaired; for vecmark.sync()';
COMMENT ON FUNCTION vecmark_internal.fetch_query(text, integer[], bytea, integer, boolean) IS 'the query for a peer''s rows in leaves; for vecmark.sync() and vecmark.rejoin()';
COMMENT ON FUNCTION vecmark_internal.peer_pulls(text) IS 'whether a way to repair is that of pulling; for vecmark.sync()';
COMMENT ON PROCEDURE vecmark_internal.peer_repair(jsonb, regclass, jsonb, boolean, integer, real) IS 'repairs a table that is unlike that of a connected peer; for vecmark.sync()';
COMMENT ON PROCEDURE vecmark_internal.peer_verify(jsonb, text, boolean, integer, real) IS 'compares tables that have digests with a connected peer''s, raises alarms, and repairs; for vecmark.sync()';

CREATE PROCEDURE vecmark.sync(peer text, INOUT summary jsonb DEFAULT NULL, repair text DEFAULT 'none', max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
	pulls constant boolean := vecmark_internal.peer_pulls(repair);
BEGIN
	PERFORM vecmark_internal.refuse_nulls(peer, max_bytes, most_deleted);
	COMMIT;
	exchange := vecmark_internal.peer_connect(peer);
	COMMIT;
	CALL vecmark_internal.peer_pull(exchange, max_bytes, most_deleted);
	IF NOT (exchange OPERATOR(pg_catalog.->>) 'reads')::pg_catalog.bool THEN
		CALL vecmark_internal.peer_push(exchange, max_bytes, most_deleted);
	END IF;
	CALL vecmark_internal.peer_verify(exchange, repair, pulls, max_bytes, most_deleted);
	summary := vecmark_internal.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.sync(text, jsonb, text, integer, real) IS
	'pulls, pushes, and compares the digests of tables that have them; where these differ though neither has changes that the other lacks, an alarm is raised, and rows are repaired by those of the peer (repair pull) or of this database (push)';
