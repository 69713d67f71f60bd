-- ivfflat.sql: the index once more, under the name of pgvector's other one.

CREATE FUNCTION ivfflathandler(internal) RETURNS index_am_handler
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION ivfflathandler(internal) IS 'handler of access method ivfflat';

CREATE ACCESS METHOD ivfflat TYPE INDEX HANDLER ivfflathandler;

COMMENT ON ACCESS METHOD ivfflat IS 'an hnsw index that takes the options and settings of pgvector''s ivfflat';

-- operator classes: hnsw's, of which the first is the default, as with pgvector

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector),
	FUNCTION 2 hnsw_vector_l2_support(internal);

COMMENT ON OPERATOR CLASS vector_l2_ops USING ivfflat IS 'nearest vectors by Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING ivfflat IS 'nearest vectors by Euclidean distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 hnsw_vector_ip_support(internal);

COMMENT ON OPERATOR CLASS vector_ip_ops USING ivfflat IS 'vectors of largest inner product, <#>';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING ivfflat IS 'vectors of largest inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 hnsw_vector_cosine_support(internal);

COMMENT ON OPERATOR CLASS vector_cosine_ops USING ivfflat IS 'nearest vectors by cosine distance, <=>; zero vectors come last';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING ivfflat IS 'nearest vectors by cosine distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_l2_support(internal);

COMMENT ON OPERATOR CLASS halfvec_l2_ops USING ivfflat IS 'nearest half vectors by Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING ivfflat IS 'nearest half vectors by Euclidean distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_ip_support(internal);

COMMENT ON OPERATOR CLASS halfvec_ip_ops USING ivfflat IS 'half vectors of largest inner product, <#>';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING ivfflat IS 'half vectors of largest inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_cosine_support(internal);

COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING ivfflat IS 'nearest half vectors by cosine distance, <=>';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING ivfflat IS 'nearest half vectors by cosine distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING ivfflat AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 2 hnsw_bit_hamming_support(internal);

COMMENT ON OPERATOR CLASS bit_hamming_ops USING ivfflat IS 'nearest bit strings by Hamming distance, <~>';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING ivfflat IS 'nearest bit strings by Hamming distance';
