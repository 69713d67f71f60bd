// typeorm.mjs: TypeORM's own columns of vectors and half vectors; sparse ones and bits as text.
import assert from "node:assert/strict";
import typeorm from "typeorm";
import pgvector from "pgvector";
import { conform, extension } from "./conform.mjs";

const { DataSource, EntitySchema } = typeorm;

const Item = new EntitySchema({
	name: "Item",
	tableName: "items",
	columns: {
		id: { type: "integer", primary: true },
		embedding: { type: "vector", length: 3, nullable: true },
		half: { type: "halfvec", length: 3, nullable: true },
		bits: { type: "bit", length: 3, nullable: true },
	},
});

// TypeORM creates extension "vector" by itself when an entity has a vector: where there is only vecmark, it is told not to.
const source = new DataSource({
	type: "postgres",
	host: process.env.PGHOST,
	port: Number(process.env.PGPORT),
	username: process.env.PGUSER,
	database: process.env.PGDATABASE,
	installExtensions: extension === "vector",
	entities: [Item],
	poolSize: 1,
	logging: false,
});
await source.initialize();
const repository = source.getRepository(Item);

const toSql = (column, value) => (column === "bits" || value === null ? value : pgvector.toSql(value));
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: (text) => source.query(text),
	createExtension: (name) => source.query(`CREATE EXTENSION IF NOT EXISTS ${name}`),
	async createTable() {
		await source.synchronize();
		// a type that TypeORM does not know
		await source.query("ALTER TABLE items ADD sparse sparsevec(3)");
	},
	async insert(rows) {
		await source.transaction(async (manager) => {
			for (const { sparse, ...row } of rows) {
				await manager.getRepository(Item).insert(row);
				await manager.query("UPDATE items SET sparse = $2 WHERE id = $1", [row.id, pgvector.toSql(sparse)]);
			}
		});
	},
	async update(id, { sparse, ...changes }) {
		await repository.save({ id, ...changes });
		await source.query("UPDATE items SET sparse = $2 WHERE id = $1", [id, pgvector.toSql(sparse)]);
	},
	remove: (id) => repository.delete(id),
	async all() {
		const { entities, raw } = await repository.createQueryBuilder("item").addSelect("item.sparse", "sparse").orderBy("item.id").getRawAndEntities();
		return entities.map((entity, i) => ({ ...entity, sparse: pgvector.fromSql(raw[i].sparse) }));
	},
	createIndex: (name, column, opclass, method) => source.query(`CREATE INDEX ${name} ON items USING ${method} (${column} ${opclass})`),
	nearest: async (column, operator, value) => ids(await repository.createQueryBuilder("item")
		.where(`item.${column} IS NOT NULL`).orderBy(`${column} ${operator} :value`).setParameters({ value: toSql(column, value) }).limit(4).getMany()),
	within: async (column, operator, value, bound) => ids(await repository.createQueryBuilder("item")
		.where(`item.id <> 1 AND ${column} ${operator} :value < :bound`).orderBy(`${column} ${operator} :value`).setParameters({ value: toSql(column, value), bound }).limit(4).getMany()),
	close: () => source.destroy(),
	more: {
		async "the schema is in order, nothing to be changed"() {
			await source.query("ALTER TABLE items DROP sparse");
			for (const { indexname } of await source.query("SELECT indexname FROM pg_indexes WHERE tablename = 'items' AND indexname LIKE 'items%'")) {
				await source.query(`DROP INDEX ${indexname}`);
			}
			const { upQueries } = await source.driver.createSchemaBuilder().log();
			assert.deepEqual(upQueries.map(({ query }) => query), []);
		},
	},
});
