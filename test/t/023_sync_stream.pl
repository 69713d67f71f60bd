# 023_sync_stream.pl: three servers that write the same tables, with streams of logical replication from each to each.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use SyncTest qw(error_of session ask leave);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish pump timeout);
use Test::More;
use Time::HiRes qw(sleep time);

my @names = qw(a b c);
my (%node, %site);

for my $name (@names)
{
	my $node = $node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf',
		"autovacuum = off\nwal_retrieve_retry_interval = 100ms\nrestart_after_crash = on\nmax_prepared_transactions = 10");
	$node->start;
}

sub sql
{
	my ($name, $sql, $database) = @_;
	return $node{$name}->safe_psql($database || 'postgres', $sql);
}

sub sql_all
{
	my ($sql) = @_;
	return join ' ', map { sql($_, $sql) } @names;
}

# Commits a statement; the number of its transaction.
sub txn
{
	my ($name, $sql, $database) = @_;
	my $out = sql($name, "BEGIN; $sql; SELECT pg_current_xact_id(); COMMIT", $database);
	return (split /\n/, $out)[-1];
}

# Whether the version of one node has a transaction of another.
sub has
{
	my ($name, $from, $txn, $database) = @_;
	my $site = sql($from, 'SELECT vecmark.site()', $database);
	return sql($name, "SELECT vecmark_internal.covers(vecmark.version(), x'$site'::bigint, $txn)", $database);
}

sub arrives
{
	my ($name, $condition, $database) = @_;
	$node{$name}->poll_query_until($database || 'postgres', "SELECT EXISTS (SELECT FROM $condition)")
	  or die "did not arrive on $name: $condition";
}

# Rows with their clocks.
sub state
{
	my ($name) = @_;
	return sql($name, "SELECT md5(string_agg(r, '' ORDER BY r)) FROM (SELECT n::text FROM notes AS n UNION ALL SELECT p::text FROM replies AS p) AS t(r)");
}

# Waits until all have the same: whoever wrote has it at once, so all have all.
sub converges
{
	my ($what) = @_;
	my $end = time + 30;
	my %states;
	do
	{
		%states = map { state($_) => 1 } @names;
		sleep 0.05 if keys %states > 1;
	} while (keys %states > 1 && time < $end);
	die "did not converge: $what" if keys %states > 1;
	pass("$what: rows and clocks are equal on all");
}

sub pull
{
	my ($to, $from, $database, $setting) = @_;
	my $since = sql($to, 'SELECT vecmark.version()', $database);
	my $deltas = sql($from, "SELECT array_agg(d) FROM vecmark.changes('$since') AS d", $database);
	return $deltas eq '' ? '' : sql($to, ($setting // '') . "SELECT status FROM vecmark.merge_all('$deltas')", $database);
}

sub is_whole
{
	my ($name, $from) = @_;
	my $site = sql($from, 'SELECT vecmark.site()');
	return sql($name, "SELECT whole FROM vecmark.streams WHERE site = '$site'");
}

sub subscribe
{
	my ($name, $from, $database) = @_;
	my $connection = $node{$from}->connstr . " dbname=" . ($database || "postgres");
	sql($name, "CREATE SUBSCRIPTION ${name}_from_$from" . ($database ? "_$database" : '') .
		" CONNECTION '$connection' PUBLICATION changes WITH (copy_data = false)", $database);
}

sub others
{
	my ($name) = @_;
	return grep { $_ ne $name } @names;
}

# All streams stop, or go on.
sub streams
{
	my ($action) = @_;
	for my $name (@names)
	{
		sql($name, join ';', map { "ALTER SUBSCRIPTION ${name}_from_$_ $action" } others($name));
	}
	return if $action eq 'ENABLE';
	for my $name (@names)
	{
		$node{$name}->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM pg_stat_subscription WHERE pid IS NOT NULL)')
		  or die "streams to $name did not stop";
	}
}

# Each has what the others held before it was asked for, when each has written something more.
sub holds_all
{
	my %token = map { $_ => sql($_, 'SELECT vecmark.version()') } @names;
	sql($_, "UPDATE notes SET likes = likes + 1 WHERE id = 'pulse'") for @names;
	my $good = 1;
	for my $name (@names)
	{
		$good &= sql($name, "SELECT vecmark.wait_for('$token{$_}', '20 s')") eq 't' for others($name);
	}
	return $good;
}

# ---- set up; what was written before the streams is not in them

for my $name (@names)
{
	my $b = $name eq 'b' ? '' : ', b text';
	sql($name, qq{
		CREATE EXTENSION vecmark;
		CREATE TABLE notes (id text PRIMARY KEY, body text, code text UNIQUE, likes integer NOT NULL DEFAULT 0,
			labels text[] NOT NULL DEFAULT '{}', size integer);
		CREATE TABLE replies (id text PRIMARY KEY, note text NOT NULL REFERENCES notes ON DELETE CASCADE, body text);
		CREATE TABLE wide (id text PRIMARY KEY, a text$b);
		CREATE TABLE audit (id text, merging boolean, role text);
		CREATE FUNCTION on_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, vecmark AS \$\$
		BEGIN
			NEW.size := length(NEW.body);
			INSERT INTO audit VALUES (NEW.id, vecmark.merging(), current_setting('session_replication_role'));
			RETURN NEW;
		END \$\$;
		CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION on_note();
		SELECT vecmark.track('notes', '{"counters": ["likes"], "sets": ["labels"], "local": ["size"], "notify": true}'),
			vecmark.track('replies'), vecmark.track('wide')});
}
my $old = txn('a', "INSERT INTO notes (id, body) VALUES ('old', 'from before the outbox'), ('pulse', '')");

sql('a', "BEGIN; INSERT INTO notes (id) VALUES ('never'); PREPARE TRANSACTION 'early'");
is(error_of($node{a}, "SELECT vecmark.create_outbox('changes')"), '55000', 'no outbox while a transaction is prepared that it would miss');
sql('a', "ROLLBACK PREPARED 'early'");
sql_all("SELECT vecmark.create_outbox('changes')");
my $missed = txn('a', "INSERT INTO notes (id) VALUES ('missed')");
for my $name (@names)
{
	subscribe($name, $_) for others($name);
}

# ---- before the first pull

my %first = map { $_ => txn($_, "INSERT INTO notes (id, body) VALUES ('first of $_', 'four')") } @names;
for my $name (@names)
{
	arrives($name, "notes WHERE id = 'first of $_'") for others($name);
}
is(sql_all('SELECT bool_or(whole) FROM vecmark.streams HAVING count(*) = 2'), 'f f f', 'no stream is whole before a pull');
is(has('b', 'a', $first{a}), 't', 'what came is in the version');
is(has('b', 'a', $old), 'f', 'what was before the outbox is not');
is(has('b', 'a', $missed), 'f', 'what was before the subscription is not');
is(sql('b', "SELECT count(*) FROM notes WHERE id IN ('old', 'missed')"), '0', 'nor is it there');

for my $name (@names)
{
	pull($name, $_) for others($name);
}
is(sql_all('SELECT bool_and(whole) FROM vecmark.streams HAVING count(*) = 2'), 't t t', 'after a pull all streams are whole');
converges('after pulls');
is(has('c', 'a', $old), 't', 'what was before came with it');
ok(holds_all(), 'from there on, what the stream brings raises the version to all that the sender held');
converges('at rest');
is(sql('b', "SELECT string_agg(DISTINCT format('%s %s', merging, role), ',') FROM audit WHERE id = 'first of a'"), 't origin',
	'triggers act in a merge of a stream as elsewhere');
is(sql('b', "SELECT size FROM notes WHERE id = 'first of a'"), '4', 'and derive what is local');

# ---- no loops

my $counts = q{SELECT pg_snapshot_xmax(pg_current_snapshot()), (SELECT count(*) FROM vecmark_internal.sync_log), (SELECT count(*) FROM audit)};
my $before = sql_all($counts);
sleep 1;
is(sql_all($counts), $before, 'nothing goes in circles');

# ---- concurrent writes

sql('a', q{INSERT INTO notes (id, body, likes, labels) VALUES ('n1', 'text', 5, '{kept,seen}'), ('n2', 'text', 0, '{}'), ('n3', 'text', 0, '{}');
	INSERT INTO replies VALUES ('r2', 'n2', 'known to all')});
converges('before concurrent writes');
streams('DISABLE');
sql('a', q{UPDATE notes SET likes = likes + 1, labels = labels || '{from a}'::text[], body = 'a' WHERE id = 'n1'; DELETE FROM notes WHERE id = 'n2'});
sql('b', q{UPDATE notes SET likes = likes + 10, labels = array_remove(labels, 'seen') WHERE id = 'n1'; UPDATE notes SET body = 'late' WHERE id = 'n2'});
sql('c', q{UPDATE notes SET likes = likes + 100, labels = labels || '{from c}'::text[], body = 'c' WHERE id = 'n1';
	INSERT INTO replies VALUES ('r3', 'n2', 'not known to a'); UPDATE notes SET likes = likes - 3 WHERE id = 'n1'});
my $token = sql('a', 'SELECT vecmark.version()');
is(sql('b', "SELECT vecmark.wait_for('$token', '200 ms')"), 'f', 'wait_for() says when the time is up');
my $waiting = session($node{b});
$waiting->{in} .= "SELECT vecmark.wait_for('$token', '30 s');\n\\echo -- done\n";
streams('ENABLE');
pump($waiting->{run}) until $waiting->{out} =~ /-- done/;
is($waiting->{out}, "t\n-- done\n", 'and that a version has come');
leave($waiting);
converges('concurrent writes');
is(sql('c', "SELECT likes, labels, body FROM notes WHERE id = 'n1'"), '113|{"from a","from c",kept}|c', 'counters add up, sets join, the last writer wins');
is(sql_all("SELECT count(*) FROM notes WHERE id = 'n2'"), '0 0 0', 'deletes win');
is(sql_all('SELECT count(*) FROM replies'), '0 0 0', 'and take with them what refers to the row');
is(sql_all('SELECT count(*) FROM vecmark.parked'), '0 0 0', 'nothing stays parked');

# ---- a transaction that ends later than younger ones

my $older = session($node{a});
my $late = (split /\n/, ask($older, "BEGIN; INSERT INTO notes (id) VALUES ('older'); SELECT pg_current_xact_id()"))[-1];
my $younger = txn('a', "INSERT INTO notes (id) VALUES ('younger')");
ok($late < $younger, 'numbers are given out in order');
arrives('b', "notes WHERE id = 'younger'");
is(has('b', 'a', $younger), 't', 'a younger one that ended is in the version');
is(has('b', 'a', $late), 'f', 'the open one is a hole in it');
ask($older, 'COMMIT');
leave($older);
converges('an older transaction');
is(has('b', 'a', $late), 't', 'until it ends');

my $prepared = (split /\n/, sql('a', "BEGIN; INSERT INTO notes (id) VALUES ('prepared'); SELECT pg_current_xact_id(); PREPARE TRANSACTION 'p'"))[-1];
sql('a', "INSERT INTO notes (id) VALUES ('beside it')");
arrives('b', "notes WHERE id = 'beside it'");
is(has('b', 'a', $prepared), 'f', 'a prepared one is a hole');
sql('a', "COMMIT PREPARED 'p'");
arrives('b', "notes WHERE id = 'prepared'");
is(has('b', 'a', $prepared), 't', 'until it is committed');

sql('a', q{BEGIN; INSERT INTO notes (id) VALUES ('s1'); SAVEPOINT s; INSERT INTO notes (id) VALUES ('s2'); UPDATE notes SET likes = likes + 1000 WHERE id = 'n1';
	ROLLBACK TO s; UPDATE notes SET likes = likes + 1 WHERE id = 'n1'; SAVEPOINT t; INSERT INTO notes (id) VALUES ('s3'); RELEASE t; COMMIT});
converges('savepoints');
is(sql('b', "SELECT likes, (SELECT string_agg(id, ' ' ORDER BY id) FROM notes WHERE id LIKE 's_') FROM notes WHERE id = 'n1'"), '114|s1 s3', 'what was rolled back is nowhere');

# ---- large ones

sql('a', "SELECT pg_create_logical_replication_slot('peek', 'pgoutput')");
sql('a', "INSERT INTO notes (id, body) SELECT 'large' || i, repeat(md5(i::text), 90000) FROM generate_series(1, 5) AS i");
is(sql('a', q{SELECT count(*) FROM pg_logical_slot_peek_binary_changes('peek', NULL, NULL, 'proto_version', '1', 'publication_names', 'changes')
	WHERE get_byte(data, 0) = ascii('I')}), '3', 'a large transaction goes out in parts');
sql('a', "SELECT pg_drop_replication_slot('peek')");
converges('a large transaction');
is(sql_all('SELECT count(*) FROM vecmark_internal.sync_batch'), '0 0 0', 'all parts have come');
sql('a', "DELETE FROM notes WHERE id LIKE 'large%'");

# so many that the log is begun before the end, with each key twice in it
sql('a', q{BEGIN; INSERT INTO notes (id, labels) SELECT 'bulk' || repeat('x', 300) || i, ARRAY['x', i::text] FROM generate_series(1, 1200) AS i;
	UPDATE notes SET likes = likes + 1 WHERE id LIKE 'bulk%'; COMMIT});
sql('b', "DELETE FROM notes WHERE id LIKE 'bulk%7'; UPDATE notes SET likes = likes + 2 WHERE id LIKE 'bulk%'");
converges('many rows');
sql('c', "DELETE FROM notes WHERE id LIKE 'bulk%'");
converges('many rows deleted');
ok(holds_all(), 'the streams are whole still');

# ---- what cannot be shown does not stop a stream

my $workers = q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_subscription WHERE pid IS NOT NULL};
my $pids = sql_all($workers);
streams('DISABLE');
sql('a', "INSERT INTO notes (id, code) VALUES ('u1', 'code')");
sql('b', "INSERT INTO notes (id, code) VALUES ('u2', 'code')");
streams('ENABLE');
arrives('a', "vecmark.parked WHERE name = 'public.notes'");
arrives('b', "vecmark.parked WHERE name = 'public.notes'");
$pids = sql_all($workers);
sql('a', "INSERT INTO replies VALUES ('r1', 'u1', 'its note is parked on b'); INSERT INTO wide VALUES ('w', 'a', 'b')");
sql('a', "INSERT INTO notes (id) VALUES ('behind it')");
arrives($_, "notes WHERE id = 'behind it'") for qw(b c);
is(sql('b', q{SELECT string_agg(name || ' ' || sqlstate, ', ' ORDER BY name) FROM vecmark.parked}),
	'public.notes 23505, public.replies 23503, public.wide 42703', 'what does not fit is parked, with the reason');
is(sql('b', "SELECT sum(apply_error_count) FROM pg_stat_subscription_stats"), '0', 'no error in the worker');
is(sql_all($workers), $pids, 'no worker has begun anew');
ok(holds_all(), 'what is parked is held');
sql('b', 'ALTER TABLE wide ADD COLUMN b text');
sql('a', "UPDATE notes SET code = 'another' WHERE id = 'u1'");
arrives('b', "notes WHERE id = 'u1'");
arrives('c', "notes WHERE id = 'u1' AND code = 'another'");
sql($_, 'CALL vecmark.maintain()') for @names;
converges('mended');
is(sql_all('SELECT count(*) FROM vecmark.parked'), '0 0 0', 'nothing is parked any more');
is(sql_all("SELECT (SELECT a || b FROM wide WHERE id = 'w'), (SELECT count(*) FROM notes WHERE id IN ('u1', 'u2')), (SELECT count(*) FROM replies WHERE id = 'r1')"),
	'ab|2|1 ab|2|1 ab|2|1', 'all is shown');

# ---- a stream with a gap claims nothing of it

sql('c', 'DROP SUBSCRIPTION c_from_a');
my $gap = txn('a', "INSERT INTO notes (id) VALUES ('gap')");
sql('a', "UPDATE notes SET likes = likes + 1 WHERE id = 'n1'");
subscribe('c', 'a');
$older = session($node{a});
$late = (split /\n/, ask($older, "BEGIN; INSERT INTO notes (id) VALUES ('open before it'); SELECT pg_current_xact_id()"))[-1];
my $after = txn('a', "INSERT INTO notes (id) VALUES ('after the gap')");
arrives('c', "notes WHERE id = 'after the gap'");
is(has('c', 'a', $after), 't', 'after a gap, what comes is in the version');
is(has('c', 'a', $gap), 'f', 'what was missed is not');
is(is_whole('c', 'a'), 'f', 'the stream is not whole');
is(sql('c', "SELECT ok FROM vecmark.health WHERE part = 'streams'"), 'f', 'which needs attention');
pull('c', 'a');
is(has('c', 'a', $gap), 't', 'until a pull');
is(is_whole('c', 'a'), 'f', 'but a transaction older than the first that came was open in it');
ask($older, 'COMMIT');
leave($older);
arrives('c', "notes WHERE id = 'open before it'");
is(has('c', 'a', $late), 't', 'what ends later comes by the stream');
is(is_whole('c', 'a'), 't', 'which is whole then');
converges('a gap');
ok(holds_all(), 'and it counts again');

# ---- a clock too far ahead

$older = session($node{a});
$late = (split /\n/, ask($older, "BEGIN; INSERT INTO notes (id) VALUES ('patient'); SELECT pg_current_xact_id()"))[-1];
my $ahead = txn('a', "SET vecmark.test_clock_offset = 3600000; INSERT INTO notes (id) VALUES ('ahead')");
arrives($_, "vecmark.quarantine WHERE ahead_ms > 3000000") for qw(b c);
ask($older, 'COMMIT');
leave($older);
arrives($_, "notes WHERE id = 'patient'") for qw(b c);
is(has('b', 'a', $late), 't', 'after a delta that was refused, what comes is in the version');
is(has('b', 'a', $ahead), 'f', 'what was refused is not');
is(is_whole('b', 'a'), 'f', 'the stream is not whole');
is(sql('b', "SELECT count(*) FROM notes WHERE id = 'ahead'"), '0', 'nothing of it is shown');
pull($_, 'a', undef, "SET vecmark.max_drift = '2 h'; ") for qw(b c);
is(is_whole('b', 'a'), 't', 'until it is pulled with another vecmark.max_drift');
converges('a clock ahead');
ok(holds_all(), 'and it counts again');

# ---- kill -9 of the worker, and of the server

# The writer takes its time: what kills comes between its transactions.
my $updates = $node{a}->basedir . '/updates.sql';
append_to_file($updates, join '', map { "UPDATE notes SET likes = likes + $_ WHERE id = 'n1'; SELECT pg_sleep(0.005);\n" } 1 .. 60);

sub crashes
{
	my ($what, $point) = @_;
	my $conf = $node{b}->data_dir . '/crash.conf';
	my $log = -s $node{b}->logfile;
	my $likes = sql('a', "SELECT likes FROM notes WHERE id = 'n1'");
	my ($out, $err) = ('', '');
	if ($point)
	{
		append_to_file($conf, "vecmark.testpoints = '$point'\n");
		sql('b', 'SELECT pg_reload_conf()');
	}
	my $writer = start([ 'psql', '-XqAt', '-f', $updates, '-d', $node{a}->connstr('postgres') ], '>', \$out, '2>', \$err, timeout(40));
	if ($point)
	{
		$node{b}->wait_for_log(qr/was terminated by signal 9/, $log);
		# the server may be down, and is killed again until it knows
		unlink $conf;
		$node{b}->poll_query_until('postgres', 'SELECT pg_reload_conf()') or die "$what: the server did not come back";
	}
	else
	{
		$node{b}->stop('immediate');
		$node{b}->start;
	}
	ok(finish($writer), "$what: the writer has ended") or diag($err);
	converges($what);
	is(sql('b', "SELECT likes - $likes FROM notes WHERE id = 'n1'"), 60 * 61 / 2, "$what: nothing is lost, nothing comes twice");
}
$node{b}->append_conf('postgresql.conf', "include_if_exists = 'crash.conf'");
crashes('kill -9 with a row written', 'sync-merged-row:kill@20');
crashes('kill -9 before the version moves', 'sync-merged-rows:kill@5');
crashes('the server stopped at once', undef);
ok(holds_all(), 'the streams are whole still');

# ---- rights

sql('a', q{CREATE ROLE writer; GRANT INSERT ON replies TO writer; CREATE ROLE keeper; ALTER TABLE wide OWNER TO keeper;
	ALTER TABLE wide ENABLE ROW LEVEL SECURITY; ALTER TABLE wide FORCE ROW LEVEL SECURITY; CREATE POLICY p ON wide FOR INSERT WITH CHECK (true)});
is(error_of($node{a}, 'SET ROLE writer; SELECT FROM replies'), '42501', 'who may not read');
sql('a', "SET ROLE writer; INSERT INTO replies VALUES ('r4', 'n1', 'by who may not read')");
arrives('b', "replies WHERE id = 'r4'");
pass('what he writes goes out');
is(sql('a', "SET ROLE keeper; INSERT INTO wide VALUES ('hidden'); SELECT count(*) FROM wide"), '0', 'who sees nothing by row-level security');
arrives('b', "wide WHERE id = 'hidden'");
pass('what he writes goes out');
sql('a', 'ALTER TABLE wide NO FORCE ROW LEVEL SECURITY; ALTER TABLE wide DISABLE ROW LEVEL SECURITY');
sql('b', 'CREATE ROLE stranger; GRANT ALL ON SCHEMA public TO stranger');
my $forged = sql('a', "SELECT d FROM vecmark.changes() AS d LIMIT 1");
is(error_of($node{b}, qq{SET ROLE stranger; CREATE TABLE forged (delta vecmark.delta);
	CREATE TRIGGER t BEFORE INSERT ON forged FOR EACH ROW EXECUTE FUNCTION vecmark_internal.merge_outbox();
	INSERT INTO forged VALUES ('$forged')}), '42501', 'who may not merge may not through an outbox of his own');

# ---- notifications

my %listener = map { $_ => session($node{$_}) } qw(a b);
ask($listener{$_}, 'LISTEN vecmark') for qw(a b);
my $notified = qr/Asynchronous notification "vecmark" with payload "public.notes"/;
my $heard = ask($listener{a}, "BEGIN; INSERT INTO notes (id) VALUES ('told'); UPDATE notes SET body = 'x' WHERE id IN ('told', 'n1'); COMMIT; SELECT 1");
is(scalar(() = $heard =~ /$notified/g), 1, 'one notification for a commit');
arrives('b', "notes WHERE id = 'told'");
is(scalar(() = ask($listener{b}, 'SELECT pg_sleep(0.2); SELECT 1') =~ /$notified/g), 1, 'and one where it is merged');
is(ask($listener{a}, "INSERT INTO replies VALUES ('r5', 'n1', 'quiet'); SELECT 1"), "1\n", 'none for a table that does not ask for it');
is(ask($listener{a}, "BEGIN; INSERT INTO notes (id) VALUES ('quiet'); PREPARE TRANSACTION 'quiet'; COMMIT PREPARED 'quiet'; SELECT 1"), "1\n",
	'none from a prepared transaction');
leave($listener{$_}) for qw(a b);

# ---- a chain: a stream carries what its own database wrote, pulls all

for my $name (@names)
{
	sql($name, 'CREATE DATABASE chain');
	sql($name, q{CREATE EXTENSION vecmark; CREATE TABLE links (id text PRIMARY KEY); SELECT vecmark.track('links'); SELECT vecmark.create_outbox('changes')}, 'chain');
}
subscribe('b', 'a', 'chain');
subscribe('c', 'b', 'chain');
sql('a', "INSERT INTO links VALUES ('a1')", 'chain');
arrives('b', "links WHERE id = 'a1'", 'chain');
sql('b', "INSERT INTO links VALUES ('b1')", 'chain');
arrives('c', "links WHERE id = 'b1'", 'chain');
pull('b', 'a', 'chain');
pull('c', 'b', 'chain');
is(sql('c', "SELECT string_agg(id, ' ' ORDER BY id) FROM links", 'chain'), 'a1 b1', 'a pull brings what b has from a');
is(sql('c', 'SELECT bool_and(whole) FROM vecmark.streams', 'chain'), 't', 'and makes the stream from b whole');
my $relayed = txn('a', "INSERT INTO links VALUES ('a2')", 'chain');
arrives('b', "links WHERE id = 'a2'", 'chain');
sql('b', "INSERT INTO links VALUES ('b2')", 'chain');
arrives('c', "links WHERE id = 'b2'", 'chain');
is(has('b', 'a', $relayed, 'chain') . has('c', 'a', $relayed, 'chain'), 'tf', 'the stream from b does not claim what b has from a');
is(sql('c', "SELECT count(*) FROM links WHERE id = 'a2'", 'chain'), '0', 'nor does it bring it');
pull('c', 'b', 'chain');
is(sql('c', "SELECT count(*) FROM links WHERE id = 'a2'", 'chain') . has('c', 'a', $relayed, 'chain'), '1t', 'a pull does');

# ---- in the end

for my $name (@names)
{
	pull($name, $_) for others($name);
}
converges('in the end');
is(sql_all(q{SELECT string_agg(t || ' ' || s::text, ', ') FROM unnest('{notes,replies,wide}'::regclass[]) AS t, vecmark.sync_check(t) AS s}), '  ',
	'all invariants hold');
is(sql_all('SELECT count(*) FROM changes'), '0 0 0', 'outboxes are empty');
$_->stop for values %node;
done_testing();
