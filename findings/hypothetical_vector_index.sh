#!/bin/bash
# hypopg asks what the planner would do with an index that is not there.  It knows
# a list of access methods; for one that an extension brings it raises an error, so
# the question cannot be asked of a vector index.  The other way round can: a real
# vector index is hidden from the planner.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

debian_root trixie postgresql-17-hypopg=1.4.1-2+b1 postgresql-17-pgvector=0.8.0-1
start_server 17
sql 'CREATE EXTENSION vector; CREATE EXTENSION hypopg; CREATE TABLE t (id int, v vector(3))'
sql 'INSERT INTO t SELECT i, array[i, i % 7, i % 11]::vector FROM generate_series(1, 3000) i; ANALYZE t'
for method in hnsw ivfflat; do
	expect "a hypothetical $method" "ERROR:  hypopg: access method \"$method\" is not supported" \
		"$(sql "SELECT hypopg_create_index('CREATE INDEX ON t USING $method (v vector_l2_ops)')" | head -1)"
done
sql 'CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops)'
plan="SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1,2,3]' LIMIT 1"
expect "a real one, in the plan" "1" "$(sql "$plan" | grep -c 't_v')"
expect "the same, hidden" "0" "$(sql "SELECT hypopg_hide_index('t_v'::regclass); $plan" | grep -c 't_v')"
done_with
