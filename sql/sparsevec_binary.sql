-- The binary form of sparsevec, out and back; what is malformed is in error_messages.
CREATE TABLE sparse_copy (id integer, v sparsevec, a sparsevec[]);
CREATE TABLE sparse_source AS
	SELECT g AS id, v, ARRAY[v, NULL, '{}/7'] AS a FROM generate_series(0, 100) AS g,
		LATERAL (SELECT ('{' || coalesce(string_agg(i * i || ':' || CASE i % 7 WHEN 0 THEN '-0' WHEN 1 THEN '1.4e-45' WHEN 2 THEN '-3.4028235e38' ELSE (sin(i) * 10.0 ^ (i % 70 - 35))::real::text END, ','), '')
			|| '}/' || 5000 * (g + 1))::sparsevec AS v FROM generate_series(1, g % 70) AS i) AS s;
\set dir `mktemp -d`
\cd :dir
\copy sparse_source TO 'sparse' WITH (FORMAT binary)
\copy sparse_copy FROM 'sparse' WITH (FORMAT binary)
SELECT count(*) FROM sparse_source AS s JOIN sparse_copy AS c USING (id) WHERE sparsevec_send(s.v) = sparsevec_send(c.v) AND array_send(s.a) = array_send(c.a);
TRUNCATE sparse_copy;
\copy sparse_source TO 'sparse'
\copy sparse_copy FROM 'sparse'
SELECT count(*) FROM sparse_source AS s JOIN sparse_copy AS c USING (id) WHERE sparsevec_send(s.v) = sparsevec_send(c.v) AND array_send(s.a) = array_send(c.a);
\! rm sparse && rmdir $PWD
DROP TABLE sparse_copy, sparse_source;
