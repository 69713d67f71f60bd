// pg_promise.mjs: pg-promise, with pgvector/pg-promise.
import pgPromise from "pg-promise";
import pgvector from "pgvector/pg-promise";
import { conform, extension } from "./conform.mjs";

const pgp = pgPromise({
	noWarnings: true,
	async connect({ client }) {
		if (registers) {
			await pgvector.registerTypes(client);
		}
	},
});
let registers = false;
let db = pgp({ max: 1 });

const toSql = (column, value) => (column === "bits" || value === null ? value : pgvector.toSql(value));
const columns = new pgp.helpers.ColumnSet(["id", "embedding", "half", "bits", "sparse"], { table: "items" });
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: (text) => db.any(text),
	async createExtension(name) {
		await db.none("CREATE EXTENSION IF NOT EXISTS $1:name", [name]);
		if (!registers) {
			// types are registered when a connection is made
			registers = true;
			await db.$pool.end();
			db = pgp({ max: 1, application_name: extension });
		}
	},
	createTable: () => db.none("CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))"),
	insert: (rows) => db.none(pgp.helpers.insert(rows.map((row) => Object.fromEntries(Object.entries(row).map(([column, value]) => [column, column === "id" ? value : toSql(column, value)]))), columns)),
	update: (id, changes) => db.none(pgp.helpers.update(Object.fromEntries(Object.entries(changes).map(([column, value]) => [column, toSql(column, value)])),
		columns.columns.filter(({ name }) => name in changes), "items") + pgp.as.format(" WHERE id = $1", [id])),
	remove: (id) => db.none("DELETE FROM items WHERE id = $1", [id]),
	all: () => db.any("SELECT id::integer, embedding, half, bits, sparse FROM items ORDER BY id"),
	createIndex: (name, column, opclass, method) => db.none("CREATE INDEX $1:name ON items USING $2:raw ($3:name $4:name) $5:raw",
		[name, method, column, opclass, method === "ivfflat" ? "WITH (lists = 100)" : ""]),
	nearest: async (column, operator, value) => ids(await db.any("SELECT id::integer FROM items WHERE $1:name IS NOT NULL ORDER BY $1:name $2:raw $3 LIMIT 4", [column, operator, toSql(column, value)])),
	within: async (column, operator, value, bound) => ids(await db.any(
		"SELECT id::integer FROM items WHERE id <> 1 AND $1:name $2:raw $3 < $4 ORDER BY $1:name $2:raw $3 LIMIT 4", [column, operator, toSql(column, value), bound])),
	close: () => db.$pool.end(),
});
