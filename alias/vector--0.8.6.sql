\echo Use "CREATE EXTENSION vector" to load this file. \quit

-- vector--0.8.6.sql: by vecmark.  The name vector in pg_extension, and nothing else:
-- the types, operators and access methods of pgvector 0.8.6 are in extension vecmark.

-- Programs look types up in the schema that pg_extension says.
DO $$
DECLARE
	place name;
BEGIN
	SELECT n.nspname INTO place
	FROM pg_catalog.pg_extension AS ours
		JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) ours.extnamespace
		JOIN pg_catalog.pg_extension AS this ON this.extnamespace OPERATOR(pg_catalog.<>) ours.extnamespace
	WHERE ours.extname OPERATOR(pg_catalog.=) 'vecmark' AND this.extname OPERATOR(pg_catalog.=) 'vector';
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_schema_name',
			MESSAGE = pg_catalog.format('extension "vector" must be in schema "%s"', place),
			DETAIL  = 'It is an alias of extension "vecmark", whose types are there.',
			HINT    = pg_catalog.format('Use CREATE EXTENSION vector SCHEMA %I.', place);
	END IF;
END $$;
