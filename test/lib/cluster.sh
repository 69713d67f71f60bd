# cluster.sh: builds vecmark and runs private servers that see the build.

# build VARIANT CFLAGS [BITCODE]: compile out of tree into .build/ and stage an
# installation under $scratch/stage-VARIANT.
build() {
	local variant=$1 flags=$2 bitcode=${3:-no} dir
	dir=$top/.build/$major-$variant
	mkdir -p "$dir"
	say "building ($variant, PostgreSQL $major)"
	if ! make -s -C "$dir" -j2 -f "$top/Makefile" PG_CONFIG="$pg_config" with_llvm="$bitcode" COPT="$flags" \
		>"$scratch/build.log" 2>&1 ||
		! make -s -C "$dir" -f "$top/Makefile" PG_CONFIG="$pg_config" with_llvm="$bitcode" COPT="$flags" \
			DESTDIR="$scratch/stage-$variant" install >>"$scratch/build.log" 2>&1; then
		cat "$scratch/build.log" >&2
		die "the build failed"
	fi
	chmod -R a+rX "$scratch/stage-$variant"
}

# write_conf VARIANT FILE: the settings with which a server finds a staged build.
write_conf() {
	local stage=$scratch/stage-$1
	{
		if [ "$major" -ge 18 ]; then
			echo "extension_control_path = '$stage$sharedir:\$system'"
		else
			echo "extension_destdir = '$stage'"
		fi
		echo "dynamic_library_path = '$stage$pkglibdir:\$libdir'"
		echo "listen_addresses = ''"
		echo "fsync = off"
		echo "max_prepared_transactions = 10"
	} >"$2"
}

# sanitize_server: make every server started from here on run with the
# sanitizers' libraries.  The first preload allocates before anything else
# does: without it a constructor of a system library deadlocks in ASan's start.
sanitize_server() {
	cat >"$scratch/first.c" <<-'END'
	#include <stdlib.h>
	__attribute__((constructor)) static void first(void) { void *volatile p = malloc(1); free(p); }
	END
	gcc -shared -fPIC -o "$scratch/first.so" "$scratch/first.c" -Wl,-z,initfirst
	server_env+=(
		LD_PRELOAD="$(readlink -f "$(gcc -print-file-name=libasan.so)") $(readlink -f "$(gcc -print-file-name=libubsan.so)") $scratch/first.so"
		ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
		UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
	)
}

cluster_dir=

# cluster_begin VARIANT [SETTING…]: start a server with that build.
cluster_begin() {
	local variant=$1
	shift
	cluster_dir=$scratch/cluster-$variant
	install -d -o "$server_user" -m 755 "$cluster_dir"
	as_server "$bindir/initdb" -D "$cluster_dir/data" -U postgres -A trust --encoding=UTF8 \
		--locale=C.UTF-8 --no-sync >"$scratch/initdb.log" 2>&1 ||
		{ cat "$scratch/initdb.log" >&2; die "initdb failed"; }
	write_conf "$variant" "$scratch/cluster.conf"
	printf '%s\n' "unix_socket_directories = '$cluster_dir'" "$@" >>"$scratch/cluster.conf"
	as_server tee -a "$cluster_dir/data/postgresql.conf" <"$scratch/cluster.conf" >/dev/null
	as_server "$bindir/pg_ctl" -s -w -D "$cluster_dir/data" -l "$cluster_dir/server.log" start ||
		{ cat "$cluster_dir/server.log" >&2; die "the server did not start"; }
	export PGHOST=$cluster_dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

# cluster_restart SETTING…: with other settings, unless it has them.
cluster_restart() {
	local conf=$cluster_dir/data/postgresql.conf
	printf '%s\n' "$@" | grep -qvxFf "$conf" || return 0
	printf '%s\n' "$@" | as_server tee -a "$conf" >/dev/null
	as_server "$bindir/pg_ctl" -s -w -D "$cluster_dir/data" -l "$cluster_dir/server.log" -m fast restart ||
		{ cat "$cluster_dir/server.log" >&2; die "the server did not start"; }
}

# cluster_stop: stop the server if one runs; cluster_end: and forget it.
cluster_stop() {
	[ -n "$cluster_dir" ] && [ -e "$cluster_dir/data/postmaster.pid" ] &&
		as_server "$bindir/pg_ctl" -s -w -D "$cluster_dir/data" -m fast stop
	return 0
}

cluster_end() {
	cluster_stop
	if grep -E 'TRAP:|PANIC:|was terminated by signal' "$cluster_dir/server.log"; then
		count fail "the server log has no crash"
	else
		count pass "the server log has no crash"
	fi
	cluster_dir=
	unset PGHOST PGPORT PGUSER PGDATABASE
}

# sql COMMAND…: run as superuser, quietly, stop at the first error.
sql() {
	"$bindir/psql" -XqAt -v ON_ERROR_STOP=1 "$@"
}
