// main.mjs: two databases, one program; prints TAP.
import pg from 'pg'
import { pull, sync, compare, repair } from './sync.mjs'

let count = 0
let failed = 0
const ok = (passed, name, detail) => {
	if (!passed) failed++
	console.log(`${passed ? 'ok' : 'not ok'} ${++count} - ${name}`)
	if (!passed && detail !== undefined) console.log(`# ${detail}`)
}
const is = (got, expected, name) => ok(got === expected, name, `${got} in place of ${expected}`)

const admin = new pg.Client()
await admin.connect()
const open = async name => {
	await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
	await admin.query(`CREATE DATABASE ${name}`)
	const client = new pg.Client({ database: name })
	await client.connect()
	await client.query(`CREATE EXTENSION vecmark`)
	await client.query(`SELECT vecmark.create_bookmarks('bookmarks', dimensions => 4, config => 'english')`)
	await client.query(`SELECT vecmark.track('bookmarks'), vecmark.build_digest('bookmarks')`)
	return client
}
const laptop = await open('sync_laptop')
const edge = await open('sync_edge')
const one = async (client, sql, values) => Object.values((await client.query(sql, values)).rows[0])[0]
const save = (client, url, title) => client.query(`INSERT INTO bookmarks (url, title, tags, embedding) VALUES ($1, $2, '{read}', '[1,2,3,4]')`, [url, title])

for (let i = 0; i < 500; i++) await save(laptop, `https://example.org/${i}`, `page ${i}`)
is(await compare(laptop, edge, 'bookmarks'), 'behind', 'a database that has not pulled is behind')
is(await pull(laptop, edge), 500, 'a pull brings all')
is(await pull(edge, laptop), 0, 'and there is nothing to bring back')
is(await compare(laptop, edge, 'bookmarks'), 'equal', 'then both are equal')

// both write, the same bookmark too
await edge.query(`UPDATE bookmarks SET tags = tags || '{edge}' WHERE title = 'page 7'`)
await laptop.query(`UPDATE bookmarks SET tags = tags || '{laptop}' WHERE title = 'page 7'`)
await edge.query(`DELETE FROM bookmarks WHERE title = 'page 8'`)
await save(laptop, 'https://example.org/new', 'new')
await sync(laptop, edge)
is(await compare(laptop, edge, 'bookmarks'), 'equal', 'after a sync both are equal')
is(JSON.stringify(await one(laptop, `SELECT tags FROM bookmarks WHERE title = 'page 7'`)), '["edge","laptop","read"]', 'tags of both are there')
is(await one(laptop, `SELECT count(*)::integer FROM bookmarks`), 500, 'deleted is deleted')
is(await sync(laptop, edge), 0, 'there is nothing more to tell')

// rows that went past the triggers
await edge.query(`SET session_replication_role = replica`)
await edge.query(`UPDATE bookmarks SET title = 'damaged', embedding = '[-1,-2,-3,-4]' WHERE title = 'page 9'`)
await edge.query(`DELETE FROM bookmarks WHERE title = 'page 10'`)
await edge.query(`RESET session_replication_role`)
is((await edge.query(`SELECT * FROM vecmark.audit('bookmarks')`)).rows.length, 2, 'an audit finds what went past the triggers')
await edge.query(`SELECT vecmark.build_digest('bookmarks')`)
is(await compare(laptop, edge, 'bookmarks'), 'unlike', 'roots differ then')
const repaired = await repair(laptop, edge, 'bookmarks')
is(repaired.rows, 2, 'two rows are repaired')
ok(repaired.bytes < 20000, 'for few bytes', repaired.bytes)
is(await compare(laptop, edge, 'bookmarks'), 'equal', 'and roots are equal again')
is(await one(edge, `SELECT embedding::text FROM bookmarks WHERE title = 'page 9'`), '[1,2,3,4]', 'it is the embedding that it was')

for (const client of [laptop, edge]) await client.end()
for (const name of ['sync_laptop', 'sync_edge']) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
await admin.end()
console.log(`1..${count}`)
process.exit(failed === 0 ? 0 : 1)
