-- schema.sql: what each database of the convergence fuzz has.

-- Rows without rules but their key; others refer to them.
CREATE TABLE p (id integer PRIMARY KEY, v text, w text, b text, big text, n integer, m bigint, tags text[]);
ALTER TABLE p ALTER COLUMN big SET STORAGE EXTERNAL;

-- A key of two columns; rows that go, change or stay with what they refer to.
CREATE TABLE c (id integer, sub text, pid integer REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, v text, n integer, tags text[],
	PRIMARY KEY (id, sub));
CREATE TABLE d (id bigint PRIMARY KEY, pid integer REFERENCES p ON DELETE SET NULL ON UPDATE CASCADE, v text, n integer);
CREATE TABLE e (id integer PRIMARY KEY, pid integer REFERENCES p DEFERRABLE INITIALLY DEFERRED, v text);

-- Rules that two nodes break together, and neither alone.
CREATE TABLE q (id text PRIMARY KEY, u integer UNIQUE, v text, n integer, m integer CHECK (m > -5), tags text[]);

-- What triggers write.
CREATE TABLE t (id integer PRIMARY KEY, n integer, v text);

-- By its name it is told before what refers to it.
SELECT vecmark.track('p', '{"name": "a.p", "counters": ["n", "m"], "sets": ["tags"]}');
SELECT vecmark.track('c', '{"counters": ["n"], "sets": ["tags"]}');
SELECT vecmark.track('d', '{"counters": ["n"]}');
SELECT vecmark.track('e');
SELECT vecmark.track('q', '{"counters": ["n", "m"], "sets": ["tags"]}');
SELECT vecmark.track('t', '{"counters": ["n"]}');
SELECT vecmark.build_digest(t) FROM unnest('{p,c,d,e,q,t}'::regclass[]) AS t;

-- Which of the triggers below do something in this history.
CREATE TABLE feature (name text PRIMARY KEY);

CREATE FUNCTION has(feature text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM feature WHERE name = $1)';

-- A column that a trigger fills.
CREATE FUNCTION stamp_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF has('STAMP') AND (TG_OP = 'INSERT' OR NEW.v IS DISTINCT FROM OLD.v) THEN
		NEW.b := 'b' || coalesce(NEW.v, '');
	END IF;
	RETURN NEW;
END;
$$;
CREATE TRIGGER stamp_row BEFORE INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION stamp_row();

-- Another table that is written with this one; in merges too, or only where the change was made.
CREATE FUNCTION count_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	place integer := coalesce(NEW.id, OLD.id) % 3;
BEGIN
	IF has('COUNT') AND (has('COUNT_IN_MERGES') OR NOT vecmark.merging()) THEN
		INSERT INTO t (id, n) VALUES (place, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1;
	END IF;
	RETURN NULL;
END;
$$;
CREATE TRIGGER count_row AFTER INSERT OR UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION count_row();

-- A counter in the row that is referred to.
CREATE FUNCTION count_children() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF has('CHILDREN') AND NOT vecmark.merging() THEN
		UPDATE p SET n = n + 1 WHERE id = NEW.pid;
	END IF;
	RETURN NULL;
END;
$$;
CREATE TRIGGER count_children AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION count_children();

-- What this database itself wrote, with the transaction: what a merge wrote is not in it.
CREATE TABLE audit (
	seq bigint GENERATED ALWAYS AS IDENTITY,
	site bigint,
	txn xid8,
	tbl text,
	op text,
	o jsonb,
	n jsonb
);

-- Eight bytes in hexadecimal, the lowest first, as they stand in a clock.
CREATE FUNCTION bytes_of(number bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(substr(hex, i, 2), '' ORDER BY i DESC) FROM lpad(to_hex(number), 16, '0') AS hex, generate_series(1, 15, 2) AS i
$$;

-- Whether this transaction itself ended a life of a row: merging() is true of cascades as well.
CREATE FUNCTION is_ended_here(tbl text, image text, site bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM vecmark_internal.sync_tombstone AS t WHERE t.rel = tbl::regclass AND t.key = convert_to(image, 'UTF8')
		AND right(t.clock::text, 32) = bytes_of(site) || bytes_of(pg_current_xact_id()::text::bigint))
$$;

CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	own bigint := ('x' || vecmark.site())::bit(64)::bigint;
BEGIN
	-- what triggers write on the way is local, and so is a row that goes with another
	IF vecmark.merging() AND pg_trigger_depth() = 1 AND (TG_OP <> 'DELETE' OR NOT is_ended_here(TG_TABLE_NAME,
		CASE TG_TABLE_NAME WHEN 'c' THEN chr(1) || OLD.id || chr(3) || (to_jsonb(OLD)->>'sub') ELSE OLD.id::text END, own)) THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'UPDATE' AND to_jsonb(OLD) = to_jsonb(NEW) THEN
		RETURN NULL;
	END IF;
	INSERT INTO audit (site, txn, tbl, op, o, n) VALUES (own, pg_current_xact_id(), TG_TABLE_NAME, left(TG_OP, 1),
		CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
	RETURN NULL;
END;
$$;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['p', 'c', 'd', 'e', 'q', 't'] LOOP
		EXECUTE format('CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit_row()', name);
	END LOOP;
END;
$$;
