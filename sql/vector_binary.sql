-- The binary form of vector, out and back; what is malformed is in error_messages.
-- out and back: every float, among them denormals and negative zero
CREATE TABLE binary_copy (v vector);
CREATE TABLE binary_many AS SELECT array_agg(CASE i % 7 WHEN 0 THEN '-0' WHEN 1 THEN 1.4e-45 WHEN 2 THEN -3.4028235e38 ELSE sin(i) * 10.0 ^ (i % 70 - 35) END::real)::vector AS v FROM generate_series(1, 7000) AS i GROUP BY i % 100;
\set dir `mktemp -d`
\cd :dir
\copy binary_many TO 'vectors' WITH (FORMAT binary)
\copy binary_copy FROM 'vectors' WITH (FORMAT binary)
SELECT count(*) FROM binary_many AS a FULL JOIN binary_copy AS b ON vector_send(a.v) = vector_send(b.v) WHERE a.v IS NULL OR b.v IS NULL;
TRUNCATE binary_copy;
\copy binary_many TO 'vectors'
\copy binary_copy FROM 'vectors'
SELECT count(*) FROM binary_many AS a FULL JOIN binary_copy AS b ON vector_send(a.v) = vector_send(b.v) WHERE a.v IS NULL OR b.v IS NULL;
\! rm vectors && rmdir $PWD
DROP TABLE binary_copy, binary_many;
