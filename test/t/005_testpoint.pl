# 005_testpoint.pl: points in the code where tests wait, fail and kill; and what a killed insert leaves.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "restart_after_crash = on\nfsync = on");
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION vecmark; SELECT vecmark.create_bookmarks('marks', 4, 'simple');
	INSERT INTO marks (url) SELECT 'http://host.example/' || i FROM generate_series(1, 100) AS i});

sub error_of
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $err;
}

like(error_of("SET vecmark.testpoints = 'url_id:error'; INSERT INTO marks (url) VALUES ('http://new.example')"),
	qr/test point "url_id" was reached/, 'error');
like(error_of("SET vecmark.testpoints = 'url_id:error\@3'; INSERT INTO marks (url) SELECT 'http://new.example/' || i FROM generate_series(1, 2) AS i; SELECT 'two pass';"
	  . "INSERT INTO marks (url) VALUES ('http://third.example')"),
	qr/test point/, 'error at the third hit');
is($node->safe_psql('postgres', "SELECT count(*) FROM marks"), '102', 'the two before it are there');
is(error_of("SET vecmark.testpoints = 'other:error'; INSERT INTO marks (url) VALUES ('http://fine.example')"), '', 'other points do nothing');
for my $bad ('x', 'x:', ':wait', 'x:dance', 'x:wait@0', 'x:wait@y', 'a' x 100 . ':wait', join(',', map { "p$_:wait" } 1 .. 17))
{
	like(error_of("LOAD 'vecmark'; SET vecmark.testpoints = '$bad'"), qr/invalid value for parameter "vecmark.testpoints"/, "malformed: " . substr($bad, 0, 20));
}

# kill -9 in the middle of an import: nothing of it is there, all else is
my $log = -s $node->logfile;
my ($status, $out, $err) = $node->psql('postgres',
	"SET vecmark.testpoints = 'url_id:kill\@50'; SELECT count(*) FROM vecmark.import_json('marks', (SELECT jsonb_agg(jsonb_build_object('href', 'http://killed.example/' || i)) FROM generate_series(1, 100) AS i))");
isnt($status, 0, 'the backend was killed');
# a connection made before the server sees the death would end with all others
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
$node->poll_query_until('postgres', 'SELECT true');
is($node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE url LIKE '%killed%') FROM marks"), '103|0', 'after recovery');
is($node->safe_psql('postgres', "SELECT outcome FROM vecmark.import_json('marks', '[{\"href\": \"http://killed.example/1\"}]')"), 'added', 'and the import can be done again');

$node->stop;
done_testing();
