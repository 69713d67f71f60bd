# 010_hnsw_check.pl: the checker names every invariant of the index that is broken on purpose; bits flipped at random give errors or rows, never a crash.
#
# VECMARK_FLIPS is how many indexes with flipped bits there are: 12 by default.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $flips = $ENV{VECMARK_FLIPS} || 12;
my $dim = 40;

# Settings under which an index is used, and no query takes for ever.
my $by_index = q{SET enable_seqscan = off; SET enable_sort = off; SET statement_timeout = '60s'; };

my $node = PostgreSQL::Test::Cluster->new('main');
my @without_checksums = $node->pg_version >= 18 ? ('--no-data-checksums') : ();
$node->init(extra => \@without_checksums);
$node->append_conf('postgresql.conf', "autovacuum = off\nrestart_after_crash = off\nshared_buffers = 32MB");
$node->start;

# 1,200 vectors, one of them in 1,500 rows more, and three that are zero.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION vecmark;
	CREATE FUNCTION spread(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
		'SELECT array_agg((hashint8(i * 1000::bigint + g) % 1000) / 1000.0::real)::vector FROM generate_series(1, $dim) AS g';
	CREATE TABLE items (id serial PRIMARY KEY, v vector($dim));
	INSERT INTO items (v) SELECT spread(i) FROM generate_series(1, 1200) AS i;
	INSERT INTO items (v) SELECT spread(1) FROM generate_series(1, 1500);
	INSERT INTO items (v) SELECT array_fill(0, ARRAY[$dim])::vector FROM generate_series(1, 3);
	CREATE TABLE few (id serial PRIMARY KEY, v vector($dim));
	INSERT INTO few (v) SELECT spread(i) FROM generate_series(1, 3) AS i});

# ---- the bytes of an index

sub spit_raw
{
	my ($name, $bytes) = @_;
	open(my $file, '>:raw', $name) or die "$name: $!";
	print $file $bytes;
	close($file) or die "$name: $!";
}

# What follows from the options of an index, as src/graph/geometry.c has it.
sub geometry
{
	my ($index) = @_;
	my ($dimensions, $storage, $bits, $links) = split /\|/, $node->safe_psql('postgres',
		"SELECT dimensions, storage, bits, links_per_node FROM vecmark.hnsw_info('$index')");
	my %g = (links => $links, plane => int(($dimensions + 63) / 64) * 8);
	$g{code} = $g{plane} * $bits;
	$g{ids} = 32 + ($storage eq 'int8' ? int(($dimensions + 3) / 4) * 4 : $dimensions * 4);
	$g{factors} = $g{ids} + 4 * $links;
	$g{codes} = $g{factors} + 8 * $links;
	$g{slot} = int(($g{codes} + $links * $g{code} + 7) / 8) * 8;
	$g{per_page} = int(8160 / $g{slot});
	$g{nodes} = 504 - 504 % $g{per_page};
	$g{pages} = 1 + $g{nodes} / $g{per_page};
	return \%g;
}

# Where things are in the file, in bytes.
sub entry_at
{
	my ($g, $number) = @_;
	return 8192 * (1 + int($number / $g->{nodes}) * $g->{pages}) + 24 + 8 + $number % $g->{nodes} * 8;
}

sub slot_at
{
	my ($g, $number) = @_;
	my $i = $number % $g->{nodes};
	return 8192 * (2 + int($number / $g->{nodes}) * $g->{pages} + int($i / $g->{per_page})) + 24 + $i % $g->{per_page} * $g->{slot};
}

sub get { my ($bytes, $at, $type) = @_; return unpack($type, substr($$bytes, $at, 8)); }
sub put { my ($bytes, $at, $type, @values) = @_; my $packed = pack($type, @values); substr($$bytes, $at, length $packed) = $packed; }

# The numbers of the nodes in a state: 1 live, 3 upper, 4 TIDs.
sub nodes_in_state
{
	my ($bytes, $g, $state) = @_;
	my $groups = int((length($$bytes) / 8192 - 2) / $g->{pages}) + 1;
	return grep { (get($bytes, entry_at($g, $_) + 6, 'v') & 0xff) == $state } 0 .. $groups * $g->{nodes} - 1;
}

sub link_at { my ($g, $number, $i) = @_; return slot_at($g, $number) + $g->{ids} + 4 * $i; }

# Search, insert and vacuum: errors are fine, crashes are not.
sub use_index
{
	my ($table, $what) = @_;
	for my $sql ("SELECT count(*) FROM (SELECT id FROM $table ORDER BY v <=> spread(5) LIMIT 100) AS t",
		"SELECT count(*) FROM (SELECT id FROM $table ORDER BY v <=> spread(77)) AS t",
		"INSERT INTO $table (v) SELECT spread(i) FROM generate_series(1, 3) AS i",
		"INSERT INTO $table (v) SELECT spread(i) FROM generate_series(5000, 5010) AS i",
		"DELETE FROM $table WHERE id % 4 = 1", "VACUUM $table",
		"SELECT count(*) FROM (SELECT id FROM $table ORDER BY v <=> spread(6) LIMIT 100) AS t",
		"SELECT count(*) FROM vecmark.hnsw_check('${table}_v')", "SELECT * FROM vecmark.hnsw_info('${table}_v')",
		"SELECT * FROM vecmark.recall('${table}_v', 3, 5)")
	{
		my $timed_out;
		my ($status, $out, $err) = $node->psql('postgres', "$by_index $sql", timeout => 100, timed_out => \$timed_out);
		ok(!$timed_out, "$what: ends: $sql") or BAIL_OUT('a backend hangs');
		unlike($err, qr/server closed the connection|terminated|PANIC/, "$what: no crash: $sql");
		unlike($err, qr/invalid memory alloc|out of memory/, "$what: no endless growth: $sql");
		unlike($err, qr/hnsw_check/, "$what: the checker makes no error") if $sql =~ /hnsw_check/;
	}
}

# ---- each invariant, broken

# Name, invariant that must be named, and what to do to the bytes.  %$f has nodes to do it to.
my @breaks = (
	[ 'magic', 1, sub { my ($b) = @_; put($b, 24, 'V', 1) } ],
	[ 'version', 1, sub { my ($b) = @_; put($b, 28, 'V', 7) } ],
	[ 'dimensions', 1, sub { my ($b) = @_; put($b, 32, 'V', 0) } ],
	[ 'metric', 1, sub { my ($b) = @_; put($b, 36, 'C', 1) } ],
	[ 'many_links', 1, sub { my ($b) = @_; put($b, 40, 'v', 255) } ],
	[ 'options', 1, sub { my ($b) = @_; put($b, 42, 'v', 0) } ],
	[ 'empty_meta', 1, sub { my ($b) = @_; substr($$b, 0, 8192) = "\0" x 8192 } ],
	[ 'kind_of_page', 1, sub { my ($b) = @_; put($b, 8192 * 5 + 8192 - 8, 'v', 2) } ],
	[ 'id_of_page', 1, sub { my ($b) = @_; put($b, 8192 * 5 + 8192 - 4, 'V', 2) } ],
	[ 'hole', 1, sub { my ($b, $g, $f) = @_; put($b, 8192 * (length($$b) / 8192 - 1) + 8100, 'C', 1) } ],
	[ 'lower', 1, sub { my ($b) = @_; put($b, 8192 * 5 + 12, 'v', get($b, 8192 * 5 + 12, 'v') - 8) } ],
	[ 'page_head', 1, sub { my ($b) = @_; put($b, 8192 * 5 + 14, 'v', 9000) } ],
	[ 'used_too_many', 2, sub { my ($b, $g) = @_; put($b, 8192 + 24, 'v', $g->{nodes} + 1) } ],
	[ 'used_too_few', 2, sub { my ($b) = @_; put($b, 8192 + 24, 'v', 7) } ],
	[ 'beyond_used', 2, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{last} + 1) + 6, 'v', 1) } ],
	[ 'no_directory', 2, sub { my ($b) = @_; substr($$b, 8192, 8192) = "\0" x 8192 } ],
	[ 'no_slot', 3, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 4, 'C', 0) } ],
	[ 'other_number', 3, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}), 'V', $f->{live} + 1) } ],
	[ 'level', 3, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 5, 'C', 1) } ],
	[ 'state', 3, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{live}) + 6, 'v', 9) } ],
	[ 'page_of_slots', 3, sub { my ($b, $g, $f) = @_; substr($$b, 8192 * 5, 8192) = "\0" x 8192 } ],
	[ 'no_tids', 3, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{tids}) + 4, 'C', 1) } ],
	[ 'freed_tids', 3, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{tids}) + 6, 'v', 0) } ],
	[ 'invalid_tid', 4, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{live}) + 4, 'v', 0) } ],
	[ 'tid_twice', 4, sub { my ($b, $g, $f) = @_; substr($$b, entry_at($g, $f->{live}), 6) = substr($$b, entry_at($g, $f->{live} + 1), 6) } ],
	[ 'more', 4, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{live}) + 6, 'v', 0x101) } ],
	[ 'no_more', 4, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{odd}) + 6, 'v', 1) } ],
	[ 'no_chain', 4, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{many}) + 6, 'v', 1) } ],
	[ 'more_and_chain', 4, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{odd}), 'vv', 0, $f->{tids}); put($b, entry_at($g, $f->{odd}) + 6, 'v', 0x301) } ],
	[ 'further_of_none', 4, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{odd} - $f->{odd} % $g->{nodes}) + 8 * $g->{nodes} + 6, 'v', 65535) } ],
	[ 'tid_in_slot', 4, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{tids}) + 24 + 4, 'v', 0) } ],
	[ 'tid_in_two_slots', 4, sub { my ($b, $g, $f) = @_; substr($$b, slot_at($g, $f->{tids}) + 24, 6) = substr($$b, slot_at($g, $f->{head}) + 24, 6) } ],
	[ 'owner', 4, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{tids}) + 12, 'V', $f->{live}) } ],
	[ 'serial', 4, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{tids}) + 16, 'V', 1000000) } ],
	[ 'chain_cut', 4, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{head}) + 8, 'V', 0x7fffffff) } ],
	[ 'chain_beyond', 4, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{tids}) + 8, 'V', 100000000) } ],
	[ 'chain_endless', 4, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{tids}) + 8, 'V', $f->{tids}) } ],
	[ 'count', 5, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 6, 'v', $g->{links} + 1) } ],
	[ 'link_twice', 5, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{live}, 1), 'V', get($b, link_at($g, $f->{live}, 0), 'V')) } ],
	[ 'link_to_itself', 5, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{live}, 1), 'V', $f->{live}) } ],
	[ 'link_beyond', 5, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{live}, 1), 'V', 100000000) } ],
	[ 'norm', 5, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 20, 'f<', 17) } ],
	[ 'scale', 5, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 12, 'f<', 2) } ],
	[ 'nan', 5, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 32, 'V', 0x7fc00000) } ],
	[ 'vector', 5, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{live}) + 32, 'f<', 3) } ],
	[ 'link_level', 6, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{to_base}, $f->{to_base_link}), 'V', $f->{upper}) } ],
	[ 'link_free', 6, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{live}, 1), 'V', $f->{last} + 1) } ],
	[ 'link_to_tids', 6, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{live}, 1), 'V', $f->{tids}) } ],
	[ 'link_other', 7, sub { my ($b, $g, $f) = @_; put($b, link_at($g, $f->{live}, 1), 'V', $f->{stranger}) } ],
	[ 'code', 7, sub { my ($b, $g, $f) = @_; my $at = slot_at($g, $f->{live}) + $g->{codes} + $g->{code}; put($b, $at, 'C', get($b, $at, 'C') ^ 0x0f) } ],
	[ 'multiply', 7, sub { my ($b, $g, $f) = @_; my $at = slot_at($g, $f->{live}) + $g->{factors} + 4; put($b, $at, 'f<', 2 * get($b, $at, 'f<')) } ],
	[ 'add', 7, sub { my ($b, $g, $f) = @_; my $at = slot_at($g, $f->{live}) + $g->{factors}; put($b, $at, 'f<', 2 * get($b, $at, 'f<') + 1) } ],
	[ 'codes', 7, sub { my ($b, $g, $f) = @_; my $at = slot_at($g, $f->{live}) + $g->{codes}; substr($$b, $at, $g->{code} * $g->{links}) = "\x55" x ($g->{code} * $g->{links}) } ],
	[ 'entry_of_level_0', 8, sub { my ($b, $g, $f) = @_; put($b, 56, 'V', $f->{live}) } ],
	[ 'entry_level', 8, sub { my ($b, $g, $f) = @_; put($b, 56, 'V', $f->{live}); put($b, 60, 'V', 0) } ],
	[ 'entry_free', 8, sub { my ($b, $g, $f) = @_; put($b, 56, 'V', $f->{last} + 1) } ],
	[ 'entry_beyond', 8, sub { my ($b, $g, $f) = @_; put($b, 56, 'V', 100000000) } ],
	[ 'no_entry', 8, sub { my ($b, $g, $f) = @_; put($b, 56, 'V', 0x7fffffff); put($b, 60, 'V', 0xffffffff) } ],
	[ 'down', 9, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{upper}) + 8, 'V', $f->{live}) } ],
	[ 'down_beyond', 9, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{upper}) + 8, 'V', 100000000) } ],
	[ 'base', 9, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{upper}) + 2, 'v', $f->{live}) } ],
	[ 'base_free', 9, sub { my ($b, $g, $f) = @_; put($b, entry_at($g, $f->{base}) + 6, 'v', 0) } ],
	[ 'links_of_odd', 11, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{odd}) + 6, 'v', 1) } ],
	[ 'direction_of_odd', 11, sub { my ($b, $g, $f) = @_; put($b, slot_at($g, $f->{odd}) + 32, 'f<', 1) } ],
	[ 'odd_free', 11, sub { my ($b, $g, $f) = @_; put($b, 64, 'V', $f->{last} + 1) } ],
	[ 'odd_is_entry', 8, sub { my ($b, $g, $f) = @_; put($b, 56, 'V', $f->{odd}); put($b, 60, 'V', 0) } ],
);

# One table and index to break for each of them: the same rows give the same index.
$node->safe_psql('postgres', join(';', map { qq{CREATE TABLE broken_$_->[0] (LIKE items INCLUDING DEFAULTS);
	INSERT INTO broken_$_->[0] SELECT * FROM items ORDER BY id; CREATE INDEX broken_$_->[0]_v ON broken_$_->[0] USING hnsw (v vector_cosine_ops) WITH (m = 8)} } @breaks));
$node->safe_psql('postgres', 'CREATE INDEX whole ON items USING hnsw (v vector_cosine_ops) WITH (m = 8); CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops)');
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('whole')"), '', 'a new index is whole');
is($node->safe_psql('postgres', "SELECT tids, live_nodes, dead_nodes, free_nodes, stale_links, unreachable_nodes FROM vecmark.hnsw_info('whole')"),
	'2703|1201|0|0|0|0', 'figures of a new index');
cmp_ok($node->safe_psql('postgres', "SELECT upper_nodes FROM vecmark.hnsw_info('whole')"), '>', 0, 'it has an upper level');
cmp_ok($node->safe_psql('postgres', "SELECT tid_slots FROM vecmark.hnsw_info('whole')"), '>', 0, 'and slots of TIDs');

my $g = geometry('whole');
my $few = geometry('few_v');
my %file = map { $_ => $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$_')") } 'whole', 'few_v', map { "broken_$_->[0]_v" } @breaks;
$node->stop;

my $whole = slurp_file($file{whole});
my %find;
{
	my @live = nodes_in_state(\$whole, $g, 1);
	my @upper = nodes_in_state(\$whole, $g, 3);
	$find{odd} = get(\$whole, 64, 'V');
	($find{many}) = grep { get(\$whole, entry_at($g, $_) + 6, 'v') == 0x201 } @live;
	$find{head} = get(\$whole, entry_at($g, $find{many}) + 2, 'v');
	@live = grep { $_ != $find{odd} && $_ != $find{many} && get(\$whole, slot_at($g, $_) + 6, 'v') == $g->{links} } @live;
	$find{live} = $live[20];
	($find{tids}) = nodes_in_state(\$whole, $g, 4);
	($find{upper}) = grep { get(\$whole, slot_at($g, $_) + 5, 'C') == 1 } @upper;
	$find{base} = get(\$whole, slot_at($g, $find{upper}) + 8, 'V');
	my $groups = int((length($whole) / 8192 - 2) / $g->{pages}) + 1;
	$find{last} = ($groups - 1) * $g->{nodes} + get(\$whole, 8192 * (1 + ($groups - 1) * $g->{pages}) + 24, 'v') - 1;
	my %linked = map { (get(\$whole, link_at($g, $find{live}, $_), 'V') & 0x7fffffff) => 1 } 0 .. $g->{links} - 1;
	($find{stranger}) = grep { !$linked{$_} && $_ != $find{live} } @live;
	for my $n (@live)
	{
		for my $i (0 .. $g->{links} - 1)
		{
			@find{qw(to_base to_base_link)} = ($n, $i) if (get(\$whole, link_at($g, $n, $i), 'V') & 0x7fffffff) == $find{base};
		}
	}
}
for my $break (@breaks)
{
	my ($name, $invariant, $damage) = @$break;
	my $bytes = slurp_file($file{"broken_${name}_v"});
	$damage->(\$bytes, $g, \%find);
	spit_raw($file{"broken_${name}_v"}, $bytes);
}

# 10: nobody leads to two of three nodes
my $bytes = slurp_file($file{few_v});
put(\$bytes, slot_at($few, $_) + 6, 'v', 0) for 0 .. 2;
spit_raw($file{few_v}, $bytes);
$node->start;

is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('whole')"), '', 'the whole one is whole still');
for my $break (@breaks)
{
	my ($name, $invariant) = @$break;
	my ($status, $out, $err) = $node->psql('postgres', "SELECT invariant, block, node, problem FROM vecmark.hnsw_check('broken_${name}_v')", timeout => 100);
	like($out, qr/^$invariant\|/m, "$name: the checker names invariant $invariant") or diag("$out$err");
	is($err, '', "$name: without an error");
}
{
	my ($status, $out, $err) = $node->psql('postgres', "$by_index SELECT id FROM broken_version ORDER BY v <=> spread(5) LIMIT 1");
	like($err, qr/index "broken_version_v" has version 7, this vecmark knows version 2\nHINT:  Please REINDEX it/, 'an index of another version says so');
	$node->safe_psql('postgres', 'REINDEX INDEX broken_version_v');
	is($node->safe_psql('postgres', "$by_index SELECT id FROM broken_version ORDER BY v <=> spread(5) LIMIT 1"), '5', 'and a REINDEX mends that');
}
use_index("broken_$_->[0]", $_->[0]) for @breaks;
is($node->safe_psql('postgres', "SELECT unreachable_nodes FROM vecmark.hnsw_info('few_v')"), '2', 'nodes that cannot be reached are counted');
is($node->safe_psql('postgres', "$by_index SELECT count(*) FROM (SELECT id FROM few ORDER BY v <-> spread(1)) AS t"), '3', 'and found');

# ---- who may look

$node->safe_psql('postgres', q{CREATE ROLE stranger; CREATE ROLE monitor IN ROLE pg_monitor; CREATE ROLE reader; GRANT SELECT ON items TO reader});
for my $function ("hnsw_check('whole')", "hnsw_info('whole')", "recall('whole', 3, 2)", "explain_search('whole', (SELECT spread(1)))")
{
	my $reads_rows = $function =~ /^(recall|explain)/;
	for my $role ('stranger', 'monitor', 'reader')
	{
		my ($status, $out, $err) = $node->psql('postgres', "SET ROLE $role; SELECT count(*) FROM vecmark.$function");
		my $may = $role eq ($reads_rows ? 'reader' : 'monitor');
		if ($may) { is($err, '', "$role may call $function"); }
		else { like($err, qr/permission denied for table items/, "$role may not call $function"); }
	}
}
for my $bad ([ "'items'", 'is not an index' ], [ "'items_pkey'", 'is not one of vecmark' ], [ '0', 'does not exist' ])
{
	my ($status, $out, $err) = $node->psql('postgres', "SELECT * FROM vecmark.hnsw_check($bad->[0])");
	like($err, qr/$bad->[1]/, "hnsw_check of $bad->[0]");
}

# ---- figures of indexes of all kinds

$node->safe_psql('postgres', q{CREATE INDEX part ON items USING hnsw (v vector_cosine_ops) WHERE id % 2 = 0;
	CREATE INDEX expression ON items USING hnsw (((v + v)::vector(40)) vector_l2_ops) WITH (storage = int8);
	CREATE TABLE none (v vector(3)); CREATE INDEX none_v ON none USING hnsw (v vector_ip_ops)});
is($node->safe_psql('postgres', "SELECT k, samples, recall >= 0.95, rows FROM vecmark.recall('whole', 5, 40)"), '5|40|t|2700', 'recall: zero vectors are no samples');
is($node->safe_psql('postgres', "SELECT recall >= 0.95, rows FROM vecmark.recall('part', 5, 40)"), 't|1350', 'recall of a partial index');
is($node->safe_psql('postgres', "SELECT recall >= 0.95, rows FROM vecmark.recall('expression', 5, 40, 3)"), 't|2703', 'recall of an index of an expression, rounded');
is($node->safe_psql('postgres', "SELECT recall, worst, samples FROM vecmark.recall('none_v')"), '||0', 'recall of an empty index');
is($node->safe_psql('postgres', "SET hnsw.ef_search = 1; SET hnsw.iterative_scan = off; SELECT recall <= 0.5 FROM vecmark.recall('whole', 10, 40)"), 't', 'recall under the present settings');
is($node->safe_psql('postgres', "SELECT vecmark.recall('whole', 5, 40) = vecmark.recall('whole', 5, 40)"), 't', 'recall: the same seed gives the same');
is($node->safe_psql('postgres', "SELECT hops > upper_hops AND estimates > hops AND pages_read > hops AND nodes <= rows AND walk_us > 0, rows FROM vecmark.explain_search('expression', spread(9), 7)"),
	't|7', 'explain_search');
is($node->safe_psql('postgres', "SELECT hops, rows FROM vecmark.explain_search('none_v', '[1,2,3]')"), '0|0', 'explain_search of an empty index');
for my $bad ([ "recall('whole', 0)", 'k must be between' ], [ "recall('whole', 1, 0)", 'samples must be between' ], [ "explain_search('whole', '[1]')", 'different vector dimensions 1 and 40' ],
	[ "explain_search('whole', array_fill(0, ARRAY[40])::vector)", 'no direction' ])
{
	my ($status, $out, $err) = $node->psql('postgres', "SELECT * FROM vecmark.$bad->[0]");
	like($err, qr/$bad->[1]/, $bad->[0]);
}

# ---- codes are compared with what makes them again: of all metrics and storages, built and inserted, and by other kernels

$node->safe_psql('postgres', q{
	CREATE TABLE kinds (id int, v vector(40), g vector(3), f vector(8), b bit(80), h halfvec(40), s sparsevec(40));
	CREATE FUNCTION fill_kinds(first int, last int) RETURNS void LANGUAGE sql AS $$
		INSERT INTO kinds SELECT i, spread(i), ARRAY[i % 13, i / 13 % 13, i / 169]::vector, ((spread(i)::real[])[1:8]::vector + array_fill(1000, ARRAY[8])::vector)::vector(8),
			(SELECT string_agg((hashint8(i * 1000::bigint + g) & 1)::text, '') FROM generate_series(1, 80) AS g)::bit(80), spread(i)::halfvec(40), spread(i)::sparsevec(40)
		FROM generate_series(first, last) AS i $$;
	SELECT fill_kinds(1, 900)});
my @kinds;
for my $column ('v', 'g', 'f')
{
	for my $class ('l2', 'ip', 'cosine', 'l1')
	{
		push @kinds, "$column vector_${class}_ops) WITH (storage = $_" for 'float32', 'int8';
	}
}
push @kinds, map { "b bit_${_}_ops" } 'hamming', 'jaccard';
push @kinds, map { ("h halfvec_${_}_ops", "s sparsevec_${_}_ops") } 'l2', 'ip', 'cosine', 'l1';
for my $i (0 .. $#kinds)
{
	$node->safe_psql('postgres', "CREATE INDEX kind_$i ON kinds USING hnsw ($kinds[$i])");
}
$node->safe_psql('postgres', 'SELECT fill_kinds(901, 1200)');
for my $kernels ('auto', 'scalar')
{
	for my $i (0 .. $#kinds)
	{
		is($node->safe_psql('postgres', "SET vecmark.simd = $kernels; SELECT * FROM vecmark.hnsw_check('kind_$i') LIMIT 3"), '', "$kinds[$i]): codes are as they are made, $kernels");
	}
}

# ---- vacuum takes out what is gone, from entries, pages and chains

$node->safe_psql('postgres', q{
	CREATE TABLE equal (id serial PRIMARY KEY, v vector(2));
	INSERT INTO equal (v) SELECT ARRAY[(i * i) % 61, i % 7]::vector FROM generate_series(1, 6000) AS i;
	CREATE INDEX equal_v ON equal USING hnsw (v vector_l2_ops)});
for my $round (1 .. 12)
{
	my $which = $round % 4 == 0 ? 'v[1] < 30' : $round % 4 == 1 ? 'id % 2 = 0' : $round % 4 == 2 ? 'random() < 0.9' : 'id < (SELECT percentile_disc(0.3) WITHIN GROUP (ORDER BY id) FROM equal)';
	$which =~ s/v\[1\]/(v::real[])[1]/;
	$node->safe_psql('postgres', "SELECT setseed(0.$round); DELETE FROM equal WHERE $which; VACUUM equal");
	is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('equal_v')"), '', "round $round: whole after vacuum");
	is($node->safe_psql('postgres', "SELECT tids - (SELECT count(*) FROM equal), live_nodes - (SELECT count(DISTINCT v) FROM equal), stale_links FROM vecmark.hnsw_info('equal_v')"),
		'0|0|0', "round $round: as many TIDs as rows, as many nodes as vectors");
	is($node->safe_psql('postgres', "$by_index SELECT count(*), sum(id) FROM (SELECT id FROM equal ORDER BY v <-> '[3,3]') AS t"),
		$node->safe_psql('postgres', 'SELECT count(*), sum(id) FROM equal'), "round $round: every row is found");
	$node->safe_psql('postgres', "INSERT INTO equal (v) SELECT ARRAY[(i * i) % 61, i % 7]::vector FROM generate_series(1, 3000) AS i WHERE i % 13 <> $round");
	is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('equal_v')"), '', "round $round: whole after inserts");
}
is($node->safe_psql('postgres', "DELETE FROM equal; VACUUM equal; SELECT tids, live_nodes, dead_nodes, upper_nodes, tid_slots, entry_node FROM vecmark.hnsw_info('equal_v')"),
	'0|0|0|0|0|', 'nothing is left of nothing');
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('equal_v')"), '', 'and that is whole');

# ---- bits flipped at random

srand(7);
my @tables = map { "flipped_$_" } 1 .. $flips;
for my $table (@tables)
{
	my $with = { 0 => '', 1 => 'WITH (m = 4)', 2 => 'WITH (storage = int8)' }->{ int(rand(3)) };
	$node->safe_psql('postgres', qq{
		CREATE TABLE $table (id serial PRIMARY KEY, v vector($dim));
		INSERT INTO $table (v) SELECT spread(i) FROM generate_series(1, 600) AS i;
		INSERT INTO $table (v) SELECT spread(1) FROM generate_series(1, 700);
		INSERT INTO $table (v) SELECT array_fill(0, ARRAY[$dim])::vector FROM generate_series(1, 2);
		CREATE INDEX ${table}_v ON $table USING hnsw (v vector_cosine_ops) $with});
	$file{$table} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${table}_v')");
}
$node->stop;
for my $table (@tables)
{
	my $bytes = slurp_file($file{$table});
	for (1 .. 2**int(rand(12)))
	{
		# half of them where numbers are: metapage, directory, heads of slots
		my $at = int(rand(length($bytes)));
		$at = 8192 * int(rand(4)) + int(rand(64)) if rand() < 0.5;
		substr($bytes, $at, 1) ^= chr(1 << int(rand(8)));
	}
	spit_raw($file{$table}, $bytes);
}
$node->start;
use_index($_, $_) for @tables;
is($node->safe_psql('postgres', "SELECT * FROM vecmark.hnsw_check('whole')"), '', 'the server lives');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing has crashed');

# ---- a page that the server itself takes for broken

my $summed = PostgreSQL::Test::Cluster->new('checksums');
$summed->init(extra => ['--data-checksums']);
$summed->append_conf('postgresql.conf', 'autovacuum = off');
$summed->start;
$summed->safe_psql('postgres', q{CREATE EXTENSION vecmark; CREATE TABLE few (v vector(3));
	INSERT INTO few SELECT ARRAY[i, 1, i % 7]::vector FROM generate_series(1, 2000) AS i; CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops)});
my $path = $summed->data_dir . '/' . $summed->safe_psql('postgres', "SELECT pg_relation_filepath('few_v')");
$summed->stop;
$bytes = slurp_file($path);
put(\$bytes, 8192 * $_ + 500, 'C', get(\$bytes, 8192 * $_ + 500, 'C') ^ 1) for 3, 5;
spit_raw($path, $bytes);
$summed->start;
my ($status, $out, $err) = $summed->psql('postgres', "SELECT invariant, block, problem FROM vecmark.hnsw_check('few_v') ORDER BY invariant, block");
like($out, qr/^1\|3\|page cannot be read: .*\n1\|5\|page cannot be read: /, 'pages with a wrong checksum are named');
unlike($err, qr/ERROR/, 'and make no error');
is($summed->safe_psql('postgres', 'SELECT count(*) FROM few'), '2000', 'the session goes on');
$summed->stop;

done_testing();
