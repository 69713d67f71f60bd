-- Values of all sorts, told by sessions with unlike settings to databases with unlike types, and encodings that differ.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me, current_database() AS here, rolname AS installer FROM pg_roles WHERE oid = 10 \gset
\c - :installer
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_values_a WITH (FORCE);
DROP DATABASE IF EXISTS sync_values_b WITH (FORCE);
DROP DATABASE IF EXISTS sync_values_latin WITH (FORCE);
DROP DATABASE IF EXISTS sync_values_ascii WITH (FORCE);
CREATE DATABASE sync_values_a;
CREATE DATABASE sync_values_b;
CREATE DATABASE sync_values_latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0;
CREATE DATABASE sync_values_ascii ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0;
\c sync_values_a :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\c sync_values_b :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\c sync_values_latin :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\c sync_values_ascii :installer
CREATE EXTENSION vecmark;
GRANT CREATE ON SCHEMA public TO PUBLIC;
\set all 'SELECT array_agg(d) AS d FROM vecmark.changes() AS d'
\set merge 'SELECT status, applied, parked FROM vecmark.merge_all(:''d'');'
\set parked 'SELECT name, key, sqlstate, reason FROM vecmark.parked ORDER BY 1, 2;'
\a
\t on

-- types whose labels, parts and numbers were made in another order
\c sync_values_b :me
CREATE TABLE before_types (a int);
CREATE TYPE mood AS ENUM ('glad');
ALTER TYPE mood ADD VALUE 'sad' BEFORE 'glad';
CREATE TYPE point3 AS (x float8, label text);
ALTER TYPE point3 ADD ATTRIBUTE at timestamptz;
CREATE DOMAIN filled AS text NOT NULL CHECK (VALUE <> '');
CREATE DOMAIN word AS text CHECK (VALUE !~ ' ');
CREATE DOMAIN filled_uuid AS uuid CHECK (VALUE <> '00000000-0000-0000-0000-000000000000');
\c sync_values_a :me
CREATE DOMAIN filled AS text NOT NULL CHECK (VALUE <> '');
CREATE DOMAIN word AS text CHECK (VALUE !~ ' ');
CREATE DOMAIN filled_uuid AS uuid CHECK (VALUE <> '00000000-0000-0000-0000-000000000000');
CREATE TYPE point3 AS (x float8, label text, at timestamptz);
CREATE TYPE mood AS ENUM ('sad', 'glad');

-- sessions whose settings differ in all that text depends on
\set make 'CREATE TABLE v (id timestamptz PRIMARY KEY, i2 smallint, i8 bigint, f4 real, f8 float8, num numeric, num2 numeric(10,2), b boolean, t text, vc varchar(5), c char(5), n name, by bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, x xml, ip inet, ci cidr, mac macaddr, bi bit(4), vb varbit, p point, cir circle, r4 int4range, mr tstzmultirange, tv tsvector, tq tsquery, a8 float8[], at text[], a2 int[], atz timestamptz[], e mood, es mood[], comp point3, comps point3[], dom filled, vec vector(3), half halfvec(3), sparse sparsevec(5), jp jsonpath, lsn pg_lsn, o oid, ch "char", m money, sets timestamptz[], aiv interval[], dk filled_uuid, ads word[])'
\c sync_values_b :me
SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET timezone = 'Asia/Kathmandu'; SET extra_float_digits = -10; SET bytea_output = 'escape'; SET lc_monetary = 'C'; SET xmlbinary = 'hex';
:make;
SELECT vecmark.track('v', '{"local": ["m"], "sets": ["sets"]}');
\c sync_values_a :me
SET datestyle = 'Postgres, MDY'; SET intervalstyle = 'iso_8601'; SET timezone = 'America/St_Johns'; SET extra_float_digits = 0;
:make;
SELECT vecmark.track('v', '{"local": ["m"], "sets": ["sets"]}');
INSERT INTO v VALUES ('2024-02-29 12:34:56.789012+05', -32768, 9223372036854775807, 1e-45, 0.1 + 0.2::float8, 1e50, 12345678.90, true, E'a\n''"\\\t{}', 'é', 'ab', 'n', '\x00ff5c27', 'infinity', '24:00', '12:00:00.000001-11:30',
	'294276-12-31 23:59:59.999999', '-infinity', '-1 year 2 mons -3 days 04:05:06.789', '00000000-0000-0000-0000-0000000000ff', '{"a":  1, "a": 2}', '{"b": 1.10, "a": "\u00e9"}', '<a b="c">d</a>',
	'10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03', '1010', '', '(1e-300,-0)', '<(1,2),3.3>', '(,5]', '{["2024-01-01 00:00+00","2024-06-01 00:00+00")}', $$'it''s':1A,2 b:3$$, $$'a' & !'b':*$$,
	'{NaN,-Infinity,4.9e-324,NULL}', '{"NULL",NULL,"",",{}"}', '[2:3][-1:0]={{1,2},{3,4}}', '{"2024-01-01 00:00+00",infinity}', 'glad', '{glad,sad,glad}', ROW(0.1, 'a,"b"', '2024-07-01 00:00+00'),
	ARRAY[ROW(1, NULL, NULL), NULL]::point3[], 'some', '[0.1,-2,3e-40]', '[1,2,65504]', '{1:1.5,5:-2}/5', '$.a[*] ? (@ > 1)', '16/B374D848', 4294967295, 'x', '12.34', '{"2024-01-01 00:00+00","2024-01-01 05:00+05",-infinity}', '{-1 year 2 mons -3 days -04:05:06.5,1 mon -1 day,NULL}', '00000000-0000-0000-0000-0000000000ff', '{a,b}');
INSERT INTO v (id, dom) VALUES ('epoch', 'only');
INSERT INTO v (id, dom, f8, num, t, a8) VALUES ('1800-01-01 00:00:00+00', 'edge', '-0', 'NaN', '', '{}');
SET datestyle = 'ISO, DMY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SELECT string_agg((to_jsonb(v) - 'm')::text, '' ORDER BY id) AS rows, string_agg(_vm::text, '' ORDER BY id) AS clocks FROM v \gset
SET datestyle = 'German'; SET intervalstyle = 'postgres_verbose'; SET timezone = 'Pacific/Chatham'; SET extra_float_digits = -15; SET bytea_output = 'escape';
:all \gset
SHOW datestyle;
\c sync_values_b :me
SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET timezone = 'Asia/Kathmandu'; SET extra_float_digits = -10; SET bytea_output = 'escape';
:merge
:parked
SHOW datestyle;
SET datestyle = 'ISO, DMY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SELECT string_agg((to_jsonb(v) - 'm')::text, '' ORDER BY id) = :'rows' AS same_rows, string_agg(_vm::text, '' ORDER BY id) = :'clocks' AS same_clocks FROM v;
SELECT id, f8, num, t IS NULL AS t_null, a8, a2, comp, comps, iv, sets, m, aiv FROM v ORDER BY id;
-- written there under the same settings, nothing is a change, and every column can be one
UPDATE v SET t = t, iv = iv, a8 = a8, comp = comp, f8 = f8, sets = sets;
SELECT string_agg(_vm::text, '' ORDER BY id) = :'clocks' AS same_clocks FROM v;
UPDATE v SET f8 = 0 WHERE f8 = '-0'::float8 AND dom = 'edge';
SELECT f8, string_agg(_vm::text, '' ORDER BY id) = :'clocks' AS same_clocks FROM v WHERE dom = 'edge' GROUP BY f8;
UPDATE v SET es = es || '{sad}', jb = jb || '{"c": null}', num = NULL, vec = '[1,1,1]' WHERE dom = 'some';
:all \gset
\c sync_values_a :me
:merge
SELECT es, jb, num, vec FROM v WHERE dom = 'some';
SELECT f8::text FROM v WHERE dom = 'edge';

-- a label that is not there yet, a value too long, a domain that says no
ALTER TYPE mood ADD VALUE 'calm';
UPDATE v SET e = 'calm' WHERE dom = 'some';
UPDATE v SET vc = 'fives' WHERE dom = 'only';
UPDATE v SET dom = 'no', dk = '00000000-0000-0000-0000-000000000001' WHERE dom = 'edge';
:all \gset
\c sync_values_b :me
ALTER TABLE v ALTER COLUMN vc TYPE varchar(3);
ALTER DOMAIN filled ADD CHECK (VALUE <> 'no');
SET timezone = 'UTC';
:merge
SELECT key, sqlstate, reason FROM vecmark.parked ORDER BY 1;
ALTER TYPE mood ADD VALUE 'calm';
ALTER TABLE v ALTER COLUMN vc TYPE text;
ALTER DOMAIN filled DROP CONSTRAINT filled_check1;
SELECT status, applied, parked FROM vecmark.retry_parked();
ALTER DOMAIN filled_uuid ADD CHECK (VALUE IS NOT NULL) NOT VALID;
\c sync_values_a :me
UPDATE v SET dk = NULL WHERE dom = 'no';
:all \gset
\c sync_values_b :me
:merge
SELECT sqlstate, reason FROM vecmark.parked ORDER BY 1;
SELECT dom, e, vc, t FROM v ORDER BY id;

-- another encoding is refused, whatever is in the delta
\c sync_values_latin :me
CREATE TABLE words (id text PRIMARY KEY, w text);
SELECT vecmark.track('words');
SELECT vecmark.merge_all(:'d');
INSERT INTO words VALUES ('plain', 'ascii');
:all \gset
\c sync_values_a :me
SELECT vecmark.merge_all(:'d');
\c sync_values_ascii :me
CREATE TABLE here (id text PRIMARY KEY);
SELECT vecmark.track('here');
SELECT vecmark.merge_all(:'d');
-- what is no text of the encoding cannot come in with a forged delta: a key, a value, a zero byte
\c sync_values_a :me
CREATE TABLE words (id text PRIMARY KEY, w text);
SELECT vecmark.track('words');
\set d '{564d440200378e8e6e0601fecaad0bfecaad0b0000010001000a01808080c0d6fcf3c5010009010c7075626c69632e776f72647301000100017701026bff010101000002760000}'
:merge
\set d '{564d440200fb94c1aa0601fecaad0bfecaad0b0000010001001401808080c0d6fcf3c5010013010c7075626c69632e776f72647301000100017702016b01010100000476c3280000016c010101000005676f6f640000}'
:merge
\set d '{564d440200f23abd0a0601fecaad0bfecaad0b0000010001001e01808080c0d6fcf3c501001d010c7075626c69632e776f72647301000100017701016d0101010000046100620000}'
:merge
:parked
SELECT id, w FROM words;
-- nor can a name
SELECT vecmark.merge('564d440200e98f7cc70601fecaad0bfecaad0b0000010001002801808080c0d6fcf3c501002701097075626c69632e77ff01000100017701016b010101000002760000');
SELECT vecmark.merge('564d440200e70bd9500601fecaad0bfecaad0b0000010001002801808080c0d6fcf3c5010027010c7075626c69632e776f726473010001000277e401016b010101000002760000');
SELECT count(*) FROM vecmark.parked;

\c :here :installer
DROP DATABASE sync_values_a WITH (FORCE);
DROP DATABASE sync_values_b WITH (FORCE);
DROP DATABASE sync_values_latin WITH (FORCE);
DROP DATABASE sync_values_ascii WITH (FORCE);
