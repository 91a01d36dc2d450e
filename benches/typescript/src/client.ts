import assert from "node:assert/strict";
import { type Dispatcher, request, fetch as undiciFetch } from "undici";
import { type Inbound, inbounds } from "./inbound";
import type { Fetch, Headers, Instrument } from "./instrument";
import type { Workload } from "./measure";
import { checkOutgoing } from "./server";
import { Wire } from "./wire";

/** Which client makes the call. */
export type ClientKind = "fetch" | "undici";

/** Local, so that clocks go there. */
const LOCAL = "http://billing.internal/charges/17";
/** Public, so that none do. */
const PUBLIC = "http://billing.example/charges/17";

/** Makes a call and reads its answer. */
type Call = (headers: Record<string, string>) => Promise<unknown>;

/** Calls from handlers of different requests, over a connection in this process. */
export class Calls implements Workload {
	private readonly wire = new Wire();
	private readonly call: Call;
	private readonly inbounds: Inbound[];

	constructor(
		kind: ClientKind,
		private readonly tool: Instrument,
		/** Hops of the clock that the request came with; 0: clocks are withheld. */
		private readonly hops: number,
	) {
		const url = hops === 0 ? PUBLIC : LOCAL;
		this.inbounds = inbounds(hops);
		const agent = this.wire.agent();
		this.call =
			kind === "fetch"
				? byFetch(url, tool.fetch(fetchBy(agent)))
				: byRequest(url, tool.dispatcher(agent));
	}

	async check(): Promise<void> {
		for (const inbound of this.inbounds) {
			await this.handlerOf(inbound)();
			const headers = headersOf(this.wire.request);
			if (this.tool.carries) {
				assert.equal(headers.traceparent, inbound.traceparent);
				assert.equal(headers["raceway-clock"], inbound.clock);
				continue;
			}
			checkOutgoing(headers, inbound, this.tool.flags);
			const clock = headers["raceway-clock"];
			if (this.hops === 0) assert.equal(clock, undefined);
			else {
				assert.ok(clock?.startsWith(inbound.clock?.split(";x", 1)[0] ?? ""));
				assert.equal(clock?.split(", ").length, this.hops + 2);
			}
		}
	}

	prepare(from: number, to: number): () => Promise<void> {
		const inbounds = this.inbounds.slice(from, to);
		const handlers = inbounds.map((inbound) => this.handlerOf(inbound));
		return async () => {
			for (const handler of handlers) await handler();
		};
	}

	/** A handler that makes the call. */
	private handlerOf(inbound: Inbound): () => Promise<unknown> {
		const { tool, call } = this;
		const entered = tool.entered(inbound);
		const { traceparent, tracestate = "", clock = "" } = inbound;
		const carried = { traceparent, tracestate, "raceway-clock": clock };
		const headers = tool.carries ? { ...HEADERS, ...carried } : HEADERS;
		return () => entered(() => call(headers));
	}

	async finish(): Promise<void> {
		await this.tool.finish?.();
	}
}

/** Undici's `fetch`, whose types are not quite those of the global one. */
function fetchBy(dispatcher: Dispatcher): Fetch {
	const fetch = undiciFetch as (input: string, init: object) => unknown;
	return (input, init) =>
		fetch(String(input), { ...init, dispatcher }) as Promise<Response>;
}

function byFetch(url: string, fetch: Fetch): Call {
	return async (headers) => (await fetch(url, { headers })).text();
}

function byRequest(url: string, dispatcher: Dispatcher): Call {
	return async (headers) =>
		(await request(url, { dispatcher, headers })).body.text();
}

/** What a caller sets by itself. */
const HEADERS = { accept: "application/json" };

function headersOf(head: string): Headers {
	const lines = head.split("\r\n").slice(1);
	return Object.fromEntries(
		lines.map((line) => {
			const [name = "", ...value] = line.split(": ");
			return [name.toLowerCase(), value.join(": ")];
		}),
	);
}
