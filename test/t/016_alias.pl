# 016_alias.pl: coming from pgvector: the alias "vector", dumps, replication, and what README.md says of them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file($ENV{VECMARK_README});
my $stage = $ENV{VECMARK_STAGE};
my $scratch = PostgreSQL::Test::Utils::tempdir;
chomp(my $share = `$ENV{PG_CONFIG} --sharedir`);
chomp(my $libraries = `$ENV{PG_CONFIG} --pkglibdir`);

# A block of README.md with this word after "sql".
sub example
{
	my ($word) = @_;
	my ($block) = $readme =~ /^```sql $word\n(.*?)^```/ms;
	ok(defined $block, "README.md has an example: $word");
	return $block // '';
}

# ---- make install-alias

sub make_alias
{
	my ($target, $root) = @_;
	mkdir "$scratch/make";
	my @command = ('make', '-s', '-C', "$scratch/make", '-f', "$ENV{VECMARK_SOURCE}/Makefile", "PG_CONFIG=$ENV{PG_CONFIG}", 'with_llvm=no', "DESTDIR=$root", $target);
	my ($out, $err);
	my $good = IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	return ($good, $err);
}

# A root with one file of somebody else's.
sub foreign_root
{
	my ($file) = @_;
	my $root = "$scratch/root-$file";
	system_or_bail('mkdir', '-p', "$root$share/extension");
	append_to_file("$root$share/extension/$file", "-- pgvector's\n");
	return $root;
}

for my $file ('vector.control', 'vector--0.8.6.sql', 'vector--0.8.5--0.8.6.sql')
{
	my $root = foreign_root($file);
	my ($good, $err) = make_alias('install-alias', $root);
	ok(!$good, "install-alias refuses where there is another $file");
	like($err, qr/\Q$file\E is not vecmark's/, 'and says why');
	($good, $err) = make_alias('uninstall-alias', $root);
	ok($good, 'uninstall-alias does nothing there');
	is_deeply([ grep { !/^\./ } slurp_dir("$root$share/extension") ], [$file], 'no file came or went');
	is(slurp_file("$root$share/extension/$file"), "-- pgvector's\n", 'nor changed');
}
# The alias goes into a copy of the installation that the other tests use.
my $aliased = "$scratch/aliased";
system_or_bail('cp', '-r', $stage, $aliased);
ok((make_alias('install-alias', $aliased))[0], 'install-alias');
ok((make_alias('install-alias', $aliased))[0], 'and once more, over itself');
ok(-e "$aliased$share/extension/vector.control", 'the control file is there');
my $bare = "$scratch/bare";
ok((make_alias('install-alias', $bare))[0], 'install-alias where there is nothing');
ok((make_alias('uninstall-alias', $bare))[0], 'uninstall-alias');
is_deeply([ grep { !/^\./ } slurp_dir("$bare$share/extension") ], [], 'leaves nothing');
is_deeply([ grep { !/^\./ } slurp_dir("$bare$libraries") ], [], 'nor a library');

# A library of somebody else's, or a copy of ours.
append_to_file("$bare$libraries/vector.so", 'not ours');
my ($installs, $refusal) = make_alias('install-alias', $bare);
ok(!$installs, 'install-alias refuses where there is another library vector');
like($refusal, qr/vector\.so is not vecmark's/, 'and says why');
ok((make_alias('uninstall-alias', $bare))[0], 'uninstall-alias does nothing there');
is(slurp_file("$bare$libraries/vector.so"), 'not ours', 'and leaves it');
is_deeply([ grep { !/^\./ } slurp_dir("$bare$share/extension") ], [], 'no file came');
is(readlink("$aliased$libraries/vector.so"), 'vecmark.so', 'the library is a link');

# ---- servers: one with the alias, one without and perhaps with pgvector

sub new_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	return $node;
}

sub use_alias
{
	my ($node) = @_;
	$node->append_conf('postgresql.conf',
		($node->pg_version >= 18 ? "extension_control_path = '$aliased$share:\$system'" : "extension_destdir = '$aliased'")
		. "\ndynamic_library_path = '$aliased$libraries:\$libdir'");
}

my $node = new_node('aliased');
use_alias($node);
$node->start;
my $plain = new_node('plain');
$plain->start;
my $has_pgvector = $plain->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector' AND comment !~ 'vecmark'");

sub new_database
{
	my ($where, $name, $sql) = @_;
	$where->safe_psql('postgres', "CREATE DATABASE $name");
	$where->safe_psql($name, $sql) if defined $sql;
	return $name;
}

# What a statement says where it fails.
sub error_of
{
	my ($where, $db, $sql) = @_;
	my ($status, $out, $err) = $where->psql($db, $sql);
	isnt($status, 0, "fails: $sql");
	return $err;
}

# Whether a query of a table takes an index, be the table as small as it is.
sub takes_index
{
	my ($where, $db, $query) = @_;
	return $where->safe_psql($db, "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN (COSTS off) $query") =~ /Index Scan using/;
}

my $extensions = q{SELECT string_agg(format('%s %s %s', extname, extversion, extnamespace::regnamespace), ', ' ORDER BY extname) FROM pg_extension WHERE extname <> 'plpgsql'};
my ($version) = slurp_file("$ENV{VECMARK_SOURCE}/vecmark.control") =~ /default_version *= *'(.*)'/;

# ---- the alias

$_->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE guest LOGIN') for $node, $plain;
$node->safe_psql('postgres', 'CREATE DATABASE app OWNER owner');
my $error = error_of($node, 'app', 'CREATE EXTENSION IF NOT EXISTS vector');
like($error, qr/required extension "vecmark" is not installed/, 'the alias alone says what is missing');
like($error, qr/HINT: .*CREATE EXTENSION \.\.\. CASCADE/, 'and how to get it');
$node->safe_psql('app', example('alias'), extra_params => [ '-U', 'owner' ]);
is($node->safe_psql('app', $extensions), "vecmark $version public, vector 0.8.6 public", 'CASCADE makes both, for the owner of a database');
my ($status, $out, $err) = $node->psql('app', 'CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA information_schema', extra_params => [ '-U', 'guest' ]);
is($status, 0, 'IF NOT EXISTS does nothing then, for anybody');
like($err, qr/extension "vector" already exists, skipping/, 'and says so');
is($node->safe_psql('app', q{SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector')}), '0', 'the alias has no objects');

$node->safe_psql('app', q{
	CREATE TABLE items (id bigserial PRIMARY KEY, embedding public.vector(3));
	INSERT INTO items (embedding) SELECT ARRAY[i % 40, i / 40, 1]::vector FROM generate_series(1, 1600) AS i;
	CREATE INDEX items_hnsw ON items USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);
	CREATE INDEX items_ivfflat ON items USING ivfflat (embedding) WITH (lists = 10);
	ANALYZE items}, extra_params => [ '-U', 'owner' ]);
like(($node->psql('app', 'ALTER EXTENSION vector UPDATE'))[2], qr/version "0.8.6" of extension "vector" is already installed/, 'there is nothing to update');
like(error_of($node, 'app', "ALTER EXTENSION vector UPDATE TO '0.8.999'"), qr/no update path/, 'nor to another version');
like(error_of($node, 'app', 'ALTER EXTENSION vector SET SCHEMA pg_catalog'), qr/does not support SET SCHEMA/, 'the schema stays');
like(error_of($node, 'app', 'DROP EXTENSION vecmark'), qr/extension vector depends on extension vecmark/, 'vecmark does not go before the alias');
$node->safe_psql('app', 'DROP EXTENSION vector');
is($node->safe_psql('app', 'SELECT count(embedding) FROM items'), '1600', 'the alias goes alone, and no data with it');
$node->safe_psql('app', 'CREATE EXTENSION vector');

# ---- library vector

is($node->safe_psql('app', q{LOAD 'vector'; SHOW hnsw.ef_search; LOAD 'vecmark'; SHOW hnsw.ef_search}), "40\n40", 'LOAD, by either name, and both');
is($node->safe_psql('app', q{SELECT count(*) FROM items WHERE embedding <-> '[1,2,3]' < 0; LOAD 'vector'; SHOW vecmark.simd}), "0\nauto", 'after the library was used');
$node->safe_psql('app', q{ALTER ROLE owner SET session_preload_libraries = 'vector'});
is($node->safe_psql('app', q{SET hnsw.ef_search = 20; SHOW hnsw.ef_search; SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 5) AS s},
	extra_params => [ '-U', 'owner' ]), "20\n5", 'session_preload_libraries');
$node->safe_psql('app', q{ALTER ROLE owner RESET session_preload_libraries});
system_or_bail('cp', "$aliased$libraries/vecmark.so", "$scratch/vector.so");
$error = error_of($node, 'app', "LOAD 'vecmark'; LOAD '$scratch/vector.so'");
like($error, qr/vecmark has been loaded from another file already/, 'a copy is refused');
like($error, qr/HINT:  Restart the server if vecmark was updated\.  A library "vector" must be a link/, 'and why, and what to do');
for my $list ('vector', 'vector, vecmark', 'vecmark, vector')
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$list'");
	$node->restart;
	is($node->safe_psql('app', q{SHOW hnsw.ef_search; SET max_parallel_maintenance_workers = 1; SET min_parallel_table_scan_size = 0; REINDEX INDEX items_hnsw;
		SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 5) AS s}), "40\n5", "shared_preload_libraries = $list");
}
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;

# ---- postgres_fdw, and another schema: as README.md says

new_database($node, 'near', 'CREATE EXTENSION vector CASCADE; CREATE EXTENSION postgres_fdw');
$node->safe_psql('near', sprintf(q{CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%s', port '%s', dbname 'app', extensions 'vector');
	CREATE USER MAPPING FOR CURRENT_USER SERVER other;
	CREATE FOREIGN TABLE items (id bigint, embedding vector(3)) SERVER other}, $node->host, $node->port));
my $far = q{EXPLAIN (VERBOSE, COSTS off) SELECT id FROM items ORDER BY embedding <-> '[1,2,3]' LIMIT 3};
unlike($node->safe_psql('near', $far), qr/Remote SQL: .*ORDER BY/, 'operators are no members of the alias');
$node->safe_psql('near', example('server'));
like($node->safe_psql('near', $far), qr/Remote SQL: .*ORDER BY \(embedding OPERATOR\(public\.<->\) '\[1,2,3\]'/, 'with extensions vecmark the other server sorts');
is($node->safe_psql('near', q{SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <-> '[1,2,3]' LIMIT 3) AS s}), '3', 'and returns rows');

new_database($node, 'moving', q{CREATE EXTENSION vector CASCADE; CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3));
	INSERT INTO items (embedding) VALUES ('[1,2,3]'), (NULL), ('[3,1,2.5]');
	CREATE INDEX items_embedding_idx ON items USING hnsw (embedding vector_cosine_ops)});
$node->safe_psql('moving', example('schema'));
is($node->safe_psql('moving', $extensions), "vecmark $version extensions, vector 0.8.6 extensions", 'both are in another schema');
is($node->safe_psql('moving', q{SELECT array_agg(embedding ORDER BY id) FROM items}), '{"[1,2,3]",NULL,"[3,1,2.5]"}', 'and the vectors are what they were');

# schemas
new_database($node, 'schemas', 'CREATE SCHEMA "The Extensions"; CREATE EXTENSION vecmark SCHEMA "The Extensions"');
$error = error_of($node, 'schemas', 'CREATE EXTENSION vector');
like($error, qr/extension "vector" must be in schema "The Extensions"/, 'the alias must be where the types are');
like($error, qr/HINT:  Use CREATE EXTENSION vector SCHEMA "The Extensions"\./, 'and says how');
like(error_of($node, 'schemas', 'CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public'), qr/must be in schema/, 'as a dump of pgvector would have it, too');
is($node->safe_psql('schemas', $extensions), qq{vecmark $version "The Extensions"}, 'nothing is left of what was refused');
$node->safe_psql('schemas', 'CREATE EXTENSION vector SCHEMA "The Extensions"');
new_database($node, 'cascade', 'CREATE SCHEMA extensions; CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA extensions CASCADE');
is($node->safe_psql('cascade', $extensions), "vecmark $version extensions, vector 0.8.6 extensions", 'CASCADE takes the schema along');
$node->safe_psql('cascade', 'CREATE TABLE t (id integer, v extensions.vector(2)); DROP EXTENSION vecmark CASCADE');
is($node->safe_psql('cascade', $extensions), '', 'DROP EXTENSION vecmark CASCADE drops both');

# ---- dumps

my $rows = 'SELECT md5(string_agg(i::text, chr(10) ORDER BY id)) FROM items AS i';
my $indexes = q{SELECT string_agg(indexdef, chr(10) ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'};
my $nearest = q{SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 3) AS s};

sub same_database
{
	my ($from, $from_db, $to, $to_db, $name) = @_;
	for my $question ($rows, $indexes, $nearest)
	{
		my $before = $from->safe_psql($from_db, $question);
		isnt($before, '', "$name: there is an answer");
		is($to->safe_psql($to_db, $question), $before, "$name: the same");
	}
	ok(takes_index($to, $to_db, "SELECT id FROM items ORDER BY embedding $_ '[3,1,2]' LIMIT 1"), "$name: $_ takes an index") for '<=>', '<->';
}

# A dump without the lines that make the extension.
sub list_without_vector
{
	my ($dump) = @_;
	my ($list) = run_command([ 'pg_restore', '-l', $dump ]);
	my $filter = $readme =~ /grep -v '(EXTENSION[^']*)'/ ? $1 : die 'README.md has no filter';
	my $kept = join("\n", grep { !/$filter/ } split(/\n/, $list));
	cmp_ok(length($kept), '<', length($list), 'the filter leaves something out');
	append_to_file("$dump.list", "$kept\n");
	return "$dump.list";
}

command_ok([ 'pg_dump', '-Fc', '-f', "$scratch/app", '-d', $node->connstr('app') ], 'pg_dump of vecmark with the alias');
new_database($node, 'restored');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), "$scratch/app" ], 'restores without preparation');
is($node->safe_psql('restored', $extensions), "vecmark $version public, vector 0.8.6 public", 'with both extensions');
same_database($node, 'app', $node, 'restored', 'dump of the alias');
new_database($plain, 'restored');
command_ok([ 'pg_restore', '-e', '-d', $plain->connstr('restored'), '-L', list_without_vector("$scratch/app"), "$scratch/app" ], 'and where there is no alias');
same_database($node, 'app', $plain, 'restored', 'dump without the alias');

# What pg_dump makes of a database with pgvector 0.8.6.  An index by the default operator class does not name it.
my $from_pgvector = q{
SET statement_timeout = 0;
SET check_function_bodies = false;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';
SET default_table_access_method = heap;
CREATE TABLE public.items (
    id bigint NOT NULL,
    embedding public.vector(3),
    any_size public.vector,
    several public.vector(2)[]
);
ALTER TABLE public.items ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME public.items_id_seq START WITH 1);
CREATE VIEW public.near AS SELECT items.id, (items.embedding OPERATOR(public.<->) '[1,2,3]'::public.vector) AS distance FROM public.items;
COPY public.items (id, embedding, any_size, several) FROM stdin;
1	[1,2,3]	[1.5]	{"[1,2]","[3,4]"}
2	[3,1,2.5]	[1e-07,-2]	\N
3	\N	\N	{}
4	[-1,0.1,0]	[0]	{NULL}
\.
SELECT pg_catalog.setval('public.items_id_seq', 4, true);
ALTER TABLE ONLY public.items ADD CONSTRAINT items_pkey PRIMARY KEY (id);
CREATE INDEX items_embedding_idx ON public.items USING hnsw (embedding public.vector_cosine_ops) WITH (m='16', ef_construction='64');
CREATE INDEX items_embedding_idx1 ON public.items USING ivfflat (embedding) WITH (lists='100');
CREATE INDEX items_embedding_idx2 ON public.items USING ivfflat (embedding public.vector_ip_ops);
CREATE INDEX items_expression ON public.items USING hnsw (((any_size)::public.vector(2)) public.vector_l1_ops) WHERE (public.vector_dims(any_size) = 2);
CREATE INDEX items_btree ON public.items USING btree (embedding);
};
append_to_file("$scratch/pgvector.sql", $from_pgvector);
new_database($node, 'unprepared');
command_fails_like([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('unprepared'), '-f', "$scratch/pgvector.sql" ],
	qr/required extension "vecmark" is not installed/, 'a dump of pgvector needs vecmark first');
new_database($node, 'prepared', 'CREATE EXTENSION vecmark');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('prepared'), '-f', "$scratch/pgvector.sql" ], 'and then restores');
is($node->safe_psql('prepared', 'SELECT * FROM items ORDER BY id'), qq{1|[1,2,3]|[1.5]|{"[1,2]","[3,4]"}
2|[3,1,2.5]|[1e-07,-2]|
3|||{}
4|[-1,0.1,0]|[0]|{NULL}}, 'with its rows');
is($node->safe_psql('prepared', q{SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 2) AS s}), '{2,1}', 'nearest rows');
is($node->safe_psql('prepared', 'SELECT distance FROM near WHERE id = 1'), '0', 'a view');
for my $operator ('<=>', '<->', '<#>')
{
	ok(takes_index($node, 'prepared', "SELECT id FROM items ORDER BY embedding $operator '[3,1,2]' LIMIT 1"), "an index for $operator");
}
is($node->safe_psql('prepared', q{SELECT string_agg(c.relname, ' ' ORDER BY c.oid) FROM pg_class AS c JOIN pg_am AS a ON a.oid = relam, vecmark.hnsw_info(c.oid) AS i
	WHERE amname IN ('hnsw', 'ivfflat') AND i.tids = CASE c.relname WHEN 'items_expression' THEN 1 ELSE 3 END}),
	'items_embedding_idx items_embedding_idx1 items_embedding_idx2 items_expression', 'every index has its rows');

# ---- README.md: queries that an index serves

my $shape = "SELECT id, 1 - (embedding <=> '[3,1,2]') AS score FROM items";
my ($ranks) = $readme =~ /^```sql\n(SELECT id, 1 - distance AS score.*?);\n```/ms;
like($node->safe_psql('app', "EXPLAIN (COSTS off) $ranks"), qr/Index Scan using items_hnsw/, 'ranks of the nearest rows take the index');
is($node->safe_psql('app', "SELECT count(*) = 20 AND bool_and(rank BETWEEN 1 AND 20) FROM ($ranks) AS s"), 't', 'and are right');
like($node->safe_psql('app', "EXPLAIN (COSTS off) $shape ORDER BY embedding <=> '[3,1,2]' LIMIT 5"), qr/Index Scan using items_hnsw/, 'a score ordered by distance does');
ok(takes_index($node, 'app', "$shape WHERE embedding <=> '[3,1,2]' < 0.2 ORDER BY embedding <=> '[3,1,2]' LIMIT 5"), 'and below a distance');
for my $written ('ORDER BY score DESC LIMIT 5', "ORDER BY cosine_distance(embedding, '[3,1,2]') LIMIT 5")
{
	like($node->safe_psql('app', "EXPLAIN (COSTS off) $shape $written"), qr/Seq Scan on items/, "not so: $written");
}
like($node->safe_psql('app', "EXPLAIN (COSTS off) SELECT id, row_number() OVER (ORDER BY embedding <=> '[3,1,2]') AS rank FROM items ORDER BY rank LIMIT 5"),
	qr/Seq Scan on items/, 'nor the ranks of all rows');

# ---- logical replication in binary

sub replicates
{
	my ($publisher, $from, $to, $name) = @_;
	my $table = 'CREATE TABLE items (id integer PRIMARY KEY, embedding vector(3), several vector[])';
	$publisher->safe_psql($from, "$table; CREATE PUBLICATION $from FOR TABLE items;
		INSERT INTO items SELECT i, ARRAY[i % 20, i / 20, 0.1]::vector, ARRAY['[1,2]', NULL]::vector[] FROM generate_series(1, 300) AS i");
	new_database($node, $to, "CREATE EXTENSION vector CASCADE; $table;
		CREATE INDEX ON items USING hnsw (embedding vector_l2_ops); CREATE INDEX ON items USING ivfflat (embedding vector_cosine_ops)");
	$node->safe_psql($to, "CREATE SUBSCRIPTION $to CONNECTION '" . $publisher->connstr . " dbname=$from' PUBLICATION $from WITH (binary = true)");
	$node->poll_query_until($to, q{SELECT count(*) = 1 FROM pg_subscription_rel WHERE srsubstate = 'r'}) or die 'the first copy did not end';
	$publisher->safe_psql($from, q{
		INSERT INTO items SELECT i, ARRAY[i % 20, i / 20, 0.1]::vector FROM generate_series(301, 600) AS i;
		INSERT INTO items VALUES (601, NULL), (602, '[1e-40,-0,1e18]'), (603, '[0,0,0]');
		UPDATE items SET embedding = '[-1,-1,-1]' WHERE id = 7;
		UPDATE items SET id = 1000 WHERE id = 8;
		DELETE FROM items WHERE id % 9 = 0});
	$publisher->wait_for_catchup($to);
	my $all = q{SELECT md5(string_agg(encode(coalesce(vector_send(embedding), 'NULL'), 'hex') || id || coalesce(several::text, ''), ',' ORDER BY id)), count(*) FROM items};
	is($node->safe_psql($to, $all), $publisher->safe_psql($from, $all), "$name: the same rows to the bit");
	is($node->safe_psql($to, 'SELECT count(*) FROM pg_indexes, vecmark.hnsw_check(indexname::regclass) WHERE indexname ~ $$embedding$$'), '0', "$name: whole indexes");
	my $query = "SELECT id FROM items ORDER BY embedding <-> '[-1,-1,-1.01]' LIMIT 1";
	ok(takes_index($node, $to, $query), "$name: the subscriber has an index");
	is($node->safe_psql($to, "SET enable_seqscan = off; $query"), '7', "$name: which knows what was updated");
	$node->safe_psql($to, "DROP SUBSCRIPTION $to");
}

new_database($plain, 'pub_vecmark', 'CREATE EXTENSION vecmark');
replicates($plain, 'pub_vecmark', 'sub_vecmark', 'from vecmark');

# ---- with pgvector itself

SKIP:
{
	skip 'pgvector is not installed', 1 unless $has_pgvector;

	# it says which version: what has come later than the alias knows of is not used here
	new_database($plain, 'pub_pgvector', 'CREATE EXTENSION vector');
	replicates($plain, 'pub_pgvector', 'sub_pgvector', 'from pgvector');

	my $pgvector_items = q{
		CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3));
		INSERT INTO items (embedding) SELECT ARRAY[i % 40, i / 40, 0.1]::vector FROM generate_series(1, 1600) AS i;
		INSERT INTO items (embedding) VALUES ('[1e-40,-0,1e18]'), (NULL);
		CREATE INDEX items_embedding_idx ON items USING hnsw (embedding vector_cosine_ops);
		CREATE INDEX items_ivfflat ON items USING ivfflat (embedding) WITH (lists = 10);
		ANALYZE items};
	new_database($plain, 'old', "CREATE EXTENSION vector; $pgvector_items");
	like(error_of($plain, 'old', 'CREATE SCHEMA elsewhere; CREATE EXTENSION vecmark SCHEMA elsewhere'), qr/access method "hnsw" already exists/, 'a database has one or the other');

	# by dump and restore, with the alias and without
	command_ok([ 'pg_dump', '-Fc', '-f', "$scratch/old", '-d', $plain->connstr('old') ], 'pg_dump of pgvector');
	new_database($node, 'new', 'CREATE EXTENSION vecmark');
	command_ok([ 'pg_restore', '-e', '-d', $node->connstr('new'), "$scratch/old" ], 'restores');
	same_database($plain, 'old', $node, 'new', 'dump of pgvector');
	new_database($plain, 'new', 'CREATE EXTENSION vecmark');
	command_ok([ 'pg_restore', '-e', '-d', $plain->connstr('new'), '-L', list_without_vector("$scratch/old"), "$scratch/old" ], 'restores without the alias');
	same_database($plain, 'old', $plain, 'new', 'dump of pgvector, without the alias');

	# in place
	my $move = example('move');
	$plain->safe_psql('old', 'CREATE TABLE forgotten (v vector)');
	like(error_of($plain, 'old', $move), qr/data type real\[\] has no default operator class for access method "ivfflat"/, 'an index that was forgotten stops it');
	$plain->safe_psql('old', 'DROP INDEX items_ivfflat');
	like(error_of($plain, 'old', $move), qr/cannot drop extension vector because other objects depend on it.*column v of table forgotten/s, 'and so does a column');
	is($plain->safe_psql('old', $rows), $node->safe_psql('new', $rows), 'nothing has changed then');
	$plain->safe_psql('old', 'DROP TABLE forgotten');
	$plain->safe_psql('old', $move);
	is($plain->safe_psql('old', $rows), $node->safe_psql('new', $rows), 'moved in place: the same rows');
	is($plain->safe_psql('old', $extensions), "vecmark $version public", 'and vecmark has them');
	ok(takes_index($plain, 'old', "SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 1"), 'and an index');
	is($plain->safe_psql('old', 'SELECT count(*) FROM vecmark.hnsw_check($$items_embedding_idx$$)'), '0', 'which is whole');

	# pgvector's library in the same process: its settings are used as they are
	is($plain->safe_psql('old', q{
		LOAD 'vector';
		CREATE INDEX items_ivfflat ON items USING ivfflat (embedding) WITH (lists = 10);
		SET enable_seqscan = off;
		SET hnsw.iterative_scan = off;
		SET ivfflat.probes = 2;
		SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <-> '[7,9,1]') AS s;
		SET ivfflat.probes = 10;
		SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <-> '[7,9,1]') AS s;
		RESET ivfflat.probes;
		SET ivfflat.iterative_scan = relaxed_order;
		SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <-> '[7,9,1]') AS s}), "80\n1601\n1601", 'beside pgvector\'s library');

	use_alias($plain);
	$plain->restart;
	$plain->safe_psql('old', 'CREATE EXTENSION vector');
	is($plain->safe_psql('old', $extensions), "vecmark $version public, vector 0.8.6 public", 'the alias in the end');
}

$node->stop;
$plain->stop;
done_testing();
