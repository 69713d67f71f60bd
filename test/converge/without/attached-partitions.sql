-- attached-partitions.sql: nobody sees that a partition was attached.
CREATE OR REPLACE FUNCTION vecmark_internal.strange_parts(rel regclass, OUT part regclass, OUT has_guard boolean) RETURNS SETOF record
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
	SELECT p.relid, true FROM pg_catalog.pg_partition_tree(rel) AS p WHERE false;
END;
