-- peer_exchange.sql: changes pulled from a peer and pushed to it.

-- Steps of an exchange.

CREATE FUNCTION vecmark_internal.refuse_nulls(peer text, max_bytes integer, most_deleted real) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF peer IS NULL OR max_bytes IS NULL OR most_deleted IS NULL THEN
		RAISE EXCEPTION 'peer, max_bytes and most_deleted may not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_count(exchange jsonb, bytes bigint, trips bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT exchange || jsonb_build_object('bytes', (exchange->>'bytes')::bigint + bytes, 'trips', (exchange->>'trips')::bigint + trips);
END;

CREATE FUNCTION vecmark_internal.peer_add_up(exchange jsonb, merged vecmark_internal.guarded_result, bytes bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark_internal.peer_count(exchange, bytes, 1) || jsonb_build_object('deltas', (exchange->>'deltas')::bigint + 1, 'rows', (exchange->>'rows')::bigint + merged.applied,
		'parked', (exchange->>'parked')::bigint + merged.parked, 'conflicts', (exchange->>'conflicts')::bigint + merged.conflicts,
		'status', merged.status, 'deleted', merged.deleted);
END;

CREATE FUNCTION vecmark_internal.peer_note(exchange jsonb, what text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF exchange->>'status' = 'partial' THEN
		RAISE NOTICE '% so far: % rows, % bytes', what, exchange->>'rows', exchange->>'bytes';
	END IF;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_begin(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (exchange->>'retired')::boolean THEN
		PERFORM vecmark_internal.peer_disconnect(exchange->>'peer');
		RAISE EXCEPTION 'this database was retired at peer "%"', exchange->>'peer'
			USING ERRCODE = 'VM003', DETAIL = 'Deletes that it has not seen may have been forgotten there.', HINT = format('CALL vecmark.rejoin(%L).', exchange->>'peer');
	END IF;
	RETURN exchange || '{"deleted": {}}'::jsonb;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_open(exchange jsonb, query text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT %I.dblink_open($1, $2, $3)', vecmark_internal.peer_dblink()) USING 'vecmark ' || (exchange->>'peer'), 'vecmark', query;
	RETURN vecmark_internal.peer_count(exchange, 0, 2);
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_fetch(exchange jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	conn constant text := 'vecmark ' || (exchange->>'peer');
	part text;
BEGIN
	EXECUTE format('SELECT t.part FROM %I.dblink_fetch($1, $2, 1) AS t(part text)', vecmark_internal.peer_dblink()) INTO part USING conn, 'vecmark';
	IF part IS NULL THEN
		EXECUTE format('SELECT %I.dblink_close($1, $2)', vecmark_internal.peer_dblink()) USING conn, 'vecmark';
	END IF;
	RETURN part;
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(exchange->>'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_merge(exchange jsonb, part text, mode text, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
AS $$
BEGIN
	RETURN vecmark_internal.peer_add_up(exchange, vecmark_internal.guarded_merge(part::vecmark.delta, mode, most_deleted, exchange OPERATOR(pg_catalog.->) 'deleted'), pg_catalog.length(part));
EXCEPTION WHEN query_canceled OR OTHERS THEN
	PERFORM vecmark_internal.peer_disconnect(exchange OPERATOR(pg_catalog.->>) 'peer');
	RAISE;
END;
$$;

CREATE FUNCTION vecmark_internal.peer_send(exchange jsonb, part vecmark.delta, mode text, most_deleted real) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN vecmark_internal.peer_add_up(exchange, jsonb_populate_record(NULL::vecmark_internal.guarded_result, vecmark_internal.peer_ask(exchange->>'peer',
		format('SELECT pg_catalog.to_jsonb(m) FROM vecmark_internal.guarded_merge(%L::vecmark.delta, %L::pg_catalog.text, %L::pg_catalog.float4, %L::pg_catalog.jsonb) AS m',
			part, mode, most_deleted, exchange->'deleted'))::jsonb), length(part::text));
END;
$$;

CREATE FUNCTION vecmark_internal.peer_version(exchange jsonb) RETURNS vecmark.version_vector
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT vecmark_internal.peer_ask(exchange->>'peer', 'SELECT vecmark.version()')::vecmark.version_vector;
END;

CREATE FUNCTION vecmark_internal.changes_query(since vecmark.version_vector, max_bytes integer) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('SELECT d FROM vecmark.changes(%L::vecmark.version_vector, NULL::pg_catalog.regclass[], %L::pg_catalog.int4) AS d', since, max_bytes);
END;

CREATE FUNCTION vecmark_internal.peer_end(exchange jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	summary constant jsonb := (exchange - '{begun,deleted,holds,reads,retired,claims,told}'::text[])
		|| jsonb_build_object('ms', round(extract(epoch FROM clock_timestamp() - (exchange->>'begun')::timestamptz) * 1000));
BEGIN
	-- what is held here may be forgotten there, if one may say so
	BEGIN
		IF NOT (exchange->>'reads')::boolean THEN
			PERFORM vecmark_internal.peer_ask(exchange->>'peer', format('SELECT vecmark.ack(%L::pg_catalog.text, %L::vecmark.version_vector)', vecmark.site(), vecmark.version()));
		END IF;
	EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction THEN
		RAISE NOTICE 'peer "%" was not told what is held here: %', exchange->>'peer', SQLERRM;
	END;
	PERFORM vecmark_internal.peer_disconnect(exchange->>'peer');
	-- and nothing that the peer has not seen here, though there was nothing to pull
	IF NOT EXISTS (SELECT FROM vecmark.peers AS p WHERE p.site = exchange->>'site' AND p.retired) THEN
		PERFORM vecmark.ack(exchange->>'site', (exchange->>'holds')::vecmark.version_vector);
	END IF;
	PERFORM vecmark_internal.note_peer(exchange->>'peer', exchange->>'site', summary);
	PERFORM vecmark_internal.unlock_peer();
	RETURN summary;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.refuse_nulls(text, integer, real) IS 'raises 22004 for arguments of vecmark.pull() and its like that are null';
COMMENT ON FUNCTION vecmark_internal.peer_count(jsonb, bigint, bigint) IS 'the sums of an exchange with bytes and round trips more; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_add_up(jsonb, vecmark_internal.guarded_result, bigint) IS 'the sums of an exchange with a delta more; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_note(jsonb, text) IS 'says how far an exchange is that has several parts; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_begin(jsonb) IS 'begins one direction of an exchange; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_open(jsonb, text) IS 'begins to read deltas from a peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_fetch(jsonb) IS 'the next delta from a peer; null at the end; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_merge(jsonb, text, text, real) IS 'merges a delta that came from a peer; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_send(jsonb, vecmark.delta, text, real) IS 'has a peer merge a delta; for vecmark.push() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_version(jsonb) IS 'what a connected peer holds; for vecmark.push() and its like';
COMMENT ON FUNCTION vecmark_internal.changes_query(vecmark.version_vector, integer) IS 'the query for a peer''s changes; for vecmark.pull() and its like';
COMMENT ON FUNCTION vecmark_internal.peer_end(jsonb) IS 'tells a peer what is held here, ends the connection, and records and returns what was done; for vecmark.pull() and its like';

-- Exchanges: a delta at a time, each in a transaction of its own.

CREATE PROCEDURE vecmark_internal.peer_merge_all(INOUT exchange jsonb, mode text, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	part text;
BEGIN
	LOOP
		part := vecmark_internal.peer_fetch(exchange);
		EXIT WHEN part IS NULL;
		exchange := vecmark_internal.peer_merge(exchange, part, mode, most_deleted);
		COMMIT;
		PERFORM vecmark_internal.peer_note(exchange, 'pulled');
	END LOOP;
	exchange := vecmark_internal.peer_count(exchange, 0, 2);
	COMMIT;
END;
$$;

CREATE PROCEDURE vecmark_internal.peer_pull(INOUT exchange jsonb, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
BEGIN
	exchange := vecmark_internal.peer_open(vecmark_internal.peer_begin(exchange), vecmark_internal.changes_query(vecmark.version(), max_bytes));
	CALL vecmark_internal.peer_merge_all(exchange, 'strict', most_deleted);
END;
$$;

CREATE PROCEDURE vecmark_internal.peer_push(INOUT exchange jsonb, max_bytes integer, most_deleted real)
LANGUAGE plpgsql
AS $$
DECLARE
	since vecmark.version_vector;
	part vecmark.delta;
BEGIN
	exchange := vecmark_internal.peer_begin(exchange);
	since := vecmark_internal.peer_version(exchange);
	COMMIT;
	FOR part IN SELECT d FROM vecmark.changes(since, NULL, max_bytes) AS d LOOP
		exchange := vecmark_internal.peer_send(exchange, part, 'strict', most_deleted);
		COMMIT;
		PERFORM vecmark_internal.peer_note(exchange, 'pushed');
	END LOOP;
END;
$$;

COMMENT ON PROCEDURE vecmark_internal.peer_merge_all(jsonb, text, real) IS 'merges all deltas that are read from a peer; for vecmark.pull() and its like';
COMMENT ON PROCEDURE vecmark_internal.peer_pull(jsonb, integer, real) IS 'merges what a connected peer has and this database lacks; for vecmark.pull() and vecmark.sync()';
COMMENT ON PROCEDURE vecmark_internal.peer_push(jsonb, integer, real) IS 'has a connected peer merge what it lacks; for vecmark.push() and vecmark.sync()';

CREATE PROCEDURE vecmark.pull(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
BEGIN
	PERFORM vecmark_internal.refuse_nulls(peer, max_bytes, most_deleted);
	-- within a transaction block this says so before anything is done
	COMMIT;
	exchange := vecmark_internal.peer_connect(peer);
	COMMIT;
	CALL vecmark_internal.peer_pull(exchange, max_bytes, most_deleted);
	summary := vecmark_internal.peer_end(exchange);
END;
$$;

CREATE PROCEDURE vecmark.push(peer text, INOUT summary jsonb DEFAULT NULL, max_bytes integer DEFAULT 1000000, most_deleted real DEFAULT 0.2)
LANGUAGE plpgsql
AS $$
DECLARE
	exchange jsonb;
BEGIN
	PERFORM vecmark_internal.refuse_nulls(peer, max_bytes, most_deleted);
	COMMIT;
	exchange := vecmark_internal.peer_connect(peer);
	COMMIT;
	CALL vecmark_internal.peer_push(exchange, max_bytes, most_deleted);
	summary := vecmark_internal.peer_end(exchange);
END;
$$;

COMMENT ON PROCEDURE vecmark.pull(text, jsonb, integer, real) IS
	'merges what a peer has and this database lacks, in parts of max_bytes that commit; refuses (VM004) to delete 1,000 rows or more of a table that are more than a share of it; may be called again whenever it was interrupted';
COMMENT ON PROCEDURE vecmark.push(text, jsonb, integer, real) IS
	'has a peer merge what it lacks of this database; as vecmark.pull()';
