# shellcheck shell=bash
# lib.sh: what the findings share.  Each finding installs pinned public packages
# into a temporary folder, runs them without vecmark, prints what it sees, and
# fails when that is no longer what it was.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
root=$folder/root
differences=0

# leave: stop what runs in the root, and remove the folder.
leave() {
	if [ -d "$root/tmp/data" ]; then
		as_postgres "$server/pg_ctl -D /tmp/data -m immediate stop" >/dev/null 2>&1 || true
	fi
	if mountpoint -q "$root/dev/shm"; then umount "$root/dev/shm"; fi
	if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
	rm -rf --one-file-system "$folder"
}
trap leave EXIT
trap 'exit 2' HUP INT TERM

# debian_root SUITE PACKAGE=VERSION…: a minimal Debian of that suite in $root, from
# the mirror this machine itself installs from.  Needs root and mmdebstrap.
debian_root() {
	local suite=$1 mirror
	shift
	[ "$(id -u)" = 0 ] || { echo "needs root, to make a chroot" >&2; exit 2; }
	mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		grep -v '^ *#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1) || true
	mmdebstrap --quiet --variant=minbase --aptopt='APT::Sandbox::User "root"' \
		--include="$(printf '%s,' "${@%%=*}" | sed 's/,$//')" "$suite" "$root" "$mirror" >"$folder/log" 2>&1 ||
		{ tail -5 "$folder/log" >&2; exit 2; }
	mount --bind /proc "$root/proc"
	mkdir -p "$root/dev/shm"
	mount -t tmpfs tmpfs "$root/dev/shm"
	for package in "$@"; do
		# shellcheck disable=SC2016 # dpkg-query expands it
		expect "version of ${package%%=*}" "${package#*=}" \
			"$(chroot "$root" dpkg-query -W -f '${Version}' "${package%%=*}")"
	done
}

# npm_packages PACKAGE@VERSION…: these, in $folder, for node to find.
npm_packages() {
	(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund --ignore-scripts "$@")
	printf 'packages: %s\n' "$*"
}

as_postgres() {
	chroot "$root" su postgres -s /bin/sh -c "$1"
}

# start_server MAJOR: a server of its own in $root, on a socket in its /tmp.
start_server() {
	server=/usr/lib/postgresql/$1/bin
	as_postgres "$server/initdb -D /tmp/data -A trust -N -E UTF8 --locale C" >/dev/null
	as_postgres "$server/pg_ctl -D /tmp/data -w -o '-c unix_socket_directories=/tmp -c listen_addresses=' start" >/dev/null
	as_postgres "$server/psql -h /tmp -XAtc 'SELECT version()' postgres"
}

# sql STATEMENT: its output as unaligned rows, or its error.
sql() {
	printf '%s\n' "$1" | as_postgres "$server/psql -h /tmp -XAtq postgres" 2>&1 | sed -n 's/^psql:[^ ]* //; /^LINE\|^ *^/!p'
}

# expect WHAT SEEN NOW: print it; a difference makes the finding fail.
expect() {
	printf '%s: %s\n' "$1" "$3"
	if [ "$2" != "$3" ]; then
		printf '  was: %s\n' "$2"
		differences=$((differences + 1))
	fi
}

# done_with: the end of a finding.
done_with() {
	[ $differences = 0 ] || { echo "$differences no longer as it was"; exit 1; }
	echo "as it was"
}
