import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";
import { type Inbound, inbounds, rawHeaders } from "./inbound";
import { cpuTime } from "./measure";
import { CHILD_ENV, costOf, type Line, mainFile } from "./runner";
import { makeServer } from "./server";
import { SERVER_WAYS } from "./variant";

/** Connections that are kept alive, each with one request at a time. */
const CONNECTIONS = 8;

/** Without the one that gives no answer to a clock. */
const WAYS = SERVER_WAYS.filter(({ of, hops }) => of !== "nobody" || !hops);

/** How many requests each server gets at a time, and how often. */
export interface LoopbackPlan {
	readonly slices: number;
	readonly requests: number;
}

/** Measures all servers at once, each in a process of its own, slice by slice in turn. */
export async function loopback(plan: LoopbackPlan): Promise<Line[]> {
	const servers: Served[] = [];
	try {
		for (const way of WAYS) {
			servers.push(await Served.start(way.name, inbounds(way.hops)));
		}
		const costs = servers.map((): number[] => []);
		for (const served of servers) await served.slice(8 * plan.requests);
		for (let slice = 1; slice <= plan.slices; slice++) {
			for (const [i, served] of servers.entries()) {
				costs[i]?.push(await served.slice(plan.requests));
			}
		}
		return servers.map(({ name }, i) => {
			return { table: "loopback", name, cost: costOf(costs[i] ?? []) };
		});
	} finally {
		for (const served of servers) await served.stop();
	}
}

/** A server in a process of its own, and the client to it. */
class Served {
	private constructor(
		readonly name: string,
		private readonly child: ChildProcess,
		private readonly pool: Pool,
		private readonly inbounds: readonly Inbound[],
	) {}

	static async start(name: string, inbounds: Inbound[]): Promise<Served> {
		const child = fork(mainFile(), ["serve", name], { env: CHILD_ENV });
		const [port] = await once(child, "message", {
			signal: AbortSignal.timeout(10_000),
		});
		const pool = new Pool(`http://127.0.0.1:${port}`, {
			connections: CONNECTIONS,
		});
		return new Served(name, child, pool, inbounds);
	}

	/** CPU time of the server for one request, in nanoseconds. */
	async slice(requests: number): Promise<number> {
		const before = await this.cpuTime();
		let left = requests;
		const client = async () => {
			while (left-- > 0) await this.exchange(left);
		};
		await Promise.all(Array.from({ length: CONNECTIONS }, client));
		return ((await this.cpuTime()) - before) / requests;
	}

	private async exchange(number: number): Promise<void> {
		const inbound = this.inbounds[number % this.inbounds.length];
		if (inbound === undefined) throw new Error("no headers");
		const raw = rawHeaders(inbound).slice(8); // the pool has those of its own
		const headers = ["accept", "*/*", "user-agent", "bench/1", ...raw];
		const options = { path: "/items/17", method: "GET" as const, headers };
		const { body, ...answer } = await this.pool.request(options);
		assert.equal(await body.text(), '{"id":"17"}');
		const clock = answer.headers["raceway-clock"];
		assert.equal(clock !== undefined, inbound.clock !== undefined);
	}

	private async cpuTime(): Promise<number> {
		this.child.send("cpu");
		const [time] = await once(this.child, "message", {
			signal: AbortSignal.timeout(10_000),
		});
		return time as number;
	}

	async stop(): Promise<void> {
		await this.pool.destroy();
		const exited = once(this.child, "exit");
		this.child.kill();
		await exited;
	}
}

/** In the child: serves until its parent goes, and tells its CPU time when asked. */
export async function serveLoopback(name: string): Promise<void> {
	const way = WAYS.find((way) => way.name === name);
	if (way === undefined) throw new Error(`no way '${name}'`);
	const { server } = makeServer("express", way.tool());
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	process.on("message", () => process.send?.(cpuTime()));
	process.on("disconnect", () => process.exit());
	process.send?.((server.address() as AddressInfo).port);
}
