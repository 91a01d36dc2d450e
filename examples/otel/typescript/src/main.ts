// A service that OpenTelemetry alone instruments; what it offers is written in examples/otel/README.md.

import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { SpanKind } from "@opentelemetry/api";
import { exporter } from "./telemetry.js";

const NAME = "otel-typescript";
const CALL_TIMEOUT_MS = 5000;

interface CallTo {
	url: string;
	calls?: CallTo[];
}

interface Work {
	payload: string;
	calls?: CallTo[];
}

async function handle(work: Work): Promise<unknown> {
	const calls = [];
	for (const to of work.calls ?? []) {
		calls.push(await call(to, work.payload));
	}
	return { service: NAME, payload: work.payload, calls };
}

async function call(to: CallTo, payload: string): Promise<unknown> {
	const url = new URL(to.url);
	if (url.pathname === "/") {
		url.pathname = "/process";
	}
	const response = await fetch(url, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ payload, calls: to.calls ?? [] }),
		signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
	});
	return {
		url: to.url,
		status: response.status,
		answer: await response.json(),
	};
}

function spans(): unknown {
	return exporter.getFinishedSpans().map((span) => ({
		name: span.name,
		kind: SpanKind[span.kind]?.toLowerCase(),
		trace_id: span.spanContext().traceId,
		span_id: span.spanContext().spanId,
		parent_id: span.parentSpanContext?.spanId ?? null,
	}));
}

async function answer(request: IncomingMessage): Promise<[number, unknown]> {
	switch (`${request.method} ${request.url}`) {
		case "POST /process":
			return [200, await handle((await json(request)) as Work)];
		case "GET /spans":
			return [200, spans()];
		default:
			return [404, { error: "no such path" }];
	}
}

async function serve(
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const [status, body] = await answer(request).catch(
		(error: unknown) => [502, { error: String(error) }] as const,
	);
	response
		.writeHead(status, { "content-type": "application/json" })
		.end(JSON.stringify(body));
}

const server = http.createServer(
	(request, response) => void serve(request, response),
);
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
	console.log(
		`${NAME} listening on 127.0.0.1:${(server.address() as AddressInfo).port}`,
	);
});
process.once("SIGTERM", () => process.exit(0));
