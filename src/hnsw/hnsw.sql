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
