import { HEADER_NAMES } from "./call.js";

type Value = string | string[] | number | undefined;

/** Headers as undici takes them: names and values in turn, an object, or pairs. */
export type UndiciHeaders =
	| readonly Value[]
	| Readonly<Record<string, Value>>
	| Iterable<readonly [string, Value]>
	| null
	| undefined;

/** The value of a field; undefined where there is none. */
export function fieldOf(
	headers: UndiciHeaders,
	wanted: string,
): string | undefined {
	for (const [name, value] of pairsOf(headers)) {
		if (name.toLowerCase() === wanted && value !== undefined) {
			return String(value);
		}
	}
	return undefined;
}

/** `headers` with `ours` in the place of any that the caller set by hand; a list stays one. */
export function replaceFields(
	headers: UndiciHeaders,
	ours: Readonly<Record<string, string>>,
): UndiciHeaders {
	const kept = pairsOf(headers).filter(
		([name]) => !HEADER_NAMES.has(name.toLowerCase()),
	);
	const all = [...kept, ...Object.entries(ours)];
	return Array.isArray(headers) ? all.flat(1) : Object.fromEntries(all);
}

function pairsOf(headers: UndiciHeaders): (readonly [string, Value])[] {
	if (!headers) return [];
	if (Array.isArray(headers)) {
		const pairs: [string, Value][] = [];
		for (let i = 0; i < headers.length; i += 2) {
			pairs.push([String(headers[i]), headers[i + 1]]);
		}
		return pairs;
	}
	return Symbol.iterator in headers
		? [...(headers as Iterable<readonly [string, Value]>)]
		: Object.entries(headers);
}
