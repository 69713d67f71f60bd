# 032_merkle_writers.pl: 64 clients write tables that have digests, while these are folded: none waits for another, the digests are exact, and little is
# left of them.  MERKLE_WRITERS_SECONDS says for how long.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use IPC::Run qw(start finish timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SyncTest;
use Test::More;

my $seconds = $ENV{MERKLE_WRITERS_SECONDS} // 120;
my $node = server('writers', "max_connections = 100\ndeadlock_timeout = 100ms\nlog_lock_waits = on\nfsync = off\nautovacuum = on\nautovacuum_naptime = 5s\n");
$node->start;
sql($node, q{CREATE EXTENSION vecmark;
	CREATE TABLE notes (id bigint PRIMARY KEY, body text, likes bigint, labels text[]);
	CREATE TABLE tags (name text PRIMARY KEY, uses bigint);
	SELECT vecmark.track('notes', '{"counters": ["likes"], "sets": ["labels"]}'), vecmark.track('tags', '{"counters": ["uses"]}'),
		vecmark.build_digest('notes'), vecmark.build_digest('tags');
	INSERT INTO notes SELECT g, 'note ' || g, 0, '{}' FROM generate_series(1, 50000) AS g});

my $script = $node->basedir . '/writers.sql';
append_to_file($script, q{\set id random(1, 50000)
\set fresh random(100000, 100000000)
\set tag random(1, 2000)
BEGIN;
UPDATE notes SET likes = likes + 1, labels = labels || ('l' || :tag) WHERE id = :id;
INSERT INTO notes VALUES (:fresh, 'new', 1, '{new}') ON CONFLICT (id) DO UPDATE SET body = 'again';
SAVEPOINT s;
DELETE FROM notes WHERE id = :fresh - 1;
UPDATE notes SET body = 'no' WHERE id = :id;
ROLLBACK TO s;
COMMIT;
INSERT INTO tags VALUES ('tag ' || :tag, 1) ON CONFLICT (name) DO UPDATE SET uses = tags.uses + 1;
DELETE FROM notes WHERE id = :fresh;
});
my ($out, $err) = ('', '');
my $writers = start([ 'pgbench', '-n', '-c', 64, '-j', 2, '-T', $seconds, '-f', $script, '-d', $node->connstr('postgres') ],
	'>', \$out, '2>', \$err, timeout($seconds + 120));
my $folds = 0;
my $end = time + $seconds - 2;
while (time < $end)
{
	sql($node, 'CALL vecmark.maintain()');
	$folds++;
	is(sql($node, q{SELECT count(*) FROM vecmark.audit('notes')}), '0', "the digest is exact while others write ($folds)") if $folds % 5 == 1;
	select(undef, undef, undef, 1);
}
finish($writers);
like($out, qr/number of failed transactions: 0 /, 'no transaction failed');
unlike($err, qr/deadlock|ERROR/, 'no deadlock');
unlike(slurp_file($node->logfile), qr/deadlock detected|PANIC|TRAP/, 'nor in the log');
note($1) if $out =~ /(tps = [\d.]+)/;
cmp_ok($folds, '>', 3, "folded $folds times");
for my $table (qw(notes tags))
{
	is(sql($node, "SELECT count(*) FROM vecmark.audit('$table')"), '0', "digest of $table: exact in the end");
	is(sql($node, "SELECT count(*) FROM vecmark.sync_check('$table')"), '0', "$table: sound");
}
sql($node, 'CALL vecmark.maintain()');
is(sql($node, q{SELECT count(*) FROM vecmark_internal.merkle_leaf WHERE part = -1}), '0', 'nothing is pending after folding');
sql($node, 'VACUUM vecmark_internal.merkle_leaf');
my $size = sql($node, q{SELECT pg_total_relation_size('vecmark_internal.merkle_leaf')});
cmp_ok($size, '<', 8 * 1024 * 1024, "leaves take $size bytes");
$node->stop;
done_testing();
