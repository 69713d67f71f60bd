-- upkeep.sql: what is to be done now and then, and what needs attention, of all rooms.

CREATE PROCEDURE vecmark.maintain(budget interval DEFAULT '10 seconds')
LANGUAGE plpgsql
AS $$
DECLARE
	finish constant timestamptz := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) budget;
	forgotten bigint;
	tracked record;
	digest record;
BEGIN
	PERFORM vecmark_internal.tidy();
	COMMIT;
	PERFORM vecmark.retry_parked();
	COMMIT;
	FOR tracked IN SELECT t.rel FROM vecmark.tracked AS t WHERE EXISTS (SELECT FROM vecmark_internal.table_faults(t.rel)) LOOP
		BEGIN
			PERFORM vecmark.mend(tracked.rel);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING 'table "%" was left as it is: %', tracked.rel, SQLERRM;
		END;
		COMMIT;
	END LOOP;
	LOOP
		forgotten := vecmark.forget(10000);
		COMMIT;
		EXIT WHEN forgotten OPERATOR(pg_catalog.=) 0 OR pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) finish;
	END LOOP;
	PERFORM vecmark_internal.tidy_digests();
	COMMIT;
	FOR digest IN SELECT d.rel FROM vecmark.digests AS d LOOP
		BEGIN
			PERFORM vecmark_internal.keep_digest(digest.rel);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING 'digest of table "%" was left as it is: %', digest.rel, SQLERRM;
		END;
		COMMIT;
	END LOOP;
END;
$$;

COMMENT ON PROCEDURE vecmark.maintain(interval) IS
	'what is to be done now and then: tidies, mends tables, tries parked rows once more, forgets what all peers know for about the budget, folds digests; commits in between';

CREATE VIEW vecmark.health AS
SELECT h.part, h.ok, h.detail FROM vecmark_internal.sync_health AS h
UNION ALL
SELECT h.part, h.ok, h.detail FROM vecmark_internal.merkle_health AS h
UNION ALL
SELECT h.part, h.ok, h.detail FROM vecmark_internal.peer_health AS h;

COMMENT ON VIEW vecmark.health IS 'what needs somebody''s attention, and what to do';

GRANT SELECT ON vecmark.health TO PUBLIC;
