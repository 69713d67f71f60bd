-- Access method ivfflat: pgvector's options and settings, and the hnsw index behind them.
SET jit = off;
CREATE TABLE ivf (id integer, v vector(3), any_v vector);
INSERT INTO ivf SELECT i, ARRAY[i % 20, i / 20, 1]::vector, ARRAY[i, 1]::vector FROM generate_series(1, 400) AS i;

-- the default operator class; options of both
CREATE INDEX ivf_v ON ivf USING ivfflat (v) WITH (lists = 20, m = 8, ef_construction = 20, storage = int8, seed = 3);
SELECT pg_get_indexdef('ivf_v'::regclass);
SELECT m, ef_construction, storage FROM vecmark.hnsw_info('ivf_v');
SELECT * FROM vecmark.hnsw_check('ivf_v');
SELECT recall, rows FROM vecmark.recall('ivf_v', 3, 20);
SELECT rows FROM vecmark.explain_search('ivf_v', '[7,9,1]', 5);
CREATE INDEX ivf_ip ON ivf USING ivfflat (v vector_ip_ops);
CREATE INDEX ivf_cosine ON ivf USING ivfflat (v vector_cosine_ops) WITH (lists = 32768);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM ivf ORDER BY v <-> '[7,9,1]' LIMIT 3;
EXPLAIN (COSTS off) SELECT id FROM ivf ORDER BY v <#> '[7,9,1]' LIMIT 3;
EXPLAIN (COSTS off) SELECT id FROM ivf ORDER BY v <=> '[7,9,1]' LIMIT 3;
SELECT id, v <-> '[7,9,1]' AS distance FROM ivf ORDER BY v <-> '[7,9,1]' LIMIT 1;
SELECT id FROM ivf ORDER BY v <#> '[1,1,1]' LIMIT 1;
SELECT id FROM ivf ORDER BY v <=> '[7,9,1]' LIMIT 1;
-- rows that come, change and go
INSERT INTO ivf VALUES (1001, '[7.25,9,1]'), (1002, NULL);
UPDATE ivf SET v = '[7.5,9,1]' WHERE id = 187;
SELECT id FROM ivf ORDER BY v <-> '[7,9,1]' LIMIT 2;
DELETE FROM ivf WHERE id > 400;
VACUUM ivf;
SELECT * FROM vecmark.hnsw_check('ivf_v');
SELECT id FROM ivf ORDER BY v <-> '[7,9,1]' LIMIT 1;
RESET enable_seqscan;

-- out of range
CREATE INDEX ON ivf USING ivfflat (v) WITH (lists = 0);
CREATE INDEX ON ivf USING ivfflat (v) WITH (lists = 32769);
CREATE INDEX ON ivf USING ivfflat (v) WITH (m = 101);
CREATE INDEX ON ivf USING ivfflat (v) WITH (probes = 1);
-- what cannot be indexed, or not like that
CREATE INDEX ON ivf USING ivfflat (any_v);
CREATE INDEX ON ivf USING ivfflat (v vector_l1_ops);
CREATE INDEX ON ivf USING ivfflat (id);
CREATE UNIQUE INDEX ON ivf USING ivfflat (v);
-- a table can be empty
CREATE TABLE ivf_empty (v vector(3));
CREATE INDEX ivf_empty_v ON ivf_empty USING ivfflat (v);
SELECT dimensions, tids FROM vecmark.hnsw_info('ivf_empty_v');
DROP TABLE ivf_empty;

-- what the access method can do
SELECT opcname, opcdefault, opcintype::regtype, amvalidate(o.oid) FROM pg_opclass AS o JOIN pg_am AS a ON a.oid = opcmethod
WHERE amname = 'ivfflat' ORDER BY 3, 1;
SELECT p, pg_index_column_has_property('ivf_v', 1, p) FROM unnest('{asc,orderable,distance_orderable,returnable}'::text[]) AS p;

-- settings
SHOW ivfflat.probes;
SHOW ivfflat.iterative_scan;
SHOW ivfflat.max_probes;
SET ivfflat.probes = 0;
SET ivfflat.probes = 32769;
SET ivfflat.iterative_scan = on;
SET ivfflat.iterative_scan = strict_order;
SET ivfflat.max_probes = 0;
SET ivfflat.max_probes = 32769;
SET ivfflat.no_such = 1;
SELECT name, vartype, context, min_val, max_val, enumvals, boot_val FROM pg_settings WHERE name LIKE 'ivfflat.%' ORDER BY name;

-- rows of a search that stops after its first nodes show its width: that of hnsw, times probes,
-- and all rows where there are no more lists than probes
DROP INDEX ivf_v, ivf_ip, ivf_cosine;
CREATE INDEX ivf_v ON ivf USING ivfflat (v) WITH (lists = 20);
CREATE FUNCTION ivf_width() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM (SELECT id FROM ivf ORDER BY v <-> '[7,9,1]' LIMIT 1000) AS s $$;
SET enable_seqscan = off;
SELECT ivf_width() AS all_rows;
SET hnsw.iterative_scan = off;
SELECT ivf_width() AS by_default;
SET ivfflat.probes = 2;
SELECT ivf_width() AS by_probes;
SET ivfflat.probes = 5;
SELECT ivf_width() AS by_probes;
SET hnsw.ef_search = 7;
SELECT ivf_width() AS by_both;
RESET hnsw.ef_search;
SET ivfflat.probes = 20;
SELECT ivf_width() AS all_rows;
SELECT hops >= 400 AS all_nodes FROM vecmark.explain_search('ivf_v', '[7,9,1]');
SET ivfflat.probes = 32768;
SELECT ivf_width() AS all_rows;
-- in order, with a range of the table far from the query, and for a query that has no direction
SELECT array_agg(id) = array_agg(id ORDER BY d, id) AS in_order
FROM (SELECT id, v <-> '[1000,900,1]' AS d FROM ivf ORDER BY v <-> '[1000,900,1]') AS s;
SELECT count(*) FROM (SELECT id FROM ivf ORDER BY v <-> NULL::vector) AS s;
RESET ivfflat.probes;
SELECT count(*) FROM (SELECT id FROM ivf ORDER BY v <-> '[1,2]') AS s;
ALTER INDEX ivf_v SET (ef_search = 5);
SELECT ivf_width() AS by_option;
ALTER INDEX ivf_v RESET (ef_search);
SET ivfflat.iterative_scan = relaxed_order;
SELECT ivf_width() AS all_rows;
SET client_min_messages = warning;
SET ivfflat.max_probes = 1;
SELECT ivf_width() < 400 AS fewer;
RESET client_min_messages;
RESET ivfflat.max_probes;
RESET ivfflat.iterative_scan;
SELECT ivf_width() AS by_default;
RESET hnsw.iterative_scan;
-- hnsw's do not know of lists, nor of probes
DROP INDEX ivf_v;
CREATE INDEX ivf_v ON ivf USING hnsw (v vector_l2_ops);
SET hnsw.iterative_scan = off;
SET ivfflat.probes = 100;
SELECT ivf_width();
RESET hnsw.iterative_scan;
RESET ivfflat.probes;
RESET enable_seqscan;
DROP FUNCTION ivf_width();
DROP TABLE ivf;
