import type { ServerResponse } from "node:http";

/** Where Node keeps a head that was written and has not left: text that ends with an empty line. */
interface Written {
	_header?: unknown;
}

const END = "\r\n\r\n";

/** Does this response keep its head as text until the first of the body? */
export function keepsHead(res: ServerResponse): boolean {
	return "_header" in res;
}

/** The head that was written and has not left, in lower case. */
export function writtenHead(res: ServerResponse): string {
	const { _header: text } = res as Written;
	return typeof text === "string" ? text.toLowerCase() : "";
}

/** Adds header fields to a head that was written and has not left. */
export function addFields(
	res: ServerResponse,
	fields: readonly (readonly [name: string, value: string])[],
): void {
	const written = res as Written;
	const { _header: text } = written;
	if (typeof text !== "string" || !text.endsWith(END)) return;
	const lines = fields.map(([name, value]) => `\r\n${name}: ${value}`);
	written._header = text.slice(0, -END.length) + lines.join("") + END;
}
