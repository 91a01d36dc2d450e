import type { Meter } from "@opentelemetry/api";
import { COUNTER_NAMES, type Reasons, type Summary } from "./summary.js";
import type { Towline } from "./towline.js";

/**
 * Gives the counters of an instance as metrics, `towline.<counter>`; those that
 * have reasons, with the attribute `reason`.
 *
 * @example
 * observeCounters(instance, metrics.getMeter("towline"));
 */
export function observeCounters(towline: Towline, meter: Meter): void {
	for (const [key, name] of Object.entries(COUNTER_NAMES)) {
		const counter = meter.createObservableCounter(`towline.${name}`);
		counter.addCallback((result) => {
			const count: number | Reasons =
				towline.counters.summary()[key as keyof Summary];
			if (typeof count === "number") result.observe(count);
			else {
				for (const [reason, times] of Object.entries(count)) {
					result.observe(times, { reason });
				}
			}
		});
	}
}
