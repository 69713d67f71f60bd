// drizzle.mjs: Drizzle's own columns and distance functions, over Postgres.js.
import assert from "node:assert/strict";
import { and, asc, cosineDistance, eq, hammingDistance, innerProduct, isNotNull, jaccardDistance, l1Distance, l2Distance, lt, ne, sql } from "drizzle-orm";
import { bit, getTableConfig, halfvec, index, pgTable, serial, sparsevec, vector } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import pgvector from "pgvector";
import { cases, conform, ivfflat } from "./conform.mjs";

const items = pgTable("items", {
	id: serial("id").primaryKey(),
	embedding: vector("embedding", { dimensions: 3 }),
	half: halfvec("half", { dimensions: 3 }),
	bits: bit("bits", { dimensions: 3 }),
	sparse: sparsevec("sparse", { dimensions: 3 }),
}, (table) => [
	...cases.map(({ index: name, column, opclass }) => index(name).using("hnsw", table[column].op(opclass))),
	...ivfflat.map(({ index: name, column, opclass }) => index(`${name}_lists`).using("ivfflat", table[column].op(opclass))),
]);
const distance = { "<->": l2Distance, "<#>": innerProduct, "<=>": cosineDistance, "<+>": l1Distance, "<~>": hammingDistance, "<%>": jaccardDistance };

const client = postgres({ max: 1, onnotice: () => {} });
const db = drizzle(client);

const stored = (row) => ({ ...row, ...("sparse" in row ? { sparse: pgvector.toSql(row.sparse) } : {}) });
const given = (column, value) => (column === "sparse" ? pgvector.toSql(value) : value);
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: async (text) => [...await db.execute(sql.raw(text))],
	createExtension: (name) => db.execute(sql`CREATE EXTENSION IF NOT EXISTS ${sql.identifier(name)}`),
	// table and indexes as drizzle-kit would write them
	createTable: () => db.execute(sql.raw(`CREATE TABLE items (${getTableConfig(items).columns.map((column) => `${column.name} ${column.getSQLType()}${column.primary ? " PRIMARY KEY" : ""}`)})`)),
	insert: (rows) => db.insert(items).values(rows.map(stored)),
	update: (id, changes) => db.update(items).set(stored(changes)).where(eq(items.id, id)),
	remove: (id) => db.delete(items).where(eq(items.id, id)),
	all: async () => (await db.select().from(items).orderBy(asc(items.id))).map((row) => ({ ...row, sparse: pgvector.fromSql(row.sparse) })),
	createIndex(name) {
		const { config } = getTableConfig(items).indexes.find((one) => one.config.name === name);
		const [column] = config.columns;
		return db.execute(sql`CREATE INDEX ${sql.identifier(name)} ON ${items} USING ${sql.raw(config.method)} (${sql.identifier(column.name)} ${sql.raw(column.indexConfig.opClass)})`);
	},
	nearest: async (column, operator, value) => ids(await db.select({ id: items.id }).from(items).where(isNotNull(items[column])).orderBy(distance[operator](items[column], given(column, value))).limit(4)),
	within: async (column, operator, value, bound) => ids(await db.select({ id: items.id }).from(items)
		.where(and(ne(items.id, 1), lt(distance[operator](items[column], given(column, value)), bound))).orderBy(distance[operator](items[column], given(column, value))).limit(4)),
	close: () => client.end(),
	more: {
		async "a computed similarity, and a prepared query"() {
			const similarity = sql`1 - (${cosineDistance(items.embedding, [1, 1, 1])})`.mapWith(Number);
			const prepared = db.select({ id: items.id, similarity }).from(items).where(isNotNull(items.embedding)).orderBy(cosineDistance(items.embedding, sql.placeholder("query"))).limit(2).prepare("near");
			for (let i = 0; i < 7; i++) {
				const found = await prepared.execute({ query: "[1,1,1]" });
				assert.deepEqual(ids(found), [1, 2]);
				assert.equal(found[0].similarity, 1);
			}
		},
	},
});
