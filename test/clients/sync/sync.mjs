// sync.mjs: what vecmark.pull() and vecmark.sync() do, done by a client of both databases.
//
// "from" and "to" are clients of node-postgres.  A delta is text on its way; nothing here looks into it.

const value = async (client, sql, values) => Object.values((await client.query({ text: sql, values, rowMode: 'object' })).rows[0])[0]

// Merge what "from" has and "to" lacks, a delta at a time.  Rows that were written.
export async function pull(from, to) {
	const since = await value(to, 'SELECT vecmark.version()::text')
	let rows = 0
	await from.query('BEGIN READ ONLY')
	try {
		await from.query({ text: 'DECLARE deltas CURSOR FOR SELECT d::text FROM vecmark.changes($1) AS d', values: [since] })
		for (;;) {
			const { rows: [part] } = await from.query('FETCH 1 FROM deltas')
			if (part === undefined) break
			rows += Number(await value(to, 'SELECT applied FROM vecmark.merge($1)', [part.d]))
		}
	} finally {
		await from.query('ROLLBACK')
	}
	return rows
}

// Both have what either had.
export async function sync(one, other) {
	return await pull(one, other) + await pull(other, one)
}

// Whether a table is the same in both: 'equal', 'unlike', or 'behind' while one has changes that the other lacks.
export async function compare(one, other, table) {
	const root = async (client, since) => (await client.query(`SELECT version::text, format, encode(hash, 'hex') AS hash, settled,
		vecmark.has_changes($2, ARRAY[$1::regclass]) AS ahead FROM vecmark.root($1)`, [table, since])).rows[0]
	const before = await root(one, '{}')
	const there = await root(other, before.version)
	const here = await root(one, there.version)
	if (here.format !== there.format) throw new Error(`digests of ${table} have other seeds or columns`)
	if (here.ahead || there.ahead || !here.settled || !there.settled) return 'behind'
	return here.hash === there.hash ? 'equal' : 'unlike'
}

// Rows of "to" become as they are in "from", where they differ.  Rows that were written, and bytes to find them.
export async function repair(from, to, table) {
	let bytes = 0
	const carry = buffer => { bytes += buffer.length; return buffer }
	const differing = async (bits, prefixes) => value(to, 'SELECT vecmark.bucket_diff($1, $2, $3, $4)',
		[table, bits, carry(await value(from, 'SELECT vecmark.bucket_hashes($1, $2, $3)', [table, bits, prefixes])), prefixes])
	const coarse = await differing(8, null)
	if (coarse.length === 0) return { rows: 0, bytes }
	const leaves = await differing(16, coarse.flatMap(bucket => Array.from({ length: 256 }, (_, i) => bucket * 256 + i)))
	const keys = carry(await value(to, 'SELECT vecmark.bucket_keys($1, 16, $2)', [table, leaves]))
	const { rows: deltas } = await from.query('SELECT d::text FROM vecmark.fetch($1, 16, $2, $3) AS d', [table, leaves, keys])
	let rows = 0
	for (const { d } of deltas)
		rows += Number(await value(to, `SELECT applied FROM vecmark.merge($1, 'repair')`, [d]))
	return { rows, bytes }
}
