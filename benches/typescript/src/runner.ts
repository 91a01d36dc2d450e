import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { least, median } from "./measure";
import type { TableName, Variant } from "./variant";

const run = promisify(execFile);

/** How often, and how long, each variant is measured. */
export interface Plan {
	readonly rounds: number;
	/** Of the usual length; a clock's codec alone takes more batches by itself. */
	readonly warm: number;
	readonly batches: number;
}

/** Nanoseconds of CPU time that one of something takes. */
export interface Cost {
	readonly least: number;
	readonly median: number;
}

/** What was measured. */
export interface Line {
	readonly table: TableName | "loopback";
	readonly name: string;
	readonly cost: Cost;
}

/** What was measured in so many rounds. */
interface Measured {
	readonly rounds: number;
	readonly lines: readonly Line[];
}

/** Measures all variants in turn, each time in a new process; gives what it knows after each round. */
export async function* measureAll(
	variants: readonly Variant[],
	plan: Plan,
): AsyncGenerator<Measured> {
	const costs = variants.map((): number[] => []);
	for (let round = 1; round <= plan.rounds; round++) {
		console.error(
			`round ${round} of ${plan.rounds}: ${variants.length} processes`,
		);
		for (const [i, variant] of variants.entries()) {
			costs[i]?.push(await inProcess(variant, plan));
		}
		const lines = variants.map(({ table, name }, i) => {
			return { table, name, cost: costOf(costs[i] ?? []) };
		});
		yield { rounds: round, lines };
	}
}

export function costOf(rounds: readonly number[]): Cost {
	return { least: least(rounds), median: median(rounds) };
}

/** One process with one variant, bounded in time. */
async function inProcess(
	{ table, name }: Variant,
	{ warm, batches }: Plan,
): Promise<number> {
	const args = ["one", table, name, String(warm), String(batches)];
	const { stdout } = await run(process.execPath, [mainFile(), ...args], {
		env: CHILD_ENV,
		timeout: 120_000,
	});
	const nanoseconds = Number.parseFloat(stdout);
	if (nanoseconds >= 0) return nanoseconds;
	throw new Error(`${table}: ${name}: no time in '${stdout}'`);
}

export function mainFile(): string {
	return process.argv[1] ?? "";
}

/** As a service runs; no setting of whoever runs this gets there. */
export const CHILD_ENV = { PATH: process.env.PATH, NODE_ENV: "production" };
