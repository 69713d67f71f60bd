# 040_hostile.pl: a role with little rights gains none, by whatever it leaves for others to run, and who may see nothing sees nothing,
# whatever of the catalogue he calls.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;

sub as
{
	my ($role, $database, $sql) = @_;
	return $node->safe_psql($database, $sql, extra_params => [ '-U', $role ]);
}

sub error_of
{
	my ($role, $database, $sql) = @_;
	my (undef, undef, $err) = $node->psql($database, "\\set VERBOSITY sqlstate\n$sql", extra_params => [ '-U', $role ]);
	return $err =~ /ERROR:  (\w{5})/ ? $1 : 'none';
}

# ---- code that a role leaves in its tables for others to run

$node->safe_psql('postgres', q{
	CREATE ROLE staff; CREATE ROLE mallory LOGIN; CREATE ROLE member LOGIN IN ROLE staff; CREATE ROLE dbo LOGIN; CREATE ROLE app LOGIN;
	CREATE DATABASE a; CREATE DATABASE b; ALTER DATABASE b OWNER TO dbo});

# What each of them tries whenever any code of his runs: to become more than he is, to leave something for who runs it to run later, and to
# keep a note of who that was.
my $loot = q{
	CREATE TABLE %1$s.loot (who text, via text, got text);
	GRANT ALL ON %1$s.loot TO PUBLIC;
	CREATE FUNCTION %1$s.act(via text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		attempt text;
	BEGIN
		FOREACH attempt IN ARRAY ARRAY['ALTER ROLE %2$s SUPERUSER', 'GRANT staff TO %2$s', 'SET LOCAL ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT',
			CASE WHEN via = 'check' THEN 'SET CONSTRAINTS ALL DEFERRED' ELSE 'SELECT' END, 'CREATE TEMP TABLE vecmark_import (x int)', 'GRANT ALL ON public.treasure TO %2$s', 'SELECT 1 FROM public.treasure',
			'SET LOCAL search_path = %1$s'] LOOP
			BEGIN
				EXECUTE attempt;
				INSERT INTO %1$s.loot VALUES (current_user, via, attempt);
			EXCEPTION WHEN OTHERS THEN
				INSERT INTO %1$s.loot VALUES (current_user, via, NULL);
			END;
		END LOOP;
		-- a cursor that is kept runs what is in it at the end of the transaction
		IF via <> 'kept' THEN
			BEGIN
				EXECUTE format('DECLARE kept%%s CURSOR WITH HOLD FOR SELECT %1$s.act(''kept'')', (random() * 1e9)::int);
			EXCEPTION WHEN OTHERS THEN
			END;
		END IF;
	END $$;
	CREATE FUNCTION %1$s.yes(via text, x text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM %1$s.act(via); RETURN true; EXCEPTION WHEN read_only_sql_transaction THEN RETURN true; END';
	CREATE FUNCTION %1$s.text(via text, x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM %1$s.act(via); RETURN x; END';
	CREATE FUNCTION %1$s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.act(tg_name); RETURN coalesce(new, old); END'};
my $tables = q{
	CREATE TABLE %1$s.plain (id int PRIMARY KEY, v text);
	CREATE TABLE %1$s.rich (id text PRIMARY KEY, v text);
	CREATE TABLE %1$s.forced (id int PRIMARY KEY, v text);
	CREATE TABLE %1$s.ruled (id int PRIMARY KEY, v text);
	CREATE TABLE %1$s.parted (id int PRIMARY KEY, v text)};
my $traps = q{
	CREATE DOMAIN %1$s.odd AS text CHECK (%1$s.yes('domain', VALUE));
	CREATE TABLE %1$s.plain (id int PRIMARY KEY, v text);
	CREATE TRIGGER before BEFORE INSERT OR UPDATE OR DELETE ON %1$s.plain FOR EACH ROW EXECUTE FUNCTION %1$s.fire();
	CREATE TRIGGER after AFTER INSERT OR UPDATE OR DELETE ON %1$s.plain FOR EACH ROW EXECUTE FUNCTION %1$s.fire();
	CREATE TRIGGER statement AFTER INSERT OR UPDATE OR DELETE ON %1$s.plain FOR EACH STATEMENT EXECUTE FUNCTION %1$s.fire();
	CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE OR DELETE ON %1$s.plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION %1$s.fire();
	CREATE TRIGGER always AFTER INSERT OR UPDATE OR DELETE ON %1$s.plain FOR EACH ROW EXECUTE FUNCTION %1$s.fire();
	ALTER TABLE %1$s.plain ENABLE ALWAYS TRIGGER always;
	CREATE TABLE %1$s.rich (id %1$s.odd PRIMARY KEY, v %1$s.odd, d text DEFAULT %1$s.text('default', 'x'), g text GENERATED ALWAYS AS (%1$s.text('generated', 'x')) STORED,
		CHECK (%1$s.yes('check', v)));
	CREATE INDEX ON %1$s.rich ((%1$s.text('index', 'x'))) WHERE %1$s.yes('predicate', 'x');
	CREATE TABLE %1$s.forced (id int PRIMARY KEY, v text);
	CREATE POLICY p ON %1$s.forced USING (%1$s.yes('policy', v)) WITH CHECK (%1$s.yes('policy', v));
	ALTER TABLE %1$s.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE TABLE %1$s.ruled (id int PRIMARY KEY, v text);
	CREATE RULE r AS ON DELETE TO %1$s.ruled DO ALSO SELECT %1$s.act('rule');
	CREATE TABLE %1$s.parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE %1$s.part PARTITION OF %1$s.parted FOR VALUES FROM (0) TO (1000);
	CREATE TRIGGER part AFTER INSERT OR UPDATE OR DELETE ON %1$s.part FOR EACH ROW EXECUTE FUNCTION %1$s.fire();
	CREATE FUNCTION %1$s.embedder(t text, n int) RETURNS vector LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN CASE WHEN %1$s.text(''embedder'', t) IS NOT NULL THEN array_fill(1, ARRAY[n])::vector END; END';
	SELECT vecmark.create_bookmarks('%1$s.marks', 4, embedder => '%1$s.embedder');
	CREATE TYPE %1$s.fake AS (x int);
	CREATE FUNCTION %1$s.of_fake(%1$s.fake) RETURNS vector LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.act(''cast''); RETURN ''[1,1,1,1]''; END';
	CREATE CAST (%1$s.fake AS vector) WITH FUNCTION %1$s.of_fake AS IMPLICIT;
	CREATE TABLE %1$s.fakes (id uuid, url text, url_key text, url_hash bigint, title text, description text, tags text[], content text, metadata jsonb, embedding %1$s.fake,
		fts tsvector, access_count bigint, accessed_at timestamptz, created_at timestamptz, updated_at timestamptz);
	INSERT INTO %1$s.fakes (id, url, tags, metadata, embedding, created_at) VALUES (gen_random_uuid(), 'u', '{}', '{}', ROW(1), now());
	CREATE TRIGGER t BEFORE INSERT ON %1$s.fakes FOR EACH ROW EXECUTE FUNCTION vecmark_internal.bookmark_derive('{"config": "pg_catalog.simple", "dimensions": 4}');
	CREATE VIEW %1$s.viewed AS SELECT * FROM %1$s.marks WHERE %1$s.yes('view', url);
	CREATE TRIGGER t INSTEAD OF INSERT ON %1$s.viewed FOR EACH ROW EXECUTE FUNCTION vecmark_internal.bookmark_derive('{"config": "pg_catalog.simple", "dimensions": 4}')};
my $track = q{SELECT vecmark.track('%1$s.' || t, CASE t WHEN 'rich' THEN '{"local": ["d"]}' ELSE '{}' END::jsonb) FROM unnest(ARRAY['plain', 'rich', 'forced', 'ruled', 'parted']) AS t};

my %roles = (m => 'mallory', g => 'member', d => 'dbo');
for my $database ('a', 'b')
{
	$node->safe_psql($database, q{CREATE EXTENSION vecmark; CREATE TABLE notes (id int PRIMARY KEY, v text); SELECT vecmark.track('notes'); GRANT ALL ON notes TO app;
		CREATE TABLE treasure (x text); CREATE SCHEMA m AUTHORIZATION mallory; CREATE SCHEMA g AUTHORIZATION staff; CREATE SCHEMA d AUTHORIZATION dbo});
	for my $schema (sort keys %roles)
	{
		as($roles{$schema}, $database, sprintf($loot, $schema, $roles{$schema})) if $database eq 'b';
		as($roles{$schema}, $database, sprintf($database eq 'a' ? $tables : $traps, $schema));
		(my $sql = $track) =~ s/'local'/local/;
		$sql = sprintf($sql, $schema);
		$sql =~ s/\{"local": \["d"\]\}/{}/ if $database eq 'a';
		as($roles{$schema}, $database, $sql);
		as($roles{$schema}, $database, "INSERT INTO $schema.marks (url, title, embedding) VALUES ('http://x.example', 'word', '[1,1,1,1]')") if $database eq 'b';
	}
}
$node->safe_psql('b', 'DELETE FROM ' . $_ . '.loot') for sort keys %roles;

my $state = q{
	SELECT rolname, rolsuper, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1;
	SELECT roleid::regrole, member::regrole FROM pg_auth_members ORDER BY 1, 2;
	SELECT relacl, relowner::regrole FROM pg_class WHERE oid = 'treasure'::regclass};
my $before = $node->safe_psql('b', $state);
my $actions = 0;

# Whatever was done, nobody became more and nobody's code ran as who did it.
sub nothing_gained
{
	my ($what) = @_;
	$actions++;
	is($node->safe_psql('b', $state), $before, "$what: roles and rights are what they were");
	is($node->safe_psql('b', join(' UNION ALL ', map { "SELECT '$_ as ' || who || ' via ' || via || coalesce(': ' || got, '') FROM $_.loot WHERE who NOT IN ('$roles{$_}', 'staff') OR got ~ 'SUPERUSER|GRANT|treasure|ROLE postgres'" } sort keys %roles) . ' LIMIT 5'),
		'', "$what: their code ran as themselves");
}

sub write_on_a
{
	my ($n) = @_;
	for my $schema (sort keys %roles)
	{
		as('postgres', 'a', "INSERT INTO $schema.$_ VALUES ($n, 'x$n'), ($n + 1, 'y'); UPDATE $schema.$_ SET v = 'z'; DELETE FROM $schema.$_ WHERE id = '@{[$n - 10]}'") for qw(plain rich forced ruled parted);
	}
	as('postgres', 'a', "INSERT INTO notes VALUES ($n, 'n')");
}

sub deltas_of_a
{
	my $since = $node->safe_psql('b', 'SELECT vecmark.version()');
	return $node->safe_psql('a', "SELECT array_agg(d) FROM vecmark.changes('$since') AS d");
}

write_on_a(10);
my $result = $node->safe_psql('b', "SELECT status, applied > 0 FROM vecmark.merge_all('" . deltas_of_a() . "')");
is($result, 'merged|t', 'a superuser merges');
nothing_gained('merge');
write_on_a(20);
$node->safe_psql('b', "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO notes VALUES (-1, 'own'); SELECT vecmark.merge_all('" . deltas_of_a() . "'); COMMIT");
nothing_gained('merge in a transaction of his');
isnt($node->safe_psql('b', "SELECT string_agg(DISTINCT via, ' ') FROM m.loot"), '', 'their code did run');
is($node->safe_psql('b', "SELECT string_agg(DISTINCT via, ' ' ORDER BY via) FROM d.loot"), 'after always before check default domain generated index late part predicate rule statement', 'all of it, but policies');

$node->safe_psql('b', $_), nothing_gained($_) for 'SELECT vecmark.retry_parked()', 'CALL vecmark.maintain()', 'SELECT count(*) FROM vecmark.changes()', 'SELECT count(*) FROM vecmark.events()',
	'SELECT vecmark.build_digest(rel) FROM vecmark.tracked', 'SELECT vecmark.root(rel), (SELECT count(*) FROM vecmark.audit(rel)) FROM vecmark.tracked',
	'SELECT count(*) FROM vecmark.tracked AS t, vecmark.sync_check(t.rel)', 'SELECT count(*) FROM vecmark.health', 'VACUUM ANALYZE',
	(map { "SELECT count(*) FROM vecmark.search('$_.marks', 'word')" } sort keys %roles), "SELECT vecmark.untrack('m.plain'); SELECT vecmark.track('m.plain')";
for my $fake (map { ("$_.fakes", "$_.viewed") } sort keys %roles)
{
	is(error_of('postgres', 'b', "SELECT * FROM vecmark.search('$fake', 'word')"), '42809', "$fake is no bookmarks table");
}
nothing_gained('search in what looks like one');
is($node->safe_psql('b', "SELECT count(*) FROM m.loot WHERE via = 'embedder'") > 0, 1, 'the embedder of a table ran');

# by logical replication, nobody calling anything
my $connection = 'host=' . $node->host . ' port=' . $node->port . ' user=postgres dbname=a';
$node->safe_psql('a', "SELECT vecmark.create_outbox('outbox'); SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
$node->safe_psql('b', "SELECT vecmark.create_outbox('outbox'); CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION outbox WITH (create_slot = false, slot_name = 's', copy_data = false)");
write_on_a(40);
ok($node->poll_query_until('b', "SELECT count(*) = 1 FROM notes WHERE id = 40"), 'a subscription brings rows');
nothing_gained('subscription');
$node->safe_psql('b', 'ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s');
$node->safe_psql('a', "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active");
ok($node->poll_query_until('a', "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 's'"), 'it is over');
$node->safe_psql('a', "SELECT pg_drop_replication_slot('s'); DROP TABLE outbox; SELECT vecmark_internal.tidy()");
$node->safe_psql('b', 'DROP TABLE outbox; SELECT vecmark_internal.tidy()');

SKIP:
{
	skip 'extension dblink is not installed', 1 unless $node->safe_psql('b', "SELECT count(*) FROM pg_available_extensions WHERE name = 'dblink'");
	$node->safe_psql('b', "CREATE EXTENSION dblink; CREATE SERVER a FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '" . $node->host . "', port '" . $node->port . "', dbname 'a');
		CREATE USER MAPPING FOR postgres SERVER a OPTIONS (user 'postgres'); SELECT vecmark.add_peer('a', 'a')");
	write_on_a(50);
	$node->safe_psql('a', 'SELECT vecmark.build_digest(rel) FROM vecmark.tracked');
	$node->safe_psql('b', "CALL vecmark.sync('a', repair => 'pull')");
	is($node->safe_psql('b', 'SELECT count(*) FROM notes WHERE id = 50'), 1, 'sync');
	nothing_gained('sync');
}
cmp_ok($actions, '>=', 15, 'all of that was done');

# ---- one owner does not stop the others

$node->safe_psql('postgres', 'CREATE DATABASE c');
$node->safe_psql('c', q{CREATE EXTENSION vecmark; CREATE TABLE notes (id int PRIMARY KEY, v text); SELECT vecmark.track('notes'); GRANT ALL ON notes TO app; CREATE SCHEMA m AUTHORIZATION mallory});
as('mallory', 'c', q{CREATE TABLE m.plain (id int PRIMARY KEY, v text); SELECT vecmark.track('m.plain')});
$node->safe_psql('a', 'SELECT vecmark.untrack(rel) FROM vecmark.tracked WHERE rel::text !~ \'notes|m.plain\'');
my $all = $node->safe_psql('a', 'SELECT array_agg(d) FROM vecmark.changes() AS d');
is(as('app', 'c', "SELECT status FROM vecmark.merge_all('$all')"), 'merged', 'a role merges that may not write what somebody else tracked');
is(as('app', 'c', 'SELECT count(*) > 2 FROM notes'), 't', 'its rows are there');
is($node->safe_psql('c', "SELECT count(*) > 0 FROM vecmark.parked WHERE name = 'm.plain' AND sqlstate = '42501'"), 't', 'the others\' are parked');
is(as('app', 'c', 'SELECT count(*) FROM vecmark.parked'), 0, 'which it does not see');
as('mallory', 'c', 'SELECT vecmark.retry_parked()');
is($node->safe_psql('c', "SELECT count(*) FROM vecmark.parked WHERE name = 'm.plain'"), 0, 'and who may write them brings them in');
is($node->safe_psql('c', 'SELECT md5(string_agg(id::text || v, \'\' ORDER BY id)) FROM m.plain'), $node->safe_psql('a', 'SELECT md5(string_agg(id::text || v, \'\' ORDER BY id)) FROM m.plain'), 'all of them');
as('app', 'c', $_) for 'CALL vecmark.maintain()', "INSERT INTO notes VALUES (1000, 'of app')";
as('mallory', 'c', "INSERT INTO m.plain VALUES (1000, 'PLANTED')");
my $held = $node->safe_psql('a', 'SELECT vecmark.version()');
my $told = as('app', 'c', "SELECT array_agg(d) FROM vecmark.changes('$held') AS d");
unlike(as('app', 'c', "SELECT vecmark_internal.delta_to_jsonb(d) FROM unnest('$told'::vecmark.delta[]) AS d"), qr/PLANTED|m[.]plain/, 'it tells what it may read');
$node->safe_psql('a', "SELECT vecmark.merge_all('$told')");
is($node->safe_psql('a', "SELECT (SELECT v FROM notes WHERE id = 1000), (SELECT count(*) FROM m.plain WHERE id = 1000)"), 'of app|0', 'which arrives');
$held = $node->safe_psql('a', 'SELECT vecmark.version()');
$told = $node->safe_psql('c', "SELECT array_agg(d) FROM vecmark.changes('$held') AS d");
$node->safe_psql('a', "SELECT vecmark.merge_all('$told')");
is($node->safe_psql('a', "SELECT v FROM m.plain WHERE id = 1000"), 'PLANTED', 'and nothing was claimed of the rest, which comes from who reads it');
is(error_of('mallory', 'c', "SELECT vecmark.merge_all('$all')"), '42501', 'a guest claims nothing for others');
my $some = as('postgres', 'a', "INSERT INTO m.plain VALUES (2000, 'some'); SELECT array_agg(d) FROM vecmark.changes('{}', ARRAY['m.plain'::regclass]) AS d");
is(as('mallory', 'c', "SELECT status FROM vecmark.merge_all('$some')"), 'merged', 'but merges into his table what claims nothing');
is(as('mallory', 'c', 'SELECT v FROM m.plain WHERE id = 2000'), 'some', 'which is there');
as('mallory', 'c', q{CREATE FUNCTION m.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = '40001'; END $$;
	CREATE TRIGGER stop BEFORE INSERT ON m.plain FOR EACH ROW EXECUTE FUNCTION m.stop()});
$held = $node->safe_psql('c', 'SELECT vecmark.version()');
$told = $node->safe_psql('a', "INSERT INTO m.plain VALUES (3000, 'x'); INSERT INTO notes VALUES (3000, 'y'); SELECT array_agg(d) FROM vecmark.changes('$held') AS d");
is($node->safe_psql('c', "SELECT status FROM vecmark.merge_all('$told')"), 'merged', 'a trigger does not stop a superuser\'s merge, whatever error it raises');
is($node->safe_psql('c', 'SELECT count(*) FROM notes WHERE id = 3000'), 1, 'others\' rows are there');
my $notes = $node->safe_psql('a', "SELECT array_agg(d) FROM vecmark.changes('{}', ARRAY['notes'::regclass]) AS d");
is(error_of('mallory', 'c', "SELECT vecmark.merge_all('$notes')"), '42501', 'not into others\'');
is(error_of('mallory', 'c', $_), '42501', "a guest may not: $_") for 'SELECT vecmark.forget()', "SELECT vecmark.retire('0badcafe0badcafe')", "SELECT vecmark.create_outbox('m.outbox')";

# ---- names

is(error_of('mallory', 'b', q{CREATE TABLE m.s (id int PRIMARY KEY, s text); SELECT vecmark.track('m.s', '{"name": "public.other"}')}), '42501', 'a name of another schema is not for everybody');
is(error_of('mallory', 'b', q{CREATE TABLE m."public.other" (id int PRIMARY KEY); SELECT vecmark.track('m."public.other"', '{"name": "public.other"}')}), '42501', 'however it is written');
is(as('dbo', 'b', q{CREATE TABLE d.s (id int PRIMARY KEY, s text); SELECT vecmark.track('d.s', '{"name": "public.third"}')}), 'public.third', 'it is for who owns the database');
$node->safe_psql('a', q{CREATE TABLE secret (id int PRIMARY KEY, s text); SELECT vecmark.track('secret'); INSERT INTO secret VALUES (1, 'PLANTED')});
$node->safe_psql('b', "SELECT vecmark.merge_all('" . deltas_of_a() . "'); GRANT CREATE ON SCHEMA public TO mallory");
is(error_of('mallory', 'b', q{CREATE TABLE public.secret (id int PRIMARY KEY, s text); SELECT vecmark.track('public.secret')}), '42501', 'rows that wait for their table do not go to who makes one first');
is(as('mallory', 'b', 'SELECT count(*) FROM vecmark.parked WHERE name = \'public.secret\''), 0, 'nor are they shown');
$node->safe_psql('b', q{DROP TABLE public.secret; CREATE TABLE secret (id int PRIMARY KEY, s text); SELECT vecmark.track('secret'); SELECT vecmark.retry_parked()});
is($node->safe_psql('b', 'SELECT s FROM secret'), 'PLANTED', 'they come to the table of who may have them');

# ---- what who may see nothing sees

$node->safe_psql('postgres', 'CREATE ROLE blind LOGIN; CREATE ROLE hidden LOGIN; CREATE ROLE columns LOGIN; CREATE ROLE writer LOGIN; CREATE DATABASE v; CREATE DATABASE w');
for my $database ('v', 'w')
{
	$node->safe_psql($database, q{CREATE EXTENSION vecmark; CREATE TABLE secret (id text PRIMARY KEY, body text, tags text[]); SELECT vecmark.track('secret', '{"sets": ["tags"], "notify": true}');
		SELECT vecmark.build_digest('secret'); CREATE TABLE unknown (id int PRIMARY KEY, body text)});
}
$node->safe_psql('w', q{SELECT vecmark.track('unknown'); INSERT INTO secret VALUES ('k', 'PLANTED', '{PLANTED}'), ('gone', 'PLANTED', '{}'), ('kept', 'PLANTED', '{}'); INSERT INTO unknown VALUES (1, 'PLANTED')});
$node->safe_psql('v', q{INSERT INTO secret VALUES ('PLANTEDKEY', 'PLANTED', '{PLANTED}'), ('PLANTEDGONE', 'PLANTED', '{}'), ('k', 'PLANTED-LOST', '{}'); DELETE FROM secret WHERE id = 'PLANTEDGONE';
	ALTER TABLE secret ADD CONSTRAINT planted CHECK (id <> 'kept'); SELECT vecmark.create_bookmarks('marks', 4); SELECT vecmark.track('marks'); SELECT vecmark.create_api('marks');
	INSERT INTO marks (url, title, tags, metadata) VALUES ('http://planted.example/PLANTED', 'PLANTED', '{PLANTED}', '{"x": "PLANTED"}'); SELECT vecmark.create_outbox('outbox')});
my $theirs = $node->safe_psql('w', 'SELECT array_agg(d) FROM vecmark.changes() AS d');
$node->safe_psql('v', "SELECT vecmark.merge_all('$theirs')");
$node->safe_psql('v', q{SELECT vecmark_internal.raise_alarm('p', 'secret', '{"rows": 3}');
	GRANT SELECT ON secret, marks TO hidden; ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE marks ENABLE ROW LEVEL SECURITY;
	GRANT SELECT (tags) ON secret TO columns; GRANT INSERT ON secret, marks TO writer; GRANT INSERT, UPDATE, DELETE ON unknown TO writer});
is($node->safe_psql('v', "SELECT string_agg(sqlstate, ' ' ORDER BY sqlstate), (SELECT count(*) FROM vecmark.conflicts) FROM vecmark.parked"), '23514 42P01|1', 'values are parked, and one has lost');

# Calls every function of the extension's schemas, and of its API, with arguments of every kind, and reads every table and view; what comes
# out, errors and notices too, in one text.  Whatever was done is undone.
my $sweep = q{
	SET client_min_messages = debug1; SET statement_timeout = '20s';
	CREATE FUNCTION pg_temp.attempt(query text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		answer text; told text[] := '{}'; part text;
	BEGIN
		BEGIN
			EXECUTE query INTO answer;
			RAISE EXCEPTION USING MESSAGE = 'answer ' || coalesce(answer, 'null');
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS answer = MESSAGE_TEXT, part = PG_EXCEPTION_DETAIL;
			-- what a role is told of what it wrote itself is no secret
			RETURN answer || ' ' || part;
		END;
	END $$;
	CREATE TEMP TABLE kinds AS SELECT kind::regtype AS kind, chosen FROM (VALUES
		('regclass', ARRAY['''secret''', '''marks''']), ('text', ARRAY['''public.secret''', '''k''']), ('name', ARRAY['''secret''', '''id''']), ('bytea', ARRAY['''\x6b65''', '''\x6b657074''']),
		('integer', ARRAY['8', '100']), ('smallint', ARRAY['1', '2']), ('bigint', ARRAY['1', '1000000']), ('boolean', ARRAY['true', 'false']), ('jsonb', ARRAY['''{}''', '''{"query_text": "x"}''']),
		('json', ARRAY['''{}''', '''{}''']), ('real', ARRAY['1', '0']), ('double precision', ARRAY['1', '0.5']), ('interval', ARRAY['''1 ms''', '''0''']), ('oid', ARRAY['''secret''::regclass', '23']),
		('vecmark.version_vector', ARRAY['''{}''', 'vecmark.version()']), ('vecmark.delta', ARRAY['NULL', '(''DELTAS''::vecmark.delta[])[1]']), ('vecmark.delta[]', ARRAY['''{}''', '''DELTAS''']),
		('regclass[]', ARRAY['NULL', '''{secret,marks}''']), ('integer[]', ARRAY['NULL', '''{1,2}''']), ('text[]', ARRAY['NULL', '''{k}''']), ('name[]', ARRAY['''{}''', '''{id}''']), ('"char"[]', ARRAY['''{}''', '''{r}''']),
		('uuid', ARRAY['NULL', 'gen_random_uuid()']), ('vector', ARRAY['NULL', '''[1,1,1,1]''']), ('real[]', ARRAY['NULL', '''{1,1,1,1}''']), ('regconfig', ARRAY['''simple''', '''english''']), ('regproc', ARRAY['NULL', 'NULL']),
		('regprocedure', ARRAY['NULL', 'NULL']), ('timestamptz', ARRAY['now()', '''infinity''']), ('vecmark.rowclock', ARRAY['NULL', 'vecmark_internal.birth()'])) AS k (kind, chosen);
	SELECT count(*) FROM (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace IN ('vecmark'::regnamespace, 'vecmark_internal'::regnamespace)) AS all_of_them;
	SELECT pg_temp.attempt(CASE p.prokind WHEN 'p' THEN format('CALL %s(%s)', p.oid::regproc, a.arguments) ELSE format('SELECT string_agg(x::text, chr(10)) FROM %I.%I(%s) AS x', n.nspname, p.proname, a.arguments) END)
	FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace CROSS JOIN generate_series(1, 2) AS variant
		CROSS JOIN LATERAL (SELECT string_agg(coalesce((SELECT k.chosen[variant] FROM kinds AS k WHERE k.kind = t.type), 'NULL') || '::' || t.type::regtype, ', ' ORDER BY t.place) AS arguments,
			coalesce(bool_or(t.type IN ('internal'::regtype, 'cstring'::regtype, 'anyelement'::regtype)), false) AS is_inner
			FROM unnest(p.proargtypes) WITH ORDINALITY AS t (type, place)) AS a
	WHERE (n.nspname IN ('vecmark', 'vecmark_internal') OR (n.nspname = 'public' AND p.proname ~ 'marks|documents'))
		AND p.prokind IN ('f', 'p') AND NOT a.is_inner AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype, 'cstring'::regtype, 'index_am_handler'::regtype);
	SELECT pg_temp.attempt(format('SELECT string_agg(x::text, chr(10)) FROM %s AS x', c.oid::regclass))
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname IN ('vecmark', 'vecmark_internal') AND c.relkind IN ('r', 'v', 'p', 'm')};
my $harmless = $node->safe_psql('w', q{CREATE TABLE harmless (id int PRIMARY KEY); SELECT vecmark.track('harmless'); INSERT INTO harmless VALUES (1); SELECT array_agg(d) FROM vecmark.changes('{}', ARRAY['harmless'::regclass]) AS d});
$harmless = (split /\n/, $harmless)[-1];
$sweep =~ s/DELTAS/$harmless/g;
sub swept
{
	my ($role) = @_;
	my ($status, $out, $err) = $node->psql('v', $sweep, extra_params => [ '-U', $role, '-v', 'ON_ERROR_STOP=1' ]);
	is($status, 0, "$role: the sweep comes to its end") or diag($err);
	cmp_ok(scalar(() = $out =~ /^(answer|permission|.)/mg), '>', 300, "$role: it called many things");
	return $out . $err;
}
my $planted = qr/PLANTED|504c414e544544|UExBTlRFRA/i;
like(swept('postgres'), $planted, 'a superuser sees what is planted');
for my $role ('blind', 'hidden', 'writer', 'columns')
{
	my $seen = swept($role);
	$seen =~ s/\{PLANTED\}//g if $role eq 'columns';
	my @lines = grep { $_ =~ $planted } split /\n/, $seen;
	is(join("\n", @lines), '', "$role sees nothing of it");
}
$node->stop;
done_testing();
