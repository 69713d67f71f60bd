-- The cast of vector to json, which is made on request by who may.
SELECT to_json('[1,2.5]'::vector), to_jsonb('[1,2.5]'::vector), json_build_object('v', '[1]'::vector), row_to_json(r) FROM (SELECT '[3]'::vector AS v) AS r;
SELECT vecmark.vector_to_json('[1,-2.5,1e-30,3e38,0.1,-0]'), vecmark.vector_to_json(NULL), json_typeof(vecmark.vector_to_json('[1]'));
SELECT vecmark.vector_to_json(v)::text::vector = v AS same FROM (SELECT array_agg(sin(i) * 10 ^ (i % 30 - 15))::vector AS v FROM generate_series(1, 2000) AS i) AS s;
SET extra_float_digits = 0;
SELECT vecmark.vector_to_json('[0.1234567,16777217]');
RESET extra_float_digits;
SELECT '[1]'::vector::json;
\echo :LAST_ERROR_SQLSTATE

CREATE CAST (vector AS json) WITH FUNCTION vecmark.vector_to_json(vector);
SELECT to_json('[1,2.5]'::vector), to_jsonb('[1,2.5]'::vector), json_build_object('v', '[1]'::vector), row_to_json(r) FROM (SELECT '[3]'::vector AS v) AS r;
SELECT '[1,2]'::vector::json, '[1,2]'::vector::text, '[1,2]'::vector || '[3]';
SELECT vecmark.create_bookmarks('json_marks', 2, 'simple', NULL);
SELECT count(*) FROM vecmark.create_api('json_marks', 'json_marks');
SELECT to_json(s)->'embedding' FROM json_marks_save('http://a.example', embedding => '{1,2}') AS s;
SELECT to_json(m)->'embedding' FROM match_json_marks('[1,2]') AS m;
SELECT url FROM json_marks_search(query_embedding => '{1,2}');
SELECT vecmark.drop_api('json_marks');
DROP TABLE json_marks, json_marks_visits;
DROP CAST (vector AS json);
SELECT to_json('[1,2.5]'::vector);
