# 031_peer.pl: databases on servers of their own exchange changes by vecmark.pull(), push() and sync(), whatever comes between.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use IPC::Run qw(finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SyncTest;
use Test::More;

my %node = map { $_ => server($_) } qw(a b c);
$_->start for values %node;

my $schema = q{CREATE EXTENSION vecmark;
	CREATE TABLE notes (id uuid PRIMARY KEY, body text, likes integer, labels text[]);
	CREATE TABLE kinds (name text PRIMARY KEY);
	SELECT vecmark.track('notes', '{"counters": ["likes"], "sets": ["labels"]}'), vecmark.track('kinds'), vecmark.build_digest('notes')};

# What is said without an extension, a server, a grant, a mapping, a peer.
my $a = $node{a};
my $b = $node{b};
my $c = $node{c};
sql($a, $schema);
is(error_of($a, q{SELECT vecmark.add_peer('b', 'b')}), '42704', 'a server that is not there');
is(error_of($a, q{CALL vecmark.pull('b')}), '42704', 'a peer that is not on record');
sql($a, sprintf(q{CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER b FOREIGN DATA WRAPPER wrapper OPTIONS (host '%s', port '%s', dbname 'postgres');
	SELECT vecmark.add_peer('b', 'b')}, $b->host, $b->port));
is(error_of($a, q{CALL vecmark.pull('b')}), '55000', 'dblink is missing');

# connects FROM => TO: TO is a peer of FROM.
sub connects
{
	my ($from, $to) = @_;
	my $name = $to->name;
	sql($from, sprintf(q{CREATE EXTENSION IF NOT EXISTS dblink;
		DROP SERVER IF EXISTS %1$s CASCADE; CREATE SERVER %1$s FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '%2$s', port '%3$s', dbname 'postgres');
		CREATE USER MAPPING FOR CURRENT_USER SERVER %1$s; SELECT vecmark.add_peer('%1$s', '%1$s')}, $name, $to->host, $to->port));
}
connects($a, $b);
is(error_of($a, q{CALL vecmark.pull('b')}), '55000', 'the peer has not got the extension');
sql($_, $schema) for $b, $c;
connects($a, $c);
connects($b, $a);
connects($b, $c);
connects($c, $b);
connects($a, $a);
is(error_of($a, q{CALL vecmark.pull('a')}), '55000', 'nobody is his own peer');
sql($a, q{SELECT vecmark.drop_peer('a')});

# What an exchange says of itself.
sub exchange
{
	my ($from, $call) = @_;
	return sql($from, "CALL vecmark.$call");
}
sub part_of
{
	my ($summary, $part) = @_;
	return $summary =~ /"\Q$part\E": ("?)(.*?)\1[,}]/ ? $2 : undef;
}

# pull, push, sync
sql($a, q{INSERT INTO kinds VALUES ('a'); INSERT INTO notes SELECT md5(g::text)::uuid, 'note ' || g, g, ARRAY['x'] FROM generate_series(1, 20000) AS g});
my $summary = exchange($b, "pull('a')");
is(part_of($summary, 'rows'), '20001', 'a pull brings all rows');
is(part_of($summary, 'status'), 'merged', 'and says that it is whole');
cmp_ok(part_of($summary, 'bytes'), '>', 1e6, 'and how much that was');
are_equal('after a pull', $a, $b);
is(part_of(exchange($b, "pull('a')"), 'rows'), '0', 'once more, and nothing comes');
sql($a, q{UPDATE notes SET likes = likes + 1 WHERE likes <= 50});
sql($b, q{UPDATE notes SET likes = likes + 1, body = 'b' WHERE likes <= 100; INSERT INTO kinds VALUES ('b')});
$summary = exchange($a, "push('b')");
is(part_of($summary, 'rows'), '50', 'a push');
$summary = exchange($a, "sync('b')");
is(part_of($summary, 'rows'), '101', 'a sync brings the rest');
like($summary, qr/"public\.notes": "equal"/, 'and roots are equal');
are_equal('after a sync', $a, $b);
is(sql($a, q{SELECT name, site = (SELECT max(site) FROM vecmark.peers), summary ? 'rows' FROM vecmark.connected_peers WHERE name = 'b'}), 'b|t|t', 'it is on record');
is(sql($b, q{SELECT vecmark.stable() IS NOT NULL}), 't', 'each knows what the other holds');

# in parts, each in a transaction of its own
exchange($c, "pull('b', max_bytes => 10000)");
cmp_ok(sql($c, q{SELECT summary->>'deltas' FROM vecmark.connected_peers WHERE name = 'b'}), '>', 50, 'in many parts');
are_equal('after parts', $b, $c);

# who deletes much is asked whether he means it; nothing is gone before
sql($a, q{DELETE FROM notes WHERE likes % 3 = 0; DELETE FROM kinds});
is(error_of($b, q{CALL vecmark.pull('a')}), 'VM004', 'a third of a table is not deleted just so');
is(sql($b, q{SELECT count(*) FROM notes}), '20000', 'nothing was');
is(error_of($a, q{CALL vecmark.push('b')}), 'VM004', 'by a push neither');
is(sql($b, q{SELECT count(*) FROM dblink_get_connections() AS x WHERE x IS NOT NULL}), '0', 'and no connection stays');
is(part_of(exchange($b, "pull('a', most_deleted => 1)"), 'status'), 'merged', 'but when it is said to be meant');
exchange($c, "pull('b', most_deleted => 1)");
are_equal('after deletes', $a, $b, $c);

# not by calling again either, though parts of it were merged, nor in two directions added up
sql($a, q{INSERT INTO notes SELECT gen_random_uuid(), 'many', 0, '{}' FROM generate_series(1, 6000)});
exchange($b, "pull('a')");
my $many = sql($b, q{SELECT count(*) FROM notes});
sql($a, q{DELETE FROM notes WHERE body = 'many'});
is(join(' ', map { error_of($b, q{CALL vecmark.pull('a', max_bytes => 20000)}) } 1 .. 6), join(' ', ('VM004') x 6), 'nor does calling it again and again help');
cmp_ok(sql($b, q{SELECT count(*) FROM notes}), '>', 0.75 * $many, 'what is gone before it is noticed is less than that share');
exchange($b, "pull('a', max_bytes => 20000, most_deleted => 1)");
are_equal('after it was said to be meant', $a, $b);
sql($a, q{DELETE FROM notes WHERE likes BETWEEN 5000 AND 7200});
sql($b, q{DELETE FROM notes WHERE likes BETWEEN 8000 AND 10200});
is(part_of(exchange($b, "sync('a')"), 'status'), 'merged', 'what both delete is not added up');
are_equal('after both deleted', $a, $b);
exchange($c, "sync('b', most_deleted => 1)");

# nulls are refused, and triggers find what they find otherwise
is(error_of($b, "CALL vecmark.$_"), '22004', "$_ is refused") for "pull(NULL)", "pull('a', most_deleted => NULL)", "push('a', max_bytes => NULL)", "sync(NULL)";
sql($_, q{CREATE TABLE seen (name text); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (NEW.name); RETURN NEW; END';
	CREATE TRIGGER see BEFORE INSERT ON kinds FOR EACH ROW EXECUTE FUNCTION see()}) for $a, $b;
sql($a, q{INSERT INTO kinds VALUES ('by pull')});
is(part_of(exchange($b, "pull('a')"), 'parked'), '0', 'a pull runs triggers under the path of who calls');
sql($a, q{INSERT INTO kinds VALUES ('by push')});
is(part_of(exchange($a, "push('b')"), 'parked'), '0', 'a push under that of who is called');
is(sql($b, q{SELECT count(*) FROM seen WHERE name LIKE 'by%'}), '2', 'both were seen');
sql($_, q{DROP TRIGGER see ON kinds; DROP TABLE seen}) for $a, $b;

# operators and functions that somebody puts into the path are not called
for my $node ($a, $b)
{
	sql($node, q{CREATE TABLE public.called (what text);
		CREATE FUNCTION public.called(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO public.called VALUES (what)';
		CREATE FUNCTION public.same(regclass, regclass) RETURNS boolean LANGUAGE sql AS $$SELECT public.called('='); SELECT $1::oid = $2::oid$$;
		CREATE OPERATOR public.= (leftarg = regclass, rightarg = regclass, procedure = public.same);
		CREATE FUNCTION public.jsonb_build_object(text, jsonb) RETURNS jsonb LANGUAGE sql AS $$SELECT public.called('jsonb_build_object'); SELECT '{}'::jsonb$$;
		CREATE FUNCTION public.to_jsonb(vecmark_internal.guarded_result) RETURNS jsonb LANGUAGE sql AS $$SELECT public.called('to_jsonb'); SELECT '{}'::jsonb$$;
		CREATE FUNCTION public.format(text, vecmark.version_vector, integer) RETURNS text LANGUAGE sql AS $$SELECT public.called('format'); SELECT ''$$});
}
sql($a, q{UPDATE notes SET body = 'hijack' WHERE likes = 15001});
exchange($a, "sync('b')");
is(join('', map { sql($_, 'SELECT string_agg(what, chr(32)) FROM public.called') } $a, $b), '', 'nothing of public is called by an exchange');
sql($_, q{DROP OPERATOR public.= (regclass, regclass); DROP FUNCTION public.same, public.jsonb_build_object(text, jsonb), public.to_jsonb(vecmark_internal.guarded_result), public.format(text, vecmark.version_vector, integer),
	public.called; DROP TABLE public.called}) for $a, $b;

# who is cancelled in a merge leaves nothing open at the peer
sql($a, q{UPDATE notes SET body = 'waits' WHERE likes = 15001});
my $holder = session($b);
ask($holder, q{BEGIN; SELECT 1 FROM notes WHERE likes = 15001 FOR UPDATE});
is(error_of($b, q{SET statement_timeout = '500ms'; CALL vecmark.pull('a')}), '57014', 'a pull that is cancelled');
is(sql($a, q{SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'}), '0', 'leaves no transaction at the peer');
ask($holder, 'ROLLBACK');
leave($holder);
exchange($b, "pull('a')");

# timeouts of who calls hold at the peer; who exchanges with a peer while another session does waits for it, and finds nothing left
sql($a, q{UPDATE notes SET body = 'waits there' WHERE likes = 15001});
$holder = session($b);
ask($holder, q{BEGIN; SELECT 1 FROM notes WHERE likes = 15001 FOR UPDATE});
is(error_of($a, q{SET lock_timeout = '300ms'; CALL vecmark.sync('b')}), '55P03', 'a lock at the peer is not waited for longer than lock_timeout');
is(error_of($a, q{SET statement_timeout = '700ms'; CALL vecmark.push('b')}), '57014', 'nor anything longer than statement_timeout');
my $exchanging = run_psql($a, q{CALL vecmark.sync('b');}, 60);
$b->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype IN ('tuple', 'transactionid'))}) or die 'it does not wait for the row';
is(error_of($a, q{SET lock_timeout = '300ms'; CALL vecmark.sync('b')}), '55P03', 'nor is another session that exchanges with it');
is(part_of(exchange($a, "sync('c')"), 'status'), 'merged', 'other peers are not in its way');
my @waiting = map { run_psql($a, q{CALL vecmark.sync('b');}, 60) } 1 .. 2;
$a->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_locks WHERE NOT granted AND locktype = 'object' AND objid = 'vecmark_internal.peer_link'::regclass}) or die 'they do not wait';
ask($holder, 'ROLLBACK');
leave($holder);
finish($_->{handle}) for $exchanging, @waiting;
is(part_of($exchanging->{out}, 'rows'), '1', 'the first has told all');
is(join(' ', map { part_of($_->{out}, 'rows') } @waiting), '0 0', 'those who waited had nothing to tell');
is(sql($a, q{SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND objid = 'vecmark_internal.peer_link'::regclass}), '0', 'no lock stays');

# a digest that is of no use is said to be so, of the others all is said
sql($b, q{SELECT vecmark.build_digest('kinds')});
sql($a, q{SELECT vecmark.build_digest('kinds'); ALTER TABLE notes ALTER body TYPE varchar});
like(exchange($a, "sync('b')"), qr/"public\.kinds": "equal", "public\.notes": "altered here"/, 'an altered table');
like(exchange($b, "sync('a')"), qr/"public\.kinds": "equal", "public\.notes": "altered there"/, 'elsewhere, too');
sql($a, q{ALTER TABLE notes ALTER body TYPE text; CALL vecmark.maintain()});
like(exchange($a, "sync('b')"), qr/"public\.notes": "equal"/, 'not after maintaining');

# a row that was lost, and written elsewhere since
sql($b, q{SET session_replication_role = replica; DELETE FROM notes WHERE likes = 15002});
sql($b, q{SELECT vecmark.build_digest('notes')});
sql($a, q{UPDATE notes SET body = 'written since' WHERE likes = 15002});
like(exchange($a, "sync('b')"), qr/"public\.notes": "unlike"/, 'a lost row of which a part has come is told');
like(exchange($a, "sync('b', repair => 'push')"), qr/"public\.notes": "equal"/, 'and repaired');
is(sql($b, q{SELECT body FROM notes WHERE likes = 15002}), 'written since', 'it is there');
is(sql($b, q{SELECT count(*) FROM vecmark.parked}), '0', 'and whole');
sql($a, q{SELECT vecmark.clear_alarms()});

# equal versions, unlike rows: an alarm, and who is right says so
sub behind_the_back
{
	my ($node, $sql) = @_;
	sql($node, "SET session_replication_role = replica; $sql");
	sql($node, q{SELECT vecmark.build_digest('notes')});
}
behind_the_back($b, q{UPDATE notes SET body = 'damaged' WHERE id = md5('103')::uuid; DELETE FROM notes WHERE id = md5('104')::uuid});
like(exchange($a, "sync('b')"), qr/"public\.notes": "unlike"/, 'damage elsewhere is seen');
is(sql($a, q{SELECT peer, rel, (detail->>'rows_here')::int > (detail->>'rows_there')::int, detail->>'leaves' FROM vecmark.alarms}), 'b|notes|t|2', 'and recorded');
is(sql($a, q{SELECT ok FROM vecmark.health WHERE part = 'alarms'}), 'f', 'for health to tell');
$summary = exchange($a, "sync('b', repair => 'push')");
like($summary, qr/"public\.notes": "equal"/, 'repaired by what is here');
cmp_ok(part_of($summary, 'bytes'), '<', 60000, 'for ' . part_of($summary, 'bytes') . ' bytes');
are_equal('after a repair there', $a, $b);
is(sql($a, q{SELECT vecmark.clear_alarms() > 0; SELECT count(*) FROM vecmark.alarms}), "t\n0", 'alarms are cleared');
behind_the_back($a, q{UPDATE notes SET likes = 1 WHERE id = md5('103')::uuid});
like(exchange($a, "sync('b', repair => 'pull')"), qr/"public\.notes": "equal"/, 'repaired by what is there');
are_equal('after a repair here', $a, $b);
sql($a, q{SELECT vecmark.clear_alarms()});
is(error_of($a, q{CALL vecmark.sync('b', repair => 'guess')}), '22023', 'one of the two must be said to be right');

# two at once, and writers meanwhile
for my $round (1 .. 3)
{
	sql($_, sprintf(q{UPDATE notes SET likes = likes + 1, body = '%s %d' WHERE likes %% 7 = %d; INSERT INTO notes SELECT gen_random_uuid(), 'new' FROM generate_series(1, 500)},
		$_->name, $round, $round)) for $a, $b, $c;
	my @runs = map { run_psql(@$_, 200) } [ $a, "CALL vecmark.sync('b', max_bytes => 20000);" ], [ $b, "CALL vecmark.sync('a', max_bytes => 20000);" ],
	  [ $a, "CALL vecmark.sync('b');" ], [ $b, "CALL vecmark.sync('c');" ], [ $c, "UPDATE notes SET likes = likes + 1 WHERE likes % 11 = 0;" ];
	finish($_->{handle}) for @runs;
	is(join('', map { $_->{err} =~ /ERROR/ ? $_->{err} : '' } @runs), '', "round $round: exchanges at once");
}
exchange($a, "sync('b')"), exchange($b, "sync('c')"), exchange($a, "sync('b')") for 1 .. 2;
are_equal('after exchanges at once', $a, $b, $c);
is(sql($a, q{SELECT sum(likes) FROM notes}), sql($c, q{SELECT sum(likes) FROM notes}), 'counters too');

# connections that are cut, and servers that die, in whatever phase, among three
my $lost = 0;
my @pairs = ([ $a, $b ], [ $b, $c ], [ $c, $b ], [ $b, $a ]);
sql($a, q{INSERT INTO kinds SELECT 'doomed ' || g FROM generate_series(1, 12) AS g; INSERT INTO notes VALUES (md5('counted')::uuid, 'counted', 0, '{}')});
exchange($a, "sync('b')"), exchange($b, "sync('c')") for 1 .. 2;
for my $round (1 .. 12)
{
	for my $node ($a, $b, $c)
	{
		sql($node, sprintf(q{UPDATE notes SET body = body || '%1$s', likes = likes + 1 WHERE likes %% 5 = %2$d AND body <> 'counted';
			UPDATE notes SET likes = likes + 1, labels = labels || '{%1$s %3$d}'::text[] WHERE id = md5('counted')::uuid}, $node->name, $round % 5, $round));
	}
	sql((($a, $b, $c)[$round % 3]), "DELETE FROM kinds WHERE name = 'doomed $round'; INSERT INTO kinds VALUES ('born $round')");
	my ($from, $to) = @{ $pairs[$round % 4] };
	my $run = run_psql($from, sprintf(q{CALL vecmark.sync('%s', max_bytes => 5000);}, $to->name), 200);
	select(undef, undef, undef, 0.05 * $round);
	if ($round % 3 == 1)
	{
		my $victim = $round % 2 ? $from : $to;
		$victim->stop('immediate');
		$victim->start;
	}
	else
	{
		sql($to, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'});
	}
	eval { finish($run->{handle}) };
	$lost++ if $run->{err} =~ /ERROR|server closed|connection to server/;
}
cmp_ok($lost, '>', 4, "$lost exchanges of 12 were cut");
exchange($a, "sync('b')"), exchange($b, "sync('c')") for 1 .. 2;
like(exchange($a, "sync('b')"), qr/"public\.notes": "equal"/, 'the next ones make good for all');
like(exchange($b, "sync('c')"), qr/"public\.notes": "equal"/, 'everywhere');
are_equal('after cuts', $a, $b, $c);
are_sound('after cuts', $a, $b, $c);
is(sql($c, q{SELECT likes, cardinality(labels) FROM notes WHERE id = md5('counted')::uuid}), '36|36', 'no increment and no element is lost');
is(sql($a, q{SELECT count(*) FILTER (WHERE name LIKE 'doomed%'), count(*) FILTER (WHERE name LIKE 'born%') FROM kinds}), '0|12', 'nothing is resurrected, no row lost');
is(sql($_, q{SELECT count(*) FROM vecmark_internal.sync_batch}), '0', 'what came in part only is done with') for $a, $b, $c;
is(sql($a, q{SELECT count(*) FROM vecmark.alarms}), '0', 'and no alarm was raised');

# from a standby, while its primary writes; then it is promoted, and nothing is lost
$b->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($b, 'base', has_streaming => 1);
$standby->start;
sql($a, sprintf(q{ALTER SERVER b OPTIONS (SET host '%s', SET port '%s')}, $standby->host, $standby->port));
my $writer = run_psql($b, join('', map { "UPDATE notes SET likes = likes + 1 WHERE likes % 50 = " . ($_ % 50) . ";\n" } 1 .. 40), 300);
for (1 .. 5)
{
	is(part_of(exchange($a, "pull('b')"), 'status') // 'merged', 'merged', 'a pull from a standby');
}
finish($writer->{handle});
$b->wait_for_catchup($standby);
is(error_of($a, q{CALL vecmark.push('b')}), '25006', 'who cannot be written to says so');
like(exchange($a, "sync('b')"), qr/"public\.notes": "behind"|"public\.notes": "equal"/, 'a sync with a standby pulls');
$b->stop('immediate');
$standby->promote;
sql($standby, q{UPDATE notes SET body = 'promoted' WHERE id = md5('103')::uuid; UPDATE notes SET likes = likes + 1 WHERE id = md5('106')::uuid});
exchange($a, "sync('b')");
like(exchange($a, "sync('b')"), qr/"public\.notes": "equal"/, 'with who was promoted');
are_equal('after a promotion', $a, $standby);
is(sql($a, q{SELECT body FROM notes WHERE id = md5('103')::uuid}), 'promoted', 'what it wrote came');

# as a role that is not superuser: a password, in the user mapping alone
SKIP:
{
	sql($_, q{CREATE ROLE app LOGIN PASSWORD 'secret'; GRANT SELECT, INSERT, UPDATE, DELETE ON notes, kinds TO app}) for $a, $standby;
	is(error_of($a, q{SET ROLE app; CALL vecmark.pull('b')}), '42501', 'a role without USAGE on the server');
	sql($a, q{GRANT USAGE ON FOREIGN SERVER b TO app});
	is(error_of($a, q{SET ROLE app; CALL vecmark.pull('b')}), '42704', 'without a user mapping');
	sql($a, q{CREATE USER MAPPING FOR app SERVER b OPTIONS (user 'app', password 'secret')});
	is(error_of($a, q{SET ROLE app; CALL vecmark.pull('b')}), '2F003', 'where the peer does not ask for its password');
	unlink($standby->data_dir . '/pg_hba.conf');
	$standby->append_conf('pg_hba.conf', "local all app scram-sha-256\nlocal all all trust\n");
	$standby->reload;
	sql($standby, q{UPDATE notes SET body = 'for app' WHERE id = md5('103')::uuid});
	like(sql($a, q{SET ROLE app; CALL vecmark.sync('b')}), qr/"rows": 1,/, 'as such a role');
	is(sql($a, q{SELECT body FROM notes WHERE id = md5('103')::uuid}), 'for app', 'it came');
	sql($standby, q{REVOKE INSERT, UPDATE, DELETE ON notes, kinds FROM app; UPDATE notes SET body = 'to read' WHERE id = md5('103')::uuid});
	like(sql($a, q{SET ROLE app; CALL vecmark.pull('b')}), qr/"rows": 1,/, 'a role that may only read there pulls');
	is(error_of($a, q{SET ROLE app; CALL vecmark.push('b')}), '42501', 'and does not push');
	is(error_of($a, q{CREATE ROLE other; SET ROLE other; SELECT vecmark.add_peer('mine', 'b')}), '42501', 'who may not use a server makes no peer of it');
	is(error_of($a, q{GRANT USAGE ON FOREIGN SERVER b TO other; SET ROLE other; SELECT vecmark.add_peer('mine', 'b')}), '42501', 'nor who may not write');
	is(sql($a, q{SELECT vecmark.drop_peer('b'); SELECT count(*) FROM vecmark.connected_peers WHERE name = 'b'}), "\n0", 'a peer is dropped');
}

$_->stop('immediate') for $a, $c, $standby;
done_testing();
