# 004_readme.pl: the SQL in README.md runs, from top to bottom, as a plain user.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file($ENV{VECMARK_README});
my @blocks = $readme =~ /^```sql\n(.*?)^```/gms;
ok(@blocks > 0, 'README.md has SQL');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE reader LOGIN; CREATE DATABASE docs OWNER reader');

# $1 and $2 of an example stand for what a client binds
my $script = join("\n", @blocks);
$script =~ s/\$1\b/'[0.1,0.2,0.3]'/g;
$script =~ s/\$version\b/'{}'/g;
$script =~ s/\$delta\b/(SELECT delta FROM vecmark.changes() AS delta)/g;
my ($status, $stdout, $stderr) = $node->psql('docs', $script, on_error_stop => 1, extra_params => [ '-U', 'reader' ]);
is($status, 0, 'every statement succeeds') or diag($stderr);

# what is in schema vecmark is for users, so README.md names it, in code; what is not is in vecmark_internal
my $code = join("\n", $readme =~ /^```.*?^```|`[^`\n]+`/gms);
my @members = split /\n/, $node->safe_psql('docs', q{
	SELECT proname FROM pg_proc WHERE pronamespace = 'vecmark'::regnamespace
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'vecmark'::regnamespace
	UNION SELECT typname FROM pg_type WHERE typnamespace = 'vecmark'::regnamespace AND typelem = 0 ORDER BY 1});
cmp_ok(scalar @members, '>', 50, 'schema vecmark has members');
is(join(' ', grep { $code !~ /\b$_\b/ } @members), '', 'and README.md names them all');

$node->stop;
done_testing();
