# 017_sparsevec_pgvector.pl: sparsevec beside genuine pgvector's, over thousands of random values.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE ours');
$node->safe_psql('postgres', 'CREATE DATABASE theirs');
$node->safe_psql('ours', 'CREATE EXTENSION vecmark');
$node->psql('theirs', 'CREATE EXTENSION vector');

# 0.8.6 as 8006, 0 if there is none
my $version = $node->safe_psql('theirs', q(SELECT extversion FROM pg_extension WHERE extname = 'vector'));
my $known = $version =~ /^(\d+)\.(\d+)\.(\d+)/ ? ($1 * 1000 + $2) * 1000 + $3 : 0;

SKIP:
{
	skip 'pgvector 0.8 or later is not installed', 9
	  if $known < 8000 || $node->safe_psql('theirs', q(SELECT count(*) FROM pg_proc WHERE proname = 'sparsevec_in' AND probin ~ '(^|/)vector$')) ne '1';
	note("pgvector $version");
	compare_all();
}
$node->stop;
done_testing();

# ---- random values

my $state;
BEGIN { $state = 12345; }

# a whole number from 0 to below the limit, the same ones in every run
sub pick
{
	my ($limit) = @_;
	$state = ($state * 1103515245 + 12345) % 2147483648;
	return int($state / 2147483648 * $limit);
}

sub one_of { return $_[ pick(scalar @_) ]; }

# The text of a number that is a float: of common size, whole, tiny or huge.
sub number
{
	my ($kind) = @_;
	my $sign = one_of('', '-');
	return $sign . (1 + pick(3)) if $kind eq 'few';
	return sprintf('%s%.9g', $sign, 10**(pick(8000) / 1000 - 4)) if $kind eq 'common';
	return $sign . one_of('1e-45', '1.4e-45', '1.1754942e-38', '1e-30', '1e-22') if $kind eq 'tiny';
	return $sign . one_of('3.4028235e38', '1e38', '2e19', '1e18') if $kind eq 'huge';
	return number(one_of('few', 'common', 'tiny', 'huge'));
}

# Random elements, as [index from 1, value], indices ascending.
sub elements
{
	my ($dim, $count, $kind) = @_;
	my %indices;
	$indices{ 1 + pick($dim) } = 1 for 1 .. $count;
	return map { [ $_, number($kind) ] } sort { $a <=> $b } keys %indices;
}

sub text_of { my ($dim, @elements) = @_; return '{' . join(',', map { "$_->[0]:$_->[1]" } @elements) . "}/$dim"; }

sub shuffled
{
	my @list = @_;
	for my $i (reverse 1 .. $#list)
	{
		my $j = pick($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

sub quoted { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# A text with some characters changed, left out or put in.
sub mutated
{
	my ($text) = @_;
	for (0 .. pick(3))
	{
		my $char = one_of(split(//, "{}:,/0123456789.-+eExXnaif \t[]"), 'nan', 'inf', '1e39', '1e-46', '99999999999', ':1,', '}/', "\x{b}");
		my $at = pick(length($text) + 1);
		substr($text, $at, one_of(0, 0, 1, 1, 2)) = one_of('', $char, $char) if $at < length($text);
	}
	return $text;
}

# ---- running the same in both databases

my $files;
BEGIN { $files = 0; }

# What each expression gives, or its error: two references to lists.
sub both
{
	my @expressions = @_;
	my $file = $node->basedir . '/expressions' . $files++;
	open my $out, '>:raw', $file or die "$file: $!";
	for my $i (0 .. $#expressions)
	{
		my $line = $expressions[$i];
		$line =~ s/\\/\\\\/g;
		$line =~ s/\n/\\n/g;
		$line =~ s/\t/\\t/g;
		print $out "$i\t$line\n";
	}
	close $out;
	my @results;
	for my $database (qw(ours theirs))
	{
		my $output = $node->safe_psql(
			$database, qq(
CREATE TEMPORARY TABLE expressions (id integer, e text);
\\copy expressions FROM '$file'
CREATE FUNCTION pg_temp.result(e text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE 'SELECT (' || e || ')::text' INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' ' || detail;
END \$\$;
SET extra_float_digits = 1;
SELECT to_json(coalesce(pg_temp.result(e), 'NULL')) FROM expressions ORDER BY id;));
		push @results, [ split /\n/, $output ];
	}
	return @results;
}

# The same result of every expression, to the last byte.
sub same
{
	my ($name, @expressions) = @_;
	my ($ours, $theirs) = both(@expressions);
	my $different = 0;
	my $errors = grep { /^"[0-9A-Z]{5} / } @$theirs;
	for my $i (0 .. $#expressions)
	{
		next if defined $ours->[$i] && defined $theirs->[$i] && $ours->[$i] eq $theirs->[$i];
		diag(join(' ', map { substr($_, 0, 500) } "$expressions[$i]:", $ours->[$i] // 'nothing', 'and', $theirs->[$i] // 'nothing')) if $different++ < 5;
	}
	is($different, 0, sprintf('%s: %d compared, %d of them errors', $name, scalar @expressions, $errors));
	return;
}

# The same number, but for the rounding of sums: each expression comes with the
# error that is allowed.
sub near
{
	my ($name, @cases) = @_;
	my ($ours, $theirs) = both(map { $_->[0] } @cases);
	my ($different, $equal) = (0, 0);
	for my $i (0 .. $#cases)
	{
		my ($x, $y) = map { my $value = $_; $value =~ s/"//g; $value } $ours->[$i], $theirs->[$i];
		$equal++ if $x eq $y;
		next if $x eq $y || ($x =~ /^[-0-9.e+]+$/ && $y =~ /^[-0-9.e+]+$/ && abs($x - $y) <= $cases[$i][1]);
		diag("$cases[$i][0]: $x and $y, allowed $cases[$i][1]") if $different++ < 5;
	}
	is($different, 0, sprintf('%s: %d compared, %d equal to the last digit', $name, scalar @cases, $equal));
	return;
}

# ---- tests

sub compare_all
{
	compare_catalogs();

	my @texts = ('{}/5', '{}/1000000000', '{1000000000:1}/1000000000');
	for (1 .. 1500)
	{
		my $dim = one_of(1, 5, 40, 16000, 1000000000);
		push @texts, text_of($dim, shuffled(elements($dim, pick(20), 'any')));
	}
	my @literals = map { quoted($_) . '::sparsevec' } @texts;
	same('text', @literals, map { "sparsevec_send($_)" } @literals);
	# long ones are not quoted whole
	my @short = grep { length() < 150 } @texts;
	same('malformed text', map { quoted(mutated(one_of(@short))) . '::sparsevec' . one_of('', '', '(5)') } 1 .. 5000);

	compare_binary(@texts);

	my @casts;
	for my $text (@texts[ 0 .. 500 ])
	{
		my $literal = quoted($text);
		push @casts, "$literal\::sparsevec::vector", "$literal\::sparsevec(40)", "$literal\::sparsevec::sparsevec(40)";
	}
	for (1 .. 1000)
	{
		my $kind = one_of('few', 'any');
		my $list = join(',', map { one_of(0, '-0', number($kind)) } 0 .. pick(12));
		my $type = one_of('real', 'double precision', 'numeric') . '[]';
		push @casts, "'[$list]'::vector::sparsevec", "sparsevec_send('[$list]'::vector::sparsevec(5))", "'{$list}'::${type}::sparsevec";
		$list = join(',', map { one_of(0, 1, 2147483647, -16777217, 'NULL', pick(1000)) } 0 .. pick(5));
		push @casts, "'{$list}'::integer[]::sparsevec";
	}
	for my $type ('real[]', 'double precision[]', 'numeric[]')
	{
		push @casts, "'{0,$_}'::${type}::sparsevec", "'{{$_},{1}}'::${type}::sparsevec(2)", "'{$_}'::${type}::sparsevec(2)" for 'NaN', 'NULL', '1e-40', '1e37';
		push @casts, "'{}'::${type}::sparsevec";
	}
	push @casts, "'{1,$_}'::double precision[]::sparsevec" for 'Infinity', '1e39', '1e-46', '1e300', '-1e-300';
	push @casts, 'array_fill(0, ARRAY[16001])::sparsevec';
	# before 0.8.6 there was no limit of elements that are not zero
	push @casts, map { "array_fill($_, ARRAY[16001])::sparsevec" } '1', '0.5::real', "'NaN'::float8" if $known >= 8006;
	same('casts', @casts);

	# few indices and few values, for many to be equal
	my @few;
	for (1 .. 1500)
	{
		my $dim = one_of(3, 4);
		push @few, quoted(text_of($dim, elements($dim, pick(4), 'few'))) . '::sparsevec';
	}
	my @order = ('(SELECT string_agg(v::text, \' \' ORDER BY v, v::text) FROM unnest(ARRAY[' . join(',', @few) . ']) AS v)');
	for my $v (@few, @few)
	{
		push @order, "sparsevec_cmp($v, " . one_of(@few) . ')', "$v " . one_of('<', '<=', '=', '<>', '>=', '>') . ' ' . one_of(@few);
	}
	same('order', @order);

	compare_distances();
	return;
}

# Every function, operator, cast and operator class for sparsevec alone, except
# what an access method or another type has to do with.
sub compare_catalogs
{
	my @catalogs = map {
		$node->safe_psql(
			$_, q(
SELECT 'function', p.oid::regprocedure, prorettype::regtype, provolatile, proisstrict, proparallel FROM pg_proc AS p
WHERE (prorettype = 'sparsevec'::regtype OR 'sparsevec'::regtype = ANY (proargtypes)) AND proname !~ 'halfvec|hnsw' ORDER BY p.oid::regprocedure::text;
SELECT 'operator', o.oid::regoperator, oprresult::regtype, oprcode, oprcom::regoper, oprnegate::regoper FROM pg_operator AS o
WHERE 'sparsevec'::regtype IN (oprleft, oprright) ORDER BY o.oid::regoperator::text;
SELECT 'cast', castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext, castmethod FROM pg_cast
WHERE 'sparsevec'::regtype IN (castsource, casttarget) AND castfunc::regprocedure::text !~ 'halfvec' ORDER BY castsource::regtype::text, casttarget::regtype::text;
SELECT 'class', opcname, opcdefault, amopstrategy, amopopr::regoperator FROM pg_opclass JOIN pg_am AS am ON am.oid = opcmethod JOIN pg_amop ON amopfamily = opcfamily
WHERE opcintype = 'sparsevec'::regtype AND amname = 'btree' ORDER BY amopstrategy;
SELECT 'type', typlen, typalign, typstorage, typinput, typoutput, typreceive, typsend, typmodin, typmodout FROM pg_type WHERE oid = 'sparsevec'::regtype;))
	} qw(ours theirs);
	is($catalogs[0], $catalogs[1], 'catalogs');
	return;
}

# Binary forms, sound and damaged, by COPY.
sub compare_binary
{
	my @texts = @_;
	my @messages;
	for my $text (map { one_of(@texts) } 1 .. 600)
	{
		my ($list, $dim) = $text =~ m|^\{(.*)\}/(\d+)$|;
		my @elements = sort { $a->[0] <=> $b->[0] } map { [ split /:/ ] } split /,/, $list;
		my $message = pack('N3', $dim, scalar @elements, 0) . pack('N*', map { $_->[0] - 1 } @elements) . pack('f>*', map { $_->[1] } @elements);
		push @messages, $message;
		for (1 .. 2)
		{
			my $damaged = $message;
			vec($damaged, pick(8 * length($damaged)), 1) ^= 1;
			push @messages, $damaged;
		}
		push @messages, substr($message, 0, pick(length($message))) if pick(5) == 0;
	}

	my $script = "CREATE TEMPORARY TABLE t (id integer, v sparsevec);\n";
	for my $i (0 .. $#messages)
	{
		my $file = $node->basedir . "/message$i";
		open my $out, '>:raw', $file or die "$file: $!";
		print $out "PGCOPY\n\377\r\n\0", pack('NN', 0, 0), pack('n N N N', 2, 4, $i, length($messages[$i])), $messages[$i], pack('n', 0xffff);
		close $out;
		$script .= "\\warn $i\n\\copy t FROM '$file' WITH (FORMAT binary)\n";
	}
	$script .= 'SELECT id, sparsevec_send(v), v FROM t ORDER BY id';
	my (@rows, @errors);
	for my $database (qw(ours theirs))
	{
		my ($status, $stdout, $stderr) = $node->psql($database, $script, on_error_stop => 0);
		push @rows, $stdout;
		my ($at, %errors) = (0);
		for my $line (split /\n/, $stderr)
		{
			$at = $1 if $line =~ /(?:^|: )(\d+)$/;
			$errors{$at} = $1 if $line =~ /ERROR:\s+(.*)/;
		}
		push @errors, \%errors;
	}
	is($rows[0], $rows[1], sprintf('binary form: %d messages, %d rows', scalar @messages, scalar(split /\n/, $rows[0])));
	# pgvector looks at indices before it sees that bytes are missing
	my @other = grep { ($errors[0]{$_} // '') ne ($errors[1]{$_} // '') && ($errors[0]{$_} // '') !~ /insufficient data/ } 0 .. $#messages;
	diag(($errors[0]{$_} // 'nothing') . ' and ' . ($errors[1]{$_} // 'nothing') . ' for ' . unpack('H*', $messages[$_])) for @other[ 0 .. $#other ];
	is(scalar @other, 0, sprintf('binary form: %d errors', scalar keys %{ $errors[0] }));
	return;
}

# Distances, norms and normalized vectors.  pgvector's last digits depend on how
# it was compiled.
sub compare_distances
{
	my $unit = 2**-149;
	my (@cases, @exact);
	for my $round (1 .. 2000)
	{
		my $kind = one_of('few', 'common', 'common', 'any');
		my $dim = one_of(3, 30, 300, 1000000000);
		my @pair = map { [ elements($dim, one_of(0, 1, 3, 20, 100), $kind) ] } 1, 2;
		# elements in common, however many dimensions there are
		if ($dim > 300)
		{
			my %taken = map { $_->[0] => 1 } @{ $pair[1] };
			push @{ $pair[1] }, grep { !$taken{ $_->[0] } && pick(2) } map { [ $_->[0], number($kind) ] } @{ $pair[0] };
		}
		my ($a, $b) = map { text_of($dim, @$_) } @pair;
		my %a = map { @$_ } @{ $pair[0] };
		my %b = map { @$_ } @{ $pair[1] };
		my ($l2, $l1, $products, $a_norm, $b_norm) = (0, 0, 0, 0, 0);
		for my $i (keys %{ { %a, %b } })
		{
			my ($x, $y) = ($a{$i} // 0, $b{$i} // 0);
			$l2 += ($x - $y)**2;
			$l1 += abs($x - $y);
			$products += abs($x * $y);
			$a_norm += $x * $x;
			$b_norm += $y * $y;
		}
		my $arguments = "('$a'::sparsevec, '$b')";
		my $tiny = 400 * $unit;
		push @cases, [ "sparsevec_l2_squared_distance$arguments", 1e-5 * $l2 + $tiny ], [ "l1_distance$arguments", 1e-5 * $l1 + $tiny ],
		  [ "l2_norm('$a'::sparsevec)", 1e-13 * sqrt($a_norm) ];
		# a product that overflows does not when it is fused with an addition
		push @cases, [ "inner_product$arguments", 1e-5 * $products + $tiny ], [ "'$a'::sparsevec <#> '$b'", 1e-5 * $products + $tiny ]
		  unless $products > 3e38;
		push @cases, [ "'$a'::sparsevec <-> '$b'", 1e-5 * sqrt($l2) ], [ "'$a'::sparsevec <=> '$b'", 1e-5 ]
		  unless grep { $_ > 0 && ($_ < 1e-30 || $_ > 3e38) } $l2, $products, $a_norm, $b_norm;
		push @exact, "l2_normalize('$a'::sparsevec)" if $kind eq 'few' && @{ $pair[0] } < 4;
		push @exact, "'$a'::sparsevec <-> '{}/2'", "'{}/$dim'::sparsevec <=> '$b'", "l1_distance('{}/$dim'::sparsevec, '{}/$dim')" if $round < 100;
		push @exact, map { "'$a'::sparsevec $_ '$b'" } '<->', '<#>', '<+>' if $kind eq 'few';
	}
	near('distances', @cases);
	same('distances of whole numbers', @exact);
	return;
}
