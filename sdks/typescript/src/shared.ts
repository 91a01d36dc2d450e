import { AsyncLocalStorage } from "node:async_hooks";
import type { Beside } from "./beside.js";
import type { Context } from "./context.js";
import type { Towline } from "./towline.js";

/** What all copies of this package in a process share. */
export interface Shared {
	/** The current context. */
	readonly contexts: AsyncLocalStorage<Context>;
	/**
	 * The `traceparent`s of attempts that were begun and have no answer yet, and
	 * whose they are; none for those of a call without a context.
	 */
	readonly attempts: Map<string, Context | undefined>;
	/** The default instance, once it was needed. */
	towline: Towline | undefined;
	/** The other tracing system in the process, where it was told of. */
	beside?: Beside;
}

/**
 * The number is that of the shape above, and of the methods of `Context` and
 * `Towline` that a copy calls on what another copy made.
 */
const KEY = Symbol.for("towline.shared.1");

const registry = globalThis as { [KEY]?: Shared };

/**
 * One for the process, also where the ESM and the CJS build of this package
 * meet, or two of its versions: a context that one made must be current for
 * the other.
 */
export const shared: Shared = registry[KEY] ?? {
	contexts: new AsyncLocalStorage<Context>(),
	attempts: new Map<string, Context | undefined>(),
	towline: undefined,
};
registry[KEY] = shared;
