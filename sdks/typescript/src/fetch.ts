import { type Call, isHandedOver } from "./call.js";
import { replaceHeaders, traceparentOf } from "./client-headers.js";
import { current } from "./current.js";
import {
	type FetchBody,
	isRedirect,
	type Leg,
	nextLeg,
	type Replay,
} from "./fetch-redirect.js";
import { TIMER_MS_MAX, timeoutError } from "./lifetime.js";
import { hostOfUrl } from "./origin.js";
import { Towline, type TowlineArgument, towlineOf } from "./towline.js";

/** The part of `fetch` that is wrapped. */
type Fetch = typeof globalThis.fetch;

/**
 * A `fetch` whose every attempt carries the current trace and clock.
 *
 * Redirects are followed here, since whether a clock may go out is decided anew
 * for each host: each is an attempt of its own. (A `Request` with a body is
 * cloned for that; `redirect: "manual"` spares a large one the copy.)
 *
 * @param fetch the one to call, `globalThis.fetch` as a rule.
 * @param argument settings, or an instance; without one, that of the current
 *   context, and where there is none, that of the process.
 *
 * @example
 * const call = wrapFetch(fetch);
 * const answer = await call("http://stock.internal/items/1");
 */
export function wrapFetch(fetch: Fetch, argument?: TowlineArgument): Fetch {
	const given = argument === undefined ? undefined : towlineOf(argument);
	return (input, init) => {
		const towline = given ?? current()?.towline ?? Towline.default();
		const request = isRequest(input) ? input : undefined;
		const url = request?.url ?? String(input);
		const headers = init?.headers ?? request?.headers;
		if (
			hostOfUrl(url) === "" || // `fetch` says what is wrong
			towline.config.disabled ||
			isHandedOver(() => traceparentOf(headers))
		) {
			return fetch(input, init);
		}
		const method = init?.method ?? request?.method ?? "GET";
		const leg = { url, method, headers, body: init?.body };
		return new TracedFetch(fetch, towline, request, init, leg).run();
	};
}

/** One call of a wrapped `fetch`, through all its redirects. */
class TracedFetch {
	constructor(
		private readonly fetch: Fetch,
		private readonly towline: Towline,
		private readonly request: Request | undefined,
		private readonly init: RequestInit | undefined,
		private readonly first: Leg,
	) {}

	/** All in one function: each promise more costs 1 µs where a context is current. */
	async run(): Promise<Response> {
		const { request, init } = this;
		const redirect = init?.redirect ?? request?.redirect ?? "follow";
		// It would be held against the body of a redirect, too. So `fetch` follows
		// then, to hosts that are not known here.
		const isChecked = Boolean(init?.integrity || request?.integrity);
		const follows = redirect === "follow" && !isChecked;
		const withoutClock = redirect === "follow" && isChecked;
		const replay = follows ? bodyReplay(request, init?.body) : undefined;
		let leg = this.first;
		let input = request ?? leg.url;
		let changes: RequestInit = follows ? MANUAL : {};
		for (let count = 0; ; count++) {
			if (!this.towline.hasTime()) throw timeoutError("no time is left");
			const { method } = leg;
			const about = { withoutClock, resendCount: count, method };
			const call = this.towline.begin(hostOfUrl(leg.url), about);
			const headers = replaceHeaders(leg.headers, call);
			if (call.left !== undefined) {
				changes = { ...changes, signal: limited(init, request, call.left) };
			}
			call.handOver();
			let response: Response;
			try {
				const options = { ...init, ...changes, headers };
				response = await call.run(() => this.fetch(input, options));
			} catch (error) {
				const signal = init?.signal ?? request?.signal;
				call.failed(signal?.aborted ? "cancelled" : "error");
				throw error;
			}
			const hops = call.isProbed ? response.headers.get("towline-hops") : null;
			call.answered(clocksOf(response, call), response.status, hops);
			call.bodyEnded(); // the body is the caller's to read
			if (count > 0) {
				Object.defineProperty(response, "redirected", { value: true });
			}
			if (!follows || !isRedirect(response)) return response;
			await response.body?.cancel().catch(() => {});
			leg = await nextLeg(leg, response, count, replay);
			input = leg.url;
			changes = {
				...(request && carriedOver(request)),
				...MANUAL,
				method: leg.method,
				body: leg.body ?? null,
			};
		}
	}
}

const MANUAL: RequestInit = { redirect: "manual" };

/** Aborts as the caller asks, or when the time is over. */
function limited(
	init: RequestInit | undefined,
	request: Request | undefined,
	left: number,
): AbortSignal {
	const timeout = AbortSignal.timeout(Math.min(left, TIMER_MS_MAX));
	const signal = init?.signal ?? request?.signal;
	return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

/** The clocks on an answer; `Headers` joins several fields into one value. */
function clocksOf(
	response: Response,
	{ headers }: Call,
): string | readonly string[] | undefined {
	if (headers["raceway-clock"] === undefined) return undefined; // none is awaited
	const clocks = response.headers.get("raceway-clock");
	return clocks?.includes(", v2;")
		? clocks.split(/, (?=v2;)/)
		: (clocks ?? undefined);
}

/** How a body is sent again; undefined where it is a stream. */
function bodyReplay(
	request: Request | undefined,
	body: FetchBody | null | undefined,
): Replay | undefined {
	if (body === undefined && request?.body) {
		const copy = request.clone();
		let bytes: Promise<ArrayBuffer> | undefined;
		return () => {
			bytes ??= copy.arrayBuffer();
			return bytes;
		};
	}
	const isStream =
		typeof body === "object" &&
		body !== null &&
		(body instanceof ReadableStream || Symbol.asyncIterator in body);
	return isStream ? undefined : async () => body ?? null;
}

/** What a `Request` decided that holds for the requests that follow it, too. */
function carriedOver(request: Request): RequestInit {
	const { signal, credentials, keepalive, mode, referrerPolicy } = request;
	return { signal, credentials, keepalive, mode, referrerPolicy };
}

/** A `Request` of whichever implementation. */
function isRequest(input: unknown): input is Request {
	return typeof input === "object" && input !== null && "url" in input;
}
