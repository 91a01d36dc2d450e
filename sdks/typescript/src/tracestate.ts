import { trimBlanks } from "./scan-clock.js";
import { SHORT_MAX } from "./short-clock.js";

/** The key of our own member. */
const OWN_KEY = "towline";
const MEMBERS_MAX = 32;
const KEY_MAX = 256;
const VALUE_MAX = 256;
/** Characters of a list that our member is put in. */
const LIST_MAX = 512;

/** Why a whole list was dropped. */
export type TracestateReason = "malformed" | "too_many_members";

/** What `tracestate` said. */
export interface Tracestate {
	/** The members of others, byte for byte and in order; our own taken out. */
	readonly members: readonly string[];
	/** The value of our own member, the first one where there are several. */
	readonly own: string | undefined;
}

/** No list, or an empty one. */
export const NO_TRACESTATE: Tracestate = { members: [], own: undefined };

/**
 * Reads the values of all `tracestate` fields, or says why the list is dropped.
 *
 * Source: W3C Trace Context Level 2, "Tracestate Header"; trace-context.md,
 * "tracestate in"; trace-context.json.
 */
export function readTracestate(
	values: readonly string[],
): Tracestate | TracestateReason {
	if (values.length === 0) return NO_TRACESTATE;
	const members: string[] = [];
	let own: string | undefined;
	let count = 0;
	for (const part of values.join(",").split(",")) {
		const member = trimBlanks(part);
		if (member === "") continue;
		count++;
		const equals = member.indexOf("=");
		if (!isKey(member, equals) || !isValue(member, equals + 1)) {
			return "malformed";
		}
		if (member.startsWith(OWN_KEY) && equals === OWN_KEY.length) {
			own ??= member.slice(equals + 1);
		} else members.push(member);
	}
	return count > MEMBERS_MAX ? "too_many_members" : { members, own };
}

/**
 * The list to send, our member first; undefined where that does not fit beside
 * the others. Nothing of others is evicted for it.
 */
export function withOwn(
	members: readonly string[],
	own: string,
): string | undefined {
	if (own.length > SHORT_MAX || members.length >= MEMBERS_MAX) return undefined;
	let list = `${OWN_KEY}=${own}`;
	for (const member of members) list += `,${member}`;
	return list.length > LIST_MAX ? undefined : list;
}

/** A lower-case letter or a digit, then those and `_-*\/@`. */
function isKey(member: string, end: number): boolean {
	if (end < 1 || end > KEY_MAX) return false;
	for (let i = 0; i < end; i++) {
		const code = member.charCodeAt(i);
		const isAlphanumeric =
			(code >= 97 && code <= 122) || (code >= 48 && code <= 57);
		if (!isAlphanumeric && (i === 0 || !"_-*/@".includes(member[i] ?? ""))) {
			return false;
		}
	}
	return true;
}

/** Printable ASCII without comma and equals sign, the last one not a blank. */
function isValue(member: string, from: number): boolean {
	const length = member.length - from;
	if (length < 1 || length > VALUE_MAX || member.endsWith(" ")) return false;
	for (let i = from; i < member.length; i++) {
		const code = member.charCodeAt(i);
		if (code < 0x20 || code > 0x7e || code === 0x3d) return false;
	}
	return true;
}
