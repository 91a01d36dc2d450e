import { isHex, trimBlanks } from "./scan-clock.js";

/** What B3 said. */
export interface B3 {
	/** Undefined where only the decision came. */
	readonly ids:
		| { readonly traceId: string; readonly spanId: string }
		| undefined;
	/** Undefined where nothing was said. */
	readonly sampled: boolean | undefined;
}

/** Gives the values of all fields of a name in lower case. */
export type Fields = (name: string) => readonly string[];

const MALFORMED = "b3_malformed";

/** What is said of a decision, in the single form. */
const DECISIONS: ReadonlyMap<string, boolean> = new Map([
	["1", true],
	["d", true],
	["0", false],
]);

/**
 * Reads B3, the single form first; undefined where there is none.
 *
 * Source: edge.md, "Beside other propagators"; carriers.json.
 */
export function readB3(fields: Fields): B3 | typeof MALFORMED | undefined {
	const single = fields("b3");
	if (single.length > 0) {
		const [text] = single;
		if (text === undefined || single.length > 1) return MALFORMED;
		return readSingle(trimBlanks(text));
	}
	const multi = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];
	const values = multi.map(fields);
	if (values.every(({ length }) => length === 0)) return undefined;
	if (values.some(({ length }) => length > 1)) return MALFORMED;
	const [trace, span, sampled, flags] = values.map(([value]) =>
		value === undefined ? undefined : trimBlanks(value),
	);
	return readMulti(trace, span, sampled, flags);
}

function readSingle(text: string): B3 | typeof MALFORMED {
	const [first = "", span, decision, parent, ...more] = text.split("-");
	const said = span === undefined ? first : decision;
	const sampled = said === undefined ? undefined : DECISIONS.get(said);
	if (said !== undefined && sampled === undefined) return MALFORMED;
	if (span === undefined) return { ids: undefined, sampled };
	const isParent = parent === undefined || isId(parent, 16);
	if (!isParent || more.length > 0) return MALFORMED;
	return withIds(first, span, sampled);
}

function readMulti(
	trace: string | undefined,
	span: string | undefined,
	said: string | undefined,
	flags: string | undefined,
): B3 | typeof MALFORMED {
	const isYes = said === "1" || said === "true";
	const isNo = said === "0" || said === "false";
	if (said !== undefined && !isYes && !isNo) return MALFORMED;
	if (flags !== undefined && flags !== "0" && flags !== "1") return MALFORMED;
	const sampled = flags === "1" ? true : said === undefined ? undefined : isYes;
	if (trace === undefined && span === undefined) {
		return { ids: undefined, sampled };
	}
	return withIds(trace ?? "", span ?? "", sampled);
}

function withIds(
	trace: string,
	spanId: string,
	sampled: boolean | undefined,
): B3 | typeof MALFORMED {
	const isTrace = isId(trace, 16) || isId(trace, 32);
	if (!isTrace || !isId(spanId, 16) || isZero(trace) || isZero(spanId)) {
		return MALFORMED;
	}
	return { ids: { traceId: trace.padStart(32, "0"), spanId }, sampled };
}

function isId(text: string, digits: number): boolean {
	return text.length === digits && isHex(text, 0, digits);
}

function isZero(id: string): boolean {
	return /^0+$/.test(id);
}
