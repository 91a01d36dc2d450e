import { timingSafeEqual } from "node:crypto";
import { parseAddress } from "./address.js";

/** Who is told what was seen of a request. */
export interface ProbeMode {
	readonly name: "off" | "loopback" | "token";
	/** What a request must say; empty where nobody is told. */
	readonly token: string;
}

/** `off` in any case, else a token; without one, peers on this machine. */
export function probeMode(text: string | undefined): ProbeMode {
	const word = text?.toLowerCase();
	if (!text || word === "loopback") return { name: "loopback", token: "1" };
	if (word === "off") return { name: "off", token: "" };
	return { name: "token", token: text };
}

/**
 * Is a request with these fields `towline-probe` told what was seen?
 *
 * @param address asked for that of the peer, where it matters.
 */
export function isProbeAllowed(
	{ name, token }: ProbeMode,
	values: readonly string[],
	address: () => string,
): boolean {
	const [value] = values;
	if (name === "off" || value === undefined || values.length > 1) return false;
	if (!isEqual(value.trim(), token)) return false;
	return name === "token" || isLoopback(address());
}

/** Compares in a time that tells nothing of the token but its length. */
function isEqual(value: string, token: string): boolean {
	const [a, b] = [Buffer.from(value), Buffer.from(token)];
	return a.length === b.length && timingSafeEqual(a, b);
}

function isLoopback(text: string): boolean {
	const address = parseAddress(text);
	if (address === undefined) return false;
	return address.bits === 32
		? address.value >> 24n === 127n
		: address.value === 1n;
}
