-- bit.sql: distances of PostgreSQL's type bit, by pgvector's names.

CREATE FUNCTION hamming_distance(bit, bit) RETURNS float8
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hamming_distance(bit, bit) IS 'number of bits that differ; error when the lengths differ';

CREATE FUNCTION jaccard_distance(bit, bit) RETURNS float8
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION jaccard_distance(bit, bit) IS '1 less the set bits in common as a part of all set bits; 1 when there are none in common; error when the lengths differ';

CREATE OPERATOR <~> (
	LEFTARG    = bit,
	RIGHTARG   = bit,
	FUNCTION   = hamming_distance,
	COMMUTATOR = <~>
);

COMMENT ON OPERATOR <~> (bit, bit) IS 'Hamming distance';

CREATE OPERATOR <%> (
	LEFTARG    = bit,
	RIGHTARG   = bit,
	FUNCTION   = jaccard_distance,
	COMMUTATOR = <%>
);

COMMENT ON OPERATOR <%> (bit, bit) IS 'Jaccard distance';
