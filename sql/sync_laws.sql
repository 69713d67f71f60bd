-- Joining is commutative, associative and idempotent: the same deltas in any order, however grouped and often, make the same bytes.
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_laws WITH (FORCE);
CREATE DATABASE sync_laws;
\c sync_laws :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\c sync_laws :me
CREATE TABLE items (id int PRIMARY KEY, a text, b text, n int, tags text[]);
CREATE TABLE told (who int, part int, d vecmark.delta);
-- the database becomes another one, which holds nothing
CREATE PROCEDURE be_another() LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM vecmark.tracked) THEN
		PERFORM vecmark.untrack('items');
	END IF;
	DELETE FROM items;
	PERFORM vecmark.start_over();
	PERFORM vecmark.track('items', '{"counters": ["n"], "sets": ["tags"]}');
	COMMIT;
END $$;
-- a write to one of few rows
CREATE FUNCTION write() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	what CONSTANT int := random() * 9;
	key CONSTANT int := random() * 9;
	word CONSTANT text := chr(97 + (random() * 5)::int);
BEGIN
	CASE
		WHEN what <= 2 THEN INSERT INTO items VALUES (key, word, NULL, 1 + what, ARRAY[word]) ON CONFLICT DO NOTHING;
		WHEN what = 3 THEN DELETE FROM items WHERE id = key;
		WHEN what = 4 THEN UPDATE items SET a = word WHERE id = key;
		WHEN what = 5 THEN UPDATE items SET b = nullif(word, 'a'), n = n + 1 WHERE id = key;
		WHEN what = 6 THEN UPDATE items SET n = n - 10 WHERE id = key;
		WHEN what = 7 THEN UPDATE items SET tags = tags || word WHERE id = key;
		WHEN what = 8 THEN UPDATE items SET tags = array_remove(tags, word) WHERE id = key;
		ELSE UPDATE items SET a = word, tags = '{}' WHERE id >= key;
	END CASE;
END $$;
-- rows with their clocks, and all that is told of them, which has the deleted ones too
CREATE FUNCTION state() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN md5(concat((SELECT string_agg(concat(id, '|', a, '|', b, '|', n, '|', tags, '|', _vm), ' ' ORDER BY id) FROM items),
		(SELECT string_agg((d::jsonb->'tables')::text, ' ') FROM vecmark.changes(rels => '{items}') AS d)));
END $$;
-- merge what some have told: parts in any order, some of them again
CREATE PROCEDURE merge_some(whose int[], again float8) LANGUAGE plpgsql AS $$
DECLARE
	one vecmark.delta;
BEGIN
	FOR one IN SELECT t.d FROM told AS t CROSS JOIN generate_series(1, 3) AS copy
		WHERE t.who = ANY (whose) AND (copy = 1 OR random() < again) ORDER BY random()
	LOOP
		PERFORM vecmark.merge(one);
		COMMIT;
	END LOOP;
END $$;
CREATE PROCEDURE tell(whose int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO told SELECT whose, c.part, c.d FROM vecmark.changes(max_bytes => 400) WITH ORDINALITY AS c (d, part);
	COMMIT;
END $$;
\a
\t on

-- six databases write, and tell all that they have twice; some have merged what some of those before them told
SELECT setseed(0.4711);
DO $$
DECLARE
	before int[];
BEGIN
	FOR i IN 1 .. 6 LOOP
		CALL be_another();
		before := ARRAY(SELECT j FROM generate_series(1, i - 1) AS j WHERE random() < 0.4);
		CALL merge_some(before, 0);
		FOR j IN 1 .. 80 LOOP
			PERFORM write();
			COMMIT;
			IF j = 40 THEN
				CALL tell(i);
				CALL merge_some(ARRAY[i - 1], 0);
			END IF;
		END LOOP;
		CALL tell(i);
	END LOOP;
END $$;
SELECT count(DISTINCT who) AS databases, max(part) > 2 AS parts FROM told;
CALL be_another();
CALL merge_some('{1,2,3,4,5,6}', 0);
SELECT state() AS state \gset
-- all that can happen to a row is there
SELECT count(*) > 3 AS rows, max((_vm::jsonb->>'life')::int) > 1 AS again, bool_or(_vm::jsonb ? 'counters') AS counters, bool_or(_vm::jsonb ? 'sets') AS sets FROM items;
SELECT bool_or(r->>'alive' = 'false') AS dead FROM vecmark.changes(rels => '{items}') AS d, jsonb_array_elements(d::jsonb->'tables') AS t, jsonb_array_elements(t->'rows') AS r;
SELECT * FROM vecmark.sync_check('items');

-- idempotent: once more, as a whole and in parts, is nothing new
SELECT sum(m.applied) AS applied, sum(m.parked) AS parked FROM told AS t, LATERAL vecmark.merge(t.d) AS m;
SELECT state() = :'state' AS same_bytes;
SELECT m.status, m.applied FROM (SELECT array_agg(d) AS d FROM vecmark.changes() AS d) AS own, LATERAL vecmark.merge_all(own.d) AS m;
SELECT state() = :'state' AS same_bytes;

-- commutative: any order, some of them more than once
CREATE TABLE results (law text, state text);
DO $$
BEGIN
	FOR i IN 1 .. 15 LOOP
		CALL be_another();
		CALL merge_some('{1,2,3,4,5,6}', 0.2);
		INSERT INTO results VALUES ('commutative', state());
	END LOOP;
END $$;

-- associative: some are joined first, and told as one; they may overlap
DO $$
DECLARE
	first int[];
	second int[];
BEGIN
	FOR i IN 1 .. 10 LOOP
		SELECT array_agg(j) FILTER (WHERE random() < 0.5), array_agg(j) FILTER (WHERE random() < 0.5) INTO first, second FROM generate_series(1, 6) AS j;
		second := second || (SELECT array_agg(j) FROM generate_series(1, 6) AS j WHERE j <> ALL (coalesce(first, '{}')));
		DELETE FROM told WHERE who > 6;
		CALL be_another();
		CALL merge_some(first, 0);
		CALL tell(7);
		CALL be_another();
		CALL merge_some(second, 0);
		CALL tell(8);
		-- into what has the second, and into what has nothing
		CALL merge_some('{7}', 0);
		INSERT INTO results VALUES ('associative', state());
		CALL be_another();
		CALL merge_some('{7,8}', 0.2);
		INSERT INTO results VALUES ('associative', state());
	END LOOP;
END $$;
SELECT law, count(*), bool_and(state = :'state') AS same_bytes FROM results GROUP BY law ORDER BY law;

-- and less is less
CALL be_another();
CALL merge_some('{1,2,3,4,5}', 0);
SELECT state() = :'state' AS same_bytes;
CALL merge_some('{6}', 0);
SELECT state() = :'state' AS same_bytes;

\c :here :installer
DROP DATABASE sync_laws WITH (FORCE);
