# 002_dump.pl: a dumped and restored bookmarks table is the same table.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE source; CREATE DATABASE target');
$node->safe_psql('source', q{
	CREATE EXTENSION vecmark;
	SELECT vecmark.create_bookmarks('"Marks of ""Jo"""', 32, 'english');
	INSERT INTO "Marks of ""Jo""" (url, title, tags, content, metadata)
	SELECT 'https://site' || i % 10 || '.example/page/' || i || '?utm_source=x',
		(ARRAY['Vector', 'Database', 'Garden', 'Music', 'Weather'])[i % 5 + 1] || ' number ' || i,
		ARRAY['tag' || i % 7, 'tree/' || i % 3], repeat('text ' || i || ' ', 50), jsonb_build_object('n', i)
	FROM generate_series(1, 500) AS i;
	UPDATE "Marks of ""Jo""" SET url = 'https://moved.example/' WHERE title = 'Database number 1';
	SELECT vecmark.visit('"Marks of ""Jo"""', url) FROM "Marks of ""Jo""" LIMIT 20;
});
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('source') ], 'pg_dump');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('target'), $dump ], 'pg_restore');

my %questions = (
	'rows' => q{SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM "Marks of ""Jo""" AS m},
	'visits' => q{SELECT md5(string_agg(v::text, '' ORDER BY id)) FROM "Marks of ""Jo""_visits" AS v},
	'settings' => q{SELECT vecmark_internal.bookmark_settings('"Marks of ""Jo"""')},
	'indexes' => q{SELECT string_agg(indexdef, E'\n' ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'},
	'triggers' => q{SELECT string_agg(pg_get_triggerdef(oid), E'\n' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal},
	'comments' => q{SELECT string_agg(description, E'\n' ORDER BY objsubid) FROM pg_description WHERE objoid = '"Marks of ""Jo"""'::regclass},
	'hybrid search' => q{SELECT string_agg(s::text, E'\n') FROM vecmark.search('"Marks of ""Jo"""', 'vector garden #tree/1') AS s},
	'semantic search' => q{SELECT string_agg(s::text, E'\n') FROM vecmark.search('"Marks of ""Jo"""', 'musci wether', full_text_weight => 0) AS s},
	'lookup' => q{SELECT vecmark.lookup('"Marks of ""Jo"""', 'https://SITE3.example/page/3/')});
for my $name (sort keys %questions)
{
	my $before = $node->safe_psql('source', $questions{$name});
	isnt($before, '', "$name: there is an answer");
	is($node->safe_psql('target', $questions{$name}), $before, "$name: the same after restore");
}

# and it goes on working: the old URL of the bookmark that moved is free
is($node->safe_psql('target', q{SELECT inserted FROM vecmark.save('"Marks of ""Jo"""', 'https://site1.example/page/1', 'Back')}), 't', 'save after restore');
is($node->safe_psql('target', q{SELECT vecmark.visit('"Marks of ""Jo"""', 'https://moved.example')}) > 0, 1, 'visit after restore');
($node->psql('target', q{INSERT INTO "Marks of ""Jo""" (url) VALUES ('https://site2.example/page/2#x')}))[2] =~ /duplicate key/
  ? pass('pages stay unique after restore')
  : fail('pages stay unique after restore');

# a plain SQL dump, too
$node->safe_psql('postgres', 'CREATE DATABASE third');
my ($stdout, $stderr) = run_command([ 'pg_dump', '-d', $node->connstr('source') ]);
$node->safe_psql('third', $stdout);
is($node->safe_psql('third', $questions{'rows'}), $node->safe_psql('source', $questions{'rows'}), 'rows of a plain dump');

$node->stop;
done_testing();
