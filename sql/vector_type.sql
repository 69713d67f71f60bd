-- The type vector: text form, binary form, dimensions, storage.
SELECT '[1,2,3]'::vector, ' [ -1 , +2.50 , 3e2 ] '::vector, '[.5,5.,0x1p3]'::vector;
SELECT '[1.5e38,-1.5e-38,1e-45,-0,0]'::vector;
SELECT '[1e-46,-1e-46]'::vector AS underflow_to_zero;
-- Each float comes out in the fewest digits that read back as it.
SELECT '[0.1,0.12345678,0.123456789012345678,16777217,3.4028235e38]'::vector;
SELECT bool_and(v::text::vector = v) AS round_trips, count(*)
FROM (SELECT array_agg((random() * 10 ^ (random() * 60 - 30))::real)::vector AS v
	FROM generate_series(1, 20000) AS i GROUP BY i % 50) AS s;

-- dimensions
CREATE TABLE vector_test (id integer PRIMARY KEY, v vector(3), w vector);
INSERT INTO vector_test VALUES (1, '[1,2,3]', '[1]'), (2, '[4,5,6]', '[1,2,3,4]'), (3, NULL, NULL);
SELECT * FROM vector_test ORDER BY id;
SELECT attname, atttypmod, format_type(atttypid, atttypmod), attstorage
FROM pg_attribute WHERE attrelid = 'vector_test'::regclass AND attnum > 1 ORDER BY attnum;
SELECT vector_dims(array_fill(1, ARRAY[16000])::vector);
SELECT typlen, typalign, typstorage, typcategory FROM pg_type WHERE typname = 'vector';

-- arrays of vectors, rows, JSON
SELECT ARRAY['[1,2]'::vector, '[3,4]'], '{"[1,2]","[3,4]"}'::vector[];
SELECT to_json(v) FROM vector_test WHERE id = 1;
SELECT row(v, w) FROM vector_test WHERE id = 2;

-- binary form: int16 dimensions, int16 0, float4 in network order
SELECT vector_send('[1,-2.5]');

-- a wide vector is stored out of line, not compressed
CREATE TABLE vector_wide (v vector(16000));
INSERT INTO vector_wide SELECT array_agg(i)::vector FROM generate_series(1, 16000) AS i;
SELECT pg_column_size(v), vector_dims(v), (v::real[])[16000] FROM vector_wide;
UPDATE vector_wide SET v = v + v;
SELECT (v::real[])[16000] FROM vector_wide;

-- unlogged and temporary tables
CREATE UNLOGGED TABLE vector_unlogged AS SELECT '[1,2]'::vector AS v;
CREATE TEMPORARY TABLE vector_temporary AS SELECT '[1,2]'::vector(2) AS v;
SELECT u.v = t.v FROM vector_unlogged AS u, vector_temporary AS t;

DROP TABLE vector_test, vector_wide, vector_unlogged;
