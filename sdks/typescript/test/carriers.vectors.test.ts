import assert from "node:assert/strict";
import { test } from "node:test";
import { readB3 } from "../src/b3.js";
import { baggageMembers, readBaggage } from "../src/baggage.js";
import { readTimeout } from "../src/timeout.js";
import { each, vectors } from "./vectors.js";

type Dropped = { dropped: string };

interface File {
	timeout: {
		"towline-timeout": string[];
		"grpc-timeout": string[];
		milliseconds: number | null | Dropped;
	}[];
	b3: {
		b3: string[];
		multi: Record<string, string[]>;
		read:
			| { trace_id: string; span_id: string; sampled: boolean | null }
			| Dropped
			| null;
	}[];
	baggage: {
		baggage: string[];
		read: { text: string; members: [string, string][] } | Dropped;
	}[];
}

const file = vectors<File>("carriers");

test("carriers: deadlines are read as the model reads them", () => {
	each(file.timeout, (v) => {
		const read = readTimeout(v["towline-timeout"], v["grpc-timeout"]);
		const given = typeof read === "string" ? { dropped: read } : (read ?? null);
		assert.deepEqual(given, v.milliseconds);
	});
});

test("carriers: B3 is read as the model reads it", () => {
	each(file.b3, (v) => {
		const fields = (name: string) =>
			name === "b3" ? v.b3 : (v.multi[name] ?? []);
		const read = readB3(fields);
		const given =
			typeof read === "string"
				? { dropped: read }
				: read && {
						trace_id: read.ids?.traceId ?? null,
						span_id: read.ids?.spanId ?? null,
						sampled: read.sampled ?? null,
					};
		assert.deepEqual(given ?? null, v.read);
	});
});

test("carriers: baggage is read as the model reads it", () => {
	each(file.baggage, (v) => {
		const read = readBaggage(v.baggage);
		const given =
			typeof read === "string"
				? { dropped: read }
				: { text: read.text, members: [...baggageMembers(read.text)] };
		assert.deepEqual(given, v.read);
	});
});
