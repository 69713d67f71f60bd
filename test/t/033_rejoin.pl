# 033_rejoin.pl: a server that was away until deletes it has not seen were forgotten comes back by vecmark.rejoin(): what differs is brought over, what is
# gone stays gone, and nothing is lost that it wrote meanwhile.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SyncTest;
use Test::More;

my %node = map { $_ => server($_) } qw(a b c);
$_->start for values %node;
my ($a, $b, $c) = @node{qw(a b c)};
for my $node ($a, $b, $c)
{
	sql($node, q{CREATE EXTENSION vecmark; CREATE EXTENSION dblink;
		CREATE TABLE notes (id uuid PRIMARY KEY, body text, likes integer, labels text[]);
		CREATE TABLE kinds (name text PRIMARY KEY, n integer);
		SELECT vecmark.track('notes', '{"counters": ["likes"], "sets": ["labels"]}'), vecmark.track('kinds'), vecmark.build_digest('notes'), vecmark.build_digest('kinds')});
	for my $peer ($a, $b, $c)
	{
		sql($node, sprintf(q{CREATE SERVER %1$s FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '%2$s', port '%3$s', dbname 'postgres');
			CREATE USER MAPPING FOR CURRENT_USER SERVER %1$s; SELECT vecmark.add_peer('%1$s', '%1$s')}, $peer->name, $peer->host, $peer->port)) if $peer != $node;
	}
}
sub exchange { my ($from, $call) = @_; return sql($from, "CALL vecmark.$call"); }
sub id { return "md5('$_[0]')::uuid"; }

sql($a, q{INSERT INTO notes SELECT md5(g::text)::uuid, 'note ' || g, g, ARRAY['x'] FROM generate_series(1, 20000) AS g; INSERT INTO kinds SELECT 'kind ' || g, g FROM generate_series(1, 100) AS g});
exchange($a, "sync('$_')") for qw(b c b c);
exchange($b, "sync('c')");
are_equal('before', $a, $b, $c);

# c is away; a and b go on without it, and forget what they deleted
my $site = sql($c, 'SELECT vecmark.site()');
sql($_, "SELECT vecmark.retire('$site')") for $a, $b;
sql($a, 'DELETE FROM notes WHERE id IN (' . join(', ', map { id($_) } 1 .. 300) . ')');
sql($a, q{DELETE FROM notes WHERE likes BETWEEN 17001 AND 18000; DELETE FROM kinds WHERE n <= 20; UPDATE notes SET body = 'changed', likes = likes + 5 WHERE likes BETWEEN 1000 AND 1100});
sql($b, q{UPDATE notes SET labels = labels || '{b}'::text[] WHERE likes BETWEEN 2000 AND 2050; INSERT INTO notes VALUES (md5('new')::uuid, 'new', 1, '{}')});
exchange($a, "sync('b')") for 1 .. 3;
sql($_, 'CALL vecmark.maintain()') for $a, $b, $a, $b;
is(sql($a, q{SELECT count(*) FROM vecmark_internal.sync_tombstone}), '0', 'deletes are forgotten');
# a key that was deleted and is born again, to a longer life
sql($a, 'INSERT INTO notes VALUES (' . id(7) . ", 'again', 0, '{}')");
exchange($a, "sync('b')");

# c wrote meanwhile: rows of its own, changes of rows that live, that are gone, and deletes
sql($c, 'INSERT INTO notes VALUES (' . id('of c') . ", 'of c', 3, '{c}'), (" . id('shared') . ", 'c has it', 1, '{}')");
sql($c, 'UPDATE notes SET body = \'by c\', likes = likes + 1 WHERE id IN (' . join(', ', map { id($_) } 5, 9, 500, 1050, 2010) . ')');
sql($c, 'DELETE FROM notes WHERE id IN (' . join(', ', map { id($_) } 600, 601) . '); INSERT INTO kinds VALUES (\'of c\', 1), (\'kind 3\', 7) ON CONFLICT DO NOTHING');
# a key that the others had, deleted, and forgot, before c has it too
sql($a, 'INSERT INTO notes VALUES (' . id('shared') . ", 'a had it', 1, '{}')");
exchange($a, "sync('b')");
sql($b, 'DELETE FROM notes WHERE id = ' . id('shared'));
exchange($a, "sync('b')") for 1 .. 2;
sql($_, 'CALL vecmark.maintain()') for $a, $b, $a, $b;

is(error_of($c, q{CALL vecmark.pull('a')}), 'VM003', 'c is too late to pull');
is(error_of($c, q{CALL vecmark.push('a')}), 'VM003', 'and retired to push');
is(error_of($c, q{CALL vecmark.rejoin('a', most_deleted => 0.01)}), 'VM004', 'more deletes than are taken as meant');
is(sql($c, q{SELECT count(*) FROM notes WHERE likes BETWEEN 17001 AND 18000}), '1000', 'none was done');
sql($c, q{SELECT vecmark.drop_digest('kinds')});
is(error_of($c, q{CALL vecmark.rejoin('a')}), '55000', 'all tables need digests');
sql($c, q{SELECT vecmark.build_digest('kinds', 1)});
is(error_of($c, q{CALL vecmark.rejoin('a')}), '55000', 'of the same seed');
sql($c, q{SELECT vecmark.build_digest('kinds')});
sql($a, q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.body = 'refused' THEN RAISE 'no'; END IF; RETURN NEW; END$$;
	CREATE TRIGGER refuse BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION refuse()});
sql($b, q{INSERT INTO notes VALUES (md5('refused')::uuid, 'refused', 1, '{}')});
exchange($a, "pull('b')");
is(error_of($c, q{CALL vecmark.rejoin('a')}), '55000', 'a peer that cannot show all of its rows');
sql($a, q{DROP TRIGGER refuse ON notes; CALL vecmark.maintain()});
is(error_of($c, q{CALL vecmark.rejoin('a')}), 'no error', 'and now');

my $summary = sql($c, q{SELECT summary FROM vecmark.connected_peers WHERE name = 'a'});
my $bytes = $summary =~ /"bytes": (\d+)/ ? $1 : 0;
cmp_ok($bytes, '<', 1_500_000, "it took $bytes bytes");
isnt(sql($c, 'SELECT vecmark.site()'), $site, 'in a new life');
are_sound('rejoined', $c);

# others get what c wrote, and all are alike
for (1 .. 3)
{
	exchange($a, "sync('$_')") for qw(b c);
	exchange($c, "sync('b')");
}
are_equal('after rejoining', $a, $b, $c);
are_sound('after rejoining', $a, $b, $c);
like(exchange($c, "sync('a')"), qr/"public\.kinds": "equal", "public\.notes": "equal"/, 'digests too');
is(sql($b, 'SELECT count(*) FROM notes WHERE id IN (' . join(', ', map { id($_) } 1 .. 6, 8 .. 300) . ')'), '0', 'nothing is resurrected');
is(sql($b, 'SELECT body FROM notes WHERE id = ' . id(7)), 'again', 'what was born again lives');
is(sql($a, 'SELECT body, likes FROM notes WHERE id = ' . id('of c')), 'of c|3', 'rows of c came');
is(sql($b, 'SELECT body FROM notes WHERE id = ' . id('shared')), 'c has it', 'also one whose key others had and forgot');
is(sql($a, 'SELECT string_agg(body || likes, \' \' ORDER BY likes) FROM notes WHERE id IN (' . join(', ', map { id($_) } 500, 1050, 2010) . ')'),
	'by c501 by c1056 by c2011', 'its changes of rows that live are joined, counters of both added');
is(sql($b, 'SELECT labels FROM notes WHERE id = ' . id(2010)), '{b,x}', 'and sets');
is(sql($a, 'SELECT count(*) FROM notes WHERE id IN (' . id(600) . ', ' . id(601) . ')'), '0', 'its deletes are');
is(sql($a, q{SELECT string_agg(name, ' ' ORDER BY name) FROM kinds WHERE n < 20 OR name = 'of c'}), 'of c', 'in the other table as well');
sql($c, q{UPDATE notes SET likes = likes + 1 WHERE likes = 15000});
exchange($a, "sync('c')");
is(sql($a, 'SELECT likes FROM notes WHERE id = ' . id(15000)), '15001', 'and it goes on as others do');

# claims are not for anybody: who has not merged all would say that he has
my $claims = sql($a, 'SELECT vecmark_internal.claims()');
is(error_of($b, "SELECT vecmark.merge('$claims', '$_')"), '22023', "claims are not merged in mode $_") for qw(strict report repair);
is(error_of($b, sprintf(q{SELECT vecmark.merge('%s', 'rejoin')}, sql($a, q{SELECT d FROM vecmark.changes() AS d LIMIT 1}))), '22023', 'mode rejoin is for nothing else');

# who holds what others told him, and the peer has not heard of, is refused
my $other = server('d');
$other->start;
sql($other, q{CREATE EXTENSION vecmark; CREATE TABLE notes (id uuid PRIMARY KEY, body text, likes integer, labels text[]);
	CREATE TABLE kinds (name text PRIMARY KEY, n integer); SELECT vecmark.track('notes', '{"counters": ["likes"], "sets": ["labels"]}'), vecmark.track('kinds')});
is(pull($other, $c), 'merged', 'a new server joins');
sql($other, q{INSERT INTO kinds VALUES ('of d', 1)});
is(pull($c, $other), 'merged', 'and tells');
is(error_of($c, q{CALL vecmark.rejoin('a')}), '55000', 'what the peer has not heard of has to come there first');
is(sql($c, q{SELECT count(*) FROM kinds WHERE name = 'of d'}), '1', 'it is still there');

$_->stop('immediate') for $a, $b, $c, $other;
done_testing();
