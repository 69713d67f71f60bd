# 035_table_life.pl: tables that come and go while databases exchange: whoever holds a version has the rows that it covers, or asks for them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use SyncTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $x = server('x', "wal_level = logical\nwal_retrieve_retry_interval = 100ms");
my $y = server('y', "wal_level = logical\nwal_retrieve_retry_interval = 100ms");
$_->start for $x, $y;

# Two databases of their own, which are tidy sites, one on each server.
my $pairs = 0;

sub pair
{
	my ($setup) = @_;
	my $name = 'd' . ++$pairs;
	for my $node ($x, $y)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $name");
		sql($node, "SET client_min_messages = warning; CREATE EXTENSION vecmark; $setup", $name);
	}
	return ([ $x, $name ], [ $y, $name ]);
}

sub on
{
	my ($place, $sql) = @_;
	return sql($place->[0], $sql, $place->[1]);
}

# What is not as it should be, by vecmark itself.
sub faults
{
	return join "\n", grep { $_ ne '' } map { on($_, q{SELECT part || ': ' || detail FROM vecmark.health WHERE NOT ok
		UNION ALL SELECT t.rel || ': ' || f.fault FROM vecmark.tracked AS t, vecmark.sync_check(t.rel) AS f ORDER BY 1}) } @_;
}

sub meet
{
	my ($a, $b) = @_;
	pull($b, $a), pull($a, $b) for 1 .. 2;
}

sub rows
{
	my ($place, $table) = @_;
	return on($place, "SELECT coalesce(string_agg(r, ' ' ORDER BY i, r COLLATE \"C\"), '') FROM (SELECT to_jsonb(t)->>'id', (to_jsonb(t) - '_vm')::text FROM $table AS t) AS l(i, r)");
}

sub same
{
	my ($what, $table, $expected, @places) = @_;
	is(rows($_, $table), $expected, "$what: rows of $table at " . $_->[0]->name) for @places;
	is(faults(@places), '', "$what: nothing is wrong");
}

# ---- a dropped table does no harm

{
	my ($a, $b) = pair(q{CREATE TABLE keep (id text PRIMARY KEY, body text); CREATE TABLE gone (id text PRIMARY KEY, body text);
		SELECT vecmark.track('keep'), vecmark.track('gone'); SELECT vecmark.build_digest('keep'), vecmark.build_digest('gone')});
	on($a, q{INSERT INTO keep VALUES ('k', 'a'); INSERT INTO gone VALUES ('g', 'b')});
	meet($a, $b);
	on($a, 'DROP TABLE gone');
	is(faults($a), '', 'a table was dropped: nothing is wrong');
	on($a, q{INSERT INTO keep VALUES ('k2', 'a')});
	pull($b, $a);
	is(rows($b, 'keep'), '{"id": "k", "body": "a"} {"id": "k2", "body": "a"}', 'others are told of the rest');
	my ($name) = $a->[1];
	$x->safe_psql('postgres', "CREATE DATABASE ${name}_copy TEMPLATE $name");
	my $copy = [ $x, "${name}_copy" ];
	on($copy, q{INSERT INTO keep VALUES ('c', 'copy')});
	is(pull($b, $copy), 'merged', 'a copy of the database has a life of its own');
	my $dump = "$PostgreSQL::Test::Utils::tmp_check/dropped.sql";
	$x->command_ok([ 'pg_dump', '-d', $x->connstr($name), '-f', $dump ], 'the database is dumped');
	$x->safe_psql('postgres', "CREATE DATABASE ${name}_dump");
	$x->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $x->connstr("${name}_dump"), '-f', $dump ], 'and restored');
	my $restored = [ $x, "${name}_dump" ];
	on($restored, q{INSERT INTO keep VALUES ('d', 'dump')});
	is(pull($b, $restored), 'merged', 'a dump has a life of its own');
	is(on($restored, 'SELECT count(*) FROM vecmark_internal.sync_table'), 1, 'and nothing of the table');
	on($a, 'SELECT vecmark.new_incarnation()');
	on($a, q{INSERT INTO keep VALUES ('n', 'new life')});
	is(pull($b, $a), 'merged', 'so has the database when it takes one by hand');
	meet($a, $b);
	same('after all this', 'keep', rows($b, 'keep'), $a);
	is(on($a, 'SELECT string_agg(rel::text, $$$$) FROM vecmark.digests'), 'keep', 'there is one digest');
	on($a, 'CREATE EXTENSION dblink; ' . sprintf(q{CREATE SERVER pb FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '%s', port '%s', dbname '%s');
		CREATE USER MAPPING FOR CURRENT_USER SERVER pb; SELECT vecmark.add_peer('b', 'pb')}, $y->host, $y->port, $b->[1]));
	like(on($a, q{CALL vecmark.sync('b')}), qr/"public.keep": "equal"/, 'databases are compared as before');
}

# ---- a table that was dumped by itself

{
	my ($a, $b) = pair(q{CREATE TABLE u (id text PRIMARY KEY); SELECT vecmark.track('u')});
	on($a, q{CREATE TABLE t (id text PRIMARY KEY, n int); SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t');
		INSERT INTO t VALUES ('one', 1), ('two', 2); UPDATE t SET n = n + 10 WHERE id = 'two'});
	my $dump = "$PostgreSQL::Test::Utils::tmp_check/alone.sql";
	$x->command_ok([ 'pg_dump', '-t', 't', '-d', $x->connstr($a->[1]), '-f', $dump ], 'a table is dumped by itself');
	my ($c, $d) = pair(q{CREATE TABLE u (id text PRIMARY KEY); SELECT vecmark.track('u'); INSERT INTO u VALUES (vecmark.site())});
	meet($c, $d);
	$x->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $x->connstr($c->[1]), '-f', $dump ], 'and restored elsewhere');
	is(error_of($x, q{INSERT INTO t VALUES ('three', 3)}, $c->[1]), '55000', 'it cannot be written before it is tracked');
	on($c, q{SELECT vecmark.track('t', '{"counters": ["n"]}')});
	on($c, q{INSERT INTO t VALUES ('three', 3)});
	on($d, q{CREATE TABLE t (id text PRIMARY KEY, n int); SELECT vecmark.track('t', '{"counters": ["n"]}')});
	meet($c, $d);
	same('restored by itself', 't', '{"n": 1, "id": "one"} {"n": 3, "id": "three"} {"n": 12, "id": "two"}', $c, $d);
	$y->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $y->connstr($b->[1]), '-f', $dump ], 'or to be no replicated state');
	on($b, q{SELECT vecmark.untrack('t'); INSERT INTO t VALUES ('four', 4)});
	is(error_of($y, q{SELECT vecmark.untrack('t')}, $b->[1]), '55000', 'which it is once');
}

# ---- rows from before a table is tracked, by a stream

{
	my ($a, $b) = pair(q{CREATE TABLE u (id text PRIMARY KEY); SELECT vecmark.track('u'); SELECT vecmark.create_outbox('changes')});
	on($b, sprintf(q{CREATE SUBSCRIPTION %s CONNECTION '%s dbname=%s' PUBLICATION changes WITH (copy_data = false)}, $b->[1], $x->connstr, $a->[1]));
	on($a, q{INSERT INTO u VALUES ('1')});
	$y->poll_query_until($b->[1], 'SELECT EXISTS (SELECT FROM u)');
	pull($b, $a);
	is(on($b, 'SELECT bool_and(whole) FROM vecmark.streams'), 't', 'a stream is whole');
	on($_, 'CREATE TABLE t (id text PRIMARY KEY, x text, n int, s text[]); CREATE TABLE swap (id text PRIMARY KEY, x text)') for $a, $b;
	on($a, q{INSERT INTO t VALUES ('old', 'x', 1, '{a}'); INSERT INTO t SELECT 'old ' || i, 'y', i, '{}' FROM generate_series(1, 2000) AS i});
	on($_, q{SELECT vecmark.track('t', '{"counters": ["n"], "sets": ["s"]}'); SELECT vecmark.track('swap')}) for $a, $b;
	on($a, q{INSERT INTO u VALUES ('2')});
	$y->poll_query_until($b->[1], q{SELECT EXISTS (SELECT FROM u WHERE id = '2')});
	on($b, 'SELECT vecmark.retry_parked()');
	is(on($b, 'SELECT count(*) FROM t'), 2001, 'it brings the rows from before');
	is(on($a, sprintf(q{SELECT vecmark.has_changes('%s')}, on($b, 'SELECT vecmark.version()'))), 'f', 'so there is nothing to pull');
	on($a, q{UPDATE t SET x = 'new', n = n + 1 WHERE id = 'old'; INSERT INTO u VALUES ('3')});
	$y->poll_query_until($b->[1], q{SELECT EXISTS (SELECT FROM u WHERE id = '3')});
	is(on($b, q{SELECT x, n, s FROM t WHERE id = 'old'}), 'new|2|{a}', 'and what they become');
	is(faults($a, $b), '', 'streams: nothing is wrong');
	on($b, "DROP SUBSCRIPTION $b->[1]");
}

# ---- partitions

{
	my ($a, $b) = pair(q{CREATE TABLE part (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
		CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a');
		SELECT vecmark.track('part'); SELECT vecmark.build_digest('part')});
	on($a, q{INSERT INTO part VALUES (0, 'a', 'first')});
	meet($a, $b);
	on($a, q{CREATE TABLE part_b (LIKE part INCLUDING ALL); INSERT INTO part_b SELECT i, 'b', 'loaded' FROM generate_series(1, 2) AS i;
		ALTER TABLE part ATTACH PARTITION part_b FOR VALUES IN ('b')});
	on($b, q{CREATE TABLE part_b PARTITION OF part FOR VALUES IN ('b')});
	on($a, q{UPDATE part SET v = 'changed' WHERE id = 2 AND region = 'b'});
	meet($a, $b);
	like(faults($a), qr/partition public.part_b was added.*SELECT vecmark.mend\('public.part'\)/, 'health names a partition that was attached');
	on($_, 'CALL vecmark.maintain()') for $a, $b;
	meet($a, $b);
	on($_, 'CALL vecmark.maintain()') for $a, $b;
	my $all = '{"v": "first", "id": 0, "region": "a"} {"v": "loaded", "id": 1, "region": "b"} {"v": "changed", "id": 2, "region": "b"}';
	same('a partition with rows was attached', 'part', $all, $a, $b);
	is(error_of($_->[0], "TRUNCATE $_->[2]", $_->[1]), '0A000', "and cannot be truncated") for [ @$a, 'part_b' ], [ @$b, 'part_b' ], [ @$b, 'part_a' ];
	is(on($a, q{SELECT hash FROM vecmark.root('part')}), on($b, q{SELECT hash FROM vecmark.root('part')}), 'roots are equal');
	is(error_of($x, 'TRUNCATE part CASCADE', $a->[1]), '0A000', 'nor can the whole');
	on($a, 'ALTER TABLE part DETACH PARTITION part_b');
	on($a, q{UPDATE part_b SET v = 'apart' WHERE id = 1});
	on($a, q{INSERT INTO part_b VALUES (3, 'b', 'apart')});
	on($b, q{UPDATE part SET v = 'meanwhile' WHERE id = 2 AND region = 'b'});
	meet($a, $b);
	on($a, q{ALTER TABLE part ATTACH PARTITION part_b FOR VALUES IN ('b'); CALL vecmark.maintain()});
	meet($a, $b);
	on($_, 'CALL vecmark.maintain()') for $a, $b;
	same('a partition was away for a while', 'part',
		'{"v": "first", "id": 0, "region": "a"} {"v": "apart", "id": 1, "region": "b"} {"v": "meanwhile", "id": 2, "region": "b"} {"v": "apart", "id": 3, "region": "b"}', $a, $b);
}

# ---- triggers

{
	my ($a, $b) = pair(q{CREATE TABLE t (id text PRIMARY KEY, x text); SELECT vecmark.track('t')});
	on($a, q{DROP TRIGGER "~~vecmark_capture" ON t; DROP TRIGGER "~~vecmark_truncate" ON t});
	is(faults($a), q{tables: 2 faults of tracked tables; public.t has no trigger "~~vecmark_capture": SELECT vecmark.mend('public.t'); public.t has no trigger "~~vecmark_truncate": SELECT vecmark.mend('public.t')}, 'triggers that are gone are named');
	on($a, q{SELECT vecmark.mend('t'); INSERT INTO t VALUES ('k', 'x')});
	meet($a, $b);
	same('triggers are made again', 't', '{"x": "x", "id": "k"}', $a, $b);
	is(error_of($x, 'TRUNCATE t', $a->[1]), '0A000', 'both of them');
	on($a, 'ALTER TABLE t DISABLE TRIGGER "~~vecmark_capture"');
	like(faults($a), qr/ALTER TABLE public.t ENABLE TRIGGER "~~vecmark_capture"/, 'so is one that is disabled');
	on($a, 'ALTER TABLE t ENABLE TRIGGER "~~vecmark_capture"; CREATE TRIGGER "~~~" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()');
	like(faults($a), qr/trigger "~~~" of public.t runs after vecmark's/, 'and one that runs last');
	is(error_of($x, q{SELECT vecmark.mend('vecmark_internal.sync_site')}, $a->[1]), '55000', 'a table that is not tracked is not mended');
}

# ---- tables that are made again, and tracked again

# A row each, and a counter that both have written.
sub grown
{
	my ($a, $b) = pair(q{CREATE TABLE t (id text PRIMARY KEY, x text, n int); SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t');
		CREATE TABLE u (id text PRIMARY KEY); SELECT vecmark.track('u')});
	on($a, q{INSERT INTO t VALUES ('a', 'of a', 10), ('both', 'of a', 10), ('gone', 'x', 0)});
	meet($a, $b);
	on($b, q{INSERT INTO t VALUES ('b', 'of b', 20); UPDATE t SET n = n + 5 WHERE id = 'both'; DELETE FROM t WHERE id = 'gone'; INSERT INTO u VALUES ('b')});
	meet($a, $b);
	return ($a, $b);
}
my $again = q{DROP TABLE t; CREATE TABLE t (id text PRIMARY KEY, x text, n int); SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t')};

for my $who (0, 1)
{
	my @both = grown;
	my ($other, $maker) = @both[ 1 - $who, $who ];
	on($maker, "INSERT INTO u VALUES ('before'); $again");
	like(faults($maker), qr/^lacking: 1 tables may lack rows that peers hold.*; public.t$/, 'health names a table that was made again');
	is(on($other, sprintf(q{SELECT vecmark.has_changes('%s')}, on($maker, 'SELECT vecmark.version()'))), 't', 'peers have something to tell it');
	on($maker, q{INSERT INTO t VALUES ('new', 'here', 1), ('both', 'not seen', 100)});
	on($other, q{UPDATE t SET x = 'meanwhile' WHERE id = 'a'; INSERT INTO t VALUES ('other', 'x', 2)});
	meet(@both);
	is(rows($_, 't'), rows($both[0], 't'), 'made again: all have the same') for $both[1];
	like(rows($_, 't'), qr/"x": "meanwhile", "id": "a".*"id": "b".*"x": "not seen", "id": "both".*"id": "new".*"id": "other"/, 'of both') for @both;
	unlike(rows($_, 't'), qr/"id": "gone"/, 'and nothing that was deleted') for @both;
	is(faults(@both), '', 'made again: nothing is wrong');
	is(on($both[0], q{SELECT hash, settled FROM vecmark.root('t')}), on($both[1], q{SELECT hash, settled FROM vecmark.root('t')}), 'roots are equal');
	is(on($_, sprintf(q{SELECT vecmark.has_changes('%s')}, on($both[0], 'SELECT vecmark.version()'))), 'f', 'and there is nothing to tell') for @both;
}
{
	my ($a, $b) = grown;
	on($_, $again) for $a, $b;
	on($a, q{INSERT INTO t VALUES ('a', 'anew', 1)});
	meet($a, $b);
	same('made again by all', 't', '{"n": 1, "x": "anew", "id": "a"}', $a, $b);
}
{
	my ($a, $b) = grown;
	on($a, q{UPDATE t SET n = n + 1 WHERE id = 'b'});
	on($b, q{SELECT vecmark.untrack('t'); DELETE FROM t WHERE id = 'a'; UPDATE t SET x = 'changed' WHERE id = 'b'; INSERT INTO t VALUES ('gone', 'back', 0)});
	on($a, q{INSERT INTO t VALUES ('late', 'x', 1); DELETE FROM t WHERE id = 'both'});
	pull($b, $a);
	on($b, q{SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t')});
	meet($a, $b);
	on($_, 'CALL vecmark.maintain()') for $a, $b;
	meet($a, $b);
	is(rows($b, 't'), rows($a, 't'), 'tracked again: all have the same');
	like(rows($a, 't'), qr/"x": "of a", "id": "a".*"x": "changed", "id": "b".*"id": "gone".*"id": "late"/, 'a row that was deleted untracked is back, one that was changed stays so');
	is(faults($a, $b), '', 'tracked again: nothing is wrong');
}
{
	my ($a, $b) = grown;
	my $dump = "$PostgreSQL::Test::Utils::tmp_check/again.sql";
	$y->command_ok([ 'pg_dump', '-t', 't', '-d', $y->connstr($b->[1]), '-f', $dump ], 'a table is dumped by itself');
	on($a, q{UPDATE t SET x = 'later' WHERE id = 'a'; INSERT INTO t VALUES ('later', 'x', 1)});
	meet($a, $b);
	on($b, 'DROP TABLE t');
	$y->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $y->connstr($b->[1]), '-f', $dump ], 'and restored where it was');
	on($b, q{SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t')});
	meet($a, $b);
	same('restored where it was', 't', '{"n": 10, "x": "later", "id": "a"} {"n": 20, "x": "of b", "id": "b"} {"n": 15, "x": "of a", "id": "both"} {"n": 1, "x": "x", "id": "later"}', $a, $b);
}

# deletes that were told to nobody when the table was untracked, or dropped
for my $how (q{SELECT vecmark.untrack('t')}, 'DROP TABLE t; CREATE TABLE t (id text PRIMARY KEY, x text, n int)')
{
	my ($a, $b) = grown;
	on($b, q{DELETE FROM t WHERE id = 'a'});
	on($b, $how);
	pull($a, $b);
	on($b, q{SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t')});
	meet($a, $b);
	is(on($_, q{SELECT string_agg(id, ' ' ORDER BY id) FROM t}), 'b both', 'a delete is told when the table is tracked again') for $a, $b;
	is(faults($a, $b), '', 'and nothing is wrong');
	is(on($a, q{SELECT hash, settled FROM vecmark.root('t')}), on($b, q{SELECT hash, settled FROM vecmark.root('t')}), 'roots are equal');
}

# copy and swap
{
	my ($a, $b) = grown;
	my $before = rows($a, 't');
	on($b, q{BEGIN; CREATE TABLE other (LIKE t INCLUDING ALL); INSERT INTO other SELECT * FROM t; DROP TABLE t; ALTER TABLE other RENAME TO t;
		SELECT vecmark.track('t', '{"counters": ["n"]}'); COMMIT; SELECT vecmark.build_digest('t')});
	is(on($b, q{SELECT count(*) FROM vecmark.sync_check('t')}), 0, 'a copy that was put in the place of its table is sound');
	on($a, q{UPDATE t SET x = 'meanwhile' WHERE id = 'both'});
	meet($a, $b);
	same('copied and swapped', 't', $before =~ s/"of a", "id": "both"/"meanwhile", "id": "both"/r, $a, $b);
}

# a hub, which hands on what it lacks, and a spoke that is behind
{
	my ($a, $b) = grown;
	my ($c, $unused) = pair(q{CREATE TABLE t (id text PRIMARY KEY, x text, n int); SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t');
		CREATE TABLE u (id text PRIMARY KEY); SELECT vecmark.track('u')});
	on($c, q{INSERT INTO t VALUES ('c', 'of c', 1)});
	meet($b, $c);
	on($c, q{UPDATE t SET x = 'only the hub knows' WHERE id = 'c'});
	on($a, q{UPDATE t SET x = 'only the hub knows' WHERE id = 'a'});
	pull($b, $a), pull($b, $c);
	on($b, $again);
	pull($a, $b), pull($c, $b);
	like(faults($_), qr/lacking.*public.t/, 'who learns of what a hub lacks lacks it') for $a, $c;
	for (1 .. 3)
	{
		pull($b, $_), pull($_, $b) for $a, $c;
	}
	is(rows($_, 't'), rows($b, 't'), 'a hub that made a table again has it from all, and all from it') for $a, $c;
	like(rows($b, 't'), qr/"x": "only the hub knows", "id": "a".*"x": "only the hub knows", "id": "c"/, 'with the latest');
	is(faults($a, $b, $c), '', 'a hub: nothing is wrong');
}

# a hub that has dropped a table, which nobody has noticed there yet
{
	my ($a, $b) = grown;
	my ($c, $unused) = pair(q{CREATE TABLE t (id text PRIMARY KEY, x text, n int); SELECT vecmark.track('t', '{"counters": ["n"]}'); SELECT vecmark.build_digest('t');
		CREATE TABLE u (id text PRIMARY KEY); SELECT vecmark.track('u')});
	meet($b, $c);
	on($a, q{INSERT INTO t VALUES ('by way of the hub', 'x', 1)});
	pull($b, $a);
	on($b, 'DROP TABLE t');
	pull($c, $b);
	like(faults($c), qr/lacking.*public.t/, 'who pulls from a hub that has dropped a table lacks what it had');
	pull($c, $a);
	is(rows($c, 't'), rows($a, 't'), 'and gets it from who has it');
	on($a, q{UPDATE t SET x = 'later'});
	pull($c, $a);
	is(rows($c, 't'), rows($a, 't'), 'with what it becomes');
}

# ---- columns

{
	my ($a, $b) = grown;
	on($b, 'ALTER TABLE t DROP COLUMN x');
	on($a, q{UPDATE t SET x = 'while it was away' WHERE id = 'a'});
	meet($a, $b);
	on($b, 'ALTER TABLE t ADD COLUMN x text');
	like(faults($b), qr/column "x" of public.t was dropped and added again.*mend\('public.t'\)/, 'health names a column that was added again');
	on($b, q{UPDATE t SET x = 'after' WHERE id = 'both'; CALL vecmark.maintain()});
	meet($a, $b);
	on($_, 'CALL vecmark.maintain()') for $a, $b;
	same('a column was added again', 't', '{"n": 10, "x": "while it was away", "id": "a"} {"n": 20, "x": "of b", "id": "b"} {"n": 15, "x": "after", "id": "both"}', $a, $b);
	is(on($a, q{SELECT hash, settled FROM vecmark.root('t')}), on($b, q{SELECT hash, settled FROM vecmark.root('t')}), 'roots are equal');
}

# ---- a clock column that a schema tool dropped

{
	my ($a, $b) = grown;
	on($a, q{UPDATE t SET x = 'later', n = n + 1 WHERE id = 'both'; INSERT INTO t VALUES ('not seen', 'x', 1)});
	on($b, q{UPDATE t SET x = 'told to nobody' WHERE id = 'b'; INSERT INTO t VALUES ('told to nobody', 'x', 3)});
	on($b, 'ALTER TABLE t DROP COLUMN _vm');
	is(error_of($y, q{UPDATE t SET x = 'x'}, $b->[1]), '42703', 'a table without its clocks cannot be written');
	like(on($b, q{SELECT detail FROM vecmark.health WHERE part = 'tables' AND NOT ok}), qr/public.t has lost its column "_vm": SELECT vecmark.mend\('public.t'\)/, 'health names it');
	on($b, q{SELECT vecmark.mend('t'); SELECT vecmark.build_digest('t')});
	like(faults($b), qr/^lacking: 1 tables.*public.t$/, 'what peers hold has to be told again');
	on($b, q{UPDATE t SET x = 'written since' WHERE id = 'a'});
	meet($a, $b);
	is(rows($b, 't'), rows($a, 't'), 'clocks were lost: all have the same');
	like(rows($a, 't'), qr/"x": "written since", "id": "a".*"x": "told to nobody", "id": "b".*"n": 16, "x": "later", "id": "both".*"id": "not seen".*"n": 3, "x": "x", "id": "told to nobody"/, 'and nothing is lost');
	is(faults($a, $b), '', 'clocks were lost: nothing is wrong');
	is(on($a, q{SELECT hash, settled FROM vecmark.root('t')}), on($b, q{SELECT hash, settled FROM vecmark.root('t')}), 'roots are equal');
	my ($c, $unused) = pair(q{CREATE TABLE t (id text PRIMARY KEY, x text); SELECT vecmark.track('t')});
	on($c, q{INSERT INTO t VALUES ('k', 'x'); ALTER TABLE t DROP COLUMN _vm; CALL vecmark.maintain(); UPDATE t SET x = 'y'});
	meet($c, $unused);
	same('clocks of who has no peers were lost', 't', '{"x": "y", "id": "k"}', $c, $unused);
}

# ---- a table that becomes unlogged, and a crash

{
	my ($a, $b) = grown;
	my $before = rows($a, 't');
	on($b, 'ALTER TABLE t SET UNLOGGED');
	like(faults($b), qr/public.t is unlogged, and a crash empties it: ALTER TABLE public.t SET LOGGED, then build a digest/, 'health names a table that became unlogged');
	on($b, 'CALL vecmark.maintain()');
	$y->stop('immediate');
	$y->start;
	is(rows($b, 't'), '', 'a crash empties it');
	on($b, q{ALTER TABLE t SET LOGGED; SELECT vecmark.build_digest('t'); CALL vecmark.maintain()});
	meet($a, $b);
	on($b, 'CALL vecmark.maintain()');
	same('emptied by a crash', 't', $before, $a, $b);
	is(on($a, q{SELECT hash, settled FROM vecmark.root('t')}), on($b, q{SELECT hash, settled FROM vecmark.root('t')}), 'roots are equal');
}

done_testing;
