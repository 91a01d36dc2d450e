import { setImmediate as turn } from "node:timers/promises";
import { BATCH } from "./inbound";

/** What can be measured. */
export interface Workload {
	/** Did it do its job? Throws where the output is wrong. */
	check(): Promise<void>;
	/** Makes inputs `from` to `to` ready, outside the measured time; gives what runs them. */
	prepare(from: number, to: number): () => void | Promise<void>;
	/** Throws where the measured work was not done. */
	finish?(): Promise<void>;
}

/** How long one process measures, in batches. */
export interface Effort {
	readonly warm: number;
	readonly batches: number;
}

/**
 * Nanoseconds of CPU time that one of a batch takes, by the median of the
 * batches. All threads of the process count, so what garbage collection costs
 * is in it; what compilation costs is over after the warm-up.
 */
export async function measure(
	workload: Workload,
	effort: Effort,
): Promise<number> {
	await workload.check();
	await batches(workload, effort.warm);
	const spent = await batches(workload, effort.batches);
	await workload.finish?.();
	return median(spent) / BATCH;
}

async function batches(workload: Workload, count: number): Promise<number[]> {
	const spent: number[] = [];
	for (let i = 0; i < count; i++) spent.push(await batch(workload));
	return spent;
}

/**
 * By a few at a time: what is made ready for one is garbage soon after, as in a
 * service. 512 at once would outlive the young generation, and the copying of
 * them would count as the work's.
 */
async function batch(workload: Workload): Promise<number> {
	let spent = 0;
	for (let from = 0; from < BATCH; from += AT_ONCE) {
		const run = workload.prepare(from, from + AT_ONCE);
		await turn(); // what waits for the event loop gets its turn
		const start = cpuTime();
		await run();
		await turn();
		spent += cpuTime() - start;
	}
	return spent;
}

const AT_ONCE = 16;

/** CPU time of this process so far, in nanoseconds. */
export function cpuTime(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) * 1_000;
}

export function least(values: readonly number[]): number {
	return Math.min(...values);
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
