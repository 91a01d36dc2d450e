import assert from "node:assert/strict";
import { test } from "node:test";
import {
	Clock,
	current,
	type MessageCarrier,
	Order,
	withContext,
} from "../src/index.js";
import { instance, TRACE_ID, TRACEPARENT } from "./servers.js";

/** Carriers of every kind, that have something else of our names in them. */
function carriers(): [string, MessageCarrier][] {
	const stored = new Map<string, string>();
	return [
		["an object", { TraceParent: "old", other: "1" }],
		["a Map", new Map([["TRACEPARENT", "old"]])],
		["Headers", new Headers({ traceparent: "old" })],
		[
			"pairs",
			[
				["Traceparent", "old"],
				["traceparent", "older"],
			],
		],
		[
			"get and set",
			{
				get: (name: string) => stored.get(name),
				set: (name: string, value: string) => stored.set(name, value),
			},
		],
	];
}

test("a message carries the context in every kind of carrier, and is a detached fork", () => {
	for (const [kind, carrier] of carriers()) {
		const sender = instance();
		const receiver = instance({ serviceName: "worker" });
		const context = sender.towline.newTrace("server");
		const spanId = context.sendMessage(carrier);
		const received = receiver.towline.receiveMessage(carrier);
		assert.deepEqual(
			[received.traceId, received.parentId, received.kind],
			[context.traceId, spanId, "consumer"],
			kind,
		);
		assert.match(
			received.stamp().format(),
			/, ts#1\/[0-9a-f]{8}:2, worker#1\/[0-9a-f]{8}:1;d$/,
		);
		assert.equal(context.stamp().compare(received.stamp()), Order.before);
		const [sent] = sender.recorder.sent;
		assert.deepEqual(
			[sent?.kind, sent?.host, sent?.spanId],
			["producer", "", spanId],
		);
		assert.deepEqual(receiver.recorder.dropped, []);
	}
});

test("bytes are read as text, and names in any case", () => {
	const { towline: own } = instance();
	const names = ["traceparent", "TRACEPARENT", "TraceParent"];
	for (const name of names) {
		const values = [
			TRACEPARENT,
			Buffer.from(TRACEPARENT),
			new TextEncoder().encode(TRACEPARENT),
			[Buffer.from(TRACEPARENT)],
		];
		for (const value of values) {
			assert.equal(own.receiveMessage({ [name]: value }).traceId, TRACE_ID);
			assert.equal(own.receiveMessage([[name, value]]).traceId, TRACE_ID);
		}
	}
});

test("a message that says nothing of use begins a trace, and is counted", () => {
	const { towline: own, recorder } = instance();
	const nothing: unknown[] = [
		undefined,
		null,
		{},
		[],
		[null, "no pair"],
		{ traceparent: null },
		{ traceparent: Buffer.alloc(1_000_000) },
		{ traceparent: 5 },
		{ traceparent: [TRACEPARENT, TRACEPARENT] },
	];
	for (const carrier of nothing) {
		const context = own.receiveMessage(carrier as MessageCarrier);
		assert.notEqual(context.traceId, TRACE_ID);
	}
	assert.equal(own.counters.get("received"), nothing.length);
	assert.deepEqual(recorder.dropped.slice(-3), [
		"traceparent/malformed",
		"traceparent/malformed",
		"traceparent/duplicate",
	]);
});

test("the handling of a message is a strand that ends with it", async () => {
	const { towline: own, recorder } = instance();
	const message = { traceparent: TRACEPARENT };
	const seen = await own
		.receiveMessage(message)
		.handle(async () => current()?.traceId);
	assert.equal(seen, TRACE_ID);
	assert.throws(() =>
		own.receiveMessage(message).handle(() => {
			throw new Error("no");
		}),
	);
	assert.deepEqual(
		recorder.ended.map(({ kind, outcome }) => [kind, outcome]),
		[
			["consumer", "ok"],
			["consumer", "error"],
		],
	);
});

test("a batch begins a trace that links to each of its messages", () => {
	const { towline: own, recorder } = instance();
	const contexts = [own.newTrace("server"), own.newTrace("server")];
	const messages: MessageCarrier[] = [{ traceparent: "broken" }];
	for (const context of contexts) {
		const message: MessageCarrier = new Map<string, string>();
		withContext(context, () => current()?.sendMessage(message));
		messages.push(message);
	}
	const batch = own.receiveBatch(messages);
	assert.deepEqual(
		batch.links.map(({ traceId }) => traceId),
		contexts.map(({ traceId }) => traceId),
	);
	assert.equal(batch.kind, "consumer");
	assert.ok(!contexts.some(({ traceId }) => traceId === batch.traceId));
	assert.deepEqual(recorder.dropped, ["traceparent/malformed"]);
	assert.deepEqual(own.counters.summary().received, 3);
});

test("a message by an instance without clocks, or with vectors, carries what that has", () => {
	const off = instance({ clock: "off" }).towline.newTrace("server");
	const message: Record<string, string> = {
		"raceway-clock": "old",
		tracestate: "a=1",
	};
	off.sendMessage(message);
	assert.deepEqual(Object.keys(message), ["traceparent"]);
	const v1 = instance({ clock: "v1" }).towline.newTrace("server");
	v1.sendMessage(message);
	assert.match(message["raceway-clock"] ?? "", /^v1;/);
	const v2 = instance().towline.newTrace("server");
	v2.sendMessage(message);
	assert.equal(Clock.parse(message["raceway-clock"] ?? "").tick, 2);
});

test("disabled, nothing is read of messages, and nothing is written", () => {
	const { towline: own } = instance({ disabled: true });
	const message = { traceparent: TRACEPARENT };
	const context = own.receiveMessage(message);
	assert.notEqual(context.traceId, TRACE_ID);
	assert.deepEqual(own.receiveBatch([message]).links, []);
	context.sendMessage(message);
	assert.deepEqual(message, { traceparent: TRACEPARENT });
	assert.equal(own.counters.get("received"), 0);
});
