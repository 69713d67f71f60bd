# sync.sh: what replication costs: tracked writes beside untracked ones, merges, pulls, and bytes of deltas.
#
# Sourced by bench.sh; a server runs.  Full-page images are off: how many there are is a
# matter of checkpoints, not of tracking.

sync_rounds=${SYNC_ROUNDS:-5}

sync_title="md5('some title' || g)::char(40)::text"

# noted WHAT SIDE VALUE: keep a figure.
noted() {
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$scratch/figures"
}

# medians [UNIT]: what was noted since the last time: medians of each side, the range of the
# ratios of their rounds.
medians() {
	awk -F '\t' '
		function median(list, n, sorted, i, j, t) {
			n = split(list, sorted, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && sorted[j - 1] + 0 > sorted[j] + 0; j--) { t = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = t }
			return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
		}
		!($1 in seen) { seen[$1] = 1; order[++count] = $1 }
		{ all[$1, $2] = all[$1, $2] " " $3 }
		END {
			for (k = 1; k <= count; k++) {
				what = order[k]
				if ((what, "plain") in all) {
					n = split(all[what, "plain"], a, " "); split(all[what, "tracked"], b, " ")
					ratios = ""
					for (i = 1; i <= n; i++) ratios = ratios " " (what ~ /rows\/s$/ ? a[i] / b[i] : b[i] / a[i])
					printf "%-48s %10.0f %10.0f  tracked costs %.2f times as much\n", what, median(all[what, "plain"]), median(all[what, "tracked"]), median(ratios)
				} else
					printf "%-48s %10.0f\n", what, median(all[what, "-"])
			}
		}' "$scratch/figures"
	: >"$scratch/figures"
}

# milliseconds DB COMMAND: how long it takes, with its commit.
milliseconds() {
	on_core "$bindir/psql" -XqAt -v ON_ERROR_STOP=1 -d "$1" -c '\timing on' -c "$2" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}

# rate WHAT SIDE ROWS DB COMMAND: note rows/s and bytes of WAL a row.
rate() {
	local before ms
	before=$(sql -c 'SELECT pg_current_wal_insert_lsn()')
	ms=$(milliseconds "$4" "$5")
	noted "$1, rows/s" "$2" "$(awk "BEGIN { print $3 / $ms * 1000 }")"
	noted "$1, WAL bytes a row" "$2" "$(sql -c "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before') / $3.0")"
}

# transactions WHAT SIDE CLIENTS ROWS OFFSET STATEMENT: the statement by pgbench, for each key from OFFSET on.
transactions() {
	local before tps each=$(($4 / $3))
	printf '\\set i :i + 1\n\\set g %s + :client_id * %s + :i\n%s\n' "$5" "$each" "$6" >"$scratch/transaction.sql"
	before=$(sql -c 'SELECT pg_current_wal_insert_lsn()')
	tps=$(on_core "$bindir/pgbench" -n -M prepared -c "$3" -t "$each" -D i=0 -f "$scratch/transaction.sql" 2>"$scratch/pgbench.log" |
		sed -n 's/^tps = \([0-9.]*\) .*/\1/p')
	[ -n "$tps" ] || { cat "$scratch/pgbench.log" >&2; return 1; }
	noted "$1, rows/s" "$2" "$tps"
	noted "$1, WAL bytes a row" "$2" "$(sql -c "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before') / ($each.0 * $3)")"
}

# narrow DB TABLE [track]: a table of narrow rows.
narrow() {
	sql -d "$1" -c "CREATE TABLE $2 (id uuid PRIMARY KEY, title text, n integer)"
	[ $# -lt 3 ] || sql -d "$1" -c "SELECT vecmark.track('$2')" >/dev/null
}

# sides ROUND: which is first alternates.
sides() {
	if [ $(($1 % 2)) = 0 ]; then echo plain tracked; else echo tracked plain; fi
}

sync_transactions() {
	local round side clients rows=6400 offset=0
	narrow postgres plain
	narrow postgres tracked track
	for ((round = 0; round <= sync_rounds; round++)); do
		for clients in 1 8 64; do
			for side in $(sides "$round"); do
				transactions "INSERT, $clients clients" "$side" "$clients" $rows $offset \
					"INSERT INTO $side VALUES (md5(:g::text)::uuid, md5('some title' || :g)::char(40), 1);"
				transactions "UPDATE, $clients clients" "$side" "$clients" $rows $offset \
					"UPDATE $side SET title = md5('a title' || :g)::char(40) WHERE id = md5(:g::text)::uuid;"
				transactions "DELETE, $clients clients" "$side" "$clients" $rows $offset \
					"DELETE FROM $side WHERE id = md5(:g::text)::uuid;"
			done
			offset=$((offset + rows))
		done
		# the first round warms up
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "single-row transactions, 40-character title, uuid key: plain, tracked"
	medians
	sql -c 'DROP TABLE plain' -c 'DROP TABLE tracked'
}

sync_bulk() {
	local round side rows=200000
	for ((round = 0; round <= sync_rounds; round++)); do
		for side in $(sides "$round"); do
			if [ "$side" = tracked ]; then narrow postgres bulk track; else narrow postgres bulk; fi
			rate "INSERT" "$side" $rows postgres "INSERT INTO bulk SELECT md5(g::text)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g"
			rate "UPDATE" "$side" $rows postgres "UPDATE bulk SET title = 'A' || substr(title, 2)"
			rate "DELETE" "$side" $rows postgres "DELETE FROM bulk"
			sql -c 'VACUUM bulk, vecmark_internal.sync_tombstone, vecmark_internal.sync_pack, vecmark_internal.sync_log'
			rate "INSERT among tombstones" "$side" $rows postgres "INSERT INTO bulk SELECT md5('x' || g)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g"
			rate "INSERT of the same keys once more" "$side" $rows postgres "INSERT INTO bulk SELECT md5(g::text)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g"
			[ "$side" = plain ] || sql -c "SELECT vecmark.untrack('bulk')" >/dev/null
			sql -c 'DROP TABLE bulk' -c 'TRUNCATE vecmark_internal.sync_log, vecmark_internal.sync_tombstone, vecmark_internal.sync_pack'
		done
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "$rows rows in one statement: plain, tracked"
	medians
}

sync_bookmarks() {
	local round side rows=1000 offset=0
	sql -c "CREATE TABLE pool AS SELECT g, (SELECT array_agg((random() + random() + random() - 1.5 + 0 * (g + d))::real) FROM generate_series(1, 768) AS d)::vector(768) AS v
		FROM generate_series(1, $((rows * (sync_rounds + 1)))) AS g" -c 'ALTER TABLE pool ADD PRIMARY KEY (g)' \
		-c "SELECT vecmark.create_bookmarks('plain', dimensions => 768, config => 'english')" \
		-c "SELECT vecmark.create_bookmarks('tracked', dimensions => 768, config => 'english')" \
		-c "SELECT vecmark.track('tracked')" >/dev/null || return
	for ((round = 0; round <= sync_rounds; round++)); do
		for side in $(sides "$round"); do
			transactions "INSERT of a bookmark" "$side" 1 $rows $offset "INSERT INTO $side (url, title, embedding)
				SELECT 'https://example.org/' || g, md5('some title' || g)::char(40), v FROM pool WHERE g = :g;"
			transactions "UPDATE of its tags" "$side" 1 $rows $offset "UPDATE $side SET tags = '{read/later}' WHERE id = (
				SELECT id FROM $side WHERE url_hash = vecmark.url_hash('https://example.org/' || :g));"
			transactions "vecmark.visit" "$side" 1 $rows $offset "SELECT vecmark.visit('$side', 'https://example.org/' || :g);"
		done
		offset=$((offset + rows))
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "bookmarks of 768 dimensions with all indexes, embeddings given, single-row transactions: plain, tracked"
	medians
	sql -c 'DROP TABLE plain, tracked, plain_visits, tracked_visits, pool'
}

# database NAME TABLE: one with a tracked table of narrow rows.
database() {
	sql -c "CREATE DATABASE $1"
	sql -d "$1" -c 'CREATE EXTENSION vecmark' -c 'CREATE TABLE deltas (delta vecmark.delta)'
	narrow "$1" notes track
}

# carry FROM TO: what TO lacks, as a value, into its table of deltas; notes nothing.
carry() {
	local since
	since=$(sql -d "$2" -c 'TRUNCATE deltas' -c 'SELECT vecmark.version()')
	sql -d "$1" -c "COPY (SELECT delta FROM vecmark.changes('$since') AS delta) TO STDOUT" | sql -d "$2" -c 'COPY deltas FROM STDIN'
}

merge_carried="SELECT count(*) FROM deltas, vecmark.merge(delta)"

# pull FROM TO.
pull() {
	carry "$1" "$2"
	sql -d "$2" -c "$merge_carried" >/dev/null
}

sync_merge() {
	local round rows=100000 what
	local statements=(
		"INSERT INTO notes SELECT md5(ROUND || ' ' || g)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g"
		"UPDATE notes SET title = 'A' || substr(title, 2)"
		"DELETE FROM notes"
	)
	database a
	database b
	for ((round = 0; round <= sync_rounds; round++)); do
		for what in 0 1 2; do
			sql -d a -c "${statements[what]//ROUND/$round}"
			carry a b
			rate "merge, ${statements[what]%% *}" - $rows b "$merge_carried"
		done
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "merge of $rows narrow rows"
	medians
}

# referring DB [REFERENCES]: a database whose rows may refer to rows of their own table.
referring() {
	sql -c "CREATE DATABASE $1"
	sql -d "$1" -c 'CREATE EXTENSION vecmark' -c 'CREATE TABLE deltas (delta vecmark.delta)' -c "CREATE TABLE msg (id text PRIMARY KEY, up text ${2:-}, t text)" \
		-c 'CREATE INDEX ON msg (up)' -c "SELECT vecmark.track('msg')" >/dev/null
}

# Rows that refer to one another beside the same rows in a table without a foreign key: each to the one before, keys at random; each
# to the one after it in the order of keys; each to one of those before.  Then all of them are deleted.
sync_references() {
	local rows shape side round key up
	for rows in ${SYNC_REFERENCE_ROWS:-1000 10000 100000}; do
		for shape in chain reversed tree; do
			case $shape in
				chain) key='md5(N::text)' up='g - 1' ;;
				reversed) key="lpad(N::text, 8, '0')" up='g + 1' ;;
				tree) key='md5(N::text)' up='(random() * (g - 2))::integer + 1' ;;
			esac
			up="CASE WHEN $([ $shape = reversed ] && echo "g < $rows" || echo 'g > 1') THEN ${key//N/($up)} END"
			for ((round = 0; round < ${SYNC_REFERENCE_ROUNDS:-1}; round++)); do
				for side in $(sides "$round"); do
					referring ra "$([ "$side" = plain ] || echo 'REFERENCES msg')"
					referring rb "$([ "$side" = plain ] || echo 'REFERENCES msg')"
					pull ra rb
					sql -d ra -c "INSERT INTO msg SELECT ${key//N/g}, $up, $sync_title FROM generate_series(1, $rows) AS g"
					carry ra rb
					noted "merge of $rows rows, $shape, ms" "$side" "$(milliseconds rb "$merge_carried")"
					[ "$(sql -d rb -c 'SELECT count(*) FROM msg')" = "$rows" ] || echo "not all rows of a $shape are there"
					sql -d ra -c 'DELETE FROM msg'
					carry ra rb
					noted "merge of their delete, $rows rows, $shape, ms" "$side" "$(milliseconds rb "$merge_carried")"
					[ "$(sql -d rb -c 'SELECT count(*) FROM msg')" = 0 ] || echo "not all rows of a $shape are gone"
					sql -c 'DROP DATABASE ra' -c 'DROP DATABASE rb'
				done
			done
		done
	done
	echo "rows that refer to one another: in a table without, and with a foreign key"
	medians
}

sync_bytes() {
	local since
	database c
	sql -d a -c "INSERT INTO notes SELECT gen_random_uuid(), $sync_title, g FROM generate_series(1, 10) AS g"
	since=$(sql -d a -c 'SELECT vecmark.version()')
	sql -d a -c "UPDATE notes SET title = 'A' || substr(title, 2) WHERE n = 1"
	echo "bytes of a delta of one changed title, 40 characters, uuid key"
	echo "one site: $(sql -d a -c "SELECT octet_length(vecmark_internal.delta_send(delta)) FROM vecmark.changes('$since') AS delta")"
	pull a b
	pull a c
	sql -d b -c "INSERT INTO notes VALUES (gen_random_uuid(), 'from b', 1)"
	sql -d c -c "INSERT INTO notes VALUES (gen_random_uuid(), 'from c', 1)"
	pull b a
	pull c a
	since=$(sql -d a -c 'SELECT vecmark.version()')
	sql -d a -c "UPDATE notes SET title = 'B' || substr(title, 2) WHERE n = 2"
	echo "three sites: $(sql -d a -c "SELECT octet_length(vecmark_internal.delta_send(delta)) FROM vecmark.changes('$since') AS delta")"
}

sync_pull() {
	local round since rows=1000000 changed=10000
	sql -d a -c "INSERT INTO notes SELECT md5('m' || g)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g" -c 'VACUUM ANALYZE notes'
	since=$(sql -d b -c 'SELECT vecmark.version()')
	noted "changes, all $rows rows, ms" - "$(milliseconds a "SELECT count(*) FROM vecmark.changes('$since')")"
	carry a b
	noted "merge of them, ms" - "$(milliseconds b "$merge_carried")"
	sql -d b -c 'VACUUM ANALYZE notes'
	for ((round = 0; round <= sync_rounds; round++)); do
		[ "$round" -ne 1 ] || grep "all $rows\|of them" "$scratch/figures" >"$scratch/kept"
		sql -d a -c "UPDATE notes SET title = 'C' || substr(title, 2) WHERE id IN (SELECT md5('m' || g)::uuid FROM generate_series($((round * changed + 1)), $(((round + 1) * changed))) AS g)"
		since=$(sql -d b -c 'SELECT vecmark.version()')
		noted "changes, $changed rows of one transaction, ms" - "$(milliseconds a "SELECT count(*) FROM vecmark.changes('$since')")"
		carry a b
		noted "merge of them, one transaction, ms" - "$(milliseconds b "$merge_carried")"
		printf "\\\\set i :i + 1\nUPDATE notes SET title = 'D' || substr(title, 2) WHERE id = md5('m' || (:i + $((500000 + round * changed))))::uuid;\n" >"$scratch/transaction.sql"
		"$bindir/pgbench" -n -M prepared -c 1 -t $changed -D i=0 -f "$scratch/transaction.sql" a >/dev/null 2>&1
		since=$(sql -d b -c 'SELECT vecmark.version()')
		noted "changes, $changed rows of as many transactions, ms" - "$(milliseconds a "SELECT count(*) FROM vecmark.changes('$since')")"
		carry a b
		noted "merge of them, as many transactions, ms" - "$(milliseconds b "$merge_carried")"
		[ "$round" -gt 0 ] || sed -i "/all $rows\|merge of them, ms/!d" "$scratch/figures"
	done
	echo "a pull of $changed changed rows of $rows"
	medians
}

# What is read of a long log: with a hole early in the version, as a transaction is that is open anywhere on the server, and
# by who is new.  The log is made up: rows of it, each of a transaction of a site that is not.
sync_log() {
	local round part since rows=100000 most=${SYNC_LOG_ROWS:-10000000}
	database logged
	sql -d logged -c "INSERT INTO notes SELECT md5('m' || g)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g" \
		-c "SELECT vecmark.build_digest('notes')" -c 'VACUUM ANALYZE' >/dev/null
	for part in 0 1 10; do
		sql -d logged -c "INSERT INTO vecmark_internal.sync_log SELECT x'00c0ffee00c0ffee'::bigint, 100 + g, 'notes'::regclass, decode('10' || md5('m' || g % $rows), 'hex')
			FROM generate_series((SELECT count(*) FROM vecmark_internal.sync_log WHERE txn > 0 AND site = x'00c0ffee00c0ffee'::bigint) + 1, $most / 10 * $part) AS g" \
			-c 'VACUUM ANALYZE vecmark_internal.sync_log'
		since=$(sql -d logged -c "SELECT vecmark.version() OPERATOR(vecmark.+) '{00c0ffee00c0ffee: 0-10 12-100000000}'")
		for ((round = 0; round <= sync_rounds; round++)); do
			noted "has_changes, a hole before $((most / 10 * part)) of the log, us" - \
				"$(awk "BEGIN { print 1000 * $(milliseconds logged "SELECT vecmark.has_changes('$since')") }")"
			noted "changes, the same, us" - "$(awk "BEGIN { print 1000 * $(milliseconds logged "SELECT count(*) FROM vecmark.changes('$since')") }")"
			noted "root, us" - "$(awk "BEGIN { print 1000 * $(milliseconds logged "SELECT version FROM vecmark.root('notes')") }")"
			noted "changes for who is new, ms" - "$(milliseconds logged 'SELECT count(*) FROM vecmark.changes()')"
			[ "$round" -gt 0 ] || : >"$scratch/figures"
		done
		medians
	done
	sql -c 'DROP DATABASE logged'
}

# Commits that notify wait for one another.
sync_notify() {
	local round side clients rows=6400 offset=0
	narrow postgres plain track
	sql -c "CREATE TABLE tracked (LIKE plain INCLUDING ALL)" -c 'ALTER TABLE tracked DROP COLUMN _vm' \
		-c "SELECT vecmark.track('tracked', '{\"notify\": true}')" >/dev/null
	for ((round = 0; round <= sync_rounds; round++)); do
		for clients in 1 8 64; do
			for side in $(sides "$round"); do
				transactions "INSERT, $clients clients" "$side" "$clients" $rows $offset \
					"INSERT INTO $side VALUES (md5(:g::text)::uuid, md5('some title' || :g)::char(40), 1);"
			done
			offset=$((offset + rows))
		done
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "a tracked table, and one that notifies, nobody listens: plain, tracked"
	medians
	sql -c "SELECT vecmark.untrack('plain'), vecmark.untrack('tracked')" -c 'DROP TABLE plain, tracked' >/dev/null
}

# Writes with a digest beside those without, both tracked.
sync_digest_writes() {
	local round side clients rows=6400 offset=0 bulk=200000
	narrow postgres plain track
	narrow postgres tracked track
	sql -c "SELECT vecmark.build_digest('tracked')" >/dev/null
	for ((round = 0; round <= sync_rounds; round++)); do
		for clients in 1 64; do
			for side in $(sides "$round"); do
				transactions "INSERT, $clients clients" "$side" "$clients" $rows $offset \
					"INSERT INTO $side VALUES (md5(:g::text)::uuid, md5('some title' || :g)::char(40), 1);"
				transactions "UPDATE, $clients clients" "$side" "$clients" $rows $offset \
					"UPDATE $side SET title = md5('a title' || :g)::char(40) WHERE id = md5(:g::text)::uuid;"
			done
			offset=$((offset + rows))
		done
		for side in $(sides "$round"); do
			rate "INSERT of $bulk" "$side" $bulk postgres "INSERT INTO $side SELECT md5($round || ' ' || g)::uuid, $sync_title, g FROM generate_series(1, $bulk) AS g"
			rate "UPDATE of $bulk" "$side" $bulk postgres "UPDATE $side SET title = 'A' || substr(title, 2) WHERE id IN (SELECT md5($round || ' ' || g)::uuid FROM generate_series(1, $bulk) AS g)"
		done
		sql -c "SELECT vecmark_internal.fold_digest('tracked')" -c 'VACUUM vecmark_internal.merkle_leaf' >/dev/null
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "tracked without and with a digest: plain, tracked"
	medians
	sql -c "SELECT vecmark.untrack('plain'), vecmark.untrack('tracked')" -c 'DROP TABLE plain, tracked' >/dev/null
}

# find_and_repair FROM TO TABLE WHAT: rows of TO become as they are in FROM; what it takes.
find_and_repair() {
	local from=$1 to=$2 table=$3 what=$4 coarse fine inner bytes begin whole
	begin=$(date +%s%N)
	coarse=$(sql -d "$from" -c "SELECT vecmark.bucket_hashes('$table')")
	bytes=$((${#coarse} / 2))
	coarse=$(sql -d "$to" -c "SELECT vecmark.bucket_diff('$table', 8, '$coarse')")
	if [ "$coarse" = '{}' ]; then
		echo "$what: the root, 16 bytes, or 256 hashes, $bytes bytes; $((($(date +%s%N) - begin) / 1000000)) ms"
		return
	fi
	inner="(SELECT array_agg(p * 256 + i ORDER BY p, i) FROM unnest('$coarse'::int[]) AS p, generate_series(0, 255) AS i)"
	sql -d "$from" -c "SELECT vecmark.bucket_hashes('$table', 16, $inner)" >"$scratch/hashes"
	bytes=$((bytes + $(wc -c <"$scratch/hashes") / 2))
	{ printf "SELECT vecmark.bucket_diff('$table', 16, '"; tr -d '\n' <"$scratch/hashes"; printf "', %s)" "$inner"; } >"$scratch/diff.sql"
	fine=$(sql -d "$to" -f "$scratch/diff.sql")
	sql -d "$to" -c "SELECT vecmark.bucket_keys('$table', 16, '$fine')" >"$scratch/keys"
	bytes=$((bytes + $(wc -c <"$scratch/keys") / 2))
	{ printf "COPY (SELECT d FROM vecmark.fetch('$table', 16, '%s', '" "$fine"; tr -d '\n' <"$scratch/keys"; printf "') AS d) TO STDOUT"; } >"$scratch/fetch.sql"
	sql -d "$from" -f "$scratch/fetch.sql" >"$scratch/deltas"
	echo "$what: $((($(date +%s%N) - begin) / 1000000)) ms to find them and fetch"
	sql -d "$to" -c 'TRUNCATE deltas' -c '\copy deltas FROM '"$scratch/deltas"
	sql -d "$to" -c "SELECT count(*) FROM deltas, vecmark.merge(delta, 'repair')" >/dev/null
	begin=$((($(date +%s%N) - begin) / 1000000))
	whole=$(sql -d "$from" -c "SELECT sum(length(d::text) / 2) FROM vecmark.fetch('$table', 8, '$coarse') AS d")
	echo "$what: $bytes bytes to find them, $(($(wc -c <"$scratch/deltas") / 2)) of rows, $begin ms with the merge; whole buckets of 256: $whole bytes"
	[ "$(sql -d "$from" -c "SELECT hash FROM vecmark.root('$table')")" = "$(sql -d "$to" -c "SELECT hash FROM vecmark.root('$table')")" ] || echo 'roots differ after that'
}

# behind_the_back DB TABLE SET WHERE: rows changed past the triggers, and the digest made theirs.
behind_the_back() {
	sql -d "$1" -c "BEGIN; ALTER TABLE $2 DISABLE TRIGGER USER; UPDATE $2 SET $3 WHERE $4; ALTER TABLE $2 ENABLE TRIGGER USER; COMMIT" \
		-c "SELECT vecmark.build_digest('$2')" >/dev/null
}

# roots_and_audits DB TABLE WHAT
roots_and_audits() {
	local round
	for ((round = 0; round <= sync_rounds; round++)); do
		noted "root of $3, ms" - "$(milliseconds "$1" "SELECT hash FROM vecmark.root('$2')")"
		noted "audit of $3, ms" - "$(milliseconds "$1" "SELECT count(*) FROM vecmark.audit('$2')")"
	done
	medians
}

# What it takes to find and repair rows that differ: of two databases one is changed behind the triggers' back.
sync_digest() {
	local differing rows
	for rows in ${SYNC_DIGEST_ROWS:-100000 1000000}; do
		database d
		database e
		sql -d d -c "INSERT INTO notes SELECT md5('m' || g)::uuid, $sync_title, g FROM generate_series(1, $rows) AS g" -c "SELECT vecmark.build_digest('notes')" \
			-c 'VACUUM ANALYZE' >/dev/null
		sql -d e -c "SELECT vecmark.build_digest('notes')" >/dev/null
		pull d e
		sql -d e -c "SELECT vecmark_internal.fold_digest('notes')" -c 'VACUUM ANALYZE' >/dev/null
		roots_and_audits d notes "$rows rows"
		for differing in 0 1 100 10000; do
			behind_the_back e notes "title = 'X' || substr(title, 2)" "id IN (SELECT md5('m' || g * 7)::uuid FROM generate_series(1, $differing) AS g)"
			find_and_repair d e notes "$rows rows, $differing differ"
		done
		sql -c 'DROP DATABASE d' -c 'DROP DATABASE e'
	done
}

# The same for vectors with an index: what a digest costs their writers, and rows whose title or vector differs.
sync_digest_vectors() {
	local rows=100000 round side offset writes=1000
	sql -c 'CREATE DATABASE d'
	sql -d d -c 'CREATE EXTENSION vecmark' -c 'CREATE TABLE deltas (delta vecmark.delta)' -c 'CREATE TABLE docs (id integer PRIMARY KEY, title text, embedding vector(768))' \
		-c "INSERT INTO docs SELECT g, $sync_title, (SELECT array_agg((random() + random() + random() - 1.5 + 0 * (g + d))::real) FROM generate_series(1, 768) AS d)::vector(768)
			FROM generate_series(1, $rows) AS g" -c "SET maintenance_work_mem = '2GB'" -c 'CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops)' \
		-c "SELECT vecmark.track('docs')" -c "SELECT vecmark.build_digest('docs')" -c 'VACUUM ANALYZE' >/dev/null || return
	sql -c 'CREATE DATABASE e TEMPLATE d'
	roots_and_audits d docs "$rows rows of 768 dimensions"
	# a title alone does not move the row in the index; a vector does
	behind_the_back e docs "title = 'X' || substr(title, 2)" 'id % 10 = 0'
	find_and_repair d e docs "$rows rows of 768 dimensions, 10000 titles differ"
	behind_the_back e docs 'embedding = embedding - embedding - embedding' 'id % 10 = 1'
	find_and_repair d e docs "$rows rows of 768 dimensions, 10000 vectors differ"
	sql -d e -c "SELECT vecmark.drop_digest('docs')" >/dev/null
	for ((round = 0; round <= sync_rounds; round++)); do
		offset=$((rows + round * writes))
		for side in $(sides "$round"); do
			noted "INSERT of a vector, $writes rows, ms" "$side" "$(milliseconds "$([ "$side" = plain ] && echo e || echo d)" \
				"INSERT INTO docs SELECT id + $offset, title, embedding FROM docs WHERE id <= $writes")"
		done
		[ "$round" -gt 0 ] || : >"$scratch/figures"
	done
	echo "tracked without and with a digest: plain, tracked"
	medians
	sql -c 'DROP DATABASE d' -c 'DROP DATABASE e'
}

bench_sync() {
	local part
	sql -c "ALTER SYSTEM SET full_page_writes = off" -c "ALTER SYSTEM SET max_wal_size = '32GB'" -c "ALTER SYSTEM SET checkpoint_timeout = '1h'" \
		-c 'SELECT pg_reload_conf()' >/dev/null
	: >"$scratch/figures"
	for part in ${SYNC_PARTS:-transactions bulk bookmarks merge references bytes pull log notify digest_writes digest digest_vectors}; do
		"sync_$part" || return
		echo
	done
}
