/** What a timer takes; a longer time is as good as none. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * How long work has: until its caller goes, or its time is over. That of a fork
 * is never longer than that of its parent.
 */
export class Lifetime {
	/** By `performance.now()`. */
	private own: number | undefined;
	private controller: AbortController | undefined;
	private timer: NodeJS.Timeout | undefined;
	private isClosed = false;

	constructor(private readonly parent: Lifetime | undefined) {}

	/** When the time is over, by `performance.now()`; undefined where there is no limit. */
	get deadline(): number | undefined {
		const above = this.parent?.deadline;
		if (above === undefined || this.own === undefined) return above ?? this.own;
		return Math.min(above, this.own);
	}

	/** Brings the deadline forward; never puts it off. */
	lower(milliseconds: number): void {
		const deadline = performance.now() + milliseconds;
		if (this.own !== undefined && this.own <= deadline) return;
		this.own = deadline;
		this.arm();
	}

	/** Aborts when the caller goes, or the time is over. */
	get signal(): AbortSignal {
		if (this.controller !== undefined) return this.controller.signal;
		this.controller = new AbortController();
		const above = this.parent?.signal;
		if (above?.aborted) this.abort(above.reason);
		else {
			const follow = () => this.abort(above?.reason);
			above?.addEventListener("abort", follow, { once: true });
		}
		this.arm();
		return this.controller.signal;
	}

	/** The caller has gone, or the time is over. */
	abort(reason: unknown): void {
		clearTimeout(this.timer);
		this.controller ??= new AbortController();
		this.controller.abort(reason);
	}

	/** The work is done: what is not over yet never will be. */
	close(): void {
		this.isClosed = true;
		clearTimeout(this.timer);
	}

	private arm(): void {
		const { controller, own } = this;
		if (controller === undefined || own === undefined || this.isClosed) return;
		clearTimeout(this.timer);
		const left = own - performance.now();
		if (left > TIMER_MS_MAX || controller.signal.aborted) return;
		const over = () => this.abort(timeoutError("the deadline is over"));
		this.timer = setTimeout(over, Math.max(left, 0)).unref();
	}
}

/** What `AbortSignal.timeout` aborts with. */
export function timeoutError(message: string): DOMException {
	return new DOMException(message, "TimeoutError");
}

/** What a signal aborts with when the caller has gone. */
export function callerGone(): DOMException {
	return new DOMException("the caller has gone", "AbortError");
}
