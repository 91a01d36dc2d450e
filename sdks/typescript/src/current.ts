import type { Context } from "./context.js";
import { shared } from "./shared.js";

/** The context of the code that runs; undefined where there is none. */
export function current(): Context | undefined {
	return shared.contexts.getStore();
}

/** Runs `work` with `context` current, there and in all that it starts. */
export function withContext<T>(context: Context, work: () => T): T {
	return shared.contexts.run(context, work);
}

/**
 * `callback`, to be run in the context that is current now, without a fork: for
 * pools and event emitters that call back later, one at a time.
 *
 * Where no context is current, `callback` itself.
 *
 * @example
 * emitter.on("data", bind((chunk) => current()?.traceId));
 */
export function bind<This, Args extends unknown[], Result>(
	callback: (this: This, ...args: Args) => Result,
): (this: This, ...args: Args) => Result {
	const context = current();
	if (context === undefined) return callback;
	return function (this: This, ...args: Args): Result {
		return shared.contexts.run(context, () => callback.apply(this, args));
	};
}
