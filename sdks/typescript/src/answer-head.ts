import type { ServerResponse } from "node:http";
import { addFields, keepsHead, writtenHead } from "./head-text.js";
import type { Served } from "./served.js";

/** The methods of a response that make its head leave. */
interface Methods {
	writeHead(...args: unknown[]): unknown;
	write(...args: unknown[]): unknown;
	end(...args: unknown[]): unknown;
	flushHeaders(): unknown;
}

/** A directive that lets a shared cache keep a response (RFC 9111, 3). */
const SHARED = /\b(?:public|s-maxage)\b/i;

/**
 * Puts the strand's clock on the head of a response, and ends the strand when
 * its body ends.
 *
 * The end's stamp needs the body's length, and Node sends a head with the first
 * of the body: so a head that the handler wrote by itself (`writeHead`) is
 * completed when it leaves, not when it is written.
 *
 * Source: strand-clocks.md, "Answer"; api.md, "Server side", 4.
 */
export class AnswerHead {
	private readonly original: Methods;
	/** The handler is in `end`: all of the body is there. */
	private isEnding = false;
	/** The handler is in `write` or `flushHeaders`. */
	private isLeaving = false;
	/** The head was written by the handler, and has not left. */
	private isHeld = false;
	private isStamped = false;
	/** The head had a clock without the end's mark, which a trailer can bring. */
	private owesEnd = false;

	private constructor(
		private readonly res: ServerResponse,
		private readonly served: Served,
	) {
		const methods = res as unknown as Methods;
		const { writeHead, write, end, flushHeaders } = methods;
		this.original = { writeHead, write, end, flushHeaders };
		methods.writeHead = (...args) => this.writeHead(args);
		methods.write = (...args) => this.leave("write", args);
		methods.flushHeaders = () => this.leave("flushHeaders", []);
		methods.end = (...args) => this.end(args);
	}

	/** Takes over what makes the head of `res` leave. */
	static attach(res: ServerResponse, served: Served): void {
		new AnswerHead(res, served);
	}

	private writeHead(args: unknown[]): unknown {
		const isWritten = !this.isStamped && !this.isEnding && !this.isLeaving;
		if (isWritten && keepsHead(this.res)) {
			const result = this.call("writeHead", args);
			this.isHeld = true;
			return result;
		}
		// Where a head cannot be held, fields of its own may decide who keeps it.
		if (!this.isStamped && args.length < 2)
			this.stampUnwritten(Number(args[0]));
		const result = this.call("writeHead", args);
		this.announceTrailer();
		return result;
	}

	private leave(name: "write" | "flushHeaders", args: unknown[]): unknown {
		this.isLeaving = true;
		try {
			this.stampHeld();
			return this.call(name, args);
		} finally {
			this.isLeaving = false;
		}
	}

	private end(args: unknown[]): unknown {
		this.isEnding = true;
		try {
			this.stampHeld();
			if (this.isStamped) this.endBody();
			return this.call("end", args);
		} finally {
			this.isEnding = false;
		}
	}

	/** The head is about to be written and to leave. */
	private stampUnwritten(status: number): void {
		const { res } = this;
		this.isStamped = true;
		const isWhole = this.isEnding || res.hasHeader("content-length");
		const isShared =
			status === 304 || SHARED.test(String(res.getHeader("cache-control")));
		for (const [name, value] of this.fields(isWhole, isShared)) {
			if (name === "raceway-clock") res.setHeader(name, value);
			else res.appendHeader(name, value);
		}
	}

	/** The head that the handler wrote is about to leave. */
	private stampHeld(): void {
		if (!this.isHeld || this.isStamped) return;
		this.isStamped = true;
		const head = writtenHead(this.res);
		const isWhole = this.isEnding || head.includes("\r\ncontent-length:");
		const isShared =
			this.res.statusCode === 304 ||
			/\r\ncache-control:[^\r]*\b(?:public|s-maxage)\b/.test(head);
		addFields(this.res, this.fields(isWhole, isShared));
		this.announceTrailer();
	}

	private fields(isWhole: boolean, isShared: boolean) {
		const fields = this.served.headFields(isWhole, isShared);
		const hasClock = fields[0]?.[0] === "raceway-clock";
		this.owesEnd = hasClock && !isWhole && this.served.readsTrailers;
		return fields;
	}

	private announceTrailer(): void {
		if (!this.owesEnd || !this.res.chunkedEncoding) return;
		addFields(this.res, [["Trailer", "raceway-clock"]]);
	}

	/** A body whose length was not known has ended. */
	private endBody(): void {
		this.served.context.end();
		if (!this.owesEnd || !this.res.chunkedEncoding) return;
		this.owesEnd = false;
		this.res.addTrailers(Object.fromEntries(this.served.clockFields()));
	}

	private call(name: keyof Methods, args: unknown[]): unknown {
		return this.original[name].apply(this.res, args as []);
	}
}
