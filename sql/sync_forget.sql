-- What peers are known to hold, what is forgotten then, and what becomes of those who have missed it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_forget_a WITH (FORCE);
DROP DATABASE IF EXISTS sync_forget_b WITH (FORCE);
DROP DATABASE IF EXISTS sync_forget_c WITH (FORCE);
DROP DATABASE IF EXISTS sync_forget_d WITH (FORCE);
CREATE DATABASE sync_forget_a;
\c sync_forget_a :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
-- what only who installed the extension sees
CREATE VIEW kept AS SELECT (SELECT count(*) FROM vecmark_internal.sync_log) AS log, (SELECT count(*) FROM vecmark_internal.sync_tombstone) AS tombstones;
GRANT SELECT ON kept TO PUBLIC;
\c sync_forget_a :me
CREATE TABLE items (id text PRIMARY KEY, name text, n int);
-- the error as clients see it, with its SQLSTATE; without versions, which name sites
CREATE FUNCTION shown(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || regexp_replace(SQLERRM, '\m[0-9a-f]{16}\M', 'SITE'),
		nullif('DETAIL ' || regexp_replace(detail, '{.*}', '{...}'), 'DETAIL '), nullif('HINT ' || hint, 'HINT '));
END $$;
CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(md5(string_agg(i::text, '' ORDER BY id)), 'empty') FROM items AS i $$;
CREATE FUNCTION life(clock vecmark.rowclock) RETURNS text LANGUAGE sql AS $$ SELECT clock::jsonb->>'life' $$;
\c :here :installer
CREATE DATABASE sync_forget_b TEMPLATE sync_forget_a;
CREATE DATABASE sync_forget_c TEMPLATE sync_forget_a;
CREATE DATABASE sync_forget_d TEMPLATE sync_forget_a;
\set track 'SELECT vecmark.track(''items'', ''{"counters": ["n"]}'');'
\set holds 'SELECT vecmark.version() AS since'
\set all 'SELECT array_agg(d) AS d FROM vecmark.changes() AS d'
\set new 'SELECT array_agg(d) AS d FROM vecmark.changes(:''since'') AS d'
\set refused 'SELECT shown(format(''SELECT vecmark.changes(%L)'', :''since''));'
\set merge 'SELECT status, applied, stale, parked FROM vecmark.merge_all(:''d'', ''report'');'
\set strict 'SELECT shown(format(''SELECT vecmark.merge_all(%L)'', :''d''));'
\set forget 'SELECT vecmark.forget(); SELECT * FROM kept;'
\set rows 'SELECT id, name, n, life(_vm) FROM items ORDER BY id;'
\set check 'SELECT * FROM vecmark.sync_check(''items'');'
\a
\t on

\c sync_forget_a :me
:track
SELECT vecmark.site() AS a \gset
\c sync_forget_b :me
:track
SELECT vecmark.site() AS b \gset
\c sync_forget_c :me
:track
SELECT vecmark.site() AS c \gset

-- nobody is known: nothing is stable, nothing is forgotten
\c sync_forget_a :me
INSERT INTO items VALUES ('1', 'one', 1), ('2', 'two', 2), ('3', 'three', 3);
DELETE FROM items WHERE id = '3';
SELECT vecmark.stable() IS NULL AS unknown, (SELECT count(*) FROM vecmark.peers) AS peers;
:forget
-- a peer is known by its deltas, or says itself what it holds; others are waited for
:all \gset
\c sync_forget_b :me
:merge
INSERT INTO items VALUES ('b', 'by b', 10);
:holds \gset
\c sync_forget_a :me
SELECT vecmark.ack(:'c', '{}');
SELECT vecmark.ack(:'b', :'since');
-- b holds what is not here yet: it may be an insert of a key whose delete would be forgotten
SELECT vecmark.stable() IS NULL AS ahead, site = :'b' AS from_b FROM vecmark.gaps;
:forget
:holds \gset
\c sync_forget_b :me
:new \gset
\c sync_forget_a :me
:merge
SELECT vecmark.stable(), (SELECT count(*) FROM vecmark.gaps) AS gaps;
:forget
SELECT site = :'b' AS is_b, retired, holds OPERATOR(vecmark.@>) vecmark.version() AS holds_all, seen > now() - interval '1 minute' AS seen FROM vecmark.peers ORDER BY 1, 2;
-- until they are retired
SELECT vecmark.retire(:'c');
SELECT site = :'c' AS is_c, retired FROM vecmark.peers ORDER BY 1;
SELECT vecmark.stable() OPERATOR(vecmark.<>) '{}' AS stable, vecmark.version() OPERATOR(vecmark.@>) vecmark.stable() AS here;
:holds \gset
SELECT vecmark.forget(1);
:forget
SELECT vecmark.version() OPERATOR(vecmark.@>) :'since' AS holds, vecmark.forget() AS no_more;
:rows
:check
-- who is new gets all that there is, with the log gone; and knows which lives are forgotten
:all \gset
SELECT (d::jsonb->>'forgotten')::vecmark.version_vector OPERATOR(vecmark.<@) vecmark.version() AS forgotten, d::jsonb->>'lives' AS lives FROM unnest(:'d'::vecmark.delta[]) AS d;
SELECT d::jsonb ? 'forgotten' AS forgotten, d::jsonb->>'lives' AS lives FROM vecmark.changes(vecmark.version()) AS d;
-- a retired site is refused, and cannot say what it holds
SELECT shown(format('SELECT vecmark.ack(%L, %L)', :'c', '{}'));
\c sync_forget_c :me
INSERT INTO items VALUES ('c', 'by c', 100);
:all \gset c_
\c sync_forget_a :me
\set d :c_d
:strict
SELECT shown(format('SELECT vecmark.merge(%L, %L)', (:'d'::vecmark.delta[])[1], 'report'));
SELECT count(*) FROM items WHERE id = 'c';

-- a key that was deleted and forgotten has a longer life when it is inserted again, here and where it never was
INSERT INTO items VALUES ('3', 'three again', 30), ('4', 'four', 4);
:rows
:holds \gset
:all \gset
\c sync_forget_b :me
:merge
:rows
:check
SELECT state() AS state \gset
DELETE FROM items WHERE id = '3';
INSERT INTO items VALUES ('3', 'by b', 0), ('new', 'new', 0);
SELECT id, life(_vm) FROM items WHERE id IN ('3', 'new') ORDER BY id;
\c sync_forget_a :me
SELECT state() = :'state' AS same_bytes;

-- c starts over: not while something is tracked
\c sync_forget_c :me
SELECT shown('SELECT vecmark.start_over()');
SELECT vecmark.untrack('items');
DELETE FROM items;
SELECT vecmark.start_over() <> :'c' AS another, vecmark.site() <> :'c' AS another_life;
SELECT count(*) FROM vecmark.peers;
:track
\c sync_forget_a :me
:all \gset
\c sync_forget_c :me
:merge
:rows
:check
INSERT INTO items VALUES ('c', 'by c', 100);
:all \gset
SELECT vecmark.site() AS c \gset
\c sync_forget_a :me
:merge
:rows
SELECT vecmark.untrack('items');
DELETE FROM items;
SELECT vecmark.start_over() <> :'a' AS another;
:track
INSERT INTO items VALUES ('3', 'by a before it joined', 3000), ('a', 'by a', 1000);
:rows
\c sync_forget_b :me
:all \gset
\c sync_forget_c :me
:merge
SELECT vecmark.retire(:'a');
:all \gset
\c sync_forget_a :me
:merge
:rows
:check
:all \gset
\c sync_forget_c :me
:merge
:rows
:check
SELECT state() AS state \gset
\c sync_forget_a :me
SELECT state() = :'state' AS same_bytes;

-- who joins with rows of its own: they are born anew, since the others may have forgotten deletes of their keys
\c sync_forget_d :me
:track
INSERT INTO items VALUES ('1', 'by d', 10000), ('2', 'by d', 10000), ('3', 'by d', 10000), ('d', 'by d', 10000), ('gone', 'by d', 10000);
DELETE FROM items WHERE id IN ('2', 'gone');
:rows
\c sync_forget_a :me
:all \gset
\c sync_forget_d :me
:merge
:rows
:check
:all \gset
SELECT vecmark.site() AS site_d \gset
\c sync_forget_a :me
:merge
:rows
:check
SELECT state() AS state \gset
\c sync_forget_d :me
SELECT state() = :'state' AS same_bytes;
\c sync_forget_a :me
SELECT vecmark.retire(:'site_d');

-- late: who has missed deletes that others have forgotten.  b writes on, and c and a forget without it
\c sync_forget_c :me
SELECT vecmark.retire(:'b');
DELETE FROM items WHERE id IN ('1', '2');
:all \gset
:holds \gset c_
\c sync_forget_a :me
:merge
SELECT vecmark.retire(:'b');
SELECT vecmark.ack(:'c', :'c_since');
SELECT vecmark.forget() > 0 AS some;
SELECT tombstones FROM kept;
:all \gset
\c sync_forget_c :me
:merge
SELECT vecmark.forget() > 0 AS some;
SELECT tombstones FROM kept;
\c sync_forget_b :me
UPDATE items SET name = 'one by b' WHERE id = '1';
:holds \gset
:all \gset
\c sync_forget_a :me
:refused
:strict
-- who never heard of it being retired says the same: it holds a part of what was forgotten
:all \gset a_
\c sync_forget_b :me
\set d :a_d
:merge
:strict
-- nothing after it is merged either
SELECT status, applied FROM vecmark.merge_all(:'d'::vecmark.delta[] || :'d'::vecmark.delta[], 'report');
CREATE TABLE fine (id text PRIMARY KEY);
SELECT vecmark.track('fine');
INSERT INTO fine VALUES ('fine');
SELECT array_agg(d) AS d FROM vecmark.changes() AS d \gset own_
SELECT status, applied FROM vecmark.merge_all(:'d'::vecmark.delta[] || :'own_d'::vecmark.delta[], 'report');
SELECT shown(format('SELECT vecmark.merge_all(%L)', :'d'::vecmark.delta[] || :'own_d'::vecmark.delta[]));
:rows
-- it starts over, gets all, and is another peer
SELECT vecmark.untrack('items'), vecmark.untrack('fine');
DELETE FROM items;
SELECT vecmark.start_over() <> :'b' AS another;
:track
:merge
SELECT count(*) FROM items;
SELECT state() AS state \gset
UPDATE items SET name = 'by b, which is new' WHERE id = '4';
:all \gset
\c sync_forget_a :me
SELECT state() = :'state' AS same_bytes;
:merge
SELECT name FROM items WHERE id = '4';
:check

-- what it had forgotten itself is no reason to refuse others
\c sync_forget_c :me
INSERT INTO items VALUES ('short', 'lived', 0);
DELETE FROM items WHERE id = 'short';
SELECT count(vecmark.retire(site)) > 0 AS some FROM vecmark.peers WHERE NOT retired;
SELECT vecmark.ack('0badcafe0badcafe', vecmark.version());
SELECT vecmark.forget() > 0 AS some;
SELECT vecmark.untrack('items');
DELETE FROM items;
SELECT vecmark.start_over() <> :'c' AS another;
:track
\c sync_forget_a :me
:all \gset
\c sync_forget_c :me
:merge

-- lives that cannot be, in what is forged: of a row, and of what was forgotten
SELECT shown($$SELECT vecmark.merge('564d4402008401a5d00601fecaad0bfecaad0b0000010001000a01808080c0d6fcf3c5010009010c7075626c69632e6974656d7301000001046c6f6e67ffffffffffffffffff0101000000')$$), shown($$SELECT vecmark.merge('564d440208445c43c3ffffffffffffffffff01000601fecaad0bfecaad0b0000010001000a0000')$$);

-- arguments
SELECT shown($$SELECT vecmark.ack('b', '{}')$$), shown($$SELECT vecmark.retire('')$$), shown($$SELECT vecmark.retire('0000000000000000')$$), shown($$SELECT vecmark.retire('xbadcafe0badcafe')$$);
SELECT vecmark.ack(NULL, '{}') IS NULL, vecmark.forget(NULL) IS NULL, vecmark.forget(0), vecmark.forget(-1);
SELECT vecmark.ack(vecmark.site(), vecmark.version());
SELECT count(*) FROM vecmark.peers WHERE site = vecmark.site();
BEGIN READ ONLY;
SELECT shown('SELECT vecmark.forget()'), shown('SELECT vecmark.start_over()'), shown('SELECT vecmark_internal.tidy()');
COMMIT;

\c :here :installer
DROP DATABASE sync_forget_a WITH (FORCE);
DROP DATABASE sync_forget_b WITH (FORCE);
DROP DATABASE sync_forget_c WITH (FORCE);
DROP DATABASE sync_forget_d WITH (FORCE);
