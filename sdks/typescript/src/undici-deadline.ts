import { errors } from "undici";
import { TIMER_MS_MAX } from "./lifetime.js";
import { fail, type Handler, isLegacy } from "./undici-handler.js";

/** What ends a request: the `abort` of version 6, the controller of version 7. */
type Abort = (error: Error) => void;

/**
 * `handler`, which fails as by a timeout of undici after so many milliseconds,
 * also while it still waits for a connection.
 */
export function limited(handler: Handler, milliseconds: number): Handler {
	const deadline = new Deadline(handler, milliseconds);
	return isLegacy(handler)
		? legacyHandler(handler, deadline)
		: currentHandler(handler, deadline);
}

/** The time that one request has. */
class Deadline {
	/** Ended, one way or the other: what comes later is not passed on. */
	isOver = false;
	hasHead = false;
	private abort: Abort | undefined;
	private readonly timer: NodeJS.Timeout;

	constructor(
		private readonly handler: Handler,
		milliseconds: number,
	) {
		const expire = () => this.expire();
		this.timer = setTimeout(expire, Math.min(milliseconds, TIMER_MS_MAX));
	}

	/** There is a connection, and a way to end the request. Gives whether it is still wanted. */
	started(abort: Abort): boolean {
		if (this.isOver) {
			abort(this.error());
			return false;
		}
		this.abort = abort;
		return true;
	}

	/** The request has ended. Gives whether that is still to be told. */
	ended(): boolean {
		clearTimeout(this.timer);
		if (this.isOver) return false;
		this.isOver = true;
		return true;
	}

	private expire(): void {
		if (this.abort !== undefined) {
			this.abort(this.error()); // which is told as the request's error
		} else if (this.ended()) {
			fail(this.handler, this.error());
		}
	}

	private error(): Error {
		const message = "the deadline is over";
		return this.hasHead
			? new errors.BodyTimeoutError(message)
			: new errors.HeadersTimeoutError(message);
	}
}

/** By the methods of version 6. */
function legacyHandler(to: Handler, deadline: Deadline): Handler {
	return {
		onConnect(abort, context) {
			const end = abort as Abort;
			if (deadline.started(end)) to.onConnect?.(abort, context);
		},
		onUpgrade(status, headers, socket) {
			if (deadline.ended()) to.onUpgrade?.(status, headers, socket);
		},
		onResponseStarted() {
			to.onResponseStarted?.();
		},
		onHeaders(status, headers, resume, message) {
			deadline.hasHead ||= status >= 200;
			return to.onHeaders?.(status, headers, resume, message) ?? true;
		},
		onData(chunk) {
			return to.onData?.(chunk) ?? true;
		},
		onComplete(trailers) {
			if (deadline.ended()) to.onComplete?.(trailers);
		},
		onError(error) {
			if (deadline.ended()) to.onError?.(error);
		},
		onBodySent(...args) {
			to.onBodySent?.(...args);
		},
		onRequestSent(...args) {
			to.onRequestSent?.(...args);
		},
	};
}

/** By the methods of version 7. */
function currentHandler(to: Handler, deadline: Deadline): Handler {
	return {
		onRequestStart(controller, context) {
			const { abort } = controller as { abort: Abort };
			const end = (error: Error) => abort.call(controller, error);
			if (deadline.started(end)) to.onRequestStart?.(controller, context);
		},
		onRequestUpgrade(controller, status, headers, socket) {
			if (!deadline.ended()) return;
			to.onRequestUpgrade?.(controller, status, headers, socket);
		},
		onResponseStart(controller, status, headers, message) {
			deadline.hasHead ||= status >= 200;
			to.onResponseStart?.(controller, status, headers, message);
		},
		onResponseData(controller, chunk) {
			to.onResponseData?.(controller, chunk);
		},
		onResponseEnd(controller, trailers) {
			if (deadline.ended()) to.onResponseEnd?.(controller, trailers);
		},
		onResponseError(controller, error) {
			if (deadline.ended()) to.onResponseError?.(controller, error);
		},
	};
}
