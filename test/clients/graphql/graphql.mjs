// graphql.mjs: PostGraphile serves a bookmarks table over HTTP; searches, saves and updates by GraphQL.
// Then the calls that PostgREST would make for the same functions, without it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import pg from "pg";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";


// PostGraphile is written for Node.js 22; this is all that it misses in 20.
Promise.withResolvers ??= function () {
	const result = {};
	result.promise = new this((resolve, reject) => Object.assign(result, { resolve, reject }));
	return result;
};

let tests = 0;

async function test(name, body) {
	tests++;
	try {
		await body();
		console.log(`ok ${tests} - graphql: ${name}`);
	} catch (error) {
		console.log(`not ok ${tests} - graphql: ${name}`);
		console.log(String(error.stack).replace(/^/gm, "# "));
		process.exitCode = 1;
	}
}

const owner = new pg.Client();
await owner.connect();
await owner.query(`
	CREATE ROLE graphql_editor LOGIN;
	CREATE ROLE graphql_reader LOGIN;
	SELECT vecmark.create_bookmarks('bookmarks', 64, 'english');
	SELECT vecmark.create_api('bookmarks');
	GRANT SELECT ON bookmarks, bookmarks_visits TO graphql_reader;
	GRANT SELECT, INSERT, UPDATE ON bookmarks TO graphql_editor;
	GRANT SELECT ON bookmarks_visits TO graphql_editor;
	INSERT INTO bookmarks (url, title, description, tags, metadata) VALUES
		('https://www.postgresql.org/docs/', 'PostgreSQL documentation', 'The manual of the database', '{db,docs}', '{"lang": "en"}'),
		('https://graphql.org/learn/', 'Introduction to GraphQL', 'A query language', '{api,docs}', '{"lang": "en"}'),
		('https://www.gutenberg.org/', 'Project Gutenberg', 'Free electronic books', '{books}', '{"lang": "de"}');
	SELECT vecmark.visit('bookmarks', 'https://graphql.org/learn');`);

async function serve(user) {
	const pool = new pg.Pool({ user, max: 2 });
	const instance = postgraphile({
		extends: [PostGraphileAmberPreset],
		pgServices: [makePgService({ pool, schemas: ["public"] })],
		grafserv: { websockets: false, watch: false },
	});
	const server = createServer();
	await instance.createServ(grafserv).addTo(server);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const url = `http://127.0.0.1:${server.address().port}/graphql`;
	return {
		async ask(query, variables = {}) {
			const response = await fetch(url, {
				method: "POST",
				headers: { "content-type": "application/json", accept: "application/json" },
				body: JSON.stringify({ query, variables }),
			});
			return response.json();
		},
		async data(query, variables) {
			const answer = await this.ask(query, variables);
			assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
			return answer.data;
		},
		async close() {
			server.closeAllConnections();
			server.close();
			await instance.release();
			await pool.end();
		},
	};
}

const editor = await serve("graphql_editor");
const reader = await serve("graphql_reader");

await test("reading functions are queries, writing functions mutations, those with a vector in them neither", async () => {
	const { __schema } = await editor.data("{ __schema { queryType { fields { name } } mutationType { fields { name } } } }");
	const made = (type) => type.fields.map((field) => field.name).filter((name) => /^bookmarks(Search|Save)|match/i.test(name)).sort();
	assert.deepEqual(made(__schema.queryType), ["bookmarksSearch", "bookmarksSearchJson", "bookmarksSearchRows", "kwMatchDocuments"]);
	assert.deepEqual(made(__schema.mutationType), ["bookmarksSave", "bookmarksSaveJson"]);
});

await test("search by text, with a filter and with paging", async () => {
	const { all, some, page } = await editor.data(`query ($filter: JSON) {
		all: bookmarksSearch(queryText: "documentaton of postgres") { nodes { url score similarity fullTextRank semanticRank } }
		some: bookmarksSearch(queryText: "#docs", filter: $filter, matchCount: 5) { nodes { url } }
		page: bookmarksSearch(queryText: "#docs", first: 1, offset: 1) { nodes { tags } pageInfo { hasNextPage } }
	}`, { filter: { site: "graphql.org" } });
	assert.equal(all.nodes[0].url, "https://www.postgresql.org/docs/");
	assert.equal(all.nodes[0].semanticRank, 1);
	assert.ok(all.nodes[0].score > 0 && all.nodes[0].similarity > 0);
	assert.deepEqual(some.nodes, [{ url: "https://graphql.org/learn/" }]);
	assert.equal(page.nodes.length, 1);
	assert.equal(page.pageInfo.hasNextPage, false);
});

await test("search by a vector as a list of numbers", async () => {
	const { rows } = await owner.query("SELECT url, embedding::real[] AS embedding FROM bookmarks WHERE title LIKE 'Project%'");
	const { found } = await editor.data(
		"query ($v: [Float]) { found: bookmarksSearch(queryEmbedding: $v, matchCount: 1) { nodes { url similarity } } }", { v: rows[0].embedding });
	assert.equal(found.nodes[0].url, rows[0].url);
	assert.ok(Math.abs(found.nodes[0].similarity - 1) < 1e-6);
});

await test("search for rows, with what refers to them", async () => {
	const { found } = await editor.data(`{ found: bookmarksSearchRows(queryText: "query language", matchCount: 1, conditions: {lang: "en"}) {
		nodes { rowId title tags metadata accessCount bookmarksVisitsByBookmarkId { totalCount } } } }`);
	assert.equal(found.nodes[0].title, "Introduction to GraphQL");
	assert.deepEqual(found.nodes[0].tags, ["api", "docs"]);
	assert.deepEqual(found.nodes[0].metadata, { lang: "en" });
	assert.equal(found.nodes[0].bookmarksVisitsByBookmarkId.totalCount, 1);
});

await test("search with one JSON argument; keywords", async () => {
	const { found, words } = await editor.data(`query ($search: JSON) {
		found: bookmarksSearchJson(arg0: $search) { nodes }
		words: kwMatchDocuments(queryText: "free books", matchCount: 3) { nodes { content metadata similarity } } }`,
	{ search: { query_text: "books", semantic_weight: 0, match_count: 1 } });
	assert.equal(found.nodes.length, 1);
	assert.equal(found.nodes[0].url, "https://www.gutenberg.org/");
	assert.equal(found.nodes[0].semantic_rank, null);
	assert.equal(words.nodes.length, 1);
	assert.equal(words.nodes[0].content, "Project Gutenberg\nFree electronic books");
	assert.deepEqual(words.nodes[0].metadata, { url: "https://www.gutenberg.org/", title: "Project Gutenberg", tags: ["books"], lang: "de" });
	assert.ok(words.nodes[0].similarity > 0);
});

const save = `mutation ($input: BookmarksSaveInput!) { bookmarksSave(input: $input) {
	result { rowId url urlKey title tags metadata createdAt } query { allBookmarks { totalCount } } } }`;
let saved;

await test("save a new bookmark", async () => {
	const embedding = Array.from({ length: 64 }, (_, i) => Math.fround(Math.sin(i + 1)));
	const { bookmarksSave } = await editor.data(save, { input: { url: "https://Example.com/a?utm_source=x", title: "An example", tags: ["b", "a", "b"], metadata: { n: 1 }, embedding } });
	saved = bookmarksSave.result;
	assert.equal(saved.url, "https://Example.com/a?utm_source=x");
	assert.equal(saved.urlKey, "https://example.com/a");
	assert.deepEqual(saved.tags, ["a", "b"]);
	assert.equal(bookmarksSave.query.allBookmarks.totalCount, 4);
	const { rows } = await owner.query("SELECT embedding::real[] AS embedding FROM bookmarks WHERE id = $1", [saved.rowId]);
	assert.deepEqual(rows[0].embedding.map(Math.fround), embedding);
});

await test("save the same page spelt otherwise", async () => {
	const { bookmarksSave } = await editor.data(save, { input: { url: "https://example.com/a/#top", tags: ["c"], metadata: { m: 2 } } });
	assert.equal(bookmarksSave.result.rowId, saved.rowId);
	assert.equal(bookmarksSave.result.url, saved.url);
	assert.equal(bookmarksSave.result.title, "An example");
	assert.deepEqual(bookmarksSave.result.tags, ["a", "b", "c"]);
	assert.deepEqual(bookmarksSave.result.metadata, { n: 1, m: 2 });
	assert.equal(bookmarksSave.query.allBookmarks.totalCount, 4);
});

await test("save with one JSON argument", async () => {
	const saveJson = "mutation ($input: BookmarksSaveJsonInput!) { bookmarksSaveJson(input: $input) { result } }";
	const bookmark = { url: "https://example.org", title: "Another", tags: ["x"] };
	const first = await editor.data(saveJson, { input: { arg0: bookmark } });
	const second = await editor.data(saveJson, { input: { arg0: bookmark } });
	assert.equal(first.bookmarksSaveJson.result.inserted, true);
	assert.deepEqual(second.bookmarksSaveJson.result, { id: first.bookmarksSaveJson.result.id, inserted: false });
});

await test("update: what is derived follows", async () => {
	const { changed } = await editor.data(`mutation ($id: UUID!) { changed: updateBookmarkByRowId(input: {rowId: $id, bookmarkPatch: {
		url: "https://example.com/moved/", urlKey: "wrong", title: "Gardening for beginners", tags: ["plants", "home", "home"] } }) {
		bookmark { rowId url urlKey title tags } } }`, { id: saved.rowId });
	assert.deepEqual(changed.bookmark, {
		rowId: saved.rowId, url: "https://example.com/moved/", urlKey: "https://example.com/moved", title: "Gardening for beginners", tags: ["home", "plants"],
	});
	const { found } = await editor.data('{ found: bookmarksSearch(queryText: "gardening", matchCount: 1) { nodes { id fullTextRank } } }');
	assert.deepEqual(found.nodes, [{ id: saved.rowId, fullTextRank: 1 }]);
});

await test("errors, and rights: who may only read can search and not save", async () => {
	const count = async () => (await owner.query("SELECT count(*)::integer AS n FROM bookmarks")).rows[0].n;
	const before = await count();
	for (const search of [{ query: "x" }, { query_embedding: [1] }, [], { match_count: "many" }]) {
		assert.ok((await editor.ask("query ($s: JSON) { bookmarksSearchJson(arg0: $s) { nodes } }", { s: search })).errors);
	}
	assert.ok((await editor.ask(save, { input: { url: "" } })).errors);
	assert.ok((await editor.ask(save, { input: { url: "http://x.example", embedding: [1, 2] } })).errors);
	assert.ok((await reader.ask(save, { input: { url: "http://x.example" } })).errors);
	assert.equal((await reader.data('{ bookmarksSearch(queryText: "books") { nodes { url } } }')).bookmarksSearch.nodes[0].url, "https://www.gutenberg.org/");
	assert.equal(await count(), before);
});

await editor.close();
await reader.close();

// PostgREST turns the keys of a body into arguments, runs what is not volatile READ ONLY,
// and gives a function with one unnamed JSON argument the body as it is.
const rest = new pg.Client({ user: "graphql_reader" });
await rest.connect();

async function post(name, types, body) {
	const keys = Object.keys(types).filter((key) => key in body);
	const call = keys.length > 0
		? `SELECT f.* FROM (SELECT $1::json AS data) AS p,
			LATERAL (SELECT * FROM json_to_record(p.data) AS _ (${keys.map((key) => `"${key}" ${types[key]}`).join(", ")}) LIMIT 1) AS b,
			LATERAL "public"."${name}"(${keys.map((key) => `"${key}" := b."${key}"`).join(", ")}) AS f`
		: `SELECT f AS scalar FROM "public"."${name}"($1::jsonb) AS f`;
	const { rows } = await owner.query("SELECT provolatile FROM pg_proc WHERE oid = $1::regproc", [`public.${name}`]);
	await rest.query(rows[0].provolatile === "v" ? "BEGIN READ WRITE" : "BEGIN READ ONLY");
	try {
		return (await rest.query(`SELECT coalesce(json_agg(${keys.length > 0 ? "t" : "t.scalar"}), '[]') AS body FROM (${call}) AS t`, [JSON.stringify(body)])).rows[0].body;
	} finally {
		await rest.query("COMMIT");
	}
}

const match = { query_embedding: "vector", match_count: "integer", filter: "jsonb" };

await test("PostgREST's calls of match_documents and kw_match_documents", async () => {
	const { rows } = await owner.query("SELECT embedding::real[] AS embedding FROM bookmarks WHERE title LIKE 'Introduction%'");
	const query_embedding = rows[0].embedding;
	const nearest = await post("match_documents", match, { query_embedding, match_count: 2, filter: { lang: "en" } });
	assert.deepEqual(Object.keys(nearest[0]), ["id", "content", "metadata", "embedding", "similarity"]);
	assert.deepEqual(nearest.map((row) => row.metadata.title), ["Introduction to GraphQL", "PostgreSQL documentation"]);
	assert.ok(nearest[0].similarity > 0.999 && nearest[1].similarity < nearest[0].similarity);
	assert.deepEqual(JSON.parse(nearest[0].embedding), query_embedding);
	assert.equal((await post("match_documents", match, { query_embedding })).length, 5);
	const words = await post("kw_match_documents", { query_text: "text", match_count: "integer" }, { query_text: "manual", match_count: 4 });
	assert.deepEqual(words.map((row) => row.metadata.url), ["https://www.postgresql.org/docs/"]);
});

await test("PostgREST's calls of search and save", async () => {
	assert.equal((await post("bookmarks_search", { query_text: "text", match_count: "integer" }, { query_text: "books", match_count: 1 }))[0].title, "Project Gutenberg");
	assert.equal((await post("bookmarks_search_json", {}, { query_text: "books", match_count: 1 }))[0].title, "Project Gutenberg");
	await assert.rejects(post("bookmarks_save", { url: "text" }, { url: "http://x.example" }), { code: "42501" });
	await owner.query("GRANT INSERT, UPDATE ON bookmarks TO graphql_reader");
	assert.equal((await post("bookmarks_save", { url: "text", tags: "text[]" }, { url: "http://x.example", tags: ["t"] }))[0].url, "http://x.example");
	assert.equal((await post("bookmarks_save_json", {}, { url: "http://x.example/#y" }))[0].inserted, false);
});

await test("with the cast to json a vector is an array, without it a string", async () => {
	const first = async () => typeof (await post("match_documents", match, { query_embedding: Array(64).fill(1), match_count: 1 }))[0].embedding;
	assert.equal(await first(), "string");
	await owner.query("CREATE CAST (vector AS json) WITH FUNCTION vecmark.vector_to_json(vector)");
	assert.equal(await first(), "object");
	await owner.query("DROP CAST (vector AS json)");
	assert.equal(await first(), "string");
});

await rest.end();
await owner.query(`
	DROP OWNED BY graphql_reader, graphql_editor;
	DROP ROLE graphql_reader, graphql_editor;`);
await owner.end();
console.log(`1..${tests}`);
