-- Merged rows that a table does not take: parked, told to others, tried again; and what triggers do in a merge.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_park_a WITH (FORCE);
DROP DATABASE IF EXISTS sync_park_b WITH (FORCE);
DROP DATABASE IF EXISTS sync_park_c WITH (FORCE);
CREATE DATABASE sync_park_a OWNER :"me";
\c sync_park_a :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\c sync_park_a :me
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
CREATE TABLE pages (id text PRIMARY KEY, title text, visits int);
CREATE TABLE marks (id text PRIMARY KEY, page text REFERENCES pages ON DELETE CASCADE, note text);
CREATE TABLE later (id text PRIMARY KEY, page text REFERENCES pages DEFERRABLE INITIALLY DEFERRED, next text REFERENCES later DEFERRABLE INITIALLY DEFERRED);
\c :here :installer
CREATE DATABASE sync_park_b TEMPLATE sync_park_a OWNER :"me";
CREATE DATABASE sync_park_c TEMPLATE sync_park_a OWNER :"me";
\set all 'SELECT array_agg(d) AS d FROM vecmark.changes() AS d'
\set merge 'SELECT status, applied, parked FROM vecmark.merge_all(:''d'');'
\set retry 'SELECT status, applied, parked FROM vecmark.retry_parked();'
\set parked 'SELECT name, convert_from(key, ''UTF8'') AS key, sqlstate, reason, tries FROM vecmark.parked ORDER BY 1, 2;'
\set track 'SELECT vecmark.track(''pages'', ''{"counters": ["visits"]}''), vecmark.track(''marks''), vecmark.track(''later'');'
\a
\t on
\c sync_park_a :me
:track
\c sync_park_b :me
:track
\c sync_park_c :me
:track

-- in one delta the order of rows does not matter: what refers to others comes before them, also in a circle that is checked at the end
\c sync_park_a :me
INSERT INTO pages SELECT 'p' || i, 'title', 1 FROM generate_series(1, 600) AS i;
INSERT INTO marks SELECT 'm' || i, 'p' || 601 - i FROM generate_series(1, 600) AS i;
INSERT INTO later SELECT 'l' || i, 'p' || i, 'l' || i % 600 + 1 FROM generate_series(1, 600) AS i;
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT (SELECT count(*) FROM pages), (SELECT count(*) FROM marks), (SELECT count(*) FROM later);
-- what the caller's own transaction violates so far is the caller's error, and no reason to park
\c sync_park_a :me
INSERT INTO pages VALUES ('p0', 'new', 0);
:all \gset
\c sync_park_b :me
BEGIN;
INSERT INTO later VALUES ('own', 'nowhere', NULL);
SELECT shown(format('SELECT vecmark.merge_all(%L)', :'d'));
ROLLBACK;
:merge
:parked
DELETE FROM later;
DELETE FROM pages;
:all \gset
\c sync_park_a :me
SELECT status, applied, parked, (SELECT count(*) FROM marks) FROM vecmark.merge_all(:'d');
SELECT (SELECT count(*) FROM pages), (SELECT count(*) FROM marks), (SELECT count(*) FROM later);
\c sync_park_c :me
SELECT status, parked FROM vecmark.merge_all(:'d');

-- only one table is told: what its rows refer to is missing; they are told on all the same
\c sync_park_a :me
INSERT INTO pages VALUES ('x', 'page x', 0), ('y', 'page y', 0), ('z', 'page z', 0);
INSERT INTO marks VALUES ('mx', 'x', 'of x'), ('my', 'y', 'of y'), ('mz', 'z', 'of z');
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{marks}') AS d \gset
\c sync_park_b :me
:merge
:parked
:merge
:retry
SELECT name, convert_from(key, 'UTF8') AS key, tries FROM vecmark.parked ORDER BY 2;
SELECT shown($$UPDATE marks SET note = 'x'$$), (SELECT count(*) FROM marks);
-- changed, and deleted, before they are seen
\c sync_park_a :me
UPDATE marks SET note = 'of x, changed' WHERE id = 'mx';
DELETE FROM marks WHERE id = 'my';
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{marks}') AS d \gset
\c sync_park_b :me
:merge
:parked
-- a third, which has the pages, learns of the parked rows by way of the second
\c sync_park_a :me
SELECT array_agg(d) AS d FROM vecmark.changes(rels => '{pages}') AS d \gset
\c sync_park_c :me
:merge
\c sync_park_b :me
:all \gset
SELECT array_agg(d) AS d_marks FROM vecmark.changes(rels => '{marks}') AS d \gset
\c sync_park_c :me
:merge
SELECT * FROM (SELECT id, page, note FROM marks) AS m ORDER BY id;
-- a log that is not read whole tells them as well
\c sync_park_a :me
:all \gset
\c sync_park_c :me
SELECT version AS since FROM vecmark.merge_all(:'d') \gset
\c sync_park_a :me
INSERT INTO marks VALUES ('mw', 'x', 'late');
:all \gset
\c sync_park_b :me
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE TRIGGER no BEFORE INSERT ON marks FOR EACH ROW WHEN (NEW.id = 'mw') EXECUTE FUNCTION refuse();
:merge
:parked
SELECT array_agg(d) AS d FROM vecmark.changes(:'since') AS d \gset
\c sync_park_c :me
:merge
SELECT id, page, note FROM marks WHERE id = 'mw';
-- the page comes, and with it what waited for it
\c sync_park_a :me
:all \gset
\c sync_park_b :me
:merge
:retry
SELECT name, convert_from(key, 'UTF8') AS key, sqlstate, reason FROM vecmark.parked ORDER BY 1, 2;
DROP TRIGGER no ON marks;
:retry
SELECT id, page, note FROM marks ORDER BY id;

-- rules that one side has and the other has not
\c sync_park_b :me
ALTER TABLE pages ADD CONSTRAINT visits_are_few CHECK (visits < 100), ADD COLUMN own int DEFAULT 1, ADD CONSTRAINT title_is_one UNIQUE (title);
ALTER TABLE marks ALTER COLUMN note SET NOT NULL;
UPDATE pages SET visits = visits + 60 WHERE id = 'x';
INSERT INTO pages VALUES ('taken', 'a title', 0);
\c sync_park_a :me
UPDATE pages SET visits = visits + 50 WHERE id = 'x';
UPDATE pages SET title = 'seen' WHERE id = 'y';
UPDATE marks SET note = NULL WHERE id = 'mx';
INSERT INTO pages VALUES ('many', 'many', 1000), ('other', 'a title', 0);
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT id, title, visits, own FROM pages ORDER BY id;
-- what is here is written on meanwhile, and both are joined when the rule is gone
UPDATE pages SET visits = visits + 1, title = 'x by b' WHERE id = 'x';
UPDATE marks SET note = 'of x by b' WHERE id = 'mx';
DELETE FROM pages WHERE id = 'taken';
:retry
ALTER TABLE pages DROP CONSTRAINT visits_are_few;
ALTER TABLE marks ALTER COLUMN note DROP NOT NULL;
:retry
:parked
SELECT id, title, visits, own FROM pages ORDER BY id;
SELECT id, note FROM marks ORDER BY id;
-- unique values that two rows changed places for: each is in the other's way, unless the constraint can wait, or one is written anew
\c sync_park_b :me
:all \gset
\c sync_park_a :me
:merge
UPDATE pages SET title = CASE id WHEN 'y' THEN 'page z' ELSE 'seen' END WHERE id IN ('y', 'z');
:all \gset
\c sync_park_b :me
:merge
:parked
:retry
UPDATE pages SET title = 'z by b' WHERE id = 'z';
:retry
SELECT id, title FROM pages WHERE id IN ('y', 'z') ORDER BY id;
ALTER TABLE pages DROP CONSTRAINT title_is_one, ADD UNIQUE (title) DEFERRABLE;
:all \gset
\c sync_park_a :me
:merge
UPDATE pages SET title = CASE id WHEN 'z' THEN 'page z' ELSE 'z by b' END WHERE id IN ('y', 'z');
:all \gset
\c sync_park_b :me
:merge
SELECT id, title FROM pages WHERE id IN ('y', 'z') ORDER BY id;

-- columns and tables that are not here yet, or no more
\c sync_park_a :me
ALTER TABLE pages ADD COLUMN extra text, ADD COLUMN kind int;
ALTER TABLE pages DROP COLUMN kind;
CREATE TABLE folders (id int, sub text, name text, PRIMARY KEY (sub, id));
SELECT vecmark.track('folders', '{"name": "the folders"}');
INSERT INTO folders VALUES (1, 'a', 'one'), (2, 'b', 'two'), (3, '', 'three');
DELETE FROM folders WHERE id = 3;
UPDATE pages SET extra = 'extra', title = 'x by a' WHERE id = 'x';
:all \gset
\c sync_park_b :me
ALTER TABLE marks DROP COLUMN note;
:merge
-- whom rows of tables that are not there concern, nobody knows but the owner of the extension
\c sync_park_b :installer
SELECT name, encode(key, 'hex') AS key, sqlstate, reason FROM vecmark.parked ORDER BY 1, 2;
\c sync_park_b :me
SELECT count(*) FROM vecmark.parked WHERE name <> 'the folders';
ALTER TABLE pages ADD COLUMN extra text;
CREATE TABLE groups (name text, sub text, id bigint, PRIMARY KEY (sub, id));
SELECT vecmark.track('groups', '{"name": "the folders"}');
:retry
:parked
SELECT id, title, extra FROM pages WHERE id = 'x';
SELECT name, sub, id FROM groups ORDER BY id;
DELETE FROM groups WHERE id = 1;
INSERT INTO groups VALUES ('again', '', 3);
:all \gset
\c sync_park_a :me
:merge
SELECT name, sub, id FROM folders ORDER BY id;
-- keys and policies that do not agree
\c sync_park_c :me
CREATE TABLE folders (id int PRIMARY KEY, name int);
SELECT vecmark.track('folders', '{"name": "the folders"}');
ALTER TABLE pages ADD COLUMN extra text;
:merge
SELECT name, encode(key, 'hex') AS key, sqlstate, reason FROM vecmark.parked ORDER BY 1, 2;
SELECT vecmark.untrack('folders');
DROP TABLE folders;
CREATE TABLE folders (sub varchar(1), id smallint, name int[], PRIMARY KEY (sub, id));
SELECT vecmark.track('folders', '{"name": "the folders", "sets": ["name"]}');
:retry
SELECT name, encode(key, 'hex') AS key, sqlstate, reason, tries FROM vecmark.parked ORDER BY 1, 2;
SELECT vecmark.untrack('folders');
ALTER TABLE folders ALTER COLUMN name TYPE int USING 1;
SELECT vecmark.track('folders', '{"name": "the folders"}');
:retry
SELECT name, encode(key, 'hex') AS key, sqlstate, reason, tries FROM vecmark.parked ORDER BY 1, 2;
SELECT vecmark.untrack('folders');
ALTER TABLE folders ALTER COLUMN name TYPE text;
SELECT vecmark.track('folders', '{"name": "the folders", "local": ["name"]}');
:retry
SELECT id, sub, name FROM folders ORDER BY id;

-- triggers in a merge: those before the row change nothing of what is merged, but fill columns that are not; they know of the merge
\c sync_park_b :me
CREATE TABLE touched (id text PRIMARY KEY, t text, at text, own text DEFAULT 'own', n int);
SELECT vecmark.track('touched', '{"local": ["own"], "counters": ["n"]}');
CREATE TABLE audit (id text PRIMARY KEY DEFAULT gen_random_uuid(), what text, merging boolean);
SELECT vecmark.track('audit');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.at := 'touched by b';
	NEW.own := 'filled by ' || CASE WHEN vecmark.merging() THEN 'a merge' ELSE 'a write' END;
	NEW.n := 1000;
	RETURN NEW;
END $$;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit (what, merging) VALUES (TG_OP || ' ' || coalesce(NEW.id, OLD.id), vecmark.merging());
	RETURN NULL;
END $$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON touched FOR EACH ROW EXECUTE FUNCTION tell();
\c sync_park_a :me
CREATE TABLE touched (id text PRIMARY KEY, t text, at text, own text DEFAULT 'own', n int);
SELECT vecmark.track('touched', '{"local": ["own"], "counters": ["n"]}');
CREATE TABLE audit (id text PRIMARY KEY DEFAULT gen_random_uuid(), what text, merging boolean);
SELECT vecmark.track('audit');
INSERT INTO touched VALUES ('1', 'one', 'a', 'of a', 1), ('2', 'two', 'a', 'of a', 2);
:all \gset
\c sync_park_b :me
SELECT vecmark.merging();
:merge
SELECT id, t, at, own, n FROM touched ORDER BY id;
INSERT INTO touched VALUES ('3', 'three', 'b', NULL, 3);
\c sync_park_a :me
UPDATE touched SET t = 'uno' WHERE id = '1';
DELETE FROM touched WHERE id = '2';
:all \gset
\c sync_park_b :me
:merge
SELECT id, t, at, own, n FROM touched ORDER BY id;
SELECT what, merging FROM audit ORDER BY 1, 2;
-- what triggers wrote to other rows are writes of this database, which the other learns
:all \gset
\c sync_park_a :me
:merge
SELECT what, merging FROM audit ORDER BY 1, 2;
SELECT id, t, at, own, n FROM touched ORDER BY id;
-- a trigger that writes the same row after it was merged, deletes it, or does not let it be deleted
\c sync_park_b :me
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.t = 'update me' THEN
		UPDATE touched SET t = 'updated by b' WHERE id = NEW.id AND t = 'update me';
	ELSIF NEW.t = 'delete me' THEN
		DELETE FROM touched WHERE id = NEW.id;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER INSERT OR UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION meddle();
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.t = 'keep me' THEN
		RETURN NULL;
	ELSIF OLD.t = 'touch me' THEN
		UPDATE touched SET t = 'touched' WHERE id = OLD.id;
	END IF;
	RETURN OLD;
END $$;
CREATE TRIGGER keep BEFORE DELETE ON touched FOR EACH ROW EXECUTE FUNCTION keep();
\c sync_park_a :me
INSERT INTO touched VALUES ('4', 'update me'), ('5', 'delete me'), ('6', 'keep me'), ('7', 'touch me'), ('8', 'good');
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT id, t FROM touched ORDER BY id;
:all \gset
\c sync_park_a :me
:merge
SELECT id, t FROM touched ORDER BY id;
DELETE FROM touched WHERE id IN ('6', '7', '8');
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT id, t FROM touched ORDER BY id;
DROP TRIGGER keep ON touched;
:retry
SELECT id, t FROM touched ORDER BY id;
-- a rule, and a trigger that says no, in silence or with an error of its own
CREATE RULE no_four AS ON INSERT TO touched WHERE NEW.id = '14' DO INSTEAD NOTHING;
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.t = ''raise'' THEN RAISE EXCEPTION ''not that'' USING ERRCODE = ''XY123''; END IF; RETURN NULL; END';
CREATE TRIGGER a_no BEFORE INSERT OR UPDATE ON touched FOR EACH ROW WHEN (NEW.id = '11' OR NEW.id = '1') EXECUTE FUNCTION no();
\c sync_park_a :me
INSERT INTO touched VALUES ('11', 'eleven'), ('14', 'fourteen');
UPDATE touched SET t = 'ein' WHERE id = '1';
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT id, t FROM touched ORDER BY id;
\c sync_park_a :me
UPDATE touched SET t = 'raise' WHERE id = '1';
INSERT INTO touched VALUES ('15', 'fifteen');
:all \gset
\c sync_park_b :me
SELECT shown(format('SELECT vecmark.merge_all(%L)', :'d'));
DROP TRIGGER a_no ON touched;
DROP RULE no_four ON touched;
:merge
:retry
:parked
SELECT id, t FROM touched ORDER BY id;

-- cascades: the rows that go with a page here, of which the other side knew nothing
\c sync_park_b :me
INSERT INTO marks VALUES ('of b', 'x');
\c sync_park_a :me
SELECT id, page FROM marks ORDER BY id;
DELETE FROM pages WHERE id = 'x';
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT id, page FROM marks ORDER BY id;
:all \gset
\c sync_park_a :me
:merge
SELECT id, page FROM marks ORDER BY id;
-- a page that is needed here cannot go; the row stays until what needs it is gone
\c sync_park_b :me
INSERT INTO later VALUES ('needs z', 'z', NULL);
\c sync_park_a :me
DELETE FROM pages WHERE id = 'z';
:all \gset
\c sync_park_b :me
:merge
:parked
SELECT id FROM pages WHERE id = 'z';
UPDATE pages SET title = 'z is needed' WHERE id = 'z';
DELETE FROM later;
:retry
SELECT count(*) FROM pages WHERE id = 'z';
:parked
-- columns that nobody may set, and generated ones
CREATE TABLE turns (id text PRIMARY KEY, turn int GENERATED ALWAYS AS IDENTITY, t text, twice text GENERATED ALWAYS AS (t || t) STORED);
SELECT vecmark.track('turns');
\c sync_park_a :me
CREATE TABLE turns (id text PRIMARY KEY, turn int GENERATED ALWAYS AS IDENTITY, t text, twice text GENERATED ALWAYS AS (t || '+' || t) STORED);
SELECT vecmark.track('turns');
INSERT INTO turns (id, t) VALUES ('1', 'one'), ('2', 'two');
:all \gset
\c sync_park_b :me
INSERT INTO turns (id, t) VALUES ('3', 'three');
:merge
\c sync_park_a :me
UPDATE turns SET turn = DEFAULT, t = 'uno' WHERE id = '1';
:all \gset
\c sync_park_b :me
:merge
SELECT id, turn, t, twice FROM turns ORDER BY id;
:parked

\c :here :installer
DROP DATABASE sync_park_a WITH (FORCE);
DROP DATABASE sync_park_b WITH (FORCE);
DROP DATABASE sync_park_c WITH (FORCE);
