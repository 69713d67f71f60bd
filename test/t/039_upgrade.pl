# 039_upgrade.pl: pg_upgrade takes a cluster with vecmark to a new one, of the same or a newer major, where one is installed with this build.
use strict;
use warnings;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @encoding = ('--encoding=UTF8', '--locale=C.UTF-8');
my $bindir = `pg_config --bindir`;
chomp $bindir;

my $questions = q{
	SELECT 'tracked', rel::text, name, counters::text FROM vecmark.tracked ORDER BY 3;
	SELECT 'rows', md5(string_agg(n::text, '' ORDER BY id)) FROM notes AS n;
	SELECT 'parked', count(*) FROM vecmark.parked;
	SELECT 'nearest', string_agg(id::text, ',' ORDER BY place) FROM (SELECT id, row_number() OVER (ORDER BY e <-> '[1,2,3]') AS place FROM items ORDER BY e <-> '[1,2,3]' LIMIT 5) AS n};
my $indexes = q{
	SELECT 'index', c.oid::regclass, f.* FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam AND a.amname = 'hnsw', vecmark.hnsw_check(c.oid) AS f};
my $sound = $indexes . q{;
	SELECT 'table', t.rel, f.* FROM vecmark.tracked AS t, vecmark.sync_check(t.rel) AS f;
	SELECT 'digest', d.rel FROM vecmark.digests AS d WHERE vecmark_internal.digest_fault(d.rel) IS NOT NULL};

sub upgrade
{
	my ($mode, @options) = @_;
	my $old = PostgreSQL::Test::Cluster->new("old_$mode");
	my $new = PostgreSQL::Test::Cluster->new("new_$mode");
	$_->init(extra => [@encoding]) for $old, $new;
	$old->start;
	$old->safe_psql('postgres', q{
		CREATE EXTENSION vecmark; CREATE ROLE app;
		CREATE TABLE items (id int PRIMARY KEY, e vector(3), h halfvec(3), s sparsevec(5), b bit(16));
		INSERT INTO items SELECT i, ARRAY[i % 7, i % 11, i % 13]::vector, ARRAY[i % 7, i % 11, i % 13]::vector::halfvec, '{1:1,3:2}/5', (i::bit(16)) FROM generate_series(1, 500) AS i;
		CREATE INDEX ON items USING hnsw (e vector_l2_ops); CREATE INDEX ON items USING hnsw (e vector_cosine_ops) WITH (storage = int8);
		CREATE INDEX ON items USING hnsw (h halfvec_ip_ops); CREATE INDEX ON items USING hnsw (s sparsevec_l2_ops); CREATE INDEX ON items USING hnsw (b bit_hamming_ops);
		CREATE INDEX ON items USING ivfflat (e vector_l2_ops);
		CREATE TABLE notes (id int PRIMARY KEY, v text, n int); SELECT vecmark.track('notes', '{"counters": ["n"]}'); SELECT vecmark.build_digest('notes');
		INSERT INTO notes SELECT i, 'note ' || i, i FROM generate_series(1, 100) AS i; DELETE FROM notes WHERE id % 10 = 0;
		SELECT vecmark.create_outbox('outbox'); SELECT vecmark.create_bookmarks('marks', 8); SELECT vecmark.track('marks'); SELECT vecmark.create_api('marks');
		INSERT INTO marks (url) VALUES ('https://a.example/');
		CREATE DATABASE empty});
	$old->safe_psql('empty', 'CREATE EXTENSION vecmark');
	my $answers = $old->safe_psql('postgres', $questions);
	my $site = $old->safe_psql('postgres', 'SELECT vecmark.site()');
	my $peer = $old->safe_psql('postgres', 'SELECT vecmark.version()');
	$old->stop;

	# it writes its logs where it is run, before 15
	chdir $old->basedir or die;
	my @command = ('pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port, @options);
	command_ok([ @command, '--check' ], "$mode: pg_upgrade --check") or do
	{
		diag(slurp_file($_)) for glob($new->data_dir . '/pg_upgrade_output.d/*/*.txt');
	};
	command_ok(\@command, "$mode: pg_upgrade");
	$new->start;
	is($new->safe_psql('postgres', $questions), $answers, "$mode: the same answers");
	is($new->safe_psql('postgres', $indexes), '', "$mode: indexes are sound");
	$new->safe_psql('postgres', q{INSERT INTO notes VALUES (1001, 'after', 1); UPDATE notes SET n = n + 1 WHERE id = 1; DELETE FROM notes WHERE id = 2;
		INSERT INTO items VALUES (1001, '[1,2,3]', '[1,2,3]', '{1:1}/5', 7::bit(16)); INSERT INTO marks (url) VALUES ('https://b.example/')});
	isnt($new->safe_psql('postgres', 'SELECT vecmark.site()'), $site, "$mode: another life");
	is($new->safe_psql('postgres', "SELECT count(*) FROM vecmark.changes('$peer') AS d, LATERAL (SELECT vecmark_internal.delta_to_jsonb(d)::text AS j) AS t WHERE j LIKE '%after%'"),
		'1', "$mode: who holds what the old one told is told the rest");
	is($new->safe_psql('postgres', $sound), '', "$mode: sound after writing");
	is($new->safe_psql('postgres', "SELECT tags, url FROM marks WHERE url LIKE '%b.example/'"), '{}|https://b.example/', "$mode: what derives columns does");
	is($new->safe_psql('postgres', "CREATE TABLE more (LIKE marks INCLUDING ALL); SELECT count(*) FROM vecmark_internal.sync_default AS d WHERE to_regproc(d.trigger_function) IS NULL"), '0', "$mode: defaults name functions that are there");

	# who has what the old one told pulls the rest, and has the same
	$new->safe_psql('postgres', 'CREATE DATABASE peer');
	$new->safe_psql('peer', q{CREATE EXTENSION vecmark; CREATE TABLE notes (id int PRIMARY KEY, v text, n int); SELECT vecmark.track('notes', '{"counters": ["n"]}');
		SELECT vecmark.build_digest('notes')});
	my $deltas = $new->safe_psql('postgres', q{SELECT array_agg(d) FROM vecmark.changes('{}') AS d});
	$new->safe_psql('peer', "SELECT vecmark.merge_all('$deltas')");
	is($new->safe_psql('peer', q{SELECT hash FROM vecmark.root('notes')}), $new->safe_psql('postgres', q{SELECT hash FROM vecmark.root('notes')}), "$mode: exchanges go on");
	$new->stop;
}

my $help = `pg_upgrade --help`;
upgrade('copy');
upgrade('link', '--link');
upgrade('swap', '--swap') if $help =~ /--swap/;
done_testing();
