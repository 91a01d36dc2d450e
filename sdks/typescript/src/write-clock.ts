import { type ClockTree, type Hop, spineOf } from "./clock-tree.js";
import { type ForkRun, type Known, knownOf } from "./known.js";
import { quoteLabel } from "./label.js";

/** How a clock begins: the version and the trace. */
export function writeHead(trace: string): string {
	return `v2;t=${trace}`;
}

/** A hop up to its tick: `service#instance/nonce:`. */
export function writeLabels(
	service: string,
	instance: string,
	nonce: string,
): string {
	return `${quoteLabel(service) || "_"}#${quoteLabel(instance)}/${nonce}:`;
}

/** The canonical text of a clock. */
export function writeClock(tree: ClockTree): string {
	const spine = spineOf(tree);
	let out = writeHead(tree.trace);
	for (let i = 0; i < spine.length; i++) {
		out += `, ${writeMember(tree.hops[i] as Hop, spine[i] as Known, tree.hops[i + 1])}`;
	}
	return out;
}

function writeMember(hop: Hop, k: Known, next: Hop | undefined): string {
	let out = writeLabels(hop.service, hop.instance, hop.nonce) + k.tick;
	if (next !== undefined && next.fork !== k.tick) out += `;f=${next.fork}`;
	if (hop.detached) out += ";d";
	if (hop.gap) out += ";g";
	if (k.ended) out += ";e";
	if (k.lossy) out += ";l";
	return out + quotedList(writeList(k.open, k.seen, next));
}

/** `;x="…"`, or nothing for an empty list. */
export function quotedList(list: string): string {
	return list === "" ? "" : `;x="${list}"`;
}

/** A list of forks, without the one that the next hop comes from. */
export function writeList(
	open: readonly ForkRun[],
	seen: readonly ForkRun[],
	next?: Hop,
): string {
	const skipOpen = next !== undefined && !next.detached ? next.fork : 0;
	const skipSeen = next?.detached ? next.fork : 0;
	let out = "";
	for (let i = 0; i < open.length; i++) {
		const run = open[i] as ForkRun;
		if (run.first === skipOpen) continue;
		if (out !== "") out += " ";
		out += writeRun(run);
	}
	for (let i = 0; i < seen.length; i++) {
		const run = seen[i] as ForkRun;
		if (run.first === skipSeen) continue;
		out += out === "" ? "+" : " +";
		out += writeRun(run);
	}
	return out;
}

/** One run: `3`, `3-6~`, `9.4!(2)`. */
export function writeRun(run: ForkRun): string {
	if (run.known === undefined) {
		const range =
			run.first === run.last ? `${run.first}` : `${run.first}-${run.last}`;
		return run.lossy ? `${range}~` : range;
	}
	const k = knownOf(run);
	const inner = writeList(k.open, k.seen);
	return `${run.first}.${k.tick}${k.ended ? "!" : ""}${k.lossy ? "~" : ""}${inner === "" ? "" : `(${inner})`}`;
}
