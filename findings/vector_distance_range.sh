#!/bin/bash
# pgvector sums squares in single precision.  Vectors whose elements are far
# inside the range of its type have squares outside it: below 1e-23 or so two
# vectors that differ are 0 apart, above 1e19 two that are near are infinitely far,
# and the cosine distance of a vector to itself is NaN at both ends.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

debian_root trixie postgresql-17-pgvector=0.8.0-1
start_server 17
sql 'CREATE EXTENSION vector'
expect "two small vectors, Euclidean" "0" "$(sql "SELECT '[1e-30,0]'::vector <-> '[2e-30,0]'")"
expect "a large one from the origin, Euclidean" "Infinity" "$(sql "SELECT '[2e19,0]'::vector <-> '[0,0]'")"
expect "a large one to itself, cosine" "NaN" "$(sql "SELECT '[1e20,1e20]'::vector <=> '[1e20,1e20]'")"
expect "a small one to itself, cosine" "NaN" "$(sql "SELECT '[1e-30,0]'::vector <=> '[1e-30,0]'")"
done_with
