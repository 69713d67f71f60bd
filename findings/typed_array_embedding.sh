#!/bin/bash
# Models that run in JavaScript return embeddings as Float32Array.  The vector
# columns of drizzle-orm write what they are given with JSON.stringify, and a typed
# array is an object to it: {"0":1,"1":2}, which no server reads as a vector.
# pgvector's own helper refuses a typed array instead; but of an array it
# writes NaN and Infinity as null, by the same function.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

npm_packages drizzle-orm@0.45.4 pgvector@0.3.0
cat >"$folder/typed.mjs" <<'JS'
import pgvector from 'pgvector';
import { halfvec, pgTable, vector } from 'drizzle-orm/pg-core';

const t = pgTable('t', { v: vector({ dimensions: 2 }), h: halfvec({ dimensions: 2 }) });
const embedding = new Float32Array([1, 2]);
const attempt = (f) => { try { return f(); } catch (e) { return e.message; } };
console.log([
	t.v.mapToDriverValue([1, 2]),
	t.v.mapToDriverValue(embedding),
	t.h.mapToDriverValue(embedding),
	attempt(() => pgvector.toSql(embedding)),
	pgvector.toSql([1, NaN, Infinity]),
].join('\n'));
JS
mapfile -t seen < <(cd "$folder" && node typed.mjs)
expect "drizzle-orm, an array" '[1,2]' "${seen[0]}"
expect "drizzle-orm, vector of a Float32Array" '{"0":1,"1":2}' "${seen[1]}"
expect "drizzle-orm, halfvec of a Float32Array" '{"0":1,"1":2}' "${seen[2]}"
expect "pgvector, a Float32Array" 'expected array or sparse vector' "${seen[3]}"
expect "pgvector, [1, NaN, Infinity]" '[1,null,null]' "${seen[4]}"
done_with
