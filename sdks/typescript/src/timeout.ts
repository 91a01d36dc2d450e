import { trimBlanks } from "./scan-clock.js";

/** Milliseconds in a unit of `grpc-timeout`. */
const UNITS: Readonly<Record<string, number>> = {
	H: 3_600_000,
	M: 60_000,
	S: 1000,
	m: 1,
};
/** How many of a unit are in a millisecond. */
const PARTS: Readonly<Record<string, number>> = { u: 1000, n: 1_000_000 };

/**
 * Milliseconds left by the fields `towline-timeout`, else `grpc-timeout`;
 * undefined where there is no limit.
 *
 * Source: edge.md, "Deadlines"; carriers.json.
 */
export function readTimeout(
	own: readonly string[],
	grpc: readonly string[],
): number | "malformed" | undefined {
	const values = own.length > 0 ? own : grpc;
	const [value] = values;
	if (value === undefined) return undefined;
	if (values.length > 1) return "malformed";
	const text = trimBlanks(value);
	return values === own ? readOwn(text) : readGrpc(text);
}

function readOwn(text: string): number | "malformed" {
	return /^[0-9]{1,8}$/.test(text) && Number(text) > 0
		? Number(text)
		: "malformed";
}

function readGrpc(text: string): number | "malformed" {
	const [, digits, unit = ""] = /^([0-9]{1,8})([HMSmun])$/.exec(text) ?? [];
	if (digits === undefined) return "malformed";
	const parts = PARTS[unit];
	return parts === undefined
		? Number(digits) * (UNITS[unit] ?? 1)
		: Math.floor(Number(digits) / parts);
}
