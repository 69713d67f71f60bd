-- Casts of sparsevec.
SELECT ARRAY[1,0,2,0]::sparsevec, ARRAY[1.0,0.0,2.5]::sparsevec, '{0,2.5,-0}'::real[]::sparsevec, '{1e-3,0}'::float8[]::sparsevec, ARRAY[0]::sparsevec;
SELECT ARRAY[1,0,2]::sparsevec(3), '{1,2.5}'::real[]::sparsevec(2), '[0:1]={0,4}'::integer[]::sparsevec;
-- a bitmap of nulls without a null
SELECT a[2:3]::sparsevec FROM (SELECT ARRAY[NULL,7,0,9]::integer[] AS a) AS s;
SELECT a[2:3]::sparsevec FROM (SELECT ARRAY[NULL,7.5,123456789.25,0]::numeric[] AS a) AS s;
-- what is too small for a float is 0
SELECT '{1e-46,-1e-46,1e-45}'::float8[]::sparsevec;
-- more elements than a vector has
SELECT array_fill(0::real, ARRAY[1000000])::sparsevec, (array_fill(0::numeric, ARRAY[99999]) || 1.5)::sparsevec;
SELECT l2_norm(array_agg(CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END)::sparsevec) FROM generate_series(1, 160000) AS i;
-- vector, both ways
SELECT '[0,1.5,0,-3.5,0]'::vector::sparsevec, '[0,0]'::vector::sparsevec(2), '{2:1.5,4:-3.5}/5'::sparsevec::vector, '{}/3'::sparsevec::vector(3);
SELECT v::sparsevec::vector = v AS same, sparsevec_send(v::sparsevec) = sparsevec_send((v::real[])::sparsevec) AS as_array
FROM (SELECT array_agg(CASE WHEN i % 3 = 0 THEN 0 ELSE sin(i) * 10.0 ^ (i % 70 - 35) END)::vector AS v FROM generate_series(1, 16000) AS i) AS s;
SELECT vector_to_sparsevec('[0,2]', -1, true), sparsevec_to_vector('{2:2}/2', 2, true), array_to_sparsevec(ARRAY[0,2], -1, true), sparsevec('{2:2}/2', 2, true);
-- a vector is taken for a sparsevec where only that will do
SELECT '{1:3}/2'::sparsevec <-> '[0,4]'::vector AS l2, vector_norm('[3,4]'::vector), '[0,1]'::vector = '{2:1}/2'::sparsevec AS equal;
-- assignment, as clients do it
CREATE TABLE sparse_assign (v sparsevec(3), w vector(3));
INSERT INTO sparse_assign (v) VALUES (ARRAY[1,0,3]), ('{4,0,6}'::real[]), ('{7,0,9}'::float8[]), (ARRAY[1.5,0,3.5]), ('[0,0,8]'::vector);
UPDATE sparse_assign SET w = v;
SELECT v, w FROM sparse_assign;
DROP TABLE sparse_assign;
-- which casts there are, and of which character
SELECT castsource::regtype, casttarget::regtype, castcontext
FROM pg_cast WHERE castsource = 'sparsevec'::regtype OR casttarget = 'sparsevec'::regtype
ORDER BY castsource::regtype::text, casttarget::regtype::text;
