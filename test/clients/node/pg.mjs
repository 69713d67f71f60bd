// pg.mjs: node-postgres, with pgvector/pg; binary parameters; COPY.
import assert from "node:assert/strict";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import pg from "pg";
import copy from "pg-copy-streams";
import { SparseVector } from "pgvector";
import pgvector from "pgvector/pg";
import { conform } from "./conform.mjs";
import { halfvecBinary, sparsevecBinary, vectorBinary, copyBinary, readCopyBinary } from "./binary.mjs";

const client = new pg.Client();
await client.connect();

const toSql = (column, value) => (column === "bits" || value === null ? value : pgvector.toSql(value));
const query = async (text, values) => (await client.query(text, values)).rows;

async function table(name) {
	await query(`CREATE TABLE ${name} (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))`);
}

async function collect(stream) {
	const chunks = [];
	for await (const chunk of stream) {
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

await conform({
	sql: query,
	async createExtension(name) {
		await query(`CREATE EXTENSION IF NOT EXISTS ${name}`);
		await pgvector.registerTypes(client);
	},
	createTable: () => table("items"),
	async insert(rows) {
		for (const { id, embedding, half, bits, sparse } of rows) {
			await query("INSERT INTO items VALUES ($1, $2, $3, $4, $5)", [id, pgvector.toSql(embedding), pgvector.toSql(half), bits, pgvector.toSql(sparse)]);
		}
	},
	async update(id, changes) {
		for (const [column, value] of Object.entries(changes)) {
			await query(`UPDATE items SET ${column} = $2 WHERE id = $1`, [id, toSql(column, value)]);
		}
	},
	remove: (id) => query("DELETE FROM items WHERE id = $1", [id]),
	all: () => query("SELECT id::integer, embedding, half, bits, sparse FROM items ORDER BY id"),
	createIndex: (name, column, opclass, method) =>
		query(`CREATE INDEX ${name} ON items USING ${method} (${column} ${opclass}) ${method === "ivfflat" ? "WITH (lists = 100)" : "WITH (m = 16, ef_construction = 64)"}`),
	nearest: async (column, operator, value) =>
		(await query(`SELECT id::integer FROM items WHERE ${column} IS NOT NULL ORDER BY ${column} ${operator} $1 LIMIT 4`, [toSql(column, value)])).map(({ id }) => id),
	within: async (column, operator, value, bound) =>
		(await query(`SELECT id::integer FROM items WHERE id <> 1 AND ${column} ${operator} $1 < $2 ORDER BY ${column} ${operator} $1 LIMIT 4`, [toSql(column, value), bound])).map(({ id }) => id),
	close: () => client.end(),
	more: {
		// its results are always read as text: COPY shows the binary form that the server sends
		async "binary parameters"() {
			const value = { vector: vectorBinary([1.5, -2, 1e-40]), halfvec: halfvecBinary([0x3e00, 0xc000, 0x0001]), sparsevec: sparsevecBinary(3, { 0: 1.5, 2: -2 }) };
			for (const [type, buffer] of Object.entries(value)) {
				const text = { vector: "[1.5,-2,1e-40]", halfvec: "[1.5,-2,5.9604645e-08]", sparsevec: "{1:1.5,3:-2}/3" }[type];
				const { rows } = await client.query(`SELECT $1::${type}::text AS t`, [buffer]);
				assert.equal(rows[0].t, text);
				await assert.rejects(client.query(`SELECT $1::${type}`, [buffer.subarray(0, buffer.length - 1)]), { code: "08P01" });
				await assert.rejects(client.query(`SELECT $1::${type}`, [Buffer.concat([buffer, Buffer.from([0])])]), { code: "22P03" });
			}
		},
		async "prepared statement, until its plan is generic"() {
			for (let i = 0; i < 8; i++) {
				const vector = pgvector.toSql([1, 1, 1 + i / 4]);
				const { rows } = await client.query({ name: "near", text: "SELECT id::integer FROM items ORDER BY embedding <=> $1 LIMIT 4", values: [vector] });
				assert.equal(rows.length, 4);
				assert.deepEqual(rows, await query(`SELECT id::integer FROM items ORDER BY embedding <=> '${vector}' LIMIT 4`));
			}
		},
		async "COPY as text, in and out"() {
			await table("copied");
			const text = "1\t[1,2,3]\t[1,2,3]\t101\t{1:1,3:3}/3\n2\t\\N\t\\N\t\\N\t\\N\n3\t[0.1,1e-07,-5]\t[0.5,0,-5]\t000\t{}/3\n";
			await pipeline(Readable.from([text]), client.query(copy.from("COPY copied FROM STDIN")));
			assert.equal((await collect(client.query(copy.to("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT")))).toString(), text);
		},
		async "COPY in binary, in and out"() {
			const values = [vectorBinary([7, 8, 9]), halfvecBinary([0x4700, 0x4800, 0x4880]), null, sparsevecBinary(3, { 1: 4 })];
			const id = Buffer.from([0, 0, 0, 0, 0, 0, 0, 9]);
			await pipeline(Readable.from([copyBinary([[id, ...values]])]), client.query(copy.from("COPY copied FROM STDIN BINARY")));
			assert.deepEqual((await query("SELECT embedding, half, bits, sparse FROM copied WHERE id = 9"))[0],
				{ embedding: [7, 8, 9], half: [7, 8, 9], bits: null, sparse: new SparseVector([0, 4, 0]) });
			const back = readCopyBinary(await collect(client.query(copy.to("COPY (SELECT * FROM copied WHERE id = 9) TO STDOUT BINARY"))));
			assert.deepEqual(back, [[id, ...values]]);
			await assert.rejects(pipeline(Readable.from([copyBinary([[id, Buffer.from([0, 3, 0, 0]), null, null, null]])]), client.query(copy.from("COPY copied FROM STDIN BINARY"))));
			await query("DROP TABLE copied");
		},
		async "arrays of vectors"() {
			const { rows } = await client.query("SELECT $1::vector[] AS v, cardinality($1::vector[]) AS n", [["[1,2]", "[3]"]]);
			assert.equal(rows[0].n, 2);
			assert.equal(String(rows[0].v), '{"[1,2]",[3]}');
		},
		async "a pool registers the types of each connection"() {
			const pool = new pg.Pool({ max: 2, onConnect: (one) => pgvector.registerTypes(one) });
			const both = await Promise.all([pool.query("SELECT '[1,2]'::vector AS v, pg_sleep(0.1)"), pool.query("SELECT '{1:1}/2'::sparsevec AS v, pg_sleep(0.1)")]);
			assert.deepEqual(both.map(({ rows }) => rows[0].v), [[1, 2], new SparseVector([1, 0])]);
			await pool.end();
		},
	},
});
