-- sync_types.sql: the types of replicated state: version_vector, rowclock, delta.

CREATE TYPE vecmark.version_vector;

CREATE FUNCTION vecmark_internal.version_vector_in(cstring) RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_out(vecmark.version_vector) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_recv(internal) RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_send(vecmark.version_vector) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;

CREATE TYPE vecmark.version_vector (
	INPUT = vecmark_internal.version_vector_in,
	OUTPUT = vecmark_internal.version_vector_out,
	RECEIVE = vecmark_internal.version_vector_recv,
	SEND = vecmark_internal.version_vector_send,
	STORAGE = extended
);

COMMENT ON TYPE vecmark.version_vector IS
	'a set of transactions of sites: what a database holds; of each site ranges of transaction numbers, both ends included: {00c0ffee00c0ffee: 0-811 813}';
COMMENT ON FUNCTION vecmark_internal.version_vector_in(cstring) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.version_vector_out(vecmark.version_vector) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.version_vector_recv(internal) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.version_vector_send(vecmark.version_vector) IS 'I/O';

CREATE FUNCTION vecmark_internal.version_vector_eq(vecmark.version_vector, vecmark.version_vector) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_ne(vecmark.version_vector, vecmark.version_vector) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_contains(vecmark.version_vector, vecmark.version_vector) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_contained(vecmark.version_vector, vecmark.version_vector) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_union(vecmark.version_vector, vecmark.version_vector) RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_minus(vecmark.version_vector, vecmark.version_vector) RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.version_vector_intersect(vecmark.version_vector, vecmark.version_vector) RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark.is_concurrent(a vecmark.version_vector, b vecmark.version_vector) RETURNS boolean
AS 'MODULE_PATHNAME', 'version_vector_concurrent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.covers(version vecmark.version_vector, site bigint, txn bigint) RETURNS boolean
AS 'MODULE_PATHNAME', 'version_vector_covers' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION vecmark_internal.version_vector_eq(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator =';
COMMENT ON FUNCTION vecmark_internal.version_vector_ne(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator <>';
COMMENT ON FUNCTION vecmark_internal.version_vector_contains(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator @>';
COMMENT ON FUNCTION vecmark_internal.version_vector_contained(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator <@';
COMMENT ON FUNCTION vecmark_internal.version_vector_union(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator +';
COMMENT ON FUNCTION vecmark_internal.version_vector_minus(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator -';
COMMENT ON FUNCTION vecmark_internal.version_vector_intersect(vecmark.version_vector, vecmark.version_vector) IS 'implementation of operator *';
COMMENT ON FUNCTION vecmark.is_concurrent(vecmark.version_vector, vecmark.version_vector) IS
	'whether each has something that the other has not';
COMMENT ON FUNCTION vecmark_internal.covers(vecmark.version_vector, bigint, bigint) IS
	'whether a version has a transaction of a site, both as the tables of vecmark store them';

CREATE OPERATOR vecmark.= (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_eq,
	COMMUTATOR = OPERATOR(vecmark.=), NEGATOR = OPERATOR(vecmark.<>), RESTRICT = eqsel, JOIN = eqjoinsel
);
CREATE OPERATOR vecmark.<> (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_ne,
	COMMUTATOR = OPERATOR(vecmark.<>), NEGATOR = OPERATOR(vecmark.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR vecmark.@> (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_contains,
	COMMUTATOR = OPERATOR(vecmark.<@), RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR vecmark.<@ (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_contained,
	COMMUTATOR = OPERATOR(vecmark.@>), RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR vecmark.+ (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_union,
	COMMUTATOR = OPERATOR(vecmark.+)
);
CREATE OPERATOR vecmark.- (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_minus
);
CREATE OPERATOR vecmark.* (
	LEFTARG = vecmark.version_vector, RIGHTARG = vecmark.version_vector, FUNCTION = vecmark_internal.version_vector_intersect,
	COMMUTATOR = OPERATOR(vecmark.*)
);

COMMENT ON OPERATOR vecmark.= (vecmark.version_vector, vecmark.version_vector) IS 'the same transactions';
COMMENT ON OPERATOR vecmark.<> (vecmark.version_vector, vecmark.version_vector) IS 'not the same transactions';
COMMENT ON OPERATOR vecmark.@> (vecmark.version_vector, vecmark.version_vector) IS 'dominates: has all that the other has';
COMMENT ON OPERATOR vecmark.<@ (vecmark.version_vector, vecmark.version_vector) IS 'is dominated by';
COMMENT ON OPERATOR vecmark.+ (vecmark.version_vector, vecmark.version_vector) IS 'what either has';
COMMENT ON OPERATOR vecmark.- (vecmark.version_vector, vecmark.version_vector) IS 'what the first has and the second has not';
COMMENT ON OPERATOR vecmark.* (vecmark.version_vector, vecmark.version_vector) IS 'what both have';

CREATE TYPE vecmark.rowclock;

CREATE FUNCTION vecmark_internal.rowclock_in(cstring) RETURNS vecmark.rowclock
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.rowclock_out(vecmark.rowclock) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.rowclock_recv(internal) RETURNS vecmark.rowclock
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
CREATE FUNCTION vecmark_internal.rowclock_send(vecmark.rowclock) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;

CREATE TYPE vecmark.rowclock (
	INPUT = vecmark_internal.rowclock_in,
	OUTPUT = vecmark_internal.rowclock_out,
	RECEIVE = vecmark_internal.rowclock_recv,
	SEND = vecmark_internal.rowclock_send,
	STORAGE = main
);

COMMENT ON TYPE vecmark.rowclock IS
	'of a row of a tracked table, column _vm: which site wrote what of it when; 26 bytes for a row written at once; as text, hexadecimal';
COMMENT ON FUNCTION vecmark_internal.rowclock_in(cstring) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.rowclock_out(vecmark.rowclock) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.rowclock_recv(internal) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.rowclock_send(vecmark.rowclock) IS 'I/O';

CREATE TYPE vecmark.delta;

CREATE FUNCTION vecmark_internal.delta_in(cstring) RETURNS vecmark.delta
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
CREATE FUNCTION vecmark_internal.delta_out(vecmark.delta) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
CREATE FUNCTION vecmark_internal.delta_recv(internal) RETURNS vecmark.delta
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
CREATE FUNCTION vecmark_internal.delta_send(vecmark.delta) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

CREATE TYPE vecmark.delta (
	INPUT = vecmark_internal.delta_in,
	OUTPUT = vecmark_internal.delta_out,
	RECEIVE = vecmark_internal.delta_recv,
	SEND = vecmark_internal.delta_send,
	STORAGE = external
);

COMMENT ON TYPE vecmark.delta IS
	'what one database tells another: rows, the version that they build on and the one that they lead to; checked when it is read; as text, hexadecimal';
COMMENT ON FUNCTION vecmark_internal.delta_in(cstring) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.delta_out(vecmark.delta) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.delta_recv(internal) IS 'I/O';
COMMENT ON FUNCTION vecmark_internal.delta_send(vecmark.delta) IS 'I/O';

-- What people read.
CREATE FUNCTION vecmark_internal.rowclock_to_jsonb(clock vecmark.rowclock) RETURNS jsonb
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
CREATE FUNCTION vecmark_internal.delta_to_jsonb(delta vecmark.delta) RETURNS jsonb
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

CREATE CAST (vecmark.rowclock AS jsonb) WITH FUNCTION vecmark_internal.rowclock_to_jsonb(vecmark.rowclock);
CREATE CAST (vecmark.delta AS jsonb) WITH FUNCTION vecmark_internal.delta_to_jsonb(vecmark.delta);

COMMENT ON FUNCTION vecmark_internal.rowclock_to_jsonb(vecmark.rowclock) IS
	'which site wrote what of a row when: life, whether it is alive, base (its birth or death), and by the hash of their names, 8 hexadecimal digits, the columns, counters and sets that differ from the base; at is in UTC, count goes on within a millisecond';
COMMENT ON FUNCTION vecmark_internal.delta_to_jsonb(vecmark.delta) IS
	'what a delta says: sender, versions, and the rows of each table with their values and who wrote them when; values as the tables of other databases are told them, as text, or in hexadecimal digits where they are binary; errors 54000 above 256 MB';
COMMENT ON CAST (vecmark.rowclock AS jsonb) IS 'which site wrote what of a row when';
COMMENT ON CAST (vecmark.delta AS jsonb) IS 'what a delta says';
