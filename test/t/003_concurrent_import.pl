# 003_concurrent_import.pl: imports of overlapping files at the same time lose nothing, double nothing and do not deadlock.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish);
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nlog_lock_waits = on");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION vecmark;
	SELECT vecmark.create_bookmarks('marks', 16, 'simple');
	ALTER TABLE marks ADD CONSTRAINT no_thirteen CHECK (title <> 'Page 1713');
});

# Files of 2,000 pages each, half of them shared, in another order each; one
# spells URLs otherwise; one has a row that makes its import go row by row.
my $pages = q{(SELECT 'https://' || CASE WHEN %s = 2 THEN 'HOST' ELSE 'host' END || '.example/' || i || CASE WHEN %s = 2 THEN '/?utm_source=b' ELSE '' END AS url,
	CASE WHEN %s = 3 OR i <> 1713 THEN 'Page ' || i ELSE 'Fine' END AS title, ARRAY['from%s'] AS tags
	FROM generate_series(%s * 500, %s * 500 + 1999) AS i WHERE i > 0 ORDER BY md5(i || '%s'))};

for my $round (1 .. 3)
{
	my @runs;
	for my $file (0 .. 3)
	{
		(my $query = $pages) =~ s/%s/$file/g;
		my $sql = "CREATE TEMP TABLE entries AS SELECT * FROM $query AS p;"
		  . "SELECT outcome, count(*) FROM vecmark.import_table('marks', 'entries') GROUP BY outcome ORDER BY outcome;";
		my ($in, $out, $err) = ($sql, '', '');
		my $run = { out => '', err => '' };
		$run->{handle} = start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
			'<', \$in, '>', \$run->{out}, '2>', \$run->{err});
		push @runs, $run;
	}
	# and the same pages saved one by one, and tags renamed, meanwhile
	my ($in, $out, $err) = ('', '', '');
	$in .= "SELECT inserted FROM vecmark.save('marks', 'https://host.example/' || $_ * 7, tags => '{saved}');\n" for 1 .. 300;
	$in .= "SELECT vecmark.rename_tag('marks', 'saved', 'kept');\n";
	my $saver = start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err);
	my $n = 0;
	for my $run (@runs)
	{
		ok(finish($run->{handle}), "round $round, import $n succeeds") or diag($run->{err});
		my $sum = 0;
		$sum += $1 while $run->{out} =~ /\|(\d+)/g;
		is($sum, $n == 0 ? 1999 : 2000, "round $round, import $n reports every entry");
		$n++;
	}
	ok(finish($saver), "round $round, saving meanwhile succeeds") or diag($err);

	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT url_key), count(DISTINCT id) FROM marks'),
		'3499|3499|3499', "round $round: every page once");
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM generate_series(0, 3) AS f, generate_series(f * 500, f * 500 + 1999) AS i
		WHERE i > 0 AND i <> 1713 AND NOT EXISTS (SELECT FROM marks WHERE url_key = 'https://host.example/' || i AND tags @> ARRAY['from' || f])}),
		'0', "round $round: every tag of every file is there");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM marks WHERE tags @> '{kept}' OR tags @> '{saved}'}) >= 300, 1,
		"round $round: what was saved meanwhile is there");
	$node->safe_psql('postgres', 'TRUNCATE marks, marks_visits') if $round < 3;
}
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'no deadlock');

$node->stop;
done_testing();
