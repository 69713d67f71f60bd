-- Digests of tracked tables: kept by writers, compared, held against the rows, and rows repaired by them.
-- test/t/030 compares two databases.
CREATE TABLE leafy (id integer PRIMARY KEY, title text, embedding vector(3), hits integer, labels text[], at timestamptz, x float8);
SELECT vecmark.track('leafy', '{"counters": ["hits"], "sets": ["labels"]}');
INSERT INTO leafy SELECT g, 'row ' || g, ARRAY[g, 1, 0]::vector, g, ARRAY['a', 'b' || g % 3], '2026-01-01'::timestamptz + g * interval '1 hour', g / 3.0
FROM generate_series(1, 1000) AS g;

-- there is none before it is built
SELECT vecmark.root('leafy');
SELECT vecmark.buckets('leafy');
SELECT * FROM vecmark.audit('leafy');
SELECT vecmark.build_digest('pg_class');
SELECT vecmark.build_digest('leafy');
SELECT rel, seed FROM vecmark.digests;
SELECT rows, length(hash), settled FROM vecmark.root('leafy');

-- whatever is done, the leaves are those of the rows
CREATE FUNCTION is_exact() RETURNS boolean LANGUAGE sql AS $$
	SELECT (SELECT rows FROM vecmark.root('leafy')) = (SELECT count(*) FROM leafy) AND NOT EXISTS (SELECT FROM vecmark.audit('leafy'))
$$;
INSERT INTO leafy SELECT g, 'more ' || g FROM generate_series(1001, 1500) AS g;
SELECT is_exact();
UPDATE leafy SET title = upper(title) WHERE id % 2 = 0;
UPDATE leafy SET hits = hits + 1, labels = array_remove(labels, 'a') || 'c'::text WHERE id % 3 = 0;
UPDATE leafy SET embedding = NULL, x = 'NaN', at = NULL WHERE id % 5 = 0;
SELECT is_exact();
DELETE FROM leafy WHERE id % 7 = 0;
INSERT INTO leafy (id, title) VALUES (7, 'again');
SELECT is_exact();
INSERT INTO leafy (id, title) VALUES (8, 'is there') ON CONFLICT DO NOTHING;
INSERT INTO leafy (id, title) VALUES (9, 'is there') ON CONFLICT (id) DO UPDATE SET title = 'upserted';
UPDATE leafy SET id = id + 100000 WHERE id BETWEEN 20 AND 40;
SELECT is_exact();
BEGIN;
UPDATE leafy SET title = 'outer' WHERE id < 100;
SAVEPOINT a;
DELETE FROM leafy WHERE id < 200;
ROLLBACK TO a;
SAVEPOINT b;
UPDATE leafy SET title = 'in b' WHERE id BETWEEN 50 AND 60;
SAVEPOINT c;
UPDATE leafy SET hits = 0 WHERE id BETWEEN 50 AND 60;
RELEASE c;
ROLLBACK TO b;
SAVEPOINT d;
UPDATE leafy SET title = 'in d' WHERE id BETWEEN 61 AND 70;
RELEASE d;
COMMIT;
SELECT is_exact();
BEGIN;
DELETE FROM leafy;
ROLLBACK;
SELECT is_exact();
DO $$
BEGIN
	FOR i IN 300..320 LOOP
		BEGIN
			UPDATE leafy SET title = 'loop ' || i WHERE id = i;
			IF i % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END;
$$;
SELECT is_exact();

-- settings of the session are not in it
SELECT hash AS before FROM vecmark.root('leafy') \gset
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -10;
SET timezone = 'Asia/Tokyo';
SELECT is_exact();
UPDATE leafy SET at = at + interval '0', x = x + 1 WHERE id = 401;
UPDATE leafy SET x = x - 1 WHERE id = 401;
SELECT is_exact();
RESET datestyle;
RESET extra_float_digits;
RESET timezone;
SELECT is_exact();

-- folding changes nothing but how much there is
SELECT hash AS before FROM vecmark.root('leafy') \gset
SELECT vecmark_internal.fold_digest('leafy') > 1 AS folded;
SELECT vecmark_internal.fold_digest('leafy');
SELECT hash = :'before' AS same FROM vecmark.root('leafy');
SELECT pg_total_relation_size('vecmark_internal.merkle_leaf') < 1024 * 1024 AS is_small;
SELECT vecmark.build_digest('leafy');
SELECT hash = :'before' AS same FROM vecmark.root('leafy');
UPDATE leafy SET title = 'after' WHERE id = 500;
CALL vecmark.maintain();
SELECT vecmark_internal.fold_digest('leafy');
SELECT is_exact();

-- buckets
SELECT count(*), sum(rows) = (SELECT count(*) FROM leafy) AS all_rows, min(length(hash)), max(length(hash)) FROM vecmark.buckets('leafy');
SELECT bits, (SELECT count(*) FROM vecmark.buckets('leafy', bits)), (SELECT sum(rows) FROM vecmark.buckets('leafy', bits)) = (SELECT count(*) FROM leafy) AS all_rows
FROM unnest(ARRAY[0, 1, 12, 16]) AS bits;
SELECT string_agg(hash, '' ORDER BY prefix) = vecmark.bucket_hashes('leafy') AS same FROM vecmark.buckets('leafy');
SELECT prefix FROM vecmark.buckets('leafy', 8, ARRAY[7, 200, 7]);
SELECT length(vecmark.bucket_hashes('leafy', 8, ARRAY[7, 200]));
SELECT vecmark.bucket_diff('leafy', 8, vecmark.bucket_hashes('leafy'));
SELECT vecmark.bucket_hashes('leafy') AS before \gset
UPDATE leafy SET title = 'differs' WHERE id = 600;
SELECT array_length(vecmark.bucket_diff('leafy', 8, :'before'), 1);
SELECT vecmark.buckets('leafy', 17);
SELECT vecmark.buckets('leafy', 8, ARRAY[256]);
SELECT vecmark.buckets('leafy', 8, ARRAY[NULL]::integer[]);
SELECT vecmark.bucket_diff('leafy', 8, '\x00');
SELECT vecmark.bucket_diff('leafy', 16, :'before');
SELECT vecmark.buckets('leafy', NULL);
SELECT vecmark.bucket_hashes(NULL);

-- keys: 8 bytes for each row and tombstone
SELECT length(vecmark.bucket_keys('leafy')) / 8 - (SELECT count(*) FROM leafy) AS tombstones;
SELECT count(*) FROM vecmark.fetch('leafy', 8, NULL, vecmark.bucket_keys('leafy'));
SELECT vecmark.fetch('leafy', 8, NULL, '\x0102');
SELECT vecmark.fetch('leafy', NULL, NULL, '');
SELECT vecmark_internal.delete_missing('leafy', 8, NULL, NULL, '{}');
SELECT vecmark_internal.delete_missing('leafy', 8, NULL, '\x01', '{}');
SELECT vecmark_internal.delete_missing('leafy', 0, NULL, vecmark_internal.bucket_rows('leafy', 0), vecmark.version()) AS here, length(vecmark_internal.bucket_rows('leafy', 8, '{}')) AS none;
SELECT count(*) > 3 AS parts FROM vecmark.fetch('leafy', 8, NULL, '', 10000);
SELECT d::jsonb->'repair' AS repair FROM vecmark.fetch('leafy', 0, NULL, '') AS d;

-- what is done behind the triggers' back is found: each by itself
CREATE TABLE sound AS SELECT array_agg(d) AS told, vecmark.bucket_keys('leafy') AS keys FROM vecmark.fetch('leafy', 0, NULL, '') AS d;
CREATE PROCEDURE tamper_and_tell(what text) LANGUAGE plpgsql AS $$
DECLARE
	seen record;
BEGIN
	ALTER TABLE leafy DISABLE TRIGGER USER;
	EXECUTE what;
	ALTER TABLE leafy ENABLE TRIGGER USER;
	COMMIT;
	SELECT count(*) AS leaves, coalesce(sum(expected - actual), 0) AS missing INTO seen FROM vecmark.audit('leafy');
	RAISE NOTICE '%: % leaves, % missing', what, seen.leaves, seen.missing;
END;
$$;
CALL tamper_and_tell('UPDATE leafy SET embedding = ''[-11,-1,-0]'' WHERE id = 11');
CALL tamper_and_tell('UPDATE leafy SET embedding = ''[12,-1,0]'' WHERE id = 12');
CALL tamper_and_tell('UPDATE leafy SET title = ''sow 13'' WHERE id = 13');
CALL tamper_and_tell('UPDATE leafy SET hits = hits + 1 WHERE id = 16');
CALL tamper_and_tell('UPDATE leafy SET labels = ''{}'' WHERE id = 17');
CALL tamper_and_tell('INSERT INTO leafy (id, title) VALUES (777777, ''new'')');
CALL tamper_and_tell('DELETE FROM leafy WHERE id = 18');
CALL tamper_and_tell('UPDATE leafy SET title = CASE id WHEN 71 THEN ''ROW 72'' ELSE ''row 71'' END WHERE id IN (71, 72)');

-- the rows are repaired from what was told before, or by another database that has them, if that is said; values here
-- that are as they should be are not touched, whatever settings are
SELECT vecmark.build_digest('leafy');
SELECT is_exact();
SELECT vecmark.merge_all(told) FROM sound;
SELECT vecmark.merge(told[1], 'report') FROM sound;
SET extra_float_digits = -10;
SET datestyle = 'German';
SET intervalstyle = 'iso_8601';
SELECT md5(string_agg(float8send(x)::text, '' ORDER BY id)) AS sum FROM leafy WHERE id BETWEEN 20 AND 1000 \gset
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'x of % is written', NEW.id;
	RETURN NEW;
END;
$$;
CREATE TRIGGER touched BEFORE UPDATE OF x, title ON leafy FOR EACH ROW EXECUTE FUNCTION touched();
SELECT m.status, m.applied, m.stale > 1000 AS others, m.parked FROM sound, vecmark.merge_all(told, 'repair') AS m;
SELECT md5(string_agg(float8send(x)::text, '' ORDER BY id)) = :'sum' AS same FROM leafy WHERE id BETWEEN 20 AND 1000;
RESET extra_float_digits;
RESET datestyle;
RESET intervalstyle;
DROP TRIGGER touched ON leafy;
DROP FUNCTION touched;
SELECT is_exact();
SELECT id, title, embedding, hits, labels FROM leafy WHERE id IN (11, 12, 13, 16, 17, 18, 71, 72) ORDER BY id;
SELECT id, title FROM leafy WHERE id = 777777;
-- all are as they were; the one that nobody else has stays, as an ordinary row
SELECT length(vecmark.bucket_keys('leafy')) - length(keys) FROM sound;
SELECT count(*) FROM vecmark.fetch('leafy', 0, NULL, (SELECT keys FROM sound));
SELECT * FROM vecmark.sync_check('leafy');

-- a tombstone brings no row back, and a row that is dead is not repaired
DELETE FROM leafy WHERE id = 19;
SELECT m.status, m.applied, m.parked FROM sound, vecmark.merge_all(told, 'repair') AS m;
SELECT count(*) FROM leafy WHERE id = 19;
SELECT is_exact();

-- another seed, another digest; columns that come and go make it another, too
SELECT format AS before, hash AS hash FROM vecmark.root('leafy') \gset
SELECT vecmark.build_digest('leafy', 42);
SELECT format = :before AS same_format, hash = :'hash' AS same_hash FROM vecmark.root('leafy');
INSERT INTO leafy (id, title) VALUES (900001, 'with another seed');
SELECT is_exact();
ALTER TABLE leafy ADD COLUMN extra text DEFAULT 'x';
SELECT vecmark.root('leafy');
INSERT INTO leafy (id, title, extra) VALUES (900002, 'meanwhile', 'y');
CALL vecmark.maintain();
SELECT is_exact();
SELECT seed FROM vecmark.digests;

-- so do types and values that are altered past the triggers, here and in partitions
CREATE FUNCTION altered(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE what;
	BEGIN
		PERFORM vecmark.root('moody');
		said := 'not seen';
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		said := SQLERRM;
	END;
	PERFORM vecmark.build_digest('moody');
	RETURN said;
END;
$$;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE inner_mood AS ENUM ('x', 'y');
CREATE TYPE pair AS (n integer, m inner_mood);
CREATE TABLE moody (id mood, v numeric(10, 2), w text, moods mood[], pairs pair[], PRIMARY KEY (id)) PARTITION BY LIST (id);
CREATE TABLE moody_sad PARTITION OF moody FOR VALUES IN ('sad');
CREATE TABLE moody_ok PARTITION OF moody FOR VALUES IN ('ok');
SELECT vecmark.track('moody');
SELECT vecmark.build_digest('moody');
INSERT INTO moody VALUES ('sad', 1.25, 'w', '{ok}', ARRAY[(1, 'x')::pair]), ('ok', 2, 'x', '{sad}', NULL);
SELECT altered('ALTER TABLE moody ALTER v TYPE numeric(10, 1)');
SELECT altered('ALTER TABLE moody ALTER w TYPE varchar');
SELECT altered('ALTER TABLE moody DROP w; ALTER TABLE moody ADD w varchar DEFAULT ''new''');
SELECT altered('ALTER TYPE mood RENAME VALUE ''ok'' TO ''fine''');
SELECT altered('ALTER TYPE inner_mood RENAME VALUE ''x'' TO ''z''');
SELECT altered('ALTER TYPE pair ADD ATTRIBUTE extra text');
SELECT altered('ALTER TABLE moody DETACH PARTITION moody_ok');
SELECT altered('ALTER TABLE moody ATTACH PARTITION moody_ok FOR VALUES IN (''fine'')');
SELECT altered('ALTER TABLE moody ALTER w SET DEFAULT ''other''');
SELECT count(*) FROM vecmark.audit('moody');

-- it is built only where its trigger keeps it, and not by who is writing the table
SELECT part, ok, detail FROM vecmark.health WHERE part = 'digests';
ALTER TABLE moody DISABLE TRIGGER "~~vecmark_digest";
SELECT vecmark.build_digest('moody');
SELECT ok, detail FROM vecmark.health WHERE part = 'digests';
ALTER TABLE moody ENABLE TRIGGER "~~vecmark_digest";
ALTER TABLE moody_sad DISABLE TRIGGER "~~vecmark_digest";
SELECT vecmark.build_digest('moody');
SELECT vecmark.root('moody');
SELECT ok, detail FROM vecmark.health WHERE part = 'digests';
ALTER TABLE moody_sad ENABLE TRIGGER "~~vecmark_digest";
CREATE TRIGGER again AFTER INSERT ON moody FOR EACH ROW EXECUTE FUNCTION vecmark_internal.digest_row('0');
SELECT vecmark.build_digest('moody');
DROP TRIGGER again ON moody;
CREATE TRIGGER again AFTER INSERT ON moody FOR EACH ROW EXECUTE FUNCTION vecmark_internal.digest_row('seed');
INSERT INTO moody VALUES ('sad') ON CONFLICT DO NOTHING;
DELETE FROM moody WHERE id = 'sad';
INSERT INTO moody VALUES ('sad');
DROP TRIGGER again ON moody;
WITH w AS (DELETE FROM moody RETURNING id) SELECT vecmark.build_digest('moody') FROM w;
SELECT vecmark_internal.compute_digest('moody', 5);
ALTER TABLE moody ALTER v TYPE numeric(10, 3);
SELECT ok, detail FROM vecmark.health WHERE part = 'digests';
ALTER TABLE moody DISABLE TRIGGER "~~vecmark_digest";
CALL vecmark.maintain();
ALTER TABLE moody ENABLE TRIGGER "~~vecmark_digest";
CALL vecmark.maintain();
SELECT ok FROM vecmark.health WHERE part = 'digests';
SELECT vecmark.untrack('moody');
DROP TABLE moody;
DROP TYPE mood, pair, inner_mood;
DROP FUNCTION altered;

-- whether there is something that another lacks
SELECT vecmark.version() AS before \gset
SELECT vecmark.has_changes(:'before'), vecmark.has_changes('{}'), vecmark.has_changes(:'before', '{leafy}'), vecmark.has_changes(NULL);
CREATE TABLE other (id integer PRIMARY KEY);
SELECT vecmark.track('other');
SELECT vecmark.version() AS tracked \gset
INSERT INTO other VALUES (1);
SELECT vecmark.has_changes(:'tracked') AS any, vecmark.has_changes(:'tracked', '{leafy}') AS leafy, vecmark.has_changes(:'tracked', '{other}') AS other,
	vecmark.has_changes(:'before', '{leafy}') AS leafy_before;
SELECT vecmark.has_changes(:'before', '{pg_class}');
SELECT vecmark.untrack('other');
DROP TABLE other;

-- local columns are not in it, generated ones neither
CREATE TABLE shy (id integer PRIMARY KEY, v text, mine text, up text GENERATED ALWAYS AS (upper(v)) STORED);
SELECT vecmark.track('shy', '{"local": ["mine"]}');
SELECT vecmark.build_digest('shy');
INSERT INTO shy VALUES (1, 'v', 'local');
SELECT hash AS before FROM vecmark.root('shy') \gset
UPDATE shy SET mine = 'other';
SELECT hash = :'before' AS same FROM vecmark.root('shy');
SELECT * FROM vecmark.audit('shy');

-- partitions
CREATE TABLE parts (id integer, area text, v text, PRIMARY KEY (id, area)) PARTITION BY LIST (area);
CREATE TABLE parts_n PARTITION OF parts FOR VALUES IN ('n');
CREATE TABLE parts_s (v text, area text NOT NULL, id integer NOT NULL);
ALTER TABLE parts ATTACH PARTITION parts_s FOR VALUES IN ('s');
SELECT vecmark.track('parts');
SELECT vecmark.build_digest('parts');
INSERT INTO parts SELECT g, CASE g % 2 WHEN 0 THEN 'n' ELSE 's' END, g::text FROM generate_series(1, 100) AS g;
UPDATE parts SET v = 'x' WHERE id % 3 = 0;
UPDATE parts SET area = 'n' WHERE id IN (1, 3, 5);
DELETE FROM parts WHERE id > 90;
SELECT rows FROM vecmark.root('parts');
SELECT * FROM vecmark.audit('parts');

-- within savepoints it is built only of what they wrote
BEGIN;
SELECT vecmark.build_digest('leafy');
UPDATE leafy SET title = 'own' WHERE id = 44;
SELECT vecmark.build_digest('leafy');
SAVEPOINT s;
SELECT vecmark.build_digest('leafy');
UPDATE leafy SET title = 'own' WHERE id = 45;
SAVEPOINT t;
SELECT vecmark.build_digest('leafy');
ROLLBACK TO s;
COMMIT;
SELECT is_exact();

-- it goes with the tracking
SELECT vecmark.drop_digest('shy');
INSERT INTO shy VALUES (2, 'v');
SELECT vecmark.root('shy');
SELECT vecmark.build_digest('shy');
SELECT vecmark.untrack('shy');
SELECT rel FROM vecmark.digests ORDER BY rel::text;
DROP TABLE parts;
CALL vecmark.maintain();
SELECT rel FROM vecmark.digests;
SELECT vecmark.untrack('leafy');
SELECT rel FROM vecmark.digests;
DROP TABLE leafy, shy, sound;
DROP FUNCTION is_exact;
DROP PROCEDURE tamper_and_tell;
