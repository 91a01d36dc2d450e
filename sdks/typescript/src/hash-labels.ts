import { createHash } from "node:crypto";
import { Clock } from "./clock.js";
import { ClockError } from "./clock-error.js";
import { ClockV1 } from "./clock-v1.js";
import type { Limits } from "./limits.js";
import type { SentStamp } from "./strand.js";
import { writeClock } from "./write-clock.js";

/** Labels whose hash is remembered. */
const LABELS_MAX = 1024;
const hashes = new Map<string, string>();

/** The first 8 hex digits of a label's SHA-256. */
export function hashedLabel(label: string): string {
	let hash = hashes.get(label);
	if (hash === undefined) {
		hash = createHash("sha256").update(label).digest("hex").slice(0, 8);
		if (hashes.size >= LABELS_MAX) hashes.clear();
		hashes.set(label, hash);
	}
	return hash;
}

/**
 * The same stamp with a hash for each name, or why it cannot be sent. Labels are
 * no part of any order: its answer is joined as ever.
 *
 * Source: edge.md, "Safe by default".
 */
export function hashedStamp(
	sent: SentStamp,
	limits: Limits,
): SentStamp | "too_long" | "over_limits" {
	const { tree } = new Clock(sent.header).read;
	const hops = tree.hops.map((hop) => ({
		...hop,
		service: hashedLabel(hop.service),
		instance: hashedLabel(hop.instance),
	}));
	const header = writeClock({ ...tree, hops });
	const hashed = { ...sent, header, above: undefined };
	if (header.length <= limits.bytes) return hashed;
	try {
		const cut = new Clock(header).cut(limits.bytes, limits);
		return { ...hashed, header: cut, isCut: true };
	} catch (error) {
		if (!(error instanceof ClockError)) throw error;
		return error.reason === "over_limits" ? "over_limits" : "too_long";
	}
}

/** A vector whose components have a hash for each name. */
export function hashedVector(vector: ClockV1): ClockV1 {
	const components = [...vector.vector].map(
		([name, count]) => [hashedComponent(name), count] as const,
	);
	return new ClockV1(new Map(components));
}

/** `service#instance`, hashed part by part. */
function hashedComponent(name: string): string {
	const at = name.indexOf("#");
	if (at < 0) return hashedLabel(name);
	const [service, instance] = [name.slice(0, at), name.slice(at + 1)];
	return `${hashedLabel(service)}#${hashedLabel(instance)}`;
}
