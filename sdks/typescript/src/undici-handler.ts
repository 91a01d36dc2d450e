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

	onConnect?(abort: unknown, context?: unknown): void;
	onUpgrade?(status: number, headers: Raw, socket: unknown): void;
	onResponseStarted?(): void;
	onHeaders?(
		status: number,
		headers: Raw,
		resume?: unknown,
		message?: unknown,
	): boolean;
	onData?(chunk: Buffer): boolean;
	onComplete?(trailers: Raw): void;
	onError?(error: Error): void;
	onBodySent?(...args: unknown[]): void;
	onRequestSent?(...args: unknown[]): void;
}

/** Is a handler told by the methods of version 6? Those of 7 cost more where it has both. */
export function isLegacy(handler: Handler): boolean {
	return Boolean(handler.onHeaders) || !handler.onRequestStart;
}

/** The request will not be made, or is over. */
export function fail(handler: Handler, error: Error): void {
	if (isLegacy(handler)) handler.onError?.(error);
	else handler.onResponseError?.(null, error);
}

/**
 * `handler`, with `call` told how its attempt goes.
 *
 * What undici 7 itself composes has the methods of both versions. Those of 6 are
 * what its connections call, and pass on as they are; by those of 7, the headers
 * of each answer are parsed, written and wrapped again, for 5 µs.
 */
export function observed(handler: Handler, call: Call): Handler {
	return isLegacy(handler)
		? new ObservedLegacy(handler, call)
		: new Observed(handler, call);
}

class Observed implements Handler {
	constructor(
		private readonly to: Handler,
		private readonly call: Call,
	) {}

	onRequestStart(controller: unknown, context: unknown): void {
		this.to.onRequestStart?.(controller, context);
	}

	onRequestUpgrade(
		controller: unknown,
		status: number,
		headers: Parsed,
		socket: unknown,
	): void {
		answered(this.call, status, headers[CLOCK], headers[HOPS]);
		this.call.bodyEnded();
		this.to.onRequestUpgrade?.(controller, status, headers, socket);
	}

	onResponseStart(
		controller: unknown,
		status: number,
		headers: Parsed,
		message?: string,
	): void {
		answered(this.call, status, headers[CLOCK], headers[HOPS]);
		this.to.onResponseStart?.(controller, status, headers, message);
	}

	onResponseData(controller: unknown, chunk: Buffer): void {
		this.to.onResponseData?.(controller, chunk);
	}

	onResponseEnd(controller: unknown, trailers: Parsed): void {
		this.call.bodyEnded(trailers?.[CLOCK]);
		this.to.onResponseEnd?.(controller, trailers);
	}

	onResponseError(controller: unknown, error: Error): void {
		this.call.failed(outcomeOf(error));
		this.to.onResponseError?.(controller, error);
	}
}

class ObservedLegacy implements Handler {
	constructor(
		private readonly to: Handler,
		private readonly call: Call,
	) {}

	onConnect(abort: unknown, context?: unknown): void {
		this.to.onConnect?.(abort, context);
	}

	onUpgrade(status: number, headers: Raw, socket: unknown): void {
		const hops = this.call.isProbed ? rawFields(headers, HOPS) : undefined;
		answered(this.call, status, rawFields(headers, CLOCK), hops);
		this.call.bodyEnded();
		this.to.onUpgrade?.(status, headers, socket);
	}

	onResponseStarted(): void {
		this.to.onResponseStarted?.();
	}

	onHeaders(
		status: number,
		headers: Raw,
		resume?: unknown,
		message?: unknown,
	): boolean {
		const hops = this.call.isProbed ? rawFields(headers, HOPS) : undefined;
		answered(this.call, status, rawFields(headers, CLOCK), hops);
		return this.to.onHeaders?.(status, headers, resume, message) ?? true;
	}

	onData(chunk: Buffer): boolean {
		return this.to.onData?.(chunk) ?? true;
	}

	onComplete(trailers: Raw): void {
		this.call.bodyEnded(rawFields(trailers, CLOCK));
		this.to.onComplete?.(trailers);
	}

	onError(error: Error): void {
		this.call.failed(outcomeOf(error));
		this.to.onError?.(error);
	}

	onBodySent(...args: unknown[]): void {
		this.to.onBodySent?.(...args);
	}

	onRequestSent(...args: unknown[]): void {
		this.to.onRequestSent?.(...args);
	}
}

const CLOCK = "raceway-clock";
const HOPS = "towline-hops";

/** A head below 200 is not yet the answer, save that of an upgrade. */
function answered(
	call: Call,
	status: number,
	clocks: string | readonly string[] | undefined,
	hops: string | readonly string[] | undefined,
): void {
	if (status < 200 && status !== 101) return;
	call.answered(clocks, status, typeof hops === "string" ? hops : undefined);
}

/** The values of all fields of a name in names and values in turn. */
function rawFields(
	headers: Raw,
	sought: string,
): string | readonly string[] | undefined {
	let values: string | string[] | undefined;
	if (headers === null) return values;
	for (let i = 0; i + 1 < headers.length; i += 2) {
		const name = headers[i];
		if (name?.length !== sought.length) continue;
		if (name.toString().toLowerCase() !== sought) continue;
		const value = String(headers[i + 1]);
		values = values === undefined ? value : [value].concat(values);
	}
	return values;
}

/** Was it given up, or did it fail? */
function outcomeOf(error: Error): "error" | "cancelled" {
	return error.name === "AbortError" ? "cancelled" : "error";
}
