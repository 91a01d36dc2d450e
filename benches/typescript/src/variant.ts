import { Calls, type ClientKind } from "./client";
import { clockParse, traceparentRead } from "./codec";
import { BARE, CARRIED, carriedInContext, type Instrument } from "./instrument";
import type { Workload } from "./measure";
import { type Framework, InProcess } from "./server";
import { towlineInstrument } from "./towline";

/** What a table is about, in the order in which they are shown. */
export const TABLES = ["express", "http", "undici", "fetch", "codec"] as const;
export type TableName = (typeof TABLES)[number];

/** Something that is measured in processes of its own. */
export interface Variant {
	readonly table: TableName;
	/** The row: what is measured. */
	readonly name: string;
	/** Whose: rivals are not installed for a quick run. */
	readonly of: Maker;
	readonly make: () => Workload;
}

/** Who made what is measured. */
export type Maker = "nobody" | "OpenTelemetry" | "Towline";

export const BARE_NAME = "bare";
export const OTEL_ON = "OpenTelemetry, sampled";
export const OTEL_OFF = "OpenTelemetry, sampling off";

/** A way to instrument, and the clock that requests come with. */
interface Way {
	readonly name: string;
	readonly of: Maker;
	readonly tool: () => Instrument;
	readonly hops: number;
}

const OTHERS: readonly Way[] = [
	{ name: BARE_NAME, of: "nobody", tool: () => BARE, hops: 0 },
	{
		name: "bare, with headers of 4 hops",
		of: "nobody",
		tool: () => CARRIED,
		hops: 4,
	},
	...[true, false].map((isSampled) => ({
		name: isSampled ? OTEL_ON : OTEL_OFF,
		of: "OpenTelemetry" as const,
		tool: () => rivals().openTelemetry(isSampled),
		hops: 0,
	})),
];

function ofTowline(name: string, hops: number): Way {
	return { name, of: "Towline", tool: towlineInstrument, hops };
}

/** Around a server. */
export const SERVER_WAYS: readonly Way[] = [
	...OTHERS,
	ofTowline("Towline, traceparent only", 0),
	ofTowline("Towline, clock of 1 hop", 1),
	ofTowline("Towline, clock of 4 hops", 4),
	ofTowline("Towline, clock of 16 hops", 16),
];

/** Around a client. */
const CLIENT_WAYS: readonly Way[] = [
	...OTHERS,
	{
		name: "bare, with those headers and an AsyncLocalStorage",
		of: "nobody",
		tool: carriedInContext,
		hops: 4,
	},
	ofTowline("Towline, traceparent only", 0),
	ofTowline("Towline, clock of 4 hops", 4),
];

export const VARIANTS: readonly Variant[] = [
	...(["express", "http"] as const).flatMap(servers),
	...(["undici", "fetch"] as const).flatMap(clients),
	...codecs(),
];

function servers(table: Framework): Variant[] {
	const ways = table === "express" ? SERVER_WAYS.filter(isShort) : SERVER_WAYS;
	return ways.map(({ name, of, tool, hops }) => {
		const make = () => new InProcess(table, tool(), hops);
		return { table, name, of, make };
	});
}

/** What more hops and more headers cost does not depend on the framework. */
function isShort({ hops, of }: Way): boolean {
	return of === "Towline" ? hops !== 1 : hops === 0;
}

function clients(table: ClientKind): Variant[] {
	return CLIENT_WAYS.map(({ name, of, tool, hops }) => {
		const make = () => new Calls(table, tool(), hops);
		return { table, name, of, make };
	});
}

function codecs(): Variant[] {
	const table = "codec";
	const of = "Towline";
	const clocks = [1, 4, 16, 64].map((hops): Variant => {
		const name = `Towline, clock of ${hops} hop${hops > 1 ? "s" : ""}`;
		return { table, name, of, make: () => clockParse(hops) };
	});
	return [
		{ table, name: "Towline, traceparent", of, make: traceparentRead },
		...clocks,
		{
			table,
			name: "OpenTelemetry, traceparent",
			of: "OpenTelemetry",
			make: () => rivals().extract(),
		},
	];
}

/** What the rivals' folder exports. */
interface Rivals {
	openTelemetry(isSampled: boolean): Instrument;
	extract(): Workload;
}

/** Loaded when it is needed, before what it patches; a quick run has no such folder. */
function rivals(): Rivals {
	return require("./rivals/index") as Rivals;
}
