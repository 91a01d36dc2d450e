import type { Context, ForkedContext } from "./context.js";
import { current, withContext } from "./current.js";
import type { StrandOutcome } from "./observer.js";

/**
 * Runs `work` as an attached child strand, in a context of its own that is
 * current for it. The strand ends when `work` does, and is joined when its
 * result is taken (`await`, `then`, `Promise.all`): by the context that takes
 * it.
 *
 * Work that runs at once in one request needs this: code that shares a strand
 * is claimed to run in order. Where no context is current, it only runs `work`.
 *
 * @example
 * const [stock, price] = await Promise.all([
 *   fork(() => fetchStock(id)),
 *   fork(() => fetchPrice(id)),
 * ]);
 *
 * Source: api.md, "What an application calls".
 */
export function fork<T>(work: () => T | PromiseLike<T>): Promise<T> {
	const parent = current()?.live();
	if (parent === undefined) return new Promise((resolve) => resolve(work()));
	const forked = parent.forkChild(false);
	const result = new Promise<T>((resolve) =>
		resolve(run(forked.context, work)),
	);
	return new ForkedResult(result, parent, forked);
}

/**
 * Runs `work` as a detached child strand that nobody joins, in a context of its
 * own, and gives what `work` gives. For work that goes on after the answer.
 *
 * @example
 * detach(() => sendReceipt(order)).catch(report);
 */
export function detach<T>(work: () => T): T {
	const parent = current()?.live();
	if (parent === undefined) return work();
	return run(parent.forkChild(true).context, work);
}

/** Runs `work` in a forked context, and ends its strand with it. */
function run<T>(context: Context, work: () => T): T {
	const end = (outcome: StrandOutcome) => {
		context.end();
		context.tellEnd(outcome);
	};
	let result: T;
	try {
		result = withContext(context, work);
	} catch (error) {
		end("error");
		throw error;
	}
	if (!isPromiseLike(result)) {
		end("ok");
		return result;
	}
	const settled = result.then(
		(value) => {
			end("ok");
			return value;
		},
		(error: unknown) => {
			end("error");
			throw error;
		},
	);
	return settled as T;
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
	return (
		typeof value === "object" &&
		value !== null &&
		"then" in value &&
		typeof value.then === "function"
	);
}

/**
 * A promise that is joined by whoever takes its result.
 *
 * A subclass, since `await` calls `then` of those only; joining when the child
 * ends would claim that what the parent did meanwhile came after it.
 */
class ForkedResult<T> extends Promise<T> {
	/** What `then` gives is a plain promise: its result has been taken. */
	static override get [Symbol.species](): PromiseConstructor {
		return Promise;
	}

	private joinedBy: Context | undefined;

	constructor(
		result: Promise<T>,
		private readonly parent: Context,
		private readonly forked: ForkedContext,
	) {
		super((resolve) => resolve(result));
	}

	// biome-ignore lint/suspicious/noThenProperty: it is a promise.
	override then<A = T, B = never>(
		taken?: ((value: T) => A | PromiseLike<A>) | null,
		failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
	): Promise<A | B> {
		const taker = current() ?? this.parent;
		return super.then(
			(value) => {
				this.join(taker);
				return taken ? taken(value) : (value as unknown as A);
			},
			(reason: unknown) => {
				this.join(taker);
				if (failed) return failed(reason);
				throw reason;
			},
		);
	}

	private join(taker: Context): void {
		const { context, fork } = this.forked;
		if (fork === undefined || this.joinedBy === taker) return;
		this.joinedBy = taker;
		taker.join(fork, this.parent, context.strand);
	}
}
