# 041_repair_cost.pl: a repair brings the columns that differ, writes these only, and finds rows in the index without a search.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SyncTest;
use Test::More;

my $rows = 2000;
my $node = server('node');
$node->start;

sub on
{
	my ($database, $sql) = @_;
	return sql($node, $sql, $database);
}

for my $database (qw(a b))
{
	on('postgres', "CREATE DATABASE $database");
	on($database, q{CREATE EXTENSION vecmark;
		CREATE TABLE docs (id integer PRIMARY KEY, title text, embedding vector(768), hits integer, tags text[]);
		CREATE INDEX docs_title ON docs (title);
		SELECT vecmark.track('docs', '{"counters": ["hits"], "sets": ["tags"]}'), vecmark.build_digest('docs');
		CREATE TABLE told (delta vecmark.delta)});
}
on('a', qq{SELECT setseed(0.5);
	INSERT INTO docs SELECT g, 'title ' || g, (SELECT array_agg((random() - 0.5 + 0 * (g + d))::real) FROM generate_series(1, 768) AS d)::vector(768), g, ARRAY['t']
	FROM generate_series(1, $rows) AS g});
on('a', q{INSERT INTO docs SELECT 5001, 'born later', embedding, 1, '{}' FROM docs WHERE id = 1});
pull([ $node, 'b' ], [ $node, 'a' ]);
on($_, 'CREATE INDEX docs_embedding ON docs USING hnsw (embedding vector_l2_ops)') for qw(a b);

sub behind_the_back
{
	my ($sql) = @_;
	on('b', "SET session_replication_role = replica; $sql");
	on('b', q{SELECT vecmark.build_digest('docs')});
}

# What b is to become like, as deltas for it to merge; bytes of them.
sub fetch
{
	my $keys = on('b', q{SELECT vecmark.bucket_keys('docs', 0)});
	my $deltas = on('a', "SELECT array_agg(d) FROM vecmark.fetch('docs', 0, NULL, '$keys') AS d");
	on('b', "TRUNCATE told; INSERT INTO told SELECT unnest('$deltas'::vecmark.delta[])");
	return length($deltas) / 2;
}

# Merge them: rows written, and tuples written to the TOAST table.
sub merge
{
	return on('b', q{BEGIN;
		SELECT sum(m.applied) FROM told, vecmark.merge(delta, 'repair') AS m;
		SELECT pg_stat_get_xact_tuples_inserted(reltoastrelid) FROM pg_class WHERE oid = 'docs'::regclass;
		COMMIT});
}

sub equal
{
	return on('a', q{SELECT hash FROM vecmark.root('docs')}) eq on('b', q{SELECT hash FROM vecmark.root('docs')}) ? 'equal' : 'unlike';
}

# Buffers that a statement reads in b, rolled back.
sub buffers
{
	my ($before, $sql) = @_;
	my $plan = on('b', "BEGIN; $before; EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) $sql; ROLLBACK");
	$plan =~ /Buffers: shared( hit=(\d+))?( read=(\d+))?/ or die $plan;
	return ($2 // 0) + ($4 // 0);
}

is(equal(), 'equal', 'equal in the beginning');
is(on('b', q{SELECT length(vecmark.bucket_keys('docs', 0))}), 16 * ($rows + 1), 'a row with a large column has two numbers');
my $nodes = on('b', q{SELECT live_nodes FROM vecmark.hnsw_info('docs_embedding')});

# titles
behind_the_back(q{UPDATE docs SET title = 'other' WHERE id % 10 = 3});
is(equal(), 'unlike', 'titles differ');
cmp_ok(fetch(), '<', $rows / 10 * 200, 'they come without vectors');
is(on('b', q{SELECT count(*) FROM told WHERE delta::text LIKE '%' || (SELECT encode(vector_send(embedding), 'hex') FROM docs WHERE id = 13) || '%'}), '0', 'none of them');
my $merge = q{SELECT sum(m.applied) FROM told, vecmark.merge(delta, 'repair') AS m};
my $searched = buffers('SELECT', $merge) - buffers('DROP INDEX docs_embedding', $merge);
cmp_ok($searched / ($rows / 10), '<', 12, 'a row is found in the index without a search');
is(merge(), ($rows / 10) . "\n0", 'no vector is written again');
is(equal(), 'equal', 'titles are repaired');
my $update = qq{UPDATE docs SET title = title || '!' WHERE id IN (SELECT g * 7919 % $rows + 1 FROM generate_series(1, 300) AS g)};
$searched = buffers('SELECT', $update) - buffers('DROP INDEX docs_embedding', $update);
cmp_ok($searched / 300, '<', 12, 'nor does an UPDATE of another column search');
is(on('b', q{SELECT live_nodes FROM vecmark.hnsw_info('docs_embedding')}), $nodes, 'no vector is twice in the index');
is(on('b', q{SELECT count(*) FROM vecmark.hnsw_check('docs_embedding')}), '0', 'which is sound');

# a vector that differs, one that is lost, a counter, a set, and a birth, each whole
behind_the_back(q{UPDATE docs SET embedding = embedding - embedding - embedding WHERE id = 4;
	UPDATE docs SET embedding = NULL WHERE id = 5;
	UPDATE docs SET hits = hits + 1 WHERE id = 6;
	UPDATE docs SET tags = '{x}' WHERE id = 7;
	UPDATE docs SET _vm = (SELECT _vm FROM docs WHERE id = 8) WHERE id = 5001;
	DELETE FROM docs WHERE id = 9});
fetch();
is(merge(), "6\n6", 'of six rows three vectors are written');
is(equal(), 'equal', 'all are repaired');

# a row that goes in between is not put back without its vector
behind_the_back(q{UPDATE docs SET title = 'other' WHERE id IN (10, 11, 12)});
fetch();
behind_the_back('DELETE FROM docs WHERE id = 10');
on('b', 'DELETE FROM docs WHERE id = 11');
is(merge(), "1\n0", 'of a row that is gone since, a part is not put back');
is(on('b', q{SELECT (SELECT count(*) FROM docs WHERE id IN (10, 11)), (SELECT count(*) FROM vecmark.parked)}), '0|0', 'nor parked');
pull([ $node, 'a' ], [ $node, 'b' ]);
fetch();
merge();
is(equal(), 'equal', 'the next repair brings all of it');
is(on('b', q{SELECT count(*) FROM docs WHERE embedding IS NULL}), '0', 'with its vector');
are_sound('in the end', [ $node, 'b' ]);
is(on('b', q{SELECT count(*) FROM vecmark.hnsw_check('docs_embedding')}), '0', 'the index, too');

done_testing();
