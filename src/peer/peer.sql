-- peer.sql: exchanges with another database over a connection, by dblink.

-- Only C code writes these.
CREATE TABLE vecmark.peer_link (
	name text PRIMARY KEY,
	server name NOT NULL,
	site text,
	at timestamptz,
	summary jsonb
);
CREATE TABLE vecmark.peer_alarm (
	at timestamptz NOT NULL,
	peer text NOT NULL,
	rel regclass NOT NULL,
	detail jsonb NOT NULL
);

COMMENT ON TABLE vecmark.peer_link IS 'peers that are reached over a connection, and how the last exchange ended';
COMMENT ON TABLE vecmark.peer_alarm IS 'tables that were unlike a peer''s though neither had changes that the other lacked';

SELECT pg_catalog.pg_extension_config_dump('vecmark.peer_link', '');
SELECT pg_catalog.pg_extension_config_dump('vecmark.peer_alarm', '');

CREATE VIEW vecmark.connected_peers AS
SELECT l.name, l.server, l.site, l.at, l.summary FROM vecmark.peer_link AS l;

CREATE VIEW vecmark.alarms WITH (security_barrier) AS
SELECT a.at, a.peer, a.rel, a.detail FROM vecmark.peer_alarm AS a WHERE pg_catalog.has_table_privilege(a.rel, 'SELECT');

CREATE VIEW vecmark.peer_health AS
SELECT 'alarms' AS part, count(*) = 0 AS ok,
	pg_catalog.format('%s times a table was unlike a peer''s: vecmark.alarms says how; repair it, and SELECT vecmark.clear_alarms()', count(*)) AS detail
FROM vecmark.peer_alarm;

COMMENT ON VIEW vecmark.connected_peers IS 'peers that are reached over a connection: foreign server, site, when and how the last exchange ended';
COMMENT ON VIEW vecmark.alarms IS 'tables, of those that the caller may read, that were unlike a peer''s though neither had changes that the other lacked';
COMMENT ON VIEW vecmark.peer_health IS 'what vecmark.health says of peers';

GRANT SELECT ON vecmark.connected_peers, vecmark.alarms, vecmark.peer_health TO PUBLIC;

CREATE FUNCTION vecmark.register_peer(name text, server name) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_register_peer'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark.note_peer(name text, site text, summary jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_note_peer'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark.raise_alarm(peer text, rel regclass, detail jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_raise_alarm'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark.clear_alarms() RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_clear_alarms'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark.deletes(d vecmark.delta, OUT rel regclass, OUT rows bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_deletes'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000 ROWS 1;

COMMENT ON FUNCTION vecmark.register_peer(text, name) IS 'puts a peer on record, or with a null server takes it off; for vecmark.add_peer()';
COMMENT ON FUNCTION vecmark.note_peer(text, text, jsonb) IS 'records how the last exchange with a peer ended';
COMMENT ON FUNCTION vecmark.raise_alarm(text, regclass, jsonb) IS 'records that a table is unlike a peer''s';
COMMENT ON FUNCTION vecmark.clear_alarms() IS 'deletes all rows of vecmark.alarms, when they were seen to; how many';
COMMENT ON FUNCTION vecmark.deletes(vecmark.delta) IS 'how many rows of each table here a delta deletes';

CREATE FUNCTION vecmark.add_peer(name text, server name) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = server) THEN
		RAISE EXCEPTION 'server "%" does not exist', server
			USING ERRCODE = 'undefined_object', HINT = 'CREATE SERVER ... FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host, dbname), and CREATE USER MAPPING.';
	ELSIF NOT has_server_privilege(server, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for foreign server %', server
			USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT USAGE ON FOREIGN SERVER %I TO %I.', server, current_user);
	END IF;
	PERFORM vecmark.register_peer(name, server);
END;
$$;

CREATE FUNCTION vecmark.drop_peer(name text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT vecmark.register_peer(name, NULL) THEN
		RAISE EXCEPTION 'there is no peer "%"', name USING ERRCODE = 'undefined_object';
	END IF;
END;
$$;

COMMENT ON FUNCTION vecmark.add_peer(text, name) IS
	'names a foreign server whose database vecmark.pull(), push() and sync() exchange changes with; who calls these needs USAGE on the server and a user mapping';
COMMENT ON FUNCTION vecmark.drop_peer(text) IS 'forgets a peer; what was exchanged stays';

-- The connection, and what is asked over it.

CREATE FUNCTION vecmark.peer_dblink() RETURNS name
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema name;
BEGIN
	SELECT n.nspname INTO schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'dblink';
	IF schema IS NULL THEN
		RAISE EXCEPTION 'extension "dblink" is not installed in this database'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CREATE EXTENSION dblink; it comes with PostgreSQL.';
	ELSIF NOT has_schema_privilege(schema, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for schema %, where extension "dblink" is', schema
			USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT USAGE ON SCHEMA %I TO %I.', schema, current_user);
	END IF;
	RETURN schema;
END;
$$;

CREATE FUNCTION vecmark.peer_ask(peer text, query text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT t.answer FROM %I.dblink(%L, %L) AS t(answer text)', vecmark.peer_dblink(), 'vecmark ' || peer, query);
END;
$$;

CREATE FUNCTION vecmark.peer_disconnect(peer text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	open text[];
BEGIN
	EXECUTE format('SELECT %I.dblink_get_connections()', vecmark.peer_dblink()) INTO open;
	IF 'vecmark ' || peer = ANY (open) THEN
		EXECUTE format('SELECT %I.dblink_disconnect(%L)', vecmark.peer_dblink(), 'vecmark ' || peer);
	END IF;
END;
$$;

CREATE FUNCTION vecmark.peer_connect(peer text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	server name;
	installed text;
	answer text;
BEGIN
	SELECT l.server INTO server FROM vecmark.connected_peers AS l WHERE l.name = peer;
	IF server IS NULL THEN
		RAISE EXCEPTION 'there is no peer "%"', peer
			USING ERRCODE = 'undefined_object', HINT = 'SELECT vecmark.add_peer(name, server).';
	ELSIF NOT has_server_privilege(server, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for foreign server %', server
			USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT USAGE ON FOREIGN SERVER %I TO %I.', server, current_user);
	END IF;
	PERFORM vecmark.peer_disconnect(peer);
	EXECUTE format('SELECT %I.dblink_connect(%L, %L)', vecmark.peer_dblink(), 'vecmark ' || peer, server);
	-- Whoever is left alone must not hold back the peer's vacuum for ever.
	PERFORM vecmark.peer_ask(peer, $q$SELECT set_config('idle_in_transaction_session_timeout', '10min', false)$q$);
	SELECT * INTO installed FROM vecmark.peer_ask(peer, $q$SELECT extversion FROM pg_extension WHERE extname = 'vecmark'$q$);
	IF installed IS NULL THEN
		RAISE EXCEPTION 'peer "%" does not have extension "vecmark"', peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CREATE EXTENSION vecmark and track tables there.';
	END IF;
	SELECT * INTO answer FROM vecmark.peer_ask(peer,
		$q$SELECT jsonb_build_object('site', vecmark.site(), 'reads', pg_is_in_recovery(), 'version', vecmark.version()::text)$q$);
	IF answer::jsonb->>'site' = vecmark.site() THEN
		RAISE EXCEPTION 'peer "%" is this database, or a copy of it that has not been written yet', peer USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	RETURN jsonb_build_object('peer', peer, 'begun', clock_timestamp(), 'deltas', 0, 'rows', 0, 'parked', 0, 'conflicts', 0, 'bytes', 0, 'trips', 4,
		'deleted', '{}'::jsonb) || answer::jsonb;
END;
$$;

COMMENT ON FUNCTION vecmark.peer_dblink() IS 'the schema of extension dblink; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_ask(text, text) IS 'what a query with one column of text answers at a peer that is connected; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_disconnect(text) IS 'ends the connection to a peer, if there is one; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_connect(text) IS 'connects to a peer; returns who it is and what it holds; for vecmark.pull() and its like';

-- Merges that do not delete more than they should.

CREATE TYPE vecmark.guarded_result AS (
	status text,
	applied bigint,
	parked bigint,
	conflicts bigint,
	deleted jsonb
);

COMMENT ON TYPE vecmark.guarded_result IS 'what vecmark.guarded_merge() did: as vecmark.merge_result, and rows that were deleted so far of each table';

CREATE FUNCTION vecmark.guarded_merge(d vecmark.delta, mode text, most_deleted real, deleted jsonb DEFAULT '{}') RETURNS vecmark.guarded_result
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	dead record;
	so_far bigint;
	live bigint;
	merged vecmark.merge_result;
BEGIN
	FOR dead IN SELECT x.rel, x.rows FROM vecmark.deletes(d) AS x LOOP
		so_far := coalesce((deleted->>dead.rel::oid::text)::bigint, 0);
		IF so_far + dead.rows >= 1000 THEN
			EXECUTE format('SELECT count(*) FROM %s', dead.rel) INTO live;
			IF so_far + dead.rows > most_deleted * (live + so_far) THEN
				RAISE EXCEPTION 'refusing to delete % of % rows of table "%"', so_far + dead.rows, live + so_far, dead.rel
					USING ERRCODE = 'VM004', DETAIL = format('Others have deleted them; at most a share of %s is taken as meant.', most_deleted),
						HINT = 'If it was, call this again with most_deleted => 1.';
			END IF;
		END IF;
		deleted := deleted || jsonb_build_object(dead.rel::oid::text, so_far + dead.rows);
	END LOOP;
	merged := vecmark.merge(d, mode);
	RETURN (merged.status, merged.applied, merged.parked, merged.conflicts, deleted);
END;
$$;

COMMENT ON FUNCTION vecmark.guarded_merge(vecmark.delta, text, real, jsonb) IS
	'merges a delta unless that, with what was deleted before, deletes 1,000 rows or more of a table and more than a share of them (VM004)';

CREATE FUNCTION vecmark.peer_add_up(exchange jsonb, merged vecmark.guarded_result, bytes bigint, trips integer) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
BEGIN ATOMIC
	SELECT exchange || jsonb_build_object('deltas', (exchange->>'deltas')::bigint + 1, 'rows', (exchange->>'rows')::bigint + merged.applied,
		'parked', (exchange->>'parked')::bigint + merged.parked, 'conflicts', (exchange->>'conflicts')::bigint + merged.conflicts,
		'bytes', (exchange->>'bytes')::bigint + bytes, 'trips', (exchange->>'trips')::bigint + trips,
		'status', merged.status, 'deleted', merged.deleted);
END;

COMMENT ON FUNCTION vecmark.peer_add_up(jsonb, vecmark.guarded_result, bigint, integer) IS 'the sums of an exchange with a delta more; for vecmark.pull() and its like';

-- One delta at a time, in a transaction each.

CREATE FUNCTION vecmark.pull_part(exchange jsonb, mode text, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	conn constant text := 'vecmark ' || (exchange->>'peer');
	part text;
BEGIN
	EXECUTE format('SELECT t.part FROM %I.dblink_fetch(%L, %L, 1) AS t(part text)', vecmark.peer_dblink(), conn, 'vecmark') INTO part;
	IF part IS NULL THEN
		EXECUTE format('SELECT %I.dblink_close(%L, %L)', vecmark.peer_dblink(), conn, 'vecmark');
		RETURN exchange || jsonb_build_object('trips', (exchange->>'trips')::bigint + 2, 'done', true);
	END IF;
	RETURN vecmark.peer_add_up(exchange, vecmark.guarded_merge(part::vecmark.delta, mode, most_deleted, exchange->'deleted'), length(part), 1);
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.push_part(exchange jsonb, part vecmark.delta, mode text, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	merged jsonb;
BEGIN
	SELECT * INTO merged FROM vecmark.peer_ask(exchange->>'peer',
		format('SELECT to_jsonb(m) FROM vecmark.guarded_merge(%L, %L, %L, %L) AS m', part, mode, most_deleted, exchange->'deleted'));
	RETURN vecmark.peer_add_up(exchange, jsonb_populate_record(NULL::vecmark.guarded_result, merged), length(part::text), 1);
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_open(exchange jsonb, query text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT %I.dblink_open(%L, %L, %L)', vecmark.peer_dblink(), 'vecmark ' || (exchange->>'peer'), 'vecmark', query);
	RETURN exchange || jsonb_build_object('trips', (exchange->>'trips')::bigint + 2, 'done', false);
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_end(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	summary constant jsonb := (exchange - '{version,begun,done,deleted,reads}'::text[])
		|| jsonb_build_object('ms', round(extract(epoch FROM clock_timestamp() - (exchange->>'begun')::timestamptz) * 1000));
BEGIN
	-- what is held here may be forgotten there, if one may say so
	BEGIN
		IF NOT (exchange->>'reads')::boolean THEN
			PERFORM vecmark.peer_ask(exchange->>'peer', format('SELECT vecmark.ack(%L, %L)::text', vecmark.site(), vecmark.version()));
		END IF;
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE NOTICE 'peer "%" was not told what is held here: %', exchange->>'peer', SQLERRM;
	END;
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	PERFORM vecmark.note_peer(exchange->>'peer', exchange->>'site', summary);
	RETURN summary;
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark.pull_part(jsonb, text, real) IS 'fetches and merges one delta; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.push_part(jsonb, vecmark.delta, text, real) IS 'has a peer merge one delta; for vecmark.push() and its like';
COMMENT ON FUNCTION vecmark.peer_open(jsonb, text) IS 'begins to read deltas from a peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_end(jsonb) IS 'tells a peer what is held here, ends the connection, and records and returns what was done; for vecmark.pull() and its like';

CREATE PROCEDURE vecmark.peer_pull(INOUT exchange jsonb, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
BEGIN
	exchange := vecmark.peer_open(exchange, format('SELECT d FROM vecmark.changes(%L, NULL, %L) AS d', vecmark.version(), max_bytes));
	LOOP
		exchange := vecmark.pull_part(exchange, 'strict', most_deleted);
		COMMIT;
		EXIT WHEN (exchange->>'done')::boolean;
		IF exchange->>'status' = 'partial' THEN
			RAISE NOTICE 'pulled % rows, % bytes', exchange->>'rows', exchange->>'bytes';
		END IF;
	END LOOP;
END;
$$;

CREATE PROCEDURE vecmark.peer_push(INOUT exchange jsonb, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	since text;
	part vecmark.delta;
BEGIN
	SELECT * INTO since FROM vecmark.peer_ask(exchange->>'peer', 'SELECT vecmark.version()::text');
	COMMIT;
	FOR part IN SELECT d FROM vecmark.changes(since::vecmark.version_vector, NULL, max_bytes) AS d LOOP
		exchange := vecmark.push_part(exchange, part, 'strict', most_deleted);
		COMMIT;
		IF exchange->>'status' = 'partial' THEN
			RAISE NOTICE 'pushed % rows, % bytes', exchange->>'rows', exchange->>'bytes';
		END IF;
	END LOOP;
END;
$$;

COMMENT ON PROCEDURE vecmark.peer_pull(jsonb, integer, real) IS 'merges what a connected peer has and this database lacks; for vecmark.pull() and vecmark.sync()';
COMMENT ON PROCEDURE vecmark.peer_push(jsonb, integer, real) IS 'has a connected peer merge what it lacks; for vecmark.push() and vecmark.sync()';

CREATE PROCEDURE vecmark.pull(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
BEGIN
	-- within a transaction block this says so before anything is done
	COMMIT;
	exchange := vecmark.peer_connect(peer);
	CALL vecmark.peer_pull(exchange, max_bytes, most_deleted);
	summary := vecmark.peer_end(exchange);
END;
$$;

CREATE PROCEDURE vecmark.push(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
BEGIN
	-- within a transaction block this says so before anything is done
	COMMIT;
	exchange := vecmark.peer_connect(peer);
	CALL vecmark.peer_push(exchange, max_bytes, most_deleted);
	summary := vecmark.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.pull(text, jsonb, integer, real) IS
	'merges what a peer has and this database lacks, in parts of max_bytes that commit; refuses (VM004) to delete 1,000 rows or more of a table that are more than a share of it; may be called again whenever it was interrupted';
COMMENT ON PROCEDURE vecmark.push(text, jsonb, integer, real) IS
	'has a peer merge what it lacks of this database; as vecmark.pull()';

-- Digests compared, and what differs repaired.

CREATE FUNCTION vecmark.peer_leaves(peer text, rel regclass, there text, OUT leaves integer[], OUT bytes bigint)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
	coarse integer[];
BEGIN
	SELECT a INTO answer FROM vecmark.peer_ask(peer, format('SELECT encode(vecmark.bucket_hashes(%L::oid), %L)', there, 'base64')) AS a;
	bytes := length(answer);
	coarse := vecmark.bucket_diff(rel, 8, decode(answer, 'base64'));
	SELECT coalesce(array_agg(c * 256 + i ORDER BY c, i), '{}') INTO leaves FROM unnest(coarse) AS c, generate_series(0, 255) AS i;
	SELECT a INTO answer FROM vecmark.peer_ask(peer, format(
		'SELECT encode(vecmark.bucket_hashes(%L::oid, 16, (SELECT coalesce(array_agg(c * 256 + i), %L) FROM unnest(%L::integer[]) AS c, generate_series(0, 255) AS i)), %L)',
		there, '{}', coarse, 'base64')) AS a;
	bytes := bytes + length(answer) + length(coarse::text);
	leaves := vecmark.bucket_diff(rel, 16, decode(answer, 'base64'), leaves);
END;
$$;

COMMENT ON FUNCTION vecmark.peer_leaves(text, regclass, text) IS 'leaves of a table that are unlike those of a connected peer, there being the table''s oid there; for vecmark.sync()';

CREATE FUNCTION vecmark.peer_compare(exchange jsonb, rel regclass) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	peer constant text := exchange->>'peer';
	published text;
	there jsonb;
	before record;
	here record;
	status text;
	bytes bigint := 0;
	trips integer := 1;
	leaves integer[] := '{}';
BEGIN
	SELECT t.name INTO published FROM vecmark.tracked AS t WHERE t.rel = peer_compare.rel;
	SELECT r.version, r.format INTO before FROM vecmark.root(rel) AS r;
	SELECT a::jsonb INTO there FROM vecmark.peer_ask(peer, format(
		$q$SELECT jsonb_build_object('rel', t.rel::oid, 'version', r.version::text, 'format', r.format, 'hash', encode(r.hash, 'hex'), 'rows', r.rows,
			'settled', r.settled, 'ahead', vecmark.has_changes(%L, ARRAY[t.rel]))
		FROM vecmark.tracked AS t JOIN vecmark.digests AS g ON g.rel = t.rel CROSS JOIN LATERAL vecmark.root(t.rel) AS r WHERE t.name = %L$q$,
		before.version, published)) AS a;
	IF there IS NULL THEN
		RETURN jsonb_build_object('status', 'no digest there', 'bytes', bytes, 'trips', trips);
	END IF;
	bytes := length(there::text);
	SELECT r.format, encode(r.hash, 'hex') AS hash, r.rows, r.settled, vecmark.has_changes((there->>'version')::vecmark.version_vector, ARRAY[rel]) AS ahead INTO here
	FROM vecmark.root(rel) AS r;
	status := CASE
		WHEN (there->>'format')::bigint <> here.format THEN 'other format'
		WHEN NOT (there->>'settled')::boolean OR NOT here.settled THEN 'unsettled'
		WHEN (there->>'ahead')::boolean OR here.ahead THEN 'behind'
		WHEN there->>'hash' = here.hash THEN 'equal'
		ELSE 'unlike' END;
	IF status = 'unlike' THEN
		SELECT l.leaves, bytes + l.bytes, trips + 2 INTO leaves, bytes, trips FROM vecmark.peer_leaves(peer, rel, there->>'rel') AS l;
	END IF;
	RETURN jsonb_build_object('status', status, 'rel', there->'rel', 'rows_here', here.rows, 'rows_there', there->'rows', 'leaves', to_jsonb(leaves),
		'bytes', bytes, 'trips', trips);
END;
$$;

COMMENT ON FUNCTION vecmark.peer_compare(jsonb, regclass) IS
	'whether a table is like that of a connected peer: equal, unlike with the leaves that differ, behind (pull and push first), unsettled, other format, no digest there; for vecmark.sync()';

CREATE PROCEDURE vecmark.peer_repair(INOUT exchange jsonb, rel regclass, compared jsonb, repair text, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	leaves constant integer[] := (SELECT array_agg(l::integer) FROM jsonb_array_elements_text(compared->'leaves') AS l);
	keys text;
	part vecmark.delta;
BEGIN
	IF repair = 'pull' THEN
		keys := encode(vecmark.bucket_keys(rel, 16, leaves), 'base64');
		exchange := vecmark.peer_open(exchange, format('SELECT d FROM vecmark.fetch(%L::oid, 16, %L, decode(%L, %L), %L) AS d', compared->>'rel', leaves, keys, 'base64', max_bytes));
		LOOP
			exchange := vecmark.pull_part(exchange, 'repair', most_deleted);
			COMMIT;
			EXIT WHEN (exchange->>'done')::boolean;
		END LOOP;
	ELSE
		SELECT * INTO keys FROM vecmark.peer_ask(exchange->>'peer', format('SELECT encode(vecmark.bucket_keys(%L::oid, 16, %L), %L)', compared->>'rel', leaves, 'base64'));
		COMMIT;
		FOR part IN SELECT d FROM vecmark.fetch(rel, 16, leaves, decode(keys, 'base64'), max_bytes) AS d LOOP
			exchange := vecmark.push_part(exchange, part, 'repair', most_deleted);
			COMMIT;
		END LOOP;
	END IF;
	exchange := exchange || jsonb_build_object('bytes', (exchange->>'bytes')::bigint + length(keys) + length(leaves::text), 'trips', (exchange->>'trips')::bigint + 1);
END;
$$;

CREATE PROCEDURE vecmark.peer_verify(INOUT exchange jsonb, repair text, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	digest record;
	compared jsonb;
	tables jsonb := '{}';
BEGIN
	FOR digest IN SELECT d.rel, t.name FROM vecmark.digests AS d JOIN vecmark.tracked AS t ON t.rel = d.rel LOOP
		compared := vecmark.peer_compare(exchange, digest.rel);
		IF compared->>'status' = 'unlike' THEN
			PERFORM vecmark.raise_alarm(exchange->>'peer', digest.rel, compared - 'leaves' - 'rel' || jsonb_build_object(
				'leaves', jsonb_array_length(compared->'leaves'), 'repair', repair, 'damaged_leaves_here', (SELECT count(*) FROM vecmark.audit(digest.rel))));
			COMMIT;
			IF repair <> 'none' THEN
				CALL vecmark.peer_repair(exchange, digest.rel, compared, repair, max_bytes, most_deleted);
				exchange := exchange || jsonb_build_object('bytes', (exchange->>'bytes')::bigint + (compared->>'bytes')::bigint,
					'trips', (exchange->>'trips')::bigint + (compared->>'trips')::bigint);
				compared := vecmark.peer_compare(exchange, digest.rel);
			END IF;
		END IF;
		exchange := exchange || jsonb_build_object('bytes', (exchange->>'bytes')::bigint + (compared->>'bytes')::bigint,
			'trips', (exchange->>'trips')::bigint + (compared->>'trips')::bigint);
		tables := tables || jsonb_build_object(digest.name, compared->'status');
		COMMIT;
	END LOOP;
	exchange := exchange || jsonb_build_object('tables', tables);
END;
$$;

COMMENT ON PROCEDURE vecmark.peer_repair(jsonb, regclass, jsonb, text, integer, real) IS 'repairs a table that is unlike that of a connected peer; for vecmark.sync()';
COMMENT ON PROCEDURE vecmark.peer_verify(jsonb, text, integer, real) IS 'compares tables that have digests with a connected peer''s, raises alarms, and repairs; for vecmark.sync()';

CREATE PROCEDURE vecmark.sync(peer text, INOUT summary jsonb DEFAULT NULL, repair text DEFAULT 'none', max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
BEGIN
	IF repair IS NULL OR repair NOT IN ('none', 'pull', 'push') THEN
		RAISE EXCEPTION 'repair is "none", "pull" or "push", not "%"', repair
			USING ERRCODE = 'invalid_parameter_value', HINT = 'With pull the peer''s rows are right, with push those here.';
	END IF;
	COMMIT;
	exchange := vecmark.peer_connect(peer);
	CALL vecmark.peer_pull(exchange, max_bytes, most_deleted);
	IF NOT (exchange->>'reads')::boolean THEN
		CALL vecmark.peer_push(exchange, max_bytes, most_deleted);
	END IF;
	CALL vecmark.peer_verify(exchange, repair, max_bytes, most_deleted);
	summary := vecmark.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.sync(text, jsonb, text, integer, real) IS
	'pulls, pushes, and compares the digests of tables that have them; where these differ though neither has changes that the other lacks, an alarm is raised, and rows are repaired by those of the peer (repair pull) or of this database (push)';

-- For who was away for so long that deletes he has not seen are forgotten.

CREATE FUNCTION vecmark.peer_begin_rejoin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missing text;
	claims text;
BEGIN
	SELECT string_agg(t.name, ', ') INTO missing FROM vecmark.tracked AS t WHERE NOT EXISTS (SELECT FROM vecmark.digests AS d WHERE d.rel = t.rel);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'tracked tables without a digest: %', missing
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.build_digest(table), here and at the peer.';
	END IF;
	EXECUTE format('SELECT %I.dblink_exec(%L, %L)', vecmark.peer_dblink(), 'vecmark ' || (exchange->>'peer'), 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
	SELECT a INTO claims FROM vecmark.peer_ask(exchange->>'peer', 'SELECT vecmark.claims()::text') AS a;
	RETURN exchange || jsonb_build_object('claims', claims, 'told', (SELECT a FROM vecmark.peer_ask(exchange->>'peer', 'SELECT vecmark.version()::text') AS a),
		'trips', (exchange->>'trips')::bigint + 3);
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_begin_rejoin_of(exchange jsonb, rel regclass, max_bytes integer, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	peer constant text := exchange->>'peer';
	there jsonb;
	format bigint;
	differing record;
	rows_there text;
	keys text;
	gone bigint;
BEGIN
	SELECT a::jsonb INTO there FROM vecmark.peer_ask(peer, format(
		$q$SELECT jsonb_build_object('rel', t.rel::oid, 'format', r.format, 'settled', r.settled)
		FROM vecmark.tracked AS t JOIN vecmark.digests AS g ON g.rel = t.rel CROSS JOIN LATERAL vecmark.root(t.rel) AS r WHERE t.name = %L$q$,
		(SELECT t.name FROM vecmark.tracked AS t WHERE t.rel = peer_begin_rejoin_of.rel))) AS a;
	SELECT r.format INTO format FROM vecmark.root(rel) AS r;
	IF there IS NULL OR (there->>'format')::bigint <> format THEN
		RAISE EXCEPTION 'table "%" has no digest at peer "%", or one of another seed or other columns', rel, peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.build_digest(table) with the same seed on both.';
	ELSIF NOT (there->>'settled')::boolean THEN
		RAISE EXCEPTION 'table "%" has rows at peer "%" that cannot be shown there', rel, peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See vecmark.parked there, or wait until its exchanges have ended.';
	END IF;
	SELECT * INTO differing FROM vecmark.peer_leaves(peer, rel, there->>'rel');
	SELECT a INTO rows_there FROM vecmark.peer_ask(peer, format('SELECT encode(vecmark.bucket_rows(%L::oid, 16, %L), %L)', there->>'rel', differing.leaves, 'base64')) AS a;
	gone := vecmark.delete_missing(rel, 16, differing.leaves, decode(rows_there, 'base64'), (exchange->>'told')::vecmark.version_vector, most_deleted);
	keys := encode(vecmark.bucket_keys(rel, 16, differing.leaves), 'base64');
	exchange := exchange || jsonb_build_object('rows', (exchange->>'rows')::bigint + gone,
		'bytes', (exchange->>'bytes')::bigint + differing.bytes + length(rows_there) + length(keys) + 2 * length(differing.leaves::text),
		'trips', (exchange->>'trips')::bigint + 4);
	RETURN vecmark.peer_open(exchange, format('SELECT d FROM vecmark.fetch(%L::oid, 16, %L, decode(%L, %L), %L, false) AS d',
		there->>'rel', differing.leaves, keys, 'base64', max_bytes));
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_end_rejoin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM vecmark.merge((exchange->>'claims')::vecmark.delta, 'rejoin');
	EXECUTE format('SELECT %I.dblink_exec(%L, %L)', vecmark.peer_dblink(), 'vecmark ' || (exchange->>'peer'), 'COMMIT');
	RETURN exchange - '{claims,told}'::text[] || jsonb_build_object('trips', (exchange->>'trips')::bigint + 1);
EXCEPTION WHEN OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark.peer_begin_rejoin(jsonb) IS 'begins to read all of a connected peer at one moment; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_begin_rejoin_of(jsonb, regclass, integer, real) IS 'deletes rows of a table that are gone at a connected peer, and begins to read those that differ; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_end_rejoin(jsonb) IS 'takes over what a connected peer holds and has forgotten, when all of it is here; for vecmark.rejoin()';

CREATE PROCEDURE vecmark.rejoin(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
	digest record;
BEGIN
	COMMIT;
	exchange := vecmark.peer_begin_rejoin(vecmark.peer_connect(peer));
	FOR digest IN SELECT d.rel FROM vecmark.digests AS d JOIN vecmark.tracked AS t ON t.rel = d.rel LOOP
		exchange := vecmark.peer_begin_rejoin_of(exchange, digest.rel, max_bytes, most_deleted);
		COMMIT;
		LOOP
			exchange := vecmark.pull_part(exchange, 'strict', most_deleted);
			COMMIT;
			EXIT WHEN (exchange->>'done')::boolean;
		END LOOP;
	END LOOP;
	exchange := vecmark.peer_end_rejoin(exchange);
	COMMIT;
	summary := vecmark.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.rejoin(text, jsonb, integer, real) IS
	'for a database that was away until deletes it has not seen were forgotten (VM003): brings over from a peer only what differs, by digests, deletes what is gone there, keeps what was written here meanwhile, and begins a new life; nobody should write to the tables while it runs';
