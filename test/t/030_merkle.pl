# 030_merkle.pl: two servers compare digests of a table, find what differs, and repair it, by functions alone.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %node;
for my $name (qw(a b))
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node{$name}->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node{$name}->append_conf('postgresql.conf', "max_prepared_transactions = 5\nautovacuum = off");
	$node{$name}->start;
}

sub sql
{
	my ($name, $sql) = @_;
	return $node{$name}->safe_psql('postgres', $sql);
}

sub pull
{
	my ($to, $from) = @_;
	my $since = sql($to, 'SELECT vecmark.version()');
	my $deltas = sql($from, "SELECT array_agg(d) FROM vecmark.changes('$since') AS d");
	return $deltas eq '' ? '' : sql($to, "SELECT status FROM vecmark.merge_all('$deltas')");
}

sub root
{
	my ($name) = @_;
	return sql($name, "SELECT format, hash, rows, settled FROM vecmark.root('notes')");
}

# Rows that $to has otherwise than $from become as they are there; bytes that went over the wire, and rows.
sub repair
{
	my ($to, $from) = @_;
	my $bytes = 0;
	my $carry = sub { $bytes += length($_[0]) / 2; return $_[0] };
	my $coarse = sql($to, "SELECT vecmark.bucket_diff('notes', 8, '" . $carry->(sql($from, "SELECT vecmark.bucket_hashes('notes', 8)")) . "')");
	return (0, 0) if $coarse eq '{}';
	my $inner = "(SELECT array_agg(p * 256 + i ORDER BY p, i) FROM unnest('$coarse'::int[]) AS p, generate_series(0, 255) AS i)";
	my $fine = sql($to, "SELECT vecmark.bucket_diff('notes', 16, '" .
		$carry->(sql($from, "SELECT vecmark.bucket_hashes('notes', 16, $inner)")) . "', $inner)");
	my $keys = $carry->(sql($to, "SELECT vecmark.bucket_keys('notes', 16, '$fine')"));
	my $deltas = sql($from, "SELECT array_agg(d) FROM vecmark.fetch('notes', 16, '$fine', '$keys') AS d");
	return ($bytes, 0) if $deltas eq '';
	return ($bytes, sql($to, "SELECT applied FROM vecmark.merge_all('$deltas', 'repair')"));
}

sub behind_the_back
{
	my ($name, $sql) = @_;
	sql($name, "SET session_replication_role = replica; $sql");
}

for my $name (qw(a b))
{
	sql($name, q{CREATE EXTENSION vecmark;
		CREATE TABLE notes (id uuid PRIMARY KEY, body text, embedding vector(8), likes integer, labels text[]);
		SELECT vecmark.track('notes', '{"counters": ["likes"], "sets": ["labels"]}'), vecmark.build_digest('notes', 7)});
}

sql('a', q{INSERT INTO notes SELECT md5(g::text)::uuid, 'body ' || g, array_fill(g::float4, '{8}')::vector(8), g, ARRAY['a', 'b' || g % 5]
	FROM generate_series(1, 20000) AS g});
isnt(root('a'), root('b'), 'roots of unlike tables differ');
pull('b', 'a');
is(root('b'), root('a'), 'a pull makes them equal');
sql('b', q{UPDATE notes SET body = 'from b', likes = likes + 1 WHERE likes % 100 = 0; DELETE FROM notes WHERE likes % 777 = 0});
sql('a', q{UPDATE notes SET labels = labels || '{c}'::text[], likes = likes + 1 WHERE likes % 50 = 0});
pull('a', 'b');
pull('b', 'a');
pull('a', 'b');
is(root('b'), root('a'), 'merges of both, too');
is(sql('b', q{SELECT count(*) FROM vecmark.audit('notes')}), '0', 'and they are those of the rows');

# a transaction that is prepared is not in it before it is committed
sql('a', q{BEGIN; UPDATE notes SET body = 'prepared' WHERE likes = 7; PREPARE TRANSACTION 'p'});
is(root('b'), root('a'), 'what is prepared does not count');
sql('a', q{COMMIT PREPARED 'p'});
isnt(root('b'), root('a'), 'until it is committed');
pull('b', 'a');
is(root('b'), root('a'), 'and pulled');

# whether roots must be alike is known without equal versions: neither has changes that the other lacks
sub compare
{
	my ($one, $other) = @_;
	my $version = sql($one, q{SELECT version FROM vecmark.root('notes')});
	my $there = sql($other, "SELECT format, hash, settled, vecmark.has_changes('$version', '{notes}'), version FROM vecmark.root('notes')");
	my ($format, $hash, $settled, $ahead, $held) = split /\|/, $there;
	my $here = sql($one, "SELECT format, hash, settled, vecmark.has_changes('$held', '{notes}') FROM vecmark.root('notes')");
	return $here eq join('|', $format, $hash, 't', 'f') && $settled eq 't' && $ahead eq 'f' ? 'equal'
	  : $ahead eq 't' || $here =~ /t$/ ? 'unknown' : 'unlike';
}
isnt(sql('a', 'SELECT vecmark.version()'), sql('b', 'SELECT vecmark.version()'), 'versions are not equal, as merges take numbers');
is(compare('a', 'b'), 'equal', 'roots are comparable all the same, and equal');
sql('b', q{UPDATE notes SET body = 'ahead' WHERE likes = 8});
is(compare('a', 'b'), 'unknown', 'not when one is ahead');
is(compare('b', 'a'), 'unknown', 'whoever asks');
pull('a', 'b');
is(compare('a', 'b'), 'equal', 'but when it has told the other');

# a row that was deleted and inserted again has a tombstone, too; it is told as the row that it is
sql('a', q{DELETE FROM notes WHERE likes = 9; INSERT INTO notes SELECT md5('9')::uuid, 'again'});
pull('b', 'a');
my $keys_of_a = sql('a', q{SELECT vecmark.bucket_keys('notes', 0)});
is($keys_of_a, sql('b', q{SELECT vecmark.bucket_keys('notes', 0)}), 'both have the same keys');
behind_the_back('b', q{UPDATE notes SET body = 'other' WHERE id = md5('9')::uuid});
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
is(join(',', map { $_ ne '0' ? 'some' : 'none' } repair('b', 'a')), 'some,some', 'such a row is repaired');
is(compare('a', 'b'), 'equal', 'and equal then');

# of a row that is gone here, and was written there since, nothing is put back before it was pulled
behind_the_back('b', q{DELETE FROM notes WHERE id = md5('111')::uuid});
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
sql('a', q{UPDATE notes SET body = 'written since' WHERE id = md5('111')::uuid});
my $told = sql('a', q{SELECT array_agg(d) FROM vecmark.fetch('notes', 0, NULL) AS d});
is(sql('b', "SELECT applied, parked FROM vecmark.merge_all('$told', 'repair')"), '0|0', 'a part of a row is not put back');
pull('b', 'a');
is(sql('b', q{SELECT count(*) FROM vecmark.parked}), '1', 'what came of it waits for the rest');
repair('b', 'a');
is(sql('b', q{SELECT body, likes FROM notes WHERE id = md5('111')::uuid}), 'written since|111', 'which comes when it is all held here');
is(sql('b', q{SELECT count(*) FROM vecmark.parked}), '0', 'then nothing waits');
is(compare('a', 'b'), 'equal', 'and all is equal');

# nothing differs: a question of a hash
is(join(' ', repair('b', 'a')), '0 0', 'equal tables are told by 256 hashes');

# each kind of damage by itself; the other has what it should be
my @damage = (
	[ 'a negated vector', q{UPDATE notes SET embedding = array_fill(-100::float4, '{8}')::vector(8) WHERE id = md5('101')::uuid}, 1 ],
	[ 'one flipped sign', q{UPDATE notes SET embedding = '[102,102,102,-102,102,102,102,102]' WHERE id = md5('102')::uuid}, 1 ],
	[ 'one changed byte', q{UPDATE notes SET body = 'cody 103' WHERE id = md5('103')::uuid}, 1 ],
	[ 'a missing row', q{DELETE FROM notes WHERE id = md5('104')::uuid}, 1 ],
	[ 'swapped values', q{UPDATE notes SET body = CASE body WHEN 'body 106' THEN 'body 107' ELSE 'body 106' END WHERE body IN ('body 106', 'body 107')}, 2 ],
	[ 'a counter', q{UPDATE notes SET likes = likes + 1000000 WHERE id = md5('108')::uuid}, 1 ],
	[ 'a set', q{UPDATE notes SET labels = '{z}' WHERE id = md5('109')::uuid}, 1 ],
);
for my $case (@damage)
{
	my ($what, $statement, $rows) = @$case;
	my $sound = sql('b', "SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM notes AS n");

	behind_the_back('b', $statement);
	is(sql('b', q{SELECT count(*) FROM vecmark.audit('notes')}), "$rows", "$what is found");
	is(root('b'), root('a'), "$what: the digest is of what was written");
	sql('b', q{SELECT vecmark.build_digest('notes', 7)});
	isnt(root('b'), root('a'), "$what: and, built anew, of what is there");
	my ($bytes, $repaired) = repair('b', 'a');
	is($repaired, $rows, "$what is repaired");
	cmp_ok($bytes, '<', 9000 * $rows, "$what: for few bytes ($bytes)");
	is(root('b'), root('a'), "$what: roots are equal again");
	is(sql('b', "SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM notes AS n"), $sound, "$what: and so are rows and clocks");
}

# a row that came back behind the back is dead where its tombstone is
sql('a', q{DELETE FROM notes WHERE id = md5('110')::uuid});
pull('b', 'a');
behind_the_back('b', q{INSERT INTO notes SELECT md5('110')::uuid, 'undead'});
is(sql('b', q{SELECT expected, actual FROM vecmark.audit('notes')}), '0|1', 'a row that came back is found');
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
like(sql('b', q{SELECT string_agg(fault, ',') FROM vecmark.sync_check('notes')}), qr/life/, 'so it is by its life');
sql('b', q{DELETE FROM notes WHERE id = md5('110')::uuid});
pull('a', 'b');
is(root('b'), root('a'), 'deleted, it is gone everywhere');

# a row that is there twice, as after an index was damaged
sql('b', q{UPDATE pg_index SET indisready = false WHERE indexrelid = 'notes_pkey'::regclass});
sql('b', q{SET session_replication_role = replica; INSERT INTO notes SELECT * FROM notes WHERE id = md5('112')::uuid});
sql('b', q{UPDATE pg_index SET indisready = true WHERE indexrelid = 'notes_pkey'::regclass});
is(sql('b', q{SELECT actual - expected FROM vecmark.audit('notes')}), '1', 'a row that is there twice is found');
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
isnt(root('b'), root('a'), 'and told by roots');
sql('b', q{SET session_replication_role = replica; SET enable_indexscan = off; SET enable_bitmapscan = off;
	DELETE FROM notes AS n WHERE n.id = md5('112')::uuid AND n.ctid <> (SELECT min(ctid) FROM notes WHERE id = n.id); REINDEX INDEX notes_pkey});
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
is(root('b'), root('a'), 'once, it is as it was');

# who does not see all of a table gets no digest of it, and nobody else's to keep
sub error_of
{
	my ($name, $sql, $database) = @_;
	my ($status, undef, $err) = $node{$name}->psql($database // 'postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $err =~ /ERROR:  (\w{5})/ ? $1 : 'no error';
}
sql('b', q{CREATE ROLE reader; GRANT SELECT (id, body) ON notes TO reader});
for my $call ("vecmark.root('notes')", "vecmark.buckets('notes')", "vecmark.bucket_hashes('notes')", "vecmark.bucket_keys('notes')", "vecmark.fetch('notes', 8, NULL)", "vecmark.audit('notes')",
	"vecmark.bucket_diff('notes', 0, '')", "vecmark.build_digest('notes')", "vecmark.drop_digest('notes')", "vecmark_internal.fold_digest('notes')", "vecmark_internal.forget_digest('notes')", "vecmark_internal.compute_digest('notes', 0)")
{
	is(error_of('b', "SET ROLE reader; SELECT $call"), '42501', "$call is not for who sees some columns");
}
sql('b', q{GRANT SELECT ON notes TO reader});
is(sql('b', q{SET ROLE reader; SELECT hash FROM vecmark.root('notes')}), sql('a', q{SELECT hash FROM vecmark.root('notes')}), 'it is for who sees all');
sql('b', q{ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON notes USING (likes > 5)});
is(error_of('b', "SET ROLE reader; SELECT $_"), '42501', "$_ is not for who sees some rows")
  for "vecmark.root('notes')", "vecmark.buckets('notes')", "vecmark.bucket_keys('notes')", "vecmark.fetch('notes', 8, NULL)", "vecmark.audit('notes')";
sql('b', q{ALTER TABLE notes DISABLE ROW LEVEL SECURITY});

# leaves that are damaged themselves
sql('b', q{UPDATE vecmark_internal.merkle_leaf SET leaves = '\xff' WHERE ctid = (SELECT min(ctid) FROM vecmark_internal.merkle_leaf WHERE rel = 'notes'::regclass)});
is(error_of('b', "SELECT vecmark.$_('notes')"), 'XX001', "$_ says that leaves are damaged") for qw(root audit buckets bucket_hashes);
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
is(root('b'), root('a'), 'built anew they are whole');
sql('b', q{INSERT INTO vecmark_internal.merkle_leaf VALUES (99999, -1, '\x00'); CALL vecmark.maintain()});
is(sql('b', q{SELECT count(*) FROM vecmark_internal.merkle_leaf WHERE rel = 99999}), '0', 'leaves of no table are tidied');

# rights: folding is for who may write in every way, tidying for who may write all that is tracked, and nothing is written by who only reads
sql('b', q{GRANT INSERT ON notes TO reader});
is(error_of('b', "SET ROLE reader; SELECT $_"), '42501', "$_ is not for who may insert alone") for "vecmark_internal.fold_digest('notes')", 'vecmark_internal.tidy_digests()';
sql('b', q{REVOKE INSERT ON notes FROM reader});
is(error_of('b', "SET default_transaction_read_only = on; SELECT $_"), '25006', "$_ is refused when only reading")
  for "vecmark.ack('00000000000000aa', '{}')", "vecmark.retire('00000000000000aa')", "vecmark_internal.fold_digest('notes')", 'vecmark_internal.tidy_digests()', "vecmark.build_digest('notes', 7)", 'vecmark.clear_alarms()';
sql('b', q{CREATE DATABASE empty});
$node{b}->safe_psql('empty', 'CREATE EXTENSION vecmark');
is(error_of('b', "SET ROLE reader; SELECT $_", 'empty'), '42501', "$_ is for the database's owner while nothing is tracked")
  for "vecmark.ack('00000000000000aa', '{}')", "vecmark.retire('00000000000000aa')", "vecmark_internal.raise_alarm('a', 'pg_class', '{}')", "vecmark_internal.register_peer('a', NULL)";

# one who has another seed, or other columns, is told
sql('b', q{SELECT vecmark.build_digest('notes', 8)});
isnt(sql('b', q{SELECT format FROM vecmark.root('notes')}), sql('a', q{SELECT format FROM vecmark.root('notes')}), 'another seed has another format');
sql('b', q{SELECT vecmark.build_digest('notes', 7)});
is(root('b'), root('a'), 'the same seed the same');

# what is restored from a dump has the same digest
my $dump = $node{a}->basedir . '/dump.sql';
$node{a}->command_ok([ 'pg_dump', '-f', $dump, '-d', $node{a}->connstr('postgres') ], 'a dump');
sql('b', 'CREATE DATABASE copy');
$node{b}->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node{b}->connstr('copy') ], 'restored');
is($node{b}->safe_psql('copy', q{SELECT format, hash, rows FROM vecmark.root('notes')}), sql('a', q{SELECT format, hash, rows FROM vecmark.root('notes')}), 'has the same root');
is($node{b}->safe_psql('copy', q{SELECT count(*) FROM vecmark.audit('notes')}), '0', 'and is what it says');
$node{b}->safe_psql('copy', q{UPDATE notes SET body = 'written there' WHERE likes < 10});
is($node{b}->safe_psql('copy', q{SELECT count(*) FROM vecmark.audit('notes')}), '0', 'writers keep it');

# a crash loses nothing of it
sql('a', q{UPDATE notes SET body = 'before the crash' WHERE likes % 30 = 1});
my $before = root('a');
$node{a}->stop('immediate');
$node{a}->start;
is(root('a'), $before, 'after a crash the digest is the same');
is(sql('a', q{SELECT count(*) FROM vecmark.audit('notes')}), '0', 'and exact');

$_->stop for values %node;
done_testing();
