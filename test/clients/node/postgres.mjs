// postgres.mjs: Postgres.js, with pgvector; COPY.
import assert from "node:assert/strict";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import postgres from "postgres";
import pgvector from "pgvector";
import { conform } from "./conform.mjs";

const sql = postgres({ max: 1, onnotice: () => {} });

const toSql = (column, value) => (column === "bits" || value === null ? value : pgvector.toSql(value));
const stored = (changes) => Object.fromEntries(Object.entries(changes).map(([column, value]) => [column, column === "id" ? value : toSql(column, value)]));
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: async (text) => [...await sql.unsafe(text)],
	createExtension: (name) => sql`CREATE EXTENSION IF NOT EXISTS ${sql(name)}`,
	createTable: () => sql`CREATE TABLE items (id serial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))`,
	insert: (rows) => sql`INSERT INTO items ${sql(rows.map(stored), "id", "embedding", "half", "bits", "sparse")}`,
	update: (id, changes) => sql`UPDATE items SET ${sql(stored(changes), ...Object.keys(changes))} WHERE id = ${id}`,
	remove: (id) => sql`DELETE FROM items WHERE id = ${id}`,
	all: async () => (await sql`SELECT * FROM items ORDER BY id`).map((row) =>
		({ ...row, embedding: pgvector.fromSql(row.embedding), half: pgvector.fromSql(row.half), sparse: pgvector.fromSql(row.sparse) })),
	createIndex: (name, column, opclass, method) => sql`CREATE INDEX ${sql(name)} ON items USING ${sql.unsafe(method)} (${sql(column)} ${sql(opclass)})
		${method === "ivfflat" ? sql`WITH (lists = 100)` : sql``}`,
	nearest: async (column, operator, value) => ids(await sql`SELECT id FROM items WHERE ${sql(column)} IS NOT NULL
		ORDER BY ${sql(column)} ${sql.unsafe(operator)} ${toSql(column, value)} LIMIT 4`),
	within: async (column, operator, value, bound) => ids(await sql`SELECT id FROM items
		WHERE id <> 1 AND ${sql(column)} ${sql.unsafe(operator)} ${toSql(column, value)} < ${bound}
		ORDER BY ${sql(column)} ${sql.unsafe(operator)} ${toSql(column, value)} LIMIT 4`),
	close: () => sql.end(),
	more: {
		async "COPY as text, in and out"() {
			await sql`CREATE TABLE copied (LIKE items)`;
			const text = "1\t[1,2,3]\t[1,2,3]\t101\t{1:1,3:3}/3\n2\t\\N\t\\N\t\\N\t\\N\n";
			await pipeline(Readable.from([text]), await sql`COPY copied FROM STDIN`.writable());
			let back = "";
			for await (const chunk of await sql`COPY copied TO STDOUT`.readable()) {
				back += chunk;
			}
			assert.equal(back, text);
			await sql`DROP TABLE copied`;
		},
		async "a cursor, the nearest first"() {
			const seen = [];
			await sql`SELECT id FROM items ORDER BY embedding <-> ${pgvector.toSql([1, 1, 1])} LIMIT 4`.cursor(1, ([row]) => { seen.push(row.id); });
			assert.deepEqual(seen, [1, 3, 4, 2]);
		},
		async "a transaction with its own settings"() {
			const found = await sql.begin(async (tx) => {
				await tx`SET LOCAL hnsw.ef_search = 7`;
				return tx`SELECT current_setting('hnsw.ef_search') AS ef, id FROM items ORDER BY embedding <=> ${pgvector.toSql([2, 2, 3])} LIMIT 1`;
			});
			assert.deepEqual({ ...found[0] }, { ef: "7", id: 2 });
		},
	},
});
