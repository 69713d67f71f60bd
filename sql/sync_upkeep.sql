-- What needs attention, what happened, and what tidies up: health, events, maintain, erase, outboxes, quarantine.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_upkeep_a WITH (FORCE);
DROP DATABASE IF EXISTS sync_upkeep_b WITH (FORCE);
CREATE DATABASE sync_upkeep_a;
CREATE ROLE sync_upkeep_other;
GRANT sync_upkeep_other TO :"me";
\c sync_upkeep_a :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
-- what only who installed the extension sees
CREATE VIEW kept AS SELECT (SELECT count(*) FROM vecmark_internal.sync_log) AS log, (SELECT count(*) FROM vecmark_internal.sync_tombstone) AS tombstones,
	(SELECT count(*) FROM vecmark_internal.sync_table) AS tables, (SELECT count(*) FROM vecmark_internal.sync_column) AS columns, (SELECT count(*) FROM vecmark_internal.sync_outbox) AS outboxes;
GRANT SELECT ON kept TO PUBLIC;
\c sync_upkeep_a :me
CREATE TABLE items (id text, sub int, name text, PRIMARY KEY (sub, id));
CREATE TABLE secrets (id text PRIMARY KEY, secret text UNIQUE);
-- the error as clients see it, with its SQLSTATE
CREATE FUNCTION shown(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || SQLERRM, nullif('DETAIL ' || detail, 'DETAIL '), nullif('HINT ' || hint, 'HINT '));
END $$;
\c :here :installer
CREATE DATABASE sync_upkeep_b TEMPLATE sync_upkeep_a;
GRANT CREATE ON DATABASE sync_upkeep_a TO PUBLIC;
\set track 'SELECT vecmark.track(''items''), vecmark.track(''secrets'');'
\set all 'SELECT array_agg(d) AS d FROM vecmark.changes() AS d'
\set merge 'SELECT status, applied, stale, parked, conflicts FROM vecmark.merge_all(:''d'', ''report'');'
\set health 'SELECT part, ok, regexp_replace(detail, ''about [0-9]+'', ''about some'') FROM vecmark.health ORDER BY part;'
\set attention 'SELECT part, detail FROM vecmark.health WHERE NOT ok ORDER BY part;'
\set events 'SELECT site = vecmark.site() AS own, rel, key, deleted FROM vecmark.events(:''since'');'
\set holds 'SELECT vecmark.version() AS since'
\a
\t on
\c sync_upkeep_a :me
:track
\c sync_upkeep_b :me
:track
:health

-- events: which rows were written, by transactions, own and merged
\c sync_upkeep_a :me
:holds \gset
INSERT INTO items VALUES ('one', 1, 'one'), ('two', 2, 'two');
BEGIN;
UPDATE items SET name = 'uno' WHERE id = 'one';
DELETE FROM items WHERE id = 'two';
INSERT INTO secrets VALUES ('s', 'secret');
:events
COMMIT;
:events
-- as many as one wants, and from there on; a transaction is whole
SELECT version FROM vecmark.events(:'since', 1) LIMIT 1 \gset first_
SELECT count(*), count(DISTINCT txn) FROM vecmark.events(:'since', 1);
SELECT count(*), count(DISTINCT txn) FROM vecmark.events(:'first_version', 1);
SELECT version AS since FROM vecmark.events(:'first_version') ORDER BY txn DESC LIMIT 1 \gset
:events
SELECT count(*) FROM vecmark.events(vecmark.version());
SELECT count(*) FROM vecmark.events(:'since', 0);
SELECT count(*) FROM vecmark.events(most => -1);
-- tables that the caller may not read are left out
GRANT SELECT ON items TO sync_upkeep_other;
SET ROLE sync_upkeep_other;
SELECT DISTINCT rel FROM vecmark.events();
RESET ROLE;
:all \gset
\c sync_upkeep_b :me
:holds \gset
:merge
SELECT own, rel, key, deleted FROM (SELECT site = vecmark.site() AS own, rel::text, key, deleted FROM vecmark.events(:'since')) AS e GROUP BY 1, 2, 3, 4 ORDER BY 2, 3;

-- what was lost or could not be shown has values of the row; erase deletes them
INSERT INTO secrets VALUES ('here', 'taken'), ('both', 'by b');
UPDATE items SET name = 'by b' WHERE id = 'one';
\c sync_upkeep_a :me
INSERT INTO secrets VALUES ('there', 'taken'), ('both', 'later by a');
UPDATE items SET name = 'later by a' WHERE id = 'one';
:all \gset
\c sync_upkeep_b :me
:merge
SELECT name, key, sqlstate FROM vecmark.parked;
SELECT name, key, "column", convert_from(lost, 'UTF8') AS lost FROM vecmark.conflicts ORDER BY name, "column";
:attention
SET ROLE sync_upkeep_other;
SELECT count(*) FROM vecmark.parked;
SELECT count(*) FROM vecmark.conflicts;
SELECT shown($$SELECT vecmark.erase('secrets', 'there')$$), shown('SELECT vecmark_internal.tidy()'), shown('CALL vecmark.maintain()');
RESET ROLE;
SELECT vecmark.erase('items', 'nothing'), vecmark.erase('secrets', 'ther'), vecmark.erase(NULL, 'there') IS NULL;
SELECT shown($$SELECT vecmark.erase('pg_class', 'there')$$);
SELECT vecmark.erase('secrets', 'there') AS parked, vecmark.erase('secrets', 'both') AS conflicts;
SELECT count(*) FROM vecmark.parked;
SELECT name, "column" FROM vecmark.conflicts;
:attention

-- maintain: parked rows are tried again; what all peers hold is forgotten
INSERT INTO secrets VALUES ('mine', 'waits');
\c sync_upkeep_a :me
INSERT INTO secrets VALUES ('theirs', 'waits');
:all \gset
\c sync_upkeep_b :me
:merge
SELECT name, convert_from(key, 'UTF8'), tries FROM vecmark.parked;
CALL vecmark.maintain();
SELECT name, convert_from(key, 'UTF8'), tries FROM vecmark.parked;
DELETE FROM secrets WHERE id = 'mine';
CALL vecmark.maintain();
SELECT id FROM secrets WHERE secret = 'waits' ORDER BY id;
SELECT name, key, sqlstate FROM vecmark.parked;
:all \gset
:holds \gset
\c sync_upkeep_a :me
:merge
:all \gset
\c sync_upkeep_b :me
:merge
SELECT log > 0 AS log, tombstones > 0 AS tombstones FROM kept;
CALL vecmark.maintain('1 minute');
SELECT log, tombstones FROM kept;
-- in a transaction it cannot commit
BEGIN;
CALL vecmark.maintain();
ROLLBACK;
-- tables that were dropped
CREATE TABLE gone (id text PRIMARY KEY, a text);
SELECT vecmark.track('gone');
INSERT INTO gone VALUES ('1'), ('2');
DELETE FROM gone WHERE id = '1';
DROP TABLE gone;
SELECT tombstones, tables, columns FROM kept;
SELECT count(*) FROM vecmark.tracked;
SELECT key FROM vecmark.events() WHERE rel::oid::regclass::text ~ '^[0-9]';
SELECT vecmark_internal.tidy();
SELECT tombstones, tables, columns FROM kept;
SELECT vecmark_internal.tidy();

-- triggers that are not as they must be
ALTER TABLE items DISABLE TRIGGER "~~vecmark_capture";
:attention
ALTER TABLE items ENABLE TRIGGER "~~vecmark_capture";
CREATE TRIGGER "~~~later" BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
:attention
DROP TRIGGER "~~~later" ON items;
:attention

-- a clock that is ahead: how far it may be is a setting
\c sync_upkeep_a :me
CREATE TABLE ahead (id text PRIMARY KEY, name text, _vm vecmark.rowclock NOT NULL);
\set start 0101
\set dot fecaad0bfecaad0b0900000000000000
SELECT string_agg(lpad(to_hex(get_byte(int8send((extract(epoch FROM clock_timestamp() + '1 hour') * 1000)::bigint << 16), 7 - i)), 2, '0'), '' ORDER BY i) AS time FROM generate_series(0, 7) AS i \gset
INSERT INTO ahead VALUES ('1', 'in an hour', (:'start' || :'time' || :'dot')::vecmark.rowclock);
SELECT (_vm::jsonb->'base'->>'at')::timestamptz - now() BETWEEN '50 min' AND '60 min' AS in_an_hour FROM ahead;
SELECT vecmark.track('ahead');
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{ahead}') AS d \gset
\c sync_upkeep_b :me
CREATE TABLE ahead (id text PRIMARY KEY, name text);
SELECT vecmark.track('ahead');
SELECT shown(format('SELECT vecmark.merge_all(%L)', :'d'));
SELECT * FROM vecmark.quarantine;
:merge
:merge
SELECT sender <> vecmark.site() AS other, ahead_ms BETWEEN 3000000 AND 3600000 AS ahead, at > now() - interval '1 minute' AS now FROM vecmark.quarantine;
:attention
\c sync_upkeep_b :installer
SET vecmark.max_drift = '2h';
:merge
\c sync_upkeep_b :me
:merge
SELECT name FROM ahead;
-- the next write of the row is later still; those of others are not
UPDATE ahead SET name = 'now' WHERE id = '1';
INSERT INTO ahead VALUES ('2', 'now');
SELECT c.value->>'at' = _vm::jsonb->'base'->>'at' AS same_time, c.value->>'count' AS count FROM ahead, LATERAL jsonb_each(_vm::jsonb->'columns') AS c WHERE id = '1';
SELECT (_vm::jsonb->'base'->>'at')::timestamptz < now() AS is_now FROM ahead WHERE id = '2';
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{ahead}') AS d \gset
\c sync_upkeep_a :installer
SET vecmark.max_drift = '2h';
:merge
SELECT id, name FROM ahead ORDER BY id;

-- outboxes: made, empty, and gone without a trace
\c sync_upkeep_a :me
SET client_min_messages = error;
SELECT vecmark.create_outbox('changes');
SELECT shown($$SELECT vecmark.create_outbox('changes')$$), shown($$SELECT vecmark.create_outbox('nowhere.changes')$$), shown($$SELECT vecmark.create_outbox('a.b.c')$$);
SELECT shown('SELECT vecmark.create_outbox(NULL)');
SELECT vecmark.create_outbox('public."Other one"');
SELECT pubname, pubinsert, pubupdate, pubdelete FROM pg_publication ORDER BY pubname;
INSERT INTO items VALUES ('sent', 5, 'sent');
SELECT (SELECT count(*) FROM changes), (SELECT count(*) FROM "Other one"), outboxes FROM kept;
-- who could write one would read all that is told
GRANT CREATE ON SCHEMA public TO sync_upkeep_other;
SET ROLE sync_upkeep_other;
SELECT shown($$SELECT vecmark.create_outbox('theirs')$$), shown($$SELECT vecmark_internal.register_outbox('changes')$$);
RESET ROLE;
SELECT shown($$SELECT vecmark_internal.register_outbox('items')$$);
BEGIN;
INSERT INTO items VALUES ('prepared', 6, 'prepared');
PREPARE TRANSACTION 'sync_upkeep';
SELECT shown($$SELECT vecmark.create_outbox('more')$$);
COMMIT PREPARED 'sync_upkeep';
DROP TABLE changes;
INSERT INTO items VALUES ('sent to one', 7, 'sent');
SELECT (SELECT count(*) FROM "Other one"), outboxes FROM kept;
DROP PUBLICATION "Other one";
DROP TABLE "Other one";
INSERT INTO items VALUES ('sent to none', 8, 'sent');
SELECT vecmark_internal.tidy();
SELECT outboxes FROM kept;
SELECT * FROM vecmark.sync_check('items');

\c :here :installer
DROP DATABASE sync_upkeep_a WITH (FORCE);
DROP DATABASE sync_upkeep_b WITH (FORCE);
DROP ROLE sync_upkeep_other;
