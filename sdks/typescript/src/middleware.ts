import type {
	IncomingMessage,
	RequestListener,
	ServerResponse,
} from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { serve } from "./serve.js";
import { type TowlineArgument, towlineOf } from "./towline.js";

/** Middleware of Express and what is like it; it needs no types of theirs. */
export type Middleware = (
	req: IncomingMessage,
	res: ServerResponse,
	next: (error?: unknown) => void,
) => void;

/**
 * Middleware for Express 4 and 5. It comes before all that is to be traced.
 *
 * @param argument settings, or an instance that several middlewares and
 *   clients share; without one, that of the process.
 *
 * @example
 * app.use(towline({ serviceName: "shop" }));
 */
export function towline(argument?: TowlineArgument): Middleware {
	const instance = towlineOf(argument);
	return (req, res, next) => serve(instance, req, res, () => next());
}

/**
 * A listener for `http.createServer` whose requests each have a context.
 *
 * What `listener` throws, or the promise that it gives, goes on to whoever
 * called it, as without this.
 *
 * @example
 * http.createServer(withTowline((req, res) => res.end(current()?.traceId)));
 */
export function withTowline<Listener extends RequestListener>(
	listener: Listener,
	argument?: TowlineArgument,
): RequestListener;
/** The same for the servers of `node:http2`. */
export function withTowline(
	listener: Http2Listener,
	argument?: TowlineArgument,
): Http2Listener;
export function withTowline(
	listener: RequestListener | Http2Listener,
	argument?: TowlineArgument,
): (req: never, res: never) => void {
	const instance = towlineOf(argument);
	const listen = listener as RequestListener; // they are alike in all that is used
	return function (this: unknown, req: IncomingMessage, res: ServerResponse) {
		return serve(instance, req, res, () => listen.call(this, req, res));
	};
}

/** A listener for `http2.createServer` and `http2.createSecureServer`. */
export type Http2Listener = (
	req: Http2ServerRequest,
	res: Http2ServerResponse,
) => void;
