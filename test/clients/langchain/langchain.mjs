// langchain.mjs: PGVectorStore of LangChain.js.
//
// It says "CREATE EXTENSION IF NOT EXISTS vector" unless told to leave tables to
// others: so it is where there is only vecmark.
import assert from "node:assert/strict";
import pg from "pg";
import { PGVectorStore } from "@langchain/community/vectorstores/pgvector";
import { Embeddings } from "@langchain/core/embeddings";
import { extension, finish, owner, test } from "./tap.mjs";

const places = { same: [1, 1, 1], long: [2, 2, 3], near: [1, 1, 2], far: [-0.375, -0.375, 2.375] };

class Places extends Embeddings {
	embedQuery = async (text) => places[text];
	embedDocuments = async (texts) => texts.map((text) => places[text]);
}

const documents = [
	{ pageContent: "same", metadata: { lang: "en", year: 2001, tags: ["a", "b"] } },
	{ pageContent: "long", metadata: { lang: "de", year: 2010, tags: ["b"] } },
	{ pageContent: "near", metadata: { lang: "en", year: 2020, tags: ["c"] } },
	{ pageContent: "far", metadata: { lang: "fr", year: 1999, tags: [] } },
];
const ids = [1, 2, 3, 4].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
const texts = (found) => found.map((one) => (Array.isArray(one) ? one[0] : one).pageContent);

async function store(tableName, more = {}) {
	if (extension === "vecmark") {
		await owner.query(`CREATE TABLE IF NOT EXISTS ${tableName} (id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, text text, metadata jsonb, embedding vector${more.dimensions ? `(${more.dimensions})` : ""})`);
	}
	// the constructor reads the environment as node-postgres does
	return PGVectorStore.initialize(new Places(), { tableName, postgresConnectionOptions: {}, skipInitializationCheck: extension === "vecmark", ...more });
}

// The query that the store sends, on a connection that prefers an index.
async function plan(tableName, operator) {
	const client = new pg.Client({ options: "-c enable_seqscan=off" });
	await client.connect();
	const { rows } = await client.query(`EXPLAIN SELECT *, "embedding" ${operator} '[1,1,1]' as "_distance" FROM ${tableName} ORDER BY "_distance" ASC LIMIT 4`);
	await client.end();
	return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

const strategies = {
	cosine: { operator: "<=>", order: ["same", "long", "near", "far"], distance: 0, similarity: 1 },
	euclidean: { operator: "<->", order: ["same", "near", "far", "long"], distance: 0, similarity: 1 },
	innerProduct: { operator: "<#>", order: ["long", "near", "same", "far"], distance: -7, similarity: 7 },
};

for (const [distanceStrategy, { operator, order, distance, similarity }] of Object.entries(strategies)) {
	await test(`${distanceStrategy}: documents, search, index`, async () => {
		const table = `store_${distanceStrategy.toLowerCase()}`;
		const vectors = await store(table, { distanceStrategy, dimensions: 3 });
		await vectors.addDocuments(documents, { ids });
		for (let indexed = 0; indexed < 2; indexed++) {
			assert.deepEqual(texts(await vectors.similaritySearch("same", 4)), order);
			const [[first, score]] = await vectors.similaritySearchWithScore("same", 1);
			assert.equal(first.id, ids[Object.keys(places).indexOf(order[0])]);
			assert.equal(score, distance);
			const [[, both]] = await vectors.similaritySearchVectorWithScores(places.same, 1);
			assert.deepEqual(both, { distance, similarity });
			await vectors.createHnswIndex({ dimensions: 3, namespace: table });
			assert.match(await plan(table, operator), /Index Scan using store_.*_hnsw_idx/);
		}
		await vectors.end();
	});
}

await test("filters", async () => {
	const vectors = await store("filtered", { dimensions: 3 });
	await vectors.addDocuments(documents);
	for (const [filter, expected] of [
		[{ lang: "en" }, ["same", "near"]],
		[{ lang: { in: ["de", "fr"] } }, ["long", "far"]],
		[{ lang: { notIn: ["de", "fr"] } }, ["same", "near"]],
		[{ year: { gt: 2000, lte: 2010 } }, ["same", "long"]],
		[{ lang: { neq: "en" } }, ["long", "far"]],
		[{ tags: { arrayContains: ["b", "c"] } }, ["same", "long", "near"]],
	]) {
		assert.deepEqual(texts(await vectors.similaritySearch("same", 4, filter)), expected, JSON.stringify(filter));
	}
	await vectors.end();
});

await test("delete by identifier and by filter", async () => {
	const vectors = await store("deleted", { dimensions: 3 });
	await vectors.addDocuments(documents, { ids });
	await vectors.delete({ ids: [ids[0]] });
	await vectors.delete({ filter: { lang: "fr" } });
	assert.deepEqual(texts(await vectors.similaritySearch("same", 4)), ["long", "near"]);
	await vectors.end();
});

await test("a column without dimensions; maximal marginal relevance, which reads vectors back", async () => {
	const vectors = await store("unbounded");
	await vectors.addDocuments(documents);
	await vectors.createHnswIndex({ dimensions: 3, namespace: "unbounded" });
	const { rows } = await owner.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'unbounded' AND indexdef ~ 'hnsw'");
	assert.match(rows[0].indexdef, /USING hnsw \(\(\(embedding\)::vector\(3\)\) vector_cosine_ops\) WITH \(m='16', ef_construction='64'\)/);
	const found = await vectors.maxMarginalRelevanceSearch("same", { k: 2, fetchK: 4, lambda: 0.1 });
	assert.deepEqual(texts(found), ["same", "far"]);
	await vectors.end();
});

await test("a schema for the extension, collections, a retriever", async () => {
	if (extension === "vecmark") {
		await owner.query("CREATE TABLE collections (uuid uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, name varchar, cmetadata jsonb)");
		await owner.query("CREATE TABLE collected (id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, text text, metadata jsonb, embedding vector(3), collection_id uuid REFERENCES collections ON DELETE CASCADE)");
	}
	const options = { dimensions: 3, extensionSchemaName: "public", schemaName: "public", collectionTableName: "collections" };
	const one = await store("collected", { ...options, collectionName: "one" });
	const two = await store("collected", { ...options, collectionName: "two" });
	await one.addDocuments(documents.slice(0, 2));
	await two.addDocuments(documents.slice(2));
	assert.deepEqual(texts(await one.asRetriever({ k: 4 }).invoke("same")), ["same", "long"]);
	assert.deepEqual(texts(await two.asRetriever({ k: 4 }).invoke("same")), ["near", "far"]);
	await one.end();
	await two.end();
});

await finish();
