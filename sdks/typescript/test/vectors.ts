import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the shared vectors, or the one that TOWLINE_VECTORS names. */
const FOLDER =
	process.env.TOWLINE_VECTORS ||
	fileURLToPath(new URL("../../../../spec/vectors", import.meta.url));

/** The vectors of one file; fails, naming it, where it is missing. */
export function vectors<T>(name: string): T {
	const path = join(FOLDER, `${name}.json`);
	assert.ok(existsSync(path), `vectors are missing: ${path}`);
	return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** Each of `list`, which must not be empty. */
export function each<T>(list: readonly T[], check: (item: T) => void): void {
	assert.ok(list.length > 0, "no vectors");
	for (const item of list) {
		try {
			check(item);
		} catch (error) {
			if (error instanceof Error) {
				error.message = `${JSON.stringify(item).slice(0, 600)}\n${error.message}`;
			}
			throw error;
		}
	}
}
