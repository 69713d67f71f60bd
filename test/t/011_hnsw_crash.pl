# 011_hnsw_crash.pl: kill -9 in the middle of build, insert and vacuum: after each the index is sound and finds every row.
#
# VECMARK_CRASHES is how many there are beside one at each test point: 12 by default.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish);
use Time::HiRes qw(usleep);
use Test::More;

my $crashes = $ENV{VECMARK_CRASHES} || 12;
srand(3);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
restart_after_crash = on
autovacuum = off
jit = off
shared_buffers = 4MB
checkpoint_timeout = 30s
max_wal_size = 64MB
min_parallel_table_scan_size = 0
});
$node->start;

# Vectors of 8 dimensions, some equal, some zero, some NULL; and of 1,990, whose slots have two pages.
my $narrow = q{CASE WHEN i % 60 = 7 THEN NULL WHEN i % 50 = 3 THEN '[0,0,0,0,0,0,0,0]'
	WHEN i % 3 = 0 THEN ARRAY[i % 5, 1, 2, 3, i % 2, 0, 0, 1]::vector
	ELSE (SELECT array_agg(random() * 2 - 1) FROM generate_series(1, 8 + 0 * i))::vector END};
my $wide = q{(SELECT p.v + q.v FROM pool AS p, pool AS q WHERE p.id = abs(hashint4(i)) % 40 AND q.id = abs(hashint4(i)) / 7 % 40)};
$node->safe_psql('postgres', qq{
	CREATE EXTENSION vecmark;
	CREATE TABLE pool AS SELECT i AS id, (SELECT array_agg(random()) FROM generate_series(1, 1990 + 0 * i))::vector(1990) AS v
		FROM generate_series(0, 39) AS i;
	CREATE SEQUENCE numbers;
	CREATE TABLE narrow (id int, v vector(8));
	CREATE INDEX narrow_v ON narrow USING hnsw (v vector_cosine_ops) WITH (m = 6, ef_construction = 20);
	CREATE TABLE wide (id int, v vector(1990));
	CREATE INDEX wide_v ON wide USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16);
	CREATE TABLE small (id int, v vector(1990));
	CREATE INDEX small_v ON small USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16, storage = int8);
	CREATE UNLOGGED TABLE loose (id int, v vector(8));
	CREATE INDEX loose_v ON loose USING hnsw (v vector_cosine_ops);
	CREATE TABLE built (id int, v vector(8));
	INSERT INTO narrow SELECT i, $narrow FROM generate_series(1, 600) AS i;
	INSERT INTO wide SELECT i, $wide FROM generate_series(1, 60) AS i;
	INSERT INTO small SELECT i, $wide FROM generate_series(1, 60) AS i;
	INSERT INTO built SELECT i, $narrow FROM generate_series(1, 6000) AS i;
	CREATE INDEX built_v ON built USING hnsw (v vector_cosine_ops);
	SELECT setval('numbers', 1000);
});

my %index = (narrow => '<=>', wide => '<->', small => '<->', loose => '<=>', built => '<=>');

# The query for all rows of a table by its index, and those of its heap.
sub rows_by_index
{
	my ($table) = @_;
	my $zero = '[' . join(',', 1, (0.5) x ($table eq 'wide' || $table eq 'small' ? 1989 : 7)) . ']';
	return "SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM (SELECT id FROM $table ORDER BY v $index{$table} '$zero' LIMIT 1000000) AS t";
}
my $by_index = q{LOAD 'vecmark'; SET enable_seqscan = off; SET enable_sort = off; SET hnsw.iterative_scan = relaxed_order;
	SET hnsw.max_scan_tuples = 2147483647; SET hnsw.scan_mem_multiplier = 1000; };

sub check
{
	my ($what) = @_;
	my $good = 1;
	for my $table (sort keys %index)
	{
		my $has_index = $node->safe_psql('postgres', "SELECT count(*) FROM pg_index WHERE indrelid = '$table'::regclass AND indisvalid");
		next unless $has_index;
		my $found = $node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('${table}_v')");
		$good &= is($found, '', "$what: $table is sound");
		my $expected = $node->safe_psql('postgres', "SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM $table WHERE v IS NOT NULL");
		$good &= is($node->safe_psql('postgres', $by_index . rows_by_index($table)), $expected, "$what: every row of $table is found");
		if ($what eq 'at first')
		{
			like($node->safe_psql('postgres', $by_index . 'EXPLAIN ' . rows_by_index($table)), qr/Index Scan using ${table}_v/, "$table is read by its index");
		}
	}
	return $good;
}

# Start psql on SQL, which goes on until it is killed or done.
my $runs = 0;

sub run
{
	my ($sql) = @_;
	my $run = { out => '', err => '' };
	my $file = $node->basedir . '/run' . ++$runs . '.sql';
	append_to_file($file, $sql);
	$run->{handle} = start([ 'psql', '-Xqt', '-d', $node->connstr('postgres'), '-f', $file ], '<', \undef, '>', \$run->{out}, '2>', \$run->{err});
	return $run;
}

sub running
{
	return split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'");
}

# Inserts, updates, deletes and vacuums, for longer than anybody waits.
sub start_mix
{
	my $adds = qq{INSERT INTO narrow SELECT i, $narrow FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 19) AS i;
		INSERT INTO loose SELECT i, $narrow FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 9) AS i;\n};
	my $wides = qq{INSERT INTO wide SELECT i, $wide FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 2) AS i;
		INSERT INTO small SELECT i, $wide FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 2) AS i;
		UPDATE narrow SET id = id WHERE id % 50 = 11;\n};
	my $takes = join '', map { qq{DELETE FROM $_ WHERE random() < 0.3;\n VACUUM (INDEX_CLEANUP ON) $_;\n} } qw(narrow wide small loose);
	return map { run($_ x 200) } $adds, $wides, $takes;
}

sub finish_all
{
	finish($_->{handle}) for @_;
}

# Wait until the server is there again.  It takes a moment to see that a backend was killed.
sub recovered
{
	usleep(200_000);
	$node->poll_query_until('postgres', 'SELECT true') or die 'no recovery';
}

# Kill a backend in the midst of what it does, which ends the whole server.
sub crash_by_kill
{
	my @pids = running();
	if (!@pids || !kill('KILL', $pids[ rand @pids ]))
	{
		# All were done: killed at rest, then.
		my $sleeper = run('SELECT pg_sleep(100)');
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(100)'");
		kill 'KILL', running();
		finish($sleeper->{handle});
	}
	return scalar @pids;
}

check('at first');

# What is tried in turn.
my @points = (
	'hnsw_insert_node:kill@7', 'hnsw_insert_linked:kill@4', 'hnsw_delete_page:kill@1', 'hnsw_vacuum_marked:kill@1',
	'hnsw_repair_page:kill@1', 'hnsw_repair_done:kill@1', 'hnsw_repair_freed_upper:kill@1', 'hnsw_build_row:kill@500', 'hnsw_build_group:kill@2');
my $work = qq{
	INSERT INTO narrow SELECT i, $narrow FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 19) AS i;
	INSERT INTO wide SELECT i, $wide FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 9) AS i;
	DELETE FROM narrow WHERE random() < 0.4;
	DELETE FROM wide WHERE random() < 0.4;
	VACUUM (INDEX_CLEANUP ON) narrow;
	VACUUM (INDEX_CLEANUP ON) wide;
	SET max_parallel_maintenance_workers = 0;
	REINDEX INDEX built_v;
};

# What there is to lose.
sub refill
{
	$node->safe_psql('postgres', qq{
		DELETE FROM narrow WHERE id IN (SELECT id FROM narrow ORDER BY random() OFFSET 1500);
		DELETE FROM wide WHERE id IN (SELECT id FROM wide ORDER BY random() OFFSET 150);
		DELETE FROM small WHERE id IN (SELECT id FROM small ORDER BY random() OFFSET 150);
		INSERT INTO narrow SELECT i, $narrow FROM generate_series(1, 200) AS i;
		INSERT INTO wide SELECT i, $wide FROM generate_series(1, 20) AS i;
		INSERT INTO loose SELECT i, $narrow FROM generate_series(1, 50) AS i});
}

# Check all after a crash, and again after some use.
sub check_crash
{
	my ($what) = @_;
	my $good = is($node->safe_psql('postgres', 'SELECT count(*) FROM loose'), '0', "$what: the unlogged table is empty");
	$good &= check($what);
	$node->safe_psql('postgres', qq{
		INSERT INTO loose SELECT i, $narrow FROM generate_series(1, 40) AS i;
		INSERT INTO narrow SELECT i, $narrow FROM nextval('numbers') AS n, generate_series(n::int * 1000, n::int * 1000 + 9) AS i;
		DELETE FROM narrow WHERE random() < 0.1});
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) narrow');
	$good &= check("$what, and used");
	return $good;
}

my $good = 1;
for my $point (@points)
{
	last unless $good;
	refill();
	my ($status, $out, $err) = $node->psql('postgres', "SET vecmark.testpoints = '$point'; $work");
	isnt($status, 0, "killed at $point");
	recovered();
	$good &= check_crash("killed at $point");
}

for my $crash (1 .. $crashes)
{
	last unless $good;
	refill();
	my $what = "crash $crash";
	if ($crash % 3 == 0)
	{
		my @runs = start_mix();
		usleep(1000 * (50 + rand 700));
		my $backends = crash_by_kill();
		finish_all(@runs);
		$what .= ", one of $backends backends";
		recovered();
	}
	elsif ($crash % 3 == 1)
	{
		my @runs = start_mix();
		usleep(1000 * (50 + rand 700));
		$node->stop('immediate');
		finish_all(@runs);
		$what .= ', immediate stop';
		$node->start;
	}
	else
	{
		my $build = ('REINDEX INDEX built_v', 'DROP INDEX built_v; CREATE INDEX built_v ON built USING hnsw (v vector_cosine_ops)',
			'REINDEX INDEX CONCURRENTLY built_v', 'SET maintenance_work_mem = 1024; REINDEX INDEX built_v',
			'ALTER TABLE built SET (parallel_workers = 2); REINDEX INDEX built_v')[ ($crash / 3) % 5 ];
		my @runs = (run($build), run("UPDATE built SET id = id WHERE id % 40 = 3;\n" x 100));
		usleep(1000 * (20 + rand 500));
		my $backends = crash_by_kill();
		finish_all(@runs);
		$what .= ", $build, one of $backends backends";
		recovered();
		# what a build that is not one transaction leaves
		$node->safe_psql('postgres', "DROP INDEX $_") for split /\n/, $node->safe_psql('postgres',
			"SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'built'::regclass AND NOT indisvalid");
		$node->safe_psql('postgres', 'CREATE INDEX IF NOT EXISTS built_v ON built USING hnsw (v vector_cosine_ops)');
	}
	$good &= check_crash($what);
}

# An error at each point ends what was going on and nothing else.
for my $point (map { s/kill/error/r } @points)
{
	my ($status, $out, $err) = $node->psql('postgres', "SET vecmark.testpoints = '$point'; $work", on_error_stop => 0);
	like($err, qr/test point "\w+" was reached/, "error at $point");
	check("error at $point");
}

unlike(slurp_file($node->logfile), qr/TRAP:|PANIC:|is corrupted|is lost/, 'the log says nothing of corruption');
$node->stop;
done_testing();
