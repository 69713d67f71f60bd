#!/bin/bash
# pgbouncer refuses a connection whose options name a setting that it does not
# follow.  With track_extra_parameters = hnsw.ef_search the connection is
# accepted.  But pgbouncer can follow only what the server reports, and a server
# does not report settings of extensions: the value is dropped, without a word, and
# searches run at the default width.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

debian_root trixie pgbouncer=1.24.1-1+deb13u2 postgresql-17-pgvector=0.8.0-1
start_server 17
sql 'CREATE EXTENSION vector'
expect "without a pooler" "77" \
	"$(as_postgres "PGOPTIONS='-c hnsw.ef_search=77' $server/psql -h /tmp -XAtqc \"LOAD 'vector'\" -c 'SHOW hnsw.ef_search' postgres" 2>&1 | tail -1)"

pool() {
	mkdir -p "$root/tmp/pool"
	chroot "$root" chown postgres /tmp/pool
	printf '%s\n' '[databases]' 'postgres = host=/tmp user=postgres' '[pgbouncer]' 'listen_addr =' 'listen_port = 6432' \
		'unix_socket_dir = /tmp/pool' 'auth_type = any' 'pool_mode = transaction' 'pidfile = /tmp/pool/pid' \
		'logfile = /tmp/pool/log' "$@" >"$root/tmp/pool/pgbouncer.ini"
	as_postgres 'pgbouncer -q -d /tmp/pool/pgbouncer.ini'
	as_postgres "PGOPTIONS='-c hnsw.ef_search=77' $server/psql -h /tmp/pool -p 6432 -XAtqc \"LOAD 'vector'\" -c 'SHOW hnsw.ef_search' postgres" 2>&1 |
		tail -1 | sed 's/.*FATAL/FATAL/'
	# shellcheck disable=SC2016 # the other shell expands it
	as_postgres 'kill $(cat /tmp/pool/pid)'
	while [ -e "$root/tmp/pool/pid" ]; do sleep 0.1; done
}
expect "pooled" "FATAL:  unsupported startup parameter in options: hnsw.ef_search" "$(pool)"
expect "pooled, followed" "40" "$(pool 'track_extra_parameters = hnsw.ef_search')"
done_with
