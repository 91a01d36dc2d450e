import { randomFillSync } from "node:crypto";

/** Random bytes are drawn in bulk: one call for 512 span ids. */
const pool = Buffer.allocUnsafe(4096);
let used = pool.length;

function randomHex(bytes: number): string {
	if (used + bytes > pool.length) {
		randomFillSync(pool);
		used = 0;
	}
	used += bytes;
	return pool.toString("hex", used - bytes, used);
}

function nonZero(bytes: number): string {
	let id = randomHex(bytes);
	while (/^0+$/.test(id)) id = randomHex(bytes);
	return id;
}

/** A random trace id: 32 hex digits, not all zero. */
export function newTraceId(): string {
	return nonZero(16);
}

/** A random span id: 16 hex digits, not all zero. */
export function newSpanId(): string {
	return nonZero(8);
}

/** 8 random hex digits, for an instance that was given no name. */
export function newInstance(): string {
	return randomHex(4);
}

/** What stands for a trace in a clock: the last 8 digits of its id. */
export function clockTrace(traceId: string): string {
	return traceId.slice(24);
}

/** A strand's nonce: the low 32 bits of its span id. */
export function nonceOf(spanId: string): string {
	return spanId.slice(8);
}
