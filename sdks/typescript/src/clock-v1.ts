import { ClockError, type ClockReason } from "./clock-error.js";
import { cleaned, hasControl } from "./label.js";
import { LIMITS, TICK_MAX } from "./limits.js";
import { isHex, trimBlanks } from "./scan-clock.js";
import { parseStrictJson } from "./strict-json.js";

const COMPONENTS_MAX = 256;
const LEVELS_MAX = 32;

/** Whose call a v1 header is written for. */
export interface ClockV1Sender {
	/** 32 lower-case hex digits. */
	readonly traceId: string;
	/** The call's client span: 16 lower-case hex digits. */
	readonly spanId: string;
	/** The caller's own span: 16 lower-case hex digits. */
	readonly parentSpanId: string;
	readonly service: string;
	readonly instance: string;
}

/** How two v1 vectors stand; they cannot tell concurrent handlers of one service apart. */
export interface OrderV1 {
	readonly order: "before" | "after" | "equal" | "concurrent";
	/** Always true: the order is one of services, not of events. */
	readonly perService: true;
}

/**
 * The clock of version 1: one counter for each `service#instance`. Immutable.
 *
 * Source: strand-clocks.md, "v1"; clock-v1.json.
 *
 * @example
 * const clock = new ClockV1().send("ts#1").send("py#1");
 * clock.vector.get("ts#1"); // 1
 */
export class ClockV1 {
	constructor(
		/** Component to counter, at most 256 of them, 0 to 2³¹−1. */
		readonly vector: ReadonlyMap<string, number> = new Map(),
	) {}

	/**
	 * The vector of a v1 header.
	 *
	 * @param traceId that of the `traceparent` beside it, 32 hex digits.
	 * @param bytes how long the header may be, default 4,096.
	 * @throws {ClockError} with the reason.
	 */
	static read(
		header: string,
		traceId: string,
		bytes: number = LIMITS.bytes,
	): ClockV1 {
		const read = readV1(header, traceId, bytes);
		if (typeof read !== "string") return read;
		throw new ClockError(read, `v1 clock is refused: ${read}`);
	}

	/**
	 * The vector on the next call: component `own` raised by one, the others as
	 * they came.
	 *
	 * @throws {ClockError} `over_limits`: what a reader would refuse is not sent.
	 */
	send(own: string): ClockV1 {
		const vector = new Map(this.vector);
		const count = (vector.get(own) ?? 0) + 1;
		vector.set(own, count);
		if (count > TICK_MAX || vector.size > COMPONENTS_MAX) {
			throw new ClockError("over_limits", "v1 clock is over the limits");
		}
		return new ClockV1(vector);
	}

	/** The header for a call. */
	write(sender: ClockV1Sender): string {
		const { traceId: id, spanId, parentSpanId, service, instance } = sender;
		const payload = {
			trace_id: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
			span_id: spanId,
			parent_span_id: parentSpanId,
			service,
			instance,
			clock: [...this.vector],
		};
		return `v1;${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
	}

	/** How this vector stands to another, component by component. */
	compare(other: ClockV1): OrderV1 {
		const below = isBelow(this.vector, other.vector);
		const above = isBelow(other.vector, this.vector);
		const order =
			below && above
				? "equal"
				: below
					? "before"
					: above
						? "after"
						: "concurrent";
		return { order, perService: true };
	}
}

/** The component of a service's instance, without what a reader would refuse. */
export function componentV1(service: string, instance: string): string {
	return cleaned(`${service}#${instance}`);
}

function isBelow(
	a: ReadonlyMap<string, number>,
	b: ReadonlyMap<string, number>,
): boolean {
	for (const [component, n] of a) {
		if ((b.get(component) ?? 0) < n) return false;
	}
	return true;
}

/** Reads a v1 header, or says why it is refused. */
export function readV1(
	header: string,
	traceId: string,
	bytes: number,
): ClockV1 | ClockReason {
	if (header.length > bytes) return "too_long";
	const text = trimBlanks(header);
	if (!text.startsWith("v1;")) return "version";
	const payload = parseStrictJson(decodeBase64(text.slice(3)), LEVELS_MAX);
	if (!isObject(payload) || !isUuid(payload.trace_id)) return "malformed";
	if (payload.trace_id.replaceAll("-", "") !== traceId) return "other_trace";
	const { clock } = payload;
	if (!Array.isArray(clock)) return "malformed";
	if (clock.length > COMPONENTS_MAX) return "over_limits";
	const vector = new Map<string, number>();
	for (const entry of clock) {
		if (!isComponent(entry) || vector.has(entry[0])) return "malformed";
		if (entry[1] > TICK_MAX) return "over_limits";
		vector.set(entry[0], entry[1]);
	}
	return new ClockV1(vector);
}

/** Base64url without padding and stray bits, of UTF-8; undefined where it is not. */
function decodeBase64(text: string): string | undefined {
	const bytes = Buffer.from(text, "base64url");
	if (bytes.length === 0 || bytes.toString("base64url") !== text) {
		return undefined;
	}
	try {
		return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
			bytes,
		);
	} catch {
		return undefined;
	}
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isUuid(value: unknown): value is string {
	return (
		typeof value === "string" &&
		value.length === 36 &&
		[8, 13, 18, 23].every((at) => value[at] === "-") &&
		isHex(value.replaceAll("-", ""), 0, 32)
	);
}

/** A name and a whole number from 0. */
function isComponent(entry: unknown): entry is [string, number] {
	if (!Array.isArray(entry) || entry.length !== 2) return false;
	const [name, n]: unknown[] = entry;
	return (
		typeof name === "string" &&
		name !== "" &&
		!hasControl(name) &&
		Number.isInteger(n) &&
		(n as number) >= 0 &&
		!Object.is(n, -0)
	);
}
