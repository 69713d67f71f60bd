-- The binary form of halfvec, out and back, also in arrays; what is malformed is in error_messages.
-- out and back: halves of every size, among them subnormals and negative zero
CREATE TABLE binary_copy (v halfvec, a halfvec[]);
CREATE TABLE binary_many AS
	SELECT v, ARRAY[v, NULL, v || '[-0]'] AS a FROM (
		SELECT array_agg(CASE i % 7 WHEN 0 THEN '-0' WHEN 1 THEN 6e-8 WHEN 2 THEN -65504 ELSE sin(i) * 10.0 ^ (i % 12 - 8) END::real)::halfvec AS v
		FROM generate_series(1, 7000) AS i GROUP BY i % 100) AS s;
\set dir `mktemp -d`
\cd :dir
\copy binary_many TO 'halfvecs' WITH (FORMAT binary)
\copy binary_copy FROM 'halfvecs' WITH (FORMAT binary)
SELECT count(*) FROM binary_many AS a FULL JOIN binary_copy AS b ON halfvec_send(a.v) = halfvec_send(b.v) AND array_send(a.a) = array_send(b.a) WHERE a.v IS NULL OR b.v IS NULL;
TRUNCATE binary_copy;
\copy binary_many TO 'halfvecs'
\copy binary_copy FROM 'halfvecs'
SELECT count(*) FROM binary_many AS a FULL JOIN binary_copy AS b ON halfvec_send(a.v) = halfvec_send(b.v) AND array_send(a.a) = array_send(b.a) WHERE a.v IS NULL OR b.v IS NULL;
\! rm halfvecs && rmdir $PWD
DROP TABLE binary_copy, binary_many;
