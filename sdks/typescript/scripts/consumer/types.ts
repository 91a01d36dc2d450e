// Compiled, not run: the types are complete, and need none of Express or undici.
import { createServer } from "node:http";
import {
	type Call,
	Clock,
	type Context,
	type CounterName,
	current,
	detach,
	fork,
	type Observer,
	Order,
	Strand,
	Towline,
	TraceContext,
	towline,
	withContext,
	withTowline,
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
export const inside = context && withContext(context, () => all);
// @ts-expect-error: not one of the modes.
new Towline({ clock: "v3" });
