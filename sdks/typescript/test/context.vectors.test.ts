import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockError, ClockV1, TraceContext } from "../src/index.js";
import { writeTraceparent } from "../src/traceparent.js";
import { each, vectors } from "./vectors.js";

interface Case {
	name: string;
	fields: [string, string][];
	restart?: string;
	continue?: {
		trace_id: string;
		parent_id: string;
		flags_out: string;
		own: string | null;
		tracestate_dropped: string | null;
		tracestate_out: string | null;
		tracestate_out_with_own: string | null;
	};
}

test("trace-context: every case continues or restarts as the model says", () => {
	each(vectors<{ cases: Case[] }>("trace-context").cases, (v) => {
		const read = TraceContext.read(v.fields);
		if (typeof read === "string") {
			assert.equal(read, v.restart?.replace(" ", "_"));
			return;
		}
		const sent = writeTraceparent(read.traceId, read.parentId, read.flags);
		assert.deepEqual(
			{
				trace_id: read.traceId,
				parent_id: read.parentId,
				flags_out: sent.slice(-2),
				own: read.own ?? null,
				tracestate_dropped:
					read.tracestateDropped?.replaceAll("_", " ") ?? null,
				tracestate_out: read.tracestate() ?? null,
				tracestate_out_with_own: read.tracestate("77b0e190:4") ?? null,
			},
			v.continue,
		);
	});
});

type Vector = Record<string, number>;

interface V1 {
	trace_id: string;
	read: { header: string; vector: Vector }[];
	refused: { header: string; reason: string }[];
	send: { vector: Vector; own: string; after: Vector }[];
	write: {
		vector: Vector;
		span_id: string;
		parent_span_id: string;
		service: string;
		instance: string;
		payload: unknown;
	}[];
	compare: { a: Vector; b: Vector; order: string }[];
}

function clockOf(vector: Vector): ClockV1 {
	return new ClockV1(new Map(Object.entries(vector)));
}

test("clock-v1: vectors are read, refused, sent, written and compared", () => {
	const file = vectors<V1>("clock-v1");
	each(file.read, ({ header, vector }) => {
		const read = ClockV1.read(header, file.trace_id);
		assert.deepEqual(Object.fromEntries(read.vector), vector);
	});
	const counted: Record<string, string> = {
		"too long": "too_long",
		"of another trace": "other_trace",
	};
	each(file.refused, ({ header, reason }) => {
		try {
			ClockV1.read(header, file.trace_id);
		} catch (error) {
			assert.ok(error instanceof ClockError);
			if (counted[reason]) assert.equal(error.reason, counted[reason]);
			else if (!header.startsWith("v1;")) assert.equal(error.reason, "version");
			else assert.match(error.reason, /malformed|over_limits/);
			return;
		}
		assert.fail("accepted");
	});
	each(file.send, ({ vector, own, after }) => {
		const sent = clockOf(vector).send(own).vector;
		assert.deepEqual(Object.fromEntries(sent), after);
	});
	each(file.write, (v) => {
		const header = clockOf(v.vector).write({
			traceId: file.trace_id,
			spanId: v.span_id,
			parentSpanId: v.parent_span_id,
			service: v.service,
			instance: v.instance,
		});
		const payload = Buffer.from(header.slice(3), "base64url").toString();
		assert.deepEqual(JSON.parse(payload), v.payload);
		assert.deepEqual(
			Object.fromEntries(ClockV1.read(header, file.trace_id).vector),
			v.vector,
		);
	});
	each(file.compare, ({ a, b, order }) => {
		const compared = clockOf(a).compare(clockOf(b));
		assert.deepEqual(compared, { order, perService: true });
	});
});
