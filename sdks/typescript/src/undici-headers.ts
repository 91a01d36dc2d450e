import type { Call } from "./call.js";
import { fieldRule } from "./call-headers.js";

type Value = string | string[] | number | undefined;

/** Headers as undici takes them: names and values in turn, an object, or pairs. */
export type UndiciHeaders =
	| readonly Value[]
	| Readonly<Record<string, Value>>
	| Iterable<readonly [string, Value]>
	| null
	| undefined;

/** The `traceparent` that headers have already; undefined where they have none. */
export function traceparentIn(headers: UndiciHeaders): string | undefined {
	let found: string | undefined;
	each(headers, (name, value) => {
		if (name.toLowerCase() === "traceparent" && value !== undefined) {
			found ??= String(value);
		}
	});
	return found;
}

/**
 * `headers` with those of `call` in the place of any that the caller set by hand; a list
 * stays one. Where there is a clock, trailers are asked for, since the callee's
 * end may come behind the body.
 */
export function replaceFields(
	headers: UndiciHeaders,
	call: Call,
): UndiciHeaders {
	return Array.isArray(headers)
		? replaced(headers, call, [], pushField)
		: replaced(headers, call, {}, setField);
}

function replaced<To>(
	headers: UndiciHeaders,
	call: Call,
	to: To,
	add: (to: To, name: string, value: Value) => void,
): To {
	const { traceparent, tracestate, "raceway-clock": clock } = call.headers;
	let asks = clock !== undefined;
	let hasBaggage = false;
	each(headers, (name, value) => {
		const lower = name.toLowerCase();
		if (!call.keeps(lower)) return;
		if (lower === "baggage") hasBaggage = true;
		if (lower === "te" && value !== undefined) asks = false;
		add(to, name, value);
	});
	if (traceparent !== undefined) add(to, "traceparent", traceparent);
	if (tracestate !== undefined) add(to, "tracestate", tracestate);
	if (clock !== undefined) add(to, "raceway-clock", clock);
	if (asks) add(to, "te", "trailers");
	if (!call.carriesMore) return to;
	for (const [name, value] of Object.entries(call.headers)) {
		const isWritten =
			fieldRule(name) === "replaced" || (name === "baggage" && hasBaggage);
		if (!isWritten) add(to, name, value);
	}
	return to;
}

function pushField(to: Value[], name: string, value: Value): void {
	to.push(name, value);
}

function setField(to: Record<string, Value>, name: string, value: Value): void {
	to[name] = value;
}

/** Goes through header fields, whichever form they have. */
function each(
	headers: UndiciHeaders,
	visit: (name: string, value: Value) => void,
): void {
	if (!headers) return;
	if (Array.isArray(headers)) {
		for (let i = 0; i < headers.length; i += 2) {
			visit(String(headers[i]), headers[i + 1]);
		}
	} else if (Symbol.iterator in headers) {
		const pairs = headers as Iterable<readonly [string, Value]>;
		for (const [name, value] of pairs) visit(name, value);
	} else {
		const fields = headers as Readonly<Record<string, Value>>;
		for (const name of Object.keys(fields)) visit(name, fields[name]);
	}
}
