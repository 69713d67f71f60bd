// knex.mjs: Knex, with pgvector/knex.
import Knex from "knex";
import pgvector from "pgvector/knex";
import { conform } from "./conform.mjs";

const knex = Knex({ client: "pg", connection: {}, pool: { min: 1, max: 1 } });
const distance = { "<->": "l2Distance", "<#>": "maxInnerProduct", "<=>": "cosineDistance", "<+>": "l1Distance", "<~>": "hammingDistance", "<%>": "jaccardDistance" };

const stored = (row) => Object.fromEntries(Object.entries(row).map(([column, value]) => [column, ["id", "bits"].includes(column) ? value : pgvector.toSql(value)]));
const measure = (column, operator, value) => knex.queryBuilder()[distance[operator]](column, value);
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: async (text) => (await knex.raw(text.replaceAll("?", "\\?"))).rows,
	createExtension: (name) => knex.schema.createExtensionIfNotExists(name),
	createTable: () => knex.schema.createTable("items", (table) => {
		table.increments("id");
		table.vector("embedding", 3);
		table.halfvec("half", { dimensions: 3 });
		table.specificType("bits", "bit(3)");
		table.sparsevec("sparse", 3);
	}),
	insert: (rows) => knex("items").insert(rows.map(stored)),
	update: (id, changes) => knex("items").where({ id }).update(stored(changes)),
	remove: (id) => knex("items").where({ id }).del(),
	all: async () => (await knex("items").orderBy("id")).map((row) =>
		({ ...row, embedding: pgvector.fromSql(row.embedding), half: pgvector.fromSql(row.half), sparse: pgvector.fromSql(row.sparse) })),
	createIndex: (name, column, opclass, method) => knex.schema.alterTable("items", (table) => {
		table.index([knex.raw("?? ??", [column, opclass])], name, method);
	}),
	nearest: async (column, operator, value) => ids(await knex("items").whereNotNull(column).orderBy(measure(column, operator, value)).limit(4)),
	within: async (column, operator, value, bound) => ids(await knex("items").whereNot({ id: 1 }).where(measure(column, operator, value), "<", bound).orderBy(measure(column, operator, value)).limit(4)),
	close: () => knex.destroy(),
});
