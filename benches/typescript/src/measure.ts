import { setImmediate as turn } from "node:timers/promises";
import { BATCH } from "./inbound";

/** What can be measured. */
export interface Workload {
	/** Did it do its job? Throws where the output is wrong. */
	check(): Promise<void>;
	/** Makes a batch ready, outside the measured time; gives what runs it. */
	prepare(): () => void | Promise<void>;
	/** Throws where the measured work was not done. */
	finish?(): Promise<void>;
}

/** How long one process measures, in batches. */
export interface Effort {
	readonly warm: number;
	readonly batches: number;
}

/**
 * Nanoseconds of CPU time that one of a batch takes. All threads of the
 * process count, so what garbage collection and compilation cost is in it.
 */
export async function measure(
	workload: Workload,
	effort: Effort,
): Promise<number> {
	await workload.check();
	await spent(workload, effort.warm);
	const nanoseconds = await spent(workload, effort.batches);
	await workload.finish?.();
	return nanoseconds / (effort.batches * BATCH);
}

async function spent(workload: Workload, batches: number): Promise<number> {
	let total = 0;
	for (let i = 0; i < batches; i++) {
		const run = workload.prepare();
		await turn(); // what waits for the event loop gets its turn
		const start = cpuTime();
		await run();
		await turn();
		total += cpuTime() - start;
	}
	return total;
}

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
