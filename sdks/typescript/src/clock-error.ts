/**
 * Why a clock on the wire was refused.
 *
 * `too_long`: longer than the limit in bytes. `version`: not one that is read
 * here. `other_trace`: not of the `traceparent` beside it. `over_limits`: a
 * tick, the levels or the forks in flight. `malformed`: any other broken rule.
 */
export type ClockReason =
	| "too_long"
	| "version"
	| "other_trace"
	| "malformed"
	| "over_limits";

/**
 * A clock that cannot be read, sent or merged.
 *
 * Only the codec throws it (`Clock.parse`, `clock.cut`, `strand.receive`, …);
 * middleware counts the reason and goes on.
 */
export class ClockError extends Error {
	override readonly name = "ClockError";

	constructor(
		/**
		 * The reason in one word: a {@link ClockReason}; `other_strand`, a clock
		 * that this strand must not merge; or `ended`, the strand has ended.
		 */
		readonly reason: ClockReason | "other_strand" | "ended",
		message: string,
	) {
		super(message);
	}
}
