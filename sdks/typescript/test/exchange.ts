import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { type Towline, withTowline } from "../src/index.js";

/** A request's headers: several fields of one name as a list. */
export type RequestFields = Record<string, string | string[]>;

/**
 * Runs `work` while a request with these headers is served, and gives what it
 * gives, once the answer is complete.
 */
export async function inRequest<T>(
	towline: Towline,
	headers: RequestFields,
	work: () => T | Promise<T>,
): Promise<{ result: T; answer: NodeJS.Dict<string | string[]> }> {
	let result: T | undefined;
	let failure: unknown;
	const server = createServer(
		withTowline(async (_req, res) => {
			try {
				result = await work();
			} catch (error) {
				failure = error;
			}
			res.end();
		}, towline),
	);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	try {
		const req = request({ host: "127.0.0.1", port, headers, agent: false });
		const [res] = await once(req.end(), "response");
		res.resume();
		await once(res, "end");
		if (failure !== undefined) throw failure;
		return { result: result as T, answer: res.headers };
	} finally {
		server.closeAllConnections();
		server.close();
	}
}
