-- peer_rejoin.sql: for who was away for so long that deletes he has not seen are forgotten.

CREATE FUNCTION vecmark_internal.peer_begin_rejoin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	peer constant text := exchange->>'peer';
	missing text;
BEGIN
	SELECT string_agg(t.name, ', ') INTO missing FROM vecmark.tracked AS t WHERE NOT EXISTS (SELECT FROM vecmark.digests AS d WHERE d.rel = t.rel);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'tracked tables without a digest: %', missing
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.build_digest(table), here and at the peer.';
	END IF;
	PERFORM vecmark_internal.peer_run(peer, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
	RETURN vecmark_internal.peer_count(exchange, 0, 3) || jsonb_build_object('claims', vecmark_internal.peer_ask(peer, 'SELECT vecmark_internal.claims()'), 'told', vecmark_internal.peer_version(exchange)::text);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_begin_rejoin_of(exchange jsonb, rel regclass, max_bytes integer, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
AS $$
DECLARE
	differing record;
BEGIN
	-- deletes fire triggers of users, and so run under the caller's path
	differing := vecmark_internal.peer_differing(exchange, rel);
	RETURN vecmark_internal.peer_open_rejoin_of(exchange, rel, differing.there, differing.leaves, differing.bytes, max_bytes,
		vecmark_internal.delete_missing(rel, 16, differing.leaves, differing.rows_there, differing.told, most_deleted));
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(exchange OPERATOR(pg_catalog.->>) 'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_differing(exchange jsonb, rel regclass, OUT there text, OUT leaves integer[], OUT bytes bigint, OUT rows_there bytea, OUT told vecmark.version_vector)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	peer constant text := exchange->>'peer';
	published constant text := (SELECT t.name FROM vecmark.tracked AS t WHERE t.rel = peer_differing.rel);
	root jsonb;
BEGIN
	root := vecmark_internal.peer_ask(peer, format('SELECT vecmark_internal.peer_root(%L::pg_catalog.text, %L::vecmark.version_vector)', published, '{}'))::jsonb;
	IF root->>'state' <> 'current' OR (root->>'format')::bigint <> (SELECT r.format FROM vecmark.root(rel) AS r) THEN
		RAISE EXCEPTION 'table "%" has no digest at peer "%", or one of another seed or other columns', rel, peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.build_digest(table) with the same seed on both.';
	ELSIF NOT (root->>'settled')::boolean THEN
		RAISE EXCEPTION 'table "%" has rows at peer "%" that cannot be shown there', rel, peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See vecmark.parked there, or wait until its exchanges have ended.';
	END IF;
	there := root->>'rel';
	SELECT l.leaves, l.bytes INTO leaves, bytes FROM vecmark_internal.peer_leaves(peer, rel, there) AS l;
	rows_there := decode(vecmark_internal.peer_ask(peer, format(
		$q$SELECT pg_catalog.encode(vecmark_internal.bucket_rows(%L::pg_catalog.regclass, '16'::pg_catalog.int4, %L::pg_catalog.int4[]), 'base64')$q$, there, leaves)), 'base64');
	bytes := bytes + length(rows_there) / 3 * 4 + length(leaves::text);
	told := (exchange->>'told')::vecmark.version_vector;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_open_rejoin_of(exchange jsonb, rel regclass, there text, leaves integer[], bytes bigint, max_bytes integer, gone bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keys constant bytea := vecmark.bucket_keys(rel, 16, leaves);
BEGIN
	RETURN vecmark_internal.peer_open(vecmark_internal.peer_count(exchange, bytes + length(keys) / 3 * 4 + length(leaves::text), 4)
		|| jsonb_build_object('rows', (exchange->>'rows')::bigint + gone, 'deleted', '{}'::jsonb),
		vecmark_internal.fetch_query(there, leaves, keys, max_bytes, false));
END;
$$;

CREATE FUNCTION vecmark_internal.peer_end_rejoin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
AS $$
BEGIN
	PERFORM vecmark.merge((exchange OPERATOR(pg_catalog.->>) 'claims')::vecmark.delta, 'rejoin');
	PERFORM vecmark_internal.peer_run(exchange OPERATOR(pg_catalog.->>) 'peer', 'COMMIT');
	RETURN vecmark_internal.peer_count(exchange, 0, 1);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(exchange OPERATOR(pg_catalog.->>) 'peer');
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.peer_begin_rejoin(jsonb) IS 'begins to read all of a connected peer at one moment; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark_internal.peer_begin_rejoin_of(jsonb, regclass, integer, real) IS 'deletes rows of a table that are gone at a connected peer, and begins to read those that differ; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark_internal.peer_differing(jsonb, regclass) IS 'leaves of a table that differ from a connected peer''s, and the keys of its rows in them; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark_internal.peer_open_rejoin_of(jsonb, regclass, text, integer[], bigint, integer, bigint) IS 'begins to read rows that differ; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark_internal.peer_end_rejoin(jsonb) IS 'takes over what a connected peer holds and has forgotten, when all of it is here; for vecmark.rejoin()';

CREATE PROCEDURE vecmark.rejoin(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
	digest record;
BEGIN
	PERFORM vecmark_internal.refuse_nulls(peer, max_bytes, most_deleted);
	COMMIT;
	exchange := vecmark_internal.peer_begin_rejoin(vecmark_internal.peer_connect(peer));
	COMMIT;
	FOR digest IN SELECT d.rel FROM vecmark.digests AS d LOOP
		exchange := vecmark_internal.peer_begin_rejoin_of(exchange, digest.rel, max_bytes, most_deleted);
		COMMIT;
		CALL vecmark_internal.peer_merge_all(exchange, 'strict', most_deleted);
	END LOOP;
	exchange := vecmark_internal.peer_end_rejoin(exchange);
	COMMIT;
	summary := vecmark_internal.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.rejoin(text, jsonb, integer, real) IS
	'for a database that was away until deletes it has not seen were forgotten (VM003): brings over from a peer only what differs, by digests, deletes what is gone there, keeps what was written here meanwhile, and begins a new life; nobody should write to the tables while it runs';
