# 019_hnsw_vacuum.pl: what a vacuum frees is used again, whoever has a transaction open; what searches and inserts cost where rows
# have equal vectors; recall where a vacuum came late.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\nshared_buffers = 64MB\nmax_parallel_maintenance_workers = 0");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION vecmark;
	CREATE FUNCTION spread(i bigint, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS
		'SELECT array_agg((hashint8(i * 1000 + g) % 1000) / 1000.0::real)::vector FROM generate_series(1, dim) AS g';
	CREATE DATABASE elsewhere});

# ---- space, while a transaction is open in another database

$node->safe_psql('postgres', q{
	CREATE TABLE moved (id int PRIMARY KEY, v vector(32), n int DEFAULT 0);
	INSERT INTO moved SELECT i, spread(i, 32) FROM generate_series(1, 1000) AS i;
	CREATE INDEX moved_v ON moved USING hnsw (v vector_l2_ops)});
my $open = $node->background_psql('elsewhere', on_error_stop => 1);
$open->query_safe('BEGIN; SELECT txid_current();');
my @sizes;
for my $pass (1 .. 6)
{
	$node->safe_psql('postgres', "UPDATE moved SET n = n + 1, v = spread(id + 10000 * $pass, 32)");
	$node->safe_psql('postgres', 'VACUUM moved');
	push @sizes, $node->safe_psql('postgres', "SELECT pg_relation_size('moved_v')");
}
$open->query_safe('COMMIT');
$open->quit;
# Levels are by chance, and an index may grow ahead of need; without that it would be three times as large.
cmp_ok($sizes[5], '<=', 1.2 * $sizes[0], 'what vacuum frees is used again while another database has a transaction open') or diag("@sizes");
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('moved_v')"), '', 'and the index is sound');

# ---- rows of equal vectors

# Buffers that a query reads in all, by an index scan.
sub buffers
{
	my ($sql) = @_;
	my $plan = $node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) $sql");
	like($plan, qr/Index Scan/, "by index: $sql");
	my ($hit, $read) = $plan =~ /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/;
	return ($hit // 0) + ($read // 0);
}

# 40,000 rows of 400 vectors: each row costs a buffer of the heap.
$node->safe_psql('postgres', q{
	CREATE TABLE few (id int, v vector(3));
	INSERT INTO few SELECT i, ARRAY[i % 20, i / 20 % 20, 1]::vector FROM generate_series(1, 40000) AS i;
	CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops);
	VACUUM ANALYZE few});
my $cost = buffers("SELECT id FROM few WHERE id = 77 ORDER BY v <-> '[10,1,1]' LIMIT 10");
cmp_ok($cost, '<=', 2 * 40000, 'few vectors: a scan of all rows reads no more than twice what the heap does');
note("$cost buffers for 40,000 rows of 400 vectors");
$cost = buffers("SELECT id FROM few ORDER BY v <-> '[10,1,1]' LIMIT 10");
cmp_ok($cost, '<=', 100, 'and one of ten rows next to nothing');
$node->safe_psql('postgres', 'DELETE FROM few WHERE id % 20 > 3');
$node->safe_psql('postgres', 'VACUUM few');
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('few_v')"), '', 'sound when most of them are gone');
is($node->safe_psql('postgres', "SELECT tids, live_nodes FROM vecmark.hnsw_info('few_v')"), '8000|80', 'with the TIDs that are left');

# The millionth equal row costs what the first did: one vector, so that all rows share a chain.
$node->safe_psql('postgres', q{
	CREATE TABLE one (id int, v vector(3));
	CREATE INDEX one_v ON one USING hnsw (v vector_l2_ops);
	INSERT INTO one SELECT i, '[1,2,3]' FROM generate_series(1, 30000) AS i});
my ($buffers) = $node->safe_psql('postgres', "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO one SELECT i, '[1,2,3]' FROM generate_series(1, 100) AS i") =~ /Buffers: shared hit=(\d+)/;
cmp_ok($buffers, '<=', 100 * 15, 'a row of a vector that 30,000 have costs no more than one that none has');
note("$buffers buffers for 100 rows more");

# 20 updates of each row that are not HOT, and no vacuum: 21 versions of each, all in the index.
$node->safe_psql('postgres', q{
	CREATE TABLE counted (id int PRIMARY KEY, v vector(3), n int DEFAULT 0) WITH (fillfactor = 50);
	INSERT INTO counted SELECT i, ARRAY[i % 50, i / 50, 1]::vector FROM generate_series(1, 2000) AS i;
	CREATE INDEX counted_n ON counted (n);
	CREATE INDEX counted_v ON counted USING hnsw (v vector_l2_ops)});
my $before = buffers("SELECT id FROM counted ORDER BY v <-> '[20,20,1]' LIMIT 10");
$node->safe_psql('postgres', 'UPDATE counted SET n = n + 1') for 1 .. 20;
my $after = buffers("SELECT id FROM counted ORDER BY v <-> '[20,20,1]' LIMIT 10");
cmp_ok($after, '<=', $before + 10 * (21 + 4), 'versions not yet vacuumed cost their heap pages, and little more');
note("$before buffers, $after with 20 versions more of each row");
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('counted_v')"), '', 'the index is sound');
$node->safe_psql('postgres', 'VACUUM counted');
is($node->safe_psql('postgres', "SELECT tids, tid_slots FROM vecmark.hnsw_info('counted_v')"), '2000|0', 'vacuum puts what is left back into the directory');
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('counted_v')"), '', 'and the index is sound');

# ---- recall, where a snapshot kept vacuum from all but the last version of each row

$node->safe_psql('postgres', q{
	CREATE TABLE held (id int PRIMARY KEY, v vector(32));
	INSERT INTO held SELECT i, spread(i, 32) FROM generate_series(1, 1000) AS i;
	CREATE INDEX held_v ON held USING hnsw (v vector_l2_ops)});
my $snapshot = $node->background_psql('postgres', on_error_stop => 1);
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
$node->safe_psql('postgres', "UPDATE held SET v = spread(id + 10000 * $_, 32)") for 1 .. 20;
$node->safe_psql('postgres', 'VACUUM held');
is($node->safe_psql('postgres', "SELECT live_nodes, dead_nodes FROM vecmark.hnsw_info('held_v')"), '21000|0', 'all versions are there');
$snapshot->query_safe('COMMIT');
$snapshot->quit;
$node->safe_psql('postgres', 'VACUUM held');
is($node->safe_psql('postgres', "SELECT live_nodes, dead_nodes, unreachable_nodes FROM vecmark.hnsw_info('held_v')"), '1000|0|0', 'then the last one of each row');
my $recall = $node->safe_psql('postgres', "SELECT recall FROM vecmark.recall('held_v', 10, 200)");
$node->safe_psql('postgres', 'REINDEX INDEX held_v');
my $fresh = $node->safe_psql('postgres', "SELECT recall FROM vecmark.recall('held_v', 10, 200)");
cmp_ok($recall, '>=', $fresh - 0.01, 'nodes that lost most of their neighbours are linked as if they were new');
note("recall $recall, $fresh in a new index");

$node->stop;

# ---- a vacuum that has to repair most of an index leaves what others have in shared buffers

my $small = PostgreSQL::Test::Cluster->new('small');
$small->init;
$small->append_conf('postgresql.conf', "autovacuum = off\njit = off\nshared_buffers = 8MB\nmax_parallel_maintenance_workers = 0");
$small->start;
SKIP:
{
	my ($status) = $small->psql('postgres', 'CREATE EXTENSION pg_buffercache');
	skip 'pg_buffercache is not installed', 3 if $status != 0;
	$small->safe_psql('postgres', q{
		CREATE EXTENSION vecmark;
		SELECT setseed(0.5);
		CREATE TABLE large (id int, v vector(64));
		INSERT INTO large SELECT i, (SELECT array_agg(random()) FROM generate_series(1, 64 + 0 * i))::vector FROM generate_series(1, 8000) AS i;
		CREATE INDEX large_v ON large USING hnsw (v vector_l2_ops);
		CREATE TABLE hot AS SELECT i, repeat('x', 1000) FROM generate_series(1, 1200) AS i;
		VACUUM hot;
		DELETE FROM large WHERE id % 4 = 0});
	cmp_ok($small->safe_psql('postgres', "SELECT pg_relation_size('large_v')"), '>', 12_000_000, 'the index is larger than shared buffers');
	$small->restart;
	$small->safe_psql('postgres', 'SELECT count(*) FROM hot');
	my $cached = "SELECT count(*) FROM pg_buffercache WHERE relfilenode = pg_relation_filenode('hot') AND reldatabase = (SELECT oid FROM pg_database WHERE datname = current_database())";
	my $had = $small->safe_psql('postgres', $cached);
	$small->safe_psql('postgres', 'VACUUM large');
	my $kept = $small->safe_psql('postgres', $cached);
	is($small->safe_psql('postgres', "SELECT dead_nodes FROM vecmark.hnsw_info('large_v')"), '0', 'the index was repaired');
	cmp_ok($kept, '>=', 0.9 * $had, 'and what was in shared buffers is there still');
	note("$kept of $had buffers");
}
$small->stop;

done_testing();
