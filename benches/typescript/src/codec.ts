import assert from "node:assert/strict";
import { Clock, TraceContext } from "towline";
import { inbounds } from "./inbound";
import type { Workload } from "./measure";

/** Keeps what a codec gives, so that nothing is left out as unused. */
let kept: unknown;

/** Runs a codec on a batch of inputs. */
export function codec<T>(
	inputs: readonly T[],
	run: (input: T) => unknown,
	check: (output: unknown, index: number) => void,
): Workload {
	return {
		check: async () => {
			for (const [i, input] of inputs.entries()) check(run(input), i);
		},
		prepare: (from, to) => () => {
			for (let i = from; i < to; i++) kept = run(inputs[i] as T);
			assert.notEqual(kept, undefined);
		},
	};
}

/** Reads a clock. */
export function clockParse(hops: number): Workload {
	// The text anew for each: what is read is not the text that was written.
	const headers = inbounds(hops).map((inbound) =>
		Buffer.from(inbound.clock ?? "").toString("latin1"),
	);
	return codec(
		headers,
		(header) => Clock.parse(header),
		(output, i) => {
			assert.ok(output instanceof Clock);
			assert.equal(output.format(), headers[i]);
			assert.equal(output.hops.length, hops);
		},
	);
}

/** Reads a `traceparent`. */
export function traceparentRead(): Workload {
	const all = inbounds(0);
	return codec(
		all.map(({ traceparent }) => [["traceparent", traceparent]] as const),
		(fields) => TraceContext.read(fields),
		(output, i) => {
			assert.ok(output instanceof TraceContext);
			assert.equal(output.traceId, all[i]?.traceId);
			assert.equal(output.parentId, all[i]?.parentId);
		},
	);
}
