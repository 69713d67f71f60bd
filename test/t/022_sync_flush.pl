# 022_sync_flush.pl: a version is told just after a record that filled a page of the WAL to its end.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8', '--wal-segsize=1' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nwal_level = logical");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecmark');
# 300 pages are more than a segment, whose first page has a longer header
my $result = $node->safe_psql('postgres', q{
	CREATE FUNCTION place() RETURNS bigint LANGUAGE sql AS $$ SELECT (pg_current_wal_insert_lsn() - '0/0') % (1024 * 1024) $$;
	CREATE FUNCTION fill(OUT filled int, OUT segments int) LANGUAGE plpgsql AS $$
	DECLARE
		start pg_lsn;
		room int;
		around int;
	BEGIN
		filled := 0;
		segments := 0;
		-- what a record has around its text, unless it begins a page too
		FOR i IN 1 .. 3 LOOP
			start := pg_current_wal_insert_lsn();
			PERFORM pg_logical_emit_message(false, '', repeat('x', 1000));
			around := least(around, pg_current_wal_insert_lsn() - start - 1000);
		END LOOP;
		FOR i IN 1 .. 300 LOOP
			room := 8192 - place() % 8192 - around;
			IF room < 300 THEN
				PERFORM pg_logical_emit_message(false, '', repeat('x', 1000));
				room := 8192 - place() % 8192 - around;
			END IF;
			PERFORM pg_logical_emit_message(false, '', repeat('x', room));
			filled := filled + (place() % 8192 = 24)::int;
			segments := segments + (place() = 40)::int;
			PERFORM vecmark.version();
		END LOOP;
	END $$;
	SELECT filled > 100, segments > 0 FROM fill()});
is($result, 't|t', 'versions are told at the ends of pages, and of segments');
$node->stop;
done_testing();
