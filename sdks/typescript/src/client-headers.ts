import type { Call } from "./call.js";
import type { CallHeaders } from "./call-headers.js";

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
	call: Call,
): FetchHeaders {
	if (headers === undefined) return { ...call.headers };
	let ours: CallHeaders = call.headers;
	const isKept = (name: string) => {
		const lower = name.toLowerCase();
		if (!call.keeps(lower)) return false;
		if (lower === "baggage") ours = withoutBaggage(ours);
		return true;
	};
	if (isPairs(headers)) {
		const pairs: [string, string][] = [];
		for (const [name = "", value = ""] of headers) {
			if (isKept(name)) pairs.push([name, value]);
		}
		return [...pairs, ...Object.entries(ours)];
	}
	const out: Record<string, string> = {};
	for (const [name, value] of Object.entries(headers)) {
		if (isKept(name)) out[name] = String(value);
	}
	return Object.assign(out, ours);
}

/** The caller has set its own. */
function withoutBaggage({ baggage: _, ...others }: CallHeaders): CallHeaders {
	return others;
}

function isPairs(
	headers: FetchHeaders,
): headers is Iterable<string[]> & FetchHeaders {
	return Symbol.iterator in headers;
}
