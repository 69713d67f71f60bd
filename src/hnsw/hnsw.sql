-- hnsw.sql: the index, by pgvector's names.

CREATE FUNCTION hnswhandler(internal) RETURNS index_am_handler
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnswhandler(internal) IS 'handler of access method hnsw';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnswhandler;

COMMENT ON ACCESS METHOD hnsw IS 'nearest neighbours, by a graph that is searched best first';

-- support functions 2 of the operator classes

CREATE FUNCTION hnsw_vector_l2_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_vector_l2_support(internal) IS 'hnsw support for vector, Euclidean distance';

CREATE FUNCTION hnsw_vector_ip_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_vector_ip_support(internal) IS 'hnsw support for vector, negative inner product';

CREATE FUNCTION hnsw_vector_cosine_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_vector_cosine_support(internal) IS 'hnsw support for vector, cosine distance';

CREATE FUNCTION hnsw_vector_l1_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_vector_l1_support(internal) IS 'hnsw support for vector, taxicab distance';

CREATE FUNCTION hnsw_vector_poincare_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_vector_poincare_support(internal) IS 'hnsw support for vector, Poincare distance';

CREATE FUNCTION hnsw_halfvec_l2_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_halfvec_l2_support(internal) IS 'hnsw support for halfvec, Euclidean distance';

CREATE FUNCTION hnsw_halfvec_ip_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_halfvec_ip_support(internal) IS 'hnsw support for halfvec, negative inner product';

CREATE FUNCTION hnsw_halfvec_cosine_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_halfvec_cosine_support(internal) IS 'hnsw support for halfvec, cosine distance';

CREATE FUNCTION hnsw_halfvec_l1_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_halfvec_l1_support(internal) IS 'hnsw support for halfvec, taxicab distance';

CREATE FUNCTION hnsw_sparsevec_l2_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_sparsevec_l2_support(internal) IS 'hnsw support for sparsevec, Euclidean distance';

CREATE FUNCTION hnsw_sparsevec_ip_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_sparsevec_ip_support(internal) IS 'hnsw support for sparsevec, negative inner product';

CREATE FUNCTION hnsw_sparsevec_cosine_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_sparsevec_cosine_support(internal) IS 'hnsw support for sparsevec, cosine distance';

CREATE FUNCTION hnsw_sparsevec_l1_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_sparsevec_l1_support(internal) IS 'hnsw support for sparsevec, taxicab distance';

CREATE FUNCTION hnsw_bit_hamming_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_bit_hamming_support(internal) IS 'hnsw support for bit, Hamming distance';

CREATE FUNCTION hnsw_bit_jaccard_support(internal) RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;

COMMENT ON FUNCTION hnsw_bit_jaccard_support(internal) IS 'hnsw support for bit, Jaccard distance';

-- operator classes; as with pgvector none is the default

CREATE OPERATOR CLASS vector_l2_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector),
	FUNCTION 2 hnsw_vector_l2_support(internal);

COMMENT ON OPERATOR CLASS vector_l2_ops USING hnsw IS 'nearest vectors by Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING hnsw IS 'nearest vectors by Euclidean distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 hnsw_vector_ip_support(internal);

COMMENT ON OPERATOR CLASS vector_ip_ops USING hnsw IS 'vectors of largest inner product, <#>';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING hnsw IS 'vectors of largest inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 hnsw_vector_cosine_support(internal);

COMMENT ON OPERATOR CLASS vector_cosine_ops USING hnsw IS 'nearest vectors by cosine distance, <=>; zero vectors come last';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING hnsw IS 'nearest vectors by cosine distance';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(vector, vector),
	FUNCTION 2 hnsw_vector_l1_support(internal);

COMMENT ON OPERATOR CLASS vector_l1_ops USING hnsw IS 'nearest vectors by taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY vector_l1_ops USING hnsw IS 'nearest vectors by taxicab distance';

CREATE OPERATOR CLASS vector_poincare_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <^> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 poincare_distance(vector, vector),
	FUNCTION 2 hnsw_vector_poincare_support(internal);

COMMENT ON OPERATOR CLASS vector_poincare_ops USING hnsw IS 'nearest points of the Poincare ball by hyperbolic distance, <^>';
COMMENT ON OPERATOR FAMILY vector_poincare_ops USING hnsw IS 'nearest points of the Poincare ball by hyperbolic distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_l2_support(internal);

COMMENT ON OPERATOR CLASS halfvec_l2_ops USING hnsw IS 'nearest half vectors by Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING hnsw IS 'nearest half vectors by Euclidean distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_ip_support(internal);

COMMENT ON OPERATOR CLASS halfvec_ip_ops USING hnsw IS 'half vectors of largest inner product, <#>';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING hnsw IS 'half vectors of largest inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_cosine_support(internal);

COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING hnsw IS 'nearest half vectors by cosine distance, <=>';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING hnsw IS 'nearest half vectors by cosine distance';

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(halfvec, halfvec),
	FUNCTION 2 hnsw_halfvec_l1_support(internal);

COMMENT ON OPERATOR CLASS halfvec_l1_ops USING hnsw IS 'nearest half vectors by taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY halfvec_l1_ops USING hnsw IS 'nearest half vectors by taxicab distance';

CREATE OPERATOR CLASS sparsevec_l2_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_l2_squared_distance(sparsevec, sparsevec),
	FUNCTION 2 hnsw_sparsevec_l2_support(internal);

COMMENT ON OPERATOR CLASS sparsevec_l2_ops USING hnsw IS 'nearest sparse vectors by Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY sparsevec_l2_ops USING hnsw IS 'nearest sparse vectors by Euclidean distance';

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 hnsw_sparsevec_ip_support(internal);

COMMENT ON OPERATOR CLASS sparsevec_ip_ops USING hnsw IS 'sparse vectors of largest inner product, <#>';
COMMENT ON OPERATOR FAMILY sparsevec_ip_ops USING hnsw IS 'sparse vectors of largest inner product';

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 hnsw_sparsevec_cosine_support(internal);

COMMENT ON OPERATOR CLASS sparsevec_cosine_ops USING hnsw IS 'nearest sparse vectors by cosine distance, <=>';
COMMENT ON OPERATOR FAMILY sparsevec_cosine_ops USING hnsw IS 'nearest sparse vectors by cosine distance';

CREATE OPERATOR CLASS sparsevec_l1_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(sparsevec, sparsevec),
	FUNCTION 2 hnsw_sparsevec_l1_support(internal);

COMMENT ON OPERATOR CLASS sparsevec_l1_ops USING hnsw IS 'nearest sparse vectors by taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY sparsevec_l1_ops USING hnsw IS 'nearest sparse vectors by taxicab distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 2 hnsw_bit_hamming_support(internal);

COMMENT ON OPERATOR CLASS bit_hamming_ops USING hnsw IS 'nearest bit strings by Hamming distance, <~>';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING hnsw IS 'nearest bit strings by Hamming distance';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 jaccard_distance(bit, bit),
	FUNCTION 2 hnsw_bit_jaccard_support(internal);

COMMENT ON OPERATOR CLASS bit_jaccard_ops USING hnsw IS 'nearest bit strings by Jaccard distance, <%>';
COMMENT ON OPERATOR FAMILY bit_jaccard_ops USING hnsw IS 'nearest bit strings by Jaccard distance';
