-- Reading the log: what is passed over costs nothing, and nothing is passed over that is new.
SET client_min_messages = warning;
SELECT current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_log_a WITH (FORCE);
CREATE DATABASE sync_log_a;
\c sync_log_a :installer
SET client_min_messages = warning;
CREATE EXTENSION vecmark;
CREATE TABLE items (id bigint PRIMARY KEY, other boolean);
SELECT vecmark.track('items');
\a
\t on

-- 200 transactions, some of them with a number that is not in the log before the next
CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 200 LOOP
		FOR j IN 1 .. random() * 3 LOOP
			PERFORM pg_current_xact_id();
			COMMIT;
		END LOOP;
		INSERT INTO items VALUES (pg_current_xact_id()::text::bigint);
		COMMIT;
	END LOOP;
END $$;
SELECT setseed(0.5);
CALL fill();
SELECT pg_current_xact_id() IS NOT NULL AS ends;

-- versions with many holes and with few, of long ranges and of short ones
CREATE FUNCTION holey(most integer) RETURNS vecmark.version_vector LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	-- what was before the rows, that they are told from the log
	low bigint := (SELECT min(id) FROM items);
	high bigint := (SELECT max(id) FROM items);
	ranges text := format('0-%s', low - 1);
	width bigint := 2 * (high - low) / most;
BEGIN
	LOOP
		low := low + 1 + (random() * width)::bigint;
		EXIT WHEN low > high;
		ranges := ranges || format(' %s-%s', low, least(low + (random() * width)::bigint, high));
		low := low + width;
	END LOOP;
	RETURN format('{%s: %s}', vecmark.site(), ranges);
END $$;
CREATE TABLE versions AS SELECT holey(1 + n % 60) AS since FROM generate_series(1, 300) AS n;
CREATE FUNCTION lacks(since vecmark.version_vector) RETURNS bigint[] LANGUAGE sql STABLE AS $$
	SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM items WHERE NOT vecmark_internal.covers(since, (SELECT DISTINCT site FROM vecmark_internal.sync_log), id) $$;
CREATE FUNCTION told(since vecmark.version_vector) RETURNS bigint[] LANGUAGE sql STABLE AS $$
	SELECT coalesce(array_agg(k.key[1]::bigint ORDER BY k.key[1]::bigint), '{}') FROM vecmark.events(since, 1000) AS k $$;
SELECT count(*) AS versions, count(*) FILTER (WHERE lacks(since) <> '{}') > 200 AS most_lack_some,
	bool_and(told(since) = lacks(since)) AS events, bool_and(vecmark.has_changes(since) = (lacks(since) <> '{}')) AS has_changes,
	bool_and((SELECT count(*) FROM vecmark.changes(since, ARRAY['items'::regclass], 1)) = cardinality(lacks(since))) AS changes
FROM versions;

-- a hole early in a long log, as an open transaction is; and somebody new, for whom tables are read and not the log
CREATE FUNCTION buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	FOR i IN 1 .. 2 LOOP
		EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
	END LOOP;
	RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint;
END $$;
INSERT INTO vecmark_internal.sync_log SELECT x'00c0ffee00c0ffee'::bigint, n, 'items'::regclass, '\x08000000000000000a' FROM generate_series(1000, 60999) AS n;
SELECT (vecmark.version() OPERATOR(vecmark.+) '{00c0ffee00c0ffee: 0-10 12-100000}')::text AS since \gset
SELECT vecmark.has_changes(:'since');
SELECT buffers(format('SELECT vecmark.has_changes(%L)', :'since')) < 100 AS has_changes,
	buffers(format('SELECT * FROM vecmark.changes(%L)', :'since')) < 150 AS changes,
	buffers(format('SELECT * FROM vecmark.events(%L)', :'since')) < 150 AS events;
SELECT buffers('SELECT * FROM vecmark.changes()') AS with_log \gset
DELETE FROM vecmark_internal.sync_log;
VACUUM vecmark_internal.sync_log;
SELECT :with_log < buffers('SELECT * FROM vecmark.changes()') + 50 AS new;

\c :here :installer
DROP DATABASE sync_log_a WITH (FORCE);
