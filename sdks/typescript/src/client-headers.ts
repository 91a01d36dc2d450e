import { type CallHeaders, HEADER_NAMES } from "./call.js";

/** Headers as `fetch` takes them. */
export type FetchHeaders = NonNullable<RequestInit["headers"]>;

/** The `traceparent` that headers have already; undefined where they have none. */
export function traceparentOf(
	headers: FetchHeaders | undefined,
): string | undefined {
	if (headers === undefined) return undefined;
	if (!isPairs(headers)) {
		for (const [name, value] of Object.entries(headers)) {
			if (name.toLowerCase() === "traceparent") return String(value);
		}
		return undefined;
	}
	for (const [name, value] of headers) {
		if (name?.toLowerCase() === "traceparent") return value;
	}
	return undefined;
}

/** `headers` with those of a call in the place of any that the caller set by hand. */
export function replaceHeaders(
	headers: FetchHeaders | undefined,
	ours: CallHeaders,
): FetchHeaders {
	if (headers === undefined) return { ...ours };
	if (isPairs(headers)) {
		const pairs: [string, string][] = [];
		for (const [name = "", value = ""] of headers) {
			if (!HEADER_NAMES.has(name.toLowerCase())) pairs.push([name, value]);
		}
		return [...pairs, ...Object.entries(ours)];
	}
	const out: Record<string, string> = {};
	for (const [name, value] of Object.entries(headers)) {
		if (!HEADER_NAMES.has(name.toLowerCase())) out[name] = String(value);
	}
	return Object.assign(out, ours);
}

function isPairs(
	headers: FetchHeaders,
): headers is Iterable<string[]> & FetchHeaders {
	return Symbol.iterator in headers;
}
