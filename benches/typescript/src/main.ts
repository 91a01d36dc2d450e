import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loopback, serveLoopback } from "./loopback";
import { measure } from "./measure";
import { results } from "./results";
import { type Line, measureAll } from "./runner";
import { tables } from "./table";
import { VARIANTS } from "./variant";

const FULL = { rounds: 2, warm: 20, batches: 30 };
const LOOPBACK = { slices: 15, requests: 1_500 };
/** Enough to see that outputs are right; too little for times. */
const QUICK = { rounds: 1, warm: 0, batches: 1 };

/** Towline's variants alone. */
async function quick(): Promise<void> {
	const own = VARIANTS.filter(({ of }) => of === "Towline");
	await measureAll(own, QUICK);
	console.log(`ok: ${own.length} variants gave what they should`);
}

/** All variants, or those of a table; a run of all of them is recorded. */
async function full(only: string | undefined): Promise<void> {
	const isChosen = (table: string) => only === undefined || only === table;
	const chosen = VARIANTS.filter(({ table }) => isChosen(table));
	const lines: Line[] = await measureAll(chosen, FULL);
	if (isChosen("loopback")) lines.push(...(await loopback(LOOPBACK)));
	const text = tables(lines);
	console.log(text);
	if (only !== undefined) return;
	const file = join(__dirname, "..", "RESULTS.md");
	writeFileSync(file, results(text, FULL, LOOPBACK));
}

/** In a child: one variant; prints its nanoseconds. */
async function one(args: readonly string[]): Promise<void> {
	const [table, name, warm, batches] = args;
	const variant = VARIANTS.find((v) => v.table === table && v.name === name);
	if (variant === undefined) throw new Error(`no variant ${table}: ${name}`);
	// One codec takes a hundredth of a request: more of them, for the same time.
	const times = table === "codec" ? 20 : 1;
	const effort = {
		warm: times * Number(warm),
		batches: times * Number(batches),
	};
	// Nothing else may hold the event loop: connections are no real ones.
	const alive = setInterval(() => {}, 60_000);
	console.log(await measure(variant.make(), effort));
	clearInterval(alive);
}

async function main(): Promise<void> {
	const [command, ...rest] = process.argv.slice(2);
	if (command === "one") await one(rest);
	else if (command === "serve") await serveLoopback(rest[0] ?? "");
	else if (command === "--quick") await quick();
	else await full(command);
}

main().then(
	() => {
		if (process.argv[2] !== "serve") process.exit();
	},
	(error: unknown) => {
		console.error(error);
		process.exit(1);
	},
);
