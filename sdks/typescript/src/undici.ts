/**
 * The client middleware for undici 6 and 7.
 *
 * @packageDocumentation
 */
import { type Dispatcher, errors, interceptors } from "undici";
import { isHandedOver } from "./call.js";
import { current } from "./current.js";
import { hostOfOrigin } from "./origin.js";
import { Towline, type TowlineArgument, towlineOf } from "./towline.js";
import { limited } from "./undici-deadline.js";
import { fail, type Handler, observed } from "./undici-handler.js";
import {
	replaceFields,
	traceparentIn,
	type UndiciHeaders,
} from "./undici-headers.js";

/** What is read and changed of undici's options of a request. */
interface Options {
	readonly origin?: string | URL | undefined;
	readonly method?: string | undefined;
	readonly headers?: UndiciHeaders;
	readonly maxRedirections?: number | null | undefined;
}

type Dispatch = (options: Options, handler: Handler) => boolean;

/**
 * An interceptor whose every attempt carries the current trace and clock.
 *
 * Compose it first: what follows redirects or retries then comes above it, and
 * each of their requests is an attempt of its own, decided anew for its host.
 *
 * @param argument settings, or an instance; without one, that of the current
 *   context, and where there is none, that of the process.
 * @param origin that of a `Client` or `Pool`, whose requests do not name it.
 *
 * @example
 * const agent = new Agent().compose(interceptor(), interceptors.retry());
 * await request("http://stock.internal/items/1", { dispatcher: agent });
 */
export function interceptor(
	argument?: TowlineArgument,
	origin?: string | URL,
): Dispatcher.DispatcherComposeInterceptor {
	const given = argument === undefined ? undefined : towlineOf(argument);
	const intercept = (dispatch: Dispatch): Dispatch => {
		const attempt: Dispatch = (options, handler) => {
			const towline = given ?? current()?.towline ?? Towline.default();
			const isLeft =
				towline.config.disabled ||
				isHandedOver(() => traceparentIn(options.headers));
			if (isLeft) return dispatch(options, handler);
			const host = hostOf(options.origin ?? origin);
			return send(towline, host, dispatch, options, handler);
		};
		// Who would follow them below would carry a clock to any host.
		const followed = interceptors.redirect() as unknown as (
			dispatch: Dispatch,
		) => Dispatch;
		const following = followed(attempt);
		return (options, handler) =>
			options.maxRedirections
				? following(options, handler)
				: attempt(options, handler);
	};
	return intercept as unknown as Dispatcher.DispatcherComposeInterceptor;
}

function send(
	towline: Towline,
	host: string,
	dispatch: Dispatch,
	options: Options,
	handler: Handler,
): boolean {
	const resendCount = countAttempt(handler);
	if (!towline.hasTime()) {
		fail(handler, new errors.HeadersTimeoutError("no time is left"));
		return true;
	}
	const call = towline.begin(host, { resendCount, method: options.method });
	const headers = replaceFields(options.headers, call);
	call.handOver();
	const told = observed(handler, call);
	const to = call.left === undefined ? told : limited(told, call.left);
	try {
		return call.run(() => dispatch({ ...options, headers }, to));
	} catch (error) {
		call.failed();
		throw error;
	}
}

/** How often handlers that dispatch again have done so. */
const attempts = new WeakMap<Handler, number>();

/**
 * How many attempts went before this one for the same request. What retries or
 * follows redirects keeps what it dispatches by, and hands itself over each
 * time; a plain handler does not, and is not looked up.
 */
function countAttempt(handler: Handler): number {
	if (!("dispatch" in handler)) return 0;
	const count = attempts.get(handler) ?? 0;
	attempts.set(handler, count + 1);
	return count;
}

/** Host and port; empty where they are not known. */
function hostOf(origin: string | URL | undefined): string {
	if (origin === undefined) return "";
	return typeof origin === "string" ? hostOfOrigin(origin) : origin.host;
}
