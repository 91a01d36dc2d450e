/**
 * The world that a snippet of the README runs in: `stock.internal` is there,
 * and a server that listens gets one request, whose answer is printed.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";

const listen = Server.prototype.listen;
const stock = createServer((req: IncomingMessage, res) => {
	assert.match(
		String(req.headers.traceparent),
		/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/,
	);
	assert.match(
		String(req.headers["raceway-clock"]),
		/^v2;t=[0-9a-f]{8}, .*;x="\d+(-\d+)?"$/,
	);
	res.end(JSON.stringify({ path: req.url }));
});
Reflect.apply(listen, stock, [0, "127.0.0.1"]);
await once(stock, "listening");
stock.unref();

const { fetch } = globalThis;
globalThis.fetch = (input, init) =>
	fetch(String(input).replace("http://stock.internal", urlOf(stock)), init);

Server.prototype.listen = function (this: Server) {
	Reflect.apply(listen, this, [0, "127.0.0.1"]);
	void ask(this);
	return this;
};

async function ask(server: Server): Promise<void> {
	await once(server, "listening");
	const response = await fetch(`${urlOf(server)}/items/1`);
	console.log(JSON.stringify([response.status, await response.text()]));
	server.close();
	server.closeAllConnections();
}

function urlOf(server: Server): string {
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
