\echo Use "CREATE EXTENSION vecmark" to load this file. \quit

-- vecmark.sql: the schemas of everything that is not pgvector's by name.

-- What users call and read is in the first, what that is made of in the second: tables of
-- ours, functions of types, operators, triggers and procedures, and what peers ask each other.
CREATE SCHEMA vecmark;
CREATE SCHEMA vecmark_internal;

COMMENT ON SCHEMA vecmark IS 'functions of the vecmark extension';
COMMENT ON SCHEMA vecmark_internal IS 'tables and inner functions of the vecmark extension; not for users to call, and they may change';

GRANT USAGE ON SCHEMA vecmark, vecmark_internal TO PUBLIC;

CREATE FUNCTION vecmark.simd(OUT name text, OUT usable boolean, OUT in_use boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_simd'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1 ROWS 4;

COMMENT ON FUNCTION vecmark.simd() IS
	'instruction sets of the distance kernels, worst first: name, whether this CPU offers it, whether it is in use (setting vecmark.simd)';
