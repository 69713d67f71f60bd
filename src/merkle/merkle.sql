-- merkle.sql: digests of tracked tables, to find where two nodes differ.

-- Only C code writes these.
CREATE TABLE vecmark_internal.merkle_digest (
	rel regclass PRIMARY KEY,
	format bigint NOT NULL,
	seed bigint NOT NULL,
	signature bigint NOT NULL
);
CREATE TABLE vecmark_internal.merkle_leaf (
	rel regclass NOT NULL,
	part smallint NOT NULL,
	leaves bytea NOT NULL
);

COMMENT ON TABLE vecmark_internal.merkle_digest IS 'tracked tables with a digest: a number for what it is made of, its seed, and a number for the table''s definition when it was built';
COMMENT ON TABLE vecmark_internal.merkle_leaf IS 'leaves of digests: what transactions added (part -1), and what that was folded into';


CREATE VIEW vecmark.digests AS
SELECT d.rel, d.format, d.seed FROM vecmark_internal.merkle_digest AS d
WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = d.rel);

COMMENT ON VIEW vecmark.digests IS 'tracked tables with a digest: a number for what it is made of, and its seed';

GRANT SELECT ON vecmark.digests TO PUBLIC;

CREATE FUNCTION vecmark_internal.digest_row() RETURNS trigger
AS 'MODULE_PATHNAME', 'vecmark_digest_row'
LANGUAGE C VOLATILE COST 5;

CREATE FUNCTION vecmark_internal.compute_digest(rel regclass, seed bigint) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_compute_digest'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;

CREATE FUNCTION vecmark_internal.forget_digest(rel regclass) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_forget_digest'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION vecmark_internal.digest_row() IS 'trigger of tables with a digest: adds what is written to its leaves; made by vecmark.build_digest()';
COMMENT ON FUNCTION vecmark_internal.compute_digest(regclass, bigint) IS 'computes the leaves of a table from its rows; for vecmark.build_digest()';
COMMENT ON FUNCTION vecmark_internal.forget_digest(regclass) IS 'deletes the leaves of a table; for vecmark.drop_digest()';

CREATE FUNCTION vecmark.build_digest(rel regclass, seed bigint DEFAULT 0) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM vecmark.tracked AS t WHERE t.rel = build_digest.rel) THEN
		RAISE EXCEPTION 'table "%" is not tracked', rel
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT vecmark.track() it first.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgname = '~~vecmark_digest')
		OR NOT EXISTS (SELECT FROM vecmark.digests AS d WHERE d.rel = build_digest.rel AND d.seed = build_digest.seed)
	THEN
		EXECUTE format('CREATE OR REPLACE TRIGGER "~~vecmark_digest" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION vecmark_internal.digest_row(%L)',
			rel, seed);
	END IF;
	PERFORM vecmark_internal.compute_digest(rel, seed);
END;
$$;

COMMENT ON FUNCTION vecmark.build_digest(regclass, bigint) IS
	'gives a tracked table a digest that its writers keep, or computes it anew from the rows; nodes that compare digests need the same seed; for its owner';

CREATE FUNCTION vecmark.drop_digest(rel regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgname = '~~vecmark_digest') THEN
		EXECUTE format('DROP TRIGGER "~~vecmark_digest" ON %s', rel);
	END IF;
	PERFORM vecmark_internal.forget_digest(rel);
END;
$$;

COMMENT ON FUNCTION vecmark.drop_digest(regclass) IS 'removes the digest of a table, and what keeps it; for its owner';

CREATE FUNCTION vecmark_internal.fold_digest(rel regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_fold_digest'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark_internal.fold_digest(regclass) IS
	'adds up what writers have appended to the digest of a table since the last time; returns how many rows that were; vecmark.maintain() does it';

CREATE FUNCTION vecmark_internal.digest_is_current(rel regclass) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_digest_is_current'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100;

COMMENT ON FUNCTION vecmark_internal.digest_is_current(regclass) IS
	'whether a table was not altered since its digest was built; null without a digest';

CREATE FUNCTION vecmark_internal.tidy_digests() RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_tidy_digests'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark_internal.tidy_digests() IS
	'deletes what is kept of digests of tables that are tracked no more; of how many; vecmark.maintain() does it';

CREATE FUNCTION vecmark_internal.keep_digest(rel regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF vecmark_internal.digest_is_current(rel) THEN
		RETURN vecmark_internal.fold_digest(rel);
	END IF;
	PERFORM vecmark_internal.compute_digest(d.rel, d.seed) FROM vecmark.digests AS d WHERE d.rel = keep_digest.rel;
	RETURN 0;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.keep_digest(regclass) IS
	'folds the digest of a table, or computes it anew if the table was altered, which is for its owner; vecmark.maintain() does it';

CREATE FUNCTION vecmark_internal.digest_fault(rel regclass) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgname = '~~vecmark_digest' AND tgenabled IN ('O', 'A')) THEN
		RETURN 'its trigger is missing or disabled';
	ELSIF NOT vecmark_internal.digest_is_current(rel) THEN
		RETURN 'the table, or a trigger that keeps it, was altered since';
	END IF;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.digest_fault(regclass) IS 'why the digest of a table is of no use as it is; null if it is';

CREATE VIEW vecmark_internal.merkle_health AS
SELECT 'digests' AS part, count(*) = 0 AS ok,
	pg_catalog.format('%s digests are of no use until they are built anew%s', count(*),
		pg_catalog.string_agg(pg_catalog.format('; %s: %s', f.rel, f.fault), '' ORDER BY f.rel::text)) AS detail
FROM (SELECT d.rel, vecmark_internal.digest_fault(d.rel) AS fault FROM vecmark.digests AS d) AS f
WHERE f.fault IS NOT NULL;

COMMENT ON VIEW vecmark_internal.merkle_health IS 'what vecmark.health says of digests';

GRANT SELECT ON vecmark_internal.merkle_health TO PUBLIC;

CREATE FUNCTION vecmark.audit(rel regclass, OUT leaf integer, OUT expected bigint, OUT actual bigint, OUT keys bytea[]) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_audit'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100000 ROWS 1;

COMMENT ON FUNCTION vecmark.audit(regclass) IS
	'leaves of a table whose rows are not those that were written through its triggers: the leaf, rows that there should be and are, and the keys of all of these, one or more of which was changed; none if it is sound';

CREATE FUNCTION vecmark.root(rel regclass, OUT version vecmark.version_vector, OUT format bigint, OUT hash bytea, OUT rows bigint, OUT settled boolean)
AS 'MODULE_PATHNAME', 'vecmark_root'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.root(regclass) IS
	'what a database holds, and a hash of all rows of a table then; databases of equal version and format where both are settled (no parked rows, no unfinished batches or streams) have equal hashes, or a table was damaged';

CREATE FUNCTION vecmark.buckets(rel regclass, bits integer DEFAULT 8, prefixes integer[] DEFAULT NULL, OUT prefix integer, OUT rows bigint, OUT hash bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_buckets'
LANGUAGE C STABLE PARALLEL UNSAFE COST 10000 ROWS 256;

COMMENT ON FUNCTION vecmark.buckets(regclass, integer, integer[]) IS
	'the rows of a table in 2^bits buckets (bits 0 to 16) by a hash of their key: number of rows and hash of each, or of some';

CREATE FUNCTION vecmark.bucket_hashes(rel regclass, bits integer DEFAULT 8, prefixes integer[] DEFAULT NULL) RETURNS bytea
AS 'MODULE_PATHNAME', 'vecmark_bucket_hashes'
LANGUAGE C STABLE PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.bucket_hashes(regclass, integer, integer[]) IS
	'hashes of buckets as vecmark.buckets() has them, 16 bytes each, one after the other';

CREATE FUNCTION vecmark.bucket_diff(rel regclass, bits integer, remote bytea, prefixes integer[] DEFAULT NULL) RETURNS integer[]
AS 'MODULE_PATHNAME', 'vecmark_bucket_diff'
LANGUAGE C STABLE PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.bucket_diff(regclass, integer, bytea, integer[]) IS
	'buckets whose hash is not what vecmark.bucket_hashes() said elsewhere, asked with the same bits and prefixes';

CREATE FUNCTION vecmark.bucket_keys(rel regclass, bits integer DEFAULT 8, prefixes integer[] DEFAULT NULL) RETURNS bytea
AS 'MODULE_PATHNAME', 'vecmark_bucket_keys'
LANGUAGE C STABLE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark.bucket_keys(regclass, integer, integer[]) IS
	'8 bytes for each row, each large column of a row, and each tombstone in buckets, alike only where these are alike, for vecmark.fetch() elsewhere; reads the table';

CREATE FUNCTION vecmark_internal.bucket_rows(rel regclass, bits integer DEFAULT 8, prefixes integer[] DEFAULT NULL) RETURNS bytea
AS 'MODULE_PATHNAME', 'vecmark_bucket_rows'
LANGUAGE C STABLE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark_internal.bucket_rows(regclass, integer, integer[]) IS
	'8 bytes for the key of each row in buckets, for vecmark_internal.delete_missing() elsewhere; reads the table';

CREATE FUNCTION vecmark_internal.delete_missing(rel regclass, bits integer, prefixes integer[], keys bytea, told vecmark.version_vector, most_deleted real DEFAULT 0.2)
RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_delete_missing'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark_internal.delete_missing(regclass, integer, integer[], bytea, vecmark.version_vector, real) IS
	'deletes rows in buckets that are not elsewhere any more: not among keys, which vecmark_internal.bucket_rows() said where told was held, and born by then; how many; for vecmark.rejoin()';

CREATE FUNCTION vecmark.fetch(rel regclass, bits integer, prefixes integer[], keys bytea DEFAULT '', max_bytes integer DEFAULT 8388608, repair boolean DEFAULT true)
RETURNS SETOF vecmark.delta
AS 'MODULE_PATHNAME', 'vecmark_fetch'
LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 10;

COMMENT ON FUNCTION vecmark.fetch(regclass, integer, integer[], bytea, integer, boolean) IS
	'rows, but for large columns, and tombstones in buckets that are not among keys, which vecmark.bucket_keys() said elsewhere, in deltas that are merged there and move no version; with repair they take the place of what is there, else they are joined; reads the table';
