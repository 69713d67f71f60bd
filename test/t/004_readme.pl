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

$node->stop;
done_testing();
