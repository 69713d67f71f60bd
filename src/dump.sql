-- dump.sql: the extension's state as pg_dump takes it and pg_restore gives it back, of all rooms.

-- Nobody has rights on the tables of this extension, but everybody who may dump a database has
-- to read what pg_dump reads.  So pg_dump is given one table that is always empty, and a condition by
-- which it finds the lines of a function in its place: of these everybody sees what he may
-- see anyway.  What is restored into the table goes through a trigger that checks who puts what on record.
CREATE TABLE vecmark_internal.sync_dump (
	part text NOT NULL,
	line json NOT NULL
);

COMMENT ON TABLE vecmark_internal.sync_dump IS 'what pg_dump takes of the extension''s state, and where pg_restore puts it; always empty';

CREATE FUNCTION vecmark_internal.dumped_lines(OUT part text, OUT line json) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'vecmark_dumped_lines'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100000 ROWS 1000;

COMMENT ON FUNCTION vecmark_internal.dumped_lines() IS 'the extension''s state as far as the caller may see it, for pg_dump';

CREATE FUNCTION vecmark_internal.restore_line() RETURNS trigger
AS 'MODULE_PATHNAME', 'vecmark_restore_line'
LANGUAGE C VOLATILE COST 100;

COMMENT ON FUNCTION vecmark_internal.restore_line() IS
	'trigger of the table that dumps are restored into: puts a line where it belongs, if the caller owns the table it speaks of, or else the database or the extension';

CREATE TRIGGER restore_line BEFORE INSERT ON vecmark_internal.sync_dump FOR EACH ROW EXECUTE FUNCTION vecmark_internal.restore_line();
ALTER TABLE vecmark_internal.sync_dump ENABLE ALWAYS TRIGGER restore_line;

GRANT SELECT, INSERT ON vecmark_internal.sync_dump TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('vecmark_internal.sync_dump', 'WHERE false UNION ALL SELECT d.part, d.line FROM vecmark_internal.dumped_lines() AS d');
