# 007_logical_replication.pl: a bookmarks table through stock logical replication, in binary.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$subscriber->start;
$_->safe_psql('postgres', "CREATE EXTENSION vecmark; SELECT vecmark.create_bookmarks('marks', 32, 'english')") for $publisher, $subscriber;

$publisher->safe_psql('postgres', q{
	INSERT INTO marks (url, title, tags) SELECT 'http://x.example/' || i, 'Title ' || i, ARRAY['t' || i % 5] FROM generate_series(1, 500) AS i;
	CREATE PUBLICATION p FOR TABLE marks, marks_visits});
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p WITH (binary = true)");
$subscriber->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_subscription_rel WHERE srsubstate = 'r'})
  or die 'the first copy did not end';

$publisher->safe_psql('postgres', q{
	UPDATE marks SET title = 'changed' WHERE url LIKE '%7';
	UPDATE marks SET url = 'http://moved.example' WHERE url = 'http://x.example/3';
	DELETE FROM marks WHERE url LIKE '%9';
	SELECT vecmark.visit('marks', 'http://x.example/5')});
$publisher->wait_for_catchup('s');

my $rows = q{SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM marks AS m};
is($subscriber->safe_psql('postgres', $rows), $publisher->safe_psql('postgres', $rows), 'the same rows, derived columns included');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM marks_visits'), '1', 'visits too');
is($subscriber->safe_psql('postgres', "SELECT title FROM vecmark.search('marks', 'changed', match_count => 1)"), 'changed', 'the subscriber searches');
is($subscriber->safe_psql('postgres', "SELECT inserted FROM vecmark.save('marks', 'http://x.example/5/')"), 'f', 'and knows the pages');

$subscriber->stop;
$publisher->stop;
done_testing();
