# SyncTest.pm: databases that pull from one another, for the tests of sync.  Functions take a server, and the database where it
# is not "postgres"; every wait has a limit.
package SyncTest;
use strict;
use warnings;
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} = 30 }
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run qw(start finish pump timeout);
use Test::More;

our @EXPORT = qw(server sql error_of version pull pull_all rounds_until_equal are_equal are_sound run_psql session ask leave);

$ENV{PGOPTIONS} = '-c statement_timeout=40s';

# Rows of all tracked tables, with their clocks.
my $state = q{
	SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C")
	FROM (SELECT format('%s %s', name, unnest(xpath('//r/text()', query_to_xml(format('SELECT t::text AS r FROM %s AS t', rel), true, false, '')))) AS line
			FROM vecmark.tracked
		UNION ALL
		SELECT format('parked %s %s', name, reason) FROM vecmark_internal.sync_parked) AS lines};

# A server that was initialized for these tests and is not started.
sub server
{
	my ($name, $settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "autovacuum = off\nrestart_after_crash = on\nmax_prepared_transactions = 5\nlog_line_prefix = '%m [%p] %e '\n" . ($settings // ''));
	return $node;
}

sub sql
{
	my ($node, $sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# The SQLSTATE of what fails.
sub error_of
{
	my ($node, $sql, $database) = @_;
	my (undef, undef, $err) = $node->psql($database // 'postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $err =~ /ERROR:  (\w{5})/ ? $1 : 'no error';
}

sub version
{
	my ($node, $database) = @_;
	return sql($node, 'SELECT vecmark.version()', $database);
}

# A node is a server, or [server, database].
sub place
{
	my ($node) = @_;
	return ref $node eq 'ARRAY' ? @$node : ($node, 'postgres');
}

# One pulls from another; the status, or the SQLSTATE of what fails.  More SQL may go before the merge.
sub pull
{
	my ($to, $from, $before) = @_;
	my ($to_server, $to_database) = place($to);
	my ($from_server, $from_database) = place($from);
	my $since = version($to_server, $to_database);
	my ($status, $deltas, $err) = $from_server->psql($from_database,
		"\\set VERBOSITY sqlstate\nSELECT array_agg(d) FROM vecmark.changes('$since') AS d");
	return $1 if $err =~ /ERROR:  (\w{5})/;
	die "pull: $err" if $status != 0;
	return 'nothing' if $deltas eq '';
	($status, my $merged, $err) = $to_server->psql($to_database,
		($before // '') . "\\set VERBOSITY sqlstate\nSELECT status FROM vecmark.merge_all('$deltas')");
	return $err =~ /ERROR:  (\w{5})/ ? $1 : $status == 0 ? $merged : 'died';
}

# Pairs (to, from) pull, in their order.
sub pull_all
{
	my (@pairs) = @_;
	for my $pair (@pairs)
	{
		my $status = pull(@$pair);
		like($status, qr/^(merged|nothing)$/, 'a pull') if $status !~ /^(merged|nothing)$/;
	}
}

sub states
{
	return map { sql((place($_))[0], $state, (place($_))[1]) } @_;
}

# All have the same rows and clocks.
sub are_equal
{
	my ($what, @nodes) = @_;
	my ($first, @others) = states(@nodes);
	my @different = grep { $_ ne $first } @others;
	return if is(scalar @different, 0, "$what: rows and clocks are equal on all");
	my %here = map { $_ => 1 } split /\n/, $first;
	my %there = map { $_ => 1 } split /\n/, $different[0];
	my @lines = ((map { "one: $_" } grep { !$there{$_} } sort keys %here), map { "other: $_" } grep { !$here{$_} } sort keys %there);
	diag(join "\n", splice(@lines, 0, 20));
}

# How often all pairs have to pull until all are equal, at most as often as said.
sub rounds_until_equal
{
	my ($most, $pairs, @nodes) = @_;
	for my $round (1 .. $most)
	{
		pull_all(@$pairs);
		my %states = map { $_ => 1 } states(@nodes);
		return $round if keys %states == 1;
	}
	return 'never';
}

sub are_sound
{
	my ($what, @nodes) = @_;
	is(join('', map { sql((place($_))[0], q{SELECT format('%s %s; ', t.name, f) FROM vecmark.tracked AS t, vecmark.sync_check(t.rel) AS f}, (place($_))[1]) } @nodes),
		'', "$what: all invariants hold");
}

# Starts psql on a file of SQL that goes on after errors; finish($run->{handle}) waits for it, at most so many seconds.
sub run_psql
{
	my ($node, $sql, $seconds) = @_;
	my $file = $node->basedir . '/sql' . int(rand(1e9));
	append_to_file($file, $sql);
	my $run = { out => '', err => '' };
	$run->{handle} = start([ 'psql', '-XqAt', '-v', 'VERBOSITY=sqlstate', '-f', $file, '-d', $node->connstr('postgres') ],
		'>', \$run->{out}, '2>', \$run->{err}, timeout($seconds));
	return $run;
}

# A psql that stays.
sub session
{
	my ($node) = @_;
	my $session = { in => '', out => '', err => '' };
	$session->{run} = start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err}, timeout(40));
	return $session;
}

sub ask
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql;\n\\echo -- done\n";
	pump($session->{run}) until $session->{out} =~ /-- done\n/ || $session->{err} =~ /ERROR/;
	die $session->{err} if $session->{err} =~ /ERROR/;
	return $session->{out} =~ s/-- done\n//r;
}

sub leave
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	finish($session->{run});
}

1;
