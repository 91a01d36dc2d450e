/** RFC 9110 token characters other than `%` and `#`, by character code. */
const PLAIN = new Uint8Array(128);
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!$&'*+-.^_`|~") {
	PLAIN[c.charCodeAt(0)] = 1;
}

/** Is this character code written as itself in a label? */
export function isPlain(code: number): boolean {
	return code < 128 && PLAIN[code] === 1;
}

/** C0, DEL and C1: refused on reading, replaced on writing. */
export function hasControl(text: string): boolean {
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
	}
	return false;
}

/** `text` with each control character as `_`. */
export function cleaned(text: string): string {
	if (!hasControl(text)) return text;
	return Array.from(text, (c) => (hasControl(c) ? "_" : c)).join("");
}

/** A label as it is written: percent-encoded UTF-8, upper-case hex. */
export function quoteLabel(label: string): string {
	let out = "";
	for (const c of cleaned(label)) {
		if (isPlain(c.charCodeAt(0))) out += c;
		else {
			for (const byte of Buffer.from(c)) {
				out += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
			}
		}
	}
	return out;
}

/**
 * The label that plain characters and upper-case escapes in `text` stand for;
 * undefined where that is not UTF-8, or has control characters. The caller has
 * seen to it that `text` has no other characters.
 */
export function unquoteLabel(text: string): string | undefined {
	try {
		const label = decodeURIComponent(text);
		return hasControl(label) ? undefined : label;
	} catch {
		return undefined;
	}
}
