-- Deletes of many rows in a transaction: their tombstones are written together, before it ends.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_delete WITH (FORCE);
CREATE DATABASE sync_delete;
\c sync_delete :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
-- what only who installed the extension sees
CREATE VIEW packed AS SELECT p.rel, p.part, substr(p.keys, e.at + 2, e.size) AS key, (p.clock::jsonb->>'life')::int AS life FROM vecmark_internal.sync_pack AS p,
	LATERAL (WITH RECURSIVE each (at, size) AS (SELECT 0, get_byte(p.keys, 0)
		UNION ALL SELECT at + size + 1, get_byte(p.keys, at + size + 1) FROM each WHERE at + size + 1 < octet_length(p.keys)) SELECT * FROM each) AS e;
CREATE VIEW kept AS SELECT t.rel, t.key, max(t.life) AS life
	FROM (SELECT rel, key, (clock::jsonb->>'life')::int AS life FROM vecmark_internal.sync_tombstone UNION ALL SELECT rel, key, life FROM packed) AS t GROUP BY 1, 2;
GRANT SELECT ON kept, packed TO PUBLIC;
\c sync_delete :me
CREATE TABLE items (id int PRIMARY KEY, name text);
SELECT vecmark.track('items');
INSERT INTO items SELECT i, 'first' FROM generate_series(1, 1000) AS i;

-- some are inserted again, before the tombstone is written: lives go on
BEGIN;
DELETE FROM items WHERE id <= 600;
INSERT INTO items VALUES (1, 'again'), (500, 'again'), (600, 'again');
SAVEPOINT undone;
DELETE FROM items WHERE id > 900;
INSERT INTO items VALUES (950, 'again');
ROLLBACK TO undone;
SAVEPOINT kept;
DELETE FROM items WHERE id IN (600, 700);
RELEASE kept;
-- and a key that moves is another row
UPDATE items SET id = 800 + 1000 WHERE id = 800;
COMMIT;
SELECT count(*), min(life), max(life) FROM kept;
SELECT life, count(*) FROM kept GROUP BY life ORDER BY life;
SELECT id, name, _vm::jsonb->>'life' AS life FROM items WHERE id IN (1, 500, 600, 700, 800, 950, 1800) ORDER BY id;
SELECT r->>'alive' AS alive, count(*) FROM vecmark.changes(rels => '{items}') AS d, jsonb_array_elements(d::jsonb->'tables') AS t, jsonb_array_elements(t->'rows') AS r GROUP BY 1 ORDER BY 1;
SELECT * FROM vecmark.sync_check('items');

-- an error in a block that catches it takes its deaths along, and only those
DO $$
BEGIN
	DELETE FROM items WHERE id BETWEEN 610 AND 690;
	BEGIN
		DELETE FROM items WHERE id > 800;
		RAISE 'no';
	EXCEPTION WHEN raise_exception THEN
		DELETE FROM items WHERE id = 999;
	END;
END $$;
SELECT count(*), count(*) FILTER (WHERE id > 800) AS behind FROM items;
SELECT count(*) FROM kept;
SELECT * FROM vecmark.sync_check('items');

-- over and over, so that what stands there is replaced
BEGIN;
DELETE FROM items;
INSERT INTO items SELECT i, 'once more' FROM generate_series(1, 1000) AS i;
DELETE FROM items;
INSERT INTO items SELECT i, 'and once more' FROM generate_series(1, 1000) AS i;
DELETE FROM items WHERE id > 500;
COMMIT;
SELECT count(*), min(_vm::jsonb->>'life') AS least, max(_vm::jsonb->>'life') AS most FROM items;
SELECT life, count(*) FROM kept GROUP BY life ORDER BY life;
SELECT * FROM vecmark.sync_check('items');

-- very many, which are packed
INSERT INTO items SELECT i, 'many' FROM generate_series(2001, 42000) AS i;
DELETE FROM items WHERE id > 2000;
SELECT count(*) FROM kept;
SELECT * FROM vecmark.sync_check('items');

SELECT count(*) AS packed, count(*) / count(DISTINCT part) BETWEEN 5 AND 50 AS apart FROM packed;

-- what is packed goes on as any: inserted again, deleted by itself, in a pack of another life
INSERT INTO items SELECT i, 'again' FROM generate_series(2001, 6000) AS i;
SELECT DISTINCT _vm::jsonb->>'life' AS life FROM items WHERE id > 2000;
DELETE FROM items WHERE id IN (2001, 2002);
BEGIN;
SAVEPOINT undone;
DELETE FROM items WHERE id BETWEEN 2003 AND 6000;
ROLLBACK TO undone;
DELETE FROM items WHERE id BETWEEN 2003 AND 5000;
INSERT INTO items VALUES (3000, 'within');
COMMIT;
SELECT id, _vm::jsonb->>'life' AS life FROM items WHERE id IN (2003, 3000, 5001) ORDER BY id;
SELECT life, count(*) FROM kept WHERE life < 6 GROUP BY life ORDER BY life;
SELECT life, count(*) FROM packed GROUP BY life ORDER BY life;
SELECT sum(jsonb_array_length(t->'rows')) AS told FROM vecmark.changes() AS d, jsonb_array_elements(d::jsonb->'tables') AS t;
SELECT * FROM vecmark.sync_check('items');

-- an update of keys finds what of its own transaction is packed already
BEGIN;
UPDATE items SET id = id + 200000 WHERE id BETWEEN 5001 AND 6000;
UPDATE items SET id = id - 200000 WHERE id > 200000;
COMMIT;
SELECT _vm::jsonb->>'life' AS life, count(*) FROM items WHERE id BETWEEN 5001 AND 6000 GROUP BY 1;
SELECT * FROM vecmark.sync_check('items');

-- a pack under the number of another part is not found by its keys
\c sync_delete :installer
SET client_min_messages = warning;
BEGIN;
UPDATE vecmark_internal.sync_pack SET part = part - 1 WHERE part = (SELECT max(part) FROM vecmark_internal.sync_pack);
SELECT DISTINCT invariant, fault FROM vecmark.sync_check('items');
ROLLBACK;
\c sync_delete :me
SET client_min_messages = warning;

-- a transaction that is prepared has them written before
BEGIN;
DELETE FROM items;
PREPARE TRANSACTION 'sync_delete';
COMMIT PREPARED 'sync_delete';
SELECT count(*) FROM items;
SELECT life, count(*) FROM kept GROUP BY life ORDER BY life;
SELECT * FROM vecmark.sync_check('items');

-- those of a table that is untracked or dropped are kept for who is tracked under its name
CREATE TABLE others (id int PRIMARY KEY);
SELECT vecmark.track('others');
INSERT INTO others SELECT generate_series(1, 200);
BEGIN;
DELETE FROM others;
SELECT vecmark.untrack('others');
COMMIT;
SELECT count(*) FROM kept WHERE rel = 'others'::regclass;
SELECT vecmark.track('others');
INSERT INTO others SELECT generate_series(1, 200);
BEGIN;
DELETE FROM others;
DROP TABLE others;
COMMIT;
SELECT vecmark_internal.tidy() > 0 AS tidied;
SELECT count(*) FROM kept WHERE rel::oid NOT IN (SELECT oid FROM pg_class);
BEGIN;
CREATE TABLE others (id int PRIMARY KEY);
SELECT vecmark.track('others');
INSERT INTO others SELECT generate_series(1, 100);
DELETE FROM others;
DROP TABLE others;
CREATE TABLE others (id int PRIMARY KEY);
SELECT vecmark.track('others');
COMMIT;
SELECT life, count(*) FROM kept WHERE rel = 'others'::regclass GROUP BY life ORDER BY life;

-- packs are kept for the next table of the name, too, and forgotten when all peers know of them
CREATE TABLE more (id int PRIMARY KEY);
SELECT vecmark.track('more');
INSERT INTO more SELECT generate_series(1, 2000);
DELETE FROM more;
SELECT vecmark.untrack('more');
SELECT vecmark.track('more');
INSERT INTO more VALUES (1000);
SELECT id, _vm::jsonb->>'life' AS life FROM more;
SELECT * FROM vecmark.sync_check('more');
\c sync_delete :installer
SET client_min_messages = warning;
SELECT vecmark.ack('0000000000000abc', vecmark.version());
SELECT vecmark.forget(1000000000) > 0 AS forgotten;
SELECT count(*) FROM vecmark_internal.sync_pack;
SELECT lives >= 8 AS lives FROM vecmark_internal.sync_site;
SELECT * FROM vecmark.sync_check('items');

\c :here :installer
DROP DATABASE sync_delete WITH (FORCE);
