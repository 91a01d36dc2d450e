import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoopbackPlan } from "./loopback";
import type { Plan } from "./runner";

/** What profiles said, by hand. */
const PROFILE = join(__dirname, "..", "profile.md");

function versions(): string {
	return `${process.version.slice(1)} (V8 ${process.versions.v8})`;
}

/** A section of ../RESULTS.md: the tables and what is said beside them. */
export function results(
	tables: string,
	{ rounds, warm, batches }: Plan,
	{ slices, requests }: LoopbackPlan,
): string {
	return `## TypeScript

How much does Towline add to a server and a client, and how much is that of what OpenTelemetry's instrumentation adds?

- Node: ${versions()}
- method: CPU time of the whole process, threads of garbage collection and compilation included. Each variant in a process of its own, ${rounds} rounds, variants in turn; in each process ${warm} batches to warm up and ${batches} measured, of 512 different header sets; the median of the batches counts, so that compilation is over and a disturbed batch does not matter. Each variant checks its output before it is measured. The ratios are those of the least of the rounds over bare.
- in process: the server emits its \`request\` with Node's own \`IncomingMessage\` and \`ServerResponse\` over a connection that takes all at once. Making them is part of each variant, bare as well.
- clients: undici writes to a connection that answers in the same process; each call is made from the handler of a request of its own, whose making is not measured. Making the answer's clock is measured too.
- loopback: ${slices} slices of ${requests} requests, after 8 to warm up, over 8 connections to each server in turn; the server's CPU time alone, kernel included.
- OpenTelemetry: SDK and instrumentation of http, express and undici with their defaults; batch processor with an exporter that drops all. Its latest versions for Node 20.
- Towline with a clock: \`raceway-clock\` and the member in \`tracestate\` come in, and the answer brings a clock back.

${tables}${readFileSync(PROFILE, "utf8")}`;
}
