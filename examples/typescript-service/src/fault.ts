import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestListener, ServerResponse } from "node:http";

/** What a service can be made to do wrong, on purpose. */
const FAULTS = [
	"drop-traceparent",
	"new-trace",
	"drop-clock",
	"stale-clock",
	"drop-clock-answer",
	"stale-clock-answer",
	"wrong-parent",
	"flip-sampled",
	"drop-tracestate",
] as const;
type Fault = (typeof FAULTS)[number];

const NAMES = ["traceparent", "tracestate", "raceway-clock"] as const;
type Seen = Partial<Record<(typeof NAMES)[number], string>>;

/** What was on the wire of one call. */
interface Sent {
	/** The client span, as the middleware made it. */
	span_id: string | null;
	sentHeaders: Seen;
	answerHeaders: Seen;
}

/**
 * Stands between Towline and the wire: records what passes, and misbehaves as
 * `TOWLINE_DEMO_FAULT` says. A service that is no test needs nothing of this.
 */
export class Wire {
	private readonly requests = new AsyncLocalStorage<Seen>();
	private readonly calls = new AsyncLocalStorage<Sent>();
	private readonly faults: ReadonlySet<Fault>;

	constructor(service: string, faults: string | undefined) {
		this.faults = faultsOf(service, faults ?? "");
	}

	/** `listener`, with the faults of a server outside of it. */
	listener(listener: RequestListener): RequestListener {
		return (req, res) => {
			const received = seen((name) => req.headersDistinct[name]);
			if (this.faults.has("new-trace")) hide(req.rawHeaders, "traceparent");
			this.spoilAnswer(res, received);
			this.requests.run(received, () => listener(req, res));
		};
	}

	/** What was received with the current request. */
	received(): Seen {
		return this.requests.getStore() ?? {};
	}

	/** `fetch`, with the faults of a client. */
	readonly fetch: typeof globalThis.fetch = async (input, init) => {
		const headers = new Headers(init?.headers);
		const call = this.calls.getStore();
		if (call) call.span_id = headers.get("traceparent")?.slice(36, 52) ?? null;
		this.spoilCall(headers);
		if (call) call.sentHeaders = seen((name) => headers.get(name));
		const response = await globalThis.fetch(input, { ...init, headers });
		if (call) call.answerHeaders = seen((name) => response.headers.get(name));
		return response;
	};

	/** Does one call, and tells what was on its wire. */
	async record(work: () => Promise<void>): Promise<Sent> {
		const sent: Sent = { span_id: null, sentHeaders: {}, answerHeaders: {} };
		await this.calls.run(sent, work);
		return sent;
	}

	private spoilCall(headers: Headers): void {
		const received = this.received();
		const parent = headers.get("traceparent");
		for (const fault of this.faults) {
			if (fault === "drop-traceparent") headers.delete("traceparent");
			if (fault === "drop-tracestate") headers.delete("tracestate");
			if (fault === "drop-clock") headers.delete("raceway-clock");
			if (fault === "stale-clock") {
				headers.delete("raceway-clock");
				const clock = received["raceway-clock"];
				if (clock) headers.set("raceway-clock", clock);
			}
			if (fault === "wrong-parent" && parent && received.traceparent) {
				const id = received.traceparent.slice(36, 52);
				headers.set("traceparent", parent.slice(0, 36) + id + parent.slice(52));
			}
			if (fault === "flip-sampled" && parent) {
				const flags = Number.parseInt(parent.slice(53), 16) ^ 1;
				headers.set("traceparent", `${parent.slice(0, 53)}0${flags}`);
			}
		}
	}

	private spoilAnswer(res: ServerResponse, received: Seen): void {
		const drops = this.faults.has("drop-clock-answer");
		const isStale = this.faults.has("stale-clock-answer");
		if (!drops && !isStale) return;
		const writeHead = res.writeHead.bind(res) as (status: number) => typeof res;
		res.writeHead = (status: number) => {
			res.removeHeader("raceway-clock");
			const clock = received["raceway-clock"];
			if (isStale && clock) res.setHeader("raceway-clock", clock);
			return writeHead(status);
		};
	}
}

/** The faults of `service`; throws where there is one that nobody knows. */
function faultsOf(service: string, text: string): Set<Fault> {
	const faults = new Set<Fault>();
	for (const entry of text.split(",").map((part) => part.trim())) {
		if (entry === "") continue;
		const [name, word] = entry.split(":");
		const fault = FAULTS.find((known) => known === word);
		if (fault === undefined || entry !== `${name}:${fault}`) {
			throw new Error(`TOWLINE_DEMO_FAULT: ${entry} is not SERVICE:FAULT`);
		}
		if (name === service) faults.add(fault);
	}
	return faults;
}

/** The headers that are there; several fields of one name joined. */
function seen(
	get: (name: string) => readonly string[] | string | null | undefined,
): Seen {
	const out: Seen = {};
	for (const name of NAMES) {
		const value = get(name);
		if (value) out[name] = typeof value === "string" ? value : value.join(", ");
	}
	return out;
}

/** Takes all fields of a name out of a list of names and values. */
function hide(raw: string[], hidden: string): void {
	for (let i = raw.length - 2; i >= 0; i -= 2) {
		if (raw[i]?.toLowerCase() === hidden) raw.splice(i, 2);
	}
}
