-- Rules that every object of the extension keeps; each query shows what breaks one.
CREATE TEMPORARY VIEW members AS
	SELECT classid, objid FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vecmark');
CREATE TEMPORARY VIEW functions AS
	SELECT p.* FROM pg_proc AS p JOIN members AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TEMPORARY VIEW schemas AS
	SELECT objid::regnamespace AS own FROM members WHERE classid = 'pg_namespace'::regclass;

-- without a comment
SELECT pg_describe_object(classid, objid, 0) FROM members
WHERE classid NOT IN ('pg_cast'::regclass, 'pg_opfamily'::regclass) AND obj_description(objid, classid::regclass::name) IS NULL
	AND NOT (classid = 'pg_type'::regclass AND (SELECT typelem <> 0 OR typtype = 'c' FROM pg_type WHERE oid = objid));
-- no function runs with the rights of its owner
SELECT oid::regprocedure FROM functions WHERE prosecdef;
-- PL/pgSQL that looks names up where users can make things; one does, for the user's own embedder
SELECT oid::regprocedure FROM functions
WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql') AND prokind = 'f'
	AND 'search_path=pg_catalog, pg_temp' <> ALL (coalesce(proconfig, '{}'));
-- exception blocks, which parallel workers and their leaders cannot run
SELECT oid::regprocedure FROM functions WHERE prosrc ~ 'EXCEPTION[[:space:]]+WHEN' AND proparallel <> 'u';
-- backslashes, whose meaning in a literal depends on a setting
SELECT oid::regprocedure FROM functions WHERE prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c') AND position(chr(92) IN prosrc) > 0;
-- SQL functions whose names are not bound when they are made
SELECT oid::regprocedure FROM functions
WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql') AND prosqlbody IS NULL;
-- immutable functions that are not parallel safe
SELECT oid::regprocedure FROM functions WHERE provolatile = 'i' AND proparallel <> 's';
-- names used twice in vecmark's schemas, which HTTP gateways cannot tell apart
SELECT proname FROM functions WHERE pronamespace IN (SELECT own FROM schemas) GROUP BY proname HAVING count(*) > 1;
-- variadic functions in vecmark's schemas; unnamed arguments, but those of types and operators
SELECT oid::regprocedure FROM functions AS f WHERE pronamespace IN (SELECT own FROM schemas)
	AND (provariadic <> 0 OR (pronargs > 0 AND proargnames IS NULL))
	AND NOT EXISTS (SELECT FROM pg_type AS t WHERE f.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
	AND NOT EXISTS (SELECT FROM pg_operator AS o WHERE o.oprcode = f.oid);
-- tables, which would belong to the extension and not to the user, but the state of sync, merkle and peer
SELECT c.oid::regclass FROM pg_class AS c JOIN members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relkind <> 'v' AND (c.relnamespace <> 'vecmark_internal'::regnamespace
	OR (c.relname NOT LIKE 'sync~_%' ESCAPE '~' AND c.relname NOT LIKE 'merkle~_%' ESCAPE '~' AND c.relname NOT LIKE 'peer~_%' ESCAPE '~'));
-- its schemas, and what users call and read: all that is in the first.  What is added here is in README.md too (test/t/004_readme.pl);
-- what is not for users goes into vecmark_internal.
SELECT own FROM schemas ORDER BY own::text COLLATE "C";
SELECT proname FROM functions WHERE pronamespace = 'vecmark'::regnamespace ORDER BY proname COLLATE "C";
SELECT relname FROM pg_class WHERE relnamespace = 'vecmark'::regnamespace AND relkind NOT IN ('c', 'i') ORDER BY relname COLLATE "C";
SELECT typname FROM pg_type WHERE typnamespace = 'vecmark'::regnamespace AND typelem = 0
	AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = typrelid AND c.relkind <> 'c') ORDER BY typname COLLATE "C";
-- functions of types, operators, casts and triggers, which nobody calls by name, in schema vecmark
SELECT f.oid::regprocedure FROM functions AS f
WHERE f.pronamespace = 'vecmark'::regnamespace AND (f.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
	OR EXISTS (SELECT FROM pg_type AS t WHERE f.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout))
	OR EXISTS (SELECT FROM pg_operator AS o WHERE o.oprcode = f.oid)
	OR EXISTS (SELECT FROM pg_cast AS k WHERE k.castfunc = f.oid));
-- columns of types whose values pg_upgrade does not keep, so that it refuses the cluster
SELECT a.attrelid::regclass, a.attname, a.atttypid::regtype
FROM pg_attribute AS a JOIN members AS m ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid
	JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'm', 'i') AND a.attnum > 0 AND NOT a.attisdropped
	AND coalesce(nullif(t.typbasetype, 0), nullif(t.typelem, 0), t.oid) IN (
		'regcollation'::regtype, 'regconfig'::regtype, 'regdictionary'::regtype, 'regnamespace'::regtype, 'regoper'::regtype,
		'regoperator'::regtype, 'regproc'::regtype, 'regprocedure'::regtype, 'aclitem'::regtype, 'line'::regtype, 'unknown'::regtype);
-- what may be written by everybody: a trigger checks what is restored
SELECT pg_describe_object(classid, objid, 0) FROM members
WHERE (classid = 'pg_namespace'::regclass AND has_schema_privilege('public', objid, 'CREATE'))
	OR (classid = 'pg_class'::regclass AND has_table_privilege('public', objid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'));
-- what may be read by everybody
SELECT c.oid::regclass FROM pg_class AS c JOIN members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE has_table_privilege('public', c.oid, 'SELECT') ORDER BY c.oid::regclass::text COLLATE "C";
-- what is not for everybody to call
SELECT oid::regprocedure FROM functions WHERE NOT has_function_privilege('public', oid, 'EXECUTE') ORDER BY oid::regprocedure::text COLLATE "C";
-- commutators and negators come in pairs
SELECT o.oid::regoperator FROM pg_operator AS o JOIN members AS m ON m.classid = 'pg_operator'::regclass AND m.objid = o.oid
	LEFT JOIN pg_operator AS c ON c.oid = o.oprcom LEFT JOIN pg_operator AS n ON n.oid = o.oprnegate
WHERE c.oprcom <> o.oid OR n.oprnegate <> o.oid;
-- operator classes that their access method finds fault with
SELECT opcname FROM pg_opclass AS o JOIN members AS m ON m.classid = 'pg_opclass'::regclass AND m.objid = o.oid WHERE NOT amvalidate(o.oid);
