import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { accept } from "./accept.js";
import { AnswerHead } from "./answer-head.js";
import type { Context } from "./context.js";
import { current, withContext } from "./current.js";
import { Served } from "./served.js";
import { peerOf, RequestHeaders } from "./server-headers.js";
import type { Towline } from "./towline.js";

/** Marks a request that is served: whichever copy of this package comes next steps aside. */
export const SERVED = Symbol.for("towline.served.1");

/** A request as middleware sees it. */
export interface Request extends IncomingMessage {
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
	const headers = new RequestHeaders(req.rawHeaders);
	const accepted = accept(towline, headers, () => peerOf(req));
	const served = new Served(accepted, headers.readsTrailers);
	const { context } = served;
	const head = AnswerHead.attach(res, served);
	keepCurrent(req, context);
	keepCurrent(res, context, (event) => {
		if ((event !== "finish" && event !== "close") || served.isTold) return;
		if (!head.isComplete()) served.settle("cancelled");
		else served.settle(res.statusCode >= 500 ? "error" : "ok");
	});
	return withContext(context, () => runTold(served, handler));
}

/** Runs the handler; its failure ends the strand, and goes on to whoever sees it today. */
export function runTold<T>(served: Served, handler: () => T): T {
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

export function isTraced(towline: Towline, req: Request): boolean {
	if (towline.config.filter === undefined) return true;
	const url = req.originalUrl ?? req.url ?? "";
	return towline.isTraced(req.method ?? "", url.split("?", 1)[0] ?? "");
}

/**
 * Makes `context` current for the listeners of `emitter`. Node emits from where
 * the connection was made, where no context is current, or that of a stranger.
 *
 * @param before is told of every event before its listeners: a listener for it
 *   would cost 2 µs in Express.
 */
export function keepCurrent(
	emitter: EventEmitter,
	context: Context,
	before?: (event: unknown, argument: unknown) => void,
): void {
	const { emit } = emitter;
	emitter.emit = (...args) => {
		before?.(args[0], args[1]);
		return current()?.isBeside(context)
			? emit.apply(emitter, args)
			: withContext(context, () => emit.apply(emitter, args));
	};
}
