-- hnsw_inspect.sql: functions that look into an hnsw index.

CREATE FUNCTION vecmark.hnsw_check(
	index regclass,
	OUT invariant integer,
	OUT block bigint,
	OUT node bigint,
	OUT problem text
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_hnsw_check'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000 ROWS 1;

COMMENT ON FUNCTION vecmark.hnsw_check(regclass) IS
	'what is broken in an hnsw index, nothing if it is whole: number of the invariant (src/hnsw/README.md), block, node, problem; at most 1,000 rows; reads the whole index, others may write meanwhile; for the owner of the table and pg_stat_scan_tables';

CREATE FUNCTION vecmark.hnsw_info(
	index regclass,
	OUT metric text,
	OUT dimensions integer,
	OUT storage text,
	OUT bits integer,
	OUT m integer,
	OUT ef_construction integer,
	OUT links_per_node integer,
	OUT slots_per_page integer,
	OUT pages_per_slot integer,
	OUT pages bigint,
	OUT bytes bigint,
	OUT directory_bytes bigint,
	OUT vector_bytes bigint,
	OUT link_bytes bigint,
	OUT code_bytes bigint,
	OUT free_bytes bigint,
	OUT tids bigint,
	OUT live_nodes bigint,
	OUT dead_nodes bigint,
	OUT upper_nodes bigint,
	OUT free_nodes bigint,
	OUT tid_slots bigint,
	OUT levels integer,
	OUT entry_node bigint,
	OUT odd_node bigint,
	OUT links bigint,
	OUT chosen_links bigint,
	OUT max_links integer,
	OUT stale_links bigint,
	OUT unreachable_nodes bigint
)
AS 'MODULE_PATHNAME', 'vecmark_hnsw_info'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark.hnsw_info(regclass) IS
	'figures of an hnsw index: its shape, its size by part, its nodes by state and its links; stale links lead to no node of their level, unreachable nodes are live and found by a sweep only; reads the whole index; for the owner of the table and pg_stat_scan_tables';

CREATE FUNCTION vecmark.recall(
	index regclass,
	INOUT k integer DEFAULT 10,
	INOUT samples integer DEFAULT 100,
	seed bigint DEFAULT 1,
	OUT recall double precision,
	OUT worst double precision,
	OUT rows bigint
)
AS 'MODULE_PATHNAME', 'vecmark_recall'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION vecmark.recall(regclass, integer, integer, bigint) IS
	'recall of an hnsw index under the present settings: searches it for the k nearest rows of vectors taken from the table at random by the seed, and compares with all rows; average and worst, rows that can be found; reads the table twice';

CREATE FUNCTION vecmark.explain_search(
	index regclass,
	query @extschema@.vector,
	k integer DEFAULT 10,
	OUT hops bigint,
	OUT upper_hops bigint,
	OUT pages_read bigint,
	OUT estimates bigint,
	OUT nodes bigint,
	OUT rows bigint,
	OUT memory_bytes bigint,
	OUT open_us double precision,
	OUT prepare_us double precision,
	OUT descend_us double precision,
	OUT walk_us double precision,
	OUT rows_us double precision
)
AS 'MODULE_PATHNAME', 'vecmark_explain_search'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.explain_search(regclass, @extschema@.vector, integer) IS
	'what a search of an hnsw index for k rows costs under the present settings: nodes read (each an exact distance), those of upper levels among them, pages, estimated distances, nodes and rows returned, memory, and microseconds by phase';
