-- closed_path.sql: what follows names schemas, so that nothing that users make
-- can take the place of what is meant, neither now nor when a function runs.

SET LOCAL search_path = pg_catalog, pg_temp;
