// objection.mjs: Objection, with pgvector/objection.
import Knex from "knex";
import { Model } from "objection";
import pgvector, { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, maxInnerProduct } from "pgvector/objection";
import { conform } from "./conform.mjs";

const knex = Knex({ client: "pg", connection: {}, pool: { min: 1, max: 1 } });
const distance = { "<->": l2Distance, "<#>": maxInnerProduct, "<=>": cosineDistance, "<+>": l1Distance, "<~>": hammingDistance, "<%>": jaccardDistance };

class Item extends Model {
	static tableName = "items";
}
Item.knex(knex);

const stored = (row) => Object.fromEntries(Object.entries(row).map(([column, value]) => [column, ["id", "bits"].includes(column) ? value : pgvector.toSql(value)]));
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: async (text) => (await knex.raw(text)).rows,
	createExtension: (name) => knex.schema.createExtensionIfNotExists(name),
	createTable: () => knex.schema.createTable("items", (table) => {
		table.increments("id");
		table.vector("embedding", 3);
		table.halfvec("half", 3);
		table.specificType("bits", "bit(3)");
		table.sparsevec("sparse", 3);
	}),
	insert: (rows) => Item.query().insert(rows.map(stored)),
	update: (id, changes) => Item.query().findById(id).patch(stored(changes)),
	remove: (id) => Item.query().deleteById(id),
	all: async () => (await Item.query().orderBy("id")).map((item) =>
		({ ...item.toJSON(), embedding: pgvector.fromSql(item.embedding), half: pgvector.fromSql(item.half), sparse: pgvector.fromSql(item.sparse) })),
	createIndex: (name, column, opclass, method) => knex.schema.alterTable("items", (table) => {
		table.index([knex.raw("?? ??", [column, opclass])], name, method);
	}),
	nearest: async (column, operator, value) => ids(await Item.query().whereNotNull(column).orderBy(distance[operator](column, value)).limit(4)),
	within: async (column, operator, value, bound) => ids(await Item.query().whereNot("id", 1).where(distance[operator](column, value), "<", bound).orderBy(distance[operator](column, value)).limit(4)),
	close: () => knex.destroy(),
});
