/** Why a whole `baggage` was dropped. */
export type BaggageReason = "too_long" | "too_many_members" | "malformed";

const BYTES_MAX = 8192;
const MEMBERS_MAX = 64;

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = "[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]*";
const BLANKS = "[ \\t]*";
const PROPERTY = `${TOKEN}(?:${BLANKS}=${BLANKS}${VALUE})?`;
/** `key=value` and properties. No two parts that repeat begin alike, so it takes one pass. */
const MEMBER = new RegExp(
	`^(${TOKEN})${BLANKS}=${BLANKS}(${VALUE})(?:${BLANKS};${BLANKS}${PROPERTY})*$`,
);

/** What `baggage` said. */
export interface Baggage {
	/** The members as they came, blanks around them gone; empty where there are none. */
	readonly text: string;
}

/**
 * Reads the values of all `baggage` fields, or says why they are dropped.
 *
 * Source: W3C Baggage, "Baggage HTTP Header Format"; edge.md, "Beside other
 * propagators"; carriers.json.
 */
export function readBaggage(
	values: readonly string[],
): Baggage | BaggageReason {
	const whole = values.join(",");
	if (Buffer.byteLength(whole) > BYTES_MAX) return "too_long";
	const members = whole.split(",").map(blankless).filter(Boolean);
	if (members.length > MEMBERS_MAX) return "too_many_members";
	for (const member of members) {
		if (!MEMBER.test(member)) return "malformed";
	}
	return { text: members.join(",") };
}

/** The members of a `baggage` that was read, as keys and values, percent-decoded. */
export function* baggageMembers(
	text: string,
): Generator<readonly [key: string, value: string]> {
	if (text === "") return;
	for (const member of text.split(",")) {
		const [, key = "", value = ""] = MEMBER.exec(member) ?? [];
		yield [key, decoded(value)];
	}
}

/** What is no escape stays as it is; what is no UTF-8 becomes U+FFFD. */
function decoded(value: string): string {
	if (!value.includes("%")) return value;
	const bytes = value.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
		String.fromCharCode(Number.parseInt(digits, 16)),
	);
	return Buffer.from(bytes, "latin1").toString("utf8");
}

function blankless(text: string): string {
	return text.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
}
