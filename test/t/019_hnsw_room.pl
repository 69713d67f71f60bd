# 019_hnsw_room.pl: an index where there is no room: a full disk.
use strict;
use warnings;

# Small file systems are mounted in a namespace of this test's own, where that is allowed.
BEGIN
{
	if (!exists $ENV{VECMARK_OWN_MOUNTS})
	{
		my @unshare = ('unshare', '--user', '--map-current-user', '--keep-caps', '--mount');
		$ENV{VECMARK_OWN_MOUNTS} = system("@unshare mount -t tmpfs none /dev/shm 2>/dev/null") == 0 ? 1 : 0;
		exec @unshare, $^X, (map { "-I$_" } @INC), $0 if $ENV{VECMARK_OWN_MOUNTS};
	}
}
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish timer);
use Test::More;

my $may_mount = $ENV{VECMARK_OWN_MOUNTS};
my $no_mounts = 'file systems cannot be mounted here';

# Longer than anything takes here: what has not ended by then hangs.
my $for_ever = 180;

sub mount_small
{
	my ($where, $size) = @_;
	system_or_bail('mount', '-t', 'tmpfs', '-o', "size=$size", 'none', $where);
}

sub new_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my @without_checksums = $node->pg_version >= 18 ? ('--no-data-checksums') : ();
	$node->init(extra => \@without_checksums);
	$node->append_conf('postgresql.conf', "autovacuum = off\n$conf");
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION vecmark;
		CREATE FUNCTION spread(i int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS
			'SELECT array_agg((hashint8(i * 1000::bigint + g) % 1000) / 1000.0::real)::vector FROM generate_series(1, dim) AS g'});
	return $node;
}

# Processes that build an index.
my $builders = q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CREATE INDEX' AND backend_type IN ('client backend', 'parallel worker') AND state = 'active'};

my $node = new_node('main', q{
min_parallel_table_scan_size = 0
max_parallel_maintenance_workers = 2
max_parallel_workers = 8
});
$node->safe_psql('postgres', q{
	CREATE TABLE big AS SELECT i AS id, spread(i, 64)::vector(64) AS v FROM generate_series(1, 6000) AS i;
	ALTER TABLE big SET (parallel_workers = 2)});

# ---- a build that cannot extend the index ends

# Build, which must fail; returns what it says.
sub fails
{
	my ($what, $settings, $place) = @_;
	my $timed_out;
	my ($status, $out, $err) = $node->psql('postgres', "$settings; CREATE INDEX big_v ON big USING hnsw (v vector_l2_ops) $place",
		timeout => $for_ever, timed_out => \$timed_out);
	ok(!$timed_out, "$what: it ends") or BAIL_OUT('a build hangs');
	isnt($status, 0, "$what: and fails");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'big_v'"), '0', "$what: nothing is left");
	$node->poll_query_until('postgres', $builders, '0') or die 'workers stay';
	return $err;
}

for my $at (2, 3, 6)
{
	for my $memory ('64MB', '1MB')
	{
		my $err = fails("error at extension $at, $memory", "SET maintenance_work_mem = '$memory'; SET vecmark.testpoints = 'hnsw_extend:error\@$at'", '');
		like($err, qr/test point "hnsw_extend" was reached/, 'and says why');
	}
}

SKIP:
{
	skip $no_mounts, 1 unless $may_mount;
	my $small = $node->basedir . '/small';
	mkdir $small;
	mount_small($small, '6m');
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small'");
	for my $run (1 .. 10)
	{
		my $memory = $run % 2 ? '64MB' : '1MB';
		my $err = fails("full disk, run $run", "\\set VERBOSITY verbose\nSET maintenance_work_mem = '$memory'", 'TABLESPACE small');
		like($err, qr/ERROR:  53100: could not extend file/, 'and says why');
	}
	$node->safe_psql('postgres', 'DROP TABLESPACE small');
}

# ---- nor does it keep anybody from ending it while it waits

# Start a build whose participants all wait to extend the index: one for the test, the others for that one.
sub start_waiting
{
	my ($memory) = @_;
	my $holder = $node->background_psql('postgres');
	$holder->query_safe("SELECT pg_advisory_lock(hashtext('hnsw_extend'))");
	my ($out, $err) = ('', '');
	my $build = start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c',
			"SET maintenance_work_mem = '$memory'", '-c', "SET vecmark.testpoints = 'hnsw_extend:wait'",
			'-c', 'CREATE INDEX big_v ON big USING hnsw (v vector_l2_ops)' ], '<', \undef, '>', \$out, '2>', \$err, timer($for_ever));
	# the metapage
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'no build waits';
	$holder->query_safe("SELECT pg_advisory_unlock(hashtext('hnsw_extend')); SELECT pg_sleep(0); SELECT pg_advisory_lock(hashtext('hnsw_extend'))");
	$node->poll_query_until('postgres', q{SELECT count(*) FILTER (WHERE locktype = 'advisory') = 1 AND count(*) FILTER (WHERE locktype = 'extend') >= 1 FROM pg_locks WHERE NOT granted})
		or die 'no participants wait';
	return { holder => $holder, build => $build, err => \$err };
}

for my $how ('cancel', 'terminate')
{
	my $waiting = start_waiting('64MB');
	$node->safe_psql('postgres', "SELECT pg_${how}_backend(pid) FROM pg_stat_activity WHERE query ~ '^CREATE INDEX' AND backend_type = 'client backend'");
	finish($waiting->{build});
	like(${ $waiting->{err} }, $how eq 'cancel' ? qr/canceling statement due to user request/ : qr/terminating connection/, "$how: the build ends while it waits");
	ok($node->poll_query_until('postgres', $builders, '0'), "$how: and its workers");
	$waiting->{holder}->quit;
}
{
	my $waiting = start_waiting('64MB');
	ok($node->stop('fast', fail_ok => 1), 'a server shuts down while a build waits') or BAIL_OUT('the server does not stop');
	finish($waiting->{build});
	eval { $waiting->{holder}->quit };
	$node->start;
}
is($node->safe_psql('postgres', q{SET max_parallel_maintenance_workers = 2; CREATE INDEX big_v ON big USING hnsw (v vector_l2_ops);
	SELECT count(*) FROM vecmark.hnsw_check('big_v')}), '0', 'after all of that it is built, and whole');
$node->stop;

done_testing();
