-- peer.sql: exchanges with another database over a connection, by dblink.

-- Procedures that commit cannot set search_path, and merges run under the caller's, as triggers of users do: such bodies
-- call functions that set it, and qualify all else.  So do queries for the peer, whose path is not known.

-- Only C code writes these.
CREATE TABLE vecmark.peer_link (
	name text PRIMARY KEY,
	server name NOT NULL,
	site text,
	at timestamptz,
	summary jsonb
);
CREATE TABLE vecmark.peer_alarm (
	peer text NOT NULL,
	rel regclass NOT NULL,
	first timestamptz NOT NULL,
	last timestamptz NOT NULL,
	times bigint NOT NULL,
	detail jsonb NOT NULL
);

COMMENT ON TABLE vecmark.peer_link IS 'peers that are reached over a connection, and how the last exchange ended';
COMMENT ON TABLE vecmark.peer_alarm IS 'tables that were unlike a peer''s though neither had changes that the other lacked';

SELECT pg_catalog.pg_extension_config_dump('vecmark.peer_link', '');

CREATE VIEW vecmark.connected_peers AS
SELECT l.name, l.server, l.site, l.at, l.summary FROM vecmark.peer_link AS l;

CREATE VIEW vecmark.alarms WITH (security_barrier) AS
SELECT a.peer, a.rel, a.first, a.last, a.times, a.detail FROM vecmark.peer_alarm AS a WHERE pg_catalog.has_table_privilege(a.rel, 'SELECT');

CREATE VIEW vecmark.peer_health AS
SELECT 'alarms' AS part, count(*) = 0 AS ok,
	pg_catalog.format('%s tables were unlike a peer''s: vecmark.alarms says how; repair them, and SELECT vecmark.clear_alarms()', count(*)) AS detail
FROM vecmark.peer_alarm AS a WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = a.rel);

COMMENT ON VIEW vecmark.connected_peers IS 'peers that are reached over a connection: foreign server, site, when and how the last exchange ended';
COMMENT ON VIEW vecmark.alarms IS 'tables, of those that the caller may read, that were unlike a peer''s though neither had changes that the other lacked: since when, how often, and how the last time';
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

CREATE FUNCTION vecmark.peer_disconnect(peer text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	open text[];
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'dblink') THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT %I.dblink_get_connections()', vecmark.peer_dblink()) INTO open;
	IF 'vecmark ' || peer = ANY (open) THEN
		EXECUTE format('SELECT %I.dblink_disconnect($1)', vecmark.peer_dblink()) USING 'vecmark ' || peer;
	END IF;
END;
$$;

CREATE FUNCTION vecmark.peer_ask(peer text, query text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SELECT t.answer FROM %I.dblink($1, $2) AS t(answer text)', vecmark.peer_dblink()) INTO answer USING 'vecmark ' || peer, query;
	RETURN answer;
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_run(peer text, command text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT %I.dblink_exec($1, $2)', vecmark.peer_dblink()) USING 'vecmark ' || peer, command;
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_greeting(caller text) RETURNS jsonb
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('site', vecmark.site(), 'reads', pg_is_in_recovery(), 'retired', EXISTS (SELECT FROM vecmark.peers AS p WHERE p.site = caller AND p.retired),
		-- whoever is left alone must not hold back vacuum for ever
		'timeout', CASE current_setting('idle_in_transaction_session_timeout') WHEN '0' THEN set_config('idle_in_transaction_session_timeout', '10min', false) END);
END;

CREATE FUNCTION vecmark.peer_connect(peer text) RETURNS jsonb
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
	PERFORM vecmark.peer_disconnect(peer);
	EXECUTE format('SELECT %I.dblink_connect($1, $2)', vecmark.peer_dblink()) USING 'vecmark ' || peer, server::text;
	IF vecmark.peer_ask(peer, $q$SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'vecmark'$q$) IS NULL THEN
		RAISE EXCEPTION 'peer "%" does not have extension "vecmark"', peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CREATE EXTENSION vecmark and track tables there.';
	END IF;
	greeting := vecmark.peer_ask(peer, format('SELECT vecmark.peer_greeting(%L::pg_catalog.text)', vecmark.site()))::jsonb;
	IF greeting->>'site' = vecmark.site() THEN
		RAISE EXCEPTION 'peer "%" is this database, or a copy of it that has not been written yet', peer USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	RETURN (greeting - 'timeout') || jsonb_build_object('peer', peer, 'begun', clock_timestamp(), 'status', 'merged', 'deltas', 0, 'rows', 0, 'parked', 0, 'conflicts', 0,
		'bytes', 0, 'trips', 3, 'deleted', '{}'::jsonb);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(peer);
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark.peer_dblink() IS 'the schema of extension dblink; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_disconnect(text) IS 'ends the connection to a peer, if there is one; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_ask(text, text) IS 'what a query with one row of one column answers at a peer that is connected; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_run(text, text) IS 'runs a command at a peer that is connected; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_greeting(text) IS 'what a database says of itself to a peer that connects; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_connect(text) IS 'connects to a peer and begins an exchange; for vecmark.pull() and its like';

-- Merges that do not delete more than they should.

CREATE TYPE vecmark.guarded_result AS (
	status text,
	applied bigint,
	parked bigint,
	conflicts bigint,
	deleted jsonb
);

COMMENT ON TYPE vecmark.guarded_result IS 'what vecmark.guarded_merge() did: as vecmark.merge_result, and rows that were deleted so far of each table';

CREATE FUNCTION vecmark.refuse_deletes(d vecmark.delta, most_deleted real, deleted jsonb) RETURNS jsonb
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
	FOR dead IN SELECT x.rel, x.rows FROM vecmark.deletes(d) AS x LOOP
		total := coalesce((deleted->>dead.rel::oid::text)::bigint, 0) + dead.rows;
		IF total >= 1000 THEN
			-- of those that are counted, some may be gone already
			EXECUTE format('SELECT count(*) FROM %s', dead.rel) INTO live;
			IF total > most_deleted * greatest(live, total) THEN
				RAISE EXCEPTION 'refusing to delete % rows of table "%", where there are %', total, dead.rel, live
					USING ERRCODE = 'VM004', DETAIL = format('Others have deleted them; at most a share of %s is taken as meant.', most_deleted),
						HINT = 'If it was, call this again with most_deleted => 1.';
			END IF;
		END IF;
		deleted := deleted || jsonb_build_object(dead.rel::oid::text, total);
	END LOOP;
	RETURN deleted;
END;
$$;

COMMENT ON FUNCTION vecmark.refuse_deletes(vecmark.delta, real, jsonb) IS
	'raises VM004 if a delta, with what was deleted before, deletes 1,000 rows or more of a table and more than a share of them; else the new sums';

CREATE FUNCTION vecmark.guarded_merge(d vecmark.delta, mode text, most_deleted real, deleted jsonb DEFAULT '{}') RETURNS vecmark.guarded_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 100000
AS $$
DECLARE
	sums constant jsonb := vecmark.refuse_deletes(d, most_deleted, deleted);
	merged vecmark.merge_result;
	result vecmark.guarded_result;
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

COMMENT ON FUNCTION vecmark.guarded_merge(vecmark.delta, text, real, jsonb) IS
	'merges a delta unless that, with what was deleted before, deletes 1,000 rows or more of a table and more than a share of them (VM004)';

-- Steps of an exchange.

CREATE FUNCTION vecmark.refuse_nulls(peer text, max_bytes integer, most_deleted real) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF peer IS NULL OR max_bytes IS NULL OR most_deleted IS NULL THEN
		RAISE EXCEPTION 'peer, max_bytes and most_deleted may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
END;
$$;

CREATE FUNCTION vecmark.peer_count(exchange jsonb, bytes bigint, trips bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT exchange || jsonb_build_object('bytes', (exchange->>'bytes')::bigint + bytes, 'trips', (exchange->>'trips')::bigint + trips);
END;

CREATE FUNCTION vecmark.peer_add_up(exchange jsonb, merged vecmark.guarded_result, bytes bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark.peer_count(exchange, bytes, 1) || jsonb_build_object('deltas', (exchange->>'deltas')::bigint + 1, 'rows', (exchange->>'rows')::bigint + merged.applied,
		'parked', (exchange->>'parked')::bigint + merged.parked, 'conflicts', (exchange->>'conflicts')::bigint + merged.conflicts,
		'status', merged.status, 'deleted', merged.deleted);
END;

CREATE FUNCTION vecmark.peer_note(exchange jsonb, what text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF exchange->>'status' = 'partial' THEN
		RAISE NOTICE '% so far: % rows, % bytes', what, exchange->>'rows', exchange->>'bytes';
	END IF;
END;
$$;

CREATE FUNCTION vecmark.peer_begin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (exchange->>'retired')::boolean THEN
		PERFORM vecmark.peer_disconnect(exchange->>'peer');
		RAISE EXCEPTION 'this database was retired at peer "%"', exchange->>'peer'
			USING ERRCODE = 'VM003', DETAIL = 'Deletes that it has not seen may have been forgotten there.', HINT = format('CALL vecmark.rejoin(%L).', exchange->>'peer');
	END IF;
	RETURN exchange || '{"deleted": {}}'::jsonb;
END;
$$;

CREATE FUNCTION vecmark.peer_open(exchange jsonb, query text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT %I.dblink_open($1, $2, $3)', vecmark.peer_dblink()) USING 'vecmark ' || (exchange->>'peer'), 'vecmark', query;
	RETURN vecmark.peer_count(exchange, 0, 2);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_fetch(exchange jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	conn constant text := 'vecmark ' || (exchange->>'peer');
	part text;
BEGIN
	EXECUTE format('SELECT t.part FROM %I.dblink_fetch($1, $2, 1) AS t(part text)', vecmark.peer_dblink()) INTO part USING conn, 'vecmark';
	IF part IS NULL THEN
		EXECUTE format('SELECT %I.dblink_close($1, $2)', vecmark.peer_dblink()) USING conn, 'vecmark';
	END IF;
	RETURN part;
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_merge(exchange jsonb, part text, mode text, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
AS $$
BEGIN
	RETURN vecmark.peer_add_up(exchange, vecmark.guarded_merge(part::vecmark.delta, mode, most_deleted, vecmark.peer_deleted(exchange)), pg_catalog.length(part));
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_hang_up(exchange);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_deleted(exchange jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT exchange->'deleted';
END;

CREATE FUNCTION vecmark.peer_hang_up(exchange jsonb) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark.peer_disconnect(exchange->>'peer');
END;

CREATE FUNCTION vecmark.peer_send(exchange jsonb, part vecmark.delta, mode text, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN vecmark.peer_add_up(exchange, jsonb_populate_record(NULL::vecmark.guarded_result, vecmark.peer_ask(exchange->>'peer',
		format('SELECT pg_catalog.to_jsonb(m) FROM vecmark.guarded_merge(%L::vecmark.delta, %L::pg_catalog.text, %L::pg_catalog.float4, %L::pg_catalog.jsonb) AS m',
			part, mode, most_deleted, exchange->'deleted'))::jsonb), length(part::text));
END;
$$;

CREATE FUNCTION vecmark.peer_version(exchange jsonb) RETURNS vecmark.version_vector
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark.peer_ask(exchange->>'peer', 'SELECT vecmark.version()')::vecmark.version_vector;
END;

CREATE FUNCTION vecmark.changes_query(since vecmark.version_vector, max_bytes integer) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('SELECT d FROM vecmark.changes(%L::vecmark.version_vector, NULL::pg_catalog.regclass[], %L::pg_catalog.int4) AS d', since, max_bytes);
END;

CREATE FUNCTION vecmark.peer_end(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	summary constant jsonb := (exchange - '{begun,deleted,reads,retired,claims,told}'::text[])
		|| jsonb_build_object('ms', round(extract(epoch FROM clock_timestamp() - (exchange->>'begun')::timestamptz) * 1000));
BEGIN
	-- what is held here may be forgotten there, if one may say so
	BEGIN
		IF NOT (exchange->>'reads')::boolean THEN
			PERFORM vecmark.peer_ask(exchange->>'peer', format('SELECT vecmark.ack(%L::pg_catalog.text, %L::vecmark.version_vector)', vecmark.site(), vecmark.version()));
		END IF;
	EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction THEN
		RAISE NOTICE 'peer "%" was not told what is held here: %', exchange->>'peer', SQLERRM;
	END;
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	PERFORM vecmark.note_peer(exchange->>'peer', exchange->>'site', summary);
	RETURN summary;
END;
$$;

COMMENT ON FUNCTION vecmark.refuse_nulls(text, integer, real) IS 'raises 22004 for arguments of vecmark.pull() and its like that are null';
COMMENT ON FUNCTION vecmark.peer_count(jsonb, bigint, bigint) IS 'the sums of an exchange with bytes and round trips more; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_add_up(jsonb, vecmark.guarded_result, bigint) IS 'the sums of an exchange with a delta more; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_note(jsonb, text) IS 'says how far an exchange is that has several parts; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_begin(jsonb) IS 'begins one direction of an exchange; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_open(jsonb, text) IS 'begins to read deltas from a peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_fetch(jsonb) IS 'the next delta from a peer; null at the end; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_merge(jsonb, text, text, real) IS 'merges a delta that came from a peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_deleted(jsonb) IS 'rows that an exchange has deleted; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_hang_up(jsonb) IS 'ends the connection of an exchange; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_send(jsonb, vecmark.delta, text, real) IS 'has a peer merge a delta; for vecmark.push() and its like';
COMMENT ON FUNCTION vecmark.peer_version(jsonb) IS 'what a connected peer holds; for vecmark.push() and its like';
COMMENT ON FUNCTION vecmark.changes_query(vecmark.version_vector, integer) IS 'the query for a peer''s changes; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark.peer_end(jsonb) IS 'tells a peer what is held here, ends the connection, and records and returns what was done; for vecmark.pull() and its like';

-- Exchanges: a delta at a time, each in a transaction of its own.

CREATE PROCEDURE vecmark.peer_merge_all(INOUT exchange jsonb, mode text, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	part text;
BEGIN
	LOOP
		part := vecmark.peer_fetch(exchange);
		EXIT WHEN part IS NULL;
		exchange := vecmark.peer_merge(exchange, part, mode, most_deleted);
		COMMIT;
		PERFORM vecmark.peer_note(exchange, 'pulled');
	END LOOP;
	exchange := vecmark.peer_count(exchange, 0, 2);
	COMMIT;
END;
$$;

CREATE PROCEDURE vecmark.peer_pull(INOUT exchange jsonb, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
BEGIN
	exchange := vecmark.peer_open(vecmark.peer_begin(exchange), vecmark.changes_query(vecmark.version(), max_bytes));
	CALL vecmark.peer_merge_all(exchange, 'strict', most_deleted);
END;
$$;

CREATE PROCEDURE vecmark.peer_push(INOUT exchange jsonb, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	since vecmark.version_vector;
	part vecmark.delta;
BEGIN
	exchange := vecmark.peer_begin(exchange);
	since := vecmark.peer_version(exchange);
	COMMIT;
	FOR part IN SELECT d FROM vecmark.changes(since, NULL, max_bytes) AS d LOOP
		exchange := vecmark.peer_send(exchange, part, 'strict', most_deleted);
		COMMIT;
		PERFORM vecmark.peer_note(exchange, 'pushed');
	END LOOP;
END;
$$;

COMMENT ON PROCEDURE vecmark.peer_merge_all(jsonb, text, real) IS 'merges all deltas that are read from a peer; for vecmark.pull() and its like';
COMMENT ON PROCEDURE vecmark.peer_pull(jsonb, integer, real) IS 'merges what a connected peer has and this database lacks; for vecmark.pull() and vecmark.sync()';
COMMENT ON PROCEDURE vecmark.peer_push(jsonb, integer, real) IS 'has a connected peer merge what it lacks; for vecmark.push() and vecmark.sync()';

CREATE PROCEDURE vecmark.pull(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
BEGIN
	PERFORM vecmark.refuse_nulls(peer, max_bytes, most_deleted);
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
	PERFORM vecmark.refuse_nulls(peer, max_bytes, most_deleted);
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

CREATE FUNCTION vecmark.leaves_of(buckets integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(b * 256 + i ORDER BY b, i), '{}') FROM unnest(buckets) AS b, generate_series(0, 255) AS i;
END;

CREATE FUNCTION vecmark.peer_root(name text, since vecmark.version_vector) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel regclass;
BEGIN
	SELECT t.rel INTO rel FROM vecmark.tracked AS t JOIN vecmark.digests AS g ON g.rel = t.rel WHERE t.name = peer_root.name;
	IF rel IS NULL THEN
		RETURN jsonb_build_object('state', 'no digest');
	ELSIF NOT vecmark.digest_is_current(rel) THEN
		RETURN jsonb_build_object('state', 'altered');
	END IF;
	RETURN (SELECT jsonb_build_object('state', 'current', 'rel', rel::oid, 'version', r.version::text, 'format', r.format, 'hash', encode(r.hash, 'hex'), 'rows', r.rows,
			'settled', r.settled, 'ahead', vecmark.has_changes(since, ARRAY[rel]),
			-- a row of which only a part is there, though all has come, was lost
			'incomplete', EXISTS (SELECT FROM vecmark.parked AS p WHERE p.name = peer_root.name AND p.sqlstate = 'P0002'))
		FROM vecmark.root(rel) AS r);
END;
$$;

CREATE FUNCTION vecmark.peer_leaves(peer text, rel regclass, there text, OUT leaves integer[], OUT bytes bigint)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
	coarse integer[];
BEGIN
	answer := vecmark.peer_ask(peer, format($q$SELECT pg_catalog.encode(vecmark.bucket_hashes(%L::pg_catalog.regclass), 'base64')$q$, there));
	bytes := length(answer);
	coarse := vecmark.bucket_diff(rel, 8, decode(answer, 'base64'));
	answer := vecmark.peer_ask(peer, format(
		$q$SELECT pg_catalog.encode(vecmark.bucket_hashes(%L::pg_catalog.regclass, '16'::pg_catalog.int4, vecmark.leaves_of(%L::pg_catalog.int4[])), 'base64')$q$, there, coarse));
	bytes := bytes + length(answer) + length(coarse::text);
	leaves := vecmark.bucket_diff(rel, 16, decode(answer, 'base64'), vecmark.leaves_of(coarse));
END;
$$;

CREATE FUNCTION vecmark.peer_compare(exchange jsonb, rel regclass) RETURNS jsonb
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
	here := vecmark.peer_root(published, '{}');
	there := vecmark.peer_ask(peer, format('SELECT vecmark.peer_root(%L::pg_catalog.text, %L::vecmark.version_vector)', published, coalesce(here->>'version', '{}')))::jsonb;
	bytes := length(there::text);
	IF here->>'state' <> 'current' OR there->>'state' <> 'current' THEN
		status := CASE WHEN here->>'state' <> 'current' THEN (here->>'state') || ' here' ELSE (there->>'state') || ' there' END;
	ELSE
		here := vecmark.peer_root(published, (there->>'version')::vecmark.version_vector);
		status := CASE
			WHEN there->>'format' <> here->>'format' THEN 'other format'
			WHEN (there->>'ahead')::boolean OR (here->>'ahead')::boolean THEN 'behind'
			WHEN (there->>'incomplete')::boolean OR (here->>'incomplete')::boolean THEN 'unlike'
			WHEN NOT (there->>'settled')::boolean OR NOT (here->>'settled')::boolean THEN 'unsettled'
			WHEN there->>'hash' = here->>'hash' THEN 'equal'
			ELSE 'unlike' END;
	END IF;
	IF status = 'unlike' THEN
		differing := vecmark.peer_leaves(peer, rel, there->>'rel');
		leaves := differing.leaves;
		bytes := bytes + differing.bytes;
		trips := 3;
	END IF;
	RETURN jsonb_build_object('status', status, 'published', published, 'rel', there->'rel', 'rows_here', here->'rows', 'rows_there', there->'rows', 'leaves', to_jsonb(leaves),
		'bytes', bytes, 'trips', trips);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(peer);
	RAISE;
END;
$$;

COMMENT ON FUNCTION vecmark.leaves_of(integer[]) IS 'the leaves in buckets of 8 bits';
COMMENT ON FUNCTION vecmark.peer_root(text, vecmark.version_vector) IS 'the root of a table by its published name, and whether it has changes since a version; for vecmark.sync() of a peer';
COMMENT ON FUNCTION vecmark.peer_leaves(text, regclass, text) IS 'leaves of a table that are unlike those of a connected peer, there being the table''s oid there; for vecmark.sync()';
COMMENT ON FUNCTION vecmark.peer_compare(jsonb, regclass) IS
	'whether a table is like that of a connected peer: equal, unlike with the leaves that differ, behind (pull and push first), unsettled, other format, altered or no digest here or there; for vecmark.sync()';

CREATE FUNCTION vecmark.peer_compared(exchange jsonb, compared jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark.peer_count(exchange, (compared->>'bytes')::bigint, (compared->>'trips')::bigint)
		|| jsonb_build_object('tables', coalesce(exchange->'tables', '{}') || jsonb_build_object(compared->>'published', compared->>'status'));
END;

CREATE FUNCTION vecmark.peer_alarm(exchange jsonb, rel regclass, compared jsonb, repair text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF compared->>'status' <> 'unlike' THEN
		RETURN false;
	END IF;
	PERFORM vecmark.raise_alarm(exchange->>'peer', rel, jsonb_build_object('rows_here', compared->'rows_here', 'rows_there', compared->'rows_there',
		'leaves', jsonb_array_length(compared->'leaves'), 'repair', repair, 'damaged_leaves_here', (SELECT count(*) FROM vecmark.audit(rel))));
	RETURN repair <> 'none';
END;
$$;

CREATE FUNCTION vecmark.peer_ids(exchange jsonb, rel regclass, compared jsonb, repair text, OUT leaves integer[], OUT keys bytea, OUT counted jsonb)
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
		keys := decode(vecmark.peer_ask(exchange->>'peer', format(
			$q$SELECT pg_catalog.encode(vecmark.bucket_keys(%L::pg_catalog.regclass, '16'::pg_catalog.int4, %L::pg_catalog.int4[]), 'base64')$q$, compared->>'rel', leaves)), 'base64');
	END IF;
	counted := vecmark.peer_count(exchange || '{"deleted": {}}'::jsonb, (length(keys) + 2) / 3 * 4 + coalesce(length(leaves::text), 0), 1);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.fetch_query(there text, leaves integer[], keys bytea, max_bytes integer, repair boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format($q$SELECT d FROM vecmark.fetch(%L::pg_catalog.regclass, '16'::pg_catalog.int4, %L::pg_catalog.int4[], pg_catalog.decode(%L, 'base64'), %L::pg_catalog.int4, %L::pg_catalog.bool) AS d$q$,
		there, leaves, encode(keys, 'base64'), max_bytes, repair);
END;

CREATE FUNCTION vecmark.peer_rel(compared jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT compared->>'rel';
END;

CREATE PROCEDURE vecmark.peer_repair(INOUT exchange jsonb, rel regclass, compared jsonb, pulls boolean, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	ids record;
	part vecmark.delta;
BEGIN
	ids := vecmark.peer_ids(exchange, rel, compared, CASE WHEN pulls THEN 'pull' ELSE 'push' END);
	exchange := ids.counted;
	COMMIT;
	IF pulls THEN
		exchange := vecmark.peer_open(exchange, vecmark.fetch_query(vecmark.peer_rel(compared), ids.leaves, ids.keys, max_bytes, true));
		CALL vecmark.peer_merge_all(exchange, 'repair', most_deleted);
	ELSE
		FOR part IN SELECT d FROM vecmark.fetch(rel, 16, ids.leaves, ids.keys, max_bytes) AS d LOOP
			exchange := vecmark.peer_send(exchange, part, 'repair', most_deleted);
			COMMIT;
		END LOOP;
	END IF;
END;
$$;

CREATE PROCEDURE vecmark.peer_verify(INOUT exchange jsonb, repair text, pulls boolean, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	digest record;
	compared jsonb;
	repairs boolean;
BEGIN
	FOR digest IN SELECT d.rel FROM vecmark.digests AS d LOOP
		compared := vecmark.peer_compare(exchange, digest.rel);
		repairs := vecmark.peer_alarm(exchange, digest.rel, compared, repair);
		exchange := vecmark.peer_compared(exchange, compared);
		COMMIT;
		IF repairs THEN
			CALL vecmark.peer_repair(exchange, digest.rel, compared, pulls, max_bytes, most_deleted);
			exchange := vecmark.peer_compared(exchange, vecmark.peer_compare(exchange, digest.rel));
			COMMIT;
		END IF;
	END LOOP;
END;
$$;

CREATE FUNCTION vecmark.peer_pulls(repair text) RETURNS boolean
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

CREATE FUNCTION vecmark.peer_takes(exchange jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT NOT (exchange->>'reads')::boolean;
END;

COMMENT ON FUNCTION vecmark.peer_compared(jsonb, jsonb) IS 'an exchange with what became of a table; for vecmark.sync()';
COMMENT ON FUNCTION vecmark.peer_alarm(jsonb, regclass, jsonb, text) IS 'raises an alarm for a table that is unlike; whether it is to be repaired; for vecmark.sync()';
COMMENT ON FUNCTION vecmark.peer_ids(jsonb, regclass, jsonb, text) IS 'numbers of rows of leaves that differ, where they are to be repaired; for vecmark.sync()';
COMMENT ON FUNCTION vecmark.fetch_query(text, integer[], bytea, integer, boolean) IS 'the query for a peer''s rows in leaves; for vecmark.sync() and vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_rel(jsonb) IS 'the oid at a peer of a table that was compared; for vecmark.sync()';
COMMENT ON FUNCTION vecmark.peer_pulls(text) IS 'whether a way to repair is that of pulling; for vecmark.sync()';
COMMENT ON FUNCTION vecmark.peer_takes(jsonb) IS 'whether a peer is no standby; for vecmark.sync()';
COMMENT ON PROCEDURE vecmark.peer_repair(jsonb, regclass, jsonb, boolean, integer, real) IS 'repairs a table that is unlike that of a connected peer; for vecmark.sync()';
COMMENT ON PROCEDURE vecmark.peer_verify(jsonb, text, boolean, integer, real) IS 'compares tables that have digests with a connected peer''s, raises alarms, and repairs; for vecmark.sync()';

CREATE PROCEDURE vecmark.sync(peer text, INOUT summary jsonb DEFAULT NULL, repair text DEFAULT 'none', max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
	pulls constant boolean := vecmark.peer_pulls(repair);
BEGIN
	PERFORM vecmark.refuse_nulls(peer, max_bytes, most_deleted);
	COMMIT;
	exchange := vecmark.peer_connect(peer);
	CALL vecmark.peer_pull(exchange, max_bytes, most_deleted);
	IF vecmark.peer_takes(exchange) THEN
		CALL vecmark.peer_push(exchange, max_bytes, most_deleted);
	END IF;
	CALL vecmark.peer_verify(exchange, repair, pulls, max_bytes, most_deleted);
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
	peer constant text := exchange->>'peer';
	missing text;
BEGIN
	SELECT string_agg(t.name, ', ') INTO missing FROM vecmark.tracked AS t WHERE NOT EXISTS (SELECT FROM vecmark.digests AS d WHERE d.rel = t.rel);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'tracked tables without a digest: %', missing
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.build_digest(table), here and at the peer.';
	END IF;
	PERFORM vecmark.peer_run(peer, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
	RETURN vecmark.peer_count(exchange, 0, 3) || jsonb_build_object('claims', vecmark.peer_ask(peer, 'SELECT vecmark.claims()'), 'told', vecmark.peer_version(exchange)::text);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_disconnect(peer);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_begin_rejoin_of(exchange jsonb, rel regclass, max_bytes integer, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
AS $$
DECLARE
	differing record;
BEGIN
	-- deletes fire triggers of users, and so run under the caller's path
	differing := vecmark.peer_differing(exchange, rel);
	RETURN vecmark.peer_open_rejoin_of(exchange, rel, differing.there, differing.leaves, differing.bytes, max_bytes,
		vecmark.delete_missing(rel, 16, differing.leaves, differing.rows_there, differing.told, most_deleted));
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_hang_up(exchange);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_differing(exchange jsonb, rel regclass, OUT there text, OUT leaves integer[], OUT bytes bigint, OUT rows_there bytea, OUT told vecmark.version_vector)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	peer constant text := exchange->>'peer';
	published constant text := (SELECT t.name FROM vecmark.tracked AS t WHERE t.rel = peer_differing.rel);
	root jsonb;
BEGIN
	root := vecmark.peer_ask(peer, format('SELECT vecmark.peer_root(%L::pg_catalog.text, %L::vecmark.version_vector)', published, '{}'))::jsonb;
	IF root->>'state' <> 'current' OR (root->>'format')::bigint <> (SELECT r.format FROM vecmark.root(rel) AS r) THEN
		RAISE EXCEPTION 'table "%" has no digest at peer "%", or one of another seed or other columns', rel, peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.build_digest(table) with the same seed on both.';
	ELSIF NOT (root->>'settled')::boolean THEN
		RAISE EXCEPTION 'table "%" has rows at peer "%" that cannot be shown there', rel, peer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See vecmark.parked there, or wait until its exchanges have ended.';
	END IF;
	there := root->>'rel';
	SELECT l.leaves, l.bytes INTO leaves, bytes FROM vecmark.peer_leaves(peer, rel, there) AS l;
	rows_there := decode(vecmark.peer_ask(peer, format(
		$q$SELECT pg_catalog.encode(vecmark.bucket_rows(%L::pg_catalog.regclass, '16'::pg_catalog.int4, %L::pg_catalog.int4[]), 'base64')$q$, there, leaves)), 'base64');
	bytes := bytes + length(rows_there) / 3 * 4 + length(leaves::text);
	told := (exchange->>'told')::vecmark.version_vector;
END;
$$;

CREATE FUNCTION vecmark.peer_open_rejoin_of(exchange jsonb, rel regclass, there text, leaves integer[], bytes bigint, max_bytes integer, gone bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keys constant bytea := vecmark.bucket_keys(rel, 16, leaves);
BEGIN
	RETURN vecmark.peer_open(vecmark.peer_count(exchange, bytes + length(keys) / 3 * 4 + length(leaves::text), 4)
		|| jsonb_build_object('rows', (exchange->>'rows')::bigint + gone, 'deleted', '{}'::jsonb),
		vecmark.fetch_query(there, leaves, keys, max_bytes, false));
END;
$$;

CREATE FUNCTION vecmark.peer_end_rejoin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
AS $$
BEGIN
	PERFORM vecmark.merge(vecmark.peer_claims(exchange), 'rejoin');
	PERFORM vecmark.peer_commit(exchange);
	RETURN vecmark.peer_count(exchange, 0, 1);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark.peer_hang_up(exchange);
	RAISE;
END;
$$;

CREATE FUNCTION vecmark.peer_claims(exchange jsonb) RETURNS vecmark.delta
LANGUAGE sql STABLE PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT (exchange->>'claims')::vecmark.delta;
END;

CREATE FUNCTION vecmark.peer_commit(exchange jsonb) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark.peer_run(exchange->>'peer', 'COMMIT');
END;

COMMENT ON FUNCTION vecmark.peer_begin_rejoin(jsonb) IS 'begins to read all of a connected peer at one moment; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_begin_rejoin_of(jsonb, regclass, integer, real) IS 'deletes rows of a table that are gone at a connected peer, and begins to read those that differ; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_differing(jsonb, regclass) IS 'leaves of a table that differ from a connected peer''s, and the keys of its rows in them; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_open_rejoin_of(jsonb, regclass, text, integer[], bigint, integer, bigint) IS 'begins to read rows that differ; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_end_rejoin(jsonb) IS 'takes over what a connected peer holds and has forgotten, when all of it is here; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_claims(jsonb) IS 'what a peer said that it holds; for vecmark.rejoin()';
COMMENT ON FUNCTION vecmark.peer_commit(jsonb) IS 'ends the transaction at a connected peer; for vecmark.rejoin()';

CREATE PROCEDURE vecmark.rejoin(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
	digest record;
BEGIN
	PERFORM vecmark.refuse_nulls(peer, max_bytes, most_deleted);
	COMMIT;
	exchange := vecmark.peer_begin_rejoin(vecmark.peer_connect(peer));
	COMMIT;
	FOR digest IN SELECT d.rel FROM vecmark.digests AS d LOOP
		exchange := vecmark.peer_begin_rejoin_of(exchange, digest.rel, max_bytes, most_deleted);
		COMMIT;
		CALL vecmark.peer_merge_all(exchange, 'strict', most_deleted);
	END LOOP;
	exchange := vecmark.peer_end_rejoin(exchange);
	COMMIT;
	summary := vecmark.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.rejoin(text, jsonb, integer, real) IS
	'for a database that was away until deletes it has not seen were forgotten (VM003): brings over from a peer only what differs, by digests, deletes what is gone there, keeps what was written here meanwhile, and begins a new life; nobody should write to the tables while it runs';
