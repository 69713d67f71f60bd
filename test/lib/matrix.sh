# matrix.sh: the tests with other PostgreSQL majors, each in a chroot of the Debian release that has it.

# The Debian suite that carries a major.
suite_of_major() {
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) die "no Debian suite has PostgreSQL $1; there are 15, 17 and 18" ;;
	esac
}

# The mirror this machine itself installs from.
debian_mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		grep -v '^ *#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1
}

# make_root MAJOR DIR: a minimal Debian with that PostgreSQL, what vecmark is
# built with, and pgvector to compare with, which bookworm has not got.  The
# server's headers are unpacked, not installed: their package would bring a
# compiler suite that is not used here.
make_root() {
	local major=$1 root=$2 suite mirror pgvector=
	suite=$(suite_of_major "$major")
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "no Debian mirror in the package sources of this machine"
	[ "$suite" = bookworm ] || pgvector=,postgresql-$major-pgvector
	mmdebstrap --quiet --variant=minbase --aptopt='APT::Sandbox::User "root"' --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="postgresql-$major,libipc-run-perl,gcc,make,libc6-dev,libxxhash-dev,libkrb5-dev,procps$pgvector" \
		"$suite" "$root" "$mirror" >"$scratch/matrix-$major.log" 2>&1 || return
	mount --bind /proc "$root/proc" && mkdir -p "$root/dev/shm" && mount -t tmpfs tmpfs "$root/dev/shm" || return
	cp /etc/resolv.conf "$root/etc/"
	chroot "$root" sh -c "cd /tmp && apt-get -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false update -qq &&
		apt-get -o APT::Sandbox::User=root download -qq postgresql-server-dev-$major libpq-dev &&
		for package in *.deb; do dpkg-deb -x \$package /; done" >>"$scratch/matrix-$major.log" 2>&1
}

remove_root() {
	local root=$1
	mountpoint -q "$root/proc" && umount "$root/proc"
	mountpoint -q "$root/dev/shm" && umount "$root/dev/shm"
	rm -rf --one-file-system "$root"
}

matrix() {
	local majors=("$@") major root
	[ ${#majors[@]} -gt 0 ] || majors=(17 18)
	[ "$(id -u)" = 0 ] || die "matrix needs root, to make chroots"
	need_packages mmdebstrap
	for major in "${majors[@]}"; do
		root=$scratch/root-$major
		echo "PostgreSQL $major"
		if make_root "$major" "$root"; then
			mkdir -p "$root/root/vecmark"
			chmod 755 "$root/root"
			tar -c --exclude=.git --exclude=.build . | tar -x -C "$root/root/vecmark"
			if chroot "$root" /root/vecmark/test/run in_matrix >"$scratch/matrix-$major.out" 2>&1; then
				count pass "PostgreSQL $major"
			else
				count fail "PostgreSQL $major"
			fi
			tail -60 "$scratch/matrix-$major.out" | sed 's/^/  /'
		else
			count fail "PostgreSQL $major: no chroot"
			tail -20 "$scratch/matrix-$major.log"
		fi
		remove_root "$root"
	done
	summary
}
