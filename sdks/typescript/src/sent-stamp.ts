import type { Stamp } from "./observer.js";

/** A header that was sent, in v2 or in v1. */
export function sentStamp(header: string): Stamp {
	const format = () => header;
	return { format, toString: format, toJSON: format };
}
