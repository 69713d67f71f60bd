-- Casts of halfvec.
SELECT ARRAY[1,2,3]::halfvec, ARRAY[1.0,2.5]::halfvec, '{1,2.5}'::real[]::halfvec, '{1e-3,2.5}'::float8[]::halfvec;
SELECT ARRAY[1,2,3]::halfvec(3), '{1,2.5}'::real[]::halfvec(2);
SELECT '{65519,2049}'::integer[]::halfvec, '{65519.99,1e-8}'::numeric[]::halfvec, '{65519.99,1e-300}'::float8[]::halfvec;
SELECT '[1,2.5]'::halfvec::real[], '[0:1]={3,4}'::integer[]::halfvec;
SELECT '[1.001,65504,1e-8,-0]'::vector::halfvec, '[1.001,65504,6e-8,-0]'::halfvec::vector;
SELECT '[1,2]'::vector::halfvec(2), '[1,2]'::halfvec::vector(2), '[1,2]'::vector(2)::halfvec(2);
SELECT array_to_halfvec(ARRAY[1,2], -1, true), halfvec_to_float4('[1,2]', -1, true), halfvec('[1,2]', 2, true),
	vector_to_halfvec('[1,2]', 2, true), halfvec_to_vector('[1,2]', 2, true);
-- a vector is taken where a halfvec is asked for
SELECT '[3,4]'::vector <-> '[0,0]'::halfvec AS l2, pg_typeof('[1]'::vector || '[2]'::halfvec);
-- assignment, as clients do it
CREATE TABLE halfvec_assign (v halfvec(3), w vector(3));
INSERT INTO halfvec_assign (v) VALUES (ARRAY[1,2,3]), ('{4,5,6}'::real[]), ('{7,8,9}'::float8[]), (ARRAY[1.5,2.5,3.5]), ('[1,2,3]'::vector);
INSERT INTO halfvec_assign SELECT ARRAY[random(), random(), random()];
UPDATE halfvec_assign SET w = v;
SELECT v, w FROM halfvec_assign LIMIT 5;
SELECT count(*) FROM halfvec_assign WHERE w::halfvec <> v;
-- an index on the cast, as for pgvector
CREATE INDEX ON halfvec_assign ((w::halfvec(3)));
DROP TABLE halfvec_assign;
-- which casts there are, and of which character; those of sparsevec are its own
SELECT castsource::regtype, casttarget::regtype, castcontext
FROM pg_cast WHERE (castsource = 'halfvec'::regtype OR casttarget = 'halfvec'::regtype)
	AND 'sparsevec' NOT IN (castsource::regtype::text, casttarget::regtype::text)
ORDER BY castsource::regtype::text, casttarget::regtype::text;
