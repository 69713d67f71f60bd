-- The type sparsevec: text form, binary form, dimensions, storage.
SELECT '{1:1.5,3:-2}/5'::sparsevec, E' {\t1 :\n-1 , +2: +2.50 ,3:3e2 } / +3 '::sparsevec, '{1:.5,2:5.,3:0x1p3}/3'::sparsevec;
SELECT '{}/5'::sparsevec, '{ }/1000000000'::sparsevec, '{1000000000:1,999999999:-1}/1000000000'::sparsevec;
-- indices are sorted, zeros left out with their indices
SELECT '{3:3,1:1,2:2}/3'::sparsevec, '{9:1,1:9,8:2,2:8,7:3,3:7,6:4,4:6,5:5}/9'::sparsevec, '{1:1,2:0,3:-0,3:3}/3'::sparsevec, '{0:0,-7:0,99:0}/3'::sparsevec;
SELECT '{1:1.5e38,2:-1.5e-38,3:1e-45,4:16777217,5:3.4028235e38}/5'::sparsevec;
-- each float comes out in the fewest digits that read back as it
SELECT '{1:0.1,2:0.12345678,3:0.123456789012345678}/3'::sparsevec;
CREATE TABLE sparse_many AS
	SELECT g AS id, ('{' || string_agg(i || ':' || (sin(i + g) * 10.0 ^ (i % 70 - 35))::real, ',' ORDER BY md5(g || ' ' || i)) || '}/' || 1000000000)::sparsevec AS v
	FROM generate_series(1, 200) AS g, LATERAL (SELECT (100000.0 * g * n)::integer AS i FROM generate_series(1, g % 40) AS n) AS s GROUP BY g;
SELECT count(*), bool_and(v::text::sparsevec = v) AS round_trips, bool_and(sparsevec_send(v::text::sparsevec) = sparsevec_send(v)) AS same_bytes FROM sparse_many;
DROP TABLE sparse_many;

-- dimensions
CREATE TABLE sparse_test (id integer PRIMARY KEY, v sparsevec(3), w sparsevec);
INSERT INTO sparse_test VALUES (1, '{1:1,3:3}/3', '{}/1'), (2, '{}/3', '{4:4}/1000'), (3, NULL, NULL);
SELECT * FROM sparse_test ORDER BY id;
SELECT attname, atttypmod, format_type(atttypid, atttypmod), attstorage
FROM pg_attribute WHERE attrelid = 'sparse_test'::regclass AND attnum > 1 ORDER BY attnum;
SELECT '{}/1000000000'::sparsevec(1000000000);
SELECT typlen, typalign, typstorage, typcategory FROM pg_type WHERE typname = 'sparsevec';

-- arrays, rows, JSON
SELECT ARRAY['{1:1}/2'::sparsevec, '{}/3'], '{"{1:1,2:2}/2","{}/3",NULL}'::sparsevec[], ARRAY['{1:1}/2', '{2:2}/2']::sparsevec(2)[];
SELECT a[2], array_length(a, 1) FROM (SELECT array_agg(v ORDER BY id) AS a FROM sparse_test) AS s;
SELECT ARRAY['{1:1}/2'::sparsevec] = ARRAY['{1:1,2:0}/2'::sparsevec] AS equal, ARRAY['{1:1}/2'::sparsevec] < ARRAY['{1:2}/2'::sparsevec] AS less;
SELECT to_json(v) FROM sparse_test WHERE id = 1;
SELECT row(v, w) FROM sparse_test WHERE id = 2;

-- binary form: int32 dimensions, elements and 0, int32 indices from 0, float4 in network order
SELECT sparsevec_send('{1:1,3:-2.5}/5'), sparsevec_send('{}/1000000000');
-- stored size: 16 bytes, and 8 an element; a short one has a short header
SELECT pg_column_size('{}/1000000000'::sparsevec), pg_column_size('{1:1,2:2}/2'::sparsevec), pg_column_size(v) FROM sparse_test WHERE id = 1;

-- a wide one is stored out of line, not compressed
CREATE TABLE sparse_wide (v sparsevec);
INSERT INTO sparse_wide SELECT ('{' || string_agg(i * 1000 || ':' || i, ',') || '}/16000000')::sparsevec FROM generate_series(1, 16000) AS i;
SELECT pg_column_size(v), right(v::text, 40), l2_norm(v), v = v::text::sparsevec AS same FROM sparse_wide;
UPDATE sparse_wide SET v = l2_normalize(v);
SELECT round(l2_norm(v)::numeric, 6) FROM sparse_wide;
-- all orders of many elements
SELECT count(*), count(DISTINCT v), count(DISTINCT v::text), sum(l2_norm(v))::real FROM (
	SELECT ('{' || string_agg(i || ':' || i, ',' ORDER BY CASE k WHEN 1 THEN i::text WHEN 2 THEN md5(i::text) WHEN 3 THEN to_char(9999 - i, '0000') ELSE to_char(i % 7 * 10000 + i, '00000') END)
		|| '}/5000')::sparsevec AS v
	FROM generate_series(1, 4) AS k, generate_series(1, 5000) AS i GROUP BY k) AS s;

-- unlogged and temporary tables
CREATE UNLOGGED TABLE sparse_unlogged AS SELECT '{1:1}/2'::sparsevec AS v;
CREATE TEMPORARY TABLE sparse_temporary AS SELECT '{1:1}/2'::sparsevec(2) AS v;
SELECT u.v = t.v FROM sparse_unlogged AS u, sparse_temporary AS t;

DROP TABLE sparse_test, sparse_wide, sparse_unlogged;
