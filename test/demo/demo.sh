# demo.sh: the main job on real input: bookmarks of a package index, and questions to them.

# show TITLE SQL: one question, its answer as a table and its time.
show() {
	printf '\n-- %s\n%s\n' "$1" "$2"
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -P border=1 -P footer=off -c '\timing on' -c "$2" ||
		die "the question failed"
}

# progress SECONDS: while something of about so many seconds runs, say how long it has.
progress() {
	local second
	for ((second = 1; second <= 600; second++)); do
		sleep 1
		if [ -t 2 ]; then
			printf '\r  %d s of about %d' "$second" "$1" >&2
		elif [ $((second % 10)) = 0 ]; then
			printf '  %d s of about %d\n' "$second" "$1" >&2
		fi
	done
}

# Import the machine's own package index; false when it has none.
import_packages() {
	local count ticker
	command -v apt-cache >/dev/null || return 1
	# an index that was never fetched holds installed packages at most
	if [ "$(apt-cache dumpavail 2>/dev/null | grep -c '^Homepage:')" -lt 10000 ] && [ "$(id -u)" = 0 ]; then
		say "fetching the package index"
		apt-get update -qq >/dev/null 2>&1
	fi
	apt-cache dumpavail 2>/dev/null | LC_ALL=C.UTF-8 awk -f test/demo/packages.awk |
		LC_ALL=C sort -t "$(printf '\t')" -k1,1n -k2,2 | cut -f3- >"$scratch/packages.csv"
	count=$(wc -l <"$scratch/packages.csv")
	[ "$count" -gt 100 ] || return 1

	say "importing $count packages with a homepage: keys, full text, embeddings, indexes …"
	progress 20 &
	ticker=$!
	index_date=$(date -u -d "$(grep -h '^Date:' /var/lib/apt/lists/*Release 2>/dev/null | head -1 | cut -d' ' -f2-)" '+%F %T' 2>/dev/null)
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 <<-END || die "the import failed"
		CREATE TEMPORARY TABLE packages (url text, title text, tags text,
			created_at timestamptz DEFAULT least('${index_date:-yesterday}'::timestamptz, now() - interval '1 day'));
		\copy packages (url, title, tags) FROM '$scratch/packages.csv' WITH (FORMAT csv)
		DROP INDEX bookmarks_embedding_idx;
		\timing on
		SELECT outcome, count(*) FROM vecmark.import_table('bookmarks', 'packages') GROUP BY outcome ORDER BY outcome;
		\echo the vector index, faster made at once than row by row:
		CREATE INDEX bookmarks_embedding_idx ON bookmarks USING hnsw (embedding vector_cosine_ops);
	END
	kill "$ticker" 2>/dev/null
	wait "$ticker" 2>/dev/null
	return 0
}

import_fallback() {
	say "no package index on this machine: importing test/demo/bookmarks.html"
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 -v html="$(cat test/demo/bookmarks.html)" <<-'END' || die "the import failed"
		\timing on
		SELECT outcome, count(*) FROM vecmark.import_netscape('bookmarks', :'html') GROUP BY outcome ORDER BY outcome;
	END
}

demo() {
	local keep=no newsletter_link
	case ${1:-} in
		--keep) keep=yes ;;
		'') ;;
		*) die "usage: test/run demo [--keep]" ;;
	esac
	need_packages "${packages_build[@]}"
	build release ""
	say "starting a private server"
	cluster_begin release
	sql -c 'CREATE EXTENSION vecmark'
	sql -o /dev/null -c "SELECT vecmark.create_bookmarks('bookmarks', config => 'english')"
	newsletter_link=HTTP://www.PostgreSQL.org:80
	import_packages || {
		import_fallback
		newsletter_link=HTTPS://www.PostgreSQL.org:443
	}
	sql -c 'VACUUM ANALYZE bookmarks'

	show "Hybrid: full text and nearest embeddings, fused by rank" \
		"SELECT left(title, 60) AS title, url, round(score::numeric, 4) AS score, full_text_rank AS text, semantic_rank AS semantic
   FROM vecmark.search('bookmarks', 'plot scientific data', match_count => 5)"
	show "Full text alone: all of these words, a phrase, one word excluded" \
		"SELECT left(title, 60) AS title, url FROM vecmark.search('bookmarks', '\"text editor\" -emacs', semantic_weight => 0, match_count => 5)"
	show "Embeddings alone: two words misspelt" \
		"SELECT left(title, 60) AS title, url, round(similarity::numeric, 3) AS similarity
   FROM vecmark.search('bookmarks', 'postgers databse replication', full_text_weight => 0, match_count => 5)"
	show "By tag: compression, written in C" \
		"SELECT left(title, 60) AS title, tags[1:3] AS some_tags FROM vecmark.search('bookmarks', 'compression #implemented-in/c', match_count => 5)"
	[ -s "$scratch/packages.csv" ] ||
		show "By tag: everything about databases and below" \
			"SELECT left(title, 60) AS title, tags FROM vecmark.search('bookmarks', '#db/', match_count => 5)"
	sql -o /dev/null -c "SELECT vecmark.save('bookmarks', 'https://www.postgresql.org/docs/current/', 'PostgreSQL: the current manual', tags => '{read-later}')"
	show "By date: saved since today" \
		"SELECT title, url, tags FROM vecmark.search('bookmarks', 'after:today')"
	show "By URL, as a newsletter links to it" \
		"SELECT left(title, 60) AS title, url FROM bookmarks
   WHERE id = vecmark.lookup('bookmarks', '$newsletter_link/?utm_source=letter&utm_medium=mail#top')"
	show "The largest branches of the tag tree" \
		"SELECT tag, total FROM vecmark.tag_tree('bookmarks') WHERE depth = 1 ORDER BY total DESC, tag LIMIT 8"

	printf '\n%s\n' "Done: $(sql -c "SELECT count(*) || ' bookmarks in ' || pg_size_pretty(pg_total_relation_size('bookmarks')) FROM bookmarks"), on PostgreSQL $major, kernels: $(sql -c "SELECT name FROM vecmark.simd() WHERE in_use")."
	if [ $keep = yes ]; then
		keep_scratch=yes
		echo "The server is running.  To connect:   $bindir/psql -h $cluster_dir -U postgres"
		echo "To stop it and remove everything:     $( [ "$(id -u)" = 0 ] && echo "runuser -u $server_user -- " )$bindir/pg_ctl -D $cluster_dir/data -m fast stop; rm -r $scratch"
		cluster_dir=
	else
		echo "Nothing was installed and nothing is running.  \"test/run demo --keep\" leaves the server up for your own questions; README.md goes on from here."
	fi
}
