# suites.sh: the test suites, each a function, and their tally.

passed=0
failed=0
skipped=0

# count pass|fail|skip WHAT: one test more.
count() {
	case $1 in
		pass) passed=$((passed + 1)) ;;
		skip)
			skipped=$((skipped + 1))
			echo "  skipped: $2"
			;;
		fail)
			failed=$((failed + 1))
			keep_scratch=yes
			echo "  FAILED: $2"
			;;
	esac
}

# expect NAME COMMAND…: a test that passes when the command does, and is skipped when it says 77.
expect() {
	local name=$1
	shift
	"$@" >"$scratch/expect.out" 2>&1
	case $? in
		0) count pass "$name" ;;
		77) count skip "$name: $(head -1 "$scratch/expect.out")" ;;
		*)
			count fail "$name"
			sed 's/^/    /' "$scratch/expect.out"
			;;
	esac
}

# count_tap NAME FILE STATUS: add up a TAP stream.
count_tap() {
	local ok not_ok skip
	ok=$(grep -cE '^ok ' "$2")
	skip=$(grep -cE '^ok .*# (SKIP|skip)' "$2")
	not_ok=$(grep -cE '^not ok ' "$2")
	passed=$((passed + ok - skip))
	skipped=$((skipped + skip))
	failed=$((failed + not_ok))
	grep -E '^ok .*# (SKIP|skip)' "$2" | sed 's/^ok [0-9]* *-* */  skipped: /'
	if [ "$3" != 0 ] || [ "$not_ok" != 0 ]; then
		keep_scratch=yes
		[ "$not_ok" = 0 ] && failed=$((failed + 1))
		echo "  FAILED: $1"
		grep -vE '^ok ' "$2" | tail -40 | sed 's/^/    /'
	fi
}

summary() {
	[ "$keep_scratch" = yes ] && echo "logs are in $scratch"
	if [ "$skipped" -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

# ---- lint

suite_lint() {
	echo "lint"
	local script
	for script in test/lint/*; do
		expect "lint: $(basename "$script")" "$script" "$scratch/stage-release$pkglibdir/vecmark.so"
	done
}

# ---- unit tests: C without a server

# sources_of FILE: what its "sources:" line names.
sources_of() {
	sed -n 's|^/\* sources: \(.*\) \*/$|\1|p' "$1"
}

# compile_unit COMPILER OUTPUT FILE FLAGS…
compile_unit() {
	local compiler=$1 output=$2 file=$3
	shift 3
	# shellcheck disable=SC2046
	"$compiler" -std=gnu11 -g -Wall -Wextra -Werror "$@" -Isrc -Itest/unit -o "$output" "$file" $(sources_of "$file") -lm
}

# each_at_once JOB FILE…: JOB for each file, as many at a time as there are processors.
each_at_once() {
	local job=$1 file
	shift
	for file in "$@"; do
		while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do
			wait -n
		done
		"$job" "$file" &
	done
	wait
}

# unit_ran OUTPUT COMMAND…: keep what it printed and how it ended, for count_unit.
unit_ran() {
	local output=$1
	shift
	"$@" >"$output" 2>&1
	echo $? >"$output.status"
	sed -i '/^qemu.* warning: /d' "$output"
}

# count_unit NAME OUTPUT
count_unit() {
	if [ -e "$2.status" ]; then
		count_tap "$1" "$2" "$(cat "$2.status")"
	else
		count fail "$1 does not compile"
		cat "$2.err"
	fi
}

unit_job() {
	local name output
	name=$(basename "$1" .c)
	output=$scratch/$name.out
	compile_unit gcc "$scratch/$name" "$1" -O1 -fsanitize=address,undefined -fno-sanitize-recover=all >"$output.err" 2>&1 &&
		unit_ran "$output" "$scratch/$name"
}

suite_unit() {
	echo "unit tests, with sanitizers"
	local file name
	each_at_once unit_job test/unit/*_test.c
	for file in test/unit/*_test.c; do
		name=$(basename "$file" .c)
		count_unit "unit: $name" "$scratch/$name.out"
	done
}

emulated_job() {
	local name output cpu
	name=$(basename "$1" .c)
	output=$scratch/$name
	compile_unit aarch64-linux-gnu-gcc "$output-arm" "$1" -O2 -static -idirafter /usr/include >"$output-aarch64.out.err" 2>&1 &&
		unit_ran "$output-aarch64.out" qemu-aarch64 "$output-arm"
	[ "$(uname -m)" = x86_64 ] || return 0
	compile_unit gcc "$output-x86" "$1" -O2 >"$output-x86.err" 2>&1
	for cpu in Nehalem Haswell; do
		cp "$output-x86.err" "$output-$cpu.out.err"
		[ -x "$output-x86" ] && unit_ran "$output-$cpu.out" qemu-x86_64 -cpu $cpu "$output-x86"
	done
}

# Other CPUs: 64-bit ARM, and x86-64 without AVX and without AVX-512.
suite_unit_emulated() {
	local file name cpu cpus=(aarch64)
	[ "$(uname -m)" = x86_64 ] && cpus+=(Nehalem Haswell)
	echo "unit tests, emulated: ${cpus[*]}"
	each_at_once emulated_job test/unit/*_test.c
	for file in test/unit/*_test.c; do
		name=$(basename "$file" .c)
		for cpu in "${cpus[@]}"; do
			count_unit "unit: $name on $cpu" "$scratch/$name-$cpu.out"
		done
	done
}

# ---- the model of the protocol of replication

# model_begin [deep]: see test/model/sync_model.py; it runs beside other suites until suite_model.
model_begin() {
	unit_ran "$scratch/model.out" nice python3 test/model/sync_model.py "$@" &
	model_pid=$!
}

suite_model() {
	echo "model of replication"
	wait "$model_pid"
	sed -n 's/^ok [0-9]* -/ /p' "$scratch/model.out"
	count_unit "model" "$scratch/model.out"
}

# ---- fuzzing

suite_fuzz_replay() {
	echo "fuzz corpus, with sanitizers"
	local file name
	for file in test/fuzz/*_fuzz.c; do
		name=$(basename "$file" _fuzz.c)
		# shellcheck disable=SC2046
		expect "fuzz: $name compiles" gcc -std=gnu11 -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined \
			-fno-sanitize-recover=all -Isrc -o "$scratch/$name-replay" "$file" test/fuzz/replay.c $(sources_of "$file") -lm
		expect "fuzz: $name corpus" "$scratch/$name-replay" "test/fuzz/corpus/$name" "test/fuzz/crashes/$name"
	done
}

suite_fuzz() {
	local seconds=$1 file name
	for file in test/fuzz/*_fuzz.c; do
		name=$(basename "$file" _fuzz.c)
		echo "fuzz: $name for $seconds s"
		# shellcheck disable=SC2046
		expect "fuzz: $name compiles" clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
			-fno-sanitize-recover=all -Isrc -o "$scratch/$name-fuzz" "$file" $(sources_of "$file") -lm
		mkdir -p "$scratch/corpus-$name" "$scratch/crashes-$name"
		expect "fuzz: $name" "$scratch/$name-fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
			-artifact_prefix="$scratch/crashes-$name/" "$scratch/corpus-$name" "test/fuzz/corpus/$name"
	done
}

# ---- SQL tests

sql_tests() {
	local file
	for file in sql/*.sql; do
		basename "$file" .sql
	done
}

# regress NAME DRIVER USER INPUTDIR TESTS…: run one of PostgreSQL's drivers in a
# database of its own, where a superuser has made the extension.
regress() {
	local name=$1 driver=$2 user=$3 input=$4 expected=() status log ok not_ok
	shift 4
	log=$scratch/$name.log
	[ "$major" -ge 16 ] && expected=(--expecteddir="$input")
	mkdir -p "$scratch/$name"
	sql -c "CREATE DATABASE \"$name\"" && sql -d "$name" -c 'CREATE EXTENSION vecmark' -c 'GRANT CREATE ON SCHEMA public TO PUBLIC' -c "GRANT CREATE ON DATABASE \"$name\" TO PUBLIC" || {
		count fail "$name: CREATE EXTENSION"
		return
	}
	(cd "$scratch/$name" && "$testdir/$driver" --use-existing --dbname="$name" --host="$PGHOST" --port="$PGPORT" --user="$user" \
		--bindir="$bindir" --inputdir="$input" "${expected[@]}" --outputdir="$scratch/$name" "$@") >"$log" 2>&1
	status=$?
	ok=$(grep -cE '^(ok +[0-9]+ +[-+]|test .* ok +[0-9]+ ms)' "$log")
	not_ok=$(grep -cE '^(not ok|test .* FAILED)' "$log")
	passed=$((passed + ok))
	failed=$((failed + not_ok))
	if [ $status != 0 ]; then
		keep_scratch=yes
		[ "$not_ok" = 0 ] && count fail "$name" && tail -20 "$log"
		echo "  FAILED: $name"
		cat "$scratch/$name/regression.diffs" "$scratch/$name/output_iso/regression.diffs" 2>/dev/null
	fi
	sql -c "DROP DATABASE \"$name\" WITH (FORCE)"
}

# The kernels that this CPU can run.
usable_rungs() {
	sql -c 'CREATE EXTENSION IF NOT EXISTS vecmark' -c 'SELECT name FROM vecmark.simd() WHERE usable'
}

suite_regress_one() {
	echo "SQL tests, vecmark.simd = $1"
	# shellcheck disable=SC2046
	PGOPTIONS="-c vecmark.simd=$1" regress "regress_$1" regress/pg_regress postgres "$top" $(sql_tests)
}

suite_regress() {
	local rung rungs
	rungs=$(usable_rungs) || count fail "CREATE EXTENSION"
	for rung in $rungs; do
		suite_regress_one "$rung"
	done
}

suite_regress_plain_role() {
	echo "SQL tests, as a role that did not install the extension"
	sql -c 'CREATE ROLE plain_user LOGIN'
	# shellcheck disable=SC2046
	regress regress_plain regress/pg_regress plain_user "$top" $(sql_tests)
}

suite_regress_jit() {
	# the others plan thousands of small queries, and compiling each takes an hour
	echo "SQL tests of kernels and vectors, everything compiled by the JIT"
	PGOPTIONS='-c jit=on -c jit_above_cost=0 -c jit_inline_above_cost=0 -c jit_optimize_above_cost=0' \
		regress regress_jit regress/pg_regress postgres "$top" simd vector_cast vector_ops vector_type \
		halfvec_cast halfvec_ops halfvec_type sparsevec_cast sparsevec_ops sparsevec_type
}

isolation_tests() {
	local file
	for file in test/isolation/specs/*.spec; do
		basename "$file" .spec
	done
}

suite_isolation() {
	echo "isolation tests"
	# shellcheck disable=SC2046
	regress isolation isolation/pg_isolation_regress postgres "$top/test/isolation" $(isolation_tests)
}

suite_isolation_plain_role() {
	echo "isolation tests, as a role that did not install the extension"
	sql -c "LOAD 'vecmark'" -c 'GRANT SET ON PARAMETER vecmark.testpoints, vecmark.test_fault, deadlock_timeout TO plain_user'
	# shellcheck disable=SC2046
	regress isolation_plain isolation/pg_isolation_regress plain_user "$top/test/isolation" $(isolation_tests)
}

# suite_tap [VARIANT [FILE…]]: tests that start servers of their own.
suite_tap() {
	local variant=${1:-test} run=$scratch/tap files=("${@:2}") status
	echo "TAP tests"
	install -d -o "$server_user" "$run" "$run/source"
	cp -r test/t README.md "$run"/ && cp -r Makefile vecmark.control alias "$run/source"/ && chown -R "$server_user" "$run"
	write_conf "$variant" "$scratch/tap.conf"
	chmod 644 "$scratch/tap.conf"
	[ ${#files[@]} -gt 0 ] || files=(test/t/*.pl)
	as_server env -C "$run" TEMP_CONFIG="$scratch/tap.conf" TESTDIR="$run" TESTLOGDIR="$run/log" TESTDATADIR="$run/data" \
		PATH="$bindir:$PATH" PG_REGRESS="$testdir/regress/pg_regress" VECMARK_README="$run/README.md" \
		VECMARK_SOURCE="$run/source" VECMARK_STAGE="$scratch/stage-$variant" PG_CONFIG="$pg_config" \
		prove -v -j2 -I "$testdir/perl" "${files[@]/#test\//}" >"$scratch/tap.log" 2>&1
	status=$?
	count_tap "TAP" "$scratch/tap.log" $status
}

suite_sanitizer_reports() {
	if grep -rhE 'ERROR: AddressSanitizer|runtime error:' "$scratch" --include='*.log' | sort | uniq -c | grep .; then
		count fail "no report of a sanitizer"
	else
		count pass "no report of a sanitizer"
	fi
}

# ---- convergence of several databases

converge_binary() {
	[ -x "$scratch/converge" ] ||
		gcc -std=gnu11 -g -O1 -Wall -Wextra -Werror -I"$("$pg_config" --includedir)" -L"$("$pg_config" --libdir)" \
			-o "$scratch/converge" test/converge/*.c -lpq
}

# suite_converge SECONDS SEED: random histories, which must end the same everywhere.
suite_converge() {
	local seconds=$1 seed=$2
	echo "convergence of databases for $seconds s, seed $seed"
	converge_binary || { count fail "converge compiles"; return; }
	if "$scratch/converge" -w 2 test/converge "$seconds" "$seed" >"$scratch/converge.log" 2>&1; then
		count pass "converge"
		echo "  $(tail -1 "$scratch/converge.log")"
	else
		count fail "converge"
		cut -c1-2000 "$scratch/converge.log" | sed 's/^/    /'
	fi
}

# finds_fault NAME: the library with this fault is found out.
finds_fault() {
	PGOPTIONS="-c vecmark.test_fault=$1" "$scratch/converge" -w 2 -l test/converge 60 1 >"$scratch/fault.log" 2>&1
	[ $? = 1 ] && grep -q VIOLATION "$scratch/fault.log"
}

# only_upheaval_of FEATURES OPTION…: with these options a history of tables that come and go is found out, and
# without them the same history is not.
only_upheaval_of() {
	local features=$1 seed
	shift
	"$scratch/converge" -u -w 2 -l -f "$features" "$@" test/converge 60 1 >"$scratch/fault.log" 2>&1
	[ $? = 1 ] && grep -q VIOLATION "$scratch/fault.log" || return
	seed=$(sed -n 's/^history \([0-9]*\) failed.*/\1/p' "$scratch/fault.log" | head -1)
	PGOPTIONS='' "$scratch/converge" -u -w 1 -l -f "$features" test/converge 0 "$seed" >"$scratch/fault.log" 2>&1
}

# finds_upheaval NAME FEATURES: the library with this fault is found out in histories in which tables come and go.
finds_upheaval() {
	PGOPTIONS="-c vecmark.test_fault=$1" only_upheaval_of "$2"
}

# misses_mend NAME FEATURES: so is an extension of which test/converge/without/NAME.sql has taken a mend out.
misses_mend() {
	only_upheaval_of "$2" -s "test/converge/without/$1.sql"
}

suite_converge_faults() {
	local fault
	echo "faults that convergence must find"
	converge_binary || { count fail "converge compiles"; return; }
	for fault in cursor-by-number upsert increments no-tie-break references; do
		expect "converge finds $fault" finds_fault "$fault"
	done
}

# suite_upheaval SECONDS SEED [OPTION…]: random histories in which tables come and go, against a ledger.
suite_upheaval() {
	local seconds=$1 seed=$2
	shift 2
	echo "tables that come and go, by pulls and streams, for $seconds s, seed $seed"
	converge_binary || { count fail "converge compiles"; return; }
	cluster_restart "wal_level = logical"
	if "$scratch/converge" -u -w 2 "$@" test/converge "$seconds" "$seed" >"$scratch/upheaval.log" 2>&1; then
		count pass "upheaval"
		echo "  $(tail -1 "$scratch/upheaval.log")"
	else
		count fail "upheaval"
		cut -c1-2000 "$scratch/upheaval.log" | sed 's/^/    /'
	fi
}

suite_upheaval_faults() {
	local control
	echo "faults that histories in which tables come and go must find"
	converge_binary || { count fail "converge compiles"; return; }
	cluster_restart "wal_level = logical"
	for control in references:REFERENCES rows-before:STREAMS,RETRACK table-life:REMAKE stream-peers:STREAMS,FORGET,CUTS,CONTENTION,STRANGERS unlike-types:UNLIKE dropped-tables:DROPPED; do
		expect "upheaval finds ${control%:*}" finds_upheaval "${control%:*}" "${control#*:}"
	done
	for control in attached-partitions:PARTS truncate-guard:PARTS missing-triggers:TRIGGERS; do
		expect "upheaval finds what is without ${control%:*}" misses_mend "${control%:*}" "${control#*:}"
	done
}

# suite_partition SECONDS SEED: servers whose network is cut, against ledgers of their clients.
suite_partition() {
	local seconds=$1 seed=$2 log=$scratch/partition.log
	echo "three servers in network namespaces, cut, healed and killed for $seconds s, seed $seed"
	if [ "$(id -u)" != 0 ] || ! ip netns add "vecmark-$$" 2>/dev/null; then
		count skip "partition: network namespaces cannot be made here"
		return
	fi
	ip netns delete "vecmark-$$"
	write_conf test "$scratch/partition.conf"
	BINDIR=$bindir PLACE=$scratch/partition CONF=$scratch/partition.conf SERVER_USER=$server_user \
		perl test/partition/partition.pl "$seconds" "$seed" >"$log" 2>&1
	count_tap "partition" "$log" $?
	grep -E '^# .* notes' "$log" | sed 's/^#/ /'
}

# ---- programs that are clients

# suite_clients [NAME…]: each test/clients/*/run prints TAP about a database of
# its own, which has the extension; CLIENT_DIR is where it may install packages,
# and they are there again the next time.  The server knows the alias as well.
suite_clients() {
	local names=("$@") name status
	[ ${#names[@]} -gt 0 ] || names=($(cd test/clients && echo */))
	make -s -C "$top/.build/$major-test" -f "$top/Makefile" PG_CONFIG="$pg_config" with_llvm=no \
		DESTDIR="$scratch/stage-test" install-alias || count fail "make install-alias"
	for name in "${names[@]%/}"; do
		echo "client: $name"
		# Debian's packages that the program uses; where they cannot be had it skips
		[ ! -e "test/clients/$name/packages" ] || want_packages $(<"test/clients/$name/packages")
		sql -c "CREATE DATABASE \"client_$name\"" && sql -d "client_$name" -c 'CREATE EXTENSION vecmark'
		mkdir -p ".build/clients/$name"
		PATH="$bindir:$PATH" PGDATABASE="client_$name" CLIENT_DIR="$top/.build/clients/$name" "test/clients/$name/run" >"$scratch/client-$name.log" 2>"$scratch/client-$name.err"
		status=$?
		count_tap "client: $name" "$scratch/client-$name.log" $status
		[ $status = 0 ] || tail -20 "$scratch/client-$name.err"
		sql -c "DROP DATABASE \"client_$name\" WITH (FORCE)"
	done
}
