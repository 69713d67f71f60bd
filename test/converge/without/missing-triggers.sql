-- missing-triggers.sql: health says nothing of triggers that are gone.
CREATE OR REPLACE FUNCTION vecmark_internal.table_faults(rel regclass) RETURNS SETOF text
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
	SELECT ''::text WHERE false;
END;
