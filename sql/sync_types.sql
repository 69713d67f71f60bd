-- The types of replicated state: version_vector, rowclock, delta.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
-- version_vector: spaces, either case, any order, ranges that meet
SELECT '{}'::vecmark.version_vector, ' { } '::vecmark.version_vector;
SELECT '{00c0ffee00c0ffee: 0-811 813, 0badcafe0badcafe: 4}'::vecmark.version_vector;
SELECT E'{\n00C0FFEE00c0ffee:5 - 6 0 1 2,0badcafe0badcafe:9,00c0ffee00c0ffee: 4-5\t7 }'::vecmark.version_vector;
SELECT '{ffffffffffffffff: 0 18446744073709551614}'::vecmark.version_vector;
-- what is none
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
CREATE FUNCTION show_all(type text, VARIADIC texts text[]) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT t || E'\n  ' || shown(format('SELECT %L::%s', t, type)) FROM unnest(texts) AS t $$;
SELECT show_all('vecmark.version_vector', '', 'x', '{', '{}x', '{0badcafe: 1}', '{0badcafe0badcafe0: 1}', '{0000000000000000: 1}', '{0badcafe0badcafe}',
	'{0badcafe0badcafe:}', '{0badcafe0badcafe: -1}', '{0badcafe0badcafe: 2-1}', '{0badcafe0badcafe: 18446744073709551615}', '{0badcafe0badcafe: 1-}',
	'{0badcafe0badcafe: 1,}', '{0badcafe0badcafe: 1; 00c0ffee00c0ffee: 1}', '{0badcafe0badcafe: 1.5}', '{0badcafe0badcafe: 1');
-- binary form
SELECT vecmark_internal.version_vector_send('{}'), vecmark_internal.version_vector_send('{0badcafe0badcafe: 0-811 813}');
CREATE TEMPORARY TABLE versions (v vecmark.version_vector);
INSERT INTO versions VALUES ('{}'), ('{0badcafe0badcafe: 0-811 813, 00c0ffee00c0ffee: 7}'), (NULL);
SELECT v, pg_column_size(v) FROM versions;

-- operators
CREATE TEMPORARY TABLE pairs (a vecmark.version_vector, b vecmark.version_vector);
INSERT INTO pairs VALUES
	('{}', '{}'),
	('{0badcafe0badcafe: 0-9}', '{}'),
	('{0badcafe0badcafe: 0-9}', '{0badcafe0badcafe: 0-9}'),
	('{0badcafe0badcafe: 0-9}', '{0badcafe0badcafe: 3-5}'),
	('{0badcafe0badcafe: 0-9}', '{0badcafe0badcafe: 3-12}'),
	('{0badcafe0badcafe: 0-9}', '{00c0ffee00c0ffee: 0-9}'),
	('{0badcafe0badcafe: 0-4 6-9}', '{0badcafe0badcafe: 5}'),
	('{0badcafe0badcafe: 0-9, 00c0ffee00c0ffee: 1}', '{0badcafe0badcafe: 0-9 11, 00c0ffee00c0ffee: 1}');
SELECT a, b, a OPERATOR(vecmark.=) b AS eq, a OPERATOR(vecmark.<>) b AS ne, a OPERATOR(vecmark.@>) b AS dominates, a OPERATOR(vecmark.<@) b AS dominated,
	vecmark.is_concurrent(a, b) AS concurrent FROM pairs;
SELECT a OPERATOR(vecmark.+) b AS "union", a OPERATOR(vecmark.-) b AS minus, b OPERATOR(vecmark.-) a AS other_minus, a OPERATOR(vecmark.*) b AS both FROM pairs;
-- laws
SELECT bool_and((a OPERATOR(vecmark.+) b) OPERATOR(vecmark.=) (b OPERATOR(vecmark.+) a)
	AND (a OPERATOR(vecmark.-) b) OPERATOR(vecmark.+) (a OPERATOR(vecmark.*) b) OPERATOR(vecmark.=) a
	AND (a OPERATOR(vecmark.+) b) OPERATOR(vecmark.@>) a
	AND (a OPERATOR(vecmark.@>) b) = ((b OPERATOR(vecmark.-) a) OPERATOR(vecmark.=) '{}')) AS laws FROM pairs;
SELECT vecmark_internal.covers('{0badcafe0badcafe: 0-9 11}', x'0badcafe0badcafe'::bigint, 9), vecmark_internal.covers('{0badcafe0badcafe: 0-9 11}', x'0badcafe0badcafe'::bigint, 10),
	vecmark_internal.covers('{ffffffffffffffff: 4}', -1, 4), vecmark_internal.covers('{ffffffffffffffff: 4}', -1, -4), vecmark_internal.covers(NULL, 1, 1) IS NULL;

-- rowclock: the clock of a row that one transaction wrote has 26 bytes
SELECT c, pg_column_size(c) FROM (SELECT '01010000CFC2689F9D01fecaad0bfecaad0bfa02000000000000'::vecmark.rowclock) AS t (c);
SELECT vecmark_internal.rowclock_send('01010000cfc2689f9d01fecaad0bfecaad0bfa02000000000000');
SELECT show_all('vecmark.rowclock', '', 'x', '0', '01', '00010000cfc2689f9d01fecaad0bfecaad0bfa02000000000000', '02010000cfc2689f9d01fecaad0bfecaad0bfa02000000000000',
	'01000000cfc2689f9d01fecaad0bfecaad0bfa02000000000000', '01010000cfc2689f9d01fecaad0bfecaad0bfa020000000000',
	'01010000cfc2689f9d01fecaad0bfecaad0bfa0200000000000000', '01010000cfc2689f9d010000000000000000fa02000000000000');

-- delta: one of format 2 as the first release wrote it is read for ever
CREATE FUNCTION delta() RETURNS text LANGUAGE sql AS $$ SELECT '564d44020036a453f606011f64396c56029edd0000010001008606018080acda95bfffd001008506010c7075626c69632e6974656d7301040301016e00046e616d650204746167730110000000000000000000000000000000010101010100046f6e65010001000a01020100020162010001610100' $$;
SELECT delta()::vecmark.delta::text = delta(), vecmark_internal.delta_send(delta()::vecmark.delta)::text = '\x' || delta();
-- read by people
SELECT jsonb_pretty(delta()::vecmark.delta::jsonb);
SELECT jsonb_pretty('01010000cfc2689f9d01fecaad0bfecaad0bfa02000000000000'::vecmark.rowclock::jsonb);
-- whatever bit is flipped, wherever it is cut, and whatever follows it is noticed
CREATE FUNCTION is_refused(bytes bytea) RETURNS boolean LANGUAGE sql AS $$
	SELECT shown(format('SELECT %L::vecmark.delta', encode(bytes, 'hex'))) LIKE '22P02 invalid input syntax for type delta: %' $$;
SELECT count(*), count(*) FILTER (WHERE is_refused(set_bit(d, i, 1 - get_bit(d, i)))) AS flipped, count(*) FILTER (WHERE is_refused(substr(d, 1, i / 8))) AS cut,
	is_refused(d || '\x00') AS longer
FROM decode(delta(), 'hex') AS d, generate_series(0, length(d) * 8 - 1) AS i GROUP BY d;
SELECT show_all('vecmark.delta', '', 'x', '564d44', '564d4501001c52ae11', '564d4403001c52ae11', '564d4402001c52ae11');

-- none of them is ordered or hashed
SELECT shown(s) FROM unnest(ARRAY['SELECT delta()::vecmark.delta < delta()::vecmark.delta', 'SELECT v FROM versions ORDER BY v', 'SELECT DISTINCT v FROM versions']) AS s;
-- binary input
CREATE TEMPORARY TABLE told (v vecmark.version_vector, c vecmark.rowclock, d vecmark.delta);
INSERT INTO told VALUES ('{0badcafe0badcafe: 0-811 813}', '01010000cfc2689f9d01fecaad0bfecaad0bfa02000000000000', delta()::vecmark.delta);
\copy told TO 'results/sync_types.data' (FORMAT binary)
\copy told FROM 'results/sync_types.data' (FORMAT binary)
SELECT count(*), count(DISTINCT t::text) FROM told AS t;
-- what is none; each in a column of its own: the length, then the bytes
CREATE TEMPORARY TABLE one_version (v vecmark.version_vector);
CREATE TEMPORARY TABLE one_clock (c vecmark.rowclock);
CREATE TEMPORARY TABLE one_delta (d vecmark.delta);
\copy one_version FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\001\377\377"' (FORMAT binary)
\copy one_clock FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\001\377\377"' (FORMAT binary)
\copy one_delta FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\001\377\377"' (FORMAT binary)
\set VERBOSITY sqlstate
\copy one_version FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\001\377\377"' (FORMAT binary)
\copy one_clock FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\001\377\377"' (FORMAT binary)
\copy one_delta FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\001\377\377"' (FORMAT binary)
\set VERBOSITY default

DROP FUNCTION shown, show_all, delta, is_refused;
