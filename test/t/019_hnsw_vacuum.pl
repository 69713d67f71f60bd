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

$node->stop;
done_testing();
