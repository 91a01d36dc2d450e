// The interceptor with the undici that is installed: an attempt, and a redirect, which version 6
// would otherwise follow below.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Towline, withTowline } from "towline";
import { interceptor } from "towline/undici";
import { Agent, interceptors, request } from "undici";

const callee = new Towline({ serviceName: "callee", log: () => {} });
const caller = new Towline({ serviceName: "caller", log: () => {} });
const parents = new Set();
const server = createServer(
	withTowline((req, res) => {
		parents.add(req.headers.traceparent);
		if (req.url === "/redirect") res.writeHead(302, { location: "/" }).end();
		else res.end("data");
	}, callee),
);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}`;
const agent = new Agent();
const plain = agent.compose(interceptor(caller));
const redirecting = agent.compose(
	interceptor(caller),
	interceptors.redirect({ maxRedirections: 2 }),
);

const get = async (dispatcher, path, options) => {
	const { statusCode, body } = await request(url + path, {
		dispatcher,
		...options,
	});
	await body.text();
	return statusCode;
};
assert.equal(await get(plain, "/"), 200);
assert.equal(await get(plain, "/redirect"), 302);
assert.equal(await get(redirecting, "/redirect"), 200);
let attempts = 4;
if (process.versions && (await version()).startsWith("6.")) {
	assert.equal(await get(plain, "/redirect", { maxRedirections: 2 }), 200);
	attempts = 6;
}
assert.equal(parents.size, attempts);
assert.equal(caller.counters.get("call_answered"), attempts);
assert.equal(caller.counters.get("answer/absent"), 0);
await agent.close();
server.close();
server.closeAllConnections();

async function version() {
	const { default: described } = await import("undici/package.json", {
		with: { type: "json" },
	});
	return described.version;
}
