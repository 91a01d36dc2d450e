/**
 * The client middleware for undici 6 and 7.
 *
 * @packageDocumentation
 */
import { type Dispatcher, interceptors } from "undici";
import { isHandedOver } from "./call.js";
import { current } from "./current.js";
import { hostOfOrigin } from "./origin.js";
import { Towline, type TowlineArgument, towlineOf } from "./towline.js";
import { type Handler, observed } from "./undici-handler.js";
import {
	replaceFields,
	traceparentIn,
	type UndiciHeaders,
} from "./undici-headers.js";

/** What is read and changed of undici's options of a request. */
interface Options {
	readonly origin?: string | URL | undefined;
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
	const call = towline.begin(host, {});
	const headers = replaceFields(options.headers, call.headers);
	call.handOver();
	try {
		return dispatch({ ...options, headers }, observed(handler, call));
	} catch (error) {
		call.failed();
		throw error;
	}
}

/** Host and port; empty where they are not known. */
function hostOf(origin: string | URL | undefined): string {
	if (origin === undefined) return "";
	return typeof origin === "string" ? hostOfOrigin(origin) : origin.host;
}
