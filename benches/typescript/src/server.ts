import assert from "node:assert/strict";
import type { RequestListener, Server } from "node:http";
import { Clock } from "towline";
import { exchangeOf, serve } from "./exchange";
import { type Inbound, inbounds } from "./inbound";
import type { Headers, Instrument } from "./instrument";
import type { Workload } from "./measure";

/** Which framework the server is made with. */
export type Framework = "express" | "http";

/** A server, and a look into its handler. */
interface Watched {
	readonly server: Server;
	/** Called in the handler, where it is there. */
	look: (() => void) | undefined;
}

/** A server with one route; modules are loaded here, after what patches them. */
export function makeServer(framework: Framework, tool: Instrument): Watched {
	const { createServer } = require("node:http") as typeof import("node:http");
	const listener =
		framework === "express" ? expressApp(tool) : tool.listener(plain);
	const watched: Watched = { server: createServer(listener), look: undefined };
	function plain(...[, res]: Parameters<RequestListener>): void {
		watched.look?.();
		res.setHeader("content-type", "application/json");
		res.end('{"id":"17"}');
	}
	function expressApp({ middleware }: Instrument): RequestListener {
		const express = require("express") as typeof import("express");
		const app = express();
		if (middleware) app.use(middleware);
		app.get("/items/:id", (req, res) => {
			watched.look?.();
			res.json({ id: req.params.id });
		});
		return app;
	}
	return watched;
}

/** Requests that are served in this process, without sockets. */
export class InProcess implements Workload {
	private readonly watched: Watched;
	private readonly inbounds: Inbound[];

	constructor(
		framework: Framework,
		private readonly tool: Instrument,
		hops: number,
	) {
		this.watched = makeServer(framework, tool);
		this.inbounds = inbounds(hops);
	}

	async check(): Promise<void> {
		const { watched, tool } = this;
		for (const inbound of this.inbounds) {
			let outgoing: Headers | undefined;
			watched.look = () => {
				outgoing = tool.outgoing();
			};
			const written = await serve(watched.server, exchangeOf(inbound));
			assert.match(written, /^HTTP\/1\.1 200 OK\r\n/);
			assert.match(written, /\r\n\r\n\{"id":"17"\}$/);
			checkOutgoing(outgoing, inbound, tool.flags);
			if (tool.carries === undefined) checkAnswer(written, inbound);
		}
		watched.look = undefined;
	}

	prepare(from: number, to: number): () => Promise<void> {
		const { server } = this.watched;
		const inbounds = this.inbounds.slice(from, to);
		// Made one by one, in the measured time: kept ready, they would outlive
		// the young generation, and cost a multiple in garbage collection.
		return async () => {
			for (const inbound of inbounds) {
				await serve(server, exchangeOf(inbound));
			}
		};
	}

	async finish(): Promise<void> {
		await this.tool.finish?.();
	}
}

/** A call goes on with the trace, from a span of this service. */
export function checkOutgoing(
	outgoing: Headers | undefined,
	{ traceId, parentId }: Inbound,
	flags: Instrument["flags"],
): void {
	const { traceparent } = outgoing ?? {};
	if (flags === undefined) {
		assert.equal(traceparent, undefined);
		return;
	}
	const form = new RegExp(`^00-${traceId}-[0-9a-f]{16}-${flags}$`);
	assert.match(traceparent ?? "", form);
	assert.ok(!traceparent?.includes(parentId), "the caller's span goes on");
}

/** Whoever sent a clock gets the end of the handler's back. */
function checkAnswer(written: string, { traceId, clock }: Inbound): void {
	const answer = /\r\nraceway-clock: ([^\r]*)\r\n/.exec(written)?.[1];
	if (clock === undefined) {
		assert.equal(answer, undefined);
		return;
	}
	const sent = Clock.parse(clock);
	const ended = Clock.parse(answer ?? "", traceId.slice(24));
	assert.equal(sent.compare(ended), "before");
	assert.equal(ended.hops.length, sent.hops.length + 1);
	assert.ok(ended.ended, "the answer is not the end's");
}
