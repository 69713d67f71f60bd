# 014_halfvec_binary.pl: every bit of a binary halfvec flipped, every length cut: an error or a sound halfvec, never a crash.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecmark; CREATE TABLE t (v halfvec)');

my $value = pack('n n n*', 5, 0, 0x3c00, 0xc100, 0x0001, 0x7bff, 0x8000);
my @messages = map { substr($value, 0, $_) } 0 .. length($value) - 1;
for my $bit (0 .. 8 * length($value) - 1)
{
	my $flipped = $value;
	vec($flipped, $bit, 1) ^= 1;
	push @messages, $flipped;
}

my $script = '';
my $count = 0;
for my $message (@messages)
{
	my $file = $node->basedir . '/message' . $count++;
	open my $out, '>:raw', $file or die "$file: $!";
	print $out "PGCOPY\n\377\r\n\0", pack('NN', 0, 0), pack('n N', 1, length($message)), $message, pack('n', 0xffff);
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
is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE vector_dims(v) <> 5 OR v::text::halfvec <> v OR l2_norm(v) IS NULL'), '0', 'every row is sound');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no crash');

$node->stop;
done_testing();
