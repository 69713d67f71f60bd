-- sync.sql: replicated state: its tables, what tracks, tells and merges.

-- Only C code writes these; users see them through views.
CREATE TABLE vecmark_internal.sync_site (
	site bigint PRIMARY KEY,
	current boolean NOT NULL,
	signs text NOT NULL,
	pending bigint[] NOT NULL,
	since timestamptz NOT NULL,
	forgotten vecmark.version_vector NOT NULL,
	lives bigint NOT NULL
);
CREATE TABLE vecmark_internal.sync_version (
	site bigint PRIMARY KEY,
	dots vecmark.version_vector NOT NULL
);
CREATE TABLE vecmark_internal.sync_table (
	rel regclass PRIMARY KEY,
	name text COLLATE "C" NOT NULL,
	floor vecmark.version_vector NOT NULL,
	notify boolean NOT NULL
);
CREATE TABLE vecmark_internal.sync_column (
	rel regclass NOT NULL,
	attnum smallint NOT NULL,
	attname name NOT NULL,
	name text COLLATE "C" NOT NULL,
	kind "char" NOT NULL,
	attrelid oid NOT NULL,
	form text NOT NULL,
	PRIMARY KEY (rel, attnum)
);
CREATE TABLE vecmark_internal.sync_log (
	site bigint NOT NULL,
	txn bigint NOT NULL,
	rel oid NOT NULL,
	keys bytea NOT NULL
);
CREATE INDEX sync_log_dot ON vecmark_internal.sync_log (site, txn);
CREATE TABLE vecmark_internal.sync_tombstone (
	rel regclass NOT NULL,
	key bytea NOT NULL,
	clock vecmark.rowclock NOT NULL,
	PRIMARY KEY (rel, key)
);
CREATE TABLE vecmark_internal.sync_pack (
	rel regclass NOT NULL,
	part integer NOT NULL,
	id bigint NOT NULL,
	clock vecmark.rowclock NOT NULL,
	keys bytea NOT NULL,
	PRIMARY KEY (rel, part, id)
);
CREATE TABLE vecmark_internal.sync_parked (
	name text COLLATE "C" NOT NULL,
	key bytea NOT NULL,
	state vecmark.delta NOT NULL,
	sqlstate text NOT NULL,
	reason text NOT NULL,
	since timestamptz NOT NULL,
	tries integer NOT NULL,
	PRIMARY KEY (name, key)
);
CREATE TABLE vecmark_internal.sync_quarantine (
	hash bigint PRIMARY KEY,
	sender bigint NOT NULL,
	at timestamptz NOT NULL,
	ahead_ms bigint NOT NULL,
	delta vecmark.delta NOT NULL
);
CREATE TABLE vecmark_internal.sync_peer (
	site bigint PRIMARY KEY,
	holds vecmark.version_vector NOT NULL,
	seen timestamptz NOT NULL,
	retired boolean NOT NULL
);
CREATE TABLE vecmark_internal.sync_outbox (
	rel regclass PRIMARY KEY
);
CREATE TABLE vecmark_internal.sync_stream (
	site bigint PRIMARY KEY,
	origin text NOT NULL,
	first bigint NOT NULL,
	whole boolean NOT NULL
);
CREATE TABLE vecmark_internal.sync_batch (
	batch bigint PRIMARY KEY,
	parts vecmark.version_vector NOT NULL,
	last bigint NOT NULL,
	at timestamptz NOT NULL,
	brings vecmark.version_vector NOT NULL
);
CREATE TABLE vecmark_internal.sync_lack (
	id bigint PRIMARY KEY,
	rel regclass NOT NULL,
	dots vecmark.version_vector NOT NULL,
	heard vecmark.version_vector NOT NULL,
	here boolean NOT NULL,
	question bigint NOT NULL
);
CREATE TABLE vecmark_internal.sync_conflict (
	at timestamptz NOT NULL,
	name text NOT NULL,
	key bytea NOT NULL,
	col text NOT NULL,
	winner bigint NOT NULL,
	loser bigint NOT NULL,
	lost bytea,
	is_binary boolean NOT NULL
);

COMMENT ON TABLE vecmark_internal.sync_site IS 'lives of this database: number, whether it is the present one, by what a copy is told, transactions that were prepared when it ended, transactions whose deletes are forgotten, and the longest life of those';
COMMENT ON TABLE vecmark_internal.sync_version IS 'transactions of other sites, and of earlier lives, that are merged here';
COMMENT ON TABLE vecmark_internal.sync_table IS 'tracked tables, their published names, and the transactions that are not in the log';
COMMENT ON TABLE vecmark_internal.sync_column IS 'columns of tracked tables, by the names that they had when the table was tracked, and how they merge: r register, c counter, s set, l local; the form that values, or elements of sets, had then, in which keys and sets are told';
COMMENT ON TABLE vecmark_internal.sync_log IS 'which keys a transaction wrote';
COMMENT ON TABLE vecmark_internal.sync_tombstone IS 'clocks of rows that are gone';
COMMENT ON TABLE vecmark_internal.sync_pack IS 'clocks of rows that are gone, of many that a transaction deleted in one: by the first bits of the hashes of their keys';
COMMENT ON TABLE vecmark_internal.sync_parked IS 'merged rows that cannot be shown, and why';
COMMENT ON TABLE vecmark_internal.sync_quarantine IS 'deltas whose clock is too far ahead';
COMMENT ON TABLE vecmark_internal.sync_peer IS 'what other sites have said that they hold';
COMMENT ON TABLE vecmark_internal.sync_outbox IS 'tables that the changes of each transaction are given to';
COMMENT ON TABLE vecmark_internal.sync_stream IS 'streams of logical replication: subscription, the first transaction that came, and whether everything before is here';
COMMENT ON TABLE vecmark_internal.sync_batch IS 'deltas in parts of which not all are merged';
COMMENT ON TABLE vecmark_internal.sync_lack IS 'tables, by a number of their published name, of which not all may be here that the version covers: the relation that has their tombstones, transactions, sites that have told them whole since, whether they were made again here, and the transaction that asks';
COMMENT ON TABLE vecmark_internal.sync_conflict IS 'values that lost against a concurrent write';


CREATE FUNCTION vecmark_internal.capture() RETURNS trigger
AS 'MODULE_PATHNAME', 'vecmark_capture'
LANGUAGE C VOLATILE COST 5;

CREATE FUNCTION vecmark_internal.refuse_truncate() RETURNS trigger
AS 'MODULE_PATHNAME', 'vecmark_refuse_truncate'
LANGUAGE C VOLATILE COST 1;

CREATE FUNCTION vecmark_internal.birth() RETURNS vecmark.rowclock
AS 'MODULE_PATHNAME', 'vecmark_birth'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10;

CREATE FUNCTION vecmark_internal.is_key_type(type oid) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_is_key_type'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1;

CREATE FUNCTION vecmark_internal.is_portable_type(type oid) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_is_portable_type'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1;

CREATE FUNCTION vecmark_internal.register_table(rel regclass, name text, notify boolean, columns name[], kinds "char"[]) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_register_table'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.table_id(name text) RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_table_id'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION vecmark_internal.table_id(text) IS 'the number of a table in versions and deltas, by its published name';

CREATE FUNCTION vecmark_internal.take_in_tracked(rel regclass, have_clocks boolean) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_take_in_tracked'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;

CREATE FUNCTION vecmark_internal.lost_clock(rel regclass) RETURNS vecmark.rowclock
AS 'MODULE_PATHNAME', 'vecmark_lost_clock'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.recover_clocks(rel regclass) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_recover_clocks'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark_internal.lost_clock(regclass) IS 'the clock of rows whose clocks are lost, which peers are to tell again; for vecmark.mend()';
COMMENT ON FUNCTION vecmark_internal.recover_clocks(regclass) IS 'stamps anew what was written to a table that lost its clocks, and told to nobody; for vecmark.mend()';

CREATE FUNCTION vecmark_internal.renew_columns(rel regclass) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_renew_columns'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

COMMENT ON FUNCTION vecmark_internal.renew_columns(regclass) IS 'notes that a table has lost values: peers are to tell it whole; columns that were dropped and added again are those that were on record; for vecmark.mend()';

CREATE FUNCTION vecmark_internal.take_in(rel regclass, part regclass, was_away boolean) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_take_in'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;

CREATE FUNCTION vecmark_internal.unregister_table(rel regclass) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_unregister_table'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

COMMENT ON FUNCTION vecmark_internal.capture() IS 'trigger of tracked tables: stamps what is written; made by vecmark.track()';
COMMENT ON FUNCTION vecmark_internal.refuse_truncate() IS 'trigger of tracked tables: refuses TRUNCATE; made by vecmark.track()';
COMMENT ON FUNCTION vecmark_internal.birth() IS 'the clock of rows that are in a table when it is tracked; for vecmark.track()';
COMMENT ON FUNCTION vecmark_internal.is_key_type(oid) IS 'whether keys of tracked tables, and elements of sets, may have a type: equal values have equal bytes';
COMMENT ON FUNCTION vecmark_internal.is_portable_type(oid) IS 'whether columns of tracked tables may have a type: its values mean the same in another database';
COMMENT ON FUNCTION vecmark_internal.register_table(regclass, text, boolean, name[], "char"[]) IS 'puts a table on record; for vecmark.track()';
COMMENT ON FUNCTION vecmark_internal.take_in_tracked(regclass, boolean) IS 'stamps rows that a table had before it was tracked, where their clocks are of elsewhere, and puts them into the log for streams; for vecmark.track()';
COMMENT ON FUNCTION vecmark_internal.take_in(regclass, regclass, boolean) IS 'stamps rows of a partition that are not in the log, or if it was away all of them, so that they are told; for vecmark.mend()';
COMMENT ON FUNCTION vecmark_internal.unregister_table(regclass) IS 'takes a table off the record; for vecmark.untrack()';

-- Tables that have a trigger of these functions are tracked with these policies,
-- unless the caller says otherwise: other rooms fill it.  The function is a schema and
-- a name: pg_upgrade does not keep the OIDs of functions, and refuses columns that have them.
CREATE TABLE vecmark_internal.sync_default (
	trigger_function text PRIMARY KEY,
	policy jsonb NOT NULL
);

COMMENT ON TABLE vecmark_internal.sync_default IS 'policies of tables that vecmark makes, known by a trigger of theirs';

GRANT SELECT ON vecmark_internal.sync_default TO PUBLIC;

CREATE FUNCTION vecmark_internal.drop_triggers(rel regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found record;
BEGIN
	FOR found IN
		SELECT t.tgrelid::regclass AS part, t.tgname FROM pg_trigger AS t
		WHERE t.tgrelid IN (SELECT relid FROM pg_partition_tree(rel) UNION SELECT rel) AND t.tgparentid = 0
			AND t.tgname IN ('~~vecmark_capture', '~~vecmark_truncate', '~~vecmark_digest')
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.part);
	END LOOP;
END;
$$;

CREATE FUNCTION vecmark_internal.make_triggers(rel regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part regclass;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgname = '~~vecmark_capture') THEN
		EXECUTE format('CREATE TRIGGER "~~vecmark_capture" BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION vecmark_internal.capture()', rel);
	END IF;
	FOR part IN
		SELECT p FROM (SELECT relid FROM pg_partition_tree(rel) UNION SELECT rel) AS t(p)
		WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = p AND tgname = '~~vecmark_truncate')
	LOOP
		EXECUTE format('CREATE TRIGGER "~~vecmark_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION vecmark_internal.refuse_truncate()', part);
	END LOOP;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.drop_triggers(regclass) IS 'drops the triggers that tracking gave a table and its partitions; for vecmark.track() and untrack()';
COMMENT ON FUNCTION vecmark_internal.make_triggers(regclass) IS 'gives a tracked table and its partitions the triggers that they lack; for vecmark.track() and mend()';

CREATE FUNCTION vecmark.track(rel regclass, policy jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	class record;
	col record;
	rules jsonb := policy;
	published text;
	names name[] := '{}';
	kinds "char"[] := '{}';
	keys smallint[];
	word text;
	has_clocks boolean := false;
BEGIN
	IF rel IS NULL THEN
		RAISE EXCEPTION 'the table may not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF policy IS NULL OR jsonb_typeof(policy) <> 'object' THEN
		RAISE EXCEPTION 'a policy is a json object' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR word IN SELECT jsonb_object_keys(policy) LOOP
		IF word NOT IN ('name', 'keys', 'counters', 'sets', 'local', 'notify') THEN
			RAISE EXCEPTION 'unknown part of a policy: "%"', word
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Parts are name, keys, counters, sets, local and notify.';
		END IF;
	END LOOP;
	IF coalesce(jsonb_typeof(policy->'name'), 'string') <> 'string' THEN
		RAISE EXCEPTION 'part "%" of a policy is a string', 'name' USING ERRCODE = 'invalid_parameter_value';
	ELSIF coalesce(policy->'keys', '"disjoint"') <> '"disjoint"' THEN
		RAISE EXCEPTION 'part "%" of a policy is "disjoint"', 'keys' USING ERRCODE = 'invalid_parameter_value';
	ELSIF coalesce(jsonb_typeof(policy->'notify'), 'boolean') <> 'boolean' THEN
		RAISE EXCEPTION 'part "%" of a policy is true or false', 'notify' USING ERRCODE = 'invalid_parameter_value';
	ELSIF NOT EXISTS (SELECT FROM pg_class WHERE oid = rel AND relkind IN ('r', 'p')) THEN
		RAISE EXCEPTION 'cannot track "%": it is not a table', rel USING ERRCODE = 'wrong_object_type';
	END IF;
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rel);
	SELECT c.relkind, c.relpersistence, c.relispartition, c.relname, n.nspname, c.oid INTO class
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = rel;
	IF class.relpersistence <> 'p' THEN
		RAISE EXCEPTION 'cannot track "%": it is temporary or unlogged', class.relname
			USING ERRCODE = 'wrong_object_type', HINT = 'What a crash empties cannot be told from what was deleted.';
	ELSIF class.relispartition THEN
		RAISE EXCEPTION 'cannot track "%": it is a partition', class.relname
			USING ERRCODE = 'wrong_object_type', HINT = 'Track the table that it is a partition of.';
	ELSIF class.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE rel IN (inhrelid, inhparent)) THEN
		RAISE EXCEPTION 'cannot track "%": it inherits', class.relname USING ERRCODE = 'wrong_object_type';
	ELSIF EXISTS (SELECT FROM vecmark.tracked AS t WHERE t.rel = track.rel) THEN
		RAISE EXCEPTION 'table "%" is tracked already', class.relname USING ERRCODE = 'duplicate_object';
	END IF;

	SELECT coalesce(d.policy, '{}') || track.policy INTO rules
	FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace
		JOIN vecmark_internal.sync_default AS d ON d.trigger_function = n.nspname || '.' || p.proname
	WHERE t.tgrelid = rel;
	rules := coalesce(rules, policy);
	published := coalesce(rules->>'name', class.nspname || '.' || class.relname);
	IF octet_length(published) NOT BETWEEN 1 AND 200 THEN
		RAISE EXCEPTION 'published name "%" does not have 1 to 200 bytes', published USING ERRCODE = 'invalid_name';
	END IF;

	SELECT i.indkey::smallint[] INTO keys FROM pg_index AS i WHERE i.indrelid = rel AND i.indisprimary AND i.indimmediate;
	IF keys IS NULL THEN
		RAISE EXCEPTION 'cannot track "%": it has no primary key that is checked at once', class.relname
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A row is known everywhere by its primary key, which must not be deferrable.';
	END IF;
	FOREACH word IN ARRAY ARRAY['counters', 'sets', 'local'] LOOP
		IF jsonb_typeof(coalesce(rules->word, '[]')) <> 'array' THEN
			RAISE EXCEPTION 'part "%" of a policy is an array of columns', word USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM FROM jsonb_array_elements_text(coalesce(rules->word, '[]')) AS named
			WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = rel AND attname = named AND attnum > 0 AND NOT attisdropped);
		IF FOUND AND policy ? word THEN
			RAISE EXCEPTION 'policy names a column that "%" does not have, in "%"', class.relname, word USING ERRCODE = 'undefined_column';
		END IF;
	END LOOP;

	FOR col IN
		SELECT a.attname, a.attnum = ANY (keys) AS is_key, a.attidentity, a.atttypid, a.attgenerated,
			(SELECT e.oid FROM pg_type AS e WHERE e.typarray = t.oid) AS element,
			coalesce(bool_or(l.collisdeterministic), true) AS is_deterministic,
			coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE '%nextval(%' AS is_serial,
			coalesce(rules->'counters', '[]') ? a.attname AS is_counter,
			coalesce(rules->'sets', '[]') ? a.attname AS is_set,
			coalesce(rules->'local', '[]') ? a.attname AS is_local
		FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
			LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
			LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
		WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
		GROUP BY a.attrelid, a.attnum, a.attname, a.attidentity, a.atttypid, a.attgenerated, t.oid, d.oid
		ORDER BY a.attnum
	LOOP
		IF col.attname = '_vm' THEN
			IF col.atttypid <> 'vecmark.rowclock'::regtype THEN
				RAISE EXCEPTION 'cannot track "%": it has a column "_vm" of another type', class.relname USING ERRCODE = 'duplicate_column';
			END IF;
			has_clocks := true;
			CONTINUE;
		ELSIF col.is_key THEN
			IF NOT vecmark_internal.is_key_type(col.atttypid) OR NOT col.is_deterministic THEN
				RAISE EXCEPTION 'cannot track "%": equal values of key column "%" may differ in their bytes', class.relname, col.attname
					USING ERRCODE = 'feature_not_supported', HINT = 'Use a key of type uuid, bigint or text.';
			ELSIF (col.attidentity <> '' OR col.is_serial) AND coalesce(rules->>'keys', '') <> 'disjoint' THEN
				RAISE EXCEPTION 'cannot track "%": key column "%" is numbered by each site for itself', class.relname, col.attname
					USING ERRCODE = 'feature_not_supported', DETAIL = 'Rows of two sites with the same number are not the same row.',
					HINT = 'Use uuid keys; or, if the sites'' numbers cannot meet (INCREMENT BY, ranges), say so with policy {"keys": "disjoint"}.';
			ELSIF col.is_counter OR col.is_set OR col.is_local THEN
				RAISE EXCEPTION 'column "%" is part of the key of "%" and has no policy', col.attname, class.relname USING ERRCODE = 'invalid_parameter_value';
			END IF;
		ELSIF col.attgenerated <> '' THEN
			IF col.is_counter OR col.is_set OR col.is_local THEN
				RAISE EXCEPTION 'column "%" of "%" is generated and has no policy', col.attname, class.relname USING ERRCODE = 'invalid_parameter_value';
			END IF;
			CONTINUE;
		ELSIF col.is_counter::int + col.is_set::int + col.is_local::int > 1 THEN
			RAISE EXCEPTION 'column "%" of "%" has more than one policy', col.attname, class.relname USING ERRCODE = 'invalid_parameter_value';
		ELSIF col.is_counter AND col.atttypid NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN
			RAISE EXCEPTION 'column "%" of "%" cannot be a counter: it is not of type smallint, integer or bigint', col.attname, class.relname USING ERRCODE = 'datatype_mismatch';
		ELSIF col.is_set AND (col.element IS NULL OR NOT vecmark_internal.is_key_type(col.element)) THEN
			RAISE EXCEPTION 'column "%" of "%" cannot be a set: it is not an array of a type that keys may have', col.attname, class.relname USING ERRCODE = 'datatype_mismatch';
		ELSIF NOT col.is_local AND NOT vecmark_internal.is_portable_type(col.atttypid) THEN
			RAISE EXCEPTION 'cannot track "%": values of column "%" mean something else in another database', class.relname, col.attname
				USING ERRCODE = 'feature_not_supported', HINT = 'Name it in "local" of the policy to leave it out.';
		END IF;
		names := names || col.attname;
		kinds := kinds || (CASE WHEN col.is_counter THEN 'c' WHEN col.is_set THEN 's' WHEN col.is_local THEN 'l' ELSE 'r' END)::"char";
	END LOOP;

	IF NOT has_clocks THEN
		EXECUTE format('ALTER TABLE %s ADD COLUMN _vm vecmark.rowclock NOT NULL DEFAULT %L', rel, vecmark_internal.birth());
	END IF;
	-- a table that was dumped by itself brings them along
	PERFORM vecmark_internal.drop_triggers(rel);
	PERFORM vecmark_internal.register_table(rel, published, coalesce((rules->>'notify')::boolean, false), names, kinds);
	PERFORM vecmark_internal.make_triggers(rel);
	PERFORM vecmark_internal.take_in_tracked(rel, has_clocks);
	RETURN published;
END;
$$;

COMMENT ON FUNCTION vecmark.track(regclass, jsonb) IS
	'makes a table replicated state: adds column _vm and triggers; policy: name (published), counters, sets, local (arrays of columns), keys "disjoint", notify; for its owner; returns the published name';

CREATE FUNCTION vecmark.untrack(rel regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class WHERE oid = rel) THEN
		RAISE EXCEPTION 'table "%" is not tracked', rel USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rel);
	IF EXISTS (SELECT FROM vecmark.tracked AS t WHERE t.rel = untrack.rel) THEN
		PERFORM vecmark.drop_digest(rel);
		PERFORM vecmark_internal.unregister_table(rel);
	-- a table that was dumped by itself has triggers all the same
	ELSIF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgname IN ('~~vecmark_capture', '~~vecmark_truncate', '~~vecmark_digest')) THEN
		RAISE EXCEPTION 'table "%" is not tracked', rel USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	PERFORM vecmark_internal.drop_triggers(rel);
	EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS _vm', rel);
END;
$$;

COMMENT ON FUNCTION vecmark.untrack(regclass) IS
	'makes a tracked table an ordinary one: drops column _vm, triggers and tombstones; its rows stay';

CREATE VIEW vecmark_internal.renewed_columns AS
SELECT c.rel, c.attname
FROM vecmark_internal.sync_column AS c
	JOIN pg_catalog.pg_attribute AS d ON d.attrelid = c.rel AND d.attnum = c.attnum AND d.attisdropped
	JOIN pg_catalog.pg_attribute AS n ON n.attrelid = c.rel AND n.attname = c.attname AND NOT n.attisdropped AND n.attnum > 0
WHERE c.attrelid = c.rel;

COMMENT ON VIEW vecmark_internal.renewed_columns IS 'columns of tracked tables that were dropped and added again, without the values that they had';

GRANT SELECT ON vecmark_internal.renewed_columns TO PUBLIC;

CREATE FUNCTION vecmark_internal.strange_parts(rel regclass, OUT part regclass, OUT has_guard boolean) RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- the trigger is made when a partition is taken in; one that was attached since then was away, or is new
	SELECT p.relid, g.oid IS NOT NULL
	FROM pg_partition_tree(rel) AS p LEFT JOIN pg_trigger AS g ON g.tgrelid = p.relid AND g.tgname = '~~vecmark_truncate'
	WHERE p.relid <> rel AND (g.oid IS NULL OR EXISTS (SELECT FROM pg_partition_ancestors(p.relid) AS a JOIN pg_inherits AS i ON i.inhrelid = a.relid
		WHERE a.relid IN (SELECT t.relid FROM pg_partition_tree(rel) AS t) AND a.relid <> rel AND age(i.xmin) < age(g.xmin)));
END;

COMMENT ON FUNCTION vecmark_internal.strange_parts(regclass) IS 'partitions that were attached to a tracked table since the last time that vecmark.mend() saw it, and whether they were seen before';

CREATE FUNCTION vecmark_internal.table_faults(rel regclass) RETURNS SETOF text
LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('%s is unlogged, and a crash empties it: ALTER TABLE %s SET LOGGED, then build a digest that it has anew', p.relid, p.relid)
	FROM (SELECT relid FROM pg_partition_tree(rel) UNION SELECT rel) AS p JOIN pg_class AS c ON c.oid = p.relid
	WHERE c.relpersistence <> 'p'
	UNION ALL
	SELECT format('%s has lost its column "_vm": SELECT vecmark.mend(%L)', rel, rel)
	WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = rel AND a.attname = '_vm' AND a.atttypid = 'vecmark.rowclock'::regtype)
	UNION ALL
	SELECT format('%s has no trigger "~~vecmark_capture": SELECT vecmark.mend(%L)', rel, rel)
	WHERE NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = rel AND t.tgname = '~~vecmark_capture')
	UNION ALL
	SELECT format('%s has no trigger "~~vecmark_truncate": SELECT vecmark.mend(%L)', rel, rel)
	WHERE NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = rel AND t.tgname = '~~vecmark_truncate')
	UNION ALL
	SELECT format('partition %s was added, what it had then is not told, and it can be truncated: SELECT vecmark.mend(%L)', p.part, rel)
	FROM vecmark_internal.strange_parts(rel) AS p
	UNION ALL
	SELECT format('column "%s" of %s was dropped and added again, and its values are to be told again: SELECT vecmark.mend(%L)', c.attname, rel, rel)
	FROM vecmark_internal.renewed_columns AS c
	WHERE c.rel = table_faults.rel
	UNION ALL
	SELECT format('trigger "%s" of %s is disabled: ALTER TABLE %s ENABLE TRIGGER "%s"', t.tgname, t.tgrelid::regclass, t.tgrelid::regclass, t.tgname)
	FROM pg_trigger AS t
	WHERE t.tgrelid IN (SELECT relid FROM pg_partition_tree(rel) UNION SELECT rel) AND t.tgname IN ('~~vecmark_capture', '~~vecmark_truncate') AND t.tgenabled NOT IN ('O', 'A')
	UNION ALL
	SELECT format('trigger "%s" of %s runs after vecmark''s: give it a name that sorts before "~~"', t.tgname, rel)
	FROM pg_trigger AS t
	WHERE t.tgrelid = rel AND t.tgname > '~~vecmark_truncate' COLLATE "C" AND (t.tgtype & 3) = 3;
END;

COMMENT ON FUNCTION vecmark_internal.table_faults(regclass) IS 'what is wrong with the definition of a tracked table, and what mends it';

CREATE FUNCTION vecmark.mend(rel regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	strange record;
BEGIN
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rel);
	IF NOT EXISTS (SELECT FROM vecmark.tracked AS t WHERE t.rel = mend.rel) THEN
		RAISE EXCEPTION 'table "%" is not tracked', rel
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = coalesce((
				SELECT format('It is a partition: SELECT vecmark.mend(%L) mends all.', a.relid)
				FROM pg_partition_ancestors(rel) AS a JOIN vecmark.tracked AS t ON t.rel = a.relid),
				format('SELECT vecmark.track(%L) makes it replicated state.', rel));
	END IF;
	IF NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = rel AND a.attname = '_vm' AND a.atttypid = 'vecmark.rowclock'::regtype) THEN
		EXECUTE format('ALTER TABLE %s ADD COLUMN _vm vecmark.rowclock NOT NULL DEFAULT %L', rel, vecmark_internal.lost_clock(rel));
		PERFORM vecmark_internal.recover_clocks(rel);
	END IF;
	FOR strange IN SELECT p.part, p.has_guard FROM vecmark_internal.strange_parts(rel) AS p LOOP
		PERFORM vecmark_internal.take_in(rel, strange.part, strange.has_guard);
		EXECUTE format('DROP TRIGGER IF EXISTS "~~vecmark_truncate" ON %s', strange.part);
	END LOOP;
	IF EXISTS (SELECT FROM vecmark_internal.renewed_columns AS c WHERE c.rel = mend.rel)
		-- a crash may have emptied it, or will
		OR EXISTS (SELECT FROM pg_class AS c WHERE c.relpersistence <> 'p' AND c.oid IN (SELECT relid FROM pg_partition_tree(rel) UNION SELECT rel))
	THEN
		PERFORM vecmark_internal.renew_columns(rel);
	END IF;
	PERFORM vecmark_internal.make_triggers(rel);
END;
$$;

COMMENT ON FUNCTION vecmark.mend(regclass) IS
	'brings what tracking gave a table up to its present definition: triggers and the column "_vm" where they are missing, partitions and columns that were added, whose rows are told, or asked for, from then on; for its owner; vecmark.maintain() does it';

CREATE FUNCTION vecmark.site() RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_site'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100;

COMMENT ON FUNCTION vecmark.site() IS
	'the number of this database''s present life, 16 hexadecimal digits; a copy of the database gets another one with its first write';

CREATE FUNCTION vecmark.new_incarnation() RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_new_incarnation'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION vecmark.new_incarnation() IS
	'begins a new life of this database and returns its site; to be called after a disk image was put back, which cannot be seen from inside';

CREATE FUNCTION vecmark.version() RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME', 'vecmark_version'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100;

COMMENT ON FUNCTION vecmark.version() IS
	'what this database holds, as the caller''s snapshot shows it, without the caller''s own transaction';

CREATE FUNCTION vecmark.changes(since vecmark.version_vector DEFAULT '{}', rels regclass[] DEFAULT NULL, max_bytes integer DEFAULT 8388608)
RETURNS SETOF vecmark.delta
AS 'MODULE_PATHNAME', 'vecmark_changes'
LANGUAGE C STABLE PARALLEL UNSAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION vecmark.changes(vecmark.version_vector, regclass[], integer) IS
	'what who holds "since" lacks, in deltas of about max_bytes; with rels, of some tables only, and such deltas do not move the receiver''s version; errors 42501 where the caller does not see all rows';

CREATE FUNCTION vecmark.has_changes(since vecmark.version_vector, rels regclass[] DEFAULT NULL) RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_has_changes'
LANGUAGE C STABLE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION vecmark.has_changes(vecmark.version_vector, regclass[]) IS
	'whether vecmark.changes() would have rows for who holds "since"; true, too, where what would tell has been forgotten';

CREATE FUNCTION vecmark_internal.claims() RETURNS vecmark.delta
AS 'MODULE_PATHNAME', 'vecmark_claims'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION vecmark_internal.claims() IS
	'a delta without rows that says what is held and what was forgotten here, for who has merged all that is here; for vecmark.rejoin()';

CREATE TYPE vecmark.merge_result AS (
	status text,
	applied bigint,
	stale bigint,
	parked bigint,
	conflicts bigint,
	gap vecmark.version_vector,
	version vecmark.version_vector
);

COMMENT ON TYPE vecmark.merge_result IS
	'what a merge did: status (merged, partial until all parts of a batch are there, gap, late, quarantined), rows applied, rows that were here, rows parked, concurrent writes of a column, what is missing before a gap, and the version after it';

CREATE FUNCTION vecmark.merge(d vecmark.delta, mode text DEFAULT 'strict') RETURNS vecmark.merge_result
AS 'MODULE_PATHNAME', 'vecmark_merge'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

CREATE FUNCTION vecmark.merge_all(d vecmark.delta[], mode text DEFAULT 'strict') RETURNS vecmark.merge_result
AS 'MODULE_PATHNAME', 'vecmark_merge_all'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.merge(vecmark.delta, text) IS
	'joins a delta with what is here; any order, any number of times; a gap changes nothing and is raised (VM001) in mode strict, returned in mode report; so is a clock too far ahead (VM002); what vecmark.fetch() made takes mode repair';
COMMENT ON FUNCTION vecmark.merge_all(vecmark.delta[], text) IS
	'joins deltas one after the other, until one does not fit';

CREATE FUNCTION vecmark.restamp(ahead interval DEFAULT '1 minute') RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_restamp'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vecmark.restamp(interval) IS
	'after the clock of this database was ahead: what was written or deleted at times that are yet to come, by more than so long, is told anew with the present time, and how many rows that is; what others wrote to these rows and is not here gives way';

CREATE FUNCTION vecmark.retry_parked() RETURNS vecmark.merge_result
AS 'MODULE_PATHNAME', 'vecmark_retry_parked'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.retry_parked() IS
	'tries to show parked rows once more, after what stood in their way was mended';

CREATE FUNCTION vecmark.merging() RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_merging'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1;

COMMENT ON FUNCTION vecmark.merging() IS
	'for triggers: whether the row at hand is written by a merge';

CREATE FUNCTION vecmark.ack(site text, version vecmark.version_vector) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_ack'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

COMMENT ON FUNCTION vecmark.ack(text, vecmark.version_vector) IS
	'records that a site holds a version; what all peers hold may be forgotten; deltas that are merged say so of their sender';

CREATE FUNCTION vecmark.retire(site text) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_retire'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

COMMENT ON FUNCTION vecmark.retire(text) IS
	'a site that will not come back: forgetting does not wait for it, and its deltas are refused (VM003)';

CREATE FUNCTION vecmark.stable() RETURNS vecmark.version_vector
AS 'MODULE_PATHNAME', 'vecmark_stable'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100;

COMMENT ON FUNCTION vecmark.stable() IS
	'what all peers hold as far as is known here; null without peers, or while one of them holds something that is not here';

CREATE FUNCTION vecmark.forget(most bigint DEFAULT 100000) RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_forget'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.forget(bigint) IS
	'deletes rows of the log and tombstones that all peers know of, at most so many; how many it were';

CREATE FUNCTION vecmark.wait_for(version vecmark.version_vector, timeout interval DEFAULT '10 seconds') RETURNS boolean
AS 'MODULE_PATHNAME', 'vecmark_wait_for'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark.wait_for(vecmark.version_vector, interval) IS
	'waits until this database holds a version, so that what was written elsewhere can be read here; false when the time is up';

CREATE FUNCTION vecmark_internal.register_outbox(rel regclass) RETURNS void
AS 'MODULE_PATHNAME', 'vecmark_register_outbox'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100;

CREATE FUNCTION vecmark_internal.merge_outbox() RETURNS trigger
AS 'MODULE_PATHNAME', 'vecmark_merge_outbox'
LANGUAGE C VOLATILE COST 10000;

COMMENT ON FUNCTION vecmark_internal.register_outbox(regclass) IS 'puts an outbox on record; for vecmark.create_outbox()';
COMMENT ON FUNCTION vecmark_internal.merge_outbox() IS 'trigger of outboxes: merges what logical replication brings, and stores nothing';

CREATE FUNCTION vecmark_internal.outbox_create(path name, name text) RETURNS regclass
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parts constant text[] := parse_ident(name);
	schema constant name := CASE array_length(parts, 1) WHEN 1 THEN path WHEN 2 THEN parts[1] END;
	relname constant name := parts[array_length(parts, 1)];
	rel regclass;
BEGIN
	IF schema IS NULL THEN
		RAISE EXCEPTION 'no schema to make outbox "%" in', name USING ERRCODE = 'invalid_schema_name';
	-- what they wrote before the outbox was there would never come through it
	ELSIF EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database()) THEN
		RAISE EXCEPTION 'there are prepared transactions'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Commit them or roll them back first.';
	END IF;
	EXECUTE format('CREATE TABLE %I.%I (delta vecmark.delta NOT NULL)', schema, relname);
	rel := format('%I.%I', schema, relname)::regclass;
	EXECUTE format('COMMENT ON TABLE %s IS %L', rel, 'changes of tracked tables on their way to subscribers; always empty');
	EXECUTE format('CREATE TRIGGER vecmark_merge BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION vecmark_internal.merge_outbox()', rel);
	EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER vecmark_merge', rel);
	EXECUTE format('CREATE PUBLICATION %I FOR TABLE %s WITH (publish = ''insert'')', relname, rel);
	PERFORM vecmark_internal.register_outbox(rel);
	RETURN rel;
END;
$$;

COMMENT ON FUNCTION vecmark_internal.outbox_create(name, text) IS
	'makes an outbox in a schema unless its name has one; for vecmark.create_outbox()';

CREATE FUNCTION vecmark.create_outbox(name text) RETURNS regclass
LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 1000
BEGIN ATOMIC
	SELECT vecmark_internal.outbox_create(current_schema, name);
END;

COMMENT ON FUNCTION vecmark.create_outbox(text) IS
	'makes a table and a publication of its name that carry the changes of each transaction; make the same on the subscriber, which merges what arrives; then pull once, so that what was before is there too; the name is as in CREATE TABLE';

CREATE FUNCTION vecmark.events(since vecmark.version_vector DEFAULT '{}', most bigint DEFAULT 10000,
	OUT site text, OUT txn bigint, OUT rel regclass, OUT key text[], OUT deleted boolean, OUT version vecmark.version_vector)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_events'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 10000 ROWS 1000;

COMMENT ON FUNCTION vecmark.events(vecmark.version_vector, bigint) IS
	'which rows were written by transactions that "since" lacks: site, transaction, table, key, whether the row is gone now, and the "since" to go on with after it; about so many, transactions whole; tables that the caller may not read are left out';

CREATE FUNCTION vecmark.sync_check(rel regclass, OUT invariant integer, OUT key bytea, OUT fault text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_sync_check'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100000 ROWS 1;

COMMENT ON FUNCTION vecmark.sync_check(regclass) IS
	'faults of a tracked table against the invariants of src/sync/README, by their numbers; none if it is sound';

CREATE FUNCTION vecmark_internal.tidy() RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_tidy'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

CREATE FUNCTION vecmark.erase(rel regclass, key bytea) RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_erase'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

CREATE FUNCTION vecmark.start_over() RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_start_over'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 10000;

COMMENT ON FUNCTION vecmark_internal.tidy() IS
	'deletes what vecmark kept of tables that were dropped, and batches, conflicts and quarantined deltas older than 30 days; how many rows';
COMMENT ON FUNCTION vecmark.erase(regclass, bytea) IS
	'deletes what vecmark keeps beside a table of the values of a row: parked states and values that lost; key as vecmark.parked and vecmark.conflicts show it; delete the row first, on any node, and call this on each';
COMMENT ON FUNCTION vecmark.start_over() IS
	'for a database that was retired elsewhere, when nothing is tracked in it: forgets what it knew of others and begins a new life; returns its site';

CREATE FUNCTION vecmark_internal.may_administer() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE COST 10
BEGIN ATOMIC
	SELECT pg_catalog.pg_has_role(e.extowner, 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')
	FROM pg_catalog.pg_extension AS e CROSS JOIN pg_catalog.pg_database AS d
	WHERE e.extname = 'vecmark' AND d.datname = pg_catalog.current_database();
END;

COMMENT ON FUNCTION vecmark_internal.may_administer() IS 'whether the caller has the rights of who owns the database, or the extension';

CREATE FUNCTION vecmark_internal.may_see(rel regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE COST 10
BEGIN ATOMIC
	SELECT pg_catalog.has_table_privilege(rel, 'SELECT') AND NOT pg_catalog.row_security_active(rel);
END;

COMMENT ON FUNCTION vecmark_internal.may_see(regclass) IS 'whether the caller may read all columns and rows of a table; null for one that is gone';

CREATE VIEW vecmark.tracked AS
SELECT t.rel, t.name, t.notify, t.floor,
	(SELECT pg_catalog.array_agg(c.name ORDER BY c.attnum) FROM vecmark_internal.sync_column AS c WHERE c.rel = t.rel AND c.kind = 'c') AS counters,
	(SELECT pg_catalog.array_agg(c.name ORDER BY c.attnum) FROM vecmark_internal.sync_column AS c WHERE c.rel = t.rel AND c.kind = 's') AS sets,
	(SELECT pg_catalog.array_agg(c.name ORDER BY c.attnum) FROM vecmark_internal.sync_column AS c WHERE c.rel = t.rel AND c.kind = 'l') AS local
FROM vecmark_internal.sync_table AS t
WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS k WHERE k.oid = t.rel);

CREATE VIEW vecmark.parked WITH (security_barrier) AS
SELECT p.name, p.key, p.sqlstate, p.reason, p.since, p.tries, p.state
FROM vecmark_internal.sync_parked AS p LEFT JOIN vecmark_internal.sync_table AS t ON t.name = p.name
WHERE coalesce(vecmark_internal.may_see(t.rel), vecmark_internal.may_administer());

CREATE VIEW vecmark.conflicts WITH (security_barrier) AS
SELECT c.at, c.name, c.key, c.col AS "column", pg_catalog.lpad(pg_catalog.to_hex(c.winner), 16, '0') AS winner,
	pg_catalog.lpad(pg_catalog.to_hex(c.loser), 16, '0') AS loser, c.lost, c.is_binary
FROM vecmark_internal.sync_conflict AS c JOIN vecmark_internal.sync_table AS t ON t.name = c.name
WHERE vecmark_internal.may_see(t.rel);

CREATE VIEW vecmark.quarantine AS
SELECT pg_catalog.lpad(pg_catalog.to_hex(q.sender), 16, '0') AS sender, q.at, q.ahead_ms, pg_catalog.octet_length(q.delta::text) / 2 AS bytes
FROM vecmark_internal.sync_quarantine AS q;

CREATE VIEW vecmark.peers AS
SELECT pg_catalog.lpad(pg_catalog.to_hex(p.site), 16, '0') AS site, p.holds, p.seen, p.retired
FROM vecmark_internal.sync_peer AS p;

CREATE VIEW vecmark.streams AS
SELECT pg_catalog.lpad(pg_catalog.to_hex(s.site), 16, '0') AS site, s.origin, s.whole
FROM vecmark_internal.sync_stream AS s;

CREATE VIEW vecmark.gaps AS
SELECT pg_catalog.lpad(pg_catalog.to_hex(p.site), 16, '0') AS site, h.missing
FROM vecmark_internal.sync_peer AS p CROSS JOIN LATERAL (SELECT p.holds OPERATOR(vecmark.-) vecmark.version() AS missing) AS h
WHERE h.missing OPERATOR(vecmark.<>) '{}'::vecmark.version_vector AND NOT p.retired;

CREATE VIEW vecmark_internal.sync_health AS
SELECT 'log' AS part, c.reltuples < 1000000 AS ok,
	pg_catalog.format('about %s transactions are in the log; CALL vecmark.maintain() when all peers have pulled', greatest(c.reltuples, 0)::bigint) AS detail
FROM pg_catalog.pg_class AS c WHERE c.oid = 'vecmark_internal.sync_log'::regclass
UNION ALL
SELECT 'parked', count(*) = 0, pg_catalog.format('%s merged rows cannot be shown: vecmark.parked says why', count(*)) FROM vecmark_internal.sync_parked
UNION ALL
SELECT 'quarantine', count(*) = 0, pg_catalog.format('%s deltas have a clock too far ahead', count(*)) FROM vecmark_internal.sync_quarantine
UNION ALL
SELECT 'streams', count(*) = 0, pg_catalog.format('%s streams lack something that was written before them, or was refused: pull from their sites', count(*))
FROM vecmark_internal.sync_stream WHERE NOT whole
UNION ALL
SELECT 'peers', count(*) = 0, pg_catalog.format('%s peers have not said for a week what they hold, which forgetting waits for: exchange with them, or vecmark.retire()', count(*))
FROM vecmark_internal.sync_peer WHERE NOT retired AND seen < pg_catalog.now() - interval '7 days'
UNION ALL
SELECT 'tables', count(*) = 0, pg_catalog.format('%s faults of tracked tables%s', count(*), pg_catalog.string_agg('; ' || f.fault, '' ORDER BY f.fault COLLATE "C"))
FROM vecmark.tracked AS t CROSS JOIN LATERAL vecmark_internal.table_faults(t.rel) AS f(fault)
UNION ALL
SELECT 'lacking', count(*) = 0, pg_catalog.format('%s tables may lack rows that peers hold, as they were made again, tracked again, or altered: pull from all peers, and vecmark.retire() who will not come back%s',
	count(*), pg_catalog.string_agg('; ' || t.name, '' ORDER BY t.name))
FROM vecmark.tracked AS t JOIN vecmark_internal.sync_lack AS l ON l.id = vecmark_internal.table_id(t.name) AND l.dots OPERATOR(vecmark.<>) '{}'::vecmark.version_vector;

COMMENT ON VIEW vecmark.streams IS 'streams of logical replication: from which site, by which subscription, whether all before them is here';
COMMENT ON VIEW vecmark.gaps IS 'what peers have said that they hold and is not here yet';
COMMENT ON VIEW vecmark_internal.sync_health IS 'what vecmark.health says of replication';
COMMENT ON VIEW vecmark.tracked IS 'tracked tables: published name, whether commits notify, what is not in the log, columns by policy';
COMMENT ON VIEW vecmark.parked IS 'merged rows that cannot be shown, with the reason, of tables that the caller may read whole; of names that no table has, for who owns the database';
COMMENT ON VIEW vecmark.conflicts IS 'values that lost against a concurrent write, of tables that the caller may read whole; lost is its canonical text, or its binary form';
COMMENT ON VIEW vecmark.quarantine IS 'deltas whose clock was too far ahead: from whom, when, by how many milliseconds';
COMMENT ON VIEW vecmark.peers IS 'other sites: what they have said that they hold, when, and whether they are retired';

GRANT SELECT ON vecmark.streams, vecmark.gaps, vecmark_internal.sync_health, vecmark.tracked, vecmark.parked, vecmark.conflicts, vecmark.quarantine, vecmark.peers TO PUBLIC;
