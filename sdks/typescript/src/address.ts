import { isIP } from "node:net";

/** An IP address as a number, and how many bits it has. IPv4 mapped into IPv6 is IPv4. */
export interface Address {
	readonly bits: 32 | 128;
	readonly value: bigint;
}

const MAPPED = 0xffffn;

/** Reads an IPv4 or IPv6 address, without brackets; a zone is dropped. */
export function parseAddress(text: string): Address | undefined {
	const version = isIP(text);
	if (version === 4) return { bits: 32, value: ipv4(text) };
	if (version !== 6) return undefined;
	const value = ipv6(text.split("%", 1)[0] ?? "");
	return value >> 32n === MAPPED
		? { bits: 32, value: value & 0xffffffffn }
		: { bits: 128, value };
}

function ipv4(text: string): bigint {
	return text.split(".").reduce((n, part) => (n << 8n) | BigInt(part), 0n);
}

function ipv6(text: string): bigint {
	const [head = "", tail] = text.split("::");
	const front = groups(head);
	const back = tail === undefined ? [] : groups(tail);
	const zeros = Array<bigint>(8 - front.length - back.length).fill(0n);
	return [...front, ...zeros, ...back].reduce((n, g) => (n << 16n) | g, 0n);
}

/** The 16-bit groups of a part of an address; the last may be a dotted IPv4. */
function groups(part: string): bigint[] {
	if (part === "") return [];
	return part.split(":").flatMap((group) => {
		if (!group.includes(".")) return [BigInt(`0x${group}`)];
		const value = ipv4(group);
		return [value >> 16n, value & 0xffffn];
	});
}
