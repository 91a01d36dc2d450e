/** Bytes of a record. */
const RECORD_BYTES_MAX = 6000;

/** What became of the clock that a request brought: used, or the reason why not. */
export type ClockVerdict = string;

/** What was made of the headers of a request. */
export interface Verdict {
	/** Why the trace began anew. */
	readonly restarted: string | undefined;
	/** `continued`; `first`, none came; `member`, by tracestate; else the reason. */
	readonly clock: ClockVerdict;
	/** As received, also where it was not continued. */
	readonly parentId: string | undefined;
}

/** Whose record it is. */
export interface RecordOwner {
	readonly service: string;
	readonly instance: string;
	readonly traceId: string;
	readonly spanId: string;
	readonly flags: number;
}

/** One call, as its caller saw it. */
export interface CallRecord {
	readonly host: string;
	readonly spanId: string;
	/** Null without an answer. */
	readonly status: number | null;
	readonly answer: "joined" | "lost" | null;
	/** The callee's record, as it came. */
	readonly hops: string | null | undefined;
}

/**
 * A request that is answered with a record of what was seen of it.
 *
 * Source: edge.md, "Probe".
 */
export class Probing {
	/** Records as JSON, separated by commas; undefined where they are too long. */
	private calls: string | undefined = "";

	constructor(
		/** What the header said: passed on with calls. */
		readonly value: string,
		private readonly verdict: Verdict,
	) {}

	/** A call ended. */
	add({ host, spanId, status, answer, hops }: CallRecord): void {
		if (this.calls === undefined) return;
		const own = { host, span_id: spanId, status, answer };
		const record = `${asciiJson(own).slice(0, -1)},"hops":${hopsOf(hops)}}`;
		const calls = this.calls === "" ? record : `${this.calls},${record}`;
		this.calls = calls.length <= RECORD_BYTES_MAX ? calls : undefined;
	}

	/** The record; undefined where the names of the service are too long for any. */
	record(owner: RecordOwner): string | undefined {
		const { restarted, clock, parentId } = this.verdict;
		const { service, instance, traceId, spanId, flags } = owner;
		const own = {
			service,
			instance,
			trace_id: traceId,
			span_id: spanId,
			parent_id: parentId ?? null,
			flags: `0${flags}`,
			restarted: restarted ?? null,
			clock,
		};
		const head = asciiJson(own).slice(0, -1);
		const whole = `${head},"calls":[${this.calls ?? ""}]}`;
		if (this.calls !== undefined && whole.length <= RECORD_BYTES_MAX) {
			return whole;
		}
		const cut = `${head},"calls":[],"cut":true}`;
		return cut.length <= RECORD_BYTES_MAX ? cut : undefined;
	}
}

/** A callee's record, if it is one: an object of JSON in ASCII, not too long. */
function hopsOf(text: string | null | undefined): string {
	if (!text || text.length > RECORD_BYTES_MAX) return "null";
	if (!/^[\x20-\x7e\t]*$/.test(text)) return "null";
	try {
		const record: unknown = JSON.parse(text);
		const isRecord =
			typeof record === "object" && record !== null && !Array.isArray(record);
		return isRecord ? text : "null";
	} catch {
		return "null";
	}
}

/** JSON whose other characters than ASCII are escaped. */
function asciiJson(value: unknown): string {
	return JSON.stringify(value).replace(
		/[\u007f-\uffff]/g,
		(c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
