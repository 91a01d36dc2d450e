import assert from "node:assert/strict";
import {
	type Context,
	current,
	Towline,
	towline,
	withContext,
	withTowline,
	wrapFetch,
} from "towline";
import { interceptor } from "towline/undici";
import { exchangeOf } from "./exchange";
import type { Instrument } from "./instrument";

/** Towline, as a service would use it. */
export function towlineInstrument(): Instrument {
	const instance = new Towline({
		serviceName: "stock",
		instance: "stock-eu-1",
		log: () => {},
	});
	return {
		middleware: towline(instance),
		listener: (handler) => withTowline(handler, instance),
		fetch: (fetch) => wrapFetch(fetch, instance),
		dispatcher: (to) => to.compose(interceptor(instance)),
		outgoing: () => ({ ...current()?.call("stock.internal").headers }),
		entered: (inbound) => {
			let context: Context | undefined;
			const { req, res } = exchangeOf(inbound);
			withTowline(() => {
				context = current(); // which stays open, as no answer is given
			}, instance)(req, res);
			if (context === undefined) throw new Error("no context in a handler");
			const entered = context;
			return (work) => withContext(entered, work);
		},
		flags: "01",
		finish: async () => {
			const refused = Object.keys(instance.counters.all()).filter(
				(name) => name.includes("/") && name !== "send/withheld",
			);
			assert.deepEqual(refused, [], "something was refused");
		},
	};
}
