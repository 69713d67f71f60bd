# 037_unlike_types.pl: nodes whose columns and keys are of unlike types: what is written on one is shown on another as it is, or parked.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use SyncTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = PostgreSQL::Test::Cluster->new('unlike');
$server->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$server->append_conf('postgresql.conf', "autovacuum = off\nwal_retrieve_retry_interval = 100ms\ntimezone = 'America/New_York'\ndatestyle = 'SQL, DMY'\nmax_prepared_transactions = 5");
$server->start;
for my $name (qw(a b c d))
{
	$server->safe_psql('postgres', "CREATE DATABASE $name");
	sql($server, q{CREATE EXTENSION vecmark; CREATE TYPE mood AS ENUM ('sad', 'ok')}, $name);
}

sub on
{
	my ($name, $sql) = @_;
	return sql($server, $sql, $name);
}

sub to_from
{
	my ($to, $from) = @_;
	return pull([ $server, $to ], [ $server, $from ]);
}

# Read as the types' own text, whatever the server's settings are.
my $plainly = q{SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; };

# ---- columns: a writes in one type, b has another, c has that of a and pulls from b alone

my @pairs = (
	# type of a, value, type of b, what b shows or the SQLSTATE under which it parks
	[ 'date', '2026-01-02', 'timestamptz', '2026-01-02 00:00:00+00' ],
	[ 'date', '2026-01-02', 'timestamp', '2026-01-02 00:00:00' ],
	[ 'date', 'infinity', 'timestamptz', 'infinity' ],
	[ 'date', '0044-03-15 BC', 'timestamp', '0044-03-15 00:00:00 BC' ],
	[ 'date', '500000-01-01', 'timestamp', \'22008' ],
	[ 'date', '2026-01-02', 'text', '2026-01-02' ],
	[ 'date', '2026-01-02', 'uuid', \'22P02' ],
	[ 'timestamptz', '2026-01-02 00:00:00+00', 'date', '2026-01-02' ],
	[ 'timestamptz', '2026-01-02 03:04:05+00', 'date', \'22008' ],
	[ 'timestamptz', '2026-01-02 03:04:05.6+00', 'timestamptz(0)', \'22008' ],
	[ 'timestamptz', '2026-01-02 03:04:05+00', 'timestamptz(0)', '2026-01-02 03:04:05+00' ],
	[ 'timestamptz', '2026-01-02 03:04:05+00', 'timestamp', '2026-01-02 03:04:05' ],
	[ 'timestamptz', '2026-01-02 03:04:05+00', 'time', \'22008' ],
	[ 'timestamp', '2026-01-02 03:04:05.25', 'timestamptz', '2026-01-02 03:04:05.25+00' ],
	[ 'timestamp', '2026-01-02 03:04:05.25', 'timestamptz(1)', \'22008' ],
	[ 'time', '03:04:05', 'interval', '03:04:05' ],
	[ 'time', '03:04:05.6', 'time(0)', \'22008' ],
	[ 'interval', '03:04:05', 'time', '03:04:05' ],
	[ 'interval', '1 day', 'time', \'22007' ],
	[ 'interval', '1.6 s', 'interval(0)', \'22008' ],
	[ 'timetz', '03:04:05+02', 'time', \'22008' ],
	[ 'int', '5', 'date', \'22007' ],
	[ 'uuid', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1', 'text', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1' ],
	[ 'text', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1', 'uuid', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1' ],
	[ 'text', '5B30857F-0BFA-48B5-AC0B-5C64E28078D1', 'uuid', \'22P02' ],
	[ 'text', 'sixteen letters!', 'uuid', \'22P02' ],
	[ 'uuid', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1', 'bytea', \'22P02' ],
	[ 'bytea', '\x00ff', 'text', '\x00ff' ],
	[ 'text', '\x00ff', 'bytea', '\x00ff' ],
	[ 'text', 'abc', 'bytea', \'22P02' ],
	[ 'text', 'abcd', 'date', \'22007' ],
	[ 'text', 'abcdefgh', 'timestamp', \'22007' ],
	[ 'text', 'abcdefgh', 'timestamptz', \'22007' ],
	[ 'text', '2026-01-02', 'date', '2026-01-02' ],
	[ 'text', '2 Jan 2026', 'date', \'22008' ],
	[ 'halfvec(3)', '[1,2.5,-3]', 'vector(3)', '[1,2.5,-3]' ],
	[ 'vector(3)', '[1,2.5,-3]', 'halfvec(3)', '[1,2.5,-3]' ],
	[ 'vector(3)', '[0.1,0.2,0.3]', 'halfvec(3)', \'22P02' ],
	[ 'vector(3)', '[1,2,3]', 'vector(4)', \'22000' ],
	[ 'vector(3)', '[1,2,3]', 'sparsevec(3)', \'22P02' ],
	[ 'vector(3)', '[1,2,3]', 'text', '[1,2,3]' ],
	[ 'text', '[1,2,3]', 'vector(3)', '[1,2,3]' ],
	[ 'int', '7', 'bigint', '7' ],
	[ 'int', '7', 'text', '7' ],
	[ 'int', '7', 'numeric(10,2)', '7.00' ],
	[ 'numeric(10,2)', '7.00', 'int', '7' ],
	[ 'numeric', '7.25', 'int', \'22P02' ],
	[ 'numeric', '1.25', 'numeric(10,1)', \'22003' ],
	[ 'numeric', '1.5', 'numeric(10,1)', '1.5' ],
	[ 'numeric(10,2)', '1.25', 'numeric(12,4)', '1.2500' ],
	[ 'numeric', '123456789.123456789', 'float8', \'22003' ],
	[ 'bigint', '1099511627776', 'int', \'22003' ],
	[ 'float8', '0.1', 'real', '0.1' ],
	[ 'float8', '0.123456789', 'real', \'22003' ],
	[ 'float8', '1e20', 'numeric', '100000000000000000000' ],
	[ 'float8', '1e15', 'bigint', '1000000000000000' ],
	[ 'text', '05', 'int', \'22003' ],
	[ 'text', '5', 'int', '5' ],
	[ 'text', "\xc3\xa9" x 40, 'name', \'22001' ],
	[ 'text', 'short', 'name', 'short' ],
	[ 'text', 'ab', 'char(5)', \'22001' ],
	[ 'char(3)', 'ab', 'char(5)', 'ab   ' ],
	[ 'char(5)', 'ab', 'char(3)', 'ab ' ],
	[ 'char(5)', 'ab', 'text', 'ab   ' ],
	[ 'varchar(9)', 'ab', 'text', 'ab' ],
	[ 'text', 'abcd', 'varchar(3)', \'22001' ],
	[ 'text', 'abc  ', 'varchar(3)', \'22001' ],
	[ 'text', 'yes', 'boolean', \'22P02' ],
	[ 'json', '{"b":1, "a":2}', 'jsonb', '{"a": 2, "b": 1}' ],
	[ 'jsonb', '{"a": 2}', 'json', '{"a": 2}' ],
	[ 'json', '{"b":1}', 'text', '{"b":1}' ],
	[ 'text[]', '{a,b}', 'text', '{a,b}' ],
	[ 'int[]', '{1,2}', 'bigint[]', '{1,2}' ],
	[ 'date[]', '{2026-01-02}', 'timestamptz[]', \'22P02' ],
	[ 'mood', 'ok', 'text', 'ok' ],
	[ 'text', 'ok', 'mood', 'ok' ],
	[ 'text', 'merry', 'mood', \'22P02' ],
);

for my $name (qw(a b c d))
{
	my $sql = '';
	for my $n (0 .. $#pairs)
	{
		my $type = $pairs[$n][ $name eq 'b' ? 2 : 0 ];
		$sql .= "CREATE TABLE p$n (id int PRIMARY KEY, c $type, n $type, other text); SELECT vecmark.track('p$n');\n";
	}
	on($name, $sql);
}
{
	my $sql = $plainly . "SET standard_conforming_strings = on;\n";
	$sql .= "INSERT INTO p$_ VALUES (1, '$pairs[$_][1]', NULL, 'x'), (2, NULL, NULL, 'y');\n" for 0 .. $#pairs;
	on('a', $sql);
}
is(to_from('b', 'a'), 'merged', 'no value of another type stops the exchange');
is(to_from('c', 'b'), 'merged', 'nor on the way on');
is(to_from('d', 'a'), 'merged', 'and straight');

# Of each table: its number and what is there, as text.
sub shown
{
	my ($name) = @_;
	my $sql = $plainly . join ' UNION ALL ', map { "SELECT $_, id, format('%s|%s|%s', replace(c::text, E'\\n', ''), n, other) FROM p$_" } 0 .. $#pairs;
	# a cast of char(n) to text cuts spaces
	$sql =~ s/replace\(c::text/replace(concat(c)/g;
	my $out = on($name, $sql);
	my %shown;
	/^(\d+)\|(\d)\|(.*)$/ and $shown{$1}{$2} = $3 for split /\n/, $out;
	return %shown;
}

sub parked
{
	my ($name) = @_;
	return map { split /\|/ } split /\n/, on($name, q{SELECT substr(name, 9), sqlstate FROM vecmark_internal.sync_parked});
}

{
	my (%a, %b, %c, %d, %states);
	%a = shown('a');
	%b = shown('b');
	%c = shown('c');
	%d = shown('d');
	%states = parked('b');
	my %reasons = map { split /\|/, $_, 2 } split /\n/, on('b', q{SELECT substr(name, 9), reason FROM vecmark_internal.sync_parked});
	for my $n (0 .. $#pairs)
	{
		my ($from, $value, $to, $expected) = @{ $pairs[$n] };
		my $got = defined $states{$n} ? "parked $states{$n}" : $b{$n}{1} // 'nothing';
		is($got, ref $expected ? "parked $$expected" : "$expected||x", "$from '" . substr($value, 0, 40) . "' > $to") or diag($reasons{$n} // 'no reason');
		is($b{$n}{2}, '||y', "nulls of $from > $to");
		my $relayed = $c{$n}{1} // 'nothing';
		if ($from eq 'json' && $to eq 'jsonb')
		{
			is($relayed, $b{$n}{1}, "of $from > $to > $from spaces and order are what jsonb makes of them");
		}
		else
		{
			is($relayed, $a{$n}{1}, "$from > $to > $from is what was written");
		}
		is($d{$n}{1}, $a{$n}{1}, "$from straight");
	}
	is(scalar parked('c'), 0, 'nothing is parked where types are those of the writer');
}
is(on('b', q{SELECT reason FROM vecmark_internal.sync_parked AS p JOIN vecmark.tracked AS t USING (name) WHERE sqlstate = '22003' AND reason LIKE '%1.25%'}),
	'column "c" of type numeric(10,1) would show "1.3" for "1.25", which was written as number', 'the reason names column, type and form');

# what is parked is not read as something else when the column is altered, and is shown when it fits
{
	my $sql = '';
	for my $n (0 .. $#pairs)
	{
		$sql .= "ALTER TABLE p$n ALTER c TYPE $pairs[$n][0] USING c::text::$pairs[$n][0];\n" if ref $pairs[$n][3];
	}
	on('b', $sql);
	is(on('b', 'SELECT parked FROM vecmark.retry_parked()'), '0', 'all is shown when the columns are of the type that was written');
	my %a = shown('a');
	my %b = shown('b');
	is_deeply([ map { $b{$_}{1} } grep { ref $pairs[$_][3] } 0 .. $#pairs ], [ map { $a{$_}{1} } grep { ref $pairs[$_][3] } 0 .. $#pairs ], 'as it was written');
}

# both altered: equal
{
	my $sql = $plainly;
	my @widened = grep { !ref $pairs[$_][3] && $pairs[$_][0] !~ /json|^char/ } 0 .. $#pairs;
	for my $n (@widened)
	{
		my ($from, undef, $to) = @{ $pairs[$n] };
		my $cast = $from =~ /numeric|float8/ ? "::$to" : "::text::$to";
		$sql .= "ALTER TABLE p$n ALTER c TYPE $to USING c$cast, ALTER n TYPE $to USING n$cast;\n";
	}
	on('a', $sql);
	my %a = shown('a');
	my %b = shown('b');
	is_deeply([ map { $b{$_}{1} } @widened ], [ map { $a{$_}{1} } @widened ], 'nodes of which one was altered first are equal when the other is too');
}
are_sound('columns', map { [ $server, $_ ] } qw(a b c));

# ---- a value parked in one form, and a later one in another, of one column

on($_, q{CREATE TABLE later (id int PRIMARY KEY, c } . ($_ eq 'b' ? 'int' : 'timestamptz') . q{, x text); SELECT vecmark.track('later')}) for qw(a b c);
on('a', $plainly . q{INSERT INTO later VALUES (1, '2026-01-02 03:04:05+00', 'x'), (2, '2026-01-02 03:04:05+00', 'x')});
is(to_from('b', 'a'), 'merged', 'a moment for a number');
on('a', $plainly . q{ALTER TABLE later ALTER c TYPE date; UPDATE later SET c = '2026-02-03', x = 'y' WHERE id = 1});
is(to_from('b', 'a'), 'merged', 'and a date for it');
is(on('b', q{SELECT count(*) FROM vecmark_internal.sync_parked WHERE name = 'public.later'}), '2', 'both are parked');
is(to_from('c', 'b'), 'merged', 'and told');
is(on('c', $plainly . 'SELECT id, c, x FROM later ORDER BY id'), "1|2026-02-03 00:00:00+00|y\n2|2026-01-02 03:04:05+00|x", 'each in the form in which it was written');
on('b', q{ALTER TABLE later ALTER c TYPE timestamptz USING NULL});
is(on('b', 'SELECT parked FROM vecmark.retry_parked()'), '0', 'all is shown');
is(on('b', $plainly . 'SELECT id, c, x FROM later ORDER BY id'), "1|2026-02-03 00:00:00+00|y\n2|2026-01-02 03:04:05+00|x", 'as what it is');

# ---- keys

my @keys = (
	# type of a, type of b, a key, another that b cannot have, the SQLSTATE of that
	[ 'uuid', 'text', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1', undef ],
	[ 'text', 'uuid', '5b30857f-0bfa-48b5-ac0b-5c64e28078d1', 'sixteen letters!', '22P02' ],
	[ 'date', 'timestamp', '2026-01-02', undef ],
	[ 'timestamptz', 'date', '2026-01-02 00:00:00+00', '2026-01-02 03:04:05+00', '22008' ],
	[ 'bigint', 'int', '7', '1099511627776', '22003' ],
	[ 'int', 'bigint', '7', undef ],
	[ 'text', 'date', '2026-01-02', 'abcd', '22007' ],
	[ 'text', 'varchar(3)', 'abc', 'abc ', '22001' ],
	[ 'text', 'name', 'abc', 'x' x 80, '22001' ],
	[ 'bytea', 'text', '\x00ff', undef ],
	[ 'text', 'int', '7', '07', '22003' ],
);
for my $name (qw(a b c))
{
	my $sql = '';
	for my $n (0 .. $#keys)
	{
		my $type = $keys[$n][ $name eq 'b' ? 1 : 0 ];
		$sql .= "CREATE TABLE k$n (k $type PRIMARY KEY, v text, w text); SELECT vecmark.track('k$n');\n";
		$sql .= "CREATE TABLE m$n (k $type, l int, v text, w text, PRIMARY KEY (l, k)); SELECT vecmark.track('m$n');\n";
	}
	on($name, $sql);
}
sub keys_of
{
	my ($name, $columns) = @_;
	return join "\n", sort split /\n/, on($name, $plainly . join ' UNION ALL ', map { "SELECT 'k$_', concat_ws('|', $columns) FROM k$_ UNION ALL SELECT 'm$_', concat_ws('|', $columns) FROM m$_" } 0 .. $#keys);
}
{
	my $sql = $plainly;
	for my $n (0 .. $#keys)
	{
		for my $key (grep { defined } @{ $keys[$n] }[ 2, 3 ])
		{
			$sql .= "INSERT INTO k$n VALUES ('$key', 'v', 'w'); INSERT INTO m$n VALUES ('$key', 1, 'v', 'w');\n";
		}
	}
	on('a', $sql);
	is(to_from('b', 'a'), 'merged', 'no key of another type stops the exchange');
	my %states = parked('b');
	is(on('b', q{SELECT string_agg(sqlstate || ' ' || name, ', ' ORDER BY name) FROM vecmark_internal.sync_parked WHERE name ~ 'public.k'}),
		join(', ', map { "$keys[$_][4] public.k$_" } sort { "k$a" cmp "k$b" } grep { defined $keys[$_][3] } 0 .. $#keys), 'keys that cannot be here are parked');
	is(on('b', 'SELECT ' . join('+', map { "(SELECT count(*) FROM k$_) + (SELECT count(*) FROM m$_)" } 0 .. $#keys)), 2 * @keys, 'the others are here');
	is(to_from('c', 'b'), 'merged', 'keys are told on');
	is(keys_of('c', 'k, v, w'), keys_of('a', 'k, v, w'), 'those that are parked, too');

	# writes on both sides meet in one row; deletes find it
	on('a', "UPDATE k$_ SET v = 'of a'; UPDATE m$_ SET v = 'of a'") for 0 .. $#keys;
	on('b', "UPDATE k$_ SET w = 'of b'; UPDATE m$_ SET w = 'of b'") for 0 .. $#keys;
	is(to_from('b', 'a'), 'merged', 'updates there');
	is(to_from('a', 'b'), 'merged', 'and back');
	is(to_from('c', 'b'), 'merged', 'and on');
	is(keys_of('c', 'k, v, w'), keys_of('a', 'k, v, w'), 'meet in their rows');
	is(on('a', "SELECT count(*) FROM (" . join(' UNION ALL ', map { "SELECT v, w FROM k$_ UNION ALL SELECT v, w FROM m$_" } 0 .. $#keys) . ") AS t WHERE v = 'of a' AND w = 'of b'"),
		2 * @keys, 'both columns');
	is(on('b', q{SELECT count(*) FROM vecmark.events('{}', 100000)}) > 0, 1, 'events go on');
	like(on('b', q{SELECT string_agg(key::text, ' ') FROM vecmark.events('{}', 100000) WHERE rel = 'k0'::regclass}), qr/5b30857f-0bfa-48b5-ac0b-5c64e28078d1/, 'with keys as text');
	on('b', "DELETE FROM k$_; DELETE FROM m$_") for 0 .. $#keys;
	is(to_from('a', 'b'), 'merged', 'deletes there');
	is(on('a', 'SELECT ' . join('+', map { "(SELECT count(*) FROM k$_) + (SELECT count(*) FROM m$_)" } 0 .. $#keys)), 2 * grep({ defined $keys[$_][3] } 0 .. $#keys), 'find their rows');
	on('a', "DELETE FROM k$_; DELETE FROM m$_") for 0 .. $#keys;
	is(to_from('b', 'a'), 'merged', 'deletes of keys that cannot be here');
	is(to_from('c', 'b'), 'merged', 'are told on');
	is(keys_of('c', 'k'), '', 'and done');
	my $rest = on('b', q{SELECT string_agg(name, ' ' ORDER BY name) FROM vecmark_internal.sync_parked WHERE sqlstate IS NULL});
	is($rest, '', 'nothing else is parked');
}
are_sound('keys', map { [ $server, $_ ] } qw(a b c));

# ---- sets

on($_, q{CREATE TABLE s (id int PRIMARY KEY, u } . ($_ eq 'b' ? 'text[]' : 'uuid[]') . q{, t } . ($_ eq 'b' ? 'name[]' : 'text[]') . q{);
	SELECT vecmark.track('s', '{"sets": ["u", "t"]}')}) for qw(a b c);
my @u = map { sprintf '5b30857f-0bfa-48b5-ac0b-5c64e280%04d', $_ } 1 .. 4;
on('a', "INSERT INTO s VALUES (1, '{$u[0],$u[1]}', '{x}'), (2, '{$u[2]}', ARRAY[repeat('x', 80)])");
is(to_from('b', 'a'), 'merged', 'sets of unlike elements');
is(on('b', q{SELECT id, u FROM s}), "1|{$u[0],$u[1]}", 'are shown');
is(on('b', q{SELECT sqlstate FROM vecmark_internal.sync_parked WHERE name = 'public.s'}), '22001', 'or parked');
on('a', "UPDATE s SET u = '{$u[1],$u[2]}' WHERE id = 1");
on('b', "UPDATE s SET u = '{$u[0],$u[1],$u[3]}' WHERE id = 1");
is(to_from('b', 'a'), 'merged', 'adds and removes');
is(to_from('a', 'b'), 'merged', 'meet');
is(to_from('c', 'b'), 'merged', 'and are told on');
is(on($_, q{SELECT u FROM s WHERE id = 1}), "{$u[1],$u[2],$u[3]}", "in $_") for qw(a b c);
is(on('c', q{SELECT u, length(t[1]) FROM s WHERE id = 2}), "{$u[2]}|80", 'as is what was parked');
is(error_of($server, "UPDATE s SET u = u || 'not a uuid'::text WHERE id = 1", 'b'), 'no error', 'an element that the others cannot have');
is(to_from('a', 'b'), 'merged', 'does not stop the exchange');
is(on('a', q{SELECT sqlstate FROM vecmark_internal.sync_parked WHERE name = 'public.s'}), '22P02', 'but is parked');
are_sound('sets', map { [ $server, $_ ] } qw(a b c));

# ---- a key, or the elements of a set, whose type is altered

on($_, q{CREATE TABLE altered (k date PRIMARY KEY, s date[], v text, w text); SELECT vecmark.track('altered', '{"sets": ["s"]}')}) for qw(a b c);
on('a', $plainly . q{INSERT INTO altered VALUES ('2026-01-02', '{2026-01-02,2026-01-03}', 'v', 'w'), ('2026-01-03', '{}', 'v', 'w'), ('2026-01-04', '{}', 'v', 'w')});
is(to_from('b', 'a'), 'merged', 'rows with keys that are dates');
on('a', $plainly . q{DELETE FROM altered WHERE k = '2026-01-04'; ALTER TABLE altered ALTER k TYPE timestamp, ALTER s TYPE timestamp[]});
on('a', $plainly . q{UPDATE altered SET v = 'of a'; INSERT INTO altered VALUES ('2026-01-05', '{2026-02-01}', 'v', 'w')});
on('b', $plainly . q{UPDATE altered SET w = 'of b', s = s || '2026-01-04'::date WHERE k = '2026-01-02'; DELETE FROM altered WHERE k = '2026-01-03'});
is(to_from('b', 'a'), 'merged', 'after one altered its key');
is(to_from('a', 'b'), 'merged', 'both ways');
is(to_from('c', 'a'), 'merged', 'and to a third');
my $rows = q{SELECT k::date, s::date[], v, w FROM altered ORDER BY k};
is(on($_, $plainly . $rows), "2026-01-02|{2026-01-02,2026-01-03,2026-01-04}|of a|of b\n2026-01-05|{2026-02-01}|v|w", "rows of $_") for qw(a b c);
is(error_of($server, $plainly . q{INSERT INTO altered VALUES ('2026-01-06 03:00', '{}', 'v', 'w')}, 'a'), '42804', 'a key that cannot be told is refused');
is(error_of($server, $plainly . q{UPDATE altered SET s = '{2026-01-06 03:00}'}, 'a'), '42804', 'so is an element of a set');
is(on('a', q{SELECT count(*) > 0 FROM vecmark.events('{}', 100000) WHERE rel = 'altered'::regclass}), 't', 'events go on');
on($_, $plainly . q{ALTER TABLE altered ALTER k TYPE timestamp, ALTER s TYPE timestamp[]}) for qw(b c);
on('b', $plainly . q{UPDATE altered SET v = 'of b' WHERE k = '2026-01-05'; DELETE FROM altered WHERE k = '2026-01-02'});
is(to_from('a', 'b'), 'merged', 'after all have');
is(to_from('c', 'b'), 'merged', 'as well');
is(on($_, $plainly . $rows), "2026-01-05|{2026-02-01}|of b|w", "rows of $_") for qw(a b c);
are_sound('altered', map { [ $server, $_ ] } qw(a b c));

on($_, q{CREATE TABLE narrowed (k text PRIMARY KEY, v text); SELECT vecmark.track('narrowed')}) for qw(a b);
on('a', qq{INSERT INTO narrowed VALUES ('$u[0]', 'v'), ('$u[1]', 'v'), ('no uuid', 'v')});
is(to_from('b', 'a'), 'merged', 'keys that are texts');
on('a', q{DELETE FROM narrowed WHERE k = 'no uuid'; ALTER TABLE narrowed ALTER k TYPE uuid USING k::uuid});
is(on('a', q{SELECT count(*) > 0 FROM vecmark.events('{}', 100000) WHERE rel = 'narrowed'::regclass AND key = '{no uuid}'}), 't', 'events tell keys that cannot be any more');
is(to_from('b', 'a'), 'merged', 'and so do pulls');
is(on('b', q{SELECT string_agg(k, ' ' ORDER BY k) FROM narrowed}), "$u[0] $u[1]", 'a delete of such a key is done');
on('b', q{INSERT INTO narrowed VALUES ('none either', 'v')});
is(to_from('a', 'b'), 'merged', 'a birth of such a key');
is(on('a', q{SELECT sqlstate FROM vecmark_internal.sync_parked WHERE name = 'public.narrowed'}), '22P02', 'is parked');
is(to_from('b', 'a'), 'merged', 'and pulls go on');
are_sound('narrowed', map { [ $server, $_ ] } qw(a b));

# ---- digests

on($_, q{CREATE TABLE d (k } . ($_ eq 'b' ? 'text' : 'uuid') . q{ PRIMARY KEY, v int); SELECT vecmark.track('d'); SELECT vecmark.build_digest('d');
	CREATE TABLE e (k int PRIMARY KEY, v } . ($_ eq 'b' ? 'bigint' : 'int') . q{); SELECT vecmark.track('e'); SELECT vecmark.build_digest('e');
	CREATE TABLE f (k int PRIMARY KEY, v } . ($_ eq 'b' ? 'numeric(8,2)' : 'numeric') . q{); SELECT vecmark.track('f'); SELECT vecmark.build_digest('f')}) for qw(a b);
on('a', qq{INSERT INTO d VALUES ('$u[0]', 1); INSERT INTO e VALUES (1, 1); INSERT INTO f VALUES (1, 1)});
is(to_from('b', 'a'), 'merged', 'tables with digests');
isnt(on('a', q{SELECT (vecmark.root('f')).format}), on('b', q{SELECT (vecmark.root('f')).format}), 'numbers with a scale and without are of unlike formats');
is(on('a', q{SELECT (vecmark.root('e')).hash}), on('b', q{SELECT (vecmark.root('e')).hash}), 'numbers of other sizes have one hash');
isnt(on('a', q{SELECT (vecmark.root('d')).format}), on('b', q{SELECT (vecmark.root('d')).format}), 'keys of unlike types are of unlike formats');

# ---- streams

for my $name (qw(a b))
{
	on($name, q{CREATE TABLE st (k } . ($name eq 'b' ? 'timestamp' : 'date') . q{ PRIMARY KEY, c } . ($name eq 'b' ? 'vector(2)' : 'halfvec(2)') . q{, d } . ($name eq 'b' ? 'int' : 'date') . q{);
		SELECT vecmark.track('st'); SELECT vecmark.create_outbox('changes')});
}
is(to_from('b', 'a'), 'merged', 'before the stream');
on('a', q{CREATE PUBLICATION out FOR TABLE changes WITH (publish = 'insert'); SELECT pg_create_logical_replication_slot('to_b', 'pgoutput')});
on('b', q{CREATE SUBSCRIPTION from_a CONNECTION '} . ($server->connstr . ' dbname=a') =~ s/'//gr . q{' PUBLICATION out WITH (create_slot = false, slot_name = 'to_b', copy_data = false)});
on('a', $plainly . q{INSERT INTO st VALUES ('2026-01-02', '[1,2]', NULL), ('2026-01-03', '[3,4]', '2026-01-03')});
on('a', $plainly . q{INSERT INTO st VALUES ('2026-01-04', '[5,6]', NULL)});
ok($server->poll_query_until('b', q{SELECT count(*) = 2 FROM st}), 'rows arrive by a stream');
is(on('b', $plainly . q{SELECT k, c FROM st ORDER BY k}), "2026-01-02 00:00:00|[1,2]\n2026-01-04 00:00:00|[5,6]", 'with their values');
is(on('b', q{SELECT sqlstate FROM vecmark_internal.sync_parked WHERE name = 'public.st'}), '22P02', 'and what cannot be shown is parked');
is(on('b', q{SELECT apply_error_count FROM pg_stat_subscription_stats}), '0', 'without an error of the worker');
on('b', q{ALTER SUBSCRIPTION from_a DISABLE; ALTER SUBSCRIPTION from_a SET (slot_name = NONE); DROP SUBSCRIPTION from_a});

$server->stop;
done_testing();
