/** A call that a request asks for. */
export interface Call {
	readonly url: URL;
	readonly body: unknown;
}

/** `POST /process`, read. */
export interface ProcessRequest {
	readonly payload: string;
	readonly calls: readonly Call[];
	readonly isParallel: boolean;
	/** The second form: one call, whose answer stands in `downstream`. */
	readonly isChain: boolean;
}

const CALLS_MAX = 64;

/** Reads the body of `POST /process`; throws where it is not of either form. */
export function processRequest(body: unknown): ProcessRequest {
	const { payload, calls, mode, ...chain } = objectOf(body, "body");
	if (typeof payload !== "string") throw new Error("payload is not a text");
	if (chain.downstream !== undefined && chain.downstream !== null) {
		const url = urlOf(chain.downstream);
		const next = {
			payload,
			downstream: chain.next_downstream,
			next_downstream: chain.next_next_downstream,
		};
		const only = [{ url, body: next }];
		return { payload, calls: only, isParallel: false, isChain: true };
	}
	return {
		payload,
		calls: listOf(calls ?? []).map((entry) => processCall(entry, payload)),
		isParallel: modeOf(mode) === "parallel",
		isChain: false,
	};
}

/** Reads the body of `POST /test`; throws where it is not of its form. */
export function testRequest(body: unknown): readonly Call[] {
	if (!Array.isArray(body)) throw new Error("body is not a list");
	return body.map((entry) => {
		const { url, arguments: args } = objectOf(entry, "entry");
		if (typeof url !== "string") throw new Error("url is not a text");
		return { url: new URL(url), body: args };
	});
}

function processCall(entry: unknown, callers: string): Call {
	const { url, payload = callers, calls, mode } = objectOf(entry, "call");
	if (typeof payload !== "string") throw new Error("payload is not a text");
	const body = { payload, calls: listOf(calls ?? []), mode: modeOf(mode) };
	return { url: urlOf(url), body };
}

function listOf(value: unknown): unknown[] {
	if (!Array.isArray(value)) throw new Error("calls is not a list");
	if (value.length > CALLS_MAX) throw new Error(`more than ${CALLS_MAX} calls`);
	return value;
}

function modeOf(value: unknown): "sequential" | "parallel" {
	const mode = value ?? "sequential";
	if (mode === "sequential" || mode === "parallel") return mode;
	throw new Error("mode is neither sequential nor parallel");
}

function urlOf(value: unknown): URL {
	if (typeof value !== "string" || !URL.canParse(value)) {
		throw new Error("url is not one");
	}
	const url = new URL(value);
	if (url.protocol !== "http:" && url.protocol !== "https:") {
		throw new Error("url is not of http");
	}
	if (url.pathname === "/") url.pathname = "/process";
	return url;
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
	if (typeof value !== "object" || value === null || Array.isArray(value)) {
		throw new Error(`${what} is not an object`);
	}
	return value as Record<string, unknown>;
}
