import assert from "node:assert/strict";
import { test } from "node:test";
import { decideConfig, type TowlineOptions } from "../src/config.js";
import type { Environment } from "../src/environment.js";
import { isListed, readHostRules } from "../src/host-list.js";
import { Towline, towline } from "../src/index.js";
import { shared } from "../src/shared.js";

function decide(options: TowlineOptions, environment: Environment = {}) {
	const lines: string[] = [];
	const config = decideConfig(
		{ log: (line) => lines.push(line), ...options },
		environment,
	);
	return { ...config, lines };
}

test("options win over TOWLINE_*, these over OTEL_*, these over the defaults; empty is unset", () => {
	const otel = {
		OTEL_SERVICE_NAME: "otel",
		OTEL_RESOURCE_ATTRIBUTES:
			"service.name=res%20%C3%BC, service.instance.id=i%2C1",
	};
	const own = { TOWLINE_SERVICE_NAME: "own", TOWLINE_INSTANCE: "own-1" };
	const cases: [TowlineOptions, Environment, string, string | RegExp][] = [
		[{}, {}, "unknown_service", /^[0-9a-f]{8}$/],
		[
			{},
			{ OTEL_RESOURCE_ATTRIBUTES: otel.OTEL_RESOURCE_ATTRIBUTES },
			"res ü",
			"i,1",
		],
		[{}, otel, "otel", "i,1"],
		[{}, { ...otel, ...own }, "own", "own-1"],
		[
			{},
			{ ...otel, TOWLINE_SERVICE_NAME: "", TOWLINE_INSTANCE: "" },
			"otel",
			"i,1",
		],
		[
			{ serviceName: "code", instance: "code-1" },
			{ ...otel, ...own },
			"code",
			"code-1",
		],
		[
			{ serviceName: "", instance: undefined },
			{ ...otel, ...own },
			"own",
			"own-1",
		],
	];
	for (const [options, environment, service, name] of cases) {
		const { serviceName, instance, lines } = decide(options, environment);
		assert.equal(serviceName, service);
		if (typeof name === "string") assert.equal(instance, name);
		else assert.match(instance, name);
		assert.deepEqual(lines, []);
	}
});

test("the environment's settings are read, in any case", () => {
	const config = decide(
		{},
		{
			TOWLINE_DISABLED: "TRUE",
			TOWLINE_CLOCK: "V1",
			TOWLINE_TRACESTATE: "Off",
			TOWLINE_SAMPLED: "False",
			TOWLINE_TRACE_RESPONSE: "true",
			TOWLINE_HEADER_BYTES_MAX: "8192",
			TOWLINE_PROPAGATE_TO: "example.com, 203.0.113.9",
			TOWLINE_TRACEPARENT_TO: "example.org",
		},
	);
	assert.deepEqual(
		[
			config.disabled,
			config.clock,
			config.tracestate,
			config.sampled,
			config.traceResponse,
			config.limits.bytes,
		],
		[true, "v1", false, false, true, 8192],
	);
	assert.ok(
		isListed("a.example.com", config.propagateTo) &&
			isListed("203.0.113.9:81", config.propagateTo),
	);
	assert.ok(
		isListed("example.org", config.traceparentTo) &&
			!isListed("localhost", config.traceparentTo),
	);
	assert.deepEqual(config.lines, []);
});

test("what is not understood is warned of and ignored", () => {
	const config = decide(
		{},
		{
			TOWLINE_DISABLED: "yes",
			TOWLINE_CLOCK: "v3",
			TOWLINE_TRACESTATE: "true",
			TOWLINE_SAMPLED: "1",
			TOWLINE_HEADER_BYTES_MAX: "-4",
			TOWLINE_PROPAGATE_TO: "http://x/y,ok.example,10.0.0.0/40",
			OTEL_RESOURCE_ATTRIBUTES: "service.name=good,nonsense,=x,",
		},
	);
	const { disabled, clock, tracestate, sampled, limits, serviceName } = config;
	assert.deepEqual(
		[disabled, clock, tracestate, sampled, limits.bytes, serviceName],
		[false, "auto", true, false, 4096, "unknown_service"],
	);
	assert.ok(isListed("ok.example", config.propagateTo));
	assert.equal(config.lines.length, 5 + 2 + 1);
	assert.ok(
		config.lines.every((line) => line.startsWith("towline: warning: ")),
	);
});

test("blanks around a value are dropped; a traceparentTo without any entry is *", () => {
	const config = decide(
		{},
		{ TOWLINE_SERVICE_NAME: "  own ", TOWLINE_TRACEPARENT_TO: " , a b" },
	);
	assert.equal(config.serviceName, "own");
	assert.ok(isListed("anything.example", config.traceparentTo));
	assert.equal(config.lines.length, 1);
});

test("propagators are words in any case; what leaves out Trace Context is warned of", () => {
	const cases: [string | undefined, string[], number][] = [
		[undefined, ["tracecontext", "baggage"], 0],
		["", ["tracecontext", "baggage"], 0],
		["tracecontext, B3,b3", ["tracecontext", "b3"], 0],
		["tracecontext,b3multi,jaeger", ["tracecontext", "b3multi"], 1],
		["baggage", ["baggage"], 1],
		["none", ["none"], 1],
		["tracecontext,towline", ["tracecontext", "towline"], 0],
	];
	for (const [text, names, warnings] of cases) {
		const { propagators, lines } = decide({}, { OTEL_PROPAGATORS: text });
		assert.deepEqual(propagators.names, names);
		assert.equal(propagators.baggage, names.includes("baggage"));
		assert.equal(lines.length, warnings, text);
	}
	const given = decide({ propagators: ["b3"] }, { OTEL_PROPAGATORS: "x" });
	assert.deepEqual(given.propagators.names, ["b3"]);
});

test("the settings of the edge are off, and read of the environment", () => {
	const { deadlines, hashLabels, probe } = decide({});
	assert.deepEqual(
		[deadlines, hashLabels, probe.name],
		[false, false, "loopback"],
	);
	const set = decide(
		{},
		{
			TOWLINE_DEADLINES: "true",
			TOWLINE_HASH_LABELS: "True",
			TOWLINE_PROBE: " s3cret ",
		},
	);
	assert.deepEqual([set.deadlines, set.hashLabels], [true, true]);
	assert.deepEqual(set.probe, { name: "token", token: "s3cret" });
	assert.equal(decide({}, { TOWLINE_PROBE: "OFF" }).probe.name, "off");
	const loopback = decide({ probe: "Loopback" }, { TOWLINE_PROBE: "s3cret" });
	assert.equal(loopback.probe.name, "loopback");
});

test("limits go downwards only, bytes also upwards", () => {
	assert.deepEqual(
		decide({ levelsMax: 99, forksMax: 99_999, headerBytesMax: 9_999 }).limits,
		{ bytes: 9999, levels: 64, forks: 65536 },
	);
	assert.deepEqual(
		decide({ levelsMax: 4, forksMax: 8, headerBytesMax: 64 }).limits,
		{ bytes: 64, levels: 4, forks: 8 },
	);
});

test("a list names hosts whatever their case, port, trailing dot or spelling", () => {
	const list = (...entries: string[]) => [
		readHostRules(entries, (entry) => assert.fail(entry)),
	];
	const cases: [string[], string, boolean][] = [
		[["*"], "anything.example", true],
		[["*"], "", true],
		[["Example.COM."], "api.example.com:443", true],
		[["example.com"], "notexample.com", false],
		[["10.0.0.0/8"], "10.255.0.1", true],
		[["10.0.0.0/8"], "11.0.0.1", false],
		[["10.0.0.0/8"], "0x0a.1", true],
		[["10.1.2.3"], "::ffff:10.1.2.3", true],
		[["::ffff:10.0.0.0/104"], "10.1.2.3", true],
		[["2001:db8::/32"], "[2001:db8:1::5]:80", true],
		[["2001:db8::/32"], "2001:db9::1", false],
		[["fe80::/10"], "fe80::1%eth0", true],
		[["0.0.0.0/0"], "8.8.8.8", true],
		[["0.0.0.0/0"], "::1", false],
		[["example.com"], "not a host", false],
		[["example.com"], "evil.org/example.com", false],
		[["example.com"], "evil.org#.example.com", false],
		[[], "localhost", false],
	];
	for (const [entries, host, isFit] of cases) {
		assert.equal(isListed(host, list(...entries)), isFit, `${entries} ${host}`);
	}
});

test("an instance logs one line when it is made; the default one is made once, when it is needed", () => {
	const lines: string[] = [];
	new Towline({
		serviceName: "shop",
		instance: "s-1",
		clock: "v2",
		log: (line) => lines.push(line),
	});
	assert.deepEqual(lines, [
		"towline: reads traceparent, tracestate, raceway-clock, baggage; sends traceparent, tracestate, raceway-clock, baggage; " +
			"clock v2, tracestate member on, service shop, instance s-1",
	]);
	const info = console.info;
	console.info = (line: string) => lines.push(line);
	try {
		assert.equal(shared.towline, undefined);
		towline();
		towline();
		assert.equal(Towline.default(), shared.towline);
	} finally {
		console.info = info;
	}
	assert.equal(lines.length, 2);
});
