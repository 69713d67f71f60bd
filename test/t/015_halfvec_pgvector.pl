# 015_halfvec_pgvector.pl: halfvec beside pgvector's, where that is installed: the same answers to the same statements.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
my $known = $node->safe_psql('postgres',
	"SELECT max(version) FROM pg_available_extension_versions WHERE name = 'vector' AND version ~ '^0[.]([89]|[0-9]{2,})[.]'");
if ($known eq '')
{
	$node->stop;
	plan skip_all => 'pgvector 0.8 or later is not installed';
}

my %database = (vecmark => 'ours', vector => 'theirs');
$node->safe_psql('postgres', "CREATE DATABASE $database{$_}") for sort keys %database;
$node->safe_psql($database{$_}, "CREATE EXTENSION $_") for sort keys %database;

# The same numbers in every run.
srand(20240101);

sub finite_half
{
	my $bits = int(rand(0x7c00));
	my $exponent = $bits >> 10;
	my $mantissa = $bits & 1023;
	my $size = $exponent == 0 ? $mantissa * 2**-24 : (1024 + $mantissa) * 2**($exponent - 25);
	return sprintf('%s%.9g', rand() < 0.5 ? '-' : '', $size);
}

my @remarkable = qw(-0 0 65504 -65504 65519.99 65520 -65520 65536 1e-8 -1e-8 2.9802322e-08 2.9802326e-08 5.9604645e-08
  6.1035156e-05 6.097e-05 1e-46 1e38 1e39 nan -inf 0x1.8p-24 0x1p16 .5 5. 1e +3 --1 2049 2051);

sub any_number
{
	my $kind = rand();
	return $remarkable[ rand @remarkable ] if $kind < 0.1;
	return finite_half() if $kind < 0.5;
	return sprintf('%.*g', 1 + rand(11), rand(2) - 1) if $kind < 0.8;
	return sprintf('%.*g', 1 + rand(9), (rand(2) - 1) * 10**(int(rand(14)) - 9));
}

sub sound_number
{
	my $kind = rand();
	return (qw(0 -0 65504 -65504 6e-8 -6e-8))[ rand 6 ] if $kind < 0.1;
	return $kind < 0.5 ? finite_half() : sprintf('%.6g', rand(2) - 1);
}

sub list { my ($number, $n) = @_; return join(',', map { $number->() } 1 .. $n) }

# Expressions of which both must say the same, or fail the same.
my @same;
for (1 .. 1500)
{
	my $n = 1 + int(rand(10));
	my $text = '[' . list(\&any_number, $n) . ']';
	$text = substr($text, 0, rand(length($text))) if rand() < 0.05;
	$text .= (' ', ']', ' x')[ rand 3 ] if rand() < 0.05;
	push @same, "ROW('$text'::halfvec, halfvec_send('$text'::halfvec))";

	my $array = "'{" . list(\&any_number, $n) . "}'";
	push @same, "halfvec_send($array\::$_\[]::halfvec)" for qw(real float8);
	# of several numerics pgvector reports the first, we the first too large for a float
	push @same, "halfvec_send($array\::numeric[]::halfvec)" if $n == 1;
	push @same, "'{" . (int(rand(140000)) - 70000) . ",$n}'::integer[]::halfvec";
	push @same, "halfvec_send('[" . list(\&any_number, $n) . "]'::vector::halfvec)";
}
for (1 .. 700)
{
	my $n = 1 + int(rand(40));
	my $a = "'[" . list(\&sound_number, $n) . "]'::halfvec";
	my $b = "'[" . list(\&sound_number, rand() < 0.02 ? $n + 1 : $n) . "]'::halfvec";
	push @same, "halfvec_send($a $_ $b)" for qw(+ - * ||);
	push @same, "$a $_ $b" for qw(< <= = <> >= >);
	push @same, "halfvec_cmp($a, $b)", "vector_send($a\::vector)", "$a\::real[]", "halfvec_send(l2_normalize($a))",
	  "binary_quantize($a)", "subvector($a, " . (int(rand($n + 8)) - 5) . ', ' . (int(rand($n + 8)) - 2) . ')',
	  "(SELECT halfvec_send(avg(v)) FROM unnest(ARRAY[$a, $b]) AS v)", "(SELECT sum(v) FROM unnest(ARRAY[$a, $b]) AS v)",
	  "array_to_string(halfvec_accum('{0}', $a), ' ')";
}

my (%answer, %errors);
for my $extension (sort keys %database)
{
	my $script = join("\n", map { "\\echo #$_\nSELECT $same[$_];\n\\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE" } 0 .. $#same);
	my ($status, $stdout, $stderr) = $node->psql($database{$extension}, $script, on_error_stop => 0);
	my @parts = split /^#(\d+)\n/m, $stdout;
	shift @parts;
	my %said = @parts;
	# each answer ends with the last error there was, its own or one before it
	$answer{$extension} = [ map { $said{$_} } 0 .. $#same ];
	$errors{$extension} = () = $stderr =~ /ERROR:/g;
}
is(scalar(grep { defined } @{ $answer{vecmark} }), scalar(@same), scalar(@same) . ' expressions were evaluated');
cmp_ok($errors{vecmark}, '>', 100, 'some of them fail');
my @different = grep { $answer{vecmark}[$_] ne $answer{vector}[$_] } 0 .. $#same;
is(scalar(@different), 0, 'values, messages and SQLSTATEs are the same');
diag("$same[$_]\nours: $answer{vecmark}[$_]theirs: $answer{vector}[$_]") for grep { defined } @different[ 0 .. 4 ];

# Distances: sums of whole numbers to the last bit, others to a few.
my $rows = '';
for my $id (1 .. 1500)
{
	my $n = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 200, 384)[ rand 15 ];
	my $number = (\&sound_number, sub { int(rand(33)) - 16 }, sub { sprintf('%.9g', (int(rand(2047)) - 1023) * 2**-24) })[ $id % 3 ];
	$rows .= "INSERT INTO d VALUES ($id, '[" . list($number, $n) . "]', '[" . list($number, $n) . "]');\n";
}
my %distances;
for my $extension (sort keys %database)
{
	$node->safe_psql($database{$extension}, "CREATE TABLE d (id integer, a halfvec, b halfvec); $rows");
	$distances{$extension} = [
		split /\n/,
		$node->safe_psql($database{$extension},
			'SELECT id, l2_norm(a) * l2_norm(b), a <-> b, l1_distance(a, b), halfvec_l2_squared_distance(a, b), l2_norm(a), a <#> b, inner_product(a, b), a <=> b FROM d ORDER BY id') ];
}
my $far = 0;
my $inexact = 0;
for my $i (0 .. $#{ $distances{vecmark} })
{
	my ($id, $size, @ours) = split /\|/, $distances{vecmark}[$i];
	my (undef, undef, @theirs) = split /\|/, $distances{vector}[$i];
	for my $k (0 .. $#ours)
	{
		next if $ours[$k] eq $theirs[$k];
		$inexact++ if $id % 3 == 1 && $k != 6;
		my $scale = $k < 4 ? abs($theirs[$k]) : $k < 6 ? $size : 1;
		$far++ unless abs($ours[$k] - $theirs[$k]) <= 3e-6 * $scale;
	}
}
is(scalar(@{ $distances{vecmark} }), 1500, '1500 pairs were compared');
is($inexact, 0, 'distances of whole numbers are the same to the last bit');
is($far, 0, 'other distances are the same to a few bits');

# Binary and text files of one are read by the other.
for my $format (qw(binary text))
{
	for my $pair ([ 'vecmark', 'vector' ], [ 'vector', 'vecmark' ])
	{
		my ($from, $to) = @$pair;
		my $file = $node->basedir . "/$from.$format";
		$node->safe_psql($database{$from}, "COPY (SELECT id, a, ARRAY[a, NULL, b] FROM d ORDER BY id) TO '$file' WITH (FORMAT $format)")
		  if $format eq 'text';
		# an array's binary form has its type's OID in it, which differs
		$node->safe_psql($database{$from}, "COPY (SELECT id, a, b FROM d ORDER BY id) TO '$file' WITH (FORMAT $format)") if $format eq 'binary';
		$node->safe_psql($database{$to},
			    'CREATE TABLE c (id integer, a halfvec, '
			  . ($format eq 'text' ? 'x halfvec[]' : 'b halfvec')
			  . "); COPY c FROM '$file' WITH (FORMAT $format)");
		is($node->safe_psql($database{$to}, 'SELECT count(*) FROM c JOIN d USING (id) WHERE halfvec_send(c.a) = halfvec_send(d.a) AND halfvec_send('
				  . ($format eq 'text' ? 'x[3]' : 'c.b') . ') = halfvec_send(d.b)'),
			'1500', "$format: what $from writes, $to reads");
		$node->safe_psql($database{$to}, 'DROP TABLE c');
	}
}
is(slurp_file($node->basedir . '/vecmark.binary'), slurp_file($node->basedir . '/vector.binary'), 'binary files are the same byte for byte');
is(slurp_file($node->basedir . '/vecmark.text'), slurp_file($node->basedir . '/vector.text'), 'text files are the same byte for byte');

$node->stop;
done_testing();
