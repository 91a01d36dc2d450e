const assert = require("node:assert/strict");
const { createServer } = require("node:http");

async function listen(listener) {
	const server = createServer(listener);
	await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
	const stop = () => {
		server.close();
		server.closeAllConnections();
	};
	return { url: `http://127.0.0.1:${server.address().port}/`, stop };
}

/** A client that calls a server that calls a server, with the package as it is given. */
async function chain({ current, Towline, withTowline, wrapFetch }) {
	const quiet = { log: () => {} };
	const [client, front, back] = ["client", "front", "back"].map(
		(serviceName) => new Towline({ ...quiet, serviceName, instance: "1" }),
	);
	const last = await listen(
		withTowline((_req, res) => res.end(current().stamp().format()), back),
	);
	const first = await listen(
		withTowline(
			async (_req, res) =>
				res.end(await (await wrapFetch(fetch)(last.url)).text()),
			front,
		),
	);
	const response = await wrapFetch(fetch, client)(first.url);
	const clock = await response.text();
	assert.match(
		clock,
		/^v2;t=[0-9a-f]{8}, client#1\/[0-9a-f]{8}:2, front#1\/[0-9a-f]{8}:2, back#1\/[0-9a-f]{8}:1$/,
	);
	for (const { counters } of [client, front, back]) {
		assert.equal(counters.get("strand_start"), 1);
		assert.equal(counters.get("answer/absent"), 0);
	}
	first.stop();
	last.stop();
}

module.exports = { chain };
if (require.main === module) chain(require("towline"));
