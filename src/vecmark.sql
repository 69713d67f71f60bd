\echo Use "CREATE EXTENSION vecmark" to load this file. \quit

-- vecmark.sql: the schema of everything that is not pgvector's by name.

CREATE SCHEMA vecmark;

COMMENT ON SCHEMA vecmark IS 'functions of the vecmark extension';

GRANT USAGE ON SCHEMA vecmark TO PUBLIC;

CREATE FUNCTION vecmark.simd(OUT name text, OUT usable boolean, OUT in_use boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_simd'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1 ROWS 4;

COMMENT ON FUNCTION vecmark.simd() IS
	'instruction sets of the distance kernels, worst first: name, whether this CPU offers it, whether it is in use (setting vecmark.simd)';
