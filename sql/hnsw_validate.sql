-- What amvalidate finds fault with.  It takes a superuser to make an operator class: there are two expected outputs.
CREATE OPERATOR CLASS hnsw_good FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_search FOR TYPE vector USING hnsw AS
	OPERATOR 1 = (vector, vector),
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_strategy FOR TYPE vector USING hnsw AS
	OPERATOR 2 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_sort FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY integer_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_result FOR TYPE vector USING hnsw AS
	OPERATOR 1 + (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_distance FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_cmp(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_support FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnswhandler(internal);
CREATE OPERATOR CLASS hnsw_types FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_l2_support(internal),
	FUNCTION 1 (vector, integer) l2_distance(vector, vector);
-- as pgvector's are
CREATE OPERATOR CLASS hnsw_one FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector);
CREATE OPERATOR CLASS hnsw_nothing FOR TYPE vector USING hnsw AS STORAGE vector;
-- refused by the server
CREATE OPERATOR CLASS hnsw_three FOR TYPE vector USING hnsw AS FUNCTION 3 l2_distance(vector, vector);
CREATE OPERATOR CLASS hnsw_storage FOR TYPE vector USING hnsw AS STORAGE integer;
CREATE FUNCTION hnsw_valid(name) RETURNS boolean LANGUAGE sql AS $$ SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = $1 $$;
SELECT hnsw_valid('hnsw_good');
SELECT hnsw_valid('hnsw_search');
SELECT hnsw_valid('hnsw_strategy');
SELECT hnsw_valid('hnsw_sort');
SELECT hnsw_valid('hnsw_result');
SELECT hnsw_valid('hnsw_distance');
SELECT hnsw_valid('hnsw_support');
SELECT hnsw_valid('hnsw_types');
SELECT hnsw_valid('hnsw_one');
SELECT hnsw_valid('hnsw_nothing');
DROP FUNCTION hnsw_valid(name);
DROP OPERATOR FAMILY hnsw_good USING hnsw;
DROP OPERATOR FAMILY hnsw_search USING hnsw;
DROP OPERATOR FAMILY hnsw_strategy USING hnsw;
DROP OPERATOR FAMILY hnsw_sort USING hnsw;
DROP OPERATOR FAMILY hnsw_result USING hnsw;
DROP OPERATOR FAMILY hnsw_distance USING hnsw;
DROP OPERATOR FAMILY hnsw_support USING hnsw;
DROP OPERATOR FAMILY hnsw_types USING hnsw;
DROP OPERATOR FAMILY hnsw_one USING hnsw;
DROP OPERATOR FAMILY hnsw_nothing USING hnsw;
