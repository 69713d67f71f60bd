-- Options and settings of the index: pgvector's names, ranges and messages.
SET jit = off;
CREATE TABLE hnsw_opt (id integer, v vector(3), any_v vector);
INSERT INTO hnsw_opt SELECT i, ARRAY[i % 20, i / 20, 1]::vector, ARRAY[i, 1]::vector FROM generate_series(1, 400) AS i;

-- all options at once
CREATE INDEX hnsw_opt_v ON hnsw_opt USING hnsw (v vector_l2_ops)
	WITH (m = 2, ef_construction = 4, storage = int8, seed = -7, ef_search = 5, iterative_scan = off, max_scan_tuples = 50);
SELECT reloptions FROM pg_class WHERE relname = 'hnsw_opt_v';
SET enable_seqscan = off;
SELECT id FROM hnsw_opt ORDER BY v <-> '[7,9,1]' LIMIT 1;
RESET enable_seqscan;
DROP INDEX hnsw_opt_v;
-- out of range
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (m = 1);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (m = 101);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (m = 33);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (storage = float16);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (seed = 'x');
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (ef_search = 0);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (ef_search = 1001);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (iterative_scan = on);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (max_scan_tuples = 0);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (lists = 100);
-- at the edges
CREATE INDEX hnsw_edge ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000, ef_search = 1000, max_scan_tuples = 2147483647, seed = 2147483647);
DROP INDEX hnsw_edge;
CREATE INDEX hnsw_edge ON hnsw_opt USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 32);
DROP INDEX hnsw_edge;
-- what cannot be indexed, or not like that
CREATE INDEX ON hnsw_opt USING hnsw (any_v vector_l2_ops);
CREATE INDEX ON hnsw_opt USING hnsw (v);
CREATE INDEX ON hnsw_opt USING hnsw (id vector_l2_ops);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops, v vector_ip_ops);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops) INCLUDE (id);
CREATE UNIQUE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops DESC);
CREATE INDEX ON hnsw_opt USING hnsw (v vector_l2_ops NULLS FIRST);
-- an operator of another class
CREATE INDEX hnsw_opt_v ON hnsw_opt USING hnsw (v vector_l2_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM hnsw_opt ORDER BY v <-> '[7,9,1]' LIMIT 1;
EXPLAIN (COSTS off) SELECT id FROM hnsw_opt ORDER BY '[7,9,1]' <-> v LIMIT 1;
RESET enable_seqscan;
EXPLAIN (COSTS off) SELECT id FROM hnsw_opt ORDER BY v <=> '[7,9,1]' LIMIT 1;
EXPLAIN (COSTS off) SELECT id FROM hnsw_opt ORDER BY v <-> '[7,9,1]' DESC LIMIT 1;
SET enable_seqscan = off;
CLUSTER hnsw_opt USING hnsw_opt_v;

-- what the access method can do
SELECT p, pg_indexam_has_property(a.oid, p) FROM pg_am AS a, unnest('{can_order,can_unique,can_multi_col,can_exclude,can_include}'::text[]) AS p WHERE amname = 'hnsw';
SELECT p, pg_index_has_property('hnsw_opt_v', p) FROM unnest('{clusterable,index_scan,bitmap_scan,backward_scan}'::text[]) AS p;
SELECT p, pg_index_column_has_property('hnsw_opt_v', 1, p) FROM unnest('{asc,orderable,distance_orderable,returnable,search_array,search_nulls}'::text[]) AS p;
SELECT opcname, opcdefault, amvalidate(o.oid) FROM pg_opclass AS o JOIN pg_am AS a ON a.oid = opcmethod WHERE amname = 'hnsw' ORDER BY 1;

-- settings
SHOW hnsw.ef_search;
SHOW hnsw.iterative_scan;
SHOW hnsw.max_scan_tuples;
SHOW hnsw.scan_mem_multiplier;
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 1001;
SET hnsw.iterative_scan = on;
SET hnsw.max_scan_tuples = 0;
SET hnsw.scan_mem_multiplier = 0;
SET hnsw.scan_mem_multiplier = 1001;
SET hnsw.no_such = 1;
SELECT name, vartype, context, min_val, max_val, enumvals, boot_val FROM pg_settings WHERE name LIKE 'hnsw.%' ORDER BY name;

-- rows of a search that stops after its first nodes show its width: the setting's, unless the index has an option
-- and the session has not been told otherwise
CREATE FUNCTION hnsw_width() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM (SELECT id FROM hnsw_opt ORDER BY v <-> '[7,9,1]' LIMIT 1000) AS s $$;
SET client_min_messages = warning;
SELECT hnsw_width() AS all_rows;
ALTER INDEX hnsw_opt_v SET (iterative_scan = off);
SELECT hnsw_width() AS by_default;
ALTER INDEX hnsw_opt_v SET (ef_search = 7);
SELECT hnsw_width() AS by_option;
SET hnsw.ef_search = 11;
SELECT hnsw_width() AS by_session;
BEGIN;
SET LOCAL hnsw.ef_search = 12;
SELECT hnsw_width() AS by_transaction;
ROLLBACK;
SELECT hnsw_width() AS by_session;
RESET hnsw.ef_search;
SELECT hnsw_width() AS by_option;
CREATE FUNCTION hnsw_width_set() RETURNS bigint LANGUAGE sql SET hnsw.ef_search = 13 AS $$ SELECT hnsw_width() $$;
SELECT hnsw_width_set() AS by_function;
SET hnsw.iterative_scan = strict_order;
SELECT hnsw_width() AS by_session;
SET hnsw.iterative_scan = relaxed_order;
SELECT hnsw_width() AS by_session;
RESET hnsw.iterative_scan;
SELECT hnsw_width() AS by_option;
ALTER INDEX hnsw_opt_v RESET (iterative_scan, ef_search);
SELECT hnsw_width() AS all_rows;
-- max_scan_tuples and memory end a search that goes on
ALTER INDEX hnsw_opt_v SET (max_scan_tuples = 60);
SELECT hnsw_width() BETWEEN 40 AND 100 AS by_option;
SET hnsw.max_scan_tuples = 1000;
SELECT hnsw_width() AS by_session;
RESET hnsw.max_scan_tuples;
ALTER INDEX hnsw_opt_v RESET (max_scan_tuples);
-- a change of what the index is built with takes a REINDEX
ALTER INDEX hnsw_opt_v SET (m = 4, storage = int8);
SELECT hnsw_width();
REINDEX INDEX hnsw_opt_v;
SELECT hnsw_width();
ALTER INDEX hnsw_opt_v SET (m = 40);
REINDEX INDEX hnsw_opt_v;
SELECT hnsw_width();
RESET client_min_messages;
DROP FUNCTION hnsw_width_set();
DROP FUNCTION hnsw_width();
DROP TABLE hnsw_opt;
