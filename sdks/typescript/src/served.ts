import type { Accepted } from "./accept.js";
import type { Context } from "./context.js";
import type { StrandOutcome } from "./observer.js";
import { writeTraceparent } from "./traceparent.js";

/** A header field. */
export type Field = readonly [name: string, value: string];

/** A request from its acceptance to the end of its response. */
export class Served {
	readonly context: Context;
	/** The caller gets a clock back. */
	private readonly isAnswered: boolean;
	/** Its end was told. */
	isTold = false;

	constructor(
		accepted: Accepted,
		/** The caller reads trailers. */
		readonly readsTrailers: boolean,
	) {
		this.context = accepted.context;
		this.isAnswered = accepted.isAnswered;
	}

	/** The caller gets a clock back, and the end of one in a trailer. */
	get owesTrailer(): boolean {
		return this.isAnswered && this.readsTrailers;
	}

	/** There may be something to put on the head of the response. */
	get hasFields(): boolean {
		return (
			this.isAnswered ||
			this.context.towline.config.traceResponse ||
			this.context.edge?.probing !== undefined
		);
	}

	/**
	 * What goes on the head of the response: the end's stamp where `isWhole`, all
	 * of the body being there or its length known, else the clock so far.
	 */
	headFields(isWhole: boolean, isShared: boolean): Field[] {
		if (isWhole) this.context.end();
		const { traceId, spanId, flags, towline } = this.context;
		const fields: Field[] = [];
		if (!isShared) fields.push(...this.clockFields());
		if (towline.config.traceResponse) {
			const value = writeTraceparent(traceId, spanId, flags);
			fields.push(["traceresponse", value]);
			fields.push(["server-timing", `trace;desc=${value}`]);
		}
		const hops = isShared ? undefined : this.hops();
		if (hops !== undefined) fields.push(["towline-hops", hops]);
		return fields;
	}

	/** What was seen of the request, where whoever sent it asked for that. */
	private hops(): string | undefined {
		const { edge, traceId, spanId, flags, towline } = this.context;
		if (edge?.probing === undefined) return undefined;
		const { serviceName: service, instance } = towline.config;
		const owner = { service, instance, traceId, spanId, flags };
		return edge.probing.record(owner);
	}

	/** The strand's clock, as a field; none where the caller gets none. */
	clockFields(): Field[] {
		if (!this.isAnswered) return [];
		const { strand, towline } = this.context;
		if (towline.config.clock === "off") return [];
		const sent = strand.header(towline.config.limits);
		if (typeof sent === "string") {
			const reason = sent === "over_limits" ? sent : "too_long";
			towline.dropped("send", reason);
			return [];
		}
		if (sent.isCut) towline.dropped("send", "cut");
		return [["raceway-clock", sent.header]];
	}

	/** The response has left, or never will. */
	settle(outcome: StrandOutcome): void {
		if (this.isTold) return;
		this.isTold = true;
		this.context.end();
		this.context.tellEnd(outcome);
	}
}
