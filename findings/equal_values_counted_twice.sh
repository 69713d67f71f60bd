#!/bin/bash
# postgresql-hll hashes the bytes of a value of a certain type.  Two values that
# are equal in SQL are two to it where their types or bytes differ: a union of a
# sketch of integers with one of the same numbers as bigint is nearly twice as
# large, and so a column's change from integer to bigint doubles its count.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

debian_root trixie postgresql-17-hll=2.18-2+b1
start_server 17
sql 'CREATE EXTENSION hll'
expect "1 = 1::bigint, and their hashes" "t|f" "$(sql 'SELECT 1 = 1::bigint, hll_hash_integer(1) = hll_hash_bigint(1)')"
expect "1.0 = 1.00, and how many there are" "t|2" \
	"$(sql 'SELECT 1.0 = 1.00, hll_cardinality(hll_add_agg(hll_hash_any(n))) FROM (VALUES (1.0), (1.00)) v(n)')"
expect "1 to 1000 as integer and as bigint" "1985" \
	"$(sql 'SELECT round(hll_cardinality(hll_union_agg(s))) FROM (
		SELECT hll_add_agg(hll_hash_integer(i)) s FROM generate_series(1, 1000) i
		UNION ALL SELECT hll_add_agg(hll_hash_bigint(i)) FROM generate_series(1, 1000) i) x')"
done_with
