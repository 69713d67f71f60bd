// prisma.mjs: Prisma's raw queries, with pgvector.
import { PrismaPg } from "@prisma/adapter-pg";
import pgvector from "pgvector";
import { conform } from "./conform.mjs";
import generated from "./generated/index.js";

const { Prisma, PrismaClient } = generated;
const prisma = new PrismaClient({ adapter: new PrismaPg({ host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER, database: process.env.PGDATABASE, max: 1 }) });

const types = { embedding: "vector", half: "halfvec", bits: "bit(3)", sparse: "sparsevec" };
const name = (column) => Prisma.raw(column);
const given = (column, value) => Prisma.sql`${column === "bits" || value === null ? value : pgvector.toSql(value)}::${Prisma.raw(types[column])}`;
const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: (text) => prisma.$queryRawUnsafe(text),
	createExtension: (extension) => prisma.$executeRaw`CREATE EXTENSION IF NOT EXISTS ${Prisma.raw(extension)}`,
	createTable: () => prisma.$executeRaw`CREATE TABLE items (id serial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))`,
	insert: (rows) => prisma.$transaction(rows.map(({ id, ...row }) => prisma.$executeRaw`INSERT INTO items (id, embedding, half, bits, sparse)
		VALUES (${id}, ${Prisma.join(Object.entries(row).map(([column, value]) => given(column, value)))})`)),
	update: (id, changes) => prisma.$executeRaw`UPDATE items SET ${Prisma.join(Object.entries(changes).map(([column, value]) => Prisma.sql`${name(column)} = ${given(column, value)}`))} WHERE id = ${id}`,
	remove: (id) => prisma.item.delete({ where: { id } }),
	all: async () => (await prisma.$queryRaw`SELECT id, embedding::text, half::text, bits::text, sparse::text FROM items ORDER BY id`).map((row) =>
		({ ...row, embedding: pgvector.fromSql(row.embedding), half: pgvector.fromSql(row.half), sparse: pgvector.fromSql(row.sparse) })),
	createIndex: (index, column, opclass, method) => prisma.$executeRawUnsafe(`CREATE INDEX ${index} ON items USING ${method} (${column} ${opclass})`),
	nearest: async (column, operator, value) => ids(await prisma.$queryRaw`SELECT id, embedding::text FROM items WHERE ${name(column)} IS NOT NULL
		ORDER BY ${name(column)} ${Prisma.raw(operator)} ${given(column, value)} LIMIT 4`),
	within: async (column, operator, value, bound) => ids(await prisma.$queryRaw`SELECT id FROM items WHERE id <> 1 AND ${name(column)} ${Prisma.raw(operator)} ${given(column, value)} < ${bound}
		ORDER BY ${name(column)} ${Prisma.raw(operator)} ${given(column, value)} LIMIT 4`),
	close: () => prisma.$disconnect(),
});
