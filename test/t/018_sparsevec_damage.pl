# 018_sparsevec_damage.pl: every bit of a sparsevec flipped and every length cut, as it is sent and as it is stored: an error or a result, never a crash.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecmark; CREATE TABLE t (v sparsevec)');

# All that a value becomes when it is cut, or one bit of it is another.
sub damaged
{
	my ($value) = @_;
	my @damaged = map { substr($value, 0, $_) } 0 .. length($value) - 1;
	for my $bit (0 .. 8 * length($value) - 1)
	{
		my $flipped = $value;
		vec($flipped, $bit, 1) ^= 1;
		push @damaged, $flipped;
	}
	return @damaged;
}

# binary form
my @messages = damaged(pack('N3 N3 N3', 9, 3, 0, 0, 4, 8, 0x3f800000, 0x00000001, 0xff7fffff));
my $script = '';
for my $i (0 .. $#messages)
{
	my $file = $node->basedir . "/message$i";
	open my $out, '>:raw', $file or die "$file: $!";
	print $out "PGCOPY\n\377\r\n\0", pack('NN', 0, 0), pack('n N', 1, length($messages[$i])), $messages[$i], pack('n', 0xffff);
	close $out;
	$script .= "\\copy t FROM '$file' WITH (FORMAT binary)\n";
}
my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$script", on_error_stop => 0);
is($status, 0, 'the session lives');
my %states;
$states{$_}++ for $stderr =~ /ERROR:\s+(\w+)/g;
is(join(' ', sort keys %states), '08P01 22000 22P03 54000', 'errors are of the expected classes');
my $errors = 0;
$errors += $_ for values %states;
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
is($errors + $rows, scalar(@messages), 'every message is a row or an error');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE v::text::sparsevec <> v OR sparsevec_send(v::text::sparsevec) <> sparsevec_send(v) OR l2_norm(v) IS NULL'),
	'0', 'every row is sound');

# what is stored: a cast that only a superuser can make lets bytes pass for a value
my @stored = damaged(pack('l3 l3 f3', 9, 3, 0, 0, 4, 8, 1, -2, 3));
$node->safe_psql(
	'postgres', q(
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
CREATE TABLE stored (b bytea);
CREATE FUNCTION state_of(expression text, b bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE 'SELECT (' || expression || ')::text FROM (SELECT $1::sparsevec AS v, sparsevec ''{1:1,5:-2,9:3}/9'' AS w) AS s' INTO result USING b;
	RETURN 'result';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;)
	  . join('', map { "INSERT INTO stored VALUES ('\\x" . unpack('H*', $_) . "');" } @stored));
my @expressions = (
	'v', 'sparsevec_send(v)', 'v <-> w', 'w <#> v', 'v <=> w', 'v <+> v', 'l2_norm(v)', 'l2_normalize(v)',
	'sparsevec_cmp(v, w)', 'sparsevec_cmp(w, v)', 'v::vector', 'v::sparsevec(9)');
for my $expression (@expressions)
{
	# dimensions that differ are an error of the distances, and damage of none
	like(
		$node->safe_psql('postgres', "SELECT string_agg(DISTINCT state_of('$expression', b), ' ') FROM stored"),
		qr/^(22000 )?(54000 )?(result XX001|XX001 result)$/,
		"stored: $expression");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM stored WHERE length(b) < 36 AND state_of(\'v\', b) <> \'XX001\''), '0', 'every cut is found');
my $beside = unpack('H*', pack('l3 l f', 2, 1, 0, 2, 1));
is($node->safe_psql('postgres', "SELECT state_of('v::vector', '\\x$beside')"), 'XX001', 'an index beside the vector');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no crash');

$node->stop;
done_testing();
