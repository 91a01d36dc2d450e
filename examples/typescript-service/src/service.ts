import express, { type ErrorRequestHandler, type Express } from "express";
import {
	current,
	STATUS_PATH,
	statusHandler,
	type Towline,
	towline,
	wrapFetch,
} from "towline";
import type { Wire } from "./fault.js";
import { type Call, processRequest, testRequest } from "./request.js";

const CALL_MS_MAX = 5_000;

/** How a call went. */
interface Called {
	status: number | null;
	answer: unknown;
	error: string | null;
}

/** A service of four, as spec/services.md describes it. */
export function service(instance: Towline, wire: Wire): Express {
	const { serviceName, instance: name } = instance.config;
	const fetchTraced = wrapFetch(wire.fetch, instance);

	const post = (url: URL, body: unknown) =>
		fetchTraced(url, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(body),
			signal: AbortSignal.timeout(CALL_MS_MAX),
		});

	const call = async ({ url, body }: Call) => {
		const seen: Called = { status: null, answer: null, error: null };
		const sent = await wire.record(async () => {
			try {
				const response = await post(url, body);
				seen.status = response.status;
				seen.answer = await response.json();
			} catch (error) {
				seen.error = reasonOf(error);
			}
		});
		return { url: url.href, ...sent, ...seen };
	};

	const app = express();
	app.use(STATUS_PATH, statusHandler(instance));
	app.use(towline(instance));
	app.use(express.json({ limit: "1mb", type: () => true }));

	app.get("/health", (_req, res) => {
		res.json({ service: serviceName, instance: name, status: "healthy" });
	});

	app.post("/process", async (req, res) => {
		const { payload, calls, isParallel, isChain } = processRequest(req.body);
		const answers: Awaited<ReturnType<typeof call>>[] = [];
		if (isParallel) answers.push(...(await Promise.all(calls.map(call))));
		else for (const next of calls) answers.push(await call(next));
		const downstream = isChain ? (answers[0]?.answer ?? null) : null;
		if (isChain && answers[0]) answers[0].answer = null;
		const context = current();
		res.json({
			service: serviceName,
			instance: name,
			payload,
			trace_id: context?.traceId ?? null,
			span_id: context?.spanId ?? null,
			parent_id: context?.parentId ?? null,
			flags: context ? `0${context.flags}` : null,
			receivedHeaders: wire.received(),
			clock: context?.stamp().format() ?? null,
			calls: answers,
			downstream,
		});
	});

	app.post("/test", async (req, res) => {
		for (const { url, body } of testRequest(req.body)) {
			await post(url, body).then(
				(answer) => answer.arrayBuffer(),
				() => undefined, // whatever the callee answered
			);
		}
		res.json({});
	});

	const refuse: ErrorRequestHandler = (error: Error, _req, res, _next) => {
		res.status(400).json({ error: error.message });
	};
	app.use(refuse);
	return app;
}

/** `fetch` tells why in the cause of its error. */
function reasonOf(error: unknown): string {
	return error instanceof Error ? String(error.cause ?? error) : String(error);
}
