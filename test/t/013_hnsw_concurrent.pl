# 013_hnsw_concurrent.pl: many clients insert, update, delete, search and vacuum at once; builds of all kinds; all dimensions;
# regions where all are dead; thousands of equal vectors.
#
# VECMARK_SECONDS is how long each mix of clients runs, 2 by default.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish);
use Test::More;

my $seconds = $ENV{VECMARK_SECONDS} || 2;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\nshared_buffers = 64MB\nmax_wal_size = 4GB\nmin_parallel_table_scan_size = 0\nmax_connections = 40");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION vecmark;
	SELECT setseed(0.5);
	-- Clustered vectors of an inner dimension that is not large, as real ones are.
	CREATE FUNCTION make_pool(dim int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('CREATE TABLE pool_%s AS SELECT i AS id, (SELECT array_agg((random() - 0.5) * CASE WHEN i < 20 THEN 3 ELSE 1 END + 0 * g) FROM generate_series(1, %s) AS g)::vector(%s) AS v
			FROM generate_series(0, 59) AS i', dim, dim, dim);
		EXECUTE format('CREATE FUNCTION sample_%s() RETURNS vector LANGUAGE sql VOLATILE AS
			''SELECT a.v + b.v + c.v - d.v FROM (SELECT (random() * 19)::int AS a, 20 + (random() * 39)::int AS b, 20 + (random() * 39)::int AS c, 20 + (random() * 39)::int AS d) AS r
			JOIN pool_%s AS a ON a.id = r.a JOIN pool_%s AS b ON b.id = r.b JOIN pool_%s AS c ON c.id = r.c JOIN pool_%s AS d ON d.id = r.d''', dim, dim, dim, dim, dim);
	END $$;
	-- How many of the ten nearest rows to 40 vectors the index finds, at least as near as the tenth.
	CREATE FUNCTION measured_recall(name regclass, dim int) RETURNS float8 LANGUAGE plpgsql AS $$
	DECLARE
		q vector;
		farthest float8;
		there int;
		hits int;
		all_hits int := 0;
		all_there int := 0;
	BEGIN
		FOR i IN 1 .. 40 LOOP
			EXECUTE format('SELECT sample_%s()', dim) INTO q;
			SET LOCAL enable_indexscan = off;
			EXECUTE format('SELECT max(d), count(*) FROM (SELECT v <-> $1 AS d FROM %s ORDER BY v <-> $1 LIMIT 10) AS t', name) INTO farthest, there USING q;
			SET LOCAL enable_indexscan = on;
			SET LOCAL enable_seqscan = off;
			EXECUTE format('SELECT count(*) FROM (SELECT v <-> $1 AS d FROM %s ORDER BY v <-> $1 LIMIT 10) AS t WHERE d <= $2 * 1.00001', name) INTO hits USING q, farthest;
			SET LOCAL enable_seqscan = on;
			all_hits := all_hits + hits;
			all_there := all_there + there;
		END LOOP;
		RETURN all_hits::float8 / all_there;
	END $$;
});

my $settings = q{LOAD 'vecmark'; SET client_min_messages = warning; SET enable_seqscan = off; SET enable_sort = off; SET hnsw.iterative_scan = relaxed_order;
	SET hnsw.max_scan_tuples = 2147483647; SET hnsw.scan_mem_multiplier = 1000;};

# The index of a table is sound, and finds all rows.
sub check
{
	my ($table, $query, $what) = @_;
	is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('${table}_v')"), '', "$what: sound");
	is($node->safe_psql('postgres', "$settings SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM (SELECT id FROM $table ORDER BY v <-> $query LIMIT 1000000) AS t"),
		$node->safe_psql('postgres', "SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM $table WHERE v IS NOT NULL"), "$what: all rows are found");
}

# Start pgbench on weighted scripts; what it says goes to out and err.
sub bench
{
	my ($clients, $duration, %scripts) = @_;
	my $run = { out => '', err => '' };
	my @files;
	for my $name (sort keys %scripts)
	{
		my ($weight, $sql) = @{ $scripts{$name} };
		my $file = $node->basedir . "/$name.sql";
		open my $handle, '>', $file or die $!;
		print $handle $sql;
		close $handle;
		push @files, '-f', "$file\@$weight";
	}
	$run->{handle} = start([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-T', $duration, '-h', $node->host, '-p', $node->port, @files, 'postgres' ],
		'<', \undef, '>', \$run->{out}, '2>', \$run->{err});
	return $run;
}

sub finish_bench
{
	my ($run, $what) = @_;
	my $good = finish($run->{handle});
	$good &&= $run->{err} !~ /ERROR|FATAL|abort/;
	ok($good, "$what: no client fails") or diag(substr($run->{err}, 0, 2000));
	my ($transactions) = $run->{out} =~ /transactions actually processed: (\d+)/;
	note("$what: " . ($transactions // 0) . ' transactions');
}

# ---- all at once

for my $dim (3, 64, 2000)
{
	my $rows = $dim == 2000 ? 300 : 2000;
	$node->safe_psql('postgres', "SELECT make_pool($dim)");
	for my $storage ('float32', 'int8')
	{
		my $table = "mix_${dim}_$storage";
		my $what = "$dim dimensions, $storage";
		$node->safe_psql('postgres', qq{
			CREATE TABLE $table (id int, note text, v vector($dim));
			INSERT INTO $table SELECT i, '', sample_$dim() FROM generate_series(1, $rows) AS i;
			CREATE INDEX ${table}_key ON $table (id);
			CREATE INDEX ${table}_v ON $table USING hnsw (v vector_l2_ops) WITH (storage = $storage)});
		my $set = "SET enable_seqscan = off; SET client_min_messages = warning;\n";
		my $run = bench(6, $seconds,
			insert => [ 6, "\\set id random(1000000, 2000000)\nINSERT INTO $table VALUES (:id, 'new', sample_$dim());\n" ],
			equal => [ 1, "\\set id random(1000000, 2000000)\nINSERT INTO $table SELECT :id, 'equal', v FROM pool_$dim WHERE id = 5;\n" ],
			many => [ 1, "\\set id random(1000000, 2000000)\nINSERT INTO $table SELECT :id, 'many', sample_$dim() FROM generate_series(1, 10);\n" ],
			note => [ 2, "\\set id random(1, $rows)\nUPDATE $table SET note = 'changed' WHERE id = :id;\n" ],
			move => [ 2, "\\set id random(1, $rows)\nUPDATE $table SET v = sample_$dim() WHERE id = :id;\n" ],
			delete => [ 4, "\\set id random(1, $rows)\nDELETE FROM $table WHERE id = :id;\nDELETE FROM $table WHERE ctid = (SELECT ctid FROM $table WHERE id > 1000000 LIMIT 1);\n" ],
			search => [ 8, "${set}SELECT id FROM $table ORDER BY v <-> (SELECT v FROM pool_$dim WHERE id = 30) LIMIT 10;\n" ],
			long => [ 1, "${set}SELECT id FROM $table ORDER BY v <-> (SELECT sample_$dim()) LIMIT 500;\n" ],
			rollback => [ 1, "BEGIN;\nINSERT INTO $table SELECT -1, 'never', sample_$dim() FROM generate_series(1, 5);\nROLLBACK;\n" ]);
		my $vacuums = bench(1, $seconds, vacuum => [ 1, "VACUUM (INDEX_CLEANUP ON) $table;\n\\sleep 100 ms\n" ]);
		finish_bench($run, $what);
		finish_bench($vacuums, "$what, vacuum");
		check($table, "(SELECT v FROM pool_$dim WHERE id = 30)", $what);
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $table");
		check($table, "(SELECT v FROM pool_$dim WHERE id = 30)", "$what, after a vacuum");
		my $recall = $node->safe_psql('postgres', "SELECT measured_recall('$table', $dim)");
		cmp_ok($recall, '>=', 0.9, "$what: recall");
		note("$what: recall $recall");
		$node->safe_psql('postgres', "DROP TABLE $table");
	}
}

# ---- builds

$node->safe_psql('postgres', q{
	CREATE TABLE built (id int, v vector(64));
	INSERT INTO built SELECT i, sample_64() FROM generate_series(1, 8000) AS i;
	INSERT INTO built SELECT 8000 + i, v FROM pool_64, generate_series(1, 10) AS i WHERE pool_64.id < 20;
	INSERT INTO built SELECT 9000 + i FROM generate_series(1, 10) AS i;
	ANALYZE built});
for my $case (
	[ 'in memory', 'SET max_parallel_maintenance_workers = 0', '' ],
	[ 'in 1 MB', "SET max_parallel_maintenance_workers = 0; SET maintenance_work_mem = '1MB'", 'no longer fits' ],
	[ 'parallel', "ALTER TABLE built SET (parallel_workers = 3); SET max_parallel_maintenance_workers = 3; SET maintenance_work_mem = '128MB'", '' ],
	[ 'parallel, in 4 MB', "SET max_parallel_maintenance_workers = 3; SET maintenance_work_mem = '4MB'; SET min_parallel_table_scan_size = 0", 'no longer fits|^$' ])
{
	my ($what, $set, $notice) = @$case;
	my ($status, $out, $err) = $node->psql('postgres', "SET log_error_verbosity = terse; $set; DROP INDEX IF EXISTS built_v; CREATE INDEX built_v ON built USING hnsw (v vector_l2_ops)");
	is($status, 0, "build $what");
	$err =~ s/^.*does not exist, skipping\n?//m;
	like($err, qr/$notice/, "build $what: a notice if need be");
	my $times = () = $err =~ /no longer fits/g;
	cmp_ok($times, '<=', 1, "build $what: and once at most");
	check('built', '(SELECT v FROM pool_64 WHERE id = 30)', "build $what");
	my $recall = $node->safe_psql('postgres', "SELECT measured_recall('built', 64)");
	cmp_ok($recall, '>=', 0.9, "build $what: recall");
	note("build $what: recall $recall");
}

for my $how ('CREATE INDEX CONCURRENTLY built_v ON built USING hnsw (v vector_l2_ops)', 'REINDEX INDEX CONCURRENTLY built_v')
{
	$node->safe_psql('postgres', 'DROP INDEX built_v') if $how =~ /CREATE/;
	my $run = bench(4, 4,
		insert => [ 4, "\\set id random(1000000, 2000000)\nINSERT INTO built VALUES (:id, sample_64());\n" ],
		delete => [ 2, "\\set id random(1, 7900)\nDELETE FROM built WHERE id = :id;\n" ],
		move => [ 2, "\\set id random(1, 7900)\nUPDATE built SET v = sample_64() WHERE id = :id;\n" ]);
	my ($status, $out, $err) = $node->psql('postgres', $how);
	is($status, 0, "$how under load") or diag($err);
	finish_bench($run, $how);
	is($node->safe_psql('postgres', "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'built'::regclass"), 't', "$how: valid");
	check('built', '(SELECT v FROM pool_64 WHERE id = 30)', $how);
}
$node->safe_psql('postgres', 'DROP TABLE built');

# ---- dimensions

for my $dim (1, 2, 3, 64, 2000, 16000)
{
	my $rows = $dim > 2000 ? 60 : $dim > 1000 ? 200 : 1500;
	my $table = "dim_$dim";
	$node->safe_psql('postgres', "SELECT make_pool($dim)") unless grep { $_ == $dim } 3, 64, 2000;
	for my $storage ('float32', 'int8')
	{
		my $what = "$dim dimensions, $storage";
		my $query = "(SELECT v FROM pool_$dim WHERE id = 30)";
		$node->safe_psql('postgres', qq{
			CREATE TABLE $table (id int, v vector($dim));
			ALTER TABLE $table ALTER v SET STORAGE external;
			INSERT INTO $table SELECT i, sample_$dim() FROM generate_series(1, $rows / 2) AS i;
			CREATE INDEX ${table}_v ON $table USING hnsw (v vector_l2_ops) WITH (storage = $storage);
			INSERT INTO $table SELECT i, sample_$dim() FROM generate_series($rows / 2 + 1, $rows) AS i});
		check($table, $query, $what);
		cmp_ok($node->safe_psql('postgres', "SELECT measured_recall('$table', $dim)"), '>=', 0.9, "$what: recall");
		$node->safe_psql('postgres', "DELETE FROM $table WHERE id % 2 = 0");
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $table");
		check($table, $query, "$what, half of it deleted");
		cmp_ok($node->safe_psql('postgres', "SELECT measured_recall('$table', $dim)"), '>=', 0.9, "$what, half of it deleted: recall");
		my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('${table}_v')");
		$node->safe_psql('postgres', "INSERT INTO $table SELECT i, sample_$dim() FROM generate_series($rows + 1, $rows + $rows / 2 - 5) AS i");
		cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('${table}_v')"), '<=', $size * 1.02, "$what: the place of what was deleted is used again");
		check($table, $query, "$what, filled again");
		$node->safe_psql('postgres', "DELETE FROM $table");
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $table");
		check($table, $query, "$what, empty");
		$node->safe_psql('postgres', "INSERT INTO $table SELECT i, sample_$dim() FROM generate_series(1, 20) AS i");
		check($table, $query, "$what, no longer empty");
		$node->safe_psql('postgres', "DROP TABLE $table");
	}
}

# ---- many dead in one place

$node->safe_psql('postgres', q{
	SET max_parallel_maintenance_workers = 0;
	CREATE TABLE line (id int, v vector(2));
	INSERT INTO line SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 2000) AS i;
	CREATE INDEX line_v ON line USING hnsw (v vector_l2_ops);
	DELETE FROM line WHERE id <= 250});
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) line');
is($node->safe_psql('postgres', "SELECT dead_nodes FROM vecmark.hnsw_info('line_v')"), '250', 'too few are dead to be repaired');
for my $mode ('off', 'relaxed_order', 'strict_order')
{
	is($node->safe_psql('postgres', "LOAD 'vecmark'; SET enable_seqscan = off; SET hnsw.iterative_scan = $mode;
		SELECT string_agg(id::text, ' ') FROM (SELECT id FROM line ORDER BY v <-> '[0,0]' LIMIT 3) AS t"), '251 252 253', "$mode: rows behind 250 dead nodes are found");
}
is($node->safe_psql('postgres', "LOAD 'vecmark'; SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM line ORDER BY v <-> '[0,0]' LIMIT 3000) AS t"), '1750', 'and all');
check('line', "'[0,0]'", 'many dead');
$node->safe_psql('postgres', 'INSERT INTO line SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 250) AS i');
is($node->safe_psql('postgres', "SELECT unreachable_nodes FROM vecmark.hnsw_info('line_v')"), '0', 'what comes back in their place can be reached');
check('line', "'[0,0]'", 'many dead, and back again');

# The same in 16 dimensions, and a repair that has to lead links around a whole cluster.
$node->safe_psql('postgres', q{
	SELECT setseed(0.5);
	SET max_parallel_maintenance_workers = 0;
	CREATE TABLE clusters (id int, v vector(16));
	INSERT INTO clusters SELECT i, (SELECT array_agg(random() + i / 500 * 10 + 0 * g) FROM generate_series(1, 16) AS g)::vector FROM generate_series(0, 3999) AS i;
	CREATE INDEX clusters_v ON clusters USING hnsw (v vector_l2_ops);
	CREATE TABLE one_each AS SELECT id, v FROM clusters WHERE id % 500 = 10;
	CREATE TABLE away AS SELECT * FROM clusters WHERE id / 500 = 3;
	DELETE FROM clusters WHERE id / 500 = 3});
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) clusters');
$node->safe_psql('postgres', 'INSERT INTO clusters SELECT * FROM away');
is($node->safe_psql('postgres', "SELECT unreachable_nodes FROM vecmark.hnsw_info('clusters_v')"), '0', 'a cluster that comes back can be reached');
is($node->safe_psql('postgres', "LOAD 'vecmark'; SET enable_seqscan = off; SELECT string_agg(DISTINCT (id / 500)::text, ' ') FROM (SELECT id FROM clusters ORDER BY v <-> (SELECT v FROM away LIMIT 1) LIMIT 50) AS t"), '3', 'and is found');
$node->safe_psql('postgres', 'DELETE FROM clusters WHERE id / 500 IN (2, 4, 5)');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) clusters');
is($node->safe_psql('postgres', "SELECT dead_nodes, unreachable_nodes FROM vecmark.hnsw_info('clusters_v')"), '0|0', 'where whole clusters are gone, the others can be reached');
is($node->safe_psql('postgres', "LOAD 'vecmark'; SET enable_seqscan = off; SELECT string_agg(DISTINCT (id / 500 || ':' || (SELECT string_agg(DISTINCT (t.id / 500)::text, ' ') FROM (SELECT id FROM clusters ORDER BY v <-> o.v LIMIT 10) AS t)), ', ')
	FROM one_each AS o WHERE id / 500 NOT IN (2, 4, 5)"), '0:0, 1:1, 3:3, 6:6, 7:7', 'and are found');
check('clusters', '(SELECT v FROM away LIMIT 1)', 'whole clusters gone');

# ---- equal vectors

for my $built (0, 1)
{
	my $what = $built ? 'equal vectors, built' : 'equal vectors, inserted';
	my $create = 'CREATE INDEX equal_v ON equal USING hnsw (v vector_l2_ops);';
	$node->safe_psql('postgres', 'CREATE TABLE equal (id int, v vector(3));' . ($built ? '' : $create)
		. "INSERT INTO equal SELECT i, ARRAY[i % 3, 1, 2]::vector FROM generate_series(1, 20000) AS i;" . ($built ? $create : ''));
	my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('equal_v')");
	cmp_ok($size, '<', 400_000, "$what: TIDs take little room");
	check('equal', "'[1,1,2]'", $what);
	is($node->safe_psql('postgres', "$settings RESET hnsw.iterative_scan; SELECT count(*), count(*) FILTER (WHERE id % 3 = 1) FROM (SELECT id FROM equal ORDER BY v <-> '[1.1,1,2]' LIMIT 6667) AS t"),
		'6667|6667', "$what: the nearest first");
	$node->safe_psql('postgres', 'DELETE FROM equal WHERE id % 2 = 0');
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) equal');
	check('equal', "'[1,1,2]'", "$what, half of them deleted");
	$node->safe_psql('postgres', 'INSERT INTO equal SELECT i, ARRAY[i % 3, 1, 2]::vector FROM generate_series(20001, 29000) AS i');
	check('equal', "'[1,1,2]'", "$what, and more again");
	cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('equal_v')"), '<=', $size * 1.5, "$what: much of it in the room of those");
	$node->safe_psql('postgres', 'DELETE FROM equal WHERE id % 3 = 1');
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) equal');
	check('equal', "'[1,1,2]'", "$what, one vector gone");
	# from several clients
	my $run = bench(4, 2, insert => [ 3, "\\set id random(100000, 200000)\nINSERT INTO equal SELECT :id, ARRAY[:id % 3, 1, 2]::vector FROM generate_series(1, 20);\n" ],
		delete => [ 1, "\\set id random(1, 3)\nDELETE FROM equal WHERE ctid IN (SELECT ctid FROM equal WHERE id % 7 = :id LIMIT 30 FOR UPDATE SKIP LOCKED);\n" ],
		search => [ 1, "SET enable_seqscan = off;\nSELECT count(*) FROM (SELECT id FROM equal ORDER BY v <-> '[0,1,2]' LIMIT 50) AS t;\n" ]);
	my $vacuums = bench(1, 2, vacuum => [ 1, "VACUUM (INDEX_CLEANUP ON) equal;\n\\sleep 100 ms\n" ]);
	finish_bench($run, $what);
	finish_bench($vacuums, "$what, vacuum");
	check('equal', "'[1,1,2]'", "$what, by several clients");
	$node->safe_psql('postgres', 'DROP TABLE equal');
}

unlike(slurp_file($node->logfile), qr/TRAP:|PANIC:|ERROR:/, 'no error in the log');
$node->stop;
done_testing();
