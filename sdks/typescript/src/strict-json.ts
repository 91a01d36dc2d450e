/**
 * A string, or a number as JSON writes it; not a part of what is neither, which
 * a change could turn into a number.
 */
const TOKEN =
	/"(?:[^"\\]|\\.)*"|(?<![0-9.eE+-])-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE+-])/g;

/** Stands for each number that has a fraction or an exponent. */
const NOT_WHOLE = "0.5";

/**
 * Parses RFC 8259 JSON of at most `levels` levels, with finite numbers and no
 * unpaired surrogates; undefined where it is anything else, or nothing.
 *
 * Numbers written with a fraction or an exponent are all read as 0.5, so that
 * `3.0` is not taken for a whole number. Of equal names the last one counts.
 */
export function parseStrictJson(
	text: string | undefined,
	levels: number,
): unknown {
	if (text === undefined) return undefined;
	let finite = true;
	const whole = text.replace(TOKEN, (token) => {
		if (token.startsWith('"')) return token;
		finite &&= Number.isFinite(Number(token));
		return /[.eE]/.test(token) ? NOT_WHOLE : token;
	});
	if (!finite) return undefined;
	try {
		const value: unknown = JSON.parse(whole);
		return isPlainValue(value, levels) ? value : undefined;
	} catch {
		return undefined;
	}
}

/** Is it of at most `levels` levels, and all its text well-formed? */
function isPlainValue(value: unknown, levels: number): boolean {
	if (levels === 0) return false;
	if (typeof value === "string") return value.isWellFormed();
	if (typeof value !== "object" || value === null) return true;
	return Object.entries(value).every(
		([name, inner]) => name.isWellFormed() && isPlainValue(inner, levels - 1),
	);
}
