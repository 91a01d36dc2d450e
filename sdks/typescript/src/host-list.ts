import { type Address, parseAddress } from "./address.js";

/** A block of addresses: those whose first bits are these. */
interface Block {
	readonly bits: 32 | 128;
	readonly prefix: bigint;
	readonly shift: bigint;
}

/** Hosts, as a list names them. */
export interface HostRules {
	/** All hosts. */
	readonly all: boolean;
	/** Names that fit themselves and all below. */
	readonly suffixes: readonly string[];
	readonly blocks: readonly Block[];
	/** Names of one label. */
	readonly singleLabels: boolean;
	/** The entries that were understood, as they are told. */
	readonly entries: readonly string[];
}

/**
 * Reads a list: host suffixes, addresses, CIDR blocks or `*`. What is none of
 * these is left out and told to `warn`.
 */
export function readHostRules(
	entries: readonly string[],
	warn: (entry: string) => void,
): HostRules {
	const suffixes: string[] = [];
	const blocks: Block[] = [];
	const understood: string[] = [];
	let all = false;
	for (const entry of entries.map((e) => e.trim()).filter((e) => e !== "")) {
		const block = parseBlock(entry);
		const name = block === undefined ? hostOf(entry) : undefined;
		if (entry === "*") all = true;
		else if (block !== undefined) blocks.push(block);
		else if (name !== undefined && isName(name)) suffixes.push(name);
		else {
			warn(entry);
			continue;
		}
		understood.push(entry);
	}
	return { all, suffixes, blocks, singleLabels: false, entries: understood };
}

/** Any host, also one that cannot be read. */
export const ALL_HOSTS: HostRules = readHostRules(["*"], () => {});

/** What clocks are sent to, whatever else is listed: hosts that are not public. */
export const PRIVATE_HOSTS: HostRules = {
	...readHostRules(
		[
			...["127.0.0.0/8", "::1", "localhost"],
			...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
			...["169.254.0.0/16", "fe80::/10"],
			...["local", "internal", "svc", "cluster.local"],
		],
		() => {},
	),
	singleLabels: true,
	entries: ["local"],
};

/** Does one of the lists name `host`? Its case, a trailing dot and a port do not matter. */
export function isListed(host: string, lists: readonly HostRules[]): boolean {
	if (lists.some((rules) => rules.all)) return true; // one that cannot be read, too
	const name = hostOf(host);
	if (name === undefined) return false;
	const address = parseAddress(name);
	return lists.some((rules) =>
		address === undefined
			? fitsName(name, rules)
			: rules.blocks.some((block) => isInside(address, block)),
	);
}

function fitsName(name: string, rules: HostRules): boolean {
	if (rules.singleLabels && !name.includes(".")) return true;
	return rules.suffixes.some(
		(suffix) => name === suffix || name.endsWith(`.${suffix}`),
	);
}

function isInside(address: Address, block: Block): boolean {
	return (
		address.bits === block.bits && address.value >> block.shift === block.prefix
	);
}

/** `address` or `address/length`. */
function parseBlock(entry: string): Block | undefined {
	const [text = "", length, more] = entry.split("/");
	const address = parseAddress(text.replace(/^\[(.*)\]$/, "$1"));
	if (address === undefined || more !== undefined) return undefined;
	const bits =
		length === undefined ? address.bits : blockBits(length, text, address);
	if (bits === undefined) return undefined;
	const shift = BigInt(address.bits - bits);
	return { bits: address.bits, prefix: address.value >> shift, shift };
}

/** The length of a prefix; of a mapped IPv4 it is counted from bit 96. */
function blockBits(
	length: string,
	text: string,
	address: Address,
): number | undefined {
	if (!/^[0-9]{1,3}$/.test(length)) return undefined;
	const mapped = address.bits === 32 && text.includes(":") ? 96 : 0;
	const bits = Number(length) - mapped;
	return bits >= 0 && bits <= address.bits ? bits : undefined;
}

/**
 * The host of `name`, `name:port`, an address or `[address]:port`, as URLs
 * write it: lower case, IPv4 dotted whichever way it was written. Undefined
 * where it is no host.
 */
function hostOf(host: string): string | undefined {
	if (/[/?#@\\\s]/.test(host)) return undefined; // a URL, or part of one
	const isBareIpv6 = parseAddress(host) !== undefined && host.includes(":");
	try {
		const { hostname } = new URL(
			`http://${isBareIpv6 ? `[${host.split("%", 1)[0]}]` : host}`,
		);
		return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "") || undefined;
	} catch {
		return undefined;
	}
}

function isName(name: string): boolean {
	return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name);
}
