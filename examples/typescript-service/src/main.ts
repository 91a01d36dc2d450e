import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Towline } from "towline";
import { Wire } from "./fault.js";
import { service } from "./service.js";

const towline = new Towline({ filter: (_method, path) => path !== "/health" });
const { serviceName } = towline.config;
const wire = new Wire(serviceName, process.env.TOWLINE_DEMO_FAULT);
const server = createServer(wire.listener(service(towline, wire)));

server.listen(Number(process.env.PORT || 6001), "127.0.0.1", () => {
	const { port } = server.address() as AddressInfo;
	console.log(`${serviceName} listening on 127.0.0.1:${port}`);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
	process.once(signal, () => {
		server.close();
		server.closeAllConnections();
	});
}
