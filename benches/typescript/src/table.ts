import type { Line } from "./runner";
import { BARE_NAME, OTEL_OFF, OTEL_ON } from "./variant";

const TITLES: Readonly<Record<Line["table"], string>> = {
	express: "Server: Express 5, in process",
	http: "Server: plain `http`, in process",
	undici: "Client: `request` of undici 7, connection stubbed",
	fetch: "Client: `fetch` of undici 7, connection stubbed",
	codec: "Codecs alone",
	loopback: "Server: Express 5 over loopback HTTP with keep-alive",
};

/** All tables that have lines, as Markdown. */
export function tables(lines: readonly Line[]): string {
	let text = "";
	for (const [table, title] of Object.entries(TITLES)) {
		const own = lines.filter((line) => line.table === table);
		if (own.length === 0) continue;
		text += `### ${title}\n\n`;
		text += table === "codec" ? plain(own) : added(own);
		text += "\n";
	}
	return text;
}

function plain(lines: readonly Line[]): string {
	let text = "| | ns, least | ns, median |\n|---|--:|--:|\n";
	for (const { name, cost } of lines) {
		text += `| ${name} | ${whole(cost.least)} | ${whole(cost.median)} |\n`;
	}
	return text;
}

/** What is added to the bare one, and how much that is of what the rival adds. */
function added(lines: readonly Line[]): string {
	const bare = costOf(lines, BARE_NAME);
	const over = (cost: number | undefined, of: number | undefined) =>
		cost === undefined || of === undefined ? Number.NaN : cost - of;
	const rivals = [OTEL_ON, OTEL_OFF].map((name) =>
		over(costOf(lines, name)?.least, bare?.least),
	);
	let text =
		"| | µs, least | µs, median | over bare, least | over bare, median | × bare | of OpenTelemetry, sampled | of OpenTelemetry, sampling off |\n" +
		"|---|--:|--:|--:|--:|--:|--:|--:|\n";
	for (const { name, cost } of lines) {
		const beyond = over(cost.least, bare?.least);
		const cells = [
			micro(cost.least),
			micro(cost.median),
			...(name === BARE_NAME
				? ["", ""]
				: [micro(beyond), micro(over(cost.median, bare?.median))]),
			(cost.least / (bare?.least ?? Number.NaN)).toFixed(2),
			...rivals.map((rival) =>
				name.startsWith("Towline") ? (beyond / rival).toFixed(2) : "",
			),
		];
		text += `| ${[name, ...cells].join(" | ")} |\n`;
	}
	return text;
}

function costOf(lines: readonly Line[], name: string) {
	return lines.find((line) => line.name === name)?.cost;
}

function whole(nanoseconds: number): string {
	return nanoseconds.toFixed(0);
}

function micro(nanoseconds: number): string {
	return (nanoseconds / 1_000).toFixed(2);
}
