import { Duplex } from "node:stream";
import { Agent } from "undici";

/** What the callee adds to the clock that it was sent: its own strand, ended. */
const CALLEE = ", billing#billing-3/0badcafe:2;e";
const CLOCK = "\r\nraceway-clock: ";
const HEAD =
	"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: keep-alive";
const BODY = "\r\n\r\n{}";

/** A connection whose far end answers in this process, a clock with a clock. */
export class Wire extends Duplex {
	readonly remoteAddress = "127.0.0.1";
	readonly remotePort = 80;
	/** The head of the last request. */
	request = "";

	constructor() {
		super({ decodeStrings: false });
	}

	/** A dispatcher of undici that sends all requests here. */
	agent(): Agent {
		// It asks for no more of a socket than a duplex stream has, and not yet
		// to be called when it connects.
		return new Agent({
			connections: 1,
			connect: (_, connected) =>
				queueMicrotask(() => connected(null, this as never)),
		});
	}

	override _read(): void {}

	override _write(chunk: unknown, _: unknown, done: () => void): void {
		this.request = String(chunk);
		done();
		this.push(HEAD + this.answer() + BODY, "latin1");
	}

	private answer(): string {
		const { request } = this;
		const at = request.indexOf(CLOCK);
		if (at < 0) return "";
		const clock = request.slice(at, request.indexOf("\r\n", at + 2));
		// The fork that the callee is, the only one in flight, is not listed by it.
		const list = clock.lastIndexOf(';x="');
		return (list < 0 ? clock : clock.slice(0, list)) + CALLEE;
	}
}
