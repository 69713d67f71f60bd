-- The choice of kernels.  What this CPU has differs, so only relations are shown.
SELECT count(*) FILTER (WHERE in_use) AS in_use, bool_and(usable) FILTER (WHERE in_use) AS usable,
	bool_or(name = 'scalar' AND usable) AS scalar FROM vecmark.simd();
SET vecmark.simd = scalar;
SELECT name FROM vecmark.simd() WHERE in_use;
SET vecmark.simd = auto;
SELECT in_use FROM vecmark.simd() WHERE usable ORDER BY array_position(ARRAY['scalar', 'neon', 'avx2', 'avx512'], name) DESC LIMIT 1;
SET vecmark.simd = sse9;
SHOW vecmark.simd;
-- all kernels say the same, to a few bits
CREATE TEMPORARY TABLE simd_vectors AS
	SELECT n, array_agg(sin(n * i))::vector AS a, array_agg(cos(n + i))::vector AS b
	FROM generate_series(1, 100) AS n, generate_series(1, n * 9) AS i GROUP BY n;
CREATE TEMPORARY TABLE simd_results (name text, n integer, l2 float8, ip float8, cosine float8, l1 float8);
DO $$
DECLARE
	rung text;
BEGIN
	FOR rung IN SELECT name FROM vecmark.simd() WHERE usable LOOP
		PERFORM set_config('vecmark.simd', rung, false);
		INSERT INTO simd_results SELECT rung, n, a <-> b, a <#> b, a <=> b, a <+> b FROM simd_vectors;
	END LOOP;
END $$;
SELECT count(*) AS differ FROM simd_results AS r JOIN simd_results AS s USING (n)
WHERE s.name = 'scalar' AND (abs(r.l2 - s.l2) > 1e-4 OR abs(r.ip - s.ip) > 1e-3 OR abs(r.cosine - s.cosine) > 1e-5 OR abs(r.l1 - s.l1) > 1e-3);
RESET vecmark.simd;
SET vecmark.no_such_setting = 1;
