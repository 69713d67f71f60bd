# 036_streams.pl: streams beside pulls, and forgetting: who is known by his stream only is waited for, and what comes late
# raises no dead.  Servers of their own, in an order that is given.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use SyncTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %node = map { $_ => server($_, "wal_level = logical\nwal_retrieve_retry_interval = 100ms\nmax_worker_processes = 20\nmax_logical_replication_workers = 10\n") } qw(x y w);
$_->start for values %node;
my ($x, $y, $w) = @node{qw(x y w)};

my $database;

# A database of its own on each server, for a case.
sub begin_case
{
	($database) = @_;
	for my $node ($x, $y, $w)
	{
		sql($node, "CREATE DATABASE $database");
		sql($node, q{CREATE EXTENSION vecmark; CREATE TABLE t (id text PRIMARY KEY, v text, u text); SELECT vecmark.track('t'), vecmark.build_digest('t'), vecmark.create_outbox('changes')}, $database);
	}
}

sub run_sql { return sql($_[0], $_[1], $database) }
sub pulls { return pull([ $_[0], $database ], [ $_[1], $database ]) }
sub all { return map { [ $_, $database ] } $x, $y, $w }

sub site { return run_sql($_[0], 'SELECT vecmark.site()') }

sub subscribe
{
	my ($to, $from) = @_;
	run_sql($to, sprintf("CREATE SUBSCRIPTION %s_%s CONNECTION '%s' PUBLICATION changes WITH (copy_data = false)",
		$database, $from->name, $from->connstr . " dbname=$database"));
}

# A stream stops, or goes on.
sub stream
{
	my ($to, $from, $action) = @_;
	my $name = $database . '_' . $from->name;
	run_sql($to, "ALTER SUBSCRIPTION $name $action");
	return if $action eq 'ENABLE';
	$to->poll_query_until($database, "SELECT pid IS NULL FROM pg_stat_subscription WHERE subname = '$name'") or die "$name did not stop";
}

# Everything that was written by now has come by the stream.
sub drains
{
	my ($to, $from) = @_;
	$from->wait_for_catchup($database . '_' . $from->name, 'replay', $from->lsn('flush'));
}

sub waits_for
{
	my ($node, $condition) = @_;
	$node->poll_query_until($database, "SELECT EXISTS (SELECT FROM $condition)") or die "did not come: $condition";
}

sub rows { return run_sql($_[0], q{SELECT coalesce(string_agg(id || coalesce('=' || v, ''), ' ' ORDER BY id), '') FROM t}) }

# All pull from all, twice; then rows, versions as far as rows go, and roots are the same, and nothing is parked.
sub are_at_rest
{
	my ($what, $expected) = @_;
	for (1 .. 2)
	{
		pull_all(map { my $to = $_; map { [ $to, $_ ] } grep { $_->[0] != $to->[0] } all() } all());
	}
	is(join(' | ', map { rows($_->[0]) } all()), join(' | ', ($expected) x 3), "$what: rows are what they should be on all");
	is(join(' ', map { run_sql($_->[0], q{SELECT settled FROM vecmark.root('t')}) } all()), 't t t', "$what: nothing is parked");
	my %roots = map { run_sql($_->[0], q{SELECT hash FROM vecmark.root('t')}) => 1 } all();
	is(scalar(keys %roots), 1, "$what: roots are equal");
	are_sound($what, all());
}

# ---- a peer that is known by its stream, which is cut while a row that it changes is deleted

begin_case('cut');
run_sql($y, q{INSERT INTO t VALUES ('k0')});
is(pulls($w, $y) . ' ' . pulls($x, $w), 'merged merged', 'what y has comes by way of a hub');
subscribe($x, $y);
run_sql($y, q{INSERT INTO t VALUES ('k1')});
waits_for($x, q{t WHERE id = 'k1'});
drains($x, $y);
is(run_sql($x, 'SELECT whole FROM vecmark.streams'), 't', 'and by a stream that is whole');
is(pulls($x, $y), 'nothing', 'so that a pull has nothing to bring');
is(run_sql($x, 'SELECT count(*) FROM vecmark.peers WHERE site IN (' . "'" . site($y) . "', '" . site($w) . "')"), '2', 'both are peers');
run_sql($x, q{INSERT INTO t VALUES ('k')});
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $w, $x ], [ $x, $w ], [ $y, $x ]);
stream($x, $y, 'DISABLE');
run_sql($y, q{UPDATE t SET v = 'by y' WHERE id = 'k'; INSERT INTO t VALUES ('k2', 'by y')});
run_sql($x, q{INSERT INTO t VALUES ('k2', 'by x'); DELETE FROM t WHERE id IN ('k', 'k2')});
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $y, $x ], [ $w, $x ], [ $x, $w ]);
run_sql($x, 'CALL vecmark.maintain()');
is(run_sql($x, 'SELECT count(*) FROM vecmark_internal.sync_tombstone'), '2', 'forgetting waits for who is known by his stream');
stream($x, $y, 'ENABLE');
drains($x, $y);
are_at_rest('a stream that was cut', 'k0 k1');
run_sql($_, 'CALL vecmark.maintain()') for $x, $y, $w;
is(join(' ', map { run_sql($_, 'SELECT count(*) FROM vecmark_internal.sync_tombstone') } $x, $y, $w), '0 0 0', 'and then all is forgotten');
are_at_rest('after all is forgotten', 'k0 k1');

# ---- a stream says what its sender holds, so who only streams is waited for no longer than it takes

begin_case('tells');
subscribe($x, $y);
subscribe($y, $x);
run_sql($y, q{INSERT INTO t VALUES ('k')});
drains($x, $y);
run_sql($x, q{INSERT INTO t VALUES ('l')});
drains($y, $x);
pull_all([ [ $x, $database ], [ $y, $database ] ], [ [ $y, $database ], [ $x, $database ] ]);
run_sql($x, q{DELETE FROM t});
drains($y, $x);
run_sql($y, q{INSERT INTO t VALUES ('after it')});
drains($x, $y);
run_sql($x, 'CALL vecmark.maintain()');
is(run_sql($x, 'SELECT count(*) FROM vecmark_internal.sync_tombstone'), '0', 'a delete is forgotten when the stream of the only peer shows that it knows');

# ---- who was no peer when deletes were forgotten: his stream is taken when he has heard of them

begin_case('late');
run_sql($x, q{INSERT INTO t VALUES ('k', 'by x'), ('k2', 'by x')});
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $w, $x ], [ $x, $w ]);
run_sql($x, 'DELETE FROM t');
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $w, $x ], [ $x, $w ]);
run_sql($x, 'CALL vecmark.maintain()');
is(run_sql($x, 'SELECT count(*) FROM vecmark_internal.sync_tombstone'), '0', 'two have forgotten');
subscribe($x, $y);
run_sql($y, q{INSERT INTO t VALUES ('k2', 'by y'), ('k3', 'by y'); UPDATE t SET u = 'more'});
drains($x, $y);
is(rows($x), '', 'what a stranger writes who does not know of it is not shown');
is(run_sql($x, q{SELECT count(*) FROM vecmark.parked}), '0', 'nor parked');
is(run_sql($x, q{SELECT ok FROM vecmark.health WHERE part = 'streams'}), 'f', 'and health says that something is missing');
is(pulls($x, $y), 'VM003', 'as a pull does');
is(pulls($y, $x), 'merged', 'the stranger joins');
is(pulls($x, $y), 'merged', 'and is heard');
is(run_sql($x, q{SELECT ok FROM vecmark.health WHERE part = 'streams'}), 't', 'all is well then');
run_sql($y, q{INSERT INTO t VALUES ('k4')});
drains($x, $y);
is(rows($x), 'k2=by y k3=by y k4', 'its stream too');
are_at_rest('a stranger', 'k2=by y k3=by y k4');

# ---- a part of a row that came by a stream, and whose rest was forgotten by who joins others

begin_case('rest');
run_sql($y, q{INSERT INTO t VALUES ('k'), ('stays')});
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $w, $y ], [ $y, $w ]);
subscribe($x, $y);
run_sql($y, q{UPDATE t SET v = 'a part'});
drains($x, $y);
is(run_sql($x, q{SELECT count(*), min(sqlstate) FROM vecmark.parked}), '2|P0002', 'parts of rows that are not here are parked');
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $w, $y ]);
run_sql($w, q{DELETE FROM t WHERE id = 'k'});
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $y, $w ], [ $w, $y ]);
run_sql($_, 'CALL vecmark.maintain()') for $w, $y;
is(run_sql($w, 'SELECT count(*) FROM vecmark_internal.sync_tombstone'), '0', 'the delete is forgotten');
is(pulls($x, $w), 'merged', 'x joins');
is(run_sql($x, q{SELECT count(*) FROM vecmark.parked}), '1', 'one row is whole');
# a pull has no delta where the stream has brought everything that was numbered
run_sql($y, q{INSERT INTO t VALUES ('another'); SELECT pg_current_xact_id()});
is(pulls($x, $y), 'merged', 'and hears from who wrote the part');
is(run_sql($x, q{SELECT count(*) FROM vecmark.parked}), '0', 'who has no more of it: it is dropped');
are_at_rest('the rest of a row', 'another stays=a part');

# ---- a clock that was a year ahead, for two statements

begin_case('ahead');
subscribe($x, $y);
run_sql($y, q{INSERT INTO t VALUES ('k'), ('l'), ('n')});
drains($x, $y);
pull_all(map { [ map { [ $_, $database ] } @$_ ] } [ $x, $y ], [ $w, $y ]);
my $next_year = (time + 366 * 86400) * 1000;
run_sql($y, "SET vecmark.test_clock = $next_year; UPDATE t SET v = 'ahead' WHERE id = 'k'; DELETE FROM t WHERE id IN ('l', 'n'); INSERT INTO t VALUES ('n', 'again')");
drains($x, $y);
is(rows($x), 'k l n', 'what comes from next year is not shown');
is(run_sql($x, 'SELECT count(*) > 0 FROM vecmark.quarantine'), 't', 'but kept');
run_sql($y, q{UPDATE t SET v = 'well timed' WHERE id = 'k'; INSERT INTO t VALUES ('m')});
is(pulls($x, $y) . ' ' . pulls($w, $y), 'VM002 VM002', 'and refused, with all that is written later');
is(error_of($x, "SELECT vecmark.version(); SET vecmark.max_drift = '10000 d'", $database), 'no error', 'a setting can allow for years');
is(pull([ $w, $database ], [ $y, $database ], "SET vecmark.max_drift = '400 d'; "), 'merged', 'and be raised where it is merged');
is(error_of($y, "SELECT vecmark.restamp('-1 minute')", $database), '22023', 'a time is not negative');
is(run_sql($y, 'SELECT vecmark.restamp()'), '3', 'its own database tells it anew');
is(run_sql($y, 'SELECT vecmark.restamp()'), '0', 'once');
is(pulls($x, $y), 'merged', 'then it is merged');
is(run_sql($x, 'SELECT count(*) FROM vecmark.quarantine'), '0', 'and nothing is in quarantine any more');
run_sql($y, q{UPDATE t SET u = 'by the stream' WHERE id = 'k'});
drains($x, $y);
is(run_sql($x, q{SELECT v || ' ' || u FROM t WHERE id = 'k'}), 'well timed by the stream', 'the stream goes on');
are_at_rest('a clock that was ahead', 'k=well timed m n=again');
run_sql($x, q{UPDATE t SET v = 'later'});
are_at_rest('what is written after it', 'k=later m=later n=later');

done_testing();
