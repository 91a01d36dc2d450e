import { readFileSync, writeFileSync } from "node:fs";
import type { HeapProfiler } from "node:inspector";
import { Session } from "node:inspector/promises";
import { dirname, join } from "node:path";
import type { Workload } from "./measure";

const FILE = join(__dirname, "..", "allocations.txt");
const HEAD = `# Bytes that Towline's own functions allocate for one request, call or header.
# run.sh --quick checks them, run.sh --record writes them.
`;

/** Requests, calls or headers that are counted. */
const COUNTED = 64;
/** How often as many run before: caches of Node and of Towline fill meanwhile. */
const WARM = 2;
/** More than that over the record fails: 1 %, or a small object. */
const SLACK = 0.01;
const SLACK_BYTES = 32;

/** Where Towline's code is. */
const OWN = dirname(require.resolve("towline"));

/**
 * Bytes that Towline's own functions allocate for one of the workload. The
 * process runs without the optimizing compiler, which leaves out objects when it
 * likes to; what Node allocates, for us or not, is nothing that can be held to.
 */
export async function bytesOf(workload: Workload): Promise<number> {
	await workload.check();
	for (let i = 0; i < WARM; i++) await workload.prepare(0, COUNTED)();
	const run = workload.prepare(0, COUNTED);
	const session = new Session();
	session.connect();
	await session.post("HeapProfiler.startSampling", {
		samplingInterval: 1, // all of them, not a sample
		includeObjectsCollectedByMajorGC: true,
		includeObjectsCollectedByMinorGC: true,
	} as HeapProfiler.StartSamplingParameterType);
	await run();
	const { profile } = await session.post("HeapProfiler.stopSampling");
	session.disconnect();
	await workload.finish?.();
	return Math.round(ownBytes(profile.head) / COUNTED);
}

function ownBytes(node: HeapProfiler.SamplingHeapProfileNode): number {
	let bytes = node.callFrame.url.includes(OWN) ? node.selfSize : 0;
	for (const child of node.children) bytes += ownBytes(child);
	return bytes;
}

/** What was counted, by the table and the name of the variant. */
export type Counts = ReadonlyMap<string, number>;

export function writeRecord(counts: Counts): void {
	const node = `# Node ${major()}\n`;
	let text = HEAD + node;
	for (const [name, bytes] of counts) text += `${bytes}\t${name}\n`;
	writeFileSync(FILE, text);
}

/** What takes more than recorded; undefined where another Node was recorded. */
export function overRecord(counts: Counts): string[] | undefined {
	const lines = readFileSync(FILE, "utf8").split("\n");
	if (!lines.includes(`# Node ${major()}`)) return undefined;
	const record = new Map(
		lines.map((line) => {
			const [bytes, name = ""] = line.split("\t");
			return [name, Number(bytes)];
		}),
	);
	const over: string[] = [];
	for (const [name, bytes] of counts) {
		const recorded = record.get(name);
		if (recorded === undefined) over.push(`${name}: ${bytes}, not recorded`);
		else if (bytes > recorded * (1 + SLACK) + SLACK_BYTES) {
			over.push(`${name}: ${bytes} bytes, ${recorded} recorded`);
		}
	}
	return over;
}

function major(): string {
	return process.versions.node.split(".", 1)[0] ?? "";
}
