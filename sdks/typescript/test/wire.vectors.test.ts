import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import express from "express";
import { current, type Towline, towline, withTowline } from "../src/index.js";
import { instance, listen } from "./servers.js";
import { vectors } from "./vectors.js";

interface Case {
	name: string;
	fields: [string, string][];
	restart?: string;
	continue?: {
		trace_id: string;
		parent_id: string;
		flags_out: string;
		tracestate_out: string | null;
	};
}

const { cases } = vectors<{ cases: Case[] }>("trace-context");

/** What a handler says of its context. */
interface Seen {
	traceId: string;
	parentId: string | null;
	sent: string;
	tracestate: string | null;
}

/** One request as it is written, byte by byte; gives status and body of the answer. */
async function exchange(port: number, fields: readonly string[]) {
	const socket = connect(port, "127.0.0.1");
	const lines = ["GET / HTTP/1.1", "Host: x", "Connection: close", ...fields];
	socket.write(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"));
	let text = "";
	socket.on("data", (chunk) => {
		text += chunk.toString("latin1");
	});
	await once(socket, "close");
	const [head = "", body = ""] = text.split("\r\n\r\n");
	return { status: Number(head.split(" ")[1]), body };
}

/** How field lines are written: as they are, in another case, with odd blanks. */
const WRITINGS: Record<string, (name: string, value: string) => string> = {
	plain: (name, value) => `${name}: ${value}`,
	"mixed case": (name, value) =>
		`${name.replace(/.t?/g, (c) => c.toUpperCase())}: ${value}`,
	"odd blanks": (name, value) => `${name}:\t  ${value} \t `,
	"no blank": (name, value) => `${name}:${value}`,
};

/** Can a line of HTTP carry it? The parser refuses control characters before any of us sees them. */
function isWritable([, value]: [string, string]): boolean {
	return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

const servers: [string, (own: Towline) => Parameters<typeof listen>[1]][] = [
	[
		"node:http",
		(own) =>
			withTowline((_req, res) => void res.end(JSON.stringify(seen())), own),
	],
	[
		"Express",
		(own) => {
			const app = express();
			app.use(towline(own));
			app.get("/", (_req, res) => void res.send(JSON.stringify(seen())));
			return app;
		},
	],
];

function seen(): Seen | undefined {
	const context = current();
	if (context === undefined) return undefined;
	const { traceId, parentId = null, tracestate = null } = context;
	const sent = context.call("example.com").headers.traceparent ?? "";
	return { traceId, parentId, sent, tracestate };
}

for (const [server, listenerOf] of servers) {
	for (const [writing, write] of Object.entries(WRITINGS)) {
		test(`trace-context over ${server}, ${writing}: every case continues or restarts as the model says`, async (t) => {
			const { towline: own, recorder } = instance();
			const { port } = new URL(await listen(t, listenerOf(own)));
			let count = 0;
			for (const v of cases.filter(({ fields }) => fields.every(isWritable))) {
				count++;
				recorder.dropped.length = 0;
				const lines = v.fields.map(([name, value]) => write(name, value));
				const { status, body } = await exchange(Number(port), lines);
				assert.equal(status, 200, v.name);
				const came = JSON.parse(body) as Seen;
				if (v.continue === undefined) {
					assert.equal(came.parentId, null, v.name);
					assert.ok(
						recorder.dropped.includes(
							`traceparent/${v.restart?.replace(" ", "_")}`,
						),
						v.name,
					);
					continue;
				}
				const { trace_id, parent_id, flags_out, tracestate_out } = v.continue;
				assert.deepEqual(
					[came.traceId, came.parentId, came.tracestate],
					[trace_id, parent_id, tracestate_out],
					v.name,
				);
				assert.match(
					came.sent,
					new RegExp(`^00-${trace_id}-[0-9a-f]{16}-${flags_out}$`),
				);
			}
			assert.ok(count > cases.length * 0.9, `${count} cases`);
		});
	}
}
