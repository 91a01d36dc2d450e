import { current, withContext } from "./current.js";
import { detach } from "./fork.js";

/**
 * `handler`, whose every run is a detached strand of the context that is current
 * now: for the messages of a WebSocket, a stream or an emitter, each of which is
 * work of its own.
 *
 * Where no context is current, `handler` itself.
 *
 * @example
 * socket.on("message", perMessage((data) => handle(data)));
 */
export function perMessage<This, Args extends unknown[], Result>(
	handler: (this: This, ...args: Args) => Result,
): (this: This, ...args: Args) => Result {
	const context = current();
	if (context === undefined) return handler;
	return function (this: This, ...args: Args): Result {
		return withContext(context, () => detach(() => handler.apply(this, args)));
	};
}
