import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Agent, request } from "undici";
import {
	Clock,
	current,
	fork,
	Strand,
	type TowlineOptions,
	wrapFetch,
} from "../src/index.js";
import { interceptor } from "../src/undici.js";
import { inRequest, type RequestFields } from "./exchange.js";
import {
	CLOCK,
	instance,
	lastHop,
	listen,
	TRACE_ID,
	TRACEPARENT,
} from "./servers.js";

const SPAN = "b7ad6b7169203331";

/** The headers of a call to `host` from a request with `headers`. */
async function carried(
	options: TowlineOptions,
	headers: RequestFields,
	host = "localhost",
) {
	const { towline: own, recorder } = instance(options);
	const { result } = await inRequest(own, headers, () => {
		const context = current();
		assert.ok(context);
		const { traceId, parentId, flags, baggage } = context;
		const { headers: sent, spanId } = context.call(host);
		return { traceId, parentId, flags, baggage, sent, spanId };
	});
	return { ...result, dropped: recorder.dropped, counters: own.counters };
}

test("b3 is read where there is no traceparent, and written beside it", async () => {
	const b3 = `${TRACE_ID}-${SPAN}-1`;
	const single: TowlineOptions = { propagators: ["tracecontext", "b3"] };
	const came = await carried(single, { b3, "raceway-clock": CLOCK });
	assert.deepEqual(
		[came.traceId, came.parentId, came.flags],
		[TRACE_ID, SPAN, 1],
	);
	assert.equal(came.sent.b3, `${TRACE_ID}-${came.spanId}-1`);
	assert.match(came.sent.traceparent ?? "", new RegExp(`-${came.spanId}-01$`));
	assert.deepEqual(came.dropped, ["clock/no_traceparent"]);
	assert.equal(came.counters.summary().continued, 1);

	const both = await carried(single, { traceparent: TRACEPARENT, b3: "0" });
	assert.deepEqual([both.traceId, both.flags], [TRACE_ID, 3]);

	const multi = await carried(
		{ propagators: ["tracecontext", "b3multi"] },
		{
			"X-B3-TraceId": TRACE_ID.slice(16),
			"x-b3-spanid": SPAN,
			"X-B3-Sampled": "0",
		},
	);
	assert.equal(multi.traceId, "0".repeat(16) + TRACE_ID.slice(16));
	assert.equal(multi.sent.b3, undefined);
	assert.deepEqual(
		[
			multi.sent["x-b3-traceid"],
			multi.sent["x-b3-spanid"],
			multi.sent["x-b3-sampled"],
		],
		[multi.traceId, multi.spanId, "0"],
	);
});

test("b3 that says less, or nothing that can be read, begins a new trace", async () => {
	const options: TowlineOptions = { propagators: ["tracecontext", "b3"] };
	const cases: [RequestFields, number, string][] = [
		[{ b3: "0" }, 2, "traceparent/absent"],
		[{ b3: "d" }, 3, "traceparent/absent"],
		[{ b3: "nonsense" }, 3, "traceparent/b3_malformed"],
		[{ b3: [`${TRACE_ID}-${SPAN}`, "0"] }, 3, "traceparent/b3_malformed"],
		[{}, 3, "traceparent/absent"],
	];
	for (const [headers, flags, dropped] of cases) {
		const came = await carried(options, headers);
		assert.notEqual(came.traceId, TRACE_ID);
		assert.deepEqual([came.flags, came.dropped], [flags, [dropped]]);
	}
	const off = await carried({}, { b3: `${TRACE_ID}-${SPAN}-1` });
	assert.notEqual(off.traceId, TRACE_ID);
	assert.equal(off.sent.b3, undefined);
});

test("b3 of a peer that is not trusted is a link at most", async () => {
	const { towline: own, recorder } = instance({
		propagators: ["tracecontext", "b3"],
		trust: () => "restart",
	});
	const { result } = await inRequest(
		own,
		{ b3: `${TRACE_ID}-${SPAN}-1` },
		() => [current()?.traceId, current()?.link?.traceId],
	);
	assert.notEqual(result[0], TRACE_ID);
	assert.equal(result[1], TRACE_ID);
	assert.deepEqual(recorder.dropped, ["traceparent/untrusted"]);
});

test("baggage goes on to hosts of the clock's list, and to no other", async () => {
	const headers = {
		traceparent: TRACEPARENT,
		baggage: ["tier=gold , user=%C3%A4;private", " empty="],
	};
	const text = "tier=gold,user=%C3%A4;private,empty=";
	const near = await carried({}, headers);
	assert.deepEqual([near.baggage, near.sent.baggage], [text, text]);
	const far = await carried({}, headers, "example.com");
	assert.deepEqual([far.baggage, far.sent.baggage], [text, undefined]);
	assert.deepEqual(far.dropped, ["send/withheld", "baggage/withheld"]);
	const listed = await carried(
		{ propagateTo: ["example.com"] },
		headers,
		"example.com",
	);
	assert.equal(listed.sent.baggage, text);
	const off = await carried({ propagators: ["tracecontext"] }, headers);
	assert.deepEqual([off.baggage, off.sent.baggage], [undefined, undefined]);
});

test("baggage is dropped with its trace, or for what is wrong with it", async () => {
	const cases: [RequestFields, string[]][] = [
		[{ baggage: "a=1" }, ["traceparent/absent"]],
		[{ traceparent: TRACEPARENT, baggage: "a" }, ["baggage/malformed"]],
		[
			{ traceparent: TRACEPARENT, baggage: `a=${"1".repeat(8191)}` },
			["baggage/too_long"],
		],
		[
			{ traceparent: TRACEPARENT, baggage: "a=1,".repeat(65) },
			["baggage/too_many_members"],
		],
	];
	for (const [headers, dropped] of cases) {
		const came = await carried({}, headers);
		assert.deepEqual([came.baggage, came.sent.baggage], [undefined, undefined]);
		assert.deepEqual(came.dropped, dropped);
	}
});

test("a baggage value is decoded, in forks too", async () => {
	const { towline: own } = instance();
	const headers = { traceparent: TRACEPARENT, baggage: "user=%C3%A4,user=b" };
	const { result } = await inRequest(own, headers, () =>
		fork(() => [
			current()?.baggageValue("user"),
			current()?.baggageValue("other"),
		]),
	);
	assert.deepEqual(result, ["ä", undefined]);
});

test("a baggage that the application sets stays; of what else is ours, the call's is sent", async (t) => {
	const { towline: own } = instance({
		propagators: ["tracecontext", "baggage", "b3"],
	});
	const seen: NodeJS.Dict<string[]>[] = [];
	const url = await listen(t, (req, res) => {
		seen.push(req.headersDistinct);
		res.end();
	});
	const dispatcher = new Agent().compose(interceptor());
	t.after(() => dispatcher.close());
	const set = {
		Baggage: "mine=1",
		b3: "0",
		"towline-probe": "s3cret",
		"x-other": "stays",
	};
	const came = { traceparent: TRACEPARENT, baggage: "came=1" };
	await inRequest(own, came, async () => {
		const traced = wrapFetch(fetch);
		for (const headers of [set, Object.entries(set), new Headers(set)]) {
			await (
				await traced(url, { headers: headers as Record<string, string> })
			).text();
		}
		for (const headers of [set, Object.entries(set).flat()]) {
			await (await request(url, { dispatcher, headers })).body.dump();
		}
		await (await traced(url)).text();
	});
	assert.equal(seen.length, 6);
	for (const headers of seen.slice(0, 5)) {
		assert.deepEqual(headers.baggage, ["mine=1"]);
		assert.equal(headers.b3?.length, 1);
		assert.match(headers.b3?.[0] ?? "", new RegExp(`^${TRACE_ID}-`));
		assert.deepEqual(headers["x-other"], ["stays"]);
	}
	assert.deepEqual(seen[5]?.baggage, ["came=1"]);
});

test("clocks to hosts that only the list allows name nobody, and their answers are joined", async () => {
	const hash = (text: string) =>
		createHash("sha256").update(text).digest("hex").slice(0, 8);
	const { towline: own, recorder } = instance({
		serviceName: "käse",
		hashLabels: true,
		propagateTo: ["example.com"],
	});
	const headers = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };
	const { result } = await inRequest(own, headers, () => {
		const context = current();
		assert.ok(context);
		const near = context.call("localhost").headers;
		const call = context.call("example.com");
		const sent = call.headers["raceway-clock"] ?? "";
		const callee = { service: "theirs", instance: "1", nonce: "0000000b" };
		const strand = Strand.start({ ...callee, sender: Clock.parse(sent) });
		call.answered(strand.end().format(), 200);
		return {
			near,
			sent,
			member: call.headers.tracestate,
			outcome: call.outcome,
		};
	});
	assert.match(result.near["raceway-clock"] ?? "", /, k%C3%A4se#1\//);
	const [up, hop] = Clock.parse(result.sent).hops;
	assert.deepEqual([up?.service, up?.instance], [hash("up"), hash("1")]);
	assert.deepEqual([hop?.service, hop?.instance], [hash("käse"), hash("1")]);
	assert.equal(result.outcome, "answered");
	assert.match(result.member ?? "", /^towline=00000001:2\/|^towline=/);
	const after = recorder.answered[0]?.clock?.format();
	assert.match(lastHop(after), /^k%C3%A4se#1\/[0-9a-f]{8}:4;x="2"$/);
});

test("a vector of version 1 names nobody to such a host either", async () => {
	const { towline: own } = instance({
		hashLabels: true,
		clock: "v1",
		propagateTo: ["example.com"],
	});
	const { result } = await inRequest(own, { traceparent: TRACEPARENT }, () =>
		["localhost", "example.com"].map((host) => {
			const header = current()?.call(host).headers["raceway-clock"] ?? "";
			return Buffer.from(header.slice(3), "base64url").toString();
		}),
	);
	assert.match(result[0] ?? "", /"ts#1"/);
	assert.doesNotMatch(result[1] ?? "", /"ts/);
});
