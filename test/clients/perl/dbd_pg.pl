# dbd_pg.pl: DBD::Pg, with vectors as text, prepared statements, and COPY as text and in binary.
use strict;
use warnings;
use DBI;
use DBD::Pg;
use List::Util qw(uniq);

my $extension = $ENV{CLIENT_EXTENSION};
my $failed = 0;
my $dbh = DBI->connect('dbi:Pg:', undef, undef, { AutoCommit => 1, RaiseError => 1, PrintError => 0 });
$dbh->do('SET client_min_messages = warning');

sub test
{
	my ($name, $body) = @_;
	if (eval { $body->(); 1 }) { print "ok - $name\n" }
	else { $failed = 1; print "not ok - $name\n$@\n" }
}

# Values as nested lists, for comparison.
sub flat { my ($one) = @_; return !defined $one ? 'NULL' : ref $one ? '(' . join(' ', map { flat($_) } @$one) . ')' : "$one" }

sub equal
{
	my ($got, $expected) = @_;
	die 'got ' . flat($got) . ', expected ' . flat($expected) . "\n" if flat($got) ne flat($expected);
}

sub refused
{
	my ($body, $state, $message) = @_;
	die "not refused: $message\n" if eval { $body->(); 1 };
	my $error = $dbh->errstr;
	equal($dbh->state, $state);
	die "another error: $error\n" if $error !~ $message;
}

# The four distances put them in four orders.
my @rows = (
	[1, '[1,1,1]', '[1,1,1]', '101', '{1:1,2:1,3:1}/3'],
	[2, '[2,2,3]', '[2,2,3]', '111', '{1:2,2:2,3:3}/3'],
	[3, '[1,1,2]', '[1,1,2]', '011', '{1:1,2:1,3:2}/3'],
	[4, '[-0.375,-0.375,2.375]', '[-0.375,-0.375,2.375]', '010', '{1:-0.375,2:-0.375,3:2.375}/3'],
	[5, undef, undef, undef, undef],
);
my @columns = ([embedding => 'vector', 1], [half => 'halfvec', 2], [sparse => 'sparsevec', 4]);
my @orders = (['<->', 'l2', [1, 3, 4, 2], 2.4, [3, 4]], ['<#>', 'ip', [2, 3, 1, 4], -2, [2, 3]], ['<=>', 'cosine', [1, 2, 3, 4], 0.1, [2, 3]], ['<+>', 'l1', [1, 3, 2, 4], 4.1, [3, 2]]);
my @cases = map { my ($column, $type, $at) = @$_; map { { column => $column, type => $type, value => $rows[0][$at], operator => $_->[0], name => $_->[1], order => $_->[2], bound => $_->[3], within => $_->[4] } } @orders } @columns;
push @cases, map { { column => 'bits', type => 'bit', value => '101', operator => $_->[0], name => $_->[1], order => [1, 2, 3, 4], bound => $_->[2], within => $_->[3] } } ['<~>', 'hamming', 2, [2]], ['<%>', 'jaccard', 0.9, [2, 3]];

sub ids { my ($query, @values) = @_; return $dbh->selectcol_arrayref($query, undef, @values) }

sub nearest { my ($case) = @_; return ids("SELECT id FROM items WHERE $case->{column} IS NOT NULL ORDER BY $case->{column} $case->{operator} ? LIMIT 4", $case->{value}) }

sub search
{
	for my $case (@_)
	{
		my ($column, $operator) = @$case{qw(column operator)};
		equal([$column, $operator, nearest($case)], [$column, $operator, $case->{order}]);
		equal([$column, $operator, ids("SELECT id FROM items WHERE id <> 1 AND $column $operator ? < ? ORDER BY $column $operator ? LIMIT 4", $case->{value}, $case->{bound}, $case->{value})], [$column, $operator, $case->{within}]);
	}
}

sub takes_index
{
	my ($case, $name) = @_;
	my $plan = join "\n", @{ ids("EXPLAIN SELECT id FROM items ORDER BY $case->{column} $case->{operator} '$case->{value}' LIMIT 4") };
	die "$plan\n" if $plan !~ /Index Scan using $name /;
}

sub insert
{
	my $statement = $dbh->prepare('INSERT INTO items VALUES (?, ?, ?, ?, ?)');
	$statement->execute(@$_) for @_;
}

my $all = 'SELECT * FROM items ORDER BY id';

test('create extension, and again', sub { $dbh->do("CREATE EXTENSION IF NOT EXISTS $extension") for 1, 2 });

test('create a table', sub {
	$dbh->do('CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))');
	my $statement = $dbh->column_info(undef, 'public', 'items', undef);
	equal([map { [@$_{qw(COLUMN_NAME pg_type)}] } @{ $statement->fetchall_arrayref({}) }[1 .. 4]],
		[['embedding', 'vector(3)'], ['half', 'halfvec(3)'], ['bits', 'bit(3)'], ['sparse', 'sparsevec(3)']]);
});

test('insert, and read the same', sub { insert(@rows); equal($dbh->selectall_arrayref($all), \@rows) });

test('nearest rows, every operator, exact', sub { search(@cases) });

test('hnsw indexes, every operator class', sub {
	$dbh->do("CREATE INDEX items_$_->{column}_$_->{name} ON items USING hnsw ($_->{column} $_->{type}_$_->{name}_ops) WITH (m = 16, ef_construction = 64)") for @cases;
	$dbh->do('SET enable_seqscan = off');
	$dbh->do('SET enable_sort = off');
	takes_index($_, "items_$_->{column}_$_->{name}") for @cases;
});

test('nearest rows, every operator, by index', sub { search(@cases) });

test('the binary form that the server sends', sub {
	my %binary = (
		vector => pack('n n f>*', 3, 0, 1.5, -2, 2**-20),
		# 1.5, -2 and the smallest half
		halfvec => pack('n n n*', 3, 0, 0x3e00, 0xc000, 1),
		sparsevec => pack('N N N N2 f>2', 3, 2, 0, 0, 2, 1.5, -2));
	my %text = (vector => '[1.5,-2,9.536743e-07]', halfvec => '[1.5,-2,5.9604645e-08]', sparsevec => '{1:1.5,3:-2}/3');
	for my $type (sort keys %binary)
	{
		# DBD::Pg sends nothing but bytea in binary
		my ($sent) = $dbh->selectrow_array("SELECT ${type}_send(?::$type)", undef, $text{$type});
		equal([$type, unpack 'H*', $sent], [$type, unpack 'H*', $binary{$type}]);
	}
});

test('prepared statements, on the server and until the plan is generic', sub {
	my $statement = $dbh->prepare('SELECT id FROM items ORDER BY embedding <=> ?::vector LIMIT 4', { pg_server_prepare => 1, pg_switch_prepared => 1 });
	for my $i (0 .. 7)
	{
		my $vector = '[1,1,' . (1 + $i / 4) . ']';
		$statement->execute($vector);
		equal([map { $_->[0] } @{ $statement->fetchall_arrayref }], ids("SELECT id FROM items ORDER BY embedding <=> '$vector' LIMIT 4"));
	}
});

test('arrays', sub {
	equal($dbh->selectrow_array('SELECT cardinality(?::vector[])', undef, ['[1,2]', '[3]', undef]), 3);
	equal($dbh->selectrow_array(q{SELECT ?::vector}, undef, '[' . join(',', 1 .. 3) . ']'), '[1,2,3]');
	equal(($dbh->selectrow_array('SELECT (?::real[])::vector', undef, [1, 2.5])), '[1,2.5]');
	equal($dbh->selectrow_array(q{SELECT '[1,2.5]'::vector::real[]}), [1, 2.5]);
});

test('COPY, in and out', sub {
	$dbh->do('CREATE TABLE copied (LIKE items)');
	my @lines = map { join("\t", map { $_ // '\N' } @$_) . "\n" } @rows;
	$dbh->do('COPY copied FROM STDIN');
	$dbh->pg_putcopydata($_) for @lines;
	$dbh->pg_putcopyend;
	equal($dbh->selectall_arrayref('SELECT * FROM copied ORDER BY id'), \@rows);
	$dbh->do('COPY copied TO STDOUT');
	my ($line, @back);
	push @back, $line while $dbh->pg_getcopydata($line) >= 0;
	equal(\@back, \@lines);
});

test('COPY in binary, in and out', sub {
	my ($part, $data) = (undef, '');
	$dbh->do('COPY copied TO STDOUT BINARY');
	$data .= $part while $dbh->pg_getcopydata($part) >= 0;
	die "not the binary form of a vector\n" if index($data, pack 'N n n f>3', 16, 3, 0, 2, 2, 3) < 0;
	die "not the binary form of a sparse vector\n" if index($data, pack 'N N N N N3 f>3', 36, 3, 3, 0, 0, 1, 2, 2, 2, 3) < 0;
	$dbh->do('TRUNCATE copied');
	$dbh->do('COPY copied FROM STDIN BINARY');
	$dbh->pg_putcopydata($data);
	$dbh->pg_putcopyend;
	equal($dbh->selectall_arrayref('SELECT * FROM copied ORDER BY id'), \@rows);
});

test('update and delete', sub {
	my $update = $dbh->prepare('UPDATE items SET embedding = ?, half = ?, bits = ?, sparse = ? WHERE id = ?');
	my @far = ('[9,9,9]', '[9,9,9]', '000', '{2:9.5}/3');
	my @near = ('[1,1,1.5]', '[1,1,1.5]', '001', '{3:1.5}/3');
	$update->execute(@far, 3);
	$update->execute((undef) x 4, 4);
	$update->execute(@near, 5);
	$dbh->do('DELETE FROM items WHERE id = ?', undef, 2);
	equal($dbh->selectall_arrayref($all), [$rows[0], [3, @far], [4, (undef) x 4], [5, @near]]);
	equal([$_->{column}, nearest($_)], [$_->{column}, [1, 5, 3]]) for grep { $_->{name} =~ /l2|hamming/ } @cases;
});

test('ivfflat indexes', sub {
	$dbh->do("DROP INDEX items_$_->{column}_$_->{name}") for @cases;
	$dbh->do('DELETE FROM items');
	insert(@rows);
	my @lists = grep { $_->{type} ne 'sparsevec' && $_->{name} !~ /l1|jaccard/ } @cases;
	$dbh->do("CREATE INDEX items_$_->{column}_$_->{name}_lists ON items USING ivfflat ($_->{column} $_->{type}_$_->{name}_ops) WITH (lists = 100)") for @lists;
	$dbh->do('SET ivfflat.probes = 100');
	takes_index($_, "items_$_->{column}_$_->{name}_lists") for @lists;
	search(@lists);
});

test('what is wrong is refused', sub {
	refused(sub { insert([6, '[1,2]', (undef) x 3]) }, '22000', qr/expected 3 dimensions, not 2/);
	refused(sub { insert([6, '[1,2,x]', (undef) x 3]) }, '22P02', qr/invalid input syntax for type vector: "\[1,2,x\]"/);
	refused(sub { nearest({ column => 'embedding', operator => '<->', value => '[1,2]' }) }, '22000', qr/different vector dimensions/);
	equal($dbh->selectall_arrayref($all), \@rows);
});

test('extensions are those asked for', sub {
	equal(ids(q{SELECT extname FROM pg_extension WHERE extname IN ('vecmark', 'vector') ORDER BY 1}), [uniq('vecmark', $extension)]);
});

$dbh->disconnect;
exit $failed;
