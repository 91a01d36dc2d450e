/**
 * W3C Trace Context and exact causal clocks for Node.
 *
 * @packageDocumentation
 */
export type { Call } from "./call.js";
export type { CallHeaders } from "./call-headers.js";
export type {
	CarrierValue,
	HeaderCarrier,
	MessageCarrier,
} from "./carrier.js";
export { Clock } from "./clock.js";
export { ClockError, type ClockReason } from "./clock-error.js";
export type { Hop } from "./clock-tree.js";
export { ClockV1, type ClockV1Sender, type OrderV1 } from "./clock-v1.js";
export type {
	ClockMode,
	Config,
	Peer,
	TowlineOptions,
	Trust,
	TrustMode,
} from "./config.js";
export type { Context } from "./context.js";
export { type CorsHeaders, corsHeaders } from "./cors.js";
export { type CounterName, Counters } from "./counters.js";
export { bind, current, withContext } from "./current.js";
export { wrapFetch } from "./fetch.js";
export { detach, fork } from "./fork.js";
export type { ForkRun, Known } from "./known.js";
export { LIMITS, type Limits } from "./limits.js";
export {
	type Http2Listener,
	type Middleware,
	towline,
	withTowline,
} from "./middleware.js";
export type {
	CallEndEvent,
	CallEvent,
	CallOutcome,
	DropReasons,
	DropWhat,
	Observer,
	Stamp,
	StrandEndEvent,
	StrandEvent,
	StrandKind,
	StrandOutcome,
} from "./observer.js";
export { Order } from "./order.js";
export { perMessage } from "./per-message.js";
export type { PropagatorName } from "./propagators.js";
export { STATUS_PATH, statusHandler } from "./status.js";
export { Strand, type StrandStart } from "./strand.js";
export type { Reasons, Summary } from "./summary.js";
export { Towline, type TowlineArgument } from "./towline.js";
export { TraceContext } from "./trace-context.js";
export type { TraceparentReason } from "./traceparent.js";
export type { TracestateReason } from "./tracestate.js";
export { type UpgradeListener, withTowlineUpgrade } from "./upgrade.js";
