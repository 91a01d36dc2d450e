import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import {
	type CallEndEvent,
	type CallEvent,
	type Observer,
	type StrandEndEvent,
	type StrandEvent,
	Towline,
	type TowlineOptions,
} from "../src/index.js";

export const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
export const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-03`;
/** A clock that asks for an answer. */
export const CLOCK = 'v2;t=1c80319c, up#1/00000001:2;x="2"';

/** A server on a free port of 127.0.0.1, stopped with the test; gives its URL. */
export async function listen(
	t: TestContext,
	listener: RequestListener | Server,
): Promise<string> {
	const server =
		typeof listener === "function" ? createServer(listener) : listener;
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Keeps all that it is told. */
export class Recorder implements Observer {
	readonly started: StrandEvent[] = [];
	readonly ended: StrandEndEvent[] = [];
	readonly sent: CallEvent[] = [];
	readonly answered: CallEndEvent[] = [];
	readonly dropped: string[] = [];

	onStrandStart(event: StrandEvent): void {
		this.started.push(event);
	}
	onStrandEnd(event: StrandEndEvent): void {
		this.ended.push(event);
	}
	onCallSent(event: CallEvent): void {
		this.sent.push(event);
	}
	onCallAnswered(event: CallEndEvent): void {
		this.answered.push(event);
	}
	onDropped(what: string, reason: string): void {
		this.dropped.push(`${what}/${reason}`);
	}
}

/** A quiet instance and what it tells. */
export function instance(options: TowlineOptions = {}) {
	const recorder = new Recorder();
	const lines: string[] = [];
	const towline = new Towline({
		serviceName: "ts",
		instance: "1",
		observers: [recorder],
		log: (line) => lines.push(line),
		...options,
	});
	return { towline, recorder, lines };
}

/** Waits until `isTrue`, at most five seconds. */
export async function until(isTrue: () => boolean): Promise<void> {
	const deadline = Date.now() + 5_000;
	while (!isTrue()) {
		if (Date.now() > deadline) throw new Error(`never: ${isTrue}`);
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** The last hop of a clock's text. */
export function lastHop(clock: string | null | undefined): string {
	return clock?.split(", ").at(-1) ?? "";
}
