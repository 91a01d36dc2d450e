import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { accept } from "./accept.js";
import { AnswerHead } from "./answer-head.js";
import type { Context } from "./context.js";
import { current, withContext } from "./current.js";
import { Served } from "./served.js";
import { incomingHeaders, peerOf } from "./server-headers.js";
import type { Towline } from "./towline.js";

/** Marks a request that is served: whichever copy of this package comes next steps aside. */
const SERVED = Symbol.for("towline.served.1");

/** A request as middleware sees it. */
interface Request extends IncomingMessage {
	/** Express: the whole path, also below a router. */
	originalUrl?: string;
	[SERVED]?: true;
}

/**
 * Runs `handler` for a request in a context of its own. The context stays
 * current for what `req` and `res` emit, while the body is produced.
 *
 * Source: api.md, "Server side".
 */
export function serve<T>(
	towline: Towline,
	request: IncomingMessage,
	res: ServerResponse,
	handler: () => T,
): T {
	const req = request as Request;
	if (towline.config.disabled || req[SERVED] || !isTraced(towline, req)) {
		return handler();
	}
	req[SERVED] = true;
	const accepted = accept(towline, incomingHeaders(req), () => peerOf(req));
	const served = new Served(accepted, readsTrailers(req));
	const { context } = served;
	AnswerHead.attach(res, served);
	const settle = () => {
		if (!res.writableFinished) served.settle("cancelled");
		else served.settle(res.statusCode >= 500 ? "error" : "ok");
	};
	res.once("finish", settle);
	res.once("close", settle);
	keepCurrent(req, context);
	keepCurrent(res, context);
	return withContext(context, () => runTold(served, handler));
}

/** Runs the handler; its failure ends the strand, and goes on to whoever sees it today. */
function runTold<T>(served: Served, handler: () => T): T {
	try {
		const result = handler();
		if (!(result instanceof Promise)) return result;
		return result.catch((error: unknown) => {
			served.settle("error");
			throw error;
		}) as T;
	} catch (error) {
		served.settle("error");
		throw error;
	}
}

function isTraced(towline: Towline, req: Request): boolean {
	if (towline.config.filter === undefined) return true;
	const url = req.originalUrl ?? req.url ?? "";
	return towline.isTraced(req.method ?? "", url.split("?", 1)[0] ?? "");
}

function readsTrailers(req: IncomingMessage): boolean {
	return String(req.headers.te ?? "")
		.toLowerCase()
		.includes("trailers");
}

/**
 * Makes `context` current for the listeners of `emitter`. Node emits from where
 * the connection was made, where no context is current, or that of a stranger.
 */
function keepCurrent(emitter: EventEmitter, context: Context): void {
	const { emit } = emitter;
	emitter.emit = (...args) =>
		current()?.isBeside(context)
			? emit.apply(emitter, args)
			: withContext(context, () => emit.apply(emitter, args));
}
