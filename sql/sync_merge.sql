-- State that three databases write and merge: what wins, what adds up, what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_merge_a WITH (FORCE);
DROP DATABASE IF EXISTS sync_merge_b WITH (FORCE);
DROP DATABASE IF EXISTS sync_merge_c WITH (FORCE);
CREATE DATABASE sync_merge_a;
\c sync_merge_a :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\c sync_merge_a :me
CREATE TABLE items (id text PRIMARY KEY, name text, note text, n int, tags text[]);
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
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9a-f]{16}', 'SITE'),
		nullif('DETAIL ' || regexp_replace(detail, '{.*}', '{...}'), 'DETAIL '), nullif('HINT ' || hint, 'HINT '));
END $$;
-- all that a database has, clocks included
CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(i::text, '' ORDER BY id)) FROM items AS i $$;
\c :here :installer
CREATE DATABASE sync_merge_b TEMPLATE sync_merge_a;
CREATE DATABASE sync_merge_c TEMPLATE sync_merge_a;
-- pull: what is told to who holds nothing, or "since"; merge: and what became of it
\set all 'SELECT array_agg(d) AS d FROM vecmark.changes() AS d'
\set new 'SELECT array_agg(d) AS d FROM vecmark.changes(:''since'') AS d'
\set holds 'SELECT vecmark.version() AS since'
\set merge 'SELECT status, applied, stale, parked, conflicts, gap FROM vecmark.merge_all(:''d'');'
\set rows 'SELECT id, name, note, n, tags FROM items ORDER BY id;'
\a
\t on

-- each tracks the table for itself, and has a life of its own
\c sync_merge_a :me
SELECT vecmark.track('items', '{"counters": ["n"], "sets": ["tags"]}'), vecmark.site() AS site_a \gset
\c sync_merge_b :me
SELECT vecmark.track('items', '{"counters": ["n"], "sets": ["tags"]}'), vecmark.site() AS site_b \gset
\c sync_merge_c :me
SELECT vecmark.track('items', '{"counters": ["n"], "sets": ["tags"]}'), vecmark.site() AS site_c \gset
SELECT :'site_a' <> :'site_b' AND :'site_b' <> :'site_c' AND :'site_c' <> :'site_a' AS differ;

-- pull and merge; twice is once; clocks have the same bytes
\c sync_merge_a :me
INSERT INTO items VALUES ('1', 'one', NULL, 5, '{b,a}'), ('2', 'two', '', NULL, NULL);
INSERT INTO items VALUES ('3', E'three\n\\"'',{}', 'ü', -5, '{"x y",""}');
SELECT vecmark.version() AS version, state() AS state \gset
:all \gset
\c sync_merge_b :me
SELECT vecmark.version() OPERATOR(vecmark.@>) :'version' AS holds;
:merge
:merge
:rows
SELECT vecmark.version() OPERATOR(vecmark.@>) :'version' AS holds, state() = :'state' AS same_bytes;
-- nothing new is nothing to tell; the own echo is nothing new
:all \gset
\c sync_merge_a :me
:merge
SELECT count(*) FROM vecmark.changes(vecmark.version());
SELECT state() = :'state' AS same_bytes;
-- only what is new is told
\c sync_merge_b :me
:holds \gset
\c sync_merge_a :me
UPDATE items SET note = 'changed' WHERE id = '2';
SELECT sum(length(d::text)) AS all_bytes FROM vecmark.changes() AS d \gset
SELECT sum(length(d::text)) < :all_bytes - 100 AS less FROM vecmark.changes(:'since') AS d;
:new \gset
\c sync_merge_b :me
:merge
:rows

-- a gap: what the delta builds on is not here; strict, or told
:holds \gset
\c sync_merge_a :me
UPDATE items SET name = 'uno' WHERE id = '1';
:new \gset first_
:holds \gset
UPDATE items SET name = 'due' WHERE id = '2';
:new \gset
\c sync_merge_b :me
SELECT shown(format('SELECT vecmark.merge(%L)', (:'d'::vecmark.delta[])[1])), shown(format('SELECT vecmark.merge_all(%L)', :'d'));
SELECT status, applied, gap OPERATOR(vecmark.=) (:'since'::vecmark.version_vector OPERATOR(vecmark.-) version) AS says_what_is_missing FROM vecmark.merge_all(:'d', 'report');
SELECT status, applied FROM vecmark.merge_all(:'d'::vecmark.delta[] || :'first_d'::vecmark.delta[], 'report');
SELECT name FROM items WHERE id = '2';
SELECT status, applied FROM vecmark.merge_all(:'first_d'::vecmark.delta[] || :'d'::vecmark.delta[]);
:rows

-- concurrent writes: of other columns both are kept, of one column the later one; counters add up, sets unite
\c sync_merge_a :me
:all \gset
\c sync_merge_c :me
:merge
UPDATE items SET name = 'by c', n = n + 100, tags = tags || '{c}' WHERE id = '1';
UPDATE items SET note = 'by c', tags = '{}' WHERE id = '3';
:all \gset c_
\c sync_merge_b :me
UPDATE items SET note = 'by b', n = n + 10, tags = '{b,bb}' WHERE id = '1';
UPDATE items SET tags = tags || '{again}' WHERE id = '3';
:all \gset b_
\c sync_merge_a :me
UPDATE items SET name = 'by a', n = n + 1 WHERE id = '1';
UPDATE items SET name = 'by a' WHERE id = '1';
:all \gset a_
\set d :b_d
:merge
\set d :c_d
:merge
:rows
SELECT state() AS state \gset
SELECT c.name, convert_from(c.key, 'UTF8') AS key, c."column", winner = :'site_a' AS a_won, loser = :'site_c' AS c_lost, convert_from(c.lost, 'UTF8') AS lost, is_binary FROM vecmark.conflicts AS c;
\c sync_merge_b :me
\set d :c_d
:merge
\set d :a_d
:merge
SELECT state() = :'state' AS same_bytes, (SELECT count(*) FROM vecmark.conflicts) AS conflicts;
\c sync_merge_c :me
\set d :a_d
:merge
\set d :b_d
:merge
SELECT state() = :'state' AS same_bytes, max(c."column") AS conflict, bool_and(winner = :'site_a') AS a_won, max(convert_from(lost, 'UTF8')) AS lost FROM vecmark.conflicts AS c;

-- a later write wins over what it saw; a delete wins over a concurrent update
\c sync_merge_a :me
UPDATE items SET name = 'one by a' WHERE id = '1';
UPDATE items SET name = 'two by a' WHERE id = '2';
DELETE FROM items WHERE id = '3';
:all \gset
\c sync_merge_b :me
:merge
UPDATE items SET name = 'one by b', n = 0, tags = '{}' WHERE id = '1';
DELETE FROM items WHERE id = '2';
:all \gset
\c sync_merge_a :me
UPDATE items SET name = 'two by a, later' WHERE id = '2';
:all \gset a_
:merge
:rows
SELECT state() AS state \gset
\c sync_merge_b :me
\set d :a_d
:merge
SELECT state() = :'state' AS same_bytes, (SELECT count(*) FROM items);
-- inserted again on both: the same life, so all of it is joined
INSERT INTO items VALUES ('2', 'again', 'b', 1, '{z}');
:all \gset
\c sync_merge_a :me
INSERT INTO items VALUES ('2', 'again by a', NULL, 2, '{y}');
UPDATE items SET n = n + 20 WHERE id = '2';
:all \gset a_
:merge
SELECT id, name, note, n, tags FROM items WHERE id = '2';
SELECT state() AS state \gset
\c sync_merge_b :me
\set d :a_d
:merge
SELECT state() = :'state' AS same_bytes;
-- deleted and inserted again twice here, once and later there: the longer life wins
DELETE FROM items WHERE id = '2';
INSERT INTO items VALUES ('2', 'third life');
DELETE FROM items WHERE id = '2';
INSERT INTO items VALUES ('2', 'fourth life');
:all \gset
\c sync_merge_a :me
DELETE FROM items WHERE id = '2';
INSERT INTO items VALUES ('2', 'third life by a', 'later');
:all \gset a_
:merge
SELECT state() AS state \gset
\c sync_merge_b :me
\set d :a_d
:merge
SELECT id, name, note, state() = :'state' AS same_bytes FROM items WHERE id = '2';
-- another key is another row: a delete, and an insert of what the row was there
UPDATE items SET id = '2b' WHERE id = '2';
:all \gset
\c sync_merge_a :me
UPDATE items SET note = 'lost with the key' WHERE id = '2';
:all \gset a_
:merge
SELECT state() AS state \gset
\c sync_merge_b :me
\set d :a_d
:merge
SELECT id, name, note, state() = :'state' AS same_bytes FROM items WHERE id LIKE '2%';
-- what was deleted stays so, whatever old delta comes again
\c sync_merge_c :me
\set d :a_d
:merge
DELETE FROM items WHERE id = '2b';
\set d :c_d
:merge
\set d :a_d
:merge
SELECT id FROM items ORDER BY id;

-- a transaction tells its own changes to nobody before it is committed, not even to itself
BEGIN;
SELECT vecmark.version() AS since \gset
UPDATE items SET name = 'unseen' WHERE id = '1';
SELECT count(*) FROM vecmark.changes(:'since');
SELECT vecmark.version() OPERATOR(vecmark.=) :'since' AS same;
ROLLBACK;

-- in parts, of any size, in any order, some of them twice; the last of them all brings the version
\c sync_merge_a :me
INSERT INTO items SELECT 'many ' || i, repeat('x', i % 100), md5(i::text), i, ARRAY[(i % 7)::text] FROM generate_series(1, 1000) AS i;
DELETE FROM items WHERE id LIKE 'many %7';
:holds \gset
SELECT array_agg(d ORDER BY i DESC) AS d, count(*) > 50 AS many, max(length(d::text)) < 10000 AS small FROM vecmark.changes(max_bytes => 1000) WITH ORDINALITY AS c (d, i) \gset
SELECT :'many', :'small';
SELECT count(*) FROM vecmark.changes(max_bytes => 1000000000);
SELECT count(*) >= 1000 FROM vecmark.changes(max_bytes => 0);
SELECT count(*) >= 1000 FROM vecmark.changes(max_bytes => -1);
SELECT state() AS state \gset
\c sync_merge_b :me
SELECT vecmark.version() OPERATOR(vecmark.@>) :'since' AS holds;
SELECT status FROM vecmark.merge_all((:'d'::vecmark.delta[])[2:10] || (:'d'::vecmark.delta[])[3:12]);
SELECT status, version OPERATOR(vecmark.@>) :'since' AS holds FROM vecmark.merge_all((:'d'::vecmark.delta[])[3:]);
SELECT status, version OPERATOR(vecmark.@>) :'since' AS holds FROM vecmark.merge((:'d'::vecmark.delta[])[1]);
SELECT vecmark.version() OPERATOR(vecmark.@>) :'since' AS holds;
-- one more time is no new beginning of the batch
SELECT status, applied FROM vecmark.merge((:'d'::vecmark.delta[])[7]);
SELECT state() = :'state' AS same_bytes, count(*) FROM items;
\c sync_merge_a :installer
SELECT count(*) FROM vecmark_internal.sync_batch;
\c sync_merge_b :installer
SELECT count(*) FROM vecmark_internal.sync_batch;
-- a part that builds on what is not here
\c sync_merge_a :me
UPDATE items SET name = 'part' WHERE id LIKE 'many %1';
:holds \gset
UPDATE items SET name = 'parts' WHERE id LIKE 'many %1';
SELECT array_agg(d) AS d FROM vecmark.changes(:'since', max_bytes => 1000) AS d \gset
\c sync_merge_c :me
SELECT status, applied FROM vecmark.merge((:'d'::vecmark.delta[])[2], 'report');

-- some tables only: rows arrive, versions stay
\c sync_merge_a :me
CREATE TABLE others (id text PRIMARY KEY);
SELECT vecmark.track('others');
INSERT INTO others VALUES ('other');
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{items}') AS d \gset
SELECT vecmark.version() AS version \gset
SELECT shown($$SELECT vecmark.changes(rels => '{pg_class}')$$), (SELECT count(*) FROM vecmark.changes(rels => '{}')), (SELECT count(*) FROM vecmark.changes(rels => '{NULL}'));
\c sync_merge_c :me
SELECT vecmark.version() AS before \gset
SELECT status, applied > 0 AS some, parked, version OPERATOR(vecmark.*) :'version' OPERATOR(vecmark.=) (:'before' OPERATOR(vecmark.*) :'version') AS same_version FROM vecmark.merge_all(:'d');
\c sync_merge_a :me
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{others,others}') AS d \gset
\c sync_merge_c :me
CREATE TABLE others (id text PRIMARY KEY);
SELECT vecmark.track('others');
:merge
SELECT id FROM others;
-- and the whole later finds them there
\c sync_merge_a :me
:all \gset
SELECT state() AS state \gset
\c sync_merge_c :me
SELECT status, applied, parked FROM vecmark.merge_all(:'d');
SELECT state() = :'state' AS same_bytes;

-- a clock too far ahead: strict, or kept aside; it moves nobody's clock
\set late 564d440200bfe50fe60601fecaad0bfecaad0b0000010001000a01808080c0bd98cbdd030009010c7075626c69632e6974656d7301000100046e616d6501046c61746501010100000a66726f6d20323130300000
SELECT shown(format('SELECT vecmark.merge(%L)', :'late'));
SELECT status, applied, parked FROM vecmark.merge(:'late', 'report');
SELECT status, applied, parked FROM vecmark.merge(:'late', 'report');
SELECT sender, ahead_ms > 1000000000000 AS ahead, bytes FROM vecmark.quarantine;
SELECT shown(format('SELECT vecmark.merge_all(%L)', (ARRAY[:'late'::vecmark.delta] || :'d'::vecmark.delta[])));
SELECT status FROM vecmark.merge_all(ARRAY[:'late'::vecmark.delta] || :'d'::vecmark.delta[], 'report');
SELECT count(*) FROM items WHERE id = 'late';
SELECT vecmark.version() OPERATOR(vecmark.@>) '{0badcafe0badcafe: 9}' AS holds;

-- arguments
SELECT shown(format('SELECT vecmark.merge(%L, %L)', (:'d'::vecmark.delta[])[1], 'loose')), shown(format('SELECT vecmark.merge_all(%L, NULL)', :'d'));
SELECT vecmark.merge(NULL) IS NULL, vecmark.merge_all(NULL) IS NULL, (vecmark.merge_all('{}')).status, (vecmark.merge_all('{NULL}')).status;
SELECT shown('SELECT vecmark.changes(NULL)'), shown('SELECT vecmark.changes(max_bytes => NULL)'), shown($$SELECT vecmark.merge('00')$$), shown($$SELECT vecmark.merge('')$$);
BEGIN READ ONLY;
SELECT shown($$SELECT vecmark.merge_all('{}')$$), shown($$SELECT vecmark.new_incarnation()$$), shown('SELECT vecmark.retry_parked()'), shown('SELECT count(*) > 0 FROM vecmark.changes()');
COMMIT;

-- who may not see all may not tell; who may not write all may not merge
\c sync_merge_a :installer
CREATE ROLE sync_merge_other;
GRANT sync_merge_other TO :"me";
\c sync_merge_a :me
:all \gset
SET ROLE sync_merge_other;
SELECT shown('SELECT vecmark.changes()'), shown(format('SELECT vecmark.merge_all(%L)', :'d')), shown('SELECT vecmark.retry_parked()'), shown('SELECT vecmark.new_incarnation()'),
	shown($$SELECT vecmark.ack('0badcafe0badcafe', '{}')$$), shown($$SELECT vecmark.retire('0badcafe0badcafe')$$), shown('SELECT vecmark.forget()');
SELECT count(*) FROM vecmark.conflicts;
SELECT shown('SELECT * FROM vecmark_internal.sync_conflict'), shown('INSERT INTO vecmark_internal.sync_version VALUES (1, NULL)'), shown('DELETE FROM vecmark_internal.sync_site');
RESET ROLE;
GRANT SELECT ON items, others TO sync_merge_other;
SET ROLE sync_merge_other;
SELECT shown('SELECT count(*) FROM vecmark.changes()'), shown(format('SELECT vecmark.merge_all(%L)', :'d'));
SELECT count(*) FROM vecmark.conflicts;
RESET ROLE;
GRANT INSERT, UPDATE, DELETE ON items, others TO sync_merge_other;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_rows ON items USING (id < '3');
SELECT shown('SELECT count(*) FROM vecmark.changes()');
SET ROLE sync_merge_other;
SELECT shown('SELECT vecmark.changes()'), shown($$SELECT count(*) FROM vecmark.changes(rels => '{others}')$$), shown(format('SELECT vecmark.merge_all(%L)', :'d'));
RESET ROLE;
REVOKE SELECT ON items FROM sync_merge_other;
SET ROLE sync_merge_other;
SELECT shown(format('SELECT vecmark.merge_all(%L)', :'d'));
RESET ROLE;
ALTER TABLE items FORCE ROW LEVEL SECURITY;
SELECT current_setting('is_superuser') = 'on' OR shown('SELECT vecmark.changes()') ~ 'row-level security' AS refused;

\c :here :installer
DROP DATABASE sync_merge_a WITH (FORCE);
DROP DATABASE sync_merge_b WITH (FORCE);
DROP DATABASE sync_merge_c WITH (FORCE);
DROP ROLE sync_merge_other;
