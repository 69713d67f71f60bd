// llamaindex.mjs: PGVectorStore of LlamaIndex.TS.
//
// It says "CREATE EXTENSION IF NOT EXISTS vector" when it connects: where there is
// only vecmark it is given a connection.
import assert from "node:assert/strict";
import pg from "pg";
import { TextNode } from "@llamaindex/core/schema";
import { PGVectorStore } from "@llamaindex/postgres";
import pgvector from "pgvector/pg";
import { extension, finish, owner, test } from "./tap.mjs";

const places = { same: [1, 1, 1], long: [2, 2, 3], near: [1, 1, 2], far: [-0.375, -0.375, 2.375] };
const uuid = (n) => `00000000-0000-4000-8000-00000000000${n}`;
const nodes = () => Object.entries(places).map(([text, embedding], i) => new TextNode({ id_: uuid(i + 1), text, embedding, metadata: { lang: i % 2 ? "de" : "en", year: 2000 + i, tags: [text] } }));
const similar = 1 - 7 / Math.sqrt(3 * 17);

// nodes bring their embeddings, so no model is asked
const options = { dimensions: 3, tableName: "nodes", embeddingModel: {} };
let connection;
let store;

await test("connect: the extension, types and a table", async () => {
	if (extension === "vecmark") {
		connection = new pg.Client();
		await connection.connect();
		await pgvector.registerTypes(connection);
		store = new PGVectorStore({ client: connection, shouldConnect: false, ...options });
	} else {
		store = new PGVectorStore({ clientConfig: {}, ...options });
	}
	await store.client();
	const { rows } = await owner.query("SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'nodes'::regclass AND attname = 'embeddings'");
	assert.equal(rows[0].type, "vector(3)");
});

await test("add nodes, and again", async () => {
	assert.deepEqual(await store.add(nodes()), [1, 2, 3, 4].map(uuid));
	assert.equal((await store.add(nodes())).length, 4);
	assert.equal((await owner.query("SELECT count(*)::integer AS n FROM nodes")).rows[0].n, 4);
});

await test("query", async () => {
	const found = await store.query({ queryEmbedding: places.same, similarityTopK: 4, mode: "default" });
	assert.deepEqual(found.ids, [1, 2, 3, 4].map(uuid));
	assert.deepEqual(found.nodes.map((node) => node.embedding), Object.values(places));
	assert.equal(found.similarities[0], 1);
	assert.ok(Math.abs(1 - found.similarities[1] - similar) < 1e-6);
});

await test("query by an index", async () => {
	await owner.query("CREATE INDEX nodes_hnsw ON nodes USING hnsw (embeddings vector_cosine_ops)");
	await owner.query("SET enable_seqscan = off");
	const { rows } = await owner.query("EXPLAIN SELECT v.*, embeddings <=> '[1,1,1]' s FROM public.nodes v ORDER BY s LIMIT 4");
	assert.match(JSON.stringify(rows), /Index Scan using nodes_hnsw/);
	const found = await store.query({ queryEmbedding: [-1, -1, 7], similarityTopK: 2, mode: "default" });
	assert.deepEqual(found.ids, [4, 3].map(uuid));
});

await test("filters", async () => {
	for (const [filters, expected] of [
		[[{ key: "lang", value: "de", operator: "==" }], [2, 4]],
		[[{ key: "year", value: 2001, operator: ">" }], [3, 4]],
		[[{ key: "lang", value: ["en", "fr"], operator: "in" }], [1, 3]],
		[[{ key: "tags", value: "near", operator: "contains" }], [3]],
		[[{ key: "lang", value: "en", operator: "==" }, { key: "year", value: 2000, operator: "==" }], [1]],
	]) {
		const found = await store.query({ queryEmbedding: places.same, similarityTopK: 4, mode: "default", filters: { filters, condition: "and" } });
		assert.deepEqual(found.ids, expected.map(uuid), JSON.stringify(filters));
	}
});

await test("collections and deletion", async () => {
	store.setCollection("other");
	await store.add([new TextNode({ id_: uuid(9), text: "other", embedding: [1, 1, 1] })]);
	assert.deepEqual((await store.query({ queryEmbedding: places.same, similarityTopK: 4, mode: "default" })).ids, [uuid(9)]);
	await store.clearCollection();
	store.setCollection("");
	await store.delete(uuid(1));
	assert.deepEqual((await store.query({ queryEmbedding: places.same, similarityTopK: 1, mode: "default" })).ids, [uuid(2)]);
});

await (await store.client()).close();
await finish();
