#!/bin/bash
# pgvector and pg_trgm both have an operator <->.  With pgvector alone, two
# literals without a type are an error that says so.  Where pg_trgm is installed
# too, they are texts, and a number comes back that is no distance of vectors:
# `text` is the preferred type of its category.  Parameters whose type a driver
# leaves open are resolved the same way.  One side with a type is enough.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

debian_root trixie postgresql-17-pgvector=0.8.0-1
start_server 17
sql 'CREATE EXTENSION vector'
expect "pgvector alone" "ERROR:  operator is not unique: unknown <-> unknown" \
	"$(sql "SELECT '[1,2,3]' <-> '[1,2,4]'" | head -1)"
sql 'CREATE EXTENSION pg_trgm'
expect "beside pg_trgm" "0.5" "$(sql "SELECT '[1,2,3]' <-> '[1,2,4]'")"
expect "with parameters" "0.5" "$(sql "PREPARE d AS SELECT \$1 <-> \$2; EXECUTE d('[1,2,3]', '[1,2,4]')")"
expect "with one type" "1" "$(sql "SELECT '[1,2,3]'::vector <-> '[1,2,4]'")"
done_with
