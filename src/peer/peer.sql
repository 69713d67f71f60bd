-- peer.sql: peers that are reached over a connection, by dblink, and merges that do not delete too much.

-- Procedures that commit cannot set search_path, and merges run under the caller's, as triggers of users do: such bodies
-- call functions that set it, and qualify all else.  So do queries for the peer, whose path is not known.

-- Only C code writes these.
CREATE TABLE vecmark_internal.peer_link (
	name text PRIMARY KEY,
	server name NOT NULL,
	site text,
	at timestamptz,
	summary jsonb
);
CREATE TABLE vecmark_internal.peer_alarm (
	peer text NOT NULL,
	rel regclass NOT NULL,
	first timestamptz NOT NULL,
	last timestamptz NOT NULL,
	times bigint NOT NULL,
	detail jsonb NOT NULL
);

COMMENT ON TABLE vecmark_internal.peer_link IS 'peers that are reached over a connection, and how the last exchange ended';
COMMENT ON TABLE vecmark_internal.peer_alarm IS 'tables that were unlike a peer''s though neither had changes that the other lacked';


CREATE VIEW vecmark.connected_peers AS
SELECT l.name, l.server, l.site, l.at, l.summary FROM vecmark_internal.peer_link AS l;

CREATE VIEW vecmark.alarms WITH (security_barrier) AS
SELECT a.peer, a.rel, a.first, a.last, a.times, a.detail FROM vecmark_internal.peer_alarm AS a WHERE vecmark_internal.may_see(a.rel);

CREATE VIEW vecmark_internal.peer_health AS
SELECT 'alarms' AS part, count(*) = 0 AS ok,
	pg_catalog.format('%s tables were unlike a peer''s: vecmark.alarms says how; repair them, and SELECT vecmark.clear_alarms()', count(*)) AS detail
FROM vecmark_internal.peer_alarm AS a WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = a.rel);

COMMENT ON VIEW vecmark.connected_peers IS 'peers that are reached over a connection: foreign server, site, when and how the last exchange ended';
COMMENT ON VIEW vecmark.alarms IS 'tables, of those that the caller may read, that were unlike a peer''s though neither had changes that the other lacked: since when, how often, and how the last time';
COMMENT ON VIEW vecmark_internal.peer_health IS 'what vecmark.health says of peers';

GRANT SELECT ON vecmark.connected_peers, vecmark.alarms, vecmark_internal.peer_health TO PUBLIC;

CREATE FUNCTION vecmark_internal.register_peer(name text, server name) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_register_peer'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.note_peer(name text, site text, summary jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_note_peer'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.lock_peer(name text) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_lock_peer'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;

CREATE FUNCTION vecmark_internal.unlock_peer() RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_unlock_peer'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.raise_alarm(peer text, rel regclass, detail jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_raise_alarm'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark.clear_alarms() RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_clear_alarms'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.deletes(d vecmark.delta, OUT rel regclass, OUT rows bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_deletes'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000 ROWS 1;

COMMENT ON FUNCTION vecmark_internal.register_peer(text, name) IS 'puts a peer on record, or with a null server takes it off; for vecmark.add_peer()';
COMMENT ON FUNCTION vecmark_internal.note_peer(text, text, jsonb) IS 'records how the last exchange with a peer ended';
COMMENT ON FUNCTION vecmark_internal.lock_peer(text) IS 'waits until no other session exchanges with a peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.unlock_peer() IS 'lets other sessions exchange with the peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.raise_alarm(text, regclass, jsonb) IS 'records that a table is unlike a peer''s';
COMMENT ON FUNCTION vecmark.clear_alarms() IS 'deletes all rows of vecmark.alarms, when they were seen to; how many';
COMMENT ON FUNCTION vecmark_internal.deletes(vecmark.delta) IS 'how many rows of each table here a delta deletes';

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
	PERFORM vecmark_internal.register_peer(name, server);
END;
$$;

CREATE FUNCTION vecmark.drop_peer(name text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT vecmark_internal.register_peer(name, NULL) THEN
		RAISE EXCEPTION 'there is no peer "%"', name USING ERRCODE = 'undefined_object';
	END IF;
END;
$$;

COMMENT ON FUNCTION vecmark.add_peer(text, name) IS
	'names a foreign server whose database vecmark.pull(), push() and sync() exchange changes with; who calls these needs USAGE on the server and a user mapping';
COMMENT ON FUNCTION vecmark.drop_peer(text) IS 'forgets a peer; what was exchanged stays';

-- The connection, and what is asked over it.

CREATE FUNCTION vecmark_internal.peer_dblink() RETURNS name
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

CREATE FUNCTION vecmark_internal.peer_disconnect(peer text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	open text[];
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'dblink') THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT %I.dblink_get_connections()', vecmark_internal.peer_dblink()) INTO open;
	IF 'vecmark ' || peer = ANY (open) THEN
		EXECUTE format('SELECT %I.dblink_disconnect($1)', vecmark_internal.peer_dblink()) USING 'vecmark ' || peer;
	END IF;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_ask(peer text, query text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SELECT t.answer FROM %I.dblink($1, $2) AS t(answer text)', vecmark_internal.peer_dblink()) INTO answer USING 'vecmark ' || peer, query;
	RETURN answer;
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_run(peer text, command text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT %I.dblink_exec($1, $2)', vecmark_internal.peer_dblink()) USING 'vecmark ' || peer, command;
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_greeting(caller text, lock_timeout text, statement_timeout text) RETURNS jsonb
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('site', vecmark.site(), 'holds', vecmark.version()::text, 'reads', pg_is_in_recovery(), 'retired', EXISTS (SELECT FROM vecmark.peers AS p WHERE p.site = caller AND p.retired),
		'timeouts', jsonb_build_array(
			-- whoever is left alone must not hold back vacuum for ever
			CASE current_setting('idle_in_transaction_session_timeout') WHEN '0' THEN set_config('idle_in_transaction_session_timeout', '10min', false) END,
			-- what the caller does not wait for at home he does not wait for here
			CASE WHEN lock_timeout <> '0' THEN set_config('lock_timeout', lock_timeout, false) END,
			CASE WHEN statement_timeout <> '0' THEN set_config('statement_timeout', statement_timeout, false) END));
END;

CREATE FUNCTION vecmark_internal.peer_connect(peer text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	server name;
	greeting jsonb;
BEGIN
	SELECT l.server INTO server FROM vecmark.connected_peers AS l WHERE l.name = peer;
	IF server IS NULL THEN
		RAISE EXCEPTION 'there is no peer "%"', peer
			USING ERRCODE = 'undefined_object', HINT = 'SELECT vecmark.add_peer(name, server).';
	ELSIF NOT has_server_privilege(server, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for foreign server %', server
			USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT USAGE ON FOREIGN SERVER %I TO %I.', server, current_user);
	END IF;
	PERFORM vecmark_internal.peer_disconnect(peer);
	PERFORM vecmark_internal.lock_peer(peer);
	EXECUTE format('SELECT %I.dblink_connect($1, $2)', vecmark_internal.peer_dblink()) USING 'vecmark ' || peer, server::text;
	IF vecmark_internal.peer_ask(peer, $q$SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'vecmark'$q$) IS NULL THEN
		RAISE EXCEPTION 'peer "%" does not have extension "vecmark"', peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CREATE EXTENSION vecmark and track tables there.';
	END IF;
	greeting := vecmark_internal.peer_ask(peer, format('SELECT vecmark_internal.peer_greeting(%L::pg_catalog.text, %L::pg_catalog.text, %L::pg_catalog.text)',
		vecmark.site(), current_setting('lock_timeout'), current_setting('statement_timeout')))::jsonb;
	IF greeting->>'site' = vecmark.site() THEN
		RAISE EXCEPTION 'peer "%" is this database, or a copy of it that has not been written yet', peer USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	RETURN (greeting - 'timeouts') || jsonb_build_object('peer', peer, 'begun', clock_timestamp(), 'status', 'merged', 'deltas', 0, 'rows', 0, 'parked', 0, 'conflicts', 0,
		'bytes', 0, 'trips', 3, 'deleted', '{}'::jsonb);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(peer);
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.peer_dblink() IS 'the schema of extension dblink; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_disconnect(text) IS 'ends the connection to a peer, if there is one; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_ask(text, text) IS 'what a query with one row of one column answers at a peer that is connected; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_run(text, text) IS 'runs a command at a peer that is connected; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_greeting(text, text, text) IS 'what a database says of itself to a peer that connects; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_connect(text) IS 'connects to a peer and begins an exchange; for vecmark.pull() and its like';

-- Merges that do not delete more than they should.

CREATE TYPE vecmark_internal.guarded_result AS (
	status text,
	applied bigint,
	parked bigint,
	conflicts bigint,
	deleted jsonb
);

COMMENT ON TYPE vecmark_internal.guarded_result IS 'what vecmark_internal.guarded_merge() did: as vecmark.merge_result, and rows that were deleted so far of each table';

CREATE FUNCTION vecmark_internal.count_rows(rel regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_count_rows'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark_internal.count_rows(regclass) IS 'how many rows a tracked table has, for who may read it whole';

CREATE FUNCTION vecmark_internal.refuse_share(rel regclass, deleted bigint, rows bigint, most_deleted real) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_refuse_share'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION vecmark_internal.refuse_share(regclass, bigint, bigint, real) IS 'raises VM004 for deletes of 1,000 rows or more that are more than a share of a table''s';

CREATE FUNCTION vecmark_internal.refuse_deletes(d vecmark.delta, most_deleted real, deleted jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	dead record;
	total bigint;
	live bigint;
BEGIN
	IF d IS NULL OR most_deleted IS NULL OR deleted IS NULL THEN
		RAISE EXCEPTION 'delta, most_deleted and deleted may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	FOR dead IN SELECT x.rel, x.rows FROM vecmark_internal.deletes(d) AS x LOOP
		total := coalesce((deleted->>dead.rel::oid::text)::bigint, 0) + dead.rows;
		-- counting is for when it matters; of those that are deleted, some may be gone already
		IF total >= 1000 THEN
			live := vecmark_internal.count_rows(dead.rel);
			PERFORM vecmark_internal.refuse_share(dead.rel, total, live, most_deleted);
		END IF;
		deleted := deleted || jsonb_build_object(dead.rel::oid::text, total);
	END LOOP;
	RETURN deleted;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.refuse_deletes(vecmark.delta, real, jsonb) IS
	'raises VM004 if a delta, with what was deleted before, deletes 1,000 rows or more of a table and more than a share of them; else the new sums';

CREATE FUNCTION vecmark_internal.guarded_merge(d vecmark.delta, mode text, most_deleted real, deleted jsonb DEFAULT '{}') RETURNS vecmark_internal.guarded_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 100000
AS $$
DECLARE
	sums constant jsonb := vecmark_internal.refuse_deletes(d, most_deleted, deleted);
	merged vecmark.merge_result;
	result vecmark_internal.guarded_result;
BEGIN
	IF mode IS NULL THEN
		RAISE EXCEPTION 'the mode may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	merged := vecmark.merge(d, mode);
	result.status := merged.status;
	result.applied := merged.applied;
	result.parked := merged.parked;
	result.conflicts := merged.conflicts;
	result.deleted := sums;
	RETURN result;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.guarded_merge(vecmark.delta, text, real, jsonb) IS
	'merges a delta unless that, with what was deleted before, deletes 1,000 rows or more of a table and more than a share of them (VM004)';
