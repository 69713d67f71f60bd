# 021_sync_copies.pl: databases that are cloned, copied, restored, rolled back and promoted, beside the one they are copies of: each
# begins a life of its own, and all hold the same in the end.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use SyncTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $a = server('a');
$a->enable_archiving;
my $b = server('b');
my $setup = q{
	CREATE EXTENSION vecmark;
	CREATE TABLE items (id text PRIMARY KEY, body text, n bigint NOT NULL DEFAULT 0, tags text[] NOT NULL DEFAULT '{}');
	SELECT vecmark.track('items', '{"counters": ["n"], "sets": ["tags"]}')};
for my $node ($a, $b)
{
	$node->start;
	sql($node, $setup);
}

# What a case wrote: row "CASE" counts, and has a tag of each write; so a loss and a repetition both show.
my %total;
my %writes;

sub add
{
	my ($node, $case, $more, $database) = @_;
	my $write = ++$writes{$case};
	sql($node, qq{INSERT INTO items (id, n, tags) VALUES ('$case', $write, '{write $write}')
		ON CONFLICT (id) DO UPDATE SET n = items.n + $write, tags = items.tags || 'write $write'::text, body = 'write $write';
		INSERT INTO items (id) VALUES ('$case $write');} . ($more // ''), $database);
	$total{$case} += $write;
}

# The last pulls from all others, and they from it, and all are equal; what was written is everywhere, and what was deleted is
# nowhere.
sub converge
{
	my ($case, @nodes) = @_;
	my $last = pop @nodes;
	pull_all((map { [ $last, $_ ] } @nodes), map { [ $_, $last ] } @nodes);
	push @nodes, $last;
	are_equal($case, @nodes);
	my $expected = "$total{$case}|$writes{$case}|$writes{$case}|0";
	for my $node (@nodes)
	{
		my ($server, $database) = ref $node eq 'ARRAY' ? @$node : ($node, 'postgres');
		is(sql($server, qq{SELECT n, cardinality(tags), (SELECT count(*) FROM items WHERE id ~ '^$case [0-9]+\$'), (SELECT count(*) FROM items WHERE id LIKE '%doomed')
			FROM items WHERE id = '$case'}, $database), $expected, "$case: nothing is lost, nothing comes twice");
	}
	are_sound($case, @nodes);
	my %sites = map { sql(ref $_ eq 'ARRAY' ? ($_->[0], 'SELECT vecmark.site()', $_->[1]) : ($_, 'SELECT vecmark.site()')) => 1 } @nodes;
	is(scalar keys %sites, scalar @nodes, "$case: each has a life of its own");
}

sub doom
{
	my ($case) = @_;
	return "INSERT INTO items (id) VALUES ('$case doomed')";
}

# ---- a clone by pg_basebackup, with transactions that are open and prepared in the original

add($a, 'clone', doom('clone'));
pull_all([ $b, $a ]);
add($a, 'clone');
sql($a, q{BEGIN; INSERT INTO items (id) VALUES ('prepared, committed in both'); PREPARE TRANSACTION 'both'});
sql($a, q{BEGIN; INSERT INTO items (id) VALUES ('prepared, rolled back in the clone'); PREPARE TRANSACTION 'one'});
my $open = session($a);
ask($open, q{BEGIN; INSERT INTO items (id) VALUES ('open in the original')});
$a->backup('clone');
my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($a, 'clone');
$clone->start;
ask($open, "UPDATE items SET body = 'was open' WHERE id = 'clone'; COMMIT");
leave($open);
is(error_of($clone, 'SET default_transaction_read_only = on; SELECT vecmark.version()'), '55000', 'a clone that may not write has no life of its own');
my $site = sql($a, 'SELECT vecmark.site()');
isnt(sql($clone, 'SELECT vecmark.site()'), $site, 'a clone begins one where it is read');
is(sql($a, 'SELECT vecmark.site()'), $site, 'the original keeps its own');
sql($_, "COMMIT PREPARED 'both'") for $a, $clone;
sql($clone, "ROLLBACK PREPARED 'one'");
sql($a, "COMMIT PREPARED 'one'");
add($clone, 'clone', "DELETE FROM items WHERE id = 'clone doomed'");
add($_, 'clone') for $a, $b, $clone;
converge('clone', $a, $b, $clone);
is(sql($clone, q{SELECT string_agg(id, '; ' ORDER BY id) FROM items WHERE id ~ '^(open|prepared)'}),
	'open in the original; prepared, committed in both; prepared, rolled back in the clone', 'what was open when the clone was made comes from the original');
$clone->stop('immediate');

# ---- a copy of files of a server that was stopped

add($a, 'cold', doom('cold'));
pull_all([ $b, $a ]);
add($a, 'cold');
$a->stop;
$a->backup_fs_cold('cold');
my $cold = PostgreSQL::Test::Cluster->new('cold');
$cold->init_from_backup($a, 'cold');
$_->start for $a, $cold;
add($_, 'cold') for $a, $cold, $a, $cold, $b;
sql($cold, "DELETE FROM items WHERE id = 'cold doomed'");
# b hears of the copy before it hears of the original
pull_all([ $b, $cold ], [ $b, $a ]);
converge('cold', $a, $b, $cold);
$cold->stop('immediate');

# ---- a database made from another as its template

add($a, 'template', doom('template'));
pull_all([ $b, $a ]);
add($a, 'template');
sql($a, 'CREATE DATABASE made TEMPLATE postgres', 'template1');
my $made = [ $a, 'made' ];
add($a, 'template', "DELETE FROM items WHERE id = 'template doomed'", 'made');
add($_, 'template') for $a, $b;
converge('template', $a, $b, $made);

# ---- a dump

add($a, 'dump', doom('dump'));
pull_all([ $b, $a ], [ $a, $b ]);
my $acknowledged = version($b);
add($a, 'dump');
sql($a, "DELETE FROM items WHERE id = 'clone 1'; INSERT INTO items (id) VALUES ('clone 1')");
$open = session($a);
ask($open, "BEGIN; INSERT INTO items (id) VALUES ('open at the dump')");
my ($dump) = run_command([ 'pg_dump', '-d', $a->connstr('postgres') ]);
ask($open, 'COMMIT');
leave($open);
my $site_of_dump = sql($a, 'SELECT vecmark.site()');
sql($b, 'CREATE DATABASE restored');
sql($b, "SET client_min_messages = warning;\n$dump", 'restored');
my $restored = [ $b, 'restored' ];
isnt(sql($b, 'SELECT vecmark.site()', 'restored'), $site_of_dump, 'dump: another life');
is(sql($b, "SELECT ('$acknowledged'::vecmark.version_vector OPERATOR(vecmark.-) vecmark.version())::text ~ '$site_of_dump'", 'restored'), 'f',
	'dump: what was acknowledged stays claimed');
add($b, 'dump', "DELETE FROM items WHERE id = 'dump doomed'", 'restored');
is(pull($b, $restored), 'merged', 'dump: a peer of the original pulls from the restored');
are_sound('dump, before the original is heard', $b, $restored);
add($_, 'dump') for $a, $b;
converge('dump', $a, $b, $restored);
is(sql($b, "SELECT count(*) FROM items WHERE id = 'open at the dump'", 'restored'), '1', 'dump: what was open comes from the original');

# ---- recovery to a point in time

add($a, 'point', doom('point'));
$a->backup('point');
pull_all([ $b, $a ]);
add($a, 'point');
$open = session($a);
ask($open, "BEGIN; INSERT INTO items (id) VALUES ('open at the point')");
sql($a, "SELECT pg_create_restore_point('point')");
ask($open, 'COMMIT');
leave($open);
add($a, 'point');
pull_all([ $b, $a ]);
add($a, 'point', "DELETE FROM items WHERE id = 'point doomed'");
sql($a, 'SELECT pg_switch_wal()');
$a->poll_query_until('postgres', 'SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver') or die 'WAL is not archived';
my $point = PostgreSQL::Test::Cluster->new('point');
$point->init_from_backup($a, 'point', has_restoring => 1, standby => 0);
$point->append_conf('postgresql.conf', "recovery_target_name = 'point'\nrecovery_target_action = promote\narchive_mode = off");
$point->start;
$point->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
is(sql($point, "SELECT n, body FROM items WHERE id = 'point'"), '3|write 2', 'point: the state of then');
add($point, 'point');
# what b had of the time after the point comes back from it
pull_all([ $point, $b ], [ $b, $point ]);
is(sql($point, "SELECT n, cardinality(tags), (SELECT count(*) FROM items WHERE id = 'open at the point') FROM items WHERE id = 'point'"), '11|4|1', 'point: peers give back what they had');
are_sound('point, without the original', $b, $point);
converge('point', $a, $b, $point);
$point->stop('immediate');

# ---- a standby that tells, and is promoted

sub catch_up
{
	my ($standby) = @_;
	my $lsn = sql($a, 'SELECT pg_current_wal_flush_lsn()');
	$standby->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() >= '$lsn'") or die 'the standby does not catch up';
}

$a->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($a, 'standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'archive_mode = off');
$standby->start;
add($a, 'standby', doom('standby'));
$open = session($a);
my $txn = (split /\n/, ask($open, "BEGIN; SAVEPOINT s; INSERT INTO items (id) VALUES ('open at the standby'); RELEASE s; INSERT INTO items (id) VALUES ('open as well'); SELECT pg_current_xact_id()"))[-1];
add($a, 'standby');
catch_up($standby);
is(sql($standby, 'SELECT vecmark.site()'), $site, 'standby: its site is that of the primary');
is(pull($b, $standby), 'merged', 'standby: it tells changes');
is(sql($b, "SELECT n FROM items WHERE id = 'standby'"), '3', 'standby: which are merged');
is(sql($b, "SELECT vecmark_internal.covers(vecmark.version(), x'$site'::bigint, $txn)"), 'f', 'standby: an open transaction of the primary is not claimed');
ask($open, 'COMMIT');
leave($open);
catch_up($standby);
is(pull($b, $standby), 'merged', 'standby: nor missed');
is(sql($b, "SELECT count(*) FROM items WHERE id IN ('open at the standby', 'open as well')"), '2', 'standby: when it has ended');
is(error_of($standby, "INSERT INTO items (id) VALUES ('x')"), '25006', 'standby: it is not written');
# what the primary tells then, the standby never gets from it
sql($standby, 'SELECT 1');
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->reload;
$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or die 'the standby still receives';
add($a, 'standby');
pull_all([ $b, $a ]);
add($a, 'standby');
$standby->promote;
add($standby, 'standby', "DELETE FROM items WHERE id = 'standby doomed'");
isnt(sql($standby, 'SELECT vecmark.site()'), $site, 'promoted: another life');
add($_, 'standby') for $b, $standby;
pull_all([ $b, $standby ], [ $standby, $b ]);
are_sound('promoted, without the primary', $b, $standby);
converge('standby', $a, $b, $standby);
$standby->stop('immediate');

# ---- files put back in their place

my $saved = $a->backup_dir . '/saved';

sub save_files
{
	$a->stop;
	system_or_bail('rm', '-rf', $saved);
	system_or_bail('cp', '-rp', $a->data_dir, $saved);
	$a->start;
}

# Written over, so that they keep their inodes.
sub put_back_files
{
	my $data = $a->data_dir;
	$a->stop;
	system_or_bail('sh', '-c', "cd '$data' && find . -type f | while read f; do test -e '$saved'/\$f || rm \$f; done; cp -rpT '$saved' '$data'");
	$a->start;
}

add($a, 'back', doom('back') . "; INSERT INTO items (id, body) VALUES ('changed elsewhere', 'first'), ('changed here', 'first')");
pull_all([ $b, $a ]);
save_files();
sql($b, "UPDATE items SET body = 'second' WHERE id = 'changed elsewhere'");
add($a, 'back') for 1 .. 5;
pull_all([ $b, $a ]);
put_back_files();
is(sql($a, 'SELECT vecmark.site()'), $site, 'put back: it cannot be told from inside');
is(pull($b, $a), '55000', 'put back: a peer that knows more is refused');
# under a number that is b's already
sql($a, "INSERT INTO items (id, n, tags) VALUES ('back under a number used before', 7, '{tag}'); UPDATE items SET body = 'second' WHERE id = 'changed here'");
is(pull($a, $b), 'gap', 'put back: what the peer says builds on what this one has otherwise');
isnt(sql($a, 'SELECT vecmark.site()'), $site, 'put back: begins another life');
add($_, 'back') for $a, $b;
sql($b, "DELETE FROM items WHERE id = 'back doomed'");
converge('back', $a, $b);
is(sql($b, "SELECT string_agg(body, ' ') FROM items WHERE id LIKE 'changed %'"), 'second second', 'put back: the later write stays, wherever it was');
is(sql($b, "SELECT n, tags FROM items WHERE id = 'back under a number used before'"), '7|{tag}', 'put back: what it wrote before that is stamped anew');

# by hand, before anything is written
$site = sql($a, 'SELECT vecmark.site()');
add($a, 'hand', doom('hand'));
pull_all([ $b, $a ]);
save_files();
add($a, 'hand');
pull_all([ $b, $a ]);
put_back_files();
isnt(sql($a, 'SELECT vecmark.new_incarnation()'), $site, 'put back, with a new life by hand');
add($a, 'hand') for 1 .. 5;
sql($b, "DELETE FROM items WHERE id = 'hand doomed'");
add($b, 'hand');
converge('hand', $a, $b);

# the limit: more is written than others had seen, before anybody is met
add($a, 'limit');
pull_all([ $b, $a ]);
save_files();
sql($a, "INSERT INTO items (id) VALUES ('limit 2')");
pull_all([ $b, $a ]);
put_back_files();
sql($a, "INSERT INTO items (id) VALUES ('limit $_')") for 3 .. 20;
is(pull($b, $a), 'merged', 'limit: a peer that knows no more');
is(sql($b, "SELECT count(*) FROM items WHERE id IN ('limit 18', 'limit 19', 'limit 20')"), '3', 'limit: gets what has numbers that it does not know');
is(sql($b, "SELECT count(*) FROM items WHERE id IN ('limit 2', 'limit 3')"), '1', 'limit: but of two transactions with one number, one');

for my $node ($a, $b)
{
	unlike(slurp_file($node->logfile), qr/TRAP:|PANIC:|XX000|XX001/, 'no sign of damage in the log of ' . $node->name);
	$node->stop;
}
done_testing();
