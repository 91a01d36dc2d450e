import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { accept } from "./accept.js";
import { withContext } from "./current.js";
import {
	isTraced,
	keepCurrent,
	type Request,
	runTold,
	SERVED,
} from "./serve.js";
import { Served } from "./served.js";
import { peerOf, RequestHeaders } from "./server-headers.js";
import { type TowlineArgument, towlineOf } from "./towline.js";

/** A listener for the event `upgrade` of a server. */
export type UpgradeListener = (
	req: IncomingMessage,
	socket: Duplex,
	head: Buffer,
) => void;

/**
 * A listener for the event `upgrade` whose connections each have a context: one
 * strand, which ends when the connection is closed. It is current for all that
 * the connection emits; {@link perMessage} makes a strand of each message.
 *
 * @example
 * server.on("upgrade", withTowlineUpgrade((req, socket, head) =>
 *   sockets.handleUpgrade(req, socket, head, (ws) =>
 *     ws.on("message", perMessage((data) => handle(data))),
 *   ),
 * ));
 */
export function withTowlineUpgrade(
	listener: UpgradeListener,
	argument?: TowlineArgument,
): UpgradeListener {
	const towline = towlineOf(argument);
	return function (this: unknown, req, socket, head) {
		const run = () => listener.call(this, req, socket, head);
		const request = req as Request;
		if (
			towline.config.disabled ||
			request[SERVED] ||
			!isTraced(towline, request)
		) {
			return run();
		}
		request[SERVED] = true;
		const headers = new RequestHeaders(req.rawHeaders);
		const served = new Served(
			accept(towline, headers, () => peerOf(req)),
			false,
		);
		keepCurrent(socket, served.context, (event, broke) => {
			if (event === "close") served.settle(broke ? "cancelled" : "ok");
		});
		return withContext(served.context, () => runTold(served, run));
	};
}
