# 038_dump_owner.pl: a database is dumped and restored by its owner, by a role that may read its tables, and by a superuser; what each
# restores is tracked again, and nobody reads in a dump what he may not read.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;

# As a managed service has it: the superuser makes the databases, and nothing else.
$node->safe_psql('postgres', q{
	CREATE ROLE dbo LOGIN; CREATE ROLE backup LOGIN; CREATE ROLE guest LOGIN; CREATE ROLE other LOGIN;
	CREATE DATABASE source OWNER dbo; CREATE DATABASE vectors OWNER dbo;
	CREATE DATABASE foreigner; GRANT CREATE ON DATABASE foreigner TO other});

sub as
{
	my ($role, $database, $sql) = @_;
	return $node->safe_psql($database, $sql, extra_params => [ '-U', $role ]);
}

my $dir = $node->basedir;
my $n = 0;

# A dump by a role, whose text is returned, and where it is.
sub dump_by
{
	my ($role, $database, @options) = @_;
	my $file = "$dir/dump" . $n++;
	command_ok([ 'pg_dump', '-U', $role, '-f', $file, @options, '-h', $node->host, '-p', $node->port, $database ], "pg_dump @options by $role");
	return $file;
}

sub new_database
{
	my ($owner, $with) = @_;
	my $name = 'target' . $n++;
	$node->safe_psql('postgres', "CREATE DATABASE $name OWNER $owner");
	as($owner, $name, 'CREATE EXTENSION vecmark') if $with;
	return $name;
}

# vectors alone
as('dbo', 'vectors', q{CREATE EXTENSION vecmark; CREATE TABLE items (id int, e vector(3)); INSERT INTO items VALUES (1, '[1,2,3]');
	CREATE INDEX ON items USING hnsw (e vector_l2_ops)});
my $plain = dump_by('dbo', 'vectors');
my $target = new_database('dbo', 0);
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'dbo', '-f', $plain, $target ], 'vectors alone: restored');
is(as('dbo', $target, 'SELECT e FROM items'), '[1,2,3]', 'vectors alone: they are there');

# everything
as('dbo', 'source', q{
	CREATE EXTENSION vecmark;
	CREATE TABLE notes (id int PRIMARY KEY, body text, hits int, marks text[]);
	SELECT vecmark.track('notes', '{"counters": ["hits"], "sets": ["marks"]}');
	CREATE TABLE renamed (id int PRIMARY KEY, v text);
	SELECT vecmark.track('renamed', '{"name": "known elsewhere"}');
	SELECT vecmark.build_digest('renamed', 7);
	SELECT vecmark.create_bookmarks('marks', 8); SELECT vecmark.track('marks'); SELECT vecmark.create_api('marks');
	SELECT vecmark.create_outbox('outbox');
	INSERT INTO notes VALUES (1, 'a', 1, '{x}'), (2, 'gone', 2, '{}'), (3, 'c', 0, NULL);
	DELETE FROM notes WHERE id = 2; UPDATE notes SET hits = hits + 5, marks = marks || 'y'::text;
	INSERT INTO notes SELECT g, 'many', 0, '{}' FROM generate_series(1001, 3200) AS g; DELETE FROM notes WHERE id > 1000;
	INSERT INTO renamed VALUES (1, 'r'); INSERT INTO marks (url) VALUES ('https://a.example/');
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO backup});
# a row for a table that is not here, one that cannot be shown, and a value that lost
as('dbo', 'foreigner', 'SELECT 1');
$node->safe_psql('foreigner', q{
	CREATE EXTENSION vecmark;
	CREATE TABLE notes (id int PRIMARY KEY, body text, hits int, marks text[]); SELECT vecmark.track('notes', '{"counters": ["hits"], "sets": ["marks"]}');
	CREATE TABLE unknown (id int PRIMARY KEY, v text); SELECT vecmark.track('unknown');
	INSERT INTO notes VALUES (1, 'PLANTED-LOST', 0, '{}'), (9, 'PLANTED-PARKED', 0, '{}'); INSERT INTO unknown VALUES (1, 'PLANTED-UNKNOWN')});
my $deltas = $node->safe_psql('foreigner', 'SELECT array_agg(d) FROM vecmark.changes() AS d');
as('dbo', 'source', "ALTER TABLE notes ADD CHECK (id < 9); SELECT vecmark.merge_all('$deltas')");
is(as('dbo', 'source', 'SELECT count(*) FROM vecmark.parked'), 2, 'two rows are parked');

my %questions = (
	'what is tracked' => 'SELECT rel, name, counters, sets, local FROM vecmark.tracked ORDER BY name',
	'rows and their clocks' => 'SELECT * FROM notes ORDER BY id',
	'what is parked' => 'SELECT name, key, sqlstate FROM vecmark.parked ORDER BY name',
	'tombstones' => 'SELECT count(*) FROM vecmark.changes() AS d, LATERAL (SELECT vecmark_internal.delta_to_jsonb(d)::text AS j) AS t WHERE j LIKE \'%"alive": false%\'',
	'tombstones that are packed' => q{SELECT sum(jsonb_array_length(t->'rows')) > 2200 FROM vecmark.changes() AS d, jsonb_array_elements(d::jsonb->'tables') AS t WHERE t->>'name' = 'public.notes'},
	'digests' => 'SELECT rel, seed, vecmark_internal.digest_fault(rel) FROM vecmark.digests',
	'functions of the API' => q{SELECT vecmark_internal.api_functions('marks')});
my $faults = q{SELECT t.rel, c.fault FROM vecmark.tracked AS t, vecmark.sync_check(t.rel) AS c};

sub is_whole
{
	my ($role, $database, $what) = @_;
	is(as($role, $database, $questions{$_}), as('dbo', 'source', $questions{$_}), "$what: $_") for sort keys %questions;
	as($role, $database, q{INSERT INTO notes VALUES (4, 'new', 1, '{}'); UPDATE notes SET hits = hits + 1 WHERE id = 1; DELETE FROM notes WHERE id = 4});
	as($role, $database, q{UPDATE renamed SET v = 'changed'});
	is(as($role, $database, q{SELECT settled FROM vecmark.root('renamed')}), 't', "$what: it goes on");
	is(as($role, $database, 'SELECT count(*) FROM vecmark_internal.sync_dump'), '0', "$what: nothing stays where it was restored through")
	  if $role eq 'dbo';
	is(as($role, $database, $faults), '', "$what: sound after writing");
	isnt(as($role, $database, 'SELECT vecmark.site()'), as('dbo', 'source', 'SELECT vecmark.site()'), "$what: another life");
}

for my $role ('dbo', 'postgres')
{
	my $sql = dump_by($role, 'source');
	my $custom = dump_by($role, 'source', '-Fc');
	for my $with (0, 1)
	{
		my $there = $with ? 'where vecmark is' : 'where vecmark is not';
		$target = new_database('dbo', $with);
		$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'dbo', '-f', $sql, $target ], "plain, $there, of $role") if !$with;
		is_whole('dbo', $target, "plain of $role, $there") if !$with;
		$target = new_database('dbo', $with);
		$node->command_ok([ 'pg_restore', '-U', 'dbo', '--no-owner', '-j', 2, '-d', $target, $custom ], "-j, $there, of $role");
		is_whole('dbo', $target, "-j of $role, $there");
	}
	$target = new_database('dbo', 0);
	$node->command_ok([ 'pg_restore', '-U', 'postgres', '-d', $target, $custom ], "by a superuser, of $role");
	is_whole('dbo', $target, "by a superuser of $role");
}
my $rows = dump_by('dbo', 'source', '--inserts');
$target = new_database('dbo', 0);
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'dbo', '-f', $rows, $target ], '--inserts');
is_whole('dbo', $target, '--inserts');

# the definitions alone, and one table: it is tracked anew
my $schema = dump_by('dbo', 'source', '--schema-only');
$target = new_database('dbo', 0);
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'dbo', '-f', $schema, $target ], '--schema-only');
is(as('dbo', $target, q{SELECT vecmark.track('notes', '{"counters": ["hits"], "sets": ["marks"]}'); INSERT INTO notes VALUES (1); SELECT count(*) FROM notes}),
	"public.notes\n1", '--schema-only: tracked again');
my $one = dump_by('dbo', 'source', '-t', 'notes');
{
	$target = new_database('dbo', 1);
	$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'dbo', '-f', $one, $target ], 'one table');
	is(as('dbo', $target, q{SELECT vecmark.track('notes', '{"counters": ["hits"], "sets": ["marks"]}'); UPDATE notes SET hits = hits + 1; SELECT sum(hits) FROM notes}),
		"public.notes\n13", 'one table: tracked again');
}

# A role that may read the tables dumps as well, and reads nothing else.
my $backup = slurp_file(dump_by('backup', 'source', '--no-owner'));
like($backup, qr/PLANTED-LOST/, 'what the table has is in the dump of who may read it');
unlike($backup, qr/PLANTED-UNKNOWN|504c414e5445442d554e4b4e4f574e/i, 'what no table has is not');
as('dbo', 'source', q{ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON notes USING (id = 1); GRANT USAGE ON SCHEMA public TO guest});
$backup = slurp_file(dump_by('backup', 'source', '--enable-row-security'));
unlike($backup, qr/PLANTED-PARKED|504c414e5445442d5041524b4544/i, 'what a policy hides is not');
is(as('guest', 'source', 'SELECT count(*) FROM vecmark_internal.sync_dump'), 0, 'who may read nothing finds the table empty');
unlike(as('guest', 'source', 'SELECT string_agg(line::text, E\'\n\') FROM vecmark_internal.dumped_lines()'), qr/PLANTED|504c414e5445442d/i, 'and nothing of the values by the function');
as('dbo', 'source', 'ALTER TABLE notes DISABLE ROW LEVEL SECURITY');

# Into a database of somebody else's, where others track: his tables are tracked, and nothing else of it changes.
my $custom = dump_by('dbo', 'source', '-Fc');
$node->safe_psql('foreigner', 'DROP TABLE notes; SELECT vecmark_internal.tidy(); GRANT CREATE ON SCHEMA public TO other');
my $before = $node->safe_psql('foreigner', 'SELECT vecmark.site(), (SELECT count(*) FROM vecmark.peers)');
my ($out, $err) = run_command([ 'pg_restore', '-U', 'other', '-h', $node->host, '-p', $node->port, '--no-owner', '--no-comments', '--no-publications', '-d', 'foreigner', $custom ]);
unlike($err, qr/ERROR/, 'restored by a role that owns neither the database nor the extension');
is($node->safe_psql('foreigner', q{SELECT name FROM vecmark.tracked ORDER BY name}), "public.marks\npublic.notes\npublic.unknown", 'his tables are tracked under their own names');
is($node->safe_psql('foreigner', 'SELECT vecmark.site(), (SELECT count(*) FROM vecmark.peers)'), $before, 'the database has its life and its peers');
is($node->safe_psql('foreigner', q{SELECT count(*) > 0 FROM vecmark.changes('{}', ARRAY['notes'::regclass])}), 't', 'they are told whole');

# What is put there by hand.
sub refused
{
	my ($role, $line, $what) = @_;
	my (undef, undef, $err) = $node->psql('foreigner', "INSERT INTO vecmark_internal.sync_dump VALUES ($line)", extra_params => [ '-U', $role ]);
	my $now = $node->safe_psql('foreigner', q{SELECT (SELECT count(*) FROM vecmark_internal.sync_table), (SELECT count(*) FROM vecmark_internal.sync_parked),
		(SELECT count(*) FROM vecmark_internal.sync_version), (SELECT count(*) FROM vecmark_internal.sync_outbox), (SELECT count(*) FROM vecmark_internal.sync_tombstone WHERE rel = 'unknown'::regclass)});
	is($now, '3|0|0|0|0', "$what is not put on record");
}
refused('guest', q{'sync_version', '{"site": 5, "dots": "{0000000000000005: 0-9}"}'}, 'a version');
refused('guest', q{'sync_tombstone', '{"rel": "unknown", "key": "\\\\x31", "clock": "010100005872342ea201789a1faf4ccceb191003000000000000"}'}, 'a tombstone of another\'s');
refused('guest', q{'sync_table', '{"rel": "unknown", "name": "x", "floor": "{}", "notify": false}'}, 'another\'s table');
refused('guest', q{'sync_outbox', '{"rel": "unknown"}'}, 'an outbox');
refused('postgres', q{'sync_version', '{"site": 5}'}, 'a line that lacks something');
refused('postgres', q{'pg_class', '{}'}, 'a line of no table of ours');

$node->stop;
done_testing();
