import type { ServerResponse } from "node:http";
import type { Field } from "./served.js";

/** What Node's responses keep of a head that has not left. */
export interface HeldResponse extends ServerResponse {
	/** The head that was written: text that ends with an empty line. */
	_header?: unknown;
	/** The length of a body that was given to `end` as a whole, before its head was written. */
	_contentLength?: unknown;
	/** Sends the head with the first of the body. */
	_send?(...args: unknown[]): unknown;
}

const LINE_END = "\r\n";

/** A head with more fields. */
export function withFields(head: string, fields: readonly Field[]): string {
	let out = head.slice(0, -LINE_END.length);
	for (const [name, value] of fields) out += `${name}: ${value}${LINE_END}`;
	return out + LINE_END;
}

/** A head without the fields of a name, in lower case. */
export function withoutField(head: string, name: string): string {
	return head
		.split(LINE_END)
		.filter((line) => !line.toLowerCase().startsWith(`${name}:`))
		.join(LINE_END);
}
