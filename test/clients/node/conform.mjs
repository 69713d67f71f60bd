// conform.mjs: what every client is asked, and the answers.
//
// A client is an object that does each thing in its library's own idiom:
//   sql(text)                           rows of a query as it is
//   createExtension(name)
//   createTable()                       items (id, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))
//   insert(rows), update(id, changes), remove(id)
//   all()                               rows in the order of id: arrays, text and SparseVector
//   createIndex(name, column, opclass, method)
//   nearest(column, operator, value)    identifiers of the four nearest rows
//   within(column, operator, value, bound)  of the rows nearer than that, except row 1, the nearest first
//   more                                tests of its own, name and function
//   close()
// An operator is given by its name in SQL.
import assert from "node:assert/strict";
import { SparseVector } from "pgvector";

export const extension = process.env.CLIENT_EXTENSION;

let failed = false;

export async function test(name, body) {
	try {
		await body();
		console.log(`ok - ${name}`);
	} catch (error) {
		failed = true;
		console.log(`not ok - ${name}`);
		console.log(String(error.stack ?? error));
	}
}

// The four distances put them in four orders.
function row(id, point, bits) {
	return { id, embedding: point, half: point, bits, sparse: point && new SparseVector(point) };
}

const rows = [
	row(1, [1, 1, 1], "101"),
	row(2, [2, 2, 3], "111"),
	row(3, [1, 1, 2], "011"),
	row(4, [-0.375, -0.375, 2.375], "010"),
	row(5, null, null),
];
const query = { embedding: [1, 1, 1], half: [1, 1, 1], bits: "101", sparse: new SparseVector([1, 1, 1]) };
const orders = [
	{ operator: "<->", name: "l2", order: [1, 3, 4, 2], bound: 2.4, within: [3, 4] },
	{ operator: "<#>", name: "ip", order: [2, 3, 1, 4], bound: -2, within: [2, 3] },
	{ operator: "<=>", name: "cosine", order: [1, 2, 3, 4], bound: 0.1, within: [2, 3] },
	{ operator: "<+>", name: "l1", order: [1, 3, 2, 4], bound: 4.1, within: [3, 2] },
];
const bitOrders = [
	{ operator: "<~>", name: "hamming", order: [1, 2, 3, 4], bound: 2, within: [2] },
	{ operator: "<%>", name: "jaccard", order: [1, 2, 3, 4], bound: 0.9, within: [2, 3] },
];
const types = { embedding: "vector", half: "halfvec", sparse: "sparsevec", bits: "bit" };
export const cases = Object.entries(types).flatMap(([column, type]) =>
	(column === "bits" ? bitOrders : orders).map((one) => ({ ...one, column, type, opclass: `${type}_${one.name}_ops`, index: `items_${column}_${one.name}` })));
export const ivfflat = cases.filter(({ type, name }) => type !== "sparsevec" && !["l1", "jaccard"].includes(name));

function literal(value) {
	return Array.isArray(value) ? JSON.stringify(value) : String(value);
}

// Libraries hand the server's error on inside their own.
export function refused(promise, message, sqlstate) {
	return assert.rejects(promise, (error) => {
		const told = [error, error.cause, error.original, error.driverError, error.nativeError, error.meta, error.meta?.driverAdapterError?.cause];
		assert.ok(told.some((one) => message.test(one?.message) || message.test(one?.originalMessage)), `not refused as it should be: ${error.stack}`);
		assert.ok(told.some((one) => one?.code === sqlstate || one?.originalCode === sqlstate), `not SQLSTATE ${sqlstate}`);
		return true;
	});
}

export async function conform(client) {
	async function search(what) {
		for (const { column, operator, order, bound, within } of what) {
			assert.deepEqual(await client.nearest(column, operator, query[column]), order, `${column} ${operator}`);
			assert.deepEqual(await client.within(column, operator, query[column], bound), within, `${column} ${operator} nearer than ${bound}`);
		}
	}

	async function takesIndex({ index, column, operator }, name = index) {
		const plan = await client.sql(`EXPLAIN SELECT id FROM items ORDER BY ${column} ${operator} '${literal(query[column])}' LIMIT 4`);
		assert.match(JSON.stringify(plan), new RegExp(`Index Scan using ${name} `));
	}

	const names = async () => (await client.sql("SELECT extname::text FROM pg_extension WHERE extname IN ('vecmark', 'vector') ORDER BY 1")).map((one) => one.extname);

	await test("create extension, and again", async () => {
		await client.createExtension(extension);
		await client.createExtension(extension);
	});

	await test("create a table", async () => {
		await client.createTable();
		const columns = await client.sql("SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 1 ORDER BY attnum");
		assert.deepEqual(columns.map(({ name, type }) => [name, type]), [["embedding", "vector(3)"], ["half", "halfvec(3)"], ["bits", "bit(3)"], ["sparse", "sparsevec(3)"]]);
	});

	await test("insert, and read the same", async () => {
		await client.insert(rows);
		assert.deepEqual(await client.all(), rows);
		const stored = await client.sql("SELECT id::integer, embedding::text AS e, half::text AS h, sparse::text AS s FROM items ORDER BY id LIMIT 2");
		assert.deepEqual(stored.map(({ e, h, s }) => [e, h, s]), [["[1,1,1]", "[1,1,1]", "{1:1,2:1,3:1}/3"], ["[2,2,3]", "[2,2,3]", "{1:2,2:2,3:3}/3"]]);
	});

	await test("nearest rows, every operator, exact", () => search(cases));

	await test("hnsw indexes, every operator class", async () => {
		for (const { index, column, opclass } of cases) {
			await client.createIndex(index, column, opclass, "hnsw");
		}
		await client.sql("SET enable_seqscan = off");
		await client.sql("SET enable_sort = off");
		for (const one of cases) {
			await takesIndex(one);
		}
	});

	await test("nearest rows, every operator, by index", () => search(cases));

	await test("hnsw settings", async () => {
		await client.sql("SET hnsw.ef_search = 100");
		await client.sql("SET hnsw.iterative_scan = strict_order");
		assert.equal((await client.sql("SELECT current_setting('hnsw.ef_search') AS ef"))[0].ef, "100");
		await search(cases);
	});

	await test("update and delete", async () => {
		const far = { embedding: [9, 9, 9], half: [9, 9, 9], bits: "000", sparse: new SparseVector(new Map([[1, 9.5]]), 3) };
		await client.update(3, far);
		await client.update(4, { embedding: null, half: null, bits: null, sparse: null });
		await client.update(5, { embedding: [1, 1, 1.5], half: [1, 1, 1.5], bits: "001", sparse: new SparseVector({ 2: 1.5 }, 3) });
		await client.remove(2);
		assert.deepEqual(await client.all(), [
			rows[0],
			{ id: 3, ...far },
			row(4, null, null),
			{ id: 5, embedding: [1, 1, 1.5], half: [1, 1, 1.5], bits: "001", sparse: new SparseVector({ 2: 1.5 }, 3) },
		]);
		for (const column of ["embedding", "half", "sparse"]) {
			// the sparse row 5 lies at a square distance of 2.25, row 3 far away
			assert.deepEqual(await client.nearest(column, "<->", query[column]), [1, 5, 3], column);
		}
		assert.deepEqual(await client.nearest("bits", "<~>", "101"), [1, 5, 3], "bits");
	});

	await test("ivfflat indexes", async () => {
		for (const { index } of cases) {
			await client.sql(`DROP INDEX ${index}`);
		}
		await client.sql("DELETE FROM items");
		await client.insert(rows);
		for (const { index, column, opclass } of ivfflat) {
			await client.createIndex(`${index}_lists`, column, opclass, "ivfflat");
		}
		await client.sql("SET ivfflat.probes = 100");
		for (const one of ivfflat) {
			await takesIndex(one, `${one.index}_lists`);
		}
		await search(ivfflat);
	});

	await test("aggregates, functions and casts", async () => {
		const [got] = await client.sql(`SELECT avg(embedding)::text AS a, sum(half)::text AS b, max(vector_dims(embedding)) AS c,
			min(l2_distance(embedding, '[1,1,1]')) AS d, max(binary_quantize(embedding)::text) AS e, max((embedding::halfvec(3)::vector(3)::sparsevec)::text) FILTER (WHERE id = 1) AS f,
			max(subvector(l2_normalize(embedding), 1, 1)::text) FILTER (WHERE id = 1) AS g FROM items WHERE id < 4`);
		assert.deepEqual(got, { a: "[1.3333334,1.3333334,2]", b: "[4,4,6]", c: 3, d: 0, e: "111", f: "{1:1,2:1,3:1}/3", g: "[0.57735026]" });
	});

	await test("what is wrong is refused", async () => {
		await refused(client.insert([{ ...rows[0], id: 6, embedding: [1, 2] }]), /expected 3 dimensions, not 2/, "22000");
		await refused(client.insert([{ ...rows[0], id: 6, half: [1, 2, 70000] }]), /"70000" is out of range for type halfvec/, "22003");
		await refused(client.insert([{ ...rows[0], id: 6, sparse: new SparseVector([1, 2, 3, 4]) }]), /expected 3 dimensions, not 4/, "22000");
		await refused(client.nearest("embedding", "<->", [1, 2]), /different vector dimensions/, "22000");
		assert.equal((await client.all()).length, 5);
	});

	for (const [name, body] of Object.entries(client.more ?? {})) {
		await test(name, body);
	}

	await test("extensions are those asked for", async () => {
		assert.deepEqual(await names(), extension === "vecmark" ? ["vecmark"] : ["vecmark", "vector"]);
	});
	await client.close();
	process.exitCode = failed ? 1 : 0;
}
