-- Casts of vector.
SELECT ARRAY[1,2,3]::vector, ARRAY[1.0,2.5]::vector, '{1,2.5}'::real[]::vector, '{1e-3,2.5}'::float8[]::vector;
SELECT ARRAY[1,2,3]::vector(3), '{1,2.5}'::real[]::vector(2);
SELECT '[1,2.5]'::vector::real[], '[0:1]={3,4}'::integer[]::vector;
SELECT array_to_vector(ARRAY[1,2], -1, true), vector_to_float4('[1,2]', -1, true), vector('[1,2]', 2, true);
-- assignment, as clients do it
CREATE TABLE vector_assign (v vector(3));
INSERT INTO vector_assign VALUES (ARRAY[1,2,3]), ('{4,5,6}'::real[]), ('{7,8,9}'::float8[]), (ARRAY[1.5,2.5,3.5]);
INSERT INTO vector_assign SELECT ARRAY[random(), random(), random()];
SELECT v FROM vector_assign LIMIT 4;
DROP TABLE vector_assign;
-- which casts there are, and of which character
SELECT castsource::regtype, casttarget::regtype, castcontext
FROM pg_cast WHERE castsource = 'vector'::regtype OR casttarget = 'vector'::regtype
ORDER BY castsource::regtype::text, casttarget::regtype::text;
