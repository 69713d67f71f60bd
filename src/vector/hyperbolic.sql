-- hyperbolic.sql: vectors as points of hyperbolic space.

CREATE FUNCTION poincare_distance(vector, vector) RETURNS float8
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION poincare_distance(vector, vector) IS 'distance of two points of the Poincare ball, curvature -1; error for a norm of 1 or more';

CREATE FUNCTION poincare_distance(vector, vector, curvature double precision) RETURNS float8
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION poincare_distance(vector, vector, double precision) IS 'distance of two points of the Poincare ball of that curvature, negated, whose radius is 1/sqrt(curvature); error for points outside';

CREATE FUNCTION lorentz_distance(vector, vector) RETURNS float8
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION lorentz_distance(vector, vector) IS 'distance of two points of the hyperboloid, time coordinate first, curvature -1; error for vectors that are not on it';

CREATE FUNCTION lorentz_distance(vector, vector, curvature double precision) RETURNS float8
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION lorentz_distance(vector, vector, double precision) IS 'distance of two points of the hyperboloid of that curvature, negated; error for vectors that are not on it';

CREATE FUNCTION poincare_to_lorentz(vector) RETURNS vector
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION poincare_to_lorentz(vector) IS 'the point of the hyperboloid, time coordinate first, that a point of the Poincare ball is, curvature -1';

CREATE FUNCTION poincare_to_lorentz(vector, curvature double precision) RETURNS vector
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION poincare_to_lorentz(vector, double precision) IS 'the point of the hyperboloid that a point of the Poincare ball is, both of that curvature, negated';

CREATE FUNCTION lorentz_to_poincare(vector) RETURNS vector
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION lorentz_to_poincare(vector) IS 'the point of the Poincare ball that a point of the hyperboloid is, curvature -1';

CREATE FUNCTION lorentz_to_poincare(vector, curvature double precision) RETURNS vector
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION lorentz_to_poincare(vector, double precision) IS 'the point of the Poincare ball that a point of the hyperboloid is, both of that curvature, negated';

CREATE OPERATOR <^> (
	LEFTARG    = vector,
	RIGHTARG   = vector,
	FUNCTION   = poincare_distance,
	COMMUTATOR = <^>
);

COMMENT ON OPERATOR <^> (vector, vector) IS 'distance in the Poincare ball, curvature -1';
