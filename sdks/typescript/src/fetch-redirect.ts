import type { FetchHeaders } from "./client-headers.js";

/** Redirects that one call follows, as browsers do. */
const REDIRECTS_MAX = 20;

/** What answers a redirect. */
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Header fields that describe a body, and go with it. */
const BODY_FIELDS: readonly string[] = [
	"content-encoding",
	"content-language",
	"content-location",
	"content-type",
	"content-length",
];

/** Header fields that are meant for one origin. */
const ORIGIN_FIELDS: readonly string[] = [
	"authorization",
	"proxy-authorization",
	"cookie",
	"host",
];

/** A body as `fetch` takes it. */
export type FetchBody = NonNullable<RequestInit["body"]>;

/** One request of a call: the first, or one that follows a redirect. */
export interface Leg {
	readonly url: string;
	readonly method: string;
	readonly headers: FetchHeaders | undefined;
	/** The body to send; undefined: none, or that of the `Request` itself. */
	readonly body: FetchBody | null | undefined;
}

/** Gives a body anew. */
export type Replay = () => Promise<FetchBody | null>;

/** Is this an answer that `fetch` would follow? */
export function isRedirect(response: Response): boolean {
	return (
		REDIRECTS.includes(response.status) && response.headers.has("location")
	);
}

/**
 * The request that follows a redirect.
 *
 * Source: Fetch Standard, "HTTP-redirect fetch".
 *
 * @param count redirects followed before.
 * @param replay gives the body anew; undefined where it cannot be sent again.
 */
export async function nextLeg(
	leg: Leg,
	response: Response,
	count: number,
	replay: Replay | undefined,
): Promise<Leg> {
	if (count >= REDIRECTS_MAX) throw failure("redirect count exceeded");
	const from = new URL(leg.url);
	const url = locationOf(from, response);
	const { status } = response;
	const method = leg.method.toUpperCase();
	const isPost = method === "POST";
	const isSafe = method === "GET" || method === "HEAD";
	const becomesGet =
		((status === 301 || status === 302) && isPost) ||
		(status === 303 && !isSafe);
	if (status !== 303 && replay === undefined) {
		throw failure("a streamed body cannot be sent again");
	}
	const dropped = [
		...(becomesGet ? BODY_FIELDS : []),
		...(url.origin === from.origin ? [] : ORIGIN_FIELDS),
	];
	return {
		url: url.href,
		method: becomesGet ? "GET" : leg.method,
		headers: without(leg.headers, dropped),
		body: becomesGet || replay === undefined ? null : await replay(),
	};
}

function locationOf(from: URL, response: Response): URL {
	let url: URL;
	try {
		url = new URL(response.headers.get("location") ?? "", from);
	} catch {
		throw failure("invalid redirect URL");
	}
	if (url.protocol !== "http:" && url.protocol !== "https:") {
		throw failure("URL scheme must be a HTTP(S) scheme");
	}
	if ((url.username || url.password) && url.origin !== from.origin) {
		throw failure("cross origin redirect with credentials");
	}
	if (url.hash === "") url.hash = from.hash;
	return url;
}

function without(
	headers: FetchHeaders | undefined,
	names: readonly string[],
): FetchHeaders | undefined {
	if (headers === undefined || names.length === 0) return headers;
	const left = new Headers(headers);
	for (const name of names) left.delete(name);
	return left;
}

/** What `fetch` rejects with where the network, or a redirect, fails. */
function failure(message: string): TypeError {
	return new TypeError("fetch failed", { cause: new Error(message) });
}
