import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loopback, serveLoopback } from "./loopback";
import { measure } from "./measure";
import { results } from "./results";
import { type Line, measureAll } from "./runner";
import { tables } from "./table";
import { VARIANTS } from "./variant";

const FULL = { rounds: 7, warm: 8, batches: 8 };
const LOOPBACK = { slices: 9, requests: 1_000 };
/** Towline's variants alone, all in this process: nothing is timed. */
async function quick(): Promise<void> {
	const own = VARIANTS.filter(({ of }) => of === "Towline");
	for (const variant of own) await variant.make().check();
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
	// One codec takes a small part of a request: more of them.
	const times = table === "codec" ? 10 : 1;
	const effort = {
		warm: times * Number(warm),
		batches: times * Number(batches),
	};
	console.log(await measure(variant.make(), effort));
}

async function main(): Promise<void> {
	const [command, ...rest] = process.argv.slice(2);
	if (command === "one") await one(rest);
	else if (command === "serve") await serveLoopback(rest[0] ?? "");
	else if (command === "--quick") await quick();
	else await full(command);
}

// Nothing else may hold the event loop: connections are no real ones.
setInterval(() => {}, 60_000);
main().then(
	() => {
		if (process.argv[2] !== "serve") process.exit();
	},
	(error: unknown) => {
		console.error(error);
		process.exit(1);
	},
);
