import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestListener } from "node:http";
import type { Dispatcher } from "undici";
import type { Inbound } from "./inbound";

/** The part of `fetch` that is used. */
export type Fetch = typeof globalThis.fetch;

/** Headers by name, lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** What is put around servers and clients. */
export interface Instrument {
	/** Middleware for Express; what patches modules has none. */
	readonly middleware?: RequestListenerBefore | undefined;
	/** Around the listener of a plain server. */
	listener(handler: RequestListener): RequestListener;
	/** Around `fetch`. */
	fetch(fetch: Fetch): Fetch;
	/** Around a dispatcher of undici. */
	dispatcher(to: Dispatcher): Dispatcher;
	/** In a handler: the headers that a call would carry. */
	outgoing(): Headers;
	/** Runs work as the handler of a request with these headers would. */
	entered(inbound: Inbound): <T>(work: () => T) => T;
	/** Calls carry what came in, as it came: for what headers cost by themselves. */
	readonly carries?: true;
	/** The flags of a `traceparent` that goes out; undefined where none does. */
	readonly flags: "00" | "01" | undefined;
	/** Throws where what was recorded did not come through. */
	finish?(): Promise<void>;
}

/** Middleware, as Express takes it. */
export type RequestListenerBefore = (
	...args: [...Parameters<RequestListener>, next: () => void]
) => void;

/** Nothing at all. */
export const BARE: Instrument = {
	listener: (handler) => handler,
	fetch: (fetch) => fetch,
	dispatcher: (to) => to,
	outgoing: () => ({}),
	entered: () => (work) => work(),
	flags: undefined,
};

/** Nothing but the same headers on the wire. */
export const CARRIED: Instrument = { ...BARE, carries: true };

/** The same where something is current: the floor of whatever sends a clock from a handler. */
export function carriedInContext(): Instrument {
	const storage = new AsyncLocalStorage<Inbound>();
	return {
		...CARRIED,
		entered: (inbound) => (work) => storage.run(inbound, work),
	};
}
