import { isHex, trimBlanks } from "./scan-clock.js";

/** Why a trace restarts. `absent` covers an empty list of fields only. */
export type TraceparentReason =
	| "absent"
	| "duplicate"
	| "malformed"
	| "zero_id";

/** The bits of the flags that are kept: sampled 1, random 2. */
export const FLAGS_KNOWN = 3;

/** What a valid `traceparent` says. */
export interface Traceparent {
	readonly traceId: string;
	readonly parentId: string;
	readonly flags: number;
}

const DASH = 45;
const LENGTH = 55;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/**
 * Reads the values of all `traceparent` fields, or says why the trace restarts.
 *
 * Source: W3C Trace Context Level 2, "Traceparent Header"; trace-context.md,
 * "traceparent in"; trace-context.json.
 */
export function readTraceparent(
	values: readonly string[],
): Traceparent | TraceparentReason {
	const [value] = values;
	if (value === undefined) return "absent";
	if (values.length > 1 || value.includes(",")) return "duplicate";
	const text = trimBlanks(value);
	if (!hasShape(text)) return "malformed";
	const traceId = text.slice(3, 35);
	const parentId = text.slice(36, 52);
	if (traceId === NO_TRACE || parentId === NO_SPAN) return "zero_id";
	const flags = Number.parseInt(text.slice(53, LENGTH), 16) & FLAGS_KNOWN;
	return { traceId, parentId, flags };
}

/** Version 00 is exactly 55 long; a later one may go on behind a dash. */
function hasShape(text: string): boolean {
	return (
		isHex(text, 0, 2) &&
		isHex(text, 3, 35) &&
		isHex(text, 36, 52) &&
		isHex(text, 53, LENGTH) &&
		text.charCodeAt(2) === DASH &&
		text.charCodeAt(35) === DASH &&
		text.charCodeAt(52) === DASH &&
		!text.startsWith("ff") &&
		(text.length === LENGTH ||
			(!text.startsWith("00") && text.charCodeAt(LENGTH) === DASH))
	);
}

/** The header of version 00. */
export function writeTraceparent(
	traceId: string,
	spanId: string,
	flags: number,
): string {
	return `00-${traceId}-${spanId}-0${flags & FLAGS_KNOWN}`;
}
