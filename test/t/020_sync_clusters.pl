# 020_sync_clusters.pl: three servers that write the same rows and pull from one another, as a mesh, a ring and a star; backends and
# servers that die while they merge, forget, or have just told something.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use SyncTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(finish);
use Test::More;

srand($ENV{VECMARK_SEED} // 20);

my %node = map { $_ => server($_, "wal_writer_delay = 10s\n") } qw(a b c);
my ($a, $b, $c) = @node{qw(a b c)};
my @nodes = ($a, $b, $c);
for my $node (@nodes)
{
	$node->start;
	sql($node, q{
		CREATE EXTENSION vecmark;
		CREATE TABLE items (id text PRIMARY KEY, body text, n bigint NOT NULL DEFAULT 0, tags text[] NOT NULL DEFAULT '{}');
		CREATE TABLE parts (id text PRIMARY KEY, item text NOT NULL REFERENCES items ON DELETE CASCADE, body text);
		-- what was committed here, in the same transaction: not replicated
		CREATE TABLE done (what text, amount bigint);
		SELECT vecmark.track('items', '{"counters": ["n"], "sets": ["tags"]}'), vecmark.track('parts')});
}

my %topology = (
	mesh => [ [ $a, $b ], [ $a, $c ], [ $b, $a ], [ $b, $c ], [ $c, $a ], [ $c, $b ] ],
	ring => [ [ $b, $a ], [ $c, $b ], [ $a, $c ] ],
	star => [ [ $a, $b ], [ $a, $c ], [ $b, $a ], [ $c, $a ] ]);

sql($a, q{INSERT INTO items (id, body, tags) SELECT 'item ' || i, 'first', '{common}' FROM generate_series(1, 12) AS i;
	INSERT INTO items (id, tags) VALUES ('counted', '{common}')});
pull_all(@{ $topology{mesh} });
are_equal('at first', @nodes);

# Transactions on rows that the others write as well.
sub history
{
	my ($name, $count) = @_;
	my $out = '';
	for my $i (1 .. $count)
	{
		my $item = 'item ' . (1 + int rand 12);
		my $amount = int(rand 20) - 5;
		my $own = "$name " . int(rand 1e9);
		my $add = "UPDATE items SET n = n + $amount WHERE id = 'counted'; INSERT INTO done VALUES ('added', $amount)";
		$out .= (
			"BEGIN; $add; COMMIT",
			"BEGIN; $add; ROLLBACK",
			"BEGIN; UPDATE items SET body = '$own' WHERE id = '$item'; SAVEPOINT s; $add; ROLLBACK TO s; $add; COMMIT",
			"BEGIN; INSERT INTO items (id, body) VALUES ('$own', 'own'); INSERT INTO done VALUES ('$own', 1); COMMIT",
			"UPDATE items SET tags = tags || '{$own,shared}'::text[], body = '$own' WHERE id = '$item'",
			"UPDATE items SET tags = array_remove(tags, 'shared') WHERE id = '$item'",
			"BEGIN; UPDATE items SET tags = tags || '$own'::text WHERE id = 'counted'; INSERT INTO done VALUES ('tag $own', 1); COMMIT",
			"DELETE FROM items WHERE id = '$item'",
			"INSERT INTO items (id, body, n) VALUES ('$item', 'again by $name', 3) ON CONFLICT (id) DO UPDATE SET n = items.n + 1",
			"INSERT INTO parts SELECT '$own', id, 'part' FROM items WHERE id = '$item'",
			"UPDATE parts SET body = '$own' WHERE id IN (SELECT id FROM parts ORDER BY id LIMIT 3)",
			"DELETE FROM parts WHERE id IN (SELECT id FROM parts ORDER BY id DESC LIMIT 1)")[ int rand 12 ] . ";\n";
		$out .= "SELECT pg_sleep(0.002);\n" if rand() < 0.5;
	}
	return $out;
}

# What was committed somewhere is everywhere; of counters nothing is lost and nothing comes twice.
sub nothing_lost
{
	my ($what) = @_;
	my $added = 0;
	my @missing;
	for my $node (@nodes)
	{
		$added += sql($node, "SELECT coalesce(sum(amount), 0) FROM done WHERE what = 'added'");
		my $own = sql($node, q{SELECT string_agg(quote_literal(what), ',') FROM done WHERE what <> 'added'});
		next if $own eq '';
		push @missing, sql($a, qq{SELECT what FROM unnest(ARRAY[$own]) AS what
			WHERE NOT EXISTS (SELECT FROM items WHERE id = what OR id = 'counted' AND 'tag ' || what = ANY (tags) OR id = 'counted' AND substr(what, 5) = ANY (tags))});
	}
	is(join(' ', map { sql($_, "SELECT n FROM items WHERE id = 'counted'") } @nodes), "$added $added $added", "$what: counters have all that was added");
	is(join('', @missing), '', "$what: rows and elements are there");
}

# ---- concurrent writes, under pulls that go on

for my $name (qw(mesh ring star))
{
	my @writers = map { my $writer = $_; map { run_psql($node{$writer}, history($writer, 40), 40) } 1 .. 2 } qw(a b c);
	my %status;
	for (1 .. 2)
	{
		$status{ pull(@$_) }++ for @{ $topology{$name} };
	}
	finish($_->{handle}) for @writers;
	my @other = grep { !/^(merged|nothing|40P01)$/ } keys %status;
	is("@other", '', "$name: pulls while all write");
	my @errors = map { grep { !/ERROR:  (40001|40P01|23505|23503|25P02)$/ } split /\n/, $_->{err} } @writers;
	is("@errors", '', "$name: writes that fail are to be done again");
	my $rounds = rounds_until_equal(4, $topology{$name}, @nodes);
	like($rounds, qr/^[123]$/, "$name: all are equal soon") or are_equal($name, @nodes);
	nothing_lost($name);
	are_sound($name, @nodes);
}
is(join(' ', map { sql($_, 'SELECT count(*) FROM vecmark.parked') } @nodes), '0 0 0', 'nothing stays parked');

# ---- a backend is killed while it merges

sub recovers
{
	my ($node, $log) = @_;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
}

my $rows = q{SELECT md5(string_agg(i::text, '' ORDER BY id)) FROM items AS i};
my %point = ('sync-merged-row:kill@7' => 'in the midst of rows', 'sync-merged-rows:kill' => 'with all rows written');
for my $point (sort keys %point)
{
	my $what = "killed $point{$point}";
	sql($b, "INSERT INTO items (id) SELECT '$what ' || i FROM generate_series(1, 20) AS i; DELETE FROM items WHERE id = 'item 5';"
		  . "UPDATE items SET n = n + 1, tags = tags || '$what'::text WHERE id = 'counted'; INSERT INTO done VALUES ('added', 1), ('tag $what', 1)");
	my $before = sql($a, $rows);
	my $log = -s $a->logfile;
	is(pull($a, $b, "SET vecmark.testpoints = '$point';\n"), 'died', "$what: the merge is killed");
	recovers($a, $log);
	is(sql($a, $rows), $before, "$what: nothing of it is there");
	are_sound($what, $a);
	is(pull($a, $b), 'merged', "$what: it can be done again");
	isnt(sql($a, $rows), $before, "$what: and is there");
	like(rounds_until_equal(2, $topology{mesh}, @nodes), qr/^\d$/, "$what: all are equal");
	nothing_lost($what);
}

# ---- servers stop at once while they merge, and forget

sub stops_at
{
	my ($what, $node, $point, $sql) = @_;
	my $lock = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
	my $holder = run_psql($node, "SELECT pg_advisory_lock(hashtext('$point')); SELECT pg_sleep(30);\n", 40);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted") or die "$what: no lock";
	my $run = run_psql($node, $sql, 40);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") or die "$what: the point is not reached";
	$node->stop('immediate');
	finish($_->{handle}) for $holder, $run;
	$node->start;
}

sql($c, "INSERT INTO items (id) SELECT 'stopped ' || i FROM generate_series(1, 300) AS i; INSERT INTO done SELECT 'stopped ' || i, 1 FROM generate_series(1, 300) AS i");
my $since = version($b);
my $deltas = sql($c, "SELECT array_agg(d) FROM vecmark.changes('$since', NULL, 4000) AS d");
like($deltas, qr/,/, 'a batch in parts');
my $before = sql($b, $rows);
stops_at('a merge', $b, 'sync-merged-row', "SET vecmark.testpoints = 'sync-merged-row:wait\@270';\nSELECT vecmark.merge_all('$deltas');\n");
is(sql($b, $rows), $before, 'a server that stops in a merge: nothing of it is there');
# part by part; those before the stop stay
my @parts = split /,/, $deltas =~ s/[{}]//gr;
sql($b, "SELECT vecmark.merge('$parts[1]'); SELECT vecmark.merge('$parts[0]')");
stops_at('a merge of a part', $b, 'sync-merged-rows', "SET vecmark.testpoints = 'sync-merged-rows:wait';\nSELECT vecmark.merge('$parts[2]');\n");
is(sql($b, 'SELECT count(*) FROM vecmark_internal.sync_batch'), '1', 'parts that were merged before the server stopped are on record');
sql($b, "SELECT vecmark.merge('$_')") for @parts[ 2 .. $#parts ];
is(sql($b, "SELECT (SELECT count(*) FROM vecmark_internal.sync_batch), (SELECT count(*) FROM items WHERE id LIKE 'stopped%')"), '0|300', 'all parts make the whole');
is(pull($b, $c) =~ s/merged/nothing/r, 'nothing', 'which is in the version');
like(rounds_until_equal(2, $topology{mesh}, @nodes), qr/^\d$/, 'a server that stopped in a merge: all are equal');
nothing_lost('a server that stopped in a merge');
are_sound('a server that stopped in a merge', @nodes);

sql($c, 'CREATE DATABASE early TEMPLATE postgres', 'template1');
sql($a, "DELETE FROM items WHERE id LIKE 'stopped%'");
sql($_, "DELETE FROM done WHERE what LIKE 'stopped%'") for @nodes;
# b hears of both others what they hold: of c first, as it would be told nothing that came by a
pull_all(@{ $topology{mesh} }, [ $b, $c ], [ $b, $a ]);
my $kept = q{SELECT (SELECT count(*) FROM vecmark_internal.sync_tombstone), (SELECT count(*) FROM vecmark_internal.sync_log), (SELECT string_agg(forgotten::text || lives, '' ORDER BY site) FROM vecmark_internal.sync_site)};
$before = sql($b, $kept);
stops_at('forgetting', $b, 'sync-forgotten-row', "SET vecmark.testpoints = 'sync-forgotten-row:wait\@100';\nCALL vecmark.maintain();\n");
is(sql($b, $kept), $before, 'a server that stops while it forgets has all');
my $log = -s $b->logfile;
$b->psql('postgres', "SET vecmark.testpoints = 'sync-forgotten-row:kill\@200';\nCALL vecmark.maintain()");
recovers($b, $log);
is(sql($b, $kept), $before, 'so has one whose backend is killed');
# in small portions, of which the first are committed
sql($b, 'SELECT vecmark.forget(50)') for 1 .. 3;
$before = sql($b, $kept);
stops_at('forgetting more', $b, 'sync-forgotten-row', "SET vecmark.testpoints = 'sync-forgotten-row:wait\@20';\nCALL vecmark.maintain();\n");
is(sql($b, $kept), $before, 'and one that had forgotten a part has forgotten that');
sql($b, 'CALL vecmark.maintain()');
is(sql($b, "SELECT count(*) < 20 FROM vecmark_internal.sync_tombstone"), 't', 'in the end it is done');
sql($b, "INSERT INTO items (id, body) SELECT 'stopped ' || i, 'again' FROM generate_series(1, 10) AS i");
pull_all(@{ $topology{ring} }, @{ $topology{ring} });
is(join(' ', map { sql($_, "SELECT count(*) FROM items WHERE id LIKE 'stopped%'") } @nodes), '10 10 10', 'what was deleted stays so, what is born after it lives');
are_sound('after forgetting', @nodes);
is(pull($b, [ $c, 'early' ]), 'VM003', 'who has missed deletes that are forgotten is refused');
sql($c, "INSERT INTO items (id) VALUES ('behind')");
my $late = sql($c, "SELECT d FROM vecmark.changes('" . version($b) . "') AS d", 'early');
my $fine = sql($c, "SELECT d FROM vecmark.changes('" . version($b) . "') AS d");
is(error_of($b, "SELECT vecmark.merge_all(ARRAY['$late', '$fine']::vecmark.delta[])"), 'VM003', 'with what comes behind it');
is(sql($b, "SELECT status FROM vecmark.merge_all(ARRAY['$late', '$fine']::vecmark.delta[], 'report')"), 'late', 'or stops there');
is(sql($b, "SELECT count(*) FROM items WHERE id = 'behind'"), '0', 'before it');
sql($_, 'CALL vecmark.maintain()') for @nodes;
like(rounds_until_equal(3, $topology{mesh}, @nodes), qr/^\d$/, 'after forgetting: all are equal') ;
nothing_lost('after forgetting');

# ---- what a peer was told stays, with commits that are not flushed

sub dies_after
{
	my ($what, $sql) = @_;
	sql($c, "SET synchronous_commit = off; $sql");
	is(pull($b, $c), 'merged', "$what: pulled");
	my $told = sql($b, $rows);
	$c->stop('immediate');
	$c->start;
	is(sql($c, "SELECT count(*) FROM items WHERE id = 'told'"), sql($b, "SELECT count(*) FROM items WHERE id = 'told'"), "$what: what was told is there");
	sql($c, "UPDATE items SET n = n + 1 WHERE id = 'counted'; INSERT INTO done VALUES ('added', 1)");
	pull($b, $c);
	is(sql($b, "SELECT n FROM items WHERE id = 'counted'"), sql($c, "SELECT n FROM items WHERE id = 'counted'"), "$what: what is written next is new to its peer");
}
dies_after('a commit', "INSERT INTO items (id) VALUES ('told')");
dies_after('a transaction that was rolled back', "BEGIN; INSERT INTO items (id) VALUES ('never'); ROLLBACK");
dies_after('a delete', "DELETE FROM items WHERE id = 'told'");

# what nobody was told may be lost, with its number
sql($c, "SET synchronous_commit = off; INSERT INTO items (id) VALUES ('not told')");
$c->stop('immediate');
$c->start;
like(rounds_until_equal(3, $topology{mesh}, @nodes), qr/^\d$/, 'with commits that are not flushed: all are equal');
nothing_lost('with commits that are not flushed');

# ---- servers die again and again while all write and pull

my @writers = map { run_psql($node{$_}, history($_, 100), 40) } qw(a b c);
for my $victim ($a, $b, $c)
{
	pull(@$_) for @{ $topology{ring} };
	$victim->stop('immediate');
	$victim->start;
}
finish($_->{handle}) for @writers;
like(rounds_until_equal(4, $topology{ring}, @nodes), qr/^\d$/, 'servers that die: all are equal');
nothing_lost('servers that die');
are_sound('servers that die', @nodes);
for my $node (@nodes)
{
	unlike(slurp_file($node->logfile), qr/TRAP:|PANIC:|XX000|XX001/, 'no sign of damage in the log of ' . $node->name);
	$node->stop;
}
done_testing();
