-- hnsw_name.sql: pgvector's access method has the same name, of which a database
-- can have one.  Said here, before its type vector is met.

DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_am WHERE amname OPERATOR(pg_catalog.=) 'hnsw') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = 'access method "hnsw" already exists',
			DETAIL  = 'vecmark brings an access method of this name, and so does pgvector.',
			HINT    = 'Install vecmark in another database, or drop the extension that has it (for pgvector: "vector") first.';
	END IF;
END $$;
