import type { Context, ForkedContext } from "./context.js";
import { current } from "./current.js";
import { runToEnd } from "./run-to-end.js";

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
		resolve(runToEnd(forked.context, work)),
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
	return runToEnd(parent.forkChild(true).context, work);
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
