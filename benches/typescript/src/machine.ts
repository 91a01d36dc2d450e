import { cpus, release, type } from "node:os";

/** What it was measured on. */
export function machine(): string {
	const [cpu] = cpus();
	return `${cpu?.model.trim()}, ${cpus().length} cores, ${type()} ${release()}, Node ${process.versions.node} (V8 ${process.versions.v8})`;
}
