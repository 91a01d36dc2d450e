import { Strand } from "towline";

/** Different header sets in a batch: one that is repeated would flatter a parser. */
export const BATCH = 512;

/** What a request comes with. */
export interface Inbound {
	readonly traceId: string;
	readonly parentId: string;
	readonly traceparent: string;
	/** Our member, beside the clock. */
	readonly tracestate: string | undefined;
	readonly clock: string | undefined;
}

/** Names of the length that services have: a clock of 4 hops is about 160 bytes long. */
const SERVICES = [
	["storefront", "web-7d9f4"],
	["checkout", "checkout-2"],
	["payments", "payments-14"],
	["inventory", "stock-eu-1"],
] as const;

/** A batch, the same in every process. `hops`: of the clock; 0 for none. */
export function inbounds(hops: number): Inbound[] {
	const hex = randomHex(1);
	return Array.from({ length: BATCH }, () => {
		const traceId = `${hex()}${hex()}${hex()}${hex()}`;
		const parentId = `${hex()}${hex()}`;
		const traceparent = `00-${traceId}-${parentId}-01`;
		const clock =
			hops === 0 ? undefined : sent(traceId, parentId.slice(8), hops, hex);
		return {
			traceId,
			parentId,
			traceparent,
			tracestate: clock?.short && `towline=${clock.short}`,
			clock: clock?.header,
		};
	});
}

/** Names and values in turn, as they come from a wire. */
export function rawHeaders(inbound: Inbound): string[] {
	const raw = [
		...["Host", "stock.internal", "User-Agent", "bench/1", "Accept", "*/*"],
		...["Connection", "keep-alive", "traceparent", inbound.traceparent],
	];
	if (inbound.tracestate) raw.push("tracestate", inbound.tracestate);
	if (inbound.clock) raw.push("raceway-clock", inbound.clock);
	return raw;
}

/** The clock of a call that comes over so many services. */
function sent(
	traceId: string,
	last: string,
	hops: number,
	hex: () => string,
): { header: string; short: string | undefined } {
	let sender: ReturnType<Strand["send"]> | undefined;
	for (let level = 1; level <= hops; level++) {
		const [service, instance] = SERVICES[(level - 1) % 4] ?? SERVICES[0];
		const nonce = level === hops ? last : hex();
		const trace = traceId.slice(24);
		const strand = Strand.start({ service, instance, nonce, trace, sender });
		for (let events = Number.parseInt(hex(), 16) % 8; events > 0; events--) {
			strand.event();
		}
		sender = strand.send();
	}
	if (sender === undefined) throw new Error("a clock has at least one hop");
	return { header: sender.format(), short: sender.toTracestate() };
}

/** 8 digits at a time, not all zero; a linear congruence is random enough to vary headers. */
function randomHex(seed: number): () => string {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return (state || 1).toString(16).padStart(8, "0");
	};
}
