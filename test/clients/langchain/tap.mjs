// tap.mjs: tests of both programs.
import assert from "node:assert/strict";
import pg from "pg";

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

export const owner = new pg.Client();
await owner.connect();
if (extension === "vecmark") {
	await owner.query("CREATE EXTENSION vecmark");
}

export async function finish() {
	await test("extensions are those asked for", async () => {
		const { rows } = await owner.query("SELECT array_agg(extname::text ORDER BY extname) AS names FROM pg_extension WHERE extname IN ('vecmark', 'vector')");
		assert.deepEqual(rows[0].names, extension === "vecmark" ? ["vecmark"] : ["vecmark", "vector"]);
	});
	await owner.end();
	process.exitCode = failed ? 1 : 0;
}
