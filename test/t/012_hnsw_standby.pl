# 012_hnsw_standby.pl: a standby that replays every page as the primary wrote it is searched all the while, and answers as it does.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish);
use Test::More;

my $rounds = $ENV{VECMARK_ROUNDS} || 10;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "wal_consistency_checking = 'all'\nautovacuum = off\njit = off\nmax_wal_size = 4GB");
$primary->start;

my $narrow = q{CASE WHEN i % 60 = 7 THEN NULL WHEN i % 50 = 3 THEN '[0,0,0,0,0,0,0,0]'
	WHEN i % 3 = 0 THEN ARRAY[i % 5, 1, 2, 3, i % 2, 0, 0, 1]::vector
	ELSE (SELECT array_agg(random() * 2 - 1) FROM generate_series(1, 8 + 0 * i))::vector END};
my $wide = q{(SELECT p.v + q.v FROM pool AS p, pool AS q WHERE p.id = abs(hashint4(i)) % 40 AND q.id = abs(hashint4(i)) / 7 % 40)};
$primary->safe_psql('postgres', qq{
	CREATE EXTENSION vecmark;
	CREATE TABLE pool AS SELECT i AS id, (SELECT array_agg(random()) FROM generate_series(1, 1990 + 0 * i))::vector(1990) AS v
		FROM generate_series(0, 40) AS i;
	CREATE TABLE narrow (id int, note text, v vector(8));
	CREATE INDEX narrow_v ON narrow USING hnsw (v vector_cosine_ops) WITH (m = 6, ef_construction = 20);
	CREATE TABLE wide (id int, note text, v vector(1990));
	CREATE INDEX wide_v ON wide USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16);
	CREATE TABLE small (id int, note text, v vector(1990));
	CREATE INDEX small_v ON small USING hnsw (v vector_l1_ops) WITH (m = 8, ef_construction = 16, storage = int8);
	INSERT INTO narrow SELECT i, '', $narrow FROM generate_series(1, 1000) AS i;
	INSERT INTO wide SELECT i, '', $wide FROM generate_series(1, 60) AS i;
});

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# Queries of the standby end by themselves soon; replay waits for them where it must.
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nmax_standby_streaming_delay = -1\nshared_buffers = 4MB");
$standby->start;

# Start psql on some SQL; what it writes goes to out and err.
sub run
{
	my ($server, $sql) = @_;
	my $run = { in => $sql, out => '', err => '' };
	$run->{handle} = start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $server->connstr('postgres') ],
		'<', \$run->{in}, '>', \$run->{out}, '2>', \$run->{err});
	return $run;
}

my %order = (narrow => q{v <=> '[1,0.5,0.5,0.5,0.5,0.5,0.5,0.5]'}, wide => q{v <-> (SELECT v FROM pool WHERE id = 1)},
	small => q{v <+> (SELECT v FROM pool WHERE id = 1)});

# Searches: short ones, long ones, and the whole of the index; a row that is there must be found, all the time.  It lies
# among the others, and has no vector of theirs: one that is far from all of them may be out of reach of a short search.
my $staying = 'SELECT p.v + q.v FROM pool AS p, pool AS q WHERE p.id = 5 AND q.id = 40';
$primary->safe_psql('postgres', qq{INSERT INTO narrow VALUES (-1, 'stays', '[1,2,3,4,5,6,7,8]');
	INSERT INTO wide SELECT -1, 'stays', v FROM ($staying) AS s(v);
	INSERT INTO small SELECT -1, 'stays', v FROM ($staying) AS s(v)});
$primary->wait_for_catchup($standby);
my $settings = q{LOAD 'vecmark'; SET client_min_messages = warning; SET enable_seqscan = off; SET enable_sort = off;
	SET hnsw.max_scan_tuples = 2147483647; SET hnsw.scan_mem_multiplier = 1000;};
my $searches = $settings . join '', map {
	my $table = $_;
	my $same = $table eq 'narrow' ? q{v <=> '[1,2,3,4,5,6,7,8]'} : 'v ' . ($table eq 'wide' ? '<->' : '<+>') . " ($staying)";
	qq{SELECT 'found ' || min(id) FROM (SELECT id FROM $table ORDER BY $same LIMIT 1) AS t;
	SELECT 'some' FROM (SELECT count(*) FROM (SELECT id FROM $table ORDER BY $order{$table} LIMIT 200) AS t) AS c;
	SET hnsw.iterative_scan = relaxed_order;
	SELECT 'all ' || count(*) FROM (SELECT id FROM $table ORDER BY $order{$table} LIMIT 1000000) AS t WHERE id = -1;
	RESET hnsw.iterative_scan;\n}
} sort keys %order;

my $changes = qq{
	INSERT INTO narrow SELECT i, '', $narrow FROM generate_series(ROUND * 1000, ROUND * 1000 + 200) AS i;
	INSERT INTO wide SELECT i, '', $wide FROM generate_series(ROUND * 1000, ROUND * 1000 + 20) AS i;
	INSERT INTO small SELECT i, '', $wide FROM generate_series(ROUND * 1000, ROUND * 1000 + 20) AS i;
	UPDATE narrow SET note = 'ROUND' WHERE random() < 0.1;
	UPDATE narrow SET v = '[1,1,1,1,1,1,1,1]' WHERE random() < 0.05 AND id > 0;
	UPDATE wide SET note = 'ROUND' WHERE random() < 0.1;
	DELETE FROM narrow WHERE random() < 0.25 AND id > 0;
	DELETE FROM wide WHERE random() < 0.3 AND id > 0;
	DELETE FROM small WHERE random() < 0.3 AND id > 0;
	VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) narrow;
	VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) wide;
	VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) small;
};
my $failures = 0;
for my $round (1 .. $rounds)
{
	(my $sql = $changes) =~ s/ROUND/$round/g;
	$sql .= "REINDEX INDEX wide_v;\n" if $round == 5;
	$sql .= "DELETE FROM small WHERE id > 0; VACUUM (INDEX_CLEANUP ON) small;\n" if $round == 7;
	my $other = run($primary, "INSERT INTO narrow SELECT i, 'other', $narrow FROM generate_series(-$round * 1000 - 100, -$round * 1000) AS i;\n");
	my @searchers = map { run($standby, $searches x 3) } 1 .. 2;
	my $writer = run($primary, $sql);
	for my $run ($other, $writer)
	{
		finish($run->{handle}) or $failures++;
		is($run->{err}, '', "round $round: writing");
	}
	for my $run (@searchers)
	{
		finish($run->{handle}) or $failures++;
		is($run->{err}, '', "round $round: searching the standby");
		is(join(' ', sort { $a cmp $b } $run->{out} =~ /^found (.*)$/mg), join(' ', ('-1') x 9), "round $round: the nearest row is found all the time");
		is(join(' ', $run->{out} =~ /^all (.*)$/mg), join(' ', (1) x 9), "round $round: and as one of all");
	}
	last if $failures;
}

$primary->wait_for_catchup($standby);
for my $table (sort keys %order)
{
	my $rows = "SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM $table WHERE v IS NOT NULL";
	my $found = "SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM (SELECT id FROM $table ORDER BY $order{$table} LIMIT 1000000) AS t";
	my $walk = "SELECT id FROM $table ORDER BY $order{$table} LIMIT 1000000";
	for my $mode ('strict_order', 'relaxed_order')
	{
		my $set = "$settings SET hnsw.iterative_scan = $mode; ";
		my $expected = $primary->safe_psql('postgres', $set . $walk);
		ok($standby->safe_psql('postgres', $set . $walk) eq $expected, "$table, $mode: the same rows in the same order");
		is($standby->safe_psql('postgres', $set . $found), $primary->safe_psql('postgres', $rows), "$table: all rows") if $mode eq 'relaxed_order';
	}
	is($primary->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('${table}_v')"), '', "$table: the primary's index is sound");
	is($standby->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('${table}_v')"), '', "$table: the standby's index is sound");
}

$standby->promote;
(my $sql = $changes) =~ s/ROUND/100/g;
$standby->safe_psql('postgres', $_) for split /;\n/, $sql;
for my $table (sort keys %order)
{
	is($standby->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('${table}_v')"), '', "$table: sound after promotion and changes");
	is($standby->safe_psql('postgres', "$settings SET hnsw.iterative_scan = relaxed_order; SELECT count(*) FROM (SELECT FROM $table ORDER BY $order{$table} LIMIT 1000000) AS t"),
		$standby->safe_psql('postgres', "SELECT count(v) FROM $table"), "$table: and all rows are found");
}

my $log = slurp_file($standby->logfile);
unlike($log, qr/inconsistent page/, 'every page is replayed as it was written');
unlike($log, qr/ERROR:|TRAP:|PANIC:/, 'no error on the standby');
unlike(slurp_file($primary->logfile), qr/ERROR:|TRAP:|PANIC:/, 'nor on the primary');

$standby->stop;
$primary->stop;
done_testing();
