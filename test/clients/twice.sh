# twice.sh: for the run scripts beside it, programs that run by the extension's own name and through the alias.
#
# The environment names a server (PGHOST, PGPORT, a superuser's PGUSER) and a
# folder to install packages into (CLIENT_DIR), which may hold them already.

here=$(realpath "$(dirname "$0")")
family=$(basename "$here")
failed=no
count=0

skip() {
	echo "ok 1 - $family # SKIP $1"
	echo "1..1"
	exit 0
}

# npm_packages: what package.json names, into CLIENT_DIR, and the programs beside it.
npm_packages() {
	command -v node >/dev/null && command -v npm >/dev/null || skip "no node and npm"
	[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "node is older than 20"
	if ! cmp -s "$here/package.json" "$CLIENT_DIR/installed.json"; then
		mkdir -p "$CLIENT_DIR"
		cp "$here/package.json" "$CLIENT_DIR/"
		(cd "$CLIENT_DIR" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error) \
			>"$CLIENT_DIR/npm.log" 2>&1 || skip "npm cannot install: $(grep -m 1 'npm error' "$CLIENT_DIR/npm.log")"
		cp "$here/package.json" "$CLIENT_DIR/installed.json"
	fi
	# a module is looked for in the folders above the program
	cp "$here"/*.mjs "$CLIENT_DIR/"
}

# The programs print "ok - …" and "not ok - …", which are numbered here; what
# else they say is for standard error.
number() {
	awk -v name="$1" -v count="$count" '
		/^(not )?ok - / { sub(/ok - /, "ok " ++count " - " name ": "); print; fflush(); next }
		{ print "# " $0; fflush() }'
}

# run_once NAME COMMAND…: in a database of its own, whose owner is no superuser.
run_once() {
	local name=$1 database status log=$CLIENT_DIR/program.log
	shift
	database="client_${family}_${name//[^a-z0-9]/_}"
	sql -d postgres -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database OWNER client_owner" ||
		{ failed=yes; return; }
	# through the alias: as README.md has it, somebody has created vecmark, and the program says what it always says
	[ "$CLIENT_EXTENSION" = vecmark ] || sql -d "$database" -U client_owner -c 'CREATE EXTENSION vecmark'
	PGUSER=client_owner PGDATABASE=$database "$@" >"$log"
	status=$?
	[ $status = 0 ] || echo "not ok - ended with status $status" >>"$log"
	grep -q '^ok - ' "$log" || echo "not ok - no test passed" >>"$log"
	number "$name" <"$log"
	grep -q '^not ok' "$log" && failed=yes
	count=$((count + $(grep -cE '^(not )?ok - ' "$log")))
	sql -d postgres -c "DROP DATABASE $database WITH (FORCE)"
}

# twice NAME COMMAND…: CLIENT_EXTENSION tells the program which extension to create.
twice() {
	local name=$1 aliased
	shift
	CLIENT_EXTENSION=vecmark run_once "$name" "$@"
	aliased=$(sql -d postgres -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector' AND comment ~ 'vecmark'")
	if [ "$aliased" = 1 ]; then
		CLIENT_EXTENSION=vector run_once "$name through the alias" "$@"
	else
		not_here "$name through the alias" "the server has no alias (make install-alias)"
	fi
}

# not_here NAME REASON: a program that is skipped.
not_here() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# leave: the plan, and whether all went well.
leave() {
	echo "1..$count"
	[ "$failed" = no ]
	exit
}

sql() {
	psql -XqAt -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' "$@"
}

mkdir -p "$CLIENT_DIR"
if ! sql -d postgres -c 'CREATE ROLE client_owner LOGIN' 2>"$CLIENT_DIR/psql.log" && ! grep -q 'already exists' "$CLIENT_DIR/psql.log"; then
	cat "$CLIENT_DIR/psql.log" >&2
	exit 2
fi
