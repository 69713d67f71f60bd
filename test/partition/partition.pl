#!/usr/bin/perl
# partition.pl SECONDS SEED: three servers, each in a network namespace of its own, whose network is cut and healed and which
# are killed at random, while clients write to all of them.  Prints TAP.
#
# What must be there in the end is not asked of the databases: each client keeps a ledger of what it was told is committed.
# Every row that was acknowledged is there, or was deleted by somebody who saw it; every increment counts; every tag is there
# that nobody removed; what was moved out of a folder, or given to another lead, in the transaction that deletes the old one,
# is in the new one.
#
# Run as root, by test/run: BINDIR has the server's programs, PLACE is a folder for the servers, CONF are settings that
# let them find the extension, SERVER_USER who runs them.
use strict;
use warnings;
use FindBin;
use List::Util qw(shuffle uniq);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my ($seconds, $seed) = @ARGV;
my ($bindir, $place, $conf, $user) = @ENV{qw(BINDIR PLACE CONF SERVER_USER)};
my @names = qw(a b c);
my %address = map { $names[$_] => '10.77.0.' . ($_ + 1) } 0 .. $#names;
my $prefix = "vecmark$$";
my $parent = $$;

sub command
{
	my ($must, @words) = @_;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDOUT, '>>', "$place/commands.log");
		open(STDERR, '>&', \*STDOUT);
		exec(@words) or POSIX::_exit(127);
	}
	waitpid($pid, 0);
	die "failed: @words; see $place/commands.log" if $must && $? != 0;
	return $? == 0;
}

sub pg_ctl
{
	my ($must, $name, @words) = @_;
	return command($must, qw(ip netns exec), "$prefix-$name", qw(runuser -u), $user, '--', qw(env LC_ALL=C.UTF-8), "$bindir/pg_ctl", qw(-s -w -t 60 -D), "$place/$name/data", @words);
}

# What psql prints, or undef; the statements are sent one by one, and the first that fails ends it.
sub psql
{
	my ($name, @statements) = @_;
	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0)
	{
		open(STDERR, '>>', "$place/psql-$name.log");
		exec("$bindir/psql", qw(-XqAt -v ON_ERROR_STOP=1 -U postgres -d postgres -h), "$place/$name", map { ('-c', $_) } @statements) or POSIX::_exit(127);
	}
	my @lines = <$out>;
	close($out);
	return undef if $? != 0;
	chomp @lines;
	return join("\n", @lines);
}

sub psql_must
{
	my ($name, @statements) = @_;
	return psql($name, @statements) // die "failed at $name: @statements; see $place/psql-$name.log";
}

# ---- the network

sub connect_network
{
	command(1, qw(ip netns add), $_) for map { "$prefix-$_" } 'hub', @names;
	command(1, qw(ip -n), "$prefix-hub", qw(link add hub type bridge));
	command(1, qw(ip -n), "$prefix-hub", qw(link set hub up));
	for my $name (@names)
	{
		command(1, qw(ip -n), "$prefix-hub", qw(link add), "to-$name", qw(type veth peer name net netns), "$prefix-$name");
		command(1, qw(ip -n), "$prefix-hub", qw(link set), "to-$name", qw(master hub up));
		command(1, qw(ip -n), "$prefix-$name", qw(address add), "$address{$name}/24", qw(dev net));
		command(1, qw(ip -n), "$prefix-$name", qw(link set), $_, 'up') for qw(lo net);
	}
}

# Packets of a server are dropped, and nobody is told.
sub set_link
{
	my ($name, $state) = @_;
	command(1, qw(ip -n), "$prefix-hub", qw(link set), "to-$name", $state);
}

END
{
	if ($$ == ($parent // 0))
	{
		my $status = $?;
		pg_ctl(0, $_, qw(-m immediate stop)) for @names;
		command(0, qw(ip netns delete), $_) for map { "$prefix-$_" } @names, 'hub';
		$? = $status;
	}
}

# ---- the servers

sub start_servers
{
	for my $name (@names)
	{
		command(1, qw(install -d -m 755 -o), $user, "$place/$name");
		command(1, qw(runuser -u), $user, qw(-- env LC_ALL=C.UTF-8), "$bindir/initdb", '-D', "$place/$name/data", qw(-U postgres -A trust --encoding=UTF8 --locale=C.UTF-8 --no-sync));
		open(my $settings, '>>', "$place/$name/data/postgresql.conf") or die "postgresql.conf: $!";
		open(my $given, '<', $conf) or die "$conf: $!";
		print {$settings} <$given>;
		print $settings <<~END;
			unix_socket_directories = '$place/$name'
			listen_addresses = '$address{$name}'
			wal_level = logical
			wal_sender_timeout = 2s
			wal_receiver_timeout = 2s
			wal_retrieve_retry_interval = 500ms
			max_worker_processes = 8
			log_line_prefix = '%m [%p] %e '
			END
		close($settings);
		open(my $hba, '>>', "$place/$name/data/pg_hba.conf") or die "pg_hba.conf: $!";
		print $hba "host all all 10.77.0.0/24 trust\n";
		close($hba);
		pg_ctl(1, $name, '-l', "$place/$name/server.log", 'start');
		command(1, "$bindir/psql", qw(-XqAt -v ON_ERROR_STOP=1 -U postgres -d postgres -h), "$place/$name", '-f', "$FindBin::Bin/schema.sql");
	}
	for my $name (@names)
	{
		for my $other (grep { $_ ne $name } @names)
		{
			# a connection that was cut is noticed
			psql_must($name, "CREATE SERVER $other FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '$address{$other}', dbname 'postgres', connect_timeout '2', tcp_user_timeout '2000', keepalives_idle '2', keepalives_interval '1')",
				"CREATE USER MAPPING FOR postgres SERVER $other OPTIONS (user 'postgres')", "SELECT vecmark.add_peer('$other', '$other')");
		}
	}
	# streams beside the exchanges, between some
	for (['b', 'a'], ['c', 'b'], ['a', 'b'])
	{
		my ($to, $from) = @$_;
		psql_must($to, "CREATE SUBSCRIPTION of_$from CONNECTION 'host=$address{$from} user=postgres dbname=postgres connect_timeout=2 tcp_user_timeout=2000 keepalives_idle=2 keepalives_interval=1 application_name=$to' PUBLICATION changes WITH (copy_data = false, slot_name = to_$to)");
	}
}

# ---- clients

my $alphabet = '0123456789abcdef';
sub uuid { return join('-', map { my $length = $_; join('', map { substr($alphabet, int(rand(16)), 1) } 1 .. $length) } 8, 4, 4, 4, 12); }

# A client of one server, until a moment.  A line of its ledger is what was asked; what was acknowledged ends in "ok" and what
# came back, what failed, or may have been done, in "unknown".
sub write_for_a_while
{
	my ($name, $until) = @_;
	my $number = 0;
	my $some = sub { return "(SELECT id FROM $_[0] ORDER BY md5(id || '" . rand() . "') LIMIT 1)" };
	srand($seed * 10 + ord($name));
	open(my $ledger, '>', "$place/ledger-$name") or die "ledger: $!";
	$ledger->autoflush(1);
	my $do = sub {
		my ($what, $asked, @statements) = @_;
		my $answer = psql($name, @statements);
		print $ledger join("\t", $what, $asked, defined $answer ? 'ok' : 'unknown', split(/[\n|]/, $answer // '')), "\n";
	};

	while (time() < $until)
	{
		my $kind = rand(100);
		my $token = $name . ++$number;
		if ($kind < 35)
		{
			my $id = uuid();
			$do->('insert', $id, "INSERT INTO notes (id, folder, lead, body, tags) SELECT '$id', folder.id, lead.id, '$token', '{$token}'
				FROM folders AS folder, people AS lead WHERE folder.id = " . $some->('folders') . " AND lead.id = " . $some->('people') . " RETURNING folder, lead");
		}
		elsif ($kind < 55)
		{
			my $by = 1 + int(rand(9));
			$do->('increment', $by, "UPDATE notes SET n = n + $by WHERE id = " . $some->('notes') . " RETURNING id");
		}
		elsif ($kind < 65)
		{
			$do->('tag', $token, "UPDATE notes SET tags = tags || '{$token}' WHERE id = " . $some->('notes') . " RETURNING id");
		}
		elsif ($kind < 70)
		{
			$do->('untag', '', "WITH seen AS (SELECT id, tags[1] AS tag FROM notes WHERE id = " . $some->('notes') . " FOR UPDATE)
				UPDATE notes SET tags = array_remove(tags, tag) FROM seen WHERE notes.id = seen.id AND tag IS NOT NULL RETURNING notes.id, tag");
		}
		elsif ($kind < 80)
		{
			$do->('body', $token, "WITH seen AS (SELECT id, body FROM notes WHERE id = " . $some->('notes') . " FOR UPDATE)
				UPDATE notes SET body = '$token' FROM seen WHERE notes.id = seen.id RETURNING notes.id, seen.body");
		}
		elsif ($kind < 84)
		{
			$do->('delete', '', "DELETE FROM notes WHERE id = " . $some->('notes') . " RETURNING id");
		}
		elsif ($kind < 92)
		{
			my $old = psql($name, 'SELECT ' . $some->('folders')) || next;
			my $new = uuid();
			$do->('move', "$old\t$new", 'BEGIN', "INSERT INTO folders VALUES ('$new', '$token')",
				"UPDATE notes SET folder = '$new' WHERE folder = '$old' RETURNING id", "DELETE FROM folders WHERE id = '$old'", 'COMMIT');
		}
		elsif ($kind < 98)
		{
			my $old = psql($name, 'SELECT ' . $some->('people')) || next;
			my $new = uuid();
			$do->('lead', "$old\t$new", 'BEGIN', "INSERT INTO people VALUES ('$new', '$token')",
				"UPDATE notes SET lead = '$new' WHERE lead = '$old' RETURNING id", "DELETE FROM people WHERE id = '$old'", 'COMMIT');
		}
		else
		{
			my $id = uuid();
			$do->('folder', $id, "INSERT INTO folders VALUES ('$id', '$token')", "INSERT INTO people VALUES ('$id', '$token')");
		}
	}
	close($ledger);
}

sub exchange_for_a_while
{
	my ($name, $until) = @_;
	my @others = grep { $_ ne $name } @names;
	srand($seed * 10 + 5 + ord($name));
	while (time() < $until)
	{
		if (rand() < .1) { psql($name, 'SET statement_timeout = 5000', 'CALL vecmark.maintain()') }
		else { psql($name, 'SET statement_timeout = 5000', "CALL vecmark.sync('$others[rand @others]')") }
		sleep(.2 + rand());
	}
}

sub in_background
{
	my ($sub, @arguments) = @_;
	my $pid = fork() // die "fork: $!";
	return $pid if $pid != 0;
	$sub->(@arguments);
	POSIX::_exit(0);
}

sub do_harm
{
	my ($until) = @_;
	my %count = (cut => 0, killed => 0);
	srand($seed);
	while (time() < $until)
	{
		my @hit = (shuffle @names)[0 .. int(rand(2))];
		if (rand() < .25)
		{
			pg_ctl(1, $hit[0], qw(-m immediate stop));
			sleep(rand());
			pg_ctl(1, $hit[0], '-l', "$place/$hit[0]/server.log", 'start');
			$count{killed}++;
		}
		else
		{
			set_link($_, 'down') for @hit;
			sleep(.5 + rand(4));
			set_link($_, 'up') for @hit;
			$count{cut}++;
		}
		sleep(rand(2));
	}
	return \%count;
}

# ---- what must be there

# All ledgers: of each kind a list of what was asked, whether it is certain, and what came back.
sub read_ledgers
{
	my %entries;
	for my $name (@names)
	{
		open(my $ledger, '<', "$place/ledger-$name") or die "ledger: $!";
		while (my $line = <$ledger>)
		{
			chomp $line;
			my ($what, @rest) = split(/\t/, $line, -1);
			my @asked = splice(@rest, 0, $what eq 'move' || $what eq 'lead' ? 2 : 1);
			push @{ $entries{$what} }, { asked => \@asked, ok => shift(@rest) eq 'ok', back => \@rest };
		}
	}
	return \%entries;
}

sub acknowledged
{
	my ($entries, $what) = @_;
	return grep { $_->{ok} && @{ $_->{back} } } @{ $entries->{$what} // [] };
}

# Places (folders, leads) that a note may have lost its own by: it was given to it, and whoever took that place away had not
# the note before him when he moved what was there.
sub may_have_lost
{
	my ($entries, $what, $first) = @_;
	my (%given, %lost);
	$given{ $_->{asked}[0] }{ $_->{back}[$first] } = 1 for acknowledged($entries, 'insert');
	for my $move (@{ $entries->{$what} // [] })
	{
		$given{$_}{ $move->{asked}[1] } = 1 for $move->{ok} ? @{ $move->{back} } : keys %given;
	}
	for my $move (@{ $entries->{$what} // [] })
	{
		my %moved = map { $_ => 1 } @{ $move->{back} };
		for my $id (keys %given)
		{
			$lost{$id} = 1 if $given{$id}{ $move->{asked}[0] } && !$moved{$id};
		}
	}
	return \%lost;
}

sub check_ledgers
{
	my ($entries) = @_;
	my %note = map { my ($id, $folder, $lead, $body, $n, $tags) = split(/\|/, $_, -1); $id => { folder => $folder, lead => $lead, body => $body, n => $n, tags => { map { $_ => 1 } split(/,/, $tags) } } }
		split(/\n/, psql_must('a', "SELECT id, folder, lead, body, n, array_to_string(tags, ',') FROM notes"));
	my $no_folder = may_have_lost($entries, 'move', 0);
	my $no_lead = may_have_lost($entries, 'lead', 1);
	my %unsure = map { $_ => scalar(grep { !$_->{ok} } @{ $entries->{$_} // [] }) } qw(delete increment tag untag body);
	my (%deleted, %sum, %tagged, %untagged, %written, %overwritten, @wrong);

	$deleted{ $_->{back}[0] } = 1 for acknowledged($entries, 'delete');
	for my $insert (acknowledged($entries, 'insert'))
	{
		my $id = $insert->{asked}[0];
		push @wrong, "note $id is lost" unless $note{$id} || $deleted{$id} || $no_folder->{$id} || $unsure{delete};
		push @wrong, "note $id has lost its lead" if $note{$id} && $note{$id}{lead} eq '' && !$no_lead->{$id};
	}
	$sum{ $_->{back}[0] } += $_->{asked}[0] for acknowledged($entries, 'increment');
	$tagged{ $_->{back}[0] }{ $_->{asked}[0] } = 1 for acknowledged($entries, 'tag');
	$untagged{ $_->{back}[0] }{ $_->{back}[1] } = 1 for acknowledged($entries, 'untag');
	$overwritten{ $_->{back}[0] }{ $_->{back}[1] } = 1 for acknowledged($entries, 'body');
	for my $id (keys %note)
	{
		push @wrong, "note $id was deleted and is there" if $deleted{$id};
		push @wrong, "note $id counts $note{$id}{n}, not " . ($sum{$id} // 0)
			if $note{$id}{n} != ($sum{$id} // 0) && !($unsure{increment} && $note{$id}{n} > ($sum{$id} // 0));
		push @wrong, map { "note $id has lost tag $_" } grep { !$note{$id}{tags}{$_} && !$untagged{$id}{$_} } keys %{ $tagged{$id} } unless $unsure{untag};
		push @wrong, map { "note $id has tag $_ again" } grep { $note{$id}{tags}{$_} } keys %{ $untagged{$id} };
		push @wrong, "note $id has body $note{$id}{body}, which was written over" if $overwritten{$id}{ $note{$id}{body} };
	}
	is(join("\n", sort @wrong), '', 'everything acknowledged is there, or was removed by somebody who saw it');
	return scalar(keys %note);
}

# All exchange until nobody has anything for anybody; how many rounds it took.
sub come_to_rest
{
	for my $round (1 .. 30)
	{
		my $more = 0;
		for my $name (@names)
		{
			for my $other (grep { $_ ne $name } @names)
			{
				psql($name, 'SET statement_timeout = 30000', "CALL vecmark.sync('$other')");
			}
		}
		psql($_, 'CALL vecmark.maintain()') for @names;
		for my $name (@names)
		{
			my $version = psql_must($name, 'SELECT vecmark.version()');
			for my $other (grep { $_ ne $name } @names)
			{
				$more = 1 if psql_must($other, "SELECT vecmark.has_changes('$version')") ne 'f';
			}
		}
		return $round unless $more;
		sleep(.5);
	}
	return undef;
}

command(1, qw(install -d -m 755 -o), $user, $place);
connect_network();
start_servers();
psql_must('a', "INSERT INTO folders SELECT gen_random_uuid(), 'folder' FROM generate_series(1, 6)", "INSERT INTO people SELECT gen_random_uuid(), 'lead' FROM generate_series(1, 6)");
ok(defined come_to_rest(), 'they come to rest before it begins');

my $until = time() + $seconds;
my @children = map { (in_background(\&write_for_a_while, $_, $until), in_background(\&exchange_for_a_while, $_, $until)) } @names;
my $harm = do_harm($until);
waitpid($_, 0) for @children;
set_link($_, 'up') for @names;

my $rounds = come_to_rest();
ok(defined $rounds, 'they come to rest after it');
my $entries = read_ledgers();
my $notes = check_ledgers($entries);
for my $table (qw(folders people notes))
{
	my @rows = map { psql_must($_, "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM $table AS t") } @names;
	is(join("\n", uniq @rows), $rows[0], "$table has the same rows and clocks on all");
	my @roots = map { psql_must($_, "SELECT hash FROM vecmark.root('$table')") } @names;
	is(join("\n", uniq @roots), $roots[0], "$table has the same root on all");
	is(psql_must($_, "SELECT string_agg(c::text, '; ') FROM vecmark.sync_check('$table') AS c"), '', "$table keeps its invariants at $_") for @names;
}
is(psql_must($_, 'SELECT string_agg(p::text, chr(10)) FROM vecmark.parked AS p'), '', "nothing is parked at $_") for @names;
my %acknowledged = map { $_ => scalar(acknowledged($entries, $_)) } keys %$entries;
cmp_ok($acknowledged{$_} // 0, '>', 0, "some were acknowledged: $_") for qw(insert increment tag untag body delete move lead);
diag("$notes notes, $harm->{cut} cuts, $harm->{killed} servers killed, at rest after " . ($rounds // 'too many') . ' rounds; acknowledged: ' .
	join(', ', map { "$_ $acknowledged{$_}" } sort keys %acknowledged));
done_testing();
