# 025_sync_prepared.pl: prepared transactions that wrote tracked tables, and new lives beside them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION vecmark;
	CREATE TABLE items (id integer PRIMARY KEY);
	SELECT vecmark.track('items');
});

my $locks = q{SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND vecmark.site() <> ''
	AND ((locktype = 'relation' AND relation = 'vecmark_internal.sync_site'::regclass AND mode <> 'AccessShareLock') OR locktype = 'object')};

is($node->safe_psql('postgres', "BEGIN; INSERT INTO items VALUES (1); PREPARE TRANSACTION 'one'; $locks"), '0',
	'a session that has prepared a transaction has no lock left');
is($node->safe_psql('postgres', "SET lock_timeout = '10s'; SELECT length(vecmark.new_incarnation())"), '16', 'a new life does not wait for it');
is($node->safe_psql('postgres', "COMMIT PREPARED 'one'; BEGIN; INSERT INTO items VALUES (2); COMMIT; $locks"), '0', 'nor is any left later');
like($node->safe_psql('postgres', q{SELECT vecmark.version()}), qr/^\{[0-9a-f]{16}: .*, [0-9a-f]{16}: /, 'the version has both lives');

# a relation lock of its own beside
is($node->safe_psql('postgres', "BEGIN; INSERT INTO items VALUES (3); DO 'BEGIN PERFORM FROM vecmark_internal.sync_site; END'; PREPARE TRANSACTION 'two'; ROLLBACK PREPARED 'two'; $locks"),
	'0', 'who read sync_site can be prepared');

# a life that did not come to be
my $site = $node->safe_psql('postgres', 'SELECT vecmark.site()');
my ($other, $inserted) = split /\n/, $node->safe_psql('postgres', q{
	BEGIN; SELECT vecmark.new_incarnation(); INSERT INTO items VALUES (4); PREPARE TRANSACTION 'three'; ROLLBACK PREPARED 'three';
	INSERT INTO items VALUES (5); SELECT _vm FROM items WHERE id = 5});
my $bytes = join '', reverse $site =~ /../g;
isnt($other, $site, 'another life was begun');
like($inserted, qr/$bytes/, 'and after it was rolled back, the session writes in the one before');

# what was prepared in an earlier life and is committed in this one is held, like all that version() says
$node->safe_psql('postgres', "BEGIN; INSERT INTO items VALUES (6); PREPARE TRANSACTION 'four'; SELECT vecmark.new_incarnation(); COMMIT PREPARED 'four'");
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{
	CREATE EXTENSION vecmark;
	CREATE TABLE items (id integer PRIMARY KEY);
	SELECT vecmark.track('items');
});
sub pull
{
	my ($to, $from) = @_;
	my $since = $node->safe_psql($to, 'SELECT vecmark.version()');
	my $delta = $node->safe_psql($from, "SELECT vecmark.changes('$since')");
	return $node->safe_psql($to, "SELECT status, applied FROM vecmark.merge('$delta', 'report')");
}
is(pull('other', 'postgres'), 'merged|4', 'another database gets all rows');
is(pull('postgres', 'other'), 'merged|0', 'and what it says builds on nothing that is not here');

done_testing();
