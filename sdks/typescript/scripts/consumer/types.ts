// Compiled, not run: the types are complete, and need none of Express or undici.
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import {
	type Call,
	Clock,
	type Context,
	type CounterName,
	corsHeaders,
	current,
	detach,
	fork,
	type Http2Listener,
	type Observer,
	Order,
	perMessage,
	STATUS_PATH,
	Strand,
	type Summary,
	statusHandler,
	Towline,
	TraceContext,
	towline,
	withContext,
	withTowline,
	withTowlineUpgrade,
	wrapFetch,
} from "towline";

const observer: Observer = {
	onStrandEnd: ({ outcome }) =>
		void (outcome satisfies "ok" | "error" | "cancelled"),
	onDropped: (what, reason) => void `${what}/${reason}`,
};
const instance = new Towline({
	serviceName: "types",
	observers: [observer],
	trust: () => "restart",
});
createServer(withTowline((_req, res) => res.end(), instance));
const wrapped: typeof fetch = wrapFetch(fetch, {
	propagateTo: ["example.com"],
});
const context: Context | undefined = current();
const call: Call | undefined = context?.call("localhost");
const headers: RequestInit["headers"] = { ...call?.headers };
const text: Promise<string> = fork(async () => "text");
const number: number = detach(() => 7);
const name: CounterName = "clock/malformed";
const strand: Strand = Strand.start({
	service: "s",
	instance: "i",
	nonce: "00000001",
});
const order: Order = Clock.parse(strand.clock.format()).compare(strand.event());
const read: TraceContext | string = TraceContext.read([["traceparent", "00"]]);
export const all = [
	wrapped,
	headers,
	text,
	number,
	name,
	order === Order.before,
	read,
	towline(instance),
];
const http2: Http2Listener = (_req, res) => void res.end();
createHttp2Server(withTowline(http2, instance));
createServer(statusHandler(instance)).on(
	"upgrade",
	withTowlineUpgrade((_req, socket) => void socket.end(), instance),
);
const summary: Summary = instance.counters.summary();
const restarts: number | undefined = summary.restarted.absent;
const carrier: Record<string, string | Buffer | undefined> = {};
const producer: string | undefined = context?.sendMessage(carrier);
const signal: AbortSignal | undefined = context?.withTimeout(5).signal;
export const edge = [
	STATUS_PATH,
	restarts,
	producer,
	signal,
	instance.receiveMessage(carrier).handle(() => context?.remaining()),
	instance.receiveBatch([carrier, new Map(), new Headers(), []]).links,
	perMessage((text: string) => text.length)("text"),
	corsHeaders().allow,
];
export const inside = context && withContext(context, () => all);
// @ts-expect-error: not one of the modes.
new Towline({ clock: "v3" });
