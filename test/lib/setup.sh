# setup.sh: what the machine must have, and who runs the server.

packages_build=(gcc make libc6-dev libxxhash-dev)
packages_bitcode=(clang)
packages_check=(libipc-run-perl libpq-dev iproute2 perl python3 qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
# from PostgreSQL 16 on the formatter comes with the server
packages_format=(pg-bsd-indent)
packages_fuzz=(clang libclang-rt-14-dev libxxhash-dev)

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$*"
	exit 2
}

is_installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

# The newest installed PostgreSQL, 15 or later, that extensions can be built for.
find_pg_config() {
	local candidate
	for candidate in $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -t/ -k5 -rn); do
		if [ -e "$("$candidate" --pgxs)" ] && [ -e "$("$candidate" --includedir-server)/postgres.h" ] &&
			[ -x "$("$candidate" --bindir)/postgres" ]; then
			echo "$candidate"
			return
		fi
	done
}

# Install Debian packages without letting PostgreSQL's make and start a cluster.
install_packages() {
	local conf=/etc/postgresql-common/createcluster.d/vecmark-test.conf log
	[ "$(id -u)" = 0 ] || die "missing packages; as root: apt-get install $*"
	command -v apt-get >/dev/null || die "missing packages: $*"
	say "installing: $*"
	log=$(mktemp)
	mkdir -p "$(dirname "$conf")"
	echo 'create_main_cluster = off' >"$conf"
	if ! { DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$conf" "$log"
		die "could not install the packages"
	fi
	rm -f "$conf" "$log"
	rmdir --ignore-fail-on-non-empty "$(dirname "$conf")"
}

# want_packages NAME…: install these if that can be done, and go on without them if not.
want_packages() {
	local missing=() name
	for name in "$@"; do
		is_installed "$name" || missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] || (install_packages "${missing[@]}") || true
}

# need_packages NAME…: see that these and a PostgreSQL are there; sets the
# variables that describe it: pg_config, major, bindir, sharedir, pkglibdir,
# testdir (the drivers of its test suites).
need_packages() {
	local missing=() name
	for name in "$@"; do
		is_installed "$name" || missing+=("$name")
	done
	pg_config=${PG_CONFIG:-$(find_pg_config)}
	if [ -z "$pg_config" ]; then
		[ "$(id -u)" = 0 ] && apt-get update -qq >/dev/null 2>&1
		name=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p' | head -1)
		[ -n "$name" ] || die "no PostgreSQL found, and no package postgresql to install"
		missing+=("$name" "postgresql-server-dev-${name##*-}")
	fi
	[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
	pg_config=${PG_CONFIG:-$(find_pg_config)}
	[ -n "$pg_config" ] || die "no PostgreSQL 15 or later with server headers found"

	major=$("$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	[ "$major" -ge 15 ] || die "PostgreSQL 15 or later is needed, found $major"
	bindir=$("$pg_config" --bindir)
	sharedir=$("$pg_config" --sharedir)
	pkglibdir=$("$pg_config" --pkglibdir)
	testdir=$(realpath "$(dirname "$("$pg_config" --pgxs)")/../test")
}

# The server refuses to run as root: there it runs as user postgres.
if [ "$(id -u)" = 0 ]; then
	server_user=postgres
else
	server_user=$(id -un)
fi

server_env=(LC_ALL=C.UTF-8)

# as_server COMMAND…: run as the user the server runs as.
as_server() {
	if [ "$(id -u)" = 0 ]; then
		env -C "$scratch" runuser -u "$server_user" -- env "${server_env[@]}" "$@"
	else
		env "${server_env[@]}" "$@"
	fi
}

# A scratch folder for this run, that the server's user can enter.  What went
# wrong is kept in it; without a failure it goes.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/vecmark.XXXXXX") || exit 2
chmod 755 "$scratch"
keep_scratch=no

clean_up() {
	local mount
	cluster_stop
	# what matrix mounted, if it was interrupted
	for mount in $(awk -v dir="$scratch/" 'index($2, dir) == 1 { print $2 }' /proc/mounts); do
		umount "$mount"
	done
	[ "$keep_scratch" = yes ] || rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT
trap 'exit 130' HUP INT TERM
