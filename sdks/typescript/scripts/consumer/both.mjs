// The ESM and the CommonJS build in one process: one current context, one default instance.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import * as esm from "towline";

const cjs = createRequire(import.meta.url)("towline");
assert.notEqual(esm.current, cjs.current);
assert.deepEqual(Object.keys(esm).sort(), Object.keys(cjs).sort());

console.info = () => {};
assert.equal(esm.Towline.default(), cjs.Towline.default());

const instance = new esm.Towline({ serviceName: "both", instance: "1" });
const server = createServer(
	// The inner one is of the other build, and sees that its request is served.
	esm.withTowline(
		cjs.withTowline(async (_req, res) => {
			assert.equal(esm.current(), cjs.current());
			const spans = await Promise.all([
				cjs.fork(() => esm.current().spanId),
				esm.fork(() => cjs.current().spanId),
			]);
			assert.equal(new Set([esm.current().spanId, ...spans]).size, 3);
			assert.match(
				cjs.current().stamp().format(),
				/^v2;t=[0-9a-f]{8}, both#1\/[0-9a-f]{8}:5$/,
			);
			const fake = async (_url, { headers }) => Response.json(headers);
			const wrapped = esm.wrapFetch(cjs.wrapFetch(fake));
			const headers = await (await wrapped("http://localhost/")).json();
			res.end(headers.traceparent);
		}, instance),
		instance,
	),
);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
assert.match(await answer.text(), /^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
assert.equal(instance.counters.get("strand_start"), 3);
assert.equal(instance.counters.get("call_sent"), 1);
server.close();
server.closeAllConnections();

const clock = cjs.Clock.parse("v2;t=1c80319c, a#1/00000001:2");
assert.equal(
	esm.Clock.parse("v2;t=1c80319c, a#1/00000001:1").compare(clock),
	"before",
);
