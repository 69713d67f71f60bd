# 001_install.pl: who can install the extension and use it, where, and what goes when it goes.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;

$node->safe_psql('postgres',
	'CREATE ROLE owner LOGIN; CREATE ROLE guest LOGIN; CREATE DATABASE app OWNER owner; CREATE DATABASE other OWNER owner');

sub as
{
	my ($role, $sql, $db) = @_;
	return $node->safe_psql($db // 'app', $sql, extra_params => [ '-U', $role ]);
}

# the owner of a database installs it without being superuser
as('owner', 'CREATE EXTENSION vecmark');
is(as('owner', "SELECT '[1,2]'::vector <-> '[1,3]'"), '1', 'installed by a database owner');

# another role uses it; its tables are its own
$node->safe_psql('app', 'GRANT CREATE ON SCHEMA public TO guest');
as('guest', "SELECT vecmark.create_bookmarks('guest_marks', 16)");
as('guest', "INSERT INTO guest_marks (url, title) VALUES ('http://a.example', 'Title')");
is(as('guest', "SELECT title FROM vecmark.search('guest_marks', 'title')"), 'Title', 'used by a role that did not install it');
is(as('guest', "SELECT tableowner FROM pg_tables WHERE tablename = 'guest_marks'"), 'guest', 'tables belong to their maker');
my ($status, $out, $err) = $node->psql('app', 'SELECT * FROM guest_marks', extra_params => [ '-U', 'owner' ]);
like($err, qr/permission denied/, 'and to nobody else');
for my $schema ('vecmark', 'vecmark_internal')
{
	($status, $out, $err) = $node->psql('app', "CREATE TABLE $schema.t (i integer)", extra_params => [ '-U', 'guest' ]);
	like($err, qr/permission denied for schema $schema$/m, "nobody can put things into schema $schema");
}

# rights on the table are what counts
$node->safe_psql('app', 'CREATE ROLE reader LOGIN; CREATE ROLE writer LOGIN; GRANT SELECT ON guest_marks TO reader; GRANT INSERT ON guest_marks TO writer');
is(as('reader', "SELECT title FROM vecmark.search('guest_marks', 'title')"), 'Title', 'SELECT is enough to search');
($status, $out, $err) = $node->psql('app', "SELECT vecmark.save('guest_marks', 'http://b.example')", extra_params => [ '-U', 'reader' ]);
like($err, qr/permission denied for table guest_marks/, 'and not to save');
as('writer', "INSERT INTO guest_marks (url) VALUES ('http://writer.example')");
is(as('guest', "SELECT id = vecmark_internal.url_id(url_key) FROM guest_marks WHERE url = 'http://writer.example'"), 't', 'INSERT is enough to insert');
as('guest', "ALTER TABLE guest_marks ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guest_marks TO reader USING (title = 'nothing')");
is(as('reader', "SELECT count(*) FROM vecmark.search('guest_marks', 'title')"), '0', 'row security holds in search');

# any schema will do, and nothing depends on the search path
as('owner', 'CREATE SCHEMA "odd Schema"; CREATE EXTENSION vecmark SCHEMA "odd Schema"', 'other');
as('owner', 'CREATE SCHEMA mine; SELECT vecmark.create_bookmarks(\'mine.marks\', 4)', 'other');
as('owner', "INSERT INTO mine.marks (url, title) VALUES ('http://a.example', 'Title')", 'other');
is(as('owner', "SET search_path = ''; SELECT title FROM vecmark.search('mine.marks', 'title')", 'other'),
	'Title', 'works in another schema that is not on the search path');
is(as('owner', "SET search_path = ''; SELECT outcome FROM vecmark.import_json('mine.marks', '[{\"href\": \"http://b.example\"}]')", 'other'),
	'added', 'and so does an import');
is(as('owner', "SELECT count(*) FROM mine.marks WHERE embedding OPERATOR(\"odd Schema\".<=>) embedding < 0.001", 'other'), '1', 'operators are there');

# other encodings: what is derived from a URL and a text does not depend on them
$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('postgres', "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
my $question = "SELECT vecmark.url_hash('http://b\x{c3}\x{bc}cher.example/\x{c3}\x{a4}'), md5(vecmark.embed('B\x{c3}\x{bc}cher und V\x{c3}\x{b6}gel')::text)";
my %answers;
for my $db (qw(app latin ascii))
{
	$node->safe_psql($db, 'CREATE EXTENSION vecmark') if $db ne 'app';
	$answers{ $node->safe_psql($db, "SET client_encoding = '" . ($db eq 'ascii' ? 'SQL_ASCII' : 'UTF8') . "'; $question") } = 1;
}
is(scalar(keys %answers), 1, 'keys and embeddings are the same in all encodings');

# from 16 on bad input can be asked about without an error
SKIP:
{
	skip 'pg_input_is_valid came with PostgreSQL 16', 1 if $node->pg_version < 16;
	is($node->safe_psql('app', "SELECT string_agg(pg_input_is_valid(v, 'vector(2)')::text, ',') FROM unnest(ARRAY['[1,2]', '[1,x]', '[1]', '[]', '[1,nan]', '[1,1e99]', 'x']) AS v"),
		'true,false,false,false,false,false,false', 'bad vectors are soft errors');
}

# what goes with the extension: code, not data
($status, $out, $err) = $node->psql('app', 'DROP EXTENSION vecmark', extra_params => [ '-U', 'owner' ]);
like($err, qr/other objects depend on it/, 'it does not go while tables use it');
$node->safe_psql('app', 'DROP EXTENSION vecmark CASCADE');
is($node->safe_psql('app', 'SELECT url, title FROM guest_marks WHERE title IS NOT NULL'), 'http://a.example|Title', 'rows stay even then');
is($node->safe_psql('app', "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'vecmark%'"), '0', 'the schemas are gone');

$node->stop;
done_testing();
