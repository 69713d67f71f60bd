# 034_references.pl: what foreign keys' actions did where a statement was run is what every database shows; what a merge's deletes
# set off harms no row of which it is told.  What is right is written by hand, not computed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SyncTest;
use Test::More;

my $server = server('a');
$server->append_conf('postgresql.conf', "wal_level = logical\nmax_logical_replication_workers = 8\nwal_retrieve_retry_interval = 100ms");
$server->start;

sql($server, 'CREATE DATABASE made');
sql($server, 'CREATE EXTENSION vecmark', 'made');
my $made = 0;

# Databases x, y, z that have tables and track them, as [server, name].
sub databases
{
	my ($schema, $tracked) = @_;
	$made++;
	my @nodes;
	for my $name (qw(x y z))
	{
		my $database = "$name$made";
		sql($server, "CREATE DATABASE $database TEMPLATE made STRATEGY file_copy");
		sql($server, "$schema; SELECT vecmark.track(t) FROM unnest('{$tracked}'::regclass[]) AS t", $database) if $schema ne '';
		push @nodes, [ $server, $database ];
	}
	return @nodes;
}

sub at
{
	my ($node, $sql) = @_;
	return sql($server, $sql, $node->[1]);
}

# One pulls from another in parts of a row each, or of a size, each in a transaction of its own, in the order that a function gives them.
sub pull_parts
{
	my ($to, $from, $order, $size) = @_;
	$size //= 1;
	my $since = at($to, 'SELECT vecmark.version()');
	my @parts = $order->(split /\n/, at($from, "SELECT d FROM vecmark.changes('$since', max_bytes => $size) AS d"));
	at($to, "SELECT vecmark.merge('$_')") for @parts;
	return scalar @parts;
}

# All that is to be seen of some tables: rows of each in order.
sub shows
{
	return 'SELECT concat_ws(\' | \', ' . join(', ', map { "(SELECT coalesce(string_agg(r, ' ' ORDER BY r), '-') FROM (SELECT concat_ws(':', VARIADIC array(SELECT coalesce(value, '~') FROM json_each_text(to_json(line)) WHERE key <> '_vm')) AS r FROM $_ AS line) AS rows)" } @_) . ')';
}

sub shown
{
	my ($node, $tables) = @_;
	return at($node, shows(split /,/, $tables));
}

# At rest: nothing parked, all invariants hold, nobody has changes.
sub is_at_rest
{
	my ($what, @nodes) = @_;
	is(join('', map { at($_, "SELECT string_agg(format('%s %s %s', name, sqlstate, reason), '; ') FROM vecmark.parked") } @nodes), '', "$what: nothing is parked");
	are_sound($what, @nodes);
	my @versions = map { at($_, 'SELECT vecmark.version()') } @nodes;
	my $all = join ' OR ', map { "vecmark.has_changes('$_')" } @versions;
	is(join('', map { at($_, "SELECT $all") } @nodes), 'f' x @nodes, "$what: nobody has changes");
}

my %transports = (
	pull => sub { my ($to, $from) = @_; is(pull($to, $from), 'merged', 'a pull') },
	parts => sub { my ($to, $from) = @_; pull_parts($to, $from, sub { @_ }) },
	'parts, the last first' => sub { my ($to, $from) = @_; pull_parts($to, $from, sub { reverse @_ }) });

# One writer, no concurrency: what he shows after his statements is what the others show, however they come there, and he still.
my @cases;

sub brings
{
	push @cases, {@_};
}

# Something of each case, as SQL in its schema.
sub of_cases
{
	my ($what) = @_;
	return join "\n", map { "SET search_path = case_$_, public; " . (ref $what ? $what->($cases[$_]) : $cases[$_]{$what}) . ';' } 0 .. $#cases;
}

# Whether all cases show what is right.
sub are_right
{
	my ($what, $node) = @_;
	my @shown = split /\n/, at($node, join ';', map { my $i = $_; shows(map { "case_$i.$_" } split /,/, $cases[$i]{tables}) } 0 .. $#cases);
	is($shown[$_], $cases[$_]{is}, "$what: $cases[$_]{what}") for 0 .. $#cases;
}

# Names of tables decide nothing: the parent's is first, and last.
for my $parent (qw(category zcategory))
{
	for my $action ([ 'CASCADE', '1:2:p1 2:2:p2 3:2:p3' ], [ 'SET NULL', '1:2:p1 2:2:p2 3:2:p3' ], [ 'SET DEFAULT', '1:2:p1 2:2:p2 3:2:p3' ], [ 'NO ACTION', '1:2:p1 2:2:p2 3:2:p3' ])
	{
		brings(
			what => "rows of $parent move, ON DELETE $action->[0]",
			schema => "CREATE TABLE $parent (id integer PRIMARY KEY, t text); CREATE TABLE product (id integer PRIMARY KEY, cid integer DEFAULT 3 REFERENCES $parent ON DELETE $action->[0], t text)",
			tables => "$parent,product",
			rows => "INSERT INTO $parent VALUES (1, 'old'), (2, 'new'), (3, 'other'); INSERT INTO product SELECT g, 1, 'p' || g FROM generate_series(1, 3) AS g",
			change => "BEGIN; UPDATE product SET cid = 2 WHERE cid = 1; DELETE FROM $parent WHERE id = 1; COMMIT",
			is => "2:new 3:other | $action->[1]");
	}
}
for my $action ([ 'CASCADE', '3:2:q' ], [ 'SET NULL', '1:~:p 2:~:p 3:2:q' ], [ 'SET DEFAULT', '1:3:p 2:3:p 3:2:q' ])
{
	brings(
		what => "rows go with theirs, ON DELETE $action->[0]",
		schema => "CREATE TABLE category (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY, cid integer DEFAULT 3 REFERENCES category ON DELETE $action->[0], t text)",
		tables => 'category,product',
		rows => "INSERT INTO category VALUES (1), (2), (3); INSERT INTO product VALUES (1, 1, 'p'), (2, 1, 'p'), (3, 1, 'q')",
		change => 'UPDATE product SET cid = 2 WHERE id = 3; DELETE FROM category WHERE id = 1',
		is => "2 3 | $action->[1]");
}
brings(
	what => 'a row moves, is written on, and what it left goes with others',
	schema => 'CREATE TABLE category (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY, cid integer REFERENCES category ON DELETE SET NULL, t text)',
	tables => 'category,product',
	rows => "INSERT INTO category VALUES (1), (2); INSERT INTO product VALUES (1, 1, 'p'), (2, 1, 'q')",
	change => "DELETE FROM category WHERE id = 1; UPDATE product SET cid = 2, t = 'back' WHERE id = 1; INSERT INTO category VALUES (1); UPDATE product SET cid = 1 WHERE id = 2",
	is => '1 2 | 1:2:back 2:1:q');
brings(
	what => 'ON UPDATE CASCADE of a key',
	schema => 'CREATE TABLE category (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY, cid integer REFERENCES category ON UPDATE CASCADE ON DELETE CASCADE)',
	tables => 'category,product',
	rows => 'INSERT INTO category VALUES (1), (2); INSERT INTO product VALUES (1, 1), (2, 1), (3, 2)',
	change => 'UPDATE category SET id = 7 WHERE id = 1; UPDATE product SET cid = 2 WHERE id = 2; UPDATE category SET id = 1 WHERE id = 2; DELETE FROM category WHERE id = 7',
	is => '1 | 2:1 3:1');
brings(
	what => 'ON UPDATE CASCADE and SET NULL of a unique column',
	schema => 'CREATE TABLE category (id integer PRIMARY KEY, u integer UNIQUE); CREATE TABLE product (id integer PRIMARY KEY, cu integer REFERENCES category (u) ON UPDATE CASCADE, nu integer REFERENCES category (u) ON UPDATE SET NULL, t text)',
	tables => 'category,product',
	rows => "INSERT INTO category VALUES (1, 1), (2, 2); INSERT INTO product VALUES (1, 1, 1, 'a'), (2, 1, 1, 'b'), (3, 2, 2, 'c')",
	change => "BEGIN; UPDATE category SET u = 3 WHERE id = 1; UPDATE product SET cu = 2, nu = 3, t = 'd' WHERE id = 2; UPDATE product SET nu = 2 WHERE id = 1; COMMIT",
	is => '1:3 2:2 | 1:3:2:a 2:2:3:d 3:2:2:c');
brings(
	what => 'ON UPDATE CASCADE into a key',
	schema => 'CREATE TABLE category (id integer PRIMARY KEY, u integer UNIQUE); CREATE TABLE product (cu integer REFERENCES category (u) ON UPDATE CASCADE, id integer, t text, PRIMARY KEY (cu, id))',
	tables => 'category,product',
	rows => "INSERT INTO category VALUES (1, 1); INSERT INTO product VALUES (1, 1, 'a'), (1, 2, 'b')",
	change => "BEGIN; UPDATE category SET u = 3 WHERE id = 1; UPDATE product SET t = 'c' WHERE id = 1; DELETE FROM product WHERE id = 2; COMMIT",
	is => '1:3 | 3:1:c');
brings(
	what => 'a table that refers to itself',
	schema => 'CREATE TABLE node (id integer PRIMARY KEY, up integer REFERENCES node ON DELETE CASCADE, t text)',
	tables => 'node',
	rows => "INSERT INTO node VALUES (1, NULL, 'r'), (2, 1, 'a'), (3, 2, 'b'), (4, 3, 'c'), (5, 2, 'd'), (6, NULL, 's')",
	change => 'BEGIN; UPDATE node SET up = 6 WHERE id = 3; DELETE FROM node WHERE id = 1; COMMIT',
	is => '3:6:b 4:3:c 6:~:s');
brings(
	what => 'a chain that refers to itself goes at once',
	schema => 'CREATE TABLE node (id integer PRIMARY KEY, up integer REFERENCES node)',
	tables => 'node',
	rows => 'INSERT INTO node SELECT g, nullif(g - 1, 0) FROM generate_series(1, 30) AS g',
	change => 'UPDATE node SET up = NULL WHERE id = 21; DELETE FROM node WHERE id <= 20',
	is => join ' ', sort '21:~', map { ($_ + 1) . ":$_" } 21 .. 29);
brings(
	what => 'tables that refer to each other',
	schema => 'CREATE TABLE team (id integer PRIMARY KEY, lead integer); CREATE TABLE person (id integer PRIMARY KEY, team integer REFERENCES team ON DELETE CASCADE); ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES person ON DELETE CASCADE DEFERRABLE',
	tables => 'team,person',
	rows => 'INSERT INTO team VALUES (1, NULL), (2, NULL), (3, NULL); INSERT INTO person VALUES (1, 1), (2, 1), (3, 2), (4, 3); UPDATE team SET lead = id',
	change => 'BEGIN; UPDATE person SET team = 2 WHERE id = 2; UPDATE team SET lead = 2 WHERE id = 2; DELETE FROM person WHERE id IN (1, 3); COMMIT; BEGIN; INSERT INTO team VALUES (8, NULL); INSERT INTO person VALUES (8, 8); UPDATE team SET lead = 8 WHERE id = 8; COMMIT',
	is => '2:2 8:8 | 2:2 8:8');
brings(
	what => 'three tables in a chain',
	schema => 'CREATE TABLE shelf (id integer PRIMARY KEY); CREATE TABLE book (id integer PRIMARY KEY, shelf integer REFERENCES shelf ON DELETE CASCADE); CREATE TABLE a_page (id integer PRIMARY KEY, book integer REFERENCES book ON DELETE CASCADE, cover integer REFERENCES book ON DELETE SET NULL)',
	tables => 'shelf,book,a_page',
	rows => 'INSERT INTO shelf VALUES (1), (2); INSERT INTO book VALUES (1, 1), (2, 1), (3, 2); INSERT INTO a_page VALUES (1, 1, 2), (2, 1, 3), (3, 3, 1), (4, 2, 2)',
	change => 'BEGIN; UPDATE a_page SET book = 3 WHERE id = 1; UPDATE book SET shelf = 2 WHERE id = 2; DELETE FROM shelf WHERE id = 1; COMMIT',
	is => '2 | 2:2 3:2 | 1:3:2 3:3:~ 4:2:2');
brings(
	what => 'partitions',
	schema => q{CREATE TABLE shelf (region text, id integer, PRIMARY KEY (region, id)) PARTITION BY LIST (region); CREATE TABLE shelf_a PARTITION OF shelf FOR VALUES IN ('a'); CREATE TABLE shelf_b PARTITION OF shelf FOR VALUES IN ('b');
		CREATE TABLE book (id integer PRIMARY KEY, region text, shelf integer, FOREIGN KEY (region, shelf) REFERENCES shelf ON DELETE CASCADE ON UPDATE CASCADE) PARTITION BY RANGE (id); CREATE TABLE book_1 PARTITION OF book FOR VALUES FROM (0) TO (10); CREATE TABLE book_2 PARTITION OF book FOR VALUES FROM (10) TO (20)},
	tables => 'shelf,book',
	rows => "INSERT INTO shelf VALUES ('a', 1), ('a', 2), ('b', 1); INSERT INTO book VALUES (1, 'a', 1), (2, 'a', 2), (11, 'a', 1), (12, 'b', 1)",
	change => "BEGIN; UPDATE book SET region = 'b' WHERE id = 11; DELETE FROM shelf WHERE region = 'a' AND id = 1; UPDATE shelf SET id = 9 WHERE region = 'a'; COMMIT",
	is => 'a:9 b:1 | 11:b:1 12:b:1 2:a:9');
brings(
	what => 'rows that take the unique values of those that die',
	schema => 'CREATE TABLE category (id integer PRIMARY KEY, u text UNIQUE); CREATE TABLE product (id integer PRIMARY KEY, cid integer REFERENCES category ON DELETE CASCADE, u text UNIQUE)',
	tables => 'category,product',
	rows => "INSERT INTO category VALUES (1, 'a'), (2, 'b'); INSERT INTO product VALUES (1, 1, 'p'), (2, 1, 'q'), (3, 2, 'r')",
	change => "BEGIN; UPDATE product SET cid = 2 WHERE id = 2; DELETE FROM category WHERE id = 1; INSERT INTO category VALUES (3, 'a'); INSERT INTO product VALUES (9, 3, 'p'); COMMIT",
	is => '2:b 3:a | 2:2:q 3:2:r 9:3:p');

for my $transport (sort(keys %transports), 'stream')
{
	my ($x, $y) = databases('', '');
	for my $node ($x, $y)
	{
		at($node, join '', map { "CREATE SCHEMA case_$_;" } 0 .. $#cases);
		at($node, of_cases(sub { "$_[0]{schema}; SELECT vecmark.track(t) FROM unnest('{$_[0]{tables}}'::regclass[]) AS t" }));
	}
	at($x, of_cases('rows'));
	if ($transport eq 'stream')
	{
		at($_, q{SELECT vecmark.create_outbox('changes')}) for $x, $y;
		at($x, q{SELECT pg_create_logical_replication_slot('changes', 'pgoutput')});
		at($y, sprintf q{CREATE SUBSCRIPTION changes CONNECTION 'host=%s port=%s dbname=%s' PUBLICATION changes WITH (copy_data = false, create_slot = false)},
			$server->host, $server->port, $x->[1]);
	}
	pull_all([ $y, $x ]);
	at($x, of_cases('change'));
	if ($transport eq 'stream')
	{
		my $site = at($x, 'SELECT vecmark.site()');
		my $last = (split /\n/, at($x, 'BEGIN; INSERT INTO case_0.category VALUES (99); DELETE FROM case_0.category WHERE id = 99; SELECT pg_current_xact_id(); COMMIT'))[-1];
		is(at($y, "SELECT vecmark.wait_for('{$site: $last}', '30 s')"), 't', 'the stream has brought all');
		at($y, 'ALTER SUBSCRIPTION changes DISABLE; ALTER SUBSCRIPTION changes SET (slot_name = NONE); DROP SUBSCRIPTION changes');
	}
	else
	{
		$transports{$transport}->($y, $x);
	}
	are_right("$transport, where it was written", $x);
	are_right("$transport, elsewhere", $y);
	is(at($y, q{SELECT string_agg(name, ' ') FROM vecmark.conflicts}), '', "$transport: nothing lost to another");

	# An update of what is referred to has to take what refers along, and be told of it after that.
	is(at($y, "SELECT string_agg(DISTINCT rel::text, ' ') FROM vecmark.events('" . at($x, 'SELECT vecmark.version()') . "')"),
		join(' ', map { "case_$_.product" } grep { $cases[$_]{what} =~ /of a unique column/ } 0 .. $#cases), "$transport: a merge writes nothing of its own")
	  if $transport eq 'pull';
	pull_all([ $x, $y ], [ $y, $x ]);
	are_right("$transport, after that", $_) for $x, $y;
	is_at_rest($transport, $x, $y);
}

# The extension's own tables.
{
	my ($x, $y) = databases(q{SELECT vecmark.create_bookmarks('bookmarks', dimensions => 3)}, 'bookmarks,bookmarks_visits');
	at($x, q{INSERT INTO bookmarks (url) VALUES ('https://a.example'), ('https://b.example'); SELECT vecmark.visit('bookmarks', 'https://a.example')});
	pull_all([ $y, $x ]);
	at($x, q{BEGIN; UPDATE bookmarks_visits SET bookmark_id = (SELECT id FROM bookmarks WHERE url = 'https://b.example'); DELETE FROM bookmarks WHERE url = 'https://a.example'; COMMIT});
	pull_all([ $y, $x ], [ $x, $y ]);
	is(at($_, 'SELECT count(*), (SELECT count(*) FROM bookmarks) FROM bookmarks_visits'), '1|1', 'a visit of another bookmark than it was stays') for $x, $y;
}

# Concurrent: a row is added on one to what another deletes.  What it refers to is gone, so the action is taken where the delete meets
# it, and all agree.
for my $action ([ 'CASCADE', '-' ], [ 'SET NULL', '1:~' ])
{
	for my $transport ('pull', 'parts', 'parts, the last first')
	{
		my $what = "ON DELETE $action->[0], a row is added elsewhere, $transport";
		my ($x, $y, $z) = databases("CREATE TABLE category (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY, cid integer REFERENCES category ON DELETE $action->[0])", 'category,product');
		at($x, 'INSERT INTO category VALUES (1)');
		pull_all([ $y, $x ], [ $z, $x ]);
		at($x, 'DELETE FROM category; INSERT INTO category VALUES (5), (6)');
		at($y, 'INSERT INTO product VALUES (1, 1)');
		pull_all([ $z, $y ]);
		$transports{$transport}->($y, $x);
		$transports{$transport}->($z, $x);
		pull_all([ $x, $y ], [ $y, $z ], [ $x, $z ], [ $z, $y ], [ $y, $x ], [ $z, $x ]);
		is(shown($_, 'category,product'), "5 6 | $action->[1]", $what) for $x, $y, $z;
		is_at_rest($what, $x, $y, $z);
	}
}

# ... and moved elsewhere by a third who did not know of the delete, before the others took the action: it stays where it was moved.
{
	my $what = 'a row that a third moves stays';
	my ($x, $y, $z) = databases('CREATE TABLE category (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY, cid integer REFERENCES category ON DELETE SET NULL)', 'category,product');
	at($x, 'INSERT INTO category VALUES (1), (2)');
	pull_all([ $y, $x ], [ $z, $x ]);
	at($x, 'DELETE FROM category WHERE id = 1');
	at($y, 'INSERT INTO product VALUES (1, 1)');
	pull_all([ $z, $y ]);
	at($z, 'UPDATE product SET cid = 2');
	pull_all([ $y, $x ]);
	is(shown($y, 'product'), '1:~', "$what: the action is taken");
	pull_all([ $y, $z ], [ $x, $y ], [ $z, $x ], [ $z, $y ], [ $x, $z ], [ $y, $x ]);
	is(shown($_, 'category,product'), '2 | 1:2', $what) for $x, $y, $z;
	is_at_rest($what, $x, $y, $z);
}

# A row that cannot be shown as it is told is not deleted in the state that it is no more in.
{
	my $what = 'a row that is parked';
	my ($x, $y, $z) = databases('CREATE TABLE category (id integer PRIMARY KEY); CREATE TABLE product (id integer PRIMARY KEY, cid integer REFERENCES category ON DELETE CASCADE, u integer UNIQUE)', 'category,product');
	at($x, 'INSERT INTO category VALUES (1), (2); INSERT INTO product VALUES (1, 1, 1)');
	pull_all([ $y, $x ], [ $z, $x ]);
	at($y, 'INSERT INTO product VALUES (7, 2, 7)');
	at($x, 'BEGIN; UPDATE product SET cid = 2, u = 7; DELETE FROM category WHERE id = 1; COMMIT');
	pull_all([ $y, $x ], [ $x, $y ], [ $z, $x ]);
	is(shown($y, 'category,product'), '1 2 | 1:1:1 7:2:7', "$what: it and what it refers to stay as they were");
	is(shown($x, 'category,product'), '2 | 1:2:7', "$what: and elsewhere as they are");
	at($y, 'UPDATE product SET u = 8 WHERE id = 7; SELECT vecmark.retry_parked()');
	pull_all([ $x, $y ], [ $z, $y ], [ $z, $x ], [ $y, $x ], [ $x, $z ], [ $y, $z ]);
	at($_, 'SELECT vecmark.retry_parked()') for $x, $z;
	is(shown($_, 'category,product'), '2 | 1:2:7 7:2:8', $what) for $x, $y, $z;
	is_at_rest($what, $x, $y, $z);
}

# Rows that refer to rows of other parts wait for these: they are not tried one by one, each in vain.
{
	my $what = 'a chain in parts';
	my ($x, $y) = databases('CREATE TABLE msg (id text PRIMARY KEY, up text REFERENCES msg, t text); CREATE INDEX ON msg (up);
		CREATE TABLE note (id int PRIMARY KEY, msg text REFERENCES msg)', 'msg,note');
	at($x, "INSERT INTO msg VALUES ('first')");
	pull_all([ $y, $x ], [ $x, $y ]);
	at($y, q{CREATE SEQUENCE tries;
		CREATE FUNCTION count_tries() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''tries''); RETURN coalesce(NEW, OLD); END';
		CREATE TRIGGER count_tries BEFORE INSERT OR DELETE ON msg FOR EACH ROW EXECUTE FUNCTION count_tries();
		CREATE TRIGGER count_tries BEFORE INSERT OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION count_tries()});
	my $rows = 1500;
	at($x, "INSERT INTO msg SELECT md5(g::text), CASE WHEN g = 1 THEN 'first' ELSE md5((g - 1)::text) END, repeat('x', 60) FROM generate_series(1, $rows) AS g;
		INSERT INTO note SELECT g, md5(g::text) FROM generate_series(1, $rows) AS g");
	cmp_ok(pull_parts($y, $x, sub { @_ }, 40000), '>', 5, "$what: there are several");
	is(at($y, 'SELECT (SELECT count(*) FROM msg), (SELECT count(*) FROM note)'), ($rows + 1) . "|$rows", "$what: all are there");
	cmp_ok(at($y, 'SELECT last_value FROM tries'), '<', 2.5 * 2 * $rows, "$what: few are tried in vain");
	is_at_rest($what, $x, $y);
	at($y, 'ALTER SEQUENCE tries RESTART');
	at($x, 'BEGIN; DELETE FROM note; DELETE FROM msg; COMMIT');
	cmp_ok(pull_parts($y, $x, sub { reverse @_ }, 40000), '>', 3, "$what: there are several of deletes");
	is(at($y, 'SELECT (SELECT count(*) FROM msg), (SELECT count(*) FROM note)'), '0|0', "$what: all are gone");
	cmp_ok(at($y, 'SELECT last_value FROM tries'), '<', 2.5 * 2 * $rows, "$what: few deletes are tried in vain");
	is_at_rest("$what, deleted", $x, $y);
}

# sync_check in the transaction of a merge
{
	my ($x, $y) = databases('CREATE TABLE category (id integer PRIMARY KEY)', 'category');
	at($x, 'INSERT INTO category SELECT generate_series(1, 100)');
	my $delta = at($x, 'SELECT vecmark.changes()');
	is(at($y, "BEGIN; SELECT status FROM vecmark.merge('$delta'); SELECT f FROM vecmark.sync_check('category') AS f; COMMIT"), 'merged', 'invariants hold in the transaction of a merge');
}

done_testing();
