import { bytesOf, overRecord, writeRecord } from "./heap";
import { loopback, serveLoopback } from "./loopback";
import { measure } from "./measure";
import { results } from "./results";
import { measureAll } from "./runner";
import { tables } from "./table";
import { VARIANTS } from "./variant";

const FULL = { rounds: 5, warm: 40, batches: 20 };
const LOOPBACK = { slices: 11, requests: 1_000 };

/**
 * Towline's variants alone, all in this process: outputs and bytes are checked,
 * nothing is timed.
 */
async function quick(isRecorded: boolean): Promise<void> {
	const counts = new Map<string, number>();
	for (const { table, name, of, make } of VARIANTS) {
		if (of !== "Towline") continue;
		counts.set(`${table}: ${name}`, await bytesOf(make()));
	}
	if (isRecorded) writeRecord(counts);
	const over = overRecord(counts);
	if (over === undefined) console.log("bytes are not checked: another Node");
	else if (over.length > 0) {
		throw new Error(`more than allocations.txt has:\n${over.join("\n")}`);
	}
	console.log(`ok: ${counts.size} variants gave what they should`);
}

/** All variants, or those of a table; a run of all of them is a section of ../RESULTS.md. */
async function full(only: string | undefined): Promise<void> {
	const isChosen = (table: string) => only === undefined || only === table;
	const chosen = VARIANTS.filter(({ table }) => isChosen(table));
	const served = isChosen("loopback") ? await loopback(LOOPBACK) : [];
	let text = tables(served);
	for await (const { lines, rounds } of measureAll(chosen, FULL)) {
		text = tables([...lines, ...served]);
		if (only === undefined) text = results(text, { ...FULL, rounds }, LOOPBACK);
	}
	console.log(text);
}

/** In a child: one variant; prints its nanoseconds. */
async function one(args: readonly string[]): Promise<void> {
	const [table, name, warm, batches] = args;
	const variant = VARIANTS.find((v) => v.table === table && v.name === name);
	if (variant === undefined) throw new Error(`no variant ${table}: ${name}`);
	// One codec takes a small part of a request: more of them.
	const times = table === "codec" ? 5 : 1;
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
	else if (command === "--quick" || command === "--record") {
		await quick(command === "--record");
	} else await full(command);
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
