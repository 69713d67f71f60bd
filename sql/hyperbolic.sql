-- Vectors as points of hyperbolic space.
SET extra_float_digits = -3;
-- the ball: along a ray, a right angle, near the boundary
SELECT '[0,0]'::vector <^> '[0.5,0]' AS ln_3, '[0.5,0]'::vector <^> '[0,-0.5]' AS right_angle, '[0.5]'::vector <^> '[-0.5]' AS twice_ln_3,
	ln(3::float8) AS ln_3;
SELECT r, '[0,0]'::vector <^> ARRAY[r::real, 0]::vector AS d, ln((1 + r::real::float8) / (1 - r::real::float8)) AS want
FROM unnest('{0.1,0.9,0.99,0.999,0.9999,0.99999,0.999999,0.9999999,0.99999988}'::text[]) AS r;
-- small distances keep their digits: 2 |u - v| / (1 - |u|^2)
SELECT '[0,0]'::vector <^> '[1e-30,0]' AS at_the_origin, '[0.5,0]'::vector <^> '[0.5,1e-20]' AS farther_out, 2e-20::float8 / 0.75 AS want;
-- 0 from a point to itself, and the same in both directions
SELECT count(*) AS pairs, count(*) FILTER (WHERE a.v <^> b.v <> b.v <^> a.v) AS asymmetric, count(*) FILTER (WHERE (a.v <^> b.v = 0) <> (a.v = b.v)) AS zero
FROM (SELECT i, array_agg(sin(i * j) / sqrt(10 + i % 7))::vector AS v FROM generate_series(1, 60) AS i, generate_series(1, 10) AS j GROUP BY i) AS a,
	(SELECT i, array_agg(sin(i * j) / sqrt(10 + i % 7))::vector AS v FROM generate_series(1, 60) AS i, generate_series(1, 10) AS j GROUP BY i) AS b;
-- the same as a function, and of other curvatures
SELECT poincare_distance('[0.1,0.2]', '[0.3,-0.4]') = '[0.1,0.2]'::vector <^> '[0.3,-0.4]' AS same, poincare_distance('[0.1,0.2]', '[0.3,-0.4]', 1) = '[0.1,0.2]'::vector <^> '[0.3,-0.4]' AS same_of_1,
	poincare_distance('[0.25,0.5]', '[0.5,-0.25]') AS one, poincare_distance('[0.125,0.25]', '[0.25,-0.125]', 4) * 2 AS four, poincare_distance('[0.5,1]', '[1,-0.5]', 0.25) / 2 AS fourth,
	poincare_distance('[3,4]', '[0,0]', 1e-100) AS hardly_curved, poincare_distance('[0.1,0.2]', '[0.3,-0.4]', curvature => 2) AS two;
-- nearest neighbours
CREATE TABLE hyperbolic_test (id integer, v vector(2));
INSERT INTO hyperbolic_test VALUES (1, '[0,0]'), (2, '[0.9,0]'), (3, '[0.9,0.1]'), (4, '[-0.5,0.5]'), (5, NULL);
SELECT id, v <^> '[0.95,0]' AS d, v <-> '[0.95,0]' AS euclidean FROM hyperbolic_test ORDER BY v <^> '[0.95,0]', id;

-- the hyperboloid
SELECT poincare_to_lorentz('[0.5,0]') AS lifted, poincare_to_lorentz('[0,0,0]') AS origin, lorentz_to_poincare('[3,2,2]') AS lowered, lorentz_to_poincare('[1,0,0]') AS origin;
SELECT lorentz_distance('[1,0,0]', '[3,2,2]') AS d, acosh(3::float8) AS want, lorentz_distance('[3,2,2]', '[3,2,-2]') AS right_angle, acosh(9::float8) AS want,
	lorentz_distance('[3,2,2]', '[3,2,2]') AS zero;
SELECT poincare_to_lorentz('[0.25,0]', 4) AS of_4, poincare_to_lorentz('[1,0]', 0.25) AS of_a_fourth, lorentz_to_poincare('[1.5,1,1]', 4) AS of_4, lorentz_distance('[0.5,0,0]', '[1.5,1,1]', 4) AS d, acosh(3::float8) / 2 AS want;
-- a time coordinate of floats is good enough, and does not count
SELECT lorentz_distance('[1,0,0]', '[3.000001,2,2]') = lorentz_distance('[1,0,0]', '[3,2,2]') AS same;
-- both models have the same distances, and a point comes back
SELECT count(*) AS pairs, count(*) FILTER (WHERE abs((a.v <^> b.v) - lorentz_distance(poincare_to_lorentz(a.v), poincare_to_lorentz(b.v))) > 1e-5) AS differ,
	count(*) FILTER (WHERE lorentz_to_poincare(poincare_to_lorentz(a.v)) <-> a.v > 1e-6) AS moved
FROM hyperbolic_test AS a, hyperbolic_test AS b WHERE a.v IS NOT NULL AND b.v IS NOT NULL;
-- as far out as single precision goes, there and back
SELECT lorentz_to_poincare(poincare_to_lorentz('[0.99999988,0]')) AS far, lorentz_distance('[1,0]', '[16777216,16777214]') AS farthest,
	lorentz_distance('[16777216,16777214]', '[16777216,-16777214]') AS twice;
SELECT vector_dims(poincare_to_lorentz(array_fill(0, ARRAY[15999])::vector));
SELECT poincare_distance(NULL, '[0]') IS NULL AND poincare_distance('[0]', '[0]', NULL) IS NULL AND lorentz_distance('[1,0]', NULL) IS NULL AND poincare_to_lorentz(NULL) IS NULL AS strict;
DROP TABLE hyperbolic_test;
RESET extra_float_digits;

-- what the planner is told
SELECT oid::regprocedure, prorettype::regtype, provolatile, proisstrict, proparallel FROM pg_proc
WHERE proname IN ('poincare_distance', 'lorentz_distance', 'poincare_to_lorentz', 'lorentz_to_poincare') ORDER BY 1;
SELECT oprname, oprcode::regprocedure, oprcom::regoperator, oprresult::regtype FROM pg_operator WHERE oprname = '<^>' AND oprleft = 'vector'::regtype;
