# bench.sh: runs benchmarks; each prints its figures.  Nothing here passes or fails.

# shellcheck source=/dev/null
. "$top/test/bench/sync.sh"

# on_core COMMAND…: on the last core alone, so that two things are compared on one.
on_core() {
	taskset -c "$(($(nproc) - 1))" "$@"
}

bench_simd() {
	# shellcheck disable=SC2046
	gcc -std=gnu11 -O2 -Isrc -o "$scratch/simd_bench" test/bench/simd_bench.c $(sources_of test/bench/simd_bench.c) -lm || return
	on_core "$scratch/simd_bench"
}

bench_sql() {
	on_core "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off -f "test/bench/$1.sql"
}

# The package index as the demo imports it, for the benchmarks of bookmarks.
bench_bookmarks() {
	apt-cache dumpavail | LC_ALL=C.UTF-8 awk -f test/demo/packages.awk |
		LC_ALL=C sort -t "$(printf '\t')" -k1,1n -k2,2 | cut -f3- >"$scratch/packages.csv"
	echo "$(wc -l <"$scratch/packages.csv") packages with a homepage"
	(cd "$scratch" && on_core "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off -f "$top/test/bench/bookmarks.sql")
}

bench() {
	local name names=("$@") server=no
	[ ${#names[@]} -gt 0 ] || names=(simd text scan plan poincare bookmarks bounds sync)
	need_packages "${packages_build[@]}"
	for name in "${names[@]}"; do
		case $name in
			simd) ;;
			text | scan | plan | poincare | bookmarks | bounds | sync) server=yes ;;
			*) die "no benchmark \"$name\"; there are simd, text, scan, plan, poincare, bookmarks, bounds and sync" ;;
		esac
	done
	if [ $server = yes ]; then
		build release ""
		cluster_begin release "shared_buffers = '2GB'" "jit = off" "max_parallel_workers_per_gather = 0" "autovacuum = off"
		taskset -acp "$(($(nproc) - 1))" "$(head -1 "$cluster_dir/data/postmaster.pid")" >/dev/null
		sql -c 'CREATE EXTENSION vecmark'
	fi
	for name in "${names[@]}"; do
		printf '\n== %s\n' "$name"
		case $name in
			simd) bench_simd ;;
			text | scan | plan | poincare | bounds) bench_sql "$name" ;;
			bookmarks) bench_bookmarks ;;
			sync) bench_sync ;;
		esac
	done
}
