import { IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { type Inbound, rawHeaders } from "./inbound";

/**
 * A connection that keeps what was written last, and is never slow. It has the
 * addresses that instrumentation asks for.
 */
class Sink extends Duplex {
	readonly remoteAddress = "127.0.0.1";
	readonly remotePort = 50_000;
	readonly localAddress = "127.0.0.1";
	readonly localPort = 8_080;
	written = "";

	constructor() {
		super({ decodeStrings: false });
	}

	override _read(): void {}

	override _write(chunk: unknown, _: unknown, done: () => void): void {
		this.written += chunk;
		done();
	}
}

const sink = new Sink();
const socket = sink as unknown as Socket;

/** Where Node's parser puts the header fields that it has read. */
interface Parsed {
	_addHeaderLines(fields: readonly string[], count: number): void;
}

/** A request as Node's parser makes it, and its response. */
export interface Exchange {
	readonly req: IncomingMessage;
	readonly res: ServerResponse;
}

export function exchangeOf(inbound: Inbound): Exchange {
	const req = new IncomingMessage(socket);
	req.method = "GET";
	req.url = "/items/17";
	req.httpVersion = "1.1";
	req.httpVersionMajor = 1;
	req.httpVersionMinor = 1;
	const raw = rawHeaders(inbound);
	(req as unknown as Parsed)._addHeaderLines(raw, raw.length);
	req.complete = true;
	const res = new ServerResponse(req);
	res.shouldKeepAlive = true;
	return { req, res };
}

/**
 * Serves a request as a connection does: the server emits it, and the response
 * closes when it has left. Gives what was written.
 */
export function serve(server: Server, { req, res }: Exchange): Promise<string> {
	return new Promise((resolve) => {
		sink.written = "";
		res.assignSocket(socket);
		res.on("finish", () => {
			res.detachSocket(socket);
			process.nextTick(() => {
				res.emit("close");
				resolve(sink.written);
			});
		});
		server.emit("request", req, res);
	});
}
