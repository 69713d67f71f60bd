// kysely.mjs: Kysely, with pgvector/kysely.
import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import pgvector, { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, maxInnerProduct } from "pgvector/kysely";
import { conform } from "./conform.mjs";

const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ max: 1 }) }) });
const distance = { "<->": l2Distance, "<#>": maxInnerProduct, "<=>": cosineDistance, "<+>": l1Distance, "<~>": hammingDistance, "<%>": jaccardDistance };

const stored = (row) => Object.fromEntries(Object.entries(row).map(([column, value]) => [column, ["id", "bits"].includes(column) ? value : pgvector.toSql(value)]));
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: async (text) => (await sql.raw(text).execute(db)).rows,
	createExtension: (name) => sql`CREATE EXTENSION IF NOT EXISTS ${sql.id(name)}`.execute(db),
	createTable: () => db.schema.createTable("items")
		.addColumn("id", "serial", (column) => column.primaryKey())
		.addColumn("embedding", sql`vector(3)`)
		.addColumn("half", sql`halfvec(3)`)
		.addColumn("bits", sql`bit(3)`)
		.addColumn("sparse", sql`sparsevec(3)`)
		.execute(),
	insert: (rows) => db.insertInto("items").values(rows.map(stored)).execute(),
	update: (id, changes) => db.updateTable("items").set(stored(changes)).where("id", "=", id).execute(),
	remove: (id) => db.deleteFrom("items").where("id", "=", id).execute(),
	all: async () => (await db.selectFrom("items").selectAll().orderBy("id").execute()).map((row) =>
		({ ...row, embedding: pgvector.fromSql(row.embedding), half: pgvector.fromSql(row.half), sparse: pgvector.fromSql(row.sparse) })),
	createIndex: (name, column, opclass, method) => db.schema.createIndex(name).on("items").using(method).expression(sql`${sql.ref(column)} ${sql.raw(opclass)}`).execute(),
	nearest: async (column, operator, value) => ids(await db.selectFrom("items").selectAll().where(column, "is not", null).orderBy(distance[operator](column, value)).limit(4).execute()),
	within: async (column, operator, value, bound) => ids(await db.selectFrom("items").selectAll()
		.where("id", "!=", 1).where(distance[operator](column, value), "<", bound).orderBy(distance[operator](column, value)).limit(4).execute()),
	close: () => db.destroy(),
});
