# 024_hnsw_room.pl: an index where there is no room: a full disk, little shared memory; and room that a crash left unused.
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

# ---- little shared memory

SKIP:
{
	skip $no_mounts, 1 unless $may_mount;
	mount_small('/dev/shm', '10m');
	my $little = new_node('little', "min_parallel_table_scan_size = 0\nmax_parallel_maintenance_workers = 1\nmaintenance_work_mem = 256MB\n");
	$little->safe_psql('postgres', q{
		CREATE TABLE large AS SELECT i AS id, spread(i, 256)::vector(256) AS v FROM generate_series(1, 6000) AS i;
		ALTER TABLE large SET (parallel_workers = 1);
		ANALYZE large});
	my ($status, $out, $err) = $little->psql('postgres', 'CREATE INDEX large_v ON large USING hnsw (v vector_l2_ops)');
	is($status, 0, 'little shared memory: the index is built');
	like($err, qr/NOTICE:  index "large_v" is built by one process\n.*DETAIL:  The graph is expected to take \d+ MB of shared memory, and \d+ MB can be had\.\n.*HINT:  .*--shm-size/, 'by one process, and why');
	unlike($err, qr/no longer fits/, 'in its own memory');
	# Where the planner knows of fewer rows than there are.
	($status, $out, $err) = $little->psql('postgres', q{UPDATE pg_class SET reltuples = 100 WHERE relname = 'large'; REINDEX INDEX large_v});
	is($status, 0, 'little shared memory, and more rows than expected: the index is built');
	like($err, qr/NOTICE:  hnsw graph no longer fits into shared memory after \d+ tuples\n.*HINT:  .*--shm-size/s, 'goes on in pages, and says so');
	is($little->safe_psql('postgres', q{SELECT count(*) FROM vecmark.hnsw_check('large_v')}), '0', 'and is whole');
	is($little->safe_psql('postgres', q{SELECT tids FROM vecmark.hnsw_info('large_v')}), '6000', 'with all rows');
	$little->stop;
}

# ---- room that a crash left unused is used

# Blocks of a file that are directory pages, by the special space (src/hnsw/hnsw.h).
sub directory_blocks
{
	my ($bytes) = @_;
	return grep { substr($bytes, 8192 * $_ + 8184, 8) eq pack('SSL', 2, 0, 0x766d6878) } 0 .. length($bytes) / 8192 - 1;
}

# What is written is not logged for long, and what is logged not flushed: a crash loses it.
my $lost = new_node('lost', "wal_writer_delay = 10000\nshared_buffers = 64MB\nrestart_after_crash = on\n");
$lost->safe_psql('postgres', q{
	CREATE TABLE whole AS SELECT i AS id, spread(i, 64)::vector(64) AS v FROM generate_series(1, 1200) AS i;
	CREATE INDEX whole_v ON whole USING hnsw (v vector_l2_ops);
	CREATE TABLE items (id int, v vector(64));
	CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
	CHECKPOINT});
my ($first_group, $second_group) = directory_blocks(slurp_file($lost->data_dir . '/' . $lost->safe_psql('postgres', "SELECT pg_relation_filepath('whole_v')")));
my $items_file;

# Crash between an insert that begins the second group and the flush of its WAL.  What writes WAL now and then may come
# in between; then again.
sub lose_second_group
{
	for my $try (1 .. 5)
	{
		$lost->safe_psql('postgres', 'TRUNCATE items; INSERT INTO items SELECT i, spread(i, 64) FROM generate_series(1, 460) AS i; CHECKPOINT');
		$items_file = $lost->data_dir . '/' . $lost->safe_psql('postgres', "SELECT pg_relation_filepath('items_v')");
		my $doomed = $lost->background_psql('postgres');
		$doomed->query_safe('BEGIN; INSERT INTO items SELECT i, spread(i, 64) FROM generate_series(1001, 1080) AS i');
		$lost->stop('immediate');
		eval { $doomed->quit };
		$lost->start;
		return if directory_blocks(slurp_file($items_file)) == 1;
	}
}

# All is sound, and every row is found where a scan looks at every number.
sub is_sound
{
	my ($rows, $pages, $what) = @_;
	is($lost->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('items_v')"), '', "$what: sound");
	is($lost->safe_psql('postgres', "SELECT tids, directory_bytes / 8192 FROM vecmark.hnsw_info('items_v')"), "$rows|$pages", "$what: its size");
	is($lost->safe_psql('postgres', "LOAD 'vecmark'; SET enable_seqscan = off; SET enable_sort = off; SET hnsw.iterative_scan = relaxed_order; SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> spread(7, 64)) AS t"), $rows, "$what: every row is found");
}

lose_second_group();
my $after = slurp_file($items_file);
cmp_ok(length($after), '>', 8192 * $second_group, 'the index is longer than the first group');
is_deeply([ directory_blocks($after) ], [$first_group], 'and has not a second');
is_sound(460, 1, 'after a crash');
$lost->safe_psql('postgres', 'INSERT INTO items SELECT i, spread(i, 64) FROM generate_series(461, 480) AS i');
is_sound(480, 1, 'what was lost is used again');
$lost->safe_psql('postgres', 'INSERT INTO items SELECT i, spread(i, 64) FROM generate_series(481, 600) AS i');
is_sound(600, 2, 'and then what was reserved');

# As a vecmark before this one left it: a second group was begun, and the first is not full.
lose_second_group();
$lost->stop;
my $page = substr(slurp_file($items_file), 8192 * $first_group, 8192);
my $entries = unpack('S', substr($page, 12, 2)) - 32;
substr($page, 24, 2) = pack('S', 0);
substr($page, 32, $entries) = "\0" x $entries;
open(my $file, '+<:raw', $items_file) or die "$items_file: $!";
seek($file, 8192 * $second_group, 0);
print $file $page;
close($file) or die "$items_file: $!";
$lost->start;
is_sound(460, 2, 'a gap in the directory');
$lost->safe_psql('postgres', 'DELETE FROM items WHERE id = 1; VACUUM (INDEX_CLEANUP ON) items; INSERT INTO items SELECT i, spread(i, 64) FROM generate_series(461, 490) AS i');
is_sound(489, 2, 'and filled');
$lost->stop;
is(unpack('S', substr(slurp_file($items_file), 8192 * $second_group + 24, 2)), 0, 'before anything else is used');

# A directory page that is lost is missed if one comes after it.
open($file, '+<:raw', $items_file) or die "$items_file: $!";
seek($file, 8192 * $first_group, 0);
print $file "\0" x 8192;
close($file) or die "$items_file: $!";
$lost->start;
like($lost->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('items_v')"), qr/^2\|$first_group\|\|there is no directory page, and there is one after it/m, 'a lost directory page is missed');
$lost->stop;

done_testing();
