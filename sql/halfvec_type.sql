-- The type halfvec: text form, binary form, dimensions, storage.
SELECT '[1,2,3]'::halfvec, ' [ -1 , +2.50 , 3e2 ] '::halfvec, '[.5,5.,0x1p3]'::halfvec;
-- the least subnormal and normal, the largest, zeros, and what is rounded to them
SELECT '[5.9604645e-08,6.1035156e-05,65504,-65504,-0,0]'::halfvec;
SELECT '[65519.99,1e-8,-1e-8,2.9802322e-08,2.9802326e-08,1e-46]'::halfvec AS rounded;
-- a tie goes to the even mantissa
SELECT '[2049,2051,-2049,4098,4102,1.00048828125,1.00146484375]'::halfvec AS ties;
-- Each half comes out as the float that it is.
SELECT '[0.1,0.3333333,3.1415926,2047.5,1e-7]'::halfvec;
-- every finite half, there and back
CREATE TABLE halfvec_all AS
	SELECT (decode('03e00000' || string_agg(lpad(to_hex(s * 32768 + h * 992 + i), 4, '0'), '' ORDER BY i), 'hex')) AS form, s * 32 + h AS id
	FROM generate_series(0, 1) AS s, generate_series(0, 31) AS h, generate_series(0, 991) AS i GROUP BY s, h;
CREATE TABLE halfvec_copy (v halfvec(992));
\set dir `mktemp -d`
\cd :dir
\copy (SELECT form FROM halfvec_all ORDER BY id) TO 'forms' WITH (FORMAT binary)
\copy halfvec_copy FROM 'forms' WITH (FORMAT binary)
\! rm forms && rmdir $PWD
SELECT count(*), count(DISTINCT v), sum(vector_dims(v)), bool_and(halfvec_send(v::text::halfvec) = halfvec_send(v)) AS text,
	bool_and(halfvec_send(v::vector::halfvec) = halfvec_send(v)) AS vector, bool_and(halfvec_send(v::real[]::halfvec) = halfvec_send(v)) AS "real[]",
	bool_and(halfvec_send(v) IN (SELECT form FROM halfvec_all)) AS form
FROM halfvec_copy;
-- in the order of their values
SELECT bool_and(x > before) AS ascending, count(*) FROM (
	SELECT x, lag(x) OVER (ORDER BY h) AS before FROM (
		SELECT x, ARRAY[x]::halfvec AS h FROM halfvec_copy, unnest(v::real[]) AS x WHERE x <> 0) AS s) AS t;
DROP TABLE halfvec_all, halfvec_copy;

-- dimensions
CREATE TABLE halfvec_test (id integer PRIMARY KEY, v halfvec(3), w halfvec);
INSERT INTO halfvec_test VALUES (1, '[1,2,3]', '[1]'), (2, '[4,5,6]', '[1,2,3,4]'), (3, NULL, NULL);
SELECT * FROM halfvec_test ORDER BY id;
SELECT attname, atttypmod, format_type(atttypid, atttypmod), attstorage
FROM pg_attribute WHERE attrelid = 'halfvec_test'::regclass AND attnum > 1 ORDER BY attnum;
SELECT vector_dims(array_fill(1, ARRAY[16000])::halfvec), pg_column_size('[1,2,3]'::halfvec);
SELECT typlen, typalign, typstorage, typcategory FROM pg_type WHERE typname = 'halfvec';

-- arrays of halfvecs, rows, JSON
SELECT ARRAY['[1,2]'::halfvec, '[3,4]'], '{"[1,2]","[3,4]"}'::halfvec[], '{"[1,2]"}'::halfvec(2)[];
CREATE TABLE halfvec_arrays (a halfvec(2)[]);
INSERT INTO halfvec_arrays VALUES ('{"[1,2]",NULL,"[3,4]"}'), ('{}'), (NULL);
SELECT a, a[3], substring(array_send(a) FROM 13) AS elements FROM halfvec_arrays;
DROP TABLE halfvec_arrays;
SELECT to_json(v) FROM halfvec_test WHERE id = 1;
SELECT row(v, w) FROM halfvec_test WHERE id = 2;

-- binary form: int16 dimensions, int16 0, halves in network order
SELECT halfvec_send('[1,-2.5,65504,-0,6e-8]');

-- a wide halfvec is stored out of line, not compressed
CREATE TABLE halfvec_wide (v halfvec(16000));
INSERT INTO halfvec_wide SELECT array_agg(i % 2000)::halfvec FROM generate_series(1, 16000) AS i;
SELECT pg_column_size(v), vector_dims(v), (v::real[])[1999] FROM halfvec_wide;
UPDATE halfvec_wide SET v = v + v;
SELECT (v::real[])[1999], v <-> v AS l2, v = v AS eq, octet_length(v::text) FROM halfvec_wide;

-- unlogged and temporary tables
CREATE UNLOGGED TABLE halfvec_unlogged AS SELECT '[1,2]'::halfvec AS v;
CREATE TEMPORARY TABLE halfvec_temporary AS SELECT '[1,2]'::halfvec(2) AS v;
SELECT u.v = t.v FROM halfvec_unlogged AS u, halfvec_temporary AS t;

DROP TABLE halfvec_test, halfvec_wide, halfvec_unlogged;
