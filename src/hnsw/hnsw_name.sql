-- hnsw_name.sql: pgvector's access methods have the same names, of which a database
-- can have one each.  Said here, before its type vector is met.

DO $$
DECLARE
	taken name := (SELECT pg_catalog.min(amname::pg_catalog.text) FROM pg_catalog.pg_am WHERE amname OPERATOR(pg_catalog.=) ANY ('{hnsw,ivfflat}'));
BEGIN
	IF taken IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = pg_catalog.format('access method "%s" already exists', taken),
			DETAIL  = 'vecmark brings an access method of this name, and so does pgvector.',
			HINT    = 'Install vecmark in another database, or drop the extension that has it (for pgvector: "vector") first.';
	END IF;
END $$;
