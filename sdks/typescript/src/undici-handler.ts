import type { Call } from "./call.js";

/** Headers of an answer, as undici 7 gives them. */
type Parsed = Readonly<Record<string, string | string[] | undefined>>;
type Raw = readonly (Buffer | string)[] | null;

/** What undici tells of a request: by the methods of version 7, or by those of 6. */
export interface Handler {
	onRequestStart?(controller: unknown, context: unknown): void;
	onRequestUpgrade?(
		controller: unknown,
		status: number,
		headers: Parsed,
		socket: unknown,
	): void;
	onResponseStart?(
		controller: unknown,
		status: number,
		headers: Parsed,
		message?: string,
	): void;
	onResponseData?(controller: unknown, chunk: Buffer): void;
	onResponseEnd?(controller: unknown, trailers: Parsed): void;
	onResponseError?(controller: unknown, error: Error): void;

	onConnect?(...args: unknown[]): void;
	onUpgrade?(status: number, headers: Raw, socket: unknown): void;
	onResponseStarted?(): void;
	onHeaders?(status: number, headers: Raw, ...rest: unknown[]): boolean;
	onData?(chunk: Buffer): boolean;
	onComplete?(trailers: Raw): void;
	onError?(error: Error): void;
	onBodySent?(...args: unknown[]): void;
	onRequestSent?(...args: unknown[]): void;
}

/** `handler`, with `call` told how its attempt goes. */
export function observed(handler: Handler, call: Call): Handler {
	return handler.onRequestStart
		? observedHandler(handler, call)
		: observedLegacy(handler, call);
}

function observedHandler(to: Handler, call: Call): Handler {
	return {
		onRequestStart: (...args) => to.onRequestStart?.(...args),
		onRequestUpgrade: (controller, status, headers, socket) => {
			answered(call, status, headers[CLOCK]);
			call.bodyEnded();
			to.onRequestUpgrade?.(controller, status, headers, socket);
		},
		onResponseStart: (controller, status, headers, message) => {
			answered(call, status, headers[CLOCK]);
			to.onResponseStart?.(controller, status, headers, message);
		},
		onResponseData: (...args) => to.onResponseData?.(...args),
		onResponseEnd: (controller, trailers) => {
			call.bodyEnded(trailers?.[CLOCK]);
			to.onResponseEnd?.(controller, trailers);
		},
		onResponseError: (controller, error) => {
			call.failed(outcomeOf(error));
			to.onResponseError?.(controller, error);
		},
	};
}

function observedLegacy(to: Handler, call: Call): Handler {
	return {
		onConnect: (...args) => to.onConnect?.(...args),
		onUpgrade: (status, headers, socket) => {
			answered(call, status, rawClocks(headers));
			call.bodyEnded();
			to.onUpgrade?.(status, headers, socket);
		},
		onResponseStarted: () => to.onResponseStarted?.(),
		onHeaders: (status, headers, ...rest) => {
			answered(call, status, rawClocks(headers));
			return to.onHeaders?.(status, headers, ...rest) ?? true;
		},
		onData: (chunk) => to.onData?.(chunk) ?? true,
		onComplete: (trailers) => {
			call.bodyEnded(rawClocks(trailers));
			to.onComplete?.(trailers);
		},
		onError: (error) => {
			call.failed(outcomeOf(error));
			to.onError?.(error);
		},
		onBodySent: (...args) => to.onBodySent?.(...args),
		onRequestSent: (...args) => to.onRequestSent?.(...args),
	};
}

const CLOCK = "raceway-clock";

/** A head below 200 is not yet the answer, save that of an upgrade. */
function answered(
	call: Call,
	status: number,
	clocks: string | readonly string[] | undefined,
): void {
	if (status >= 200 || status === 101) call.answered(clocks, status);
}

/** The values of all fields of the clock in names and values in turn. */
function rawClocks(headers: Raw): string[] {
	const clocks: string[] = [];
	if (headers === null) return clocks;
	for (let i = 0; i + 1 < headers.length; i += 2) {
		const name = headers[i];
		if (name?.length !== CLOCK.length) continue;
		if (name.toString().toLowerCase() === CLOCK) {
			clocks.push(String(headers[i + 1]));
		}
	}
	return clocks;
}

/** Was it given up, or did it fail? */
function outcomeOf(error: Error): "error" | "cancelled" {
	return error.name === "AbortError" ? "cancelled" : "error";
}
