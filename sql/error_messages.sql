-- Every message that a user can meet, with its SQLSTATE.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
-- A function that catches the error shows what clients see and no more.
CREATE FUNCTION shown(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || SQLERRM, nullif('DETAIL ' || regexp_replace(detail, '^(Failing row contains).*', '\1 ...'), 'DETAIL '), nullif('HINT ' || hint, 'HINT '));
END $$;
CREATE FUNCTION show_all(statements text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT s || E'\n  ' || shown(s) FROM unnest(statements) AS s $$;

-- vector: text
SELECT show_all(ARRAY[
	$$SELECT 'x'::vector$$, $$SELECT ''::vector$$, $$SELECT '1,2'::vector$$, $$SELECT '[]'::vector$$, $$SELECT '[1,2'::vector$$, $$SELECT '[1,,2]'::vector$$,
	$$SELECT '[1 2]'::vector$$, $$SELECT '[1]2'::vector$$, $$SELECT '[1a]'::vector$$, $$SELECT '[NaN]'::vector$$, $$SELECT '[-Infinity]'::vector$$,
	$$SELECT '[4e38]'::vector$$, $$SELECT repeat('[', 10000000)::vector$$, $$SELECT ('[' || repeat('9', 1000) || ']')::vector$$,
	$$SELECT ('[' || repeat('ä', 300) || ']')::vector$$,
	$$SELECT ('[1' || repeat(',1', 16000) || ']')::vector$$]);
-- vector: type modifier
SELECT show_all(ARRAY[$$SELECT '[1,2]'::vector(3)$$, $$SELECT '[1]'::vector(0)$$, $$SELECT '[1]'::vector(-1)$$, $$SELECT '[1]'::vector(16001)$$,
	$$SELECT '[1]'::vector(1,2)$$, $$SELECT '[1]'::vector('a')$$, $$CREATE TABLE t (v vector(99999999999))$$,
	$$SELECT vector_in('[1,2]', 0, 3)$$]);
-- binary forms: the message, then its SQLSTATE
\set VERBOSITY default
CREATE TABLE binary_v (v vector(3));
CREATE TABLE binary_t (t text);
-- a good one
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\300\040\000\000\100\100\000\000\377\377"' WITH (FORMAT binary)

-- no dimension
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- negative number of dimensions
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\377\377\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\377\377\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- 16,001 dimensions
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\076\201\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\076\201\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- another number of dimensions than the column has
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\002\000\000\077\200\000\000\100\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\002\000\000\077\200\000\000\100\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- reserved field set
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\001\077\200\000\000\100\000\000\000\100\100\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\001\077\200\000\000\100\000\000\000\100\100\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- truncated in an element
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\016\000\003\000\000\077\200\000\000\100\000\000\000\077\200\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\016\000\003\000\000\077\200\000\000\100\000\000\000\077\200\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- truncated in the header
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\003\000\003\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\003\000\003\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- nothing at all
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- bytes behind the last element
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\024\000\003\000\000\077\200\000\000\100\000\000\000\100\100\000\000\100\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\024\000\003\000\000\077\200\000\000\100\000\000\000\100\100\000\000\100\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- NaN
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\177\300\000\000\100\100\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\177\300\000\000\100\100\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- infinity
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\100\000\000\000\177\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\100\000\000\000\177\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- a flipped bit that makes an infinity
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\100\000\000\000\177\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_v FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\020\000\003\000\000\077\200\000\000\100\000\000\000\177\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- text that is not UTF-8
\copy binary_t FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\021\150\164\164\160\072\057\057\377\376\056\145\170\141\155\160\154\145\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_t FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\021\150\164\164\160\072\057\057\377\376\056\145\170\141\155\160\154\145\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
SELECT * FROM binary_v;
DROP TABLE binary_v, binary_t;
-- vector: dimensions, overflow
SELECT show_all(ARRAY[
	$$SELECT '[1,2]'::vector <-> '[1]'$$, $$SELECT '[1,2]'::vector <=> '[1,2,3]'$$, $$SELECT '[1,2]'::vector <#> '[1]'$$, $$SELECT '[1,2]'::vector <+> '[1]'$$,
	$$SELECT '[1,2]'::vector + '[1]'$$, $$SELECT '[1,2]'::vector - '[1]'$$, $$SELECT '[1,2]'::vector * '[1]'$$, $$SELECT vector_l2_squared_distance('[1,2]', '[1]')$$,
	$$SELECT vector_spherical_distance('[1,2]', '[1]')$$,
	$$SELECT '[3e38]'::vector + '[3e38]'$$, $$SELECT '[-3e38]'::vector - '[3e38]'$$, $$SELECT '[1e37]'::vector * '[1e37]'$$, $$SELECT '[1e-37]'::vector * '[1e-37]'$$,
	$$SELECT array_fill(0, ARRAY[16000])::vector || '[1]'$$,
	$$SELECT subvector('[1,2,3]'::vector, 1, 0)$$, $$SELECT subvector('[1,2,3]'::vector, 4, 1)$$, $$SELECT subvector('[1,2,3]'::vector, -1, 2)$$]);
-- vector: casts
SELECT show_all(ARRAY[
	$$SELECT '{}'::real[]::vector$$, $$SELECT '{{1},{2}}'::real[]::vector$$, $$SELECT '{1,NULL}'::integer[]::vector$$, $$SELECT '{1,NULL}'::real[]::vector$$, $$SELECT '{NaN}'::real[]::vector$$,
	$$SELECT '{Infinity}'::float8[]::vector$$, $$SELECT '{1e300}'::float8[]::vector$$, $$SELECT '{1e300}'::numeric[]::vector$$, $$SELECT '{NaN}'::numeric[]::vector$$,
	$$SELECT array_fill(0, ARRAY[16001])::vector$$, $$SELECT ARRAY[1,2]::vector(3)$$]);
-- vector: aggregates
SELECT show_all(ARRAY[
	$$SELECT avg(v) FROM unnest(ARRAY['[1,2]'::vector, '[3]']) AS v$$, $$SELECT sum(v) FROM unnest(ARRAY['[1,2]'::vector, '[3]']) AS v$$,
	$$SELECT sum(v) FROM unnest(ARRAY['[3e38]'::vector, '[3e38]']) AS v$$,
	$$SELECT vector_avg('{}')$$, $$SELECT vector_avg('{1}')$$, $$SELECT vector_avg('{{1,2}}')$$, $$SELECT vector_avg('{NULL,1}')$$, $$SELECT vector_avg('{1,NaN}')$$,
	$$SELECT vector_avg(array_agg(n::float8)) FROM generate_series(1, 16002) AS n$$,
	$$SELECT vector_accum('{}', '[1]')$$, $$SELECT vector_accum('{0,0}', '[1,2]')$$,
	$$SELECT vector_combine('{1,2}', '{1,2,3}')$$, $$SELECT vector_combine('{1,1.7e308}', '{1,1.7e308}')$$, $$SELECT vector_combine('{{1}}', '{0}')$$]);
-- bit
SELECT show_all(ARRAY[$$SELECT B'111' <~> B'00'$$, $$SELECT B'111' <%> B'0000'$$, $$SELECT hamming_distance('1', '')$$, $$SELECT jaccard_distance('111', '00'::varbit(4))$$,
	$$SELECT binary_quantize('[1,2,3]'::vector) <~> binary_quantize('[1,2]'::vector)$$]);
-- hyperbolic space
SELECT show_all(ARRAY[
	$$SELECT '[1,0]'::vector <^> '[0,0]'$$, $$SELECT '[0,0]'::vector <^> '[3,4]'$$, $$SELECT '[0.99999994]'::vector <^> '[0]'$$, $$SELECT l2_normalize('[1,2,3]'::vector) <^> '[0,0,0]'$$,
	$$SELECT '[3e38,3e38]'::vector <^> '[0,0]'$$, $$SELECT poincare_distance('[0.5,0]', '[0.5,0]', 4)$$, $$SELECT poincare_distance('[1e-30]', '[0]', 1e300)$$,
	$$SELECT '[0,0]'::vector <^> '[0]'$$, $$SELECT lorentz_distance('[1,0]', '[1,0,0]')$$,
	$$SELECT poincare_distance('[0]', '[0]', 0)$$, $$SELECT poincare_distance('[0]', '[0]', -1)$$, $$SELECT lorentz_distance('[1,0]', '[1,0]', 'NaN')$$, $$SELECT poincare_to_lorentz('[0]', 'Infinity')$$,
	$$SELECT lorentz_to_poincare('[1,0]', '-0')$$,
	$$SELECT lorentz_distance('[1,0]', '[1,0.5]')$$, $$SELECT lorentz_distance('[-1,0]', '[1,0]')$$, $$SELECT lorentz_distance('[3.00001,2,2]', '[3,2,2]')$$, $$SELECT lorentz_distance('[1,0]', '[1,0]', 4)$$,
	$$SELECT lorentz_distance('[1]', '[1]')$$, $$SELECT lorentz_to_poincare('[1]')$$, $$SELECT lorentz_to_poincare('[0,0]')$$,
	$$SELECT lorentz_distance('[1,0]', '[1e8,1e8]')$$, $$SELECT lorentz_to_poincare('[1e8,1e8]', 4)$$,
	$$SELECT poincare_to_lorentz('[1,0]')$$, $$SELECT poincare_to_lorentz('[0]', 1e-100)$$, $$SELECT poincare_to_lorentz('[0]', 1e100)$$,
	$$SELECT poincare_to_lorentz(array_fill(0, ARRAY[16000])::vector)$$]);
-- halfvec: text, type modifier
SELECT show_all(ARRAY[
	$$SELECT 'x'::halfvec$$, $$SELECT ''::halfvec$$, $$SELECT '[]'::halfvec$$, $$SELECT '[1,2'::halfvec$$, $$SELECT '[1,,2]'::halfvec$$, $$SELECT '[1]2'::halfvec$$,
	$$SELECT '[NaN]'::halfvec$$, $$SELECT '[-Infinity]'::halfvec$$, $$SELECT '[1,65520]'::halfvec$$, $$SELECT '[-65520.0 ,NaN]'::halfvec$$, $$SELECT '[0x1p16]'::halfvec$$,
	$$SELECT '[4e38]'::halfvec$$, $$SELECT ('[' || repeat('9', 1000) || ']')::halfvec$$, $$SELECT ('[1' || repeat(',1', 16000) || ']')::halfvec$$,
	$$SELECT '[1,2]'::halfvec(3)$$, $$SELECT '[1]'::halfvec(0)$$, $$SELECT '[1]'::halfvec(16001)$$, $$SELECT '[1]'::halfvec(1,2)$$, $$SELECT '[1]'::halfvec('a')$$,
	$$SELECT halfvec_in('[1,2]', 0, 3)$$]);
-- halfvec: dimensions, overflow
SELECT show_all(ARRAY[
	$$SELECT '[1,2]'::halfvec <-> '[1]'$$, $$SELECT '[1,2]'::halfvec <=> '[1,2,3]'$$, $$SELECT '[1,2]'::halfvec <#> '[1]'$$, $$SELECT '[1,2]'::halfvec <+> '[1]'$$,
	$$SELECT '[1,2]'::halfvec + '[1]'$$, $$SELECT '[1,2]'::halfvec - '[1]'$$, $$SELECT '[1,2]'::halfvec * '[1]'$$, $$SELECT halfvec_l2_squared_distance('[1,2]', '[1]')$$,
	$$SELECT halfvec_spherical_distance('[1,2]', '[1]')$$,
	$$SELECT '[65504]'::halfvec + '[16]'$$, $$SELECT '[-65504]'::halfvec - '[16]'$$, $$SELECT '[256]'::halfvec * '[256]'$$, $$SELECT '[1e-4]'::halfvec * '[1e-4]'$$,
	$$SELECT array_fill(0, ARRAY[16000])::halfvec || '[1]'$$,
	$$SELECT subvector('[1,2,3]'::halfvec, 1, 0)$$, $$SELECT subvector('[1,2,3]'::halfvec, 4, 1)$$, $$SELECT subvector('[1,2,3]'::halfvec, -1, 2)$$]);
-- halfvec: casts
SELECT show_all(ARRAY[
	$$SELECT '{}'::real[]::halfvec$$, $$SELECT '{{1},{2}}'::real[]::halfvec$$, $$SELECT '{1,NULL}'::integer[]::halfvec$$, $$SELECT '{NaN}'::real[]::halfvec$$,
	$$SELECT '{Infinity}'::float8[]::halfvec$$, $$SELECT '{1e300}'::float8[]::halfvec$$, $$SELECT '{1e300}'::numeric[]::halfvec$$, $$SELECT '{NaN}'::numeric[]::halfvec$$,
	$$SELECT '{65520}'::integer[]::halfvec$$, $$SELECT '{-1e38}'::real[]::halfvec$$, $$SELECT '{65519.999}'::float8[]::halfvec$$, $$SELECT '{70000.5}'::numeric[]::halfvec$$,
	$$SELECT array_fill(0, ARRAY[16001])::halfvec$$, $$SELECT ARRAY[1,2]::halfvec(3)$$,
	$$SELECT '[1,65520]'::vector::halfvec$$, $$SELECT '[1,2]'::vector::halfvec(3)$$, $$SELECT '[1,2]'::halfvec::vector(3)$$]);
-- halfvec: aggregates
SELECT show_all(ARRAY[
	$$SELECT avg(v) FROM unnest(ARRAY['[1,2]'::halfvec, '[3]']) AS v$$, $$SELECT sum(v) FROM unnest(ARRAY['[1,2]'::halfvec, '[3]']) AS v$$,
	$$SELECT sum(v) FROM unnest(ARRAY['[65504]'::halfvec, '[65504]']) AS v$$,
	$$SELECT halfvec_avg('{}')$$, $$SELECT halfvec_avg('{1}')$$, $$SELECT halfvec_avg('{{1,2}}')$$, $$SELECT halfvec_avg('{NULL,1}')$$, $$SELECT halfvec_avg('{1,NaN}')$$,
	$$SELECT halfvec_avg(array_agg(n::float8)) FROM generate_series(1, 16002) AS n$$,
	$$SELECT halfvec_avg('{1,70000}')$$, $$SELECT halfvec_avg('{1,1e300}')$$,
	$$SELECT halfvec_accum('{}', '[1]')$$, $$SELECT halfvec_accum('{0,0}', '[1,2]')$$, $$SELECT halfvec_combine('{1,2}', '{1,2,3}')$$]);
-- halfvec: binary forms, each a halfvec(3), as bytes of the message
CREATE TABLE binary_h (v halfvec(3));
-- a good one
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\300\240\103\000\377\377"' WITH (FORMAT binary)
-- no dimension
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- one dimension more than there may be
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\006\076\201\000\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\006\076\201\000\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- as many dimensions as the field can hold
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\006\377\377\000\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\006\377\377\000\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- another number of dimensions than the column has
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\002\000\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\002\000\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- a reserved field that is not 0
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\001\074\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\001\074\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- truncated in an element
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\011\000\003\000\000\074\000\074\000\074\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\011\000\003\000\000\074\000\074\000\074\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- truncated in the header
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\003\000\003\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\003\000\003\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- nothing at all
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- bytes behind the last element
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\003\000\000\074\000\074\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\003\000\000\074\000\074\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- NaN
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\176\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\176\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- a negative NaN that signals
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\374\001\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\374\001\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- infinity
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\074\000\174\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\074\000\074\000\174\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
-- minus infinity
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\374\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_h FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\012\000\003\000\000\374\000\074\000\074\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default
SELECT * FROM binary_h;
DROP TABLE binary_h;
-- sparsevec: text
SELECT show_all(ARRAY[
	$$SELECT 'x'::sparsevec$$, $$SELECT ''::sparsevec$$, $$SELECT '1:1/2'::sparsevec$$, $$SELECT '[1]'::sparsevec$$, $$SELECT '{'::sparsevec$$, $$SELECT '{ '::sparsevec$$,
	$$SELECT '{:'::sparsevec$$, $$SELECT '{,'::sparsevec$$, $$SELECT '{}'::sparsevec$$, $$SELECT '{1:1}'::sparsevec$$, $$SELECT '{1:1} 2'::sparsevec$$, $$SELECT '{}/'::sparsevec$$,
	$$SELECT '{}/a'::sparsevec$$, $$SELECT '{}/1a'::sparsevec$$, $$SELECT '{}/1.5'::sparsevec$$, $$SELECT '{}/2/3'::sparsevec$$, $$SELECT '{:}/1'::sparsevec$$, $$SELECT '{,}/1'::sparsevec$$,
	$$SELECT '{1,}/1'::sparsevec$$, $$SELECT '{:1}/1'::sparsevec$$, $$SELECT '{1:}/1'::sparsevec$$, $$SELECT '{1a:1}/1'::sparsevec$$, $$SELECT '{1:1a}/1'::sparsevec$$,
	$$SELECT '{1:1,}/1'::sparsevec$$, $$SELECT '{1:1 2:1}/2'::sparsevec$$, $$SELECT '{1.5:1}/2'::sparsevec$$, $$SELECT '{- 1:1}/2'::sparsevec$$, $$SELECT '{1:1:1}/2'::sparsevec$$,
	$$SELECT '{1:hello}/2'::sparsevec$$, $$SELECT '{1:NaN}/2'::sparsevec$$, $$SELECT '{1:-Infinity}/2'::sparsevec$$, $$SELECT '{1:4e38}/2'::sparsevec$$, $$SELECT '{1:-1e-46}/2'::sparsevec$$,
	$$SELECT repeat('{', 10000000)::sparsevec$$, $$SELECT ('{1:' || repeat('9', 1000) || '}/1')::sparsevec$$, $$SELECT ('{' || repeat('ä', 300) || '}/1')::sparsevec$$,
	$$SELECT repeat('{1:1},', 1000000)::sparsevec$$]);
-- sparsevec: dimensions, indices, numbers of elements
SELECT show_all(ARRAY[
	$$SELECT '{}/0'::sparsevec$$, $$SELECT '{}/-1'::sparsevec$$, $$SELECT '{}/1000000001'::sparsevec$$, $$SELECT '{}/9223372036854775808'::sparsevec$$, $$SELECT '{}/-9223372036854775809'::sparsevec$$,
	$$SELECT '{0:1}/1'::sparsevec$$, $$SELECT '{2:1}/1'::sparsevec$$, $$SELECT '{-1:1}/1'::sparsevec$$, $$SELECT '{2147483648:1}/1'::sparsevec$$, $$SELECT '{-2147483649:1}/1'::sparsevec$$,
	$$SELECT '{1:1,1:1}/2'::sparsevec$$, $$SELECT '{1:1,2:1,1:1}/2'::sparsevec$$,
	$$SELECT ('{1:1' || repeat(',1:1', 16000) || '}/20000')::sparsevec$$, $$SELECT ('{1:0' || repeat(',1:0', 16000) || '}/20000')::sparsevec$$]);
-- sparsevec: type modifier
SELECT show_all(ARRAY[$$SELECT '{}/2'::sparsevec(3)$$, $$SELECT '{9:9}/2'::sparsevec(3)$$, $$SELECT '{}/1'::sparsevec(0)$$, $$SELECT '{}/1'::sparsevec(-1)$$, $$SELECT '{}/1'::sparsevec(1000000001)$$,
	$$SELECT '{}/1'::sparsevec(1,2)$$, $$SELECT '{}/1'::sparsevec('a')$$, $$SELECT sparsevec_in('{}/2', 0, 3)$$, $$SELECT '{}/2'::sparsevec::sparsevec(3)$$]);
-- sparsevec: functions
SELECT show_all(ARRAY[
	$$SELECT '{}/2'::sparsevec <-> '{}/1'$$, $$SELECT '{}/2'::sparsevec <=> '{}/3'$$, $$SELECT '{}/2'::sparsevec <#> '{}/1'$$, $$SELECT '{}/2'::sparsevec <+> '{}/1'$$,
	$$SELECT sparsevec_l2_squared_distance('{}/2', '{}/1')$$, $$SELECT inner_product('{}/2'::sparsevec, '{}/1')$$]);
-- sparsevec: casts
SELECT show_all(ARRAY[
	$$SELECT '{}'::real[]::sparsevec$$, $$SELECT '{{1},{2}}'::real[]::sparsevec$$, $$SELECT '{1,NULL}'::integer[]::sparsevec$$, $$SELECT '{NaN}'::real[]::sparsevec$$, $$SELECT '{NaN}'::numeric[]::sparsevec$$,
	$$SELECT '{Infinity}'::float8[]::sparsevec$$, $$SELECT '{1e300}'::float8[]::sparsevec$$, $$SELECT '{1e300}'::numeric[]::sparsevec$$, $$SELECT '{1e-46}'::numeric[]::sparsevec$$,
	$$SELECT array_fill(1, ARRAY[16001])::sparsevec$$, $$SELECT array_fill('NaN'::real, ARRAY[16001])::sparsevec$$, $$SELECT ARRAY[1,2]::sparsevec(3)$$, $$SELECT '[1,2]'::vector::sparsevec(3)$$,
	$$SELECT '{}/16001'::sparsevec::vector$$, $$SELECT '{}/2'::sparsevec::vector(3)$$]);
-- sparsevec: binary form
CREATE TABLE binary_s (s sparsevec(5));

-- a good one
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\300\040\000\000\377\377"' WITH (FORMAT binary)

-- no elements
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\005\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)

-- no dimension
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\000\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\000\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- negative number of dimensions
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\377\377\377\373\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\377\377\377\373\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- too many dimensions
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\073\232\312\001\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\073\232\312\001\000\000\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- negative number of elements
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\005\377\377\377\377\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\005\377\377\377\377\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- too many elements
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\303\120\000\000\076\201\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\303\120\000\000\076\201\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- more elements than dimensions
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\044\000\000\000\002\000\000\000\003\000\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\077\200\000\000\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\044\000\000\000\002\000\000\000\003\000\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\077\200\000\000\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- another number of dimensions than the column has
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\004\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\004\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- reserved field set
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\001\000\000\000\000\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\001\000\000\000\000\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- index below the dimensions
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\377\377\377\377\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\377\377\377\377\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- index above the dimensions
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\005\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\005\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- descending indices
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\002\000\000\000\000\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\002\000\000\000\000\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- an index twice
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\002\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\002\000\000\000\002\077\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- zero
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- negative zero
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\200\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\200\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- NaN
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\177\300\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\177\300\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- infinity
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\377\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\034\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\377\200\000\000\077\200\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- truncated in a value
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\032\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\300\040\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\032\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\300\040\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- truncated in an index
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\016\000\000\000\005\000\000\000\002\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\016\000\000\000\005\000\000\000\002\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- truncated in the header
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\013\000\000\000\005\000\000\000\002\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\013\000\000\000\005\000\000\000\002\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- elements that are not there
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\005\000\000\000\005\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\000\000\005\000\000\000\005\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- nothing at all
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

-- bytes behind the last value
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\040\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\300\040\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY sqlstate
\copy binary_s FROM PROGRAM 'printf "\120\107\103\117\120\131\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\040\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\000\000\000\000\002\077\200\000\000\300\040\000\000\000\000\000\000\377\377"' WITH (FORMAT binary)
\set VERBOSITY default

SELECT * FROM binary_s;
DROP TABLE binary_s;
-- settings
SELECT show_all(ARRAY[$$SET vecmark.simd = 'nothing'$$, $$SET vecmark.nothing = 1$$]);
-- URLs
SELECT show_all(ARRAY[$$SELECT vecmark.url_key('')$$, $$SELECT vecmark.url_hash(E' \t')$$, $$SELECT vecmark.url_key(repeat('x', 100000))$$,
	$$SELECT vecmark.url_key('http://a.example/' || repeat('ä', 20000))$$]);
-- bookmarks tables
CREATE TABLE no_marks (id integer);
SELECT vecmark.create_bookmarks('marks', 3) IS NOT NULL;
SELECT show_all(ARRAY[
	$$SELECT vecmark.create_bookmarks('marks')$$, $$SELECT vecmark.create_bookmarks('a.b.c')$$, $$SELECT vecmark.create_bookmarks('1x')$$, $$SELECT vecmark.create_bookmarks('')$$,
	$$SELECT vecmark.create_bookmarks(NULL)$$, $$SELECT vecmark.create_bookmarks(repeat('x', 57))$$, $$SELECT vecmark.create_bookmarks('nowhere.m')$$,
	$$SELECT vecmark.create_bookmarks('m', 0)$$, $$SELECT vecmark.create_bookmarks('m', 16001)$$, $$SELECT vecmark.create_bookmarks('m', NULL)$$,
	$$SELECT vecmark.create_bookmarks('m', embedder => 'pg_catalog.upper')$$, $$SELECT vecmark.create_bookmarks('m', embedder => 'pg_catalog.pg_backend_pid')$$,
	$$SELECT vecmark.create_bookmarks('m', config => 'no_config')$$,
	$$SELECT vecmark.embed('a', 0)$$, $$SELECT vecmark_internal.head('a', -1)$$, $$SELECT vecmark.embed('a', 16001)$$,
	$$INSERT INTO marks (url, created_at, updated_at) VALUES (NULL, 'epoch', 'epoch')$$, $$INSERT INTO marks (url) VALUES ('  ')$$, $$INSERT INTO marks (url) VALUES (repeat('x', 100000))$$,
	$$INSERT INTO marks (url) VALUES ('http://a'), ('http://A/')$$, $$INSERT INTO marks (url, embedding) VALUES ('http://a', '[1,2]')$$,
	$$SELECT vecmark.save('no_marks', 'http://a')$$, $$SELECT vecmark.save('marks', '')$$, $$SELECT vecmark.save('nowhere', 'http://a')$$, $$SELECT vecmark.save(NULL, 'http://a')$$,
	$$INSERT INTO marks (url, tags) VALUES ('http://a', ARRAY[repeat('x', 1001)])$$, $$SELECT vecmark.save('marks', 'http://word.example', metadata => '5')$$,
	$$SELECT vecmark.lookup('no_marks', 'http://a')$$,
	$$SELECT vecmark.visit('marks', 'http://a')$$, $$SELECT vecmark.visit('marks')$$, $$SELECT vecmark.visit('marks', 'http://a', '00000000-0000-0000-0000-000000000001')$$,
	$$SELECT vecmark.visit('marks', id => '00000000-0000-0000-0000-000000000001')$$, $$SELECT vecmark.visit('no_marks', id => '00000000-0000-0000-0000-000000000001')$$,
	$$SELECT vecmark.rename_tag('marks', 'a', ' ')$$, $$SELECT vecmark.merge_tags('marks', '{a}', '')$$, $$SELECT vecmark.delete_tag('no_marks', 'a')$$, $$SELECT vecmark.tag_tree('no_marks')$$,
	$$SELECT vecmark.rename_tag('marks', 'a', repeat('x', 1001))$$, $$SELECT vecmark.rename_tag('marks', 'a', repeat('x/', 101))$$, $$SELECT vecmark.merge_tags('marks', array_fill('a'::text, ARRAY[1001]), 'b')$$,
	$$INSERT INTO marks (url, tags) VALUES ('http://a', ARRAY[repeat('x/', 101)])$$]);
-- search
SELECT show_all(ARRAY[
	$$SELECT vecmark.search('no_marks', 'x')$$, $$SELECT vecmark.search('marks', 'x', match_count => 0)$$, $$SELECT vecmark.search('marks', 'x', match_count => NULL)$$,
	$$SELECT vecmark.search('marks', 'x', match_count => 10001)$$, $$SELECT vecmark.search('marks', 'x', rrf_k => 0)$$, $$SELECT vecmark.search('marks', 'x', semantic_weight => -1)$$,
	$$SELECT vecmark.search('marks', 'x', full_text_weight => 'NaN')$$, $$SELECT vecmark.search('marks', 'x', filter => '[]')$$, $$SELECT vecmark.search('marks', filter => '{"after": "never"}')$$,
	$$SELECT vecmark.search('marks', 'after:never')$$, $$SELECT vecmark.search('marks', '-after:today')$$, $$SELECT vecmark.search('marks', repeat('x', 10001))$$, $$SELECT vecmark.search('marks', 'site:a.example/path')$$,
	$$SELECT vecmark.search('marks', 'x', candidates => 0)$$, $$SELECT vecmark.search('marks', 'x', semantic_weight => 0, full_text_weight => 0)$$, $$SELECT vecmark.search(NULL, 'x')$$,
	$$SELECT vecmark.search('marks', filter => '{"tags": 5}')$$, $$SELECT vecmark.search('marks', filter => '{"site": ["a", {}]}')$$,
	$$SELECT vecmark.search('marks', (SELECT string_agg('-#' || i, ' ') FROM generate_series(1, 101) AS i))$$,
	$$SELECT vecmark.search('marks', (SELECT '"' || string_agg(i::text, ' ') || '"' FROM generate_series(1, 101) AS i))$$,
	$$SELECT vecmark.search('marks', (SELECT '-"' || string_agg(i::text, ' ') || '"' FROM generate_series(1, 101) AS i))$$,
	$$SELECT vecmark.search('marks', filter => jsonb_build_object('any_tags', array_fill('a'::text, ARRAY[1001])))$$,
	$$SELECT vecmark.search('marks', filter => jsonb_build_object('of', 'metadata', 'a', repeat('x', 10000)))$$]);
INSERT INTO marks (url, title) VALUES ('http://word.example', 'word');
SELECT show_all(ARRAY[$$SELECT vecmark.search('marks', query_embedding => '[1,2]')$$]);
-- import
SELECT show_all(ARRAY[
	$$SELECT vecmark_internal.parse_netscape('')$$, $$SELECT vecmark_internal.parse_netscape('<html><body>hello</body></html>')$$, $$SELECT vecmark.import_netscape('marks', 'text')$$,
	$$SELECT vecmark_internal.parse_netscape('<!DOCTYPE NETSCAPE-Bookmark-file-1>' || repeat('<DL><DT><H3>x</H3>', 200))$$,
	$$SELECT vecmark.import_netscape('no_marks', '<!DOCTYPE NETSCAPE-Bookmark-file-1>')$$,
	$$SELECT vecmark.import_json('marks', '{}')$$, $$SELECT vecmark.import_table('marks', 'no_marks')$$,
	$$SELECT vecmark.import_table('no_marks', 'marks')$$,
	$$SELECT vecmark.export_netscape('no_marks')$$, $$SELECT vecmark.export_json('no_marks')$$]);
-- where another constraint of the table is always in the way
ALTER TABLE marks ADD CONSTRAINT one_title UNIQUE (title);
SELECT show_all(ARRAY[$$SELECT vecmark.save('marks', 'http://other.example', 'word')$$]);
SELECT outcome, url, reason FROM vecmark.import_json('marks', '[{"href": "http://other.example", "description": "word"}]');
-- no schema to create in
SELECT show_all(ARRAY[$$SET LOCAL search_path = ''; SELECT vecmark.create_bookmarks('m')$$]);
DROP TABLE marks, marks_visits, no_marks;
DROP FUNCTION show_all, shown;
