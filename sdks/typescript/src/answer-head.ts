import type { ServerResponse } from "node:http";
import { GivenHead } from "./given-head.js";
import { type HeldResponse, withFields, withoutField } from "./head-text.js";
import type { Served } from "./served.js";

/** The methods of a response that write its head and end it. */
interface Methods {
	writeHead(...args: unknown[]): unknown;
	end(...args: unknown[]): unknown;
}

/** Fields of which there is one at most: ours. */
const OWN_FIELDS: readonly string[] = ["raceway-clock", "towline-hops"];

/** A directive that lets a shared cache keep a response (RFC 9111, 3). */
const SHARED = /\b(?:public|s-maxage)\b/i;
const SHARED_LINE = /\r\ncache-control:[^\r]*\b(?:public|s-maxage)\b/;

/**
 * Puts the strand's clock on the head of a response, and ends the strand when
 * its body ends.
 *
 * Node calls `writeHead` for every head, also for one that the handler does not
 * write by itself; where it does so in `end`, that is all that there is to it.
 * Otherwise the head is held as text, and completed when it leaves: the end's
 * stamp needs to know whether all of the body is there.
 *
 * In Express each property that is put on a response costs 3 µs, and each that
 * is read about 0.3 µs: it sets the prototype of every response, whose hidden
 * class then is its own. So one method is taken over, others only where they
 * are needed; with `write`, `end` and `flushHeaders` as well it was 12 µs more.
 *
 * Source: strand-clocks.md, "Answer"; api.md, "Server side", 4.
 */
export class AnswerHead {
	/** The handler is in `end`: all of the body is there. */
	private isEnding = false;
	private isStamped = false;
	/** `end` is taken over. */
	private endsHere = false;
	/** The head had a clock without the end's mark, which a trailer can bring. */
	private owesEnd = false;

	private constructor(
		private readonly res: ServerResponse,
		private readonly served: Served,
		/** The head of a response of HTTP/1 is held as text until it leaves. */
		private readonly isHeld: boolean,
	) {}

	/** Takes over what makes the head of `res` leave. */
	static attach(res: ServerResponse, served: Served): AnswerHead {
		const isHeld = "_send" in res;
		const head = new AnswerHead(res, served, isHeld);
		const methods = res as unknown as Methods;
		const { writeHead } = methods;
		methods.writeHead = (...args) => {
			if (head.isStamped) return writeHead.apply(res, args);
			if (!isHeld) {
				const given = new GivenHead(args);
				head.stampUnwritten(Number(args[0]), given);
				return writeHead.apply(res, given.without(OWN_FIELDS));
			}
			// The length is there when Node writes the head in `end`.
			if (typeof (res as HeldResponse)._contentLength === "number") {
				head.stampUnwritten(Number(args[0]));
				return writeHead.apply(res, args);
			}
			const result = writeHead.apply(res, args);
			head.hold();
			return result;
		};
		// Who compresses the body ends it by the method that was there before.
		if (served.owesTrailer || !isHeld) head.takeOverEnd();
		return head;
	}

	/** Has all of the response left? */
	isComplete(): boolean {
		if (this.isHeld || !this.res.writableFinished) {
			return this.res.writableFinished;
		}
		// A stream of HTTP/2 finishes also when its caller resets it.
		const { stream } = this.res as { stream?: { aborted?: boolean } };
		return !stream?.aborted;
	}

	/** The head was written, and leaves with the first of the body. */
	private hold(): void {
		this.takeOverEnd();
		const res: HeldResponse = this.res;
		const send = res._send;
		if (send === undefined) return;
		res._send = (...args) => {
			res._send = send;
			this.stampHeld();
			return send.apply(res, args);
		};
	}

	private takeOverEnd(): void {
		if (this.endsHere) return;
		this.endsHere = true;
		const methods = this.res as unknown as Methods;
		const { end } = methods;
		methods.end = (...args) => {
			this.isEnding = true;
			if (this.isStamped) this.endBody();
			return end.apply(this.res, args);
		};
	}

	/** The head is about to be written and to leave. */
	private stampUnwritten(status: number, given?: GivenHead): void {
		this.isStamped = true;
		const res: HeldResponse = this.res;
		const isWhole =
			this.isEnding ||
			typeof res._contentLength === "number" ||
			given?.get("content-length") !== undefined ||
			res.hasHeader("content-length");
		if (isWhole && !this.served.hasFields) {
			this.served.context.end();
			return;
		}
		const caching =
			given?.get("cache-control") ?? res.getHeader("cache-control");
		const isShared = status === 304 || SHARED.test(String(caching));
		for (const [name, value] of this.fields(isWhole, isShared)) {
			if (OWN_FIELDS.includes(name)) res.setHeader(name, value);
			else res.appendHeader(name, value);
		}
	}

	/** The head that was held is about to leave. */
	private stampHeld(): void {
		this.isStamped = true;
		const res: HeldResponse = this.res;
		const { _header: head } = res;
		if (typeof head !== "string") return;
		const lower = head.toLowerCase();
		const isWhole = this.isEnding || lower.includes("\r\ncontent-length:");
		const isShared = res.statusCode === 304 || SHARED_LINE.test(lower);
		const fields = this.fields(isWhole, isShared);
		if (this.owesEnd && res.chunkedEncoding) {
			fields.push(["Trailer", "raceway-clock"]);
		}
		if (fields.length === 0) return;
		// One that the handler passes on from an answer of its own is not ours.
		let own = head;
		for (const name of OWN_FIELDS) {
			if (lower.includes(`\r\n${name}:`)) own = withoutField(own, name);
		}
		res._header = withFields(own, fields);
	}

	private fields(isWhole: boolean, isShared: boolean) {
		const fields = this.served.headFields(isWhole, isShared);
		const hasClock = fields[0]?.[0] === "raceway-clock";
		// Of those of HTTP/2, every client takes trailers.
		const readsTrailers = this.served.readsTrailers || !this.isHeld;
		this.owesEnd = hasClock && !isWhole && readsTrailers;
		return fields;
	}

	/** A body whose length was not known has ended. */
	private endBody(): void {
		this.served.context.end();
		const hasTrailers = this.res.chunkedEncoding || !this.isHeld;
		if (!this.owesEnd || !hasTrailers) return;
		this.owesEnd = false;
		this.res.addTrailers(Object.fromEntries(this.served.clockFields()));
	}
}
